//! Constants of the vector kernels: weights of blocks, and orders that turn bytes around.
//!
//! In a vector a block stands as a number, its last byte in lane 0. Of two halves the lower comes first below.

#![expect(clippy::indexing_slicing, reason = "evaluated at compile time")]

use crate::hash::polynomial::{inverse, power_of_x, reciprocal};

/// Blocks whose weights are tabulated; longer keys are taken in segments of as many.
pub(super) const SEGMENT: usize = 32;

/// What the two halves of a block are multiplied by.
pub(super) type Weight = [u64; 2];

/// The weight of a block that `distance` blocks follow: x^(128·distance), with x^16 for the checksum and x^64 for the
/// reduction, which divides by it.
pub(super) const fn weight(distance: usize) -> Weight {
    let lower = 128 * distance as u32 + 16 + 64;
    [power_of_x(lower), power_of_x(lower + 64)]
}

/// The weights of a segment, the first block's first.
pub(super) const WEIGHTS: &[Weight; SEGMENT] = &{
    let mut weights = [[0; 2]; SEGMENT];
    let mut block = 0;
    while block < SEGMENT {
        weights[block] = weight(SEGMENT - 1 - block);
        block += 1;
    }
    weights
};

/// The weight of the checksum of everything before a segment.
pub(super) const CARRY: &Weight = &[power_of_x(128 * SEGMENT as u32 + 64), 0];

/// 1/P mod x^64.
pub(super) const INVERSE: u64 = inverse();

/// x^80/P without its leading term.
pub(super) const RECIPROCAL: u64 = reciprocal();

/// An order of bytes; `NONE` gives 0.
pub(super) type Order = [u8; 16];
const NONE: u8 = 0x80;

/// Turns a block around.
pub(super) const REVERSE: &Order = &[15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];

/// Turns the first bytes of a block around and drops the others: by the number of bytes, 1 to 16, less 1.
pub(super) const FIRST: &[Order; 16] = &{
    let mut orders = [[NONE; 16]; 16];
    let mut length = 1;
    while length <= 16 {
        orders[length - 1] = turned(length, length, length);
        length += 1;
    }
    orders
};

/// Turns 9 to 16 bytes around of which the first eight and then the last eight were loaded: by their number less 9.
pub(super) const EIGHTS: &[Order; 8] = &{
    let mut orders = [[NONE; 16]; 8];
    let mut length = 9;
    while length <= 16 {
        orders[length - 9] = turned(length, 8, 16);
        length += 1;
    }
    orders
};

/// Turns 4 to 8 bytes around of which the first four and then the last four were loaded: by their number less 4.
pub(super) const FOURS: &[Order; 5] = &{
    let mut orders = [[NONE; 16]; 5];
    let mut length = 4;
    while length <= 8 {
        orders[length - 4] = turned(length, 4, 8);
        length += 1;
    }
    orders
};

/// Turns `length` bytes around. The first `part` of them stand in the lanes from 0, those after in the lanes that end
/// with `end`.
const fn turned(length: usize, part: usize, end: usize) -> Order {
    let mut order = [NONE; 16];
    let mut lane = 0;
    while lane < length {
        let byte = length - 1 - lane;
        order[lane] = (if byte < part { byte } else { end - 1 - lane }) as u8;
        lane += 1;
    }
    order
}

/// From lane n on, moved down to lane 0: the window from n on.
pub(super) const DOWN: &[u8; 32] = &{
    let mut order = [NONE; 32];
    let mut lane = 0;
    while lane < 16 {
        order[lane] = lane as u8;
        lane += 1;
    }
    order
};

/// A mask of the lanes below n: the window from 16 - n on.
pub(super) const KEEP: &[u8; 32] = &{
    let mut mask = [0; 32];
    let mut lane = 0;
    while lane < 16 {
        mask[lane] = 0xFF;
        lane += 1;
    }
    mask
};

/// Sixteen entries of a table from `start` on, which is at most sixteen.
#[inline]
pub(super) fn window(table: &'static [u8; 32], start: u32) -> &'static [u8; 16] {
    let (_, window) = table.split_at(start.min(16) as usize);
    window.first_chunk().unwrap_or(REVERSE)
}
