//! NFS-Ganesha: a drop-in file that its main configuration includes, and its D-Bus interface while it runs.
//!
//! One export is changed at a time, by AddExport, UpdateExport and RemoveExport. Never by SIGHUP, which takes every export
//! away when any file has an error. The files are changed first: whatever happens then, a server that starts reads what
//! shall be. (Ganesha ends when its bus does; what is told over the bus is gone then, what is in the files is not.)

mod config;
mod control;
mod differences;
mod include;
mod render;
mod syntax;
mod terms;
mod users;

use std::path::{Path, PathBuf};

use slotwright_machine::Machine;

use self::{
    config::{Disk, Files},
    control::{Bus, Control, Shown},
    syntax::{Block, Item},
};
use super::{Configuration, FileChange, Served, User};
use crate::{Error, Export, Finding, exports::Grant};

pub(super) use self::terms::same_grants;

/// Where NFS-Ganesha has its configuration, and how it is talked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GaneshaFiles {
    /// The main configuration file; one `%include` line is kept in it.
    pub config: PathBuf,
    /// The folder of the file with our exports.
    pub folder: PathBuf,
    /// The D-Bus address it is reached at, for instance `unix:path=/run/dbus/system_bus_socket`; the system's bus if none.
    pub bus: Option<String>,
}

impl Default for GaneshaFiles {
    /// The places that its Debian package uses.
    fn default() -> Self {
        Self { config: "/etc/ganesha/ganesha.conf".into(), folder: "/etc/ganesha".into(), bus: None }
    }
}

/// NFS-Ganesha, with a drop-in file for one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ganesha {
    config: PathBuf,
    drop_in: PathBuf,
    bus: Bus,
}

impl Ganesha {
    /// The server with its files, and the drop-in file of `deployment`.
    pub fn new(files: GaneshaFiles, deployment: &str) -> Self {
        let drop_in = files.folder.join(format!("slotwright-{deployment}.conf"));
        Self { config: files.config, drop_in, bus: files.bus.map_or(Bus::System, Bus::At) }
    }

    pub(super) fn config_file(&self) -> &Path {
        &self.drop_in
    }

    pub(super) fn main_file(&self) -> &Path {
        &self.config
    }

    pub(super) fn render(&self, exports: &[Export]) -> Result<String, Error> {
        render::render(exports)
    }

    pub(super) fn configuration(&self) -> Result<Configuration, Error> {
        let mut files = config::read(&Disk, &self.config, &self.drop_in)?;
        if files.includes_drop_in.is_none() {
            // Left without its line by a run that was killed: what is in it is still ours.
            files.files.extend(config::read(&Disk, &self.drop_in, &self.drop_in)?.files);
        }
        let defaults: Vec<&Block> =
            files.files.iter().flat_map(|file| file.blocks("EXPORT_DEFAULTS")).collect();
        let mut configuration = Configuration::default();
        for file in &files.files {
            let ours = file.path == self.drop_in;
            if ours {
                only_exports(file)?;
            }
            let list = if ours { &mut configuration.ours } else { &mut configuration.foreign };
            list.extend(config::configured(file, &defaults)?);
            configuration.files.insert(file.path.clone(), file.bytes.clone());
        }
        Ok(configuration)
    }

    /// The drop-in is there whenever the line that includes it is: Ganesha does not start without it.
    pub(super) fn files(
        &self,
        configuration: &Configuration,
        exports: &[Export],
    ) -> Result<Vec<FileChange>, Error> {
        let now = |path: &Path| configuration.files.get(path).cloned();
        let found = config::read(&configuration.files, &self.config, &self.drop_in)?;
        let drop_in =
            |after| FileChange { path: self.drop_in.clone(), before: now(&self.drop_in), after, mode: 0o644 };
        if exports.is_empty() {
            let mut changes = self.without_include(&found)?;
            // A folder that is included as a whole needs no line.
            changes.push(drop_in(None));
            return Ok(changes);
        }
        self.refuse_taken_pseudo(&found, exports)?;
        let mut changes = vec![drop_in(Some(self.render(exports)?.into_bytes()))];
        if found.includes_drop_in.is_none() {
            let before = now(&self.config).unwrap_or_default();
            let after = include::with_include(&before, self.includable()?);
            changes.push(FileChange {
                path: self.config.clone(),
                before: Some(before),
                after: Some(after),
                mode: 0o644,
            });
        }
        Ok(changes)
    }

