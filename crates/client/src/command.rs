//! One command: a name and binary arguments, encoded as a RESP array of bulk strings.
//!
//! Knows which commands carry secrets, so that neither `Debug` nor an error repeats them.

use std::fmt::{self, Write as _};

use bytes::{BufMut, Bytes, BytesMut};
use slotwright_cluster::NodeId;
use slotwright_slots::Slot;

/// A command to send.
///
/// Its `Debug` and [`label`](Command::label) show the name, the sub-command of commands that have one, and the number
/// of arguments; never an argument, since keys and values are other people's data and some arguments are passwords.
///
/// ```
/// use slotwright_client::Command;
/// let command = Command::new("CONFIG").arg("SET").arg("requirepass").arg("hunter2");
/// assert_eq!(format!("{command:?}"), "Command(CONFIG SET, 3 arguments)");
/// assert_eq!(Command::new("PING").to_bytes(), &b"*1\r\n$4\r\nPING\r\n"[..]);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    name: Bytes,
    arguments: Vec<Bytes>,
    secret: bool,
}

impl Command {
    /// A command without arguments yet.
    pub fn new(name: impl Argument) -> Self {
        Self { name: name.into_bytes(), arguments: Vec::new(), secret: false }
    }

    /// Appends an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Argument) -> Self {
        self.arguments.push(argument.into_bytes());
        self
    }

    /// Appends arguments.
    #[must_use]
    pub fn args<A: Argument>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Argument::into_bytes));
        self
    }

    /// Says that an argument is secret where the command's name alone does not tell: the text of a server's error is
    /// then withheld, as it may repeat arguments.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// The name as given.
    pub fn name(&self) -> &Bytes {
        &self.name
    }

    /// The arguments, a sub-command among them.
    pub fn arguments(&self) -> &[Bytes] {
        &self.arguments
    }

    /// What to call the command in logs and errors: name and sub-command in upper case.
    pub fn label(&self) -> String {
        let Some(mut label) = word(&self.name) else {
            return "a command".to_owned();
        };
        if CONTAINERS.contains(&label.as_str())
            && let Some(sub) = self.arguments.first().and_then(word)
        {
            label.push(' ');
            label.push_str(&sub);
        }
        label
    }

    /// True when an error text of the server may repeat a secret of this command.
    pub(crate) fn is_secret(&self) -> bool {
        let is = |index: usize, text: &str| {
            self.arguments.get(index).is_some_and(|argument| argument.eq_ignore_ascii_case(text.as_bytes()))
        };
        let name = |text: &str| self.name.eq_ignore_ascii_case(text.as_bytes());
        self.secret
            || name("AUTH")
            || ((name("HELLO") || name("MIGRATE")) && self.arguments.iter().any(is_auth_option))
            || (name("ACL") && is(0, "SETUSER"))
            || (name("CONFIG")
                && is(0, "SET")
                && self.arguments.iter().skip(1).step_by(2).any(|key| is_secret_setting(key)))
    }

    /// True when its replies do not come one for one, or change what later replies are.
    pub(crate) fn is_unsuitable(&self) -> bool {
        let name = word(&self.name).unwrap_or_default();
        let reply = || self.arguments.first().is_some_and(|sub| sub.eq_ignore_ascii_case(b"REPLY"));
        UNSUITABLE.contains(&name.as_str()) || (name == "CLIENT" && reply())
    }

    /// Appends the encoded command to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        let size: usize = self.arguments.iter().map(Bytes::len).sum();
        out.reserve(size + self.name.len() + 24 * (self.arguments.len() + 2));
        // Writing to a BytesMut cannot fail.
        let _ = write!(out, "*{}\r\n", self.arguments.len() + 1);
        for part in std::iter::once(&self.name).chain(&self.arguments) {
            let _ = write!(out, "${}\r\n", part.len());
            out.put_slice(part);
            out.put_slice(b"\r\n");
        }
    }

    /// The encoded command.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.encode(&mut out);
        out.freeze()
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.arguments.len();
        write!(f, "Command({}, {count} argument{})", self.label(), if count == 1 { "" } else { "s" })
    }
}

/// Commands whose first argument is a sub-command rather than data.
const CONTAINERS: &[&str] = &[
    "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY", "MODULE",
    "OBJECT", "PUBSUB", "SCRIPT", "SLOWLOG", "XGROUP", "XINFO",
];

/// Subscriptions are answered by pushes, the others turn the connection into a stream of something else.
const UNSUITABLE: &[&str] = &[
    "MONITOR",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "UNSUBSCRIBE",
];

