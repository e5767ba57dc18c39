//! One pass over counts: what every later step is made from.
//!
//! Totals and numbers of entries per cell and per gene, sums of the largest values, sums over
//! groups of genes, first and second moments. Nothing here knows names or types of columns;
//! `qc` and `filter` do.
//!
//! # Cost
//! Time: one pass over the matrix; about 10 ns an entry. Memory: 12 bytes a cell, 8 more for each sum of
//! largest values and each group of genes; 32 bytes a gene, and as much for each block in flight.
//! Small counts are summed as integers, in any order the same.

use crate::context::Context;
use crate::data::rows::scan::Scan;
use crate::data::rows::{ReadOptions, RowBlock, RowReader, RowSource};
use crate::error::Result;

use super::filter::CellFilter;

/// What a pass shall gather.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountPlan<'a> {
    /// Sizes of the sets of largest values, ascending.
    pub tops: &'a [usize],
    /// For each gene a bit for each group it belongs to.
    pub groups: Option<&'a [u64]>,
    /// Number of groups.
    pub n_groups: usize,
    /// Squares per gene as well.
    pub squares: bool,
    /// Rules for cells; where there are some, genes are summed over the cells they keep as well.
    pub cells: &'a [CellFilter],
    /// How rows are read.
    pub read: ReadOptions,
}

/// A cell's totals.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CellSums {
    /// Sum of the values.
    pub total: f64,
    /// Entries that are not zero.
    pub n_genes: u32,
    /// Entries above zero.
    pub n_positive: u32,
}

/// Totals of genes over some cells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GeneSums {
    /// Sum of the values.
    pub total: Vec<f64>,
    /// Sum of their squares; empty unless asked for.
    pub squares: Vec<f64>,
    /// Entries that are not zero.
    pub n_cells: Vec<u64>,
    /// Entries above zero.
    pub n_positive: Vec<u64>,
}

impl GeneSums {
    fn new(n_genes: usize, squares: bool) -> Self {
        GeneSums {
            total: vec![0.0; n_genes],
            squares: vec![0.0; if squares { n_genes } else { 0 }],
            n_cells: vec![0; n_genes],
            n_positive: vec![0; n_genes],
        }
    }

    fn merge(&mut self, part: &GenePart) {
        for gene in 0..part.small.len() {
            let own = part.of(gene);
            self.total[gene] += own.total;
            let n = own.entries & ENTRIES;
            self.n_cells[gene] += n;
            self.n_positive[gene] += n - (own.entries >> NOT_POSITIVE);
        }
        let squares = self.squares.iter_mut().zip(&part.squares);
        squares.for_each(|(a, b)| *a += b);
    }
}

/// A gene's sums over a block of rows, side by side in memory.
#[derive(Debug, Clone, Copy, Default)]
struct GeneCell {
    total: f64,
    /// Number of entries; above bit [`NOT_POSITIVE`] the number of those that are not above zero.
    entries: u64,
}

const NOT_POSITIVE: u32 = 32;
const ENTRIES: u64 = (1 << NOT_POSITIVE) - 1;

/// Counts up to this are summed as integers: a block's sum of them stays below 2^[`ENTRY`].
const MOST_SMALL: f64 = (1 << 24) as f64;
/// Longest row of such counts: a block's entries of a gene, duplicates too, stay below 2^24.
const MOST_ENTRIES: usize = 1 << 15;
/// Bit of [`GenePart::small`] from which on entries are counted; their values are summed below.
const ENTRY: u32 = 40;

/// Sums of genes over a block of rows.
#[derive(Debug, Clone)]
struct GenePart {
    /// Sums over rows of small counts: value and entry in one addition.
    small: Vec<u64>,
    /// Sums over other rows; empty while there are none.
    genes: Vec<GeneCell>,
    squares: Vec<f64>,
}

impl GenePart {
    fn new(n_genes: usize, squares: bool) -> Self {
        GenePart {
            small: vec![0; n_genes],
            genes: Vec::new(),
            squares: vec![0.0; if squares { n_genes } else { 0 }],
        }
    }

    /// The sums of a gene.
    fn of(&self, gene: usize) -> GeneCell {
        let small = self.small[gene];
        let other = self.genes.get(gene).copied().unwrap_or_default();
        GeneCell {
            total: other.total + (small & ((1 << ENTRY) - 1)) as f64,
            entries: other.entries + (small >> ENTRY),
        }
    }

