//! Transformations and helpers against tables printed by DESeq2.
//!
//! Values near 10 are printed to 1e-7. Without the golden data the tests say so and pass.
#![allow(clippy::print_stdout)] // what was measured, and what was skipped

mod deseq_golden;
mod shared_data;

use cytosol::data::{Categorical, Column};
use cytosol::deseq::{
    DeseqDataset, DeseqOptions, RlogPrior, SizeFactorOptions, TransformOptions, Transformed,
    collapse_replicates, deseq, estimate_size_factors, fpkm, fpm, norm_transform, rlog, sample_pca,
    variance_stabilizing_transformation, vst,
};
use cytosol::stats::dispersion::FitType;
use deseq_golden::*;

fn largest_difference(got: &Transformed, frame: &Frame) -> f64 {
    let m = got.samples.len();
    let mut worst = 0.0_f64;
    for (name, cells) in frame.rows.iter().zip(&frame.cells) {
        let gene = got.genes.iter().position(|g| g == name).expect("a gene");
        for (j, cell) in cells.iter().enumerate() {
            let off = (got.values[gene * m + j] - number(cell)).abs();
            worst = worst.max(off);
        }
    }
    worst
}

fn within(name: &str, got: &Transformed, frame: &Frame, tolerance: f64) {
    let off = largest_difference(got, frame);
    println!("{name:30} {off:9.2e}");
    assert!(off <= tolerance, "{name}: {off:e}");
}

fn two_factors() -> Option<(std::path::PathBuf, DeseqDataset)> {
    let folder = golden("sim12_batch_condition")?;
    let mut data = dataset(&folder, "~ batch + condition", &[]);
    estimate_size_factors(&context(1), &mut data, &SizeFactorOptions::default()).expect("factors");
    Some((folder, data))
}

#[test]
fn variance_stabilised() {
    let Some((folder, mut data)) = two_factors() else {
        return;
    };
    let ctx = context(2);
    let run = |options: &TransformOptions| {
        variance_stabilizing_transformation(&ctx, &data, None, options).expect("transformed")
    };
    let frame = |name: &str| Frame::read(&folder.join(format!("{name}.tsv.gz")));
    let blind = run(&TransformOptions::default());
    within("vst_blind", &blind, &frame("vst_blind"), 2e-9);
    let aware_of = |data: &mut DeseqDataset, fit_type: FitType| {
        let mut asked = DeseqOptions::default();
        asked.dispersions.fit_type = fit_type;
        let analysis = deseq(&ctx, data, &asked).expect("an analysis");
        let options = TransformOptions {
            blind: false,
            ..TransformOptions::default()
        };
        let trend = &analysis.dispersions.trend;
        variance_stabilizing_transformation(&ctx, data, Some(trend), &options).expect("transformed")
    };
    let local = aware_of(&mut data.clone(), FitType::Local);
    within("vst_local", &local, &frame("vst_local"), 1e-6);
    let mean = aware_of(&mut data.clone(), FitType::Mean);
    within("vst_mean", &mean, &frame("vst_mean"), 1e-6);
    let aware = aware_of(&mut data, FitType::Parametric);
    within("vst_designaware", &aware, &frame("vst_designaware"), 1e-7);
}

#[test]
fn regularised_logarithms() {
    let Some((folder, data)) = two_factors() else {
        return;
    };
    let got = rlog(
        &context(2),
        &data,
        &RlogPrior::default(),
        &TransformOptions::default(),
    )
    .expect("transformed");
    let want = value_of(&folder.join("rlog_betaPriorVar.txt"), "betaPriorVar");
    agree(
        "betaPriorVar",
        &[got.beta_prior_variance],
        &want,
        1e-300,
        1e-8,
        &|_| false,
    );
    within(
        "rlog_blind",
        &got.transformed,
        &Frame::read(&folder.join("rlog_blind.tsv.gz")),
        1e-6,
    );
    // With everything frozen the transformation of the same samples stays where it was.
    let known = RlogPrior {
        intercept: Some(got.intercept.clone()),
        beta_prior_variance: Some(got.beta_prior_variance),
        dispersion_fit: Some(got.dispersion_fit.clone()),
    };
    let again =
        rlog(&context(1), &data, &known, &TransformOptions::default()).expect("transformed");
    // The floor of the means weighs differently on genes with few counts.
    let m = data.n_samples();
    let off = (0..data.n_genes() * m)
        .filter(|at| got.intercept[at / m] > 8.0)
        .map(|at| (got.transformed.values[at] - again.transformed.values[at]).abs())
        .fold(0.0, f64::max);
    println!("frozen: off by {off}");
    assert!(off < 0.1, "{off}");
}

