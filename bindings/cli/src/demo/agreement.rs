//! How well the calls agree with the truth that the simulation wrote beside them.

use std::fmt::Write as _;
use std::path::Path;

use cytosol::checkpoint::AtomicFile;
use cytosol::data::{Categorical, Column, Dataset, DenseArray};
use cytosol::rctd::SPOT_CLASSES;
use cytosol::{Error, Result};
use serde::Serialize;

use super::labels;
use super::simulate::CELL_TYPES;
use crate::failure::to_json;

/// Numbers that say how well it went.
#[derive(Debug, Clone, Serialize)]
pub struct Agreement {
    /// Pixels of the tissue.
    pub n_pixels: usize,
    /// Calls of true singlets and true doublets, in the order of `SPOT_CLASSES`, then filtered.
    pub calls: [[u64; 5]; 2],
    /// Share of the true singlets that are called singlets.
    pub singlets_found: f64,
    /// Share of the true doublets that are called doublets with certainty.
    pub doublets_found: f64,
    /// Share of the true singlets, where not rejected, whose first type is right.
    pub singlet_types_right: f64,
    /// Share of the true doublets called with certainty whose two types are both right.
    pub doublet_types_right: f64,
    /// Root mean square error of the weights (rows summing to 1) against the true shares.
    pub weights_rmse: f64,
    /// Pearson correlation of the same.
    pub weights_correlation: f64,
}

/// What the result file says of every pixel.
pub struct Calls<'a> {
    /// Class.
    pub class: &'a Categorical,
    /// First type.
    pub first: &'a Categorical,
    /// Second type.
    pub second: &'a Categorical,
    shares: &'a DenseArray,
    weights: &'a DenseArray,
}

impl<'a> Calls<'a> {
    /// Finds the columns of a doublet run.
    ///
    /// # Errors
    /// `NotFound` naming the missing member.
    pub fn of(result: &'a Dataset) -> Result<Self> {
        let array = |name: &str| {
            let found = result.obsm.iter().find(|(n, _)| n == name);
            found
                .map(|(_, array)| array)
                .ok_or_else(|| Error::data(format!("obsm has no {name:?}")))
        };
        Ok(Calls {
            class: labels(result, "rctd_spot_class")?,
            first: labels(result, "rctd_first_type")?,
            second: labels(result, "rctd_second_type")?,
            shares: array("rctd_weights_doublet")?,
            weights: array("rctd_weights")?,
        })
    }

    /// Number of pixels.
    pub fn n_pixels(&self) -> usize {
        self.class.codes.len()
    }

    /// Shares of first and second type.
    pub fn shares(&self, pixel: usize) -> [f64; 2] {
        let row = self.shares.row(pixel);
        [row[0], row[1]]
    }
}

struct Truth<'a> {
    first: &'a Categorical,
    second: &'a Categorical,
    share: Vec<f64>,
}

impl<'a> Truth<'a> {
    fn of(result: &'a Dataset) -> Result<Self> {
        let share = result.obs.require("obs", "true_first_share")?;
        Ok(Truth {
            first: labels(result, "true_first_type")?,
            second: labels(result, "true_second_type")?,
            share: share.as_numbers().unwrap_or_default(),
        })
    }

    /// The true share of a type.
    fn weight(&self, pixel: usize, cell_type: &str) -> f64 {
        if self.first.label(pixel) == Some(cell_type) {
            self.share[pixel]
        } else if self.second.label(pixel) == Some(cell_type) {
            1.0 - self.share[pixel]
        } else {
            0.0
        }
    }

    fn is_doublet(&self, pixel: usize) -> bool {
        self.second.label(pixel) != Some("none")
    }
}

impl Agreement {
    /// Compares the calls of a result file with the truth in it.
    ///
    /// # Errors
    /// `NotFound` or `InvalidData` when the file is not a result of the demo.
    pub fn of(result: &Dataset) -> Result<Self> {
        let (truth, found) = (Truth::of(result)?, Calls::of(result)?);
        let mut calls = [[0_u64; 5]; 2];
        let (mut singlets, mut doublets) = (Share::default(), Share::default());
        for pixel in 0..found.n_pixels() {
            let class = found.class.label(pixel).unwrap_or_default();
            let code = SPOT_CLASSES.iter().position(|c| *c == class).unwrap_or(4);
            let is_doublet = truth.is_doublet(pixel);
            calls[usize::from(is_doublet)][code] += 1;
            let (first, second) = (found.first.label(pixel), found.second.label(pixel));
            if !is_doublet && (1..4).contains(&code) {
                singlets.add(first == truth.first.label(pixel));
            } else if is_doublet && code == 2 {
                let pair = (truth.first.label(pixel), truth.second.label(pixel));
                doublets.add((first, second) == pair || (second, first) == pair);
            }
        }
        let (weights_rmse, weights_correlation) = compare_weights(&truth, &found);
        let share =
            |row: [u64; 5], code: usize| row[code] as f64 / row.iter().sum::<u64>().max(1) as f64;
        Ok(Agreement {
            n_pixels: found.n_pixels(),
            calls,
            singlets_found: share(calls[0], 1),
            doublets_found: share(calls[1], 2),
            singlet_types_right: singlets.value(),
            doublet_types_right: doublets.value(),
            weights_rmse,
            weights_correlation,
        })
    }

