//! What one pod is doing and what keeps it from more, as far as the pod itself tells.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::explain::{Trouble, one_line, place};
use crate::objects::NODE_CONTAINER;

/// A pod, looked at from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodState {
    /// Its name.
    pub name: String,
    /// Its identity: a pod that is made anew has another.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its address, once it has one.
    pub address: Option<IpAddr>,
    /// The machine it is on (`spec.nodeName`), once one is chosen.
    pub host: Option<String>,
    /// Its server has loaded its data, which is what the startup probe asks.
    pub started: bool,
    /// Clients may come: its condition `Ready`.
    pub ready: bool,
    /// It is going, and counts as neither.
    pub deleting: bool,
    /// What it is doing now, in a few words: `loading its data`.
    pub doing: &'static str,
    /// What keeps it from being started or ready, as far as the pod itself tells.
    pub trouble: Option<Trouble>,
}

/// How far pods should come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The server has loaded its data and has an address; it need not be in a cluster.
    Started,
    /// Clients may come.
    Ready,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Started => "started",
            Self::Ready => "ready",
        })
    }
}

impl PodState {
    pub(super) fn of(pod: &Pod) -> Self {
        Look::at(pod).state
    }

    /// Whether it has come to a stage; one that is going has not.
    pub fn is_at(&self, stage: Stage) -> bool {
        let reached = match stage {
            Stage::Started => self.started && self.address.is_some(),
            Stage::Ready => self.ready,
        };
        reached && !self.deleting
    }
}

/// A pod and what may become of it.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) state: PodState,
    pub(super) outlook: Outlook,
    /// How long its server may take to load: what its startup probe allows.
    pub(super) allowance: Duration,
}

/// What may become of a pod that goes on like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outlook {
    /// It comes, or waits for what may come by itself: a node, a volume, an image that is being pulled.
    Coming,
    /// Its server runs and loads its data; the kubelet ends that when it takes longer than is allowed.
    Loading,
    /// It has started.
    Up,
    /// It fails, and nothing that Kubernetes does by itself mends that.
    Failing,
}

/// How often a server must have ended before it is held to end always: the first start may come too early for what is
/// made at the same time, such as the address of its Service.
const ENDS: i32 = 3;

const NO_IMAGE: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
];
const NO_CONTAINER: [&str; 3] = ["CreateContainerConfigError", "CreateContainerError", "RunContainerError"];
/// On its way: something else is the matter, or nothing.
const ON_ITS_WAY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

impl Look {
    pub(super) fn at(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let server = server(pod);
        let deleting = pod.metadata.deletion_timestamp.is_some();
        let started = server.is_some_and(|server| server.started == Some(true));
        let ready = condition(pod, "Ready").is_some_and(|(is, _)| is);
        let (outlook, doing, trouble) = match (deleting, started, ready) {
            (true, ..) => (Outlook::Coming, "being deleted", None),
            (_, _, true) => (Outlook::Up, "ready", None),
            (_, true, _) => match halted(pod) {
                Some(halt) => (halt.outlook, "started", Some(halt.trouble(pod))),
                None => (Outlook::Up, "started", None),
            },
            _ => Self::judge(pod, server),
        };
        let state = PodState {
            name: pod.metadata.name.clone().unwrap_or_default(),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            labels: pod.metadata.labels.clone().unwrap_or_default(),
            address: status.and_then(|status| status.pod_ip.as_deref()?.parse().ok()),
            host: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            started: started && !deleting,
            ready: ready && !deleting,
            deleting,
            doing,
            trouble,
        };
        Self { state, outlook, allowance: allowance(pod) }
    }

