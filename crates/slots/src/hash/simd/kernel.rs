//! The algorithm of all vector kernels, written once over the operations of an instruction set.
//!
//! A key is cut into blocks of sixteen bytes from its end; the block in front is filled up with zeros, which a checksum
//! that starts at 0 does not see. Every block is a number of 128 bits. Its contribution is that number times a power of
//! x that depends on its distance to the end alone, so each half is multiplied by a tabulated power of x mod P, sixteen
//! bits wide, and all products are added: two multiplications a block, none of which waits for another. What is left is
//! a sum of 80 bits, and one more multiplication reduces it to sixteen, in the manner of Montgomery: the weights hold
//! the x^64 by which this divides. Four to eight bytes need one multiplication in all (Barrett), fewer none.
//!
//! Opening braces are looked for in the same vectors, before the products. Where there is one, a key of one block is cut
//! to its hash tag in place; a longer one is started anew with the tag.
//!
//! An operation works on a `Vector`, one block, or on a `Pair` of them, which some instruction sets do in one go.

/// At most three bytes as a number, the highest first.
#[inline]
pub(super) fn number(bytes: &[u8]) -> u32 {
    let (Some(&first), Some(&middle), Some(&last)) =
        (bytes.first(), bytes.get(bytes.len() / 2), bytes.last())
    else {
        return 0;
    };
    // Fewer than three bytes are written more than once, to the same place: no branches.
    let behind = bytes.len() - 1;
    let behind_middle = behind - bytes.len() / 2;
    u32::from(first) << (8 * behind) | u32::from(middle) << (8 * behind_middle) | u32::from(last)
}

/// The first `N` of at least `N` bytes.
#[inline]
pub(super) fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

/// The last `N` of at least `N` bytes.
#[inline]
pub(super) fn last<const N: usize>(bytes: &[u8]) -> [u8; N] {
    // `last_chunk` would cost a test of its pointer for null.
    let (_, last) = bytes.split_at(bytes.len().saturating_sub(N));
    last.try_into().unwrap_or([0; N])
}

