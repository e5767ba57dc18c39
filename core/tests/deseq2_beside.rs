//! The engine beside DESeq2 itself on real tables: the same genes are called.
//!
//! Runs `Rscript` with DESeq2 (Debian's r-bioc-deseq2); without it, or without the shared tables,
//! the tests say so and pass.
#![allow(clippy::print_stdout, clippy::print_stderr)] // what was measured, and what was skipped

mod deseq_golden;
mod shared_data;

use std::process::Command;

use cytosol::deseq::{Compat, Contrast, CooksFilter, DeseqOptions, ResultsOptions, deseq, results};
use deseq_golden::*;

const SCRIPT: &str = r#"
suppressMessages(library(DESeq2))
a <- commandArgs(TRUE)
x <- as.matrix(read.csv(file.path(a[1], "counts.csv.gz"), row.names = 1, check.names = FALSE))
cd <- read.csv(file.path(a[1], "coldata.csv.gz"), row.names = 1, stringsAsFactors = TRUE)
dds <- DESeqDataSetFromMatrix(x, cd, as.formula(a[2]))
dds <- DESeq(dds, quiet = TRUE)
prior <- attr(dispersionFunction(dds), "dispPriorVar")
r <- results(dds, contrast = a[3:5])
cat(sprintf("%.17g\n", prior))
cat(sprintf("%s\t%.17g\t%.17g\t%.17g\n", rownames(r), r$log2FoldChange, r$pvalue, r$padj), sep = "")
"#;

/// Genes called by one but not by the other.
fn discordant(set: &str, design: &str, contrast: [&str; 3]) -> Option<usize> {
    let folder = shared_data::shared(&format!("data/{set}"))?;
    let run = Command::new("Rscript")
        .args(["-e", SCRIPT])
        .arg(&folder)
        .arg(design)
        .args(contrast)
        .output();
    let output = match run {
        Ok(output) if output.status.success() => output,
        Ok(output) => {
            eprintln!("SKIP {set}: {}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        Err(error) => {
            eprintln!("SKIP {set}: Rscript: {error}");
            return None;
        }
    };
    let text = String::from_utf8(output.stdout).expect("text");
    let mut lines = text.lines();
    let prior: f64 = number(lines.next().expect("the prior"));
    let counts = Frame::read(&folder.join("counts.csv.gz"));
    let table = col_data(&Frame::read(&folder.join("coldata.csv.gz")), &[]);
    let mut data = build(&counts, table, design);
    let ctx = context(2);
    let analysis = deseq(&ctx, &mut data, &DeseqOptions::default()).expect("an analysis");
    let ours = analysis.dispersions.prior_var;
    println!("{set}: prior variance {ours} for {prior}");
    assert!((ours - prior).abs() <= 1e-8 * prior);
    let asked = ResultsOptions {
        contrast: Some(Contrast::factor(contrast[0], contrast[1], contrast[2])),
        cooks_cutoff: CooksFilter::Default,
        compat: Compat::V138,
        ..ResultsOptions::default()
    };
    let got = results(&ctx, &data, &analysis, &asked).expect("results");
    let padj = got.padj.expect("adjusted");
    let (mut differ, mut called, mut worst) = (0, 0, 0.0_f64);
    for (i, line) in lines.enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        assert_eq!(fields[0], data.genes[i]);
        let (lfc, want) = (number(fields[1]), number(fields[3]));
        let theirs = want < 0.1;
        called += usize::from(theirs);
        differ += usize::from(theirs != (padj[i] < 0.1));
        if !lfc.is_nan() && analysis.fit.iterations[i] < 100.0 {
            worst = worst.max((lfc - got.log2_fold_change[i]).abs() / lfc.abs().max(0.1));
        }
    }
    println!("{set}: {called} called, {differ} discordant, log2 fold changes off by {worst:e}");
    Some(differ)
}

#[test]
fn pasilla_has_no_discordant_call() {
    if let Some(n) = discordant(
        "pasilla",
        "~ type + condition",
        ["condition", "treated", "untreated"],
    ) {
        assert_eq!(n, 0);
    }
}

#[test]
fn airway_has_no_discordant_call() {
    if let Some(n) = discordant("airway", "~ cell + dex", ["dex", "trt", "untrt"]) {
        assert_eq!(n, 0);
    }
}

/// Technical replicates: most likelihoods are flat at the least dispersion, and for one gene there
/// the rounding of the reference's gamma functions (deseq.md, quirk Q11) decides whether its start
/// value is kept; that gene moves the local trend and with it five calls.
#[test]
fn marioni_has_next_to_no_discordant_call() {
    if let Some(n) = discordant("marioni", "~ Tissue", ["Tissue", "Liver", "Kidney"]) {
        assert!(n <= 5, "{n}");
    }
}
