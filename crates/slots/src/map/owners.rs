//! The owners of a slot map, each kept once and named by an index.
//!
//! Counts how many slots each owner has, drops an owner with its last slot and gives its index to the next. Hence
//! there are never more entries than slots, and one while a new owner takes over, so indices stay far below `NOBODY`
//! however many owners come and go. Clones share all of it; the counts, which change with every slot that moves, are
//! apart from the owners, which rarely do.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::slot::SLOT_COUNT;

/// Entries to begin with.
const FIRST_ENTRIES: usize = 4;
/// One owner for each slot, and one that takes over from another.
const MOST_ENTRIES: usize = SLOT_COUNT as usize + 1;

type Replicas<Owner> = Option<Arc<[Owner]>>;

pub(crate) struct OwnerTable<Owner> {
    /// By index; `None` where there is no owner, or no longer.
    entries: Arc<[Option<Owner>]>,
    /// How many slots each has, by index, as long as `entries`; 0 only between `intern` and the first `shift`.
    slots: Arc<[u16]>,
    /// What was said of the replicas of each, by index; shorter than `entries` where nothing was said.
    replicas: Arc<[Replicas<Owner>]>,
    /// The indices of all owners, in the order of the owners.
    sorted: Arc<Vec<u16>>,
}

impl<Owner> OwnerTable<Owner> {
    pub(super) fn new() -> Self {
        Self {
            entries: Arc::default(),
            slots: Arc::default(),
            replicas: Arc::default(),
            sorted: Arc::default(),
        }
    }

    /// What is at `index`: `None` where nothing can be.
    #[inline]
    pub(super) fn place(&self, index: u16) -> Option<&Option<Owner>> {
        self.entries.get(usize::from(index))
    }

    #[inline]
    pub(crate) fn get(&self, index: u16) -> Option<&Owner> {
        self.place(index)?.as_ref()
    }

    /// Above all indices in use.
    pub(crate) fn bound(&self) -> usize {
        self.entries.len()
    }

    /// How many slots the owner at `index` has.
    pub(super) fn slots(&self, index: u16) -> usize {
        self.slots.get(usize::from(index)).copied().map_or(0, usize::from)
    }

    /// How many slots all owners have together.
    pub(super) fn slots_in_all(&self) -> usize {
        self.slots.iter().copied().map(usize::from).sum()
    }

    /// The owners in ascending order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Owner> {
        Owners { table: self, indices: self.sorted.iter() }
    }

    /// The replicas of the owner at `index`.
    #[inline]
    pub(super) fn replicas(&self, index: u16) -> &[Owner] {
        self.replicas_said(index).map_or(&[], |replicas| replicas)
    }

    /// What was said of the replicas of the owner at `index`, if anything was.
    #[inline]
    pub(super) fn replicas_said(&self, index: u16) -> Option<&Arc<[Owner]>> {
        self.replicas.get(usize::from(index))?.as_ref()
    }

    pub(super) fn set_replicas(&mut self, index: u16, replicas: Arc<[Owner]>) {
        let index = usize::from(index);
        if self.replicas.len() <= index {
            let mut longer: Vec<Replicas<Owner>> = self.replicas.to_vec();
            longer.resize_with(self.entries.len().max(index + 1), || None);
            self.replicas = longer.into();
        }
        if let Some(place) = Arc::make_mut(&mut self.replicas).get_mut(index) {
            *place = Some(replicas);
        }
    }

    /// Counts `slots` from the owner at `from` to the one at `to`; either may be `NOBODY`. True if `from` has lost its
    /// last one: then the caller drops it.
    pub(super) fn shift(&mut self, from: u16, to: u16, slots: usize) -> bool {
        let counts = Arc::make_mut(&mut self.slots);
        // No count exceeds 16384.
        let slots = slots as u16;
        if let Some(count) = counts.get_mut(usize::from(to)) {
            *count = count.saturating_add(slots);
        }
        match counts.get_mut(usize::from(from)) {
            Some(count) => {
                *count = count.saturating_sub(slots);
                *count == 0
            }
            None => false,
        }
    }

    /// Whether both are the same memory, and hence the same.
    #[cfg(feature = "std")]
    pub(super) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.entries, &other.entries)
            && Arc::ptr_eq(&self.slots, &other.slots)
            && Arc::ptr_eq(&self.replicas, &other.replicas)
            && Arc::ptr_eq(&self.sorted, &other.sorted)
    }
}

