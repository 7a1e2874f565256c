//! One at a time: a lock on a file that the system drops with its holder.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

/// Held until dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody else holds it.
    Held,
    /// The file cannot be used.
    Unusable(io::Error),
}

impl Lock {
    /// Takes the lock on the file `path`, which is made if it is missing (its folder must exist).
    ///
    /// # Errors
    /// When another process holds it, or the file cannot be used.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        loop {
            let mut options = OpenOptions::new();
            let file = options
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
                .map_err(LockError::Unusable)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(LockError::Held),
                Err(TryLockError::Error(error)) => return Err(LockError::Unusable(error)),
            }
            // Whoever held it may have removed the file: a lock on what is no longer there locks nothing.
            if same_file(&file, path) {
                return Ok(Self { _file: file });
            }
        }
    }
}

fn same_file(file: &File, path: &Path) -> bool {
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
        let path = folder.path().join("lock");
        let held = Lock::take(&path).unwrap();
        assert!(matches!(Lock::take(&path), Err(LockError::Held)));
        drop(held);
        Lock::take(&path).unwrap();
        assert!(matches!(Lock::take(&folder.path().join("no/lock")), Err(LockError::Unusable(_))));
    }
}
