//! Checks of a new data set, in the order of DESeq2's constructor.
//!
//! What cannot be used is an error that names the gene, sample or variable; what is merely odd is a
//! note through the context.

use crate::context::Context;
use crate::data::{Categorical, Column, Table};
use crate::error::{Error, Result, name_some};

use super::counts::Counts;
use super::dataset::{Design, variable};
use super::notes::{message, warning};

pub(super) fn shapes(counts: &Counts, genes: &[String], col_data: &Table) -> Result<()> {
    if counts.n_samples() != col_data.n_rows() {
        return Err(Error::argument(
            "colData",
            format!(
                "{} rows for {} columns of countData",
                col_data.n_rows(),
                counts.n_samples()
            ),
        ));
    }
    if genes.len() != counts.n_genes() {
        return Err(Error::argument(
            "counts",
            format!("{} gene names for {} genes", genes.len(), counts.n_genes()),
        ));
    }
    if counts.n_genes() == 0 || counts.n_samples() == 0 {
        return Err(Error::argument("counts", "no gene or no sample"));
    }
    Ok(())
}

pub(super) fn values(ctx: &Context, counts: &Counts) -> Result<()> {
    let mut row = vec![0.0; counts.n_samples()];
    let (mut all_zero, mut all_equal) = (true, true);
    for gene in 0..counts.n_genes() {
        counts.read(gene, &mut row);
        all_zero &= row.iter().all(|&v| v == 0.0);
        all_equal &= row.iter().all(|&v| v == row[0]);
        if !all_zero && !all_equal {
            return Ok(());
        }
    }
    if all_zero {
        return Err(Error::data(
            "no gene has a count in any sample; was the right table given?",
        ));
    }
    warning(
        ctx,
        "each gene has one and the same count in every sample; dispersions cannot be estimated from such counts",
    )
}

/// Later copies of a name get `.1`, `.2` and so on.
pub(super) fn unique_names(ctx: &Context, genes: &mut [String]) -> Result<()> {
    let mut seen: std::collections::HashSet<String> = std::collections::HashSet::new();
    let doubled: Vec<usize> = (0..genes.len())
        .filter(|&i| !seen.insert(genes[i].clone()))
        .collect();
    if doubled.is_empty() {
        return Ok(());
    }
    for i in doubled {
        let free = (1..)
            .map(|copy| format!("{}.{copy}", genes[i]))
            .find(|name| !seen.contains(name))
            .expect("some number is free");
        seen.insert(free.clone());
        genes[i] = free;
    }
    warning(
        ctx,
        "some gene names are duplicated; they were made unique with .1, .2, ...",
    )
}

pub(super) fn design(ctx: &Context, col_data: &mut Table, design: &Design) -> Result<()> {
    let Design::Formula(formula) = design else {
        return Ok(());
    };
    let mut characters = Vec::new();
    for name in &formula.variables {
        if let Some(Column::Text(labels)) = col_data.column(name) {
            let labels = Categorical::from_labels(labels);
            col_data.set(name.as_str(), Column::Categorical(labels))?;
            characters.push(name.clone());
        }
        variable(col_data, name)?;
    }
    if !characters.is_empty() {
        warning(
            ctx,
            &format!(
                "text columns of the design are taken as factors: {}",
                name_some(&characters, 10)
            ),
        )?;
    }
    if let [name] = formula.variables.as_slice() {
        if is_constant(col_data, name) {
            return Err(Error::argument(
                "design",
                format!(
                    "names only {name:?}, which does not vary over the samples; `~ 1` is the design for \
                     size factors and dispersions without conditions"
                ),
            ));
        }
    }
    for name in &formula.variables {
        one_variable(ctx, col_data, name)?;
    }
    last_variable(ctx, col_data, formula.variables.last())
}

fn is_constant(col_data: &Table, name: &str) -> bool {
    match col_data.column(name) {
        Some(Column::Categorical(labels)) => labels.codes.windows(2).all(|w| w[0] == w[1]),
        Some(column) => column
            .as_numbers()
            .is_some_and(|v| v.windows(2).all(|w| w[0] == w[1])),
        None => false,
    }
}

fn one_variable(ctx: &Context, col_data: &mut Table, name: &str) -> Result<()> {
    let column = col_data.column(name).expect("checked before").clone();
    match column {
        Column::Categorical(labels) => factor(ctx, col_data, name, labels),
        Column::Bool(_) | Column::Text(_) => Ok(()),
        numbers => {
            let values = numbers.as_numbers().unwrap_or_default();
            numeric(ctx, name, &values)
        }
    }
}

fn numeric(ctx: &Context, name: &str, values: &[f64]) -> Result<()> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let spread = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    if values.iter().all(|v| v.fract() == 0.0) {
        message(
            ctx,
            &format!(
                "{name:?} holds whole numbers and enters the design as a slope: the fold change is per unit \
                 of it; if its numbers name groups, make it a factor"
            ),
        )?;
    }
    if mean > 5.0 || spread > 5.0 {
        message(
            ctx,
            &format!(
                "the design formula contains the numeric variable {name:?} with mean or standard \
                 deviation larger than 5; center and scale it to help the fit converge"
            ),
        )?;
    }
    Ok(())
}

fn factor(ctx: &Context, col_data: &mut Table, name: &str, mut labels: Categorical) -> Result<()> {
    if labels.ordered {
        return Err(Error::argument(
            "design",
            format!(
                "{name:?} is an ordered factor, which is not supported; make it a factor or numbers"
            ),
        ));
    }
    let used: Vec<bool> = (0..labels.categories.len() as i32)
        .map(|level| labels.codes.contains(&level))
        .collect();
    if used.contains(&false) {
        message(
            ctx,
            &format!("levels without a sample were removed from {name}"),
        )?;
        let mut position = -1;
        let places: Vec<i32> = used
            .iter()
            .map(|&u| {
                position += i32::from(u);
                position
            })
            .collect();
        labels
            .codes
            .iter_mut()
            .for_each(|c| *c = places[*c as usize]);
        let mut kept = used.iter();
        labels
            .categories
            .retain(|_| *kept.next().expect("one flag a level"));
        col_data.set(name, Column::Categorical(labels.clone()))?;
    }
    if labels.categories.len() == 1 {
        return Err(Error::argument(
            "design",
            format!("factor {name:?} has the same level in all samples; remove it from the design"),
        ));
    }
    let mut safe: Vec<String> = labels
        .categories
        .iter()
        .map(|level| crate::stats::glm::make_name(level))
        .collect();
    safe.sort();
    if safe.windows(2).any(|w| w[0] == w[1]) {
        return Err(Error::argument(
            "design",
            format!("levels of factor {name:?} are no longer unique when made syntactic names"),
        ));
    }
    let plain = |level: &String| {
        level
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.".contains(c))
    };
    if !labels.categories.iter().all(plain) {
        message(
            ctx,
            &format!(
                "levels of factor {name:?} contain characters other than letters, numbers, '_' and \
                 '.'; these are safer in column names"
            ),
        )?;
    }
    Ok(())
}

fn last_variable(ctx: &Context, col_data: &Table, name: Option<&String>) -> Result<()> {
    let Some(Column::Categorical(labels)) = name.and_then(|name| col_data.column(name)) else {
        return Ok(());
    };
    let control = ["control", "Control", "CONTROL"];
    let later = labels.categories.iter().skip(1);
    if later.clone().any(|level| control.contains(&level.as_str())) {
        return message(
            ctx,
            "the last variable of the design has a level 'control' that is not its first level; \
             comparisons are made against the first level",
        );
    }
    Ok(())
}
