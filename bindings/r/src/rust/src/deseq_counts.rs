//! Functions of DESeq2's counts that make other data sets or numbers: replicates, outliers, components, priors.

use cytosol::{
    cyto_deseq, cyto_deseq_collapse_replicates, cyto_deseq_estimate_beta_prior_var,
    cyto_deseq_estimate_disp_prior_var, cyto_deseq_replace_outliers, cyto_deseq_sample_pca,
};
use extendr_api::prelude::*;

use crate::answer::{Failure, answer, done, made};
use crate::call::with_context;
use crate::counts::{Held, Names, held, numbers, text};
use crate::options::json_text;

/// A data set whose samples are groups of samples; `codes` from 0.
/// @noRd
#[extendr]
fn deseq_collapse(settings: Robj, handle: Robj, codes: Robj, groups: Robj) -> Robj {
    answer(|| {
        let deseq = held::<cyto_deseq>("dds", &handle)?;
        let wrong = || Failure::argument("groupby", "must be integers");
        let codes = codes.as_integer_slice().ok_or_else(wrong)?;
        let groups = Names::read("groupby", &groups)?;
        let collapsed = with_context(&settings, |ctx| {
            made(|out, err| {
                cyto_deseq_collapse_replicates(
                    Some(ctx),
                    Some(&deseq.handle),
                    codes.as_ptr(),
                    codes.len(),
                    groups.pointers(),
                    groups.len(),
                    std::ptr::null(),
                    out,
                    err,
                )
            })
        })?;
        Ok(Held::into_robj(collapsed, Vec::new()))
    })
}

/// A data set with replaced outliers; `cooks` gene after gene.
/// @noRd
#[extendr]
fn deseq_replace(handle: Robj, cooks: Robj, options: Robj) -> Robj {
    answer(|| {
        let deseq = held::<cyto_deseq>("dds", &handle)?;
        let cooks = numbers("cooks", &cooks)?;
        let options = json_text(&options)?;
        let replaced = made(|out, err| {
            cyto_deseq_replace_outliers(
                Some(&deseq.handle),
                cooks.as_ptr(),
                cooks.len(),
                text(&options),
                out,
                err,
            )
        })?;
        Ok(Held::into_robj(replaced, Vec::new()))
    })
}

/// Components of samples: `values` gene after gene; scores sample after sample, and shares of the variance.
/// @noRd
#[extendr]
fn deseq_pca(values: Robj, n_samples: i32, n_top: f64) -> Robj {
    answer(|| {
        let values = numbers("object", &values)?;
        let m = usize::try_from(n_samples).unwrap_or(0);
        let n = values.len().checked_div(m).unwrap_or(0);
        let (mut scores, mut share) = (vec![0.0; m * m], vec![0.0; m]);
        done(|err| {
            cyto_deseq_sample_pca(
                values.as_ptr(),
                n,
                m,
                n_top as usize,
                scores.as_mut_ptr(),
                share.as_mut_ptr(),
                err,
            )
        })?;
        Ok(list!(scores = scores, share = share).into())
    })
}

/// The variance of the prior of ln dispersion.
/// @noRd
#[extendr]
fn deseq_disp_prior_var(handle: Robj, options: Robj) -> Robj {
    answer(|| {
        let deseq = held::<cyto_deseq>("dds", &handle)?;
        let options = json_text(&options)?;
        let mut variance = 0.0;
        done(|err| {
            let out = &raw mut variance;
            cyto_deseq_estimate_disp_prior_var(Some(&deseq.handle), text(&options), out, err)
        })?;
        Ok(variance.into())
    })
}

/// Variances of a prior of coefficients, kept in the data set; `mle` gene after gene.
/// @noRd
#[extendr]
fn deseq_beta_prior_var(handle: Robj, mle: Robj, options: Robj) -> Robj {
    answer(|| {
        let deseq = held::<cyto_deseq>("dds", &handle)?;
        let mle = numbers("MLE", &mle)?;
        let options = json_text(&options)?;
        done(|err| {
            cyto_deseq_estimate_beta_prior_var(
                Some(&deseq.handle),
                mle.as_ptr(),
                mle.len(),
                text(&options),
                err,
            )
        })?;
        Ok(().into())
    })
}

extendr_module! {
    mod deseq_counts;
    fn deseq_collapse;
    fn deseq_replace;
    fn deseq_pca;
    fn deseq_disp_prior_var;
    fn deseq_beta_prior_var;
}
