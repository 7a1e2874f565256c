//! Pods that are waited for on a real server: how far they come, what keeps them, and for how long that is waited for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{Node, Pod},
};
use kube::{
    Client, Config,
    api::{Api, DeleteParams, Patch, PatchParams},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use slotwright_kube::apply::{Applier, Error, PodState, Stage};
use slotwright_machine::Machine;
use slotwright_tests::{
    kube::{
        IMAGE, Kubernetes, Way,
        applied::{
            self, LABEL, applier, config, done, impersonating, metadata, namespace, objects, pod, shell,
            stateful_set,
        },
    },
    wait::until,
};

const NODE: &str = "slotwright-node";
/// A registry that refuses connections.
const NO_IMAGE: &str = "127.0.0.1:1/none:1";
const LONG: Duration = Duration::from_secs(180);

#[tokio::test]
async fn pods_are_waited_for_as_long_as_there_is_hope() {
    let kubernetes = Kubernetes::start();
    let config = config(&kubernetes.kubeconfig()).await;
    let (client, applier) = (Client::try_from(config.clone()).unwrap(), applier(&config, Machine::default()));
    a_taint_that_goes(&client, &applier).await;
    // Each in a namespace of its own, all at the same time.
    tokio::join!(
        a_node_selector(&applier),
        an_image_that_cannot_be_pulled(&applier),
        a_server_that_ends(&config, &applier),
        a_secret_that_is_not_there(&applier),
        a_quota(&client, &applier),
        claims_without_a_volume(&applier),
        more_than_a_node_has(&applier),
        another_container_of_the_pod(&applier),
        a_server_that_loads(&applier),
        one_that_never_has_loaded(&applier),
        one_that_is_deleted(&client, &applier),
        a_server_that_is_away(&config, &applier),
        one_that_is_never_ready(&applier),
        what_others_keep(&client, &config, &applier),
    );
    kubernetes.down();
}

/// A StatefulSet of one pod in a namespace of its own.
async fn set(applier: &Applier, name: &str, pod: &Value) {
    done(applier, &objects([namespace(name), stateful_set(name, "a", pod)])).await;
}

async fn wait(
    applier: &Applier,
    name: &str,
    stage: Stage,
    patience: Duration,
) -> Result<Vec<PodState>, Error> {
    applier.await_pods(name, LABEL, 1, stage, patience, &mut |_| {}).await
}

/// What is said when the wait ends by itself, long before the patience does.
async fn hopeless(applier: &Applier, name: &str) -> String {
    let begun = Instant::now();
    let error = wait(applier, name, Stage::Started, LONG).await.unwrap_err();
    assert!(matches!(error, Error::NotReady { reached: 0, wanted: 1, .. }), "{error}");
    let seconds = begun.elapsed().as_secs();
    println!("{error}");
    assert!((9..90).contains(&seconds), "{name}: after {seconds} s: {error}");
    error.to_string()
}

/// What is said when the patience is over.
async fn impatient(applier: &Applier, name: &str, seconds: u64) -> String {
    let begun = Instant::now();
    let error = wait(applier, name, Stage::Started, Duration::from_secs(seconds)).await.unwrap_err();
    assert!(matches!(error, Error::NotReady { reached: 0, wanted: 1, .. }), "{error}");
    let took = begun.elapsed().as_secs();
    println!("{error}");
    assert!((seconds..seconds + 8).contains(&took), "{name}: after {took} s: {error}");
    error.to_string()
}

async fn change_node(client: &Client, change: Value) {
    let nodes: Api<Node> = Api::all(client.clone());
    nodes.patch(NODE, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
}

fn contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

async fn a_taint_that_goes(client: &Client, applier: &Applier) {
    let taints = |taints: Value| change_node(client, json!({"spec": {"taints": taints}}));
    taints(json!([{"key": "for", "value": "others", "effect": "NoSchedule"}])).await;
    set(applier, "taint", &pod(IMAGE)).await;
    let text = impatient(applier, "taint", 4).await;
    contains(
        &text,
        &["0 of 1 pods are started after 4 s", "Pod taint/a-0: no node can take it", "for: others"],
    );
    contains(&text, &["remove the taint"]);
    let waited = wait(applier, "taint", Stage::Started, LONG);
    let untainted = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        taints(json!([])).await;
    };
    let (pods, ()) = tokio::join!(waited, untainted);
    let pods = pods.unwrap();
    assert_eq!((pods.len(), pods[0].started, pods[0].host.as_deref()), (1, true, Some(NODE)));
    assert!(pods[0].address.is_some(), "{pods:?}");
}

async fn an_image_that_cannot_be_pulled(applier: &Applier) {
    set(applier, "pull", &pod(NO_IMAGE)).await;
    let text = hopeless(applier, "pull").await;
    contains(&text, &["Pod pull/a-0: container redis, ", NO_IMAGE, "Pull", "correct the image's name"]);
}

async fn a_server_that_ends(config: &Config, applier: &Applier) {
    let line = "echo slotwright: nothing yet; echo 'slotwright: the volume belongs to another. It says: {'; \
                echo '  \"x\": 1'; echo '}. Bind another'; exit 3";
    // Without a probe it would count as started for a moment.
    let mut ends = loads_for(1000);
    ends["containers"][0]["command"] = shell(line)["containers"][0]["command"].take();
    set(applier, "crash", &ends).await;
    let text = hopeless(applier, "crash").await;
    contains(
        &text,
        &["Pod crash/a-0: container redis ended with exit status 3, ", " times by now; it says: "],
    );
    contains(
        &text,
        &["slotwright: the volume belongs to another. It says: { \"x\": 1 }. Bind another; correct"],
    );
    assert!(!text.contains("nothing yet"), "{text}");
    // One who may look at pods and at nothing else is told less, and no error.
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata("crash"),
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": metadata("crash"),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "looker"}]});
    done(applier, &objects([role, binding])).await;
    let looker = applied::applier(&impersonating(config, "looker"), Machine::default());
    let text = wait(&looker, "crash", Stage::Started, Duration::from_secs(1)).await.unwrap_err().to_string();
    contains(&text, &["container redis ended with exit status 3, ", "by now; correct what its log tells"]);
}

async fn a_secret_that_is_not_there(applier: &Applier) {
    let mut variable = pod(IMAGE);
    variable["containers"][0]["env"] =
        json!([{"name": "X", "valueFrom": {"secretKeyRef": {"name": "nothing", "key": "x"}}}]);
    set(applier, "variable", &variable).await;
    let mut mounted = pod(IMAGE);
    mounted["volumes"] = json!([{"name": "x", "secret": {"secretName": "nothing"}}]);
    mounted["containers"][0]["volumeMounts"] = json!([{"name": "x", "mountPath": "/x"}]);
    set(applier, "mounted", &mounted).await;
    let (variable, mounted) = tokio::join!(hopeless(applier, "variable"), impatient(applier, "mounted", 8));
    contains(
        &variable,
        &["CreateContainerConfigError", "secret \"nothing\" not found", "with the keys it names"],
    );
    contains(&mounted, &["Pod mounted/a-0: ", "secret \"nothing\" not found", "with the keys it names"]);
}

async fn a_quota(client: &Client, applier: &Applier) {
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": "quota"},
        "spec": {"hard": {"pods": "0"}}});
    done(applier, &objects([namespace("quota"), quota])).await;
    set(applier, "quota", &pod(IMAGE)).await;
    let text = hopeless(applier, "quota").await;
    contains(&text, &["StatefulSet quota/a: ", "exceeded quota: none", "quota of the namespace raised"]);
    // Of a Deployment, it is the ReplicaSet that says so.
    let mut deployment = stateful_set("quota", "a", &pod(IMAGE));
    deployment["kind"] = json!("Deployment");
    let spec = deployment["spec"].as_object_mut().unwrap();
    for field in ["serviceName", "podManagementPolicy"] {
        spec.remove(field);
    }
    done(applier, &objects([deployment])).await;
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), "quota");
    sets.delete("a", &DeleteParams::default()).await.unwrap();
    let text = hopeless(applier, "quota").await;
    contains(&text, &["ReplicaSet quota/a-", "exceeded quota: none", "quota of the namespace raised"]);
}

