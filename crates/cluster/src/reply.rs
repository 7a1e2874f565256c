//! A reply as plain data: what the parsers of structured replies read, whichever client received it.

/// One RESP2 or RESP3 reply, reduced to what structured cluster replies are made of.
///
/// A client turns its own reply type into this one; text that is not UTF-8 is kept as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The null reply.
    Nil,
    /// A number.
    Integer(i64),
    /// A simple or bulk string.
    Text(Vec<u8>),
    /// An array, set or push.
    Array(Vec<Reply>),
    /// A RESP3 map, in the order of the wire; RESP2 sends the same as a flat array.
    Map(Vec<(Reply, Reply)>),
    /// Anything else (doubles, booleans, errors inside aggregates): parsers skip it.
    Other,
}

impl Reply {
    /// The text, when it is text and UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The number, also when the server sent it as text.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(_) => self.as_str()?.parse().ok(),
            _ => None,
        }
    }

    /// The items of an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The pairs of a map, or of the flat array RESP2 sends in its place (an odd last item is dropped).
    pub fn pairs(&self) -> Option<Vec<(&Self, &Self)>> {
        match self {
            Self::Map(pairs) => Some(pairs.iter().map(|(key, value)| (key, value)).collect()),
            Self::Array(items) => {
                let (pairs, _) = items.as_chunks::<2>();
                Some(pairs.iter().map(|[key, value]| (key, value)).collect())
            }
            _ => None,
        }
    }
}
