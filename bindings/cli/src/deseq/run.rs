//! The work of `cyto deseq`. All files get their names together, after the last of them is whole.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use cytosol::checkpoint::AtomicFile;
use cytosol::data::{Column, Table};
use cytosol::deseq::{
    Analysis, DeseqDataset, DeseqResults, ShrinkTarget, Transformed, deseq, lfc_shrink, ma_data,
    results, variance_stabilizing_transformation, vst,
};
use cytosol::{Context, Error, Result};

use super::args::DeseqArgs;
use super::input;
use super::options::Options;
use super::report::{self, Report};
use crate::csv_table::to_csv;
use crate::failure::to_json;
use crate::host;
use crate::picture;

/// Runs the command.
///
/// # Errors
/// Those of reading, of the engine and of writing; no file is left then.
pub fn run(args: &DeseqArgs) -> Result<ExitCode> {
    let begun = Instant::now();
    let options = Options::of(args)?;
    let host = host::start(&args.host, |_| {})?;
    let ctx = &host.ctx;
    let mut dataset = input::read(ctx, args, options.design.clone())?;
    let analysis = deseq(ctx, &mut dataset, &options.analysis)?;
    let table = compared(ctx, &dataset, &analysis, &options)?;
    let mut files = vec![csv_file(&table.table()?, &args.output)?];
    if let Some(path) = &args.vst {
        let values = if options.transform.nsub == 0 {
            variance_stabilizing_transformation(ctx, &dataset, None, &options.transform)?
        } else {
            vst(ctx, &dataset, &options.transform).map_err(|e| e.in_context("--vst"))?
        };
        files.push(csv_file(&as_table(&values)?, path)?);
    }
    if let Some(path) = &args.ma_plot {
        let data = ma_data(&table, None)?;
        let title = format!("MA plot, {}", report::comparison(&table));
        files.push(picture::draw(
            &picture::ma::MaPlot::of(title, &data)?,
            path,
        )?);
    }
    for file in files {
        file.commit()?;
    }
    let report = Report::of(args, &dataset, &analysis, &table, begun.elapsed());
    if args.json {
        host::print(&to_json(&report))?;
    } else if !args.host.quiet {
        host::print(&report.for_people(&table))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The results, shrunken when that was asked for.
fn compared(
    ctx: &Context,
    dataset: &DeseqDataset,
    analysis: &Analysis,
    options: &Options,
) -> Result<DeseqResults> {
    let table = results(ctx, dataset, analysis, &options.results)?;
    let Some(shrink) = &options.shrink else {
        return Ok(table);
    };
    let fit = &analysis.fit;
    let target = match (&options.results.contrast, &options.results.name) {
        (Some(contrast), _) => ShrinkTarget::Contrast(contrast.clone()),
        (None, Some(name)) => ShrinkTarget::Coefficient(name.clone()),
        (None, None) if fit.matrix.intercept().is_some() => {
            ShrinkTarget::Coefficient(fit.names()[fit.n_columns() - 1].clone())
        }
        (None, None) => {
            return Err(Error::argument(
                "shrink",
                "give --contrast or --name: a design without intercept has no default coefficient",
            ));
        }
    };
    let shrunken = lfc_shrink(ctx, dataset, analysis, &target, Some(&table), shrink)?;
    Ok(shrunken.results)
}

fn csv_file(table: &Table, path: &Path) -> Result<AtomicFile> {
    let is_tsv = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("tsv"));
    let mut file = AtomicFile::create(path)?;
    file.write_all(&to_csv(table, if is_tsv { b'\t' } else { b',' }, true)?)?;
    Ok(file)
}

fn as_table(values: &Transformed) -> Result<Table> {
    let m = values.samples.len();
    let mut table = Table::new(values.genes.clone());
    for (at, name) in values.samples.iter().enumerate() {
        let column = values.values.iter().skip(at).step_by(m).copied().collect();
        table.set(name.clone(), Column::F64(column))?;
    }
    Ok(table)
}
