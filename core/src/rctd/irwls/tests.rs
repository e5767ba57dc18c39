//! The solver against a plain second implementation, and its bits across vector units.

use pulp::Arch;

use super::*;
use crate::context::Context;
use crate::par::rng::stream;
use crate::stats::poisson_lognormal::CountRows;

struct Case {
    design: Design,
    /// Genes x types.
    profiles: Vec<f64>,
    n_types: usize,
    counts: Vec<u32>,
    pixel: PixelCounts,
    n_umi: f64,
    table: LikelihoodTable,
}

/// A pixel of which `share` is the first type and the rest all types alike.
fn case(n_genes: usize, n_types: usize, n_umi: f64, share: f64) -> Case {
    let mut random = stream(21, "irwls", n_umi as u64);
    let profiles: Vec<f64> = (0..n_genes * n_types)
        .map(|_| (2.0 * random.normal()).exp() / (7.0 * n_genes as f64))
        .collect();
    let counts: Vec<u32> = profiles
        .chunks_exact(n_types)
        .map(|row| {
            let even = row.iter().sum::<f64>() / n_types as f64;
            let mean = n_umi * (share * row[0] + (1.0 - share) * even);
            (mean * (0.5 + random.uniform())).round() as u32
        })
        .collect();
    let largest = counts.iter().copied().max().unwrap_or(0);
    let rows = Arc::new(CountRows::up_to(largest));
    let mut pixel = PixelCounts::new(n_genes, &rows);
    pixel.set(
        (0..)
            .zip(counts.iter().copied())
            .filter(|entry| entry.1 > 0),
    );
    let ctx = Context::single_threaded().expect("pool");
    let table = LikelihoodTable::build(&ctx, &[60], &rows)
        .expect("built")
        .remove(0);
    Case {
        design: Design::new(&profiles, n_genes, n_types),
        profiles,
        n_types,
        counts,
        pixel,
        n_umi,
        table,
    }
}

impl Case {
    fn problem(&self) -> Problem<'_> {
        Problem {
            design: &self.design,
            pixel: &self.pixel,
            n_umi: self.n_umi,
            table: &self.table,
        }
    }

    /// The iteration written down as in the text books, with the quadratic problem solved by many
    /// sweeps over the coordinates, and only where no eigenvalue needs raising.
    fn plain(&self, types: &[u32], n_iter: u32) -> Option<Vec<f64>> {
        let k = types.len();
        let row = |g: usize| -> Vec<f64> {
            types
                .iter()
                .map(|&t| self.n_umi * self.profiles[g * self.n_types + t as usize])
                .collect()
        };
        let mut w = vec![1.0 / k as f64; k];
        for _ in 0..n_iter {
            let (mut gradient, mut hessian) = (vec![0.0; k], vec![0.0; k * k]);
            for (g, &count) in self.counts.iter().enumerate() {
                let s = row(g);
                let mean: f64 = s.iter().zip(&w).map(|(s, w)| s * w).sum();
                let [_, d1, d2] = self.table.evaluate(count, mean.max(floor(self.n_umi)));
                for i in 0..k {
                    gradient[i] -= d1 * s[i];
                    for j in 0..k {
                        hessian[i * k + j] -= d2 * s[i] * s[j];
                    }
                }
            }
            let mut factor = vec![0.0; k * k];
            if !crate::linalg::small::cholesky(&hessian, k, 1e-3, &mut factor) {
                return None;
            }
            // Power iteration for the largest eigenvalue.
            let mut v = vec![1.0; k];
            let mut largest = 0.0;
            for _ in 0..20_000 {
                let mut next = vec![0.0; k];
                crate::linalg::small::multiply(&hessian, k, &v, &mut next);
                largest = next.iter().map(|x| x * x).sum::<f64>().sqrt();
                v = next.iter().map(|x| x / largest).collect();
            }
            for (i, value) in hessian.iter_mut().enumerate() {
                *value = *value / largest + if i % (k + 1) == 0 { 1e-7 } else { 0.0 };
            }
            let mut x = vec![0.0_f64; k];
            for _ in 0..200_000 {
                for i in 0..k {
                    let others: f64 = (0..k)
                        .filter(|&j| j != i)
                        .map(|j| hessian[i * k + j] * x[j])
                        .sum();
                    x[i] = ((-gradient[i] / largest - others) / hessian[i * k + i]).max(-w[i]);
                }
            }
            w.iter_mut().zip(&x).for_each(|(w, x)| *w += 0.3 * x);
        }
        Some(w)
    }
}

