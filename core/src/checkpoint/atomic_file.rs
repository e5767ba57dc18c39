//! Write beside, flush to disk, rename: the target is either the old file or the whole new one.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::error::{Error, Reason, Result};

/// A file that takes its final name only when it is whole.
///
/// Until [`commit`](AtomicFile::commit) the bytes live in `.<name>.<pid>.<random>.tmp` in the
/// same folder; dropping the value removes them. A link is resolved first, so that it survives;
/// the mode of an existing target is kept.
///
/// ```
/// # let dir = std::env::temp_dir();
/// # let path = dir.join(format!("cytosol-doc-{}", std::process::id()));
/// let mut file = cytosol::checkpoint::AtomicFile::create(&path)?;
/// file.write_all(b"whole")?;
/// file.commit()?;
/// assert_eq!(std::fs::read(&path).expect("written"), b"whole");
/// # std::fs::remove_file(&path).expect("cleaned");
/// # Ok::<(), cytosol::Error>(())
/// ```
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    temporary: tempfile::NamedTempFile,
}

impl AtomicFile {
    /// Begins a file that will become `target`.
    ///
    /// # Errors
    /// `Io` (reason `ReadOnly`, `DiskFull`) or `NotFound` when the folder cannot be written.
    pub fn create(target: &Path) -> Result<Self> {
        let target = std::fs::canonicalize(target).unwrap_or_else(|_| target.to_path_buf());
        let folder = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let Some(name) = target.file_name() else {
            return Err(Error::argument(
                "output",
                format!("{} is not a file name", target.display()),
            ));
        };
        remove_abandoned(folder, &name.to_string_lossy());
        let temporary = tempfile::Builder::new()
            .prefix(&format!(
                ".{}.{}.",
                name.to_string_lossy(),
                std::process::id()
            ))
            .suffix(".tmp")
            .tempfile_in(folder)
            .map_err(|e| Error::io(&target, "creating a temporary file beside it", e))?;
        Ok(AtomicFile { target, temporary })
    }

    /// The name it will take.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Where the bytes are until the commit; for libraries that write by name.
    pub fn temporary_path(&self) -> &Path {
        self.temporary.path()
    }

    /// The open temporary file.
    pub fn file_mut(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Appends bytes.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.temporary
            .write_all(bytes)
            .map_err(|e| Error::io(&self.target, "writing", e))
    }

    /// Makes the file, still empty, share the blocks of `source` (copy on write) where the file system
    /// can: no bytes are read, and none are taken until one of the two changes. Whether it did.
    pub fn share(&self, source: &File) -> bool {
        #[cfg(target_os = "linux")]
        let is_shared = rustix::fs::ioctl_ficlone(self.temporary.as_file(), source).is_ok();
        #[cfg(not(target_os = "linux"))]
        let is_shared = {
            let _ = source;
            false
        };
        is_shared
    }

