//! What is observed, and what it means.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{io, net::SocketAddr};

use super::*;
use crate::wire::Version;

fn target() -> Target {
    Target {
        host: "server".to_owned(),
        port: 2049,
        mount_port: None,
        version: Version::V4_1,
        path: "/data/pv1".to_owned(),
        uid: 999,
        gid: 999,
        privileged_port: true,
    }
}

fn owned(owner: u32, group: u32, mode: u32) -> Attributes {
    let (owner, group) = (Some(Identity::Number(owner)), Some(Identity::Number(group)));
    Attributes { owner, group, mode, ..Attributes::default() }
}

fn named(owner: &str) -> Attributes {
    Attributes { owner: Some(Identity::Name(owner.to_owned())), mode: 0o755, ..Attributes::default() }
}

const NOTHING: Access = Access { read: false, lookup: false, extend: false, modify: false };
const EVERYTHING: Access = Access { read: true, lookup: true, extend: true, modify: true };

fn refused(what: &'static str, status: Status) -> Error {
    Error::Refused { what, status }
}

fn failed(step: StepName, error: Error) -> Observed {
    let source_port = Some(SourcePort::Privileged);
    Observed {
        failures: vec![(step, error)],
        source_port,
        privileged_helps: Some(false),
        ..Observed::default()
    }
}

fn connect(kind: io::ErrorKind) -> Error {
    Error::Connect { address: SocketAddr::from(([10, 0, 0, 5], 2049)), source: kind.into() }
}

fn latency(p99: u64, count: usize) -> Option<Latency> {
    let p99 = Duration::from_millis(p99);
    Some(Latency { p50: p99, p95: p99, p99, max: p99, count })
}

/// Every finding has a place and a remedy, and they come the worst first.
fn codes(target: &Target, observed: &Observed) -> Vec<&'static str> {
    let findings = judge(target, observed);
    assert!(findings.is_sorted_by_key(|finding| Reverse(finding.severity)));
    for finding in &findings {
        assert!(!finding.what.is_empty() && !finding.remedy.is_empty(), "{finding}");
        assert!(StepName::ALL.iter().any(|step| step.to_string() == finding.place), "{finding}");
    }
    findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn failures_have_their_findings() {
    use StepName::{
        Append, Commit, Connect, Create, Greet, Lock, Look, Mount, ReadBack, Rename, Resolve, Write,
    };
    let no_export = || Error::NoExport { path: "/a".to_owned(), missing: "/a".to_owned(), there: Vec::new() };
    let table = [
        (Resolve, Error::Input("no".to_owned()), "bad-request"),
        (
            Resolve,
            Error::Resolve { host: "h".to_owned(), source: io::ErrorKind::NotFound.into() },
            "host-not-resolvable",
        ),
        (Connect, connect(io::ErrorKind::ConnectionRefused), "port-closed"),
        (Connect, connect(io::ErrorKind::TimedOut), "timeout"),
        (Connect, connect(io::ErrorKind::HostUnreachable), "unreachable"),
        (Greet, Error::Timeout { what: "NULL", limit: Duration::from_secs(5) }, "timeout"),
        (Append, Error::OutOfTime { what: "WRITE" }, "timeout"),
        (
            Append,
            Error::Broken { what: "WRITE", source: io::ErrorKind::UnexpectedEof.into() },
            "connection-lost",
        ),
        (Greet, Error::Garbled { what: "NULL", why: "it ends too early".to_owned() }, "garbled-reply"),
        (Greet, Error::Version { what: "NULL", low: 3, high: 3 }, "wrong-version"),
        (Greet, Error::MinorVersion { what: "EXCHANGE_ID" }, "wrong-version"),
        (Greet, refused("EXCHANGE_ID", Status::DELAY), "server-busy"),
        (Mount, Error::NoProgram { what: "MOUNT" }, "wrong-version"),
        (Mount, no_export(), "export-missing"),
        (Mount, refused("MNT", Status::ACCESS), "client-not-permitted"),
        (Mount, refused("LOOKUP", Status::PERM), "client-not-permitted"),
        (Mount, refused("LOOKUP", Status::WRONGSEC), "wrong-security"),
        (Mount, Error::Rejected { what: "FSINFO", why: "AUTH_TOOWEAK".to_owned() }, "client-not-permitted"),
        (Create, Error::Rejected { what: "CREATE", why: "AUTH_TOOWEAK".to_owned() }, "rejected"),
        (Look, Error::Input("no".to_owned()), "bad-request"),
        (Create, refused("OPEN", Status::ROFS), "read-only"),
        (Create, refused("OPEN", Status::ACCESS), "no-permission"),
        (Create, refused("OPEN", Status::DQUOT), "no-space"),
        (Create, refused("OPEN", Status::GRACE), "server-in-grace"),
        (Write, refused("WRITE", Status::NOSPC), "no-space"),
        (Write, refused("WRITE", Status::STALE), "stale-handle"),
        (Write, refused("WRITE", Status::IO), "server-fault"),
        (Write, refused("WRITE", Status::BADSESSION), "state-lost"),
        (Write, refused("WRITE", Status::FBIG), "refused"),
        (Commit, refused("COMMIT", Status::NOTSUPP), "no-commit"),
        (Commit, Error::NoProcedure { what: "COMMIT" }, "no-commit"),
        (Commit, Error::Forgetful { times: 3 }, "write-verifier-changes"),
        (Rename, refused("RENAME", Status::ACCESS), "no-permission"),
        (Rename, Error::NoProcedure { what: "RENAME" }, "refused"),
        (ReadBack, Error::Differs { offset: 4096 }, "bytes-differ"),
        (Lock, refused("LOCK", Status::LOCK_NOTSUPP), "no-locks"),
        (Lock, Error::NoProcedure { what: "LOCK" }, "no-locks"),
        (Lock, refused("LOCK", Status(4711)), "refused"),
    ];
    for (step, error, code) in table {
        let shown = error.to_string();
        assert_eq!(codes(&target(), &failed(step, error)), [code], "{step}: {shown}");
    }
}

