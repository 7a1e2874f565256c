//! Which owner each slot has.
//!
//! Owns the table of slots; `owners` keeps the owners themselves. What an owner is, is the caller's business.

mod owners;

use alloc::boxed::Box;
use core::fmt;
use core::iter::FusedIterator;

use crate::range::SlotRange;
use crate::set::{SlotSet, WORD_BITS, WORDS};
use crate::slot::{SLOT_COUNT, Slot};
use owners::{NOBODY, OwnerTable};

const SLOTS: usize = SLOT_COUNT as usize;

/// The owner of each slot, where there is one.
///
/// 16384 indices of two bytes into a table that holds each owner once: 32 KiB and the owners. [`get`](SlotMap::get)
/// and [`clear`](SlotMap::clear) take constant time in the number of slots; [`set`](SlotMap::set) also looks the owner
/// up among the others (a binary search). An owner is kept exactly as long as it has a slot. If a given owner equals
/// one already there, the one already there is kept.
///
/// Two maps are equal if every slot has equal owners in both.
///
/// ```
/// use slotwright_slots::{Slot, SlotMap, SlotSet};
///
/// let mut map = SlotMap::new();
/// map.assign(&"0-5460".parse::<SlotSet>()?, "a");
/// map.assign(&"5461-10922".parse::<SlotSet>()?, "b");
/// assert_eq!(map.get(Slot::MIN), Some(&"a"));
/// assert_eq!(map.get(Slot::MAX), None);
/// assert_eq!(map.uncovered().to_string(), "10923-16383");
///
/// // One slot moves; then `a` fails over to `c`.
/// map.set(Slot::MIN, "b");
/// map.assign(&map.slots_of(&"a"), "c");
/// assert!(map.owners().eq(&["b", "c"]));
/// assert_eq!(map.slots_of(&"c").to_string(), "1-5460");
/// # Ok::<(), slotwright_slots::ParseSlotError>(())
/// ```
#[derive(Clone)]
pub struct SlotMap<Owner> {
    /// For each slot the index of its owner in the table, or `NOBODY`.
    indices: Box<[u16; SLOTS]>,
    owners: OwnerTable<Owner>,
}

impl<Owner> SlotMap<Owner> {
    /// A map in which no slot has an owner.
    #[must_use]
    pub fn new() -> Self {
        Self { indices: Box::new([NOBODY; SLOTS]), owners: OwnerTable::new() }
    }

    /// The owner of `slot`.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Owner> {
        self.indices.get(slot.index()).and_then(|&index| self.owners.get(index))
    }

    /// Leaves `slot` without an owner; true if it had one.
    pub fn clear(&mut self, slot: Slot) -> bool {
        let had_one = self.get(slot).is_some();
        self.point(SlotRange::from(slot), NOBODY);
        had_one
    }

    /// Leaves all slots of `range` without an owner.
    pub fn clear_range(&mut self, range: SlotRange) {
        self.point(range, NOBODY);
    }

    /// The owners that have a slot, each once, in ascending order.
    pub fn owners(&self) -> impl ExactSizeIterator<Item = &Owner> {
        self.owners.iter()
    }

    /// The slots without an owner.
    ///
    /// ```
    /// use slotwright_slots::{SlotMap, SlotSet};
    ///
    /// assert_eq!(SlotMap::<u8>::new().uncovered(), SlotSet::full());
    /// ```
    #[must_use]
    pub fn uncovered(&self) -> SlotSet {
        self.slots_with(NOBODY)
    }

    /// Whether every slot has an owner.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.indices.iter().all(|&index| index != NOBODY)
    }

    /// The owners in the order of their slots: the longest stretches of consecutive slots with one owner. Slots
    /// without an owner are left out.
    ///
    /// ```
    /// use slotwright_slots::{SlotMap, SlotRange};
    ///
    /// let map: SlotMap<_> = [("0-99", 'a'), ("40", 'b')]
    ///     .into_iter()
    ///     .map(|(range, owner)| Ok((range.parse::<SlotRange>()?, owner)))
    ///     .collect::<Result<_, slotwright_slots::ParseSlotError>>()?;
    /// let runs: Vec<String> = map.runs().map(|(range, owner)| format!("{range}:{owner}")).collect();
    /// assert_eq!(runs, ["0-39:a", "40:b", "41-99:a"]);
    /// # Ok::<(), slotwright_slots::ParseSlotError>(())
    /// ```
    #[must_use]
    pub fn runs(&self) -> MapRuns<'_, Owner> {
        MapRuns { map: self, next: 0 }
    }

    /// Gives all slots of `range` to the owner at `index`, and drops owners that lose their last slot.
    fn point(&mut self, range: SlotRange, index: u16) {
        let Some(span) = self.indices.get_mut(range.start().index()..=range.end().index()) else {
            return;
        };
        // Counted up before down, so that an owner who has the slots already is not dropped in between.
        self.owners.add(index, range.len());
        for run in span.chunk_by(|a, b| a == b) {
            if let Some(&old) = run.first() {
                self.owners.subtract(old, run.len());
            }
        }
        span.fill(index);
    }

    fn slots_with(&self, index: u16) -> SlotSet {
        let mut words = [0; WORDS];
        for (word, chunk) in words.iter_mut().zip(self.indices.chunks_exact(WORD_BITS)) {
            for (bit, &other) in chunk.iter().enumerate() {
                *word |= u64::from(other == index) << bit;
            }
        }
        SlotSet::from_words(words)
    }
}

