//! Properties of the DESeq2-shaped engine on simulated counts: determinism, recovery, errors.
//!
//! No reference data are needed.
#![allow(clippy::print_stdout)] // what was measured

use cytosol::data::{Categorical, Column, Table};
use cytosol::deseq::{
    Analysis, Contrast, Counts, DeseqDataset, DeseqOptions, Design, DispersionOptions,
    OutlierOptions, ResultsOptions, RlogPrior, ShrinkOptions, ShrinkTarget, ShrinkType,
    SizeFactorOptions, SizeFactorType, TestKind, TestOptions, TransformOptions,
    beta_prior_variances, collapse_replicates, deseq, dispersion_prior_variance,
    estimate_dispersions, estimate_gene_wise_dispersions, estimate_size_factors,
    fit_dispersion_trend, lfc_shrink, likelihood_ratio_test, replace_outliers, results, rlog,
    sample_pca, shrink_dispersions, summary, wald_test,
};
use cytosol::par::rng::{Stream, stream};
use cytosol::{Context, ContextOptions};

fn context(threads: usize) -> Context {
    let mut options = ContextOptions::default();
    options.threads = threads;
    Context::new(&options).expect("pool")
}

fn draw(random: &mut Stream, mean: f64, dispersion: f64) -> u32 {
    let shape = 1.0 / dispersion;
    let d = shape.max(1.0) + if shape < 1.0 { shape } else { 0.0 } - 1.0 / 3.0;
    let boost = if shape < 1.0 {
        random.uniform().powf(1.0 / shape)
    } else {
        1.0
    };
    let c = 1.0 / (9.0 * d).sqrt();
    let gamma = loop {
        let x = random.normal();
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && random.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            break d * v * boost;
        }
    };
    let rate = mean * gamma * dispersion;
    let (mut k, mut left) = (0, random.uniform().ln() + rate);
    while left > 0.0 {
        left += random.uniform().ln();
        k += 1;
    }
    k
}

fn table(samples: usize) -> Table {
    let labels = |f: &dyn Fn(usize) -> &'static str| {
        let labels: Vec<String> = (0..samples).map(|j| f(j).to_owned()).collect();
        Column::Categorical(Categorical::from_labels(&labels))
    };
    let mut table = Table::new((0..samples).map(|j| format!("s{j}")).collect());
    table
        .set("batch", labels(&|j| ["x", "y"][(j / 2) % 2]))
        .expect("fits");
    table
        .set("condition", labels(&|j| ["A", "B"][j % 2]))
        .expect("fits");
    table
}

/// Counts with a log2 fold change of `lift` in every `every`-th gene (0 for none).
fn simulate(genes: usize, samples: usize, every: usize, lift: f64) -> DeseqDataset {
    let mut values = Vec::new();
    for gene in 0..genes {
        let mut random = stream(3, "deseq", gene as u64);
        let mean = (6.0 + 1.5 * random.normal()).exp2();
        let dispersion = (2.0 / mean + 0.1) * (0.3 * random.normal()).exp();
        // Up and down in turn, so that size factors stay where they are.
        let sign = if every > 0 && (gene / every) % 2 == 1 {
            -1.0
        } else {
            1.0
        };
        let changed = every > 0 && gene % every == 0;
        let fold = if changed { (sign * lift).exp2() } else { 1.0 };
        for j in 0..samples {
            let scale = 0.8 + 0.1 * (j % 5) as f64;
            let change = if j % 2 == 1 { fold } else { 1.0 };
            values.push(draw(&mut random, scale * mean * change, dispersion));
        }
    }
    let counts = Counts::dense(values, genes, samples).expect("fits");
    let names = (0..genes).map(|g| format!("g{g}")).collect();
    let design = Design::formula("~ batch + condition").expect("formula");
    DeseqDataset::new(&context(1), counts, names, table(samples), design, false).expect("data")
}

