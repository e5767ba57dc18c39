//! Log-probabilities at the knots: the Poisson factor summed against the noise density.
//!
//! For one knot the Poisson factor over the nodes is computed once for all values of sigma, and goes
//! from one count to the next by one multiplication; it starts afresh every [`ROW_BLOCK`] counts, so
//! that rounding stays at a few units in the last place. Nodes where the factor is more than
//! `e^-60` below its mode are left out; which ones they are depends on the count and knot alone. So
//! a value does not depend on which other values were computed with it.
//!
//! Time: about 0.4 ms a knot for 17 values of sigma and 200 counts. Memory: 80 KB a value of sigma.

use pulp::{Arch, Simd, WithSimd, as_arrays};

use super::density::{N_NODES, NoiseDensity, REACH, STEP, node};
use super::likelihood::{LANES, add_lanes};

/// Counts between two fresh starts of the recurrence.
const ROW_BLOCK: usize = 64;
/// How far below its mode the Poisson factor is followed, in natural log units.
const DEPTH: f64 = 60.0;
/// Nodes with room for a last incomplete group of lanes.
const PADDED: usize = N_NODES + LANES;
/// Densities summed in one pass.
const TILE: usize = 4;

/// What all knots share: the densities at the nodes and the windows of the counts.
#[derive(Debug)]
pub(super) struct Quadrature {
    n_rows: usize,
    /// One row of [`PADDED`] values a sigma.
    densities: Vec<Vec<f64>>,
    /// `e^u` at the nodes.
    growth: Vec<f64>,
    /// Window of each count relative to `log(k / x)`, in log units.
    windows: Vec<(f64, f64)>,
}

/// Memory of one worker.
#[derive(Debug)]
pub(super) struct Scratch {
    rates: Vec<f64>,
    poisson: Vec<f64>,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Scratch {
            rates: vec![0.0; PADDED],
            poisson: vec![0.0; PADDED],
        }
    }
}

impl Quadrature {
    /// Quadrature of the counts `0..n_rows` for the values of sigma `keys / 100`.
    pub(super) fn new(keys: &[u32], n_rows: usize) -> Self {
        let densities = keys
            .iter()
            .map(|&key| {
                let density = NoiseDensity::new(f64::from(key) / 100.0);
                let mut row: Vec<f64> = (0..N_NODES).map(|j| density.at(node(j))).collect();
                row.resize(PADDED, 0.0);
                row
            })
            .collect();
        Quadrature {
            n_rows,
            densities,
            growth: (0..N_NODES).map(|j| libm::exp(node(j))).collect(),
            windows: (0..n_rows).map(window).collect(),
        }
    }

    /// `out[key * n_rows + k] = log p(k | x, sigma)` for every key and count.
    pub(super) fn knot(&self, arch: Arch, x: f64, scratch: &mut Scratch, out: &mut [f64]) {
        for (rate, growth) in scratch.rates.iter_mut().zip(&self.growth) {
            *rate = x * growth;
        }
        let log_x = libm::log(x);
        for first in (0..self.n_rows).step_by(ROW_BLOCK) {
            let rows = first..(first + ROW_BLOCK).min(self.n_rows);
            let (start, end) = (
                self.nodes(first, log_x).0,
                self.nodes(rows.end - 1, log_x).1,
            );
            fill_poisson(first, log_x, start..end, scratch);
            let (mut low, mut scale) = (start, STEP);
            for k in rows {
                let (own_low, high) = self.nodes(k, log_x);
                low = low.max(own_low);
                if k > first {
                    scale /= k as f64;
                    let moved = &mut scratch.poisson[low..end];
                    arch.dispatch(Multiply(moved, &scratch.rates[low..end]));
                }
                let high = low + (high - low).next_multiple_of(LANES);
                self.sum(arch, &scratch.poisson[low..high], low, |key, sum| {
                    out[key * self.n_rows + k] = libm::log(sum * scale);
                });
            }
        }
    }

    /// First node of the window of `k`, and the one after its last.
    fn nodes(&self, k: usize, log_x: f64) -> (usize, usize) {
        let centre = if k == 0 { 0.0 } else { libm::log(k as f64) } - log_x;
        let (low, high) = self.windows[k];
        let at = |t: f64| (centre + t) / STEP + REACH as f64;
        let low = at(low).floor().clamp(0.0, (N_NODES - 1) as f64);
        let high = at(high).ceil().clamp(low, (N_NODES - 1) as f64);
        (low as usize, high as usize + 1)
    }

    /// Sums of `poisson` against every density from node `low` on.
    fn sum(&self, arch: Arch, poisson: &[f64], low: usize, mut take: impl FnMut(usize, f64)) {
        let span = low..low + poisson.len();
        let (tiles, rest) = as_arrays::<TILE, _>(&self.densities);
        for (t, tile) in tiles.iter().enumerate() {
            let [a, b, c, d] = tile;
            let sums = arch.dispatch(Dots(
                poisson,
                [
                    &a[span.clone()],
                    &b[span.clone()],
                    &c[span.clone()],
                    &d[span.clone()],
                ],
            ));
            for (i, sum) in sums.into_iter().enumerate() {
                take(t * TILE + i, sum);
            }
        }
        for (i, row) in rest.iter().enumerate() {
            let sum = arch.dispatch(Dot(poisson, &row[span.clone()]));
            take(tiles.len() * TILE + i, sum);
        }
    }
}

