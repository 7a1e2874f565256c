//! Who uses an export of Ganesha now.
//!
//! Ganesha has no list of clients per export. What is to be had, and what it means (tried out on 4.3):
//!
//! | evidence | what it means |
//! |---|---|
//! | an open file below the export (`/proc/<server>/fd`) | NFSv4: a client holds it open, or held it when it went away less than a lease ago; closing it, unmounting or the end of the lease closes it here. NFSv3 has no close: a client read or wrote it once, and may be gone |
//! | a lock on it (`fdinfo`) | a client holds that lock; Redis has one on nodes.conf |
//! | a request over NFSv3 in the last half minute (ShowExports), and a connection of a client that was heard of since then | a client is at work there, and the server has closed its files to have fewer open |
//! | a request over NFSv4 | nothing: who has no file open there has nothing to lose |
//! | a connection | a client has something of this server mounted; not what |
//!
//! The first three count. A client that mounted an export and neither holds a file open nor asks for anything is not seen:
//! it has nothing to lose but its mount. Directories do not count: Ganesha itself holds some open.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use super::control::{Control, Shown};
use crate::{Error, server::User};

/// A request over NFSv3 no more than this many seconds ago tells of a client that is at work. Longer, and one that went on
/// to another export would count too often.
const RECENT: u64 = 30;

const NFS_V3: &str = "NFSv3";

/// Open files that are named; the others are counted.
const NAMED: usize = 3;

/// What the server process has open.
#[derive(Debug, Default, PartialEq, Eq)]
struct Open {
    /// Files below the export, as they are called below it.
    files: BTreeSet<String>,
    /// One of them is locked.
    locked: bool,
    /// The addresses of the clients that are connected.
    clients: BTreeSet<IpAddr>,
}

