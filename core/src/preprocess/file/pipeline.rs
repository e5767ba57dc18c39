//! Quality control, filters, normalisation, logarithm, variable genes and components in one go.
//!
//! The first pass over the counts gives everything that later steps need of them: metrics, filters, totals,
//! moments. The second writes normalised logarithms and gathers their moments on the way. With
//! `materialize` off nothing is written but annotations: the counts stay, `obs/norm_factor` and `uns/log1p`
//! say how to normalise them, and variable genes and components are computed from values made on the
//! fly, with the same bits.
//!
//! # Cost
//! Two readings and one writing of the matrix up to variable genes; components two readings more. Memory:
//! 40 bytes a cell, 60 bytes a gene, `4 h^2` for `h` selected genes.

use std::path::Path;
use std::sync::Arc;

use crate::context::Context;
use crate::data::h5ad::H5adFile;
use crate::data::h5ad::MatrixInfo;
use crate::data::h5ad::writer::edit::{EditPlan, Place, edit_matrix};
use crate::data::h5ad::writer::members::Selection;
use crate::data::h5ad::writer::rewrite::Rewriter;
use crate::data::rows::{RowSource, SelectedRows};
use crate::data::{Annotations, Categorical, MatrixLayout};
use crate::error::Result;

use super::super::counts::{CountPlan, CountSums, Seen, count};
use super::super::filter::{CellFilter, GeneFilter};
use super::super::hvg::moments::{MomentSums, moments};
use super::super::hvg::{Hvg, HvgInput, HvgOptions, HvgPlan};
use super::super::normalize::{NormalizeOptions, SizeFactors};
use super::super::pca::{Pca, PcaInput, PcaOptions, pca};
use super::super::qc::{QcMetrics, QcOptions, columns, group_bits};
use super::super::transform::Transform;
use super::Output;
use super::annotate::{AsLayout, PcaNames, add_hvg, add_pca, add_qc, batches_of, groups};
use super::normalize::{already_logged, check_base, factor_column, factors_of, grown, log_note};
use super::subset::positions;
use super::transform::{TransformEdit, stored_kind};

/// Options of [`preprocess_file`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PreprocessOptions {
    /// Metrics; `None` leaves them out.
    pub qc: Option<QcOptions>,
    /// Boolean columns of `var`: groups of genes for the metrics.
    pub qc_vars: Vec<String>,
    /// Cells that stay pass all of these.
    pub filter_cells: Vec<CellFilter>,
    /// Genes that stay pass all of these, over the cells that stay.
    pub filter_genes: Vec<GeneFilter>,
    /// Size factors.
    pub normalize: NormalizeOptions,
    /// Base of the logarithm; natural where it is absent.
    pub base: Option<f64>,
    /// Variable genes; `None` leaves them out.
    pub hvg: Option<HvgOptions>,
    /// Column of `obs` with batches for the variable genes.
    pub batch_key: Option<String>,
    /// Components (of the variable genes, where there are some); `None` leaves them out.
    pub pca: Option<PcaOptions>,
    /// Write normalised logarithms in place of the counts.
    pub materialize: bool,
    /// Refuse a file that says it is log-transformed already.
    pub guard: bool,
}

impl Default for PreprocessOptions {
    fn default() -> Self {
        PreprocessOptions {
            qc: Some(QcOptions::default()),
            qc_vars: Vec::new(),
            filter_cells: Vec::new(),
            filter_genes: Vec::new(),
            normalize: NormalizeOptions::default(),
            base: None,
            hvg: Some(HvgOptions::default()),
            batch_key: None,
            pca: Some(PcaOptions::default()),
            materialize: true,
            guard: true,
        }
    }
}

impl PreprocessOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn check(&self) -> Result<()> {
        self.normalize.check()?;
        check_base(self.base)?;
        self.hvg.as_ref().map_or(Ok(()), HvgOptions::check)
    }
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct PreprocessReport {
    /// Cells and genes of the input.
    pub shape: [usize; 2],
    /// Cells and genes of the output.
    pub kept: [usize; 2],
    /// Metrics of all cells and genes of the input.
    pub qc: Option<QcMetrics>,
    /// Size factors of the cells that stay.
    pub sizes: Option<SizeFactors>,
    /// Variable genes.
    pub hvg: Option<Hvg>,
    /// Components.
    pub pca: Option<Pca>,
    /// Oddities of the counts.
    pub seen: Seen,
    /// What a user should know.
    pub warnings: Vec<String>,
}

