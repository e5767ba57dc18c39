//! Matrices of `.h5ad` files as sources of rows, read and decoded on the workers.
//!
//! Compressed rows and dense arrays are read where they lie. Compressed columns are turned round
//! once, outside memory, by [`crate::data::transpose`].

mod dense;
mod sparse;

use std::path::Path;

use hdf5::Group;

pub(crate) use dense::DenseRows;
pub(crate) use sparse::{SparseRows, SparseValues};

use super::array::NumberArray;
use super::encoding::{encoding_of, exists, missing_key};
use super::reader::{absent_matrix, member_names};
use super::strings::{attribute_shape, attribute_string};
use crate::data::dataset::MatrixLayout;
use crate::error::{Error, Result};

/// A matrix of a file, as it is stored.
pub(crate) enum StoredMatrix {
    /// Compressed rows (CSR), or columns (CSC): the major axis is the compressed one.
    Sparse {
        /// Rows are what the source calls cells; columns of a CSC matrix.
        major: Box<SparseRows>,
        /// CSR or CSC.
        layout: MatrixLayout,
    },
    /// Every value stored.
    Dense(DenseRows),
}

impl StoredMatrix {
    /// Opens the member `name` (`"X"`, `"layers/counts"`, `"raw/X"`).
    ///
    /// # Errors
    /// `UnsupportedFormat`, reasons `MissingKey`, `CorruptMatrix`, `MissingFilter`.
    pub(crate) fn open(path: &Path, root: &Group, name: &str) -> Result<Self> {
        if !exists(root, name) {
            let layers = member_names(root, "layers");
            return Err(absent_matrix(path, name, &layers));
        }
        if let Ok(dataset) = root.dataset(name) {
            if dataset.ndim() != 2 {
                let n = dataset.ndim();
                return Err(Error::format(
                    path,
                    format!("{name}: {n} dimensions; a matrix has two"),
                ));
            }
            let array = NumberArray::open(path, dataset, name)?;
            return Ok(StoredMatrix::Dense(DenseRows::new(array)));
        }
        let group = root
            .group(name)
            .map_err(|e| super::reader::unreadable(path, name, e))?;
        let layout = sparse_layout(path, &group, name)?;
        let shape = attribute_shape(&group, "shape")
            .or_else(|| attribute_shape(&group, "h5sparse_shape"))
            .ok_or_else(|| {
                let key = format!("{name} attribute shape");
                missing_key(path, &key, "two sizes are required")
            })?;
        let major = SparseRows::open(path, &group, name, shape, layout)?;
        Ok(StoredMatrix::Sparse {
            major: Box::new(major),
            layout,
        })
    }
}

/// CSR or CSC, by the attributes of every anndata release.
fn sparse_layout(path: &Path, group: &Group, name: &str) -> Result<MatrixLayout> {
    let encoding = encoding_of(group);
    let legacy = attribute_string(group, "h5sparse_format").unwrap_or_default();
    match (encoding.as_str(), legacy.as_str()) {
        ("csr_matrix", _) | ("", "csr") => Ok(MatrixLayout::Csr),
        ("csc_matrix", _) | ("", "csc") => Ok(MatrixLayout::Csc),
        _ => Err(Error::format(
            path,
            format!(
                "{name}: encoding {encoding:?} is not a matrix; csr_matrix, csc_matrix or a dense \
                 array is"
            ),
        )),
    }
}
