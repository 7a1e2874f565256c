//! The view for people: shards with their nodes, numbers beside them, and what was found.

use serde::Serialize;
use slotwright_cluster::{ClusterState, Endpoint, NodeEntry, NodeId, Role};
use slotwright_slots::SlotSet;

use crate::{ClusterView, Desired, Finding, Severity, diagnose};

/// How a node does, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// It answers, serves, and is in step with its primary if it has one.
    Ok,
    /// It answers, but does not serve yet: loading, copying, or `cluster_state:fail`.
    NotServing,
    /// It does not answer.
    Down,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// The member's name.
    pub name: String,
    /// Its id, when known.
    pub id: Option<NodeId>,
    /// Where it is dialled.
    pub endpoint: Endpoint,
    /// The host it shares its fate with.
    pub host: String,
    /// The zone it shares its fate with; empty when there are no zones.
    pub zone: String,
    /// What it does in its shard, by the word of the others when it is silent; `None` while that is unknown.
    pub role: Option<Role>,
    /// How it does.
    pub state: NodeState,
    /// Why it is not `ok`, for people.
    pub trouble: Option<String>,
    /// Engine and version, for people.
    pub engine: Option<String>,
    /// Keys it holds.
    pub keys: u64,
    /// Bytes it uses.
    pub used_memory: u64,
    /// Its limit in bytes; 0 means none.
    pub max_memory: u64,
    /// Seconds since its start.
    pub uptime_s: u64,
    /// Bytes of the replication stream it lacks; `None` on primaries, and while the link is down.
    pub lag_bytes: Option<u64>,
}

/// One shard: a primary with its slots, and its replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShardStatus {
    /// The slots it owns.
    pub slots: SlotSet,
    /// Its primary.
    pub primary: NodeStatus,
    /// Its replicas, in the order of the members.
    pub replicas: Vec<NodeStatus>,
}

/// A cluster as a person wants to see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterStatus {
    /// What the cluster is called: the deployment's name or the seed's address.
    pub name: String,
    /// True when nothing worse than an info was found (what `check` calls healthy) and every slot has an owner that
    /// serves.
    pub healthy: bool,
    /// Shards in the order of their lowest slot.
    pub shards: Vec<ShardStatus>,
    /// Members without a place in a shard.
    pub unplaced: Vec<NodeStatus>,
    /// Slots nobody owns.
    pub uncovered: SlotSet,
    /// Keys in all shards, replicas not counted.
    pub keys: u64,
    /// Bytes used by all nodes.
    pub used_memory: u64,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
}

impl ClusterStatus {
    /// The status of `view`; with `desired`, deviations from it are findings too.
    pub fn new(name: impl Into<String>, view: &ClusterView, desired: Option<&Desired>) -> Self {
        let findings = diagnose(view, desired);
        let mut shards: Vec<ShardStatus> = Vec::new();
        let mut unplaced = Vec::new();
        let mut placed = vec![false; view.nodes().len()];
        let mut order: Vec<(SlotSet, usize)> = view
            .owners()
            .owners()
            .filter_map(|owner| Some((view.owners().slots_of(owner), view.index_of(*owner)?)))
            .collect();
        order.sort_by_key(|(slots, index)| (slots.first(), *index));
        for (slots, index) in order {
            let Some(primary) = node_status(view, index, None) else { continue };
            mark(&mut placed, index);
            let head_offset = view
                .nodes()
                .get(index)
                .and_then(|node| node.answer())
                .map(|answer| answer.server.replication.offset);
            let mut replicas = Vec::new();
            for (replica, _) in view.nodes().iter().enumerate() {
                if replica != index && view.primary_of(replica).is_some_and(|id| Some(id) == primary.id) {
                    replicas.extend(node_status(view, replica, head_offset));
                    mark(&mut placed, replica);
                }
            }
            shards.push(ShardStatus { slots, primary, replicas });
        }
        for (index, _) in placed.iter().enumerate().filter(|(_, placed)| !**placed) {
            unplaced.extend(node_status(view, index, None));
        }
        let nodes = || shards.iter().flat_map(|shard| std::iter::once(&shard.primary).chain(&shard.replicas));
        let healthy = findings.iter().all(|finding| finding.severity < Severity::Warning)
            && view.uncovered().is_empty()
            && shards.iter().all(|shard| shard.primary.state == NodeState::Ok);
        Self {
            name: name.into(),
            healthy,
            keys: shards.iter().map(|shard| shard.primary.keys).fold(0, u64::saturating_add),
            used_memory: nodes().chain(&unplaced).map(|node| node.used_memory).fold(0, u64::saturating_add),
            uncovered: view.uncovered(),
            shards,
            unplaced,
            findings,
        }
    }
}

fn mark(placed: &mut [bool], index: usize) {
    if let Some(place) = placed.get_mut(index) {
        *place = true;
    }
}

