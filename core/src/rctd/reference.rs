//! The single-cell side: from labelled cells to mean profiles of cell types.
//!
//! A profile is the mean over the cells of a type of count / nUMI (a mean of ratios). Cells are
//! read once in blocks; where a type has more than `n_max_cells` cells and nUMI is not given, a
//! pass for the row sums comes first.
//!
//! Time: the non-zeros, once or twice. Memory: genes x types a block in flight (8 bytes each).
//! Source: spacexr 2.2.1, `Reference` and `get_cell_type_info`.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::data::{Categorical, CellBlocks, CountBlock};
use crate::error::{Error, Reason, Result, name_some};
use crate::par::{Blocks, ordered, rng};

use super::input::{check_names, check_numbers, name_value_errors};

/// Cells of one block; part of the meaning of the result, never a tuning knob.
const CELLS_PER_BLOCK: usize = 1024;

/// Labelled single cells.
pub struct ReferenceInput<'a> {
    /// Counts, cells x genes.
    pub counts: Box<dyn CellBlocks + 'a>,
    /// Barcodes.
    pub cells: Vec<String>,
    /// Gene names.
    pub genes: Vec<String>,
    /// Cell type of every cell; the order of the categories is the order of the types.
    pub cell_types: Categorical,
    /// Total counts of every cell over all genes of the experiment; row sums when absent.
    pub n_umi: Option<Vec<f64>>,
}

/// What to do about types with few cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RareTypes {
    /// Keep them; creating an RCTD object then fails, as in spacexr, and names them.
    #[default]
    Keep,
    /// Leave them out with a warning, as rctd-py does.
    Drop,
}

/// How a reference is made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReferenceOptions {
    /// Most cells of a type; more are sampled down. Default 10,000.
    pub n_max_cells: usize,
    /// Least nUMI of a cell, inclusive. Default 100.
    pub min_umi: f64,
    /// With [`RareTypes::Drop`]: least number of cells of a type. Default 25.
    pub cell_min: u64,
    /// What to do about types with fewer.
    pub rare_types: RareTypes,
    /// Order of the types, when not that of the categories; must name every type.
    pub type_order: Option<Vec<String>>,
}

impl Default for ReferenceOptions {
    fn default() -> Self {
        ReferenceOptions {
            n_max_cells: 10_000,
            min_umi: 100.0,
            cell_min: 25,
            rare_types: RareTypes::Keep,
            type_order: None,
        }
    }
}

/// Mean normalised expression, genes x types.
#[derive(Debug, Clone, PartialEq)]
pub struct Profiles {
    /// Gene names, rows.
    pub genes: Vec<String>,
    /// Cell types, columns.
    pub cell_types: Vec<String>,
    /// Values, row-major: `values[gene * n_types + cell_type]`.
    pub values: Vec<f64>,
}

impl Profiles {
    /// The row of a gene.
    pub fn row(&self, gene: usize) -> &[f64] {
        let k = self.cell_types.len();
        &self.values[gene * k..(gene + 1) * k]
    }

    /// Checks shapes, names and values.
    ///
    /// # Errors
    /// `InvalidArgument` or `InvalidData` (reason `NonFinite`), naming the gene and type.
    pub fn check(&self) -> Result<()> {
        check_names("profiles.genes", &self.genes)?;
        check_types(&self.cell_types)?;
        if self.values.len() != self.genes.len() * self.cell_types.len() {
            return Err(Error::argument(
                "profiles.values",
                format!(
                    "{} values for {} genes and {} types",
                    self.values.len(),
                    self.genes.len(),
                    self.cell_types.len()
                ),
            ));
        }
        for (gene, name) in self.genes.iter().enumerate() {
            for (value, cell_type) in self.row(gene).iter().zip(&self.cell_types) {
                if !(value.is_finite() && *value >= 0.0) {
                    return Err(Error::data(format!(
                        "profiles[gene {name:?}, type {cell_type:?}]: {value} must be a finite number of at least 0"
                    ))
                    .with_reason(Reason::NonFinite { gene: name.clone() }));
                }
            }
        }
        Ok(())
    }
}

/// Profiles of cell types, and how they came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Mean profiles.
    pub profiles: Profiles,
    /// Cells of each type that entered its profile; empty when profiles were given.
    pub cells_per_type: Vec<u64>,
    /// What was left out, in words.
    pub warnings: Vec<String>,
}

