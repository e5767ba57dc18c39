//! `cyto_rctd_results`: what RCTD found, as arrays on loan and as tables.

use std::mem::MaybeUninit;
use std::sync::{Arc, OnceLock};

use engine::data::Table;
use engine::error::nearest_name;
use engine::rctd::{DoubletColumns, DoubletScores, Mode, MultiColumns, RctdResults};
use engine::{Error, ErrorKind, Result};
use safer_ffi::{derive_ReprC, prelude::repr_c};

use crate::arrays::{Lent, Named, cyto_array, lend};
use crate::arrow::{self, ArrowArrayStream};
use crate::context::{cyto_context, with_context};
use crate::dataset::{cyto_open_options, open_options};
use crate::error::{Failure, cyto_error};
use crate::guard::{guard, or, required};
use crate::status::cyto_status;
use crate::text::{self, CytoStr, StringList, utf8};
use crate::types::cyto_rctd_mode;

/// Results of RCTD, one row per kept pixel in the order of the input. Readable from several threads.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_rctd_results {
    inner: RctdResults,
    cell_types: StringList,
    barcodes: StringList,
    normalized: OnceLock<Vec<f64>>,
    dominant: OnceLock<Vec<u32>>,
    implied: OnceLock<Vec<f64>>,
}

impl cyto_rctd_results {
    pub(crate) fn new(inner: RctdResults) -> Self {
        cyto_rctd_results {
            cell_types: StringList::new(&inner.cell_types),
            barcodes: StringList::new(&inner.barcodes),
            inner,
            normalized: OnceLock::new(),
            dominant: OnceLock::new(),
            implied: OnceLock::new(),
        }
    }

    fn by_type(&self, weights: &[f64]) -> Option<Lent> {
        Some(Lent::matrix(weights, self.inner.cell_types.len()))
    }

    fn doublet(&self, lend: impl FnOnce(&DoubletColumns) -> Lent) -> Option<Lent> {
        self.inner.doublet.as_ref().map(lend)
    }

    fn scores(&self, lend: impl FnOnce(&DoubletScores) -> Lent) -> Option<Lent> {
        self.inner.doublet.as_ref()?.scores.as_ref().map(lend)
    }

    fn multi(&self, lend: impl FnOnce(&MultiColumns) -> Lent) -> Option<Lent> {
        self.inner.multi.as_ref().map(lend)
    }

    /// Weights implied by doublet mode.
    fn implied(&self) -> Option<Lent> {
        self.inner.doublet.as_ref()?;
        let weights = self
            .implied
            .get_or_init(|| self.inner.doublet_weights().unwrap_or_default());
        self.by_type(weights)
    }

    fn table(&self, name: &str) -> Result<Table> {
        let found = match name {
            "results" => Some(self.inner.table()?),
            "weights" => Some(self.inner.weights_table()?),
            "normalized_weights" => Some(self.inner.normalized_weights_table()?),
            "doublet_weights" => self.inner.doublet_weights_table()?,
            "singlet_scores" => self.inner.singlet_scores_table()?,
            "pair_scores" => self.inner.pair_scores_table()?,
            _ => {
                let near = nearest_name(name, TABLES).unwrap_or_default();
                let message = format!("{name:?} is unknown; did you mean {near:?}?");
                return Err(Error::argument("table", message));
            }
        };
        found.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "table: there is no {name:?} in results of mode \"{}\"",
                    self.inner.mode
                ),
            )
            .with_argument("table")
        })
    }
}

const TABLES: [&str; 6] = [
    "results",
    "weights",
    "normalized_weights",
    "doublet_weights",
    "singlet_scores",
    "pair_scores",
];

/// Frees results. NULL is allowed. Arrow streams made from them stay valid; arrays on loan do not.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_results_free(results: Option<repr_c::Box<cyto_rctd_results>>) {
    or((), || drop(results));
}

/// The `cyto_rctd_mode` of the fits; -1 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_results_mode(results: Option<&cyto_rctd_results>) -> i32 {
    results.map_or(-1, |r| match r.inner.mode {
        Mode::Full => cyto_rctd_mode::CYTO_RCTD_FULL as i32,
        Mode::Doublet => cyto_rctd_mode::CYTO_RCTD_DOUBLET as i32,
        Mode::Multi => cyto_rctd_mode::CYTO_RCTD_MULTI as i32,
    })
}

/// 100 times sigma; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_results_sigma(results: Option<&cyto_rctd_results>) -> u32 {
    results.map_or(0, |r| r.inner.sigma)
}