    /// Adds a row; `counts` are its values where [`Worker::set_row`] found them small.
    fn add_row(&mut self, row: &RowReader, counts: &[u32]) {
        if counts.len() < row.values.len() {
            self.add_values(row);
        }
        for (&gene, &count) in row.genes.iter().zip(counts) {
            self.small[gene as usize] += (1 << ENTRY) + u64::from(count);
        }
        if !self.squares.is_empty() {
            for (&gene, &value) in row.genes.iter().zip(&row.values) {
                self.squares[gene as usize] += value * value;
            }
        }
    }

    fn add_values(&mut self, row: &RowReader) {
        if self.genes.is_empty() {
            self.genes.resize(self.small.len(), GeneCell::default());
        }
        for (&gene, &value) in row.genes.iter().zip(&row.values) {
            let own = &mut self.genes[gene as usize];
            own.total += value;
            own.entries += 1;
        }
        if (row.n_positive as usize) < row.values.len() {
            for (&gene, &value) in row.genes.iter().zip(&row.values) {
                let is_not_positive = u64::from(value > 0.0) ^ 1;
                self.genes[gene as usize].entries += is_not_positive << NOT_POSITIVE;
            }
        }
    }
}

/// Genes that belong to some group, a bit each: what few genes have is looked up where it is small.
struct Groups<'a> {
    bits: &'a [u64],
    n: usize,
    any: Vec<u64>,
}

impl<'a> Groups<'a> {
    fn new(bits: &'a [u64], n: usize) -> Self {
        let mut any = vec![0; bits.len().div_ceil(64)];
        for (gene, &own) in bits.iter().enumerate() {
            any[gene / 64] |= u64::from(own != 0) << (gene % 64);
        }
        Groups { bits, n, any }
    }

    /// Appends the sums of a row over every group.
    fn add_row(&self, row: &RowReader, sums: &mut Vec<f64>) {
        let first = sums.len();
        sums.resize(first + self.n, 0.0);
        for (&gene, &value) in row.genes.iter().zip(&row.values) {
            let gene = gene as usize;
            if self.any[gene / 64] >> (gene % 64) & 1 == 0 {
                continue;
            }
            let mut bits = self.bits[gene];
            while bits != 0 {
                sums[first + bits.trailing_zeros() as usize] += value;
                bits &= bits - 1;
            }
        }
    }
}

/// What was seen that a user should know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Seen {
    /// Entries summed onto another of the same cell and gene.
    pub n_merged: u64,
    /// Stored zeros left out.
    pub n_zeros: u64,
    /// Negative values.
    pub n_negative: u64,
    /// Values with a fraction.
    pub n_fractional: u64,
}

impl Seen {
    /// Takes over what a reader has counted.
    fn take(&mut self, row: &mut RowReader) {
        self.n_merged += std::mem::take(&mut row.n_merged);
        self.n_zeros += std::mem::take(&mut row.n_zeros);
        self.n_negative += std::mem::take(&mut row.n_negative);
        self.n_fractional += std::mem::take(&mut row.n_fractional);
    }
}

/// What a pass found.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountSums {
    /// One for each cell.
    pub cells: Vec<CellSums>,
    /// For each size of [`CountPlan::tops`], one sum for each cell.
    pub tops: Vec<Vec<f64>>,
    /// For each group, one sum for each cell.
    pub groups: Vec<Vec<f64>>,
    /// Over all cells.
    pub genes: GeneSums,
    /// Over the cells that [`CountPlan::cells`] lets through.
    pub genes_of_kept: Option<GeneSums>,
    /// Oddities.
    pub seen: Seen,
}

/// Result of a block of cells.
struct Part {
    cells: Vec<CellSums>,
    tops: Vec<f64>,
    groups: Vec<f64>,
    genes: GenePart,
    kept: Option<GenePart>,
    seen: Seen,
}

