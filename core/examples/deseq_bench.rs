//! Times the DESeq2-shaped engine on simulated counts: `deseq_bench GENES SAMPLES [STEP]`.
//!
//! Steps: `deseq` (the default), `rlog`, `apeglm`, `vst`. Prints the seconds of the step on
//! one thread. A fourth word is a file to write the counts to instead.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use cytosol::data::{Categorical, Column, Table};
use cytosol::deseq::{
    Counts, DeseqDataset, DeseqOptions, Design, RlogPrior, ShrinkOptions, ShrinkTarget,
    TransformOptions, deseq, lfc_shrink, results, rlog, vst,
};
use cytosol::par::rng::{Stream, stream};
use cytosol::{Context, Result};

/// A count with this mean and dispersion.
fn draw(random: &mut Stream, mean: f64, dispersion: f64) -> u32 {
    // Gamma by Marsaglia and Tsang, then Poisson by inversion or a normal.
    let shape = 1.0 / dispersion;
    let boost = if shape < 1.0 {
        random.uniform().powf(1.0 / shape)
    } else {
        1.0
    };
    let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    let gamma = loop {
        let x = random.normal();
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && random.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            break d * v * boost;
        }
    };
    let rate = mean * dispersion * gamma;
    if rate > 60.0 {
        return (rate + rate.sqrt() * random.normal()).round().max(0.0) as u32;
    }
    let (mut k, mut left) = (0, random.uniform().ln() + rate);
    while left > 0.0 {
        left += random.uniform().ln();
        k += 1;
    }
    k
}

fn simulate(ctx: &Context, genes: usize, samples: usize) -> Result<DeseqDataset> {
    let mut values = Vec::with_capacity(genes * samples);
    let mut factors = stream(7, "factors", 0);
    let size: Vec<f64> = (0..samples)
        .map(|_| (0.25 * factors.normal()).exp())
        .collect();
    for gene in 0..genes {
        let mut random = stream(7, "genes", gene as u64);
        let mean = (4.0 + 2.0 * random.normal()).exp2();
        let dispersion = (4.0 / mean + 0.1) * (0.5 * random.normal()).exp();
        let lift = if random.uniform() < 0.2 {
            random.normal()
        } else {
            0.0
        };
        for (j, s) in size.iter().enumerate() {
            let fold = if j % 2 == 1 { lift.exp2() } else { 1.0 };
            values.push(draw(&mut random, s * mean * fold, dispersion));
        }
    }
    let mut table = Table::new((0..samples).map(|j| format!("s{j}")).collect());
    let labels = |f: &dyn Fn(usize) -> &'static str| {
        let labels: Vec<String> = (0..samples).map(|j| f(j).to_owned()).collect();
        Column::Categorical(Categorical::from_labels(&labels))
    };
    table.set("batch", labels(&|j| ["x", "y"][(j / 2) % 2]))?;
    table.set("condition", labels(&|j| ["A", "B"][j % 2]))?;
    let names = (0..genes).map(|g| format!("g{g}")).collect();
    let counts = Counts::dense(values, genes, samples)?;
    DeseqDataset::new(
        ctx,
        counts,
        names,
        table,
        Design::formula("~ batch + condition")?,
        false,
    )
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let number = |at: usize, default: usize| {
        words
            .get(at)
            .and_then(|w| w.parse().ok())
            .unwrap_or(default)
    };
    let (genes, samples) = (number(1, 20_000), number(2, 12));
    let step = words.get(3).map_or("deseq", String::as_str);
    let ctx = Context::single_threaded()?;
    let mut dataset = simulate(&ctx, genes, samples)?;
    if let Some(path) = words.get(4) {
        let mut text = String::new();
        for gene in 0..genes {
            let row: Vec<String> = dataset
                .counts
                .row(gene)
                .iter()
                .map(u32::to_string)
                .collect();
            text.push_str(&format!("g{gene}\t{}\n", row.join("\t")));
        }
        std::fs::write(path, text).map_err(|e| cytosol::Error::io(path.as_ref(), "writing", e))?;
        return Ok(());
    }
    let options = DeseqOptions::default();
    let seconds = |started: Instant| started.elapsed().as_secs_f64();
    let started = Instant::now();
    match step {
        "rlog" => {
            let got = rlog(
                &ctx,
                &dataset,
                &RlogPrior::default(),
                &TransformOptions::default(),
            )?;
            println!(
                "rlog {genes} x {samples}: {:.3} s, variance {}",
                seconds(started),
                got.beta_prior_variance
            );
        }
        "vst" => {
            let got = vst(&ctx, &dataset, &TransformOptions::default())?;
            println!(
                "vst {genes} x {samples}: {:.3} s, {} values",
                seconds(started),
                got.values.len()
            );
        }
        _ => {
            let analysis = deseq(&ctx, &mut dataset, &options)?;
            let fitted = seconds(started);
            let table = results(
                &ctx,
                &dataset,
                &analysis,
                &cytosol::deseq::ResultsOptions::default(),
            )?;
            let called = table.padj.iter().flatten().filter(|p| **p < 0.1).count();
            println!(
                "deseq {genes} x {samples}: {fitted:.3} s; results {:.3} s; {called} called",
                seconds(started) - fitted
            );
            if step == "apeglm" {
                let started = Instant::now();
                let target = ShrinkTarget::Coefficient("condition_B_vs_A".to_owned());
                let got = lfc_shrink(
                    &ctx,
                    &dataset,
                    &analysis,
                    &target,
                    Some(&table),
                    &ShrinkOptions::default(),
                )?;
                println!(
                    "apeglm: {:.3} s, {} genes",
                    seconds(started),
                    got.results.genes.len()
                );
            }
        }
    }
    Ok(())
}
