//! Preprocessing of files and of matrices of R.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;

use cytosol::{
    CytoStr, cyto_cleanup, cyto_context, cyto_dataset, cyto_dataset_write_h5ad, cyto_error,
    cyto_matrix, cyto_pp_aggregate, cyto_pp_convert, cyto_pp_coordinates_neighbors,
    cyto_pp_filter_cells, cyto_pp_filter_genes, cyto_pp_highly_variable_genes, cyto_pp_input,
    cyto_pp_log1p, cyto_pp_matrix_aggregate, cyto_pp_matrix_filter_cells,
    cyto_pp_matrix_filter_genes, cyto_pp_matrix_highly_variable_genes, cyto_pp_matrix_pca,
    cyto_pp_matrix_qc, cyto_pp_matrix_scale, cyto_pp_matrix_size_factors, cyto_pp_matrix_transform,
    cyto_pp_neighbors, cyto_pp_normalize_total, cyto_pp_pca, cyto_pp_preprocess, cyto_pp_qc,
    cyto_pp_result, cyto_pp_result_report_json, cyto_pp_result_table_arrow, cyto_pp_scale,
    cyto_pp_subset, cyto_pp_validate, cyto_status,
};
use extendr_api::prelude::*;
use safer_ffi::prelude::repr_c;
use serde_json::Value;

use crate::answer::{Failure, answer, done, made};
use crate::call::with_context;
use crate::counts::{Counts, Dense, Held, Names, held, text};
use crate::frames;
use crate::options::{json_text, list_of};

type Handle = repr_c::Box<cyto_pp_result>;

type FileStep = for<'a> extern "C" fn(
    Option<&cyto_context>,
    CytoStr<'a>,
    CytoStr<'a>,
    CytoStr<'a>,
    Option<&mut MaybeUninit<Option<Handle>>>,
    Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status;

type MatrixStep = for<'a> extern "C" fn(
    Option<&cyto_context>,
    *const cyto_pp_input,
    CytoStr<'a>,
    Option<&mut MaybeUninit<Option<Handle>>>,
    Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status;

const FILE_STEPS: [(&str, FileStep); 12] = [
    ("qc", cyto_pp_qc),
    ("filter_cells", cyto_pp_filter_cells),
    ("filter_genes", cyto_pp_filter_genes),
    ("normalize_total", cyto_pp_normalize_total),
    ("log1p", cyto_pp_log1p),
    ("highly_variable_genes", cyto_pp_highly_variable_genes),
    ("pca", cyto_pp_pca),
    ("scale", cyto_pp_scale),
    ("neighbors", cyto_pp_neighbors),
    ("aggregate", cyto_pp_aggregate),
    ("preprocess", cyto_pp_preprocess),
    ("convert", cyto_pp_convert),
];

const MATRIX_STEPS: [(&str, MatrixStep); 8] = [
    ("qc", cyto_pp_matrix_qc),
    ("filter_cells", cyto_pp_matrix_filter_cells),
    ("filter_genes", cyto_pp_matrix_filter_genes),
    ("size_factors", cyto_pp_matrix_size_factors),
    ("transform", cyto_pp_matrix_transform),
    (
        "highly_variable_genes",
        cyto_pp_matrix_highly_variable_genes,
    ),
    ("pca", cyto_pp_matrix_pca),
    ("aggregate", cyto_pp_matrix_aggregate),
];

fn step_of<S: Copy>(steps: &[(&str, S)], name: &str) -> Result<S, Failure> {
    let found = steps.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, step)| *step)
        .ok_or_else(|| Failure::argument("step", "is none of preprocessing"))
}

/// A path as raw bytes; NULL of R is none.
fn path(name: &str, bytes: &Robj) -> Result<Option<CString>, Failure> {
    if bytes.is_null() {
        return Ok(None);
    }
    let bytes = bytes
        .as_raw_slice()
        .ok_or_else(|| Failure::argument(name, "must be raw bytes"))?;
    let path = CString::new(bytes).map_err(|_| Failure::argument(name, "holds NUL"))?;
    Ok(Some(path))
}

fn given(text_or_null: &Option<CString>) -> CytoStr<'_> {
    text_or_null.as_ref().and_then(text)
}

/// A step over a file.
/// @noRd
#[extendr]
fn pp_file_step(settings: Robj, step: &str, input: Robj, output: Robj, options: Robj) -> Robj {
    answer(|| {
        let step = step_of(&FILE_STEPS, step)?;
        let (input, output) = (path("input", &input)?, path("output", &output)?);
        let options = json_text(&options)?;
        let (input, output, options) = (given(&input), given(&output), text(&options));
        let result = with_context(&settings, |ctx| {
            made(|out, err| step(Some(ctx), input, output, options, out, err))
        })?;
        Ok(Held::into_robj(result, Vec::new()))
    })
}

/// Everything that is wrong with a file.
/// @noRd
#[extendr]
fn pp_validate_file(settings: Robj, input: Robj) -> Robj {
    answer(|| {
        let input = path("input", &input)?;
        let input = given(&input);
        let result = with_context(&settings, |ctx| {
            made(|out, err| cyto_pp_validate(Some(ctx), input, out, err))
        })?;
        Ok(Held::into_robj(result, Vec::new()))
    })
}

