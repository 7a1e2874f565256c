//! NFS for tests: the programs.

pub mod tools;
