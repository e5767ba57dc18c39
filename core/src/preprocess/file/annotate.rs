//! Steps that leave the matrix alone: quality control, variable genes, components, neighbours.
//!
//! # Cost
//! The numbers' own, and a copy of the file (its chunks are not decoded).

use std::path::Path;

use crate::context::Context;
use crate::data::h5ad::H5adFile;
use crate::data::rows::RowSource;
use crate::data::write::{Numbers, Rows, Value};
use crate::data::{Annotations, Categorical};
use crate::error::{Error, Result};

use super::super::hvg::{Hvg, HvgInput, HvgOptions, highly_variable_genes};
use super::super::neighbors::{Neighbors, neighbors};
use super::super::pca::{Pca, PcaInput, PcaOptions, pca};
use super::super::qc::{QcGroup, QcMetrics, QcOptions, qc_metrics};
use super::subset::subset_genes;
use super::{MatrixChoice, Output, spool_folder, write_annotated};

/// Options of [`qc_file`].
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct QcFileOptions {
    /// The metrics.
    pub qc: QcOptions,
    /// Boolean columns of `var`: groups of genes.
    pub qc_vars: Vec<String>,
    /// Which matrix.
    pub matrix: MatrixChoice,
}

/// Quality control metrics of a file; written into `obs` and `var` where there is an output.
///
/// # Errors
/// As [`qc_metrics`]; `NotFound` for a column; `Io`. The target is then as it was.
pub fn qc_file(
    ctx: &Context,
    input: &Path,
    output: Option<&Output>,
    options: &QcFileOptions,
) -> Result<QcMetrics> {
    let file = H5adFile::open(input)?;
    let name = options.matrix.member()?;
    let groups = groups(&file, options.matrix.var(), &options.qc_vars)?;
    options.qc.tops(file.matrix_info(&name)?.shape[1])?;
    if output.is_some() && options.matrix.use_raw {
        return Err(Error::argument(
            "use_raw",
            "metrics of raw genes do not fit the table of genes; leave the output out",
        ));
    }
    let rows = file.rows(ctx, &name, &spool_folder(output, input))?;
    let layout = file.matrix_info(&name)?.layout;
    let qc = {
        let rows = AsLayout {
            inner: &*rows,
            layout,
        };
        qc_metrics(ctx, &rows, &groups, &options.qc)?
    };
    drop(rows);
    if let Some(output) = output {
        let mut annotations = Annotations::default();
        add_qc(&mut annotations, &qc);
        write_annotated(ctx, &file, output, annotations)?;
    }
    Ok(qc)
}

/// The metrics as annotations.
pub(super) fn add_qc(annotations: &mut Annotations<'_>, qc: &QcMetrics) {
    for (name, column) in &qc.obs {
        annotations.obs(name, column.clone());
    }
    for (name, column) in &qc.var {
        annotations.var(name, column.clone());
    }
}

/// Groups of genes from boolean columns.
pub(super) fn groups(file: &H5adFile, table: &str, names: &[String]) -> Result<Vec<QcGroup>> {
    let group = |name: &String| -> Result<QcGroup> {
        Ok(QcGroup {
            name: name.clone(),
            genes: super::mask(file, table, name).map_err(|e| e.with_argument("qc_vars"))?,
        })
    };
    names.iter().map(group).collect()
}

/// A source that says it is stored as its file has it, though its rows come from a transposed copy.
pub(super) struct AsLayout<'a> {
    pub inner: &'a dyn RowSource,
    pub layout: crate::data::MatrixLayout,
}

impl RowSource for AsLayout<'_> {
    fn n_cells(&self) -> usize {
        self.inner.n_cells()
    }
    fn n_genes(&self) -> usize {
        self.inner.n_genes()
    }
    fn kind(&self) -> crate::data::NumberKind {
        self.inner.kind()
    }
    fn layout(&self) -> crate::data::MatrixLayout {
        self.layout
    }
    fn bytes(&self, rows: std::ops::Range<usize>) -> u64 {
        self.inner.bytes(rows)
    }
    fn grain(&self) -> u64 {
        self.inner.grain()
    }
    fn overhead(&self) -> u64 {
        self.inner.overhead()
    }
    fn is_lazy(&self) -> bool {
        self.inner.is_lazy()
    }
    fn fetch<'b>(
        &'b self,
        ctx: &Context,
        rows: std::ops::Range<usize>,
    ) -> Result<crate::data::rows::PendingRows<'b>> {
        self.inner.fetch(ctx, rows)
    }
}

