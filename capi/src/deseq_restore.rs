//! Estimates that a host kept go back into a `cyto_deseq`; trends that it kept are evaluated.

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::mem::MaybeUninit;

use engine::Error;
use engine::deseq::{
    Analysis, BaseMoments, DeseqDataset, DeseqResults, DispersionTrend, Dispersions, Filtering,
    GeneWiseDispersions, KnownDispersions, KnownFit, KnownGeneWise, LrtColumns, MatrixType,
    MleColumns, QuasiLikelihood, Replacement, TestFit,
};
use engine::stats::dispersion::Trend;
use engine::stats::glm::ModelMatrix;
use safer_ffi::prelude::repr_c;

use crate::deseq::cyto_deseq;
use crate::deseq_options::Fields;
use crate::deseq_results::cyto_deseq_results;
use crate::deseq_state::Stage;
use crate::error::{Failure, cyto_error};
use crate::guard::{give, guard, required};
use crate::status::cyto_status;
use crate::text::{self, CytoStr};

/// Columns by name, taken one after the other.
struct Columns<'a> {
    given: BTreeMap<String, &'a [f64]>,
}

impl<'a> Columns<'a> {
    fn maybe(&mut self, name: &str) -> Option<&'a [f64]> {
        self.given.remove(name)
    }

    fn slice(&mut self, name: &str) -> Result<&'a [f64], Error> {
        self.maybe(name)
            .ok_or_else(|| Error::argument(name, "is missing from the columns"))
    }

    fn numbers(&mut self, name: &str) -> Result<Vec<f64>, Error> {
        self.slice(name).map(<[f64]>::to_vec)
    }

    /// Missing values are false.
    fn flags(&mut self, name: &str) -> Result<Vec<bool>, Error> {
        let flags = self.slice(name)?.iter();
        Ok(flags.map(|&x| x.is_finite() && x != 0.0).collect())
    }

    fn finish(self) -> Result<(), Error> {
        match self.given.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::argument(
                name,
                "is not a column that can be restored",
            )),
        }
    }
}

fn matrix(
    values: &[f64],
    n_samples: usize,
    names: Option<Vec<String>>,
) -> Result<ModelMatrix, Error> {
    let n_columns = values.len().checked_div(n_samples).unwrap_or(0);
    let names = names.unwrap_or_else(|| (0..n_columns).map(|c| format!("x{c}")).collect());
    ModelMatrix::from_user(values.to_vec(), n_samples, &names)
}

/// The matrix of the dispersions, with the names of the design where it is the design's.
fn disp_matrix(dataset: &DeseqDataset, columns: &mut Columns<'_>) -> Result<ModelMatrix, Error> {
    let given = columns.slice("disp_model_matrix")?;
    let of_design = dataset.model_matrix()?;
    if of_design.values == given {
        return Ok(of_design);
    }
    matrix(given, dataset.n_samples(), None)
}

fn moments(columns: &mut Columns<'_>) -> Result<BaseMoments, Error> {
    Ok(BaseMoments {
        mean: columns.numbers("baseMean")?,
        variance: columns.numbers("baseVar")?,
        all_zero: columns.flags("allZero")?,
        weights_fail: Vec::new(),
    })
}

/// The stages before the final dispersions, as far as there are columns.
fn gene_wise(
    dataset: &DeseqDataset,
    columns: &mut Columns<'_>,
    fields: &mut Fields,
) -> Result<(GeneWiseDispersions, Option<DispersionTrend>), Error> {
    let made = KnownGeneWise {
        moments: moments(columns)?,
        gene_est: columns.numbers("dispGeneEst")?,
        gene_iter: columns.numbers("dispGeneIter")?,
        model_matrix: disp_matrix(dataset, columns)?,
        mu: columns.maybe("mu").map(<[f64]>::to_vec),
    }
    .restore(dataset)?;
    let mut varies = f64::NAN;
    fields.number("var_log_disp_ests", &mut varies)?;
    let Some(fit) = columns.maybe("dispFit") else {
        return Ok((made, None));
    };
    if fit.len() != dataset.n_genes() {
        let message = format!("{} values; must be {}", fit.len(), dataset.n_genes());
        return Err(Error::argument("dispFit", message));
    }
    let trend = DispersionTrend {
        trend: Trend::from_numbers(columns.slice("trend")?)?,
        fit: fit.to_vec(),
        var_log_disp_ests: varies,
    };
    Ok((made, Some(trend)))
}

