//! Which node should hold a copy of which shard: exact placement over hosts and zones.
//!
//! Owns the objective ([`Score`]), the check of the input and the order of the steps. The parts: `flow` solves networks,
//! `deal` places copies, `primaries` chooses how many new primaries each host holds. Which shards there should be, which
//! nodes are healthy and how a seat is taken (REPLICATE, ADDSLOTS) is the planner's business.
//!
//! # The objective
//!
//! The least [`Score`], in this order: pairs of one shard's copies on one host, pairs of one shard's copies in one zone,
//! spread of primaries over hosts, spread of primaries over zones. Nodes that hold a seat keep it, so nothing that runs
//! is changed. `redis-cli --cluster create` fixes the primaries first, by address order, and then swaps replicas at
//! random; here all four parts are minimised together, and equal input gives equal output.
//!
//! # Why it is exact
//!
//! Shards that have no copy get their primary first, where the spread grows least. That never costs a pair, because any
//! number of new primaries on any host can be completed to a placement with the fewest pairs (the proof stands in
//! `primaries`). With every primary known, the replicas are a minimum-cost flow. There is no search and no limit: the
//! score is the least possible, always.

mod deal;
mod flow;
mod primaries;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::deal::{Ground, Sites, deal, number_sites};
use self::flow::Cost;

/// The most nodes that [`place`] accepts. Redis recommends at most 1,000 nodes in a cluster.
pub const MAX_NODES: usize = 2048;

/// Where a node runs: what fails together with it.
///
/// A host lies in one zone. Where zones are unknown, give all nodes the same one: it then has no influence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Site {
    /// The machine, for instance the Kubernetes node name.
    pub host: String,
    /// The zone of that machine, for instance the label `topology.kubernetes.io/zone`.
    pub zone: String,
}

impl Site {
    /// A host in a zone.
    pub fn new(host: impl Into<String>, zone: impl Into<String>) -> Self {
        Self { host: host.into(), zone: zone.into() }
    }
}

/// What a node holds. Shards are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seat {
    /// Nothing.
    Free,
    /// The primary of this shard.
    Primary(usize),
    /// A replica of this shard.
    Replica(usize),
}

impl Seat {
    /// The shard of which the node holds a copy.
    pub fn shard(self) -> Option<usize> {
        match self {
            Self::Free => None,
            Self::Primary(shard) | Self::Replica(shard) => Some(shard),
        }
    }
}

/// A node that may take part: where it runs and what it holds today.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PlacementNode {
    /// Its failure domain.
    pub site: Site,
    /// Its seat. Anything but [`Seat::Free`] is kept.
    pub seat: Seat,
}

impl PlacementNode {
    /// A node that holds nothing yet.
    pub fn free(site: Site) -> Self {
        Self { site, seat: Seat::Free }
    }
}

/// How good a placement is; less is better, and an earlier field counts more than all later ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Score {
    /// Pairs of copies of one shard that share a host: the sum of n·(n−1)/2 over shards and hosts. 0 means that no
    /// host can take two copies of a shard with it.
    pub host_pairs: u64,
    /// The same for zones. Pairs that share a host are counted here too.
    pub zone_pairs: u64,
    /// The sum over hosts of the square of their primaries.
    pub host_spread: u64,
    /// The sum over zones of the square of their primaries.
    pub zone_spread: u64,
}

impl Score {
    /// The score of what nodes hold now.
    ///
    /// ```
    /// use slotwright_topology::placement::{PlacementNode, Score, Seat, Site};
    ///
    /// let on = |host, seat| PlacementNode { site: Site::new(host, "z1"), seat };
    /// let nodes = [on("a", Seat::Primary(0)), on("a", Seat::Replica(0)), on("b", Seat::Primary(1))];
    /// assert_eq!(Score::of(&nodes), Score { host_pairs: 1, zone_pairs: 1, host_spread: 2, zone_spread: 4 });
    /// ```
    pub fn of(nodes: &[PlacementNode]) -> Self {
        Self::of_seats(nodes.iter().map(|node| (&node.site, node.seat)))
    }

