//! Nearest neighbours of every cell, exact, and the weights that UMAP and clustering use.
//!
//! Distances are Euclidean, over all pairs. Products of blocks of cells sort out candidates; the
//! nearest are compared again by their differences, so that equal cells have distance 0 and ties fall to
//! the lower number.
//!
//! # Cost
//! `n^2 d` multiplications for `n` cells of `d` coordinates. Memory: the coordinates and
//! `16 n k` bytes.
//!
//! # Source
//! scanpy 1.11.5, `pp.neighbors` with exact search: a cell is its own first neighbour and is not
//! stored. Weights: McInnes et al. 2018 as umap-learn has them.

mod fuzzy;

use crate::context::Context;
use crate::data::SparseArray;
use crate::data::write::Numbers;
use crate::error::{Error, Result};
use crate::linalg::dense::products;
use crate::par::{Blocks, ordered};

/// Cells whose neighbours are one task.
const QUERIES: usize = 128;
/// Cells they are compared with at a time.
const OTHERS: usize = 2048;
/// Candidates beyond the neighbours asked for.
const SPARE: usize = 8;

/// Nearest neighbours of all cells, each row ordered by distance, then number.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbors {
    /// Neighbours a cell, without itself.
    pub k: usize,
    /// `n x k`.
    pub indices: Vec<u32>,
    /// `n x k`, Euclidean.
    pub distances: Vec<f64>,
}

/// The `n_neighbors - 1` nearest other cells of every cell (a cell counts as its own first neighbour).
///
/// # Shapes
/// `coordinates`: cells x `d`, row-major.
///
/// # Errors
/// `InvalidArgument` unless `n_neighbors` is 2 to the number of cells; `InvalidData` for coordinates that
/// are not finite; `Cancelled`.
///
/// ```
/// let ctx = cytosol::Context::single_threaded()?;
/// let line = [0.0, 1.0, 3.0, 7.0];
/// let found = cytosol::preprocess::neighbors(&ctx, &line, 1, 2)?;
/// assert_eq!(found.indices, [1, 0, 1, 2]);
/// assert_eq!(found.distances, [1.0, 1.0, 2.0, 4.0]);
/// # Ok::<(), cytosol::Error>(())
/// ```
pub fn neighbors(
    ctx: &Context,
    coordinates: &[f64],
    d: usize,
    n_neighbors: usize,
) -> Result<Neighbors> {
    let n = coordinates.len().checked_div(d).unwrap_or(0);
    if d == 0 || coordinates.len() % d != 0 {
        return Err(Error::argument(
            "coordinates",
            format!("{} values are not whole rows of {d}", coordinates.len()),
        ));
    }
    if n_neighbors < 2 || n_neighbors > n {
        return Err(Error::argument(
            "n_neighbors",
            format!("{n_neighbors} must be 2 to {n}, the number of cells"),
        ));
    }
    if let Some(at) = coordinates.iter().position(|v| !v.is_finite()) {
        return Err(Error::data(format!(
            "coordinates[cell {}, {}]: {} is not a finite number",
            at / d,
            at % d,
            coordinates[at]
        )));
    }
    let k = n_neighbors - 1;
    let norms: Vec<f64> = coordinates
        .chunks_exact(d)
        .map(|row| row.iter().map(|v| v * v).sum())
        .collect();
    let search = Search {
        coordinates,
        norms: &norms,
        d,
        k,
    };
    let stage = ctx.stage("neighbors", n as u64)?;
    let mut result = Neighbors {
        k,
        indices: Vec::with_capacity(n * k),
        distances: Vec::with_capacity(n * k),
    };
    let mut blocks = Blocks::new(n, QUERIES);
    ordered(
        ctx,
        Some(&stage),
        || Ok(blocks.next()),
        || vec![0.0; QUERIES * OTHERS],
        |scratch, cells| search.nearest(ctx, cells, scratch),
        |found: Vec<(u32, f64)>| {
            let n_cells = found.len() / k;
            for (index, distance) in found {
                result.indices.push(index);
                result.distances.push(distance);
            }
            Ok(n_cells as u64)
        },
    )?;
    stage.finish()?;
    Ok(result)
}

struct Search<'a> {
    coordinates: &'a [f64],
    norms: &'a [f64],
    d: usize,
    k: usize,
}

