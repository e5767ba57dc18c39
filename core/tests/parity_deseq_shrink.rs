//! Shrunken log2 fold changes against tables printed by DESeq2 with apeglm, ashr and its own prior.
//!
//! apeglm stops its optimisation early (deseq.md, section 14): our objective must never be larger
//! than what its coefficient allows, and most coefficients must be close. Without the golden data
//! the tests say so and pass.
#![allow(clippy::print_stdout)] // what was measured, and what was skipped

mod deseq_golden;
mod shared_data;

use std::path::Path;

use cytosol::deseq::{
    Analysis, Compat, Contrast, DeseqDataset, DeseqOptions, PriorInfo, ResultsOptions,
    ShrinkOptions, ShrinkTarget, ShrinkType, Shrunken, deseq, lfc_shrink,
};
use cytosol::stats::effect_size::{ash_posterior, fit_ash_prior, s_values};
use cytosol::stats::glm::{DesignRows, NbGene, box_fit};
use deseq_golden::*;

type Set = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static [&'static str])],
    &'static str,
);

const SETS: [Set; 2] = [
    (
        "sim12_batch_condition",
        "~ batch + condition",
        &[],
        "condition_C_vs_A",
    ),
    (
        "sim12_interaction",
        "~ geno * trt",
        &[("geno", &["wt", "ko"])],
        "genoko.trtdrug",
    ),
];

fn options(kind: ShrinkType) -> ShrinkOptions {
    ShrinkOptions {
        kind,
        results: ResultsOptions {
            compat: Compat::V138,
            ..ResultsOptions::default()
        },
        ..ShrinkOptions::default()
    }
}

fn shrink(
    data: &DeseqDataset,
    analysis: &Analysis,
    name: &str,
    options: &ShrinkOptions,
) -> Shrunken {
    let target = ShrinkTarget::Coefficient(name.to_owned());
    lfc_shrink(&context(2), data, analysis, &target, None, options).expect("shrunken")
}

/// The least objective that a value of the shrunken coefficient allows.
fn objective_at(
    data: &DeseqDataset,
    analysis: &Analysis,
    gene: usize,
    column: usize,
    b: f64,
    scale: f64,
) -> f64 {
    let matrix = &analysis.fit.matrix;
    let (m, p) = (matrix.n_samples, matrix.n_columns());
    let others: Vec<f64> = (0..m)
        .flat_map(|j| (0..p).filter(|&k| k != column).map(move |k| (j, k)))
        .map(|(j, k)| matrix.row(j)[k])
        .collect();
    let size = data.size_factors.as_ref().expect("set");
    let factors: Vec<f64> = (0..m)
        .map(|j| size[j] * (matrix.row(j)[column] * b).exp())
        .collect();
    let logs: Vec<f64> = factors.iter().map(|f| f.ln()).collect();
    let counts: Vec<f64> = data
        .counts
        .row(gene)
        .iter()
        .map(|&k| f64::from(k))
        .collect();
    let alpha = analysis.dispersions.dispersion[gene];
    let nb = NbGene {
        counts: &counts,
        scale: &factors,
        ln_scale: &logs,
        weights: None,
        alpha,
    };
    let mut rest: Vec<f64> = (0..p)
        .filter(|&k| k != column)
        .map(|k| analysis.fit.beta[gene * p + k] * std::f64::consts::LN_2)
        .collect();
    box_fit(
        &DesignRows::new(&others, p - 1),
        &nb,
        &vec![1.0 / 225.0; p - 1],
        &mut rest,
    );
    let mut full = rest.clone();
    full.insert(column, b);
    let likelihood: f64 = (0..m)
        .map(|j| {
            let eta: f64 = matrix.row(j).iter().zip(&full).map(|(x, b)| x * b).sum();
            (counts[j] + 1.0 / alpha) * (alpha * size[j] * eta.exp()).ln_1p() - counts[j] * eta
        })
        .sum();
    let prior: f64 = rest.iter().map(|b| b * b / 450.0).sum();
    likelihood + prior + (b / scale).powi(2).ln_1p()
}