    /// The score of any sites with the seats taken there.
    pub fn of_seats<'a>(seats: impl IntoIterator<Item = (&'a Site, Seat)>) -> Self {
        let mut copies_on_host = BTreeMap::<_, u64>::new();
        let mut copies_in_zone = BTreeMap::<_, u64>::new();
        let mut primaries_on_host = BTreeMap::<_, u64>::new();
        let mut primaries_in_zone = BTreeMap::<_, u64>::new();
        for (site, seat) in seats {
            let Some(shard) = seat.shard() else { continue };
            *copies_on_host.entry((shard, &site.host)).or_default() += 1;
            *copies_in_zone.entry((shard, &site.zone)).or_default() += 1;
            if let Seat::Primary(_) = seat {
                *primaries_on_host.entry(&site.host).or_default() += 1;
                *primaries_in_zone.entry(&site.zone).or_default() += 1;
            }
        }
        let pairs = |n: &u64| n * (n - 1) / 2;
        let square = |n: &u64| n * n;
        Self {
            host_pairs: copies_on_host.values().map(pairs).sum(),
            zone_pairs: copies_in_zone.values().map(pairs).sum(),
            host_spread: primaries_on_host.values().map(square).sum(),
            zone_spread: primaries_in_zone.values().map(square).sum(),
        }
    }
}

/// A seat for every node that needs one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// One seat per node, in input order. Nodes beyond what is needed stay [`Seat::Free`].
    pub seats: Vec<Seat>,
    /// The score of these seats, held ones included: the least that is possible without moving those.
    pub score: Score,
}

/// Why nodes could not be placed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlacementError {
    /// No shards or no copies were asked for.
    #[error("{shards} shards of {copies} copies each were asked for: there must be at least one of each")]
    NothingWanted {
        /// Shards asked for.
        shards: usize,
        /// Copies of each shard asked for, the primary included.
        copies: usize,
    },
    /// More nodes than [`MAX_NODES`].
    #[error(
        "{nodes} nodes were given, and at most {MAX_NODES} can be placed: split them into several clusters"
    )]
    TooManyNodes {
        /// Nodes given.
        nodes: usize,
    },
    /// There are fewer free nodes than copies to place.
    #[error(
        "{shards} shards of {copies} copies need {missing} more nodes, but only {free} nodes are free: \
         add {} nodes, or ask for fewer shards or copies", missing - free
    )]
    TooFewNodes {
        /// Shards asked for.
        shards: usize,
        /// Copies of each shard asked for, the primary included.
        copies: usize,
        /// Copies that no node holds yet.
        missing: usize,
        /// Nodes that hold nothing.
        free: usize,
    },
    /// A node holds a shard whose number is out of range.
    #[error("node {node} holds a copy of shard {shard}, but only shards 0 to {} are placed", shards - 1)]
    UnknownShard {
        /// Index of the node in the input.
        node: usize,
        /// The shard that it holds.
        shard: usize,
        /// Shards asked for.
        shards: usize,
    },
    /// Two nodes are primary of one shard.
    #[error(
        "nodes {first} and {second} are both primary of shard {shard}: settle that before anything is placed"
    )]
    TwoPrimaries {
        /// The shard.
        shard: usize,
        /// Index of one primary in the input.
        first: usize,
        /// Index of the other.
        second: usize,
    },
    /// A shard has replicas but no primary. Which of them takes over is a question of data, not of placement.
    #[error("shard {shard} has {replicas} replicas and no primary: fail over to one of them first")]
    NoPrimary {
        /// The shard.
        shard: usize,
        /// How many replicas it has.
        replicas: usize,
    },
    /// A shard holds more copies than wanted. Which of them should go is not decided here.
    #[error(
        "shard {shard} has {held} copies but {copies} are wanted: free the surplus nodes first, or ask for more copies"
    )]
    TooManyCopies {
        /// The shard.
        shard: usize,
        /// Copies that it has.
        held: usize,
        /// Copies of each shard asked for, the primary included.
        copies: usize,
    },
    /// One host was given with two zones.
    #[error(
        "host {host} lies in zone {first} according to one node and in zone {second} according to node {node}: \
         correct the zone, or give the hosts different names"
    )]
    HostInTwoZones {
        /// The host.
        host: String,
        /// The zone that was named first.
        first: String,
        /// The zone that was named later.
        second: String,
        /// Index of the later node in the input.
        node: usize,
    },
}

/// Finds seats for free nodes so that every one of `shards` shards has `copies` copies (1 + replicas), one of them its
/// primary, with the least possible [`Score`].
///
/// Nodes that hold a seat keep it. Shards without any copy get a primary and replicas, the others the replicas that they
/// lack. Nodes too many are left free. Among placements of equal score, earlier nodes become primaries of lower shards.
///
/// ```
/// use slotwright_topology::placement::{PlacementNode, Seat, Site, place};
///
/// // Six pods on three machines: three shards, each with one replica elsewhere.
/// let nodes: Vec<_> = ["a", "a", "b", "b", "c", "c"].map(|host| PlacementNode::free(Site::new(host, "z"))).into();
/// let placement = place(&nodes, 3, 2)?;
/// assert_eq!(placement.score.host_pairs, 0);
/// assert_eq!(placement.score.host_spread, 3); // one primary on each machine
/// assert_eq!(placement.seats[0], Seat::Primary(0));
/// # Ok::<(), slotwright_topology::placement::PlacementError>(())
/// ```
///
/// # Errors
///
/// Any [`PlacementError`]: contradictory input, too few nodes, or more than [`MAX_NODES`].
pub fn place(nodes: &[PlacementNode], shards: usize, copies: usize) -> Result<Placement, PlacementError> {
    let task = Task::new(nodes, shards, copies)?;
    let loads = primaries::least_spread(&task.ground, task.new_shards.len());
    let (seats, _) = task.settle(&loads);
    let score = Score::of_seats(nodes.iter().map(|node| &node.site).zip(seats.iter().copied()));
    Ok(Placement { seats, score })
}

