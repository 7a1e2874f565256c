//! One function for each kind of object. Each is pure: the same [`Blueprint`] gives the same object, to the byte.
//!
//! Field names, defaults and limits are those of the Kubernetes API reference
//! (<https://kubernetes.io/docs/reference/kubernetes-api/>). Only fields that 1.20 knows are used, and what a server
//! would fill in is written out where leaving it open has hurt: 1.20 refuses a server-side apply of a port without
//! `protocol`. The one kind that 1.20 has under another version is what [`Object::for_kubernetes`] is for.
//!
//! | function | StatefulSet | Deployment | why it is there |
//! |---|---|---|---|
//! | [`namespace()`] | if wanted | if wanted | enforces the `restricted` pod security standard |
//! | [`service_account`] | 1 | 1 | an account that gets no token |
//! | [`secret()`] | if content is given | same | password, ACL file, TLS, deployment id |
//! | [`scripts`] | 1 | 1 | start, probes, hand-over |
//! | [`config_map`], [`node_config_map`] | 1 | 1 a node | redis.conf |
//! | [`headless_service`] | 1 | – | a DNS name for each pod |
//! | [`node_service`] | – | 1 a node | an address that outlives the pod |
//! | [`client_service`] | 1 | 1 | where clients begin |
//! | [`persistent_volumes`] | on NFS, 1 a node | same | each bound to the claim of its ordinal |
//! | [`claim_template`], [`node_claim`] | template | 1 a node | the data of a node |
//! | [`network_policy`] | 1 | 1 | clients on 6379, peers alone on the bus |
//! | [`pod_disruption_budget`] | 1 | 1 | one node at a time |
//! | [`stateful_set`], [`node_deployment`] | 1 | 1 a node | the nodes |
//! | [`metrics_service`], [`service_monitor`] | if wanted | if wanted | metrics |

mod access;
mod config;
mod guard;
mod metrics;
mod object;
mod pod;
mod service;
mod volume;
mod workload;

#[cfg(test)]
mod restricted;
#[cfg(test)]
pub(crate) mod tests;

pub use access::{NeededSecret, namespace, needed_secrets, secret, service_account};
pub use config::{config_map, node_config_map, redis_conf, scripts};
pub use guard::{network_policy, pod_disruption_budget};
pub use metrics::{metrics_service, service_monitor};
pub use object::Object;
pub use pod::pod_spec;
pub use service::{client_service, headless_service, node_service};
pub use volume::{claim_template, node_claim, persistent_volumes};
pub use workload::{node_deployment, stateful_set};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{Blueprint, Storage, Style, names};

/// The container of the server: the tutorial's name.
pub const NODE_CONTAINER: &str = "redis";
/// The port of clients and of replication.
pub const CLIENT_PORT: u16 = 6379;
/// The port of the cluster bus.
pub const BUS_PORT: u16 = 16379;
/// Where a node's data lies in its container: the tutorial's path.
pub const DATA_FOLDER: &str = "/var/lib/redis";
/// Where the ConfigMap is mounted: the tutorial's path.
pub const CONFIG_FOLDER: &str = "/etc/redis";
/// Where the scripts are mounted.
pub const SCRIPTS_FOLDER: &str = "/etc/slotwright/scripts";
/// Where the password, the ACL file and private settings are mounted.
pub const SECRETS_FOLDER: &str = "/etc/slotwright/secrets";
/// Where the certificates are mounted.
pub const TLS_FOLDER: &str = "/etc/slotwright/tls";
/// In memory and gone with the pod: the configuration as the server runs with it, and its socket.
pub const RUN_FOLDER: &str = "/run/slotwright";

/// All objects of the deployment, in the order in which each finds what it needs.
///
/// ```
/// use slotwright_kube::{SecretValue, Style, Wanted, objects};
/// let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// let mut wanted = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id);
/// wanted.style = Style::Deployment;
/// let objects = objects::all(&wanted.check()?);
/// let services = objects.iter().filter(|object| object.kind() == "Service").count();
/// assert_eq!(services, 6 + 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn all(blueprint: &Blueprint) -> Vec<Object> {
    let wanted = blueprint.wanted();
    let ordinals = || 0..wanted.node_count();
    let mut objects = Vec::new();
    if wanted.make_namespace {
        objects.push(Object::of(&namespace(blueprint)));
    }
    objects.push(Object::of(&service_account(blueprint)));
    objects.extend(secret(blueprint).as_ref().map(Object::of));
    objects.push(Object::of(&scripts(blueprint)));
    // Services before pods: a pod of the Deployment variant learns its Service's address when it starts.
    match wanted.style {
        Style::StatefulSet => {
            objects.push(Object::of(&config_map(blueprint)));
            objects.push(Object::of(&headless_service(blueprint)));
        }
        Style::Deployment => {
            objects.extend(ordinals().map(|ordinal| Object::of(&node_config_map(blueprint, ordinal))));
            objects.extend(ordinals().map(|ordinal| Object::of(&node_service(blueprint, ordinal))));
        }
    }
    objects.push(Object::of(&client_service(blueprint)));
    objects.extend(metrics_service(blueprint).as_ref().map(Object::of));
    if matches!(wanted.storage, Storage::Nfs { .. }) {
        objects.extend(persistent_volumes(blueprint).iter().map(Object::of));
    }
    if wanted.style == Style::Deployment {
        objects.extend(ordinals().map(|ordinal| Object::of(&node_claim(blueprint, ordinal))));
    }
    objects.push(Object::of(&network_policy(blueprint)));
    objects.push(Object::of(&pod_disruption_budget(blueprint)));
    match wanted.style {
        Style::StatefulSet => objects.push(Object::of(&stateful_set(blueprint))),
        Style::Deployment => {
            objects.extend(ordinals().map(|ordinal| Object::of(&node_deployment(blueprint, ordinal))));
        }
    }
    objects.extend(service_monitor(blueprint));
    objects
}

/// Name, namespace and labels of an object.
fn metadata(blueprint: &Blueprint, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(blueprint.wanted().namespace.clone()),
        labels: Some(names::labels(blueprint)),
        ..ObjectMeta::default()
    }
}

/// The same for an object of one node in the Deployment variant.
fn node_metadata(blueprint: &Blueprint, node: &str, name: &str) -> ObjectMeta {
    ObjectMeta { labels: Some(names::node_labels(blueprint, node)), ..metadata(blueprint, name) }
}
