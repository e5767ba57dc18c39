//! `cyto pp`: preprocessing of `.h5ad` files in bounded memory.

pub mod args;
mod counts;
mod options;

use std::path::Path;
use std::process::ExitCode;

use cytosol::data::MatrixLayout;
use cytosol::preprocess::file::{
    ConvertOptions, HvgFileOptions, Log1pFileOptions, MaskVar, MatrixChoice, NeighborsFileOptions,
    NormalizeFileOptions, PcaFileOptions, PreprocessOptions, QcFileOptions, ScaleFileOptions,
    aggregate_file, convert_file, filter_cells_file, filter_genes_file, hvg_file, log1p_file,
    neighbors_file, normalize_total_file, pca_file, preprocess_file, qc_file, scale_file, validate,
};
use cytosol::preprocess::{AggregateFunc, AggregateOptions, CellFilter, GeneFilter};
use cytosol::{Context, Result};
use serde_json::{Value, json};

use crate::failure::to_json;
use crate::host;
use args::{LayoutArg, PpCommand};
use counts::Counts;
use options::{
    check_memory, components, filters, genes, metrics, n_variable, needed_output, output, read,
    sizes,
};

/// What a command has to say: facts for programs, and whether all is well.
struct Said {
    facts: Value,
    is_good: bool,
}

impl From<Value> for Said {
    fn from(facts: Value) -> Self {
        Said {
            facts,
            is_good: true,
        }
    }
}

/// Runs a command.
///
/// # Errors
/// Those of the engine.
pub fn run(command: &PpCommand) -> Result<ExitCode> {
    let common = command.common();
    let memory = check_memory(common)?;
    let host = host::start(&common.host, |options| options.memory_budget = memory)?;
    let counts = Counts::open(&host.ctx, command)?;
    let said = dispatch(&host.ctx, command, counts.path())?;
    if common.json {
        host::print(&to_json(&said.facts))?;
    } else {
        print_facts(&said.facts)?;
    }
    Ok(match said.is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(2),
    })
}

/// One line a fact; longer things are for `--json`.
fn print_facts(facts: &Value) -> Result<()> {
    let Some(facts) = facts.as_object() else {
        return Ok(());
    };
    for (name, value) in facts {
        match value {
            Value::Null => {}
            Value::Array(lines) => {
                for line in lines {
                    let text = line
                        .as_str()
                        .map_or_else(|| line.to_string(), str::to_owned);
                    host::print(&format!("{name}: {text}"))?;
                }
            }
            Value::String(text) => host::print(&format!("{name}: {text}"))?,
            other => host::print(&format!("{name}: {other}"))?,
        }
    }
    Ok(())
}

fn dispatch(ctx: &Context, command: &PpCommand, input: &Path) -> Result<Said> {
    match command {
        PpCommand::Qc(a) => {
            let mut options = QcFileOptions::default();
            options.qc = metrics(&a.metrics, read(&a.read))?;
            options.qc_vars = a.metrics.qc_vars.clone();
            options.matrix = MatrixChoice {
                layer: a.layer.clone(),
                use_raw: a.use_raw,
            };
            let out = output(&a.common, &a.output)?;
            let qc = qc_file(ctx, input, out.as_ref(), &options)?;
            let names = |columns: &[(String, cytosol::data::Column)]| -> Vec<String> {
                columns.iter().map(|(name, _)| name.clone()).collect()
            };
            Ok(json!({
                "n_cells": qc.obs.first().map(|c| c.1.len()),
                "n_genes": qc.var.first().map(|c| c.1.len()),
                "obs": names(&qc.obs),
                "var": names(&qc.var),
                "seen": qc.seen,
            })
            .into())
        }
        PpCommand::FilterCells(a) => {
            let rule = CellFilter::one_of(a.min_counts, a.min_genes, a.max_counts, a.max_genes)?;
            let out = output(&a.common, &a.output)?;
            let done = filter_cells_file(ctx, input, out.as_ref(), rule, read(&a.read))?;
            Ok(json!({"n_cells": done.kept.len(), "n_kept": done.n_kept()}).into())
        }
        PpCommand::FilterGenes(a) => {
            let rule = GeneFilter::one_of(a.min_counts, a.min_cells, a.max_counts, a.max_cells)?;
            let out = output(&a.common, &a.output)?;
            let done = filter_genes_file(ctx, input, out.as_ref(), rule, read(&a.read))?;
            Ok(json!({"n_genes": done.kept.len(), "n_kept": done.n_kept()}).into())
        }
        PpCommand::Preprocess(a) => preprocess(ctx, a, input),
        PpCommand::Validate(_) => {
            let report = validate(ctx, input)?;
            let facts = serde_json::to_value(&report).unwrap_or(Value::Null);
            Ok(Said {
                facts,
                is_good: report.faults.is_empty(),
            })
        }
        other => values(ctx, other, input),
    }
}

