//! Counts of genes x samples, gene by gene, dense or sparse.
//!
//! # Cost
//! Memory: four bytes a count (dense), eight a non-zero (sparse); twice that while samples are turned into genes.
//! Nothing is copied when a gene is read but its own counts.

use crate::context::Context;
use crate::data::{CellBlocks, CountBlock};
use crate::error::{Error, ErrorKind, Reason, Result};

/// Counts, gene-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    n_genes: usize,
    n_samples: usize,
    storage: Storage,
}

#[derive(Debug, Clone, PartialEq)]
enum Storage {
    Dense(Vec<u32>),
    Sparse {
        starts: Vec<u64>,
        samples: Vec<u32>,
        values: Vec<u32>,
    },
}

/// A matrix of numbers with strides, for hosts that keep other layouts.
#[derive(Debug, Clone, Copy)]
pub struct StridedView<'a> {
    /// All values.
    pub values: &'a [f64],
    /// Rows.
    pub n_genes: usize,
    /// Columns.
    pub n_samples: usize,
    /// Distance from a gene to the next.
    pub gene_stride: usize,
    /// Distance from a sample to the next.
    pub sample_stride: usize,
}

impl Counts {
    /// Dense counts: all samples of the first gene, then of the second, and so on.
    ///
    /// # Errors
    /// `InvalidArgument` when the length does not fit.
    pub fn dense(values: Vec<u32>, n_genes: usize, n_samples: usize) -> Result<Self> {
        if Some(values.len()) != n_genes.checked_mul(n_samples) {
            return Err(Error::argument(
                "counts",
                format!(
                    "{} values for {n_genes} genes x {n_samples} samples",
                    values.len()
                ),
            ));
        }
        Ok(Counts {
            n_genes,
            n_samples,
            storage: Storage::Dense(values),
        })
    }

    /// Compressed rows: the non-zeros of gene `i` stand at `starts[i]..starts[i + 1]`.
    ///
    /// # Errors
    /// `InvalidArgument` when the arrays do not fit each other.
    pub fn sparse(
        starts: Vec<u64>,
        samples: Vec<u32>,
        values: Vec<u32>,
        n_samples: usize,
    ) -> Result<Self> {
        let fits = starts.first() == Some(&0)
            && starts.windows(2).all(|w| w[0] <= w[1])
            && starts.last() == Some(&(values.len() as u64))
            && samples.len() == values.len()
            && samples.iter().all(|&s| (s as usize) < n_samples);
        if !fits {
            return Err(Error::argument(
                "counts",
                "the sparse arrays do not fit each other: starts must rise from 0 to the number of \
                 values, samples must be below the number of samples",
            ));
        }
        Ok(Counts {
            n_genes: starts.len() - 1,
            n_samples,
            storage: Storage::Sparse {
                starts,
                samples,
                values,
            },
        })
    }

    /// The counts of a source whose cells are the samples: sparse where that is smaller.
    ///
    /// # Errors
    /// Those of the source.
    pub fn from_cells(ctx: &Context, source: &mut dyn CellBlocks) -> Result<Self> {
        let (n, m) = (source.n_genes(), source.n_cells());
        let mut block = CountBlock::default();
        let (mut genes, mut counts, mut ends) = (Vec::new(), Vec::new(), vec![0]);
        for sample in 0..m {
            source.read_cells(ctx, sample..sample + 1, &mut block)?;
            let row = block.row(0);
            append(&mut genes, row.0)?;
            append(&mut counts, row.1)?;
            ends.push(genes.len());
        }
        // Gene, sample and count of every entry, sample after sample.
        let entries = || {
            ends.windows(2).enumerate().flat_map(|(sample, ends)| {
                let of_sample = ends[0]..ends[1];
                let counts = counts[of_sample.clone()].iter();
                let genes = genes[of_sample].iter().map(|&gene| gene as usize);
                genes
                    .zip(counts)
                    .map(move |(gene, &count)| (gene, sample, count))
            })
        };
        if genes.len() > n.saturating_mul(m) / 2 {
            let mut dense = vec![0; n * m];
            for (gene, sample, count) in entries() {
                dense[gene * m + sample] = count;
            }
            return Counts::dense(dense, n, m);
        }
        let mut starts = vec![0_u64; n + 1];
        for &gene in &genes {
            starts[gene as usize + 1] += 1;
        }
        for gene in 0..n {
            starts[gene + 1] += starts[gene];
        }
        let mut next = starts.clone();
        let (mut samples, mut values) = (vec![0; genes.len()], vec![0; genes.len()]);
        for (gene, sample, count) in entries() {
            let at = next[gene] as usize;
            (samples[at], values[at]) = (sample as u32, count);
            next[gene] += 1;
        }
        Counts::sparse(starts, samples, values, m)
    }

    /// Counts from numbers of any layout.
    ///
    /// # Errors
    /// `InvalidData` at the first value that is NaN, negative, not whole or above 4,294,967,295.
    pub fn from_numbers(view: &StridedView<'_>) -> Result<Self> {
        let mut values = Vec::with_capacity(view.n_genes * view.n_samples);
        for gene in 0..view.n_genes {
            for sample in 0..view.n_samples {
                let at = gene * view.gene_stride + sample * view.sample_stride;
                values.push(checked(view.values[at], gene, sample)?);
            }
        }
        Counts::dense(values, view.n_genes, view.n_samples)
    }

    /// Counts from estimates (tximport's `counts`), rounded to the nearest integer, halves to the even one.
    ///
    /// # Errors
    /// `InvalidData` at the first value that is NaN, negative or above 4,294,967,295.
    pub fn from_estimates(view: &StridedView<'_>) -> Result<Self> {
        let rounded: Vec<f64> = view.values.iter().map(|v| v.round_ties_even()).collect();
        Counts::from_numbers(&StridedView {
            values: &rounded,
            ..*view
        })
    }

