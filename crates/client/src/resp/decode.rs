//! One complete frame to a [`Value`].
//!
//! Aggregates are assembled on an explicit stack, so depth costs heap, not stack. Payloads are slices of the frame.

use bytes::Bytes;
use redis_protocol::resp3::{decode::complete::decode_range, types::RangeFrame};

use super::{FrameError, scan::length};
use crate::{Value, error::ServerError};

/// Decodes the frame at the start of `frame`, which a [`Scanner`](super::Scanner) found complete.
///
/// # Errors
/// When the frame is incomplete, or holds a scalar that its type does not allow (`:x`, `#y`). Depth and size are
/// not looked at here.
///
/// ```
/// use bytes::Bytes;
/// use slotwright_client::{Value, resp::decode};
/// let value = decode(&Bytes::from_static(b"%1\r\n+proto\r\n:3\r\n"))?;
/// assert_eq!(value, Value::Map(vec![(Value::Status("proto".into()), Value::Integer(3))]));
/// # Ok::<(), slotwright_client::resp::FrameError>(())
/// ```
pub fn decode(frame: &Bytes) -> Result<Value, FrameError> {
    let mut open: Vec<Aggregate> = Vec::new();
    let mut at = 0;
    loop {
        let (element, next) = element(frame, at)?;
        at = next;
        let mut done = match element {
            Element::Scalar(value) => value,
            Element::Aggregate { kind, count } => {
                let aggregate = Aggregate::new(kind, count, frame.len().saturating_sub(at));
                if aggregate.missing > 0 {
                    open.push(aggregate);
                    continue;
                }
                match aggregate.close() {
                    Some(value) => value,
                    None => continue,
                }
            }
        };
        // Hand what is complete to what encloses it, as far up as that completes something.
        loop {
            let Some(innermost) = open.last_mut() else {
                return Ok(done);
            };
            innermost.items.push(done);
            innermost.missing -= 1;
            if innermost.missing > 0 {
                break;
            }
            match open.pop().and_then(Aggregate::close) {
                Some(value) => done = value,
                None => break,
            }
        }
    }
}

struct Aggregate {
    kind: u8,
    missing: usize,
    items: Vec<Value>,
}

impl Aggregate {
    fn new(kind: u8, count: usize, bytes_left: usize) -> Self {
        let missing = if matches!(kind, b'%' | b'|') { count.saturating_mul(2) } else { count };
        // Every element takes three bytes at least, so a false count cannot reserve more than the frame allows.
        Self { kind, missing, items: Vec::with_capacity(missing.min(bytes_left / 3)) }
    }

    /// The value, or `None` for an attribute, which is dropped.
    fn close(self) -> Option<Value> {
        Some(match self.kind {
            b'|' => return None,
            b'%' => {
                let mut pairs = Vec::with_capacity(self.items.len() / 2);
                let mut items = self.items.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    pairs.push((key, value));
                }
                Value::Map(pairs)
            }
            b'~' => Value::Set(self.items),
            b'>' => Value::Push(self.items),
            _ => Value::Array(self.items),
        })
    }
}

enum Element {
    Scalar(Value),
    Aggregate { kind: u8, count: usize },
}

/// The element at `at`, and where the next one begins.
fn element(frame: &Bytes, at: usize) -> Result<(Element, usize), FrameError> {
    let rest = frame.get(at..).unwrap_or_default();
    let Some((&kind, after)) = rest.split_first() else {
        return Err(FrameError::Incomplete);
    };
    match kind {
        b'$' | b'!' | b'=' | b'*' | b'~' | b'>' | b'%' | b'|' => {
            let digits = after.iter().position(|&byte| byte == b'\r').ok_or(FrameError::Incomplete)?;
            let body = at + digits + 3;
            let count = length(kind, after.get(..digits).unwrap_or_default(), at)?;
            match (kind, count) {
                (_, None) => Ok((Element::Scalar(Value::Nil), body)),
                (b'$' | b'!' | b'=', Some(count)) => {
                    let end = body.checked_add(count).ok_or(FrameError::Incomplete)?;
                    if end.checked_add(2).is_none_or(|next| next > frame.len()) {
                        return Err(FrameError::Incomplete);
                    }
                    Ok((Element::Scalar(string(kind, frame.slice(body..end), at)?), end + 2))
                }
                (_, Some(count)) => Ok((Element::Aggregate { kind, count }, body)),
            }
        }
        b'+' | b'-' | b':' | b',' | b'#' | b'_' | b'(' => line_scalar(frame, kind, at),
        byte => Err(FrameError::UnknownType { byte, offset: at }),
    }
}

/// A string with a length before it. `redis-protocol` knows two verbatim formats and refuses the rest, and does not
/// look whether CRLF follows, so these are read here.
fn string(kind: u8, payload: Bytes, offset: usize) -> Result<Value, FrameError> {
    match kind {
        b'!' => Ok(Value::Error(ServerError::parse(&payload))),
        b'=' => match payload.as_ref() {
            [a, b, c, b':', ..] => Ok(Value::Verbatim { format: [*a, *b, *c], text: payload.slice(4..) }),
            _ => Err(FrameError::BadScalar {
                kind,
                offset,
                reason: "a verbatim string begins with its format",
            }),
        },
        _ => Ok(Value::Bulk(payload)),
    }
}