#[test]
fn apeglm_is_never_worse() {
    for (set, design, levels, name) in SETS {
        let Some(folder) = golden(set) else {
            return;
        };
        let mut data = dataset(&folder, design, levels);
        let analysis =
            deseq(&context(2), &mut data, &DeseqOptions::default()).expect("an analysis");
        let got = shrink(&data, &analysis, name, &options(ShrinkType::Apeglm));
        let PriorInfo::Apeglm {
            scale, objective, ..
        } = &got.prior
        else {
            panic!("another prior");
        };
        let want = value_of(&folder.join("lfcShrink_apeglm_prior.txt"), "prior.scale");
        println!("== {set}");
        agree("prior.scale", &[*scale], &want, 1e-300, 1e-8, &|_| false);
        let frame = Frame::read(&folder.join("lfcShrink_apeglm.tsv.gz"));
        let (lfc, se) = (frame.numbers("log2FoldChange"), frame.numbers("lfcSE"));
        let column = analysis
            .fit
            .names()
            .iter()
            .position(|n| n == name)
            .expect("a coefficient");
        let (mut close, mut n, mut worst, mut gained) = (0, 0, f64::NEG_INFINITY, 0);
        for gene in 0..lfc.len() {
            let capped = analysis.fit.iterations[gene] >= 100.0;
            assert_eq!(
                lfc[gene].is_nan(),
                got.results.log2_fold_change[gene].is_nan()
            );
            if lfc[gene].is_nan() || capped {
                continue;
            }
            n += 1;
            let same = (lfc[gene] - got.results.log2_fold_change[gene]).abs() <= 5e-3;
            close += usize::from(same);
            let theirs = objective_at(
                &data,
                &analysis,
                gene,
                column,
                lfc[gene] * std::f64::consts::LN_2,
                *scale,
            );
            worst = f64::max(worst, objective[gene] - theirs);
            gained += usize::from(objective[gene] < theirs - 1e-4);
            if same && (lfc[gene] - got.results.log2_fold_change[gene]).abs() < 1e-4 {
                assert!(
                    (se[gene] / got.results.lfc_se[gene] - 1.0).abs() < 1e-2,
                    "SE of {gene}"
                );
            }
        }
        println!(
            "{close} of {n} within 5e-3; objective at most {worst:e} larger; {gained} lower by 1e-4"
        );
        assert!(close * 100 >= n * 99);
        assert!(worst <= 1e-6);
        compare_s_values(&data, &analysis, name, &folder, ShrinkType::Apeglm);
    }
}

/// s-values with and without threshold. Those of the printed effects are the printed ones; ours
/// follow our effects, and call the same genes but for one in 100 (one gene's other mode moves the
/// running means of all less certain ones).
fn compare_s_values(
    data: &DeseqDataset,
    analysis: &Analysis,
    name: &str,
    folder: &Path,
    kind: ShrinkType,
) {
    let ln2 = std::f64::consts::LN_2;
    for (stem, threshold) in [
        ("lfcShrink_apeglm_svalue", 0.0),
        ("lfcShrink_apeglm_T1", 1.0),
    ] {
        let asked = ShrinkOptions {
            svalue: true,
            lfc_threshold: threshold,
            ..options(kind)
        };
        let got = shrink(data, analysis, name, &asked)
            .results
            .svalue
            .expect("asked for");
        let frame = Frame::read(&folder.join(format!("{stem}.tsv.gz")));
        let want = frame.numbers("svalue");
        let effects = frame.numbers("log2FoldChange");
        let rates: Vec<f64> = effects
            .iter()
            .zip(frame.numbers("lfcSE"))
            .map(|(b, se)| {
                let z = (b.abs() - threshold) * ln2 / (se * ln2);
                cytosol::stats::special::normal_upper_tail(z)
            })
            .collect();
        agree(stem, &s_values(&rates), &want, 1e-6, 1e-6, &|_| false);
        let known: Vec<usize> = (0..want.len()).filter(|&i| !want[i].is_nan()).collect();
        let same = known
            .iter()
            .filter(|&&i| (got[i] < 0.05) == (want[i] < 0.05))
            .count();
        println!("{stem}: {same} of {} called alike at 0.05", known.len());
        assert!(same * 100 >= known.len() * 99);
    }
}

