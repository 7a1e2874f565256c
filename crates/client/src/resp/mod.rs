//! RESP2 and RESP3 from bytes to [`Value`]s.
//!
//! Three steps, each with one duty. The [`Scanner`] finds where a frame ends, looks at every byte once however small
//! the reads are, and is where depth and size are bounded. [`decode()`] turns one complete frame into a [`Value`]: the
//! scalars are read by `redis-protocol`, the aggregates are put together here, because that crate keeps maps and sets
//! in hash tables, which loses their order and refuses aggregates as members (Redis' own `COMMAND` sends such
//! sets). The [`Decoder`] is the two with a buffer.
//!
//! The frames are those of the RESP specification, RESP3 included, without its streamed strings and aggregates,
//! which no server sends.

mod decode;
mod decoder;
mod error;
mod scan;

pub use decode::decode;
pub use decoder::Decoder;
pub use error::FrameError;
pub use scan::{Limits, Scanner};

#[cfg(doc)]
use crate::Value;

#[cfg(test)]
mod tests;
