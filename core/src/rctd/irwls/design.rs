//! What a fit reads: the profiles laid out for the gene loop, and the counts of one pixel.

use std::sync::Arc;

use crate::stats::poisson_lognormal::CountRows;
use crate::stats::poisson_lognormal::likelihood::LANES;

/// Profiles of the regression genes: one contiguous column a cell type, padded with zeros.
///
/// Memory: 8 bytes a gene and type.
#[derive(Debug, Clone)]
pub struct Design {
    n_genes: usize,
    n_types: usize,
    stride: usize,
    /// `n_types + 1` columns; the last one is all zero and stands in for absent types.
    columns: Vec<f64>,
}

impl Design {
    /// Takes profiles stored genes x types, row-major.
    ///
    /// # Panics
    /// When the length is not `n_genes * n_types`.
    pub fn new(values: &[f64], n_genes: usize, n_types: usize) -> Self {
        assert_eq!(values.len(), n_genes * n_types, "one value a gene and type");
        let stride = n_genes.next_multiple_of(LANES);
        let mut columns = vec![0.0; (n_types + 1) * stride];
        for (g, row) in values.chunks_exact(n_types.max(1)).enumerate() {
            for (k, &value) in row.iter().enumerate() {
                columns[k * stride + g] = value;
            }
        }
        Design {
            n_genes,
            n_types,
            stride,
            columns,
        }
    }

    /// Genes.
    pub fn n_genes(&self) -> usize {
        self.n_genes
    }

    /// Cell types.
    pub fn n_types(&self) -> usize {
        self.n_types
    }

    /// Padded length of a column.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Column of a type, padded; the one after the last type is zero.
    #[inline(always)]
    pub(super) fn column(&self, k: usize) -> &[f64] {
        &self.columns[k * self.stride..(k + 1) * self.stride]
    }
}

/// Counts of one pixel, as places in a likelihood table; made once a worker and reused.
#[derive(Debug, Clone)]
pub struct PixelCounts {
    n_genes: usize,
    rows: Arc<CountRows>,
    offsets: Vec<u32>,
}

impl PixelCounts {
    /// A pixel without counts, for tables with `rows`.
    pub fn new(n_genes: usize, rows: &Arc<CountRows>) -> Self {
        PixelCounts {
            n_genes,
            rows: Arc::clone(rows),
            offsets: vec![rows.offset(0); n_genes.next_multiple_of(LANES)],
        }
    }

    /// Takes the non-zero counts of a pixel: positions in the list of regression genes, and counts.
    /// Counts above 1000 are treated as 1000.
    ///
    /// # Panics
    /// When a position is not below the number of genes, or a count has no row.
    pub fn set(&mut self, entries: impl Iterator<Item = (u32, u32)>) {
        self.offsets.fill(self.rows.offset(0));
        for (gene, count) in entries {
            assert!((gene as usize) < self.n_genes, "gene is not in the design");
            self.offsets[gene as usize] = self.rows.offset(count);
        }
    }

    /// The rows of the tables it can be fitted with.
    pub(super) fn rows(&self) -> &Arc<CountRows> {
        &self.rows
    }

    /// Genes.
    pub fn n_genes(&self) -> usize {
        self.n_genes
    }

    /// Where the row of each gene begins in a table, padded with row 0.
    pub(super) fn offsets(&self) -> &[u32] {
        &self.offsets
    }
}
