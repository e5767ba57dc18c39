//! The small columns of all pixels, gathered part by part.
//!
//! Memory: at most 20 bytes a pixel of the input. Weights are not kept here.

use super::super::config::Mode;
use super::super::results::RctdResults;

/// Per-pixel results of the whole input; pixels taken by the filters keep -1 or `false`.
#[derive(Debug, Clone)]
pub struct PixelSummary {
    /// Mode of the fits.
    pub mode: Mode,
    /// Names of the types.
    pub cell_types: Vec<String>,
    /// Rows of the input that have results.
    pub n_kept: usize,
    /// Type with the largest weight.
    pub dominant: Vec<i32>,
    /// Whether the fit over all types converged.
    pub converged: Vec<bool>,
    /// Doublet mode.
    pub doublet: Option<DoubletPixels>,
    /// Multi mode: number of types, 0 where filtered.
    pub n_types: Option<Vec<i32>>,
}

/// Doublet mode, one value a pixel of the input.
#[derive(Debug, Clone)]
pub struct DoubletPixels {
    /// Class of the pixel, as in `SPOT_CLASSES`.
    pub spot_class: Vec<i32>,
    /// First type.
    pub first_type: Vec<i32>,
    /// Second type.
    pub second_type: Vec<i32>,
    /// Whether only the class of the first type is certain.
    pub first_class: Vec<bool>,
    /// Whether only the class of the second type is certain.
    pub second_class: Vec<bool>,
}

impl PixelSummary {
    /// Room for `n_total` pixels.
    pub fn new(mode: Mode, cell_types: &[String], n_total: usize) -> Self {
        PixelSummary {
            mode,
            cell_types: cell_types.to_vec(),
            n_kept: 0,
            dominant: vec![-1; n_total],
            converged: vec![false; n_total],
            doublet: (mode == Mode::Doublet).then(|| DoubletPixels {
                spot_class: vec![-1; n_total],
                first_type: vec![-1; n_total],
                second_type: vec![-1; n_total],
                first_class: vec![false; n_total],
                second_class: vec![false; n_total],
            }),
            n_types: (mode == Mode::Multi).then(|| vec![0; n_total]),
        }
    }

    /// Takes over the results of a shard.
    pub fn add(&mut self, shard: &RctdResults) {
        self.n_kept += shard.n_pixels();
        for (at, (&row, dominant)) in shard.pixels.iter().zip(shard.dominant_type()).enumerate() {
            let row = row as usize;
            self.dominant[row] = dominant as i32;
            self.converged[row] = shard.converged[at];
            if let (Some(all), Some(part)) = (&mut self.doublet, &shard.doublet) {
                all.spot_class[row] = i32::from(part.spot_class[at]);
                all.first_type[row] = part.first_type[at] as i32;
                all.second_type[row] = part.second_type[at] as i32;
                all.first_class[row] = part.first_class[at];
                all.second_class[row] = part.second_class[at];
            }
            if let (Some(all), Some(part)) = (&mut self.n_types, &shard.multi) {
                all[row] = part.range(at).len() as i32;
            }
        }
    }
}
