//! Many nodes' answers merged into one view: who owns which slot, who copies whom, who knows whom.
//!
//! This module states facts; what is wrong with them is the business of `diagnosis`.

use std::collections::BTreeMap;

use slotwright_cluster::{
    ClusterState, Endpoint, Epoch, Host, LinkState, NodeAnswer, NodeEntry, NodeId, Role,
};
use slotwright_slots::{SlotMap, SlotSet};

use crate::{Member, Observation};

/// One member with what it answered.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// The member.
    pub member: Member,
    /// Its answer, or why there is none.
    pub observation: Observation,
}

impl NodeView {
    /// The answer, when there is one.
    pub fn answer(&self) -> Option<&NodeAnswer> {
        self.observation.as_ref().ok()
    }

    /// What the node says of itself.
    pub fn myself(&self) -> Option<&NodeEntry> {
        self.answer()?.nodes.myself().ok()
    }

    /// What the node says of the member `id`; provisional (handshake) entries do not count.
    pub fn says_of(&self, id: NodeId) -> Option<&NodeEntry> {
        self.answer()?.nodes.get(id).filter(|entry| !entry.flags.handshake)
    }

    /// The slots the node itself claims; empty for replicas and silent nodes.
    pub fn claim(&self) -> Option<&SlotSet> {
        self.myself().map(|entry| &entry.slots).filter(|slots| !slots.is_empty())
    }

    /// The role the node gives itself.
    pub fn role(&self) -> Option<Role> {
        self.myself()?.role()
    }

    /// Proof that nothing is lost when this node takes a place in a shard: it answered, owns no slot, holds no key
    /// and copies nobody.
    pub fn prove_empty(&self) -> Option<EmptyNode> {
        let answer = self.answer()?;
        let myself = self.myself()?;
        let empty = myself.role() == Some(Role::Primary)
            && myself.slots.is_empty()
            && myself.open_slots.is_empty()
            && answer.server.keys == 0;
        empty.then_some(EmptyNode(answer.id))
    }
}

/// Proof, made only by [`NodeView::prove_empty`], that a node owned no slot and held no key when it was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct EmptyNode(NodeId);

impl EmptyNode {
    /// The node that was empty.
    pub fn id(&self) -> NodeId {
        self.0
    }
}

/// Every member's answer, and the slot map they add up to.
#[derive(Debug, Clone)]
pub struct ClusterView {
    nodes: Vec<NodeView>,
    by_id: BTreeMap<NodeId, usize>,
    owners: SlotMap<NodeId>,
    contested: SlotSet,
    hearsay: SlotSet,
    /// For each member the node it copies.
    copied: Vec<Option<NodeId>>,
}

impl ClusterView {
    /// Merges one observation for each member, in the order of the members. A missing observation counts as silence.
    ///
    /// A slot's owner is the node that claims it itself; of two such nodes the one with the higher config epoch (the
    /// rule of the Redis Cluster specification). Only when no node claims it itself, the claim that others report for a
    /// node that was not heard (a silent member, a stranger) counts.
    pub fn new(members: Vec<Member>, observations: Vec<Observation>) -> Self {
        let mut observations = observations.into_iter();
        let mut silence = || observations.next().unwrap_or_else(|| Err("it was not asked".to_owned()));
        let nodes: Vec<NodeView> =
            members.into_iter().map(|member| NodeView { member, observation: silence() }).collect();
        let mut by_id = BTreeMap::new();
        for (index, node) in nodes.iter().enumerate() {
            if let Some(answer) = node.answer() {
                by_id.entry(answer.id).or_insert(index);
            }
        }
        for (index, node) in nodes.iter().enumerate().filter(|(_, node)| node.answer().is_none()) {
            if let Some(id) = id_by_address(&node.member.endpoint, &nodes, &by_id) {
                by_id.insert(id, index);
            }
        }
        let (owners, contested, hearsay) = (SlotMap::new(), SlotSet::new(), SlotSet::new());
        let mut view = Self { nodes, by_id, owners, contested, hearsay, copied: Vec::new() };
        let copied = |index| view.word_on(index).and_then(|entry| entry.primary);
        view.copied = (0..view.nodes.len()).map(copied).collect();
        view.resolve_owners();
        view
    }

