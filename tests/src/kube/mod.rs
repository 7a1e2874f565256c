//! What tests of the Kubernetes side share.

pub mod scripts;
pub mod validate;
