//! What `cyto deseq` reads: counts from a table, a folder or a file of cells, the sample table, and the check
//! that they are about the same samples.
//!
//! Memory: 8 bytes a non-zero count of a table, 4 bytes a count.

use std::path::{Path, PathBuf};

use cytosol::data::delimited::{TableOptions, read_table};
use cytosol::data::{Categorical, Column, Table};
use cytosol::deseq::{DeseqDataset, Design};
use cytosol::error::name_some;
use cytosol::{Context, Error, Result};

use super::args::{DeseqArgs, TableArgs};
use super::cells;
use super::counts::{Read, read_estimates, read_folder, read_table_of_counts};

/// How many names a message shows.
pub(super) const SHOWN: usize = 12;

/// Reads everything and makes the data set.
///
/// # Errors
/// Those of the readers, naming file and line; `InvalidArgument` when the inputs do not fit each other.
pub fn read(ctx: &Context, args: &DeseqArgs, design: Design) -> Result<DeseqDataset> {
    let is_cells = args.counts.extension().is_some_and(|e| e == "h5ad");
    check(args, is_cells)?;
    if is_cells {
        let (read, mut samples) = cells::pseudobulk(ctx, args)?;
        as_factors(&mut samples, &args.table)?;
        return DeseqDataset::new(ctx, read.counts, read.genes, samples, design, false);
    }
    let Some(table) = &args.samples else {
        return Err(Error::argument("samples", "the sample table is needed"));
    };
    let mut samples = read_samples(table)?;
    let read = if args.counts.is_dir() {
        let files = files_of(&mut samples, &args.counts, table)?;
        read_folder(&files, samples.index.clone())?
    } else if args.table.estimated || args.table.lengths.is_some() {
        read_estimates(&args.counts, args.table.lengths.as_deref())?
    } else {
        read_table_of_counts(&args.counts)?
    };
    let Read {
        counts,
        genes,
        samples: names,
        lengths,
    } = read;
    same_samples(&names, &samples.index, (&args.counts, table))?;
    as_factors(&mut samples, &args.table)?;
    let mut dataset = DeseqDataset::new(ctx, counts, genes, samples, design, false)?;
    if let Some(lengths) = lengths {
        dataset
            .set_avg_tx_length(lengths)
            .map_err(|e| e.with_argument("lengths"))?;
    }
    Ok(dataset)
}

/// Options that do not go with the kind of input.
fn check(args: &DeseqArgs, is_cells: bool) -> Result<()> {
    let table = &args.table;
    let estimates = table.estimated || table.lengths.is_some();
    let (name, what) = if is_cells && args.cells.by.is_empty() {
        (
            "by",
            "is needed with .h5ad: the columns of obs that make a sample, such as --by donor --by condition",
        )
    } else if is_cells && args.samples.is_some() {
        (
            "samples",
            "is not read with .h5ad; --by makes the samples and their table",
        )
    } else if !is_cells && !args.cells.by.is_empty() {
        ("by", "is for cells, that is for counts in .h5ad")
    } else if estimates && (is_cells || args.counts.is_dir()) {
        (
            if table.lengths.is_some() {
                "lengths"
            } else {
                "estimated"
            },
            "is for a table of estimated counts",
        )
    } else {
        return Ok(());
    };
    Err(Error::argument(name, what))
}

/// The files that the first column of the sample table names, which is no column of the samples then.
fn files_of(samples: &mut Table, folder: &Path, table: &Path) -> Result<Vec<PathBuf>> {
    let files = match samples.columns.first() {
        Some((_, Column::Text(names))) => names.iter().map(|name| folder.join(name)).collect(),
        _ => {
            return Err(Error::argument(
                "samples",
                format!(
                    "the second column of {} must name the files in {}",
                    table.display(),
                    folder.display()
                ),
            ));
        }
    };
    samples.columns.remove(0);
    Ok(files)
}

fn read_samples(path: &Path) -> Result<Table> {
    let mut options = TableOptions::default();
    options.first_names_rows = true;
    read_table(path, &options).map_err(|e| e.with_argument("samples"))
}

