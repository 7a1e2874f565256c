//! The steps that make a layout true, in the order that is safe at every interruption: what a node needs before it
//! meets others, introductions, replicas, agreement, settings.

use std::collections::BTreeMap;

use slotwright_cluster::{Epoch, settings};

use super::{SHORTENED_WHILE_FORMING, Shortened, layout::Layout};
use crate::{Action, ClusterView, Desired, NodeRef, NodeView, Plan, StepId, placement::Seat};

/// A plan in the making.
pub(super) struct Steps<'a> {
    view: &'a ClusterView,
    desired: &'a Desired,
    refs: Vec<NodeRef>,
    /// There is no key anywhere, and the cluster does not serve yet.
    forming: bool,
    plan: Plan,
}

impl<'a> Steps<'a> {
    pub(super) fn new(view: &'a ClusterView, desired: &'a Desired) -> Self {
        let forming = view.total_keys() == 0 && !(view.uncovered().is_empty() && view.all_ok());
        Self { view, desired, refs: node_refs(view), forming, plan: Plan::default() }
    }

    /// Every member with a known id.
    pub(super) fn refs(&self) -> &[NodeRef] {
        &self.refs
    }

    pub(super) fn into_plan(self) -> Plan {
        self.plan
    }

    /// What every node needs before it meets the others.
    pub(super) fn prepare(&mut self, layout: &Layout, seats: &[Seat]) -> Vec<StepId> {
        let mut steps = if self.forming { self.shorten_waits() } else { Vec::new() };
        let epochs = self.set_epochs();
        steps.extend(self.assign_slots(layout, seats, &epochs));
        steps.extend(epochs.into_values());
        steps.sort_unstable();
        steps
    }

    fn shorten_waits(&mut self) -> Vec<StepId> {
        let mut steps = Vec::new();
        for Shortened { setting, value, reason } in SHORTENED_WHILE_FORMING {
            for node in self.refs.iter().filter(|_| self.desired.settings.contains_key(setting)) {
                let Some(running) = running_setting(self.view, node.index, setting) else { continue };
                if running.parse::<u64>().is_ok_and(|running| running > value) {
                    let (from, to) = (running.to_owned(), value.to_string());
                    let action =
                        Action::SetSetting { node: node.clone(), setting: setting.to_owned(), from, to };
                    steps.push(self.plan.add(action, reason, "no node holds keys", 1, &[]));
                }
            }
        }
        steps
    }

    fn set_epochs(&mut self) -> BTreeMap<usize, StepId> {
        let nodes = self.view.nodes();
        let known = nodes.iter().filter_map(NodeView::answer).flat_map(|answer| {
            let entries = answer.nodes.entries.iter().map(|entry| entry.config_epoch);
            entries.chain([answer.cluster.current_epoch])
        });
        let mut next = known.max().unwrap_or(Epoch::ZERO).0;
        let mut steps = BTreeMap::new();
        for node in &self.refs {
            let Some(view) = nodes.get(node.index) else { continue };
            let alone = view.answer().is_some_and(|answer| answer.nodes.entries.len() == 1);
            let unset = view.myself().is_some_and(|entry| entry.config_epoch == Epoch::ZERO);
            // A server that claims the last epoch there is leaves none to give; the nodes then settle it themselves.
            let Some(epoch) = next.checked_add(1).filter(|_| alone && unset) else { continue };
            next = epoch;
            let action = Action::SetEpoch { node: node.clone(), epoch: Epoch(epoch) };
            let reason = "two primaries with one epoch would have to settle it among themselves first";
            steps.insert(node.index, self.plan.add(action, reason, "it knows no other node", 1, &[]));
        }
        steps
    }

    fn assign_slots(
        &mut self,
        layout: &Layout,
        seats: &[Seat],
        epochs: &BTreeMap<usize, StepId>,
    ) -> Vec<StepId> {
        let mut steps = Vec::new();
        for (number, shard) in layout.shards().filter(|(_, shard)| !shard.additions.is_empty()) {
            let Some(node) = primary_of(&self.refs, seats, number) else { continue };
            let after: Vec<StepId> = epochs.get(&node.index).copied().into_iter().collect();
            let action = Action::AssignSlots { node: node.clone(), slots: shard.additions.clone() };
            let reason = "nobody owns them, every node answered, and none holds keys in them";
            steps.push(self.plan.add(action, reason, "the slots have no owner and no keys", 1, &after));
        }
        steps
    }

    pub(super) fn introduce(
        &mut self,
        introductions: Vec<(NodeRef, Vec<NodeRef>)>,
        after: &[StepId],
    ) -> Vec<StepId> {
        let mut steps = Vec::new();
        for (node, peers) in introductions {
            let messages = peers.len();
            let reason = "they do not know each other, or not where they are; every pair is introduced, as gossip alone \
                          takes seconds";
            let precondition = "each of them is a member of this deployment";
            steps.push(self.plan.add(Action::Meet { node, peers }, reason, precondition, messages, after));
        }
        steps
    }

