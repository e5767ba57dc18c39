//! DESeq2's analysis: data sets, steps, transformations.

use std::ffi::{CStr, CString, c_char};

use cytosol::{
    cyto_context, cyto_deseq, cyto_deseq_counts, cyto_deseq_estimate_dispersions,
    cyto_deseq_estimate_gene_wise_dispersions, cyto_deseq_estimate_size_factors,
    cyto_deseq_fit_dispersion_trend, cyto_deseq_fpkm, cyto_deseq_fpm, cyto_deseq_info_json,
    cyto_deseq_input, cyto_deseq_lrt, cyto_deseq_new, cyto_deseq_restore, cyto_deseq_rlog,
    cyto_deseq_run, cyto_deseq_samples, cyto_deseq_samples_new, cyto_deseq_samples_set_factor,
    cyto_deseq_samples_set_numbers, cyto_deseq_set, cyto_deseq_shrink_dispersions,
    cyto_deseq_table_arrow, cyto_deseq_trend_values, cyto_deseq_unmix, cyto_deseq_unmix_input,
    cyto_deseq_vst, cyto_deseq_wald, cyto_matrix,
};
use extendr_api::prelude::*;
use safer_ffi::prelude::repr_c;

use crate::answer::{Failure, answer, done, made};
use crate::call::with_context;
use crate::counts::{Counts, Dense, Held, Names, held, numbers, text};
use crate::frames::{self, Stream};
use crate::options::{json_text, list_of};

/// Counts of genes x samples: `list(dense = matrix of integers, rows =, columns =)`, or a sparse matrix.
fn lend(counts: &Robj, ctx: &cyto_context) -> Result<repr_c::Box<cyto_matrix>, Failure> {
    match counts.dollar("dense").is_ok_and(|dense| !dense.is_null()) {
        true => Dense::read(counts)?.lend(ctx),
        false => Counts::read(counts)?.lend(ctx),
    }
}

/// A sample table from `list(factors = list(name = list(codes, levels)), numbers = list(name = doubles))`.
fn sample_table(names: &Names, columns: &Robj) -> Result<repr_c::Box<cyto_deseq_samples>, Failure> {
    let mut samples =
        made(|out, err| cyto_deseq_samples_new(names.pointers(), names.len(), out, err))?;
    let wrong = |name: &str| Failure::argument(name, "is not a column of a sample table");
    let part = |name: &str| columns.dollar(name).ok().and_then(|part| part.as_list());
    for (name, factor) in part("factors").iter().flat_map(List::iter) {
        let field = |at: &str| factor.dollar(at).map_err(|_| wrong(name));
        let (codes, levels) = (field("codes")?, Names::read(name, &field("levels")?)?);
        let codes = codes.as_integer_slice().ok_or_else(|| wrong(name))?;
        let column = CString::new(name).unwrap_or_default();
        done(|err| {
            cyto_deseq_samples_set_factor(
                Some(&mut samples),
                text(&column),
                codes.as_ptr(),
                codes.len(),
                levels.pointers(),
                levels.len(),
                err,
            )
        })?;
    }
    for (name, values) in part("numbers").iter().flat_map(List::iter) {
        let values = numbers(name, &values)?;
        let column = CString::new(name).unwrap_or_default();
        done(|err| {
            cyto_deseq_samples_set_numbers(
                Some(&mut samples),
                text(&column),
                values.as_ptr(),
                values.len(),
                err,
            )
        })?;
    }
    Ok(samples)
}

