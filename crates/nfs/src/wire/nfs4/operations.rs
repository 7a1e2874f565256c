//! The operations of NFSv4.1 that a preflight needs (RFC 8881, section 18; their XDR in RFC 5662), as arguments and results.
//!
//! Pure: bytes out, bytes in. Sessions, retries and the order of things are in [`super::client`].

use crate::wire::{
    error::Status,
    remote::{Attributes, Identity, Kind},
    xdr::{Malformed, Reader, Writer},
};

pub(super) const ACCESS: u32 = 3;
pub(super) const CLOSE: u32 = 4;
pub(super) const COMMIT: u32 = 5;
pub(super) const GETATTR: u32 = 9;
pub(super) const GETFH: u32 = 10;
pub(super) const LOCK: u32 = 12;
pub(super) const LOCKT: u32 = 13;
pub(super) const LOCKU: u32 = 14;
pub(super) const LOOKUP: u32 = 15;
pub(super) const OPEN: u32 = 18;
pub(super) const PUTFH: u32 = 22;
pub(super) const PUTROOTFH: u32 = 24;
pub(super) const READ: u32 = 25;
pub(super) const READDIR: u32 = 26;
pub(super) const REMOVE: u32 = 28;
pub(super) const RENAME: u32 = 29;
pub(super) const SAVEFH: u32 = 32;
pub(super) const WRITE: u32 = 38;
pub(super) const EXCHANGE_ID: u32 = 42;
pub(super) const CREATE_SESSION: u32 = 43;
pub(super) const DESTROY_SESSION: u32 = 44;
pub(super) const SEQUENCE: u32 = 53;
pub(super) const DESTROY_CLIENTID: u32 = 57;
pub(super) const RECLAIM_COMPLETE: u32 = 58;

const MINOR_VERSION: u32 = 1;
/// `NFS4_FHSIZE`.
const LONGEST_HANDLE: usize = 128;
/// `NFS4_OPAQUE_LIMIT`; owners, scopes and names of implementations keep to it as well.
const LONGEST_FIELD: usize = 1024;
/// Longer than any file system's names.
const LONGEST_NAME: usize = 4096;
/// Bytes of attributes of one file. An owner's name is the longest of them.
const LONGEST_ATTRIBUTES: usize = 64 * 1024;

/// `UNSTABLE4`, `FILE_SYNC4` of `stable_how4`.
pub(super) const UNSTABLE: u32 = 0;
const FILE_SYNC: u32 = 2;

const WRITE_LOCK: u32 = 2;
/// From the first byte to the end, however long the file grows: what Linux makes of flock(2).
const WHOLE_FILE: (u64, u64) = (0, u64::MAX);

// Attributes, by their number (RFC 8881, section 5.6 and 5.7).
const TYPE: u32 = 1;
const SIZE: u32 = 4;
const FSID: u32 = 8;
pub(super) const LEASE_TIME: u32 = 10;
const RDATTR_ERROR: u32 = 11;
const FILEID: u32 = 20;
const MODE: u32 = 33;
const OWNER: u32 = 36;
const OWNER_GROUP: u32 = 37;
const TIME_MODIFY: u32 = 53;

/// What is asked of a file.
pub(super) const OF_A_FILE: &[u32] = &[TYPE, SIZE, FSID, FILEID, MODE, OWNER, OWNER_GROUP, TIME_MODIFY];
/// What is asked of an entry of a directory; an error of one entry shall not fail them all.
pub(super) const OF_AN_ENTRY: &[u32] = &[TYPE, FSID, RDATTR_ERROR];

/// An open file or a lock (`stateid4`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StateId(pub(super) [u8; 16]);

/// Which client and session a call belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionId(pub(super) [u8; 16]);

/// Sizes of a session's channel (`channel_attrs4`), in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) request: u32,
    pub(super) response: u32,
    pub(super) operations: u32,
}

