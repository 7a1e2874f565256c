//! NFS for tests: the programs, and places for exports.

pub mod apart;
pub mod kernel;
pub mod storage;
pub mod tools;
