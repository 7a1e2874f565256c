//! Everything that changes something outside this process: files, folders, servers, messages.
//!
//! Deciding code never calls the system's functions for these itself. A [`Witness`] is told before and after each
//! effect, and messages go through the connector: whoever supplies both can stop a run between any two effects.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use slotwright_client::{Connector, TcpConnector};

/// One effect outside this process, as a [`Witness`] sees it. Messages to servers are seen by the connector instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect<'a> {
    /// A folder is made.
    MakeFolder(&'a Path),
    /// The new content of a file is written beside it.
    WriteBeside(&'a Path),
    /// The new content takes the place of the old.
    Replace(&'a Path),
    /// A server is started in this folder.
    Start(&'a Path),
    /// The server of this folder is asked to stop.
    Stop(&'a Path),
    /// A file or folder is removed, with all that is in it.
    Remove(&'a Path),
}

/// Told of each effect; the default does nothing.
pub trait Witness: Send + Sync {
    /// Called when everything is ready and the effect comes next.
    fn before(&self, effect: Effect<'_>) {
        let _ = effect;
    }

    /// Called when the effect is done.
    fn after(&self, effect: Effect<'_>) {
        let _ = effect;
    }
}

impl Witness for () {}

/// The way out of this process.
#[derive(Clone)]
pub struct Effects {
    connector: Arc<dyn Connector>,
    witness: Arc<dyn Witness>,
}

impl Default for Effects {
    fn default() -> Self {
        Self::new(Arc::new(TcpConnector), Arc::new(()))
    }
}

impl Effects {
    /// Messages through `connector`, everything else under the eyes of `witness`.
    pub fn new(connector: Arc<dyn Connector>, witness: Arc<dyn Witness>) -> Self {
        Self { connector, witness }
    }

    pub(crate) fn connector(&self) -> &dyn Connector {
        &*self.connector
    }

    fn seen<T>(&self, effect: Effect<'_>, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.witness.before(effect);
        let done = act()?;
        self.witness.after(effect);
        Ok(done)
    }

    /// Makes a folder that only its owner can enter, and its parents.
    pub(crate) fn make_folder(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        self.seen(Effect::MakeFolder(path), || fs::DirBuilder::new().recursive(true).mode(0o700).create(path))
    }

    /// Replaces a file's content so that a reader, or a crash at any instant, finds the old content or the new one.
    /// Only the owner can read it.
    pub(crate) fn write_file(&self, path: &Path, content: &str) -> io::Result<()> {
        let beside = beside(path);
        self.seen(Effect::WriteBeside(path), || {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(content.as_bytes())?;
            file.sync_all()
        })?;
        self.seen(Effect::Replace(path), || {
            fs::rename(&beside, path)?;
            match path.parent() {
                Some(folder) => File::open(folder)?.sync_all(),
                None => Ok(()),
            }
        })
    }

    /// Starts a server in `folder` that lives on when this process ends: its own process group, no terminal, output to
    /// the end of `log`.
    pub(crate) fn start_server(
        &self,
        program: &Path,
        arguments: &[&OsStr],
        folder: &Path,
        log: &Path,
    ) -> io::Result<Child> {
        use std::os::unix::process::CommandExt;
        let output = OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        self.seen(Effect::Start(folder), || command.spawn())
    }

    /// Runs `act`, which asks the server of `folder` to stop.
    pub(crate) fn stop_server<T>(&self, folder: &Path, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.seen(Effect::Stop(folder), act)
    }

    /// Removes a file, or a folder with all that is in it; what is gone already is fine.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
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

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    path.with_file_name(name)
}