/// All numbers of an analysis as bits.
fn bits(threads: usize, block: usize) -> Vec<u64> {
    let ctx = context(threads);
    let mut data = simulate(700, 16, 5, 1.5);
    data.genes_per_block = block;
    let analysis = deseq(&ctx, &mut data, &DeseqOptions::default()).expect("an analysis");
    let table = results(&ctx, &data, &analysis, &ResultsOptions::default()).expect("results");
    let target = ShrinkTarget::Coefficient("condition_B_vs_A".to_owned());
    let shrunken = lfc_shrink(
        &ctx,
        &data,
        &analysis,
        &target,
        Some(&table),
        &ShrinkOptions::default(),
    )
    .expect("shrunken");
    let logs = rlog(
        &ctx,
        &data,
        &RlogPrior::default(),
        &TransformOptions::default(),
    )
    .expect("rlog");
    let d = &analysis.dispersions;
    [
        &d.gene_est,
        &d.fit,
        &d.dispersion,
        &analysis.fit.beta,
        &analysis.fit.se,
        &analysis.fit.max_cooks,
        &table.padj.expect("adjusted"),
        &shrunken.results.log2_fold_change,
        &logs.transformed.values,
    ]
    .iter()
    .flat_map(|values| values.iter().map(|v| v.to_bits()))
    .collect()
}

#[test]
fn bits_do_not_depend_on_threads_or_blocks() {
    let want = bits(1, 512);
    for threads in [1, 2, 3, 7] {
        for block in [1, 17, 1000] {
            assert!(
                bits(threads, block) == want,
                "{threads} threads, blocks of {block}"
            );
        }
    }
}

fn analyse(data: &mut DeseqDataset, options: &DeseqOptions) -> Analysis {
    deseq(&context(2), data, options).expect("an analysis")
}

#[test]
fn null_p_values_are_uniform() {
    let mut data = simulate(3000, 12, 0, 0.0);
    let analysis = analyse(&mut data, &DeseqOptions::default());
    let table =
        results(&context(1), &data, &analysis, &ResultsOptions::default()).expect("results");
    let mut p: Vec<f64> = table
        .pvalue
        .expect("p")
        .into_iter()
        .filter(|p| !p.is_nan())
        .collect();
    p.sort_by(f64::total_cmp);
    let n = p.len() as f64;
    let distance = p
        .iter()
        .enumerate()
        .map(|(i, p)| (p - (i as f64 + 0.5) / n).abs())
        .fold(0.0, f64::max);
    println!("Kolmogorov distance {distance} of {n} genes");
    assert!(distance < 0.03, "{distance}");
    let called = table
        .padj
        .expect("adjusted")
        .iter()
        .filter(|p| **p < 0.1)
        .count();
    assert!(called < 15, "{called}");
}

#[test]
fn changes_and_dispersions_are_recovered() {
    let mut data = simulate(2000, 40, 4, 1.0);
    let analysis = analyse(&mut data, &DeseqOptions::default());
    let table =
        results(&context(1), &data, &analysis, &ResultsOptions::default()).expect("results");
    let changed: Vec<f64> = (0..500)
        .map(|i| table.log2_fold_change[4 * i] * if i % 2 == 1 { -1.0 } else { 1.0 })
        .collect();
    let mean = changed.iter().sum::<f64>() / changed.len() as f64;
    assert!((mean - 1.0).abs() < 0.03, "{mean}");
    let padj = table.padj.as_ref().expect("adjusted");
    let found = (0..2000).filter(|&i| padj[i] < 0.1).count();
    let wrong = (0..2000).filter(|&i| padj[i] < 0.1 && i % 4 != 0).count();
    println!("{found} found, {wrong} of them wrong");
    assert!(found > 400 && wrong * 100 < found * 14);
    let ratio: Vec<f64> = (0..2000)
        .map(|gene| {
            let mut random = stream(3, "deseq", gene as u64);
            let mean = (6.0 + 1.5 * random.normal()).exp2();
            let truth = (2.0 / mean + 0.1) * (0.3 * random.normal()).exp();
            (analysis.dispersions.dispersion[gene] / truth).ln()
        })
        .collect();
    let bias = ratio.iter().sum::<f64>() / 2000.0;
    assert!(bias.abs() < 0.1, "{bias}");
    assert!(summary(&table, None).contains("out of 2000 with nonzero total read count"));
}