/// The operations of one COMPOUND.
#[derive(Debug, Default, Clone)]
pub(super) struct Operations {
    writer: Writer,
    count: u32,
    /// The operation that says where the others work, if it is the first.
    place: Option<u32>,
}

impl Operations {
    fn add(&mut self, operation: u32) -> &mut Writer {
        self.count += 1;
        self.writer.u32(operation)
    }

    /// The arguments of COMPOUND: these operations after `before`.
    pub(super) fn compound(&self, before: &Self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.opaque(b"").u32(MINOR_VERSION).u32(before.count + self.count);
        writer.append(&before.writer).append(&self.writer);
        writer.into_bytes()
    }

    pub(super) fn exchange_id(mut self, owner: &[u8], verifier: [u8; 8]) -> Self {
        let flags = 0;
        let no_state_protection = 0;
        let no_implementation = 0;
        self.add(EXCHANGE_ID)
            .fixed(&verifier)
            .opaque(owner)
            .u32(flags)
            .u32(no_state_protection)
            .u32(no_implementation);
        self
    }

    pub(super) fn create_session(mut self, client: u64, sequence: u32, channel: Channel) -> Self {
        let (flags, callback_program, auth_none) = (0, 0x4000_0000, 0);
        let writer = self.add(CREATE_SESSION).u64(client).u32(sequence).u32(flags);
        let back = Channel { request: 4096, response: 4096, operations: 2 };
        for (channel, cached) in [(channel, 4096), (back, 0)] {
            let (padding, slots, no_rdma) = (0, 1, 0);
            writer.u32(padding).u32(channel.request).u32(channel.response).u32(cached);
            writer.u32(channel.operations).u32(slots).u32(no_rdma);
        }
        writer.u32(callback_program).u32(1).u32(auth_none);
        self
    }

    pub(super) fn sequence(mut self, session: SessionId, sequence: u32) -> Self {
        let (slot, highest_slot, cache) = (0, 0, false);
        self.add(SEQUENCE).fixed(&session.0).u32(sequence).u32(slot).u32(highest_slot).bool(cache);
        self
    }

    pub(super) fn reclaim_complete(mut self) -> Self {
        self.add(RECLAIM_COMPLETE).bool(false);
        self
    }

    pub(super) fn destroy_session(mut self, session: SessionId) -> Self {
        self.add(DESTROY_SESSION).fixed(&session.0);
        self
    }

    pub(super) fn destroy_client(mut self, client: u64) -> Self {
        self.add(DESTROY_CLIENTID).u64(client);
        self
    }

    /// At the server's root.
    pub(super) fn root() -> Self {
        let mut operations = Self { place: Some(PUTROOTFH), ..Self::default() };
        operations.add(PUTROOTFH);
        operations
    }

    /// At the file or the directory with this handle.
    pub(super) fn at(handle: &[u8]) -> Self {
        let mut operations = Self { place: Some(PUTFH), ..Self::default() };
        operations.add(PUTFH).opaque(handle);
        operations
    }

    pub(super) fn save(mut self) -> Self {
        self.add(SAVEFH);
        self
    }

    pub(super) fn lookup(mut self, name: &[u8]) -> Self {
        self.add(LOOKUP).opaque(name);
        self
    }

    pub(super) fn handle(mut self) -> Self {
        self.add(GETFH);
        self
    }

    pub(super) fn attributes(mut self, wanted: &[u32]) -> Self {
        bitmap(self.add(GETATTR), wanted);
        self
    }

    pub(super) fn access(mut self, bits: u32) -> Self {
        self.add(ACCESS).u32(bits);
        self
    }

