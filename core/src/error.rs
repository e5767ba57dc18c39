//! One error type for the whole engine.
//!
//! A message is one line that says where (argument, file, row, gene), what is wrong with the value
//! and what would be right. [`ErrorKind`] is what a program branches on; [`Reason`] narrows it down
//! and carries the position, so that no host has to parse the message.

use std::fmt;
use std::path::{Path, PathBuf};

/// Result of every fallible function of the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was; maps one to one onto the status codes of the C ABI.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// An argument or option is outside its range, or arguments do not fit each other.
    InvalidArgument,
    /// The data are readable but not usable: negative counts, NaN, no common genes.
    InvalidData,
    /// A file, key, column, gene or cell type does not exist.
    NotFound,
    /// A file is not in a layout that this crate reads, or it is damaged.
    UnsupportedFormat,
    /// The operating system refused a read or a write.
    Io,
    /// Memory of the asked size could not be had, or the budget does not allow it.
    OutOfMemory,
    /// An iteration ended without converging where the caller asked for convergence.
    NotConverged,
    /// The caller's progress callback or cancel token stopped the work.
    Cancelled,
    /// The asked device is absent.
    DeviceUnavailable,
    /// The request is understood but not supported (yet).
    Unsupported,
    /// A handle is in use, poisoned, or the steps came in the wrong order.
    State,
    /// A partial result or checkpoint belongs to other inputs or other options.
    CheckpointMismatch,
    /// A callback of the host failed.
    Callback,
    /// A bug of this crate.
    Internal,
}

/// Why, precisely; empty fields are unknown.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Reason {
    /// Nothing beyond the kind and the message.
    #[default]
    General,
    /// The file has no HDF5 signature.
    NotHdf5,
    /// The file ends before its own header says.
    Truncated,
    /// Sparse structure broken at `position` of `dataset`.
    CorruptMatrix {
        /// Dataset or argument name, for example `X/indptr`.
        dataset: String,
        /// Zero-based element position.
        position: u64,
    },
    /// A Matrix Market file broken at a one-based line.
    CorruptMtx {
        /// One-based line number.
        line: u64,
    },
    /// A chunk filter that is not available.
    MissingFilter {
        /// HDF5 filter id.
        id: u32,
        /// Dataset that uses it.
        dataset: String,
    },
    /// A key that the file lacks.
    MissingKey {
        /// The key asked for.
        key: String,
    },
    /// A value that counts cannot have.
    InvalidValue {
        /// Zero-based row (cell, pixel).
        row: u64,
        /// Zero-based column (gene).
        column: u64,
        /// The value.
        value: f64,
    },
    /// Another process holds the file.
    Locked,
    /// The file or folder cannot be written.
    ReadOnly,
    /// No space left.
    DiskFull,
    /// The inputs share no gene.
    NoCommonGenes,
    /// The gene filters left too few genes.
    TooFewGenes,
    /// Cell types with too few cells.
    TooFewCells {
        /// Their names.
        cell_types: Vec<String>,
    },
    /// The filters left no pixel.
    NoPixels,
    /// No pixel is eligible for the estimate of sigma.
    NoSigmaPixels,
    /// A quantity of this gene is not finite.
    NonFinite {
        /// Gene name.
        gene: String,
    },
}

impl Reason {
    /// Stable lower-case name, as used in the JSON detail of the C ABI.
    pub fn name(&self) -> &'static str {
        match self {
            Reason::General => "general",
            Reason::NotHdf5 => "not_hdf5",
            Reason::Truncated => "truncated",
            Reason::CorruptMatrix { .. } => "corrupt_matrix",
            Reason::CorruptMtx { .. } => "corrupt_mtx",
            Reason::MissingFilter { .. } => "missing_filter",
            Reason::MissingKey { .. } => "missing_key",
            Reason::InvalidValue { .. } => "invalid_value",
            Reason::Locked => "locked",
            Reason::ReadOnly => "read_only",
            Reason::DiskFull => "disk_full",
            Reason::NoCommonGenes => "no_common_genes",
            Reason::TooFewGenes => "too_few_genes",
            Reason::TooFewCells { .. } => "too_few_cells",
            Reason::NoPixels => "no_pixels",
            Reason::NoSigmaPixels => "no_sigma_pixels",
            Reason::NonFinite { .. } => "non_finite",
        }
    }
}

/// The error of every fallible function.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    /// Boxed, so that a `Result` stays small on the way up.
    place: Box<Place>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync + 'static>>,
}

#[derive(Debug, Default)]
struct Place {
    reason: Reason,
    argument: Option<String>,
    file: Option<PathBuf>,
}

