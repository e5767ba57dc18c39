//! Element types of numeric datasets and their conversion from stored bytes.
//!
//! Bytes are little-endian here; `swap_bytes` makes them so. Conversions are loops over whole
//! slices, one per type, so that the compiler can vectorise them.

/// Type of a stored number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// A byte that is 0 or 1.
    Bool,
    /// 8-bit signed integer.
    I8,
    /// 16-bit signed integer.
    I16,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer.
    I64,
    /// 8-bit unsigned integer.
    U8,
    /// 16-bit unsigned integer.
    U16,
    /// 32-bit unsigned integer.
    U32,
    /// 64-bit unsigned integer.
    U64,
    /// Half precision.
    F16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl NumberKind {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        use NumberKind::*;
        match self {
            Bool | I8 | U8 => 1,
            I16 | U16 | F16 => 2,
            I32 | U32 | F32 => 4,
            I64 | U64 | F64 => 8,
        }
    }

    /// NumPy's name.
    pub fn name(self) -> &'static str {
        use NumberKind::*;
        match self {
            Bool => "bool",
            I8 => "int8",
            I16 => "int16",
            I32 => "int32",
            I64 => "int64",
            U8 => "uint8",
            U16 => "uint16",
            U32 => "uint32",
            U64 => "uint64",
            F16 => "float16",
            F32 => "float32",
            F64 => "float64",
        }
    }

    /// Whether it has no fraction.
    pub fn is_integer(self) -> bool {
        !matches!(self, NumberKind::F16 | NumberKind::F32 | NumberKind::F64)
    }
}

/// Numbers as `u32`, and those that are not one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Whole {
    /// One number an element; 0 where it is listed in `odd`.
    pub values: Vec<u32>,
    /// Position and value of every element that is no whole number from 0 to `limit`.
    pub odd: Vec<(u64, f64)>,
}

