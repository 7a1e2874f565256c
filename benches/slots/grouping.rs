//! The keys of one command parted by owner, beside a hash map of owners.
//!
//! Ids: `grouping/<keys>x<owners>/<implementation>`; one element is a key of 16 bytes.
//!
//! | implementation | what it does |
//! |---|---|
//! | `slotwright` | [`SlotMap::group_by_owner`]: hashes, looks up and groups into a buffer used again |
//! | `hashmap` | the same as peers do it: the crate `crc16` after a tag scan, a `BTreeMap` of ranges, and a `HashMap` from owner to positions |
//! | `slotwright-slots-known` | grouping alone, slots given |
//! | `hashmap-slots-known` | grouping alone: slots given, the owner from our map, then the `HashMap` |
//!
//! Every implementation is followed by a walk over what it found, as a caller would do.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use slotwright_benches::keys::KeySet;
use slotwright_benches::suite::group;
use slotwright_slots::{OwnerGroups, SLOT_COUNT, Slot, SlotMap, SlotRange, key_slots};

type Node = Arc<str>;

const KEY_LENGTH: usize = 16;

/// As many ranges as owners, of equal size.
fn runs(owners: usize) -> Vec<(SlotRange, Node)> {
    let border = |number: usize| (number * usize::from(SLOT_COUNT) / owners) as u16;
    let run = |number: usize| {
        let range = SlotRange::new(Slot::new(border(number))?, Slot::new(border(number + 1) - 1)?)?;
        Some((range, Node::from(format!("10.0.0.{number}:6379"))))
    };
    (0..owners).filter_map(run).collect()
}

/// The slot as users of the crate `crc16` compute it.
fn peer_slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|&byte| byte == b'}')?;
        rest.get(..close).filter(|tag| !tag.is_empty())
    });
    crc16::State::<crc16::XMODEM>::calculate(tag.unwrap_or(key)) % SLOT_COUNT
}

/// A sum over the groups that no compiler can know: each owner read once, each position once.
fn walk<'a>(groups: impl Iterator<Item = (Option<&'a Node>, &'a [usize])>) -> usize {
    groups.fold(0, |sum, (owner, positions)| {
        sum + owner.map_or(0, |owner| owner.len()) * positions.iter().sum::<usize>()
    })
}

fn into_hash_map<'a>(owners: impl Iterator<Item = Option<&'a Node>>) -> usize {
    let mut groups: HashMap<Option<&Node>, Vec<usize>> = HashMap::new();
    for (position, owner) in owners.enumerate() {
        groups.entry(owner).or_default().push(position);
    }
    walk(groups.iter().map(|(owner, positions)| (*owner, positions.as_slice())))
}

fn grouping(criterion: &mut Criterion) {
    for (count, owners) in [(16, 3), (16, 100), (1000, 3), (1000, 100)] {
        let set = KeySet::counted(count, KEY_LENGTH);
        let keys = set.slices();
        let runs = runs(owners);
        let map: SlotMap<Node> = runs.iter().cloned().collect();
        let tree: BTreeMap<u16, (u16, Node)> = runs
            .iter()
            .map(|(range, node)| (range.end().get(), (range.start().get(), node.clone())))
            .collect();
        let mut slots = vec![Slot::MIN; keys.len()];
        key_slots(&keys, &mut slots);

        let ours = |keys: &[&[u8]], buffer: &mut OwnerGroups| {
            let groups = map.group_by_owner(keys, buffer);
            walk(groups.iter().map(|group| (group.owner(), group.positions())))
        };
        let ours_known = |slots: &[Slot], buffer: &mut OwnerGroups| {
            let groups = map.group_slots_by_owner(slots, buffer);
            walk(groups.iter().map(|group| (group.owner(), group.positions())))
        };
        let peers = |keys: &[&[u8]]| {
            into_hash_map(keys.iter().map(|key| {
                let slot = peer_slot(key);
                let (_, (start, node)) = tree.range(slot..).next()?;
                (*start <= slot).then_some(node)
            }))
        };
        let peers_known = |slots: &[Slot]| into_hash_map(slots.iter().map(|slot| map.get(*slot)));
        let mut buffer = OwnerGroups::new();
        let expected = ours(&keys, &mut buffer);
        assert_eq!([ours_known(&slots, &mut buffer), peers(&keys), peers_known(&slots)], [expected; 3]);

        let mut group = group(criterion, format!("grouping/{count}x{owners}"), count);
        group.bench_function("slotwright", |bencher| bencher.iter(|| ours(black_box(&keys), &mut buffer)));
        group.bench_function("hashmap", |bencher| bencher.iter(|| peers(black_box(&keys))));
        group.bench_function("slotwright-slots-known", |bencher| {
            bencher.iter(|| ours_known(black_box(&slots), &mut buffer));
        });
        group
            .bench_function("hashmap-slots-known", |bencher| bencher.iter(|| peers_known(black_box(&slots))));
        group.finish();
    }
}

criterion_group!(benches, grouping);
criterion_main!(benches);
