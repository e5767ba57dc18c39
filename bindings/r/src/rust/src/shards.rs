//! Shards: pixels cut into ranges that any process can fit, as bytes that travel.

use std::mem::MaybeUninit;

use cytosol::{
    cyto_partial, cyto_partial_deserialize, cyto_partial_serialize, cyto_rctd, cyto_rctd_merge,
    cyto_rctd_plan, cyto_rctd_run_shard,
};
use extendr_api::prelude::*;
use safer_ffi::prelude::repr_c;

use crate::answer::{Failure, answer, done, made};
use crate::arrays::bounds;
use crate::call::with_context;
use crate::counts::{Held, held};

/// Start and end of every shard, one pair after the other; `size` 0 is the library's choice.
/// @noRd
#[extendr]
fn rctd_plan(rctd: Robj, size: f64) -> Robj {
    answer(|| {
        let rctd = held::<cyto_rctd>("rctd", &rctd)?;
        let plan = made(|out, err| cyto_rctd_plan(Some(&rctd.handle), size as usize, out, err))?;
        Ok(bounds(&plan).into())
    })
}

/// Fits a range of the kept pixels; gives the shard as bytes.
/// @noRd
#[extendr]
fn rctd_run_shard(settings: Robj, rctd: Robj, mode: i32, start: f64, end: f64) -> Robj {
    answer(|| {
        let rctd = held::<cyto_rctd>("rctd", &rctd)?;
        let (start, end) = (start as u64, end as u64);
        let partial = with_context(&settings, |ctx| {
            made(|out, err| {
                cyto_rctd_run_shard(Some(ctx), Some(&rctd.handle), mode, start, end, out, err)
            })
        })?;
        let (mut bytes, mut n) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        done(|err| cyto_partial_serialize(Some(&partial), Some(&mut bytes), Some(&mut n), err))?;
        // SAFETY: written by a call that succeeded; borrowed from the shard, which is alive.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.assume_init(), n.assume_init()) };
        Ok(Raw::from_bytes(bytes).into())
    })
}

/// Joins shards, a list of bytes.
/// @noRd
#[extendr]
fn rctd_merge(rctd: Robj, mode: i32, shards: Robj) -> Robj {
    answer(|| {
        let rctd = held::<cyto_rctd>("rctd", &rctd)?;
        let list = shards
            .as_list()
            .ok_or_else(|| Failure::argument("shards", "must be a list of raw vectors"))?;
        let mut partials: Vec<repr_c::Box<cyto_partial>> = Vec::with_capacity(list.len());
        for shard in list.values() {
            let bytes = shard
                .as_raw_slice()
                .ok_or_else(|| Failure::argument("shards", "must be a list of raw vectors"))?;
            partials.push(made(|out, err| {
                cyto_partial_deserialize(bytes.as_ptr(), bytes.len(), out, err)
            })?);
        }
        let handles: Vec<*const cyto_partial> = partials
            .iter()
            .map(|partial| &raw const **partial)
            .collect();
        let results = made(|out, err| {
            let n = handles.len();
            cyto_rctd_merge(Some(&rctd.handle), mode, handles.as_ptr(), n, out, err)
        })?;
        Ok(Held::into_robj(results, Vec::new()))
    })
}

extendr_module! {
    mod shards;
    fn rctd_plan;
    fn rctd_run_shard;
    fn rctd_merge;
}
