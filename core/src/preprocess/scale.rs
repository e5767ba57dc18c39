//! Means and deviations that genes are scaled with.
//!
//! # Cost
//! One pass; 16 bytes a gene, and as much for each block in flight.
//!
//! # Source
//! scanpy 1.11.5, `pp.scale`: denominator n - 1, deviation 0 becomes 1, clipping on both sides only when
//! centred.

use crate::context::Context;
use crate::data::rows::{ReadOptions, RowSource};
use crate::error::{Error, Result};

use super::hvg::moments::{Batches, Undo, Viewed, mean_variance, moments};
use super::transform::Transform;

/// Options of [`scale_stats`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ScaleOptions {
    /// Take the mean out. Default true.
    pub zero_center: bool,
    /// Largest value afterwards (and, when centred, of the other sign).
    pub max_value: Option<f64>,
    /// How rows are read.
    pub read: ReadOptions,
}

impl Default for ScaleOptions {
    fn default() -> Self {
        ScaleOptions {
            zero_center: true,
            max_value: None,
            read: ReadOptions::default(),
        }
    }
}

impl ScaleOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn check(&self) -> Result<()> {
        match self.max_value {
            Some(most) if most <= 0.0 || most.is_nan() => Err(Error::argument(
                "max_value",
                format!("{most} must be above 0"),
            )),
            _ => Ok(()),
        }
    }
}

/// One element a gene.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ScaleStats {
    /// Mean over the cells.
    pub mean: Vec<f64>,
    /// Standard deviation (denominator n - 1); 1 for a gene that does not vary.
    pub std: Vec<f64>,
}

/// Mean and deviation of every gene over the cells of `mask` (all where it is absent).
///
/// # Errors
/// `InvalidArgument` for options and a mask that does not fit; errors of the source; `Cancelled`.
///
/// ```
/// use cytosol::data::{NumberKind, rows::ValueRows};
/// use cytosol::preprocess::{ScaleOptions, scale_stats};
/// let rows = ValueRows::from_dense(NumberKind::F64, 2, &[1.0, 5.0, 3.0, 5.0])?;
/// let ctx = cytosol::Context::single_threaded()?;
/// let stats = scale_stats(&ctx, &rows, None, &ScaleOptions::default())?;
/// assert_eq!(stats.mean, [2.0, 5.0]);
/// assert_eq!(stats.std, [2.0_f64.sqrt(), 1.0]);
/// # Ok::<(), cytosol::Error>(())
/// ```
pub fn scale_stats(
    ctx: &Context,
    source: &dyn RowSource,
    mask: Option<&[bool]>,
    options: &ScaleOptions,
) -> Result<ScaleStats> {
    options.check()?;
    let n = source.n_cells();
    if mask.is_some_and(|mask| mask.len() != n) {
        return Err(Error::argument(
            "mask_obs",
            format!("must have one value for each of {n} cells"),
        ));
    }
    let codes: Option<Vec<i32>> =
        mask.map(|mask| mask.iter().map(|&inside| i32::from(inside) - 1).collect());
    let batches = Batches {
        codes: codes.as_deref(),
        n: 1,
    };
    let transform = Transform::default();
    let view = Viewed {
        source,
        transform: &transform,
        undo: Undo::Nothing,
        read: options.read,
    };
    let sums = moments(ctx, view, batches, "scale_moments")?;
    let found = mean_variance(ctx, view, batches, &sums)?;
    let deviation = |v: f64| if v == 0.0 { 1.0 } else { v.sqrt() };
    Ok(ScaleStats {
        mean: found.mean,
        std: found.variance.into_iter().map(deviation).collect(),
    })
}
