//! RCTD from two files: `cargo run --release -p cytosol --example rctd -- spatial.h5ad reference.h5ad`
//!
//! The reference's obs table has a column `cell_type`.

use std::path::Path;

use cytosol::data::{Categorical, Column, OpenOptions, open};
use cytosol::rctd::{Mode, Rctd, RctdOptions, Reference, ReferenceInput, SpatialInput};
use cytosol::{Context, Error, Result};

fn main() -> Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [spatial, cells] = paths.as_slice() else {
        return Err(Error::argument(
            "arguments",
            "give a spatial file and a reference file",
        ));
    };
    let ctx = Context::new(&Default::default())?;

    let cells = open(Path::new(cells), &OpenOptions::default())?;
    let cell_types = match cells.obs.require("obs", "cell_type")? {
        Column::Categorical(labels) => labels.clone(),
        Column::Text(labels) => Categorical::from_labels(labels),
        _ => return Err(Error::data("obs column \"cell_type\" holds no labels")),
    };
    let cells = ReferenceInput {
        n_umi: cells.n_umi(),
        counts: cells.counts,
        cells: cells.obs.index,
        genes: cells.var.index,
        cell_types,
    };
    let reference = Reference::build(&ctx, cells, &Default::default())?;

    let pixels = open(Path::new(spatial), &OpenOptions::default())?;
    let pixels = SpatialInput {
        coords: pixels.coordinates(),
        n_umi: pixels.n_umi(),
        counts: pixels.counts,
        pixels: pixels.obs.index,
        genes: pixels.var.index,
    };
    let mut rctd = Rctd::create(&ctx, pixels, &reference, RctdOptions::default())?;
    let results = rctd.run(&ctx, Mode::Doublet)?;
    let table = results.table()?;
    let Some(Column::Categorical(first_type)) = table.column("first_type") else {
        return Err(Error::data("doublet mode names first types"));
    };
    #[allow(clippy::print_stdout)]
    for (row, barcode) in table.index.iter().enumerate() {
        println!("{barcode}\t{}", first_type.label(row).unwrap_or("-"));
    }
    Ok(())
}
