//! The steps of RCTD over one tissue, in order, each callable alone.

use std::ops::Range;
use std::sync::Arc;

use crate::checkpoint::Fingerprint;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Reason, Result, name_some};
use crate::par::{Blocks, rng};
use crate::stats::poisson_lognormal::{CountRows, LikelihoodTable, grid};

use super::config::{Mode, RctdOptions};
use super::fitter::PixelFitter;
use super::genes::GeneLists;
use super::irwls::Design;
use super::partial::Partial;
use super::platform_effect::{BulkFit, BulkInput};
use super::reference::Reference;
use super::results::{PixelColumns, RctdResults};
use super::sigma::{SampledPixel, SigmaFit, SigmaSearch};
use super::spatial::{BulkSums, NOT_LISTED, Pass, PixelFate, Spatial, SpatialInput};

/// Rows of one block of the fits; results do not depend on it.
const PIXELS_PER_BLOCK: usize = 64;

/// Default size of a shard.
const PIXELS_PER_SHARD: usize = 1024;

/// A tissue on its way from counts to cell types.
///
/// ```
/// use cytosol::rctd::{Mode, Rctd, RctdOptions, RctdResults, Reference, ReferenceInput, SpatialInput};
/// use cytosol::{Context, Result};
///
/// fn deconvolve(pixels: SpatialInput<'_>, cells: ReferenceInput<'_>) -> Result<RctdResults> {
///     let ctx = Context::new(&Default::default())?;
///     let reference = Reference::build(&ctx, cells, &Default::default())?;
///     let mut rctd = Rctd::create(&ctx, pixels, &reference, RctdOptions::default())?;
///     rctd.run(&ctx, Mode::Doublet)
/// }
/// ```
pub struct Rctd<'a> {
    options: Arc<RctdOptions>,
    spatial: Spatial<'a>,
    cell_types: Vec<String>,
    classes: Vec<u32>,
    lists: GeneLists,
    /// Names of the bulk genes.
    gene_names: Vec<String>,
    /// Reference profiles of the bulk genes, row-major.
    profiles: Vec<f64>,
    sums: BulkSums,
    bulk: Option<BulkFit>,
    sigma: Option<SigmaFit>,
    /// The table of sigma, once it is known.
    table: Option<Arc<LikelihoodTable>>,
}

/// What the pixel fits need, all of it shared by the threads.
struct Fitted {
    design: Design,
    /// Normalised profiles of the regression genes, row-major.
    profiles: Vec<f64>,
    /// Place in the regression list of every spatial gene.
    positions: Vec<u32>,
}

impl<'a> Rctd<'a> {
    /// Filters pixels and chooses genes. Reads the counts twice.
    ///
    /// # Errors
    /// `InvalidArgument` for options and names; `InvalidData` for counts that are no counts, too
    /// few cells of a type, no common or too few genes, no pixel left.
    pub fn create(
        ctx: &Context,
        spatial: SpatialInput<'a>,
        reference: &Reference,
        options: RctdOptions,
    ) -> Result<Self> {
        options.check()?;
        check_cell_numbers(reference, &options)?;
        let chosen = options.select_types(&reference.profiles.cell_types)?;
        if chosen.len() < 2 {
            return Err(Error::argument(
                "cell_types",
                format!("{} type is too few; at least 2 are needed", chosen.len()),
            ));
        }
        let mut used = reference.profiles.clone();
        if options.cell_types.is_some() {
            used.cell_types = pick(&chosen, &reference.profiles.cell_types);
            used.values = (0..used.genes.len())
                .flat_map(|gene| pick(&chosen, reference.profiles.row(gene)))
                .collect();
        }
        let classes = options.classes(&used.cell_types)?;
        let (mut spatial, gene_sums) = Spatial::scan(ctx, spatial, &options)?;
        let lists = GeneLists::choose(ctx, &used, &spatial.genes, &gene_sums, &options)?;
        let positions = lists.bulk_positions(spatial.genes.len());
        let sums = spatial.restrict(ctx, &positions, lists.bulk.len(), &options)?;
        let rows = lists.bulk.iter().map(|gene| gene.profile as usize);
        Ok(Rctd {
            gene_names: rows.clone().map(|row| used.genes[row].clone()).collect(),
            profiles: rows.flat_map(|row| used.row(row).to_vec()).collect(),
            cell_types: used.cell_types,
            options: Arc::new(options),
            spatial,
            classes,
            lists,
            sums,
            bulk: None,
            sigma: None,
            table: None,
        })
    }

