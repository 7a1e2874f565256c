//! Every kind of finding on a cluster that has it: evidence that names who and what, a severity, a remedy.

use slotwright_cluster::{Epoch, LinkState, OpenSlot};
use slotwright_slots::{Slot, SlotSet};

use super::*;
use crate::{
    Severity,
    model::{Model, desired, id},
    placement::Site,
};

/// Three shards with a replica each: `node-0` to `node-2` are primaries, `node-3` to `node-5` their replicas.
fn formed() -> Model {
    let model = Model::formed(3, 1);
    for (index, server) in model.servers.iter().enumerate() {
        assert_eq!(server.slots.is_empty(), index > 2, "{}", server.member.name);
    }
    model
}

/// The replica of `node-0`.
fn copy_of_the_first(model: &Model) -> usize {
    model.servers.iter().position(|server| server.primary == Some(model.servers[0].id)).unwrap()
}

/// The findings of one kind, with a wish or without.
fn of_kind(view: &ClusterView, wish: Option<&Desired>, kind: Kind) -> Vec<Finding> {
    diagnose(view, wish).into_iter().filter(|finding| finding.kind == kind).collect()
}

/// There is one such finding, and it says all of this.
#[track_caller]
fn assert_told(view: &ClusterView, kind: Kind, severity: Severity, words: &[&str]) {
    let wish = desired(3, 1);
    let found = of_kind(view, Some(&wish), kind);
    let [finding] = found.as_slice() else { panic!("{kind:?}: {found:#?}") };
    assert_eq!(finding.severity, severity, "{finding}");
    for word in words {
        assert!(finding.evidence.contains(word), "{word:?} is missing: {finding}");
    }
    assert!(finding.evidence.ends_with('.') && finding.remedy.ends_with('.'), "{finding}");
}

#[test]
fn a_healthy_cluster_gives_nothing_to_tell() {
    let mut model = formed();
    model.fill();
    assert_eq!(diagnose(&model.view(), Some(&desired(3, 1))), []);
    assert_eq!(diagnose(&model.view(), None), []);
}

#[test]
fn silent_members() {
    let mut model = formed();
    model.servers[1].up = false;
    model.servers[4].up = false;
    model.settle(false);
    let found = of_kind(&model.view(), None, Kind::Unreachable);
    let text: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 2);
    assert!(
        text[0].starts_with("critical: node-1 at 10.0.0.2:7001 does not answer: connection refused."),
        "{text:?}"
    );
    assert!(text[0].contains("It owns slots 5461-10922."), "{text:?}");
    assert!(text[1].starts_with("warning: node-4 at "), "{text:?}");
    // The replica that is down is still the replica of its shard.
    assert_eq!(of_kind(&model.view(), Some(&desired(3, 1)), Kind::MissingReplica), []);
}

#[test]
fn two_members_with_one_id() {
    let mut model = Model::on_hosts_of_their_own(3);
    model.servers[2].id = model.servers[1].id;
    assert_told(&model.view(), Kind::DuplicateId, Severity::Critical, &["node-1 and node-2", "same node id"]);
}

#[test]
fn a_stranger() {
    let mut model = formed();
    let gone = model.servers.pop().unwrap();
    let words = [
        "node-0, node-1, node-2 and 2 more know",
        &gone.id.short().to_string(),
        "10.0.0.6:7005, held for failed",
    ];
    assert_told(&model.view(), Kind::ForeignMember, Severity::Critical, &words);
}

/// Takes slots from their owner, and the knowledge of it from the others.
fn uncover(model: &mut Model, slots: &str) {
    let slots: SlotSet = slots.parse().unwrap();
    for server in &mut model.servers {
        server.slots = &server.slots - &slots;
        server.known.values_mut().for_each(|known| known.slots = &known.slots - &slots);
    }
    model.settle(false);
}

