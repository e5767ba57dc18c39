//! Stored rows, and one row at a time in canonical form.
//!
//! Time: one pass over a row's bytes for the values, one for the indices; sorting only where a row
//! is out of order. Memory: the bytes as stored; one row of 12 bytes an entry.

use std::path::Path;
use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd, as_arrays};

use crate::data::numbers::{NumberKind, TWO_52, append_f64, append_u32, whole};
use crate::error::{Error, Reason, Result};

/// Numbers as they are stored, little-endian.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub kind: NumberKind,
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Form {
    /// Where each row's entries begin (one more than there are rows), the genes where they were read,
    /// and the position of the first entry in the whole matrix.
    Sparse {
        starts: Vec<usize>,
        genes: Option<Stored>,
        position: u64,
    },
    Dense {
        n_rows: usize,
    },
}

/// Consecutive rows of a matrix, as they are stored.
#[derive(Debug, Clone)]
pub struct RowBlock {
    first_row: usize,
    n_genes: usize,
    /// Name of the matrix, for messages.
    name: Arc<str>,
    /// The file that the rows are in, for messages.
    file: Option<Arc<Path>>,
    values: Stored,
    form: Form,
}

impl RowBlock {
    /// Sparse rows; `starts` begins with 0 and ends with the number of entries.
    pub(crate) fn sparse(
        name: &Arc<str>,
        first_row: usize,
        n_genes: usize,
        entries: (Vec<usize>, Stored, Stored),
        position: u64,
    ) -> Self {
        let (starts, genes, values) = entries;
        RowBlock {
            first_row,
            n_genes,
            name: name.clone(),
            file: None,
            values,
            form: Form::Sparse {
                starts,
                genes: Some(genes),
                position,
            },
        }
    }

    /// Sparse rows without their genes; [`RowReader::read_stored`] alone reads them.
    #[cfg_attr(
        not(feature = "hdf5"),
        allow(dead_code, reason = "only files are read in part")
    )]
    pub(crate) fn values_only(
        name: &Arc<str>,
        first_row: usize,
        n_genes: usize,
        starts: Vec<usize>,
        values: Stored,
    ) -> Self {
        RowBlock {
            first_row,
            n_genes,
            name: name.clone(),
            file: None,
            values,
            form: Form::Sparse {
                starts,
                genes: None,
                position: 0,
            },
        }
    }

    /// Dense rows.
    pub(crate) fn dense(
        name: &Arc<str>,
        first_row: usize,
        n_rows: usize,
        n_genes: usize,
        values: Stored,
    ) -> Self {
        RowBlock {
            first_row,
            n_genes,
            name: name.clone(),
            file: None,
            values,
            form: Form::Dense { n_rows },
        }
    }

    /// The same rows, which lie in this file.
    #[cfg(feature = "hdf5")]
    #[must_use]
    pub(crate) fn in_file(self, file: &Arc<Path>) -> Self {
        RowBlock {
            file: Some(file.clone()),
            ..self
        }
    }

    /// The error with the name of the file.
    fn located(&self, error: Error) -> Error {
        match &self.file {
            Some(file) => error.in_context(file.display()).with_file(file),
            None => error,
        }
    }

    /// Number of genes (columns).
    pub fn n_genes(&self) -> usize {
        self.n_genes
    }

    /// Type of the values.
    pub(crate) fn value_kind(&self) -> NumberKind {
        self.values.kind
    }

    /// All values, as stored.
    pub(crate) fn value_bytes(&self) -> &[u8] {
        &self.values.bytes
    }

    /// The genes of all entries, as stored; `None` for dense rows, and where they were not read.
    pub(crate) fn gene_bytes(&self) -> Option<(NumberKind, &[u8])> {
        match &self.form {
            Form::Sparse { genes, .. } => {
                genes.as_ref().map(|genes| (genes.kind, &genes.bytes[..]))
            }
            Form::Dense { .. } => None,
        }
    }

    /// The block's memory, to be used again.
    #[cfg(feature = "hdf5")]
    pub(crate) fn into_buffers(self) -> impl Iterator<Item = Vec<u8>> {
        let genes = match self.form {
            Form::Sparse { genes, .. } => genes.map(|genes| genes.bytes),
            Form::Dense { .. } => None,
        };
        genes.into_iter().chain([self.values.bytes])
    }

    /// Where the entries of a row stand among those of the block.
    pub(crate) fn entries_of(&self, row: usize) -> std::ops::Range<usize> {
        match &self.form {
            Form::Sparse { starts, .. } => starts[row]..starts[row + 1],
            Form::Dense { .. } => row * self.n_genes..(row + 1) * self.n_genes,
        }
    }

    /// The error for the entry `at`, whose gene is out of range.
    pub(crate) fn index_error(&self, at: usize, gene: u32) -> Error {
        let first = match &self.form {
            Form::Sparse { position, .. } => *position,
            Form::Dense { .. } => 0,
        };
        let position = first + at as u64;
        let dataset = format!("{}/indices", self.name);
        let index = match gene {
            u32::MAX => "beyond 32 bits".to_owned(),
            gene => (gene as i32).to_string(),
        };
        let error = Error::new(
            crate::error::ErrorKind::UnsupportedFormat,
            format!(
                "{dataset}[{position}]: index {index} is out of range; must be 0 to {}",
                self.n_genes as i64 - 1
            ),
        );
        self.located(error.with_reason(Reason::CorruptMatrix { dataset, position }))
    }

    /// The matrix's row number of the block's first row.
    pub fn first_row(&self) -> usize {
        self.first_row
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        match &self.form {
            Form::Sparse { starts, .. } => starts.len() - 1,
            Form::Dense { n_rows } => *n_rows,
        }
    }
}

