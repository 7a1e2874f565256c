//! Which owner each slot has.
//!
//! Owns the map, reading it and writing it without versions; `claims` writes with versions and merges, `runs` walks.
//! `table` keeps the slots, in `block`s, and `owners` the owners. What an owner is, is the caller's business.
//!
//! # Why this layout
//!
//! Measured in turns on a Zen 3 core, medians, 100 owners with one range each; every column relative to the layout
//! that was kept. *Cold* is the 17th to 64th look-up after all caches were walked over; the last column is a clone
//! with one slot patched.
//!
//! | layout | bytes | random | each after the other | cold | clone and patch |
//! |---|---|---|---|---|---|
//! | **blocks of up to three runs** | 4096 | 1 (2.4–3.3 ns) | 1 (8 ns) | 1 (60 ns) | 1 (0.3–0.4 µs) |
//! | array of `u16` | 32768 | 0.5 | 0.7 | 2.2 | 3 |
//! | array of `u8`, at most 255 owners | 16384 | 0.5 | 0.6 | 1.8 | 1.5 |
//! | array of `u16` in 16 shared pages | 32768 | 0.8 | 0.9 | 2.2 | 0.8 |
//! | sorted ranges, binary search | 1600 | 4 | 2.6 | 0.4 | 0.5 |
//! | the ends in Eytzinger order | 1300 | 5 | 3 | 0.6 | 0.4 |
//! | `BTreeMap` of ranges | about 3000 | 13 | 4.5 | 0.8 | 3 |
//!
//! An array is the fastest where it has the first-level cache to itself, which it fills; a program that does anything
//! between two look-ups reads it from further away. A search mispredicts about every other step, and the more the more
//! owners there are: at 1,000 the map takes as long as at 100, a `BTreeMap` 20 times that, and no layout beats it on
//! cold caches. Blocks take a constant number of steps without a branch to predict, in an eighth of the memory.

mod block;
mod claims;
mod owners;
mod runs;
mod table;
#[cfg(test)]
mod tests;

use core::fmt;

pub use claims::{ClaimOutcome, ClaimReport};
pub use runs::MapRuns;

pub(crate) use block::NOBODY;
pub(crate) use owners::OwnerTable;

use crate::range::SlotRange;
use crate::set::SlotSet;
use crate::slot::{SLOT_COUNT, Slot};
use table::Table;

/// The owner of each slot, where there is one, with its replicas and the version of what is known.
///
/// A value that is cheap to clone: clones share their memory, and writing to one copies what it must. A map of a
/// cluster takes 4 KiB and the owners; a slot patched in a clone copies these 4 KiB and two bytes for each owner, not
/// the owners. A map that shares nothing is written in place.
///
/// [`get`](SlotMap::get), [`route`](SlotMap::route) and [`clear`](SlotMap::clear) take constant time in the number of
/// slots and of owners; [`set`](SlotMap::set) also looks the owner up among the others (a binary search). An owner is
/// kept exactly as long as it has a slot. If a given owner equals one already there, the one already there is kept.
///
/// Reading asks nothing of `Owner`. Writing asks for `Clone`, since owners are copied when the *set* of owners changes
/// in a map that shares its memory: make an owner that is dear to clone an `Arc`.
///
/// # Versions
///
/// With a version `V`, for example the config epoch, every slot remembers the version at which it was last written,
/// and what is older is refused: see [`claim`](SlotMap::claim), [`release`](SlotMap::release) and
/// [`merge`](SlotMap::merge). Without, `V` is `()`, takes no memory and no time, and the map is written with
/// [`set`](SlotMap::set), [`assign`](SlotMap::assign) and [`clear`](SlotMap::clear). Make one that has versions with
/// `SlotMap::default()`.
///
/// Two maps are equal if every slot has equal owners, with equal replicas, at equal versions in both.
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
pub struct SlotMap<Owner, V = ()> {
    table: Table<V>,
    owners: OwnerTable<Owner>,
}

