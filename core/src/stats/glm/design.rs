//! Model matrices from factors and numbers, with the coefficient names users see.
//!
//! # Source
//! R's treatment contrasts and its rule for which factors of an interaction are coded in full
//! (Chambers and Hastie 1992); names as DESeq2 writes them.

use crate::error::{Error, Result};
use crate::linalg::qr;

use super::formula::Formula;
use super::names::make_name;

/// Values of a variable of the sample table.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Level of each sample; the first level is the reference.
    Factor {
        /// Position in `levels`, one a sample.
        codes: Vec<u32>,
        /// Level names.
        levels: Vec<String>,
    },
    /// Numbers, one a sample.
    Numeric(Vec<f64>),
}

/// A named variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Its name in formulas.
    pub name: String,
    /// Its values.
    pub values: Values,
}

/// A model matrix with names.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelMatrix {
    /// Samples x coefficients, row-major.
    pub values: Vec<f64>,
    /// Number of samples.
    pub n_samples: usize,
    /// Coefficient names.
    pub names: Vec<String>,
    /// Which term a column belongs to: 0 for the intercept, then the formula's terms from 1;
    /// empty for a matrix without a formula.
    pub term_of_column: Vec<usize>,
}

impl ModelMatrix {
    /// A matrix of the user's own; names are made syntactic.
    ///
    /// # Errors
    /// `InvalidArgument` when the sizes do not fit or a value is not finite.
    pub fn from_user(values: Vec<f64>, n_samples: usize, names: &[String]) -> Result<Self> {
        if names.is_empty() || values.len() != n_samples * names.len() {
            return Err(Error::argument(
                "design",
                format!(
                    "{} values for a matrix of {n_samples} samples x {} columns",
                    values.len(),
                    names.len()
                ),
            ));
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::argument(
                "design",
                format!("the value of sample {} is not finite", at / names.len()),
            ));
        }
        let names = names.iter().map(|name| match name.as_str() {
            "(Intercept)" => "Intercept".to_owned(),
            name => make_name(name),
        });
        Ok(ModelMatrix {
            names: names.collect(),
            values,
            n_samples,
            term_of_column: Vec::new(),
        })
    }

    /// Number of coefficients.
    pub fn n_columns(&self) -> usize {
        self.names.len()
    }

    /// The row of a sample.
    pub fn row(&self, sample: usize) -> &[f64] {
        let p = self.n_columns();
        &self.values[sample * p..(sample + 1) * p]
    }

    /// Position of the column named `Intercept`.
    pub fn intercept(&self) -> Option<usize> {
        self.names.iter().position(|name| name == "Intercept")
    }

    /// Numerical rank by R's rule.
    pub fn rank(&self) -> usize {
        qr::rank(
            &self.values,
            self.n_samples,
            self.n_columns(),
            qr::R_TOLERANCE,
        )
    }

    /// # Errors
    /// `InvalidArgument` when the columns depend on each other.
    pub fn check_full_rank(&self) -> Result<()> {
        let p = self.n_columns();
        if self.rank() == p {
            return Ok(());
        }
        let start = "the columns of the model matrix depend on each other";
        let empty: Vec<&str> = (0..p)
            .filter(|&c| (0..self.n_samples).all(|j| self.values[j * p + c] == 0.0))
            .map(|c| self.names[c].as_str())
            .collect();
        let why = if empty.is_empty() {
            "some of its variables or interactions say what others say already; leave them out"
                .to_owned()
        } else {
            format!(
                "no sample has the levels, or the combinations of levels, of these columns: {}; leave \
                 them out",
                empty.join(", ")
            )
        };
        Err(Error::argument("design", format!("{start}: {why}")))
    }
}

/// The standard model matrix; with an intercept, factor columns are called `factor_LEVEL_vs_REF`.
///
/// # Errors
/// `InvalidArgument` when a variable is missing.
pub fn model_matrix(
    formula: &Formula,
    variables: &[Variable],
    n_samples: usize,
) -> Result<ModelMatrix> {
    let mut matrix = raw_matrix(formula, variables, n_samples)?;
    let mut names: Vec<String> = matrix.names.iter().map(|n| make_name(n)).collect();
    if formula.intercept {
        names[0] = "Intercept".to_owned();
        for wanted in &formula.variables {
            let Values::Factor { levels, .. } = &find(variables, wanted)?.values else {
                continue;
            };
            for level in levels.iter().skip(1) {
                let from = make_name(&format!("{wanted}{level}"));
                let to = make_name(&format!("{wanted}_{level}_vs_{}", levels[0]));
                if let Some(name) = names.iter_mut().find(|name| **name == from) {
                    *name = to;
                }
            }
        }
    }
    matrix.names = names;
    Ok(matrix)
}

