//! The steps that look at a matrix in memory: the same bits as over a file with the same values.
//!
//! Values are never changed: what is normalised or logarithmic is made row by row where it is wanted.

use std::mem::MaybeUninit;
use std::sync::Arc;

use engine::data::rows::ReadOptions;
use engine::preprocess::{
    CellGroups, HvgInput, PcaInput, SizeFactors, Transform, aggregate, float_precision,
    highly_variable_genes, neighbors, pca, qc_metrics, size_factors,
};
use engine::{Context, Error, Result};
use safer_ffi::prelude::repr_c;

use super::facts;
use super::given::Given;
use super::input::{Input, cyto_pp_input};
use super::options;
use super::result::{Values, cyto_pp_result};
use crate::context::{cyto_context, with_context};
use crate::error::cyto_error;
use crate::guard::{ErrOut, Out, give};
use crate::status::cyto_status;
use crate::text::{self, CytoStr};

pub(super) type Step = fn(&Context, Input, Given) -> Result<cyto_pp_result>;

/// Body of the functions that take counts and options.
pub(super) fn run(
    step: Step,
    ctx: Option<&cyto_context>,
    input: *const cyto_pp_input,
    options: CytoStr<'_>,
    out: Out<'_, cyto_pp_result>,
    err: ErrOut<'_>,
) -> cyto_status {
    give(out, err, || {
        let given = Given::parse(options)?;
        // SAFETY: the header asks for this struct, its strings and its arrays.
        let input = unsafe { Input::read(input) }?;
        with_context(ctx, |ctx| Ok(step(ctx, input, given)?))
    })
}

/// Quality control metrics of a matrix in memory, as `cyto_pp_qc` has them; groups of genes are those of
/// `input`. Options: "expr_type", "var_type", "percent_top", "log1p", "wide", "canonicalize", "allow_nonfinite".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_matrix_qc(
    ctx: Option<&cyto_context>,
    input: *const cyto_pp_input,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(qc_step, ctx, input, options, out, err)
}

fn qc_step(ctx: &Context, input: Input, mut given: Given) -> Result<cyto_pp_result> {
    let read = options::read(&mut given)?;
    let own = options::qc(&mut given, read)?;
    let in_force = given.finish()?;
    let found = qc_metrics(ctx, &*input.rows, &input.groups, &own)?;
    let mut result = cyto_pp_result::new();
    let facts = facts::qc(&mut result, found, [input.cells, input.genes])?;
    Ok(result.report(facts, in_force))
}

/// Size factors of a matrix in memory, as `cyto_pp_normalize_total` has them. Options: "target_sum",
/// "exclude_highly_expressed", "max_fraction", "median_over", "canonicalize", "allow_nonfinite".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_matrix_size_factors(
    ctx: Option<&cyto_context>,
    input: *const cyto_pp_input,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(sizes_step, ctx, input, options, out, err)
}

fn sizes_step(ctx: &Context, input: Input, mut given: Given) -> Result<cyto_pp_result> {
    let read = options::read(&mut given)?;
    let own = options::normalize(&mut given, read)?;
    let in_force = given.finish()?;
    let found = size_factors(ctx, &*input.rows, None, &own)?;
    let mut result = cyto_pp_result::new();
    let facts = facts::sizes(&mut result, found);
    Ok(result.report(facts, in_force))
}

/// What is done to counts before they are looked at: options "normalize_total" and "log1p", off unless named.
pub(super) struct Before {
    normalize: Option<engine::preprocess::NormalizeOptions>,
    log1p: Option<Option<f64>>,
}

impl Before {
    pub(super) fn read(given: &mut Given, read: ReadOptions) -> Result<Self> {
        Ok(Before {
            normalize: given.step("normalize_total", false, |g| options::normalize(g, read))?,
            log1p: given.step("log1p", false, |g| g.number("base"))?,
        })
    }

