//! What goes in: the nodes a deployment consists of, what each of them answered, and what is wanted.

use std::collections::BTreeMap;

use serde::Serialize;
use slotwright_cluster::{Endpoint, NodeAnswer};

use crate::placement::Site;

/// The name of the setting that a creation shortens for a while (redis.conf).
pub const NODE_TIMEOUT: &str = "cluster-node-timeout";

/// One node of the inventory: who it is to us, where it is dialled, and what it shares its fate with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Stable name within the deployment, for people and for the order of things.
    pub name: String,
    /// Where it is dialled.
    pub endpoint: Endpoint,
    /// Its failure domain.
    pub site: Site,
}

/// What came of asking one member: its answer, or why there is none.
pub type Observation = Result<NodeAnswer, String>;

/// The state a plan leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Desired {
    /// Number of shards, at least one.
    pub shards: usize,
    /// Replicas of each shard's primary.
    pub replicas: usize,
    /// Settings every node shall run with, as `CONFIG GET` prints them. Only those named here are looked at.
    pub settings: BTreeMap<String, String>,
}
