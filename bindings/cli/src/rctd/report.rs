//! What a run says at its end: one JSON object, or a short table for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cytosol::rctd::output::PixelSummary;
use cytosol::rctd::{Mode, SPOT_CLASSES};
use serde::Serialize;

use super::counting::count_codes;

/// The JSON object of a successful run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// "success".
    pub status: &'static str,
    /// Version of the program.
    pub version: &'static str,
    /// Mode of the fits.
    pub mode: Mode,
    /// The file with the results.
    pub output_path: String,
    /// What went in.
    pub input: Input,
    /// Options in force.
    pub config: serde_json::Map<String, serde_json::Value>,
    /// Facts of the run.
    pub results: Facts,
    /// What came out, in numbers.
    pub summary: Summary,
    /// What a user should know.
    pub warnings: Vec<String>,
}

/// What went in.
#[derive(Debug, Serialize)]
pub struct Input {
    /// Spatial counts.
    pub spatial_path: String,
    /// Reference.
    pub reference_path: String,
    /// Pixels of the input.
    pub n_pixels_total: usize,
    /// Pixels with results.
    pub n_pixels_after_filter: usize,
    /// Pixels taken by each filter.
    pub n_pixels_removed: BTreeMap<&'static str, u64>,
    /// Genes of both inputs.
    pub n_genes_common: usize,
    /// Genes used for platform effects.
    pub n_genes_bulk: usize,
    /// Genes used for the pixel fits.
    pub n_genes_reg: usize,
    /// Types.
    pub n_cell_types: usize,
    /// Their names, in the order of the weights.
    pub cell_type_names: Vec<String>,
    /// Where the totals of the pixels come from: the obs column "nUMI", or "row sums".
    pub n_umi_of_pixels: &'static str,
    /// Where the totals of the reference cells come from.
    pub n_umi_of_cells: &'static str,
}

/// Facts of a run.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// 100 sigma.
    pub sigma: u32,
    /// Wall time.
    pub elapsed_seconds: f64,
    /// Wall time of each stage.
    pub stage_seconds: Stages,
    /// "cpu": the only device of this build.
    pub device_used: &'static str,
    /// Worker threads.
    pub threads: usize,
    /// Shards, and how many of them an earlier run had left.
    pub n_parts: usize,
    /// Shards reused by `--resume`.
    pub n_parts_resumed: usize,
}

/// Wall time of each stage, seconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Stages {
    /// Opening both inputs.
    pub load: f64,
    /// Profiles of the reference.
    pub profiles: f64,
    /// Filters and gene lists.
    pub create: f64,
    /// Platform effects.
    pub bulk: f64,
    /// Noise level.
    pub sigma: f64,
    /// Fits of the pixels.
    pub pixels: f64,
    /// Writing the outputs.
    pub write: f64,
}

/// What came out, in numbers; keys depend on the mode.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Full mode: fits that converged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_converged: Option<u64>,
    /// Full mode: their share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convergence_rate: Option<f64>,
    /// Full and multi mode: pixels by the type with the largest weight, largest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dominant_type_counts: Option<Counts>,
    /// Doublet mode: pixels of each class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot_class_counts: Option<Counts>,
    /// Doublet mode: the ten most common types of singlets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_singlet_types: Option<Counts>,
    /// Multi mode: pixels by number of types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_types_distribution: Option<Counts>,
    /// Multi mode: mean number of types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_n_types: Option<f64>,
}

/// Names and counts, written as a JSON object in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts(pub Vec<(String, u64)>);

impl Serialize for Counts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, count)| (name, count)))
    }
}

impl Counts {
    /// Names with their counts, largest first, without zeros, at most `limit`.
    pub fn largest_first(names: &[String], counts: Vec<u64>, limit: usize) -> Self {
        let mut pairs: Vec<(String, u64)> = names
            .iter()
            .cloned()
            .zip(counts)
            .filter(|pair| pair.1 > 0)
            .collect();
        // A stable sort: ties stay in the order of the types.
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.1));
        pairs.truncate(limit);
        Counts(pairs)
    }
}

