//! Why pods do not come up: what the pods say, and what others say about them in events and logs.

use std::collections::BTreeSet;
use std::fmt;

use futures::StreamExt;
use futures::stream;
use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams, LogParams};

use super::standing::{Halt, Look, halted};
use super::{Applier, PARALLEL};

/// How many events are asked for at most.
const EVENTS: u32 = 500;
/// How many lines of a log are read, and how many of them are shown where none is our own script's.
const LOG_LINES: i64 = 24;
/// How much of it at most: a line may be of any length.
const LOG_BYTES: i64 = 64 * 1024;
const SHOWN_LINES: usize = 3;
/// How many characters are shown of what a container logged.
const SHOWN: usize = 1200;
/// How our start script begins what it says.
const OUR_WORDS: &str = "slotwright: ";

/// What keeps a pod from being started or ready, or from being there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// `Pod shop/sessions-0`, or what should have made it.
    pub place: String,
    /// What is the matter: the container's state and the end of its log, or the scheduler's or kubelet's words.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.what, self.remedy)
    }
}

/// What others say, as a part of a line of ours.
pub(super) fn one_line(text: &str) -> String {
    let words =
        text.split(|one: char| one.is_whitespace() || one.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").trim_end_matches(['.', ':', ' ']).to_owned()
}

/// `Pod shop/sessions-0`.
pub(super) fn place(pod: &Pod) -> String {
    let part = |value: &Option<String>| value.clone().unwrap_or_default();
    format!("Pod {}/{}", part(&pod.metadata.namespace), part(&pod.metadata.name))
}

impl Applier {
    /// What is wrong with these pods, and where pods are missing, why none is made. What cannot be found out, or must
    /// not be seen, is left out: this explains a failure, and must not become another.
    pub(super) async fn explain(
        &self,
        namespace: &str,
        labels: &str,
        lagging: &[&Pod],
        are_missing: bool,
    ) -> Vec<Trouble> {
        let explained = stream::iter(lagging).map(|pod| self.explain_pod(namespace, pod));
        let mut troubles: Vec<Trouble> = explained.buffered(PARALLEL).collect().await;
        if are_missing {
            let makers = self.makers(namespace, labels).await;
            let events = self.events(namespace, "reason=FailedCreate").await.unwrap_or_default();
            troubles.extend(missing(&events, makers.as_ref()));
        }
        troubles
    }

    async fn explain_pod(&self, namespace: &str, pod: &Pod) -> Trouble {
        let about = |kind: &str, name: &str| format!("involvedObject.kind={kind},involvedObject.name={name}");
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let fields = format!("{},type=Warning", about("Pod", name));
        let mut said = Said::default();
        // Another pod may have had the name before.
        let is_its = |event: &Event| event.involved_object.uid == pod.metadata.uid;
        let mut events = self.events(namespace, &fields).await.unwrap_or_default();
        events.retain(is_its);
        said.of_pod = events.pop();
        for claim in claims_waited_for(pod) {
            let events = self.events(namespace, &about("PersistentVolumeClaim", claim)).await;
            said.of_claims.extend(events.unwrap_or_default().pop());
        }
        if let Some(Halt { ended: true, container, .. }) = halted(pod) {
            said.in_log = self.log_end(namespace, pod, &container).await;
        }
        trouble(pod, &said)
    }

    /// The events of a namespace, the latest last; nothing where they cannot or must not be seen.
    async fn events(&self, namespace: &str, fields: &str) -> Option<Vec<Event>> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let place = format!("events in {namespace}");
        let list = ListParams::default().fields(fields).limit(EVENTS);
        let events = self.ask(&format!("list {place}"), &place, api.list(&list)).await;
        let mut events = events.ok()?.items;
        events.sort_by_key(when);
        Some(events)
    }

    /// The end of what a container that ended has logged.
    async fn log_end(&self, namespace: &str, pod: &Pod, container: &str) -> Option<String> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let (name, place) = (pod.metadata.name.as_deref()?, place(pod));
        for previous in [false, true] {
            // Of a container that does not run, the last run's; it may have been started again meanwhile.
            let options = LogParams {
                container: Some(container.to_owned()),
                tail_lines: Some(LOG_LINES),
                limit_bytes: Some(LOG_BYTES),
                previous,
                ..LogParams::default()
            };
            let log = self.ask(&format!("read the log of {place}"), &place, api.logs(name, &options)).await;
            if let Some(words) = last_words(&log.ok()?) {
                return Some(words);
            }
        }
        None
    }

    /// The identities of what makes pods with these labels; nothing where they must not be seen.
    async fn makers(&self, namespace: &str, labels: &str) -> Option<BTreeSet<String>> {
        let list = ListParams::default().labels(labels);
        let sets: Api<StatefulSet> = Api::namespaced(self.client.clone(), namespace);
        let place = format!("statefulsets in {namespace}");
        let sets = self.ask(&format!("list {place}"), &place, sets.list_metadata(&list)).await.ok()?;
        let replicas: Api<ReplicaSet> = Api::namespaced(self.client.clone(), namespace);
        let place = format!("replicasets in {namespace}");
        let replicas =
            self.ask(&format!("list {place}"), &place, replicas.list_metadata(&list)).await.ok()?;
        let metadata = sets.items.into_iter().map(|one| one.metadata);
        let metadata = metadata.chain(replicas.items.into_iter().map(|one| one.metadata));
        Some(metadata.filter_map(|metadata| metadata.uid).collect())
    }

    /// The events by which those who should make pods with these labels say that they cannot: identity and version.
    /// Nothing where they cannot or must not be seen.
    pub(super) async fn refusals(&self, namespace: &str, labels: &str) -> Option<Vec<(String, String)>> {
        let makers = self.makers(namespace, labels).await?;
        let events = self.events(namespace, "reason=FailedCreate").await?.into_iter();
        let of_ours = events.filter(|event| is_of(event, &makers));
        Some(
            of_ours
                .filter_map(|event| Some((event.metadata.uid?, event.metadata.resource_version?)))
                .collect(),
        )
    }
}

