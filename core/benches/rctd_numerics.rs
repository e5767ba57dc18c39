//! Time of the numerical parts of RCTD on one thread: tables, evaluation, quadratic problems, fits.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use cytosol::linalg::{psd, qp};
use cytosol::par::rng::stream;
use cytosol::rctd::irwls::{Design, PixelCounts, Problem, SolveOptions, Workspace};
use cytosol::stats::poisson_lognormal::grid::sigma_keys;
use cytosol::stats::poisson_lognormal::{CountRows, LambdaCells, LikelihoodTable};
use cytosol::{Context, ContextOptions};

const N_GENES: usize = 1100;
const N_TYPES: usize = 20;
const N_UMI: f64 = 1000.0;

fn context(threads: usize) -> Context {
    let mut options = ContextOptions::default();
    options.threads = threads;
    Context::new(&options).expect("pool")
}

fn rows(n_rows: usize) -> Arc<CountRows> {
    Arc::new(CountRows::up_to(n_rows as u32 - 1))
}

fn table(n_rows: usize) -> LikelihoodTable {
    LikelihoodTable::build(&context(1), &[84], &rows(n_rows))
        .expect("built")
        .remove(0)
}

/// Profiles with a few strong genes a type, and one pixel made of the first two types.
fn inputs(n_types: usize, rows: &Arc<CountRows>) -> (Design, PixelCounts, Vec<u32>, Vec<f64>) {
    let mut random = stream(1, "profiles", 0);
    let mut values: Vec<f64> = (0..N_GENES * n_types)
        .map(|i| {
            let marker = (i / n_types) % n_types == i % n_types;
            (2.0 * random.normal() + if marker { 3.0 } else { 0.0 }).exp()
        })
        .collect();
    for k in 0..n_types {
        let total: f64 = values.iter().skip(k).step_by(n_types).sum();
        values
            .iter_mut()
            .skip(k)
            .step_by(n_types)
            .for_each(|v| *v /= total);
    }
    let lambda: Vec<f64> = values
        .chunks_exact(n_types)
        .map(|row| N_UMI * (0.7 * row[0] + 0.3 * row[1]))
        .collect();
    let counts: Vec<u32> = lambda
        .iter()
        .map(|&mean| {
            let mean = mean * (0.5 * random.normal()).exp();
            let (mut k, mut left) = (0, random.uniform().ln() + mean);
            while left > 0.0 && k < 900 {
                left += random.uniform().ln();
                k += 1;
            }
            k
        })
        .collect();
    let mut pixel = PixelCounts::new(N_GENES, rows);
    pixel.set((0..).zip(counts.iter().copied()).filter(|e| e.1 > 0));
    (
        Design::new(&values, N_GENES, n_types),
        pixel,
        counts,
        lambda,
    )
}

fn tables(c: &mut Criterion) {
    let mut group = c.benchmark_group("tables");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200));
    for (threads, keys) in [(1, 1), (1, 17), (2, 17)] {
        let ctx = context(threads);
        group.bench_function(format!("{keys} keys, 200 rows, {threads} threads"), |b| {
            b.iter(|| LikelihoodTable::build(&ctx, &sigma_keys()[60..60 + keys], &rows(200)));
        });
    }
    group.finish();
}

fn evaluation(c: &mut Criterion) {
    let table = table(1001);
    let (_, _, counts, lambda) = inputs(N_TYPES, table.rows());
    c.bench_function("log-probability and derivatives, 1100 genes", |b| {
        b.iter(|| {
            let entries = counts.iter().zip(&lambda);
            entries.fold(0.0, |sum, (&y, &l)| {
                sum + table.evaluate(y, black_box(l)).iter().sum::<f64>()
            })
        });
    });
    let mut cells = LambdaCells::new(table.rows());
    c.bench_function("score: cells of 1100 entries", |b| {
        b.iter(|| cells.locate(&counts, &lambda, black_box(1.1)));
    });
    c.bench_function("score: 1100 entries under one table", |b| {
        b.iter(|| cells.negative_log_likelihood(black_box(&table)));
    });
}

/// A matrix with eigenvalues from 1e-4 (or below zero) to 1, and a linear part.
fn quadratic(n: usize, shift: f64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut random = stream(3, "quadratic", n as u64);
    let mut matrix = vec![0.0; n * n];
    for r in 0..n {
        let v: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let scale = 1e-4_f64.powf(r as f64 / n as f64) / n as f64;
        for i in 0..n {
            for j in 0..n {
                matrix[i * n + j] += scale * v[i] * v[j];
            }
        }
    }
    (0..n).for_each(|i| matrix[i * n + i] += shift);
    let linear = (0..n).map(|_| 0.1 * random.normal()).collect();
    (matrix, linear, vec![1.0 / n as f64; n])
}

fn small_problems(c: &mut Criterion) {
    for n in [2, 10, 20, 40] {
        let (matrix, linear, s) = quadratic(n, 1e-4);
        let mut x = vec![0.0; n];
        let mut scratch = qp::QpScratch::new(n);
        c.bench_function(&format!("quadratic problem, K = {n}, cold"), |b| {
            b.iter(|| {
                scratch.reset();
                qp::solve(black_box(&matrix), &linear, &s, &mut x, &mut scratch)
            });
        });
        c.bench_function(&format!("quadratic problem, K = {n}, warm"), |b| {
            b.iter(|| qp::solve(black_box(&matrix), &linear, &s, &mut x, &mut scratch));
        });
        let mut scratch = psd::PsdScratch::new(n);
        for (name, shift) in [("definite", 2e-3), ("indefinite", -2e-2)] {
            let (matrix, ..) = quadratic(n, shift);
            c.bench_function(&format!("eigenvalue floor, K = {n}, {name}"), |b| {
                b.iter(|| {
                    let mut h = matrix.clone();
                    psd::clamp(black_box(&mut h), n, 1e-3, &mut scratch)
                });
            });
        }
    }
}

fn fits(c: &mut Criterion) {
    let table = table(1001);
    let (design, pixel, ..) = inputs(N_TYPES, table.rows());
    let problem = Problem {
        design: &design,
        pixel: &pixel,
        n_umi: N_UMI,
        table: &table,
    };
    let mut ws = Workspace::new(&design);
    let exactly = |n_iter| SolveOptions {
        n_iter,
        min_change: 0.0,
        ..SolveOptions::default()
    };
    let all: Vec<u32> = (0..N_TYPES as u32).collect();
    for (name, n) in [
        ("one type", 1),
        ("two types", 2),
        ("four types", 4),
        ("all 20", 20),
    ] {
        let types = &all[..n];
        let mut weights = vec![0.0; n];
        let steps = problem
            .solve(&mut ws, Some(types), &SolveOptions::default(), &mut weights)
            .n_iter;
        c.bench_function(&format!("fit of {name}, whole ({steps} steps)"), |b| {
            b.iter(|| {
                let options = SolveOptions::default();
                problem.solve(&mut ws, Some(black_box(types)), &options, &mut weights)
            });
        });
        c.bench_function(&format!("fit of {name}, 20 steps"), |b| {
            b.iter(|| problem.solve(&mut ws, Some(black_box(types)), &exactly(20), &mut weights));
        });
        c.bench_function(&format!("score of {name}"), |b| {
            b.iter(|| problem.score(&mut ws, Some(black_box(types)), &weights));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500));
    targets = tables, evaluation, small_problems, fits
}
criterion_main!(benches);
