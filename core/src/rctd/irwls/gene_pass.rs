//! The loops over genes: prediction, derivatives of the likelihood, gradient and Hessian.
//!
//! Genes go in blocks that stay in the first cache level; sums have a fixed number of lanes and one
//! order, and multiply-adds are fused on every processor, so the bits do not depend on its vector
//! width. Each function is compiled for the vector units it is dispatched to; where a processor has
//! no fused multiply-add, it is computed by the C library, slowly and to the same bits.

use std::ops::Range;

use pulp::{Simd, WithSimd, as_arrays};

use super::design::Design;
use crate::stats::poisson_lognormal::likelihood::{
    LANES, add_lanes, cell_key, clamp_lambda, derivatives, locate, value,
};
use crate::stats::poisson_lognormal::table::Record;

/// Genes of a block.
pub(super) const BLOCK: usize = 64;
/// Partial sums of the general pass.
const QUAD: usize = 4;
/// Rows and columns of the Hessian computed together.
const TILE_ROWS: usize = 4;
const TILE_COLUMNS: usize = 2;

/// First and second derivatives of the log-likelihood for blocks of genes.
pub(super) trait Derivatives {
    /// Fills `first` and `second` from the predictions of the genes from `start` on. The
    /// predictions are not below the floor; they may be changed.
    fn block(&self, start: usize, lambda: &mut [f64], first: &mut [f64], second: &mut [f64]);
}

/// Derivatives by the tabulated likelihood.
#[derive(Clone, Copy)]
pub(super) struct Tabulated<'a> {
    pub(super) records: &'a [Record],
    /// Where the row of each gene's count begins.
    pub(super) rows: &'a [u32],
}

impl Derivatives for Tabulated<'_> {
    #[inline(always)]
    fn block(&self, start: usize, lambda: &mut [f64], first: &mut [f64], second: &mut [f64]) {
        let n = lambda.len();
        let rows = &self.rows[start..start + n];
        let (first, second) = (&mut first[..n], &mut second[..n]);
        let mut keys = [0_u16; BLOCK];
        for (key, lambda) in keys.iter_mut().zip(lambda.iter_mut()) {
            *lambda = clamp_lambda(*lambda);
            *key = cell_key(*lambda);
        }
        for g in 0..n {
            let (cell, s) = locate(keys[g], lambda[g]);
            let record = &self.records[rows[g] as usize + cell];
            (first[g], second[g]) = derivatives(record, s);
        }
    }
}

/// Derivatives of the squared log-ratio of prediction and count, for bulk data.
#[derive(Clone, Copy)]
pub(super) struct LogRatio<'a> {
    /// Natural logs of the counts, padded.
    pub(super) log_counts: &'a [f64],
}

impl Derivatives for LogRatio<'_> {
    #[inline(always)]
    fn block(&self, start: usize, lambda: &mut [f64], first: &mut [f64], second: &mut [f64]) {
        for (g, &p) in lambda.iter().enumerate() {
            let ratio = libm::log(p) - self.log_counts[start + g];
            first[g] = -2.0 * ratio / p;
            second[g] = -2.0 * (1.0 - ratio) / (p * p);
        }
    }
}

#[inline(always)]
fn at_least(value: f64, floor: f64) -> f64 {
    if value < floor { floor } else { value }
}

/// Sums over genes for one type: `[sum d1 P, sum d2 P P]`.
pub(super) struct One<'a, D> {
    pub(super) column: &'a [f64],
    pub(super) scale: f64,
    pub(super) floor: f64,
    pub(super) by: D,
}

impl<D: Derivatives> WithSimd for One<'_, D> {
    type Output = [f64; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [f64; 2] {
        let (mut slope, mut bend) = ([0.0; LANES], [0.0; LANES]);
        let (mut lambda, mut first, mut second) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
        for (b, column) in self.column.chunks(BLOCK).enumerate() {
            let lambda = &mut lambda[..column.len()];
            for (target, p) in lambda.iter_mut().zip(column) {
                *target = at_least((self.scale * p).abs(), self.floor);
            }
            self.by.block(b * BLOCK, lambda, &mut first, &mut second);
            let (column, _) = as_arrays::<LANES, _>(column);
            let (first, second) = (as_lanes(&first), as_lanes(&second));
            for ((p, d1), d2) in column.iter().zip(first).zip(second) {
                for lane in 0..LANES {
                    slope[lane] = d1[lane].mul_add(p[lane], slope[lane]);
                    bend[lane] = (d2[lane] * p[lane]).mul_add(p[lane], bend[lane]);
                }
            }
        }
        [add_lanes(slope), add_lanes(bend)]
    }
}

