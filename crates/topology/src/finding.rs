//! One thing that is worth telling about a cluster: what, how bad, what shows it, what helps.

use std::fmt;

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    Info,
    /// The cluster serves, but the next fault may hurt.
    Warning,
    /// Keys cannot be reached or are at risk now.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A member does not answer.
    Unreachable,
    /// Two members answer with one id: a data folder was copied.
    DuplicateId,
    /// A node of the cluster is not a member of the deployment.
    ForeignMember,
    /// A slot has no owner.
    UncoveredSlots,
    /// A slot that nobody owns holds keys.
    StrayKeys,
    /// Two nodes claim one slot for themselves.
    DoublyClaimedSlots,
    /// A slot is on the way between two nodes.
    OpenSlots,
    /// A node's slot map differs from what the owners say.
    SlotDisagreement,
    /// A node holds a member for a primary, or for the replica of another, than it is by its own word.
    RoleDisagreement,
    /// A node does not know a member, or knows it at another address, or has no link to it.
    IncompleteMesh,
    /// Other nodes hold a member for failed or suspect it.
    HeldForFailed,
    /// A replica copies a node that is gone.
    OrphanReplica,
    /// A replica's link to its primary is down.
    ReplicationDown,
    /// Two primaries have one config epoch.
    EpochCollision,
    /// A node says `cluster_state:fail`.
    NotServing,
    /// The node time-out is shorter than it shall be: a creation was interrupted.
    ShortenedTimeout,
    /// A setting differs from what is wanted, or between nodes.
    SettingDrift,
    /// A shard has fewer replicas than wanted.
    MissingReplica,
    /// A shard has more replicas than wanted.
    SurplusReplica,
    /// The number of shards is not the one wanted.
    ShardCount,
    /// All copies of a shard share a host or a zone although they need not.
    SharedFate,
    /// A member that answered has no place in the cluster.
    Unplaced,
}

impl FindingKind {
    /// True for what a healthy cluster goes through by itself after a start, a restart or a failover: worth waiting
    /// for, before it is worth an alarm.
    pub fn may_settle(self) -> bool {
        matches!(
            self,
            Self::DoublyClaimedSlots
                | Self::SlotDisagreement
                | Self::RoleDisagreement
                | Self::IncompleteMesh
                | Self::HeldForFailed
                | Self::ReplicationDown
                | Self::EpochCollision
                | Self::NotServing
        )
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub kind: FindingKind,
    /// What was seen, and where.
    pub evidence: String,
    /// What helps.
    pub remedy: String,
}

impl Finding {
    pub(crate) fn new(
        severity: Severity,
        kind: FindingKind,
        evidence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { severity, kind, evidence: evidence.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.severity, self.evidence, self.remedy)
    }
}
