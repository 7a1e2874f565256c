//! What can go wrong while measuring. One type: the harness reports and stops; nothing here is recovered from.

use std::io;
use std::path::PathBuf;

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for something that cannot be measured.
    #[error("{0}")]
    Argument(String),
    /// A signal arrived, or the other half of the measurement gave up.
    #[error("interrupted; every server that was started has been stopped")]
    Interrupted,
    /// An operating-system call failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A needed program is not on this machine.
    #[error("{program} cannot be run ({reason}); install it, or name another with {option}")]
    Missing {
        /// The program that was asked for.
        program: PathBuf,
        /// What the system said.
        reason: String,
        /// The option that names another one.
        option: &'static str,
    },
    /// A server did not start, died, or answered with something unexpected.
    #[error("server {node}: {what}")]
    Server {
        /// Address of the server.
        node: String,
        /// What it did.
        what: String,
    },
    /// A side ended with an error.
    #[error("{side} failed: {what}")]
    Tool {
        /// Name of the side.
        side: &'static str,
        /// What it said.
        what: String,
    },
    /// The cluster did not come about within the limit.
    #[error("no cluster after {seconds} s: {state}")]
    TooSlow {
        /// The limit.
        seconds: u64,
        /// What the nodes said last.
        state: String,
    },
    /// The cluster came about, but is not what was asked for.
    #[error("the cluster formed is not the one asked for: {0}")]
    Wrong(String),
    /// A side panicked: a defect in the harness or in the side.
    #[error("{0} panicked")]
    Panicked(&'static str),
}

impl Failure {
    /// Wraps an I/O error with what was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
        let what = what.into();
        move |source| Failure::Io { what, source }
    }

    /// A server's misbehaviour.
    pub(crate) fn server(node: impl Into<String>, what: impl Into<String>) -> Failure {
        Failure::Server { node: node.into(), what: what.into() }
    }
}
