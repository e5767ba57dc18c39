//! Differential expression from counts of samples with replicates: DESeq2's model, natively.
//!
//! Counts `K_ij` of gene `i` and sample `j` are negative binomial with mean `s_j exp(x_j . b_i)` and
//! variance `mu + alpha_i mu^2`; dispersions are shrunken towards a trend, coefficients are tested.
//! The steps, each callable alone: [`estimate_size_factors`], [`estimate_dispersions`],
//! [`wald_test`] or [`likelihood_ratio_test`], [`results`], [`lfc_shrink`]; [`deseq`] does the
//! first three and the replacement of outliers. Columns and defaults are those of DESeq2.
//!
//! Genes are worked on in blocks; nothing of size genes x samples is made unless it is asked for.
//! No random numbers are used; results are the same bits for any number of threads and block size.
//!
//! # Cost
//! See the steps; memory is the counts and some tens of numbers a gene.
//!
//! # Source
//! Love, Huber and Anders (2014), Genome Biology 15:550; behaviour of DESeq2 1.38.3 and 1.43.4.

mod checks;
mod contrast;
mod counts;
mod dataset;
mod dispersion_steps;
mod dispersions;
mod fits;
mod gene_wise;
mod genes;
mod iterated_factors;
mod lfc_shrink;
mod lrt;
mod moments;
mod normalized;
mod notes;
mod options;
mod pipeline;
mod plots;
mod quasi;
mod replace;
mod restore;
mod results;
mod rlog;
mod size_factors;
mod summary;
mod unmix;
mod vst;
mod wald;

pub use contrast::Contrast;
pub use counts::{Counts, StridedView};
pub use dataset::{DeseqDataset, Design, GENES_PER_BLOCK};
pub use dispersion_steps::{
    DispersionTrend, GeneWiseDispersions, dispersion_prior_variance,
    estimate_gene_wise_dispersions, fit_dispersion_trend, shrink_dispersions,
};
pub use dispersions::{Dispersions, GeneTrend, estimate_dispersions};
pub use fits::Assays;
pub use lfc_shrink::{PriorInfo, ShrinkOptions, ShrinkTarget, ShrinkType, Shrunken, lfc_shrink};
pub use lrt::likelihood_ratio_test;
pub use moments::BaseMoments;
pub use normalized::{collapse_replicates, fpkm, fpm, norm_transform, normalized_counts};
pub use options::{Compat, DispersionOptions, Mode, PriorMethod, TestOptions};
pub use pipeline::{Analysis, DeseqOptions, TestKind, deseq};
pub use plots::{SamplePca, dispersion_data, gene_counts, ma_data, sample_pca, sparsity_data};
pub use quasi::QuasiLikelihood;
pub use replace::{OutlierOptions, Replacement, replace_outliers};
pub use restore::{KnownDispersions, KnownFit, KnownGeneWise};
pub use results::{
    AltHypothesis, ColumnNote, CooksFilter, DeseqResults, FilterFunction, Filtering,
    ResultsOptions, results, results_with_filter,
};
pub use rlog::{Rlog, RlogPrior, rlog};
pub use size_factors::{Location, SizeFactorOptions, SizeFactorType, estimate_size_factors};
pub use summary::summary;
pub use unmix::{UnmixInput, UnmixScale, Unmixed, unmix};
pub use vst::{TransformOptions, Transformed, variance_stabilizing_transformation, vst};
pub use wald::{
    LrtColumns, MatrixType, MleColumns, TestFit, beta_prior_variances, cooks_cutoff, wald_test,
};
