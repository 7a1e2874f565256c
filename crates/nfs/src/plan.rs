//! From what there is and what shall be to the steps between them. The same observation gives the same plan.

mod lines;

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

use slotwright_machine::Owner;

use crate::{
    Error, Export, Finding, Refusal, Wanted, WishError,
    exports::{Facts, Grant, Place},
    ids::Ids,
    observe::{Directory, Observation},
    server::{FileChange, Served, Server},
};

pub use lines::Line;

/// What the user says yes to by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// Directories (`pv3`) that are given their owner although they hold data of another.
    pub adopt: BTreeSet<String>,
    /// Exports (`pv3`) that are taken away, or granted otherwise, although a client uses them.
    pub even_if_used: BTreeSet<String>,
    /// The server need not run: what it reads when it starts is prepared.
    pub offline: bool,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make a directory (and the folders above it) for its owner.
    MakeDirectory { path: PathBuf, owner: Owner },
    /// Give a directory its owner, group and mode.
    SetOwner { path: PathBuf, from: Owner, to: Owner },
    /// Keep the ids.
    WriteIds { path: PathBuf, text: String },
    /// Change a file of the server's configuration.
    Write(FileChange),
    /// Have the server serve an export, in place of what it serves there.
    Serve { export: Export, was: Option<Served> },
    /// Have the server serve an export no more.
    Withdraw { served: Served },
}

/// What would be done, and what speaks against it.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) steps: Vec<Step>,
    /// What is not done unless it is asked for by name. While there is any, nothing is done.
    pub refusals: Vec<Refusal>,
    /// What is worth telling.
    pub findings: Vec<Finding>,
    /// The exports as they will be.
    pub exports: Vec<Export>,
}

impl Plan {
    /// True when everything is as wanted.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps in words.
    pub fn lines(&self) -> Vec<Line> {
        self.steps.iter().flat_map(lines::describe).collect()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.lines().iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// The exports that a run shall end with.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The ids, those of new directories included.
    pub(crate) ids: Ids,
    /// The exports.
    pub(crate) exports: Vec<Export>,
    /// The directories shall be there too: not so when everything is only taken away.
    pub(crate) directories: bool,
    /// The only directories whose exports are taken away, and none is served anew; without it, whatever differs.
    pub(crate) only: Option<BTreeSet<PathBuf>>,
}

/// The exports that `wanted` asks for, with the ids they have or are given now.
pub(crate) fn target(wanted: &Wanted, seen: &Observation) -> Result<Target, Error> {
    let ids = assign_ids(wanted, seen)?;
    Ok(Target { exports: wanted.exports(&ids), ids, directories: true, only: None })
}

/// The exports that are left when those called `names` (all of them, when it is empty) are taken away. Those that are left
/// stay as they are, whatever the spec says of them by now.
pub(crate) fn target_without(
    wanted: &Wanted,
    seen: &Observation,
    names: &BTreeSet<String>,
) -> Result<Target, Error> {
    let ids = assign_ids(wanted, seen)?;
    let configured = &seen.configuration.ours;
    let ours = configured.iter().filter_map(|export| Some((name_of(wanted, &export.path)?, export)));
    let known: BTreeSet<&str> =
        ids.iter().map(|(name, _)| name).chain(ours.clone().map(|(name, _)| name)).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name.as_str())) {
        let known: Vec<&str> = known.into_iter().collect();
        return Err(Error::Wish(WishError {
            field: "NAME",
            why: format!("there is no export `{unknown}`; there are {}", known.join(", ")),
        }));
    }
    let left =
        ours.filter(|(name, _)| !names.is_empty() && !names.contains(*name)).map(|(name, export)| Export {
            name: name.to_owned(),
            path: export.path.clone(),
            id: export.id.or_else(|| ids.get(name)).unwrap_or_default(),
            grants: export.grants.clone(),
            owner: wanted.owner,
        });
    let exports = left.collect();
    let only = (!names.is_empty()).then(|| names.iter().map(|name| wanted.base.join(name)).collect());
    Ok(Target { exports, ids, directories: false, only })
}

