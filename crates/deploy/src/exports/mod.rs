//! The exports of a spec: planned, applied, looked at, verified over the wire, rendered, taken away.
//!
//! What an export is, and how a server is told of it, is the business of `slotwright-nfs`. Here the section `storage.nfs`
//! becomes its input, and what lies in an export already is judged, which takes knowledge of Redis.

mod left_over;
mod render;

use std::{collections::BTreeSet, time::Duration};

use serde::Serialize;
use slotwright_machine::Machine;
use slotwright_nfs::{
    Consent, Finding, MountOptions, NfsVersion, Outcome, Plan, Severity, Status, Storage,
    server::{Ganesha, GaneshaFiles, Kernel, KernelFiles, Server},
    wire::{self, Preflight, Report, Target, Version},
};

pub use self::render::{Rendered, RenderedExport, Rendering};
use crate::{ClusterSpec, Error, NfsPlace, NfsServerKind, SpecError, Stamp, stamp::STAMP_FILE};

/// The exports of one spec.
#[derive(Debug, Clone)]
pub struct Exports {
    place: NfsPlace,
    machine: Machine,
}

/// How the verification goes about it.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// The exports to verify; all of them when empty.
    pub names: BTreeSet<String>,
    /// Synced appends to measure for each export.
    pub appends: usize,
    /// The longest that one export may take.
    pub limit: Duration,
    /// Port of the mount protocol (NFSv3 only); the server's port mapper is asked when it is not given.
    pub mount_port: Option<u16>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { names: BTreeSet::new(), appends: 200, limit: Duration::from_secs(60), mount_port: None }
    }
}

/// What the verification of one export showed.
#[derive(Debug, Clone, Serialize)]
pub struct Verified {
    /// The export.
    pub name: String,
    /// What was done over the wire, and found.
    pub report: Report,
    /// What lies in it already.
    pub left_over: Vec<Finding>,
}

impl Verified {
    /// All findings.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.report.findings.iter().chain(&self.left_over)
    }

    /// True when a node can live there.
    pub fn is_fit(&self) -> bool {
        self.findings().all(|finding| finding.severity < Severity::Critical)
    }
}

impl Exports {
    /// The exports of `spec`, changed through `machine`.
    ///
    /// # Errors
    /// When the spec has no `storage.nfs`.
    pub fn new(spec: &ClusterSpec, machine: Machine) -> Result<Self, Error> {
        Ok(Self { place: spec.nfs()?, machine })
    }

    /// The section, with everything it leaves open filled in.
    pub fn place(&self) -> &NfsPlace {
        &self.place
    }

    /// What [`Self::apply`] would do; changes nothing.
    ///
    /// # Errors
    /// When the machine cannot be looked at, or nothing can be applied to this kind of server.
    pub async fn plan(&self, consent: &Consent) -> Result<Plan, Error> {
        self.check_stamps(consent)?;
        Ok(self.storage()?.plan(consent).await?)
    }

    /// Makes directories, files and server as the spec says.
    ///
    /// # Errors
    /// As [`Storage::apply`].
    pub async fn apply(&self, consent: &Consent) -> Result<Outcome, Error> {
        self.check_stamps(consent)?;
        Ok(self.storage()?.apply(consent).await?)
    }

    /// Takes exports away; data stays.
    ///
    /// # Errors
    /// As [`Storage::remove`].
    pub async fn remove(&self, names: &BTreeSet<String>, consent: &Consent) -> Result<Outcome, Error> {
        Ok(self.storage()?.remove(names, consent).await?)
    }

    /// What [`Self::remove`] would do; changes nothing.
    ///
    /// # Errors
    /// As [`Storage::plan_removal`].
    pub async fn plan_removal(&self, names: &BTreeSet<String>, consent: &Consent) -> Result<Plan, Error> {
        Ok(self.storage()?.plan_removal(names, consent).await?)
    }

    /// How the exports are; changes nothing.
    ///
    /// # Errors
    /// When the machine cannot be looked at.
    pub async fn status(&self) -> Result<Status, Error> {
        Ok(self.storage()?.status().await?)
    }

