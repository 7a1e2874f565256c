//! The map beside an array of owners and versions.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

use super::*;

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

/// Owner and version of each slot, and the replicas of the owners that have any.
#[derive(Debug, Clone, PartialEq)]
struct Model {
    slots: Vec<(Option<u8>, u8)>,
    replicas: BTreeMap<u8, Vec<u8>>,
}

impl Model {
    fn new() -> Self {
        Self { slots: vec![(None, 0); 16384], replicas: BTreeMap::new() }
    }

    /// Moved, confirmed, refused.
    fn write(&mut self, slots: &SlotSet, owner: Option<u8>, version: u8) -> (usize, usize, SlotSet) {
        let (mut moved, mut confirmed, mut refused) = (0, 0, SlotSet::new());
        for slot in slots {
            let known = &mut self.slots[slot.index()];
            if known.1 > version {
                refused.insert(slot);
                continue;
            }
            if known.0 == owner {
                confirmed += 1;
            } else {
                moved += 1;
            }
            *known = (owner, version);
        }
        self.forget();
        (moved, confirmed, refused)
    }

    fn owns(&self, owner: u8) -> bool {
        self.slots.iter().any(|known| known.0 == Some(owner))
    }

    fn forget(&mut self) {
        let owners: Vec<u8> = self.slots.iter().filter_map(|known| known.0).collect();
        self.replicas.retain(|owner, _| owners.contains(owner));
    }

    fn merge(&mut self, other: &Self) {
        let mut bring = Vec::new();
        for (known, word) in self.slots.iter_mut().zip(&other.slots) {
            if *word != (None, 0) && word.1 >= known.1 {
                *known = *word;
                bring.extend(word.0);
            }
        }
        for owner in bring {
            if let Some(replicas) = other.replicas.get(&owner) {
                self.replicas.insert(owner, replicas.clone());
            }
        }
        self.forget();
    }
}

fn agree<V: Ord + Copy + Default + fmt::Debug>(
    map: &SlotMap<u8, V>,
    model: &Model,
    version: impl Fn(u8) -> V,
) {
    map.table.assert_tidy();
    for slot in Slot::all() {
        let (owner, at) = model.slots[slot.index()];
        let route = map.route(slot);
        assert_eq!((map.get(slot).copied(), *map.version(slot)), (owner, version(at)), "{slot}");
        assert_eq!((route.owner.copied(), *route.version), (owner, version(at)), "{slot}");
        let replicas =
            owner.and_then(|owner| model.replicas.get(&owner)).map_or(&[][..], |replicas| replicas);
        assert_eq!((route.replicas, map.replicas(slot)), (replicas, replicas));
    }
    let of = |owner| -> SlotSet { Slot::all().filter(|slot| model.slots[slot.index()].0 == owner).collect() };
    let mut owners: Vec<u8> = model.slots.iter().filter_map(|known| known.0).collect();
    owners.sort_unstable();
    owners.dedup();
    assert_eq!(map.owners().len(), owners.len());
    assert!(map.owners().copied().eq(owners));
    assert_eq!(map.uncovered(), of(None));
    assert_eq!(map.is_complete(), of(None).is_empty());
    for owner in 0..6 {
        assert_eq!(map.slots_of(&owner), of(Some(owner)));
        assert_eq!(map.slot_count(&owner), of(Some(owner)).len());
    }
    let mut before: Option<(SlotRange, u8)> = None;
    let mut covered = 0;
    for (range, &owner) in map.runs() {
        if let Some((previous, same)) = before {
            assert!(previous.end() < range.start());
            assert!(same != owner || previous.end().get() + 1 < range.start().get(), "runs that touch");
        }
        assert!(range.iter().all(|slot| model.slots[slot.index()].0 == Some(owner)));
        covered += range.len();
        before = Some((range, owner));
    }
    assert_eq!(covered, 16384 - of(None).len());
    let mut next = 0;
    let mut before = None;
    for (range, route) in map.routes() {
        assert_eq!(range.start().index(), next);
        let said = (route.owner, route.version);
        assert_ne!(before.replace(said), Some(said), "routes that touch");
        next = range.end().index() + 1;
    }
    assert_eq!(next, 16384);
}

#[derive(Debug, Clone)]
enum Op {
    One(u16, Option<u8>, u8),
    Range(SlotRange, Option<u8>, u8),
    Set(Vec<SlotRange>, Option<u8>, u8),
    Replicas(u8, Vec<u8>),
    /// A map that begins as this one and hears of these, then is merged.
    Merge(Vec<(SlotRange, Option<u8>, u8)>, bool),
    /// A clone that must stay as it is.
    Keep,
}

