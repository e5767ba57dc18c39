//! The R package's side of the C ABI: arguments of R go in, `cyto_*` functions are called, results come back.
//!
//! No science and no decisions: those are in the engine, and what R users see is in the package's `R` folder.
//! Whatever fails comes back as a list of class `cyto_failure`, which R code raises once no Rust frame is
//! left; R's own error function is never called from here. Large arrays are allocated by R and filled here.
//!
//! All functions run on R's main thread; so do progress callbacks, which the C ABI makes on the calling thread.

// The macros of extendr write undocumented items and C signatures over R's pointers.
#![allow(missing_docs, clippy::not_unsafe_ptr_arg_deref)]

mod answer;
mod arrays;
mod call;
mod counts;
mod deseq;
mod deseq_counts;
mod deseq_results;
mod files;
mod frames;
mod info;
mod lists;
mod options;
mod preprocess;
mod rctd;
mod sexp;
mod shards;

use extendr_api::prelude::*;

extendr_module! {
    mod cytosol;
    use arrays;
    use call;
    use counts;
    use deseq;
    use deseq_counts;
    use deseq_results;
    use files;
    use info;
    use lists;
    use preprocess;
    use rctd;
    use shards;
}
