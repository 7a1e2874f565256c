//! A set of slots as a bitmap: membership, whole ranges at a time, and taking a set apart.
//!
//! `ops` holds what relates two sets, `iter` the walks over one, `text` its reading and printing.

mod iter;
mod ops;
mod text;

use alloc::boxed::Box;

pub use iter::{SetIter, SetRanges};

use crate::range::SlotRange;
use crate::slot::{SLOT_COUNT, Slot};

/// Slots to a word of the bitmap.
pub(crate) const WORD_BITS: usize = u64::BITS as usize;
/// Words in the bitmap: 16384 bits.
pub(crate) const WORDS: usize = SLOT_COUNT as usize / WORD_BITS;

/// A set of slots.
///
/// A bitmap of 16384 bits, 2 KiB, behind a pointer: sets live in enums, futures, errors and vectors of shards, and
/// are moved more often than made, so one allocation for each set costs less than moving 2 KiB about. Adding,
/// removing and asking take constant time, everything about whole sets or ranges goes 64 slots at a time.
///
/// Sets are ordered as their ascending sequences of slots would be, so as a `BTreeSet` is. The text is what
/// `CLUSTER NODES` prints, `0-5460 5462`; see the [`FromStr`](SlotSet#impl-FromStr-for-SlotSet) implementation.
///
/// ```
/// use slotwright_slots::{Slot, SlotSet};
///
/// let mut mine: SlotSet = "0-5460, 5462".parse()?;
/// assert_eq!(mine.len(), 5462);
///
/// mine.remove(Slot::MIN);
/// assert_eq!(mine.to_string(), "1-5460 5462");
/// assert_eq!(mine.complement().to_string(), "0 5461 5463-16383");
///
/// let theirs: SlotSet = "5000-6000".parse()?;
/// assert_eq!((&mine & &theirs).to_string(), "5000-5460 5462");
/// # Ok::<(), slotwright_slots::ParseSlotError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SlotSet {
    /// Slot `s` is bit `s % 64` of word `s / 64`.
    words: Box<[u64; WORDS]>,
}

impl SlotSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::from_words([0; WORDS])
    }

    /// The set of all 16384 slots.
    #[must_use]
    pub fn full() -> Self {
        Self::from_words([u64::MAX; WORDS])
    }

    /// The set whose slot `s` is bit `s % 64` of word `s / 64`.
    pub(crate) fn from_words(words: [u64; WORDS]) -> Self {
        Self { words: Box::new(words) }
    }

    /// Adds `slot`; true if it was not in the set before.
    pub fn insert(&mut self, slot: Slot) -> bool {
        let (word, bit) = self.word_mut(slot);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Takes `slot` out; true if it was in the set.
    pub fn remove(&mut self, slot: Slot) -> bool {
        let (word, bit) = self.word_mut(slot);
        let was_in = *word & bit != 0;
        *word &= !bit;
        was_in
    }

    /// Whether `slot` is in the set.
    #[must_use]
    pub fn contains(&self, slot: Slot) -> bool {
        let index = slot.index();
        self.words.get(index / WORD_BITS).is_some_and(|word| word >> (index % WORD_BITS) & 1 == 1)
    }

    /// Adds all slots of `range`.
    pub fn insert_range(&mut self, range: SlotRange) {
        for (word, mask) in masked(self.words.iter_mut(), range) {
            *word |= mask;
        }
    }

    /// Takes all slots of `range` out.
    pub fn remove_range(&mut self, range: SlotRange) {
        for (word, mask) in masked(self.words.iter_mut(), range) {
            *word &= !mask;
        }
    }

    /// Whether all slots of `range` are in the set.
    #[must_use]
    pub fn contains_range(&self, range: SlotRange) -> bool {
        masked(self.words.iter(), range).all(|(word, mask)| word & mask == mask)
    }

    /// How many slots are in the set, 0 to 16384.
    #[must_use]
    pub fn len(&self) -> usize {
        count(self.words.iter())
    }

    /// Whether no slot is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Whether every slot is in the set.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.words.iter().all(|&word| word == u64::MAX)
    }

    /// Takes every slot out.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// The lowest slot.
    #[must_use]
    pub fn first(&self) -> Option<Slot> {
        self.iter().next()
    }

    /// The highest slot.
    #[must_use]
    pub fn last(&self) -> Option<Slot> {
        let (at, word) = self.words.iter().enumerate().rfind(|(_, word)| **word != 0)?;
        Some(Slot::from_index(at * WORD_BITS + word.ilog2() as usize))
    }

    /// Takes the `n` lowest slots out and returns them; all of them if there are no more than `n`.
    ///
    /// ```
    /// use slotwright_slots::SlotSet;
    ///
    /// let mut stays: SlotSet = "0-99 200-299".parse()?;
    /// let moves = stays.split_off_first(150);
    /// assert_eq!(moves.to_string(), "0-99 200-249");
    /// assert_eq!(stays.to_string(), "250-299");
    /// # Ok::<(), slotwright_slots::ParseSlotError>(())
    /// ```
    #[must_use = "the slots taken out are in the set that is returned"]
    pub fn split_off_first(&mut self, n: usize) -> Self {
        let mut taken = Self::new();
        let mut left = n;
        for (from, to) in self.words.iter_mut().zip(taken.words.iter_mut()) {
            let here = from.count_ones() as usize;
            if here <= left {
                *to = core::mem::take(from);
                left -= here;
            } else {
                let whole = *from;
                for _ in 0..left {
                    // Clears the lowest bit that is set; there is one, as `left` is below the number of such bits.
                    *from &= *from - 1;
                }
                *to = whole ^ *from;
                break;
            }
        }
        taken
    }

    /// The word that holds `slot`, and its bit in there.
    fn word_mut(&mut self, slot: Slot) -> (&mut u64, u64) {
        let (word, bit) = (slot.index() / WORD_BITS, slot.index() % WORD_BITS);
        match self.words.get_mut(word) {
            Some(word) => (word, 1 << bit),
            // The index of a slot is below 16384: the compiler sees that, too, and drops this arm.
            None => unreachable!("slot {slot} lies outside the bitmap"),
        }
    }
}