#[test]
fn counts_per_million_and_kilobase() {
    let Some((folder, mut data)) = two_factors() else {
        return;
    };
    let ctx = context(1);
    let frame = |name: &str| Frame::read(&folder.join(format!("{name}.tsv.gz")));
    let relative = |name: &str, got: &Transformed| {
        let want = frame(name).matrix();
        agree(name, &got.values[..want.len()], &want, 1e-6, 1e-8, &|_| {
            false
        });
    };
    relative("fpm_robust_rows", &fpm(&ctx, &data, true).expect("fpm"));
    relative("fpm_rows", &fpm(&ctx, &data, false).expect("fpm"));
    relative(
        "normTransform_rows",
        &norm_transform(&ctx, &data, 1.0).expect("log"),
    );
    data.base_pairs = Some(frame("basepairs").numbers("basepairs"));
    relative("fpkm_rows", &fpkm(&ctx, &data, true).expect("fpkm"));
}

#[test]
fn replicates_are_collapsed() {
    let Some((folder, data)) = two_factors() else {
        return;
    };
    let groups: Vec<String> = (0..12).map(|j| format!("G{}", j / 2 + 1)).collect();
    let groups = Categorical::from_labels(&groups);
    let got =
        collapse_replicates(&context(1), &data, &groups, Some(&data.samples)).expect("collapsed");
    let counts = Frame::read(&folder.join("collapseReplicates_counts.tsv.gz"));
    for (gene, cells) in counts.cells.iter().enumerate() {
        let want: Vec<u32> = cells.iter().map(|c| number(c) as u32).collect();
        assert_eq!(got.counts.row(gene), want);
    }
    let table = Frame::read(&folder.join("collapseReplicates_colData.tsv.gz"));
    assert_eq!(got.samples, table.rows);
    let Some(Column::Text(runs)) = got.col_data.column("runsCollapsed") else {
        panic!("no runs");
    };
    assert_eq!(*runs, table.text("runsCollapsed"));
}

#[test]
fn airway_transforms_and_components() {
    let Some(folder) = golden("airway") else {
        return;
    };
    let mut data = dataset(&folder, "~ celltype + dex", &[]);
    let ctx = context(2);
    estimate_size_factors(&ctx, &mut data, &SizeFactorOptions::default()).expect("factors");
    let options = TransformOptions {
        blind: false,
        ..TransformOptions::default()
    };
    let fast = vst(&ctx, &data, &options).expect("transformed");
    within(
        "vst",
        &fast,
        &Frame::read(&folder.join("vst_fast_designaware_rows.tsv.gz")),
        6e-8,
    );
    let blind =
        variance_stabilizing_transformation(&ctx, &data, None, &TransformOptions::default())
            .expect("transformed");
    within(
        "vst blind",
        &blind,
        &Frame::read(&folder.join("vst_blind_rows.tsv.gz")),
        6e-8,
    );
    let pca = sample_pca(&fast.values, 8, 500).expect("components");
    let frame = Frame::read(&folder.join("plotPCA_vst.tsv.gz"));
    for (k, name) in ["PC1", "PC2"].iter().enumerate() {
        let want = frame.numbers(name);
        let got: Vec<f64> = (0..8).map(|j| pca.scores[j * 8 + k]).collect();
        let sign = (got[0] * want[0]).signum();
        let got: Vec<f64> = got.iter().map(|v| v * sign).collect();
        agree(name, &got, &want, 1.0, 1e-6, &|_| false);
    }
}
