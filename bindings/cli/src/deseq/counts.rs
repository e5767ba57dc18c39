//! Counts of `cyto deseq` out of a table, a folder of htseq-count files, or a table of estimates.

use std::path::{Path, PathBuf};

use cytosol::data::delimited::{DenseCounts, TableOptions, read_dense_counts, read_table};
use cytosol::data::htseq::read_htseq;
use cytosol::data::{Column, Table};
use cytosol::deseq::{Counts, StridedView};
use cytosol::{Error, Reason, Result};

/// Counts and what names them.
pub struct Read {
    /// Genes x samples.
    pub counts: Counts,
    /// Gene names.
    pub genes: Vec<String>,
    /// Sample names.
    pub samples: Vec<String>,
    /// Average transcript lengths, genes x samples, gene-major.
    pub lengths: Option<Vec<f64>>,
}

/// A table of counts.
///
/// # Errors
/// Those of the reader, naming file and line.
pub fn read_table_of_counts(path: &Path) -> Result<Read> {
    let DenseCounts {
        counts,
        samples,
        genes,
    } = read_dense_counts(path).map_err(|e| of_counts(e, path))?;
    Ok(Read {
        counts: Counts::dense(counts, genes.len(), samples.len())?,
        genes,
        samples,
        lengths: None,
    })
}

/// A count that is none is named by file and line; the header is line 1.
fn of_counts(error: Error, path: &Path) -> Error {
    let place = match error.reason() {
        Reason::InvalidValue { row, column, .. } => {
            format!("{}: line {}, field {}", path.display(), column + 2, row + 2)
        }
        _ => return error.with_argument("counts"),
    };
    error.in_context(place).with_argument("counts")
}

/// One file a sample.
///
/// # Errors
/// Those of the reader, naming file and line.
pub fn read_folder(files: &[PathBuf], samples: Vec<String>) -> Result<Read> {
    let read = read_htseq(files).map_err(|e| e.with_argument("counts"))?;
    Ok(Read {
        counts: Counts::dense(read.counts, read.genes.len(), files.len())?,
        genes: read.genes,
        samples,
        lengths: None,
    })
}

/// A table of numbers, genes x samples, gene-major.
struct Numbers {
    values: Vec<f64>,
    genes: Vec<String>,
    samples: Vec<String>,
}

fn numbers(path: &Path, argument: &str) -> Result<Numbers> {
    let mut options = TableOptions::default();
    options.first_names_rows = true;
    let Table { index, columns } =
        read_table(path, &options).map_err(|e| e.with_argument(argument))?;
    let mut by_sample: Vec<Vec<f64>> = Vec::with_capacity(columns.len());
    let mut samples = Vec::with_capacity(columns.len());
    for (name, column) in columns {
        by_sample.push(match column {
            Column::F64(values) => values,
            Column::I64(values) => values.into_iter().map(|v| v as f64).collect(),
            _ => {
                return Err(Error::format(
                    path,
                    format!("column {name:?} holds something that is not a number"),
                )
                .with_argument(argument));
            }
        });
        samples.push(name);
    }
    Ok(Numbers {
        values: (0..index.len())
            .flat_map(|gene| by_sample.iter().map(move |column| column[gene]))
            .collect(),
        genes: index,
        samples,
    })
}

/// Estimated counts, and the lengths that go with them.
///
/// # Errors
/// Those of the reader; `InvalidData` for a negative or missing number; `InvalidArgument` when the tables
/// differ in genes or samples.
pub fn read_estimates(path: &Path, lengths: Option<&Path>) -> Result<Read> {
    let estimates = numbers(path, "counts")?;
    let (n, m) = (estimates.genes.len(), estimates.samples.len());
    let view = StridedView {
        values: &estimates.values,
        n_genes: n,
        n_samples: m,
        gene_stride: m,
        sample_stride: 1,
    };
    let counts = Counts::from_estimates(&view).map_err(|e| of_estimates(e, path))?;
    let lengths = match lengths {
        Some(file) => {
            let lengths = numbers(file, "lengths")?;
            if (&lengths.genes, &lengths.samples) != (&estimates.genes, &estimates.samples) {
                return Err(Error::argument(
                    "lengths",
                    format!(
                        "{} must have the genes and samples of {} in the same order",
                        file.display(),
                        path.display()
                    ),
                ));
            }
            Some(lengths.values)
        }
        None => None,
    };
    Ok(Read {
        counts,
        genes: estimates.genes,
        samples: estimates.samples,
        lengths,
    })
}

fn of_estimates(error: Error, path: &Path) -> Error {
    let place = match error.reason() {
        Reason::InvalidValue { row, column, .. } => {
            format!("{}: line {}, field {}", path.display(), column + 2, row + 2)
        }
        _ => path.display().to_string(),
    };
    error.in_context(place).with_argument("counts")
}
