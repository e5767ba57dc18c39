//! The fast mode beside the exact one: same trend, same calls, dispersions nowhere less likely.
//!
//! Studies are simulated; where the golden data lie in `shared/golden` beside the workspace, or under
//! `CYTO_SHARED`, the reference's own tables are compared too.
#![allow(clippy::print_stdout)] // what was measured, and what was skipped

mod deseq_golden;
mod shared_data;

use cytosol::data::{Categorical, Column, Table};
use cytosol::deseq::{
    Analysis, Compat, Counts, DeseqDataset, DeseqOptions, DeseqResults, Design, Mode,
    ResultsOptions, TestKind, deseq, results,
};
use cytosol::par::rng::stream;
use cytosol::stats::count_table::CountTable;
use cytosol::stats::dispersion::{
    DispersionProfile, FitType, LogPrior, ProfileWorkspace, Trend, fit_trend,
};
use cytosol::stats::glm::DesignRows;
use deseq_golden::*;

fn options(mode: Mode) -> DeseqOptions {
    let mut options = DeseqOptions::default();
    options.dispersions.mode = mode;
    options
}

fn run(data: &DeseqDataset, options: &DeseqOptions, threads: usize) -> (DeseqDataset, Analysis) {
    let mut data = data.clone();
    let analysis = deseq(&context(threads), &mut data, options).expect("an analysis");
    (data, analysis)
}

/// Gamma-Poisson counts by a normal approximation of the logarithm: no distribution is tested here.
fn simulate(genes: usize, samples: usize, design: &str, spread: f64) -> DeseqDataset {
    let mut values = Vec::new();
    for gene in 0..genes {
        let mut random = stream(5, "fast", gene as u64);
        let mean = (4.0 + spread * random.normal()).exp2();
        let dispersion = (3.0 / mean + 0.08) * (0.5 * random.normal()).exp();
        let fold = if gene % 5 == 0 {
            1.5 * random.normal()
        } else {
            0.0
        };
        for j in 0..samples {
            let mu = mean * (0.7 + 0.1 * (j % 7) as f64) * (fold * f64::from(j as u32 % 2)).exp2();
            let sd = (1.0 / mu + dispersion).ln_1p().sqrt();
            let q = mu * (sd * random.normal() - 0.5 * sd * sd).exp();
            values.push((q + random.uniform()).floor() as u32);
        }
    }
    let label = |f: &dyn Fn(usize) -> &'static str| {
        let labels: Vec<String> = (0..samples).map(|j| f(j).to_owned()).collect();
        Column::Categorical(Categorical::from_labels(&labels))
    };
    let mut table = Table::new((0..samples).map(|j| format!("s{j}")).collect());
    table
        .set("condition", label(&|j| ["a", "b"][j % 2]))
        .expect("fits");
    table
        .set("batch", label(&|j| ["x", "y", "z"][j / 2 % 3]))
        .expect("fits");
    let age = (0..samples)
        .map(|j| ((j * 37) % 19) as f64 / 10.0)
        .collect();
    table.set("age", Column::F64(age)).expect("fits");
    let names = (0..genes).map(|g| format!("g{g}")).collect();
    let counts = Counts::dense(values, genes, samples).expect("fits");
    let design = Design::formula(design).expect("formula");
    DeseqDataset::new(&context(1), counts, names, table, design, false).expect("a data set")
}

fn table_of(data: &DeseqDataset, analysis: &Analysis) -> DeseqResults {
    let asked = ResultsOptions {
        compat: Compat::V138,
        ..ResultsOptions::default()
    };
    results(&context(1), data, analysis, &asked).expect("results")
}

/// Prints and bounds how far columns are apart: `share` of the genes may be further than `tolerance`,
/// none further than `most`.
fn near(
    name: &str,
    got: &[f64],
    want: &[f64],
    floor: f64,
    (tolerance, share, most): (f64, f64, f64),
) {
    let (mut far, mut worst, mut n) = (0, 0.0_f64, 0.0);
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert_eq!(g.is_nan(), w.is_nan(), "{name}[{i}]: {g} and {w}");
        if w.is_nan() {
            continue;
        }
        let off = (g - w).abs() / w.abs().max(floor);
        n += 1.0;
        far += usize::from(off > tolerance);
        worst = worst.max(off);
    }
    println!("{name:24} worst {worst:9.2e}, {far} of {n} above {tolerance:e}");
    assert!(
        far as f64 <= share * n,
        "{name}: {far} of {n} genes are off by more than {tolerance:e}"
    );
    assert!(worst <= most, "{name}: off by {worst:e}");
}

