//! Parts of a long job, kept in a folder until the job is whole.
//!
//! A host cuts its work into numbered parts that depend on its options only, writes each part as
//! it is done, and after a crash asks which parts are there. The journal knows nothing of what the
//! bytes mean; it makes sure that a part is whole, belongs to this work (`key`) and sits in its
//! place. Parts are written atomically, so a kill at any moment leaves whole parts only.
//!
//! Disk: the parts, 36 bytes each on top. Memory: one part.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::atomic_file::AtomicFile;
use crate::error::{Error, ErrorKind, Result};

const MAGIC: &[u8; 8] = b"CYTOPART";
const VERSION: u32 = 1;
const HEAD: usize = 36;
const PREFIX: &str = "part-";

/// A folder of finished parts.
///
/// ```
/// # let dir = std::env::temp_dir().join(format!("cytosol-journal-{}", std::process::id()));
/// use cytosol::checkpoint::Journal;
/// let mut journal = Journal::resume(&dir, 42, 3)?;
/// if journal.read(0)?.is_none() {
///     journal.write(0, b"first")?;
/// }
/// assert_eq!(Journal::resume(&dir, 42, 3)?.read(0)?.as_deref(), Some(&b"first"[..]));
/// journal.remove()?;
/// # Ok::<(), cytosol::Error>(())
/// ```
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    key: u64,
    n_parts: usize,
}

impl Journal {
    /// An empty journal for work of `n_parts` parts; parts left by earlier work are deleted.
    ///
    /// # Errors
    /// `Io` when the folder cannot be made or emptied; `InvalidArgument` when it holds files that
    /// no journal wrote.
    pub fn fresh(folder: &Path, key: u64, n_parts: usize) -> Result<Self> {
        let journal = Journal {
            folder: folder.to_path_buf(),
            key,
            n_parts,
        };
        journal.delete_parts()?;
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, "creating", e))?;
        Ok(journal)
    }

    /// The journal of this work, with the parts that are there; an empty one when there is none.
    ///
    /// # Errors
    /// `CheckpointMismatch` when the folder holds parts of other inputs, other options or another
    /// cutting; the message says how to start afresh. Otherwise as [`fresh`](Journal::fresh).
    pub fn resume(folder: &Path, key: u64, n_parts: usize) -> Result<Self> {
        let journal = Journal {
            folder: folder.to_path_buf(),
            key,
            n_parts,
        };
        for (_, path) in journal.list()? {
            let mut bytes = Vec::with_capacity(HEAD);
            fs::File::open(&path)
                .and_then(|file| file.take(HEAD as u64).read_to_end(&mut bytes))
                .map_err(|e| Error::io(&path, "reading", e))?;
            let Some(head) = Head::of(&bytes) else {
                continue;
            };
            if head.key != key || head.n_parts != n_parts as u64 {
                return Err(Error::new(
                    ErrorKind::CheckpointMismatch,
                    format!(
                        "{}: the parts there come from other inputs, other options or another \
                         batch size; use the same ones to go on, or delete the folder to start \
                         afresh",
                        folder.display()
                    ),
                )
                .with_file(folder));
            }
        }
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, "creating", e))?;
        Ok(journal)
    }

    /// Where the parts are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bytes of a part; `None` when it is not there or damaged (so that it is made again).
    ///
    /// # Errors
    /// `InvalidArgument` for a part beyond the last; `Io` when it cannot be read.
    pub fn read(&self, part: usize) -> Result<Option<Vec<u8>>> {
        let path = self.path(part)?;
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(&path, "reading", e)),
        };
        let expected = self.head(part, &bytes[HEAD.min(bytes.len())..]);
        Ok((Head::of(&bytes) == Some(expected)).then(|| bytes[HEAD..].to_vec()))
    }

    /// Writes a part, whole or not at all.
    ///
    /// # Errors
    /// `InvalidArgument` for a part beyond the last; `Io` (reason `DiskFull`, `ReadOnly`).
    pub fn write(&mut self, part: usize, bytes: &[u8]) -> Result<()> {
        let mut file = AtomicFile::create(&self.path(part)?)?;
        file.write_all(&self.head(part, bytes).to_bytes())?;
        file.write_all(bytes)?;
        file.commit()
    }

    /// Deletes the parts and the folder.
    ///
    /// # Errors
    /// `Io` when something cannot be deleted.
    pub fn remove(self) -> Result<()> {
        self.delete_parts()?;
        fs::remove_dir(&self.folder).map_err(|e| Error::io(&self.folder, "deleting", e))
    }

    fn path(&self, part: usize) -> Result<PathBuf> {
        if part >= self.n_parts {
            return Err(Error::argument(
                "part",
                format!("{part} is beyond the last of {} parts", self.n_parts),
            ));
        }
        Ok(self.folder.join(format!("{PREFIX}{part:08}")))
    }

    fn head(&self, part: usize, bytes: &[u8]) -> Head {
        Head {
            part: part as u64,
            n_parts: self.n_parts as u64,
            key: self.key,
            checksum: crc32c::crc32c(bytes),
        }
    }

    /// The files of the folder: parts, and temporary files of a part that a kill left behind.
    fn list(&self) -> Result<Vec<(String, PathBuf)>> {
        let io = |e| Error::io(&self.folder, "listing", e);
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(io(e)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = name.starts_with(PREFIX)
                || (name.starts_with(&format!(".{PREFIX}")) && name.ends_with(".tmp"));
            if !ours {
                return Err(Error::argument(
                    "checkpoint folder",
                    format!(
                        "{} holds {name:?}, which is not part of a checkpoint; move it away",
                        self.folder.display()
                    ),
                ));
            }
            found.push((name, entry.path()));
        }
        found.sort();
        Ok(found)
    }

    fn delete_parts(&self) -> Result<()> {
        for (_, path) in self.list()? {
            fs::remove_file(&path).map_err(|e| Error::io(&path, "deleting", e))?;
        }
        Ok(())
    }
}