fn assign_ids(wanted: &Wanted, seen: &Observation) -> Result<Ids, Error> {
    let mut ids = match &seen.ids {
        Some(ids) if ids.deployment() != wanted.deployment => {
            return Err(Error::Refused(vec![Refusal {
                subject: wanted.base.display().to_string(),
                why: format!("it holds the exports of another deployment, \"{}\"", ids.deployment()),
                instead: "name another base-directory".to_owned(),
            }]));
        }
        Some(ids) => ids.clone(),
        None => Ids::new(&wanted.deployment),
    };
    // Ids that were lost with their file may stand in ours, or be known to the server.
    let served = seen.served.iter().flatten().map(|served| (&served.path, served.id));
    let known: Vec<(&PathBuf, Option<u16>)> =
        seen.configuration.ours.iter().map(|export| (&export.path, export.id)).chain(served).collect();
    let names: Vec<(String, PathBuf)> = wanted.paths().collect();
    for (name, path) in &names {
        let before = known.iter().find_map(|(known, id)| id.filter(|_| *known == path));
        if let (None, Some(id)) = (ids.get(name), before) {
            ids.keep(name, id);
        }
    }
    let ours = |path: &Path| names.iter().any(|(_, known)| known == path);
    let foreign_files = seen.configuration.foreign.iter().filter_map(|export| export.id);
    let foreign_served =
        seen.served.iter().flatten().filter(|served| !ours(&served.path)).filter_map(|served| served.id);
    let taken: BTreeSet<u16> = foreign_files.chain(foreign_served).collect();
    ids.assign(names.iter().map(|(name, _)| name.as_str()), |id| taken.contains(&id)).map_err(|error| {
        Error::Configuration { place: wanted.base.display().to_string(), what: error.to_string() }
    })?;
    Ok(ids)
}

/// The paths of exports that this target would take away, or change so that a client may suffer: who uses them must be
/// known.
pub(crate) fn at_risk(wanted: &Wanted, server: &Server, seen: &Observation, target: &Target) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = seen
        .served
        .iter()
        .flatten()
        .filter(|served| target.touches(&served.path))
        .filter(|served| {
            let export = target.exports.iter().find(|export| export.path == served.path);
            match export {
                Some(export) => {
                    harm(server, seen, served, export).is_some() || owner_harm(wanted, seen, &served.path)
                }
                None => is_known(wanted, seen, &served.path),
            }
        })
        .map(|served| served.path.clone())
        .collect();
    paths.dedup();
    paths
}

/// Whether the directory at `path` is to be given another owner, or less may be done with it.
fn owner_harm(wanted: &Wanted, seen: &Observation, path: &Path) -> bool {
    let found = wanted.paths().zip(&seen.directories).find(|((_, known), _)| known == path);
    let Some((_, Directory::There { owner, .. })) = found else { return false };
    let to = wanted.owner;
    (owner.uid, owner.gid) != (to.uid, to.gid) || owner.mode & 0o777 & !to.mode != 0
}

/// What a client of `served` could suffer from when `export` takes its place; nothing when only more is granted.
fn harm(server: &Server, seen: &Observation, served: &Served, export: &Export) -> Option<&'static str> {
    if served.id.is_some_and(|id| id != export.id) {
        return Some("giving it another id");
    }
    let configured = seen.configuration.ours.iter().find(|known| known.path == served.path);
    let configured = configured.map(|configured| &configured.grants);
    // The file has clients as they were named; a server may give a name back as addresses.
    let before = match (&served.grants, configured) {
        (Some(served), Some(configured)) if server.same_grants(served, configured) => configured,
        (Some(served), _) => served,
        (None, configured) => configured?,
    };
    let kept = |old: &Grant| {
        let alike = export.grants.iter().filter(|new| new.client.is_same(&old.client));
        alike.into_iter().any(|new| server.same_grants(std::slice::from_ref(old), std::slice::from_ref(new)))
    };
    (!before.iter().all(kept)).then_some("changing what its clients were granted")
}

/// The paths of exports that the server has, or our file names, and the spec does not.
pub(crate) fn left_over(wanted: &Wanted, seen: &Observation, target: &Target) -> Vec<PathBuf> {
    let served = seen.served.iter().flatten().map(|served| &served.path);
    let configured = seen.configuration.ours.iter().map(|configured| &configured.path);
    let known: BTreeSet<&PathBuf> = served.chain(configured).collect();
    known
        .into_iter()
        .filter(|path| is_known(wanted, seen, path))
        .filter(|path| !target.exports.iter().any(|export| export.path == **path))
        .cloned()
        .collect()
}

impl Target {
    /// Whether this run may change the export at `path`.
    fn touches(&self, path: &Path) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(path))
    }
}

/// Whether an export at `path` was made for this deployment: its id is kept, or our file has it. An export that somebody
/// else made at a path that the spec would use is not.
fn is_known(wanted: &Wanted, seen: &Observation, path: &Path) -> bool {
    let Some(name) = name_of(wanted, path) else { return false };
    seen.ids.as_ref().is_some_and(|ids| ids.get(name).is_some())
        || seen.configuration.ours.iter().any(|export| export.path == path)
}

