//! NFS exports for the nodes of a cluster.
//!
//! The crate knows servers, exports and the protocol; it knows no Redis. Where a decision needs that (is this `nodes.conf`
//! ours?) it hands over bytes.

mod finding;
pub mod wire;

pub use finding::{Finding, Severity};
