//! Sums, means, variances, counts and medians of groups of cells: pseudobulk.
//!
//! # Cost
//! One pass; 24 bytes a group and gene, in bands of genes when that exceeds half the budget (one pass a
//! band). Medians turn the matrix round, outside memory.
//!
//! # Source
//! scanpy 1.11.5, `get.aggregate`: the variance and where it is taken for rounding. Cells without a label
//! are left out and counted (the reference puts them into a group of others).

use std::path::Path;

use crate::context::Context;
use crate::data::rows::scan::Scan;
use crate::data::rows::{ReadOptions, RowReader, RowSource, SelectedRows};
use crate::data::transpose::transpose;
use crate::data::{Categorical, NumberKind};
use crate::error::{Error, Result, nearest_name};

use super::gene_batches::{TILE_GENES, batches, each_tile};
use super::pca::PcaInput;

/// What is computed of a group and a gene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AggregateFunc {
    /// Sum.
    Sum,
    /// Sum over the number of cells.
    Mean,
    /// Variance, denominator `n - dof`.
    Var,
    /// Entries that are not zero.
    CountNonzero,
    /// Median, zeros included.
    Median,
}

impl AggregateFunc {
    const ALL: [AggregateFunc; 5] = [
        AggregateFunc::Sum,
        AggregateFunc::Mean,
        AggregateFunc::Var,
        AggregateFunc::CountNonzero,
        AggregateFunc::Median,
    ];

    /// The reference's name.
    pub fn name(self) -> &'static str {
        match self {
            AggregateFunc::Sum => "sum",
            AggregateFunc::Mean => "mean",
            AggregateFunc::Var => "var",
            AggregateFunc::CountNonzero => "count_nonzero",
            AggregateFunc::Median => "median",
        }
    }

    /// The function of a name.
    ///
    /// # Errors
    /// `InvalidArgument`, with the nearest name.
    pub fn parse(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|f| f.name() == name);
        found.ok_or_else(|| {
            let near = nearest_name(name, Self::ALL.map(Self::name)).unwrap_or("sum");
            Error::argument(
                "func",
                format!("{name:?} is unknown; did you mean {near:?}?"),
            )
        })
    }
}

/// Groups of cells by one or several columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CellGroups {
    /// Group of each cell, -1 where a label is missing.
    pub codes: Vec<i32>,
    /// Labels of each group, joined with `_`.
    pub names: Vec<String>,
    /// For each column, the code of each group's label.
    pub keys: Vec<Categorical>,
    /// Cells of each group.
    pub sizes: Vec<u64>,
    /// Cells without a label.
    pub n_missing: u64,
}

impl CellGroups {
    /// All combinations that occur, in the order of the columns' categories.
    ///
    /// # Errors
    /// `InvalidArgument` for no columns, or columns of different lengths.
    pub fn by(columns: &[Categorical]) -> Result<Self> {
        let Some(first) = columns.first() else {
            return Err(Error::argument("by", "at least one column is needed"));
        };
        let n = first.codes.len();
        if columns.iter().any(|c| c.codes.len() != n) {
            return Err(Error::argument("by", "the columns differ in length"));
        }
        let mut found = std::collections::BTreeMap::<Vec<i32>, u64>::new();
        let combination = |cell: usize| -> Option<Vec<i32>> {
            let codes: Vec<i32> = columns.iter().map(|c| c.codes[cell]).collect();
            codes.iter().all(|&c| c >= 0).then_some(codes)
        };
        let mut groups = CellGroups::default();
        for cell in 0..n {
            match combination(cell) {
                Some(codes) => *found.entry(codes).or_default() += 1,
                None => groups.n_missing += 1,
            }
        }
        let order: std::collections::BTreeMap<&Vec<i32>, i32> = found.keys().zip(0..).collect();
        groups.codes = (0..n)
            .map(|cell| combination(cell).map_or(-1, |codes| order[&codes]))
            .collect();
        groups.sizes = found.values().copied().collect();
        for codes in found.keys() {
            let labels: Vec<&str> = columns
                .iter()
                .zip(codes)
                .map(|(column, &code)| column.categories[code as usize].as_str())
                .collect();
            groups.names.push(labels.join("_"));
        }
        for (number, column) in columns.iter().enumerate() {
            groups.keys.push(used_only(
                column,
                found.keys().map(|codes| codes[number]).collect(),
            ));
        }
        Ok(groups)
    }
}

