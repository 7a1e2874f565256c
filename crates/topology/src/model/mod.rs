//! A cluster for tests: the state of its servers, and the rules by which they take commands.
//!
//! It stands in for what servers *hold*, so that plans can be carried out a million times; what servers *decide* is
//! tested on real ones. A command that a server would refuse ends the test, and so does one that could lose data.

mod answers;

use std::collections::{BTreeMap, BTreeSet};

use slotwright_cluster::{Endpoint, Epoch, Host, NodeId, OpenSlot};
use slotwright_slots::SlotSet;

use crate::{Action, Desired, Member, NODE_TIMEOUT, NodeRef, Plan, Step, placement::Site};

/// The settings of a fresh server, and what tests want.
pub(crate) const SETTINGS: [(&str, &str); 2] = [(NODE_TIMEOUT, "5000"), ("repl-diskless-sync-delay", "5")];

/// How members are named and dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialled {
    V4,
    V6,
    /// By a name that the node also announces.
    Name,
}

/// What one server holds of another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    pub(crate) endpoint: Endpoint,
    pub(crate) epoch: Epoch,
    pub(crate) slots: SlotSet,
    pub(crate) primary: Option<NodeId>,
}

#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) id: NodeId,
    pub(crate) member: Member,
    /// Where it says it is.
    pub(crate) address: Endpoint,
    pub(crate) up: bool,
    pub(crate) known: BTreeMap<NodeId, Known>,
    pub(crate) slots: SlotSet,
    pub(crate) open: Vec<OpenSlot>,
    pub(crate) epoch: Epoch,
    pub(crate) current_epoch: Epoch,
    pub(crate) primary: Option<NodeId>,
    /// Slots in which it holds a key, one each.
    pub(crate) keys: SlotSet,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) ok: bool,
    pub(crate) link_up: bool,
    pub(crate) loading: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) servers: Vec<Server>,
    /// Ids given out so far.
    ids: u64,
}

/// An id that looks like a real one: their order says nothing about the order of the members.
pub(crate) fn id(number: u64) -> NodeId {
    let mut bytes = [0; 20];
    let mut state = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for byte in &mut bytes {
        state ^= state >> 31;
        state = state.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        *byte = (state >> 56) as u8;
    }
    NodeId::from_bytes(bytes)
}

pub(crate) fn desired(shards: usize, replicas: usize) -> Desired {
    let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Desired { shards, replicas, settings: settings.into() }
}

/// What a server says of itself: the header of a bus message.
struct Header(NodeId, Known);

impl Server {
    fn header(&self) -> Header {
        let known = Known {
            endpoint: self.address.clone(),
            epoch: self.epoch,
            slots: self.slots.clone(),
            primary: self.primary,
        };
        Header(self.id, known)
    }

    /// Takes in what a peer says of itself; of two claims the one with the higher epoch stands.
    fn hear(&mut self, Header(id, mut said): Header) {
        self.current_epoch = self.current_epoch.max(said.epoch);
        let lost = &self.slots & &said.slots;
        if !lost.is_empty() && said.epoch > self.epoch {
            self.slots = &self.slots - &lost;
            self.keys = &self.keys - &lost;
            if self.slots.is_empty() {
                self.primary = Some(id);
                self.link_up = false;
            }
        }
        said.slots = &said.slots - &self.slots;
        for (_, known) in self.known.iter_mut().filter(|(other, _)| **other != id) {
            let (loser, winner) = if known.epoch < said.epoch {
                (known, &said.slots.clone())
            } else {
                (&mut said, &known.slots.clone())
            };
            loser.slots = &loser.slots - winner;
        }
        self.known.insert(id, said);
    }

    /// The slots that it takes for somebody's.
    fn taken(&self) -> SlotSet {
        self.known.values().fold(self.slots.clone(), |all, known| &all | &known.slots)
    }
}

impl Model {
    /// Empty servers, one on each site. Sites with one host share its address.
    pub(crate) fn new(sites: &[Site], dialled: Dialled) -> Self {
        let mut model = Self { servers: Vec::new(), ids: 0 };
        let hosts: BTreeSet<&Site> = sites.iter().collect();
        for (index, site) in sites.iter().enumerate() {
            let host = hosts.iter().position(|other| *other == site).unwrap() + 1;
            let port = 7000 + index as u16;
            let ip = match dialled {
                Dialled::V6 => format!("fd00::{host}"),
                _ => format!("10.0.0.{host}"),
            };
            let mut address = Endpoint::new(Host::parse(&ip), port);
            let mut endpoint = address.clone();
            if dialled == Dialled::Name {
                let name = format!("node-{index}.example");
                address.hostname = Some(name.as_str().into());
                endpoint.host = Host::parse(&name);
            }
            let member = Member { name: format!("node-{index}"), endpoint, site: site.clone() };
            model.servers.push(Server {
                id: id(0),
                member,
                address,
                up: true,
                known: BTreeMap::new(),
                slots: SlotSet::new(),
                open: Vec::new(),
                epoch: Epoch::ZERO,
                current_epoch: Epoch::ZERO,
                primary: None,
                keys: SlotSet::new(),
                settings: desired(1, 0).settings,
                ok: false,
                link_up: false,
                loading: false,
            });
            model.wipe(index);
        }
        model
    }

