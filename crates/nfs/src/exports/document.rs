//! One exports file: what it says, and every byte of it.
//!
//! Changing it is in `edit`.

use std::fmt;

use super::{
    entry::{self, Entry, Problems},
    lexer,
    problem::Problem,
};

/// A place in a file, both counted from 1; the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What is wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Error {
    /// Where.
    pub position: Position,
    /// What.
    pub problem: Problem,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.position, self.problem, self.problem.remedy())
    }
}

impl std::error::Error for Error {}

/// An exports file. Every byte is kept, whatever it says: [`Document::to_bytes`] gives back what was parsed.
///
/// ```
/// use slotwright_nfs::exports::Document;
/// let text = b"# storage\n/data/pv1  10.0.0.0/24(rw,sync) # for pv1\n/data/pv2 (rw\n";
/// let file = Document::parse(text);
/// assert_eq!(file.to_bytes(), text);
/// let entry = file.entries().next().unwrap();
/// assert_eq!(entry.path().to_str(), Some("/data/pv1"));
/// assert_eq!(entry.grants()[0].grant.to_string(), "10.0.0.0/24(rw,sync,no_subtree_check,secure,root_squash)");
/// assert_eq!(entry.position().to_string(), "2:1");
/// let errors: Vec<String> = file.errors().map(|error| error.to_string()).collect();
/// assert_eq!(errors, ["3:11: the option list is not closed before the next blank; write client(option,option) in one \
///                      piece: no blank, no line break, and a ) at its end"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    pub(super) lines: Vec<Line>,
}

/// A logical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its bytes, with the line feed that ends it.
    pub(super) raw: Vec<u8>,
    /// False if the file ends before a line feed ends the line.
    pub(super) ended: bool,
    pub(super) content: Content,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// Blanks, a comment, or both.
    Nothing,
    Entry(Entry),
    Broken(Problems),
}

impl Line {
    /// Reads the first line of `bytes`, which are not empty.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let lexed = lexer::line(bytes);
        Self {
            raw: bytes.get(..lexed.length).unwrap_or(bytes).to_vec(),
            ended: lexed.ended,
            content: match entry::read(lexed) {
                Ok(None) => Content::Nothing,
                Ok(Some(entry)) => Content::Entry(entry),
                Err(problems) => Content::Broken(problems),
            },
        }
    }

    pub(super) fn entry(&self) -> Option<&Entry> {
        match &self.content {
            Content::Entry(entry) => Some(entry),
            _ => None,
        }
    }
}

impl Document {
    /// Reads a file. Never fails: lines that are broken are kept as they are, and told by [`Self::errors`].
    pub fn parse(mut bytes: &[u8]) -> Self {
        let mut lines = Vec::new();
        while !bytes.is_empty() {
            let line = Line::parse(bytes);
            // A line takes a byte at least; were it not so, the rest would be one.
            let length = if line.raw.is_empty() { bytes.len() } else { line.raw.len() };
            bytes = bytes.get(length..).unwrap_or_default();
            lines.push(line);
        }
        Self { lines }
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.raw.iter().copied()).collect()
    }

    /// The entries in the order of the file; broken lines are left out.
    pub fn entries(&self) -> impl Iterator<Item = Located<'_>> {
        self.numbered().filter_map(|(first, index, line)| {
            line.entry().map(|entry| Located { entry, raw: &line.raw, first, index })
        })
    }

    /// What is wrong, in the order of the file.
    pub fn errors(&self) -> impl Iterator<Item = Error> {
        self.numbered().flat_map(|(first, _, line)| {
            let problems = match &line.content {
                Content::Broken(problems) => problems.as_slice(),
                _ => &[],
            };
            problems.iter().map(move |(at, problem)| Error {
                position: place(&line.raw, first, *at),
                problem: problem.clone(),
            })
        })
    }

    /// The lines with the number of their first line in the file, counted from 1, and their index.
    fn numbered(&self) -> impl Iterator<Item = (usize, usize, &Line)> {
        let mut next = 1;
        self.lines.iter().enumerate().map(move |(index, line)| {
            let first = next;
            next += line.raw.iter().filter(|byte| **byte == b'\n').count();
            (first, index, line)
        })
    }
}

/// An entry with its place in the file. Dereferences to the entry.
#[derive(Debug, Clone, Copy)]
pub struct Located<'a> {
    entry: &'a Entry,
    raw: &'a [u8],
    first: usize,
    pub(super) index: usize,
}

impl Located<'_> {
    /// Where the entry begins.
    pub fn position(&self) -> Position {
        self.at(self.entry.body.start)
    }

    /// Where the grant of this index begins; the end of the entry if there is none.
    pub fn grant_position(&self, index: usize) -> Position {
        self.at(self.entry.grants().get(index).map_or(self.entry.body.end, |given| given.span.start))
    }

    /// The place of a byte of the line.
    pub(super) fn at(&self, offset: usize) -> Position {
        place(self.raw, self.first, offset)
    }
}

impl std::ops::Deref for Located<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.entry
    }
}

/// The place of the byte at `offset` of a line whose first line in the file is `first`.
fn place(raw: &[u8], first: usize, offset: usize) -> Position {
    let before = raw.get(..offset).unwrap_or(raw);
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    // The bytes that continue a character of UTF-8 count for nothing.
    let characters =
        before.get(start..).unwrap_or_default().iter().filter(|byte| !matches!(byte, 0x80..=0xbf)).count();
    Position { line: first + before.iter().filter(|byte| **byte == b'\n').count(), column: characters + 1 }
}