/// What others say about a pod, each at last.
#[derive(Debug, Default)]
struct Said {
    of_pod: Option<Event>,
    of_claims: Vec<Event>,
    in_log: Option<String>,
}

/// Why a pod does not go.
pub(super) fn stays(pod: &Pod) -> Trouble {
    let (what, remedy) = match &pod.metadata.deletion_timestamp {
        None => ("it is not being deleted", "see what makes it, and remove that first"),
        Some(_) if pod.metadata.finalizers.as_ref().is_some_and(|those| !those.is_empty()) => {
            ("its deletion waits for finalizers", "see who set them: kubectl get pod -o yaml")
        }
        Some(_) => (
            "it is being deleted, and its node has not said that its containers have ended",
            "see whether the node is up; only if it is off for good, kubectl delete pod --force",
        ),
    };
    Trouble { place: place(pod), what: what.to_owned(), remedy }
}

/// When an event was last seen.
fn when(event: &Event) -> Option<Timestamp> {
    let series =
        event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    series.or(last).or(event.event_time.as_ref().map(|time| time.0))
}

fn is_of(event: &Event, makers: &BTreeSet<String>) -> bool {
    event.involved_object.uid.as_ref().is_some_and(|uid| makers.contains(uid))
}

/// The claims of a pod that has no node yet: it may wait for them.
fn claims_waited_for(pod: &Pod) -> impl Iterator<Item = &str> {
    let waits = pod.spec.iter().filter(|spec| spec.node_name.is_none());
    let volumes = waits.flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.as_str()))
}

