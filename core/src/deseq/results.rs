//! The table of results: effects, thresholds, outlier rule, independent filtering, adjustment.
//!
//! # Cost
//! That of the contrast, and 50 adjustments of the p-values.
//!
//! # Source
//! DESeq2 1.38 and 1.44, `results`.

use std::str::FromStr;

use crate::context::Context;
use crate::data::{Column, Table};
use crate::error::{Error, Result};
use crate::stats::filtering::{FilterOptions, FilterStep, independent_filtering};
use crate::stats::glm::Values;
use crate::stats::multiple_testing::{Adjustment, adjust};

use super::contrast::{Contrast, Effect, Fitted, upper_tail};
use super::dataset::DeseqDataset;
use super::options::Compat;
use super::pipeline::{Analysis, TestKind};
use super::wald::{MatrixType, cooks_cutoff};

/// The alternative hypothesis about the log2 fold change `b` and a threshold `T >= 0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AltHypothesis {
    /// `|b| > T`, with a test whose null is the whole interval.
    #[default]
    GreaterAbs,
    /// `|b| < T`.
    LessAbs,
    /// `b > T`.
    Greater,
    /// `b < -T`.
    Less,
    /// `|b| > T` as DESeq2 tested it until 1.42.
    GreaterAbs2014,
}

impl FromStr for AltHypothesis {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "greaterAbs" => AltHypothesis::GreaterAbs,
            "lessAbs" => AltHypothesis::LessAbs,
            "greater" => AltHypothesis::Greater,
            "less" => AltHypothesis::Less,
            "greaterAbs2014" => AltHypothesis::GreaterAbs2014,
            _ => {
                return Err(Error::argument(
                    "altHypothesis",
                    format!(
                        "{text:?} is unknown; must be \"greaterAbs\", \"lessAbs\", \"greater\", \
                         \"less\" or \"greaterAbs2014\""
                    ),
                ));
            }
        })
    }
}

/// From which Cook's distance on a p-value is set to missing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum CooksFilter {
    /// The 99 % quantile of F(p, m - p).
    #[default]
    Default,
    /// Never.
    Off,
    /// This value.
    Above(f64),
}

/// Options of [`results`], with DESeq2's names.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultsOptions {
    /// The comparison; the last coefficient when neither this nor `name` is given.
    pub contrast: Option<Contrast>,
    /// A coefficient.
    pub name: Option<String>,
    /// Threshold of the log2 fold change. Default 0.
    pub lfc_threshold: f64,
    /// Alternative hypothesis. Default greaterAbs.
    pub alt_hypothesis: AltHypothesis,
    /// Factors of the two lists of a list contrast. Default (1, -1).
    pub list_values: (f64, f64),
    /// Outlier rule.
    pub cooks_cutoff: CooksFilter,
    /// Whether genes with low counts are filtered. Default true.
    pub independent_filtering: bool,
    /// Level of the adjusted p-values that filtering optimises. Default 0.1.
    pub alpha: f64,
    /// Filter statistic, one a gene; the base mean when absent.
    pub filter: Option<Vec<f64>>,
    /// Quantiles of the filter.
    pub theta: Option<Vec<f64>>,
    /// Adjustment. Default BH.
    pub p_adjust_method: Adjustment,
    /// Wald columns of an analysis by likelihood-ratio test.
    pub test: Option<TestKind>,
    /// Adds the coefficients without prior.
    pub add_mle: bool,
    /// Version followed.
    pub compat: Compat,
}

impl Default for ResultsOptions {
    fn default() -> Self {
        ResultsOptions {
            contrast: None,
            name: None,
            lfc_threshold: 0.0,
            alt_hypothesis: AltHypothesis::GreaterAbs,
            list_values: (1.0, -1.0),
            cooks_cutoff: CooksFilter::Default,
            independent_filtering: true,
            alpha: 0.1,
            filter: None,
            theta: None,
            p_adjust_method: Adjustment::Bh,
            test: None,
            add_mle: false,
            compat: Compat::V144,
        }
    }
}

/// Type and description of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnNote {
    /// `intermediate` or `results`.
    pub kind: &'static str,
    /// In words.
    pub description: String,
}

/// How independent filtering went.
#[derive(Debug, Clone, PartialEq)]
pub struct Filtering {
    /// All cuts.
    pub steps: Vec<FilterStep>,
    /// Quantile of the filter that was chosen.
    pub theta: f64,
    /// Value of the filter there.
    pub threshold: f64,
}

