//! What the lints have to know of the machine that serves, and how it is found out on this one.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// A release of nfs-utils, for instance `Release(2, 6, 2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release(pub u16, pub u16, pub u16);

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nobody has looked, or was not allowed to.
    Unknown,
    /// Nothing.
    Missing,
    /// Something else than a folder.
    NotAFolder,
    /// A folder.
    Folder {
        /// What it lies on, if known.
        file_system: Option<FileSystem>,
        /// True if something is mounted exactly there.
        mounted: bool,
    },
}

/// A mounted file system, as `/proc/self/mountinfo` tells of it (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileSystem {
    /// Its type, for instance `ext4` or `fuse.sshfs`.
    pub kind: String,
    /// The options of the file system itself, with commas.
    pub options: String,
}

/// What the lints have to know of the machine that serves. What is not known draws no finding.
pub trait Facts {
    /// What is at `path`.
    fn place(&self, path: &Path) -> Place {
        let _ = path;
        Place::Unknown
    }

    /// The path without symbolic links, as exportfs exports it; as it is, where there are none or nobody has looked.
    fn real(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }

    /// Whether the machine finds an address for a host name.
    fn resolves(&self, host: &str) -> Option<bool> {
        let _ = host;
        None
    }

    /// The release of nfs-utils that reads the files.
    fn release(&self) -> Option<Release> {
        None
    }
}

/// Nothing is known: the files are judged by themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFacts;

impl Facts for NoFacts {}

/// What this machine shows by itself: folders and what they lie on. Host names are not resolved, which could take long
/// and leave the machine; [`Self::with_host`] tells what is known of one.
#[derive(Debug, Clone, Default)]
pub struct ThisMachine {
    mounts: Mounts,
    hosts: BTreeMap<String, bool>,
    release: Option<Release>,
}

impl ThisMachine {
    /// Reads the mounts as they are now.
    ///
    /// # Errors
    /// When `/proc/self/mountinfo` cannot be read.
    pub fn read() -> io::Result<Self> {
        let mounts = Mounts::parse(&fs::read("/proc/self/mountinfo")?);
        Ok(Self { mounts, ..Self::default() })
    }

    /// With a host name that resolves, or does not.
    #[must_use]
    pub fn with_host(mut self, host: &str, resolves: bool) -> Self {
        self.hosts.insert(host.to_owned(), resolves);
        self
    }

    /// With the release of nfs-utils.
    #[must_use]
    pub fn with_release(mut self, release: Release) -> Self {
        self.release = Some(release);
        self
    }
}

impl Facts for ThisMachine {
    fn place(&self, path: &Path) -> Place {
        // Symbolic links are followed, as exportfs does.
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Place::Missing,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Place::NotAFolder,
            Err(_) => return Place::Unknown,
        };
        match fs::metadata(&real) {
            Ok(metadata) if metadata.is_dir() => Place::Folder {
                file_system: self.mounts.of(&real).cloned(),
                mounted: self.mounts.is_point(&real),
            },
            Ok(_) => Place::NotAFolder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Place::Missing,
            Err(_) => Place::Unknown,
        }
    }

    fn real(&self, path: &Path) -> PathBuf {
        fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
    }

    fn resolves(&self, host: &str) -> Option<bool> {
        self.hosts.get(host).copied()
    }

    fn release(&self) -> Option<Release> {
        self.release
    }
}

/// The mounts of a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Mounts(Vec<Mount>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    id: u64,
    /// The mount that this one is mounted on.
    parent: u64,
    point: PathBuf,
    file_system: FileSystem,
}

impl Mounts {
    /// Reads `/proc/self/mountinfo`. Lines that are not as proc(5) says are left out.
    fn parse(text: &[u8]) -> Self {
        Self(text.split(|byte| *byte == b'\n').filter_map(mount).collect())
    }

    /// The mount that `path`, which has no symbolic links, lies on: found as the kernel finds it, from the root down,
    /// so that a mount that another one covers plays no part.
    fn under(&self, path: &Path) -> Option<&Mount> {
        let is_top = |mount: &&Mount| {
            mount.point == Path::new("/")
                && !self.0.iter().any(|other| other.id == mount.parent && other.id != mount.id)
        };
        let mut current = self.0.iter().find(is_top)?;
        let mut folders: Vec<&Path> = path.ancestors().collect();
        folders.reverse();
        for folder in folders {
            // As often as something is mounted at the same point.
            for _ in &self.0 {
                let on_it = |mount: &&Mount| {
                    mount.parent == current.id && mount.id != current.id && mount.point == folder
                };
                match self.0.iter().rfind(on_it) {
                    Some(next) => current = next,
                    None => break,
                }
            }
        }
        Some(current)
    }

