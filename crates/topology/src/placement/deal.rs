//! Which host gets which copies, once it is settled what every node holds that holds anything.
//!
//! Owns the ground (hosts, zones, free nodes), the groups of shards that are alike, and the dealing itself: a
//! minimum-cost flow over groups, then a round deal within each group. Who becomes primary is decided in
//! [`super::primaries`].
//!
//! Shards that already stand on the same hosts and lack equally many copies are alike. Pair counts are convex, so the
//! best a group can do is to share every host's and every zone's copies out as evenly as counting allows; dealing the
//! copies round to the shards, sorted by zone and host, does exactly that. The flow may therefore treat a group as one.

use std::collections::BTreeMap;

use super::flow::{Cost, Network};
use super::{PlacementNode, Seat};

/// A host: its zone, its free nodes in input order and the primaries that it holds already.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) zone: usize,
    pub(super) free: Vec<usize>,
    pub(super) primaries: usize,
}

/// Hosts and zones, numbered by first appearance, and what stands on them.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) hosts: Vec<Host>,
    pub(super) zones: usize,
    /// Per shard: the hosts of its copies, and how many are there.
    pub(super) standing: Vec<BTreeMap<usize, usize>>,
}

impl Ground {
    /// What `seats`, one for each node, occupy.
    pub(super) fn new(sites: &Sites, seats: &[Seat], shards: usize) -> Self {
        let mut hosts: Vec<Host> =
            sites.zone_of_host.iter().map(|&zone| Host { zone, free: Vec::new(), primaries: 0 }).collect();
        let mut standing = vec![BTreeMap::new(); shards];
        for (node, (&at, seat)) in sites.host_of_node.iter().zip(seats).enumerate() {
            let Some(host) = hosts.get_mut(at) else { continue };
            match seat {
                Seat::Free => host.free.push(node),
                Seat::Primary(_) => host.primaries += 1,
                Seat::Replica(_) => {}
            }
            if let Some(copies) = seat.shard().and_then(|shard| standing.get_mut(shard)) {
                *copies.entry(at).or_insert(0) += 1;
            }
        }
        Self { hosts, zones: sites.zones, standing }
    }

    pub(super) fn zone(&self, host: usize) -> usize {
        self.hosts.get(host).map_or(0, |h| h.zone)
    }

    /// Primaries per zone.
    pub(super) fn primaries_of_zones(&self) -> Vec<usize> {
        self.per_zone(|host| host.primaries)
    }

    /// Free nodes per zone.
    pub(super) fn free_of_zones(&self) -> Vec<usize> {
        self.per_zone(|host| host.free.len())
    }

    fn per_zone(&self, count: impl Fn(&Host) -> usize) -> Vec<usize> {
        let mut totals = vec![0; self.zones];
        for host in &self.hosts {
            if let Some(total) = totals.get_mut(host.zone) {
                *total += count(host);
            }
        }
        totals
    }

    /// Shards that lack copies, gathered into groups of the same standing; groups in order of their first shard.
    pub(super) fn groups(&self, copies: usize) -> Vec<Group> {
        let mut found: BTreeMap<(usize, &BTreeMap<usize, usize>), usize> = BTreeMap::new();
        let mut groups: Vec<Group> = Vec::new();
        for (shard, standing) in self.standing.iter().enumerate() {
            let missing = copies.saturating_sub(standing.values().sum());
            if missing == 0 {
                continue;
            }
            let at = *found.entry((missing, standing)).or_insert(groups.len());
            match groups.get_mut(at) {
                Some(group) => group.shards.push(shard),
                None => groups.push(Group::new(self, shard, missing, standing.clone())),
            }
        }
        groups
    }
}

/// Hosts and zones as numbers.
#[derive(Clone, Debug)]
pub(super) struct Sites {
    pub(super) host_of_node: Vec<usize>,
    pub(super) zone_of_host: Vec<usize>,
    pub(super) zones: usize,
}

/// Numbers hosts and zones by first appearance; `Err` names two nodes that put one host in different zones.
pub(super) fn number_sites(nodes: &[PlacementNode]) -> Result<Sites, (usize, usize)> {
    let (mut hosts, mut zones) = (BTreeMap::new(), BTreeMap::new());
    let (mut host_of_node, mut zone_of_host, mut first_node) = (Vec::new(), Vec::new(), Vec::new());
    for (node, site) in nodes.iter().map(|node| &node.site).enumerate() {
        let fresh = zones.len();
        let zone = *zones.entry(site.zone.as_str()).or_insert(fresh);
        let host = *hosts.entry(site.host.as_str()).or_insert(zone_of_host.len());
        match zone_of_host.get(host) {
            None => {
                zone_of_host.push(zone);
                first_node.push(node);
            }
            Some(&known) if known != zone => {
                return Err((first_node.get(host).copied().unwrap_or_default(), node));
            }
            Some(_) => {}
        }
        host_of_node.push(host);
    }
    Ok(Sites { host_of_node, zone_of_host, zones: zones.len() })
}

