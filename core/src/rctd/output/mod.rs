//! Results of RCTD as members of an `.h5ad`: one value a pixel of the input, with the names that
//! rctd-py gives them, so that its users find them.
//!
//! | key | what |
//! |---|---|
//! | `obsm/rctd_weights` | raw weights, pixels x types, f32; NaN where a filter took the pixel |
//! | `obs/rctd_dominant_type` | type with the largest weight, or "filtered" |
//! | `obs/rctd_converged` | full mode |
//! | `obs/rctd_spot_class`, `rctd_first_type`, `rctd_second_type`, `rctd_first_class`, `rctd_second_class`, with classes also `rctd_first_class_name`, `rctd_second_class_name`; `obsm/rctd_weights_doublet` | doublet mode |
//! | `obs/rctd_n_types`, `obsm/rctd_sub_weights`, `obsm/rctd_cell_type_indices` | multi mode; 0 and -1 where there are fewer types |
//! | `uns/rctd_mode`, `rctd_version`, `rctd_config`, `rctd_sigma`, `rctd_cell_type_names` | how it was made |
//!
//! Time: one pass over the results for each array. Memory: 20 bytes a pixel of the input and one
//! part of the results; results that lie in a journal are never whole in memory.

mod arrays;
mod obs;
mod pixel_summary;

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use serde_json::Value as Json;

use crate::context::Context;
use crate::data::{
    Annotations, Compression, Format, Numbers, OpenOptions, Rows, Tables, Value, annotate, create,
    detect, open,
};
use crate::error::{Error, ErrorKind, Result};

use super::config::RctdOptions;
use super::results::RctdResults;

pub use pixel_summary::{DoubletPixels, PixelSummary};

/// Results in parts that together cover the kept pixels, in order.
pub trait Parts {
    /// Input rows of the pixels with results.
    fn kept(&self) -> &[u32];
    /// Names of the types.
    fn cell_types(&self) -> &[String];
    /// Ranges of positions in [`Parts::kept`], one a part.
    fn plan(&self) -> Vec<Range<u64>>;
    /// The results of a part.
    ///
    /// # Errors
    /// `Io` when the part cannot be read.
    fn part(&self, part: usize) -> Result<Cow<'_, RctdResults>>;
}

impl Parts for RctdResults {
    fn kept(&self) -> &[u32] {
        &self.pixels
    }

    fn cell_types(&self) -> &[String] {
        &self.cell_types
    }

    fn plan(&self) -> Vec<Range<u64>> {
        std::iter::once(0..self.pixels.len() as u64).collect()
    }

    fn part(&self, _part: usize) -> Result<Cow<'_, RctdResults>> {
        Ok(Cow::Borrowed(self))
    }
}

/// What the output says about how it was made.
#[derive(Debug, Clone)]
pub struct RunFacts<'a> {
    /// Options of the run.
    pub options: &'a RctdOptions,
    /// Further entries of `uns/rctd_config`.
    pub also: serde_json::Map<String, Json>,
    /// 100 sigma.
    pub sigma: u32,
}

/// What a run adds to an `.h5ad`; see the module for the names.
///
/// `summary` is the one of all `parts`.
///
/// # Errors
/// `InvalidData` when a cell type is itself called "filtered".
pub fn annotations<'a>(
    parts: &'a dyn Parts,
    summary: &PixelSummary,
    facts: &RunFacts<'_>,
) -> Result<Annotations<'a>> {
    let mut new = Annotations::default();
    for (name, column) in obs::columns(summary, facts.options.class_df.as_deref())? {
        new.obs(name, column);
    }
    arrays::add(&mut new, parts, summary.mode, facts.options.max_multi_types);
    let config = config(facts)?;
    new.uns("rctd_mode", Value::Text(summary.mode.to_string()))
        .uns(
            "rctd_version",
            Value::Text(env!("CARGO_PKG_VERSION").to_owned()),
        )
        .uns("rctd_config", Value::Dict(config))
        .uns("rctd_sigma", Value::Integer(i64::from(facts.sigma)))
        .uns(
            "rctd_cell_type_names",
            Value::Texts(parts.cell_types().to_vec()),
        );
    Ok(new)
}

/// Writes the spatial input with annotations added as the `.h5ad` file `target`, which appears
/// whole or not at all.
///
/// An `.h5ad` is copied (see [`annotate`]; `target` may be `spatial`); from any other format a new
/// file is made with its counts, names and, where it has them, coordinates in `obsm/spatial`.
/// `open_with` says what to take from `spatial`; it is looked at for other formats only.
///
/// # Errors
/// As [`annotate`], [`open()`] and [`create`].
pub fn write_h5ad(
    ctx: &Context,
    spatial: &Path,
    open_with: &OpenOptions,
    target: &Path,
    mut new: Annotations<'_>,
) -> Result<()> {
    if detect(spatial)? == Format::H5ad {
        return annotate(ctx, spatial, target, new);
    }
    let mut dataset = open(spatial, open_with)?;
    if let Some(coords) = dataset.coordinates() {
        let values = coords.into_iter().flatten().collect();
        new.obsm("spatial", 2, Rows::Whole(Numbers::F64(values)));
    }
    let tables = Tables {
        obs: &dataset.obs,
        var: &dataset.var,
    };
    let counts = dataset.counts.as_mut();
    create(ctx, target, counts, tables, new, Compression::default())
}

