//! `cyto pp`: names, options and defaults of scanpy's functions.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::args::{HostArgs, parse_size};

/// The commands of `cyto pp`.
#[derive(Debug, Subcommand)]
pub enum PpCommand {
    /// Quality control metrics of cells and genes (calculate_qc_metrics)
    #[command(alias = "calculate_qc_metrics")]
    Qc(QcArgs),
    /// Keep cells by a threshold (exactly one)
    #[command(alias = "filter_cells")]
    FilterCells(FilterCellsArgs),
    /// Keep genes by a threshold (exactly one)
    #[command(alias = "filter_genes")]
    FilterGenes(FilterGenesArgs),
    /// Divide every cell by its size factor
    #[command(alias = "normalize_total")]
    NormalizeTotal(NormalizeArgs),
    /// log(1 + x)
    Log1p(Log1pArgs),
    /// Highly variable genes (highly_variable_genes)
    #[command(alias = "highly_variable_genes")]
    Hvg(HvgArgs),
    /// Principal components
    Pca(PcaArgs),
    /// Scale genes to unit variance
    Scale(ScaleArgs),
    /// Nearest neighbours and UMAP weights
    Neighbors(NeighborsArgs),
    /// Pseudobulk: sums, means, ... of groups of cells, as a new file
    Aggregate(AggregateArgs),
    /// Quality control, filters, normalisation, logarithm, variable genes, components in one go
    Preprocess(Box<PreprocessArgs>),
    /// Another layout, chunking or compression of the matrix
    Convert(ConvertArgs),
    /// Everything that is wrong with a file
    Validate(ValidateArgs),
}

/// What every command has.
#[derive(Debug, Clone, Args)]
pub struct CommonArgs {
    /// An .h5ad file; also 10x .h5, MTX folder or Visium outs, from which the output is made
    pub input: PathBuf,
    /// Genome of a 10x .h5 file that holds several
    #[arg(long, value_name = "NAME")]
    pub genome: Option<String>,
    /// Name the genes of 10x files and folders by id, not by symbol
    #[arg(long)]
    pub gene_ids: bool,
    /// Features of every type of 10x files and folders, not "Gene Expression" only
    #[arg(long)]
    pub all_features: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Memory for blocks and caches (at least 32M)
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_size)]
    pub memory_limit: u64,
    /// Threads and messages
    #[command(flatten)]
    pub host: HostArgs,
}

/// Where the result goes.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// File to write; it may be the input
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the input
    #[arg(long, conflicts_with = "output")]
    pub in_place: bool,
    /// Encoding of matrices: none, gzip, gzip:LEVEL, gzip:LEVEL+shuffle (default: as the input)
    #[arg(long, value_name = "HOW")]
    pub compression: Option<String>,
    /// Replace a file that has other hard links, which then keep the old content
    #[arg(long)]
    pub break_hardlinks: bool,
}

/// What is let through.
#[derive(Debug, Clone, Args)]
pub struct ReadArgs {
    /// Count entries of the same cell and gene apart, as scanpy does
    #[arg(long)]
    pub no_canonicalize: bool,
    /// Let NaN and infinities through
    #[arg(long)]
    pub allow_nonfinite: bool,
}

/// `cyto pp qc`.
#[derive(Debug, Args)]
pub struct QcArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub metrics: MetricArgs,
    /// This layer in place of X
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// raw/X in place of X (nothing can be written then)
    #[arg(long)]
    pub use_raw: bool,
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Options of the metrics.
#[derive(Debug, Clone, Args)]
pub struct MetricArgs {
    /// Boolean columns of var: groups of genes
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub qc_vars: Vec<String>,
    /// Sizes of the sets of most abundant genes, or none
    #[arg(long, value_name = "SIZES", default_value = "50,100,200,500")]
    pub percent_top: String,
    /// Word for the values in column names
    #[arg(long, default_value = "counts")]
    pub expr_type: String,
    /// Word for the genes in column names
    #[arg(long, default_value = "genes")]
    pub var_type: String,
    /// No log1p columns
    #[arg(long)]
    pub no_log1p: bool,
    /// 64-bit floats in place of scanpy's types
    #[arg(long)]
    pub wide: bool,
}

/// `cyto pp filter-cells`.
#[derive(Debug, Args)]
pub struct FilterCellsArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub read: ReadArgs,
    /// Sum of the values at least
    #[arg(long, value_name = "X")]
    pub min_counts: Option<f64>,
    /// Genes above zero at least
    #[arg(long, value_name = "N")]
    pub min_genes: Option<f64>,
    /// Sum of the values at most
    #[arg(long, value_name = "X")]
    pub max_counts: Option<f64>,
    /// Genes above zero at most
    #[arg(long, value_name = "N")]
    pub max_genes: Option<f64>,
}

/// `cyto pp filter-genes`.
#[derive(Debug, Args)]
pub struct FilterGenesArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub read: ReadArgs,
    /// Sum of the values at least
    #[arg(long, value_name = "X")]
    pub min_counts: Option<f64>,
    /// Cells above zero at least
    #[arg(long, value_name = "N")]
    pub min_cells: Option<f64>,
    /// Sum of the values at most
    #[arg(long, value_name = "X")]
    pub max_counts: Option<f64>,
    /// Cells above zero at most
    #[arg(long, value_name = "N")]
    pub max_cells: Option<f64>,
}

