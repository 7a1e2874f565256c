//! Changing an exports file: one entry, every other byte as it was.
//!
//! A change is made in the text first and read back. Where the text says something else than was meant, because default
//! options stand in the way or a client was only implied, the entry is written anew, without default options. What
//! cannot be said at all is refused.

use std::path::Path;

use thiserror::Error;

use super::{
    client::Client,
    document::{Content, Document, Error, Line},
    entry::{Entry, Naming},
    grant::Grant,
    problem::Problem,
    render,
};

/// Why a file was not changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EditError {
    /// What was asked for cannot be written so that it reads back as meant.
    #[error("the entry cannot be written: {0}; {remedy}", remedy = .0.remedy())]
    Unsayable(Problem),
    /// What was asked for can be written, but another thing is read back: two values of the options exclude each other.
    #[error("the options of {client} cannot be written as they are; give them as they are read from text")]
    Inconsistent {
        /// Whose.
        client: String,
    },
    /// An entry without a client would be for everyone.
    #[error("an export without a client is for everyone; name the clients, or say *")]
    Nobody,
    /// Squashing to root is no squashing.
    #[error("user or group 0 is root; name the owner of the data")]
    Root,
    /// There is an entry for the path.
    #[error("{path:?} has an entry already; replace it")]
    Exists {
        /// The path.
        path: String,
    },
    /// There is no such entry.
    #[error("{what} is not in the file")]
    Missing {
        /// What was looked for.
        what: String,
    },
    /// exportfs may drop what follows a broken line, so nothing is added to such a file, or made safe in it.
    #[error("the file has a broken line, which has to be put right first: {0}")]
    Broken(Error),
}

impl Document {
    /// Adds an entry at the end of the file.
    ///
    /// # Errors
    /// When the path has an entry, when a line of the file is broken, so that exportfs might not read on, or when the entry
    /// cannot be written. Nothing is changed then.
    pub fn add(&mut self, path: &Path, grants: &[Grant]) -> Result<(), EditError> {
        if self.indices(path).next().is_some() {
            return Err(EditError::Exists { path: path.display().to_string() });
        }
        if let Some(error) = self.errors().next() {
            return Err(EditError::Broken(error));
        }
        let mut raw = written(path, grants)?;
        raw.push(b'\n');
        // Whatever the last line is, the new one must not become a part of it.
        if let Some(last) = self.lines.last_mut().filter(|last| !last.ended) {
            *last = last.with_end();
        }
        self.lines.push(Line::parse(&raw));
        Ok(())
    }

