//! Options of RCTD: one struct, spacexr's defaults, checked as a whole before any work.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::irwls::QpMethod;
use crate::error::{Error, Result, name_some, nearest_name};
use crate::par::r_random::RRandom;

/// How many cell types a pixel may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Any number: one fit over all types.
    Full,
    /// One or two, with a class that says how sure that is.
    Doublet,
    /// Up to [`RctdOptions::max_multi_types`], added greedily.
    Multi,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Full => "full",
            Mode::Doublet => "doublet",
            Mode::Multi => "multi",
        })
    }
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "full" => Ok(Mode::Full),
            "doublet" => Ok(Mode::Doublet),
            "multi" => Ok(Mode::Multi),
            _ => Err(Error::argument(
                "mode",
                format!("{text:?} is not a mode; must be \"doublet\", \"multi\" or \"full\""),
            )),
        }
    }
}

/// Options of RCTD. The names are spacexr's `create.RCTD` arguments in `snake_case`.
///
/// Source: spacexr 2.2.1, `create.RCTD` and its internal configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RctdOptions {
    /// Least mean expression of a gene of the bulk list (mean of count / nUMI in a type). Default 0.000125.
    pub gene_cutoff: f64,
    /// Least fold change of a gene of the bulk list, natural log. Default 0.5.
    pub fc_cutoff: f64,
    /// Least mean expression of a gene of the regression list. Default 0.0002.
    pub gene_cutoff_reg: f64,
    /// Least fold change of a gene of the regression list, natural log. Default 0.75.
    pub fc_cutoff_reg: f64,
    /// Least nUMI of a pixel, inclusive. Default 100.
    pub umi_min: f64,
    /// Largest nUMI of a pixel, inclusive. Default 20,000,000.
    pub umi_max: f64,
    /// Least sum of a pixel's counts, first over all genes, then over the bulk list. Default 10.
    pub counts_min: f64,
    /// Pixels used for sigma have a strictly larger nUMI. Default 300.
    pub umi_min_sigma: f64,
    /// Least number of reference cells of every type. Default 25.
    pub cell_min_instance: u64,
    /// Most types of a pixel in multi mode. Default 4.
    pub max_multi_types: usize,
    /// Score difference that makes a type certain. Default 5.
    pub confidence_threshold: f64,
    /// Score difference that makes a second type worth having. Default 20.
    pub doublet_threshold: f64,
    /// Which types to use, and their order; all in the reference's order when absent.
    pub cell_types: Option<Vec<String>>,
    /// (cell type, class) for every type; each type its own class when absent.
    pub class_df: Option<Vec<(String, String)>>,
    /// Most rounds of the search for sigma. Default 8.
    pub n_epoch: u32,
    /// Most pixels used for sigma. Default 1000.
    pub n_fit: usize,
    /// Convergence of the bulk fit, L1 change of the weights. Default 1e-4.
    pub min_change_bulk: f64,
    /// Convergence of the pixel fits, L1 change of the weights. Default 1e-3.
    pub min_change_reg: f64,
    /// Least total count of a gene over the pixels. Default 3.
    pub min_obs: f64,
    /// Most iterations of the fits whose weights are reported. Default 50.
    pub max_iter: u32,
    /// Fraction of the Newton step that is taken. Default 0.3.
    pub step_size: f64,
    /// How the quadratic problem of a step is solved: "exact", or "dual" as R's quadprog does it,
    /// which spacexr calls and which errs by up to 1e-5 on ill-conditioned pixels. Default "exact".
    pub qp_method: QpMethod,
    /// Fixes sigma instead of estimating it: 100 sigma, nearest of the 126 grid values is used.
    pub sigma: Option<u32>,
    /// Input rows of the pixels used for sigma, instead of a seeded sample.
    pub sigma_pixels: Option<Vec<u64>>,
    /// Per round: which entries (pixel in sample x gene, pixel-major, zero-based) are scored,
    /// instead of a seeded sample of 1,000,000.
    pub sigma_entries: Option<Vec<Vec<u64>>>,
    /// R's `.Random.seed` (626 numbers): the entries are those that R's `sample` draws from there,
    /// one draw a round, as spacexr does. Not together with `sigma_entries`.
    pub sigma_random_seed: Option<Vec<i32>>,
    /// Multi mode: an error, as in spacexr, when a pixel has no type above 0.01, instead of using
    /// its largest and saying so in `fallback`. Default false.
    pub strict_multi: bool,
    /// Keep the scores of all candidate types and pairs of doublet mode. Default true.
    pub keep_scores: bool,
}