/// The word in `HELLO` and `MIGRATE` after which a password stands. A key of that name costs an error text, no more.
fn is_auth_option(argument: &Bytes) -> bool {
    argument.eq_ignore_ascii_case(b"AUTH") || argument.eq_ignore_ascii_case(b"AUTH2")
}

/// Settings whose value is a password (redis.conf, valkey.conf).
fn is_secret_setting(key: &[u8]) -> bool {
    const NAMES: [&str; 7] = [
        "requirepass",
        "masterauth",
        "primaryauth",
        "masteruser",
        "primaryuser",
        "tls-key-file-pass",
        "tls-client-key-file-pass",
    ];
    NAMES.iter().any(|name| key.eq_ignore_ascii_case(name.as_bytes()))
}

/// `text` in upper case, if it looks like the name of a command and not like data.
fn word(text: &Bytes) -> Option<String> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let plausible = (1..=32).contains(&text.len()) && text.iter().all(plain);
    plausible.then(|| text.iter().map(|byte| char::from(byte.to_ascii_uppercase())).collect())
}

/// What can be an argument of a command.
pub trait Argument {
    /// The bytes sent. [`Bytes`], `Vec<u8>` and `String` are not copied.
    fn into_bytes(self) -> Bytes;
}

macro_rules! owned {
    ($($type:ty),*) => {$(
        impl Argument for $type {
            fn into_bytes(self) -> Bytes {
                self.into()
            }
        }
    )*};
}

macro_rules! shown {
    ($($type:ty),*) => {$(
        impl Argument for $type {
            fn into_bytes(self) -> Bytes {
                self.to_string().into()
            }
        }
    )*};
}

owned!(Bytes, Vec<u8>, String);
shown!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f64, NodeId, &NodeId);

impl Argument for &Bytes {
    fn into_bytes(self) -> Bytes {
        self.clone()
    }
}

impl Argument for &str {
    fn into_bytes(self) -> Bytes {
        Bytes::copy_from_slice(self.as_bytes())
    }
}

impl Argument for &String {
    fn into_bytes(self) -> Bytes {
        self.as_str().into_bytes()
    }
}

impl Argument for &[u8] {
    fn into_bytes(self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl<const N: usize> Argument for &[u8; N] {
    fn into_bytes(self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl Argument for Slot {
    fn into_bytes(self) -> Bytes {
        self.get().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_binary_arguments() {
        let command = Command::new("SET").arg("k").arg(&b"\r\n\0"[..]).arg(17u16).arg(-1i64);
        assert_eq!(
            command.to_bytes(),
            &b"*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n\r\n\0\r\n$2\r\n17\r\n$2\r\n-1\r\n"[..]
        );
    }

    #[test]
    fn shows_no_argument() {
        let cases = [
            (Command::new("AUTH").arg("hunter2"), "Command(AUTH, 1 argument)"),
            (
                Command::new("hello").arg(3u8).arg("AUTH").arg("u").arg("hunter2"),
                "Command(HELLO, 4 arguments)",
            ),
            (
                Command::new("ACL").arg("setuser").arg("u").arg(">hunter2"),
                "Command(ACL SETUSER, 3 arguments)",
            ),
            (Command::new("GET").arg("hunter2"), "Command(GET, 1 argument)"),
            (Command::new("CLUSTER").arg("hunter 2"), "Command(CLUSTER, 1 argument)"),
            (Command::new("hunter\n2"), "Command(a command, 0 arguments)"),
        ];
        for (command, shown) in cases {
            assert_eq!(format!("{command:?}"), shown);
        }
    }

    #[test]
    fn knows_what_is_secret() {
        let config = |key: &str| Command::new("config").arg("set").arg("save").arg("").arg(key).arg("v");
        assert!(config("MasterAuth").is_secret());
        assert!(!config("maxmemory").is_secret());
        assert!(Command::new("auth").arg("x").is_secret());
        assert!(Command::new("ACL").arg("SETUSER").is_secret());
        assert!(!Command::new("ACL").arg("LIST").is_secret());
        assert!(Command::new("EVAL").secret().is_secret());
    }

    #[test]
    fn knows_what_would_shift_replies() {
        assert!(Command::new("subscribe").arg("c").is_unsuitable());
        assert!(Command::new("CLIENT").arg("reply").arg("off").is_unsuitable());
        assert!(!Command::new("CLIENT").arg("ID").is_unsuitable());
    }
}
