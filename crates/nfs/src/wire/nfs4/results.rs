//! What the operations of [`super::operations`] bring back.
//!
//! Pure: bytes in, values out. Every length is bounded, and what was not asked for is refused.

use super::operations::*;
use crate::wire::{
    error::Status,
    remote::{Attributes, Identity, Kind},
    xdr::{Malformed, Reader},
};

/// `NFS4_FHSIZE`.
const LONGEST_HANDLE: usize = 128;
/// `NFS4_OPAQUE_LIMIT`; owners, scopes and names of implementations keep to it as well.
const LONGEST_FIELD: usize = 1024;
/// Longer than any file system's names.
const LONGEST_NAME: usize = 4096;
/// Bytes of attributes of one file. An owner's name is the longest of them.
const LONGEST_ATTRIBUTES: usize = 64 * 1024;
/// `FILE_SYNC4` of `stable_how4`.
const FILE_SYNC: u32 = 2;

/// Why the results of a COMPOUND cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// An operation, counted from 0, was refused, and with it all that follow.
    Refused {
        operation: u32,
        at: u32,
        status: Status,
    },
    Malformed(Malformed),
}

impl From<Malformed> for Stop {
    fn from(why: Malformed) -> Self {
        Self::Malformed(why)
    }
}

/// What EXCHANGE_ID tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exchanged {
    pub(super) client: u64,
    pub(super) sequence: u32,
    /// What the server calls itself, if it does.
    pub(super) implementation: Option<String>,
}

/// What came of asking for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locked {
    Granted(StateId),
    Denied,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) attributes: Attributes,
}

/// Some names of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    /// Where to go on, `None` at the end.
    pub(super) next: Option<(u64, [u8; 8])>,
}

/// The results of one COMPOUND, read in order.
#[derive(Debug, Clone)]
pub(super) struct Results<'a> {
    reader: Reader<'a>,
    left: u32,
    read: u32,
}

