//! All objects as YAML: one stream, or a folder that is kept up to date and in which nothing else is touched.
//!
//! No server is asked. What is written depends on the spec alone, byte for byte; Secrets are left out unless they are
//! asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use serde_json::Value;
use slotwright_kube::{
    Blueprint, SecretValue,
    objects::{self, NeededSecret, Object},
    render::{self, RenderError, Secrets},
};
use slotwright_machine::Machine;

use super::{Contents, advice, blueprint};
use crate::{
    ClusterSpec, DeploymentId, Error, SpecError,
    exports::{Exports, Rendered, Rendering},
};

/// What becomes of the Secret that is the deployment's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disclosure {
    /// It is left out, and nothing secret is read. `up` writes it.
    LeftOut,
    /// It is written with its content. The id is that of the deployment; it is not needed when the spec names a Secret
    /// that holds it.
    Shown(Option<DeploymentId>),
}

/// The objects of a spec, and its exports, as text.
#[derive(Debug, Clone)]
pub struct Manifests {
    name: String,
    blueprint: Blueprint,
    objects: Vec<Object>,
    secrets: Secrets,
    exports: Option<Rendered>,
    advice: Vec<String>,
}

/// What [`Manifests::write`] changed, by file name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Files that are new or have another text now.
    pub written: Vec<String>,
    /// Files of an earlier run that were not needed any more.
    pub removed: Vec<String>,
}

impl Written {
    /// True when everything was there already.
    pub fn is_nothing(&self) -> bool {
        self.written.is_empty() && self.removed.is_empty()
    }
}

/// How each file begins that this module writes: exports are written so as well.
const OURS: &str = "# Written by Slotwright;";
/// The name kustomize looks for …
const KUSTOMIZATION: &str = "kustomization.yaml";
/// … and the others it takes.
const OTHER_KUSTOMIZATIONS: [&str; 2] = ["kustomization.yml", "Kustomization"];
/// Names files in the kustomization that are none of its resources.
const BESIDE: &str = "# Beside them, for the NFS server: ";

const ID_IS_NEEDED: &str = "deployment-id: the Secret holds it, so it must be given to show the Secret: --deployment-id \
                            with 32 hexadecimal digits (of a deployment that is there: `kubectl get secret`; of a new one: \
                            `openssl rand -hex 16`)";

impl Manifests {
    /// The objects of `spec`, as Kubernetes 1.`minor` takes them; `None` stands for every version that is still looked
    /// after.
    ///
    /// ```
    /// use slotwright_deploy::{ClusterSpec, kubernetes::{Disclosure, Manifests}};
    /// let spec = ClusterSpec::parse(
    ///     "{name: sessions, shards: 3, replicas-per-shard: 1,
    ///       kubernetes: {namespace: shop, image: 'redis:7.2.5'}}",
    /// )?;
    /// let manifests = Manifests::new(&spec, Disclosure::LeftOut, None)?;
    /// assert!(manifests.documents()?.contains("kind: StatefulSet"));
    /// // Until `up` has written it, or somebody else has, no pod starts.
    /// assert_eq!(manifests.needed_secrets()[0].name, "sessions-secret");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the spec has no section `kubernetes`, or something in it cannot work; with [`Disclosure::Shown`] also when a
    /// secret cannot be read, or the id is needed and not given.
    pub fn new(spec: &ClusterSpec, disclosure: Disclosure, minor: Option<u32>) -> Result<Self, Error> {
        let holds_id = |spec: &ClusterSpec| spec.kubernetes.as_ref().is_some_and(|own| own.secret.is_some());
        let nobodys = || SecretValue::new("0".repeat(32));
        let (contents, id, secrets) = match disclosure {
            Disclosure::LeftOut => (Contents::placeholders(spec), nobodys(), Secrets::LeftOut),
            Disclosure::Shown(id) => {
                let id = match id {
                    Some(id) => SecretValue::new(id.to_string()),
                    None if holds_id(spec) => nobodys(),
                    None => return Err(SpecError::new(ID_IS_NEEDED).into()),
                };
                (Contents::read(spec)?, id, Secrets::Shown)
            }
        };
        let blueprint = blueprint(spec, &contents, id)?;
        let mut objects = objects::all(&blueprint);
        if let Some(minor) = minor {
            objects = objects.into_iter().map(|object| object.for_kubernetes(minor)).collect();
        }
        let exports = match &spec.storage {
            Some(_) => Some(Exports::new(spec, Machine::default())?.render(Rendering::AsInSpec)?),
            None => None,
        };
        let advice = advice(spec, &blueprint);
        Ok(Self { name: spec.name.clone(), blueprint, objects, secrets, exports, advice })
    }

