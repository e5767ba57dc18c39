//! `cyto rctd validate`: do two inputs fit each other? Nothing is fitted.
//!
//! Every check is made, also after one has failed, as far as the files allow. Time: one pass over
//! the spatial counts (none when nUMI is given). Memory: the tables and one number a pixel.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use cytosol::data::{Categorical, CountBlock, Dataset};
use cytosol::error::name_some;
use cytosol::par::Blocks;
use cytosol::{Context, Error, Result};
use serde::Serialize;

use super::options;
use crate::args::ValidateArgs;
use crate::failure::to_json;
use crate::{host, input};

/// Fewest genes that both inputs must have.
const MIN_COMMON_GENES: usize = 50;

/// The checks, in the order in which people read them.
const CHECKS: [&str; 6] = [
    "spatial_readable",
    "reference_readable",
    "cell_type_col_exists",
    "min_cell_types",
    "gene_overlap",
    "pixel_count_after_filter",
];

/// Pixels read at a time.
const PIXELS_PER_BLOCK: usize = 4096;

/// The JSON object.
#[derive(Debug, Serialize)]
struct Verdict {
    status: &'static str,
    checks: BTreeMap<&'static str, Check>,
    warnings: Vec<String>,
    estimates: Estimates,
}

#[derive(Debug, Serialize)]
struct Check {
    pass: bool,
    detail: String,
}

#[derive(Debug, Default, Serialize)]
struct Estimates {
    n_pixels: usize,
    n_genes: usize,
    n_cell_types: usize,
}

/// Runs the checks and prints what they found.
///
/// # Errors
/// For what prevents checking at all: wrong options, Ctrl-C. Faults of the inputs are results.
pub fn run(args: &ValidateArgs) -> Result<ExitCode> {
    options::refuse_table(&args.input)?;
    let host = host::start(&args.host, |_| {})?;
    let verdict = examine(&host.ctx, args)?;
    let passed = verdict.status == "pass";
    if args.json {
        host::print(&to_json(&verdict))?;
    } else {
        host::print(&for_people(&verdict))?;
    }
    Ok(match (passed, args.strict) {
        (false, true) => ExitCode::from(2),
        _ => ExitCode::SUCCESS,
    })
}

fn examine(ctx: &Context, args: &ValidateArgs) -> Result<Verdict> {
    let mut verdict = Verdict {
        status: "fail",
        checks: BTreeMap::new(),
        warnings: Vec::new(),
        estimates: Estimates::default(),
    };
    let mut spatial = verdict.readable("spatial_readable", input::open_spatial(&args.input));
    let reference = verdict.readable("reference_readable", input::open_reference(&args.input));
    let labels = reference.as_ref().and_then(|reference| {
        let labels = input::cell_types(reference, &args.input.cell_type_col);
        let good = |labels: &Categorical| {
            format!(
                "{:?}: {} cells, {} types",
                args.input.cell_type_col,
                labels.codes.len(),
                labels.categories.len()
            )
        };
        verdict.outcome("cell_type_col_exists", labels, good)
    });
    if let Some(labels) = &labels {
        verdict.check_types(labels, args.cell_min);
    }
    if let (Some(spatial), Some(reference)) = (&spatial, &reference) {
        verdict.check_genes(&spatial.var.index, &reference.var.index);
    }
    if let Some(spatial) = &mut spatial {
        let totals = match pixel_totals(ctx, spatial) {
            Err(error) if error.kind() == cytosol::ErrorKind::Cancelled => return Err(error),
            other => other,
        };
        verdict.check_pixels(totals, args.umi_min);
    }
    for name in CHECKS {
        verdict.checks.entry(name).or_insert_with(|| Check {
            pass: false,
            detail: "not checked: an earlier check failed".to_owned(),
        });
    }
    if verdict.checks.values().all(|check| check.pass) {
        verdict.status = "pass";
    }
    Ok(verdict)
}

impl Verdict {
    fn set(&mut self, name: &'static str, pass: bool, detail: String) {
        self.checks.insert(name, Check { pass, detail });
    }

