//! What the pixel fits give: plain columns, one row a kept pixel, in input order.
//!
//! Memory: 8 bytes x types a pixel for the weights; in doublet mode with scores another
//! 8 bytes x pairs of candidate types.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::data::{Categorical, Column, Table};
use crate::error::Result;

use super::config::{Mode, RctdOptions};

/// Names of the classes of doublet mode, in the order of their codes.
pub const SPOT_CLASSES: [&str; 4] = ["reject", "singlet", "doublet_certain", "doublet_uncertain"];

/// Columns of doublet mode.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DoubletColumns {
    /// Code of [`SPOT_CLASSES`].
    pub spot_class: Vec<u8>,
    /// First type, index into the cell types.
    pub first_type: Vec<u32>,
    /// Second type.
    pub second_type: Vec<u32>,
    /// Whether the first type is certain only as a class.
    pub first_class: Vec<bool>,
    /// Whether the second type is certain only as a class.
    pub second_class: Vec<bool>,
    /// Score (negative log-likelihood) of the best pair.
    pub min_score: Vec<f64>,
    /// Score of the best single type compared with it.
    pub singlet_score: Vec<f64>,
    /// Whether the fit of the pair converged.
    pub converged: Vec<bool>,
    /// Weights of first and second type, summing to 1; row-major, 2 a pixel.
    pub weights: Vec<f64>,
    /// Scores of all candidates, with `keep_scores`.
    pub scores: Option<DoubletScores>,
}

/// Scores of the candidate types and pairs of every pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DoubletScores {
    /// Where each pixel's candidates begin; one more than there are pixels.
    pub offsets: Vec<u64>,
    /// Candidate types of each pixel, in the order in which pairs are formed.
    pub candidates: Vec<u32>,
    /// Score of each candidate alone.
    pub singlet_scores: Vec<f64>,
    /// Where each pixel's pairs begin; one more than there are pixels.
    pub pair_offsets: Vec<u64>,
    /// Scores of pairs: (0,1), (0,2), ..., (1,2), ... of the pixel's candidates.
    pub pair_scores: Vec<f64>,
}

impl Default for DoubletScores {
    fn default() -> Self {
        DoubletScores {
            offsets: vec![0],
            candidates: Vec::new(),
            singlet_scores: Vec::new(),
            pair_offsets: vec![0],
            pair_scores: Vec::new(),
        }
    }
}

/// Columns of multi mode; lists of types are ragged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultiColumns {
    /// Where each pixel's types begin; one more than there are pixels.
    pub offsets: Vec<u64>,
    /// Types in the order in which they were chosen.
    pub cell_types: Vec<u32>,
    /// Whether no other type could stand in its place.
    pub confident: Vec<bool>,
    /// Weights of the chosen types, summing to 1 in a pixel.
    pub sub_weights: Vec<f64>,
    /// Score of the chosen set.
    pub min_score: Vec<f64>,
    /// Whether the fit of the chosen set converged.
    pub converged: Vec<bool>,
    /// Whether no type was above 0.01, so that the largest was taken.
    pub fallback: Vec<bool>,
}

impl Default for MultiColumns {
    fn default() -> Self {
        MultiColumns {
            offsets: vec![0],
            cell_types: Vec::new(),
            confident: Vec::new(),
            sub_weights: Vec::new(),
            min_score: Vec::new(),
            converged: Vec::new(),
            fallback: Vec::new(),
        }
    }
}

/// Fits of some consecutive kept pixels: what blocks, shards and whole runs are made of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PixelColumns {
    /// Raw weights, pixels x types, row-major.
    pub weights: Vec<f64>,
    /// Whether the fit over all types converged.
    pub converged: Vec<bool>,
    /// In doublet mode.
    pub doublet: Option<DoubletColumns>,
    /// In multi mode.
    pub multi: Option<MultiColumns>,
}

