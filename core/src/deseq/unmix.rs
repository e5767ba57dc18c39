//! Samples as mixtures of pure samples, on a scale of even variance.
//!
//! The shares `p` (0 to 100 before they are scaled to sum 1) of sample `x` minimise
//! `sum_g |v(x_g) - v((pure p)_g)|^power`, where `v` is the variance-stabilising transformation of a
//! negative binomial of dispersion `alpha`, or `ln(q + shift)`.
//!
//! # Cost
//! Some ten steps of `n_genes x n_types^2` operations a sample; absolute values (`power` 1) take a hundred
//! or two.
//!
//! # Source
//! DESeq2 1.38, `unmix` (same objective and bounds; it is minimised there by L-BFGS-B with numeric
//! derivatives).

use crate::context::Context;
use crate::error::{Error, Result};
use crate::linalg::small::{cholesky, cholesky_solve};
use crate::par::ordered;

use super::notes::warning;

/// Bound of a share before scaling. DESeq2: 100.
const MOST: f64 = 100.0;
/// Correlation of two pure samples that is warned about. DESeq2: 0.99.
const TOO_SIMILAR: f64 = 0.99;
/// Least mixed value of which a derivative is taken: the transformation is vertical at 0.
const LEAST_VALUE: f64 = 1e-9;
/// Widths of the hyperbolas that stand for absolute values, one after the other.
const WIDTHS: [f64; 6] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
/// Most steps, and relative gain that ends a minimisation: of squares, and for each width.
const STEPS: [usize; 2] = [200, 60];
const GAINS: [f64; 2] = [1e-11, 1e-9];

/// The scale on which samples are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum UnmixScale {
    /// Variance-stabilised with this dispersion, log2-like.
    Dispersion(f64),
    /// `ln(q + shift)`.
    Shift(f64),
}

/// What is unmixed: normalised counts or abundances, gene-major, of the same genes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnmixInput<'a> {
    /// Mixed samples, genes x samples.
    pub mixed: &'a [f64],
    /// Pure samples, genes x types.
    pub pure: &'a [f64],
    /// Number of genes.
    pub n_genes: usize,
}

/// Mixtures that were found.
#[derive(Debug, Clone, PartialEq)]
pub struct Unmixed {
    /// Shares, samples x types; each sample's sum to 1.
    pub mix: Vec<f64>,
    /// The least sum of differences found, one a sample (of shares not yet scaled).
    pub objective: Vec<f64>,
    /// `pure` times the shares, genes x samples.
    pub fitted: Vec<f64>,
    /// Correlation of each sample with its fitted values, on the scale of the comparison.
    pub correlation: Vec<f64>,
}

/// Unmixes samples. `power` 1 sums absolute differences, 2 their squares.
///
/// # Errors
/// `InvalidArgument` for sizes that do not fit, fewer than two types, negative or missing values, a
/// scale that is not positive, a power that is neither 1 nor 2.
pub fn unmix(
    ctx: &Context,
    input: UnmixInput<'_>,
    scale: UnmixScale,
    power: u32,
) -> Result<Unmixed> {
    let (n, n_types, n_samples) = check(&input, scale, power)?;
    let pure: Vec<f64> = input.pure.iter().map(|&q| scale.value(q)).collect();
    warn_of_similar(ctx, &pure, n_types)?;
    let stage = ctx.stage("unmixing", n_samples as u64)?;
    let mut samples = 0..n_samples;
    let mut out = Unmixed {
        mix: Vec::with_capacity(n_samples * n_types),
        objective: Vec::with_capacity(n_samples),
        fitted: vec![0.0; n * n_samples],
        correlation: Vec::with_capacity(n_samples),
    };
    ordered(
        ctx,
        Some(&stage),
        || Ok(samples.next()),
        || Problem::new(input.pure, n_types, scale, power),
        |problem, sample| {
            let target = (0..n).map(|g| scale.value(input.mixed[g * n_samples + sample]));
            problem.target = target.collect();
            let (shares, objective) = problem.solve(ctx)?;
            Ok((sample, shares, objective))
        },
        |(sample, mut shares, objective)| {
            let total: f64 = shares.iter().sum();
            shares.iter_mut().for_each(|p| *p /= total);
            let (mut seen, mut fitted) = (Vec::with_capacity(n), Vec::with_capacity(n));
            for (g, row) in input.pure.chunks_exact(n_types).enumerate() {
                let value: f64 = row.iter().zip(&shares).map(|(a, p)| a * p).sum();
                out.fitted[g * n_samples + sample] = value;
                seen.push(scale.value(input.mixed[g * n_samples + sample]));
                fitted.push(scale.value(value));
            }
            out.correlation
                .push(correlation(seen.into_iter().zip(fitted)));
            out.mix.extend(shares);
            out.objective.push(objective);
            Ok(1)
        },
    )?;
    stage.finish()?;
    Ok(out)
}