async fn claims_without_a_volume(applier: &Applier) {
    let with_class = |name: &str, class: &str| {
        let mut set = stateful_set(name, "a", &pod(IMAGE));
        set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": class,
            "resources": {"requests": {"storage": "1Mi"}}}}]);
        objects([namespace(name), set])
    };
    done(applier, &with_class("unbound", "")).await;
    done(applier, &with_class("unknown", "no-such-class")).await;
    let (unbound, unknown) =
        tokio::join!(impatient(applier, "unbound", 12), impatient(applier, "unknown", 12));
    contains(
        &unbound,
        &["unbound", "claim data-a-0: no persistent volumes available", "PersistentVolume that fits"],
    );
    contains(&unknown, &["claim data-a-0: ", "no-such-class", "StorageClass that the cluster has"]);
}

async fn more_than_a_node_has(applier: &Applier) {
    let mut huge = pod(IMAGE);
    huge["containers"][0]["resources"] = json!({"requests": {"cpu": "1000"}});
    set(applier, "huge", &huge).await;
    let text = impatient(applier, "huge", 4).await;
    contains(&text, &["Pod huge/a-0: no node can take it", "Insufficient cpu", "ask for less"]);
}

async fn a_node_selector(applier: &Applier) {
    let mut elsewhere = pod(IMAGE);
    elsewhere["nodeSelector"] = json!({"kubernetes.io/hostname": "elsewhere"});
    set(applier, "selector", &elsewhere).await;
    let text = impatient(applier, "selector", 4).await;
    contains(&text, &["Pod selector/a-0: no node can take it", "label nodes as its node selector wants"]);
}

