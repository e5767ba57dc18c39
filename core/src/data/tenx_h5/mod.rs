//! 10x Genomics' `.h5`: Cell Ranger 3 and later (one group `matrix`), Cell Ranger 1 and 2 (a group
//! for each genome), probe-level files.
//!
//! Files hold features x barcodes compressed by barcode, which is cells x genes by cell: the
//! `.h5ad` reader's source streams it as it stands. Features that are left out are dropped block
//! by block.
//!
//! Time and memory: the names; of the matrix its pointers, 8 bytes a cell.

use std::path::Path;

use hdf5::Group;

use super::dataset::{Dataset, DatasetInfo, Format, OpenOptions, VarNames, warn_of_duplicates};
use super::gene_names::{gene_expression, keep_rows};
use super::h5ad::encoding::{TableReader, missing_key};
use super::h5ad::{file, reader};
use super::keep_genes::KeepGenes;
use super::source::CellBlocks;
use super::table::{Column, Table};
use crate::error::{Error, ErrorKind, Reason, Result, name_some};

/// Members of `matrix/features` that do not become columns under their own name.
const NO_COLUMNS: [&str; 5] = ["name", "feature_type", "id", "gene_id", "_all_tag_keys"];

/// Opens a file.
///
/// # Errors
/// `UnsupportedFormat`, reasons `MissingKey` and `CorruptMatrix`; `NotFound` for a genome that is
/// not there; `InvalidArgument` when there are several genomes and none was chosen.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Dataset> {
    let file = file::open(path)?;
    let v3 = file.group("matrix").ok();
    let found = match &v3 {
        Some(matrix) => Reader::new(path, matrix, "matrix").read_v3(options)?,
        None => {
            let name = choose_group(path, &file, options)?;
            let group = file
                .group(&name)
                .map_err(|e| Error::format(path, format!("{name}: {e}")))?;
            Reader::new(path, &group, &name).read_v2(options)?
        }
    };
    let mut keep = vec![true; found.var.n_rows()];
    if let Some(genes) = gene_expression(found.feature_types.as_deref(), options.gex_only)
        .map_err(|e| e.in_context(path.display()).with_file(path))?
    {
        keep = genes;
    }
    if let (Some(genome), true) = (&options.genome, v3.is_some()) {
        keep_genome(path, &found.var, genome, &mut keep)?;
    }
    Ok(found.into_dataset(&keep))
}

/// A file's content before features are left out.
struct Found {
    counts: Box<dyn CellBlocks>,
    obs: Table,
    var: Table,
    feature_types: Option<Vec<String>>,
    info: DatasetInfo,
}

impl Found {
    fn into_dataset(mut self, keep: &[bool]) -> Dataset {
        let n_left_out = keep.iter().filter(|&&kept| !kept).count();
        if n_left_out > 0 {
            self.info.warnings.push(format!(
                "{n_left_out} of {} features are left out (gex_only, genome)",
                keep.len()
            ));
            self.var = keep_rows(&self.var, keep);
            self.counts = Box::new(KeepGenes::new(self.counts, keep));
        }
        self.info.format = Format::TenxH5;
        self.info.n_cells = self.counts.n_cells();
        self.info.n_genes = self.counts.n_genes();
        warn_of_duplicates("barcodes", &self.obs.index, &mut self.info.warnings);
        warn_of_duplicates("genes", &self.var.index, &mut self.info.warnings);
        Dataset {
            counts: self.counts,
            obs: self.obs,
            var: self.var,
            obsm: Vec::new(),
            info: self.info,
        }
    }
}

