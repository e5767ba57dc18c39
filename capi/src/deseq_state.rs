//! What a `cyto_deseq` holds: the data set, what was estimated, and arrays that never move.
//!
//! A step done again keeps what it replaces until the handle is freed, since its arrays may be on loan.

use std::any::Any;

use engine::data::{Column, Table};
use engine::deseq::{
    Analysis, Assays, BaseMoments, DeseqDataset, DispersionTrend, Dispersions, GeneWiseDispersions,
    QuasiLikelihood, TestFit,
};
use engine::stats::dispersion::Trend;
use engine::stats::glm::ModelMatrix;
use engine::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::arrays::{Lent, Named};
use crate::text::StringList;

/// How far the analysis is.
pub(crate) enum Stage {
    /// Nothing, or size factors.
    Start,
    /// Gene-wise dispersions, and their trend when it was fitted.
    GeneWise(Box<GeneWiseDispersions>, Option<Box<DispersionTrend>>),
    /// Dispersions.
    Dispersed(Box<Dispersions>),
    /// A test.
    Tested(Box<Analysis>),
}

/// What an analysis has in a form that cannot be lent.
#[derive(Default)]
struct Kept {
    trend: Option<Vec<f64>>,
    mle_names: Option<StringList>,
    replace_counts: Vec<f64>,
}

impl Kept {
    fn of(stage: &Stage) -> Self {
        let (dispersions, analysis) = match stage {
            Stage::Start => return Kept::default(),
            Stage::GeneWise(_, trend) => {
                return Kept {
                    trend: trend.as_ref().map(|t| t.trend.to_numbers()),
                    ..Kept::default()
                };
            }
            Stage::Dispersed(dispersions) => (&**dispersions, None),
            Stage::Tested(analysis) => (&analysis.dispersions, Some(analysis)),
        };
        let mle = analysis.and_then(|a| a.fit.mle.as_ref());
        let replacement = analysis.and_then(|a| a.replacement.as_ref());
        let rows = replacement.into_iter().flat_map(|r| r.counts.values());
        Kept {
            trend: Some(dispersions.trend.to_numbers()),
            mle_names: mle.map(|mle| StringList::new(&mle.names)),
            replace_counts: rows.flatten().map(|&k| f64::from(k)).collect(),
        }
    }
}

/// The data set and its analysis.
pub(crate) struct State {
    pub(crate) dataset: DeseqDataset,
    pub(crate) stage: Stage,
    genes: StringList,
    samples: StringList,
    results_names: Option<StringList>,
    kept: Kept,
    /// Fitted means of the gene-wise step, when they were asked for.
    gene_wise_mu: Option<Vec<f64>>,
    /// Variances of a prior of coefficients, and the coefficients.
    beta_prior: Option<(Vec<f64>, StringList)>,
    /// Genes with replaced counts, and the samples whose counts could be; of a data set that came from there.
    pub(crate) replaced: Option<(Vec<bool>, Vec<bool>)>,
    retired: Vec<Box<dyn Any + Send>>,
}

impl State {
    pub(crate) fn new(dataset: DeseqDataset) -> Self {
        State {
            genes: StringList::new(&dataset.genes),
            samples: StringList::new(&dataset.samples),
            stage: Stage::Start,
            results_names: None,
            kept: Kept::default(),
            gene_wise_mu: None,
            beta_prior: None,
            replaced: None,
            retired: Vec::new(),
            dataset,
        }
    }

    /// Keeps what is replaced.
    pub(crate) fn retire(&mut self, old: impl Any + Send) {
        self.retired.push(Box::new(old));
    }

    /// Goes on to another stage.
    pub(crate) fn enter(&mut self, stage: Stage) {
        let names = match &stage {
            Stage::Tested(analysis) => Some(StringList::new(analysis.fit.names())),
            _ => None,
        };
        let old_kept = std::mem::replace(&mut self.kept, Kept::of(&stage));
        let old = std::mem::replace(&mut self.stage, stage);
        let old_names = std::mem::replace(&mut self.results_names, names);
        let others = (self.gene_wise_mu.take(), self.beta_prior.take());
        self.retire((old, old_names, old_kept, others));
    }

