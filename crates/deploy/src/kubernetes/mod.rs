//! Nodes that are pods of a Kubernetes cluster.
//!
//! What the objects are is the business of `slotwright-kube`; here the spec becomes its input.

mod wanted;

pub use self::wanted::{Contents, TlsContents, advice, blueprint};
