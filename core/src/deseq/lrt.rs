//! Likelihood-ratio tests of a full against a reduced design.
//!
//! # Cost
//! Two fits a gene, for the F test of quasi-likelihood dispersions as well.
//!
//! # Source
//! DESeq2 1.38, `nbinomLRT`; glmGamPoi 1.10, `test_de`.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::stats::special::chi_squared_upper_tail;

use super::dataset::{DeseqDataset, Design};
use super::dispersions::Dispersions;
use super::fits::{CooksMeans, Fits};
use super::moments::Model;
use super::options::TestOptions;
use super::quasi;
use super::wald::{LrtColumns, MatrixType, TestFit, assemble, fit_plan, note_unconverged};

/// Tests `full` (the design of the data set when absent) against `reduced`.
///
/// # Errors
/// `InvalidArgument` when the designs are not nested, are of different kinds, or a prior is asked
/// for; `State` for an F test without quasi-likelihood dispersions.
pub fn likelihood_ratio_test(
    ctx: &Context,
    dataset: &DeseqDataset,
    dispersions: &Dispersions,
    full: Option<&Design>,
    reduced: &Design,
    options: &TestOptions,
) -> Result<TestFit> {
    options.check()?;
    dataset.require_factors()?;
    if options.beta_prior {
        return Err(Error::argument(
            "betaPrior",
            "likelihood-ratio tests use no prior",
        ));
    }
    if options.use_t {
        return Err(Error::argument("useT", "is for Wald tests"));
    }
    let full = full.unwrap_or(&dataset.design);
    check_nested(full, reduced)?;
    let full_model = Model::new(dataset.matrix_of(full)?);
    let reduced_model = Model::new(dataset.matrix_of(reduced)?);
    for (name, model) in [("full", &full_model), ("reduced", &reduced_model)] {
        if model.matrix.rank() < model.matrix.n_columns() {
            return Err(Error::argument(
                name,
                "the columns of its model matrix depend on each other",
            ));
        }
    }
    let (p, q) = (
        full_model.matrix.n_columns(),
        reduced_model.matrix.n_columns(),
    );
    if q >= p {
        return Err(Error::argument(
            "reduced",
            format!(
                "has {q} coefficients, which must be fewer than the {p} of the full model; were the two \
                 exchanged?"
            ),
        ));
    }
    let models = (&full_model, &reduced_model);
    let (fits, statistic, pvalue, reduced_converged) = if options.quasi_likelihood {
        let keep = options.keep_assays;
        let tested = quasi::test(ctx, dataset, dispersions, models, keep)?;
        let converged = tested.fits.converged.clone();
        (tested.fits, tested.statistic, tested.pvalue, converged)
    } else {
        by_likelihood(ctx, dataset, dispersions, models, options)?
    };
    let columns = LrtColumns {
        statistic,
        pvalue,
        reduced_converged,
        description: format!("'{}' vs '{}'", shown(full), shown(reduced)),
    };
    let kind = match full {
        Design::Formula(_) => MatrixType::Standard,
        Design::Matrix(_) => MatrixType::UserSupplied,
    };
    let mut fit = assemble(full_model.matrix, kind, fits, options);
    fit.lrt = Some(columns);
    Ok(fit)
}

/// The fits of the full model, statistics, p-values, and whether the reduced model converged.
type Tested = (Fits, Vec<f64>, Vec<f64>, Vec<bool>);

/// Twice the difference of the log-likelihoods, and its chi-squared test.
fn by_likelihood(
    ctx: &Context,
    dataset: &DeseqDataset,
    dispersions: &Dispersions,
    (full, reduced): (&Model, &Model),
    options: &TestOptions,
) -> Result<Tested> {
    let mut plan = fit_plan(dataset, dispersions, full, options, true);
    // As in DESeq2, the means on which the dispersions rest, or those of the test before.
    let means = &dispersions.means;
    plan.cooks_means = means.are_known().then(|| CooksMeans {
        means,
        rows: Model::new(dispersions.model_matrix.clone()).rows,
    });
    let fits = plan.run(ctx, "fitting full model", dataset)?;
    note_unconverged(ctx, dispersions, &fits)?;
    let plan = fit_plan(dataset, dispersions, reduced, options, false);
    let smaller = plan.run(ctx, "fitting reduced model", dataset)?;
    let both = fits.ln_likelihood.iter().zip(&smaller.ln_likelihood);
    let statistic: Vec<f64> = both.map(|(full, reduced)| 2.0 * (full - reduced)).collect();
    let df = (full.matrix.n_columns() - reduced.matrix.n_columns()) as f64;
    let pvalue = statistic
        .iter()
        .map(|&s| chi_squared_upper_tail(s, df))
        .collect();
    Ok((fits, statistic, pvalue, smaller.converged))
}

fn shown(design: &Design) -> String {
    match design {
        Design::Formula(formula) => formula.to_string(),
        Design::Matrix(_) => "a model matrix".to_owned(),
    }
}

pub(super) fn check_nested(full: &Design, reduced: &Design) -> Result<()> {
    match (full, reduced) {
        (Design::Formula(full), Design::Formula(reduced)) => {
            match reduced
                .variables
                .iter()
                .find(|v| !full.variables.contains(v))
            {
                None => Ok(()),
                Some(extra) => Err(Error::argument(
                    "reduced",
                    format!("variable {extra:?} is not in the full design"),
                )),
            }
        }
        (Design::Matrix(_), Design::Matrix(_)) => Ok(()),
        _ => Err(Error::argument(
            "reduced",
            "if one of full and reduced is a matrix, the other must be a matrix as well",
        )),
    }
}