/// Whether a directory belongs to the deployment, now or in an earlier version of its spec.
fn is_ours(wanted: &Wanted, target: &Target, path: &Path) -> bool {
    name_of(wanted, path).is_some_and(|name| target.ids.get(name).is_some())
}

/// The name of the export at a path below the base directory.
fn name_of<'a>(wanted: &Wanted, path: &'a Path) -> Option<&'a str> {
    (path.parent() == Some(&*wanted.base)).then(|| path.file_name()?.to_str()).flatten()
}

/// Plans the way to `target`. Fails only where an export cannot be written in the server's language.
pub(crate) fn plan(
    wanted: &Wanted,
    server: &Server,
    seen: &Observation,
    target: Target,
    consent: &Consent,
) -> Result<Plan, Error> {
    let mut plan = Plan {
        steps: Vec::new(),
        refusals: Vec::new(),
        findings: server.findings(&seen.configuration, &target.exports, &seen.machine)?,
        exports: Vec::new(),
    };
    if target.directories {
        check_mount(wanted, &seen.machine)?;
    }
    refuse_foreign(&mut plan, wanted, server, seen, &target);
    if target.directories {
        plan_directories(&mut plan, wanted, seen, consent);
    }
    // Also when everything is taken away: our file may be the last to know the ids. Not where the base is gone, or would
    // be on another disk.
    let known = seen.ids.is_some() || !seen.configuration.ours.is_empty();
    let base = matches!(seen.machine.place(&wanted.base), Place::Folder { .. });
    let keep = target.directories || (known && base && check_mount(wanted, &seen.machine).is_ok());
    if seen.ids.as_ref() != Some(&target.ids) && keep {
        plan.steps
            .push(Step::WriteIds { path: crate::ids::ids_file(&wanted.base), text: target.ids.to_text() });
    }
    let files = server.files(&seen.configuration, &target.exports)?;
    plan.steps.extend(files.into_iter().filter(|file| file.before != file.after).map(Step::Write));
    plan_served(&mut plan, wanted, server, seen, &target, consent);
    // What is left as it is has not to be as the spec says.
    plan.exports = if target.directories { target.exports } else { Vec::new() };
    Ok(plan)
}

/// Without its disk, a server would export the empty directory below the mount point.
fn check_mount(wanted: &Wanted, machine: &dyn Facts) -> Result<(), Error> {
    let Some(path) = &wanted.mount_point else { return Ok(()) };
    if matches!(machine.place(path), Place::Folder { mounted: true, .. }) {
        return Ok(());
    }
    Err(Error::Wish(WishError {
        field: "mount-point",
        why: format!(
            "nothing is mounted at {}, so the nodes would write to the disk below it; mount it first",
            path.display()
        ),
    }))
}

/// What others export must not be exported twice, and what others wrote into our file must not be lost.
fn refuse_foreign(plan: &mut Plan, wanted: &Wanted, server: &Server, seen: &Observation, target: &Target) {
    for export in &target.exports {
        let also = seen.configuration.foreign.iter().find(|foreign| foreign.path == export.path);
        if let Some(foreign) = also {
            plan.refusals.push(Refusal {
                subject: export.name.clone(),
                why: format!(
                    "{} exports {} already, and what it grants would stay in force beside ours",
                    foreign.place,
                    export.path.display()
                ),
                instead: "remove that entry first (`slotwright exports lint` shows what it allows)"
                    .to_owned(),
            });
        }
    }
    if target.directories {
        plan.refusals
            .extend(target.exports.iter().filter_map(|export| refuse_shared_id(wanted, seen, export)));
    }
    for stranger in seen.configuration.ours.iter().filter(|known| !is_ours(wanted, target, &known.path)) {
        plan.refusals.push(Refusal {
            subject: server.config_file().display().to_string(),
            why: format!(
                "{} exports {}, which is not one of this deployment's directories and would be lost",
                stranger.place,
                stranger.path.display()
            ),
            instead: "move that entry to a file of its own".to_owned(),
        });
    }
}

