//! What an engine can do, found out by asking it.
//!
//! Versions are not asked: engines, forks and managed services back-port and remove commands. Three replies tell:
//! `COMMAND INFO`, `CLUSTER HELP` and `CONFIG GET`. Building and sending those commands is left to the client.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use crate::{ParseError, Reply};

/// Something an engine may or may not be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Capability {
    /// The server runs in cluster mode.
    ClusterEnabled,
    /// `CLUSTER ADDSLOTSRANGE`: slots assigned by range (Redis 7.0).
    AddSlotsRange,
    /// `CLUSTER DELSLOTSRANGE`: slots given up by range (Redis 7.0).
    DelSlotsRange,
    /// `CLUSTER SHARDS`: the view by shard (Redis 7.0).
    ClusterShards,
    /// `CLUSTER LINKS`: the state of the bus links (Redis 7.0).
    ClusterLinks,
    /// `CLUSTER MYSHARDID` (Redis 7.2).
    MyShardId,
    /// `CLUSTER SLOT-STATS`: keys and load by slot (Valkey 8.0, Redis 8.2).
    SlotStats,
    /// `CLUSTER MIGRATESLOTS`: atomic slot migration, ordered at the source (Valkey 9.0).
    MigrateSlots,
    /// `CLUSTER MIGRATION`: atomic slot migration, ordered at the target (Redis 8.4).
    ClusterMigration,
    /// `SPUBLISH` and `SSUBSCRIBE`: pub/sub that stays within a shard (Redis 7.0).
    ShardedPubSub,
    /// `WAITAOF`: waiting until a write is on disk (Redis 7.2).
    WaitAof,
    /// `cluster-announce-hostname`: nodes that announce a name (Redis 7.0).
    Hostnames,
    /// `cluster-announce-human-nodename`: nodes that name themselves in logs (Redis 7.2).
    HumanNodeNames,
    /// `cluster-port`: a bus port at any distance from the client port (Redis 7.0).
    BusPort,
}

/// How a server is asked for a [`Capability`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// By this name in `COMMAND INFO`; a subcommand is `container|subcommand`.
    Command(&'static str),
    /// By this setting in `CONFIG GET`: a server that does not know it leaves it out of the reply.
    Setting(&'static str),
    /// By this setting in `CONFIG GET`, which must also say `yes`.
    SettingOn(&'static str),
}

impl Capability {
    /// Every capability this crate knows.
    pub const ALL: &[Self] = &[
        Self::ClusterEnabled,
        Self::AddSlotsRange,
        Self::DelSlotsRange,
        Self::ClusterShards,
        Self::ClusterLinks,
        Self::MyShardId,
        Self::SlotStats,
        Self::MigrateSlots,
        Self::ClusterMigration,
        Self::ShardedPubSub,
        Self::WaitAof,
        Self::Hostnames,
        Self::HumanNodeNames,
        Self::BusPort,
    ];

    /// How a server is asked for it.
    pub const fn probe(self) -> Probe {
        match self {
            Self::ClusterEnabled => Probe::SettingOn("cluster-enabled"),
            Self::AddSlotsRange => Probe::Command("cluster|addslotsrange"),
            Self::DelSlotsRange => Probe::Command("cluster|delslotsrange"),
            Self::ClusterShards => Probe::Command("cluster|shards"),
            Self::ClusterLinks => Probe::Command("cluster|links"),
            Self::MyShardId => Probe::Command("cluster|myshardid"),
            Self::SlotStats => Probe::Command("cluster|slot-stats"),
            Self::MigrateSlots => Probe::Command("cluster|migrateslots"),
            Self::ClusterMigration => Probe::Command("cluster|migration"),
            Self::ShardedPubSub => Probe::Command("spublish"),
            Self::WaitAof => Probe::Command("waitaof"),
            Self::Hostnames => Probe::Setting("cluster-announce-hostname"),
            Self::HumanNodeNames => Probe::Setting("cluster-announce-human-nodename"),
            Self::BusPort => Probe::Setting("cluster-port"),
        }
    }

    /// The name to ask for in `COMMAND INFO`; `None` for a capability that a setting tells.
    pub const fn command(self) -> Option<&'static str> {
        match self.probe() {
            Probe::Command(name) => Some(name),
            Probe::Setting(_) | Probe::SettingOn(_) => None,
        }
    }

    /// The setting to ask for in `CONFIG GET`; `None` for a capability that a command tells.
    pub const fn setting(self) -> Option<&'static str> {
        match self.probe() {
            Probe::Command(_) => None,
            Probe::Setting(name) | Probe::SettingOn(name) => Some(name),
        }
    }
}

