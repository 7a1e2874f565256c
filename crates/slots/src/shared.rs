//! A slot map that many tasks read while others write.
//!
//! Owns who sees which map when. What is in the map and which of two words on a slot counts is decided in `map`.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use arc_swap::{ArcSwap, Cache, Guard};

use crate::map::SlotMap;

/// A [`SlotMap`] behind a handle that is cloned and shared: readers see one consistent map without a lock and without
/// waiting for writers, and writers replace it as a whole.
///
/// Writing copies what it changes and nothing else (see [`SlotMap`]), so that one `MOVED` may patch its slot at once.
///
/// ```
/// use slotwright_slots::{SharedSlotMap, SlotMap, SlotRange, key_slot};
///
/// let mut first_view = SlotMap::default();
/// first_view.claim_range(SlotRange::ALL, "a", 7_u64);
/// let routes = SharedSlotMap::new(first_view.clone());
///
/// // A server answered MOVED: its word is from a newer epoch.
/// let slot = key_slot(b"foo");
/// routes.update(|map| map.claim(slot, "b", 8));
/// assert_eq!(routes.load().get(slot), Some(&"b"));
///
/// // A slow view arrives afterwards: what it knows better is taken, and the patch stays.
/// let report = routes.update(|map| map.merge(&first_view));
/// assert_eq!((report.moved(), report.stale().map(|slots| slots.len())), (0, Some(1)));
/// assert_eq!(routes.load().get(slot), Some(&"b"));
/// ```
pub struct SharedSlotMap<Owner, V = ()> {
    current: Current<Owner, V>,
}

type Current<Owner, V> = Arc<ArcSwap<SlotMap<Owner, V>>>;

impl<Owner, V> SharedSlotMap<Owner, V> {
    /// A handle to `map`.
    #[must_use]
    pub fn new(map: SlotMap<Owner, V>) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(map)) }
    }

    /// The map as it is now. It stays as it is for as long as it is held, whatever is written meanwhile.
    ///
    /// Meant to be held for a look-up or a few; to keep a map for longer, clone it.
    #[must_use]
    pub fn load(&self) -> SlotMapGuard<Owner, V> {
        SlotMapGuard { map: self.current.load() }
    }

    /// A reader for a loop: it remembers the map it saw last, and a load costs it one comparison as long as nothing
    /// is written.
    ///
    /// ```
    /// use slotwright_slots::{SharedSlotMap, Slot, SlotMap};
    ///
    /// let routes = SharedSlotMap::new(SlotMap::new());
    /// let mut reader = routes.reader();
    /// assert_eq!(reader.load().get(Slot::MIN), None);
    /// routes.update(|map| map.set(Slot::MIN, "a"));
    /// assert_eq!(reader.load().get(Slot::MIN), Some(&"a"));
    /// ```
    #[must_use]
    pub fn reader(&self) -> SlotMapReader<Owner, V> {
        SlotMapReader { cache: Cache::new(Arc::clone(&self.current)) }
    }

    /// Replaces the map, whatever is in it: for a map that knows better in every slot. Where that is not sure,
    /// [`merge`](SlotMap::merge) in an [`update`](SharedSlotMap::update).
    pub fn store(&self, map: SlotMap<Owner, V>) {
        self.current.store(Arc::new(map));
    }
}

impl<Owner, V: Clone> SharedSlotMap<Owner, V> {
    /// Replaces the map by what `change` makes of a clone of it, and returns what `change` returned.
    ///
    /// No write is lost: if another one comes in between, `change` runs again on its result, so it should do nothing
    /// but change the map. A `change` that changes nothing replaces nothing.
    pub fn update<R>(&self, mut change: impl FnMut(&mut SlotMap<Owner, V>) -> R) -> R {
        let mut current = self.current.load();
        loop {
            let mut map = SlotMap::clone(&current);
            let result = change(&mut map);
            if map.is_shared_with(&current) {
                return result;
            }
            let found = self.current.compare_and_swap(&*current, Arc::new(map));
            if Arc::ptr_eq(&found, &current) {
                return result;
            }
            current = found;
        }
    }
}

