//! Options of the steps, with DESeq2's names in `snake_case` and its defaults.

use std::str::FromStr;

use crate::error::{Error, Result};
use crate::stats::dispersion::FitType;

/// How faithfully the reference's iterations are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// The reference's iteration paths, where results depend on them.
    #[default]
    Exact,
    /// The same objectives by the quickest safe optimiser: Newton's method for dispersions, no path of
    /// iterations for coefficients. Dispersions differ by less than 1 %, as the reference's stop short of
    /// their maximum.
    Fast,
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "exact" => Ok(Mode::Exact),
            "fast" => Ok(Mode::Fast),
            _ => Err(Error::argument(
                "mode",
                format!("{text:?} is not a mode; must be \"exact\" or \"fast\""),
            )),
        }
    }
}

/// Which version of DESeq2 is followed where versions differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compat {
    /// The release of 1.38.
    V138,
    /// The release of 1.44.
    #[default]
    V144,
}

impl FromStr for Compat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "1.38" => Ok(Compat::V138),
            "1.44" => Ok(Compat::V144),
            _ => Err(Error::argument(
                "compat",
                format!("{text:?} is not a version; must be \"1.38\" or \"1.44\""),
            )),
        }
    }
}

/// Options of the dispersion estimates.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DispersionOptions {
    /// Trend. Default parametric.
    pub fit_type: FitType,
    /// Most proposals of a line search. Default 100.
    pub max_iterations: u32,
    /// Whether the Cox-Reid term is used. Default true.
    pub use_cox_reid: bool,
    /// Weight above which a sample counts for the Cox-Reid term. Default 0.01.
    pub weight_threshold: f64,
    /// Floor of the means. Default 0.5 (1e-6 for glmGamPoi).
    pub min_mu: Option<f64>,
    /// Least dispersion. Default 1e-8.
    pub min_disp: f64,
    /// First step of the line search. Default 1.
    pub kappa_0: f64,
    /// Gain that ends the line search. Default 1e-6.
    pub tolerance: f64,
    /// Rounds of means and dispersions. Default 1.
    pub n_iterations: u32,
    /// Whether means are linear in the design; decided by the design when absent.
    pub linear_mu: Option<bool>,
    /// Dispersions at the start of the gene-wise estimates; rough and moment estimates when absent.
    pub alpha_init: Option<Vec<f64>>,
    /// Standard deviations above the trend that make an outlier. Default 2.
    pub outlier_sd: f64,
    /// Variance of the prior; estimated when absent.
    pub prior_variance: Option<f64>,
    /// Exact or fast. Default exact.
    pub mode: Mode,
}

impl Default for DispersionOptions {
    fn default() -> Self {
        DispersionOptions {
            fit_type: FitType::Parametric,
            max_iterations: 100,
            use_cox_reid: true,
            weight_threshold: 1e-2,
            min_mu: None,
            min_disp: 1e-8,
            kappa_0: 1.0,
            tolerance: 1e-6,
            n_iterations: 1,
            linear_mu: None,
            alpha_init: None,
            outlier_sd: 2.0,
            prior_variance: None,
            mode: Mode::Exact,
        }
    }
}

impl DispersionOptions {
    /// # Errors
    /// `InvalidArgument` for values outside their range.
    pub fn check(&self) -> Result<()> {
        positive("minDisp", self.min_disp)?;
        positive("kappa_0", self.kappa_0)?;
        positive("dispTol", self.tolerance)?;
        positive("outlierSD", self.outlier_sd)?;
        positive("minmu", self.min_mu())?;
        if let Some(variance) = self.prior_variance {
            positive("dispPriorVar", variance)?;
        }
        if self.max_iterations == 0 || self.n_iterations == 0 {
            return Err(Error::argument("maxit", "must be at least 1"));
        }
        // Steps of the line search are bounded at ln alpha = -30.
        if libm::log(self.min_disp / 10.0) <= -30.0 {
            return Err(Error::argument(
                "minDisp",
                format!(
                    "{} is too small; ln(minDisp / 10) must be above -30",
                    self.min_disp
                ),
            ));
        }
        Ok(())
    }

    /// Floor of the means.
    pub fn min_mu(&self) -> f64 {
        self.min_mu
            .unwrap_or(if self.fit_type == FitType::GlmGamPoi {
                1e-6
            } else {
                0.5
            })
    }
}

