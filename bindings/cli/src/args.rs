//! What can be asked for on the command line, and what it defaults to.
//!
//! Names and defaults follow rctd-py's command line where it has the option. Options that this
//! engine has no use for are accepted only with the value that describes what it does anyway; see
//! `rctd/options.rs`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::pp::args::PpCommand;

/// Single-cell and spatial genomics from the command line.
#[derive(Debug, Parser)]
#[command(name = "cyto", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What this build can do, or what a file holds
    Info(InfoArgs),
    /// Cell types of spatial pixels (robust cell type decomposition)
    #[command(subcommand)]
    Rctd(RctdCommand),
    /// Preprocessing of .h5ad files in bounded memory, with scanpy's names and results
    #[command(subcommand)]
    Pp(Box<PpCommand>),
    /// Differential expression from counts of replicated samples (DESeq2's model)
    #[command(allow_negative_numbers = true)]
    Deseq(Box<crate::deseq::DeseqArgs>),
    /// Simulate a tissue with known truth, deconvolve it, compare and draw it
    Demo(DemoArgs),
}

/// The commands of `cyto rctd`.
#[derive(Debug, Subcommand)]
pub enum RctdCommand {
    /// Check that two inputs fit each other, without running anything
    #[command(allow_negative_numbers = true)]
    Validate(Box<ValidateArgs>),
    /// Estimate the cell types of every pixel
    #[command(allow_negative_numbers = true)]
    Run(Box<RunArgs>),
}

/// `cyto info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// A file or folder to describe: .h5ad, 10x .h5, MTX folder, Visium outs
    pub path: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `cyto demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder for the simulated files, the results and the picture
    #[arg(long, value_name = "DIR", default_value = "demo")]
    pub out: PathBuf,
    /// Seed of the simulation
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Threads and messages
    #[command(flatten)]
    pub host: HostArgs,
    /// Pixels of the tissue, in rows of 50 from its surface inwards
    #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    pub pixels: u64,
    /// Only write the simulated files; do not deconvolve them
    #[arg(long)]
    pub simulate_only: bool,
}

/// Options of every long command.
#[derive(Debug, Clone, Args, Default)]
pub struct HostArgs {
    /// Worker threads; 0 = all that the process may use (results never depend on it)
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Print neither progress nor messages
    #[arg(short, long)]
    pub quiet: bool,
}

/// The two inputs of RCTD and how to read them.
#[derive(Debug, Clone, Args)]
pub struct InputArgs {
    /// Spatial counts: .h5ad, 10x .h5, MTX folder with coords.csv, or Visium outs
    pub spatial: PathBuf,
    /// Single-cell reference: .h5ad, or MTX folder with cells.csv
    pub reference: PathBuf,
    /// Table of a SpatialData store (zarr input cannot be read; asking for it is an error)
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// Column of the reference that holds the cell types
    #[arg(long, value_name = "COLUMN", default_value = "cell_type")]
    pub cell_type_col: String,
    /// Read spatial counts from this layer in place of X
    #[arg(long, value_name = "NAME", conflicts_with = "spatial_raw")]
    pub spatial_layer: Option<String>,
    /// Read spatial counts from raw/X in place of X
    #[arg(long)]
    pub spatial_raw: bool,
    /// Read reference counts from this layer in place of X
    #[arg(long, value_name = "NAME", conflicts_with = "reference_raw")]
    pub reference_layer: Option<String>,
    /// Read reference counts from raw/X in place of X
    #[arg(long)]
    pub reference_raw: bool,
    /// Genome of a spatial 10x .h5 file that holds several
    #[arg(long, value_name = "NAME")]
    pub genome: Option<String>,
    /// Name the genes of 10x files and folders by id, not by symbol
    #[arg(long)]
    pub gene_ids: bool,
}

/// `cyto rctd validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Inputs
    #[command(flatten)]
    pub input: InputArgs,
    /// Pixels with fewer counts do not take part
    #[arg(long, value_name = "N", default_value_t = 100.0)]
    pub umi_min: f64,
    /// Cell types with fewer cells are left out
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub cell_min: u64,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Exit with code 2 when a check fails (otherwise 0: the answer is in the output)
    #[arg(long)]
    pub strict: bool,
    /// Threads and messages
    #[command(flatten)]
    pub host: HostArgs,
}

/// `cyto rctd run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Inputs
    #[command(flatten)]
    pub input: InputArgs,
    /// What to fit: full (all types), doublet (one or two types) or multi (a few types)
    #[arg(long, default_value = "doublet", value_name = "MODE")]
    pub mode: String,
    /// Output file [default: <name of the input>_rctd.h5ad beside the spatial input]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print one JSON object on standard output, everything else on standard error
    #[arg(long)]
    pub json: bool,
    /// Also write the result tables as CSV files into this folder
    #[arg(long, value_name = "DIR")]
    pub csv: Option<PathBuf>,
    /// Also draw the tissue coloured by cell type (.png or .svg)
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
    /// Reuse the parts that an interrupted run of the same command left
    #[arg(long)]
    pub resume: bool,
    /// The engine
    #[command(flatten)]
    pub engine: EngineArgs,
    /// The model
    #[command(flatten)]
    pub model: ModelArgs,
    /// Threads and messages
    #[command(flatten)]
    pub host: HostArgs,
}

