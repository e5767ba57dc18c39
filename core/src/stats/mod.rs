//! Distributions and numerical statistics that more than one engine can use: slices in, numbers out.

pub mod count_table;
pub mod dispersion;
pub mod effect_size;
pub mod filtering;
pub mod glm;
pub mod loess;
pub mod multiple_testing;
pub mod nb;
pub mod order;
pub mod outliers;
pub mod poisson_lognormal;
pub mod size_factors;
pub mod smooth;
pub mod special;
pub mod vector_math;
