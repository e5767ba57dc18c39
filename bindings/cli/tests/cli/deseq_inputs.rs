//! `cyto deseq` on folders of htseq-count, tables of estimates and cells; comparisons as lists and numbers.

use std::path::{Path, PathBuf};
use std::process::Output;

use cytosol::data::matrix::Csr;
use cytosol::data::{Annotations, Categorical, Column, Compression, Table, Tables, create};
use serde_json::Value;

use crate::lab::{cyto, failure, names, scratch, success};

const GENES: usize = 200;
const SAMPLES: usize = 6;
/// Cells of each sample.
const CELLS: usize = 5;

fn part(gene: usize, sample: usize, cell: usize) -> u32 {
    let mut state = (gene * 7919 + sample * 104_729 + cell * 31 + 12_345) as u64;
    for _ in 0..3 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state ^= state >> 29;
    }
    let unit = (state >> 11) as f64 / (1_u64 << 53) as f64;
    let effect = if gene % 10 == 3 && sample % 2 == 1 {
        5.0
    } else {
        1.0
    };
    (2.0 * 1.02_f64.powi(gene as i32 % 150) * effect * (0.4 + 1.2 * unit)).round() as u32
}

fn count(gene: usize, sample: usize) -> u32 {
    (0..CELLS).map(|cell| part(gene, sample, cell)).sum()
}

fn sample(at: usize) -> String {
    format!("d{}_{}", at / 2, ["ctl", "trt"][at % 2])
}

/// The same study as a table, a folder, estimates with lengths, and cells.
struct Study {
    folder: tempfile::TempDir,
}

impl Study {
    fn new() -> Self {
        let study = Study { folder: scratch() };
        let header: Vec<String> = (0..SAMPLES).map(sample).collect();
        let table = |cell: &dyn Fn(usize, usize) -> String| {
            let mut text = format!("gene,{}\n", header.join(","));
            for gene in 0..GENES {
                let fields: Vec<String> = (0..SAMPLES).map(|s| cell(gene, s)).collect();
                text += &format!("g{gene},{}\n", fields.join(","));
            }
            text
        };
        study.write("counts.csv", &table(&|g, s| count(g, s).to_string()));
        // Halves go to the even neighbour, so these are the same counts.
        let near = |g, s| {
            let k = count(g, s);
            let off = if k % 2 == 0 { 0.5 } else { 0.25 };
            (f64::from(k) + off).to_string()
        };
        study.write("estimates.csv", &table(&near));
        study.write(
            "lengths.csv",
            &table(&|g, s| (900 + 10 * g * (s % 2)).to_string()),
        );
        study.write("flat.csv", &table(&|g, _| (900 + g).to_string()));
        let (mut rows, mut files) = (String::new(), String::new());
        std::fs::create_dir(study.at("htseq")).expect("made");
        for s in 0..SAMPLES {
            let (name, condition) = (sample(s), ["ctl", "trt"][s % 2]);
            rows += &format!("{name},d{},{condition}\n", s / 2);
            files += &format!("{name},{name}.txt,d{},{condition}\n", s / 2);
            let mut text: String = (0..GENES)
                .map(|g| format!("g{g}\t{}\n", count(g, s)))
                .collect();
            text += "__no_feature\t17\n";
            study.write(&format!("htseq/{name}.txt"), &text);
        }
        study.write("samples.csv", &format!("sample,donor,condition\n{rows}"));
        study.write(
            "files.csv",
            &format!("sample,file,donor,condition\n{files}"),
        );
        study.write_cells();
        study
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.at(name), text).expect("written");
    }

    /// Cells of the samples in turn, so that those of a sample are not together; one more donor has a
    /// single cell.
    fn write_cells(&self) {
        let (mut offsets, mut genes, mut counts) = (vec![0], vec![], vec![]);
        let (mut donors, mut conditions) = (vec![], vec![]);
        let mut cell = |sample: usize, number: usize| {
            for gene in 0..GENES {
                let k = part(gene, sample, number);
                if k > 0 {
                    genes.push(gene as u32);
                    counts.push(k);
                }
            }
            offsets.push(genes.len());
            donors.push((sample / 2) as i32);
            conditions.push((sample % 2) as i32);
        };
        for number in 0..CELLS {
            (0..SAMPLES).for_each(|sample| cell(sample, number));
        }
        cell(SAMPLES, 0);
        let n = donors.len();
        let mut counts = Csr::from_parts(GENES, offsets, genes, counts).expect("fits");
        let labels = |codes: Vec<i32>, names: &[&str]| {
            Column::Categorical(Categorical {
                codes,
                categories: names.iter().map(|n| (*n).to_owned()).collect(),
                ordered: false,
            })
        };
        let mut obs = Table::new((0..n).map(|i| format!("c{i}")).collect());
        obs.set("donor", labels(donors, &["d0", "d1", "d2", "d3"]))
            .expect("fits");
        obs.set("condition", labels(conditions, &["ctl", "trt"]))
            .expect("fits");
        let var = Table::new((0..GENES).map(|g| format!("g{g}")).collect());
        let ctx = cytosol::Context::new(&cytosol::ContextOptions::default()).expect("pool");
        create(
            &ctx,
            &self.at("cells.h5ad"),
            &mut counts,
            Tables {
                obs: &obs,
                var: &var,
            },
            Annotations::default(),
            Compression::default(),
        )
        .expect("written");
    }

    fn run(&self, inputs: &[&str], options: &[&str]) -> Output {
        std::fs::create_dir_all(self.at("out")).expect("made");
        cyto()
            .current_dir(self.at("out"))
            .arg("deseq")
            .args(inputs.iter().map(|name| self.at(name)))
            .args(["--json", "-o", "results.csv"])
            .args(options)
            .output()
            .expect("the binary starts")
    }

    fn works(&self, inputs: &[&str], options: &[&str]) -> (Value, String) {
        let report = success(&self.run(inputs, options));
        (report, read(&self.at("out/results.csv")))
    }

    fn refused(&self, inputs: &[&str], options: &[&str]) -> String {
        let _ = std::fs::remove_file(self.at("out/results.csv"));
        let message = failure(&self.run(inputs, options));
        assert!(names(&self.at("out")).is_empty());
        message
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file")
}

