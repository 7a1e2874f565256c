//! NFS for tests: the programs, servers and places for exports, machines with a kernel of their own.

pub mod apart;
pub mod ganesha;
pub mod kernel;
pub mod kills;
pub mod oracle;
pub mod storage;
pub mod tools;
pub mod vm;