    fn resolve_owners(&mut self) {
        let mut own: Vec<(Epoch, NodeId, &SlotSet)> = Vec::new();
        let mut reported: BTreeMap<NodeId, (Epoch, &SlotSet)> = BTreeMap::new();
        let mut said = SlotSet::new();
        for node in &self.nodes {
            let Some(answer) = node.answer() else { continue };
            if let (Some(myself), Some(claim)) = (node.myself(), node.claim()) {
                own.push((myself.config_epoch, answer.id, claim));
            }
            let others =
                answer.nodes.entries.iter().filter(|entry| !entry.flags.myself && !entry.flags.handshake);
            for entry in others.filter(|entry| !entry.slots.is_empty()) {
                said |= &entry.slots;
                if self.node(entry.id).is_none_or(|node| node.answer().is_none()) {
                    let claim = (entry.config_epoch, &entry.slots);
                    let best = reported.entry(entry.id).or_insert(claim);
                    *best = claim.max(*best);
                }
            }
        }
        // Ascending (epoch, id): the last writer of a slot is its owner.
        own.sort_by_key(|(epoch, id, _)| (*epoch, *id));
        let mut reported: Vec<_> =
            reported.into_iter().map(|(id, (epoch, slots))| (epoch, id, slots)).collect();
        reported.sort_by_key(|(epoch, id, _)| (*epoch, *id));

        let mut owners = SlotMap::new();
        for (_, id, slots) in reported {
            owners.assign(slots, id);
        }
        let mut claimed = SlotSet::new();
        let mut contested = SlotSet::new();
        for (_, id, slots) in own {
            contested |= &(&claimed & slots);
            claimed |= slots;
            owners.assign(slots, id);
        }
        self.hearsay = &said & &owners.uncovered();
        (self.owners, self.contested) = (owners, contested);
    }

    /// The members, in the order they were given.
    pub fn nodes(&self) -> &[NodeView] {
        &self.nodes
    }

