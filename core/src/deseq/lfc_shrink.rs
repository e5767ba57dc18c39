//! Shrunken log2 fold changes: apeglm, ashr and normal, natively.
//!
//! # Cost
//! apeglm: some tens of Newton steps a gene. ashr: a mixture of about 20 normals, once. normal: a
//! fit a gene.
//!
//! # Source
//! DESeq2 1.38, `lfcShrink`, and the packages it calls; see [`crate::stats::effect_size`].

use std::str::FromStr;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::stats::effect_size::{
    ApeglmWorkspace, AshPrior, CauchyPrior, ash_false_or_small, ash_posterior, cauchy_prior_scale,
    fit_ash_prior, s_values, shrink_gene,
};
use crate::stats::glm::{LeastSquares, ModelMatrix, Values, Variable, make_name, model_matrix};
use crate::stats::special::normal_upper_tail;

use super::contrast::{Contrast, Fitted};
use super::dataset::DeseqDataset;
use super::genes::{GeneReader, by_blocks};
use super::moments::Model;
use super::notes::message;
use super::options::TestOptions;
use super::pipeline::Analysis;
use super::results::{ColumnNote, DeseqResults, ResultsOptions, results};
use super::wald::{MatrixType, assemble, estimate_beta_prior, prior_fits};

/// The method of shrinkage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ShrinkType {
    /// A Cauchy prior on the coefficient.
    #[default]
    Apeglm,
    /// A mixture of normals on all effects.
    Ashr,
    /// A normal prior on all coefficients.
    Normal,
}

impl FromStr for ShrinkType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "apeglm" => Ok(ShrinkType::Apeglm),
            "ashr" => Ok(ShrinkType::Ashr),
            "normal" => Ok(ShrinkType::Normal),
            _ => Err(Error::argument(
                "type",
                format!("{text:?} is unknown; must be \"apeglm\", \"ashr\" or \"normal\""),
            )),
        }
    }
}

/// What is shrunken.
#[derive(Debug, Clone, PartialEq)]
pub enum ShrinkTarget {
    /// A coefficient, by name.
    Coefficient(String),
    /// A comparison. apeglm fits it as a coefficient of an equivalent model matrix.
    Contrast(Contrast),
}

/// Options of [`lfc_shrink`].
#[derive(Debug, Clone, PartialEq)]
pub struct ShrinkOptions {
    /// Method. Default apeglm.
    pub kind: ShrinkType,
    /// Threshold of the log2 fold change; apeglm and ashr then give s-values of "false sign or small".
    pub lfc_threshold: f64,
    /// s-values instead of p-values (apeglm and ashr).
    pub svalue: bool,
    /// Whether apeglm's scale is estimated from all genes. Otherwise it is 1, and all coefficients but the first
    /// have this prior. Default true.
    pub ape_adapt: bool,
    /// Options of the results that normal shrinkage with a threshold recomputes.
    pub results: ResultsOptions,
}

impl Default for ShrinkOptions {
    fn default() -> Self {
        ShrinkOptions {
            kind: ShrinkType::Apeglm,
            lfc_threshold: 0.0,
            svalue: false,
            ape_adapt: true,
            results: ResultsOptions::default(),
        }
    }
}

/// The prior that was used.
#[derive(Debug, Clone, PartialEq)]
pub enum PriorInfo {
    /// Scale of the Cauchy prior (natural log), and the objective and convergence of each gene.
    Apeglm {
        /// Scale.
        scale: f64,
        /// Objective at the mode, up to terms without coefficients; NaN where not fitted.
        objective: Vec<f64>,
        /// Whether the mode was found.
        converged: Vec<bool>,
    },
    /// The mixture.
    Ashr(AshPrior),
    /// Variances of the normal priors, one a coefficient, log2.
    Normal {
        /// Coefficient names.
        names: Vec<String>,
        /// Variances.
        variance: Vec<f64>,
    },
}

/// Shrunken results and their prior.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunken {
    /// The table.
    pub results: DeseqResults,
    /// The prior.
    pub prior: PriorInfo,
}