    /// Goes on to gene-wise dispersions, with their fitted means when those are wanted.
    pub(crate) fn enter_gene_wise(&mut self, made: GeneWiseDispersions, with_means: bool) {
        let mu = match with_means {
            true => made.fitted_means(&self.dataset),
            false => None,
        };
        self.enter(Stage::GeneWise(Box::new(made), None));
        self.gene_wise_mu = mu;
    }

    /// Goes on to dispersions, with the fitted means of the gene-wise ones when those are wanted.
    pub(crate) fn enter_dispersions(&mut self, made: Dispersions, with_means: bool) {
        let mu = match with_means {
            true => made.fitted_means(&self.dataset),
            false => None,
        };
        self.enter(Stage::Dispersed(Box::new(made)));
        self.gene_wise_mu = mu;
    }

    /// Goes on to the trend of the gene-wise dispersions there are, which stay where they are.
    pub(crate) fn enter_trend(
        &mut self,
        fit: impl FnOnce(&GeneWiseDispersions) -> Result<DispersionTrend>,
    ) -> Result<()> {
        let Stage::GeneWise(made, trend) = &mut self.stage else {
            return Err(no_gene_wise());
        };
        let fitted = fit(made)?;
        let old = trend.replace(Box::new(fitted));
        let old_kept = std::mem::replace(&mut self.kept, Kept::of(&self.stage));
        self.retire((old, old_kept));
        Ok(())
    }

    /// Keeps variances of a prior of coefficients.
    pub(crate) fn set_beta_prior(&mut self, names: &[String], variance: Vec<f64>) {
        let new = Some((variance, StringList::new(names)));
        let old = std::mem::replace(&mut self.beta_prior, new);
        self.retire(old);
    }

    /// After new size factors or another matrix, estimates no longer belong to the data.
    pub(crate) fn restart(&mut self) {
        self.enter(Stage::Start);
    }

    pub(crate) fn dispersions(&self) -> Option<&Dispersions> {
        match &self.stage {
            Stage::Start | Stage::GeneWise(..) => None,
            Stage::Dispersed(dispersions) => Some(dispersions),
            Stage::Tested(analysis) => Some(&analysis.dispersions),
        }
    }

    /// Gene-wise dispersions and their trend, which the last stage has not used up.
    pub(crate) fn with_trend(&self) -> Result<(&GeneWiseDispersions, &DispersionTrend)> {
        match &self.stage {
            Stage::GeneWise(made, Some(trend)) => Ok((made, trend)),
            Stage::GeneWise(_, None) => Err(Error::new(
                ErrorKind::State,
                "deseq: first call cyto_deseq_fit_dispersion_trend",
            )),
            _ => Err(no_gene_wise()),
        }
    }

