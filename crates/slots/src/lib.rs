//! Hash slots of Redis Cluster and Valkey Cluster.
//!
//! A cluster divides its keys among 16384 *slots*: the slot of a key is the CRC-16/XMODEM of its [hash tag](hash_tag),
//! modulo 16384, and each slot is served by one shard. This crate owns the arithmetic of slots:
//!
//! | item | what it is |
//! |---|---|
//! | [`Slot`] | a slot number, which cannot be 16384 |
//! | [`key_slot`], [`hash_tag`] | key to slot |
//! | [`key_slots`] | many keys at once |
//! | [`Kernel`] | the ways to compute slots, one for each kind of processor |
//! | [`tag_for_slot`] | slot to a short hash tag, the way back |
//! | [`SlotRange`] | consecutive slots, `0-5460` |
//! | [`SlotSet`] | any slots, a bitmap that reads and prints `0-5460 5462` |
//! | [`SlotMap`] | the owner of each slot, its replicas, and the version of what is known |
//! | `SharedSlotMap` | a slot map that many tasks read without a lock while it changes |
//! | [`OwnerGroups`] | the keys of one command or pipeline, parted by owner |
//!
//! It leaves to others what an owner is (a node, a connection, a shard) and everything that opens a socket.
//!
//! ```
//! use slotwright_slots::{SlotMap, SlotRange, key_slot};
//!
//! let mut owners = SlotMap::new();
//! owners.assign_range(SlotRange::ALL, "node-a");
//!
//! // A server answered `MOVED 12182 …`: one slot is patched, the rest stays.
//! owners.set(key_slot(b"foo"), "node-b");
//!
//! assert_eq!(owners.get(key_slot(b"foo")), Some(&"node-b"));
//! assert_eq!(owners.get(key_slot(b"bar")), Some(&"node-a"));
//! ```
//!
//! # Speed
//!
//! Beside the implementations that other Rust clients stand on; the README has the table, and `cargo xtask bench slots`
//! in the workspace measures it again.
//!
#![doc = include_str!("../speed.svg")]
//!
//! # Features
//!
//! - `std` (default): the processor is asked for its abilities when the first key is hashed, and there is
//!   `SharedSlotMap`. Without it the crate needs only `alloc`, and uses what the program is compiled for.
//! - `serde`: `Slot` as a number, `SlotRange` and `SlotSet` as text.

#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod error;
mod group;
mod hash;
mod key;
mod map;
mod range;
#[cfg(feature = "serde")]
mod serde;
mod set;
#[cfg(feature = "std")]
mod shared;
mod slot;
mod tag;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use error::{ParseSlotError, ParseSlotErrorReason, SlotOutOfRange};
pub use group::{Group, GroupIter, GroupedKeys, OwnerGroups};
pub use hash::{Kernel, key_slots};
pub use key::{hash_tag, key_slot};
pub use map::{ClaimOutcome, ClaimReport, MapRuns, Route, SlotMap};
pub use range::{RangeIter, SlotRange};
pub use set::{SetIter, SetRanges, SlotSet};
#[cfg(feature = "std")]
pub use shared::{SharedSlotMap, SlotMapGuard, SlotMapReader};
pub use slot::{SLOT_COUNT, Slot};
pub use tag::{HashTag, tag_for_slot};
