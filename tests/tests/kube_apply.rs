//! Objects brought to a real API server: what changes, what does not, what goes wrong, and what is left after a kill.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kube::{
    Client, Config,
    api::{Api, DynamicObject, ListParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::ApiResource,
};
use serde_json::{Value, json};
use slotwright_kube::apply::{Applier, Change, Error, Force, PodState, Stage, Volumes, What, object};
use slotwright_machine::{Effect, Machine, Witness};
use slotwright_tests::{
    kube::{IMAGE, Kubernetes, succeed},
    wait::until,
};

const LABEL: &str = "app.kubernetes.io/instance=a";

#[tokio::test]
async fn objects_are_applied_explained_and_pruned() {
    let kubernetes = Kubernetes::start();
    let config = config(&kubernetes.kubeconfig()).await;
    let applier = applier(&config, Machine::default());
    the_first_time_and_the_second(&applier).await;
    a_change_is_shown_and_sent_alone(&applier).await;
    fields_of_others(&kubernetes, &applier).await;
    what_can_be_set_only_once(&applier).await;
    not_allowed(&config).await;
    over_the_quota(&applier).await;
    pods_that_come_up_and_pods_that_do_not(&applier).await;
    wanted_no_more(&config, &applier).await;
    nobody_answers(&config).await;
    killed_at_every_request(&config).await;
    kubernetes.down();
}

async fn config(kubeconfig: &Path) -> Config {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()
}

fn applier(config: &Config, machine: Machine) -> Applier {
    Applier::new(Client::try_from(config.clone()).unwrap(), "slotwright", machine)
}

fn objects(values: impl IntoIterator<Item = Value>) -> Vec<DynamicObject> {
    values.into_iter().map(|value| object(&value).unwrap()).collect()
}

fn metadata(namespace: &str) -> Value {
    json!({"name": "a", "namespace": namespace, "labels": {"app.kubernetes.io/instance": "a"}})
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn config_map(namespace: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(namespace), "data": {"x": value}})
}

fn stateful_set(namespace: &str, service: &str, pod: &Value) -> Value {
    let labels = json!({"app.kubernetes.io/instance": "a"});
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata(namespace), "spec": {
        "replicas": 1, "serviceName": service, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }})
}

fn pod(image: &str) -> Value {
    let container = json!({"name": "redis", "image": image, "resources": {"requests": {"cpu": "1m"}}});
    json!({"terminationGracePeriodSeconds": 0, "containers": [container]})
}

/// Of the kinds a deployment has.
fn some(namespace_name: &str) -> Vec<DynamicObject> {
    let name = namespace_name;
    let labels = json!({"app.kubernetes.io/instance": "a"});
    objects([
        namespace(name),
        config_map(name, "1"),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(name), "stringData": {"password": "sesame"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata(name), "spec": {
            "clusterIP": "None", "selector": labels, "ports": [{"name": "redis", "port": 6379, "protocol": "TCP"}]}}),
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(name), "spec": {
            "maxUnavailable": 1, "selector": {"matchLabels": labels}}}),
    ])
}

async fn done(applier: &Applier, objects: &[DynamicObject]) -> Vec<Change> {
    let changes = applier.plan(objects, Force::No).await.unwrap();
    applier.apply(&changes, Force::No).await.unwrap();
    changes
}

async fn refused(applier: &Applier, objects: &[DynamicObject]) -> Error {
    applier.plan(objects, Force::No).await.unwrap_err()
}

async fn the_first_time_and_the_second(applier: &Applier) {
    let wanted = some("twice");
    let changes = done(applier, &wanted).await;
    assert!(changes.iter().all(|change| change.what == What::Create), "{changes:?}");
    let note = changes[4].note.as_deref().unwrap();
    assert_eq!(note, "this server has no PodDisruptionBudget of policy/v1; policy/v1beta1 is used");
    let again = done(applier, &wanted).await;
    assert!(again.iter().all(|change| change.what == What::Keep), "{again:?}");
}

