//! `cyto`: the command line of Cytosol.
//!
//! Arguments, progress and printing; all computing is done by the `cytosol` crate, which this
//! program uses as any other would.

mod args;
mod csv_table;
mod demo;
mod deseq;
mod failure;
mod host;
mod info;
mod input;
mod picture;
mod pp;
mod rctd;

// Linked only for the features that Cargo.toml asks of them.
use either as _;
use rand_core as _;
use zerocopy as _;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, RctdCommand};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (outcome, json) = match &cli.command {
        Command::Info(args) => (info::run(args), args.json),
        Command::Rctd(RctdCommand::Validate(args)) => (rctd::validate::run(args), args.json),
        Command::Rctd(RctdCommand::Run(args)) => (rctd::run(args), args.json),
        Command::Pp(command) => (pp::run(command), command.common().json),
        Command::Deseq(args) => (deseq::run(args), args.json),
        Command::Demo(args) => (demo::run(args), false),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => failure::report(&error, json),
    }
}
