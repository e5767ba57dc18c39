//! `cyto_deseq`: DESeq2's analysis of one data set, in one call or step by step.
//!
//! Options are JSON objects by name (NULL or `{}` for DESeq2's defaults); see `deseq_options.rs`. The counts
//! are copied, so nothing of the inputs is needed once the data set is made.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use engine::deseq::{
    Analysis, Counts, DeseqDataset, Design, Dispersions, TestFit, deseq as deseq_of,
    estimate_dispersions, estimate_size_factors, likelihood_ratio_test, wald_test,
};
use engine::stats::glm::ModelMatrix;
use engine::{Context, Error};
use safer_ffi::{derive_ReprC, prelude::repr_c};

use crate::arrays::{cyto_array, lend};
use crate::arrow::{self, ArrowArrayStream};
use crate::context::{cyto_context, with_context};
use crate::deseq_options::{self as options, Fields};
use crate::deseq_samples::cyto_deseq_samples;
use crate::deseq_state::{ARRAYS, Stage, State};
use crate::error::{Failure, cyto_error};
use crate::guard::{ErrOut, give, guard, or, required};
use crate::matrix::cyto_matrix;
use crate::sized::{self, Sized_};
use crate::status::cyto_status;
use crate::text::{self, CytoStr, c_string, utf8};

/// A data set of replicated samples and its analysis. One call at a time.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_deseq {
    state: Mutex<State>,
}

impl cyto_deseq {
    pub(crate) fn new(state: State) -> Self {
        cyto_deseq {
            state: Mutex::new(state),
        }
    }

    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, State>, Failure> {
        self.state.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => Failure::state("deseq: in use by another call"),
            TryLockError::Poisoned(_) => {
                Failure::state("deseq: unusable since a panic in an earlier call; make a new one")
            }
        })
    }
}

/// The data set of a call, and the call's options as `read` has them; what it does not read is refused.
pub(crate) fn open<'a, T>(
    deseq: Option<&'a cyto_deseq>,
    options: CytoStr<'_>,
    read: impl FnOnce(&mut Fields, &DeseqDataset) -> engine::Result<T>,
) -> Result<(MutexGuard<'a, State>, T), Failure> {
    let state = required("deseq", deseq)?.lock()?;
    let mut fields = Fields::parse(options)?;
    let options = read(&mut fields, &state.dataset)?;
    fields.finish()?;
    Ok((state, options))
}

/// Body of the steps: options by `read`, then `work`, which changes the state when all else is done.
pub(crate) fn step<T>(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    err: ErrOut<'_>,
    read: impl FnOnce(&mut Fields, &DeseqDataset) -> engine::Result<T>,
    work: impl FnOnce(&Context, &mut State, T) -> Result<(), Failure>,
) -> cyto_status {
    guard(err, || {
        let (mut state, options) = open(deseq, options, read)?;
        with_context(ctx, |ctx| work(ctx, &mut state, options))
    })
}

/// What a data set is made of. Fill with `CYTO_DESEQ_INPUT_INIT`, then set fields. Everything is copied. Give
/// `design`, or `model_matrix` with `coefficients`.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_deseq_input {
    /// `sizeof(cyto_deseq_input)`.
    pub struct_size: usize,
    /// Counts; its cells are the samples, in the order of the sample table.
    pub counts: *const cyto_matrix,
    /// The sample table.
    pub samples: *const cyto_deseq_samples,
    /// Name of every gene.
    pub genes: *const *const c_char,
    /// Elements of `genes`.
    pub n_genes: usize,
    /// Design formula over the columns of the sample table, for example "~ batch + condition"; NULL with a matrix.
    pub design: *const c_char,
    /// Model matrix, samples x coefficients, row after row; NULL with a formula.
    pub model_matrix: *const f64,
    /// Name of every coefficient of the matrix.
    pub coefficients: *const *const c_char,
    /// Elements of `coefficients`; 0 with a formula.
    pub n_coefficients: usize,
}

// SAFETY: plain data, size first.
unsafe impl Sized_ for cyto_deseq_input {
    const NAME: &'static str = "cyto_deseq_input";
    const INIT: &'static str = "CYTO_DESEQ_INPUT_INIT";
    const FIRST_SIZE: usize = 72;
    fn init() -> Self {
        // SAFETY: sizes and pointers, for which zero is a value.
        let zero: Self = unsafe { std::mem::zeroed() };
        cyto_deseq_input {
            struct_size: size_of::<Self>(),
            ..zero
        }
    }
}