impl<Owner: Clone> OwnerTable<Owner> {
    /// Drops the owner at `index`, which has no slot, and what was said of its replicas.
    pub(super) fn drop_owner(&mut self, index: u16) {
        let at = usize::from(index);
        // Both held to the end: should dropping one panic, the table is in order by then.
        let _owner = Arc::make_mut(&mut self.entries).get_mut(at).and_then(Option::take);
        let said = self.replicas.get(at).is_some_and(Option::is_some);
        let _replicas = said.then(|| Arc::make_mut(&mut self.replicas).get_mut(at).and_then(Option::take));
        Arc::make_mut(&mut self.sorted).retain(|&other| other != index);
    }

    /// Room for twice as many.
    fn grow(&mut self) {
        let length = (self.entries.len() * 2).clamp(FIRST_ENTRIES, MOST_ENTRIES);
        let mut entries: Vec<Option<Owner>> = match Arc::get_mut(&mut self.entries) {
            Some(entries) => entries.iter_mut().map(Option::take).collect(),
            None => self.entries.to_vec(),
        };
        entries.resize_with(length, || None);
        let mut slots = self.slots.to_vec();
        slots.resize(length, 0);
        (self.entries, self.slots) = (entries.into(), slots.into());
    }
}

impl<Owner: Ord> OwnerTable<Owner> {
    /// The index of `owner`, if it has slots.
    pub(super) fn find(&self, owner: &Owner) -> Option<u16> {
        let index = *self.sorted.get(self.position(owner))?;
        (self.get(index) == Some(owner)).then_some(index)
    }

    /// Where `owner` stands in `sorted`, or would stand.
    fn position(&self, owner: &Owner) -> usize {
        self.sorted.partition_point(|&index| self.get(index) < Some(owner))
    }
}

impl<Owner: Ord + Clone> OwnerTable<Owner> {
    /// Takes in `owner`, which is not known, and returns its index. The caller gives it a slot with `shift`.
    pub(super) fn intern(&mut self, owner: Owner) -> u16 {
        let position = self.position(&owner);
        let known = self.sorted.len();
        if known == self.entries.len() {
            self.grow();
        }
        let entries = Arc::make_mut(&mut self.entries);
        // As long as no owner was dropped, the first free place comes after as many as there are.
        let index = match entries.get(known) {
            Some(None) => known,
            _ => entries.iter().position(Option::is_none).unwrap_or(known),
        };
        if let Some(place) = entries.get_mut(index) {
            *place = Some(owner);
        }
        let index = index as u16;
        Arc::make_mut(&mut self.sorted).insert(position, index);
        index
    }
}

impl<Owner> Clone for OwnerTable<Owner> {
    fn clone(&self) -> Self {
        Self {
            entries: Arc::clone(&self.entries),
            slots: Arc::clone(&self.slots),
            replicas: Arc::clone(&self.replicas),
            sorted: Arc::clone(&self.sorted),
        }
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
    use super::super::block::NOBODY;
    use super::*;

    #[test]
    fn indices_are_used_again() {
        let mut table = OwnerTable::new();
        // More owners in succession than there are indices, sixteen at a time.
        for owner in 0..100_000_u32 {
            assert_eq!(table.find(&owner), None);
            let index = table.intern(owner);
            assert_eq!(table.find(&owner), Some(index));
            assert!(!table.shift(NOBODY, index, 3));
            table.set_replicas(index, [owner + 1].into());
            if let Some(old) = owner.checked_sub(15) {
                let index = table.find(&old).unwrap();
                assert!(!table.shift(index, NOBODY, 2));
                assert_eq!((table.get(index), table.slots(index)), (Some(&old), 1));
                assert_eq!(table.replicas(index), [old + 1]);
                assert!(table.shift(index, NOBODY, 1));
                table.drop_owner(index);
                assert_eq!((table.get(index), table.find(&old)), (None, None));
                assert!(table.replicas(index).is_empty());
            }
        }
        assert!(table.bound() <= 16);
        assert!(table.iter().copied().eq(99_985..100_000));
        assert_eq!((table.iter().len(), table.slots_in_all()), (15, 45));
    }

    #[test]
    fn nobody_is_nobody() {
        let mut table = OwnerTable::new();
        table.intern('a');
        assert!(!table.shift(NOBODY, NOBODY, 5));
        assert_eq!((table.get(NOBODY), table.slots(NOBODY), table.iter().len()), (None, 0, 1));
    }

    #[test]
    fn counts_change_without_the_owners() {
        let mut table = OwnerTable::new();
        let (a, b) = (table.intern('a'), table.intern('b'));
        table.shift(NOBODY, a, 9);
        let before = table.clone();
        table.shift(a, b, 1);
        assert!(Arc::ptr_eq(&before.entries, &table.entries) && Arc::ptr_eq(&before.sorted, &table.sorted));
        assert_eq!((before.slots(a), table.slots(a)), (9, 8));
    }
}
