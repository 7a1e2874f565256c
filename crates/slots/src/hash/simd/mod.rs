//! Kernels that multiply without carries: PCLMULQDQ and VPCLMULQDQ of x86-64, PMULL of AArch64.
//!
//! This module holds all `unsafe` code of the workspace, in two places, each with its contract:
//!
//! - **Instructions.** The kernels are compiled for instructions the processor may lack. They are reached only through
//!   a [`Path`], and one is made only after the processor was asked ([`Isa::detected`]).
//! - **Loads.** Vectors are loaded from references to arrays of their size, never from a bare pointer: what is read is
//!   what the borrow checker has seen to be there. No kernel reads a byte outside the slice it was given, not even
//!   within the same page.
//!
//! `kernel` holds the algorithm, written once; `x86_64` and `aarch64` the few operations it needs, declared with the
//! macros of `operations`; `tables` the constants.

#![allow(unsafe_code)]

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(test)]
mod guard_pages;
mod kernel;
mod operations;
mod tables;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use core::sync::atomic::{AtomicU8, Ordering};

use crate::slot::Slot;

#[cfg(target_arch = "aarch64")]
use aarch64::pmull;
#[cfg(target_arch = "x86_64")]
use x86_64::{pclmulqdq, vpclmulqdq};

/// A kernel this processor can run.
///
/// Invariant: the processor has the instructions of the set inside.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Path(Isa);

/// Instruction sets for which there is a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
enum Isa {
    /// Two vectors of 128 bits at a time.
    #[cfg(target_arch = "x86_64")]
    Vpclmulqdq = 1,
    /// One vector at a time.
    #[cfg(target_arch = "x86_64")]
    Pclmulqdq = 2,
    #[cfg(target_arch = "aarch64")]
    Pmull = 3,
}

/// Which kernel to use, once the processor was asked: an [`Isa`] or `NONE`. Every thread that asks stores the same.
static ACTIVE: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const NONE: u8 = u8::MAX;

impl Path {
    /// The preferred path, if there is any.
    #[inline]
    pub(super) fn active() -> Option<Self> {
        match ACTIVE.load(Ordering::Relaxed) {
            // Only what `ask` found is ever stored, so the invariant holds.
            #[cfg(target_arch = "x86_64")]
            1 => Some(Self(Isa::Vpclmulqdq)),
            #[cfg(target_arch = "x86_64")]
            2 => Some(Self(Isa::Pclmulqdq)),
            #[cfg(target_arch = "aarch64")]
            3 => Some(Self(Isa::Pmull)),
            NONE => None,
            _ => Self::ask(),
        }
    }

    /// The path that asks most of the processor, if it is the active one and that is known: a single comparison.
    #[inline]
    pub(super) fn best() -> Option<Self> {
        let best = *Isa::ALL.first()?;
        // By the comparison it is what `ask` found, so the invariant holds.
        (ACTIVE.load(Ordering::Relaxed) == best as u8).then_some(Self(best))
    }

    #[cold]
    fn ask() -> Option<Self> {
        let path = Self::available().next();
        ACTIVE.store(path.map_or(NONE, |path| path.0 as u8), Ordering::Relaxed);
        path
    }

    /// All paths this processor can run, the preferred one first.
    pub(super) fn available() -> impl Iterator<Item = Self> {
        Isa::ALL.iter().copied().filter(|isa| isa.detected()).map(Self)
    }

    pub(super) const fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Isa::Pclmulqdq => "pclmulqdq",
            #[cfg(target_arch = "x86_64")]
            Isa::Vpclmulqdq => "vpclmulqdq",
            #[cfg(target_arch = "aarch64")]
            Isa::Pmull => "pmull",
        }
    }

    /// The CRC-16/XMODEM of `bytes`.
    #[inline]
    pub(super) fn crc16(self, bytes: &[u8]) -> u16 {
        match self.0 {
            // SAFETY: by the invariant of `Path` the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Isa::Pclmulqdq => unsafe { pclmulqdq::crc16(bytes) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Vpclmulqdq => unsafe { vpclmulqdq::crc16(bytes) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Isa::Pmull => unsafe { pmull::crc16(bytes) },
        }
    }

    /// The slot of `key`, hash tag considered.
    #[inline]
    pub(super) fn key_slot(self, key: &[u8]) -> Slot {
        match self.0 {
            // SAFETY: by the invariant of `Path` the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Isa::Pclmulqdq => unsafe { pclmulqdq::key_slot(key) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Vpclmulqdq => unsafe { vpclmulqdq::key_slot(key) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Isa::Pmull => unsafe { pmull::key_slot(key) },
        }
    }

    /// The slot of each key, for as many keys as there are slots.
    #[inline]
    pub(super) fn key_slots<K: AsRef<[u8]>>(self, keys: &[K], slots: &mut [Slot]) {
        match self.0 {
            // SAFETY: by the invariant of `Path` the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Isa::Pclmulqdq => unsafe { pclmulqdq::key_slots(keys, slots) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Vpclmulqdq => unsafe { vpclmulqdq::key_slots(keys, slots) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Isa::Pmull => unsafe { pmull::key_slots(keys, slots) },
        }
    }
}

impl Isa {
    /// Those of this architecture, the preferred one first.
    const ALL: &[Self] = &[
        #[cfg(target_arch = "x86_64")]
        Self::Vpclmulqdq,
        #[cfg(target_arch = "x86_64")]
        Self::Pclmulqdq,
        #[cfg(target_arch = "aarch64")]
        Self::Pmull,
    ];

    /// Whether the processor has the instructions. Without `std` nobody can be asked at run time, and only what the
    /// program is compiled for counts.
    fn detected(self) -> bool {
        macro_rules! has {
            ($detected:ident: $($feature:tt),+) => {{
                #[cfg(feature = "std")]
                let has = $(std::arch::$detected!($feature))&&+;
                #[cfg(not(feature = "std"))]
                let has = cfg!(all($(target_feature = $feature),+));
                has
            }};
        }
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Pclmulqdq => has!(is_x86_feature_detected: "pclmulqdq", "ssse3", "sse4.1"),
            #[cfg(target_arch = "x86_64")]
            Self::Vpclmulqdq => {
                has!(is_x86_feature_detected: "pclmulqdq", "ssse3", "sse4.1", "avx2", "vpclmulqdq")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Pmull => has!(is_aarch64_feature_detected: "neon", "aes"),
        }
    }
}