#[test]
fn a_failure_of_cleaning_up_is_told_when_it_tells_more() {
    let left_behind = vec!["x".to_owned()];
    let observed = Observed { left_behind, ..failed(StepName::Remove, refused("REMOVE", Status::STALE)) };
    assert_eq!(codes(&target(), &observed), ["stale-handle", "left-behind"]);
    let after = |status| {
        let mut observed = failed(StepName::Append, refused("WRITE", status));
        observed.failures.push((StepName::Remove, refused("REMOVE", Status::STALE)));
        observed
    };
    assert_eq!(codes(&target(), &after(Status::STALE)), ["stale-handle"]);
    assert_eq!(codes(&target(), &after(Status::BAD_STATEID)), ["state-lost", "stale-handle"]);
}

#[test]
fn whether_the_port_is_to_blame_is_said_as_far_as_it_is_known() {
    let there = vec!["/data/pv2".to_owned()];
    for error in [
        || refused("MNT", Status::ACCESS),
        || Error::Rejected { what: "FSINFO", why: "AUTH_TOOWEAK".to_owned() },
        || Error::NoExport { path: "/a".to_owned(), missing: "/a".to_owned(), there: Vec::new() },
    ] {
        let mut observed = failed(StepName::Mount, error());
        observed.source_port = Some(SourcePort::Any);
        observed.privileged_helps = Some(true);
        assert_eq!(codes(&target(), &observed), ["privileged-port-needed"]);

        observed.source_port = Some(SourcePort::NotPermitted);
        observed.privileged_helps = None;
        let findings = judge(&target(), &observed);
        let [finding, note] = &findings[..] else { panic!("{findings:?}") };
        assert!(finding.what.contains("a port above 1023"), "{finding}");
        assert_eq!(note.code, "unprivileged-port");
    }
    let missing = Error::NoExport { path: "/a".to_owned(), missing: "/a".to_owned(), there };
    let findings = judge(&target(), &failed(StepName::Mount, missing));
    assert!(findings.iter().any(|finding| finding.what.contains("it exports /data/pv2")), "{findings:?}");
}

