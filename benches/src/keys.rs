//! Keys to hash: random, reproducible, at varying alignment, in one block of memory that fits the first-level cache.

use std::ops::Range;

/// Bytes of keys in one set: the hash is measured, not the memory behind it.
const ARENA_BYTES: usize = 16 << 10;
/// Most keys in a set of which only the length matters.
const MOST_KEYS: usize = 1000;
/// Fewest, so that the loop around them is not felt.
const FEWEST_KEYS: usize = 16;
/// Bytes between the braces where a shape has a tag in a longer key.
const TAG: usize = 8;
/// The longest key of a mixed set.
pub const LONGEST_MIXED: usize = 64;
/// The shortest key that every [`Shape`] fits into.
pub const SHORTEST_TAGGED: usize = TAG + 2;

/// Where the braces of a key are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// No brace at all.
    Plain,
    /// `{tag}` of eight bytes, then the rest.
    Front,
    /// `{tag}` of eight bytes in the middle.
    Middle,
    /// `{tag}` of eight bytes at the end.
    End,
    /// `{` in front that nothing closes: the whole key is hashed.
    Unclosed,
    /// `{}` in front: an empty tag does not count, the whole key is hashed.
    Empty,
    /// The whole key within one pair of braces.
    Whole,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Plain, Self::Front, Self::Middle, Self::End, Self::Unclosed, Self::Empty, Self::Whole];

    /// The name in benchmark ids and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Front => "front",
            Self::Middle => "middle",
            Self::End => "end",
            Self::Unclosed => "unclosed",
            Self::Empty => "empty",
            Self::Whole => "whole",
        }
    }

    /// Where `{` and `}` stand in a key of `length` bytes, which is [`SHORTEST_TAGGED`] at least.
    fn braces(self, length: usize) -> (Option<usize>, Option<usize>) {
        let tag_at = |open: usize| (Some(open), Some(open + TAG + 1));
        match self {
            Self::Plain => (None, None),
            Self::Front => tag_at(0),
            Self::Middle => tag_at((length - SHORTEST_TAGGED) / 2),
            Self::End => tag_at(length - SHORTEST_TAGGED),
            Self::Unclosed => (Some(0), None),
            Self::Empty => (Some(0), Some(1)),
            Self::Whole => (Some(0), Some(length - 1)),
        }
    }
}

/// A set of keys in one block of memory.
#[derive(Debug)]
pub struct KeySet {
    arena: Vec<u8>,
    spans: Vec<Range<usize>>,
}

impl KeySet {
    /// Keys of one length without braces, as many as fit the cache (16 to 1,000).
    pub fn of_length(length: usize) -> Self {
        Self::counted(fitting(length), length)
    }

    /// This many keys of one length without braces.
    pub fn counted(count: usize, length: usize) -> Self {
        Self::build(&vec![length; count], Shape::Plain)
    }

    /// Keys of one length, [`SHORTEST_TAGGED`] bytes at least, and one shape.
    pub fn of_shape(shape: Shape, length: usize) -> Self {
        Self::build(&vec![length.max(SHORTEST_TAGGED); fitting(length)], shape)
    }

    /// This many keys of random lengths from 1 to [`LONGEST_MIXED`] bytes, without braces.
    pub fn mixed(count: usize) -> Self {
        let mut random = Random::new(LONGEST_MIXED);
        let lengths: Vec<usize> = (0..count).map(|_| 1 + random.below(LONGEST_MIXED)).collect();
        Self::build(&lengths, Shape::Plain)
    }

    /// Keys of mixed lengths, as many as fit the cache.
    pub fn mixed_fitting() -> Self {
        Self::mixed(fitting(LONGEST_MIXED / 2))
    }

    /// The keys.
    pub fn slices(&self) -> Vec<&[u8]> {
        self.spans.iter().filter_map(|span| self.arena.get(span.clone())).collect()
    }

    fn build(lengths: &[usize], shape: Shape) -> Self {
        let mut random = Random::new(lengths.iter().sum());
        let (mut arena, mut spans) = (Vec::new(), Vec::new());
        for &length in lengths {
            // A gap of 0 to 15 bytes: keys of 16 bytes would otherwise all be aligned alike.
            arena.resize(arena.len() + random.below(16), b'.');
            let start = arena.len();
            arena.extend((0..length).map(|_| random.printable()));
            spans.push(start..arena.len());
            let (open, close) = shape.braces(length.max(SHORTEST_TAGGED));
            for (place, brace) in [(open, b'{'), (close, b'}')] {
                if let Some(byte) = place.and_then(|place| arena.get_mut(start + place)) {
                    *byte = brace;
                }
            }
        }
        Self { arena, spans }
    }
}

/// How many keys of this length a set holds.
fn fitting(length: usize) -> usize {
    (ARENA_BYTES / length.max(1)).clamp(FEWEST_KEYS, MOST_KEYS)
}

/// SplitMix64: the same keys in every run.
struct Random(u64);

impl Random {
    fn new(seed: usize) -> Self {
        Self(seed as u64)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // The bounds here are far below 2^32: the remainder's bias cannot be noticed.
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }

    /// A printable byte other than a brace: `!` to `z`.
    fn printable(&mut self) -> u8 {
        b'!' + self.below(usize::from(b'z' - b'!') + 1) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slotwright_slots::hash_tag;
    use std::collections::BTreeSet;

    #[test]
    fn keys_have_their_length_differ_and_stand_at_every_alignment() {
        let set = KeySet::of_length(16);
        let keys = set.slices();
        assert_eq!(keys.len(), 1000);
        assert!(keys.iter().all(|key| key.len() == 16 && !key.contains(&b'{')));
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 1000);
        let alignments: BTreeSet<usize> = keys.iter().map(|key| key.as_ptr() as usize % 16).collect();
        assert_eq!(alignments.len(), 16);
        assert_eq!(KeySet::of_length(1024).slices().len(), 16);
    }

    #[test]
    fn shapes_have_the_tags_they_promise() {
        for length in [10, 16, 64] {
            for shape in Shape::ALL {
                let set = KeySet::of_shape(shape, length);
                for key in set.slices() {
                    let tag = hash_tag(key).len();
                    let expected = match shape {
                        Shape::Plain | Shape::Unclosed | Shape::Empty => length,
                        Shape::Front | Shape::Middle | Shape::End => TAG,
                        Shape::Whole => length - 2,
                    };
                    assert_eq!((key.len(), tag), (length, expected), "{shape:?} {}", key.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn mixed_sets_hold_every_length() {
        let set = KeySet::mixed(1000);
        let lengths: BTreeSet<usize> = set.slices().iter().map(|key| key.len()).collect();
        assert_eq!((lengths.first(), lengths.last(), lengths.len()), (Some(&1), Some(&64), 64));
    }
}
