//! The command line of `cyto deseq`; names and defaults are DESeq2's, spelled with dashes.

use std::path::PathBuf;

use clap::Args;

use crate::args::HostArgs;

/// `cyto deseq`.
#[derive(Debug, Clone, Args)]
pub struct DeseqArgs {
    /// Counts: CSV or TSV (.gz or not), a line a gene, its name first, the header names the samples; or a
    /// folder of htseq-count files; or cells as .h5ad, summed by --by
    pub counts: PathBuf,
    /// Samples, CSV or TSV (.gz or not): a line a sample in the order of the counts, its name first; for a
    /// folder the second column names its files. Not with .h5ad, where --by makes the samples
    pub samples: Option<PathBuf>,
    /// Design formula over the columns of the sample table, for example "~ batch + condition"
    #[arg(long, value_name = "FORMULA")]
    pub design: String,
    /// Cells
    #[command(flatten)]
    pub cells: CellArgs,
    /// The tables
    #[command(flatten)]
    pub table: TableArgs,
    /// The model
    #[command(flatten)]
    pub model: ModelArgs,
    /// The comparison
    #[command(flatten)]
    pub comparison: ComparisonArgs,
    /// Results table (.tsv: with tabs)
    #[arg(short, long, value_name = "FILE", default_value = "deseq_results.csv")]
    pub output: PathBuf,
    /// Also draw mean against fold change (.png or .svg)
    #[arg(long, value_name = "FILE")]
    pub ma_plot: Option<PathBuf>,
    /// Also write variance-stabilised counts, genes x samples
    #[arg(long, value_name = "FILE")]
    pub vst: Option<PathBuf>,
    /// Genes that the trend of --vst is estimated from; 0 = all
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "vst")]
    pub vst_nsub: usize,
    /// The dispersions of --vst use the design (blind = FALSE)
    #[arg(long, requires = "vst")]
    pub vst_with_design: bool,
    /// Print one JSON object on standard output, everything else on standard error
    #[arg(long)]
    pub json: bool,
    /// Threads and messages
    #[command(flatten)]
    pub host: HostArgs,
}

/// How cells become samples.
#[derive(Debug, Clone, Args)]
pub struct CellArgs {
    /// A column of obs; the cells of each combination of these columns are summed to a sample, and the
    /// columns are the factors of the design (may be given several times)
    #[arg(long, value_name = "COLUMN")]
    pub by: Vec<String>,
    /// Samples of fewer cells are left out
    #[arg(long, value_name = "N", default_value_t = 1, requires = "by")]
    pub min_cells: u64,
    /// The layer with the counts [default: X]
    #[arg(long, value_name = "NAME", requires = "by")]
    pub layer: Option<String>,
    /// The counts are in raw/X
    #[arg(long, requires = "by", conflicts_with = "layer")]
    pub use_raw: bool,
}

/// How the sample table is understood.
#[derive(Debug, Clone, Args)]
pub struct TableArgs {
    /// A column of numbers that is a factor (may be given several times)
    #[arg(long = "factor", value_name = "COLUMN")]
    pub factors: Vec<String>,
    /// The first level of a factor, as FACTOR=LEVEL (may be given several times) [default: sorted]
    #[arg(long = "reference", value_name = "FACTOR=LEVEL")]
    pub references: Vec<String>,
    /// The counts are estimates (tximport's counts, from abundance) and are rounded
    #[arg(long)]
    pub estimated: bool,
    /// Average transcript lengths (tximport's length), a table like that of the counts, which are then estimates
    #[arg(long, value_name = "FILE")]
    pub lengths: Option<PathBuf>,
}

/// The model and its tests.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// Wald or LRT
    #[arg(long, value_name = "TEST", default_value = "Wald")]
    pub test: String,
    /// Reduced design of --test LRT
    #[arg(long, value_name = "FORMULA")]
    pub reduced: Option<String>,
    /// Trend of the dispersions: parametric, local, mean, or glmGamPoi (quasi-likelihood, with --test LRT)
    #[arg(long, value_name = "TYPE", default_value = "parametric")]
    pub fit_type: String,
    /// Size factors: ratio, poscounts or iterate
    #[arg(long, value_name = "TYPE", default_value = "ratio")]
    pub sf_type: String,
    /// What of the log ratios is a size factor: median or shorth
    #[arg(long, value_name = "NAME", default_value = "median")]
    pub locfunc: String,
    /// Fail when every gene has a zero, instead of using poscounts with a message
    #[arg(long)]
    pub strict: bool,
    /// Cells of the design with this many samples have replaceable outliers
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub min_replicates_for_replace: usize,
    /// exact (the reference's iterations) or fast
    #[arg(long, value_name = "MODE", default_value = "exact")]
    pub mode: String,
}

/// What is compared and how it is judged.
#[derive(Debug, Clone, Args)]
pub struct ComparisonArgs {
    /// Two levels of a factor, as FACTOR,LEVEL,BASE, or a number for each coefficient, as 0,1,-1 [default: the
    /// last coefficient]
    #[arg(long, value_name = "FACTOR,LEVEL,BASE", allow_hyphen_values = true,
          conflicts_with_all = ["name", "numerators", "denominators"])]
    pub contrast: Option<String>,
    /// Coefficients whose sum is compared, as A,B
    #[arg(long, value_name = "COEFFICIENTS", conflicts_with = "name")]
    pub numerators: Option<String>,
    /// Coefficients whose sum is taken off, as A,B
    #[arg(long, value_name = "COEFFICIENTS", conflicts_with = "name")]
    pub denominators: Option<String>,
    /// By what numerators and denominators are multiplied
    #[arg(long, value_name = "X,-Y", allow_hyphen_values = true)]
    pub list_values: Option<String>,
    /// A coefficient, for example condition_treated_vs_untreated
    #[arg(long, value_name = "COEFFICIENT")]
    pub name: Option<String>,
    /// Level of the adjusted p-values
    #[arg(long, value_name = "X", default_value_t = 0.1)]
    pub alpha: f64,
    /// Threshold of the log2 fold change (at least 0)
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    pub lfc_threshold: f64,
    /// greaterAbs, lessAbs, greater, less or greaterAbs2014
    #[arg(long, value_name = "NAME", default_value = "greaterAbs")]
    pub alt_hypothesis: String,
    /// BH, BY, bonferroni, holm, hochberg, hommel, fdr or none
    #[arg(long, value_name = "METHOD", default_value = "BH")]
    pub p_adjust_method: String,
    /// Do not filter genes with low counts
    #[arg(long)]
    pub no_independent_filtering: bool,
    /// Cook's distance above which a p-value is missing, or off [default: F quantile]
    #[arg(long, value_name = "X")]
    pub cooks_cutoff: Option<String>,
    /// Shrink the fold changes: apeglm, ashr or normal
    #[arg(long, value_name = "TYPE")]
    pub shrink: Option<String>,
    /// s-values in place of p-values; with --lfc-threshold of the sign being false or the effect small
    #[arg(long, requires = "shrink")]
    pub svalue: bool,
    /// Version of DESeq2 followed where versions differ: 1.38 or 1.44
    #[arg(long, value_name = "VERSION", default_value = "1.44")]
    pub compat: String,
}