#[test]
fn steps_agree_with_a_plain_implementation() {
    let case = case(83, 7, 30_000.0, 0.3);
    let mut ws = Workspace::new(&case.design);
    let mut compared = 0;
    for types in [
        &[2][..],
        &[0, 3],
        &[4, 0, 1],
        &[6, 5, 0, 2, 1],
        &[0, 1, 2, 3, 4, 5, 6],
    ] {
        let options = SolveOptions {
            n_iter: 4,
            min_change: 0.0,
            ..SolveOptions::default()
        };
        let mut weights = vec![0.0; types.len()];
        let outcome = case
            .problem()
            .solve(&mut ws, Some(types), &options, &mut weights);
        assert_eq!((outcome.n_iter, outcome.converged), (4, false));
        let Some(want) = case.plain(types, 4) else {
            continue;
        };
        compared += 1;
        for (a, b) in weights.iter().zip(&want) {
            assert!((a - b).abs() < 1e-9, "{types:?}: {weights:?} {want:?}");
        }
        let score: f64 = -(0..case.counts.len())
            .map(|g| {
                let mean: f64 = types
                    .iter()
                    .zip(&weights)
                    .map(|(&t, w)| w * case.n_umi * case.profiles[g * 7 + t as usize])
                    .sum();
                case.table.log_probability(case.counts[g], mean)
            })
            .sum::<f64>();
        let got = case.problem().score(&mut ws, Some(types), &weights);
        assert!((got - score).abs() <= 1e-11 * score.abs(), "{got} {score}");
    }
    assert!(compared >= 4, "the case must exercise the comparison");
}

#[test]
fn bits_do_not_depend_on_vector_units_or_on_the_last_fit() {
    for n_umi in [5000.0, 150.0, 20.0] {
        let case = case(131, 13, n_umi, 0.6);
        let mut detected = Workspace::new(&case.design);
        let mut scalar = Workspace::with_arch(13, Arch::Scalar);
        let options = SolveOptions::default();
        for types in [None, Some(&[1][..]), Some(&[3, 0]), Some(&[5, 2, 9]), None] {
            let n = types.map_or(13, <[u32]>::len);
            let (mut a, mut b) = (vec![0.0; n], vec![0.0; n]);
            let problem = case.problem();
            let first = problem.solve(&mut detected, types, &options, &mut a);
            let second = problem.solve(&mut scalar, types, &options, &mut b);
            assert_eq!(a, b, "{n_umi} {types:?}");
            assert_eq!(first, second);
            assert_eq!(
                problem.score(&mut detected, types, &a),
                problem.score(&mut scalar, types, &b)
            );
            let mut c = vec![f64::NAN; n];
            problem.solve(&mut Workspace::new(&case.design), types, &options, &mut c);
            assert_eq!(a, c, "a used workspace is as good as a new one");
        }
    }
}

#[test]
fn types_that_are_pinned_shrink_by_the_damping_and_never_vanish() {
    let case = case(200, 6, 2000.0, 1.0);
    let mut weights = [0.0; 6];
    let outcome = case.problem().solve(
        &mut Workspace::new(&case.design),
        None,
        &SolveOptions::default(),
        &mut weights,
    );
    assert!(outcome.converged);
    let pinned = (1.0 / 6.0) * 0.7_f64.powi(outcome.n_iter as i32);
    let n_pinned = weights
        .iter()
        .filter(|w| (*w / pinned - 1.0).abs() < 1e-6)
        .count();
    assert!(n_pinned > 0 && weights[0] > 0.5, "{weights:?} {pinned}");
    assert!(weights.iter().all(|&w| w > 0.0));
}

#[test]
fn the_bulk_fit_finds_the_mixture() {
    let case = case(150, 4, 1.0, 0.0);
    let mixture = [0.1, 0.4, 0.2, 0.3];
    let n_umi = 1e6;
    let values: Vec<f64> = case.profiles.iter().map(|p| p * n_umi).collect();
    let counts: Vec<f64> = values
        .chunks_exact(4)
        .map(|row| row.iter().zip(mixture).map(|(p, w)| p * w).sum())
        .collect();
    let mut weights = [0.0; 4];
    let options = SolveOptions {
        n_iter: 200,
        min_change: 1e-12,
        ..SolveOptions::default()
    };
    let outcome = solve_bulk(&values, 4, &counts, n_umi, &options, &mut weights);
    assert!(outcome.converged);
    for (a, b) in weights.iter().zip(mixture) {
        assert!((a - b).abs() < 1e-9, "{weights:?}");
    }
}

#[test]
fn input_that_is_not_finite_gives_nan_and_ends() {
    let mut case = case(40, 4, 500.0, 0.5);
    case.n_umi = f64::NAN;
    for types in [Some(&[0][..]), Some(&[0, 1]), None] {
        let mut weights = vec![0.0; types.map_or(4, <[u32]>::len)];
        let outcome = case.problem().solve(
            &mut Workspace::new(&case.design),
            types,
            &SolveOptions::default(),
            &mut weights,
        );
        assert!(!outcome.converged && outcome.change.is_nan());
        assert!(weights.iter().all(|w| w.is_nan()));
    }
}

#[test]
#[should_panic(expected = "the table has other rows")]
fn a_table_of_other_counts_is_refused() {
    let mut case = case(40, 2, 5000.0, 0.5);
    let ctx = Context::single_threaded().expect("pool");
    case.table = LikelihoodTable::build(&ctx, &[60], &Arc::new(CountRows::up_to(0)))
        .expect("built")
        .remove(0);
    let mut weights = [0.0; 2];
    case.problem().solve(
        &mut Workspace::new(&case.design),
        None,
        &SolveOptions::default(),
        &mut weights,
    );
}
