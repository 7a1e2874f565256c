//! A lease that one deployer holds while it acts, so that two never do at the same time.
//!
//! It is a `Lease` of `coordination.k8s.io/v1`
//! (<https://kubernetes.io/docs/concepts/architecture/leases/>), taken and renewed as client-go's `leaderelection` does.
//! Besides, a holder of the same host that does not run any more is seen at once, so that a deployer that was killed
//! and is run again need not wait.
//!
//! ```no_run
//! use slotwright_kube::apply::Applier;
//! use slotwright_kube::lease::{Lease, LeaseOptions};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let applier = Applier::connect(None, "slotwright", Default::default()).await?;
//! let lease = Lease::take(&applier, "shop", "sessions", &LeaseOptions::default()).await?;
//! // …act, as long as lease.lost() does not come first…
//! lease.release().await?;
//! # Ok(())
//! # }
//! ```

mod holder;
mod record;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::apply::{Applier, Error};
use holder::{Holder, Sign};
use record::{Record, Verdict, Watcher};

/// How often a change by somebody else is answered by looking again.
const ATTEMPTS: usize = 10;

/// How a lease is held.
#[derive(Debug, Clone)]
pub struct LeaseOptions {
    /// How long it is good without being renewed: whole seconds, at least one. It is renewed three times as often.
    pub duration: Duration,
    /// Labels it carries, by which it is found and removed with the rest of a deployment.
    pub labels: BTreeMap<String, String>,
}

impl Default for LeaseOptions {
    /// 15 seconds, and no labels.
    fn default() -> Self {
        Self { duration: Duration::from_secs(15), labels: BTreeMap::new() }
    }
}

/// Why a lease was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Somebody else holds it, and renews it.
    #[error("Lease {lease}: {holder} holds it{}; let that end, and try again", since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default())]
    Held {
        /// Which: `shop/sessions`.
        lease: String,
        /// Who: host and process, where a deployer holds it.
        holder: String,
        /// Since when by the holder's clock (RFC 3339), if that is known.
        since: Option<String>,
    },
    /// A request failed.
    #[error(transparent)]
    Other(#[from] Error),
}

/// A lease that is held, and renewed in the background.
///
/// Dropped, it is not renewed any more, and not given back either: this process may take it again at once, others of this
/// host when this process has ended, and all others when it has run out.
#[derive(Debug)]
pub struct Lease {
    applier: Applier,
    api: Api<Object>,
    /// `shop/sessions`.
    place: String,
    name: String,
    holder: Holder,
    lost: watch::Receiver<bool>,
    renewing: JoinHandle<()>,
}

