//! Who shall hold what: the shards, the slots each of them gets in addition, and a seat for every node.
//!
//! Only free slots are given out, and a node that holds a seat keeps it; which node takes a free seat is decided by
//! [`placement`](crate::placement).

use std::collections::BTreeMap;

use slotwright_cluster::{NodeId, Role};
use slotwright_slots::{SLOT_COUNT, Slot, SlotRange, SlotSet};

use super::Reasons;
use crate::{
    ClusterView, Desired, NodeView, Refusal, RefusalReason,
    human::things,
    placement::{PlacementNode, Seat, place},
};

/// The shards in the order of their lowest slot.
pub(super) struct Layout {
    shards: Vec<Shard>,
}

/// A shard as it stands, or one still to be made.
pub(super) struct Shard {
    /// Its primary; `None` for one still to be made.
    pub(super) primary: Option<NodeId>,
    /// Slots to be assigned to it.
    pub(super) additions: SlotSet,
    held: SlotSet,
}

impl Shard {
    fn new() -> Self {
        Self { primary: None, additions: SlotSet::new(), held: SlotSet::new() }
    }

    fn len(&self) -> usize {
        self.held.len() + self.additions.len()
    }

    fn first(&self) -> Option<Slot> {
        self.held.first().into_iter().chain(self.additions.first()).min()
    }
}

impl Layout {
    pub(super) fn of(view: &ClusterView, desired: &Desired) -> Result<Self, Refusal> {
        let mut reasons = Reasons::default();
        let (have, want) = (view.owners().owners().len(), desired.shards);
        let free = view.uncovered().len();
        let there_are = match have {
            1 => "There is 1 shard".to_owned(),
            _ => format!("There are {have} shards"),
        };
        if want > usize::from(SLOT_COUNT) {
            reasons.add(
                format!("{want} shards are wanted."),
                "There are 16384 slots, and a shard needs at least one.",
            );
        } else if have > want {
            reasons.add(
                format!("{there_are} and fewer are wanted: {want}."),
                "Fewer shards means moving slots away and forgetting nodes, which is not possible yet: \
                 set shards to the present number.",
            );
        } else if want - have > free {
            let why = match free {
                0 => "every slot has an owner already".to_owned(),
                1 => "only 1 slot has no owner".to_owned(),
                _ => format!("only {free} slots have no owner"),
            };
            reasons.add(
                format!("{there_are} and more are wanted: {want}; but {why}."),
                "More shards means moving slots, which is not possible yet: set shards to the present number.",
            );
        }
        reasons.none_or_refuse()?;
        Ok(Self::assign(view, want))
    }

    /// The shards with their numbers.
    pub(super) fn shards(&self) -> impl Iterator<Item = (usize, &Shard)> {
        self.shards.iter().enumerate()
    }

    /// The primary of a shard that stands already.
    pub(super) fn standing_primary(&self, shard: usize) -> Option<NodeId> {
        self.shards.get(shard)?.primary
    }

    fn assign(view: &ClusterView, want: usize) -> Self {
        let standing = |id: &NodeId| Shard {
            primary: Some(*id),
            held: view.owners().slots_of(id),
            additions: SlotSet::new(),
        };
        let mut shards: Vec<Shard> = view.owners().owners().map(standing).collect();
        let missing = want.saturating_sub(shards.len());
        let mut left = view.uncovered();
        // A resumed creation gives every node the range it would have had.
        let ranges: Vec<SlotRange> =
            even_ranges(want).filter(|range| left.contains_range(*range)).take(missing).collect();
        let resumed = ranges.len() == missing;
        shards.sort_by_key(|shard| (shard.first(), shard.primary));
        shards.extend((0..missing).map(|_| Shard::new()));
        if resumed {
            for (shard, range) in shards.iter_mut().filter(|shard| shard.primary.is_none()).zip(ranges) {
                left.remove_range(range);
                shard.additions.insert_range(range);
            }
        }
        give_to_the_poorest(&mut shards, left);
        shards.sort_by_key(|shard| (shard.first(), shard.primary));
        Self { shards }
    }

