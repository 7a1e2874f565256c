//! What there is: directories, ids, what the server's files say, what it serves, who uses that.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use slotwright_machine::Owner;

use crate::{
    Error, Wanted,
    exports::ThisMachine,
    ids::{Ids, ids_file},
    server::{Configuration, Served, Server, User},
};

/// What is at the path of an export's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Directory {
    /// Nothing.
    Missing,
    /// A directory.
    There {
        /// Its owner, group and mode.
        owner: Owner,
        /// Nothing is in it.
        empty: bool,
    },
    /// Something else; in words.
    Other(&'static str),
}

/// What there is.
#[derive(Debug)]
pub(crate) struct Observation {
    /// What is at the path of each wanted directory, in order.
    pub(crate) directories: Vec<Directory>,
    /// The base directory's ids; `None` when there are none yet.
    pub(crate) ids: Option<Ids>,
    /// What the server's files say.
    pub(crate) configuration: Configuration,
    /// What it serves; `None` when it does not run.
    pub(crate) served: Option<Vec<Served>>,
    /// What this machine shows of itself.
    pub(crate) machine: ThisMachine,
    /// Who uses which export; only those that a plan could take away are asked about.
    pub(crate) users: Vec<(PathBuf, Vec<User>)>,
}

impl Observation {
    /// Looks at the machine; `offline` allows a server that does not run.
    pub(crate) async fn make(wanted: &Wanted, server: &Server, offline: bool) -> Result<Self, Error> {
        let directories = wanted.paths().map(|(_, path)| directory(&path)).collect::<Result<_, _>>()?;
        let ids = read_ids(&wanted.base)?;
        let configuration = server.configuration()?;
        let served = match server.check_running().await {
            Ok(()) => Some(server.served().await?),
            Err(Error::NotRunning { .. }) if offline => server.kept()?,
            Err(error) => return Err(error),
        };
        let machine = ThisMachine::read().map_err(|source| Error::File {
            action: "read",
            path: "/proc/self/mountinfo".into(),
            source,
            remedy: "mount /proc",
        })?;
        Ok(Self { directories, ids, configuration, served, machine, users: Vec::new() })
    }

    /// Asks who uses the exports at `paths`.
    pub(crate) async fn ask_users(&mut self, server: &Server, paths: &[PathBuf]) -> Result<(), Error> {
        for served in self.served.iter().flatten().filter(|served| paths.contains(&served.path)) {
            let users = server.users(served).await?;
            self.users.push((served.path.clone(), users));
        }
        Ok(())
    }

    /// Those known to use the export at `path`.
    pub(crate) fn users_of(&self, path: &Path) -> &[User] {
        self.users.iter().find(|(known, _)| known == path).map_or(&[], |(_, users)| users)
    }
}

fn directory(path: &Path) -> Result<Directory, Error> {
    let unreadable = |source| Error::File {
        action: "look at",
        path: path.to_path_buf(),
        source,
        remedy: "run as root, on the machine that serves",
    };
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Directory::Missing),
        // A file where a folder above it should be.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Ok(Directory::Other("below something that is no directory"));
        }
        Err(error) => return Err(unreadable(error)),
    };
    if found.is_symlink() {
        return Ok(Directory::Other("a symbolic link"));
    }
    if !found.is_dir() {
        return Ok(Directory::Other("no directory"));
    }
    let empty = fs::read_dir(path).map_err(unreadable)?.next().is_none();
    Ok(Directory::There { owner: Owner::of(path).map_err(unreadable)?, empty })
}

/// The ids kept in a base directory.
pub(crate) fn read_ids(base: &Path) -> Result<Option<Ids>, Error> {
    let path = ids_file(base);
    match fs::read_to_string(&path) {
        Ok(text) => Ids::parse(&text).map(Some).map_err(|why| Error::Configuration {
            place: path.display().to_string(),
            what: format!(
                "{why}; the file keeps the ids of the exports, without which every client's handles would go stale: \
                 restore it from a backup"
            ),
        }),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(source) => Err(Error::File {
            action: "read",
            path,
            source,
            remedy: "run as root, on the machine that serves",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_a_path_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| directory(&folder.path().join(name)).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("link")).unwrap();
        fs::create_dir_all(folder.path().join("full/inner")).unwrap();
        assert_eq!(at("nothing"), Directory::Missing);
        assert_eq!(at("file"), Directory::Other("no directory"));
        assert_eq!(at("file/below"), Directory::Other("below something that is no directory"));
        assert_eq!(at("link"), Directory::Other("a symbolic link"));
        assert!(matches!(at("full"), Directory::There { empty: false, .. }));
        assert!(matches!(at("full/inner"), Directory::There { empty: true, .. }));
    }
}