impl UnmixScale {
    fn value(self, q: f64) -> f64 {
        let ln2 = std::f64::consts::LN_2;
        match self {
            UnmixScale::Dispersion(a) => {
                (2.0 * libm::asinh((a * q).sqrt()) - libm::log(a)) / ln2 - 2.0
            }
            UnmixScale::Shift(shift) => libm::log(q + shift),
        }
    }

    fn slope(self, q: f64) -> f64 {
        let q = q.max(LEAST_VALUE);
        match self {
            UnmixScale::Dispersion(a) => {
                (a / (q * (1.0 + a * q))).sqrt() * std::f64::consts::LOG2_E
            }
            UnmixScale::Shift(shift) => 1.0 / (q + shift),
        }
    }
}

/// Numbers of genes, types and samples.
fn check(input: &UnmixInput<'_>, scale: UnmixScale, power: u32) -> Result<(usize, usize, usize)> {
    let n = input.n_genes;
    let (name, number) = match scale {
        UnmixScale::Dispersion(alpha) => ("alpha", alpha),
        UnmixScale::Shift(shift) => ("shift", shift),
    };
    if !(number.is_finite() && number > 0.0) {
        return Err(Error::argument(
            name,
            format!("{number}; must be a positive number"),
        ));
    }
    if power != 1 && power != 2 {
        return Err(Error::argument("power", format!("{power}; must be 1 or 2")));
    }
    for (name, values) in [("x", input.mixed), ("pure", input.pure)] {
        if n == 0 || values.is_empty() || values.len() % n != 0 {
            return Err(Error::argument(
                name,
                format!("{} values are not a matrix of {n} genes", values.len()),
            ));
        }
        if let Some(at) = values.iter().position(|v| !(v.is_finite() && *v >= 0.0)) {
            let (gene, column) = (at / (values.len() / n), at % (values.len() / n));
            return Err(Error::argument(
                name,
                format!(
                    "{} in row {}, column {}; must be a number of at least 0",
                    values[at],
                    gene + 1,
                    column + 1
                ),
            ));
        }
    }
    let n_types = input.pure.len() / n;
    if n_types < 2 {
        return Err(Error::argument(
            "pure",
            "has one column; must have at least two",
        ));
    }
    Ok((n, n_types, input.mixed.len() / n))
}

fn warn_of_similar(ctx: &Context, pure: &[f64], n_types: usize) -> Result<()> {
    for a in 0..n_types {
        for b in 0..a {
            let pairs = pure.chunks_exact(n_types).map(|row| (row[a], row[b]));
            if correlation(pairs) > TOO_SIMILAR {
                return warning(
                    ctx,
                    &format!(
                        "columns {} and {} of pure have a correlation above 0.99 after the transformation, so \
                         their shares may be arbitrary",
                        b + 1,
                        a + 1
                    ),
                );
            }
        }
    }
    Ok(())
}

/// Pearson's correlation; NaN where one side does not vary.
fn correlation(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let (mut n, mut sums) = (0.0, (0.0, 0.0));
    for (a, b) in pairs.clone() {
        n += 1.0;
        sums = (sums.0 + a, sums.1 + b);
    }
    let means = (sums.0 / n, sums.1 / n);
    let (mut aa, mut ab, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        let (a, b) = (a - means.0, b - means.1);
        aa += a * a;
        ab += a * b;
        bb += b * b;
    }
    ab / (aa * bb).sqrt()
}

/// One sample's minimisation.
struct Problem<'a> {
    pure: &'a [f64],
    n_types: usize,
    scale: UnmixScale,
    power: u32,
    target: Vec<f64>,
    mixed: Vec<f64>,
    normal: Vec<f64>,
    score: Vec<f64>,
}

impl<'a> Problem<'a> {
    fn new(pure: &'a [f64], n_types: usize, scale: UnmixScale, power: u32) -> Self {
        Problem {
            pure,
            n_types,
            scale,
            power,
            target: Vec::new(),
            mixed: vec![0.0; pure.len() / n_types],
            normal: vec![0.0; n_types * n_types],
            score: vec![0.0; n_types],
        }
    }

