//! The steps of a plan in words.

use std::fmt;

use serde::Serialize;
use slotwright_machine::Owner;

use super::Step;

/// One step, in words; for people and machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `+` for what is added, `~` for what is changed, `-` for what is taken away.
    pub sign: char,
    /// What it is about.
    pub subject: String,
    /// What is done.
    pub what: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.sign, self.subject, self.what)
    }
}

/// A step in words: a line, or for a file a line for each that goes or comes.
pub(super) fn describe(step: &Step) -> Vec<Line> {
    let line = |sign, subject: String, what: String| Line { sign, subject, what };
    let owner = |owner: &Owner| format!("{}:{}, mode {:04o}", owner.uid, owner.gid, owner.mode);
    match step {
        Step::MakeDirectory { path, owner: whose } => {
            vec![line('+', path.display().to_string(), format!("make the directory ({})", owner(whose)))]
        }
        Step::SetOwner { path, from, to } => vec![line(
            '~',
            path.display().to_string(),
            format!("owner and mode from {} to {}", owner(from), owner(to)),
        )],
        Step::WriteIds { path, .. } => {
            vec![line('~', path.display().to_string(), "keep the ids of the exports".to_owned())]
        }
        Step::Write(change) => {
            let path = change.path.display().to_string();
            match (&change.before, &change.after) {
                (None, _) => vec![line('+', path, "write the file".to_owned())],
                (_, None) => vec![line('-', path, "remove the file".to_owned())],
                (Some(before), Some(after)) => differences(&path, before, after),
            }
        }
        Step::Serve { export, was } => {
            let grants: Vec<String> = export.grants.iter().map(ToString::to_string).collect();
            let (sign, what) = match was {
                None => ('+', "serve to"),
                Some(_) => ('~', "serve from now on to"),
            };
            vec![line(sign, export.path.display().to_string(), format!("{what} {}", grants.join(" ")))]
        }
        Step::Withdraw { served } => {
            vec![line('-', served.path.display().to_string(), "serve it no more; its data stays".to_owned())]
        }
    }
}

/// The lines that go and come.
fn differences(path: &str, before: &[u8], after: &[u8]) -> Vec<Line> {
    let lines =
        |bytes: &[u8]| -> Vec<String> { String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect() };
    let (before, after) = (lines(before), lines(after));
    let only = |here: &[String], there: &[String], sign: char| -> Vec<Line> {
        here.iter()
            .filter(|text| !there.contains(text) && !text.trim().is_empty())
            .map(|text| Line { sign, subject: path.to_owned(), what: text.clone() })
            .collect()
    };
    let mut changed = only(&before, &after, '-');
    changed.extend(only(&after, &before, '+'));
    if changed.is_empty() {
        changed.push(Line { sign: '~', subject: path.to_owned(), what: "put in order".to_owned() });
    }
    changed
}
