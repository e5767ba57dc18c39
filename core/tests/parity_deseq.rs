//! The DESeq2-shaped engine against tables printed by DESeq2.
//!
//! The golden data lie in `shared/golden` beside the workspace, or under `CYTO_SHARED`; without
//! them the tests say so and pass. Printed numbers have 10 to 12 digits.
#![allow(clippy::print_stdout)] // what was measured, and what was skipped

mod deseq_golden;
mod shared_data;

use std::path::Path;

use cytosol::deseq::{
    AltHypothesis, Analysis, Compat, Contrast, CooksFilter, DeseqDataset, DeseqOptions,
    DeseqResults, Design, ResultsOptions, SizeFactorOptions, SizeFactorType, TestKind, deseq,
    estimate_size_factors, results, summary,
};
use cytosol::stats::dispersion::{FitType, Trend, fit_trend};
use cytosol::stats::multiple_testing::Adjustment;
use deseq_golden::*;

/// Printed digits of the golden tables.
const PRINTED: f64 = 6e-10;

fn run(dataset: &mut DeseqDataset, options: &DeseqOptions) -> Analysis {
    deseq(&context(1), dataset, options).expect("an analysis")
}

/// Compares all columns of an `mcols` table.
fn compare_mcols(analysis: &Analysis, frame: &Frame) {
    let (d, f) = (&analysis.dispersions, &analysis.fit);
    let want = |name: &str| frame.numbers(name);
    let none = |_: usize| false;
    agree(
        "baseMean",
        &d.moments.mean,
        &want("baseMean"),
        1e-300,
        PRINTED,
        &none,
    );
    agree(
        "baseVar",
        &d.moments.variance,
        &want("baseVar"),
        1e-300,
        PRINTED,
        &none,
    );
    agree(
        "allZero",
        &flags(&d.moments.all_zero),
        &want("allZero"),
        1.0,
        0.0,
        &none,
    );
    let iterations = if frame.has("betaIter") {
        want("betaIter")
    } else {
        vec![1.0; d.fit.len()]
    };
    // The reference minimises these by another path; see deseq.md, section 20.
    let capped = |i: usize| iterations[i] >= 100.0;
    // A local trend is held to 1e-6 (deseq.md, section 20), and what follows from it.
    let tolerance = if matches!(d.trend, Trend::Local(_)) {
        1e-6
    } else {
        1e-8
    };
    // At the least dispersion the reference's path follows the rounding of its gamma functions
    // (quirk Q11); the estimate is the same.
    let estimates = want("dispGeneEst");
    let rounding = |i: usize| capped(i) || estimates[i] <= 1e-8;
    // Rounding may turn one proposal of a search that has all but ended: at most a gene in 1,000.
    let (printed, printed_map) = (want("dispGeneIter"), want("dispIter"));
    let turned: Vec<usize> = (0..estimates.len())
        .filter(|&i| !estimates[i].is_nan() && !capped(i))
        .filter(|&i| d.iter[i] != printed_map[i] || (!rounding(i) && d.gene_iter[i] != printed[i]))
        .collect();
    println!("turned: {turned:?}");
    assert!(turned.len() * 1000 <= estimates.len());
    for &i in &turned {
        assert!((d.gene_est[i] / estimates[i] - 1.0).abs() < 1e-5);
        assert!((d.map[i] / want("dispMAP")[i] - 1.0).abs() < 1e-5);
    }
    let capped = |i: usize| capped(i) || turned.contains(&i);
    let rounding = |i: usize| rounding(i) || turned.contains(&i);
    agree(
        "dispGeneIter",
        &d.gene_iter,
        &want("dispGeneIter"),
        1.0,
        0.0,
        &rounding,
    );
    agree(
        "dispGeneEst",
        &d.gene_est,
        &want("dispGeneEst"),
        1e-300,
        tolerance,
        &capped,
    );
    // Where the reference stopped short, its estimate still enters its trend, and so everything
    // after it: the trend of the printed estimates is the printed one, and ours is close.
    let tolerance = if (0..d.fit.len()).any(&capped) && !d.moments.all_zero.is_empty() {
        trend_of_printed(&d.trend, frame, tolerance);
        10.0 * tolerance
    } else {
        tolerance
    };
    agree(
        "dispFit",
        &d.fit,
        &want("dispFit"),
        1e-300,
        tolerance,
        &none,
    );
    agree("dispIter", &d.iter, &want("dispIter"), 1.0, 0.0, &capped);
    agree(
        "dispMAP",
        &d.map,
        &want("dispMAP"),
        1e-300,
        tolerance,
        &capped,
    );
    agree(
        "dispersion",
        &d.dispersion,
        &want("dispersion"),
        1e-300,
        tolerance,
        &capped,
    );
    agree(
        "betaIter",
        &f.iterations,
        &want("betaIter"),
        1.0,
        0.0,
        &none,
    );
    for (column, name) in f.names().iter().enumerate() {
        let part = |from: &[f64]| f.column(from, column);
        // Coefficients near 0 by their difference: 1e-9 log2 units.
        agree(name, &part(&f.beta), &want(name), 0.1, tolerance, &capped);
        let se = format!("SE_{name}");
        agree(&se, &part(&f.se), &want(&se), 1e-300, tolerance, &capped);
        let stat = format!("WaldStatistic_{name}");
        if frame.has(&stat) {
            agree(
                &stat,
                &part(&f.wald_statistic),
                &want(&stat),
                1e-3,
                tolerance,
                &capped,
            );
            let p = format!("WaldPvalue_{name}");
            agree_p(
                &p,
                &part(&f.wald_pvalue),
                &want(&p),
                10.0 * tolerance,
                &capped,
            );
        }
    }
    if let Some(lrt) = &f.lrt {
        agree(
            "LRTStatistic",
            &lrt.statistic,
            &want("LRTStatistic"),
            1e-3,
            1e-7,
            &capped,
        );
        agree_p("LRTPvalue", &lrt.pvalue, &want("LRTPvalue"), 1e-7, &capped);
    }
    agree(
        "deviance",
        &f.deviance,
        &want("deviance"),
        1.0,
        tolerance,
        &capped,
    );
    agree(
        "maxCooks",
        &f.max_cooks,
        &want("maxCooks"),
        1e-12,
        tolerance,
        &capped,
    );
}