    /// Shares and their objective: squares from two starts; absolute values from the better of these, as
    /// limits of hyperbolas.
    fn solve(&mut self, ctx: &Context) -> Result<(Vec<f64>, f64)> {
        let mut best = (Vec::new(), f64::INFINITY);
        // DESeq2 starts at 1.
        for start in [1.0, 1.0 / self.n_types as f64] {
            let shares = self.descend(ctx, &vec![start; self.n_types], None)?;
            let value = self.objective(&shares);
            if value < best.1 {
                best = (shares, value);
            }
        }
        let widths: &[f64] = if self.power == 1 { &WIDTHS } else { &[] };
        for &width in widths {
            let shares = self.descend(ctx, &best.0, Some(width))?;
            let value = self.objective(&shares);
            if value < best.1 {
                best = (shares, value);
            }
        }
        Ok(best)
    }

    fn mix(&mut self, shares: &[f64]) {
        for (out, row) in self
            .mixed
            .iter_mut()
            .zip(self.pure.chunks_exact(self.n_types))
        {
            *out = row.iter().zip(shares).map(|(a, p)| a * p).sum();
        }
    }

    /// The sum of powers of the differences.
    fn objective(&mut self, shares: &[f64]) -> f64 {
        self.mix(shares);
        let pairs = self.target.iter().zip(&self.mixed);
        let off = pairs.map(|(y, &q)| (y - self.scale.value(q)).abs());
        match self.power {
            1 => off.sum(),
            _ => off.map(|d| d * d).sum(),
        }
    }

    /// The sum of squares, or of `sqrt(d^2 + width^2)`; `mixed` has been set.
    fn smooth(&self, width: Option<f64>) -> f64 {
        let pairs = self.target.iter().zip(&self.mixed);
        let squares = pairs.map(|(y, &q)| (y - self.scale.value(q)).powi(2));
        match width {
            None => squares.sum(),
            Some(width) => squares.map(|d| (d + width * width).sqrt()).sum(),
        }
    }

    /// Weighted normal equations of the differences at `shares`; `mixed` has been set.
    fn linearise(&mut self, width: Option<f64>) {
        let k = self.n_types;
        self.normal.fill(0.0);
        self.score.fill(0.0);
        let rows = self.pure.chunks_exact(k).zip(&self.mixed).zip(&self.target);
        for ((row, &q), y) in rows {
            let off = y - self.scale.value(q);
            let slope = self.scale.slope(q);
            let weight = width.map_or(1.0, |w| 1.0 / (off * off + w * w).sqrt());
            for a in 0..k {
                let scaled = weight * slope * row[a];
                self.score[a] += scaled * off;
                let right = &mut self.normal[a * k + a..(a + 1) * k];
                for (out, other) in right.iter_mut().zip(&row[a..]) {
                    *out += scaled * slope * other;
                }
            }
        }
        for a in 1..k {
            for b in 0..a {
                self.normal[a * k + b] = self.normal[b * k + a];
            }
        }
    }

    /// Damped Gauss-Newton steps within the bounds.
    fn descend(&mut self, ctx: &Context, start: &[f64], width: Option<f64>) -> Result<Vec<f64>> {
        let mut shares = start.to_vec();
        self.mix(&shares);
        let mut value = self.smooth(width);
        let mut damping = 1e-3;
        let kind = usize::from(width.is_some());
        for _ in 0..STEPS[kind] {
            ctx.check_cancelled()?;
            self.mix(&shares);
            self.linearise(width);
            let mut gained = None;
            while gained.is_none() && damping < 1e12 {
                let next = self.step(&shares, damping);
                self.mix(&next);
                let of_next = self.smooth(width);
                if of_next < value {
                    gained = Some((next, value - of_next));
                    value = of_next;
                    damping = (damping * 0.1).max(1e-12);
                } else {
                    damping *= 10.0;
                }
            }
            let Some((next, gain)) = gained else {
                break;
            };
            shares = next;
            if gain < GAINS[kind] * (value + GAINS[0]) {
                break;
            }
        }
        Ok(shares)
    }