    /// What every stage from the gene-wise one on has.
    fn estimates(&self) -> Option<Estimates<'_>> {
        if let Stage::GeneWise(made, _) = &self.stage {
            return Some(Estimates {
                moments: &made.moments,
                gene_est: &made.gene_est,
                gene_iter: &made.gene_iter,
                matrix: &made.model_matrix,
            });
        }
        self.dispersions().map(|d| Estimates {
            moments: &d.moments,
            gene_est: &d.gene_est,
            gene_iter: &d.gene_iter,
            matrix: &d.model_matrix,
        })
    }

    /// The trend, its values, and the variance about it.
    fn trend(&self) -> Option<(&Trend, &[f64], f64)> {
        match &self.stage {
            Stage::GeneWise(_, Some(t)) => Some((&t.trend, &t.fit, t.var_log_disp_ests)),
            _ => self
                .dispersions()
                .map(|d| (&d.trend, &d.fit[..], d.var_log_disp_ests)),
        }
    }

    fn early(&self, pick: impl FnOnce(Estimates<'_>) -> Lent) -> Option<Lent> {
        self.estimates().map(pick)
    }

    pub(crate) fn analysis(&self) -> Result<&Analysis> {
        match &self.stage {
            Stage::Tested(analysis) => Ok(analysis),
            _ => Err(Error::new(
                ErrorKind::State,
                "deseq: first call cyto_deseq_run, cyto_deseq_wald or cyto_deseq_lrt",
            )),
        }
    }

    fn fit(&self) -> Option<&TestFit> {
        self.analysis().ok().map(|analysis| &analysis.fit)
    }

    /// A column of the dispersions.
    fn column(&self, pick: impl FnOnce(&Dispersions) -> &[f64]) -> Option<Lent> {
        self.dispersions().map(|d| Lent::f64s(pick(d)))
    }

    /// A column of the quasi-likelihood dispersions, where there are any.
    fn quasi(&self, pick: impl FnOnce(&QuasiLikelihood) -> &[f64]) -> Option<Lent> {
        let quasi = self.dispersions()?.quasi.as_ref()?;
        Some(Lent::f64s(pick(quasi)))
    }

    fn of_fit(&self, pick: impl FnOnce(&TestFit) -> &[f64]) -> Option<Lent> {
        self.fit().map(|fit| Lent::f64s(pick(fit)))
    }

    /// Genes x coefficients; none where the test has no such columns.
    fn by_coefficient(&self, pick: impl FnOnce(&TestFit) -> &[f64]) -> Option<Lent> {
        let fit = self.fit()?;
        let values = pick(fit);
        (!values.is_empty()).then(|| Lent::matrix(values, fit.n_columns()))
    }

    /// Genes x samples.
    fn by_sample(&self, values: &Option<Vec<f64>>) -> Option<Lent> {
        let values = values.as_deref()?;
        Some(Lent::matrix(values, self.dataset.n_samples()))
    }

    fn assay(&self, pick: impl FnOnce(&Assays) -> &[f64]) -> Option<Lent> {
        let values = pick(self.fit()?.assays.as_ref()?);
        (!values.is_empty()).then(|| Lent::matrix(values, self.dataset.n_samples()))
    }

    /// Facts of the analysis.
    pub(crate) fn info(&self) -> Value {
        let design = match self.dataset.design.as_formula() {
            Some(_) => "formula",
            None => "matrix",
        };
        let mut info = json!({
            "n_genes": self.dataset.n_genes(),
            "n_samples": self.dataset.n_samples(),
            "design": design,
            "size_factors": self.dataset.size_factors,
        });
        let mut set = |name: &str, value: Value| {
            info[name] = value;
        };
        if let Some((trend, _, varies)) = self.trend() {
            set("fit_type", trend.fit_type().to_string().into());
            if let Trend::Parametric(trend) = trend {
                set("asympt_disp", trend.asymptotic.into());
                set("extra_pois", trend.extra_poisson.into());
            }
            set("var_log_disp_ests", varies.into());
        }
        if let Some(dispersions) = self.dispersions() {
            set("disp_prior_var", dispersions.prior_var.into());
            if let Some(quasi) = &dispersions.quasi {
                // JSON knows no infinity: null.
                set("ql_df0", json!(quasi.prior_df));
            }
        }
        if let Some(fit) = self.fit() {
            set("results_names", fit.names().into());
            set(
                "test",
                if fit.lrt.is_some() { "LRT" } else { "Wald" }.into(),
            );
            set("beta_prior", fit.beta_prior_variance.is_some().into());
            set("beta_prior_var", json!(fit.beta_prior_variance));
        }
        info
    }

    /// The columns of the genes so far, with the reference's names.
    pub(crate) fn gene_table(&self) -> Result<Table> {
        let mut table = Table::new(self.dataset.genes.clone());
        let Some(first) = self.estimates() else {
            return Ok(table);
        };
        let numbers = |values: &[f64]| Column::F64(values.to_vec());
        table.set("baseMean", numbers(&first.moments.mean))?;
        table.set("baseVar", numbers(&first.moments.variance))?;
        table.set("allZero", Column::Bool(first.moments.all_zero.clone()))?;
        table.set("dispGeneEst", numbers(first.gene_est))?;
        table.set("dispGeneIter", numbers(first.gene_iter))?;
        if let Some((_, fit, _)) = self.trend() {
            table.set("dispFit", numbers(fit))?;
        }
        let Some(d) = self.dispersions() else {
            return Ok(table);
        };
        if let Some(quasi) = &d.quasi {
            table.set("qlDispMLE", numbers(&quasi.mle))?;
            table.set("qlDispFit", numbers(&quasi.fit))?;
            table.set("qlDispMAP", numbers(&quasi.map))?;
            table.set("dispFitQLCorrected", numbers(&quasi.fit_corrected))?;
        }
        table.set("dispersion", numbers(&d.dispersion))?;
        table.set("dispIter", numbers(&d.iter))?;
        table.set("dispOutlier", Column::Bool(d.outlier.clone()))?;
        table.set("dispMAP", numbers(&d.map))?;
        if let Ok(analysis) = self.analysis() {
            test_columns(&mut table, analysis)?;
        }
        Ok(table)
    }
}

