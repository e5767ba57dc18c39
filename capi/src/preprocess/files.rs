//! The steps over `.h5ad` files: each writes a whole new file or none.

use std::mem::MaybeUninit;
use std::path::Path;

use engine::data::{Annotations, Compression, Numbers, Rows, Tables};
use engine::{Context, Error, Result};
use safer_ffi::prelude::repr_c;

use super::given::Given;
use super::options;
use super::result::cyto_pp_result;
use super::steps::{self, Files};
use crate::context::{cyto_context, with_context};
use crate::dataset::cyto_dataset;
use crate::error::{Failure, cyto_error};
use crate::guard::{ErrOut, Out, give, guard, required};
use crate::status::cyto_status;
use crate::text::{self, CytoStr};

/// Paths of a call; `output` may be NULL.
fn with_files<T>(
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    body: impl FnOnce(&Files<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let input = text::path("input", input)?;
    let output = match output {
        None => None,
        Some(_) => Some(text::path("output", output)?),
    };
    body(&Files {
        input: &input,
        output: output.as_deref(),
    })
}

type Step = fn(&Context, &Files<'_>, Given) -> Result<cyto_pp_result>;

/// Body of the functions that take files and options.
fn run(
    step: Step,
    ctx: Option<&cyto_context>,
    [input, output, options]: [CytoStr<'_>; 3],
    out: Out<'_, cyto_pp_result>,
    err: ErrOut<'_>,
) -> cyto_status {
    give(out, err, || {
        let given = Given::parse(options)?;
        with_files(input, output, |files| {
            with_context(ctx, |ctx| Ok(step(ctx, files, given)?))
        })
    })
}

/// Quality control metrics of cells and genes (scanpy's calculate_qc_metrics): columns of `obs` and `var` of the
/// output, and tables "obs" and "var" of the result. `output` may be NULL: nothing is written then. Options, all may
/// be left out: "expr_type" ("counts"), "var_type" ("genes"), "qc_vars" (a boolean column of `var`, or a list),
/// "percent_top" ([50, 100, 200, 500]; null = none), "log1p" (true), "wide" (false: scanpy's types; true: 64-bit
/// floats), "layer", "use_raw" (false). Report: "n_cells", "n_genes", "seen".
///
/// What holds for all functions over files: `input` is an `.h5ad`; `output` is made or replaced as a whole when all
/// is done (it may be `input`) and is as it was when the call fails. `options` is a JSON object, or NULL for the
/// defaults; an unknown name is answered with the nearest known one. Where the step reads a matrix there are also
/// "canonicalize" (true: entries of the same cell and gene are summed) and "allow_nonfinite" (false); where it
/// writes a file also "compression" (null = as the input; "none", "gzip", "gzip:1" to "gzip:9", with "+shuffle" or
/// without) and "break_hardlinks" (false). Blocks and caches stay within the memory limit of the context. The result
/// is freed with `cyto_pp_result_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_qc(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(steps::qc, ctx, [input, output, options], out, err)
}

/// Keeps the cells that pass one threshold: exactly one of the options "min_counts", "min_genes", "max_counts",
/// "max_genes". `output` may be NULL. Array "kept" (u8, a cell of the input); table "obs" with the number that was
/// compared and "kept". Report: "n_cells", "n_kept", "column".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_filter_cells(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(steps::filter_cells, ctx, [input, output, options], out, err)
}

/// Keeps the genes that pass one threshold: exactly one of the options "min_counts", "min_cells", "max_counts",
/// "max_cells". `output` may be NULL. Array "kept" (u8, a gene of the input); table "var" with the number that was
/// compared and "kept". Report: "n_genes", "n_kept", "column".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_filter_genes(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(steps::filter_genes, ctx, [input, output, options], out, err)
}

/// Divides every cell by its size factor. Options: "target_sum" (null = the median of the totals),
/// "exclude_highly_expressed" (false), "max_fraction" (0.05), "median_over" ("auto" as scanpy, "all", "nonzero"),
/// "key_added" (column of `obs` for the factors), "layer". Arrays "size_factors" (f64, a cell; 0 for a cell without
/// counts, which stays as it is), "excluded_genes" (u32). Report: "n_cells", "target_sum", "n_empty_cells",
/// "n_excluded_genes".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_normalize_total(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(
        steps::normalize_total,
        ctx,
        [input, output, options],
        out,
        err,
    )
}