/// Shrinks the effects of `base` (results for the same target; made when absent).
///
/// # Errors
/// `InvalidArgument` for analyses with a prior on coefficients or without standard errors, for targets
/// that a method cannot take, and for options that do not fit.
pub fn lfc_shrink(
    ctx: &Context,
    dataset: &DeseqDataset,
    analysis: &Analysis,
    target: &ShrinkTarget,
    base: Option<&DeseqResults>,
    options: &ShrinkOptions,
) -> Result<Shrunken> {
    if analysis.fit.beta_prior_variance.is_some() {
        return Err(Error::argument(
            "dds",
            "lfcShrink needs an analysis with betaPrior = FALSE",
        ));
    }
    if !(options.lfc_threshold >= 0.0 && options.lfc_threshold.is_finite()) {
        return Err(Error::argument(
            "lfcThreshold",
            "must be a number of at least 0",
        ));
    }
    let made;
    let base = match base {
        Some(base) => base,
        None => {
            let mut asked = options.results.clone();
            asked.lfc_threshold = 0.0;
            (asked.name, asked.contrast) = match target {
                ShrinkTarget::Coefficient(name) => (Some(name.clone()), None),
                ShrinkTarget::Contrast(contrast) => (None, Some(contrast.clone())),
            };
            made = results(ctx, dataset, analysis, &asked)?;
            &made
        }
    };
    if base.genes.len() != dataset.n_genes() {
        return Err(Error::argument(
            "res",
            format!(
                "{} genes; the data set has {}",
                base.genes.len(),
                dataset.n_genes()
            ),
        ));
    }
    if base.lfc_se.iter().all(|se| se.is_nan()) {
        return Err(Error::argument(
            "res",
            "has no standard errors, which tests of fitType = \"glmGamPoi\" do not give; shrink the effects of \
             another test",
        ));
    }
    match options.kind {
        ShrinkType::Apeglm => apeglm(ctx, dataset, analysis, target, base, options),
        ShrinkType::Ashr => ashr(ctx, base, options),
        ShrinkType::Normal => normal(ctx, dataset, analysis, target, base, options),
    }
}

/// An equivalent model matrix, and the column of it that is shrunken.
///
/// A comparison of two levels becomes a coefficient when its denominator is made the reference;
/// any other contrast takes the place of the coefficient with the largest part in it.
fn target_matrix(fitted: &Fitted<'_>, target: &ShrinkTarget) -> Result<(ModelMatrix, usize)> {
    let matrix = &fitted.fit.matrix;
    let contrast = match target {
        ShrinkTarget::Coefficient(name) => {
            let column = fitted.column_of(name)?;
            if column == 0 && matrix.intercept() == Some(0) {
                return Err(Error::argument("coef", "the intercept is not shrunken"));
            }
            return Ok((matrix.clone(), column));
        }
        ShrinkTarget::Contrast(contrast) => contrast,
    };
    // Also checks the contrast.
    let numbers = fitted.numbers_of(contrast)?;
    if let (
        Contrast::Factor {
            factor,
            numerator,
            denominator,
        },
        Some(formula),
        Some(_),
    ) = (
        contrast,
        fitted.dataset.design.as_formula(),
        matrix.intercept(),
    ) {
        let mut variables = fitted.dataset.variables(formula)?;
        for variable in variables.iter_mut().filter(|v| v.name == *factor) {
            make_reference(variable, denominator);
        }
        let relevelled = model_matrix(formula, &variables, matrix.n_samples)?;
        let name = make_name(&format!("{factor}_{numerator}_vs_{denominator}"));
        if let Some(column) = relevelled.names.iter().position(|n| *n == name) {
            return Ok((relevelled, column));
        }
    }
    let p = matrix.n_columns();
    let mut column = 0;
    for (k, c) in numbers.iter().enumerate() {
        if c.abs() > numbers[column].abs() {
            column = k;
        }
    }
    let mut matrix = matrix.clone();
    for row in matrix.values.chunks_exact_mut(p) {
        let x = row[column] / numbers[column];
        for (k, value) in row.iter_mut().enumerate() {
            *value = if k == column {
                x
            } else {
                *value - x * numbers[k]
            };
        }
    }
    Ok((matrix, column))
}