impl Search<'_> {
    fn row(&self, cell: usize) -> &[f64] {
        &self.coordinates[cell * self.d..(cell + 1) * self.d]
    }

    /// Neighbours of some cells, one after another.
    fn nearest(
        &self,
        ctx: &Context,
        cells: std::ops::Range<usize>,
        scratch: &mut [f64],
    ) -> Result<Vec<(u32, f64)>> {
        let n = self.norms.len();
        let wanted = self.k + SPARE;
        let mut best: Vec<Vec<(f64, u32)>> = vec![Vec::with_capacity(2 * wanted); cells.len()];
        let mut limits = vec![f64::INFINITY; cells.len()];
        let own = &self.coordinates[cells.start * self.d..cells.end * self.d];
        for others in Blocks::new(n, OTHERS) {
            ctx.check_cancelled()?;
            let theirs = &self.coordinates[others.start * self.d..others.end * self.d];
            let out = &mut scratch[..cells.len() * others.len()];
            products(own, theirs, self.d, out);
            for (i, row) in out.chunks_exact(others.len()).enumerate() {
                let norm = self.norms[cells.start + i];
                for (j, &product) in row.iter().enumerate() {
                    let other = others.start + j;
                    let distance = norm + self.norms[other] - 2.0 * product;
                    if distance < limits[i] && other != cells.start + i {
                        best[i].push((distance, other as u32));
                        if best[i].len() == 2 * wanted {
                            limits[i] = shorten(&mut best[i], wanted);
                        }
                    }
                }
            }
        }
        let mut found = Vec::with_capacity(cells.len() * self.k);
        for (cell, candidates) in cells.zip(&mut best) {
            shorten(candidates, wanted);
            let mut exact: Vec<(f64, u32)> = candidates
                .iter()
                .map(|&(_, other)| (self.distance(cell, other as usize), other))
                .collect();
            exact.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            found.extend(
                exact
                    .iter()
                    .take(self.k)
                    .map(|&(d, other)| (other, d.sqrt())),
            );
        }
        Ok(found)
    }

    fn distance(&self, a: usize, b: usize) -> f64 {
        let pairs = self.row(a).iter().zip(self.row(b));
        pairs.map(|(x, y)| (x - y) * (x - y)).sum()
    }
}

/// Keeps the `n` nearest; the distance of the last.
fn shorten(candidates: &mut Vec<(f64, u32)>, n: usize) -> f64 {
    if candidates.len() > n {
        let order = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        candidates.select_nth_unstable_by(n - 1, order);
        candidates.truncate(n);
    }
    candidates.iter().fold(f64::NEG_INFINITY, |m, c| m.max(c.0))
}

impl Neighbors {
    /// Number of cells.
    pub fn n_cells(&self) -> usize {
        self.indices.len() / self.k.max(1)
    }

    /// The distances as a matrix of cells x cells, `k` entries a row.
    pub fn distance_matrix(&self) -> SparseArray {
        let mut matrix = SparseArray {
            offsets: vec![0],
            indices: Vec::with_capacity(self.indices.len()),
            values: Numbers::F64(Vec::new()),
        };
        let mut values = Vec::with_capacity(self.indices.len());
        let rows = self.indices.chunks_exact(self.k);
        for (indices, distances) in rows.zip(self.distances.chunks_exact(self.k)) {
            let mut row: Vec<(u32, f64)> = indices
                .iter()
                .copied()
                .zip(distances.iter().copied())
                .collect();
            row.sort_by_key(|entry| entry.0);
            for (index, distance) in row {
                matrix.indices.push(index);
                values.push(distance);
            }
            matrix.offsets.push(matrix.indices.len() as u64);
        }
        matrix.values = Numbers::F64(values);
        matrix
    }

    /// UMAP's weights: a symmetric matrix of cells x cells, in single precision.
    pub fn connectivities(&self) -> SparseArray {
        fuzzy::connectivities(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;

    #[test]
    fn neighbours_agree_with_a_full_sort_for_any_threads() {
        let (n, d) = (300, 3);
        let points: Vec<f64> = (0..n * d).map(|i| ((i * 7919) % 23) as f64).collect();
        let run = |threads| {
            let ctx = Context::new(&ContextOptions {
                threads,
                ..ContextOptions::default()
            })
            .expect("pool");
            neighbors(&ctx, &points, d, 6).expect("found")
        };
        let got = run(1);
        assert_eq!(run(3), got);
        for cell in 0..n {
            let mut all: Vec<(f64, usize)> = (0..n)
                .filter(|&other| other != cell)
                .map(|other| {
                    let squares = (0..d).map(|j| points[cell * d + j] - points[other * d + j]);
                    (squares.map(|v| v * v).sum(), other)
                })
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            for (j, (squares, _)) in all.iter().take(5).enumerate() {
                assert_eq!(got.distances[cell * 5 + j], squares.sqrt());
            }
        }
    }

    #[test]
    fn arguments_are_checked() {
        let ctx = Context::single_threaded().expect("pool");
        assert!(neighbors(&ctx, &[0.0, 1.0], 1, 1).is_err());
        assert!(neighbors(&ctx, &[0.0, 1.0], 1, 3).is_err());
        assert!(neighbors(&ctx, &[0.0, f64::NAN], 1, 2).is_err());
        assert!(neighbors(&ctx, &[0.0, 1.0, 2.0], 2, 2).is_err());
    }
}