/// Sums over genes for two types:
/// `[sum d1 P0, sum d1 P1, sum d2 P0 P0, sum d2 P0 P1, sum d2 P1 P1]`.
pub(super) struct Pair<'a, D> {
    pub(super) columns: [&'a [f64]; 2],
    pub(super) scale: [f64; 2],
    pub(super) floor: f64,
    pub(super) by: D,
}

impl<D: Derivatives> WithSimd for Pair<'_, D> {
    type Output = [f64; 5];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [f64; 5] {
        let mut sums = [[0.0; LANES]; 5];
        let (mut lambda, mut first, mut second) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
        let [scale0, scale1] = self.scale;
        let blocks = self.columns[0]
            .chunks(BLOCK)
            .zip(self.columns[1].chunks(BLOCK));
        for (b, (p0, p1)) in blocks.enumerate() {
            let lambda = &mut lambda[..p0.len()];
            for ((target, p0), p1) in lambda.iter_mut().zip(p0).zip(p1) {
                *target = at_least(scale1.mul_add(*p1, scale0 * p0).abs(), self.floor);
            }
            self.by.block(b * BLOCK, lambda, &mut first, &mut second);
            let (p0, p1) = (as_arrays::<LANES, _>(p0).0, as_arrays::<LANES, _>(p1).0);
            let (first, second) = (as_lanes(&first), as_lanes(&second));
            for (((p0, p1), d1), d2) in p0.iter().zip(p1).zip(first).zip(second) {
                for lane in 0..LANES {
                    let (x, y) = (p0[lane], p1[lane]);
                    let (wx, wy) = (d2[lane] * x, d2[lane] * y);
                    sums[0][lane] = d1[lane].mul_add(x, sums[0][lane]);
                    sums[1][lane] = d1[lane].mul_add(y, sums[1][lane]);
                    sums[2][lane] = wx.mul_add(x, sums[2][lane]);
                    sums[3][lane] = wx.mul_add(y, sums[3][lane]);
                    sums[4][lane] = wy.mul_add(y, sums[4][lane]);
                }
            }
        }
        let [a, b, c, d, e] = sums;
        [
            add_lanes(a),
            add_lanes(b),
            add_lanes(c),
            add_lanes(d),
            add_lanes(e),
        ]
    }
}

#[inline(always)]
fn as_lanes(values: &[f64; BLOCK]) -> &[[f64; LANES]] {
    as_arrays::<LANES, _>(values).0
}

/// `-sum log p` over the genes, with the prediction `sum_k scale[k] P_k`.
pub(super) struct Score<'a> {
    pub(super) design: &'a Design,
    pub(super) types: &'a [u32],
    pub(super) scale: &'a [f64],
    pub(super) by: Tabulated<'a>,
}

impl WithSimd for Score<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut sums = [0.0; LANES];
        let (mut lambda, mut keys) = ([0.0; BLOCK], [0_u16; BLOCK]);
        let n_genes = self.design.n_genes();
        for start in (0..n_genes).step_by(BLOCK) {
            let end = (start + BLOCK).min(n_genes);
            let lambda = &mut lambda[..end - start];
            predict(self.design, self.types, self.scale, start, lambda);
            for (key, lambda) in keys.iter_mut().zip(lambda.iter_mut()) {
                *lambda = clamp_lambda(*lambda);
                *key = cell_key(*lambda);
            }
            let rows = &self.by.rows[start..end];
            for (g, &lambda) in lambda.iter().enumerate() {
                let (cell, s) = locate(keys[g], lambda);
                // Blocks begin at multiples of the lanes.
                sums[g % LANES] += value(&self.by.records[rows[g] as usize + cell], s);
            }
        }
        -add_lanes(sums)
    }
}