/// Two exports with one id give the clients of one the files of the other.
fn refuse_shared_id(wanted: &Wanted, seen: &Observation, export: &Export) -> Option<Refusal> {
    let foreign = seen.configuration.foreign.iter().map(|other| (&other.path, other.id, other.place.clone()));
    let served = seen.served.iter().flatten();
    let served = served
        .filter(|other| !is_known(wanted, seen, &other.path))
        .map(|other| (&other.path, other.id, "the server".to_owned()));
    let (path, _, place) =
        foreign.chain(served).find(|(path, id, _)| *id == Some(export.id) && **path != export.path)?;
    Some(Refusal {
        subject: export.name.clone(),
        why: format!(
            "its id, {}, is that of {} as well ({place}): clients of one would be given the files of the other",
            export.id,
            path.display()
        ),
        instead: "give the other one another id (fsid=, Export_Id), or name another base-directory"
            .to_owned(),
    })
}

fn plan_directories(plan: &mut Plan, wanted: &Wanted, seen: &Observation, consent: &Consent) {
    let owner = wanted.owner;
    for ((name, path), directory) in wanted.paths().zip(&seen.directories) {
        match directory {
            Directory::Missing => plan.steps.push(Step::MakeDirectory { path, owner }),
            Directory::There { owner: found, .. } if *found == owner => {}
            Directory::There { owner: found, empty } => {
                let foreign = (found.uid, found.gid) != (owner.uid, owner.gid);
                if !empty && foreign && !consent.adopt.contains(&name) {
                    plan.refusals.push(Refusal {
                        subject: name.clone(),
                        why: format!(
                            "{} holds data and belongs to {}:{}, not to {}:{}",
                            path.display(),
                            found.uid,
                            found.gid,
                            owner.uid,
                            owner.gid
                        ),
                        instead: format!(
                            "name another base-directory, or take the directory over with --adopt {name} (the files in \
                             it keep their owners)"
                        ),
                    });
                }
                if owner_harm(wanted, seen, &path) {
                    let what = "giving the directory another owner or mode";
                    plan.refusals.extend(refuse_used(seen, consent, &path, &name, what));
                }
                plan.steps.push(Step::SetOwner { path, from: *found, to: owner });
            }
            Directory::Other(what) => plan.refusals.push(Refusal {
                subject: name,
                why: format!("{} is {what}", path.display()),
                instead: "move it away, or name another base-directory".to_owned(),
            }),
        }
    }
}

fn plan_served(
    plan: &mut Plan,
    wanted: &Wanted,
    server: &Server,
    seen: &Observation,
    target: &Target,
    consent: &Consent,
) {
    let Some(served) = &seen.served else { return };
    // Gone first: an id may pass to nobody else, but a path below another may.
    for gone in served {
        let stays = target.exports.iter().any(|export| export.path == gone.path);
        if stays || !target.touches(&gone.path) || !is_known(wanted, seen, &gone.path) {
            continue;
        }
        let name = name_of(wanted, &gone.path).unwrap_or_default();
        if let Some(foreign) = seen.configuration.foreign.iter().find(|other| other.path == gone.path) {
            plan.refusals.push(Refusal {
                subject: name.to_owned(),
                why: format!(
                    "{} exports {} as well, and taking ours away would take that away",
                    foreign.place,
                    gone.path.display()
                ),
                instead: "remove that entry first".to_owned(),
            });
        }
        plan.refusals.extend(refuse_used(seen, consent, &gone.path, name, "taking it away"));
        plan.steps.push(Step::Withdraw { served: gone.clone() });
    }
    if target.only.is_some() {
        return;
    }
    for export in &target.exports {
        let was = served.iter().find(|served| served.path == export.path);
        if was.is_some_and(|was| server.serves(was, export)) {
            continue;
        }
        if let Some(harm) = was.and_then(|was| harm(server, seen, was, export)) {
            plan.refusals.extend(refuse_used(seen, consent, &export.path, &export.name, harm));
        }
        plan.steps.push(Step::Serve { export: export.clone(), was: was.cloned() });
    }
}

/// Why `what` is not done to an export that is in use and was not named.
fn refuse_used(
    seen: &Observation,
    consent: &Consent,
    path: &Path,
    name: &str,
    what: &str,
) -> Option<Refusal> {
    let users = seen.users_of(path);
    if users.is_empty() || consent.even_if_used.contains(name) {
        return None;
    }
    let users: Vec<String> =
        users.iter().map(|user| format!("{} ({})", user.client, user.evidence)).collect();
    Some(Refusal {
        subject: name.to_owned(),
        why: format!(
            "{} is in use by {}; {what} can make open files stale or refuse writes, which ends a Redis that writes",
            path.display(),
            users.join(", ")
        ),
        instead: format!("stop what uses it, or say --even-if-used {name}"),
    })
}

#[cfg(test)]
mod tests;
