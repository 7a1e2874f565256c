//! What tests of the Kubernetes side share: a cluster of one node and a way to it, objects, the scripts of a pod, the
//! schemas of objects.

pub mod applied;
mod cluster;
mod deployed;
pub mod scripts;
pub mod validate;
mod way;

pub use deployed::Deployed;

pub use cluster::{IMAGE, Kubernetes, fail, output, succeed};
pub use way::Way;
