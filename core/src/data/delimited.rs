//! Tables as comma- or tab-separated text, gzip or not: cell annotations, coordinates, counts.
//!
//! Column types are inferred from the whole column: integers, floats, else text. Nothing is
//! written here.
//!
//! Time: one pass over the text. Memory: the text of the table once, besides its columns; counts
//! 16 bytes a non-zero count while they are read, 8 afterwards.

use std::io::BufRead;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder, StringRecord};

use super::matrix::{CellSort, Csr};
use super::source::{count_of, invalid_count};
use super::table::{Column, Table};
use super::text_file::{open_text, read_error};
use crate::error::{Error, Result, name_some};

/// How to read a delimited table; the default suits files of R and pandas.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct TableOptions {
    /// Column that names the rows. `None`: the first column when its header is empty, `barcode` or
    /// `barcodes`, or when the header is one field short (R's `write.table`); else rows are
    /// numbered from 0.
    pub index: Option<String>,
    /// Whether the first column names the rows whatever its header says. Not together with `index`.
    pub first_names_rows: bool,
    /// Field separator. `None`: tab when the header line has one, else comma.
    pub delimiter: Option<u8>,
}

/// Reads a table with a header line.
///
/// A column is `I64` when every field is an integer, `F64` when every field is a number or missing
/// (empty, `NA`, `NaN`), else `Text`, as it stands.
///
/// # Errors
/// `UnsupportedFormat` naming the line: no header, a line with too few or too many fields, text
/// that is not UTF-8, a cut gzip stream; `NotFound` when there is no column `index`.
pub fn read_table(path: &Path, options: &TableOptions) -> Result<Table> {
    let mut text = open_text(path)?;
    let delimiter = match options.delimiter {
        Some(delimiter) => delimiter,
        None => sniff_delimiter(path, &mut text)?,
    };
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text);
    let mut record = StringRecord::new();
    if !reader
        .read_record(&mut record)
        .map_err(|e| csv_error(path, e))?
    {
        return Err(Error::format(path, "is empty; a header line is needed"));
    }
    let mut header: Vec<String> = record.iter().map(str::to_owned).collect();
    let mut columns: Vec<RawColumn> = Vec::new();
    let mut headless = false;
    while reader
        .read_record(&mut record)
        .map_err(|e| csv_error(path, e))?
    {
        if columns.is_empty() {
            headless = record.len() == header.len() + 1;
            if headless {
                header.insert(0, String::new());
            }
            columns.resize_with(header.len(), RawColumn::default);
        }
        if record.len() != header.len() {
            return Err(wrong_width(
                path,
                record.position(),
                record.len(),
                header.len(),
            ));
        }
        for (column, field) in columns.iter_mut().zip(&record) {
            column.push(field);
        }
    }
    columns.resize_with(header.len(), RawColumn::default);
    let index = index_column(path, &header, options, headless)?;
    into_table(header, &columns, index)
}

/// Counts as [`read_counts_csv`] finds them.
#[derive(Debug, Clone, PartialEq)]
pub struct CountsTable {
    /// Counts, cells x genes.
    pub counts: Csr,
    /// Cell names: the header.
    pub cells: Vec<String>,
    /// Gene names: the first column.
    pub genes: Vec<String>,
}

/// Reads counts written as genes x cells: a header of cell names, then one line a gene, its name
/// first (spacexr's `counts.csv`).
///
/// Memory: 8 bytes a count that is not zero, twice.
///
/// # Errors
/// `UnsupportedFormat` for a line of the wrong width or a field that is no number; `InvalidData`,
/// reason `InvalidValue`, for a number that is no count.
pub fn read_counts_csv(path: &Path) -> Result<CountsTable> {
    let mut by_gene = ByGene::default();
    let names = read_genes(path, |counts| by_gene.push(counts))?;
    Ok(CountsTable {
        counts: by_gene.by_cell(names.cells.len())?,
        cells: names.cells,
        genes: names.genes,
    })
}

/// All counts as [`read_dense_counts`] finds them.
#[derive(Debug)]
pub struct DenseCounts {
    /// Genes x samples, a gene's counts together.
    pub counts: Vec<u32>,
    /// Sample names: the header.
    pub samples: Vec<String>,
    /// Gene names: the first column.
    pub genes: Vec<String>,
}

