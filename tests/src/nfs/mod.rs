//! NFS for tests: its programs, and machines with kernels that know it.

pub mod tools;
pub mod vm;