/// What a [`SlotMap`] knows of one slot.
#[derive(Debug)]
#[non_exhaustive]
pub struct Route<'a, Owner, V = ()> {
    /// The owner, if there is one.
    pub owner: Option<&'a Owner>,
    /// The replicas of the owner, in the order they were given.
    pub replicas: &'a [Owner],
    /// The version at which the slot was last claimed or released.
    pub version: &'a V,
}

impl<Owner> SlotMap<Owner> {
    /// A map in which no slot has an owner, without versions. For one with versions see [`SlotMap::default`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<Owner, V> SlotMap<Owner, V> {
    /// The owner of `slot`.
    #[inline]
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Owner> {
        let glance = self.table.glance(slot);
        // One check for all that is usual: neither nobody nor a reference to a page names a place.
        match self.owners.place(glance) {
            Some(owner) => owner.as_ref(),
            None => self.get_in_page(slot, glance),
        }
    }

    /// Kept out of the way of what is usual.
    #[cold]
    fn get_in_page(&self, slot: Slot, glance: u16) -> Option<&Owner> {
        self.owners.get(self.table.resolve(slot, glance))
    }

    /// The owner of `slot`, its replicas, and the version of `slot`.
    ///
    /// ```
    /// use slotwright_slots::{Slot, SlotMap, SlotRange};
    ///
    /// let mut map = SlotMap::default();
    /// map.claim_range(SlotRange::ALL, "a", 7_u64);
    /// map.set_replicas(&"a", ["a-1", "a-2"]);
    ///
    /// let route = map.route(Slot::MIN);
    /// assert_eq!((route.owner, route.replicas, *route.version), (Some(&"a"), &["a-1", "a-2"][..], 7));
    /// ```
    #[inline]
    #[must_use]
    pub fn route(&self, slot: Slot) -> Route<'_, Owner, V> {
        let (index, version) = self.table.entry(slot);
        Route { owner: self.owners.get(index), replicas: self.owners.replicas(index), version }
    }

    /// The replicas of the owner of `slot`, in the order they were given; none if none were.
    #[inline]
    #[must_use]
    pub fn replicas(&self, slot: Slot) -> &[Owner] {
        self.owners.replicas(self.table.value(slot))
    }

    /// The version at which `slot` was last claimed or released; the default one if it never was.
    #[inline]
    #[must_use]
    pub fn version(&self, slot: Slot) -> &V {
        self.table.entry(slot).1
    }

    /// The owners that have a slot, each once, in ascending order.
    pub fn owners(&self) -> impl ExactSizeIterator<Item = &Owner> {
        self.owners.iter()
    }

    /// Whether every slot has an owner.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.owners.slots_in_all() == usize::from(SLOT_COUNT)
    }

    /// The index of the owner of `slot`, below the bound of the table of owners, or [`NOBODY`].
    #[inline]
    pub(crate) fn owner_index(&self, slot: Slot) -> u16 {
        self.table.value(slot)
    }

    pub(crate) const fn owner_table(&self) -> &OwnerTable<Owner> {
        &self.owners
    }

    /// Whether both are the same memory, and hence the same.
    #[cfg(feature = "std")]
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        self.table.is_shared_with(&other.table) && self.owners.is_shared_with(&other.owners)
    }
}

impl<Owner, V: PartialEq> SlotMap<Owner, V> {
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

    fn slots_with(&self, index: u16) -> SlotSet {
        let mut slots = SlotSet::new();
        let mut next = 0;
        while let Some(run) = self.table.run_at(next, |a, b| a.value == b.value) {
            next = run.end;
            if run.value == index
                && let Some(range) = runs::range_of(&run)
            {
                slots.insert_range(range);
            }
        }
        slots
    }
}

impl<Owner: Ord, V: PartialEq> SlotMap<Owner, V> {
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

    /// Says which replicas `owner` has, in place of what was said before. True if that could be kept: an owner without
    /// a slot is not known, and what was said of its replicas goes when it loses its last slot.
    pub fn set_replicas(&mut self, owner: &Owner, replicas: impl IntoIterator<Item = Owner>) -> bool {
        let Some(index) = self.owners.find(owner) else { return false };
        self.owners.set_replicas(index, replicas.into_iter().collect());
        true
    }
}

