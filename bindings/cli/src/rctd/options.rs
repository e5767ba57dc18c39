//! Command-line options turned into the engine's; options that cannot act are refused here.

use std::path::Path;

use cytosol::rctd::{Mode, QpMethod, RareTypes, RctdOptions, ReferenceOptions};
use cytosol::{Device, Error, ErrorKind, Result};

use crate::args::{EngineArgs, InputArgs, RunArgs};
use crate::host::{self, Host};

/// Everything the engine needs besides data.
#[derive(Debug)]
pub struct Settings {
    /// What to fit.
    pub mode: Mode,
    /// The model.
    pub model: RctdOptions,
    /// The reference.
    pub reference: ReferenceOptions,
    /// Pixels between two checkpoints.
    pub batch_size: usize,
}

/// Checks every option and reads the small tables they name.
///
/// # Errors
/// `InvalidArgument` naming the option; `Unsupported` for options this engine has no use for;
/// `NotFound` and `UnsupportedFormat` for the tables.
pub fn settings(args: &RunArgs) -> Result<Settings> {
    let mode: Mode = args.mode.parse()?;
    check_engine(&args.engine)?;
    refuse_table(&args.input)?;
    if let Some(picture) = &args.picture {
        crate::picture::check_name(picture)?;
    }
    let mut model = RctdOptions::default();
    let given = &args.model;
    model.gene_cutoff = given.gene_cutoff;
    model.fc_cutoff = given.fc_cutoff;
    model.gene_cutoff_reg = given.gene_cutoff_reg;
    model.fc_cutoff_reg = given.fc_cutoff_reg;
    model.umi_min = given.umi_min;
    model.umi_max = given.umi_max;
    model.counts_min = given.counts_min;
    model.umi_min_sigma = given.umi_min_sigma;
    model.cell_min_instance = given.cell_min;
    model.max_multi_types = given.max_multi_types;
    model.confidence_threshold = given.confidence_threshold;
    model.doublet_threshold = given.doublet_threshold;
    model.qp_method = match given.qp_method.as_str() {
        "dual" => QpMethod::Dual,
        _ => QpMethod::Exact,
    };
    model.sigma = given.sigma_override;
    model.keep_scores = false;
    if let Some(path) = &given.class_df {
        model.class_df = Some(read_classes(path)?);
    }
    model.check()?;
    let mut reference = ReferenceOptions::default();
    reference.n_max_cells = given.n_max_cells;
    reference.min_umi = given.min_umi_ref;
    reference.cell_min = given.cell_min;
    reference.rare_types = RareTypes::Drop;
    if let Some(order) = &given.type_order {
        reference.type_order = Some(type_order(order)?);
    }
    Ok(Settings {
        mode,
        model,
        reference,
        batch_size: args.engine.batch_size,
    })
}

/// The context that the options ask for.
///
/// # Errors
/// `DeviceUnavailable` for `--device cuda`; `InvalidArgument` for unknown devices.
pub fn start(args: &RunArgs) -> Result<Host> {
    let device = device(&args.engine.device)?;
    host::start(&args.host, |options| {
        options.device = device;
        options.seed = args.engine.seed;
        options.memory_budget = args.engine.memory_limit.unwrap_or(0);
    })
}

fn device(name: &str) -> Result<Device> {
    match name {
        "auto" => Ok(Device::Auto),
        "cpu" => Ok(Device::Cpu),
        "cuda" => Ok(Device::Cuda),
        other => Err(Error::argument(
            "device",
            format!("{other:?} is unknown; use auto, cpu or cuda"),
        )),
    }
}

