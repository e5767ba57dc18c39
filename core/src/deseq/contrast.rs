//! What is compared: a factor's levels, lists of coefficients, or numbers.
//!
//! # Cost
//! A `p x p` factor a gene for combinations of coefficients, nothing otherwise.
//!
//! # Source
//! DESeq2 1.38, `results`.

use crate::context::Context;
use crate::error::{Error, Result, name_some, nearest_name};
use crate::stats::glm::{IrlsOptions, covariance_from_mu, make_name};

use super::dataset::DeseqDataset;
use super::dispersions::Dispersions;
use super::genes::{GeneReader, by_blocks};
use super::moments::Model;
use super::wald::{MatrixType, TestFit, ridge_of};

/// A comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Contrast {
    /// Two levels of a factor of the sample table.
    Factor {
        /// The factor.
        factor: String,
        /// Level in the numerator.
        numerator: String,
        /// Level in the denominator.
        denominator: String,
    },
    /// Coefficients in the numerator and in the denominator.
    List {
        /// Added, times the first list value.
        numerators: Vec<String>,
        /// Added, times the second list value.
        denominators: Vec<String>,
    },
    /// A number for each coefficient.
    Numeric(Vec<f64>),
}

impl Contrast {
    /// A comparison of two levels.
    pub fn factor(factor: &str, numerator: &str, denominator: &str) -> Self {
        Contrast::Factor {
            factor: factor.to_owned(),
            numerator: numerator.to_owned(),
            denominator: denominator.to_owned(),
        }
    }
}

/// Effect, standard error and statistic of all genes; NaN where a gene is not fitted.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Effect {
    pub lfc: Vec<f64>,
    pub se: Vec<f64>,
    pub stat: Vec<f64>,
    pub pvalue: Vec<f64>,
    /// The comparison in words.
    pub what: String,
    /// Genes without counts in the samples compared; their effect is 0.
    pub without_counts: Vec<usize>,
}

/// What contrasts are taken of.
#[derive(Clone, Copy)]
pub(super) struct Fitted<'a> {
    pub dataset: &'a DeseqDataset,
    pub dispersions: &'a Dispersions,
    pub fit: &'a TestFit,
}

/// How a contrast is resolved.
enum Resolved {
    Column { column: usize, negate: bool },
    Numbers(Vec<f64>),
}