/// Flags of R's integers; NULL is none.
fn flags(name: &str, given: &Robj) -> Result<Vec<u8>, Failure> {
    if given.is_null() {
        return Ok(Vec::new());
    }
    let flags = given
        .as_integer_slice()
        .ok_or_else(|| Failure::argument(name, "must be flags"))?;
    Ok(flags.iter().map(|&flag| u8::from(flag != 0)).collect())
}

fn start<T>(list: &[T]) -> *const T {
    if list.is_empty() {
        return std::ptr::null();
    }
    list.as_ptr()
}

/// Some cells and genes of a file.
/// @noRd
#[extendr]
fn pp_subset_file(
    settings: Robj,
    input: Robj,
    output: Robj,
    cells: Robj,
    genes: Robj,
    options: Robj,
) -> Robj {
    answer(|| {
        let (input, output) = (path("input", &input)?, path("output", &output)?);
        let options = json_text(&options)?;
        let (cells, genes) = (flags("cells", &cells)?, flags("genes", &genes)?);
        let (input, output, options) = (given(&input), given(&output), text(&options));
        let result = with_context(&settings, |ctx| {
            made(|out, err| {
                let (n_cells, n_genes) = (cells.len(), genes.len());
                let (cells, genes) = (start(&cells), start(&genes));
                cyto_pp_subset(
                    Some(ctx),
                    input,
                    output,
                    cells,
                    n_cells,
                    genes,
                    n_genes,
                    options,
                    out,
                    err,
                )
            })
        })?;
        Ok(Held::into_robj(result, Vec::new()))
    })
}

/// What is known of a matrix: `list(cells =, genes =, codes =, label_names =, flags =, flag_names =, mask =)`.
struct Facts {
    names: [Names; 4],
    codes: Vec<i32>,
    flags: Vec<u8>,
    mask: Vec<u8>,
}

impl Facts {
    fn read(facts: &Robj) -> Result<Self, Failure> {
        let field = |name: &str| facts.dollar(name).unwrap_or_default();
        let names = |name: &str| {
            let texts = field(name);
            match texts.is_null() {
                true => Names::read(name, &Vec::<String>::new().into_robj()),
                false => Names::read(name, &texts),
            }
        };
        let codes = field("codes");
        let codes = match codes.is_null() {
            true => Vec::new(),
            false => codes
                .as_integer_slice()
                .ok_or_else(|| Failure::argument("codes", "must be integers"))?
                .to_vec(),
        };
        Ok(Facts {
            names: [
                names("cells")?,
                names("genes")?,
                names("label_names")?,
                names("flag_names")?,
            ],
            codes,
            flags: flags("flags", &field("flags"))?,
            mask: flags("mask", &field("mask"))?,
        })
    }

    /// The struct of the library, which borrows all this.
    fn input(&self, counts: &cyto_matrix) -> cyto_pp_input {
        let [cells, genes, label_names, flag_names] = &self.names;
        let texts = |names: &Names| match names.len() {
            0 => std::ptr::null(),
            _ => names.pointers(),
        };
        cyto_pp_input {
            struct_size: size_of::<cyto_pp_input>(),
            counts,
            cells: texts(cells),
            n_cells: cells.len(),
            genes: texts(genes),
            n_genes: genes.len(),
            labels: start(&self.codes),
            n_labels: self.codes.len(),
            label_names: texts(label_names),
            n_label_names: label_names.len(),
            gene_groups: start(&self.flags),
            n_gene_groups: self.flags.len(),
            gene_group_names: texts(flag_names),
            n_gene_group_names: flag_names.len(),
            mask_var: start(&self.mask),
            n_mask_var: self.mask.len(),
        }
    }
}

/// A matrix of genes x cells as R code hands it over: sparse, or `list(dense =, rows =, columns =)`; beside it
/// `are_counts`.
fn lend(matrix: &Robj, ctx: &cyto_context) -> Result<repr_c::Box<cyto_matrix>, Failure> {
    let are_counts = matrix
        .dollar("are_counts")
        .ok()
        .and_then(|flag| flag.as_bool())
        .ok_or_else(|| Failure::argument("are_counts", "must be one flag"))?;
    let dense = matrix.dollar("dense").unwrap_or_default();
    match (dense.is_null(), are_counts) {
        (true, true) => Counts::read(matrix)?.lend(ctx),
        (true, false) => Counts::read(matrix)?.lend_values(ctx),
        (false, true) => Dense::read(matrix)?.lend(ctx),
        (false, false) => Dense::read(matrix)?.lend_values(ctx),
    }
}

/// A step over a matrix.
/// @noRd
#[extendr]
fn pp_matrix_step(settings: Robj, step: &str, matrix: Robj, facts: Robj, options: Robj) -> Robj {
    answer(|| {
        let step = step_of(&MATRIX_STEPS, step)?;
        let facts = Facts::read(&facts)?;
        let options = json_text(&options)?;
        let options = text(&options);
        let result = with_context(&settings, |ctx| {
            let matrix = lend(&matrix, ctx)?;
            let input = facts.input(&matrix);
            made(|out, err| step(Some(ctx), &input, options, out, err))
        })?;
        Ok(Held::into_robj(result, Vec::new()))
    })
}

