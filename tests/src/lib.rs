//! Integration tests of Slotwright against real servers: what the tests in `tests/` share.
//!
//! A test that needs a server program fails when there is none; it is never skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

pub mod certificates;
pub mod cluster;
pub mod deployment;
pub mod fault;
#[cfg(feature = "kube")]
pub mod kube;
pub mod nfs;
pub mod outside;
pub mod points;
pub mod ports;
pub mod program;
pub mod random;
pub mod server;
pub mod trials;
pub mod wait;
