//! `cyto deseq`: from counts and a table of samples to a table of results.
//!
//! [`args`] is what can be asked for, [`input`] reads and checks ([`counts`] from tables and folders, [`cells`]
//! summed to samples), [`run`] calls the engine and writes, [`report`] says what came out.

mod args;
mod cells;
mod counts;
mod input;
mod options;
mod report;
mod run;

pub use args::DeseqArgs;
pub use run::run;