    /// The shares after one step; those at a bound that would go beyond it stay.
    fn step(&self, shares: &[f64], damping: f64) -> Vec<f64> {
        let k = self.n_types;
        let free: Vec<usize> = (0..k)
            .filter(|&a| {
                let held = (shares[a] <= 0.0 && self.score[a] <= 0.0)
                    || (shares[a] >= MOST && self.score[a] >= 0.0);
                !held && self.normal[a * k + a] > 0.0
            })
            .collect();
        let size = free.len();
        let mut normal = vec![0.0; size * size];
        let mut step = vec![0.0; size];
        for (i, &a) in free.iter().enumerate() {
            for (j, &b) in free.iter().enumerate() {
                normal[i * size + j] = self.normal[a * k + b];
            }
            normal[i * size + i] *= 1.0 + damping;
            step[i] = self.score[a];
        }
        let mut factor = vec![0.0; size * size];
        let mut next = shares.to_vec();
        if cholesky(&normal, size, 0.0, &mut factor) {
            cholesky_solve(&factor, size, &mut step);
            for (&a, step) in free.iter().zip(&step) {
                next[a] = (shares[a] + step).clamp(0.0, MOST);
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;
    use crate::par::rng::stream;

    fn context(threads: usize) -> Context {
        let options = ContextOptions {
            threads,
            ..ContextOptions::default()
        };
        Context::new(&options).expect("a pool")
    }

    /// Pure samples of three types and mixtures of them, times noise.
    fn study(noise: f64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let (n, m) = (400, 5);
        let mut random = stream(1, "unmix", 0);
        let pure: Vec<f64> = (0..n * 3)
            .map(|_| {
                let level = (5.0 + 2.0 * random.normal()).exp2();
                if random.uniform() < 0.1 { 0.0 } else { level }
            })
            .collect();
        let shares: Vec<f64> = (0..m)
            .flat_map(|s| {
                let first = 0.2 * s as f64;
                [first, 0.7 * (1.0 - first), 0.3 * (1.0 - first)]
            })
            .collect();
        let mut mixed = Vec::new();
        for row in pure.chunks_exact(3) {
            for p in shares.chunks_exact(3) {
                let q: f64 = row.iter().zip(p).map(|(a, p)| a * p).sum();
                mixed.push(q * (noise * random.normal()).exp());
            }
        }
        (mixed, pure, shares)
    }

    #[test]
    fn mixtures_are_found_whatever_scale_and_power() {
        for (noise, tolerance) in [(0.0, 1e-4), (0.3, 0.05)] {
            let (mixed, pure, shares) = study(noise);
            let input = UnmixInput {
                mixed: &mixed,
                pure: &pure,
                n_genes: 400,
            };
            for scale in [UnmixScale::Dispersion(0.05), UnmixScale::Shift(1.0)] {
                for power in [1, 2] {
                    let got = unmix(&context(1), input, scale, power).expect("mixtures");
                    for (got, want) in got.mix.iter().zip(&shares) {
                        assert!(
                            (got - want).abs() < tolerance,
                            "{scale:?} {power}: {got} {want}"
                        );
                    }
                    assert!(
                        got.correlation.iter().all(|c| *c > 0.95),
                        "{:?}",
                        got.correlation
                    );
                    let many = unmix(&context(3), input, scale, power).expect("mixtures");
                    assert_eq!(got, many);
                }
            }
        }
    }

    #[test]
    fn no_nearby_shares_are_better() {
        let (mixed, pure, _) = study(0.4);
        for (scale, power) in [
            (UnmixScale::Dispersion(0.1), 1),
            (UnmixScale::Dispersion(0.1), 2),
            (UnmixScale::Shift(0.5), 1),
        ] {
            let mut problem = Problem::new(&pure, 3, scale, power);
            problem.target = (0..400).map(|g| scale.value(mixed[g * 5 + 2])).collect();
            let (best, value) = problem.solve(&context(1)).expect("shares");
            let mut random = stream(2, "unmix", 0);
            for i in 0..2000 {
                let width = 10_f64.powi(-(i % 5) - 1);
                let near: Vec<f64> = best
                    .iter()
                    .map(|p| (p + width * random.normal()).clamp(0.0, MOST))
                    .collect();
                let other = problem.objective(&near);
                assert!(
                    other > value - 1e-5 * value,
                    "{scale:?} {power}: {other} {value}"
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_unmixed_is_named() {
        let ctx = context(1);
        let named = |mixed: &[f64], pure: &[f64], scale, power| {
            let input = UnmixInput {
                mixed,
                pure,
                n_genes: 2,
            };
            let error = unmix(&ctx, input, scale, power).expect_err("cannot be unmixed");
            error.argument_name().map(str::to_owned)
        };
        let (two, fine) = ([1.0, 2.0, 3.0, 4.0], UnmixScale::Shift(1.0));
        assert_eq!(named(&[1.0, 2.0, 3.0], &two, fine, 1).as_deref(), Some("x"));
        assert_eq!(named(&[1.0, -2.0], &two, fine, 1).as_deref(), Some("x"));
        assert_eq!(
            named(&[1.0, 2.0], &[1.0, 2.0], fine, 1).as_deref(),
            Some("pure")
        );
        assert_eq!(named(&[1.0, 2.0], &two, fine, 3).as_deref(), Some("power"));
        let wrong = UnmixScale::Dispersion(0.0);
        assert_eq!(named(&[1.0, 2.0], &two, wrong, 1).as_deref(), Some("alpha"));
    }
}
