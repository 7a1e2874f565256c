//! The exports of one deployment on one server: plan, apply, status, remove.
//!
//! There is no state but that of the machine: a run that was killed at any instant is resumed by running it again. A run
//! that fails puts back what it changed, so that what was exported before is exported still.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::Serialize;
use slotwright_machine::{Lock, LockError, Machine, Owner};

use crate::{
    Error, Export, Finding, Line, Wanted, WishError,
    observe::{Directory, Observation},
    plan::{self, Consent, Plan, Step, Target},
    server::{Configured, Served, Server, User},
};

/// The folders above the exports are for everyone to pass through.
const PASSABLE: u32 = 0o755;
/// What the files of a server say is no secret.
const READABLE: u32 = 0o644;

/// The exports of one deployment on one server.
#[derive(Debug, Clone)]
pub struct Storage {
    wanted: Wanted,
    server: Server,
    machine: Machine,
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The changes, in order; none when everything was as wanted.
    pub changes: Vec<Line>,
    /// What is worth telling.
    pub findings: Vec<Finding>,
}

/// How one export is.
#[derive(Debug, Clone, Serialize)]
pub struct ExportStatus {
    /// Its name.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// Its id, once it has one.
    pub id: Option<u16>,
    /// What is different from what is wanted, in words; nothing when it is as wanted.
    pub drift: Vec<String>,
    /// Who uses it now.
    pub users: Vec<User>,
    /// Whether the server serves it; `None` when the server does not run.
    pub served: Option<bool>,
}

/// How the exports of a deployment are.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The deployment.
    pub deployment: String,
    /// The server.
    pub server: &'static str,
    /// Whether it runs.
    pub running: bool,
    /// The exports.
    pub exports: Vec<ExportStatus>,
    /// Exports of an earlier version of the spec that are still there.
    pub left_over: Vec<PathBuf>,
    /// What is worth telling.
    pub findings: Vec<Finding>,
}

impl Status {
    /// True when everything is as wanted and served.
    pub fn is_as_wanted(&self) -> bool {
        self.running
            && self.left_over.is_empty()
            && self.exports.iter().all(|export| export.drift.is_empty() && export.served == Some(true))
    }
}

impl Storage {
    /// The exports `wanted` on `server`, changed through `machine`. Nothing is done yet.
    ///
    /// # Errors
    /// When the wishes contradict themselves.
    pub fn new(wanted: Wanted, server: Server, machine: Machine) -> Result<Self, Error> {
        wanted.judge()?;
        Ok(Self { wanted, server, machine })
    }

    /// What is wanted.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// What [`Self::apply`] would do. Changes nothing.
    ///
    /// # Errors
    /// When the machine cannot be looked at.
    pub async fn plan(&self, consent: &Consent) -> Result<Plan, Error> {
        self.check_names(consent)?;
        self.plan_to(consent, plan::target).await
    }

    /// What [`Self::remove`] would do. Changes nothing.
    ///
    /// # Errors
    /// When the machine cannot be looked at.
    pub async fn plan_removal(&self, names: &BTreeSet<String>, consent: &Consent) -> Result<Plan, Error> {
        self.check_names(consent)?;
        self.plan_to(consent, |wanted, seen| plan::target_without(wanted, seen, names)).await
    }

    /// Makes directories, files and server as wanted. Can be stopped at any instant and run again.
    ///
    /// # Errors
    /// Errors of [`ErrorKind`](crate::ErrorKind) `Input`, `Refused` and `Busy` come before anything was changed; after a
    /// failure on the way, what was changed is put back.
    pub async fn apply(&self, consent: &Consent) -> Result<Outcome, Error> {
        let first = self.plan(consent).await?;
        self.carry_out(first, consent, async || self.plan(consent).await).await
    }

