//! Everything one node said of itself and its cluster, at one moment.

use std::collections::BTreeMap;

use serde::Serialize;
use slotwright_slots::SlotRange;

use crate::{ClusterInfo, ClusterNodes, NodeId, ServerInfo};

/// Keys a node holds in slots that matter to a decision (slots nobody owns, say).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StrayKeys {
    /// The slots asked about that hold keys.
    pub slots: SlotRange,
    /// How many keys they hold (`CLUSTER COUNTKEYSINSLOT`, summed).
    pub keys: u64,
}

/// What one node answered when it was asked for everything a decision rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeAnswer {
    /// `CLUSTER MYID`.
    pub id: NodeId,
    /// `CLUSTER NODES`: its view of every member.
    pub nodes: ClusterNodes,
    /// `CLUSTER INFO`.
    pub cluster: ClusterInfo,
    /// `INFO`, the sections decisions rest on.
    pub server: ServerInfo,
    /// `CONFIG GET` of the settings that were asked for, as printed.
    pub settings: BTreeMap<String, String>,
    /// Keys found in the slots that were asked about; empty when none were.
    pub stray_keys: Vec<StrayKeys>,
}