/// Moves a level of a factor to the front.
fn make_reference(variable: &mut Variable, level: &str) {
    if let Values::Factor { codes, levels } = &mut variable.values {
        if let Some(at) = levels.iter().position(|l| l == level) {
            levels[..=at].rotate_right(1);
            for code in codes.iter_mut() {
                *code = match *code as usize {
                    c if c == at => 0,
                    c if c < at => *code + 1,
                    _ => *code,
                };
            }
        }
    }
}

/// Coefficients of the equivalent matrix with the same fitted means.
struct Basis {
    old: Model,
    new: Model,
    least_squares: LeastSquares,
}

impl Basis {
    fn of(fitted: &Fitted<'_>, matrix: ModelMatrix) -> Result<Self> {
        let new = Model::new(matrix);
        let least_squares = new.rows.least_squares().ok_or_else(|| {
            Error::argument("contrast", "gives a model matrix of less than full rank")
        })?;
        Ok(Basis {
            old: Model::new(fitted.fit.matrix.clone()),
            new,
            least_squares,
        })
    }

    /// Natural-log coefficients from log2 ones.
    fn change(&self, log2: &[f64], out: &mut [f64]) {
        let ln2 = std::f64::consts::LN_2;
        let mut of_row = vec![0.0; self.old.rows.n_rows()];
        self.old.rows.predict(log2, &mut of_row);
        let eta: Vec<f64> = self
            .old
            .rows
            .row_of_sample()
            .iter()
            .map(|&row| of_row[row as usize] * ln2)
            .collect();
        let mut sums = vec![0.0; self.new.rows.n_rows()];
        self.new.rows.sum_by_row(&eta, &mut sums);
        self.least_squares.solve(&self.new.rows, &sums, out);
    }
}

fn apeglm(
    ctx: &Context,
    dataset: &DeseqDataset,
    analysis: &Analysis,
    target: &ShrinkTarget,
    base: &DeseqResults,
    options: &ShrinkOptions,
) -> Result<Shrunken> {
    message(
        ctx,
        "using 'apeglm' for LFC shrinkage (Zhu, Ibrahim, Love 2018, Bioinformatics)",
    )?;
    let fitted = Fitted {
        dataset,
        dispersions: &analysis.dispersions,
        fit: &analysis.fit,
    };
    let (matrix, column) = target_matrix(&fitted, target)?;
    let same = matrix == analysis.fit.matrix;
    let basis = Basis::of(&fitted, matrix)?;
    let model = &basis.new;
    let ln2 = std::f64::consts::LN_2;
    let natural = |values: &[f64]| values.iter().map(|v| v * ln2).collect::<Vec<_>>();
    let scale = if options.ape_adapt {
        cauchy_prior_scale(&natural(&base.log2_fold_change), &natural(&base.lfc_se))
    } else {
        1.0
    };
    let prior = CauchyPrior {
        coefficient: column,
        scale,
        // apeglm without estimates to adapt to: every coefficient but the first.
        of_all: !options.ape_adapt,
    };
    let p = model.rows.n_columns();
    let (fit, dispersions) = (&analysis.fit, &analysis.dispersions);
    let mut found = Vec::with_capacity(dataset.n_genes());
    by_blocks(
        ctx,
        "shrinking log fold changes",
        dataset,
        || {
            (
                GeneReader::new(dataset),
                ApeglmWorkspace::new(&model.rows),
                vec![0.0; p],
            )
        },
        |(reader, ws, mle), range| {
            let mut part = Vec::with_capacity(range.len());
            for gene in range {
                ctx.check_cancelled()?;
                let alpha = dispersions.dispersion[gene];
                reader.read(gene);
                if alpha.is_nan() || reader.counts.iter().all(|&k| k == 0.0) {
                    part.push(None);
                    continue;
                }
                let beta = &fit.beta[gene * p..(gene + 1) * p];
                if same {
                    mle.iter_mut().zip(beta).for_each(|(mle, b)| *mle = b * ln2);
                } else {
                    basis.change(beta, mle);
                }
                part.push(Some(shrink_gene(
                    &model.rows,
                    &reader.gene(alpha),
                    prior,
                    mle,
                    ws,
                )));
            }
            Ok(part)
        },
        |part| {
            found.extend(part);
            Ok(())
        },
    )?;
    let pick = |of: &dyn Fn(&crate::stats::effect_size::ShrunkenEffect) -> f64| -> Vec<f64> {
        found
            .iter()
            .map(|f| f.as_ref().map_or(f64::NAN, of))
            .collect()
    };
    let (map, sd) = (pick(&|f| f.map), pick(&|f| f.sd));
    let threshold = options.lfc_threshold * ln2;
    if threshold > 0.0 {
        note_threshold(ctx, options.lfc_threshold)?;
    }
    let rates: Vec<f64> = map
        .iter()
        .zip(&sd)
        .map(|(map, sd)| false_sign_or_small(*map, *sd, threshold))
        .collect();
    let per_ln2 = |values: &[f64]| values.iter().map(|v| v / ln2).collect::<Vec<_>>();
    let with_svalue = options.svalue || threshold > 0.0;
    let results = replace_effects(
        base,
        per_ln2(&map),
        per_ln2(&sd),
        with_svalue.then(|| s_values(&rates)),
        options,
    );
    Ok(Shrunken {
        results,
        prior: PriorInfo::Apeglm {
            scale,
            objective: pick(&|f| f.objective),
            converged: found
                .iter()
                .map(|f| f.as_ref().is_some_and(|f| f.converged))
                .collect(),
        },
    })
}

