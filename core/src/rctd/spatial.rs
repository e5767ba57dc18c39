//! The tissue side: pixels read in blocks, filtered, never held.
//!
//! Kept per pixel: its name, its total, its fate. Counts are read again for every pass: one for
//! totals and gene sums, one for the bulk genes, one for sigma's sample, one for the fits.
//!
//! Time: the non-zeros, a pass. Memory: names and 17 bytes a pixel, plus the blocks in flight.
//! Source: spacexr 2.2.1, `SpatialRNA` and `restrict_counts`.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::context::{Context, Stage};
use crate::data::{CellBlocks, CountBlock};
use crate::error::{Error, Reason, Result};
use crate::par::ordered;
use crate::stats::poisson_lognormal::SeenCounts;

use super::config::RctdOptions;
use super::input::{check_names, check_numbers, name_value_errors};

/// Rows of one block of a pass over all pixels.
const PIXELS_PER_BLOCK: usize = 1024;

/// Pixels (spots, beads) of a tissue.
pub struct SpatialInput<'a> {
    /// Counts, pixels x genes.
    pub counts: Box<dyn CellBlocks + 'a>,
    /// Barcodes.
    pub pixels: Vec<String>,
    /// Gene names.
    pub genes: Vec<String>,
    /// Position of every pixel; not used by the fits, carried to the results.
    pub coords: Option<Vec<[f64; 2]>>,
    /// Total counts of every pixel over all genes of the experiment; row sums when absent.
    pub n_umi: Option<Vec<f64>>,
}

/// Why a pixel has results, or has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum PixelFate {
    /// Fitted.
    Kept = 0,
    /// nUMI below `umi_min`.
    UmiTooLow = 1,
    /// nUMI above `umi_max`.
    UmiTooHigh = 2,
    /// Sum over all genes below `counts_min`.
    CountsTooLow = 3,
    /// Sum over the bulk gene list below `counts_min`.
    BulkCountsTooLow = 4,
}

impl PixelFate {
    /// Every fate, in the order of its code.
    pub const ALL: [PixelFate; 5] = [
        PixelFate::Kept,
        PixelFate::UmiTooLow,
        PixelFate::UmiTooHigh,
        PixelFate::CountsTooLow,
        PixelFate::BulkCountsTooLow,
    ];

    /// Lower-case name, as written to files.
    pub fn name(self) -> &'static str {
        match self {
            PixelFate::Kept => "kept",
            PixelFate::UmiTooLow => "umi_too_low",
            PixelFate::UmiTooHigh => "umi_too_high",
            PixelFate::CountsTooLow => "counts_too_low",
            PixelFate::BulkCountsTooLow => "bulk_counts_too_low",
        }
    }
}

/// Pixels after the first pass.
pub(crate) struct Spatial<'a> {
    counts: Box<dyn CellBlocks + 'a>,
    pub(crate) pixels: Vec<String>,
    pub(crate) genes: Vec<String>,
    pub(crate) coords: Option<Vec<[f64; 2]>>,
    pub(crate) n_umi: Vec<f64>,
    pub(crate) fates: Vec<PixelFate>,
}

/// One reading of the matrix.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'p> {
    /// What is reported.
    pub(crate) stage: &'p Stage<'p>,
    /// Input rows to read, ascending.
    pub(crate) rows: &'p [u32],
    /// Rows of the matrix that make a block; results must not depend on it.
    pub(crate) block_rows: usize,
}

/// Some rows of the matrix, and which of the asked pixels they hold.
pub(crate) struct PixelBlock {
    /// The rows read.
    pub(crate) block: CountBlock,
    /// Positions in the list of asked rows.
    pub(crate) asked: Range<usize>,
}

/// Totals over the kept pixels.
pub(crate) struct BulkSums {
    /// Count of each bulk gene.
    pub(crate) counts: Vec<u64>,
    /// Sum of nUMI.
    pub(crate) n_umi: f64,
    /// Single counts of bulk genes that occur.
    pub(crate) seen: SeenCounts,
    /// Input rows of the kept pixels.
    pub(crate) kept: Vec<u32>,
}