    /// The objects that are written.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(|object| self.secrets == Secrets::Shown || !object.is_secret())
    }

    /// All objects as one stream of YAML documents, for `kubectl apply -f -`. Exports are not in it.
    ///
    /// # Errors
    /// When the writer refuses an object; none that is made here.
    pub fn documents(&self) -> Result<String, Error> {
        render::documents(&self.objects, self.secrets).map_err(|error| unwritable(&error))
    }

    /// The configuration of the NFS server, with `storage.nfs`.
    pub fn exports(&self) -> Option<&Rendered> {
        self.exports.as_ref()
    }

    /// The namespace of the objects.
    pub fn namespace(&self) -> &str {
        &self.blueprint.wanted().namespace
    }

    /// The Secrets that are not among the objects and must be there before a pod can start.
    pub fn needed_secrets(&self) -> Vec<NeededSecret> {
        let mut needed = objects::needed_secrets(&self.blueprint);
        needed.retain(|secret| self.secrets == Secrets::LeftOut || secret.name != self.own_secret());
        needed
    }

    /// The name of the Secret that `up` writes.
    pub fn own_secret(&self) -> &str {
        &self.blueprint.wanted().names.secret
    }

    /// What works but is worth a second thought.
    pub fn advice(&self) -> &[String] {
        &self.advice
    }

    /// Brings `folder` up to date: a file for each object, a `kustomization.yaml` that lists them, and the configuration
    /// of the NFS server. What an earlier run listed and is not needed any more is removed; other files are left as they
    /// are. A run that was killed is completed by running it again.
    ///
    /// # Errors
    /// Before anything is changed, when a file is in the way that is not Slotwright's, or the folder holds another
    /// deployment; and when the system refuses.
    pub fn write(&self, folder: &Path, machine: &Machine) -> Result<Written, Error> {
        let files = self.files()?;
        let before = Before::look(folder, &files, &self.belonging())?;
        machine.make_folder(folder, 0o755).map_err(|source| unusable("make", folder, source))?;
        let mut written = Written::default();
        for file in &files {
            if file.name == KUSTOMIZATION {
                // Last but the list: until it is replaced, the old one says what may be removed.
                written.removed = before.remove_left_over(folder, &files, machine)?;
            }
            if before.texts.get(&file.name) != Some(&file.text) {
                let path = folder.join(&file.name);
                let mode = if file.is_private { 0o600 } else { 0o644 };
                machine
                    .write_file(&path, file.text.as_bytes(), mode)
                    .map_err(|source| unusable("write", &path, source))?;
                written.written.push(file.name.clone());
            }
        }
        Ok(written)
    }

    /// All files, the kustomization last.
    fn files(&self) -> Result<Vec<File>, Error> {
        let header = format!("{OURS} `slotwright render` replaces what is changed here.\n");
        let mut files: Vec<File> = render::folder(&self.objects, self.secrets)
            .map_err(|error| unwritable(&error))?
            .into_iter()
            .map(|render::File { name, text }| File {
                is_private: name.starts_with("secret-"),
                text: format!("{header}{text}"),
                name,
            })
            .collect();
        let exports = self.exports.as_ref().and_then(|exports| {
            let name = exports.file.file_name()?.to_string_lossy().into_owned();
            Some(File { name, text: exports.text.clone(), is_private: false })
        });
        if let Some(list) = files.iter_mut().find(|file| file.name == KUSTOMIZATION) {
            let beside = exports.as_ref().map(|file| format!("{BESIDE}{}\n", file.name)).unwrap_or_default();
            list.text.insert_str(header.len(), &format!("{}\n{beside}", self.belonging()));
        }
        files.extend(exports);
        // What is secret is there for the shortest time before the list that knows of it.
        files.sort_by_key(|file| (file.name == KUSTOMIZATION, file.is_private));
        Ok(files)
    }

    /// The line of the kustomization that says whose it is.
    fn belonging(&self) -> String {
        format!("# Changes belong in an overlay. This is the deployment {}.", self.name)
    }
}

