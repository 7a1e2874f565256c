//! How to open a connection.

use std::fmt;

use crate::{Credentials, resp::Limits};

/// The protocol a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RESP2, which every server speaks.
    Resp2,
    /// RESP3 (Redis 6.0 and later, every Valkey): typed replies and pushes.
    Resp3,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resp2 => "RESP2",
            Self::Resp3 => "RESP3",
        })
    }
}

/// Which protocols a connection may speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ProtocolPreference {
    /// RESP3 if the server knows it, else RESP2.
    #[default]
    NewestKnown,
    /// RESP2, without asking.
    Resp2,
    /// RESP3 or no connection.
    Resp3,
}

/// How to open a connection. The default: no credentials, RESP3 if the server knows it, the default [`Limits`].
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Who the client is.
    pub credentials: Option<Credentials>,
    /// Which protocol to speak.
    pub protocol: ProtocolPreference,
    /// Bounds on one reply.
    pub limits: Limits,
    /// How many pushes are kept for [`Connection::take_push`](crate::Connection::take_push) (default 1024); the
    /// oldest are dropped first.
    pub max_pushes: usize,
}

impl ConnectOptions {
    /// The same options with these credentials.
    #[must_use]
    pub fn credentials(mut self, credentials: impl Into<Option<Credentials>>) -> Self {
        self.credentials = credentials.into();
        self
    }

    /// The same options with this protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: ProtocolPreference) -> Self {
        self.protocol = protocol;
        self
    }

    /// The same options with these bounds on a reply.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            credentials: None,
            protocol: ProtocolPreference::default(),
            limits: Limits::default(),
            max_pushes: 1024,
        }
    }
}