impl Summary {
    /// Counts what was collected.
    pub fn of(all: &PixelSummary) -> Self {
        let k = all.cell_types.len();
        let dominant = || {
            let counts = count_codes(all.dominant.iter().copied(), k);
            Some(Counts::largest_first(&all.cell_types, counts, k))
        };
        let mut summary = Summary::default();
        if let Some(doublet) = &all.doublet {
            let classes = SPOT_CLASSES.map(String::from).to_vec();
            let counts = count_codes(doublet.spot_class.iter().copied(), classes.len());
            summary.spot_class_counts = Some(Counts(classes.into_iter().zip(counts).collect()));
            let singlets = doublet
                .first_type
                .iter()
                .zip(&doublet.spot_class)
                .map(|(&first, &class)| if class == 1 { first } else { -1 });
            let counts = count_codes(singlets, k);
            summary.top_singlet_types = Some(Counts::largest_first(&all.cell_types, counts, 10));
        } else if let Some(n_types) = &all.n_types {
            let most = n_types.iter().copied().max().unwrap_or(0) as usize;
            let counts = count_codes(n_types.iter().copied(), most + 1);
            let spread = counts.iter().enumerate().skip(1);
            summary.n_types_distribution = Some(Counts(
                spread.clone().map(|(n, &c)| (n.to_string(), c)).collect(),
            ));
            let total: u64 = spread.map(|(n, &c)| n as u64 * c).sum();
            summary.mean_n_types = Some(total as f64 / all.n_kept.max(1) as f64);
            summary.dominant_type_counts = dominant();
        } else {
            let n = all.converged.iter().filter(|c| **c).count();
            summary.n_converged = Some(n as u64);
            summary.convergence_rate = Some(n as f64 / all.n_kept.max(1) as f64);
            summary.dominant_type_counts = dominant();
        }
        summary
    }
}

impl Report {
    /// The table for people.
    pub fn for_people(&self) -> String {
        let mut text = String::new();
        let mut line = |words: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{words}");
        };
        line(format!(
            "{} of {} pixels fitted in {} mode: {} types, {} genes, sigma {:.2}, {:.1} s",
            self.input.n_pixels_after_filter,
            self.input.n_pixels_total,
            self.mode,
            self.input.n_cell_types,
            self.input.n_genes_reg,
            f64::from(self.results.sigma) / 100.0,
            self.results.elapsed_seconds,
        ));
        let tables = [
            ("class of pixel", &self.summary.spot_class_counts),
            ("type of singlets", &self.summary.top_singlet_types),
            ("types in a pixel", &self.summary.n_types_distribution),
            ("main type", &self.summary.dominant_type_counts),
        ];
        for (title, counts) in tables {
            let Some(Counts(pairs)) = counts else {
                continue;
            };
            line(format!("\n{title:<28} {:>9}", "pixels"));
            for (name, count) in pairs {
                line(format!("  {name:<26} {count:>9}"));
            }
        }
        if let Some(rate) = self.summary.convergence_rate {
            line(format!("\nconverged: {:.1} %", 100.0 * rate));
        }
        line(format!("\nresults: {}", self.output_path));
        text.truncate(text.trim_end().len());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["A", "B", "C"].map(String::from).to_vec()
    }

    #[test]
    fn counts_come_largest_first_and_keep_the_order_of_ties() {
        let counts = Counts::largest_first(&names(), vec![2, 5, 2], 10);
        let json = serde_json::to_string(&counts).expect("JSON");
        assert_eq!(json, r#"{"B":5,"A":2,"C":2}"#);
        assert_eq!(
            Counts::largest_first(&names(), vec![0, 1, 0], 10).0.len(),
            1
        );
    }

    #[test]
    fn multi_mode_counts_types_of_kept_pixels_only() {
        let mut all = PixelSummary::new(Mode::Multi, &names(), 4);
        all.n_kept = 3;
        all.n_types = Some(vec![1, 3, 0, 1]);
        let summary = Summary::of(&all);
        let json = serde_json::to_string(&summary.n_types_distribution).expect("JSON");
        assert_eq!(json, r#"{"1":2,"2":0,"3":1}"#);
        assert_eq!(summary.mean_n_types, Some(5.0 / 3.0));
    }

    #[test]
    fn singlets_are_counted_by_first_type() {
        let mut all = PixelSummary::new(Mode::Doublet, &names(), 3);
        let doublet = all.doublet.as_mut().expect("doublet mode");
        doublet.spot_class = vec![1, 2, 1];
        doublet.first_type = vec![2, 0, 2];
        let summary = Summary::of(&all);
        assert_eq!(
            summary.top_singlet_types,
            Some(Counts(vec![("C".to_owned(), 2)]))
        );
        assert_eq!(
            summary.spot_class_counts.expect("classes").0[2],
            ("doublet_certain".to_owned(), 1)
        );
    }
}