#[test]
fn every_intermediate_of_two_factors() {
    let Some(folder) = golden("sim12_batch_condition") else {
        return;
    };
    let mut data = dataset(&folder, "~ batch + condition", &[]);
    let analysis = run(&mut data, &DeseqOptions::default());
    let factors = Frame::read(&folder.join("sizeFactors.tsv.gz"));
    let name = factors.columns[0].clone();
    let got = data.size_factors.as_ref().expect("estimated");
    agree(
        "sizeFactors",
        got,
        &factors.numbers(&name),
        1e-300,
        1e-12,
        &|_| false,
    );
    compare_mcols(&analysis, &Frame::read(&folder.join("mcols.tsv.gz")));
    compare_trend(&analysis, &folder.join("dispersionFunction.txt"));
}

/// The trend of the printed gene-wise estimates is the printed trend.
fn trend_of_printed(trend: &Trend, frame: &Frame, tolerance: f64) {
    if frame.has("replace") {
        return;
    }
    let (mean, disp, fit) = (
        frame.numbers("baseMean"),
        frame.numbers("dispGeneEst"),
        frame.numbers("dispFit"),
    );
    let used: Vec<usize> = (0..mean.len()).filter(|&i| !disp[i].is_nan()).collect();
    let pick = |from: &[f64]| used.iter().map(|&i| from[i]).collect::<Vec<_>>();
    let refit = fit_trend(&pick(&mean), &pick(&disp), trend.fit_type(), 1e-8).expect("a trend");
    let got: Vec<f64> = pick(&mean).iter().map(|&m| refit.value(m)).collect();
    agree(
        "dispFit of printed",
        &got,
        &pick(&fit),
        1e-300,
        tolerance,
        &|_| false,
    );
}

/// Trend coefficients, residual variance and prior variance.
fn compare_trend(analysis: &Analysis, path: &Path) {
    let d = &analysis.dispersions;
    let none = |_: usize| false;
    if let Trend::Parametric(c) = &d.trend {
        let want = value_of(path, "coefficients");
        agree(
            "coefficients",
            &[c.asymptotic, c.extra_poisson],
            &want,
            1e-300,
            1e-8,
            &none,
        );
    }
    let tolerance = if matches!(d.trend, Trend::Local(_)) {
        1e-6
    } else {
        1e-8
    };
    let want = value_of(path, "varLogDispEsts");
    agree(
        "varLogDispEsts",
        &[d.var_log_disp_ests],
        &want,
        1e-300,
        tolerance,
        &none,
    );
    let want = value_of(path, "dispPriorVar");
    agree(
        "dispPriorVar",
        &[d.prior_var],
        &want,
        1e-300,
        tolerance,
        &none,
    );
}

