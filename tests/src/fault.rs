//! A connector whose streams break when the test says so: after so many bytes written or read.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, ready},
};

use slotwright_client::{BoxedStream, Connector, TcpConnector, connector::Connecting};
use slotwright_cluster::Endpoint;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

type Trigger = Box<dyn FnOnce() + Send>;

/// What is going to happen to the streams of a [`Faulty`] connector, counted from when it was asked for.
#[derive(Default)]
struct Orders {
    /// Bytes the stream still takes before it breaks.
    writes: Option<usize>,
    /// Bytes of replies still handed out before the stream ends.
    reads: Option<usize>,
    /// Called once something was read.
    on_read: Option<Trigger>,
    written: usize,
}

/// Connects by TCP; its streams obey orders given later, so that a handshake can pass first.
#[derive(Clone, Default)]
pub struct Faulty(Arc<Mutex<Orders>>);

impl Faulty {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.0.lock().unwrap()
    }

    /// The stream takes `count` more bytes, all of which reach the server, and then it is reset.
    pub fn cut_after_writing(&self, count: usize) {
        self.orders().writes = Some(count);
    }

    /// The stream hands out `count` more bytes, and then it has ended.
    pub fn cut_after_reading(&self, count: usize) {
        self.orders().reads = Some(count);
    }

    /// Calls `trigger` as soon as anything is read.
    pub fn on_read(&self, trigger: impl FnOnce() + Send + 'static) {
        self.orders().on_read = Some(Box::new(trigger));
    }

    /// Bytes taken by all streams together.
    pub fn written(&self) -> usize {
        self.orders().written
    }
}

impl Connector for Faulty {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        Box::pin(async move {
            let stream = TcpConnector.connect(endpoint).await?;
            Ok(Box::new(FaultyStream { stream: Some(stream), faults: self.clone() }) as BoxedStream)
        })
    }
}

struct FaultyStream {
    /// None once the stream is broken: the server sees it closed.
    stream: Option<BoxedStream>,
    faults: Faulty,
}

impl FaultyStream {
    fn broken(&mut self) -> io::Error {
        self.stream = None;
        io::Error::new(io::ErrorKind::ConnectionReset, "cut by the test")
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let left = self.faults.orders().writes.unwrap_or(usize::MAX);
        let data = &data[..data.len().min(left)];
        let taken = match &mut self.stream {
            Some(stream) if !data.is_empty() => ready!(Pin::new(stream).poll_write(task, data))?,
            _ => return Poll::Ready(Err(self.broken())),
        };
        let mut orders = self.faults.orders();
        orders.written += taken;
        if let Some(left) = &mut orders.writes {
            *left -= taken;
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_flush(task),
            None => Poll::Ready(Err(self.broken())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_shutdown(task),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncRead for FaultyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.faults.orders().reads.unwrap_or(usize::MAX);
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        // At least one byte is asked for, to know that the reply has come before the stream ends in front of it.
        let mut part = vec![0; out.remaining().min(left.max(1))];
        let mut part = ReadBuf::new(&mut part);
        ready!(Pin::new(stream).poll_read(task, &mut part))?;
        let read = part.filled().len().min(left);
        out.put_slice(&part.filled()[..read]);
        let mut orders = self.faults.orders();
        if let Some(left) = &mut orders.reads {
            *left -= read;
        }
        let trigger = if read > 0 { orders.on_read.take() } else { None };
        drop(orders);
        if left == 0 {
            self.stream = None;
        }
        if let Some(trigger) = trigger {
            trigger();
        }
        Poll::Ready(Ok(()))
    }
}
