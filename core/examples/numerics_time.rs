//! Scratch timing.
#![allow(missing_docs, clippy::all)]
use cytosol::linalg::{psd, qp};
use cytosol::par::rng::stream;
use cytosol::rctd::irwls::*;
use cytosol::stats::poisson_lognormal::grid::sigma_keys;
use cytosol::stats::poisson_lognormal::*;
use cytosol::{Context, ContextOptions};
use std::hint::black_box;
const N_GENES: usize = 1100;
const N_TYPES: usize = 20;
const N_UMI: f64 = 1000.0;
fn context(threads: usize) -> Context {
    let mut options = ContextOptions::default();
    options.threads = threads;
    Context::new(&options).expect("pool")
}

fn table(n_rows: usize) -> LikelihoodTable {
    LikelihoodTable::build(&context(1), &[84], n_rows)
        .expect("built")
        .remove(0)
}

/// Profiles with a few strong genes a type, and one pixel made of the first two types.
fn inputs(n_types: usize) -> (Design, PixelCounts, Vec<u32>, Vec<f64>) {
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
    let mut pixel = PixelCounts::new(N_GENES);
    pixel.set((0..).zip(counts.iter().copied()).filter(|e| e.1 > 0));
    (
        Design::new(&values, N_GENES, n_types),
        pixel,
        counts,
        lambda,
    )
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

fn least(reps: usize, mut f: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..reps {
        let t = std::time::Instant::now();
        f();
        best = best.min(t.elapsed().as_secs_f64());
    }
    best * 1e6
}
fn main() {
    let (design, pixel, ..) = inputs(N_TYPES);
    let tb = table(pixel.max_count() as usize + 1);
    let mut ws = Workspace::new(&design);
    for a in std::env::args().skip(1) {
        let n: usize = a
            .trim_start_matches(|c: char| c.is_alphabetic())
            .parse()
            .unwrap();
        let us = match a.trim_end_matches(|c: char| c.is_numeric()) {
            "fit" => {
                let problem = Problem {
                    design: &design,
                    pixel: &pixel,
                    n_umi: N_UMI,
                    table: &tb,
                };
                let o = SolveOptions {
                    n_iter: 20,
                    min_change: 0.0,
                    step: 0.3,
                };
                let types: Vec<u32> = (0..n as u32).collect();
                let mut w = vec![0.0; n];
                least(300, || {
                    black_box(problem.solve(&mut ws, Some(black_box(&types)), &o, &mut w));
                }) / 20.0
            }
            x @ ("psd" | "ipsd") => {
                let (m, ..) = quadratic(n, if x == "psd" { 2e-3 } else { -2e-2 });
                let mut sc = psd::PsdScratch::new(n);
                least(3000, || {
                    let mut h = m.clone();
                    black_box(psd::clamp(black_box(&mut h), n, 1e-3, &mut sc));
                })
            }
            "qp" => {
                let (m, l, s) = quadratic(n, 1e-4);
                let mut x = vec![0.0; n];
                let mut sc = qp::QpScratch::new(n);
                least(3000, || {
                    black_box(qp::solve(black_box(&m), &l, &s, &mut x, &mut sc));
                })
            }
            "table" => {
                let ctx = context(1);
                least(3, || {
                    black_box(LikelihoodTable::build(&ctx, &sigma_keys()[60..60 + n], 200))
                        .unwrap();
                })
            }
            _ => panic!(),
        };
        print!("{a}: {us:.2} us  ");
    }
    println!();
}