/// The table; NaN where a value is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct DeseqResults {
    /// Gene names.
    pub genes: Vec<String>,
    /// Mean of normalised counts.
    pub base_mean: Vec<f64>,
    /// Log2 fold change.
    pub log2_fold_change: Vec<f64>,
    /// Log2 fold change without prior, when asked for.
    pub lfc_mle: Option<Vec<f64>>,
    /// Its standard error.
    pub lfc_se: Vec<f64>,
    /// Statistic; `None` after shrinkage that has none.
    pub stat: Option<Vec<f64>>,
    /// p-value; `None` when s-values stand in its place.
    pub pvalue: Option<Vec<f64>>,
    /// Adjusted p-value.
    pub padj: Option<Vec<f64>>,
    /// s-value of shrunken effects.
    pub svalue: Option<Vec<f64>>,
    /// A note a column, in the order of [`DeseqResults::table`].
    pub notes: Vec<(String, ColumnNote)>,
    /// Independent filtering, when it was done.
    pub filtering: Option<Filtering>,
    /// Level.
    pub alpha: f64,
    /// Threshold of the log2 fold change.
    pub lfc_threshold: f64,
}

impl DeseqResults {
    /// The table with the reference's column names.
    ///
    /// # Errors
    /// None that a result of this crate can cause.
    pub fn table(&self) -> Result<Table> {
        let mut table = Table::new(self.genes.clone());
        table.set("baseMean", Column::F64(self.base_mean.clone()))?;
        table.set("log2FoldChange", Column::F64(self.log2_fold_change.clone()))?;
        let columns = [
            ("lfcMLE", &self.lfc_mle),
            ("lfcSE", &Some(self.lfc_se.clone())),
            ("stat", &self.stat),
            ("pvalue", &self.pvalue),
            ("padj", &self.padj),
            ("svalue", &self.svalue),
        ];
        for (name, column) in columns {
            if let Some(values) = column {
                table.set(name, Column::F64(values.clone()))?;
            }
        }
        Ok(table)
    }
}

/// A filter of the host's own: gets the results without adjustment, the filter statistic, the level
/// and the method; gives adjusted p-values.
pub type FilterFunction<'a> =
    &'a mut dyn FnMut(&DeseqResults, &[f64], f64, Adjustment) -> Result<Vec<f64>>;

/// The table of results of a comparison.
///
/// # Errors
/// `InvalidArgument` for options that do not fit each other or the analysis.
pub fn results(
    ctx: &Context,
    dataset: &DeseqDataset,
    analysis: &Analysis,
    options: &ResultsOptions,
) -> Result<DeseqResults> {
    results_with_filter(ctx, dataset, analysis, options, None)
}

/// [`results`] with a filter of the host's own instead of independent filtering.
///
/// # Errors
/// Those of [`results`] and of the filter.
pub fn results_with_filter(
    ctx: &Context,
    dataset: &DeseqDataset,
    analysis: &Analysis,
    options: &ResultsOptions,
    filter_function: Option<FilterFunction<'_>>,
) -> Result<DeseqResults> {
    check(analysis, options)?;
    let fitted = Fitted {
        dataset,
        dispersions: &analysis.dispersions,
        fit: &analysis.fit,
    };
    let is_lrt = analysis.fit.lrt.is_some() && options.test != Some(TestKind::Wald);
    let mut effect = effect_of(ctx, &fitted, options)?;
    if is_lrt {
        let lrt = analysis.fit.lrt.as_ref().expect("checked above");
        effect.stat.clone_from(&lrt.statistic);
        effect.pvalue.clone_from(&lrt.pvalue);
    } else if effect.stat.is_empty() {
        effect.stat = effect
            .lfc
            .iter()
            .zip(&effect.se)
            .map(|(b, s)| b / s)
            .collect();
        let tails = effect.stat.iter().enumerate();
        effect.pvalue = tails
            .map(|(gene, z)| 2.0 * upper_tail(&analysis.fit, gene, z.abs()))
            .collect();
    }
    if options.lfc_threshold > 0.0 || options.alt_hypothesis != AltHypothesis::GreaterAbs {
        threshold(&fitted, &mut effect, options);
    }
    outlier_rule(&fitted, &mut effect, options);
    zeros_after_replacement(analysis, &mut effect);
    let notes = notes(analysis, &effect, options, is_lrt);
    let mut mle = mle_column(&fitted, options)?;
    if let Some(mle) = &mut mle {
        for &gene in &effect.without_counts {
            mle[gene] = 0.0;
        }
    }
    let mut table = DeseqResults {
        genes: dataset.genes.clone(),
        base_mean: analysis.dispersions.moments.mean.clone(),
        log2_fold_change: effect.lfc,
        lfc_mle: mle,
        lfc_se: effect.se,
        stat: Some(effect.stat),
        pvalue: Some(effect.pvalue),
        padj: None,
        svalue: None,
        notes,
        filtering: None,
        alpha: options.alpha,
        lfc_threshold: options.lfc_threshold,
    };
    adjust_results(&mut table, options, filter_function)?;
    Ok(table)
}

