//! Tables of anndata before 0.7: one compound dataset, categories in `uns/<column>_categories`.
//!
//! The HDF5 library wants the type of a record at compile time, so records are read as bytes and
//! taken apart here. Text of variable length stands in the file's global heap.

use hdf5::Dataset;
use hdf5::types::{CompoundField, CompoundType, FloatSize, IntSize, TypeDescriptor};

use super::encoding::{TableReader, into_text, missing_key};
use super::heap::{Elements, REFERENCE_BYTES};
use super::strings::read_text;
use crate::data::table::{Column, Table};
use crate::error::{Error, Result};

/// Reads a compound dataset; its first field is the index.
pub(super) fn read_table(
    reader: &mut TableReader<'_>,
    dataset: &Dataset,
    name: &str,
) -> Result<Table> {
    let fail = |what: &str| Error::format(reader.path, format!("{name}: {what}"));
    let descriptor = dataset.dtype().and_then(|t| t.to_descriptor());
    let Ok(TypeDescriptor::Compound(record)) = descriptor else {
        return Err(fail("neither a frame (group) nor a table of records"));
    };
    let order = dataset.dtype().map(|t| t.byte_order());
    let is_big_endian = matches!(order, Ok(hdf5::datatype::ByteOrder::BigEndian));
    let (fields, size) = stored_fields(&record);
    let records = match is_big_endian || size == 0 {
        true => None,
        false => Elements::read(reader.path, dataset, name, size)?,
    };
    let Some(records) = records else {
        return Err(fail("records in this storage are not read"));
    };
    let mut fields = fields.iter();
    let index = match fields.next().map(|f| column(&records, f)).transpose()? {
        Some(Some(column)) => into_text(column),
        _ => {
            let index = format!("{name}/index");
            return Err(missing_key(
                reader.path,
                &index,
                "the first field is the index",
            ));
        }
    };
    let mut table = Table::new(index);
    for field in fields {
        let path = format!("{name}/{}", field.name);
        match column(&records, field)? {
            Some(column) => {
                let column = with_categories(reader, column, &field.name, &path)?;
                table.columns.push((field.name.clone(), column));
            }
            None => reader
                .warnings
                .push(format!("{path}: elements of this type are not read")),
        }
    }
    Ok(table)
}

/// Codes become labels where `uns` has the categories.
fn with_categories(
    reader: &TableReader<'_>,
    column: Column,
    name: &str,
    path: &str,
) -> Result<Column> {
    let key = format!("uns/{name}_categories");
    let Ok(dataset) = reader.root.dataset(&key) else {
        return Ok(column);
    };
    let Some(categories) = read_text(reader.path, &dataset, &key)? else {
        return Ok(column);
    };
    match column {
        Column::I32(codes) => {
            let codes = codes.into_iter().map(i64::from).collect();
            reader.categorical(codes, categories, false, path)
        }
        Column::I64(codes) => reader.categorical(codes, categories, false, path),
        other => Ok(other),
    }
}

/// One field of a record as it is stored.
struct Field {
    name: String,
    ty: TypeDescriptor,
    offset: usize,
    size: usize,
}

/// Fields with their place on disk, and the size of a record there. The library states the place
/// in memory, where text of variable length is a pointer of 8 bytes.
fn stored_fields(record: &CompoundType) -> (Vec<Field>, usize) {
    let mut fields: Vec<&CompoundField> = record.fields.iter().collect();
    fields.sort_by_key(|f| f.offset);
    let mut shift = 0;
    let mut stored: Vec<(usize, Field)> = Vec::new();
    for field in fields {
        let is_text = matches!(
            field.ty,
            TypeDescriptor::VarLenAscii | TypeDescriptor::VarLenUnicode
        );
        let in_memory = field.ty.size();
        let size = if is_text { REFERENCE_BYTES } else { in_memory };
        stored.push((
            field.index,
            Field {
                name: field.name.clone(),
                ty: field.ty.clone(),
                offset: field.offset + shift,
                size,
            },
        ));
        shift += size - in_memory;
    }
    stored.sort_by_key(|(index, _)| *index);
    let fields = stored.into_iter().map(|(_, field)| field).collect();
    (fields, record.size + shift)
}

fn values<T>(records: &Elements, field: &Field, parse: impl Fn(&[u8]) -> T) -> Vec<T> {
    let bytes = field.offset..field.offset + field.size;
    records
        .iter()
        .map(|record| parse(&record[bytes.clone()]))
        .collect()
}

/// Up to eight little-endian bytes, extended by `fill`.
fn widen(bytes: &[u8], fill: u8) -> i64 {
    let mut wide = [fill; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(wide)
}

/// A field of every record; `None` when its type is not read.
fn column(records: &Elements, field: &Field) -> Result<Option<Column>> {
    let signed = |bytes: &[u8]| {
        let is_negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        widen(bytes, if is_negative { 0xff } else { 0 })
    };
    let unsigned = |bytes: &[u8]| widen(bytes, 0);
    Ok(Some(match &field.ty {
        TypeDescriptor::Integer(IntSize::U8) => Column::I64(values(records, field, signed)),
        TypeDescriptor::Integer(_) => Column::I32(values(records, field, |b| signed(b) as i32)),
        TypeDescriptor::Unsigned(IntSize::U1 | IntSize::U2) => {
            Column::I32(values(records, field, |b| unsigned(b) as i32))
        }
        TypeDescriptor::Unsigned(_) => Column::I64(values(records, field, unsigned)),
        TypeDescriptor::Boolean => Column::Bool(values(records, field, |b| b[0] != 0)),
        TypeDescriptor::Float(FloatSize::U4) => Column::F32(values(records, field, |b| {
            f32::from_bits(unsigned(b) as u32)
        })),
        TypeDescriptor::Float(FloatSize::U8) => Column::F64(values(records, field, |b| {
            f64::from_bits(unsigned(b) as u64)
        })),
        TypeDescriptor::FixedAscii(_) | TypeDescriptor::FixedUnicode(_) => {
            Column::Text(values(records, field, |b| {
                let text = String::from_utf8_lossy(b);
                text.trim_end_matches('\0').to_owned()
            }))
        }
        TypeDescriptor::VarLenAscii | TypeDescriptor::VarLenUnicode => {
            Column::Text(records.texts(field.offset)?)
        }
        _ => return Ok(None),
    }))
}
