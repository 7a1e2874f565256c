//! Waiting for pods: what they are doing, and why one does not come up.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use tokio::time::Instant;

use super::{Applier, Error};

/// How long one watch lasts; the server ends it then, and we begin another.
const WATCH_SECONDS: u32 = 60;

/// What keeps a pod from being ready, or from being there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// `Pod shop/sessions-0`, or what should have made it.
    pub place: String,
    /// What is the matter: the container's state, or the scheduler's or kubelet's words.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.what, self.remedy)
    }
}

impl Applier {
    /// Waits until `wanted` pods with these labels are ready. Told how many are, each time that changes.
    ///
    /// # Errors
    /// [`Error::NotReady`] with what is known of the others, when `time` is over; those of the requests.
    pub async fn ready_pods(
        &self,
        namespace: &str,
        labels: &str,
        wanted: usize,
        time: Duration,
        mut progress: impl FnMut(usize),
    ) -> Result<(), Error> {
        let end = Instant::now() + time;
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let place = format!("pods in {namespace}");
        let mut told = None;
        loop {
            let list = ListParams::default().labels(labels);
            let list = self.ask(&format!("list {place}"), &place, api.list(&list)).await?;
            let mut version = list.metadata.resource_version.unwrap_or_default();
            let named = |pod: Pod| Some((pod.metadata.name.clone()?, pod));
            let mut pods: BTreeMap<String, Pod> = list.items.into_iter().filter_map(named).collect();
            let watch = WatchParams::default().labels(labels).timeout(WATCH_SECONDS);
            let watched = self.ask(&format!("watch {place}"), &place, api.watch(&watch, &version)).await?;
            let mut watched = std::pin::pin!(watched);
            loop {
                let ready = pods.values().filter(|pod| is_ready(pod)).count();
                if told.replace(ready) != Some(ready) {
                    progress(ready);
                }
                if ready >= wanted {
                    return Ok(());
                }
                let Ok(event) = tokio::time::timeout_at(end, watched.next()).await else {
                    let troubles = self.troubles(namespace, pods.values(), pods.len() < wanted).await;
                    return Err(Error::NotReady { ready, wanted, after: time, troubles });
                };
                match event {
                    Some(Ok(WatchEvent::Added(pod) | WatchEvent::Modified(pod))) => {
                        version = pod.metadata.resource_version.clone().unwrap_or(version);
                        pods.extend(named(pod));
                    }
                    Some(Ok(WatchEvent::Deleted(pod))) => {
                        pods.remove(&pod.metadata.name.unwrap_or_default());
                    }
                    Some(Ok(WatchEvent::Bookmark(_))) => {}
                    // The watch ended, or what it began from is too old by now: all is asked for again, not at once.
                    Some(Ok(WatchEvent::Error(_)) | Err(_)) | None => break,
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What is wrong with those pods that are not ready, and where pods are missing, why none is made. What cannot be
    /// found out is left out: this explains a failure, and must not become another.
    async fn troubles(
        &self,
        namespace: &str,
        pods: impl Iterator<Item = &Pod>,
        are_missing: bool,
    ) -> Vec<Trouble> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let list = ListParams::default().fields("type=Warning");
        let place = format!("events in {namespace}");
        let events = self.ask(&format!("list {place}"), &place, api.list(&list)).await;
        let events = events.map(|list| list.items).unwrap_or_default();
        let mut troubles: Vec<Trouble> =
            pods.filter(|pod| !is_ready(pod)).map(|pod| trouble(pod, &events)).collect();
        if are_missing {
            troubles.extend(missing(&events));
        }
        troubles
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = |kind: &str, status: &str| kind == "Ready" && status == "True";
    pod.metadata.deletion_timestamp.is_none()
        && conditions.into_iter().any(|condition| ready(&condition.type_, &condition.status))
}

/// Why a pod is not ready, the nearest cause first.
fn trouble(pod: &Pod, events: &[Event]) -> Trouble {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let place = format!("Pod {}/{name}", pod.metadata.namespace.as_deref().unwrap_or_default());
    let last = events.iter().rev().find(|event| {
        event.involved_object.kind.as_deref() == Some("Pod")
            && event.involved_object.name.as_deref() == Some(name)
    });
    let said = last.and_then(|event| event.message.clone());
    let status = pod.status.as_ref();
    let conditions = status.iter().flat_map(|status| status.conditions.iter().flatten());
    let unscheduled = conditions
        .into_iter()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unscheduled {
        let what = condition.message.clone().or(said).unwrap_or_default();
        let remedy = "free or add room on nodes, or ask for less: requests, anti-affinity, node selectors and volumes \
                      decide where it can run";
        return Trouble { place, what: format!("no node can take it: {what}"), remedy };
    }
    let containers = status.iter().flat_map(|status| {
        status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten())
    });
    if let Some((what, remedy)) = containers.into_iter().find_map(container) {
        let what = match said {
            Some(said) if !what.contains(&said) => format!("{what}; {said}"),
            _ => what,
        };
        return Trouble { place, what, remedy };
    }
    let what = said.unwrap_or_else(|| {
        format!("{}, not ready", status.and_then(|status| status.phase.as_deref()).unwrap_or("not begun"))
    });
    Trouble { place, what, remedy: "see kubectl describe, and what its containers log" }
}

/// What keeps a container from running, and what to do.
fn container(status: &ContainerStatus) -> Option<(String, &'static str)> {
    let name = &status.name;
    let state = status.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or("waiting");
        let message = waiting.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
        let remedy = match reason {
            "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => {
                "correct the image's name, give the pod a pull secret, or bring the image to the node"
            }
            "CrashLoopBackOff" => "see why it ended: kubectl logs --previous",
            "CreateContainerConfigError" | "CreateContainerError" => {
                "see whether the Secrets and ConfigMaps it names are there"
            }
            // On its way: something else is the matter, or nothing.
            "ContainerCreating" | "PodInitializing" => return None,
            _ => "see kubectl describe",
        };
        return Some((format!("container {name}, {}: {reason}{message}", status.image), remedy));
    }
    let ended = state.terminated.as_ref()?;
    let reason = ended.reason.as_deref().unwrap_or("ended");
    let remedy = if reason == "OOMKilled" { "give it more memory" } else { "see what it logs: kubectl logs" };
    Some((format!("container {name}: {reason}, exit status {}", ended.exit_code), remedy))
}

/// Why controllers do not make pods: a quota, an admission rule.
fn missing(events: &[Event]) -> Option<Trouble> {
    let event = events.iter().rev().find(|event| event.reason.as_deref() == Some("FailedCreate"))?;
    let object = &event.involved_object;
    let part = |value: &Option<String>| value.clone().unwrap_or_default();
    let what = part(&event.message);
    let remedy = if what.contains("exceeded quota") || what.contains("failed quota") {
        "ask for less, free something, or have the quota of the namespace raised"
    } else {
        "see kubectl describe"
    };
    let place = format!("{} {}/{}", part(&object.kind), part(&object.namespace), part(&object.name));
    Some(Trouble { place, what, remedy })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(status: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "a-0", "namespace": "shop"}, "status": status}))
            .unwrap()
    }

    fn event(kind: &str, reason: &str, message: &str) -> Event {
        let object =
            json!({"kind": kind, "namespace": "shop", "name": if kind == "Pod" { "a-0" } else { "a" }});
        let text = json!({"metadata": {}, "involvedObject": object, "reason": reason, "message": message});
        serde_json::from_value(text).unwrap()
    }

    fn waiting(reason: &str) -> Pod {
        let container = json!({"name": "redis", "image": "r:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason}}});
        pod(&json!({"phase": "Pending", "containerStatuses": [container]}))
    }

    #[test]
    fn the_nearest_cause_is_told_with_what_to_do() {
        let scheduled =
            json!({"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"});
        let unscheduled = trouble(&pod(&json!({"conditions": [scheduled]})), &[]).to_string();
        assert!(unscheduled.starts_with("Pod shop/a-0: no node can take it: 0/1 nodes"), "{unscheduled}");
        let pulled =
            trouble(&waiting("ImagePullBackOff"), &[event("Pod", "Failed", "no such host")]).to_string();
        assert!(pulled.contains("r:1: ImagePullBackOff; no such host; correct the image"), "{pulled}");
        let mounts = [event("Pod", "FailedMount", "secret \"x\" not found")];
        let mounting = trouble(&waiting("ContainerCreating"), &mounts);
        assert_eq!(mounting.what, "secret \"x\" not found");
        assert_eq!(trouble(&pod(&json!({"phase": "Running"})), &[]).what, "Running, not ready");
    }

    #[test]
    fn pods_that_are_not_made_are_explained_by_who_should_make_them() {
        let events = [event("StatefulSet", "FailedCreate", "exceeded quota: small, limited: pods=0")];
        let told = missing(&events).unwrap().to_string();
        assert!(told.starts_with("StatefulSet shop/a: exceeded quota") && told.contains("raised"), "{told}");
    }

    #[test]
    fn a_pod_that_is_going_is_not_ready() {
        let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        let mut pod = pod(&ready);
        assert!(is_ready(&pod));
        pod.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        assert!(!is_ready(&pod));
    }
}