/// Compares a table of results; the calls at 0.05 and 0.1 must be the same.
fn compare_results(name: &str, got: &DeseqResults, frame: &Frame, skip: &dyn Fn(usize) -> bool) {
    println!("-- {name}");
    let want = |name: &str| frame.numbers(name);
    agree(
        "baseMean",
        &got.base_mean,
        &want("baseMean"),
        1e-300,
        PRINTED,
        &|_| false,
    );
    agree(
        "log2FoldChange",
        &got.log2_fold_change,
        &want("log2FoldChange"),
        0.1,
        1e-8,
        skip,
    );
    agree("lfcSE", &got.lfc_se, &want("lfcSE"), 1e-300, 1e-8, skip);
    if let (Some(stat), true) = (&got.stat, frame.has("stat")) {
        agree("stat", stat, &want("stat"), 1e-2, 1e-7, skip);
    }
    if let Some(p) = &got.pvalue {
        agree_p("pvalue", p, &want("pvalue"), 1e-7, skip);
    }
    let padj = got.padj.as_ref().expect("adjusted");
    // The p-value of a gene that is minimised by another path moves the adjusted values about it.
    let tolerance = if (0..padj.len()).any(skip) {
        1e-4
    } else {
        1e-7
    };
    agree_p("padj", padj, &want("padj"), tolerance, skip);
    for level in [0.05, 0.1] {
        let called = |values: &[f64]| values.iter().map(|p| *p < level).collect::<Vec<_>>();
        assert_eq!(called(padj), called(&want("padj")), "{name} at {level}");
    }
}

fn compare_filtering(got: &DeseqResults, folder: &Path, stem: &str) {
    let filtering = got.filtering.as_ref().expect("filtered");
    let meta = folder.join(format!("{stem}_meta.txt"));
    let none = |_: usize| false;
    let threshold = value_of(&meta, "filterThreshold");
    agree(
        "filterThreshold",
        &[filtering.threshold],
        &threshold,
        1e-300,
        1e-9,
        &none,
    );
    let theta = value_of(&meta, "filterTheta");
    agree(
        "filterTheta",
        &[filtering.theta],
        &theta,
        1e-300,
        1e-9,
        &none,
    );
    let steps = Frame::read(&folder.join(format!("{stem}_filterNumRej.tsv.gz")));
    let rejections: Vec<f64> = filtering
        .steps
        .iter()
        .map(|s| s.rejections as f64)
        .collect();
    agree(
        "numRej",
        &rejections,
        &steps.numbers("numRej"),
        1.0,
        0.0,
        &none,
    );
    let smooth: Vec<f64> = filtering.steps.iter().map(|s| s.smooth).collect();
    agree("lo.fit", &smooth, &steps.numbers("lo"), 1e-3, 1e-7, &none);
}

fn old() -> ResultsOptions {
    ResultsOptions {
        compat: Compat::V138,
        ..ResultsOptions::default()
    }
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

/// Rows whose IRLS reached the cap: the reference minimises these by another path.
fn capped_rows(analysis: &Analysis) -> impl Fn(usize) -> bool + '_ {
    |i| analysis.fit.iterations[i] >= 100.0
}