impl PixelColumns {
    /// Empty columns for a mode.
    pub(crate) fn new(mode: Mode, keep_scores: bool) -> Self {
        PixelColumns {
            doublet: (mode == Mode::Doublet).then(|| DoubletColumns {
                scores: keep_scores.then(DoubletScores::default),
                ..DoubletColumns::default()
            }),
            multi: (mode == Mode::Multi).then(MultiColumns::default),
            ..PixelColumns::default()
        }
    }

    /// Number of pixels.
    pub fn n_pixels(&self) -> usize {
        self.converged.len()
    }

    /// Appends the pixels of `other`.
    pub(crate) fn append(&mut self, other: PixelColumns) {
        self.weights.extend(other.weights);
        self.converged.extend(other.converged);
        if let (Some(own), Some(other)) = (&mut self.doublet, other.doublet) {
            own.append(other);
        }
        if let (Some(own), Some(other)) = (&mut self.multi, other.multi) {
            own.append(other);
        }
    }

    /// Whether all columns have the lengths that `n` pixels and `k` types ask for.
    pub(crate) fn is_whole(&self, n: usize, k: usize) -> bool {
        self.weights.len() == n * k
            && self.converged.len() == n
            && self.doublet.as_ref().is_none_or(|d| d.is_whole(n, k))
            && self.multi.as_ref().is_none_or(|m| m.is_whole(n, k))
    }
}

impl DoubletColumns {
    fn append(&mut self, other: DoubletColumns) {
        self.spot_class.extend(other.spot_class);
        self.first_type.extend(other.first_type);
        self.second_type.extend(other.second_type);
        self.first_class.extend(other.first_class);
        self.second_class.extend(other.second_class);
        self.min_score.extend(other.min_score);
        self.singlet_score.extend(other.singlet_score);
        self.converged.extend(other.converged);
        self.weights.extend(other.weights);
        if let (Some(own), Some(other)) = (&mut self.scores, other.scores) {
            append_offsets(&mut own.offsets, &other.offsets);
            own.candidates.extend(other.candidates);
            own.singlet_scores.extend(other.singlet_scores);
            append_offsets(&mut own.pair_offsets, &other.pair_offsets);
            own.pair_scores.extend(other.pair_scores);
        }
    }

    fn is_whole(&self, n: usize, k: usize) -> bool {
        let lengths = [
            self.spot_class.len(),
            self.first_type.len(),
            self.second_type.len(),
            self.first_class.len(),
            self.second_class.len(),
            self.min_score.len(),
            self.singlet_score.len(),
            self.converged.len(),
            self.weights.len() / 2,
        ];
        let in_range = |types: &[u32]| types.iter().all(|&t| (t as usize) < k);
        lengths.iter().all(|&length| length == n)
            && self.weights.len() == 2 * n
            && self
                .spot_class
                .iter()
                .all(|&c| usize::from(c) < SPOT_CLASSES.len())
            && in_range(&self.first_type)
            && in_range(&self.second_type)
            && self.scores.as_ref().is_none_or(|s| {
                is_ragged(&s.offsets, n, s.candidates.len())
                    && s.singlet_scores.len() == s.candidates.len()
                    && in_range(&s.candidates)
                    && is_ragged(&s.pair_offsets, n, s.pair_scores.len())
                    && s.offsets
                        .windows(2)
                        .zip(s.pair_offsets.windows(2))
                        .all(|(c, p)| {
                            let n_candidates = c[1] - c[0];
                            p[1] - p[0] == n_candidates * n_candidates.saturating_sub(1) / 2
                        })
            })
    }
}

impl MultiColumns {
    fn append(&mut self, other: MultiColumns) {
        append_offsets(&mut self.offsets, &other.offsets);
        self.cell_types.extend(other.cell_types);
        self.confident.extend(other.confident);
        self.sub_weights.extend(other.sub_weights);
        self.min_score.extend(other.min_score);
        self.converged.extend(other.converged);
        self.fallback.extend(other.fallback);
    }