/// Options of the size factors.
#[derive(Debug, Clone, Args)]
pub struct SizeArgs {
    /// Total of every cell afterwards (default: the median)
    #[arg(long, value_name = "X")]
    pub target_sum: Option<f64>,
    /// Leave genes out of the totals that exceed --max-fraction of some cell
    #[arg(long)]
    pub exclude_highly_expressed: bool,
    /// See --exclude-highly-expressed
    #[arg(long, value_name = "X", default_value_t = 0.05)]
    pub max_fraction: f64,
    /// Cells whose totals the median is taken of (auto: all of sparse, nonzero of dense, as scanpy)
    #[arg(long, value_enum, default_value_t = MedianArg::Auto)]
    pub median_over: MedianArg,
}

/// See [`SizeArgs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MedianArg {
    Auto,
    All,
    Nonzero,
}

/// `cyto pp normalize-total`.
#[derive(Debug, Args)]
pub struct NormalizeArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub size: SizeArgs,
    /// Column of obs that gets the size factors
    #[arg(long, value_name = "NAME")]
    pub key_added: Option<String>,
    /// This layer in place of X
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    #[command(flatten)]
    pub read: ReadArgs,
}

/// `cyto pp log1p`.
#[derive(Debug, Args)]
pub struct Log1pArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Base of the logarithm (default: natural)
    #[arg(long, value_name = "X")]
    pub base: Option<f64>,
    /// This layer in place of X
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// Refuse data that are log-transformed already
    #[arg(long)]
    pub guard: bool,
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Options of the variable genes.
#[derive(Debug, Clone, Args)]
pub struct GeneArgs {
    /// seurat, cell_ranger, seurat_v3 or seurat_v3_paper
    #[arg(long, default_value = "seurat")]
    pub flavor: String,
    /// Number of genes; cutoffs are ignored then
    #[arg(long, value_name = "N")]
    pub n_top_genes: Option<usize>,
    /// Normalised dispersion above this
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.5,
        allow_hyphen_values = true
    )]
    pub min_disp: f64,
    /// Normalised dispersion below this
    #[arg(long, value_name = "X", default_value_t = f64::INFINITY, allow_hyphen_values = true)]
    pub max_disp: f64,
    /// Mean above this
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.0125,
        allow_hyphen_values = true
    )]
    pub min_mean: f64,
    /// Mean below this
    #[arg(
        long,
        value_name = "X",
        default_value_t = 3.0,
        allow_hyphen_values = true
    )]
    pub max_mean: f64,
    /// Share of genes of each local fit (seurat_v3)
    #[arg(long, value_name = "X", default_value_t = 0.3)]
    pub span: f64,
    /// Bins of means (seurat)
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub n_bins: usize,
    /// Column of obs with batches
    #[arg(long, value_name = "COLUMN")]
    pub batch_key: Option<String>,
}

/// `cyto pp hvg`.
#[derive(Debug, Args)]
pub struct HvgArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub genes: GeneArgs,
    /// This layer in place of X
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// Keep the selected genes only
    #[arg(long)]
    pub subset: bool,
    /// No warning for values that are no counts (seurat_v3)
    #[arg(long)]
    pub no_check_values: bool,
    #[command(flatten)]
    pub read: ReadArgs,
}

/// Options of the components.
#[derive(Debug, Clone, Args)]
pub struct ComponentArgs {
    /// Components (default 50, or one less than the smaller side)
    #[arg(long, value_name = "N")]
    pub n_comps: Option<usize>,
    /// Do not take the means out
    #[arg(long)]
    pub no_zero_center: bool,
    /// auto, covariance (exact) or randomized
    #[arg(long, value_enum, default_value_t = SolverArg::Auto)]
    pub svd_solver: SolverArg,
    /// Seed of the randomized solver
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub random_state: u64,
}

/// See [`ComponentArgs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SolverArg {
    Auto,
    Covariance,
    Randomized,
}

/// `cyto pp pca`.
#[derive(Debug, Args)]
pub struct PcaArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub components: ComponentArgs,
    /// Boolean column of var, or none (default: highly_variable where it is)
    #[arg(long, value_name = "COLUMN")]
    pub mask_var: Option<String>,
    /// This layer in place of X
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// Name of the results in obsm, varm and uns
    #[arg(long, value_name = "NAME")]
    pub key_added: Option<String>,
    /// Loadings and variances in the precision of the matrix, as scanpy
    #[arg(long)]
    pub match_dtype: bool,
}

/// `cyto pp scale`.
#[derive(Debug, Args)]
pub struct ScaleArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Do not take the means out; the matrix stays sparse
    #[arg(long)]
    pub no_zero_center: bool,
    /// Largest value afterwards
    #[arg(long, value_name = "X")]
    pub max_value: Option<f64>,
    /// Boolean column of obs: cells that are looked at and changed
    #[arg(long, value_name = "COLUMN")]
    pub mask_obs: Option<String>,
    /// This layer in place of X
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// Allow that a centred matrix is written dense
    #[arg(long)]
    pub dense_ok: bool,
}