    /// Whether values are taken as they are.
    pub(super) fn is_nothing(&self) -> bool {
        self.normalize.is_none() && self.log1p.is_none()
    }

    /// The transformation, with size factors where they are wanted.
    fn transform(&self, ctx: &Context, input: &Input) -> Result<Option<Transform>> {
        Ok(self.done(ctx, input)?.0)
    }

    /// The transformation, and the size factors.
    pub(super) fn done(
        &self,
        ctx: &Context,
        input: &Input,
    ) -> Result<(Option<Transform>, Option<SizeFactors>)> {
        if self.is_nothing() {
            return Ok((None, None));
        }
        if let Some(Some(base)) = self.log1p.filter(|base| {
            base.is_some_and(|base| !(base > 0.0 && base != 1.0 && base.is_finite()))
        }) {
            return Err(Error::argument(
                "log1p.base",
                format!("{base} must be above 0 and not 1"),
            ));
        }
        let mut transform = Transform {
            precision: float_precision(input.rows.kind()),
            factors: None,
            log: self.log1p.is_some(),
            base: self.log1p.flatten(),
        };
        let Some(normalize) = &self.normalize else {
            return Ok((Some(transform), None));
        };
        let sizes = size_factors(ctx, &*input.rows, None, normalize)?;
        transform.precision = sizes.precision;
        transform.factors = Some(Arc::new(sizes.factors.clone()));
        Ok((Some(transform), Some(sizes)))
    }
}

/// Highly variable genes of a matrix in memory, as `cyto_pp_highly_variable_genes` has them; labels are batches
/// and need names of the genes. Options: those of that function, but for "batch_key", "layer", "subset" and those
/// of the output. Flavours that look at logarithms want "normalize_total" (true, or an object with the options of
/// `cyto_pp_matrix_size_factors`) and "log1p" (true, or an object with "base"), which are done on the way; both
/// are off unless named, for values that are logarithms already, whose base is "log_base" (null = natural).
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_matrix_highly_variable_genes(
    ctx: Option<&cyto_context>,
    input: *const cyto_pp_input,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(hvg_step, ctx, input, options, out, err)
}

fn hvg_step(ctx: &Context, input: Input, mut given: Given) -> Result<cyto_pp_result> {
    let read = options::read(&mut given)?;
    let before = Before::read(&mut given, read)?;
    let mut own = options::hvg(&mut given, read)?;
    own.log_base = given.number("log_base")?;
    let in_force = given.finish()?;
    if own.log_base.is_some() && before.log1p.is_some() {
        let message =
            "is for values that are logarithms already; give log1p.base for those made here";
        return Err(Error::argument("log_base", message));
    }
    own.log_base = own.log_base.or(before.log1p.flatten());
    own.check()?;
    if own.flavor.wants_counts() && (before.normalize.is_some() || before.log1p.is_some()) {
        let message = format!(
            "\"{}\" looks at counts; leave normalize_total and log1p out",
            own.flavor.name()
        );
        return Err(Error::argument("flavor", message));
    }
    if input.labels.is_some() && input.genes.is_none() {
        let message = "NULL; must name every gene where there are labels";
        return Err(Error::argument("input.genes", message));
    }
    let transform = before.transform(ctx, &input)?;
    let found = highly_variable_genes(
        ctx,
        HvgInput {
            source: &*input.rows,
            transform: transform.as_ref(),
            batches: input.labels.as_ref(),
            names: input.genes.as_deref().unwrap_or_default(),
        },
        &own,
    )?;
    let mut result = cyto_pp_result::new();
    let facts = facts::hvg(&mut result, &found, input.genes)?;
    Ok(result.report(facts, in_force))
}