/// `sum_k scale[k] P_k` of the genes from `start` on.
#[inline(always)]
fn predict(design: &Design, types: &[u32], scale: &[f64], start: usize, lambda: &mut [f64]) {
    let (n, types) = (lambda.len(), &types[..scale.len()]);
    let column = |k: u32| &design.column(k as usize)[start..start + n];
    lambda.fill(0.0);
    let (types, scale) = (as_arrays::<4, _>(types), as_arrays::<4, _>(scale));
    for (&[a, b, c, d], w) in types.0.iter().zip(scale.0) {
        let (a, b, c, d) = (column(a), column(b), column(c), column(d));
        for (g, target) in lambda.iter_mut().enumerate() {
            let sum = w[1].mul_add(b[g], w[0].mul_add(a[g], *target));
            *target = w[3].mul_add(d[g], w[2].mul_add(c[g], sum));
        }
    }
    for (&k, &scale) in types.1.iter().zip(scale.1) {
        for (target, p) in lambda.iter_mut().zip(column(k)) {
            *target = scale.mul_add(*p, *target);
        }
    }
}

/// Partial sums of a row of a tile.
type TileRow = [[f64; QUAD]; TILE_COLUMNS];

/// Memory of the general pass.
#[derive(Debug)]
pub(super) struct GeneralScratch {
    /// Columns of the fit, padded with the zero column to whole tiles.
    columns: Vec<u32>,
    /// Columns of a block times the second derivative.
    weighted: Vec<f64>,
    tiles: Vec<[TileRow; TILE_ROWS]>,
    slopes: Vec<[f64; QUAD]>,
}

impl GeneralScratch {
    pub(super) fn new(n_types: usize) -> Self {
        let padded = n_types.next_multiple_of(TILE_ROWS);
        GeneralScratch {
            columns: Vec::with_capacity(padded),
            weighted: vec![0.0; padded * BLOCK],
            tiles: vec![Default::default(); n_tiles(padded)],
            slopes: vec![[0.0; QUAD]; padded],
        }
    }

    /// Chooses the columns of the next passes.
    pub(super) fn choose(&mut self, design: &Design, types: &[u32]) {
        self.columns.clear();
        self.columns.extend_from_slice(types);
        let padded = types.len().next_multiple_of(TILE_ROWS);
        self.columns.resize(padded, design.n_types() as u32);
    }
}

/// Tiles of the lower half of a matrix of `padded` rows.
fn n_tiles(padded: usize) -> usize {
    let steps = padded / TILE_ROWS;
    steps * (steps + 1)
}

/// Sums over genes for any number of types: `gradient[k] = sum d1 P_k` and the whole symmetric
/// `hessian[k, l] = sum d2 P_k P_l`.
pub(super) struct General<'a, D> {
    pub(super) design: &'a Design,
    pub(super) scale: &'a [f64],
    pub(super) floor: f64,
    pub(super) by: D,
    pub(super) scratch: &'a mut GeneralScratch,
    pub(super) gradient: &'a mut [f64],
    pub(super) hessian: &'a mut [f64],
}

impl<D: Derivatives> WithSimd for General<'_, D> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (design, scratch) = (self.design, self.scratch);
        let padded = scratch.columns.len();
        scratch.tiles[..n_tiles(padded)].fill(Default::default());
        scratch.slopes[..padded].fill([0.0; QUAD]);
        let (mut lambda, mut first, mut second) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
        for start in (0..design.stride()).step_by(BLOCK) {
            let end = (start + BLOCK).min(design.stride());
            let lambda = &mut lambda[..end - start];
            predict(design, &scratch.columns, self.scale, start, lambda);
            for value in &mut *lambda {
                *value = at_least(value.abs(), self.floor);
            }
            self.by.block(start, lambda, &mut first, &mut second);
            let (first, second) = (&first[..end - start], &second[..end - start]);
            add_slopes(design, start..end, first, scratch);
            weigh(design, start..end, second, scratch);
            add_tiles(design, start..end, scratch);
        }
        gather(scratch, self.gradient, self.hessian);
    }
}

/// Adds a block of genes to the gradient.
#[inline(always)]
fn add_slopes(design: &Design, genes: Range<usize>, first: &[f64], scratch: &mut GeneralScratch) {
    let first = as_arrays::<QUAD, _>(first).0;
    let n = first.len();
    let column = |k: u32| &as_arrays::<QUAD, _>(&design.column(k as usize)[genes.clone()]).0[..n];
    let GeneralScratch {
        columns, slopes, ..
    } = scratch;
    let targets = slopes.chunks_exact_mut(TILE_ROWS);
    for (k, target) in columns.chunks_exact(TILE_ROWS).zip(targets) {
        let (a, b, c, d) = (column(k[0]), column(k[1]), column(k[2]), column(k[3]));
        let mut sums = [target[0], target[1], target[2], target[3]];
        for (g, d1) in first.iter().enumerate() {
            for lane in 0..QUAD {
                sums[0][lane] = d1[lane].mul_add(a[g][lane], sums[0][lane]);
                sums[1][lane] = d1[lane].mul_add(b[g][lane], sums[1][lane]);
                sums[2][lane] = d1[lane].mul_add(c[g][lane], sums[2][lane]);
                sums[3][lane] = d1[lane].mul_add(d[g][lane], sums[3][lane]);
            }
        }
        target.copy_from_slice(&sums);
    }
}

