//! The steps over files: options in, one function of the engine, its result out.

use std::path::Path;

use engine::data::MatrixLayout;
use engine::data::h5ad::H5adFile;
use engine::preprocess::file as pp;
use engine::preprocess::file::{MatrixChoice, Output};
use engine::preprocess::{CellFilter, GeneFilter};
use engine::{Context, Error, Result};
use serde_json::{Value, json};

use super::facts;
use super::filters;
use super::given::Given;
use super::options;
use super::result::cyto_pp_result;

/// What the steps of a file are called with.
pub(crate) struct Files<'a> {
    pub input: &'a Path,
    pub output: Option<&'a Path>,
}

impl Files<'_> {
    /// The output, with its options, where there is one.
    fn output(&self, given: &mut Given) -> Result<Option<Output>> {
        let compression = options::compression(given)?;
        let break_hardlinks = given.flag("break_hardlinks", false)?;
        Ok(self.output.map(|target| {
            let mut output = Output::to(target);
            output.compression = compression;
            output.break_hardlinks = break_hardlinks;
            output
        }))
    }

    fn needed(&self, given: &mut Given) -> Result<Output> {
        self.output(given)?.ok_or_else(|| {
            Error::argument(
                "output",
                "NULL; must be a path, which may be that of the input",
            )
        })
    }

    /// Names of the rows of a table; read before the step, which may replace the input.
    fn names(&self, table: &str) -> Result<Vec<String>> {
        H5adFile::open(self.input)?.index(table)
    }
}

pub(crate) fn qc(ctx: &Context, files: &Files<'_>, mut given: Given) -> Result<cyto_pp_result> {
    let read = options::read(&mut given)?;
    let mut own = pp::QcFileOptions::default();
    own.qc = options::qc(&mut given, read)?;
    own.qc_vars = given.texts("qc_vars")?;
    own.matrix.layer = given.text("layer")?;
    own.matrix.use_raw = given.flag("use_raw", false)?;
    let output = files.output(&mut given)?;
    let in_force = given.finish()?;
    let genes = if own.matrix.use_raw { "raw/var" } else { "var" };
    let names = [Some(files.names("obs")?), Some(files.names(genes)?)];
    let found = pp::qc_file(ctx, files.input, output.as_ref(), &own)?;
    let mut result = cyto_pp_result::new();
    let facts = facts::qc(&mut result, found, names)?;
    Ok(result.report(facts, in_force))
}

pub(crate) fn filter_cells(
    ctx: &Context,
    files: &Files<'_>,
    given: Given,
) -> Result<cyto_pp_result> {
    let output = |given: &mut Given| files.output(given);
    filters::step(&filters::CELLS, given, output, |filter, read, output| {
        let names = files.names("obs")?;
        let found = pp::filter_cells_file(ctx, files.input, output.as_ref(), filter, read)?;
        Ok((found, Some(names)))
    })
}

pub(crate) fn filter_genes(
    ctx: &Context,
    files: &Files<'_>,
    given: Given,
) -> Result<cyto_pp_result> {
    let output = |given: &mut Given| files.output(given);
    filters::step(&filters::GENES, given, output, |filter, read, output| {
        let names = files.names("var")?;
        let found = pp::filter_genes_file(ctx, files.input, output.as_ref(), filter, read)?;
        Ok((found, Some(names)))
    })
}

pub(crate) fn subset(
    ctx: &Context,
    files: &Files<'_>,
    [cells, genes]: [Option<&[bool]>; 2],
    mut given: Given,
) -> Result<cyto_pp_result> {
    let output = files.needed(&mut given)?;
    let in_force = given.finish()?;
    pp::subset_file(ctx, files.input, &output, cells, genes)?;
    let kept = |mask: Option<&[bool]>| mask.map(|m| m.iter().filter(|v| **v).count());
    let facts = json!({ "n_cells_kept": kept(cells), "n_genes_kept": kept(genes) });
    Ok(cyto_pp_result::new().report(facts, in_force))
}

pub(crate) fn normalize_total(
    ctx: &Context,
    files: &Files<'_>,
    mut given: Given,
) -> Result<cyto_pp_result> {
    let read = options::read(&mut given)?;
    let mut own = pp::NormalizeFileOptions::default();
    own.normalize = options::normalize(&mut given, read)?;
    own.key_added = given.text("key_added")?;
    own.layer = given.text("layer")?;
    let output = files.needed(&mut given)?;
    let in_force = given.finish()?;
    let found = pp::normalize_total_file(ctx, files.input, &output, &own)?;
    let mut result = cyto_pp_result::new();
    let facts = facts::sizes(&mut result, found);
    Ok(result.report(facts, in_force))
}

