//! A tissue with known truth: layered cortex on an arc, ten cell types, and a reference for them.
//!
//! Model, in the order of drawing: every gene has a base expression; every type multiplies some of
//! them (its markers, and those it shares with its family); the two technologies differ by a
//! factor for each gene (`platform_effect`); cells and pixels have their own depth; a pixel holds
//! one type or two; its counts are Poisson with log-normal noise. Every draw is a function of the
//! seed, a purpose and an index, so one seed gives one tissue.
//!
//! Memory: profiles (genes x types) and the counts themselves. Time: one draw a count.

use cytosol::data::matrix::Csr;
use cytosol::par::rng::{Stream, stream};

/// Cell types of the simulated cortex.
pub const CELL_TYPES: [&str; 10] = [
    "Astrocyte",
    "Endothelial",
    "Interneuron",
    "L2 neuron",
    "L4 neuron",
    "L5 neuron",
    "L6 neuron",
    "Meningeal",
    "Microglia",
    "Oligodendrocyte",
];

/// Types that share markers with each other.
const NEURONS: [usize; 5] = [2, 3, 4, 5, 6];

/// Layers from the surface inwards: type, where it begins, where it ends (share of the depth).
const LAYERS: [(usize, f64, f64); 6] = [
    (7, 0.00, 0.07),
    (3, 0.07, 0.30),
    (4, 0.30, 0.46),
    (5, 0.46, 0.66),
    (6, 0.66, 0.84),
    (9, 0.84, 1.00),
];

/// How large the simulation is.
#[derive(Debug, Clone, PartialEq)]
pub struct Size {
    /// Rows of pixels, from the surface to the white matter.
    pub n_rows: usize,
    /// Pixels in a row.
    pub n_columns: usize,
    /// Genes.
    pub n_genes: usize,
    /// Reference cells of each type.
    pub cells_per_type: usize,
}

impl Default for Size {
    fn default() -> Self {
        Size {
            n_rows: 24,
            n_columns: 50,
            n_genes: 800,
            cells_per_type: 60,
        }
    }
}

/// What one pixel truly holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Content {
    /// Its main type.
    pub first: usize,
    /// Its other type, in doublets.
    pub second: Option<usize>,
    /// Share of the first type: 1 in singlets, at least 0.5 in doublets.
    pub share: f64,
}

/// The simulated tissue and its reference.
#[derive(Debug, Clone)]
pub struct Tissue {
    /// Gene names.
    pub genes: Vec<String>,
    /// Reference counts, cells x genes.
    pub reference: Csr,
    /// Type of each reference cell.
    pub cell_types: Vec<usize>,
    /// Spatial counts, pixels x genes.
    pub spatial: Csr,
    /// Place of each pixel, micrometres.
    pub coords: Vec<[f64; 2]>,
    /// Truth of each pixel.
    pub truth: Vec<Content>,
}

/// Simulates a tissue.
pub fn simulate(seed: u64, size: &Size) -> Tissue {
    let profiles = profiles(seed, size.n_genes);
    let n_cells = size.cells_per_type * CELL_TYPES.len();
    let cell_types: Vec<usize> = (0..n_cells).map(|c| c % CELL_TYPES.len()).collect();
    let reference = sparse(
        size.n_genes,
        (0..n_cells).map(|cell| {
            let mut draws = stream(seed, "demo reference", cell as u64);
            let depth = log_normal(&mut draws, 2500.0, 0.35);
            let profile = &profiles[cell_types[cell]];
            let rate = |gene: usize| depth * profile[gene];
            noisy_counts(&mut draws, size.n_genes, 0.25, rate)
        }),
    );
    let platform: Vec<f64> = (0..size.n_genes)
        .map(|g| log_normal(&mut stream(seed, "demo platform", g as u64), 1.0, 0.5))
        .collect();
    let n_pixels = size.n_rows * size.n_columns;
    let places: Vec<Place> = (0..n_pixels).map(|p| place(p, size)).collect();
    let truth: Vec<Content> = (0..n_pixels)
        .map(|p| content(&mut stream(seed, "demo content", p as u64), &places[p]))
        .collect();
    let spatial = sparse(
        size.n_genes,
        (0..n_pixels).map(|pixel| {
            let mut draws = stream(seed, "demo pixel", pixel as u64);
            let depth = log_normal(&mut draws, 1000.0, 0.45);
            let Content {
                first,
                second,
                share,
            } = truth[pixel];
            let rate = |gene: usize| {
                let other = second.map_or(0.0, |s| (1.0 - share) * profiles[s][gene]);
                depth * platform[gene] * (share * profiles[first][gene] + other)
            };
            noisy_counts(&mut draws, size.n_genes, 0.3, rate)
        }),
    );
    Tissue {
        genes: (1..=size.n_genes).map(|g| format!("Gene{g:04}")).collect(),
        reference,
        cell_types,
        spatial,
        coords: places.iter().map(|p| p.coord).collect(),
        truth,
    }
}