/// Checked input.
struct Task {
    copies: usize,
    sites: Sites,
    fixed: Vec<Seat>,
    ground: Ground,
    /// Shards without any copy.
    new_shards: Vec<usize>,
}

impl Task {
    fn new(nodes: &[PlacementNode], shards: usize, copies: usize) -> Result<Self, PlacementError> {
        check_seats(nodes, shards, copies)?;
        let sites = number_sites(nodes).map_err(|(first, node)| two_zones(nodes, first, node))?;
        let fixed: Vec<Seat> = nodes.iter().map(|node| node.seat).collect();
        let ground = Ground::new(&sites, &fixed, shards);
        let empty = ground.standing.iter().enumerate().filter(|(_, on)| on.is_empty());
        let new_shards = empty.map(|(shard, _)| shard).collect();
        Ok(Self { copies, sites, fixed, ground, new_shards })
    }

    /// All seats, with this many new primaries on each host, and the pairs that the new copies add.
    fn settle(&self, loads: &[usize]) -> (Vec<Seat>, Cost) {
        let mut seats = self.fixed.clone();
        seat_primaries(&self.ground, &self.new_shards, loads, &mut seats);
        let ground = Ground::new(&self.sites, &seats, self.ground.standing.len());
        let dealt = deal(&ground, self.copies);
        dealt.seat(&ground, &mut seats);
        (seats, dealt.added_pairs)
    }
}

/// Makes the first free nodes of each host primaries, `loads` of them; lower shards on earlier nodes.
fn seat_primaries(ground: &Ground, new_shards: &[usize], loads: &[usize], seats: &mut [Seat]) {
    let chosen =
        ground.hosts.iter().zip(loads).flat_map(|(host, &load)| host.free.iter().take(load).copied());
    let mut chosen: Vec<usize> = chosen.collect();
    chosen.sort_unstable();
    for (node, &shard) in chosen.into_iter().zip(new_shards) {
        if let Some(seat) = seats.get_mut(node) {
            *seat = Seat::Primary(shard);
        }
    }
}

fn check_seats(nodes: &[PlacementNode], shards: usize, copies: usize) -> Result<(), PlacementError> {
    if shards == 0 || copies == 0 {
        return Err(PlacementError::NothingWanted { shards, copies });
    }
    if nodes.len() > MAX_NODES {
        return Err(PlacementError::TooManyNodes { nodes: nodes.len() });
    }
    let (mut primaries, mut held) = (BTreeMap::new(), BTreeMap::<usize, usize>::new());
    for (node, seat) in nodes.iter().map(|node| node.seat).enumerate() {
        let Some(shard) = seat.shard() else { continue };
        if shard >= shards {
            return Err(PlacementError::UnknownShard { node, shard, shards });
        }
        *held.entry(shard).or_default() += 1;
        if let Seat::Primary(_) = seat
            && let Some(first) = primaries.insert(shard, node)
        {
            return Err(PlacementError::TwoPrimaries { shard, first, second: node });
        }
    }
    for (&shard, &held) in &held {
        if !primaries.contains_key(&shard) {
            return Err(PlacementError::NoPrimary { shard, replicas: held });
        }
        if held > copies {
            return Err(PlacementError::TooManyCopies { shard, held, copies });
        }
    }
    let taken: usize = held.values().sum();
    let missing = shards.saturating_mul(copies) - taken;
    let free = nodes.len() - taken;
    if missing > free {
        return Err(PlacementError::TooFewNodes { shards, copies, missing, free });
    }
    Ok(())
}

fn two_zones(nodes: &[PlacementNode], first: usize, node: usize) -> PlacementError {
    let zone = |at: usize| nodes.get(at).map(|n| n.site.zone.clone()).unwrap_or_default();
    let host = nodes.get(node).map(|n| n.site.host.clone()).unwrap_or_default();
    PlacementError::HostInTwoZones { host, first: zone(first), second: zone(node), node }
}