/// Reads the same as [`read_counts_csv`] with the zeros, for tables of few columns.
///
/// Memory: 4 bytes a count.
///
/// # Errors
/// As [`read_counts_csv`].
pub fn read_dense_counts(path: &Path) -> Result<DenseCounts> {
    let mut all = Vec::new();
    let names = read_genes(path, |counts| all.extend_from_slice(counts))?;
    Ok(DenseCounts {
        counts: all,
        samples: names.cells,
        genes: names.genes,
    })
}

struct Names {
    cells: Vec<String>,
    genes: Vec<String>,
}

/// Runs over the lines of a table of counts: `take` gets the counts of one gene after the other.
fn read_genes(path: &Path, mut take: impl FnMut(&[u32])) -> Result<Names> {
    let mut text = open_text(path)?;
    let delimiter = sniff_delimiter(path, &mut text)?;
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text);
    let mut record = ByteRecord::new();
    if !reader
        .read_byte_record(&mut record)
        .map_err(|e| csv_error(path, e))?
    {
        return Err(Error::format(
            path,
            "is empty; a header of cell names is needed",
        ));
    }
    let mut cells = Vec::with_capacity(record.len());
    for field in &record {
        cells.push(utf8(path, field)?);
    }
    let (mut genes, mut counts) = (Vec::new(), Vec::new());
    while reader
        .read_byte_record(&mut record)
        .map_err(|e| csv_error(path, e))?
    {
        // All lines are as long as the first; with R's write.table the header is one shorter.
        if genes.is_empty() && record.len() == cells.len() && !cells.is_empty() {
            cells.remove(0);
        }
        if record.len() != cells.len() + 1 {
            return Err(wrong_width(
                path,
                record.position(),
                record.len(),
                cells.len() + 1,
            ));
        }
        counts.clear();
        for cell in 0..cells.len() {
            counts.push(count_in(path, &record, (genes.len(), cell))?);
        }
        take(&counts);
        genes.push(utf8(path, &record[0])?);
    }
    if genes.is_empty() {
        return Err(Error::format(path, "holds no genes below its header"));
    }
    Ok(Names { cells, genes })
}

/// The count of a cell on the line of a gene.
fn count_in(path: &Path, record: &ByteRecord, (gene, cell): (usize, usize)) -> Result<u32> {
    let field = &record[cell + 1];
    let value = number(field).ok_or_else(|| {
        let line = record.position().map_or(0, csv::Position::line);
        let field = String::from_utf8_lossy(field);
        Error::format(
            path,
            format!("line {line}, field {}: {field:?} is not a number", cell + 2),
        )
    })?;
    count_of(value).ok_or_else(|| invalid_count(cell, gene, value).with_file(path))
}

/// Non-zero counts in the order of the file.
#[derive(Default)]
struct ByGene {
    ends: Vec<usize>,
    cells: Vec<u32>,
    counts: Vec<u32>,
}

impl ByGene {
    fn push(&mut self, counts: &[u32]) {
        for (cell, &count) in counts.iter().enumerate() {
            if count > 0 {
                self.cells.push(cell as u32);
                self.counts.push(count);
            }
        }
        self.ends.push(self.cells.len());
    }

    fn by_cell(&self, n_cells: usize) -> Result<Csr> {
        let mut per_cell = vec![0_usize; n_cells];
        for &cell in &self.cells {
            per_cell[cell as usize] += 1;
        }
        let mut sort = CellSort::new(self.ends.len(), per_cell)?;
        let mut start = 0;
        for (gene, &end) in self.ends.iter().enumerate() {
            for entry in start..end {
                sort.place(self.cells[entry] as usize, gene as u32, self.counts[entry]);
            }
            start = end;
        }
        Ok(sort.finish())
    }
}

/// A column as text: 8 bytes a field besides its characters.
#[derive(Default)]
struct RawColumn {
    text: String,
    ends: Vec<usize>,
}

impl RawColumn {
    fn push(&mut self, field: &str) {
        self.text.push_str(field);
        self.ends.push(self.text.len());
    }