fn node_status(view: &ClusterView, index: usize, head_offset: Option<u64>) -> Option<NodeStatus> {
    let node = view.nodes().get(index)?;
    let mut status = NodeStatus {
        name: node.member.name.clone(),
        id: view.id_of(index),
        endpoint: node.member.endpoint.clone(),
        host: node.member.site.host.clone(),
        zone: node.member.site.zone.clone(),
        role: view.word_on(index).and_then(NodeEntry::role),
        state: NodeState::Down,
        trouble: None,
        engine: None,
        keys: 0,
        used_memory: 0,
        max_memory: 0,
        uptime_s: 0,
        lag_bytes: None,
    };
    match &node.observation {
        Err(why) => status.trouble = Some(why.clone()),
        Ok(answer) => {
            let server = &answer.server;
            status.engine = Some(format!("{} {}", server.engine, server.version));
            status.keys = server.keys;
            status.used_memory = server.used_memory;
            status.max_memory = server.max_memory;
            status.uptime_s = server.uptime_s;
            let replica = status.role == Some(Role::Replica);
            if replica && server.replication.link_up {
                status.lag_bytes = head_offset.map(|head| head.saturating_sub(server.replication.offset));
            }
            status.trouble = if server.loading {
                Some("it is loading its data".to_owned())
            } else if answer.cluster.state == ClusterState::Fail {
                Some("it says cluster_state:fail".to_owned())
            } else if replica && !server.replication.link_up {
                Some("its link to the primary is down".to_owned())
            } else {
                None
            };
            status.state = if status.trouble.is_none() { NodeState::Ok } else { NodeState::NotServing };
        }
    }
    Some(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, desired};

    #[test]
    fn shards_in_the_order_of_their_slots_with_their_replicas() {
        let mut model = Model::formed(3, 1);
        model.fill();
        model.servers.reverse();
        let status = ClusterStatus::new("demo", &model.view(), Some(&desired(3, 1)));
        let slots: Vec<String> = status.shards.iter().map(|shard| shard.slots.to_string()).collect();
        assert_eq!(slots, ["0-5460", "5461-10922", "10923-16383"]);
        assert!(status.healthy && status.unplaced.is_empty() && status.uncovered.is_empty());
        assert_eq!((status.keys, status.used_memory), (16384, 6 << 20));
        for shard in &status.shards {
            let [replica] = shard.replicas.as_slice() else { panic!("{shard:?}") };
            assert_eq!((shard.primary.role, replica.role), (Some(Role::Primary), Some(Role::Replica)));
            assert_eq!((shard.primary.lag_bytes, replica.lag_bytes), (None, Some(0)));
            assert_eq!((shard.primary.state, replica.state), (NodeState::Ok, NodeState::Ok));
            assert_eq!(shard.primary.engine.as_deref(), Some("redis 7.0.15"));
        }
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(json["shards"][0]["slots"], "0-5460");
        assert_eq!(json["shards"][0]["primary"]["state"], "ok");
    }

    #[test]
    fn who_is_down_stays_in_its_shard() {
        let mut model = Model::formed(1, 2);
        let primary = model.servers.iter().position(|server| server.primary.is_none()).unwrap();
        let replica = (0..3).find(|index| *index != primary).unwrap();
        model.servers[replica].up = false;
        model.settle(false);
        let status = ClusterStatus::new("demo", &model.view(), None);
        let shown = &status.shards[0].replicas;
        let down = shown.iter().find(|node| node.state == NodeState::Down).unwrap();
        assert_eq!(
            (shown.len(), down.role, &down.name),
            (2, Some(Role::Replica), &model.servers[replica].member.name)
        );
        assert_eq!(down.trouble.as_deref(), Some("connection refused"));
        assert!(!status.healthy && status.shards[0].primary.state == NodeState::Ok);

        model.servers[primary].up = false;
        let status = ClusterStatus::new("demo", &model.view(), None);
        assert_eq!(status.shards[0].primary.state, NodeState::Down);
        assert!(!status.healthy);
    }

    #[test]
    fn trouble_is_named() {
        let mut model = Model::formed(2, 1);
        let replica = model.servers.iter().position(|server| server.primary.is_some()).unwrap();
        let trouble = |model: &Model| {
            let status = ClusterStatus::new("demo", &model.view(), None);
            let nodes = status.shards.iter().flat_map(|shard| &shard.replicas);
            nodes.filter_map(|node| node.trouble.clone()).collect::<Vec<_>>()
        };
        assert_eq!(trouble(&model), Vec::<String>::new());
        model.servers[replica].link_up = false;
        assert_eq!(trouble(&model), ["its link to the primary is down"]);
        model.servers[replica].ok = false;
        assert_eq!(trouble(&model), ["it says cluster_state:fail"]);
        model.servers[replica].loading = true;
        assert_eq!(trouble(&model), ["it is loading its data"]);
    }

    #[test]
    fn nothing_is_not_healthy() {
        let status = ClusterStatus::new("none", &ClusterView::new(Vec::new(), Vec::new()), None);
        assert!(!status.healthy && status.shards.is_empty() && status.uncovered.is_full());
        let empty = Model::on_hosts_of_their_own(2);
        let status = ClusterStatus::new("new", &empty.view(), None);
        assert_eq!((status.healthy, status.unplaced.len()), (false, 2));
    }
}
