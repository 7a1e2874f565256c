//! Bringing objects to an API server: what would change, doing it, and removing what is wanted no more.
//!
//! Objects are sent by server-side apply: the server merges them with what others set, knows which fields are ours, and
//! says whose field it is when we would change another's. What would change is asked of the server too (a dry run), so
//! that its defaults are no differences, and only objects that change are sent.
//!
//! Then the pods that come of it are waited for and explained where they do not come up, and connections to them are
//! forwarded.
//!
//! Every request goes through a [`Machine`], whose witness sees it before and after.
//!
//! ```no_run
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use slotwright_kube::apply::{Applier, Force, object};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut map = ConfigMap::default();
//! map.metadata.name = Some("sessions".into());
//! map.metadata.namespace = Some("shop".into());
//! let applier = Applier::connect(None, "slotwright", Default::default()).await?;
//! let changes = applier.plan(&[object(&map)?], Force::No).await?;
//! for change in &changes {
//!     println!("{change}");
//! }
//! applier.apply(&changes, Force::No).await?;
//! # Ok(())
//! # }
//! ```

mod connect;
mod diff;
mod error;
mod explain;
mod forward;
mod kinds;
mod look;
mod patience;
mod pods;
mod prune;
mod standing;
mod whole;

use std::fmt;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::Value;
use slotwright_machine::{Effect, Machine};

pub use diff::Difference;
pub use error::Error;
pub use explain::Trouble;
pub use forward::Forward;
use kinds::{Kind, Kinds};
pub use kube::core::{DynamicObject, TypeMeta};
pub use prune::{Unwanted, Volumes};
pub use standing::{PodState, Stage};

/// How long an answer may take, by default.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many requests that change nothing may be under way at the same time.
const PARALLEL: usize = 8;

/// Whether fields that others have set are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// No: a conflict is an error that names them.
    No,
    /// Yes: they are ours from then on.
    TakeOver,
}

/// An API server, and the name we change things under.
#[derive(Clone)]
pub struct Applier {
    pub(crate) client: Client,
    manager: String,
    machine: Machine,
    patience: Duration,
    in_cluster: bool,
}

impl fmt::Debug for Applier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applier").field("manager", &self.manager).finish_non_exhaustive()
    }
}

/// What becomes of one object.
#[derive(Debug, Clone)]
pub struct Change {
    /// `StatefulSet shop/sessions`.
    pub place: String,
    /// What happens.
    pub what: What,
    /// What is to be said besides, such as that another version of the API is used.
    pub note: Option<String>,
    object: DynamicObject,
    kind: Kind,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It is made.
    Create,
    /// These fields change.
    Change(Vec<Difference>),
    /// Nothing: it is as it should be, and is not sent.
    Keep,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Create => write!(f, "{} is made", self.place)?,
            What::Keep => write!(f, "{} stays as it is", self.place)?,
            What::Change(differences) => {
                write!(f, "{} changes", self.place)?;
                for difference in differences {
                    write!(f, "\n  {difference}")?;
                }
            }
        }
        self.note.as_ref().map_or(Ok(()), |note| write!(f, "\n  note: {note}"))
    }
}

impl Change {
    /// The kind of the object: `StatefulSet`.
    pub fn kind(&self) -> &str {
        &self.kind.resource.kind
    }

    /// The name of the object.
    pub fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// The namespace of the object; nothing for kinds without.
    pub fn namespace(&self) -> Option<&str> {
        self.object.metadata.namespace.as_deref().filter(|_| self.kind.namespaced)
    }
}

/// Any Kubernetes object as one that can be applied.
///
/// # Errors
/// When it cannot be said in JSON, or is not an object of Kubernetes.
pub fn object<K: k8s_openapi::serde::Serialize>(typed: &K) -> Result<DynamicObject, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(typed)?)
}

impl Applier {
    /// With a client that is there.
    pub fn new(client: Client, manager: &str, machine: Machine) -> Self {
        Self { client, manager: manager.to_owned(), machine, patience: PATIENCE, in_cluster: false }
    }

