//! A reply of a server, in one form for RESP2 and RESP3, and the checked ways to read it.
//!
//! How bytes become a [`Value`] is the business of [`crate::resp`]; what a particular command answers is that of
//! [`crate::admin`].

use std::fmt;

use bytes::Bytes;

use crate::error::{ServerError, UnexpectedReply};

/// One reply. RESP2's two nulls and RESP3's one are all [`Value::Nil`]; RESP3 attributes are dropped.
///
/// Payloads are views into the buffer the reply was read into: keeping a small one for long keeps that buffer alive,
/// so copy what should outlive the moment ([`Bytes::copy_from_slice`]).
///
/// Its `Debug` shows shape, sizes and plain numbers only, because replies hold other people's data (and `CONFIG GET` passwords).
///
/// ```
/// use slotwright_client::Value;
/// let reply = Value::Array(vec![Value::Bulk("7".into()), Value::Integer(7)]);
/// let items = reply.into_array()?;
/// assert_eq!(items[0].as_str()?, "7");
/// assert_eq!(items[0].as_int().unwrap_err().to_string(), "expected an integer, but the reply is a bulk string of 1 byte");
/// # Ok::<(), slotwright_client::UnexpectedReply>(())
/// ```
#[derive(Clone, PartialEq)]
pub enum Value {
    /// No value (`$-1`, `*-1`, `_`).
    Nil,
    /// A simple string (`+`), such as `OK`.
    Status(Bytes),
    /// An error (`-`, or `!`). A top-level one reaches callers as [`crate::Error::Rejected`] instead.
    Error(ServerError),
    /// A signed 64-bit integer (`:`).
    Integer(i64),
    /// A double (`,`), infinities and NaN included.
    Double(f64),
    /// A truth value (`#`).
    Boolean(bool),
    /// A binary-safe string (`$`).
    Bulk(Bytes),
    /// Text meant for people (`=`), without its format prefix.
    Verbatim {
        /// The format, three bytes: `txt` or `mkd`, but modules may send others.
        format: [u8; 3],
        /// The text itself.
        text: Bytes,
    },
    /// The decimal digits of a number beyond 64 bits (`(`).
    BigNumber(Bytes),
    /// A list (`*`).
    Array(Vec<Value>),
    /// Key and value pairs (`%`) in the order sent; duplicates are kept.
    Map(Vec<(Value, Value)>),
    /// An unordered collection (`~`), in the order sent; duplicates are kept.
    Set(Vec<Value>),
    /// Out-of-band data (`>`). Never the reply to a command.
    Push(Vec<Value>),
}

impl Value {
    /// What kind of reply this is and how large, without its content.
    pub fn shape(&self) -> Shape {
        let (kind, size) = match self {
            Self::Nil => (Kind::Nil, None),
            Self::Status(text) => (Kind::Status, Some(text.len())),
            Self::Error(_) => (Kind::Error, None),
            Self::Integer(_) => (Kind::Integer, None),
            Self::Double(_) => (Kind::Double, None),
            Self::Boolean(_) => (Kind::Boolean, None),
            Self::Bulk(bytes) => (Kind::Bulk, Some(bytes.len())),
            Self::Verbatim { text, .. } => (Kind::Verbatim, Some(text.len())),
            Self::BigNumber(digits) => (Kind::BigNumber, Some(digits.len())),
            Self::Array(items) => (Kind::Array, Some(items.len())),
            Self::Map(pairs) => (Kind::Map, Some(pairs.len())),
            Self::Set(items) => (Kind::Set, Some(items.len())),
            Self::Push(items) => (Kind::Push, Some(items.len())),
        };
        Shape { kind, size }
    }

    /// The error this reply does not meet `expected` with.
    pub(crate) fn unexpected(&self, expected: &'static str) -> UnexpectedReply {
        UnexpectedReply::new(expected, self.shape())
    }

    /// True for the null reply.
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// The bytes of a status, bulk, verbatim or big number reply.
    ///
    /// # Errors
    /// On any other kind of reply.
    pub fn as_bytes(&self) -> Result<&Bytes, UnexpectedReply> {
        match self {
            Self::Status(bytes) | Self::Bulk(bytes) | Self::BigNumber(bytes) => Ok(bytes),
            Self::Verbatim { text, .. } => Ok(text),
            other => Err(other.unexpected("a string")),
        }
    }

