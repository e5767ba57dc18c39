//! What this build of the engine can do, for hosts to show and for reports of faults.

/// Facts of the build and of the processor it runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildInfo {
    /// Version of the engine.
    pub version: &'static str,
    /// Architecture and system, for example `"x86_64-linux"`.
    pub target: String,
    /// Cargo features that are on.
    pub features: Vec<&'static str>,
    /// Version of the HDF5 library in use; `None` when it is not built in.
    pub hdf5: Option<String>,
    /// Instruction sets found that make a difference here.
    pub cpu: Vec<&'static str>,
}

/// The facts.
///
/// ```
/// assert!(!cytosol::build_info().version.is_empty());
/// ```
pub fn build_info() -> BuildInfo {
    let features = [
        ("hdf5", cfg!(feature = "hdf5")),
        ("static-hdf5", cfg!(feature = "static-hdf5")),
        ("blosc", cfg!(feature = "blosc")),
    ];
    BuildInfo {
        version: env!("CARGO_PKG_VERSION"),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        features: features
            .into_iter()
            .filter(|feature| feature.1)
            .map(|feature| feature.0)
            .collect(),
        hdf5: hdf5_version(),
        cpu: cpu_features(),
    }
}

#[cfg(feature = "hdf5")]
fn hdf5_version() -> Option<String> {
    Some(crate::data::h5ad::library_version())
}

#[cfg(not(feature = "hdf5"))]
fn hdf5_version() -> Option<String> {
    None
}

#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<&'static str> {
    let found = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ];
    found
        .into_iter()
        .filter(|feature| feature.1)
        .map(|feature| feature.0)
        .collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_say_what_is_built_in() {
        let build = build_info();
        assert_eq!(build.features.contains(&"hdf5"), cfg!(feature = "hdf5"));
        assert_eq!(build.hdf5.is_some(), cfg!(feature = "hdf5"));
        if let Some(version) = build.hdf5 {
            assert_eq!(version.split('.').count(), 3, "{version}");
        }
    }
}
