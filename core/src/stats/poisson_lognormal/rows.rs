//! Which counts occur: a table needs a row for each of those and for no other.

use super::grid::{MAX_COUNT, MAX_ROWS, N_KNOTS};

/// Marks a count without a row.
const ABSENT: u32 = u32::MAX;

/// The counts that have a row in a table, ascending; 0 is always one of them.
///
/// Counts above [`MAX_COUNT`] stand in its row.
#[derive(Debug, Clone, PartialEq)]
pub struct CountRows {
    counts: Vec<u32>,
    /// Where each count's records begin.
    offsets: Vec<u32>,
}

impl CountRows {
    /// Rows for the counts `0..=max_count` (at most the 1,003 that are ever tabulated).
    pub fn up_to(max_count: u32) -> Self {
        CountRows::from_sorted((0..=max_count.min(MAX_ROWS as u32 - 1)).collect())
    }

    /// Rows for the counts marked in `seen`.
    pub fn of(seen: &SeenCounts) -> Self {
        let seen = seen.0.iter().enumerate();
        CountRows::from_sorted(seen.filter(|s| *s.1).map(|s| s.0 as u32).collect())
    }

    fn from_sorted(counts: Vec<u32>) -> Self {
        let mut offsets = vec![ABSENT; MAX_ROWS];
        for (row, &count) in counts.iter().enumerate() {
            offsets[count as usize] = (row * N_KNOTS) as u32;
        }
        CountRows { counts, offsets }
    }

    /// The counts, ascending.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Where the records of a count begin.
    ///
    /// # Panics
    /// When the count has no row.
    #[inline]
    pub fn offset(&self, count: u32) -> u32 {
        let offset = self.offsets[count.min(MAX_COUNT) as usize];
        assert!(offset != ABSENT, "the count {count} has no row");
        offset
    }
}

/// Collects the counts that occur.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenCounts(Vec<bool>);

impl Default for SeenCounts {
    fn default() -> Self {
        let mut seen = vec![false; MAX_COUNT as usize + 1];
        seen[0] = true;
        SeenCounts(seen)
    }
}

impl SeenCounts {
    /// Marks a count.
    pub fn insert(&mut self, count: u32) {
        self.0[count.min(MAX_COUNT) as usize] = true;
    }

    /// Marks all counts that `other` has.
    pub fn merge(&mut self, other: &SeenCounts) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own |= other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_occur_have_rows_in_order() {
        let mut seen = SeenCounts::default();
        let mut other = SeenCounts::default();
        [7, 3, 5_000].iter().for_each(|&count| seen.insert(count));
        other.insert(4);
        seen.merge(&other);
        let rows = CountRows::of(&seen);
        assert_eq!(rows.counts(), [0, 3, 4, 7, 1000]);
        assert_eq!(rows.offset(4), 2 * N_KNOTS as u32);
        assert_eq!(rows.offset(1234), 4 * N_KNOTS as u32);
        assert_eq!(CountRows::up_to(5_000).counts().len(), MAX_ROWS);
    }

    #[test]
    #[should_panic(expected = "the count 5 has no row")]
    fn a_count_without_a_row_is_noticed() {
        CountRows::up_to(4).offset(5);
    }
}
