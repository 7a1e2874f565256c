//! Bringing objects to an API server: what would change, doing it, and removing what is wanted no more.
//!
//! Objects are sent by server-side apply: the server merges them with what others set, knows which fields are ours, and
//! says whose field it is when we would change another's. What would change is asked of the server too (a dry run), so
//! that its defaults are no differences, and only objects that change are sent.
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

mod diff;
mod error;
mod kinds;
mod prune;
mod wait;

use std::fmt;
use std::time::Duration;

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::config::KubeConfigOptions;
use kube::{Client, Config};
use serde_json::Value;
use slotwright_machine::{Effect, Machine};

pub use diff::Difference;
pub use error::Error;
use kinds::{Kind, Kinds};
pub use prune::{Unwanted, Volumes};
pub use wait::Trouble;

/// How long an answer may take, by default.
const PATIENCE: Duration = Duration::from_secs(30);

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
    client: Client,
    manager: String,
    machine: Machine,
    patience: Duration,
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

/// Any Kubernetes object as one that can be applied.
///
/// # Errors
/// When it cannot be said in JSON, or is not an object of Kubernetes.
pub fn object<K: k8s_openapi::serde::Serialize>(typed: &K) -> Result<DynamicObject, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(typed)?)
}

impl Applier {
    /// The cluster of a context of the kubeconfig (the current one when none is named), or the one we run in.
    /// `manager` is the name our fields are known by; every request passes `machine`.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`]. Whether the server answers is not tried.
    pub async fn connect(context: Option<&str>, manager: &str, machine: Machine) -> Result<Self, Error> {
        let wrong = |why: String| Error::Kubeconfig { why };
        let config = match context {
            None => Config::infer().await.map_err(|error| wrong(error::chain(&error)))?,
            Some(context) => {
                let options =
                    KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
                let named = Config::from_kubeconfig(&options).await;
                named.map_err(|error| wrong(error::chain(&error)))?
            }
        };
        let client = Client::try_from(config).map_err(|error| wrong(error::chain(&error)))?;
        Ok(Self::new(client, manager, machine))
    }

    /// With a client that is there.
    pub fn new(client: Client, manager: &str, machine: Machine) -> Self {
        Self { client, manager: manager.to_owned(), machine, patience: PATIENCE }
    }

    /// With another time for each answer; it is 30 seconds otherwise.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What applying these objects would change, in their order. The server is asked, and changes nothing.
    ///
    /// # Errors
    /// What applying them would fail with, as far as the server can tell before.
    pub async fn plan(&self, objects: &[DynamicObject], force: Force) -> Result<Vec<Change>, Error> {
        let mut kinds = Kinds::default();
        let mut changes: Vec<Change> = Vec::with_capacity(objects.len());
        for object in objects {
            let (kind, note) = kinds.find(self, object).await?;
            let mut object = object.clone();
            object.types = Some(kind.types());
            let place = kind.place(&object);
            let was = self.get(&kind, &object, &place).await?;
            let tried = self.send(&kind, &object, &place, force, true).await;
            let would_be = match tried {
                Ok(would_be) => Some(would_be),
                // The namespace is made by an earlier one of these.
                Err(Error::NoNamespace { .. }) if makes_namespace(&changes, &object) => None,
                Err(error) => return Err(error),
            };
            let what = match (was, would_be) {
                (Some(was), Some(would_be)) => {
                    let differences = diff::between(&json(&was), &json(&would_be));
                    if differences.is_empty() { What::Keep } else { What::Change(differences) }
                }
                _ => What::Create,
            };
            changes.push(Change { place, what, note, object, kind });
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
    async fn ask<T>(
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