#[test]
fn sparse_counts_give_the_same_bits() {
    let mut dense = simulate(200, 8, 0, 0.0);
    let (mut starts, mut samples, mut values) = (vec![0_u64], Vec::new(), Vec::new());
    for gene in 0..200 {
        for (sample, count) in dense.counts.row(gene).into_iter().enumerate() {
            if count > 0 {
                samples.push(sample as u32);
                values.push(count);
            }
        }
        starts.push(values.len() as u64);
    }
    let mut sparse = dense.clone();
    sparse.counts = Counts::sparse(starts, samples, values, 8).expect("fits");
    let (a, b) = (
        analyse(&mut dense, &DeseqOptions::default()),
        analyse(&mut sparse, &DeseqOptions::default()),
    );
    assert_eq!(a.fit.beta, b.fit.beta);
    assert_eq!(a.dispersions.dispersion, b.dispersions.dispersion);
}

#[test]
fn ashr_takes_contrasts_and_gives_s_values() {
    let mut data = simulate(500, 12, 4, 1.5);
    let analysis = analyse(&mut data, &DeseqOptions::default());
    let options = ShrinkOptions {
        kind: ShrinkType::Ashr,
        svalue: true,
        ..ShrinkOptions::default()
    };
    let target = ShrinkTarget::Contrast(Contrast::factor("condition", "A", "B"));
    let got = lfc_shrink(&context(1), &data, &analysis, &target, None, &options).expect("shrunken");
    let s = got.results.svalue.expect("asked for");
    assert!(got.results.padj.is_none() && s.iter().filter(|s| **s < 0.05).count() > 60);
}

#[test]
fn errors_say_what_is_wrong() {
    let data = simulate(50, 6, 0, 0.0);
    let ctx = context(1);
    let make = |design: &str| {
        DeseqDataset::new(
            &ctx,
            data.counts.clone(),
            data.genes.clone(),
            data.col_data.clone(),
            Design::formula(design).expect("formula"),
            false,
        )
    };
    let error = make("~ dose").expect_err("no such variable");
    assert!(error.message().contains("\"dose\" is not a column"));
    let error = Counts::dense(vec![0; 12], 2, 6)
        .and_then(|counts| {
            let names = vec!["a".to_owned(), "b".to_owned()];
            let design = Design::formula("~ condition").expect("formula");
            DeseqDataset::new(&ctx, counts, names, data.col_data.clone(), design, false)
        })
        .expect_err("all zero");
    assert!(error.message().contains("no gene has a count"));
    let options = DeseqOptions {
        test: TestKind::Lrt,
        ..DeseqOptions::default()
    };
    let error = deseq(&ctx, &mut data.clone(), &options).expect_err("no reduced");
    assert_eq!(error.argument_name(), Some("reduced"));
    let analysis = analyse(&mut data.clone(), &DeseqOptions::default());
    let design = Design::formula("~ batch + condition").expect("formula");
    let mut with_factors = data.clone();
    estimate_size_factors(&ctx, &mut with_factors, &SizeFactorOptions::default()).expect("factors");
    let error = likelihood_ratio_test(
        &ctx,
        &with_factors,
        &analysis.dispersions,
        None,
        &design,
        &TestOptions::default(),
    )
    .expect_err("not smaller");
    assert!(error.message().contains("must be fewer than the"));
    let asked = ResultsOptions {
        name: Some("condition_C_vs_A".to_owned()),
        ..ResultsOptions::default()
    };
    let error = results(&ctx, &with_factors, &analysis, &asked).expect_err("no such name");
    assert!(
        error
            .message()
            .contains("did you mean \"condition_B_vs_A\"")
    );
}