#[test]
fn results_of_two_factors() {
    let Some(folder) = golden("sim12_batch_condition") else {
        return;
    };
    let mut data = dataset(&folder, "~ batch + condition", &[]);
    let analysis = run(&mut data, &DeseqOptions::default());
    let skip = capped_rows(&analysis);
    let table = |options: &ResultsOptions| {
        results(&context(2), &data, &analysis, options).expect("results")
    };
    let check = |stem: &str, options: &ResultsOptions, filtered: bool| {
        let got = table(options);
        let frame = Frame::read(&folder.join(format!("{stem}.tsv.gz")));
        compare_results(stem, &got, &frame, &skip);
        if filtered {
            compare_filtering(&got, &folder, stem);
        }
        let words = folder.join(format!("{stem}_desc.txt"));
        if words.exists() {
            let words = std::fs::read_to_string(words).expect("text");
            let got: Vec<&str> = got.notes.iter().map(|n| n.1.description.as_str()).collect();
            assert_eq!(got, words.lines().collect::<Vec<_>>(), "{stem}");
        }
        got
    };
    let first = check("results_condition_C_vs_A", &old(), true);
    let text =
        std::fs::read_to_string(folder.join("results_condition_C_vs_A_summary.txt")).expect("text");
    assert_eq!(summary(&first, None).trim_end(), text.trim_end());
    let contrast = |contrast: Contrast| ResultsOptions {
        contrast: Some(contrast),
        ..old()
    };
    check(
        "results_contrast_C_vs_B",
        &contrast(Contrast::factor("condition", "C", "B")),
        true,
    );
    let plain = ResultsOptions {
        independent_filtering: false,
        cooks_cutoff: CooksFilter::Off,
        ..contrast(Contrast::factor("condition", "A", "B"))
    };
    check("results_A_vs_B_nofilter", &plain, false);
    check(
        "results_numeric_0_0_-0.5_1",
        &contrast(Contrast::Numeric(vec![0.0, 0.0, -0.5, 1.0])),
        true,
    );
    let list = ResultsOptions {
        list_values: (0.5, -0.5),
        ..contrast(Contrast::List {
            numerators: strings(&["condition_B_vs_A", "condition_C_vs_A"]),
            denominators: Vec::new(),
        })
    };
    check("results_list_avg", &list, true);
    let bonferroni = ResultsOptions {
        alpha: 0.05,
        p_adjust_method: Adjustment::Bonferroni,
        ..contrast(Contrast::factor("condition", "B", "A"))
    };
    check("results_bonferroni", &bonferroni, true);
    for (alt, stem) in [
        (AltHypothesis::GreaterAbs, "greaterAbs"),
        (AltHypothesis::LessAbs, "lessAbs"),
        (AltHypothesis::Greater, "greater"),
        (AltHypothesis::Less, "less"),
    ] {
        let options = ResultsOptions {
            lfc_threshold: 1.0,
            alt_hypothesis: alt,
            ..old()
        };
        check(&format!("results_T1_{stem}"), &options, false);
    }
    check("v1434_results", &ResultsOptions::default(), true);
    for (alt, stem) in [
        (AltHypothesis::GreaterAbs, "v1434_results_greaterAbs_T0.5"),
        (
            AltHypothesis::GreaterAbs2014,
            "v1434_results_greaterAbs2014_T0.5",
        ),
    ] {
        let options = ResultsOptions {
            lfc_threshold: 0.5,
            alt_hypothesis: alt,
            ..ResultsOptions::default()
        };
        check(stem, &options, true);
    }
}

#[test]
fn t_tests_of_two_factors() {
    let Some(folder) = golden("sim12_batch_condition") else {
        return;
    };
    let mut data = dataset(&folder, "~ batch + condition", &[]);
    let mut options = DeseqOptions::default();
    options.fit.use_t = true;
    let analysis = run(&mut data, &options);
    let got = results(&context(1), &data, &analysis, &old()).expect("results");
    let frame = Frame::read(&folder.join("results_useT.tsv.gz"));
    compare_results("useT", &got, &frame, &capped_rows(&analysis));
}

#[test]
fn likelihood_ratio_tests() {
    for (set, design, reduced, levels) in [
        (
            "sim12_batch_condition",
            "~ batch + condition",
            "~ batch",
            &[][..],
        ),
        (
            "sim12_interaction",
            "~ geno * trt",
            "~ geno + trt",
            &[("geno", &["wt", "ko"][..])][..],
        ),
    ] {
        let Some(folder) = golden(set) else {
            return;
        };
        let mut data = dataset(&folder, design, levels);
        let options = DeseqOptions {
            test: TestKind::Lrt,
            reduced: Some(Design::formula(reduced).expect("formula")),
            ..DeseqOptions::default()
        };
        let analysis = run(&mut data, &options);
        let mcols = folder.join("mcols_LRT.tsv.gz");
        if mcols.exists() {
            compare_mcols(&analysis, &Frame::read(&mcols));
        }
        let got = results(&context(1), &data, &analysis, &old()).expect("results");
        let frame = Frame::read(&folder.join("results_LRT.tsv.gz"));
        compare_results("LRT", &got, &frame, &capped_rows(&analysis));
        compare_filtering(&got, &folder, "results_LRT");
    }
}