    /// Replaces the options. Steps whose options change have to be done again; sigma stays when the
    /// new options give the one that was found.
    ///
    /// # Errors
    /// `InvalidArgument` for an option that [`Rctd::create`] used and that would change.
    pub fn set_options(&mut self, options: RctdOptions) -> Result<()> {
        options.check()?;
        options.check_same_creation(&self.options)?;
        let old = &self.options;
        if (options.min_change_bulk, options.step_size) != (old.min_change_bulk, old.step_size) {
            self.bulk = None;
        }
        let given = options.sigma.map(grid::nearest_key);
        let is_found = given.is_some() && given == self.sigma.as_ref().map(|fit| fit.key);
        if self.bulk.is_none() || !(is_found || options.sigma_search() == old.sigma_search()) {
            self.sigma = None;
        }
        self.options = Arc::new(options);
        Ok(())
    }

    /// Estimates platform effects and corrects the profiles.
    ///
    /// # Errors
    /// `InvalidData`, reason `NonFinite`, naming the gene whose profile cannot be corrected.
    pub fn fit_bulk(&mut self, ctx: &Context) -> Result<&BulkFit> {
        let stage = ctx.stage("fit_bulk", 1)?;
        let genes: Vec<&str> = self.gene_names.iter().map(String::as_str).collect();
        let fit = BulkFit::fit(&BulkInput {
            genes: &genes,
            profiles: &self.profiles,
            n_types: self.cell_types.len(),
            counts: &self.sums.counts,
            n_umi: self.sums.n_umi,
            min_change: self.options.min_change_bulk,
            step: self.options.step_size,
            qp_method: self.options.qp_method,
        })?;
        stage.finish()?;
        // A later step depends on the profiles: it has to be done again.
        self.sigma = None;
        Ok(self.bulk.insert(fit))
    }

    /// Estimates sigma, or takes the one in the options.
    ///
    /// # Errors
    /// `State` before [`Rctd::fit_bulk`]; `InvalidData`, reason `NoSigmaPixels`, when no pixel has
    /// more than `umi_min_sigma` counts.
    pub fn choose_sigma(&mut self, ctx: &Context) -> Result<&SigmaFit> {
        let fitted = self.fitted()?;
        let fit = match self.options.sigma {
            Some(key) => SigmaFit {
                key: grid::nearest_key(key),
                epochs: Vec::new(),
                n_pixels: 0,
                random_seed: None,
            },
            None => {
                let rows = self.sigma_rows(ctx)?;
                let pixels = self.read_pixels(ctx, &rows, &fitted)?;
                let search = SigmaSearch {
                    design: &fitted.design,
                    profiles: &fitted.profiles,
                    options: &self.options,
                    classes: &self.classes,
                    pixels: &pixels,
                };
                search.run(ctx)?
            }
        };
        let rows = Arc::new(CountRows::of(&self.sums.seen));
        let stage = ctx.stage("likelihood_table", 1)?;
        let mut tables = LikelihoodTable::build(ctx, &[fit.key], &rows)?;
        stage.finish()?;
        self.table = tables.pop().map(Arc::new);
        Ok(self.sigma.insert(fit))
    }

    /// Fits all kept pixels. Reads the counts once.
    ///
    /// # Errors
    /// `State` before [`Rctd::choose_sigma`]; `InvalidData` in multi mode with `strict_multi` when
    /// a pixel has no candidate type.
    pub fn fit_pixels(&mut self, ctx: &Context, mode: Mode) -> Result<RctdResults> {
        let partial = self.run_shard(ctx, mode, 0..self.sums.kept.len() as u64)?;
        self.merge(mode, vec![partial])
    }

    /// All steps that are not done yet, then the pixels.
    ///
    /// # Errors
    /// Those of the steps.
    pub fn run(&mut self, ctx: &Context, mode: Mode) -> Result<RctdResults> {
        self.prepare(ctx)?;
        self.fit_pixels(ctx, mode)
    }

    /// Platform effects and sigma, where they are not there yet.
    ///
    /// # Errors
    /// Those of [`Rctd::fit_bulk`] and [`Rctd::choose_sigma`].
    pub fn prepare(&mut self, ctx: &Context) -> Result<()> {
        if self.bulk.is_none() {
            self.fit_bulk(ctx)?;
        }
        if self.sigma.is_none() {
            self.choose_sigma(ctx)?;
        }
        Ok(())
    }

    /// Cuts the kept pixels into shards: ranges of positions in [`Rctd::kept`].
    pub fn plan(&self, pixels_per_shard: Option<usize>) -> Vec<Range<u64>> {
        let size = pixels_per_shard.unwrap_or(PIXELS_PER_SHARD);
        Blocks::new(self.sums.kept.len(), size)
            .map(|range| range.start as u64..range.end as u64)
            .collect()
    }