/// # Safety
/// The pointers of `given` are NULL or what they say.
unsafe fn design(given: &cyto_deseq_input, n_samples: usize) -> Result<Design, Failure> {
    // SAFETY: promised by the caller, for every array and string.
    unsafe {
        let formula = text::optional("input.design", given.design)?;
        match (formula, given.model_matrix.is_null()) {
            (Some(formula), true) => Ok(Design::formula(&formula)?),
            (None, false) => {
                let (names, p) = (given.coefficients, given.n_coefficients);
                let names = text::list("input.coefficients", names, p)?;
                let n_values = n_samples.saturating_mul(p);
                let values = text::slice("input.model_matrix", given.model_matrix, n_values)?;
                let matrix = ModelMatrix::from_user(values.to_vec(), n_samples, &names)?;
                Ok(Design::Matrix(matrix))
            }
            _ => Err(Error::argument("input.design", "give either a formula or a matrix").into()),
        }
    }
}

/// A data set, checked as DESeq2's constructor checks it. `options`: JSON, NULL for none; "ignore_rank" (bool). Notes
/// and warnings go to the progress callback. Free with `cyto_deseq_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_new(
    ctx: Option<&cyto_context>,
    input: *const cyto_deseq_input,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_deseq>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let mut fields = Fields::parse(options)?;
        let mut ignore_rank = false;
        fields.flag("ignore_rank", &mut ignore_rank)?;
        fields.finish()?;
        // SAFETY: the header asks for this struct, its handles, arrays and strings.
        let (counts, samples, genes, design) = unsafe {
            let given = sized::read("input", input)?;
            let samples = required("input.samples", given.samples.as_ref())?;
            (
                required("input.counts", given.counts.as_ref())?.share(),
                samples.table.clone(),
                text::list("input.genes", given.genes, given.n_genes)?,
                design(&given, samples.table.n_rows())?,
            )
        };
        with_context(ctx, |ctx| {
            let counts = Counts::from_cells(ctx, &mut *counts.reader())?;
            let dataset = DeseqDataset::new(ctx, counts, genes, samples, design, ignore_rank)?;
            Ok(cyto_deseq::new(State::new(dataset)))
        })
    })
}

/// Frees the data set. NULL is allowed. Results and transformed counts made from it stay valid.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_free(deseq: Option<repr_c::Box<cyto_deseq>>) {
    or((), || drop(deseq));
}

/// Sets what scales or weighs the counts, by name: "size_factors" (one a sample), or, one a count, all samples of the first gene first, "normalization_factors", "avg_tx_length", "weights". Copied.
/// What was estimated before is forgotten. "base_pairs" (lengths, one a gene) are for `cyto_deseq_fpkm` alone; estimates
/// stay.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_set(
    deseq: Option<&cyto_deseq>,
    name: CytoStr<'_>,
    values: *const f64,
    n_values: usize,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let mut state = required("deseq", deseq)?.lock()?;
        let name = utf8("name", name)?;
        // SAFETY: the header asks for an array of this length.
        let values = unsafe { text::slice("values", values, n_values) }?.to_vec();
        if name == "base_pairs" {
            return Ok(state.dataset.set_base_pairs(values)?);
        }
        let old = set_by_name(&mut state.dataset, name, values)?;
        state.retire(old);
        state.restart();
        Ok(())
    })
}

type Slot = fn(&mut DeseqDataset) -> &mut Option<Vec<f64>>;
type Setter = fn(&mut DeseqDataset, Vec<f64>) -> engine::Result<()>;

/// Gives back what was there before.
fn set_by_name(
    dataset: &mut DeseqDataset,
    name: &str,
    values: Vec<f64>,
) -> Result<Option<Vec<f64>>, Failure> {
    let (slot, set): (Slot, Setter) = match name {
        "size_factors" => (|d| &mut d.size_factors, DeseqDataset::set_size_factors),
        "normalization_factors" => (
            |d| &mut d.normalization_factors,
            DeseqDataset::set_normalization_factors,
        ),
        "avg_tx_length" => (|d| &mut d.avg_tx_length, DeseqDataset::set_avg_tx_length),
        "weights" => (|d| &mut d.weights, DeseqDataset::set_weights),
        _ => {
            return Err(Error::argument(
                "name",
                format!(
                    "{name:?} is unknown; must be \"size_factors\", \"normalization_factors\", \
                     \"avg_tx_length\", \"weights\" or \"base_pairs\""
                ),
            )
            .into());
        }
    };
    let old = slot(dataset).take();
    if let Err(error) = set(dataset, values) {
        *slot(dataset) = old;
        return Err(error.into());
    }
    Ok(old)
}