/// Why a pod is not up, the nearest cause first.
fn trouble(pod: &Pod, said: &Said) -> Trouble {
    if pod.metadata.deletion_timestamp.is_some() {
        return stays(pod);
    }
    let found = Look::at(pod).state.trouble;
    let waits_for_claim =
        found.as_ref().is_some_and(|trouble| trouble.what.contains("PersistentVolumeClaim"));
    let of_claims = said.of_claims.iter().filter(|event| {
        // While a claim waits for the pod to have a node, all is well with it.
        waits_for_claim || event.type_.as_deref() == Some("Warning")
    });
    let of_claims = of_claims.filter_map(|event| {
        let claim = event.involved_object.name.as_deref().unwrap_or_default();
        Some(format!("claim {claim}: {}", one_line(event.message.as_deref()?)))
    });
    let of_claims: Vec<String> = of_claims.collect();
    if !of_claims.is_empty() {
        let found = found.map(|trouble| format!("{}; ", trouble.what)).unwrap_or_default();
        let what = format!("{found}{}", of_claims.join("; "));
        let remedy = "name a StorageClass that the cluster has and that makes volumes (kubectl get storageclass), or \
                      make a PersistentVolume that fits the claim: class, size, access mode, labels";
        return Trouble { place: place(pod), what, remedy };
    }
    let Some(mut trouble) = found else { return from_events(pod, said.of_pod.as_ref()) };
    if let Some(log) = &said.in_log {
        trouble.what = format!("{}; it says: {log}", trouble.what);
        return trouble;
    }
    let said = said.of_pod.as_ref().and_then(|event| Some(one_line(event.message.as_deref()?)));
    if let Some(said) = said.filter(|said| !trouble.what.contains(said) && is_news(said)) {
        trouble.what = format!("{}; {said}", trouble.what);
    }
    trouble
}

/// Kubelet's own repetitions of what the container's state says.
fn is_news(said: &str) -> bool {
    !["Back-off ", "Error: "].iter().any(|start| said.starts_with(start))
}

/// Of a pod that tells nothing itself.
fn from_events(pod: &Pod, last: Option<&Event>) -> Trouble {
    let remedy = match last.and_then(|event| event.reason.as_deref()) {
        Some("FailedMount") => {
            "see whether what it mounts is there: Secrets and ConfigMaps with the keys it names, and volumes that the \
             node can reach (an NFS server that exports the path to it)"
        }
        Some("FailedAttachVolume") => {
            "see whether its volume is still with another node: kubectl get volumeattachments"
        }
        Some("Unhealthy") => "bring about what its probe asks for",
        Some("FailedCreatePodSandBox") => "see whether the network of the node is up: kubectl describe",
        _ => "see kubectl describe, and what its containers log",
    };
    let what = last.and_then(|event| Some(one_line(event.message.as_deref()?))).unwrap_or_else(|| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let doing = Look::at(pod).state.doing;
        format!("{}, {doing}", phase.unwrap_or("not begun"))
    });
    Trouble { place: place(pod), what, remedy }
}

/// Why controllers do not make pods: a quota, an admission rule.
fn missing(events: &[Event], makers: Option<&BTreeSet<String>>) -> Option<Trouble> {
    let event = events.iter().rev().find(|event| {
        event.reason.as_deref() == Some("FailedCreate") && makers.is_none_or(|makers| is_of(event, makers))
    })?;
    let object = &event.involved_object;
    let part = |value: &Option<String>| value.clone().unwrap_or_default();
    let what = one_line(&part(&event.message));
    let remedy = if what.contains("exceeded quota") || what.contains("failed quota") {
        "ask for less, free something, or have the quota of the namespace raised"
    } else if what.contains("service account") {
        "make the ServiceAccount that the pod names"
    } else {
        "see kubectl describe"
    };
    let place = format!("{} {}/{}", part(&object.kind), part(&object.namespace), part(&object.name));
    Some(Trouble { place, what, remedy })
}

