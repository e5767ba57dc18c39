//! Options of the `cyto_deseq_*` functions: a JSON object by name, checked as a whole.
//!
//! Every function knows its own names; an unknown one is answered with the nearest known one, and nothing
//! is done then. Names are DESeq2's arguments in `snake_case`.

use std::str::FromStr;

use engine::deseq::{
    Contrast, CooksFilter, DeseqDataset, DeseqOptions, Design, DispersionOptions, OutlierOptions,
    PriorMethod, ResultsOptions, RlogPrior, ShrinkOptions, ShrinkTarget, SizeFactorOptions,
    TestKind, TestOptions, TransformOptions,
};
use engine::error::{name_some, nearest_name};
use engine::stats::dispersion::Trend;
use engine::stats::glm::ModelMatrix;
use engine::{Error, Result};
use serde_json::{Map, Value};

use crate::text::{self, CytoStr};

/// The options given, read by name; names asked for are the known ones.
pub(crate) struct Fields {
    given: Map<String, Value>,
    known: Vec<&'static str>,
}

fn must(name: &str, what: &str) -> Error {
    Error::argument(name, format!("must be {what}"))
}

impl Fields {
    /// `None` (a NULL) gives the defaults.
    pub(crate) fn parse(options: CytoStr<'_>) -> Result<Self> {
        Ok(Fields {
            given: text::options(options, "{\"alpha\": 0.05}")?,
            known: Vec::new(),
        })
    }

    /// The value of a name; JSON's `null` stands for the default.
    fn value(&mut self, name: &'static str) -> Option<&Value> {
        self.known.push(name);
        self.given.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn number(&mut self, name: &'static str, to: &mut f64) -> Result<()> {
        if let Some(value) = self.value(name) {
            *to = value.as_f64().ok_or_else(|| must(name, "a number"))?;
        }
        Ok(())
    }

    pub(crate) fn maybe_number(&mut self, name: &'static str, to: &mut Option<f64>) -> Result<()> {
        let mut number = f64::NAN;
        self.number(name, &mut number)?;
        if !number.is_nan() {
            *to = Some(number);
        }
        Ok(())
    }

    pub(crate) fn count<T: TryFrom<u64>>(&mut self, name: &'static str, to: &mut T) -> Result<()> {
        if let Some(value) = self.value(name) {
            let number = value.as_u64().and_then(|n| T::try_from(n).ok());
            *to = number.ok_or_else(|| must(name, "a whole number of at least 0"))?;
        }
        Ok(())
    }

    pub(crate) fn flag(&mut self, name: &'static str, to: &mut bool) -> Result<()> {
        if let Some(value) = self.value(name) {
            *to = value.as_bool().ok_or_else(|| must(name, "true or false"))?;
        }
        Ok(())
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(must(name, "a string")),
        }
    }

    fn named<T: FromStr<Err = Error>>(&mut self, name: &'static str, to: &mut T) -> Result<()> {
        if let Some(text) = self.text(name)? {
            *to = text.parse().map_err(|e: Error| e.with_argument(name))?;
        }
        Ok(())
    }

    pub(crate) fn numbers(&mut self, name: &'static str) -> Result<Option<Vec<f64>>> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => numbers(value)
                .map(Some)
                .ok_or_else(|| must(name, "a list of numbers")),
        }
    }

    pub(crate) fn strings(&mut self, name: &'static str) -> Result<Option<Vec<String>>> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => strings(value)
                .map(Some)
                .ok_or_else(|| must(name, "a list of strings")),
        }
    }

    fn contrast(&mut self) -> Result<Option<Contrast>> {
        const FORMS: &str = "[\"factor\", \"level\", \"base\"], {\"numerators\": [...], \
            \"denominators\": [...]} with names of coefficients, or a number for each coefficient";
        let wrong = || must("contrast", FORMS);
        let Some(value) = self.value("contrast") else {
            return Ok(None);
        };
        if let Value::Object(lists) = value {
            let list = |name: &str| lists.get(name).map_or(Some(Vec::new()), strings);
            let known = |name: &String| name == "numerators" || name == "denominators";
            return match (list("numerators"), list("denominators")) {
                (Some(numerators), Some(denominators)) if lists.keys().all(known) => {
                    Ok(Some(Contrast::List {
                        numerators,
                        denominators,
                    }))
                }
                _ => Err(wrong()),
            };
        }
        if let Some(numbers) = numbers(value) {
            return Ok(Some(Contrast::Numeric(numbers)));
        }
        match strings(value).as_deref() {
            Some([factor, level, base]) => Ok(Some(Contrast::factor(factor, level, base))),
            _ => Err(wrong()),
        }
    }

    /// Refuses names that nobody asked for.
    pub(crate) fn finish(self) -> Result<()> {
        let Some(name) = self
            .given
            .keys()
            .find(|n| !self.known.contains(&n.as_str()))
        else {
            return Ok(());
        };
        let near = match nearest_name(name, self.known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}? "),
            None => String::new(),
        };
        Err(Error::argument(
            name,
            format!(
                "unknown option; {near}known: {}",
                name_some(&self.known, self.known.len())
            ),
        ))
    }
}