/// First step: size factors. Options: "sf_type" ("ratio", "poscounts", "iterate"), "locfunc" ("median", "shorth"),
/// "geo_means", "control_genes" (positions), "norm_matrix", "strict".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_estimate_size_factors(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    let read = |fields: &mut Fields, _: &_| options::size_factors(fields);
    step(ctx, deseq, options, err, read, |ctx, state, options| {
        // The engine replaces copies; the originals may be on loan.
        let data = &mut state.dataset;
        let (size, norm) = (
            data.size_factors.clone(),
            data.normalization_factors.clone(),
        );
        let old = (
            std::mem::replace(&mut data.size_factors, size),
            std::mem::replace(&mut data.normalization_factors, norm),
        );
        state.retire(old);
        estimate_size_factors(ctx, &mut state.dataset, &options)?;
        state.restart();
        Ok(())
    })
}

/// Second step: dispersions. `CYTO_STATE` before the first. Options: "fit_type" ("parametric", "local", "mean",
/// "glmGamPoi": quasi-likelihood, for `cyto_deseq_lrt`), "mode" ("exact", "fast"), "disp_maxit", "use_cr",
/// "weight_threshold", "min_mu", "min_disp", "kappa_0", "disp_tol", "niter", "linear_mu", "alpha_init", "outlier_sd",
/// "disp_prior_var", "keep_assays" (for the array "mu", the fitted means).
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_estimate_dispersions(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    let read = |fields: &mut Fields, _: &_| {
        let with_means = options::keeps_assays(fields)?;
        Ok((options::dispersions(fields)?, with_means))
    };
    step(ctx, deseq, options, err, read, |ctx, state, given| {
        let (options, with_means) = given;
        let made = estimate_dispersions(ctx, &state.dataset, None, &options)?;
        state.enter_dispersions(made, with_means);
        Ok(())
    })
}

pub(crate) fn no_dispersions() -> Failure {
    Failure::state("deseq: first call cyto_deseq_estimate_dispersions")
}

/// Third step: Wald tests of all coefficients. `CYTO_STATE` before the second. Outliers are not replaced; that is
/// part of `cyto_deseq_run`. Options: "beta_tol", "maxit", "use_optim", "use_qr", "min_mu", "use_t", "df",
/// "beta_prior", "beta_prior_var", "beta_prior_method", "model_matrix_type", "upper_quantile", "min_replicates_for_replace",
/// "mode" ("exact", "fast"), "keep_assays" (for the arrays "mu", "H", "cooks").
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_wald(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    let read = |fields: &mut Fields, _: &_| options::test(fields);
    step(ctx, deseq, options, err, read, |ctx, state, options| {
        let dispersions = state.dispersions().ok_or_else(no_dispersions)?;
        let fit = wald_test(ctx, &state.dataset, dispersions, None, &options)?;
        let analysis = tested(dispersions, fit);
        state.enter(analysis);
        Ok(())
    })
}

/// The stage after a test that was called by itself: no outliers were replaced.
fn tested(dispersions: &Dispersions, fit: TestFit) -> Stage {
    Stage::Tested(Box::new(Analysis {
        dispersions: dispersions.clone(),
        fit,
        replacement: None,
    }))
}

/// Third step: the likelihood-ratio test. Options: those of `cyto_deseq_wald`, and "reduced", which is needed: a
/// formula, or, for a data set with a model matrix, the list of the coefficients that stay or another matrix,
/// {"names": [...], "values": [...]}, samples x coefficients, row after row; and "type": "DESeq2", or "glmGamPoi" for
/// the F test after dispersions of "fit_type" "glmGamPoi".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_lrt(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    let read = |fields: &mut Fields, dataset: &_| {
        let reduced = options::reduced(fields, dataset)?;
        let mut options = options::test(fields)?;
        options.quasi_likelihood = options::is_quasi_likelihood(fields)?;
        Ok((reduced, options))
    };
    step(ctx, deseq, options, err, read, |ctx, state, given| {
        let (reduced, options) = given;
        let reduced = reduced
            .ok_or_else(|| Error::argument("reduced", "is needed for a likelihood-ratio test"))?;
        let dispersions = state.dispersions().ok_or_else(no_dispersions)?;
        let data = &state.dataset;
        let fit = likelihood_ratio_test(ctx, data, dispersions, None, &reduced, &options)?;
        let analysis = tested(dispersions, fit);
        state.enter(analysis);
        Ok(())
    })
}

