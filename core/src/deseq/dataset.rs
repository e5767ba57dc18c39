//! What an analysis starts from: counts, the sample table, the design, and what scales the counts.
//!
//! # Cost
//! The counts, and one number a count for each matrix that is given (normalization factors,
//! weights, lengths).

use crate::context::Context;
use crate::data::{Column, Table};
use crate::error::{Error, ErrorKind, Result};
use crate::stats::glm::{Formula, ModelMatrix, Values, Variable, expanded_matrix, model_matrix};

use super::checks;
use super::counts::Counts;
use super::vst::Transformed;

/// Genes of one block of work. Results do not depend on it.
pub const GENES_PER_BLOCK: usize = 512;

/// The design of an analysis.
#[derive(Debug, Clone, PartialEq)]
pub enum Design {
    /// A formula over the sample table.
    Formula(Formula),
    /// A model matrix of the user's own.
    Matrix(ModelMatrix),
}

impl Design {
    /// Parses a formula.
    ///
    /// # Errors
    /// `InvalidArgument` when it is not in the formula language.
    pub fn formula(text: &str) -> Result<Self> {
        Formula::parse(text).map(Design::Formula)
    }

    /// The formula, if it is one.
    pub fn as_formula(&self) -> Option<&Formula> {
        match self {
            Design::Formula(formula) => Some(formula),
            Design::Matrix(_) => None,
        }
    }
}

/// Counts with everything that belongs to genes and samples.
#[derive(Debug, Clone)]
pub struct DeseqDataset {
    /// Gene names.
    pub genes: Vec<String>,
    /// Sample names.
    pub samples: Vec<String>,
    /// Raw counts.
    pub counts: Counts,
    /// The sample table; text columns of the design have become factors.
    pub col_data: Table,
    /// The design.
    pub design: Design,
    /// One a sample; see [`super::estimate_size_factors`].
    pub size_factors: Option<Vec<f64>>,
    /// Genes x samples, gene-major; where given they take the place of size factors.
    pub normalization_factors: Option<Vec<f64>>,
    /// Average transcript lengths, genes x samples, gene-major.
    pub avg_tx_length: Option<Vec<f64>>,
    /// Observation weights, genes x samples, gene-major.
    pub weights: Option<Vec<f64>>,
    /// Gene lengths in base pairs.
    pub base_pairs: Option<Vec<f64>>,
    /// Genes of one block of work.
    pub genes_per_block: usize,
}

impl DeseqDataset {
    /// Checks the parts and puts them together; notes go through `ctx` (stage `message` or
    /// `warning`). `ignore_rank` leaves out the test that the design can be fitted.
    ///
    /// # Errors
    /// `InvalidArgument` or `InvalidData`, in the order of the checks of DESeq2's constructor.
    pub fn new(
        ctx: &Context,
        counts: Counts,
        mut genes: Vec<String>,
        mut col_data: Table,
        design: Design,
        ignore_rank: bool,
    ) -> Result<Self> {
        checks::shapes(&counts, &genes, &col_data)?;
        checks::values(ctx, &counts)?;
        checks::unique_names(ctx, &mut genes)?;
        checks::design(ctx, &mut col_data, &design)?;
        let dataset = DeseqDataset {
            samples: col_data.index.clone(),
            genes,
            counts,
            col_data,
            design,
            size_factors: None,
            normalization_factors: None,
            avg_tx_length: None,
            weights: None,
            base_pairs: None,
            genes_per_block: GENES_PER_BLOCK,
        };
        let matrix = dataset.model_matrix()?;
        if !ignore_rank {
            matrix.check_full_rank()?;
        }
        Ok(dataset)
    }

    /// Number of genes.
    pub fn n_genes(&self) -> usize {
        self.counts.n_genes()
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.counts.n_samples()
    }

    /// The variables of the sample table that a formula may use.
    ///
    /// # Errors
    /// `InvalidArgument` for values that are missing.
    pub fn variables(&self, formula: &Formula) -> Result<Vec<Variable>> {
        formula
            .variables
            .iter()
            .map(|name| variable(&self.col_data, name))
            .collect()
    }

    /// The standard model matrix of the design.
    ///
    /// # Errors
    /// `InvalidArgument` when a variable is missing.
    pub fn model_matrix(&self) -> Result<ModelMatrix> {
        self.matrix_of(&self.design)
    }