fn numbers(value: &Value) -> Option<Vec<f64>> {
    value.as_array()?.iter().map(Value::as_f64).collect()
}

fn strings(value: &Value) -> Option<Vec<String>> {
    let one = |v: &Value| v.as_str().map(str::to_owned);
    value.as_array()?.iter().map(one).collect()
}

/// Options of size factors.
pub(crate) fn size_factors(fields: &mut Fields) -> Result<SizeFactorOptions> {
    let mut options = SizeFactorOptions::default();
    fields.named("sf_type", &mut options.kind)?;
    fields.named("locfunc", &mut options.location)?;
    options.geo_means = fields.numbers("geo_means")?;
    if let Some(value) = fields.value("control_genes") {
        let positions = value.as_array().and_then(|all| {
            let one = |v: &Value| v.as_u64().and_then(|n| usize::try_from(n).ok());
            all.iter().map(one).collect()
        });
        options.control_genes =
            Some(positions.ok_or_else(|| must("control_genes", "a list of gene positions"))?);
    }
    options.norm_matrix = fields.numbers("norm_matrix")?;
    fields.flag("strict", &mut options.strict)?;
    Ok(options)
}

/// Options of all stages of the dispersions.
pub(crate) fn dispersions(fields: &mut Fields) -> Result<DispersionOptions> {
    let mut options = gene_wise_dispersions(fields)?;
    shrinkage(fields, &mut options)?;
    Ok(options)
}

/// "keep_assays": whether the arrays that are genes x samples are wanted.
pub(crate) fn keeps_assays(fields: &mut Fields) -> Result<bool> {
    let mut keeps = false;
    fields.flag("keep_assays", &mut keeps)?;
    Ok(keeps)
}

/// Options of the gene-wise dispersions alone.
pub(crate) fn gene_wise_dispersions(fields: &mut Fields) -> Result<DispersionOptions> {
    let mut options = dispersion_trend(fields)?;
    search(fields, &mut options)?;
    fields.maybe_number("min_mu", &mut options.min_mu)?;
    fields.count("niter", &mut options.n_iterations)?;
    options.alpha_init = fields.numbers("alpha_init")?;
    let mut linear = false;
    fields.flag("linear_mu", &mut linear)?;
    if fields.given.get("linear_mu").is_some_and(Value::is_boolean) {
        options.linear_mu = Some(linear);
    }
    Ok(options)
}

/// Options of the trend of the dispersions alone, which the other stages have as well.
pub(crate) fn dispersion_trend(fields: &mut Fields) -> Result<DispersionOptions> {
    let mut options = DispersionOptions::default();
    fields.named("fit_type", &mut options.fit_type)?;
    fields.number("min_disp", &mut options.min_disp)?;
    Ok(options)
}

/// Options of the shrinkage of dispersions alone.
pub(crate) fn shrunken_dispersions(fields: &mut Fields) -> Result<DispersionOptions> {
    let mut options = dispersion_trend(fields)?;
    search(fields, &mut options)?;
    shrinkage(fields, &mut options)?;
    Ok(options)
}

/// How the dispersion of a gene is searched for, with the trend or without.
fn search(fields: &mut Fields, options: &mut DispersionOptions) -> Result<()> {
    fields.named("mode", &mut options.mode)?;
    fields.count("disp_maxit", &mut options.max_iterations)?;
    fields.flag("use_cr", &mut options.use_cox_reid)?;
    fields.number("weight_threshold", &mut options.weight_threshold)?;
    fields.number("kappa_0", &mut options.kappa_0)?;
    fields.number("disp_tol", &mut options.tolerance)
}

fn shrinkage(fields: &mut Fields, options: &mut DispersionOptions) -> Result<()> {
    fields.number("outlier_sd", &mut options.outlier_sd)?;
    fields.maybe_number("disp_prior_var", &mut options.prior_variance)
}