    fn fields(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.text[start..end])
    }

    fn typed(&self) -> Column {
        let integers: Option<Vec<i64>> = self.fields().map(|f| f.parse().ok()).collect();
        if let Some(integers) = integers {
            return Column::I64(integers);
        }
        let floats: Option<Vec<f64>> = self
            .fields()
            .map(|field| match field {
                "" | "NA" | "NaN" | "nan" => Some(f64::NAN),
                _ => field.parse().ok(),
            })
            .collect();
        match floats {
            Some(floats) => Column::F64(floats),
            None => Column::Text(self.texts()),
        }
    }

    fn texts(&self) -> Vec<String> {
        self.fields().map(str::to_owned).collect()
    }
}

/// Number of the column that names the rows.
fn index_column(
    path: &Path,
    header: &[String],
    options: &TableOptions,
    headless: bool,
) -> Result<Option<usize>> {
    let Some(name) = &options.index else {
        let first = header.first().map_or("", String::as_str);
        let known = matches!(first, "" | "barcode" | "barcodes");
        let named = headless || known || (options.first_names_rows && !header.is_empty());
        return Ok(named.then_some(0));
    };
    match header.iter().position(|column| column == name) {
        Some(at) => Ok(Some(at)),
        None => Err(Error::new(
            crate::error::ErrorKind::NotFound,
            format!(
                "{}: no column {name:?}; present: {}",
                path.display(),
                name_some(header, 20)
            ),
        )
        .with_file(path)
        .with_reason(crate::error::Reason::MissingKey { key: name.clone() })),
    }
}

fn into_table(header: Vec<String>, columns: &[RawColumn], index: Option<usize>) -> Result<Table> {
    let n_rows = columns.first().map_or(0, |column| column.ends.len());
    let names = match index {
        Some(at) => columns[at].texts(),
        None => (0..n_rows).map(|row| row.to_string()).collect(),
    };
    let mut table = Table::new(names);
    for (at, (name, column)) in header.into_iter().zip(columns).enumerate() {
        if Some(at) == index {
            continue;
        }
        if table.column(&name).is_some() {
            return Err(Error::data(format!("two columns have the name {name:?}")));
        }
        table.set(name, column.typed())?;
    }
    Ok(table)
}

fn sniff_delimiter(path: &Path, text: &mut impl BufRead) -> Result<u8> {
    let start = text.fill_buf().map_err(|e| read_error(path, e))?;
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or(start);
    Ok(if line.contains(&b'\t') { b'\t' } else { b',' })
}

/// A number as text; digits alone take the short way.
fn number(field: &[u8]) -> Option<f64> {
    if !field.is_empty() && field.len() <= 9 && field.iter().all(u8::is_ascii_digit) {
        let integer = field
            .iter()
            .fold(0_u32, |n, d| n * 10 + u32::from(d - b'0'));
        return Some(f64::from(integer));
    }
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}

fn utf8(path: &Path, field: &[u8]) -> Result<String> {
    match std::str::from_utf8(field) {
        Ok(text) => Ok(text.to_owned()),
        Err(e) => Err(Error::format(path, "a name is not UTF-8").with_source(e)),
    }
}

fn wrong_width(path: &Path, at: Option<&csv::Position>, found: usize, wanted: usize) -> Error {
    let line = at.map_or(0, csv::Position::line);
    Error::format(
        path,
        format!("line {line} has {found} fields; the first lines have {wanted}"),
    )
}

