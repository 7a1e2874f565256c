//! Slot to owner, measured in turns: our map beside the `BTreeMap` of ranges that redis-rs has.
//!
//! The suite `routing` compares more structures at more sizes; this one pair stands here as well, because a ratio is
//! demanded of it, and ratios are measured in turns.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use slotwright_slots::{SLOT_COUNT, Slot, SlotMap, SlotRange};

use crate::turns::{Race, RowName, Runner};

/// The group of the row.
pub(crate) const GROUP: &str = "look_up";
/// The peer's structure, as the suite `routing` calls it.
pub(crate) const TREE: &str = "btreemap-ranges";
/// Nodes that own slots, one range each.
pub(crate) const NODES: usize = 100;
/// Random slots in a pass: more than a branch predictor learns by heart.
const PASS: usize = 1 << 16;

type Node = Arc<str>;

/// Both structures, and the slots to look up.
pub(crate) struct Tables {
    map: SlotMap<Node>,
    /// By the last slot of each range, its first slot and the owner.
    tree: BTreeMap<u16, (u16, Node)>,
    slots: Vec<Slot>,
}

impl Tables {
    pub(crate) fn new() -> Self {
        let border = |number: usize| (number * usize::from(SLOT_COUNT) / NODES) as u16;
        let run = |number: usize| {
            let range = SlotRange::new(Slot::new(border(number))?, Slot::new(border(number + 1) - 1)?)?;
            Some((range, Node::from(format!("10.0.0.{number}:6379"))))
        };
        let runs: Vec<(SlotRange, Node)> = (0..NODES).filter_map(run).collect();
        let entry =
            |(range, node): &(SlotRange, Node)| (range.end().get(), (range.start().get(), node.clone()));
        Self {
            map: runs.iter().cloned().collect(),
            tree: runs.iter().map(entry).collect(),
            slots: random_slots(),
        }
    }

    fn in_tree(&self, slot: Slot) -> Option<&Node> {
        let (_, (start, node)) = self.tree.range(slot.get()..).next()?;
        (*start <= slot.get()).then_some(node)
    }

    /// The race of the two.
    pub(crate) fn race(&self) -> Race<'_> {
        let name = RowName { group: GROUP.to_owned(), keys: format!("{NODES} nodes"), length: None };
        let ours = self.runner(slotwright_benches::single::OURS, |tables, slot| tables.map.get(slot));
        let tree = self.runner(TREE, Self::in_tree);
        Race { name, keys: self.slots.len(), runners: vec![ours, tree] }
    }

    fn runner<'a>(
        &'a self,
        name: &str,
        look_up: impl Fn(&'a Self, Slot) -> Option<&'a Node> + 'a,
    ) -> Runner<'a> {
        Runner::new(name, move |passes| {
            for _ in 0..passes {
                let tables = black_box(self);
                // The owner is read, what it points to is not.
                let length = |slot: &Slot| look_up(tables, *slot).map_or(0, |node| node.len());
                black_box(tables.slots.iter().map(length).fold(0, usize::wrapping_add));
            }
        })
    }
}

/// The same random slots in every run (xorshift).
fn random_slots() -> Vec<Slot> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Slot::new((state >> 40) as u16 % SLOT_COUNT)
    };
    (0..PASS).filter_map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_structures_have_the_same_owners() {
        let tables = Tables::new();
        assert!(
            Slot::all()
                .all(|slot| tables.map.get(slot).is_some() && tables.map.get(slot) == tables.in_tree(slot))
        );
        assert_eq!((tables.tree.len(), tables.slots.len()), (NODES, PASS));
    }
}