    /// Fits the pixels of one shard.
    ///
    /// # Errors
    /// `InvalidArgument` for a range outside the kept pixels, and those of [`Rctd::fit_pixels`].
    pub fn run_shard(&mut self, ctx: &Context, mode: Mode, range: Range<u64>) -> Result<Partial> {
        let n = self.sums.kept.len() as u64;
        if range.start > range.end || range.end > n {
            return Err(Error::argument(
                "range",
                format!("{}..{} leaves the {n} kept pixels", range.start, range.end),
            ));
        }
        let fitted = self.fitted()?;
        let table = match &self.table {
            Some(table) if self.sigma.is_some() => Arc::clone(table),
            _ => return Err(out_of_order("choose_sigma")),
        };
        let hash = self.parameter_hash(mode);
        let rows = self.sums.kept[range.start as usize..range.end as usize].to_vec();
        let n_types = self.cell_types.len() as u32;
        let mut columns = PixelColumns::new(mode, self.options.keep_scores);
        let stage = ctx.stage("fit_pixels", rows.len() as u64)?;
        // The spatial data are read mutably while the rest is shared by the threads.
        let n_umi = std::mem::take(&mut self.spatial.n_umi);
        let (options, classes) = (self.options.as_ref(), &self.classes);
        let outcome = self.spatial.stream(
            ctx,
            Pass {
                stage: &stage,
                rows: &rows,
                block_rows: PIXELS_PER_BLOCK,
            },
            || PixelFitter::new(&fitted.design, &table, options, classes),
            |fitter, pixels| {
                let mut part = PixelColumns::new(mode, options.keep_scores);
                for &row in &rows[pixels.asked.clone()] {
                    ctx.check_cancelled()?;
                    let entries = listed(pixels.row(row), &fitted.positions);
                    fitter.set_pixel(entries, n_umi[row as usize]);
                    fitter.fit(mode, &mut part);
                }
                Ok(part)
            },
            |part| {
                let n = part.n_pixels() as u64;
                columns.append(part);
                Ok(n)
            },
        );
        self.spatial.n_umi = n_umi;
        outcome?;
        stage.finish()?;
        if self.options.strict_multi {
            self.check_fallbacks(&rows, &columns)?;
        }
        Ok(Partial {
            hash,
            mode,
            start: range.start,
            end: range.end,
            n_types,
            columns,
        })
    }

    /// Joins shards that together cover the kept pixels, in any order.
    ///
    /// # Errors
    /// `CheckpointMismatch` for shards of another run or mode; `InvalidArgument` for gaps and
    /// overlaps.
    pub fn merge(&self, mode: Mode, mut partials: Vec<Partial>) -> Result<RctdResults> {
        let hash = self.parameter_hash(mode);
        partials.sort_by_key(|partial| (partial.start, partial.end));
        let mut columns = PixelColumns::new(mode, self.options.keep_scores);
        let mut position = 0;
        for partial in partials {
            self.check_partial(&partial, mode, hash)?;
            if partial.start != position {
                return Err(Error::argument(
                    "partials",
                    format!(
                        "a shard begins at kept pixel {}, expected {position}; shards must cover all pixels once",
                        partial.start
                    ),
                ));
            }
            position = partial.end;
            columns.append(partial.columns);
        }
        if position != self.sums.kept.len() as u64 {
            return Err(Error::argument(
                "partials",
                format!(
                    "the shards end at kept pixel {position} of {}; shards must cover all pixels once",
                    self.sums.kept.len()
                ),
            ));
        }
        Ok(RctdResults {
            mode,
            cell_types: self.cell_types.clone(),
            sigma: self.sigma.as_ref().map_or(0, |sigma| sigma.key),
            n_pixels_total: self.n_pixels_total(),
            options: Arc::clone(&self.options),
            pixels: self.sums.kept.clone(),
            barcodes: pick_rows(&self.sums.kept, &self.spatial.pixels),
            weights: columns.weights,
            converged: columns.converged,
            doublet: columns.doublet,
            multi: columns.multi,
        })
    }

