//! A small Linux in an emulated machine: a real NFS client and a real kernel server, whatever kernel this system runs.
//!
//! ```no_run
//! use slotwright_tests::nfs::vm::{Machine, Root};
//! let mut machine = Machine::new("client").boot(&Root::client());
//! assert_eq!(machine.ok("uname -s"), "Linux\n");
//! ```

mod cpio;
mod machine;
mod root;

pub use cpio::Archive;
pub use machine::{HOST, Machine, Output, Settings};
pub use root::Root;
