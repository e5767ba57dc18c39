//! The whole analysis in one call: size factors, dispersions, test, replacement of outliers.
//!
//! # Cost
//! That of its steps.
//!
//! # Source
//! DESeq2 1.38 and 1.44, `DESeq`.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::stats::dispersion::FitType;
use crate::stats::glm::ModelMatrix;

use super::dataset::{DeseqDataset, Design};
use super::dispersions::{Dispersions, estimate_dispersions};
use super::lrt::likelihood_ratio_test;
use super::notes::{message, warning};
use super::options::{DispersionOptions, TestOptions};
use super::replace::{Refit, Replacement, refit_without_outliers};
use super::size_factors::{SizeFactorOptions, estimate_size_factors};
use super::wald::{TestFit, wald_test};

/// Which test is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TestKind {
    /// Wald tests of the coefficients.
    #[default]
    Wald,
    /// Likelihood-ratio test against a reduced design.
    Lrt,
}

/// Options of [`deseq`].
#[derive(Debug, Clone, Default)]
pub struct DeseqOptions {
    /// Test. Default Wald.
    pub test: TestKind,
    /// A model matrix used instead of the design.
    pub full: Option<ModelMatrix>,
    /// The reduced design of a likelihood-ratio test.
    pub reduced: Option<Design>,
    /// Size factors.
    pub size_factors: SizeFactorOptions,
    /// Dispersions; their mode is that of the test as well.
    pub dispersions: DispersionOptions,
    /// The test.
    pub fit: TestOptions,
}

/// Everything that was estimated; the counts stay in the data set.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// Dispersions and base means; after replacement those of the replaced counts.
    pub dispersions: Dispersions,
    /// Coefficients and their test.
    pub fit: TestFit,
    /// What was replaced, when anything was.
    pub replacement: Option<Replacement>,
}

/// Runs the analysis. Size factors are estimated unless the data set has some.
///
/// # Errors
/// Those of the steps; `InvalidArgument` for a reduced design without a likelihood-ratio test, or
/// the other way round.
pub fn deseq(
    ctx: &Context,
    dataset: &mut DeseqDataset,
    options: &DeseqOptions,
) -> Result<Analysis> {
    check(ctx, dataset, options)?;
    if dataset.normalization_factors.is_some() {
        message(ctx, "using pre-existing normalization factors")?;
    } else if dataset.size_factors.is_some() {
        message(ctx, "using pre-existing size factors")?;
    } else {
        message(ctx, "estimating size factors")?;
        estimate_size_factors(ctx, dataset, &options.size_factors)?;
    }
    message(ctx, "estimating dispersions")?;
    let dispersions =
        estimate_dispersions(ctx, dataset, options.full.as_ref(), &options.dispersions)?;
    message(ctx, "fitting model and testing")?;
    let with_mode = TestOptions {
        quasi_likelihood: options.dispersions.fit_type == FitType::GlmGamPoi,
        mode: options.dispersions.mode,
        ..options.fit.clone()
    };
    let fit = match (&options.test, &options.reduced) {
        (TestKind::Wald, _) => wald_test(
            ctx,
            dataset,
            &dispersions,
            options.full.as_ref(),
            &with_mode,
        )?,
        (TestKind::Lrt, reduced) => {
            let reduced = reduced.as_ref().expect("checked before");
            let full = options.full.clone().map(Design::Matrix);
            let full = full.as_ref();
            likelihood_ratio_test(ctx, dataset, &dispersions, full, reduced, &with_mode)?
        }
    };
    let mut analysis = Analysis {
        dispersions,
        fit,
        replacement: None,
    };
    if options.dispersions.fit_type != FitType::GlmGamPoi {
        refit_without_outliers(ctx, dataset, &mut analysis, &Refit::of(options))?;
    }
    Ok(analysis)
}

fn check(ctx: &Context, dataset: &DeseqDataset, options: &DeseqOptions) -> Result<()> {
    options.dispersions.check()?;
    options.fit.check()?;
    match (options.test, &options.reduced) {
        (TestKind::Lrt, None) => {
            return Err(Error::argument(
                "reduced",
                "likelihood ratio test requires a reduced design",
            ));
        }
        (TestKind::Wald, Some(_)) => {
            return Err(Error::argument("reduced", "is for test = \"LRT\" only"));
        }
        _ => {}
    }
    if options.dispersions.fit_type == FitType::GlmGamPoi && options.test == TestKind::Wald {
        warning(
            ctx,
            "dispersions of fitType='glmGamPoi' are made for test='LRT'; Wald tests take no account of how \
             uncertain they are",
        )?;
    }
    if options.full.is_some() {
        message(ctx, "using supplied model matrix")?;
        if options.fit.beta_prior {
            return Err(Error::argument(
                "betaPrior",
                "cannot be used with a supplied model matrix",
            ));
        }
    } else if dataset
        .design
        .as_formula()
        .is_some_and(|f| f.terms.is_empty())
    {
        warning(
            ctx,
            "the design `~ 1` has no variable, so no conditions are compared",
        )?;
    }
    if options.fit.min_replicates_for_replace < 3 {
        return Err(Error::argument(
            "minReplicatesForReplace",
            "must be at least 3: with fewer replicates no count stands out from the others",
        ));
    }
    Ok(())
}