/// Log-posteriors of the dispersions of a design of groups, whose means are those of the groups.
fn posteriors(data: &DeseqDataset, analysis: &Analysis, of: &[f64], prior: bool) -> Vec<f64> {
    let d = &analysis.dispersions;
    let m = data.n_samples();
    let design = DesignRows::new(&d.model_matrix.values, d.model_matrix.n_columns());
    assert!(design.saturated().is_some());
    let scale = data.size_factors.clone().expect("factors");
    let (mut table, mut ws) = (CountTable::default(), ProfileWorkspace::new(&design));
    let (mut counts, mut sums) = (vec![0.0; m], vec![0.0; design.n_rows()]);
    (0..data.n_genes())
        .map(|gene| {
            if d.moments.all_zero[gene] {
                return f64::NAN;
            }
            data.counts.read(gene, &mut counts);
            let q: Vec<f64> = counts.iter().zip(&scale).map(|(k, s)| k / s).collect();
            design.sum_by_row(&q, &mut sums);
            let mean = |row: u32| sums[row as usize] / design.n_of_row()[row as usize] as f64;
            let of_sample = design.row_of_sample().iter().zip(&scale);
            let mu: Vec<f64> = of_sample
                .map(|(&row, s)| (s * mean(row)).max(0.5))
                .collect();
            table.fill(&counts, None);
            let work = (&mut table, &mut ws);
            let mut profile = DispersionProfile::new(&counts, &mu, None, &design, true, work);
            if prior {
                profile = profile.with_prior(LogPrior {
                    mean: d.fit[gene].ln(),
                    variance: d.prior_var,
                });
            }
            profile.evaluate(of[gene].ln()).0
        })
        .collect()
}

fn compare(name: &str, data: &DeseqDataset) {
    println!("-- {name}");
    let (exact_data, exact) = run(data, &options(Mode::Exact), 1);
    let (fast_data, fast) = run(data, &options(Mode::Fast), 2);
    let (e, f) = (&exact.dispersions, &fast.dispersions);
    assert_eq!(exact_data.size_factors, fast_data.size_factors);
    assert_eq!(e.moments, f.moments);
    // The exact mode follows a path that may stop where the likelihood is flat, far from its maximum;
    // see `dispersions_are_nowhere_less_likely`.
    near(
        "dispGeneEst",
        &f.gene_est,
        &e.gene_est,
        1e-2,
        (1e-2, 0.05, f64::INFINITY),
    );
    near("dispFit", &f.fit, &e.fit, 1e-300, (1e-3, 0.0, 1e-3));
    println!("prior {} {}", f.prior_var, e.prior_var);
    assert!((f.prior_var / e.prior_var - 1.0).abs() < 2e-3);
    near("dispMAP", &f.map, &e.map, 1e-300, (1e-2, 0.002, 0.1));
    let (ef, ff) = (&exact.fit, &fast.fit);
    // An estimate at the edge of what makes an outlier may be one in one mode only.
    let turned = |i: usize| e.outlier[i] != f.outlier[i];
    let n_turned = (0..e.outlier.len()).filter(|&i| turned(i)).count();
    println!("outliers in one mode only: {n_turned}");
    assert!(n_turned * 500 <= e.outlier.len());
    let without = |values: &[f64]| -> Vec<f64> {
        let width = values.len() / e.outlier.len();
        let all = values.iter().enumerate();
        let kept = all.filter(|(i, _)| !turned(i / width));
        kept.map(|(_, v)| *v).collect()
    };
    near(
        "beta",
        &without(&ff.beta),
        &without(&ef.beta),
        1.0,
        (1e-3, 0.01, 0.5),
    );
    near(
        "SE",
        &without(&ff.se),
        &without(&ef.se),
        1e-300,
        (2e-3, 0.01, 0.1),
    );
    near(
        "maxCooks",
        &ff.max_cooks,
        &ef.max_cooks,
        1e-2,
        (5e-3, 0.01, 0.5),
    );
    let (a, b) = (table_of(&fast_data, &fast), table_of(&exact_data, &exact));
    let log = |of: &DeseqResults| -> Vec<f64> {
        let p = of.pvalue.as_ref().expect("tested").iter();
        p.map(|&p| if p == 0.0 { -750.0 } else { p.ln() }).collect()
    };
    near(
        "ln p",
        &without(&log(&a)),
        &without(&log(&b)),
        1.0,
        (5e-3, 0.01, 0.5),
    );
    // The filter on means takes the next of its 50 thresholds where one rejection more or less decides.
    let thresholds = [&a, &b].map(|t| t.filtering.as_ref().map(|f| f.threshold));
    let allowed = if thresholds[0] == thresholds[1] { 1 } else { 5 };
    println!("thresholds {thresholds:?}");
    let (a, b) = (a.padj.expect("adjusted"), b.padj.expect("adjusted"));
    for level in [0.05, 0.1] {
        let pairs = a.iter().zip(&b);
        let differ = pairs
            .filter(|(a, b)| (**a < level) != (**b < level))
            .count();
        println!("{differ} of {} calls differ at {level}", a.len());
        assert!(
            differ * 1000 <= allowed * a.len(),
            "{differ} calls differ at {level}"
        );
    }
}