    /// With another time for each answer; it is 30 seconds otherwise.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// True when the way to the server came from the pod we run in, so that pods can be reached from here.
    pub fn in_cluster(&self) -> bool {
        self.in_cluster
    }

    /// What applying these objects would change, in their order. The server is asked, and changes nothing.
    ///
    /// # Errors
    /// What applying them would fail with, as far as the server can tell before.
    pub async fn plan(&self, objects: &[DynamicObject], force: Force) -> Result<Vec<Change>, Error> {
        let mut kinds = Kinds::default();
        let mut asked = Vec::with_capacity(objects.len());
        for object in objects {
            let (kind, note) = kinds.find(self, object).await?;
            let object = DynamicObject { types: Some(kind.types()), ..object.clone() };
            asked.push((kind.place(&object), kind, object, note));
        }
        let asked = asked.into_iter().map(async |(place, kind, object, note)| {
            let was = self.get(&kind, &object, &place).await?;
            let object = whole::as_it_stands(object, was.as_ref());
            let tried = self.send(&kind, &object, &place, force, true).await;
            Ok((was, tried, Change { place, what: What::Create, note, object, kind }))
        });
        let mut answers = stream::iter(asked).buffered(PARALLEL);
        let mut changes: Vec<Change> = Vec::with_capacity(objects.len());
        while let Some(answer) = answers.next().await {
            let (was, tried, mut change): (Option<DynamicObject>, _, Change) = answer?;
            let would_be = match tried {
                Ok(would_be) => Some(would_be),
                // The namespace is made by an earlier one of these.
                Err(Error::NoNamespace { .. }) if makes_namespace(&changes, &change.object) => None,
                Err(error) => return Err(error),
            };
            if let (Some(was), Some(would_be)) = (was, would_be) {
                let differences = diff::between(&json(&was), &json(&would_be));
                change.what = if differences.is_empty() { What::Keep } else { What::Change(differences) };
            }
            changes.push(change);
        }
        Ok(changes)
    }

    /// Sends what changes, in order; ends at the first that fails. Run again, it goes on from there.
    ///
    /// # Errors
    /// That of the object that failed. Those before it are applied.
    pub async fn apply(&self, changes: &[Change], force: Force) -> Result<(), Error> {
        for change in changes.iter().filter(|change| change.what != What::Keep) {
            self.send(&change.kind, &change.object, &change.place, force, false).await?;
        }
        Ok(())
    }

    async fn get(
        &self,
        kind: &Kind,
        object: &DynamicObject,
        place: &str,
    ) -> Result<Option<DynamicObject>, Error> {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let api = kind.api(&self.client, object);
        self.ask(&format!("get {place}"), place, api.get_opt(name)).await
    }

    async fn send(
        &self,
        kind: &Kind,
        object: &DynamicObject,
        place: &str,
        force: Force,
        dry: bool,
    ) -> Result<DynamicObject, Error> {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let mut options = PatchParams::apply(&self.manager);
        options.force = force == Force::TakeOver;
        options.dry_run = dry;
        let api: Api<DynamicObject> = kind.api(&self.client, object);
        let verb = if dry { "try" } else { "apply" };
        let patch = Patch::Apply(object);
        self.ask(&format!("{verb} {place}"), place, api.patch(name, &options, &patch)).await
    }

    /// One request, seen by the witness and answered in time.
    pub(crate) async fn ask<T>(
        &self,
        what: &str,
        place: &str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        let answered = async {
            match tokio::time::timeout(self.patience, request).await {
                Ok(answer) => answer.map_err(|error| Error::new(place, error)),
                Err(_) => Err(Error::TimedOut { object: place.to_owned(), after: self.patience }),
            }
        };
        self.machine.seen_async(Effect::Ask(what), answered).await
    }
}

fn makes_namespace(changes: &[Change], object: &DynamicObject) -> bool {
    changes.iter().any(|change| {
        change.kind.is("", "Namespace")
            && change.what == What::Create
            && change.object.metadata.name == object.metadata.namespace
    })
}

fn json(object: &DynamicObject) -> Value {
    // What came as JSON can be said in JSON.
    serde_json::to_value(object).unwrap_or(Value::Null)
}
