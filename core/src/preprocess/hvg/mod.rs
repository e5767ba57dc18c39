//! Highly variable genes, four flavours, with or without batches.
//!
//! `seurat` and `cell_ranger` look at log-normalised values; `seurat_v3` and `seurat_v3_paper` at
//! counts. Statistics come from one pass (two for the latter), by batch in the same pass.
//!
//! # Cost
//! One or two passes; 24 bytes a gene and batch, and as much for each block in flight.
//!
//! # Source
//! scanpy 1.11.5, `pp.highly_variable_genes`: columns, selection, order of ties.

mod by_batch;
mod dispersion;
pub(crate) mod moments;
mod seurat_v3;

use crate::context::Context;
use crate::data::rows::{ReadOptions, RowSource};
use crate::data::{Categorical, Column};
use crate::error::{Error, Result, nearest_name};

use super::normalize::normalized_precision;
use super::transform::{Precision, Transform};
use moments::{Batches, MomentSums, Undo, Viewed, mean_variance};

/// Warning of a batch with fewer dispersions than genes asked for.
const TOO_FEW: &str =
    "n_top_genes exceeds the number of genes with a dispersion; all of those are taken";

/// How variability is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HvgFlavor {
    /// Logarithm of variance over mean of `expm1` of the values, in bins of equal width.
    #[default]
    Seurat,
    /// Variance over mean of the values as they are, in bins of equal numbers.
    CellRanger,
    /// Variance of standardised, clipped counts; genes ordered by median rank.
    SeuratV3,
    /// The same, ordered by the number of batches first.
    SeuratV3Paper,
}

impl HvgFlavor {
    /// The reference's name.
    pub fn name(self) -> &'static str {
        match self {
            HvgFlavor::Seurat => "seurat",
            HvgFlavor::CellRanger => "cell_ranger",
            HvgFlavor::SeuratV3 => "seurat_v3",
            HvgFlavor::SeuratV3Paper => "seurat_v3_paper",
        }
    }

    /// The flavour of a name.
    ///
    /// # Errors
    /// `InvalidArgument`, with the nearest name.
    pub fn parse(name: &str) -> Result<Self> {
        let all = [
            HvgFlavor::Seurat,
            HvgFlavor::CellRanger,
            HvgFlavor::SeuratV3,
            HvgFlavor::SeuratV3Paper,
        ];
        all.into_iter().find(|f| f.name() == name).ok_or_else(|| {
            let near = nearest_name(name, all.map(HvgFlavor::name)).unwrap_or("seurat");
            Error::argument(
                "flavor",
                format!(
                    "{name:?} is unknown; did you mean {near:?}? one of seurat, cell_ranger, \
                     seurat_v3, seurat_v3_paper"
                ),
            )
        })
    }

    /// Whether it looks at counts, not at logarithms.
    pub fn wants_counts(self) -> bool {
        matches!(self, HvgFlavor::SeuratV3 | HvgFlavor::SeuratV3Paper)
    }
}

/// What is selected.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Cutoffs {
    /// Number of genes; the other cutoffs are then ignored.
    pub n_top_genes: Option<usize>,
    /// Normalised dispersion above this. Default 0.5.
    pub min_disp: f64,
    /// Normalised dispersion below this. Default infinity.
    pub max_disp: f64,
    /// Mean above this. Default 0.0125.
    pub min_mean: f64,
    /// Mean below this. Default 3.
    pub max_mean: f64,
}

impl Default for Cutoffs {
    fn default() -> Self {
        Cutoffs {
            n_top_genes: None,
            min_disp: 0.5,
            max_disp: f64::INFINITY,
            min_mean: 0.0125,
            max_mean: 3.0,
        }
    }
}

impl Cutoffs {
    /// Whether a mean and a normalised dispersion lie inside; NaN counts as 0.
    fn hold(&self, mean: f64, norm: f64) -> bool {
        let norm = if norm.is_nan() { 0.0 } else { norm };
        let norm = norm.clamp(f64::MIN, f64::MAX);
        mean > self.min_mean && mean < self.max_mean && norm > self.min_disp && norm < self.max_disp
    }
}

/// Options of [`highly_variable_genes`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HvgOptions {
    /// Measure.
    pub flavor: HvgFlavor,
    /// Selection.
    pub cutoffs: Cutoffs,
    /// Bins of `seurat` (`cell_ranger` always has 20). Default 20.
    pub n_bins: usize,
    /// Share of the genes of each local fit of `seurat_v3`. Default 0.3.
    pub span: f64,
    /// Warn when counts are negative or have fractions (`seurat_v3`). Default true.
    pub check_values: bool,
    /// Base of the logarithm of the values, where it is not e (`seurat`).
    pub log_base: Option<f64>,
    /// How rows are read.
    pub read: ReadOptions,
}

