//! Minimum-cost flow with costs of two components that are compared lexicographically.
//!
//! Owns the network, its arcs and the primal-dual method (shortest paths under potentials, then blocking flows along
//! the arcs that lie on shortest paths). It knows nothing of shards or hosts.
//!
//! A cost is a pair rather than one number with a large weight in it: pairs under addition and lexicographic comparison
//! form an ordered group, which is all that shortest paths need, and no weight can overflow.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::{Add, Neg, Sub};

/// A cost whose first component counts infinitely more than the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost(pub(super) i64, pub(super) i64);

impl Cost {
    pub(super) const ZERO: Self = Self(0, 0);
    /// Stands for "not reached"; never added to anything.
    const UNREACHED: Self = Self(i64::MAX, i64::MAX);
}

impl Add for Cost {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }
}

impl Sub for Cost {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0, self.1 - other.1)
    }
}

impl Neg for Cost {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0, -self.1)
    }
}

/// Names an arc of one network, so that its flow can be read after [`Network::send`].
#[derive(Clone, Copy, Debug)]
pub(super) struct ArcId(usize);

/// Half of an arc: what may still be sent along it, and what a unit costs. Arc `i`'s reverse is arc `i ^ 1`.
#[derive(Clone, Copy, Debug)]
struct HalfArc {
    head: usize,
    room: usize,
    cost: Cost,
}

/// A network of vertices `0..n` and arcs whose costs are never negative.
#[derive(Clone, Debug)]
pub(super) struct Network {
    outgoing: Vec<Vec<usize>>,
    arcs: Vec<HalfArc>,
    potential: Vec<Cost>,
}

impl Network {
    pub(super) fn new(vertices: usize) -> Self {
        Self { outgoing: vec![Vec::new(); vertices], arcs: Vec::new(), potential: vec![Cost::ZERO; vertices] }
    }

    /// Adds an arc. Among ties, arcs added earlier are filled earlier.
    pub(super) fn arc(&mut self, tail: usize, head: usize, room: usize, cost: Cost) -> ArcId {
        debug_assert!(
            cost >= Cost::ZERO && tail.max(head) < self.outgoing.len(),
            "a cost or a vertex is out of range"
        );
        let id = self.arcs.len();
        if let Some(list) = self.outgoing.get_mut(tail) {
            list.push(id);
        }
        if let Some(list) = self.outgoing.get_mut(head) {
            list.push(id + 1);
        }
        self.arcs.push(HalfArc { head, room, cost });
        self.arcs.push(HalfArc { head: tail, room: 0, cost: -cost });
        ArcId(id)
    }

    /// Units that flow along an arc.
    pub(super) fn flow(&self, ArcId(id): ArcId) -> usize {
        self.arcs.get(id ^ 1).map_or(0, |reverse| reverse.room)
    }

    /// Sends up to `wanted` units from `source` to `sink` at the least cost; called once per network.
    ///
    /// Returns the units sent (fewer than wanted only if no more fit) and what they cost together.
    pub(super) fn send(&mut self, source: usize, sink: usize, wanted: usize) -> (usize, Cost) {
        let mut sent = 0;
        let mut cost = Cost::ZERO;
        while sent < wanted && self.raise_potentials(source, sink) {
            let unit = self.potential_of(sink) - self.potential_of(source);
            let units = self.fill_shortest_paths(source, sink, wanted - sent);
            if units == 0 {
                break;
            }
            sent += units;
            let units = i64::try_from(units).unwrap_or(i64::MAX);
            cost = cost + Cost(unit.0 * units, unit.1 * units);
        }
        (sent, cost)
    }

    fn potential_of(&self, vertex: usize) -> Cost {
        self.potential.get(vertex).copied().unwrap_or(Cost::ZERO)
    }

    /// Dijkstra under the present potentials, stopped at the sink; true if the sink was reached.
    fn raise_potentials(&mut self, source: usize, sink: usize) -> bool {
        let mut distance = vec![Cost::UNREACHED; self.outgoing.len()];
        if let Some(start) = distance.get_mut(source) {
            *start = Cost::ZERO;
        }
        let mut queue = BinaryHeap::from([Reverse((Cost::ZERO, source))]);
        let mut goal = None;
        while let Some(Reverse((so_far, tail))) = queue.pop() {
            if distance.get(tail).is_some_and(|&best| best < so_far) {
                continue;
            }
            if tail == sink {
                goal = Some(so_far);
                break;
            }
            let from = self.potential_of(tail);
            let Some(list) = self.outgoing.get(tail) else {
                continue;
            };
            for arc in list.iter().filter_map(|&id| self.arcs.get(id)).filter(|arc| arc.room > 0) {
                let length = so_far + (arc.cost + from - self.potential_of(arc.head));
                if let Some(old) = distance.get_mut(arc.head)
                    && length < *old
                {
                    *old = length;
                    queue.push(Reverse((length, arc.head)));
                }
            }
        }
        let Some(goal) = goal else { return false };
        for (potential, d) in self.potential.iter_mut().zip(distance) {
            *potential = *potential + d.min(goal);
        }
        true
    }

    /// Is there room on the arc, and does it lie on a shortest path?
    fn is_tight(&self, tail: usize, arc: &HalfArc) -> bool {
        arc.room > 0 && self.potential_of(tail) + arc.cost == self.potential_of(arc.head)
    }