#[test]
fn simulated_studies_agree() {
    compare(
        "12 samples, groups",
        &simulate(3000, 12, "~ condition", 2.0),
    );
    compare(
        "12 samples, batches",
        &simulate(3000, 12, "~ batch + condition", 2.0),
    );
    compare(
        "16 samples, a number",
        &simulate(2000, 16, "~ age + condition", 2.0),
    );
    compare(
        "60 samples, batches",
        &simulate(1000, 60, "~ batch + condition", 2.5),
    );
}

#[test]
fn golden_studies_agree() {
    let studies = [
        ("sim12_batch_condition", "~ batch + condition"),
        ("sim16_replace", "~ condition"),
        ("sim4_lowdf", "~ condition"),
    ];
    for (set, design) in studies {
        let Some(folder) = golden(set) else { return };
        compare(set, &dataset(&folder, design, &[]));
    }
}

#[test]
fn dispersions_are_nowhere_less_likely() {
    let data = simulate(2000, 12, "~ condition", 2.0);
    let (_, exact) = run(&data, &options(Mode::Exact), 1);
    let (data, fast) = run(&data, &options(Mode::Fast), 1);
    for prior in [false, true] {
        let pick = |a: &Analysis| {
            let d = &a.dispersions;
            if prior {
                d.map.clone()
            } else {
                d.gene_est.clone()
            }
        };
        let ours = posteriors(&data, &fast, &pick(&fast), prior);
        let theirs = posteriors(&data, &fast, &pick(&exact), prior);
        let mut worst = 0.0_f64;
        for (gene, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            if exact.dispersions.moments.all_zero[gene] {
                continue;
            }
            worst = worst.max(theirs - ours);
            assert!(
                ours - theirs >= -1e-6 * (1.0 + theirs.abs()),
                "{gene}: {ours} {theirs}"
            );
        }
        println!("prior {prior}: at most {worst:e} less likely");
    }
}

#[test]
fn bits_do_not_depend_on_threads_or_blocks() {
    let data = simulate(700, 14, "~ batch + condition", 2.5);
    for fit_type in [FitType::Parametric, FitType::GlmGamPoi] {
        let mut asked = options(Mode::Fast);
        asked.dispersions.fit_type = fit_type;
        if fit_type == FitType::GlmGamPoi {
            asked.test = TestKind::Lrt;
            asked.reduced = Some(Design::formula("~ batch").expect("formula"));
        }
        let bits = |threads: usize, block: usize| {
            let mut data = data.clone();
            data.genes_per_block = block;
            let (_, analysis) = run(&data, &asked, threads);
            let (d, f) = (analysis.dispersions, analysis.fit);
            let lrt = f.lrt.map_or(Vec::new(), |l| l.pvalue);
            let all = [d.gene_est, d.fit, d.map, f.beta, f.se, f.deviance, lrt].concat();
            all.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        let first = bits(1, 512);
        for (threads, block) in [(2, 512), (3, 1), (7, 17), (1, 1000)] {
            assert!(
                bits(threads, block) == first,
                "{threads} threads, blocks of {block}"
            );
        }
    }
}

/// The trend that the exact estimates give is the one of the exact analysis: what differs above comes
/// from the estimates.
#[test]
fn trends_follow_the_estimates() {
    let data = simulate(1500, 12, "~ condition", 2.0);
    let (_, fast) = run(&data, &options(Mode::Fast), 1);
    let d = &fast.dispersions;
    let fitted: Vec<usize> = (0..d.fit.len())
        .filter(|&i| !d.moments.all_zero[i])
        .collect();
    let pick = |from: &[f64]| fitted.iter().map(|&i| from[i]).collect::<Vec<_>>();
    let trend = fit_trend(
        &pick(&d.moments.mean),
        &pick(&d.gene_est),
        FitType::Parametric,
        1e-8,
    );
    assert!(matches!(d.trend, Trend::Parametric(_)));
    assert_eq!(trend.expect("a trend"), d.trend);
}
