//! One connection: opened, greeted, authenticated, then used by one caller at a time.
//!
//! Owns the order of replies and the state the connection is in. Which node to ask, redirects and retries belong to
//! what is built on top.

mod exchange;
mod handshake;
mod options;

use std::{collections::VecDeque, fmt, sync::Arc};

use bytes::BytesMut;
use slotwright_cluster::Endpoint;
use tokio::io::{AsyncRead, AsyncWrite};

pub use handshake::Greeting;
pub use options::{ConnectOptions, Protocol, ProtocolPreference};

use crate::{
    Command, Deadline, Error, Value,
    connector::{BoxedStream, Connector, Ending},
    error::{AuthenticationError, Context, NotSent, ServerError},
    resp::Decoder,
};
use exchange::Flight;

/// One connection to one server.
///
/// A call that fails halfway, times out or is dropped leaves a reply on its way that nobody waits for. The connection
/// then refuses every further call ([`NotSent::Unusable`]) rather than hand one command's reply to another; open a new
/// one.
///
/// Pushes (RESP3) that arrive between replies are set aside, see [`Connection::take_push`].
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use slotwright_client::{Command, ConnectOptions, Connection, Credentials, Deadline, TcpConnector};
///
/// let deadline = Deadline::within(Duration::from_secs(2));
/// let options = ConnectOptions::default().credentials(Credentials::password("hunter2"));
/// let endpoint = "127.0.0.1:7000".parse()?;
/// let mut connection = Connection::open(&TcpConnector, &endpoint, &options, deadline).await?;
/// let reply = connection.call(&Command::new("INCR").arg("visits"), deadline).await?;
/// println!("{}", reply.as_int()?);
/// # Ok(())
/// # }
/// ```
pub struct Connection<S = BoxedStream> {
    stream: S,
    decoder: Decoder,
    outgoing: BytesMut,
    /// What is under way, or was when a call's future was dropped.
    flight: Option<Flight>,
    /// Why the connection cannot be used any more.
    fault: Option<Box<str>>,
    pushes: VecDeque<Value>,
    pushes_dropped: u64,
    max_pushes: usize,
    peer: Arc<str>,
    protocol: Protocol,
    greeting: Option<Greeting>,
}

impl Connection<BoxedStream> {
    /// Connects to `endpoint`, greets the server and authenticates, all before `deadline`.
    ///
    /// # Errors
    /// [`Error::NotSent`] when no connection came about or the handshake broke off, [`Error::Authentication`] when
    /// the server did not accept the credentials or their absence, [`Error::Rejected`] when it refused for another
    /// reason (too many clients, say). None of them leaves anything changed on the server.
    pub async fn open<C: Connector + ?Sized>(
        connector: &C,
        endpoint: &Endpoint,
        options: &ConnectOptions,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        let peer: Arc<str> = endpoint.to_string().into();
        let failed = |cause| Error::NotSent {
            context: Context { command: "connecting".into(), peer: Arc::clone(&peer) },
            cause,
        };
        let stream = match deadline.run(connector.connect(endpoint)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(failed(NotSent::Connect(error))),
            Err(_) => {
                let hint = connector.hint(Ending::Silence);
                return Err(failed(hint.map_or(NotSent::Deadline, NotSent::Unanswered)));
            }
        };
        Self::begin(stream, peer, options, deadline).await.map_err(|error| match error {
            Error::NotSent { context, cause: NotSent::Handshake(cause) } if cause.is_end() => {
                let cause = match connector.hint(Ending::HangUp) {
                    Some(hint) => NotSent::HungUp(cause, hint),
                    None => NotSent::Handshake(cause),
                };
                Error::NotSent { context, cause }
            }
            other => other,
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Greets and authenticates over a stream that is already connected. `peer` names it in errors.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub async fn over(
        stream: S,
        peer: &str,
        options: &ConnectOptions,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        Self::begin(stream, peer.into(), options, deadline).await
    }

    async fn begin(
        stream: S,
        peer: Arc<str>,
        options: &ConnectOptions,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        let mut connection = Self {
            stream,
            decoder: Decoder::new(options.limits),
            outgoing: BytesMut::new(),
            flight: None,
            fault: None,
            pushes: VecDeque::new(),
            pushes_dropped: 0,
            max_pushes: options.max_pushes,
            peer,
            protocol: Protocol::Resp2,
            greeting: None,
        };
        connection.handshake(options, deadline).await?;
        Ok(connection)
    }

    /// Sends one command and waits for its reply.
    ///
    /// # Errors
    /// [`Error::certainty`] tells whether the command was executed. An error reply is [`Error::Rejected`], or
    /// [`Error::Authentication`] when the server wants a password first.
    pub async fn call(&mut self, command: &Command, deadline: Deadline) -> Result<Value, Error> {
        let mut replies = self.exchange(std::slice::from_ref(command), deadline).await?;
        match replies.pop().unwrap_or(Value::Nil) {
            Value::Error(error) => Err(self.rejection(command, error)),
            value => Ok(value),
        }
    }

    /// Sends commands without waiting in between; the replies come in their order. Writing and reading go on side by
    /// side, so a pipeline may be longer than what the sockets hold.
    ///
    /// The commands are not a transaction: other clients' commands may be executed between them, and an error reply
    /// to one does not stop the others.
    ///
    /// # Errors
    /// When not every reply arrived. If anything was sent, any of the commands may have been executed; the error tells
    /// how many replies came, and those commands were executed, or refused, for certain.
    pub async fn pipeline(
        &mut self,
        commands: &[Command],
        deadline: Deadline,
    ) -> Result<Vec<Result<Value, ServerError>>, Error> {
        let replies = self.exchange(commands, deadline).await?;
        let outcome = |(value, command): (Value, &Command)| match value {
            Value::Error(error) if command.is_secret() => Err(error.withheld()),
            Value::Error(error) => Err(error),
            value => Ok(value),
        };
        Ok(replies.into_iter().zip(commands).map(outcome).collect())
    }

    /// The oldest push that was set aside. Kept are the newest [`ConnectOptions::max_pushes`].
    pub fn take_push(&mut self) -> Option<Value> {
        self.pushes.pop_front()
    }

    /// How many pushes were dropped because too many were set aside.
    pub fn pushes_dropped(&self) -> u64 {
        self.pushes_dropped
    }

    /// The endpoint, as errors name it.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// The protocol that was agreed upon.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What the server said of itself, when the protocol is RESP3.
    pub fn greeting(&self) -> Option<&Greeting> {
        self.greeting.as_ref()
    }

    /// False once a call broke off: the connection then refuses every further one. True is no promise that the server
    /// is still there.
    pub fn is_usable(&self) -> bool {
        self.fault.is_none() && self.flight.as_ref().is_none_or(|flight| flight.written == 0)
    }

    /// The stream, without whatever was read and not yet consumed.
    pub fn into_stream(self) -> S {
        self.stream
    }

    pub(crate) fn peer_shared(&self) -> Arc<str> {
        Arc::clone(&self.peer)
    }

    fn context(&self, command: impl Into<Box<str>>) -> Context {
        Context { command: command.into(), peer: Arc::clone(&self.peer) }
    }

    fn rejection(&self, command: &Command, error: ServerError) -> Error {
        let context = self.context(command.label());
        match AuthenticationError::from_reply(&error) {
            Some(cause) => Error::Authentication { context, cause },
            None if command.is_secret() => Error::Rejected { context, error: error.withheld() },
            None => Error::Rejected { context, error },
        }
    }
}

impl<S> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .field("protocol", &self.protocol)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