fn check(analysis: &Analysis, options: &ResultsOptions) -> Result<()> {
    if !(options.lfc_threshold >= 0.0 && options.lfc_threshold.is_finite()) {
        return Err(Error::argument(
            "lfcThreshold",
            "must be a number of at least 0",
        ));
    }
    if !(options.alpha > 0.0 && options.alpha < 1.0) {
        return Err(Error::argument("alpha", "must be between 0 and 1"));
    }
    if options.contrast.is_some() && options.name.is_some() {
        return Err(Error::argument("name", "give either a contrast or a name"));
    }
    let wald = analysis.fit.lrt.is_none() || options.test == Some(TestKind::Wald);
    let two_sided = matches!(
        options.alt_hypothesis,
        AltHypothesis::GreaterAbs | AltHypothesis::GreaterAbs2014
    );
    if !wald && (options.lfc_threshold > 0.0 || !two_sided) {
        return Err(Error::argument(
            if two_sided {
                "lfcThreshold"
            } else {
                "altHypothesis"
            },
            "tests against a threshold or of one side need Wald statistics: test = \"Wald\"",
        ));
    }
    if options.test == Some(TestKind::Lrt) && analysis.fit.lrt.is_none() {
        return Err(Error::argument(
            "test",
            "there is no likelihood ratio test in this analysis",
        ));
    }
    if options.alt_hypothesis == AltHypothesis::LessAbs {
        if options.lfc_threshold == 0.0 {
            return Err(Error::argument(
                "altHypothesis",
                "\"lessAbs\" needs a positive lfcThreshold",
            ));
        }
        if analysis.fit.beta_prior_variance.is_some() {
            return Err(Error::argument(
                "altHypothesis",
                "\"lessAbs\" needs betaPrior = FALSE",
            ));
        }
    }
    if options.add_mle && analysis.fit.mle.is_none() {
        return Err(Error::argument(
            "addMLE",
            "is for analyses with betaPrior = TRUE",
        ));
    }
    Ok(())
}

fn effect_of(ctx: &Context, fitted: &Fitted<'_>, options: &ResultsOptions) -> Result<Effect> {
    if let Some(contrast) = &options.contrast {
        return fitted.of_contrast(ctx, contrast, options.list_values);
    }
    if let Some(name) = &options.name {
        return Ok(fitted.of_column(fitted.column_of(name)?));
    }
    match default_contrast(fitted)? {
        Some(contrast) => fitted.of_contrast(ctx, &contrast, options.list_values),
        None => Ok(fitted.of_column(fitted.fit.n_columns() - 1)),
    }
}

/// Last against first level, where no coefficient is that comparison.
fn default_contrast(fitted: &Fitted<'_>) -> Result<Option<Contrast>> {
    let fit = fitted.fit;
    let expanded = fit.matrix_type == MatrixType::Expanded;
    let no_intercept = fit.matrix_type == MatrixType::Standard && fit.matrix.intercept().is_none();
    let Some(formula) = fitted.dataset.design.as_formula() else {
        return Ok(None);
    };
    if !(expanded || no_intercept) || fit.lrt.is_some() || formula.has_interactions() {
        return Ok(None);
    }
    let variables = fitted.dataset.variables(formula)?;
    let Some(Values::Factor { levels, .. }) = variables.last().map(|v| &v.values) else {
        return Ok(None);
    };
    let (first, last) = (levels.first(), levels.last());
    Ok(match (first, last, variables.last()) {
        (Some(first), Some(last), Some(variable)) => {
            Some(Contrast::factor(&variable.name, last, first))
        }
        _ => None,
    })
}