#[test]
fn iterated_size_factors_find_the_depths_in_any_number_of_threads_and_blocks() {
    let options = SizeFactorOptions {
        kind: SizeFactorType::Iterate,
        ..SizeFactorOptions::default()
    };
    let run = |threads: usize, genes_per_block: usize| {
        let mut data = simulate(600, 10, 0, 0.0);
        data.genes_per_block = genes_per_block;
        estimate_size_factors(&context(threads), &mut data, &options).expect("converges");
        data.size_factors.expect("set")
    };
    let factors = run(1, 512);
    let depth = |j: usize| 0.8 + 0.1 * (j % 5) as f64;
    let centre = (0..10).map(|j| depth(j).ln()).sum::<f64>() / 10.0;
    for (j, factor) in factors.iter().enumerate() {
        let off = (factor / (depth(j) / centre.exp())).ln();
        assert!(off.abs() < 0.06, "sample {j}: {off}");
    }
    for (threads, genes_per_block) in [(2, 512), (3, 37), (7, 100)] {
        let again = run(threads, genes_per_block);
        let bits = |v: &[f64]| v.iter().map(|f| f.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&again), bits(&factors), "{threads} {genes_per_block}");
    }
    let control = SizeFactorOptions {
        control_genes: Some(vec![1, 2]),
        ..options
    };
    let mut data = simulate(20, 10, 0, 0.0);
    let error = estimate_size_factors(&context(1), &mut data, &control).expect_err("refused");
    assert_eq!(error.argument_name(), Some("controlGenes"));
}

#[test]
fn stages_of_the_dispersions_give_the_bits_of_the_whole() {
    let mut data = simulate(300, 8, 5, 1.5);
    estimate_size_factors(&context(1), &mut data, &SizeFactorOptions::default()).expect("factors");
    let options = DispersionOptions::default();
    let whole = estimate_dispersions(&context(1), &data, None, &options).expect("dispersions");
    for threads in [1, 3] {
        let ctx = context(threads);
        data.genes_per_block = 17 * threads;
        let first = estimate_gene_wise_dispersions(&ctx, &data, None, &options).expect("gene-wise");
        let means = first.fitted_means(&data).expect("they were just fitted");
        assert_eq!(means.len(), 300 * 8);
        assert!(means.iter().all(|mu| mu.is_nan() || *mu >= 0.5));
        let trend = fit_dispersion_trend(&ctx, &first, &options).expect("trend");
        assert_eq!(trend.var_log_disp_ests, whole.var_log_disp_ests);
        let prior = dispersion_prior_variance(&first, &trend, 1e-8).expect("prior");
        assert_eq!(prior, whole.prior_var);
        let last = shrink_dispersions(&ctx, &data, first.clone(), trend.clone(), &options)
            .expect("shrunken");
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&last.dispersion), bits(&whole.dispersion));
        assert_eq!(bits(&last.map), bits(&whole.map));
        assert_eq!(last.outlier, whole.outlier);
        // A wider prior moves less.
        let mut wide = DispersionOptions::default();
        wide.prior_variance = Some(50.0);
        let moved = |made: &[f64]| {
            let pairs = made.iter().zip(&first.gene_est);
            let known = pairs.filter(|(_, b)| **b > 1e-6);
            known.map(|(a, b)| (a.ln() - b.ln()).abs()).sum::<f64>()
        };
        let loose = shrink_dispersions(&ctx, &data, first.clone(), trend, &wide).expect("loose");
        assert!(moved(&loose.map) < moved(&whole.map));
    }
}