/// Options of [`hvg_file`].
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct HvgFileOptions {
    /// Measure and selection.
    pub hvg: HvgOptions,
    /// Column of `obs` with batches.
    pub batch_key: Option<String>,
    /// `layers/<layer>` in place of `X`.
    pub layer: Option<String>,
    /// Keep the selected genes only.
    pub subset: bool,
}

/// Highly variable genes of a file; columns of `var` and `uns/hvg` where there is an output.
///
/// # Errors
/// As [`highly_variable_genes`]; `NotFound` for the batches; `Io`. The target is then as it was.
pub fn hvg_file(
    ctx: &Context,
    input: &Path,
    output: Option<&Output>,
    options: &HvgFileOptions,
) -> Result<Hvg> {
    options.hvg.check()?;
    if options.subset && output.is_none() {
        return Err(Error::argument("subset", "needs an output"));
    }
    let file = H5adFile::open(input)?;
    let name = MatrixChoice::layer(options.layer.clone()).member()?;
    let batches = batches_of(&file, options.batch_key.as_deref())?;
    let names = match batches {
        Some(_) => file.index("var")?,
        None => Vec::new(),
    };
    let mut own = options.hvg.clone();
    if own.log_base.is_none() {
        own.log_base = file.uns_number("log1p/base");
    }
    let rows = file.rows(ctx, &name, &spool_folder(output, input))?;
    let source = HvgInput {
        source: &*rows,
        transform: None,
        batches: batches.as_ref(),
        names: &names,
    };
    let hvg = highly_variable_genes(ctx, source, &own)?;
    drop(rows);
    if let Some(output) = output {
        let mut annotations = Annotations::default();
        add_hvg(&mut annotations, &hvg, options.hvg.flavor.name());
        match options.subset {
            false => write_annotated(ctx, &file, output, annotations)?,
            true => subset_genes(ctx, &file, output, annotations, &hvg.highly_variable)?,
        }
    }
    Ok(hvg)
}

/// Batches without categories that have no cells.
pub(super) fn batches_of(file: &H5adFile, key: Option<&str>) -> Result<Option<Categorical>> {
    let Some(key) = key else {
        return Ok(None);
    };
    let all = file
        .categories(key)
        .map_err(|e| e.with_argument("batch_key"))?;
    let mut is_used = vec![false; all.categories.len()];
    for &code in &all.codes {
        if let Ok(code) = usize::try_from(code) {
            is_used[code] = true;
        }
    }
    let mut next = 0;
    let numbers: Vec<i32> = is_used
        .iter()
        .map(|&used| {
            next += i32::from(used);
            if used { next - 1 } else { -1 }
        })
        .collect();
    let renumber = |&code: &i32| usize::try_from(code).map_or(-1, |code| numbers[code]);
    Ok(Some(Categorical {
        codes: all.codes.iter().map(renumber).collect(),
        categories: all
            .categories
            .iter()
            .zip(&is_used)
            .filter(|(_, used)| **used)
            .map(|(name, _)| name.clone())
            .collect(),
        ordered: all.ordered,
    }))
}

/// Statistics as annotations.
pub(super) fn add_hvg(annotations: &mut Annotations<'_>, hvg: &Hvg, flavor: &str) {
    for (name, column) in hvg.columns() {
        annotations.var(name, column);
    }
    let flavor = Value::Text(flavor.to_owned());
    annotations.uns("hvg", Value::Dict(vec![("flavor".to_owned(), flavor)]));
}

/// Options of [`pca_file`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PcaFileOptions {
    /// The components.
    pub pca: PcaOptions,
    /// Boolean column of `var`; `None` for all genes. Default: `highly_variable` where the file has it.
    pub mask_var: MaskVar,
    /// `layers/<layer>` in place of `X`.
    pub layer: Option<String>,
    /// Name of the results in `obsm`, `varm` and `uns` in place of `X_pca`, `PCs`, `pca`.
    pub key_added: Option<String>,
    /// Write loadings and variances in single precision where the matrix is (the reference does);
    /// 64-bit floats otherwise.
    pub match_dtype: bool,
}