/// Statistics and p-values against a threshold.
fn threshold(fitted: &Fitted<'_>, effect: &mut Effect, options: &ResultsOptions) {
    let t = options.lfc_threshold;
    let old = options.compat == Compat::V138;
    for gene in 0..effect.lfc.len() {
        let (b, se) = (effect.lfc[gene], effect.se[gene]);
        let tail = |z: f64| upper_tail(fitted.fit, gene, z);
        let (stat, p) = match options.alt_hypothesis {
            AltHypothesis::GreaterAbs if !old => {
                (b / se, tail((b.abs() - t) / se) + tail((b.abs() + t) / se))
            }
            AltHypothesis::GreaterAbs | AltHypothesis::GreaterAbs2014 => {
                let z = (b.abs() - t) / se;
                let sign = if b > 0.0 {
                    1.0
                } else if b < 0.0 {
                    -1.0
                } else {
                    0.0
                };
                (sign * z.max(0.0), (2.0 * tail(z)).min(1.0))
            }
            AltHypothesis::LessAbs => {
                let (above, below) = ((t - b) / se, (b + t) / se);
                (
                    above.max(0.0).min(below.max(0.0)),
                    tail(above).max(tail(below)),
                )
            }
            AltHypothesis::Greater => {
                let z = (b - t) / se;
                (z.max(0.0), tail(z))
            }
            AltHypothesis::Less => {
                let z = (b + t) / se;
                (z.min(0.0), tail((-t - b) / se))
            }
        };
        let missing = b.is_nan() || se.is_nan();
        effect.stat[gene] = if missing { f64::NAN } else { stat };
        effect.pvalue[gene] = if missing { f64::NAN } else { p };
    }
}

/// p-values of genes with outliers become missing.
fn outlier_rule(fitted: &Fitted<'_>, effect: &mut Effect, options: &ResultsOptions) {
    let (m, p) = (
        fitted.dataset.n_samples(),
        fitted.dispersions.model_matrix.n_columns(),
    );
    let cutoff = match options.cooks_cutoff {
        CooksFilter::Off => return,
        CooksFilter::Default => cooks_cutoff(m, p),
        CooksFilter::Above(value) => value,
    };
    let one_factor = two_level_factor(fitted);
    for gene in 0..effect.pvalue.len() {
        if fitted.fit.max_cooks[gene] > cutoff
            && !(one_factor && counts_say_otherwise(fitted, gene))
        {
            effect.pvalue[gene] = f64::NAN;
        }
    }
}

fn two_level_factor(fitted: &Fitted<'_>) -> bool {
    let Some(formula) = fitted.dataset.design.as_formula() else {
        return false;
    };
    formula.variables.len() == 1
        && fitted.dataset.variables(formula).is_ok_and(|variables| {
            matches!(&variables[0].values, Values::Factor { levels, .. } if levels.len() == 2)
        })
}

/// Whether three counts or more exceed that of the sample with the largest distance.
fn counts_say_otherwise(fitted: &Fitted<'_>, gene: usize) -> bool {
    let row = fitted.dataset.counts.row(gene);
    fitted
        .fit
        .worst_sample
        .get(gene)
        .is_some_and(|&worst| row.iter().filter(|&&k| k > row[worst as usize]).count() >= 3)
}

/// Genes whose counts became zero by replacement have no effect.
fn zeros_after_replacement(analysis: &Analysis, effect: &mut Effect) {
    let Some(replacement) = &analysis.replacement else {
        return;
    };
    for gene in 0..effect.lfc.len() {
        if replacement.replace[gene] && analysis.dispersions.moments.mean[gene] == 0.0 {
            (effect.lfc[gene], effect.se[gene]) = (0.0, 0.0);
            (effect.stat[gene], effect.pvalue[gene]) = (0.0, 1.0);
        }
    }
}