/// Another handle to the same map.
impl<Owner, V> Clone for SharedSlotMap<Owner, V> {
    fn clone(&self) -> Self {
        Self { current: Arc::clone(&self.current) }
    }
}

/// A handle to a map in which no slot has an owner.
impl<Owner, V: Default> Default for SharedSlotMap<Owner, V> {
    fn default() -> Self {
        Self::new(SlotMap::default())
    }
}

impl<Owner, V> From<SlotMap<Owner, V>> for SharedSlotMap<Owner, V> {
    fn from(map: SlotMap<Owner, V>) -> Self {
        Self::new(map)
    }
}

impl<Owner: fmt::Debug, V: fmt::Debug + PartialEq> fmt::Debug for SharedSlotMap<Owner, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedSlotMap").field(&*self.load()).finish()
    }
}

/// One map out of a [`SharedSlotMap`], which stays as it is; from [`SharedSlotMap::load`].
pub struct SlotMapGuard<Owner, V = ()> {
    map: Guard<Arc<SlotMap<Owner, V>>>,
}

impl<Owner, V> Deref for SlotMapGuard<Owner, V> {
    type Target = SlotMap<Owner, V>;

    #[inline]
    fn deref(&self) -> &SlotMap<Owner, V> {
        &self.map
    }
}

impl<Owner: fmt::Debug, V: fmt::Debug + PartialEq> fmt::Debug for SlotMapGuard<Owner, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SlotMap::fmt(self, f)
    }
}

/// Reads a [`SharedSlotMap`] again and again; from [`SharedSlotMap::reader`]. Keeps the map it saw last alive.
pub struct SlotMapReader<Owner, V = ()> {
    cache: Cache<Current<Owner, V>, Arc<SlotMap<Owner, V>>>,
}

impl<Owner, V> SlotMapReader<Owner, V> {
    /// The map as it is now.
    #[inline]
    pub fn load(&mut self) -> &SlotMap<Owner, V> {
        self.cache.load()
    }
}

impl<Owner, V> Clone for SlotMapReader<Owner, V> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone() }
    }
}

