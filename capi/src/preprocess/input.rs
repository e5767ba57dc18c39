//! `cyto_pp_input`: a matrix in memory with what steps of preprocessing want to know of cells and genes.

use std::ffi::c_char;
use std::sync::Arc;

use engine::data::{Categorical, RowSource};
use engine::preprocess::QcGroup;
use engine::{Error, Result};
use safer_ffi::derive_ReprC;

use super::files::mask;
use crate::error::Failure;
use crate::guard::required;
use crate::matrix::cyto_matrix;
use crate::sized::{self, Sized_};
use crate::text;

/// A matrix in memory. Fill with `CYTO_PP_INPUT_INIT`, then set fields; all but `counts` may stay NULL. Read during
/// the call only.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_pp_input {
    /// `sizeof(cyto_pp_input)`.
    pub struct_size: usize,
    /// The counts, or other values where the step looks at values as they are.
    pub counts: *const cyto_matrix,
    /// Name of every cell; NULL = positions from 0.
    pub cells: *const *const c_char,
    /// Elements of `cells`.
    pub n_cells: usize,
    /// Name of every gene; NULL = positions from 0.
    pub genes: *const *const c_char,
    /// Elements of `genes`.
    pub n_genes: usize,
    /// Label of every cell: position in `label_names`, or -1 for none. Batches or groups.
    pub labels: *const i32,
    /// Elements of `labels`.
    pub n_labels: usize,
    /// Names of the labels.
    pub label_names: *const *const c_char,
    /// Elements of `label_names`.
    pub n_label_names: usize,
    /// Groups of genes, one after the other: a flag for each gene. Element (i, j) is `gene_groups[i * genes + j]`.
    pub gene_groups: *const u8,
    /// Elements of `gene_groups`: groups times genes.
    pub n_gene_groups: usize,
    /// Name of every group, for example "mt".
    pub gene_group_names: *const *const c_char,
    /// Elements of `gene_group_names`.
    pub n_gene_group_names: usize,
    /// A flag for each gene that is used; NULL = all are.
    pub mask_var: *const u8,
    /// Elements of `mask_var`.
    pub n_mask_var: usize,
}

// SAFETY: plain data, size first.
unsafe impl Sized_ for cyto_pp_input {
    const NAME: &'static str = "cyto_pp_input";
    const INIT: &'static str = "CYTO_PP_INPUT_INIT";
    const FIRST_SIZE: usize = 128;
    fn init() -> Self {
        // SAFETY: sizes and pointers, for which zero is a value.
        let zero: Self = unsafe { std::mem::zeroed() };
        cyto_pp_input {
            struct_size: size_of::<Self>(),
            ..zero
        }
    }
}

/// What `cyto_pp_input` says, checked.
pub(crate) struct Input {
    pub rows: Arc<dyn RowSource>,
    pub n_genes: usize,
    pub cells: Option<Vec<String>>,
    pub genes: Option<Vec<String>>,
    pub labels: Option<Categorical>,
    pub groups: Vec<QcGroup>,
    pub mask: Option<Vec<bool>>,
}

impl Input {
    /// # Safety
    /// `input` is NULL or points to `struct_size` bytes whose pointers are NULL or what they say.
    pub(crate) unsafe fn read(input: *const cyto_pp_input) -> Result<Self, Failure> {
        // SAFETY: promised by the caller, for every string and array.
        unsafe {
            let given = sized::read("input", input)?;
            let counts = required("input.counts", given.counts.as_ref())?;
            let (n, g) = (counts.n_cells(), counts.n_genes());
            let mask = mask("input.mask_var", given.mask_var, given.n_mask_var)?;
            check("input.mask_var", mask.as_ref().map(Vec::len), g)?;
            Ok(Input {
                rows: counts.rows(),
                n_genes: g,
                cells: names("input.cells", given.cells, given.n_cells, n)?,
                genes: names("input.genes", given.genes, given.n_genes, g)?,
                labels: labels(&given, n)?,
                groups: groups(&given, g)?,
                mask,
            })
        }
    }
}

fn check(name: &str, given: Option<usize>, right: usize) -> Result<()> {
    match given {
        Some(n) if n != right => Err(Error::argument(
            name,
            format!("{n} elements; the counts need {right}"),
        )),
        _ => Ok(()),
    }
}

/// # Safety
/// As for [`text::list`].
unsafe fn names(
    name: &str,
    given: *const *const c_char,
    n: usize,
    right: usize,
) -> Result<Option<Vec<String>>> {
    if given.is_null() && n == 0 {
        return Ok(None);
    }
    check(name, Some(n), right)?;
    // SAFETY: promised by the caller.
    unsafe { text::list(name, given, n) }.map(Some)
}

/// # Safety
/// The arrays are as long as the struct says.
unsafe fn labels(given: &cyto_pp_input, n_cells: usize) -> Result<Option<Categorical>> {
    if given.labels.is_null() && given.n_labels == 0 {
        return Ok(None);
    }
    check("input.labels", Some(given.n_labels), n_cells)?;
    // SAFETY: promised by the caller.
    let (codes, categories) = unsafe {
        (
            text::slice("input.labels", given.labels, given.n_labels)?,
            text::list("input.label_names", given.label_names, given.n_label_names)?,
        )
    };
    let n = categories.len();
    let wrong = |code: i32| code < -1 || usize::try_from(code).is_ok_and(|code| code >= n);
    if let Some(at) = codes.iter().position(|&code| wrong(code)) {
        return Err(Error::argument(
            format!("input.labels[{at}]"),
            format!("{} must be -1 (none) to {}", codes[at], n as i64 - 1),
        ));
    }
    Ok(Some(used(codes, categories)))
}

/// Labels without those that no cell has, as files are read.
fn used(codes: &[i32], categories: Vec<String>) -> Categorical {
    let mut is_used = vec![false; categories.len()];
    for &code in codes {
        if let Ok(code) = usize::try_from(code) {
            is_used[code] = true;
        }
    }
    let mut next = 0;
    let numbers: Vec<i32> = is_used
        .iter()
        .map(|&used| {
            next += i32::from(used);
            next - 1
        })
        .collect();
    let renumber = |&code: &i32| usize::try_from(code).map_or(-1, |code| numbers[code]);
    let kept = categories.into_iter().zip(&is_used);
    Categorical {
        codes: codes.iter().map(renumber).collect(),
        categories: kept.filter(|(_, used)| **used).map(|(n, _)| n).collect(),
        ordered: false,
    }
}

/// # Safety
/// The arrays are as long as the struct says.
unsafe fn groups(given: &cyto_pp_input, n_genes: usize) -> Result<Vec<QcGroup>> {
    // SAFETY: promised by the caller.
    let (flags, names) = unsafe {
        (
            text::slice("input.gene_groups", given.gene_groups, given.n_gene_groups)?,
            text::list(
                "input.gene_group_names",
                given.gene_group_names,
                given.n_gene_group_names,
            )?,
        )
    };
    check(
        "input.gene_groups",
        Some(flags.len()),
        names.len().saturating_mul(n_genes),
    )?;
    let group = |(i, name): (usize, String)| QcGroup {
        name,
        genes: flags[i * n_genes..(i + 1) * n_genes]
            .iter()
            .map(|&flag| flag != 0)
            .collect(),
    };
    Ok(names.into_iter().enumerate().map(group).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_without_cells_go() {
        let names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let labels = used(&[3, -1, 1, 3], names);
        assert_eq!(labels.codes, [1, -1, 0, 1]);
        assert_eq!(labels.categories, ["b", "d"]);
    }
}
