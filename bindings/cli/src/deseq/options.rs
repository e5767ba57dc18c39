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
    options.size_factors.location = named("locfunc", &model.locfunc)?;
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
        contrast: comparison(args)?,
        list_values: list_values(args)?,
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

/// The comparison asked for, in one of its three forms.
fn comparison(args: &ComparisonArgs) -> Result<Option<Contrast>> {
    if let Some(text) = &args.contrast {
        return contrast(text).map(Some);
    }
    let list = |names: &Option<String>| -> Vec<String> {
        let names = names.as_deref().unwrap_or("").split(',').map(str::trim);
        names.filter(|n| !n.is_empty()).map(str::to_owned).collect()
    };
    let (numerators, denominators) = (list(&args.numerators), list(&args.denominators));
    let given = args.numerators.is_some() || args.denominators.is_some();
    if given && numerators.is_empty() && denominators.is_empty() {
        return Err(Error::argument(
            "numerators",
            "is empty; must be names of coefficients, A,B",
        ));
    }
    Ok(given.then_some(Contrast::List {
        numerators,
        denominators,
    }))
}

fn list_values(args: &ComparisonArgs) -> Result<(f64, f64)> {
    let Some(text) = &args.list_values else {
        return Ok(ResultsOptions::default().list_values);
    };
    if args.numerators.is_none() && args.denominators.is_none() {
        return Err(Error::argument(
            "list-values",
            "is for --numerators and --denominators",
        ));
    }
    match numbers(text).as_deref() {
        Some(&[first, second]) => Ok((first, second)),
        _ => Err(Error::argument(
            "list-values",
            format!("{text:?} must be two numbers, such as 0.5,-1"),
        )),
    }
}

fn numbers(text: &str) -> Option<Vec<f64>> {
    text.split(',').map(|n| n.trim().parse().ok()).collect()
}

/// `FACTOR,LEVEL,BASE`, or a number a coefficient.
fn contrast(text: &str) -> Result<Contrast> {
    if let Some(numbers) = numbers(text) {
        return Ok(Contrast::Numeric(numbers));
    }
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    match parts.as_slice() {
        [factor, level, base] if parts.iter().all(|p| !p.is_empty()) => {
            Ok(Contrast::factor(factor, level, base))
        }
        _ => Err(Error::argument(
            "contrast",
            format!(
                "{text:?} must be a factor and two of its levels, FACTOR,LEVEL,BASE, or a number for each \
                 coefficient"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrasts_are_three_words_or_numbers() {
        let read = contrast("condition, b,a").expect("three words");
        assert_eq!(read, Contrast::factor("condition", "b", "a"));
        let read = contrast("0, -1,0.5").expect("three numbers");
        assert_eq!(read, Contrast::Numeric(vec![0.0, -1.0, 0.5]));
        for wrong in ["condition", "condition,a", "a,b,c,d", "a,,b"] {
            assert_eq!(
                contrast(wrong).expect_err("not three").argument_name(),
                Some("contrast")
            );
        }
    }
}