/// The expanded matrix: an intercept and a column for every level of every factor.
///
/// # Errors
/// As [`model_matrix`].
pub fn expanded_matrix(
    formula: &Formula,
    variables: &[Variable],
    n_samples: usize,
) -> Result<ModelMatrix> {
    let null = "_null_level_";
    let padded: Vec<Variable> = variables
        .iter()
        .map(|variable| Variable {
            name: variable.name.clone(),
            values: match &variable.values {
                Values::Factor { codes, levels } => Values::Factor {
                    codes: codes.iter().map(|c| c + 1).chain([0]).collect(),
                    levels: std::iter::once(null.to_owned())
                        .chain(levels.iter().cloned())
                        .collect(),
                },
                Values::Numeric(values) => {
                    Values::Numeric(values.iter().copied().chain([0.0]).collect())
                }
            },
        })
        .collect();
    let full = raw_matrix(formula, &padded, n_samples + 1)?;
    let keep: Vec<usize> = (0..full.n_columns())
        .filter(|&c| !full.names[c].contains(null))
        .collect();
    let values = (0..n_samples)
        .flat_map(|j| keep.iter().map(move |&c| (j, c)))
        .map(|(j, c)| full.values[j * full.n_columns() + c])
        .collect();
    Ok(ModelMatrix {
        values,
        n_samples,
        names: keep
            .iter()
            .map(|&c| match full.names[c].as_str() {
                "(Intercept)" => "Intercept".to_owned(),
                name => make_name(name),
            })
            .collect(),
        term_of_column: keep.iter().map(|&c| full.term_of_column[c]).collect(),
    })
}

fn find<'a>(variables: &'a [Variable], name: &str) -> Result<&'a Variable> {
    variables.iter().find(|v| v.name == name).ok_or_else(|| {
        Error::argument(
            "design",
            format!("variable {name:?} is not a column of the sample table"),
        )
    })
}

/// One column under construction.
struct Column {
    name: String,
    values: Vec<f64>,
}

/// The matrix with R's own column names.
fn raw_matrix(formula: &Formula, variables: &[Variable], n_samples: usize) -> Result<ModelMatrix> {
    let used: Vec<&Variable> = formula
        .variables
        .iter()
        .map(|name| find(variables, name))
        .collect::<Result<_>>()?;
    let mut columns = Vec::new();
    let mut term_of_column = Vec::new();
    if formula.intercept {
        columns.push(Column {
            name: "(Intercept)".to_owned(),
            values: vec![1.0; n_samples],
        });
        term_of_column.push(0);
    }
    for (number, term) in formula.terms.iter().enumerate() {
        let mut product: Option<Vec<Column>> = None;
        for &variable in term {
            let in_full = !has_margin(formula, number, variable)
                || full_anyway(formula, &used) == Some((number, variable));
            let coded = code(used[variable], in_full);
            product = Some(match product {
                None => coded,
                Some(before) => multiply(&before, &coded),
            });
        }
        let product = product.unwrap_or_default();
        term_of_column.extend(product.iter().map(|_| number + 1));
        columns.extend(product);
    }
    let values = (0..n_samples)
        .flat_map(|j| columns.iter().map(move |column| column.values[j]))
        .collect();
    Ok(ModelMatrix {
        values,
        n_samples,
        names: columns.into_iter().map(|column| column.name).collect(),
        term_of_column,
    })
}

/// Without an intercept the first factor, in the order of the terms, is coded in full.
fn full_anyway(formula: &Formula, used: &[&Variable]) -> Option<(usize, usize)> {
    if formula.intercept {
        return None;
    }
    let places = formula.terms.iter().enumerate();
    places
        .flat_map(|(number, term)| term.iter().map(move |&variable| (number, variable)))
        .find(|&(_, variable)| matches!(used[variable].values, Values::Factor { .. }))
}

/// Whether the model holds the term without this variable, so that contrasts suffice.
fn has_margin(formula: &Formula, number: usize, variable: usize) -> bool {
    let margin: Vec<usize> = formula.terms[number]
        .iter()
        .copied()
        .filter(|&v| v != variable)
        .collect();
    margin.is_empty() || formula.terms.contains(&margin)
}

fn code(variable: &Variable, in_full: bool) -> Vec<Column> {
    match &variable.values {
        Values::Numeric(values) => vec![Column {
            name: variable.name.clone(),
            values: values.clone(),
        }],
        Values::Factor { codes, levels } => (usize::from(!in_full)..levels.len())
            .map(|level| Column {
                name: format!("{}{}", variable.name, levels[level]),
                values: codes
                    .iter()
                    .map(|&code| f64::from(code as usize == level))
                    .collect(),
            })
            .collect(),
    }
}

