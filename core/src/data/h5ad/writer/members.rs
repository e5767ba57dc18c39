//! Members of a file carried into another: copied as they are, or cut down to some cells and genes.
//!
//! What is not cut is copied by the HDF5 library object by object, chunks and all. Tables, arrays and
//! matrices over an axis that loses members are written again. Categories that lose all their
//! cells go, with their colours, as anndata does it.
//!
//! Memory: one column, or one stretch of a matrix.

use std::path::Path;

use hdf5::{Dataset, Group};

use super::super::array::{NumberArray, number_kind};
use super::super::chunk::unavailable_filter;
use super::super::encoding::{encoding_of, missing_key};
use super::super::input::H5adFile;
use super::super::reader::{is_group, member_names};
use super::super::strings::{
    attribute_bool, attribute_string, attribute_strings, check_text, read_text,
};
use super::annotate::read_whole;
use super::edit::{AsTheyAre, Axis, EditPlan, Place, edit_matrix};
use super::element::Elements;
use crate::context::Context;
use crate::data::numbers::NumberKind;
use crate::data::rows::ReadOptions;
use crate::data::table::{Categorical, Column};
use crate::error::{Error, ErrorKind, Result};

/// Cells and genes that stay; `None` = all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Selection<'a> {
    /// Rows that stay, ascending.
    pub cells: Option<&'a [usize]>,
    /// Columns that stay, ascending.
    pub genes: Option<&'a [usize]>,
}

impl<'a> Selection<'a> {
    fn axis(&self, name: Axis) -> Option<&'a [usize]> {
        match name {
            Axis::Cells => self.cells,
            Axis::Genes => self.genes,
            Axis::Other => None,
        }
    }
}

/// Carries members of `source` to `to`.
pub(crate) struct Copier<'a> {
    pub ctx: &'a Context,
    pub elements: Elements<'a>,
    pub source: &'a H5adFile,
    pub to: &'a Group,
    pub selection: Selection<'a>,
}

