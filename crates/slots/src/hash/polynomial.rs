//! The arithmetic of the checksum, at compile time: polynomials over GF(2), one bit for each coefficient.
//!
//! Owns the polynomial P and what is derived from it for the kernels. A byte string is read as a polynomial whose
//! highest coefficient is the first bit; the checksum of M is M·x^16 mod P.

/// P without its leading term: x^16 + x^12 + x^5 + 1.
pub(crate) const POLYNOMIAL: u16 = 0x1021;

/// The checksum of one byte that `zeros` bytes of zero follow, for every byte.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
pub(super) const fn byte_table(zeros: u32) -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u16;
        let mut bits = 16 + 8 * zeros;
        while bits > 0 {
            crc = times_x(crc);
            bits -= 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// x^`exponent` mod P.
pub(super) const fn power_of_x(exponent: u32) -> u64 {
    let mut power = 1;
    let mut left = exponent;
    while left > 0 {
        power = times_x(power);
        left -= 1;
    }
    power as u64
}

/// The polynomial Q of degree below 64 with P·Q ≡ 1 mod x^64.
pub(super) const fn inverse() -> u64 {
    let mut inverse = 0;
    // What P·Q lacks to be 1, as far as it is known; each bit of Q clears the lowest bit that is wrong.
    let mut rest = 1_u64;
    let mut bit = 0;
    while bit < 64 {
        if rest >> bit & 1 == 1 {
            inverse |= 1 << bit;
            rest ^= (1 << 16 | POLYNOMIAL as u64) << bit;
        }
        bit += 1;
    }
    inverse
}

/// The quotient of x^80 and P without its leading term, x^64.
pub(super) const fn reciprocal() -> u64 {
    let mut quotient = 0;
    // The remainder of the division so far, after the term x^64 of the quotient has been taken off.
    let mut rest = POLYNOMIAL as u64;
    let mut bit = 64;
    while bit > 0 {
        bit -= 1;
        rest <<= 1;
        if rest >> 16 & 1 == 1 {
            quotient |= 1 << bit;
            rest ^= 1 << 16 | POLYNOMIAL as u64;
        }
    }
    quotient
}

const fn times_x(polynomial: u16) -> u16 {
    (polynomial << 1) ^ if polynomial >> 15 == 1 { POLYNOMIAL } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(a: u128, b: u128) -> u128 {
        (0..64).filter(|bit| b >> bit & 1 == 1).fold(0, |sum, bit| sum ^ a << bit)
    }

    const P: u128 = 0x1_1021;

    #[test]
    fn tables_hold_the_checksums_of_bytes() {
        for zeros in [0, 1, 15] {
            let table = byte_table(zeros);
            assert_eq!(table[0], 0);
            for (byte, &crc) in table.iter().enumerate() {
                let mut bytes = std::vec![0; zeros as usize + 1];
                bytes[0] = byte as u8;
                assert_eq!(crc, crc16::State::<crc16::XMODEM>::calculate(&bytes));
            }
        }
    }

    #[test]
    fn powers() {
        assert_eq!(power_of_x(3), 8);
        assert_eq!(power_of_x(16), 0x1021);
        // The order of x: P is (x + 1) times a primitive polynomial of degree 15.
        assert_eq!(power_of_x(32767), 1);
    }

    #[test]
    fn the_inverse_inverts() {
        assert_eq!(product(inverse().into(), P) as u64, 1);
    }

    #[test]
    fn the_reciprocal_divides() {
        let remainder = product(1 << 64 | u128::from(reciprocal()), P) ^ 1 << 80;
        assert!(remainder < 1 << 16);
    }
}