fn note_threshold(ctx: &Context, threshold: f64) -> Result<()> {
    message(
        ctx,
        &format!("s-values count a change below lfcThreshold = {threshold} as false"),
    )
}

/// Probability that the sign is wrong, or, with a threshold, that the effect is smaller than it.
fn false_sign_or_small(map: f64, sd: f64, threshold: f64) -> f64 {
    if threshold == 0.0 {
        return normal_upper_tail(map.abs() / sd);
    }
    // P(effect < T) for a positive mode, P(effect > -T) for a negative one.
    let bound = if map < 0.0 { -threshold } else { threshold };
    let below = normal_upper_tail((map - bound) / sd);
    if map < 0.0 {
        normal_upper_tail((bound - map) / sd)
    } else {
        below
    }
}

fn ashr(ctx: &Context, base: &DeseqResults, options: &ShrinkOptions) -> Result<Shrunken> {
    message(
        ctx,
        "using 'ashr' for LFC shrinkage (Stephens, M. 2016, Biostatistics)",
    )?;
    let prior = fit_ash_prior(&base.log2_fold_change, &base.lfc_se)?;
    let posterior = ash_posterior(&prior, &base.log2_fold_change, &base.lfc_se);
    let threshold = options.lfc_threshold;
    let results = if threshold > 0.0 {
        note_threshold(ctx, threshold)?;
        let rates = ash_false_or_small(&prior, &base.log2_fold_change, &base.lfc_se, threshold);
        let mut out = replace_effects(base, posterior.mean, posterior.sd, None, options);
        // The tests of the base table stay beside s-values of another question.
        out.stat.clone_from(&base.stat);
        if let Some(stat) = base.notes.iter().find(|n| n.0 == "stat") {
            out.notes.insert(3, stat.clone());
        }
        add_svalue(&mut out, s_values(&rates), &words_of(base));
        out
    } else {
        let s = options
            .svalue
            .then(|| s_values(&posterior.local_false_sign_rate));
        replace_effects(base, posterior.mean, posterior.sd, s, options)
    };
    Ok(Shrunken {
        results,
        prior: PriorInfo::Ashr(prior),
    })
}

/// The base table with other effects, without statistic; s-values take the place of p-values.
fn replace_effects(
    base: &DeseqResults,
    lfc: Vec<f64>,
    se: Vec<f64>,
    svalue: Option<Vec<f64>>,
    options: &ShrinkOptions,
) -> DeseqResults {
    let mut out = base.clone();
    out.log2_fold_change = lfc;
    out.lfc_se = se;
    out.lfc_mle = None;
    out.stat = None;
    out.lfc_threshold = options.lfc_threshold;
    let what = words_of(base);
    let dropped: &[&str] = if svalue.is_some() {
        &["stat", "lfcMLE", "pvalue", "padj"]
    } else {
        &["stat", "lfcMLE"]
    };
    out.notes.retain(|n| !dropped.contains(&n.0.as_str()));
    for note in &mut out.notes {
        let text = match note.0.as_str() {
            "log2FoldChange" => format!("log2 fold change (MAP): {what}"),
            "lfcSE" => format!("posterior SD: {what}"),
            _ => continue,
        };
        note.1.description = text;
    }
    if let Some(svalue) = svalue {
        out.pvalue = None;
        out.padj = None;
        add_svalue(&mut out, svalue, &what);
    }
    out
}

