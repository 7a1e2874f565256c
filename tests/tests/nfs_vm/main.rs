//! Redis on NFS with real kernels, in emulated machines: their client against NFS-Ganesha on this system, and their
//! server, told by our kernel back end.
//!
//! The machines have kernels, names and deaths of their own, which no namespace gives: a client whose machine is switched
//! off keeps what it holds until its lease ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod client;
mod ganesha;
mod redis;
mod server;