/// The functions of a kernel that is compiled for `$features`, in a module where `ops` and `Vector` are at hand.
macro_rules! kernel {
    ($features:literal) => {
        use crate::hash::portable::{tiny, tiny_key};
        use crate::hash::simd::kernel::{first, last, number};
        use crate::hash::simd::tables::{
            CARRY, DOWN, EIGHTS, FIRST, FOURS, KEEP, SEGMENT, WEIGHTS, weight, window,
        };
        use crate::slot::Slot;

        /// The CRC-16/XMODEM of `bytes`.
        #[target_feature(enable = $features)]
        pub(in crate::hash::simd) fn crc16(bytes: &[u8]) -> u16 {
            match bytes.len() {
                0..=3 => tiny(bytes),
                4..=8 => ops::reduce_half(four_to_8(bytes)),
                9..=16 => ops::reduce(ops::weigh(nine_to_16(bytes), const { &weight(0) })),
                _ => longer::<false>(bytes).unwrap_or_default(),
            }
        }

        /// The slot of `key`.
        #[target_feature(enable = $features)]
        pub(in crate::hash::simd) fn key_slot(key: &[u8]) -> Slot {
            // The commonest lengths first.
            let length = key.len();
            let crc = if (9..=16).contains(&length) {
                let mut block = nine_to_16(key);
                if ops::any(ops::equal(block, b'{')) {
                    block = tag_of(block).unwrap_or(block);
                }
                ops::reduce(ops::weigh(block, const { &weight(0) }))
            } else if length > 16 {
                return longer_key(key);
            } else if length > 3 {
                let mut block = four_to_8(key);
                if ops::any(ops::equal(block, b'{')) {
                    block = tag_of(block).unwrap_or(block);
                }
                ops::reduce_half(block)
            } else {
                tiny_key(key)
            };
            Slot::wrapping(crc)
        }

        /// The slots of `keys`. Of one and the other, those that have no partner are left alone.
        #[target_feature(enable = $features)]
        pub(in crate::hash::simd) fn key_slots<K: AsRef<[u8]>>(keys: &[K], slots: &mut [Slot]) {
            let (keys, last_keys) = keys.as_chunks::<8>();
            let (slots, last_slots) = slots.as_chunks_mut::<8>();
            for (keys, slots) in keys.iter().zip(slots) {
                if !eight_slots(keys, slots) {
                    one_by_one(keys, slots);
                }
            }
            one_by_one(last_keys, last_slots);
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn one_by_one<K: AsRef<[u8]>>(keys: &[K], slots: &mut [Slot]) {
            for (key, slot) in keys.iter().zip(slots) {
                *slot = key_slot(key.as_ref());
            }
        }

        /// The slots of keys of nine to sixteen bytes without a brace; false if there are others.
        #[target_feature(enable = $features)]
        #[inline]
        fn eight_slots<K: AsRef<[u8]>>(keys: &[K; 8], slots: &mut [Slot; 8]) -> bool {
            let mut blocks = [ops::zero(); 8];
            for (key, block) in keys.iter().zip(&mut blocks) {
                let key = key.as_ref();
                if !(9..=16).contains(&key.len()) {
                    return false;
                }
                *block = nine_to_16(key);
            }
            let [a, b, c, d, e, f, g, h] = blocks;
            let (ae, bf, cg, dh) = (ops::both(a, e), ops::both(b, f), ops::both(c, g), ops::both(d, h));
            let braces = ops::or_pair(
                ops::or_pair(ops::equal_in_pair(ae, b'{'), ops::equal_in_pair(bf, b'{')),
                ops::or_pair(ops::equal_in_pair(cg, b'{'), ops::equal_in_pair(dh, b'{')),
            );
            if ops::any_in_pair(braces) {
                return false;
            }
            const BOTH_LAST: &[[u64; 2]; 2] = &[weight(0), weight(0)];
            let sums = [
                ops::weigh_pair(ae, BOTH_LAST),
                ops::weigh_pair(bf, BOTH_LAST),
                ops::weigh_pair(cg, BOTH_LAST),
                ops::weigh_pair(dh, BOTH_LAST),
            ];
            *slots = ops::reduce_eight(sums).map(Slot::wrapping);
            true
        }

        // A function of its own, and the one below as well: they need a stack frame, which short keys shall not pay for.
        #[target_feature(enable = $features)]
        #[inline(never)]
        fn longer_key(key: &[u8]) -> Slot {
            match longer::<true>(key) {
                Some(crc) => Slot::wrapping(crc),
                None => tagged(key),
            }
        }

        /// The hash tag in a block, as a block; `None` if it has none.
        #[target_feature(enable = $features)]
        #[inline]
        fn tag_of(block: Vector) -> Option<Vector> {
            // The first byte of the key is in the highest lane it has: what comes later is lower.
            let highest = |lanes: u64| lanes.checked_ilog2().map(|bit| bit / ops::LANE);
            let open = highest(ops::lanes(ops::equal(block, b'{')))?;
            let later = (1 << (open * ops::LANE)) - 1;
            let close = highest(ops::lanes(ops::equal(block, b'}')) & later)?;
            if close + 1 == open {
                return None;
            }
            let from_close = ops::shuffle(block, window(DOWN, close + 1));
            Some(ops::and(from_close, window(KEEP, 16 - (open - close - 1))))
        }

        /// The slot of a key of more than sixteen bytes in which there is an opening brace.
        #[target_feature(enable = $features)]
        #[inline(never)]
        fn tagged(key: &[u8]) -> Slot {
            let in_front = tag_of(ops::reverse(ops::load(&first(key))));
            Slot::wrapping(match in_front {
                Some(tag) => ops::reduce(ops::weigh(tag, const { &weight(0) })),
                None => crc16(tag_within(key).unwrap_or(key)),
            })
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn tag_within(key: &[u8]) -> Option<&[u8]> {
            let start = position(key, 0, b'{')? + 1;
            let end = position(key, start, b'}')?;
            key.get(start..end).filter(|tag| !tag.is_empty())
        }

        /// Where `byte` stands first, from `start` on, in a key of more than sixteen.
        #[target_feature(enable = $features)]
        #[inline]
        fn position(key: &[u8], start: usize, byte: u8) -> Option<usize> {
            let last = key.len().saturating_sub(16);
            let mut next = start;
            while next < key.len() {
                // The last sixteen bytes are looked at as a whole, less what was asked to be left out.
                let at = next.min(last);
                let (_, bytes) = key.split_at_checked(at)?;
                let found = ops::lanes(ops::equal(ops::load(&first(bytes)), byte));
                let found = found >> ((next - at) as u32 * ops::LANE);
                if found != 0 {
                    return Some(next + (found.trailing_zeros() / ops::LANE) as usize);
                }
                next = at + 16;
            }
            None
        }

        /// The checksum of more than sixteen bytes; `None` if a brace was to be looked for and there is one.
        #[target_feature(enable = $features)]
        #[inline]
        fn longer<const SCAN: bool>(bytes: &[u8]) -> Option<u16> {
            let (front, blocks) = bytes.split_first()?.1.as_rchunks::<16>();
            let raw = ops::load(&first(bytes));
            #[expect(
                clippy::indexing_slicing,
                reason = "at most fifteen bytes are left before blocks of sixteen"
            )]
            let head = ops::shuffle(raw, &FIRST[front.len() & 15]);
            if blocks.len() < 4 {
                return Some(ops::reduce(few::<SCAN, 0>(raw, head, blocks)?));
            }
            // A brace that is early shall not cost a pass over all the rest.
            if SCAN && ops::any(ops::equal(raw, b'{')) {
                return None;
            }
            let (blocks, last_four) = blocks.split_at(blocks.len() - 4);
            if blocks.len() >= 4 {
                return many::<SCAN>(bytes);
            }
            let last_four = last_four.as_flattened();
            let (a, b) = (ops::load_pair(&first(last_four)), ops::load_pair(&last(last_four)));
            let braces = ops::or_pair(ops::equal_in_pair(a, b'{'), ops::equal_in_pair(b, b'{'));
            if SCAN && ops::any_in_pair(braces) {
                return None;
            }
            let a = ops::weigh_pair(ops::reverse_pair(a), const { &[weight(3), weight(2)] });
            let b = ops::weigh_pair(ops::reverse_pair(b), const { &[weight(1), weight(0)] });
            let front = few::<SCAN, 4>(raw, head, blocks)?;
            Some(ops::reduce(ops::xor(front, ops::merge(ops::xor_pair(a, b)))))
        }

        /// What a head and at most three blocks amount to that `AFTER` blocks follow, before reduction. The head was
        /// made from the first sixteen bytes, `raw`.
        #[target_feature(enable = $features)]
        #[inline]
        fn few<const SCAN: bool, const AFTER: usize>(
            raw: Vector,
            head: Vector,
            blocks: &[[u8; 16]],
        ) -> Option<Vector> {
            let braces = ops::equal(raw, b'{');
            match blocks {
                [] => {
                    if SCAN && ops::any(braces) {
                        return None;
                    }
                    Some(ops::weigh(head, const { &weight(AFTER) }))
                }
                [a] => {
                    let a = ops::load(a);
                    if SCAN && ops::any(ops::or(braces, ops::equal(a, b'{'))) {
                        return None;
                    }
                    let pair = ops::both(head, ops::reverse(a));
                    Some(ops::merge(ops::weigh_pair(pair, const { &[weight(AFTER + 1), weight(AFTER)] })))
                }
                [_, _] => {
                    let pair = ops::load_pair(&last(blocks.as_flattened()));
                    let braces = ops::or_pair(ops::both(braces, ops::zero()), ops::equal_in_pair(pair, b'{'));
                    if SCAN && ops::any_in_pair(braces) {
                        return None;
                    }
                    let weights = const { &[weight(AFTER + 1), weight(AFTER)] };
                    let pair = ops::weigh_pair(ops::reverse_pair(pair), weights);
                    Some(ops::xor(ops::weigh(head, const { &weight(AFTER + 2) }), ops::merge(pair)))
                }
                [a, ..] => {
                    let a = ops::load(a);
                    let pair = ops::load_pair(&last(blocks.as_flattened()));
                    let front = ops::both(ops::or(braces, ops::equal(a, b'{')), ops::zero());
                    if SCAN && ops::any_in_pair(ops::or_pair(front, ops::equal_in_pair(pair, b'{'))) {
                        return None;
                    }
                    let front = ops::both(head, ops::reverse(a));
                    let front = ops::weigh_pair(front, const { &[weight(AFTER + 3), weight(AFTER + 2)] });
                    let weights = const { &[weight(AFTER + 1), weight(AFTER)] };
                    let pair = ops::weigh_pair(ops::reverse_pair(pair), weights);
                    Some(ops::merge(ops::xor_pair(front, pair)))
                }
            }
        }

        /// The same for more than 128 bytes, where a loop pays.
        #[target_feature(enable = $features)]
        #[inline(never)]
        fn many<const SCAN: bool>(bytes: &[u8]) -> Option<u16> {
            let (front, segments) = bytes.as_rchunks::<{ SEGMENT * 16 }>();
            let mut sum = segment::<SCAN>(front)?;
            for bytes in segments {
                let carry = ops::number(ops::reduce(sum).into());
                sum = ops::xor(segment::<SCAN>(bytes)?, ops::weigh(carry, CARRY));
            }
            Some(ops::reduce(sum))
        }

        /// What at most a segment of bytes amounts to, before reduction.
        #[target_feature(enable = $features)]
        #[inline]
        fn segment<const SCAN: bool>(bytes: &[u8]) -> Option<Vector> {
            let (front, pairs) = bytes.as_rchunks::<32>();
            let mut sum = ops::both(ops::zero(), ops::zero());
            if !front.is_empty() {
                let (a, b) = front.split_at(front.len().saturating_sub(16));
                let (a, b) = (up_to_16(a), up_to_16(b));
                if SCAN && ops::any(ops::or(ops::equal(a, b'{'), ops::equal(b, b'{'))) {
                    return None;
                }
                let (_, weights) = WEIGHTS.split_at_checked(SEGMENT - 2 * pairs.len() - 2)?;
                sum = ops::weigh_pair(ops::both(a, b), weights.first_chunk()?);
            }
            let (_, weights) = WEIGHTS.as_chunks().0.split_at_checked(SEGMENT / 2 - pairs.len())?;
            let mut braces = ops::both(ops::zero(), ops::zero());
            for (pair, weight) in pairs.iter().zip(weights) {
                let pair = ops::load_pair(pair);
                if SCAN {
                    braces = ops::or_pair(braces, ops::equal_in_pair(pair, b'{'));
                }
                sum = ops::xor_pair(sum, ops::weigh_pair(ops::reverse_pair(pair), weight));
            }
            if SCAN && ops::any_in_pair(braces) {
                return None;
            }
            Some(ops::merge(sum))
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn up_to_16(bytes: &[u8]) -> Vector {
            match bytes.len() {
                0..=3 => ops::number(number(bytes).into()),
                4..=8 => four_to_8(bytes),
                _ => nine_to_16(bytes),
            }
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn four_to_8(bytes: &[u8]) -> Vector {
            #[expect(clippy::indexing_slicing, reason = "the caller has seen that there are four to eight")]
            ops::shuffle(ops::fours(first(bytes), last(bytes)), &FOURS[bytes.len() - 4])
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn nine_to_16(bytes: &[u8]) -> Vector {
            #[expect(clippy::indexing_slicing, reason = "the caller has seen that there are nine to sixteen")]
            ops::shuffle(ops::eights(first(bytes), last(bytes)), &EIGHTS[bytes.len() - 9])
        }
    };
}
pub(super) use kernel;