const ARRAYS: [Named<cyto_rctd_results>; 28] = [
    ("cell_types", |r| Some(Lent::text(&r.cell_types))),
    ("barcodes", |r| Some(Lent::text(&r.barcodes))),
    ("pixels", |r| Some(Lent::u32s(&r.inner.pixels))),
    ("weights", |r| r.by_type(&r.inner.weights)),
    ("normalized_weights", |r| {
        r.by_type(r.normalized.get_or_init(|| r.inner.normalized_weights()))
    }),
    ("dominant_type", |r| {
        Some(Lent::u32s(
            r.dominant.get_or_init(|| r.inner.dominant_type()),
        ))
    }),
    ("conv_all", |r| Some(Lent::flags(&r.inner.converged))),
    ("spot_class", |r| r.doublet(|d| Lent::u8s(&d.spot_class))),
    ("first_type", |r| r.doublet(|d| Lent::u32s(&d.first_type))),
    ("second_type", |r| r.doublet(|d| Lent::u32s(&d.second_type))),
    ("first_class", |r| {
        r.doublet(|d| Lent::flags(&d.first_class))
    }),
    ("second_class", |r| {
        r.doublet(|d| Lent::flags(&d.second_class))
    }),
    ("min_score", |r| {
        r.doublet(|d| Lent::f64s(&d.min_score))
            .or_else(|| r.multi(|m| Lent::f64s(&m.min_score)))
    }),
    ("singlet_score", |r| {
        r.doublet(|d| Lent::f64s(&d.singlet_score))
    }),
    ("conv_doublet", |r| r.doublet(|d| Lent::flags(&d.converged))),
    ("weights_doublet", |r| {
        r.doublet(|d| Lent::matrix(&d.weights, 2))
    }),
    ("doublet_weights", cyto_rctd_results::implied),
    ("candidate_offsets", |r| {
        r.scores(|s| Lent::u64s(&s.offsets))
    }),
    ("candidates", |r| r.scores(|s| Lent::u32s(&s.candidates))),
    ("singlet_scores", |r| {
        r.scores(|s| Lent::f64s(&s.singlet_scores))
    }),
    ("pair_offsets", |r| {
        r.scores(|s| Lent::u64s(&s.pair_offsets))
    }),
    ("pair_scores", |r| r.scores(|s| Lent::f64s(&s.pair_scores))),
    ("multi_offsets", |r| r.multi(|m| Lent::u64s(&m.offsets))),
    ("multi_types", |r| r.multi(|m| Lent::u32s(&m.cell_types))),
    ("conf_list", |r| r.multi(|m| Lent::flags(&m.confident))),
    ("sub_weights", |r| r.multi(|m| Lent::f64s(&m.sub_weights))),
    ("conv_sub", |r| r.multi(|m| Lent::flags(&m.converged))),
    ("fallback", |r| r.multi(|m| Lent::flags(&m.fallback))),
];

/// Lends an array of results. With N pixels and K cell types, all modes: "cell_types" (text, K), "barcodes"
/// (text, N), "pixels" (u32, input rows), "weights" (f64, N x K, raw), "normalized_weights" (f64, N x K, rows sum
/// to 1), "dominant_type" (u32, index into the types), "conv_all" (u8).
/// Doublet mode: "spot_class" (u8, `cyto_spot_class`), "first_type", "second_type" (u32), "first_class",
/// "second_class" (u8), "min_score", "singlet_score" (f64), "conv_doublet" (u8), "weights_doublet" (f64, N x 2),
/// "doublet_weights" (f64, N x K, as spacexr's get_doublet_weights); with option `keep_scores` also
/// "candidate_offsets" (u64, N + 1), "candidates" (u32), "singlet_scores" (f64), "pair_offsets" (u64, N + 1) and
/// "pair_scores" (f64; of the candidates of a pixel the pairs (0,1), (0,2), ..., (1,2), ...).
/// Multi mode: "multi_offsets" (u64, N + 1), "multi_types" (u32), "conf_list" (u8), "sub_weights" (f64),
/// "min_score" (f64, N), "conv_sub", "fallback" (u8, N). `CYTO_NOT_FOUND` for an array of another mode.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_results_array(
    results: Option<&cyto_rctd_results>,
    name: CytoStr<'_>,
    out: *mut cyto_array,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    // SAFETY: the header asks for a struct of `struct_size` bytes.
    unsafe { lend(results, &ARRAYS, name, out, err) }
}

/// Writes the `.h5ad` file `path`: a copy of the spatial input with the results in `obs`, `obsm` and `uns` under the
/// keys of rctd-py's command line (`rctd_weights`, `rctd_dominant_type`, ...). `spatial_path` is the file or folder
/// that the run read, `spatial_open` (may be NULL) what it took from it; from other formats than `.h5ad` a new file is
/// made. `path` may be `spatial_path`. The file appears whole or not at all; it needs no memory for the counts.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_results_write_h5ad(
    ctx: Option<&cyto_context>,
    results: Option<&cyto_rctd_results>,
    spatial_path: CytoStr<'_>,
    spatial_open: *const cyto_open_options,
    path: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || -> Result<(), Failure> {
        let results = required("results", results)?;
        let spatial = text::path("spatial_path", spatial_path)?;
        let target = text::path("path", path)?;
        // SAFETY: the header asks for NULL or a struct of `struct_size` bytes.
        let open_with = unsafe { open_options(spatial_open) }?;
        with_context(ctx, |ctx| {
            Ok(results
                .inner
                .write_h5ad(ctx, &spatial, &open_with, &target)?)
        })
    })
}

/// A whole table as an Arrow stream, which the caller releases; barcodes are its first column. "results":
/// spacexr's results_df in doublet mode, a row a chosen type in multi mode, dominant type in full mode.
/// "weights", "normalized_weights", "doublet_weights": a column a type. "singlet_scores", "pair_scores": a row
/// a candidate or pair. On failure `out->release` is NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_results_table_arrow(
    results: Option<&cyto_rctd_results>,
    table: CytoStr<'_>,
    out: *mut ArrowArrayStream,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || -> Result<(), Failure> {
        // SAFETY: the header asks for memory for a stream.
        unsafe { arrow::nothing(out) };
        let table = required("results", results)?.table(utf8("table", table)?)?;
        // SAFETY: as above.
        unsafe { arrow::export("barcode", Arc::new(table), out) }
    })
}
