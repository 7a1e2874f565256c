//! Wishes and views for which there is no safe way: each is refused with its reason, and nothing is planned.

use slotwright_cluster::OpenSlot;

use super::plan;
use crate::{
    ClusterView, Desired,
    model::{Model, desired, id},
};

/// Every word must stand in one of the refusal's lines.
#[track_caller]
fn assert_refused(view: &ClusterView, wish: &Desired, words: &[&str]) {
    let refusal = plan(view, wish).expect_err("it must be refused");
    let text = refusal.to_string();
    assert_eq!(refusal.reasons.len(), 1, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is missing: {text}");
    }
}

fn primary(model: &Model) -> usize {
    (0..model.servers.len()).find(|index| !model.servers[*index].slots.is_empty()).unwrap()
}

fn replica(model: &Model) -> usize {
    (0..model.servers.len()).find(|index| model.servers[*index].primary.is_some()).unwrap()
}

#[test]
fn another_number_of_shards_than_a_covered_cluster_has() {
    let view = Model::formed(3, 1).view();
    assert_refused(&view, &desired(2, 1), &["There are 3 shards", "fewer are wanted: 2", "not possible yet"]);
    assert_refused(
        &view,
        &desired(4, 1),
        &["There are 3 shards", "more are wanted: 4", "every slot has an owner"],
    );
    assert_refused(&view, &desired(0, 1), &["There are 3 shards", "fewer are wanted: 0"]);
    assert_refused(&Model::formed(1, 0).view(), &desired(2, 0), &["There is 1 shard and more"]);
}

#[test]
fn more_new_shards_than_slots_without_an_owner() {
    let mut model = Model::formed(2, 0);
    let mut spare = Model::on_hosts_of_their_own(4).servers.split_off(2);
    for (number, server) in spare.iter_mut().enumerate() {
        server.id = id(100 + number as u64);
    }
    model.servers.extend(spare);
    for server in &mut model.servers {
        server.slots.remove("7".parse().unwrap());
        server.known.values_mut().for_each(|known| {
            known.slots.remove("7".parse().unwrap());
        });
    }
    assert_refused(&model.view(), &desired(4, 0), &["There are 2 shards", "only 1 slot has no owner"]);
}

#[test]
fn a_wish_that_no_number_of_nodes_fulfils() {
    let view = Model::on_hosts_of_their_own(3).view();
    assert_refused(&view, &desired(0, 0), &["0 shards", "at least one"]);
    assert_refused(&view, &desired(16385, 0), &["16385 shards", "16384 slots"]);
    assert_refused(&view, &desired(3, 1), &["3 shards of 2 copies", "only 3 nodes are free", "add 3 nodes"]);
    assert_refused(&view, &desired(1, usize::MAX), &["more nodes"]);
    assert_refused(&view, &desired(usize::MAX, usize::MAX), &["16384 slots"]);
}

#[test]
fn a_member_that_does_not_answer() {
    let mut model = Model::formed(3, 1);
    let down = replica(&model);
    model.servers[down].up = false;
    model.settle(false);
    let name = model.servers[down].member.name.clone();
    assert_refused(&model.view(), &desired(3, 1), &[&name, "does not answer", "connection refused"]);
}

#[test]
fn a_member_that_is_loading() {
    let mut model = Model::formed(3, 0);
    model.servers[1].loading = true;
    assert_refused(&model.view(), &desired(3, 0), &["node-1", "still loading"]);
}

#[test]
fn a_member_that_is_not_ours() {
    let mut model = Model::formed(3, 1);
    let stranger = model.servers.remove(replica(&model));
    let view = model.view();
    let short = stranger.id.short().to_string();
    assert_refused(&view, &desired(3, 1), &["not one of ours", &short, "FORGET"]);
}

#[test]
fn keys_in_slots_that_nobody_owns() {
    let mut model = Model::formed(3, 0);
    model.fill();
    let owner = primary(&model);
    let slot = model.servers[owner].slots.first().unwrap();
    for server in &mut model.servers {
        server.slots.remove(slot);
        server.known.values_mut().for_each(|known| {
            known.slots.remove(slot);
        });
    }
    let name = model.servers[owner].member.name.clone();
    let slot = format!("nobody owns: {slot}.");
    assert_refused(&model.view(), &desired(3, 0), &[&name, "holds 1 key ", &slot, "ADDSLOTSRANGE"]);
}