/// A sidecar does not keep the server from starting, only the pod from being ready.
async fn another_container_of_the_pod(applier: &Applier) {
    let mut two = pod(IMAGE);
    let containers = two["containers"].as_array_mut().unwrap();
    containers.push(json!({"name": "metrics", "image": NO_IMAGE}));
    set(applier, "sidecar", &two).await;
    wait(applier, "sidecar", Stage::Started, LONG).await.unwrap();
    let begun = Instant::now();
    let error = wait(applier, "sidecar", Stage::Ready, LONG).await.unwrap_err().to_string();
    assert!(begun.elapsed() < LONG / 2, "{error}");
    contains(&error, &["0 of 1 pods are ready", "container metrics, ", NO_IMAGE]);
}

/// A pod whose server has loaded after this many seconds, and may load for a minute.
fn loads_for(seconds: u64) -> Value {
    let mut pod = shell(&format!("sleep {seconds}; touch /tmp/loaded; sleep 1000"));
    let probe = json!({"exec": {"command": ["test", "-e", "/tmp/loaded"]}, "periodSeconds": 1, "failureThreshold": 60});
    pod["containers"][0]["startupProbe"] = probe;
    pod
}

async fn a_server_that_loads(applier: &Applier) {
    set(applier, "load", &loads_for(20)).await;
    let begun = Instant::now();
    let mut seen = Vec::new();
    let mut progress = |pods: &[PodState]| seen.extend(pods.iter().map(|pod| pod.doing));
    let patience = Duration::from_secs(15);
    let pods = applier.await_pods("load", LABEL, 1, Stage::Started, patience, &mut progress).await.unwrap();
    assert!(begun.elapsed() > Duration::from_secs(18) && pods[0].started, "{pods:?}");
    seen.dedup();
    assert!(seen.ends_with(&["loading its data", "started"]), "{seen:?}");
    assert!(pods[0].labels.contains_key("app.kubernetes.io/instance"), "{pods:?}");
}

async fn one_that_never_has_loaded(applier: &Applier) {
    let mut pod = loads_for(1000);
    pod["containers"][0]["startupProbe"]["failureThreshold"] = json!(5);
    set(applier, "never", &pod).await;
    let begun = Instant::now();
    let error =
        wait(applier, "never", Stage::Started, Duration::from_secs(20)).await.unwrap_err().to_string();
    assert!(begun.elapsed() < Duration::from_secs(60), "{error}");
    println!("{error}");
    contains(&error, &["Pod never/a-0: "]);
}

async fn one_that_is_never_ready(applier: &Applier) {
    let mut unready = pod(IMAGE);
    let probe =
        json!({"exec": {"command": ["/bin/sh", "-c", "echo sees no cluster; exit 1"]}, "periodSeconds": 1});
    unready["containers"][0]["readinessProbe"] = probe;
    set(applier, "unready", &unready).await;
    wait(applier, "unready", Stage::Started, LONG).await.unwrap();
    // Long enough for the kubelet's event, which comes late on a busy machine.
    let patience = Duration::from_secs(20);
    let error = wait(applier, "unready", Stage::Ready, patience).await.unwrap_err().to_string();
    println!("{error}");
    contains(&error, &["0 of 1 pods are ready", "Pod unready/a-0: Readiness probe failed: sees no cluster"]);
}

