//! Which genes tell the types apart: the bulk list (platform effects) and the regression list.
//!
//! A gene is listed when some type expresses it above a threshold and above the mean of the other
//! types by a fold change. Lists keep the order of discovery (by type, then by reference row):
//! it is the order in which spacexr stores them and in which everything later is summed.
//!
//! Time: genes x types. Memory: the same.
//! Source: spacexr 2.2.1, `get_de_genes`.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::{Error, Reason, Result, name_some};

use super::config::RctdOptions;
use super::reference::Profiles;
use super::spatial::NOT_LISTED;

/// Added to means before logarithms. spacexr: 1e-9.
const EPSILON: f64 = 1e-9;

/// Fewer listed genes than this cannot be fitted. spacexr: 10.
const MIN_GENES: usize = 10;

/// A listed gene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gene {
    /// Row of the profiles.
    pub(crate) profile: u32,
    /// Column of the spatial counts.
    pub(crate) spatial: u32,
}

/// Both gene lists; every regression gene is also a bulk gene.
#[derive(Debug, Clone, Default)]
pub(crate) struct GeneLists {
    pub(crate) bulk: Vec<Gene>,
    /// Positions in `bulk`.
    pub(crate) reg: Vec<u32>,
}

impl GeneLists {
    /// Chooses both lists; `sums` are the counts of each spatial gene over the pixels.
    pub(crate) fn choose(
        ctx: &Context,
        profiles: &Profiles,
        spatial_genes: &[String],
        sums: &[u64],
        options: &RctdOptions,
    ) -> Result<Self> {
        let candidates = candidates(profiles, spatial_genes, sums, options)?;
        let folds = Folds::new(profiles, &candidates);
        let reg = folds.list(options.fc_cutoff_reg, options.gene_cutoff_reg);
        report(ctx, "regression", &reg, profiles)?;
        let bulk = folds.list(options.fc_cutoff, options.gene_cutoff);
        report(ctx, "bulk", &bulk, profiles)?;
        let bulk = bulk.genes;
        let mut position = vec![NOT_LISTED; profiles.genes.len()];
        for (place, gene) in bulk.iter().enumerate() {
            position[gene.profile as usize] = place as u32;
        }
        let mut places = Vec::with_capacity(reg.genes.len());
        for gene in &reg.genes {
            let place = position[gene.profile as usize];
            if place == NOT_LISTED {
                return Err(Error::argument(
                    "gene_cutoff",
                    format!(
                        "gene {:?} is in the regression list but not in the bulk list; gene_cutoff and \
                         fc_cutoff must not be above gene_cutoff_reg and fc_cutoff_reg",
                        profiles.genes[gene.profile as usize]
                    ),
                ));
            }
            places.push(place);
        }
        Ok(GeneLists { bulk, reg: places })
    }

    /// Place in the bulk list of every spatial gene, [`NOT_LISTED`] where it has none.
    pub(crate) fn bulk_positions(&self, n_spatial_genes: usize) -> Vec<u32> {
        let mut positions = vec![NOT_LISTED; n_spatial_genes];
        for (place, gene) in self.bulk.iter().enumerate() {
            positions[gene.spatial as usize] = place as u32;
        }
        positions
    }

    /// Place in the regression list of every spatial gene, [`NOT_LISTED`] where it has none.
    pub(crate) fn reg_positions(&self, n_spatial_genes: usize) -> Vec<u32> {
        let mut positions = vec![NOT_LISTED; n_spatial_genes];
        for (place, &bulk) in self.reg.iter().enumerate() {
            positions[self.bulk[bulk as usize].spatial as usize] = place as u32;
        }
        positions
    }
}

/// Genes of both sides, in reference order, without mitochondrial and all but unseen ones.
fn candidates(
    profiles: &Profiles,
    spatial_genes: &[String],
    sums: &[u64],
    options: &RctdOptions,
) -> Result<Vec<Gene>> {
    let columns: BTreeMap<&str, u32> = spatial_genes
        .iter()
        .enumerate()
        .map(|(column, name)| (name.as_str(), column as u32))
        .collect();
    let common: Vec<Gene> = profiles
        .genes
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.contains("mt-"))
        .filter_map(|(row, name)| {
            let spatial = *columns.get(name.as_str())?;
            Some(Gene {
                profile: row as u32,
                spatial,
            })
        })
        .collect();
    if common.is_empty() {
        return Err(Error::data(format!(
            "reference and spatial data have no gene in common: the reference has {}, the spatial data {}; \
             both must use the same kind of name, spelled alike",
            name_some(&profiles.genes, 3),
            name_some(spatial_genes, 3)
        ))
        .with_reason(Reason::NoCommonGenes));
    }
    let n_common = common.len();
    let seen: Vec<Gene> = common
        .into_iter()
        .filter(|gene| sums[gene.spatial as usize] as f64 >= options.min_obs)
        .collect();
    let fewer = profiles.genes.len().min(spatial_genes.len());
    if (seen.len() as f64) < 0.1 * fewer as f64 {
        return Err(Error::data(format!(
            "less than a tenth of the genes can be used: of {} reference and {} spatial genes, {n_common} are \
             common and {} of those have a total count of at least min_obs = {}; check the names, or lower \
             min_obs for shallow data",
            profiles.genes.len(),
            spatial_genes.len(),
            seen.len(),
            options.min_obs
        ))
        .with_reason(Reason::TooFewGenes));
    }
    Ok(seen)
}