/// A scalar that is one line. Errors are taken as bytes: servers repeat arguments in them, which need not be UTF-8.
fn line_scalar(frame: &Bytes, kind: u8, offset: usize) -> Result<(Element, usize), FrameError> {
    let rest = frame.get(offset..).unwrap_or_default();
    let reason = match kind {
        b':' => "it is no integer of 64 bits",
        b',' => "it is no number",
        b'#' => "it is neither t nor f",
        _ => "its form is unknown",
    };
    let bad = FrameError::BadScalar { kind, offset, reason };
    let Some((scalar, used)) = decode_range(rest).map_err(|_| bad.clone())? else {
        return Err(FrameError::Incomplete);
    };
    let slice = |(from, to): (usize, usize)| frame.slice(offset + from..offset + to);
    let value = match scalar {
        RangeFrame::SimpleString { data, .. } => Value::Status(slice(data)),
        RangeFrame::SimpleError { data, .. } => Value::Error(ServerError::parse(&slice(data))),
        RangeFrame::Number { data, .. } => Value::Integer(data),
        RangeFrame::Double { data, .. } => Value::Double(data),
        RangeFrame::Boolean { data, .. } => Value::Boolean(data),
        RangeFrame::BigNumber { data, .. } => Value::BigNumber(slice(data)),
        RangeFrame::Null => Value::Nil,
        _ => return Err(bad),
    };
    Ok((Element::Scalar(value), offset + used))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(frame: &'static [u8]) -> Result<Value, FrameError> {
        decode(&Bytes::from_static(frame))
    }

    #[test]
    fn reads_every_type() {
        let cases: [(&'static [u8], Value); 18] = [
            (b"+OK\r\n", Value::Status("OK".into())),
            (b"-ERR no\r\n", Value::Error(ServerError::parse(b"ERR no"))),
            (b"!6\r\nERR no\r\n", Value::Error(ServerError::parse(b"ERR no"))),
            (b":-7\r\n", Value::Integer(-7)),
            (b",1.5\r\n", Value::Double(1.5)),
            (b",-inf\r\n", Value::Double(f64::NEG_INFINITY)),
            (b"#t\r\n", Value::Boolean(true)),
            (b"$4\r\na\r\nb\r\n", Value::Bulk("a\r\nb".into())),
            (b"$0\r\n\r\n", Value::Bulk("".into())),
            (b"=7\r\nxyz:abc\r\n", Value::Verbatim { format: *b"xyz", text: "abc".into() }),
            (b"(123456789012345678901\r\n", Value::BigNumber("123456789012345678901".into())),
            (b"_\r\n", Value::Nil),
            (b"$-1\r\n", Value::Nil),
            (b"*-1\r\n", Value::Nil),
            (b"*0\r\n", Value::Array(vec![])),
            (b"~2\r\n:2\r\n:1\r\n", Value::Set(vec![Value::Integer(2), Value::Integer(1)])),
            (b">1\r\n+m\r\n", Value::Push(vec![Value::Status("m".into())])),
            (b"|1\r\n+ttl\r\n:9\r\n*1\r\n|0\r\n_\r\n", Value::Array(vec![Value::Nil])),
        ];
        for (frame, value) in cases {
            assert_eq!(read(frame).as_ref(), Ok(&value), "{}", frame.escape_ascii());
        }
        assert!(matches!(read(b",nan\r\n"), Ok(Value::Double(x)) if x.is_nan()));
    }

    #[test]
    fn maps_keep_order_and_duplicates_and_sets_hold_aggregates() {
        let two = Value::Integer(2);
        let map =
            Value::Map(vec![(two.clone(), Value::Nil), (Value::Integer(1), Value::Nil), (two, Value::Nil)]);
        assert_eq!(read(b"%3\r\n:2\r\n_\r\n:1\r\n_\r\n:2\r\n_\r\n"), Ok(map));
        assert_eq!(read(b"~1\r\n%0\r\n"), Ok(Value::Set(vec![Value::Map(vec![])])));
    }

    #[test]
    fn errors_need_not_be_utf8() {
        let Ok(Value::Error(error)) = read(b"-ERR unknown '\xff'\r\n") else { panic!("no error") };
        assert_eq!(error.code(), "ERR");
    }

    #[test]
    fn refuses_scalars_of_the_wrong_form() {
        for frame in [&b":x\r\n"[..], b":9223372036854775808\r\n", b"#x\r\n", b",one\r\n", b"=2\r\nab\r\n"] {
            let error = decode(&Bytes::copy_from_slice(frame)).unwrap_err();
            assert!(matches!(error, FrameError::BadScalar { offset: 0, .. }), "{error}");
        }
        for frame in [&b""[..], b"*1\r\n", b"$3\r\nab\r\n", b":1", b"$18446744073709551615\r\n"] {
            assert_eq!(decode(&Bytes::copy_from_slice(frame)), Err(FrameError::Incomplete));
        }
    }

    #[test]
    fn payloads_are_views_of_the_frame() {
        let frame = Bytes::from(b"*1\r\n$5\r\nhello\r\n".to_vec());
        let Ok(Value::Array(items)) = decode(&frame) else { panic!("no array") };
        assert_eq!(items[0].as_bytes().unwrap().as_ptr(), frame[8..].as_ptr());
    }
}
