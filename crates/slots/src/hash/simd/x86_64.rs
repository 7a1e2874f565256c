//! The operations on x86-64, one vector at a time (PCLMULQDQ, SSSE3, SSE4.1) or two (VPCLMULQDQ, AVX2).
//!
//! References: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.

use core::arch::x86_64::*;

use super::kernel::kernel;
use super::operations::{operations, two_vectors};
use super::tables::{INVERSE, Order, RECIPROCAL, REVERSE, Weight};

/// The kernel for every processor with PCLMULQDQ.
pub(super) mod pclmulqdq {
    use super::{Vector, kernel, two_vectors as ops};

    kernel!("pclmulqdq,ssse3,sse4.1");
}

/// The kernel for processors that multiply two vectors in one instruction.
pub(super) mod vpclmulqdq {
    use super::{Vector, kernel, wide_vector as ops};

    kernel!("pclmulqdq,ssse3,sse4.1,avx2,vpclmulqdq");
}

type Vector = __m128i;

/// Operations on one vector.
mod vector {
    use super::*;

    pub(super) const LANE: u32 = 1;

    operations! { "pclmulqdq,ssse3,sse4.1"
        fn load(block: &[u8; 16]) -> Vector {
            // SAFETY: sixteen bytes may be read there, and the instruction asks for no alignment.
            unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
        }

        fn load_weight(weight: &Weight) -> Vector {
            // SAFETY: as above.
            unsafe { _mm_loadu_si128(weight.as_ptr().cast()) }
        }

        fn zero() -> Vector {
            _mm_setzero_si128()
        }

        fn number(lower: u64) -> Vector {
            _mm_cvtsi64_si128(lower.cast_signed())
        }

        /// The second half is loaded into place only as a floating-point number; its bits are left alone.
        fn eights(first: [u8; 8], last: [u8; 8]) -> Vector {
            _mm_castpd_si128(_mm_set_pd(f64::from_le_bytes(last), f64::from_le_bytes(first)))
        }

        fn fours(first: [u8; 4], last: [u8; 4]) -> Vector {
            _mm_set_epi32(0, 0, i32::from_le_bytes(last), i32::from_le_bytes(first))
        }

        fn shuffle(block: Vector, order: &Order) -> Vector {
            _mm_shuffle_epi8(block, load(order))
        }

        fn reverse(block: Vector) -> Vector {
            shuffle(block, REVERSE)
        }

        fn xor(a: Vector, b: Vector) -> Vector {
            _mm_xor_si128(a, b)
        }

        fn or(a: Vector, b: Vector) -> Vector {
            _mm_or_si128(a, b)
        }

        fn and(a: Vector, mask: &[u8; 16]) -> Vector {
            _mm_and_si128(a, load(mask))
        }

        /// All bits of the lanes that are `byte`.
        fn equal(block: Vector, byte: u8) -> Vector {
            _mm_cmpeq_epi8(block, _mm_set1_epi8(byte.cast_signed()))
        }

        fn any(found: Vector) -> bool {
            _mm_movemask_epi8(found) != 0
        }

        /// `LANE` bits for each lane that has any.
        fn lanes(found: Vector) -> u64 {
            u64::from(_mm_movemask_epi8(found).cast_unsigned())
        }

        fn weigh(block: Vector, weight: &Weight) -> Vector {
            let weight = load_weight(weight);
            xor(_mm_clmulepi64_si128::<0x00>(block, weight), _mm_clmulepi64_si128::<0x11>(block, weight))
        }

        fn reduce(sum: Vector) -> u16 {
            let quotient = _mm_clmulepi64_si128::<0x00>(sum, _mm_set1_epi64x(INVERSE.cast_signed()));
            // The upper half of quotient·P, whose terms are x^16, x^12, x^5 and 1; the last has none there.
            let upper = xor(_mm_srli_epi64::<48>(quotient), _mm_srli_epi64::<52>(quotient));
            let upper = xor(upper, _mm_srli_epi64::<59>(quotient));
            _mm_cvtsi128_si32(xor(upper, _mm_unpackhi_epi64(sum, sum))) as u16
        }

        fn reduce_half(block: Vector) -> u16 {
            let product = _mm_clmulepi64_si128::<0x00>(block, _mm_set1_epi64x(RECIPROCAL.cast_signed()));
            let quotient = _mm_cvtsi128_si32(xor(block, _mm_unpackhi_epi64(product, product)));
            (quotient ^ quotient << 5 ^ quotient << 12) as u16
        }
    }
}