/// A data set. `design` is a formula, or `list(values =, names =)`: samples x coefficients, row after row.
/// @noRd
#[extendr]
fn deseq_new(
    settings: Robj,
    counts: Robj,
    samples: Robj,
    columns: Robj,
    genes: Robj,
    design: Robj,
    options: Robj,
) -> Robj {
    answer(|| {
        let (samples, genes) = (
            Names::read("samples", &samples)?,
            Names::read("genes", &genes)?,
        );
        let table = sample_table(&samples, &columns)?;
        let options = json_text(&options)?;
        let formula = design
            .as_str()
            .map(|text| CString::new(text).unwrap_or_default());
        let (values, names) = match formula {
            Some(_) => (None, None),
            None => {
                let field = |name: &str| {
                    design
                        .dollar(name)
                        .map_err(|_| Failure::argument("design", "must be a formula or a matrix"))
                };
                (
                    Some(field("values")?),
                    Some(Names::read("design", &field("names")?)?),
                )
            }
        };
        let values = values
            .as_ref()
            .map_or(Ok(&[][..]), |values| numbers("design", values))?;
        let handle = with_context(&settings, |ctx| {
            let matrix = lend(&counts, ctx)?;
            let input = cyto_deseq_input {
                struct_size: size_of::<cyto_deseq_input>(),
                counts: &raw const *matrix,
                samples: &raw const *table,
                genes: genes.pointers(),
                n_genes: genes.len(),
                design: formula
                    .as_ref()
                    .map_or(std::ptr::null(), |text| text.as_ptr()),
                model_matrix: match &names {
                    Some(_) => values.as_ptr(),
                    None => std::ptr::null(),
                },
                coefficients: names.as_ref().map_or(std::ptr::null(), Names::pointers),
                n_coefficients: names.as_ref().map_or(0, Names::len),
            };
            made(|out, err| cyto_deseq_new(Some(ctx), &input, text(&options), out, err))
        })?;
        Ok(Held::into_robj(handle, Vec::new()))
    })
}

/// Size factors, normalization factors, lengths or weights; matrices gene after gene.
/// @noRd
#[extendr]
fn deseq_set(handle: Robj, name: &str, values: Robj) -> Robj {
    answer(|| {
        let deseq = held::<cyto_deseq>("dds", &handle)?;
        let values = numbers(name, &values)?;
        let name = CString::new(name).unwrap_or_default();
        done(|err| {
            cyto_deseq_set(
                Some(&deseq.handle),
                text(&name),
                values.as_ptr(),
                values.len(),
                err,
            )
        })?;
        Ok(().into())
    })
}

/// A step: "size_factors", "dispersions" or their stages "gene_wise", "trend" and "shrink", "wald", "lrt" or "run".
/// @noRd
#[extendr]
fn deseq_step(settings: Robj, handle: Robj, step: &str, options: Robj) -> Robj {
    answer(|| {
        let deseq = Some(&held::<cyto_deseq>("dds", &handle)?.handle);
        let options = json_text(&options)?;
        let call = match step {
            "size_factors" => cyto_deseq_estimate_size_factors,
            "dispersions" => cyto_deseq_estimate_dispersions,
            "gene_wise" => cyto_deseq_estimate_gene_wise_dispersions,
            "trend" => cyto_deseq_fit_dispersion_trend,
            "shrink" => cyto_deseq_shrink_dispersions,
            "wald" => cyto_deseq_wald,
            "lrt" => cyto_deseq_lrt,
            "run" => cyto_deseq_run,
            _ => return Err(Failure::argument("step", "is not a step")),
        };
        with_context(&settings, |ctx| {
            done(|err| call(Some(ctx), deseq.map(|d| &**d), text(&options), err))
        })?;
        Ok(().into())
    })
}

/// Columns of numbers by name, as the C ABI takes them; they borrow the list they come from.
pub(crate) struct Columns {
    _texts: Vec<CString>,
    pub(crate) names: Vec<*const c_char>,
    pub(crate) values: Vec<*const f64>,
    pub(crate) lengths: Vec<usize>,
}

