//! Walks over a slot map in the order of the slots.

use core::fmt;
use core::iter::FusedIterator;

use super::block::Run;
use super::{Route, SlotMap};
use crate::range::SlotRange;
use crate::slot::Slot;

impl<Owner, V: PartialEq> SlotMap<Owner, V> {
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
    pub fn runs(&self) -> MapRuns<'_, Owner, V> {
        MapRuns { map: self, next: 0 }
    }

    /// What is known of all slots: the longest stretches of consecutive slots with one owner, or none, at one version.
    ///
    /// ```
    /// use slotwright_slots::{Slot, SlotMap, SlotRange};
    ///
    /// let mut map = SlotMap::default();
    /// map.claim_range(SlotRange::ALL, 'a', 3);
    /// map.claim(Slot::MIN, 'a', 4);
    /// let routes: Vec<String> = map.routes().map(|(range, route)| format!("{range} at {}", route.version)).collect();
    /// assert_eq!(routes, ["0 at 4", "1-16383 at 3"]);
    /// ```
    pub fn routes(&self) -> impl Iterator<Item = (SlotRange, Route<'_, Owner, V>)> {
        let mut next = 0;
        core::iter::from_fn(move || {
            let run = self.table.run_at(next, |a, b| a.value == b.value && a.version == b.version)?;
            next = run.end;
            let (owner, replicas) = (self.owners.get(run.value), self.owners.replicas(run.value));
            Some((range_of(&run)?, Route { owner, replicas, version: run.version }))
        })
    }
}

/// The slots of `run`, which has at least one.
pub(super) fn range_of<V>(run: &Run<'_, V>) -> Option<SlotRange> {
    SlotRange::new(Slot::from_index(run.start), Slot::from_index(run.end.checked_sub(1)?))
}

/// The stretches of a [`SlotMap`] that have one owner each, in ascending order; from [`SlotMap::runs`].
pub struct MapRuns<'a, Owner, V = ()> {
    map: &'a SlotMap<Owner, V>,
    /// The slot to go on with; 16384 at the end.
    next: usize,
}

impl<Owner, V> Clone for MapRuns<'_, Owner, V> {
    fn clone(&self) -> Self {
        Self { map: self.map, next: self.next }
    }
}

/// Shows what is left of the walk.
impl<Owner: fmt::Debug, V: PartialEq> fmt::Debug for MapRuns<'_, Owner, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<'a, Owner, V: PartialEq> Iterator for MapRuns<'a, Owner, V> {
    type Item = (SlotRange, &'a Owner);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let run = self.map.table.run_at(self.next, |a, b| a.value == b.value)?;
            self.next = run.end;
            if let Some(owner) = self.map.owners.get(run.value) {
                return Some((range_of(&run)?, owner));
            }
        }
    }
}

impl<Owner, V: PartialEq> FusedIterator for MapRuns<'_, Owner, V> {}
