//! The options of one grant.

use super::{
    super::{
        client::Client,
        facts::{Facts, Release},
        options::{Options, Remark},
    },
    Granted, Report, Seen, who,
};

/// What reading the options has shown.
pub(super) fn remarks(report: &mut Report, seen: &Seen<'_>) {
    for (at, remark) in &seen.entry.remarks {
        let place = seen.place(seen.entry.at(*at));
        match remark {
            Remark::Contradiction { now, before } => report.warning(
                place,
                "contradiction",
                format!("{now} undoes the {before} before it"),
                format!("remove {before} or {now}"),
            ),
            Remark::NegativeId { name, written, id } => report.warning(
                place,
                "negative-id",
                format!("{name}={written} stands for {id}, which owns nothing"),
                format!("write {name}={} for nobody, or the owner of the folder", Options::NOBODY),
            ),
            Remark::NoEffect { option } => report.critical(
                place,
                "no-effect",
                format!("{option} counts for no flavour: those of a sec= in default options keep what stands there"),
                format!("write sec= again before {option}"),
            ),
        }
    }
}

pub(super) fn grant(report: &mut Report, granted: &Granted<'_>, facts: &dyn Facts) {
    let options = &granted.given.grant.options;
    let path = granted.path();
    if !options.sync && granted.writes() {
        report.critical(
            granted.place(),
            "async",
            format!(
                "async: a crash of the server loses what it has acknowledged in {path}, also what an append-only file \
                 with appendfsync always has acknowledged"
            ),
            "write sync",
        );
    }
    if !options.secure {
        report.warning(
            granted.place(),
            "insecure",
            "insecure: every user of a client machine can pose as any other, for no privileged port is asked for",
            "leave it out, unless the clients come through address translation",
        );
    }
    squash(report, granted, options);
    if options.subtree_check {
        report.warning(
            granted.place(),
            "subtree-check",
            "subtree_check: a file that is renamed while it is open may become stale, and Redis renames its files",
            "write no_subtree_check",
        );
    }
    if options.reexport.is_some() && options.fsid.is_some() {
        report.critical(
            granted.place(),
            "reexport-fsid",
            "reexport= takes the number of fsid= from a database, and the one here is lost",
            "leave one of them",
        );
    }
    newer(report, granted, options, facts);
}

fn squash(report: &mut Report, granted: &Granted<'_>, options: &Options) {
    let path = granted.path();
    let keeps_root = options.accesses().any(|one| !one.access.squashes_root());
    if keeps_root && !who::is_world(&granted.given.grant.client) {
        report.warning(
            granted.place(),
            "no-root-squash",
            format!("root on {} is root in {path}", granted.given.grant.client),
            "write all_squash with anonuid= and anongid= of the folder's owner",
        );
    }
    let squashes = options.accesses().any(|one| one.access.squashes_root());
    if squashes && options.anonuid == 0 {
        let all = options.accesses().any(|one| one.access.all_squash);
        report.critical(
            granted.place(),
            "anonymous-root",
            format!("anonuid=0: {} on a client is root in {path}", if all { "everyone" } else { "root" }),
            "write the owner of the folder",
        );
    }
}

/// Options that older releases refuse, and the rest of the file with them.
fn newer(report: &mut Report, granted: &Granted<'_>, options: &Options, facts: &dyn Facts) {
    let options = [
        (!options.transport.is_empty(), "xprtsec", Release(2, 6, 3)),
        (options.reexport.is_some(), "reexport", Release(2, 6, 3)),
        (options.sign_fh, "sign_fh", Release(2, 9, 1)),
    ];
    for (used, name, since) in options {
        let Release(major, minor, patch) = since;
        let what = format!("{name} needs nfs-utils {major}.{minor}.{patch}");
        match facts.release() {
            _ if !used => {}
            Some(release) if release >= since => {}
            Some(Release(a, b, c)) => report.critical(
                granted.place(),
                "newer-option",
                format!("{what}; {a}.{b}.{c} refuses it and drops the rest of the file"),
                "leave it out, or bring nfs-utils up to date",
            ),
            None => report.info(
                granted.place(),
                "newer-option",
                format!("{what}; an older exportfs refuses it and drops the rest of the file"),
                "see that the server has it",
            ),
        }
    }
}