impl fmt::Display for Capability {
    /// For people: the command as it is typed (`CLUSTER ADDSLOTSRANGE`), or the setting.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.probe() {
            Probe::Command(name) => f.pad(&name.replace('|', " ").to_ascii_uppercase()),
            Probe::Setting(name) => f.pad(name),
            Probe::SettingOn(name) => f.pad(&format!("{name} yes")),
        }
    }
}

/// What one server, or all servers of a cluster, can do.
///
/// ```
/// use slotwright_cluster::{Capabilities, Capability, Reply};
/// let asked = [Capability::AddSlotsRange, Capability::MigrateSlots];
/// // COMMAND INFO cluster|addslotsrange cluster|migrateslots
/// let reply = Reply::Array(vec![Reply::Array(vec![Reply::Text(b"cluster|addslotsrange".to_vec())]), Reply::Nil]);
/// let known = Capabilities::from_command_info(&asked, &reply)?;
/// assert_eq!(known.missing(&asked), [Capability::MigrateSlots]);
/// assert_eq!(known.to_string(), "CLUSTER ADDSLOTSRANGE");
/// # Ok::<(), slotwright_cluster::ParseError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Capabilities(BTreeSet<Capability>);

impl Capabilities {
    /// No capabilities.
    pub const fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// Reads the reply of `COMMAND INFO` for the [`Capability::command`] of each of `asked`, in that order;
    /// capabilities without one are passed over.
    ///
    /// A server before 7.0 knows no subcommands here and answers null for all of them: ask it for `CLUSTER HELP`.
    ///
    /// # Errors
    /// When the reply is not an array with one item for each name that was asked.
    pub fn from_command_info(asked: &[Capability], reply: &Reply) -> Result<Self, ParseError> {
        const SOURCE: &str = "COMMAND INFO";
        let found = crate::shards::shown(reply);
        let items = reply
            .as_array()
            .ok_or_else(|| ParseError::new(SOURCE, "commands", &found, "expected an array"))?;
        let asked = asked.iter().copied().filter(|capability| capability.command().is_some());
        let expected = asked.clone().count();
        if items.len() != expected {
            let reason = format!("expected one item for each of the {expected} names that were asked");
            return Err(ParseError::new(SOURCE, "commands", &found, reason));
        }
        let known = asked.zip(items).filter(|(_, item)| item.as_array().is_some_and(|info| !info.is_empty()));
        Ok(known.map(|(capability, _)| capability).collect())
    }

    /// Reads the lines of `CLUSTER HELP`, which every version has; they tell of the subcommands of `CLUSTER` only.
    ///
    /// # Errors
    /// When the reply is not an array.
    pub fn from_cluster_help(reply: &Reply) -> Result<Self, ParseError> {
        let found = crate::shards::shown(reply);
        let lines = reply
            .as_array()
            .ok_or_else(|| ParseError::new("CLUSTER HELP", "lines", &found, "expected an array"))?;
        // Explanations are indented; a subcommand begins its line, followed by its arguments.
        let words: BTreeSet<String> = lines
            .iter()
            .filter_map(Reply::as_str)
            .filter_map(|line| line.split(' ').next())
            .map(str::to_ascii_lowercase)
            .collect();
        let known = |capability: &Capability| {
            let name = capability.command().and_then(|name| name.strip_prefix("cluster|"));
            name.is_some_and(|name| words.contains(name))
        };
        Ok(Capability::ALL.iter().copied().filter(known).collect())
    }

