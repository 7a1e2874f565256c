//! From what a verification observed to what it means for a Redis node. Pure: no I/O, no clock.

use std::{cmp::Reverse, io::ErrorKind, time::Duration};

use super::{
    Target,
    connection::SourcePort,
    error::{Error, Status},
    remote::{Access, Attributes, Identity, Locks, Patience},
    report::{Latency, StepName},
};
use crate::{Finding, Severity};

/// Above this, 99 of 100 synced appends no longer count as quick.
const SLOW: Duration = Duration::from_millis(100);

/// What is known after a verification.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// Steps that failed, and how.
    pub(crate) failures: Vec<(StepName, Error)>,
    pub(crate) source_port: Option<SourcePort>,
    /// Where the mount failed: it works from a port below 1024, or fails from there as well; unknown otherwise.
    pub(crate) privileged_helps: Option<bool>,
    /// The export's root, and what the server says the caller may do there.
    pub(crate) root: Option<(Attributes, Access)>,
    /// The path leads into the pseudo file system, not into an export.
    pub(crate) pseudo: bool,
    /// Seconds.
    pub(crate) lease: Option<u32>,
    /// Files that were asked for, exist and cannot be read.
    pub(crate) unreadable: Vec<(String, Error)>,
    /// A file that was made here.
    pub(crate) created: Option<Attributes>,
    pub(crate) verifier_changes: u32,
    pub(crate) latency: Option<Latency>,
    pub(crate) appends_asked: usize,
    pub(crate) locks: Option<Locks>,
    /// Left-overs of earlier runs that this caller may not remove.
    pub(crate) not_swept: Vec<String>,
    /// What this run made and could not remove.
    pub(crate) left_behind: Vec<String>,
    pub(crate) patience: Patience,
}

/// What is worth telling, the worst first.
pub(crate) fn judge(target: &Target, observed: &Observed) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (step, error) in &observed.failures {
        findings.push(failure(target, observed, *step, error));
    }
    for (name, error) in &observed.unreadable {
        findings.push(finding(
            Severity::Critical,
            "unreadable-file",
            StepName::Look,
            format!("{name} exists and cannot be read as uid {}: {error}", target.uid),
            "give it to the user of the pods, or find out whose it is".to_owned(),
        ));
    }
    findings.extend(ownership(target, observed));
    findings.extend(locks(observed));
    findings.extend(remarks(observed));
    findings.sort_by_key(|finding| Reverse(finding.severity));
    findings
}

fn finding(severity: Severity, code: &'static str, step: StepName, what: String, remedy: String) -> Finding {
    Finding { severity, code, place: step.to_string(), what, remedy }
}

/// What a failed step means.
fn failure(target: &Target, observed: &Observed, step: StepName, error: &Error) -> Finding {
    let critical =
        |code, remedy: &str| finding(Severity::Critical, code, step, error.to_string(), remedy.to_owned());
    match error {
        Error::Input(_) => critical("bad-request", "correct what is asked for"),
        Error::Resolve { .. } => {
            critical("host-not-resolvable", "correct the server's name, or give its address")
        }
        Error::Connect { source, .. } if source.kind() == ErrorKind::ConnectionRefused => critical(
            "port-closed",
            "start the server there, or correct the port; for NFSv3, both the portmapper and the MOUNT service must be reachable",
        ),
        Error::Connect { source, .. } if source.kind() == ErrorKind::TimedOut => timeout(step, error),
        Error::Connect { .. } => {
            critical("unreachable", "check the route and the firewalls between here and the server")
        }
        Error::Timeout { .. } | Error::OutOfTime { .. } => timeout(step, error),
        Error::Broken { .. } => critical(
            "connection-lost",
            "look into the server's log: it closed the connection, or restarted meanwhile",
        ),
        Error::Garbled { .. } => critical("garbled-reply", "check that an NFS server listens on this port"),
        Error::Version { .. } | Error::NoProgram { .. } => {
            let wanted = target.version;
            critical(
                "wrong-version",
                &format!("let the server offer {wanted}, or use the version that it offers"),
            )
        }
        Error::NoProcedure { what } => refused(target, observed, step, error, what, Status::NOTSUPP),
        Error::Rejected { .. } if step == StepName::Mount => {
            denied_mount(observed, step, error, "client-not-permitted", error.to_string())
        }
        Error::Rejected { .. } => critical("rejected", "look into the server's log"),
        Error::Refused { what, status } => refused(target, observed, step, error, what, *status),
        Error::NoExport { there, .. } => {
            let there = match there.as_slice() {
                [] => "the server tells of no exports".to_owned(),
                some => format!("it exports {}", some.join(", ")),
            };
            denied_mount(observed, step, error, "export-missing", format!("{error}; {there}"))
        }
        Error::Forgetful { .. } => critical(
            "write-verifier-changes",
            "find out why the server restarts, or loses its memory, all the time: no write on it is ever durable",
        ),
        Error::Differs { .. } => {
            critical("bytes-differ", "do not use this server: it returns other bytes than were written")
        }
    }
}

