//! One deployer at a time: a lock on a file in the data directory that the system drops with its holder.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::Error;

/// Held until dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Where the lock of a data directory is.
    pub(crate) fn path(data: &Path) -> PathBuf {
        data.join(".slotwright.lock")
    }

    /// Takes the lock of the folder `data`, which must exist.
    pub(crate) fn take(data: &Path) -> Result<Self, Error> {
        let path = Self::path(data);
        let unusable = |source| Error::Folder {
            action: "lock",
            path: path.clone(),
            remedy: "give this user the right to it, or name another data-directory",
            source,
        };
        loop {
            let mut options = OpenOptions::new();
            let file =
                options.write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(unusable)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Error::Locked { path: data.to_path_buf() }),
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
            }
            // `down --delete-data` removes the file: a lock on what is no longer there locks nothing.
            if same_file(&file, &path) {
                return Ok(Self { _file: file });
            }
        }
    }
}

fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), path.metadata()) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lock::take(folder.path()).unwrap();
        assert!(matches!(Lock::take(folder.path()), Err(Error::Locked { .. })));
        drop(held);
        Lock::take(folder.path()).unwrap();
    }
}
