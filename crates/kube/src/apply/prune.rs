//! Removing objects that are wanted no more.

use futures::stream::{self, StreamExt};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Preconditions};
use serde_json::Value;

use super::kinds::{Kind, Kinds};
use super::{Applier, Error, PARALLEL};

/// What becomes of objects that hold data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volumes {
    /// Claims and volumes stay, wanted or not.
    Keep,
    /// They go like everything else: their data may go with them.
    Delete,
}

/// Kinds that hold data.
const VOLUMES: [&str; 2] = ["PersistentVolume", "PersistentVolumeClaim"];

impl Unwanted {
    /// `ConfigMap`.
    pub fn kind(&self) -> &str {
        self.place.split(' ').next().unwrap_or_default()
    }

    /// Whether it is a ConfigMap or Secret with this key.
    pub fn has_data(&self, key: &str) -> bool {
        self.object.data.get("data").and_then(|data| data.get(key)).is_some()
    }

    /// The name, without its namespace.
    pub fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }
}

impl Applier {
    /// What is in a namespace with these labels (a selector such as `app.kubernetes.io/instance=sessions`), of the kinds
    /// of `like`, and is not among `wanted`. Of kinds without namespaces: the namespace itself, and volumes for claims in
    /// it; others of the same name in other namespaces have the same labels.
    ///
    /// # Errors
    /// Those of the requests.
    pub async fn unwanted(
        &self,
        namespace: &str,
        labels: &str,
        like: &[DynamicObject],
        wanted: &[DynamicObject],
        volumes: Volumes,
    ) -> Result<Vec<Unwanted>, Error> {
        let mut kinds = Kinds::default();
        let mut asked: Vec<Kind> = Vec::new();
        for example in like {
            let kind = match kinds.find(self, example).await {
                Ok((kind, _)) => kind,
                // Of a kind that the server does not have there are no objects.
                Err(Error::NoKind { .. }) => continue,
                Err(error) => return Err(error),
            };
            let holds_data = VOLUMES.contains(&kind.resource.kind.as_str());
            let is_new = !asked.iter().any(|one| one.is(&kind.resource.group, &kind.resource.kind));
            if is_new && !(holds_data && volumes == Volumes::Keep) {
                asked.push(kind);
            }
        }
        let mut answers = stream::iter(asked)
            .map(async |kind| {
                let api: Api<DynamicObject> = if kind.namespaced {
                    Api::namespaced_with(self.client.clone(), namespace, &kind.resource)
                } else {
                    Api::all_with(self.client.clone(), &kind.resource)
                };
                let place = format!("{} in {namespace}", kind.resource.plural);
                let list = ListParams::default().labels(labels);
                let found = self.ask(&format!("list {place}"), &place, api.list(&list)).await?;
                Ok((kind, api, found.items))
            })
            .buffered(PARALLEL);
        let mut unwanted = Vec::new();
        while let Some(answer) = answers.next().await {
            let (kind, api, found) = answer?;
            for object in found {
                // What an object owns goes with it.
                let is_owned =
                    object.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
                let goes_already = object.metadata.deletion_timestamp.is_some();
                let is_wanted = wanted.iter().any(|one| is_same(&kind, one, &object));
                if is_of(&kind, &object, namespace) && !is_wanted && !is_owned && !goes_already {
                    unwanted.push(Unwanted { place: kind.place(&object), object, api: api.clone() });
                }
            }
        }
        Ok(unwanted)
    }

    /// Deletes them, in order. One that is gone already, or was made anew meanwhile, is left alone.
    ///
    /// # Errors
    /// That of the first that fails.
    pub async fn delete(&self, unwanted: &[Unwanted]) -> Result<(), Error> {
        for Unwanted { place, object, api } in unwanted {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            let mut options = DeleteParams::background();
            options.preconditions =
                Some(Preconditions { uid: object.metadata.uid.clone(), resource_version: None });
            let deleted = self.ask(&format!("delete {place}"), place, api.delete(name, &options)).await;
            match deleted {
                Ok(_) | Err(Error::Changed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// An object that is to go.
#[derive(Debug, Clone)]
pub struct Unwanted {
    /// `ConfigMap shop/sessions`.
    pub place: String,
    object: DynamicObject,
    api: Api<DynamicObject>,
}

/// Whether an object is of this namespace.
fn is_of(kind: &Kind, object: &DynamicObject, namespace: &str) -> bool {
    if kind.namespaced {
        return true;
    }
    let of = match kind.resource.kind.as_str() {
        "Namespace" => object.metadata.name.as_deref(),
        "PersistentVolume" => object.data.pointer("/spec/claimRef/namespace").and_then(Value::as_str),
        _ => None,
    };
    of == Some(namespace)
}

fn is_same(kind: &Kind, wanted: &DynamicObject, found: &DynamicObject) -> bool {
    let types = wanted.types.clone().unwrap_or_default();
    let group = types.api_version.split_once('/').map_or("", |(group, _)| group);
    kind.is(group, &types.kind)
        && wanted.metadata.name == found.metadata.name
        && (!kind.namespaced || wanted.metadata.namespace == found.metadata.namespace)
}