/// Weights the columns of a block of genes with the second derivative.
#[inline(always)]
fn weigh(design: &Design, genes: Range<usize>, second: &[f64], scratch: &mut GeneralScratch) {
    let targets = scratch.weighted.chunks_exact_mut(BLOCK);
    for (&k, target) in scratch.columns.iter().zip(targets) {
        let column = &design.column(k as usize)[genes.clone()];
        for ((target, p), d2) in target.iter_mut().zip(column).zip(second) {
            *target = d2 * p;
        }
    }
}

/// Adds a block of genes to the tiles.
#[inline(always)]
fn add_tiles(design: &Design, genes: Range<usize>, scratch: &mut GeneralScratch) {
    let n = genes.len() / QUAD;
    let weighted = &scratch.weighted;
    let mut tiles = scratch.tiles.iter_mut();
    for (step, rows) in scratch.columns.chunks_exact(TILE_ROWS).enumerate() {
        let left = |i: usize| {
            &as_arrays::<QUAD, _>(&design.column(rows[i] as usize)[genes.clone()]).0[..n]
        };
        let left = [left(0), left(1), left(2), left(3)];
        for (j, tile) in (0..(step + 1) * TILE_ROWS)
            .step_by(TILE_COLUMNS)
            .zip(&mut tiles)
        {
            let right = [
                &as_arrays::<QUAD, _>(&weighted[j * BLOCK..]).0[..n],
                &as_arrays::<QUAD, _>(&weighted[(j + 1) * BLOCK..]).0[..n],
            ];
            if j < step * TILE_ROWS + TILE_COLUMNS {
                add_tile(left, right, tile);
            } else {
                // The upper half of the tile in the corner lies above the diagonal.
                let [_, _, corner @ ..] = tile;
                add_tile([left[2], left[3]], right, corner);
            }
        }
    }
}

/// Adds the products of the columns of `left` and `right` to a tile.
#[inline(always)]
fn add_tile<const ROWS: usize>(
    left: [&[[f64; QUAD]]; ROWS],
    right: [&[[f64; QUAD]]; TILE_COLUMNS],
    tile: &mut [TileRow; ROWS],
) {
    let n = right[0].len();
    let left = left.map(|column| &column[..n]);
    let right = right.map(|column| &column[..n]);
    let mut sums = *tile;
    for g in 0..n {
        for (sums, left) in sums.iter_mut().zip(&left) {
            for (sum, right) in sums.iter_mut().zip(&right) {
                for lane in 0..QUAD {
                    sum[lane] = left[g][lane].mul_add(right[g][lane], sum[lane]);
                }
            }
        }
    }
    *tile = sums;
}

/// Adds the lanes and unpacks the tiles.
#[inline(always)]
fn gather(scratch: &GeneralScratch, gradient: &mut [f64], hessian: &mut [f64]) {
    let n = gradient.len();
    let add = |s: &[f64; QUAD]| (s[0] + s[2]) + (s[1] + s[3]);
    for (target, slope) in gradient.iter_mut().zip(&scratch.slopes) {
        *target = add(slope);
    }
    let mut tiles = scratch.tiles.iter();
    for step in 0..scratch.columns.len() / TILE_ROWS {
        for (j, tile) in (0..(step + 1) * TILE_ROWS)
            .step_by(TILE_COLUMNS)
            .zip(&mut tiles)
        {
            for (at, sums) in tile.as_flattened().iter().enumerate() {
                let row = step * TILE_ROWS + at / TILE_COLUMNS;
                let column = j + at % TILE_COLUMNS;
                if column <= row && row < n {
                    let sum = add(sums);
                    hessian[row * n + column] = sum;
                    hessian[column * n + row] = sum;
                }
            }
        }
    }
}