    /// The text of a status, bulk, verbatim or big number reply.
    ///
    /// # Errors
    /// On any other kind of reply, and on bytes that are not UTF-8.
    pub fn as_str(&self) -> Result<&str, UnexpectedReply> {
        std::str::from_utf8(self.as_bytes()?).map_err(|_| self.unexpected("UTF-8 text"))
    }

    /// The bytes of a string reply, without copying them.
    ///
    /// # Errors
    /// As [`Value::as_bytes`].
    pub fn into_bytes(self) -> Result<Bytes, UnexpectedReply> {
        match self {
            Self::Status(bytes) | Self::Bulk(bytes) | Self::BigNumber(bytes) => Ok(bytes),
            Self::Verbatim { text, .. } => Ok(text),
            other => Err(other.unexpected("a string")),
        }
    }

    /// The text of a string reply, copied.
    ///
    /// # Errors
    /// As [`Value::as_str`].
    pub fn into_string(self) -> Result<String, UnexpectedReply> {
        self.as_str().map(str::to_owned)
    }

    /// The number of an integer reply. Text that happens to hold digits is not one.
    ///
    /// # Errors
    /// On any other kind of reply.
    pub fn as_int(&self) -> Result<i64, UnexpectedReply> {
        match self {
            Self::Integer(number) => Ok(*number),
            other => Err(other.unexpected("an integer")),
        }
    }

    /// The number of an integer reply that counts something.
    ///
    /// # Errors
    /// On any other kind of reply, and on a negative number.
    pub fn as_count(&self) -> Result<u64, UnexpectedReply> {
        u64::try_from(self.as_int()?).map_err(|_| self.unexpected("a number not below zero"))
    }

    /// The number of a double, or of what RESP2 sends in its place: an integer or a bulk string.
    ///
    /// # Errors
    /// On any other kind of reply, and on text that is no number.
    pub fn as_double(&self) -> Result<f64, UnexpectedReply> {
        match self {
            Self::Double(number) => Ok(*number),
            // Doubles represent every integer up to 2^53; larger ones lose their last digits, as in RESP2's text.
            Self::Integer(number) => Ok(*number as f64),
            Self::Bulk(_) => self.as_str()?.parse().map_err(|_| self.unexpected("a number")),
            other => Err(other.unexpected("a number")),
        }
    }

    /// The truth of a boolean, or of the 0 and 1 that RESP2 sends in its place.
    ///
    /// # Errors
    /// On any other reply.
    pub fn as_bool(&self) -> Result<bool, UnexpectedReply> {
        match self {
            Self::Boolean(truth) => Ok(*truth),
            Self::Integer(0) => Ok(false),
            Self::Integer(1) => Ok(true),
            other => Err(other.unexpected("a boolean")),
        }
    }

    /// The items of an array or a set.
    ///
    /// # Errors
    /// On any other kind of reply.
    pub fn into_array(self) -> Result<Vec<Self>, UnexpectedReply> {
        match self {
            Self::Array(items) | Self::Set(items) => Ok(items),
            other => Err(other.unexpected("an array")),
        }
    }

    /// The pairs of a map, or of the flat array that RESP2 sends in its place.
    ///
    /// # Errors
    /// On any other kind of reply, and on an array with an odd number of items.
    pub fn into_pairs(self) -> Result<Vec<(Self, Self)>, UnexpectedReply> {
        match self {
            Self::Map(pairs) => Ok(pairs),
            Self::Array(items) if items.len() % 2 == 0 => {
                let mut pairs = Vec::with_capacity(items.len() / 2);
                let mut items = items.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    pairs.push((key, value));
                }
                Ok(pairs)
            }
            other => Err(other.unexpected("a map")),
        }
    }

    /// Nothing, when the reply is the status `OK`.
    ///
    /// # Errors
    /// On any other reply.
    pub fn into_ok(self) -> Result<(), UnexpectedReply> {
        match self {
            Self::Status(text) if text == "OK" => Ok(()),
            other => Err(other.unexpected("OK")),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => write!(f, "Error({})", error.code()),
            Self::Array(items) => f.debug_tuple("Array").field(items).finish(),
            Self::Map(pairs) => f.debug_tuple("Map").field(pairs).finish(),
            Self::Set(items) => f.debug_tuple("Set").field(items).finish(),
            Self::Push(items) => f.debug_tuple("Push").field(items).finish(),
            Self::Integer(number) => write!(f, "Integer({number})"),
            Self::Double(number) => write!(f, "Double({number})"),
            Self::Boolean(truth) => write!(f, "Boolean({truth})"),
            other => match other.shape() {
                Shape { kind, size: Some(size) } => write!(f, "{kind:?}({size} bytes)"),
                Shape { kind, size: None } => write!(f, "{kind:?}"),
            },
        }
    }
}

