//! Rows of an `.h5ad` file as a stream, on some threads:
//! `cargo run --release -p cytosol --example stream_rows -- counts.h5ad [THREADS]`
//!
//! Prints the number of entries of X, its sum, and the seconds it took. `tests/bench` measures reading with it.

use std::path::Path;
use std::time::Instant;

use cytosol::data::h5ad::H5adFile;
use cytosol::data::rows::{ReadOptions, RowReader, scan::Scan};
use cytosol::{Context, ContextOptions, Error, Result};

fn main() -> Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let (path, threads) = match given.as_slice() {
        [path] => (Path::new(path), 0),
        [path, threads] => (
            Path::new(path),
            threads
                .parse()
                .map_err(|_| Error::argument("threads", "must be a whole number"))?,
        ),
        _ => return Err(Error::argument("arguments", "give an .h5ad file")),
    };
    let mut options = ContextOptions::default();
    options.threads = threads;
    let ctx = Context::new(&options)?;
    let begun = Instant::now();
    let file = H5adFile::open(path)?;
    let rows = file.rows(&ctx, "X", &std::env::temp_dir())?;
    let (mut n_entries, mut total) = (0, 0.0);
    Scan::new(&*rows, None, 0).run(
        &ctx,
        || RowReader::new(ReadOptions::default()),
        |_| (0, 0.0),
        |reader, sums, block| {
            for row in 0..block.n_rows() {
                reader.read(block, row)?;
                sums.0 += reader.genes.len();
                sums.1 += reader.total;
            }
            Ok(())
        },
        |_, sums| {
            n_entries += sums.0;
            total += sums.1;
            Ok(())
        },
    )?;
    #[allow(clippy::print_stdout)]
    {
        println!(
            "{n_entries} entries, sum {total}, {:.3} s",
            begun.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
