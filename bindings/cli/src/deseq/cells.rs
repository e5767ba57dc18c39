//! Samples out of cells: the counts of the cells of a donor and a condition, summed.
//!
//! Memory: the budget of the context for reading, and 8 bytes a sample and gene; never the cells.

use cytosol::data::h5ad::H5adFile;
use cytosol::data::{Categorical, Column, Table};
use cytosol::deseq::{Counts, StridedView};
use cytosol::error::name_some;
use cytosol::preprocess::file::{MatrixChoice, aggregate_file};
use cytosol::preprocess::{AggregateOptions, CellGroups};
use cytosol::{Context, Error, Result};

use super::args::DeseqArgs;
use super::counts::Read;
use super::input::SHOWN;

/// Sums the cells of an `.h5ad` by columns of `obs`, which are the columns of the samples.
///
/// # Errors
/// Those of reading; `InvalidData` for a sum that is no count; `InvalidArgument` when no sample is left.
pub fn pseudobulk(ctx: &Context, args: &DeseqArgs) -> Result<(Read, Table)> {
    let (by, min) = (&args.cells.by, args.cells.min_cells);
    let mut matrix = MatrixChoice::layer(args.cells.layer.clone());
    matrix.use_raw = args.cells.use_raw;
    let var = if matrix.use_raw { "raw/var" } else { "var" };
    let genes = H5adFile::open(&args.counts)?.index(var)?;
    let asked = AggregateOptions::default();
    let (groups, sums) = aggregate_file(ctx, &args.counts, None, by, &matrix, &asked)?;
    let kept: Vec<usize> = (0..groups.names.len())
        .filter(|&group| groups.sizes[group] >= min)
        .collect();
    if kept.is_empty() {
        return Err(Error::argument(
            "min-cells",
            format!(
                "no sample has {min} cells; they have {}",
                name_some(&sizes(&groups, &|_| true), SHOWN)
            ),
        ));
    }
    say(ctx, &groups, min)?;
    let (n, m) = (genes.len(), kept.len());
    let all = &sums.layers[0].1;
    let values: Vec<f64> = kept
        .iter()
        .flat_map(|&group| &all[group * n..(group + 1) * n])
        .copied()
        .collect();
    let counts = Counts::from_numbers(&StridedView {
        values: &values,
        n_genes: n,
        n_samples: m,
        gene_stride: 1,
        sample_stride: n,
    })
    .map_err(|e| {
        e.in_context(format!(
            "{}: sums of cells, which must hold raw counts",
            args.counts.display()
        ))
        .with_argument("counts")
    })?;
    let names: Vec<String> = kept.iter().map(|&g| groups.names[g].clone()).collect();
    let mut table = Table::new(names.clone());
    for (name, key) in by.iter().zip(&groups.keys) {
        let codes = kept.iter().map(|&g| key.codes[g]).collect();
        table.set(name, Column::Categorical(without_gaps(key, codes)))?;
    }
    let read = Read {
        counts,
        genes,
        samples: names,
        lengths: None,
    };
    Ok((read, table))
}

/// Names and sizes of groups, for messages.
fn sizes(groups: &CellGroups, which: &dyn Fn(u64) -> bool) -> Vec<String> {
    let all = groups.names.iter().zip(&groups.sizes);
    all.filter(|(_, size)| which(**size))
        .map(|(name, size)| format!("{name} ({size})"))
        .collect()
}

fn say(ctx: &Context, groups: &CellGroups, min: u64) -> Result<()> {
    let small = sizes(groups, &|size| size < min);
    if !small.is_empty() {
        let names = name_some(&small, SHOWN);
        let text = format!("samples of fewer than {min} cells are left out: {names}");
        ctx.message("message", &text)?;
    }
    if groups.n_missing > 0 {
        let n = groups.n_missing;
        ctx.message(
            "message",
            &format!("{n} cells without a label are left out"),
        )?;
    }
    Ok(())
}

/// The labels of some groups without the categories that none of them has.
fn without_gaps(key: &Categorical, mut codes: Vec<i32>) -> Categorical {
    let mut used: Vec<i32> = codes.clone();
    used.sort_unstable();
    used.dedup();
    let categories = used
        .iter()
        .map(|&code| key.categories[code as usize].clone())
        .collect();
    for code in &mut codes {
        *code = used.binary_search(code).map_or(-1, |at| at as i32);
    }
    Categorical {
        codes,
        categories,
        ordered: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_without_samples_go() {
        let key = Categorical {
            codes: vec![],
            categories: ["a", "b", "c"].map(String::from).to_vec(),
            ordered: false,
        };
        let got = without_gaps(&key, vec![2, 0, 2]);
        assert_eq!((got.codes, got.categories.len()), (vec![1, 0, 1], 2));
    }
}
