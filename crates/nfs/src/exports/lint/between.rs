//! Grants and entries against each other: given twice, one inside the other, and the numbers in file handles.

use std::{collections::BTreeMap, path::Path};

use super::{
    super::{client::Client, options::Options},
    Granted, Report, Seen,
    how::overlap,
};

pub(super) fn all(report: &mut Report, seen: &[Seen<'_>]) {
    let granted: Vec<Granted<'_>> = seen.iter().flat_map(Seen::grants).collect();
    same_path(report, &granted);
    nested(report, &granted);
    fsid(report, seen, &granted);
    reexport(report, &granted);
}

/// Grants of each path, in the order of reading.
fn by_path<'a, 'b>(granted: &'b [Granted<'a>]) -> BTreeMap<&'a Path, Vec<&'b Granted<'a>>> {
    let mut paths = BTreeMap::<_, Vec<_>>::new();
    for one in granted {
        paths.entry(one.seen.entry_path()).or_default().push(one);
    }
    paths
}

impl<'a> Seen<'a> {
    fn entry_path(&'a self) -> &'a Path {
        self.entry.path()
    }
}

/// What the server does, apart from how the export is told from others.
fn conduct(options: &Options) -> Options {
    Options { fsid: None, uuid: None, mountpoint: None, ..options.clone() }
}

/// One path given twice to one client, or to clients with machines in common.
fn same_path(report: &mut Report, granted: &[Granted<'_>]) {
    for (path, grants) in by_path(granted) {
        for (index, two) in grants.iter().enumerate() {
            let earlier = || grants.iter().take(index);
            let same = |one: &&&Granted<'_>| one.given.grant.client.is_same(&two.given.grant.client);
            if let Some(one) = earlier().find(same) {
                let differ = one.given.grant.options != two.given.grant.options;
                let what = format!(
                    "{} is given to {} already at {}; exportfs exits with 1, and the first one counts",
                    path.display(),
                    two.given.grant.client,
                    one.place().text
                );
                if differ {
                    report.critical(two.place(), "duplicate-client", what, "leave the one that is meant");
                } else {
                    report.warning(two.place(), "duplicate-client", what, "remove one of them");
                }
                continue;
            }
            let differs = |one: &&&Granted<'_>| {
                overlap(&one.given.grant.client, &two.given.grant.client)
                    && conduct(&one.given.grant.options) != conduct(&two.given.grant.options)
            };
            if let Some(one) = earlier().find(differs) {
                let (first, second) = (&one.given.grant.client, &two.given.grant.client);
                let counts = if rank(second) < rank(first) { second } else { first };
                report.warning(
                    two.place(),
                    "overlapping-clients",
                    format!(
                        "{first} and {second} have machines in common, with other options for {}; those of {counts} count",
                        path.display()
                    ),
                    "give the same options, or divide the clients",
                );
            }
        }
    }
}

/// The order in which the server looks for a client: exports(5), "Machine Name Formats".
fn rank(client: &Client) -> u8 {
    match client {
        Client::Host(_) => 0,
        Client::Subnet(_) => 1,
        Client::Wildcard(_) => 2,
        Client::Netgroup(_) => 3,
        Client::Anyone => 4,
        Client::Gss(_) => 5,
    }
}

/// A folder inside another one that is exported too, with other options for the same machines.
fn nested(report: &mut Report, granted: &[Granted<'_>]) {
    let paths = by_path(granted);
    for (path, inner) in &paths {
        let outer = path.ancestors().skip(1).find_map(|above| Some((above, paths.get(above)?)));
        let Some((above, outer)) = outer else { continue };
        let pair = inner.iter().find_map(|one| {
            let differs = |two: &&&Granted<'_>| {
                overlap(&one.given.grant.client, &two.given.grant.client)
                    && conduct(&one.given.grant.options) != conduct(&two.given.grant.options)
            };
            outer.iter().find(differs).map(|two| (one, two))
        });
        if let Some((one, two)) = pair {
            report.warning(
                one.place(),
                "nested-exports",
                format!(
                    "{} is inside {}, which {} gets with other options at {}; on one file system neither keeps the \
                     clients of the other out, and NFSv4 may show the options of the outer one",
                    path.display(),
                    above.display(),
                    two.given.grant.client,
                    two.place().text
                ),
                "give both the same options, or export folders side by side",
            );
        }
    }
}

/// The numbers that identify exports in file handles.
fn fsid(report: &mut Report, seen: &[Seen<'_>], granted: &[Granted<'_>]) {
    let mut numbers = BTreeMap::<u32, &Granted<'_>>::new();
    let mut uuids = BTreeMap::<u128, &Granted<'_>>::new();
    for one in granted {
        let options = &one.given.grant.options;
        let path = one.seen.entry_path();
        if let Some(number) = options.fsid {
            let first = *numbers.entry(number).or_insert(one);
            if first.seen.entry_path() != path {
                report.critical(
                    one.place(),
                    "duplicate-fsid",
                    format!(
                        "fsid={number} is that of {} too, at {}; clients of one folder are given files of the other",
                        first.path(),
                        first.place().text
                    ),
                    "give each folder a number of its own",
                );
            }
        }
        if let Some(uuid) = options.uuid {
            let first = *uuids.entry(uuid.bits()).or_insert(one);
            if first.seen.entry_path() != path {
                report.warning(
                    one.place(),
                    "duplicate-fsid",
                    format!("fsid={uuid} is that of {} too, at {}", first.path(), first.place().text),
                    "see that both lie on the file system with this UUID, or give each a number of its own",
                );
            }
        }
    }
    for grants in by_path(granted).values() {
        let of = |one: &Granted<'_>| (one.given.grant.options.fsid, one.given.grant.options.uuid);
        let Some(first) = grants.first() else { continue };
        if let Some(other) = grants.iter().find(|one| of(one) != of(first)) {
            report.warning(
                other.place(),
                "fsid-differs",
                format!("{} has another fsid for another client at {}", other.path(), first.place().text),
                "give the folder one fsid, for all its clients",
            );
        }
        if let Some(root) = grants.iter().find(|one| one.given.grant.options.fsid == Some(0)) {
            report.warning(
                root.place(),
                "fsid-root",
                format!(
                    "fsid=0 makes {} the root of NFSv4, so NFSv4 and NFSv3 need different paths for it",
                    root.path()
                ),
                "give it another number",
            );
        }
    }
    for one in seen {
        let identified = |options: &Options| {
            options.fsid.is_some() || options.uuid.is_some() || options.reexport.is_some()
        };
        if !one.entry.grants().iter().all(|given| identified(&given.grant.options)) {
            report.info(
                one.place(one.entry.position()),
                "missing-fsid",
                format!(
                    "{} has no fsid=, so file handles depend on the disk, and restoring it to another makes every client \
                     stale",
                    one.path()
                ),
                "write fsid= with a number of its own, and keep it",
            );
        }
    }
}

/// With `reexport=` anywhere, exportfs takes no numbers elsewhere.
fn reexport(report: &mut Report, granted: &[Granted<'_>]) {
    let Some(first) = granted.iter().find(|one| one.given.grant.options.reexport.is_some()) else { return };
    for one in granted.iter().filter(|one| one.given.grant.options.reexport.is_none()) {
        if let Some(number) = one.given.grant.options.fsid {
            report.critical(
                one.place(),
                "reexport-fsid",
                format!(
                    "exportfs takes no fsid={number} while there is a reexport=, at {}",
                    first.place().text
                ),
                "use reexport= for all of them or for none",
            );
        }
    }
}
