//! The operations on AArch64 (PMULL, which comes with the `aes` extension).
//!
//! Reference: Arm Architecture Reference Manual, C7.2; a lane index above 15 gives 0 in TBL.

use core::arch::aarch64::*;

use super::kernel::kernel;
use super::operations::{operations, two_vectors};
use super::tables::{INVERSE, Order, RECIPROCAL, REVERSE, Weight};

/// The kernel for every processor with PMULL on 64 bits.
pub(super) mod pmull {
    use super::{Vector, kernel, ops};

    kernel!("neon,aes");
}

type Vector = uint8x16_t;

mod ops {
    use super::*;

    pub(super) const LANE: u32 = 4;

    operations! { "neon,aes"
        fn load(block: &[u8; 16]) -> Vector {
            // SAFETY: sixteen bytes may be read there, and the instruction asks for no alignment.
            unsafe { vld1q_u8(block.as_ptr()) }
        }

        fn zero() -> Vector {
            vdupq_n_u8(0)
        }

        fn number(lower: u64) -> Vector {
            halves(lower, 0)
        }

        fn halves(lower: u64, upper: u64) -> Vector {
            vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(lower), vcreate_u64(upper)))
        }

        fn lower(vector: Vector) -> u64 {
            vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vector))
        }

        fn upper(vector: Vector) -> u64 {
            vgetq_lane_u64::<1>(vreinterpretq_u64_u8(vector))
        }

        fn eights(first: [u8; 8], last: [u8; 8]) -> Vector {
            halves(u64::from_le_bytes(first), u64::from_le_bytes(last))
        }

        fn fours(first: [u8; 4], last: [u8; 4]) -> Vector {
            halves(u64::from(u32::from_le_bytes(first)) | u64::from(u32::from_le_bytes(last)) << 32, 0)
        }

        fn shuffle(block: Vector, order: &Order) -> Vector {
            vqtbl1q_u8(block, load(order))
        }

        fn reverse(block: Vector) -> Vector {
            shuffle(block, REVERSE)
        }

        fn xor(a: Vector, b: Vector) -> Vector {
            veorq_u8(a, b)
        }

        fn or(a: Vector, b: Vector) -> Vector {
            vorrq_u8(a, b)
        }

        fn and(a: Vector, mask: &[u8; 16]) -> Vector {
            vandq_u8(a, load(mask))
        }

        /// All bits of the lanes that are `byte`.
        fn equal(block: Vector, byte: u8) -> Vector {
            vceqq_u8(block, vdupq_n_u8(byte))
        }

        fn any(found: Vector) -> bool {
            vmaxvq_u8(found) != 0
        }

        /// `LANE` bits for each lane that has any: there is no mask of one bit, but half of each byte can be had.
        fn lanes(found: Vector) -> u64 {
            vget_lane_u64::<0>(vreinterpret_u64_u8(vshrn_n_u16::<4>(vreinterpretq_u16_u8(found))))
        }

        fn multiply(a: u64, b: u64) -> Vector {
            vreinterpretq_u8_p128(vmull_p64(a, b))
        }

        fn weigh(block: Vector, weight: &Weight) -> Vector {
            xor(multiply(lower(block), weight[0]), multiply(upper(block), weight[1]))
        }

        fn reduce(sum: Vector) -> u16 {
            let quotient = lower(multiply(lower(sum), INVERSE));
            // The upper half of quotient·P, whose terms are x^16, x^12, x^5 and 1; the last has none there.
            (upper(sum) ^ quotient >> 48 ^ quotient >> 52 ^ quotient >> 59) as u16
        }

        fn reduce_half(block: Vector) -> u16 {
            let block = lower(block);
            let quotient = block ^ upper(multiply(block, RECIPROCAL));
            (quotient ^ quotient << 5 ^ quotient << 12) as u16
        }
    }

    two_vectors! { "neon,aes" }
}
