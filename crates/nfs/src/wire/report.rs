//! What a verification has found: steps, latencies, findings, files.

use std::{fmt, time::Duration};

use serde::{Serialize, Serializer};

use super::{Version, remote::Identity};
use crate::{Finding, Severity};

/// A step of the verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepName {
    /// The host has an address.
    Resolve,
    /// Its NFS port takes connections.
    Connect,
    /// The server speaks the version; for 4.1, it gives this client a session.
    Greet,
    /// The path is an export, and its root can be looked at.
    Mount,
    /// The files that were asked for, such as a `nodes.conf`, can be read where they exist.
    Look,
    /// New files can be made.
    Create,
    /// What an earlier, killed run left behind is removed.
    Sweep,
    /// A small and a large file can be written.
    Write,
    /// What was written is brought to stable storage.
    Commit,
    /// One file takes the place of the other, as a rewrite of `nodes.conf` or of the AOF does.
    Rename,
    /// The bytes are the same when read back.
    ReadBack,
    /// Synced appends, timed, as `appendfsync always` makes them.
    Append,
    /// The whole file can be locked, once.
    Lock,
    /// What the verification made is removed again.
    Remove,
}

impl StepName {
    /// Every step, in order.
    pub const ALL: [Self; 14] = [
        Self::Resolve,
        Self::Connect,
        Self::Greet,
        Self::Mount,
        Self::Look,
        Self::Create,
        Self::Sweep,
        Self::Write,
        Self::Commit,
        Self::Rename,
        Self::ReadBack,
        Self::Append,
        Self::Lock,
        Self::Remove,
    ];
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Greet => "greet",
            Self::Mount => "mount",
            Self::Look => "look",
            Self::Create => "create",
            Self::Sweep => "sweep",
            Self::Write => "write",
            Self::Commit => "commit",
            Self::Rename => "rename",
            Self::ReadBack => "read-back",
            Self::Append => "append",
            Self::Lock => "lock",
            Self::Remove => "remove",
        })
    }
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// It failed.
    Failed {
        /// What the server or the system said.
        why: String,
    },
    /// It was not tried.
    Skipped {
        /// Why not.
        why: String,
    },
}

/// One step, what came of it and how long it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Which.
    pub name: StepName,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took; in JSON, microseconds.
    #[serde(rename = "duration_us", serialize_with = "micros")]
    pub duration: Duration,
}

/// How long a synced append of 64 bytes takes: WRITE, and COMMIT unless the server says that none is needed. In JSON,
/// microseconds. A percentile is the smallest measured value that so many measurements do not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// The median.
    #[serde(rename = "p50_us", serialize_with = "micros")]
    pub p50: Duration,
    /// 95 of 100 are no longer.
    #[serde(rename = "p95_us", serialize_with = "micros")]
    pub p95: Duration,
    /// 99 of 100 are no longer.
    #[serde(rename = "p99_us", serialize_with = "micros")]
    pub p99: Duration,
    /// The longest.
    #[serde(rename = "max_us", serialize_with = "micros")]
    pub max: Duration,
    /// How many were measured.
    pub count: usize,
}

impl Latency {
    /// Of measurements in any order; `None` of none.
    pub(crate) fn of(mut measured: Vec<Duration>) -> Option<Self> {
        measured.sort_unstable();
        let at = |percent: usize| {
            measured.get((measured.len() * percent).div_ceil(100).saturating_sub(1)).copied()
        };
        Some(Self { p50: at(50)?, p95: at(95)?, p99: at(99)?, max: at(100)?, count: measured.len() })
    }
}

/// A file that was asked for and exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundFile {
    /// Its name in the export's root.
    pub name: String,
    /// How large it is, in bytes.
    pub size: u64,
    /// What is in it, up to [`FoundFile::MOST`] bytes. Not part of the JSON.
    #[serde(skip)]
    pub bytes: Vec<u8>,
    /// Who owns it, where the server says so.
    pub owner: Option<Identity>,
    /// Its permission bits.
    pub mode: u32,
}

impl FoundFile {
    /// The most bytes of a file that are handed back: 1 MiB.
    pub const MOST: u64 = 1 << 20;
}

/// Who owns what this caller makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The owner, where the server says so.
    pub owner: Option<Identity>,
    /// The group, where the server says so.
    pub group: Option<Identity>,
    /// The permission bits that came of 0644.
    pub mode: u32,
}

/// What a verification has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was verified, as `host:port/path`.
    pub target: String,
    /// The version of the protocol.
    pub version: Version,
    /// As whom.
    pub uid: u32,
    /// And with which group.
    pub gid: u32,
    /// What the server calls itself (4.1 only, and few do).
    pub server: Option<String>,
    /// Every step, in order.
    pub steps: Vec<Step>,
    /// How long synced appends take, when some were made.
    pub latency: Option<Latency>,
    /// How long the locks of a killed client are held; seconds; 4.1 only.
    pub lease_seconds: Option<u32>,
    /// Who owns what this caller makes, once something was made.
    pub made: Option<Made>,
    /// What is worth telling, the worst first.
    pub findings: Vec<Finding>,
    /// The files that were asked for and exist.
    pub found: Vec<FoundFile>,
}

impl Report {
    /// Whether a Redis node could live on this export: no step failed, and nothing critical was found.
    pub fn passed(&self) -> bool {
        self.steps.iter().all(|step| !matches!(step.outcome, Outcome::Failed { .. }))
            && self.findings.iter().all(|finding| finding.severity != Severity::Critical)
    }

    /// What came of a step.
    pub fn outcome(&self, name: StepName) -> Option<&Outcome> {
        self.steps.iter().find(|step| step.name == name).map(|step| &step.outcome)
    }

    /// The finding with this code, if there is one.
    pub fn finding(&self, code: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.code == code)
    }
}

fn micros<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(numbers: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        numbers.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn percentiles_are_measured_values() {
        assert_eq!(Latency::of(Vec::new()), None);
        let one = Latency::of(millis([7]));
        let same = Duration::from_millis(7);
        assert_eq!(one, Some(Latency { p50: same, p95: same, p99: same, max: same, count: 1 }));
        let hundred = Latency::of(millis((1..=100).rev()));
        let [p50, p95, p99, max] = [50, 95, 99, 100].map(Duration::from_millis);
        assert_eq!(hundred, Some(Latency { p50, p95, p99, max, count: 100 }));
    }
}