async fn a_change_is_shown_and_sent_alone(applier: &Applier) {
    let mut wanted = some("twice");
    wanted[1] = objects([config_map("twice", "2")]).remove(0);
    wanted[2].data = json!({"stringData": {"password": "open"}});
    let changes = applier.plan(&wanted, Force::No).await.unwrap();
    assert_eq!(changes[1].to_string(), "ConfigMap twice/a changes\n  .data.x: \"1\" becomes \"2\"");
    let secret = changes[2].to_string();
    assert!(secret.contains("(secret) becomes (secret)") && !secret.contains("open"), "{secret}");
    let kept = changes.iter().filter(|change| change.what == What::Keep).count();
    assert_eq!(kept, 3);
    applier.apply(&changes, Force::No).await.unwrap();
}

async fn fields_of_others(kubernetes: &Kubernetes, applier: &Applier) {
    let theirs =
        ["-n", "twice", "patch", "configmap", "a", "--field-manager=me", "-p", "{\"data\":{\"x\":\"3\"}}"];
    succeed(&mut kubernetes.kubectl(theirs));
    let wanted = objects([config_map("twice", "2")]);
    let error = refused(applier, &wanted).await;
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("ConfigMap twice/a: others set") && text.contains(".data.x (set by me)"), "{text}");
    let changes = applier.plan(&wanted, Force::TakeOver).await.unwrap();
    applier.apply(&changes, Force::TakeOver).await.unwrap();
    assert_eq!(applier.plan(&wanted, Force::No).await.unwrap()[0].what, What::Keep);
}

async fn what_can_be_set_only_once(applier: &Applier) {
    done(applier, &objects([namespace("once"), stateful_set("once", "a", &pod(IMAGE))])).await;
    let error = refused(applier, &objects([stateful_set("once", "b", &pod(IMAGE))])).await;
    assert!(matches!(error, Error::Immutable { .. }), "{error}");
    assert!(error.to_string().starts_with("StatefulSet once/a: "), "{error}");
    let error = refused(
        applier,
        &objects([json!({"apiVersion": "v1", "kind": "Nonsense", "metadata": {"name": "a"}})]),
    )
    .await;
    assert!(matches!(error, Error::NoKind { .. }), "{error}");
    let error = refused(applier, &objects([config_map("nowhere", "1")])).await;
    assert!(matches!(error, Error::NoNamespace { .. }), "{error}");
}

async fn not_allowed(config: &Config) {
    let mut config = config.clone();
    config.auth_info.impersonate = Some("stranger".to_owned());
    let error = refused(&applier(&config, Machine::default()), &objects([config_map("twice", "1")])).await;
    assert!(matches!(error, Error::Forbidden { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("ConfigMap twice/a") && text.contains("stranger") && text.contains("RoleBinding"),
        "{text}"
    );
}

async fn over_the_quota(applier: &Applier) {
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": "quota"},
        "spec": {"hard": {"pods": "0", "services": "0"}}});
    done(applier, &objects([namespace("quota"), quota, stateful_set("quota", "a", &pod(IMAGE))])).await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata("quota"),
        "spec": {"ports": [{"port": 1, "protocol": "TCP"}]}});
    // The quota is in force when its controller has counted.
    let service = objects([service]);
    let error = until("the quota is in force", async || match applier.plan(&service, Force::No).await {
        Err(error @ Error::Quota { .. }) => Ok(error),
        other => Err(other),
    })
    .await;
    assert!(error.to_string().contains("Service quota/a: over the quota"), "{error}");
    let text = not_ready(applier, "quota", 5).await;
    assert!(
        text.contains("StatefulSet quota/a: ") && text.contains("quota of the namespace raised"),
        "{text}"
    );
}

async fn not_ready(applier: &Applier, namespace: &str, seconds: u64) -> String {
    let time = Duration::from_secs(seconds);
    let error = applier.await_pods(namespace, LABEL, 1, Stage::Ready, time, &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::NotReady { reached: 0, wanted: 1, .. }), "{error}");
    error.to_string()
}