    /// Opens a name in the directory at hand: a new file with this mode, or one that exists.
    pub(super) fn open(
        mut self,
        client: u64,
        owner: &[u8],
        name: &str,
        write: bool,
        new: Option<u32>,
    ) -> Self {
        const READ_WRITE: (u32, u32) = (1, 2);
        const NO_DELEGATION: u32 = 0x0400;
        let access = READ_WRITE.0 | if write { READ_WRITE.1 } else { 0 };
        let (sequence, deny, guarded, by_name) = (0, 0, 1, 0);
        let writer =
            self.add(OPEN).u32(sequence).u32(access | NO_DELEGATION).u32(deny).u64(client).opaque(owner);
        if let Some(mode) = new {
            let mut values = Writer::default();
            values.u32(mode);
            writer.u32(1).u32(guarded);
            bitmap(writer, &[MODE]);
            writer.opaque(&values.into_bytes());
        } else {
            writer.u32(0);
        }
        writer.u32(by_name).opaque(name.as_bytes());
        self
    }

    pub(super) fn close(mut self, file: StateId) -> Self {
        self.add(CLOSE).u32(0).fixed(&file.0);
        self
    }

    pub(super) fn write(mut self, file: StateId, offset: u64, bytes: &[u8]) -> Self {
        self.add(WRITE).fixed(&file.0).u64(offset).u32(UNSTABLE).opaque(bytes);
        self
    }

    pub(super) fn commit(mut self) -> Self {
        let (offset, all) = (0, 0);
        self.add(COMMIT).u64(offset).u32(all);
        self
    }

    pub(super) fn read(mut self, file: StateId, offset: u64, count: u32) -> Self {
        self.add(READ).fixed(&file.0).u64(offset).u32(count);
        self
    }

    /// From the saved directory to the one at hand.
    pub(super) fn rename(mut self, from: &str, to: &str) -> Self {
        self.add(RENAME).opaque(from.as_bytes()).opaque(to.as_bytes());
        self
    }

    pub(super) fn remove(mut self, name: &str) -> Self {
        self.add(REMOVE).opaque(name.as_bytes());
        self
    }

    pub(super) fn list(mut self, cookie: u64, verifier: [u8; 8], most: u32, wanted: &[u32]) -> Self {
        bitmap(self.add(READDIR).u64(cookie).fixed(&verifier).u32(most).u32(most), wanted);
        self
    }

    /// Locks the whole file for writing, for an owner that holds no lock of it.
    pub(super) fn lock(mut self, file: StateId, client: u64, owner: &[u8]) -> Self {
        let (reclaim, new_owner, sequence) = (false, true, 0);
        let writer = self.add(LOCK).u32(WRITE_LOCK).bool(reclaim).u64(WHOLE_FILE.0).u64(WHOLE_FILE.1);
        writer.bool(new_owner).u32(sequence).fixed(&file.0).u32(sequence).u64(client).opaque(owner);
        self
    }

    /// Would the owner get the lock?
    pub(super) fn test_lock(mut self, client: u64, owner: &[u8]) -> Self {
        self.add(LOCKT).u32(WRITE_LOCK).u64(WHOLE_FILE.0).u64(WHOLE_FILE.1).u64(client).opaque(owner);
        self
    }

    pub(super) fn unlock(mut self, lock: StateId) -> Self {
        self.add(LOCKU).u32(WRITE_LOCK).u32(0).fixed(&lock.0).u64(WHOLE_FILE.0).u64(WHOLE_FILE.1);
        self
    }
}

fn bitmap(writer: &mut Writer, bits: &[u32]) {
    let mut words = [0u32; 2];
    for bit in bits {
        if let Some(word) = words.get_mut(usize::try_from(bit / 32).unwrap_or(usize::MAX)) {
            *word |= 1 << (bit % 32);
        }
    }
    writer.u32(2).u32(words[0]).u32(words[1]);
}

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

/// What OPEN tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) state: StateId,
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

    pub(super) fn open(&mut self) -> Result<Opened, Stop> {
        let reader = self.good(OPEN)?;
        let state = state(reader)?;
        change(reader)?;
        reader.u32()?; // flags
        for _ in 0..reader.count(8)? {
            reader.u32()?; // attributes that were set
        }
        delegation(reader)?;
        Ok(Opened { state })
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