/// The whole analysis: size factors unless there are some, dispersions, the test, replacement of outliers. Options:
/// "test" ("Wald", "LRT"), "reduced", and those of all steps. On failure or cancel the estimates of an earlier
/// call stay.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_run(
    ctx: Option<&cyto_context>,
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    let read = options::analysis;
    step(ctx, deseq, options, err, read, |ctx, state, options| {
        let analysis = deseq_of(ctx, &mut state.dataset, &options)?;
        state.enter(Stage::Tested(Box::new(analysis)));
        Ok(())
    })
}

/// Lends an array. With n genes, m samples and p coefficients. Always: "genes", "samples" (text). Where they are:
/// "size_factors" (m), "normalization_factors", "weights", "avg_tx_length" (n x m). After dispersions, and after each of
/// their stages as far as it goes: "baseMean", "baseVar", "allZero" (u8), "dispGeneEst", "dispGeneIter", "dispFit",
/// "dispersion", "dispIter", "dispOutlier" (u8), "dispMAP" (n), "disp_model_matrix"; of quasi-likelihood ones
/// "qlDispMLE", "qlDispFit", "qlDispMAP", "dispFitQLCorrected" (n); after `cyto_deseq_estimate_beta_prior_var`
/// "beta_prior_var" and "beta_prior_names" (text). After a test: "results_names" (text, p), "model_matrix" (m x p),
/// "coefficients", "SE" (n x p, log2), "WaldStatistic", "WaldPvalue" (n x p) or "LRTStatistic", "LRTPvalue" (n),
/// "betaConv" (u8), "betaIter", "deviance", "maxCooks", "cooksSample" (u32, the sample with the largest distance) (n);
/// with a prior "MLE" (n x coefficients), "MLE_names" (text); where outliers were found "replace" (u8, n), "replaceable"
/// (u8, m) and "replaceCounts" (genes with "replace" x m); with "keep_assays": "mu", "H", "cooks" (n x m; "mu" also after dispersions). A
/// data set of `cyto_deseq_replace_outliers` has "replace" and "replaceable". "trend": the
/// dispersion trend, for `cyto_deseq_trend_values`. Numbers are f64, NaN where missing. Valid until the handle is freed, also when a step is done again.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_array(
    deseq: Option<&cyto_deseq>,
    name: CytoStr<'_>,
    out: *mut cyto_array,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    let state = match deseq.map(cyto_deseq::lock) {
        None => None,
        Some(Ok(state)) => Some(state),
        Some(Err(failure)) => return guard(err, || Err(failure)),
    };
    // SAFETY: the header asks for a struct of `struct_size` bytes.
    unsafe { lend(state.as_deref(), &ARRAYS, name, out, err) }
}

/// A table as an Arrow stream, which the caller releases. "genes": every column of the genes so far, with DESeq2's
/// names. "samples": the sample table, text as factors. On failure `out->release` is NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_table_arrow(
    deseq: Option<&cyto_deseq>,
    table: CytoStr<'_>,
    out: *mut ArrowArrayStream,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || -> Result<(), Failure> {
        // SAFETY: the header asks for memory for a stream.
        unsafe { arrow::nothing(out) };
        let state = required("deseq", deseq)?.lock()?;
        let (index, table) = match utf8("table", table)? {
            "genes" => ("gene", state.gene_table()?),
            "samples" => ("sample", state.dataset.col_data.clone()),
            other => {
                let message = format!("{other:?} is unknown; must be \"genes\" or \"samples\"");
                return Err(Error::argument("table", message).into());
            }
        };
        // SAFETY: as above.
        unsafe { arrow::export(index, Arc::new(table), out) }
    })
}

/// Facts of the analysis so far as a JSON object: sizes, size factors, trend and prior of the dispersions, names of
/// the coefficients. Valid until the handle is freed; NULL for NULL and while another call works on the handle.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_info_json(deseq: Option<&cyto_deseq>) -> *const c_char {
    or(std::ptr::null(), || {
        let Some(Ok(mut state)) = deseq.map(cyto_deseq::lock) else {
            return std::ptr::null();
        };
        let text = c_string(&state.info().to_string());
        // The text itself does not move with its owner.
        let pointer = text.as_ptr();
        state.retire(text);
        pointer
    })
}
