//! What can go wrong with a command, sorted by what the caller most needs to know: was it executed?
//!
//! The three answers are [`Error::NotSent`] (safe to send again, elsewhere too), [`Error::MaybeExecuted`] (ask the
//! server before repeating anything that is not idempotent) and a refusal by the server ([`Error::Rejected`],
//! [`Error::Authentication`]). [`Error::certainty`] gives the answer as a value.
//!
//! Every message is one line with the command and the endpoint, and already holds its cause: print the error alone,
//! not its chain of sources. Nothing here repeats an argument of a command or the content of a reply, except a
//! server's own error text, and that not where it might repeat a password.

use std::{borrow::Cow, fmt, io, sync::Arc};

use slotwright_cluster::ParseError;

use crate::{resp::FrameError, value::Shape};

/// Was the command executed?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Certainty {
    /// No: not a byte of it left.
    NotSent,
    /// Unknown: it was sent, at least in part, and no usable answer came.
    MaybeExecuted,
    /// No: the server refused it.
    Rejected,
}

/// Where an error happened: a command at a server. Shown as `CLUSTER MEET at 10.0.0.7:6379`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    pub(crate) command: Box<str>,
    pub(crate) peer: Arc<str>,
}

impl Context {
    /// The command's name, with its sub-command where it has one; for a pipeline also how many follow.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// The endpoint, as it was given when the connection was opened.
    pub fn peer(&self) -> &str {
        &self.peer
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.command, self.peer)
    }
}

/// A command, or a pipeline of them, without a usable result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing was sent.
    #[error("{context}: not sent: {cause}")]
    NotSent {
        /// Which command, and where.
        context: Context,
        /// Why not.
        #[source]
        cause: NotSent,
    },
    /// Something was sent, and the answer is missing or unreadable. The connection cannot be used any more.
    #[error("{context}: may have been executed: {cause}{}", Progress(*answered, *of))]
    MaybeExecuted {
        /// Which command, and where.
        context: Context,
        /// What came in between.
        #[source]
        cause: Interruption,
        /// Commands of the pipeline whose replies had arrived.
        answered: usize,
        /// Commands in the pipeline.
        of: usize,
    },
    /// The server refused.
    #[error("{context}: rejected by the server: {error}")]
    Rejected {
        /// Which command, and where.
        context: Context,
        /// What the server said.
        error: ServerError,
    },
    /// The server refused because of who is asking.
    #[error("{context}: {cause}")]
    Authentication {
        /// Which command, and where.
        context: Context,
        /// Why.
        #[source]
        cause: AuthenticationError,
    },
    /// The server executed the command and answered something this client does not understand.
    #[error("{peer}: {cause}")]
    UnexpectedReply {
        /// The endpoint.
        peer: Arc<str>,
        /// Which command, and what did not fit.
        #[source]
        cause: DecodeError,
    },
}

impl Error {
    /// Was the command executed?
    ///
    /// [`Error::UnexpectedReply`] counts as [`Certainty::MaybeExecuted`]: what cannot be read cannot be relied upon.
    pub fn certainty(&self) -> Certainty {
        match self {
            Self::NotSent { .. } => Certainty::NotSent,
            Self::MaybeExecuted { .. } | Self::UnexpectedReply { .. } => Certainty::MaybeExecuted,
            Self::Rejected { .. } | Self::Authentication { .. } => Certainty::Rejected,
        }
    }

    /// The server's refusal, where there is one.
    pub fn server_error(&self) -> Option<&ServerError> {
        match self {
            Self::Rejected { error, .. } => Some(error),
            _ => None,
        }
    }

