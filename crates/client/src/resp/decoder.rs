//! A buffer that bytes go into and [`Value`]s come out of.

use bytes::BytesMut;

use super::{FrameError, Limits, Scanner, decode};
use crate::Value;

/// Least free space offered to one read.
const READ_AT_LEAST: usize = 16 << 10;
/// Most free space offered for a long payload at once: an announced length reserves memory only as data arrives.
const READ_AT_MOST: usize = 1 << 20;

/// Bytes in, values out; the same for RESP2 and RESP3.
///
/// ```
/// use slotwright_client::{Value, resp::{Decoder, Limits}};
/// let mut decoder = Decoder::new(Limits::default());
/// decoder.feed(b"+OK\r\n:4");
/// assert_eq!(decoder.next_value()?, Some(Value::Status("OK".into())));
/// assert_eq!(decoder.next_value()?, None);
/// decoder.feed(b"2\r\n");
/// assert_eq!(decoder.next_value()?, Some(Value::Integer(42)));
/// # Ok::<(), slotwright_client::resp::FrameError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    pub(super) scanner: Scanner,
}

impl Decoder {
    /// An empty decoder.
    pub fn new(limits: Limits) -> Self {
        Self { buffer: BytesMut::new(), scanner: Scanner::new(limits) }
    }

    /// Appends bytes as they came from the server.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The buffer to read into, with room for a useful read. Bytes may only be appended.
    pub(crate) fn read_buffer(&mut self) -> &mut BytesMut {
        let wanted = self.scanner.wanted().saturating_sub(self.buffer.len());
        self.buffer.reserve(wanted.clamp(READ_AT_LEAST, READ_AT_MOST));
        &mut self.buffer
    }

    /// The next complete value, or `None` until more bytes are fed.
    ///
    /// # Errors
    /// When the bytes are not RESP or exceed the limits. Nothing after them can be read.
    pub fn next_value(&mut self) -> Result<Option<Value>, FrameError> {
        match self.scanner.advance(&self.buffer)? {
            Some(length) => {
                let frame = self.buffer.split_to(length).freeze();
                if self.buffer.is_empty() && length > READ_AT_MOST {
                    // Otherwise the room behind a huge reply would be kept for as long as the connection.
                    self.buffer = BytesMut::new();
                }
                decode(&frame).map(Some)
            }
            None => Ok(None),
        }
    }

    /// True when no part of a frame is waiting for its rest.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}