    /// Takes the space for `bytes` now, where the file system can, so that it does not run out halfway.
    /// The length of the file stays as it is.
    ///
    /// # Errors
    /// `Io` with reason `DiskFull`, naming needed and available bytes.
    pub fn reserve(&self, bytes: u64) -> Result<()> {
        self.check_space(bytes)?;
        let file = self.temporary.as_file();
        match fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes.max(1)) {
            Err(Errno::NOSPC | Errno::DQUOT) => Err(disk_full(
                &self.target,
                bytes,
                free_space(self.temporary.path()).unwrap_or(0),
            )),
            // Others cannot reserve; writing will say what it meets.
            _ => Ok(()),
        }
    }

    /// Gives back what was reserved and not used.
    fn give_back(&self) -> std::io::Result<()> {
        let file = self.temporary.as_file();
        file.set_len(file.metadata()?.len())
    }

    /// Flushes to disk, takes the final name, flushes the folder.
    pub fn commit(self) -> Result<()> {
        let target = self.target.clone();
        let io = |doing, e| Error::io(&target, doing, e);
        let permissions = match std::fs::metadata(&target) {
            Ok(old) => old.permissions(),
            Err(_) => new_file_permissions(),
        };
        self.give_back().map_err(|e| io("cutting", e))?;
        let file = self.temporary.as_file();
        file.sync_all().map_err(|e| io("flushing", e))?;
        file.set_permissions(permissions)
            .map_err(|e| io("setting the mode", e))?;
        self.temporary
            .persist(&target)
            .map_err(|e| io("renaming the finished file", e.error))?;
        if let Some(folder) = target.parent().filter(|p| !p.as_os_str().is_empty()) {
            // Some file systems cannot flush a folder; the rename itself has happened.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }

    /// Fails early when the file system of `target` has less than `needed` bytes free.
    ///
    /// # Errors
    /// `Io` with reason `DiskFull`, naming needed and available bytes.
    pub fn check_space(&self, needed: u64) -> Result<()> {
        match free_space(self.temporary.path()) {
            Some(available) if available < needed => {
                Err(disk_full(&self.target, needed, available))
            }
            _ => Ok(()),
        }
    }
}

/// Fails when the file system of `path` has less than `needed` bytes free.
///
/// # Errors
/// `Io` with reason `DiskFull`, naming needed and available bytes.
pub fn check_space(path: &Path, needed: u64) -> Result<()> {
    match free_space(path) {
        Some(available) if available < needed => Err(disk_full(path, needed, available)),
        _ => Ok(()),
    }
}

/// Free bytes of the file system of `path`; `None` where it does not say.
fn free_space(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn disk_full(path: &Path, needed: u64, available: u64) -> Error {
    Error::new(
        crate::error::ErrorKind::Io,
        format!(
            "{}: disk full: {needed} bytes are needed and {available} are available",
            path.display()
        ),
    )
    .with_reason(Reason::DiskFull)
    .with_file(path)
}

/// How long an abandoned file must have been left alone: on a network file system its writer may
/// run on another machine.
const ABANDONED_AFTER: Duration = Duration::from_secs(300);

/// Removes temporary files of this target whose writers were killed. What cannot be looked at is left alone.
fn remove_abandoned(folder: &Path, name: &str) {
    // Another run may have been quicker.
    let _ = remove_where(folder, |target| target == name);
}

/// Removes the temporary files that killed writers left in a folder, and says how many: no process of their
/// number runs, and nothing was written for five minutes. A step removes those of its own target by itself.
///
/// # Errors
/// `NotFound` or `Io` when the folder cannot be listed.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// assert_eq!(cytosol::checkpoint::cleanup(folder.path())?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn cleanup(folder: &Path) -> Result<u64> {
    remove_where(folder, |_| true).map_err(|e| Error::io(folder, "listing", e))
}

/// Removes abandoned files of the targets that are meant. Nothing where processes cannot be looked up.
fn remove_where(folder: &Path, is_meant: impl Fn(&str) -> bool) -> std::io::Result<u64> {
    let entries = std::fs::read_dir(folder)?;
    if !Path::new("/proc/self").exists() {
        return Ok(0);
    }
    let mut n = 0;
    for entry in entries.flatten() {
        let file_name = entry.file_name();
        let Some((target, writer)) = file_name.to_str().and_then(target_and_writer) else {
            continue;
        };
        let age = entry
            .metadata()
            .and_then(|m| m.modified())
            .map(|t| t.elapsed().unwrap_or_default());
        let is_old = age.is_ok_and(|age| age > ABANDONED_AFTER);
        let runs = Path::new(&format!("/proc/{writer}")).exists();
        if is_meant(target) && is_old && !runs {
            n += u64::from(std::fs::remove_file(entry.path()).is_ok());
        }
    }
    Ok(n)
}

/// What a temporary file's name says.
fn target_and_writer(name: &str) -> Option<(&str, u32)> {
    let inner = name.strip_prefix('.')?.strip_suffix(".tmp")?;
    let (rest, _random) = inner.rsplit_once('.')?;
    let (target, process) = rest.rsplit_once('.')?;
    Some((target, process.parse().ok()?))
}

/// What the process's umask gives a new file (temporary files are private).
fn new_file_permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    let mask = std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|l| l.starts_with("Umask:"))?.to_owned();
            u32::from_str_radix(line.split_whitespace().nth(1)?, 8).ok()
        })
        .unwrap_or(0o022);
    std::fs::Permissions::from_mode(0o666 & !mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("folder")
            .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_dropped_file_leaves_the_old_one_and_no_rubbish() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.bin");
        std::fs::write(&path, b"old").expect("written");
        let mut file = AtomicFile::create(&path).expect("created");
        file.write_all(b"half").expect("written");
        assert_eq!(names(folder.path()).len(), 2);
        drop(file);
        assert_eq!(names(folder.path()), ["a.bin"]);
        assert_eq!(std::fs::read(&path).expect("read"), b"old");
    }

    #[test]
    fn a_link_survives_and_its_target_is_replaced() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.bin");
        let link = folder.path().join("link");
        std::fs::write(&path, b"old").expect("written");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        let mut file = AtomicFile::create(&link).expect("created");
        file.write_all(b"new").expect("written");
        file.commit().expect("committed");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&path).expect("read"), b"new");
    }

    #[test]
    fn what_killed_writers_left_is_removed() {
        let folder = tempfile::tempdir().expect("folder");
        let own = std::process::id();
        let old = std::time::SystemTime::now() - 2 * ABANDONED_AFTER;
        for (name, is_old, stays) in [
            (".a.bin.4294967295.xyz.tmp".to_owned(), true, false),
            (".a.bin.4294967295.new.tmp".to_owned(), false, true),
            (format!(".a.bin.{own}.xyz.tmp"), true, true),
            (".b.bin.4294967295.xyz.tmp".to_owned(), true, true),
            (".a.bin.name.tmp".to_owned(), true, true),
        ] {
            let path = folder.path().join(&name);
            let file = File::create(&path).expect("created");
            if is_old {
                file.set_modified(old).expect("set");
            }
            drop(AtomicFile::create(&folder.path().join("a.bin")).expect("created"));
            assert_eq!(path.exists(), stays, "{name}");
        }
    }

    #[test]
    fn a_folder_is_cleaned_of_what_killed_writers_left() {
        let folder = tempfile::tempdir().expect("folder");
        let own = std::process::id();
        let old = std::time::SystemTime::now() - 2 * ABANDONED_AFTER;
        let make = |name: &str, is_old: bool| {
            let file = File::create(folder.path().join(name)).expect("created");
            if is_old {
                file.set_modified(old).expect("set");
            }
        };
        for gone in [".a.h5ad.4294967295.xyz.tmp", ".b.4294967295.abc.tmp"] {
            make(gone, true);
        }
        let stay = [
            (format!(".a.h5ad.{own}.xyz.tmp"), true),
            (".a.h5ad.4294967295.new.tmp".to_owned(), false),
            (".a.h5ad.name.xyz.tmp".to_owned(), true),
            ("a.4294967295.xyz.tmp".to_owned(), true),
            (".hidden".to_owned(), true),
        ];
        for (name, is_old) in &stay {
            make(name, *is_old);
        }
        assert_eq!(cleanup(folder.path()).expect("cleaned"), 2);
        let mut expected: Vec<String> = stay.iter().map(|(name, _)| name.clone()).collect();
        expected.sort();
        assert_eq!(names(folder.path()), expected);
        let error = cleanup(&folder.path().join("none")).expect_err("missing");
        assert_eq!(error.kind(), crate::error::ErrorKind::NotFound);
    }

    #[test]
    fn a_shared_file_is_the_whole_source_and_a_refusal_writes_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::write(&from, vec![7; 10_000]).expect("written");
        let source = File::open(&from).expect("opened");
        let mut file = AtomicFile::create(&to).expect("created");
        let whole = match file.share(&source) {
            true => vec![7; 10_000],
            false => Vec::new(),
        };
        let bytes = std::fs::read(file.temporary_path()).expect("read");
        assert_eq!(bytes, whole);
        // The source does not follow what is written to the other.
        file.write_all(b"new").expect("written");
        file.commit().expect("committed");
        assert_eq!(std::fs::read(&to).expect("read")[..3], *b"new");
        assert_eq!(std::fs::read(&from).expect("read"), vec![7; 10_000]);
    }

    #[test]
    fn too_little_space_is_refused_beforehand() {
        let folder = tempfile::tempdir().expect("folder");
        let file = AtomicFile::create(&folder.path().join("a")).expect("created");
        let error = file.check_space(u64::MAX).expect_err("too large");
        assert_eq!(error.reason(), &Reason::DiskFull);
    }
}