fn no_gene_wise() -> Error {
    Error::new(
        ErrorKind::State,
        "deseq: first call cyto_deseq_estimate_gene_wise_dispersions",
    )
}

/// What every stage from the gene-wise dispersions on has.
struct Estimates<'a> {
    moments: &'a BaseMoments,
    gene_est: &'a [f64],
    gene_iter: &'a [f64],
    matrix: &'a ModelMatrix,
}

/// A column for each coefficient, none where there are no values.
fn by_name(table: &mut Table, prefix: &str, names: &[String], values: &[f64]) -> Result<()> {
    for (at, name) in names.iter().enumerate().filter(|_| !values.is_empty()) {
        let column = values.iter().skip(at).step_by(names.len()).copied();
        table.set(format!("{prefix}{name}"), Column::F64(column.collect()))?;
    }
    Ok(())
}

fn test_columns(table: &mut Table, analysis: &Analysis) -> Result<()> {
    let fit = &analysis.fit;
    by_name(table, "", fit.names(), &fit.beta)?;
    by_name(table, "SE_", fit.names(), &fit.se)?;
    if let Some(mle) = &fit.mle {
        by_name(table, "MLE_", &mle.names, &mle.beta)?;
    }
    by_name(table, "WaldStatistic_", fit.names(), &fit.wald_statistic)?;
    by_name(table, "WaldPvalue_", fit.names(), &fit.wald_pvalue)?;
    if let Some(lrt) = &fit.lrt {
        table.set("LRTStatistic", Column::F64(lrt.statistic.clone()))?;
        table.set("LRTPvalue", Column::F64(lrt.pvalue.clone()))?;
        table.set("fullBetaConv", Column::Bool(fit.converged.clone()))?;
        let reduced = lrt.reduced_converged.clone();
        table.set("reducedBetaConv", Column::Bool(reduced))?;
    } else {
        table.set("betaConv", Column::Bool(fit.converged.clone()))?;
    }
    table.set("betaIter", Column::F64(fit.iterations.clone()))?;
    table.set("deviance", Column::F64(fit.deviance.clone()))?;
    table.set("maxCooks", Column::F64(fit.max_cooks.clone()))?;
    if let Some(df) = &fit.t_df {
        table.set("tDegreesFreedom", Column::F64(df.clone()))?;
    }
    if let Some(replacement) = &analysis.replacement {
        table.set("replace", Column::Bool(replacement.replace.clone()))?;
    }
    Ok(())
}