/// What a table compares, from the description of its effects.
fn words_of(base: &DeseqResults) -> String {
    let effect = base.notes.iter().find(|n| n.0 == "log2FoldChange");
    effect
        .and_then(|n| n.1.description.split_once(": "))
        .map_or(String::new(), |(_, what)| what.to_owned())
}

fn add_svalue(out: &mut DeseqResults, svalue: Vec<f64>, what: &str) {
    out.svalue = Some(svalue);
    out.notes.push((
        "svalue".to_owned(),
        ColumnNote {
            kind: "results",
            description: format!("s-value: {what}"),
        },
    ));
}

fn normal(
    ctx: &Context,
    dataset: &DeseqDataset,
    analysis: &Analysis,
    target: &ShrinkTarget,
    base: &DeseqResults,
    options: &ShrinkOptions,
) -> Result<Shrunken> {
    if options.svalue {
        return Err(Error::argument("svalue", "type='normal' gives no s-values"));
    }
    let formula = dataset.design.as_formula();
    if formula.is_some_and(|f| f.has_interactions()) {
        return Err(Error::argument(
            "type",
            "type='normal' shrinks every term by one prior, which an interaction does not share; use 'apeglm' or 'ashr' for a design with interactions",
        ));
    }
    let by_contrast = matches!(target, ShrinkTarget::Contrast(_));
    if by_contrast && analysis.fit.matrix_type == MatrixType::UserSupplied {
        return Err(Error::argument(
            "contrast",
            "the design was given as a matrix, so the levels to compare are not known; name a column by coef",
        ));
    }
    message(
        ctx,
        "fold changes are shrunken by a zero-centred normal prior (type='normal')",
    )?;
    let test = TestOptions {
        standard_matrix: !by_contrast,
        min_mu: analysis.fit.min_mu,
        ..TestOptions::default()
    };
    let variance = estimate_beta_prior(
        dataset,
        &analysis.dispersions,
        &analysis.fit.matrix,
        &analysis.fit.beta,
        &test,
    )?;
    let matrix = if by_contrast {
        dataset.expanded_matrix()?
    } else {
        analysis.fit.matrix.clone()
    };
    let kind = if by_contrast {
        MatrixType::Expanded
    } else {
        analysis.fit.matrix_type
    };
    let model = Model::new(matrix);
    let fits = prior_fits(
        ctx,
        dataset,
        &analysis.dispersions,
        &model,
        &variance,
        &test,
    )?;
    let names = model.matrix.names.clone();
    let mut fit = assemble(model.matrix, kind, fits, &test);
    fit.beta_prior_variance = Some(variance.clone());
    fit.max_cooks.clone_from(&analysis.fit.max_cooks);
    fit.worst_sample.clone_from(&analysis.fit.worst_sample);
    let shrunken = Analysis {
        dispersions: analysis.dispersions.clone(),
        fit,
        replacement: analysis.replacement.clone(),
    };
    let mut asked = options.results.clone();
    asked.lfc_threshold = options.lfc_threshold;
    (asked.name, asked.contrast) = match target {
        ShrinkTarget::Coefficient(name) => (Some(name.clone()), None),
        ShrinkTarget::Contrast(contrast) => (None, Some(contrast.clone())),
    };
    let with_prior = results(ctx, dataset, &shrunken, &asked)?;
    let mut out = base.clone();
    out.log2_fold_change = with_prior.log2_fold_change;
    out.lfc_se = with_prior.lfc_se;
    for note in &mut out.notes {
        if note.0 == "log2FoldChange" {
            note.1.description = note.1.description.replace("(MLE)", "(MAP)");
        }
    }
    if options.lfc_threshold > 0.0 {
        out.stat = with_prior.stat;
        out.pvalue = with_prior.pvalue;
        out.padj = with_prior.padj;
        out.filtering = with_prior.filtering;
        out.lfc_threshold = options.lfc_threshold;
    }
    Ok(Shrunken {
        results: out,
        prior: PriorInfo::Normal { names, variance },
    })
}
