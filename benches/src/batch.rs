//! The ways to take many keys at once: our batch call, and a loop over our single call to measure it by.

use slotwright_slots::{Kernel, Slot, key_slot, key_slots};

/// The name of the loop over the single call.
pub const ONE_BY_ONE: &str = "key_slot";
/// The name of the batch call.
pub const TOGETHER: &str = "key_slots";

/// The sets of keys that batches are measured on: a name, how many keys, and their length; `None` is mixed lengths.
pub const SETS: [(&str, usize, Option<usize>); 6] = [
    ("8", 1000, Some(8)),
    ("16", 1000, Some(16)),
    ("32", 1000, Some(32)),
    ("64", 1000, Some(64)),
    ("mixed", 1000, None),
    ("16x10", 10, Some(16)),
];

/// A way to turn many keys into slots.
pub struct Batch {
    /// Its name in ids and tables.
    pub name: String,
    run: Run,
}

type Run = Box<dyn Fn(&[&[u8]], &mut [Slot])>;

impl Batch {
    fn new(name: impl Into<String>, run: impl Fn(&[&[u8]], &mut [Slot]) + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }

    /// Writes the slot of each key to the same place of `slots`, which is as long.
    pub fn run(&self, keys: &[&[u8]], slots: &mut [Slot]) {
        (self.run)(keys, slots);
    }
}

/// The loop over the single call first, then the batch call as everyone calls it, then each of its paths by force.
pub fn all() -> Vec<Batch> {
    let one_by_one = |keys: &[&[u8]], slots: &mut [Slot]| {
        for (key, slot) in keys.iter().zip(slots) {
            *slot = key_slot(key);
        }
    };
    let mut all = vec![
        Batch::new(ONE_BY_ONE, one_by_one),
        Batch::new(TOGETHER, |keys: &[&[u8]], slots: &mut [Slot]| key_slots(keys, slots)),
    ];
    all.extend(Kernel::available().map(|kernel| {
        Batch::new(format!("{TOGETHER}-{}", kernel.name()), move |keys: &[&[u8]], slots: &mut [Slot]| {
            kernel.key_slots(keys, slots);
        })
    }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeySet;

    #[test]
    fn every_way_gives_the_same_slots() {
        let set = KeySet::mixed(300);
        let keys = set.slices();
        let expected: Vec<Slot> = keys.iter().map(|key| key_slot(key)).collect();
        for batch in all() {
            let mut slots = vec![Slot::MIN; keys.len()];
            batch.run(&keys, &mut slots);
            assert_eq!(slots, expected, "{}", batch.name);
        }
    }
}