    /// Exports `path` with these grants and no others: in the place of its first entry, with the comment there; further
    /// entries for it are removed. Without an entry, one is added.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn replace(&mut self, path: &Path, grants: &[Grant]) -> Result<(), EditError> {
        let Some(first) = self.indices(path).next() else { return self.add(path, grants) };
        let line = self.rewritten(first, grants)?;
        self.put(first, line);
        let further: Vec<usize> = self.indices(path).skip(1).collect();
        self.drop_lines(&further);
        Ok(())
    }

    /// Grants `path` to one client: in the place of the first grant of `path` to it, whose repetitions are removed; else
    /// behind the last client of the first entry for `path`; else as a new entry.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn replace_grant(&mut self, path: &Path, grant: &Grant) -> Result<(), EditError> {
        let places = self.places(path, &grant.client);
        let Some(entry_at) = places.first().map(|(index, _)| *index).or_else(|| self.indices(path).next())
        else {
            return self.add(path, std::slice::from_ref(grant));
        };
        let Some(entry) = self.lines.get(entry_at).and_then(Line::entry) else { return Ok(()) };
        let mut wanted: Vec<Grant> = entry.grants().iter().map(|given| given.grant.clone()).collect();
        let (splice, at) = match places.first() {
            Some((_, at)) => {
                if let Some(slot) = wanted.get_mut(*at) {
                    *slot = grant.clone();
                }
                let given = entry.grants().get(*at).filter(|given| given.naming != Naming::Implied);
                (given.map(|given| given.span.clone()), *at)
            }
            None => {
                wanted.push(grant.clone());
                (Some(entry.body.end..entry.body.end), wanted.len() - 1)
            }
        };
        let texts = [render::grant(grant), explicit(grant)];
        let line = texts
            .into_iter()
            .find_map(|mut text| {
                let span = splice.clone()?;
                if span.is_empty() {
                    text.insert(0, b' ');
                }
                self.spliced(entry_at, span, &text, &wanted)
            })
            .map_or_else(|| self.rewritten(entry_at, &wanted), Ok)?;
        self.put(entry_at, line);
        // The first one counts, and exportfs complains of the others.
        let again = self.places(path, &grant.client);
        for (index, other) in again.into_iter().rev().filter(|place| *place != (entry_at, at)) {
            self.remove_at(index, other)?;
        }
        Ok(())
    }

    /// Removes the entries for `path`, with the comments on their lines.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove(&mut self, path: &Path) -> Result<(), EditError> {
        let lines: Vec<usize> = self.indices(path).collect();
        if lines.is_empty() {
            return Err(EditError::Missing { what: path.display().to_string() });
        }
        self.drop_lines(&lines);
        Ok(())
    }

    /// Takes `path` away from one client; an entry that has no other goes with it.
    ///
    /// # Errors
    /// When the client has no grant of the path.
    pub fn remove_grant(&mut self, path: &Path, client: &Client) -> Result<(), EditError> {
        let places = self.places(path, client);
        if places.is_empty() {
            return Err(EditError::Missing { what: format!("{client} for {}", path.display()) });
        }
        for (index, at) in places.into_iter().rev() {
            self.remove_at(index, at)?;
        }
        Ok(())
    }

    /// The entry at `index` of the lines with other grants, in the place of the old ones.
    pub(super) fn rewritten(&self, index: usize, grants: &[Grant]) -> Result<Line, EditError> {
        let Some(entry) = self.lines.get(index).and_then(Line::entry) else {
            return Err(EditError::Missing { what: format!("an entry at line {}", index + 1) });
        };
        // The path keeps its spelling.
        let text = written(entry.path(), grants)?;
        let clients = text.get(render::entry(entry.path(), []).len()..).unwrap_or_default();
        self.spliced(index, entry.path_end..entry.body.end, clients, grants)
            .ok_or_else(|| EditError::Missing { what: "the line as it was".to_owned() })
    }

    pub(super) fn put(&mut self, index: usize, line: Line) {
        if let Some(old) = self.lines.get_mut(index) {
            *old = line;
        }
    }

    /// The lines with an entry for the path.
    fn indices<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = usize> + 'a {
        self.entries().filter(move |entry| entry.path() == path).map(|entry| entry.index)
    }

    /// The lines, and the grants in them, that give the path to the client.
    fn places(&self, path: &Path, client: &Client) -> Vec<(usize, usize)> {
        self.entries()
            .filter(|entry| entry.path() == path)
            .flat_map(|entry| {
                let is_it = |(_, given): &(usize, &super::entry::Given)| given.grant.client.is_same(client);
                let found: Vec<_> =
                    entry.grants().iter().enumerate().filter(is_it).map(|(at, _)| at).collect();
                found.into_iter().map(move |at| (entry.index, at))
            })
            .collect()
    }

    fn remove_at(&mut self, index: usize, at: usize) -> Result<(), EditError> {
        let Some((line, entry)) = self.lines.get(index).and_then(|line| Some((line, line.entry()?))) else {
            return Ok(());
        };
        let mut wanted: Vec<Grant> = entry.grants().iter().map(|given| given.grant.clone()).collect();
        if wanted.len() <= 1 {
            self.drop_lines(&[index]);
            return Ok(());
        }
        wanted.remove(at);
        let span = entry.grants().get(at).filter(|given| given.naming != Naming::Implied).map(|given| {
            let before = line.raw.get(..given.span.start).unwrap_or_default();
            let blanks = before.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            given.span.start - blanks..given.span.end
        });
        let line = span
            .and_then(|span| self.spliced(index, span, b"", &wanted))
            .map_or_else(|| self.rewritten(index, &wanted), Ok)?;
        self.put(index, line);
        Ok(())
    }

    /// The line at `index` with `text` in the place of `span`, if it then says what is wanted.
    fn spliced(
        &self,
        index: usize,
        span: std::ops::Range<usize>,
        text: &[u8],
        wanted: &[Grant],
    ) -> Option<Line> {
        let line = self.lines.get(index)?;
        let path = line.entry()?.path();
        let mut raw = line.raw.clone();
        if span.start > span.end || span.end > raw.len() {
            return None;
        }
        raw.splice(span, text.iter().copied());
        let new = Line::parse(&raw);
        let says = |entry: &Entry| {
            entry.path().as_os_str() == path.as_os_str()
                && entry.grants().iter().map(|given| &given.grant).eq(wanted.iter())
        };
        (new.raw == raw && new.ended == line.ended && new.entry().is_some_and(says)).then_some(new)
    }

    fn drop_lines(&mut self, indices: &[usize]) {
        let mut index = 0;
        self.lines.retain(|_| {
            index += 1;
            !indices.contains(&(index - 1))
        });
    }
}

