//! Quality control metrics of cells and genes.
//!
//! Sums are formed in 64 bits and go to the reference's types at the end; `wide` keeps them. Stored
//! zeros never count; entries of the same cell and gene are summed first (the reference counts
//! them apart, and `sum_duplicates: false` does so too).
//!
//! # Cost
//! One pass over the matrix. Memory: 12 bytes a cell and 8 more for each percentage, 24 bytes a gene.
//!
//! # Source
//! scanpy 1.11.5, `pp.calculate_qc_metrics`: names, order and types of columns.

use crate::context::Context;
use crate::data::rows::{ReadOptions, RowSource};
use crate::data::{Column, MatrixLayout, NumberKind};
use crate::error::{Error, Result};

use super::counts::{CellSums, CountPlan, CountSums, Seen, count};

/// Most groups of genes of one call.
const MOST_GROUPS: usize = 64;

/// Options of [`qc_metrics`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QcOptions {
    /// Word for the values in column names. Default `"counts"`.
    pub expr_type: String,
    /// Word for the genes in column names. Default `"genes"`.
    pub var_type: String,
    /// Sizes of the sets of most abundant genes; empty for none. Default 50, 100, 200, 500.
    pub percent_top: Vec<usize>,
    /// Whether `log1p` columns are added. Default true.
    pub log1p: bool,
    /// Keep 64-bit floats in place of the reference's types. Default false.
    pub wide: bool,
    /// How rows are read.
    pub read: ReadOptions,
}

impl Default for QcOptions {
    fn default() -> Self {
        QcOptions {
            expr_type: "counts".into(),
            var_type: "genes".into(),
            percent_top: vec![50, 100, 200, 500],
            log1p: true,
            wide: false,
            read: ReadOptions::default(),
        }
    }
}

impl QcOptions {
    /// The sizes of [`percent_top`](Self::percent_top), ascending.
    ///
    /// # Errors
    /// `InvalidArgument` when one is 0 or above the number of genes.
    pub fn tops(&self, n_genes: usize) -> Result<Vec<usize>> {
        let mut tops = self.percent_top.clone();
        tops.sort_unstable();
        let wrong = tops.iter().find(|&&n| n == 0 || n > n_genes);
        match wrong {
            None => Ok(tops),
            Some(n) => Err(Error::argument(
                "percent_top",
                format!("{n} is outside the range of genes; must be 1 to {n_genes}"),
            )),
        }
    }
}

/// A group of genes and its name, for example the mitochondrial ones.
#[derive(Debug, Clone, PartialEq)]
pub struct QcGroup {
    /// Name in the columns.
    pub name: String,
    /// One for each gene.
    pub genes: Vec<bool>,
}

/// Columns to be added to `obs` and `var`, in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QcMetrics {
    /// One row per cell.
    pub obs: Vec<(String, Column)>,
    /// One row per gene.
    pub var: Vec<(String, Column)>,
    /// What was seen on the way.
    pub seen: Seen,
}

/// Quality control metrics of every cell and gene.
///
/// # Shapes
/// `obs` columns have one value a cell: `n_genes_by_counts`, `total_counts`,
/// `pct_counts_in_top_50_genes` (percent, NaN for an empty cell), for each group `total_counts_mt`,
/// `pct_counts_mt` (percent). `var` columns one a gene: `n_cells_by_counts`, `mean_counts`,
/// `pct_dropout_by_counts` (percent), `total_counts`. `log1p_*` are natural logarithms.
///
/// # Errors
/// `InvalidArgument` for sizes and groups that do not fit; `InvalidData`, reason `InvalidValue`, for
/// values that are not finite; errors of the source; `Cancelled`.
///
/// ```
/// use cytosol::data::{Column, NumberKind, rows::ValueRows};
/// use cytosol::preprocess::{QcOptions, qc_metrics};
/// let counts = ValueRows::from_dense(NumberKind::F32, 3, &[1.0, 0.0, 3.0, 0.0, 0.0, 2.0])?;
/// let mut options = QcOptions::default();
/// options.percent_top = vec![1];
/// let ctx = cytosol::Context::single_threaded()?;
/// let qc = qc_metrics(&ctx, &counts, &[], &options)?;
/// assert_eq!(qc.obs[0], ("n_genes_by_counts".to_owned(), Column::I32(vec![2, 1])));
/// # Ok::<(), cytosol::Error>(())
/// ```
pub fn qc_metrics(
    ctx: &Context,
    source: &dyn RowSource,
    groups: &[QcGroup],
    options: &QcOptions,
) -> Result<QcMetrics> {
    let n_genes = source.n_genes();
    let tops = options.tops(n_genes)?;
    let bits = group_bits(groups, n_genes)?;
    let plan = CountPlan {
        tops: &tops,
        groups: bits.as_deref(),
        n_groups: groups.len(),
        read: options.read,
        ..CountPlan::default()
    };
    let sums = count(ctx, source, &plan, "qc")?;
    Ok(columns(&sums, source, groups, &tops, options))
}

