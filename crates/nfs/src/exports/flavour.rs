//! How a client proves who it is, and how its traffic is protected.

use std::{fmt, str::FromStr};

use super::problem::Problem;

/// What Kerberos does for a request (RFC 7530, section 3.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kerberos {
    /// `krb5`: says who asks.
    Authentication,
    /// `krb5i`: and that nobody changed the request.
    Integrity,
    /// `krb5p`: and nobody else can read it.
    Privacy,
}

impl Kerberos {
    /// The name as exports(5) spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authentication => "krb5",
            Self::Integrity => "krb5i",
            Self::Privacy => "krb5p",
        }
    }
}

/// A security flavour, as `sec=` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// `sys` or `unix`: the client is believed. The default.
    Sys,
    /// `none` or `null`: nobody says who asks.
    Anonymous,
    /// `krb5`, `krb5i`, `krb5p`.
    Kerberos(Kerberos),
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sys => "sys",
            Self::Anonymous => "none",
            Self::Kerberos(kerberos) => kerberos.name(),
        })
    }
}

impl FromStr for Flavour {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Ok(match text {
            "sys" | "unix" => Self::Sys,
            "none" | "null" => Self::Anonymous,
            "krb5" => Self::Kerberos(Kerberos::Authentication),
            "krb5i" => Self::Kerberos(Kerberos::Integrity),
            "krb5p" => Self::Kerberos(Kerberos::Privacy),
            _ => return Err(Problem::Flavour { found: text.to_owned() }),
        })
    }
}

/// What protects the connection, as `xprtsec=` names it (nfs-utils 2.6.3; RFC 9289).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `none`: nothing.
    Plain,
    /// `tls`: TLS; only the server shows a certificate.
    Tls,
    /// `mtls`: TLS; both sides show one.
    Mutual,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plain => "none",
            Self::Tls => "tls",
            Self::Mutual => "mtls",
        })
    }
}

impl FromStr for Transport {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Ok(match text {
            "none" => Self::Plain,
            "tls" => Self::Tls,
            "mtls" => Self::Mutual,
            _ => return Err(Problem::Transport { found: text.to_owned() }),
        })
    }
}