fn number() -> impl Strategy<Value = u16> {
    // Crowded in places, so that blocks overflow, also beside the border of two chunks.
    prop_oneof![0..16384u16, 0..48u16, 2040..2060u16, Just(16383)]
}

fn range() -> impl Strategy<Value = SlotRange> {
    let length = prop_oneof![0..4u16, 0..100u16, 0..6000u16, Just(16383)];
    (number(), length)
        .prop_map(|(start, more)| SlotRange::new(slot(start), slot((start + more).min(16383))).unwrap())
}

fn op() -> impl Strategy<Value = Op> {
    // Few owners and versions: they come and go, and meet each other.
    let owner = || proptest::option::weighted(0.8, 0..5u8);
    let word = move || (range(), owner(), 0..6u8);
    prop_oneof![
        8 => (number(), owner(), 0..6u8).prop_map(|(slot, owner, version)| Op::One(slot, owner, version)),
        3 => word().prop_map(|(range, owner, version)| Op::Range(range, owner, version)),
        2 => (proptest::collection::vec(range(), 0..4), owner(), 0..6u8)
            .prop_map(|(ranges, owner, version)| Op::Set(ranges, owner, version)),
        1 => (0..6u8, proptest::collection::vec(0..9u8, 0..3))
            .prop_map(|(owner, replicas)| Op::Replicas(owner, replicas)),
        1 => (proptest::collection::vec(word(), 0..5), any::<bool>())
            .prop_map(|(words, fork)| Op::Merge(words, fork)),
        1 => Just(Op::Keep),
    ]
}

/// Does the same to map and model, and compares what the map reports.
fn apply<V>(map: &mut SlotMap<u8, V>, model: &mut Model, op: Op, at: &impl Fn(u8) -> (u8, V))
where
    V: Ord + Copy + Default + fmt::Debug,
{
    let check = |report: ClaimReport, (moved, confirmed, refused): (usize, usize, SlotSet)| {
        assert_eq!((report.moved(), report.confirmed()), (moved, confirmed));
        assert_eq!(report.taken(), moved + confirmed);
        assert_eq!(report.stale(), (!refused.is_empty()).then_some(&refused));
    };
    match op {
        Op::One(number, owner, version) => {
            let (model_version, version) = at(version);
            let slots = SlotSet::from(slot(number));
            let expected = match model.write(&slots, owner, model_version) {
                (1, 0, _) => ClaimOutcome::Moved,
                (0, 1, _) => ClaimOutcome::Confirmed,
                _ => ClaimOutcome::Stale,
            };
            let outcome = match owner {
                Some(owner) => map.claim(slot(number), owner, version),
                None => map.release(slot(number), version),
            };
            assert_eq!(outcome, expected);
        }
        Op::Range(range, owner, version) => {
            let (model_version, version) = at(version);
            let expected = model.write(&range.into(), owner, model_version);
            match owner {
                Some(owner) => check(map.claim_range(range, owner, version), expected),
                None => check(map.release_range(range, version), expected),
            }
        }
        Op::Set(ranges, owner, version) => {
            let (model_version, version) = at(version);
            let slots: SlotSet = ranges.into_iter().collect();
            let expected = model.write(&slots, owner, model_version);
            match owner {
                Some(owner) => check(map.claim_all(&slots, owner, version), expected),
                None => check(map.release_all(&slots, version), expected),
            }
        }
        Op::Replicas(owner, replicas) => {
            let known = model.owns(owner);
            assert_eq!(map.set_replicas(&owner, replicas.clone()), known);
            if known {
                model.replicas.insert(owner, replicas);
            }
        }
        Op::Merge(words, fork) => {
            let (mut other, mut other_model) =
                if fork { (map.clone(), model.clone()) } else { (SlotMap::default(), Model::new()) };
            for (range, owner, version) in words {
                apply(&mut other, &mut other_model, Op::Range(range, owner, version), at);
                apply(&mut other, &mut other_model, Op::Replicas(owner.unwrap_or(0), vec![version]), at);
            }
            let said = other_model.slots.iter().filter(|word| **word != (None, 0)).count();
            let report = map.merge(&other);
            model.merge(&other_model);
            assert_eq!(report.taken() + report.stale().map_or(0, SlotSet::len), said);
            agree(&other, &other_model, |version| at(version).1);
            let once = map.clone();
            let again = map.merge(&other);
            assert_eq!((again.moved(), &*map), (0, &once), "merging again");
        }
        Op::Keep => {}
    }
}

