//! `cyto rctd run`: open, build profiles, choose genes and sigma, fit in shards, write.
//!
//! Every shard is written into a folder beside the output as soon as it is fitted; the outputs are
//! streamed from there, so memory does not grow with pixels x types, and `--resume` goes on after a
//! kill. The output appears whole, at the end, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use cytosol::checkpoint::{Fingerprint, Journal};
use cytosol::data::Dataset;
use cytosol::rctd::output::PixelSummary;
use cytosol::rctd::{
    Partial, PixelFate, Rctd, RctdResults, Reference, ReferenceInput, SpatialInput,
};
use cytosol::{Error, ErrorKind, Result};

use super::options::{self, Settings};
use super::outputs::{self, Places};
use super::report::{Facts, Input, Report, Stages, Summary};
use crate::args::RunArgs;
use crate::failure::to_json;
use crate::host::{self, Host};
use crate::input;

/// Runs RCTD and prints the report.
///
/// # Errors
/// Those of [`execute`].
pub fn run(args: &RunArgs) -> Result<ExitCode> {
    let report = execute(args)?;
    if args.json {
        host::print(&to_json(&report))?;
    } else {
        host::print(&report.for_people())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs RCTD and writes its outputs.
///
/// # Errors
/// Whatever is wrong with options, inputs or the place of the output; `Cancelled` after Ctrl-C. No
/// output is left behind then.
pub fn execute(args: &RunArgs) -> Result<Report> {
    let settings = options::settings(args)?;
    let host = options::start(args)?;
    let places = Places::of(args)?;
    let mut clock = Clock::new();
    let mut job = Job::prepare(args, settings, host, &mut clock)?;
    let mut journal = job.journal(args, &places)?;
    let outcome = job.fit(&mut journal, &mut clock).and_then(|fitted| {
        outputs::write(&job, &places, &journal, &fitted)?;
        clock.stages.write = clock.lap();
        Ok(fitted)
    });
    match outcome {
        Ok(fitted) => {
            if let Err(left) = journal.remove() {
                // The outputs are whole; what is left over is worth a word, not a failure.
                job.warnings.push(left.message().to_owned());
                host::say(&args.host, &format!("warning: {left}"));
            }
            Ok(job.report(&places, &fitted, clock))
        }
        Err(error) => Err(job.give_up(args, journal, error)),
    }
}

/// Everything between the inputs and the outputs.
pub struct Job<'a> {
    /// The options as given.
    pub args: &'a RunArgs,
    /// The options understood.
    pub settings: Settings,
    /// Threads and progress.
    pub host: Host,
    /// The engine, with genes, pixels, platform effects and sigma chosen.
    pub rctd: Rctd<'static>,
    /// What a user should know.
    pub warnings: Vec<String>,
    n_genes_common: usize,
    n_umi: [&'static str; 2],
}

/// What the fits left in memory; the rest is in the journal.
pub struct Fitted {
    /// Ranges of kept pixels.
    pub plan: Vec<std::ops::Range<u64>>,
    /// Small columns of all pixels.
    pub all: PixelSummary,
    n_resumed: usize,
}

struct Clock {
    started: Instant,
    last: Instant,
    stages: Stages,
}

impl Clock {
    fn new() -> Self {
        let now = Instant::now();
        Clock {
            started: now,
            last: now,
            stages: Stages::default(),
        }
    }

    fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64();
        self.last = now;
        seconds
    }
}

impl<'a> Job<'a> {
    fn prepare(
        args: &'a RunArgs,
        settings: Settings,
        host: Host,
        clock: &mut Clock,
    ) -> Result<Self> {
        let ctx = &host.ctx;
        let spatial = input::open_spatial(&args.input)?;
        let cells = input::open_reference(&args.input)?;
        let labels = input::cell_types(&cells, &args.input.cell_type_col)?;
        let mut warnings = warnings_of(&spatial, "spatial");
        warnings.extend(warnings_of(&cells, "reference"));
        let n_umi = [source_of_totals(&spatial), source_of_totals(&cells)];
        let known: BTreeSet<&String> = cells.var.index.iter().collect();
        let is_common = |gene: &&String| known.contains(gene);
        let n_genes_common = spatial.var.index.iter().filter(is_common).count();
        if args.picture.is_some() && spatial.coordinates().is_none() {
            return Err(outputs::no_coordinates(args));
        }
        clock.stages.load = clock.lap();

        let cells = ReferenceInput {
            n_umi: cells.n_umi(),
            counts: cells.counts,
            cells: cells.obs.index,
            genes: cells.var.index,
            cell_types: labels,
        };
        let reference = Reference::build(ctx, cells, &settings.reference)?;
        warnings.extend(reference.warnings.iter().cloned());
        clock.stages.profiles = clock.lap();

        let pixels = SpatialInput {
            coords: spatial.coordinates(),
            n_umi: spatial.n_umi(),
            counts: spatial.counts,
            pixels: spatial.obs.index,
            genes: spatial.var.index,
        };
        let mut rctd = Rctd::create(ctx, pixels, &reference, settings.model.clone())?;
        clock.stages.create = clock.lap();
        rctd.fit_bulk(ctx)?;
        clock.stages.bulk = clock.lap();
        rctd.choose_sigma(ctx)?;
        clock.stages.sigma = clock.lap();
        for warning in &warnings {
            host::say(&args.host, &format!("warning: {warning}"));
        }
        Ok(Job {
            args,
            settings,
            host,
            rctd,
            warnings,
            n_genes_common,
            n_umi,
        })
    }

    /// The journal of this very work: same inputs, same options, same cutting.
    fn journal(&self, args: &RunArgs, places: &Places) -> Result<Journal> {
        let mut key = Fingerprint::default();
        key.number(self.rctd.parameter_hash(self.settings.mode));
        key.number(self.settings.batch_size as u64);
        let n_parts = self.plan().len();
        if args.resume {
            Journal::resume(&places.parts, key.value(), n_parts)
        } else {
            if places.parts.exists() {
                host::say(
                    &args.host,
                    "parts of an earlier run are deleted; --resume could have reused them",
                );
            }
            Journal::fresh(&places.parts, key.value(), n_parts)
        }
    }

    fn plan(&self) -> Vec<std::ops::Range<u64>> {
        self.rctd.plan(Some(self.settings.batch_size))
    }

    fn fit(&mut self, journal: &mut Journal, clock: &mut Clock) -> Result<Fitted> {
        let mode = self.settings.mode;
        let plan = self.plan();
        let n_total = self.rctd.n_pixels_total();
        let mut all = PixelSummary::new(mode, self.rctd.cell_types(), n_total);
        let mut n_resumed = 0;
        for (part, range) in plan.iter().enumerate() {
            let shard = if let Some(shard) = self.shard(journal, part, range)? {
                n_resumed += 1;
                shard
            } else {
                let n_kept = self.rctd.kept().len() as u64;
                self.host.shard.begins(range.start, n_kept);
                let partial = self.rctd.run_shard(&self.host.ctx, mode, range.clone())?;
                journal.write(part, &partial.to_bytes())?;
                self.results_of(&partial)
            };
            all.add(&shard);
        }
        clock.stages.pixels = clock.lap();
        Ok(Fitted {
            plan,
            all,
            n_resumed,
        })
    }

    /// The results of a part that is in the journal.
    ///
    /// # Errors
    /// `CheckpointMismatch` for parts of other work, which the key of the journal rules out.
    pub fn shard(
        &self,
        journal: &Journal,
        part: usize,
        range: &std::ops::Range<u64>,
    ) -> Result<Option<RctdResults>> {
        let Some(bytes) = journal.read(part)? else {
            return Ok(None);
        };
        let partial = Partial::from_bytes(&bytes)?;
        let mode = self.settings.mode;
        self.rctd
            .check_partial(&partial, mode, self.rctd.parameter_hash(mode))?;
        if partial.range() != *range {
            return Err(Error::new(
                ErrorKind::CheckpointMismatch,
                format!(
                    "{}: part {part} holds other pixels; delete the folder to start afresh",
                    journal.folder().display()
                ),
            ));
        }
        Ok(Some(self.results_of(&partial)))
    }

    fn results_of(&self, partial: &Partial) -> RctdResults {
        let range = partial.range();
        let rows = &self.rctd.kept()[range.start as usize..range.end as usize];
        let columns = partial.columns();
        let names = self.rctd.barcodes();
        RctdResults {
            mode: partial.mode(),
            cell_types: self.rctd.cell_types().to_vec(),
            sigma: sigma(self),
            n_pixels_total: self.rctd.n_pixels_total(),
            options: std::sync::Arc::clone(self.rctd.options()),
            pixels: rows.to_vec(),
            barcodes: rows.iter().map(|&r| names[r as usize].clone()).collect(),
            weights: columns.weights.clone(),
            converged: columns.converged.clone(),
            doublet: columns.doublet.clone(),
            multi: columns.multi.clone(),
        }
    }

    /// Options in force.
    fn config(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut config = match serde_json::from_str(&self.rctd.options().to_json()) {
            Ok(serde_json::Value::Object(config)) => config,
            _ => unreachable!("options are a JSON object"),
        };
        config.extend(self.settings_beside_options());
        config
    }

    /// Settings of a run that are no options of the engine.
    pub fn settings_beside_options(&self) -> serde_json::Map<String, serde_json::Value> {
        let reference = &self.settings.reference;
        let mut also = serde_json::Map::new();
        also.insert("n_max_cells".into(), reference.n_max_cells.into());
        also.insert("min_umi_ref".into(), reference.min_umi.into());
        also.insert("type_order".into(), reference.type_order.clone().into());
        also.insert("seed".into(), self.args.engine.seed.into());
        also.insert("dtype".into(), "float64".into());
        also
    }

    fn report(&self, places: &Places, fitted: &Fitted, clock: Clock) -> Report {
        let fates = self.rctd.fates();
        let taken = |fate| fates.iter().filter(|f| **f == fate).count() as u64;
        let n_pixels_removed: BTreeMap<&'static str, u64> = PixelFate::ALL[1..]
            .iter()
            .map(|&fate| (fate.name(), taken(fate)))
            .collect();
        let input = &self.args.input;
        Report {
            status: "success",
            version: env!("CARGO_PKG_VERSION"),
            mode: self.settings.mode,
            output_path: places.output.display().to_string(),
            input: Input {
                spatial_path: input.spatial.display().to_string(),
                reference_path: input.reference.display().to_string(),
                n_pixels_total: self.rctd.n_pixels_total(),
                n_pixels_after_filter: self.rctd.kept().len(),
                n_pixels_removed,
                n_genes_common: self.n_genes_common,
                n_genes_bulk: self.rctd.genes_bulk().len(),
                n_genes_reg: self.rctd.genes_reg().len(),
                n_cell_types: self.rctd.cell_types().len(),
                cell_type_names: self.rctd.cell_types().to_vec(),
                n_umi_of_pixels: self.n_umi[0],
                n_umi_of_cells: self.n_umi[1],
            },
            config: self.config(),
            results: Facts {
                sigma: sigma(self),
                elapsed_seconds: clock.started.elapsed().as_secs_f64(),
                stage_seconds: clock.stages,
                device_used: "cpu",
                threads: self.host.ctx.threads(),
                n_parts: fitted.plan.len(),
                n_parts_resumed: fitted.n_resumed,
            },
            summary: Summary::of(&fitted.all),
            warnings: self.warnings.clone(),
        }
    }

    /// After a failure the finished parts stay only when the user asked for `--resume`.
    fn give_up(&self, args: &RunArgs, journal: Journal, error: Error) -> Error {
        if args.resume {
            let folder = journal.folder().display().to_string();
            let words =
                format!("finished parts are kept in {folder}; run the same command to go on");
            host::say(&args.host, &words);
            return error;
        }
        match journal.remove() {
            Ok(()) => error,
            Err(left) => {
                let words = format!(
                    "{} (and the parts could not be deleted: {left})",
                    error.message()
                );
                host::say(&args.host, &words);
                error
            }
        }
    }
}

/// 100 sigma of a job.
pub fn sigma(job: &Job<'_>) -> u32 {
    job.rctd.sigma().map_or(0, |fit| fit.key)
}

fn source_of_totals(dataset: &Dataset) -> &'static str {
    if dataset.n_umi().is_some() {
        "nUMI"
    } else {
        "row sums"
    }
}

