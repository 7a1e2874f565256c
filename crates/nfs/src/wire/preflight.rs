//! The script: what a Redis node does with its folder, done once over the wire by the user it would run as, and undone.

use std::time::{Duration, Instant};

use super::{
    Preflight, Target,
    connection::{Budget, Connection, SourcePort, resolve},
    error::{Error, Status},
    judge::Observed,
    remote::{Attributes, Kind, Locks, Remote, Written},
    report::{FoundFile, Latency, Made, Outcome, Step, StepName},
};

/// What everything made here is called; a random number in hexadecimal follows.
const PREFIX: &str = ".slotwright-preflight-";
const DIGITS: usize = 16;
/// What the file is called until it takes its final name.
const TEMPORARY: &str = ".tmp";
/// A left-over is nobody's any more when it is so much older than what was just made; seconds.
const LEFT_OVER_AFTER: i64 = 3600;
/// A little more than a page, as `nodes.conf` of a large cluster is, and no multiple of anything.
const SMALL: usize = 4096 + 13;
/// More than fits into one request of 64 KiB.
const LARGE: usize = 96 * 1024 + 7;
/// One entry of an append-only file.
const ENTRY: usize = 64;
/// How often something is written anew because the server's write verifier changed.
const TRIES: u32 = 3;

/// A step failed; the log knows how, and what depends on it is not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) steps: Vec<Step>,
    pub(crate) observed: Observed,
    pub(crate) server: Option<String>,
    pub(crate) found: Vec<FoundFile>,
    /// Names that may exist because of us.
    made: Vec<String>,
}

