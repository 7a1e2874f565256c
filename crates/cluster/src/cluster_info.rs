//! The reply of `CLUSTER INFO`: does this node think the cluster can serve?

use std::str::FromStr;

use serde::Serialize;

use crate::{Epoch, InfoFields, ParseError};

const SOURCE: &str = "CLUSTER INFO";

/// `cluster_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterState {
    /// The node serves its slots.
    Ok,
    /// The node refuses queries: slots uncovered, a minority, or freshly started.
    Fail,
}

/// The part of `CLUSTER INFO` that decisions rest on, and every field as printed.
///
/// ```
/// use slotwright_cluster::{ClusterInfo, ClusterState};
/// let info: ClusterInfo = "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_current_epoch:6\r\n".parse()?;
/// assert_eq!(info.state, ClusterState::Ok);
/// # Ok::<(), slotwright_cluster::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterInfo {
    /// Whether this node serves.
    pub state: ClusterState,
    /// Slots that have an owner in this node's view.
    pub slots_assigned: u16,
    /// Members this node knows, itself and handshakes included.
    pub known_nodes: u64,
    /// The highest epoch this node has seen.
    pub current_epoch: Epoch,
}

impl FromStr for ClusterInfo {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fields = InfoFields::parse(text);
        let state = match fields.get("cluster_state") {
            Some("ok") => ClusterState::Ok,
            Some("fail") => ClusterState::Fail,
            other => {
                let found = other.unwrap_or("");
                return Err(ParseError::new(SOURCE, "cluster_state", found, "expected ok or fail"));
            }
        };
        Ok(Self {
            state,
            slots_assigned: fields.number(SOURCE, "cluster_slots_assigned")?.unwrap_or(0),
            known_nodes: fields.number(SOURCE, "cluster_known_nodes")?.unwrap_or(0),
            current_epoch: Epoch(fields.number(SOURCE, "cluster_current_epoch")?.unwrap_or(0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_it_cannot_decide_on() {
        for (text, field) in [
            ("", "cluster_state"),
            ("cluster_state:maybe\r\n", "cluster_state"),
            ("cluster_state:ok\r\ncluster_slots_assigned:many\r\n", "cluster_slots_assigned"),
        ] {
            assert_eq!(text.parse::<ClusterInfo>().unwrap_err().field(), field);
        }
    }
}