/// Options that choose pixels, genes and types.
const CREATION: [&str; 11] = [
    "gene_cutoff",
    "fc_cutoff",
    "gene_cutoff_reg",
    "fc_cutoff_reg",
    "umi_min",
    "umi_max",
    "counts_min",
    "cell_min_instance",
    "min_obs",
    "cell_types",
    "class_df",
];

impl Default for RctdOptions {
    fn default() -> Self {
        RctdOptions {
            gene_cutoff: 0.000125,
            fc_cutoff: 0.5,
            gene_cutoff_reg: 0.0002,
            fc_cutoff_reg: 0.75,
            umi_min: 100.0,
            umi_max: 20_000_000.0,
            counts_min: 10.0,
            umi_min_sigma: 300.0,
            cell_min_instance: 25,
            max_multi_types: 4,
            confidence_threshold: 5.0,
            doublet_threshold: 20.0,
            cell_types: None,
            class_df: None,
            n_epoch: 8,
            n_fit: 1000,
            min_change_bulk: 1e-4,
            min_change_reg: 1e-3,
            min_obs: 3.0,
            max_iter: 50,
            step_size: 0.3,
            qp_method: QpMethod::Exact,
            sigma: None,
            sigma_pixels: None,
            sigma_entries: None,
            sigma_random_seed: None,
            strict_multi: false,
            keep_scores: true,
        }
    }
}

impl RctdOptions {
    /// What spacexr's `test_mode = TRUE` sets: coarse, for trying a script out.
    pub fn test_mode() -> Self {
        RctdOptions {
            gene_cutoff: 0.00125,
            gene_cutoff_reg: 0.002,
            umi_min: 1000.0,
            umi_max: 200_000.0,
            n_epoch: 1,
            n_fit: 50,
            min_change_bulk: 1.0,
            counts_min: 5.0,
            ..RctdOptions::default()
        }
    }

    /// Options from a JSON object; keys that are absent keep their defaults.
    ///
    /// # Errors
    /// `InvalidArgument` for text that is not such an object; an unknown key is answered with
    /// the nearest known one.
    pub fn from_json(json: &str) -> Result<Self> {
        let value: serde_json::Value = serde_json::from_str(json)
            .map_err(|e| Error::argument("options", format!("not valid JSON: {e}")))?;
        let Some(given) = value.as_object() else {
            return Err(Error::argument(
                "options",
                "must be a JSON object, such as {\"umi_min\": 100}",
            ));
        };
        let known = serde_json::to_value(RctdOptions::default())
            .expect("a struct of numbers and lists is always JSON");
        let known: Vec<&str> = known
            .as_object()
            .map(|keys| keys.keys().map(String::as_str).collect())
            .unwrap_or_default();
        if let Some(key) = given.keys().find(|key| !known.contains(&key.as_str())) {
            let near = nearest_name(key, known.iter().copied()).unwrap_or_default();
            return Err(Error::argument(
                key.as_str(),
                format!("unknown option; did you mean {near:?}?"),
            ));
        }
        serde_json::from_value(value).map_err(|e| Error::argument("options", e))
    }

