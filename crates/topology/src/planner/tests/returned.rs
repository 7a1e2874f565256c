//! Nodes that return, empty or with old claims; slots that lost their owner; nodes that moved.

use proptest::prelude::*;
use slotwright_cluster::Host;
use slotwright_slots::SlotSet;

use super::{assert_well_formed, config, plan};
use crate::{
    Action, Plan,
    model::{Model, desired},
};

/// The kinds of steps in a plan, each once, in order.
fn kinds(plan: &Plan) -> Vec<&'static str> {
    let mut kinds: Vec<&str> = plan
        .steps()
        .iter()
        .map(|step| match &step.action {
            Action::SetSetting { .. } => "setting",
            Action::SetEpoch { .. } => "epoch",
            Action::AssignSlots { .. } => "slots",
            Action::Meet { .. } => "meet",
            Action::Replicate { .. } => "replicate",
            Action::Refollow { .. } => "refollow",
            Action::AwaitAgreement => "wait",
        })
        .collect();
    kinds.dedup();
    kinds
}

/// Carries out plans until none is left.
fn finish(model: &mut Model, shards: usize, replicas: usize) {
    for _ in 0..4 {
        let next = plan(&model.view(), &desired(shards, replicas)).unwrap();
        assert_well_formed(&next);
        if next.is_empty() {
            return;
        }
        model.apply_all(&next);
    }
    panic!("it does not converge: {}", plan(&model.view(), &desired(shards, replicas)).unwrap());
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn an_empty_node_in_the_place_of_a_lost_replica_joins_the_shard_that_lacks_one(
        shards in 1..4_usize,
        replicas in 1..3_usize,
        which in any::<prop::sample::Index>(),
        keys in any::<bool>(),
    ) {
        let mut model = Model::formed(shards, replicas);
        if keys {
            model.fill();
        }
        let candidates: Vec<usize> =
            (0..model.servers.len()).filter(|index| model.servers[*index].primary.is_some()).collect();
        let lost = candidates[which.index(candidates.len())];
        let (old, primary) = (model.servers[lost].id, model.servers[lost].primary);
        model.wipe(lost);
        model.forget(old);
        model.settle(false);
        let before: Vec<_> = model.servers.iter().map(|server| server.primary).collect();

        let next = plan(&model.view(), &desired(shards, replicas)).unwrap();
        let told = next.steps().iter().filter_map(|step| match &step.action {
            Action::Replicate { node, primary, .. } => Some((node.index, Some(primary.id))),
            _ => None,
        });
        prop_assert_eq!(told.collect::<Vec<_>>(), [(lost, primary)]);
        finish(&mut model, shards, replicas);
        for (index, primary) in before.into_iter().enumerate().filter(|(index, _)| *index != lost) {
            prop_assert_eq!(model.servers[index].primary, primary, "a healthy copy was moved");
        }
    }

    #[test]
    fn slots_without_owner_and_keys_go_to_the_poorest(
        shards in 1..5_usize,
        lost in proptest::collection::vec((0..16384_u16, 1..6000_u16), 1..4),
    ) {
        let mut model = Model::formed(shards, 1);
        let text = |(first, count): (u16, u16)| format!("{first}-{}", first.saturating_add(count).min(16383));
        let lost = lost.into_iter().map(text).collect::<Vec<_>>().join(" ").parse::<SlotSet>().unwrap();
        for server in &mut model.servers {
            // A shard that keeps no slot is no shard.
            let kept = &server.slots - &lost;
            prop_assume!(server.slots.is_empty() || !kept.is_empty());
            server.slots = kept;
            server.known.values_mut().for_each(|known| known.slots = &known.slots - &lost);
        }
        model.settle(false);
        let before: Vec<usize> = model.servers.iter().map(|server| server.slots.len()).collect();
        finish(&mut model, shards, 1);
        let after: Vec<usize> = model.servers.iter().map(|server| server.slots.len()).collect();
        prop_assert_eq!(after.iter().sum::<usize>(), 16384);
        let least = after.iter().copied().filter(|slots| *slots > 0).min().unwrap();
        for (before, after) in before.into_iter().zip(after) {
            prop_assert!(before == after || after <= least + 1, "{after} slots, although another has {least}");
        }
    }
}

