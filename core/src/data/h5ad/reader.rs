//! Opening an `.h5ad`: which matrix, its tables, coordinates, and what else is there.

use std::path::Path;

use hdf5::{Dataset as H5Dataset, Group, LocationType};

use super::array::{NumberArray, corrupt, reserve};
use super::chunk::filter_words;
use super::csc::CscCells;
use super::csr::CsrCells;
use super::dense::DenseCells;
use super::encoding::{TableReader, encoding_of, exists, missing_key};
use super::filters::Scratch;
use super::obsm;
use super::strings::{attribute_shape, attribute_string};
use crate::data::dataset::{
    Dataset, DatasetInfo, Format, MatrixLayout, OpenOptions, warn_of_duplicates,
};
use crate::data::numbers::append_i64;
use crate::data::source::CellBlocks;
use crate::error::{Error, Result, name_some, nearest_name};

/// Opens an `.h5ad` file; see [`crate::data::open()`].
///
/// # Cost
/// Time and memory grow with the tables and the row (CSR) or column (CSC) pointers; the values of
/// the matrix stay on disk.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Dataset> {
    let file = super::file::open(path)?;
    let root: &Group = &file;
    let layers = member_names(root, "layers");
    let (matrix, var_name) = choose_matrix(path, root, options, &layers)?;
    let mut warnings = Vec::new();
    let mut tables = TableReader {
        path,
        root,
        warnings: &mut warnings,
    };
    let obs = tables.read("obs")?;
    let var = tables.read(&var_name)?;
    let (counts, mut info) = open_matrix(path, root, &matrix)?;
    check_shape(path, &matrix, counts.as_ref(), obs.n_rows(), var.n_rows())?;
    let obsm = obsm::read(path, root, obs.n_rows(), &options.obsm, &mut warnings)?;
    warn_of_duplicates("obs", &obs.index, &mut warnings);
    warn_of_duplicates(&var_name, &var.index, &mut warnings);
    info.n_cells = counts.n_cells();
    info.n_genes = counts.n_genes();
    info.layers = layers;
    info.has_raw = raw_key(root, "X").is_some();
    info.members = list_members(root);
    info.warnings = warnings;
    Ok(Dataset {
        counts,
        obs,
        var,
        obsm,
        info,
    })
}

/// `raw/X`, or `raw.X` as old files have it.
fn raw_key(root: &Group, member: &str) -> Option<String> {
    ["raw/", "raw."]
        .iter()
        .map(|prefix| format!("{prefix}{member}"))
        .find(|key| exists(root, key))
}

/// The matrix asked for and the table of its genes.
fn choose_matrix(
    path: &Path,
    root: &Group,
    options: &OpenOptions,
    layers: &[String],
) -> Result<(String, String)> {
    if options.use_raw && options.layer.is_some() {
        return Err(Error::argument(
            "use_raw",
            "raw has no layers; give either a layer or use_raw",
        ));
    }
    if let Some(layer) = &options.layer {
        let key = format!("layers/{layer}");
        if exists(root, &key) {
            return Ok((key, "var".to_owned()));
        }
        return Err(absent_matrix(path, &key, layers));
    }
    if options.use_raw {
        return match (raw_key(root, "X"), raw_key(root, "var")) {
            (Some(x), Some(var)) => Ok((x, var)),
            _ => Err(missing_key(path, "raw/X", "the file has no raw matrix")),
        };
    }
    if root.link_exists("X") {
        return Ok(("X".to_owned(), "var".to_owned()));
    }
    Err(absent_matrix(path, "X", layers))
}

/// The error for a matrix that must be there, with those that are.
pub(super) fn absent_matrix(path: &Path, key: &str, layers: &[String]) -> Error {
    let why = match key.strip_prefix("layers/") {
        None if layers.is_empty() => "a matrix is required".to_owned(),
        None => format!("choose one of the layers: {}", name_some(layers, 20)),
        Some(layer) => match nearest_name(layer, layers.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near:?}? layers: {}", name_some(layers, 20)),
            None => "the file has no layers".to_owned(),
        },
    };
    missing_key(path, key, &why)
}