/// DESeq2's rule: the same names in the same order; another order is never mended in silence.
fn same_samples(
    counts: &[String],
    samples: &[String],
    (counts_file, samples_file): (&Path, &Path),
) -> Result<()> {
    if counts == samples {
        return Ok(());
    }
    let (counts_file, samples_file) = (counts_file.display(), samples_file.display());
    let lists = format!(
        "{counts_file} has {}; {samples_file} has {}",
        name_some(counts, SHOWN),
        name_some(samples, SHOWN)
    );
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    let message = if sorted(counts) == sorted(samples) {
        format!(
            "the sample table has the samples of the counts in another order; they must be in the \
             same order: {lists}"
        )
    } else {
        let absent = |names: &[String], from: &[String]| {
            let names: Vec<String> = names
                .iter()
                .filter(|n| !from.contains(n))
                .cloned()
                .collect();
            if names.is_empty() {
                "none".to_owned()
            } else {
                name_some(&names, SHOWN)
            }
        };
        format!(
            "the tables are about different samples ({} in {counts_file}, {} in {samples_file}); \
             only in the counts: {}; only in the sample table: {}",
            counts.len(),
            samples.len(),
            absent(counts, samples),
            absent(samples, counts)
        )
    };
    Err(Error::argument("samples", message))
}

/// Text becomes factors; so do the columns that are asked for. Levels are sorted as R sorts them, the
/// reference level first.
fn as_factors(samples: &mut Table, args: &TableArgs) -> Result<()> {
    for name in &args.factors {
        if samples.column(name).is_none() {
            return Err(no_column("factor", name, samples));
        }
    }
    let names: Vec<String> = samples
        .columns
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        let asked = args.factors.contains(&name);
        let labels = match samples.column(&name) {
            Some(Column::Text(labels)) => labels.clone(),
            Some(Column::I64(numbers)) if asked => numbers.iter().map(i64::to_string).collect(),
            Some(Column::F64(numbers)) if asked => numbers
                .iter()
                .map(|v| {
                    if v.is_nan() {
                        "NA".to_owned()
                    } else {
                        v.to_string()
                    }
                })
                .collect(),
            _ => continue,
        };
        samples.set(name, Column::Categorical(factor(&labels)))?;
    }
    for reference in &args.references {
        let Some((name, level)) = reference.split_once('=') else {
            return Err(Error::argument(
                "reference",
                format!("{reference:?} must be FACTOR=LEVEL"),
            ));
        };
        relevel(samples, name, level)?;
    }
    Ok(())
}

/// A factor; empty fields and `NA` are missing.
fn factor(labels: &[String]) -> Categorical {
    let is_missing = |label: &String| label.is_empty() || label == "NA";
    let present: Vec<String> = labels.iter().filter(|l| !is_missing(l)).cloned().collect();
    let mut all = Categorical::from_labels(&present);
    let mut codes = std::mem::take(&mut all.codes).into_iter();
    all.codes = labels
        .iter()
        .map(|label| {
            if is_missing(label) {
                -1
            } else {
                codes.next().expect("one code a label that is present")
            }
        })
        .collect();
    all
}

fn relevel(samples: &mut Table, name: &str, level: &str) -> Result<()> {
    let Some(column) = samples.column(name) else {
        return Err(no_column("reference", name, samples));
    };
    let Column::Categorical(labels) = column else {
        return Err(Error::argument(
            "reference",
            format!("{name:?} holds numbers; make it a factor with --factor {name}"),
        ));
    };
    let mut labels = labels.clone();
    let Some(at) = labels.categories.iter().position(|l| l == level) else {
        return Err(Error::argument(
            "reference",
            format!(
                "{level:?} is not a level of {name:?}: {}",
                name_some(&labels.categories, SHOWN)
            ),
        ));
    };
    labels.categories[..=at].rotate_right(1);
    for code in &mut labels.codes {
        *code = match usize::try_from(*code) {
            Ok(old) if old == at => 0,
            Ok(old) if old < at => *code + 1,
            _ => *code,
        };
    }
    samples.set(name, Column::Categorical(labels))
}

fn no_column(option: &str, name: &str, samples: &Table) -> Error {
    let names: Vec<&String> = samples.columns.iter().map(|(name, _)| name).collect();
    Error::argument(
        option,
        format!(
            "the sample table has no column {name:?}; it has {}",
            name_some(&names, SHOWN)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_level_moves_to_the_front() {
        let mut samples = Table::new(["1", "2", "3", "4"].map(String::from).to_vec());
        let labels = ["c", "a", "b", "NA"].map(String::from);
        samples
            .set("x", Column::Categorical(factor(&labels)))
            .expect("fits");
        relevel(&mut samples, "x", "b").expect("a level");
        let Some(Column::Categorical(labels)) = samples.column("x") else {
            panic!("a factor");
        };
        assert_eq!(labels.categories, ["b", "a", "c"]);
        assert_eq!(labels.codes, [2, 1, 0, -1]);
        assert!(relevel(&mut samples, "x", "d").is_err());
        assert!(relevel(&mut samples, "y", "b").is_err());
    }
}
