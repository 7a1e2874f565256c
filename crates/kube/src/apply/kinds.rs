//! Which kinds a server has, and in which version.

use std::collections::BTreeMap;

use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::discovery::{self, ApiCapabilities, Scope};

use super::{Applier, Error};

/// A kind as a server has it.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub(crate) resource: ApiResource,
    pub(crate) namespaced: bool,
}

impl Kind {
    fn new((resource, capabilities): (ApiResource, ApiCapabilities)) -> Self {
        Self { resource, namespaced: capabilities.scope == Scope::Namespaced }
    }

    pub(crate) fn is(&self, group: &str, kind: &str) -> bool {
        self.resource.group == group && self.resource.kind == kind
    }

    pub(crate) fn types(&self) -> TypeMeta {
        TypeMeta { api_version: self.resource.api_version.clone(), kind: self.resource.kind.clone() }
    }

    /// Where objects like this one are.
    pub(crate) fn api(&self, client: &Client, object: &DynamicObject) -> Api<DynamicObject> {
        match object.metadata.namespace.as_deref() {
            _ if !self.namespaced => Api::all_with(client.clone(), &self.resource),
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource),
            None => Api::default_namespaced_with(client.clone(), &self.resource),
        }
    }

    /// The object, for people: `StatefulSet shop/sessions`.
    pub(crate) fn place(&self, object: &DynamicObject) -> String {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        match object.metadata.namespace.as_deref() {
            Some(namespace) if self.namespaced => format!("{} {namespace}/{name}", self.resource.kind),
            _ => format!("{} {name}", self.resource.kind),
        }
    }
}

/// The kinds that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    known: BTreeMap<(String, String), (Kind, Option<String>)>,
}

impl Kinds {
    /// The kind of an object: in the version it is written in, or the one this server has, with a note.
    pub(crate) async fn find(
        &mut self,
        applier: &Applier,
        object: &DynamicObject,
    ) -> Result<(Kind, Option<String>), Error> {
        let name = object.metadata.name.clone().unwrap_or_default();
        let types = object.types.clone().unwrap_or_default();
        let key = (types.api_version.clone(), types.kind.clone());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let place = format!("{} {name}", types.kind);
        let no_kind = |object: &str| Error::NoKind {
            object: object.to_owned(),
            kind: format!("{} of {}", types.kind, types.api_version),
        };
        let wanted = GroupVersionKind::try_from(&types).map_err(|_| no_kind(&place))?;
        let asked = format!("which kinds there are in {}", types.api_version);
        let pinned = discovery::pinned_kind(&applier.client, &wanted);
        let found = match applier.ask_kind(&asked, &place, pinned).await? {
            Some(found) => (Kind::new(found), None),
            None => {
                let asked = format!("which versions there are of {}", wanted.group);
                let group = discovery::group(&applier.client, &wanted.group);
                let group = applier.ask_kind(&asked, &place, group).await?;
                let kind = group.and_then(|group| group.recommended_kind(&wanted.kind));
                let kind = Kind::new(kind.ok_or_else(|| no_kind(&place))?);
                let note = format!(
                    "this server has no {} of {}; {} is used",
                    wanted.kind, types.api_version, kind.resource.api_version
                );
                (kind, Some(note))
            }
        };
        self.known.insert(key, found.clone());
        Ok(found)
    }
}

impl Applier {
    /// Asks for what there may be none of.
    async fn ask_kind<T>(
        &self,
        what: &str,
        place: &str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<Option<T>, Error> {
        let request = async {
            match request.await {
                Ok(found) => Ok(Some(found)),
                Err(kube::Error::Discovery(_)) => Ok(None),
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.ask(what, place, request).await
    }
}