/// Takes log(1 + x) and notes it in `uns/log1p`. Options: "base" (null = natural), "layer", "guard" (false; true:
/// `CYTO_STATE` for data that are log-transformed already, which otherwise is a warning). Report: "warnings".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_log1p(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(steps::log1p, ctx, [input, output, options], out, err)
}

/// Highly variable genes: columns of `var` and `uns/hvg` of the output. `output` may be NULL. Options: "flavor"
/// ("seurat"; "cell_ranger", "seurat_v3", "seurat_v3_paper"), "n_top_genes" (null = cutoffs), "min_disp" (0.5),
/// "max_disp" ("inf"), "min_mean" (0.0125), "max_mean" (3), "span" (0.3), "n_bins" (20), "check_values" (true),
/// "batch_key" (column of `obs`), "layer", "subset" (false). Array "highly_variable" (u8); table "hvg" with scanpy's
/// columns. Report: "n_genes", "n_highly_variable", "warnings".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_highly_variable_genes(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(
        steps::highly_variable_genes,
        ctx,
        [input, output, options],
        out,
        err,
    )
}

/// Principal components: `obsm/X_pca`, `varm/PCs`, `uns/pca` of the output. `output` may be NULL. Options: "n_comps"
/// (null = 50, or one less than the smaller side), "zero_center" (true), "svd_solver" ("auto": exact up to 8,000
/// genes; "covariance", "randomized"), "random_state" (0), "mask_var" (a boolean column of `var`; left out =
/// "highly_variable" where there is one; null = all genes), "layer", "key_added", "match_dtype" (false). Arrays
/// "variance", "variance_ratio" (f64), "loadings" (f64, genes x components), "pca_genes" (u32), "pca_mean" (f64, of
/// these genes), "genes" (text). Coordinates of the cells are in the output only. Report: "n_comps", "n_genes_used",
/// "variance_ratio" (their sum).
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_pca(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(steps::pca, ctx, [input, output, options], out, err)
}

/// Scales genes to unit variance; `var` gets `mean` and `std` (with a mask `mean of <mask_obs>` and so on).
/// Options: "zero_center" (true; a sparse matrix becomes dense by it, which "dense_ok" must allow), "max_value",
/// "mask_obs" (boolean column of `obs`), "layer", "dense_ok" (false). Arrays "gene_mean", "gene_std" (f64).
/// Report: "n_genes".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_scale(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(steps::scale, ctx, [input, output, options], out, err)
}

/// Exact nearest neighbours and UMAP's weights: `obsp/distances`, `obsp/connectivities`, `uns/neighbors` of the
/// output. `output` may be NULL. Options: "n_neighbors" (15, the cell itself included), "use_rep" ("X_pca"), "n_pcs",
/// "key_added". Arrays as `cyto_pp_coordinates_neighbors`. Report: "n_cells", "n_neighbors".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_neighbors(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(steps::neighbors, ctx, [input, output, options], out, err)
}

/// Pseudobulk: a file with a row a group of cells and a layer a function. `output` may be NULL. Options: "by" (a
/// column of `obs`, or a list; needed), "func" (["sum"]; "mean", "var", "count_nonzero", "median"), "dof" (1),
/// "layer". Arrays: one of the name of each function (f64, groups x genes), "genes", "groups" (text), "group_sizes"
/// (u64), "group_codes" (i32, a cell; -1 where a label is missing); table "groups" with the keys and "n_obs_aggregated".
/// Report: "n_groups", "n_genes", "n_cells_without_label".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_aggregate(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(steps::aggregate, ctx, [input, output, options], out, err)
}

/// Quality control, filters, size factors, logarithm, variable genes and components in one go, in two passes over
/// the counts up to the variable genes. An option a step, which holds the options of that step: "qc",
/// "filter_cells", "filter_genes" (any number of thresholds, all must be passed), "normalize_total", "log1p"
/// ("base"), "highly_variable_genes", "pca"; null leaves a step out (not the size factors and the logarithm). Filters
/// are left out unless they are named. Beside them "materialize" (true; false: counts stay, `obs/norm_factor` and
/// `uns/log1p_virtual` say how to normalise them) and "guard" (true: data that are log-transformed already are
/// `CYTO_STATE`). Tables "obs", "var" (metrics, all cells and genes of the input), "hvg" (a row a gene of the output);
/// arrays of `cyto_pp_normalize_total`, `cyto_pp_highly_variable_genes` and `cyto_pp_pca`, of the cells and genes that
/// stay. Report: "n_cells", "n_genes", "n_cells_kept", "n_genes_kept", "target_sum", "n_empty_cells",
/// "n_excluded_genes", "n_highly_variable", "n_comps", "variance_ratio", "seen", "warnings".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_preprocess(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(steps::preprocess, ctx, [input, output, options], out, err)
}