    /// The standard model matrix of another design on the same samples.
    ///
    /// # Errors
    /// `InvalidArgument` when a variable is missing or a matrix has another number of rows.
    pub fn matrix_of(&self, design: &Design) -> Result<ModelMatrix> {
        match design {
            Design::Formula(formula) => {
                model_matrix(formula, &self.variables(formula)?, self.n_samples())
            }
            Design::Matrix(matrix) if matrix.n_samples == self.n_samples() => Ok(matrix.clone()),
            Design::Matrix(matrix) => Err(Error::argument(
                "design",
                format!(
                    "a matrix of {} rows for {} samples",
                    matrix.n_samples,
                    self.n_samples()
                ),
            )),
        }
    }

    /// The expanded model matrix of a formula design.
    ///
    /// # Errors
    /// `InvalidArgument` when the design is a matrix.
    pub fn expanded_matrix(&self) -> Result<ModelMatrix> {
        let formula = self.design.as_formula().ok_or_else(|| {
            Error::argument("design", "expanded model matrices need a design formula")
        })?;
        expanded_matrix(formula, &self.variables(formula)?, self.n_samples())
    }

    /// Levels of a factor of the sample table.
    ///
    /// # Errors
    /// `InvalidArgument` when there is no such factor.
    pub fn factor(&self, name: &str) -> Result<(Vec<u32>, Vec<String>)> {
        let fault = |what: &str| Error::argument("contrast", format!("{name:?} {what}"));
        if self.col_data.column(name).is_none() {
            return Err(fault("is not a column of the sample table"));
        }
        match variable(&self.col_data, name)?.values {
            Values::Factor { codes, levels } => Ok((codes, levels)),
            Values::Numeric(_) => Err(fault("is not a factor")),
        }
    }

    /// Sets size factors.
    ///
    /// # Errors
    /// `InvalidArgument` unless there is one positive, finite number a sample.
    pub fn set_size_factors(&mut self, factors: Vec<f64>) -> Result<()> {
        positive("sizeFactors", &factors, self.n_samples())?;
        self.size_factors = Some(factors);
        Ok(())
    }

    /// Sets normalization factors, genes x samples, gene-major.
    ///
    /// # Errors
    /// `InvalidArgument` unless all are positive and finite.
    pub fn set_normalization_factors(&mut self, factors: Vec<f64>) -> Result<()> {
        positive(
            "normalizationFactors",
            &factors,
            self.n_genes() * self.n_samples(),
        )?;
        self.normalization_factors = Some(factors);
        Ok(())
    }

    /// Sets average transcript lengths, genes x samples, gene-major.
    ///
    /// # Errors
    /// `InvalidArgument` unless all are positive and finite.
    pub fn set_avg_tx_length(&mut self, lengths: Vec<f64>) -> Result<()> {
        positive("avgTxLength", &lengths, self.n_genes() * self.n_samples())?;
        self.avg_tx_length = Some(lengths);
        Ok(())
    }

