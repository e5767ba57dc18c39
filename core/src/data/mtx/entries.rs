//! The entries of a Matrix Market file, streamed into rows of cells.
//!
//! 10x sorts its files by cell: then rows are closed as they come. When a cell number goes
//! backwards the entries are sorted by counting at the end (20 bytes an entry while that lasts).

use std::io::BufRead;
use std::path::Path;

use super::header::{Field, Header, corrupt};
use crate::context::Context;
use crate::data::gene_names::LEFT_OUT;
use crate::data::matrix::{CellSort, Csr};
use crate::data::source::{CellBlocks, count_of, invalid_count};
use crate::data::text_file::{file_name, open_text, read_error};
use crate::error::{Error, ErrorKind, Result};

/// Lines between two looks at the clock and the cancel flag.
const LINES_A_TICK: u64 = 1 << 14;

/// Reads all entries. `genes`: how many stay, and the new number of each feature.
pub(super) fn load(
    ctx: &Context,
    path: &Path,
    header: &Header,
    genes: (usize, Option<&[u32]>),
) -> Result<Csr> {
    let mut text = open_text(path)?;
    Header::read(path, &mut *text)?;
    let mut rows = Rows::new(ctx, path, header, genes.0)?;
    let name = file_name(path);
    let stage = ctx.stage(&name, header.n_entries)?;
    let mut line = Vec::new();
    let (mut number, mut n_read) = (header.line, 0_u64);
    loop {
        line.clear();
        let n = text
            .read_until(b'\n', &mut line)
            .map_err(|e| read_error(path, e))?;
        number += 1;
        if n == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if n_read == header.n_entries {
            let message = format!("more entries than the {} announced", header.n_entries);
            return Err(corrupt(path, number, message));
        }
        let entry = Entry::parse(&line, header.field)
            .ok_or_else(|| unreadable(path, number, &line, header.field))?;
        entry.check(path, number, header)?;
        let feature = entry.gene as usize - 1;
        let gene = genes.1.map_or(feature as u32, |gene_of| gene_of[feature]);
        let cell = entry.cell as usize - 1;
        let count = count_of(entry.value).ok_or_else(|| {
            let place = format!("{}: line {number}", path.display());
            invalid_count(cell, feature, entry.value)
                .in_context(place)
                .with_file(path)
        })?;
        rows.push(cell, gene, count);
        n_read += 1;
        if n_read % LINES_A_TICK == 0 {
            stage.tick(n_read)?;
        }
    }
    if n_read < header.n_entries {
        let message = format!(
            "the file ends after {n_read} of {} entries",
            header.n_entries
        );
        return Err(corrupt(path, number, message));
    }
    let matrix = rows.finish()?;
    stage.finish()?;
    Ok(matrix)
}

struct Entry {
    gene: u64,
    cell: u64,
    value: f64,
}

impl Entry {
    fn parse(line: &[u8], field: Field) -> Option<Self> {
        let (gene, rest) = integer(line)?;
        let (cell, rest) = integer(rest)?;
        let rest = rest.trim_ascii();
        let value = match field {
            Field::Pattern if rest.is_empty() => 1.0,
            Field::Pattern => return None,
            Field::Integer | Field::Real => match integer(rest) {
                Some((value, [])) if value <= u64::from(u32::MAX) => value as f64,
                _ => std::str::from_utf8(rest).ok()?.parse().ok()?,
            },
        };
        Some(Entry { gene, cell, value })
    }

    fn check(&self, path: &Path, line: u64, header: &Header) -> Result<()> {
        let outside = |what: &str, value: u64, limit: usize| {
            let message = format!("{what} {value} is out of range; must be 1 to {limit}");
            Err(corrupt(path, line, message))
        };
        if self.gene == 0 || self.gene > header.n_genes as u64 {
            return outside("gene", self.gene, header.n_genes);
        }
        if self.cell == 0 || self.cell > header.n_cells as u64 {
            return outside("cell", self.cell, header.n_cells);
        }
        Ok(())
    }
}