/// Commands that change the matrix, or look at its values.
fn values(ctx: &Context, command: &PpCommand, input: &Path) -> Result<Said> {
    match command {
        PpCommand::NormalizeTotal(a) => {
            let mut options = NormalizeFileOptions::default();
            options.normalize = sizes(&a.size, read(&a.read));
            options.key_added = a.key_added.clone();
            options.layer = a.layer.clone();
            let out = needed_output(&a.common, &a.output)?;
            let done = normalize_total_file(ctx, input, &out, &options)?;
            Ok(json!({
                "target_sum": done.target_sum,
                "n_empty_cells": done.n_empty,
                "n_excluded_genes": done.excluded.len(),
            })
            .into())
        }
        PpCommand::Log1p(a) => {
            let mut options = Log1pFileOptions::default();
            options.base = a.base;
            options.layer = a.layer.clone();
            options.guard = a.guard;
            options.read = read(&a.read);
            let out = needed_output(&a.common, &a.output)?;
            let warnings = log1p_file(ctx, input, &out, &options)?;
            Ok(json!({"base": a.base, "warnings": warnings}).into())
        }
        PpCommand::Scale(a) => {
            let mut options = ScaleFileOptions::default();
            options.scale.zero_center = !a.no_zero_center;
            options.scale.max_value = a.max_value;
            options.mask_obs = a.mask_obs.clone();
            options.layer = a.layer.clone();
            options.dense_ok = a.dense_ok;
            let out = needed_output(&a.common, &a.output)?;
            let stats = scale_file(ctx, input, &out, &options)?;
            Ok(json!({"n_genes": stats.mean.len()}).into())
        }
        PpCommand::Convert(a) => {
            let mut options = ConvertOptions::default();
            options.layout = a.layout.map(|layout| match layout {
                LayoutArg::Csr => MatrixLayout::Csr,
                LayoutArg::Csc => MatrixLayout::Csc,
                LayoutArg::Dense => MatrixLayout::Dense,
            });
            options.chunk = a.chunk;
            options.layer = a.layer.clone();
            let out = needed_output(&a.common, &a.output)?;
            convert_file(ctx, input, &out, &options)?;
            Ok(json!({"output": out.target}).into())
        }
        other => statistics(ctx, other, input),
    }
}

fn statistics(ctx: &Context, command: &PpCommand, input: &Path) -> Result<Said> {
    match command {
        PpCommand::Hvg(a) => {
            let mut options = HvgFileOptions::default();
            options.hvg = genes(&a.genes, read(&a.read))?;
            options.hvg.check_values = !a.no_check_values;
            options.batch_key = a.genes.batch_key.clone();
            options.layer = a.layer.clone();
            options.subset = a.subset;
            let out = output(&a.common, &a.output)?;
            let hvg = hvg_file(ctx, input, out.as_ref(), &options)?;
            let n = hvg.highly_variable.iter().filter(|v| **v).count();
            Ok(json!({
                "n_genes": hvg.highly_variable.len(),
                "n_highly_variable": n,
                "warnings": hvg.warnings,
            })
            .into())
        }
        PpCommand::Pca(a) => {
            let mut options = PcaFileOptions::default();
            options.pca = components(&a.components);
            options.mask_var = match a.mask_var.as_deref() {
                None => MaskVar::Default,
                Some("none") => MaskVar::None,
                Some(name) => MaskVar::Column(name.to_owned()),
            };
            options.layer = a.layer.clone();
            options.key_added = a.key_added.clone();
            options.match_dtype = a.match_dtype;
            let out = output(&a.common, &a.output)?;
            let axes = pca_file(ctx, input, out.as_ref(), &options)?;
            Ok(json!({
                "n_genes": axes.genes.len(),
                "n_comps": axes.variance.len(),
                "variance": axes.variance,
                "variance_ratio": axes.variance_ratio,
            })
            .into())
        }
        PpCommand::Neighbors(a) => {
            let mut options = NeighborsFileOptions::default();
            options.n_neighbors = a.n_neighbors;
            options.use_rep = a.use_rep.clone();
            options.n_pcs = a.n_pcs;
            options.key_added = a.key_added.clone();
            let out = output(&a.common, &a.output)?;
            let found = neighbors_file(ctx, input, out.as_ref(), &options)?;
            Ok(json!({"n_cells": found.n_cells(), "n_neighbors": found.k + 1}).into())
        }
        PpCommand::Aggregate(a) => {
            let mut options = AggregateOptions::default();
            options.funcs = a
                .func
                .iter()
                .map(|name| AggregateFunc::parse(name))
                .collect::<Result<_>>()?;
            options.dof = a.dof;
            let out = needed_output(&a.common, &a.output)?;
            let matrix = MatrixChoice::layer(a.layer.clone());
            let (groups, _) = aggregate_file(ctx, input, Some(&out), &a.by, &matrix, &options)?;
            Ok(json!({
                "n_groups": groups.names.len(),
                "n_cells_without_label": groups.n_missing,
            })
            .into())
        }
        _ => Ok(Value::Null.into()),
    }
}

fn preprocess(ctx: &Context, a: &args::PreprocessArgs, input: &Path) -> Result<Said> {
    let read = read(&a.read);
    let mut options = PreprocessOptions::default();
    options.qc = match a.no_qc {
        true => None,
        false => Some(metrics(&a.metrics, read)?),
    };
    options.qc_vars = a.metrics.qc_vars.clone();
    (options.filter_cells, options.filter_genes) = filters(a);
    options.normalize = sizes(&a.size, read);
    options.base = a.base;
    options.hvg = match a.no_hvg {
        true => None,
        false => Some(genes(&a.genes, read)?),
    };
    options.batch_key = a.genes.batch_key.clone();
    options.pca = (!a.no_pca).then(|| components(&a.components));
    options.materialize = !a.leave_counts;
    options.guard = !a.no_guard;
    let out = needed_output(&a.common, &a.output)?;
    let report = preprocess_file(ctx, input, &out, &options)?;
    Ok(json!({
        "n_cells": report.shape[0],
        "n_genes": report.shape[1],
        "n_cells_kept": report.kept[0],
        "n_genes_kept": report.kept[1],
        "target_sum": report.sizes.as_ref().map(|s| s.target_sum),
        "n_highly_variable": n_variable(&report),
        "variance_ratio": report.pca.as_ref().map(|p| p.variance_ratio.iter().sum::<f64>()),
        "seen": report.seen,
        "warnings": report.warnings,
    })
    .into())
}
