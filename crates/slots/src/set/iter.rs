//! The walks over a set of slots, slot by slot and range by range, and making a set of slots and ranges.

use core::iter::{Enumerate, FusedIterator};
use core::slice;

use super::{SlotSet, WORD_BITS, WORDS, count};
use crate::range::SlotRange;
use crate::slot::{SLOT_COUNT, Slot};

impl SlotSet {
    /// The slots, in ascending order.
    ///
    /// ```
    /// use slotwright_slots::SlotSet;
    ///
    /// let set: SlotSet = "3 1-2".parse()?;
    /// assert!(set.iter().map(|slot| slot.get()).eq([1, 2, 3]));
    /// # Ok::<(), slotwright_slots::ParseSlotError>(())
    /// ```
    #[must_use]
    pub fn iter(&self) -> SetIter<'_> {
        SetIter { rest: self.words.iter().enumerate(), at: 0, word: 0 }
    }

    /// The slots as ranges, in ascending order; the ranges are as long as can be, so no two of them touch.
    ///
    /// ```
    /// use slotwright_slots::SlotSet;
    ///
    /// let set: SlotSet = "0-5460 5461 9000".parse()?;
    /// let sizes: Vec<usize> = set.ranges().map(|range| range.len()).collect();
    /// assert_eq!(sizes, [5462, 1]);
    /// # Ok::<(), slotwright_slots::ParseSlotError>(())
    /// ```
    #[must_use]
    pub fn ranges(&self) -> SetRanges<'_> {
        SetRanges { words: &self.words, next: 0 }
    }
}

impl<'a> IntoIterator for &'a SlotSet {
    type Item = Slot;
    type IntoIter = SetIter<'a>;

    fn into_iter(self) -> SetIter<'a> {
        self.iter()
    }
}

/// The slots of a [`SlotSet`], in ascending order; from [`SlotSet::iter`].
#[derive(Debug, Clone)]
pub struct SetIter<'a> {
    rest: Enumerate<slice::Iter<'a, u64>>,
    /// Which word `word` is.
    at: usize,
    /// What is left of the current word.
    word: u64,
}

impl Iterator for SetIter<'_> {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        while self.word == 0 {
            let (at, &word) = self.rest.next()?;
            (self.at, self.word) = (at, word);
        }
        let bit = self.word.trailing_zeros() as usize;
        self.word &= self.word - 1;
        Some(Slot::from_index(self.at * WORD_BITS + bit))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.word.count_ones() as usize + count(self.rest.clone().map(|(_, word)| word));
        (left, Some(left))
    }

    fn count(self) -> usize {
        self.len()
    }
}

impl ExactSizeIterator for SetIter<'_> {}
impl FusedIterator for SetIter<'_> {}

/// The ranges of a [`SlotSet`], in ascending order; from [`SlotSet::ranges`].
#[derive(Debug, Clone)]
pub struct SetRanges<'a> {
    words: &'a [u64; WORDS],
    /// Where the next range is looked for; 16384 at the end.
    next: usize,
}

impl SetRanges<'_> {
    /// The lowest slot from `from` on whose bit, flipped by `flip`, is set; 16384 if there is none.
    fn seek(&self, from: usize, flip: u64) -> usize {
        let mut mask = u64::MAX << (from % WORD_BITS);
        for (at, word) in self.words.iter().enumerate().skip(from / WORD_BITS) {
            let found = (word ^ flip) & mask;
            if found != 0 {
                return at * WORD_BITS + found.trailing_zeros() as usize;
            }
            mask = u64::MAX;
        }
        usize::from(SLOT_COUNT)
    }
}

impl Iterator for SetRanges<'_> {
    type Item = SlotRange;

    fn next(&mut self) -> Option<SlotRange> {
        let start = self.seek(self.next, 0);
        self.next = self.seek(start, u64::MAX);
        if start == self.next {
            return None;
        }
        SlotRange::new(Slot::from_index(start), Slot::from_index(self.next - 1))
    }
}

impl FusedIterator for SetRanges<'_> {}

impl From<Slot> for SlotSet {
    fn from(slot: Slot) -> Self {
        Self::from(SlotRange::from(slot))
    }
}

impl From<SlotRange> for SlotSet {
    fn from(range: SlotRange) -> Self {
        let mut set = Self::new();
        set.insert_range(range);
        set
    }
}

impl Extend<Slot> for SlotSet {
    fn extend<I: IntoIterator<Item = Slot>>(&mut self, slots: I) {
        for slot in slots {
            self.insert(slot);
        }
    }
}

impl Extend<SlotRange> for SlotSet {
    fn extend<I: IntoIterator<Item = SlotRange>>(&mut self, ranges: I) {
        for range in ranges {
            self.insert_range(range);
        }
    }
}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut set = Self::new();
        set.extend(slots);
        set
    }
}

impl FromIterator<SlotRange> for SlotSet {
    fn from_iter<I: IntoIterator<Item = SlotRange>>(ranges: I) -> Self {
        let mut set = Self::new();
        set.extend(ranges);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{from_numbers, model, slot};
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Bit by bit.
    fn naive_ranges(model: &BTreeSet<u16>) -> Vec<(u16, u16)> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for &number in model {
            match ranges.last_mut() {
                Some((_, end)) if *end + 1 == number => *end = number,
                _ => ranges.push((number, number)),
            }
        }
        ranges
    }

    fn check(model: &BTreeSet<u16>) {
        let set = from_numbers(model);
        let ranges: Vec<SlotRange> = set.ranges().collect();
        let pairs: Vec<_> = ranges.iter().map(|range| (range.start().get(), range.end().get())).collect();
        assert_eq!(pairs, naive_ranges(model));
        assert_eq!(ranges.into_iter().collect::<SlotSet>(), set);
        assert!((&set).into_iter().map(Slot::get).eq(model.iter().copied()));
    }

    #[test]
    fn borders_and_extremes() {
        check(&BTreeSet::new());
        check(&(0..16384).collect());
        check(&(0..16384).step_by(2).collect());
        check(&(1..16384).step_by(2).collect());
        check(&BTreeSet::from([0, 63, 64, 127, 129, 16383]));
        check(&(63..=64).chain(16320..16384).collect());
    }

    #[test]
    fn iterators_stay_at_their_end() {
        let set = SlotSet::from(slot(16383));
        let (mut slots, mut ranges) = (set.iter(), set.ranges());
        assert_eq!((slots.next(), ranges.next()), (Some(slot(16383)), Some(SlotRange::from(slot(16383)))));
        for _ in 0..3 {
            assert_eq!((slots.next(), ranges.next()), (None, None));
        }
    }

    proptest! {
        #[test]
        fn like_a_btree_set(model in model()) {
            check(&model);
        }

        #[test]
        fn length_is_exact_all_the_way(model in model(), skip in 0..200usize) {
            let set = from_numbers(&model);
            let mut slots = set.iter();
            for _ in 0..skip {
                slots.next();
            }
            let left = model.len().saturating_sub(skip);
            prop_assert_eq!((slots.len(), slots.clone().count()), (left, left));
            prop_assert_eq!(slots.collect::<Vec<_>>().len(), left);
        }
    }
}
