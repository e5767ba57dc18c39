//! Tallies of codes, for reports and legends.

/// How often each code from 0 to `n - 1` occurs; negative codes are not counted.
pub fn count_codes(codes: impl Iterator<Item = i32>, n: usize) -> Vec<u64> {
    let mut counts = vec![0; n];
    for code in codes {
        if let Some(count) = usize::try_from(code).ok().and_then(|c| counts.get_mut(c)) {
            *count += 1;
        }
    }
    counts
}
