//! `cyto deseq`: tables in, results table, plot and transformed counts out; faults by file and line.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::lab::{cyto, failure, names, scratch, success};

const GENES: usize = 300;
const SAMPLES: usize = 8;

/// Counts and samples in a scratch folder: two batches, two conditions, one gene in ten changed.
struct Study {
    folder: tempfile::TempDir,
}

/// A count of a fixed, uneven pattern: no two genes alike, spread about the mean.
fn count(gene: usize, sample: usize) -> u64 {
    let mut state = (gene * 7919 + sample * 104_729 + 12_345) as u64;
    for _ in 0..3 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state ^= state >> 29;
    }
    let unit = (state >> 11) as f64 / (1_u64 << 53) as f64;
    let mean = 6.0 * 1.02_f64.powi(gene as i32 % 200);
    let effect = if gene % 10 == 3 && sample >= SAMPLES / 2 {
        6.0
    } else {
        1.0
    };
    let spread = 0.6 + 0.8 * unit;
    if gene % 50 == 49 {
        0
    } else {
        (mean * effect * spread).round() as u64
    }
}

fn sample_names() -> Vec<String> {
    (1..=SAMPLES).map(|i| format!("s{i}")).collect()
}

impl Study {
    fn new() -> Self {
        let study = Study { folder: scratch() };
        study.write_counts(&count);
        study.write_samples(&sample_names());
        study
    }

    fn counts(&self) -> PathBuf {
        self.folder.path().join("counts.csv")
    }

    fn samples(&self) -> PathBuf {
        self.folder.path().join("samples.tsv")
    }

    fn write_counts(&self, count: &dyn Fn(usize, usize) -> u64) {
        let mut lines = vec![format!("gene,{}", sample_names().join(","))];
        lines.extend((0..GENES).map(|gene| {
            let counts: Vec<String> = (0..SAMPLES).map(|s| count(gene, s).to_string()).collect();
            format!("g{gene},{}", counts.join(","))
        }));
        std::fs::write(self.counts(), lines.join("\n") + "\n").expect("written");
    }

    fn write_samples(&self, order: &[String]) {
        let mut text = "sample\tbatch\tcondition\tdose\n".to_owned();
        for name in order {
            let at: usize = name[1..].parse::<usize>().expect("a number") - 1;
            let condition = if at < SAMPLES / 2 {
                "untreated"
            } else {
                "treated"
            };
            let batch = ["a", "b"][at % 2];
            text += &format!("{name}\t{batch}\t{condition}\t{}\n", at % 4 / 2);
        }
        std::fs::write(self.samples(), text).expect("written");
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// Runs with these options; outputs stand in `out`.
    fn run(&self, options: &[&str]) -> std::process::Output {
        std::fs::create_dir_all(self.out()).expect("made");
        cyto()
            .current_dir(self.out())
            .arg("deseq")
            .args([self.counts(), self.samples()])
            .args(["--json", "-o", "results.csv"])
            .args(options)
            .output()
            .expect("the binary starts")
    }

    fn works(&self, options: &[&str]) -> (Value, Vec<Vec<String>>) {
        let report = success(&self.run(options));
        (report, table(&self.out().join("results.csv")))
    }

    /// The message of a run that must fail and leave nothing.
    fn refused(&self, options: &[&str]) -> String {
        let message = failure(&self.run(options));
        assert!(names(&self.out()).is_empty(), "{:?}", names(&self.out()));
        message
    }
}

const BASIC: [&str; 4] = [
    "--design",
    "~ batch + condition",
    "--reference",
    "condition=untreated",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    BASIC.into_iter().chain(more.iter().copied()).collect()
}

fn table(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).expect("a file");
    let delimiter = if path.extension().is_some_and(|e| e == "tsv") {
        '\t'
    } else {
        ','
    };
    text.lines()
        .map(|line| line.split(delimiter).map(str::to_owned).collect())
        .collect()
}

fn number(field: &str) -> f64 {
    field.parse().expect("a number")
}