    /// Of a pod that has not started.
    fn judge(pod: &Pod, server: Option<&ContainerStatus>) -> (Outlook, &'static str, Option<Trouble>) {
        let status = pod.status.as_ref();
        let trouble = |(what, remedy)| Some(Trouble { place: place(pod), what, remedy });
        if let Some("Failed" | "Succeeded") = status.and_then(|status| status.phase.as_deref()) {
            let told = status.and_then(|status| status.message.clone().or(status.reason.clone()));
            let what = format!("the pod has ended: {}", told.as_deref().unwrap_or("no reason is given"));
            let remedy = "whoever made it makes another; if none comes, see kubectl describe";
            return (Outlook::Coming, "ended", trouble((what, remedy)));
        }
        if let Some((false, message)) = condition(pod, "PodScheduled") {
            return (Outlook::Coming, "waiting for a node", trouble(unscheduled(message)));
        }
        // Another container's affair does not keep a server that runs from starting.
        if server.and_then(|server| server.state.as_ref()?.running.as_ref()).is_some() {
            return (Outlook::Loading, "loading its data", None);
        }
        match halted(pod) {
            Some(halt) => (halt.outlook, halt.doing, Some(halt.trouble(pod))),
            None if condition(pod, "PodScheduled").is_some() => {
                (Outlook::Coming, "getting its volumes and image", None)
            }
            None => (Outlook::Coming, "waiting for a node", None),
        }
    }
}

/// The status of the server's container.
fn server(pod: &Pod) -> Option<&ContainerStatus> {
    let mut statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    statuses.find(|status| status.name == NODE_CONTAINER)
}

/// Whether a condition holds, and what is said of it.
pub(super) fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<(bool, Option<&'a str>)> {
    let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let condition = conditions.find(|condition| condition.type_ == kind)?;
    Some((condition.status == "True", condition.message.as_deref()))
}

/// What the startup probe of the server allows; nothing where there is none.
fn allowance(pod: &Pod) -> Duration {
    let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let server = containers.find(|container| container.name == NODE_CONTAINER);
    let Some(probe) = server.and_then(|server| server.startup_probe.as_ref()) else {
        return Duration::ZERO;
    };
    // The defaults of the API; one period and answer more, because the kubelet begins at some time in it.
    let seconds =
        |value: Option<i32>, default: u64| value.map_or(default, |value| value.max(0).unsigned_abs().into());
    let period = seconds(probe.period_seconds, 10);
    let probes = seconds(probe.failure_threshold, 3).saturating_add(1).saturating_mul(period);
    let around = seconds(probe.initial_delay_seconds, 0) + seconds(probe.timeout_seconds, 1);
    Duration::from_secs(probes.saturating_add(around))
}

/// Why no node takes it, and what to do.
fn unscheduled(message: Option<&str>) -> (String, &'static str) {
    let message = one_line(message.unwrap_or("the scheduler does not say why"));
    let select = "label nodes as its node selector wants, or select others";
    let apart = "add nodes, or do not require that pods are apart";
    let remedies = [
        ("PersistentVolumeClaim", "see why its claim has no volume: kubectl describe pvc"),
        ("persistentvolumeclaim", "see whether its claim is there: kubectl get pvc"),
        ("taint", "remove the taint (kubectl taint), or add nodes without one"),
        ("Insufficient", "free or add room on nodes, or ask for less"),
        ("Pod's node affinity", select),
        ("node selector", select),
        ("anti-affinity", apart),
        ("topology spread", apart),
        (
            "volume node affinity",
            "bring back the nodes that its volume is bound to, or give it another volume",
        ),
        ("unschedulable", "let pods onto the node again: kubectl uncordon"),
    ];
    let fitting: BTreeSet<&str> =
        remedies.iter().filter(|(words, _)| message.contains(words)).map(|(_, remedy)| *remedy).collect();
    let general = "free or add room on nodes, or ask for less: requests, taints, anti-affinity, node selectors and volumes \
                   decide where it can run";
    let only = if fitting.len() == 1 { fitting.first() } else { None };
    let remedy = only.copied().unwrap_or(general);
    (format!("no node can take it: {message}"), remedy)
}

/// What keeps a container from running.
#[derive(Debug)]
pub(super) struct Halt {
    pub(super) container: String,
    /// It ran and ended; its log tells more.
    pub(super) ended: bool,
    outlook: Outlook,
    doing: &'static str,
    what: String,
    remedy: &'static str,
}

