//! `cyto demo`: a tissue with known truth, RCTD on it, how well it did, and a picture.
//!
//! The files are ordinary `.h5ad` files and the run is an ordinary `cyto rctd run`, so the demo
//! shows the main job and proves it on the machine at hand. Same seed, same files.

mod agreement;
mod files;
pub mod simulate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use cytosol::data::{Column, Dataset, OpenOptions, open};
use cytosol::{Context, Error, ErrorKind, Result};

use crate::args::{Cli, Command, DemoArgs, RctdCommand, RunArgs};
use crate::failure::to_json;
use crate::picture::{self, Mark, Panel, Scene};
use crate::{host, rctd};
use agreement::Agreement;
use simulate::{CELL_TYPES, Size, Tissue, simulate};

/// Simulates, runs, compares, draws.
///
/// # Errors
/// `Io` when the folder cannot be written; whatever stops a run.
pub fn run(args: &DemoArgs) -> Result<ExitCode> {
    let begun = Instant::now();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io(&args.out, "creating", e))?;
    let size = Size {
        n_rows: (args.pixels as usize).div_ceil(50),
        ..Size::default()
    };
    let tissue = simulate(args.seed, &size);
    let [spatial, reference] = ["spatial.h5ad", "reference.h5ad"].map(|n| args.out.join(n));
    {
        let ctx = Context::single_threaded()?;
        files::write_spatial(&ctx, &tissue, &spatial)?;
        files::write_reference(&ctx, &tissue, &reference)?;
    }
    host::say(
        &args.host,
        &format!(
            "simulated: {} pixels, {} reference cells of {} types, {} genes",
            tissue.truth.len(),
            tissue.cell_types.len(),
            CELL_TYPES.len(),
            tissue.genes.len()
        ),
    );
    if args.simulate_only {
        host::print(&format!("{}\n{}", spatial.display(), reference.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let output = args.out.join("result.h5ad");
    let report = rctd::execute(&run_arguments(args, &spatial, &reference, &output)?)?;
    let mut options = OpenOptions::default();
    options.obsm = vec!["rctd_weights".to_owned()];
    let result = open(&output, &options)?;
    let agreement = Agreement::of(&result)?;
    agreement.write(&args.out.join("agreement.json"))?;
    let picture = args.out.join("tissue.png");
    picture::draw(&scene(&tissue, &result)?, &picture)?.commit()?;
    host::print(&format!(
        "{}\n\n{}\n\npicture: {}\ntime:    {:.1} s",
        report.for_people(),
        agreement.for_people(),
        picture.display(),
        begun.elapsed().as_secs_f64()
    ))?;
    if agreement.is_good() {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Error::new(
            ErrorKind::Internal,
            format!(
                "the results disagree with the truth more than they should: {}",
                to_json(&agreement)
            ),
        ))
    }
}

/// The same arguments that `cyto rctd run` would get.
fn run_arguments(
    args: &DemoArgs,
    spatial: &Path,
    reference: &Path,
    output: &Path,
) -> Result<RunArgs> {
    let mut words: Vec<PathBuf> = ["cyto", "rctd", "run"].map(PathBuf::from).to_vec();
    words.extend([spatial.to_path_buf(), reference.to_path_buf()]);
    words.extend(["-o".into(), output.to_path_buf()]);
    words.extend(["--threads".into(), args.host.threads.to_string().into()]);
    if args.host.quiet {
        words.push("--quiet".into());
    }
    match Cli::try_parse_from(words).map(|cli| cli.command) {
        Ok(Command::Rctd(RctdCommand::Run(run))) => Ok(*run),
        _ => Err(Error::new(
            ErrorKind::Internal,
            "the demo's own command line was not understood",
        )),
    }
}

/// Truth and result, one above the other.
fn scene(tissue: &Tissue, result: &Dataset) -> Result<Scene> {
    let found = found_marks(result)?;
    let truth: Vec<Mark> = tissue
        .truth
        .iter()
        .map(|content| {
            let mut slices = vec![(content.first, content.share)];
            slices.extend(content.second.map(|second| (second, 1.0 - content.share)));
            Mark { slices }
        })
        .collect();
    let shown = |entry: usize| {
        let shows = |mark: &&Mark| mark.slices.iter().any(|slice| slice.0 == entry);
        found.iter().filter(shows).count() as u64
    };
    let legend = CELL_TYPES.iter().enumerate();
    let legend = legend
        .map(|(entry, name)| ((*name).to_owned(), shown(entry)))
        .collect();
    let rejected = found.iter().filter(|mark| mark.slices.is_empty()).count();
    Ok(Scene {
        title: format!("Simulated cortex, {} pixels", tissue.truth.len()),
        coords: tissue.coords.clone(),
        panels: vec![
            Panel {
                caption: "truth".to_owned(),
                marks: truth,
            },
            Panel {
                caption: "RCTD, doublet mode".to_owned(),
                marks: found,
            },
        ],
        legend,
        no_type: ("rejected or filtered".to_owned(), rejected as u64),
    })
}

fn found_marks(result: &Dataset) -> Result<Vec<Mark>> {
    let calls = agreement::Calls::of(result)?;
    Ok((0..calls.n_pixels())
        .map(|pixel| {
            let entry = |name: Option<&str>| CELL_TYPES.iter().position(|t| Some(*t) == name);
            let (first, second) = (
                entry(calls.first.label(pixel)),
                entry(calls.second.label(pixel)),
            );
            let slices = match (calls.class.label(pixel), first, second) {
                (Some("doublet_certain"), Some(first), Some(second)) => {
                    let [a, b] = calls.shares(pixel);
                    vec![(first, a), (second, b)]
                }
                (Some("singlet" | "doublet_uncertain"), Some(first), _) => vec![(first, 1.0)],
                _ => Vec::new(),
            };
            Mark { slices }
        })
        .collect())
}

/// A categorical column of `obs`.
fn labels<'a>(dataset: &'a Dataset, name: &str) -> Result<&'a cytosol::data::Categorical> {
    match dataset.obs.require("obs", name)? {
        Column::Categorical(labels) => Ok(labels),
        _ => Err(Error::data(format!(
            "obs column {name:?} is not categorical"
        ))),
    }
}
