//! NFS for tests: the programs.

pub mod apart;
pub mod tools;
