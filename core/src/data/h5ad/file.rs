//! Opening HDF5 files: signature, length and lock checked before the library sees them.
//!
//! The library reports a cut file, a foreign file and a locked file through one vague error; the
//! superblock is read here first, so that each gets its own.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use hdf5::MinorErrorCode;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Reason, Result};

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// Where an HDF5 file begins and ends inside the file that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// Address of the superblock: the length of the user block. Addresses count from here.
    pub base: u64,
    /// Length the file says it has.
    pub end_of_file: u64,
    /// Bytes of an address.
    pub width: usize,
}

impl Superblock {
    /// Whether addresses are not simply eight bytes from the start of the file.
    pub(crate) fn is_unusual(self) -> bool {
        self.base != 0 || self.width != 8
    }
}

/// Opens a file for reading. No lock is kept, so that read-only and network mounts serve; a file
/// that is locked for writing is refused where the file system knows locks.
///
/// # Errors
/// `NotFound`; `UnsupportedFormat` with reason `NotHdf5` or `Truncated`; `Io` with reason `Locked`
/// for a file that a crashed or running writer has marked as open.
pub(crate) fn open(path: &Path) -> Result<hdf5::File> {
    check(path)?;
    refuse_locked(path)?;
    let open = |locking: bool| {
        hdf5::File::with_options()
            .with_fapl(|access| access.file_locking(locking))
            .open(path)
    };
    // A host that has the file open with locks forbids opening it without.
    open(false)
        .or_else(|error| match frames(&error).contains("locking flag") {
            true => open(true),
            false => Err(error),
        })
        .map_err(|e| open_error(path, e))
}

/// Writers that use the HDF5 library hold an exclusive lock.
pub(crate) fn refuse_locked(path: &Path) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::io(path, "opening", e))?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => Err(locked(path)),
        // The lock goes when the file is closed at the end of this function.
        _ => Ok(()),
    }
}

fn locked(path: &Path) -> Error {
    Error::new(
        ErrorKind::Io,
        format!(
            "{}: another process is writing the file, or left it marked so; wait for it, or clear \
             the mark with h5clear -s",
            path.display()
        ),
    )
    .with_reason(Reason::Locked)
    .with_file(path)
}

/// What each frame of the library's error says.
pub(super) fn frames(error: &hdf5::Error) -> String {
    let stack = error.stack();
    stack.map_or_else(String::new, |stack| {
        let frames: Vec<&str> = stack.iter().map(|f| f.desc()).collect();
        frames.join("; ")
    })
}

/// Checks signature and length; returns the superblock.
pub(crate) fn check(path: &Path) -> Result<Superblock> {
    let file = File::open(path).map_err(|e| Error::io(path, "opening", e))?;
    let length = file
        .metadata()
        .map_err(|e| Error::io(path, "reading its length", e))?
        .len();
    let superblock = find_superblock(path, &file, length)?;
    if superblock.end_of_file > length {
        return Err(Error::format(
            path,
            format!(
                "truncated: the file has {length} bytes and should have {}; copy or download it \
                 again",
                superblock.end_of_file
            ),
        )
        .with_reason(Reason::Truncated));
    }
    Ok(superblock)
}

/// The signature stands at 0, 512, 1024, 2048, ...
fn find_superblock(path: &Path, file: &File, length: u64) -> Result<Superblock> {
    let mut base = 0_u64;
    while base + 8 <= length {
        let mut signature = [0_u8; 8];
        file.read_exact_at(&mut signature, base)
            .map_err(|e| Error::io(path, "reading", e))?;
        if signature == SIGNATURE {
            return parse_superblock(path, file, base, length);
        }
        base = if base == 0 { 512 } else { base * 2 };
    }
    let message = if length == 0 {
        "the file is empty; an HDF5 file is expected"
    } else {
        "not an HDF5 file: its signature is absent"
    };
    Err(Error::format(path, message).with_reason(Reason::NotHdf5))
}

