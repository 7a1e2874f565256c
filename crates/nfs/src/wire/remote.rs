//! What the preflight asks of a mounted export, whichever version of the protocol carries it.

use std::time::Duration;

use serde::Serialize;

use super::{
    Target,
    connection::Budget,
    error::{Error, Status},
    preflight::{Log, Stopped},
};

/// Who owns something, as the server says it: a number in NFSv3; in NFSv4 a number or a name, such as `redis@example.org`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Identity {
    /// A uid or a gid.
    Number(u32),
    /// A name, which the server's id mapping chose.
    Name(String),
}

impl Identity {
    /// RFC 8881, section 5.9: digits alone are a number.
    pub(crate) fn read(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Number)
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// What kind of thing a name stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    #[default]
    Other,
}

/// What is known of a file or a directory. What a server does not say stays at its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    /// Which file system it is on.
    pub(crate) fsid: (u64, u64),
    pub(crate) fileid: u64,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) owner: Option<Identity>,
    pub(crate) group: Option<Identity>,
    /// Last modification, seconds since 1970 by the server's clock.
    pub(crate) modified: i64,
}

/// What the server says that the caller may do in a directory (ACCESS).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) read: bool,
    pub(crate) lookup: bool,
    /// Add names.
    pub(crate) extend: bool,
    /// Change and remove names.
    pub(crate) modify: bool,
}

impl Access {
    pub(crate) const READ: u32 = 0x01;
    pub(crate) const LOOKUP: u32 = 0x02;
    pub(crate) const MODIFY: u32 = 0x04;
    pub(crate) const EXTEND: u32 = 0x08;
    pub(crate) const DELETE: u32 = 0x10;
    /// The bits are the same in RFC 1813, section 3.3.4, and RFC 8881, section 18.1.
    pub(crate) const ALL: u32 = Self::READ | Self::LOOKUP | Self::MODIFY | Self::EXTEND | Self::DELETE;

    pub(crate) fn from_bits(bits: u32) -> Self {
        let has = |bit| bits & bit != 0;
        Self {
            read: has(Self::READ),
            lookup: has(Self::LOOKUP),
            extend: has(Self::EXTEND),
            modify: has(Self::MODIFY),
        }
    }
}

/// What came of a WRITE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) count: u32,
    /// The server says it is on stable storage already, with all that is needed to find it: no COMMIT is needed.
    pub(crate) stable: bool,
    /// Changes when the server may have lost what was not committed.
    pub(crate) verifier: [u8; 8],
}

/// What came of trying to lock a file twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locks {
    /// The second owner was refused, and got the lock once the first had let go.
    Exclusive,
    /// Both owners got it at the same time.
    GrantedTwice,
    /// The second owner was refused even after the first had let go.
    NeverReleased,
    /// The server has no locks.
    Unsupported(Status),
    /// The version has no locks of its own.
    NotInThisVersion,
}

/// How often a server asked to come again later, and how long that was obeyed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Answers of NFS4ERR_DELAY or NFS3ERR_JUKEBOX.
    pub(crate) delays: u32,
    /// Answers of NFS4ERR_GRACE: the server started a short time ago and waits for its clients.
    pub(crate) graces: u32,
    pub(crate) waited: Duration,
}

impl Patience {
    /// Notes a status, and says how long to wait before the call is made again; `None` when the status is final.
    pub(crate) fn pause(&mut self, status: Status, attempt: u32) -> Option<Duration> {
        let pause = match status {
            Status::DELAY => {
                self.delays += 1;
                Duration::from_millis(20 << attempt.min(5))
            }
            Status::GRACE => {
                self.graces += 1;
                Duration::from_millis(500)
            }
            _ => return None,
        };
        self.waited += pause;
        Some(pause)
    }
}

/// A mounted export. Names are names in its root; the file handle in use is the caller's.
#[allow(async_fn_in_trait, reason = "crate-private")]
pub(crate) trait Remote: Send + Sized {
    /// An open file.
    type File: Send + Sync;

    /// Connects, says hello and mounts, and notes each step.
    async fn dial(target: &Target, budget: Budget, log: &mut Log) -> Result<Self, Stopped>;
    /// How long things may take from now on.
    fn allow(&mut self, budget: Budget);
    fn budget(&self) -> Budget;
    /// The most bytes to put into one WRITE or to ask of one READ.
    fn chunk(&self) -> (u32, u32);
    fn patience(&self) -> Patience;

    /// The root's attributes, and what the caller may do there.
    async fn root(&mut self) -> Result<(Attributes, Access), Error>;
    /// The names in the root that `keep` keeps, at most a number that is enough for a folder of a Redis node.
    async fn names(&mut self, keep: fn(&str) -> bool) -> Result<Vec<String>, Error>;
    /// The attributes of a name, `None` when there is no such name.
    async fn look(&mut self, name: &str) -> Result<Option<Attributes>, Error>;
    /// Makes a file that must not exist yet.
    async fn create(&mut self, name: &str, mode: u32) -> Result<Self::File, Error>;
    /// Opens a file that exists.
    async fn open(&mut self, name: &str, write: bool) -> Result<Self::File, Error>;
    async fn attributes(&mut self, file: &Self::File) -> Result<Attributes, Error>;
    /// Writes as much as the server takes, not necessarily to stable storage.
    async fn write(&mut self, file: &Self::File, offset: u64, bytes: &[u8]) -> Result<Written, Error>;
    /// Brings everything written to stable storage; the write verifier.
    async fn commit(&mut self, file: &Self::File) -> Result<[u8; 8], Error>;
    /// At most `count` bytes, and whether the file ends there.
    async fn read(&mut self, file: &Self::File, offset: u64, count: u32) -> Result<(Vec<u8>, bool), Error>;
    async fn close(&mut self, file: Self::File) -> Result<(), Error>;
    async fn rename(&mut self, from: &str, to: &str) -> Result<(), Error>;
    async fn remove(&mut self, name: &str) -> Result<(), Error>;
    /// Locks the whole file, tries the same as another owner, and lets go.
    async fn lock(&mut self, file: &Self::File) -> Result<Locks, Error>;
    /// Lets the server forget this client. What goes wrong is of no matter: a lease ends by itself.
    async fn farewell(&mut self);
}
