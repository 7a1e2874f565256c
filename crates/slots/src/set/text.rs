//! The text of a set of slots: `0-5460 5462`.

use core::fmt;
use core::str::FromStr;

use super::SlotSet;
use crate::error::ParseSlotError;
use crate::range::SlotRange;

fn is_separator(c: char) -> bool {
    c == ',' || c.is_whitespace()
}

/// Reads slots and ranges with any white space and commas between them, in any order, overlapping or not.
/// Empty text is the empty set.
///
/// ```
/// use slotwright_slots::SlotSet;
///
/// let set: SlotSet = "5462,\n 0-5460".parse()?;
/// assert_eq!(set.to_string(), "0-5460 5462");
///
/// let error = "0-5460 5462-16384".parse::<SlotSet>().unwrap_err();
/// assert_eq!(error.to_string(), "cannot read \"5462-16384\" at byte 7: slots run from 0 to 16383");
/// # Ok::<(), slotwright_slots::ParseSlotError>(())
/// ```
impl FromStr for SlotSet {
    type Err = ParseSlotError;

    fn from_str(text: &str) -> Result<Self, ParseSlotError> {
        let mut set = Self::new();
        let mut position = 0;
        for piece in text.split_inclusive(is_separator) {
            let item = piece.trim_end_matches(is_separator);
            if !item.is_empty() {
                let range =
                    SlotRange::parse(item).map_err(|reason| ParseSlotError::new(item, position, reason))?;
                set.insert_range(range);
            }
            position += piece.len();
        }
        Ok(set)
    }
}

/// Prints the ranges in ascending order with one space between them; nothing for the empty set.
impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.ranges().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            range.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{from_numbers, model};
    use super::*;
    use crate::error::ParseSlotErrorReason;
    use alloc::format;
    use alloc::string::{String, ToString};
    use proptest::prelude::*;

    #[test]
    fn separators_and_nothing() {
        for text in ["", " ", ",", " ,\t\r\n,, "] {
            assert_eq!(text.parse::<SlotSet>(), Ok(SlotSet::new()), "{text:?}");
        }
        for text in ["0-5460 5462", "0-5460,5462", ",5462\t,0-100 \u{a0} 50-5460\n"] {
            assert_eq!(text.parse::<SlotSet>().unwrap().to_string(), "0-5460 5462", "{text:?}");
        }
    }

    #[test]
    fn errors_name_the_item_and_where_it_begins() {
        use ParseSlotErrorReason::{Missing, NotANumber, OutOfRange, Reversed};
        for (text, item, position, reason) in [
            ("0-5 x 9", "x", 4, NotANumber),
            ("0 - 5", "-", 2, Missing),
            ("1,,\u{a0} 7-", "7-", 6, Missing),
            ("1 16384", "16384", 2, OutOfRange),
            ("9-8", "9-8", 0, Reversed),
            ("1 [93-<-0123]", "[93-<-0123]", 2, NotANumber),
            ("1;2", "1;2", 0, NotANumber),
        ] {
            let error = text.parse::<SlotSet>().unwrap_err();
            assert_eq!((error.item(), error.position(), error.reason()), (item, position, reason));
        }
    }

    #[test]
    fn debug_shows_ranges() {
        let set: SlotSet = "0-3 7".parse().unwrap();
        assert_eq!(format!("{set:?} {:?}", SlotSet::new()), "SlotSet(0-3 7) SlotSet()");
    }

    proptest! {
        #[test]
        fn print_and_read_back(model in model()) {
            let set = from_numbers(&model);
            prop_assert_eq!(set.to_string().parse(), Ok(set));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9, -]{0,40}|.{0,40}") {
            match text.parse::<SlotSet>() {
                Ok(set) => prop_assert_eq!(set.to_string().parse(), Ok(set)),
                Err(error) => prop_assert!(text[error.position()..].starts_with(error.item())),
            }
            let _: Result<SlotRange, _> = text.parse();
            let _: String = text;
        }
    }
}