fn csv_error(path: &Path, error: csv::Error) -> Error {
    let place = error.position().map_or(0, csv::Position::line);
    let text = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(io) => read_error(path, io),
        _ => Error::format(path, format!("line {place}: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, Reason};

    fn with_file<R>(text: impl AsRef<[u8]>, read: impl FnOnce(&Path) -> R) -> R {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("table.csv");
        std::fs::write(&path, text).expect("written");
        read(&path)
    }

    fn table(text: &str) -> Result<Table> {
        with_file(text, |path| read_table(path, &TableOptions::default()))
    }

    #[test]
    fn types_are_inferred_from_whole_columns() {
        let read =
            table("barcode,n,share,label,gap\nA,1,0.5,x,1\nB,-2,NA,\"y, z\",\nC,30,1e-3,,2\n")
                .expect("read");
        assert_eq!(read.index, ["A", "B", "C"]);
        assert_eq!(read.column("n"), Some(&Column::I64(vec![1, -2, 30])));
        let share = read
            .column("share")
            .and_then(Column::as_numbers)
            .expect("numbers");
        assert!(share[1].is_nan() && share[2] == 1e-3);
        let label = Column::Text(["x", "y, z", ""].map(String::from).to_vec());
        assert_eq!(read.column("label"), Some(&label));
        let gap = read
            .column("gap")
            .and_then(Column::as_numbers)
            .expect("numbers");
        assert!(gap[1].is_nan() && gap[2] == 2.0);
    }

    #[test]
    fn rows_are_named_by_the_right_column() {
        let by_default = |text: &str| table(text).expect("read").index;
        assert_eq!(by_default(",x\na,1\n"), ["a"]);
        assert_eq!(by_default("barcodes\tx\nb\t1\n"), ["b"]);
        assert_eq!(by_default("x y\ty\n7\t1\n8\t2\n"), ["0", "1"]);
        assert_eq!(by_default("x,y\nr1,1,2\nr2,3,4\n"), ["r1", "r2"]);
        assert_eq!(by_default("\u{feff}barcode,x\r\nc,1\r\n"), ["c"]);
        assert_eq!(by_default("barcode,x\n"), Vec::<String>::new());
        let options = TableOptions {
            index: Some("id".into()),
            ..TableOptions::default()
        };
        let named = with_file("x,id\n1,p\n2,q\n", |path| read_table(path, &options));
        assert_eq!(named.expect("read").index, ["p", "q"]);
        let error = with_file("x,y\n1,p\n", |path| read_table(path, &options));
        assert_eq!(error.expect_err("absent").kind(), ErrorKind::NotFound);
        let options = TableOptions {
            first_names_rows: true,
            ..TableOptions::default()
        };
        let first = with_file("sample,x\n01,1\n02,2\n", |path| read_table(path, &options));
        assert_eq!(first.expect("read").index, ["01", "02"]);
    }

    #[test]
    fn broken_tables_are_named_by_line() {
        assert!(table("").expect_err("empty").message().contains("is empty"));
        let error = table("barcode,x\na,1\nb,1,2\n").expect_err("wide");
        assert!(error.message().contains("line 3 has 3 fields"), "{error}");
        assert!(table("barcode,x,x\na,1,2\n").is_err());
        let error = with_file(b"barcode,x\na,\xff\n", |path| {
            read_table(path, &TableOptions::default())
        });
        assert_eq!(
            error.expect_err("bytes").kind(),
            ErrorKind::UnsupportedFormat
        );
    }

    #[test]
    fn counts_are_turned_to_cells() {
        let want = Csr::from_dense(3, &[0, 2, 1, 5, 0, 3]).expect("whole rows");
        for text in [
            "gene,c1,c2\nA,0,5\nB,2,0.0\nC,1,3\n",
            "c1\tc2\nA\t0\t5\nB\t2\t0\nC\t1\t3\n",
        ] {
            let read = with_file(text, read_counts_csv).expect("read");
            assert_eq!(read.cells, ["c1", "c2"]);
            assert_eq!(read.genes, ["A", "B", "C"]);
            assert_eq!(read.counts, want);
            let dense = with_file(text, read_dense_counts).expect("read");
            assert_eq!(dense.counts, [0, 5, 2, 0, 1, 3]);
            assert_eq!((dense.samples, dense.genes), (read.cells, read.genes));
        }
    }

    #[test]
    fn counts_that_are_none_are_named() {
        let error = with_file("g,c1,c2\nA,1,2\nB,1,-4\n", read_counts_csv).expect_err("negative");
        let place = Reason::InvalidValue {
            row: 1,
            column: 1,
            value: -4.0,
        };
        assert_eq!(error.reason(), &place);
        let error = with_file("g,c1\nA,x\n", read_counts_csv).expect_err("text");
        assert!(error.message().contains("line 2, field 2"), "{error}");
        for text in ["", "g,c1\n", "g,c1\nA,1\nB,1,2\n", "g,c1\nA\n"] {
            assert!(with_file(text, read_counts_csv).is_err(), "{text:?}");
        }
    }
}