impl Log {
    /// Does a step, and notes what came of it.
    pub(crate) async fn step<T>(
        &mut self,
        name: StepName,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Stopped> {
        let begun = Instant::now();
        let result = work.await;
        self.note(name, begun, result)
    }

    fn note<T>(&mut self, name: StepName, begun: Instant, result: Result<T, Error>) -> Result<T, Stopped> {
        let (outcome, result) = match result {
            Ok(value) => (Outcome::Ok, Ok(value)),
            Err(error) => {
                let why = error.to_string();
                tracing::debug!(%name, why, "a step of the verification failed");
                self.observed.failures.push((name, error));
                (Outcome::Failed { why }, Err(Stopped))
            }
        };
        self.steps.push(Step { name, outcome, duration: begun.elapsed() });
        result
    }

    /// The first two steps, which every version has.
    pub(crate) async fn connect(
        &mut self,
        target: &Target,
        budget: Budget,
    ) -> Result<(Vec<std::net::SocketAddr>, Connection), Stopped> {
        let addresses = self.step(StepName::Resolve, resolve(&target.host, target.port, &budget)).await?;
        let connecting = Connection::open(&addresses, target.caller(), target.privileged_port, budget);
        let connection = self.step(StepName::Connect, connecting).await?;
        self.observed.source_port = Some(connection.source_port);
        Ok((addresses, connection))
    }

    /// Every step that was not reached, in its place.
    pub(crate) fn finish(&mut self) {
        let last = self.observed.failures.first().map(|(name, _)| format!("the step \"{name}\" failed"));
        let why = last.unwrap_or_else(|| "there was nothing to do".to_owned());
        for name in StepName::ALL {
            if !self.steps.iter().any(|step| step.name == name) {
                let outcome = Outcome::Skipped { why: why.clone() };
                self.steps.push(Step { name, outcome, duration: Duration::ZERO });
            }
        }
        self.steps.sort_by_key(|step| StepName::ALL.iter().position(|name| *name == step.name));
    }
}

/// Does everything, and cleans up whatever came of it.
pub(crate) async fn run<R: Remote>(target: &Target, preflight: &Preflight, log: &mut Log) {
    let end = Instant::now() + preflight.limit;
    // Cleaning up needs time of its own, also when the rest took all of its.
    let reserve = (preflight.limit / 4).min(preflight.call_limit * 2);
    let working = Budget { deadline: end - reserve, call: preflight.call_limit };
    let cleaning = Budget { deadline: end, call: preflight.call_limit.min(reserve / 2) };

    let Ok(mut remote) = R::dial(target, working, log).await else {
        log.observed.privileged_helps = does_privilege_help::<R>(target, cleaning, &log.observed).await;
        return;
    };
    let stopped = script(&mut remote, preflight, log).await;
    log.observed.patience = remote.patience();
    remote.allow(cleaning);
    if !log.made.is_empty() {
        let begun = Instant::now();
        let mut result = remove_all(&mut remote, &log.made).await;
        if result.is_err() {
            // Over a new connection: the old one may be lost. What that brings to light is no news.
            if let Ok(mut again) = R::dial(target, cleaning, &mut Log::default()).await {
                result = remove_all(&mut again, &log.made).await;
                again.farewell().await;
            }
        }
        if result.is_err() {
            log.observed.left_behind = std::mem::take(&mut log.made);
        }
        let _ = log.note(StepName::Remove, begun, result);
    }
    if stopped.is_ok() || log.observed.left_behind.is_empty() {
        remote.farewell().await;
    }
}

/// After a mount failed: would it work from a port below 1024? A server need not say that this is what it minds: it may
/// hide the export instead. Unknown where nothing else failed, or such a port is not to be had.
async fn does_privilege_help<R: Remote>(
    target: &Target,
    budget: Budget,
    observed: &Observed,
) -> Option<bool> {
    let (StepName::Mount, Error::NoExport { .. } | Error::Rejected { .. } | Error::Refused { .. }) =
        observed.failures.first().map(|(step, error)| (*step, error))?
    else {
        return None;
    };
    if observed.source_port == Some(SourcePort::Privileged) {
        return Some(false);
    }
    let mut log = Log::default();
    let dialled = R::dial(&Target { privileged_port: true, ..target.clone() }, budget, &mut log).await;
    if log.observed.source_port != Some(SourcePort::Privileged) {
        return None;
    }
    if let Ok(mut remote) = dialled {
        remote.farewell().await;
        return Some(true);
    }
    Some(false)
}

/// Removes each; one that does not exist is no failure.
async fn remove_all<R: Remote>(remote: &mut R, names: &[String]) -> Result<(), Error> {
    let mut outcome = Ok(());
    for name in names {
        match remote.remove(name).await {
            Ok(()) | Err(Error::Refused { status: Status::NOENT, .. }) => {}
            Err(error) => outcome = Err(error),
        }
    }
    outcome
}

async fn script<R: Remote>(remote: &mut R, preflight: &Preflight, log: &mut Log) -> Result<(), Stopped> {
    let begun = Instant::now();
    let looked = look(remote, &preflight.read, log).await;
    log.note(StepName::Look, begun, looked)?;

    let number = match getrandom::u64() {
        Ok(number) => number,
        Err(error) => {
            let error = Error::Input(format!("no random numbers: {error}"));
            return log.note(StepName::Create, Instant::now(), Err(error));
        }
    };
    let name = format!("{PREFIX}{number:016x}");
    let temporary = format!("{name}{TEMPORARY}");

    let begun = Instant::now();
    let files = create(remote, &name, &temporary, log).await;
    let (small, large) = log.note(StepName::Create, begun, files)?;

    let begun = Instant::now();
    let now = log.observed.created.as_ref().map_or(0, |created| created.modified);
    let swept = sweep(remote, now, &mut log.observed.not_swept).await;
    // What is left of an earlier run hurts nobody: the rest is worth knowing all the same.
    let _ = log.note(StepName::Sweep, begun, swept);

    let (small_bytes, large_bytes) = (pattern(number, SMALL), pattern(!number, LARGE));
    let written = log
        .step(StepName::Write, async {
            let first = write_all(remote, &small, 0, &small_bytes).await?;
            Ok((first, write_all(remote, &large, 0, &large_bytes).await?))
        })
        .await?;

    let begun = Instant::now();
    let committed = async {
        let first = settle(remote, &small, 0, &small_bytes, &written.0).await?;
        Ok(first + settle(remote, &large, 0, &large_bytes, &written.1).await?)
    };
    let committed = committed.await;
    log.observed.verifier_changes += log.note(StepName::Commit, begun, committed)?;

    log.step(StepName::Rename, async {
        remote.close(small).await?;
        remote.close(large).await?;
        remote.rename(&temporary, &name).await
    })
    .await?;

    let file = log
        .step(StepName::ReadBack, async {
            let file = remote.open(&name, true).await?;
            compare(remote, &file, 0, &large_bytes).await?;
            Ok(file)
        })
        .await?;

    let begun = Instant::now();
    let mut measured = Vec::new();
    let appended = append(remote, &file, preflight.appends, number, &mut measured).await;
    log.observed.appends_asked = preflight.appends;
    log.observed.latency = Latency::of(measured);
    log.observed.verifier_changes += log.note(StepName::Append, begun, appended)?;

    let locked = log.step(StepName::Lock, remote.lock(&file)).await?;
    note_locks(log, locked);
    // Nothing hangs on it any more: it ends with the session.
    let _ = remote.close(file).await;
    Ok(())
}

fn note_locks(log: &mut Log, locks: Locks) {
    log.observed.locks = Some(locks);
    let outcome = match locks {
        Locks::Exclusive => return,
        Locks::NotInThisVersion => {
            Outcome::Skipped { why: "no locks checked: NFSv3 leaves them to NLM".to_owned() }
        }
        Locks::GrantedTwice => Outcome::Failed { why: "two owners held the same lock".to_owned() },
        Locks::NeverReleased => {
            Outcome::Failed { why: "a lock was still held after it was let go".to_owned() }
        }
        Locks::Unsupported(status) => Outcome::Failed { why: format!("LOCK: {status}") },
    };
    if let Some(step) = log.steps.last_mut() {
        step.outcome = outcome;
    }
}

/// The files that were asked for. One that cannot be read is worth a finding; it does not stop the rest.
async fn look<R: Remote>(remote: &mut R, names: &[String], log: &mut Log) -> Result<(), Error> {
    for name in names {
        if name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".." {
            return Err(Error::Input(format!("{name:?} is no name of a file in the export's root")));
        }
        match found(remote, name).await {
            Ok(Some(file)) => log.found.push(file),
            Ok(None) => {}
            Err(error @ Error::Refused { .. }) => log.observed.unreadable.push((name.clone(), error)),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn found<R: Remote>(remote: &mut R, name: &str) -> Result<Option<FoundFile>, Error> {
    let Some(attributes) = remote.look(name).await? else { return Ok(None) };
    match attributes.kind {
        Kind::File => {}
        Kind::Directory => return Err(Error::Refused { what: "READ", status: Status::ISDIR }),
        Kind::Other => return Err(Error::Refused { what: "READ", status: Status::BADTYPE }),
    }
    let file = remote.open(name, false).await?;
    let bytes = read_up_to(remote, &file, 0, attributes.size.min(FoundFile::MOST)).await;
    remote.close(file).await?;
    let Attributes { size, owner, mode, .. } = attributes;
    Ok(Some(FoundFile { name: name.to_owned(), size, bytes: bytes?, owner, mode }))
}

async fn create<R: Remote>(
    remote: &mut R,
    name: &str,
    temporary: &str,
    log: &mut Log,
) -> Result<(R::File, R::File), Error> {
    let mut make = async |name: &str, made: &mut Vec<String>| {
        // Without an answer it may exist; refused, it does not.
        made.push(name.to_owned());
        remote.create(name, 0o644).await.inspect_err(|error| {
            if error.status().is_some() {
                made.pop();
            }
        })
    };
    let small = make(name, &mut log.made).await?;
    let large = make(temporary, &mut log.made).await?;
    log.observed.created = Some(remote.attributes(&small).await?);
    Ok((small, large))
}

/// Removes what killed runs left behind: by its name ours, a file, and by the server's clock older than an hour.
async fn sweep<R: Remote>(remote: &mut R, now: i64, left: &mut Vec<String>) -> Result<(), Error> {
    for name in remote.names(is_ours).await? {
        let Some(attributes) = remote.look(&name).await? else { continue };
        if attributes.kind == Kind::File && attributes.modified.saturating_add(LEFT_OVER_AFTER) < now {
            match remote.remove(&name).await {
                Ok(()) | Err(Error::Refused { status: Status::NOENT, .. }) => {}
                Err(Error::Refused { .. }) => left.push(name),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// A name that only a verification gives.
fn is_ours(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let number = rest.strip_suffix(TEMPORARY).unwrap_or(rest);
    number.len() == DIGITS && number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Bytes that are the same nowhere else.
fn pattern(mut state: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Writes everything, in as many requests as it takes.
async fn write_all<R: Remote>(
    remote: &mut R,
    file: &R::File,
    offset: u64,
    bytes: &[u8],
) -> Result<Vec<Written>, Error> {
    let most = usize::try_from(remote.chunk().0).unwrap_or(usize::MAX);
    let (mut rest, mut offset, mut all) = (bytes, offset, Vec::new());
    while !rest.is_empty() {
        let (now, _) = rest.split_at(rest.len().min(most));
        let written = remote.write(file, offset, now).await?;
        let count = usize::try_from(written.count).unwrap_or(usize::MAX);
        let Some((_, after)) = rest.split_at_checked(count).filter(|_| count > 0 && count <= now.len())
        else {
            let why = format!("{count} of {} bytes were written", now.len());
            return Err(Error::Garbled { what: "WRITE", why });
        };
        rest = after;
        offset += u64::from(written.count);
        all.push(written);
    }
    Ok(all)
}

/// Commits what was written, and writes it again when the server may have lost it meanwhile: its write verifier changed
/// (RFC 1813, section 3.3.21). How often that happened.
async fn settle<R: Remote>(
    remote: &mut R,
    file: &R::File,
    offset: u64,
    bytes: &[u8],
    written: &[Written],
) -> Result<u32, Error> {
    let mut written = written.to_vec();
    for changes in 0..TRIES {
        let verifier = remote.commit(file).await?;
        if written.iter().all(|written| written.stable || written.verifier == verifier) {
            return Ok(changes);
        }
        written = write_all(remote, file, offset, bytes).await?;
    }
    Err(Error::Forgetful { times: TRIES })
}

/// Appends synced entries and measures each, as many as half of the time that is left allows; then reads them back. How
/// often the write verifier changed.
async fn append<R: Remote>(
    remote: &mut R,
    file: &R::File,
    appends: usize,
    seed: u64,
    measured: &mut Vec<Duration>,
) -> Result<u32, Error> {
    let entry = pattern(seed.rotate_left(17), ENTRY);
    let enough = Instant::now() + remote.budget().deadline.saturating_duration_since(Instant::now()) / 2;
    let start = u64::try_from(LARGE).unwrap_or(u64::MAX);
    let (mut offset, mut changes) = (start, 0);
    for _ in 0..appends {
        let begun = Instant::now();
        let written = write_all(remote, file, offset, &entry).await?;
        if !written.iter().all(|written| written.stable) {
            changes += settle(remote, file, offset, &entry, &written).await?;
        }
        measured.push(begun.elapsed());
        offset += u64::try_from(ENTRY).unwrap_or(u64::MAX);
        if Instant::now() >= enough {
            break;
        }
    }
    // The first entries are enough: they went the same way as all.
    let expected = entry.repeat(measured.len().min(1024));
    compare(remote, file, start, &expected).await?;
    Ok(changes)
}

/// What is in the file from `offset` on must begin with these bytes.
async fn compare<R: Remote>(
    remote: &mut R,
    file: &R::File,
    offset: u64,
    expected: &[u8],
) -> Result<(), Error> {
    let length = u64::try_from(expected.len()).unwrap_or(u64::MAX);
    let bytes = read_up_to(remote, file, offset, length).await?;
    let same = bytes.iter().zip(expected).take_while(|(ours, theirs)| ours == theirs).count();
    if same < expected.len() {
        return Err(Error::Differs { offset: usize::try_from(offset).unwrap_or(0) + same });
    }
    Ok(())
}

/// At most so many bytes; fewer when the file ends.
async fn read_up_to<R: Remote>(
    remote: &mut R,
    file: &R::File,
    offset: u64,
    most: u64,
) -> Result<Vec<u8>, Error> {
    let chunk = remote.chunk().1;
    let mut bytes = Vec::new();
    loop {
        let have = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let wanted = u32::try_from(most.saturating_sub(have)).unwrap_or(u32::MAX).min(chunk);
        if wanted == 0 {
            return Ok(bytes);
        }
        let (mut more, end) = remote.read(file, offset + have, wanted).await?;
        let none = more.is_empty();
        bytes.append(&mut more);
        if end || none {
            return Ok(bytes);
        }
    }
}

impl Made {
    pub(crate) fn of(attributes: &Attributes) -> Self {
        let Attributes { owner, group, mode, .. } = attributes.clone();
        Self { owner, group, mode }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_a_verification_are_ours() {
        for name in [".slotwright-preflight-0123456789abcdef", ".slotwright-preflight-0123456789abcdef.tmp"] {
            assert!(is_ours(name), "{name}");
        }
        for name in [
            "nodes.conf",
            ".slotwright-preflight-",
            ".slotwright-preflight-0123456789abcde",
            ".slotwright-preflight-0123456789abcdef0",
            ".slotwright-preflight-0123456789ABCDEF",
            ".slotwright-preflight-0123456789abcdef.tmp.tmp",
            ".slotwright-preflight-0123456789abcdef.rdb",
            "x.slotwright-preflight-0123456789abcdef",
        ] {
            assert!(!is_ours(name), "{name}");
        }
    }

    #[test]
    fn patterns_are_long_enough_and_differ() {
        assert_eq!(pattern(1, LARGE).len(), LARGE);
        assert_eq!(pattern(1, 13), pattern(1, LARGE)[..13]);
        assert_ne!(pattern(1, 64), pattern(2, 64));
    }
}