    /// Whether it went as well as it does on this simulation when nothing is broken.
    pub fn is_good(&self) -> bool {
        self.singlet_types_right > 0.9
            && self.doublet_types_right > 0.8
            && self.weights_correlation > 0.9
    }

    /// Writes the numbers as JSON.
    ///
    /// # Errors
    /// `Io` when the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut file = AtomicFile::create(path)?;
        file.write_all(to_json(self).as_bytes())?;
        file.write_all(b"\n")?;
        file.commit()
    }

    /// The table for people.
    pub fn for_people(&self) -> String {
        let mut text = format!("{:<28}", "agreement with the truth");
        let heads = ["reject", "singlet", "certain", "uncertain", "filtered"];
        let mut put = |words: String| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{words}");
        };
        for head in heads {
            put(format!(" {head:>9}"));
        }
        for (name, row) in ["true singlets", "true doublets"].iter().zip(self.calls) {
            put(format!("\n  {name:<26}"));
            for count in row {
                put(format!(" {count:>9}"));
            }
        }
        for (name, value) in [
            ("singlets found", self.singlets_found),
            ("doublets found", self.doublets_found),
            ("types of singlets right", self.singlet_types_right),
            ("types of doublets right", self.doublet_types_right),
        ] {
            put(format!("\n  {name:<26} {:>8.1} %", 100.0 * value));
        }
        put(format!(
            "\n  {:<26} {:>9.3} (root mean square error), {:.3} (correlation)",
            "weights", self.weights_rmse, self.weights_correlation
        ));
        text
    }
}

/// A share of yes among answers.
#[derive(Default)]
struct Share {
    yes: u64,
    all: u64,
}

impl Share {
    fn add(&mut self, yes: bool) {
        self.yes += u64::from(yes);
        self.all += 1;
    }

    fn value(&self) -> f64 {
        self.yes as f64 / self.all.max(1) as f64
    }
}

/// Root mean square error and Pearson correlation over pixels with results and types.
fn compare_weights(truth: &Truth<'_>, found: &Calls<'_>) -> (f64, f64) {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for pixel in 0..found.n_pixels() {
        let row = found.weights.row(pixel);
        let total: f64 = row.iter().sum();
        if !total.is_finite() {
            continue;
        }
        for (cell_type, weight) in CELL_TYPES.iter().zip(row) {
            x.push(truth.weight(pixel, cell_type));
            y.push(weight / total);
        }
    }
    let n = x.len().max(1) as f64;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(&x), mean(&y));
    let (mut xx, mut yy, mut xy, mut square) = (0.0, 0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(&y) {
        let (dx, dy) = (a - mean_x, b - mean_y);
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
        square += (a - b) * (a - b);
    }
    ((square / n).sqrt(), xy / (xx * yy).sqrt())
}

/// Truth columns for `obs`: names and columns.
///
/// Kept beside the reader of the same names above.
pub fn truth_columns(truth: &[super::simulate::Content]) -> Vec<(&'static str, Column)> {
    let names = |extra: &[&str]| -> Vec<String> {
        let all = CELL_TYPES.iter().chain(extra);
        all.map(|name| (*name).to_owned()).collect()
    };
    let none = CELL_TYPES.len();
    let codes = |of: &dyn Fn(&super::simulate::Content) -> usize| -> Vec<i32> {
        truth.iter().map(|content| of(content) as i32).collect()
    };
    let labelled = |codes: Vec<i32>, categories: Vec<String>| {
        Column::Categorical(Categorical {
            codes,
            categories,
            ordered: false,
        })
    };
    vec![
        ("true_first_type", labelled(codes(&|c| c.first), names(&[]))),
        (
            "true_second_type",
            labelled(codes(&|c| c.second.unwrap_or(none)), names(&["none"])),
        ),
        (
            "true_first_share",
            Column::F64(truth.iter().map(|content| content.share).collect()),
        ),
    ]
}
