//! Dispersions of negative binomial genes: gene-wise estimates, trend, prior, shrinkage.
//!
//! Dispersions are per gene, variance = mu + alpha mu^2; logarithms are natural.

mod line_search;
mod low_df;
mod newton;
mod prior;
mod profile;
mod quasi;
mod trend;

pub use line_search::{Grid, LineSearch, LogPosterior, SearchOptions, grid_search, line_search};
pub use newton::{CurvedPosterior, NewtonOptions, NewtonSearch, newton_search};
pub use prior::{prior_variance, residual_variance};
pub use profile::{Curved, DispersionProfile, LogPrior, ProfileWorkspace};
pub use quasi::QuasiPrior;
pub use trend::{FitType, ParametricTrend, Trend, fit_trend};
