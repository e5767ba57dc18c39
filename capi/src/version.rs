//! Which library this is: ABI number, version, what it was built with.

use std::ffi::{CString, c_char};
use std::sync::OnceLock;

use serde_json::json;

use crate::guard;
use crate::text::c_string;

/// The number of this ABI, also in the SONAME. It changes when a host built for another number could
/// break.
pub const CYTO_ABI_VERSION: i32 = 1;

/// The ABI number of the library; a host refuses to go on when it is not `CYTO_ABI_VERSION`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_abi_version() -> i32 {
    CYTO_ABI_VERSION
}

/// The version of the library, for example "0.1.0". Static.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// A JSON object: `version`, `abi`, `target`, `features`, `cpu` (instruction sets found),
/// `cuda` (state). Static.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_build_info_json() -> *const c_char {
    static INFO: OnceLock<CString> = OnceLock::new();
    guard::or(c"{}".as_ptr(), || INFO.get_or_init(build_info).as_ptr())
}

fn build_info() -> CString {
    let mut features = Vec::new();
    for (name, on) in [
        ("hdf5", cfg!(feature = "hdf5")),
        ("static-hdf5", cfg!(feature = "static-hdf5")),
        ("blosc", cfg!(feature = "blosc")),
    ] {
        if on {
            features.push(name);
        }
    }
    let info = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "abi": CYTO_ABI_VERSION,
        "target": format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        "features": features,
        "cpu": cpu_features(),
        "cuda": "not built in",
    });
    c_string(&info.to_string())
}

fn cpu_features() -> Vec<&'static str> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    for (name, on) in [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ] {
        if on {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn build_info_is_json() {
        // SAFETY: a static string.
        let text = unsafe { CStr::from_ptr(cyto_build_info_json()) };
        let info: serde_json::Value =
            serde_json::from_str(text.to_str().expect("UTF-8")).expect("JSON");
        assert_eq!(info["abi"], CYTO_ABI_VERSION);
        // SAFETY: a static string.
        let version = unsafe { CStr::from_ptr(cyto_version()) };
        assert_eq!(info["version"], version.to_str().expect("UTF-8"));
    }
}
