//! Any bytes through the decoders of chunk filters.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| engine::data::h5ad::decode_any(bytes));
