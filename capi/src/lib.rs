//! The C ABI of Cytosol: `libcytosol` and `include/cytosol.h`.
//!
//! No science and no loops over data: every function checks its arguments, calls one function of the
//! engine and hands over the result. cbindgen writes the header from these files
//! (`cargo run --release -p cytosol-capi --example gen_header`); safer-ffi's types say who owns a pointer, and
//! the list at the end of this file makes the compiler refuse a type that C does not have.

#![deny(missing_docs)]
#![allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "the callers are C programs, for whom the header states what a pointer must be"
)]

mod arrays;
mod arrow;
mod blocks;
mod context;
mod dataset;
mod deseq;
mod deseq_counts;
mod deseq_options;
mod deseq_restore;
mod deseq_results;
mod deseq_samples;
mod deseq_state;
mod deseq_steps;
mod deseq_unmix;
mod error;
mod guard;
mod matrix;
mod params;
mod partial;
mod preprocess;
mod progress;
mod rctd;
mod reference;
mod results;
mod rows;
mod sized;
mod spatial;
#[allow(
    missing_docs,
    reason = "derive_ReprC makes an undocumented layout type of an enum"
)]
mod status;
mod text;
mod tissue;
mod types;
mod version;

pub use arrays::*;
pub use arrow::ArrowArrayStream;
pub use blocks::*;
pub use context::*;
pub use dataset::*;
pub use deseq::*;
pub use deseq_counts::*;
pub use deseq_restore::*;
pub use deseq_results::*;
pub use deseq_samples::*;
pub use deseq_steps::*;
pub use deseq_unmix::*;
pub use error::*;
#[doc(hidden)]
pub use guard::guarded;
pub use matrix::*;
pub use params::*;
pub use partial::*;
pub use preprocess::*;
pub use progress::*;
pub use rctd::*;
pub use reference::*;
pub use results::*;
pub use rows::*;
pub use spatial::*;
pub use status::*;
pub use text::CytoStr;
pub use types::*;
pub use version::*;

use safer_ffi::layout::ReprC;
use safer_ffi::prelude::repr_c;

const fn crosses<T: ReprC>() {}

/// A handle the caller owns, and the variable it is written to.
const fn owned<T>()
where
    repr_c::Box<T>: ReprC,
    Option<repr_c::Box<T>>: ReprC,
{
    crosses::<repr_c::Box<T>>();
    crosses::<Option<repr_c::Box<T>>>();
}

/// Every type that crosses the border.
const _: () = {
    crosses::<CytoStr<'static>>();
    crosses::<cyto_status>();
    owned::<cyto_error>();
    owned::<cyto_context>();
    owned::<cyto_matrix>();
    owned::<cyto_dataset>();
    owned::<cyto_reference>();
    owned::<cyto_spatial>();
    owned::<cyto_rctd_options>();
    owned::<cyto_rctd>();
    owned::<cyto_rctd_results>();
    owned::<cyto_plan>();
    owned::<cyto_partial>();
    owned::<cyto_rows>();
    owned::<cyto_deseq>();
    owned::<cyto_deseq_results>();
    owned::<cyto_deseq_samples>();
    owned::<cyto_deseq_transformed>();
    owned::<cyto_deseq_unmixed>();
    owned::<cyto_pp_result>();
    crosses::<cyto_array>();
    crosses::<cyto_block_source>();
    crosses::<cyto_context_options>();
    crosses::<cyto_dense_view>();
    crosses::<cyto_deseq_input>();
    crosses::<cyto_deseq_unmix_input>();
    crosses::<cyto_open_options>();
    crosses::<cyto_pp_input>();
    crosses::<cyto_progress>();
    crosses::<cyto_progress_fn>();
    crosses::<cyto_rctd_files>();
    crosses::<cyto_reference_input>();
    crosses::<cyto_reference_options>();
    crosses::<cyto_sparse_view>();
    crosses::<cyto_spatial_input>();
};