pub(crate) fn log1p(ctx: &Context, files: &Files<'_>, mut given: Given) -> Result<cyto_pp_result> {
    let mut own = pp::Log1pFileOptions::default();
    own.read = options::read(&mut given)?;
    own.base = given.number("base")?;
    own.layer = given.text("layer")?;
    own.guard = given.flag("guard", false)?;
    let output = files.needed(&mut given)?;
    let in_force = given.finish()?;
    let warnings = pp::log1p_file(ctx, files.input, &output, &own)?;
    Ok(cyto_pp_result::new().report(json!({ "warnings": warnings }), in_force))
}

pub(crate) fn highly_variable_genes(
    ctx: &Context,
    files: &Files<'_>,
    mut given: Given,
) -> Result<cyto_pp_result> {
    let read = options::read(&mut given)?;
    let mut own = pp::HvgFileOptions::default();
    own.hvg = options::hvg(&mut given, read)?;
    own.batch_key = given.text("batch_key")?;
    own.layer = given.text("layer")?;
    own.subset = given.flag("subset", false)?;
    let output = files.output(&mut given)?;
    let in_force = given.finish()?;
    let names = files.names("var")?;
    let found = pp::hvg_file(ctx, files.input, output.as_ref(), &own)?;
    let mut result = cyto_pp_result::new();
    let facts = facts::hvg(&mut result, &found, Some(names))?;
    Ok(result.report(facts, in_force))
}

pub(crate) fn pca(ctx: &Context, files: &Files<'_>, mut given: Given) -> Result<cyto_pp_result> {
    let mut own = pp::PcaFileOptions::default();
    own.pca = options::pca(&mut given)?;
    let all_genes = given.names("mask_var");
    own.mask_var = match given.text("mask_var")? {
        Some(column) => pp::MaskVar::Column(column),
        None if all_genes => pp::MaskVar::None,
        None => pp::MaskVar::Default,
    };
    own.layer = given.text("layer")?;
    own.key_added = given.text("key_added")?;
    own.match_dtype = given.flag("match_dtype", false)?;
    let output = files.output(&mut given)?;
    let in_force = given.finish()?;
    let genes = files.names("var")?;
    let axes = pp::pca_file(ctx, files.input, output.as_ref(), &own)?;
    let mut result = cyto_pp_result::new();
    let facts = facts::pca(&mut result, axes, (genes.len(), Some(genes)));
    Ok(result.report(facts, in_force))
}

pub(crate) fn scale(ctx: &Context, files: &Files<'_>, mut given: Given) -> Result<cyto_pp_result> {
    let mut own = pp::ScaleFileOptions::default();
    let read = options::read(&mut given)?;
    own.scale = options::scale(&mut given, read)?;
    own.mask_obs = given.text("mask_obs")?;
    own.layer = given.text("layer")?;
    own.dense_ok = given.flag("dense_ok", false)?;
    let output = files.needed(&mut given)?;
    let in_force = given.finish()?;
    let found = pp::scale_file(ctx, files.input, &output, &own)?;
    let facts = json!({ "n_genes": found.mean.len() });
    let mut result = cyto_pp_result::new();
    facts::scale(&mut result, found);
    Ok(result.report(facts, in_force))
}

pub(crate) fn neighbors(
    ctx: &Context,
    files: &Files<'_>,
    mut given: Given,
) -> Result<cyto_pp_result> {
    let mut own = pp::NeighborsFileOptions::default();
    own.n_neighbors = given.count_or("n_neighbors", own.n_neighbors)?;
    own.use_rep = given.text_or("use_rep", &own.use_rep)?;
    own.n_pcs = given.count("n_pcs")?;
    own.key_added = given.text("key_added")?;
    let output = files.output(&mut given)?;
    let in_force = given.finish()?;
    let found = pp::neighbors_file(ctx, files.input, output.as_ref(), &own)?;
    let mut result = cyto_pp_result::new();
    let facts = facts::neighbors(&mut result, found);
    Ok(result.report(facts, in_force))
}

pub(crate) fn aggregate(
    ctx: &Context,
    files: &Files<'_>,
    mut given: Given,
) -> Result<cyto_pp_result> {
    let read = options::read(&mut given)?;
    let own = options::aggregate(&mut given, read)?;
    let by = given.texts("by")?;
    let layer = given.text("layer")?;
    let output = files.output(&mut given)?;
    let in_force = given.finish()?;
    if by.is_empty() {
        return Err(Error::argument(
            "by",
            "must name one or several columns of obs",
        ));
    }
    let genes = files.names("var")?;
    let (groups, found) = pp::aggregate_file(
        ctx,
        files.input,
        output.as_ref(),
        &by,
        &MatrixChoice::layer(layer),
        &own,
    )?;
    let mut result = cyto_pp_result::new();
    let facts = facts::aggregate(&mut result, &by, groups, found, (genes.len(), Some(genes)))?;
    Ok(result.report(facts, in_force))
}