/// The map and, of clones taken on the way, each beside what it must be.
fn run<V>(ops: Vec<Op>, at: impl Fn(u8) -> (u8, V))
where
    V: Ord + Copy + Default + fmt::Debug,
{
    let (mut map, mut model) = (SlotMap::default(), Model::new());
    let mut kept: Vec<(SlotMap<u8, V>, Model)> = Vec::new();
    for op in ops {
        if matches!(op, Op::Keep) && kept.len() < 3 {
            kept.push((map.clone(), model.clone()));
        }
        apply(&mut map, &mut model, op, &at);
    }
    agree(&map, &model, |version| at(version).1);
    let mut rebuilt = SlotMap::default();
    for (range, route) in map.routes() {
        let _ = match route.owner {
            Some(owner) => rebuilt.claim_range(range, *owner, *route.version),
            None => rebuilt.release_range(range, *route.version),
        };
    }
    for (owner, replicas) in &model.replicas {
        rebuilt.set_replicas(owner, replicas.iter().copied());
    }
    assert_eq!(rebuilt, map);
    for (map, model) in kept {
        agree(&map, &model, |version| at(version).1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn without_versions_like_an_array(ops in proptest::collection::vec(op(), 0..40)) {
        run(ops, |_| (0, ()));
    }

    #[test]
    fn with_versions_like_an_array(ops in proptest::collection::vec(op(), 0..40)) {
        run(ops, |version| (version, u64::from(version)));
    }

    #[test]
    fn merging_is_associative(words in proptest::collection::vec((0..3usize, range(), proptest::option::of(0..4u8), 0..4u8), 0..12)) {
        let mut maps = [const { None }; 3].map(|_: Option<()>| SlotMap::<u8, u8>::default());
        for (map, range, owner, version) in words {
            let _ = match owner {
                Some(owner) => maps[map].claim_range(range, owner, version),
                None => maps[map].release_range(range, version),
            };
        }
        let [a, b, c] = maps;
        let (mut left, mut bc) = (a.clone(), b.clone());
        let _ = (left.merge(&b), left.merge(&c), bc.merge(&c));
        let mut right = a;
        let _ = right.merge(&bc);
        prop_assert_eq!(left, right);
    }
}

#[test]
fn plain_writing_tells_of_changes() {
    let mut map = SlotMap::new();
    assert!(map.set(slot(3), 'a'));
    assert!(!map.set(slot(3), 'a'));
    assert!(map.set(slot(3), 'b'));
    assert!(map.clear(slot(3)));
    assert!(!map.clear(slot(3)));
    map.assign_range(SlotRange::ALL, 'c');
    map.clear_range("5-16383".parse().unwrap());
    assert_eq!(map.runs().collect::<Vec<_>>(), [("0-4".parse().unwrap(), &'c')]);
}

#[test]
fn equality_forgets_history() {
    let mut map = SlotMap::new();
    for owner in ["x", "b", "a"] {
        map.assign_range(SlotRange::ALL, owner);
    }
    map.assign_range("100-199".parse().unwrap(), "b");
    let other: SlotMap<_> = [("0-99", "a"), ("200-16383", "a"), ("100-199", "b")]
        .map(|(r, o)| (r.parse().unwrap(), o))
        .into_iter()
        .collect();
    assert_eq!(map, other);
    map.clear(slot(5));
    assert_ne!(map, other);
    map.set(slot(5), "b");
    assert_ne!(map, other);
    map.set(slot(5), "a");
    assert_eq!(map, other);
    map.set_replicas(&"a", ["c"]);
    assert_ne!(map, other);
    map.set_replicas(&"a", []);
    assert_eq!(map, other);
}

#[test]
fn an_owner_is_dropped_with_its_last_slot() {
    let owner = Arc::new("connection");
    let mut map = SlotMap::new();
    map.assign(&SlotSet::new(), owner.clone());
    assert_eq!((map.owners().len(), Arc::strong_count(&owner)), (0, 1));
    map.assign(&"1-3 8".parse().unwrap(), owner.clone());
    map.set_replicas(&owner, [owner.clone()]);
    assert_eq!(Arc::strong_count(&owner), 3);
    map.assign_range("0-7".parse().unwrap(), Arc::new("other"));
    assert_eq!(map.slot_count(&owner), 1);
    map.clear(slot(8));
    assert_eq!(Arc::strong_count(&owner), 1);
    assert!(!map.set_replicas(&owner, []));
}

#[test]
fn every_slot_may_have_an_owner_and_a_version_of_its_own() {
    let mut map: SlotMap<u16> = Slot::all().map(|slot| (SlotRange::from(slot), slot.get())).collect();
    assert_eq!((map.owners().len(), map.runs().count(), map.is_complete()), (16384, 16384, true));
    // One owner more, while all others still have theirs.
    map.set(slot(77), 20_000);
    assert_eq!((map.owners().len(), map.get(slot(77))), (16384, Some(&20_000)));
    assert_eq!(map.slots_of(&16383), SlotSet::from(Slot::MAX));
    // Back to a map of blocks alone.
    map.assign_range(SlotRange::ALL, 5);
    assert_eq!((map.owners().len(), map.runs().count()), (1, 1));

    let mut map = SlotMap::default();
    for slot in Slot::all() {
        assert_eq!(map.claim(slot, slot.get() % 5, slot.get()), ClaimOutcome::Moved);
    }
    let report = map.claim_range(SlotRange::ALL, 9, 8000);
    assert_eq!((report.taken(), report.stale().unwrap().first()), (8001, Some(slot(8001))));
}

/// Neither `Ord` nor `Clone`.
struct Plain;

#[test]
fn reading_asks_nothing_of_owners() {
    let map = SlotMap::<Plain, Plain> { table: table_of_plain(), owners: OwnerTable::new() };
    assert!(map.get(Slot::MIN).is_none() && map.route(Slot::MAX).owner.is_none());
    assert_eq!((map.owners().len(), map.is_complete(), map.replicas(Slot::MIN).len()), (0, false, 0));
}

impl Default for Plain {
    fn default() -> Self {
        Self
    }
}

fn table_of_plain() -> Table<Plain> {
    Table::new()
}

/// Counts its clones.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Counted(u8, Arc<()>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self(self.0, self.1.clone())
    }
}