    /// What `path` lies on.
    fn of(&self, path: &Path) -> Option<&FileSystem> {
        self.under(path).map(|mount| &mount.file_system)
    }

    fn is_point(&self, path: &Path) -> bool {
        self.under(path).is_some_and(|mount| mount.point == path)
    }
}

/// One line of mountinfo.
fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    let (id, parent) = (number()?, number()?);
    let point = unescape(fields.nth(2)?);
    // Optional fields end with a lone hyphen; then come the type, the source and the options.
    let mut after = fields.skip_while(|field| *field != b"-").skip(1);
    let kind = String::from_utf8_lossy(&unescape(after.next()?)).into_owned();
    let options = String::from_utf8_lossy(after.nth(1).unwrap_or_default()).into_owned();
    let point = PathBuf::from(OsStr::from_bytes(&point));
    Some(Mount { id, parent, point, file_system: FileSystem { kind, options } })
}

/// The kernel writes blanks and backslashes as a backslash with three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    for byte in field {
        bytes.push(*byte);
        if let Some(escaped) = super::lexer::escaped(&bytes) {
            bytes.truncate(bytes.len() - 4);
            bytes.push(escaped);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root is not the first line, and later mounts cover earlier ones: 31 covers 30, and 32 covers 31.
    const MOUNTS: &str = "22 26 0:22 / /proc rw - proc proc rw\n\
                          26 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n\
                          30 26 0:25 / /mnt/a\\040b rw - tmpfs tmpfs rw,size=4k\n\
                          33 26 0:28 / /srv/a\\040b rw - tmpfs tmpfs rw\n\
                          31 26 0:26 / /mnt rw shared:2 master:3 - overlay overlay rw,lowerdir=/l,nfs_export=on\n\
                          32 31 0:27 / /mnt rw - fuse.sshfs host:/ rw\n\
                          nonsense\n";

    #[test]
    fn mounts_are_read_as_the_kernel_writes_them() {
        let mounts = Mounts::parse(MOUNTS.as_bytes());
        let kind = |path: &str| mounts.of(Path::new(path)).map(|found| found.kind.as_str());
        assert_eq!(kind("/"), Some("ext4"));
        assert_eq!(kind("/srv/data"), Some("ext4"));
        assert_eq!(kind("/proc/self"), Some("proc"));
        assert_eq!(kind("/mnt/x"), Some("fuse.sshfs"));
        assert_eq!(kind("/mnt/a b/c"), Some("fuse.sshfs"));
        assert_eq!(kind("/srv/a b/c"), Some("tmpfs"));
        assert_eq!(kind("/mntx"), Some("ext4"));
        assert!(mounts.is_point(Path::new("/srv/a b")) && !mounts.is_point(Path::new("/srv/a b/c")));
        assert_eq!(mounts.of(Path::new("/")).unwrap().options, "rw,errors=remount-ro");
    }

    #[test]
    fn this_machine_shows_its_folders() {
        let machine = ThisMachine::read().unwrap().with_host("db", false).with_release(Release(2, 6, 2));
        let Place::Folder { file_system: Some(proc), mounted: true } = machine.place(Path::new("/proc"))
        else {
            panic!("{:?}", machine.place(Path::new("/proc")));
        };
        assert_eq!(proc.kind, "proc");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/proc", &link).unwrap();
        assert!(matches!(
            machine.place(folder.path()),
            Place::Folder { file_system: Some(_), mounted: false }
        ));
        assert_eq!(machine.place(&file), Place::NotAFolder);
        assert_eq!(machine.place(&file.join("below")), Place::NotAFolder);
        assert_eq!(machine.place(&folder.path().join("none")), Place::Missing);
        assert_eq!(machine.place(&link), machine.place(Path::new("/proc")));
        assert_eq!(machine.real(&link), Path::new("/proc"));
        assert_eq!(machine.real(Path::new("/none/such")), Path::new("/none/such"));
        assert_eq!((machine.resolves("db"), machine.resolves("other")), (Some(false), None));
        assert_eq!(machine.release(), Some(Release(2, 6, 2)));
        assert_eq!(NoFacts.place(Path::new("/")), Place::Unknown);
    }
}