#[test]
fn results_have_the_columns_of_the_reference_and_find_the_changed_genes() {
    let study = Study::new();
    let (report, rows) = study.works(&with(&[]));
    let header = [
        "",
        "baseMean",
        "log2FoldChange",
        "lfcSE",
        "stat",
        "pvalue",
        "padj",
    ];
    assert_eq!(rows[0], header);
    assert_eq!(rows.len(), GENES + 1);
    let (mut right, mut wrong) = (0, 0);
    for (gene, row) in rows[1..].iter().enumerate() {
        assert_eq!(row[0], format!("g{gene}"));
        if gene % 50 == 49 {
            assert_eq!(row[1..], ["0", "NA", "NA", "NA", "NA", "NA"]);
        } else if row[6] != "NA" && number(&row[6]) < 0.1 {
            *(if gene % 10 == 3 {
                &mut right
            } else {
                &mut wrong
            }) += 1;
        }
    }
    assert!(right >= 25 && wrong <= 5, "{right} right, {wrong} wrong");
    assert_eq!(report["status"], "success");
    assert_eq!(report["n_genes"], GENES);
    let called = report["up"].as_u64().expect("up") + report["down"].as_u64().expect("down");
    assert_eq!(called, right + wrong);
    let names: Vec<&str> = report["results_names"]
        .as_array()
        .expect("names")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        names,
        [
            "Intercept",
            "batch_b_vs_a",
            "condition_treated_vs_untreated"
        ]
    );
    assert_eq!(
        report["size_factors"].as_array().map(Vec::len),
        Some(SAMPLES)
    );
}

#[test]
fn comparisons_can_be_named_in_two_ways_and_turned_round() {
    let study = Study::new();
    let (_, by_default) = study.works(&with(&[]));
    let (_, by_name) = study.works(&with(&["--name", "condition_treated_vs_untreated"]));
    let (report, by_contrast) = study.works(&with(&["--contrast", "condition,treated,untreated"]));
    assert_eq!(by_default, by_name);
    assert_eq!(by_default, by_contrast);
    let words = report["comparison"].as_str().expect("words");
    assert!(words.contains("treated vs untreated"), "{words}");
    let (_, turned) = study.works(&with(&["--contrast", "condition,untreated,treated"]));
    assert_eq!(number(&turned[4][2]), -number(&by_default[4][2]));
    assert_eq!(turned[4][5], by_default[4][5]);
    // Without a reference level the sorted first one is it.
    let (_, sorted) = study.works(&["--design", "~ batch + condition"]);
    assert!((number(&sorted[4][2]) + number(&by_default[4][2])).abs() < 1e-6);
}

#[test]
fn threads_do_not_change_a_byte() {
    let study = Study::new();
    let read = |threads: &str| {
        study.works(&with(&[
            "--threads",
            threads,
            "--vst",
            "vst.csv",
            "--vst-nsub",
            "0",
        ]));
        let bytes = |name: &str| std::fs::read(study.out().join(name)).expect("a file");
        (bytes("results.csv"), bytes("vst.csv"))
    };
    let one = read("1");
    assert_eq!(one, read("3"));
}

#[test]
fn plot_and_transformed_counts_are_written_beside_the_results() {
    let study = Study::new();
    for plot in ["ma.png", "ma.svg"] {
        study.works(&with(&[
            "--ma-plot",
            plot,
            "--vst",
            "vst.tsv",
            "--vst-nsub",
            "100",
        ]));
    }
    assert_eq!(
        names(&study.out()),
        ["ma.png", "ma.svg", "results.csv", "vst.tsv"]
    );
    let png = std::fs::read(study.out().join("ma.png")).expect("a picture");
    assert_eq!(&png[1..4], b"PNG");
    let svg = std::fs::read_to_string(study.out().join("ma.svg")).expect("a picture");
    for words in [
        "mean of normalized counts",
        "log2 fold change",
        "treated vs untreated",
    ] {
        assert!(svg.contains(words), "{words}");
    }
    let rows = table(&study.out().join("vst.tsv"));
    assert_eq!(rows.len(), GENES + 1);
    assert_eq!(rows[0][1..], sample_names());
    assert!(
        rows[1..]
            .iter()
            .flat_map(|r| &r[1..])
            .all(|v| number(v).is_finite())
    );
}

#[test]
fn shrinkage_changes_effects_and_columns() {
    let study = Study::new();
    let (_, plain) = study.works(&with(&[]));
    for kind in ["apeglm", "ashr", "normal"] {
        let (_, rows) = study.works(&with(&["--shrink", kind]));
        let has_stat = rows[0].iter().any(|c| c == "stat");
        assert_eq!(has_stat, kind == "normal", "{kind}");
        let sum = |rows: &[Vec<String>]| -> f64 {
            let effects = rows[1..].iter().filter(|r| r[2] != "NA");
            effects.map(|r| number(&r[2]).abs()).sum()
        };
        assert!(sum(&rows) < sum(&plain), "{kind}");
    }
    let (_, rows) = study.works(&with(&["--shrink", "apeglm", "--svalue"]));
    assert_eq!(
        rows[0][1..],
        ["baseMean", "log2FoldChange", "lfcSE", "svalue"]
    );
}

