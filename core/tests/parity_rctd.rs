//! RCTD from raw inputs to results against spacexr 2.2.1, on four sets and in three modes.
//!
//! | quantity | tolerance |
//! |---|---|
//! | gene lists with order, pixels, sigma | identical |
//! | normalised profiles | relative 1e-10 |
//! | full weights | 1e-8 absolute on 99.4 % of pixels, 1e-2 on the rest (below) |
//! | class, first and second type, class flags, convergence | identical |
//! | pair weights, sub weights | 1e-6 absolute |
//! | scores of singlets, pairs, sets | 1e-6 absolute |
//! | multi-mode types, order, confidence | identical |
//!
//! The weights of four of the 749 merfish pixels differ by 2e-7, 2e-7, 4e-6 and 5e-3. There the
//! Hessian has negative eigenvalues many times its positive ones, and the solver that spacexr calls
//! returns steps that violate their own bounds by up to 4e-7, in the last pixel by 2e-5, where the
//! exact step does not. Changing the last bit of the matrix that is passed to it moves spacexr's own
//! answer on the first three by as much as it differs from ours. With `qp_method` "dual", which errs
//! as that solver does, the last pixel agrees to 1e-8 and no merfish pixel differs by more than 1e-5;
//! what is left is that sensitivity (tolerance: 1e-8 on 99 %, 3e-4 on the rest).

// The figures are the point: `cargo test -- --nocapture` shows them.
#![allow(clippy::print_stdout)]

mod golden;
mod shared_data;

use std::collections::BTreeMap;
use std::path::Path;

use cytosol::Context;
use cytosol::data::matrix::Csr;
use cytosol::data::{Categorical, CellBlocks};
use cytosol::rctd::{
    Mode, QpMethod, Rctd, RctdOptions, RctdResults, Reference, ReferenceInput, SPOT_CLASSES,
    SpatialInput,
};
use golden::{Frame, csv_rows, lines};
use shared_data::shared;

fn counts(path: &Path, n_columns: usize, n_genes: usize) -> Box<dyn CellBlocks> {
    let mut entries: Vec<(usize, u32, u32)> = csv_rows(path)[1..]
        .iter()
        .map(|row| {
            let number = |at: usize| row[at].parse::<u32>().expect("integer");
            (number(1) as usize, number(0), number(2))
        })
        .collect();
    entries.sort_unstable();
    let mut matrix = Csr::new(n_genes);
    let mut entries = entries.into_iter().peekable();
    for column in 0..n_columns {
        while let Some((_, gene, count)) = entries.next_if(|e| e.0 == column) {
            matrix.push(gene, count);
        }
        matrix.end_cell();
    }
    Box::new(matrix)
}

fn reference(ctx: &Context, set: &Path) -> Reference {
    let cells = Frame::read(&set.join("ref_cells.csv.gz"));
    let genes = lines(&set.join("ref_genes.txt.gz"));
    let categories = lines(&set.join("cell_type_levels.txt"));
    let codes = cells
        .column("cell_type")
        .iter()
        .map(|t| categories.iter().position(|c| c == t).expect("a level") as i32)
        .collect();
    Reference::build(
        ctx,
        ReferenceInput {
            counts: counts(
                &set.join("ref_counts_triplet.csv.gz"),
                cells.rows.len(),
                genes.len(),
            ),
            n_umi: Some(cells.numbers("nUMI")),
            cells: cells.rows.clone(),
            genes,
            cell_types: Categorical {
                codes,
                categories,
                ordered: false,
            },
        },
        &Default::default(),
    )
    .expect("a reference")
}

fn spatial(set: &Path) -> SpatialInput<'static> {
    let pixels = Frame::read(&set.join("spatial_pixels.csv.gz"));
    let genes = lines(&set.join("spatial_genes.txt.gz"));
    SpatialInput {
        counts: counts(
            &set.join("spatial_counts_triplet.csv.gz"),
            pixels.rows.len(),
            genes.len(),
        ),
        n_umi: Some(pixels.numbers("nUMI")),
        coords: None,
        pixels: pixels.rows,
        genes,
    }
}

