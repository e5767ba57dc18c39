//! Functions of the counts themselves: normalised, per million, per kilobase; samples added up, outliers replaced,
//! components of the samples.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use engine::data::Categorical;
use engine::deseq::{
    Transformed, collapse_replicates, fpkm, fpm, normalized_counts, replace_outliers, sample_pca,
};
use engine::{Context, Error};
use safer_ffi::prelude::repr_c;

use crate::context::{cyto_context, with_context};
use crate::deseq::{cyto_deseq, open};
use crate::deseq_options as options;
use crate::deseq_results::cyto_deseq_transformed;
use crate::deseq_state::State;
use crate::error::{Failure, cyto_error};
use crate::guard::{Out, give, guard, required};
use crate::status::cyto_status;
use crate::text::{self, CytoStr};

/// A function of the data set with one flag.
fn of_counts(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    given: CytoStr<'_>,
    flag: (&'static str, bool),
    out: Out<'_, cyto_deseq_transformed>,
    err: crate::guard::ErrOut<'_>,
    work: fn(&Context, &State, bool) -> engine::Result<Transformed>,
) -> cyto_status {
    give(out, err, || {
        let (state, value) = open(deseq, given, |fields, _| {
            let (name, mut value) = flag;
            fields.flag(name, &mut value)?;
            Ok(value)
        })?;
        with_context(ctx, |ctx| {
            Ok(cyto_deseq_transformed::new(work(ctx, &state, value)?))
        })
    })
}

/// The counts as "values". Option: "normalized" (default false: divided by size or normalization factors, `CYTO_STATE`
/// without). Free with `cyto_deseq_transformed_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_counts(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_deseq_transformed>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    let flag = ("normalized", false);
    of_counts(
        ctx,
        deseq,
        options,
        flag,
        out,
        err,
        |ctx, state, yes| match yes {
            true => normalized_counts(ctx, &state.dataset),
            false => Ok(state.dataset.raw_counts()),
        },
    )
}

/// Counts per million as "values". Option: "robust" (default true: size factors, estimated when missing, in place of
/// totals; with "avg_tx_length" totals). Free with `cyto_deseq_transformed_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_fpm(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_deseq_transformed>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    let flag = ("robust", true);
    of_counts(ctx, deseq, options, flag, out, err, |ctx, state, robust| {
        fpm(ctx, &state.dataset, robust)
    })
}

/// Counts per million and kilobase as "values", by "avg_tx_length" or else "base_pairs" (see `cyto_deseq_set`). Option:
/// "robust", as for `cyto_deseq_fpm`. Free with `cyto_deseq_transformed_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_fpkm(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_deseq_transformed>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    let flag = ("robust", true);
    of_counts(ctx, deseq, options, flag, out, err, |ctx, state, robust| {
        fpkm(ctx, &state.dataset, robust)
    })
}

/// A new data set whose samples are groups of the samples of `deseq`, counts added. `codes`: for each of the `n_codes`
/// samples the position of its group in `groups`; groups without samples are left out. The first sample's row of the
/// sample table is kept; `runs` (a name a sample, or NULL) are joined into the column "runsCollapsed". The design is kept,
/// size factors and other matrices are not. Free with `cyto_deseq_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_collapse_replicates(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    codes: *const i32,
    n_codes: usize,
    groups: *const *const c_char,
    n_groups: usize,
    runs: *const *const c_char,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_deseq>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let state = required("deseq", deseq)?.lock()?;
        // SAFETY: the header asks for arrays of these lengths.
        let (codes, categories, runs) = unsafe {
            let runs = match runs.is_null() {
                true => None,
                false => Some(text::list("runs", runs, n_codes)?),
            };
            (
                text::slice("codes", codes, n_codes)?.to_vec(),
                text::list("groups", groups, n_groups)?,
                runs,
            )
        };
        let known = 0..n_groups as i64;
        if let Some(at) = (0..n_codes).find(|&at| !known.contains(&i64::from(codes[at]))) {
            let message = format!("{} is not a group; there are {n_groups}", codes[at]);
            return Err(Error::argument(format!("codes[{at}]"), message).into());
        }
        let groups = Categorical {
            codes,
            categories,
            ordered: false,
        };
        with_context(ctx, |ctx| {
            let made = collapse_replicates(ctx, &state.dataset, &groups, runs.as_deref())?;
            Ok(cyto_deseq::new(State::new(made)))
        })
    })
}

/// A new data set in whose counts outliers are replaced by the trimmed mean of the gene at the size of the sample; it has
/// the size factors of the old one and lends "replace" (genes with an outlier) and "replaceable" (samples). Nothing is
/// fitted again: `cyto_deseq_run` does both. `CYTO_STATE` before a test. `cooks`: Cook's distances, genes x samples, all
/// samples of the first gene first; NULL for those of the test, made with "keep_assays". Options: "trim" (0.2),
/// "cooks_cutoff", "min_replicates" (7), "samples" (positions, instead of those with enough replicates). Free with
/// `cyto_deseq_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_replace_outliers(
    deseq: Option<&cyto_deseq>,
    cooks: *const f64,
    n_cooks: usize,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_deseq>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let (state, options) = open(deseq, options, |fields, dataset| {
            options::outliers(fields, dataset.n_samples())
        })?;
        let fit = &state.analysis()?.fit;
        let cooks = if cooks.is_null() {
            let assays = fit.assays.as_ref();
            let missing = "cooks: the test was made without \"keep_assays\"; give the distances";
            &assays.ok_or_else(|| Failure::state(missing))?.cooks
        } else {
            // SAFETY: the header asks for an array of this length.
            unsafe { text::slice("cooks", cooks, n_cooks) }?
        };
        let (dataset, done) = replace_outliers(&state.dataset, &fit.matrix, cooks, &options)?;
        let mut made = State::new(dataset);
        made.replaced = Some((done.replace, done.replaceable));
        Ok(cyto_deseq::new(made))
    })
}

/// Principal components of the samples. `values`: transformed counts, genes x samples, all samples of the first gene first.
/// The `n_top` genes of the largest variance are used, centred, not scaled. `scores`: room for samples x components, row
/// after row, as many components as samples; signs are arbitrary but fixed. `percent_var`: room for the share of the
/// variance of each component.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_sample_pca(
    values: *const f64,
    n_genes: usize,
    n_samples: usize,
    n_top: usize,
    scores: *mut f64,
    percent_var: *mut f64,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || -> Result<(), Failure> {
        let n = n_genes.saturating_mul(n_samples);
        // SAFETY: the header asks for an array of this length.
        let values = unsafe { text::slice("values", values, n) }?;
        for (name, place) in [("scores", scores), ("percent_var", percent_var)] {
            if place.is_null() {
                return Err(Error::argument(name, "NULL; must be an array").into());
            }
        }
        let made = sample_pca(values, n_samples, n_top)?;
        // SAFETY: the header asks for room for as many values.
        unsafe {
            scores.copy_from_nonoverlapping(made.scores.as_ptr(), made.scores.len());
            percent_var.copy_from_nonoverlapping(made.percent_var.as_ptr(), made.percent_var.len());
        }
        Ok(())
    })
}