impl<'a> Spatial<'a> {
    /// Pass 1: totals, the filters that need nothing else, and the gene sums of the rest.
    pub(crate) fn scan(
        ctx: &Context,
        input: SpatialInput<'a>,
        options: &RctdOptions,
    ) -> Result<(Self, Vec<u64>)> {
        check_input(&input)?;
        let (n, g) = (input.pixels.len(), input.genes.len());
        let given = input.n_umi;
        let mut spatial = Spatial {
            counts: input.counts,
            pixels: input.pixels,
            genes: input.genes,
            coords: input.coords,
            n_umi: Vec::with_capacity(n),
            fates: Vec::with_capacity(n),
        };
        let rows: Vec<u32> = (0..n as u32).collect();
        let stage = ctx.stage("count_genes", n as u64)?;
        let mut gene_sums = vec![0_u64; g];
        let (mut n_umi, mut fates) = (Vec::with_capacity(n), Vec::with_capacity(n));
        spatial.stream(
            ctx,
            Pass {
                stage: &stage,
                rows: &rows,
                block_rows: PIXELS_PER_BLOCK,
            },
            || (),
            |(), pixels| {
                let mut sums = vec![0_u64; g];
                let mut outcomes = Vec::with_capacity(pixels.asked.len());
                for row in 0..pixels.block.n_rows() {
                    let (genes, counts) = pixels.block.row(row);
                    let total: u64 = counts.iter().map(|&c| u64::from(c)).sum();
                    let pixel = pixels.block.first_row() + row;
                    let umi = given.as_ref().map_or(total as f64, |given| given[pixel]);
                    let fate = first_filter(umi, total as f64, options);
                    if fate == PixelFate::Kept {
                        for (&gene, &count) in genes.iter().zip(counts) {
                            sums[gene as usize] += u64::from(count);
                        }
                    }
                    outcomes.push((umi, fate));
                }
                Ok((sums, outcomes))
            },
            |(sums, outcomes)| {
                add(&mut gene_sums, &sums);
                n_umi.extend(outcomes.iter().map(|o| o.0));
                fates.extend(outcomes.iter().map(|o| o.1));
                Ok(outcomes.len() as u64)
            },
        )?;
        stage.finish()?;
        spatial.n_umi = n_umi;
        spatial.fates = fates;
        if spatial.kept().is_empty() {
            return Err(spatial.no_pixels(options));
        }
        Ok((spatial, gene_sums))
    }

    /// Pass 2: the filter on the bulk genes, and the totals over the pixels that pass it.
    ///
    /// `positions` maps a gene of the matrix to its place in the bulk list ([`NOT_LISTED`] if none).
    pub(crate) fn restrict(
        &mut self,
        ctx: &Context,
        positions: &[u32],
        n_bulk: usize,
        options: &RctdOptions,
    ) -> Result<BulkSums> {
        let rows = self.kept();
        let stage = ctx.stage("count_bulk_genes", rows.len() as u64)?;
        let mut counts = vec![0_u64; n_bulk];
        let mut seen = SeenCounts::default();
        let mut outcomes = Vec::with_capacity(rows.len());
        self.stream(
            ctx,
            Pass {
                stage: &stage,
                rows: &rows,
                block_rows: PIXELS_PER_BLOCK,
            },
            || (),
            |(), pixels| {
                let mut sums = vec![0_u64; n_bulk];
                let mut seen = SeenCounts::default();
                let mut kept = Vec::with_capacity(pixels.asked.len());
                for &row in &rows[pixels.asked.clone()] {
                    let (genes, counts) = pixels.row(row);
                    let listed = || {
                        let entries = genes.iter().zip(counts);
                        entries.filter_map(|(&gene, &count)| {
                            let position = positions[gene as usize];
                            (position != NOT_LISTED).then_some((position as usize, count))
                        })
                    };
                    let total: u64 = listed().map(|(_, count)| u64::from(count)).sum();
                    let keep = total as f64 >= options.counts_min;
                    if keep {
                        for (position, count) in listed() {
                            sums[position] += u64::from(count);
                            seen.insert(count);
                        }
                    }
                    kept.push(keep);
                }
                Ok((sums, seen, kept))
            },
            |(sums, part, kept)| {
                add(&mut counts, &sums);
                seen.merge(&part);
                outcomes.extend_from_slice(&kept);
                Ok(kept.len() as u64)
            },
        )?;
        stage.finish()?;
        for (&row, &keep) in rows.iter().zip(&outcomes) {
            if !keep {
                self.fates[row as usize] = PixelFate::BulkCountsTooLow;
            }
        }
        let kept = self.kept();
        if kept.is_empty() {
            return Err(self.no_pixels(options));
        }
        let n_umi = kept.iter().map(|&row| self.n_umi[row as usize]).sum();
        Ok(BulkSums {
            counts,
            n_umi,
            seen,
            kept,
        })
    }