impl Default for SlotSet {
    fn default() -> Self {
        Self::new()
    }
}

/// The words that `range` touches, each with the mask of its slots in there.
fn masked<W>(words: impl ExactSizeIterator<Item = W>, range: SlotRange) -> impl Iterator<Item = (W, u64)> {
    let (start, end) = (range.start().index(), range.end().index());
    let (first, last) = (start / WORD_BITS, end / WORD_BITS);
    words.enumerate().take(last + 1).skip(first).map(move |(at, word)| {
        let from_start = if at == first { u64::MAX << (start % WORD_BITS) } else { u64::MAX };
        let to_end = if at == last { u64::MAX >> (WORD_BITS - 1 - end % WORD_BITS) } else { u64::MAX };
        (word, from_start & to_end)
    })
}

/// How many bits are set.
fn count<'a>(words: impl Iterator<Item = &'a u64>) -> usize {
    words.map(|word| word.count_ones() as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    pub(super) fn slot(number: u16) -> Slot {
        Slot::new(number).unwrap()
    }

    pub(super) fn numbers(set: &SlotSet) -> BTreeSet<u16> {
        set.iter().map(Slot::get).collect()
    }

    pub(super) fn from_numbers(model: &BTreeSet<u16>) -> SlotSet {
        model.iter().map(|&number| slot(number)).collect()
    }

    /// Sets of some ranges and some single slots, close to word borders more often than chance has it.
    pub(super) fn model() -> impl Strategy<Value = BTreeSet<u16>> {
        let start = prop_oneof![
            0..16384u16,
            (0..256u16, 0..4u16).prop_map(|(word, off)| (word * 64 + off).saturating_sub(2)),
            Just(16383),
            Just(0)
        ];
        let length = prop_oneof![Just(1u16), 1..130u16, 1..6000u16, Just(64)];
        proptest::collection::vec((start, length), 0..12).prop_map(|ranges| {
            ranges.into_iter().flat_map(|(start, length)| start..(start + length).min(16384)).collect()
        })
    }

    pub(super) fn range() -> impl Strategy<Value = SlotRange> {
        (0..16384u16, 0..16384u16)
            .prop_map(|(a, b)| SlotRange::new(slot(a.min(b)), slot(a.max(b))).expect("in order"))
    }

    #[test]
    fn empty_and_full() {
        let (empty, full) = (SlotSet::new(), SlotSet::full());
        assert_eq!((empty.len(), empty.is_empty(), empty.is_full()), (0, true, false));
        assert_eq!((full.len(), full.is_empty(), full.is_full()), (16384, false, true));
        assert_eq!((empty.first(), empty.last()), (None, None));
        assert_eq!((full.first(), full.last()), (Some(Slot::MIN), Some(Slot::MAX)));
        assert_eq!(SlotSet::default(), empty);
        assert_eq!(core::mem::size_of::<Option<SlotSet>>(), core::mem::size_of::<usize>());
    }

    proptest! {
        #[test]
        fn single_slots_like_a_btree_set(ops in proptest::collection::vec((any::<bool>(), 0..300u16), 0..200)) {
            let (mut set, mut model) = (SlotSet::new(), BTreeSet::new());
            for (insert, number) in ops {
                // Spread over the lower, the middle and the last words.
                let number = [number, 8000 + number, 16383 - number][usize::from(number) % 3];
                prop_assert_eq!(set.contains(slot(number)), model.contains(&number));
                if insert {
                    prop_assert_eq!(set.insert(slot(number)), model.insert(number));
                } else {
                    prop_assert_eq!(set.remove(slot(number)), model.remove(&number));
                }
            }
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(numbers(&set), model);
        }

        #[test]
        fn ranges_like_a_btree_set(mut model in model(), ops in proptest::collection::vec((any::<bool>(), range()), 1..4)) {
            let mut set = from_numbers(&model);
            for (insert, range) in ops {
                let inside = range.iter().all(|slot| model.contains(&slot.get()));
                prop_assert_eq!(set.contains_range(range), inside);
                if insert {
                    set.insert_range(range);
                    model.extend(range.iter().map(Slot::get));
                    prop_assert!(set.contains_range(range));
                } else {
                    set.remove_range(range);
                    model.retain(|&number| !range.contains(slot(number)));
                }
                prop_assert_eq!(&numbers(&set), &model);
                prop_assert_eq!(set.first().map(Slot::get), model.first().copied());
                prop_assert_eq!(set.last().map(Slot::get), model.last().copied());
                prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
            }
        }

        #[test]
        fn splits_where_it_should(model in model(), n in prop_oneof![0..200usize, 0..16384usize, Just(usize::MAX)]) {
            let mut rest = from_numbers(&model);
            let taken = rest.split_off_first(n);
            let expected: Vec<u16> = model.iter().copied().take(n).collect();
            prop_assert!(taken.iter().map(Slot::get).eq(expected));
            prop_assert!(rest.iter().map(Slot::get).eq(model.into_iter().skip(n)));
        }
    }

    #[test]
    fn clear_empties() {
        let mut set = SlotSet::full();
        set.clear();
        assert!(set.is_empty());
        assert_eq!(set.to_string(), "");
    }
}
