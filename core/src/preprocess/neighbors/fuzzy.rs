//! Distances to weights: the fuzzy set of every cell, and their union.
//!
//! # Cost
//! 64 steps of bisection for `k` neighbours of each cell. Memory: 32 bytes a neighbour.
//!
//! # Source
//! McInnes, Healy, Melville 2018; constants as umap-learn has them (local connectivity 1, mix 1).

use crate::data::SparseArray;
use crate::data::write::Numbers;

use super::Neighbors;

/// Steps of the bisection.
const STEPS: usize = 64;
/// How close the sum must come.
const TOLERANCE: f64 = 1e-5;
/// Least width, in units of the mean distance.
const MIN_SCALE: f64 = 1e-3;

/// The union of all cells' fuzzy sets.
pub(super) fn connectivities(found: &Neighbors) -> SparseArray {
    let (n, k) = (found.n_cells(), found.k);
    // The cell itself, at distance 0, is among the neighbours of the reference.
    let mean_of_all = found.distances.iter().sum::<f64>() / (n * (k + 1)) as f64;
    let mut weights = Vec::with_capacity(n * k);
    for distances in found.distances.chunks_exact(k) {
        let nearest = distances.iter().copied().find(|&d| d > 0.0).unwrap_or(0.0);
        let width = width(distances, nearest, mean_of_all);
        for &distance in distances {
            let beyond = distance - nearest;
            weights.push(if beyond <= 0.0 || width == 0.0 {
                1.0
            } else {
                libm::exp(-beyond / width)
            });
        }
    }
    union(found, &weights)
}

/// The width with which the weights of a cell add up to the logarithm of their number.
fn width(distances: &[f64], nearest: f64, mean_of_all: f64) -> f64 {
    let k = distances.len() + 1;
    let target = libm::log2(k as f64);
    let (mut low, mut high, mut middle) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..STEPS {
        let sum: f64 = distances
            .iter()
            .map(|d| d - nearest)
            .map(|beyond| {
                if beyond > 0.0 {
                    libm::exp(-beyond / middle)
                } else {
                    1.0
                }
            })
            .sum();
        if (sum - target).abs() < TOLERANCE {
            break;
        }
        if sum > target {
            high = middle;
            middle = (low + high) / 2.0;
        } else {
            low = middle;
            middle = if high.is_infinite() {
                middle * 2.0
            } else {
                (low + high) / 2.0
            };
        }
    }
    let mean = match nearest > 0.0 {
        true => distances.iter().sum::<f64>() / k as f64,
        false => mean_of_all,
    };
    middle.max(MIN_SCALE * mean)
}

/// `a + b - a b` of the weights in both directions.
fn union(found: &Neighbors, weights: &[f64]) -> SparseArray {
    let (n, k) = (found.n_cells(), found.k);
    let mut edges: Vec<Vec<(u32, f64, f64)>> = vec![Vec::new(); n];
    for cell in 0..n {
        let own = cell * k..(cell + 1) * k;
        for (&other, &weight) in found.indices[own.clone()].iter().zip(&weights[own]) {
            edges[cell].push((other, weight, 0.0));
            edges[other as usize].push((cell as u32, 0.0, weight));
        }
    }
    let (mut offsets, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for row in &mut edges {
        row.sort_by_key(|edge| edge.0);
        row.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
                kept.2 += next.2;
            }
            same
        });
        for &(other, there, back) in row.iter() {
            let weight = there + back - there * back;
            if weight != 0.0 {
                indices.push(other);
                values.push(weight as f32);
            }
        }
        offsets.push(indices.len() as u64);
    }
    SparseArray {
        offsets,
        indices,
        values: Numbers::F32(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_symmetric_and_the_nearest_has_one() {
        let found = Neighbors {
            k: 2,
            indices: vec![1, 2, 0, 2, 1, 0],
            distances: vec![1.0, 3.0, 1.0, 2.0, 2.0, 3.0],
        };
        let matrix = connectivities(&found);
        let Numbers::F32(values) = &matrix.values else {
            panic!("single precision");
        };
        assert_eq!(matrix.offsets, [0, 2, 4, 6]);
        assert_eq!(matrix.indices, [1, 2, 0, 2, 0, 1]);
        assert_eq!(values[0], 1.0);
        assert_eq!(
            (values[0], values[1], values[3]),
            (values[2], values[4], values[5])
        );
    }

    #[test]
    fn weights_of_a_cell_add_up_to_the_logarithm() {
        let distances = [1.0, 1.5, 2.0, 2.5, 3.0];
        let width = width(&distances, 1.0, 1.0);
        let sum: f64 = distances.iter().map(|d| (-(d - 1.0) / width).exp()).sum();
        assert!((sum - 6.0_f64.log2()).abs() < 1e-4);
    }
}