    /// Reads the asked rows (ascending) in blocks of fixed row ranges, works on them in parallel
    /// and merges in order; see [`ordered`].
    pub(crate) fn stream<R: Send, W: Send>(
        &mut self,
        ctx: &Context,
        pass: Pass<'_>,
        workspace: impl Fn() -> W + Sync,
        work: impl Fn(&mut W, PixelBlock) -> Result<R> + Sync,
        merge: impl FnMut(R) -> Result<u64>,
    ) -> Result<()> {
        let Spatial {
            counts,
            pixels,
            genes,
            ..
        } = self;
        let Pass {
            stage,
            rows,
            block_rows,
        } = pass;
        let mut position = 0;
        let next = || {
            let Some(&first) = rows.get(position) else {
                return Ok(None);
            };
            let edge = (first as usize / block_rows + 1) * block_rows;
            let n = rows[position..].partition_point(|&row| (row as usize) < edge);
            let asked = position..position + n;
            let last = rows[asked.end - 1];
            position = asked.end;
            let mut block = CountBlock::default();
            counts
                .read_cells(ctx, first as usize..last as usize + 1, &mut block)
                .map_err(|e| name_value_errors(e, "spatial.counts", "pixel", pixels, genes))?;
            Ok(Some(PixelBlock { block, asked }))
        };
        ordered(ctx, Some(stage), next, workspace, work, merge)
    }

    /// Input rows of the pixels that no filter has taken so far.
    pub(crate) fn kept(&self) -> Vec<u32> {
        (0..self.fates.len() as u32)
            .filter(|&row| self.fates[row as usize] == PixelFate::Kept)
            .collect()
    }

    fn no_pixels(&self, options: &RctdOptions) -> Error {
        let taken = |fate| self.fates.iter().filter(|&&f| f == fate).count();
        Error::data(format!(
            "no pixel is left of {}: {} have nUMI < umi_min = {}, {} have nUMI > umi_max = {}, \
             {} have fewer than counts_min = {} counts, {} have fewer than that over the bulk genes",
            self.pixels.len(),
            taken(PixelFate::UmiTooLow),
            options.umi_min,
            taken(PixelFate::UmiTooHigh),
            options.umi_max,
            taken(PixelFate::CountsTooLow),
            options.counts_min,
            taken(PixelFate::BulkCountsTooLow),
        ))
        .with_reason(Reason::NoPixels)
    }
}

/// Marks a gene that is not in a list.
pub(crate) const NOT_LISTED: u32 = u32::MAX;

impl PixelBlock {
    /// Genes and counts of an input row of the block.
    pub(crate) fn row(&self, row: u32) -> (&[u32], &[u32]) {
        self.block.row(row as usize - self.block.first_row())
    }
}

fn first_filter(umi: f64, total: f64, options: &RctdOptions) -> PixelFate {
    if umi < options.umi_min {
        PixelFate::UmiTooLow
    } else if umi > options.umi_max {
        PixelFate::UmiTooHigh
    } else if total < options.counts_min {
        PixelFate::CountsTooLow
    } else {
        PixelFate::Kept
    }
}

fn add(sums: &mut [u64], part: &[u64]) {
    for (sum, value) in sums.iter_mut().zip(part) {
        *sum += value;
    }
}

fn check_input(input: &SpatialInput<'_>) -> Result<()> {
    let (n, g) = (input.counts.n_cells(), input.counts.n_genes());
    let lengths = [
        ("spatial.pixels", input.pixels.len(), n),
        ("spatial.genes", input.genes.len(), g),
        (
            "spatial.coords",
            input.coords.as_ref().map_or(n, Vec::len),
            n,
        ),
    ];
    for (name, found, expected) in lengths {
        if found != expected {
            return Err(Error::argument(
                name,
                format!("{found} values for counts of {n} pixels x {g} genes"),
            ));
        }
    }
    if n == 0 || g < 2 {
        return Err(Error::argument(
            "spatial.counts",
            format!("{n} pixels x {g} genes is too small; at least 1 x 2 is needed"),
        ));
    }
    if n > u32::MAX as usize {
        return Err(Error::argument(
            "spatial.counts",
            format!(
                "{n} pixels are too many; at most {} are supported",
                u32::MAX
            ),
        ));
    }
    check_names("spatial.pixels", &input.pixels)?;
    check_names("spatial.genes", &input.genes)?;
    if let Some(n_umi) = &input.n_umi {
        check_numbers("spatial.n_umi", n_umi, &input.pixels)?;
    }
    Ok(())
}