impl Columns {
    pub(crate) fn read(columns: &Robj) -> Result<Self, Failure> {
        let list = columns
            .as_list()
            .ok_or_else(|| Failure::argument("columns", "must be a list"))?;
        let (mut texts, mut values, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for (name, column) in list.iter() {
            let column = numbers(name, &column)?;
            texts.push(CString::new(name).unwrap_or_default());
            values.push(column.as_ptr());
            lengths.push(column.len());
        }
        Ok(Columns {
            names: texts.iter().map(|text| text.as_ptr()).collect(),
            _texts: texts,
            values,
            lengths,
        })
    }
}

/// Puts kept estimates back: columns by name.
/// @noRd
#[extendr]
fn deseq_put_back(handle: Robj, columns: Robj, options: Robj) -> Robj {
    answer(|| {
        let deseq = held::<cyto_deseq>("dds", &handle)?;
        let options = json_text(&options)?;
        let columns = Columns::read(&columns)?;
        done(|err| {
            cyto_deseq_restore(
                Some(&deseq.handle),
                text(&options),
                columns.names.as_ptr(),
                columns.values.as_ptr(),
                columns.lengths.as_ptr(),
                columns.lengths.len(),
                err,
            )
        })?;
        Ok(().into())
    })
}

/// The columns of the genes so far.
/// @noRd
#[extendr]
fn deseq_gene_table(handle: Robj) -> Robj {
    answer(|| {
        let deseq = held::<cyto_deseq>("dds", &handle)?;
        let mut stream = Stream::empty();
        done(|err| {
            cyto_deseq_table_arrow(
                Some(&deseq.handle),
                text(&c"genes".into()),
                stream.out(),
                err,
            )
        })?;
        frames::read(stream)
    })
}

/// # Safety
/// A string that ends with NUL, or NULL.
pub(crate) unsafe fn parsed(text: *const c_char) -> Robj {
    if text.is_null() {
        return ().into();
    }
    // SAFETY: promised by the caller.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    serde_json::from_str(&text).map_or_else(|_| ().into(), |value| list_of(&value))
}

/// Facts of the analysis so far.
/// @noRd
#[extendr]
fn deseq_info(handle: Robj) -> Robj {
    answer(|| {
        let deseq = held::<cyto_deseq>("dds", &handle)?;
        // SAFETY: valid while the handle lives.
        Ok(unsafe { parsed(cyto_deseq_info_json(Some(&deseq.handle))) })
    })
}

/// @noRd
#[extendr]
fn deseq_transform(settings: Robj, handle: Robj, kind: &str, options: Robj) -> Robj {
    answer(|| {
        let deseq = held::<cyto_deseq>("dds", &handle)?;
        let options = json_text(&options)?;
        let call = match kind {
            "vst" => cyto_deseq_vst,
            "rlog" => cyto_deseq_rlog,
            "counts" => cyto_deseq_counts,
            "fpm" => cyto_deseq_fpm,
            "fpkm" => cyto_deseq_fpkm,
            _ => return Err(Failure::argument("kind", "is not a function of counts")),
        };
        let values = with_context(&settings, |ctx| {
            made(|out, err| call(Some(ctx), Some(&deseq.handle), text(&options), out, err))
        })?;
        Ok(Held::into_robj(values, Vec::new()))
    })
}

/// Dispersions at means by a trend.
/// @noRd
#[extendr]
fn deseq_trend_values(trend: Robj, means: Robj) -> Robj {
    answer(|| {
        let (trend, means) = (numbers("trend", &trend)?, numbers("means", &means)?);
        let mut values = vec![0.0; means.len()];
        done(|err| {
            cyto_deseq_trend_values(
                trend.as_ptr(),
                trend.len(),
                means.as_ptr(),
                means.len(),
                values.as_mut_ptr(),
                err,
            )
        })?;
        Ok(values.into())
    })
}

/// Shares of pure samples; `x` and `pure` gene after gene.
/// @noRd
#[extendr]
fn deseq_unmix(settings: Robj, x: Robj, pure: Robj, n_genes: i32, options: Robj) -> Robj {
    answer(|| {
        let options = json_text(&options)?;
        let (x, pure) = (numbers("x", &x)?, numbers("pure", &pure)?);
        let n_genes = n_genes.max(0) as usize;
        let columns = |values: &[f64]| values.len().checked_div(n_genes).unwrap_or(0);
        let input = cyto_deseq_unmix_input {
            struct_size: size_of::<cyto_deseq_unmix_input>(),
            x: x.as_ptr(),
            pure: pure.as_ptr(),
            n_genes,
            n_samples: columns(x),
            n_types: columns(pure),
        };
        let unmixed = with_context(&settings, |ctx| {
            made(|out, err| cyto_deseq_unmix(Some(ctx), &input, text(&options), out, err))
        })?;
        Ok(Held::into_robj(unmixed, Vec::new()))
    })
}

extendr_module! {
    mod deseq;
    fn deseq_new;
    fn deseq_set;
    fn deseq_step;
    fn deseq_put_back;
    fn deseq_gene_table;
    fn deseq_info;
    fn deseq_transform;
    fn deseq_trend_values;
    fn deseq_unmix;
}
