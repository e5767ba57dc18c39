//! Loops over samples in vector units; a logarithm and an exponential without branches for them.
//!
//! The library functions are called one number at a time; count models spend most of their time in
//! them. The functions here give the same bits on every processor (no fused operations). Not for general use:
//! arguments must be in the stated ranges, nothing is checked.
//!
//! # Cost
//! About 20 arithmetic operations, one division (`ln`, `exp`) or two (`ln_1p`) a number.
//!
//! # Source
//! Argument reduction and polynomials of the fdlibm family; errors below one unit in the last
//! place or so (tests compare with libm).

use pulp::{Arch, Simd, WithSimd};

/// Runs `work` compiled for the widest vectors of this processor; same bits as without.
///
/// The closure must carry `#[inline(always)]`, as must what it calls: what is not inlined is compiled for the
/// least processor of the platform.
#[inline(always)]
pub fn vectorized<R>(arch: Arch, work: impl FnMut() -> R) -> R {
    // `FnOnce::call_once`, which `pulp` calls for closures, is a function of its own and is not inlined.
    struct Work<F>(F);
    impl<R, F: FnMut() -> R> WithSimd for Work<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: Simd>(mut self, _: S) -> R {
            (self.0)()
        }
    }
    arch.dispatch(Work(work))
}

/// `ln 2` in two parts; the first has zeros behind bit 32, so that a whole exponent times it is exact.
pub(super) const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
pub(super) const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// 2^52: a non-negative integer below it is written into the low bits of this number.
pub(super) const TWO_52: f64 = 4_503_599_627_370_496.0;
/// 1.5 * 2^52: added to a small number it rounds it to an integer, in the low bits.
pub(super) const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// Natural logarithm of a positive, finite number that is not subnormal.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    // x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)).
    let shifted = x.to_bits().wrapping_add(0x0009_5f62_0000_0000);
    let exponent = f64::from_bits((shifted >> 52) | TWO_52.to_bits()) - (TWO_52 + 1023.0);
    let mantissa = (shifted & 0x000f_ffff_ffff_ffff).wrapping_add(0x3fe6_a09e_0000_0000);
    let f = f64::from_bits(mantissa) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w
        * (3.999_999_999_940_942e-1
            + w * (2.222_219_843_214_978_4e-1 + w * 1.531_383_769_920_937_3e-1));
    let odd = z
        * (6.666_666_666_666_735e-1
            + w * (2.857_142_874_366_239e-1
                + w * (1.818_357_216_161_805e-1 + w * 1.479_819_860_511_658_6e-1)));
    let half_square = 0.5 * f * f;
    s * (half_square + even + odd) + exponent * LN2_LOW - half_square + f + exponent * LN2_HIGH
}

/// `ln(1 + x)` for `x > -1`, accurate for small `x`; `1 + x` must not be subnormal or infinite.
#[inline(always)]
pub fn ln_1p(x: f64) -> f64 {
    let u = 1.0 + x;
    ln(u) + (x - (u - 1.0)) / u
}

/// Exponential; arguments beyond -708 and 709 are taken as these.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let x = x.clamp(-708.0, 709.0);
    let rounded = x * std::f64::consts::LOG2_E + ROUNDER;
    let k = rounded - ROUNDER;
    let high = x - k * LN2_HIGH;
    let low = k * LN2_LOW;
    let r = high - low;
    let t = r * r;
    let c = r - t
        * (1.666_666_666_666_660_2e-1
            + t * (-2.777_777_777_701_559_3e-3
                + t * (6.613_756_321_437_934e-5
                    + t * (-1.653_390_220_546_525_2e-6 + t * 4.138_136_797_057_238_4e-8))));
    let fraction = 1.0 + (r * c / (2.0 - c) - low + high);
    // 2^k in two steps: k may be 1023 + 1.
    let half = f64::from_bits(rounded.to_bits().wrapping_add(1022) << 52);
    fraction * half * 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    fn ulps(got: f64, want: f64) -> f64 {
        (got - want).abs() / (want.abs() * f64::EPSILON).max(f64::MIN_POSITIVE)
    }

    #[test]
    fn they_agree_with_libm() {
        let mut random = stream(1, "vector_math", 0);
        for _ in 0..100_000 {
            let x = libm::exp(600.0 * (2.0 * random.uniform() - 1.0));
            assert!(ulps(ln(x), libm::log(x)) <= 1.0, "ln {x}");
            let y = 700.0 * (2.0 * random.uniform() - 1.0);
            assert!(ulps(exp(y), libm::exp(y)) <= 2.0, "exp {y}");
            let z = 1.4 * random.uniform() - 0.7;
            for z in [z, z * 1e-3, z * 1e-9, z * 1e-18, z * 1e5 + 7e4] {
                let want = libm::log1p(z);
                assert!(ulps(ln_1p(z), want) <= 3.0, "ln_1p {z}");
            }
        }
    }

    #[test]
    fn edges_are_exact() {
        assert_eq!((ln(1.0), ln_1p(0.0), exp(0.0)), (0.0, 0.0, 1.0));
        assert!(exp(-1e9) > 0.0 && exp(1e9).is_finite() && exp(-1e9) < 1e-300);
    }
}