impl Fitted<'_> {
    /// The column of a coefficient.
    pub fn column_of(&self, name: &str) -> Result<usize> {
        let names = self.fit.names();
        names.iter().position(|n| n == name).ok_or_else(|| {
            let hint = nearest_name(name, names.iter().map(String::as_str)).unwrap_or("");
            Error::argument(
                "name",
                format!(
                    "{name:?} is not a coefficient; did you mean {hint:?}? there are {}",
                    name_some(names, 20)
                ),
            )
        })
    }

    /// The effect of one coefficient.
    pub fn of_column(&self, column: usize) -> Effect {
        let fit = self.fit;
        let pick = |from: &[f64]| {
            if from.is_empty() {
                Vec::new()
            } else {
                fit.column(from, column)
            }
        };
        Effect {
            lfc: pick(&fit.beta),
            se: pick(&fit.se),
            stat: pick(&fit.wald_statistic),
            pvalue: pick(&fit.wald_pvalue),
            what: fit.names()[column].replace('_', " "),
            without_counts: Vec::new(),
        }
    }

    /// The effect of a contrast.
    pub fn of_contrast(
        &self,
        ctx: &Context,
        contrast: &Contrast,
        list_values: (f64, f64),
    ) -> Result<Effect> {
        let (resolved, what, zero) = self.resolve(contrast, list_values)?;
        let mut effect = match resolved {
            Resolved::Column { column, negate } => {
                let mut effect = self.of_column(column);
                if negate {
                    for values in [&mut effect.lfc, &mut effect.stat] {
                        values.iter_mut().for_each(|v| *v = -*v);
                    }
                }
                effect
            }
            Resolved::Numbers(numbers) => self.of_numbers(ctx, &numbers)?,
        };
        effect.what = what;
        for gene in 0..self.dataset.n_genes() {
            if !self.dispersions.moments.all_zero[gene] && self.all_zero_in(gene, &zero) {
                effect.without_counts.push(gene);
                effect.lfc[gene] = 0.0;
                if let Some(stat) = effect.stat.get_mut(gene) {
                    *stat = 0.0;
                }
                if let Some(pvalue) = effect.pvalue.get_mut(gene) {
                    *pvalue = 1.0;
                }
            }
        }
        Ok(effect)
    }

    /// The contrast as a number for each coefficient.
    pub fn numbers_of(&self, contrast: &Contrast) -> Result<Vec<f64>> {
        let (resolved, _, _) = self.resolve(contrast, (1.0, -1.0))?;
        Ok(match resolved {
            Resolved::Numbers(numbers) => numbers,
            Resolved::Column { column, negate } => {
                let mut numbers = vec![0.0; self.fit.n_columns()];
                numbers[column] = if negate { -1.0 } else { 1.0 };
                numbers
            }
        })
    }

    fn all_zero_in(&self, gene: usize, samples: &Option<Vec<bool>>) -> bool {
        let Some(samples) = samples else {
            return false;
        };
        let row = self.dataset.counts.row(gene);
        row.iter().zip(samples).all(|(&k, &used)| !used || k == 0)
    }

    /// Which columns or numbers a contrast means, its words, and the samples whose counts must not
    /// all be zero.
    fn resolve(
        &self,
        contrast: &Contrast,
        list_values: (f64, f64),
    ) -> Result<(Resolved, String, Option<Vec<bool>>)> {
        match contrast {
            Contrast::Factor {
                factor,
                numerator,
                denominator,
            } => self.resolve_factor(factor, numerator, denominator),
            Contrast::List {
                numerators,
                denominators,
            } => {
                let numbers = self.list_numbers(numerators, denominators, list_values)?;
                let what = list_words(numerators, denominators, list_values);
                let zero = self.numeric_samples(&numbers);
                Ok((Resolved::Numbers(numbers), what, zero))
            }
            Contrast::Numeric(numbers) => {
                if numbers.len() != self.fit.n_columns() {
                    return Err(Error::argument(
                        "contrast",
                        format!(
                            "{} numbers for {} coefficients",
                            numbers.len(),
                            self.fit.n_columns()
                        ),
                    ));
                }
                if numbers.iter().all(|v| *v == 0.0) || numbers.iter().any(|v| !v.is_finite()) {
                    return Err(Error::argument(
                        "contrast",
                        "numbers must be finite and not all 0",
                    ));
                }
                let shown: Vec<String> = numbers.iter().map(|v| signed(*v)).collect();
                let zero = self.numeric_samples(numbers);
                Ok((Resolved::Numbers(numbers.clone()), shown.join(","), zero))
            }
        }
    }

    fn resolve_factor(
        &self,
        factor: &str,
        numerator: &str,
        denominator: &str,
    ) -> Result<(Resolved, String, Option<Vec<bool>>)> {
        if self.fit.matrix_type == MatrixType::UserSupplied {
            return Err(Error::argument(
                "contrast",
                "of a model matrix of your own must be numbers or a list of coefficients",
            ));
        }
        let (codes, levels) = self.dataset.factor(factor)?;
        let position = |level: &str| {
            levels.iter().position(|l| l == level).ok_or_else(|| {
                Error::argument(
                    "contrast",
                    format!(
                        "{level:?} is not a level of {factor:?}: {}",
                        name_some(&levels, 20)
                    ),
                )
            })
        };
        let (top, bottom) = (position(numerator)?, position(denominator)?);
        if top == bottom {
            return Err(Error::argument(
                "contrast",
                "numerator and denominator must differ",
            ));
        }
        let samples = codes
            .iter()
            .map(|&c| c as usize == top || c as usize == bottom)
            .collect();
        let what = format!("{factor} {numerator} vs {denominator}");
        let names = self.fit.names();
        let find = |name: String| names.iter().position(|n| *n == make_name(&name));
        let standard =
            self.fit.matrix_type == MatrixType::Standard && self.fit.matrix.intercept().is_some();
        let against = |level: &str| find(format!("{factor}_{level}_vs_{}", levels[0]));
        let resolved = if standard {
            let columns = [numerator, denominator].map(against);
            match (top, bottom, columns) {
                (_, 0, [Some(column), _]) => Some(Resolved::Column {
                    column,
                    negate: false,
                }),
                (0, _, [_, Some(column)]) => Some(Resolved::Column {
                    column,
                    negate: true,
                }),
                (_, _, [Some(a), Some(b)]) => Some(self.difference(a, b)),
                _ => None,
            }
        } else {
            let columns = [numerator, denominator].map(|level| find(format!("{factor}{level}")));
            // Without an intercept only the first factor has a column for its reference.
            let by_reference = self.fit.matrix_type == MatrixType::Standard;
            match columns {
                [Some(a), Some(b)] => Some(self.difference(a, b)),
                [Some(column), None] if by_reference && bottom == 0 => Some(Resolved::Column {
                    column,
                    negate: false,
                }),
                [None, Some(column)] if by_reference && top == 0 => Some(Resolved::Column {
                    column,
                    negate: true,
                }),
                _ => None,
            }
        };
        let resolved = resolved.ok_or_else(|| {
            Error::argument(
                "contrast",
                format!(
                    "{what}: the coefficients for it are not there: {}; is {factor:?} in the design?",
                    name_some(names, 20)
                ),
            )
        })?;
        Ok((resolved, what, Some(samples)))
    }

    fn difference(&self, plus: usize, minus: usize) -> Resolved {
        let mut numbers = vec![0.0; self.fit.n_columns()];
        numbers[plus] = 1.0;
        numbers[minus] = -1.0;
        Resolved::Numbers(numbers)
    }

    fn list_numbers(
        &self,
        numerators: &[String],
        denominators: &[String],
        (first, second): (f64, f64),
    ) -> Result<Vec<f64>> {
        if !(first > 0.0 && second < 0.0) {
            return Err(Error::argument(
                "listValues",
                "the first value must be positive and the second negative",
            ));
        }
        if numerators.is_empty() && denominators.is_empty() {
            return Err(Error::argument("contrast", "both lists are empty"));
        }
        if let Some(both) = numerators.iter().find(|n| denominators.contains(n)) {
            return Err(Error::argument(
                "contrast",
                format!("{both:?} is in both lists"),
            ));
        }
        let mut numbers = vec![0.0; self.fit.n_columns()];
        for (names, value) in [(numerators, first), (denominators, second)] {
            for name in names {
                numbers[self.column_of(name)?] = value;
            }
        }
        Ok(numbers)
    }

    /// Samples that a contrast with both signs touches.
    fn numeric_samples(&self, numbers: &[f64]) -> Option<Vec<bool>> {
        let both = numbers.iter().any(|v| *v > 0.0) && numbers.iter().any(|v| *v < 0.0);
        let matrix = &self.fit.matrix;
        both.then(|| {
            (0..matrix.n_samples)
                .map(|j| {
                    let used = matrix
                        .row(j)
                        .iter()
                        .zip(numbers)
                        .filter(|(_, c)| **c != 0.0);
                    used.map(|(x, _)| *x).sum::<f64>() != 0.0
                })
                .collect()
        })
    }

    /// Effect and error of a combination of coefficients.
    fn of_numbers(&self, ctx: &Context, numbers: &[f64]) -> Result<Effect> {
        let (fit, dataset) = (self.fit, self.dataset);
        let model = Model::new(fit.matrix.clone());
        let p = fit.n_columns();
        let mut options = IrlsOptions::new(p);
        options.min_mu = fit.min_mu;
        if let Some(variance) = &fit.beta_prior_variance {
            options.ridge = ridge_of(variance);
        }
        let mut effect = Effect::default();
        let log2_e = std::f64::consts::LOG2_E;
        by_blocks(
            ctx,
            "contrast",
            dataset,
            || {
                (
                    GeneReader::new(dataset),
                    vec![0.0; model.rows.n_rows()],
                    vec![0.0; dataset.n_samples()],
                )
            },
            |(reader, by_row, mu), range| {
                let mut part = Vec::with_capacity(range.len());
                for gene in range {
                    let beta = &fit.beta[gene * p..(gene + 1) * p];
                    if beta.iter().any(|b| b.is_nan()) {
                        part.push((f64::NAN, f64::NAN));
                        continue;
                    }
                    reader.read(gene);
                    model.rows.predict(beta, by_row);
                    for ((mu, s), &row) in mu
                        .iter_mut()
                        .zip(&reader.scale)
                        .zip(model.rows.row_of_sample())
                    {
                        *mu = s * libm::exp2(by_row[row as usize]);
                    }
                    let alpha = self.dispersions.dispersion[gene];
                    let sigma =
                        covariance_from_mu(&model.rows, mu, reader.weights(), alpha, &options);
                    let lfc = numbers.iter().zip(beta).map(|(c, b)| c * b).sum();
                    let variance = sigma.map_or(f64::NAN, |sigma| quadratic(&sigma, numbers));
                    part.push((lfc, variance.sqrt() * log2_e));
                }
                Ok(part)
            },
            |part| {
                for (lfc, se) in part {
                    effect.lfc.push(lfc);
                    effect.se.push(se);
                }
                Ok(())
            },
        )?;
        effect.stat = effect
            .lfc
            .iter()
            .zip(&effect.se)
            .map(|(b, s)| b / s)
            .collect();
        effect.pvalue = effect
            .stat
            .iter()
            .enumerate()
            .map(|(gene, z)| 2.0 * upper_tail(fit, gene, z.abs()))
            .collect();
        Ok(effect)
    }
}

