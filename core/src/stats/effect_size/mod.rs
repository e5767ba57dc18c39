//! Shrinkage of effect sizes: a normal prior on coefficients, a Cauchy prior (apeglm), adaptive
//! mixtures (ash), and the s-values of the last two.

mod apeglm;
mod ash;
mod cauchy_prior;
mod normal_prior;
mod s_value;

pub use apeglm::{ApeglmWorkspace, CauchyPrior, ShrunkenEffect, shrink_gene};
pub use ash::{AshPosterior, AshPrior, ash_false_or_small, ash_posterior, fit_ash_prior};
pub use cauchy_prior::cauchy_prior_scale;
pub use normal_prior::{LevelGroup, PriorVarianceInput, beta_prior_variance};
pub use s_value::s_values;