#[test]
fn a_patch_of_a_clone_copies_no_owner() {
    let token = Arc::new(());
    let mut map = SlotMap::default();
    map.claim_range("0-8191".parse().unwrap(), Counted(0, token.clone()), 1);
    map.claim_range("8192-16383".parse().unwrap(), Counted(1, token.clone()), 1);
    let before = Arc::strong_count(&token);
    let mut patched = map.clone();
    patched.claim(slot(9000), Counted(0, token.clone()), 2);
    assert_eq!(Arc::strong_count(&token), before);
    assert_eq!((map.get(slot(9000)).unwrap().0, patched.get(slot(9000)).unwrap().0), (1, 0));
}

#[cfg(feature = "std")]
#[test]
fn what_changes_nothing_stays_shared() {
    let mut map = SlotMap::default();
    map.claim_range(SlotRange::ALL, 'a', 3);
    map.claim(slot(9), 'b', 4);
    let same = map.clone();
    assert!(map.is_shared_with(&same));
    assert_eq!(map.claim_range("0-8".parse().unwrap(), 'a', 3).confirmed(), 9);
    assert_eq!(map.claim(slot(9), 'c', 3), ClaimOutcome::Stale);
    assert_eq!(map.claim_range("9-9".parse().unwrap(), 'c', 3).taken(), 0);
    assert_eq!(map.merge(&same).moved(), 0);
    assert!(map.is_shared_with(&same));
    assert_eq!(map.claim(slot(9), 'b', 5), ClaimOutcome::Confirmed);
    assert!(!map.is_shared_with(&same));
}

#[test]
fn merging_brings_replicas_of_what_was_taken() {
    let (mut map, mut seen) = (SlotMap::default(), SlotMap::default());
    map.claim_range("0-99".parse().unwrap(), 'a', 5);
    map.claim_range("100-199".parse().unwrap(), 'b', 5);
    map.set_replicas(&'a', ['x']);
    map.set_replicas(&'b', ['y']);
    seen.claim_range("0-99".parse().unwrap(), 'a', 4);
    seen.claim_range("100-199".parse().unwrap(), 'b', 6);
    seen.set_replicas(&'a', ['p']);
    seen.set_replicas(&'b', ['q']);
    assert_eq!(map.merge(&seen).stale().unwrap().len(), 100);
    assert_eq!((map.replicas(slot(0)), map.replicas(slot(100))), (&['x'][..], &['q'][..]));
    // A map that was told nothing of replicas takes none away.
    let mut silent = SlotMap::default();
    silent.claim_range("100-199".parse().unwrap(), 'b', 7);
    assert_eq!(map.merge(&silent).confirmed(), 100);
    assert_eq!(map.replicas(slot(100)), ['q']);
}

#[test]
fn debug_shows_runs() {
    let mut map = SlotMap::new();
    map.assign_range("0-9".parse().unwrap(), String::from("a"));
    map.set(slot(12), "b".to_string());
    assert_eq!(format!("{map:?}"), r#"{0-9: "a", 12: "b"}"#);
    assert_eq!(format!("{:?}", map.runs()), r#"[(SlotRange(0-9), "a"), (SlotRange(12), "b")]"#);

    let mut map = SlotMap::default();
    let _ = (map.claim_range("0-9".parse().unwrap(), 'a', 3), map.release(slot(4), 5));
    assert_eq!(format!("{map:?}"), "{0-3: 'a' at 3, 4: nobody at 5, 5-9: 'a' at 3, 10-16383: nobody at 0}");
}