    /// True when the deadline ended it, sent or not.
    pub fn is_deadline(&self) -> bool {
        matches!(
            self,
            Self::NotSent {
                cause: NotSent::Deadline
                    | NotSent::Unanswered(_)
                    | NotSent::Handshake(Interruption::Deadline),
                ..
            } | Self::MaybeExecuted { cause: Interruption::Deadline, .. }
        )
    }
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotSent {
    /// No connection came about.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// The connection came about, but greeting and authentication did not finish.
    #[error("the handshake broke off: {0}")]
    Handshake(#[source] Interruption),
    /// The same, and the [`Connector`](crate::Connector) knows what it may mean that the server closed the connection.
    #[error("the handshake broke off: {0}; {1}")]
    HungUp(#[source] Interruption, &'static str),
    /// The server speaks no RESP3, and nothing else was allowed.
    #[error("the server does not speak RESP3; allow RESP2")]
    NoResp3,
    /// The deadline passed first.
    #[error("the deadline passed before anything was sent")]
    Deadline,
    /// The same while connecting, where the [`Connector`](crate::Connector) knows what a server's silence may mean.
    #[error("the deadline passed before anything was sent; {0}")]
    Unanswered(&'static str),
    /// The server had closed the connection.
    #[error("the server had closed the connection; open a new one")]
    Closed,
    /// The connection failed before it took a byte.
    #[error("the connection failed: {0}")]
    Io(#[source] io::Error),
    /// The server had sent an error nobody asked for, as when it has too many clients.
    #[error("the server had sent an error of its own accord: {0}")]
    Unsolicited(ServerError),
    /// An earlier command left the connection in a state nothing can be said about.
    #[error("this connection cannot be used since {0}; open a new one")]
    Unusable(Box<str>),
    /// The command's replies do not come one for one, so it cannot go through this interface.
    #[error("its replies do not come one for one; it cannot be sent as a call")]
    Unsuitable,
}

/// What came between a command and its reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Interruption {
    /// The deadline passed.
    #[error("the deadline passed before the reply")]
    Deadline,
    /// The server closed the connection.
    #[error("the server closed the connection before the reply")]
    Closed,
    /// Reading or writing failed.
    #[error("the connection failed: {0}")]
    Io(#[source] io::Error),
    /// The server broke the protocol.
    #[error("the server's bytes cannot be read: {0}")]
    Protocol(#[source] FrameError),
}

impl Interruption {
    /// The other side closed the connection, politely or not.
    pub(crate) fn is_end(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match self {
            Self::Closed => true,
            Self::Io(error) => matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset),
            Self::Deadline | Self::Protocol(_) => false,
        }
    }
}

/// Why the server did not let the client in. Never holds the password, nor text that might repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticationError {
    /// User name and password do not fit.
    #[error("wrong password or user name, or the user is disabled")]
    WrongPassword,
    /// None was given, and one is needed.
    #[error("the server needs a password, and none was given")]
    PasswordNeeded,
    /// One was given, and the server has none.
    #[error("a password was given, but the server has none configured (see `requirepass`)")]
    NoPasswordConfigured,
    /// A user name was given, and the server is older than ACLs (6.0).
    #[error("a user name was given, but the server knows only passwords (it is older than 6.0)")]
    NoUsers,
    /// The server refused in another way; its text is withheld as it may repeat the password.
    #[error("the server refused to authenticate the client")]
    Refused,
}

/// An error reply: a code for programs and a message for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerError {
    code: Box<str>,
    message: Box<str>,
}

impl ServerError {
    /// Splits the text of an error reply. The code is its first word if that is upper case, else empty.
    ///
    /// ```
    /// use slotwright_client::ServerError;
    /// let error = ServerError::parse(b"MOVED 3999 127.0.0.1:6381");
    /// assert_eq!((error.code(), error.message()), ("MOVED", "3999 127.0.0.1:6381"));
    /// assert_eq!(ServerError::parse(b"no code here").code(), "");
    /// ```
    pub fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let (first, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let is_code = first.starts_with(|c: char| c.is_ascii_uppercase())
            && first
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
        if is_code {
            Self { code: first.into(), message: rest.into() }
        } else {
            Self { code: "".into(), message: text.as_ref().into() }
        }
    }

    /// The code: `ERR`, `MOVED`, `NOAUTH`, `CLUSTERDOWN`, …; empty when the server sent none.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What follows the code.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error without its text, which may repeat arguments that are secret.
    pub(crate) fn withheld(self) -> Self {
        Self { code: self.code, message: "(text withheld: it may repeat a secret argument)".into() }
    }
}

/// Longest message shown; servers repeat arguments, and scripts put anything into an error.
const SHOWN: usize = 400;

impl fmt::Display for ServerError {
    /// Code and message in one line of bounded length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        if !self.code.is_empty() && !self.message.is_empty() {
            f.write_str(" ")?;
        }
        for character in self.message.chars().take(SHOWN) {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        if self.message.chars().nth(SHOWN).is_some() { f.write_str("…") } else { Ok(()) }
    }
}

impl std::error::Error for ServerError {}

/// A reply of another kind than was expected. Names the kinds and the size, never the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, but the reply is {found}")]
pub struct UnexpectedReply {
    expected: &'static str,
    found: Shape,
}

impl UnexpectedReply {
    /// `expected` completes the sentence "expected …": `an integer`, `OK`.
    pub fn new(expected: &'static str, found: Shape) -> Self {
        Self { expected, found }
    }

    /// What came instead.
    pub fn found(&self) -> Shape {
        self.found
    }
}

/// The reply to `command` does not have the form that command promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{command}: {cause}")]
pub struct DecodeError {
    command: Cow<'static, str>,
    #[source]
    cause: Box<DecodeCause>,
}

impl DecodeError {
    /// `cause`, met in the reply to `command`.
    pub fn new(command: impl Into<Cow<'static, str>>, cause: impl Into<DecodeCause>) -> Self {
        Self { command: command.into(), cause: Box::new(cause.into()) }
    }

    /// The command, with its sub-command.
    pub fn command(&self) -> &str {
        &self.command
    }
}

/// What did not fit in a reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeCause {
    /// The kind of the reply or of a part of it.
    #[error(transparent)]
    Kind(#[from] UnexpectedReply),
    /// The text within.
    #[error(transparent)]
    Text(#[from] ParseError),
}

struct Progress(usize, usize);

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1 > 1 { write!(f, " ({} of {} replies had arrived)", self.0, self.1) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_first_word_when_it_is_upper_case() {
        let cases = [
            ("ERR unknown command", "ERR", "unknown command"),
            ("NOAUTH", "NOAUTH", ""),
            ("CROSSSLOT Keys differ", "CROSSSLOT", "Keys differ"),
            ("Bad thing", "", "Bad thing"),
            ("", "", ""),
            ("-1 x", "", "-1 x"),
        ];
        for (text, code, message) in cases {
            let error = ServerError::parse(text.as_bytes());
            assert_eq!((error.code(), error.message()), (code, message));
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn an_error_is_one_line_of_bounded_length() {
        let error = ServerError::parse(format!("ERR a\nb\u{7}{}", "x".repeat(5000)).as_bytes());
        let shown = error.to_string();
        assert!(shown.starts_with("ERR a\\nb\\u{7}x") && shown.ends_with('…') && shown.len() < 500);
    }

    #[test]
    fn errors_stay_small() {
        assert!(size_of::<Error>() <= 96, "{}", size_of::<Error>());
    }
}
