//! Pods: looking at them, and waiting until they are there or gone. The waiting is done by watching, not by asking again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use tokio::time::Instant;

use super::explain::stays;
use super::patience::{Next, Patience};
use super::standing::{Look, PodState, Stage};
use super::{Applier, Error};

/// How long one watch lasts; the server ends it then, and we begin another.
const WATCH_SECONDS: u32 = 20;
/// A watch that says nothing for longer has a dead connection.
const SILENCE: Duration = Duration::from_secs(25);
/// Between two requests for the same.
const PAUSE: Duration = Duration::from_millis(300);
/// How often those who should make missing pods are asked why they do not.
const MISSING_PAUSE: Duration = Duration::from_secs(2);

impl Applier {
    /// The pods with these labels (a selector such as `app.kubernetes.io/instance=sessions`), by name.
    ///
    /// # Errors
    /// Those of the request.
    pub async fn pods(&self, namespace: &str, labels: &str) -> Result<Vec<PodState>, Error> {
        let mut watched = Watched::new(self, namespace, labels);
        watched.list().await?;
        Ok(watched.states())
    }

    /// Waits until `wanted` pods with these labels have come to a stage; those that are being deleted do not count.
    /// `progress` is given all of them, each time that something about them changes.
    ///
    /// `patience` is for what may mend itself. It is not used up while all that is still lacking are servers that load
    /// their data: each may do so for as long as its startup probe allows. What does not mend itself ends the wait
    /// after ten seconds: an image that cannot be pulled, a container that cannot be made or has ended three times, pods
    /// that a quota or an admission rule keeps from being made.
    ///
    /// It takes the permission to `list` and `watch` pods. To say why pods do not come, events, StatefulSets and
    /// ReplicaSets are listed and logs (`pods/log`) read, where that is allowed.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use slotwright_kube::apply::{Applier, PodState, Stage};
    /// let applier = Applier::connect(None, "slotwright", Default::default()).await?;
    /// let labels = "app.kubernetes.io/instance=sessions";
    /// let patience = std::time::Duration::from_secs(120);
    /// let mut progress = |pods: &[PodState]| {
    ///     for pod in pods {
    ///         println!("{}: {}", pod.name, pod.doing);
    ///     }
    /// };
    /// let pods = applier.await_pods("shop", labels, 6, Stage::Started, patience, &mut progress).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotReady`] with what is known of the others; those of the requests. A server that was there and is away
    /// for a while is waited for.
    pub async fn await_pods(
        &self,
        namespace: &str,
        labels: &str,
        wanted: usize,
        stage: Stage,
        patience: Duration,
        progress: &mut (dyn FnMut(&[PodState]) + Send),
    ) -> Result<Vec<PodState>, Error> {
        let begun = Instant::now();
        let mut watched = Watched::new(self, namespace, labels);
        watched.list().await?;
        let mut patience = Patience::new(wanted, stage, patience, begun);
        let mut refusals = Refusals::default();
        let mut told = None;
        loop {
            let looks: Vec<Look> = watched.pods.values().map(Look::at).collect();
            let states: Vec<PodState> = looks.iter().map(|look| look.state.clone()).collect();
            if told.as_ref() != Some(&states) {
                progress(&states);
                told = Some(states.clone());
            }
            let missing = patience.are_missing(&looks);
            match patience.next(Instant::now(), &looks, refusals.since) {
                Next::Done => return Ok(states),
                Next::Wait(until) => {
                    let until = if missing { until.min(Instant::now() + MISSING_PAUSE) } else { until };
                    watched.change(until).await?;
                    refusals.look(self, namespace, labels, missing).await;
                }
                Next::GiveUp => break,
            }
        }
        // What was watched may be out of date.
        watched.list().await?;
        let states = watched.states();
        let lagging: Vec<&Pod> =
            watched.pods.values().filter(|pod| !PodState::of(pod).is_at(stage)).collect();
        let reached = states.len() - lagging.len();
        if reached >= wanted {
            return Ok(states);
        }
        let going = states.iter().filter(|state| state.deleting).count();
        let missing = states.len() - going < wanted;
        let troubles = self.explain(namespace, labels, &lagging, missing).await;
        Err(Error::NotReady { stage, reached, wanted, after: begun.elapsed(), troubles })
    }

    /// Waits until no pod with these labels is left; one that is being deleted is not gone yet.
    ///
    /// # Errors
    /// [`Error::NotGone`] when `patience` is over; those of the requests.
    pub async fn await_gone(
        &self,
        namespace: &str,
        labels: &str,
        patience: Duration,
        progress: &mut (dyn FnMut(&[PodState]) + Send),
    ) -> Result<(), Error> {
        let begun = Instant::now();
        let mut watched = Watched::new(self, namespace, labels);
        watched.list().await?;
        let mut told = None;
        loop {
            let states = watched.states();
            if told.as_ref() != Some(&states) {
                progress(&states);
                told = Some(states);
            }
            if watched.pods.is_empty() {
                return Ok(());
            }
            if begun.elapsed() >= patience {
                watched.list().await?;
                if watched.pods.is_empty() {
                    return Ok(());
                }
                let troubles = watched.pods.values().map(stays).collect();
                return Err(Error::NotGone { after: begun.elapsed(), troubles });
            }
            watched.change(begun + patience).await?;
        }
    }
}

