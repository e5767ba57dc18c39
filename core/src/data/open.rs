//! The one door to files: looks at what is there and calls the reader of that format.
//!
//! Formats are told apart by content (signature, root members, files of a folder), never by the
//! extension alone.

use std::path::Path;

use super::dataset::{Dataset, Format, OpenOptions, VarNames};
use crate::error::{Error, Reason, Result};

/// Opens counts with their tables.
///
/// Reads `.h5ad`, 10x `.h5`, folders with `matrix.mtx[.gz]` or `counts.csv[.gz]`, and Visium
/// `outs` folders.
///
/// # Errors
/// `NotFound` when the path does not exist; `UnsupportedFormat` when the content is not known or
/// damaged (reasons `NotHdf5`, `Truncated`, `CorruptMatrix`, `MissingKey`, `MissingFilter`);
/// `Unsupported` for HDF5 files in a build without the feature `hdf5`; `InvalidArgument` for an
/// option that the format does not know.
///
/// # Cost
/// Tables and coordinates are read; of the matrix only its row or column pointers.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Dataset> {
    let format = detect(path)?;
    check_options(format, options)?;
    match format {
        Format::H5ad => open_h5ad(path, options),
        Format::Mtx => super::mtx::open(path, options),
        Format::Visium => super::visium::open(path, options),
        Format::CountsCsv => super::counts_csv::open(path),
        Format::TenxH5 => open_tenx_h5(path, options),
    }
}

/// Refuses options that say nothing about this format, rather than ignore them.
fn check_options(format: Format, options: &OpenOptions) -> Result<()> {
    let refuse = |option: &str, formats: &str| {
        let message = format!("is for {formats}; this is {}", format.name());
        Err(Error::argument(option, message))
    };
    // What a Visium folder holds is opened by this door again, and checked then.
    let is = |formats: &[Format]| format == Format::Visium || formats.contains(&format);
    if options.layer.is_some() && !is(&[Format::H5ad]) {
        return refuse("layer", "h5ad");
    }
    if options.use_raw && !is(&[Format::H5ad]) {
        return refuse("use_raw", "h5ad");
    }
    if !options.obsm.is_empty() && !is(&[Format::H5ad]) {
        return refuse("obsm", "h5ad");
    }
    if options.genome.is_some() && !is(&[Format::TenxH5]) {
        return refuse("genome", "10x_h5");
    }
    if options.var_names != VarNames::default() && !is(&[Format::TenxH5, Format::Mtx]) {
        return refuse("var_names", "10x_h5 and mtx");
    }
    Ok(())
}

/// Which format a path holds, by content.
///
/// # Errors
/// As [`open`].
pub fn detect(path: &Path) -> Result<Format> {
    let metadata = std::fs::metadata(path).map_err(|e| Error::io(path, "opening", e))?;
    if metadata.is_dir() {
        return detect_folder(path);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".mtx") || name.ends_with(".mtx.gz") {
        return Err(Error::argument(
            "path",
            format!(
                "{} is a matrix file; give the folder it lies in",
                path.display()
            ),
        ));
    }
    detect_hdf5(path)
}

fn detect_folder(path: &Path) -> Result<Format> {
    let has = |name: &str| path.join(name).exists();
    if has("spatial") && (has("filtered_feature_bc_matrix.h5") || has("filtered_feature_bc_matrix"))
    {
        return Ok(Format::Visium);
    }
    if has("matrix.mtx") || has("matrix.mtx.gz") {
        return Ok(Format::Mtx);
    }
    if has("counts.csv") || has("counts.csv.gz") {
        return Ok(Format::CountsCsv);
    }
    Err(Error::format(
        path,
        "the folder holds neither matrix.mtx[.gz] nor counts.csv[.gz] nor Space Ranger's outs \
         (spatial/ and filtered_feature_bc_matrix[.h5])",
    )
    .with_reason(Reason::MissingKey {
        key: "matrix.mtx".into(),
    }))
}

#[cfg(feature = "hdf5")]
fn detect_hdf5(path: &Path) -> Result<Format> {
    use super::h5ad::file;
    let file = file::open(path)?;
    let members = file.member_names().unwrap_or_default();
    let has = |name: &str| members.iter().any(|m| m == name);
    if has("obs") || has("var") || has("X") {
        return Ok(Format::H5ad);
    }
    // Version 3 has the group "matrix"; version 2 one group per genome.
    let is_genome = |name: &String| {
        file.group(name)
            .is_ok_and(|g| g.link_exists("barcodes") && g.link_exists("indptr"))
    };
    if has("matrix") || members.iter().any(is_genome) {
        return Ok(Format::TenxH5);
    }
    Err(Error::format(
        path,
        "the HDF5 file holds neither obs and var (.h5ad) nor matrix (10x .h5)",
    )
    .with_reason(Reason::MissingKey { key: "obs".into() }))
}

#[cfg(not(feature = "hdf5"))]
fn detect_hdf5(path: &Path) -> Result<Format> {
    Err(without_hdf5(path))
}

#[cfg(feature = "hdf5")]
fn open_h5ad(path: &Path, options: &OpenOptions) -> Result<Dataset> {
    super::h5ad::open(path, options)
}

#[cfg(not(feature = "hdf5"))]
fn open_h5ad(path: &Path, _options: &OpenOptions) -> Result<Dataset> {
    Err(without_hdf5(path))
}

#[cfg(feature = "hdf5")]
fn open_tenx_h5(path: &Path, options: &OpenOptions) -> Result<Dataset> {
    super::tenx_h5::open(path, options)
}

#[cfg(not(feature = "hdf5"))]
fn open_tenx_h5(path: &Path, _options: &OpenOptions) -> Result<Dataset> {
    Err(without_hdf5(path))
}

/// The error for HDF5 files in a build that cannot read them.
#[cfg(not(feature = "hdf5"))]
pub(crate) fn without_hdf5(path: &Path) -> Error {
    Error::new(
        crate::error::ErrorKind::Unsupported,
        format!(
            "{}: this build cannot read HDF5 files; build with the feature \"hdf5\"",
            path.display()
        ),
    )
    .with_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_other_formats_are_refused() {
        let with = |change: &dyn Fn(&mut OpenOptions)| {
            let mut options = OpenOptions::default();
            change(&mut options);
            options
        };
        let cases = [
            ("layer", with(&|o| o.layer = Some("counts".into()))),
            ("use_raw", with(&|o| o.use_raw = true)),
            ("genome", with(&|o| o.genome = Some("GRCh38".into()))),
            ("var_names", with(&|o| o.var_names = VarNames::GeneIds)),
        ];
        for (name, options) in &cases {
            let error = check_options(Format::CountsCsv, options).expect_err("refused");
            assert_eq!(error.argument_name(), Some(*name));
        }
        assert!(check_options(Format::CountsCsv, &OpenOptions::default()).is_ok());
        assert!(check_options(Format::H5ad, &cases[0].1).is_ok());
        assert!(check_options(Format::TenxH5, &cases[2].1).is_ok());
        assert!(check_options(Format::Mtx, &cases[3].1).is_ok());
    }
}
