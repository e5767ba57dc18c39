//! DESeq2's tables: results, their summary, shrunken effects.

use std::ffi::{CStr, CString};

use cytosol::{
    cyto_deseq, cyto_deseq_lfc_shrink, cyto_deseq_results, cyto_deseq_results_info_json,
    cyto_deseq_results_new, cyto_deseq_results_restore, cyto_deseq_results_set,
    cyto_deseq_results_summary,
};
use extendr_api::prelude::*;
use safer_ffi::prelude::repr_c;

use crate::answer::{Failure, answer, done, made};
use crate::call::with_context;
use crate::counts::{Held, Names, held, numbers, text};
use crate::deseq::{Columns, parsed};
use crate::options::json_text;

/// A table of results.
/// @noRd
#[extendr]
fn deseq_results(settings: Robj, handle: Robj, options: Robj) -> Robj {
    answer(|| {
        let deseq = held::<cyto_deseq>("dds", &handle)?;
        let options = json_text(&options)?;
        let results = with_context(&settings, |ctx| {
            made(|out, err| {
                cyto_deseq_results_new(Some(ctx), Some(&deseq.handle), text(&options), out, err)
            })
        })?;
        Ok(Held::into_robj(results, Vec::new()))
    })
}

/// Replaces a column of a table of results.
/// @noRd
#[extendr]
fn deseq_results_set(mut results: Robj, name: &str, values: Robj) -> Robj {
    answer(|| {
        let pointer: &mut ExternalPtr<Held<repr_c::Box<cyto_deseq_results>>> = (&mut results)
            .try_into()
            .map_err(|_| Failure::stale("res"))?;
        let held = pointer.try_addr_mut().map_err(|_| Failure::stale("res"))?;
        let values = numbers(name, &values)?;
        let name = CString::new(name).unwrap_or_default();
        done(|err| {
            cyto_deseq_results_set(
                Some(&mut held.handle),
                text(&name),
                values.as_ptr(),
                values.len(),
                err,
            )
        })?;
        Ok(().into())
    })
}

/// Descriptions, filtering and prior of a table of results, and its summary.
/// @noRd
#[extendr]
fn deseq_results_facts(results: Robj) -> Robj {
    answer(|| {
        let results = held::<cyto_deseq_results>("res", &results)?;
        // SAFETY: valid while the handle lives.
        let (info, summary) = unsafe {
            let summary = cyto_deseq_results_summary(Some(&results.handle));
            (
                parsed(cyto_deseq_results_info_json(Some(&results.handle))),
                CStr::from_ptr(summary).to_string_lossy().into_owned(),
            )
        };
        Ok(list!(info = info, summary = summary).into())
    })
}

/// Shrunken effects; `base` is a table of results or NULL.
/// @noRd
#[extendr]
fn deseq_shrink(settings: Robj, handle: Robj, base: Robj, options: Robj) -> Robj {
    answer(|| {
        let deseq = held::<cyto_deseq>("dds", &handle)?;
        let base = match base.is_null() {
            true => None,
            false => Some(held::<cyto_deseq_results>("res", &base)?),
        };
        let base = base.map(|base| &*base.handle);
        let options = json_text(&options)?;
        let results = with_context(&settings, |ctx| {
            made(|out, err| {
                cyto_deseq_lfc_shrink(
                    Some(ctx),
                    Some(&deseq.handle),
                    base,
                    text(&options),
                    out,
                    err,
                )
            })
        })?;
        Ok(Held::into_robj(results, Vec::new()))
    })
}

/// A table that R kept, from its columns.
/// @noRd
#[extendr]
fn deseq_results_kept(genes: Robj, columns: Robj, options: Robj) -> Robj {
    answer(|| {
        let genes = Names::read("genes", &genes)?;
        let columns = Columns::read(&columns)?;
        let options = json_text(&options)?;
        let results = made(|out, err| {
            cyto_deseq_results_restore(
                genes.pointers(),
                genes.len(),
                text(&options),
                columns.names.as_ptr(),
                columns.values.as_ptr(),
                columns.lengths.as_ptr(),
                columns.lengths.len(),
                out,
                err,
            )
        })?;
        Ok(Held::into_robj(results, Vec::new()))
    })
}

extendr_module! {
    mod deseq_results;
    fn deseq_results;
    fn deseq_results_set;
    fn deseq_results_facts;
    fn deseq_shrink;
    fn deseq_results_kept;
}