#[test]
fn interactions_use_linear_means() {
    let Some(folder) = golden("sim12_interaction") else {
        return;
    };
    let mut data = dataset(&folder, "~ geno * trt", &[("geno", &["wt", "ko"])]);
    let analysis = run(&mut data, &DeseqOptions::default());
    compare_mcols(&analysis, &Frame::read(&folder.join("mcols.tsv.gz")));
    compare_trend(&analysis, &folder.join("dispersionFunction.txt"));
    let skip = capped_rows(&analysis);
    let got = results(&context(1), &data, &analysis, &old()).expect("results");
    compare_results(
        "interaction",
        &got,
        &Frame::read(&folder.join("results_interaction.tsv.gz")),
        &skip,
    );
    let list = ResultsOptions {
        contrast: Some(Contrast::List {
            numerators: strings(&["trt_drug_vs_ctl", "genoko.trtdrug"]),
            denominators: Vec::new(),
        }),
        ..old()
    };
    let got = results(&context(1), &data, &analysis, &list).expect("results");
    compare_results(
        "drug in ko",
        &got,
        &Frame::read(&folder.join("results_drug_in_ko.tsv.gz")),
        &skip,
    );
}

#[test]
fn trends_local_and_mean() {
    let Some(folder) = golden("sim12_batch_condition") else {
        return;
    };
    for (fit_type, name) in [(FitType::Local, "local"), (FitType::Mean, "mean")] {
        let mut data = dataset(&folder, "~ batch + condition", &[]);
        let mut options = DeseqOptions::default();
        options.dispersions.fit_type = fit_type;
        let analysis = run(&mut data, &options);
        println!("== {name}");
        compare_trend(
            &analysis,
            &folder.join(format!("fitType_{name}/dispersionFunction.txt")),
        );
        compare_mcols(
            &analysis,
            &Frame::read(&folder.join(format!("mcols_fitType_{name}.tsv.gz"))),
        );
    }
}

#[test]
fn few_degrees_of_freedom() {
    let Some(folder) = golden("sim4_lowdf") else {
        return;
    };
    let mut data = dataset(&folder, "~ condition", &[]);
    let analysis = run(&mut data, &DeseqOptions::default());
    compare_trend(&analysis, &folder.join("dispersionFunction.txt"));
    compare_mcols(&analysis, &Frame::read(&folder.join("mcols.tsv.gz")));
    let got = results(&context(1), &data, &analysis, &old()).expect("results");
    compare_results(
        "lowdf",
        &got,
        &Frame::read(&folder.join("results.tsv.gz")),
        &capped_rows(&analysis),
    );
}

#[test]
fn outliers_are_replaced() {
    let Some(folder) = golden("sim16_replace") else {
        return;
    };
    let mut data = dataset(&folder, "~ condition", &[]);
    let mut options = DeseqOptions::default();
    options.fit.min_replicates_for_replace = usize::MAX;
    let before = run(&mut data, &options);
    compare_mcols(&before, &Frame::read(&folder.join("mcols_norefit.tsv.gz")));
    println!("== after");
    let analysis = run(&mut data, &DeseqOptions::default());
    let mcols = Frame::read(&folder.join("mcols.tsv.gz"));
    compare_mcols(&analysis, &mcols);
    let replacement = analysis.replacement.as_ref().expect("replaced");
    let missing = |i: usize| analysis.dispersions.gene_est[i].is_nan();
    agree(
        "replace",
        &flags(&replacement.replace),
        &mcols.numbers("replace"),
        1.0,
        0.0,
        &missing,
    );
    let rows = Frame::read(&folder.join("replaceCounts_rows.tsv.gz"));
    for (gene, cells) in rows.rows.iter().zip(&rows.cells) {
        let at = data.genes.iter().position(|g| g == gene).expect("a gene");
        let want: Vec<u32> = cells.iter().map(|c| number(c) as u32).collect();
        let got = replacement
            .counts
            .get(&at)
            .cloned()
            .unwrap_or_else(|| data.counts.row(at));
        assert_eq!(got, want, "{gene}");
    }
    let got = results(&context(1), &data, &analysis, &old()).expect("results");
    compare_results(
        "replaced",
        &got,
        &Frame::read(&folder.join("results.tsv.gz")),
        &capped_rows(&analysis),
    );
    compare_filtering(&got, &folder, "results");
    let text = std::fs::read_to_string(folder.join("results_summary.txt")).expect("text");
    assert_eq!(summary(&got, None).trim_end(), text.trim_end());
}

#[test]
fn other_designs() {
    let Some(folder) = golden("sim16_replace") else {
        return;
    };
    for (design, stem) in [
        ("~ age + condition", "mcols_age_condition"),
        ("~ 0 + condition", "mcols_no_intercept"),
    ] {
        println!("== {design}");
        let mut data = dataset(&folder, design, &[]);
        let analysis = run(&mut data, &DeseqOptions::default());
        compare_mcols(
            &analysis,
            &Frame::read(&folder.join(format!("{stem}.tsv.gz"))),
        );
        if design.contains('0') {
            let got = results(&context(1), &data, &analysis, &old()).expect("results");
            let frame = Frame::read(&folder.join("results_no_intercept.tsv.gz"));
            compare_results("no intercept", &got, &frame, &capped_rows(&analysis));
        }
    }
}

