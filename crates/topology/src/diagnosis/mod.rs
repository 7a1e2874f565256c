//! What is wrong with a view, in the eyes of someone who answers for the data.
//!
//! Each check is a function of its own that adds findings; none looks at another's result. What differs from a wish is
//! in `deviations`, everything else here.

mod deviations;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use slotwright_cluster::{ClusterState, Epoch, Flags, LinkState, NodeId, OpenSlot, Role};
use slotwright_slots::SlotSet;

use crate::{
    ClusterView, Desired, Finding, FindingKind as Kind,
    Severity::{Critical, Warning},
    view::NodeView,
};

/// Everything worth telling about `view`, the worst first; with `desired`, deviations from it too.
pub fn diagnose(view: &ClusterView, desired: Option<&Desired>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let found = &mut findings;
    unreachable(view, found);
    duplicate_ids(view, found);
    foreign_members(view, found);
    slots(view, found);
    disagreement(view, found);
    roles(view, found);
    mesh(view, found);
    held_for_failed(view, found);
    replication(view, found);
    epochs(view, found);
    serving(view, found);
    deviations::timeouts(view, desired, found);
    shared_fate(view, found);
    match desired {
        Some(desired) => deviations::against(view, desired, found),
        None => deviations::setting_differences(view, found),
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// `a`, `a and b`, `a, b and 3 more`: evidence stays readable on large clusters.
pub(crate) fn list(names: impl IntoIterator<Item = String>) -> String {
    const SHOWN: usize = 4;
    let names: Vec<String> = names.into_iter().collect();
    match names.as_slice() {
        [] => "nobody".to_owned(),
        [only] => only.clone(),
        [start @ .., last] if names.len() <= SHOWN => format!("{} and {last}", start.join(", ")),
        all => {
            let shown: Vec<&str> = all.iter().take(SHOWN - 1).map(String::as_str).collect();
            format!("{} and {} more", shown.join(", "), names.len() + 1 - SHOWN)
        }
    }
}

/// Members found through a seed are named after their address, which is then not said twice.
fn name_and_place(node: &NodeView) -> String {
    let (name, place) = (&node.member.name, node.member.endpoint.to_string());
    if *name == place { place } else { format!("{name} at {place}") }
}

fn name(node: &NodeView) -> String {
    node.member.name.clone()
}

/// The form of a word that goes with `count`: "a does", "a and b do".
fn verb<'a>(count: usize, one: &'a str, several: &'a str) -> &'a str {
    if count == 1 { one } else { several }
}

/// `1 slot`, `2 slots`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn unreachable(view: &ClusterView, found: &mut Vec<Finding>) {
    for (index, node) in view.nodes().iter().enumerate() {
        let Err(why) = &node.observation else { continue };
        let owns = view.id_of(index).map(|id| view.owners().slots_of(&id)).filter(|slots| !slots.is_empty());
        let (severity, slots) = match owns {
            Some(slots) => (Critical, format!(" It owns slots {slots}.")),
            None => (Warning, String::new()),
        };
        found.push(Finding::new(
            severity,
            Kind::Unreachable,
            format!("{} does not answer: {why}.{slots}", name_and_place(node)),
            "Start it again (`slotwright up` does, for nodes it runs itself); if it does not stay up, look at its log.",
        ));
    }
}

fn duplicate_ids(view: &ClusterView, found: &mut Vec<Finding>) {
    let mut by_id: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
    for node in view.nodes() {
        if let Some(answer) = node.answer() {
            by_id.entry(answer.id).or_default().push(name(node));
        }
    }
    for (id, names) in by_id.into_iter().filter(|(_, names)| names.len() > 1) {
        found.push(Finding::new(
            Critical,
            Kind::DuplicateId,
            format!("{} answer with the same node id, {}.", list(names), id.short()),
            "Either one server is listed twice, or a data folder was copied together with its nodes.conf: \
             stop the copy and remove its nodes.conf.",
        ));
    }
}

fn foreign_members(view: &ClusterView, found: &mut Vec<Finding>) {
    let mut foreign: BTreeMap<NodeId, (String, Vec<String>)> = BTreeMap::new();
    for node in view.nodes() {
        for entry in node.answer().iter().flat_map(|answer| &answer.nodes.entries) {
            if !entry.flags.handshake && view.index_of(entry.id).is_none() {
                let state = if entry.flags.failed { ", held for failed" } else { "" };
                let seen = format!("{} at {}{state}", entry.id.short(), entry.endpoint);
                foreign.entry(entry.id).or_insert((seen, Vec::new())).1.push(name(node));
            }
        }
    }
    for (_, (seen, by)) in foreign {
        let knows = verb(by.len(), "knows", "know");
        found.push(Finding::new(
            Critical,
            Kind::ForeignMember,
            format!("{} {knows} a node that is not one of ours: {seen}.", list(by)),
            "If it is a node of this deployment that was replaced, forget it on every node (CLUSTER FORGET); \
             if it belongs to another cluster, keep the two apart before anything else.",
        ));
    }
}

fn slots(view: &ClusterView, found: &mut Vec<Finding>) {
    let uncovered = view.uncovered();
    if !uncovered.is_empty() {
        found.push(Finding::new(
            Critical,
            Kind::UncoveredSlots,
            format!(
                "{} of 16384 slots {} no owner: {uncovered}.",
                uncovered.len(),
                verb(uncovered.len(), "has", "have")
            ),
            "`slotwright up` assigns them when every node answers and none of them holds keys in these slots.",
        ));
    }
    for node in view.nodes() {
        let Some(answer) = node.answer() else { continue };
        let stray: Vec<String> = answer.stray_keys.iter().map(|stray| stray.slots.to_string()).collect();
        if !stray.is_empty() {
            let keys = answer.stray_keys.iter().map(|stray| stray.keys).fold(0, u64::saturating_add);
            found.push(Finding::new(
                Critical,
                Kind::StrayKeys,
                format!(
                    "{} holds {} in slots nobody owns: {}.",
                    name(node),
                    counted(keys, "key"),
                    list(stray)
                ),
                "Give the slots to the node that has the keys: CLUSTER ADDSLOTSRANGE on that node.",
            ));
        }
    }
    if !view.contested().is_empty() {
        let claims = view
            .nodes()
            .iter()
            .filter(|node| node.claim().is_some_and(|claim| !claim.is_disjoint(view.contested())));
        found.push(Finding::new(
            Critical,
            Kind::DoublyClaimedSlots,
            format!("{} claim the same slots, {}.", list(claims.map(name)), view.contested()),
            "The claim with the higher config epoch wins once the nodes are linked; if it lasts, look at the bus ports \
             between them.",
        ));
    }
    let mut open: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for node in view.nodes() {
        for slot in node.myself().iter().flat_map(|entry| &entry.open_slots) {
            let what = match slot {
                OpenSlot::Migrating { to, .. } => {
                    format!("{} migrates it to {}", name(node), view.name_of(*to))
                }
                OpenSlot::Importing { from, .. } => {
                    format!("{} imports it from {}", name(node), view.name_of(*from))
                }
            };
            open.entry(slot.slot()).or_default().push(what);
        }
    }
    for (slot, what) in open {
        found.push(Finding::new(
            Warning,
            Kind::OpenSlots,
            format!("Slot {slot} is on the way: {}.", list(what)),
            "If no migration is running, one was interrupted: finish it, or close it with CLUSTER SETSLOT STABLE once \
             its keys are on one side.",
        ));
    }
}

fn disagreement(view: &ClusterView, found: &mut Vec<Finding>) {
    let owned: BTreeMap<NodeId, SlotSet> =
        view.owners().owners().map(|id| (*id, view.owners().slots_of(id))).collect();
    let nothing = SlotSet::new();
    let mut differing = Vec::new();
    let mut slots = SlotSet::new();
    for node in view.nodes() {
        let Some(answer) = node.answer() else { continue };
        let said: BTreeMap<NodeId, &SlotSet> = answer
            .nodes
            .entries
            .iter()
            .filter(|entry| !entry.flags.handshake)
            .map(|entry| (entry.id, &entry.slots))
            .collect();
        let mut differs = SlotSet::new();
        for id in owned.keys().chain(said.keys()) {
            let (truth, said) = (owned.get(id).unwrap_or(&nothing), *said.get(id).unwrap_or(&&nothing));
            if truth != said {
                differs |= &(truth - said);
                differs |= &(said - truth);
            }
        }
        if !differs.is_empty() {
            differing.push(name(node));
            slots |= &differs;
        }
    }
    if !differing.is_empty() {
        found.push(Finding::new(
            Warning,
            Kind::SlotDisagreement,
            format!(
                "{} {} another slot map than the owners themselves: slots {slots} differ.",
                list(differing.clone()),
                verb(differing.len(), "has", "have")
            ),
            "Gossip settles it within seconds. If it lasts, look at the bus ports between the nodes, or whether an owner \
             lost its slots (CLUSTER DELSLOTS, RESET): CLUSTER ADDSLOTSRANGE on that node gives them back.",
        ));
    }
}

/// One finding for each member that others hold for something else.
fn roles(view: &ClusterView, found: &mut Vec<Finding>) {
    for (to, member) in view.nodes().iter().enumerate() {
        let Some(myself) = member.myself() else { continue };
        let wrong: Vec<String> = view
            .nodes()
            .iter()
            .enumerate()
            .filter(|(from, _)| {
                view.knows(*from, to)
                    .is_some_and(|entry| (entry.role(), entry.primary) != (myself.role(), myself.primary))
            })
            .map(|(_, node)| name(node))
            .collect();
        if wrong.is_empty() {
            continue;
        }
        let is = match myself.primary {
            Some(primary) => format!("copies {}", view.name_of(primary)),
            None => "is a primary".to_owned(),
        };
        let has = verb(wrong.len(), "has", "have");
        found.push(Finding::new(
            Warning,
            Kind::RoleDisagreement,
            format!("{} {is}, but {} {has} not heard of it.", name(member), list(wrong)),
            "Gossip settles it within seconds; if it lasts, look at the bus ports between the nodes.",
        ));
    }
}

fn mesh(view: &ClusterView, found: &mut Vec<Finding>) {
    let indices = 0..view.nodes().len();
    for (from, node) in view.nodes().iter().enumerate().filter(|(_, node)| node.answer().is_some()) {
        let others = || indices.clone().filter(|to| *to != from);
        let label = |to: usize| view.nodes().get(to).map(name).unwrap_or_default();
        let unknown: Vec<String> = others()
            .filter(|to| view.nodes().get(*to).is_some_and(|node| node.answer().is_some()))
            .filter(|to| view.knows(from, *to).is_none_or(|entry| entry.link == LinkState::Disconnected))
            .map(label)
            .collect();
        if !unknown.is_empty() {
            found.push(Finding::new(
                Warning,
                Kind::IncompleteMesh,
                format!("{} has no link to {}.", name(node), list(unknown)),
                "`slotwright up` introduces them to each other; if it lasts, look at the bus port between them.",
            ));
        }
    }
}

/// One finding for each node others have trouble with: a node that is down is news once, not once from everybody.
fn held_for_failed(view: &ClusterView, found: &mut Vec<Finding>) {
    for (to, node) in view.nodes().iter().enumerate() {
        let holding = |is: fn(&Flags) -> bool| -> Vec<String> {
            let others = view.nodes().iter().enumerate().filter(|(from, _)| *from != to);
            others
                .filter(|(from, _)| view.knows(*from, to).is_some_and(|entry| is(&entry.flags)))
                .map(|(_, other)| name(other))
                .collect()
        };
        let failed = holding(|flags| flags.failed);
        let suspected = holding(|flags| flags.suspected && !flags.failed);
        let mut by = Vec::new();
        if !failed.is_empty() {
            by.push(format!("held for failed by {}", list(failed)));
        }
        if !suspected.is_empty() {
            by.push(format!("suspected by {}", list(suspected)));
        }
        if !by.is_empty() {
            let remedy = match node.answer() {
                Some(_) => "It answers us, so it is back, or the bus port between these nodes is closed.",
                None => "Start it again.",
            };
            found.push(Finding::new(
                Warning,
                Kind::HeldForFailed,
                format!("{} is {}.", name(node), by.join(" and ")),
                remedy,
            ));
        }
    }
}

fn replication(view: &ClusterView, found: &mut Vec<Finding>) {
    for (index, node) in view.nodes().iter().enumerate() {
        if node.role() != Some(Role::Replica) {
            continue;
        }
        match view.primary_of(index).map(|id| (id, view.node(id))) {
            Some((id, Some(primary))) => {
                let copies = format!("{} copies {}", name(node), view.name_of(id));
                if primary.answer().is_none() {
                    found.push(Finding::new(
                        Critical,
                        Kind::OrphanReplica,
                        format!("{copies}, which does not answer."),
                        "Start the primary again, or wait for the failover; without a majority of primaries there is none.",
                    ));
                } else if !node.answer().is_some_and(|answer| answer.server.replication.link_up) {
                    found.push(Finding::new(
                        Warning,
                        Kind::ReplicationDown,
                        format!("{copies}, but its link is down or its first copy is not complete."),
                        "It settles by itself; if it lasts, look at the replica's log, and whether its masterauth is the primary's \
                         password.",
                    ));
                }
            }
            other => {
                let whom = other
                    .map_or_else(|| "a node it does not name".to_owned(), |(id, _)| id.short().to_string());
                found.push(Finding::new(
                    Critical,
                    Kind::OrphanReplica,
                    format!("{} copies {whom}, which is not a member.", name(node)),
                    "Its data may be the only copy left. Bring the primary back, or promote the replica by name \
                     (CLUSTER FAILOVER TAKEOVER).",
                ));
            }
        }
    }
}

fn epochs(view: &ClusterView, found: &mut Vec<Finding>) {
    let mut by_epoch: BTreeMap<Epoch, Vec<String>> = BTreeMap::new();
    for node in view.nodes() {
        if let (Some(entry), Some(_)) = (node.myself(), node.claim()) {
            by_epoch.entry(entry.config_epoch).or_default().push(name(node));
        }
    }
    for (epoch, names) in by_epoch.into_iter().filter(|(_, names)| names.len() > 1) {
        found.push(Finding::new(
            Warning,
            Kind::EpochCollision,
            format!("{} own slots with the same config epoch, {epoch}.", list(names)),
            "Linked primaries settle it themselves; until then, a conflict over a slot has no winner.",
        ));
    }
}

fn serving(view: &ClusterView, found: &mut Vec<Finding>) {
    let failing: Vec<String> = view
        .nodes()
        .iter()
        .filter(|node| node.answer().is_some_and(|answer| answer.cluster.state == ClusterState::Fail))
        .map(name)
        .collect();
    if !failing.is_empty() {
        let says = verb(failing.len(), "says", "say");
        found.push(Finding::new(
            Critical,
            Kind::NotServing,
            format!(
                "{} {says} cluster_state:fail and {} queries.",
                list(failing.clone()),
                verb(failing.len(), "refuses", "refuse")
            ),
            "A node that has just started serves after some seconds; else slots have no owner, or a majority of the \
             primaries cannot be reached.",
        ));
    }
}

fn shared_fate(view: &ClusterView, found: &mut Vec<Finding>) {
    type Place = fn(&NodeView) -> &str;
    let distinct = |key: Place| -> BTreeSet<&str> { view.nodes().iter().map(key).collect() };
    let checks: [(&str, Place); 2] =
        [("on host", |node| &node.member.site.host), ("in zone", |node| &node.member.site.zone)];
    for (what, key) in checks {
        if distinct(key).len() < 2 {
            continue;
        }
        for owner in view.owners().owners() {
            let copies: Vec<&NodeView> = view
                .nodes()
                .iter()
                .enumerate()
                .filter(|(index, _)| {
                    view.id_of(*index) == Some(*owner) || view.primary_of(*index) == Some(*owner)
                })
                .map(|(_, node)| node)
                .collect();
            let places: BTreeSet<&str> = copies.iter().map(|node| key(node)).collect();
            if let (true, Some(place)) = (copies.len() > 1 && places.len() == 1, places.first()) {
                found.push(Finding::new(
                    Warning,
                    Kind::SharedFate,
                    format!(
                        "All copies of one shard are {what} {place}: {}.",
                        list(copies.into_iter().map(name))
                    ),
                    "What takes that place down takes the shard down: move a replica elsewhere.",
                ));
            }
        }
    }
}