const TABLES: [&str; 2] = ["counts.csv", "samples.csv"];
const DESIGN: [&str; 2] = ["--design", "~ donor + condition"];

fn designed<'a>(more: &[&'a str]) -> Vec<&'a str> {
    DESIGN.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn every_input_gives_the_same_results() {
    let study = Study::new();
    let (_, from_table) = study.works(&TABLES, &DESIGN);
    assert_eq!(study.works(&["htseq", "files.csv"], &DESIGN).1, from_table);
    let by = ["--by", "donor", "--by", "condition", "--min-cells", "2"];
    let (report, from_cells) = study.works(&["cells.h5ad"], &designed(&by));
    assert_eq!(
        (report["n_samples"].as_u64(), from_cells),
        (Some(6), from_table.clone())
    );
    let estimated = designed(&["--estimated"]);
    assert_eq!(
        study.works(&["estimates.csv", "samples.csv"], &estimated).1,
        from_table
    );
}

#[test]
fn lengths_become_normalization_factors() {
    let study = Study::new();
    let lengths = study.at("lengths.csv").display().to_string();
    let flat = study.at("flat.csv").display().to_string();
    let inputs = ["estimates.csv", "samples.csv"];
    let (report, with) = study.works(&inputs, &designed(&["--lengths", &lengths]));
    assert_eq!(report["size_factors"], Value::Null);
    // Lengths that are the same in all samples change no fold change by more than rounding.
    let (_, level) = study.works(&inputs, &designed(&["--lengths", &flat]));
    let (_, without) = study.works(&inputs, &designed(&["--estimated"]));
    let effect = |text: &str, gene: usize| -> f64 {
        let line = text.lines().nth(gene + 1).expect("a gene");
        line.split(',')
            .nth(2)
            .expect("a column")
            .parse()
            .expect("a number")
    };
    let apart = |a: &str, b: &str| {
        let each = (0..GENES).map(|g| (effect(a, g) - effect(b, g)).abs());
        each.fold(0.0, f64::max)
    };
    assert!(
        apart(&level, &without) < 0.02,
        "{}",
        apart(&level, &without)
    );
    // Transcripts of treated samples that are longer by up to a factor of 3 explain that part of the counts.
    assert!(apart(&with, &without) > 0.5, "{}", apart(&with, &without));
}