#[test]
fn a_prior_on_coefficients() {
    let Some(folder) = golden("sim12_batch_condition") else {
        return;
    };
    let mut data = dataset(&folder, "~ batch + condition", &[]);
    let mut options = DeseqOptions::default();
    options.fit.beta_prior = true;
    let analysis = run(&mut data, &options);
    let variance = analysis.fit.beta_prior_variance.as_ref().expect("a prior");
    let want = value_of(&folder.join("betaPriorVar.txt"), "betaPriorVar");
    agree("betaPriorVar", variance, &want, 1e-300, 1e-7, &|_| false);
    compare_mcols(
        &analysis,
        &Frame::read(&folder.join("mcols_betaPrior.tsv.gz")),
    );
    let add_mle = ResultsOptions {
        add_mle: true,
        contrast: Some(Contrast::factor("condition", "C", "B")),
        ..old()
    };
    let got = results(&context(1), &data, &analysis, &add_mle).expect("results");
    let frame = Frame::read(&folder.join("results_betaPrior_addMLE.tsv.gz"));
    compare_results("betaPrior", &got, &frame, &capped_rows(&analysis));
    let mle = got.lfc_mle.as_ref().expect("asked for");
    agree(
        "lfcMLE",
        mle,
        &frame.numbers("lfcMLE"),
        1e-3,
        1e-8,
        &capped_rows(&analysis),
    );
}

#[test]
fn weights_and_lengths() {
    let Some(folder) = golden("sim12_batch_condition") else {
        return;
    };
    let mut data = dataset(&folder, "~ batch + condition", &[]);
    let weights = Frame::read(&folder.join("weights.tsv.gz")).matrix();
    data.set_weights(weights).expect("weights");
    let analysis = run(&mut data, &DeseqOptions::default());
    println!("== weights");
    compare_mcols(
        &analysis,
        &Frame::read(&folder.join("mcols_weights.tsv.gz")),
    );
    println!("== lengths");
    let mut data = dataset(&folder, "~ batch + condition", &[]);
    let lengths: Vec<f64> = Frame::read(&folder.join("avgTxLength.tsv.gz")).matrix();
    data.set_avg_tx_length(lengths.iter().map(|l| l * 1000.0).collect())
        .expect("lengths");
    let analysis = run(&mut data, &DeseqOptions::default());
    let rows = Frame::read(&folder.join("normalizationFactors_rows.tsv.gz"));
    let got = data.normalization_factors.as_ref().expect("estimated");
    let want = rows.matrix();
    agree(
        "normalizationFactors",
        &got[..want.len()],
        &want,
        1e-300,
        1e-9,
        &|_| false,
    );
    compare_mcols(
        &analysis,
        &Frame::read(&folder.join("mcols_avgTxLength.tsv.gz")),
    );
}

#[test]
fn size_factors_of_other_kinds() {
    let Some(folder) = golden("sim12_batch_condition") else {
        return;
    };
    let variants = Frame::read(&folder.join("sizeFactors_variants.tsv.gz"));
    let check = |name: &str, options: &SizeFactorOptions, tolerance: f64| {
        let mut data = dataset(&folder, "~ batch + condition", &[]);
        estimate_size_factors(&context(1), &mut data, options).expect("factors");
        let got = data.size_factors.as_ref().expect("set");
        agree(
            name,
            got,
            &variants.numbers(name),
            1e-300,
            tolerance,
            &|_| false,
        );
    };
    check("ratio", &SizeFactorOptions::default(), 1e-12);
    let poscounts = SizeFactorOptions {
        kind: SizeFactorType::Poscounts,
        ..SizeFactorOptions::default()
    };
    check("poscounts", &poscounts, 1e-12);
    let control = SizeFactorOptions {
        control_genes: Some((0..200).collect()),
        ..SizeFactorOptions::default()
    };
    check("control_1_200", &control, 1e-12);
    // The reference maximises by differences, which leaves it some 1e-6 short of the maximum.
    let iterate = SizeFactorOptions {
        kind: SizeFactorType::Iterate,
        ..SizeFactorOptions::default()
    };
    check("iterate", &iterate, 1e-4);
}