fn warnings_of(dataset: &Dataset, name: &str) -> Vec<String> {
    let warnings = dataset.info.warnings.iter();
    warnings
        .map(|warning| format!("{name}: {warning}"))
        .collect()
}

/// Where a run writes when no output is named: `<name>_rctd.h5ad` beside the input.
pub fn default_output(spatial: &std::path::Path) -> PathBuf {
    let real = std::fs::canonicalize(spatial).unwrap_or_else(|_| spatial.to_path_buf());
    let name = if real.is_dir() {
        real.file_name()
    } else {
        real.file_stem()
    };
    let name = name.map_or_else(|| "spatial".into(), |n| n.to_string_lossy().into_owned());
    let folder = if spatial.file_name().is_some() {
        spatial.parent().map(std::path::Path::to_path_buf)
    } else {
        real.parent().map(std::path::Path::to_path_buf)
    };
    folder.unwrap_or_default().join(format!("{name}_rctd.h5ad"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_output_stands_beside_the_input() {
        let output = default_output(Path::new("some/where/liver.h5ad"));
        assert_eq!(output, Path::new("some/where/liver_rctd.h5ad"));
        assert_eq!(
            default_output(Path::new("liver.h5ad")),
            Path::new("liver_rctd.h5ad")
        );
        let folder = tempfile::tempdir().expect("folder");
        let mtx = folder.path().join("sample.one");
        std::fs::create_dir(&mtx).expect("made");
        assert_eq!(
            default_output(&mtx),
            folder.path().join("sample.one_rctd.h5ad")
        );
    }
}