impl<'a> Results<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Stop> {
        let mut reader = Reader::new(bytes);
        let status = Status(reader.u32()?);
        reader.opaque(LONGEST_FIELD)?;
        let left = reader.u32()?;
        if left == 0 && status != Status::OK {
            // The compound as a whole was refused, for instance for its minor version.
            return Err(Stop::Refused { operation: 0, at: 0, status });
        }
        Ok(Self { reader, left, read: 0 })
    }

    /// The result of the next operation is of this one, and good; its body follows.
    pub(super) fn good(&mut self, operation: u32) -> Result<&mut Reader<'a>, Stop> {
        match self.status(operation)? {
            Status::OK => Ok(&mut self.reader),
            status => Err(Stop::Refused { operation, at: self.read - 1, status }),
        }
    }

    fn status(&mut self, operation: u32) -> Result<Status, Stop> {
        self.left = self.left.checked_sub(1).ok_or(Malformed::Truncated)?;
        self.read += 1;
        let value = self.reader.u32()?;
        let status = Status(self.reader.u32()?);
        // A server may answer "illegal" in an operation's place (RFC 8881, section 18.52).
        if value != operation && status != Status::OP_ILLEGAL {
            return Err(Malformed::Value { what: "operation that was asked for", value }.into());
        }
        Ok(status)
    }

    pub(super) fn sequence(&mut self, session: SessionId) -> Result<(), Stop> {
        let reader = self.good(SEQUENCE)?;
        if reader.fixed::<16>()? != session.0 {
            return Err(Malformed::Value { what: "session of ours", value: 0 }.into());
        }
        for _ in 0..5 {
            reader.u32()?;
        }
        Ok(())
    }

    /// What [`Operations::root`] or [`Operations::at`] began with was good.
    pub(super) fn begun(&mut self, operations: &Operations) -> Result<(), Stop> {
        match operations.place {
            Some(operation) => self.good(operation).map(drop),
            None => Ok(()),
        }
    }

    pub(super) fn exchange_id(&mut self) -> Result<Exchanged, Stop> {
        let reader = self.good(EXCHANGE_ID)?;
        let (client, sequence) = (reader.u64()?, reader.u32()?);
        reader.u32()?; // flags
        match reader.u32()? {
            0 => {}
            value => {
                return Err(Malformed::Value { what: "state protection that was asked for", value }.into());
            }
        }
        reader.u64()?; // the server's minor id
        reader.opaque(LONGEST_FIELD)?; // its major id
        reader.opaque(LONGEST_FIELD)?; // its scope
        let mut implementation = None;
        for _ in 0..reader.count(1)? {
            reader.opaque(LONGEST_FIELD)?; // domain
            implementation = Some(reader.text(LONGEST_FIELD)?).filter(|name| !name.is_empty());
            reader.i64()?;
            reader.u32()?;
        }
        Ok(Exchanged { client, sequence, implementation })
    }

    pub(super) fn create_session(&mut self) -> Result<(SessionId, Channel), Stop> {
        let reader = self.good(CREATE_SESSION)?;
        let session = SessionId(reader.fixed()?);
        reader.u32()?; // sequence
        reader.u32()?; // flags
        let mut fore = None;
        for _ in 0..2 {
            reader.u32()?; // padding
            let (request, response) = (reader.u32()?, reader.u32()?);
            reader.u32()?; // cached
            let operations = reader.u32()?;
            reader.u32()?; // slots
            for _ in 0..reader.count(1)? {
                reader.u32()?;
            }
            fore = fore.or(Some(Channel { request, response, operations }));
        }
        Ok((session, fore.ok_or(Malformed::Truncated)?))
    }

    pub(super) fn handle(&mut self) -> Result<Vec<u8>, Stop> {
        Ok(self.good(GETFH)?.opaque(LONGEST_HANDLE)?.to_vec())
    }

    pub(super) fn attributes(&mut self) -> Result<Attributes, Stop> {
        Ok(attributes(self.good(GETATTR)?)?.0)
    }

    /// The lease, in seconds, which alone was asked for.
    pub(super) fn lease(&mut self) -> Result<Option<u32>, Stop> {
        Ok(attributes(self.good(GETATTR)?)?.1)
    }

    pub(super) fn access(&mut self) -> Result<u32, Stop> {
        let reader = self.good(ACCESS)?;
        let (supported, granted) = (reader.u32()?, reader.u32()?);
        Ok(supported & granted)
    }

    pub(super) fn open(&mut self) -> Result<StateId, Stop> {
        let reader = self.good(OPEN)?;
        let state = state(reader)?;
        change(reader)?;
        reader.u32()?; // flags
        for _ in 0..reader.count(8)? {
            reader.u32()?; // attributes that were set
        }
        delegation(reader)?;
        Ok(state)
    }

    pub(super) fn close(&mut self) -> Result<(), Stop> {
        state(self.good(CLOSE)?)?;
        Ok(())
    }

    /// How many bytes, how stable, and the write verifier.
    pub(super) fn write(&mut self) -> Result<(u32, bool, [u8; 8]), Stop> {
        let reader = self.good(WRITE)?;
        let (count, committed) = (reader.u32()?, reader.u32()?);
        if committed > FILE_SYNC {
            return Err(Malformed::Value { what: "way to be stable", value: committed }.into());
        }
        Ok((count, committed == FILE_SYNC, reader.fixed()?))
    }

    pub(super) fn commit(&mut self) -> Result<[u8; 8], Stop> {
        Ok(self.good(COMMIT)?.fixed()?)
    }

    pub(super) fn read(&mut self, most: u32) -> Result<(Vec<u8>, bool), Stop> {
        let reader = self.good(READ)?;
        let end = reader.bool()?;
        let bytes = reader.opaque(usize::try_from(most).unwrap_or(usize::MAX))?;
        Ok((bytes.to_vec(), end))
    }

    pub(super) fn rename(&mut self) -> Result<(), Stop> {
        let reader = self.good(RENAME)?;
        change(reader)?;
        change(reader)?;
        Ok(())
    }

    pub(super) fn remove(&mut self) -> Result<(), Stop> {
        change(self.good(REMOVE)?)?;
        Ok(())
    }

    pub(super) fn list(&mut self) -> Result<Page, Stop> {
        let reader = self.good(READDIR)?;
        let verifier = reader.fixed()?;
        let mut entries = Vec::new();
        let mut last = None;
        while reader.bool()? {
            last = Some(reader.u64()?);
            let name = reader.opaque(LONGEST_NAME)?.to_vec();
            entries.push(Entry { name, attributes: attributes(reader)?.0 });
        }
        let end = reader.bool()?;
        match last {
            _ if end => Ok(Page { entries, next: None }),
            Some(cookie) => Ok(Page { entries, next: Some((cookie, verifier)) }),
            // Neither an entry nor the end: asking again would bring the same.
            None => Err(Malformed::Truncated.into()),
        }
    }

    pub(super) fn lock(&mut self) -> Result<Locked, Stop> {
        match self.status(LOCK)? {
            Status::OK => Ok(Locked::Granted(state(&mut self.reader)?)),
            Status::DENIED => {
                denied(&mut self.reader)?;
                Ok(Locked::Denied)
            }
            status => Err(Stop::Refused { operation: LOCK, at: self.read - 1, status }),
        }
    }

    /// Whether the lock was to be had.
    pub(super) fn test_lock(&mut self) -> Result<bool, Stop> {
        match self.status(LOCKT)? {
            Status::OK => Ok(true),
            Status::DENIED => {
                denied(&mut self.reader)?;
                Ok(false)
            }
            status => Err(Stop::Refused { operation: LOCKT, at: self.read - 1, status }),
        }
    }

    pub(super) fn unlock(&mut self) -> Result<StateId, Stop> {
        Ok(state(self.good(LOCKU)?)?)
    }

    /// Nothing may follow.
    pub(super) fn finish(self) -> Result<(), Stop> {
        if self.left != 0 {
            return Err(Malformed::Value { what: "number of results", value: self.left }.into());
        }
        Ok(self.reader.finish()?)
    }
}

