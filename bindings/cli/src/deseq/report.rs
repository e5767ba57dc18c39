//! What `cyto deseq` says at its end.

use std::time::Duration;

use cytosol::deseq::{Analysis, DeseqDataset, DeseqResults, summary};
use serde::Serialize;

use super::args::DeseqArgs;

/// The JSON object of a successful run.
#[derive(Debug, Serialize)]
pub struct Report {
    status: &'static str,
    version: &'static str,
    design: String,
    comparison: String,
    results_names: Vec<String>,
    n_genes: usize,
    n_samples: usize,
    size_factors: Option<Vec<f64>>,
    genes_with_counts: usize,
    genes_with_replaced_outliers: usize,
    alpha: f64,
    lfc_threshold: f64,
    up: usize,
    down: usize,
    filter_threshold: Option<f64>,
    output_path: String,
    ma_plot_path: Option<String>,
    vst_path: Option<String>,
    elapsed_seconds: f64,
}

impl Report {
    /// The facts of a run.
    pub fn of(
        args: &DeseqArgs,
        dataset: &DeseqDataset,
        analysis: &Analysis,
        results: &DeseqResults,
        elapsed: Duration,
    ) -> Self {
        let tested = results.padj.as_ref().or(results.svalue.as_ref());
        let threshold = results.lfc_threshold;
        let count = |sign: f64| {
            let called = |gene: &usize| {
                results.base_mean[*gene] > 0.0
                    && tested.is_some_and(|p| p[*gene] < results.alpha)
                    && sign * results.log2_fold_change[*gene] > threshold
            };
            (0..results.genes.len()).filter(called).count()
        };
        let replaced = analysis.replacement.as_ref();
        let shown =
            |path: &Option<std::path::PathBuf>| path.as_ref().map(|p| p.display().to_string());
        Report {
            status: "success",
            version: env!("CARGO_PKG_VERSION"),
            design: args.design.clone(),
            comparison: comparison(results),
            results_names: analysis.fit.names().to_vec(),
            n_genes: dataset.n_genes(),
            n_samples: dataset.n_samples(),
            size_factors: dataset.size_factors.clone(),
            genes_with_counts: results.base_mean.iter().filter(|m| **m > 0.0).count(),
            genes_with_replaced_outliers: replaced
                .map_or(0, |r| r.replace.iter().filter(|r| **r).count()),
            alpha: results.alpha,
            lfc_threshold: threshold,
            up: count(1.0),
            down: count(-1.0),
            filter_threshold: results.filtering.as_ref().map(|f| f.threshold),
            output_path: args.output.display().to_string(),
            ma_plot_path: shown(&args.ma_plot),
            vst_path: shown(&args.vst),
            elapsed_seconds: elapsed.as_secs_f64(),
        }
    }

    /// A short text: the comparison, DESeq2's summary, the file.
    pub fn for_people(&self, results: &DeseqResults) -> String {
        let text = summary(results, None);
        let files = [
            Some(&self.output_path),
            self.ma_plot_path.as_ref(),
            self.vst_path.as_ref(),
        ];
        let files: Vec<&str> = files.into_iter().flatten().map(String::as_str).collect();
        format!("{}\n{text}written: {}", self.comparison, files.join(", "))
    }
}

/// What was compared, in words.
pub fn comparison(results: &DeseqResults) -> String {
    let note = results
        .notes
        .iter()
        .find(|(name, _)| name == "log2FoldChange");
    note.map_or_else(String::new, |(_, note)| note.description.clone())
}
