//! What can go wrong between this machine and a server, and the status codes with which a server refuses.

use std::{fmt, io, net::SocketAddr, time::Duration};

use serde::Serialize;

use super::xdr::Malformed;

/// A status with which a server refuses: `nfsstat3` (RFC 1813), `mountstat3` or `nfsstat4` (RFC 8881, section 15). The
/// three agree wherever they name the same thing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Status(pub(crate) u32);

macro_rules! statuses {
    ($($name:ident = $code:literal),+ $(,)?) => {
        impl Status {
            $(#[doc = concat!("`NFS4ERR_", stringify!($name), "`")] pub const $name: Self = Self($code);)+

            /// Its name in RFC 8881 without `NFS4ERR_`, where it is known here.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)+
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    OK = 0, PERM = 1, NOENT = 2, IO = 5, NXIO = 6, ACCESS = 13, EXIST = 17, XDEV = 18, NOTDIR = 20, ISDIR = 21, INVAL = 22,
    FBIG = 27, NOSPC = 28, ROFS = 30, MLINK = 31, NAMETOOLONG = 63, NOTEMPTY = 66, DQUOT = 69, STALE = 70,
    BADHANDLE = 10001, BAD_COOKIE = 10003, NOTSUPP = 10004, TOOSMALL = 10005, SERVERFAULT = 10006, BADTYPE = 10007,
    DELAY = 10008, SAME = 10009, DENIED = 10010, EXPIRED = 10011, LOCKED = 10012, GRACE = 10013, FHEXPIRED = 10014,
    SHARE_DENIED = 10015, WRONGSEC = 10016, CLID_INUSE = 10017, RESOURCE = 10018, MOVED = 10019, NOFILEHANDLE = 10020,
    MINOR_VERS_MISMATCH = 10021, STALE_CLIENTID = 10022, STALE_STATEID = 10023, OLD_STATEID = 10024, BAD_STATEID = 10025,
    BAD_SEQID = 10026, LOCK_RANGE = 10028, SYMLINK = 10029, RESTOREFH = 10030, ATTRNOTSUPP = 10032, NO_GRACE = 10033,
    BADXDR = 10036, LOCKS_HELD = 10037, OPENMODE = 10038, BADOWNER = 10039, BADCHAR = 10040, BADNAME = 10041,
    LOCK_NOTSUPP = 10043, OP_ILLEGAL = 10044, DEADLOCK = 10045, FILE_OPEN = 10046, ADMIN_REVOKED = 10047,
    BADIOMODE = 10049, BADSESSION = 10052, CONN_NOT_BOUND_TO_SESSION = 10055, SEQ_MISORDERED = 10063,
    SEQUENCE_POS = 10064, REQ_TOO_BIG = 10065, REP_TOO_BIG = 10066, TOO_MANY_OPS = 10070, OP_NOT_IN_SESSION = 10071,
    COMPLETE_ALREADY = 10054, CLIENTID_BUSY = 10074, NOT_ONLY_OP = 10081, WRONG_CRED = 10082, DEADSESSION = 10078,
}

impl Status {
    /// The number on the wire.
    pub fn code(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "status {}", self.0),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Something that was asked of a server, without a usable answer. `what` names the call, for instance `WRITE`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What the caller asked for makes no sense.
    #[error("{0}")]
    Input(String),
    /// The host has no address.
    #[error("the host {host} cannot be resolved: {source}")]
    Resolve {
        /// The host, as it was given.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// Nobody listens there, or no way leads there.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No answer came in time.
    #[error("{what}: no answer within {limit:.1?}")]
    Timeout {
        /// Which call.
        what: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// The time for everything was over before this call could be made.
    #[error("{what}: there was no time left for it")]
    OutOfTime {
        /// Which call.
        what: &'static str,
    },
    /// The connection ended before the answer was complete.
    #[error("{what}: the connection ended: {source}")]
    Broken {
        /// Which call.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The answer breaks the protocol.
    #[error("{what}: the reply cannot be read: {why}")]
    Garbled {
        /// Which call.
        what: &'static str,
        /// Where it breaks off.
        why: String,
    },
    /// The server speaks other versions of the protocol.
    #[error("{what}: the server does not speak the version that was asked for, it speaks {}", Versions(*low, *high))]
    Version {
        /// Which call.
        what: &'static str,
        /// The lowest version it speaks.
        low: u32,
        /// The highest.
        high: u32,
    },
    /// The server does not offer the service at all.
    #[error("{what}: the server offers no such service")]
    NoProgram {
        /// Which call.
        what: &'static str,
    },
    /// The server does not know the procedure or the operation, or could not read its arguments.
    #[error("{what}: the server does not know this call")]
    NoProcedure {
        /// Which call.
        what: &'static str,
    },
    /// The server does not take the credentials (AUTH_SYS), or fails by itself.
    #[error("{what}: the server rejected the call: {why}")]
    Rejected {
        /// Which call.
        what: &'static str,
        /// The reason it gives.
        why: String,
    },
    /// The server refused.
    #[error("{what}: {status}")]
    Refused {
        /// Which call.
        what: &'static str,
        /// The reason it gives.
        status: Status,
    },
    /// There is no such export.
    #[error("{path} is not exported: {missing} is not there")]
    NoExport {
        /// The path that was asked for.
        path: String,
        /// How far the server did not know it.
        missing: String,
        /// What the server exports, as far as it tells.
        there: Vec<String>,
    },
    /// What was committed is not certain to be durable: the server's write verifier changed again and again.
    #[error("COMMIT: the write verifier changed {times} times in a row")]
    Forgetful {
        /// How often.
        times: u32,
    },
    /// The bytes that were read are not the bytes that were written.
    #[error("READ: what was read back differs from what was written, from byte {offset} on")]
    Differs {
        /// The first byte that differs, or where the file ended.
        offset: usize,
    },
}

impl Error {
    pub(crate) fn garbled(what: &'static str, why: &Malformed) -> Self {
        Self::Garbled { what, why: why.to_string() }
    }

    /// The status with which the server refused, if it did.
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

struct Versions(u32, u32);

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 { write!(f, "only {}", self.0) } else { write!(f, "{} to {}", self.0, self.1) }
    }
}
