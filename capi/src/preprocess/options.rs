//! Groups of options that several steps have, by scanpy's names.

use engine::data::Compression;
use engine::data::rows::ReadOptions;
use engine::preprocess::{
    AggregateFunc, AggregateOptions, Cutoffs, HvgFlavor, HvgOptions, MedianOver, NormalizeOptions,
    PcaOptions, PcaSolver, QcOptions, ScaleOptions,
};
use engine::{Error, Result};
use serde_json::json;

use super::given::Given;

/// `canonicalize`, `allow_nonfinite`.
pub(crate) fn read(given: &mut Given) -> Result<ReadOptions> {
    Ok(ReadOptions {
        sum_duplicates: given.flag("canonicalize", true)?,
        allow_nonfinite: given.flag("allow_nonfinite", false)?,
    })
}

/// Names of columns, `percent_top`, `log1p`, `wide`.
pub(crate) fn qc(given: &mut Given, read: ReadOptions) -> Result<QcOptions> {
    let mut options = QcOptions::default();
    options.expr_type = given.text_or("expr_type", &options.expr_type)?;
    options.var_type = given.text_or("var_type", &options.var_type)?;
    options.percent_top = given.counts_or("percent_top", &options.percent_top)?;
    options.log1p = given.flag("log1p", options.log1p)?;
    options.wide = given.flag("wide", options.wide)?;
    options.read = read;
    Ok(options)
}

/// Size factors.
pub(crate) fn normalize(given: &mut Given, read: ReadOptions) -> Result<NormalizeOptions> {
    let mut options = NormalizeOptions::default();
    options.target_sum = given.number("target_sum")?;
    options.exclude_highly_expressed = given.flag("exclude_highly_expressed", false)?;
    options.max_fraction = given.number_or("max_fraction", options.max_fraction)?;
    let words = [
        ("auto", MedianOver::Auto),
        ("all", MedianOver::All),
        ("nonzero", MedianOver::Nonzero),
    ];
    if let Some(over) = given.word("median_over", &words)? {
        options.median_over = over;
    }
    options.read = read;
    options.check()?;
    Ok(options)
}

/// Variable genes, but for the batches.
pub(crate) fn hvg(given: &mut Given, read: ReadOptions) -> Result<HvgOptions> {
    let mut options = HvgOptions::default();
    let flavors = [
        HvgFlavor::Seurat,
        HvgFlavor::CellRanger,
        HvgFlavor::SeuratV3,
        HvgFlavor::SeuratV3Paper,
    ];
    if let Some(flavor) = given.word("flavor", &flavors.map(|f| (f.name(), f)))? {
        options.flavor = flavor;
    }
    let default = Cutoffs::default();
    options.cutoffs.n_top_genes = given.count("n_top_genes")?;
    options.cutoffs.min_disp = given.number_or("min_disp", default.min_disp)?;
    options.cutoffs.max_disp = given.number_or("max_disp", default.max_disp)?;
    options.cutoffs.min_mean = given.number_or("min_mean", default.min_mean)?;
    options.cutoffs.max_mean = given.number_or("max_mean", default.max_mean)?;
    options.span = given.number_or("span", options.span)?;
    options.n_bins = given.count_or("n_bins", options.n_bins)?;
    options.check_values = given.flag("check_values", options.check_values)?;
    options.read = read;
    options.check()?;
    Ok(options)
}

/// Components, but for the genes.
pub(crate) fn pca(given: &mut Given) -> Result<PcaOptions> {
    let mut options = PcaOptions::default();
    options.n_comps = given.count("n_comps")?;
    options.zero_center = given.flag("zero_center", options.zero_center)?;
    let words = [
        ("auto", PcaSolver::Auto),
        ("covariance", PcaSolver::Covariance),
        ("randomized", PcaSolver::Randomized),
    ];
    if let Some(solver) = given.word("svd_solver", &words)? {
        options.solver = solver;
    }
    if let Some(seed) = given.whole("random_state")? {
        options.random_state = seed;
    }
    Ok(options)
}

/// `zero_center`, `max_value`.
pub(crate) fn scale(given: &mut Given, read: ReadOptions) -> Result<ScaleOptions> {
    let mut options = ScaleOptions::default();
    options.zero_center = given.flag("zero_center", options.zero_center)?;
    options.max_value = given.number("max_value")?;
    options.read = read;
    options.check()?;
    Ok(options)
}

/// Thresholds of a filter: on the sum of the counts, and on the number of `others`, "genes" of a cell or "cells" of a
/// gene.
pub(crate) fn thresholds(given: &mut Given, others: &str) -> Result<[Option<f64>; 4]> {
    Ok([
        given.number("min_counts")?,
        given.number(&format!("min_{others}"))?,
        given.number("max_counts")?,
        given.number(&format!("max_{others}"))?,
    ])
}

/// `func`, `dof`.
pub(crate) fn aggregate(given: &mut Given, read: ReadOptions) -> Result<AggregateOptions> {
    let mut options = AggregateOptions::default();
    let funcs = given.texts("func")?;
    if !funcs.is_empty() {
        options.funcs = funcs
            .iter()
            .map(|name| AggregateFunc::parse(name))
            .collect::<Result<_>>()?;
    }
    if let Some(dof) = given.whole("dof")? {
        options.dof = dof;
    }
    options.read = read;
    Ok(options)
}

/// `compression`: `"none"`, `"gzip"`, `"gzip:1"` to `"gzip:9"`, with `"+shuffle"` or without.
pub(crate) fn compression(given: &mut Given) -> Result<Option<Compression>> {
    let Some(text) = given.text("compression")? else {
        return Ok(None);
    };
    let (name, shuffle) = match text.strip_suffix("+shuffle") {
        Some(name) => (name, true),
        None => (text.as_str(), false),
    };
    let level = match name {
        "none" if !shuffle => return Ok(Some(Compression::None)),
        "gzip" => Some(4),
        _ => name.strip_prefix("gzip:").and_then(|n| n.parse().ok()),
    };
    match level {
        Some(level @ 1..=9) => Ok(Some(Compression::GzipLevel { level, shuffle })),
        _ => Err(Error::argument(
            "compression",
            format!(
                "{} is unknown; one of none, gzip, gzip:1 to gzip:9, with +shuffle or without",
                json!(text)
            ),
        )),
    }
}
