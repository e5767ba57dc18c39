//! The two grids: knots of lambda and keys of sigma. Both are fixed, so they are constants.
//!
//! A rate lambda falls into the cell whose number is a function of `l = floor(sqrt(lambda / 1e-6))`
//! alone: cells are one `l` wide up to 50 and then widen like the square root of `l`.

/// Knots of the lambda grid.
pub const N_KNOTS: usize = 439;
/// Intervals between knots.
pub const N_CELLS: usize = N_KNOTS - 1;
/// Counts above this one are treated as this one.
pub const MAX_COUNT: u32 = 1000;
/// Rows (counts 0, 1, ...) that a table may have.
pub const MAX_ROWS: usize = MAX_COUNT as usize + 3;
/// Rates below are treated as this one.
pub const LAMBDA_MIN: f64 = 1e-4;
/// Rates above are treated as this one.
pub const LAMBDA_MAX: f64 = 1600.0 - 1e-4;

/// Largest `l`: the last knot is at `l = 40000`.
const L_MAX: usize = 40_000;
/// Smallest `l`: the first knot is at `l = 10`.
const L_MIN: usize = 10;

/// `lambda = (l^2) * 1e-6` at the knots.
pub static KNOTS: [f64; N_KNOTS] = knots();

/// Cell (0-based) of each `l`; padded to every value of a `u16`, so that no index is out of range.
pub static CELL_OF: [u16; 1 << 16] = cells();

/// [`KNOTS`] padded to a power of two, for look-ups by masked cell number.
pub(crate) static CELL_START: [f64; 512] = cell_starts();

static SIGMA_KEYS: [u32; 126] = sigma_key_grid();

/// 1-based cell of `l`: `min(l - 9, 40) + max(ceil(sqrt(4 max(l - 48.7499, 0))) - 2, 0)`.
///
/// `root` is any integer that is not above the wanted square root; returns it moved up. In integers
/// `c = ceil(sqrt(4 l - 194.9996))` is the least `c` with `c^2 >= 4 l - 194`.
const fn cell_and_root(l: usize, mut root: usize) -> (usize, usize) {
    let narrow = if l - 9 < 40 { l - 9 } else { 40 };
    let wide = if l > 48 {
        while root * root + 194 < 4 * l {
            root += 1;
        }
        root.saturating_sub(2)
    } else {
        0
    };
    (narrow + wide, root)
}

const fn cells() -> [u16; 1 << 16] {
    let mut cells = [0; 1 << 16];
    let (mut l, mut root) = (L_MIN, 0);
    while l < cells.len() {
        if l < L_MAX {
            let (cell, moved) = cell_and_root(l, root);
            root = moved;
            cells[l] = (cell - 1) as u16;
        } else {
            cells[l] = (N_CELLS - 1) as u16;
        }
        l += 1;
    }
    cells
}

const fn knots() -> [f64; N_KNOTS] {
    let mut knots = [0.0; N_KNOTS];
    let (mut l, mut root, mut next) = (L_MIN, 0, 0);
    while l < L_MAX {
        let (cell, moved) = cell_and_root(l, root);
        root = moved;
        if cell - 1 == next {
            knots[next] = (l * l) as f64 * 1e-6;
            next += 1;
        }
        l += 1;
    }
    assert!(next == N_CELLS);
    knots[N_CELLS] = (L_MAX * L_MAX) as f64 * 1e-6;
    knots
}

const fn cell_starts() -> [f64; 512] {
    let mut starts = [0.0; 512];
    let mut m = 0;
    while m < N_KNOTS {
        starts[m] = KNOTS[m];
        m += 1;
    }
    starts
}

const fn sigma_key_grid() -> [u32; 126] {
    let mut keys = [0; 126];
    let mut i = 0;
    while i < 126 {
        keys[i] = if i <= 60 {
            10 + i as u32
        } else {
            70 + 2 * (i as u32 - 60)
        };
        i += 1;
    }
    keys
}

/// 100 sigma of every tabulated sigma, ascending: 10, 11, ..., 70, 72, ..., 200.
pub fn sigma_keys() -> &'static [u32] {
    &SIGMA_KEYS
}

/// Position of a key in [`sigma_keys`], or `None` for a key that is not there.
pub fn sigma_key_position(key: u32) -> Option<usize> {
    SIGMA_KEYS.binary_search(&key).ok()
}

/// The tabulated key nearest to `key`; the smaller of two that are equally near.
pub fn nearest_key(key: u32) -> u32 {
    let above = SIGMA_KEYS
        .partition_point(|&k| k < key)
        .min(SIGMA_KEYS.len() - 1);
    let below = above.saturating_sub(1);
    let distance = |i: usize| SIGMA_KEYS[i].abs_diff(key);
    SIGMA_KEYS[if distance(below) <= distance(above) {
        below
    } else {
        above
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition with floats, as a second way.
    fn cell_by_formula(l: f64) -> f64 {
        (l - 9.0).min(40.0) + ((4.0 * (l - 48.7499).max(0.0)).sqrt().ceil() - 2.0).max(0.0)
    }

    #[test]
    fn cells_follow_the_definition_for_every_l() {
        for (l, &cell) in CELL_OF.iter().enumerate().take(L_MAX).skip(L_MIN) {
            assert_eq!(f64::from(cell) + 1.0, cell_by_formula(l as f64), "l = {l}");
        }
        assert!(CELL_OF.iter().all(|&c| usize::from(c) < N_CELLS));
    }

    #[test]
    fn knots_are_the_known_squares() {
        let roots: Vec<u32> = KNOTS
            .iter()
            .map(|x| (x * 1e6).sqrt().round() as u32)
            .collect();
        assert!(roots[..42].iter().zip(10..).all(|(&a, b)| a == b));
        assert_eq!(roots[42..50], [53, 55, 58, 61, 65, 69, 74, 79]);
        assert_eq!(roots[434..], [39253, 39451, 39650, 39849, 40000]);
    }

    #[test]
    fn keys_are_found_and_rounded() {
        assert_eq!(SIGMA_KEYS[0], 10);
        assert_eq!(SIGMA_KEYS[60..63], [70, 72, 74]);
        assert_eq!(SIGMA_KEYS[125], 200);
        assert_eq!(sigma_key_position(84), Some(67));
        assert_eq!(sigma_key_position(71), None);
        assert_eq!(nearest_key(71), 70);
        assert_eq!(nearest_key(3), 10);
        assert_eq!(nearest_key(999), 200);
        assert!(SIGMA_KEYS.iter().all(|&k| nearest_key(k) == k));
    }
}