/// Leading blanks, digits, and what follows them: blank or end.
fn integer(text: &[u8]) -> Option<(u64, &[u8])> {
    let text = text.trim_ascii_start();
    let n_digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(n_digits);
    let ends_well = rest.first().is_none_or(u8::is_ascii_whitespace);
    if !(1..=19).contains(&n_digits) || !ends_well {
        return None;
    }
    let value = digits
        .iter()
        .fold(0_u64, |n, d| n * 10 + u64::from(d - b'0'));
    Some((value, rest))
}

fn unreadable(path: &Path, number: u64, line: &[u8], field: Field) -> Error {
    let text = String::from_utf8_lossy(line);
    let shown: String = text.trim_end().chars().take(80).collect();
    let right = match field {
        Field::Pattern => "gene and cell",
        Field::Integer | Field::Real => "gene, cell and value",
    };
    corrupt(
        path,
        number,
        format!("{shown:?}; must be {right} as numbers"),
    )
}

/// Entries on their way into rows.
struct Rows {
    matrix: Csr,
    n_cells: usize,
    current: usize,
    /// Cell of each entry, once they have turned out not to be sorted.
    cells: Option<Vec<u32>>,
}

impl Rows {
    fn new(ctx: &Context, path: &Path, header: &Header, n_genes: usize) -> Result<Self> {
        let bytes = u128::from(header.n_entries) * 8 + header.n_cells as u128 * 8;
        if bytes > u128::from(ctx.memory_budget()) {
            return Err(Error::new(
                ErrorKind::OutOfMemory,
                format!(
                    "{}: {} entries take {bytes} bytes, and text matrices are held in memory; the \
                     budget is {} bytes: convert to .h5ad, which streams",
                    path.display(),
                    header.n_entries,
                    ctx.memory_budget()
                ),
            )
            .with_file(path));
        }
        let mut matrix = Csr::new(n_genes);
        matrix.try_reserve(header.n_cells, header.n_entries as usize)?;
        Ok(Rows {
            matrix,
            n_cells: header.n_cells,
            current: 0,
            cells: None,
        })
    }

    fn push(&mut self, cell: usize, gene: u32, count: u32) {
        if cell < self.current && self.cells.is_none() {
            self.cells = Some(self.cells_so_far());
        }
        if gene == LEFT_OUT || count == 0 {
            return;
        }
        match &mut self.cells {
            Some(cells) => cells.push(cell as u32),
            None => self.close_up_to(cell),
        }
        self.matrix.push(gene, count);
    }

    fn close_up_to(&mut self, cell: usize) {
        while self.current < cell {
            self.matrix.end_cell();
            self.current += 1;
        }
    }

    fn cells_so_far(&self) -> Vec<u32> {
        let mut cells = Vec::with_capacity(self.matrix.n_entries());
        let offsets = self.matrix.offsets();
        for cell in 0..offsets.len() - 1 {
            cells.resize(offsets[cell + 1], cell as u32);
        }
        cells.resize(self.matrix.n_entries(), self.current as u32);
        cells
    }

