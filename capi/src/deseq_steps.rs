//! The stages of the dispersions and of the prior of coefficients one by one, for hosts that keep or change what
//! lies between.

use std::mem::MaybeUninit;

use engine::Error;
use engine::deseq::{
    TestOptions, beta_prior_variances, dispersion_prior_variance, estimate_gene_wise_dispersions,
    fit_dispersion_trend, shrink_dispersions,
};
use safer_ffi::prelude::repr_c;

use crate::context::cyto_context;
use crate::deseq::{cyto_deseq, no_dispersions, open, step};
use crate::deseq_options::{self as options, Fields};
use crate::deseq_state::Stage;
use crate::error::{Failure, cyto_error};
use crate::guard::guard;
use crate::status::cyto_status;
use crate::text::{self, CytoStr};

/// First stage of the dispersions: gene-wise estimates. `CYTO_STATE` without size factors. Options: those of
/// `cyto_deseq_estimate_dispersions` but "outlier_sd" and "disp_prior_var" ("fit_type" counts as "glmGamPoi" or any
/// other). Estimates of an earlier call are forgotten.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_estimate_gene_wise_dispersions(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    let read = |fields: &mut Fields, _: &_| {
        let with_means = options::keeps_assays(fields)?;
        Ok((options::gene_wise_dispersions(fields)?, with_means))
    };
    step(ctx, deseq, options, err, read, |ctx, state, given| {
        let (options, with_means) = given;
        let made = estimate_gene_wise_dispersions(ctx, &state.dataset, None, &options)?;
        state.enter_gene_wise(made, with_means);
        Ok(())
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
    let read = |fields: &mut Fields, _: &_| options::dispersion_trend(fields);
    step(ctx, deseq, options, err, read, |ctx, state, options| {
        state.enter_trend(|gene_wise| fit_dispersion_trend(ctx, gene_wise, &options))?;
        Ok(())
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
        let (state, min_disp) = open(deseq, options, |fields, _| {
            let mut min_disp = 1e-8;
            fields.number("min_disp", &mut min_disp)?;
            Ok(min_disp)
        })?;
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
/// "fit_type" (which counts as "glmGamPoi" or any other), "mode", "disp_maxit", "use_cr", "weight_threshold", "min_disp",
/// "kappa_0", "disp_tol", "outlier_sd", "disp_prior_var" (estimated when left out). All three stages give what
/// `cyto_deseq_estimate_dispersions` gives.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_shrink_dispersions(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    let read = |fields: &mut Fields, _: &_| options::shrunken_dispersions(fields);
    step(ctx, deseq, options, err, read, |ctx, state, options| {
        // Columns of genes are copied, since they may be on loan; the fitted means are shared.
        let (gene_wise, trend) = state.with_trend()?;
        let (gene_wise, trend) = (gene_wise.clone(), trend.clone());
        let made = shrink_dispersions(ctx, &state.dataset, gene_wise, trend, &options)?;
        state.enter(Stage::Dispersed(Box::new(made)));
        Ok(())
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
        let (mut state, options) = open(deseq, options, |fields, _| {
            let mut options = TestOptions::default();
            options::beta_prior(fields, &mut options)?;
            Ok(options)
        })?;
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