    /// A path of NFSv4 can be had once: at its next start Ganesha would leave out the export that comes second.
    fn refuse_taken_pseudo(&self, found: &Files, exports: &[Export]) -> Result<(), Error> {
        for file in found.files.iter().filter(|file| file.path != self.drop_in) {
            for block in file.blocks("EXPORT") {
                let Some(pseudo) = block.get("Pseudo").and_then(|pseudo| pseudo.value()) else { continue };
                if exports.iter().any(|export| same_directory(&export.path, Path::new(pseudo))) {
                    return Err(Error::Configuration {
                        place: format!("{}:{}", file.path.display(), block.place),
                        what: format!(
                            "this export is at {pseudo} for clients of NFSv4 already; give it another Pseudo, or remove it"
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    fn includable(&self) -> Result<&str, Error> {
        self.drop_in.to_str().filter(|path| include::can_be_included(path)).ok_or_else(|| {
            Error::Configuration {
                place: self.drop_in.display().to_string(),
                what: "Ganesha can include only files whose whole name is of letters, digits, `.`, `_`, `-` and `/`; name \
                       another folder (storage.nfs.ganesha.folder)"
                    .to_owned(),
            }
        })
    }

    fn without_include(&self, found: &Files) -> Result<Vec<FileChange>, Error> {
        let holder = found.files.iter().find(|file| Some(&file.path) == found.includes_drop_in.as_ref());
        let Some(file) = holder else { return Ok(Vec::new()) };
        let ours = |include: &syntax::Include| {
            include.kind == syntax::IncludeKind::File && config::names(include, &self.config, &self.drop_in)
        };
        let after = include::without_include(&file.bytes, ours).map_err(|error| Error::Configuration {
            place: format!("{}:{}", file.path.display(), error.place),
            what: error.what,
        })?;
        let path = file.path.clone();
        Ok(vec![FileChange { path, before: Some(file.bytes.clone()), after: Some(after), mode: 0o644 }])
    }

    pub(super) async fn check_running(&self) -> Result<(), Error> {
        self.control().await.map(|_| ())
    }

    async fn control(&self) -> Result<Control, Error> {
        Control::connect(&self.bus).await
    }

    /// What the running server exports. Grants are those of CLIENT blocks; what an export allows to everybody else, the
    /// server does not tell.
    pub(super) async fn served(&self) -> Result<Vec<Served>, Error> {
        let control = self.control().await?;
        let mut served = Vec::new();
        // 0 is the root of NFSv4, which Ganesha makes by itself.
        for shown in control.show_exports().await?.into_iter().filter(|shown| shown.id != 0) {
            // One that is gone meanwhile is served no more.
            if let Some(displayed) = control.display_export(shown.id).await? {
                served.push(Served {
                    path: PathBuf::from(displayed.path),
                    id: Some(shown.id),
                    grants: Some(terms::grants(&displayed.clients)),
                });
            }
        }
        Ok(served)
    }

    pub(super) async fn serve(
        &self,
        machine: &Machine,
        export: &Export,
        was: Option<&Served>,
    ) -> Result<(), Error> {
        let control = self.control().await?;
        let before = was.and_then(|was| was.id);
        if before == Some(export.id) {
            control.update_export(machine, &self.drop_in, export.id).await?;
            return check(&control, export).await;
        }
        if let Some(id) = before {
            control.remove_export(machine, id).await?;
        }
        let added = control.add_export(machine, &self.drop_in, export.id).await;
        let checked = match &added {
            Ok(()) => check(&control, export).await,
            Err(_) => Ok(()),
        };
        let Err(error) = added.and(checked) else { return Ok(()) };
        // Nobody can use it yet, and half of it shall not stay.
        if is_served(&control, export).await {
            control.remove_export(machine, export.id).await?;
        }
        Err(error)
    }

    pub(super) async fn withdraw(&self, machine: &Machine, served: &Served) -> Result<(), Error> {
        let control = self.control().await?;
        match find(&control, served).await? {
            Some(shown) => control.remove_export(machine, shown.id).await,
            None => Ok(()),
        }
    }

    pub(super) async fn users(&self, served: &Served) -> Result<Vec<User>, Error> {
        let control = self.control().await?;
        match find(&control, served).await? {
            Some(shown) => users::users(&control, &shown, &served.path).await,
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn findings(&self, exports: &[Export]) -> Result<Vec<Finding>, Error> {
        Ok(exports.iter().flat_map(differences::differences).collect())
    }
}

/// Our file is written anew as a whole: what is in it besides one EXPORT block for a directory would be lost.
fn only_exports(file: &config::File) -> Result<(), Error> {
    let lost = |place: String, what: &str| Error::Configuration {
        place: format!("{}:{place}", file.path.display()),
        what: format!("{what} in Slotwright's own file would be lost; move it to a file of its own"),
    };
    let mut paths = std::collections::BTreeSet::new();
    for item in &file.items {
        match item {
            Item::Block(block) if block.name.eq_ignore_ascii_case("EXPORT") => {
                let path = block.get("Path").and_then(syntax::Statement::value);
                if path.is_some_and(|path| !paths.insert(path)) {
                    return Err(lost(block.place.to_string(), "a second export of a directory"));
                }
            }
            Item::Block(block) => return Err(lost(block.place.to_string(), "a block that is no EXPORT")),
            Item::Statement(statement) => return Err(lost(statement.place.to_string(), "a statement")),
            Item::Include(include) => return Err(lost(include.place.to_string(), "what is included")),
        }
    }
    Ok(())
}

/// An export as the server shows it now, if it is the one that was meant.
async fn find(control: &Control, served: &Served) -> Result<Option<Shown>, Error> {
    for shown in control.show_exports().await? {
        if shown.id == 0 || served.id.is_some_and(|id| id != shown.id) {
            continue;
        }
        let displayed = control.display_export(shown.id).await?;
        if displayed.is_some_and(|displayed| same_directory(Path::new(&displayed.path), &served.path)) {
            return Ok(Some(shown));
        }
    }
    Ok(None)
}

/// Whether two paths are the same but for slashes.
fn same_directory(one: &Path, other: &Path) -> bool {
    one.components().eq(other.components())
}

/// Whether the server has an export with this id for this directory.
async fn is_served(control: &Control, export: &Export) -> bool {
    let displayed = control.display_export(export.id).await;
    displayed
        .is_ok_and(|displayed| displayed.is_some_and(|displayed| Path::new(&displayed.path) == export.path))
}

/// Reads back what the server made of an export: it calls it a success when it understood half.
async fn check(control: &Control, export: &Export) -> Result<(), Error> {
    let displayed = control.display_export(export.id).await?;
    let right = displayed.as_ref().is_some_and(|displayed| {
        let path = Path::new(&displayed.path) == export.path && displayed.pseudo == displayed.path;
        path && same_grants(&terms::grants(&displayed.clients), &export.grants)
    });
    if right {
        return Ok(());
    }
    let shown = |grants: &[Grant]| grants.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let what = match displayed {
        None => format!("export {} is not there although the server took it", export.id),
        Some(displayed) => format!(
            "it serves {} as export {} to [{}], not {} to [{}]",
            displayed.path,
            export.id,
            shown(&terms::grants(&displayed.clients)),
            export.path.display(),
            shown(&export.grants)
        ),
    };
    Err(Error::Server {
        who: "NFS-Ganesha".to_owned(),
        what,
        remedy: "its log (ganesha.log) tells what it did not understand".to_owned(),
    })
}

#[cfg(test)]
mod tests;