impl<Owner, V> fmt::Debug for SlotMapReader<Owner, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotMapReader").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::range::SlotRange;
    use crate::set::SlotSet;
    use crate::slot::Slot;
    use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};
    use std::vec::Vec;

    /// Long enough for thousands of writes, short enough for a test.
    const BRIEF: Duration = Duration::from_millis(300);

    fn range(text: &str) -> SlotRange {
        text.parse().unwrap()
    }

    #[test]
    fn readers_see_whole_maps() {
        // A writer always gives the same owner, at the same version, to two far ranges at once.
        let halves = [range("0-40"), range("16300-16383")];
        let shared = SharedSlotMap::<u32, u32>::default();
        shared.update(|map| halves.map(|half| map.claim_range(half, 0, 0).taken()));
        let done = AtomicBool::new(false);
        let seen = AtomicUsize::new(0);
        thread::scope(|scope| {
            for cached in [false, true] {
                let (shared, done, seen) = (&shared, &done, &seen);
                scope.spawn(move || {
                    let mut reader = shared.reader();
                    let mut last = 0;
                    while !done.load(Ordering::Relaxed) {
                        let guard = shared.load();
                        let map = if cached { reader.load() } else { &*guard };
                        let first = map.route(Slot::MIN);
                        let version = *first.version;
                        for slot in halves.into_iter().flatten() {
                            assert_eq!((map.get(slot), map.version(slot)), (Some(&version), &version));
                        }
                        assert_eq!(map.owners().len(), 1);
                        assert!(version >= last, "time went backwards");
                        last = version;
                        seen.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let started = Instant::now();
            let mut version = 0;
            while started.elapsed() < BRIEF {
                version += 1;
                shared.update(|map| halves.map(|half| map.claim_range(half, version, version).taken()));
            }
            done.store(true, Ordering::Relaxed);
        });
        assert!(seen.load(Ordering::Relaxed) > 0);
    }

    #[test]
    fn older_versions_never_undo_newer_ones() {
        const WRITERS: u32 = 4;
        const ROUNDS: u32 = 300;
        let shared = SharedSlotMap::<u32, u32>::default();
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let shared = shared.clone();
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        // Every version occurs once; most come late.
                        let version = (round * 7 % ROUNDS) * WRITERS + writer;
                        let slot = Slot::new((version * 37 % 64) as u16).unwrap();
                        let before = *shared.load().version(slot);
                        shared.update(|map| map.claim(slot, version, version));
                        let after = *shared.load().version(slot);
                        assert!(after >= version && after >= before);
                        if round % 10 == 0 {
                            let mut view = SlotMap::default();
                            let _ = view.claim_range(range("0-63"), version, version);
                            let _ = shared.update(|map| map.merge(&view));
                        }
                    }
                });
            }
        });
        // What counts in the end does not depend on who came when.
        let mut expected = SlotMap::default();
        for version in 0..ROUNDS * WRITERS {
            let round = (0..ROUNDS).find(|round| round * 7 % ROUNDS == version / WRITERS).unwrap();
            let slot = Slot::new((version * 37 % 64) as u16).unwrap();
            let _ = expected.claim(slot, version, version);
            if round % 10 == 0 {
                let _ = expected.claim_range(range("0-63"), version, version);
            }
        }
        assert_eq!(*shared.load(), expected);
    }

    #[test]
    fn no_update_is_lost() {
        let shared = SharedSlotMap::new(SlotMap::new());
        thread::scope(|scope| {
            for part in 0..4_u16 {
                let shared = &shared;
                scope.spawn(move || {
                    for number in 0..200 {
                        let slot = Slot::new(number * 4 + part).unwrap();
                        assert!(shared.update(|map| map.set(slot, slot.get())));
                    }
                });
            }
        });
        let map = shared.load();
        assert!(Slot::all().take(800).all(|slot| map.get(slot) == Some(&slot.get())));
        assert_eq!(map.owners().len(), 800);
    }

    #[test]
    fn a_change_runs_again_on_what_came_in_between() {
        let shared = SharedSlotMap::<char, u8>::default();
        let mut runs = 0;
        let (old, new) = (range("0-9"), range("5-14"));
        let report = shared.update(|map| {
            runs += 1;
            if runs == 1 {
                shared.update(|map| map.claim_range(new, 'n', 2));
            }
            map.claim_range(old, 'o', 1)
        });
        // The second time it meets the newer word, which it must not undo.
        assert_eq!((runs, report.moved(), report.stale().map(SlotSet::len)), (2, 5, Some(5)));
        let runs: Vec<_> = shared.load().runs().map(|(range, owner)| (range, *owner)).collect();
        assert_eq!(runs, [(range("0-4"), 'o'), (new, 'n')]);
    }

    #[test]
    fn what_changes_nothing_replaces_nothing() {
        let shared = SharedSlotMap::new(SlotMap::new());
        shared.update(|map| map.assign_range(SlotRange::ALL, 'a'));
        let before = shared.load();
        assert!(!shared.update(|map| map.set(Slot::MIN, 'a')));
        assert!(core::ptr::eq(&*before, &*shared.load()));
        shared.store(SlotMap::new());
        assert_eq!((before.get(Slot::MIN), shared.load().get(Slot::MIN)), (Some(&'a'), None));
        assert_eq!(std::format!("{shared:?}"), "SharedSlotMap({})");
    }

    #[test]
    fn a_guard_outlives_many_writes() {
        let shared = SharedSlotMap::<u16, u16>::default();
        let kept: Vec<_> = (0..20)
            .map(|version| {
                shared.update(|map| map.claim(Slot::MIN, version, version));
                shared.load()
            })
            .collect();
        assert!(kept.iter().map(|map| map.get(Slot::MIN).copied()).eq((0..20).map(Some)));
    }
}
