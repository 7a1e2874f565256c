//! One line of an exports file as types: a path and who gets it how.

use std::{
    ffi::OsString,
    ops::Range,
    os::unix::ffi::OsStringExt,
    path::{Component, Path, PathBuf},
};

use super::{
    client::Client,
    grant::{Grant, split},
    lexer::{Lexed, Word, escaped},
    options::{Options, Remark},
    problem::Problem,
};

/// A path and those who get it: one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    path: PathBuf,
    grants: Vec<Given>,
    /// From the first byte of the path to the last of the last word.
    pub(super) body: Range<usize>,
    /// Where the word of the path ends.
    pub(super) path_end: usize,
    /// What is worth a word about the options, by place in the line.
    pub(super) remarks: Vec<(usize, Remark)>,
}

impl Entry {
    /// The exported folder, as written. Comparing paths does not see repeated or trailing slashes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who gets it, in the order of the line; at least one.
    pub fn grants(&self) -> &[Given] {
        &self.grants
    }
}

/// A grant and how the line says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Who, and how: default options and own ones together.
    pub grant: Grant,
    /// How the client is named.
    pub naming: Naming,
    /// The word in the line; empty, and at the end, for [`Naming::Implied`].
    pub(super) span: Range<usize>,
}

/// How a line names a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Naming {
    /// It says who.
    Written,
    /// Options without a client before them: `(rw)`, often a blank too many. It is for everyone.
    Nameless,
    /// Nobody is named, or nobody after the last default options. It is for everyone.
    Implied,
}

/// Places in a line with what is wrong there.
pub(super) type Problems = Vec<(usize, Problem)>;

/// What the words of a line mean; nothing for a line without words.
pub(super) fn read(lexed: Lexed) -> Result<Option<Entry>, Problems> {
    let mut problems = lexed.problems;
    let mut words = lexed.words.iter();
    let Some(first) = words.next() else {
        return if problems.is_empty() { Ok(None) } else { Err(problems) };
    };
    let path = path(first).unwrap_or_else(|problem| {
        problems.push((first.span.start, problem));
        PathBuf::new()
    });
    let mut line =
        Line { defaults: None, options: Options::default(), grants: Vec::new(), remarks: Vec::new() };
    let mut body = first.span.clone();
    for word in words {
        body.end = word.span.end;
        // A word without text has been complained of already.
        if !word.text.is_empty()
            && let Err(problem) = line.word(word)
        {
            problems.push(problem);
        }
    }
    if !problems.is_empty() {
        problems.sort_by_key(|(at, _)| *at);
        return Err(problems);
    }
    if line.grants.is_empty() || line.defaults.is_some() {
        let grant = Grant { client: Client::Anyone, options: line.options.normalised() };
        line.grants.push(Given { grant, naming: Naming::Implied, span: body.end..body.end });
    }
    Ok(Some(Entry { path, grants: line.grants, body, path_end: first.span.end, remarks: line.remarks }))
}

fn path(word: &Word) -> Result<PathBuf, Problem> {
    let found = || String::from_utf8_lossy(&word.text).into_owned();
    if word.peak > Problem::PATH_LIMIT {
        return Err(Problem::LongPath { length: word.peak });
    }
    // Complained of already.
    if word.text.is_empty() {
        return Ok(PathBuf::new());
    }
    if word.text.first() != Some(&b'/') {
        return Err(Problem::RelativePath { found: found() });
    }
    if (1..=word.text.len()).any(|end| word.text.get(..end).is_some_and(|text| escaped(text).is_some())) {
        return Err(Problem::TwistedPath { found: found() });
    }
    let path = PathBuf::from(OsString::from_vec(word.text.clone()));
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(Problem::ClimbingPath { found: found() });
    }
    Ok(path)
}

/// A line while it is read.
struct Line {
    /// The word of default options directly before.
    defaults: Option<Range<usize>>,
    options: Options,
    grants: Vec<Given>,
    remarks: Vec<(usize, Remark)>,
}

impl Line {
    fn word(&mut self, word: &Word) -> Result<(), (usize, Problem)> {
        let start = word.span.start;
        if word.peak > Problem::CLIENT_LIMIT {
            return Err((start, Problem::LongClient { length: word.peak }));
        }
        let text = std::str::from_utf8(&word.text)
            .map_err(|error| (word.origin(error.valid_up_to()), Problem::NotText))?;
        if let Some(list) = text.strip_prefix('-') {
            if self.defaults.replace(word.span.clone()).is_some() {
                return Err((start, Problem::SecondDefaults { found: text.to_owned() }));
            }
            return self.options(word, list, None);
        }
        self.defaults = None;
        let (client, list) = split(text).map_err(|problem| {
            let at = match problem {
                Problem::AfterList { .. } => text.find(')').map_or(0, |at| at + 1),
                _ => text.find('(').unwrap_or(0),
            };
            (word.origin(at), problem)
        })?;
        let naming = if client.is_empty() { Naming::Nameless } else { Naming::Written };
        let client: Client = client.parse().map_err(|problem| (start, problem))?;
        self.options(word, list.unwrap_or_default(), Some((client, naming)))
    }

    /// Reads a list: for a client, or for all that follow.
    fn options(
        &mut self,
        word: &Word,
        list: &str,
        client: Option<(Client, Naming)>,
    ) -> Result<(), (usize, Problem)> {
        let before =
            word.text.iter().position(|byte| *byte == b'(').filter(|_| client.is_some()).unwrap_or(0) + 1;
        let place = |at: usize| word.origin(before + at);
        let mut own = self.options.clone();
        let remarks = own.apply(list).map_err(|(at, problem)| (place(at), problem))?;
        self.remarks.extend(remarks.into_iter().map(|(at, remark)| (place(at), remark)));
        match client {
            None => self.options = own,
            Some((client, naming)) => {
                let grant = Grant { client, options: own.normalised() };
                self.grants.push(Given { grant, naming, span: word.span.clone() });
            }
        }
        Ok(())
    }
}