/// Options of the tests.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TestOptions {
    /// Relative change of the deviance that ends a fit. Default 1e-8.
    pub beta_tolerance: f64,
    /// Most iterations of a fit. Default 100.
    pub max_iterations: u32,
    /// Whether fits that do not converge are repeated by a bounded minimisation. Default true.
    pub use_optim: bool,
    /// Whether a QR factorisation takes over where the normal equations are ill-conditioned.
    pub use_qr: bool,
    /// Floor of the means. Default 0.5.
    pub min_mu: f64,
    /// Whether Wald statistics are compared with a t distribution. Default false.
    pub use_t: bool,
    /// Its degrees of freedom, one or one a gene; residual ones when absent.
    pub df: Option<Vec<f64>>,
    /// Whether coefficients have a normal prior (the old behaviour of DESeq2). Default false.
    pub beta_prior: bool,
    /// Variances of that prior, one a coefficient; estimated when absent.
    pub beta_prior_variance: Option<Vec<f64>>,
    /// Whether a standard matrix is used with `beta_prior` instead of an expanded one.
    pub standard_matrix: bool,
    /// How the prior variance is estimated.
    pub prior_method: PriorMethod,
    /// Upper quantile that is matched to the normal one. Default 0.05.
    pub upper_quantile: f64,
    /// Cells of the design with this many samples have replaceable outliers. Default 7.
    pub min_replicates_for_replace: usize,
    /// Whether fitted means, leverages and Cook's distances of all counts are kept.
    pub keep_assays: bool,
    /// Whether a likelihood-ratio test is the F test of quasi-likelihood dispersions, which
    /// `fitType = "glmGamPoi"` estimates. Default false; [`super::deseq`] decides by the trend.
    pub quasi_likelihood: bool,
    /// Exact or fast. Default exact.
    pub mode: Mode,
}

/// How the variance of the prior of coefficients is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PriorMethod {
    /// Quantile weighted by the precision that means and dispersions allow.
    #[default]
    Weighted,
    /// Plain quantile.
    Quantile,
}

impl Default for TestOptions {
    fn default() -> Self {
        TestOptions {
            beta_tolerance: 1e-8,
            max_iterations: 100,
            use_optim: true,
            use_qr: true,
            min_mu: 0.5,
            use_t: false,
            df: None,
            beta_prior: false,
            beta_prior_variance: None,
            standard_matrix: false,
            prior_method: PriorMethod::Weighted,
            upper_quantile: 0.05,
            min_replicates_for_replace: 7,
            keep_assays: false,
            quasi_likelihood: false,
            mode: Mode::Exact,
        }
    }
}

impl TestOptions {
    /// # Errors
    /// `InvalidArgument` for values outside their range.
    pub fn check(&self) -> Result<()> {
        positive("betaTol", self.beta_tolerance)?;
        positive("minmu", self.min_mu)?;
        if self.max_iterations == 0 {
            return Err(Error::argument("maxit", "must be at least 1"));
        }
        if !(self.upper_quantile > 0.0 && self.upper_quantile < 0.5) {
            return Err(Error::argument(
                "upperQuantile",
                "must be between 0 and 0.5",
            ));
        }
        if self.df.is_some() && !self.use_t {
            return Err(Error::argument("df", "is used with useT = TRUE only"));
        }
        if self.beta_prior_variance.is_some() && !self.beta_prior {
            return Err(Error::argument(
                "betaPriorVar",
                "is used with betaPrior = TRUE only",
            ));
        }
        Ok(())
    }
}

fn positive(name: &str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Error::argument(
        name,
        format!("{value}; must be a positive number"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_out_of_range_are_named() {
        assert!(DispersionOptions::default().check().is_ok());
        assert!(TestOptions::default().check().is_ok());
        let options = DispersionOptions {
            min_disp: 1e-13,
            ..DispersionOptions::default()
        };
        assert_eq!(
            options.check().expect_err("small").argument_name(),
            Some("minDisp")
        );
        let options = TestOptions {
            df: Some(vec![3.0]),
            ..TestOptions::default()
        };
        assert_eq!(
            options.check().expect_err("no t").argument_name(),
            Some("df")
        );
    }

    #[test]
    fn names_are_read() {
        assert_eq!("fast".parse::<Mode>().expect("ok"), Mode::Fast);
        assert_eq!("1.38".parse::<Compat>().expect("ok"), Compat::V138);
        assert!("1.2".parse::<Compat>().is_err());
    }
}
