//! The keys of one command or pipeline, parted by the owner of their slots.
//!
//! Owns the counting sort and its buffer. Which slot a key has is decided in `hash`, whose it is in `map`.

use alloc::vec::Vec;
use core::fmt;
use core::iter::FusedIterator;

use crate::hash::key_slots;
use crate::map::{NOBODY, OwnerTable, SlotMap};
use crate::slot::Slot;

/// The memory that grouping works in, kept between calls: [`SlotMap::group_by_owner`] allocates only if it has more
/// keys, or the map more owners, than ever before.
///
/// One buffer serves any map, one call at a time.
#[derive(Clone, Default)]
pub struct OwnerGroups {
    /// The slot of each key.
    slots: Vec<Slot>,
    /// The group of each key.
    group_of: Vec<u16>,
    /// The groups in the order in which they were met.
    spans: Vec<Span>,
    /// The positions of the keys, group by group.
    positions: Vec<usize>,
    /// For each index of an owner, and at the end for nobody, its group plus one; all 0 between calls, so that what is
    /// touched costs, not how many owners there are.
    met: Vec<u16>,
}

/// The owner of a group, and where its positions end; they begin where those of the group before end.
#[derive(Clone, Copy)]
struct Span {
    owner: u16,
    end: usize,
}

impl OwnerGroups {
    /// A buffer that has no memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            group_of: Vec::new(),
            spans: Vec::new(),
            positions: Vec::new(),
            met: Vec::new(),
        }
    }

    /// Parts `self.slots`.
    fn part<Owner, V>(&mut self, map: &SlotMap<Owner, V>) {
        let Self { slots, group_of, spans, positions, met } = self;
        let bound = map.owner_table().bound();
        if met.len() <= bound {
            met.resize(bound + 1, 0);
        }
        group_of.resize(slots.len(), 0);
        spans.clear();
        for (slot, group) in slots.iter().zip(group_of.iter_mut()) {
            let owner = map.owner_index(*slot);
            // The place of nobody is the one after all owners.
            let Some(met) = met.get_mut(bound.min(usize::from(owner))) else { continue };
            if *met == 0 {
                spans.push(Span { owner, end: 0 });
                // At most as many groups as slots, and that of nobody.
                *met = spans.len() as u16;
            }
            *group = *met - 1;
            if let Some(span) = spans.get_mut(usize::from(*group)) {
                span.end += 1;
            }
        }
        // From how many there are to where they begin.
        let mut begin = 0;
        for span in spans.iter_mut() {
            begin += core::mem::replace(&mut span.end, begin);
            if let Some(met) = met.get_mut(bound.min(usize::from(span.owner))) {
                *met = 0;
            }
        }
        // And on to where they end, one key at a time.
        positions.resize(slots.len(), 0);
        for (position, group) in group_of.iter().enumerate() {
            if let Some(span) = spans.get_mut(usize::from(*group)) {
                if let Some(place) = positions.get_mut(span.end) {
                    *place = position;
                }
                span.end += 1;
            }
        }
    }
}

impl fmt::Debug for OwnerGroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerGroups").finish_non_exhaustive()
    }
}

impl<Owner, V> SlotMap<Owner, V> {
    /// Parts `keys` by the owners of their slots: groups in the order in which their owners first occur, and in each
    /// group the positions of its keys in ascending order. Keys of slots that nobody has form a group as well.
    ///
    /// Takes time for each key and none for owners that have no key here. `buffer` is reused from call to call.
    ///
    /// ```
    /// use slotwright_slots::{OwnerGroups, SlotMap, SlotRange};
    ///
    /// let mut map = SlotMap::new();
    /// map.assign_range("0-8191".parse()?, "a");
    /// map.assign_range("8192-16383".parse()?, "b");
    ///
    /// // MGET foo bar hello {foo}2: slots 12182, 5061, 866 and 12182 again.
    /// let (keys, mut buffer) = (["foo", "bar", "hello", "{foo}2"], OwnerGroups::new());
    /// let groups = map.group_by_owner(&keys, &mut buffer);
    /// let commands: Vec<String> = groups
    ///     .iter()
    ///     .map(|group| {
    ///         let keys: Vec<&str> = group.positions().iter().map(|&position| keys[position]).collect();
    ///         format!("{}: MGET {}", group.owner().unwrap_or(&"nobody"), keys.join(" "))
    ///     })
    ///     .collect();
    /// assert_eq!(commands, ["b: MGET foo {foo}2", "a: MGET bar hello"]);
    /// assert_eq!(groups.slots()[0].get(), 12182);
    /// # Ok::<(), slotwright_slots::ParseSlotError>(())
    /// ```
    pub fn group_by_owner<'a, K: AsRef<[u8]>>(
        &'a self,
        keys: &[K],
        buffer: &'a mut OwnerGroups,
    ) -> GroupedKeys<'a, Owner> {
        buffer.slots.resize(keys.len(), Slot::MIN);
        key_slots(keys, &mut buffer.slots);
        buffer.part(self);
        GroupedKeys { owners: self.owner_table(), buffer }
    }

    /// As [`group_by_owner`](SlotMap::group_by_owner), for keys whose slots are known.
    pub fn group_slots_by_owner<'a>(
        &'a self,
        slots: &[Slot],
        buffer: &'a mut OwnerGroups,
    ) -> GroupedKeys<'a, Owner> {
        buffer.slots.clear();
        buffer.slots.extend_from_slice(slots);
        buffer.part(self);
        GroupedKeys { owners: self.owner_table(), buffer }
    }
}

