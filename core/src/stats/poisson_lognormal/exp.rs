//! The exponential function as a loop over an array can use it: no branch, no call, the same bits
//! on every vector unit.
//!
//! `e^x = 2^n e^r` with `|r| <= ln 2 / 2`, and the series of `e^r` to its 13th power, whose
//! remainder is below 1e-17. Within two units in the last place.

use crate::stats::vector_math::{LN2_HIGH, LN2_LOW, ROUNDER};

/// Where the result is still a normal number.
const LOWEST: f64 = -708.0;
/// `1 / k!` from k = 13 down to 2.
const SERIES: [f64; 12] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
];

/// `e^x` for `x` up to 700; zero below -708.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    let shifted = x.mul_add(std::f64::consts::LOG2_E, ROUNDER);
    let n = shifted - ROUNDER;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    let mut sum = SERIES[0];
    for coefficient in &SERIES[1..] {
        sum = sum.mul_add(r, *coefficient);
    }
    let fraction = (r * r).mul_add(sum, r) + 1.0;
    // The low bits of `shifted` are n; moved to the exponent they make 2^n.
    let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(0x3ff0_0000_0000_0000));
    if x < LOWEST { 0.0 } else { fraction * power }
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn it_agrees_with_libm() {
        for i in -70_000..7_000 {
            let x = f64::from(i) * 0.010_013;
            let (got, want) = (exp(x), libm::exp(x));
            assert!((got - want).abs() <= 4.5e-16 * want, "{x}: {got} {want}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-800.0), 0.0);
        assert_eq!(exp(f64::NEG_INFINITY), 0.0);
    }
}
