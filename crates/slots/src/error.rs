//! What can be wrong with a slot number, or with the text of a slot, a range or a set.
//!
//! Owns the error types and their wording; the rules themselves are in the modules of the types they guard.

use alloc::string::String;
use core::fmt;

/// The longest part of an offending item that an error keeps, in characters.
const EXCERPT: usize = 40;

/// A number that is not a slot, because it is 16384 or more.
///
/// ```
/// use slotwright_slots::Slot;
///
/// let error = Slot::try_from(16384).unwrap_err();
/// assert_eq!(error.to_string(), "16384 is not a slot: slots run from 0 to 16383");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotOutOfRange {
    number: u16,
}

impl SlotOutOfRange {
    pub(crate) const fn new(number: u16) -> Self {
        Self { number }
    }

    /// The number that was refused.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.number
    }
}

impl fmt::Display for SlotOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a slot: slots run from 0 to 16383", self.number)
    }
}

impl core::error::Error for SlotOutOfRange {}

/// Text that is not a slot, a range or a set of slots.
///
/// It names the offending item, where the item begins in the text, and what is wrong with it.
///
/// ```
/// use slotwright_slots::{ParseSlotErrorReason, SlotSet};
///
/// let error = "0-5460 9000-8000".parse::<SlotSet>().unwrap_err();
/// assert_eq!(error.item(), "9000-8000");
/// assert_eq!(error.position(), 7);
/// assert_eq!(error.reason(), ParseSlotErrorReason::Reversed);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseSlotError {
    item: String,
    position: usize,
    reason: ParseSlotErrorReason,
}

impl ParseSlotError {
    pub(crate) fn new(item: &str, position: usize, reason: ParseSlotErrorReason) -> Self {
        // Text from outside may be of any length: an error must not carry all of it about.
        let mut rest = item.chars();
        let mut item: String = rest.by_ref().take(EXCERPT).collect();
        if rest.next().is_some() {
            item.push('…');
        }
        Self { item, position, reason }
    }

    /// The item that could not be read; past 40 characters it is cut and ends in `…`.
    #[must_use]
    pub fn item(&self) -> &str {
        &self.item
    }

    /// Where the item begins, in bytes from the start of the text.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// What is wrong with the item.
    #[must_use]
    pub const fn reason(&self) -> ParseSlotErrorReason {
        self.reason
    }
}

impl fmt::Display for ParseSlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {:?} at byte {}: {}", self.item, self.position, self.reason)
    }
}

impl core::error::Error for ParseSlotError {}

/// Why an item of text is not a slot or a range; part of [`ParseSlotError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseSlotErrorReason {
    /// There is no number where one belongs: the text is empty, or one side of the `-` is.
    Missing,
    /// A character other than `0` to `9` stands in a number.
    NotANumber,
    /// The number is 16384 or more.
    OutOfRange,
    /// The first slot of a range is higher than the last.
    Reversed,
}

impl fmt::Display for ParseSlotErrorReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "a slot number is missing; write a slot as 5462 and a range as 0-5460",
            Self::NotANumber => "slots are whole decimal numbers; write a slot as 5462 and a range as 0-5460",
            Self::OutOfRange => "slots run from 0 to 16383",
            Self::Reversed => "the range runs backwards; write the lower slot first",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn says_what_where_and_what_to_do() {
        let error = ParseSlotError::new("7-\n", 12, ParseSlotErrorReason::NotANumber);
        assert_eq!(
            error.to_string(),
            "cannot read \"7-\\n\" at byte 12: slots are whole decimal numbers; \
             write a slot as 5462 and a range as 0-5460"
        );
    }

    #[test]
    fn keeps_only_the_beginning_of_a_long_item() {
        let error = ParseSlotError::new(&"é".repeat(100_000), 0, ParseSlotErrorReason::NotANumber);
        assert_eq!(error.item(), "é".repeat(40) + "…");
        let whole = ParseSlotError::new(&"é".repeat(40), 0, ParseSlotErrorReason::NotANumber);
        assert_eq!(whole.item(), "é".repeat(40));
    }
}
