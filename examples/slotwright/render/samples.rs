//! Clusters to draw in tests.

use slotwright_cluster::{Endpoint, Host, Role};
use slotwright_slots::{Slot, SlotRange, SlotSet};
use slotwright_topology::{
    ClusterStatus, Finding, FindingKind, NodeState, NodeStatus, Severity, ShardStatus,
};

pub(super) fn slots(text: &str) -> SlotSet {
    text.parse().unwrap()
}

pub(super) fn node(name: &str, role: Role) -> NodeStatus {
    NodeStatus {
        name: name.to_owned(),
        id: None,
        endpoint: Endpoint::new(Host::parse("127.0.0.1"), 7000),
        host: "host-1".to_owned(),
        zone: String::new(),
        role: Some(role),
        state: NodeState::Ok,
        trouble: None,
        engine: Some("redis 7.0.15".to_owned()),
        keys: 401_211,
        used_memory: 3_400_000,
        max_memory: 1 << 30,
        uptime_s: 11_000,
        lag_bytes: (role == Role::Replica).then_some(0),
    }
}

/// Shards of equal size; the primary of the third is `n2-0`, its first replica `n2-1`.
pub(super) fn even(shards: usize, replicas: usize) -> ClusterStatus {
    let slot = |number: usize| Slot::new(u16::try_from(number).unwrap()).unwrap();
    let shard = |index: usize| ShardStatus {
        slots: SlotRange::new(slot(16384 * index / shards), slot(16384 * (index + 1) / shards - 1))
            .unwrap()
            .into(),
        primary: node(&format!("n{index}-0"), Role::Primary),
        replicas: (1..=replicas).map(|number| node(&format!("n{index}-{number}"), Role::Replica)).collect(),
    };
    ClusterStatus {
        name: "demo".to_owned(),
        healthy: shards > 0,
        shards: (0..shards).map(shard).collect(),
        unplaced: Vec::new(),
        uncovered: if shards > 0 { SlotSet::new() } else { SlotSet::full() },
        keys: 401_211 * shards as u64,
        used_memory: 123_456_789,
        findings: Vec::new(),
    }
}

/// Three shards over several hosts: slots without an owner, a node that is down, one out of step, one left over, names
/// as long and as strange as they come.
pub(super) fn broken() -> ClusterStatus {
    let mut status = even(3, 2);
    status.healthy = false;
    let holes = slots("100-300 5000 6000-6001");
    status.shards.iter_mut().for_each(|shard| shard.slots = &shard.slots - &holes);
    status.uncovered = holes;
    let primary = &mut status.shards[1].primary;
    (primary.state, primary.trouble) =
        (NodeState::Down, Some("connection refused (os error 111)".to_owned()));
    let replica = &mut status.shards[2].replicas[0];
    (replica.state, replica.lag_bytes) = (NodeState::NotServing, None);
    replica.trouble = Some("its link to the primary is down\u{1b}[2J\n".repeat(9));
    let strange = &mut status.shards[0].primary;
    strange.name = "redis-cluster-17-日本語の名前\u{1b}]0;title\u{7}.redis-headless.production".to_owned();
    strange.endpoint =
        Endpoint::new(Host::Name("redis-17.redis-headless.production.svc.cluster.local".into()), 6379);
    (strange.keys, strange.used_memory, strange.uptime_s) = (u64::MAX, u64::MAX, u64::MAX);
    (strange.host, strange.zone) = ("host-\u{202e}2".to_owned(), "zone-z".to_owned());
    let mut lost = node("lost-and-found", Role::Primary);
    lost.role = None;
    status.unplaced.push(lost);
    for (severity, evidence) in [
        (Severity::Info, "A small thing.".to_owned()),
        (Severity::Critical, "Slots 100-300 5000 6000-6001 have no owner. ".repeat(5)),
        (Severity::Warning, format!("A word that cannot be broken: {}\u{1b}[31m", "x".repeat(300))),
    ] {
        let remedy =
            "Bring the node back that owned them; what helps is told in full, however long it is.".to_owned();
        status.findings.push(Finding { severity, kind: FindingKind::UncoveredSlots, evidence, remedy });
    }
    status
}
