//! Everything that can be wrong with a file, in one reading.
//!
//! # Cost
//! One pass over every matrix.

use std::path::Path;

use crate::context::Context;
use crate::data::dataset::warn_of_duplicates;
use crate::data::h5ad::H5adFile;
use crate::data::h5ad::rows::StoredMatrix;
use crate::data::rows::{ReadOptions, RowSource};
use crate::error::Result;

use super::super::counts::{CountPlan, Seen, count};

/// Something that keeps a file from being used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// Member of the file.
    pub member: String,
    /// Stable name of the reason, for example `corrupt_matrix`.
    pub reason: &'static str,
    /// One line.
    pub message: String,
}

/// A matrix that could be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct MatrixReport {
    /// Member of the file.
    pub member: String,
    /// `csr`, `csc`, `dense`.
    pub layout: &'static str,
    /// Type of the values.
    pub dtype: &'static str,
    /// Cells and genes.
    pub shape: [usize; 2],
    /// Stored entries.
    pub n_entries: u64,
    /// Filters of the values.
    pub filters: Vec<String>,
    /// Oddities of the values.
    pub seen: Seen,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ValidateReport {
    /// What keeps the file from being used; empty for a good file.
    pub faults: Vec<Fault>,
    /// What a user should know.
    pub warnings: Vec<String>,
    /// The matrices that could be read.
    pub matrices: Vec<MatrixReport>,
}

/// Reads everything in a file and says what is wrong with it.
///
/// # Errors
/// Those of opening the file (`NotHdf5`, `Truncated`, `Locked`, ...) and `Cancelled`; faults of its members
/// are in the report.
pub fn validate(ctx: &Context, path: &Path) -> Result<ValidateReport> {
    let file = H5adFile::open(path)?;
    let mut report = ValidateReport::default();
    for table in ["obs", "var"] {
        match file.table(table) {
            Ok(found) => warn_of_duplicates(table, &found.index, &mut report.warnings),
            Err(error) => report.faults.push(fault(table, &error)),
        }
        let absent = file.absent_columns(table);
        report.faults.extend(absent.iter().map(|e| fault(table, e)));
    }
    let mut matrices: Vec<String> = ["X", "raw/X"]
        .into_iter()
        .filter(|name| file.has(name))
        .map(str::to_owned)
        .collect();
    let layers = file.members("layers");
    matrices.extend(layers.into_iter().map(|name| format!("layers/{name}")));
    if matrices.is_empty() {
        report.warnings.push("there is no matrix".to_owned());
    }
    for name in matrices {
        match look(ctx, &file, &name) {
            Ok(matrix) => report.matrices.push(matrix),
            Err(error) if error.kind() == crate::error::ErrorKind::Cancelled => return Err(error),
            Err(error) => report.faults.push(fault(&name, &error)),
        }
    }
    for matrix in &report.matrices {
        let (name, seen) = (&matrix.member, matrix.seen);
        let notes = [
            (
                seen.n_merged,
                "entries repeat a cell and gene; they are summed",
            ),
            (seen.n_zeros, "stored zeros; they are left out"),
            (seen.n_negative, "negative values"),
        ];
        for (n, words) in notes.iter().filter(|(n, _)| *n > 0) {
            report.warnings.push(format!("{name}: {n} {words}"));
        }
    }
    Ok(report)
}

fn fault(member: &str, error: &crate::error::Error) -> Fault {
    Fault {
        member: member.to_owned(),
        reason: error.reason().name(),
        message: error.message().to_owned(),
    }
}

fn look(ctx: &Context, file: &H5adFile, name: &str) -> Result<MatrixReport> {
    let info = file.matrix_info(name)?;
    let plan = CountPlan {
        read: ReadOptions::default(),
        ..CountPlan::default()
    };
    // Along the compressed axis: what is checked does not depend on which it is.
    let seen = match file.matrix(name)? {
        StoredMatrix::Sparse { major, .. } => seen(ctx, &*major, &plan)?,
        StoredMatrix::Dense(rows) => seen(ctx, &rows, &plan)?,
    };
    Ok(MatrixReport {
        member: name.to_owned(),
        layout: info.layout.name(),
        dtype: info.kind.name(),
        shape: info.shape,
        n_entries: info.n_entries,
        filters: info.filters,
        seen,
    })
}

fn seen(ctx: &Context, source: &dyn RowSource, plan: &CountPlan<'_>) -> Result<Seen> {
    Ok(count(ctx, source, plan, "validate")?.seen)
}