    /// Proves over the wire that a node could live in each export. It writes and removes files of its own there.
    ///
    /// # Errors
    /// When an export is named that there is not. What the server does is told in the reports.
    pub async fn verify(&self, options: &VerifyOptions) -> Result<Vec<Verified>, Error> {
        let paths: Vec<_> = self.place.wanted.paths().collect();
        if let Some(unknown) =
            options.names.iter().find(|name| !paths.iter().any(|(known, _)| known == *name))
        {
            let known: Vec<&str> = paths.iter().map(|(name, _)| name.as_str()).collect();
            return Err(SpecError::new(format!(
                "there is no export `{unknown}`; there are {}",
                known.join(", ")
            ))
            .into());
        }
        let chosen =
            paths.iter().filter(|(name, _)| options.names.is_empty() || options.names.contains(name));
        let mut reports = Vec::new();
        // One after the other: the latency of one shall not be that of six.
        for (name, path) in chosen {
            let target = self.target(&path.to_string_lossy(), options);
            let preflight = Preflight {
                appends: options.appends,
                limit: options.limit,
                read: left_over::WANTED_FILES.map(str::to_owned).to_vec(),
                ..Preflight::default()
            };
            reports.push((name.clone(), wire::verify(&target, &preflight).await));
        }
        let found: Vec<_> =
            reports.iter().map(|(name, report)| (name.as_str(), report.found.as_slice())).collect();
        let mut judged = left_over::judge(&self.place.wanted.deployment, &found);
        Ok(reports
            .into_iter()
            .map(|(name, report)| Verified {
                left_over: judged.remove(&name).unwrap_or_default(),
                name,
                report,
            })
            .collect())
    }

    /// The exports as text for other tools; changes nothing, and asks no server.
    ///
    /// # Errors
    /// When the ids kept in the base directory cannot be read.
    pub fn render(&self, rendering: Rendering) -> Result<Rendered, Error> {
        render::render(&self.place, rendering)
    }

    /// What works and is worth a second thought.
    pub fn advice(&self) -> Vec<Finding> {
        self.place.mount.findings()
    }

    /// A directory that carries another deployment's stamp is not exported as ours.
    fn check_stamps(&self, consent: &Consent) -> Result<(), Error> {
        for (name, path) in self.place.wanted.paths().filter(|(name, _)| !consent.adopt.contains(name)) {
            let Ok(text) = std::fs::read_to_string(path.join(STAMP_FILE)) else { continue };
            let reason = match text.parse::<Stamp>() {
                Ok(stamp) if stamp.name == self.place.wanted.deployment => continue,
                Ok(stamp) => {
                    format!("belongs to another deployment, \"{}\" (id {})", stamp.name, stamp.deployment)
                }
                Err(why) => format!("has a stamp that cannot be read ({why})"),
            };
            return Err(Error::Identity { path, node: name, reason });
        }
        Ok(())
    }

    fn target(&self, path: &str, options: &VerifyOptions) -> Target {
        Target {
            host: self.place.address.clone(),
            port: self.place.port,
            mount_port: options.mount_port,
            version: version(&self.place.mount),
            path: path.to_owned(),
            uid: self.place.wanted.owner.uid,
            gid: self.place.wanted.owner.gid,
            privileged_port: true,
        }
    }

    fn storage(&self) -> Result<Storage, Error> {
        Ok(Storage::new(self.place.wanted.clone(), self.server()?, self.machine.clone())?)
    }

    fn server(&self) -> Result<Server, Error> {
        let place = &self.place;
        let name = &place.wanted.deployment;
        match place.server {
            NfsServerKind::Kernel => Ok(Server::Kernel(kernel(place, name))),
            NfsServerKind::Ganesha => Ok(Server::Ganesha(ganesha(place, name))),
            NfsServerKind::Render => Err(SpecError::new(
                "storage.nfs.server: `render` is looked after by other tools; give them what `slotwright exports render` \
                 prints, and use `slotwright exports verify`",
            )
            .into()),
        }
    }
}

fn kernel(place: &NfsPlace, name: &str) -> Kernel {
    Kernel::new(
        KernelFiles {
            etc: place.kernel.etc.clone(),
            state: place.kernel.state.clone(),
            exportfs: place.kernel.exportfs.clone(),
            ..KernelFiles::default()
        },
        name,
    )
}

fn ganesha(place: &NfsPlace, name: &str) -> Ganesha {
    Ganesha::new(
        GaneshaFiles {
            config: place.ganesha.config.clone(),
            folder: place.ganesha.folder.clone(),
            bus: place.ganesha.bus.clone(),
        },
        name,
    )
}

fn version(mount: &MountOptions) -> Version {
    match mount.version() {
        NfsVersion::V3 => Version::V3,
        // What 4.2 adds, Redis does not use.
        NfsVersion::V4_0 | NfsVersion::V4_1 | NfsVersion::V4_2 => Version::V4_1,
    }
}