/// Expression and fold change of every candidate in every type.
struct Folds<'a> {
    candidates: &'a [Gene],
    profiles: &'a Profiles,
    /// Natural logarithm of expression over the mean of the other types, candidates x types.
    log_fold: Vec<f64>,
}

struct List {
    genes: Vec<Gene>,
    by_type: Vec<usize>,
}

impl<'a> Folds<'a> {
    fn new(profiles: &'a Profiles, candidates: &'a [Gene]) -> Self {
        let k = profiles.cell_types.len();
        let mut log_fold = Vec::with_capacity(candidates.len() * k);
        for gene in candidates {
            let row = profiles.row(gene.profile as usize);
            for (t, value) in row.iter().enumerate() {
                let others: f64 = row
                    .iter()
                    .enumerate()
                    .filter(|o| o.0 != t)
                    .map(|o| o.1)
                    .sum();
                let others = others / (k - 1) as f64;
                log_fold.push((value + EPSILON).ln() - (others + EPSILON).ln());
            }
        }
        Folds {
            candidates,
            profiles,
            log_fold,
        }
    }

    /// Union over types, in order of first discovery.
    fn list(&self, fold_cutoff: f64, expression_cutoff: f64) -> List {
        let k = self.profiles.cell_types.len();
        let mut listed = vec![false; self.candidates.len()];
        let mut list = List {
            genes: Vec::new(),
            by_type: vec![0; k],
        };
        for t in 0..k {
            for (c, gene) in self.candidates.iter().enumerate() {
                let expression = self.profiles.row(gene.profile as usize)[t];
                if self.log_fold[c * k + t] > fold_cutoff && expression > expression_cutoff {
                    list.by_type[t] += 1;
                    if !std::mem::replace(&mut listed[c], true) {
                        list.genes.push(*gene);
                    }
                }
            }
        }
        list
    }
}

fn report(ctx: &Context, kind: &str, list: &List, profiles: &Profiles) -> Result<()> {
    if list.genes.len() < MIN_GENES {
        return Err(Error::data(format!(
            "fewer than {MIN_GENES} {kind} differentially expressed genes found: {}; lower the gene and \
             fold-change cut-offs, or use a reference whose types differ more",
            list.genes.len()
        ))
        .with_reason(Reason::TooFewGenes));
    }
    let by_type: Vec<String> = profiles
        .cell_types
        .iter()
        .zip(&list.by_type)
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
    ctx.message(
        "genes",
        &format!("{} {kind} genes ({})", list.genes.len(), by_type.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles() -> Profiles {
        // 24 genes; gene i is high in type i % 2, genes 22 and 23 in none.
        let values = (0..24)
            .flat_map(|i| match (i < 22, i % 2) {
                (true, 0) => [0.01, 0.001],
                (true, _) => [0.001, 0.01],
                _ => [0.001, 0.001],
            })
            .collect();
        Profiles {
            genes: (0..24).map(|i| format!("g{i}")).collect(),
            cell_types: vec!["A".into(), "B".into()],
            values,
        }
    }

    #[test]
    fn lists_are_in_order_of_discovery() {
        let profiles = profiles();
        let ctx = Context::single_threaded().expect("pool");
        let spatial: Vec<String> = (0..24).rev().map(|i| format!("g{i}")).collect();
        let lists = GeneLists::choose(
            &ctx,
            &profiles,
            &spatial,
            &[10; 24],
            &RctdOptions::default(),
        )
        .expect("enough genes");
        let order: Vec<u32> = lists.bulk.iter().map(|g| g.profile).collect();
        let expected: Vec<u32> = (0..22).step_by(2).chain((1..22).step_by(2)).collect();
        assert_eq!(order, expected);
        assert_eq!(lists.bulk[0].spatial, 23);
        assert_eq!(lists.reg.len(), 22);
        assert_eq!(lists.bulk_positions(24)[23], 0);
    }

    #[test]
    fn foreign_names_get_examples_of_both_sides() {
        let ctx = Context::single_threaded().expect("pool");
        let spatial: Vec<String> = (0..5).map(|i| format!("ENSG{i}")).collect();
        let error = GeneLists::choose(
            &ctx,
            &profiles(),
            &spatial,
            &[10; 5],
            &RctdOptions::default(),
        )
        .expect_err("no common gene");
        assert_eq!(error.reason(), &Reason::NoCommonGenes);
        assert!(error.message().contains(r#""g0", "g1", "g2""#));
        assert!(error.message().contains(r#""ENSG0", "ENSG1", "ENSG2""#));
    }

    #[test]
    fn bulk_cutoffs_above_the_regression_ones_are_refused() {
        let ctx = Context::single_threaded().expect("pool");
        let profiles = profiles();
        let mut options = RctdOptions {
            fc_cutoff: 2.0,
            ..RctdOptions::default()
        };
        options.fc_cutoff_reg = 0.5;
        let mut weaker = profiles.clone();
        weaker.values[1] = 0.004;
        let error = GeneLists::choose(&ctx, &weaker, &weaker.genes.clone(), &[10; 24], &options)
            .expect_err("not nested");
        assert_eq!(error.argument_name(), Some("gene_cutoff"));
    }
}
