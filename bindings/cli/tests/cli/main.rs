//! End-to-end tests of the binary: what a user types, what comes back, what lies on disk.

mod deseq;
mod deseq_inputs;
mod faults;
mod info;
mod lab;
mod options;
mod pp;
mod repository;
mod resume;
mod run;
mod validate;