    fn finish(mut self) -> Result<Csr> {
        let Some(cells) = self.cells else {
            self.close_up_to(self.n_cells);
            return Ok(self.matrix);
        };
        let mut per_cell = vec![0_usize; self.n_cells];
        for &cell in &cells {
            per_cell[cell as usize] += 1;
        }
        let (genes, counts) = (self.matrix.genes(), self.matrix.counts());
        let mut sort = CellSort::new(self.matrix.n_genes(), per_cell)?;
        for ((&cell, &gene), &count) in cells.iter().zip(genes).zip(counts) {
            sort.place(cell as usize, gene, count);
        }
        Ok(sort.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::gene_names::renumber;
    use crate::error::Reason;

    fn read(field: &str, body: &str, gene_of: Option<&[u32]>) -> Result<Csr> {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("matrix.mtx");
        let text = format!("%%MatrixMarket matrix coordinate {field} general\n{body}");
        std::fs::write(&path, text).expect("written");
        let header = Header::read(&path, &mut *open_text(&path)?)?;
        let n_genes = gene_of.map_or(header.n_genes, |new| {
            new.iter().filter(|&&gene| gene != LEFT_OUT).count()
        });
        let ctx = Context::single_threaded()?;
        load(&ctx, &path, &header, (n_genes, gene_of))
    }

    #[test]
    fn sorted_and_unsorted_entries_give_the_same_rows() {
        let sorted = read("integer", "3 4 4\n1 1 7\n3 1 2\n2 3 5\n3 3 1\n", None).expect("good");
        assert_eq!(sorted.offsets(), [0, 2, 2, 4, 4]);
        assert_eq!(sorted.genes(), [0, 2, 1, 2]);
        assert_eq!(sorted.counts(), [7, 2, 5, 1]);
        for body in [
            "3 4 4\n1 1 7\n2 3 5\n3 1 2\n3 3 1\n",
            "3 4 5\n2 3 5\n1 1 7\n1 4 0\n3 1 2\n3 3 1\n",
        ] {
            assert_eq!(read("integer", body, None).expect("good"), sorted);
        }
    }

    #[test]
    fn values_of_every_field() {
        let real = read(
            "real",
            "2 2 3\r\n1 1 2.0\r\n2 1 1e2\r\n1 2 0.0\r\n\r\n",
            None,
        );
        assert_eq!(real.expect("good").counts(), [2, 100]);
        let pattern = read("pattern", "2 2 2\n1 1\n  2\t2 \n", None).expect("good");
        assert_eq!(pattern.counts(), [1, 1]);
        let none = read("integer", "2 2 0\n", None).expect("good");
        assert_eq!(none.offsets(), [0, 0, 0]);
    }

    #[test]
    fn features_that_are_left_out_leave_no_trace() {
        let keep = renumber(&[false, true, true]);
        assert_eq!(keep, [LEFT_OUT, 0, 1]);
        for body in [
            "3 3 3\n1 1 9\n3 2 4\n1 3 9\n",
            "3 3 3\n1 3 9\n3 2 4\n1 1 9\n",
        ] {
            let matrix = read("integer", body, Some(&keep)).expect("good");
            assert_eq!(matrix.offsets(), [0, 0, 1, 1]);
            assert_eq!((matrix.genes(), matrix.counts()), (&[1][..], &[4][..]));
        }
    }

    #[test]
    fn broken_entries_are_named_by_line() {
        let cases = [
            ("integer", "2 2 1\n0 1 1\n", 3),
            ("integer", "2 2 1\n3 1 1\n", 3),
            ("integer", "2 2 1\n1 3 1\n", 3),
            ("integer", "2 2 2\n1 1 1\n2 2\n", 4),
            ("integer", "2 2 1\n1 1 x\n", 3),
            ("integer", "2 2 1\n1 1 1 1\n", 3),
            ("integer", "2 2 1\n-1 1 1\n", 3),
            ("integer", "2 2 1\n1x 1 1\n", 3),
            ("integer", "2 2 1\n% late comment\n", 3),
            ("pattern", "2 2 1\n1 1 1\n", 3),
            ("integer", "2 2 1\n99999999999999999999 1 1\n", 3),
            ("integer", "2 2 2\n1 1 1\n", 4),
            ("integer", "2 2 1\n1 1 1\n2 2 1\n", 4),
        ];
        for (field, body, line) in cases {
            let error = read(field, body, None).expect_err(body);
            assert_eq!(
                error.reason(),
                &Reason::CorruptMtx { line },
                "{body:?}: {error}"
            );
        }
    }

    #[test]
    fn values_that_are_no_counts_are_named() {
        for value in ["-1", "1.5", "nan", "inf", "4294967296"] {
            let error = read("real", &format!("2 2 1\n2 1 {value}\n"), None).expect_err(value);
            let reason = error.reason();
            assert!(
                matches!(
                    reason,
                    Reason::InvalidValue {
                        row: 0,
                        column: 1,
                        ..
                    }
                ),
                "{error}"
            );
            assert!(error.message().contains("line 3"), "{error}");
        }
    }

    #[test]
    fn a_size_line_that_lies_is_out_of_memory_not_a_crash() {
        let error = read("integer", "2 2 18446744073709551615\n", None).expect_err("huge");
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    }
}