pub(crate) fn convert(
    ctx: &Context,
    files: &Files<'_>,
    mut given: Given,
) -> Result<cyto_pp_result> {
    let mut own = pp::ConvertOptions::default();
    own.read = options::read(&mut given)?;
    let layouts = [MatrixLayout::Csr, MatrixLayout::Csc, MatrixLayout::Dense];
    own.layout = given.word("layout", &layouts.map(|l| (l.name(), l)))?;
    own.chunk = given.count_or("chunk", own.chunk)?;
    own.layer = given.text("layer")?;
    let output = files.needed(&mut given)?;
    let in_force = given.finish()?;
    pp::convert_file(ctx, files.input, &output, &own)?;
    Ok(cyto_pp_result::new().report(json!({}), in_force))
}

pub(crate) fn validate(ctx: &Context, files: &Files<'_>, given: Given) -> Result<cyto_pp_result> {
    let in_force = given.finish()?;
    let report = pp::validate(ctx, files.input)?;
    let facts = serde_json::to_value(&report)
        .map_err(|e| Error::data(format!("validate: the report is not JSON: {e}")))?;
    Ok(cyto_pp_result::new().report(facts, in_force))
}

/// Thresholds of a filter among the steps, on counts and on the number of `others`: as many as are given.
fn rules<T>(
    given: &mut Given,
    step: &str,
    others: &str,
    kinds: [fn(f64) -> T; 4],
) -> Result<Vec<T>> {
    let thresholds = given.step(step, false, |g| options::thresholds(g, others))?;
    let given = thresholds.into_iter().flatten().zip(kinds);
    Ok(given.filter_map(|(t, kind)| t.map(kind)).collect())
}

fn preprocess_options(given: &mut Given) -> Result<pp::PreprocessOptions> {
    let read = options::read(given)?;
    let mut own = pp::PreprocessOptions::default();
    let qc = given.step("qc", true, |g| {
        Ok((options::qc(g, read)?, g.texts("qc_vars")?))
    })?;
    (own.qc, own.qc_vars) = match qc {
        Some((qc, groups)) => (Some(qc), groups),
        None => (None, Vec::new()),
    };
    let kinds = [
        CellFilter::MinCounts,
        CellFilter::MinGenes,
        CellFilter::MaxCounts,
        CellFilter::MaxGenes,
    ];
    own.filter_cells = rules(given, "filter_cells", "genes", kinds)?;
    let kinds = [
        GeneFilter::MinCounts,
        GeneFilter::MinCells,
        GeneFilter::MaxCounts,
        GeneFilter::MaxCells,
    ];
    own.filter_genes = rules(given, "filter_genes", "cells", kinds)?;
    let needed =
        |name: &str| Error::argument(name, "cannot be left out; call the steps one by one");
    own.normalize = given
        .step("normalize_total", true, |g| options::normalize(g, read))?
        .ok_or_else(|| needed("normalize_total"))?;
    own.base = given
        .step("log1p", true, |g| g.number("base"))?
        .ok_or_else(|| needed("log1p"))?;
    let hvg = given.step("highly_variable_genes", true, |g| {
        Ok((options::hvg(g, read)?, g.text("batch_key")?))
    })?;
    (own.hvg, own.batch_key) = match hvg {
        Some((hvg, batches)) => (Some(hvg), batches),
        None => (None, None),
    };
    own.pca = given.step("pca", true, options::pca)?;
    own.materialize = given.flag("materialize", own.materialize)?;
    own.guard = given.flag("guard", own.guard)?;
    Ok(own)
}

pub(crate) fn preprocess(
    ctx: &Context,
    files: &Files<'_>,
    mut given: Given,
) -> Result<cyto_pp_result> {
    let own = preprocess_options(&mut given)?;
    let output = files.needed(&mut given)?;
    let in_force = given.finish()?;
    let names = [Some(files.names("obs")?), Some(files.names("var")?)];
    let report = pp::preprocess_file(ctx, files.input, &output, &own)?;
    let mut result = cyto_pp_result::new();
    let mut facts = json!({
        "n_cells": report.shape[0],
        "n_genes": report.shape[1],
        "n_cells_kept": report.kept[0],
        "n_genes_kept": report.kept[1],
        "seen": report.seen,
        "warnings": report.warnings,
    });
    let mut add = |more: Value, known: &[&str]| {
        for name in known {
            facts[*name] = more[*name].clone();
        }
    };
    if let Some(qc) = report.qc {
        facts::qc(&mut result, qc, names)?;
    }
    if let Some(sizes) = report.sizes {
        let more = facts::sizes(&mut result, sizes);
        add(more, &["target_sum", "n_empty_cells", "n_excluded_genes"]);
    }
    // Of the genes that stayed.
    let genes = H5adFile::open(&output.target)?.index("var")?;
    if let Some(hvg) = &report.hvg {
        let more = facts::hvg(&mut result, hvg, Some(genes.clone()))?;
        add(more, &["n_highly_variable"]);
    }
    if let Some(axes) = report.pca {
        let more = facts::pca(&mut result, axes, (genes.len(), Some(genes)));
        add(more, &["n_comps", "variance_ratio"]);
    }
    Ok(result.report(facts, in_force))
}