/// Options of the replacement of outliers.
pub(crate) fn outliers(fields: &mut Fields, n_samples: usize) -> Result<OutlierOptions> {
    let mut options = OutlierOptions::default();
    fields.number("trim", &mut options.trim)?;
    fields.maybe_number("cooks_cutoff", &mut options.cooks_cutoff)?;
    fields.count("min_replicates", &mut options.min_replicates)?;
    if let Some(value) = fields.value("samples") {
        let mut chosen = vec![false; n_samples];
        let mut mark = |v: &Value| {
            let place = v.as_u64().and_then(|n| usize::try_from(n).ok());
            chosen.get_mut(place?).map(|flag| *flag = true)
        };
        let marked: Option<Vec<()>> = value
            .as_array()
            .and_then(|all| all.iter().map(&mut mark).collect());
        marked.ok_or_else(|| must("samples", "a list of sample positions, from 0"))?;
        options.samples = Some(chosen);
    }
    Ok(options)
}

/// Options of the tests.
pub(crate) fn test(fields: &mut Fields) -> Result<TestOptions> {
    let mut options = TestOptions::default();
    fields.number("beta_tol", &mut options.beta_tolerance)?;
    fields.count("maxit", &mut options.max_iterations)?;
    fields.flag("use_optim", &mut options.use_optim)?;
    fields.flag("use_qr", &mut options.use_qr)?;
    fields.number("min_mu", &mut options.min_mu)?;
    fields.flag("use_t", &mut options.use_t)?;
    options.df = fields.numbers("df")?;
    fields.flag("beta_prior", &mut options.beta_prior)?;
    options.beta_prior_variance = fields.numbers("beta_prior_var")?;
    fields.count(
        "min_replicates_for_replace",
        &mut options.min_replicates_for_replace,
    )?;
    fields.flag("keep_assays", &mut options.keep_assays)?;
    fields.named("mode", &mut options.mode)?;
    beta_prior(fields, &mut options)?;
    Ok(options)
}

/// Options of the variances of a prior of coefficients.
pub(crate) fn beta_prior(fields: &mut Fields, options: &mut TestOptions) -> Result<()> {
    fields.number("upper_quantile", &mut options.upper_quantile)?;
    options.prior_method = match fields.text("beta_prior_method")?.as_deref() {
        None | Some("weighted") => PriorMethod::Weighted,
        Some("quantile") => PriorMethod::Quantile,
        Some(_) => return Err(must("beta_prior_method", "\"weighted\" or \"quantile\"")),
    };
    options.standard_matrix = match fields.text("model_matrix_type")?.as_deref() {
        None | Some("expanded") => false,
        Some("standard") => true,
        Some(_) => return Err(must("model_matrix_type", "\"standard\" or \"expanded\"")),
    };
    Ok(())
}

/// Whether a likelihood-ratio test is the one of quasi-likelihood dispersions.
pub(crate) fn is_quasi_likelihood(fields: &mut Fields) -> Result<bool> {
    match fields.text("type")?.as_deref() {
        None | Some("DESeq2") => Ok(false),
        Some("glmGamPoi") => Ok(true),
        Some(_) => Err(must("type", "\"DESeq2\" or \"glmGamPoi\"")),
    }
}

/// The reduced design: a formula; for a model matrix the coefficients that stay, or another matrix.
pub(crate) fn reduced(fields: &mut Fields, dataset: &DeseqDataset) -> Result<Option<Design>> {
    let wrong = || {
        must(
            "reduced",
            "a formula, or for a model matrix names of its coefficients or {\"names\": [...], \"values\": [...]}",
        )
    };
    let (value, design) = match (fields.value("reduced"), &dataset.design) {
        (None, _) => return Ok(None),
        (Some(value), design) => (value.clone(), design),
    };
    match (&value, design) {
        (Value::String(formula), _) => Design::formula(formula)
            .map(Some)
            .map_err(|e| e.with_argument("reduced")),
        (Value::Array(_), Design::Matrix(full)) => {
            let names = strings(&value).ok_or_else(wrong)?;
            columns_of(full, &names).map(|m| Some(Design::Matrix(m)))
        }
        (Value::Object(parts), Design::Matrix(full)) => {
            let names = parts.get("names").and_then(strings).ok_or_else(wrong)?;
            let values = parts.get("values").and_then(numbers).ok_or_else(wrong)?;
            if parts.len() != 2 {
                return Err(wrong());
            }
            let matrix = ModelMatrix::from_user(values, full.n_samples, &names);
            matrix
                .map(|m| Some(Design::Matrix(m)))
                .map_err(|e| e.with_argument("reduced"))
        }
        _ => Err(wrong()),
    }
}