/// Operations on pairs, as two vectors.
mod two_vectors {
    use super::*;

    pub(super) use super::vector::*;

    two_vectors! { "pclmulqdq,ssse3,sse4.1" }
}

/// Operations on pairs, as one vector of twice the width.
mod wide_vector {
    use super::*;

    pub(super) use super::vector::*;

    type Pair = __m256i;

    operations! { "pclmulqdq,ssse3,sse4.1,avx2,vpclmulqdq"
        fn load_pair(blocks: &[u8; 32]) -> Pair {
            // SAFETY: 32 bytes may be read there, and the instruction asks for no alignment.
            unsafe { _mm256_loadu_si256(blocks.as_ptr().cast()) }
        }

        fn load_weights(weights: &[Weight; 2]) -> Pair {
            // SAFETY: as above.
            unsafe { _mm256_loadu_si256(weights.as_ptr().cast()) }
        }

        fn both(a: Vector, b: Vector) -> Pair {
            _mm256_set_m128i(b, a)
        }

        fn merge(pair: Pair) -> Vector {
            xor(_mm256_castsi256_si128(pair), _mm256_extracti128_si256::<1>(pair))
        }

        fn xor_pair(a: Pair, b: Pair) -> Pair {
            _mm256_xor_si256(a, b)
        }

        fn or_pair(a: Pair, b: Pair) -> Pair {
            _mm256_or_si256(a, b)
        }

        fn reverse_pair(blocks: Pair) -> Pair {
            _mm256_shuffle_epi8(blocks, _mm256_broadcastsi128_si256(load(REVERSE)))
        }

        fn equal_in_pair(blocks: Pair, byte: u8) -> Pair {
            _mm256_cmpeq_epi8(blocks, _mm256_set1_epi8(byte.cast_signed()))
        }

        fn any_in_pair(found: Pair) -> bool {
            _mm256_movemask_epi8(found) != 0
        }

        fn weigh_pair(blocks: Pair, weights: &[Weight; 2]) -> Pair {
            let weights = load_weights(weights);
            xor_pair(
                _mm256_clmulepi64_epi128::<0x00>(blocks, weights),
                _mm256_clmulepi64_epi128::<0x11>(blocks, weights),
            )
        }

        /// The sums in the order 0 4, 1 5, 2 6, 3 7.
        fn reduce_eight(sums: [Pair; 4]) -> [u16; 8] {
            let [a_e, b_f, c_g, d_h] = sums;
            // In each half of the vectors: a b and c d, e f and g h.
            let words = _mm256_packus_epi32(reduce_four(a_e, b_f), reduce_four(c_g, d_h));
            let words = _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            let mut crcs = [0; 8];
            // SAFETY: the array has room for sixteen bytes, and the instruction asks for no alignment.
            unsafe { _mm_storeu_si128(crcs.as_mut_ptr().cast(), words) };
            crcs
        }

        /// Four sums to as many numbers of 64 bits, as `reduce` does.
        fn reduce_four(a: Pair, b: Pair) -> Pair {
            let inverse = _mm256_set1_epi64x(INVERSE.cast_signed());
            let quotients = _mm256_unpacklo_epi64(
                _mm256_clmulepi64_epi128::<0x00>(a, inverse),
                _mm256_clmulepi64_epi128::<0x00>(b, inverse),
            );
            let upper = xor_pair(_mm256_srli_epi64::<48>(quotients), _mm256_srli_epi64::<52>(quotients));
            let upper = xor_pair(upper, _mm256_srli_epi64::<59>(quotients));
            xor_pair(upper, _mm256_unpackhi_epi64(a, b))
        }
    }
}
