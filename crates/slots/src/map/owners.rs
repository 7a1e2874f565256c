//! The owners of a slot map, each kept once and named by an index.
//!
//! Counts how many slots each owner has, drops an owner with its last slot and gives its index to the next. Hence
//! there are never more entries than slots, and one while a new owner takes over, so indices stay far below `NOBODY`
//! however many owners come and go.

use alloc::vec::Vec;

/// The index that names no owner.
pub(super) const NOBODY: u16 = u16::MAX;

#[derive(Clone)]
pub(super) struct OwnerTable<Owner> {
    /// By index; `None` where an owner was dropped.
    entries: Vec<Option<Entry<Owner>>>,
    /// The indices of all owners, in the order of the owners.
    sorted: Vec<u16>,
    /// The indices of empty entries.
    free: Vec<u16>,
}

#[derive(Clone)]
struct Entry<Owner> {
    owner: Owner,
    /// How many slots it has; 0 only between `intern` and the first `add`.
    slots: usize,
}

impl<Owner> OwnerTable<Owner> {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), sorted: Vec::new(), free: Vec::new() }
    }

    pub(super) fn get(&self, index: u16) -> Option<&Owner> {
        self.entry(index).map(|entry| &entry.owner)
    }

    /// How many slots the owner at `index` has.
    pub(super) fn slots(&self, index: u16) -> usize {
        self.entry(index).map_or(0, |entry| entry.slots)
    }

    /// The owners in ascending order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Owner> {
        Owners { table: self, indices: self.sorted.iter() }
    }

    /// Counts `slots` more for the owner at `index`; nothing happens for `NOBODY`.
    pub(super) fn add(&mut self, index: u16, slots: usize) {
        if let Some(Some(entry)) = self.entries.get_mut(usize::from(index)) {
            entry.slots += slots;
        }
    }

    /// Counts `slots` fewer for the owner at `index`, and drops it if none is left; nothing happens for `NOBODY`.
    pub(super) fn subtract(&mut self, index: u16, slots: usize) {
        let Some(place) = self.entries.get_mut(usize::from(index)) else {
            return;
        };
        let Some(entry) = place else {
            return;
        };
        entry.slots = entry.slots.saturating_sub(slots);
        if entry.slots == 0 {
            // Held to the end: should dropping it panic, the table is in order by then.
            let _owner = place.take();
            self.sorted.retain(|&other| other != index);
            self.free.push(index);
        }
    }

    fn entry(&self, index: u16) -> Option<&Entry<Owner>> {
        self.entries.get(usize::from(index))?.as_ref()
    }
}

impl<Owner: Ord> OwnerTable<Owner> {
    /// The index of `owner`, if it has slots.
    pub(super) fn find(&self, owner: &Owner) -> Option<u16> {
        let index = *self.sorted.get(self.position(owner))?;
        (self.get(index) == Some(owner)).then_some(index)
    }

    /// The index of `owner`, which is taken in if it is new. The caller gives it a slot with `add`.
    pub(super) fn intern(&mut self, owner: Owner) -> u16 {
        if let Some(index) = self.find(&owner) {
            return index;
        }
        let position = self.position(&owner);
        let entry = Some(Entry { owner, slots: 0 });
        let reused = self.free.pop();
        let index = match reused.and_then(|index| self.entries.get_mut(usize::from(index)).zip(Some(index))) {
            Some((place, index)) => {
                *place = entry;
                index
            }
            None => {
                self.entries.push(entry);
                // At most 16385 entries, as said above.
                (self.entries.len() - 1) as u16
            }
        };
        self.sorted.insert(position, index);
        index
    }

    /// Where `owner` stands in `sorted`, or would stand.
    fn position(&self, owner: &Owner) -> usize {
        self.sorted.partition_point(|&index| self.get(index) < Some(owner))
    }
}

/// A `filter_map` would do but does not know its length.
struct Owners<'a, Owner> {
    table: &'a OwnerTable<Owner>,
    indices: core::slice::Iter<'a, u16>,
}

impl<'a, Owner> Iterator for Owners<'a, Owner> {
    type Item = &'a Owner;

    fn next(&mut self) -> Option<&'a Owner> {
        self.indices.next().and_then(|&index| self.table.get(index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.indices.size_hint()
    }
}

impl<Owner> ExactSizeIterator for Owners<'_, Owner> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_used_again() {
        let mut table = OwnerTable::new();
        // More owners in succession than there are indices, sixteen at a time.
        for owner in 0..100_000_u32 {
            let index = table.intern(owner);
            assert_eq!(table.intern(owner), index);
            table.add(index, 3);
            if let Some(old) = owner.checked_sub(15) {
                let index = table.find(&old).unwrap();
                table.subtract(index, 2);
                assert_eq!((table.get(index), table.slots(index)), (Some(&old), 1));
                table.subtract(index, 1);
                assert_eq!((table.get(index), table.find(&old)), (None, None));
            }
        }
        assert!(table.entries.len() <= 16);
        assert!(table.iter().copied().eq(99_985..100_000));
        assert_eq!(table.iter().len(), 15);
    }

    #[test]
    fn nobody_is_nobody() {
        let mut table = OwnerTable::new();
        table.intern('a');
        table.add(NOBODY, 5);
        table.subtract(NOBODY, 5);
        assert_eq!((table.get(NOBODY), table.slots(NOBODY), table.iter().len()), (None, 0, 1));
    }
}