impl Default for HvgOptions {
    fn default() -> Self {
        HvgOptions {
            flavor: HvgFlavor::default(),
            cutoffs: Cutoffs::default(),
            n_bins: 20,
            span: 0.3,
            check_values: true,
            log_base: None,
            read: ReadOptions::default(),
        }
    }
}

impl HvgOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn check(&self) -> Result<()> {
        if self.n_bins == 0 {
            return Err(Error::argument(
                "n_bins",
                "0 is too small; must be at least 1",
            ));
        }
        if !(self.span > 0.0 && self.span.is_finite()) {
            return Err(Error::argument(
                "span",
                format!("{} must be above 0", self.span),
            ));
        }
        if self.cutoffs.n_top_genes == Some(0) {
            return Err(Error::argument(
                "n_top_genes",
                "0 is too small; must be at least 1",
            ));
        }
        match self.log_base {
            Some(base) if !(base > 0.0 && base != 1.0 && base.is_finite()) => Err(Error::argument(
                "log_base",
                format!("{base} must be above 0 and not 1"),
            )),
            _ => Ok(()),
        }
    }
}

/// Statistics and selection, one element a gene; vectors that the flavour does not have are empty.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Hvg {
    /// The selection.
    pub highly_variable: Vec<bool>,
    /// Mean (`seurat`: `log1p` of the mean of `expm1`); over batches their mean.
    pub means: Vec<f64>,
    /// Dispersions (`seurat`: natural logarithm).
    pub dispersions: Vec<f64>,
    /// Dispersions against genes of similar mean.
    pub dispersions_norm: Vec<f64>,
    /// Variances of the counts.
    pub variances: Vec<f64>,
    /// Variances of standardised counts.
    pub variances_norm: Vec<f64>,
    /// Median rank over batches; NaN for a gene that is in no batch's top.
    pub ranks: Vec<f64>,
    /// Batches that select the gene.
    pub n_batches: Vec<i64>,
    /// Whether all batches do.
    pub intersection: Vec<bool>,
    /// What a user should know.
    pub warnings: Vec<String>,
    has_batches: bool,
}

impl Hvg {
    /// Columns of `var`, named, ordered and typed as the reference's.
    pub fn columns(&self) -> Vec<(String, Column)> {
        let mut columns = Vec::new();
        let mut add = |name: &str, column| columns.push((name.to_owned(), column));
        let f64s = |values: &[f64]| Column::F64(values.to_vec());
        add(
            "highly_variable",
            Column::Bool(self.highly_variable.clone()),
        );
        if !self.ranks.is_empty() {
            let ranks = self.ranks.iter().map(|&rank| rank as f32).collect();
            add("highly_variable_rank", Column::F32(ranks));
            add("means", f64s(&self.means));
            add("variances", f64s(&self.variances));
            add("variances_norm", f64s(&self.variances_norm));
            if self.has_batches {
                add(
                    "highly_variable_nbatches",
                    Column::I64(self.n_batches.clone()),
                );
            }
            return columns;
        }
        add("means", f64s(&self.means));
        add("dispersions", f64s(&self.dispersions));
        let narrow = self.dispersions_norm.iter().map(|&v| v as f32).collect();
        add("dispersions_norm", Column::F32(narrow));
        if self.has_batches {
            add(
                "highly_variable_nbatches",
                Column::I64(self.n_batches.clone()),
            );
            add(
                "highly_variable_intersection",
                Column::Bool(self.intersection.clone()),
            );
        }
        columns
    }
}

/// A matrix whose genes are looked at.
#[derive(Clone, Copy)]
pub struct HvgInput<'a> {
    /// The stored values.
    pub source: &'a dyn RowSource,
    /// What is done to them before (`None`: they are what the flavour wants).
    pub transform: Option<&'a Transform>,
    /// Batch of each cell; cells without one are left out.
    pub batches: Option<&'a Categorical>,
    /// Names of the genes; needed with batches.
    pub names: &'a [String],
}

impl std::fmt::Debug for HvgInput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HvgInput").finish_non_exhaustive()
    }
}