/// Products of columns; those of the first vary fastest.
fn multiply(first: &[Column], second: &[Column]) -> Vec<Column> {
    second
        .iter()
        .flat_map(|b| {
            first.iter().map(move |a| Column {
                name: format!("{}:{}", a.name, b.name),
                values: a.values.iter().zip(&b.values).map(|(x, y)| x * y).collect(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(name: &str, labels: &[&str], levels: &[&str]) -> Variable {
        let code = |label: &&str| levels.iter().position(|l| l == label).expect("a level") as u32;
        Variable {
            name: name.to_owned(),
            values: Values::Factor {
                codes: labels.iter().map(code).collect(),
                levels: levels.iter().map(|l| (*l).to_owned()).collect(),
            },
        }
    }

    fn table() -> Vec<Variable> {
        vec![
            factor("geno", &["wt", "wt", "ko", "ko", "wt", "ko"], &["wt", "ko"]),
            factor("trt", &["a", "b", "a", "c", "c", "b"], &["a", "b", "c"]),
            Variable {
                name: "age".into(),
                values: Values::Numeric(vec![1.0, 2.0, 3.0, 4.0, 5.0, 7.0]),
            },
        ]
    }

    fn names(text: &str) -> Vec<String> {
        let formula = Formula::parse(text).expect("formula");
        model_matrix(&formula, &table(), 6).expect("matrix").names
    }

    /// R: colnames(model.matrix(...)) and DESeq2's renaming.
    #[test]
    fn columns_are_rs() {
        assert_eq!(
            names("~ geno * trt"),
            [
                "Intercept",
                "geno_ko_vs_wt",
                "trt_b_vs_a",
                "trt_c_vs_a",
                "genoko.trtb",
                "genoko.trtc"
            ]
        );
        assert_eq!(
            names("~ 0 + trt + geno"),
            ["trta", "trtb", "trtc", "genoko"]
        );
        assert_eq!(names("~ age + geno"), ["Intercept", "age", "geno_ko_vs_wt"]);
        assert_eq!(
            names("~ geno + geno:trt"),
            [
                "Intercept",
                "geno_ko_vs_wt",
                "genowt.trtb",
                "genoko.trtb",
                "genowt.trtc",
                "genoko.trtc"
            ]
        );
        assert_eq!(
            names("~ geno:age"),
            ["Intercept", "genowt.age", "genoko.age"]
        );
        assert_eq!(names("~ 0 + age + geno"), ["age", "genowt", "genoko"]);
        assert_eq!(
            names("~ 0 + geno:trt"),
            [
                "genowt.trta",
                "genoko.trta",
                "genowt.trtb",
                "genoko.trtb",
                "genowt.trtc",
                "genoko.trtc"
            ]
        );
        assert_eq!(
            names("~ 0 + age:geno + trt"),
            ["trta", "trtb", "trtc", "age.genowt", "age.genoko"]
        );
    }

    #[test]
    fn expanded_has_every_level() {
        let formula = Formula::parse("~ age + geno + trt").expect("formula");
        let matrix = expanded_matrix(&formula, &table(), 6).expect("matrix");
        assert_eq!(
            matrix.names,
            [
                "Intercept",
                "age",
                "genowt",
                "genoko",
                "trta",
                "trtb",
                "trtc"
            ]
        );
        assert_eq!(matrix.row(3), [1.0, 4.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn rank_faults_are_told_apart() {
        let formula = Formula::parse("~ geno * trt").expect("formula");
        let few: Vec<Variable> = vec![
            factor("geno", &["wt", "wt", "ko", "ko"], &["wt", "ko"]),
            factor("trt", &["a", "b", "a", "a"], &["a", "b"]),
        ];
        let matrix = model_matrix(&formula, &few, 4).expect("matrix");
        let error = matrix.check_full_rank().expect_err("an empty cell");
        assert!(error.message().contains("no sample has the levels"));
        let same = vec![
            factor("geno", &["wt", "wt", "ko", "ko"], &["wt", "ko"]),
            factor("trt", &["a", "a", "b", "b"], &["a", "b"]),
        ];
        let formula = Formula::parse("~ geno + trt").expect("formula");
        let matrix = model_matrix(&formula, &same, 4).expect("matrix");
        let error = matrix.check_full_rank().expect_err("a copy");
        assert!(error.message().contains("say what others say already"));
    }
}
