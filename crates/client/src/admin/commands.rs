//! Administration commands as they are sent. Pure; replies are read in [`super::decode`].
//!
//! What each command does is said at the method of the same name of [`super::Admin`]; its source is the server's
//! `COMMAND DOCS` and `src/commands/*.json`.

use std::net::IpAddr;

use slotwright_cluster::{Epoch, NodeId};
use slotwright_slots::{Slot, SlotSet};

use crate::{Argument, Command};

/// What `CLUSTER SETSLOT` does to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetSlot {
    /// The node expects to take the slot over from this node; sent to the target of a move, first.
    Importing(NodeId),
    /// The node hands the slot to this node; sent to the source of a move, second.
    Migrating(NodeId),
    /// The slot belongs to this node; ends a move.
    Node(NodeId),
    /// The slot is neither handed over nor taken over; abandons a move.
    Stable,
}

/// How `CLUSTER FAILOVER` proceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failover {
    /// In agreement with the primary, which stops writes until the replica has caught up: loses nothing.
    Graceful,
    /// Without the primary, but with the votes of the other primaries: may lose writes not yet replicated.
    Force,
    /// Without anyone's agreement, for when most primaries are gone: may also leave two owners of a slot.
    Takeover,
}

/// How far `CLUSTER RESET` goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// Forgets members and slots.
    Soft,
    /// Also takes a new id and sets the epochs to zero.
    Hard,
}

/// What `SHUTDOWN` saves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SaveOnShutdown {
    /// As the save points in the configuration say.
    #[default]
    Configured,
    /// An RDB file, save points or not.
    Always,
    /// No RDB file. An append-only file is still flushed.
    Never,
}

/// How to shut down. The default is `SHUTDOWN` alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// What to save.
    pub save: SaveOnShutdown,
    /// Do not wait for replicas that lag behind (7.0 and later).
    pub now: bool,
    /// Also when saving fails (7.0 and later).
    pub force: bool,
}

fn cluster(sub_command: &str) -> Command {
    Command::new("CLUSTER").arg(sub_command)
}

/// `PING`
pub fn ping() -> Command {
    Command::new("PING")
}

/// `CLUSTER MYID`
pub fn cluster_myid() -> Command {
    cluster("MYID")
}

/// `CLUSTER NODES`
pub fn cluster_nodes() -> Command {
    cluster("NODES")
}

/// `CLUSTER INFO`
pub fn cluster_info() -> Command {
    cluster("INFO")
}

/// `CLUSTER SHARDS`
pub fn cluster_shards() -> Command {
    cluster("SHARDS")
}

/// `CLUSTER SLOTS`
pub fn cluster_slots() -> Command {
    cluster("SLOTS")
}

/// `CLUSTER MEET ip port [bus-port]`. The server takes no names, and assumes port + 10000 for the bus.
///
/// ```
/// use slotwright_client::admin::commands;
/// let command = commands::cluster_meet([10, 0, 0, 7].into(), 6379, Some(16379));
/// assert_eq!(command.arguments().last().unwrap(), "16379");
/// ```
pub fn cluster_meet(ip: IpAddr, port: u16, bus_port: Option<u16>) -> Command {
    cluster("MEET").arg(ip.to_string()).arg(port).args(bus_port)
}

/// `CLUSTER ADDSLOTSRANGE first last …`; `None` without slots, which the server would refuse.
pub fn cluster_add_slots_range(slots: &SlotSet) -> Option<Command> {
    ranges("ADDSLOTSRANGE", slots)
}

/// `CLUSTER DELSLOTSRANGE first last …`; `None` without slots, which the server would refuse.
pub fn cluster_del_slots_range(slots: &SlotSet) -> Option<Command> {
    ranges("DELSLOTSRANGE", slots)
}

fn ranges(sub_command: &str, slots: &SlotSet) -> Option<Command> {
    let ends = slots.ranges().flat_map(|range| [range.start(), range.end()]);
    (!slots.is_empty()).then(|| cluster(sub_command).args(ends))
}

