//! Objects brought to a real API server: what changes, what does not, what goes wrong, and what is left after a kill.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kube::{
    Client, Config,
    api::{Api, DynamicObject, ListParams},
    config::AuthInfo,
    core::ApiResource,
};
use serde_json::{Value, json};
use slotwright_kube::apply::{Applier, Error, Force, Volumes, What};
use slotwright_machine::{Effect, Machine, Witness};
use slotwright_tests::{
    kube::{
        IMAGE, Kubernetes,
        applied::{
            LABEL, applier, config, done, impersonating, metadata, namespace, objects, pod, stateful_set,
        },
        succeed,
    },
    wait::until,
};

#[tokio::test]
async fn objects_are_applied_explained_and_pruned() {
    let kubernetes = Kubernetes::start();
    let config = config(&kubernetes.kubeconfig()).await;
    let applier = applier(&config, Machine::default());
    the_first_time_and_the_second(&applier).await;
    a_change_is_shown_and_sent_alone(&applier).await;
    fields_of_others(&kubernetes, &applier).await;
    the_same_of_others(&kubernetes, &applier).await;
    what_can_be_set_only_once(&applier).await;
    not_allowed(&config).await;
    over_the_quota(&applier).await;
    wanted_no_more(&config, &applier).await;
    nobody_answers(&config).await;
    strangers(&config).await;
    killed_at_every_request(&config).await;
    kubernetes.down();
}

fn config_map(namespace: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(namespace), "data": {"x": value}})
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

/// What kubectl has applied is ours too where it says the same, the lists that a server takes whole included.
async fn the_same_of_others(kubernetes: &Kubernetes, applier: &Applier) {
    let mut set = stateful_set("theirs", "a", &pod(IMAGE));
    set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}}]);
    let wanted = [namespace("theirs"), config_map("theirs", "1"), set];
    let file = tempfile::NamedTempFile::new().unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": &wanted});
    serde_json::to_writer(file.as_file(), &list).unwrap();
    succeed(&mut kubernetes.kubectl(["apply", "-f", file.path().to_str().unwrap()]));
    let changes = applier.plan(&objects(wanted), Force::No).await.unwrap();
    assert!(changes.iter().all(|change| change.what == What::Keep), "{changes:?}");
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
    let stranger = applier(&impersonating(config, "stranger"), Machine::default());
    let error = refused(&stranger, &objects([config_map("twice", "1")])).await;
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
    done(applier, &objects([namespace("quota"), quota])).await;
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
}

async fn wanted_no_more(config: &Config, applier: &Applier) {
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata("less"), "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Mi"}}}});
    let labels = json!({"app.kubernetes.io/instance": "a"});
    let volume = |name: &str, namespace: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name, "labels": labels}, "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Mi"}, "hostPath": {"path": "/nowhere"},
            "claimRef": {"namespace": namespace, "name": "a"}}})
    };
    let mut all = some("less");
    all[0].metadata.labels = serde_json::from_value(labels.clone()).unwrap();
    all.extend(objects([claim, volume("less-pv1", "less")]));
    done(applier, &all).await;
    // Of a deployment with the same name elsewhere.
    let mut others = objects([namespace("more"), volume("more-pv1", "more")]);
    others[0].metadata.labels = all[0].metadata.labels.clone();
    done(applier, &others).await;
    let wanted = [&all[..1], &all[2..5]].concat();
    // Of some kinds there are several.
    let like = [&all[..], &all[..]].concat();
    let unwanted = |wanted, volumes| applier.unwanted("less", LABEL, &like, wanted, volumes);
    let places = |found: Vec<slotwright_kube::apply::Unwanted>| {
        found.into_iter().map(|one| one.place).collect::<Vec<_>>()
    };
    let kept = unwanted(&wanted, Volumes::Keep).await.unwrap();
    applier.delete(&kept).await.unwrap();
    // Gone already is as good.
    applier.delete(&kept).await.unwrap();
    assert_eq!(places(kept), ["ConfigMap less/a"]);
    assert_eq!(places(unwanted(&wanted, Volumes::Keep).await.unwrap()), [""; 0]);
    let volumes = ["PersistentVolumeClaim less/a", "PersistentVolume less-pv1"];
    assert_eq!(places(unwanted(&wanted, Volumes::Delete).await.unwrap()), volumes);
    assert_eq!(places(unwanted(&wanted[1..], Volumes::Delete).await.unwrap())[0], "Namespace less");
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
}

/// Credentials that are no good, a program for them that fails, and a server that is another.
async fn strangers(config: &Config) {
    let refused = async |change: fn(&mut Config)| {
        let mut config = config.clone();
        change(&mut config);
        let begun = Instant::now();
        let error = refused(&applier(&config, Machine::default()), &some("twice")).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        println!("{error}");
        error
    };
    let error = refused(|config| {
        config.auth_info = AuthInfo { token: Some("hunter2".to_owned().into()), ..AuthInfo::default() };
    })
    .await;
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
    let error = refused(|config| config.root_cert = Some(Vec::new())).await;
    assert!(matches!(error, Error::Untrusted { .. }), "{error}");
    let error = refused(|config| config.tls_server_name = Some("example.org".to_owned())).await;
    assert!(matches!(error, Error::Untrusted { .. }), "{error}");
    // Nobody routes it.
    let error = refused(|config| {
        config.cluster_url = "https://192.0.2.1:6443".parse().unwrap();
        config.connect_timeout = Some(Duration::from_secs(1));
    })
    .await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
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
