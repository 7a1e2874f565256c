//! Encrypted connections: a [`TlsConnector`] around whatever opens the stream, with the CAs it trusts and the client's
//! own certificate in [`TlsOptions`].
//!
//! TLS 1.2 and 1.3. Only the given CAs count, not those of the system. Sessions are not resumed, so each connection
//! checks the certificate anew.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{fs, time::Duration};
//! use secrecy::SecretString;
//! use slotwright_client::{ConnectOptions, Connection, Deadline, TcpConnector, TlsConnector, TlsOptions};
//!
//! let key: SecretString = fs::read_to_string("client.key")?.into();
//! let options = TlsOptions::from_pem(&fs::read("ca.crt")?, Some((&fs::read("client.crt")?, &key)))?;
//! let connector = TlsConnector::new(TcpConnector, options);
//! let deadline = Deadline::within(Duration::from_secs(2));
//! let endpoint = "redis-1.example:6379".parse()?;
//! let mut connection = Connection::open(&connector, &endpoint, &ConnectOptions::default(), deadline).await?;
//! connection.admin(deadline).ping().await?;
//! # Ok(())
//! # }
//! ```

mod failure;
mod options;
mod stream;

use std::io;

use rustls::pki_types::ServerName;
use slotwright_cluster::{Endpoint, Host};

pub use options::{PemFault, TlsError, TlsOptions};

use crate::connector::{BoxedStream, Connecting, Connector, Ending};
use stream::TlsStream;

/// TLS over the streams of another connector.
///
/// The server's certificate must be valid for one name: the fixed one ([`TlsConnector::server_name`]), else the
/// hostname the node announces, else the host of the endpoint, which may be an IP address. That name is also what the
/// server is told (SNI), unless it is an address.
///
/// The handshake is part of [`Connector::connect`], so it is under the same deadline. One failure shows later: in TLS
/// 1.3 a server judges the client's certificate, or its absence, after the client is done, and the refusal arrives
/// with the first reply, in the greeting of [`Connection::open`](crate::Connection::open).
///
/// ```
/// use slotwright_client::{TcpConnector, TlsConnector, TlsOptions};
///
/// /// For nodes behind one forwarded port: the certificate names the service, not the address dialled.
/// fn forwarded(options: TlsOptions) -> Result<TlsConnector<TcpConnector>, slotwright_client::TlsError> {
///     TlsConnector::new(TcpConnector, options).server_name("redis.prod.svc")
/// }
/// ```
#[derive(Debug, Clone)]
pub struct TlsConnector<C> {
    inner: C,
    options: TlsOptions,
    fixed: Option<ServerName<'static>>,
}

impl<C> TlsConnector<C> {
    /// TLS as `options` say over the streams of `inner`.
    pub fn new(inner: C, options: TlsOptions) -> Self {
        Self { inner, options, fixed: None }
    }

    /// Expects certificates to be valid for `name`, a DNS name or an IP address, whatever the endpoint says.
    ///
    /// # Errors
    /// [`TlsError::Name`] when it is neither.
    pub fn server_name(self, name: &str) -> Result<Self, TlsError> {
        let fixed = ServerName::try_from(name).map_err(|_| TlsError::Name(name.into()))?.to_owned();
        Ok(Self { fixed: Some(fixed), ..self })
    }

    /// The name the certificate at `endpoint` must be valid for.
    fn name_of(&self, endpoint: &Endpoint) -> io::Result<ServerName<'static>> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let invalid = |name: &str| {
            let reason = format!(
                "the server's certificate cannot be checked: `{name}` is neither a DNS name nor an address; give the \
                 server name to expect"
            );
            io::Error::new(io::ErrorKind::InvalidInput, reason)
        };
        let name = match (&endpoint.hostname, &endpoint.host) {
            (Some(name), _) | (None, Host::Name(name)) => name,
            (None, Host::Ip(ip)) => return Ok(ServerName::from(*ip)),
            (None, Host::Unknown) => return Err(invalid("?")),
        };
        Ok(ServerName::try_from(name.as_ref()).map_err(|_| invalid(name))?.to_owned())
    }
}

impl<C: Connector> Connector for TlsConnector<C> {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        Box::pin(async move {
            let name = self.name_of(endpoint)?;
            let stream = self.inner.connect(endpoint).await?;
            Ok(Box::new(TlsStream::open(stream, name, &self.options).await?) as BoxedStream)
        })
    }

    /// Redis takes a handshake on a port without TLS for the beginning of a line, and waits for the rest.
    fn hint(&self, ending: Ending) -> Option<&'static str> {
        match ending {
            Ending::Silence => Some(
                "a port without TLS may keep silent like that: see whether it is the server's `tls-port`",
            ),
            Ending::HangUp => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TcpConnector;

    fn connector() -> TlsConnector<TcpConnector> {
        TlsConnector::new(TcpConnector, options::untrusting())
    }

    #[test]
    fn the_name_is_the_fixed_one_else_the_announced_one_else_the_host() {
        let plain = connector();
        let fixed = connector().server_name("fixed.example").unwrap();
        let cases = [
            ("10.0.0.7:6379@16379,node.example", "node.example", "fixed.example"),
            ("10.0.0.7:6379@16379", "10.0.0.7", "fixed.example"),
            ("fd00::7:6379@16379", "fd00::7", "fixed.example"),
            ("host.example:6379@16379", "host.example", "fixed.example"),
            (":6379@16379,node.example", "node.example", "fixed.example"),
        ];
        for (field, name, with_fixed) in cases {
            let endpoint = Endpoint::from_cluster_nodes(field).unwrap();
            assert_eq!(plain.name_of(&endpoint).unwrap().to_str(), name);
            assert_eq!(fixed.name_of(&endpoint).unwrap().to_str(), with_fixed);
        }
    }

    #[test]
    fn a_name_that_no_certificate_can_carry_is_refused() {
        for name in ["", "two words", "a..b", "redis.example:6379"] {
            let error = connector().server_name(name).unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{name}` cannot be the name")), "{error}");
        }
        let nowhere = Endpoint::from_cluster_nodes(":6379@16379").unwrap();
        let error = connector().name_of(&nowhere).unwrap_err().to_string();
        assert!(error.contains("`?` is neither"), "{error}");
    }
}