/// Preprocesses a file of counts.
///
/// # Errors
/// `InvalidArgument` for options; `State` for data that are log-transformed already (`guard`); errors of
/// every step; `Io` (reasons `ReadOnly`, `DiskFull`, `Locked`); `Cancelled`. The target is then as it was.
pub fn preprocess_file(
    ctx: &Context,
    input: &Path,
    output: &Output,
    options: &PreprocessOptions,
) -> Result<PreprocessReport> {
    options.check()?;
    let file = H5adFile::open(input)?;
    let warnings = already_logged(&file, options.guard)?;
    let info = file.matrix_info("X")?;
    if let Some(qc) = &options.qc {
        qc.tops(info.shape[1])?;
    }
    let more = if options.materialize {
        grown(info.n_entries, info.kind)
    } else {
        0
    };
    let rewriter = output.begin(ctx, &file, more)?;
    let rows = file.rows(ctx, "X", output.folder())?;
    let job = Job {
        ctx,
        file: &file,
        info: &info,
        rows: &*rows,
        output,
        options,
    };
    let mut report = PreprocessReport {
        shape: info.shape,
        warnings,
        ..PreprocessReport::default()
    };
    let first = job.first_pass(&mut report)?;
    job.write(rewriter, first, &mut report)?;
    if let Some(hvg) = &report.hvg {
        report.warnings.extend(hvg.warnings.iter().cloned());
    }
    Ok(report)
}

struct Job<'a> {
    ctx: &'a Context,
    file: &'a H5adFile,
    info: &'a MatrixInfo,
    rows: &'a dyn RowSource,
    output: &'a Output,
    options: &'a PreprocessOptions,
}

/// What the first pass leaves to the second.
struct First {
    cells: Option<Vec<usize>>,
    genes: Option<Vec<usize>>,
    sizes: SizeFactors,
    /// Moments of the counts, where the variable genes want them and no gene or cell goes.
    moments: Option<MomentSums>,
}

