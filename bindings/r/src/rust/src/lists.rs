//! Results of every pixel as the lists that spacexr has: scores of pairs, scores of single types, chosen types.

use std::ffi::CStr;

use cytosol::cyto_array;
use extendr_api::prelude::*;
use extendr_ffi::{INTEGER, LOGICAL, REAL, Rf_duplicate, SEXP, SEXPTYPE};

use crate::answer::{Failure, answer};
use crate::arrays::{elements, lent};
use crate::sexp::{self, Protected};

/// # Safety
/// The array is of texts.
unsafe fn names_of(array: &cyto_array, protected: &mut Protected) -> SEXP {
    // SAFETY: promised by the caller.
    let texts = unsafe { elements::<*const std::ffi::c_char>(array) };
    let vector = protected.vector(SEXPTYPE::STRSXP, texts.len());
    for (i, &text) in texts.iter().enumerate() {
        // SAFETY: ends with NUL.
        let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
        sexp::set_text(vector, i, sexp::text(bytes));
    }
    vector
}

fn pick_names(types: SEXP, chosen: &[u32], protected: &mut Protected) -> SEXP {
    let names = protected.vector(SEXPTYPE::STRSXP, chosen.len());
    for (i, &t) in chosen.iter().enumerate() {
        // SAFETY: the library's types are below their number.
        sexp::set_text(names, i, unsafe {
            extendr_ffi::STRING_ELT(types, t as isize)
        });
    }
    names
}

fn doubles(values: &[f64], protected: &mut Protected) -> SEXP {
    let vector = protected.vector(SEXPTYPE::REALSXP, values.len());
    // SAFETY: a new vector of this length.
    unsafe { std::slice::from_raw_parts_mut(REAL(vector), values.len()) }.copy_from_slice(values);
    vector
}

fn flags(values: &[u8], protected: &mut Protected) -> SEXP {
    let vector = protected.vector(SEXPTYPE::LGLSXP, values.len());
    for (i, &value) in values.iter().enumerate() {
        // SAFETY: a new vector of this length.
        unsafe { *LOGICAL(vector).add(i) = i32::from(value != 0) };
    }
    vector
}

/// A new vector of integers, filled place by place.
fn integers(n: usize, value: impl Fn(usize) -> i32, protected: &mut Protected) -> SEXP {
    let vector = protected.vector(SEXPTYPE::INTSXP, n);
    for i in 0..n {
        // SAFETY: a new vector of this length.
        unsafe { *INTEGER(vector).add(i) = value(i) };
    }
    vector
}

/// A symmetric matrix with an empty diagonal from the pairs (0,1), (0,2), ..., as a `dgCMatrix`.
fn pair_matrix(template: SEXP, pairs: &[f64], names: SEXP, k: usize) -> SEXP {
    let mut protected = Protected::new();
    // SAFETY: an object of R.
    let matrix = protected.keep(unsafe { Rf_duplicate(template) });
    let row_of = |entry: usize| {
        let (column, place) = (entry / (k - 1), entry % (k - 1));
        (column, if place < column { place } else { place + 1 })
    };
    let n = k * (k - 1);
    let rows = integers(n, |entry| row_of(entry).1 as i32, &mut protected);
    let starts = integers(k + 1, |column| (column * (k - 1)) as i32, &mut protected);
    let shape = integers(2, |_| k as i32, &mut protected);
    let values = protected.vector(SEXPTYPE::REALSXP, n);
    for entry in 0..n {
        let (column, row) = row_of(entry);
        let (a, b) = (row.min(column), row.max(column));
        // SAFETY: a new vector of this length.
        unsafe { *REAL(values).add(entry) = pairs[a * (2 * k - a - 1) / 2 + b - a - 1] };
    }
    let both = protected.vector(SEXPTYPE::VECSXP, 2);
    sexp::set_item(both, 0, names);
    sexp::set_item(both, 1, names);
    for (slot, value) in [
        (c"i", rows),
        (c"p", starts),
        (c"x", values),
        (c"Dim", shape),
        (c"Dimnames", both),
    ] {
        sexp::set_attribute(matrix, slot, value);
    }
    matrix
}