struct Set<'a> {
    name: &'a str,
    out: std::path::PathBuf,
    rctd: Rctd<'static>,
    ctx: Context,
}

impl<'a> Set<'a> {
    fn prepare(name: &'a str, inputs: &str, options: RctdOptions) -> Option<Self> {
        let out = shared(&format!("golden/rctd/{name}"))?;
        let inputs = shared(&format!("golden/rctd/{inputs}"))?;
        let ctx = Context::new(&Default::default()).expect("a context");
        let reference = reference(&ctx, &inputs);
        let mut rctd = Rctd::create(&ctx, spatial(&inputs), &reference, options).expect("created");
        rctd.prepare(&ctx).expect("bulk and sigma");
        let set = Set {
            name,
            out,
            rctd,
            ctx,
        };
        set.check_preparation();
        Some(set)
    }

    fn frame(&self, file: &str) -> Frame {
        Frame::read(&self.out.join(file))
    }

    fn say(&self, what: &str, figures: impl std::fmt::Display) {
        println!("{:<20} {what:<24} {figures}", self.name);
    }

    fn check_preparation(&self) {
        assert_eq!(
            self.rctd.genes_reg(),
            lines(&self.out.join("gene_list_reg.txt"))
        );
        assert_eq!(
            self.rctd.genes_bulk(),
            lines(&self.out.join("gene_list_bulk.txt"))
        );
        let kept: Vec<&str> = self
            .rctd
            .kept()
            .iter()
            .map(|&row| self.rctd.barcodes()[row as usize].as_str())
            .collect();
        assert_eq!(kept, self.frame("pixels_kept.csv").rows);
        let scalars = self.frame("scalars.csv");
        let sigma = scalars.numbers("value")[scalars.index()["sigma"]];
        let found = self.rctd.sigma().expect("estimated").key;
        assert_eq!(found, (sigma * 100.0).round() as u32);
        let bulk = self.rctd.bulk().expect("fitted");
        let profiles =
            largest_relative(&bulk.profiles, &self.frame("profiles_norm.csv.gz").matrix());
        self.say("profiles, relative", format!("{profiles:.1e}"));
        assert!(profiles <= 1e-10);
        let proportions = self.frame("bulk_proportions.csv").matrix();
        let difference = largest(&bulk.proportions, &proportions);
        self.say("bulk weights", format!("{difference:.1e}"));
        assert!(difference <= 1e-6 * proportions.iter().fold(0.0, |a: f64, b| a.max(*b)));
    }

    fn run(&mut self, mode: Mode) -> RctdResults {
        self.rctd.fit_pixels(&self.ctx, mode).expect("fitted")
    }

    fn check_weights(&self, results: &RctdResults, file: &str) {
        let expected = self.frame(file).matrix();
        let k = results.cell_types.len();
        let mut by_pixel: Vec<f64> = results
            .weights
            .chunks_exact(k)
            .zip(expected.chunks_exact(k))
            .map(|(a, b)| largest(a, b))
            .collect();
        for (pixel, difference) in by_pixel.iter().enumerate().filter(|d| *d.1 > 1e-8) {
            println!("  pixel {:?}: {difference:.1e}", results.barcodes[pixel]);
        }
        by_pixel.sort_by(f64::total_cmp);
        let above = by_pixel.iter().filter(|d| **d > 1e-8).count();
        let n = by_pixel.len();
        self.say(
            &format!("{} weights", results.mode),
            format!(
                "median {:.1e}, largest {:.1e}, above 1e-8: {above} of {n}",
                by_pixel[n / 2],
                by_pixel[n - 1]
            ),
        );
        let (share, most) = match self.rctd.options().qp_method {
            QpMethod::Dual => (0.01, 3e-4),
            _ => (0.006, 1e-2),
        };
        assert!(above as f64 <= share * n as f64, "{above}");
        assert!(by_pixel[n - 1] <= most);
    }
}

