//! What the objects are called, and the labels they carry.

use std::collections::BTreeMap;

use crate::Blueprint;

/// The label that tells one node from the others; its value is the node's name.
pub const LABEL_NODE: &str = "slotwright/node";

/// The value of `app.kubernetes.io/managed-by`.
pub const MANAGER: &str = "slotwright";

/// The names of the objects. [`Names::of`] derives them from the deployment's; each can be given another.
///
/// ```
/// use slotwright_kube::Names;
/// let mut names = Names::of("shop", "sessions");
/// assert_eq!((names.workload.as_str(), names.headless.as_str()), ("sessions", "sessions-nodes"));
/// assert_eq!(names.node(0), "sessions-0");
/// // Volumes have no namespace, so theirs is in the name.
/// assert_eq!(names.volume(0), "shop-sessions-pv1");
/// names.workload = "redis-app".into();
/// assert_eq!(names.node(5), "redis-app-5");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Names {
    /// The StatefulSet; the Deployments and their Services begin with it.
    pub workload: String,
    /// The headless Service, which gives each pod its DNS name.
    pub headless: String,
    /// The Service for clients.
    pub clients: String,
    /// The ConfigMap with redis.conf; one for each node begins with it in the Deployment variant.
    pub config: String,
    /// The ConfigMap with the scripts.
    pub scripts: String,
    /// The Secret of what is given as content.
    pub secret: String,
    /// The ServiceAccount.
    pub account: String,
    /// The claim (template), and the volume in the pod.
    pub claim: String,
    /// What the PersistentVolumes begin with; the number behind it counts from 1.
    pub volumes: String,
    /// The PodDisruptionBudget.
    pub budget: String,
    /// The NetworkPolicy.
    pub policy: String,
    /// The Service and the ServiceMonitor of the metrics.
    pub metrics: String,
}

impl Names {
    /// The names for the deployment `name`.
    pub fn of(namespace: &str, name: &str) -> Self {
        let with = |suffix: &str| format!("{name}-{suffix}");
        Self {
            workload: name.to_owned(),
            headless: with("nodes"),
            clients: name.to_owned(),
            config: with("conf"),
            scripts: with("scripts"),
            secret: with("secret"),
            account: name.to_owned(),
            claim: "data".to_owned(),
            volumes: format!("{namespace}-{name}-pv"),
            budget: name.to_owned(),
            policy: name.to_owned(),
            metrics: with("metrics"),
        }
    }

    /// The name of a node: of its pod in the StatefulSet, of its Deployment and Service in the other variant.
    pub fn node(&self, ordinal: u32) -> String {
        format!("{}-{ordinal}", self.workload)
    }

    /// The claim of a node's pod in the StatefulSet, as the controller names it.
    pub fn set_claim(&self, ordinal: u32) -> String {
        format!("{}-{}-{ordinal}", self.claim, self.workload)
    }

    /// The claim of a node in the Deployment variant. Not that of the StatefulSet: were both variants applied to one
    /// namespace, two servers would run on one folder.
    pub fn node_claim(&self, ordinal: u32) -> String {
        format!("{}-{ordinal}-{}", self.workload, self.claim)
    }

    /// The ConfigMap of a node in the Deployment variant.
    pub fn node_config(&self, ordinal: u32) -> String {
        format!("{}-{ordinal}", self.config)
    }

    /// The PersistentVolume of a node.
    pub fn volume(&self, ordinal: u32) -> String {
        format!("{}{}", self.volumes, u64::from(ordinal) + 1)
    }
}

/// The labels that pods are selected by; they never change, because a selector cannot.
///
/// `app` and `appCluster` are the tutorial's own; the third keeps pods out that its uncorrected files made.
pub(crate) fn selector(blueprint: &Blueprint) -> BTreeMap<String, String> {
    let name = &blueprint.wanted().name;
    let labels = [("app", "redis"), ("appCluster", name), ("app.kubernetes.io/instance", name)];
    labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The labels of every object.
pub(crate) fn labels(blueprint: &Blueprint) -> BTreeMap<String, String> {
    let mut labels = selector(blueprint);
    let engine = match blueprint.wanted().engine {
        crate::Engine::Redis => "redis",
        crate::Engine::Valkey => "valkey",
    };
    for (key, value) in [
        ("app.kubernetes.io/name", engine),
        ("app.kubernetes.io/component", "cluster"),
        ("app.kubernetes.io/managed-by", MANAGER),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    labels
}

/// The labels of one node's objects in the Deployment variant.
pub(crate) fn node_labels(blueprint: &Blueprint, node: &str) -> BTreeMap<String, String> {
    let mut labels = labels(blueprint);
    labels.insert(LABEL_NODE.to_owned(), node.to_owned());
    labels
}

/// What selects one node's pod in the Deployment variant.
pub(crate) fn node_selector(blueprint: &Blueprint, node: &str) -> BTreeMap<String, String> {
    let mut labels = selector(blueprint);
    labels.insert(LABEL_NODE.to_owned(), node.to_owned());
    labels
}
