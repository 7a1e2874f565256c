//! NFSv4.1 (RFC 8881), as much of it as a preflight needs.
//!
//! [`operations`] is the protocol as pure functions; [`client`] holds a session and speaks.

mod client;
mod operations;
#[cfg(test)]
mod tests;

pub(super) use client::Client;