/// Since when those who should make pods say that they cannot. What they said before we began does not count: it may be
/// over, and they may just not have tried again.
#[derive(Debug, Default)]
struct Refusals {
    before: Option<Vec<(String, String)>>,
    since: Option<Instant>,
    looked: Option<Instant>,
}

impl Refusals {
    async fn look(&mut self, applier: &Applier, namespace: &str, labels: &str, missing: bool) {
        if !missing {
            *self = Self::default();
            return;
        }
        // They get a moment before they are asked at all.
        if self.looked.get_or_insert_with(Instant::now).elapsed() < MISSING_PAUSE {
            return;
        }
        self.looked = Some(Instant::now());
        let Some(now) = applier.refusals(namespace, labels).await else { return };
        match &self.before {
            None => self.before = Some(now),
            Some(before) if now.iter().any(|one| !before.contains(one)) => {
                self.since.get_or_insert_with(Instant::now);
            }
            Some(_) => {}
        }
    }
}

/// Pods, as the server tells of them.
struct Watched<'a> {
    applier: &'a Applier,
    api: Api<Pod>,
    labels: &'a str,
    place: String,
    pods: BTreeMap<String, Pod>,
    /// What the list, or the last event, brought it to.
    version: String,
    events: Option<BoxStream<'static, Result<WatchEvent<Pod>, kube::Error>>>,
}

impl<'a> Watched<'a> {
    fn new(applier: &'a Applier, namespace: &str, labels: &'a str) -> Self {
        let api = Api::namespaced(applier.client.clone(), namespace);
        let place = format!("pods in {namespace}");
        let (pods, version) = (BTreeMap::new(), String::new());
        Self { applier, api, labels, place, pods, version, events: None }
    }

    fn states(&self) -> Vec<PodState> {
        self.pods.values().map(PodState::of).collect()
    }

    async fn list(&mut self) -> Result<(), Error> {
        let Self { applier, api, labels, place, .. } = self;
        let list = ListParams::default().labels(labels);
        let list = applier.ask(&format!("list {place}"), place, api.list(&list)).await?;
        self.version = list.metadata.resource_version.unwrap_or_default();
        self.pods = list.items.into_iter().filter_map(named).collect();
        Ok(())
    }

    async fn watch(&mut self) -> Result<(), Error> {
        let Self { applier, api, labels, place, version, .. } = self;
        let watch = WatchParams::default().labels(labels).timeout(WATCH_SECONDS);
        let begun = async { Ok(api.watch(&watch, version).await?.boxed()) };
        self.events = Some(applier.ask(&format!("watch {place}"), place, begun).await?);
        Ok(())
    }

    /// Waits for a change, until then. When a server that was there is away, it is asked again.
    async fn change(&mut self, until: Instant) -> Result<(), Error> {
        while Instant::now() < until {
            let Some(events) = &mut self.events else {
                match self.watch().await {
                    Ok(()) => continue,
                    Err(error) => self.away(error, until).await?,
                }
                continue;
            };
            let silent = Instant::now() + SILENCE;
            let Ok(event) = tokio::time::timeout_at(until.min(silent), events.next()).await else {
                if until < silent {
                    return Ok(());
                }
                return self.again(until).await;
            };
            match event {
                Some(Ok(WatchEvent::Added(pod) | WatchEvent::Modified(pod))) => {
                    self.version = pod.metadata.resource_version.clone().unwrap_or_default();
                    self.pods.extend(named(pod));
                    return Ok(());
                }
                Some(Ok(WatchEvent::Deleted(pod))) => {
                    self.pods.remove(&pod.metadata.name.unwrap_or_default());
                    return Ok(());
                }
                Some(Ok(WatchEvent::Bookmark(_))) => {}
                // It ended, or what it began from is too old by now.
                Some(Ok(WatchEvent::Error(_)) | Err(_)) | None => return self.again(until).await,
            }
        }
        Ok(())
    }

    /// All is asked for again, not at once.
    async fn again(&mut self, until: Instant) -> Result<(), Error> {
        self.events = None;
        tokio::time::sleep_until(until.min(Instant::now() + PAUSE)).await;
        match self.list().await {
            Ok(()) => Ok(()),
            Err(error) => self.away(error, until).await,
        }
    }

    async fn away(&mut self, error: Error, until: Instant) -> Result<(), Error> {
        self.events = None;
        match error {
            Error::Unreachable { .. } | Error::TimedOut { .. } => {}
            error => return Err(error),
        }
        tokio::time::sleep_until(until.min(Instant::now() + PAUSE)).await;
        Ok(())
    }
}

fn named(pod: Pod) -> Option<(String, Pod)> {
    Some((pod.metadata.name.clone()?, pod))
}