/// One bit a group for each gene.
pub(crate) fn group_bits(groups: &[QcGroup], n_genes: usize) -> Result<Option<Vec<u64>>> {
    if groups.is_empty() {
        return Ok(None);
    }
    if groups.len() > MOST_GROUPS {
        return Err(Error::argument(
            "qc_vars",
            format!("{} groups; at most {MOST_GROUPS} at a time", groups.len()),
        ));
    }
    let mut bits = vec![0_u64; n_genes];
    for (number, group) in groups.iter().enumerate() {
        if group.genes.len() != n_genes {
            return Err(Error::argument(
                "qc_vars",
                format!(
                    "{:?} has {} values for {n_genes} genes",
                    group.name,
                    group.genes.len()
                ),
            ));
        }
        for (bits, &inside) in bits.iter_mut().zip(&group.genes) {
            *bits |= u64::from(inside) << number;
        }
    }
    Ok(Some(bits))
}

/// Type of a sum in the reference.
#[derive(Clone, Copy, PartialEq)]
enum SumType {
    F32,
    F64,
    I64,
    U64,
}

impl SumType {
    fn of(kind: NumberKind, wide: bool) -> Self {
        use NumberKind::*;
        match kind {
            _ if wide => SumType::F64,
            F16 | F32 => SumType::F32,
            F64 => SumType::F64,
            U8 | U16 | U32 | U64 => SumType::U64,
            Bool | I8 | I16 | I32 | I64 => SumType::I64,
        }
    }

    fn column(self, values: &[f64]) -> Column {
        match self {
            SumType::F32 => Column::F32(values.iter().map(|&v| v as f32).collect()),
            SumType::F64 => Column::F64(values.to_vec()),
            SumType::I64 => Column::I64(values.iter().map(|&v| v as i64).collect()),
            SumType::U64 => Column::U64(values.iter().map(|&v| v as u64).collect()),
        }
    }

    fn log1p(self, values: &[f64]) -> Column {
        if self == SumType::F32 {
            let log = |&v: &f64| libm::log1p(f64::from(v as f32)) as f32;
            return Column::F32(values.iter().map(log).collect());
        }
        Column::F64(values.iter().map(|&v| libm::log1p(v)).collect())
    }

    /// `100 part / whole`, in the type's own arithmetic.
    fn percent(self, part: &[f64], whole: &[f64]) -> Column {
        let pairs = part.iter().zip(whole);
        if self == SumType::F32 {
            let percent = |(&p, &w): (&f64, &f64)| p as f32 / w as f32 * 100.0;
            return Column::F32(pairs.map(percent).collect());
        }
        Column::F64(pairs.map(|(p, w)| p / w * 100.0).collect())
    }
}

/// The columns of sums that were gathered before.
pub(crate) fn columns(
    sums: &CountSums,
    source: &dyn RowSource,
    groups: &[QcGroup],
    tops: &[usize],
    options: &QcOptions,
) -> QcMetrics {
    let sum_type = SumType::of(source.kind(), options.wide);
    // Numbers of entries along the compressed axis are narrow.
    let narrow = |layout| source.layout() == layout && !options.wide;
    let is_csr = narrow(MatrixLayout::Csr);
    QcMetrics {
        obs: obs_columns(sums, groups, tops, options, (sum_type, is_csr)),
        var: var_columns(sums, options, (sum_type, narrow(MatrixLayout::Csc))),
        seen: sums.seen,
    }
}