fn largest(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}

fn largest_relative(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs() / b.abs().max(1e-300))
        .fold(0.0, f64::max)
}

fn check_doublet(set: &mut Set<'_>) {
    let results = set.run(Mode::Doublet);
    set.check_weights(&results, "doublet_weights_all.csv.gz");
    let doublet = results.doublet.as_ref().expect("doublet mode");
    let expected = set.frame("doublet_results_df.csv.gz");
    assert_eq!(results.barcodes, expected.rows);
    let types = |codes: &[u32]| -> Vec<String> {
        codes
            .iter()
            .map(|&c| results.cell_types[c as usize].clone())
            .collect()
    };
    let flags = |values: &[bool]| -> Vec<&str> {
        values
            .iter()
            .map(|&v| if v { "TRUE" } else { "FALSE" })
            .collect()
    };
    let classes: Vec<&str> = doublet
        .spot_class
        .iter()
        .map(|&c| SPOT_CLASSES[usize::from(c)])
        .collect();
    assert_eq!(classes, expected.column("spot_class"));
    assert_eq!(types(&doublet.first_type), expected.column("first_type"));
    assert_eq!(types(&doublet.second_type), expected.column("second_type"));
    assert_eq!(flags(&doublet.first_class), expected.column("first_class"));
    assert_eq!(
        flags(&doublet.second_class),
        expected.column("second_class")
    );
    assert_eq!(flags(&results.converged), expected.column("conv_all"));
    assert_eq!(flags(&doublet.converged), expected.column("conv_doublet"));
    let min_score = largest(&doublet.min_score, &expected.numbers("min_score"));
    let singlet_score = largest(&doublet.singlet_score, &expected.numbers("singlet_score"));
    let weights = largest(
        &doublet.weights,
        &set.frame("doublet_weights_doublet.csv.gz").matrix(),
    );
    set.say("classes and types", "identical");
    set.say("pair weights", format!("{weights:.1e}"));
    set.say("min score", format!("{min_score:.1e}"));
    set.say("singlet score", format!("{singlet_score:.1e}"));
    let (singlets, pairs) = score_differences(set, &results);
    set.say("candidate scores", format!("{singlets:.1e}"));
    set.say("pair scores", format!("{pairs:.1e}"));
    assert!(weights <= 1e-6);
    assert!(min_score.max(singlet_score).max(singlets).max(pairs) <= 1e-6);
}

/// Largest difference of candidate and pair scores; candidates must be the same.
fn score_differences(set: &Set<'_>, results: &RctdResults) -> (f64, f64) {
    let scores = results
        .doublet
        .as_ref()
        .and_then(|d| d.scores.as_ref())
        .expect("kept");
    let single = csv_rows(&set.out.join("doublet_singlet_scores_long.csv.gz"));
    let pair = csv_rows(&set.out.join("doublet_score_mat_long.csv.gz"));
    let mut single = single[1..].iter();
    let pairs: BTreeMap<[&str; 3], f64> = pair[1..]
        .iter()
        .map(|row| {
            let (a, b) = (row[1].as_str().min(&row[2]), row[1].as_str().max(&row[2]));
            ([row[0].as_str(), a, b], row[3].parse().expect("number"))
        })
        .collect();
    let mut n_pairs = 0;
    let (mut worst_single, mut worst_pair) = (0.0_f64, 0.0_f64);
    for pixel in 0..results.n_pixels() {
        let barcode = &results.barcodes[pixel];
        let range = scores.offsets[pixel] as usize..scores.offsets[pixel + 1] as usize;
        let names: Vec<&String> = scores.candidates[range.clone()]
            .iter()
            .map(|&c| &results.cell_types[c as usize])
            .collect();
        for (name, score) in names.iter().zip(&scores.singlet_scores[range]) {
            let row = single.next().expect("as many candidates");
            assert_eq!((&row[0], &row[1]), (barcode, *name));
            worst_single = worst_single.max((row[2].parse::<f64>().expect("number") - score).abs());
        }
        let mut packed = scores.pair_scores[scores.pair_offsets[pixel] as usize..].iter();
        for i in 0..names.len() {
            for j in i + 1..names.len() {
                let (a, b) = (names[i].min(names[j]), names[i].max(names[j]));
                let expected = pairs[&[barcode.as_str(), a.as_str(), b.as_str()]];
                let score = packed.next().expect("packed");
                worst_pair = worst_pair.max((expected - score).abs());
                n_pairs += 1;
            }
        }
    }
    assert!(single.next().is_none() && n_pairs == pairs.len());
    (worst_single, worst_pair)
}

