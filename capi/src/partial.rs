//! Shards of the pixel fits: planned, run anywhere, carried as bytes, merged.
//!
//! The same bytes are the checkpoint of a run that may be killed. Results do not depend on how the pixels
//! were cut or where a shard ran.

use std::mem::MaybeUninit;
use std::sync::OnceLock;

use engine::Error;
use engine::rctd::Partial;
use safer_ffi::{derive_ReprC, prelude::repr_c};

use crate::context::{cyto_context, with_context};
use crate::error::cyto_error;
use crate::guard::{give, guard, or, required};
use crate::rctd::{cyto_rctd, mode_of};
use crate::results::cyto_rctd_results;
use crate::status::cyto_status;
use crate::text;

/// How the pixels are cut into shards.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_plan {
    bounds: Vec<[u64; 2]>,
}

/// Fits of one shard.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_partial {
    inner: Partial,
    bytes: OnceLock<Vec<u8>>,
}

impl cyto_partial {
    fn new(inner: Partial) -> Self {
        cyto_partial {
            inner,
            bytes: OnceLock::new(),
        }
    }
}

/// Cuts the kept pixels into shards of `pixels_per_shard`; 0 = the library's choice.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_plan(
    rctd: Option<&cyto_rctd>,
    pixels_per_shard: usize,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_plan>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let size = (pixels_per_shard > 0).then_some(pixels_per_shard);
        required("rctd", rctd)?.tissue.with(|rctd| {
            let shards = rctd.plan(size);
            Ok(cyto_plan {
                bounds: shards.iter().map(|s| [s.start, s.end]).collect(),
            })
        })
    })
}

/// Number of shards; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_plan_n_shards(plan: Option<&cyto_plan>) -> usize {
    plan.map_or(0, |plan| plan.bounds.len())
}

/// Start and end (half open) of every shard, one pair after the other, in positions of the array "kept".
/// Borrowed from the plan; NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_plan_bounds(plan: Option<&cyto_plan>) -> *const u64 {
    plan.map_or(std::ptr::null(), |plan| plan.bounds.as_ptr().cast())
}

/// Frees a plan. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_plan_free(plan: Option<repr_c::Box<cyto_plan>>) {
    or((), || drop(plan));
}

/// Fits the pixels `start` to `end` - 1 of the array "kept", in a `cyto_rctd_mode`. `CYTO_STATE` before
/// `cyto_rctd_choose_sigma`. Any machine that made the same object from the same inputs may do it.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_run_shard(
    ctx: Option<&cyto_context>,
    rctd: Option<&cyto_rctd>,
    mode: i32,
    start: u64,
    end: u64,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_partial>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let rctd = required("rctd", rctd)?;
        let mode = mode_of(mode)?;
        with_context(ctx, |ctx| {
            rctd.tissue
                .with(|rctd| Ok(cyto_partial::new(rctd.run_shard(ctx, mode, start..end)?)))
        })
    })
}

/// Joins shards that together cover the kept pixels once, in any order; they stay the caller's.
/// `CYTO_CHECKPOINT_MISMATCH` for a shard of other inputs, options or mode.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_merge(
    rctd: Option<&cyto_rctd>,
    mode: i32,
    partials: *const *const cyto_partial,
    n_partials: usize,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_rctd_results>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let rctd = required("rctd", rctd)?;
        let mode = mode_of(mode)?;
        // SAFETY: the header asks for an array of this many handles.
        let given = unsafe { text::slice("partials", partials, n_partials) }?;
        let mut shards = Vec::with_capacity(n_partials);
        for (i, partial) in given.iter().enumerate() {
            // SAFETY: each is NULL or a handle.
            let partial = unsafe { partial.as_ref() };
            shards.push(required(&format!("partials[{i}]"), partial)?.inner.clone());
        }
        rctd.tissue
            .with(|rctd| Ok(cyto_rctd_results::new(rctd.merge(mode, shards)?)))
    })
}

/// The range of a shard, as it was given to `cyto_rctd_run_shard`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_partial_range(
    partial: Option<&cyto_partial>,
    start: Option<&mut MaybeUninit<u64>>,
    end: Option<&mut MaybeUninit<u64>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let range = required("partial", partial)?.inner.range();
        for (name, out, value) in [("start", start, range.start), ("end", end, range.end)] {
            out.ok_or_else(|| Error::argument(name, "NULL; must point to a uint64_t"))?
                .write(value);
        }
        Ok(())
    })
}

/// The shard as bytes, with version, parameter hash and checksum; the same shard always gives the same bytes.
/// Borrowed from the shard.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_partial_serialize(
    partial: Option<&cyto_partial>,
    bytes: Option<&mut MaybeUninit<*const u8>>,
    n_bytes: Option<&mut MaybeUninit<usize>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let out = |name: &str| Error::argument(name, "NULL; must point to a variable");
        let bytes = bytes.ok_or_else(|| out("bytes"))?;
        bytes.write(std::ptr::null());
        let n_bytes = n_bytes.ok_or_else(|| out("n_bytes"))?;
        n_bytes.write(0);
        let partial = required("partial", partial)?;
        let made = partial.bytes.get_or_init(|| partial.inner.to_bytes());
        bytes.write(made.as_ptr());
        n_bytes.write(made.len());
        Ok(())
    })
}

/// A shard from its bytes. `CYTO_FORMAT` when they are damaged or cut off, `CYTO_CHECKPOINT_MISMATCH` when written
/// by another version. The bytes are copied.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_partial_deserialize(
    bytes: *const u8,
    n_bytes: usize,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_partial>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        // SAFETY: the header asks for an array of this length.
        let bytes = unsafe { text::slice("bytes", bytes, n_bytes) }?;
        Ok(cyto_partial::new(Partial::from_bytes(bytes)?))
    })
}

/// Frees a shard. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_partial_free(partial: Option<repr_c::Box<cyto_partial>>) {
    or((), || drop(partial));
}
