//! What a server exports, found by walking down from its root: version 4 has no list.
//!
//! An export is where another file system begins. That alone is not enough: the kernel's server makes its way to the
//! exports out of real directories, which it shows read-only and empty but for the way on, and which look as if another
//! file system began there as well. So a directory that leads to other file systems and takes no names is the way, not an
//! export. And a directory that takes names is in an export, even if it looks like the way: exports without an `fsid=` of
//! their own do.

use std::collections::VecDeque;

use super::{
    client::{Client, Place},
    operations::{LOOKUP, OF_A_FILE, Operations},
};
use crate::wire::{
    error::{Error, Status},
    remote::{Access, Kind},
};

/// Directories that are looked into, names that are looked up, and how deep they may lie. A way to exports is short; an
/// export may be large, and the caller may not be allowed to write there.
const MOST_DIRECTORIES: usize = 500;
const MOST_NAMES: usize = 4_000;
const DEEPEST: usize = 16;

/// A directory that may be an export.
struct Candidate {
    path: String,
    /// Where the candidate above it is, if there is one.
    above: Option<usize>,
    takes_names: bool,
    leads_on: bool,
}

struct Ahead {
    path: String,
    place: Place,
    depth: usize,
    candidate: Option<usize>,
}

impl Client {
    /// The paths of the exports, in order.
    pub(in crate::wire) async fn exports(&mut self) -> Result<Vec<String>, Error> {
        let mut candidates: Vec<Candidate> = Vec::new();
        let top = Ahead { path: String::new(), place: self.top.clone(), depth: 0, candidate: None };
        let mut ahead = VecDeque::from([top]);
        let (mut directories, mut names) = (0, 0);
        while let Some(here) = ahead.pop_front() {
            directories += 1;
            if directories > MOST_DIRECTORIES || names > MOST_NAMES {
                break;
            }
            let entries = match self.entries(&here.place.handle, |_| true).await {
                Ok(entries) => entries,
                // Not for this caller.
                Err(Error::Refused { .. }) if here.depth > 0 => continue,
                Err(error) => return Err(error),
            };
            for entry in entries.into_iter().filter(|entry| entry.attributes.kind == Kind::Directory) {
                names += 1;
                // A name that a terminal would obey is no path that anybody mounts.
                let Some(name) =
                    String::from_utf8(entry.name).ok().filter(|name| !name.contains(char::is_control))
                else {
                    continue;
                };
                let path = format!("{}/{name}", here.path);
                let (takes_names, found) = match self.step_into(&here.place.handle, &name).await {
                    Ok((place, access)) => (access.extend, Some(place)),
                    // It wants another security than ours: an export, for somebody else.
                    Err(Error::Refused { status: Status::WRONGSEC, .. }) => (false, None),
                    Err(Error::Refused { .. }) => continue,
                    Err(error) => return Err(error),
                };
                let begins = found.as_ref().is_none_or(|place| place.fsid != here.place.fsid);
                let mut candidate = here.candidate;
                if begins || takes_names {
                    candidates.push(Candidate {
                        path: path.clone(),
                        above: candidate,
                        takes_names,
                        leads_on: false,
                    });
                    candidate = Some(candidates.len() - 1);
                }
                if begins {
                    let mut above = here.candidate;
                    while let Some(candidate) = above.and_then(|index| candidates.get_mut(index)) {
                        candidate.leads_on = true;
                        above = candidate.above;
                    }
                }
                if let Some(place) = found.filter(|_| !takes_names && here.depth < DEEPEST) {
                    ahead.push_back(Ahead { path, place, depth: here.depth + 1, candidate });
                }
            }
        }
        let is_export = |candidate: &Candidate| candidate.takes_names || !candidate.leads_on;
        let mut found: Vec<String> =
            candidates.into_iter().filter(is_export).map(|candidate| candidate.path).collect();
        found.sort();
        Ok(found)
    }

    async fn step_into(&mut self, directory: &[u8], name: &str) -> Result<(Place, Access), Error> {
        let ask = Operations::at(directory)
            .lookup(name.as_bytes())
            .handle()
            .attributes(OF_A_FILE)
            .access(Access::ALL);
        self.inside("LOOKUP", &ask, |results| {
            results.good(LOOKUP)?;
            let handle = results.handle()?;
            let fsid = results.attributes()?.fsid;
            Ok((Place { handle, fsid }, Access::from_bits(results.access()?)))
        })
        .await
    }
}
