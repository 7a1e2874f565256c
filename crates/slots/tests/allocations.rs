//! What routing allocates, counted: nothing to read or to group, and for a patch what it must.

use allocation_counter::measure;
use slotwright_slots::{OwnerGroups, Slot, SlotMap, key_slot};

/// `owners` owners with equally many slots each.
fn map_of<V: Ord + Clone + Default>(owners: usize, version: &V) -> SlotMap<String, V> {
    let mut map = SlotMap::default();
    for slot in Slot::all() {
        map.claim(slot, format!("owner {}", slot.index() * owners / 16384), version.clone());
    }
    assert!(map.is_complete());
    map
}

#[test]
fn a_buffer_used_again_suffices() {
    let (small, large) = (map_of(3, &()), map_of(1000, &()));
    let keys: Vec<String> = (0..1000).map(|number| format!("key:{{{number}}}:x")).collect();
    let few = keys.get(..16).unwrap();
    let mut buffer = OwnerGroups::new();
    let first = measure(|| {
        assert!(large.group_by_owner(&keys, &mut buffer).len() > 500);
    });
    assert!(first.count_total > 0);
    let more = measure(|| {
        for map in [&large, &small] {
            for keys in [&keys, few] {
                let groups = map.group_by_owner(keys, &mut buffer);
                let found = groups.iter().flat_map(|group| {
                    let right = |position: &usize| map.get(groups.slots()[*position]) == group.owner();
                    assert!(group.positions().iter().all(right));
                    group.positions()
                });
                assert_eq!(found.count(), keys.len());
            }
        }
    });
    assert_eq!(more.count_total, 0);
}

#[test]
fn reading_allocates_nothing() {
    let mut map = map_of(100, &7_u64);
    map.set_replicas(&"owner 3".to_owned(), ["replica".to_owned()]);
    let read = measure(|| {
        let clone = map.clone();
        assert!(Slot::all().all(|slot| clone.get(slot) == clone.route(slot).owner));
        assert_eq!((map.runs().count(), map.routes().count(), map.owners().len()), (100, 100, 100));
        assert!(clone == map);
    });
    assert_eq!(read.count_total, 0);
}

#[test]
fn a_patch_of_a_clone_copies_what_it_must() {
    let slot = key_slot(b"foo");
    let owner = "owner 3".to_owned();

    // The blocks and two bytes for each owner.
    let map = map_of(100, &());
    let mut patched = map.clone();
    let again = owner.clone();
    let patch = measure(|| assert!(patched.set(slot, again)));
    assert!(patch.count_total <= 2 && patch.bytes_total <= 4096 + 256 + 100, "{patch:?}");

    // With versions one chunk of eight as well: 64 blocks with three runs each.
    let map = map_of(100, &1_u64);
    let mut patched = map.clone();
    let again = owner.clone();
    let patch = measure(|| {
        patched.claim(slot, again, 2);
    });
    let chunk = 64 * 3 * size_of::<u64>();
    assert!(patch.count_total <= 3 && patch.bytes_total as usize <= 4096 + 256 + chunk + 200, "{patch:?}");

    // What is not shared is written in place.
    let again = owner.clone();
    let patch = measure(|| {
        patched.claim(slot, again, 3);
    });
    assert_eq!(patch.count_total, 0);
}
