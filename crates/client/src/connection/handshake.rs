//! Greeting and authentication: `HELLO 3`, or `AUTH` in RESP2 where the server knows no better.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{ConnectOptions, Connection, Protocol, ProtocolPreference};
use crate::{
    Command, Credentials, Deadline, Error, Value,
    error::{AuthenticationError, DecodeError, NotSent, ServerError},
};

/// What a server says of itself in its reply to `HELLO`. Texts it leaves out are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Greeting {
    /// The engine: `redis`, or `valkey` where that is not set to pass for Redis.
    pub server: String,
    /// The version; a Valkey that passes for Redis tells the Redis version it is compatible with.
    pub version: String,
    /// `standalone`, `sentinel` or `cluster`.
    pub mode: String,
    /// `master` or `replica`, as on the wire.
    pub role: String,
    /// The number of this connection among the server's clients (`CLIENT ID`).
    pub client_id: i64,
}

impl Greeting {
    fn read(reply: Value) -> Result<Self, DecodeError> {
        let decode = |cause| DecodeError::new("HELLO", cause);
        let mut greeting = Self::default();
        for (key, value) in reply.into_pairs().map_err(decode)? {
            let text = match key.as_str().map_err(decode)? {
                "server" => &mut greeting.server,
                "version" => &mut greeting.version,
                "mode" => &mut greeting.mode,
                "role" => &mut greeting.role,
                "id" => {
                    greeting.client_id = value.as_int().map_err(decode)?;
                    continue;
                }
                _ => continue,
            };
            *text = value.into_string().map_err(decode)?;
        }
        Ok(greeting)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Agrees on a protocol and authenticates. Nothing the caller wants done is sent yet, so whatever breaks off here
    /// counts as not sent.
    pub(super) async fn handshake(
        &mut self,
        options: &ConnectOptions,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let credentials = options.credentials.as_ref();
        if options.protocol != ProtocolPreference::Resp2 {
            let hello = hello(credentials);
            match self.request(&hello, deadline).await? {
                Value::Error(error) if !knows_no_resp3(&error) => {
                    return Err(self.refusal(&hello, error, credentials));
                }
                Value::Error(_) if options.protocol == ProtocolPreference::Resp3 => {
                    return Err(Error::NotSent { context: self.context("HELLO"), cause: NotSent::NoResp3 });
                }
                Value::Error(error) => {
                    tracing::debug!(peer = %self.peer, code = error.code(), "no RESP3 here, going on with RESP2");
                }
                reply => {
                    self.protocol = Protocol::Resp3;
                    self.greeting = Some(Greeting::read(reply).map_err(|cause| self.unexpected(cause))?);
                    return Ok(());
                }
            }
        }
        let Some(credentials) = credentials else {
            return Ok(());
        };
        let auth = Command::new("AUTH").args(&credentials.username).arg(credentials.expose_password());
        match self.request(&auth, deadline).await? {
            Value::Error(error) => Err(self.refusal(&auth, error, Some(credentials))),
            reply => reply.into_ok().map_err(|cause| self.unexpected(DecodeError::new("AUTH", cause))),
        }
    }

    async fn request(&mut self, command: &Command, deadline: Deadline) -> Result<Value, Error> {
        match self.exchange(std::slice::from_ref(command), deadline).await {
            Ok(mut replies) => Ok(replies.pop().unwrap_or(Value::Nil)),
            Err(Error::MaybeExecuted { context, cause, .. }) => {
                Err(Error::NotSent { context, cause: NotSent::Handshake(cause) })
            }
            Err(error) => Err(error),
        }
    }

    fn refusal(&self, command: &Command, error: ServerError, credentials: Option<&Credentials>) -> Error {
        let context = self.context(command.label());
        let cause = match AuthenticationError::from_reply(&error) {
            Some(cause) => cause,
            // Without credentials the text has nothing to repeat.
            None if credentials.is_none() || is_general(&error) => return Error::Rejected { context, error },
            None if is_arity(&error) && credentials.is_some_and(|who| who.username.is_some()) => {
                AuthenticationError::NoUsers
            }
            None => AuthenticationError::Refused,
        };
        Error::Authentication { context, cause }
    }

    pub(crate) fn unexpected(&self, cause: DecodeError) -> Error {
        Error::UnexpectedReply { peer: self.peer_shared(), cause }
    }
}

fn hello(credentials: Option<&Credentials>) -> Command {
    let hello = Command::new("HELLO").arg(3u8);
    match credentials {
        Some(who) => {
            let username = who.username.as_deref().unwrap_or("default");
            hello.arg("AUTH").arg(username).arg(who.expose_password())
        }
        None => hello,
    }
}

/// Servers before 6.0 do not know `HELLO`, others may have it renamed, forbidden, or refuse the version.
fn knows_no_resp3(error: &ServerError) -> bool {
    matches!(error.code(), "NOPROTO" | "NOPERM")
        || (error.code() == "ERR" && error.message().starts_with("unknown command"))
}

fn is_arity(error: &ServerError) -> bool {
    error.message().starts_with("wrong number of arguments")
}

/// Errors any command may get, whose text never repeats an argument.
fn is_general(error: &ServerError) -> bool {
    matches!(error.code(), "DENIED" | "LOADING" | "BUSY" | "MASTERDOWN" | "NOPERM")
        || error.message().starts_with("max number of clients")
}

impl AuthenticationError {
    /// The meaning of an error reply, if it is about who the client is (`server.c`, `acl.c`; the last two texts are
    /// those of servers before 6.0).
    pub(super) fn from_reply(error: &ServerError) -> Option<Self> {
        let text = |start: &str| error.message().starts_with(start);
        match error.code() {
            "NOAUTH" => Some(Self::PasswordNeeded),
            "WRONGPASS" => Some(Self::WrongPassword),
            "ERR" if text("AUTH <password> called without any password configured") => {
                Some(Self::NoPasswordConfigured)
            }
            "ERR" if text("Client sent AUTH, but no password is set") => Some(Self::NoPasswordConfigured),
            "ERR" if text("invalid password") => Some(Self::WrongPassword),
            _ => None,
        }
    }
}
