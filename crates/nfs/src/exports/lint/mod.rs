//! What is wrong, dangerous or worth a word in exports files.
//!
//! | file | what it looks at |
//! |---|---|
//! | `who` | the clients |
//! | `how` | the options of one grant |
//! | `between` | grants and entries against each other: duplicates, nesting, `fsid` |
//! | `place` | the exported folders and what they lie on |
//!
//! Everything is pure: what has to be known of the machine comes as [`Facts`].

mod between;
mod how;
mod place;
#[cfg(test)]
mod tests;
mod who;

pub(super) use who::{is_address_pattern, is_world};

use super::{
    document::{Located, Position},
    entry::Given,
    facts::Facts,
    problem::Reach,
    table::{File, Table},
};
use crate::finding::{Finding, Severity};

/// Judges the files: what exportfs would refuse, and what it takes although it is dangerous or cannot have been meant.
///
/// Findings come file by file and line by line, those of one place the worst first. Their codes are stable; those of
/// broken lines are [`Problem::code`](super::Problem::code).
///
/// ```
/// use slotwright_nfs::exports::{NoFacts, Table, lint};
/// let text = b"/data/pv1 10.0.0.0/24 (rw,no_root_squash)\n";
/// let table = Table::new("/etc".as_ref(), Some(text), []);
/// let findings = lint(&table, &NoFacts);
/// assert_eq!(findings[0].place, "/etc/exports:1:23");
/// assert_eq!(findings[0].code, "blank-before-options");
/// ```
pub fn lint(table: &Table, facts: &dyn Facts) -> Vec<Finding> {
    let mut report = Report::default();
    if table.no_main_file {
        report.findings.push((
            Key { file: 0, position: Position { line: 0, column: 0 } },
            Finding {
                severity: Severity::Warning,
                code: "no-main-file",
                place: "/etc/exports".to_owned(),
                what: "the file is missing; exportfs complains of it with every run and exits with 1"
                    .to_owned(),
                remedy: "make an empty one".to_owned(),
            },
        ));
    }
    let mut seen = Vec::new();
    for (index, file) in table.files.iter().enumerate() {
        broken(&mut report, index, file);
        for entry in file.document.entries() {
            seen.push(Seen { index, file, entry });
        }
    }
    for one in &seen {
        place::entry(&mut report, one, facts);
        how::remarks(&mut report, one);
        for grant in one.grants() {
            who::grant(&mut report, &grant, facts);
            how::grant(&mut report, &grant, facts);
        }
    }
    between::all(&mut report, &seen);
    report.sorted()
}

/// An entry with its file.
struct Seen<'a> {
    index: usize,
    file: &'a File,
    entry: Located<'a>,
}

impl<'a> Seen<'a> {
    fn grants(&'a self) -> impl Iterator<Item = Granted<'a>> {
        self.entry.grants().iter().enumerate().map(move |(at, given)| Granted {
            seen: self,
            given,
            at: self.entry.grant_position(at),
        })
    }

    /// A place in the entry's file.
    fn place(&self, position: Position) -> Place {
        Place {
            key: Key { file: self.index, position },
            text: format!("{}:{position}", self.file.path.display()),
        }
    }

    /// The path as people read it.
    fn path(&self) -> String {
        self.entry.path().display().to_string()
    }
}

/// A grant with its entry.
#[derive(Clone, Copy)]
struct Granted<'a> {
    seen: &'a Seen<'a>,
    given: &'a Given,
    at: Position,
}

impl Granted<'_> {
    fn place(&self) -> Place {
        self.seen.place(self.at)
    }

    fn path(&self) -> String {
        self.seen.path()
    }

    /// True if anybody may write.
    fn writes(&self) -> bool {
        self.given.grant.options.accesses().any(|one| !one.access.read_only)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    file: usize,
    position: Position,
}

/// A place in a file, as people read it and as it sorts.
struct Place {
    key: Key,
    text: String,
}

/// Findings while they are gathered.
#[derive(Default)]
struct Report {
    findings: Vec<(Key, Finding)>,
}

impl Report {
    fn critical(
        &mut self,
        place: Place,
        code: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Severity::Critical, place, code, what.into(), remedy.into());
    }

    fn warning(
        &mut self,
        place: Place,
        code: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Severity::Warning, place, code, what.into(), remedy.into());
    }

    fn info(&mut self, place: Place, code: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        self.push(Severity::Info, place, code, what.into(), remedy.into());
    }

    fn push(&mut self, severity: Severity, place: Place, code: &'static str, what: String, remedy: String) {
        self.findings.push((place.key, Finding { severity, code, place: place.text, what, remedy }));
    }

    fn sorted(mut self) -> Vec<Finding> {
        // Stable: what was found first stays first among equals.
        self.findings
            .sort_by(|(key, one), (other, two)| key.cmp(other).then_with(|| two.severity.cmp(&one.severity)));
        self.findings.into_iter().map(|(_, finding)| finding).collect()
    }
}

/// Lines that are refused.
fn broken(report: &mut Report, index: usize, file: &File) {
    for error in file.document.errors() {
        let follows = match error.problem.reach() {
            Reach::RestOfFile => "; exportfs drops this line and the rest of the file",
            Reach::Client => "; exportfs complains and leaves it out",
            Reach::Silent => "; exportfs says nothing of it",
        };
        let place = Place {
            key: Key { file: index, position: error.position },
            text: format!("{}:{}", file.path.display(), error.position),
        };
        report.critical(
            place,
            error.problem.code(),
            format!("{}{follows}", error.problem),
            error.problem.remedy(),
        );
    }
}