#[test]
fn an_old_primary_with_an_outdated_claim_is_introduced_and_waited_for() {
    let mut model = Model::formed(3, 1);
    model.fill();
    let primary = (0..6).find(|index| !model.servers[*index].slots.is_empty()).unwrap();
    let replica =
        (0..6).find(|index| model.servers[*index].primary == Some(model.servers[primary].id)).unwrap();
    model.fail_over(replica);
    model.servers[primary].up = true;

    let view = model.view();
    assert!(!view.contested().is_empty());
    assert_eq!(view.owners().slots_of(&model.servers[replica].id), *view.contested());
    let next = plan(&view, &desired(3, 1)).unwrap();
    assert_eq!(kinds(&next), ["wait"]);

    // The same with a node that has lost sight of some others.
    let stranger = model.servers[replica].id;
    model.servers[primary].known.remove(&stranger);
    let next = plan(&model.view(), &desired(3, 1)).unwrap();
    assert_eq!(kinds(&next), ["meet", "wait"]);
    finish(&mut model, 3, 1);
    assert_eq!(model.servers[primary].primary, Some(model.servers[replica].id));
    assert_eq!(model.servers[primary].keys, model.servers[replica].keys);
}

#[test]
fn slots_that_others_still_ascribe_to_a_node_are_not_given_away() {
    let mut model = Model::formed(2, 0);
    let given_up: SlotSet = "100-199".parse().unwrap();
    let owner =
        (0..2).find(|index| model.servers[*index].slots.contains_range("100-199".parse().unwrap())).unwrap();
    model.servers[owner].slots = &model.servers[owner].slots - &given_up;
    let view = model.view();
    assert_eq!((view.uncovered(), view.hearsay()), (given_up.clone(), &given_up));
    assert_eq!(kinds(&plan(&view, &desired(2, 0)).unwrap()), ["wait"]);
}

#[test]
fn nodes_that_all_moved_are_introduced_at_their_new_addresses() {
    let mut model = Model::formed(3, 1);
    model.fill();
    for server in &mut model.servers {
        let moved = Host::parse(&server.address.host.to_string().replace("10.0.0", "10.0.1"));
        (server.address.host, server.member.endpoint.host) = (moved.clone(), moved);
    }
    model.settle(false);
    let next = plan(&model.view(), &desired(3, 1)).unwrap();
    assert_eq!(kinds(&next), ["meet", "wait"]);
    finish(&mut model, 3, 1);
}

#[test]
fn a_port_that_changed_is_told_to_the_others() {
    let mut model = Model::formed(3, 0);
    model.servers[1].address.port = 7777;
    model.servers[1].member.endpoint.port = 7777;
    let next = plan(&model.view(), &desired(3, 0)).unwrap();
    assert_eq!(kinds(&next), ["meet", "wait"]);
    finish(&mut model, 3, 0);
}

#[test]
fn a_creation_that_is_resumed_with_more_shards_shares_what_is_left() {
    let mut model = Model::on_hosts_of_their_own(4);
    let first = plan(&model.view(), &desired(3, 0)).unwrap();
    let mut assigned = 0;
    for step in first.steps().iter().filter(|step| !matches!(step.action, Action::Meet { .. })) {
        if let Action::AssignSlots { .. } = step.action {
            assigned += 1;
            if assigned == 3 {
                break;
            }
        }
        if !matches!(step.action, Action::AwaitAgreement) {
            model.apply(&step.action);
        }
    }
    finish(&mut model, 4, 0);
    let mut sizes: Vec<usize> = model.servers.iter().map(|server| server.slots.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2730, 2731, 5461, 5462]);
}

#[test]
fn a_cluster_in_use_has_no_wait_shortened() {
    let mut model = Model::formed(3, 1);
    model.fill();
    // A node was restarted and does not serve yet.
    model.servers[0].ok = false;
    let next = plan(&model.view(), &desired(3, 1)).unwrap();
    assert_eq!(kinds(&next), ["wait"]);
}

#[test]
fn a_wait_left_short_is_restored_at_once_when_there_are_keys() {
    let mut model = Model::formed(3, 1);
    model.fill();
    model.servers[2].settings.insert("cluster-node-timeout".to_owned(), "500".to_owned());
    let next = plan(&model.view(), &desired(3, 1)).unwrap();
    assert_eq!(kinds(&next), ["setting"]);
    finish(&mut model, 3, 1);
    assert_eq!(model.servers[2].settings["cluster-node-timeout"], "5000");
}