    /// The place of `id` among the members.
    pub fn index_of(&self, id: NodeId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// The member with this id.
    pub fn node(&self, id: NodeId) -> Option<&NodeView> {
        self.nodes.get(self.index_of(id)?)
    }

    /// The id of the member at `index`: its own word, or that of the others when it is silent.
    pub fn id_of(&self, index: usize) -> Option<NodeId> {
        self.nodes
            .get(index)
            .and_then(NodeView::answer)
            .map(|answer| answer.id)
            .or_else(|| self.by_id.iter().find(|(_, found)| **found == index).map(|(id, _)| *id))
    }

    /// A readable name for `id`: the member's name, or the first digits of the id.
    pub fn name_of(&self, id: NodeId) -> String {
        self.node(id).map_or_else(|| id.short().to_string(), |node| node.member.name.clone())
    }

    /// Slot → owner.
    pub fn owners(&self) -> &SlotMap<NodeId> {
        &self.owners
    }

    /// The slots no node is known to own.
    pub fn uncovered(&self) -> SlotSet {
        self.owners.uncovered()
    }

    /// Slots that more than one node claims for itself.
    pub fn contested(&self) -> &SlotSet {
        &self.contested
    }

    /// Slots that nobody claims, although some node still ascribes them to a node that answered: a failover was under
    /// way while the nodes were asked, or an owner gave them up without a successor (`CLUSTER DELSLOTS`, `CLUSTER RESET
    /// SOFT`). A server refuses to add slots that it takes for someone else's.
    pub fn hearsay(&self) -> &SlotSet {
        &self.hearsay
    }

    /// True when every member answered.
    pub fn is_complete(&self) -> bool {
        self.nodes.iter().all(|node| node.answer().is_some())
    }

    /// Keys held by all nodes that answered, replicas included.
    pub fn total_keys(&self) -> u64 {
        let keys = self.nodes.iter().filter_map(NodeView::answer).map(|answer| answer.server.keys);
        keys.fold(0, u64::saturating_add)
    }

    /// True when every node that answered says `cluster_state:ok`.
    pub fn all_ok(&self) -> bool {
        self.nodes.iter().filter_map(NodeView::answer).all(|answer| answer.cluster.state == ClusterState::Ok)
    }

    /// The latest word on the member at `index`: its own line, or what the others hold of it when it is silent.
    pub fn word_on(&self, index: usize) -> Option<&NodeEntry> {
        let node = self.nodes.get(index)?;
        if node.answer().is_some() {
            return node.myself();
        }
        let id = self.id_of(index)?;
        let words = self.nodes.iter().filter_map(|other| other.says_of(id));
        words.max_by_key(|entry| (entry.config_epoch, entry.primary))
    }

    /// The primary at the top of `index`'s replication chain, when the node is a replica and that primary is named by
    /// the latest word on each node of the chain.
    pub fn primary_of(&self, index: usize) -> Option<NodeId> {
        let above = |index: usize| self.copied.get(index).copied().flatten();
        let mut at = above(index)?;
        // A replica of a replica is legal for a moment; a circle is not, and must not hold us up.
        for _ in 0..self.nodes.len() {
            match self.index_of(at).and_then(above) {
                Some(next) => at = next,
                None => return Some(at),
            }
        }
        None
    }

    /// True when `from` knows the member `to` where it is dialled and has a link to it.
    pub fn is_linked(&self, from: usize, to: usize) -> bool {
        self.knows(from, to).is_some_and(|entry| entry.link == LinkState::Connected)
    }

    /// What `from` holds of the member `to`, when it has finished the handshake and can reach it there.
    ///
    /// The host we dial may be a name or a tunnel, so another host alone is no error, unless it also brings no link, or `to`
    /// says itself that it is where we dial it: the member has moved, and `from` looks for it in the old place. (A link that
    /// is only being tried counts as one in what servers print.) The port is the node's own.
    pub fn knows(&self, from: usize, to: usize) -> Option<&NodeEntry> {
        let id = self.id_of(to)?;
        let to = self.nodes.get(to)?;
        let endpoint = &to.member.endpoint;
        let own = to.myself().map(|myself| &myself.endpoint.host);
        self.nodes.get(from)?.says_of(id).filter(|entry| {
            let same_host = entry.endpoint.host == endpoint.host;
            let left = entry.link == LinkState::Disconnected || own == Some(&endpoint.host);
            let moved = !same_host && to.answer().is_some() && left;
            !entry.flags.noaddr && !moved && (!same_host || entry.endpoint.port == endpoint.port)
        })
    }

    /// The primary of the replica at `index`, when the replica knows where it is and yet looks for it elsewhere, without a
    /// link. Whether that is so can be told only of a primary that says itself that it is where we dial it.
    pub fn misled(&self, index: usize) -> Option<usize> {
        let replication = &self.nodes.get(index)?.answer()?.server.replication;
        let primary = self.index_of(self.nodes.get(index)?.myself()?.primary?)?;
        let known = &self.knows(index, primary)?.endpoint.host;
        let own = &self.nodes.get(primary)?.myself()?.endpoint.host;
        let dialled = &self.nodes.get(primary)?.member.endpoint.host;
        let looks = replication.primary_host.as_ref()?;
        let elsewhere = matches!((looks, known), (Host::Ip(looks), Host::Ip(known)) if looks != known);
        (elsewhere && !replication.link_up && known == own && own == dialled).then_some(primary)
    }
}

/// The id under which the nodes that answered know the silent member at `endpoint`. An address may have had several
/// owners: one that is not held for failed comes first, then the one heard of last.
fn id_by_address(endpoint: &Endpoint, nodes: &[NodeView], taken: &BTreeMap<NodeId, usize>) -> Option<NodeId> {
    let is_there = |entry: &NodeEntry| {
        let announced = entry.endpoint.hostname.as_deref();
        let named = match &endpoint.host {
            Host::Name(name) => announced == Some(&**name),
            _ => announced.is_some() && announced == endpoint.hostname.as_deref(),
        };
        entry.endpoint.same_address(endpoint) || (named && entry.endpoint.port == endpoint.port)
    };
    nodes
        .iter()
        .filter_map(NodeView::answer)
        .flat_map(|answer| &answer.nodes.entries)
        .filter(|entry| !entry.flags.handshake && !entry.flags.noaddr && !taken.contains_key(&entry.id))
        .filter(|entry| is_there(entry))
        .max_by_key(|entry| (!entry.flags.failed, entry.pong_received_ms, entry.id))
        .map(|entry| entry.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dialled, Model, id};
    use crate::placement::Site;

    fn index_of_a_replica(model: &Model) -> usize {
        model.servers.iter().position(|server| server.primary.is_some()).unwrap()
    }

    #[test]
    fn of_two_claims_the_higher_epoch_owns_the_slot_whatever_the_order_of_members() {
        let mut model = Model::formed(2, 0);
        let slot = "3".parse().unwrap();
        model.servers.iter_mut().for_each(|server| _ = server.slots.insert(slot));
        let winner = model.servers.iter().max_by_key(|server| server.epoch).unwrap().id;
        for _ in 0..2 {
            let view = model.view();
            assert_eq!(view.owners().get(slot), Some(&winner));
            assert_eq!(*view.contested(), SlotSet::from(slot));
            model.servers.reverse();
        }
    }

    #[test]
    fn a_silent_member_keeps_its_id_its_slots_and_its_primary() {
        for dialled in [Dialled::V4, Dialled::V6, Dialled::Name] {
            let sites: Vec<Site> = (0..4).map(|host| Site::new(format!("h{host}"), "")).collect();
            let mut model = Model::new(&sites, dialled);
            let plan = crate::plan(&model.view(), &crate::model::desired(2, 1)).unwrap();
            model.apply_all(&plan);
            let replica = index_of_a_replica(&model);
            let primary = model.index_of(model.servers[replica].primary.unwrap());
            model.servers[replica].up = false;
            model.servers[primary].up = false;
            let view = model.view();
            assert_eq!(view.id_of(replica), Some(model.servers[replica].id), "{dialled:?}");
            assert_eq!(view.primary_of(replica), Some(model.servers[primary].id), "{dialled:?}");
            assert_eq!(view.owners().slots_of(&model.servers[primary].id), model.servers[primary].slots);
            assert!(view.uncovered().is_empty() && !view.is_complete());
        }
    }

    #[test]
    fn of_two_ids_at_one_address_the_living_one_is_the_member() {
        let mut model = Model::formed(1, 1);
        let replica = index_of_a_replica(&model);
        let (new, old) = (model.servers[replica].id, id(50));
        let primary = 1 - replica;
        let known = model.servers[primary].known[&new].clone();
        model.servers[primary].known.insert(old, known);
        let mut observations = model.observations(0);
        observations[replica] = Err("gone".to_owned());
        for (living, dead) in [(new, old), (old, new)] {
            let answer = observations[primary].as_mut().unwrap();
            for entry in &mut answer.nodes.entries {
                entry.flags.failed = entry.id == dead;
            }
            for turn in 0..3 {
                observations[primary].as_mut().unwrap().nodes.entries.rotate_left(turn);
                let view = model.view_with(observations.clone());
                assert_eq!(view.id_of(replica), Some(living));
            }
        }
    }

    #[test]
    fn a_chain_of_replicas_ends_at_its_primary_and_a_circle_nowhere() {
        let mut model = Model::formed(1, 2);
        let primary = model.servers.iter().position(|server| server.primary.is_none()).unwrap();
        let replicas: Vec<usize> = (0..3).filter(|index| *index != primary).collect();
        let [first, second] = replicas[..] else { panic!() };
        let ids: Vec<NodeId> = model.servers.iter().map(|server| server.id).collect();
        model.servers[second].primary = Some(ids[first]);
        assert_eq!(model.view().primary_of(second), Some(ids[primary]));
        model.servers[first].primary = Some(ids[second]);
        assert_eq!(model.view().primary_of(second), None);
        model.servers[first].primary = Some(id(70));
        assert_eq!(model.view().primary_of(second), Some(id(70)), "not a member, but named");
        assert_eq!(model.view().primary_of(primary), None);
        assert_eq!(model.view().primary_of(9), None);
    }

    #[test]
    fn only_a_node_with_nothing_to_lose_is_proven_empty() {
        let mut model = Model::formed(1, 1);
        model.wipe(0);
        let proves =
            |model: &Model, index: usize| model.view().nodes()[index].prove_empty().map(|proof| proof.id());
        assert_eq!(proves(&model, 0), Some(model.servers[0].id));
        assert_eq!(proves(&model, 1), None, "it has slots or copies somebody");
        model.servers[0].keys.insert("1".parse().unwrap());
        assert_eq!(proves(&model, 0), None, "it has a key");
        model.servers[0].keys.clear();
        model.servers[0].up = false;
        assert_eq!(proves(&model, 0), None, "nobody knows");
    }

    #[test]
    fn another_host_without_a_link_or_another_port_is_no_acquaintance() {
        let model = Model::formed(2, 0);
        let view = |change: fn(&mut NodeEntry)| {
            let mut observations = model.observations(0);
            let answer = observations[0].as_mut().unwrap();
            answer.nodes.entries.iter_mut().filter(|entry| !entry.flags.myself).for_each(change);
            model.view_with(observations)
        };
        assert!(view(|_| ()).is_linked(0, 1));
        let elsewhere = |host: &'static str| {
            let mut observations = model.observations(0);
            for entry in
                observations.iter_mut().flat_map(|answer| &mut answer.as_mut().unwrap().nodes.entries)
            {
                if entry.id == model.servers[1].id {
                    entry.endpoint.host = Host::parse(host);
                }
            }
            model.view_with(observations)
        };
        assert!(elsewhere("db").is_linked(0, 1), "dialled through a tunnel");
        assert!(
            view(|entry| entry.link = LinkState::Disconnected).knows(0, 1).is_some(),
            "the link comes back"
        );
        let strange: [fn(&mut NodeEntry); 5] = [
            // The link is one that is being tried: the node itself says that it is where we dial it.
            |entry| entry.endpoint.host = Host::parse("10.9.9.9"),
            |entry| entry.endpoint.port = 1,
            |entry| (entry.endpoint.host, entry.link) = (Host::parse("10.9.9.9"), LinkState::Disconnected),
            |entry| entry.flags.noaddr = true,
            |entry| entry.flags.handshake = true,
        ];
        for change in strange {
            assert!(view(change).knows(0, 1).is_none());
        }
    }