/// How the work is done.
#[derive(Debug, Clone, Args)]
pub struct EngineArgs {
    /// Seed of the random choices (cells of large types, pixels for sigma)
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Memory that blocks may use, for example 4G [default: 80 % of what the process may use]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory_limit: Option<u64>,
    /// Numbers of the engine; only float64
    #[arg(long, default_value = "float64")]
    pub dtype: String,
    /// Device: auto, cpu or cuda
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Nothing is compiled at run time here, so this asks for what happens anyway
    #[arg(long)]
    pub no_compile: bool,
    /// Not used by this engine; giving it is an error
    #[arg(long, value_name = "K")]
    pub eigh_threshold: Option<usize>,
    /// Pixels fitted between two checkpoints (results never depend on it)
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub batch_size: usize,
}

/// The settings of the model.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// Least mean expression of a gene for platform effects
    #[arg(long, value_name = "X", default_value_t = 0.000125)]
    pub gene_cutoff: f64,
    /// Least log fold change of a gene for platform effects (natural log)
    #[arg(long, value_name = "X", default_value_t = 0.5)]
    pub fc_cutoff: f64,
    /// Least mean expression of a gene for the pixel fits
    #[arg(long, value_name = "X", default_value_t = 0.0002)]
    pub gene_cutoff_reg: f64,
    /// Least log fold change of a gene for the pixel fits (natural log)
    #[arg(long, value_name = "X", default_value_t = 0.75)]
    pub fc_cutoff_reg: f64,
    /// Pixels with fewer counts are left out
    #[arg(long, value_name = "N", default_value_t = 100.0)]
    pub umi_min: f64,
    /// Pixels with more counts are left out
    #[arg(long, value_name = "N", default_value_t = 20_000_000.0)]
    pub umi_max: f64,
    /// Pixels with fewer counts over the genes used are left out
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    pub counts_min: f64,
    /// Only pixels with more counts are used to estimate sigma
    #[arg(long, value_name = "N", default_value_t = 300.0)]
    pub umi_min_sigma: f64,
    /// Most cell types of a pixel in multi mode
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub max_multi_types: usize,
    /// How much better a pair must fit to be believed
    #[arg(long, value_name = "X", default_value_t = 5.0)]
    pub confidence_threshold: f64,
    /// How much better two types must fit than one
    #[arg(long, value_name = "X", default_value_t = 20.0)]
    pub doublet_threshold: f64,
    /// Quadratic problem of a step: exact, or dual with the error of the solver that spacexr calls
    #[arg(long, value_name = "HOW", default_value = "exact", value_parser = ["exact", "dual"])]
    pub qp_method: String,
    /// Do not estimate sigma; use this one, in hundredths
    #[arg(long, value_name = "KEY")]
    pub sigma_override: Option<u32>,
    /// Cell types with fewer reference cells are left out, with a warning
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub cell_min: u64,
    /// Most reference cells used of a type
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub n_max_cells: usize,
    /// Reference cells with fewer counts are left out
    #[arg(long, value_name = "N", default_value_t = 100.0)]
    pub min_umi_ref: f64,
    /// Tab-separated table with columns cell_type and class: types of a class may stand for each other
    #[arg(long, value_name = "TSV")]
    pub class_df: Option<PathBuf>,
    /// Order of the cell types: names with commas between them, or @FILE with one name a line
    #[arg(long, value_name = "NAMES")]
    pub type_order: Option<String>,
}

/// Bytes from `512M`, `4G`, `4GiB`, `1000000`.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_alphabetic());
    let power = match lower[digits.len()..].trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        unit => return Err(format!("unknown unit {unit:?}; use K, M, G or T")),
    };
    let number: f64 = digits
        .trim()
        .parse()
        .map_err(|_| "not a number; write for example 512M or 4G".to_owned())?;
    let bytes = number * f64::from(2_u32.pow(10)).powi(power / 10);
    if bytes < 1_048_576.0 || !bytes.is_finite() {
        return Err("at least 1M is needed".to_owned());
    }
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_are_understood() {
        assert_eq!(parse_size("4G"), Ok(4 << 30));
        assert_eq!(parse_size("1.5 MiB"), Ok(3 << 19));
        assert_eq!(parse_size("2000000"), Ok(2_000_000));
        for wrong in ["", "G", "4X", "-1G", "10", "nan"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
