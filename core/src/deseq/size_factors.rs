//! Size factors and normalization factors of a data set.
//!
//! # Cost
//! One pass over the counts; see [`crate::stats::size_factors`].
//!
//! # Source
//! DESeq2 1.38, `estimateSizeFactors`.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::stats::order::mean;
use crate::stats::size_factors::{
    Ratios, center_geometrically, ln_geometric_mean, ln_positive_mean, median_ratio, shorth,
};

use super::dataset::DeseqDataset;
use super::notes::message;

/// How size factors are estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SizeFactorType {
    /// Median ratio to geometric means.
    #[default]
    Ratio,
    /// Median ratio to geometric means of positive counts over all samples.
    Poscounts,
    /// Iterated fits of a constant mean.
    Iterate,
}

impl std::str::FromStr for SizeFactorType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "ratio" => Ok(SizeFactorType::Ratio),
            "poscounts" => Ok(SizeFactorType::Poscounts),
            "iterate" => Ok(SizeFactorType::Iterate),
            _ => Err(Error::argument(
                "type",
                format!("{text:?} is unknown; must be \"ratio\", \"poscounts\" or \"iterate\""),
            )),
        }
    }
}

/// What of the log ratios of a sample its size factor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Location {
    /// Median.
    #[default]
    Median,
    /// Mean of the shortest half, see [`shorth`].
    Shorth,
}

impl std::str::FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "median" => Ok(Location::Median),
            "shorth" => Ok(Location::Shorth),
            _ => Err(Error::argument(
                "locfunc",
                format!("{text:?} is unknown; must be \"median\" or \"shorth\""),
            )),
        }
    }
}

/// Options of [`estimate_size_factors`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SizeFactorOptions {
    /// Kind. Default ratio.
    pub kind: SizeFactorType,
    /// What of the log ratios is taken. Default median.
    pub location: Location,
    /// Geometric means, one a gene, instead of those of the data.
    pub geo_means: Option<Vec<f64>>,
    /// Genes (positions) that the factors are estimated from; all when absent.
    pub control_genes: Option<Vec<usize>>,
    /// A matrix that scales the counts besides the factors, genes x samples, gene-major.
    pub norm_matrix: Option<Vec<f64>>,
    /// An error when every gene has a zero, instead of the kind poscounts with a message.
    pub strict: bool,
}

/// Estimates size factors, or normalization factors when there is a matrix of lengths, and stores
/// them in the data set.
///
/// # Errors
/// `InvalidArgument` for options that do not fit; `InvalidData` when every gene has a zero and
/// `strict` is set.
pub fn estimate_size_factors(
    ctx: &Context,
    dataset: &mut DeseqDataset,
    options: &SizeFactorOptions,
) -> Result<()> {
    check(dataset, options)?;
    let (n, m) = (dataset.n_genes(), dataset.n_samples());
    let lengths = match (&options.norm_matrix, &dataset.avg_tx_length) {
        (Some(given), _) => Some(given.clone()),
        (None, Some(lengths)) => {
            message(
                ctx,
                "average transcript lengths (avgTxLength) and library sizes give the normalization factors",
            )?;
            let mut centred = lengths.clone();
            centred.chunks_exact_mut(m).for_each(center_geometrically);
            Some(centred)
        }
        (None, None) => None,
    };
    if let Some(mut factors) = lengths {
        let size = from_rows(ctx, dataset, Some(&factors), options)?;
        for row in factors.chunks_exact_mut(m) {
            row.iter_mut().zip(&size).for_each(|(f, s)| *f *= s);
            center_geometrically(row);
        }
        debug_assert_eq!(factors.len(), n * m);
        return dataset.set_normalization_factors(factors);
    }
    let factors = match options.kind {
        SizeFactorType::Iterate => super::iterated_factors::iterated(ctx, dataset, options)?,
        _ => from_rows(ctx, dataset, None, options)?,
    };
    dataset.set_size_factors(factors)
}

