//! `cyto_deseq_unmixed`: samples as mixtures of pure samples.

use std::mem::MaybeUninit;

use engine::Error;
use engine::deseq::{UnmixInput, UnmixScale, Unmixed, unmix};
use safer_ffi::{derive_ReprC, prelude::repr_c};

use crate::arrays::{Lent, Named, cyto_array, lend};
use crate::context::{cyto_context, with_context};
use crate::deseq_options::Fields;
use crate::error::{Failure, cyto_error};
use crate::guard::{give, or};
use crate::sized::{self, Sized_};
use crate::status::cyto_status;
use crate::text::{self, CytoStr};

/// Samples to be unmixed. Fill with `CYTO_DESEQ_UNMIX_INPUT_INIT`, then set fields. Everything is copied.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_deseq_unmix_input {
    /// `sizeof(cyto_deseq_unmix_input)`.
    pub struct_size: usize,
    /// Normalised counts or abundances, all samples of the first gene first.
    pub x: *const f64,
    /// The same of pure samples: all types of the first gene first.
    pub pure: *const f64,
    /// Number of genes.
    pub n_genes: usize,
    /// Samples in `x`.
    pub n_samples: usize,
    /// Types in `pure`, at least 2.
    pub n_types: usize,
}

// SAFETY: plain data, size first.
unsafe impl Sized_ for cyto_deseq_unmix_input {
    const NAME: &'static str = "cyto_deseq_unmix_input";
    const INIT: &'static str = "CYTO_DESEQ_UNMIX_INPUT_INIT";
    const FIRST_SIZE: usize = 48;
    fn init() -> Self {
        // SAFETY: sizes and pointers, for which zero is a value.
        let zero: Self = unsafe { std::mem::zeroed() };
        cyto_deseq_unmix_input {
            struct_size: size_of::<Self>(),
            ..zero
        }
    }
}

/// Mixtures that were found. Readable from several threads.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_deseq_unmixed {
    inner: Unmixed,
}

impl cyto_deseq_unmixed {
    fn n_samples(&self) -> usize {
        self.inner.objective.len()
    }
}

/// The scale: one of "alpha" and "shift".
fn scale(fields: &mut Fields) -> Result<UnmixScale, Error> {
    let (mut alpha, mut shift) = (f64::NAN, f64::NAN);
    fields.number("alpha", &mut alpha)?;
    fields.number("shift", &mut shift)?;
    match (alpha.is_nan(), shift.is_nan()) {
        (false, true) => Ok(UnmixScale::Dispersion(alpha)),
        (true, false) => Ok(UnmixScale::Shift(shift)),
        _ => Err(Error::argument(
            "options",
            "one of \"alpha\" (dispersion) and \"shift\" is needed",
        )),
    }
}

/// Finds the shares of pure samples in mixed ones. Options: "alpha", the dispersion of a variance-stabilising
/// transformation, or "shift" of ln(q + shift), on which samples are compared; "power" (1: absolute differences, 2:
/// squares; 1). Free with `cyto_deseq_unmixed_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_unmix(
    ctx: Option<&cyto_context>,
    input: *const cyto_deseq_unmix_input,
    options: CytoStr<'_>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_deseq_unmixed>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || -> Result<_, Failure> {
        let mut fields = Fields::parse(options)?;
        let scale = scale(&mut fields)?;
        let mut power = 1.0;
        fields.number("power", &mut power)?;
        fields.finish()?;
        if power != 1.0 && power != 2.0 {
            return Err(Error::argument("power", format!("{power}; must be 1 or 2")).into());
        }
        // SAFETY: the header asks for this struct and its arrays.
        let (mixed, pure, n_genes) = unsafe {
            let given = sized::read("input", input)?;
            let n = given.n_genes;
            (
                text::slice("input.x", given.x, n.saturating_mul(given.n_samples))?,
                text::slice("input.pure", given.pure, n.saturating_mul(given.n_types))?,
                n,
            )
        };
        with_context(ctx, |ctx| {
            let input = UnmixInput {
                mixed,
                pure,
                n_genes,
            };
            let inner = unmix(ctx, input, scale, power as u32)?;
            Ok(cyto_deseq_unmixed { inner })
        })
    })
}

/// Frees mixtures. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_unmixed_free(unmixed: Option<repr_c::Box<cyto_deseq_unmixed>>) {
    or((), || drop(unmixed));
}

const UNMIXED: [Named<cyto_deseq_unmixed>; 4] = [
    ("mix", |u| {
        let n_types = u.inner.mix.len().checked_div(u.n_samples()).unwrap_or(0);
        Some(Lent::matrix(&u.inner.mix, n_types))
    }),
    ("objective", |u| Some(Lent::f64s(&u.inner.objective))),
    ("correlation", |u| Some(Lent::f64s(&u.inner.correlation))),
    ("fitted", |u| {
        Some(Lent::matrix(&u.inner.fitted, u.n_samples()))
    }),
];

/// Lends "mix" (f64, samples x types, rows of sum 1), "fitted" (genes x samples: pure times shares), "correlation" (of
/// each sample with its fitted values) and "objective" (the sum that was minimised), one a sample. Valid until freed.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_unmixed_array(
    unmixed: Option<&cyto_deseq_unmixed>,
    name: CytoStr<'_>,
    out: *mut cyto_array,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    // SAFETY: the header asks for a struct of `struct_size` bytes.
    unsafe { lend(unmixed, &UNMIXED, name, out, err) }
}