/// Reads the members of one group that holds a matrix.
struct Reader<'a> {
    path: &'a Path,
    group: &'a Group,
    name: &'a str,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(path: &'a Path, group: &'a Group, name: &'a str) -> Self {
        Reader {
            path,
            group,
            name,
            warnings: Vec::new(),
        }
    }

    fn read_v3(mut self, options: &OpenOptions) -> Result<Found> {
        let [n_cells, n_genes] = self.shape()?;
        let parent = format!("{}/features", self.name);
        let features = self
            .group
            .group("features")
            .map_err(|_| missing_key(self.path, &parent, "the file has no names of features"))?;
        let symbols = self.texts(&features, &parent, "name", n_genes)?;
        let ids = self.texts(&features, &parent, "id", n_genes)?;
        let types = self.texts(&features, &parent, "feature_type", n_genes)?;
        let mut var = if features.link_exists("gene_id") {
            let genes = self.texts(&features, &parent, "gene_id", n_genes)?;
            let mut var = named(symbols, genes, options)?;
            var.set("probe_ids", Column::Text(ids))?;
            var
        } else {
            named(symbols, ids, options)?
        };
        var.set("feature_types", Column::Text(types.clone()))?;
        let mut members = features.member_names().unwrap_or_default();
        members.sort();
        for member in members {
            if NO_COLUMNS.contains(&member.as_str()) || features.dataset(&member).is_err() {
                continue;
            }
            if let Some(column) = self.column(&features, &parent, &member, n_genes)? {
                var.set(member, column)?;
            }
        }
        let mut obs = Table::new(self.texts(self.group, self.name, "barcodes", n_cells)?);
        if self.group.link_exists("filtered_barcodes") {
            let column = self.column(self.group, self.name, "filtered_barcodes", n_cells)?;
            if let Some(column) = column {
                obs.set("filtered_barcodes", as_bool(column))?;
            }
        }
        self.finish(obs, var, Some(types))
    }

    fn read_v2(mut self, options: &OpenOptions) -> Result<Found> {
        let [n_cells, n_genes] = self.shape()?;
        let symbols = self.texts(self.group, self.name, "gene_names", n_genes)?;
        let ids = self.texts(self.group, self.name, "genes", n_genes)?;
        let obs = Table::new(self.texts(self.group, self.name, "barcodes", n_cells)?);
        let var = named(symbols, ids, options)?;
        self.finish(obs, var, None)
    }

    fn finish(self, obs: Table, var: Table, feature_types: Option<Vec<String>>) -> Result<Found> {
        let shape = [obs.n_rows(), var.n_rows()];
        let (counts, mut info) =
            reader::open_sparse(self.path, self.group, self.name, shape, true)?;
        info.warnings.extend(self.warnings);
        Ok(Found {
            counts,
            obs,
            var,
            feature_types,
            info,
        })
    }

    /// (cells, genes) as the file states them.
    fn shape(&self) -> Result<[usize; 2]> {
        let key = format!("{}/shape", self.name);
        let dataset = self
            .group
            .dataset("shape")
            .map_err(|_| missing_key(self.path, &key, "the matrix has no shape"))?;
        let sizes = dataset
            .read_raw::<i64>()
            .map_err(|e| Error::format(self.path, format!("{key}: {e}")))?;
        match sizes[..] {
            [features, barcodes] if features >= 0 && barcodes >= 0 => {
                Ok([barcodes as usize, features as usize])
            }
            _ => Err(Error::format(
                self.path,
                format!("{key}: {sizes:?}; must be two sizes, features and barcodes"),
            )),
        }
    }

    /// A column of `n` rows of text that must be there.
    fn texts(&mut self, group: &Group, parent: &str, name: &str, n: usize) -> Result<Vec<String>> {
        let key = format!("{parent}/{name}");
        if !group.link_exists(name) {
            return Err(missing_key(self.path, &key, "10x files have it"));
        }
        let fault = match self.table_reader(group).read_column(group, name, &key)? {
            Some(Column::Text(texts)) if texts.len() == n => return Ok(texts),
            Some(Column::Text(texts)) => {
                format!("{} strings; {}/shape says {n}", texts.len(), self.name)
            }
            _ => "must be strings".to_owned(),
        };
        Err(Error::format(self.path, format!("{key}: {fault}")))
    }

    /// A column of `n` rows of any type; `None`, with a warning, when it cannot be one.
    fn column(
        &mut self,
        group: &Group,
        parent: &str,
        name: &str,
        n: usize,
    ) -> Result<Option<Column>> {
        let key = format!("{parent}/{name}");
        let column = self.table_reader(group).read_column(group, name, &key)?;
        let column = column.filter(|column| {
            let fits = column.len() == n;
            if !fits {
                let found = column.len();
                self.warnings
                    .push(format!("{key}: {found} elements for {n} rows; left out"));
            }
            fits
        });
        Ok(column)
    }

    fn table_reader<'r>(&'r mut self, root: &'r Group) -> TableReader<'r> {
        TableReader {
            path: self.path,
            root,
            warnings: &mut self.warnings,
        }
    }
}

/// The table of genes, named as asked for.
fn named(symbols: Vec<String>, ids: Vec<String>, options: &OpenOptions) -> Result<Table> {
    let (names, others, column) = match options.var_names {
        VarNames::GeneSymbols => (symbols, ids, "gene_ids"),
        VarNames::GeneIds => (ids, symbols, "gene_symbols"),
    };
    let mut var = Table::new(names);
    var.set(column, Column::Text(others))?;
    Ok(var)
}

fn as_bool(column: Column) -> Column {
    match column.as_numbers() {
        Some(numbers) => Column::Bool(numbers.iter().map(|&value| value != 0.0).collect()),
        None => column,
    }
}

/// The genome's group of a file of version 2.
fn choose_group(path: &Path, file: &hdf5::File, options: &OpenOptions) -> Result<String> {
    let mut genomes = file.member_names().unwrap_or_default();
    genomes.retain(|name| file.group(name).is_ok());
    genomes.sort();
    match (&options.genome, &genomes[..]) {
        (Some(genome), _) if genomes.contains(genome) => Ok(genome.clone()),
        (Some(genome), _) => Err(no_genome(path, genome, &genomes)),
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(missing_key(path, "matrix", "the file has no matrix at all")),
        (None, _) => Err(Error::argument(
            "genome",
            format!(
                "{} holds {} genomes; choose one of {}",
                path.display(),
                genomes.len(),
                name_some(&genomes, 10)
            ),
        )
        .with_file(path)),
    }
}

fn keep_genome(path: &Path, var: &Table, genome: &str, keep: &mut [bool]) -> Result<()> {
    let Some(Column::Text(genomes)) = var.column("genome") else {
        return Err(missing_key(
            path,
            "matrix/features/genome",
            "genes cannot be chosen by genome",
        ));
    };
    if !genomes.iter().any(|name| name == genome) {
        let mut present = genomes.clone();
        present.sort();
        present.dedup();
        return Err(no_genome(path, genome, &present));
    }
    for (kept, name) in keep.iter_mut().zip(genomes) {
        *kept &= name == genome;
    }
    Ok(())
}

fn no_genome(path: &Path, genome: &str, present: &[String]) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "genome: {} has no genome {genome:?}; present: {}",
            path.display(),
            name_some(present, 10)
        ),
    )
    .with_argument("genome")
    .with_reason(Reason::MissingKey {
        key: genome.to_owned(),
    })
    .with_file(path)
}

#[cfg(test)]
mod tests;