/// Keys parted by owner; from [`SlotMap::group_by_owner`].
pub struct GroupedKeys<'a, Owner> {
    owners: &'a OwnerTable<Owner>,
    buffer: &'a OwnerGroups,
}

impl<'a, Owner> GroupedKeys<'a, Owner> {
    /// How many groups there are: owners met, and one more if any slot has none.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.buffer.spans.len()
    }

    /// Whether there are no groups, as there were no keys.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.buffer.spans.is_empty()
    }

    /// The groups, in the order in which their owners first occur.
    #[must_use]
    pub fn iter(&self) -> GroupIter<'a, Owner> {
        GroupIter {
            owners: self.owners,
            positions: &self.buffer.positions,
            spans: self.buffer.spans.iter(),
            begin: 0,
        }
    }

    /// The slot of each key, in the order of the keys.
    #[must_use]
    pub fn slots(&self) -> &'a [Slot] {
        &self.buffer.slots
    }
}

impl<Owner> Clone for GroupedKeys<'_, Owner> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Owner> Copy for GroupedKeys<'_, Owner> {}

impl<Owner: fmt::Debug> fmt::Debug for GroupedKeys<'_, Owner> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|group| (group.owner(), group.positions()))).finish()
    }
}

impl<'a, Owner> IntoIterator for GroupedKeys<'a, Owner> {
    type Item = Group<'a, Owner>;
    type IntoIter = GroupIter<'a, Owner>;

    fn into_iter(self) -> GroupIter<'a, Owner> {
        self.iter()
    }
}

impl<'a, Owner> IntoIterator for &GroupedKeys<'a, Owner> {
    type Item = Group<'a, Owner>;
    type IntoIter = GroupIter<'a, Owner>;

    fn into_iter(self) -> GroupIter<'a, Owner> {
        self.iter()
    }
}

/// The keys of one owner.
#[derive(Debug)]
pub struct Group<'a, Owner> {
    owner: Option<&'a Owner>,
    positions: &'a [usize],
}

impl<'a, Owner> Group<'a, Owner> {
    /// The owner; `None` for the keys whose slots have none.
    #[must_use]
    pub const fn owner(&self) -> Option<&'a Owner> {
        self.owner
    }

    /// Where its keys stand among all keys, in ascending order; at least one.
    #[must_use]
    pub const fn positions(&self) -> &'a [usize] {
        self.positions
    }
}

impl<Owner> Clone for Group<'_, Owner> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Owner> Copy for Group<'_, Owner> {}

/// The groups of [`GroupedKeys`], in the order in which their owners first occur.
pub struct GroupIter<'a, Owner> {
    owners: &'a OwnerTable<Owner>,
    positions: &'a [usize],
    spans: core::slice::Iter<'a, Span>,
    begin: usize,
}

impl<'a, Owner> Iterator for GroupIter<'a, Owner> {
    type Item = Group<'a, Owner>;

    fn next(&mut self) -> Option<Group<'a, Owner>> {
        let span = self.spans.next()?;
        let positions = self.positions.get(self.begin..span.end).unwrap_or_default();
        self.begin = span.end;
        let owner = if span.owner == NOBODY { None } else { self.owners.get(span.owner) };
        Some(Group { owner, positions })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl<Owner> ExactSizeIterator for GroupIter<'_, Owner> {}
impl<Owner> FusedIterator for GroupIter<'_, Owner> {}

impl<Owner> Clone for GroupIter<'_, Owner> {
    fn clone(&self) -> Self {
        Self { owners: self.owners, positions: self.positions, spans: self.spans.clone(), begin: self.begin }
    }
}

