//! AnnData's `.h5ad`.

pub(crate) mod file;

use std::path::Path;

use super::dataset::{Dataset, OpenOptions};
use crate::error::{Error, Result};

/// Opens an `.h5ad` file; see [`crate::data::open`].
pub fn open(path: &Path, _options: &OpenOptions) -> Result<Dataset> {
    Err(Error::format(path, "being written"))
}
