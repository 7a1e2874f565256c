//! Every kernel against the `crc16` crate and the definition: all short lengths at every alignment, random long ones,
//! tags of every shape, and slices that end, or begin, where memory does.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::key_slot;

fn reference(bytes: &[u8]) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(bytes)
}

/// The tag found byte by byte.
fn reference_slot(key: &[u8]) -> Slot {
    let tag = (|| {
        let open = key.iter().position(|&byte| byte == b'{')? + 1;
        let length = key[open..].iter().position(|&byte| byte == b'}').filter(|&length| length > 0)?;
        Some(&key[open..open + length])
    })();
    Slot::wrapping(reference(tag.unwrap_or(key)))
}

/// Bytes without a pattern; every bit of a key takes part in some test.
fn noise(length: usize, mut seed: u64) -> Vec<u8> {
    (0..length)
        .map(|_| {
            seed = seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            (seed >> 56) as u8
        })
        .collect()
}

fn check(key: &[u8]) {
    for kernel in Kernel::available() {
        assert_eq!(kernel.crc16(key), reference(key), "{kernel}: CRC of {}", key.escape_ascii());
        assert_eq!(kernel.key_slot(key), reference_slot(key), "{kernel}: slot of {}", key.escape_ascii());
    }
    assert_eq!(key_slot(key), reference_slot(key), "slot of {}", key.escape_ascii());
}

#[test]
fn check_value_of_the_standard() {
    for kernel in Kernel::available() {
        assert_eq!(kernel.crc16(b"123456789"), 0x31C3, "{kernel}");
        assert_eq!(kernel.crc16(b""), 0, "{kernel}");
    }
}

#[test]
fn the_reference_is_the_definition() {
    let bytes = noise(100, 1);
    let by_bits = bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc: u16, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ POLYNOMIAL }
        })
    });
    assert_eq!(reference(&bytes), by_bits);
}

#[test]
fn the_portable_kernel_is_always_there_and_last() {
    let all: Vec<Kernel> = Kernel::available().collect();
    assert_eq!(all.last(), Some(&Kernel::PORTABLE));
    assert_eq!(all.first(), Some(&Kernel::active()));
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    assert_eq!(std::is_x86_feature_detected!("vpclmulqdq"), Kernel::active().name() == "vpclmulqdq");
    #[cfg(all(feature = "std", target_arch = "aarch64"))]
    assert_eq!(std::arch::is_aarch64_feature_detected!("aes"), Kernel::active().name() == "pmull");
}

#[test]
fn all_lengths_to_300_at_every_alignment() {
    let bytes = noise(512, 2);
    let aligned = bytes.as_ptr().align_offset(64);
    for start in aligned..aligned + 64 {
        for length in 0..=300.min(bytes.len() - start) {
            check(&bytes[start..start + length]);
        }
    }
}

#[test]
fn long_ones() {
    let bytes = noise(5000, 3);
    for length in (300..1100).chain((1100..5000).step_by(61)) {
        check(&bytes[5000 - length..]);
    }
}

/// One bit in all positions of all lengths: a wrong weight, order or table shows here.
#[test]
fn single_bits() {
    for length in 1..=160 {
        let mut key = vec![0; length];
        for byte in 0..length {
            for bit in 0..8 {
                key[byte] = 1 << bit;
                check(&key);
            }
            key[byte] = 0;
        }
    }
}

/// Braces in all positions, so that a scan which looks at too few bytes, or too many, is found out.
#[test]
fn braces_everywhere() {
    for length in (1..=80).chain([127, 128, 129, 160, 511, 512, 513, 544, 1030]) {
        let plain: Vec<u8> = noise(length, 4).into_iter().map(|byte| b'a' + byte % 26).collect();
        let step = 1 + length / 100;
        for open in (0..length).step_by(step) {
            let mut key = plain.clone();
            key[open] = b'{';
            check(&key);
            for close in (0..length).step_by(step).filter(|&close| close != open) {
                key[close] = b'}';
                check(&key);
                key[close] = plain[close];
            }
        }
    }
}

/// All keys of up to six bytes made of braces and three others.
#[test]
fn all_short_keys_of_few_letters() {
    let letters = [b'{', b'}', b'a', 0, 0xFF];
    for length in 0..=6 {
        for number in 0..letters.len().pow(length) {
            let digits = (0..length).map(|place| number / letters.len().pow(place) % letters.len());
            check(&digits.map(|digit| letters[digit]).collect::<Vec<u8>>());
        }
    }
}

proptest! {
    #[test]
    fn random_bytes(key in proptest::collection::vec(any::<u8>(), 0..2000)) {
        check(&key);
    }

    #[test]
    fn random_braces(
        key in proptest::collection::vec(prop_oneof![2 => Just(b'{'), 2 => Just(b'}'), 20 => any::<u8>()], 0..200),
    ) {
        check(&key);
    }

    #[test]
    fn many_at_once(
        keys in proptest::collection::vec(
            prop_oneof![
                6 => proptest::collection::vec(any::<u8>(), 9..=16),
                1 => proptest::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), any::<u8>()], 0..40),
            ],
            0..60,
        ),
    ) {
        let expected: Vec<Slot> = keys.iter().map(|key| reference_slot(key)).collect();
        for kernel in Kernel::available() {
            let mut slots = vec![Slot::MAX; keys.len()];
            kernel.key_slots(&keys, &mut slots);
            prop_assert_eq!(&slots, &expected, "{}", kernel);
        }
    }
}

/// A key that is never the same twice: a kernel must not rely on it.
#[test]
fn keys_that_change_between_looks() {
    struct Shifty(core::cell::Cell<usize>);
    impl AsRef<[u8]> for Shifty {
        fn as_ref(&self) -> &[u8] {
            self.0.set(self.0.get() * 7 % 41);
            &b"{123456789012345678901234567890123456789}"[..self.0.get()]
        }
    }
    let keys: Vec<Shifty> = (1..40).map(|length| Shifty(length.into())).collect();
    for kernel in Kernel::available() {
        kernel.key_slots(&keys, &mut vec![Slot::MIN; keys.len()]);
    }
}

#[test]
fn free_functions_use_the_active_kernel() {
    let keys = ["a", "{b}c", "user:1000:profile"];
    let mut slots = [Slot::MIN; 3];
    key_slots(&keys, &mut slots);
    assert_eq!(slots, keys.map(|key| key_slot(key.as_bytes())));
    assert_eq!(slots, keys.map(|key| reference_slot(key.as_bytes())));
}

#[test]
#[should_panic(expected = "there must be a slot for each key")]
fn a_slot_for_each_key() {
    key_slots(&["a", "b"], &mut [Slot::MIN]);
}