impl<Owner: fmt::Debug> fmt::Debug for GroupIter<'_, Owner> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::key_slot;
    use crate::range::SlotRange;
    use alloc::string::String;
    use alloc::vec;
    use alloc::{format, vec::Vec};
    use proptest::prelude::*;

    type Groups<Owner> = Vec<(Option<Owner>, Vec<usize>)>;

    fn collect<Owner: Copy>(groups: GroupedKeys<'_, Owner>) -> Groups<Owner> {
        groups.iter().map(|group| (group.owner().copied(), group.positions().to_vec())).collect()
    }

    fn naive<Owner: Copy + PartialEq>(map: &SlotMap<Owner>, slots: &[Slot]) -> Groups<Owner> {
        let mut groups: Groups<Owner> = Vec::new();
        for (position, slot) in slots.iter().enumerate() {
            let owner = map.get(*slot).copied();
            match groups.iter_mut().find(|group| group.0 == owner) {
                Some(group) => group.1.push(position),
                None => groups.push((owner, vec![position])),
            }
        }
        groups
    }

    /// `owners` owners in turn, `step` slots each; every eleventh slot or so nobody's.
    fn map_of(owners: u16, step: u16) -> SlotMap<u16> {
        let mut map: SlotMap<u16> =
            Slot::all().map(|slot| (SlotRange::from(slot), slot.get() / step % owners)).collect();
        Slot::all().filter(|slot| slot.get() % 11 == 3).for_each(|slot| {
            map.clear(slot);
        });
        map
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn like_a_search_for_each_key(
            maps in proptest::collection::vec((1..300u16, 1..600u16), 1..3),
            calls in proptest::collection::vec(proptest::collection::vec("[a-z{}]{0,9}", 0..60), 1..5),
        ) {
            // One buffer for maps of different sizes and calls of different lengths.
            let mut buffer = OwnerGroups::new();
            for (owners, step) in maps {
                let map = map_of(owners, step);
                for keys in &calls {
                    let slots: Vec<Slot> = keys.iter().map(|key| key_slot(key.as_bytes())).collect();
                    let expected = naive(&map, &slots);
                    let groups = map.group_by_owner(keys, &mut buffer);
                    prop_assert_eq!(groups.slots(), &slots);
                    prop_assert_eq!((groups.len(), groups.iter().len()), (expected.len(), expected.len()));
                    prop_assert_eq!(groups.is_empty(), keys.is_empty());
                    prop_assert_eq!(&collect(groups), &expected);
                    prop_assert_eq!(collect(map.group_slots_by_owner(&slots, &mut buffer)), expected);
                }
            }
        }
    }

    #[test]
    fn every_slot_a_group_of_its_own() {
        let map: SlotMap<u16> = Slot::all().skip(1).map(|slot| (slot.into(), slot.get())).collect();
        let slots: Vec<Slot> = Slot::all().chain(Slot::all()).rev().collect();
        let mut buffer = OwnerGroups::new();
        let groups = map.group_slots_by_owner(&slots, &mut buffer);
        assert_eq!(groups.len(), 16384);
        for (group, slot) in groups.into_iter().zip(Slot::all().rev()) {
            assert_eq!(group.owner().copied(), Some(slot.get()).filter(|number| *number != 0));
            let first = 16383 - slot.index();
            assert_eq!(group.positions(), [first, first + 16384]);
        }
    }

    #[test]
    fn a_map_of_nobody_is_one_group() {
        let map = SlotMap::<String>::new();
        let mut buffer = OwnerGroups::default();
        let groups = map.group_by_owner(&["a", "b"], &mut buffer);
        assert_eq!(format!("{groups:?}"), "{None: [0, 1]}");
        assert_eq!(map.group_by_owner(&[""; 0], &mut buffer).len(), 0);
    }

    #[test]
    fn keys_that_panic_leave_the_buffer_in_order() {
        struct Bad;
        impl AsRef<[u8]> for Bad {
            fn as_ref(&self) -> &[u8] {
                panic!("no key")
            }
        }
        let map = map_of(5, 100);
        let mut buffer = OwnerGroups::new();
        map.group_by_owner(&["x"; 20], &mut buffer);
        let caught = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
            map.group_by_owner(&[Bad, Bad], &mut buffer);
        }));
        assert!(caught.is_err());
        let slots = [Slot::MIN, Slot::MAX];
        assert_eq!(collect(map.group_slots_by_owner(&slots, &mut buffer)), naive(&map, &slots));
    }
}
