//! Files and folders of counts: opened here, read by the library when they are used.

use std::ffi::{CStr, CString, c_char};

use cytosol::{
    cyto_dataset, cyto_dataset_counts, cyto_dataset_info_json, cyto_dataset_open,
    cyto_dataset_table_arrow, cyto_matrix_n_cells, cyto_matrix_n_genes, cyto_matrix_read,
    cyto_open_options, cyto_reference_from_dataset, cyto_reference_options,
    cyto_spatial_from_dataset,
};
use extendr_api::prelude::*;

use crate::answer::{Failure, answer, done, made};
use crate::call::with_context;
use crate::counts::{Held, held, text};
use crate::frames;
use crate::options::list_of;
use crate::rctd::all_cells;

/// NULL of R or one text.
fn optional(name: &str, given: &Robj) -> Result<Option<CString>, Failure> {
    if given.is_null() {
        return Ok(None);
    }
    let text = given
        .as_str()
        .ok_or_else(|| Failure::argument(name, "must be one text"))?;
    let text = CString::new(text).map_err(|_| Failure::argument(name, "holds NUL"))?;
    Ok(Some(text))
}

fn or_null(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr())
}

/// Opens a file or folder; `path` is raw bytes, `options` a list as in `cyto_open_options`.
/// @noRd
#[extendr]
fn dataset_open(settings: Robj, path: Robj, options: Robj) -> Robj {
    answer(|| {
        let bytes = path
            .as_raw_slice()
            .ok_or_else(|| Failure::argument("path", "must be raw bytes"))?;
        let path = CString::new(bytes).map_err(|_| Failure::argument("path", "holds NUL"))?;
        let field = |name: &str| {
            let missing = |_| Failure::argument(name, "missing from the options of a file");
            options.dollar(name).map_err(missing)
        };
        let flag = |name: &str| Ok(i32::from(field(name)?.as_bool().unwrap_or(false)));
        let layer = optional("layer", &field("layer")?)?;
        let genome = optional("genome", &field("genome")?)?;
        let opening = cyto_open_options {
            struct_size: size_of::<cyto_open_options>(),
            layer: or_null(&layer),
            genome: or_null(&genome),
            use_raw: flag("use_raw")?,
            all_features: flag("all_features")?,
            gene_ids: flag("gene_ids")?,
            reserved: 0,
        };
        let path = text(&path);
        let dataset = with_context(&settings, |ctx| {
            made(|out, err| cyto_dataset_open(Some(ctx), path, &opening, out, err))
        })?;
        Ok(Held::into_robj(dataset, Vec::new()))
    })
}

/// What was found in a file.
/// @noRd
#[extendr]
fn dataset_info(dataset: Robj) -> Robj {
    answer(|| {
        let dataset = held::<cyto_dataset>("dataset", &dataset)?;
        // SAFETY: a text that lives in the dataset.
        let json = unsafe { CStr::from_ptr(cyto_dataset_info_json(Some(&dataset.handle))) };
        let facts = serde_json::from_slice(json.to_bytes())
            .map_err(|_| Failure::argument("dataset", "has facts that are not JSON"))?;
        Ok(list_of(&facts))
    })
}

/// The table "obs" or "var" as a list of columns; the first one, "index", holds the row names.
/// @noRd
#[extendr]
fn dataset_table(dataset: Robj, table: &str) -> Robj {
    answer(|| {
        let dataset = held::<cyto_dataset>("dataset", &dataset)?;
        let name = CString::new(table).map_err(|_| Failure::argument("table", "holds NUL"))?;
        let mut stream = frames::Stream::empty();
        done(|err| {
            let name = text(&name);
            cyto_dataset_table_arrow(Some(&dataset.handle), name, stream.out(), err)
        })?;
        frames::read(stream)
    })
}

/// Cells and genes of a file.
/// @noRd
#[extendr]
fn dataset_shape(dataset: Robj) -> Robj {
    answer(|| {
        let dataset = held::<cyto_dataset>("dataset", &dataset)?;
        let matrix = made(|out, err| cyto_dataset_counts(Some(&dataset.handle), out, err))?;
        let shape = [
            cyto_matrix_n_cells(Some(&matrix)) as f64,
            cyto_matrix_n_genes(Some(&matrix)) as f64,
        ];
        Ok(shape.into_robj())
    })
}

/// Some cells of a file in memory, as a handle of arrays.
/// @noRd
#[extendr]
fn dataset_rows(settings: Robj, dataset: Robj, first: f64, n: f64) -> Robj {
    answer(|| {
        let dataset = held::<cyto_dataset>("dataset", &dataset)?;
        let rows = with_context(&settings, |ctx| {
            let matrix = made(|out, err| cyto_dataset_counts(Some(&dataset.handle), out, err))?;
            made(|out, err| {
                cyto_matrix_read(Some(ctx), Some(&matrix), first as i64, n as i64, out, err)
            })
        })?;
        Ok(Held::into_robj(rows, Vec::new()))
    })
}

/// Pixels whose counts stay in the file.
/// @noRd
#[extendr]
fn spatial_from_dataset(dataset: Robj) -> Robj {
    answer(|| {
        let dataset = held::<cyto_dataset>("dataset", &dataset)?;
        let spatial = made(|out, err| cyto_spatial_from_dataset(Some(&dataset.handle), out, err))?;
        Ok(Held::into_robj(spatial, Vec::new()))
    })
}

/// A reference whose counts are read from the file once.
/// @noRd
#[extendr]
fn reference_from_dataset(
    settings: Robj,
    dataset: Robj,
    column: &str,
    n_max_cells: f64,
    min_umi: f64,
) -> Robj {
    answer(|| {
        let dataset = held::<cyto_dataset>("dataset", &dataset)?;
        let column = CString::new(column).map_err(|_| Failure::argument("column", "holds NUL"))?;
        let options = cyto_reference_options {
            n_max_cells: n_max_cells as u64,
            min_umi,
            ..all_cells()
        };
        let dataset: &cyto_dataset = &dataset.handle;
        let reference = with_context(&settings, |ctx| {
            let column = text(&column);
            made(|out, err| {
                let dataset = Some(dataset);
                cyto_reference_from_dataset(Some(ctx), dataset, column, &options, out, err)
            })
        })?;
        Ok(Held::into_robj(reference, Vec::new()))
    })
}

extendr_module! {
    mod files;
    fn dataset_open;
    fn dataset_info;
    fn dataset_table;
    fn dataset_shape;
    fn dataset_rows;
    fn spatial_from_dataset;
    fn reference_from_dataset;
}
