//! Tables as CSV or TSV text in the layout of R's `write.csv`.
//!
//! First column row names under an empty header, logicals `TRUE` and `FALSE`, missing numbers `NA`,
//! numbers with all their digits.

use cytosol::data::{Column, Table};
use cytosol::{Error, ErrorKind, Result};

/// The rows of a table as text, with or without the header; the first column holds the row names.
///
/// # Errors
/// None that a table of this crate can cause.
pub fn to_csv(table: &Table, delimiter: u8, header: bool) -> Result<Vec<u8>> {
    written(table, delimiter, header)
        .map_err(|e| Error::new(ErrorKind::Internal, format!("writing CSV: {e}")).with_source(e))
}

fn written(table: &Table, delimiter: u8, header: bool) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .from_writer(Vec::new());
    if header {
        writer.write_field("")?;
        for (name, _) in &table.columns {
            writer.write_field(name)?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    for (row, name) in table.index.iter().enumerate() {
        writer.write_field(name)?;
        for (_, column) in &table.columns {
            writer.write_field(cell(column, row))?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    writer.into_inner().map_err(|e| e.into_error().into())
}

/// A value as R would read it back.
fn cell(column: &Column, row: usize) -> String {
    let number = |value: f64| {
        if value.is_nan() {
            "NA".to_owned()
        } else {
            value.to_string()
        }
    };
    match column {
        Column::F64(values) => number(values[row]),
        Column::F32(values) => number(f64::from(values[row])),
        Column::I64(values) => values[row].to_string(),
        Column::I32(values) => values[row].to_string(),
        Column::Bool(values) => if values[row] { "TRUE" } else { "FALSE" }.to_owned(),
        Column::Text(values) => values[row].clone(),
        Column::Categorical(labels) => labels.label(row).unwrap_or("NA").to_owned(),
        _ => unreachable!("result tables hold no other kind of column"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_and_quotes_survive() {
        let mut table = Table::new(vec!["a,b".into(), "c\"d".into()]);
        table
            .set("x", Column::F64(vec![0.1, f64::NAN]))
            .expect("fits");
        table
            .set("y", Column::Bool(vec![true, false]))
            .expect("fits");
        let text = String::from_utf8(to_csv(&table, b',', true).expect("CSV")).expect("UTF-8");
        assert_eq!(text, ",x,y\n\"a,b\",0.1,TRUE\n\"c\"\"d\",NA,FALSE\n");
    }
}