impl<Owner: Ord> SlotMap<Owner> {
    /// Gives `slot` to `owner`; true if that changed anything.
    pub fn set(&mut self, slot: Slot, owner: Owner) -> bool {
        let changes = self.get(slot) != Some(&owner);
        if changes {
            self.assign_range(SlotRange::from(slot), owner);
        }
        changes
    }

    /// Gives all of `slots` to `owner`.
    pub fn assign(&mut self, slots: &SlotSet, owner: Owner) {
        // An owner without a slot must not get into the table.
        if slots.is_empty() {
            return;
        }
        let index = self.owners.intern(owner);
        for range in slots.ranges() {
            self.point(range, index);
        }
    }

    /// Gives all slots of `range` to `owner`.
    pub fn assign_range(&mut self, range: SlotRange, owner: Owner) {
        let index = self.owners.intern(owner);
        self.point(range, index);
    }

    /// The slots `owner` has; none if it is not known.
    #[must_use]
    pub fn slots_of(&self, owner: &Owner) -> SlotSet {
        self.owners.find(owner).map(|index| self.slots_with(index)).unwrap_or_default()
    }

    /// How many slots `owner` has, 0 to 16384, without looking at them.
    #[must_use]
    pub fn slot_count(&self, owner: &Owner) -> usize {
        self.owners.find(owner).map_or(0, |index| self.owners.slots(index))
    }
}

impl<Owner> Default for SlotMap<Owner> {
    fn default() -> Self {
        Self::new()
    }
}

/// Later items win where ranges overlap.
impl<Owner: Ord> Extend<(SlotRange, Owner)> for SlotMap<Owner> {
    fn extend<I: IntoIterator<Item = (SlotRange, Owner)>>(&mut self, runs: I) {
        for (range, owner) in runs {
            self.assign_range(range, owner);
        }
    }
}

/// Later items win where ranges overlap.
impl<Owner: Ord> FromIterator<(SlotRange, Owner)> for SlotMap<Owner> {
    fn from_iter<I: IntoIterator<Item = (SlotRange, Owner)>>(runs: I) -> Self {
        let mut map = Self::new();
        map.extend(runs);
        map
    }
}

impl<Owner: PartialEq> PartialEq for SlotMap<Owner> {
    fn eq(&self, other: &Self) -> bool {
        // The indices depend on history, the runs do not.
        self.runs().eq(other.runs())
    }
}

impl<Owner: Eq> Eq for SlotMap<Owner> {}

impl<Owner: fmt::Debug> fmt::Debug for SlotMap<Owner> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.runs().map(|(range, owner)| (DebugAsText(range), owner))).finish()
    }
}

struct DebugAsText(SlotRange);

impl fmt::Debug for DebugAsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The stretches of a [`SlotMap`] that have one owner each, in ascending order; from [`SlotMap::runs`].
#[derive(Debug, Clone)]
pub struct MapRuns<'a, Owner> {
    map: &'a SlotMap<Owner>,
    /// The slot to go on with; 16384 at the end.
    next: usize,
}

impl<'a, Owner> Iterator for MapRuns<'a, Owner> {
    type Item = (SlotRange, &'a Owner);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.next;
            let rest = self.map.indices.get(start..)?;
            let index = *rest.first()?;
            let length = rest.iter().position(|&other| other != index).unwrap_or(rest.len());
            self.next = start + length;
            if let Some(owner) = self.map.owners.get(index) {
                let range = SlotRange::new(Slot::from_index(start), Slot::from_index(self.next - 1))?;
                return Some((range, owner));
            }
        }
    }
}

