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
use cytosol::{Error, Result};

use crate::csv_table::to_csv;

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
        let bytes = to_csv(table, b',', !self.has_header)?;
        self.has_header = true;
        self.file.write_all(&bytes)
    }
}