impl Line {
    /// The last line of a file with the line feed that it lacks, saying the same.
    fn with_end(&self) -> Self {
        let ended = Self::parse(&[self.raw.as_slice(), b"\n"].concat());
        match self.raw.strip_suffix(b"\\") {
            // A backslash at the very end stands for itself; before a line feed it would not.
            Some(before) if !ended.ended => Self::parse(&[before, b"\\134\n"].concat()),
            _ => ended,
        }
    }
}

/// The grant as text, with an answer to every question: default options have no say then.
fn explicit(grant: &Grant) -> Vec<u8> {
    render::word(format!("{}({})", grant.client, grant.options.explicit()).as_bytes())
}

/// A line that says exactly this, without a line feed.
fn written(path: &Path, grants: &[Grant]) -> Result<Vec<u8>, EditError> {
    if grants.is_empty() {
        return Err(EditError::Nobody);
    }
    let raw = render::entry(path, grants);
    let line = Line::parse(&raw);
    match line.content {
        Content::Entry(entry) => {
            let as_read = entry.grants().iter().map(|given| &given.grant);
            match as_read.zip(grants).find(|(read, wanted)| read != wanted) {
                Some((_, wanted)) => Err(EditError::Inconsistent { client: wanted.client.to_string() }),
                None if entry.grants().len() != grants.len() || line.raw != raw => {
                    Err(EditError::Unsayable(Problem::NotText))
                }
                None => Ok(raw),
            }
        }
        Content::Broken(problems) => {
            let problem = problems.into_iter().next().map_or(Problem::EmptyQuotes, |(_, problem)| problem);
            Err(EditError::Unsayable(problem))
        }
        Content::Nothing => Err(EditError::Unsayable(Problem::EmptyQuotes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(text: &str) -> Grant {
        text.parse().unwrap()
    }

    /// The text after a change.
    fn after(text: &str, change: impl FnOnce(&mut Document) -> Result<(), EditError>) -> String {
        let mut document = Document::parse(text.as_bytes());
        change(&mut document).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(Document::parse(&document.to_bytes()), document, "{text:?}");
        String::from_utf8(document.to_bytes()).unwrap()
    }

    const RW: &str = "(rw,sync,no_subtree_check,secure,root_squash)";

    #[test]
    fn entries_are_added_behind_whatever_is_there() {
        for (before, between) in
            [("", ""), ("# x\n", ""), ("# x \\", "\n"), ("/a db", "\n"), ("/a db \\\n", "\n"), ("\n\n", "")]
        {
            let text = after(before, |document| document.add(Path::new("/b c"), &[grant("db(rw)")]));
            assert_eq!(text, format!("{before}{between}/b\\040c db{RW}\n"));
        }
        // A backslash at the end of the file is a part of the path, and stays one.
        let text = after("/a\\", |document| document.add(Path::new("/b"), &[grant("db(rw)")]));
        assert_eq!(text, format!("/a\\134\n/b db{RW}\n"));
    }

    #[test]
    fn replacing_keeps_place_comment_and_spelling() {
        let text = "# x\n  \"/a b\" \\\n  db -ro y # why\n/c z\n/a\\040b other\n";
        let text = after(text, |document| document.replace(Path::new("/a b"), &[grant("new(rw)")]));
        assert_eq!(text, format!("# x\n  \"/a b\" new{RW} # why\n/c z\n"));
    }

    #[test]
    fn one_client_is_changed_where_it_stands() {
        for (before, expected) in [
            // In its place, with the others as they are.
            ("/a x(ro)\ty(async) # z\n", format!("/a x(ro)\tdb{RW} # z\n").replace("db", "y")),
            // Behind the others.
            ("/a x(ro) # z\n", format!("/a x(ro) y{RW} # z\n")),
            ("/b x\n", format!("/b x\n/a y{RW}\n")),
            // Once.
            ("/a y y x\n/a y\n/b y\n", format!("/a y{RW} x\n/b y\n")),
        ] {
            let text = after(before, |document| document.replace_grant(Path::new("/a"), &grant("y(rw)")));
            assert_eq!(text, expected, "{before:?}");
        }
    }

    #[test]
    fn default_options_have_no_say_in_what_is_written() {
        // Every question is answered, so the default options may stay.
        let text = after("/a -async,insecure,crossmnt,anonuid=5 x y\n", |document| {
            document.replace_grant(Path::new("/a"), &grant("y(rw)"))
        });
        assert!(text.starts_with("/a -async,insecure,crossmnt,anonuid=5 x y(rw,sync,"), "{text}");
        // Nothing takes a number away again: the entry is written anew.
        let text = after("/a -fsid=7 x y # z\n", |document| {
            document.replace_grant(Path::new("/a"), &grant("y(rw)"))
        });
        let x = "(ro,sync,no_subtree_check,secure,root_squash,fsid=7)";
        assert_eq!(text, format!("/a x{x} y{RW} # z\n"));
        // A client that was implied is written out, or it would be gone.
        let text = after("/a -ro\n", |document| document.replace_grant(Path::new("/a"), &grant("y(rw)")));
        assert_eq!(text, format!("/a *(ro,sync,no_subtree_check,secure,root_squash) y{RW}\n"));
    }

    #[test]
    fn clients_are_removed_without_a_trace() {
        for (before, expected) in [
            ("/a x y(rw) z # w\n", "/a x z # w\n"),
            ("/a x \\\n  y(rw)\n", "/a x \\\n\n"),
            ("/a y\n/b x\n/a y(ro)\n", "/b x\n"),
            ("/a y x y\n", "/a x\n"),
            // Two words of default options may not meet.
            ("/a -rw y -async x\n", "/a x(rw,async,no_subtree_check,secure,root_squash)\n"),
        ] {
            let text = after(before, |document| document.remove_grant(Path::new("/a"), &grant("y").client));
            assert_eq!(text, expected, "{before:?}");
        }
        let text = after("# x\n/a/ y # z\n/b x\n", |document| document.remove(Path::new("/a")));
        assert_eq!(text, "# x\n/b x\n");
    }

    #[test]
    fn what_cannot_be_said_changes_nothing() {
        let text = "/a x\n/b y(bogus)\n";
        let mut document = Document::parse(text.as_bytes());
        let y = || grant("y(rw)");
        let mut odd = y();
        odd.options.anonuid = u32::MAX;
        let mut mixed = y();
        mixed.options.transport = vec![super::super::Transport::Tls; 2];
        let path = Path::new("/a");
        let errors = [
            document.add(path, &[y()]),
            document.add(Path::new("/c"), &[y()]),
            document.replace(path, &[]),
            document.replace(path, &[odd]),
            document.replace(path, &[mixed]),
            document.replace(path, &[Grant { client: Client::Netgroup("a b".to_owned()), ..y() }]),
            document.remove(Path::new("/c")),
            document.remove_grant(path, &y().client),
        ]
        .map(|result| result.unwrap_err().to_string());
        for (error, expected) in errors.iter().zip([
            "has an entry already",
            "2:6: there is no option \"bogus\"",
            "name the clients",
            "no user at all",
            "cannot be written as they are",
            "is not a client",
            "/c is not in the file",
            "y for /a is not in the file",
        ]) {
            assert!(error.contains(expected), "{error}");
        }
        let mut empty = Document::default();
        for path in ["a", "/a/../b", "/a\\040", ""] {
            assert!(empty.add(Path::new(path), &[y()]).is_err(), "{path}");
        }
        assert_eq!((document.to_bytes(), empty.to_bytes()), (text.as_bytes().to_vec(), Vec::new()));
    }
}
