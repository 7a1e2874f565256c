//! Key to slot, by length and by tag shape, beside the peers; and many keys at once.
//!
//! Ids: `key_slot/<implementation>/<length>`, `tag/<shape>/<implementation>/<length>`, `batch/<way>/<keys>`. One
//! iteration is a pass over a set of keys, so criterion's elements per second are keys per second. The table and the
//! ratios that `cargo xtask bench slots` prints come from `report`, which measures the same work in turns.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use slotwright_benches::keys::{KeySet, Shape};
use slotwright_benches::suite::group;
use slotwright_benches::{batch, single};
use slotwright_slots::Slot;

/// Around the blocks of 4, 8 and 16 bytes that implementations work in, then powers of two and between.
const LENGTHS: [usize; 19] = [1, 2, 4, 8, 12, 15, 16, 17, 24, 31, 32, 33, 48, 64, 96, 128, 256, 512, 1024];
const TAGGED_LENGTHS: [usize; 3] = [16, 64, 256];

fn singles(criterion: &mut Criterion, name: &str, parameter: &str, set: &KeySet) {
    let keys = set.slices();
    let mut group = group(criterion, name, keys.len());
    for one in single::all() {
        group.bench_function(BenchmarkId::new(&one.name, parameter), |bencher| {
            bencher.iter(|| one.pass(black_box(&keys)));
        });
    }
    group.finish();
}

fn by_length(criterion: &mut Criterion) {
    for length in LENGTHS {
        singles(criterion, "key_slot", &length.to_string(), &KeySet::of_length(length));
    }
    singles(criterion, "key_slot", "mixed", &KeySet::mixed_fitting());
}

fn by_shape(criterion: &mut Criterion) {
    for shape in Shape::ALL {
        for length in TAGGED_LENGTHS {
            let set = KeySet::of_shape(shape, length);
            singles(criterion, &format!("tag/{}", shape.name()), &length.to_string(), &set);
        }
    }
}

fn batches(criterion: &mut Criterion) {
    for (name, count, length) in batch::SETS {
        let set = length.map_or_else(|| KeySet::mixed(count), |length| KeySet::counted(count, length));
        let keys = set.slices();
        let mut slots = vec![Slot::MIN; keys.len()];
        let mut group = group(criterion, "batch", keys.len());
        for way in batch::all() {
            group.bench_function(BenchmarkId::new(&way.name, name), |bencher| {
                bencher.iter(|| way.run(black_box(&keys), black_box(&mut slots)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, by_length, by_shape, batches);
criterion_main!(benches);