fn columns_of(full: &ModelMatrix, names: &[String]) -> Result<ModelMatrix> {
    let place = |name: &String| {
        let found = full.names.iter().position(|known| known == name);
        found.ok_or_else(|| {
            Error::argument(
                "reduced",
                format!(
                    "{name:?} is not a coefficient: {}",
                    name_some(&full.names, 20)
                ),
            )
        })
    };
    let columns = names.iter().map(place).collect::<Result<Vec<usize>>>()?;
    let values = (0..full.n_samples).flat_map(|j| columns.iter().map(move |&c| full.row(j)[c]));
    ModelMatrix::from_user(values.collect(), full.n_samples, names)
}

fn test_kind(fields: &mut Fields) -> Result<Option<TestKind>> {
    match fields.text("test")?.as_deref() {
        None => Ok(None),
        Some("Wald") => Ok(Some(TestKind::Wald)),
        Some("LRT") => Ok(Some(TestKind::Lrt)),
        Some(_) => Err(must("test", "\"Wald\" or \"LRT\"")),
    }
}

/// Options of the whole analysis.
pub(crate) fn analysis(fields: &mut Fields, dataset: &DeseqDataset) -> Result<DeseqOptions> {
    let mut options = DeseqOptions {
        test: test_kind(fields)?.unwrap_or_default(),
        full: None,
        reduced: reduced(fields, dataset)?,
        size_factors: size_factors(fields)?,
        dispersions: dispersions(fields)?,
        fit: test(fields)?,
    };
    options.fit.min_mu = options.dispersions.min_mu();
    Ok(options)
}

/// Options of a table of results.
pub(crate) fn results(fields: &mut Fields) -> Result<ResultsOptions> {
    let mut options = ResultsOptions {
        contrast: fields.contrast()?,
        name: fields.text("name")?,
        ..ResultsOptions::default()
    };
    fields.number("lfc_threshold", &mut options.lfc_threshold)?;
    fields.named("alt_hypothesis", &mut options.alt_hypothesis)?;
    if let Some(values) = fields.numbers("list_values")? {
        options.list_values = match values.as_slice() {
            [first, second] => (*first, *second),
            _ => return Err(must("list_values", "two numbers")),
        };
    }
    options.cooks_cutoff = match fields.value("cooks_cutoff") {
        None => CooksFilter::Default,
        Some(Value::Bool(false)) => CooksFilter::Off,
        Some(value) => match value.as_f64() {
            Some(cutoff) if cutoff > 0.0 => CooksFilter::Above(cutoff),
            _ => return Err(must("cooks_cutoff", "a positive number or false")),
        },
    };
    fields.flag("independent_filtering", &mut options.independent_filtering)?;
    fields.number("alpha", &mut options.alpha)?;
    options.filter = fields.numbers("filter")?;
    options.theta = fields.numbers("theta")?;
    fields.named("p_adjust_method", &mut options.p_adjust_method)?;
    options.test = test_kind(fields)?;
    fields.flag("add_mle", &mut options.add_mle)?;
    fields.named("compat", &mut options.compat)?;
    Ok(options)
}

/// Options of the shrinkage of effects. `results` are options of the unshrunken table, with what is shrunken;
/// "lfc_threshold" is that of the s-values.
pub(crate) fn shrink(fields: &mut Fields) -> Result<ShrinkOptions> {
    let mut options = ShrinkOptions::default();
    fields.named("type", &mut options.kind)?;
    fields.flag("svalue", &mut options.svalue)?;
    fields.flag("ape_adapt", &mut options.ape_adapt)?;
    options.results = results(fields)?;
    options.lfc_threshold = options.results.lfc_threshold;
    Ok(options)
}

/// What is shrunken; taken out of the options.
pub(crate) fn shrink_target(options: &mut ShrinkOptions) -> Result<ShrinkTarget> {
    match (options.results.name.take(), options.results.contrast.take()) {
        (Some(name), None) => Ok(ShrinkTarget::Coefficient(name)),
        (None, Some(contrast)) => Ok(ShrinkTarget::Contrast(contrast)),
        _ => Err(Error::argument(
            "options",
            "one of \"name\" and \"contrast\" is needed",
        )),
    }
}

