//! What the library is.

use std::ffi::CStr;

use cytosol::{CYTO_ABI_VERSION, cyto_abi_version, cyto_build_info_json, cyto_version};
use extendr_api::prelude::*;

/// Version, ABI number of the library and of this package, and the build as JSON.
/// @noRd
#[extendr]
fn library_info() -> Robj {
    // SAFETY: static strings.
    let text = |text| {
        unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned()
    };
    list!(
        version = text(cyto_version()),
        abi = cyto_abi_version(),
        wanted_abi = CYTO_ABI_VERSION,
        build = text(cyto_build_info_json())
    )
    .into()
}

extendr_module! {
    mod info;
    fn library_info;
}