#[test]
fn a_free_node_with_keys_or_with_open_slots() {
    let mut model = Model::on_hosts_of_their_own(3);
    let owned = "0-16383".parse().unwrap();
    model.servers[0].slots = owned;
    model.servers[1].keys.insert("5".parse().unwrap());
    assert_refused(&model.view(), &desired(1, 2), &["node-1 owns no slots, but holds 1 key.", "FLUSHALL"]);
    model.servers[1].keys.clear();
    let open = OpenSlot::Importing { slot: "5".parse().unwrap(), from: model.servers[0].id };
    model.servers[1].open.push(open);
    assert_refused(&model.view(), &desired(1, 2), &["node-1 owns no slots, but has open slots"]);
}

#[test]
fn a_replica_whose_primary_is_gone_or_owns_nothing() {
    let mut model = Model::formed(3, 1);
    let orphan = replica(&model);
    model.servers[orphan].primary = Some(id(999));
    let name = model.servers[orphan].member.name.clone();
    assert_refused(&model.view(), &desired(3, 1), &[&name, "not a member", "only copy", "TAKEOVER"]);

    let mut model = Model::on_hosts_of_their_own(3);
    model.servers[1].primary = Some(model.servers[0].id);
    assert_refused(
        &model.view(),
        &desired(1, 1),
        &["node-1 owns no slots, but copies a primary without slots"],
    );
}

#[test]
fn one_id_that_two_members_answer_with() {
    let mut model = Model::on_hosts_of_their_own(3);
    model.servers[2].id = model.servers[0].id;
    assert_refused(&model.view(), &desired(3, 0), &["node-0 and node-2", "same node id", "nodes.conf"]);
}

#[test]
fn more_replicas_than_are_wanted() {
    let model = Model::formed(2, 2);
    let refusal = plan(&model.view(), &desired(2, 1)).unwrap_err();
    assert_eq!(refusal.reasons.len(), 2, "{refusal}");
    for word in ["has 2 replicas (", "1 are wanted", "CLUSTER RESET", "node-"] {
        assert!(refusal.to_string().contains(word), "{word}: {refusal}");
    }
}

#[test]
fn every_reason_is_given_at_once() {
    let mut model = Model::formed(3, 1);
    model.servers[0].up = false;
    model.servers[3].loading = true;
    let refusal = plan(&model.view(), &desired(3, 1)).unwrap_err();
    assert_eq!(refusal.reasons.len(), 2, "{refusal}");
    assert_eq!(refusal.to_string().lines().count(), 2);
}

#[test]
fn two_strangers_that_claim_one_slot_and_hold_keys() {
    let mut model = Model::on_hosts_of_their_own(2);
    model.servers[0].slots = "0-100".parse().unwrap();
    model.servers[1].slots = "100-200".parse().unwrap();
    let view = model.view();
    assert_eq!(view.contested().to_string(), "100");
    assert!(plan(&view, &desired(2, 0)).is_ok(), "nothing is lost when they meet");
    model.servers[1].keys = "150".parse().unwrap();
    assert_refused(&model.view(), &desired(2, 0), &["node-1 holds keys", "node-0 claims too", "never met"]);
}

#[test]
fn a_setting_that_only_a_restart_changes() {
    let mut model = Model::formed(1, 1);
    let mut wish = desired(1, 1);
    wish.settings.insert("databases".to_owned(), "4".to_owned());
    for server in &mut model.servers {
        server.settings.insert("databases".to_owned(), "16".to_owned());
    }
    assert_refused(&model.view(), &wish, &["databases is to be \"4\"", "node-0", "--keep-data"]);
    for server in &mut model.servers {
        server.settings.insert("databases".to_owned(), "4".to_owned());
    }
    assert!(plan(&model.view(), &wish).unwrap().is_empty());
}
