//! The servers that serve exports, behind one face: what is configured, what is served, who uses it, and the few ways to
//! change that.
//!
//! A server decides nothing about what there shall be; that is the plan's business.

mod ganesha;
mod kernel;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Serialize;
use slotwright_machine::Machine;

use crate::{
    Error, Export, Finding,
    exports::{Facts, Grant},
};

pub use self::{
    ganesha::{Ganesha, GaneshaFiles},
    kernel::{Kernel, KernelFiles},
};

/// One export as a server serves it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The directory.
    pub path: PathBuf,
    /// Its id, where the server tells.
    pub id: Option<u16>,
    /// Who may use it and how, where the server tells.
    pub grants: Option<Vec<Grant>>,
}

/// One export as a file of configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// The directory.
    pub path: PathBuf,
    /// Its id, where one is given.
    pub id: Option<u16>,
    /// Who may use it and how, as far as it can be said in the terms of exports(5).
    pub grants: Vec<Grant>,
    /// Where it stands: file, line and column.
    pub place: String,
}

/// What the files of a server say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// The exports of our own drop-in file.
    pub ours: Vec<Configured>,
    /// Everybody else's.
    pub foreign: Vec<Configured>,
    /// The files that are there, with their content.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

/// A file as it is, and as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Where.
    pub path: PathBuf,
    /// Its content now; `None` when there is no such file.
    pub before: Option<Vec<u8>>,
    /// Its content then; `None` when it shall go.
    pub after: Option<Vec<u8>>,
    /// Permission bits for a file that is new.
    pub mode: u32,
}

/// Somebody who uses an export now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// The client's address, or what is known of it.
    pub client: String,
    /// How it is known.
    pub evidence: String,
}

/// A server of this machine.
#[derive(Debug, Clone)]
pub enum Server {
    /// The Linux kernel's.
    Kernel(Kernel),
    /// NFS-Ganesha.
    Ganesha(Ganesha),
}

impl Server {
    /// Its name for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kernel(_) => "the kernel's NFS server",
            Self::Ganesha(_) => "NFS-Ganesha",
        }
    }

    /// Our own file of configuration.
    pub fn config_file(&self) -> &Path {
        match self {
            Self::Kernel(kernel) => kernel.config_file(),
            Self::Ganesha(ganesha) => ganesha.config_file(),
        }
    }

    /// The locks that everybody takes who changes this server's configuration, in order: one in each folder of a file that
    /// may be written.
    pub(crate) fn lock_files(&self) -> BTreeSet<PathBuf> {
        let written = match self {
            Self::Kernel(kernel) => vec![kernel.config_file()],
            Self::Ganesha(ganesha) => vec![ganesha.config_file(), ganesha.main_file()],
        };
        // A leading dot: exports(5) does not read such files.
        let lock = |file: &Path| file.parent().unwrap_or(Path::new("/")).join(".slotwright.lock");
        written.into_iter().map(lock).collect()
    }

    /// The whole content of our own file.
    ///
    /// # Errors
    /// When an export cannot be written in the server's language.
    pub fn render(&self, exports: &[Export]) -> Result<String, Error> {
        match self {
            Self::Kernel(kernel) => kernel.render(exports),
            Self::Ganesha(ganesha) => ganesha.render(exports),
        }
    }

    /// What the files say.
    pub(crate) fn configuration(&self) -> Result<Configuration, Error> {
        match self {
            Self::Kernel(kernel) => kernel.configuration(),
            Self::Ganesha(ganesha) => ganesha.configuration(),
        }
    }

    /// The files to be changed so that `exports` are ours, in the order in which that is safe.
    pub(crate) fn files(
        &self,
        configuration: &Configuration,
        exports: &[Export],
    ) -> Result<Vec<FileChange>, Error> {
        match self {
            Self::Kernel(kernel) => kernel.files(configuration, exports),
            Self::Ganesha(ganesha) => ganesha.files(configuration, exports),
        }
    }

    /// What is served now, by whomever it was asked for. An error when the server does not run.
    pub(crate) async fn served(&self) -> Result<Vec<Served>, Error> {
        match self {
            Self::Kernel(kernel) => kernel.served(),
            Self::Ganesha(ganesha) => ganesha.served().await,
        }
    }

    /// What a server that does not run will serve when it starts, where it keeps that apart from its configuration: the
    /// kernel's table is a file, Ganesha reads its configuration anew.
    pub(crate) fn kept(&self) -> Result<Option<Vec<Served>>, Error> {
        match self {
            Self::Kernel(kernel) => kernel.served().map(Some),
            Self::Ganesha(_) => Ok(None),
        }
    }

    /// An error when the server does not run.
    pub(crate) async fn check_running(&self) -> Result<(), Error> {
        match self {
            Self::Kernel(kernel) => kernel.check_running(),
            Self::Ganesha(ganesha) => ganesha.check_running().await,
        }
    }

    /// Has an export served as it shall be, whatever was served at its path (`was`). The files say so already.
    pub(crate) async fn serve(
        &self,
        machine: &Machine,
        export: &Export,
        was: Option<&Served>,
    ) -> Result<(), Error> {
        match self {
            Self::Kernel(kernel) => kernel.serve(machine, export, was),
            Self::Ganesha(ganesha) => ganesha.serve(machine, export, was).await,
        }
    }

    /// Has an export served no more.
    pub(crate) async fn withdraw(&self, machine: &Machine, served: &Served) -> Result<(), Error> {
        match self {
            Self::Kernel(kernel) => kernel.withdraw(machine, served),
            Self::Ganesha(ganesha) => ganesha.withdraw(machine, served).await,
        }
    }

    /// Who uses an export now.
    pub(crate) async fn users(&self, served: &Served) -> Result<Vec<User>, Error> {
        match self {
            Self::Kernel(kernel) => kernel.users(served),
            Self::Ganesha(ganesha) => ganesha.users(served).await,
        }
    }

    /// What is worth telling about the configuration once our file says `exports`: what is dangerous, and what the server
    /// does in another way than it is told.
    pub(crate) fn findings(
        &self,
        configuration: &Configuration,
        exports: &[Export],
        machine: &dyn Facts,
    ) -> Result<Vec<Finding>, Error> {
        match self {
            Self::Kernel(kernel) => kernel.findings(configuration, exports, machine),
            Self::Ganesha(ganesha) => ganesha.findings(exports),
        }
    }

    /// Whether what is served is what shall be.
    pub(crate) fn serves(&self, served: &Served, export: &Export) -> bool {
        let same_id = served.id.is_none_or(|id| id == export.id);
        let same_grants =
            served.grants.as_ref().is_none_or(|grants| self.same_grants(grants, &export.grants));
        served.path == export.path && same_id && same_grants
    }

    /// Whether two lists of grants mean the same to this server.
    pub(crate) fn same_grants(&self, one: &[Grant], other: &[Grant]) -> bool {
        match self {
            Self::Kernel(_) => kernel::same_grants(one, other),
            Self::Ganesha(_) => ganesha::same_grants(one, other),
        }
    }
}
