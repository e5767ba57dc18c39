//! Arguments of `cyto pp` as options of the engine.

use cytosol::data::Compression;
use cytosol::data::rows::ReadOptions;
use cytosol::preprocess::file::{Output, PreprocessReport};
use cytosol::preprocess::{
    CellFilter, Cutoffs, GeneFilter, HvgFlavor, HvgOptions, MedianOver, NormalizeOptions,
    PcaOptions, PcaSolver, QcOptions,
};
use cytosol::{Error, Result};

use super::args::{
    CommonArgs, ComponentArgs, GeneArgs, MedianArg, MetricArgs, OutputArgs, PreprocessArgs,
    ReadArgs, SizeArgs, SolverArg,
};

/// Least memory. A chunk of each dataset and a block of rows need some.
const MIN_MEMORY: u64 = 32 << 20;

pub fn check_memory(common: &CommonArgs) -> Result<u64> {
    if common.memory_limit >= MIN_MEMORY {
        return Ok(common.memory_limit);
    }
    Err(Error::argument(
        "memory-limit",
        format!("{} is too small; at least 32M", common.memory_limit),
    ))
}

/// Where the result goes, if anywhere.
pub fn output(common: &CommonArgs, args: &OutputArgs) -> Result<Option<Output>> {
    let target = match (&args.output, args.in_place) {
        (Some(path), _) => path.clone(),
        (None, true) => common.input.clone(),
        (None, false) => return Ok(None),
    };
    let mut output = Output::to(target);
    output.compression = match &args.compression {
        Some(text) => Some(compression(text)?),
        None => None,
    };
    output.break_hardlinks = args.break_hardlinks;
    Ok(Some(output))
}

/// The same where there must be one.
pub fn needed_output(common: &CommonArgs, args: &OutputArgs) -> Result<Output> {
    output(common, args)?.ok_or_else(|| {
        Error::argument(
            "output",
            "is needed; give -o FILE, or --in-place to replace the input",
        )
    })
}

fn compression(text: &str) -> Result<Compression> {
    let (name, shuffle) = match text.strip_suffix("+shuffle") {
        Some(name) => (name, true),
        None => (text, false),
    };
    let level = match name {
        "none" if !shuffle => return Ok(Compression::None),
        "gzip" => Some(4),
        _ => name
            .strip_prefix("gzip:")
            .and_then(|n| n.parse::<u8>().ok()),
    };
    match level {
        Some(level @ 1..=9) => Ok(Compression::GzipLevel { level, shuffle }),
        _ => Err(Error::argument(
            "compression",
            format!(
                "{text:?} is unknown; one of none, gzip, gzip:1 to gzip:9, with +shuffle or without"
            ),
        )),
    }
}

pub fn read(args: &ReadArgs) -> ReadOptions {
    ReadOptions {
        sum_duplicates: !args.no_canonicalize,
        allow_nonfinite: args.allow_nonfinite,
    }
}

pub fn metrics(args: &MetricArgs, read: ReadOptions) -> Result<QcOptions> {
    let mut options = QcOptions::default();
    options.percent_top = match args.percent_top.as_str() {
        "none" | "" => Vec::new(),
        text => text
            .split(',')
            .map(|n| n.trim().parse())
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| {
                Error::argument(
                    "percent-top",
                    format!("{text:?} is not a list of numbers; for example 50,100 or none"),
                )
            })?,
    };
    options.expr_type = args.expr_type.clone();
    options.var_type = args.var_type.clone();
    options.log1p = !args.no_log1p;
    options.wide = args.wide;
    options.read = read;
    Ok(options)
}

pub fn sizes(args: &SizeArgs, read: ReadOptions) -> NormalizeOptions {
    let mut options = NormalizeOptions::default();
    options.target_sum = args.target_sum;
    options.exclude_highly_expressed = args.exclude_highly_expressed;
    options.max_fraction = args.max_fraction;
    options.median_over = match args.median_over {
        MedianArg::Auto => MedianOver::Auto,
        MedianArg::All => MedianOver::All,
        MedianArg::Nonzero => MedianOver::Nonzero,
    };
    options.read = read;
    options
}

pub fn genes(args: &GeneArgs, read: ReadOptions) -> Result<HvgOptions> {
    let mut cutoffs = Cutoffs::default();
    cutoffs.n_top_genes = args.n_top_genes;
    cutoffs.min_disp = args.min_disp;
    cutoffs.max_disp = args.max_disp;
    cutoffs.min_mean = args.min_mean;
    cutoffs.max_mean = args.max_mean;
    let mut options = HvgOptions::default();
    options.flavor = HvgFlavor::parse(&args.flavor)?;
    options.cutoffs = cutoffs;
    options.n_bins = args.n_bins;
    options.span = args.span;
    options.read = read;
    Ok(options)
}

pub fn components(args: &ComponentArgs) -> PcaOptions {
    let mut options = PcaOptions::default();
    options.n_comps = args.n_comps;
    options.zero_center = !args.no_zero_center;
    options.solver = match args.svd_solver {
        SolverArg::Auto => PcaSolver::Auto,
        SolverArg::Covariance => PcaSolver::Covariance,
        SolverArg::Randomized => PcaSolver::Randomized,
    };
    options.random_state = args.random_state;
    options
}

/// Thresholds of the pipeline.
pub fn filters(args: &PreprocessArgs) -> (Vec<CellFilter>, Vec<GeneFilter>) {
    let cells = [
        args.min_counts.map(CellFilter::MinCounts),
        args.min_genes.map(CellFilter::MinGenes),
        args.max_counts.map(CellFilter::MaxCounts),
        args.max_genes.map(CellFilter::MaxGenes),
    ];
    let genes = [
        args.min_cells.map(GeneFilter::MinCells),
        args.max_cells.map(GeneFilter::MaxCells),
    ];
    (
        cells.into_iter().flatten().collect(),
        genes.into_iter().flatten().collect(),
    )
}

/// How many genes a report selects.
pub fn n_variable(report: &PreprocessReport) -> Option<usize> {
    let hvg = report.hvg.as_ref()?;
    Some(hvg.highly_variable.iter().filter(|v| **v).count())
}