/// Window of the count `k` in `t = u - log(k / x)`; for `k = 0`, `t = u + log x`.
///
/// With the rate `k e^t`, the Poisson factor is `k (e^t - 1 - t)` below its mode: the bounds solve
/// `e^t - 1 - t = DEPTH / k` to the left and to the right of zero.
fn window(k: usize) -> (f64, f64) {
    if k == 0 {
        return (f64::NEG_INFINITY, libm::log(DEPTH));
    }
    let wanted = DEPTH / k as f64;
    let solve = |mut inside: f64, mut outside: f64| {
        for _ in 0..50 {
            let middle = 0.5 * (inside + outside);
            if libm::expm1(middle) - middle < wanted {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        outside
    };
    (
        solve(0.0, -(wanted + 1.0)),
        solve(0.0, libm::sqrt(2.0 * wanted)),
    )
}

/// The Poisson probability of `k` at every node of `nodes`; zero in the padding behind.
fn fill_poisson(k: usize, log_x: f64, nodes: std::ops::Range<usize>, scratch: &mut Scratch) {
    let (start, end) = (nodes.start, nodes.end);
    let target = &mut scratch.poisson[start..end];
    if k == 0 {
        for (p, rate) in target.iter_mut().zip(&scratch.rates[start..end]) {
            *p = libm::exp(-rate);
        }
    } else {
        let count = k as f64;
        let centre = libm::log(count) - log_x;
        let at_mode = log_poisson_at_mode(count) + count;
        for ((j, p), rate) in target
            .iter_mut()
            .enumerate()
            .zip(&scratch.rates[start..end])
        {
            let t = node(start + j) - centre;
            *p = libm::exp(at_mode - (rate - count * t));
        }
    }
    scratch.poisson[end..(end + LANES).min(PADDED)].fill(0.0);
}

/// `k log k - k - log k!` by Stirling's series; `k` is at least [`ROW_BLOCK`].
fn log_poisson_at_mode(k: f64) -> f64 {
    let square = 1.0 / (k * k);
    let series = (1.0 / 12.0
        - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0))))
        / k;
    -0.5 * libm::log(std::f64::consts::TAU * k) - series
}

/// Multiplies the first by the second, element by element.
struct Multiply<'a>(&'a mut [f64], &'a [f64]);

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (value, factor) in self.0.iter_mut().zip(self.1) {
            *value *= factor;
        }
    }
}

/// Dot product; lengths are a multiple of [`LANES`].
struct Dot<'a>(&'a [f64], &'a [f64]);

impl WithSimd for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let (a, b) = (
            as_arrays::<LANES, _>(self.0).0,
            as_arrays::<LANES, _>(self.1).0,
        );
        let mut sums = [0.0; LANES];
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                sums[lane] += a[lane] * b[lane];
            }
        }
        add_lanes(sums)
    }
}

/// [`Dot`] of the first with each of the others.
struct Dots<'a>(&'a [f64], [&'a [f64]; TILE]);

impl WithSimd for Dots<'_> {
    type Output = [f64; TILE];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [f64; TILE] {
        let [r0, r1, r2, r3] = self.1;
        let p = as_arrays::<LANES, _>(self.0).0;
        let (r0, r1) = (as_arrays::<LANES, _>(r0).0, as_arrays::<LANES, _>(r1).0);
        let (r2, r3) = (as_arrays::<LANES, _>(r2).0, as_arrays::<LANES, _>(r3).0);
        let (mut s0, mut s1) = ([0.0; LANES], [0.0; LANES]);
        let (mut s2, mut s3) = ([0.0; LANES], [0.0; LANES]);
        for ((((p, r0), r1), r2), r3) in p.iter().zip(r0).zip(r1).zip(r2).zip(r3) {
            for lane in 0..LANES {
                s0[lane] += p[lane] * r0[lane];
                s1[lane] += p[lane] * r1[lane];
                s2[lane] += p[lane] * r2[lane];
                s3[lane] += p[lane] * r3[lane];
            }
        }
        [add_lanes(s0), add_lanes(s1), add_lanes(s2), add_lanes(s3)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, summed over every node.
    fn dense(k: usize, x: f64, sigma: f64) -> f64 {
        let density = NoiseDensity::new(sigma);
        let k = k as f64;
        let sum: f64 = (0..N_NODES)
            .map(|j| {
                let u = node(j);
                let log = -x * libm::exp(u) + k * u + k * libm::log(x) - libm::lgamma(k + 1.0);
                libm::exp(log) * density.at(u)
            })
            .sum();
        libm::log(STEP * sum)
    }

    #[test]
    fn it_agrees_with_the_full_sum() {
        let keys = [10, 55, 100, 200];
        let quadrature = Quadrature::new(&keys, 1003);
        let mut out = vec![0.0; keys.len() * 1003];
        let mut scratch = Scratch::new();
        for x in [1e-4, 0.0173, 1.0, 37.5, 1600.0] {
            quadrature.knot(Arch::new(), x, &mut scratch, &mut out);
            for k in [0, 1, 2, 7, 31, 32, 33, 63, 64, 100, 500, 1002] {
                for (i, &key) in keys.iter().enumerate() {
                    let (got, want) = (out[i * 1003 + k], dense(k, x, f64::from(key) / 100.0));
                    // The full sum itself is off by the rounding of `k log x - log k!`.
                    let allowed = 2e-14 * (10.0 + k as f64);
                    assert!(
                        (got - want).abs() < allowed,
                        "k {k} x {x} key {key}: {got} {want}"
                    );
                }
            }
        }
    }
}
