//! `cyto_deseq_results` and `cyto_deseq_transformed`: tables of comparisons, shrunken effects, and
//! variance-stabilised counts.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::sync::Arc;

use engine::Error;
use engine::deseq::{
    DeseqResults, GeneTrend, PriorInfo, Transformed, lfc_shrink, results, rlog, summary,
    variance_stabilizing_transformation, vst,
};
use safer_ffi::{derive_ReprC, prelude::repr_c};
use serde_json::{Value, json};

use crate::arrays::{Lent, Named, cyto_array, lend};
use crate::arrow::{self, ArrowArrayStream};
use crate::context::{cyto_context, with_context};
use crate::deseq::{cyto_deseq, open};
use crate::deseq_options as options;
use crate::error::{Failure, cyto_error};
use crate::guard::{give, guard, or, required};
use crate::status::cyto_status;
use crate::text::{self, CytoStr, StringList, c_string, utf8};

/// A table of results, one row a gene. Readable from several threads.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_deseq_results {
    inner: DeseqResults,
    genes: StringList,
    theta: Vec<f64>,
    rejections: Vec<f64>,
    info: CString,
    summary: CString,
}

impl cyto_deseq_results {
    pub(crate) fn new(inner: DeseqResults, prior: Option<&PriorInfo>) -> Self {
        let steps = inner.filtering.as_ref().map_or(&[][..], |f| &f.steps);
        cyto_deseq_results {
            genes: StringList::new(&inner.genes),
            theta: steps.iter().map(|step| step.theta).collect(),
            rejections: steps.iter().map(|step| step.rejections as f64).collect(),
            info: c_string(&info(&inner, prior).to_string()),
            summary: c_string(&summary(&inner, None)),
            inner,
        }
    }

    /// The same, whose summary is made at its own level also with s-values.
    pub(crate) fn summed_at_its_level(self) -> Self {
        let alpha = self.inner.alpha;
        cyto_deseq_results {
            summary: c_string(&summary(&self.inner, Some(alpha))),
            ..self
        }
    }
}

fn info(results: &DeseqResults, prior: Option<&PriorInfo>) -> Value {
    let notes = results.notes.iter();
    let notes = notes.map(
        |(name, note)| json!({"column": name, "type": note.kind, "description": note.description}),
    );
    json!({
        "alpha": results.alpha,
        "lfc_threshold": results.lfc_threshold,
        "filter_threshold": results.filtering.as_ref().map(|f| f.threshold),
        "filter_theta": results.filtering.as_ref().map(|f| f.theta),
        "columns": notes.collect::<Vec<_>>(),
        "prior": prior.map(|prior| match prior {
            PriorInfo::Apeglm { scale, .. } => json!({"type": "apeglm", "scale": scale}),
            PriorInfo::Ashr(prior) => json!({"type": "ashr", "sd": prior.sd, "pi": prior.pi}),
            PriorInfo::Normal { names, variance } => {
                json!({"type": "normal", "names": names, "variance": variance})
            }
        }),
    })
}

/// The table of a comparison. `CYTO_STATE` before a test. Options: "contrast" (["factor", "level", "base"],
/// {"numerators": [...], "denominators": [...]} or a number a coefficient) or "name" (a coefficient), "lfc_threshold",
/// "alt_hypothesis", "list_values", "cooks_cutoff" (a number or false), "independent_filtering", "alpha", "filter",
/// "theta", "p_adjust_method", "test", "add_mle", "compat" ("1.38", "1.44"). Free with `cyto_deseq_results_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_results_new(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_deseq_results>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let (state, options) = open(deseq, options, |fields, _| options::results(fields))?;
        with_context(ctx, |ctx| {
            let table = results(ctx, &state.dataset, state.analysis()?, &options)?;
            Ok(cyto_deseq_results::new(table, None))
        })
    })
}

/// Shrunken effects. `base` is the table of the same comparison; with NULL it is made. Options: "type" ("apeglm",
/// "ashr", "normal"), "name" or "contrast" (one is needed), "svalue", "ape_adapt", "lfc_threshold", and the other
/// options of results.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_lfc_shrink(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    base: Option<&cyto_deseq_results>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_deseq_results>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let (state, mut options) = open(deseq, options, |fields, _| options::shrink(fields))?;
        let target = options::shrink_target(&mut options)?;
        with_context(ctx, |ctx| {
            let (data, analysis) = (&state.dataset, state.analysis()?);
            let base = base.map(|base| &base.inner);
            let made = lfc_shrink(ctx, data, analysis, &target, base, &options)?;
            Ok(cyto_deseq_results::new(made.results, Some(&made.prior)))
        })
    })
}