fn check(dataset: &DeseqDataset, options: &SizeFactorOptions) -> Result<()> {
    let n = dataset.n_genes();
    if let Some(means) = &options.geo_means {
        if means.len() != n {
            return Err(Error::argument(
                "geoMeans",
                format!("{} values for {n} genes", means.len()),
            ));
        }
    }
    if let Some(control) = &options.control_genes {
        if control.is_empty() || control.iter().any(|&g| g >= n) {
            return Err(Error::argument(
                "controlGenes",
                format!("positions must be below {n}"),
            ));
        }
    }
    if let Some(matrix) = &options.norm_matrix {
        if matrix.len() != n * dataset.n_samples() || matrix.iter().any(|v| v.is_nan() || *v <= 0.0)
        {
            return Err(Error::argument(
                "normMatrix",
                "must have a positive number for each gene and sample",
            ));
        }
    }
    Ok(())
}

/// Ratio or poscounts factors of the counts divided by `divisor`.
fn from_rows(
    ctx: &Context,
    dataset: &DeseqDataset,
    divisor: Option<&[f64]>,
    options: &SizeFactorOptions,
) -> Result<Vec<f64>> {
    let mut kind = options.kind;
    loop {
        let (ratios, means) = ratios(dataset, divisor, options, kind);
        if means == 0 {
            if options.strict || kind == SizeFactorType::Poscounts || options.geo_means.is_some() {
                return Err(Error::data(
                    "no gene has a geometric mean above zero, so size factors have nothing to compare counts with",
                ));
            }
            message(
                ctx,
                "no gene has counts in all samples: size factors of type 'poscounts' are used",
            )?;
            kind = SizeFactorType::Poscounts;
            continue;
        }
        let mut factors = match options.location {
            Location::Median => ratios.size_factors(&median_ratio),
            Location::Shorth => ratios.size_factors(&|r| shorth(r).unwrap_or(f64::NAN)),
        };
        if let Some(sample) = factors.iter().position(|f| f.is_nan()) {
            return Err(Error::data(format!(
                "sample {:?}: its ratios to the means of the genes have no {}; another locfunc or other \
                 genes are needed",
                dataset.samples[sample],
                match options.location {
                    Location::Median => "median",
                    Location::Shorth => "single shortest half",
                }
            )));
        }
        if kind == SizeFactorType::Poscounts || options.geo_means.is_some() {
            center_geometrically(&mut factors);
        }
        return Ok(factors);
    }
}

/// Log ratios of the genes used, and how many genes have a mean.
fn ratios(
    dataset: &DeseqDataset,
    divisor: Option<&[f64]>,
    options: &SizeFactorOptions,
    kind: SizeFactorType,
) -> (Ratios, usize) {
    let m = dataset.n_samples();
    let mut ratios = Ratios::new(m);
    let mut with_mean = 0;
    let mut row = vec![0.0; m];
    let mut add = |gene: usize| {
        dataset.counts.read(gene, &mut row);
        if let Some(divisor) = divisor {
            for (k, d) in row.iter_mut().zip(&divisor[gene * m..]) {
                *k /= d;
            }
        }
        let ln_mean = match (&options.geo_means, kind) {
            (Some(means), _) => libm::log(means[gene]),
            (None, SizeFactorType::Poscounts) => ln_positive_mean(&row),
            (None, _) => ln_geometric_mean(&row),
        };
        with_mean += usize::from(ln_mean.is_finite());
        ratios.add(&row, ln_mean);
    };
    match &options.control_genes {
        Some(control) => control.iter().for_each(|&gene| add(gene)),
        None => (0..dataset.n_genes()).for_each(&mut add),
    }
    (ratios, with_mean)
}

/// Mean of the logarithms of the totals of the samples, as robust counts per million use it.
pub(super) fn mean_ln_total(totals: &[f64]) -> f64 {
    let logs: Vec<f64> = totals.iter().map(|&t| libm::log(t)).collect();
    mean(&logs)
}
