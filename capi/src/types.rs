//! The small integer codes of the header.
//!
//! They cross the border as `int32_t` and are checked: an unknown value in a Rust enum would be undefined.

/// Types of array elements.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum cyto_dtype {
    /// `int32_t`.
    CYTO_I32 = 0,
    /// `int64_t`.
    CYTO_I64 = 1,
    /// `float`.
    CYTO_F32 = 2,
    /// `double`.
    CYTO_F64 = 3,
    /// `uint16_t`.
    CYTO_U16 = 4,
    /// `uint32_t`.
    CYTO_U32 = 5,
    /// `uint8_t`; flags are 0 or 1.
    CYTO_U8 = 6,
    /// `uint64_t`; in results only.
    CYTO_U64 = 7,
    /// `const char *`, UTF-8; in results only.
    CYTO_TEXT = 8,
}

impl cyto_dtype {
    /// The type of this code.
    pub(crate) fn of(code: i32) -> Option<Self> {
        use cyto_dtype as T;
        [
            T::CYTO_I32,
            T::CYTO_I64,
            T::CYTO_F32,
            T::CYTO_F64,
            T::CYTO_U16,
            T::CYTO_U32,
            T::CYTO_U8,
            T::CYTO_U64,
            T::CYTO_TEXT,
        ]
        .into_iter()
        .find(|&dtype| dtype as i32 == code)
    }
}

/// Which axis of a sparse matrix is compressed.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum cyto_layout {
    /// Compressed rows.
    CYTO_CSR = 0,
    /// Compressed columns; R's `dgCMatrix`.
    CYTO_CSC = 1,
}

/// What the rows of a matrix are. Never guessed: 0 is refused.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum cyto_orientation {
    /// Rows are cells (or pixels), columns are genes, as in Python.
    CYTO_CELLS_BY_GENES = 1,
    /// Rows are genes, columns are cells, as in R.
    CYTO_GENES_BY_CELLS = 2,
}

/// How RCTD explains a pixel.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum cyto_rctd_mode {
    /// By any mixture of all types.
    CYTO_RCTD_FULL = 0,
    /// By one or two types.
    CYTO_RCTD_DOUBLET = 1,
    /// By a few types, chosen greedily.
    CYTO_RCTD_MULTI = 2,
}

/// What to do with cell types that have too few cells.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum cyto_rare_types {
    /// Keep them; `cyto_rctd_create` then refuses the reference and names them, as spacexr does.
    CYTO_RARE_TYPES_KEEP = 0,
    /// Leave them out, with a warning.
    CYTO_RARE_TYPES_DROP = 1,
}

/// What became of a pixel.
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum cyto_pixel_fate {
    /// Fitted.
    CYTO_PIXEL_KEPT = 0,
    /// `n_umi` below `umi_min`.
    CYTO_PIXEL_UMI_TOO_LOW = 1,
    /// `n_umi` above `umi_max`.
    CYTO_PIXEL_UMI_TOO_HIGH = 2,
    /// Counts over all genes below `counts_min`.
    CYTO_PIXEL_COUNTS_TOO_LOW = 3,
    /// Counts over the genes of the platform effect below `counts_min`.
    CYTO_PIXEL_BULK_COUNTS_TOO_LOW = 4,
}

/// What doublet mode makes of a pixel.
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum cyto_spot_class {
    /// No pair of types explains it.
    CYTO_SPOT_REJECT = 0,
    /// One type.
    CYTO_SPOT_SINGLET = 1,
    /// Two types, both certain.
    CYTO_SPOT_DOUBLET_CERTAIN = 2,
    /// Two types, the second uncertain.
    CYTO_SPOT_DOUBLET_UNCERTAIN = 3,
}
