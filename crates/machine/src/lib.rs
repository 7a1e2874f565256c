//! The machine this process runs on: files, folders, locks and programs, changed through one door.
//!
//! Deciding code never calls the system's functions for these itself: it asks a [`Machine`], which tells a [`Witness`]
//! before and after each [`Effect`]. Whoever supplies the witness can stop a run between any two effects.
//!
//! ```
//! use slotwright_machine::Machine;
//! let folder = std::env::temp_dir().join(format!("machine-doc-{}", std::process::id()));
//! let machine = Machine::default();
//! machine.make_folder(&folder, 0o700)?;
//! machine.write_file(&folder.join("note"), b"whole or not at all", 0o600)?;
//! machine.remove(&folder)?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod effect;
mod files;
mod lock;
mod programs;

pub use effect::{Effect, Machine, Witness};
pub use files::{Owner, beside};
pub use lock::{Lock, LockError};
pub use programs::{Finished, run_within};