    /// Whether a partial belongs to this run.
    ///
    /// # Errors
    /// `CheckpointMismatch`.
    pub fn check_partial(&self, partial: &Partial, mode: Mode, hash: u64) -> Result<()> {
        if partial.mode == mode && partial.hash == hash {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::CheckpointMismatch,
            format!(
                "a shard of mode \"{}\" belongs to a run with other inputs or options (hash {:016x}, this \
                 run has {hash:016x} in mode \"{mode}\"); run it again",
                partial.mode, partial.hash
            ),
        ))
    }

    /// A number that changes with anything the fits of the pixels depend on.
    pub fn parameter_hash(&self, mode: Mode) -> u64 {
        let mut print = Fingerprint::default();
        print.text("rctd").text(&mode.to_string());
        print.text(&self.options.to_json());
        for name in self.cell_types.iter().chain(&self.gene_names) {
            print.text(name);
        }
        for &place in &self.lists.reg {
            print.number(u64::from(place));
        }
        if let Some(bulk) = &self.bulk {
            print.floats(&bulk.profiles);
        }
        print.number(self.sigma.as_ref().map_or(0, |s| u64::from(s.key)));
        for &row in &self.sums.kept {
            print.number(u64::from(row));
            print.floats(&[self.spatial.n_umi[row as usize]]);
        }
        for &count in &self.sums.counts {
            print.number(count);
        }
        print.value()
    }

    fn fitted(&self) -> Result<Fitted> {
        let Some(bulk) = &self.bulk else {
            return Err(out_of_order("fit_bulk"));
        };
        let k = self.cell_types.len();
        let profiles: Vec<f64> = self
            .lists
            .reg
            .iter()
            .flat_map(|&gene| &bulk.profiles[gene as usize * k..(gene as usize + 1) * k])
            .copied()
            .collect();
        Ok(Fitted {
            design: Design::new(&profiles, self.lists.reg.len(), k),
            positions: self.lists.reg_positions(self.spatial.genes.len()),
            profiles,
        })
    }

    /// Input rows of the pixels used for sigma.
    fn sigma_rows(&self, ctx: &Context) -> Result<Vec<u32>> {
        let n_umi = &self.spatial.n_umi;
        if let Some(given) = &self.options.sigma_pixels {
            let mut rows = Vec::with_capacity(given.len());
            for &row in given {
                if self.spatial.fates.get(row as usize) != Some(&PixelFate::Kept) {
                    return Err(Error::argument(
                        "sigma_pixels",
                        format!("row {row} is not a pixel that passes the filters"),
                    ));
                }
                rows.push(row as u32);
            }
            if rows.is_empty() {
                return Err(Error::argument(
                    "sigma_pixels",
                    "names no pixel; leave it out for a seeded sample",
                ));
            }
            return Ok(rows);
        }
        let eligible: Vec<u32> = self
            .sums
            .kept
            .iter()
            .copied()
            .filter(|&row| n_umi[row as usize] > self.options.umi_min_sigma)
            .collect();
        if eligible.is_empty() {
            let largest = self
                .sums
                .kept
                .iter()
                .map(|&row| n_umi[row as usize])
                .fold(0.0, f64::max);
            return Err(Error::data(format!(
                "no pixel has more than umi_min_sigma = {} counts, the largest has {largest}; lower \
                 umi_min_sigma",
                self.options.umi_min_sigma
            ))
            .with_argument("umi_min_sigma")
            .with_reason(Reason::NoSigmaPixels));
        }
        let mut stream = rng::stream(ctx.seed(), "sigma_pixels", 0);
        let mut rows: Vec<u32> = stream
            .sample(eligible.len(), self.options.n_fit)
            .into_iter()
            .map(|position| eligible[position])
            .collect();
        rows.sort_unstable();
        Ok(rows)
    }

    /// Counts of some pixels on the regression genes, in the order asked for.
    fn read_pixels(
        &mut self,
        ctx: &Context,
        rows: &[u32],
        fitted: &Fitted,
    ) -> Result<Vec<SampledPixel>> {
        let mut sorted = rows.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let mut read: Vec<Vec<(u32, u32)>> = Vec::with_capacity(sorted.len());
        let stage = ctx.stage("read_sigma_pixels", sorted.len() as u64)?;
        self.spatial.stream(
            ctx,
            Pass {
                stage: &stage,
                rows: &sorted,
                block_rows: PIXELS_PER_BLOCK,
            },
            || (),
            |(), pixels| {
                let rows = &sorted[pixels.asked.clone()];
                Ok(rows
                    .iter()
                    .map(|&row| listed(pixels.row(row), &fitted.positions).collect())
                    .collect::<Vec<_>>())
            },
            |part| {
                let n = part.len() as u64;
                read.extend(part);
                Ok(n)
            },
        )?;
        stage.finish()?;
        Ok(rows
            .iter()
            .map(|row| SampledPixel {
                entries: read[sorted.partition_point(|other| other < row)].clone(),
                n_umi: self.spatial.n_umi[*row as usize],
            })
            .collect())
    }

    fn check_fallbacks(&self, rows: &[u32], columns: &PixelColumns) -> Result<()> {
        let fallback = columns
            .multi
            .as_ref()
            .map(|multi| multi.fallback.as_slice());
        match fallback.and_then(|flags| flags.iter().position(|&flag| flag)) {
            None => Ok(()),
            Some(at) => Err(Error::data(format!(
                "pixel {:?} has no cell type with a weight above 0.01; leave strict_multi off to use its \
                 largest",
                self.spatial.pixels[rows[at] as usize]
            ))
            .with_argument("strict_multi")),
        }
    }
}

