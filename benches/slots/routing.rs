//! Slot to owner, beside the structures that peers use, and one slot patched.
//!
//! Ids: `routing/<work>/<implementation>/<nodes>`, where the nodes are primaries with one range of slots each.
//!
//! | work | one element is |
//! |---|---|
//! | `random` | a look-up of a random slot, everything in the caches |
//! | `cold` | the same, the first 64 after the caches were walked over, each waiting for the one before |
//! | `route` | owner, replicas and version of a random slot |
//! | `shared` | a random slot in a table that others may write meanwhile, the table fetched for each |
//! | `patch` | a new table in which one slot has another owner; the old one stays as it was |
//!
//! Implementations: `slotwright` is [`SlotMap`], in `shared` [`SharedSlotMap::load`], and with `-reader` its reader;
//! `btreemap-ranges` is what redis-rs has, `sorted-vec` a binary search over ranges, `flat-array` 16384 owners, and
//! `index-array` 16384 indices of two bytes beside the owners. Owners are `Arc<str>` on all sides.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use slotwright_benches::suite::group;
use slotwright_slots::{SLOT_COUNT, SharedSlotMap, Slot, SlotMap, SlotRange};

type Node = Arc<str>;

const NODES: [u16; 3] = [6, 100, 1000];
/// Random slots in one pass: more than a branch predictor learns by heart.
const PASS: usize = 1 << 15;
/// Look-ups after each walk over the caches.
const COLD: usize = 64;
/// More than the last-level cache one core may fill.
const CACHES: usize = 64 << 20;

/// A table from slots to owners.
trait Table: Sized {
    fn new(runs: &[(SlotRange, Node)]) -> Self;
    fn get(&self, slot: Slot) -> Option<&Node>;
    fn patched(&self, slot: Slot, node: Node) -> Self;
}

impl Table for SlotMap<Node> {
    fn new(runs: &[(SlotRange, Node)]) -> Self {
        runs.iter().cloned().collect()
    }

    fn get(&self, slot: Slot) -> Option<&Node> {
        self.get(slot)
    }

    fn patched(&self, slot: Slot, node: Node) -> Self {
        let mut map = self.clone();
        map.set(slot, node);
        map
    }
}

/// By the last slot of each range, its first slot and the owner.
#[derive(Clone)]
struct Tree(BTreeMap<u16, (u16, Node)>);

impl Table for Tree {
    fn new(runs: &[(SlotRange, Node)]) -> Self {
        let entry =
            |(range, node): &(SlotRange, Node)| (range.end().get(), (range.start().get(), node.clone()));
        Self(runs.iter().map(entry).collect())
    }

    fn get(&self, slot: Slot) -> Option<&Node> {
        let (_, (start, node)) = self.0.range(slot.get()..).next()?;
        (*start <= slot.get()).then_some(node)
    }

    fn patched(&self, slot: Slot, node: Node) -> Self {
        let (mut tree, slot) = (self.0.clone(), slot.get());
        if let Some((&end, (start, old))) = tree.range_mut(slot..).next() {
            let (first, old) = (*start, old.clone());
            *start = slot + 1;
            if end == slot {
                tree.remove(&end);
            }
            if first < slot {
                tree.insert(slot - 1, (first, old));
            }
        }
        tree.insert(slot, (slot, node));
        Self(tree)
    }
}

/// First slot, last slot and owner of each range.
struct Sorted(Vec<(u16, u16, Node)>);

impl Table for Sorted {
    fn new(runs: &[(SlotRange, Node)]) -> Self {
        let entry =
            |(range, node): &(SlotRange, Node)| (range.start().get(), range.end().get(), node.clone());
        Self(runs.iter().map(entry).collect())
    }

    fn get(&self, slot: Slot) -> Option<&Node> {
        let at = self.0.partition_point(|(_, end, _)| *end < slot.get());
        self.0.get(at).filter(|(start, ..)| *start <= slot.get()).map(|(.., node)| node)
    }

    fn patched(&self, slot: Slot, node: Node) -> Self {
        let slot = slot.get();
        let mut ranges = Vec::with_capacity(self.0.len() + 2);
        ranges.clone_from(&self.0);
        let at = ranges.partition_point(|(_, end, _)| *end < slot);
        let parts = match ranges.get(at) {
            Some((start, end, old)) => {
                let left = (*start < slot).then(|| (*start, slot - 1, old.clone()));
                let right = (slot < *end).then(|| (slot + 1, *end, old.clone()));
                [left, Some((slot, slot, node)), right]
            }
            None => [Some((slot, slot, node)), None, None],
        };
        ranges.splice(at..(at + 1).min(ranges.len()), parts.into_iter().flatten());
        Self(ranges)
    }
}

/// The owner of each slot.
struct Flat(Vec<Option<Node>>);