impl Copier<'_> {
    /// Carries everything but the paths in `skip` (`"X"`, `"layers/counts"`).
    ///
    /// # Errors
    /// `Unsupported` for a member that would have to be cut and is of a kind that cannot be; errors of
    /// the file.
    pub(crate) fn copy_all(&self, skip: &[&str]) -> Result<()> {
        let root = self.source.root();
        self.attributes(root, self.to, "the file")?;
        for name in root.member_names().unwrap_or_default() {
            // Colours may have brought `uns` along.
            if skip.contains(&name.as_str()) || self.to.link_exists(&name) {
                continue;
            }
            self.ctx.check_cancelled()?;
            match name.as_str() {
                "obs" => self.frame(root, self.to, "obs", self.selection.cells, "obs")?,
                "var" => self.frame(root, self.to, "var", self.selection.genes, "var")?,
                "X" => self.matrix("X", Axis::Cells, Axis::Genes)?,
                "layers" => self.group_of("layers", skip, |key| {
                    self.matrix(key, Axis::Cells, Axis::Genes)
                })?,
                "obsm" => self.group_of("obsm", skip, |key| self.array(key, Axis::Cells))?,
                "varm" => self.group_of("varm", skip, |key| self.array(key, Axis::Genes))?,
                "obsp" => self.group_of("obsp", skip, |key| {
                    self.matrix(key, Axis::Cells, Axis::Cells)
                })?,
                "varp" => self.group_of("varp", skip, |key| {
                    self.matrix(key, Axis::Genes, Axis::Genes)
                })?,
                "raw" => self.group_of("raw", skip, |key| match key {
                    "raw/X" => self.matrix(key, Axis::Cells, Axis::Other),
                    _ => self.copy(root, key, self.to),
                })?,
                _ => {
                    if name.starts_with("raw.") && self.selection.cells.is_some() {
                        return Err(self.unsupported(&name, "it is of an old encoding"));
                    }
                    self.copy(root, &name, self.to)?;
                }
            }
        }
        self.drop_old_categories()
    }

    /// Records keep their categories in `uns`; the columns hold them now.
    fn drop_old_categories(&self) -> Result<()> {
        let root = self.source.root();
        for table in ["obs", "var"] {
            let Ok(uns) = self.to.group("uns") else {
                return Ok(());
            };
            if root.group(table).is_ok() {
                continue;
            }
            for (column, _) in &self.source.table(table)?.columns {
                self.elements
                    .remove(&uns, &format!("{column}_categories"))?;
            }
        }
        Ok(())
    }

    fn absent(&self, key: &str, why: &str) -> Error {
        missing_key(self.source.path(), key, why)
    }

    fn unsupported(&self, what: &str, why: &str) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!(
                "{}: {what} cannot be cut down to fewer cells or genes: {why}; remove it first, or \
                 write the file again with a current anndata",
                self.source.path().display()
            ),
        )
        .with_file(self.source.path())
    }

    /// Copies an object as it is.
    ///
    /// To copy strings the library decodes them, and where it lacks their filter it does not fail but
    /// crash (seen with 1.10.8); such strings are read by ourselves and written again. It crashes over
    /// damaged strings too, so all are looked at before.
    pub(crate) fn copy(&self, from: &Group, path: &str, to: &Group) -> Result<()> {
        let failed = |e| self.elements.failed(path, e);
        if !is_group(from, path) {
            let dataset = from.dataset(path).map_err(failed)?;
            if has_unreadable_strings(&dataset) {
                return self.copy_strings(&dataset, path, to);
            }
            check_text(self.source.path(), &dataset, path)?;
            return dataset.copy_to(to, path).map_err(failed);
        }
        let group = from.group(path).map_err(failed)?;
        if !holds_unreadable_strings(&group) {
            self.check_texts(&group, path)?;
            return group.copy_to(to, path).map_err(failed);
        }
        let copy = to.create_group(path).map_err(failed)?;
        self.attributes(&group, &copy, path)?;
        for member in group.member_names().unwrap_or_default() {
            self.copy(&group, &member, &copy)?;
        }
        Ok(())
    }

    /// Looks at all strings of variable length in a group.
    fn check_texts(&self, group: &Group, path: &str) -> Result<()> {
        for name in group.member_names().unwrap_or_default() {
            let inner = format!("{path}/{name}");
            if is_group(group, &name) {
                if let Ok(group) = group.group(&name) {
                    self.check_texts(&group, &inner)?;
                }
            } else if let Ok(dataset) = group.dataset(&name) {
                check_text(self.source.path(), &dataset, &inner)?;
            }
        }
        Ok(())
    }

    fn copy_strings(&self, dataset: &Dataset, path: &str, to: &Group) -> Result<()> {
        let file = self.source.path();
        match read_text(file, dataset, path)? {
            Some(values) if dataset.ndim() == 1 => self.elements.strings(to, path, &values),
            _ => Err(Error::format(
                file,
                format!("{path}: the HDF5 library lacks a filter that is needed to copy it"),
            )),
        }
    }

    /// Text, numbers and booleans that hang on an object.
    fn attributes(&self, from: &hdf5::Location, to: &hdf5::Location, what: &str) -> Result<()> {
        for name in from.attr_names().unwrap_or_default() {
            let texts = attribute_strings(from, &name);
            if let [text] = &texts[..] {
                self.elements.text_attribute(to, &name, text)?;
                continue;
            }
            if !texts.is_empty() {
                self.elements.names_attribute(to, &name, &texts)?;
                continue;
            }
            let attribute = from.attr(&name);
            let values = attribute.and_then(|a| a.read_raw::<f64>());
            let written = values.and_then(|values| {
                to.new_attr::<f64>()
                    .shape(values.len())
                    .create(name.as_str())?
                    .write_raw(&values)
            });
            written.map_err(|e| {
                self.elements
                    .failed(&format!("{what}: attribute {name}"), e)
            })?;
        }
        Ok(())
    }

    /// A group whose members are carried one by one where they must be cut or left out.
    fn group_of(&self, name: &str, skip: &[&str], each: impl Fn(&str) -> Result<()>) -> Result<()> {
        let root = self.source.root();
        let is_cut = self.selection.cells.is_some() || self.selection.genes.is_some();
        let prefix = format!("{name}/");
        let has_left_out = skip.iter().any(|path| path.starts_with(&prefix));
        if !is_group(root, name) || !(is_cut || has_left_out) {
            return self.copy(root, name, self.to);
        }
        let from = root
            .group(name)
            .map_err(|e| self.elements.failed(name, e))?;
        let to = self
            .to
            .create_group(name)
            .map_err(|e| self.elements.failed(name, e))?;
        self.attributes(&from, &to, name)?;
        for member in member_names(root, name) {
            let path = format!("{name}/{member}");
            if !skip.contains(&path.as_str()) {
                each(&path)?;
            }
        }
        Ok(())
    }

    /// A matrix over two axes.
    fn matrix(&self, path: &str, rows: Axis, columns: Axis) -> Result<()> {
        let keep = [self.selection.axis(rows), self.selection.axis(columns)];
        if keep == [None, None] {
            return self.copy(self.source.root(), path, self.to);
        }
        let place = Place {
            ctx: self.ctx,
            elements: self.elements,
            to: self.to,
            path,
        };
        let plan = EditPlan {
            keep,
            read: ReadOptions {
                allow_nonfinite: true,
                sum_duplicates: false,
            },
            ..EditPlan::default()
        };
        edit_matrix(place, self.source, path, plan, &AsTheyAre, |()| Ok(()))
    }

    /// A member of `obsm` or `varm`.
    fn array(&self, path: &str, axis: Axis) -> Result<()> {
        let root = self.source.root();
        let Some(keep) = self.selection.axis(axis) else {
            return self.copy(root, path, self.to);
        };
        if let Ok(group) = root.group(path) {
            return match encoding_of(&group).as_str() {
                "dataframe" => self.frame(root, self.to, path, Some(keep), ""),
                "csr_matrix" | "csc_matrix" => self.matrix(path, axis, Axis::Other),
                other => Err(self.unsupported(path, &format!("its encoding is {other:?}"))),
            };
        }
        let n_axes = root.dataset(path).map_or(0, |d| d.ndim());
        match n_axes {
            2 => self.matrix(path, axis, Axis::Other),
            n => Err(self.unsupported(path, &format!("it has {n} dimensions"))),
        }
    }

    /// A data frame; `colours` names the table whose categories have colours in `uns`.
    fn frame(
        &self,
        from: &Group,
        to: &Group,
        path: &str,
        keep: Option<&[usize]>,
        colours: &str,
    ) -> Result<()> {
        let group = from.group(path).ok().filter(|group| {
            attribute_string(group, "encoding-version").as_deref() == Some("0.2.0")
                && encoding_of(group) == "dataframe"
        });
        let Some(group) = group else {
            return self.old_frame(from, to, path, keep);
        };
        let Some(keep) = keep else {
            self.copy(from, path, to)?;
            let is_cut = self.selection.cells.is_some() || self.selection.genes.is_some();
            return match is_cut && !colours.is_empty() {
                true => self.drop_unused(&group, to, path),
                false => Ok(()),
            };
        };
        let copy = self.elements.group(to, path, "dataframe", "0.2.0")?;
        let index = attribute_string(&group, "_index").unwrap_or_else(|| "_index".to_owned());
        let order = attribute_strings(&group, "column-order");
        self.elements.text_attribute(&copy, "_index", &index)?;
        self.elements
            .names_attribute(&copy, "column-order", &order)?;
        for name in std::iter::once(&index).chain(&order) {
            self.ctx.check_cancelled()?;
            let column_path = format!("{path}/{name}");
            self.column(&group, &copy, name, &column_path, keep, !colours.is_empty())?;
        }
        Ok(())
    }

    /// Takes categories without members out of a copied table: anndata does so in both tables when
    /// it cuts either axis.
    fn drop_unused(&self, from: &Group, to: &Group, path: &str) -> Result<()> {
        let copy = to.group(path).map_err(|e| self.elements.failed(path, e))?;
        for name in attribute_strings(from, "column-order") {
            let column = from.group(&name).ok();
            let Some(column) = column.filter(|c| encoding_of(c) == "categorical") else {
                continue;
            };
            let column_path = format!("{path}/{name}");
            let [codes, categories] = self.categories(&column, &column_path)?;
            let codes = NumberArray::open(self.source.path(), codes, &column_path)?;
            let codes = codes.read_integers()?;
            if used_codes(&codes, categories.size()).len() < categories.size() {
                let all: Vec<usize> = (0..codes.len()).collect();
                self.elements.remove(&copy, &name)?;
                self.categorical(&column, &copy, &name, &column_path, &all, true)?;
            }
        }
        Ok(())
    }

    /// Codes and categories of a column.
    fn categories(&self, column: &Group, path: &str) -> Result<[Dataset; 2]> {
        let dataset = |part: &str| {
            column
                .dataset(part)
                .map_err(|_| self.absent(&format!("{path}/{part}"), "it is required"))
        };
        Ok([dataset("codes")?, dataset("categories")?])
    }

    /// A table of an old encoding, in the current one.
    fn old_frame(
        &self,
        from: &Group,
        to: &Group,
        path: &str,
        keep: Option<&[usize]>,
    ) -> Result<()> {
        let (mut table, index) = read_whole(self.elements, (self.source.path(), from), path)?;
        if let Some(keep) = keep {
            table.select_rows(keep);
        }
        self.elements.frame(to, path, &index, &table)
    }

    fn column(
        &self,
        from: &Group,
        to: &Group,
        name: &str,
        path: &str,
        keep: &[usize],
        has_colours: bool,
    ) -> Result<()> {
        if let Ok(dataset) = from.dataset(name) {
            return self.vector(&dataset, to, name, path, keep);
        }
        let group = from
            .group(name)
            .map_err(|_| self.absent(path, "column-order has it"))?;
        match encoding_of(&group).as_str() {
            "categorical" => self.categorical(&group, to, name, path, keep, has_colours),
            encoding if encoding.starts_with("nullable-") => {
                let copy = self.elements.group(to, name, encoding, "0.1.0")?;
                for part in ["values", "mask"] {
                    let dataset = group
                        .dataset(part)
                        .map_err(|e| self.elements.failed(path, e))?;
                    self.vector(&dataset, &copy, part, path, keep)?;
                }
                Ok(())
            }
            other => Err(self.unsupported(path, &format!("its encoding is {other:?}"))),
        }
    }

    /// Some elements of a vector of numbers or strings.
    fn vector(
        &self,
        dataset: &Dataset,
        to: &Group,
        name: &str,
        path: &str,
        keep: &[usize],
    ) -> Result<()> {
        let file = self.source.path();
        let inside = |n: usize| keep.last().is_none_or(|&last| last < n);
        if !inside(dataset.size()) {
            return Err(too_few(file, path, dataset.size()));
        }
        if let Some(values) = read_text(file, dataset, path)? {
            let kept: Vec<String> = keep.iter().map(|&i| values[i].clone()).collect();
            return self.elements.strings(to, name, &kept);
        }
        let array = NumberArray::open(file, dataset.clone(), path)?;
        let some = |values: Vec<i64>| -> Vec<i64> { keep.iter().map(|&i| values[i]).collect() };
        macro_rules! integers {
            ($t:ty) => {{
                let kept = some(array.read_integers()?);
                let kept: Vec<$t> = kept.into_iter().map(|v| v as $t).collect();
                self.elements.vector(to, name, &kept)
            }};
        }
        match array.kind() {
            NumberKind::Bool => {
                let kept = some(array.read_integers()?);
                let kept: Vec<bool> = kept.into_iter().map(|v| v != 0).collect();
                self.elements.vector(to, name, &kept)
            }
            NumberKind::I8 => integers!(i8),
            NumberKind::I16 => integers!(i16),
            NumberKind::I32 => integers!(i32),
            NumberKind::I64 => integers!(i64),
            NumberKind::U8 => integers!(u8),
            NumberKind::U16 => integers!(u16),
            NumberKind::U32 => integers!(u32),
            NumberKind::U64 => integers!(u64),
            NumberKind::F16 | NumberKind::F32 => {
                let values = array.read_all()?;
                let kept: Vec<f32> = keep.iter().map(|&i| values[i] as f32).collect();
                self.elements.vector(to, name, &kept)
            }
            NumberKind::F64 => {
                let values = array.read_all()?;
                let kept: Vec<f64> = keep.iter().map(|&i| values[i]).collect();
                self.elements.vector(to, name, &kept)
            }
        }
    }

    fn categorical(
        &self,
        group: &Group,
        to: &Group,
        name: &str,
        path: &str,
        keep: &[usize],
        has_colours: bool,
    ) -> Result<()> {
        let file = self.source.path();
        let [codes, categories] = self.categories(group, path)?;
        let codes = NumberArray::open(file, codes, path)?.read_integers()?;
        let n = categories.size();
        if keep.last().is_some_and(|&last| last >= codes.len()) {
            return Err(too_few(file, path, codes.len()));
        }
        let codes: Vec<i64> = keep.iter().map(|&i| codes[i]).collect();
        let used = used_codes(&codes, n);
        let number = |code: i64| {
            usize::try_from(code).map_or(-1, |c| used.binary_search(&c).map_or(-1, |at| at as i32))
        };
        let codes = codes.into_iter().map(number).collect();
        let ordered = attribute_bool(group, "ordered");
        let texts = read_text(file, &categories, path)?;
        let names = match &texts {
            Some(texts) => used.iter().map(|&c| texts[c].clone()).collect(),
            None => vec![String::new(); used.len()],
        };
        let column = Column::Categorical(Categorical {
            codes,
            categories: names,
            ordered,
        });
        self.elements.column(to, name, &column)?;
        if texts.is_none() {
            // Categories that are numbers stay numbers.
            let copy = to.group(name).map_err(|e| self.elements.failed(path, e))?;
            self.elements.remove(&copy, "categories")?;
            self.vector(&categories, &copy, "categories", path, &used)?;
        }
        if has_colours && used.len() < n {
            self.colours(name, n, &used)?;
        }
        Ok(())
    }

    /// Cuts `uns/<column>_colors`; `uns` comes after `obs` in the file, so it is copied here if it
    /// has to be.
    fn colours(&self, column: &str, n: usize, used: &[usize]) -> Result<()> {
        let key = format!("{column}_colors");
        let source = self.source.root();
        let Ok(from) = source.dataset(&format!("uns/{key}")) else {
            return Ok(());
        };
        let path = format!("uns/{key}");
        let Some(colours) = read_text(self.source.path(), &from, &path)? else {
            return Ok(());
        };
        if colours.len() != n {
            return Ok(());
        }
        if !self.to.link_exists("uns") {
            self.copy(source, "uns", self.to)?;
        }
        let uns = self.elements.dict(self.to, "uns")?;
        let kept: Vec<String> = used.iter().map(|&c| colours[c].clone()).collect();
        self.elements.remove(&uns, &key)?;
        self.elements.strings(&uns, &key, &kept)
    }
}

fn too_few(file: &Path, path: &str, n: usize) -> Error {
    Error::format(file, format!("{path}: {n} values are too few"))
}

/// The categories, of `n`, that have members.
fn used_codes(codes: &[i64], n: usize) -> Vec<usize> {
    let mut is_used = vec![false; n];
    for &code in codes {
        if let Some(used) = usize::try_from(code).ok().and_then(|c| is_used.get_mut(c)) {
            *used = true;
        }
    }
    (0..n).filter(|&c| is_used[c]).collect()
}

/// Whether the library would have to undo a filter that it lacks to copy a dataset.
fn has_unreadable_strings(dataset: &Dataset) -> bool {
    unavailable_filter(dataset).is_some() && number_kind(dataset).is_none()
}

fn holds_unreadable_strings(group: &Group) -> bool {
    let names = group.member_names().unwrap_or_default();
    names.iter().any(|name| match is_group(group, name) {
        true => group
            .group(name)
            .is_ok_and(|g| holds_unreadable_strings(&g)),
        false => group
            .dataset(name)
            .is_ok_and(|d| has_unreadable_strings(&d)),
    })
}
