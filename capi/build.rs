//! Gives the shared library its SONAME; cargo sets none by itself.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // The number is CYTO_ABI_VERSION of src/version.rs; tests/abi compares the two.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcytosol.so.1");
    }
}