/// Dense rows as a sparse matrix.
fn sparse(n_genes: usize, rows: impl Iterator<Item = Vec<u32>>) -> Csr {
    let mut counts = Csr::new(n_genes);
    for row in rows {
        for (gene, count) in row.into_iter().enumerate() {
            counts.push(gene as u32, count);
        }
        counts.end_cell();
    }
    counts
}

/// Mean expression of every gene in every type; each type sums to one.
fn profiles(seed: u64, n_genes: usize) -> Vec<Vec<f64>> {
    let base: Vec<f64> = (0..n_genes)
        .map(|g| log_normal(&mut stream(seed, "demo gene", g as u64), 1.0, 1.0))
        .collect();
    (0..CELL_TYPES.len())
        .map(|cell_type| {
            let mut profile: Vec<f64> = (0..n_genes)
                .map(|g| base[g] * fold_change(seed, g, cell_type))
                .collect();
            let total: f64 = profile.iter().sum();
            profile.iter_mut().for_each(|value| *value /= total);
            profile
        })
        .collect()
}

/// By how much a type differs from the base expression of a gene. Of every 25 genes ten mark one
/// type each, two mark all neurons, and the others wobble a little.
fn fold_change(seed: u64, gene: usize, cell_type: usize) -> f64 {
    let item = (gene * CELL_TYPES.len() + cell_type) as u64;
    let mut draws = stream(seed, "demo fold change", item);
    let wobble = log_normal(&mut draws, 1.0, 0.15);
    let role = gene % 25;
    let marks = role == cell_type || (role / 2 == 5 && NEURONS.contains(&cell_type));
    if marks {
        wobble * log_normal(&mut draws, 4.0, 0.4)
    } else {
        wobble
    }
}

struct Place {
    coord: [f64; 2],
    depth: f64,
    angle: f64,
}

/// Pixels stand in rows along an arc, every other row shifted by half a step.
fn place(pixel: usize, size: &Size) -> Place {
    let (row, column) = (pixel / size.n_columns, pixel % size.n_columns);
    let depth = (row as f64 + 0.5) / size.n_rows as f64;
    let shift = if row % 2 == 0 { 0.25 } else { 0.75 };
    let along = (column as f64 + shift) / size.n_columns as f64;
    let angle = (150.0 - 120.0 * along).to_radians();
    let radius = 2600.0 - 1000.0 * depth;
    Place {
        coord: [radius * angle.cos(), radius * angle.sin()],
        depth,
        angle,
    }
}

/// One type or two, drawn from what lives at this place.
fn content(draws: &mut Stream, place: &Place) -> Content {
    let mut weights = local_mixture(place);
    let first = pick(draws, &weights);
    if draws.uniform() < 0.65 {
        return Content {
            first,
            second: None,
            share: 1.0,
        };
    }
    weights[first] = 0.0;
    // Any neighbour may be the other one, the rare types too.
    weights.iter_mut().for_each(|w| *w += 0.03);
    weights[first] = 0.0;
    Content {
        first,
        second: Some(pick(draws, &weights)),
        share: 0.5 + 0.3 * draws.uniform(),
    }
}