impl Default for PcaFileOptions {
    fn default() -> Self {
        PcaFileOptions {
            pca: PcaOptions::default(),
            mask_var: MaskVar::Default,
            layer: None,
            key_added: None,
            match_dtype: false,
        }
    }
}

/// Which genes are used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MaskVar {
    /// `highly_variable` where the file has it, else all.
    #[default]
    Default,
    /// All.
    None,
    /// This boolean column of `var`.
    Column(String),
}

impl MaskVar {
    /// The column, where there is one.
    pub(super) fn column(&self, file: &H5adFile) -> Option<String> {
        match self {
            MaskVar::None => None,
            MaskVar::Column(name) => Some(name.clone()),
            MaskVar::Default => {
                let name = "highly_variable".to_owned();
                file.columns("var").contains(&name).then_some(name)
            }
        }
    }
}

/// Principal components of a file; `obsm/X_pca`, `varm/PCs` and `uns/pca` where there is an output.
///
/// # Errors
/// As [`pca`]; `NotFound` for the mask; `Io`. The target is then as it was.
pub fn pca_file(
    ctx: &Context,
    input: &Path,
    output: Option<&Output>,
    options: &PcaFileOptions,
) -> Result<Pca> {
    let file = H5adFile::open(input)?;
    let name = MatrixChoice::layer(options.layer.clone()).member()?;
    let column = options.mask_var.column(&file);
    let mask = match &column {
        Some(column) => {
            Some(super::mask(&file, "var", column).map_err(|e| e.with_argument("mask_var"))?)
        }
        None => None,
    };
    let rows = file.rows(ctx, &name, &spool_folder(output, input))?;
    let source = PcaInput {
        source: &*rows,
        transform: None,
        genes: mask.as_deref(),
        read: Default::default(),
    };
    let axes = pca(ctx, source, &options.pca)?;
    if let Some(output) = output {
        let mut annotations = Annotations::default();
        let kind = rows.kind();
        let is_single = options.match_dtype && kind != crate::data::NumberKind::F64;
        let mut names = PcaNames::new(options.key_added.as_deref(), column, is_single);
        names.layer = options.layer.clone();
        add_pca(ctx, &mut annotations, &axes, source, &names);
        write_annotated(ctx, &file, output, annotations)?;
    }
    Ok(axes)
}

/// Where components go.
pub(super) struct PcaNames {
    obsm: String,
    varm: String,
    uns: String,
    mask: Option<String>,
    layer: Option<String>,
    is_single: bool,
}

impl PcaNames {
    pub(super) fn new(key: Option<&str>, mask: Option<String>, is_single: bool) -> Self {
        let name = |default: &str| key.unwrap_or(default).to_owned();
        PcaNames {
            obsm: name("X_pca"),
            varm: name("PCs"),
            uns: name("pca"),
            mask,
            layer: None,
            is_single,
        }
    }
}

/// Components as annotations; coordinates are computed while they are written.
pub(super) fn add_pca<'a>(
    ctx: &'a Context,
    annotations: &mut Annotations<'a>,
    axes: &'a Pca,
    source: PcaInput<'a>,
    names: &PcaNames,
) {
    let k = axes.n_comps();
    annotations.obsm(
        &names.obsm,
        k,
        Rows::F32(Box::new(move |rows, values| {
            let scores = axes.scores(ctx, source, rows)?;
            values.extend(scores.iter().map(|&v| v as f32));
            Ok(())
        })),
    );
    let numbers = |values: Vec<f64>| match names.is_single {
        true => Numbers::F32(values.into_iter().map(|v| v as f32).collect()),
        false => Numbers::F64(values),
    };
    let loadings = axes.loadings(source.source.n_genes());
    // The reference spreads loadings of some genes over all of them in 64 bits.
    let loadings = match names.mask {
        Some(_) => Numbers::F64(loadings),
        None => numbers(loadings),
    };
    annotations.varm(&names.varm, k, Rows::Whole(loadings));
    let mask = names.mask.as_ref();
    let is_default = mask.is_some_and(|name| name == "highly_variable");
    let mut params = vec![
        ("zero_center".to_owned(), Value::Bool(axes.zero_center)),
        ("use_highly_variable".to_owned(), Value::Bool(is_default)),
        (
            "mask_var".to_owned(),
            mask.map_or(Value::Null, |name| Value::Text(name.clone())),
        ),
    ];
    if let Some(layer) = &names.layer {
        params.push(("layer".to_owned(), Value::Text(layer.clone())));
    }
    annotations.uns(
        &names.uns,
        Value::Dict(vec![
            ("params".to_owned(), Value::Dict(params)),
            (
                "variance".to_owned(),
                Value::Numbers(numbers(axes.variance.clone())),
            ),
            (
                "variance_ratio".to_owned(),
                Value::Numbers(numbers(axes.variance_ratio.clone())),
            ),
        ]),
    );
}