fn open_matrix(
    path: &Path,
    root: &Group,
    name: &str,
) -> Result<(Box<dyn CellBlocks>, DatasetInfo)> {
    if let Ok(dataset) = root.dataset(name) {
        return open_dense(path, dataset, name);
    }
    let group = root.group(name).map_err(|e| unreadable(path, name, e))?;
    let encoding = encoding_of(&group);
    let legacy = attribute_string(&group, "h5sparse_format").unwrap_or_default();
    let by_rows = match (encoding.as_str(), legacy.as_str()) {
        ("csr_matrix", _) | ("", "csr") => true,
        ("csc_matrix", _) | ("", "csc") => false,
        _ => {
            return Err(Error::format(
                path,
                format!(
                    "{name}: encoding {encoding:?} is not a matrix of counts; csr_matrix, \
                     csc_matrix or a dense array is"
                ),
            ));
        }
    };
    let shape =
        attribute_shape(&group, "shape").or_else(|| attribute_shape(&group, "h5sparse_shape"));
    let Some(shape) = shape else {
        let key = format!("{name} attribute shape");
        return Err(missing_key(path, &key, "two sizes are required"));
    };
    open_sparse(path, &group, name, shape, by_rows)
}

/// The error for a member that is there and cannot be opened.
pub(super) fn unreadable(path: &Path, name: &str, error: hdf5::Error) -> Error {
    Error::format(
        path,
        format!(
            "{name} is there, but HDF5 cannot open it: {error}; the file is damaged or was \
             written in the format of a newer HDF5 (libver=\"latest\")"
        ),
    )
    .with_source(error)
}

fn open_dense(
    path: &Path,
    dataset: H5Dataset,
    name: &str,
) -> Result<(Box<dyn CellBlocks>, DatasetInfo)> {
    let mut info = DatasetInfo::new(path, Format::H5ad, MatrixLayout::Dense);
    if dataset.ndim() != 2 {
        let n = dataset.ndim();
        return Err(Error::format(
            path,
            format!("{name}: {n} dimensions; a matrix has two"),
        ));
    }
    info.filters = filter_words(&dataset);
    info.chunk = dataset.chunk();
    let array = NumberArray::open(path, dataset, name)?;
    describe(&mut info, &array, name);
    info.n_entries = array.shape().iter().map(|&n| n as u64).product();
    check_n_genes(path, name, array.shape()[1])?;
    Ok((Box::new(DenseCells::new(path.to_path_buf(), array)), info))
}

pub(crate) fn open_sparse(
    path: &Path,
    group: &Group,
    name: &str,
    shape: [usize; 2],
    by_rows: bool,
) -> Result<(Box<dyn CellBlocks>, DatasetInfo)> {
    let layout = if by_rows {
        MatrixLayout::Csr
    } else {
        MatrixLayout::Csc
    };
    let mut info = DatasetInfo::new(path, Format::H5ad, layout);
    let member = |key: &str| sparse_member(path, group, name, key);
    let (dataset, full) = member("data")?;
    info.filters = filter_words(&dataset);
    info.chunk = dataset.chunk();
    let data = NumberArray::open(path, dataset, &full)?;
    let (dataset, full) = member("indices")?;
    let indices = NumberArray::open(path, dataset, &full)?;
    let (dataset, full) = member("indptr")?;
    let indptr = NumberArray::open(path, dataset, &full)?;
    describe(&mut info, &data, name);
    info.fast_path &= indices.is_fast();
    info.n_entries = data.shape()[0] as u64;
    check_n_genes(path, name, shape[1])?;
    let [n_major, n_minor] = if by_rows { shape } else { [shape[1], shape[0]] };
    let pointers = check_sparse(path, &indptr, &indices, &data, n_major)?;
    let (path, name) = (path.to_path_buf(), name.to_owned());
    let counts: Box<dyn CellBlocks> = if by_rows {
        Box::new(CsrCells::new(path, name, n_minor, pointers, indices, data))
    } else {
        check_n_genes(&path, &name, n_minor)?;
        Box::new(CscCells::new(path, name, n_minor, pointers, indices, data))
    };
    Ok((counts, info))
}

/// One of the three datasets of a sparse matrix, and its full name.
pub(super) fn sparse_member(
    path: &Path,
    group: &Group,
    name: &str,
    key: &str,
) -> Result<(H5Dataset, String)> {
    let full = format!("{name}/{key}");
    if !group.link_exists(key) {
        let present = name_some(&group.member_names().unwrap_or_default(), 20);
        let why = format!("a sparse matrix has data, indices, indptr; present: {present}");
        return Err(missing_key(path, &full, &why));
    }
    match group.dataset(key) {
        Ok(dataset) => Ok((dataset, full)),
        Err(e) => Err(unreadable(path, &full, e)),
    }
}

fn describe(info: &mut DatasetInfo, values: &NumberArray, name: &str) {
    info.matrix = name.to_owned();
    info.dtype = values.kind().name().to_owned();
    info.fast_path = values.is_fast();
}

