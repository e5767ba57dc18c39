//! A run of cells in memory, for storage that cannot hand out single cells.

use std::ops::Range;
use std::path::Path;

use super::csr::not_a_count;
use crate::data::source::CountBlock;
use crate::error::Result;

/// Sparse rows of consecutive cells.
///
/// Memory: 8 bytes an entry, 8 a cell.
#[derive(Debug, Default)]
pub(crate) struct Band {
    /// The cells.
    pub rows: Range<usize>,
    /// Where each row's entries begin; one more than there are rows.
    pub starts: Vec<usize>,
    /// Gene of each entry.
    pub genes: Vec<u32>,
    /// Count of each entry.
    pub counts: Vec<u32>,
    /// Row, gene and value of what is no count.
    pub odd: Vec<(usize, u32, f64)>,
}

impl Band {
    /// Appends the rows `cells`, all inside the band, to `block`.
    ///
    /// # Errors
    /// `InvalidData`, reason `InvalidValue`, for the first value among them that is no count.
    pub(crate) fn copy_to(
        &self,
        cells: Range<usize>,
        block: &mut CountBlock,
        path: &Path,
        name: &str,
    ) -> Result<()> {
        let inside = self.odd.iter().filter(|o| cells.contains(&o.0));
        let first = inside.min_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        if let Some(&(row, gene, value)) = first {
            return Err(not_a_count(path, name, row, gene as usize, value));
        }
        for row in cells {
            let at = row - self.rows.start;
            let (lo, hi) = (self.starts[at], self.starts[at + 1]);
            block.push_row(&self.genes[lo..hi], &self.counts[lo..hi]);
        }
        Ok(())
    }
}