/// The kinds of [`Value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// [`Value::Nil`].
    Nil,
    /// [`Value::Status`].
    Status,
    /// [`Value::Error`].
    Error,
    /// [`Value::Integer`].
    Integer,
    /// [`Value::Double`].
    Double,
    /// [`Value::Boolean`].
    Boolean,
    /// [`Value::Bulk`].
    Bulk,
    /// [`Value::Verbatim`].
    Verbatim,
    /// [`Value::BigNumber`].
    BigNumber,
    /// [`Value::Array`].
    Array,
    /// [`Value::Map`].
    Map,
    /// [`Value::Set`].
    Set,
    /// [`Value::Push`].
    Push,
}

/// Kind and size of a [`Value`]: what an error or a log may tell of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The kind of the reply.
    pub kind: Kind,
    /// Bytes of a string, items of an aggregate (pairs of a map); `None` where size means nothing.
    pub size: Option<usize>,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) = match self.kind {
            Kind::Nil => ("a null", ""),
            Kind::Status => ("a status", "byte"),
            Kind::Error => ("an error", ""),
            Kind::Integer => ("an integer", ""),
            Kind::Double => ("a double", ""),
            Kind::Boolean => ("a boolean", ""),
            Kind::Bulk => ("a bulk string", "byte"),
            Kind::Verbatim => ("a verbatim string", "byte"),
            Kind::BigNumber => ("a big number", "byte"),
            Kind::Array => ("an array", "item"),
            Kind::Map => ("a map", "pair"),
            Kind::Set => ("a set", "item"),
            Kind::Push => ("a push", "item"),
        };
        f.write_str(name)?;
        match self.size {
            Some(size) => write!(f, " of {size} {unit}{}", if size == 1 { "" } else { "s" }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &'static str) -> Value {
        Value::Bulk(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn reads_what_resp2_and_resp3_send_for_the_same_thing() {
        assert_eq!(Value::Boolean(true).as_bool(), Value::Integer(1).as_bool());
        assert_eq!(Value::Double(1.5).as_double(), bulk("1.5").as_double());
        let pairs = vec![(bulk("a"), Value::Integer(1))];
        let flat = Value::Array(vec![bulk("a"), Value::Integer(1)]);
        assert_eq!(Value::Map(pairs).into_pairs(), flat.into_pairs());
        assert_eq!(Value::Verbatim { format: *b"txt", text: "x".into() }.as_str(), Ok("x"));
    }

    #[test]
    fn refuses_what_only_looks_alike() {
        assert!(bulk("7").as_int().is_err());
        assert!(Value::Integer(2).as_bool().is_err());
        assert!(Value::Array(vec![Value::Nil]).into_pairs().is_err());
        assert!(bulk("OK").into_ok().is_err());
        assert!(Value::Integer(-1).as_count().is_err());
        assert!(Value::Bulk(Bytes::from_static(b"\xff")).as_str().is_err());
    }

    #[test]
    fn neither_debug_nor_errors_show_content() {
        let secret = Value::Array(vec![bulk("requirepass"), bulk("hunter2")]);
        assert!(!format!("{secret:?}").contains("hunter2"));
        let error = bulk("hunter2").as_int().unwrap_err();
        assert_eq!(error.to_string(), "expected an integer, but the reply is a bulk string of 7 bytes");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