#[test]
fn slots_without_owner() {
    let mut model = formed();
    model.fill();
    uncover(&mut model, "7 9-11");
    let view = model.view();
    assert_told(
        &view,
        Kind::UncoveredSlots,
        Severity::Critical,
        &["4 of 16384 slots have no owner: 7 9-11."],
    );
    let stray = of_kind(&view, None, Kind::StrayKeys);
    assert_eq!(stray.len(), 2, "the primary and its replica: {stray:?}");
    assert_eq!(stray[0].evidence, "node-0 holds 4 keys in slots nobody owns: 7 and 9-11.");
    let first = diagnose(&view, None).into_iter().next().unwrap();
    assert_eq!(first.severity, Severity::Critical, "the worst comes first");
}

#[test]
fn slots_with_two_owners() {
    let mut model = formed();
    let first = model.servers[0].id;
    model.servers[1].slots.insert("5".parse().unwrap());
    model.servers[1].known.get_mut(&first).unwrap().slots.remove("5".parse().unwrap());
    let view = model.view();
    assert_told(
        &view,
        Kind::DoublyClaimedSlots,
        Severity::Critical,
        &["node-0 and node-1 claim the same slots, 5."],
    );
    // node-1 has the higher epoch: it is the others who have not heard of it.
    assert_eq!(view.owners().get("5".parse().unwrap()), Some(&model.servers[1].id));
    assert_told(
        &view,
        Kind::SlotDisagreement,
        Severity::Warning,
        &["node-0, node-2, node-3 and 2 more have", " 5 "],
    );
}

#[test]
fn slots_on_the_way() {
    let mut model = formed();
    let slot: Slot = "5".parse().unwrap();
    let (from, to) = (model.servers[0].id, model.servers[1].id);
    model.servers[0].open.push(OpenSlot::Migrating { slot, to });
    model.servers[1].open.push(OpenSlot::Importing { slot, from });
    let words = ["Slot 5 ", "node-0 migrates it to node-1 and node-1 imports it from node-0"];
    assert_told(&model.view(), Kind::OpenSlots, Severity::Warning, &words);
}

#[test]
fn another_slot_map() {
    let mut model = formed();
    let first = model.servers[0].id;
    model.servers[4].known.get_mut(&first).unwrap().slots.clear();
    assert_told(
        &model.view(),
        Kind::SlotDisagreement,
        Severity::Warning,
        &["node-4 has", "slots 0-5460 differ"],
    );
}

#[test]
fn another_role() {
    let mut model = formed();
    let copy = copy_of_the_first(&model);
    let (id, name) = (model.servers[copy].id, model.servers[copy].member.name.clone());
    model.servers[1].known.get_mut(&id).unwrap().primary = None;
    let evidence = format!("{name} copies node-0, but node-1 has not heard of it.");
    assert_told(&model.view(), Kind::RoleDisagreement, Severity::Warning, &[&evidence]);

    let (first, other) = (model.servers[0].id, model.servers[2].id);
    model.servers[1].known.get_mut(&id).unwrap().primary = Some(first);
    model.servers[copy].known.get_mut(&other).unwrap().primary = Some(first);
    let evidence = format!("node-2 is a primary, but {name} has not heard of it.");
    assert_told(&model.view(), Kind::RoleDisagreement, Severity::Warning, &[&evidence]);
}

#[test]
fn slots_ascribed_to_a_node_that_gave_them_up() {
    let mut model = formed();
    let slots = std::mem::take(&mut model.servers[0].slots);
    let view = model.view();
    assert_eq!(view.hearsay(), &slots);
    assert_told(
        &view,
        Kind::SlotDisagreement,
        Severity::Warning,
        &["node-1, node-2, node-3 and 2 more have", "0-5460"],
    );
}

#[test]
fn missing_links() {
    let mut model = formed();
    let stranger = model.servers[3].id;
    model.servers[1].known.remove(&stranger);
    assert_told(&model.view(), Kind::IncompleteMesh, Severity::Warning, &["node-1 has no link to node-3."]);

    // A handshake is no acquaintance yet.
    let mut observations = formed().observations(0);
    let answer = observations[2].as_mut().unwrap();
    let entry = answer.nodes.entries.iter_mut().find(|entry| !entry.flags.myself).unwrap();
    (entry.id, entry.flags.handshake, entry.link) = (id(77), true, LinkState::Disconnected);
    let view = formed().view_with(observations);
    assert_told(&view, Kind::IncompleteMesh, Severity::Warning, &["node-2 has no link to node-"]);
    assert_eq!(of_kind(&view, None, Kind::ForeignMember), []);
}

