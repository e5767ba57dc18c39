//! Stretches of the stored entries of a sparse matrix: indices and values side by side.
//!
//! Both datasets are decoded in parallel, piece by piece. The piece at the end of a stretch is
//! kept, so that reading on from there decodes nothing twice.
//!
//! Memory: 8 bytes an entry of the stretch, one decoded piece of each dataset, pieces in flight.

use std::ops::Range;

use super::array::NumberArray;
use super::filters::Scratch;
use crate::context::Context;
use crate::data::numbers::{Whole, append_counts, append_indices};
use crate::error::Result;
use crate::par;

/// Elements that make a task worth its overhead.
const TASK_ELEMENTS: usize = 1 << 15;

/// Indices and values of a sparse matrix.
#[derive(Debug)]
pub(crate) struct Entries {
    indices: Stream,
    data: Stream,
    /// Indices must be below this.
    n_minor: usize,
}

/// One dataset and what is kept of it.
#[derive(Debug)]
struct Stream {
    array: NumberArray,
    /// Number and content of the last piece read.
    kept: Option<(usize, Whole)>,
    /// The stretch asked for.
    stretch: Whole,
}

/// Which of the datasets of [`Entries`] to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    /// Indices and values.
    Both,
    /// Indices only.
    Indices,
}

struct Task {
    of_data: bool,
    pieces: Range<usize>,
}

impl Entries {
    pub(crate) fn new(indices: NumberArray, data: NumberArray, n_minor: usize) -> Self {
        let stream = |array| Stream {
            array,
            kept: None,
            stretch: Whole::default(),
        };
        Entries {
            indices: stream(indices),
            data: stream(data),
            n_minor,
        }
    }

    /// Reads the entries `range`; [`genes`](Self::indices) and [`values`](Self::values) hold them
    /// until the next call.
    ///
    /// # Errors
    /// `UnsupportedFormat`, reason `CorruptMatrix`, for an index out of range or a broken chunk.
    pub(crate) fn read(&mut self, ctx: &Context, range: Range<u64>, take: Take) -> Result<()> {
        let budget = ctx.memory_budget() / 4;
        self.indices.array.check_budget(budget)?;
        self.data.array.check_budget(budget)?;
        let n_minor = self.n_minor;
        let mut tasks = self.indices.begin(&range, false);
        if take == Take::Both {
            tasks.extend(self.data.begin(&range, true));
        }
        self.run(ctx, &range, tasks)?;
        let indices = &self.indices;
        match indices.stretch.odd.first() {
            None => Ok(()),
            Some(&(position, value)) => Err(indices.array.corrupt(
                position,
                format!(
                    "index {value} is out of range; must be 0 to {}",
                    n_minor as i64 - 1
                ),
            )),
        }
    }

    /// The indices of the stretch.
    pub(crate) fn indices(&self) -> &[u32] {
        &self.indices.stretch.values
    }

    /// The values of the stretch as counts.
    pub(crate) fn values(&self) -> &[u32] {
        &self.data.stretch.values
    }

    /// Position and value of those that are no counts, ascending.
    pub(crate) fn odd_values(&self) -> &[(u64, f64)] {
        &self.data.stretch.odd
    }

    fn run(&mut self, ctx: &Context, range: &Range<u64>, tasks: Vec<Task>) -> Result<()> {
        let n_minor = self.n_minor;
        let (indices, data) = (&self.indices.array, &self.data.array);
        let (mut index_parts, mut data_parts) = (
            Collector::new(&mut self.indices.stretch, &mut self.indices.kept),
            Collector::new(&mut self.data.stretch, &mut self.data.kept),
        );
        let mut tasks = tasks.into_iter();
        par::ordered(
            ctx,
            None,
            || {
                let Some(task) = tasks.next() else {
                    return Ok(None);
                };
                let array = if task.of_data { data } else { indices };
                let fetched = task.pieces.clone().map(|p| array.fetch(p));
                Ok(Some((fetched.collect::<Result<Vec<_>>>()?, task)))
            },
            Scratch::new,
            |scratch, (fetched, task)| {
                let array = if task.of_data { data } else { indices };
                let mut out = Whole::default();
                for piece in fetched {
                    let piece = array.decode(scratch, piece)?;
                    let at = piece.rows.start as u64;
                    if task.of_data {
                        append_counts(array.decoded_kind(), &piece.bytes, at, &mut out);
                    } else {
                        let kind = array.decoded_kind();
                        append_indices(kind, &piece.bytes, at, n_minor, &mut out);
                    }
                    scratch.recycle(piece.bytes);
                }
                Ok((task, out))
            },
            |(task, part)| {
                let (array, parts) = if task.of_data {
                    (data, &mut data_parts)
                } else {
                    (indices, &mut index_parts)
                };
                parts.add(array.piece()[0], task.pieces, part, range);
                Ok(1)
            },
        )
    }
}

impl Stream {
    /// Takes what is kept and lists the tasks for the rest.
    fn begin(&mut self, range: &Range<u64>, of_data: bool) -> Vec<Task> {
        self.stretch.values.clear();
        self.stretch.odd.clear();
        if range.is_empty() {
            return Vec::new();
        }
        let size = self.array.piece()[0] as u64;
        let mut first = (range.start / size) as usize;
        let end = ((range.end - 1) / size) as usize + 1;
        if let Some((number, kept)) = &self.kept {
            if *number == first {
                append_overlap(&mut self.stretch, kept, first as u64 * size, range);
                first += 1;
            }
        }
        let step = (TASK_ELEMENTS / self.array.piece()[0]).max(1);
        (first..end)
            .step_by(step)
            .map(|start| Task {
                of_data,
                pieces: start..(start + step).min(end),
            })
            .collect()
    }
}

/// Puts decoded pieces together on the calling thread.
struct Collector<'a> {
    stretch: &'a mut Whole,
    kept: &'a mut Option<(usize, Whole)>,
}

impl<'a> Collector<'a> {
    fn new(stretch: &'a mut Whole, kept: &'a mut Option<(usize, Whole)>) -> Self {
        Collector { stretch, kept }
    }

    fn add(&mut self, size: usize, pieces: Range<usize>, part: Whole, range: &Range<u64>) {
        let at = (pieces.start * size) as u64;
        append_overlap(self.stretch, &part, at, range);
        if at + part.values.len() as u64 <= range.end {
            return;
        }
        // The range ends inside the last piece: the next stretch begins with it.
        let last = pieces.end - 1;
        let start = (last - pieces.start) * size;
        let first = (last * size) as u64;
        *self.kept = Some((
            last,
            Whole {
                values: part.values[start..].to_vec(),
                odd: part.odd.into_iter().filter(|o| o.0 >= first).collect(),
            },
        ));
    }
}

/// Appends what lies in `range` of `part`, whose first element is number `at`.
fn append_overlap(stretch: &mut Whole, part: &Whole, at: u64, range: &Range<u64>) {
    let end = at + part.values.len() as u64;
    let from = range.start.max(at);
    let to = range.end.min(end);
    if from >= to {
        return;
    }
    stretch
        .values
        .extend_from_slice(&part.values[(from - at) as usize..(to - at) as usize]);
    let inside = part.odd.iter().filter(|o| (from..to).contains(&o.0));
    stretch.odd.extend(inside.copied());
}
