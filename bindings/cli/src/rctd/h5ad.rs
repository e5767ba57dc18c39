//! The `.h5ad` file with the results: a copy of the input, or for inputs of another kind a new file
//! with their counts and names.
//!
//! Arrays are filled row by row while the writer asks, from one finished part at a time.

use std::ops::Range;

use cytosol::checkpoint::Journal;
use cytosol::data::{
    Annotations, Compression, Format, Numbers, Rows, Tables, Value, annotate, create,
};
use cytosol::rctd::RctdResults;
use cytosol::{Error, Result};

use super::outputs::{Places, disappeared};
use super::run::{Fitted, Job};
use super::{obs, run};
use crate::input;

/// Writes the file.
///
/// # Errors
/// As [`annotate`] and [`create`].
pub fn write(job: &Job<'_>, places: &Places, journal: &Journal, fitted: &Fitted) -> Result<()> {
    let ctx = &job.host.ctx;
    let mut new = Annotations::default();
    let classes = job.rctd.options().class_df.as_deref();
    for (name, column) in obs::columns(&fitted.all, classes)? {
        new.obs(name, column);
    }
    let source = Source {
        job,
        journal,
        fitted,
    };
    source.add_arrays(&mut new);
    add_facts(job, &mut new);
    let spatial = &job.args.input.spatial;
    if job.format == Format::H5ad {
        return annotate(ctx, spatial, &places.output, new);
    }
    // The counts went to the engine; they are read once more.
    let mut dataset = input::open_spatial(&job.args.input)?;
    if let Some(coords) = dataset.coordinates() {
        let values = coords.into_iter().flatten().collect();
        new.obsm("spatial", 2, Rows::Whole(Numbers::F64(values)));
    }
    let tables = Tables {
        obs: &dataset.obs,
        var: &dataset.var,
    };
    let counts = dataset.counts.as_mut();
    create(
        ctx,
        &places.output,
        counts,
        tables,
        new,
        Compression::default(),
    )
}

/// The entries of `uns`.
fn add_facts(job: &Job<'_>, new: &mut Annotations<'_>) {
    let text = |words: &str| Value::Text(words.to_owned());
    let config = job.config().into_iter();
    let config = config.filter_map(|(name, value)| Some((name.clone(), entry(&name, value)?)));
    new.uns("rctd_mode", text(&job.settings.mode.to_string()))
        .uns("rctd_version", text(env!("CARGO_PKG_VERSION")))
        .uns("rctd_config", Value::Dict(config.collect()))
        .uns("rctd_sigma", Value::Integer(i64::from(run::sigma(job))))
        .uns(
            "rctd_cell_type_names",
            Value::Texts(job.rctd.cell_types().to_vec()),
        );
}

/// An option as anndata stores it; options that are not set are left out.
fn entry(name: &str, value: serde_json::Value) -> Option<Value> {
    use serde_json::Value as Json;
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
        other => Value::Text(other.to_string()),
    })
}

/// Where the rows of the arrays come from.
#[derive(Clone, Copy)]
struct Source<'a> {
    job: &'a Job<'a>,
    journal: &'a Journal,
    fitted: &'a Fitted,
}

impl<'a> Source<'a> {
    fn add_arrays(self, new: &mut Annotations<'a>) {
        let n_types = self.job.rctd.cell_types().len();
        let weights = move |shard: &RctdResults, at: usize, row: &mut [f32]| {
            let values = &shard.weights[at * n_types..(at + 1) * n_types];
            copy_floats(values, row);
        };
        new.obsm(
            "rctd_weights",
            n_types,
            Rows::F32(Box::new(self.rows(n_types, f32::NAN, weights))),
        );
        if self.fitted.all.doublet.is_some() {
            let pair = |shard: &RctdResults, at: usize, row: &mut [f32]| {
                if let Some(doublet) = &shard.doublet {
                    copy_floats(&doublet.weights[2 * at..2 * at + 2], row);
                }
            };
            new.obsm(
                "rctd_weights_doublet",
                2,
                Rows::F32(Box::new(self.rows(2, f32::NAN, pair))),
            );
        }
        if self.fitted.all.n_types.is_some() {
            self.add_multi(new);
        }
    }

    fn add_multi(self, new: &mut Annotations<'a>) {
        let most = self.job.settings.model.max_multi_types;
        let weights = |shard: &RctdResults, at: usize, row: &mut [f32]| {
            row.fill(0.0);
            if let Some(multi) = &shard.multi {
                let chosen = &multi.sub_weights[multi.range(at)];
                copy_floats(chosen, &mut row[..chosen.len()]);
            }
        };
        new.obsm(
            "rctd_sub_weights",
            most,
            Rows::F32(Box::new(self.rows(most, f32::NAN, weights))),
        );
        let types = |shard: &RctdResults, at: usize, row: &mut [i32]| {
            if let Some(multi) = &shard.multi {
                for (place, &cell_type) in row.iter_mut().zip(&multi.cell_types[multi.range(at)]) {
                    *place = cell_type as i32;
                }
            }
        };
        new.obsm(
            "rctd_cell_type_indices",
            most,
            Rows::I32(Box::new(self.rows(most, -1, types))),
        );
    }

    /// Fills rows of the input: `fill` where a filter took the pixel, `put` elsewhere.
    fn rows<T: Copy + 'a>(
        self,
        width: usize,
        fill: T,
        put: impl Fn(&RctdResults, usize, &mut [T]) + 'a,
    ) -> impl FnMut(Range<usize>, &mut Vec<T>) -> Result<()> + 'a {
        let mut current: Option<(usize, RctdResults)> = None;
        move |rows, values| {
            values.clear();
            values.resize(rows.len() * width, fill);
            let kept = self.job.rctd.kept();
            let first = kept.partition_point(|&row| (row as usize) < rows.start);
            let kept = kept.iter().enumerate().skip(first);
            for (position, &row) in kept.take_while(|(_, row)| (**row as usize) < rows.end) {
                let part = position / self.job.settings.batch_size;
                if current.as_ref().is_none_or(|(loaded, _)| *loaded != part) {
                    current = Some((part, self.part(part)?));
                }
                let Some((_, shard)) = &current else {
                    continue;
                };
                let at = position - self.fitted.plan[part].start as usize;
                let begin = (row as usize - rows.start) * width;
                put(shard, at, &mut values[begin..begin + width]);
            }
            Ok(())
        }
    }

    fn part(self, part: usize) -> Result<RctdResults> {
        let range = &self.fitted.plan[part];
        let shard = self.job.shard(self.journal, part, range)?;
        shard.ok_or_else(|| -> Error { disappeared(self.journal, part) })
    }
}

fn copy_floats(from: &[f64], to: &mut [f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from as f32;
    }
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
            entry("class_df", json("[[\"a\",\"x\"]]")),
            Some(Value::Dict(vec![(
                "a".to_owned(),
                Value::Text("x".to_owned())
            )]))
        );
    }
}