/// Read access.
impl Rctd<'_> {
    /// Options in force.
    pub fn options(&self) -> &Arc<RctdOptions> {
        &self.options
    }

    /// Names of the types, in order.
    pub fn cell_types(&self) -> &[String] {
        &self.cell_types
    }

    /// Genes of the bulk list, in order.
    pub fn genes_bulk(&self) -> Vec<&str> {
        self.gene_names.iter().map(String::as_str).collect()
    }

    /// Genes of the regression list, in order.
    pub fn genes_reg(&self) -> Vec<&str> {
        let names = &self.gene_names;
        self.lists
            .reg
            .iter()
            .map(|&gene| names[gene as usize].as_str())
            .collect()
    }

    /// Reference profiles of the bulk genes, genes x types, row-major.
    pub fn profiles_bulk(&self) -> &[f64] {
        &self.profiles
    }

    /// Number of pixels of the input.
    pub fn n_pixels_total(&self) -> usize {
        self.spatial.pixels.len()
    }

    /// Input rows of the pixels that are fitted.
    pub fn kept(&self) -> &[u32] {
        &self.sums.kept
    }

    /// Why each pixel of the input is fitted or not.
    pub fn fates(&self) -> &[PixelFate] {
        &self.spatial.fates
    }

    /// Barcodes of the input.
    pub fn barcodes(&self) -> &[String] {
        &self.spatial.pixels
    }

    /// Positions of the input's pixels.
    pub fn coords(&self) -> Option<&[[f64; 2]]> {
        self.spatial.coords.as_deref()
    }

    /// nUMI of the input's pixels.
    pub fn n_umi(&self) -> &[f64] {
        &self.spatial.n_umi
    }

    /// Result of [`Rctd::fit_bulk`].
    pub fn bulk(&self) -> Option<&BulkFit> {
        self.bulk.as_ref()
    }

    /// Result of [`Rctd::choose_sigma`].
    pub fn sigma(&self) -> Option<&SigmaFit> {
        self.sigma.as_ref()
    }
}

/// Entries of a row that are regression genes, by place in the list.
fn listed<'r>(
    (genes, counts): (&'r [u32], &'r [u32]),
    positions: &'r [u32],
) -> impl Iterator<Item = (u32, u32)> + 'r {
    genes.iter().zip(counts).filter_map(|(&gene, &count)| {
        let position = positions[gene as usize];
        (position != NOT_LISTED).then_some((position, count))
    })
}

fn out_of_order(step: &str) -> Error {
    Error::new(
        ErrorKind::State,
        format!("{step} has to be called before this step"),
    )
}

fn pick<T: Clone>(indices: &[usize], values: &[T]) -> Vec<T> {
    indices.iter().map(|&index| values[index].clone()).collect()
}

fn pick_rows(rows: &[u32], names: &[String]) -> Vec<String> {
    rows.iter()
        .map(|&row| names[row as usize].clone())
        .collect()
}

fn check_cell_numbers(reference: &Reference, options: &RctdOptions) -> Result<()> {
    let rare: Vec<usize> = (0..reference.cells_per_type.len())
        .filter(|&t| reference.cells_per_type[t] < options.cell_min_instance)
        .collect();
    if rare.is_empty() {
        return Ok(());
    }
    let names = pick(&rare, &reference.profiles.cell_types);
    let listed: Vec<String> = rare
        .iter()
        .map(|&t| {
            format!(
                "{} ({} cells)",
                reference.profiles.cell_types[t], reference.cells_per_type[t]
            )
        })
        .collect();
    Err(Error::data(format!(
        "reference: cell types with fewer than cell_min_instance = {} cells: {}; leave them out or lower \
         cell_min_instance",
        options.cell_min_instance,
        name_some(&listed, 20).replace('"', "")
    ))
    .with_reason(Reason::TooFewCells { cell_types: names }))
}