/// Writes the matrix in another layout, chunking or compression; indices ascend, duplicates are summed, zeros are
/// left out. Options: "layout" ("csr", "csc", "dense"; null = as it is), "chunk" (65536 elements), "layer".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_convert(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(steps::convert, ctx, [input, output, options], out, err)
}

/// Everything that is wrong with a file, in one reading of every matrix. A file that can be opened gives a
/// result whatever else is wrong. Report: "faults" (objects with "member", "reason", "message"; none for a good
/// file), "warnings", "matrices".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_validate(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(steps::validate, ctx, [input, None, None], out, err)
}

/// Keeps the cells and genes whose flag is not 0, in every member of the file. `cells` has a flag for each of the
/// `n_cells` cells of the input, `genes` for each of its `n_genes` genes; NULL with 0 keeps all. `options` may
/// hold those of the output only; see `cyto_pp_qc`. Report: "n_cells_kept", "n_genes_kept" (null where all were).
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_subset(
    ctx: Option<&cyto_context>,
    input: CytoStr<'_>,
    output: CytoStr<'_>,
    cells: *const u8,
    n_cells: usize,
    genes: *const u8,
    n_genes: usize,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let given = Given::parse(options)?;
        // SAFETY: the header asks for arrays of these lengths.
        let masks = unsafe {
            [
                mask("cells", cells, n_cells)?,
                mask("genes", genes, n_genes)?,
            ]
        };
        with_files(input, output, |files| {
            let masks = [masks[0].as_deref(), masks[1].as_deref()];
            with_context(ctx, |ctx| Ok(steps::subset(ctx, files, masks, given)?))
        })
    })
}

/// Flags of the caller; NULL is none.
///
/// # Safety
/// `flags` is NULL or points to `n` readable bytes.
pub(super) unsafe fn mask(name: &str, flags: *const u8, n: usize) -> Result<Option<Vec<bool>>> {
    if flags.is_null() && n == 0 {
        return Ok(None);
    }
    // SAFETY: promised by the caller.
    let flags = unsafe { text::slice(name, flags, n) }?;
    Ok(Some(flags.iter().map(|&flag| flag != 0).collect()))
}

/// Writes an open dataset (10x, Matrix Market, CSV, Visium) as an `.h5ad`: counts as CSR of 32-bit floats, the
/// tables of cells and genes, coordinates as `obsm/spatial`. Options: "compression" ("gzip"; see `cyto_pp_qc`).
/// `output` is made or replaced as a whole and is as it was when the call fails.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_dataset_write_h5ad(
    ctx: Option<&cyto_context>,
    dataset: Option<&cyto_dataset>,
    output: CytoStr<'_>,
    options: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let dataset = required("dataset", dataset)?;
        let output = text::path("output", output)?;
        let mut given = Given::parse(options)?;
        let compression = options::compression(&mut given)?.unwrap_or_default();
        given.finish()?;
        with_context(ctx, |ctx| Ok(write(ctx, dataset, &output, compression)?))
    })
}

fn write(
    ctx: &Context,
    dataset: &cyto_dataset,
    output: &Path,
    compression: Compression,
) -> Result<()> {
    let (obs, var) = dataset.tables();
    let mut annotations = Annotations::default();
    if let Some(coords) = &dataset.coords {
        let values = Numbers::F64(coords.as_flattened().to_vec());
        annotations.obsm("spatial", 2, Rows::Whole(values));
    }
    engine::data::create(
        ctx,
        output,
        &mut *dataset.counts.reader(),
        Tables { obs, var },
        annotations,
        compression,
    )
    .map_err(|e: Error| e.in_context("output"))
}

/// Removes the temporary files that killed writers left in a folder: no process of their number runs, and
/// nothing was written for five minutes. `n_removed` may be NULL. Every step does the same for its own output.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_cleanup(
    folder: CytoStr<'_>,
    n_removed: Option<&mut MaybeUninit<u64>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let n = engine::checkpoint::cleanup(&text::path("folder", folder)?)?;
        if let Some(out) = n_removed {
            out.write(n);
        }
        Ok(())
    })
}
