//! Where a run writes, and the passes over its finished parts that do it.
//!
//! Parts come back from the journal one by one, so memory holds one of them. Every file appears whole or not at all, and all of them at the end.

use std::path::{Path, PathBuf};

use cytosol::checkpoint::{AtomicFile, Journal};
use cytosol::rctd::RctdResults;
use cytosol::{Error, ErrorKind, Result};

use super::picture::Marks;
use super::run::{Fitted, Job, default_output};
use super::tables::Tables;
use crate::args::RunArgs;
use crate::picture;

/// Files of a run.
#[derive(Debug)]
pub struct Places {
    /// The `.h5ad` with the results.
    pub output: PathBuf,
    /// Folder of finished parts, beside it.
    pub parts: PathBuf,
    csv: Option<PathBuf>,
    picture: Option<PathBuf>,
}

impl Places {
    /// Decides where everything goes and checks that it can be written.
    ///
    /// # Errors
    /// `InvalidArgument` when the output is an input; `NotFound` or `Io` when a folder is not there
    /// or cannot be written.
    pub fn of(args: &RunArgs) -> Result<Self> {
        let output = match &args.output {
            Some(output) => output.clone(),
            None => default_output(&args.input.spatial),
        };
        for input in [&args.input.spatial, &args.input.reference] {
            if same_file(input, &output) {
                return Err(Error::argument(
                    "output",
                    format!("{} is an input; give it another name", output.display()),
                ));
            }
        }
        for file in [Some(&output), args.picture.as_ref()].into_iter().flatten() {
            // Dropped at once: shows that a file can be made here before hours of work.
            drop(AtomicFile::create(file)?);
        }
        let Some(name) = output.file_name().map(|n| n.to_string_lossy().into_owned()) else {
            return Err(Error::argument(
                "output",
                format!("{} is not a file name", output.display()),
            ));
        };
        Ok(Places {
            parts: output.with_file_name(format!(".{name}.cyto-partial")),
            output,
            csv: args.csv.clone(),
            picture: args.picture.clone(),
        })
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (std::fs::canonicalize(a), std::fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// Writes all outputs from the parts in the journal.
///
/// # Errors
/// `Io` (reason `DiskFull`, `ReadOnly`) when a file cannot be written, `Cancelled`.
pub fn write(job: &Job<'_>, places: &Places, journal: &Journal, fitted: &Fitted) -> Result<()> {
    let extras = Extras::prepare(job, places, journal, fitted)?;
    super::h5ad::write(job, places, journal, fitted)?;
    extras.commit()
}

/// The results of every part, in order.
///
/// # Errors
/// `Io` when a part cannot be read, `Cancelled`, and those of `take`.
fn each_part(
    job: &Job<'_>,
    journal: &Journal,
    fitted: &Fitted,
    mut take: impl FnMut(&RctdResults) -> Result<()>,
) -> Result<()> {
    for (part, range) in fitted.plan.iter().enumerate() {
        job.host.ctx.check_cancelled()?;
        let shard = job.shard(journal, part, range)?;
        take(&shard.ok_or_else(|| disappeared(journal, part))?)?;
    }
    Ok(())
}

/// The error for a part that was there a moment ago.
pub fn disappeared(journal: &Journal, part: usize) -> Error {
    Error::new(
        ErrorKind::Io,
        format!(
            "{}: part {part} has disappeared; run the same command again",
            journal.folder().display()
        ),
    )
}

/// Tables and picture, written but not named yet: they get their names after the `.h5ad` has its.
#[derive(Default)]
struct Extras {
    tables: Option<Tables>,
    picture: Option<AtomicFile>,
}

impl Extras {
    fn prepare(job: &Job<'_>, places: &Places, journal: &Journal, fitted: &Fitted) -> Result<Self> {
        let mut extras = Extras::default();
        if let Some(folder) = &places.csv {
            extras.tables = Some(Tables::create(folder, job.settings.mode)?);
        }
        let mut marks = places.picture.as_ref().map(|_| Marks::new());
        if extras.tables.is_none() && marks.is_none() {
            return Ok(extras);
        }
        each_part(job, journal, fitted, |shard| {
            if let Some(marks) = &mut marks {
                marks.add(shard);
            }
            extras.tables.as_mut().map_or(Ok(()), |t| t.add(shard))
        })?;
        if let (Some(marks), Some(path)) = (marks, &places.picture) {
            let scene = marks.scene(title(job), coordinates(job)?, job.rctd.cell_types());
            extras.picture = Some(picture::draw(&scene, path)?);
        }
        Ok(extras)
    }

    fn commit(self) -> Result<()> {
        self.tables.map_or(Ok(()), Tables::commit)?;
        self.picture.map_or(Ok(()), AtomicFile::commit)
    }
}

fn title(job: &Job<'_>) -> String {
    let spatial = &job.args.input.spatial;
    let name = spatial
        .file_name()
        .map(|n| n.to_string_lossy().into_owned());
    format!(
        "{}: cell types of {} pixels ({} mode)",
        name.unwrap_or_else(|| "tissue".to_owned()),
        job.rctd.kept().len(),
        job.settings.mode
    )
}

/// Coordinates of the kept pixels.
fn coordinates(job: &Job<'_>) -> Result<Vec<[f64; 2]>> {
    let coords = job.rctd.coords().ok_or_else(|| no_coordinates(job.args))?;
    let rows = job.rctd.kept().iter();
    Ok(rows.map(|&row| coords[row as usize]).collect())
}

/// The error for a picture of pixels without places.
pub fn no_coordinates(args: &RunArgs) -> Error {
    Error::data(format!(
        "{}: there are no coordinates to draw: neither obsm \"spatial\" or \"X_spatial\" nor obs \
         \"x\" and \"y\"; leave --picture out or add them",
        args.input.spatial.display()
    ))
    .with_argument("picture")
}
