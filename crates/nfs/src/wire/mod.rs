//! Verification over the wire: could a Redis node live on this export? No kernel mount, no privileges but a source port.
//!
//! [`exports`] asks what a server exports. [`verify`] mounts an export in user space and does there what a node does, as
//! the user that the pods run as: make, write, COMMIT, rename over, read back, append with a sync each, lock; and removes
//! what it made. What it finds comes as a [`Report`] with [`Finding`](crate::Finding)s, never as a panic, and in the time
//! that it was given.
//!
//! # What it stands on
//!
//! NFSv3 goes through `nfs3_client` (kept; 0.9.1): its RPC client, its arguments. Its decoders are not used, because they
//! reserve what a length field claims before they look whether the reply holds it: one word of a reply to MNT asks for
//! 16 GiB, and memory that is not there ends the process. It also spins for ever on a stream that has ended. [`records`]
//! bounds and completes replies below it, and [`nfs3`] reads them.
//!
//! NFSv4.1 is a client of our own over the same RPC client: [`nfs4`], of which the half that matters, bytes to values, is
//! pure. What was there in 2026:
//!
//! | crate | why not |
//! |---|---|
//! | `nfs-rs` 0.11 | the only one with locks, and alive (several releases a month, each with breaking changes); 65,000 lines that reconnect, retry and repeat calls by themselves, which hides what a verification looks for (a lost session, a changed write verifier); a panic in its generated decoder is patched by text replacement at build time; one lock owner a client, where a second must be seen to be refused |
//! | `nfs` 0.1 | speaks 4.2 only, no operation of its client locks; "not recommended for production use" |
//! | `vnfs` 0.0.28 | stands on bindings made for it alone, no locks |
//! | `nfs4_client` 0.1 | of 2018, on serde-xdr 0.6 |
//! | libnfs (C) | 4.0.0, which Debian 12 has, speaks 4.0 only and fails writes of 4096 bytes; needs unsafe code |

mod connection;
mod error;
mod judge;
mod nfs3;
mod nfs4;
mod preflight;
mod records;
mod remote;
mod report;
mod xdr;

use std::{
    fmt,
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

pub use error::{Error, Status};
pub use remote::Identity;
pub use report::{FoundFile, Latency, Made, Outcome, Report, Step, StepName};

use connection::{Budget, Caller, Connection};
use preflight::Log;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Version {
    /// NFSv3 (RFC 1813). Its locks are another protocol's and are not checked.
    #[serde(rename = "3")]
    V3,
    /// NFSv4.1 (RFC 8881), which the volumes use.
    #[serde(rename = "4.1")]
    V4_1,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V3 => "NFSv3",
            Self::V4_1 => "NFSv4.1",
        })
    }
}

/// Which export to verify, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The server: a name or an address.
    pub host: String,
    /// Its NFS port, usually 2049.
    pub port: u16,
    /// The port of its MOUNT service; `None` asks the portmapper. NFSv3 only.
    pub mount_port: Option<u16>,
    /// The version to speak.
    pub version: Version,
    /// The export's path as clients name it, absolute.
    pub path: String,
    /// The user the pods run as.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Call from a port below 1024, as kernels do and as `secure` exports want it. A process that may not have one uses
    /// another, and a finding says so.
    pub privileged_port: bool,
}

impl Target {
    fn caller(&self) -> Caller {
        Caller { uid: self.uid, gid: self.gid }
    }

    /// `/` or `/a/b`, without `.` and `..`.
    fn check(&self) -> Result<(), Error> {
        if !self.path.starts_with('/') || self.path.contains('\0') || self.path.len() > 1024 {
            return Err(Error::Input(format!("{:?} is no absolute path", self.path)));
        }
        if self.path.split('/').any(|name| name == "." || name == "..") {
            return Err(Error::Input(format!("the path {} must not contain . or ..", self.path)));
        }
        Ok(())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}{}", self.host, self.port, self.path)
    }
}

/// How much a verification does, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight {
    /// How many synced appends are measured. Fewer are, when half of the time is over before.
    pub appends: usize,
    /// How long everything may take, cleaning up included.
    pub limit: Duration,
    /// How long one call may take.
    pub call_limit: Duration,
    /// Names in the export's root whose bytes are handed back where they exist, for instance `nodes.conf`.
    pub read: Vec<String>,
}