fn check_engine(engine: &EngineArgs) -> Result<()> {
    if engine.dtype != "float64" {
        return Err(unsupported(
            "dtype",
            format!(
                "{:?} is not supported: every number of this engine is float64; use float64 or \
                 leave the option out",
                engine.dtype
            ),
        ));
    }
    if engine.eigh_threshold.is_some() {
        return Err(unsupported(
            "eigh-threshold",
            "this engine does not hand eigenvalue problems to a device, so there is no threshold \
             to set; leave the option out",
        ));
    }
    if engine.batch_size == 0 {
        return Err(Error::argument("batch-size", "must be at least 1"));
    }
    Ok(())
}

/// Tables belong to SpatialData stores, which are zarr folders.
///
/// # Errors
/// `Unsupported` when a table was asked for.
pub fn refuse_table(input: &InputArgs) -> Result<()> {
    match &input.table {
        None => Ok(()),
        Some(table) => Err(unsupported(
            "table",
            format!(
                "{table:?} asks for a table of a SpatialData store, but zarr input cannot be \
                 read; write the table to an .h5ad file and leave the option out"
            ),
        )),
    }
}

fn unsupported(option: &str, message: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{option}: {message}")).with_argument(option)
}

fn type_order(text: &str) -> Result<Vec<String>> {
    let names: Vec<String> = match text.strip_prefix('@') {
        Some(path) => {
            let path = Path::new(path);
            let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "reading", e))?;
            text.lines().map(str::to_owned).collect()
        }
        None => text.split(',').map(|name| name.trim().to_owned()).collect(),
    };
    let names: Vec<String> = names.into_iter().filter(|n| !n.is_empty()).collect();
    if names.is_empty() {
        return Err(Error::argument(
            "type-order",
            "holds no name; give names with commas between them, or @FILE",
        ));
    }
    Ok(names)
}

/// Rows of a tab-separated table with columns `cell_type` and `class`.
fn read_classes(path: &Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "reading", e))?;
    let mut lines = text
        .lines()
        .map(|line| line.trim_end_matches('\r'))
        .enumerate()
        .filter(|(_, line)| !line.is_empty());
    let header: Vec<&str> = lines
        .next()
        .map_or(Vec::new(), |(_, line)| line.split('\t').collect());
    let place = |name: &str| {
        header.iter().position(|h| *h == name).ok_or_else(|| {
            Error::format(
                path,
                format!(
                    "the header is {header:?}; it must have the tab-separated columns \
                     \"cell_type\" and \"class\""
                ),
            )
            .with_argument("class-df")
        })
    };
    let (type_at, class_at) = (place("cell_type")?, place("class")?);
    lines
        .map(|(number, line)| {
            let fields: Vec<&str> = line.split('\t').collect();
            match (fields.get(type_at), fields.get(class_at)) {
                (Some(cell_type), Some(class)) => Ok(((*cell_type).into(), (*class).into())),
                _ => Err(Error::format(
                    path,
                    format!(
                        "line {} has {} of {} fields",
                        number + 1,
                        fields.len(),
                        header.len()
                    ),
                )),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_line_or_a_file() {
        assert_eq!(type_order("b, a").expect("names"), ["b", "a"]);
        assert!(type_order(" , ").is_err());
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), "CD4+, naive\nB\n").expect("written");
        let names = type_order(&format!("@{}", file.path().display())).expect("names");
        assert_eq!(names, ["CD4+, naive", "B"]);
    }

    #[test]
    fn a_class_table_needs_its_columns() {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), "class\tcell_type\r\nN\tL2\r\nG\tAstro\r\n").expect("written");
        let classes = read_classes(file.path()).expect("table");
        assert_eq!(classes[1], ("Astro".to_owned(), "G".to_owned()));
        std::fs::write(file.path(), "type,class\nL2,N\n").expect("written");
        let error = read_classes(file.path()).expect_err("no columns");
        assert!(error.message().contains("\"cell_type\" and \"class\""));
        std::fs::write(file.path(), "cell_type\tclass\nL2\n").expect("written");
        let error = read_classes(file.path()).expect_err("short line");
        assert!(error.message().contains("line 2 has 1 of 2 fields"));
    }
}
