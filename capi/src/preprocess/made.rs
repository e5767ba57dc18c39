//! The steps that make matrices of a matrix in memory: filters, and values that are transformed or scaled.

use std::mem::MaybeUninit;

use engine::data::SparseArray;
use engine::preprocess::{
    ScaleInput, Scaled, filter_cells, filter_genes, scale_stats, scaled, transformed,
};
use engine::{Context, Error, Result};
use safer_ffi::prelude::repr_c;
use serde_json::json;

use super::facts;
use super::files::mask;
use super::filters;
use super::given::Given;
use super::input::{Input, cyto_pp_input};
use super::matrices::{Before, run};
use super::options;
use super::result::{Values, cyto_pp_result};
use crate::context::{cyto_context, with_context};
use crate::error::cyto_error;
use crate::guard::give;
use crate::status::cyto_status;
use crate::text::CytoStr;

/// The cells of a matrix in memory that pass a threshold, with the results and options of `cyto_pp_filter_cells`
/// but those of the output. The host keeps them.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_matrix_filter_cells(
    ctx: Option<&cyto_context>,
    input: *const cyto_pp_input,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(cells_step, ctx, input, options, out, err)
}

fn cells_step(ctx: &Context, input: Input, given: Given) -> Result<cyto_pp_result> {
    let nothing = |_: &mut Given| Ok(());
    filters::step(&filters::CELLS, given, nothing, |filter, read, ()| {
        let found = filter_cells(ctx, &*input.rows, filter, read)?;
        Ok((found, input.cells))
    })
}

/// The genes of a matrix in memory that pass a threshold, with the results and options of `cyto_pp_filter_genes`
/// but those of the output. The host keeps them.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_matrix_filter_genes(
    ctx: Option<&cyto_context>,
    input: *const cyto_pp_input,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(genes_step, ctx, input, options, out, err)
}

fn genes_step(ctx: &Context, input: Input, given: Given) -> Result<cyto_pp_result> {
    let nothing = |_: &mut Given| Ok(());
    filters::step(&filters::GENES, given, nothing, |filter, read, ()| {
        let found = filter_genes(ctx, &*input.rows, filter, read)?;
        Ok((found, input.genes))
    })
}

/// Normalised and logarithmic values of a matrix in memory, which stays as it is. Options: "normalize_total" and
/// "log1p" as in `cyto_pp_matrix_highly_variable_genes`, at least one of them; "canonicalize", "allow_nonfinite".
/// Arrays "x_indptr" (u64), "x_indices" (u32), "x_values" (f64): cells x genes compressed by cell, genes ascending,
/// no zeros stored; values are those of a file (32-bit floats for counts and such values, exactly, in 64 bits).
/// With "normalize_total" also the arrays and facts of `cyto_pp_matrix_size_factors`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_matrix_transform(
    ctx: Option<&cyto_context>,
    input: *const cyto_pp_input,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(transform_step, ctx, input, options, out, err)
}

fn transform_step(ctx: &Context, input: Input, mut given: Given) -> Result<cyto_pp_result> {
    let read = options::read(&mut given)?;
    let before = Before::read(&mut given, read)?;
    let in_force = given.finish()?;
    let (Some(transform), sizes) = before.done(ctx, &input)? else {
        let message = "neither normalize_total nor log1p is asked for; at least one is needed";
        return Err(Error::argument("options", message));
    };
    let made = transformed(ctx, &*input.rows, &transform, read, |_, _| ())?;
    let mut result = cyto_pp_result::new();
    let mut facts = json!({ "n_cells": input.rows.n_cells() });
    if let Some(sizes) = sizes {
        facts = facts::sizes(&mut result, sizes);
    }
    sparse(&mut result, made);
    Ok(result.report(facts, in_force))
}

fn sparse(result: &mut cyto_pp_result, matrix: SparseArray) {
    result.sparse(["x_indptr", "x_indices", "x_values"], matrix);
}

/// Values of a matrix in memory with genes scaled to unit variance. `mask_obs` has a flag for each of the `n_mask_obs`
/// cells: those with 0 are neither looked at nor changed; NULL with 0 looks at all. Options: "zero_center" (true),
/// "max_value", "canonicalize", "allow_nonfinite", and "normalize_total" and "log1p" as in
/// `cyto_pp_matrix_highly_variable_genes`. Arrays "gene_mean", "gene_std" (f64); centred values are array "x" (f64,
/// cells x genes), others those of `cyto_pp_matrix_transform`. Report: "n_genes".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_matrix_scale(
    ctx: Option<&cyto_context>,
    input: *const cyto_pp_input,
    mask_obs: *const u8,
    n_mask_obs: usize,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let mut given = Given::parse(options)?;
        // SAFETY: the header asks for this struct, its strings and its arrays, and for an array of flags.
        let (input, cells) =
            unsafe { (Input::read(input)?, mask("mask_obs", mask_obs, n_mask_obs)?) };
        let read = options::read(&mut given)?;
        let before = Before::read(&mut given, read)?;
        let own = options::scale(&mut given, read)?;
        let in_force = given.finish()?;
        with_context(ctx, |ctx| {
            let (transform, _) = before.done(ctx, &input)?;
            let source = ScaleInput {
                source: &*input.rows,
                transform: transform.as_ref(),
                cells: cells.as_deref(),
            };
            let stats = scale_stats(ctx, source, &own)?;
            let made = scaled(ctx, source, &stats, &own)?;
            let facts = json!({ "n_genes": stats.mean.len() });
            let mut result = cyto_pp_result::new();
            facts::scale(&mut result, stats);
            match made {
                Scaled::Sparse(matrix) => sparse(&mut result, matrix),
                Scaled::Dense(values) => {
                    result.matrix("x", Values::F64(values), input.n_genes.max(1));
                }
            }
            Ok(result.report(facts, in_force))
        })
    })
}
