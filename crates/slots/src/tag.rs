//! From a slot to a short hash tag that lands in it.
//!
//! Owns the search for such a tag. The rule by which a server finds the tag in a key is in `key`.

use core::fmt;
use core::ops::Deref;

use crate::hash::{POLYNOMIAL, crc16};
use crate::slot::{SLOT_COUNT, Slot};

const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A hash tag of two to four characters from `0-9a-z`; made by [`tag_for_slot`], used as a `str`.
///
/// The braces are not part of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashTag {
    bytes: [u8; 4],
    len: u8,
}

impl HashTag {
    fn new(prefix: &[u8], last: [u8; 2]) -> Self {
        let mut tag = Self { bytes: [0; 4], len: 0 };
        for (to, &from) in tag.bytes.iter_mut().zip(prefix.iter().chain(&last)) {
            *to = from;
            tag.len += 1;
        }
        tag
    }

    /// The tag as text, without braces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Both defaults are out of reach: the length is at most 4 and the bytes are from the alphabet.
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Deref for HashTag {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for HashTag {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for HashTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for HashTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashTag({:?})", self.as_str())
    }
}

/// A hash tag that lands in `slot`, so that `{tag}anything` does too.
///
/// The same slot always has the same tag. It is found by a search of some dozen steps, without a table.
///
/// ```
/// use slotwright_slots::{Slot, key_slot, tag_for_slot};
///
/// let slot = Slot::try_from(12182)?;
/// let tag = tag_for_slot(slot);
/// assert!(tag.len() <= 4);
/// assert_eq!(key_slot(format!("{{{tag}}}:heartbeat").as_bytes()), slot);
/// # Ok::<(), slotwright_slots::SlotOutOfRange>(())
/// ```
#[must_use]
pub fn tag_for_slot(slot: Slot) -> HashTag {
    // As polynomials over GF(2), crc(prefix·x^16 + last) = (prefix·x^16 + last)·x^16 mod P, where `last` is two bytes.
    // Divided by x^16 that reads last = crc·x^-16 + crc(prefix): the two last bytes follow from the prefix, and one
    // has only to look whether both are in the alphabet. A slot leaves the upper two bits of the checksum open, which
    // gives four chances for each prefix.
    let targets = [0, 1, 2, 3].map(|upper| divide_by_x16(slot.get() + upper * SLOT_COUNT));
    let try_prefix = |prefix: &[u8]| {
        let crc = crc16(prefix);
        let mut last = targets.iter().map(|target| (target ^ crc).to_be_bytes());
        last.find(|pair| pair.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z')))
            .map(|last| HashTag::new(prefix, last))
    };
    let one = || ALPHABET.iter().find_map(|&a| try_prefix(&[a]));
    let two = || ALPHABET.iter().find_map(|&a| ALPHABET.iter().find_map(|&b| try_prefix(&[a, b])));
    match try_prefix(&[]).or_else(one).or_else(two) {
        Some(tag) => tag,
        // A test finds the tag of each of the 16384 slots, and there is no other input.
        None => unreachable!("slot {slot} has no hash tag of four characters"),
    }
}

/// `value`·x^-16 modulo the polynomial: sixteen steps of the checksum, taken backwards.
fn divide_by_x16(value: u16) -> u16 {
    // A forward step that reduced is told by its lowest bit, as the polynomial ends in 1.
    (0..16).fold(value, |v, _| if v & 1 == 0 { v >> 1 } else { (v ^ POLYNOMIAL) >> 1 | 0x8000 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::key_slot;
    use alloc::collections::BTreeSet;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn every_slot_has_a_short_tag_of_its_own() {
        let mut tags = BTreeSet::new();
        for slot in Slot::all() {
            let tag = tag_for_slot(slot);
            assert!((2..=4).contains(&tag.len()), "{tag}");
            assert!(tag.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()), "{tag}");
            assert_eq!(key_slot(tag.as_bytes()), slot);
            assert_eq!(key_slot(format!("{{{tag}}}anything}}{{x}}").as_bytes()), slot);
            assert_eq!(key_slot(format!("before:{{{tag}}}").as_bytes()), slot);
            assert!(tags.insert(tag));
        }
        let longest = tags.iter().filter(|tag| tag.len() == 4).count();
        assert!(longest < 2000, "{longest} tags of four characters: shorter ones are not preferred");
    }

    #[test]
    fn sixteen_steps_back_undo_two_zero_bytes() {
        for value in 0..=u16::MAX {
            assert_eq!(crc16(&divide_by_x16(value).to_be_bytes()), value);
        }
    }

    #[test]
    fn is_used_like_a_str() {
        let tag = tag_for_slot(Slot::MIN);
        assert_eq!(tag.to_string(), *tag);
        assert_eq!(format!("{tag:?}"), format!("HashTag({:?})", tag.as_str()));
        assert_eq!(format!("{tag:<6}|").len(), 7);
    }
}