    /// A maximum flow, of at most `wanted` units, along shortest paths only (Dinic).
    fn fill_shortest_paths(&mut self, source: usize, sink: usize, wanted: usize) -> usize {
        let mut sent = 0;
        while sent < wanted {
            let depth = self.depths(source, sink);
            if depth.get(sink).is_none_or(|&d| d == usize::MAX) {
                break;
            }
            sent += self.blocking_flow(source, sink, wanted - sent, &depth);
        }
        sent
    }

    /// Breadth-first depths over tight arcs; `usize::MAX` where there is no way.
    fn depths(&mut self, source: usize, sink: usize) -> Vec<usize> {
        let mut depth = vec![usize::MAX; self.outgoing.len()];
        if let Some(start) = depth.get_mut(source) {
            *start = 0;
        }
        let mut queue = VecDeque::from([source]);
        while let Some(tail) = queue.pop_front() {
            if tail == sink {
                break;
            }
            let next = depth.get(tail).map_or(usize::MAX, |d| d + 1);
            let Some(list) = self.outgoing.get(tail) else {
                continue;
            };
            for arc in list.iter().filter_map(|&id| self.arcs.get(id)) {
                if depth.get(arc.head) == Some(&usize::MAX)
                    && self.is_tight(tail, arc)
                    && let Some(d) = depth.get_mut(arc.head)
                {
                    *d = next;
                    queue.push_back(arc.head);
                }
            }
        }
        depth
    }

    /// Depth-first paths along tight arcs that each go one deeper, without recursion.
    fn blocking_flow(&mut self, source: usize, sink: usize, wanted: usize, depth: &[usize]) -> usize {
        let mut tried = vec![0usize; self.outgoing.len()];
        let mut path: Vec<usize> = Vec::new();
        let (mut sent, mut here) = (0, source);
        while sent < wanted {
            if here == sink {
                let room = path.iter().filter_map(|&id| self.arcs.get(id)).map(|arc| arc.room).min();
                let units = room.unwrap_or(0).min(wanted - sent);
                for &id in &path {
                    if let Some(arc) = self.arcs.get_mut(id) {
                        arc.room -= units;
                    }
                    if let Some(reverse) = self.arcs.get_mut(id ^ 1) {
                        reverse.room += units;
                    }
                }
                sent += units;
                // Back to the tail of the first arc that is full now.
                let full = path.iter().position(|&id| self.arcs.get(id).is_none_or(|arc| arc.room == 0));
                path.truncate(full.unwrap_or(0));
                here = path.last().and_then(|&id| self.arcs.get(id)).map_or(source, |arc| arc.head);
                continue;
            }
            let deeper = depth.get(here).map_or(usize::MAX, |d| d.saturating_add(1));
            let cursor = tried.get(here).copied().unwrap_or_default();
            let list = self.outgoing.get(here).map_or(&[][..], Vec::as_slice);
            let found = list.iter().enumerate().skip(cursor).find_map(|(at, &id)| {
                let arc = self.arcs.get(id)?;
                (depth.get(arc.head) == Some(&deeper) && self.is_tight(here, arc))
                    .then_some((at, id, arc.head))
            });
            match found {
                Some((at, id, head)) => {
                    if let Some(cursor) = tried.get_mut(here) {
                        *cursor = at;
                    }
                    path.push(id);
                    here = head;
                }
                // A dead end: step back, and past the arc that led here.
                None => {
                    if let Some(cursor) = tried.get_mut(here) {
                        *cursor = list.len();
                    }
                    let Some(id) = path.pop() else { break };
                    let tail = self.arcs.get(id ^ 1).map_or(source, |reverse| reverse.head);
                    if let Some(cursor) = tried.get_mut(tail) {
                        *cursor += 1;
                    }
                    here = tail;
                }
            }
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_component_counts_more_than_any_amount_of_the_second() {
        let mut network = Network::new(2);
        let dear = network.arc(0, 1, 1, Cost(1, 0));
        let cheap = network.arc(0, 1, 1, Cost(0, 1_000_000));
        assert_eq!(network.send(0, 1, 1), (1, Cost(0, 1_000_000)));
        assert_eq!((network.flow(dear), network.flow(cheap)), (0, 1));
    }

    #[test]
    fn the_cheap_way_is_filled_first_and_undone_when_that_pays() {
        // 0 -> {1, 2} -> {3, 4} -> 5; vertex 1 may use both, vertex 2 only vertex 3.
        let mut network = Network::new(6);
        network.arc(0, 1, 1, Cost::ZERO);
        network.arc(0, 2, 1, Cost(1, 0));
        let near = network.arc(1, 3, 1, Cost::ZERO);
        let far = network.arc(1, 4, 1, Cost(5, 0));
        network.arc(2, 3, 1, Cost::ZERO);
        network.arc(3, 5, 1, Cost::ZERO);
        network.arc(4, 5, 1, Cost::ZERO);
        assert_eq!(network.send(0, 5, 9), (2, Cost(6, 0)));
        assert_eq!((network.flow(near), network.flow(far)), (0, 1));
    }

    #[test]
    fn no_more_than_the_wanted_amount_flows() {
        let mut network = Network::new(3);
        let first = network.arc(0, 1, 2, Cost(0, 3));
        let second = network.arc(0, 1, 2, Cost(0, 4));
        network.arc(1, 2, 9, Cost(0, 1));
        assert_eq!(network.send(0, 2, 3), (3, Cost(0, 13)));
        assert_eq!((network.flow(first), network.flow(second)), (2, 1));
    }

    #[test]
    fn nothing_flows_where_there_is_no_way() {
        let mut network = Network::new(3);
        network.arc(0, 1, 1, Cost::ZERO);
        assert_eq!(network.send(0, 2, 1), (0, Cost::ZERO));
    }
}