/// Highly variable genes.
///
/// # Errors
/// `InvalidArgument` for options, batches and names that do not fit; `InvalidData` when the values are
/// not what the flavour needs; errors of the source; `Cancelled`.
///
/// ```
/// use cytosol::data::{NumberKind, rows::ValueRows};
/// use cytosol::preprocess::{HvgInput, HvgOptions, highly_variable_genes};
/// let values: Vec<f64> = (0..600).map(|i| f64::from(i * i % 11) / 4.0).collect();
/// let rows = ValueRows::from_dense(NumberKind::F32, 6, &values)?;
/// let input = HvgInput { source: &rows, transform: None, batches: None, names: &[] };
/// let mut options = HvgOptions::default();
/// options.cutoffs.n_top_genes = Some(2);
/// let ctx = cytosol::Context::single_threaded()?;
/// let hvg = highly_variable_genes(&ctx, input, &options)?;
/// assert!(hvg.highly_variable.iter().filter(|v| **v).count() >= 2);
/// # Ok::<(), cytosol::Error>(())
/// ```
pub fn highly_variable_genes(
    ctx: &Context,
    input: HvgInput<'_>,
    options: &HvgOptions,
) -> Result<Hvg> {
    options.check()?;
    let plan = HvgPlan::new(input, options)?;
    let sums = moments::moments(ctx, plan.view, plan.batches(), "moments")?;
    plan.finish(ctx, &sums)
}

/// Everything but the first pass, which may be part of another.
pub(crate) struct HvgPlan<'a> {
    input: HvgInput<'a>,
    options: &'a HvgOptions,
    pub view: Viewed<'a>,
}

/// Values as they are.
static AS_STORED: Transform = Transform {
    precision: Precision::Double,
    factors: None,
    log: false,
    base: None,
};

impl<'a> HvgPlan<'a> {
    pub(crate) fn new(input: HvgInput<'a>, options: &'a HvgOptions) -> Result<Self> {
        let transform = input.transform.unwrap_or(&AS_STORED);
        let precision = match input.transform {
            Some(transform) => transform.precision,
            None => normalized_precision(input.source.kind()),
        };
        let undo = match options.flavor {
            HvgFlavor::Seurat => Undo::Log {
                precision,
                scale: options.log_base.map(f64::ln),
            },
            _ => Undo::Nothing,
        };
        if let Some(batches) = input.batches {
            let n = input.source.n_cells();
            if batches.codes.len() != n {
                return Err(Error::argument(
                    "batch_key",
                    format!("{} labels for {n} cells", batches.codes.len()),
                ));
            }
            if input.names.len() != input.source.n_genes() {
                return Err(Error::argument(
                    "names",
                    "the names of the genes are needed with batches",
                ));
            }
        }
        Ok(HvgPlan {
            input,
            options,
            view: Viewed {
                source: input.source,
                transform,
                undo,
                read: options.read,
            },
        })
    }

    pub(crate) fn batches(&self) -> Batches<'a> {
        match self.input.batches {
            Some(batches) => Batches {
                codes: Some(&batches.codes),
                n: batches.categories.len(),
            },
            None => Batches { codes: None, n: 1 },
        }
    }

    /// From the sums of the first pass.
    pub(crate) fn finish(&self, ctx: &Context, sums: &MomentSums) -> Result<Hvg> {
        let options = self.options;
        let batches = self.batches();
        if batches.sizes(self.view.source.n_cells()).contains(&0) {
            return Err(Error::argument(
                "batch_key",
                "a category has no cells; remove unused categories first",
            ));
        }
        let mut hvg = if options.flavor.wants_counts() {
            seurat_v3::standardised(ctx, self.view, batches, sums, options)?
        } else {
            let found = mean_variance(ctx, self.view, batches, sums)?;
            if self.input.batches.is_some() {
                by_batch::over_batches(&found, sums, self.input.names, batches.n, options)?
            } else {
                one_batch(&found, options)?
            }
        };
        hvg.has_batches = self.input.batches.is_some();
        if options.flavor.wants_counts() && options.check_values && sums.has_odd {
            hvg.warnings.push(format!(
                "flavor {:?} expects counts, but some values are negative or have fractions",
                options.flavor.name()
            ));
        }
        let cutoffs = Cutoffs {
            n_top_genes: None,
            ..options.cutoffs
        };
        if options.cutoffs.n_top_genes.is_some() && cutoffs != Cutoffs::default() {
            hvg.warnings
                .push("n_top_genes is given, so all other cutoffs are ignored".to_owned());
        }
        Ok(hvg)
    }
}

fn one_batch(found: &moments::MeanVariance, options: &HvgOptions) -> Result<Hvg> {
    let own = dispersion::dispersions(
        &found.mean,
        &found.variance,
        options.flavor,
        options.n_bins,
        &options.cutoffs,
    )?;
    let mut hvg = Hvg {
        highly_variable: own.selected,
        means: own.means,
        dispersions: own.dispersions,
        dispersions_norm: own.normalized,
        ..Hvg::default()
    };
    if own.too_few {
        hvg.warnings.push(TOO_FEW.to_owned());
    }
    Ok(hvg)
}