impl Halt {
    fn trouble(self, pod: &Pod) -> Trouble {
        Trouble { place: place(pod), what: self.what, remedy: self.remedy }
    }
}

/// The first container that something keeps from running, those that run before the others first.
pub(super) fn halted(pod: &Pod) -> Option<Halt> {
    let status = pod.status.as_ref()?;
    let first = status.init_container_statuses.iter().flatten();
    first.chain(status.container_statuses.iter().flatten()).find_map(halt)
}

fn halt(status: &ContainerStatus) -> Option<Halt> {
    let name = &status.name;
    let state = status.state.as_ref()?;
    let last = status.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let waiting = state.waiting.as_ref();
    let reason = waiting.map(|waiting| waiting.reason.as_deref().unwrap_or("waiting"));
    let ended = match reason {
        None => Some(state.terminated.as_ref()?),
        Some("CrashLoopBackOff") => last,
        Some(_) => None,
    };
    if let Some(ended) = ended {
        if ended.exit_code == 0 && status.ready {
            // An init container that has done its work.
            return None;
        }
        let times = status.restart_count.saturating_add(1);
        let outlook = if times < ENDS { Outlook::Coming } else { Outlook::Failing };
        let out_of_memory = ended.reason.as_deref() == Some("OOMKilled");
        let why = match ended.reason.as_deref() {
            Some("Error" | "Completed") | None => String::new(),
            Some(reason) => format!(" ({reason})"),
        };
        let often = if times > 1 { format!(", {times} times by now") } else { String::new() };
        return Some(Halt {
            outlook,
            doing: "ended, to be started again",
            what: format!("container {name} ended with exit status {}{why}{often}", ended.exit_code),
            remedy: if out_of_memory {
                "give it more memory"
            } else {
                "correct what its log tells (kubectl logs --previous); to have it started again at once, delete the pod"
            },
            container: name.clone(),
            ended: true,
        });
    }
    let reason = reason?;
    if ON_ITS_WAY.contains(&reason) {
        return None;
    }
    let message = waiting.and_then(|waiting| waiting.message.as_deref());
    let message = message.map(|message| format!(": {}", one_line(message))).unwrap_or_default();
    let (outlook, doing, remedy) = if NO_IMAGE.contains(&reason) {
        let remedy = "correct the image's name, give the pod a pull secret, or bring the image to the node";
        (Outlook::Failing, "without its image", remedy)
    } else if NO_CONTAINER.contains(&reason) {
        let remedy = "see whether the Secrets and ConfigMaps it names are there, with the keys it names";
        (Outlook::Failing, "without its container", remedy)
    } else {
        (Outlook::Coming, "waiting", "see kubectl describe")
    };
    let what = format!("container {name}, {}: {reason}{message}", status.image);
    Some(Halt { container: name.clone(), ended: false, outlook, doing, what, remedy })
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(in super::super) fn pod(status: &Value) -> Pod {
        let metadata = json!({"name": "a-0", "namespace": "shop", "uid": "1"});
        let probe = json!({"exec": {"command": ["x"]}, "periodSeconds": 5, "failureThreshold": 12, "timeoutSeconds": 9});
        let spec = json!({"containers": [{"name": "redis", "startupProbe": probe}]});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).unwrap()
    }

    pub(in super::super) fn container(state: &Value, restarts: i32) -> Value {
        let ended = json!({"terminated": {"exitCode": 1, "reason": "Error"}});
        json!({"name": "redis", "image": "r:1", "imageID": "", "ready": false, "restartCount": restarts,
            "state": state, "lastState": if restarts > 0 { ended } else { json!({}) }, "started": false})
    }

    pub(in super::super) fn scheduled(container: &Value) -> Pod {
        let condition = json!({"type": "PodScheduled", "status": "True"});
        pod(&json!({"conditions": [condition], "containerStatuses": [container], "podIP": "10.0.0.7"}))
    }

    pub(in super::super) fn waiting(reason: &str, restarts: i32) -> Pod {
        scheduled(&container(&json!({"waiting": {"reason": reason}}), restarts))
    }

    fn told(pod: &Pod) -> (Outlook, &'static str, String) {
        let look = Look::at(pod);
        (look.outlook, look.state.doing, look.state.trouble.map(|one| one.to_string()).unwrap_or_default())
    }

    #[test]
    fn a_pod_goes_its_way() {
        let none = String::new();
        assert_eq!(told(&pod(&json!({}))), (Outlook::Coming, "waiting for a node", none.clone()));
        let made = waiting("ContainerCreating", 0);
        assert_eq!(told(&made), (Outlook::Coming, "getting its volumes and image", none.clone()));
        let running = container(&json!({"running": {}}), 0);
        assert_eq!(told(&scheduled(&running)), (Outlook::Loading, "loading its data", none.clone()));
        let mut up = running;
        up["started"] = json!(true);
        let started = Look::at(&scheduled(&up));
        assert_eq!((started.outlook, started.state.doing), (Outlook::Up, "started"));
        assert!(started.state.is_at(Stage::Started) && !started.state.is_at(Stage::Ready));
        assert_eq!(started.state.address, Some([10, 0, 0, 7].into()));
    }

    #[test]
    fn a_pod_that_is_going_counts_for_nothing() {
        let mut up = container(&json!({"running": {}}), 0);
        up["started"] = json!(true);
        let mut pod = scheduled(&up);
        let ready = json!({"type": "Ready", "status": "True"});
        let conditions = pod.status.as_mut().unwrap().conditions.as_mut().unwrap();
        conditions.push(serde_json::from_value(ready).unwrap());
        assert!(PodState::of(&pod).is_at(Stage::Ready));
        pod.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        let state = PodState::of(&pod);
        assert!(!state.is_at(Stage::Ready) && !state.is_at(Stage::Started) && state.doing == "being deleted");
    }

    #[test]
    fn what_does_not_mend_itself_is_known() {
        for reason in ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"] {
            assert_eq!(Look::at(&waiting(reason, 0)).outlook, Outlook::Failing, "{reason}");
        }
        let (outlook, _, text) = told(&waiting("CrashLoopBackOff", 1));
        assert_eq!(outlook, Outlook::Coming);
        let start = "Pod shop/a-0: container redis ended with exit status 1, 2 times by now; correct what";
        assert!(text.starts_with(start), "{text}");
        assert_eq!(Look::at(&waiting("CrashLoopBackOff", 2)).outlook, Outlook::Failing);
        let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        let (_, _, text) = told(&scheduled(&container(&killed, 0)));
        assert!(text.contains("exit status 137 (OOMKilled); give it more memory"), "{text}");
    }

    #[test]
    fn the_remedy_fits_the_one_reason_a_scheduler_has() {
        let remedy = |message: &str| unscheduled(Some(message)).1;
        assert!(
            remedy("0/1 nodes are available: 1 Insufficient cpu.")
                .starts_with("free or add room on nodes, or")
        );
        assert!(
            remedy("0/1 nodes are available: 1 node(s) had taint {a: b}, that …").contains("kubectl taint")
        );
        assert!(remedy("1 node(s) didn't match Pod's node affinity/selector.").starts_with("label nodes"));
        assert!(remedy("1 node(s) had volume node affinity conflict.").contains("give it another volume"));
        assert!(remedy("1 node(s) didn't match pod affinity/anti-affinity rules.").starts_with("add nodes"));
        let several = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had taint {a: b}, that …";
        assert!(remedy(several).contains("decide where it can run"));
    }

    #[test]
    fn a_server_may_load_for_as_long_as_its_probe_allows() {
        assert_eq!(allowance(&pod(&json!({}))), Duration::from_secs(13 * 5 + 9));
        assert_eq!(allowance(&Pod::default()), Duration::ZERO);
    }
}
