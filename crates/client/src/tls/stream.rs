//! The encrypted stream, whose errors say what the peer objects to.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client;

use super::{TlsOptions, failure};
use crate::connector::BoxedStream;

/// The most that one record holds (RFC 8446, 5.1).
const RECORD: usize = 1 << 14;

/// A stream after its handshake.
pub(super) struct TlsStream {
    inner: client::TlsStream<BoxedStream>,
    has_identity: bool,
}

impl TlsStream {
    /// Shakes hands over `stream` with a server that must prove to be `name`.
    pub(super) async fn open(
        stream: BoxedStream,
        name: ServerName<'static>,
        options: &TlsOptions,
    ) -> io::Result<Self> {
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&options.config));
        match connector.connect(name, stream).await {
            Ok(inner) => Ok(Self { inner, has_identity: options.has_identity }),
            Err(error) => Err(failure::in_handshake(error, options.has_identity)),
        }
    }

    fn explain(&self, error: io::Error) -> io::Error {
        failure::afterwards(error, self.has_identity)
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.inner).poll_read(task, buffer)) {
            // A stream cut off without TLS' own farewell, as when the server was killed. Each reply tells its length,
            // so what is missing is noticed without it.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            outcome => Poll::Ready(outcome.map_err(|error| self.explain(error))),
        }
    }
}

impl AsyncWrite for TlsStream {
    /// Takes one record at a time. When several are written at once and the last fails, the error hides that the first
    /// have left, and commands that were executed would pass for not sent. Of a record that has not left whole, the
    /// server can read nothing.
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let record = bytes.get(..RECORD).unwrap_or(bytes);
        let outcome = ready!(Pin::new(&mut self.inner).poll_write(task, record));
        Poll::Ready(outcome.map_err(|error| self.explain(error)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = ready!(Pin::new(&mut self.inner).poll_flush(task));
        Poll::Ready(outcome.map_err(|error| self.explain(error)))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = ready!(Pin::new(&mut self.inner).poll_shutdown(task));
        Poll::Ready(outcome.map_err(|error| self.explain(error)))
    }
}