/// Replaces a column (f64, one a gene): "log2FoldChange", "lfcSE", "stat", "pvalue" or "padj". For a table that the host
/// changed and shrinks further. Copied; arrays on loan from this handle become invalid.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_results_set(
    results: Option<&mut cyto_deseq_results>,
    name: CytoStr<'_>,
    values: *const f64,
    n_values: usize,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || -> Result<(), Failure> {
        let results =
            results.ok_or_else(|| Error::argument("results", "NULL; must be a handle"))?;
        // SAFETY: the header asks for an array of this length.
        let values = unsafe { text::slice("values", values, n_values) }?.to_vec();
        let n = results.inner.genes.len();
        if n_values != n {
            let message = format!("{n_values} values for {n} genes");
            return Err(Error::argument("n_values", message).into());
        }
        let inner = &mut results.inner;
        match utf8("name", name)? {
            "log2FoldChange" => inner.log2_fold_change = values,
            "lfcSE" => inner.lfc_se = values,
            "stat" => inner.stat = Some(values),
            "pvalue" => inner.pvalue = Some(values),
            "padj" => inner.padj = Some(values),
            other => {
                let message = format!(
                    "{other:?} cannot be replaced; must be \"log2FoldChange\", \"lfcSE\", \"stat\", \
                     \"pvalue\" or \"padj\""
                );
                return Err(Error::argument("name", message).into());
            }
        }
        results.summary = c_string(&summary(inner, None));
        Ok(())
    })
}

/// Frees results. NULL is allowed. Arrow streams made from them stay valid; arrays on loan do not.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_results_free(results: Option<repr_c::Box<cyto_deseq_results>>) {
    or((), || drop(results));
}

fn maybe(values: &Option<Vec<f64>>) -> Option<Lent> {
    values.as_deref().map(Lent::f64s)
}

const RESULTS: [Named<cyto_deseq_results>; 11] = [
    ("genes", |r| Some(Lent::text(&r.genes))),
    ("baseMean", |r| Some(Lent::f64s(&r.inner.base_mean))),
    ("log2FoldChange", |r| {
        Some(Lent::f64s(&r.inner.log2_fold_change))
    }),
    ("lfcMLE", |r| maybe(&r.inner.lfc_mle)),
    ("lfcSE", |r| Some(Lent::f64s(&r.inner.lfc_se))),
    ("stat", |r| maybe(&r.inner.stat)),
    ("pvalue", |r| maybe(&r.inner.pvalue)),
    ("padj", |r| maybe(&r.inner.padj)),
    ("svalue", |r| maybe(&r.inner.svalue)),
    ("filter_theta", |r| Some(Lent::f64s(&r.theta))),
    ("filter_num_rej", |r| Some(Lent::f64s(&r.rejections))),
];

/// Lends a column (f64, one a gene, NaN where missing): "baseMean", "log2FoldChange", "lfcMLE", "lfcSE", "stat",
/// "pvalue", "padj", "svalue"; "genes" (text); of independent filtering "filter_theta" and "filter_num_rej".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_results_array(
    results: Option<&cyto_deseq_results>,
    name: CytoStr<'_>,
    out: *mut cyto_array,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    // SAFETY: the header asks for a struct of `struct_size` bytes.
    unsafe { lend(results, &RESULTS, name, out, err) }
}

/// The table as an Arrow stream, which the caller releases; its first column is "gene", the others are DESeq2's. On
/// failure `out->release` is NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_results_table_arrow(
    results: Option<&cyto_deseq_results>,
    out: *mut ArrowArrayStream,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || -> Result<(), Failure> {
        // SAFETY: the header asks for memory for a stream.
        unsafe { arrow::nothing(out) };
        let table = required("results", results)?.inner.table()?;
        // SAFETY: as above.
        unsafe { arrow::export("gene", Arc::new(table), out) }
    })
}

/// Level, threshold, independent filtering, a description of each column, and the prior of shrunken effects, as a
/// JSON object. Borrowed from `results`; "{}" for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_results_info_json(
    results: Option<&cyto_deseq_results>,
) -> *const c_char {
    results.map_or(c"{}".as_ptr(), |r| r.info.as_ptr())
}

/// How many genes go up and down, are outliers or have low counts, as text. Borrowed from `results`; "" for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_results_summary(
    results: Option<&cyto_deseq_results>,
) -> *const c_char {
    results.map_or(c"".as_ptr(), |r| r.summary.as_ptr())
}

/// Transformed counts. Readable from several threads.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_deseq_transformed {
    inner: Transformed,
    genes: StringList,
    samples: StringList,
    beta_prior_var: Option<Vec<f64>>,
    intercept: Option<Vec<f64>>,
    disp_fit: Option<Vec<f64>>,
}

impl cyto_deseq_transformed {
    pub(crate) fn new(inner: Transformed) -> Self {
        cyto_deseq_transformed {
            genes: StringList::new(&inner.genes),
            samples: StringList::new(&inner.samples),
            inner,
            beta_prior_var: None,
            intercept: None,
            disp_fit: None,
        }
    }
}