/// What a [`RowReader`] does with values that need a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// Sum entries of the same cell and gene (they stay apart otherwise).
    pub sum_duplicates: bool,
    /// Let NaN and infinities through.
    pub allow_nonfinite: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            sum_duplicates: true,
            allow_nonfinite: false,
        }
    }
}

/// One row in canonical form, and what was seen on the way.
///
/// The first six fields describe the row read last; the counters run on from row to row.
#[derive(Debug, Clone, Default)]
pub struct RowReader {
    /// Genes of the row: ascending, and each once unless duplicates stay apart.
    pub genes: Vec<u32>,
    /// Values of the row; no zeros.
    pub values: Vec<f64>,
    /// Largest value of the row, 0 when it is empty.
    pub largest: f64,
    /// Sum of the values, in lanes of fixed width.
    pub total: f64,
    /// Values above zero.
    pub n_positive: u32,
    /// Whether all values are positive integers.
    pub is_whole: bool,
    /// Entries summed onto another entry so far.
    pub n_merged: u64,
    /// Stored zeros left out so far.
    pub n_zeros: u64,
    /// Negative values so far.
    pub n_negative: u64,
    /// Values with a fraction so far.
    pub n_fractional: u64,
    options: ReadOptions,
    arch: Arch,
}

/// Values looked at side by side: part of the meaning of [`RowReader::total`].
const LANES: usize = 8;

/// What one look at the values of a row tells.
#[derive(Debug, Default)]
struct Facts {
    largest: f64,
    total: f64,
    n_positive: usize,
    n_negative: usize,
    n_fractional: usize,
    n_zero: usize,
    n_odd: usize,
}