#[test]
fn comparisons_are_lists_and_numbers_too() {
    let study = Study::new();
    let effects = |options: &[&str]| -> Vec<f64> {
        let (_, text) = study.works(&TABLES, &designed(options));
        let column = |line: &str| line.split(',').nth(2).expect("a column").parse();
        text.lines()
            .skip(1)
            .map(|l| column(l).expect("a number"))
            .collect()
    };
    let same = |a: &[f64], b: &[f64], factor: f64| {
        let close = |(a, b): (&f64, &f64)| (a - factor * b).abs() < 1e-9;
        assert_eq!(a.len(), GENES);
        assert!(a.iter().zip(b).all(close));
    };
    let named = effects(&["--name", "condition_trt_vs_ctl"]);
    same(&effects(&["--contrast", "0,0,0,1"]), &named, 1.0);
    same(&effects(&["--contrast", "-0,0,0,-2"]), &named, -2.0);
    same(
        &effects(&["--numerators", "condition_trt_vs_ctl"]),
        &named,
        1.0,
    );
    let halved = [
        "--denominators",
        "condition_trt_vs_ctl",
        "--list-values",
        "1,-0.5",
    ];
    same(&effects(&halved), &named, -0.5);
    let donors = effects(&["--contrast", "donor,d2,d1"]);
    let list = [
        "--numerators",
        "donor_d2_vs_d0",
        "--denominators",
        "donor_d1_vs_d0",
    ];
    same(&effects(&list), &donors, 1.0);
}

#[test]
fn what_does_not_go_together_is_said() {
    let study = Study::new();
    let by = ["--by", "donor", "--by", "condition"];
    let and = |more: &[&'static str]| -> Vec<&'static str> {
        by.into_iter().chain(more.iter().copied()).collect()
    };
    for (inputs, options, words) in [
        (&["cells.h5ad"][..], vec![], "--by donor"),
        (
            &["cells.h5ad", "samples.csv"],
            and(&[]),
            "--by makes the samples",
        ),
        (&["counts.csv"], vec![], "sample table is needed"),
        (&TABLES, and(&[]), "is for cells"),
        (&["cells.h5ad"], vec!["--by", "colour"], "colour"),
        (
            &["cells.h5ad"],
            and(&["--min-cells", "9"]),
            "no sample has 9 cells",
        ),
        (&["cells.h5ad"], and(&["--layer", "raw"]), "raw"),
        (&["cells.h5ad"], and(&["--use-raw"]), "raw"),
        (
            &["cells.h5ad"],
            and(&["--estimated"]),
            "is for a table of estimated counts",
        ),
        (&["htseq", "samples.csv"], vec![], "d0"),
        (&["estimates.csv", "samples.csv"], vec![], "line 2"),
        (&TABLES, vec!["--lengths", "none.csv"], "none.csv"),
        (&TABLES, vec!["--list-values", "1,-1"], "--numerators"),
        (&TABLES, vec!["--numerators", ","], "A,B"),
        (&TABLES, vec!["--numerators", "donor"], "donor_d1_vs_d0"),
        (&TABLES, vec!["--contrast", "0,1"], "4"),
    ] {
        let message = study.refused(inputs, &designed(&options));
        assert!(message.contains(words), "{inputs:?} {options:?}: {message}");
    }
    study.write("htseq/d1_ctl.txt", "g0\t1\nz\t2\n");
    let message = study.refused(&["htseq", "files.csv"], &DESIGN);
    assert!(
        message.contains("d1_ctl.txt") && message.contains("line 2"),
        "{message}"
    );
}