impl<Owner> FusedIterator for MapRuns<'_, Owner> {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::sync::Arc;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn slot(number: u16) -> Slot {
        Slot::new(number).unwrap()
    }

    #[derive(Debug, Clone)]
    enum Op {
        Set(u16, u8),
        Clear(u16),
        ClearRange(SlotRange),
        AssignRange(SlotRange, u8),
        Assign(Vec<SlotRange>, u8),
    }

    fn op() -> impl Strategy<Value = Op> {
        let range = || {
            (0..16384u16, 0..3000u16).prop_map(|(start, more)| {
                SlotRange::new(slot(start), slot((start + more).min(16383))).unwrap()
            })
        };
        // Few owners: they come and go, and meet each other.
        let owner = || 0..5u8;
        prop_oneof![
            (0..16384u16, owner()).prop_map(|(slot, owner)| Op::Set(slot, owner)),
            (0..16384u16).prop_map(Op::Clear),
            range().prop_map(Op::ClearRange),
            (range(), owner()).prop_map(|(range, owner)| Op::AssignRange(range, owner)),
            (proptest::collection::vec(range(), 0..4), owner())
                .prop_map(|(ranges, owner)| Op::Assign(ranges, owner)),
        ]
    }

    fn check(map: &SlotMap<u8>, model: &[Option<u8>]) {
        assert!(Slot::all().map(|slot| map.get(slot).copied()).eq(model.iter().copied()));
        let of = |owner| -> SlotSet { Slot::all().filter(|slot| model[slot.index()] == owner).collect() };
        let mut owners: Vec<u8> = model.iter().copied().flatten().collect();
        owners.sort_unstable();
        owners.dedup();
        assert!(map.owners().copied().eq(owners));
        assert_eq!(map.uncovered(), of(None));
        assert_eq!(map.is_complete(), of(None).is_empty());
        for owner in 0..6 {
            assert_eq!(map.slots_of(&owner), of(Some(owner)));
            assert_eq!(map.slot_count(&owner), of(Some(owner)).len());
        }
        let mut from_runs = vec![None; 16384];
        let mut before: Option<(SlotRange, u8)> = None;
        for (range, &owner) in map.runs() {
            if let Some((previous, same)) = before {
                assert!(previous.end() < range.start());
                assert!(same != owner || previous.end().get() + 1 < range.start().get(), "runs that touch");
            }
            range.iter().for_each(|slot| from_runs[slot.index()] = Some(owner));
            before = Some((range, owner));
        }
        assert_eq!(from_runs, model);
        let rebuilt: SlotMap<u8> = map.runs().map(|(range, &owner)| (range, owner)).collect();
        assert_eq!(&rebuilt, map);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn like_an_array_of_owners(ops in proptest::collection::vec(op(), 0..25)) {
            let (mut map, mut model) = (SlotMap::new(), vec![None; 16384]);
            for op in ops {
                match op {
                    Op::Set(number, owner) => {
                        let old = model[usize::from(number)].replace(owner);
                        prop_assert_eq!(map.set(slot(number), owner), old != Some(owner));
                    }
                    Op::Clear(number) => {
                        prop_assert_eq!(map.clear(slot(number)), model[usize::from(number)].take().is_some());
                    }
                    Op::ClearRange(range) => {
                        map.clear_range(range);
                        range.iter().for_each(|slot| model[slot.index()] = None);
                    }
                    Op::AssignRange(range, owner) => {
                        map.assign_range(range, owner);
                        range.iter().for_each(|slot| model[slot.index()] = Some(owner));
                    }
                    Op::Assign(ranges, owner) => {
                        let slots: SlotSet = ranges.into_iter().collect();
                        map.assign(&slots, owner);
                        slots.iter().for_each(|slot| model[slot.index()] = Some(owner));
                    }
                }
            }
            check(&map, &model);
        }
    }

    #[test]
    fn equality_forgets_history() {
        let mut a = SlotMap::new();
        a.assign_range(SlotRange::ALL, "x");
        a.set(slot(5), "y");
        let mut b = SlotMap::new();
        b.assign_range(SlotRange::ALL, "z");
        b.set(slot(5), "y");
        assert_ne!(a, b);
        b.assign(&b.slots_of(&"z"), "x");
        assert_eq!(a, b);
        b.clear(slot(9));
        assert_ne!(a, b);
    }

    #[test]
    fn an_owner_is_dropped_with_its_last_slot() {
        let owner = Arc::new("connection");
        let mut map = SlotMap::new();
        map.assign(&SlotSet::new(), owner.clone());
        assert_eq!((map.owners().len(), Arc::strong_count(&owner)), (0, 1));
        map.assign(&"1-3 8".parse().unwrap(), owner.clone());
        assert_eq!(Arc::strong_count(&owner), 2);
        map.assign_range("0-7".parse().unwrap(), Arc::new("other"));
        assert_eq!(map.slot_count(&owner), 1);
        map.clear(slot(8));
        assert_eq!(Arc::strong_count(&owner), 1);
    }

    #[test]
    fn every_slot_may_have_an_owner_of_its_own() {
        let mut map: SlotMap<u16> = Slot::all().map(|slot| (SlotRange::from(slot), slot.get())).collect();
        assert_eq!((map.owners().len(), map.runs().count(), map.is_complete()), (16384, 16384, true));
        // One owner more, while all others still have theirs.
        map.set(slot(77), 20_000);
        assert_eq!((map.owners().len(), map.get(slot(77))), (16384, Some(&20_000)));
        assert_eq!(map.slots_of(&16383), SlotSet::from(Slot::MAX));
    }

    #[test]
    fn debug_shows_runs() {
        let mut map = SlotMap::new();
        map.assign_range("0-9".parse().unwrap(), String::from("a"));
        map.set(slot(12), "b".to_string());
        assert_eq!(format!("{map:?}"), r#"{0-9: "a", 12: "b"}"#);
    }
}
