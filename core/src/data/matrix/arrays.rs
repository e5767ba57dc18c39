//! Borrowed arrays of the element types that cross the C ABI.

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

impl ValueArray<'_> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            ValueArray::I32(v) => v.len(),
            ValueArray::I64(v) => v.len(),
            ValueArray::F32(v) => v.len(),
            ValueArray::F64(v) => v.len(),
            ValueArray::U16(v) => v.len(),
            ValueArray::U32(v) => v.len(),
            ValueArray::U8(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An element of an [`IndexArray`].
pub(super) trait Index: Copy + Sync {
    fn wide(self) -> i64;
}

impl Index for i32 {
    #[inline]
    fn wide(self) -> i64 {
        i64::from(self)
    }
}

impl Index for i64 {
    #[inline]
    fn wide(self) -> i64 {
        self
    }
}

/// An element of a [`ValueArray`].
pub(super) trait Value: Copy + Sync {
    /// Exact for everything that can be a count: 64-bit integers above 2^53 are no counts.
    fn number(self) -> f64;
}

impl Value for i64 {
    #[inline]
    fn number(self) -> f64 {
        self as f64
    }
}

impl Value for i32 {
    #[inline]
    fn number(self) -> f64 {
        f64::from(self)
    }
}

impl Value for f32 {
    #[inline]
    fn number(self) -> f64 {
        f64::from(self)
    }
}

impl Value for f64 {
    #[inline]
    fn number(self) -> f64 {
        self
    }
}

impl Value for u16 {
    #[inline]
    fn number(self) -> f64 {
        f64::from(self)
    }
}

impl Value for u32 {
    #[inline]
    fn number(self) -> f64 {
        f64::from(self)
    }
}

impl Value for u8 {
    #[inline]
    fn number(self) -> f64 {
        f64::from(self)
    }
}