/// The variance-stabilising transformation; needs no earlier step. Options: "blind", "fit_type", "nsub" (genes the
/// trend is estimated from, 1000; 0 = all, and then without "blind" the trend of `cyto_deseq_estimate_dispersions` is
/// used where there is one, or that of the option "trend": numbers as `cyto_deseq_array` lends them, or for a function
/// of one's own 5, then mean and dispersion in turn at sinh(t i / 999), i from 1 to 999, t = asinh of the largest
/// normalised count). Free with `cyto_deseq_transformed_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_vst(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_deseq_transformed>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let (state, (options, given)) = open(deseq, options, |fields, _| {
            Ok((options::transform(fields, true)?, options::trend(fields)?))
        })?;
        if given.is_some() && (options.blind || options.nsub > 0) {
            let message = "is for \"blind\" false and \"nsub\" 0";
            return Err(Error::argument("trend", message).into());
        }
        with_context(ctx, |ctx| {
            let values = match options.nsub {
                0 => {
                    let trend = given.as_ref().or(state.dispersions().map(|d| &d.trend));
                    variance_stabilizing_transformation(ctx, &state.dataset, trend, &options)?
                }
                _ => vst(ctx, &state.dataset, &options)?,
            };
            Ok(cyto_deseq_transformed::new(values))
        })
    })
}

/// The regularised log transformation; needs no earlier step. Options: "blind" (without it the trend of
/// `cyto_deseq_estimate_dispersions` is used where there is one), "fit_type"; of an earlier transformation
/// "intercept" (one a gene, null for genes without counts), "disp_fit" and "beta_prior_var".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_rlog(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_deseq_transformed>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let (state, (options, mut known)) = open(deseq, options, |fields, _| {
            let options = options::transform(fields, false)?;
            Ok((options, options::rlog_prior(fields)?))
        })?;
        if let (false, None, Some(made)) =
            (options.blind, &known.dispersion_fit, state.dispersions())
        {
            known.dispersion_fit = Some(made.fit.clone());
        }
        with_context(ctx, |ctx| {
            let made = rlog(ctx, &state.dataset, &known, &options)?;
            Ok(cyto_deseq_transformed {
                beta_prior_var: Some(vec![made.beta_prior_variance]),
                intercept: Some(made.intercept),
                disp_fit: Some(made.dispersion_fit),
                ..cyto_deseq_transformed::new(made.transformed)
            })
        })
    })
}

/// Frees transformed counts. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_transformed_free(
    transformed: Option<repr_c::Box<cyto_deseq_transformed>>,
) {
    or((), || drop(transformed));
}

/// What the transformation has of its trend.
fn about<'a>(
    transformed: &'a cyto_deseq_transformed,
    get: impl FnOnce(&'a GeneTrend) -> Option<Lent>,
) -> Option<Lent> {
    transformed.inner.about.as_ref().and_then(get)
}

const TRANSFORMED: [Named<cyto_deseq_transformed>; 11] = [
    ("values", |t| {
        Some(Lent::matrix(&t.inner.values, t.inner.samples.len()))
    }),
    ("genes", |t| Some(Lent::text(&t.genes))),
    ("samples", |t| Some(Lent::text(&t.samples))),
    ("beta_prior_var", |t| maybe(&t.beta_prior_var)),
    ("intercept", |t| maybe(&t.intercept)),
    ("dispFit", |t| {
        maybe(&t.disp_fit).or_else(|| about(t, |a| Some(Lent::f64s(&a.fit))))
    }),
    ("baseMean", |t| {
        about(t, |a| Some(Lent::f64s(&a.moments.mean)))
    }),
    ("baseVar", |t| {
        about(t, |a| Some(Lent::f64s(&a.moments.variance)))
    }),
    ("allZero", |t| {
        about(t, |a| Some(Lent::flags(&a.moments.all_zero)))
    }),
    ("dispGeneEst", |t| about(t, |a| maybe(&a.gene_est))),
    ("dispGeneIter", |t| about(t, |a| maybe(&a.gene_iter))),
];

/// Lends "values" (f64, genes x samples), "genes", "samples" (text); after `cyto_deseq_rlog` also "intercept" and
/// "dispFit" (f64, one a gene) and "beta_prior_var" (one). Where a trend was estimated for the transformation also
/// "baseMean", "baseVar", "dispFit" (f64), "allZero" (u8), and, where all genes took part, "dispGeneEst" and
/// "dispGeneIter" (f64).
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_transformed_array(
    transformed: Option<&cyto_deseq_transformed>,
    name: CytoStr<'_>,
    out: *mut cyto_array,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    // SAFETY: the header asks for a struct of `struct_size` bytes.
    unsafe { lend(transformed, &TRANSFORMED, name, out, err) }
}
