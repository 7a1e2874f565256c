//! NFS for tests: the programs.

pub mod oracle;
pub mod tools;