/// Reverses the bytes of each element.
pub(crate) fn swap_bytes(bytes: &mut [u8], size: usize) {
    if size > 1 {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
}

/// Calls `$body` with `$each` = an iterator over the elements as their own type.
macro_rules! with_elements {
    ($kind:expr, $bytes:expr, $each:ident => $body:expr) => {{
        use NumberKind::*;
        let bytes: &[u8] = $bytes;
        macro_rules! typed {
            ($t:ty) => {{
                let $each = bytes.chunks_exact(size_of::<$t>()).map(|b| {
                    <$t>::from_le_bytes(b.try_into().expect("an exact chunk has this length"))
                });
                $body
            }};
        }
        match $kind {
            Bool | U8 => typed!(u8),
            I8 => typed!(i8),
            I16 => typed!(i16),
            I32 => typed!(i32),
            I64 => typed!(i64),
            U16 => typed!(u16),
            U32 => typed!(u32),
            U64 => typed!(u64),
            F32 => typed!(f32),
            F64 => typed!(f64),
            F16 => {
                let $each = bytes
                    .chunks_exact(2)
                    .map(|b| half_to_f32(u16::from_le_bytes([b[0], b[1]])));
                $body
            }
        }
    }};
}

/// Appends the elements as `f64`.
#[inline(always)]
pub(crate) fn append_f64(kind: NumberKind, bytes: &[u8], out: &mut Vec<f64>) {
    with_elements!(kind, bytes, each => out.extend(each.map(|v| v as f64)));
}

/// Appends the elements of an integer kind as `u32`; what is no `u32` becomes `u32::MAX`.
#[inline(always)]
pub(crate) fn append_u32(kind: NumberKind, bytes: &[u8], out: &mut Vec<u32>) {
    // The common kind needs no look at each number: negative ones are above 2^31.
    if kind == NumberKind::I32 || kind == NumberKind::U32 {
        out.extend(
            bytes
                .chunks_exact(4)
                .map(|b| u32::from_le_bytes(b.try_into().expect("an exact chunk has this length"))),
        );
        return;
    }
    with_elements!(kind, bytes, each => {
        out.extend(each.map(|v| (v as u64).min(u64::from(u32::MAX)) as u32));
    });
}

/// Appends numbers as ones of this kind, little-endian. Floats go to integers by cutting; half
/// precision is written as single.
pub(crate) fn append_numbers(kind: NumberKind, values: &[f64], out: &mut Vec<u8>) {
    use NumberKind::*;
    macro_rules! typed {
        ($t:ty) => {{
            const SIZE: usize = size_of::<$t>();
            // By way of a small buffer: nothing is filled with zeros first.
            let mut buffer = [0; 64 * SIZE];
            out.reserve(values.len() * SIZE);
            for some in values.chunks(64) {
                for (slot, &value) in buffer.chunks_exact_mut(SIZE).zip(some) {
                    slot.copy_from_slice(&(value as $t).to_le_bytes());
                }
                out.extend_from_slice(&buffer[..some.len() * SIZE]);
            }
        }};
    }
    match kind {
        Bool => out.extend(values.iter().map(|&v| u8::from(v != 0.0))),
        I8 => typed!(i8),
        I16 => typed!(i16),
        I32 => typed!(i32),
        I64 => typed!(i64),
        U8 => typed!(u8),
        U16 => typed!(u16),
        U32 => typed!(u32),
        U64 => typed!(u64),
        F16 | F32 => typed!(f32),
        F64 => typed!(f64),
    }
}

/// 2^52: added to a smaller non-negative number it leaves the integer part in the low bits.
pub(crate) const TWO_52: f64 = 4_503_599_627_370_496.0;

/// A whole number from 0 to below 2^32 as an integer; without the checks of a cast.
#[inline(always)]
pub(crate) fn whole(value: f64) -> u32 {
    (value + TWO_52).to_bits() as u32
}

/// Appends indices as integers of this kind, little-endian.
pub(crate) fn append_index_bytes(kind: NumberKind, values: &[u32], out: &mut Vec<u8>) {
    let first = out.len();
    let size = kind.size();
    out.resize(first + values.len() * size, 0);
    let slots = out[first..].chunks_exact_mut(size.max(1)).zip(values);
    match size {
        4 => slots.for_each(|(slot, v)| slot.copy_from_slice(&v.to_le_bytes())),
        8 => slots.for_each(|(slot, &v)| slot.copy_from_slice(&u64::from(v).to_le_bytes())),
        _ => slots.for_each(|(slot, v)| slot.copy_from_slice(&v.to_le_bytes()[..size])),
    }
}

/// Appends the elements as `i64`; floats are cut, so only for integer kinds.
pub(crate) fn append_i64(kind: NumberKind, bytes: &[u8], out: &mut Vec<i64>) {
    with_elements!(kind, bytes, each => out.extend(each.map(|v| v as i64)));
}

/// Appends the elements as counts: whole numbers up to 2^32 - 1, where fractions up to 1e-6 are
/// rounded away. `position` is that of the first element.
pub(crate) fn append_counts(kind: NumberKind, bytes: &[u8], position: u64, out: &mut Whole) {
    append_whole(kind, bytes, position, f64::from(u32::MAX), out);
}

/// Appends the elements as indices below `limit`.
pub(crate) fn append_indices(
    kind: NumberKind,
    bytes: &[u8],
    position: u64,
    limit: usize,
    out: &mut Whole,
) {
    append_whole(kind, bytes, position, limit as f64 - 1.0, out);
}

/// Numbers from 0 to 2^30 convert in a few instructions, many at a time; the rest is looked at one
/// by one.
const EASY: u32 = 1 << 30;

/// A stored number on its way to `u32`.
trait Stored: Copy {
    /// The number and whether it is surely the same, below [`EASY`].
    fn easy(self) -> (u32, bool);
}

macro_rules! stored_integer {
    ($($t:ty),*) => {$(
        impl Stored for $t {
            #[inline(always)]
            fn easy(self) -> (u32, bool) {
                let whole = self as u32;
                (whole, whole as $t == self && whole < EASY)
            }
        }
    )*};
}

macro_rules! stored_float {
    ($($t:ty),*) => {$(
        impl Stored for $t {
            #[inline(always)]
            fn easy(self) -> (u32, bool) {
                let whole = self as i32;
                (whole as u32, whole as $t == self && (whole as u32) < EASY)
            }
        }
    )*};
}

stored_integer!(u8, i8, u16, i16, u32, i32, u64, i64);
stored_float!(f32, f64);

fn append_whole(kind: NumberKind, bytes: &[u8], position: u64, most: f64, out: &mut Whole) {
    let first = out.values.len();
    out.values.resize(first + bytes.len() / kind.size(), 0);
    let (mut all_easy, mut largest) = (true, 0);
    with_elements!(kind, bytes, each => {
        for (slot, value) in out.values[first..].iter_mut().zip(each) {
            let (whole, is_easy) = value.easy();
            *slot = whole;
            all_easy &= is_easy;
            largest = largest.max(whole);
        }
    });
    if all_easy && f64::from(largest) <= most {
        return;
    }
    let mut values = Vec::with_capacity(out.values.len() - first);
    append_f64(kind, bytes, &mut values);
    for (i, &value) in values.iter().enumerate() {
        let rounded = value.round();
        if (value - rounded).abs() <= 1e-6 && (0.0..=most).contains(&rounded) {
            out.values[first + i] = rounded as u32;
        } else {
            out.values[first + i] = 0;
            out.odd.push((position + i as u64, value));
        }
    }
}

/// IEEE half precision to single, exact.
fn half_to_f32(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let exponent = u32::from(half >> 10 & 31);
    let fraction = u32::from(half & 0x3ff);
    match exponent {
        0 => {
            // Subnormal: a multiple of 2^-24.
            let value = fraction as f32 * (1.0 / 16_777_216.0);
            f32::from_bits(value.to_bits() | sign)
        }
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(half_to_f32(bits), value, "{bits:x}");
        }
        assert!(half_to_f32(0x7e00).is_nan());
        assert!(half_to_f32(0x8000).is_sign_negative());
    }

    fn counts(kind: NumberKind, bytes: &[u8]) -> Whole {
        let mut out = Whole::default();
        append_counts(kind, bytes, 100, &mut out);
        out
    }

    #[test]
    fn counts_of_every_type() {
        let two = |v: &[u8]| [v, v].concat();
        assert_eq!(counts(NumberKind::Bool, &[1, 0]).values, [1, 0]);
        assert_eq!(counts(NumberKind::I8, &[7, 2]).values, [7, 2]);
        assert_eq!(
            counts(NumberKind::U16, &two(&700_u16.to_le_bytes())).values,
            [700; 2]
        );
        assert_eq!(
            counts(NumberKind::I64, &two(&9_i64.to_le_bytes())).values,
            [9; 2]
        );
        assert_eq!(counts(NumberKind::F16, &[0, 0x3c, 0, 0x40]).values, [1, 2]);
        assert_eq!(
            counts(NumberKind::F64, &two(&5_f64.to_le_bytes())).values,
            [5; 2]
        );
    }

    #[test]
    fn what_is_no_count_is_listed_with_its_position() {
        let bytes: Vec<u8> = [1.0, -1.0, 2.5, f64::NAN, 3.000_000_4, 1e12, -0.0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let out = counts(NumberKind::F64, &bytes);
        assert_eq!(out.values, [1, 0, 0, 0, 3, 0, 0]);
        let positions: Vec<u64> = out.odd.iter().map(|o| o.0).collect();
        assert_eq!(positions, [101, 102, 103, 105]);
        let out = counts(NumberKind::I64, &(-1_i64).to_le_bytes());
        assert_eq!(out.odd, [(100, -1.0)]);
        let large = [2_147_483_648.0_f32, 4_294_967_040.0, 4_294_967_296.0];
        let bytes: Vec<u8> = large.iter().flat_map(|v| v.to_le_bytes()).collect();
        let out = counts(NumberKind::F32, &bytes);
        assert_eq!(out.values[..2], [2_147_483_648, 4_294_967_040]);
        assert_eq!(out.odd, [(102, 4_294_967_296.0)]);
        let out = counts(NumberKind::U32, &u32::MAX.to_le_bytes());
        assert_eq!((out.values, out.odd), (vec![u32::MAX], vec![]));
        let out = counts(NumberKind::U64, &(1_u64 << 32).to_le_bytes());
        assert_eq!(out.odd, [(100, 4_294_967_296.0)]);
    }

    #[test]
    fn indices_stop_at_the_limit() {
        let mut out = Whole::default();
        let bytes: Vec<u8> = [0_i32, 5, 6, -1]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        append_indices(NumberKind::I32, &bytes, 0, 6, &mut out);
        assert_eq!(out.values, [0, 5, 0, 0]);
        assert_eq!(out.odd, [(2, 6.0), (3, -1.0)]);
    }
}