/// Runs the pass.
pub(crate) fn count(
    ctx: &Context,
    source: &dyn RowSource,
    plan: &CountPlan<'_>,
    stage_name: &str,
) -> Result<CountSums> {
    let (n_cells, n_genes) = (source.n_cells(), source.n_genes());
    let stage = ctx.stage(stage_name, n_cells as u64)?;
    let per_gene = if plan.squares { 32 } else { 24 };
    let groups = plan.groups.map(|bits| Groups::new(bits, plan.n_groups));
    let copies = 1 + u64::from(!plan.cells.is_empty());
    let scan = Scan::new(source, Some(&stage), copies * per_gene * n_genes as u64);
    let mut sums = CountSums {
        cells: Vec::with_capacity(n_cells),
        tops: vec![Vec::with_capacity(n_cells); plan.tops.len()],
        groups: vec![Vec::with_capacity(n_cells); plan.n_groups],
        genes: GeneSums::new(n_genes, plan.squares),
        genes_of_kept: (!plan.cells.is_empty()).then(|| GeneSums::new(n_genes, plan.squares)),
        seen: Seen::default(),
    };
    scan.run(
        ctx,
        || Worker {
            row: RowReader::new(plan.read),
            counts: Vec::new(),
            top: TopSums::new(plan.tops),
        },
        |_| Part {
            cells: Vec::new(),
            tops: Vec::new(),
            groups: Vec::new(),
            genes: GenePart::new(n_genes, plan.squares),
            kept: (!plan.cells.is_empty()).then(|| GenePart::new(n_genes, plan.squares)),
            seen: Seen::default(),
        },
        |worker, part, block| {
            for i in 0..block.n_rows() {
                worker.set_row(block, i)?;
                worker.add_cell(plan, groups.as_ref(), part);
            }
            part.seen.take(&mut worker.row);
            Ok(())
        },
        |_, part| {
            for (tops, sums) in sums.tops.iter_mut().enumerate() {
                let own = part.tops.iter().skip(tops).step_by(plan.tops.len().max(1));
                sums.extend(own);
            }
            for (group, sums) in sums.groups.iter_mut().enumerate() {
                let own = part.groups.iter().skip(group).step_by(plan.n_groups.max(1));
                sums.extend(own);
            }
            sums.cells.extend(part.cells);
            sums.genes.merge(&part.genes);
            if let (Some(all), Some(kept)) = (&mut sums.genes_of_kept, &part.kept) {
                all.merge(kept);
            }
            sums.seen.n_merged += part.seen.n_merged;
            sums.seen.n_zeros += part.seen.n_zeros;
            sums.seen.n_negative += part.seen.n_negative;
            sums.seen.n_fractional += part.seen.n_fractional;
            Ok(())
        },
    )?;
    stage.finish()?;
    Ok(sums)
}

/// What a worker keeps from row to row.
struct Worker<'a> {
    row: RowReader,
    /// The row's values as integers, where they are small counts; empty otherwise.
    counts: Vec<u32>,
    top: TopSums<'a>,
}

impl Worker<'_> {
    fn set_row(&mut self, block: &RowBlock, i: usize) -> Result<()> {
        self.row.read(block, i)?;
        let row = &self.row;
        self.counts.clear();
        let all_positive = row.n_positive as usize == row.values.len();
        let fits = row.largest < MOST_SMALL && row.values.len() < MOST_ENTRIES;
        if row.is_whole && all_positive && fits {
            row.whole_values(&mut self.counts);
        }
        Ok(())
    }

    fn add_cell(&mut self, plan: &CountPlan<'_>, groups: Option<&Groups<'_>>, part: &mut Part) {
        let (row, counts) = (&self.row, &self.counts[..]);
        let sums = CellSums {
            total: row.total,
            n_genes: row.values.len() as u32,
            n_positive: row.n_positive,
        };
        part.genes.add_row(row, counts);
        if let Some(kept) = &mut part.kept {
            if plan.cells.iter().all(|rule| rule.keeps(sums)) {
                kept.add_row(row, counts);
            }
        }
        if let Some(groups) = groups {
            groups.add_row(row, &mut part.groups);
        }
        self.top.add(row, counts, &mut part.tops);
        part.cells.push(sums);
    }
}

/// Sums of the largest values of a row.
struct TopSums<'a> {
    sizes: &'a [usize],
    /// How often each count occurs, taken down in turn by four: most counts are the same few.
    histogram: Vec<[u32; 4]>,
    sorted: Vec<f64>,
}

/// Counts below this are sorted by counting.
const HISTOGRAM: usize = 1024;

impl<'a> TopSums<'a> {
    fn new(sizes: &'a [usize]) -> Self {
        TopSums {
            sizes,
            histogram: vec![[0; 4]; if sizes.is_empty() { 0 } else { HISTOGRAM }],
            sorted: Vec::new(),
        }
    }

    /// Appends one sum for each size.
    fn add(&mut self, row: &RowReader, counts: &[u32], out: &mut Vec<f64>) {
        if self.sizes.is_empty() {
            return;
        }
        if !counts.is_empty() && row.largest < HISTOGRAM as f64 {
            self.by_counting(row.largest as usize, counts, out);
        } else {
            self.by_sorting(row, out);
        }
    }