impl RctdResults {
    /// Writes the spatial input with these results added as the `.h5ad` file `target`, which appears
    /// whole or not at all.
    ///
    /// `spatial` is the file or folder the pixels came from: an `.h5ad` is copied, from other formats a
    /// new file is made. `target` may be `spatial`.
    ///
    /// # Errors
    /// `InvalidArgument` when `spatial` holds other pixels; those of [`annotations`] and
    /// [`write_h5ad`].
    pub fn write_h5ad(
        &self,
        ctx: &Context,
        spatial: &Path,
        open_with: &OpenOptions,
        target: &Path,
    ) -> Result<()> {
        self.check_source(spatial, open_with)?;
        let mut summary = PixelSummary::new(self.mode, &self.cell_types, self.n_pixels_total);
        summary.add(self);
        let facts = RunFacts {
            options: &self.options,
            also: serde_json::Map::new(),
            sigma: self.sigma,
        };
        let new = annotations(self, &summary, &facts)?;
        write_h5ad(ctx, spatial, open_with, target, new)
    }

    /// Whether the names in the file are those of the pixels.
    fn check_source(&self, spatial: &Path, open_with: &OpenOptions) -> Result<()> {
        let names = open(spatial, open_with)?.obs.index;
        let fault = if names.len() == self.n_pixels_total {
            let pairs = self.pixels.iter().zip(&self.barcodes);
            let mut pairs = pairs.filter(|(row, name)| names[**row as usize] != **name);
            pairs.next().map(|(&row, name)| {
                format!(
                    "row {row} is {:?}, in the results it is {name:?}",
                    names[row as usize]
                )
            })
        } else {
            let (n, expected) = (names.len(), self.n_pixels_total);
            Some(format!("{n} pixels, the results are of {expected}"))
        };
        fault.map_or(Ok(()), |fault| {
            let message = format!(
                "{}: {fault}; give the file the run was made from",
                spatial.display()
            );
            Err(Error::argument("spatial", message).with_file(spatial))
        })
    }
}

fn config(facts: &RunFacts<'_>) -> Result<Vec<(String, Value)>> {
    let mut all: serde_json::Map<String, Json> = serde_json::from_str(&facts.options.to_json())
        .map_err(|e| Error::new(ErrorKind::Internal, format!("options as JSON: {e}")))?;
    all.extend(facts.also.clone());
    Ok(all
        .into_iter()
        .filter_map(|(name, value)| Some((name.clone(), entry(&name, value)?)))
        .collect())
}

/// An option as anndata stores it; options that are not set are left out.
fn entry(name: &str, value: Json) -> Option<Value> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Number(number.as_f64()?),
        },
        Json::String(words) => Value::Text(words),
        // Pairs of cell type and class.
        Json::Array(pairs) if name == "class_df" => {
            let pair = |pair: &Json| {
                let class = pair.get(1)?.as_str()?.to_owned();
                Some((pair.get(0)?.as_str()?.to_owned(), Value::Text(class)))
            };
            Value::Dict(pairs.iter().filter_map(pair).collect())
        }
        Json::Array(items) if items.iter().all(Json::is_string) => {
            let words = items.iter().filter_map(Json::as_str);
            Value::Texts(words.map(str::to_owned).collect())
        }
        Json::Array(items) if items.iter().all(Json::is_i64) => {
            let numbers = items.iter().filter_map(Json::as_i64);
            Value::Numbers(Numbers::I64(numbers.collect()))
        }
        other => Value::Text(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_entries_that_anndata_reads() {
        let json = |text: &str| serde_json::from_str(text).expect("JSON");
        assert_eq!(entry("sigma", json("null")), None);
        assert_eq!(entry("n_fit", json("1000")), Some(Value::Integer(1000)));
        assert_eq!(entry("umi_min", json("0.5")), Some(Value::Number(0.5)));
        assert_eq!(
            entry("type_order", json("[\"a\"]")),
            Some(Value::Texts(vec!["a".to_owned()]))
        );
        assert_eq!(
            entry("sigma_pixels", json("[3, 5]")),
            Some(Value::Numbers(Numbers::I64(vec![3, 5])))
        );
        assert_eq!(
            entry("class_df", json("[[\"a\",\"x\"]]")),
            Some(Value::Dict(vec![(
                "a".to_owned(),
                Value::Text("x".to_owned())
            )]))
        );
    }
}