/// `codes` of a column, with the categories that they use.
fn used_only(column: &Categorical, codes: Vec<i32>) -> Categorical {
    let mut used = codes.clone();
    used.sort_unstable();
    used.dedup();
    let number = |code| used.binary_search(&code).map_or(-1, |at| at as i32);
    Categorical {
        codes: codes.into_iter().map(number).collect(),
        categories: used
            .iter()
            .map(|&code| column.categories[code as usize].clone())
            .collect(),
        ordered: column.ordered,
    }
}

/// One table for each function: groups x genes, row-major.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Aggregated {
    /// In the order asked for.
    pub layers: Vec<(AggregateFunc, Vec<f64>)>,
}

/// Options of [`aggregate`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AggregateOptions {
    /// What is computed. Default `sum`.
    pub funcs: Vec<AggregateFunc>,
    /// Degrees of freedom taken off a variance. Default 1.
    pub dof: u64,
    /// How rows are read.
    pub read: ReadOptions,
}

impl Default for AggregateOptions {
    fn default() -> Self {
        AggregateOptions {
            funcs: vec![AggregateFunc::Sum],
            dof: 1,
            read: ReadOptions::default(),
        }
    }
}

/// Aggregates cells by group; `spool` takes temporary files (medians only).
///
/// # Errors
/// `InvalidArgument` for groups that do not fit or no functions; errors of the source; `Cancelled`.
///
/// ```
/// use cytosol::data::{NumberKind, rows::ValueRows};
/// use cytosol::preprocess::{AggregateOptions, CellGroups, aggregate};
/// let rows = ValueRows::from_dense(NumberKind::F64, 2, &[1.0, 2.0, 3.0, 0.0, 5.0, 7.0])?;
/// let labels = cytosol::data::Categorical {
///     codes: vec![0, 1, 0],
///     categories: vec!["a".into(), "b".into()],
///     ordered: false,
/// };
/// let groups = CellGroups::by(&[labels])?;
/// let ctx = cytosol::Context::single_threaded()?;
/// let sums = aggregate(&ctx, &rows, &groups, &AggregateOptions::default(), &std::env::temp_dir())?;
/// assert_eq!(sums.layers[0].1, [6.0, 9.0, 3.0, 0.0]);
/// # Ok::<(), cytosol::Error>(())
/// ```
pub fn aggregate(
    ctx: &Context,
    source: &dyn RowSource,
    groups: &CellGroups,
    options: &AggregateOptions,
    spool: &Path,
) -> Result<Aggregated> {
    let n = source.n_cells();
    if groups.codes.len() != n {
        return Err(Error::argument(
            "by",
            format!("{} labels for {n} cells", groups.codes.len()),
        ));
    }
    if options.funcs.is_empty() {
        return Err(Error::argument("func", "at least one function is needed"));
    }
    let sums = match options.funcs[..] {
        [AggregateFunc::Median] => Sums::default(),
        _ => sums(ctx, source, groups, options)?,
    };
    let mut result = Aggregated::default();
    for &func in &options.funcs {
        let values = match func {
            AggregateFunc::Median => medians(ctx, source, groups, options.read, spool)?,
            _ => sums.layer(func, groups, source, options.dof),
        };
        result.layers.push((func, values));
    }
    Ok(result)
}

/// Groups x genes.
#[derive(Default)]
struct Sums {
    sum: Vec<f64>,
    squares: Vec<f64>,
    stored: Vec<f64>,
}

