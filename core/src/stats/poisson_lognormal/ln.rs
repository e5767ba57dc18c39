//! The natural logarithm as a loop over an array can use it: no branch, no call, the same bits on
//! every vector unit.
//!
//! `ln x = k ln 2 + ln m` with `m` between the roots of 1/2 and 2, and `ln m = 2 artanh s` with
//! `s = (m - 1) / (m + 1)`, whose series is followed to `s^21`; what is left out is below 1e-17. Within
//! two units in the last place.

use crate::stats::vector_math::{LN2_HIGH, LN2_LOW, TWO_52};

/// Bits of the root of 1/2, rounded down to its upper half.
const ROOT_HALF: u64 = 0x3fe6_a09e_0000_0000;
/// Twice `1 / (2 j + 1)` from j = 10 down to 1.
const SERIES: [f64; 10] = [
    2.0 / 21.0,
    2.0 / 19.0,
    2.0 / 17.0,
    2.0 / 15.0,
    2.0 / 13.0,
    2.0 / 11.0,
    2.0 / 9.0,
    2.0 / 7.0,
    2.0 / 5.0,
    2.0 / 3.0,
];

/// `ln x` for normal positive `x`.
#[inline(always)]
pub(super) fn ln(x: f64) -> f64 {
    // The exponent of x / root, with an offset that keeps it positive.
    let offset = x.to_bits().wrapping_sub(ROOT_HALF);
    let exponent = offset.wrapping_add(1024 << 52) >> 52;
    let k = f64::from_bits(TWO_52.to_bits() | exponent) - (TWO_52 + 1024.0);
    let m = f64::from_bits(x.to_bits().wrapping_sub(offset & 0xfff0_0000_0000_0000));
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let square = s * s;
    let mut sum = SERIES[0];
    for coefficient in &SERIES[1..] {
        sum = sum.mul_add(square, *coefficient);
    }
    // 2 s = f - s f: the first term is exact, the others are small beside it.
    let rest = s.mul_add(square * sum - f, k * LN2_LOW);
    k.mul_add(LN2_HIGH, f + rest)
}

#[cfg(test)]
mod tests {
    use super::ln;

    #[test]
    fn it_agrees_with_libm() {
        let mut x = f64::MIN_POSITIVE;
        while x < 1e300 {
            let (got, want) = (ln(x), libm::log(x));
            assert!(
                (got - want).abs() <= 4.5e-16 * want.abs(),
                "{x:e}: {got} {want}"
            );
            x *= 1.003_7;
        }
        for i in -20_000..20_000 {
            let x = 1.0 + f64::from(i) * 1e-5;
            let (got, want) = (ln(x), libm::log(x));
            assert!(
                (got - want).abs() <= 4.5e-16 * want.abs(),
                "{x}: {got} {want}"
            );
        }
        assert_eq!(ln(1.0), 0.0);
    }
}
