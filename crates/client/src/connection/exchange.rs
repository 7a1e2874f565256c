//! Commands out and their replies in, side by side, and what state a connection is left in when that breaks off.

use std::{
    future::{Future, poll_fn},
    io,
    pin::Pin,
    task::{Context as TaskContext, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::Connection;
use crate::{
    Command, Deadline, Error, Value,
    error::{Interruption, NotSent},
    resp::{Decoder, FrameError},
};

/// Commands are encoded up to this many bytes ahead of the stream.
const ENCODE_AHEAD: usize = 64 << 10;
/// After a larger exchange the buffer for encoding is given back.
const KEEP_AT_MOST: usize = 1 << 20;
/// Reads made before a command is sent, to notice what an idle connection has received.
const IDLE_READS: usize = 16;

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Flight {
    label: Box<str>,
    /// Bytes the stream has taken.
    pub(super) written: usize,
}

/// One pass over a pipeline.
struct Exchange<'c> {
    commands: &'c [Command],
    /// Commands encoded so far.
    encoded: usize,
    flushed: bool,
    replies: Vec<Value>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Sends `commands` and gives as many replies, error replies among them.
    pub(super) async fn exchange(
        &mut self,
        commands: &[Command],
        deadline: Deadline,
    ) -> Result<Vec<Value>, Error> {
        let Some(first) = commands.first() else {
            return Ok(Vec::new());
        };
        let label: Box<str> = match commands.len() {
            1 => first.label().into(),
            more => format!("{} and {} more", first.label(), more - 1).into(),
        };
        if let Err(cause) = self.make_ready(commands, deadline).await {
            return Err(Error::NotSent { context: self.context(label), cause });
        }
        self.flight = Some(Flight { label: label.clone(), written: 0 });
        let mut exchange = Exchange { commands, encoded: 0, flushed: false, replies: Vec::new() };
        let outcome = deadline.run(poll_fn(|task| self.poll_exchange(&mut exchange, task))).await;
        let cause = match outcome {
            Ok(Ok(())) => {
                if self.flight.take().is_some_and(|flight| flight.written > KEEP_AT_MOST) {
                    self.outgoing = BytesMut::new();
                }
                return Ok(exchange.replies);
            }
            Ok(Err(cause)) => cause,
            Err(_) => Interruption::Deadline,
        };
        let written = self.flight.take().map_or(0, |flight| flight.written);
        let context = self.context(label);
        if written == 0 && matches!(cause, Interruption::Deadline) {
            // The stream took nothing, so there is nothing to be out of step with.
            self.outgoing.clear();
            return Err(Error::NotSent { context, cause: NotSent::Deadline });
        }
        self.fault = Some(format!("{} broke off ({cause})", context.command).into());
        if written > 0 {
            let (answered, of) = (exchange.replies.len(), commands.len());
            return Err(Error::MaybeExecuted { context, cause, answered, of });
        }
        let cause = match (cause, exchange.replies.pop()) {
            (_, Some(Value::Error(error))) => NotSent::Unsolicited(error),
            (Interruption::Deadline, _) => NotSent::Deadline,
            (Interruption::Closed, _) => NotSent::Closed,
            (Interruption::Io(error), _) => NotSent::Io(error),
            (Interruption::Protocol(error), _) => {
                NotSent::Unusable(format!("its bytes cannot be read ({error})").into())
            }
        };
        Err(Error::NotSent { context, cause })
    }

    /// Makes sure that the next reply read will be the reply to the next command.
    async fn make_ready(&mut self, commands: &[Command], deadline: Deadline) -> Result<(), NotSent> {
        if commands.iter().any(Command::is_unsuitable) {
            return Err(NotSent::Unsuitable);
        }
        if let Some(flight) = self.flight.take() {
            // The future of an earlier exchange was dropped. If the stream had taken nothing, nothing happened.
            self.outgoing.clear();
            if flight.written > 0 {
                self.fault = Some(format!("{} was abandoned before its reply", flight.label).into());
            }
        }
        if let Some(fault) = &self.fault {
            return Err(NotSent::Unusable(fault.clone()));
        }
        if deadline.has_passed() {
            return Err(NotSent::Deadline);
        }
        poll_fn(|task| Poll::Ready(self.poll_idle(task))).await
    }

    /// Takes what has arrived since the last reply: pushes, or the end of the stream, which makes it certain that a
    /// command was not sent where writing into a dead connection would leave that open.
    fn poll_idle(&mut self, task: &mut TaskContext<'_>) -> Result<(), NotSent> {
        for _ in 0..IDLE_READS {
            let (more, end) = match poll_read(&mut self.stream, &mut self.decoder, task) {
                Poll::Pending => (false, None),
                Poll::Ready(Ok(0)) => (false, Some(NotSent::Closed)),
                Poll::Ready(Ok(_)) => (true, None),
                Poll::Ready(Err(error)) => (false, Some(NotSent::Io(error))),
            };
            loop {
                match self.decoder.next_value() {
                    Ok(None) => break,
                    Ok(Some(Value::Push(items))) => self.set_aside(Value::Push(items)),
                    Ok(Some(Value::Error(error))) => {
                        self.fault =
                            Some(format!("the server sent an error of its own accord ({error})").into());
                        return Err(NotSent::Unsolicited(error));
                    }
                    Ok(Some(_)) => return Err(self.broken("the server sent a reply nobody waits for".into())),
                    Err(error) => {
                        return Err(self.broken(format!("its bytes cannot be read ({error})").into()));
                    }
                }
            }
            if let Some(end) = end {
                self.fault = Some("the server closed it".into());
                return Err(end);
            }
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn broken(&mut self, fault: Box<str>) -> NotSent {
        self.fault = Some(fault.clone());
        NotSent::Unusable(fault)
    }

    /// Writes and reads whatever can be, until every reply has arrived.
    fn poll_exchange(
        &mut self,
        exchange: &mut Exchange<'_>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Result<(), Interruption>> {
        loop {
            let wrote = match self.poll_write(exchange, task) {
                Poll::Ready(Ok(done)) => !done,
                Poll::Ready(Err(error)) => {
                    // A server that refuses says why before it closes: what it said is worth more than "broken pipe".
                    return Poll::Ready(self.drain(exchange, error, task));
                }
                Poll::Pending => false,
            };
            let read = match poll_read(&mut self.stream, &mut self.decoder, task) {
                Poll::Ready(Ok(0)) => {
                    self.take_replies(exchange).map_err(Interruption::Protocol)?;
                    let answered = exchange.is_answered() && self.has_written();
                    return Poll::Ready(if answered { Ok(()) } else { Err(Interruption::Closed) });
                }
                Poll::Ready(Ok(_)) => true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Interruption::Io(error))),
                Poll::Pending => false,
            };
            if read {
                self.take_replies(exchange).map_err(Interruption::Protocol)?;
            }
            if exchange.is_answered() {
                if !self.has_written() {
                    // What came cannot be an answer.
                    return Poll::Ready(Err(Interruption::Closed));
                }
                if !self.outgoing.is_empty() || exchange.encoded < exchange.commands.len() {
                    // The server answered what it had not read: it will not read the rest either.
                    self.fault = Some("the server answered before a command was complete".into());
                }
                return Poll::Ready(Ok(()));
            }
            if !wrote && !read {
                return Poll::Pending;
            }
        }
    }

    /// True when everything is written and flushed, false when some progress was made.
    fn poll_write(
        &mut self,
        exchange: &mut Exchange<'_>,
        task: &mut TaskContext<'_>,
    ) -> Poll<io::Result<bool>> {
        while self.outgoing.len() < ENCODE_AHEAD {
            let Some(command) = exchange.commands.get(exchange.encoded) else {
                break;
            };
            command.encode(&mut self.outgoing);
            exchange.encoded += 1;
        }
        if self.outgoing.is_empty() {
            if !exchange.flushed {
                ready!(Pin::new(&mut self.stream).poll_flush(task))?;
                exchange.flushed = true;
            }
            return Poll::Ready(Ok(true));
        }
        match ready!(Pin::new(&mut self.stream).poll_write(task, &self.outgoing))? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            count => {
                self.outgoing.advance(count);
                if let Some(flight) = &mut self.flight {
                    flight.written += count;
                }
                Poll::Ready(Ok(false))
            }
        }
    }

    /// After a failed write: reads what is there, and succeeds if that is every reply.
    fn drain(
        &mut self,
        exchange: &mut Exchange<'_>,
        error: io::Error,
        task: &mut TaskContext<'_>,
    ) -> Result<(), Interruption> {
        loop {
            match poll_read(&mut self.stream, &mut self.decoder, task) {
                Poll::Ready(Ok(1..)) => self.take_replies(exchange).map_err(Interruption::Protocol)?,
                // With TLS the refusal is not among the replies.
                Poll::Ready(Err(refusal)) if refusal.kind() == io::ErrorKind::InvalidData => {
                    return Err(Interruption::Io(refusal));
                }
                _ => break,
            }
            if exchange.is_answered() {
                break;
            }
        }
        if self.has_written() && exchange.is_answered() {
            self.fault = Some(format!("writing to it failed ({error})").into());
            return Ok(());
        }
        Err(Interruption::Io(error))
    }

    fn has_written(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.written > 0)
    }

    fn take_replies(&mut self, exchange: &mut Exchange<'_>) -> Result<(), FrameError> {
        while !exchange.is_answered() {
            match self.decoder.next_value()? {
                None => break,
                Some(Value::Push(items)) => self.set_aside(Value::Push(items)),
                Some(reply) => exchange.replies.push(reply),
            }
        }
        Ok(())
    }

    fn set_aside(&mut self, push: Value) {
        if self.pushes.len() >= self.max_pushes {
            self.pushes_dropped += 1;
            if self.pushes.pop_front().is_none() {
                return;
            }
        }
        self.pushes.push_back(push);
    }
}

impl Exchange<'_> {
    fn is_answered(&self) -> bool {
        self.replies.len() == self.commands.len()
    }
}

/// Reads once into the decoder. The number of bytes, 0 at the end of the stream.
fn poll_read<S: AsyncRead + Unpin>(
    stream: &mut S,
    decoder: &mut Decoder,
    task: &mut TaskContext<'_>,
) -> Poll<io::Result<usize>> {
    // Reading into a buffer may be given up at any time without losing bytes, so each poll can start it anew.
    std::pin::pin!(stream.read_buf(decoder.read_buffer())).poll(task)
}