    fn outcome<T>(
        &mut self,
        name: &'static str,
        outcome: Result<T>,
        good: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.set(name, true, good(&value));
                Some(value)
            }
            Err(error) => {
                self.set(name, false, error.message().to_owned());
                None
            }
        }
    }

    fn readable(&mut self, name: &'static str, opened: Result<Dataset>) -> Option<Dataset> {
        let dataset = self.outcome(name, opened, |d| {
            format!(
                "{}: {} cells x {} genes",
                d.info.format.name(),
                d.info.n_cells,
                d.info.n_genes
            )
        })?;
        self.warnings.extend(dataset.info.warnings.iter().cloned());
        Some(dataset)
    }

    fn check_types(&mut self, labels: &Categorical, cell_min: u64) {
        let codes = labels.codes.iter().copied();
        let counts = super::counting::count_codes(codes, labels.categories.len());
        let (mut enough, mut rare) = (0, Vec::new());
        for (name, &count) in labels.categories.iter().zip(&counts) {
            if count >= cell_min {
                enough += 1;
            } else {
                rare.push(format!("{name} ({count})"));
            }
        }
        self.estimates.n_cell_types = enough;
        self.set(
            "min_cell_types",
            enough >= 2,
            format!("{enough} types have at least {cell_min} cells; at least 2 are needed"),
        );
        if !rare.is_empty() {
            self.warnings.push(format!(
                "{} cell types have fewer than {cell_min} cells and will be left out: {}",
                rare.len(),
                name_some(&rare, 20)
            ));
        }
    }

    fn check_genes(&mut self, spatial: &[String], reference: &[String]) {
        let known: BTreeSet<&String> = reference.iter().collect();
        let common = spatial.iter().filter(|gene| known.contains(gene)).count();
        self.estimates.n_genes = common;
        let mut detail = format!("{common} common genes; at least {MIN_COMMON_GENES} are needed");
        if common < MIN_COMMON_GENES {
            detail += &format!(
                " (spatial has {}; reference has {})",
                name_some(spatial, 3),
                name_some(reference, 3)
            );
        }
        self.set("gene_overlap", common >= MIN_COMMON_GENES, detail);
    }

    fn check_pixels(&mut self, totals: Result<Vec<f64>>, umi_min: f64) {
        let name = "pixel_count_after_filter";
        let kept = |totals: &[f64]| totals.iter().filter(|t| **t >= umi_min).count();
        let words = |totals: &[f64]| {
            format!(
                "{} of {} pixels have at least {umi_min} counts",
                kept(totals),
                totals.len()
            )
        };
        let totals = totals.and_then(|totals| {
            if kept(&totals) > 0 {
                Ok(totals)
            } else {
                Err(Error::data(format!("{}; lower --umi-min", words(&totals))))
            }
        });
        let Some(totals) = self.outcome(name, totals, |t| words(t)) else {
            return;
        };
        self.estimates.n_pixels = kept(&totals);
        if 2 * kept(&totals) < totals.len() {
            self.warnings.push(format!(
                "over half of the pixels have fewer than {umi_min} counts and will be left out"
            ));
        }
    }
}

/// nUMI of every pixel: as given, or the row sums.
fn pixel_totals(ctx: &Context, spatial: &mut Dataset) -> Result<Vec<f64>> {
    if let Some(given) = spatial.n_umi() {
        return Ok(given);
    }
    let n = spatial.counts.n_cells();
    let stage = ctx.stage("count", n as u64)?;
    let mut totals = Vec::with_capacity(n);
    let mut block = CountBlock::default();
    for pixels in Blocks::new(n, PIXELS_PER_BLOCK) {
        spatial
            .counts
            .read_cells(ctx, pixels, &mut block)
            .map_err(|e| e.in_context("spatial"))?;
        for row in 0..block.n_rows() {
            let total: u64 = block.row(row).1.iter().map(|&c| u64::from(c)).sum();
            totals.push(total as f64);
        }
        stage.tick(totals.len() as u64)?;
    }
    stage.finish()?;
    Ok(totals)
}

fn for_people(verdict: &Verdict) -> String {
    let mut lines = Vec::new();
    for (name, check) in CHECKS
        .iter()
        .filter_map(|n| verdict.checks.get_key_value(n))
    {
        let mark = if check.pass { "ok  " } else { "FAIL" };
        lines.push(format!("{mark} {name}: {}", check.detail));
    }
    for warning in &verdict.warnings {
        lines.push(format!("warning: {warning}"));
    }
    lines.push(format!("{}: {}", "result", verdict.status));
    lines.join("\n")
}