    /// Takes the exports called `names` away (all of them, when it is empty). Directories, their data and their ids stay.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn remove(&self, names: &BTreeSet<String>, consent: &Consent) -> Result<Outcome, Error> {
        let first = self.plan_removal(names, consent).await?;
        self.carry_out(first, consent, async || self.plan_removal(names, consent).await).await
    }

    /// How the exports are. Changes nothing.
    ///
    /// # Errors
    /// When the machine cannot be looked at. A server that does not run is no error.
    pub async fn status(&self) -> Result<Status, Error> {
        let mut seen = Observation::make(&self.wanted, &self.server, true).await?;
        let running = self.server.check_running().await.is_ok();
        let target = plan::target(&self.wanted, &seen)?;
        let mut findings = self.server.findings(&seen.configuration, &target.exports, &seen.machine)?;
        let paths: Vec<PathBuf> = target.exports.iter().map(|export| export.path.clone()).collect();
        if running && let Err(error) = seen.ask_users(&self.server, &paths).await {
            findings.push(Finding {
                severity: crate::Severity::Warning,
                code: "users-unknown",
                place: self.server.name().to_owned(),
                what: error.to_string(),
                remedy: "run as root".to_owned(),
            });
        }
        let exports = target
            .exports
            .iter()
            .zip(&seen.directories)
            .map(|(export, directory)| self.export_status(export, directory, &seen, running))
            .collect();
        let mut left_over: Vec<PathBuf> = plan::left_over(&self.wanted, &seen, &target);
        left_over.sort();
        Ok(Status {
            deployment: self.wanted.deployment.clone(),
            server: self.server.name(),
            running,
            exports,
            left_over,
            findings,
        })
    }

    fn export_status(
        &self,
        export: &Export,
        directory: &Directory,
        seen: &Observation,
        running: bool,
    ) -> ExportStatus {
        let configured = seen.configuration.ours.iter().find(|known| known.path == export.path);
        let served = seen.served.iter().flatten().find(|served| served.path == export.path);
        let mut drift = Vec::new();
        match directory {
            Directory::Missing if configured.is_none() && served.is_none() => {
                drift.push("it was not made yet; `apply` makes it".to_owned());
            }
            directory => {
                drift.extend(directory_drift(directory, export));
                drift.extend(self.configured_drift(configured, export));
                drift.extend(self.served_drift(seen, served, export));
            }
        }
        ExportStatus {
            name: export.name.clone(),
            path: export.path.clone(),
            id: Some(export.id)
                .filter(|_| seen.ids.as_ref().is_some_and(|ids| ids.get(&export.name).is_some())),
            drift,
            users: seen.users_of(&export.path).to_vec(),
            served: running.then_some(served.is_some()),
        }
    }

    fn configured_drift(&self, configured: Option<&Configured>, export: &Export) -> Option<String> {
        let Some(configured) = configured else {
            return Some(format!("{} does not have it", self.server.config_file().display()));
        };
        let same_id = configured.id == Some(export.id);
        let same = same_id && self.server.same_grants(&configured.grants, &export.grants);
        (!same).then(|| format!("{} has it in another way", configured.place))
    }

    fn served_drift(&self, seen: &Observation, served: Option<&Served>, export: &Export) -> Option<String> {
        match served {
            Some(served) if !self.server.serves(served, export) => {
                Some("the server serves it in another way".to_owned())
            }
            None if seen.served.is_some() => Some("the server does not serve it".to_owned()),
            _ => None,
        }
    }

    async fn plan_to(
        &self,
        consent: &Consent,
        target: impl Fn(&Wanted, &Observation) -> Result<Target, Error>,
    ) -> Result<Plan, Error> {
        let mut seen = Observation::make(&self.wanted, &self.server, consent.offline).await?;
        let target = target(&self.wanted, &seen)?;
        let mut risk = plan::at_risk(&self.wanted, &self.server, &seen, &target);
        // Who is named needs no question, which could go unanswered.
        risk.retain(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_none_or(|name| !consent.even_if_used.contains(name))
        });
        seen.ask_users(&self.server, &risk).await?;
        plan::plan(&self.wanted, &self.server, &seen, target, consent)
    }

    fn check_names(&self, consent: &Consent) -> Result<(), Error> {
        // An export to be taken away may be one that the spec no longer has.
        self.check_known("--adopt", &consent.adopt)
    }

    fn check_known(&self, field: &'static str, names: &BTreeSet<String>) -> Result<(), Error> {
        let known: Vec<String> = self.wanted.paths().map(|(name, _)| name).collect();
        match names.iter().find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(name) => Err(Error::Wish(WishError {
                field,
                why: format!("there is no export `{name}`; there are {}", known.join(", ")),
            })),
        }
    }

    async fn carry_out(
        &self,
        first: Plan,
        consent: &Consent,
        again: impl AsyncFn() -> Result<Plan, Error>,
    ) -> Result<Outcome, Error> {
        // First without the lock, as taking it makes a file; then under it, as the world may have moved.
        let acceptable = |plan: &Plan| match plan.refusals.is_empty() {
            true => Ok(()),
            false => Err(Error::Refused(plan.refusals.clone())),
        };
        acceptable(&first)?;
        if first.is_empty() {
            return Ok(Outcome { changes: Vec::new(), findings: first.findings });
        }
        let _locks = self.lock()?;
        let plan = again().await?;
        acceptable(&plan)?;
        let outcome = Outcome { changes: plan.lines(), findings: plan.findings.clone() };
        let mut done = Vec::new();
        let result = match self.execute(&plan, &mut done).await {
            Ok(()) => self.verify(&plan, consent).await,
            error => error,
        };
        match result {
            Ok(()) => Ok(outcome),
            Err(cause) => {
                let left = self.put_back(&done).await.err().map(Box::new);
                Err(Error::Undone { cause: Box::new(cause), left })
            }
        }
    }

    fn lock(&self) -> Result<Vec<Lock>, Error> {
        // Always in the same order, so that two runs do not wait for each other.
        let mut locks = Vec::new();
        for path in self.server.lock_files() {
            if let Some(folder) = path.parent() {
                self.machine.make_folder(folder, PASSABLE).map_err(|source| unwritable(folder, source))?;
            }
            locks.push(Lock::take(&path).map_err(|error| match error {
                LockError::Held => Error::Busy { path: path.clone() },
                LockError::Unusable(source) => {
                    Error::File { action: "lock", path: path.clone(), source, remedy: RIGHTS }
                }
            })?);
        }
        Ok(locks)
    }

    /// Does the steps in order; `done` gets each before it is begun, as a step may fail half-way.
    async fn execute<'plan>(&self, plan: &'plan Plan, done: &mut Vec<&'plan Step>) -> Result<(), Error> {
        for step in &plan.steps {
            done.push(step);
            match step {
                Step::MakeDirectory { path, owner } => {
                    let failed = |source| unwritable(path, source);
                    self.machine.make_folder(path, PASSABLE).map_err(failed)?;
                    self.machine.set_owner(path, *owner).map_err(failed)?;
                }
                Step::SetOwner { path, to, .. } => {
                    self.machine.set_owner(path, *to).map_err(|source| unwritable(path, source))?;
                }
                Step::WriteIds { path, text } => self.write(path, Some(text.as_bytes()), READABLE)?,
                Step::Write(change) => self.write(&change.path, change.after.as_deref(), change.mode)?,
                Step::Serve { export, was } => {
                    self.server.serve(&self.machine, export, was.as_ref()).await?;
                }
                Step::Withdraw { served } => self.server.withdraw(&self.machine, served).await?,
            }
        }
        Ok(())
    }

    fn write(&self, path: &Path, content: Option<&[u8]>, mode: u32) -> Result<(), Error> {
        let written = match content {
            Some(content) => self.machine.write_file(path, content, mode),
            None => self.machine.remove(path),
        };
        written.map_err(|source| unwritable(path, source))
    }

    /// A server may take an export and not serve it, for instance to a host whose name it cannot resolve.
    async fn verify(&self, plan: &Plan, consent: &Consent) -> Result<(), Error> {
        let seen = Observation::make(&self.wanted, &self.server, consent.offline).await?;
        let Some(served) = &seen.served else { return Ok(()) };
        let missing = plan
            .exports
            .iter()
            .find(|export| !served.iter().any(|served| self.server.serves(served, export)));
        match missing {
            None => Ok(()),
            Some(export) => Err(Error::Server {
                who: self.server.name().to_owned(),
                what: format!("it took {} and does not serve it as it was told", export.path.display()),
                remedy: "look at its log; a client's host name that cannot be resolved does this".to_owned(),
            }),
        }
    }

    /// Undoes what was done of a plan, the last first. Directories and ids stay: they harm nobody, and handles may hang
    /// on the ids.
    async fn put_back(&self, done: &[&Step]) -> Result<(), Error> {
        // The files first: Ganesha reads an export from them.
        let mut result = Ok(());
        for step in done.iter().rev() {
            if let Step::Write(change) = step {
                result = result.and(self.write(&change.path, change.before.as_deref(), change.mode));
            }
        }
        for step in done.iter().rev() {
            let undone = match step {
                Step::Serve { export, was } => self.restore(&export.path, was.as_ref()).await,
                Step::Withdraw { served } => self.restore(&served.path, Some(served)).await,
                Step::SetOwner { path, from, .. } => {
                    self.machine.set_owner(path, *from).map_err(|source| unwritable(path, source))
                }
                Step::MakeDirectory { .. } | Step::WriteIds { .. } | Step::Write(_) => Ok(()),
            };
            result = result.and(undone);
        }
        result
    }

    /// Has the server serve at `path` what it served before.
    async fn restore(&self, path: &Path, was: Option<&Served>) -> Result<(), Error> {
        // A step may have stopped half-way: only the server knows what it did.
        let served = self.server.served().await?;
        let now = served.iter().find(|served| served.path == path);
        match (was, now) {
            (Some(was), _) => self.server.serve(&self.machine, &restored(was), now).await,
            (None, Some(now)) => self.server.withdraw(&self.machine, now).await,
            (None, None) => Ok(()),
        }
    }
}

fn directory_drift(directory: &Directory, export: &Export) -> Option<String> {
    match directory {
        Directory::Missing => Some("the directory is missing".to_owned()),
        Directory::There { owner, .. } if *owner != export.owner => Some(format!(
            "the directory belongs to {}:{} with mode {:04o}, not to {}:{} with {:04o}",
            owner.uid, owner.gid, owner.mode, export.owner.uid, export.owner.gid, export.owner.mode
        )),
        Directory::There { .. } => None,
        Directory::Other(what) => Some(format!("its path is {what}")),
    }
}

/// An export that serves what was served before.
fn restored(served: &Served) -> Export {
    Export {
        name: String::new(),
        path: served.path.clone(),
        id: served.id.unwrap_or_default(),
        grants: served.grants.clone().unwrap_or_default(),
        owner: Owner { uid: 0, gid: 0, mode: 0o755 },
    }
}

const RIGHTS: &str = "run as root, on the machine that serves";

fn unwritable(path: &Path, source: std::io::Error) -> Error {
    Error::File { action: "write", path: path.to_path_buf(), source, remedy: RIGHTS }
}
