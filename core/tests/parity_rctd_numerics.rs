//! Likelihood tables and solver against values printed by spacexr.
//!
//! The golden data lie in `shared/golden` beside the workspace, or under `CYTO_SHARED`; without
//! them the tests say so and pass.
#![allow(clippy::print_stdout)] // what was measured, and what was skipped

mod golden;
mod shared_data;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use cytosol::Context;
use cytosol::rctd::irwls::{Design, PixelCounts, Problem, SolveOptions, Workspace};
use cytosol::stats::poisson_lognormal::grid::{KNOTS, N_KNOTS};
use cytosol::stats::poisson_lognormal::{CountRows, LikelihoodTables, MAX_ROWS};
use golden::csv_rows as rows;
use shared_data::shared;

fn number(text: &str) -> f64 {
    text.parse()
        .unwrap_or_else(|e| panic!("{text:?} is not a number: {e}"))
}

fn integer(text: &str) -> u32 {
    text.parse()
        .unwrap_or_else(|e| panic!("{text:?} is not a count: {e}"))
}

/// Difference relative to the larger of the value and `floor`.
fn off(got: f64, want: f64, floor: f64) -> f64 {
    (got - want).abs() / want.abs().max(floor)
}

#[test]
fn the_grid_is_spacexrs() {
    let Some(folder) = shared("golden/rctd") else {
        return;
    };
    let printed = rows(&folder.join("likelihood/x_grid.txt"));
    assert_eq!(printed.len(), KNOTS.len());
    for (knot, row) in KNOTS.iter().zip(&printed) {
        assert!((knot - number(&row[0])).abs() <= 2.3e-13, "{knot} {row:?}");
    }
}

#[test]
fn tables_and_evaluation_are_spacexrs() {
    let Some(folder) = shared("golden/rctd") else {
        return;
    };
    let ctx = Context::single_threaded().expect("pool");
    for table in cytosol::stats::poisson_lognormal::LikelihoodTable::build(
        &ctx,
        &[10, 25, 84, 100, 200],
        &all_rows(),
    )
    .expect("built")
    {
        let mut worst = [0.0_f64; 2];
        for row in &rows(&folder.join("likelihood/q_table_samples.csv.gz"))[1..] {
            if integer(&row[0]) != table.key() {
                continue;
            }
            let (k, m) = (integer(&row[1]), integer(&row[2]) as usize - 1);
            let record = table.records()[k as usize * N_KNOTS + m];
            worst[0] = worst[0].max((record[0] - number(&row[4])).abs());
            worst[1] = worst[1].max(off(record[2], number(&row[5]), 1e-6));
        }
        println!(
            "sigma key {}: Q off by {:e}, Z by {:e}",
            table.key(),
            worst[0],
            worst[1]
        );
        assert!(worst[0] <= 5e-12);
        // The printed values carry rounding of 1e-12 in Q, divided by the square of the spacing.
        assert!(worst[1] <= 1e-5);
    }
    let mut tables = LikelihoodTables::new(all_rows());
    tables.ensure(&ctx, &[10, 25, 84, 100, 200]).expect("built");
    let mut worst = [0.0_f64; 3];
    for row in &rows(&folder.join("likelihood/calc_q_samples.csv.gz"))[1..] {
        let table = tables.get(integer(&row[0])).expect("built");
        let got = table.evaluate(integer(&row[1]), number(&row[2]));
        for i in 0..3 {
            worst[i] = worst[i].max(off(got[i], number(&row[3 + i]), 1.0));
        }
    }
    println!("q0, q1, q2 off by {worst:?}");
    assert!(worst[0] <= 1e-11 && worst[1] <= 1e-7 && worst[2] <= 1e-5);
}

/// The inputs of the traced fits: profiles of the regression genes and one pixel's counts.
struct Vignette {
    design: Design,
    pixels: HashMap<String, (PixelCounts, f64)>,
    rows: Arc<CountRows>,
}

fn all_rows() -> Arc<CountRows> {
    Arc::new(CountRows::up_to(MAX_ROWS as u32))
}

