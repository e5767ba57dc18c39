//! The filters of cells and of genes, over files and over matrices in memory: one body.

use engine::Result;
use engine::data::rows::ReadOptions;
use engine::preprocess::{CellFilter, FilterReport, GeneFilter};

use super::facts;
use super::given::Given;
use super::options;
use super::result::cyto_pp_result;

type Threshold = Option<f64>;

/// What tells the filter of cells from that of genes.
pub(crate) struct Kind<F> {
    /// The table with a row for each.
    table: &'static str,
    /// What the report calls their number.
    number: &'static str,
    /// What is counted in each.
    others: &'static str,
    one_of: fn(Threshold, Threshold, Threshold, Threshold) -> Result<F>,
}

pub(crate) const CELLS: Kind<CellFilter> = Kind {
    table: "obs",
    number: "n_cells",
    others: "genes",
    one_of: CellFilter::one_of,
};

pub(crate) const GENES: Kind<GeneFilter> = Kind {
    table: "var",
    number: "n_genes",
    others: "cells",
    one_of: GeneFilter::one_of,
};

/// Reads the threshold and what `more` reads, then has `filter` give what stays, and the names where they are known.
pub(crate) fn step<F, M>(
    kind: &Kind<F>,
    mut given: Given,
    more: impl FnOnce(&mut Given) -> Result<M>,
    filter: impl FnOnce(F, ReadOptions, M) -> Result<(FilterReport, Option<Vec<String>>)>,
) -> Result<cyto_pp_result> {
    let read = options::read(&mut given)?;
    let [a, b, c, d] = options::thresholds(&mut given, kind.others)?;
    let more = more(&mut given)?;
    let in_force = given.finish()?;
    let (found, names) = filter((kind.one_of)(a, b, c, d)?, read, more)?;
    let mut result = cyto_pp_result::new();
    let facts = facts::filtered(&mut result, found, (kind.table, kind.number), names)?;
    Ok(result.report(facts, in_force))
}