    /// Reads the reply of `CONFIG GET` for the settings that [`Capability::setting`] names (or for `cluster-*`).
    ///
    /// # Errors
    /// When the reply is neither a map nor an array of pairs.
    pub fn from_config_get(reply: &Reply) -> Result<Self, ParseError> {
        let found = crate::shards::shown(reply);
        let pairs = reply.pairs();
        let pairs =
            pairs.ok_or_else(|| ParseError::new("CONFIG GET", "settings", &found, "expected a map"))?;
        let value =
            |name: &str| pairs.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value);
        let known = |capability: &Capability| match capability.probe() {
            Probe::Command(_) => false,
            Probe::Setting(name) => value(name).is_some(),
            Probe::SettingOn(name) => value(name).is_some_and(|value| value.as_str() == Some("yes")),
        };
        Ok(Capability::ALL.iter().copied().filter(known).collect())
    }

    /// True when the engine can do this.
    pub fn contains(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }

    /// What either knows: the answers of several probes of one server put together.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).copied().collect())
    }

    /// What both know: all that may be relied upon while a cluster runs mixed versions.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).copied().collect())
    }

    /// Those of `wanted` that are absent, in the order given.
    pub fn missing(&self, wanted: &[Capability]) -> Vec<Capability> {
        wanted.iter().copied().filter(|capability| !self.contains(*capability)).collect()
    }

    /// All of them, in the order of [`Capability::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Capability> {
        self.0.iter().copied()
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, capability) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{capability}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shards::tests::{any_reply, text};

    #[test]
    fn every_capability_has_one_probe_and_a_name() {
        let all: Capabilities = Capability::ALL.iter().copied().collect();
        assert_eq!(all.iter().collect::<Vec<_>>(), Capability::ALL);
        for capability in Capability::ALL {
            assert_ne!(capability.command().is_some(), capability.setting().is_some(), "{capability:?}");
        }
        assert_eq!(Capability::SlotStats.to_string(), "CLUSTER SLOT-STATS");
        assert_eq!(Capability::ClusterEnabled.to_string(), "cluster-enabled yes");
    }

    #[test]
    fn reads_command_info() {
        let asked = [Capability::ClusterShards, Capability::Hostnames, Capability::ShardedPubSub];
        let info = Reply::Array(vec![text("cluster|shards"), Reply::Integer(2)]);
        let known =
            Capabilities::from_command_info(&asked, &Reply::Array(vec![info.clone(), Reply::Nil])).unwrap();
        assert_eq!(known.missing(&asked), [Capability::Hostnames, Capability::ShardedPubSub]);
        assert!(Capabilities::from_command_info(&asked, &Reply::Array(vec![info])).is_err());
        assert!(Capabilities::from_command_info(&asked, &Reply::Nil).is_err());
    }

    #[test]
    fn reads_cluster_help_of_old_and_new_servers() {
        let lines = [
            "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "ADDSLOTS <slot> [<slot> ...]",
            "    Assign slots to current node.",
            "ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
            "SHARDS",
            "    LINKS in an explanation count for nothing.",
        ];
        let known = Capabilities::from_cluster_help(&Reply::Array(lines.map(text).to_vec())).unwrap();
        let expected = [Capability::AddSlotsRange, Capability::ClusterShards];
        assert_eq!(known, expected.into_iter().collect());
        // Redis 5 prints the explanation behind the subcommand.
        let old = Reply::Array(vec![text("ADDSLOTS <slot> [slot ...] -- Assign slots to current node.")]);
        assert_eq!(Capabilities::from_cluster_help(&old).unwrap(), Capabilities::new());
        assert!(Capabilities::from_cluster_help(&text("HELP")).is_err());
    }

    #[test]
    fn reads_config_get() {
        let on = Reply::Array(vec![text("cluster-enabled"), text("yes"), text("cluster-port"), text("0")]);
        let known = Capabilities::from_config_get(&on).unwrap();
        assert_eq!(known, [Capability::ClusterEnabled, Capability::BusPort].into_iter().collect());
        let off = Reply::Map(vec![(text("cluster-enabled"), text("no"))]);
        assert_eq!(Capabilities::from_config_get(&off).unwrap(), Capabilities::new());
        assert_eq!(known.union(&Capabilities::new()), known);
        assert_eq!(known.intersection(&Capabilities::new()), Capabilities::new());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(reply in any_reply()) {
            let _ = Capabilities::from_command_info(Capability::ALL, &reply);
            let _ = Capabilities::from_cluster_help(&reply);
            let _ = Capabilities::from_config_get(&reply);
        }
    }
}