    fn by_counting(&mut self, largest: usize, counts: &[u32], out: &mut Vec<f64>) {
        for (i, &count) in counts.iter().enumerate() {
            self.histogram[count as usize][i % 4] += 1;
        }
        let n_of = |value: usize| self.histogram[value].iter().sum::<u32>() as usize;
        let mut value = largest;
        // All values from `value` upwards: how many, and their sum.
        let (mut n, mut sum) = (0_usize, 0_u64);
        for &size in self.sizes {
            while value > 0 && n + n_of(value) <= size {
                n += n_of(value);
                sum += (n_of(value) * value) as u64;
                value -= 1;
            }
            // The rest of the set has the next value; where the row ends there is none.
            out.push((sum + (size - n) as u64 * value as u64) as f64);
        }
        self.histogram[..=largest].fill([0; 4]);
    }

    fn by_sorting(&mut self, row: &RowReader, out: &mut Vec<f64>) {
        self.sorted.clear();
        self.sorted.extend_from_slice(&row.values);
        self.sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let (mut n, mut sum) = (0, 0.0);
        for &size in self.sizes {
            let end = size.min(self.sorted.len());
            for &value in &self.sorted[n..end] {
                sum += value;
            }
            n = end;
            out.push(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::numbers::NumberKind;
    use crate::data::rows::ValueRows;

    #[test]
    fn sums_agree_with_loops_over_a_dense_matrix() {
        // Small counts, fractions, large counts, and rows of either kind in one block.
        for scale in [
            |_| 1.0,
            |_| 0.5,
            |_| MOST_SMALL,
            |row| if row % 3 == 0 { 0.25 } else { 1.0 },
        ] {
            sums_agree(scale);
        }
    }

    fn sums_agree(scale: fn(usize) -> f64) {
        let (n, g) = (1300, 11);
        let dense: Vec<f64> = (0..n * g)
            .map(|i| if i * i % 7 < 3 { (i % 13) as f64 } else { 0.0 })
            .enumerate()
            .map(|(i, value)| value * scale(i / g))
            .collect();
        let source = ValueRows::from_dense(NumberKind::F32, g, &dense).expect("rows");
        let groups: Vec<u64> = (0..g as u64).map(|i| i % 4).collect();
        let rules = [CellFilter::MinGenes(5.0)];
        let plan = CountPlan {
            tops: &[1, 3, 10],
            groups: Some(&groups),
            n_groups: 2,
            squares: true,
            cells: &rules,
            read: ReadOptions::default(),
        };
        let ctx = Context::single_threaded().expect("pool");
        let sums = count(&ctx, &source, &plan, "count").expect("counted");
        let mut kept_total = vec![0.0; g];
        for cell in 0..n {
            let row = &dense[cell * g..(cell + 1) * g];
            let total: f64 = row.iter().sum();
            let n_genes = row.iter().filter(|v| **v > 0.0).count();
            assert_eq!(sums.cells[cell].total, total);
            assert_eq!(sums.cells[cell].n_genes as usize, n_genes);
            let mut sorted = row.to_vec();
            sorted.sort_by(|a, b| b.total_cmp(a));
            for (at, size) in [1, 3, 10].into_iter().enumerate() {
                assert_eq!(sums.tops[at][cell], sorted[..size].iter().sum::<f64>());
            }
            for bit in 0..2 {
                let inside = (0..g).filter(|&i| groups[i] >> bit & 1 == 1);
                assert_eq!(sums.groups[bit][cell], inside.map(|i| row[i]).sum::<f64>());
            }
            if n_genes > 4 {
                kept_total.iter_mut().zip(row).for_each(|(t, v)| *t += v);
            }
        }
        for gene in 0..g {
            let column = dense.iter().skip(gene).step_by(g);
            assert_eq!(sums.genes.total[gene], column.clone().sum::<f64>());
            let squares: f64 = column.clone().map(|v| v * v).sum();
            assert_eq!(sums.genes.squares[gene], squares);
            let n_cells = column.filter(|v| **v > 0.0).count();
            assert_eq!(sums.genes.n_cells[gene], n_cells as u64);
        }
        assert_eq!(sums.genes_of_kept.expect("asked").total, kept_total);
    }

    #[test]
    fn both_ways_to_sum_the_largest_agree() {
        let mut row = RowReader::default();
        row.values = vec![3.0, 1.0, 1.0, 7.0, 3.0];
        row.largest = 7.0;
        for counts in [&[3, 1, 1, 7, 3][..], &[]] {
            let mut out = Vec::new();
            TopSums::new(&[1, 2, 4, 9]).add(&row, counts, &mut out);
            assert_eq!(out, [7.0, 10.0, 14.0, 15.0]);
        }
        let mut out = Vec::new();
        row.values.clear();
        row.largest = 0.0;
        TopSums::new(&[2]).add(&row, &[], &mut out);
        assert_eq!(out, [0.0]);
    }
}
