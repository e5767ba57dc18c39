//! Names of genes in 10x files: ids, symbols, feature types, and symbols made unique.
//!
//! Time: O(genes). Memory: the names.

use std::collections::{HashMap, HashSet};

use super::table::{Column, Table};
use crate::error::{Error, ErrorKind, Result, name_some};

/// Makes repeated names unique as anndata does: the second `B` becomes `B-1`, the third `B-2`,
/// skipping names that exist already.
///
/// ```
/// let mut names = ["B", "A", "B", "B-1", "B"].map(String::from).to_vec();
/// cytosol::data::gene_names::make_unique(&mut names);
/// assert_eq!(names, ["B", "A", "B-2", "B-1", "B-3"]);
/// ```
///
/// # Source
/// anndata 0.12 `var_names_make_unique`.
pub fn make_unique(names: &mut [String]) {
    let mut taken: HashSet<String> = HashSet::with_capacity(names.len());
    let repeats: Vec<usize> = (0..names.len())
        .filter(|&at| !taken.insert(names[at].clone()))
        .collect();
    let mut used: HashMap<String, u64> = HashMap::new();
    for at in repeats {
        let count = used.entry(names[at].clone()).or_insert(0);
        loop {
            *count += 1;
            let candidate = format!("{}-{count}", names[at]);
            if taken.insert(candidate.clone()) {
                names[at] = candidate;
                break;
            }
        }
    }
}

/// Which features stay: those of type "Gene Expression" when `gex_only` and types are known.
///
/// # Errors
/// `NotFound` listing the types there are when none would stay.
pub(crate) fn gene_expression(
    types: Option<&[String]>,
    gex_only: bool,
) -> Result<Option<Vec<bool>>> {
    let Some(types) = types.filter(|_| gex_only) else {
        return Ok(None);
    };
    let keep: Vec<bool> = types.iter().map(|t| t == "Gene Expression").collect();
    if keep.iter().all(|&kept| kept) {
        return Ok(None);
    }
    if keep.contains(&true) {
        return Ok(Some(keep));
    }
    let mut present = types.to_vec();
    present.sort();
    present.dedup();
    Err(Error::new(
        ErrorKind::NotFound,
        format!(
            "gex_only: no feature has the type \"Gene Expression\"; present: {}",
            name_some(&present, 5)
        ),
    )
    .with_argument("gex_only"))
}

/// Number of a gene that is left out; see [`renumber`].
pub(crate) const LEFT_OUT: u32 = u32::MAX;

/// Number of each gene when only those stay for which `keep` holds: without gaps, or [`LEFT_OUT`].
pub(crate) fn renumber(keep: &[bool]) -> Vec<u32> {
    let mut next = 0;
    keep.iter()
        .map(|&kept| {
            next += u32::from(kept);
            if kept { next - 1 } else { LEFT_OUT }
        })
        .collect()
}

/// The rows of a table for which `keep` holds.
pub(crate) fn keep_rows(table: &Table, keep: &[bool]) -> Table {
    let rows: Vec<usize> = (0..keep.len()).filter(|&row| keep[row]).collect();
    Table {
        index: rows.iter().map(|&row| table.index[row].clone()).collect(),
        columns: table
            .columns
            .iter()
            .map(|(name, column): &(String, Column)| (name.clone(), column.select(&rows)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_that_are_no_genes_are_left_out() {
        let types = ["Gene Expression", "Antibody Capture"].map(String::from);
        assert_eq!(gene_expression(Some(&types), false).expect("all"), None);
        assert_eq!(gene_expression(None, true).expect("unknown"), None);
        assert_eq!(gene_expression(Some(&types[..1]), true).expect("all"), None);
        let keep = gene_expression(Some(&types), true).expect("one stays");
        assert_eq!(keep, Some(vec![true, false]));
        let error = gene_expression(Some(&types[1..]), true).expect_err("none stays");
        assert!(error.message().contains("Antibody Capture"));
        let mut var = Table::new(vec!["A".into(), "B".into()]);
        var.set("n", Column::I32(vec![7, 8])).expect("fits");
        let kept = keep_rows(&var, &[false, true]);
        assert_eq!(
            (kept.index[0].as_str(), kept.column("n")),
            ("B", Some(&Column::I32(vec![8])))
        );
    }
}