    /// Number of genes.
    pub fn n_genes(&self) -> usize {
        self.n_genes
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Writes the counts of a gene, one a sample.
    #[inline]
    pub fn read(&self, gene: usize, out: &mut [f64]) {
        match &self.storage {
            Storage::Dense(values) => {
                let row = &values[gene * self.n_samples..(gene + 1) * self.n_samples];
                for (out, &value) in out.iter_mut().zip(row) {
                    *out = f64::from(value);
                }
            }
            Storage::Sparse {
                starts,
                samples,
                values,
            } => {
                out.fill(0.0);
                for at in starts[gene] as usize..starts[gene + 1] as usize {
                    out[samples[at] as usize] += f64::from(values[at]);
                }
            }
        }
    }

    /// The counts of a gene.
    pub fn row(&self, gene: usize) -> Vec<u32> {
        let mut row = vec![0.0; self.n_samples];
        self.read(gene, &mut row);
        row.into_iter().map(|v| v as u32).collect()
    }

    /// These genes only, in this order, dense.
    pub fn select(&self, genes: &[usize]) -> Counts {
        Counts {
            n_genes: genes.len(),
            n_samples: self.n_samples,
            storage: Storage::Dense(genes.iter().flat_map(|&gene| self.row(gene)).collect()),
        }
    }
}

fn append(to: &mut Vec<u32>, values: &[u32]) -> Result<()> {
    to.try_reserve(values.len())
        .map_err(|e| Error::new(ErrorKind::OutOfMemory, format!("counts: {e}")))?;
    to.extend_from_slice(values);
    Ok(())
}

fn checked(value: f64, gene: usize, sample: usize) -> Result<u32> {
    let what = if value.is_nan() {
        "is missing (NA)"
    } else if value < 0.0 {
        "is negative"
    } else if value.fract() != 0.0 {
        "is not an integer"
    } else if value > f64::from(u32::MAX) {
        "is too large"
    } else {
        return Ok(value as u32);
    };
    Err(Error::new(
        ErrorKind::InvalidData,
        format!(
            "counts[gene {gene}, sample {sample}]: {value} {what}; counts must be integers >= 0"
        ),
    )
    .with_reason(Reason::InvalidValue {
        row: sample as u64,
        column: gene as u64,
        value,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::matrix::{DenseView, Orientation, ValueArray};

    #[test]
    fn sparse_and_dense_read_the_same() {
        let dense = Counts::dense(vec![0, 3, 0, 5, 0, 1], 2, 3).expect("fits");
        let sparse = Counts::sparse(vec![0, 1, 3], vec![1, 0, 2], vec![3, 5, 1], 3).expect("fits");
        for gene in 0..2 {
            assert_eq!(dense.row(gene), sparse.row(gene));
        }
        assert_eq!(sparse.select(&[1]).row(0), [5, 0, 1]);
        assert!(Counts::dense(vec![1], 2, 3).is_err());
        assert!(Counts::sparse(vec![0, 1], vec![4], vec![1], 3).is_err());
    }

    #[test]
    fn samples_become_genes() {
        let ctx = Context::single_threaded().expect("one thread");
        for (values, is_dense) in [
            (vec![4, 0, 1, 2, 0, 3, 0, 0, 9, 8, 7, 6], true),
            (vec![0, 0, 1, 2, 0, 0, 0, 0, 0, 8, 0, 6], false),
            (vec![0; 12], false),
        ] {
            let plain: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
            let view = DenseView {
                name: "counts",
                orientation: Orientation::GenesByCells,
                n_rows: 4,
                n_columns: 3,
                row_stride: 3,
                column_stride: 1,
                values: ValueArray::F64(&plain),
            };
            let mut source = view.into_blocks().expect("it fits");
            let counts = Counts::from_cells(&ctx, &mut *source).expect("counts");
            assert_eq!(matches!(counts.storage, Storage::Dense(_)), is_dense);
            assert_eq!((counts.n_genes(), counts.n_samples()), (4, 3));
            for (gene, row) in values.chunks_exact(3).enumerate() {
                assert_eq!(counts.row(gene), row);
            }
        }
    }

    #[test]
    fn estimates_are_rounded_to_even() {
        let view = StridedView {
            values: &[0.5, 1.5, 2.4999, 7.0],
            n_genes: 2,
            n_samples: 2,
            gene_stride: 2,
            sample_stride: 1,
        };
        let counts = Counts::from_estimates(&view).expect("estimates");
        assert_eq!((counts.row(0), counts.row(1)), (vec![0, 2], vec![2, 7]));
        let values = [1.0, -0.7, 0.0, 0.0];
        let negative = StridedView {
            values: &values,
            ..view
        };
        let error = Counts::from_estimates(&negative).expect_err("negative");
        assert!(error.message().contains("negative"), "{}", error.message());
    }

    #[test]
    fn bad_numbers_are_named() {
        for (value, part) in [
            (-1.0, "negative"),
            (0.5, "not an integer"),
            (f64::NAN, "missing"),
        ] {
            let view = StridedView {
                values: &[1.0, 2.0, value, 3.0],
                n_genes: 2,
                n_samples: 2,
                gene_stride: 1,
                sample_stride: 2,
            };
            let error = Counts::from_numbers(&view).expect_err("bad");
            assert!(error.message().contains(part), "{}", error.message());
            assert!(error.message().starts_with("counts[gene 0, sample 1]"));
        }
    }
}
