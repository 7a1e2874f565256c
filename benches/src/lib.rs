//! What the benchmarks and the report on slots share: keys, the ways to turn them into slots, and replies of servers.
//!
//! [`keys`] makes the keys; [`single`] holds every implementation that takes one key at a time, ours and the peers',
//! behind one signature and with equal work (hash-tag scan, checksum, modulo 16384); [`batch`] the ways to take many.
//! [`suite`] sets up the criterion suites on slots; [`replies`] makes what `replies/` decodes and parses. What is measured with them, and how, is decided there, in
//! `slots/hash.rs` (criterion) and in `slots/report` (the table).

pub mod batch;
pub mod keys;
pub mod replies;
pub mod single;
pub mod suite;