fn check_multi(set: &mut Set<'_>) {
    let results = set.run(Mode::Multi);
    let multi = results.multi.as_ref().expect("multi mode");
    let expected = csv_rows(&set.out.join("multi_results_long.csv.gz"));
    let mut expected = expected[1..].iter();
    let (mut weights, mut scores) = (0.0_f64, 0.0_f64);
    for pixel in 0..results.n_pixels() {
        for (rank, at) in multi.range(pixel).enumerate() {
            let row = expected.next().expect("as many types");
            let number = |at: usize| row[at].parse::<f64>().expect("number");
            assert_eq!(row[0], results.barcodes[pixel]);
            assert_eq!(number(1) as usize, rank + 1);
            assert_eq!(row[2], results.cell_types[multi.cell_types[at] as usize]);
            assert_eq!(row[3] == "TRUE", multi.confident[at], "pixel {}", row[0]);
            weights = weights.max((number(4) - multi.sub_weights[at]).abs());
            scores = scores.max((number(5) - multi.min_score[pixel]).abs());
            assert_eq!(row[6] == "TRUE", results.converged[pixel]);
            assert_eq!(row[7] == "TRUE", multi.converged[pixel]);
        }
    }
    assert!(expected.next().is_none());
    set.say("multi types", "identical");
    set.say("multi sub weights", format!("{weights:.1e}"));
    set.say("multi score", format!("{scores:.1e}"));
    assert!(weights <= 1e-6 && scores <= 1e-6);
}

fn check_all(name: &str) {
    let Some(mut set) = Set::prepare(name, name, RctdOptions::default()) else {
        return;
    };
    let full = set.run(Mode::Full);
    set.check_weights(&full, "full_weights.csv.gz");
    let normalized = largest(
        &full.normalized_weights(),
        &set.frame("full_weights_normalized.csv.gz").matrix(),
    );
    set.say("normalised weights", format!("{normalized:.1e}"));
    check_doublet(&mut set);
    check_multi(&mut set);
}

#[test]
fn vignette_agrees_with_spacexr() {
    check_all("vignette");
}

#[test]
fn vignette_with_column_sums_agrees_with_spacexr() {
    check_all("vignette_colsums");
}

#[test]
fn merfish_agrees_with_spacexr() {
    check_all("merfish");
}

#[test]
fn classes_of_types_agree_with_spacexr() {
    let Some(folder) = shared("golden/rctd/vignette_class_df") else {
        return;
    };
    let table = Frame::read(&folder.join("class_df.csv"));
    let classes = table
        .rows
        .iter()
        .cloned()
        .zip(table.column("class").into_iter().map(str::to_owned));
    let mut options = RctdOptions::default();
    options.class_df = Some(classes.collect());
    options.confidence_threshold = 10.0;
    if let Some(mut set) = Set::prepare("vignette_class_df", "vignette_colsums", options) {
        check_doublet(&mut set);
    }
}

#[test]
fn the_dual_method_agrees_with_spacexr() {
    let mut options = RctdOptions::default();
    options.qp_method = QpMethod::Dual;
    if let Some(mut set) = Set::prepare("merfish", "merfish", options) {
        let results = set.run(Mode::Full);
        set.check_weights(&results, "full_weights.csv.gz");
    }
}
