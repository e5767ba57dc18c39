//! The stages of the dispersions and of the prior of coefficients one by one, for hosts that keep or change what
//! lies between.

use std::mem::MaybeUninit;

use engine::Error;
use engine::deseq::{
    TestOptions, beta_prior_variances, dispersion_prior_variance, estimate_gene_wise_dispersions,
    fit_dispersion_trend, shrink_dispersions,
};
use safer_ffi::prelude::repr_c;

use crate::context::{cyto_context, with_context};
use crate::deseq::{cyto_deseq, no_dispersions};
use crate::deseq_options::{self as options, Fields};
use crate::deseq_state::Stage;
use crate::error::{Failure, cyto_error};
use crate::guard::{guard, required};
use crate::status::cyto_status;
use crate::text::{self, CytoStr};

/// First stage of the dispersions: gene-wise estimates. `CYTO_STATE` without size factors. Options: those of
/// `cyto_deseq_estimate_dispersions`, and "keep_assays" (for the array "mu", the fitted means). Estimates of an earlier
/// call are forgotten.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_estimate_gene_wise_dispersions(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let mut state = required("deseq", deseq)?.lock()?;
        let mut fields = Fields::parse(options)?;
        let options = options::dispersions(&mut fields)?;
        let mut with_means = false;
        fields.flag("keep_assays", &mut with_means)?;
        fields.finish()?;
        with_context(ctx, |ctx| {
            let made = estimate_gene_wise_dispersions(ctx, &state.dataset, None, &options)?;
            state.enter_gene_wise(made, with_means);
            Ok(())
        })
    })
}

/// Second stage: the trend of the gene-wise dispersions. `CYTO_STATE` unless the first stage is the last thing that was
/// done (a trend is replaced). Options: "fit_type", "min_disp".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_fit_dispersion_trend(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let mut state = required("deseq", deseq)?.lock()?;
        let mut fields = Fields::parse(options)?;
        let options = options::dispersion_trend(&mut fields)?;
        fields.finish()?;
        with_context(ctx, |ctx| {
            let (gene_wise, _) = state.gene_wise()?;
            let trend = fit_dispersion_trend(ctx, gene_wise, &options)?;
            let gene_wise = gene_wise.clone();
            state.enter_trend(gene_wise, trend);
            Ok(())
        })
    })
}

/// The variance of the prior of ln dispersion, written to `out`. `CYTO_STATE` before the second stage. Option:
/// "min_disp".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_estimate_disp_prior_var(
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    out: *mut f64,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || -> Result<(), Failure> {
        let state = required("deseq", deseq)?.lock()?;
        let mut fields = Fields::parse(options)?;
        let mut min_disp = 1e-8;
        fields.number("min_disp", &mut min_disp)?;
        fields.finish()?;
        if out.is_null() {
            return Err(Error::argument("out", "NULL; must point to a number").into());
        }
        let (gene_wise, trend) = state.with_trend()?;
        let variance = dispersion_prior_variance(gene_wise, trend, min_disp)?;
        // SAFETY: the header asks for a place for a number.
        unsafe { *out = variance };
        Ok(())
    })
}

/// Third and last stage: gene-wise dispersions shrunken towards the trend. `CYTO_STATE` before the second stage. Options:
/// those of `cyto_deseq_estimate_dispersions`; without "disp_prior_var" that variance is estimated. All three stages give
/// what `cyto_deseq_estimate_dispersions` gives.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_shrink_dispersions(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let mut state = required("deseq", deseq)?.lock()?;
        let mut fields = Fields::parse(options)?;
        let options = options::dispersions(&mut fields)?;
        fields.finish()?;
        with_context(ctx, |ctx| {
            let (gene_wise, trend) = state.with_trend()?;
            let (gene_wise, trend) = (gene_wise.clone(), trend.clone());
            let made = shrink_dispersions(ctx, &state.dataset, gene_wise, trend, &options)?;
            state.enter(Stage::Dispersed(Box::new(made)));
            Ok(())
        })
    })
}

/// Variances of a prior of coefficients (log2), for "beta_prior_var" of `cyto_deseq_wald`: lent afterwards as
/// "beta_prior_var" with "beta_prior_names". `mle`: log2 coefficients without prior, genes x coefficients, one gene after
/// the other; NULL for those of the Wald test that was made. `CYTO_STATE` before dispersions. Options:
/// "beta_prior_method" ("weighted", "quantile"), "upper_quantile", "model_matrix_type" ("expanded", "standard").
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_estimate_beta_prior_var(
    deseq: Option<&cyto_deseq>,
    mle: *const f64,
    n_mle: usize,
    options: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let mut state = required("deseq", deseq)?.lock()?;
        let mut fields = Fields::parse(options)?;
        let mut options = TestOptions::default();
        options::beta_prior(&mut fields, &mut options)?;
        fields.finish()?;
        let dispersions = state.dispersions().ok_or_else(no_dispersions)?;
        let coefficients = if mle.is_null() {
            let fit = &state.analysis()?.fit;
            fit.mle.as_ref().map_or(&fit.beta, |mle| &mle.beta)
        } else {
            // SAFETY: the header asks for an array of this length.
            unsafe { text::slice("mle", mle, n_mle) }?
        };
        let (names, variance) =
            beta_prior_variances(&state.dataset, dispersions, coefficients, &options)?;
        state.set_beta_prior(&names, variance);
        Ok(())
    })
}