impl<Owner: Clone> SlotMap<Owner> {
    /// Leaves `slot` without an owner; true if it had one.
    pub fn clear(&mut self, slot: Slot) -> bool {
        self.release(slot, ()) == ClaimOutcome::Moved
    }

    /// Leaves all slots of `range` without an owner.
    pub fn clear_range(&mut self, range: SlotRange) {
        self.release_range(range, ());
    }
}

impl<Owner: Ord + Clone> SlotMap<Owner> {
    /// Gives `slot` to `owner`; true if that changed anything.
    pub fn set(&mut self, slot: Slot, owner: Owner) -> bool {
        self.claim(slot, owner, ()) == ClaimOutcome::Moved
    }

    /// Gives all of `slots` to `owner`.
    pub fn assign(&mut self, slots: &SlotSet, owner: Owner) {
        self.claim_all(slots, owner, ());
    }

    /// Gives all slots of `range` to `owner`.
    pub fn assign_range(&mut self, range: SlotRange, owner: Owner) {
        self.claim_range(range, owner, ());
    }
}

/// A map in which no slot has an owner and every slot the default version.
impl<Owner, V: Default> Default for SlotMap<Owner, V> {
    fn default() -> Self {
        Self { table: Table::new(), owners: OwnerTable::new() }
    }
}

/// Copies no slot and no owner: the memory is shared until one of the two is written.
impl<Owner, V: Clone> Clone for SlotMap<Owner, V> {
    fn clone(&self) -> Self {
        Self { table: self.table.clone(), owners: self.owners.clone() }
    }
}

/// Later items win where ranges overlap.
impl<Owner: Ord + Clone> Extend<(SlotRange, Owner)> for SlotMap<Owner> {
    fn extend<I: IntoIterator<Item = (SlotRange, Owner)>>(&mut self, runs: I) {
        for (range, owner) in runs {
            self.assign_range(range, owner);
        }
    }
}

/// Later items win where ranges overlap.
impl<Owner: Ord + Clone> FromIterator<(SlotRange, Owner)> for SlotMap<Owner> {
    fn from_iter<I: IntoIterator<Item = (SlotRange, Owner)>>(runs: I) -> Self {
        let mut map = Self::new();
        map.extend(runs);
        map
    }
}

impl<Owner: PartialEq, V: PartialEq> PartialEq for SlotMap<Owner, V> {
    fn eq(&self, other: &Self) -> bool {
        // Indices depend on history, and so do blocks and pages; routes do not.
        self.routes().eq(other.routes())
    }
}

impl<Owner: Eq, V: Eq> Eq for SlotMap<Owner, V> {}

impl<Owner: fmt::Debug, V: fmt::Debug + PartialEq> fmt::Debug for SlotMap<Owner, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        if size_of::<V>() == 0 {
            map.entries(self.runs().map(|(range, owner)| (DebugAsText(range), owner)));
        } else {
            for (range, route) in self.routes() {
                let Route { owner, version, .. } = route;
                match owner {
                    Some(owner) => map.entry(&DebugAsText(range), &format_args!("{owner:?} at {version:?}")),
                    None => map.entry(&DebugAsText(range), &format_args!("nobody at {version:?}")),
                };
            }
        }
        map.finish()
    }
}

struct DebugAsText(SlotRange);

impl fmt::Debug for DebugAsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<Owner, V> Clone for Route<'_, Owner, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Owner, V> Copy for Route<'_, Owner, V> {}

impl<Owner: PartialEq, V: PartialEq> PartialEq for Route<'_, Owner, V> {
    fn eq(&self, other: &Self) -> bool {
        self.owner == other.owner && self.replicas == other.replicas && self.version == other.version
    }
}

impl<Owner: Eq, V: Eq> Eq for Route<'_, Owner, V> {}
