//! Why the report could not be made.

use std::path::{Path, PathBuf};

/// A report that was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A file or folder.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, such as "writing".
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A result file of criterion that is not as criterion writes it.
    #[error("{}: {source}; delete the folder and run the benchmarks again", path.display())]
    Criterion {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The results could not be put into JSON.
    #[error("writing the results as JSON: {0}")]
    Json(serde_json::Error),
    /// The plot could not be drawn.
    #[error("drawing the plot: {0}")]
    Plot(String),
    /// The system lets no process trace another.
    #[error("instructions cannot be counted: {0}")]
    Trace(String),
}

impl Failure {
    /// A failure with a file.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path: path.clone(), source }
    }
}
