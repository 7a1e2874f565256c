//! Consecutive slots: a first and a last one, both included, never empty.
//!
//! Owns the pair, its text and the walk over it. Several ranges together are a `SlotSet`.

use core::fmt;
use core::iter::FusedIterator;
use core::ops::RangeInclusive;
use core::str::FromStr;

use crate::error::{ParseSlotError, ParseSlotErrorReason};
use crate::slot::Slot;

/// The slots from `start` to `end`, both included; `start` is never above `end`.
///
/// The text is what `CLUSTER NODES` prints: `0-5460`, or `5` for one slot. Reading accepts `5-5` as well.
/// Ranges are ordered by their start, then by their end.
///
/// ```
/// use slotwright_slots::{Slot, SlotRange};
///
/// let range: SlotRange = "0-5460".parse()?;
/// assert_eq!((range.start(), range.len()), (Slot::MIN, 5461));
/// assert_eq!(SlotRange::from(range.end()).to_string(), "5460");
/// assert_eq!(SlotRange::new(range.end(), range.start()), None);
/// # Ok::<(), slotwright_slots::ParseSlotError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotRange {
    start: Slot,
    end: Slot,
}

impl SlotRange {
    /// Every slot, 0 to 16383.
    pub const ALL: Self = Self { start: Slot::MIN, end: Slot::MAX };

    /// The slots from `start` to `end`, both included, or `None` if `start` is above `end`.
    #[must_use]
    pub const fn new(start: Slot, end: Slot) -> Option<Self> {
        if start.get() <= end.get() { Some(Self { start, end }) } else { None }
    }

    /// The first slot.
    #[must_use]
    pub const fn start(self) -> Slot {
        self.start
    }

    /// The last slot, which belongs to the range.
    #[must_use]
    pub const fn end(self) -> Slot {
        self.end
    }

    /// How many slots there are, 1 to 16384.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(self) -> usize {
        self.end.index() - self.start.index() + 1
    }

    /// Whether `slot` lies within.
    #[must_use]
    pub const fn contains(self, slot: Slot) -> bool {
        self.start.get() <= slot.get() && slot.get() <= self.end.get()
    }

    /// The slots in ascending order; may be walked from either end.
    ///
    /// ```
    /// use slotwright_slots::SlotRange;
    ///
    /// let range: SlotRange = "7-9".parse()?;
    /// assert!(range.iter().map(|slot| slot.get()).eq([7, 8, 9]));
    /// # Ok::<(), slotwright_slots::ParseSlotError>(())
    /// ```
    #[must_use]
    pub const fn iter(self) -> RangeIter {
        RangeIter(self.start.get()..=self.end.get())
    }

    pub(crate) fn parse(text: &str) -> Result<Self, ParseSlotErrorReason> {
        let Some((start, end)) = text.split_once('-') else {
            return Slot::parse(text).map(Self::from);
        };
        Self::new(Slot::parse(start)?, Slot::parse(end)?).ok_or(ParseSlotErrorReason::Reversed)
    }
}

impl From<Slot> for SlotRange {
    fn from(slot: Slot) -> Self {
        Self { start: slot, end: slot }
    }
}

impl FromStr for SlotRange {
    type Err = ParseSlotError;

    fn from_str(text: &str) -> Result<Self, ParseSlotError> {
        Self::parse(text).map_err(|reason| ParseSlotError::new(text, 0, reason))
    }
}

impl fmt::Display for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.start == self.end {
            write!(f, "{}", self.start)
        } else {
            write!(f, "{}-{}", self.start, self.end)
        }
    }
}

impl fmt::Debug for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotRange({self})")
    }
}

impl IntoIterator for SlotRange {
    type Item = Slot;
    type IntoIter = RangeIter;

    fn into_iter(self) -> RangeIter {
        self.iter()
    }
}

/// The slots of a [`SlotRange`], in ascending order; from [`SlotRange::iter`] and [`Slot::all`].
#[derive(Debug, Clone)]
pub struct RangeIter(RangeInclusive<u16>);

impl Iterator for RangeIter {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        self.0.next().map(Slot::wrapping)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<Slot> {
        self.0.nth(n).map(Slot::wrapping)
    }
}

impl DoubleEndedIterator for RangeIter {
    fn next_back(&mut self) -> Option<Slot> {
        self.0.next_back().map(Slot::wrapping)
    }
}

impl ExactSizeIterator for RangeIter {}
impl FusedIterator for RangeIter {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn text_is_strict() {
        use ParseSlotErrorReason::{Missing, NotANumber, OutOfRange, Reversed};
        for (text, reason) in [
            ("", Missing),
            ("-", Missing),
            ("5-", Missing),
            ("-5", Missing),
            ("5 - 7", NotANumber),
            ("5-6-7", NotANumber),
            ("5..7", NotANumber),
            ("0-16384", OutOfRange),
            ("7-5", Reversed),
        ] {
            let error = text.parse::<SlotRange>().unwrap_err();
            assert_eq!((error.item(), error.position(), error.reason()), (text, 0, reason));
        }
    }

    #[test]
    fn one_slot_prints_as_its_number() {
        let five: SlotRange = "5-5".parse().unwrap();
        assert_eq!(five, "5".parse().unwrap());
        assert_eq!(five.to_string(), "5");
        assert_eq!(format!("{five:?} {:?}", SlotRange::ALL), "SlotRange(5) SlotRange(0-16383)");
    }

    proptest! {
        #[test]
        fn behaves_like_the_range_of_its_numbers(a in 0..16384u16, b in 0..16384u16, probe in 0..16384u16) {
            let (start, end) = (Slot::new(a).unwrap(), Slot::new(b).unwrap());
            let range = SlotRange::new(start, end);
            prop_assert_eq!(range.is_some(), a <= b);
            let range = range.or(SlotRange::new(end, start)).unwrap();
            let model = a.min(b)..=a.max(b);
            prop_assert_eq!(range.len(), model.len());
            prop_assert_eq!(range.iter().len(), model.len());
            prop_assert_eq!(range.contains(Slot::new(probe).unwrap()), model.contains(&probe));
            prop_assert_eq!(range.to_string().parse(), Ok(range));
            prop_assert!(range.into_iter().map(Slot::get).eq(model));
        }
    }
}