    fn is_whole(&self, n: usize, k: usize) -> bool {
        let entries = self.cell_types.len();
        is_ragged(&self.offsets, n, entries)
            && self.confident.len() == entries
            && self.sub_weights.len() == entries
            && self.min_score.len() == n
            && self.converged.len() == n
            && self.fallback.len() == n
            && self.cell_types.iter().all(|&t| (t as usize) < k)
    }

    /// Entries of a pixel.
    pub fn range(&self, pixel: usize) -> std::ops::Range<usize> {
        self.offsets[pixel] as usize..self.offsets[pixel + 1] as usize
    }
}

/// Offsets of `n` lists that fill `entries` entries.
fn is_ragged(offsets: &[u64], n: usize, entries: usize) -> bool {
    offsets.len() == n + 1
        && offsets[0] == 0
        && offsets[n] == entries as u64
        && offsets.windows(2).all(|pair| pair[0] <= pair[1])
}

fn append_offsets(own: &mut Vec<u64>, other: &[u64]) {
    let base = own.last().copied().unwrap_or(0);
    own.extend(other.iter().skip(1).map(|offset| base + offset));
}

/// Results of a run over all kept pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct RctdResults {
    /// Mode of the fits.
    pub mode: Mode,
    /// Names of the types, columns of `weights`.
    pub cell_types: Vec<String>,
    /// 100 sigma.
    pub sigma: u32,
    /// Pixels of the input.
    pub n_pixels_total: usize,
    /// Options of the run.
    pub options: Arc<RctdOptions>,
    /// Input row of every result row.
    pub pixels: Vec<u32>,
    /// Barcode of every result row.
    pub barcodes: Vec<String>,
    /// Raw weights over all types, pixels x types, row-major; rows need not sum to 1.
    pub weights: Vec<f64>,
    /// Whether the fit over all types converged.
    pub converged: Vec<bool>,
    /// In doublet mode.
    pub doublet: Option<DoubletColumns>,
    /// In multi mode.
    pub multi: Option<MultiColumns>,
}

impl RctdResults {
    /// Number of pixels with results.
    pub fn n_pixels(&self) -> usize {
        self.pixels.len()
    }

    /// Weights divided by their row sums; pixels x types, row-major.
    pub fn normalized_weights(&self) -> Vec<f64> {
        let mut weights = self.weights.clone();
        for row in weights.chunks_exact_mut(self.cell_types.len()) {
            let total: f64 = row.iter().sum();
            row.iter_mut().for_each(|w| *w /= total);
        }
        weights
    }

    /// Type with the largest weight of every pixel; the first on ties.
    pub fn dominant_type(&self) -> Vec<u32> {
        self.weights
            .chunks_exact(self.cell_types.len())
            .map(arg_max)
            .collect()
    }

    /// Weights implied by doublet mode, pixels x types: 1 for a singlet's first type, both
    /// weights for a certain doublet, zeros otherwise. `None` in other modes.
    ///
    /// Source: spacexr 2.2.1, `get_doublet_weights`.
    pub fn doublet_weights(&self) -> Option<Vec<f64>> {
        let doublet = self.doublet.as_ref()?;
        let k = self.cell_types.len();
        let mut weights = vec![0.0; self.n_pixels() * k];
        for (pixel, row) in weights.chunks_exact_mut(k).enumerate() {
            let first = doublet.first_type[pixel] as usize;
            match doublet.spot_class[pixel] {
                1 => row[first] = 1.0,
                2 => {
                    row[first] = doublet.weights[2 * pixel];
                    row[doublet.second_type[pixel] as usize] = doublet.weights[2 * pixel + 1];
                }
                _ => {}
            }
        }
        Some(weights)
    }

    /// The table people look at: in doublet mode spacexr's `results_df`, in multi mode one row
    /// a chosen type, in full mode dominant type and convergence.
    ///
    /// # Errors
    /// None that a result of this crate can cause.
    pub fn table(&self) -> Result<Table> {
        match (&self.doublet, &self.multi) {
            (Some(doublet), _) => self.doublet_table(doublet),
            (_, Some(multi)) => self.multi_table(multi),
            _ => self.full_table(),
        }
    }

