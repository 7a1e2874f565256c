//! One slot: a number that is always below 16384.
//!
//! Owns the number, its limits and its text. Which slot a key has is decided in `key`.

use core::fmt;
use core::str::FromStr;

use crate::error::{ParseSlotError, ParseSlotErrorReason, SlotOutOfRange};
use crate::range::{RangeIter, SlotRange};

/// How many slots a cluster has (`CLUSTER_SLOTS` in the servers' source).
pub const SLOT_COUNT: u16 = 16384;

/// A hash slot, 0 to 16383.
///
/// ```
/// use slotwright_slots::Slot;
///
/// assert_eq!(Slot::new(5460).map(Slot::get), Some(5460));
/// assert_eq!(Slot::new(16384), None);
/// assert_eq!("5460".parse::<Slot>(), Ok(Slot::try_from(5460)?));
/// # Ok::<(), slotwright_slots::SlotOutOfRange>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// The first slot, 0.
    pub const MIN: Self = Self(0);
    /// The last slot, 16383.
    pub const MAX: Self = Self(SLOT_COUNT - 1);

    /// The slot with this number, or `None` from 16384 on.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < SLOT_COUNT { Some(Self(number)) } else { None }
    }

    /// `number` modulo 16384, which is how the servers make a slot of a checksum.
    pub(crate) const fn wrapping(number: u16) -> Self {
        Self(number % SLOT_COUNT)
    }

    /// The slot whose index is `index` modulo 16384.
    pub(crate) const fn from_index(index: usize) -> Self {
        Self((index % SLOT_COUNT as usize) as u16)
    }

    /// The number of this slot.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The number of this slot, ready to index a table of [`SLOT_COUNT`] entries.
    ///
    /// ```
    /// use slotwright_slots::{SLOT_COUNT, key_slot};
    ///
    /// let mut keys = [0_u32; SLOT_COUNT as usize];
    /// keys[key_slot(b"foo").index()] += 1;
    /// assert_eq!(keys[12182], 1);
    /// ```
    #[must_use]
    pub const fn index(self) -> usize {
        // The remainder changes nothing; it shows the compiler the bound, so that checks on such tables vanish.
        (self.0 % SLOT_COUNT) as usize
    }

    /// Every slot, in ascending order.
    ///
    /// ```
    /// use slotwright_slots::Slot;
    ///
    /// assert_eq!(Slot::all().len(), 16384);
    /// assert_eq!(Slot::all().next_back(), Some(Slot::MAX));
    /// ```
    #[must_use]
    pub fn all() -> RangeIter {
        SlotRange::ALL.iter()
    }

    /// Reads a number of decimal digits; signs and blanks are refused.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseSlotErrorReason> {
        if text.is_empty() {
            return Err(ParseSlotErrorReason::Missing);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseSlotErrorReason::NotANumber);
        }
        // Only an overflow is left to fail, and what overflows is out of range as well.
        text.parse().ok().and_then(Self::new).ok_or(ParseSlotErrorReason::OutOfRange)
    }
}

impl TryFrom<u16> for Slot {
    type Error = SlotOutOfRange;

    fn try_from(number: u16) -> Result<Self, SlotOutOfRange> {
        Self::new(number).ok_or(SlotOutOfRange::new(number))
    }
}

impl From<Slot> for u16 {
    fn from(slot: Slot) -> Self {
        slot.0
    }
}

impl From<Slot> for usize {
    fn from(slot: Slot) -> Self {
        slot.index()
    }
}

/// Reads decimal digits and nothing else: `5460`, not `+5460` and not ` 5460`.
impl FromStr for Slot {
    type Err = ParseSlotError;

    fn from_str(text: &str) -> Result<Self, ParseSlotError> {
        Self::parse(text).map_err(|reason| ParseSlotError::new(text, 0, reason))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn no_number_from_16384_on() {
        for number in 0..=u16::MAX {
            let slot = Slot::new(number);
            assert_eq!(slot.is_some(), number < 16384);
            assert_eq!(Slot::try_from(number).ok(), slot);
            if let Some(slot) = slot {
                assert_eq!((slot.get(), slot.index()), (number, usize::from(number)));
                assert_eq!(slot.to_string().parse(), Ok(slot));
            }
        }
        assert_eq!(Slot::try_from(16384).unwrap_err().number(), 16384);
    }

    #[test]
    fn text_is_strict() {
        use ParseSlotErrorReason::{Missing, NotANumber, OutOfRange};
        for (text, reason) in [
            ("", Missing),
            ("+5", NotANumber),
            ("-5", NotANumber),
            (" 5", NotANumber),
            ("5\n", NotANumber),
            ("0x5", NotANumber),
            ("٥", NotANumber),
            ("16384", OutOfRange),
            ("65536", OutOfRange),
            ("99999999999999999999999", OutOfRange),
        ] {
            let error = text.parse::<Slot>().unwrap_err();
            assert_eq!((error.item(), error.reason()), (text, reason));
        }
        assert_eq!("00016383".parse(), Ok(Slot::MAX));
    }

    #[test]
    fn prints_with_the_width_asked_for() {
        assert_eq!(format!("{:>6}|{:<6}|", Slot::MAX, Slot::MIN), " 16383|0     |");
    }

    #[test]
    fn all_slots_in_order() {
        assert!(Slot::all().map(Slot::get).eq(0..16384));
        assert!(Slot::all().rev().map(Slot::get).eq((0..16384).rev()));
    }
}