fn obs_columns(
    sums: &CountSums,
    groups: &[QcGroup],
    tops: &[usize],
    options: &QcOptions,
    (sum_type, narrow): (SumType, bool),
) -> Vec<(String, Column)> {
    let (e, v) = (&options.expr_type, &options.var_type);
    let mut columns = Vec::new();
    let of_cells =
        |f: &dyn Fn(&CellSums) -> f64| -> Vec<f64> { sums.cells.iter().map(f).collect() };
    let n_genes = of_cells(&|cell| f64::from(cell.n_genes));
    let counts = sums.cells.iter().map(|cell| i64::from(cell.n_genes));
    columns.push((format!("n_{v}_by_{e}"), integers(counts, narrow)));
    if options.log1p {
        columns.push((format!("log1p_n_{v}_by_{e}"), SumType::F64.log1p(&n_genes)));
    }
    let total = of_cells(&|cell| cell.total);
    columns.push((format!("total_{e}"), sum_type.column(&total)));
    if options.log1p {
        columns.push((format!("log1p_total_{e}"), sum_type.log1p(&total)));
    }
    for (size, top) in tops.iter().zip(&sums.tops) {
        columns.push((
            format!("pct_{e}_in_top_{size}_{v}"),
            SumType::F64.percent(top, &total),
        ));
    }
    for (group, part) in groups.iter().zip(&sums.groups) {
        let name = &group.name;
        columns.push((format!("total_{e}_{name}"), sum_type.column(part)));
        if options.log1p {
            columns.push((format!("log1p_total_{e}_{name}"), sum_type.log1p(part)));
        }
        columns.push((format!("pct_{e}_{name}"), sum_type.percent(part, &total)));
    }
    columns
}

fn integers(values: impl Iterator<Item = i64>, narrow: bool) -> Column {
    match narrow {
        true => Column::I32(values.map(|n| n as i32).collect()),
        false => Column::I64(values.collect()),
    }
}

fn var_columns(
    sums: &CountSums,
    options: &QcOptions,
    (sum_type, narrow): (SumType, bool),
) -> Vec<(String, Column)> {
    let e = &options.expr_type;
    let n = sums.cells.len() as f64;
    let mut columns = Vec::new();
    let n_cells = sums.genes.n_cells.iter().map(|&n| n as i64);
    columns.push((format!("n_cells_by_{e}"), integers(n_cells, narrow)));
    let mean: Vec<f64> = sums.genes.total.iter().map(|t| t / n).collect();
    if options.log1p {
        let log = SumType::F64.log1p(&mean);
        columns.push((format!("mean_{e}"), Column::F64(mean)));
        columns.push((format!("log1p_mean_{e}"), log));
    } else {
        columns.push((format!("mean_{e}"), Column::F64(mean)));
    }
    let dropout = |&n_cells: &u64| (1.0 - n_cells as f64 / n) * 100.0;
    let dropout = sums.genes.n_cells.iter().map(dropout).collect();
    columns.push((format!("pct_dropout_by_{e}"), Column::F64(dropout)));
    columns.push((format!("total_{e}"), sum_type.column(&sums.genes.total)));
    if options.log1p {
        columns.push((
            format!("log1p_total_{e}"),
            sum_type.log1p(&sums.genes.total),
        ));
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rows::ValueRows;

    #[test]
    fn empty_cells_have_no_percentages() {
        let source =
            ValueRows::from_dense(NumberKind::I64, 2, &[0.0, 0.0, 1.0, 3.0]).expect("rows");
        let options = QcOptions {
            percent_top: vec![1],
            ..QcOptions::default()
        };
        let groups = [QcGroup {
            name: "mt".into(),
            genes: vec![true, false],
        }];
        let ctx = Context::single_threaded().expect("pool");
        let qc = qc_metrics(&ctx, &source, &groups, &options).expect("qc");
        let column = |name: &str| &qc.obs.iter().find(|(n, _)| n == name).expect(name).1;
        assert_eq!(column("total_counts"), &Column::I64(vec![0, 4]));
        let Column::F64(top) = column("pct_counts_in_top_1_genes") else {
            panic!("64-bit floats");
        };
        assert!(top[0].is_nan() && top[1] == 75.0);
        let Column::F64(mt) = column("pct_counts_mt") else {
            panic!("64-bit floats");
        };
        assert!(mt[0].is_nan() && mt[1] == 25.0);
    }

    #[test]
    fn sizes_and_groups_that_do_not_fit_are_refused() {
        let source = ValueRows::from_dense(NumberKind::F32, 2, &[1.0, 0.0]).expect("rows");
        let ctx = Context::single_threaded().expect("pool");
        for sizes in [vec![0], vec![3]] {
            let options = QcOptions {
                percent_top: sizes,
                ..QcOptions::default()
            };
            let error = qc_metrics(&ctx, &source, &[], &options).expect_err("refused");
            assert_eq!(error.argument_name(), Some("percent_top"));
        }
        let group = QcGroup {
            name: "mt".into(),
            genes: vec![true],
        };
        assert!(group_bits(&[group], 2).is_err());
    }
}