async fn pods_that_come_up_and_pods_that_do_not(applier: &Applier) {
    let mut seen = Vec::new();
    let time = Duration::from_secs(60);
    let mut progress = |pods: &[PodState]| seen.extend(pods.iter().map(|pod| pod.doing));
    applier.await_pods("once", LABEL, 1, Stage::Ready, time, &mut progress).await.unwrap();
    assert_eq!(seen.last(), Some(&"ready"));

    let set = |name: &str, pod: &Value| objects([namespace(name), stateful_set(name, "a", pod)]);
    done(applier, &set("pull", &pod("registry.invalid/redis:1"))).await;
    let mut huge = pod(IMAGE);
    huge["containers"][0]["resources"] = json!({"requests": {"memory": "900Ti"}});
    done(applier, &set("huge", &huge)).await;
    let text = not_ready(applier, "huge", 5).await;
    assert!(text.contains("Pod huge/a-0: no node can take it") && text.contains("memory"), "{text}");
    let text = not_ready(applier, "pull", 10).await;
    assert!(text.contains("Pod pull/a-0: ") && text.contains("correct the image's name"), "{text}");
}

async fn wanted_no_more(config: &Config, applier: &Applier) {
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata("less"), "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Mi"}}}});
    let mut all = some("less");
    all.extend(objects([claim]));
    done(applier, &all).await;
    let wanted = [&all[..1], &all[2..5]].concat();
    let unwanted = |volumes| applier.unwanted("less", LABEL, &all[1..], &wanted, volumes);
    let places = |found: Vec<slotwright_kube::apply::Unwanted>| {
        found.into_iter().map(|one| one.place).collect::<Vec<_>>()
    };
    let kept = unwanted(Volumes::Keep).await.unwrap();
    applier.delete(&kept).await.unwrap();
    // Gone already is as good.
    applier.delete(&kept).await.unwrap();
    assert_eq!(places(kept), ["ConfigMap less/a"]);
    assert_eq!(places(unwanted(Volumes::Keep).await.unwrap()), [""; 0]);
    assert_eq!(places(unwanted(Volumes::Delete).await.unwrap()), ["PersistentVolumeClaim less/a"]);
    assert_eq!(count(config, "less", "PersistentVolumeClaim").await, 1);
}

async fn count(config: &Config, namespace: &str, kind: &str) -> usize {
    let plural = format!("{}s", kind.to_lowercase());
    let resource = ApiResource {
        group: String::new(),
        version: "v1".to_owned(),
        api_version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural,
    };
    let client = Client::try_from(config.clone()).unwrap();
    let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
    api.list(&ListParams::default().labels(LABEL)).await.unwrap().items.len()
}

/// A closed port, and a server that takes connections and says nothing.
async fn nobody_answers(config: &Config) {
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut asked = config.clone();
    asked.cluster_url = format!("https://{}", silent.local_addr().unwrap()).parse().unwrap();
    let patient = applier(&asked, Machine::default()).patience(Duration::from_millis(300));
    let error = refused(&patient, &some("twice")).await;
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    drop(silent);
    let error = refused(&applier(&asked, Machine::default()), &some("twice")).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    let error =
        Applier::connect(Some("no-such-context"), "slotwright", Machine::default()).await.unwrap_err();
    assert!(matches!(error, Error::Kubeconfig { .. }), "{error}");
}

/// Stops a run at one of the points before and after requests.
struct Doom {
    left: AtomicUsize,
}

impl Doom {
    fn point(&self) {
        assert_ne!(self.left.fetch_sub(1, Ordering::Relaxed), 1, "killed here");
    }
}

impl Witness for Doom {
    fn before(&self, _: Effect<'_>) {
        self.point();
    }
    fn after(&self, _: Effect<'_>) {
        self.point();
    }
}

async fn killed_at_every_request(config: &Config) {
    let calm = applier(config, Machine::default());
    for point in 1.. {
        let name = format!("killed-{point}");
        let wanted = some(&name);
        let doom = Arc::new(Doom { left: AtomicUsize::new(point) });
        let doomed = applier(config, Machine::new(doom));
        let objects = wanted.clone();
        let killed = tokio::spawn(async move {
            let changes = doomed.plan(&objects, Force::No).await.unwrap();
            doomed.apply(&changes, Force::No).await.unwrap();
        });
        let was_killed = killed.await.is_err();
        done(&calm, &wanted).await;
        let after = calm.plan(&wanted, Force::No).await.unwrap();
        assert!(after.iter().all(|change| change.what == What::Keep), "{point}: {after:?}");
        assert_eq!(count(config, &name, "ConfigMap").await, 1);
        if !was_killed {
            assert!(point > 2 * 3 * wanted.len(), "there are fewer points than requests: {point}");
            break;
        }
    }
}
