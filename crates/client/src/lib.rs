//! A connection to a Redis or Valkey server, in RESP3 or RESP2, and the administration commands of a cluster, typed.
//!
//! - [`Connection`]: one stream, greeted and authenticated; [`call`](Connection::call) and
//!   [`pipeline`](Connection::pipeline), each under a [`Deadline`] that spans connecting, writing and reading.
//! - [`Admin`]: `CLUSTER NODES`, `MEET`, `SETSLOT`, `FAILOVER`, `CONFIG`, `INFO` and the like as methods with typed
//!   results; [`admin::commands`] and [`admin::decode`] are their two pure halves, for pipelines.
//! - [`Error`]: says of every failure whether the command was not sent, may have been executed or was rejected.
//! - [`Connector`]: how an endpoint becomes a stream; TCP and Unix sockets here, anything else supplied by the caller.
//! - `TlsConnector` (feature `tls`): any of them encrypted, with the CAs to trust and a client certificate.
//! - [`resp`]: the wire format, bounded in depth and size, with work linear in the bytes received.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use slotwright_client::{ConnectOptions, Connection, Deadline, TcpConnector};
//!
//! let deadline = Deadline::within(Duration::from_secs(2));
//! let endpoint = "127.0.0.1:7000".parse()?;
//! let mut connection = Connection::open(&TcpConnector, &endpoint, &ConnectOptions::default(), deadline).await?;
//! for node in connection.admin(deadline).cluster_nodes().await?.entries {
//!     println!("{} at {} owns {} slots", node.id.short(), node.endpoint, node.slots.len());
//! }
//! # Ok(())
//! # }
//! ```

pub mod admin;
mod command;
mod connection;
pub mod connector;
mod deadline;
pub mod error;
pub mod resp;
mod secret;
#[cfg(feature = "tls")]
pub mod tls;
mod value;

pub use admin::Admin;
pub use command::{Argument, Command};
pub use connection::{ConnectOptions, Connection, Greeting, Protocol, ProtocolPreference};
#[cfg(unix)]
pub use connector::UnixConnector;
pub use connector::{BoxedStream, Connector, Stream, TcpConnector};
pub use deadline::{Deadline, Elapsed};
pub use error::{Certainty, Error, ServerError, UnexpectedReply};
pub use secret::Credentials;
#[cfg(feature = "tls")]
pub use tls::{TlsConnector, TlsError, TlsOptions};
pub use value::{Kind, Shape, Value};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