    /// All options, defaults included, as a JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a struct of numbers and lists is always JSON")
    }

    /// Checks every option on its own and against the others.
    ///
    /// # Errors
    /// `InvalidArgument` naming the option, its value and its range.
    pub fn check(&self) -> Result<()> {
        let not_negative = [
            ("gene_cutoff", self.gene_cutoff),
            ("gene_cutoff_reg", self.gene_cutoff_reg),
            ("umi_min", self.umi_min),
            ("umi_max", self.umi_max),
            ("counts_min", self.counts_min),
            ("umi_min_sigma", self.umi_min_sigma),
            ("confidence_threshold", self.confidence_threshold),
            ("doublet_threshold", self.doublet_threshold),
            ("min_change_bulk", self.min_change_bulk),
            ("min_change_reg", self.min_change_reg),
            ("min_obs", self.min_obs),
        ];
        for (name, value) in not_negative {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::argument(
                    name,
                    format!("{value} must be a finite number of at least 0"),
                ));
            }
        }
        for (name, value) in [
            ("fc_cutoff", self.fc_cutoff),
            ("fc_cutoff_reg", self.fc_cutoff_reg),
        ] {
            if !value.is_finite() {
                return Err(Error::argument(
                    name,
                    format!("{value} must be a finite number"),
                ));
            }
        }
        if self.umi_min > self.umi_max {
            return Err(Error::argument(
                "umi_min",
                format!("{} is larger than umi_max = {}", self.umi_min, self.umi_max),
            ));
        }
        for (name, value) in [
            ("max_multi_types", self.max_multi_types as u64),
            ("n_epoch", u64::from(self.n_epoch)),
            ("n_fit", self.n_fit as u64),
            ("max_iter", u64::from(self.max_iter)),
        ] {
            if value == 0 {
                return Err(Error::argument(name, "0 is too small; must be at least 1"));
            }
        }
        if !(self.step_size > 0.0 && self.step_size <= 1.0) {
            return Err(Error::argument(
                "step_size",
                format!("{} must be above 0 and at most 1", self.step_size),
            ));
        }
        if let Some(seed) = &self.sigma_random_seed {
            RRandom::from_seed("sigma_random_seed", seed)?;
            if self.sigma_entries.is_some() {
                return Err(Error::argument(
                    "sigma_random_seed",
                    "says what sigma_entries says too; give one of the two",
                ));
            }
        }
        if self.sigma == Some(0) {
            return Err(Error::argument(
                "sigma",
                "0 is too small; must be 100 times sigma, from 10 to 200",
            ));
        }
        Ok(())
    }

    /// Whether what [`Rctd::create`](super::Rctd::create) reads is as in `used`.
    pub(crate) fn check_same_creation(&self, used: &RctdOptions) -> Result<()> {
        let value = |options: &RctdOptions| {
            serde_json::to_value(options).expect("a struct of numbers and lists is always JSON")
        };
        let (new, old) = (value(self), value(used));
        match CREATION.iter().find(|&&name| new[name] != old[name]) {
            None => Ok(()),
            Some(&name) => Err(Error::argument(
                name,
                format!(
                    "cannot change from {} to {} once pixels and genes are chosen; create the object again",
                    old[name], new[name]
                ),
            )),
        }
    }

    /// These options with everything that sigma does not depend on as by default.
    pub(crate) fn sigma_search(&self) -> RctdOptions {
        let options = self.clone();
        RctdOptions {
            sigma: options.sigma,
            sigma_pixels: options.sigma_pixels,
            sigma_entries: options.sigma_entries,
            sigma_random_seed: options.sigma_random_seed,
            umi_min_sigma: options.umi_min_sigma,
            n_epoch: options.n_epoch,
            n_fit: options.n_fit,
            min_change_reg: options.min_change_reg,
            max_iter: options.max_iter,
            step_size: options.step_size,
            ..RctdOptions::default()
        }
    }

    /// Index of each used type in `known`, in the order of use.
    pub(crate) fn select_types(&self, known: &[String]) -> Result<Vec<usize>> {
        let Some(wanted) = &self.cell_types else {
            return Ok((0..known.len()).collect());
        };
        let mut chosen = Vec::with_capacity(wanted.len());
        for name in wanted {
            let Some(index) = known.iter().position(|k| k == name) else {
                return Err(Error::argument(
                    "cell_types",
                    format!(
                        "{name:?} is not in the reference; present: {}",
                        name_some(known, 20)
                    ),
                ));
            };
            if chosen.contains(&index) {
                return Err(Error::argument(
                    "cell_types",
                    format!("{name:?} is named twice"),
                ));
            }
            chosen.push(index);
        }
        Ok(chosen)
    }

    /// Class number of each type; equal numbers are equal classes.
    pub(crate) fn classes(&self, cell_types: &[String]) -> Result<Vec<u32>> {
        let Some(table) = &self.class_df else {
            return Ok((0..cell_types.len() as u32).collect());
        };
        let mut names: Vec<&str> = Vec::new();
        let mut classes = Vec::with_capacity(cell_types.len());
        let mut missing = Vec::new();
        for cell_type in cell_types {
            let Some((_, class)) = table.iter().find(|(t, _)| t == cell_type) else {
                missing.push(cell_type.as_str());
                continue;
            };
            let number = names.iter().position(|n| n == class).unwrap_or_else(|| {
                names.push(class);
                names.len() - 1
            });
            classes.push(number as u32);
        }
        if missing.is_empty() {
            Ok(classes)
        } else {
            Err(Error::argument(
                "class_df",
                format!(
                    "no class for {}; every cell type needs one",
                    name_some(&missing, 10)
                ),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_round_trip_and_unknown_keys() {
        let options = RctdOptions::from_json(r#"{"umi_min": 50, "sigma": 84}"#).expect("valid");
        assert_eq!((options.umi_min, options.sigma), (50.0, Some(84)));
        assert_eq!(
            RctdOptions::from_json(&options.to_json()).expect("valid"),
            options
        );
        let error = RctdOptions::from_json(r#"{"umi_mim": 50}"#).expect_err("unknown");
        assert_eq!(
            error.message(),
            r#"umi_mim: unknown option; did you mean "umi_min"?"#
        );
        assert!(RctdOptions::from_json("[1]").is_err());
    }

    #[test]
    fn options_are_checked_with_their_names() {
        for (json, name) in [
            (r#"{"umi_min": -1}"#, "umi_min"),
            (r#"{"umi_min": 30, "umi_max": 20}"#, "umi_min"),
            (r#"{"step_size": 0}"#, "step_size"),
            (r#"{"n_fit": 0}"#, "n_fit"),
            (r#"{"sigma": 0}"#, "sigma"),
        ] {
            let error = RctdOptions::from_json(json)
                .expect("valid JSON")
                .check()
                .expect_err("out of range");
            assert_eq!(error.argument_name(), Some(name));
        }
        RctdOptions::default().check().expect("defaults are fine");
        RctdOptions::test_mode().check().expect("fine too");
    }

    #[test]
    fn types_and_classes_are_looked_up_by_name() {
        let known: Vec<String> = ["A", "B", "C"].map(String::from).to_vec();
        let mut options = RctdOptions {
            cell_types: Some(vec!["C".into(), "A".into()]),
            ..RctdOptions::default()
        };
        assert_eq!(options.select_types(&known).expect("known"), [2, 0]);
        options.cell_types = Some(vec!["D".into()]);
        assert!(options.select_types(&known).is_err());
        options.class_df = Some(vec![
            ("A".into(), "x".into()),
            ("B".into(), "y".into()),
            ("C".into(), "x".into()),
        ]);
        assert_eq!(options.classes(&known).expect("complete"), [0, 1, 0]);
        options.class_df = Some(vec![("A".into(), "x".into())]);
        let error = options.classes(&known).expect_err("incomplete");
        assert!(error.message().contains(r#""B", "C""#));
    }
}
