//! XDR (RFC 4506): what a call carries and what a reply says, between Rust values and bytes.
//!
//! The reader trusts nobody: a length is believed only as far as the bytes that came reach and as its caller allows, so a
//! reply can make it neither panic nor reserve memory. It opens no socket and knows no protocol.

/// Builds the bytes of a call.
#[derive(Debug, Default, Clone)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.u32(u32::from(value))
    }

    /// Bytes whose number both sides know.
    pub(crate) fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Bytes with their number before them. Nothing this crate sends comes near 4 GiB.
    pub(crate) fn opaque(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX)).fixed(bytes)
    }

    pub(crate) fn append(&mut self, other: &Self) -> &mut Self {
        self.0.extend_from_slice(&other.0);
        self
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Why a reply cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it ends too early")]
    Truncated,
    #[error("{what} of {length} is more than {limit}")]
    TooLong { what: &'static str, length: u32, limit: usize },
    #[error("{value} is no {what}")]
    Value { what: &'static str, value: u32 },
    #[error("{0} bytes are left over")]
    Trailing(usize),
}

/// Reads the bytes of a reply.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Bytes whose number is known, and what fills them up to a multiple of four.
    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
        self.0 = rest;
        self.take(N.next_multiple_of(4) - N)?;
        Ok(*bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.fixed().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.fixed().map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        self.fixed().map(i64::from_be_bytes)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u32()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(Malformed::Value { what: "truth value", value }),
        }
    }

    /// How many elements follow: no more than `limit`, and than there are words.
    pub(crate) fn count(&mut self, limit: usize) -> Result<usize, Malformed> {
        let length = self.u32()?;
        let count = usize::try_from(length).unwrap_or(usize::MAX);
        if count > limit {
            return Err(Malformed::TooLong { what: "a list", length, limit });
        }
        if count > self.0.len() / 4 {
            return Err(Malformed::Truncated);
        }
        Ok(count)
    }

    /// Bytes with their number before them, at most `limit`.
    pub(crate) fn opaque(&mut self, limit: usize) -> Result<&'a [u8], Malformed> {
        let length = self.u32()?;
        let count = usize::try_from(length).unwrap_or(usize::MAX);
        if count > limit {
            return Err(Malformed::TooLong { what: "a field", length, limit });
        }
        let bytes = self.take(count)?;
        self.take(count.next_multiple_of(4) - count)?;
        Ok(bytes)
    }

    /// A text for people; what is no UTF-8 is replaced.
    pub(crate) fn text(&mut self, limit: usize) -> Result<String, Malformed> {
        Ok(String::from_utf8_lossy(self.opaque(limit)?).into_owned())
    }

    /// Everything must have been read.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Trailing(self.0.len())) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(number in any::<u32>(), large in any::<u64>(), yes in any::<bool>(), bytes: Vec<u8>, id: [u8; 7]) {
            let mut writer = Writer::default();
            writer.u32(number).u64(large).bool(yes).opaque(&bytes).fixed(&id);
            let written = writer.into_bytes();
            prop_assert_eq!(written.len() % 4, 0);
            let mut reader = Reader::new(&written);
            prop_assert_eq!(reader.u32().unwrap(), number);
            prop_assert_eq!(reader.u64().unwrap(), large);
            prop_assert_eq!(reader.bool().unwrap(), yes);
            prop_assert_eq!(reader.opaque(bytes.len()).unwrap(), &bytes[..]);
            prop_assert_eq!(reader.fixed::<7>().unwrap(), id);
            reader.finish().unwrap();
        }
    }

    #[test]
    fn lengths_are_not_believed() {
        let huge = [0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4];
        assert_eq!(
            Reader::new(&huge).opaque(64),
            Err(Malformed::TooLong { what: "a field", length: u32::MAX, limit: 64 })
        );
        assert_eq!(Reader::new(&huge).opaque(usize::MAX), Err(Malformed::Truncated));
        assert_eq!(Reader::new(&huge).count(usize::MAX), Err(Malformed::Truncated));
        assert_eq!(
            Reader::new(&[0, 0, 0, 5, 1, 2, 3, 4, 5]).opaque(64),
            Err(Malformed::Truncated),
            "no padding"
        );
        assert_eq!(
            Reader::new(&[0, 0, 0, 2]).bool(),
            Err(Malformed::Value { what: "truth value", value: 2 })
        );
        assert_eq!(Reader::new(&[0, 0, 0]).u32(), Err(Malformed::Truncated));
        assert_eq!(Reader::new(&[0]).finish(), Err(Malformed::Trailing(1)));
    }
}