/// `cyto pp neighbors`.
#[derive(Debug, Args)]
pub struct NeighborsArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Neighbours, the cell itself included
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub n_neighbors: usize,
    /// Array of obsm
    #[arg(long, value_name = "NAME", default_value = "X_pca")]
    pub use_rep: String,
    /// Columns of it (default: all)
    #[arg(long, value_name = "N")]
    pub n_pcs: Option<usize>,
    /// Prefix of the results
    #[arg(long, value_name = "NAME")]
    pub key_added: Option<String>,
}

/// `cyto pp aggregate`.
#[derive(Debug, Args)]
pub struct AggregateArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Columns of obs
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', required = true)]
    pub by: Vec<String>,
    /// sum, mean, var, count_nonzero, median
    #[arg(
        long,
        value_name = "FUNCS",
        value_delimiter = ',',
        default_value = "sum"
    )]
    pub func: Vec<String>,
    /// Degrees of freedom taken off a variance
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub dof: u64,
    /// This layer in place of X
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
}

/// `cyto pp preprocess`.
#[derive(Debug, Args)]
pub struct PreprocessArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub metrics: MetricArgs,
    /// No metrics
    #[arg(long)]
    pub no_qc: bool,
    /// Cells: sum of the counts at least
    #[arg(long, value_name = "X")]
    pub min_counts: Option<f64>,
    /// Cells: genes above zero at least
    #[arg(long, value_name = "N")]
    pub min_genes: Option<f64>,
    /// Cells: sum of the counts at most
    #[arg(long, value_name = "X")]
    pub max_counts: Option<f64>,
    /// Cells: genes above zero at most
    #[arg(long, value_name = "N")]
    pub max_genes: Option<f64>,
    /// Genes: cells above zero at least, of the cells that stay
    #[arg(long, value_name = "N")]
    pub min_cells: Option<f64>,
    /// Genes: cells above zero at most, of the cells that stay
    #[arg(long, value_name = "N")]
    pub max_cells: Option<f64>,
    #[command(flatten)]
    pub size: SizeArgs,
    /// Base of the logarithm (default: natural)
    #[arg(long, value_name = "X")]
    pub base: Option<f64>,
    #[command(flatten)]
    pub genes: GeneArgs,
    /// No variable genes (components of all genes)
    #[arg(long)]
    pub no_hvg: bool,
    #[command(flatten)]
    pub components: ComponentArgs,
    /// No components
    #[arg(long)]
    pub no_pca: bool,
    /// Leave the counts as they are; note the size factors only
    #[arg(long = "virtual")]
    pub leave_counts: bool,
    /// Go on where uns/log1p says that the data are logarithms
    #[arg(long)]
    pub no_guard: bool,
    #[command(flatten)]
    pub read: ReadArgs,
}

/// `cyto pp convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Layout of the result (default: as the input)
    #[arg(long, value_enum)]
    pub layout: Option<LayoutArg>,
    /// Elements of a chunk
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    pub chunk: usize,
    /// This layer in place of X
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
}

/// See [`ConvertArgs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LayoutArg {
    Csr,
    Csc,
    Dense,
}

/// `cyto pp validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    pub common: CommonArgs,
}

impl PpCommand {
    /// What every command has.
    pub fn common(&self) -> &CommonArgs {
        match self {
            PpCommand::Qc(a) => &a.common,
            PpCommand::FilterCells(a) => &a.common,
            PpCommand::FilterGenes(a) => &a.common,
            PpCommand::NormalizeTotal(a) => &a.common,
            PpCommand::Log1p(a) => &a.common,
            PpCommand::Hvg(a) => &a.common,
            PpCommand::Pca(a) => &a.common,
            PpCommand::Scale(a) => &a.common,
            PpCommand::Neighbors(a) => &a.common,
            PpCommand::Aggregate(a) => &a.common,
            PpCommand::Preprocess(a) => &a.common,
            PpCommand::Convert(a) => &a.common,
            PpCommand::Validate(a) => &a.common,
        }
    }

    /// Where the result goes, of commands that may have one.
    pub fn output(&self) -> Option<&OutputArgs> {
        match self {
            PpCommand::Qc(a) => Some(&a.output),
            PpCommand::FilterCells(a) => Some(&a.output),
            PpCommand::FilterGenes(a) => Some(&a.output),
            PpCommand::NormalizeTotal(a) => Some(&a.output),
            PpCommand::Log1p(a) => Some(&a.output),
            PpCommand::Hvg(a) => Some(&a.output),
            PpCommand::Pca(a) => Some(&a.output),
            PpCommand::Scale(a) => Some(&a.output),
            PpCommand::Neighbors(a) => Some(&a.output),
            PpCommand::Aggregate(a) => Some(&a.output),
            PpCommand::Preprocess(a) => Some(&a.output),
            PpCommand::Convert(a) => Some(&a.output),
            PpCommand::Validate(_) => None,
        }
    }
}
