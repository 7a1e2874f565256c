//! The operations of NFSv4.1 that a preflight needs (RFC 8881, section 18; their XDR in RFC 5662): numbers and arguments.
//!
//! Pure: what to ask as bytes. What comes back is for [`super::results`]; sessions, retries and the order of things for
//! [`super::client`].

use crate::wire::xdr::Writer;

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

/// `UNSTABLE4` of `stable_how4`.
const UNSTABLE: u32 = 0;

const WRITE_LOCK: u32 = 2;
/// From the first byte to the end, however long the file grows: what Linux makes of flock(2).
const WHOLE_FILE: (u64, u64) = (0, u64::MAX);

// Attributes, by their number (RFC 8881, section 5.6 and 5.7).
pub(super) const TYPE: u32 = 1;
pub(super) const SIZE: u32 = 4;
pub(super) const FSID: u32 = 8;
pub(super) const LEASE_TIME: u32 = 10;
pub(super) const RDATTR_ERROR: u32 = 11;
pub(super) const FILEID: u32 = 20;
pub(super) const MODE: u32 = 33;
pub(super) const OWNER: u32 = 36;
pub(super) const OWNER_GROUP: u32 = 37;
pub(super) const TIME_MODIFY: u32 = 53;

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
    pub(super) place: Option<u32>,
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