fn timeout(step: StepName, error: &Error) -> Finding {
    finding(
        Severity::Critical,
        "timeout",
        step,
        format!("{error}; a Redis node on a hard mount would stand still as long"),
        "check the server's load and the network; allow more time if the server is only slow".to_owned(),
    )
}

/// What a refusal means.
fn refused(
    target: &Target,
    observed: &Observed,
    step: StepName,
    error: &Error,
    what: &str,
    status: Status,
) -> Finding {
    let critical =
        |code, remedy: &str| finding(Severity::Critical, code, step, error.to_string(), remedy.to_owned());
    match (what, status) {
        (_, Status::STALE | Status::BADHANDLE | Status::FHEXPIRED) => critical(
            "stale-handle",
            "the export was removed, or given another id, while it was in use: export it again under the same fsid or Export_Id, then restart what had it mounted",
        ),
        (_, Status::NOSPC | Status::DQUOT) => critical("no-space", "free or add space, or raise the quota"),
        (_, Status::ROFS) if observed.pseudo => finding(
            Severity::Critical,
            "not-an-export",
            step,
            format!("{} exists only as a way to the server's exports: {error}", target.path),
            "use the path of an export".to_owned(),
        ),
        (_, Status::ROFS) => critical(
            "read-only",
            "export it with rw (Ganesha: Access_Type = RW), and its file system likewise",
        ),
        ("COMMIT", Status::NOTSUPP | Status::OP_ILLEGAL) => critical(
            "no-commit",
            "use another server: without COMMIT nothing that Redis syncs is certain to be durable",
        ),
        ("LOCK" | "LOCKT" | "LOCKU", Status::NOTSUPP | Status::OP_ILLEGAL | Status::LOCK_NOTSUPP) => {
            no_locks(error.to_string())
        }
        (
            _,
            Status::BADSESSION
            | Status::DEADSESSION
            | Status::STALE_CLIENTID
            | Status::EXPIRED
            | Status::STALE_STATEID
            | Status::BAD_STATEID
            | Status::ADMIN_REVOKED,
        ) => critical(
            "state-lost",
            "verify again: the server restarted meanwhile, or took the client's state away",
        ),
        (_, Status::GRACE) => critical(
            "server-in-grace",
            "wait: the server started a short time ago and lets only clients in that it knew before",
        ),
        (_, Status::DELAY) => critical(
            "server-busy",
            "look at the server's load: it asked to come again later until the time was over",
        ),
        (_, Status::WRONGSEC) => {
            critical("wrong-security", "let the export take sec=sys, which the volumes use")
        }
        (_, Status::ACCESS | Status::PERM) if step == StepName::Mount => {
            denied_mount(observed, step, error, "client-not-permitted", error.to_string())
        }
        (_, Status::ACCESS | Status::PERM) => denied(target, observed, step, error),
        (_, Status::IO | Status::SERVERFAULT | Status::NXIO) => {
            critical("server-fault", "look into the server's log and at its disks")
        }
        _ => critical("refused", "look into the server's log"),
    }
}

fn no_locks(what: String) -> Finding {
    finding(
        Severity::Critical,
        "no-locks",
        StepName::Lock,
        format!("{what}; nothing would keep two nodes from using the same nodes.conf and AOF"),
        "use a server with locks; never mount with nolock instead".to_owned(),
    )
}

