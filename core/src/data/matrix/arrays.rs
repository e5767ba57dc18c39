//! Borrowed arrays of the element types that cross the C ABI.

use crate::data::numbers::NumberKind;

/// A borrowed array of positions.
#[derive(Debug, Clone, Copy)]
pub enum IndexArray<'a> {
    /// 32-bit.
    I32(&'a [i32]),
    /// 64-bit.
    I64(&'a [i64]),
}

impl IndexArray<'_> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            IndexArray::I32(v) => v.len(),
            IndexArray::I64(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `i`, if there is one.
    #[inline]
    pub(super) fn get(&self, i: usize) -> Option<i64> {
        match self {
            IndexArray::I32(v) => v.get(i).copied().map(i64::from),
            IndexArray::I64(v) => v.get(i).copied(),
        }
    }
}

/// A borrowed array of values.
#[derive(Debug, Clone, Copy)]
pub enum ValueArray<'a> {
    /// 32-bit signed integers.
    I32(&'a [i32]),
    /// 64-bit signed integers.
    I64(&'a [i64]),
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 64-bit floats.
    F64(&'a [f64]),
    /// 16-bit unsigned integers.
    U16(&'a [u16]),
    /// 32-bit unsigned integers.
    U32(&'a [u32]),
    /// 8-bit unsigned integers.
    U8(&'a [u8]),
}

/// Evaluates `$body` with `$values` = the slice in a [`ValueArray`], whatever its type.
macro_rules! with_values {
    ($array:expr, $values:ident => $body:expr) => {
        match $array {
            ValueArray::I32($values) => $body,
            ValueArray::I64($values) => $body,
            ValueArray::F32($values) => $body,
            ValueArray::F64($values) => $body,
            ValueArray::U16($values) => $body,
            ValueArray::U32($values) => $body,
            ValueArray::U8($values) => $body,
        }
    };
}

/// Evaluates `$body` with `$indices` = the slice in an [`IndexArray`].
macro_rules! with_indices {
    ($array:expr, $indices:ident => $body:expr) => {
        match $array {
            IndexArray::I32($indices) => $body,
            IndexArray::I64($indices) => $body,
        }
    };
}

pub(super) use {with_indices, with_values};

impl ValueArray<'_> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        with_values!(self, values => values.len())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An element of an [`IndexArray`].
pub(super) trait Index: Copy + Sync {
    const KIND: NumberKind;
    fn wide(self) -> i64;
    /// Appends positions less `base`, little-endian.
    fn append(indices: &[Self], base: i64, out: &mut Vec<u8>);
}

/// An element of a [`ValueArray`].
pub(super) trait Value: Copy + Sync {
    const KIND: NumberKind;
    /// The bytes of one element.
    type Bytes: Copy + Default;
    /// Exact for everything that can be a count: 64-bit integers above 2^53 are no counts.
    fn number(self) -> f64;
    /// Little-endian.
    fn bytes(self) -> Self::Bytes;
    fn joined(bytes: Vec<Self::Bytes>) -> Vec<u8>;
    /// Appends elements, little-endian.
    fn append(values: &[Self], out: &mut Vec<u8>);
}

macro_rules! indices {
    ($($t:ident $kind:ident),*) => {$(
        impl Index for $t {
            const KIND: NumberKind = NumberKind::$kind;

            #[inline]
            fn wide(self) -> i64 {
                i64::from(self)
            }

            fn append(indices: &[Self], base: i64, out: &mut Vec<u8>) {
                let first = out.len();
                out.resize(first + size_of_val(indices), 0);
                let slots = out[first..].chunks_exact_mut(size_of::<$t>());
                for (slot, index) in slots.zip(indices) {
                    slot.copy_from_slice(&index.wrapping_sub(base as $t).to_le_bytes());
                }
            }
        }
    )*};
}

macro_rules! values {
    ($($t:ident $kind:ident),*) => {$(
        impl Value for $t {
            const KIND: NumberKind = NumberKind::$kind;
            type Bytes = [u8; size_of::<$t>()];

            #[inline]
            fn number(self) -> f64 {
                self as f64
            }

            #[inline]
            fn bytes(self) -> Self::Bytes {
                self.to_le_bytes()
            }

            fn joined(bytes: Vec<Self::Bytes>) -> Vec<u8> {
                bytes.into_flattened()
            }

            fn append(values: &[Self], out: &mut Vec<u8>) {
                let first = out.len();
                out.resize(first + size_of_val(values), 0);
                let slots = out[first..].chunks_exact_mut(size_of::<$t>());
                for (slot, value) in slots.zip(values) {
                    slot.copy_from_slice(&value.to_le_bytes());
                }
            }
        }
    )*};
}

indices!(i32 I32, i64 I64);
values!(i32 I32, i64 I64, f32 F32, f64 F64, u16 U16, u32 U32, u8 U8);
