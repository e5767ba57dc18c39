//! How a command fails: one line for people, one JSON object for programs, one exit code.
//!
//! Codes: 1 the work failed, 2 the command line was wrong or `validate --strict` found a fault,
//! 130 stopped by Ctrl-C.

use std::error::Error as _;
use std::process::ExitCode;

use cytosol::{Error, ErrorKind};
use serde::Serialize;

use crate::host;

/// A failed command, as JSON.
#[derive(Debug, Serialize)]
pub struct Failure {
    status: &'static str,
    error: String,
    kind: String,
    reason: &'static str,
    argument: Option<String>,
    file: Option<String>,
    traceback: Vec<String>,
}

impl Failure {
    /// The facts of an error.
    pub fn of(error: &Error) -> Self {
        let mut traceback = Vec::new();
        let mut cause = error.source();
        while let Some(inner) = cause {
            traceback.push(inner.to_string());
            cause = inner.source();
        }
        Failure {
            status: "error",
            error: error.message().to_owned(),
            kind: format!("{:?}", error.kind()),
            reason: error.reason().name(),
            argument: error.argument_name().map(str::to_owned),
            file: error.file().map(|f| f.display().to_string()),
            traceback,
        }
    }
}

/// Reports an error and gives the exit code of the program.
pub fn report(error: &Error, json: bool) -> ExitCode {
    let words = format!("error: {}", error.message());
    host::say(&crate::args::HostArgs::default(), &words);
    if json {
        // Nothing is left to do when standard output is closed as well.
        let _ = host::print(&to_json(&Failure::of(error)));
    }
    match error.kind() {
        ErrorKind::Cancelled => ExitCode::from(130),
        _ => ExitCode::from(1),
    }
}

/// A value as indented JSON.
pub fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("plain structures always have a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cytosol::Reason;

    #[test]
    fn a_failure_carries_message_kind_and_reason() {
        let error = Error::argument("mode", "\"x\" is unknown").with_reason(Reason::NoPixels);
        let json = to_json(&Failure::of(&error));
        for words in [
            "\"status\": \"error\"",
            "mode: \\\"x\\\"",
            "no_pixels",
            "InvalidArgument",
        ] {
            assert!(json.contains(words), "{json}");
        }
    }
}
