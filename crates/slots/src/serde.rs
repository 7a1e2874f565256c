//! Slots in serialised data: a `Slot` is a number, a `SlotRange` and a `SlotSet` are the text they print.

use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use ::serde::de::{Error, Unexpected, Visitor};
use ::serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::range::SlotRange;
use crate::set::SlotSet;
use crate::slot::Slot;

/// As a number.
impl Serialize for Slot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.get())
    }
}

/// From a number below 16384; anything else is refused.
impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u16(SlotVisitor)
    }
}

struct SlotVisitor;

impl Visitor<'_> for SlotVisitor {
    type Value = Slot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a slot, a whole number from 0 to 16383")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Slot, E> {
        let slot = u16::try_from(number).ok().and_then(Slot::new);
        slot.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Slot, E> {
        let slot = u16::try_from(number).ok().and_then(Slot::new);
        slot.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }
}

/// Reads a value from its text; the string says what is expected.
struct TextVisitor<T>(&'static str, PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// As text, `0-5460`.
impl Serialize for SlotRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From text, `0-5460`.
impl<'de> Deserialize<'de> for SlotRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor("a range of slots such as \"0-5460\"", PhantomData))
    }
}

/// As text, `0-5460 5462`.
impl Serialize for SlotSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From text, `0-5460 5462`.
impl<'de> Deserialize<'de> for SlotSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor("slots such as \"0-5460 5462\"", PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::string::ToString;
    use serde_json::{from_str, to_string};

    #[test]
    fn a_slot_is_a_number_below_16384() {
        assert_eq!(to_string(&Slot::MAX).unwrap(), "16383");
        assert_eq!(from_str::<Slot>("0").unwrap(), Slot::MIN);
        for bad in ["16384", "65536", "-1", "4294967296", "1.5", "\"5\"", "null"] {
            let error = from_str::<Slot>(bad).unwrap_err().to_string();
            assert!(error.contains("expected a slot, a whole number from 0 to 16383"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_slot_may_be_a_key() {
        let map = BTreeMap::from([(Slot::MAX, 'a')]);
        let text = to_string(&map).unwrap();
        assert_eq!(text, r#"{"16383":"a"}"#);
        assert_eq!(from_str::<BTreeMap<Slot, char>>(&text).unwrap(), map);
        assert!(from_str::<BTreeMap<Slot, char>>(r#"{"16384":"a"}"#).is_err());
    }

    #[test]
    fn ranges_and_sets_are_text() {
        let set: SlotSet = "0-5460 5462".parse().unwrap();
        assert_eq!(to_string(&set).unwrap(), r#""0-5460 5462""#);
        assert_eq!(from_str::<SlotSet>(r#""5462, 0-5460""#).unwrap(), set);
        assert_eq!(to_string(&SlotRange::ALL).unwrap(), r#""0-16383""#);
        assert_eq!(from_str::<SlotRange>(r#""0-16383""#).unwrap(), SlotRange::ALL);

        let error = from_str::<SlotSet>(r#""0-5460 7-5""#).unwrap_err().to_string();
        assert!(error.contains("\"7-5\" at byte 7") && error.contains("backwards"), "{error}");
        let error = from_str::<SlotRange>("5").unwrap_err().to_string();
        assert!(error.contains("expected a range of slots"), "{error}");
    }
}