/// `CLUSTER REPLICATE id`
pub fn cluster_replicate(primary: NodeId) -> Command {
    cluster("REPLICATE").arg(primary)
}

/// `CLUSTER SETSLOT slot IMPORTING id | MIGRATING id | NODE id | STABLE`
pub fn cluster_setslot(slot: Slot, change: SetSlot) -> Command {
    let command = cluster("SETSLOT").arg(slot);
    match change {
        SetSlot::Importing(source) => command.arg("IMPORTING").arg(source),
        SetSlot::Migrating(target) => command.arg("MIGRATING").arg(target),
        SetSlot::Node(owner) => command.arg("NODE").arg(owner),
        SetSlot::Stable => command.arg("STABLE"),
    }
}

/// `CLUSTER SET-CONFIG-EPOCH epoch`
pub fn cluster_set_config_epoch(epoch: Epoch) -> Command {
    cluster("SET-CONFIG-EPOCH").arg(epoch.0)
}

/// `CLUSTER FORGET id`
pub fn cluster_forget(id: NodeId) -> Command {
    cluster("FORGET").arg(id)
}

/// `CLUSTER RESET SOFT | HARD`
pub fn cluster_reset(reset: Reset) -> Command {
    cluster("RESET").arg(match reset {
        Reset::Soft => "SOFT",
        Reset::Hard => "HARD",
    })
}

/// `CLUSTER FAILOVER [FORCE | TAKEOVER]`
pub fn cluster_failover(failover: Failover) -> Command {
    match failover {
        Failover::Graceful => cluster("FAILOVER"),
        Failover::Force => cluster("FAILOVER").arg("FORCE"),
        Failover::Takeover => cluster("FAILOVER").arg("TAKEOVER"),
    }
}

/// `CLUSTER COUNTKEYSINSLOT slot`
pub fn cluster_count_keys_in_slot(slot: Slot) -> Command {
    cluster("COUNTKEYSINSLOT").arg(slot)
}

/// `CLUSTER GETKEYSINSLOT slot count`
pub fn cluster_get_keys_in_slot(slot: Slot, count: u32) -> Command {
    cluster("GETKEYSINSLOT").arg(slot).arg(count)
}

/// `CLUSTER KEYSLOT key`
pub fn cluster_keyslot(key: impl Argument) -> Command {
    cluster("KEYSLOT").arg(key)
}

/// `CLUSTER COUNT-FAILURE-REPORTS id`
pub fn cluster_count_failure_reports(id: NodeId) -> Command {
    cluster("COUNT-FAILURE-REPORTS").arg(id)
}

/// `DBSIZE`
pub fn dbsize() -> Command {
    Command::new("DBSIZE")
}

/// `INFO`, for [`decode::server_info`](super::decode::server_info)
pub fn server_info() -> Command {
    info(&[])
}

/// `INFO [section …]`
pub fn info(sections: &[&str]) -> Command {
    Command::new("INFO").args(sections.iter().copied())
}

/// `CONFIG GET pattern …`
pub fn config_get(patterns: &[&str]) -> Command {
    Command::new("CONFIG").arg("GET").args(patterns.iter().copied())
}

/// `CONFIG SET name value …`
pub fn config_set<K: Argument, V: Argument>(settings: impl IntoIterator<Item = (K, V)>) -> Command {
    let set = Command::new("CONFIG").arg("SET");
    settings.into_iter().fold(set, |command, (name, value)| command.arg(name).arg(value))
}

/// `CONFIG REWRITE`
pub fn config_rewrite() -> Command {
    Command::new("CONFIG").arg("REWRITE")
}

/// `SHUTDOWN [SAVE | NOSAVE] [NOW] [FORCE]`
pub fn shutdown(shutdown: Shutdown) -> Command {
    let save = match shutdown.save {
        SaveOnShutdown::Configured => None,
        SaveOnShutdown::Always => Some("SAVE"),
        SaveOnShutdown::Never => Some("NOSAVE"),
    };
    Command::new("SHUTDOWN")
        .args(save)
        .args(shutdown.now.then_some("NOW"))
        .args(shutdown.force.then_some("FORCE"))
}
