//! Text files that may be compressed: finding them, opening them, and what their faults are called.
//!
//! Compression is told by gzip's signature, never by the name. Several gzip members in a row
//! (bgzip) read as one file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Reason, Result};

const BUFFER: usize = 1 << 18;

/// Opens a text file, unpacking gzip.
pub(crate) fn open_text(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    let file = File::open(path).map_err(|e| Error::io(path, "opening", e))?;
    let mut raw = BufReader::with_capacity(BUFFER, file);
    let start = raw.fill_buf().map_err(|e| read_error(path, e))?;
    if start.starts_with(&[0x1f, 0x8b]) {
        let unpacked = MultiGzDecoder::new(raw);
        return Ok(Box::new(BufReader::with_capacity(BUFFER, unpacked)));
    }
    Ok(Box::new(raw))
}

/// The error for a read that failed: a cut or damaged gzip stream is the file's fault, not the
/// system's.
pub(crate) fn read_error(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Error::format(path, "the compressed text ends before its end mark")
                .with_reason(Reason::Truncated)
                .with_source(error)
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            Error::format(path, format!("not readable as (gzip) text: {error}")).with_source(error)
        }
        _ => Error::io(path, "reading", error),
    }
}

/// The first of these files that lies in the folder, plain or with `.gz`.
pub(crate) fn find_text(folder: &Path, names: &[&str]) -> Option<PathBuf> {
    names
        .iter()
        .flat_map(|name| [folder.join(name), folder.join(format!("{name}.gz"))])
        .find(|path| path.is_file())
}

/// The separated fields of every line, without a header and without quoting, at most `limit` a
/// line. Empty lines at the end are dropped.
pub(crate) fn read_fields(path: &Path, separator: u8, limit: usize) -> Result<Vec<Vec<String>>> {
    let mut text = String::new();
    open_text(path)?
        .read_to_string(&mut text)
        .map_err(|e| read_error(path, e))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text
        .trim_end_matches(['\n', '\r'])
        .lines()
        .map(|line| {
            let line = line.strip_suffix('\r').unwrap_or(line);
            line.split(char::from(separator))
                .take(limit)
                .map(str::to_owned)
                .collect()
        })
        .collect())
}

/// File name for messages.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::io::Write;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(text).expect("in memory");
        writer.finish().expect("in memory")
    }

    #[test]
    fn gzip_is_told_by_content_and_members_are_joined() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("names.tsv");
        std::fs::write(&path, b"a\tb\tc\r\nd\n\n").expect("written");
        let plain = read_fields(&path, b'\t', 2).expect("read");
        assert_eq!(plain, [vec!["a", "b"], vec!["d"]]);
        let mut members = packed(b"a\tb\tc\n");
        members.extend(packed(b"d\n"));
        std::fs::write(&path, &members).expect("written");
        assert_eq!(read_fields(&path, b'\t', 2).expect("read"), plain);
        assert_eq!(find_text(folder.path(), &["x", "names.tsv"]), Some(path));
    }

    #[test]
    fn cut_and_foreign_streams_are_format_errors() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("names.tsv.gz");
        let whole = packed(&b"barcode\n".repeat(1000));
        for cut in 2..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("written");
            let error = read_fields(&path, b'\t', 1).expect_err("cut");
            assert_eq!(error.reason(), &Reason::Truncated, "cut at {cut}: {error}");
        }
        std::fs::write(&path, b"\xff\xfe\x00").expect("written");
        let error = read_fields(&path, b'\t', 1).expect_err("no UTF-8");
        assert_eq!(error.kind(), ErrorKind::UnsupportedFormat);
    }
}
