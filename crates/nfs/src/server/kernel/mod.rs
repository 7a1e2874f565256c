//! The Linux kernel's server: a drop-in file of exports(5), and exportfs(8).
//!
//! One export is changed at a time, by `exportfs -i` and `-u`. Never by `exportfs -r`: an error in anybody's file then
//! takes every export away that stands behind it.

mod users;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use slotwright_machine::{Effect, Finished, Machine};

use super::{Configuration, Configured, FileChange, Served, User};
use crate::{Error, Export};

/// Longest time for one call of exportfs(8): it looks up host names.
const EXPORTFS_LIMIT: Duration = Duration::from_secs(30);

/// Where the kernel's server has its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelFiles {
    /// The main file; only read.
    pub exports_file: PathBuf,
    /// The folder of drop-in files, one of which is written.
    pub exports_folder: PathBuf,
    /// What exportfs(8) has told the kernel, or will when it runs.
    pub etab: PathBuf,
    /// Who mounted what over NFSv3, as rpc.mountd(8) notes.
    pub rmtab: PathBuf,
    /// The kernel's own folder.
    pub nfsd: PathBuf,
    /// The program exportfs(8).
    pub exportfs: PathBuf,
}

impl Default for KernelFiles {
    /// The places that nfs-utils uses.
    fn default() -> Self {
        Self {
            exports_file: "/etc/exports".into(),
            exports_folder: "/etc/exports.d".into(),
            etab: "/var/lib/nfs/etab".into(),
            rmtab: "/var/lib/nfs/rmtab".into(),
            nfsd: "/proc/fs/nfsd".into(),
            exportfs: "exportfs".into(),
        }
    }
}

/// The Linux kernel's server, with a drop-in file for one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    files: KernelFiles,
    drop_in: PathBuf,
}

impl Kernel {
    /// The server with its files, and the drop-in file of `deployment`.
    pub fn new(files: KernelFiles, deployment: &str) -> Self {
        let drop_in = files.exports_folder.join(format!("slotwright-{deployment}.exports"));
        Self { files, drop_in }
    }

    pub(super) fn config_file(&self) -> &Path {
        &self.drop_in
    }

    pub(super) fn check_running(&self) -> Result<(), Error> {
        let threads = self.files.nfsd.join("threads");
        let why = match fs::read_to_string(&threads) {
            Ok(text) if text.trim().parse::<u32>().is_ok_and(|threads| threads > 0) => return Ok(()),
            Ok(_) => format!("{} says that it has no threads", threads.display()),
            Err(error) => format!("{}: {error}", threads.display()),
        };
        Err(Error::NotRunning {
            server: "the kernel's NFS server",
            why,
            remedy: "start it (Debian: systemctl start nfs-server), or prepare for its start with --offline",
        })
    }

    pub(super) fn files(&self, exports: &[Export]) -> Result<Vec<FileChange>, Error> {
        let before = read(&self.drop_in)?;
        let after = (!exports.is_empty()).then(|| self.render(exports).into_bytes());
        Ok(vec![FileChange { path: self.drop_in.clone(), before, after, mode: 0o644 }])
    }

    pub(super) fn users(&self, served: &Served) -> Result<Vec<User>, Error> {
        users::users(&served.path, &self.files.nfsd, &self.files.rmtab).map_err(|error| Error::UsersUnknown {
            path: served.path.clone(),
            why: error.to_string(),
            remedy: "run as root; or name the export with --even-if-used when you know that nobody does",
        })
    }
}
