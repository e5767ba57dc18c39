//! Several tissues with one reference: the same profiles and options for each.
//!
//! Source: spacexr 2.2.1, `create.RCTD.replicates` and `run.RCTD.replicates`.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::{Error, Result};

use super::config::{Mode, RctdOptions};
use super::reference::Reference;
use super::results::RctdResults;
use super::run::Rctd;
use super::spatial::SpatialInput;

/// One tissue of several.
pub struct Replicate<'a> {
    /// Its name, unique.
    pub name: String,
    /// Its group (1 unless groups are compared later).
    pub group: i64,
    /// Its pixels.
    pub spatial: SpatialInput<'a>,
}

/// Tissues that share a reference.
pub struct Replicates<'a> {
    members: Vec<(String, i64, Rctd<'a>)>,
}

impl<'a> Replicates<'a> {
    /// Filters and chooses genes for every tissue.
    ///
    /// # Errors
    /// `InvalidArgument` for fewer than two tissues, equal names, or a group of one; those of
    /// [`Rctd::create`], with the name of the tissue in front.
    pub fn create(
        ctx: &Context,
        replicates: Vec<Replicate<'a>>,
        reference: &Reference,
        options: &RctdOptions,
    ) -> Result<Self> {
        if replicates.len() < 2 {
            return Err(Error::argument(
                "replicates",
                format!("{} is too few; at least 2 are needed", replicates.len()),
            ));
        }
        let mut groups: BTreeMap<i64, usize> = BTreeMap::new();
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for replicate in &replicates {
            *groups.entry(replicate.group).or_default() += 1;
            *names.entry(&replicate.name).or_default() += 1;
        }
        if let Some((name, _)) = names.iter().find(|(_, n)| **n > 1) {
            return Err(Error::argument(
                "replicate_names",
                format!("{name:?} is used twice; names must be unique"),
            ));
        }
        if let Some((group, _)) = groups.iter().find(|(_, n)| **n < 2) {
            return Err(Error::argument(
                "group_ids",
                format!("group {group} has one replicate; every group needs at least 2"),
            ));
        }
        let mut members = Vec::with_capacity(replicates.len());
        for Replicate {
            name,
            group,
            spatial,
        } in replicates
        {
            let rctd = Rctd::create(ctx, spatial, reference, options.clone())
                .map_err(|e| e.in_context(format!("replicate {name:?}")))?;
            members.push((name, group, rctd));
        }
        Ok(Replicates { members })
    }

    /// Runs every tissue; names and results in the order given.
    ///
    /// # Errors
    /// Those of [`Rctd::run`], with the name of the tissue in front.
    pub fn run(&mut self, ctx: &Context, mode: Mode) -> Result<Vec<(String, RctdResults)>> {
        let mut results = Vec::with_capacity(self.members.len());
        for (name, _, rctd) in &mut self.members {
            let result = rctd
                .run(ctx, mode)
                .map_err(|e| e.in_context(format!("replicate {name:?}")))?;
            results.push((name.clone(), result));
        }
        Ok(results)
    }

    /// Name, group and object of every tissue.
    pub fn members(&mut self) -> impl Iterator<Item = (&str, i64, &mut Rctd<'a>)> {
        self.members
            .iter_mut()
            .map(|(name, group, rctd)| (name.as_str(), *group, rctd))
    }
}