#[test]
fn failed_and_suspected_nodes() {
    let mut model = formed();
    model.servers[4].up = false;
    let view = model.view();
    let words = ["node-4 is held for failed by node-0, node-1, node-2 and 2 more."];
    assert_told(&view, Kind::HeldForFailed, Severity::Warning, &words);

    let model = formed();
    let mut observations = model.observations(0);
    let answer = observations[2].as_mut().unwrap();
    let suspect = model.servers[5].id;
    answer.nodes.entries.iter_mut().find(|entry| entry.id == suspect).unwrap().flags.suspected = true;
    let view = model.view_with(observations);
    assert_told(&view, Kind::HeldForFailed, Severity::Warning, &["node-5 is suspected by node-2."]);
}

#[test]
fn replicas_without_their_primary() {
    let mut model = formed();
    let copy = copy_of_the_first(&model);
    let name = model.servers[copy].member.name.clone();
    model.servers[copy].link_up = false;
    let down = format!("{name} copies node-0, but its link is down");
    assert_told(&model.view(), Kind::ReplicationDown, Severity::Warning, &[&down]);

    model.servers[0].up = false;
    let silent = format!("{name} copies node-0, which does not answer.");
    assert_told(&model.view(), Kind::OrphanReplica, Severity::Critical, &[&silent]);

    model.servers[0].up = true;
    model.servers[copy].primary = Some(id(99));
    let gone = format!("{name} copies {}, which is not a member.", id(99).short());
    assert_told(&model.view(), Kind::OrphanReplica, Severity::Critical, &[&gone]);
}

#[test]
fn one_epoch_for_two_shards() {
    let mut model = formed();
    model.servers[1].epoch = model.servers[2].epoch;
    let Epoch(epoch) = model.servers[2].epoch;
    let words = ["node-1 and node-2 own slots", &format!("same config epoch, {epoch}.")];
    assert_told(&model.view(), Kind::EpochCollision, Severity::Warning, &words);
}

#[test]
fn nodes_that_do_not_serve() {
    let mut model = formed();
    model.servers[3].ok = false;
    assert_told(
        &model.view(),
        Kind::NotServing,
        Severity::Critical,
        &["node-3 says cluster_state:fail and refuses"],
    );
}

#[test]
fn a_time_out_left_short() {
    let mut model = formed();
    for index in [1, 4] {
        model.servers[index].settings.insert("cluster-node-timeout".to_owned(), "500".to_owned());
    }
    let words = ["node-1 and node-4 run with cluster-node-timeout 500", "5000 is wanted"];
    assert_told(&model.view(), Kind::ShortenedTimeout, Severity::Critical, &words);
    // It is told once, and also when nobody says what is wanted.
    assert_eq!(of_kind(&model.view(), Some(&desired(3, 1)), Kind::SettingDrift), []);
    assert_eq!(of_kind(&model.view(), None, Kind::ShortenedTimeout).len(), 1);
}

#[test]
fn settings_that_differ() {
    let mut model = formed();
    for index in [0, 2] {
        model.servers[index].settings.insert("repl-diskless-sync-delay".to_owned(), "0".to_owned());
    }
    let words = ["node-0 and node-2 run with repl-diskless-sync-delay \"0\"; \"5\" is wanted."];
    assert_told(&model.view(), Kind::SettingDrift, Severity::Warning, &words);
    let found = of_kind(&model.view(), None, Kind::SettingDrift);
    let evidence = "repl-diskless-sync-delay differs between nodes: \"0\" on node-0 and node-2 and \"5\" on node-1, \
                    node-3, node-4 and node-5.";
    assert_eq!(found[0].evidence, evidence);

    // A longer time-out than wanted is no danger, but not what was asked for either.
    let mut model = formed();
    model.servers[0].settings.insert("cluster-node-timeout".to_owned(), "15000".to_owned());
    let words = ["node-0 runs with cluster-node-timeout \"15000\"; \"5000\" is wanted."];
    assert_told(&model.view(), Kind::SettingDrift, Severity::Warning, &words);
}

