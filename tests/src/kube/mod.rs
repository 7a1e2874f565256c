//! What tests of the Kubernetes side share: a cluster of one node, the scripts of a pod, the schemas of objects.

mod cluster;
pub mod scripts;
pub mod validate;

pub use cluster::{IMAGE, Kubernetes, fail, output, succeed};