/// The server is not to be reached for a while; what happened meanwhile is seen after.
async fn a_server_that_is_away(config: &Config, applier: &Applier) {
    let (way, config) = Way::to(config).await;
    let far = applied::applier(&config, Machine::default()).patience(Duration::from_secs(2));
    set(applier, "away", &loads_for(6)).await;
    let away = async {
        wait_for_loading(applier, "away").await;
        way.close();
        tokio::time::sleep(Duration::from_secs(12)).await;
        way.open();
    };
    let (pods, ()) = tokio::join!(wait(&far, "away", Stage::Started, Duration::from_secs(30)), away);
    assert!(pods.unwrap()[0].started);
    // One that is not there in the beginning is not waited for.
    way.close();
    let error = wait(&far, "away", Stage::Started, LONG).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
}

async fn wait_for_loading(applier: &Applier, name: &str) {
    until("its server loads", async || {
        let pods = applier.pods(name, LABEL).await.unwrap();
        if pods.iter().any(|pod| pod.doing == "loading its data") { Ok(()) } else { Err(pods) }
    })
    .await;
}

async fn one_that_is_deleted(client: &Client, applier: &Applier) {
    let mut slow = shell("sleep 1000");
    slow["terminationGracePeriodSeconds"] = json!(4);
    set(applier, "gone", &slow).await;
    let first = wait(applier, "gone", Stage::Ready, LONG).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client.clone(), "gone");
    pods.delete("a-0", &DeleteParams::default()).await.unwrap();
    let deleting = applier.pods("gone", LABEL).await.unwrap();
    assert!(deleting[0].deleting && !deleting[0].ready && !deleting[0].started, "{deleting:?}");
    assert_eq!(deleting[0].doing, "being deleted");
    // It does not count, though it runs for seconds: the next one does.
    let second = wait(applier, "gone", Stage::Ready, LONG).await.unwrap();
    assert_ne!(first[0].uid, second[0].uid);

    let gone = |seconds| async move {
        let patience = Duration::from_secs(seconds);
        applier.await_gone("gone", LABEL, patience, &mut |_| {}).await
    };
    let error = gone(1).await.unwrap_err();
    assert!(matches!(error, Error::NotGone { .. }), "{error}");
    contains(
        &error.to_string(),
        &["1 pods are still there after 1 s", "Pod gone/a-0: it is not being deleted"],
    );
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), "gone");
    sets.delete("a", &DeleteParams::default()).await.unwrap();
    gone(60).await.unwrap();
    assert_eq!(applier.pods("gone", LABEL).await.unwrap(), []);
    gone(0).await.unwrap();
}

async fn what_others_keep(client: &Client, config: &Config, applier: &Applier) {
    change_node(client, json!({"metadata": {"labels": {"topology.kubernetes.io/zone": "attic"}}})).await;
    let hosts = BTreeSet::from([NODE, "nowhere"].map(str::to_owned));
    let zones = applier.zones(&hosts).await.unwrap();
    assert_eq!(zones, BTreeMap::from([(NODE.to_owned(), "attic".to_owned())]));
    let stranger = applied::applier(&impersonating(config, "stranger"), Machine::default());
    assert_eq!(stranger.zones(&hosts).await.unwrap(), BTreeMap::new());

    let service = |name: &str, address: Option<&str>| {
        let mut metadata = metadata("keep");
        metadata["name"] = json!(name);
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"clusterIP": address, "ports": [{"port": 1, "protocol": "TCP"}]}})
    };
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("keep"),
        "data": {"password": "c2VzYW1l", "store": "/w=="}});
    let some = [namespace("keep"), service("one", None), service("headless", Some("None")), secret];
    done(applier, &objects(some)).await;
    let addresses = applier.service_addresses("keep", LABEL).await.unwrap();
    assert_eq!(addresses.keys().collect::<Vec<_>>(), ["one"]);
    let secret = applier.secret("keep", "a").await.unwrap().unwrap();
    assert_eq!(secret.keys().collect::<Vec<_>>(), ["password"]);
    assert_eq!(secret["password"].expose_secret(), "sesame");
    assert!(!format!("{secret:?}").contains("sesame"));
    assert!(applier.secret("keep", "none").await.unwrap().is_none());
    let error = stranger.secret("keep", "a").await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }), "{error}");
}