/// Refused before anything was asked of a file, for a reason that the source port may be.
fn denied_mount(
    observed: &Observed,
    step: StepName,
    error: &Error,
    code: &'static str,
    what: String,
) -> Finding {
    const CLIENTS: &str = "add this client's address to the export's clients";
    const PORT: &str = "from a port above 1023, which a \"secure\" export refuses";
    let critical = |code, what, remedy: String| finding(Severity::Critical, code, step, what, remedy);
    let hidden = if code == "export-missing" {
        "apply the exports on the server, or correct the path; if it is there, "
    } else {
        ""
    };
    match observed.privileged_helps {
        Some(true) => critical(
            "privileged-port-needed",
            format!("{error}, {PORT}; from one below 1024 the mount works"),
            "verify as root with a privileged port; use \"insecure\" only behind address translation"
                .to_owned(),
        ),
        Some(false) => critical(code, what, format!("{hidden}{CLIENTS}")),
        None => critical(
            code,
            format!("{what}; the call came {PORT}"),
            format!("{hidden}verify as root, and {CLIENTS}"),
        ),
    }
}

/// May this caller add names to a directory, going by its permission bits? Unknown when the owner is a name.
fn may_add(target: &Target, directory: &Attributes) -> Option<bool> {
    let (Some(Identity::Number(owner)), Some(Identity::Number(group))) = (&directory.owner, &directory.group)
    else {
        return None;
    };
    let shift = match (target.uid, target.gid) {
        (0, _) => return Some(true),
        (uid, _) if uid == *owner => 6,
        (_, gid) if gid == *group => 3,
        _ => 0,
    };
    // To add a name one must be able to write and to search.
    Some(directory.mode >> shift & 0o3 == 0o3)
}

fn identity(identity: Option<&Identity>) -> String {
    identity.map_or_else(|| "nobody knows whom".to_owned(), Identity::to_string)
}

/// Permission was denied inside the export.
fn denied(target: &Target, observed: &Observed, step: StepName, error: &Error) -> Finding {
    let (uid, gid) = (target.uid, target.gid);
    let Some((directory, access)) = &observed.root else {
        let what = error.to_string();
        return finding(
            Severity::Critical,
            "no-permission",
            step,
            what,
            "give the directory to the user of the pods".to_owned(),
        );
    };
    let belongs = format!(
        "the directory belongs to {}:{} with mode {:o}",
        identity(directory.owner.as_ref()),
        identity(directory.group.as_ref()),
        directory.mode & 0o7777,
    );
    if may_add(target, directory) == Some(true) && !access.extend {
        let squash = if uid == 0 { "root_squash or all_squash" } else { "all_squash" };
        return finding(
            Severity::Critical,
            "squashed-uid",
            step,
            format!(
                "{error}: {belongs}, which would let uid {uid} in, so the server takes {uid}:{gid} for somebody else ({squash})"
            ),
            format!(
                "give the directory to the uid the export squashes to, or let the export squash to {uid} (all_squash,anonuid={uid},anongid={gid}) or to nobody (no_all_squash)"
            ),
        );
    }
    finding(
        Severity::Critical,
        "no-permission",
        step,
        format!("{error}: {belongs}, and {uid}:{gid} may not make files there"),
        format!(
            "give the directory to the user of the pods (chown {uid}:{gid} on the server), or squash every client to its owner (all_squash,anonuid=…)"
        ),
    )
}

/// Whose the new files are.
fn ownership(target: &Target, observed: &Observed) -> Option<Finding> {
    let made = observed.created.as_ref()?;
    let uid = target.uid;
    match made.owner.as_ref()? {
        Identity::Number(owner) if *owner == uid => None,
        Identity::Number(owner) => {
            let how = if uid == 0 { "root_squash or all_squash" } else { "all_squash" };
            Some(finding(
                Severity::Warning,
                "squashed-uid",
                StepName::Create,
                format!(
                    "files made as uid {uid} belong to uid {owner} ({how}); Redis works so long as every client is squashed alike, and cannot change what belongs to {uid}"
                ),
                format!(
                    "let the export squash to {uid} (all_squash,anonuid={uid}), or run the pods as {owner}"
                ),
            ))
        }
        Identity::Name(name) if name.split('@').next() == Some("nobody") => Some(finding(
            Severity::Warning,
            "squashed-uid",
            StepName::Create,
            format!(
                "files made as uid {uid} belong to {name}: the uid is squashed, or the server's id mapping does not know it"
            ),
            "check the export's squash options and the id mapping's domain on the server".to_owned(),
        )),
        Identity::Name(name) => Some(finding(
            Severity::Info,
            "owner-by-name",
            StepName::Create,
            format!(
                "the server says that files made as uid {uid} belong to {name}; whether that is the same user cannot be told from here"
            ),
            "compare it with the server's user table".to_owned(),
        )),
    }
}