impl Facts {
    /// Loops that run many values at a time, with the same bits on every processor.
    #[inline(always)]
    fn of(values: &[f64]) -> Self {
        let mut largest = [0.0_f64; LANES];
        let mut smallest = [f64::INFINITY; LANES];
        let mut differs = [0.0_f64; LANES];
        let mut total = [0.0_f64; LANES];
        let (arrays, rest) = as_arrays::<LANES, _>(values);
        let mut last = [1.0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        for array in arrays.iter().chain([&last]) {
            for lane in 0..LANES {
                let value = array[lane];
                // Without a call; beyond 2^52 there are no fractions.
                let whole = (value + TWO_52) - TWO_52;
                let by = (whole - value).abs();
                largest[lane] = if value > largest[lane] {
                    value
                } else {
                    largest[lane]
                };
                smallest[lane] = if value < smallest[lane] {
                    value
                } else {
                    smallest[lane]
                };
                differs[lane] = if by > differs[lane] {
                    by
                } else {
                    differs[lane]
                };
                total[lane] += value;
            }
        }
        // The places behind the end held ones.
        for lane in &mut total[rest.len()..] {
            *lane -= 1.0;
        }
        let t = total;
        let total = ((t[0] + t[1]) + (t[2] + t[3])) + ((t[4] + t[5]) + (t[6] + t[7]));
        let most = largest.into_iter().fold(0.0, f64::max);
        let least = smallest.into_iter().fold(f64::INFINITY, f64::min);
        let facts = Facts {
            largest: if values.is_empty() { 0.0 } else { most },
            total,
            ..Facts::default()
        };
        let is_whole = differs.into_iter().fold(0.0, f64::max) == 0.0;
        if least > 0.0 && is_whole && most < TWO_52 && total.is_finite() {
            let n_positive = values.len();
            return Facts {
                n_positive,
                ..facts
            };
        }
        facts.counted(values)
    }

    /// The same with everything counted that is rare among counts.
    #[inline(always)]
    fn counted(mut self, values: &[f64]) -> Self {
        let of = |is: fn(f64) -> bool| values.iter().filter(|v| is(**v)).count();
        self.n_positive = of(|v| v > 0.0);
        self.n_negative = of(|v| v < 0.0);
        self.n_zero = of(|v| v == 0.0);
        self.n_odd = values.len() - of(|v| v.abs() < f64::INFINITY);
        self.n_fractional = of(|v| v.abs() < TWO_52 && (v.abs() + TWO_52) - TWO_52 != v.abs());
        self.largest = values.iter().fold(0.0, |m, &v| if v > m { v } else { m });
        self
    }
}

/// Whether numbers ascend, each once, and the largest of them.
#[inline(always)]
fn order_of(genes: &[u32]) -> (bool, u32) {
    // Loops without an early end run many entries at a time.
    let largest = genes.iter().fold(0, |m, &gene| m.max(gene));
    let pairs = genes.iter().zip(genes.get(1..).unwrap_or(&[]));
    let ascends = pairs.fold(true, |ok, (a, b)| ok & (a < b));
    (ascends, largest)
}

/// [`Facts::of`] for the vector units at hand.
struct Look<'a>(&'a [f64]);

impl WithSimd for Look<'_> {
    type Output = Facts;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Facts {
        Facts::of(self.0)
    }
}

/// Appends whole numbers as integers, for the vector units at hand.
struct Whole<'a>(&'a [f64], &'a mut Vec<u32>);

impl WithSimd for Whole<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.1.extend(self.0.iter().map(|&value| whole(value)));
    }
}

/// Converts a row and looks at it, for the vector units at hand.
struct Load<'a> {
    genes: (NumberKind, &'a [u8], &'a mut Vec<u32>),
    values: (NumberKind, &'a [u8], &'a mut Vec<f64>),
}

impl WithSimd for Load<'_> {
    type Output = (bool, u32, Facts);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let (kind, bytes, genes) = self.genes;
        append_u32(kind, bytes, genes);
        let (ascends, largest) = order_of(genes);
        let (kind, bytes, values) = self.values;
        append_f64(kind, bytes, values);
        (ascends, largest, Facts::of(values))
    }
}

impl RowReader {
    /// A reader with empty counters.
    pub fn new(options: ReadOptions) -> Self {
        RowReader {
            options,
            ..RowReader::default()
        }
    }

    /// Reads the block's `row`-th row.
    ///
    /// # Errors
    /// `UnsupportedFormat`, reason `CorruptMatrix`, for a gene out of range; `InvalidData`, reason
    /// `InvalidValue`, for NaN and infinities unless they are allowed.
    pub fn read(&mut self, block: &RowBlock, row: usize) -> Result<()> {
        self.genes.clear();
        self.values.clear();
        let Form::Sparse { .. } = &block.form else {
            self.load_dense(block, row);
            let facts = self.facts();
            return self.note(block, row, &facts);
        };
        let (ascends, mut facts) = self.load_sparse(block, row)?;
        if !ascends || facts.n_zero > 0 {
            self.make_canonical();
            facts = self.facts();
        }
        self.note(block, row, &facts)
    }