/// Indices are kept in 32 bits.
pub(super) fn check_n_genes(path: &Path, name: &str, n: usize) -> Result<()> {
    if n < u32::MAX as usize {
        return Ok(());
    }
    Err(Error::format(
        path,
        format!("{name}: an axis of {n} is too long; fewer than 4294967295 are possible"),
    ))
}

/// Checks the structure of a compressed matrix and returns its pointers.
///
/// # Errors
/// `UnsupportedFormat`, reason `CorruptMatrix`, naming the first element at fault.
pub(crate) fn check_sparse(
    path: &Path,
    indptr: &NumberArray,
    indices: &NumberArray,
    data: &NumberArray,
    n_major: usize,
) -> Result<Vec<u64>> {
    for array in [indptr, indices] {
        if !array.kind().is_integer() {
            let kind = array.kind().name();
            return Err(array.corrupt(0, format!("{kind} elements; integers are required")));
        }
    }
    let n_entries = data.shape()[0];
    if indices.shape()[0] != n_entries {
        let n = indices.shape()[0];
        return Err(indices.corrupt(
            n.min(n_entries) as u64,
            format!("{n} indices for {n_entries} values; there must be one for each"),
        ));
    }
    read_pointers(path, indptr, n_major, n_entries as u64)
}

fn read_pointers(
    path: &Path,
    indptr: &NumberArray,
    n_major: usize,
    n_entries: u64,
) -> Result<Vec<u64>> {
    let n = indptr.shape()[0];
    if n != n_major + 1 {
        return Err(indptr.corrupt(
            n.min(n_major + 1) as u64,
            format!(
                "{n} pointers; a matrix of {n_major} rows has {}",
                n_major + 1
            ),
        ));
    }
    let mut pointers: Vec<u64> = reserve(n, path, indptr.name())?;
    let mut scratch = Scratch::new();
    let mut values = Vec::new();
    for piece in 0..indptr.grid()[0] {
        let piece = indptr.decode(&mut scratch, indptr.fetch(piece)?)?;
        values.clear();
        append_i64(indptr.decoded_kind(), &piece.bytes, &mut values);
        for &value in &values {
            let position = pointers.len() as u64;
            let before = pointers.last().copied().unwrap_or(0);
            let fault = match u64::try_from(value) {
                Ok(v) if position == 0 && v != 0 => format!("{v}; the first pointer is 0"),
                Ok(v) if v < before => format!("{v} after {before}; pointers never decrease"),
                Ok(v) if v > n_entries => {
                    format!("{v} points behind the {n_entries} stored values")
                }
                Ok(v) => {
                    pointers.push(v);
                    continue;
                }
                Err(_) => format!("{value} is negative or too large"),
            };
            return Err(corrupt(path, indptr.name(), position, fault));
        }
    }
    match pointers.last() {
        Some(&last) if last == n_entries => Ok(pointers),
        last => {
            let last = last.copied().unwrap_or(0);
            let fault = format!("{last}; the last pointer is the number of values, {n_entries}");
            Err(corrupt(path, indptr.name(), n_major as u64, fault))
        }
    }
}

fn check_shape(
    path: &Path,
    matrix: &str,
    counts: &dyn CellBlocks,
    n_obs: usize,
    n_var: usize,
) -> Result<()> {
    let (n_cells, n_genes) = (counts.n_cells(), counts.n_genes());
    if (n_cells, n_genes) == (n_obs, n_var) {
        return Ok(());
    }
    Err(Error::format(
        path,
        format!(
            "{matrix} is {n_cells} x {n_genes}, but obs has {n_obs} rows and its table of genes \
             {n_var}"
        ),
    ))
}

/// Names of the members of a group in alphabetical order; none when it is absent.
pub(crate) fn member_names(root: &Group, name: &str) -> Vec<String> {
    let names = root.group(name).and_then(|g| g.member_names());
    let mut names = names.unwrap_or_default();
    names.sort();
    names
}

/// Paths of everything beside matrices and tables, two levels deep.
fn list_members(root: &Group) -> Vec<String> {
    let mut members = Vec::new();
    for name in ["obsm", "varm", "obsp", "varp", "uns"] {
        for member in member_names(root, name) {
            members.push(format!("{name}/{member}"));
        }
    }
    let known = [
        "X", "layers", "obs", "obsm", "obsp", "raw", "raw.X", "raw.var", "raw.varm", "uns", "var",
        "varm", "varp",
    ];
    let mut others = root.member_names().unwrap_or_default();
    others.retain(|n| !known.contains(&n.as_str()));
    others.sort();
    members.extend(others);
    members
}

/// Whether a member is a group.
pub(crate) fn is_group(parent: &Group, name: &str) -> bool {
    matches!(parent.loc_type_by_name(name), Ok(LocationType::Group))
}
