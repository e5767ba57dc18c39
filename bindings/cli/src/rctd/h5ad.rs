//! The `.h5ad` file with the results, written by core from the finished parts in the journal.

use std::borrow::Cow;
use std::ops::Range;

use cytosol::Result;
use cytosol::checkpoint::Journal;
use cytosol::rctd::RctdResults;
use cytosol::rctd::output::{Parts, RunFacts, annotations, write_h5ad};

use super::outputs::{Places, disappeared};
use super::run::{self, Fitted, Job};
use crate::input;

/// Writes the file.
///
/// # Errors
/// As [`write_h5ad`].
pub fn write(job: &Job<'_>, places: &Places, journal: &Journal, fitted: &Fitted) -> Result<()> {
    let parts = InJournal {
        job,
        journal,
        fitted,
    };
    let facts = RunFacts {
        options: job.rctd.options(),
        also: job.settings_beside_options(),
        sigma: run::sigma(job),
    };
    let new = annotations(&parts, &fitted.all, &facts)?;
    let spatial = &job.args.input.spatial;
    // Counts of inputs that are no .h5ad went to the engine; they are read once more.
    let open_with = input::spatial_options(&job.args.input)?;
    write_h5ad(&job.host.ctx, spatial, &open_with, &places.output, new)
}

/// Parts of the results, read back when they are asked for.
struct InJournal<'a> {
    job: &'a Job<'a>,
    journal: &'a Journal,
    fitted: &'a Fitted,
}

impl Parts for InJournal<'_> {
    fn kept(&self) -> &[u32] {
        self.job.rctd.kept()
    }

    fn cell_types(&self) -> &[String] {
        self.job.rctd.cell_types()
    }

    fn plan(&self) -> Vec<Range<u64>> {
        self.fitted.plan.clone()
    }

    fn part(&self, part: usize) -> Result<Cow<'_, RctdResults>> {
        let range = &self.fitted.plan[part];
        let shard = self.job.shard(self.journal, part, range)?;
        shard
            .map(Cow::Owned)
            .ok_or_else(|| disappeared(self.journal, part))
    }
}