/// Shards that stand on the same hosts and lack equally many copies.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) shards: Vec<usize>,
    /// Copies that each of them lacks; at least one.
    pub(super) missing: usize,
    on_host: BTreeMap<usize, usize>,
    in_zone: BTreeMap<usize, usize>,
}

impl Group {
    fn new(ground: &Ground, shard: usize, missing: usize, on_host: BTreeMap<usize, usize>) -> Self {
        let mut in_zone = BTreeMap::new();
        for (&host, &copies) in &on_host {
            *in_zone.entry(ground.zone(host)).or_insert(0) += copies;
        }
        Self { shards: vec![shard], missing, on_host, in_zone }
    }

    /// Copies that the whole group lacks.
    pub(super) fn wanted(&self) -> usize {
        self.shards.len() * self.missing
    }

    /// New pairs per copy, and for how many copies, when one host or zone gives up to `supply` copies to this group:
    /// the first for each shard makes as many pairs as copies are `standing` there, the second one more, and so on.
    fn steps(&self, standing: Option<&usize>, supply: usize) -> impl Iterator<Item = (i64, usize)> {
        let mut left = supply.min(self.wanted());
        let first = standing.map_or(0, |&copies| i64::try_from(copies).unwrap_or(i64::MAX));
        (first..).map_while(move |pairs| {
            let room = left.min(self.shards.len());
            left -= room;
            (room > 0).then_some((pairs, room))
        })
    }
}

/// The cheapest way to give every shard the copies that it lacks.
#[derive(Clone, Debug)]
pub(super) struct Dealt {
    /// Pairs added on hosts, then in zones.
    pub(super) added_pairs: Cost,
    /// Per group: copies given by each host.
    given: Vec<BTreeMap<usize, usize>>,
    groups: Vec<Group>,
}

/// Finds the fewest added pairs, on hosts first, then in zones. There must be at least as many free nodes as copies
/// are lacking; nodes too many are left out where that helps most.
pub(super) fn deal(ground: &Ground, copies: usize) -> Dealt {
    let groups = ground.groups(copies);
    let wanted = groups.iter().map(Group::wanted).sum();
    let zone_free = ground.free_of_zones();
    let host_vertex = |host: usize| 1 + host;
    let zone_vertex = |group: usize, zone: usize| 1 + ground.hosts.len() + group * ground.zones + zone;
    let group_vertex = |group: usize| zone_vertex(groups.len(), 0) + group;
    let sink = group_vertex(groups.len());

    let mut network = Network::new(sink + 1);
    for (host, free) in ground.hosts.iter().map(|host| host.free.len()).enumerate() {
        if free > 0 {
            network.arc(0, host_vertex(host), free, Cost::ZERO);
        }
    }
    let mut arcs = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        for (host, on) in ground.hosts.iter().enumerate() {
            for (pairs, room) in group.steps(group.on_host.get(&host), on.free.len()) {
                let arc = network.arc(host_vertex(host), zone_vertex(at, on.zone), room, Cost(pairs, 0));
                arcs.push((at, host, arc));
            }
        }
        for (zone, &free) in zone_free.iter().enumerate() {
            for (pairs, room) in group.steps(group.in_zone.get(&zone), free) {
                network.arc(zone_vertex(at, zone), group_vertex(at), room, Cost(0, pairs));
            }
        }
        network.arc(group_vertex(at), sink, group.wanted(), Cost::ZERO);
    }
    let (_, added_pairs) = network.send(0, sink, wanted);

    let mut given = vec![BTreeMap::new(); groups.len()];
    for (at, host, arc) in arcs {
        let copies = network.flow(arc);
        if let Some(of_group) = given.get_mut(at).filter(|_| copies > 0) {
            *of_group.entry(host).or_insert(0) += copies;
        }
    }
    Dealt { added_pairs, given, groups }
}

impl Dealt {
    /// Writes the new replicas into `seats`: round the shards of each group, then onto each host's free nodes in
    /// input order, lower shards first, every shard once before any comes twice.
    pub(super) fn seat(&self, ground: &Ground, seats: &mut [Seat]) {
        // Per host: (how many of this shard came to this host before, shard).
        let mut arriving: Vec<Vec<(usize, usize)>> = vec![Vec::new(); ground.hosts.len()];
        for (group, given) in self.groups.iter().zip(&self.given) {
            let mut sorted: Vec<(usize, usize)> =
                given.iter().map(|(&host, &copies)| (host, copies)).collect();
            sorted.sort_by_key(|&(host, _)| (ground.zone(host), host));
            let mut round = group.shards.iter().cycle();
            for (host, copies) in sorted {
                let Some(list) = arriving.get_mut(host) else {
                    continue;
                };
                list.extend(
                    round.by_ref().take(copies).enumerate().map(|(n, &s)| (n / group.shards.len(), s)),
                );
            }
        }
        for (host, mut list) in ground.hosts.iter().zip(arriving) {
            list.sort_unstable();
            for (&node, (_, shard)) in host.free.iter().zip(list) {
                if let Some(seat) = seats.get_mut(node) {
                    *seat = Seat::Replica(shard);
                }
            }
        }
    }
}
