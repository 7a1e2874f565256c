//! One connection to a port of a pod, through the API server and the kubelet.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Portforwarder};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::Sleep;

use super::error::chain;
use super::{Applier, Error};

/// How long after the last byte from the pod it is waited for why that was the last.
const LAST_WORDS: Duration = Duration::from_millis(100);

impl Applier {
    /// Opens a connection to a port of a pod. It takes the permission to `create` `pods/portforward`.
    ///
    /// Whether anything listens there is known only later: a read fails then, with the kubelet's words.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// let applier = slotwright_kube::apply::Applier::connect(None, "slotwright", Default::default()).await?;
    /// let mut stream = applier.forward("shop", "sessions-0", 6379).await?;
    /// stream.write_all(b"PING\r\n").await?;
    /// let mut answer = [0; 7];
    /// stream.read_exact(&mut answer).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of the request: no such pod, one that does not run, no permission.
    pub async fn forward(&self, namespace: &str, pod: &str, port: u16) -> Result<Forward, Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let place = format!("Pod {namespace}/{pod} port {port}");
        let what = format!("forward to {place}");
        let mut forwarder = self.ask(&what, &place, api.portforward(pod, &[port])).await?;
        let refusal = forwarder.take_error(port).map(FutureExt::boxed);
        match forwarder.take_stream(port) {
            Some(stream) => {
                Ok(Forward { what, stream, forwarder: Some(forwarder), refusal, failure: None, pause: None })
            }
            None => Err(Error::Unreachable { object: place, why: "no stream was opened".to_owned() }),
        }
    }
}

/// A connection to a port of a pod. Dropped, it ends.
pub struct Forward {
    /// For errors: `forward to Pod shop/sessions-0 port 6379`.
    what: String,
    stream: DuplexStream,
    /// The task that carries it.
    forwarder: Option<Portforwarder>,
    /// What the kubelet says when the port cannot be used (any more); nothing when the task ends.
    refusal: Option<BoxFuture<'static, Option<String>>>,
    /// Why the task ended.
    failure: Option<BoxFuture<'static, Option<String>>>,
    /// Until a plain end is believed.
    pause: Option<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward").field("what", &self.what).finish_non_exhaustive()
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        if let Some(forwarder) = &self.forwarder {
            forwarder.abort();
        }
    }
}

impl Forward {
    /// After the last byte: why it was the last. Nothing when the other side has ended it in the plain way.
    fn poll_why(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Error>> {
        if let Some(refusal) = &mut self.refusal {
            match refusal.poll_unpin(context) {
                Poll::Ready(Some(words)) => {
                    self.refusal = None;
                    return Poll::Ready(Some(self.error(&words)));
                }
                Poll::Ready(None) => {
                    self.refusal = None;
                    // The task outlives the stream, unless it fails.
                    self.failure = self
                        .forwarder
                        .take()
                        .map(|task| task.join().map(|ended| ended.err().map(|error| chain(&error))).boxed());
                }
                Poll::Pending => {
                    let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(LAST_WORDS)));
                    ready!(pause.poll_unpin(context));
                    return Poll::Ready(None);
                }
            }
        }
        let Some(failure) = &mut self.failure else { return Poll::Ready(None) };
        let words = ready!(failure.poll_unpin(context));
        self.failure = None;
        Poll::Ready(words.map(|words| self.error(&words)))
    }

    fn error(&self, words: &str) -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionAborted, format!("{}: {}", self.what, words.trim()))
    }

    /// A failure to write tells less than why the connection ended.
    fn explained<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match ready!(written) {
            Err(error) => Poll::Ready(Err(ready!(self.poll_why(context)).unwrap_or(error))),
            written => Poll::Ready(written),
        }
    }
}

impl AsyncRead for Forward {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(ready!(self.poll_why(context)).map_or(Ok(()), Err))
    }
}

impl AsyncWrite for Forward {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.explained(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.explained(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
