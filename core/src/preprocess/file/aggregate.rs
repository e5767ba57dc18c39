//! Pseudobulk of a file, as a file of its own.
//!
//! # Cost
//! As [`aggregate`].

use std::path::Path;

use crate::context::Context;
use crate::data::h5ad::H5adFile;
use crate::data::write::Numbers;
use crate::data::{Column, Table};
use crate::error::{Error, Result};

use super::super::aggregate::{AggregateOptions, Aggregated, CellGroups, aggregate};
use super::{MatrixChoice, Output, spool_folder};

/// Aggregates the cells of a file (`X`, a layer or, without an output, `raw/X`) by columns of `obs`.
///
/// The output has one row a group, the key columns and `n_obs_aggregated` in `obs`, the genes of the
/// input, and one dense layer of 64-bit floats for each function.
///
/// # Errors
/// As [`aggregate`]; `NotFound` for a column; `InvalidArgument` for an output of raw; `Io`. The target is then as it was.
pub fn aggregate_file(
    ctx: &Context,
    input: &Path,
    output: Option<&Output>,
    by: &[String],
    matrix: &MatrixChoice,
    options: &AggregateOptions,
) -> Result<(CellGroups, Aggregated)> {
    if output.is_some() && matrix.use_raw {
        return Err(Error::argument(
            "use_raw",
            "the output has the genes of X, raw may have others; give no output",
        ));
    }
    let file = H5adFile::open(input)?;
    let name = matrix.member()?;
    let columns = by
        .iter()
        .map(|name| file.categories(name).map_err(|e| e.with_argument("by")))
        .collect::<Result<Vec<_>>>()?;
    let groups = CellGroups::by(&columns)?;
    drop(columns);
    let folder = spool_folder(output, input);
    let rows = file.rows(ctx, &name, &folder)?;
    let result = aggregate(ctx, &*rows, &groups, options, &folder)?;
    drop(rows);
    if let Some(output) = output {
        let rewriter = output.begin(ctx, &file, 0)?;
        let mut obs = Table::new(groups.names.clone());
        for (name, key) in by.iter().zip(&groups.keys) {
            obs.set(name, Column::Categorical(key.clone()))?;
        }
        let sizes = groups.sizes.iter().map(|&n| n as i64).collect();
        obs.set("n_obs_aggregated", Column::I64(sizes))?;
        rewriter.copy("var")?;
        rewriter.table("obs", &obs)?;
        let size = [obs.n_rows(), file.shape()?[1]];
        for (func, values) in &result.layers {
            let values = Numbers::F64(values.clone());
            rewriter.array("layers", func.name(), size, values)?;
        }
        rewriter.commit()?;
    }
    Ok((groups, result))
}