impl Lease {
    /// Takes it: makes it, or takes one that nobody holds (any more). That can take as long as the one that is there is good;
    /// when its holder renews it meanwhile, this ends.
    ///
    /// # Errors
    /// [`LeaseError::Held`]; those of the requests.
    pub async fn take(
        applier: &Applier,
        namespace: &str,
        name: &str,
        options: &LeaseOptions,
    ) -> Result<Self, LeaseError> {
        let api: Api<Object> = Api::namespaced(applier.client.clone(), namespace);
        let place = format!("{namespace}/{name}");
        let holder = Holder::new();
        let duration = Duration::from_secs(options.duration.as_secs().max(1));
        let begun = Instant::now();
        let mut watcher = Watcher::default();
        let mut attempts = 0;
        loop {
            let object = format!("Lease {place}");
            let found = applier.ask(&format!("get {object}"), &object, api.get_opt(name)).await?;
            let record = Record::of(found.as_ref().and_then(|found| found.spec.as_ref()), duration);
            let sign = record.holder.as_deref().map_or(Sign::Unknown, Sign::of);
            match watcher.judge(&record, begun.elapsed(), sign) {
                Verdict::Take => {}
                Verdict::Wait(at_most) => {
                    sleep(at_most.min(duration / 8)).await;
                    continue;
                }
                Verdict::Held => {
                    let holder = holder::shown(record.holder.as_deref().unwrap_or_default());
                    let since = record.since.map(|since| since.to_string());
                    return Err(LeaseError::Held { lease: place, holder, since });
                }
            }
            let wanted = taken(found.as_ref(), name, options, duration, &holder);
            let taking = async {
                match &found {
                    Some(_) => api.replace(name, &PostParams::default(), &wanted).await,
                    None => api.create(&PostParams::default(), &wanted).await,
                }
            };
            let sent = Instant::now();
            match applier.ask(&format!("take {object}"), &object, taking).await {
                Ok(object) => {
                    let (lose, lost) = watch::channel(false);
                    let renewal =
                        Renewal { api: api.clone(), object, holder: holder.text().to_owned(), duration };
                    let renewing = tokio::spawn(renewal.go_on(sent, lose));
                    let (applier, name) = (applier.clone(), name.to_owned());
                    return Ok(Self { applier, api, place, name, holder, lost, renewing });
                }
                // Somebody else was quicker, or removed it.
                Err(Error::Changed { .. }) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether somebody holds it who may still be there. Only [`Self::take`] tells for certain, as it waits for a sign of life.
    ///
    /// # Errors
    /// Those of the request.
    pub async fn is_held(applier: &Applier, namespace: &str, name: &str) -> Result<bool, Error> {
        let api: Api<Object> = Api::namespaced(applier.client.clone(), namespace);
        let object = format!("Lease {namespace}/{name}");
        let found = applier.ask(&format!("get {object}"), &object, api.get_opt(name)).await?;
        let record = Record::of(found.as_ref().and_then(|found| found.spec.as_ref()), Duration::ZERO);
        Ok(record.holder.is_some_and(|holder| Sign::of(&holder) != Sign::Gone))
    }

    /// Comes when the lease can no longer be held to be ours: somebody removed or took it, or it could not be renewed for two
    /// thirds of its time. The last third is for what is under way.
    pub async fn lost(&self) {
        // An error: nobody renews it any more.
        let _ = self.lost.clone().wait_for(|lost| *lost).await;
    }

    /// Gives it back, so that the next can take it at once. One that somebody else holds by now is left alone.
    ///
    /// # Errors
    /// Those of the requests. It runs out then.
    pub async fn release(self) -> Result<(), Error> {
        self.end(false).await
    }

    /// Gives it back and leaves no object behind. One that somebody else holds by now is left alone.
    ///
    /// # Errors
    /// Those of the requests. It runs out then.
    pub async fn remove(self) -> Result<(), Error> {
        self.end(true).await
    }

    async fn end(mut self, remove: bool) -> Result<(), Error> {
        self.renewing.abort();
        let _ = (&mut self.renewing).await;
        let (api, object) = (&self.api, format!("Lease {}", self.place));
        let mut attempts = 0;
        loop {
            let what = format!("get {object}");
            let Some(mut found) = self.applier.ask(&what, &object, api.get_opt(&self.name)).await? else {
                return Ok(());
            };
            let Some(spec) = found.spec.as_mut().filter(|spec| is_of(spec, self.holder.text())) else {
                return Ok(());
            };
            spec.holder_identity = None;
            // Only while it is as we saw it.
            let version = found.metadata.resource_version.clone();
            let as_seen = Preconditions { uid: found.metadata.uid.clone(), resource_version: version };
            let deleting = DeleteParams { preconditions: Some(as_seen), ..DeleteParams::default() };
            let replacing = PostParams::default();
            let ended = async {
                match remove {
                    true => api.delete(&self.name, &deleting).await.map(drop),
                    false => api.replace(&self.name, &replacing, &found).await.map(drop),
                }
            };
            let what = format!("{} {object}", if remove { "remove" } else { "release" });
            match self.applier.ask(&what, &object, ended).await {
                Ok(()) => return Ok(()),
                Err(Error::Changed { .. }) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

fn is_of(spec: &LeaseSpec, holder: &str) -> bool {
    spec.holder_identity.as_deref() == Some(holder)
}

fn now() -> Option<MicroTime> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(MicroTime(Timestamp::from_microsecond(i64::try_from(since.as_micros()).ok()?).ok()?))
}

/// What is there, or a new one, in our hands. The version of what is there stays in it: it is replaced only while it is
/// as we saw it.
fn taken(
    found: Option<&Object>,
    name: &str,
    options: &LeaseOptions,
    duration: Duration,
    holder: &Holder,
) -> Object {
    let mut object = found.cloned().unwrap_or_else(|| Object {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        spec: None,
    });
    object.metadata.labels.get_or_insert_default().extend(options.labels.clone());
    let before = object.spec.take().unwrap_or_default();
    let now = now();
    object.spec = Some(LeaseSpec {
        acquire_time: now.clone(),
        renew_time: now,
        holder_identity: Some(holder.text().to_owned()),
        lease_duration_seconds: Some(i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)),
        lease_transitions: Some(before.lease_transitions.unwrap_or(0).saturating_add(found.is_some().into())),
        ..LeaseSpec::default()
    });
    object
}

/// Renews a lease. Its requests are nobody's effects: they come at any time, and change nothing but how long it is good.
struct Renewal {
    api: Api<Object>,
    object: Object,
    holder: String,
    duration: Duration,
}

/// What became of one renewal.
enum Renewed {
    Yes,
    /// It failed, or is to be tried again.
    Not,
    /// It is not ours any more.
    Lost,
}

impl Renewal {
    /// Until it is lost. `good` is a time at which it was ours.
    async fn go_on(mut self, mut good: Instant, lose: watch::Sender<bool>) {
        let third = self.duration / 3;
        loop {
            sleep_until(good + third).await;
            loop {
                let sent = Instant::now();
                if sent >= good + 2 * third {
                    lose.send_replace(true);
                    return;
                }
                let left = good + 2 * third - sent;
                match timeout(left.min(third / 2), self.renew()).await {
                    Ok(Renewed::Yes) => {
                        good = sent;
                        break;
                    }
                    Ok(Renewed::Lost) => {
                        lose.send_replace(true);
                        return;
                    }
                    Ok(Renewed::Not) | Err(_) => sleep(left.min(third / 10)).await,
                }
            }
        }
    }

    async fn renew(&mut self) -> Renewed {
        let name = self.object.metadata.name.clone().unwrap_or_default();
        if let Some(spec) = &mut self.object.spec {
            spec.renew_time = now();
        }
        match self.api.replace(&name, &PostParams::default(), &self.object).await {
            Ok(renewed) => {
                self.object = renewed;
                Renewed::Yes
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Renewed::Lost,
            // It changed: others set a label, or what we sent before was done without an answer, or it is another's.
            Err(kube::Error::Api(status)) if status.code == 409 => match self.api.get_opt(&name).await {
                Ok(Some(found)) if found.spec.as_ref().is_some_and(|spec| is_of(spec, &self.holder)) => {
                    self.object = found;
                    Renewed::Not
                }
                Ok(_) => Renewed::Lost,
                Err(_) => Renewed::Not,
            },
            Err(_) => Renewed::Not,
        }
    }
}
