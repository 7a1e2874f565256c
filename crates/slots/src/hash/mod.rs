//! How a slot is computed: the checksum, CRC-16/XMODEM (polynomial 0x1021, initial value 0, not reflected), by the
//! fastest way the processor has.
//!
//! Owns [`Kernel`], the choice between the ways: `portable` runs everywhere, `simd` holds the vector kernels and all
//! `unsafe` code. `polynomial` is the arithmetic behind their constants. Which bytes of a key are hashed is told in
//! `key`.

mod polynomial;
mod portable;
mod simd;
#[cfg(test)]
mod tests;

use core::fmt;

use crate::key::hash_tag;
use crate::slot::Slot;

pub(crate) use polynomial::POLYNOMIAL;
pub(crate) use portable::tiny_key;

/// A way to compute slots, one that this processor has.
///
/// [`key_slot`](crate::key_slot) and [`key_slots`] use the [active](Kernel::active) one and need no kernel; naming one
/// is for tests and measurements. All give the same slots.
///
/// | name | needs | how |
/// |---|---|---|
/// | `portable` | nothing | sixteen tables of 512 bytes |
/// | `pclmulqdq` | x86-64 with PCLMULQDQ, SSE4.1 | carry-less multiplication, a block of 16 bytes at a time |
/// | `vpclmulqdq` | x86-64 with VPCLMULQDQ, AVX2 | the same, two blocks or two keys at a time |
/// | `pmull` | AArch64 with PMULL | carry-less multiplication, a block at a time |
///
/// Without the feature `std` the processor cannot be asked, and only what the program is compiled for
/// (`-C target-feature`) counts.
///
/// ```
/// use slotwright_slots::Kernel;
///
/// for kernel in Kernel::available() {
///     assert_eq!(kernel.key_slot(b"foo").get(), 12182, "{kernel}");
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kernel(Option<simd::Path>);

impl Kernel {
    /// The kernel that runs on every machine.
    pub const PORTABLE: Self = Self(None);

    /// The kernel that is used when none is named: the first of [`available`](Self::available).
    #[inline]
    #[must_use]
    pub fn active() -> Self {
        Self(simd::Path::active())
    }

    /// Every kernel this processor can run, the preferred one first; `portable` is always there, and last.
    pub fn available() -> impl Iterator<Item = Self> {
        simd::Path::available().map(|path| Self(Some(path))).chain([Self::PORTABLE])
    }

    /// The name, as in the table above.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Some(path) => path.name(),
            None => "portable",
        }
    }

    /// The CRC-16/XMODEM of `bytes`, whatever they hold.
    ///
    /// ```
    /// assert_eq!(slotwright_slots::Kernel::active().crc16(b"123456789"), 0x31C3);
    /// ```
    #[inline]
    #[must_use]
    pub fn crc16(self, bytes: &[u8]) -> u16 {
        match self.0 {
            Some(path) => path.crc16(bytes),
            None => portable::crc16(bytes),
        }
    }

    /// [`key_slot`](crate::key_slot), by this kernel.
    #[inline]
    #[must_use]
    pub fn key_slot(self, key: &[u8]) -> Slot {
        match self.0 {
            Some(path) => path.key_slot(key),
            None => Slot::wrapping(portable::crc16(hash_tag(key))),
        }
    }

    /// [`key_slots`], by this kernel.
    ///
    /// # Panics
    ///
    /// If there are not as many slots as keys.
    #[inline]
    pub fn key_slots<K: AsRef<[u8]>>(self, keys: &[K], slots: &mut [Slot]) {
        assert_eq!(keys.len(), slots.len(), "there must be a slot for each key");
        match self.0 {
            Some(path) => path.key_slots(keys, slots),
            None => {
                for (key, slot) in keys.iter().zip(slots) {
                    *slot = self.key_slot(key.as_ref());
                }
            }
        }
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernel({})", self.name())
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Writes the slot of each of `keys` to the same place of `slots`; the same as [`key_slot`](crate::key_slot) for each,
/// but faster where there are many: keys of nine to sixteen bytes without a hash tag are hashed eight at a time.
///
/// # Panics
///
/// If there are not as many slots as keys.
///
/// ```
/// use slotwright_slots::{Slot, key_slot, key_slots};
///
/// let keys = ["user:1000:name", "user:1000:mail"];
/// let mut slots = [Slot::MIN; 2];
/// key_slots(&keys, &mut slots);
/// assert_eq!(slots, keys.map(|key| key_slot(key.as_bytes())));
/// ```
#[inline]
pub fn key_slots<K: AsRef<[u8]>>(keys: &[K], slots: &mut [Slot]) {
    Kernel::active().key_slots(keys, slots);
}

/// The slot of `key`, by the active kernel.
#[inline]
pub(crate) fn key_slot(key: &[u8]) -> Slot {
    // Inlined is no more than one comparison and one direct call.
    match simd::Path::best() {
        Some(path) => path.key_slot(key),
        None => key_slot_otherwise(key),
    }
}

/// On a processor without the best instructions, and of the first key.
#[cold]
fn key_slot_otherwise(key: &[u8]) -> Slot {
    Kernel::active().key_slot(key)
}

/// The CRC-16/XMODEM of `bytes`.
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    Kernel::active().crc16(bytes)
}
