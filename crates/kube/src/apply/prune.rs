//! Removing objects that are wanted no more.

use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Preconditions};

use super::kinds::Kinds;
use super::{Applier, Error};

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

    /// The name, without its namespace.
    pub fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }
}

impl Applier {
    /// What is in a namespace with these labels (a selector such as `app.kubernetes.io/instance=sessions`), of the kinds
    /// of `like`, and is not among `wanted`. Of kinds without namespaces, what has the labels anywhere; of PersistentVolumes, only those
    /// that are for a claim of the namespace, as a deployment of the same name may live in another. A kind that the server
    /// does not have has no objects.
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
        let mut unwanted = Vec::new();
        for example in like {
            let kind = match kinds.find(self, example).await {
                Ok((kind, _)) => kind,
                Err(Error::NoKind { .. }) => continue,
                Err(error) => return Err(error),
            };
            if volumes == Volumes::Keep && VOLUMES.contains(&kind.resource.kind.as_str()) {
                continue;
            }
            let api: Api<DynamicObject> = if kind.namespaced {
                Api::namespaced_with(self.client.clone(), namespace, &kind.resource)
            } else {
                Api::all_with(self.client.clone(), &kind.resource)
            };
            let place = format!("{} in {namespace}", kind.resource.plural);
            let list = ListParams::default().labels(labels);
            for object in self.ask(&format!("list {place}"), &place, api.list(&list)).await? {
                let is_wanted = wanted.iter().any(|one| {
                    let same_kind = one.types.as_ref().is_some_and(|types| {
                        group_and_kind(types) == (&kind.resource.group, &kind.resource.kind)
                    });
                    same_kind
                        && one.metadata.name == object.metadata.name
                        && (!kind.namespaced || one.metadata.namespace == object.metadata.namespace)
                });
                // What an object owns goes with it.
                let is_owned =
                    object.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
                let is_elsewhere = claimed_from(&object).is_some_and(|claimed| claimed != namespace);
                if !is_wanted && !is_owned && !is_elsewhere && object.metadata.deletion_timestamp.is_none() {
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

/// The namespace of the claim that a PersistentVolume is for.
fn claimed_from(object: &DynamicObject) -> Option<&str> {
    object.data.pointer("/spec/claimRef/namespace")?.as_str()
}

fn group_and_kind(types: &kube::core::TypeMeta) -> (&str, &str) {
    (types.api_version.split_once('/').map_or("", |(group, _)| group), &types.kind)
}
