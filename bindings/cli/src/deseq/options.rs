//! From words of the command line to options of the engine; every word is checked before a file is
//! opened.

use std::str::FromStr;

use cytosol::deseq::{
    Contrast, CooksFilter, DeseqOptions, Design, ResultsOptions, ShrinkOptions, TestKind,
    TransformOptions,
};
use cytosol::stats::dispersion::FitType;
use cytosol::{Error, Result};

use super::args::{ComparisonArgs, DeseqArgs};

/// Options of every step.
pub struct Options {
    /// The analysis.
    pub analysis: DeseqOptions,
    /// The table.
    pub results: ResultsOptions,
    /// Shrinkage, when asked for.
    pub shrink: Option<ShrinkOptions>,
    /// The transformation.
    pub transform: TransformOptions,
    /// The design.
    pub design: Design,
}

impl Options {
    /// Reads them from the command line.
    ///
    /// # Errors
    /// `InvalidArgument` naming the option.
    pub fn of(args: &DeseqArgs) -> Result<Self> {
        if let Some(path) = &args.ma_plot {
            crate::picture::check_name(path).map_err(|e| e.with_argument("ma-plot"))?;
        }
        let fit_type: FitType = named("fit-type", &args.model.fit_type)?;
        let results = results_options(&args.comparison)?;
        let shrink = match &args.comparison.shrink {
            Some(kind) => {
                let svalue = args.comparison.svalue;
                Some(ShrinkOptions {
                    kind: named("shrink", kind)?,
                    svalue,
                    lfc_threshold: if svalue { results.lfc_threshold } else { 0.0 },
                    results: results.clone(),
                    ..ShrinkOptions::default()
                })
            }
            None => None,
        };
        let transform = TransformOptions {
            blind: !args.vst_with_design,
            fit_type,
            nsub: args.vst_nsub,
        };
        Ok(Options {
            analysis: analysis_options(args, fit_type)?,
            results,
            shrink,
            transform,
            design: Design::formula(&args.design).map_err(|e| e.with_argument("design"))?,
        })
    }
}

fn named<T: FromStr<Err = Error>>(option: &str, word: &str) -> Result<T> {
    word.parse()
        .map_err(|e: Error| e.in_context(format!("--{option}")).with_argument(option))
}

fn analysis_options(args: &DeseqArgs, fit_type: FitType) -> Result<DeseqOptions> {
    let model = &args.model;
    let test = match model.test.as_str() {
        "Wald" => TestKind::Wald,
        "LRT" => TestKind::Lrt,
        other => {
            return Err(Error::argument(
                "test",
                format!("{other:?} is unknown; must be \"Wald\" or \"LRT\""),
            ));
        }
    };
    let reduced = match &model.reduced {
        Some(formula) => Some(
            Design::formula(formula)
                .map_err(|e| e.in_context("--reduced").with_argument("reduced"))?,
        ),
        None => None,
    };
    let mut options = DeseqOptions {
        test,
        reduced,
        ..DeseqOptions::default()
    };
    options.size_factors.kind = named("sf-type", &model.sf_type)?;
    options.size_factors.strict = model.strict;
    options.dispersions.fit_type = fit_type;
    options.dispersions.mode = named("mode", &model.mode)?;
    options.fit.min_mu = options.dispersions.min_mu();
    options.fit.min_replicates_for_replace = model.min_replicates_for_replace;
    Ok(options)
}

fn results_options(args: &ComparisonArgs) -> Result<ResultsOptions> {
    let cooks_cutoff = match args.cooks_cutoff.as_deref() {
        None => CooksFilter::Default,
        Some("off") => CooksFilter::Off,
        Some(number) => match number.parse::<f64>() {
            Ok(value) if value > 0.0 => CooksFilter::Above(value),
            _ => {
                return Err(Error::argument(
                    "cooks-cutoff",
                    format!("{number:?} must be a positive number or \"off\""),
                ));
            }
        },
    };
    Ok(ResultsOptions {
        contrast: args.contrast.as_deref().map(contrast).transpose()?,
        name: args.name.clone(),
        alpha: args.alpha,
        lfc_threshold: args.lfc_threshold,
        alt_hypothesis: named("alt-hypothesis", &args.alt_hypothesis)?,
        p_adjust_method: named("p-adjust-method", &args.p_adjust_method)?,
        independent_filtering: !args.no_independent_filtering,
        compat: named("compat", &args.compat)?,
        cooks_cutoff,
        ..ResultsOptions::default()
    })
}

/// `FACTOR,LEVEL,BASE`.
fn contrast(text: &str) -> Result<Contrast> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    match parts.as_slice() {
        [factor, level, base] if parts.iter().all(|p| !p.is_empty()) => {
            Ok(Contrast::factor(factor, level, base))
        }
        _ => Err(Error::argument(
            "contrast",
            format!("{text:?} must be a factor and two of its levels: FACTOR,LEVEL,BASE"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrasts_are_three_words() {
        let read = contrast("condition, b,a").expect("three words");
        assert_eq!(read, Contrast::factor("condition", "b", "a"));
        for wrong in ["condition", "condition,a", "a,b,c,d", "a,,b"] {
            assert_eq!(
                contrast(wrong).expect_err("not three").argument_name(),
                Some("contrast")
            );
        }
    }
}
