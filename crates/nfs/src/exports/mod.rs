//! exports(5): which folders an NFS server gives to whom, as text and as types.
//!
//! | item | what it is |
//! |---|---|
//! | [`Client`], [`Options`], [`Grant`] | who gets an export, how, and both together |
//! | [`Document`], [`Entry`] | one file, lossless, and what its lines say |
//! | [`Table`] | all files of a machine, in the order of reading |
//! | [`lint`], [`Facts`] | what is dangerous in them, given what is known of the machine |
//! | [`rewrite`] | the safe version of a file |
//! | [`Problem`], [`Error`] | why a text is refused, and what helps; and where |
//!
//! The grammar is that of nfs-utils (`support/nfs/exports.c`, `support/nfs/xio.c`; the same in 2.6.2 and 2.9.1).

mod client;
mod document;
mod edit;
mod entry;
mod facts;
mod flavour;
mod grant;
mod lexer;
mod lint;
mod options;
mod problem;
mod render;
mod rewrite;
mod table;

pub use client::{Client, Host, Subnet};
pub use document::{Document, Error, Located, Position};
pub use edit::EditError;
pub use entry::{Entry, Given, Naming};
pub use facts::{Facts, FileSystem, NoFacts, Place, Release, ThisMachine};
pub use flavour::{Flavour, Kerberos, Transport};
pub use grant::Grant;
pub use lint::lint;
pub use options::{Access, Locations, Mountpoint, OptionPath, Options, Reexport, Security, Uuid};
pub use problem::{Problem, Reach};
pub use rewrite::{Change, Safe, rewrite};
pub use table::{File, ReadError, Table, by_version, is_drop_in};
