//! NFS for tests: the programs, places for exports, and machines with kernels that know it.

pub mod apart;
pub mod ganesha;
pub mod kernel;
pub mod storage;
pub mod tools;
pub mod vm;