impl Default for Preflight {
    /// 200 appends; one minute, and five seconds a call; nothing is read.
    fn default() -> Self {
        Self {
            appends: 200,
            limit: Duration::from_secs(60),
            call_limit: Duration::from_secs(5),
            read: Vec::new(),
        }
    }
}

/// Something that a server exports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The path to mount.
    pub path: String,
    /// Who may mount it, as the server says it; empty when it does not say (NFSv4), or says everyone.
    pub groups: Vec<String>,
}

/// What a server exports: in NFSv3 its own list (MOUNT EXPORT); in NFSv4.1 every path below the server's root at which
/// another file system begins. (An NFSv4 server has no list. One that gives an export and its pseudo file system the same
/// `fsid` hides it from this; an `fsid=` of its own, which this crate always writes, shows it.)
///
/// The target's path is not looked at. One call may take `call_limit`, all together six times that.
///
/// # Errors
/// When the server cannot be reached, speaks another version or refuses.
pub async fn exports(target: &Target, call_limit: Duration) -> Result<Vec<Listed>, Error> {
    let budget = Budget { deadline: Instant::now() + call_limit * 6, call: call_limit };
    let addresses = connection::resolve(&target.host, target.port, &budget).await?;
    match target.version {
        Version::V3 => {
            let mut found: Vec<Listed> = mount_service(target, addresses, budget)
                .exports()
                .await?
                .into_iter()
                .map(|(path, groups)| Listed { path, groups })
                .collect();
            found.sort_by(|one, other| one.path.cmp(&other.path));
            Ok(found)
        }
        Version::V4_1 => {
            use remote::Remote;
            let connection =
                Connection::open(&addresses, target.caller(), target.privileged_port, budget).await?;
            let mut client = nfs4::Client::begin(connection).await?;
            let found = client.exports().await;
            client.farewell().await;
            Ok(found?.into_iter().map(|path| Listed { path, groups: Vec::new() }).collect())
        }
    }
}

fn mount_service(target: &Target, addresses: Vec<SocketAddr>, budget: Budget) -> nfs3::MountService {
    let (caller, privileged) = (target.caller(), target.privileged_port);
    nfs3::MountService { addresses, port: target.mount_port, caller, privileged, budget }
}

/// Verifies one export: see the module. It never touches a file that it did not make, except to read those it was asked
/// for; and of its own it removes those that an earlier run left behind more than an hour ago.
///
/// It takes at most [`Preflight::limit`]. A server that asks for patience (NFS4ERR_DELAY, NFS4ERR_GRACE, NFS3ERR_JUKEBOX)
/// gets it as long as there is time; a finding says so.
///
/// ```no_run
/// # async fn example() {
/// use slotwright_nfs::wire::{Preflight, Target, Version, verify};
///
/// let target = Target {
///     host: "10.0.0.5".to_owned(),
///     port: 2049,
///     mount_port: None,
///     version: Version::V4_1,
///     path: "/data/nfs/redis/pv1".to_owned(),
///     uid: 999,
///     gid: 999,
///     privileged_port: true,
/// };
/// let preflight = Preflight { read: vec!["nodes.conf".to_owned()], ..Preflight::default() };
/// let report = verify(&target, &preflight).await;
/// for finding in &report.findings {
///     println!("{finding}");
/// }
/// # }
/// ```
pub async fn verify(target: &Target, preflight: &Preflight) -> Report {
    let mut log = Log::default();
    match (target.check(), target.version) {
        (Err(error), _) => {
            // Nothing was asked of anybody.
            let _ = log.step(StepName::Resolve, async { Err::<(), _>(error) }).await;
        }
        (Ok(()), Version::V3) => preflight::run::<nfs3::Client>(target, preflight, &mut log).await,
        (Ok(()), Version::V4_1) => preflight::run::<nfs4::Client>(target, preflight, &mut log).await,
    }
    log.finish();
    let findings = judge::judge(target, &log.observed);
    Report {
        target: target.to_string(),
        version: target.version,
        uid: target.uid,
        gid: target.gid,
        server: log.server,
        steps: log.steps,
        latency: log.observed.latency,
        lease_seconds: log.observed.lease,
        made: log.observed.created.as_ref().map(Made::of),
        findings,
        found: log.found,
    }
}
