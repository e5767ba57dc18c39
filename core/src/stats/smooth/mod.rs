//! Smoothers of one variable: lowess, local quadratic regression, running weighted medians.
//!
//! They are small and exact; data are a few dozen points (lowess), or one value a gene.

mod cubic_spline;
mod local_quadratic;
mod lowess;
mod running_median;

pub use cubic_spline::CubicSpline;
pub use local_quadratic::LocalQuadratic;
pub use lowess::lowess;
pub use running_median::RunningMedian;
