//! Redis Cluster and Valkey Cluster on Kubernetes.
//!
//! With the feature `client`, [`apply`] brings objects to an API server and waits for what they become. Without it the
//! crate opens no connection.

#![cfg_attr(not(feature = "client"), doc = "\n[`apply`]: https://docs.rs/slotwright-kube")]

#[cfg(feature = "client")]
pub mod apply;
