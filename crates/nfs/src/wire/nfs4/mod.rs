//! NFSv4.1 (RFC 8881), as much of it as a preflight needs.
//!
//! [`operations`] and [`results`] are the protocol as pure functions; [`client`] holds a session and speaks;
//! [`walk`] finds exports with it.

mod client;
mod operations;
mod results;
#[cfg(test)]
mod tests;
mod walk;

pub(super) use client::Client;
