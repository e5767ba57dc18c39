//! Result tables as CSV files, written while the shards pass by.
//!
//! Files: `weights.csv` (raw weights), in doublet mode also `results_df.csv` and
//! `weights_doublet.csv`, in multi mode `results_multi.csv` (one row a chosen type), in full mode
//! `results_df.csv`. The layout is that of R's `write.csv`: first column row names, logicals
//! `TRUE` and `FALSE`, numbers with all their digits.

use std::path::Path;

use cytosol::checkpoint::AtomicFile;
use cytosol::data::{Column, Table};
use cytosol::rctd::RctdResults;
use cytosol::{Error, ErrorKind, Result};

/// What one file holds of the results of a shard.
type Extract = fn(&RctdResults) -> Result<Table>;

/// The CSV files of a run, each whole or absent.
pub struct Tables {
    files: Vec<(Extract, CsvFile)>,
}

impl Tables {
    /// Begins the files of a mode in `folder`, which is made when it is missing.
    ///
    /// # Errors
    /// `Io` when the folder cannot be written.
    pub fn create(folder: &Path, mode: cytosol::rctd::Mode) -> Result<Self> {
        use cytosol::rctd::Mode;
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "creating", e))?;
        let file = |name: &str| CsvFile::create(&folder.join(name));
        let mut files: Vec<(Extract, CsvFile)> = vec![(weights, file("weights.csv")?)];
        if mode == Mode::Multi {
            files.push((RctdResults::table, file("results_multi.csv")?));
        } else {
            files.push((RctdResults::table, file("results_df.csv")?));
        }
        if mode == Mode::Doublet {
            files.push((doublet_weights, file("weights_doublet.csv")?));
        }
        Ok(Tables { files })
    }

    /// Appends the rows of a shard.
    ///
    /// # Errors
    /// `Io` when a file cannot be written.
    pub fn add(&mut self, shard: &RctdResults) -> Result<()> {
        for (table, file) in &mut self.files {
            file.append(&table(shard)?)?;
        }
        Ok(())
    }

    /// Gives the files their names.
    ///
    /// # Errors
    /// `Io` when that fails.
    pub fn commit(self) -> Result<()> {
        for (_, file) in self.files {
            file.file.commit()?;
        }
        Ok(())
    }
}

fn weights(shard: &RctdResults) -> Result<Table> {
    let k = shard.cell_types.len();
    let mut table = Table::new(shard.barcodes.clone());
    for (column, name) in shard.cell_types.iter().enumerate() {
        let values = shard.weights.iter().skip(column).step_by(k).copied();
        table.set(name.clone(), Column::F64(values.collect()))?;
    }
    Ok(table)
}

fn doublet_weights(shard: &RctdResults) -> Result<Table> {
    let mut table = Table::new(shard.barcodes.clone());
    let values = shard.doublet.as_ref().map_or(&[][..], |d| &d.weights);
    for (column, name) in ["first_type", "second_type"].into_iter().enumerate() {
        let values = values.iter().skip(column).step_by(2).copied();
        table.set(name, Column::F64(values.collect()))?;
    }
    Ok(table)
}

struct CsvFile {
    file: AtomicFile,
    has_header: bool,
}

impl CsvFile {
    fn create(path: &Path) -> Result<Self> {
        Ok(CsvFile {
            file: AtomicFile::create(path)?,
            has_header: false,
        })
    }

    fn append(&mut self, table: &Table) -> Result<()> {
        let bytes = to_csv(table, !self.has_header).map_err(|e| {
            Error::new(ErrorKind::Internal, format!("writing CSV: {e}")).with_source(e)
        })?;
        self.has_header = true;
        self.file.write_all(&bytes)
    }
}

fn to_csv(table: &Table, header: bool) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if header {
        writer.write_field("")?;
        for (name, _) in &table.columns {
            writer.write_field(name)?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    for (row, name) in table.index.iter().enumerate() {
        writer.write_field(name)?;
        for (_, column) in &table.columns {
            writer.write_field(cell(column, row))?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    writer.into_inner().map_err(|e| e.into_error().into())
}

/// A value as R would read it back.
fn cell(column: &Column, row: usize) -> String {
    let number = |value: f64| {
        if value.is_nan() {
            "NA".to_owned()
        } else {
            value.to_string()
        }
    };
    match column {
        Column::F64(values) => number(values[row]),
        Column::F32(values) => number(f64::from(values[row])),
        Column::I64(values) => values[row].to_string(),
        Column::I32(values) => values[row].to_string(),
        Column::Bool(values) => if values[row] { "TRUE" } else { "FALSE" }.to_owned(),
        Column::Text(values) => values[row].clone(),
        Column::Categorical(labels) => labels.label(row).unwrap_or("NA").to_owned(),
        _ => unreachable!("result tables hold no other kind of column"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_and_quotes_survive() {
        let mut table = Table::new(vec!["a,b".into(), "c\"d".into()]);
        table
            .set("x", Column::F64(vec![0.1, f64::NAN]))
            .expect("fits");
        table
            .set("y", Column::Bool(vec![true, false]))
            .expect("fits");
        let text = String::from_utf8(to_csv(&table, true).expect("CSV")).expect("UTF-8");
        assert_eq!(text, ",x,y\n\"a,b\",0.1,TRUE\n\"c\"\"d\",NA,FALSE\n");
    }
}