/// `P(Z > z)` with the distribution of the test of a gene.
pub(super) fn upper_tail(fit: &TestFit, gene: usize, z: f64) -> f64 {
    match &fit.t_df {
        None => crate::stats::special::normal_upper_tail(z),
        Some(df) => crate::stats::special::t_upper_tail(z, df[gene]),
    }
}

fn quadratic(sigma: &[f64], c: &[f64]) -> f64 {
    let p = c.len();
    let mut sum = 0.0;
    for (row, a) in sigma.chunks_exact(p).zip(c) {
        for (s, b) in row.iter().zip(c) {
            sum += a * s * b;
        }
    }
    sum
}

/// A number with its sign, as in column descriptions: `+1`, `-0.5`, `0`.
fn signed(value: f64) -> String {
    if value > 0.0 {
        format!("+{value}")
    } else {
        format!("{value}")
    }
}

fn list_words(numerators: &[String], denominators: &[String], values: (f64, f64)) -> String {
    let join = |names: &[String], value: f64| {
        let sum = names.join("+");
        if value.abs() == 1.0 {
            sum
        } else {
            format!("{} {sum}", value.abs())
        }
    };
    let (top, bottom) = (join(numerators, values.0), join(denominators, values.1));
    match (numerators.is_empty(), denominators.is_empty()) {
        (false, true) => format!("{top} effect"),
        (true, false) => format!("{bottom} effect"),
        _ => format!("{top} vs {bottom}"),
    }
}