impl Table for Flat {
    fn new(runs: &[(SlotRange, Node)]) -> Self {
        let mut nodes = vec![None; usize::from(SLOT_COUNT)];
        for (range, node) in runs {
            nodes
                .iter_mut()
                .skip(range.start().index())
                .take(range.len())
                .for_each(|place| *place = Some(node.clone()));
        }
        Self(nodes)
    }

    fn get(&self, slot: Slot) -> Option<&Node> {
        self.0.get(slot.index())?.as_ref()
    }

    fn patched(&self, slot: Slot, node: Node) -> Self {
        let mut nodes = self.0.clone();
        if let Some(place) = nodes.get_mut(slot.index()) {
            *place = Some(node);
        }
        Self(nodes)
    }
}

/// The index of the owner of each slot, and the owners.
struct Indices {
    indices: Box<[u16; SLOT_COUNT as usize]>,
    nodes: Arc<[Node]>,
}

impl Table for Indices {
    fn new(runs: &[(SlotRange, Node)]) -> Self {
        let mut indices = Box::new([u16::MAX; SLOT_COUNT as usize]);
        for (index, (range, _)) in runs.iter().enumerate() {
            indices
                .iter_mut()
                .skip(range.start().index())
                .take(range.len())
                .for_each(|place| *place = index as u16);
        }
        Self { indices, nodes: runs.iter().map(|(_, node)| node.clone()).collect() }
    }

    fn get(&self, slot: Slot) -> Option<&Node> {
        self.nodes.get(usize::from(*self.indices.get(slot.index())?))
    }

    fn patched(&self, slot: Slot, node: Node) -> Self {
        let mut indices = self.indices.clone();
        let index = self.nodes.iter().position(|other| Arc::ptr_eq(other, &node));
        if let Some((place, index)) = indices.get_mut(slot.index()).zip(index) {
            *place = index as u16;
        }
        Self { indices, nodes: self.nodes.clone() }
    }
}

/// The next random number (xorshift).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// The same random slots in every run.
fn random_slots(count: usize) -> Vec<Slot> {
    let mut state = 0x2545_F491_4F6C_DD1D;
    (0..count).filter_map(|_| Slot::new((random(&mut state) >> 40) as u16 % SLOT_COUNT)).collect()
}

/// As many ranges as nodes, of equal size, in the order of the slots; the nodes in none.
fn runs(nodes: u16) -> Vec<(SlotRange, Node)> {
    let mut names: Vec<Node> =
        (0..nodes).map(|node| format!("10.0.{}.{}:6379", node / 256, node % 256).into()).collect();
    let mut state = 7;
    for last in (1..names.len()).rev() {
        names.swap(last, random(&mut state) as usize % (last + 1));
    }
    let border = |number: usize| Slot::new((number * usize::from(SLOT_COUNT) / names.len()) as u16);
    let ranges = (0..names.len()).filter_map(|number| {
        let end = border(number + 1).map_or(Some(Slot::MAX), |next| Slot::new(next.get() - 1))?;
        SlotRange::new(border(number)?, end)
    });
    ranges.zip(names.iter().cloned()).collect()
}

/// What a look-up found, read: one load from the owner, none from what it points to.
fn read(node: Option<&Node>) -> usize {
    node.map_or(0, |node| node.len())
}

/// Measures a pass over random slots.
fn pass(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    nodes: u16,
    mut look_up: impl FnMut(Slot) -> usize,
) {
    let slots = random_slots(PASS);
    group.bench_function(BenchmarkId::new(name, nodes), |bencher| {
        bencher.iter(|| black_box(&slots).iter().fold(0_usize, |sum, slot| sum.wrapping_add(look_up(*slot))));
    });
}

/// Every structure in turn, each checked against the ranges it was made from.
fn each(criterion: &mut Criterion, work: &str, elements: usize, bench: impl Fn(&mut Measure<'_, '_>)) {
    let mut group = group(criterion, format!("routing/{work}"), elements);
    for nodes in NODES {
        bench(&mut Measure { group: &mut group, nodes, runs: runs(nodes) });
    }
    group.finish();
}

struct Measure<'a, 'b> {
    group: &'a mut BenchmarkGroup<'b, WallTime>,
    nodes: u16,
    runs: Vec<(SlotRange, Node)>,
}

impl Measure<'_, '_> {
    fn table<T: Table>(&self) -> T {
        let table = T::new(&self.runs);
        for (range, node) in &self.runs {
            assert!(range.iter().all(|slot| table.get(slot) == Some(node)));
        }
        let (slot, last) = (Slot::MIN, self.runs.last().map(|(_, node)| node.clone()));
        let patched = last.clone().map(|node| table.patched(slot, node));
        assert_eq!(patched.as_ref().and_then(|table| table.get(slot)), last.as_ref());
        assert_eq!(patched.as_ref().and_then(|table| table.get(Slot::MAX)), last.as_ref());
        table
    }

    fn random<T: Table>(&mut self, name: &str) {
        let table: T = self.table();
        pass(self.group, name, self.nodes, |slot| read(black_box(&table).get(slot)));
    }

