//! exports(5): which folders an NFS server gives to whom, as text and as types.
//!
//! | item | what it is |
//! |---|---|
//! | [`Client`], [`Options`], [`Grant`] | who gets an export, how, and both together |
//! | [`Problem`] | why a text is refused, and what helps |
//!
//! The grammar is that of nfs-utils (`support/nfs/exports.c`, `support/nfs/xio.c`; the same in 2.6.2 and 2.9.1).

mod client;
mod flavour;
mod grant;
mod options;
mod problem;

pub use client::{Client, Host, Subnet};
pub use flavour::{Flavour, Kerberos, Transport};
pub use grant::Grant;
pub use options::{Access, Locations, Mountpoint, OptionPath, Options, Reexport, Security, Uuid};
pub use problem::Problem;
