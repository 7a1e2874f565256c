//! NFS for tests: the programs, servers in namespaces of their own, machines with a kernel of their own, and places for exports.

pub mod apart;
pub mod kernel;
pub mod oracle;
pub mod storage;
pub mod tools;
pub mod vm;
