//! From an endpoint to a stream of bytes: TCP, a Unix socket, or whatever a caller supplies.
//!
//! Everything a connection sends and receives goes through the stream a [`Connector`] gives, so port-forwards, TLS
//! and injected faults are connectors and nothing else changes.

use std::{future::Future, io, pin::Pin, sync::Arc};

use slotwright_cluster::Endpoint;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A stream of bytes in both directions. Implemented for everything that qualifies.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream whose kind is known only at run time.
pub type BoxedStream = Box<dyn Stream>;

/// The future of [`Connector::connect`].
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<BoxedStream>> + Send + 'a>>;

/// How a server ended an attempt to connect without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// It kept silent until the deadline passed, and there is no stream yet.
    Silence,
    /// It closed the stream before it answered the greeting.
    HangUp,
}

/// Knows how to reach endpoints.
///
/// An implementation need not limit its own time: it runs under the caller's deadline and is dropped when that
/// passes.
///
/// ```
/// use slotwright_client::connector::{Connecting, Connector, TcpConnector};
/// use slotwright_cluster::Endpoint;
///
/// /// Reaches every node through one forwarded port.
/// struct Forwarded(Endpoint);
///
/// impl Connector for Forwarded {
///     fn connect<'a>(&'a self, _: &'a Endpoint) -> Connecting<'a> {
///         TcpConnector.connect(&self.0)
///     }
/// }
/// ```
pub trait Connector: Send + Sync {
    /// Opens a stream to `endpoint`.
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a>;

    /// What may be amiss when nothing usable comes of connecting this way, and what to do next; it completes a sentence
    /// that says what happened. None by default.
    fn hint(&self, _ending: Ending) -> Option<&'static str> {
        None
    }
}

impl<C: Connector + ?Sized> Connector for &C {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        (**self).connect(endpoint)
    }

    fn hint(&self, ending: Ending) -> Option<&'static str> {
        (**self).hint(ending)
    }
}

impl<C: Connector + ?Sized> Connector for Arc<C> {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        (**self).connect(endpoint)
    }

    fn hint(&self, ending: Ending) -> Option<&'static str> {
        (**self).hint(ending)
    }
}

impl<C: Connector + ?Sized> Connector for Box<C> {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        (**self).connect(endpoint)
    }

    fn hint(&self, ending: Ending) -> Option<&'static str> {
        (**self).hint(ending)
    }
}

/// TCP to the endpoint's client port, without Nagle's delay. A name is resolved each time and its addresses are
/// tried in turn.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpConnector;

impl Connector for TcpConnector {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        Box::pin(async move {
            let Some((host, port)) = endpoint.dial() else {
                let reason = "the endpoint has no address, or port 0";
                return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, reason));
            };
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedStream)
        })
    }

    fn hint(&self, ending: Ending) -> Option<&'static str> {
        match ending {
            Ending::Silence => None,
            Ending::HangUp => Some(
                "a port for TLS ends other connections like that: see whether it is the server's `tls-port`",
            ),
        }
    }
}

/// One Unix socket (`unixsocket` in redis.conf), whatever the endpoint says.
#[cfg(unix)]
#[derive(Debug, Clone)]
pub struct UnixConnector {
    /// The path of the socket; the system allows some hundred bytes.
    pub path: std::path::PathBuf,
}

#[cfg(unix)]
impl UnixConnector {
    /// A connector to the socket at `path`.
    pub fn new(path: impl Into<std::path::PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

#[cfg(unix)]
impl Connector for UnixConnector {
    fn connect<'a>(&'a self, _endpoint: &'a Endpoint) -> Connecting<'a> {
        Box::pin(async move {
            let stream = tokio::net::UnixStream::connect(&self.path)
                .await
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))?;
            Ok(Box::new(stream) as BoxedStream)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::{Certainty, ConnectOptions, Connection, Deadline, Error, error::NotSent};

    async fn open(connector: &dyn Connector, endpoint: &Endpoint) -> Error {
        let deadline = Deadline::within(Duration::from_secs(5));
        Connection::open(connector, endpoint, &ConnectOptions::default(), deadline).await.unwrap_err()
    }

    #[tokio::test]
    async fn an_endpoint_without_address_is_not_dialled() {
        let endpoint = Endpoint::from_cluster_nodes(":0@0").unwrap();
        let error = open(&TcpConnector, &endpoint).await;
        assert!(matches!(&error, Error::NotSent { cause: NotSent::Connect(_), .. }), "{error}");
        assert!(error.to_string().ends_with("the endpoint has no address, or port 0"), "{error}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_missing_socket_is_named() {
        let connector: Arc<dyn Connector> = Arc::new(UnixConnector::new("/nonexistent/redis.sock"));
        let error = open(&connector, &"127.0.0.1:7000".parse().unwrap()).await;
        assert_eq!(error.certainty(), Certainty::NotSent);
        assert!(error.to_string().contains("/nonexistent/redis.sock: "), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn connecting_is_under_the_deadline() {
        struct Never;
        impl Connector for Never {
            fn connect<'a>(&'a self, _: &'a Endpoint) -> Connecting<'a> {
                Box::pin(std::future::pending())
            }
        }
        let error = open(&Never, &"127.0.0.1:7000".parse().unwrap()).await;
        assert!(error.is_deadline() && error.certainty() == Certainty::NotSent, "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_ending_may_mean_is_told() {
        struct Ended(bool);
        impl Connector for Ended {
            fn connect<'a>(&'a self, _: &'a Endpoint) -> Connecting<'a> {
                if self.0 {
                    let (ours, mut theirs) = tokio::io::duplex(1024);
                    tokio::spawn(async move { theirs.read_u8().await });
                    return Box::pin(async { Ok(Box::new(ours) as BoxedStream) });
                }
                Box::pin(std::future::pending())
            }

            fn hint(&self, ending: Ending) -> Option<&'static str> {
                Some(if ending == Ending::Silence { "call louder" } else { "call later" })
            }
        }
        let silent = open(&Arc::new(Ended(false)), &"127.0.0.1:7000".parse().unwrap()).await;
        assert!(silent.is_deadline() && silent.certainty() == Certainty::NotSent, "{silent}");
        assert!(silent.to_string().ends_with("before anything was sent; call louder"), "{silent}");
        let hung_up = open(&Ended(true), &"127.0.0.1:7000".parse().unwrap()).await;
        assert!(!hung_up.is_deadline() && hung_up.certainty() == Certainty::NotSent, "{hung_up}");
        assert!(hung_up.to_string().ends_with("; call later"), "{hung_up}");
    }
}
