//! Writing to a slot map at a version, so that an older view never undoes a newer one.
//!
//! Owns the rule which of two words on a slot counts, and the report of what was taken and what refused.

use alloc::vec::Vec;
use core::borrow::Borrow;
use core::convert::identity;
use core::iter;
use core::ops::AddAssign;

use super::block::NOBODY;
use super::owners::OwnerTable;
use super::{SlotMap, runs};
use crate::range::SlotRange;
use crate::set::SlotSet;
use crate::slot::Slot;

/// What became of the claim to one slot, or of its release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClaimOutcome {
    /// It was taken and the slot has another owner now, or none where it had one.
    Moved,
    /// It was taken and says what the map had; its version is the slot's now.
    Confirmed,
    /// It was refused: the slot has a higher version.
    Stale,
}

/// What became of a claim to several slots, of their release, or of a merge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimReport {
    moved: usize,
    confirmed: usize,
    /// Never empty.
    stale: Option<SlotSet>,
}

impl ClaimReport {
    /// How many slots have another owner now, or none where they had one.
    #[must_use]
    pub const fn moved(&self) -> usize {
        self.moved
    }

    /// How many slots were taken and had that owner already.
    #[must_use]
    pub const fn confirmed(&self) -> usize {
        self.confirmed
    }

    /// How many slots were taken: moved and confirmed.
    #[must_use]
    pub const fn taken(&self) -> usize {
        self.moved + self.confirmed
    }

    /// The slots that were refused because they have a higher version, if there are any. All others were taken.
    #[must_use]
    pub const fn stale(&self) -> Option<&SlotSet> {
        self.stale.as_ref()
    }

    fn refuse(&mut self, range: SlotRange) {
        self.stale.get_or_insert_with(SlotSet::new).insert_range(range);
    }
}