#[test]
fn apeglm_takes_contrasts() {
    let Some(folder) = golden("sim12_batch_condition") else {
        return;
    };
    let mut data = dataset(&folder, "~ batch + condition", &[]);
    let analysis = deseq(&context(2), &mut data, &DeseqOptions::default()).expect("an analysis");
    let asked = options(ShrinkType::Apeglm);
    let by_name = ResultsOptions {
        name: Some("condition_C_vs_A".to_owned()),
        ..ResultsOptions::default()
    };
    let base = cytosol::deseq::results(&context(1), &data, &analysis, &by_name).expect("results");
    let by = |contrast: Contrast| {
        let target = ShrinkTarget::Contrast(contrast);
        lfc_shrink(&context(2), &data, &analysis, &target, Some(&base), &asked).expect("shrunken")
    };
    // A contrast that is a coefficient gives what the coefficient gives.
    let name = shrink(&data, &analysis, "condition_C_vs_A", &asked);
    let same = by(Contrast::factor("condition", "C", "A"));
    agree(
        "C vs A",
        &same.results.log2_fold_change,
        &name.results.log2_fold_change,
        1e-3,
        1e-9,
        &|_| false,
    );
    // The reference of the factor does not matter: C vs B from levels B < A < C.
    let mut relevelled = dataset(
        &folder,
        "~ batch + condition",
        &[("condition", &["B", "A", "C"])],
    );
    let other = deseq(&context(2), &mut relevelled, &DeseqOptions::default()).expect("an analysis");
    let target = ShrinkTarget::Coefficient("condition_C_vs_B".to_owned());
    let want = lfc_shrink(
        &context(2),
        &relevelled,
        &other,
        &target,
        Some(&base),
        &asked,
    )
    .expect("shrunken");
    let got = by(Contrast::factor("condition", "C", "B"));
    let (got, want) = (got.results.log2_fold_change, want.results.log2_fold_change);
    let close = (0..got.len())
        .filter(|&i| got[i].is_nan() || (got[i] - want[i]).abs() < 5e-3)
        .count();
    println!("C vs B: {close} of {} within 5e-3", got.len());
    assert!(close * 100 >= got.len() * 99);
}

/// From the printed effects and errors, so that nothing else differs.
#[test]
fn ashr_has_at_least_the_likelihood() {
    for (set, stem) in [
        ("sim12_batch_condition", "results_condition_C_vs_A"),
        ("sim12_interaction", "results_interaction"),
    ] {
        let Some(folder) = golden(set) else {
            return;
        };
        let base = Frame::read(&folder.join(format!("{stem}.tsv.gz")));
        let (lfc, se) = (base.numbers("log2FoldChange"), base.numbers("lfcSE"));
        let prior = fit_ash_prior(&lfc, &se).expect("a prior");
        let g = Frame::read(&folder.join("lfcShrink_ashr_g.tsv.gz"));
        agree(
            "ash grid",
            &prior.sd,
            &g.numbers("sd"),
            1e-300,
            1e-7,
            &|_| false,
        );
        let likelihood = |pi: &[f64]| -> f64 {
            let pairs = lfc.iter().zip(&se).filter(|(b, _)| !b.is_nan());
            pairs
                .map(|(b, s)| {
                    let terms = prior.sd.iter().zip(pi).map(|(g, p)| {
                        let v = g * g + s * s;
                        p * (-0.5 * b * b / v).exp() / v.sqrt()
                    });
                    terms.sum::<f64>().ln()
                })
                .sum()
        };
        let (ours, theirs) = (likelihood(&prior.pi), likelihood(&g.numbers("pi")));
        println!("{set}: log-likelihood {ours} and {theirs}");
        assert!(ours >= theirs - 1e-6);
        let posterior = ash_posterior(&prior, &lfc, &se);
        let frame = Frame::read(&folder.join("lfcShrink_ashr.tsv.gz"));
        let off = |got: &[f64], want: &[f64]| {
            got.iter()
                .zip(want)
                .filter(|(_, w)| !w.is_nan())
                .map(|(g, w)| (w - g).abs())
                .fold(0.0, f64::max)
        };
        let means = off(&posterior.mean, &frame.numbers("log2FoldChange"));
        let deviations = off(&posterior.sd, &frame.numbers("lfcSE"));
        println!("{set}: means off by {means:e}, deviations by {deviations:e}");
        assert!(means <= 1e-4 && deviations <= 1e-4);
    }
}