/// Scales a matrix; `mask_obs` are flags of the cells or NULL.
/// @noRd
#[extendr]
fn pp_matrix_scale(
    settings: Robj,
    matrix: Robj,
    facts: Robj,
    mask_obs: Robj,
    options: Robj,
) -> Robj {
    answer(|| {
        let facts = Facts::read(&facts)?;
        let mask = flags("mask_obs", &mask_obs)?;
        let options = json_text(&options)?;
        let options = text(&options);
        let result = with_context(&settings, |ctx| {
            let matrix = lend(&matrix, ctx)?;
            let input = facts.input(&matrix);
            made(|out, err| {
                cyto_pp_matrix_scale(
                    Some(ctx),
                    &input,
                    start(&mask),
                    mask.len(),
                    options,
                    out,
                    err,
                )
            })
        })?;
        Ok(Held::into_robj(result, Vec::new()))
    })
}

/// Neighbours of cells by coordinates, one cell after the other.
/// @noRd
#[extendr]
fn pp_neighbors_of(settings: Robj, coordinates: Robj, n_dims: i32, options: Robj) -> Robj {
    answer(|| {
        let values = coordinates
            .as_real_slice()
            .ok_or_else(|| Failure::argument("coordinates", "must be doubles"))?;
        let n_dims = usize::try_from(n_dims).unwrap_or(0);
        let n_cells = values.len().checked_div(n_dims).unwrap_or(0);
        let options = json_text(&options)?;
        let options = text(&options);
        let result = with_context(&settings, |ctx| {
            made(|out, err| {
                let values = values.as_ptr();
                cyto_pp_coordinates_neighbors(Some(ctx), values, n_cells, n_dims, options, out, err)
            })
        })?;
        Ok(Held::into_robj(result, Vec::new()))
    })
}

/// A table of a result as a list of columns; the first one, "index", holds the row names.
/// @noRd
#[extendr]
fn pp_table(result: Robj, table: &str) -> Robj {
    answer(|| {
        let result = held::<cyto_pp_result>("result", &result)?;
        let name = CString::new(table).map_err(|_| Failure::argument("table", "holds NUL"))?;
        let mut stream = frames::Stream::empty();
        done(|err| {
            cyto_pp_result_table_arrow(Some(&result.handle), text(&name), stream.out(), err)
        })?;
        frames::read(stream)
    })
}

/// The report of a result.
/// @noRd
#[extendr]
fn pp_report(result: Robj) -> Robj {
    answer(|| {
        let result = held::<cyto_pp_result>("result", &result)?;
        // SAFETY: a text that lives in the result.
        let json = unsafe { CStr::from_ptr(cyto_pp_result_report_json(Some(&result.handle))) };
        let report = serde_json::from_slice::<Value>(json.to_bytes())
            .map_err(|_| Failure::argument("report", "is not JSON"))?;
        Ok(list_of(&report))
    })
}

/// Writes an open file or folder of counts as an `.h5ad`.
/// @noRd
#[extendr]
fn dataset_write_h5ad(settings: Robj, dataset: Robj, output: Robj, options: Robj) -> Robj {
    answer(|| {
        let dataset = held::<cyto_dataset>("dataset", &dataset)?;
        let dataset: &cyto_dataset = &dataset.handle;
        let output = path("output", &output)?;
        let options = json_text(&options)?;
        let (output, options) = (given(&output), text(&options));
        with_context(&settings, |ctx| {
            done(|err| cyto_dataset_write_h5ad(Some(ctx), Some(dataset), output, options, err))
        })?;
        Ok(r!(NULL))
    })
}

/// Removes what killed writers left in a folder; how many files.
/// @noRd
#[extendr]
fn cleanup_folder(folder: Robj) -> Robj {
    answer(|| {
        let folder = path("folder", &folder)?;
        let mut n = MaybeUninit::new(0_u64);
        done(|err| cyto_cleanup(given(&folder), Some(&mut n), err))?;
        // SAFETY: initialised here.
        Ok(r!(unsafe { n.assume_init() } as f64))
    })
}

/// Whether all numbers are counts: whole, from 0 to 2^32 - 1.
/// @noRd
#[extendr]
fn are_counts(values: Robj) -> bool {
    if let Some(values) = values.as_real_slice() {
        return values
            .iter()
            .all(|&x| (0.0..=f64::from(u32::MAX)).contains(&x) && x.fract() == 0.0);
    }
    let values = values.as_integer_slice();
    values.is_some_and(|values| values.iter().all(|&x| x >= 0))
}

extendr_module! {
    mod preprocess;
    fn pp_file_step;
    fn pp_validate_file;
    fn pp_subset_file;
    fn pp_matrix_step;
    fn pp_matrix_scale;
    fn pp_neighbors_of;
    fn pp_table;
    fn pp_report;
    fn dataset_write_h5ad;
    fn cleanup_folder;
    fn are_counts;
}
