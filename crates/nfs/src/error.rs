//! Why something about exports could not be done, and what kind of stop it is.

use std::{fmt, io, path::PathBuf};

use thiserror::Error;

use crate::WishError;

/// What kind of stop an [`Error`](enum@Error) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Something went wrong while acting; running it again goes on from there.
    Failed,
    /// The input or the machine does not allow it; nothing was changed.
    Input,
    /// It could endanger data or clients; nothing was changed.
    Refused,
    /// Somebody else is at work on the same exports.
    Busy,
}

/// Something that is not done unless it is asked for by name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    /// The export, or the file, it is about.
    pub subject: String,
    /// Why not.
    pub why: String,
    /// What to do.
    pub instead: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.subject, self.why, self.instead)
    }
}

/// Why something about exports could not be done. Each says what happened, where, and what to do next.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The wishes contradict themselves.
    #[error(transparent)]
    Wish(#[from] WishError),

    /// A file or directory cannot be used.
    #[error("cannot {action} {path}: {source}; {remedy}", path = .path.display())]
    File {
        /// What was tried, for instance `write`.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },

    /// A file of configuration cannot be understood.
    #[error("{place}: {what}", place = .place)]
    Configuration {
        /// The file, with line and column where they are known.
        place: String,
        /// What is wrong with it, and what to do.
        what: String,
    },

    /// The server that shall serve the exports does not run.
    #[error("{server} is not running: {why}; {remedy}")]
    NotRunning {
        /// Which server.
        server: &'static str,
        /// How that is known.
        why: String,
        /// What to do.
        remedy: &'static str,
    },

    /// A server, or the program that tells it, refused.
    #[error("{who}: {what}; {remedy}")]
    Server {
        /// Who was asked.
        who: String,
        /// What it said.
        what: String,
        /// What to do.
        remedy: String,
    },

    /// Who uses an export cannot be found out.
    #[error("cannot find out who uses {path}: {why}; {remedy}", path = .path.display())]
    UsersUnknown {
        /// The export.
        path: PathBuf,
        /// Why.
        why: String,
        /// What to do.
        remedy: &'static str,
    },

    /// There is no safe way to what is wanted.
    #[error("refused:{}", .0.iter().map(|refusal| format!("\n  {refusal}")).collect::<String>())]
    Refused(Vec<Refusal>),

    /// Somebody else is at work on the same exports.
    #[error("somebody else changes these exports (the lock {path} is held); wait until they have finished", path = .path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },

    /// It went wrong on the way, and what had been changed was put back.
    #[error("{cause}\n{}", match .left { None => "what had been changed was put back; directories that were made are kept".to_owned(), Some(left) => format!("putting back what had been changed failed as well: {left}; run the command again once the cause is mended") })]
    Undone {
        /// What went wrong.
        cause: Box<Error>,
        /// What could not be put back.
        left: Option<Box<Error>>,
    },
}

impl Error {
    /// What kind of stop this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Wish(_) | Self::File { .. } | Self::Configuration { .. } | Self::NotRunning { .. } => {
                ErrorKind::Input
            }
            Self::Refused(_) | Self::UsersUnknown { .. } => ErrorKind::Refused,
            Self::Busy { .. } => ErrorKind::Busy,
            Self::Server { .. } | Self::Undone { .. } => ErrorKind::Failed,
        }
    }
}