#[test]
fn the_normal_prior() {
    let Some(folder) = golden("sim12_batch_condition") else {
        return;
    };
    let mut data = dataset(&folder, "~ batch + condition", &[]);
    let analysis = deseq(&context(2), &mut data, &DeseqOptions::default()).expect("an analysis");
    let capped = |i: usize| analysis.fit.iterations[i] >= 100.0;
    let asked = options(ShrinkType::Normal);
    for (target, stem, prior) in [
        (
            ShrinkTarget::Coefficient("condition_C_vs_A".to_owned()),
            "lfcShrink_normal_coef",
            "lfcShrink_normal_coef_prior.txt",
        ),
        (
            ShrinkTarget::Contrast(Contrast::factor("condition", "C", "B")),
            "lfcShrink_normal_contrast_C_vs_B",
            "lfcShrink_normal_contrast_prior.txt",
        ),
    ] {
        println!("== {stem}");
        let got =
            lfc_shrink(&context(2), &data, &analysis, &target, None, &asked).expect("shrunken");
        let PriorInfo::Normal { variance, .. } = &got.prior else {
            panic!("another prior");
        };
        agree(
            "betaPriorVar",
            variance,
            &value_of(&folder.join(prior), "betaPriorVar"),
            1e-300,
            1e-7,
            &|_| false,
        );
        let frame = Frame::read(&folder.join(format!("{stem}.tsv.gz")));
        let want = frame.numbers("log2FoldChange");
        // Fits with the prior may reach the cap where those without do not; the reference then
        // minimises by another path. (One more gene differs by 5e-7 in its error; unexplained.)
        let errors = frame.numbers("lfcSE");
        let other_path: Vec<usize> = (0..want.len())
            .filter(|&i| {
                let off = (got.results.log2_fold_change[i] - want[i]).abs();
                off > 1e-8 * want[i].abs().max(0.1)
                    || (got.results.lfc_se[i] - errors[i]).abs() > 1e-7 * errors[i]
            })
            .collect();
        println!("other path: {other_path:?}");
        assert!(other_path.len() <= 6);
        let skip = |i: usize| capped(i) || other_path.contains(&i);
        agree(
            "log2FoldChange",
            &got.results.log2_fold_change,
            &want,
            0.1,
            1e-2,
            &|_| false,
        );
        agree(
            "lfcSE",
            &got.results.lfc_se,
            &frame.numbers("lfcSE"),
            1e-300,
            1e-7,
            &skip,
        );
    }
    let mut other = dataset(&folder, "~ batch * condition", &[]);
    let analysis = deseq(&context(2), &mut other, &DeseqOptions::default()).expect("an analysis");
    let target = ShrinkTarget::Coefficient("condition_C_vs_A".to_owned());
    let error =
        lfc_shrink(&context(1), &other, &analysis, &target, None, &asked).expect_err("refused");
    assert!(
        error
            .message()
            .contains("use 'apeglm' or 'ashr' for a design with interactions")
    );
}
