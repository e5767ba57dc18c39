//! The head of a Matrix Market file: what kind of matrix, how large.

use std::io::BufRead;
use std::path::Path;

use crate::data::text_file::{file_name, read_error};
use crate::error::{Error, Reason, Result};

/// Type of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Integer,
    Real,
    /// No values: every entry is a one.
    Pattern,
}

impl Field {
    pub(super) fn name(self) -> &'static str {
        match self {
            Field::Integer => "integer",
            Field::Real => "real",
            Field::Pattern => "pattern",
        }
    }
}

/// Banner and size line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Header {
    pub(super) field: Field,
    pub(super) n_genes: usize,
    pub(super) n_cells: usize,
    pub(super) n_entries: u64,
    /// Number of the size line, from 1.
    pub(super) line: u64,
}

/// The error for a broken line.
pub(super) fn corrupt(path: &Path, line: u64, message: impl std::fmt::Display) -> Error {
    Error::format(path, format!("line {line}: {message}")).with_reason(Reason::CorruptMtx { line })
}

impl Header {
    /// Reads up to and with the size line.
    pub(super) fn read(path: &Path, text: &mut dyn BufRead) -> Result<Self> {
        let mut line = Vec::new();
        let mut number = 0;
        let mut field = None;
        loop {
            line.clear();
            let n = text
                .read_until(b'\n', &mut line)
                .map_err(|e| read_error(path, e))?;
            number += 1;
            if n == 0 {
                return Err(corrupt(path, number, "the file ends before its size line"));
            }
            let words = String::from_utf8_lossy(&line);
            let Some(field) = field else {
                field = Some(banner(path, &words)?);
                continue;
            };
            if words.starts_with('%') || words.trim().is_empty() {
                continue;
            }
            return size_line(path, number, &words, field);
        }
    }

    /// Checks the size against the number of names of genes and cells.
    pub(super) fn check_names(
        &self,
        path: &Path,
        (genes, n_genes): (&Path, usize),
        (cells, n_cells): (&Path, usize),
    ) -> Result<()> {
        if (self.n_genes, self.n_cells) == (n_genes, n_cells) {
            return Ok(());
        }
        let turned = if (self.n_cells, self.n_genes) == (n_genes, n_cells) {
            "; the matrix seems to be cells x genes and must be genes x cells"
        } else {
            ""
        };
        Err(corrupt(
            path,
            self.line,
            format!(
                "the matrix is {} x {}, but {} names {n_genes} genes and {} names {n_cells} cells{turned}",
                self.n_genes,
                self.n_cells,
                file_name(genes),
                file_name(cells),
            ),
        ))
    }
}

fn banner(path: &Path, line: &str) -> Result<Field> {
    let lower = line.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let field = match words[..] {
        [
            "%%matrixmarket",
            "matrix",
            "coordinate",
            "integer",
            "general",
        ] => Field::Integer,
        ["%%matrixmarket", "matrix", "coordinate", "real", "general"] => Field::Real,
        [
            "%%matrixmarket",
            "matrix",
            "coordinate",
            "pattern",
            "general",
        ] => Field::Pattern,
        _ => {
            let shown: String = line.trim_end().chars().take(80).collect();
            return Err(corrupt(
                path,
                1,
                format!(
                    "{shown:?}; must be \"%%MatrixMarket matrix coordinate \
                     integer|real|pattern general\""
                ),
            ));
        }
    };
    Ok(field)
}

fn size_line(path: &Path, line: u64, words: &str, field: Field) -> Result<Header> {
    let numbers: Option<Vec<u64>> = words.split_whitespace().map(|w| w.parse().ok()).collect();
    let Some(&[n_genes, n_cells, n_entries]) = numbers.as_deref() else {
        let shown: String = words.trim_end().chars().take(80).collect();
        return Err(corrupt(
            path,
            line,
            format!("{shown:?}; must be three whole numbers: genes, cells, entries"),
        ));
    };
    let fits = |n: u64| usize::try_from(n).ok().filter(|&n| n < u32::MAX as usize);
    match (fits(n_genes), fits(n_cells)) {
        (Some(n_genes), Some(n_cells)) => Ok(Header {
            field,
            n_genes,
            n_cells,
            n_entries,
            line,
        }),
        _ => Err(corrupt(
            path,
            line,
            format!("{n_genes} genes x {n_cells} cells; each must be below 2^32 - 1"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<Header> {
        Header::read(Path::new("matrix.mtx"), &mut text.as_bytes())
    }

    #[test]
    fn comments_come_before_the_size_line() {
        let text = "%%MatrixMarket MATRIX coordinate Real general\n%\n%x\n\n 3 4\t5 \n1 1 1\n";
        let read = header(text).expect("good");
        assert_eq!(
            (read.n_genes, read.n_cells, read.n_entries, read.line),
            (3, 4, 5, 5)
        );
        assert_eq!(read.field, Field::Real);
    }

    #[test]
    fn broken_heads_are_named_by_line() {
        let banner = "%%MatrixMarket matrix coordinate integer general\n";
        let cases = [
            (String::new(), 1),
            ("1 1 1\n".to_owned(), 1),
            (banner.replace("coordinate", "array"), 1),
            (banner.replace("general", "symmetric"), 1),
            (banner.replace("integer", "complex"), 1),
            (banner.to_owned(), 2),
            (format!("{banner}%c\n"), 3),
            (format!("{banner}%c\n3 4\n"), 3),
            (format!("{banner}3 4 x\n"), 2),
            (format!("{banner}3 4 5 6\n"), 2),
            (format!("{banner}3.5 4 5\n"), 2),
            (format!("{banner}-3 4 5\n"), 2),
            (format!("{banner}4294967295 4 5\n"), 2),
        ];
        for (text, line) in cases {
            let error = header(&text).expect_err(&text);
            assert_eq!(error.reason(), &Reason::CorruptMtx { line }, "{error}");
        }
    }
}