/// The lists `score_mat` and `singlet_scores` of doublet mode; `template` is an empty `dgCMatrix`.
/// @noRd
#[extendr]
fn doublet_scores(results: Robj, template: Robj) -> Robj {
    answer(|| {
        let types = lent(&results, "cell_types")?;
        let (offsets, candidates) = (
            lent(&results, "candidate_offsets")?,
            lent(&results, "candidates")?,
        );
        let (pair_offsets, pairs) = (
            lent(&results, "pair_offsets")?,
            lent(&results, "pair_scores")?,
        );
        let singles = lent(&results, "singlet_scores")?;
        // SAFETY: the types that the header gives for these arrays; `results` is alive.
        let (offsets, candidates, pair_offsets, pairs, singles) = unsafe {
            (
                elements::<u64>(&offsets),
                elements::<u32>(&candidates),
                elements::<u64>(&pair_offsets),
                elements::<f64>(&pairs),
                elements::<f64>(&singles),
            )
        };
        let n = offsets.len().saturating_sub(1);
        let mut protected = Protected::new();
        // SAFETY: texts.
        let type_names = unsafe { names_of(&types, &mut protected) };
        let score_mat = protected.vector(SEXPTYPE::VECSXP, n);
        let singlet_scores = protected.vector(SEXPTYPE::VECSXP, n);
        for pixel in 0..n {
            let own = offsets[pixel] as usize..offsets[pixel + 1] as usize;
            let own_pairs = &pairs[pair_offsets[pixel] as usize..pair_offsets[pixel + 1] as usize];
            let mut inner = Protected::new();
            let names = pick_names(type_names, &candidates[own.clone()], &mut inner);
            let scores = doubles(&singles[own.clone()], &mut inner);
            sexp::set_names(scores, names);
            sexp::set_item(singlet_scores, pixel, scores);
            // SAFETY: an object of R.
            let matrix = pair_matrix(unsafe { template.get() }, own_pairs, names, own.len());
            sexp::set_item(score_mat, pixel, matrix);
        }
        // SAFETY: new lists of R.
        let (score_mat, singlet_scores) =
            unsafe { (Robj::from_sexp(score_mat), Robj::from_sexp(singlet_scores)) };
        Ok(list!(score_mat = score_mat, singlet_scores = singlet_scores).into())
    })
}

/// What a pixel's list has in multi mode.
const MULTI: [&CStr; 8] = [
    c"all_weights",
    c"cell_type_list",
    c"conf_list",
    c"sub_weights",
    c"min_score",
    c"conv_all",
    c"conv_sub",
    c"fallback",
];

/// The list of pixels of multi mode.
/// @noRd
#[extendr]
fn multi_pixels(results: Robj) -> Robj {
    answer(|| {
        let get = |name: &str| lent(&results, name);
        let (types, weights) = (get("cell_types")?, get("weights")?);
        let (offsets, chosen) = (get("multi_offsets")?, get("multi_types")?);
        let (conf, sub) = (get("conf_list")?, get("sub_weights")?);
        let (score, all, subs) = (get("min_score")?, get("conv_all")?, get("conv_sub")?);
        let fallback = get("fallback")?;
        // SAFETY: the types that the header gives for these arrays; `results` is alive.
        let (weights, offsets, chosen, conf, sub, score, all, subs, fallback) = unsafe {
            (
                elements::<f64>(&weights),
                elements::<u64>(&offsets),
                elements::<u32>(&chosen),
                elements::<u8>(&conf),
                elements::<f64>(&sub),
                elements::<f64>(&score),
                elements::<u8>(&all),
                elements::<u8>(&subs),
                elements::<u8>(&fallback),
            )
        };
        let k = types.n_rows;
        let n = offsets.len().saturating_sub(1);
        if weights.len() != n * k {
            return Err(Failure::argument("results", "are of another shape"));
        }
        let mut protected = Protected::new();
        // SAFETY: texts.
        let type_names = unsafe { names_of(&types, &mut protected) };
        let keys = protected.vector(SEXPTYPE::STRSXP, MULTI.len());
        for (i, key) in MULTI.iter().enumerate() {
            sexp::set_text(keys, i, sexp::text(key.to_bytes()));
        }
        let pixels = protected.vector(SEXPTYPE::VECSXP, n);
        for pixel in 0..n {
            let own = offsets[pixel] as usize..offsets[pixel + 1] as usize;
            let mut inner = Protected::new();
            let list = inner.vector(SEXPTYPE::VECSXP, MULTI.len());
            let all_weights = doubles(&weights[pixel * k..(pixel + 1) * k], &mut inner);
            sexp::set_names(all_weights, type_names);
            let names = pick_names(type_names, &chosen[own.clone()], &mut inner);
            let conf_list = flags(&conf[own.clone()], &mut inner);
            sexp::set_names(conf_list, names);
            let sub_weights = doubles(&sub[own.clone()], &mut inner);
            // spacexr: the share of a single type has no name.
            if own.len() > 1 {
                sexp::set_names(sub_weights, names);
            }
            let items = [
                all_weights,
                names,
                conf_list,
                sub_weights,
                doubles(&score[pixel..=pixel], &mut inner),
                flags(&all[pixel..=pixel], &mut inner),
                flags(&subs[pixel..=pixel], &mut inner),
                flags(&fallback[pixel..=pixel], &mut inner),
            ];
            for (i, item) in items.into_iter().enumerate() {
                sexp::set_item(list, i, item);
            }
            sexp::set_names(list, keys);
            sexp::set_item(pixels, pixel, list);
        }
        // SAFETY: a new list of R.
        Ok(unsafe { Robj::from_sexp(pixels) })
    })
}

extendr_module! {
    mod lists;
    fn doublet_scores;
    fn multi_pixels;
}