fn locks(observed: &Observed) -> Option<Finding> {
    match observed.locks? {
        Locks::Exclusive => None,
        Locks::Unsupported(status) => Some(no_locks(format!("LOCK: {status}"))),
        Locks::GrantedTwice => Some(no_locks("two owners held a lock of the same file at the same time".to_owned())),
        Locks::NeverReleased => Some(finding(
            Severity::Critical,
            "locks-not-released",
            StepName::Lock,
            "a lock is still held after its owner let it go; a node that restarts would not get its nodes.conf".to_owned(),
            "look into the server's log".to_owned(),
        )),
        Locks::NotInThisVersion => Some(finding(
            Severity::Warning,
            "locks-not-checked",
            StepName::Lock,
            "no locks checked: NFSv3 leaves them to another protocol (NLM), and with nolock two hosts can run the same node".to_owned(),
            "mount with nfsvers=4.1, where locks are part of the protocol".to_owned(),
        )),
    }
}

/// What went well and is worth knowing all the same.
fn remarks(observed: &Observed) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |severity, code, step, what: String, remedy: &str| {
        findings.push(finding(severity, code, step, what, remedy.to_owned()));
    };
    if observed.verifier_changes > 0 {
        add(
            Severity::Warning,
            "write-verifier-changed",
            StepName::Commit,
            format!(
                "the server's write verifier changed {} times, so writes had to be repeated: it restarted meanwhile",
                observed.verifier_changes
            ),
            "find out why it restarted",
        );
    }
    if let Some(latency) = observed.latency {
        if latency.p99 >= SLOW {
            add(
                Severity::Warning,
                "slow-sync",
                StepName::Append,
                format!(
                    "one of a hundred synced appends takes {:.0?} or longer, and Redis stands still meanwhile",
                    latency.p99
                ),
                "use a faster disk or network, or appendfsync everysec",
            );
        }
        if latency.count < observed.appends_asked {
            add(
                Severity::Info,
                "fewer-appends",
                StepName::Append,
                format!("only {} of {} appends were measured", latency.count, observed.appends_asked),
                "allow more time for more",
            );
        }
    }
    if let Some(lease) = observed.lease {
        add(
            Severity::Info,
            "lease",
            StepName::Mount,
            format!(
                "the lock of a killed client on nodes.conf is held for up to {lease} s after its last sign of life"
            ),
            "let a restarted node wait that long; never delete its nodes.conf",
        );
    }
    if observed.source_port == Some(SourcePort::NotPermitted) {
        add(
            Severity::Info,
            "unprivileged-port",
            StepName::Connect,
            "this process may not take a source port below 1024; a node's own mount does".to_owned(),
            "verify as root to see what a node would see",
        );
    }
    let patience = observed.patience;
    if patience.delays + patience.graces > 0 {
        add(
            Severity::Info,
            "server-asked-for-patience",
            StepName::Mount,
            format!(
                "the server asked to come again later {} times, {} of them because it started a short time ago; {:.1?} were waited",
                patience.delays + patience.graces,
                patience.graces,
                patience.waited
            ),
            "verify again for latencies of a server that is not busy",
        );
    }
    if !observed.left_behind.is_empty() {
        add(
            Severity::Warning,
            "left-behind",
            StepName::Remove,
            format!("what the verification made could not be removed: {}", observed.left_behind.join(", ")),
            "the next verification removes it once it is an hour old, or remove it by hand",
        );
    }
    if !observed.not_swept.is_empty() {
        add(
            Severity::Info,
            "old-left-overs",
            StepName::Sweep,
            format!(
                "left-overs of earlier verifications may not be removed as this user: {}",
                observed.not_swept.join(", ")
            ),
            "remove them on the server",
        );
    }
    findings
}