    /// `count` servers, each on a host of its own in one zone.
    pub(crate) fn on_hosts_of_their_own(count: usize) -> Self {
        let sites: Vec<Site> = (0..count).map(|host| Site::new(format!("host-{host}"), "")).collect();
        Self::new(&sites, Dialled::V4)
    }

    /// A served cluster without spares.
    pub(crate) fn formed(shards: usize, replicas: usize) -> Self {
        let mut model = Self::on_hosts_of_their_own(shards * (1 + replicas));
        let plan = crate::plan(&model.view(), &desired(shards, replicas)).unwrap();
        model.apply_all(&plan);
        model
    }

    /// The server comes back without its data and its nodes.conf: as another node.
    pub(crate) fn wipe(&mut self, index: usize) {
        self.ids += 1;
        let server = &mut self.servers[index];
        server.id = id(self.ids);
        server.known.clear();
        server.slots.clear();
        server.open.clear();
        server.keys.clear();
        (server.epoch, server.current_epoch) = (Epoch::ZERO, Epoch::ZERO);
        server.primary = None;
        (server.ok, server.link_up) = (false, false);
    }

    /// `CLUSTER FORGET` on every node.
    pub(crate) fn forget(&mut self, id: NodeId) {
        for server in &mut self.servers {
            server.known.remove(&id);
        }
    }

    /// A replica takes over from its primary, which went down.
    pub(crate) fn fail_over(&mut self, replica: usize) {
        let primary = self.index_of(self.servers[replica].primary.unwrap());
        let epoch = self.servers.iter().map(|server| server.current_epoch).max().unwrap().0 + 1;
        let slots = self.servers[primary].slots.clone();
        self.servers[primary].up = false;
        let server = &mut self.servers[replica];
        server.primary = None;
        server.slots = slots;
        (server.epoch, server.current_epoch) = (Epoch(epoch), Epoch(epoch));
        self.settle(false);
    }

    /// A key in every slot, on primaries and replicas.
    pub(crate) fn fill(&mut self) {
        for server in &mut self.servers {
            server.keys = server.slots.clone();
        }
        self.settle(false);
    }

    pub(crate) fn index_of(&self, id: NodeId) -> usize {
        self.servers.iter().position(|server| server.id == id).unwrap()
    }

    /// True when `server` has a link to the node it knows as `id`.
    fn linked(&self, server: &Server, id: NodeId) -> bool {
        let known = server.known.get(&id);
        let peer = self.servers.iter().find(|peer| peer.id == id && peer.up);
        known.zip(peer).is_some_and(|(known, peer)| known.endpoint.same_address(&peer.address))
    }

    /// Time passes: everybody hears from the peers it is linked to, until nothing is new. With `spread`, they also learn
    /// of peers' peers.
    pub(crate) fn settle(&mut self, spread: bool) {
        if spread {
            self.spread();
        }
        for _ in 0..2 * self.servers.len() + 2 {
            let before: Vec<_> =
                self.servers.iter().map(|server| (server.slots.clone(), server.epoch)).collect();
            self.resolve_collisions();
            self.everybody_hears();
            let after = self.servers.iter().map(|server| (server.slots.clone(), server.epoch));
            if before.into_iter().eq(after) {
                break;
            }
        }
        for index in 0..self.servers.len() {
            let server = &self.servers[index];
            // A replica of a replica turns to the primary above it.
            let top = |id: NodeId| server.known.get(&id).and_then(|known| known.primary);
            let primary = server.primary.map(|id| top(id).unwrap_or(id));
            let source = primary
                .filter(|id| self.linked(server, *id))
                .map(|id| self.servers[self.index_of(id)].keys.clone());
            let mut owners = server.known.iter().filter(|(_, known)| !known.slots.is_empty());
            let ok = server.up && server.taken().is_full() && owners.all(|(id, _)| self.linked(server, *id));
            let server = &mut self.servers[index];
            server.link_up = server.up && source.is_some();
            server.keys = source.filter(|_| server.up).unwrap_or(server.keys.clone());
            (server.primary, server.ok) = (primary, ok);
        }
        // Replicas tell their new primary.
        self.everybody_hears();
    }

    /// The peers that a server has a link to.
    fn links(&self, index: usize) -> Vec<NodeId> {
        let server = &self.servers[index];
        server.known.keys().copied().filter(|id| server.up && self.linked(server, *id)).collect()
    }

    fn everybody_hears(&mut self) {
        for index in 0..self.servers.len() {
            for id in self.links(index) {
                let header = self.servers[self.index_of(id)].header();
                self.servers[index].hear(header);
            }
        }
    }

