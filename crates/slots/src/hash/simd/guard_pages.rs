//! A kernel reads what it was given and nothing else: proven with keys that end, or begin, where the memory does.
//!
//! The pages before and after are protected, so a single byte too many ends the test program with SIGSEGV.

#![cfg(unix)]

use alloc::vec;
use core::ffi::c_void;
use core::ptr;
use core::slice;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

use crate::hash::Kernel;
use crate::slot::Slot;

/// Some readable bytes between two protected stretches of as many.
struct Guarded {
    start: *mut c_void,
    size: usize,
}

impl Guarded {
    fn new() -> Self {
        let size = rustix::param::page_size();
        // SAFETY: a new mapping at a place the kernel chooses affects no other memory; protecting parts of it neither.
        unsafe {
            let start = mmap_anonymous(
                ptr::null_mut(),
                3 * size,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
            .unwrap();
            mprotect(start, size, MprotectFlags::empty()).unwrap();
            mprotect(start.byte_add(2 * size), size, MprotectFlags::empty()).unwrap();
            Self { start, size }
        }
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the second third is mapped, zeroed at first, writable, and nobody else's while `self` is borrowed.
        unsafe { slice::from_raw_parts_mut(self.start.byte_add(self.size).cast(), self.size) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new`, and no reference into it outlives `self`.
        unsafe { munmap(self.start, 3 * self.size).unwrap() };
    }
}

#[test]
fn no_kernel_reads_outside_the_key() {
    let mut memory = Guarded::new();
    let bytes = memory.bytes();
    let lengths = 0..=1200.min(bytes.len());
    for filler in [b"a", b"{", b"}"] {
        bytes.fill(filler[0]);
        for kernel in Kernel::available() {
            for length in lengths.clone() {
                let keys = [&bytes[..length], &bytes[bytes.len() - length..]];
                assert_eq!(kernel.crc16(keys[0]), kernel.crc16(keys[1]), "{kernel}, {length} bytes");
                assert_eq!(kernel.key_slot(keys[0]), kernel.key_slot(keys[1]), "{kernel}, {length} bytes");
                let mut slots = vec![Slot::MIN; 16];
                kernel.key_slots(&keys.repeat(8), &mut slots);
                assert!(
                    slots.iter().all(|&slot| slot == kernel.key_slot(keys[0])),
                    "{kernel}, {length} bytes"
                );
            }
        }
    }
}

/// A tag that ends with the memory, and a brace that opens at its last byte.
#[test]
fn no_kernel_looks_for_braces_outside_the_key() {
    let mut memory = Guarded::new();
    let bytes = memory.bytes();
    for length in 1..=100 {
        for open in 0..length {
            bytes.fill(b'x');
            let start = bytes.len() - length;
            bytes[start + open] = b'{';
            for kernel in Kernel::available() {
                let unclosed = &bytes[start..];
                assert_eq!(kernel.key_slot(unclosed), Kernel::PORTABLE.key_slot(unclosed), "{kernel}");
            }
            bytes[start + length - 1] = b'}';
            for kernel in Kernel::available() {
                let key = &bytes[start..];
                assert_eq!(kernel.key_slot(key), Kernel::PORTABLE.key_slot(key), "{kernel}");
            }
        }
    }
}