/// Reports on other slots, or on the same ones later, added up.
impl AddAssign for ClaimReport {
    fn add_assign(&mut self, other: Self) {
        self.moved += other.moved;
        self.confirmed += other.confirmed;
        match (&mut self.stale, other.stale) {
            (Some(stale), Some(more)) => *stale |= &more,
            (None, more) => self.stale = more,
            (Some(_), None) => {}
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a version is a number as a rule, and kept")]
impl<Owner: Ord + Clone, V: Ord + Clone + Default> SlotMap<Owner, V> {
    /// Gives `slot` to `owner`, unless the slot has a version above `version`.
    ///
    /// At equal versions the claim is taken: of two words of the same version the one heard later counts, as a server
    /// that says `MOVED` within one epoch knows better than the view taken before.
    ///
    /// ```
    /// use slotwright_slots::{ClaimOutcome, Slot, SlotMap, SlotRange};
    ///
    /// let mut map = SlotMap::default();
    /// map.claim_range(SlotRange::ALL, "a", 4);
    /// assert_eq!(map.claim(Slot::MIN, "b", 5), ClaimOutcome::Moved);
    ///
    /// // A view that was under way for longer changes nothing where more is known.
    /// let report = map.claim_range(SlotRange::ALL, "a", 4);
    /// assert_eq!(report.confirmed(), 16383);
    /// assert_eq!(report.stale().map(ToString::to_string).as_deref(), Some("0"));
    /// assert_eq!(map.get(Slot::MIN), Some(&"b"));
    /// ```
    pub fn claim(&mut self, slot: Slot, owner: Owner, version: V) -> ClaimOutcome {
        if *self.table.entry(slot).1 > version {
            return ClaimOutcome::Stale;
        }
        let range = iter::once(SlotRange::from(slot));
        let index = self.index_for(owner, identity, range.clone(), &version);
        outcome(&self.write(range, index, &version))
    }

    /// Gives the slots of `range` to `owner`, except those with a version above `version`; see
    /// [`claim`](SlotMap::claim).
    pub fn claim_range(&mut self, range: SlotRange, owner: Owner, version: V) -> ClaimReport {
        let range = iter::once(range);
        let index = self.index_for(owner, identity, range.clone(), &version);
        self.write(range, index, &version)
    }

    /// Gives all of `slots` to `owner`, except those with a version above `version`; see [`claim`](SlotMap::claim).
    pub fn claim_all(&mut self, slots: &SlotSet, owner: Owner, version: V) -> ClaimReport {
        let index = self.index_for(owner, identity, slots.ranges(), &version);
        self.write(slots.ranges(), index, &version)
    }

    /// Takes what `other` knows better, slot by slot: the word with the higher version counts, and at equal versions
    /// that of `other`, as if its claims and releases were repeated here.
    ///
    /// Of a slot that has no owner and the default version, `other` says nothing. So merging a map without versions
    /// lays its runs over this one's, and merging is associative and may be repeated. The owners of slots taken bring
    /// their replicas along, if `other` was told of any. The report counts slots `other` says something of.
    ///
    /// ```
    /// use slotwright_slots::{Slot, SlotMap, SlotRange};
    ///
    /// let (mut map, mut seen) = (SlotMap::default(), SlotMap::default());
    /// map.claim_range(SlotRange::ALL, "a", 4);
    /// map.claim(Slot::MIN, "b", 5);
    /// seen.claim_range("0-99".parse()?, "c", 4);
    ///
    /// let report = map.merge(&seen);
    /// assert_eq!((report.moved(), report.stale().map(|slots| slots.len())), (99, Some(1)));
    /// assert_eq!(map.get(Slot::MIN), Some(&"b"));
    /// # Ok::<(), slotwright_slots::ParseSlotError>(())
    /// ```
    pub fn merge(&mut self, other: &Self) -> ClaimReport {
        let mut report = ClaimReport::default();
        let unspoken = V::default();
        let mut next = 0;
        while let Some(run) = other.table.run_at(next, |a, b| a.value == b.value && a.version == b.version) {
            next = run.end;
            let Some(range) = runs::range_of(&run).map(iter::once) else { continue };
            let index = match other.owners.get(run.value) {
                None if *run.version == unspoken => continue,
                None => NOBODY,
                Some(owner) => self.index_for(owner, Owner::clone, range.clone(), run.version),
            };
            let part = self.write(range, index, run.version);
            if part.taken() > 0
                && let Some(replicas) = other.owners.replicas_said(run.value)
                && self.owners.replicas(index) != &**replicas
            {
                self.owners.set_replicas(index, replicas.clone());
            }
            report += part;
        }
        report
    }

    /// The index of `owner`, who is taken in if it is new and any slot of `ranges` will be its.
    fn index_for<O: Borrow<Owner>>(
        &mut self,
        owner: O,
        into: impl FnOnce(O) -> Owner,
        mut ranges: impl Iterator<Item = SlotRange>,
        version: &V,
    ) -> u16 {
        match self.owners.find(owner.borrow()) {
            Some(index) => index,
            None if ranges.any(|range| self.table.accepts(range, version)) => self.owners.intern(into(owner)),
            // All will be refused.
            None => NOBODY,
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a version is a number as a rule, and kept")]
impl<Owner: Clone, V: Ord + Clone + Default> SlotMap<Owner, V> {
    /// Leaves `slot` without an owner, unless it has a version above `version`. The version stays behind, so that a
    /// claim that is older is refused.
    ///
    /// ```
    /// use slotwright_slots::{ClaimOutcome, Slot, SlotMap};
    ///
    /// let mut map = SlotMap::default();
    /// map.claim(Slot::MIN, "a", 4);
    /// assert_eq!(map.release(Slot::MIN, 5), ClaimOutcome::Moved);
    /// assert_eq!(map.claim(Slot::MIN, "a", 4), ClaimOutcome::Stale);
    /// ```
    pub fn release(&mut self, slot: Slot, version: V) -> ClaimOutcome {
        if *self.table.entry(slot).1 > version {
            return ClaimOutcome::Stale;
        }
        outcome(&self.write(iter::once(slot.into()), NOBODY, &version))
    }

    /// Leaves the slots of `range` without an owner, except those with a version above `version`; see
    /// [`release`](SlotMap::release).
    pub fn release_range(&mut self, range: SlotRange, version: V) -> ClaimReport {
        self.write(iter::once(range), NOBODY, &version)
    }

    /// Leaves all of `slots` without an owner, except those with a version above `version`; see
    /// [`release`](SlotMap::release).
    pub fn release_all(&mut self, slots: &SlotSet, version: V) -> ClaimReport {
        self.write(slots.ranges(), NOBODY, &version)
    }

    /// Gives the slots of `ranges` to the owner at `index` where they have no version above `version`, and drops
    /// owners that lose their last slot.
    fn write(&mut self, ranges: impl Iterator<Item = SlotRange>, index: u16, version: &V) -> ClaimReport {
        let mut report = ClaimReport::default();
        let mut tally =
            Tally { owners: &mut self.owners, to: index, from: index, slots: 0, emptied: Vec::new() };
        for range in ranges {
            self.table.write(range, index, version, |run| {
                if *run.version > *version {
                    if let Some(range) = runs::range_of(run) {
                        report.refuse(range);
                    }
                } else if run.value == index {
                    report.confirmed += run.len();
                } else {
                    report.moved += run.len();
                    tally.count(run.value, run.len());
                }
            });
        }
        tally.finish();
        report
    }
}

/// Slots that go to one owner, counted a stretch at a time. Who has lost its last one is dropped at the end, when the
/// table refers to it no more.
struct Tally<'a, Owner> {
    owners: &'a mut OwnerTable<Owner>,
    to: u16,
    from: u16,
    slots: usize,
    emptied: Vec<u16>,
}

impl<Owner: Clone> Tally<'_, Owner> {
    fn count(&mut self, from: u16, slots: usize) {
        if self.from != from {
            self.settle();
            self.from = from;
        }
        self.slots += slots;
    }

    fn settle(&mut self) {
        if self.slots > 0 && self.owners.shift(self.from, self.to, self.slots) {
            self.emptied.push(self.from);
        }
        self.slots = 0;
    }

    fn finish(mut self) {
        self.settle();
        for index in self.emptied {
            self.owners.drop_owner(index);
        }
    }
}

fn outcome(report: &ClaimReport) -> ClaimOutcome {
    match report {
        ClaimReport { moved: 1.., .. } => ClaimOutcome::Moved,
        ClaimReport { confirmed: 1.., .. } => ClaimOutcome::Confirmed,
        ClaimReport { .. } => ClaimOutcome::Stale,
    }
}
