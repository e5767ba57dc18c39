//! `cyto info`: what this build can do, or what a file holds. Of a file only tables and structure
//! are read, never the matrix.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use cytosol::data::{Column, Dataset, OpenOptions, Table, open};
use cytosol::{Context, ContextOptions, Device, Result, build_info};
use serde::Serialize;

use crate::args::InfoArgs;
use crate::failure::to_json;
use crate::host;

/// Prints facts of the build, or of a file.
///
/// # Errors
/// As [`open`].
pub fn run(args: &InfoArgs) -> Result<ExitCode> {
    let text = match &args.path {
        None => {
            let build = Build::now();
            if args.json {
                to_json(&build)
            } else {
                build.for_people()
            }
        }
        Some(path) => {
            let contents = Contents::of(path)?;
            if args.json {
                to_json(&contents)
            } else {
                contents.for_people()
            }
        }
    };
    host::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The build.
#[derive(Debug, Serialize)]
struct Build {
    version: &'static str,
    target: String,
    features: Vec<&'static str>,
    hdf5_version: Option<String>,
    cpu_features: Vec<&'static str>,
    threads: usize,
    devices: Vec<&'static str>,
    cuda: String,
    cuda_available: bool,
    formats_read: Vec<&'static str>,
}

impl Build {
    fn now() -> Self {
        let build = build_info();
        let mut options = ContextOptions::default();
        options.device = Device::Cuda;
        let cuda = Context::new(&options);
        Build {
            version: env!("CARGO_PKG_VERSION"),
            target: build.target,
            features: build.features,
            hdf5_version: build.hdf5,
            cpu_features: build.cpu,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            devices: vec!["cpu"],
            cuda_available: cuda.is_ok(),
            cuda: cuda.map_or_else(|e| e.message().to_owned(), |_| "available".to_owned()),
            formats_read: vec!["h5ad", "10x_h5", "mtx", "visium", "counts_csv"],
        }
    }

    fn for_people(&self) -> String {
        let list = |items: &[&str]| {
            if items.is_empty() {
                "none".to_owned()
            } else {
                items.join(", ")
            }
        };
        format!(
            "cyto {} ({})\nfeatures:  {}\nHDF5:      {}\nprocessor: {}; {} threads\ndevices:   {}\n\
             CUDA:      {}\nreads:     {}",
            self.version,
            self.target,
            list(&self.features),
            self.hdf5_version.as_deref().unwrap_or("not built in"),
            list(&self.cpu_features),
            self.threads,
            list(&self.devices),
            self.cuda,
            list(&self.formats_read),
        )
    }
}

/// What a file holds.
#[derive(Debug, Serialize)]
struct Contents {
    path: String,
    format: &'static str,
    matrix: String,
    layout: &'static str,
    dtype: String,
    n_cells: usize,
    n_genes: usize,
    n_entries: u64,
    chunk: Option<Vec<usize>>,
    filters: Vec<String>,
    fast_path: bool,
    layers: Vec<String>,
    has_raw: bool,
    obs: Vec<ColumnFacts>,
    var: Vec<ColumnFacts>,
    obsm: Vec<ArrayFacts>,
    members: Vec<String>,
    has_coordinates: bool,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ColumnFacts {
    name: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    categories: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct ArrayFacts {
    name: String,
    shape: [usize; 2],
}

impl Contents {
    fn of(path: &Path) -> Result<Self> {
        let dataset = open(path, &OpenOptions::default())?;
        let has_coordinates = dataset.coordinates().is_some();
        let Dataset {
            obs,
            var,
            obsm,
            info,
            ..
        } = dataset;
        Ok(Contents {
            path: path.display().to_string(),
            format: info.format.name(),
            matrix: info.matrix,
            layout: info.layout.name(),
            dtype: info.dtype,
            n_cells: info.n_cells,
            n_genes: info.n_genes,
            n_entries: info.n_entries,
            chunk: info.chunk,
            filters: info.filters,
            fast_path: info.fast_path,
            layers: info.layers,
            has_raw: info.has_raw,
            obs: columns(&obs),
            var: columns(&var),
            obsm: obsm
                .iter()
                .map(|(name, array)| ArrayFacts {
                    name: name.clone(),
                    shape: [array.n_rows, array.n_columns],
                })
                .collect(),
            members: info.members,
            has_coordinates,
            warnings: info.warnings,
        })
    }

    fn for_people(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, words: String| {
            if !words.is_empty() {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{name:<12}{words}");
            }
        };
        line("file", format!("{} ({})", self.path, self.format));
        line(
            "shape",
            format!("{} cells x {} genes", self.n_cells, self.n_genes),
        );
        let share = self.n_entries as f64 / (self.n_cells * self.n_genes).max(1) as f64;
        line(
            "matrix",
            format!(
                "{}: {} {}, {} entries ({:.1} %)",
                self.matrix,
                self.layout,
                self.dtype,
                self.n_entries,
                100.0 * share
            ),
        );
        let chunk = self.chunk.as_ref().map(|c| format!("{c:?}"));
        line("chunks", chunk.unwrap_or_default());
        line("filters", self.filters.join(", "));
        if self.layout != "coordinate" && self.format != "counts_csv" {
            let way = if self.fast_path {
                "chunks decoded in parallel"
            } else {
                "through the HDF5 library"
            };
            line("read", way.to_owned());
        }
        line("layers", self.layers.join(", "));
        line("raw", if self.has_raw { "yes" } else { "" }.to_owned());
        line("obs", listed(&self.obs));
        line("var", listed(&self.var));
        let arrays = self.obsm.iter();
        let arrays = arrays.map(|a| format!("{} ({} columns)", a.name, a.shape[1]));
        line("obsm", arrays.collect::<Vec<_>>().join(", "));
        line("other", self.members.join(", "));
        let coordinates = if self.has_coordinates { "yes" } else { "no" };
        line("coordinates", coordinates.to_owned());
        for warning in &self.warnings {
            line("warning", warning.clone());
        }
        text.truncate(text.trim_end().len());
        text
    }
}

fn listed(columns: &[ColumnFacts]) -> String {
    let words = columns.iter().map(|column| match &column.categories {
        Some(categories) => format!("{} ({} categories)", column.name, categories.len()),
        None => format!("{} ({})", column.name, column.kind),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn columns(table: &Table) -> Vec<ColumnFacts> {
    let facts = table.columns.iter().map(|(name, column)| {
        let (kind, categories) = match column {
            Column::F64(_) => ("float64", None),
            Column::F32(_) => ("float32", None),
            Column::I64(_) => ("int64", None),
            Column::I32(_) => ("int32", None),
            Column::Bool(_) => ("bool", None),
            Column::Text(_) => ("text", None),
            Column::Categorical(labels) => ("categorical", Some(labels.categories.clone())),
            _ => ("other", None),
        };
        ColumnFacts {
            name: name.clone(),
            kind,
            categories,
        }
    });
    facts.collect()
}