    fn types(&self, codes: &[u32]) -> Column {
        Column::Categorical(Categorical {
            codes: codes.iter().map(|&t| t as i32).collect(),
            categories: self.cell_types.clone(),
            ordered: false,
        })
    }

    fn doublet_table(&self, doublet: &DoubletColumns) -> Result<Table> {
        let mut table = Table::new(self.barcodes.clone());
        table.set(
            "spot_class",
            Column::Categorical(Categorical {
                codes: doublet.spot_class.iter().map(|&c| i32::from(c)).collect(),
                categories: SPOT_CLASSES.map(String::from).to_vec(),
                ordered: false,
            }),
        )?;
        table.set("first_type", self.types(&doublet.first_type))?;
        table.set("second_type", self.types(&doublet.second_type))?;
        table.set("first_class", Column::Bool(doublet.first_class.clone()))?;
        table.set("second_class", Column::Bool(doublet.second_class.clone()))?;
        table.set("min_score", Column::F64(doublet.min_score.clone()))?;
        table.set("singlet_score", Column::F64(doublet.singlet_score.clone()))?;
        table.set("conv_all", Column::Bool(self.converged.clone()))?;
        table.set("conv_doublet", Column::Bool(doublet.converged.clone()))?;
        Ok(table)
    }

    fn multi_table(&self, multi: &MultiColumns) -> Result<Table> {
        let (mut index, mut rank, mut pixel_of) = (Vec::new(), Vec::new(), Vec::new());
        for pixel in 0..self.n_pixels() {
            for (position, _) in multi.range(pixel).enumerate() {
                index.push(self.barcodes[pixel].clone());
                rank.push(position as i32 + 1);
                pixel_of.push(pixel);
            }
        }
        let mut table = Table::new(index);
        let flag = |values: &[bool]| Column::Bool(pixel_of.iter().map(|&p| values[p]).collect());
        table.set("rank", Column::I32(rank))?;
        table.set("cell_type", self.types(&multi.cell_types))?;
        table.set("confident", Column::Bool(multi.confident.clone()))?;
        table.set("sub_weight", Column::F64(multi.sub_weights.clone()))?;
        table.set(
            "min_score",
            Column::F64(pixel_of.iter().map(|&p| multi.min_score[p]).collect()),
        )?;
        table.set("conv_all", flag(&self.converged))?;
        table.set("conv_sub", flag(&multi.converged))?;
        table.set("fallback", flag(&multi.fallback))?;
        Ok(table)
    }

    fn full_table(&self) -> Result<Table> {
        let mut table = Table::new(self.barcodes.clone());
        table.set("dominant_type", self.types(&self.dominant_type()))?;
        table.set("conv_all", Column::Bool(self.converged.clone()))?;
        Ok(table)
    }
}

/// Position of the largest value, the first on ties.
pub(crate) fn arg_max(values: &[f64]) -> u32 {
    let mut best = 0;
    for (position, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = position;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multi_part(types: &[u32]) -> PixelColumns {
        PixelColumns {
            weights: vec![0.5, 0.5],
            converged: vec![true],
            doublet: None,
            multi: Some(MultiColumns {
                offsets: vec![0, types.len() as u64],
                cell_types: types.to_vec(),
                confident: vec![true; types.len()],
                sub_weights: vec![1.0; types.len()],
                min_score: vec![3.0],
                converged: vec![true],
                fallback: vec![false],
            }),
        }
    }

    #[test]
    fn ragged_columns_append() {
        let mut all = PixelColumns::new(Mode::Multi, false);
        all.append(multi_part(&[1, 0]));
        all.append(multi_part(&[1]));
        assert!(all.is_whole(2, 2));
        assert!(!all.is_whole(3, 2));
        let multi = all.multi.expect("multi mode");
        assert_eq!(multi.offsets, [0, 2, 3]);
        assert_eq!(multi.range(1), 2..3);
    }

    #[test]
    fn ties_go_to_the_first() {
        assert_eq!(arg_max(&[1.0, 3.0, 3.0]), 1);
    }
}