fn dispersions(
    dataset: &DeseqDataset,
    columns: &mut Columns<'_>,
    fields: &mut Fields,
) -> Result<Dispersions, Error> {
    let (mut varies, mut prior_var) = (f64::NAN, f64::NAN);
    fields.number("var_log_disp_ests", &mut varies)?;
    fields.number("disp_prior_var", &mut prior_var)?;
    let model_matrix = disp_matrix(dataset, columns)?;
    let quasi = quasi(columns, fields)?;
    KnownDispersions {
        quasi,
        moments: moments(columns)?,
        gene_est: columns.numbers("dispGeneEst")?,
        gene_iter: columns.numbers("dispGeneIter")?,
        fit: columns.numbers("dispFit")?,
        dispersion: columns.numbers("dispersion")?,
        iter: columns.numbers("dispIter")?,
        outlier: columns.flags("dispOutlier")?,
        map: columns.numbers("dispMAP")?,
        trend: Trend::from_numbers(columns.slice("trend")?)?,
        var_log_disp_ests: varies,
        prior_var,
        model_matrix,
        mu: columns.maybe("mu").map(<[f64]>::to_vec),
    }
    .restore(dataset)
}

/// Quasi-likelihood dispersions, where their columns are given.
fn quasi(columns: &mut Columns<'_>, fields: &mut Fields) -> Result<Option<QuasiLikelihood>, Error> {
    let mut prior_df = f64::INFINITY;
    fields.number("ql_df0", &mut prior_df)?;
    if !columns.given.contains_key("qlDispMAP") {
        return Ok(None);
    }
    Ok(Some(QuasiLikelihood {
        mle: columns.numbers("qlDispMLE")?,
        fit: columns.numbers("qlDispFit")?,
        map: columns.numbers("qlDispMAP")?,
        fit_corrected: columns.numbers("dispFitQLCorrected")?,
        prior_df,
    }))
}

fn fit(
    dataset: &DeseqDataset,
    columns: &mut Columns<'_>,
    fields: &mut Fields,
) -> Result<TestFit, Error> {
    let names = fields.strings("results_names")?.unwrap_or_default();
    let (matrix_type, matrix) = match fields.text("model_matrix_type")?.as_deref() {
        Some("standard") => (MatrixType::Standard, dataset.model_matrix()?),
        Some("expanded") => (MatrixType::Expanded, dataset.expanded_matrix()?),
        Some("user-supplied") => {
            let values = columns.slice("model_matrix")?;
            let made = matrix(values, dataset.n_samples(), Some(names.clone()))?;
            (MatrixType::UserSupplied, made)
        }
        _ => {
            return Err(Error::argument(
                "model_matrix_type",
                "must be \"standard\", \"expanded\" or \"user-supplied\"",
            ));
        }
    };
    if matrix.names != names {
        return Err(Error::argument(
            "results_names",
            format!(
                "are {}, those of the design {}; was the design changed after the test?",
                names.join(", "),
                matrix.names.join(", ")
            ),
        ));
    }
    let mut min_mu = 0.5;
    fields.number("min_mu", &mut min_mu)?;
    let lrt = match fields.text("lrt")? {
        None => None,
        Some(description) => Some(LrtColumns {
            statistic: columns.numbers("LRTStatistic")?,
            pvalue: columns.numbers("LRTPvalue")?,
            reduced_converged: columns.flags("reducedBetaConv")?,
            description,
        }),
    };
    let wald = |columns: &mut Columns<'_>, name: &str| match lrt {
        Some(_) => Ok(Vec::new()),
        None => columns.numbers(name),
    };
    let (wald_statistic, wald_pvalue) = (
        wald(columns, "WaldStatistic")?,
        wald(columns, "WaldPvalue")?,
    );
    let mle = match fields.strings("mle_names")? {
        None => None,
        Some(names) => Some(MleColumns {
            names,
            beta: columns.numbers("MLE")?,
        }),
    };
    KnownFit {
        matrix,
        matrix_type,
        beta: columns.numbers("coefficients")?,
        se: columns.numbers("SE")?,
        wald_statistic,
        wald_pvalue,
        lrt,
        converged: columns.flags("betaConv")?,
        iterations: columns.numbers("betaIter")?,
        deviance: columns.numbers("deviance")?,
        max_cooks: columns.numbers("maxCooks")?,
        worst_sample: columns
            .slice("cooksSample")?
            .iter()
            .map(|&s| s as u32)
            .collect(),
        t_df: columns.maybe("tDegreesFreedom").map(<[f64]>::to_vec),
        beta_prior_variance: columns.maybe("beta_prior_var").map(<[f64]>::to_vec),
        mle,
        min_mu,
    }
    .restore(dataset)
}