/// True if the two clients have a machine in common, as far as that shows without resolving names.
pub(super) fn overlap(one: &Client, two: &Client) -> bool {
    use super::super::client::Host::{Address, Name};
    match (one, two) {
        (Client::Anyone, _) | (_, Client::Anyone) => true,
        (Client::Subnet(one), Client::Subnet(two)) => one.overlaps(*two),
        (Client::Subnet(subnet), Client::Host(Address(addr)))
        | (Client::Host(Address(addr)), Client::Subnet(subnet)) => subnet.contains(*addr),
        (Client::Wildcard(pattern), Client::Host(Name(name)))
        | (Client::Host(Name(name)), Client::Wildcard(pattern)) => {
            fits(pattern.to_ascii_lowercase().as_bytes(), name.to_ascii_lowercase().as_bytes())
        }
        (one, two) => one.is_same(two),
    }
}

/// True if a pattern of `*`, `?` and `[...]` fits the name. Only the last star is ever tried anew, so the time is at most
/// the product of the lengths.
fn fits(mut pattern: &[u8], mut name: &[u8]) -> bool {
    let mut star = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            star = Some((rest, name));
            pattern = rest;
            continue;
        }
        if let (Some(rest), [_, tail @ ..]) = (one(pattern, name), name) {
            (pattern, name) = (rest, tail);
            continue;
        }
        if pattern.is_empty() && name.is_empty() {
            return true;
        }
        // The last star takes a byte more.
        let Some((rest, [_, tail @ ..])) = star else { return false };
        star = Some((rest, tail));
        (pattern, name) = (rest, tail);
    }
}

/// What is left of the pattern after the first byte of the name, if its first sign fits that.
fn one<'a>(pattern: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let byte = name.first()?;
    let (sign, rest) = pattern.split_first()?;
    match sign {
        b'?' => Some(rest),
        b'[' => {
            let end = rest.iter().position(|sign| *sign == b']')?;
            let (set, rest) = rest.split_at(end);
            let (set, wanted) = match set {
                [b'^' | b'!', set @ ..] => (set, false),
                set => (set, true),
            };
            (is_in(set, *byte) == wanted).then(|| rest.get(1..).unwrap_or_default())
        }
        sign => (sign == byte).then_some(rest),
    }
}

fn is_in(set: &[u8], byte: u8) -> bool {
    match set {
        [] => false,
        [from, b'-', to, rest @ ..] => (*from..=*to).contains(&byte) || is_in(rest, byte),
        [one, rest @ ..] => *one == byte || is_in(rest, byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_overlap() {
        for (one, two, expected) in [
            ("*", "db", true),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.0/8", "10.2.0.0/16", true),
            ("*.a.org", "DB.a.org", true),
            ("*.a.org", "db.b.org", false),
            ("db[0-9]?", "db1x", true),
            ("db[^0-9]", "db1", false),
            ("db[!0-9]", "dbx", true),
            ("*b*c", "abcbc", true),
            ("*b*c?", "abcbc", false),
            ("a*", "a", true),
            ("@a", "@a", true),
            ("@a", "@b", false),
            ("db", "10.0.0.1", false),
        ] {
            let [one, two] = [one, two].map(|text| text.parse::<Client>().unwrap());
            assert_eq!((overlap(&one, &two), overlap(&two, &one)), (expected, expected), "{one} {two}");
        }
        // Many stars do not take for ever.
        assert!(!fits(&b"*a".repeat(200), &b"a".repeat(199)));
        assert!(!fits(&[b"*a".repeat(40), b"b".to_vec()].concat(), &b"a".repeat(253)));
    }
}