    fn spread(&mut self) {
        for _ in 0..self.servers.len() {
            for a in 0..self.servers.len() {
                for b in self.links(a) {
                    let theirs: Vec<NodeId> = self.servers[self.index_of(b)].known.keys().copied().collect();
                    for c in theirs {
                        let stranger = c != self.servers[a].id && !self.servers[a].known.contains_key(&c);
                        let peer = self.servers.iter().position(|server| server.id == c && server.up);
                        if let Some(peer) = peer.filter(|_| stranger) {
                            self.meet(a, peer);
                        }
                    }
                }
            }
        }
    }

    /// Of two primaries with one epoch, the one with the lower id takes a new one (`clusterHandleConfigEpochCollision`).
    fn resolve_collisions(&mut self) {
        for a in 0..self.servers.len() {
            let server = &self.servers[a];
            let collides = self.servers.iter().any(|other| {
                other.id > server.id
                    && other.primary.is_none()
                    && server.primary.is_none()
                    && other.epoch == server.epoch
                    && self.linked(server, other.id)
            });
            if collides {
                let next =
                    self.servers.iter().map(|server| server.current_epoch.max(server.epoch)).max().unwrap();
                let server = &mut self.servers[a];
                (server.epoch, server.current_epoch) = (Epoch(next.0 + 1), Epoch(next.0 + 1));
            }
        }
    }

    fn meet(&mut self, a: usize, b: usize) {
        let (from, to) = (self.servers[a].header(), self.servers[b].header());
        self.servers[a].hear(to);
        self.servers[b].hear(from);
    }

    /// The server a step speaks of, which must be the one it was planned for.
    fn server(&self, node: &NodeRef) -> usize {
        let index = self.index_of(node.id);
        let server = &self.servers[index];
        assert_eq!((&server.member.name, &server.member.endpoint), (&node.name, &node.endpoint));
        assert!(server.up, "{node} is told something while it is down");
        index
    }

    /// Carries out one step; panics when a server would refuse it.
    pub(crate) fn apply(&mut self, action: &Action) {
        match action {
            Action::SetSetting { node, setting, to, .. } => {
                let index = self.server(node);
                self.servers[index].settings.insert(setting.clone(), to.clone());
            }
            Action::SetEpoch { node, epoch } => {
                let index = self.server(node);
                let server = &mut self.servers[index];
                assert!(server.known.is_empty(), "{node} knows others already: SET-CONFIG-EPOCH is refused");
                assert_eq!(server.epoch, Epoch::ZERO, "{node} has an epoch already");
                (server.epoch, server.current_epoch) = (*epoch, *epoch);
            }
            Action::AssignSlots { node, slots } => {
                let index = self.server(node);
                for server in &self.servers {
                    let (owned, name) = (&server.slots & slots, &server.member.name);
                    assert!(owned.is_empty(), "slots {owned} of {name} are given to {node}");
                    let keys = &server.keys & slots;
                    assert!(keys.is_empty(), "{name} has keys in slots {keys}, which are given to {node}");
                }
                let server = &mut self.servers[index];
                let busy = &server.taken() & slots;
                assert!(busy.is_empty(), "{node} says that slots {busy} are busy");
                assert!(server.primary.is_none(), "{node} is a replica");
                server.slots |= slots;
            }
            Action::Meet { node, peers } => {
                let index = self.server(node);
                for peer in peers {
                    let peer = self.server(peer);
                    self.meet(index, peer);
                }
            }
            Action::Replicate { node, proof, primary } => {
                let (index, primary) = (self.server(node), primary.id);
                let server = &mut self.servers[index];
                assert_eq!(proof.id(), server.id);
                assert!(server.slots.is_empty() && server.keys.is_empty(), "{node} is not empty");
                assert!(server.primary.is_none(), "{node} is a healthy copy, and is moved");
                let known = server.known.get(&primary);
                let known =
                    known.unwrap_or_else(|| panic!("{node} does not know its primary: REPLICATE is refused"));
                assert!(known.primary.is_none(), "{node} is to copy a replica: REPLICATE is refused");
                server.primary = Some(primary);
                let slots = &self.servers[self.index_of(primary)].slots;
                assert!(!slots.is_empty(), "{node} copies a primary without slots, and would be stuck there");
            }
            Action::Refollow { node, primary } => {
                let index = self.server(node);
                assert_eq!(self.servers[index].primary, Some(primary.id), "{node} copies another");
                self.servers[index].link_up = true;
            }
            Action::AwaitAgreement => self.settle(false),
        }
    }

    pub(crate) fn apply_all(&mut self, plan: &Plan) {
        plan.steps().iter().for_each(|step| self.apply(&step.action));
    }

    /// Carries out `steps` steps of the plan, each when those before it are done, in an order that `pick` chooses.
    pub(crate) fn apply_some(&mut self, plan: &Plan, steps: usize, mut pick: impl FnMut(usize) -> usize) {
        let mut done = BTreeSet::new();
        for _ in 0..steps {
            let ready: Vec<&Step> = plan
                .steps()
                .iter()
                .filter(|step| !done.contains(&step.id) && step.after.iter().all(|id| done.contains(id)))
                .collect();
            let step = ready[pick(ready.len())];
            done.insert(step.id);
            self.apply(&step.action);
        }
    }
}