/// Who uses the export `shown` with the directory `path`.
pub(super) async fn users(control: &Control, shown: &Shown, path: &Path) -> Result<Vec<User>, Error> {
    let process = control.process().await?;
    let unknown = |why: String| Error::UsersUnknown {
        path: path.to_path_buf(),
        why,
        remedy: "run as root, on the machine that serves; or name the export when you know that nobody does",
    };
    let open = open(Path::new("/proc"), process, path).map_err(|error| {
        unknown(format!("what the server (process {process}) has open cannot be looked at: {error}"))
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let heard = if open.clients.is_empty() { Vec::new() } else { control.show_clients().await? };
    if open.files.is_empty() && !open.clients.is_empty() && !control.notes_use().await? {
        return Err(unknown(
            "clients are connected, and the server keeps no statistics of what they ask for (Enable_NFS_Stats)"
                .to_owned(),
        ));
    }
    Ok(judge(&open, shown, &heard, now))
}

/// What the evidence comes to.
fn judge(open: &Open, shown: &Shown, heard: &[(String, u64)], now: u64) -> Vec<User> {
    let ago = now.saturating_sub(shown.last);
    let version_3 = shown.protocols.iter().any(|protocol| protocol == NFS_V3);
    let list = |clients: &BTreeSet<IpAddr>| -> String {
        clients.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
    };
    if !open.files.is_empty() {
        let mut names: Vec<&str> = open.files.iter().take(NAMED).map(String::as_str).collect();
        if open.files.len() > NAMED {
            names.push("…");
        }
        let mut evidence = format!(
            "the server holds {} of its files open for a client: {}",
            open.files.len(),
            names.join(", ")
        );
        if open.locked {
            evidence.push_str(", and a lock");
        }
        if version_3 {
            evidence.push_str("; over NFSv3 it does not learn when a client has gone, which may be so");
            if shown.last > 0 {
                evidence.push_str(&format!(": the last request was {ago} s ago"));
            }
        }
        let client = match open.clients.len() {
            0 => "a client that is not connected now".to_owned(),
            _ => list(&open.clients),
        };
        return vec![User { client, evidence }];
    }
    if !version_3 || shown.last == 0 || ago > RECENT {
        return Vec::new();
    }
    let at_work = |address: &&IpAddr| {
        heard.iter().any(|(name, last)| *last >= shown.last && parsed(name) == Some(**address))
    };
    let clients: BTreeSet<IpAddr> = open.clients.iter().filter(at_work).copied().collect();
    match clients.is_empty() {
        true => Vec::new(),
        false => vec![User {
            client: list(&clients),
            evidence: format!("is connected over NFSv3, and the last request for it was {ago} s ago"),
        }],
    }
}

fn parsed(address: &str) -> Option<IpAddr> {
    address.parse().ok().map(plain)
}

/// An IPv4 address that is written as an IPv6 one is an IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Looks at the descriptors of a process, in the folder that proc(5) describes.
fn open(proc: &Path, process: u32, export: &Path) -> io::Result<Open> {
    let process = proc.join(process.to_string());
    // Descriptors name files without links.
    let export = export.canonicalize()?;
    let mut found = Open::default();
    let mut sockets = BTreeSet::new();
    for descriptor in fs::read_dir(process.join("fd"))? {
        let descriptor = descriptor?;
        let target = match fs::read_link(descriptor.path()) {
            Ok(target) => target,
            // Closed meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if let Some(inode) = socket(&target) {
            sockets.insert(inode);
        } else if let Ok(name) = target.strip_prefix(&export) {
            let is_file = match fs::metadata(descriptor.path()) {
                Ok(meta) => meta.is_file(),
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if is_file {
                found.files.insert(name.display().to_string());
                let info = process.join("fdinfo").join(descriptor.file_name());
                found.locked |= fs::read_to_string(info)
                    .is_ok_and(|info| info.lines().any(|line| line.starts_with("lock:")));
            }
        }
    }
    let mut tables = String::new();
    for table in ["net/tcp", "net/tcp6"] {
        match fs::read_to_string(process.join(table)) {
            Ok(text) => tables.push_str(&text),
            // A machine without IPv6.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.clients = connected(&tables, &sockets);
    Ok(found)
}

/// The inode in `socket:[123]`.
fn socket(target: &Path) -> Option<u64> {
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Where the connections to the listening sockets among `sockets` come from. `tables` are those of proc_net_tcp(5).
fn connected(tables: &str, sockets: &BTreeSet<u64>) -> BTreeSet<IpAddr> {
    const ESTABLISHED: &str = "01";
    const LISTENING: &str = "0A";
    let rows = || {
        tables.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, remote, state) = (*fields.get(1)?, *fields.get(2)?, *fields.get(3)?);
            let inode = fields.get(9)?.parse().ok()?;
            let port = local.rsplit_once(':')?.1;
            sockets.contains(&inode).then_some((port, remote, state))
        })
    };
    let ports: BTreeSet<&str> =
        rows().filter(|(_, _, state)| *state == LISTENING).map(|(port, ..)| port).collect();
    rows()
        .filter(|(port, _, state)| *state == ESTABLISHED && ports.contains(port))
        .filter_map(|(_, remote, _)| address(remote.rsplit_once(':')?.0))
        .collect()
}

/// An address in hexadecimal, each four bytes of it in the machine's order.
fn address(text: &str) -> Option<IpAddr> {
    let words: Vec<u8> = text
        .as_bytes()
        .chunks(8)
        .filter_map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok())
        .flat_map(u32::to_ne_bytes)
        .collect();
    match words.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(words).ok()?).into()),
        16 => Some(plain(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?).into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(protocol: &str, last: u64) -> Shown {
        Shown { id: 1, protocols: vec![protocol.to_owned()], last }
    }

    fn with(files: &[&str], clients: &[&str]) -> Open {
        Open {
            files: files.iter().map(|name| (*name).to_owned()).collect(),
            locked: false,
            clients: clients.iter().map(|address| address.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn evidence_is_weighed() {
        let heard = [("::ffff:10.0.0.7".to_owned(), 1000), ("10.0.0.8".to_owned(), 900)];
        let users = |open: &Open, shown: &Shown| judge(open, shown, &heard, 1010);
        // An open file counts in any case.
        let [user] = &*users(&with(&["nodes.conf"], &[]), &shown("NFSv41", 0)) else { panic!() };
        assert_eq!(user.client, "a client that is not connected now");
        let old = users(&with(&["a", "b", "c", "d"], &["10.0.0.7"]), &shown("NFSv3", 10));
        assert!(
            old[0].evidence.contains("4 of its files open for a client: a, b, c, …; over NFSv3"),
            "{old:?}"
        );
        assert!(old[0].evidence.ends_with("1000 s ago"), "{old:?}");
        // A request counts over NFSv3, when it is new and its client is still there.
        let both = with(&[], &["10.0.0.7", "10.0.0.8"]);
        let [user] = &*users(&both, &shown("NFSv3", 1000)) else { panic!() };
        assert_eq!(user.client, "10.0.0.7");
        assert!(users(&both, &shown("NFSv41", 1000)).is_empty());
        assert!(users(&both, &shown("NFSv3", 0)).is_empty());
        assert!(users(&both, &shown("NFSv3", 979)).is_empty());
        assert!(users(&with(&[], &["10.0.0.8"]), &shown("NFSv3", 1000)).is_empty());
        assert!(users(&with(&[], &[]), &shown("NFSv3", 1000)).is_empty());
    }

    #[test]
    fn this_process_is_seen_with_its_file_its_lock_and_its_client() {
        use std::net::{TcpListener, TcpStream};
        let folder = tempfile::tempdir().unwrap();
        let (here, elsewhere) = (folder.path().join("pv1"), folder.path().join("pv10"));
        fs::create_dir_all(here.join("dir")).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        let _folder = fs::File::open(here.join("dir")).unwrap();
        let look = |path: &Path| open(Path::new("/proc"), std::process::id(), path).unwrap();
        assert_eq!((look(&here).files.len(), look(&here).locked), (0, false));
        let file = fs::File::create(here.join("dir/nodes.conf")).unwrap();
        file.lock().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _accepted = listener.accept().unwrap();
        let found = look(&here);
        assert_eq!(found.files.iter().collect::<Vec<_>>(), ["dir/nodes.conf"]);
        assert!(found.locked);
        assert!(found.clients.contains(&"127.0.0.1".parse().unwrap()));
        assert!(look(&elsewhere).files.is_empty());
        drop((file, client));
        assert!(look(&here).files.is_empty());
        assert!(open(Path::new("/proc"), u32::MAX, &here).is_err());
    }

    #[test]
    fn only_connections_to_listening_sockets_are_clients() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:0801 00000000:0000 0A 0:0 0:0 0 0 0 11 1\n\
             1: 0100007F:0801 0700000A:0385 01 0:0 0:0 0 0 0 12 1\n\
             2: 0100007F:0801 0800000A:0385 06 0:0 0:0 0 0 0 13 1\n\
             3: 0100007F:9999 0900000A:0801 01 0:0 0:0 0 0 0 14 1\n\
             4: 0100007F:0801 0A00000A:0385 01 0:0 0:0 0 0 0 99 1\n\
             0: 0000000000000000FFFF00000100007F:0801 0000000000000000FFFF00000B00000A:0385 01 0 0 0 0 0 15 1\nx\n";
        let found = connected(table, &BTreeSet::from([11, 12, 13, 14, 15]));
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["10.0.0.7", "10.0.0.11"]);
    }
}
