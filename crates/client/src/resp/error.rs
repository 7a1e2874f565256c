//! What can be wrong with the bytes of a frame.

/// Bytes that are not RESP, or are more than the limits allow. The stream cannot be read any further.
///
/// Names the place as a byte offset from the start of the frame; never repeats the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// No frame begins with this byte.
    #[error(
        "byte {offset} of the frame is 0x{byte:02x}, which begins no RESP type (is this a Redis port, without TLS?)"
    )]
    UnknownType {
        /// The byte found.
        byte: u8,
        /// Where, from the start of the frame.
        offset: usize,
    },
    /// A streamed string or aggregate, which RESP3 describes and no server sends.
    #[error("byte {offset} of the frame begins a streamed '{}', which is not supported", char::from(*kind))]
    Streamed {
        /// The type byte.
        kind: u8,
        /// Where, from the start of the frame.
        offset: usize,
    },
    /// A length that is not a number, or is negative without meaning null.
    #[error("the length of the '{}' at byte {offset} of the frame is not a number", char::from(*kind))]
    BadLength {
        /// The type byte.
        kind: u8,
        /// Where, from the start of the frame.
        offset: usize,
    },
    /// A line that holds a length or a scalar of fixed form, and goes on beyond what any of them needs.
    #[error("the line of the '{}' at byte {offset} of the frame is too long", char::from(*kind))]
    LineTooLong {
        /// The type byte.
        kind: u8,
        /// Where, from the start of the frame.
        offset: usize,
    },
    /// A string whose bytes are not followed by CRLF.
    #[error("the string ending at byte {offset} of the frame is not followed by CRLF")]
    MissingTerminator {
        /// Where the CRLF should stand.
        offset: usize,
    },
    /// A number, boolean or verbatim string that cannot be read.
    #[error("the '{}' at byte {offset} of the frame cannot be read: {reason}", char::from(*kind))]
    BadScalar {
        /// The type byte.
        kind: u8,
        /// Where, from the start of the frame.
        offset: usize,
        /// What was wrong.
        reason: &'static str,
    },
    /// Aggregates within aggregates beyond [`Limits::max_depth`](super::Limits::max_depth).
    #[error("the frame is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit in force.
        limit: usize,
    },
    /// A frame beyond [`Limits::max_frame`](super::Limits::max_frame).
    #[error("the frame is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in force, in bytes.
        limit: usize,
    },
    /// More elements than [`Limits::max_elements`](super::Limits::max_elements).
    #[error("the frame announces more than {limit} elements")]
    TooManyElements {
        /// The limit in force.
        limit: usize,
    },
    /// Only a part of a frame was handed to [`decode`](super::decode()).
    #[error("the frame ends before it is complete")]
    Incomplete,
}