/// Principal components of a matrix in memory, as `cyto_pp_pca` has them, of the genes in `mask_var`. Also array
/// "scores" (f64, cells x components). Options: "n_comps", "zero_center", "svd_solver", "random_state",
/// "canonicalize", "allow_nonfinite", and "normalize_total" and "log1p" as in
/// `cyto_pp_matrix_highly_variable_genes`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_matrix_pca(
    ctx: Option<&cyto_context>,
    input: *const cyto_pp_input,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(pca_step, ctx, input, options, out, err)
}

fn pca_step(ctx: &Context, input: Input, mut given: Given) -> Result<cyto_pp_result> {
    let read = options::read(&mut given)?;
    let before = Before::read(&mut given, read)?;
    let own = options::pca(&mut given)?;
    let in_force = given.finish()?;
    let transform = before.transform(ctx, &input)?;
    let source = PcaInput {
        source: &*input.rows,
        transform: transform.as_ref(),
        genes: input.mask.as_deref(),
        read,
    };
    let axes = pca(ctx, source, &own)?;
    let scores = axes.scores(ctx, source, 0..input.rows.n_cells())?;
    let mut result = cyto_pp_result::new();
    result.matrix("scores", Values::F64(scores), axes.n_comps());
    let facts = facts::pca(&mut result, axes, (input.n_genes, input.genes));
    Ok(result.report(facts, in_force))
}

/// Pseudobulk of a matrix in memory, as `cyto_pp_aggregate` has it, by the labels of `input`; the key's column in
/// table "groups" is "label". Options: "func", "dof", "canonicalize", "allow_nonfinite".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_matrix_aggregate(
    ctx: Option<&cyto_context>,
    input: *const cyto_pp_input,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    run(aggregate_step, ctx, input, options, out, err)
}

fn aggregate_step(ctx: &Context, input: Input, mut given: Given) -> Result<cyto_pp_result> {
    let read = options::read(&mut given)?;
    let own = options::aggregate(&mut given, read)?;
    let in_force = given.finish()?;
    let labels = input.labels.ok_or_else(|| {
        Error::argument("input.labels", "NULL; must hold the label of every cell")
    })?;
    let groups = CellGroups::by(&[labels])?;
    // Medians turn the matrix round in a temporary file.
    let found = aggregate(ctx, &*input.rows, &groups, &own, &std::env::temp_dir())?;
    let mut result = cyto_pp_result::new();
    let by = ["label".to_owned()];
    let facts = facts::aggregate(
        &mut result,
        &by,
        groups,
        found,
        (input.n_genes, input.genes),
    )?;
    Ok(result.report(facts, in_force))
}

/// Exact nearest neighbours of cells by their coordinates (row-major, `n_cells` x `n_dims`), and UMAP's weights.
/// Option "n_neighbors" (15, the cell itself included). With k = n_neighbors - 1, arrays "indices" (u32, cells x
/// k), "distances" (f64, cells x k), and both sparse matrices of cells x cells: "distances_indptr",
/// "connectivities_indptr" (u64), "distances_indices", "connectivities_indices" (u32), "distances_values",
/// "connectivities_values" (f64). Report: "n_cells", "n_neighbors".
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_coordinates_neighbors(
    ctx: Option<&cyto_context>,
    coordinates: *const f64,
    n_cells: usize,
    n_dims: usize,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_pp_result>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let mut given = Given::parse(options)?;
        let n_neighbors = given.count_or("n_neighbors", 15)?;
        let in_force = given.finish()?;
        let n = n_cells.checked_mul(n_dims).ok_or_else(|| {
            Error::argument("n_cells", format!("{n_cells} x {n_dims} is too large"))
        })?;
        // SAFETY: the header asks for an array of this length.
        let coordinates = unsafe { text::slice("coordinates", coordinates, n) }?;
        with_context(ctx, |ctx| {
            let found = neighbors(ctx, coordinates, n_dims, n_neighbors)?;
            let mut result = cyto_pp_result::new();
            let facts = facts::neighbors(&mut result, found);
            Ok(result.report(facts, in_force))
        })
    })
}
