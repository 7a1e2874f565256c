//! Who uses an export of the kernel's server.
//!
//! For NFSv4 the kernel tells (Linux 5.3 and later): `clients/*/info` has the address of each client, `clients/*/states` a
//! line for each file it holds open, locked or delegated, with device and inode. Those are looked up below the export. A
//! client that has it mounted and holds nothing open there is not seen, and loses nothing that was written either.
//!
//! NFSv3 has no open files. rpc.mountd(8) notes who mounted what in `rmtab`, and takes the note away when a client says that
//! it unmounts. One that was switched off never says it, and some clients that unmount do not either: such a note stays.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

use crate::server::User;

/// More files than this below one export are not looked through: Redis has a handful.
const MOST_FILES: usize = 100_000;

/// Device (major, minor) and inode of a file. A device without a driver (major 0) counts as one, whatever its minor: the
/// kernel and stat(2) number the subvolumes of btrfs differently. Too many users are named then rather than too few.
type FileId = (u64, u64, u64);

fn file_id(major: u64, minor: u64, inode: u64) -> FileId {
    (major, if major == 0 { 0 } else { minor }, inode)
}

/// Who uses the export at `path`. `nfsd` is the kernel's folder (`/proc/fs/nfsd`), `rmtab` the notes of rpc.mountd.
pub(super) fn users(path: &Path, nfsd: &Path, rmtab: &Path) -> io::Result<Vec<User>> {
    let mut users = Vec::new();
    let clients = nfsd.join("clients");
    if !clients.is_dir() {
        // Linux before 5.3 serves without telling; without the server, nobody uses anything.
        let threads = read_if_there(&nfsd.join("threads"))?.unwrap_or_default();
        if threads.trim().parse::<u32>().is_ok_and(|threads| threads > 0) {
            return Err(io::Error::other(format!(
                "{} is not there: this kernel does not tell who has files open (Linux 5.3 and later do)",
                clients.display()
            )));
        }
    } else {
        let mut files = None;
        for client in fs::read_dir(&clients)? {
            let client = client?.path();
            // A client may go while we look.
            let Some(states) = read_if_there(&client.join("states"))? else { continue };
            let held = held_files(&states);
            if held.is_empty() {
                continue;
            }
            let below = match &files {
                Some(below) => below,
                None => files.insert(files_below(path)?),
            };
            let here = held.iter().filter(|file| below.contains(file)).count();
            if here > 0 {
                let info = read_if_there(&client.join("info"))?.unwrap_or_default();
                users.push(User {
                    client: address(&info).unwrap_or_else(|| "a client without an address".to_owned()),
                    evidence: match here {
                        1 => "holds a file open over NFSv4".to_owned(),
                        more => format!("holds {more} files open over NFSv4"),
                    },
                });
            }
        }
    }
    users.extend(mounted(path, &read_if_there(rmtab)?.unwrap_or_default()));
    users.sort_by(|one, other| (&one.client, &one.evidence).cmp(&(&other.client, &other.evidence)));
    users.dedup();
    Ok(users)
}

fn read_if_there(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Device (major, minor) and inode of each file in a `states` file: `superblock: "fe:00:12"`, device in hexadecimal.
fn held_files(states: &str) -> BTreeSet<FileId> {
    let one = |text: &str| {
        let mut parts = text.split(':');
        let major = u64::from_str_radix(parts.next()?, 16).ok()?;
        let minor = u64::from_str_radix(parts.next()?, 16).ok()?;
        Some(file_id(major, minor, parts.next()?.parse().ok()?))
    };
    states.split("superblock: \"").skip(1).filter_map(|rest| one(rest.split_once('"')?.0)).collect()
}

/// The address in an `info` file, without the port: `address: "10.0.0.7:871"`.
fn address(info: &str) -> Option<String> {
    let line = info.lines().find_map(|line| line.strip_prefix("address: "))?;
    let address = line.trim().trim_matches('"');
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    Some(host.trim_matches(['[', ']']).to_owned())
}

/// All files and folders at and below `path`; links are not followed.
fn files_below(path: &Path) -> io::Result<BTreeSet<FileId>> {
    let mut found = BTreeSet::new();
    let mut left = vec![path.to_path_buf()];
    while let Some(path) = left.pop() {
        let meta = match path.symlink_metadata() {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let device = meta.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        found.insert(file_id(u64::from(major), u64::from(minor), meta.ino()));
        if found.len() > MOST_FILES {
            return Err(io::Error::other(format!("there are more than {MOST_FILES} files in it")));
        }
        if meta.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        }
    }
    Ok(found)
}

/// Those who mounted `path` or something below it, by `rmtab`: `10.0.0.7:/data/pv1:0x00000001`.
fn mounted(path: &Path, rmtab: &str) -> Vec<User> {
    rmtab
        .lines()
        .filter_map(|line| {
            let (line, _count) = line.rsplit_once(":0x")?;
            let (client, mounted) = line.split_once(":/")?;
            let inside =
                Path::new(std::ffi::OsStr::from_bytes(format!("/{mounted}").as_bytes())).starts_with(path);
            inside.then(|| User {
                client: client.to_owned(),
                evidence: "has it mounted over NFSv3, as rpc.mountd notes".to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_found_below_the_export_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let (here, elsewhere) = (folder.path().join("pv1"), folder.path().join("pv2"));
        fs::create_dir_all(here.join("appendonlydir")).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        let file = here.join("appendonlydir/a.aof");
        fs::write(&file, "").unwrap();
        let meta = file.metadata().unwrap();
        let nfsd = folder.path().join("nfsd");
        fs::create_dir_all(nfsd.join("clients/4")).unwrap();
        let (major, minor) = (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
        let state = format!(
            "- 0x0100: {{ type: open, access: rw, deny: --, superblock: \"{major:02x}:{minor:02x}:{}\", \
             filename: \"appendonlydir/a.aof\", owner: \"open id:\\x00\" }}\n",
            meta.ino()
        );
        fs::write(nfsd.join("clients/4/states"), state).unwrap();
        fs::write(
            nfsd.join("clients/4/info"),
            "clientid: 0x1\naddress: \"10.0.0.7:871\"\nminor version: 1\n",
        )
        .unwrap();
        let rmtab = folder.path().join("rmtab");
        let found = users(&here, &nfsd, &rmtab).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].client, "10.0.0.7");
        assert!(users(&elsewhere, &nfsd, &rmtab).unwrap().is_empty());
    }

    #[test]
    fn mounts_of_version_3_are_read_from_the_notes() {
        let rmtab =
            "10.0.0.7:/data/pv1:0x00000001\nfd00::7:/data/pv1/sub:0x00000002\nx:/data/pv10:0x1\nbroken\n";
        let clients: Vec<_> =
            mounted(Path::new("/data/pv1"), rmtab).into_iter().map(|user| user.client).collect();
        assert_eq!(clients, ["10.0.0.7", "fd00::7"]);
    }

    #[test]
    fn addresses_lose_their_ports() {
        assert_eq!(address("address: \"[fd00::7]:871\"\n").as_deref(), Some("fd00::7"));
        assert_eq!(address("name: \"x\"\n"), None);
    }
}