fn parse_superblock(path: &Path, file: &File, base: u64, length: u64) -> Result<Superblock> {
    let truncated = || {
        Error::format(
            path,
            format!("truncated inside its header at {length} bytes"),
        )
        .with_reason(Reason::Truncated)
    };
    let mut head = [0_u8; 96];
    let available = usize::try_from(length - base).map_or(96, |n| n.min(96));
    file.read_exact_at(&mut head[..available], base)
        .map_err(|e| Error::io(path, "reading", e))?;
    if available < 16 {
        return Err(truncated());
    }
    // Version, then where the four addresses begin and how wide they are.
    let (addresses, width) = match head[8] {
        0 => (24, usize::from(head[13])),
        1 => (28, usize::from(head[13])),
        2 | 3 => (12, usize::from(head[9])),
        version => {
            return Err(Error::format(
                path,
                format!("HDF5 superblock version {version} is unknown; 0 to 3 are"),
            ));
        }
    };
    if !matches!(width, 2 | 4 | 8) {
        return Err(Error::format(
            path,
            format!("HDF5 superblock: addresses of {width} bytes; 2, 4 or 8 are possible"),
        ));
    }
    let at = addresses + 2 * width;
    if at + width > available {
        return Err(truncated());
    }
    let mut end = [0_u8; 8];
    end[..width].copy_from_slice(&head[at..at + width]);
    Ok(Superblock {
        base,
        end_of_file: u64::from_le_bytes(end),
        width,
    })
}

fn open_error(path: &Path, error: hdf5::Error) -> Error {
    let marks = [
        "already open for write",
        "unable to lock file",
        "consistency flags",
    ];
    let text = frames(&error);
    if marks.iter().any(|words| text.contains(words)) {
        return locked(path).with_source(error);
    }
    if error.contains_minor(MinorErrorCode::NotHdf5) {
        return Error::format(path, "not an HDF5 file").with_reason(Reason::NotHdf5);
    }
    Error::format(path, format!("HDF5 cannot open it: {error}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), bytes).expect("written");
        file
    }

    #[test]
    fn foreign_and_empty_files_are_named_as_such() {
        for bytes in [&b""[..], &b"not hdf5"[..], &[b'x'; 5000]] {
            let error = check(write(bytes).path()).expect_err("refused");
            assert_eq!(error.reason(), &Reason::NotHdf5);
        }
    }

    #[test]
    fn a_cut_file_is_truncated_wherever_it_is_cut() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.h5");
        drop(hdf5::File::create(&path).expect("created"));
        let whole = std::fs::read(&path).expect("read");
        assert!(open(&path).is_ok());
        for length in [9, 20, 60, whole.len() - 1] {
            let error = open(write(&whole[..length]).path()).expect_err("refused");
            assert_eq!(error.reason(), &Reason::Truncated, "cut at {length}");
        }
    }

    #[test]
    fn a_file_that_the_host_has_open_opens_too() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.h5");
        drop(hdf5::File::create(&path).expect("created"));
        let host = hdf5::File::open(&path).expect("opened with locks");
        assert!(open(&path).is_ok());
        drop(host);
    }

    #[test]
    fn a_file_locked_by_its_writer_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.h5");
        drop(hdf5::File::create(&path).expect("created"));
        let writer = File::open(&path).expect("opened");
        flock(&writer, FlockOperation::LockExclusive).expect("locked");
        let error = open(&path).expect_err("refused");
        assert_eq!(error.reason(), &Reason::Locked);
        drop(writer);
        assert!(open(&path).is_ok());
    }

    #[test]
    fn a_user_block_is_found() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.h5");
        let file = hdf5::File::with_options()
            .with_fcpl(|create| create.userblock(1024))
            .create(&path)
            .expect("created");
        drop(file);
        assert_eq!(check(&path).expect("found").base, 1024);
        assert!(open(&path).is_ok());
    }
}