#[test]
fn outliers_are_replaced_at_the_size_of_their_sample() {
    let ctx = context(1);
    let mut data = simulate(60, 8, 0, 0.0);
    estimate_size_factors(&ctx, &mut data, &SizeFactorOptions::default()).expect("factors");
    let matrix = data.model_matrix().expect("a matrix");
    let mut cooks = vec![0.0; 60 * 8];
    (cooks[3 * 8 + 2], cooks[5 * 8 + 7]) = (1e9, 1e9);
    let mut options = OutlierOptions::default();
    options.samples = Some((0..8).map(|j| j != 7).collect());
    options.trim = 0.25;
    let (new, done) = replace_outliers(&data, &matrix, &cooks, &options).expect("replaced");
    assert_eq!(done.replace.iter().filter(|r| **r).count(), 2);
    let factors = data.size_factors.clone().expect("estimated");
    let mut normalized: Vec<f64> = data
        .counts
        .row(3)
        .iter()
        .zip(&factors)
        .map(|(&k, s)| f64::from(k) / s)
        .collect();
    normalized.sort_by(f64::total_cmp);
    let level = normalized[2..6].iter().sum::<f64>() / 4.0;
    for gene in 0..60 {
        let mut want = data.counts.row(gene);
        if gene == 3 {
            want[2] = (level * factors[2]) as u32;
        }
        assert_eq!(new.counts.row(gene), want);
    }
    assert_eq!(new.size_factors, data.size_factors);
    options.min_replicates = 2;
    assert!(replace_outliers(&data, &matrix, &cooks, &options).is_err());
    assert!(replace_outliers(&data, &matrix, &cooks[1..], &OutlierOptions::default()).is_err());
}

#[test]
fn groups_without_samples_are_left_out_and_others_keep_their_order() {
    let data = simulate(40, 4, 0, 0.0);
    let groups = Categorical {
        codes: vec![2, 0, 2, 0],
        categories: ["b", "none", "a"].map(str::to_owned).into(),
        ordered: false,
    };
    let made = collapse_replicates(&context(1), &data, &groups, None).expect("collapsed");
    assert_eq!(made.samples, ["b", "a"]);
    for gene in 0..40 {
        let k = data.counts.row(gene);
        assert_eq!(made.counts.row(gene), [k[1] + k[3], k[0] + k[2]]);
    }
    let missing = Categorical {
        codes: vec![0, 0, -1, 0],
        ..groups
    };
    assert!(collapse_replicates(&context(1), &data, &missing, None).is_err());
}

#[test]
fn variances_of_a_prior_are_those_of_the_fit_with_prior() {
    let ctx = context(1);
    let mut data = simulate(300, 8, 5, 1.5);
    let plain = analyse(&mut data, &DeseqOptions::default());
    let mut options = TestOptions::default();
    options.beta_prior = true;
    let fit = wald_test(&ctx, &data, &plain.dispersions, None, &options).expect("a fit");
    let (names, variance) =
        beta_prior_variances(&data, &plain.dispersions, &plain.fit.beta, &options).expect("some");
    assert_eq!(names, fit.names());
    assert_eq!(Some(variance), fit.beta_prior_variance);
    let short = &plain.fit.beta[1..];
    assert!(beta_prior_variances(&data, &plain.dispersions, short, &options).is_err());
}

#[test]
fn components_of_samples_hold_their_distances() {
    let m = 5;
    let values: Vec<f64> = (0..40 * m)
        .map(|at| ((at * 37) % 101) as f64 / 10.0)
        .collect();
    let made = sample_pca(&values, m, 1000).expect("components");
    for (i, j) in [(0, 1), (2, 4)] {
        let apart: f64 = values
            .chunks_exact(m)
            .map(|row| (row[i] - row[j]).powi(2))
            .sum();
        let row = |s: usize| &made.scores[s * m..(s + 1) * m];
        let scores = row(i).iter().zip(row(j));
        let found: f64 = scores.map(|(a, b)| (a - b).powi(2)).sum();
        assert!((apart - found).abs() < 1e-9 * apart);
    }
    assert!((made.percent_var.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let mut odd = values;
    odd[7] = f64::NAN;
    let error = sample_pca(&odd, m, 10).expect_err("not finite");
    assert!(error.message().contains("gene 1 and sample 2"), "{error}");
}