    pub(super) fn attach_replicas(
        &mut self,
        layout: &Layout,
        seats: &[Seat],
        after: &[StepId],
    ) -> Vec<StepId> {
        let mut steps = Vec::new();
        for node in &self.refs {
            let Some(Seat::Replica(shard)) = seats.get(node.index).copied() else { continue };
            let Some(proof) = self.view.nodes().get(node.index).and_then(NodeView::prove_empty) else {
                continue;
            };
            let standing = layout.standing_primary(shard);
            let primary = match standing {
                Some(id) => self.refs.iter().find(|node| node.id == id),
                None => primary_of(&self.refs, seats, shard),
            };
            let Some(primary) = primary else { continue };
            let action = Action::Replicate { node: node.clone(), proof, primary: primary.clone() };
            let reason = "the shard lacks a replica, and this node is empty";
            let precondition = "the node owns no slots and holds no keys";
            steps.push(self.plan.add(action, reason, precondition, 1, after));
        }
        steps
    }

    /// Replicas that look for their primary where it no longer is. A server that learns of the new address by gossip about
    /// a failed node does not tell its own replication (`clusterProcessGossipSection`), and tries the old one for good.
    pub(super) fn lead_replicas(&mut self, after: &[StepId]) -> Vec<StepId> {
        let mut steps = Vec::new();
        for node in &self.refs {
            let Some(primary) = self.view.misled(node.index) else { continue };
            let Some(primary) = self.refs.iter().find(|known| known.index == primary) else { continue };
            let action = Action::Refollow { node: node.clone(), primary: primary.clone() };
            let reason = "it knows where its primary is, and still tries to copy from where it was";
            let precondition = "the node copies this primary already";
            steps.push(self.plan.add(action, reason, precondition, 1, after));
        }
        steps
    }

    pub(super) fn await_agreement(&mut self, after: &[StepId]) -> StepId {
        let reason = "the cluster is usable when every node says so";
        self.plan.add(Action::AwaitAgreement, reason, "", 0, after)
    }

    /// Settings that differ from what is wanted. Those that are shortened while forming wait for the agreement.
    pub(super) fn set_settings(&mut self, agreed: &[StepId]) {
        let shortened: BTreeMap<(usize, String), String> = self
            .plan
            .steps()
            .iter()
            .filter_map(|step| match &step.action {
                Action::SetSetting { node, setting, to, .. } => {
                    Some(((node.index, setting.clone()), to.clone()))
                }
                _ => None,
            })
            .collect();
        for (setting, wanted) in &self.desired.settings {
            let waits =
                self.forming && SHORTENED_WHILE_FORMING.iter().any(|shortened| shortened.setting == setting);
            let (reason, after): (_, &[StepId]) = match waits {
                true => ("it was shortened only while the cluster was formed", agreed),
                false => ("this is the value that is wanted", &[]),
            };
            for node in &self.refs {
                let now = shortened.get(&(node.index, setting.clone())).map(String::as_str);
                let now = now.or_else(|| running_setting(self.view, node.index, setting)).unwrap_or("");
                if !settings::same_value(setting, wanted, now) {
                    let (from, to) = (now.to_owned(), wanted.clone());
                    let action =
                        Action::SetSetting { node: node.clone(), setting: setting.clone(), from, to };
                    self.plan.add(action, reason, "", 1, after);
                }
            }
        }
    }
}

fn node_refs(view: &ClusterView) -> Vec<NodeRef> {
    let node_ref = |(index, node): (usize, &NodeView)| {
        let id = view.id_of(index)?;
        let member = &node.member;
        Some(NodeRef { name: member.name.clone(), index, endpoint: member.endpoint.clone(), id })
    };
    view.nodes().iter().enumerate().filter_map(node_ref).collect()
}

/// The node that has, or gets, the primary's seat of `shard`.
fn primary_of<'a>(refs: &'a [NodeRef], seats: &[Seat], shard: usize) -> Option<&'a NodeRef> {
    refs.iter().find(|node| seats.get(node.index) == Some(&Seat::Primary(shard)))
}

fn running_setting<'a>(view: &'a ClusterView, index: usize, setting: &str) -> Option<&'a str> {
    view.nodes().get(index)?.answer()?.settings.get(setting).map(String::as_str)
}

/// Whom each node has to be introduced to: one direction is enough for a pair.
pub(super) fn introductions(view: &ClusterView, refs: &[NodeRef]) -> Vec<(NodeRef, Vec<NodeRef>)> {
    let mut all = Vec::new();
    for (position, node) in refs.iter().enumerate() {
        let strangers: Vec<NodeRef> = refs
            .iter()
            .skip(position + 1)
            .filter(|peer| {
                view.knows(node.index, peer.index).is_none() || view.knows(peer.index, node.index).is_none()
            })
            .cloned()
            .collect();
        if !strangers.is_empty() {
            all.push((node.clone(), strangers));
        }
    }
    all
}