impl Job<'_> {
    fn first_pass(&self, report: &mut PreprocessReport) -> Result<First> {
        let options = self.options;
        let n_genes = self.info.shape[1];
        let qc = options.qc.clone().unwrap_or(QcOptions {
            percent_top: Vec::new(),
            ..QcOptions::default()
        });
        let tops = qc.tops(n_genes)?;
        let groups = groups(self.file, "var", &options.qc_vars)?;
        let bits = group_bits(&groups, n_genes)?;
        let wants_counts = options
            .hvg
            .as_ref()
            .is_some_and(|h| h.flavor.wants_counts());
        let plan = CountPlan {
            tops: &tops,
            groups: bits.as_deref(),
            n_groups: groups.len(),
            squares: wants_counts && options.batch_key.is_none(),
            cells: &options.filter_cells,
            read: options.normalize.read,
        };
        let sums = count(self.ctx, self.rows, &plan, "qc")?;
        report.seen = sums.seen;
        if options.qc.is_some() {
            let rows = AsLayout {
                inner: self.rows,
                layout: self.info.layout,
            };
            report.qc = Some(columns(&sums, &rows, &groups, &tops, &qc));
        }
        let cells = self.kept_cells(&sums);
        let genes = self.kept_genes(&sums);
        report.kept = [
            cells.as_ref().map_or(self.info.shape[0], Vec::len),
            genes.as_ref().map_or(n_genes, Vec::len),
        ];
        let sizes = self.sizes(&sums, cells.as_deref(), genes.as_deref())?;
        if sizes.n_empty > 0 {
            let n = sizes.n_empty;
            report.warnings.push(format!("{n} cells have zero counts"));
        }
        let is_whole = cells.is_none() && genes.is_none();
        let moments = (plan.squares && is_whole).then(|| MomentSums {
            sum: sums.genes.total,
            squares: sums.genes.squares,
            n_positive: sums.genes.n_positive,
            has_odd: sums.seen.n_negative + sums.seen.n_fractional > 0,
        });
        Ok(First {
            cells,
            genes,
            sizes,
            moments,
        })
    }

    fn kept_cells(&self, sums: &CountSums) -> Option<Vec<usize>> {
        let rules = &self.options.filter_cells;
        if rules.is_empty() {
            return None;
        }
        let keeps = |cell: usize| rules.iter().all(|rule| rule.keeps(sums.cells[cell]));
        let kept: Vec<usize> = (0..sums.cells.len()).filter(|&c| keeps(c)).collect();
        (kept.len() < sums.cells.len()).then_some(kept)
    }

    fn kept_genes(&self, sums: &CountSums) -> Option<Vec<usize>> {
        let rules = &self.options.filter_genes;
        if rules.is_empty() {
            return None;
        }
        let genes = sums.genes_of_kept.as_ref().unwrap_or(&sums.genes);
        let n = genes.total.len();
        let keeps = |gene: usize| rules.iter().all(|rule| rule.keeps(genes, gene));
        let kept: Vec<usize> = (0..n).filter(|&g| keeps(g)).collect();
        (kept.len() < n).then_some(kept)
    }

    /// Size factors of the cells that stay, over the genes that stay.
    fn sizes(
        &self,
        sums: &CountSums,
        cells: Option<&[usize]>,
        genes: Option<&[usize]>,
    ) -> Result<SizeFactors> {
        let options = &self.options.normalize;
        let selected = SelectedRows::new(self.rows, cells, genes, options.read)?;
        let totals: Vec<f64> = match (genes, cells) {
            (None, None) => sums.cells.iter().map(|c| c.total).collect(),
            (None, Some(cells)) => cells.iter().map(|&c| sums.cells[c].total).collect(),
            (Some(_), _) => {
                let plan = CountPlan {
                    read: options.read,
                    ..CountPlan::default()
                };
                let sums = count(self.ctx, &selected, &plan, "totals")?;
                sums.cells.iter().map(|c| c.total).collect()
            }
        };
        factors_of(self.ctx, &selected, self.info.layout, &totals, options)
    }

    fn write(
        &self,
        rewriter: Rewriter<'_>,
        first: First,
        report: &mut PreprocessReport,
    ) -> Result<()> {
        let options = self.options;
        let selection = Selection {
            cells: first.cells.as_deref(),
            genes: first.genes.as_deref(),
        };
        let transform = Transform {
            precision: first.sizes.precision,
            factors: Some(Arc::new(first.sizes.factors.clone())),
            log: true,
            base: options.base,
        };
        let selected = SelectedRows::new(
            self.rows,
            selection.cells,
            selection.genes,
            options.normalize.read,
        )?;
        let is_whole = selection.cells.is_none() && selection.genes.is_none();
        let source: &dyn RowSource = if is_whole { self.rows } else { &selected };
        let batches = self.batches(selection.cells)?;
        let names = match &batches {
            Some(_) => self.names(selection.genes)?,
            None => Vec::new(),
        };
        let hvg_options = options.hvg.clone().map(|mut hvg| {
            hvg.log_base = options.base;
            hvg.read = options.normalize.read;
            hvg
        });
        let wants_counts = hvg_options
            .as_ref()
            .is_some_and(|h| h.flavor.wants_counts());
        let input = HvgInput {
            source,
            transform: (!wants_counts).then_some(&transform),
            batches: batches.as_ref(),
            names: &names,
        };
        let plan = match &hvg_options {
            Some(hvg) => Some(HvgPlan::new(input, hvg)?),
            None => None,
        };
        let mut sums = first.moments.clone();
        if options.materialize {
            rewriter.carry(selection, &["X"])?;
            // Moments come along where rows are written as they are read.
            let rides = plan.as_ref().filter(|_| {
                is_whole
                    && !wants_counts
                    && batches.is_none()
                    && self.info.layout != MatrixLayout::Csc
                    && report.seen.n_merged == 0
            });
            let ridden = self.write_matrix(&rewriter, selection, &transform, rides, report)?;
            sums = sums.or(ridden);
        } else {
            rewriter.carry(selection, &[])?;
        }
        if let Some(plan) = &plan {
            let sums = match sums {
                Some(sums) => sums,
                None => moments(self.ctx, plan.view, plan.batches(), "moments")?,
            };
            report.hvg = Some(plan.finish(self.ctx, &sums)?);
        }
        self.annotate(&rewriter, &first, source, &transform, report)?;
        report.sizes = Some(first.sizes);
        rewriter.commit()
    }

    fn batches(&self, cells: Option<&[usize]>) -> Result<Option<Categorical>> {
        let Some(mut all) = batches_of(self.file, self.options.batch_key.as_deref())? else {
            return Ok(None);
        };
        if let Some(cells) = cells {
            all.codes = cells.iter().map(|&c| all.codes[c]).collect();
            let is_used: Vec<bool> = (0..all.categories.len() as i32)
                .map(|code| all.codes.contains(&code))
                .collect();
            let used = positions(&is_used);
            let number = |code: i32| {
                usize::try_from(code)
                    .map_or(-1, |c| used.binary_search(&c).map_or(-1, |at| at as i32))
            };
            all.codes.iter_mut().for_each(|code| *code = number(*code));
            all.categories = used.iter().map(|&c| all.categories[c].clone()).collect();
        }
        Ok(Some(all))
    }

    fn names(&self, genes: Option<&[usize]>) -> Result<Vec<String>> {
        let names = self.file.index("var")?;
        Ok(match genes {
            None => names,
            Some(genes) => genes.iter().map(|&g| names[g].clone()).collect(),
        })
    }

    /// Writes normalised logarithms; the moments that came along.
    fn write_matrix(
        &self,
        rewriter: &Rewriter<'_>,
        selection: Selection<'_>,
        transform: &Transform,
        rides: Option<&HvgPlan<'_>>,
        report: &PreprocessReport,
    ) -> Result<Option<MomentSums>> {
        let n_genes = self.info.shape[1];
        // The edit sees cells by their old numbers.
        let by_old_number = match selection.cells {
            None => transform.clone(),
            Some(cells) => {
                let mut factors = vec![0.0; self.info.shape[0]];
                if let Some(own) = &transform.factors {
                    cells
                        .iter()
                        .zip(own.iter())
                        .for_each(|(&c, &f)| factors[c] = f);
                }
                Transform {
                    factors: Some(Arc::new(factors)),
                    ..transform.clone()
                }
            }
        };
        let edit = TransformEdit {
            transform: &by_old_number,
            moments: rides.map(|plan| (plan.view.undo, n_genes)),
        };
        let plan = EditPlan {
            keep: [selection.cells, selection.genes],
            kind: Some(stored_kind(transform.precision)),
            canonical: report.seen.n_merged > 0,
            codec: self.output.codec(),
            is_checked: true,
            read: self.options.normalize.read,
        };
        let place = Place {
            ctx: self.ctx,
            elements: rewriter.elements,
            to: rewriter.root(),
            path: "X",
        };
        let mut sums = rides.map(|_| MomentSums::new(n_genes));
        edit_matrix(place, self.file, "X", plan, &edit, |part| {
            if let (Some(sums), Some(part)) = (&mut sums, part) {
                sums.merge(&part);
            }
            Ok(())
        })?;
        Ok(sums)
    }

    /// Tables, components and notes.
    fn annotate(
        &self,
        rewriter: &Rewriter<'_>,
        first: &First,
        source: &dyn RowSource,
        transform: &Transform,
        report: &mut PreprocessReport,
    ) -> Result<()> {
        let options = self.options;
        let mask = report.hvg.as_ref().map(|hvg| hvg.highly_variable.clone());
        let mut annotations = Annotations::default();
        if let Some(qc) = &report.qc {
            let mut qc = qc.clone();
            for (columns, kept) in [(&mut qc.obs, &first.cells), (&mut qc.var, &first.genes)] {
                if let Some(kept) = kept {
                    columns.iter_mut().for_each(|(_, c)| *c = c.select(kept));
                }
            }
            add_qc(&mut annotations, &qc);
        }
        annotations.obs("norm_factor", factor_column(&first.sizes));
        if options.materialize {
            annotations.uns("log1p", log_note(options.base));
        } else {
            annotations.uns("log1p_virtual", log_note(options.base));
        }
        if let (Some(hvg), Some(wanted)) = (&report.hvg, &options.hvg) {
            add_hvg(&mut annotations, hvg, wanted.flavor.name());
        }
        if let Some(wanted) = &options.pca {
            let input = PcaInput {
                source,
                transform: Some(transform),
                genes: mask.as_deref(),
                read: options.normalize.read,
            };
            report.pca = Some(pca(self.ctx, input, wanted)?);
        }
        if let Some(axes) = &report.pca {
            let input = PcaInput {
                source,
                transform: Some(transform),
                genes: mask.as_deref(),
                read: options.normalize.read,
            };
            let column = mask.as_ref().map(|_| "highly_variable".to_owned());
            let names = PcaNames::new(None, column, false);
            add_pca(self.ctx, &mut annotations, axes, input, &names);
            return rewriter.annotate(annotations, report.kept);
        }
        rewriter.annotate(annotations, report.kept)
    }
}
