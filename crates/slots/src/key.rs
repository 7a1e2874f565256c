//! From a key to its slot: the rule of hash tags, and the hash of what the rule selects.
//!
//! The checksum itself is in `hash`; the way back, from a slot to a tag, is in `tag`.

use crate::hash::{self, tiny_key};
use crate::slot::Slot;

/// The part of `key` that is hashed.
///
/// It is what stands between the first `{` and the first `}` after it; if there is no such pair, or nothing between
/// the two, it is the whole key (Redis Cluster specification, "Hash tags"). Keys are bytes and need not be text.
///
/// ```
/// use slotwright_slots::hash_tag;
///
/// assert_eq!(hash_tag(b"cart:{user42}:items"), b"user42");
/// assert_eq!(hash_tag(b"{}user42"), b"{}user42");
/// assert_eq!(hash_tag(b"{{user42}}"), b"{user42");
/// ```
#[must_use]
pub fn hash_tag(key: &[u8]) -> &[u8] {
    between_braces(key).unwrap_or(key)
}

fn between_braces(key: &[u8]) -> Option<&[u8]> {
    let rest = key.get(position(key, b'{')? + 1..)?;
    rest.get(..position(rest, b'}')?).filter(|tag| !tag.is_empty())
}

/// Where `wanted` stands first, looked for in eight bytes at a time.
#[inline]
fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let zero_where_wanted = u64::from_le_bytes(*word) ^ (ONES * u64::from(wanted));
        // The lowest bit that is set is the top bit of the lowest zero byte: a borrow only reaches bytes above one.
        let found = zero_where_wanted.wrapping_sub(ONES) & !zero_where_wanted & ONES << 7;
        if found != 0 {
            return Some(8 * index + found.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|&byte| byte == wanted).map(|index| 8 * words.len() + index)
}

/// The slot `key` belongs to: CRC-16/XMODEM of its [`hash_tag`], modulo 16384. The same as `CLUSTER KEYSLOT`.
///
/// ```
/// use slotwright_slots::key_slot;
///
/// assert_eq!(key_slot(b"foo").get(), 12182);
/// assert_eq!(key_slot(b"cart:{user42}:items"), key_slot(b"profile:{user42}"));
/// ```
///
/// The key is read once: the first brace is looked for in what is loaded for the checksum. [`Kernel`](crate::Kernel)
/// tells how.
#[inline]
#[must_use]
pub fn key_slot(key: &[u8]) -> Slot {
    // So short a key is done before a kernel is chosen and called.
    if key.len() <= 3 { Slot::wrapping(tiny_key(key)) } else { hash::key_slot(key) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn tags_by_the_specification() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"", b""),
            (b"foo", b"foo"),
            (b"{user1000}.following", b"user1000"),
            (b"foo{}{bar}", b"foo{}{bar}"),
            (b"foo{{bar}}zap", b"{bar"),
            (b"foo{bar}{zap}", b"bar"),
            (b"{}", b"{}"),
            (b"{}{a}", b"{}{a}"),
            (b"{", b"{"),
            (b"}", b"}"),
            (b"}{", b"}{"),
            (b"a{b", b"a{b"),
            (b"a}b", b"a}b"),
            (b"a}b{c}d", b"c"),
            (b"{a", b"{a"),
            (b"{a}", b"a"),
            (b"{ }", b" "),
            (b"\x00{\xff\x00}\xfe", b"\xff\x00"),
        ];
        for (key, tag) in cases {
            assert_eq!(hash_tag(key), *tag, "{:?}", key.escape_ascii());
        }
    }

    #[test]
    fn slots_of_known_keys() {
        let cases: &[(&[u8], u16)] = &[
            (b"", 0),
            (b"foo", 12182),
            (b"bar", 5061),
            (b"hello", 866),
            (b"123456789", 0x31C3),
            (b"{foo}", 12182),
            (b"x{foo}y{bar}", 12182),
            (b"\x00", 0),
            (b"\x00\x00\x00", 0),
        ];
        for (key, slot) in cases {
            assert_eq!(key_slot(key).get(), *slot, "{:?}", key.escape_ascii());
        }
    }

    /// The rule told another way: split the key at each brace it has.
    fn naive_tag(key: &[u8]) -> &[u8] {
        for start in 0..key.len() {
            if key[start] == b'{' {
                for end in start + 1..key.len() {
                    if key[end] == b'}' {
                        return if end == start + 1 { key } else { &key[start + 1..end] };
                    }
                }
                return key;
            }
        }
        key
    }

    proptest! {
        #[test]
        fn tag_agrees_with_a_naive_scan(
            key in proptest::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), any::<u8>()], 0..12),
        ) {
            prop_assert_eq!(hash_tag(&key), naive_tag(&key));
        }

        #[test]
        fn a_tagged_key_goes_with_its_tag(
            before in "[^{]{0,8}",
            tag in proptest::collection::vec(any::<u8>().prop_filter("brace", |b| !b"{}".contains(b)), 1..20),
            after: Vec<u8>,
        ) {
            let key = [before.as_bytes(), b"{", &tag, b"}", &after].concat();
            prop_assert_eq!(key_slot(&key), key_slot(&tag));
        }
    }
}
