//! Record marking (RFC 5531, section 11) under the RPC client of `nfs3_client`, for servers that may be broken or hostile.
//!
//! The RPC client takes the length in a record's mark at its word, wants a reply in one piece, and waits for ever on a
//! stream that has ended. Here a record is bounded, put together from its fragments, looked over as far as the RPC client
//! itself is going to read it, and handed up in one piece; a stream that ends is an error.

use std::io;

use nfs3_client::io::{AsyncRead, AsyncWrite};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::xdr::{Malformed, Reader};

/// The longest reply that is taken, in bytes. Nothing here asks for more than a quarter of it at once.
pub(crate) const LONGEST: usize = 1 << 20;
/// More fragments in one record than any server needs.
const MOST_FRAGMENTS: usize = 1024;
/// The longest verifier of a reply (RFC 5531, section 8.2).
const LONGEST_VERIFIER: usize = 400;
const LAST: u32 = 1 << 31;

/// A TCP stream of which whole, bounded replies are read.
#[derive(Debug)]
pub(crate) struct Records {
    stream: TcpStream,
    /// The reply being handed up, with a mark of its own before it.
    reply: Vec<u8>,
    given: usize,
}

impl Records {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, reply: Vec::new(), given: 0 }
    }

    async fn next(&mut self) -> io::Result<()> {
        let mut record = Vec::new();
        for _ in 0..MOST_FRAGMENTS {
            let mark = self.stream.read_u32().await?;
            let length = mark & !LAST;
            let room = LONGEST - record.len();
            let Some(wanted) = usize::try_from(length).ok().filter(|length| *length <= room) else {
                return Err(malformed(&Malformed::TooLong { what: "a record", length, limit: LONGEST }));
            };
            let read = (&mut self.stream).take(u64::from(length)).read_to_end(&mut record).await?;
            if read < wanted {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if mark & LAST != 0 {
                look_over(&record).map_err(|why| malformed(&why))?;
                let mark = u32::try_from(record.len()).unwrap_or(0) | LAST;
                self.reply = mark.to_be_bytes().to_vec();
                self.reply.append(&mut record);
                self.given = 0;
                return Ok(());
            }
        }
        Err(malformed(&Malformed::TooLong {
            what: "a number of fragments",
            length: u32::MAX,
            limit: MOST_FRAGMENTS,
        }))
    }
}

/// The head of a reply, as far as it has lengths: it is a reply, and its verifier is of the size it may have.
pub(crate) fn look_over(record: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader::new(record);
    reader.u32()?; // whose reply it is, judged by the RPC client
    match reader.u32()? {
        1 => {}
        value => return Err(Malformed::Value { what: "reply", value }),
    }
    if reader.u32()? == 0 {
        reader.u32()?;
        reader.opaque(LONGEST_VERIFIER)?;
    }
    Ok(())
}

fn malformed(why: &Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

impl AsyncRead for Records {
    async fn async_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given >= self.reply.len() {
            self.next().await?;
        }
        let rest = self.reply.get(self.given..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.given += count;
        Ok(count)
    }
}

impl AsyncWrite for Records {
    async fn async_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.write(bytes).await? {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WriteZero.into()),
            count => Ok(count),
        }
    }
}