impl Reference {
    /// A reference of given profiles; cell numbers are not checked then.
    ///
    /// # Errors
    /// Those of [`Profiles::check`].
    pub fn from_profiles(profiles: Profiles) -> Result<Self> {
        profiles.check()?;
        Ok(Reference {
            profiles,
            cells_per_type: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// Mean profiles of labelled cells.
    ///
    /// # Errors
    /// `InvalidArgument` for names, labels or nUMI that do not fit; `InvalidData` for counts
    /// that are no counts and when no cell or fewer than two types are left.
    pub fn build(
        ctx: &Context,
        mut input: ReferenceInput<'_>,
        options: &ReferenceOptions,
    ) -> Result<Self> {
        check_input(&input, options)?;
        let mut warnings = Vec::new();
        let (labels, names) = ordered_labels(&input.cell_types, options, &mut warnings)?;
        let labels = choose_cells(ctx, &mut input, options, labels, &names, &mut warnings)?;
        let sums = sum_ratios(ctx, &mut input, options, &labels, names.len())?;
        if sums.cells.iter().all(|&n| n == 0) {
            return Err(Error::data(format!(
                "reference: no cell has nUMI >= min_umi = {}; lower min_umi",
                options.min_umi
            )));
        }
        let kept = keep_types(&sums.cells, &names, options, &mut warnings)?;
        for warning in &warnings {
            ctx.message("reference", warning)?;
        }
        let k = names.len();
        let mut values = Vec::with_capacity(input.genes.len() * kept.len());
        for row in sums.ratios.chunks_exact(k) {
            values.extend(kept.iter().map(|&t| match sums.cells[t] {
                0 => 0.0,
                n => row[t] / n as f64,
            }));
        }
        Ok(Reference {
            profiles: Profiles {
                genes: input.genes,
                cell_types: kept.iter().map(|&t| names[t].clone()).collect(),
                values,
            },
            cells_per_type: kept.iter().map(|&t| sums.cells[t]).collect(),
            warnings,
        })
    }
}

fn check_types(cell_types: &[String]) -> Result<()> {
    if cell_types.len() < 2 {
        return Err(Error::argument(
            "cell_types",
            format!(
                "{} type is too few; at least 2 are needed",
                cell_types.len()
            ),
        ));
    }
    check_names("cell_types", cell_types)?;
    for name in cell_types {
        if name.is_empty() {
            return Err(Error::argument("cell_types", "a type has an empty name"));
        }
        if name.contains('/') {
            return Err(Error::argument(
                "cell_types",
                format!("{name:?} contains \"/\", which names of types must not"),
            ));
        }
    }
    Ok(())
}

fn check_input(input: &ReferenceInput<'_>, options: &ReferenceOptions) -> Result<()> {
    if options.n_max_cells == 0 {
        return Err(Error::argument(
            "n_max_cells",
            "0 is too small; must be at least 1",
        ));
    }
    if !(options.min_umi.is_finite() && options.min_umi >= 0.0) {
        return Err(Error::argument(
            "min_umi",
            format!("{} must be a finite number of at least 0", options.min_umi),
        ));
    }
    let (n_cells, n_genes) = (input.counts.n_cells(), input.counts.n_genes());
    for (name, found, expected) in [
        ("reference.cells", input.cells.len(), n_cells),
        ("reference.genes", input.genes.len(), n_genes),
        (
            "reference.cell_types",
            input.cell_types.codes.len(),
            n_cells,
        ),
    ] {
        if found != expected {
            return Err(Error::argument(
                name,
                format!("{found} values for counts of {n_cells} cells x {n_genes} genes"),
            ));
        }
    }
    if n_cells < 2 || n_genes < 2 {
        return Err(Error::argument(
            "reference.counts",
            format!("{n_cells} cells x {n_genes} genes is too small; at least 2 x 2 is needed"),
        ));
    }
    check_names("reference.cells", &input.cells)?;
    check_names("reference.genes", &input.genes)?;
    if let Some(n_umi) = &input.n_umi {
        check_numbers("reference.n_umi", n_umi, &input.cells)?;
        if n_umi.iter().all(|&n| n < options.min_umi) {
            return Err(Error::argument(
                "reference.n_umi",
                format!("no value reaches min_umi = {}", options.min_umi),
            ));
        }
    }
    for (cell, &code) in input.cell_types.codes.iter().enumerate() {
        if code >= input.cell_types.categories.len() as i32 {
            return Err(Error::argument(
                "reference.cell_types",
                format!(
                    "cell {:?} has the code {code}; there are {} cell types, from 0 on",
                    input.cells[cell],
                    input.cell_types.categories.len()
                ),
            ));
        }
        if code < 0 {
            let missing = input.cell_types.codes.iter().filter(|&&c| c < 0).count();
            return Err(Error::argument(
                "reference.cell_types",
                format!(
                    "cell {:?} has no cell type ({missing} cells have none); every cell needs one",
                    input.cells[cell]
                ),
            ));
        }
    }
    Ok(())
}

/// Labels recoded to the used types in their order, and the names of those.
fn ordered_labels(
    labels: &Categorical,
    options: &ReferenceOptions,
    warnings: &mut Vec<String>,
) -> Result<(Vec<u32>, Vec<String>)> {
    let mut used = vec![false; labels.categories.len()];
    for &code in &labels.codes {
        used[code as usize] = true;
    }
    let (present, unused): (Vec<usize>, Vec<usize>) = (0..used.len()).partition(|&c| used[c]);
    if !unused.is_empty() {
        let names: Vec<&str> = unused
            .iter()
            .map(|&c| labels.categories[c].as_str())
            .collect();
        warnings.push(format!(
            "cell types without any cell are left out: {}",
            name_some(&names, 10)
        ));
    }
    let mut order = present.clone();
    if let Some(wanted) = &options.type_order {
        order.clear();
        for name in wanted {
            match present.iter().find(|&&c| labels.categories[c] == *name) {
                Some(&category) if !order.contains(&category) => order.push(category),
                _ => {
                    return Err(Error::argument(
                        "type_order",
                        format!("{name:?} is not a type of the reference, or is named twice"),
                    ));
                }
            }
        }
        if let Some(&left) = present.iter().find(|c| !order.contains(c)) {
            return Err(Error::argument(
                "type_order",
                format!(
                    "{:?} is missing; every type must be named",
                    labels.categories[left]
                ),
            ));
        }
    }
    let names: Vec<String> = order
        .iter()
        .map(|&c| labels.categories[c].clone())
        .collect();
    check_types(&names)?;
    let mut position = vec![0_u32; used.len()];
    for (new, &old) in order.iter().enumerate() {
        position[old] = new as u32;
    }
    let labels = labels.codes.iter().map(|&c| position[c as usize]).collect();
    Ok((labels, names))
}

/// The label of each cell that may be used; `None` for cells sampled away.
///
/// The low-nUMI filter of cells whose total is not given is applied later, when it is known.
fn choose_cells(
    ctx: &Context,
    input: &mut ReferenceInput<'_>,
    options: &ReferenceOptions,
    labels: Vec<u32>,
    names: &[String],
    warnings: &mut Vec<String>,
) -> Result<Vec<Option<u32>>> {
    let mut cells = vec![0_usize; names.len()];
    for &label in &labels {
        cells[label as usize] += 1;
    }
    if cells.iter().all(|&n| n <= options.n_max_cells) {
        return Ok(labels.into_iter().map(Some).collect());
    }
    if input.n_umi.is_none() {
        input.n_umi = Some(row_sums(ctx, input)?);
    }
    let n_umi = input.n_umi.as_deref().unwrap_or_default();
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (cell, &label) in labels.iter().enumerate() {
        if n_umi[cell] >= options.min_umi {
            members.entry(label).or_default().push(cell);
        }
    }
    let mut chosen = vec![None; labels.len()];
    let mut sampled = Vec::new();
    for (label, cells) in members {
        if cells.len() > options.n_max_cells {
            sampled.push(names[label as usize].as_str());
        }
        let mut stream = rng::stream(ctx.seed(), "reference_cells", u64::from(label));
        for index in stream.sample(cells.len(), options.n_max_cells) {
            chosen[cells[index]] = Some(label);
        }
    }
    if !sampled.is_empty() {
        warnings.push(format!(
            "types sampled down to n_max_cells = {} cells: {}",
            options.n_max_cells,
            name_some(&sampled, 10)
        ));
    }
    Ok(chosen)
}

fn row_sums(ctx: &Context, input: &mut ReferenceInput<'_>) -> Result<Vec<f64>> {
    let n = input.counts.n_cells();
    let mut sums = Vec::with_capacity(n);
    let stage = ctx.stage("reference_totals", n as u64)?;
    let mut block = CountBlock::default();
    for cells in Blocks::new(n, CELLS_PER_BLOCK) {
        input
            .counts
            .read_cells(ctx, cells.clone(), &mut block)
            .map_err(|e| {
                name_value_errors(e, "reference.counts", "cell", &input.cells, &input.genes)
            })?;
        sums.extend((0..block.n_rows()).map(|row| total(block.row(row).1)));
        stage.tick(cells.end as u64)?;
    }
    stage.finish()?;
    Ok(sums)
}

fn total(counts: &[u32]) -> f64 {
    counts.iter().map(|&c| u64::from(c)).sum::<u64>() as f64
}

/// Sums of count / nUMI, genes x types row-major, and the number of cells of each type.
struct RatioSums {
    ratios: Vec<f64>,
    cells: Vec<u64>,
}

fn sum_ratios(
    ctx: &Context,
    input: &mut ReferenceInput<'_>,
    options: &ReferenceOptions,
    labels: &[Option<u32>],
    k: usize,
) -> Result<RatioSums> {
    let (n, g) = (input.counts.n_cells(), input.counts.n_genes());
    let mut sums = RatioSums {
        ratios: vec![0.0; g * k],
        cells: vec![0; k],
    };
    let mut blocks = Blocks::new(n, CELLS_PER_BLOCK);
    let stage = ctx.stage("reference", n as u64)?;
    let (counts, cells, genes) = (&mut input.counts, &input.cells, &input.genes);
    let n_umi = input.n_umi.as_deref();
    ordered(
        ctx,
        Some(&stage),
        || {
            let Some(range) = blocks.next() else {
                return Ok(None);
            };
            let mut block = CountBlock::default();
            counts
                .read_cells(ctx, range, &mut block)
                .map_err(|e| name_value_errors(e, "reference.counts", "cell", cells, genes))?;
            Ok(Some(block))
        },
        || (),
        |(), block: CountBlock| {
            let mut part = RatioSums {
                ratios: vec![0.0; g * k],
                cells: vec![0; k],
            };
            for row in 0..block.n_rows() {
                let cell = block.first_row() + row;
                let (row_genes, row_counts) = block.row(row);
                let Some(label) = labels[cell].map(|l| l as usize) else {
                    continue;
                };
                let total = n_umi.map_or_else(|| total(row_counts), |n| n[cell]);
                if total < options.min_umi || total <= 0.0 {
                    continue;
                }
                part.cells[label] += 1;
                for (&gene, &count) in row_genes.iter().zip(row_counts) {
                    part.ratios[gene as usize * k + label] += f64::from(count) / total;
                }
            }
            Ok((block.n_rows() as u64, part))
        },
        |(rows, part)| {
            for (sum, value) in sums.ratios.iter_mut().zip(&part.ratios) {
                *sum += value;
            }
            for (sum, value) in sums.cells.iter_mut().zip(&part.cells) {
                *sum += value;
            }
            Ok(rows)
        },
    )?;
    stage.finish()?;
    Ok(sums)
}

/// Types that stay, as positions.
fn keep_types(
    cells: &[u64],
    names: &[String],
    options: &ReferenceOptions,
    warnings: &mut Vec<String>,
) -> Result<Vec<usize>> {
    if options.rare_types == RareTypes::Keep {
        return Ok((0..names.len()).collect());
    }
    let (kept, rare): (Vec<usize>, Vec<usize>) =
        (0..names.len()).partition(|&t| cells[t] >= options.cell_min);
    let listed: Vec<String> = rare
        .iter()
        .map(|&t| format!("{} ({} cells)", names[t], cells[t]))
        .collect();
    let listed = listed.join(", ");
    if !rare.is_empty() {
        warnings.push(format!(
            "cell types with fewer than cell_min = {} cells are left out: {listed}",
            options.cell_min
        ));
    }
    if kept.len() < 2 {
        return Err(Error::data(format!(
            "reference: {} of {} cell types have at least cell_min = {} cells, at least 2 are \
             needed; these have fewer: {listed}",
            kept.len(),
            names.len(),
            options.cell_min
        ))
        .with_reason(Reason::TooFewCells {
            cell_types: rare.iter().map(|&t| names[t].clone()).collect(),
        }));
    }
    Ok(kept)
}