    /// Reads the block's `row`-th row as it is stored: zeros, order and duplicates stay.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_stored(&mut self, block: &RowBlock, row: usize) -> Result<()> {
        self.genes.clear();
        self.values.clear();
        let facts = if let Form::Dense { .. } = &block.form {
            let size = block.values.kind.size();
            let entries = block.entries_of(row);
            let bytes = &block.values.bytes[entries.start * size..entries.end * size];
            append_f64(block.values.kind, bytes, &mut self.values);
            self.genes.extend(0..block.n_genes as u32);
            self.facts()
        } else {
            self.load_sparse(block, row)?.1
        };
        self.note(block, row, &facts)
    }

    /// The values as integers, in place of what `out` holds; for rows that are [whole](Self::is_whole) and
    /// whose [largest](Self::largest) value is below 2^32.
    pub(crate) fn whole_values(&self, out: &mut Vec<u32>) {
        out.clear();
        out.reserve(self.values.len());
        self.arch.dispatch(Whole(&self.values, out));
    }

    fn facts(&self) -> Facts {
        self.arch.dispatch(Look(&self.values))
    }

    /// Whether genes ascend as stored, and facts about the values.
    fn load_sparse(&mut self, block: &RowBlock, row: usize) -> Result<(bool, Facts)> {
        let Form::Sparse { starts, genes, .. } = &block.form else {
            return Ok((true, Facts::default()));
        };
        let (lo, hi) = (starts[row], starts[row + 1]);
        let v = block.values.kind.size();
        let value_bytes = &block.values.bytes[lo * v..hi * v];
        let Some(genes) = genes else {
            append_f64(block.values.kind, value_bytes, &mut self.values);
            return Ok((true, self.facts()));
        };
        let g = genes.kind.size();
        let gene_bytes = &genes.bytes[lo * g..hi * g];
        let load = Load {
            genes: (genes.kind, gene_bytes, &mut self.genes),
            values: (block.values.kind, value_bytes, &mut self.values),
        };
        let (ascends, largest, facts) = self.arch.dispatch(load);
        if hi > lo && largest as usize >= block.n_genes {
            let n = block.n_genes;
            let at = self
                .genes
                .iter()
                .position(|&g| g as usize >= n)
                .unwrap_or(0);
            return Err(block.index_error(lo + at, self.genes[at]));
        }
        Ok((ascends, facts))
    }

    fn load_dense(&mut self, block: &RowBlock, row: usize) {
        let (kind, n) = (block.values.kind, block.n_genes);
        let size = kind.size() * n;
        append_f64(
            kind,
            &block.values.bytes[row * size..(row + 1) * size],
            &mut self.values,
        );
        let mut kept = 0;
        for gene in 0..n {
            let value = self.values[gene];
            if value != 0.0 {
                self.values[kept] = value;
                self.genes.push(gene as u32);
                kept += 1;
            }
        }
        self.values.truncate(kept);
    }

    fn make_canonical(&mut self) {
        let before = self.values.len();
        let mut kept = 0;
        for i in 0..before {
            if self.values[i] != 0.0 {
                self.values[kept] = self.values[i];
                self.genes[kept] = self.genes[i];
                kept += 1;
            }
        }
        self.values.truncate(kept);
        self.genes.truncate(kept);
        self.n_zeros += (before - kept) as u64;
        if self.genes.windows(2).all(|pair| pair[0] < pair[1]) {
            return;
        }
        let mut order: Vec<(u32, f64)> = self
            .genes
            .iter()
            .copied()
            .zip(self.values.iter().copied())
            .collect();
        order.sort_by_key(|entry| entry.0);
        if self.options.sum_duplicates {
            self.n_merged += merge_duplicates(&mut order);
            // Duplicates may cancel.
            order.retain(|entry| entry.1 != 0.0);
        }
        self.genes.clear();
        self.values.clear();
        for (gene, value) in order {
            self.genes.push(gene);
            self.values.push(value);
        }
    }

    /// Takes down what was seen of the row.
    fn note(&mut self, block: &RowBlock, row: usize, facts: &Facts) -> Result<()> {
        self.largest = facts.largest;
        self.total = facts.total;
        self.n_positive = facts.n_positive as u32;
        self.is_whole = facts.n_fractional + facts.n_negative + facts.n_odd == 0;
        self.n_negative += facts.n_negative as u64;
        self.n_fractional += facts.n_fractional as u64;
        if facts.n_odd == 0 || self.options.allow_nonfinite {
            return Ok(());
        }
        let at = self.values.iter().position(|v| !v.is_finite()).unwrap_or(0);
        let (row, value) = (block.first_row + row, self.values[at]);
        Err(block.located(match self.genes.get(at) {
            Some(&gene) => invalid_value(&block.name, row, gene as usize, value),
            None => Error::data(format!(
                "{}[row {row}]: {value} is not a finite number, and was one before: the file is being changed",
                block.name
            )),
        }))
    }
}

/// Sums neighbours of the same number in place; how many went onto another.
fn merge_duplicates(entries: &mut Vec<(u32, f64)>) -> u64 {
    let before = entries.len();
    entries.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    (before - entries.len()) as u64
}

