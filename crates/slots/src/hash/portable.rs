//! The kernel for every machine: a table look-up for each byte, sixteen bytes at a time.
//!
//! The checksum is linear, so the contributions of sixteen bytes are looked up independently of each other, each in
//! the table for its distance to the end of the block; only the sixteen bits carried from block to block form a chain
//! (slicing, Kounavis and Berry 2005). The tables take 8 KiB.

use super::polynomial::byte_table;

const BLOCK: usize = 16;

/// By the number of bytes that follow.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
static TABLES: [[u16; 256]; BLOCK] = {
    let mut tables = [[0; 256]; BLOCK];
    let mut zeros = 0;
    while zeros < BLOCK {
        tables[zeros] = byte_table(zeros as u32);
        zeros += 1;
    }
    tables
};

/// The CRC-16/XMODEM of `bytes`.
pub(super) fn crc16(bytes: &[u8]) -> u16 {
    // Zeros in front change nothing, so the odd bytes come first and no table is needed for what follows them.
    let (head, blocks) = bytes.as_rchunks::<BLOCK>();
    blocks.iter().fold(short(head), |crc, block| {
        let mut block = *block;
        let [high, low] = crc.to_be_bytes();
        block[0] ^= high;
        block[1] ^= low;
        short(&block)
    })
}

/// The checksum of at most [`BLOCK`] bytes.
#[inline(always)]
fn short(bytes: &[u8]) -> u16 {
    #[expect(clippy::indexing_slicing, reason = "a table has an entry for every byte")]
    bytes.iter().rev().zip(&TABLES).fold(0, |crc, (&byte, table)| crc ^ table[usize::from(byte)])
}

/// The checksum of at most three bytes.
#[inline]
pub(super) fn tiny(bytes: &[u8]) -> u16 {
    #[expect(clippy::indexing_slicing, reason = "a table has an entry for every byte")]
    let look_up = |zeros: usize, byte: u8| TABLES[zeros][usize::from(byte)];
    match *bytes {
        [a] => look_up(0, a),
        [a, b] => look_up(1, a) ^ look_up(0, b),
        [a, b, c] => look_up(2, a) ^ look_up(1, b) ^ look_up(0, c),
        _ => 0,
    }
}

/// The checksum of the hash tag of at most three bytes.
#[inline]
pub(crate) fn tiny_key(key: &[u8]) -> u16 {
    match key {
        // The only hash tag so short a key can have.
        [b'{', tag, b'}'] if *tag != b'}' => tiny(&[*tag]),
        _ => tiny(key),
    }
}
