//! Objects as YAML: one stream of documents, or a folder for `kubectl apply -k` and for GitOps tools.
//!
//! The text depends on the objects alone: keys are sorted (kind first), so what did not change gives no difference. Strings
//! that a reader of YAML 1.1 would take for something else are quoted; `kubectl` is one.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use crate::objects::Object;

/// What becomes of Secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Secrets {
    /// They are left out. What refers to them stays: `objects::needed_secrets` says what must be there.
    #[default]
    LeftOut,
    /// They are written, with their content.
    Shown,
}

/// Objects that cannot be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("{kind} {name} cannot be written as YAML")]
pub struct RenderError {
    /// The object's kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// What the writer said.
    pub source: serde_saphyr::ser::Error,
}

/// One file of a folder.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, without a folder.
    pub name: String,
    /// Its text. `Debug` does not show it: it may be a Secret.
    pub text: String,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The name kustomize looks for.
const KUSTOMIZATION: &str = "kustomization.yaml";

/// All objects as one stream of YAML documents, in their order.
///
/// ```
/// use slotwright_kube::{SecretValue, Wanted, objects, render};
/// let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// let objects = objects::all(&Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?);
/// let yaml = render::documents(&objects, render::Secrets::LeftOut)?;
/// assert!(yaml.starts_with("---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n"));
/// assert!(!yaml.contains("kind: Secret"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the writer refuses an object; none that this crate makes.
pub fn documents(objects: &[Object], secrets: Secrets) -> Result<String, RenderError> {
    let mut text = String::new();
    for object in shown(objects, secrets) {
        text.push_str("---\n");
        text.push_str(&document(object)?);
    }
    Ok(text)
}

/// A file for each object, and the `kustomization.yaml` that lists them in their order.
///
/// ```
/// use slotwright_kube::{SecretValue, Wanted, objects, render};
/// let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// let objects = objects::all(&Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?);
/// let files = render::folder(&objects, render::Secrets::LeftOut)?;
/// assert_eq!(files[0].name, "kustomization.yaml");
/// assert_eq!(files.last().unwrap().name, "statefulset-sessions.yaml");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`documents`].
pub fn folder(objects: &[Object], secrets: Secrets) -> Result<Vec<File>, RenderError> {
    let mut files = Vec::new();
    for object in shown(objects, secrets) {
        // Kinds have letters and names are DNS names: nothing that a file system minds.
        let name = format!("{}-{}.yaml", object.kind().to_lowercase(), object.name());
        files.push(File { name, text: document(object)? });
    }
    let resources: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let kustomization = Object::of_json(serde_json::json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": resources,
    }));
    files.insert(0, File { name: KUSTOMIZATION.to_owned(), text: document(&kustomization)? });
    Ok(files)
}

/// One object as YAML, without a line before it.
///
/// # Errors
/// As [`documents`].
pub fn document(object: &Object) -> Result<String, RenderError> {
    let options = serde_saphyr::ser_options! {
        // Long lines are folded otherwise, which changes no value and makes differences hard to read.
        folded_wrap_chars: 1_000_000,
    };
    let mut text =
        serde_saphyr::to_string_with_options(&Sorted(object.json()), options).map_err(|source| {
            RenderError { kind: object.kind().to_owned(), name: object.name().to_owned(), source }
        })?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn shown(objects: &[Object], secrets: Secrets) -> impl Iterator<Item = &Object> {
    objects.iter().filter(move |object| secrets == Secrets::Shown || !object.is_secret())
}

/// JSON with its keys sorted: whether `serde_json` keeps an order of its own is decided by features of other crates.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(values) => serializer.collect_seq(values.iter().map(Sorted)),
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| (rank(key), key.as_str()));
                let mut sorted = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    sorted.serialize_entry(key, &Sorted(value))?;
                }
                sorted.end()
            }
            other => other.serialize(serializer),
        }
    }
}

/// What an object is comes first, as people write it.
fn rank(key: &str) -> u8 {
    match key {
        "apiVersion" => 0,
        "kind" => 1,
        "metadata" => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests;
