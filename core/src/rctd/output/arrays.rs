//! The arrays that a run adds to `obsm`, filled row by row while the writer asks, from one part of
//! the results at a time.

use std::borrow::Cow;
use std::ops::Range;

use crate::data::{Annotations, Rows};
use crate::error::Result;

use super::super::config::Mode;
use super::super::results::RctdResults;
use super::Parts;

/// Adds the arrays of the mode.
pub(super) fn add<'a>(new: &mut Annotations<'a>, parts: &'a dyn Parts, mode: Mode, most: usize) {
    let n_types = parts.cell_types().len();
    let weights = move |part: &RctdResults, at: usize, row: &mut [f32]| {
        copy_floats(&part.weights[at * n_types..(at + 1) * n_types], row);
    };
    new.obsm("rctd_weights", n_types, floats(parts, n_types, weights));
    match mode {
        Mode::Full => {}
        Mode::Doublet => {
            let pair = |part: &RctdResults, at: usize, row: &mut [f32]| {
                if let Some(doublet) = &part.doublet {
                    copy_floats(&doublet.weights[2 * at..2 * at + 2], row);
                }
            };
            new.obsm("rctd_weights_doublet", 2, floats(parts, 2, pair));
        }
        Mode::Multi => add_multi(new, parts, most),
    }
}

fn add_multi<'a>(new: &mut Annotations<'a>, parts: &'a dyn Parts, most: usize) {
    let weights = |part: &RctdResults, at: usize, row: &mut [f32]| {
        row.fill(0.0);
        if let Some(multi) = &part.multi {
            let chosen = &multi.sub_weights[multi.range(at)];
            copy_floats(chosen, &mut row[..chosen.len()]);
        }
    };
    new.obsm("rctd_sub_weights", most, floats(parts, most, weights));
    let types = |part: &RctdResults, at: usize, row: &mut [i32]| {
        if let Some(multi) = &part.multi {
            for (place, &cell_type) in row.iter_mut().zip(&multi.cell_types[multi.range(at)]) {
                *place = cell_type as i32;
            }
        }
    };
    let types = Rows::I32(Box::new(rows(parts, most, -1, types)));
    new.obsm("rctd_cell_type_indices", most, types);
}

fn floats<'a>(
    parts: &'a dyn Parts,
    width: usize,
    put: impl Fn(&RctdResults, usize, &mut [f32]) + 'a,
) -> Rows<'a> {
    Rows::F32(Box::new(rows(parts, width, f32::NAN, put)))
}

/// Fills rows of the input: `fill` where a filter took the pixel, `put` elsewhere.
fn rows<'a, T: Copy + 'a>(
    parts: &'a dyn Parts,
    width: usize,
    fill: T,
    put: impl Fn(&RctdResults, usize, &mut [T]) + 'a,
) -> impl FnMut(Range<usize>, &mut Vec<T>) -> Result<()> + 'a {
    let plan = parts.plan();
    let mut current: Option<(usize, Cow<'a, RctdResults>)> = None;
    move |rows, values| {
        values.clear();
        values.resize(rows.len() * width, fill);
        let kept = parts.kept();
        let first = kept.partition_point(|&row| (row as usize) < rows.start);
        let kept = kept.iter().enumerate().skip(first);
        for (position, &row) in kept.take_while(|(_, row)| (**row as usize) < rows.end) {
            let position = position as u64;
            let part = plan.partition_point(|range| range.end <= position);
            if current.as_ref().is_none_or(|(loaded, _)| *loaded != part) {
                current = Some((part, parts.part(part)?));
            }
            let Some((_, results)) = &current else {
                continue;
            };
            let at = (position - plan[part].start) as usize;
            let begin = (row as usize - rows.start) * width;
            put(results, at, &mut values[begin..begin + width]);
        }
        Ok(())
    }
}

fn copy_floats(from: &[f64], to: &mut [f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from as f32;
    }
}