fn vignette(folder: &Path) -> Vignette {
    let folder = folder.join("vignette");
    let genes: Vec<String> = rows(&folder.join("gene_list_reg.txt"))
        .into_iter()
        .map(|mut row| row.remove(0))
        .collect();
    let profiles: HashMap<String, Vec<f64>> = rows(&folder.join("profiles_norm.csv.gz"))
        .into_iter()
        .skip(1)
        .map(|row| (row[0].clone(), row[1..].iter().map(|v| number(v)).collect()))
        .collect();
    let n_types = profiles[&genes[0]].len();
    let values: Vec<f64> = genes.iter().flat_map(|g| profiles[g].clone()).collect();
    let place: HashMap<&str, u32> = genes.iter().map(String::as_str).zip(0..).collect();
    let all_genes = rows(&folder.join("spatial_genes.txt.gz"));
    let barcodes = &rows(&folder.join("spatial_pixels.csv.gz"))[1..];
    let mut counts = vec![(vec![], vec![]); barcodes.len()];
    for row in &rows(&folder.join("spatial_counts_triplet.csv.gz"))[1..] {
        if let Some(&gene) = place.get(all_genes[integer(&row[0]) as usize][0].as_str()) {
            let pixel: &mut (Vec<u32>, Vec<u32>) = &mut counts[integer(&row[1]) as usize];
            pixel.0.push(gene);
            pixel.1.push(integer(&row[2]));
        }
    }
    let rows = all_rows();
    let pixels = barcodes
        .iter()
        .zip(&counts)
        .map(|(row, (genes_of_pixel, counts))| {
            let mut pixel = PixelCounts::new(genes.len(), &rows);
            pixel.set(genes_of_pixel.iter().copied().zip(counts.iter().copied()));
            (row[0].clone(), (pixel, number(&row[3])))
        })
        .collect();
    Vignette {
        design: Design::new(&values, genes.len(), n_types),
        pixels,
        rows,
    }
}

#[test]
fn every_step_of_the_solver_is_spacexrs() {
    let Some(folder) = shared("golden/rctd") else {
        return;
    };
    let data = vignette(&folder);
    let mut tables = LikelihoodTables::new(Arc::clone(&data.rows));
    let ctx = Context::single_threaded().expect("pool");
    tables.ensure(&ctx, &[84]).expect("built");
    let mut ws = Workspace::new(&data.design);
    let mut worst = [0.0_f64; 3];
    for row in &rows(&folder.join("solver/irwls_traces.csv.gz"))[1..] {
        let (pixel, n_umi) = &data.pixels[&row[0]];
        let types: Vec<u32> = row[1].split('|').map(|k| integer(k) - 1).collect();
        let problem = Problem {
            design: &data.design,
            pixel,
            n_umi: *n_umi,
            table: tables.get(84).expect("built"),
        };
        let options = SolveOptions {
            n_iter: integer(&row[2]),
            ..SolveOptions::default()
        };
        let mut weights = vec![0.0; types.len()];
        let outcome = problem.solve(&mut ws, Some(&types), &options, &mut weights);
        assert_eq!(outcome.n_iter, options.n_iter, "{row:?}");
        let want: Vec<f64> = row[4].split(' ').map(number).collect();
        for (a, b) in weights.iter().zip(&want) {
            worst[0] = worst[0].max((a - b).abs());
        }
        worst[1] = worst[1].max((outcome.change - number(&row[3])).abs());
        let score = problem.score(&mut ws, Some(&types), &weights);
        worst[2] = worst[2].max(off(score, number(&row[5]), 1.0));
    }
    println!("weights, change and score off by {worst:?}");
    assert!(worst[0] <= 1e-8 && worst[1] <= 1e-8 && worst[2] <= 1e-9);
}

#[test]
fn full_weights_are_spacexrs() {
    let Some(folder) = shared("golden/rctd") else {
        return;
    };
    let data = vignette(&folder);
    let mut tables = LikelihoodTables::new(Arc::clone(&data.rows));
    let ctx = Context::single_threaded().expect("pool");
    tables.ensure(&ctx, &[84]).expect("built");
    let mut ws = Workspace::new(&data.design);
    let mut worst = 0.0_f64;
    for row in &rows(&folder.join("vignette/full_weights.csv.gz"))[1..] {
        let (pixel, n_umi) = &data.pixels[&row[0]];
        let problem = Problem {
            design: &data.design,
            pixel,
            n_umi: *n_umi,
            table: tables.get(84).expect("built"),
        };
        let mut weights = vec![0.0; data.design.n_types()];
        problem.solve(&mut ws, None, &SolveOptions::default(), &mut weights);
        for (a, b) in weights.iter().zip(&row[1..]) {
            worst = worst.max((a - number(b)).abs());
        }
    }
    println!("full weights off by {worst:e}");
    assert!(worst <= 1e-8);
}
