//! What is measured: every implementation over key lengths and tag shapes, many keys at once, and the
//! look-up of an owner.

use std::hint::black_box;

use slotwright_benches::batch::{self, Batch};
use slotwright_benches::keys::{KeySet, Shape};
use slotwright_benches::single::{self, Single};
use slotwright_slots::Slot;

use crate::look_ups::Tables;
use crate::turns::{self, Plan, Race, Row, RowName, Runner};

/// The lengths of the table.
pub(crate) const TABLE_LENGTHS: [usize; 25] =
    [1, 2, 3, 4, 6, 8, 12, 15, 16, 17, 20, 24, 31, 32, 33, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024];
/// Up to here every length is measured: most keys are no longer, and implementations change their ways here.
const EVERY_LENGTH_TO: usize = 64;
/// Further lengths that are no sums of a few powers of two.
const ODD_LENGTHS: [usize; 10] = [65, 79, 100, 127, 129, 200, 255, 333, 700, 1023];
/// The lengths that tag shapes are measured at.
const TAGGED_LENGTHS: [usize; 3] = [16, 64, 256];
/// The name of the set of keys of 1 to 64 bytes.
pub(crate) const MIXED: &str = "mixed";

struct Material {
    name: RowName,
    set: KeySet,
}

impl Material {
    fn new(group: impl Into<String>, keys: impl Into<String>, length: Option<usize>, set: KeySet) -> Self {
        Self { name: RowName { group: group.into(), keys: keys.into(), length }, set }
    }
}

/// Measures everything.
pub(crate) fn run(plan: Plan) -> Vec<Row> {
    let (singles, batches) = (single::all(), batch::all());
    let tables = Tables::new();
    let (one_by_one, together) = (single_materials(plan.quick), batch_materials());
    let mut races: Vec<Race<'_>> =
        one_by_one.iter().map(|material| race_of_singles(material, &singles)).collect();
    races.extend(together.iter().map(|material| race_of_batches(material, &batches)));
    races.push(tables.race());
    turns::run(races, plan, |sweep| {
        if sweep % 5 == 1 {
            eprintln!("Sweep {sweep} of {}", plan.sweeps);
        }
    })
}

fn lengths(quick: bool) -> Vec<usize> {
    let mut lengths = TABLE_LENGTHS.to_vec();
    if !quick {
        lengths.extend((1..=EVERY_LENGTH_TO).chain(ODD_LENGTHS));
        lengths.sort_unstable();
        lengths.dedup();
    }
    lengths
}

fn single_materials(quick: bool) -> Vec<Material> {
    let mut all: Vec<Material> = lengths(quick)
        .into_iter()
        .map(|length| Material::new("key_slot", length.to_string(), Some(length), KeySet::of_length(length)))
        .collect();
    all.push(Material::new("key_slot", MIXED, None, KeySet::mixed_fitting()));
    for shape in Shape::ALL {
        let of_length = |length: usize| {
            Material::new(
                format!("tag/{}", shape.name()),
                length.to_string(),
                Some(length),
                KeySet::of_shape(shape, length),
            )
        };
        all.extend(TAGGED_LENGTHS.map(of_length));
    }
    all
}

fn batch_materials() -> Vec<Material> {
    let material = |(name, count, length): (&str, usize, Option<usize>)| {
        let set = length.map_or_else(|| KeySet::mixed(count), |length| KeySet::counted(count, length));
        Material::new("batch", name, length, set)
    };
    batch::SETS.map(material).into()
}

fn race_of_singles<'a>(material: &'a Material, singles: &'a [Single]) -> Race<'a> {
    let runner = |one: &'a Single| {
        let keys = material.set.slices();
        Runner::new(&one.name, move |passes| {
            for _ in 0..passes {
                black_box(one.pass(black_box(&keys)));
            }
        })
    };
    Race {
        name: material.name.clone(),
        keys: material.set.slices().len(),
        runners: singles.iter().map(runner).collect(),
    }
}

fn race_of_batches<'a>(material: &'a Material, batches: &'a [Batch]) -> Race<'a> {
    let runner = |way: &'a Batch| {
        let keys = material.set.slices();
        let mut slots = vec![Slot::MIN; keys.len()];
        Runner::new(&way.name, move |passes| {
            for _ in 0..passes {
                way.run(black_box(&keys), black_box(&mut slots));
            }
        })
    };
    Race {
        name: material.name.clone(),
        keys: material.set.slices().len(),
        runners: batches.iter().map(runner).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_of_the_table_is_measured_once() {
        for quick in [false, true] {
            let lengths = lengths(quick);
            assert!(lengths.windows(2).all(|pair| pair[0] < pair[1]), "{lengths:?}");
            assert!(TABLE_LENGTHS.iter().all(|length| lengths.contains(length)));
        }
        assert!((1..=64).all(|length| lengths(false).contains(&length)));
    }

    #[test]
    fn no_two_rows_have_the_same_name() {
        let mut names: Vec<(String, String)> = single_materials(false)
            .into_iter()
            .chain(batch_materials())
            .map(|material| (material.name.group, material.name.keys))
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