#[test]
fn who_is_squashed_is_told_from_who_has_no_permission() {
    // The directory, as whom, what the server says may be done there; what follows from a refusal.
    let table = [
        (owned(999, 999, 0o755), 999, NOTHING, "squashed-uid"),
        (owned(1000, 999, 0o775), 999, NOTHING, "squashed-uid"),
        (owned(1000, 1000, 0o777), 999, NOTHING, "squashed-uid"),
        (owned(1000, 1000, 0o755), 0, NOTHING, "squashed-uid"),
        (owned(1000, 1000, 0o755), 999, NOTHING, "no-permission"),
        (owned(1000, 999, 0o755), 999, NOTHING, "no-permission"),
        (owned(999, 999, 0o555), 999, NOTHING, "no-permission"),
        // Writing without searching is not enough.
        (owned(999, 999, 0o622), 999, NOTHING, "no-permission"),
        // The server says yes and then no: nobody is squashed.
        (owned(999, 999, 0o755), 999, EVERYTHING, "no-permission"),
        (named("redis@example.org"), 999, NOTHING, "no-permission"),
    ];
    for (directory, uid, access, code) in table {
        let target = Target { uid, ..target() };
        let mut observed = failed(StepName::Create, refused("OPEN", Status::ACCESS));
        let shown = format!("{directory:?} as {uid}");
        observed.root = Some((directory, access));
        assert_eq!(codes(&target, &observed), [code], "{shown}");
    }
    let mut pseudo = failed(StepName::Create, refused("OPEN", Status::ROFS));
    pseudo.pseudo = true;
    assert_eq!(codes(&target(), &pseudo), ["not-an-export"]);
}

#[test]
fn what_works_has_its_remarks() {
    let nothing = Observed::default;
    let created = |attributes| Observed { created: Some(attributes), ..nothing() };
    let locks = |locks| Observed { locks: Some(locks), ..nothing() };
    let patience = Patience { delays: 1, graces: 2, waited: Duration::from_secs(1) };
    let table: [(Observed, &[&str]); 19] = [
        (nothing(), &[]),
        (created(owned(999, 999, 0o644)), &[]),
        (created(owned(65534, 999, 0o644)), &["squashed-uid"]),
        (created(named("nobody")), &["squashed-uid"]),
        (created(named("nobody@example.org")), &["squashed-uid"]),
        (created(named("redis@example.org")), &["owner-by-name"]),
        (locks(Locks::Exclusive), &[]),
        (locks(Locks::GrantedTwice), &["no-locks"]),
        (locks(Locks::NeverReleased), &["locks-not-released"]),
        (locks(Locks::Unsupported(Status::NOTSUPP)), &["no-locks"]),
        (locks(Locks::NotInThisVersion), &["locks-not-checked"]),
        (Observed { verifier_changes: 1, ..nothing() }, &["write-verifier-changed"]),
        (Observed { latency: latency(99, 200), appends_asked: 200, ..nothing() }, &[]),
        (
            Observed { latency: latency(100, 50), appends_asked: 200, ..nothing() },
            &["slow-sync", "fewer-appends"],
        ),
        (Observed { lease: Some(90), ..nothing() }, &["lease"]),
        (Observed { source_port: Some(SourcePort::NotPermitted), ..nothing() }, &["unprivileged-port"]),
        (Observed { patience, ..nothing() }, &["server-asked-for-patience"]),
        (Observed { left_behind: vec!["x".to_owned()], ..nothing() }, &["left-behind"]),
        (Observed { not_swept: vec!["x".to_owned()], ..nothing() }, &["old-left-overs"]),
    ];
    for (observed, expected) in table {
        assert_eq!(codes(&target(), &observed), expected, "{observed:?}");
    }
    let unreadable = vec![("nodes.conf".to_owned(), refused("OPEN", Status::ACCESS))];
    let observed = Observed { unreadable, lease: Some(90), ..nothing() };
    assert_eq!(codes(&target(), &observed), ["unreadable-file", "lease"]);
}
