//! Time of the numerical parts of DESeq2's model for one gene on one thread: fit, dispersion, rlog.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use cytosol::par::rng::stream;
use cytosol::stats::count_table::CountTable;
use cytosol::stats::dispersion::{DispersionProfile, ProfileWorkspace};
use cytosol::stats::glm::{
    ArrowheadOptions, ArrowheadWorkspace, DesignRows, IrlsOptions, NbGene, NbWorkspace,
    fit_arrowhead, fit_gene,
};

const ALPHA: f64 = 0.2;

/// Counts of one gene and the size factors of the samples.
struct Gene {
    counts: Vec<f64>,
    scale: Vec<f64>,
    ln_scale: Vec<f64>,
}

impl Gene {
    fn of(m: usize) -> Self {
        let mut random = stream(1, "gene", m as u64);
        let ln_scale: Vec<f64> = (0..m).map(|_| 0.25 * random.normal()).collect();
        let counts = ln_scale
            .iter()
            .map(|s| (s + 4.0 + 0.4 * random.normal()).exp().round())
            .collect();
        Gene {
            counts,
            scale: ln_scale.iter().map(|s| s.exp()).collect(),
            ln_scale,
        }
    }

    fn nb(&self) -> NbGene<'_> {
        NbGene {
            counts: &self.counts,
            scale: &self.scale,
            ln_scale: &self.ln_scale,
            weights: None,
            alpha: ALPHA,
        }
    }
}

/// Intercept, a condition and batches; with `age` a column of numbers, so that all rows differ.
fn design(m: usize, batches: usize, age: bool) -> DesignRows {
    let mut values = Vec::new();
    let mut random = stream(1, "design", m as u64);
    for j in 0..m {
        values.extend([1.0, (j % 2) as f64]);
        values.extend((1..batches).map(|b| f64::from(u8::from(j / 2 % batches == b))));
        if age {
            values.push(random.normal());
        }
    }
    DesignRows::new(&values, values.len() / m)
}

fn glm(c: &mut Criterion) {
    for (m, batches, age) in [
        (12, 1, false),
        (12, 3, false),
        (100, 4, false),
        (100, 4, true),
    ] {
        let (gene, design) = (Gene::of(m), design(m, batches, age));
        let options = IrlsOptions::new(design.n_columns());
        let mut ws = NbWorkspace::new(&design);
        let (p, rows) = (design.n_columns(), design.n_rows());
        let name = format!("fit, {m} samples, {p} coefficients, {rows} different rows");
        c.bench_function(&name, |b| {
            b.iter(|| fit_gene(&design, black_box(&gene.nb()), &options, Some(0), &mut ws));
        });
    }
}

fn dispersion(c: &mut Criterion) {
    for m in [12, 100, 500] {
        let (gene, design) = (Gene::of(m), design(m, 3, false));
        let mu: Vec<f64> = gene.scale.iter().map(|s| s * 55.0).collect();
        let mut table = CountTable::default();
        table.fill(&gene.counts, None);
        let mut ws = ProfileWorkspace::new(&design);
        let mut profile = DispersionProfile::new(
            &gene.counts,
            &mu,
            None,
            &design,
            true,
            (&mut table, &mut ws),
        );
        c.bench_function(&format!("dispersion profile, {m} samples"), |b| {
            b.iter(|| profile.evaluate(black_box(ALPHA.ln())));
        });
    }
}

fn rlog(c: &mut Criterion) {
    for m in [12, 100, 500] {
        let gene = Gene::of(m);
        let mut ws = ArrowheadWorkspace::new(m);
        let options = ArrowheadOptions {
            ridge: 2.0,
            intercept_ridge: Some(2e-6),
            tolerance: 1e-4,
            max_iterations: 100,
            min_mu: 0.5,
        };
        c.bench_function(&format!("rlog, {m} samples"), |b| {
            b.iter(|| fit_arrowhead(black_box(&gene.nb()), &options, &mut ws));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500));
    targets = glm, dispersion, rlog
}
criterion_main!(benches);