    fn cold<T: Table>(&mut self, name: &str) {
        let table: T = self.table();
        let slots = random_slots(PASS);
        let mut caches = vec![1_u8; CACHES];
        let mut turn = 0;
        self.group.bench_function(BenchmarkId::new(name, self.nodes), |bencher| {
            bencher.iter_custom(|turns| {
                (0..turns)
                    .map(|_| {
                        caches.iter_mut().step_by(64).for_each(|byte| *byte = byte.wrapping_add(1));
                        black_box(&mut caches);
                        turn = (turn + 1) % (PASS / COLD);
                        let slots =
                            black_box(slots.iter().skip(turn * COLD).take(COLD).copied().collect::<Vec<_>>());
                        let started = Instant::now();
                        let mut last = 0;
                        for slot in &slots {
                            // The slot depends on what was found before, in a way that never changes it.
                            let next = Slot::new(slot.get() ^ (last >> 20) as u16).unwrap_or(*slot);
                            last = read(table.get(next));
                        }
                        black_box(last);
                        started.elapsed()
                    })
                    .sum()
            });
        });
    }

    fn patch<T: Table>(&mut self, name: &str) {
        let table: T = self.table();
        let slots = random_slots(PASS);
        let mut turns = slots.iter().zip(self.runs.iter().map(|(_, node)| node).cycle()).cycle();
        self.group.bench_function(BenchmarkId::new(name, self.nodes), |bencher| {
            bencher.iter(|| turns.next().map(|(slot, node)| black_box(&table).patched(*slot, node.clone())));
        });
    }
}

fn warm(criterion: &mut Criterion) {
    each(criterion, "random", PASS, |measure| {
        measure.random::<SlotMap<Node>>("slotwright");
        measure.random::<Tree>("btreemap-ranges");
        measure.random::<Sorted>("sorted-vec");
        measure.random::<Flat>("flat-array");
        measure.random::<Indices>("index-array");
    });
}

fn cold(criterion: &mut Criterion) {
    each(criterion, "cold", COLD, |measure| {
        measure.group.sample_size(10).measurement_time(Duration::from_millis(700));
        measure.cold::<SlotMap<Node>>("slotwright");
        measure.cold::<Tree>("btreemap-ranges");
        measure.cold::<Sorted>("sorted-vec");
        measure.cold::<Flat>("flat-array");
        measure.cold::<Indices>("index-array");
    });
}

fn route(criterion: &mut Criterion) {
    each(criterion, "route", PASS, |measure| {
        let mut map = SlotMap::default();
        for (range, node) in &measure.runs {
            map.claim_range(*range, node.clone(), 7_u64);
            map.set_replicas(node, [Node::from("a"), Node::from("b")]);
        }
        pass(measure.group, "slotwright", measure.nodes, |slot| {
            let route = black_box(&map).route(slot);
            read(route.owner) + route.replicas.len() + *route.version as usize
        });
    });
}

fn shared(criterion: &mut Criterion) {
    each(criterion, "shared", PASS, |measure| {
        let shared = SharedSlotMap::new(measure.table::<SlotMap<Node>>());
        pass(measure.group, "slotwright", measure.nodes, |slot| read(shared.load().get(slot)));
        let mut reader = shared.reader();
        pass(measure.group, "slotwright-reader", measure.nodes, |slot| read(reader.load().get(slot)));
        let tree = RwLock::new(measure.table::<Tree>());
        pass(measure.group, "rwlock-btreemap-ranges", measure.nodes, |slot| {
            tree.read().map_or(0, |tree| read(tree.get(slot)))
        });
    });
}

fn patch(criterion: &mut Criterion) {
    each(criterion, "patch", 1, |measure| {
        measure.patch::<SlotMap<Node>>("slotwright");
        measure.patch::<Tree>("btreemap-ranges");
        measure.patch::<Sorted>("sorted-vec");
        measure.patch::<Flat>("flat-array");
        measure.patch::<Indices>("index-array");

        // There and back again, or the table would be another one in the end.
        let map = measure.table::<SlotMap<Node>>();
        let nodes = measure.runs.iter().map(|(_, node)| node).cycle();
        let moves = random_slots(PASS).into_iter().zip(nodes).flat_map(|(slot, node)| {
            [Some((slot, node.clone())), map.get(slot).map(|old| (slot, old.clone()))]
        });
        let moves: Vec<(Slot, Node)> = moves.flatten().collect();
        let mut turns = moves.iter().cycle();
        let shared = SharedSlotMap::new(map.clone());
        measure.group.bench_function(BenchmarkId::new("slotwright-shared", measure.nodes), |bencher| {
            bencher
                .iter(|| turns.next().map(|(slot, node)| shared.update(|map| map.set(*slot, node.clone()))));
        });
    });
}

criterion_group!(benches, warm, cold, route, shared, patch);
criterion_main!(benches);
