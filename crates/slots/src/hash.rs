//! The checksum under the slot: CRC-16/XMODEM (polynomial 0x1021, initial value 0, not reflected).
//!
//! Owns how the checksum is computed and nothing else, so that an implementation can be exchanged here alone.
//! Which bytes are hashed is decided in `key`.

/// The polynomial without its leading term: x^16 + x^12 + x^5 + 1.
pub(crate) const POLYNOMIAL: u16 = 0x1021;

/// The CRC-16/XMODEM of `bytes`.
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// One bit at a time, straight from the definition.
    fn by_definition(bytes: &[u8]) -> u16 {
        bytes.iter().fold(0, |crc, &byte| {
            (0..8).fold(crc ^ u16::from(byte) << 8, |crc: u16, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ POLYNOMIAL }
            })
        })
    }

    #[test]
    fn check_value_of_the_standard() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(crc16(b""), 0);
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(bytes: Vec<u8>) {
            prop_assert_eq!(crc16(&bytes), by_definition(&bytes));
        }
    }
}