#[test]
fn likelihood_ratio_tests_thresholds_and_levels_are_passed_on() {
    let study = Study::new();
    let (report, lrt) = study.works(&with(&["--test", "LRT", "--reduced", "~ batch"]));
    assert!(number(&lrt[4][4]) > 0.0);
    assert!(report["comparison"].as_str().is_some_and(|c| !c.is_empty()));
    let (strict, _) = study.works(&with(&[
        "--lfc-threshold",
        "1",
        "--alt-hypothesis",
        "greater",
        "--alpha",
        "0.05",
    ]));
    assert_eq!(strict["down"], 0);
    assert_eq!(strict["alpha"], 0.05);
    let (mean, _) = study.works(&with(&["--fit-type", "mean", "--sf-type", "poscounts"]));
    assert_eq!(mean["status"], "success");
    let (dose, rows) = study.works(&["--design", "~ dose + condition", "--factor", "dose"]);
    assert_eq!(dose["results_names"][1], "dose_1_vs_0");
    assert_eq!(rows.len(), GENES + 1);
}

#[test]
fn another_order_of_the_samples_is_an_error_that_lists_both() {
    let study = Study::new();
    let mut order = sample_names();
    order.swap(0, 5);
    study.write_samples(&order);
    let message = study.refused(&with(&[]));
    for words in [
        "same order",
        "counts.csv",
        "samples.tsv",
        "\"s1\", \"s2\"",
        "\"s6\", \"s2\"",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
    study.write_samples(&sample_names()[..7]);
    let message = study.refused(&with(&[]));
    assert!(message.contains("only in the counts: \"s8\""), "{message}");
}

#[test]
fn bad_counts_are_named_by_file_and_line() {
    let study = Study::new();
    let text = std::fs::read_to_string(study.counts()).expect("counts");
    for (bad, words) in [
        ("-4", "negative"),
        ("1.5", "not an integer"),
        ("NA", "not a number"),
    ] {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut fields: Vec<&str> = lines[7].split(',').collect();
        fields[3] = bad;
        lines[7] = fields.join(",");
        std::fs::write(study.counts(), lines.join("\n")).expect("written");
        let message = study.refused(&with(&[]));
        for words in ["counts.csv", "line 8, field 4", words] {
            assert!(message.contains(words), "{words}: {message}");
        }
    }
    study.write_counts(&|_, _| 0);
    assert!(study.refused(&with(&[])).contains("no gene has a count"));
    std::fs::remove_file(study.counts()).expect("removed");
    assert!(study.refused(&with(&[])).contains("counts.csv"));
}

#[test]
fn wrong_options_say_what_would_be_right() {
    let study = Study::new();
    for (options, words) in [
        (
            &["--contrast", "condition,treated"][..],
            "FACTOR,LEVEL,BASE",
        ),
        (
            &["--contrast", "condition,treated,no"],
            "\"no\" is not a level",
        ),
        (
            &["--name", "condition_treated"],
            "condition_treated_vs_untreated",
        ),
        (&["--test", "lrt"], "must be \"Wald\" or \"LRT\""),
        (&["--test", "LRT"], "requires a reduced design"),
        (&["--reduced", "~ batch"], "LRT"),
        (&["--fit-type", "cubic"], "parametric"),
        (&["--shrink", "lasso"], "apeglm"),
        (&["--compat", "2.0"], "1.38"),
        (&["--mode", "slow"], "exact"),
        (&["--cooks-cutoff", "-1"], "off"),
        (&["--factor", "colour"], "\"condition\""),
        (&["--ma-plot", "ma.gif"], ".png or .svg"),
        (&["--vst", "vst.csv"], "nsub"),
        (&["--alpha", "2"], "alpha"),
    ] {
        let message = study.refused(&with(options));
        assert!(message.contains(words), "{options:?}: {message}");
    }
    let message = study.refused(&["--design", "~ colour"]);
    assert!(message.contains("\"colour\""), "{message}");
}

#[test]
fn without_json_a_summary_is_printed() {
    let study = Study::new();
    std::fs::create_dir_all(study.out()).expect("made");
    let output = cyto()
        .current_dir(study.out())
        .arg("deseq")
        .args([study.counts(), study.samples()])
        .args(with(&[]))
        .output()
        .expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stdout);
    for words in [
        "LFC > 0 (up)",
        "low counts",
        "deseq_results.csv",
        "treated vs untreated",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(notes.contains("estimating dispersions"), "{notes}");
}