    /// Sets observation weights, genes x samples, gene-major.
    ///
    /// # Errors
    /// `InvalidArgument` unless all are finite and at least 0.
    pub fn set_weights(&mut self, weights: Vec<f64>) -> Result<()> {
        let n = self.n_genes() * self.n_samples();
        if weights.len() != n {
            return Err(Error::argument(
                "weights",
                format!("{} values; must be {n}", weights.len()),
            ));
        }
        if let Some(at) = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
            return Err(Error::argument(
                "weights",
                format!(
                    "{} of gene {:?}; weights must be at least 0",
                    weights[at],
                    self.genes[at / self.n_samples()]
                ),
            ));
        }
        self.weights = Some(weights);
        Ok(())
    }

    /// Whether there are size or normalization factors.
    pub fn is_normalized(&self) -> bool {
        self.size_factors.is_some() || self.normalization_factors.is_some()
    }

    /// # Errors
    /// `State` when there are neither size nor normalization factors.
    pub fn require_factors(&self) -> Result<()> {
        if self.is_normalized() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::State,
            "first call estimate_size_factors, or give size factors or normalization factors",
        ))
    }

    /// The same with other counts of the same shape.
    pub(super) fn with_counts(&self, counts: Counts) -> DeseqDataset {
        DeseqDataset {
            genes: self.genes.clone(),
            samples: self.samples.clone(),
            counts,
            col_data: self.col_data.clone(),
            design: self.design.clone(),
            size_factors: self.size_factors.clone(),
            normalization_factors: self.normalization_factors.clone(),
            avg_tx_length: self.avg_tx_length.clone(),
            weights: self.weights.clone(),
            base_pairs: self.base_pairs.clone(),
            genes_per_block: self.genes_per_block,
        }
    }

    /// Sets gene lengths in base pairs.
    ///
    /// # Errors
    /// `InvalidArgument` unless there is one finite number of at least 0 a gene.
    pub fn set_base_pairs(&mut self, lengths: Vec<f64>) -> Result<()> {
        if lengths.len() != self.n_genes() {
            let message = format!("{} values for {} genes", lengths.len(), self.n_genes());
            return Err(Error::argument("basepairs", message));
        }
        if let Some(gene) = lengths.iter().position(|l| !(l.is_finite() && *l >= 0.0)) {
            let (length, gene) = (lengths[gene], &self.genes[gene]);
            let message = format!("{length} of gene {gene:?}; lengths must be at least 0");
            return Err(Error::argument("basepairs", message));
        }
        self.base_pairs = Some(lengths);
        Ok(())
    }

    /// The counts as numbers, genes x samples.
    pub fn raw_counts(&self) -> Transformed {
        let m = self.n_samples();
        let mut values = vec![0.0; self.n_genes() * m];
        for (gene, row) in values.chunks_exact_mut(m).enumerate() {
            self.counts.read(gene, row);
        }
        Transformed {
            genes: self.genes.clone(),
            samples: self.samples.clone(),
            values,
            about: None,
        }
    }

    /// These genes only, in this order.
    pub fn select_genes(&self, genes: &[usize]) -> DeseqDataset {
        let m = self.n_samples();
        let rows = |matrix: &Option<Vec<f64>>| {
            matrix.as_ref().map(|values| {
                let rows = genes
                    .iter()
                    .flat_map(|&g| values[g * m..(g + 1) * m].iter().copied());
                rows.collect()
            })
        };
        DeseqDataset {
            genes: genes.iter().map(|&g| self.genes[g].clone()).collect(),
            samples: self.samples.clone(),
            counts: self.counts.select(genes),
            col_data: self.col_data.clone(),
            design: self.design.clone(),
            size_factors: self.size_factors.clone(),
            normalization_factors: rows(&self.normalization_factors),
            avg_tx_length: rows(&self.avg_tx_length),
            weights: rows(&self.weights),
            base_pairs: self
                .base_pairs
                .as_ref()
                .map(|all| genes.iter().map(|&g| all[g]).collect()),
            genes_per_block: self.genes_per_block,
        }
    }
}

fn positive(name: &str, values: &[f64], n: usize) -> Result<()> {
    if values.len() != n {
        return Err(Error::argument(
            name,
            format!("{} values; must be {n}", values.len()),
        ));
    }
    match values.iter().position(|v| !(v.is_finite() && *v > 0.0)) {
        Some(at) => Err(Error::argument(
            name,
            format!(
                "value {at} is {}; all must be positive and finite",
                values[at]
            ),
        )),
        None => Ok(()),
    }
}

/// A column of the sample table as a variable of a formula.
pub(super) fn variable(table: &Table, name: &str) -> Result<Variable> {
    let missing = |row: usize| {
        Error::argument(
            "design",
            format!(
                "variable {name:?} is missing (NA) in sample {:?}",
                table.index[row]
            ),
        )
    };
    let column = table.column(name).ok_or_else(|| {
        Error::argument(
            "design",
            format!("variable {name:?} is not a column of the sample table"),
        )
    })?;
    let values = match column {
        Column::Categorical(labels) => {
            if let Some(row) = labels.codes.iter().position(|c| *c < 0) {
                return Err(missing(row));
            }
            Values::Factor {
                codes: labels.codes.iter().map(|&c| c as u32).collect(),
                levels: labels.categories.clone(),
            }
        }
        Column::Text(labels) => {
            let labels = crate::data::Categorical::from_labels(labels);
            Values::Factor {
                codes: labels.codes.iter().map(|&c| c as u32).collect(),
                levels: labels.categories,
            }
        }
        Column::Bool(flags) => Values::Factor {
            codes: flags.iter().map(|&f| u32::from(f)).collect(),
            levels: vec!["FALSE".to_owned(), "TRUE".to_owned()],
        },
        numbers => {
            let numbers = numbers.as_numbers().ok_or_else(|| {
                Error::argument(
                    "design",
                    format!("variable {name:?} is neither a factor nor numbers"),
                )
            })?;
            if let Some(row) = numbers.iter().position(|v| v.is_nan()) {
                return Err(missing(row));
            }
            Values::Numeric(numbers)
        }
    };
    Ok(Variable {
        name: name.to_owned(),
        values,
    })
}