/// Options of [`neighbors_file`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NeighborsFileOptions {
    /// Neighbours, the cell itself included. Default 15.
    pub n_neighbors: usize,
    /// Array of `obsm`. Default `X_pca`.
    pub use_rep: String,
    /// Columns of it; all where absent.
    pub n_pcs: Option<usize>,
    /// Name of the results: `<key>_distances`, `<key>_connectivities`, `uns/<key>`.
    pub key_added: Option<String>,
}

impl Default for NeighborsFileOptions {
    fn default() -> Self {
        NeighborsFileOptions {
            n_neighbors: 15,
            use_rep: "X_pca".into(),
            n_pcs: None,
            key_added: None,
        }
    }
}

/// Neighbours of a file's cells; `obsp/distances`, `obsp/connectivities` and `uns/neighbors` where there
/// is an output.
///
/// # Errors
/// As [`neighbors`]; `UnsupportedFormat`, reason `MissingKey`, without the array; `Io`. The target is then
/// as it was.
pub fn neighbors_file(
    ctx: &Context,
    input: &Path,
    output: Option<&Output>,
    options: &NeighborsFileOptions,
) -> Result<Neighbors> {
    let file = H5adFile::open(input)?;
    let member = format!("obsm/{}", options.use_rep);
    if !file.has(&member) {
        let present = file.members("obsm");
        return Err(Error::argument(
            "use_rep",
            format!(
                "{:?} is not in obsm; present: {}; run pca first",
                options.use_rep,
                crate::error::name_some(&present, 20)
            ),
        ));
    }
    let (values, width) = file.dense_array(&member)?;
    let n_pcs = options.n_pcs.unwrap_or(width);
    if n_pcs == 0 || n_pcs > width {
        return Err(Error::argument(
            "n_pcs",
            format!("{n_pcs} must be 1 to {width}"),
        ));
    }
    let coordinates: Vec<f64> = match n_pcs == width {
        true => values,
        false => values
            .chunks_exact(width)
            .flat_map(|row| row[..n_pcs].to_vec())
            .collect(),
    };
    let found = neighbors(ctx, &coordinates, n_pcs, options.n_neighbors)?;
    if let Some(output) = output {
        let key = options.key_added.as_deref();
        let prefixed = |name: &str| key.map_or(name.to_owned(), |k| format!("{k}_{name}"));
        let (distances, connectivities) = (prefixed("distances"), prefixed("connectivities"));
        let text = |v: &str| Value::Text(v.to_owned());
        let mut params = vec![
            (
                "n_neighbors".to_owned(),
                Value::Integer(options.n_neighbors as i64),
            ),
            ("method".to_owned(), text("umap")),
            ("metric".to_owned(), text("euclidean")),
            ("random_state".to_owned(), Value::Integer(0)),
            ("use_rep".to_owned(), text(&options.use_rep)),
        ];
        if options.n_pcs.is_some() {
            params.push(("n_pcs".to_owned(), Value::Integer(n_pcs as i64)));
        }
        let mut annotations = Annotations::default();
        annotations
            .obsp(&distances, found.distance_matrix())
            .obsp(&connectivities, found.connectivities())
            .uns(
                key.unwrap_or("neighbors"),
                Value::Dict(vec![
                    ("connectivities_key".to_owned(), text(&connectivities)),
                    ("distances_key".to_owned(), text(&distances)),
                    ("params".to_owned(), Value::Dict(params)),
                ]),
            );
        write_annotated(ctx, &file, output, annotations)?;
    }
    Ok(found)
}
