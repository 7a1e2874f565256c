//! Answers that make no sense: anything may be said, nothing may panic.

use std::collections::BTreeMap;

use proptest::prelude::*;
use slotwright_cluster::{
    ClusterInfo, ClusterNodes, ClusterState, Endpoint, Epoch, Flags, Host, LinkState, NodeAnswer, NodeEntry,
    NodeId, OpenSlot, ReplicationInfo, Role, ServerInfo, StrayKeys,
};
use slotwright_slots::{Slot, SlotRange, SlotSet};

use super::{config, plan, steps_before};
use crate::{ClusterStatus, ClusterView, Desired, Member, Observation, diagnose, model::id, placement::Site};

fn ids() -> impl Strategy<Value = NodeId> {
    (0..6_u64).prop_map(id)
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![0..4_u64, Just(u64::MAX), Just(u64::MAX - 1), any::<u64>()]
}

fn endpoints() -> impl Strategy<Value = Endpoint> {
    let hosts = prop_oneof![Just("10.0.0.1"), Just("::1"), Just("db"), Just("")];
    let names = prop_oneof![Just(None), Just(Some("db")), Just(Some("10.0.0.1"))];
    (hosts, 0..3_u16, names).prop_map(|(host, port, name)| Endpoint {
        hostname: name.map(Into::into),
        ..Endpoint::new(Host::parse(host), port)
    })
}

fn slots() -> impl Strategy<Value = Slot> {
    (0..16384_u16).prop_map(|slot| Slot::new(slot).unwrap())
}

fn ranges() -> impl Strategy<Value = SlotRange> {
    (slots(), slots()).prop_map(|(a, b)| SlotRange::new(a.min(b), a.max(b)).unwrap())
}

fn sets() -> impl Strategy<Value = SlotSet> {
    prop_oneof![
        Just(SlotSet::new()),
        Just(SlotSet::full()),
        proptest::collection::vec(ranges(), 1..3).prop_map(|ranges| ranges.into_iter().collect()),
    ]
}

fn roles() -> impl Strategy<Value = Option<Role>> {
    prop_oneof![Just(None), Just(Some(Role::Primary)), Just(Some(Role::Primary)), Just(Some(Role::Replica))]
}

fn entries() -> impl Strategy<Value = NodeEntry> {
    let flags =
        (any::<[bool; 6]>(), roles()).prop_map(|([myself, suspected, failed, a, b, noaddr], role)| Flags {
            myself,
            role,
            suspected,
            failed,
            handshake: a && b,
            noaddr,
            ..Flags::default()
        });
    let open = (slots(), ids(), any::<bool>()).prop_map(|(slot, id, out)| match out {
        true => OpenSlot::Migrating { slot, to: id },
        false => OpenSlot::Importing { slot, from: id },
    });
    let open = proptest::collection::vec(open, 0..2);
    let primary = proptest::option::weighted(0.3, ids());
    (ids(), endpoints(), flags, primary, numbers(), numbers(), any::<bool>(), sets(), open).prop_map(
        |(id, endpoint, flags, primary, pong_received_ms, epoch, linked, slots, open_slots)| NodeEntry {
            id,
            endpoint,
            flags,
            primary,
            ping_sent_ms: 0,
            pong_received_ms,
            config_epoch: Epoch(epoch),
            link: if linked { LinkState::Connected } else { LinkState::Disconnected },
            slots,
            open_slots,
            aux: BTreeMap::new(),
        },
    )
}

fn settings() -> impl Strategy<Value = BTreeMap<String, String>> {
    let names =
        prop_oneof![Just("cluster-node-timeout"), Just("repl-diskless-sync-delay"), Just("unheard-of")];
    let values =
        prop_oneof![Just(""), Just("500"), Just("5000"), Just("-1"), Just("99999999999999999999"), Just("x")];
    proptest::collection::btree_map(names.prop_map(str::to_owned), values.prop_map(str::to_owned), 0..3)
}

fn observations() -> impl Strategy<Value = Observation> {
    let nodes = proptest::collection::vec(entries(), 0..5);
    let stray = (ranges(), numbers()).prop_map(|(slots, keys)| StrayKeys { slots, keys });
    let stray = proptest::collection::vec(stray, 0..2);
    let booleans = any::<[bool; 3]>();
    let answer = (ids(), nodes, numbers(), booleans, [numbers(), numbers(), numbers()], settings(), stray);
    let answer = answer.prop_map(
        |(id, entries, epoch, [ok, loading, link_up], [keys, memory, offset], settings, stray)| NodeAnswer {
            id,
            nodes: ClusterNodes { entries },
            cluster: ClusterInfo {
                state: if ok { ClusterState::Ok } else { ClusterState::Fail },
                slots_assigned: 0,
                known_nodes: 0,
                current_epoch: Epoch(epoch),
            },
            server: ServerInfo {
                engine: String::new(),
                version: String::new(),
                process_id: 0,
                uptime_s: 0,
                used_memory: memory,
                max_memory: memory,
                keys,
                loading,
                replication: ReplicationInfo { role: Role::Primary, link_up, primary_host: None, offset },
            },
            settings,
            stray_keys: stray,
        },
    );
    prop_oneof![1 => Just(Err("no route".to_owned())), 6 => answer.prop_map(Ok)]
}

/// Answers in which every node speaks of itself under an id of its own, with calmer numbers: more of these are planned
/// for than refused.
fn plausible(mut observations: Vec<Observation>) -> Vec<Observation> {
    let count = observations.len() as u64;
    for (index, answer) in observations.iter_mut().enumerate() {
        let Ok(answer) = answer else { continue };
        answer.id = id(index as u64);
        answer.server.loading = false;
        answer.server.keys %= 2;
        answer.stray_keys.clear();
        for (position, entry) in answer.nodes.entries.iter_mut().enumerate() {
            let other = id((index + position) as u64 % count);
            (entry.id, entry.flags.myself) = (other, position == 0);
            entry.primary = entry.primary.map(|_| id(position as u64 % count));
        }
    }
    observations
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn nothing_that_is_said_brings_it_down(
        endpoints in proptest::collection::vec(endpoints(), 0..5),
        observations in proptest::collection::vec(observations(), 0..6),
        calm in any::<bool>(),
        shards in prop_oneof![0..5_usize, Just(usize::MAX)],
        replicas in prop_oneof![0..3_usize, Just(usize::MAX)],
        settings in settings(),
    ) {
        let members = endpoints.into_iter().enumerate().map(|(index, endpoint)| {
            Member { name: format!("n{index}"), endpoint, site: Site::new(format!("h{}", index % 2), "z") }
        });
        let observations = if calm { plausible(observations) } else { observations };
        let view = ClusterView::new(members.collect(), observations);
        let wish = Desired { shards, replicas, settings };
        for wish in [None, Some(&wish)] {
            for finding in diagnose(&view, wish) {
                prop_assert!(!finding.to_string().is_empty());
            }
            let status = ClusterStatus::new("garbage", &view, wish);
            serde_json::to_string(&status).unwrap();
        }
        match plan(&view, &wish) {
            Ok(plan) => {
                steps_before(&plan);
                serde_json::to_string(&plan).unwrap();
                prop_assert!(!plan.to_string().is_empty());
            }
            Err(refusal) => prop_assert!(!refusal.reasons.is_empty() && !refusal.to_string().is_empty()),
        }
        for index in 0..view.nodes().len() + 1 {
            let _ = (view.primary_of(index), view.word_on(index), view.id_of(index), view.is_linked(index, 0));
        }
    }
}