fn replacement(columns: &mut Columns<'_>) -> Result<Option<Replacement>, Error> {
    if !columns.given.contains_key("replace") {
        return Ok(None);
    }
    // Results ask only which genes they are.
    Ok(Some(Replacement {
        replace: columns.flags("replace")?,
        replaceable: Vec::new(),
        counts: BTreeMap::new(),
    }))
}

/// # Safety
/// The arrays have `n_columns` elements, and each of `values` as many as `lengths` says.
unsafe fn read_columns<'a>(
    names: *const *const c_char,
    values: *const *const f64,
    lengths: *const usize,
    n_columns: usize,
) -> Result<Columns<'a>, Failure> {
    // SAFETY: promised by the caller.
    unsafe {
        let names = text::list("names", names, n_columns)?;
        let values = text::slice("values", values, n_columns)?;
        let lengths = text::slice("lengths", lengths, n_columns)?;
        let mut given = BTreeMap::new();
        for ((name, &from), &n) in names.into_iter().zip(values).zip(lengths) {
            let column = text::slice(&name, from, n)?;
            given.insert(name, column);
        }
        Ok(Columns { given })
    }
}

/// A table of results that a host kept, cut or changed: for `cyto_deseq_results_summary` and the arrays. `genes`:
/// names of the genes. `names`, `values` and `lengths` as for `cyto_deseq_restore`, one value a gene: "baseMean",
/// "log2FoldChange", and where there are any "lfcMLE", "lfcSE", "stat", "pvalue", "padj", "svalue". Options: "alpha" (0.1;
/// 0.005 with s-values and no "padj"), "lfc_threshold", "filter_threshold". Copied. Free with
/// `cyto_deseq_results_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_results_restore(
    genes: *const *const c_char,
    n_genes: usize,
    options: CytoStr<'_>,
    names: *const *const c_char,
    values: *const *const f64,
    lengths: *const usize,
    n_columns: usize,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_deseq_results>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let mut fields = Fields::parse(options)?;
        // SAFETY: the header asks for arrays of these lengths.
        let (genes, mut columns) = unsafe {
            (
                text::list("genes", genes, n_genes)?,
                read_columns(names, values, lengths, n_columns)?,
            )
        };
        let odd = columns.given.iter().find(|(_, v)| v.len() != n_genes);
        if let Some((name, values)) = odd {
            let message = format!("{} values for {n_genes} genes", values.len());
            return Err(Error::argument(name.clone(), message).into());
        }
        let table = kept_results(genes, &mut columns, &mut fields)?;
        fields.finish()?;
        columns.finish()?;
        Ok(cyto_deseq_results::new(table, None).summed_at_its_level())
    })
}

fn kept_results(
    genes: Vec<String>,
    columns: &mut Columns<'_>,
    fields: &mut Fields,
) -> Result<DeseqResults, Error> {
    let (mut alpha, mut lfc_threshold, mut threshold) = (None, 0.0, None);
    fields.maybe_number("alpha", &mut alpha)?;
    fields.number("lfc_threshold", &mut lfc_threshold)?;
    fields.maybe_number("filter_threshold", &mut threshold)?;
    let mut maybe = |name: &str| columns.maybe(name).map(<[f64]>::to_vec);
    let (padj, svalue) = (maybe("padj"), maybe("svalue"));
    let by_s = svalue.is_some() && padj.is_none();
    Ok(DeseqResults {
        lfc_mle: maybe("lfcMLE"),
        lfc_se: maybe("lfcSE").unwrap_or_else(|| vec![f64::NAN; genes.len()]),
        stat: maybe("stat"),
        pvalue: maybe("pvalue"),
        padj,
        svalue,
        base_mean: columns.numbers("baseMean")?,
        log2_fold_change: columns.numbers("log2FoldChange")?,
        notes: Vec::new(),
        filtering: threshold.map(|threshold| Filtering {
            steps: Vec::new(),
            theta: f64::NAN,
            threshold,
        }),
        alpha: alpha.unwrap_or(if by_s { 0.005 } else { 0.1 }),
        lfc_threshold,
        genes,
    })
}

