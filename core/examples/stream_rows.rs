//! Rows of an `.h5ad` file as a stream, on some threads:
//! `cargo run --release -p cytosol --example stream_rows -- counts.h5ad [THREADS [stored]]`
//!
//! Prints the number of rows and entries of X, its sum, and the seconds it took; with `stored` rows are decoded but not
//! looked at. `tests/bench` measures reading with it.

use std::path::Path;
use std::time::Instant;

use cytosol::data::h5ad::H5adFile;
use cytosol::data::rows::{ReadOptions, RowReader, scan::Scan};
use cytosol::{Context, ContextOptions, Error, Result};

fn main() -> Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let usage = || {
        Error::argument(
            "arguments",
            "give an .h5ad file, threads, and nothing or stored",
        )
    };
    let (path, threads, is_looked_at) = match given.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        [path] => (path, "0", true),
        [path, threads] => (path, threads, true),
        [path, threads, "stored"] => (path, threads, false),
        _ => return Err(usage()),
    };
    let mut options = ContextOptions::default();
    options.threads = threads.parse().map_err(|_| usage())?;
    let ctx = Context::new(&options)?;
    let begun = Instant::now();
    let file = H5adFile::open(Path::new(path))?;
    let rows = file.rows(&ctx, "X", &std::env::temp_dir())?;
    let (mut n_rows, mut n_entries, mut total) = (0, 0, 0.0);
    Scan::new(&*rows, None, 0).run(
        &ctx,
        || RowReader::new(ReadOptions::default()),
        |_| (0, 0, 0.0),
        |reader, sums, block| {
            sums.0 += block.n_rows();
            if is_looked_at {
                for row in 0..block.n_rows() {
                    reader.read(block, row)?;
                    sums.1 += reader.genes.len();
                    sums.2 += reader.total;
                }
            }
            Ok(())
        },
        |_, sums| {
            n_rows += sums.0;
            n_entries += sums.1;
            total += sums.2;
            Ok(())
        },
    )?;
    #[allow(clippy::print_stdout)]
    {
        let seconds = begun.elapsed().as_secs_f64();
        println!("{n_rows} rows, {n_entries} entries, sum {total}, {seconds:.3} s");
    }
    Ok(())
}
