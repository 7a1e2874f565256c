//! NFS exports for the nodes of a cluster.
//!
//! The crate knows servers, exports and the protocol; it knows no Redis. Where a decision needs that (is this `nodes.conf`
//! ours?) it hands over bytes.
//!
//! Data flows one way. What is [`Wanted`] becomes [`Export`]s, which have ids of their own ([`Ids`]); [`Storage`] looks at
//! the machine and its [`server`], plans the steps between the two, and takes them, each through one door
//! (`slotwright-machine`), so that a test can stand between any two. [`wire`] proves over the network what came of it.
//!
//! | module | what it owns |
//! |---|---|
//! | [`exports`] | exports(5): text to types and back without losing a byte; lints; rewriting safely |
//! | [`server`] | the kernel's server and NFS-Ganesha: what is configured, what is served, who uses it |
//! | [`wire`] | NFSv3 and NFSv4.1 as a client speaks them, and the checks a node's data needs |

mod error;
pub mod exports;
mod finding;
mod ids;
mod mount;
mod observe;
mod plan;
mod render;
pub mod server;
mod storage;
mod wanted;
pub mod wire;

pub use error::{Error, ErrorKind, Refusal};
pub use finding::{Finding, Severity};
pub use ids::{Ids, NoIdLeft};
pub use mount::{MountOptionError, MountOptions, NfsVersion};
pub use plan::{Consent, Line, Plan};
pub use render::rendered_exports;
pub use slotwright_machine::Owner;
pub use storage::{ExportStatus, Outcome, Status, Storage};
pub use wanted::{Export, Policy, Wanted, WishError};