/// What a container said at last: from where our start script begins to say why it ends, or the last lines. Not the line of
/// the configuration that a server quotes as wrong (`>>> 'user app on >secret'`): that may hold a password.
fn last_words(log: &str) -> Option<String> {
    let is_shown = |line: &&str| !line.is_empty() && !line.starts_with(">>>");
    let lines: Vec<&str> = log.lines().map(str::trim).filter(is_shown).collect();
    let ours = lines.iter().rposition(|line| line.starts_with(OUR_WORDS));
    let from = ours.unwrap_or(lines.len().saturating_sub(SHOWN_LINES));
    // One that spans lines is one sentence; others are told apart.
    let between = if ours.is_some() { " " } else { " / " };
    let words = lines.get(from..)?.join(between);
    let mut shown: String =
        words.chars().map(|one| if one.is_control() { ' ' } else { one }).take(SHOWN).collect();
    if shown.len() < words.len() {
        shown.push('…');
    }
    Some(shown).filter(|shown| !shown.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::standing::tests::{pod, waiting};
    use super::*;

    fn event(kind: &str, name: &str, reason: &str, message: &str) -> Event {
        let object = json!({"kind": kind, "namespace": "shop", "name": name, "uid": "1"});
        let text = json!({"metadata": {}, "involvedObject": object, "reason": reason, "message": message});
        serde_json::from_value(text).unwrap()
    }

    fn told(pod: &Pod, event: Option<Event>, log: Option<&str>) -> Trouble {
        trouble(pod, &Said { of_pod: event, of_claims: Vec::new(), in_log: log.map(str::to_owned) })
    }

    #[test]
    fn the_nearest_cause_is_told_with_what_to_do() {
        let pull = event("Pod", "a-0", "Failed", "no such host.");
        let text = told(&waiting("ImagePullBackOff", 0), Some(pull), None).to_string();
        assert!(text.contains("r:1: ImagePullBackOff; no such host; correct the image"), "{text}");
        let mount = event("Pod", "a-0", "FailedMount", "secret \"x\" not found");
        let mount = told(&waiting("ContainerCreating", 0), Some(mount), None);
        assert_eq!(mount.what, "secret \"x\" not found");
        assert!(mount.remedy.contains("Secrets and ConfigMaps"));
        let ended = told(&waiting("CrashLoopBackOff", 3), None, Some("slotwright: no"));
        assert!(ended.what.ends_with("4 times by now; it says: slotwright: no"), "{ended}");
        assert_eq!(told(&pod(&json!({"phase": "Pending"})), None, None).what, "Pending, waiting for a node");
    }

    #[test]
    fn a_claim_says_itself_why_it_has_no_volume() {
        let claim = |kind: &str| Event {
            type_: Some(kind.to_owned()),
            ..event("PersistentVolumeClaim", "data-a-0", "x", "no storage class is set")
        };
        let said = |kind: &str| Said { of_claims: vec![claim(kind)], ..Said::default() };
        let condition = json!({"type": "PodScheduled", "status": "False",
            "message": "0/1 nodes are available: 1 pod has unbound immediate PersistentVolumeClaims."});
        let unbound = trouble(&pod(&json!({"conditions": [condition]})), &said("Normal"));
        assert!(unbound.what.ends_with("Claims; claim data-a-0: no storage class is set"), "{unbound}");
        assert!(unbound.remedy.contains("StorageClass"));
        // One that is bound only when the pod has a node: the scheduler waits for it and says nothing.
        let silent = pod(&json!({"phase": "Pending"}));
        assert_eq!(trouble(&silent, &said("Warning")).what, "claim data-a-0: no storage class is set");
        assert_eq!(trouble(&silent, &said("Normal")).what, "Pending, waiting for a node");
    }

    #[test]
    fn only_a_pod_without_a_node_waits_for_its_claims() {
        let mut pod = pod(&json!({}));
        let volume =
            json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data-a-0"}}, {"name": "x"}]);
        let spec = pod.spec.as_mut().unwrap();
        spec.volumes = serde_json::from_value(volume).unwrap();
        assert_eq!(claims_waited_for(&pod).collect::<Vec<_>>(), ["data-a-0"]);
        pod.spec.as_mut().unwrap().node_name = Some("n".to_owned());
        assert_eq!(claims_waited_for(&pod).count(), 0);
    }

    #[test]
    fn pods_that_are_not_made_are_explained_by_who_should_make_them() {
        let events = [event("StatefulSet", "a", "FailedCreate", "exceeded quota: small, limited: pods=0")];
        let told = missing(&events, None).unwrap().to_string();
        assert!(told.starts_with("StatefulSet shop/a: exceeded quota") && told.contains("raised"), "{told}");
        let others = BTreeSet::from(["2".to_owned()]);
        assert_eq!(missing(&events, Some(&others)), None);
    }

    #[test]
    fn the_end_of_a_log_is_one_safe_line() {
        let log = "1\nslotwright: the volume belongs to another. It says: {\n  \"name\": \"b\"\n}. Bind\n";
        let told = "slotwright: the volume belongs to another. It says: { \"name\": \"b\" }. Bind";
        assert_eq!(last_words(log).unwrap(), told);
        assert_eq!(last_words("a\nb\nc\n\nd\u{1b}[0m\n").unwrap(), "b / c / d [0m");
        assert_eq!(last_words("\n"), None);
        assert_eq!(last_words(&"x".repeat(5000)).unwrap().chars().count(), SHOWN + 1);
    }
}