fn sums(
    ctx: &Context,
    source: &dyn RowSource,
    groups: &CellGroups,
    options: &AggregateOptions,
) -> Result<Sums> {
    let (n_genes, n_groups) = (source.n_genes(), groups.names.len());
    let mut all = Sums {
        sum: vec![0.0; n_groups * n_genes],
        squares: vec![0.0; n_groups * n_genes],
        stored: vec![0.0; n_groups * n_genes],
    };
    let width = 3 * n_groups;
    let room = ctx.memory_budget() / 2 / (8 * width.max(1)) as u64;
    let band = (room as usize).max(TILE_GENES);
    let input = PcaInput {
        source,
        transform: None,
        genes: None,
        read: options.read,
    };
    for first in (0..n_genes).step_by(band) {
        let genes: Vec<u32> = (first as u32..(first + band).min(n_genes) as u32).collect();
        let h = genes.len();
        let mut tiles: Vec<Vec<f64>> = (0..h)
            .step_by(TILE_GENES)
            .map(|start| vec![0.0; width * TILE_GENES.min(h - start)])
            .collect();
        let mut before = 0;
        batches(ctx, input, &genes, "aggregate", |batch| {
            each_tile(ctx, &mut tiles, |start, tile| {
                for (i, row) in tile.chunks_exact_mut(width.max(1)).enumerate() {
                    let gene = start + i;
                    let own = batch.starts[gene] as usize..batch.starts[gene + 1] as usize;
                    for at in own {
                        let cell = before + batch.cells[at] as usize;
                        let Ok(group) = usize::try_from(groups.codes[cell]) else {
                            continue;
                        };
                        let value = batch.values[batch.entries[at] as usize];
                        row[group] += value;
                        row[n_groups + group] += value * value;
                        row[2 * n_groups + group] += 1.0;
                    }
                }
            })?;
            before += batch.ends.len();
            Ok(())
        })?;
        let rows = tiles
            .iter()
            .flat_map(|tile| tile.chunks_exact(width.max(1)));
        for (gene, row) in (first..).zip(rows) {
            for group in 0..n_groups {
                let at = group * n_genes + gene;
                all.sum[at] = row[group];
                all.squares[at] = row[n_groups + group];
                all.stored[at] = row[2 * n_groups + group];
            }
        }
    }
    Ok(all)
}

impl Sums {
    fn layer(
        &self,
        func: AggregateFunc,
        groups: &CellGroups,
        source: &dyn RowSource,
        dof: u64,
    ) -> Vec<f64> {
        let n_genes = source.n_genes();
        let size = |at: usize| groups.sizes[at / n_genes] as f64;
        let each = |f: &dyn Fn(usize) -> f64| (0..self.sum.len()).map(f).collect();
        // Below this share of the squared mean a variance is rounding. scanpy: 2 << 42, 2 << 20.
        let precision = match source.kind() {
            NumberKind::F64 => 2.0 * (1_u64 << 42) as f64,
            _ => 2.0 * f64::from(1 << 20),
        };
        match func {
            AggregateFunc::Sum | AggregateFunc::Median => self.sum.clone(),
            AggregateFunc::CountNonzero => self.stored.clone(),
            AggregateFunc::Mean => each(&|at| self.sum[at] / size(at)),
            AggregateFunc::Var => each(&|at| {
                let n = size(at);
                let mean = self.sum[at] / n;
                let mut variance = self.squares[at] / n - mean * mean;
                if precision * variance < mean * mean {
                    variance = 0.0;
                }
                match dof {
                    0 => variance,
                    dof => variance * (n / (n - dof as f64)),
                }
            }),
        }
    }
}

/// Medians gene by gene, from the transposed matrix.
fn medians(
    ctx: &Context,
    source: &dyn RowSource,
    groups: &CellGroups,
    read: ReadOptions,
    spool: &Path,
) -> Result<Vec<f64>> {
    let (n_genes, n_groups) = (source.n_genes(), groups.names.len());
    let canonical = SelectedRows::new(source, None, None, read)?;
    let genes = transpose(ctx, &canonical, spool, "X")?;
    let stage = ctx.stage("medians", n_genes as u64)?;
    let mut all = vec![0.0; n_groups * n_genes];
    Scan::new(&genes, Some(&stage), 512 * 8 * n_groups as u64).run(
        ctx,
        || vec![Vec::new(); n_groups],
        |_| Vec::new(),
        |values: &mut Vec<Vec<f64>>, medians: &mut Vec<f64>, block| {
            let mut row = RowReader::new(read);
            for i in 0..block.n_rows() {
                row.read(block, i)?;
                values.iter_mut().for_each(Vec::clear);
                for (&cell, &value) in row.genes.iter().zip(&row.values) {
                    if let Ok(group) = usize::try_from(groups.codes[cell as usize]) {
                        values[group].push(value);
                    }
                }
                for (group, values) in values.iter_mut().enumerate() {
                    medians.push(median_with_zeros(values, groups.sizes[group] as usize));
                }
            }
            Ok(())
        },
        |rows, medians| {
            for (gene, row) in rows.zip(medians.chunks_exact(n_groups.max(1))) {
                for (group, &value) in row.iter().enumerate() {
                    all[group * n_genes + gene] = value;
                }
            }
            Ok(())
        },
    )?;
    stage.finish()?;
    Ok(all)
}

