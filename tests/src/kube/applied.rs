//! Objects for tests of what is applied: as small as a server takes them, all with one label.

use std::path::Path;

use kube::{
    Client, Config,
    api::DynamicObject,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use slotwright_kube::apply::{Applier, Change, Force, object};
use slotwright_machine::Machine;

use super::IMAGE;

/// What selects them.
pub const LABEL: &str = "app.kubernetes.io/instance=a";

/// The way to a cluster.
///
/// # Panics
/// When the file is no kubeconfig.
pub async fn config(kubeconfig: &Path) -> Config {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()
}

/// The same as another user.
pub fn impersonating(config: &Config, user: &str) -> Config {
    let mut config = config.clone();
    config.auth_info.impersonate = Some(user.to_owned());
    config
}

/// An applier whose every request passes `machine`.
///
/// # Panics
/// When there can be no client.
pub fn applier(config: &Config, machine: Machine) -> Applier {
    Applier::new(Client::try_from(config.clone()).unwrap(), "slotwright", machine)
}

/// As they are applied.
///
/// # Panics
/// When one is none.
pub fn objects(values: impl IntoIterator<Item = Value>) -> Vec<DynamicObject> {
    values.into_iter().map(|value| object(&value).unwrap()).collect()
}

/// The name `a`, and the label.
pub fn metadata(namespace: &str) -> Value {
    json!({"name": "a", "namespace": namespace, "labels": {"app.kubernetes.io/instance": "a"}})
}

/// A namespace.
pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// A StatefulSet of one pod.
pub fn stateful_set(namespace: &str, service: &str, pod: &Value) -> Value {
    let labels = json!({"app.kubernetes.io/instance": "a"});
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata(namespace), "spec": {
        "replicas": 1, "serviceName": service, "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod},
    }})
}

/// A pod that runs what its image runs.
pub fn pod(image: &str) -> Value {
    let container = json!({"name": "redis", "image": image, "resources": {"requests": {"cpu": "1m"}}});
    json!({"terminationGracePeriodSeconds": 0, "containers": [container]})
}

/// A pod that runs a line of shell.
pub fn shell(line: &str) -> Value {
    let mut pod = pod(IMAGE);
    pod["containers"][0]["command"] = json!(["/bin/sh", "-c", line]);
    pod
}

/// Applies them.
///
/// # Panics
/// When that fails.
pub async fn done(applier: &Applier, objects: &[DynamicObject]) -> Vec<Change> {
    let changes = applier.plan(objects, Force::No).await.unwrap();
    applier.apply(&changes, Force::No).await.unwrap();
    changes
}
