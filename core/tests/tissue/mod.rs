//! A small simulated tissue and reference with known truth, drawn from RCTD's own model.

// Every test file uses a part of it.
#![allow(dead_code)]

use cytosol::data::matrix::Csr;
use cytosol::data::{Categorical, CellBlocks};
use cytosol::par::rng::{Stream, stream};
use cytosol::rctd::{ReferenceInput, SpatialInput};

/// What is simulated.
#[derive(Clone, Copy)]
pub struct Plan {
    pub genes: usize,
    pub types: usize,
    pub pixels: usize,
    pub cells_per_type: usize,
    pub sigma: f64,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            genes: 120,
            types: 5,
            pixels: 90,
            cells_per_type: 30,
            sigma: 0.8,
        }
    }
}

/// A tissue: counts of cells and pixels, and what is in every pixel.
pub struct Tissue {
    pub plan: Plan,
    cells: Csr,
    pixels: Csr,
    /// Weights of every pixel, pixels x types, summing to 1.
    pub truth: Vec<f64>,
}

impl Tissue {
    pub fn simulate(plan: Plan) -> Self {
        let profiles = profiles(plan);
        let mut cells = Csr::new(plan.genes);
        for cell in 0..plan.types * plan.cells_per_type {
            let numbers = &mut stream(11, "cell", cell as u64);
            let depth = 1500.0 * (0.4 * numbers.normal()).exp();
            for (gene, row) in profiles.chunks_exact(plan.types).enumerate() {
                let mean = depth * row[cell / plan.cells_per_type];
                cells.push(gene as u32, poisson(numbers, mean));
            }
            cells.end_cell();
        }
        let effects: Vec<f64> = (0..plan.genes)
            .map(|gene| (0.4 * stream(11, "platform", gene as u64).normal()).exp())
            .collect();
        let mut pixels = Csr::new(plan.genes);
        let mut truth = Vec::new();
        for pixel in 0..plan.pixels {
            let numbers = &mut stream(11, "pixel", pixel as u64);
            let weights = mixture(plan, pixel, numbers);
            let depth = 600.0 * (0.5 * numbers.normal()).exp();
            for (gene, row) in profiles.chunks_exact(plan.types).enumerate() {
                let mean: f64 = row.iter().zip(&weights).map(|(p, w)| p * w).sum();
                let noise = (plan.sigma * numbers.normal()).exp();
                pixels.push(
                    gene as u32,
                    poisson(numbers, depth * effects[gene] * mean * noise),
                );
            }
            pixels.end_cell();
            truth.extend(weights);
        }
        Tissue {
            plan,
            cells,
            pixels,
            truth,
        }
    }

    pub fn genes(&self) -> Vec<String> {
        (0..self.plan.genes).map(|g| format!("Gene{g}")).collect()
    }

    pub fn reference(&self) -> ReferenceInput<'static> {
        let n = self.cells.n_cells();
        ReferenceInput {
            counts: Box::new(self.cells.clone()),
            cells: (0..n).map(|c| format!("cell{c}")).collect(),
            genes: self.genes(),
            cell_types: Categorical {
                codes: (0..n)
                    .map(|c| (c / self.plan.cells_per_type) as i32)
                    .collect(),
                categories: (0..self.plan.types).map(|t| format!("Type{t}")).collect(),
                ordered: false,
            },
            n_umi: None,
        }
    }

    pub fn spatial(&self) -> SpatialInput<'static> {
        self.spatial_of(Box::new(self.pixels.clone()))
    }

    /// The same pixels with other storage.
    pub fn spatial_of<'a>(&self, counts: Box<dyn CellBlocks + 'a>) -> SpatialInput<'a> {
        SpatialInput {
            counts,
            pixels: (0..self.plan.pixels).map(|p| format!("pixel{p}")).collect(),
            genes: self.genes(),
            coords: None,
            n_umi: None,
        }
    }
}

/// Each type has its own marker genes, 10 times above the rest; genes x types, columns sum to 1.
fn profiles(plan: Plan) -> Vec<f64> {
    let mut values = Vec::with_capacity(plan.genes * plan.types);
    for gene in 0..plan.genes {
        let base = (0.7 * stream(11, "gene", gene as u64).normal()).exp();
        values.extend((0..plan.types).map(|t| {
            if gene % (plan.types + 1) == t {
                10.0 * base
            } else {
                base
            }
        }));
    }
    for t in 0..plan.types {
        let total: f64 = values.iter().skip(t).step_by(plan.types).sum();
        values
            .iter_mut()
            .skip(t)
            .step_by(plan.types)
            .for_each(|v| *v /= total);
    }
    values
}

/// Every third pixel holds two types, the others one.
fn mixture(plan: Plan, pixel: usize, numbers: &mut Stream) -> Vec<f64> {
    let mut weights = vec![0.0; plan.types];
    let first = numbers.below(plan.types as u64) as usize;
    weights[first] = 1.0;
    if pixel % 3 == 0 {
        let second = (first + 1 + numbers.below(plan.types as u64 - 1) as usize) % plan.types;
        let share = 0.35 + 0.3 * numbers.uniform();
        weights[first] = share;
        weights[second] = 1.0 - share;
    }
    weights
}

/// A Poisson draw by counting exponential waiting times.
pub fn poisson(numbers: &mut Stream, mean: f64) -> u32 {
    let (mut waited, mut count) = (-numbers.uniform().ln(), 0);
    while waited < mean {
        waited -= numbers.uniform().ln();
        count += 1;
    }
    count
}