/// How common each type is at a place: its layer, and types scattered over all layers.
fn local_mixture(place: &Place) -> [f64; CELL_TYPES.len()] {
    let mut weights = [0.0; CELL_TYPES.len()];
    // The borders of the layers are wavy.
    let depth = place.depth + 0.02 * (9.0 * place.angle).sin();
    for (cell_type, from, to) in LAYERS {
        let outside = (from - depth).max(depth - to).max(0.0);
        weights[cell_type] = (-outside / 0.015).exp();
    }
    let grey_matter = f64::from(u8::from((0.07..0.84).contains(&depth)));
    weights[0] = 0.12;
    weights[2] = 0.10 * grey_matter;
    weights[8] = 0.06;
    // Vessels run inwards.
    let vessel = (12.0 * place.angle).sin().powi(16);
    weights[1] = 0.02 + 1.2 * vessel;
    weights
}

fn pick(draws: &mut Stream, weights: &[f64]) -> usize {
    let mut left = draws.uniform() * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return index;
        }
    }
    weights.len() - 1
}

fn log_normal(draws: &mut Stream, median: f64, spread: f64) -> f64 {
    median * (spread * draws.normal()).exp()
}

fn noisy_counts(
    draws: &mut Stream,
    n_genes: usize,
    noise: f64,
    rate: impl Fn(usize) -> f64,
) -> Vec<u32> {
    (0..n_genes)
        .map(|gene| {
            let mean = log_normal(draws, rate(gene), noise);
            poisson(draws, mean)
        })
        .collect()
}

/// A Poisson number as the sum of Poisson numbers with means of at most 16, each counted by
/// multiplying uniforms until they fall below `exp(-mean)` (Knuth).
fn poisson(draws: &mut Stream, mean: f64) -> u32 {
    let parts = (mean / 16.0).ceil().max(1.0);
    let limit = (-mean / parts).exp();
    let mut count = 0;
    for _ in 0..parts as u64 {
        let mut product = draws.uniform();
        while product > limit {
            count += 1;
            product *= draws.uniform();
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_numbers_have_their_mean_and_variance() {
        for mean in [0.2, 3.0, 40.0] {
            let mut draws = stream(5, "test", 0);
            let numbers: Vec<f64> = (0..20_000)
                .map(|_| f64::from(poisson(&mut draws, mean)))
                .collect();
            let average = numbers.iter().sum::<f64>() / 20_000.0;
            let variance = numbers.iter().map(|n| (n - average).powi(2)).sum::<f64>() / 20_000.0;
            assert!((average / mean - 1.0).abs() < 0.05, "{mean}: {average}");
            assert!((variance / mean - 1.0).abs() < 0.05, "{mean}: {variance}");
        }
    }

    #[test]
    fn one_seed_gives_one_tissue() {
        let size = Size {
            n_rows: 4,
            n_columns: 5,
            n_genes: 60,
            cells_per_type: 3,
        };
        let (a, b) = (simulate(3, &size), simulate(3, &size));
        assert_eq!(a.spatial, b.spatial);
        assert_eq!(a.reference, b.reference);
        assert_ne!(a.spatial, simulate(4, &size).spatial);
    }

    #[test]
    fn the_default_tissue_has_the_promised_size_and_both_kinds_of_pixels() {
        let tissue = simulate(1, &Size::default());
        assert_eq!(tissue.truth.len(), 1200);
        assert_eq!(tissue.spatial.offsets().len(), 1201);
        let doublets = tissue.truth.iter().filter(|t| t.second.is_some()).count();
        assert!((300..540).contains(&doublets), "{doublets} doublets");
        for (cell_type, name) in CELL_TYPES.iter().enumerate() {
            let n = tissue.truth.iter().filter(|t| t.first == cell_type).count();
            assert!(n >= 15, "{n} pixels of {name}");
        }
        assert!(tissue.truth.iter().all(|t| t.second != Some(t.first)));
    }
}
