//! Generalised linear models of counts: formulas, model matrices, negative binomial fits.
//!
//! A design enters the fits as its distinct rows ([`DesignRows`]): sums over samples that share a
//! row are formed once, so that a fit costs a few operations a sample whatever the number of
//! coefficients.

mod arrowhead;
mod box_newton;
mod design;
mod design_rows;
mod formula;
mod gamma_poisson;
mod irls;
mod names;

pub use arrowhead::{ArrowheadOptions, ArrowheadWorkspace, fit_arrowhead};
pub use box_newton::{BoxFit, box_fit};
pub use design::{ModelMatrix, Values, Variable, expanded_matrix, model_matrix};
pub use design_rows::{DesignRows, LeastSquares};
pub use formula::{Formula, Term};
pub use gamma_poisson::{GammaPoissonFit, GammaPoissonWorkspace, fit_gamma_poisson};
pub use irls::{
    GeneFit, IrlsOptions, NbGene, NbWorkspace, covariance_from_mu, fit_gene, fit_gene_quickly,
    fit_means_quickly,
};
pub use names::make_name;