    /// A seat for every member.
    pub(super) fn seats(&self, view: &ClusterView, desired: &Desired) -> Result<Vec<Seat>, Refusal> {
        let mut reasons = Reasons::default();
        let shard_of: BTreeMap<NodeId, usize> =
            self.shards().filter_map(|(number, shard)| Some((shard.primary?, number))).collect();
        let mut replicas: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let mut nodes = Vec::new();
        for (index, node) in view.nodes().iter().enumerate() {
            let own = view.id_of(index).and_then(|id| shard_of.get(&id));
            let copied = view.primary_of(index).and_then(|id| shard_of.get(&id));
            let seat = match (own, copied) {
                (Some(shard), _) => Seat::Primary(*shard),
                (None, Some(shard)) => {
                    replicas.entry(*shard).or_default().push(node.member.name.clone());
                    Seat::Replica(*shard)
                }
                (None, None) => {
                    if node.prove_empty().is_none() {
                        let holds = what_it_holds(node);
                        reasons.add(
                            format!("{} owns no slots, but {holds}.", node.member.name),
                            "It cannot take another place without losing that: empty it by hand if it is not needed \
                             (FLUSHALL, then CLUSTER RESET).",
                        );
                    }
                    Seat::Free
                }
            };
            nodes.push(PlacementNode { site: node.member.site.clone(), seat });
        }
        for (shard, names) in replicas.into_iter().filter(|(_, names)| names.len() > desired.replicas) {
            let primary = self.standing_primary(shard).map(|id| view.name_of(id)).unwrap_or_default();
            let (count, want) = (things(names.len(), "replica"), desired.replicas);
            reasons.add(
                format!(
                    "The shard of {primary} has {count} ({}) and {want} are wanted.",
                    crate::diagnosis::list(names)
                ),
                "A copy that holds data is not given up unasked: set replicas to the present number, or reset the \
                 replicas that are not needed by name (CLUSTER RESET).",
            );
        }
        reasons.none_or_refuse()?;
        match place(&nodes, desired.shards, desired.replicas.saturating_add(1)) {
            Ok(placement) => Ok(placement.seats),
            Err(error) => {
                let reason = format!("The nodes cannot be given places: {error}.");
                let remedy = "Nodes that hold data keep their places.".to_owned();
                Err(Refusal { reasons: vec![RefusalReason { reason, remedy }] })
            }
        }
    }
}

/// What keeps a node without slots from being free.
fn what_it_holds(node: &NodeView) -> String {
    let keys = node.answer().map_or(0, |answer| answer.server.keys);
    let open = node.myself().is_some_and(|entry| !entry.open_slots.is_empty());
    match (keys, open) {
        (1, _) => "holds 1 key".to_owned(),
        (2.., _) => format!("holds {keys} keys"),
        (0, true) => "has open slots of an unfinished migration".to_owned(),
        (0, false) if node.role() == Some(Role::Replica) => "copies a primary without slots".to_owned(),
        (0, false) => "does not say what it is".to_owned(),
    }
}

/// Gives `left` to the shards with the fewest slots, so that the poorest are as rich as they can be; one block each.
fn give_to_the_poorest(shards: &mut [Shard], mut left: SlotSet) {
    let mut sizes: Vec<usize> = shards.iter().map(Shard::len).collect();
    let mut rest = left.len();
    while rest > 0 {
        let Some(least) = sizes.iter().min().copied() else { break };
        let poorest = sizes.iter().filter(|size| **size == least).count();
        // Fill the poorest up to the next richer one, or share evenly when there is none.
        let next = sizes.iter().filter(|size| **size > least).min();
        let room = next.map_or(usize::MAX, |next| next - least);
        let Some(poor) = sizes.iter_mut().find(|size| **size == least) else { break };
        let given = room.min(rest.div_ceil(poorest));
        *poor += given;
        rest -= given;
    }
    for (shard, size) in shards.iter_mut().zip(sizes) {
        shard.additions |= &left.split_off_first(size.saturating_sub(shard.len()));
    }
}

/// The slots of each of `shards` shards when all are as equal as counting allows: the ranges every other tool makes.
fn even_ranges(shards: usize) -> impl Iterator<Item = SlotRange> {
    let count = usize::from(SLOT_COUNT);
    let boundary = move |shard: usize| (shard * count + shards / 2) / shards.max(1);
    (0..shards).filter_map(move |shard| {
        let slot = |number: usize| Slot::new(u16::try_from(number).ok()?);
        SlotRange::new(slot(boundary(shard))?, slot(boundary(shard + 1).checked_sub(1)?)?)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn even_ranges_are_the_ones_people_expect() {
        let shown = |shards| even_ranges(shards).map(|range| range.to_string()).collect::<Vec<_>>();
        assert_eq!(shown(1), ["0-16383"]);
        assert_eq!(shown(3), ["0-5460", "5461-10922", "10923-16383"]);
        assert!(shown(0).is_empty());
        for shards in [2, 5, 7, 100, 1000, 16384] {
            let ranges: Vec<SlotRange> = even_ranges(shards).collect();
            assert_eq!(ranges.len(), shards);
            assert!(ranges.iter().copied().collect::<SlotSet>().is_full());
            let sizes: BTreeSet<usize> = ranges.iter().map(|range| range.len()).collect();
            assert!(sizes.last().unwrap() - sizes.first().unwrap() <= 1, "{shards}");
        }
    }

    #[test]
    fn the_poorest_are_filled_up_first_and_evenly() {
        let holding = |text: &str| Shard { held: text.parse().unwrap(), ..Shard::new() };
        let given = |held: &[&str], left: &str| {
            let mut shards: Vec<Shard> = held.iter().map(|text| holding(text)).collect();
            give_to_the_poorest(&mut shards, left.parse().unwrap());
            shards.iter().map(|shard| shard.additions.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(given(&["0-9", "10-14", "15-19"], "20-25"), ["", "20-22", "23-25"]);
        assert_eq!(given(&["0-9", "10-14", "15-19"], "20-24"), ["", "20-22", "23-24"]);
        assert_eq!(given(&["0-9", "10-14", "15-19"], "20-32"), ["20", "21-26", "27-32"]);
        assert_eq!(given(&[], "0-9"), Vec::<String>::new());
    }
}
