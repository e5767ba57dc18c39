//! Fixed blocks of a range: they depend on its length only, never on threads.

use std::ops::Range;

/// The half-open blocks of `0..n`, each of `size` items but the last.
///
/// ```
/// let blocks: Vec<_> = cytosol::par::Blocks::new(5, 2).collect();
/// assert_eq!(blocks, [0..2, 2..4, 4..5]);
/// ```
#[derive(Debug, Clone)]
pub struct Blocks {
    n: usize,
    size: usize,
    next: usize,
}

impl Blocks {
    /// Blocks of `size` (at least 1) items over `0..n`.
    pub fn new(n: usize, size: usize) -> Self {
        Blocks {
            n,
            size: size.max(1),
            next: 0,
        }
    }
}

impl Iterator for Blocks {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if self.next >= self.n {
            return None;
        }
        let start = self.next;
        self.next = start.saturating_add(self.size).min(self.n);
        Some(start..self.next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.n - self.next).div_ceil(self.size);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Blocks {}