fn mle_column(fitted: &Fitted<'_>, options: &ResultsOptions) -> Result<Option<Vec<f64>>> {
    let (true, Some(mle)) = (options.add_mle, &fitted.fit.mle) else {
        return Ok(None);
    };
    let contrast = match &options.contrast {
        Some(contrast) => Some(contrast.clone()),
        None if options.name.is_some() => None,
        None => default_contrast(fitted)?,
    };
    let q = mle.names.len();
    let column = |name: &str| -> Option<Vec<f64>> {
        let c = mle.names.iter().position(|n| n == name)?;
        Some(mle.beta.iter().skip(c).step_by(q).copied().collect())
    };
    match contrast {
        Some(Contrast::Factor {
            factor,
            numerator,
            denominator,
        }) => {
            let (_, levels) = fitted.dataset.factor(&factor)?;
            let of = |level: &str| {
                if level == levels[0] {
                    return Some(vec![0.0; fitted.dataset.n_genes()]);
                }
                let name = format!("{factor}_{level}_vs_{}", levels[0]);
                column(&crate::stats::glm::make_name(&name))
            };
            match (of(&numerator), of(&denominator)) {
                (Some(top), Some(bottom)) => {
                    let difference = top.iter().zip(&bottom).map(|(a, b)| a - b).collect();
                    Ok(Some(difference))
                }
                _ => Err(Error::argument(
                    "addMLE",
                    "the coefficients of the contrast are not there",
                )),
            }
        }
        _ => Err(Error::argument(
            "addMLE",
            "is for comparisons of two levels of a factor",
        )),
    }
}

fn notes(
    analysis: &Analysis,
    effect: &Effect,
    options: &ResultsOptions,
    is_lrt: bool,
) -> Vec<(String, ColumnNote)> {
    let kind = if analysis.fit.beta_prior_variance.is_some() {
        "MAP"
    } else {
        "MLE"
    };
    let what = &effect.what;
    let (stat, p) = match (&analysis.fit.lrt, is_lrt) {
        (Some(lrt), true) => (
            format!("LRT statistic: {}", lrt.description),
            format!("LRT p-value: {}", lrt.description),
        ),
        _ => (
            format!("Wald statistic: {what}"),
            format!("Wald test p-value: {what}"),
        ),
    };
    let note = |name: &str, kind: &'static str, description: String| {
        (name.to_owned(), ColumnNote { kind, description })
    };
    let mut notes = vec![
        note(
            "baseMean",
            "intermediate",
            "mean of normalized counts for all samples".to_owned(),
        ),
        note(
            "log2FoldChange",
            "results",
            format!("log2 fold change ({kind}): {what}"),
        ),
    ];
    if options.add_mle {
        notes.push(note(
            "lfcMLE",
            "results",
            format!("log2 fold change (MLE): {what}"),
        ));
    }
    notes.push(note("lfcSE", "results", format!("standard error: {what}")));
    notes.push(note("stat", "results", stat));
    notes.push(note("pvalue", "results", p));
    notes.push(note(
        "padj",
        "results",
        format!("{} adjusted p-values", options.p_adjust_method),
    ));
    notes
}

/// Fills the adjusted p-values.
pub(super) fn adjust_results(
    table: &mut DeseqResults,
    options: &ResultsOptions,
    filter_function: Option<FilterFunction<'_>>,
) -> Result<()> {
    let p = table.pvalue.clone().unwrap_or_default();
    let filter = options.filter.as_ref().unwrap_or(&table.base_mean).clone();
    if filter.len() != p.len() {
        return Err(Error::argument(
            "filter",
            format!("{} values for {} genes", filter.len(), p.len()),
        ));
    }
    if let Some(function) = filter_function {
        let adjusted = function(table, &filter, options.alpha, options.p_adjust_method)?;
        if adjusted.len() != p.len() {
            return Err(Error::argument(
                "filterFun",
                format!("gave {} values for {} genes", adjusted.len(), p.len()),
            ));
        }
        table.padj = Some(adjusted);
        return Ok(());
    }
    if !options.independent_filtering {
        table.padj = Some(adjust(&p, options.p_adjust_method));
        return Ok(());
    }
    let filtered = independent_filtering(
        &filter,
        &p,
        &FilterOptions {
            alpha: options.alpha,
            method: options.p_adjust_method,
            theta: options.theta.clone(),
            second_choice: options.compat == Compat::V144,
        },
    );
    let chosen = filtered.steps.get(filtered.chosen).copied();
    table.filtering = chosen.map(|step| Filtering {
        theta: step.theta,
        threshold: step.cutoff,
        steps: filtered.steps,
    });
    table.padj = Some(filtered.adjusted);
    Ok(())
}