#[test]
fn another_shape_than_wished_for() {
    let view = formed().view();
    let of = |kind, shards, replicas| of_kind(&view, Some(&desired(shards, replicas)), kind);
    assert_eq!(of(Kind::ShardCount, 1, 1)[0].evidence, "There are 3 shards; 1 is wanted.");
    let missing = of(Kind::MissingReplica, 3, 2);
    assert_eq!(missing.len(), 3);
    let shards: Vec<&str> = missing.iter().map(|finding| finding.evidence.as_str()).collect();
    assert!(shards.contains(&"The shard of node-0 has 1 replica; 2 are wanted."), "{shards:?}");
    let surplus = of(Kind::SurplusReplica, 3, 0);
    assert_eq!(surplus.len(), 3);
    assert!(
        surplus.iter().any(|finding| finding.evidence == "The shard of node-2 has 1 replica; 0 are wanted.")
    );
}

#[test]
fn nodes_without_a_place() {
    let mut model = formed();
    let copy = copy_of_the_first(&model);
    model.servers[copy].primary = None;
    let name = model.servers[copy].member.name.clone();
    let evidence = format!("{name} owns no slots and copies nobody.");
    assert_told(&model.view(), Kind::Unplaced, Severity::Warning, &[&evidence]);
    // When every shard has what it needs, it is a spare, and that is no fault.
    let spare = of_kind(&model.view(), Some(&desired(3, 0)), Kind::Unplaced);
    assert_eq!((spare.len(), spare[0].severity), (1, Severity::Info));
}

#[test]
fn copies_that_go_down_together() {
    let mut model = formed();
    let copy = copy_of_the_first(&model);
    for index in 0..6 {
        model.servers[index].member.site = Site::new(format!("host-{index}"), format!("zone-{index}"));
    }
    model.servers[copy].member.site.zone = "zone-0".to_owned();
    let name = model.servers[copy].member.name.clone();
    let evidence = format!("All copies of one shard are in zone zone-0: node-0 and {name}.");
    assert_told(&model.view(), Kind::SharedFate, Severity::Warning, &[&evidence]);
}

/// A kind that is added must be produced here too.
#[test]
fn every_kind_has_a_test() {
    let tests = include_str!("tests.rs");
    let all = [
        Kind::Unreachable,
        Kind::DuplicateId,
        Kind::ForeignMember,
        Kind::UncoveredSlots,
        Kind::StrayKeys,
        Kind::DoublyClaimedSlots,
        Kind::OpenSlots,
        Kind::SlotDisagreement,
        Kind::RoleDisagreement,
        Kind::IncompleteMesh,
        Kind::HeldForFailed,
        Kind::OrphanReplica,
        Kind::ReplicationDown,
        Kind::EpochCollision,
        Kind::NotServing,
        Kind::ShortenedTimeout,
        Kind::SettingDrift,
        Kind::MissingReplica,
        Kind::SurplusReplica,
        Kind::ShardCount,
        Kind::SharedFate,
        Kind::Unplaced,
    ];
    for (position, kind) in all.into_iter().enumerate() {
        assert_eq!(kind as usize, position, "the list has every kind, in order");
        let mentions = tests.matches(&format!("Kind::{kind:?}")).count();
        assert!(mentions > 1, "no test produces {kind:?}");
    }
    assert_eq!(Kind::Unplaced as usize + 1, all.len());
}

#[test]
fn lists_stay_short() {
    let shown = |count: usize| list((0..count).map(|number| format!("n{number}")));
    assert_eq!(shown(0), "nobody");
    assert_eq!(shown(1), "n0");
    assert_eq!(shown(2), "n0 and n1");
    assert_eq!(shown(4), "n0, n1, n2 and n3");
    assert_eq!(shown(5), "n0, n1, n2 and 2 more");
    assert_eq!(shown(60), "n0, n1, n2 and 57 more");
}
