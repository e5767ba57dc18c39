//! Results of the engine as `cyto_pp_result`s; the same for files and for matrices in memory.

use engine::Result;
use engine::data::Column;
use engine::preprocess::{
    Aggregated, CellGroups, FilterReport, Hvg, Neighbors, Pca, QcMetrics, ScaleStats, SizeFactors,
};
use serde_json::{Value, json};

use super::result::{Values, cyto_pp_result};
use crate::text::StringList;

/// Names of rows: those given, or positions.
pub(crate) fn names(given: Option<Vec<String>>, n: usize) -> Vec<String> {
    given.unwrap_or_else(|| (0..n).map(|i| i.to_string()).collect())
}

fn length(columns: &[(String, Column)]) -> usize {
    columns.first().map_or(0, |(_, column)| column.len())
}

/// Tables "obs" and "var".
pub(crate) fn qc(
    result: &mut cyto_pp_result,
    qc: QcMetrics,
    [cells, genes]: [Option<Vec<String>>; 2],
) -> Result<Value> {
    let (n, g) = (length(&qc.obs), length(&qc.var));
    let facts = json!({ "n_cells": n, "n_genes": g, "seen": qc.seen });
    result.columns("obs", names(cells, n), qc.obs)?;
    result.columns("var", names(genes, g), qc.var)?;
    Ok(facts)
}

/// Array "kept"; a table with the number that was compared and "kept".
pub(crate) fn filtered(
    result: &mut cyto_pp_result,
    report: FilterReport,
    (table, counted): (&'static str, &str),
    given: Option<Vec<String>>,
) -> Result<Value> {
    let n = report.kept.len();
    let facts = json!({
        counted: n,
        "n_kept": report.n_kept(),
        "column": report.column,
    });
    let columns = vec![
        (report.column.to_owned(), report.number),
        ("kept".to_owned(), Column::Bool(report.kept.clone())),
    ];
    result.list("kept", Values::Flags(report.kept));
    result.columns(table, names(given, n), columns)?;
    Ok(facts)
}

/// Arrays "gene_mean" and "gene_std".
pub(crate) fn scale(result: &mut cyto_pp_result, stats: ScaleStats) {
    result
        .list("gene_mean", Values::F64(stats.mean))
        .list("gene_std", Values::F64(stats.std));
}

/// Arrays "size_factors" and "excluded_genes".
pub(crate) fn sizes(result: &mut cyto_pp_result, sizes: SizeFactors) -> Value {
    let facts = json!({
        "n_cells": sizes.factors.len(),
        "target_sum": sizes.target_sum,
        "n_empty_cells": sizes.n_empty,
        "n_excluded_genes": sizes.excluded.len(),
    });
    result
        .list("size_factors", Values::F64(sizes.factors))
        .list("excluded_genes", Values::U32(sizes.excluded));
    facts
}

/// Array "highly_variable" and table "hvg".
pub(crate) fn hvg(
    result: &mut cyto_pp_result,
    hvg: &Hvg,
    genes: Option<Vec<String>>,
) -> Result<Value> {
    let n = hvg.highly_variable.len();
    let selected = hvg.highly_variable.iter().filter(|v| **v).count();
    let facts = json!({
        "n_genes": n,
        "n_highly_variable": selected,
        "warnings": hvg.warnings,
    });
    let flags = Values::Flags(hvg.highly_variable.clone());
    result.list("highly_variable", flags);
    result.columns("hvg", names(genes, n), hvg.columns())?;
    Ok(facts)
}

/// Array "genes", where their names are known.
fn genes(result: &mut cyto_pp_result, names: Option<Vec<String>>) {
    if let Some(names) = names {
        result.list("genes", Values::Text(StringList::new(&names)));
    }
}

/// Arrays "variance", "variance_ratio", "pca_genes", "pca_mean", "loadings", and "genes".
pub(crate) fn pca(
    result: &mut cyto_pp_result,
    axes: Pca,
    (n_genes, names): (usize, Option<Vec<String>>),
) -> Value {
    genes(result, names);
    let k = axes.n_comps();
    let loadings = axes.loadings(n_genes);
    let facts = json!({
        "n_comps": k,
        "n_genes_used": axes.genes.len(),
        "variance_ratio": axes.variance_ratio.iter().sum::<f64>(),
    });
    result
        .matrix("loadings", Values::F64(loadings), k)
        .list("variance", Values::F64(axes.variance))
        .list("variance_ratio", Values::F64(axes.variance_ratio))
        .list("pca_genes", Values::U32(axes.genes))
        .list("pca_mean", Values::F64(axes.mean));
    facts
}

/// Arrays "indices", "distances" and those of both sparse matrices.
pub(crate) fn neighbors(result: &mut cyto_pp_result, found: Neighbors) -> Value {
    let facts = json!({ "n_cells": found.n_cells(), "n_neighbors": found.k + 1 });
    let names = ["distances_indptr", "distances_indices", "distances_values"];
    result.sparse(names, found.distance_matrix());
    let names = [
        "connectivities_indptr",
        "connectivities_indices",
        "connectivities_values",
    ];
    result.sparse(names, found.connectivities());
    result
        .matrix("indices", Values::U32(found.indices), found.k)
        .matrix("distances", Values::F64(found.distances), found.k);
    facts
}

/// One array a function, "genes", "groups", "group_sizes", "group_codes" and table "groups" with the keys.
pub(crate) fn aggregate(
    result: &mut cyto_pp_result,
    by: &[String],
    groups: CellGroups,
    found: Aggregated,
    (n_genes, names): (usize, Option<Vec<String>>),
) -> Result<Value> {
    genes(result, names);
    let facts = json!({
        "n_groups": groups.names.len(),
        "n_genes": n_genes,
        "n_cells_without_label": groups.n_missing,
    });
    for (func, values) in found.layers {
        result.matrix(func.name(), Values::F64(values), n_genes.max(1));
    }
    let mut columns: Vec<(String, Column)> = by
        .iter()
        .zip(groups.keys)
        .map(|(name, key)| (name.clone(), Column::Categorical(key)))
        .collect();
    let sizes = groups.sizes.iter().map(|&n| n as i64).collect();
    columns.push(("n_obs_aggregated".to_owned(), Column::I64(sizes)));
    result
        .list("groups", Values::Text(StringList::new(&groups.names)))
        .list("group_sizes", Values::U64(groups.sizes))
        .list("group_codes", Values::I32(groups.codes));
    result.columns("groups", groups.names, columns)?;
    Ok(facts)
}