/// Median of `values` and as many zeros as make `n`.
fn median_with_zeros(values: &mut [f64], n: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let n_zeros = n - values.len();
    let n_negative = values.partition_point(|&v| v < 0.0);
    let at = |place: usize| {
        if place < n_negative {
            values[place]
        } else if place < n_negative + n_zeros {
            0.0
        } else {
            values[place - n_zeros]
        }
    };
    match n % 2 {
        1 => at(n / 2),
        _ => (at(n / 2 - 1) + at(n / 2)) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;
    use crate::data::rows::ValueRows;

    fn labels(codes: Vec<i32>, names: &[&str]) -> Categorical {
        Categorical {
            codes,
            categories: names.iter().map(|n| (*n).to_owned()).collect(),
            ordered: false,
        }
    }

    #[test]
    fn combinations_come_in_the_order_of_the_categories() {
        let a = labels(vec![1, 0, 1, -1, 1], &["x", "y"]);
        let b = labels(vec![0, 1, 0, 0, 3], &["p", "q", "unused", "r"]);
        let groups = CellGroups::by(&[a, b]).expect("groups");
        assert_eq!(groups.names, ["x_q", "y_p", "y_r"]);
        assert_eq!(groups.codes, [1, 0, 1, -1, 2]);
        assert_eq!((groups.sizes, groups.n_missing), (vec![1, 2, 1], 1));
        assert_eq!(groups.keys[1], labels(vec![1, 0, 2], &["p", "q", "r"]));
    }

    #[test]
    fn layers_agree_with_loops_for_any_threads_and_budget() {
        let (n, g) = (700, 45);
        let dense: Vec<f64> = (0..n * g)
            .map(|i| {
                if i * i % 5 < 2 {
                    (i % 9) as f64 - 2.0
                } else {
                    0.0
                }
            })
            .collect();
        let source = ValueRows::from_dense(NumberKind::F64, g, &dense).expect("rows");
        let codes: Vec<i32> = (0..n as i32)
            .map(|i| if i % 11 == 0 { -1 } else { i % 3 })
            .collect();
        let groups = CellGroups::by(&[labels(codes.clone(), &["a", "b", "c"])]).expect("groups");
        let options = AggregateOptions {
            funcs: AggregateFunc::ALL.to_vec(),
            ..AggregateOptions::default()
        };
        let folder = tempfile::tempdir().expect("folder");
        let run = |threads, memory_budget| {
            let ctx = Context::new(&ContextOptions {
                threads,
                memory_budget,
                ..ContextOptions::default()
            })
            .expect("pool");
            aggregate(&ctx, &source, &groups, &options, folder.path()).expect("aggregated")
        };
        let got = run(1, 1 << 30);
        for (threads, budget) in [(2, 1), (3, 1 << 16)] {
            assert_eq!(run(threads, budget), got);
        }
        for group in 0..3 {
            for gene in 0..g {
                let values: Vec<f64> = (0..n)
                    .filter(|&c| codes[c] == group as i32)
                    .map(|c| dense[c * g + gene])
                    .collect();
                let count = values.len() as f64;
                let mean = values.iter().sum::<f64>() / count;
                let spread: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
                let mut sorted = values.clone();
                sorted.sort_by(f64::total_cmp);
                let middle = (sorted[(values.len() - 1) / 2] + sorted[values.len() / 2]) / 2.0;
                let expected = [
                    mean * count,
                    mean,
                    spread / (count - 1.0),
                    values.iter().filter(|v| **v != 0.0).count() as f64,
                    middle,
                ];
                for ((_, layer), expected) in got.layers.iter().zip(expected) {
                    assert!((layer[group * g + gene] - expected).abs() < 1e-10);
                }
            }
        }
    }
}