/// Options of the transformations; `nsub` 0 means all genes.
pub(crate) fn transform(fields: &mut Fields, with_nsub: bool) -> Result<TransformOptions> {
    let mut options = TransformOptions::default();
    fields.flag("blind", &mut options.blind)?;
    fields.named("fit_type", &mut options.fit_type)?;
    if with_nsub {
        fields.count("nsub", &mut options.nsub)?;
    }
    Ok(options)
}

/// A trend known from before, of a transformation from all genes.
pub(crate) fn trend(fields: &mut Fields) -> Result<Option<Trend>> {
    match fields.numbers("trend")? {
        None => Ok(None),
        Some(numbers) => Trend::from_numbers(&numbers).map(Some),
    }
}

/// What is known of a regularised log from before; "null" among the intercepts is minus infinity.
pub(crate) fn rlog_prior(fields: &mut Fields) -> Result<RlogPrior> {
    let mut known = RlogPrior::default();
    fields.maybe_number("beta_prior_var", &mut known.beta_prior_variance)?;
    if let Some(value) = fields.value("intercept") {
        let one = |v: &Value| match v {
            Value::Null => Some(f64::NEG_INFINITY),
            v => v.as_f64(),
        };
        let intercepts = value
            .as_array()
            .and_then(|all| all.iter().map(one).collect());
        known.intercept =
            Some(intercepts.ok_or_else(|| must("intercept", "a list of numbers or nulls"))?);
    }
    known.dispersion_fit = fields.numbers("disp_fit")?;
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &std::ffi::CStr) -> Fields {
        let text = safer_ffi::prelude::char_p::Ref::from(json);
        Fields::parse(Some(text)).expect("an object")
    }

    #[test]
    fn contrasts_have_three_forms() {
        let read = |json| results(&mut fields(json)).map(|o| o.contrast);
        assert_eq!(
            read(c"{\"contrast\": [\"a\", \"y\", \"x\"]}").expect("three words"),
            Some(Contrast::factor("a", "y", "x"))
        );
        assert_eq!(
            read(c"{\"contrast\": [0, 1, -1]}").expect("numbers"),
            Some(Contrast::Numeric(vec![0.0, 1.0, -1.0]))
        );
        let list = read(c"{\"contrast\": {\"numerators\": [\"b\"]}}").expect("a list");
        assert!(matches!(list, Some(Contrast::List { numerators, .. }) if numerators == ["b"]));
        for wrong in [
            c"{\"contrast\": [\"a\", \"y\"]}",
            c"{\"contrast\": 3}",
            c"{\"contrast\": {\"up\": []}}",
        ] {
            assert_eq!(
                read(wrong).expect_err("wrong").argument_name(),
                Some("contrast")
            );
        }
    }

    #[test]
    fn unknown_options_are_refused_with_the_nearest_name() {
        let mut given = fields(c"{\"alhpa\": 0.1}");
        results(&mut given).expect("no fault in what is known");
        let error = given.finish().expect_err("unknown");
        assert!(error.message().contains("\"alpha\""), "{error}");
        assert!(results(&mut fields(c"{\"alpha\": \"x\"}")).is_err());
        assert!(results(&mut fields(c"{\"alpha\": null}")).is_ok());
        let mut given = fields(c"{\"nsub\": 10}");
        assert!(transform(&mut given, false).is_ok() && given.finish().is_err());
    }

    #[test]
    fn a_stage_of_the_dispersions_knows_its_own_options_only() {
        type Read = fn(&mut Fields) -> Result<DispersionOptions>;
        let readers: [Read; 4] = [
            dispersions,
            gene_wise_dispersions,
            dispersion_trend,
            shrunken_dispersions,
        ];
        for (json, known) in [
            (c"{\"min_disp\": 1e-7}", [true, true, true, true]),
            (c"{\"kappa_0\": 2}", [true, true, false, true]),
            (c"{\"niter\": 2}", [true, true, false, false]),
            (c"{\"min_mu\": 1}", [true, true, false, false]),
            (c"{\"linear_mu\": true}", [true, true, false, false]),
            (c"{\"outlier_sd\": 3}", [true, false, false, true]),
            (c"{\"disp_prior_var\": 1}", [true, false, false, true]),
        ] {
            let accepts = readers.map(|read| {
                let mut given = fields(json);
                let options = read(&mut given).expect("no fault in what is known");
                let is_known = given.finish().is_ok();
                assert_eq!(is_known, options != DispersionOptions::default());
                is_known
            });
            assert_eq!(accepts, known, "{json:?}");
        }
    }
}