impl Error {
    /// An error of `kind` with a one-line message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            place: Box::default(),
            source: None,
        }
    }

    /// An argument that cannot be used; the message is prefixed with its name.
    pub fn argument(argument: impl Into<String>, message: impl fmt::Display) -> Self {
        let argument = argument.into();
        let mut error = Error::new(ErrorKind::InvalidArgument, format!("{argument}: {message}"));
        error.place.argument = Some(argument);
        error
    }

    /// Data that cannot be used.
    pub fn data(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidData, message)
    }

    /// An operating-system error on `path`, with its special cases recognised.
    pub fn io(path: &Path, doing: &str, source: std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let (kind, reason) = match source.kind() {
            K::NotFound => (ErrorKind::NotFound, Reason::General),
            K::PermissionDenied | K::ReadOnlyFilesystem => (ErrorKind::Io, Reason::ReadOnly),
            K::StorageFull | K::QuotaExceeded => (ErrorKind::Io, Reason::DiskFull),
            K::WouldBlock => (ErrorKind::Io, Reason::Locked),
            _ => (ErrorKind::Io, Reason::General),
        };
        let mut error = Error::new(kind, format!("{}: {doing}: {source}", path.display()));
        error.place.reason = reason;
        error.place.file = Some(path.to_path_buf());
        error.source = Some(Box::new(source));
        error
    }

    /// A file that is damaged or of an unknown layout.
    pub fn format(path: &Path, message: impl fmt::Display) -> Self {
        let mut error = Error::new(
            ErrorKind::UnsupportedFormat,
            format!("{}: {message}", path.display()),
        );
        error.place.file = Some(path.to_path_buf());
        error
    }

    /// The work was stopped by the caller.
    pub fn cancelled() -> Self {
        Error::new(ErrorKind::Cancelled, "cancelled by the caller")
    }

    /// The same error with a precise reason.
    #[must_use]
    pub fn with_reason(mut self, reason: Reason) -> Self {
        self.place.reason = reason;
        self
    }

    /// The same error with the file it concerns.
    #[must_use]
    pub fn with_file(mut self, path: &Path) -> Self {
        self.place.file = Some(path.to_path_buf());
        self
    }

    /// The same error with its argument's name (the message is left as it is).
    #[must_use]
    pub fn with_argument(mut self, argument: impl Into<String>) -> Self {
        self.place.argument = Some(argument.into());
        self
    }

    /// The same error with the error that caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The same error with `context: ` put before its message.
    #[must_use]
    pub fn in_context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Why, precisely.
    pub fn reason(&self) -> &Reason {
        &self.place.reason
    }

    /// The one-line message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The argument at fault, when there is one.
    pub fn argument_name(&self) -> Option<&str> {
        self.place.argument.as_deref()
    }

    /// The file at fault, when there is one.
    pub fn file(&self) -> Option<&Path> {
        self.place.file.as_deref()
    }
}

/// At most `limit` names in quotes, and how many more there are: `"A", "B", "C" and 4 more`.
pub fn name_some<S: AsRef<str>>(names: &[S], limit: usize) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(limit)
        .map(|n| format!("{:?}", n.as_ref()))
        .collect();
    let more = names.len().saturating_sub(limit);
    if more == 0 {
        shown.join(", ")
    } else {
        format!("{} and {more} more", shown.join(", "))
    }
}

/// The known name closest to `given`, for "did you mean" in messages about unknown keys.
pub fn nearest_name<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .min_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(b.1)))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_the_argument() {
        let error = Error::argument("n_fit", "0 is too small; must be at least 1");
        assert_eq!(
            error.to_string(),
            "n_fit: 0 is too small; must be at least 1"
        );
        assert_eq!(error.argument_name(), Some("n_fit"));
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn operating_system_errors_are_recognised() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = Error::io(Path::new("x.h5ad"), "writing", full);
        assert_eq!(error.reason(), &Reason::DiskFull);
        assert_eq!(error.file(), Some(Path::new("x.h5ad")));
    }

    #[test]
    fn names_are_listed_up_to_the_limit() {
        assert_eq!(name_some(&["a", "b"], 3), r#""a", "b""#);
        assert_eq!(
            name_some(&["a", "b", "c", "d"], 3),
            r#""a", "b", "c" and 1 more"#
        );
    }

    #[test]
    fn nearest_name_is_found() {
        assert_eq!(
            nearest_name("umi_mim", ["umi_max", "umi_min"]),
            Some("umi_min")
        );
    }
}