struct File {
    name: String,
    text: String,
    is_private: bool,
}

/// What a folder held before.
#[derive(Default)]
struct Before {
    /// The texts of the files that are to be written.
    texts: BTreeMap<String, String>,
    /// The files that the last run wrote.
    listed: BTreeSet<String>,
}

impl Before {
    fn look(folder: &Path, files: &[File], belonging: &str) -> Result<Self, Error> {
        let mut before = Self::default();
        for name in OTHER_KUSTOMIZATIONS {
            let path = folder.join(name);
            if path.symlink_metadata().is_ok() {
                return Err(in_the_way(
                    &path,
                    "kustomize takes one such file for a folder, and this one is there",
                ));
            }
        }
        for file in files {
            let path = folder.join(&file.name);
            match fs::read(&path) {
                Ok(bytes) if bytes.starts_with(OURS.as_bytes()) => {
                    before.texts.insert(file.name.clone(), String::from_utf8_lossy(&bytes).into_owned());
                }
                Ok(_) => return Err(in_the_way(&path, "another file of that name is there")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unusable("read", &path, error)),
            }
        }
        if let Some(list) = before.texts.get(KUSTOMIZATION) {
            if !list.lines().any(|line| line == belonging) {
                return Err(in_the_way(&folder.join(KUSTOMIZATION), "it is that of another deployment"));
            }
            before.listed = listed(list);
        }
        Ok(before)
    }

    fn remove_left_over(
        &self,
        folder: &Path,
        files: &[File],
        machine: &Machine,
    ) -> Result<Vec<String>, Error> {
        let mut removed = Vec::new();
        for name in self.listed.iter().filter(|name| files.iter().all(|file| file.name != **name)) {
            let path = folder.join(name);
            // What somebody else put in its place, or into the list, stays.
            if fs::read(&path).is_ok_and(|bytes| bytes.starts_with(OURS.as_bytes())) {
                machine.remove(&path).map_err(|source| unusable("remove", &path, source))?;
                removed.push(name.clone());
            }
        }
        Ok(removed)
    }
}

/// The files that a kustomization of ours lists, those beside the resources included; none outside its folder.
fn listed(kustomization: &str) -> BTreeSet<String> {
    let value: Value = serde_saphyr::from_str(kustomization).unwrap_or_default();
    let resources = value.get("resources").and_then(Value::as_array).into_iter().flatten();
    let beside = kustomization.lines().filter_map(|line| line.strip_prefix(BESIDE));
    let names = resources.filter_map(Value::as_str).chain(beside);
    names.filter(|name| !name.starts_with('.') && !name.contains('/')).map(str::to_owned).collect()
}

fn unwritable(error: &RenderError) -> Error {
    SpecError::new(error.to_string()).into()
}

fn unusable(action: &'static str, path: &Path, source: io::Error) -> Error {
    let remedy = "name a folder that this user may write to";
    Error::Folder { action, path: path.to_path_buf(), remedy, source }
}

fn in_the_way(path: &Path, what: &'static str) -> Error {
    let source = io::Error::new(io::ErrorKind::AlreadyExists, what);
    let remedy = "move it away, or name another folder; nothing was changed";
    Error::Folder { action: "write", path: path.to_path_buf(), remedy, source }
}

#[cfg(test)]
mod tests;
