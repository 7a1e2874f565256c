//! What tests of the Kubernetes side share: a cluster of one node, the scripts of a pod, the schemas of objects.

mod cluster;
mod deployed;
pub mod scripts;
pub mod validate;

pub use deployed::Deployed;

pub use cluster::{IMAGE, Kubernetes, fail, output, succeed};