fn state(reader: &mut Reader<'_>) -> Result<StateId, Malformed> {
    reader.fixed().map(StateId)
}

/// `change_info4`: whether a directory changed meanwhile, which is of no matter here.
fn change(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    reader.bool()?;
    reader.u64()?;
    reader.u64()?;
    Ok(())
}

/// Who holds a lock (`LOCK4denied`).
fn denied(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    reader.u64()?;
    reader.u64()?;
    reader.u32()?;
    reader.u64()?;
    reader.opaque(LONGEST_FIELD)?;
    Ok(())
}

/// A delegation (`open_delegation4`). None is wanted and no way is offered to recall one, so none should come.
fn delegation(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    match reader.u32()? {
        0 => Ok(()),
        3 => {
            // Why not; two of the reasons carry one word more.
            if matches!(reader.u32()?, 1 | 2) {
                reader.bool()?;
            }
            Ok(())
        }
        value => Err(Malformed::Value { what: "delegation that was asked for", value }),
    }
}

/// `fattr4`: those that are asked for here, in the order of their numbers; and the lease, which belongs to no file.
fn attributes(reader: &mut Reader<'_>) -> Result<(Attributes, Option<u32>), Malformed> {
    let mut words = Vec::new();
    for _ in 0..reader.count(8)? {
        words.push(reader.u32()?);
    }
    let mut values = Reader::new(reader.opaque(LONGEST_ATTRIBUTES)?);
    let mut found = Attributes::default();
    let mut lease = None;
    for (base, word) in (0u32..).step_by(32).zip(words) {
        for bit in (0..32).filter(|bit| word >> bit & 1 == 1) {
            match base + bit {
                TYPE => {
                    found.kind = match values.u32()? {
                        1 => Kind::File,
                        2 => Kind::Directory,
                        _ => Kind::Other,
                    }
                }
                SIZE => found.size = values.u64()?,
                FSID => found.fsid = (values.u64()?, values.u64()?),
                LEASE_TIME => lease = Some(values.u32()?),
                RDATTR_ERROR => {
                    values.u32()?;
                }
                FILEID => found.fileid = values.u64()?,
                MODE => found.mode = values.u32()?,
                OWNER => found.owner = Some(Identity::read(&values.text(LONGEST_FIELD)?)),
                OWNER_GROUP => found.group = Some(Identity::read(&values.text(LONGEST_FIELD)?)),
                TIME_MODIFY => {
                    found.modified = values.i64()?;
                    values.u32()?;
                }
                value => return Err(Malformed::Value { what: "attribute that was asked for", value }),
            }
        }
    }
    values.finish()?;
    Ok((found, lease))
}
