//! NFS for tests: the programs.

pub mod kernel;
pub mod storage;
pub mod tools;