    #[test]
    fn a_replica_that_looks_for_its_primary_where_it_was_is_misled() {
        let model = Model::formed(1, 1);
        let replica = index_of_a_replica(&model);
        let view = |host: &str, link_up| {
            let mut observations = model.observations(0);
            let replication = &mut observations[replica].as_mut().unwrap().server.replication;
            (replication.primary_host, replication.link_up) = (Some(Host::parse(host)), link_up);
            model.view_with(observations)
        };
        assert_eq!(view("10.9.9.9", false).misled(replica), Some(1 - replica));
        let plan = crate::plan(&view("10.9.9.9", false), &crate::model::desired(1, 1)).unwrap();
        assert!(plan.steps().iter().any(|step| matches!(step.action, crate::Action::Refollow { .. })));
        assert_eq!(view("10.9.9.9", true).misled(replica), None, "it has its link, wherever that leads");
        assert_eq!(view("db", false).misled(replica), None, "a name may be any address");
        assert_eq!(view("10.9.9.9", false).misled(1 - replica), None, "a primary looks for nobody");
    }

    #[test]
    fn members_that_were_not_asked_count_as_silent() {
        let model = Model::formed(1, 1);
        let view = model.view_with(Vec::new());
        assert!(!view.is_complete() && view.uncovered().is_full());
        assert_eq!(view.nodes()[0].observation, Err("it was not asked".to_owned()));
    }
}
