//! Merging partial results in a shape that depends on their number only.

/// Merges neighbours pairwise, level by level: `((0 1) (2 3)) ((4 5) 6)`.
///
/// The tree depends on the number of parts alone, so floating-point results are the same bits
/// however the parts were computed. `None` when there are none.
pub fn merge_in_tree<T>(parts: Vec<T>, mut merge: impl FnMut(T, T) -> T) -> Option<T> {
    let mut level = parts;
    while level.len() > 1 {
        let mut upper = Vec::with_capacity(level.len().div_ceil(2));
        let mut parts = level.into_iter();
        while let Some(left) = parts.next() {
            upper.push(match parts.next() {
                Some(right) => merge(left, right),
                None => left,
            });
        }
        level = upper;
    }
    level.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_has_one_shape() {
        let parts: Vec<String> = (0..7).map(|i| i.to_string()).collect();
        let merged = merge_in_tree(parts, |a, b| format!("({a} {b})"));
        assert_eq!(merged.as_deref(), Some("(((0 1) (2 3)) ((4 5) 6))"));
        assert_eq!(merge_in_tree(Vec::<u8>::new(), |a, _| a), None);
    }
}
