//! `cyto deseq`: from a table of counts and a table of samples to a table of results.
//!
//! [`args`] is what can be asked for, [`input`] reads and checks the two tables, [`run`] calls the
//! engine and writes, [`report`] says what came out.

mod args;
mod input;
mod options;
mod report;
mod run;

pub use args::DeseqArgs;
pub use run::run;
