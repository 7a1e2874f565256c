//! Files and folders: made, owned, replaced whole, removed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::{Effect, Machine};

/// Who owns a file or folder, and what everyone may do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Permission bits, for instance `0o700`; see chmod(2).
    pub mode: u32,
}

impl Owner {
    /// The owner of what is at `path`; a symbolic link is not followed.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = path.symlink_metadata()?;
        Ok(Self { uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o7777 })
    }
}

impl Machine {
    /// Makes a folder and its missing parents, all with these permission bits (less the umask). One that is there is
    /// left as it is.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        self.seen(Effect::MakeFolder(path), || {
            fs::DirBuilder::new().recursive(true).mode(mode).create(path)?;
            path.parent().map_or(Ok(()), sync_folder)
        })
    }

    /// Gives a file or folder its owner and its permission bits, unless it has them.
    ///
    /// # Errors
    /// When the system refuses, or `path` is a symbolic link.
    pub fn set_owner(&self, path: &Path, owner: Owner) -> io::Result<()> {
        let found = Owner::of(path)?;
        if path.is_symlink() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a symbolic link"));
        }
        if found == owner {
            return Ok(());
        }
        self.seen(Effect::SetOwner(path), || {
            if (found.uid, found.gid) != (owner.uid, owner.gid) {
                std::os::unix::fs::lchown(path, Some(owner.uid), Some(owner.gid))?;
            }
            // After the owner: chown(2) clears the set-id bits.
            fs::set_permissions(path, fs::Permissions::from_mode(owner.mode))
        })
    }

    /// Replaces a file's content so that a reader, or a crash at any instant, finds the old content or the new one. A file
    /// that is there keeps its owner and its permission bits; a new one gets `mode` (less the umask). Behind a symbolic
    /// link, the file it leads to is replaced.
    ///
    /// # Errors
    /// When the system refuses; the old content is then still there.
    pub fn write_file(&self, path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
        let target = if path.is_symlink() { path.canonicalize()? } else { path.to_path_buf() };
        let beside = beside(&target);
        let before = match Owner::of(&target) {
            Ok(owner) => Some(owner),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        self.seen(Effect::WriteBeside(path), || {
            // A leftover of a killed run may have other bits.
            match fs::remove_file(&beside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let private = before.map_or(mode, |before| before.mode & mode);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(private).open(&beside)?;
            if let Some(before) = before {
                let now = file.metadata()?;
                if (now.uid(), now.gid()) != (before.uid, before.gid) {
                    std::os::unix::fs::fchown(&file, Some(before.uid), Some(before.gid))?;
                }
                file.set_permissions(fs::Permissions::from_mode(before.mode))?;
            }
            // A full disk shall not leave half a file for others to read.
            file.write_all(content).and_then(|()| file.sync_all()).inspect_err(|_| {
                let _ = fs::remove_file(&beside);
            })
        })?;
        self.seen(Effect::Replace(path), || {
            fs::rename(&beside, &target)?;
            target.parent().map_or(Ok(()), sync_folder)
        })
    }

    /// Removes a file, or a folder with all that is in it; what is gone already is fine.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.seen(Effect::Remove(path), || {
            let removed = match path.symlink_metadata() {
                Ok(found) if found.is_dir() => fs::remove_dir_all(path),
                Ok(_) => fs::remove_file(path),
                Err(error) => Err(error),
            };
            match removed {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other,
            }
        })
    }
}

/// Makes what happened to the names in a folder last through a crash.
fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

/// Where [`Machine::write_file`] writes the new content of a file before it takes the place of the old: a run that was killed
/// leaves it there.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_whatever_a_killed_run_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(folder.path().join("file.new"), "half of someth").unwrap();
        let machine = Machine::default();
        machine.write_file(&path, b"one", 0o600).unwrap();
        assert_eq!(Owner::of(&path).unwrap().mode, 0o600);
        machine.write_file(&path, b"two", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_keeps_its_owner_its_mode_and_its_place_behind_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&path, "one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        // Only root may give a file away.
        let _ = std::os::unix::fs::lchown(&path, Some(999), Some(998));
        let before = Owner::of(&path).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        Machine::default().write_file(&link, b"two", 0o600).unwrap();
        assert!(link.is_symlink());
        assert_eq!((fs::read(&path).unwrap(), Owner::of(&path).unwrap()), (b"two".to_vec(), before));
    }

    #[test]
    fn links_are_given_no_owner() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        let owner = Owner { uid: 0, gid: 0, mode: 0o755 };
        assert!(Machine::default().set_owner(&link, owner).is_err());
    }

    #[test]
    fn what_is_gone_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        Machine::default().remove(&folder.path().join("nothing")).unwrap();
    }
}