/// Puts estimates of an earlier analysis of the same data into a data set, for hosts that keep the columns
/// themselves. `names`, `values` and `lengths`: for each of `n_columns` its name, values (f64, NaN where missing;
/// matrices row after row) and number of values. For dispersions: "baseMean", "baseVar", "allZero", "dispGeneEst",
/// "dispGeneIter", "dispFit", "dispersion", "dispIter", "dispOutlier", "dispMAP", "disp_model_matrix", "trend", and
/// for quasi-likelihood ones "qlDispMLE", "qlDispFit", "qlDispMAP", "dispFitQLCorrected". Without "dispersion" the
/// stage before: these without the last four of the first, "dispFit" and "trend" where there is one, and "mu" (genes x
/// samples), which `cyto_deseq_shrink_dispersions` needs. Dispersions may have "mu" too: Cook's distances of a
/// likelihood-ratio test are about these means. For a test also "coefficients", "SE", "WaldStatistic", "WaldPvalue" or "LRTStatistic", "LRTPvalue", "reducedBetaConv"; "betaConv", "betaIter", "deviance", "maxCooks",
/// "cooksSample"; where there are any "tDegreesFreedom", "beta_prior_var", "MLE", "replace", "model_matrix". Options:
/// "var_log_disp_ests", "disp_prior_var", "ql_df0" (infinite when left out); for a test "model_matrix_type" ("standard",
/// "expanded", "user-supplied"), "results_names", "min_mu", "lrt" (the designs in words), "mle_names". Everything is
/// copied; on failure nothing changes.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_restore(
    deseq: Option<&cyto_deseq>,
    options: CytoStr<'_>,
    names: *const *const c_char,
    values: *const *const f64,
    lengths: *const usize,
    n_columns: usize,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || -> Result<(), Failure> {
        let mut state = required("deseq", deseq)?.lock()?;
        let mut fields = Fields::parse(options)?;
        // SAFETY: the header asks for arrays of these lengths.
        let mut columns = unsafe { read_columns(names, values, lengths, n_columns) }?;
        if !columns.given.contains_key("dispersion") {
            let (made, trend) = gene_wise(&state.dataset, &mut columns, &mut fields)?;
            fields.finish()?;
            columns.finish()?;
            state.enter(Stage::GeneWise(Box::new(made), trend.map(Box::new)));
            return Ok(());
        }
        let dispersions = dispersions(&state.dataset, &mut columns, &mut fields)?;
        let stage = if columns.given.contains_key("coefficients") {
            let fit = fit(&state.dataset, &mut columns, &mut fields)?;
            let replacement = replacement(&mut columns)?;
            Stage::Tested(Box::new(Analysis {
                dispersions,
                fit,
                replacement,
            }))
        } else {
            Stage::Dispersed(Box::new(dispersions))
        };
        fields.finish()?;
        columns.finish()?;
        state.enter(stage);
        Ok(())
    })
}

/// Dispersions at `means` by a trend that `cyto_deseq_array` lent as "trend". `out`: room for `n_means` values.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_trend_values(
    trend: *const f64,
    n_trend: usize,
    means: *const f64,
    n_means: usize,
    out: *mut f64,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || -> Result<(), Failure> {
        // SAFETY: the header asks for arrays of these lengths.
        let (trend, means) = unsafe {
            (
                text::slice("trend", trend, n_trend)?,
                text::slice("means", means, n_means)?,
            )
        };
        let trend = Trend::from_numbers(trend)?;
        if n_means > 0 && out.is_null() {
            return Err(Error::argument("out", "NULL; must be an array").into());
        }
        for (at, &mean) in means.iter().enumerate() {
            // SAFETY: the header asks for room for as many values.
            unsafe { *out.add(at) = trend.value(mean) };
        }
        Ok(())
    })
}