/// What `cyto_deseq_array` lends.
pub(crate) const ARRAYS: [Named<State>; 45] = [
    ("genes", |s| Some(Lent::text(&s.genes))),
    ("samples", |s| Some(Lent::text(&s.samples))),
    ("size_factors", |s| {
        s.dataset.size_factors.as_deref().map(Lent::f64s)
    }),
    ("normalization_factors", |s| {
        s.by_sample(&s.dataset.normalization_factors)
    }),
    ("weights", |s| s.by_sample(&s.dataset.weights)),
    ("avg_tx_length", |s| s.by_sample(&s.dataset.avg_tx_length)),
    ("baseMean", |s| s.early(|e| Lent::f64s(&e.moments.mean))),
    ("baseVar", |s| s.early(|e| Lent::f64s(&e.moments.variance))),
    ("allZero", |s| s.early(|e| Lent::flags(&e.moments.all_zero))),
    ("dispGeneEst", |s| s.early(|e| Lent::f64s(e.gene_est))),
    ("dispGeneIter", |s| s.early(|e| Lent::f64s(e.gene_iter))),
    ("dispFit", |s| s.trend().map(|(_, fit, _)| Lent::f64s(fit))),
    ("dispersion", |s| s.column(|d| &d.dispersion)),
    ("dispIter", |s| s.column(|d| &d.iter)),
    ("dispOutlier", |s| {
        s.dispersions().map(|d| Lent::flags(&d.outlier))
    }),
    ("dispMAP", |s| s.column(|d| &d.map)),
    ("qlDispMLE", |s| s.quasi(|q| &q.mle)),
    ("qlDispFit", |s| s.quasi(|q| &q.fit)),
    ("qlDispMAP", |s| s.quasi(|q| &q.map)),
    ("dispFitQLCorrected", |s| s.quasi(|q| &q.fit_corrected)),
    ("disp_model_matrix", |s| {
        s.early(|e| Lent::matrix(&e.matrix.values, e.matrix.n_columns()))
    }),
    ("results_names", |s| {
        s.results_names.as_ref().map(Lent::text)
    }),
    ("model_matrix", |s| {
        let matrix = &s.fit()?.matrix;
        Some(Lent::matrix(&matrix.values, matrix.n_columns()))
    }),
    ("coefficients", |s| s.by_coefficient(|f| &f.beta)),
    ("SE", |s| s.by_coefficient(|f| &f.se)),
    ("WaldStatistic", |s| s.by_coefficient(|f| &f.wald_statistic)),
    ("WaldPvalue", |s| s.by_coefficient(|f| &f.wald_pvalue)),
    ("LRTStatistic", |s| {
        Some(Lent::f64s(&s.fit()?.lrt.as_ref()?.statistic))
    }),
    ("LRTPvalue", |s| {
        Some(Lent::f64s(&s.fit()?.lrt.as_ref()?.pvalue))
    }),
    ("betaConv", |s| s.fit().map(|f| Lent::flags(&f.converged))),
    ("betaIter", |s| s.of_fit(|f| &f.iterations)),
    ("deviance", |s| s.of_fit(|f| &f.deviance)),
    ("maxCooks", |s| s.of_fit(|f| &f.max_cooks)),
    ("cooksSample", |s| {
        s.fit().map(|f| Lent::u32s(f.worst_sample()))
    }),
    ("trend", |s| s.kept.trend.as_deref().map(Lent::f64s)),
    ("beta_prior_var", |s| {
        s.beta_prior
            .as_ref()
            .map(|(variance, _)| Lent::f64s(variance))
    }),
    ("beta_prior_names", |s| {
        s.beta_prior.as_ref().map(|(_, names)| Lent::text(names))
    }),
    ("MLE", |s| {
        let mle = s.fit()?.mle.as_ref()?;
        Some(Lent::matrix(&mle.beta, mle.names.len()))
    }),
    ("MLE_names", |s| s.kept.mle_names.as_ref().map(Lent::text)),
    ("replaceable", |s| {
        if let Some((_, samples)) = &s.replaced {
            return Some(Lent::flags(samples));
        }
        let analysis = s.analysis().ok()?;
        Some(Lent::flags(&analysis.replacement.as_ref()?.replaceable))
    }),
    ("replaceCounts", |s| {
        s.analysis().ok()?.replacement.as_ref()?;
        Some(Lent::matrix(&s.kept.replace_counts, s.dataset.n_samples()))
    }),
    ("replace", |s| {
        if let Some((genes, _)) = &s.replaced {
            return Some(Lent::flags(genes));
        }
        let analysis = s.analysis().ok()?;
        Some(Lent::flags(&analysis.replacement.as_ref()?.replace))
    }),
    ("mu", |s| match &s.gene_wise_mu {
        Some(mu) => Some(Lent::matrix(mu, s.dataset.n_samples())),
        None => s.assay(|a| &a.mu),
    }),
    ("H", |s| s.assay(|a| &a.hat)),
    ("cooks", |s| s.assay(|a| &a.cooks)),
];
