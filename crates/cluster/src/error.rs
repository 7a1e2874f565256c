//! The one error of this crate's parsers.

use std::fmt;

/// Text or a reply of a server that does not have the form its command promises.
///
/// Names the source, the line (from 1) and the field, and shows a short piece of what was found there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    source: &'static str,
    line: Option<usize>,
    field: &'static str,
    found: String,
    reason: String,
}

/// Longest piece of the input that an error repeats.
const SHOWN: usize = 60;

impl ParseError {
    /// An error in `field` of the reply or file called `source`; `found` is cut to a readable length.
    pub fn new(source: &'static str, field: &'static str, found: &str, reason: impl Into<String>) -> Self {
        let mut shown: String = found.chars().take(SHOWN).flat_map(char::escape_debug).collect();
        if found.chars().nth(SHOWN).is_some() {
            shown.push('…');
        }
        Self { source, line: None, field, found: shown, reason: reason.into() }
    }

    /// The same error, placed on `line` (counted from 1).
    #[must_use]
    pub fn on_line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// The line the error stands on, counted from 1, where the input has lines.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// The field that could not be read.
    pub fn field(&self) -> &'static str {
        self.field
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ", {}: {} (found \"{}\")", self.field, self.reason, self.found)
    }
}

impl std::error::Error for ParseError {}
