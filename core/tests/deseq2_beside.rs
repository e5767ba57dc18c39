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
if (length(a) > 5) {
  order <- as.integer(strsplit(a[6], ",")[[1]])
  x <- x[, order]
  cd <- cd[order, , drop = FALSE]
}
dds <- DESeqDataSetFromMatrix(x, cd, as.formula(a[2]))
dds <- DESeq(dds, quiet = TRUE)
prior <- attr(dispersionFunction(dds), "dispPriorVar")
r <- results(dds, contrast = a[3:5])
cat(sprintf("%.17g\n", prior))
cat(sprintf("%s\t%.17g\t%.17g\t%.17g\n", rownames(r), r$log2FoldChange, r$pvalue, r$padj), sep = "")
"#;

/// The two analyses of one table.
struct Beside {
    /// Genes called by one but not by the other.
    discordant: usize,
    /// The prior variances of ln dispersion, ours and theirs.
    priors: (f64, f64),
}

/// Analyses a table with both; DESeq2 sees the samples in `order` (from 1), or as they are.
fn beside(set: &str, design: &str, contrast: [&str; 3], order: Option<&str>) -> Option<Beside> {
    let folder = shared_data::shared(&format!("data/{set}"))?;
    let run = Command::new("Rscript")
        .args(["-e", SCRIPT])
        .arg(&folder)
        .arg(design)
        .args(contrast)
        .args(order)
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
    Some(Beside {
        discordant: differ,
        priors: (ours, prior),
    })
}

fn agree_on(set: &str, design: &str, contrast: [&str; 3], order: Option<&str>) {
    if let Some(found) = beside(set, design, contrast, order) {
        let (ours, theirs) = found.priors;
        assert!((ours - theirs).abs() <= 1e-8 * theirs, "{ours} {theirs}");
        assert_eq!(found.discordant, 0);
    }
}

#[test]
fn pasilla_has_no_discordant_call() {
    agree_on(
        "pasilla",
        "~ type + condition",
        ["condition", "treated", "untreated"],
        None,
    );
}

/// Three residual degrees of freedom: the prior variance comes from the comparison of histograms.
#[test]
fn airway_has_no_discordant_call() {
    agree_on("airway", "~ cell + dex", ["dex", "trt", "untrt"], None);
}

const LIVER: [&str; 3] = ["Tissue", "Liver", "Kidney"];

/// The calls of DESeq2 itself depend on the order of these samples. Gene ENSG00000189229 starts its
/// line search at 3.6105e-5 with a slope of -2.1e-5: the first proposal gains 4.6e-10, which is as
/// much as the rounding of a sum of ten `lgamma(K + 27697) - lgamma(27697)`. When the rounding eats
/// the gain, the proposal is refused, the second one counts as convergence and the start is kept;
/// otherwise one proposal counts as none and the grid gives 1e-8. The one value is above the least
/// dispersion of the trend, the other is not, so the local trend, the prior variance (0.2539 or
/// 0.2662) and five calls follow. Our sums do not cancel (deseq.md, quirk Q11) and give the second
/// answer in every order; in this one DESeq2 gives it too.
#[test]
fn marioni_has_no_discordant_call_where_rounding_does_not_decide() {
    agree_on("marioni", "~ Tissue", LIVER, Some("5,9,1,6,10,7,2,4,3,8"));
}

/// The order of the file is one where rounding refuses the proposal.
#[test]
fn marioni_in_the_order_of_the_file_differs_by_that_gene_only() {
    if let Some(found) = beside("marioni", "~ Tissue", LIVER, None) {
        assert!(found.discordant <= 5, "{}", found.discordant);
    }
}