/// What stands before the bytes of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    part: u64,
    n_parts: u64,
    key: u64,
    checksum: u32,
}

impl Head {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(self.part as u32).to_le_bytes());
        bytes.extend_from_slice(&self.n_parts.to_le_bytes());
        bytes.extend_from_slice(&self.key.to_le_bytes());
        bytes.extend_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let four = bytes.get(at..at + 4)?;
            Some(u32::from_le_bytes(four.try_into().ok()?))
        };
        let long = |at: usize| {
            let eight = bytes.get(at..at + 8)?;
            Some(u64::from_le_bytes(eight.try_into().ok()?))
        };
        if bytes.get(..8)? != MAGIC || word(8)? != VERSION {
            return None;
        }
        Some(Head {
            part: u64::from(word(12)?),
            n_parts: long(16)?,
            key: long(24)?,
            checksum: word(32)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().expect("folder");
        let path = home.path().join(".out.cyto-partial");
        (home, path)
    }

    #[test]
    fn parts_come_back_and_the_folder_goes_away() {
        let (_home, path) = folder();
        let mut journal = Journal::fresh(&path, 7, 4).expect("made");
        journal.write(2, b"two").expect("written");
        journal.write(0, b"").expect("written");
        let again = Journal::resume(&path, 7, 4).expect("same work");
        assert_eq!(again.read(2).expect("read").as_deref(), Some(&b"two"[..]));
        assert_eq!(again.read(0).expect("read").as_deref(), Some(&b""[..]));
        assert_eq!(again.read(1).expect("read"), None);
        assert!(again.read(4).is_err());
        again.remove().expect("removed");
        assert!(!path.exists());
    }

    #[test]
    fn parts_of_other_work_are_refused_or_replaced() {
        let (_home, path) = folder();
        let mut journal = Journal::fresh(&path, 7, 4).expect("made");
        journal.write(1, b"one").expect("written");
        for (key, n_parts) in [(8, 4), (7, 5)] {
            let error = Journal::resume(&path, key, n_parts).expect_err("other work");
            assert_eq!(error.kind(), ErrorKind::CheckpointMismatch);
            assert!(error.message().contains("start afresh"));
        }
        let fresh = Journal::fresh(&path, 8, 4).expect("emptied");
        assert_eq!(fresh.read(1).expect("read"), None);
    }

    #[test]
    fn every_damaged_byte_of_a_part_is_noticed() {
        let (_home, path) = folder();
        let mut journal = Journal::fresh(&path, 7, 1).expect("made");
        journal.write(0, b"some bytes").expect("written");
        let file = path.join("part-00000000");
        let whole = fs::read(&file).expect("read");
        assert_eq!(whole.len(), HEAD + 10);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&file, &damaged).expect("written");
            assert_eq!(journal.read(0).expect("read"), None, "byte {at}");
        }
        for length in 0..whole.len() {
            fs::write(&file, &whole[..length]).expect("written");
            assert_eq!(journal.read(0).expect("read"), None, "{length} bytes");
        }
    }

    #[test]
    fn rubbish_of_a_kill_is_swept_and_foreign_files_are_not() {
        let (_home, path) = folder();
        drop(Journal::fresh(&path, 7, 2).expect("made"));
        fs::write(path.join(".part-00000001.123.abc.tmp"), b"half").expect("written");
        Journal::resume(&path, 7, 2)
            .expect("resumed")
            .remove()
            .expect("swept");
        fs::create_dir_all(&path).expect("made");
        fs::write(path.join("thesis.tex"), b"precious").expect("written");
        let error = Journal::fresh(&path, 7, 2).expect_err("not ours");
        assert!(error.message().contains("thesis.tex"));
        assert!(path.join("thesis.tex").exists());
    }
}
