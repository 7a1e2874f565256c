//! Why a chore could not be done, in one line for the person who asked for it.

use std::fmt;
use std::process::ExitStatus;

/// A chore that failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something is not as it must be; says what to do.
    Said(String),
    /// A program that was run did not succeed. Its own words are on the terminal already.
    Program {
        /// The command line, for people.
        line: String,
        /// How it ended.
        status: ExitStatus,
    },
}

impl Failure {
    /// A failure in plain words.
    pub(crate) fn said(text: impl Into<String>) -> Failure {
        Failure::Said(text.into())
    }

    /// The exit status to end with: that of the program that failed, where it has one.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Program { status, .. } => {
                status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
            }
            Failure::Said(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Said(text) => f.write_str(text),
            Failure::Program { line, status } => write!(f, "`{line}` failed ({status})"),
        }
    }
}

impl std::error::Error for Failure {}