/// The error for NaN and infinities.
pub(crate) fn invalid_value(name: &str, row: usize, column: usize, value: f64) -> Error {
    Error::data(format!(
        "{name}[row {row}, column {column}]: {value} is not a finite number; remove such values, or \
         let them through with allow_nonfinite"
    ))
    .with_reason(Reason::InvalidValue {
        row: row as u64,
        column: column as u64,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(genes: &[i64], values: &[f32]) -> RowBlock {
        let genes = Stored {
            kind: NumberKind::I64,
            bytes: genes.iter().flat_map(|g| g.to_le_bytes()).collect(),
        };
        let n = values.len();
        let values = Stored {
            kind: NumberKind::F32,
            bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        RowBlock::sparse(&"X".into(), 7, 5, (vec![0, n], genes, values), 100)
    }

    #[test]
    fn rows_become_canonical() {
        let mut row = RowReader::default();
        row.read(&block(&[3, 1, 3, 0], &[1.0, 2.5, 2.0, 0.0]), 0)
            .expect("read");
        assert_eq!(row.genes, [1, 3]);
        assert_eq!(row.values, [2.5, 3.0]);
        assert_eq!((row.n_merged, row.n_zeros, row.n_fractional), (1, 1, 1));
        assert!(!row.is_whole);
        assert_eq!(row.largest, 3.0);
    }

    #[test]
    fn one_look_agrees_with_loops() {
        let odd = [
            f64::NAN,
            f64::INFINITY,
            -3.0,
            0.0,
            0.25,
            1e300,
            -0.5,
            4.6e15,
        ];
        for n in 0..40 {
            for (at, special) in odd.iter().copied().chain([7.0]).enumerate() {
                let mut values: Vec<f64> = (0..n).map(|i| f64::from(1 + i * 7 % 5)).collect();
                if n > 0 {
                    values[at * 5 % n as usize] = special;
                }
                let facts = Look(&values).with_simd(pulp::Scalar::new());
                assert_eq!(
                    Arch::new().dispatch(Look(&values)).total.to_bits(),
                    facts.total.to_bits()
                );
                let n_of = |is: &dyn Fn(f64) -> bool| values.iter().filter(|v| is(**v)).count();
                assert_eq!(facts.n_positive, n_of(&|v| v > 0.0), "{values:?}");
                assert_eq!(facts.n_negative, n_of(&|v| v < 0.0));
                assert_eq!(facts.n_zero, n_of(&|v| v == 0.0));
                assert_eq!(facts.n_odd, n_of(&|v| !v.is_finite()));
                assert_eq!(
                    facts.n_fractional,
                    n_of(&|v| v.is_finite() && v.fract() != 0.0)
                );
                let largest = values.iter().copied().fold(0.0, f64::max);
                assert_eq!(facts.largest, largest, "{values:?}");
                let total: f64 = values.iter().sum();
                let is_near = (facts.total - total).abs() <= 1e-12 * total.abs();
                assert!(is_near || !total.is_finite(), "{total} {}", facts.total);
            }
        }
    }

    #[test]
    fn duplicates_stay_apart_when_asked() {
        let mut row = RowReader::new(ReadOptions {
            sum_duplicates: false,
            ..ReadOptions::default()
        });
        row.read(&block(&[3, 1, 3], &[1.0, 2.0, 2.0]), 0)
            .expect("read");
        assert_eq!(row.genes, [1, 3, 3]);
        assert_eq!(row.values, [2.0, 1.0, 2.0]);
        assert!(row.is_whole);
    }

    #[test]
    fn faults_are_named_with_their_place() {
        let mut row = RowReader::default();
        let error = row
            .read(&block(&[0, 5], &[1.0, 1.0]), 0)
            .expect_err("range");
        assert!(error.message().contains("X/indices[101]"), "{error}");
        assert!(row.read(&block(&[0, -1], &[1.0, 1.0]), 0).is_err());
        let error = row
            .read(&block(&[2], &[f32::NAN]), 0)
            .expect_err("not a number");
        assert!(error.message().contains("X[row 7, column 2]"), "{error}");
    }

    #[test]
    fn dense_rows_lose_their_zeros() {
        let values = Stored {
            kind: NumberKind::U8,
            bytes: vec![0, 3, 0, 1, 0, 0],
        };
        let block = RowBlock::dense(&"X".into(), 0, 2, 3, values);
        let mut row = RowReader::default();
        row.read(&block, 0).expect("read");
        assert_eq!((&row.genes[..], &row.values[..]), (&[1][..], &[3.0][..]));
        row.read(&block, 1).expect("read");
        assert_eq!((&row.genes[..], &row.values[..]), (&[0][..], &[1.0][..]));
    }
}
