//! One deployer at a time, on a real server: who gets a lease, when, and how its loss is seen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use k8s_openapi::api::coordination::v1::Lease as Object;
use kube::{
    Client, Config,
    api::{Api, DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use slotwright_kube::{
    apply::{Applier, Error},
    lease::{Lease, LeaseError, LeaseOptions},
};
use slotwright_machine::{Effect, Machine, Witness};
use slotwright_tests::kube::{
    Kubernetes, Way,
    applied::{applier, config, done, impersonating, namespace, objects},
};
use tokio::time::timeout;

const NAMESPACE: &str = "lease";
/// Short, so that what takes as long as a lease is good does not take long.
const DURATION: Duration = Duration::from_secs(3);

#[tokio::test]
async fn one_deployer_at_a_time() {
    let kubernetes = Kubernetes::start();
    let config = config(&kubernetes.kubeconfig()).await;
    let seen = Arc::new(Seen::default());
    let watched = applier(&config, Machine::new(seen.clone()));
    let applier = applier(&config, Machine::default());
    done(&applier, &objects([namespace(NAMESPACE)])).await;
    let leases: Api<Object> = Api::namespaced(Client::try_from(config.clone()).unwrap(), NAMESPACE);

    tokio::join!(
        taken_renewed_and_released(&watched, &seen, &leases),
        two_at_once(&applier),
        never_two(&applier),
        let_go_without_being_given_back(&applier),
        a_holder_that_was_killed(&applier, &leases),
        a_holder_elsewhere_that_is_gone(&applier, &leases),
        a_holder_elsewhere_that_renews(&applier, &leases),
        given_back_while_it_is_waited_for(&applier, &leases),
        removed(&applier, &leases),
        taken_by_another(&applier, &leases),
        changed_by_another(&applier, &leases),
        not_to_be_had(&config, &applier),
        a_server_that_is_away(&config, &applier),
    );
    kubernetes.down();
}

fn options() -> LeaseOptions {
    let labels = BTreeMap::from([("app.kubernetes.io/instance".to_owned(), "a".to_owned())]);
    LeaseOptions { duration: DURATION, labels }
}

async fn take(applier: &Applier, name: &str) -> Result<Lease, LeaseError> {
    timeout(Duration::from_secs(30), Lease::take(applier, NAMESPACE, name, &options()))
        .await
        .expect("in time")
}

/// Takes it, which must not take as long as a lease is good.
async fn take_at_once(applier: &Applier, name: &str) -> Lease {
    let begun = Instant::now();
    let lease = take(applier, name).await.unwrap();
    assert!(begun.elapsed() < DURATION, "{name}: {:?}", begun.elapsed());
    lease
}

async fn is_held(applier: &Applier, name: &str) -> bool {
    Lease::is_held(applier, NAMESPACE, name).await.unwrap()
}

async fn holder(leases: &Api<Object>, name: &str) -> Option<String> {
    leases.get(name).await.unwrap().spec.unwrap().holder_identity
}

async fn change(leases: &Api<Object>, name: &str, change: Value) {
    leases.patch(name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
}

/// Writes a record of a holder that has just renewed it.
async fn write(leases: &Api<Object>, name: &str, holder: &str, seconds: u64) {
    let record = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": {
        "holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": "2026-01-01T00:00:00.000000Z",
        "acquireTime": "2026-01-01T00:00:00.000000Z"}});
    let options = PatchParams::apply("others").force();
    leases.patch(name, &options, &Patch::Apply(record)).await.unwrap();
}

async fn is_lost_within(lease: &Lease, time: Duration) -> bool {
    timeout(time, lease.lost()).await.is_ok()
}

/// The effects on the cluster that a witness saw.
#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Witness for Seen {
    fn before(&self, effect: Effect<'_>) {
        if let Effect::Ask(what) = effect {
            self.0.lock().unwrap().push(what.to_owned());
        }
    }
}

async fn taken_renewed_and_released(applier: &Applier, seen: &Seen, leases: &Api<Object>) {
    let lease = take_at_once(applier, "plain").await;
    let object = leases.get("plain").await.unwrap();
    assert_eq!(object.metadata.labels, Some(options().labels));
    let spec = object.spec.unwrap();
    assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(3), Some(0)));
    let own = format!("/pid {} boot=", std::process::id());
    assert!(spec.holder_identity.as_ref().unwrap().contains(&own), "{spec:?}");
    assert!(!is_lost_within(&lease, 2 * DURATION).await);
    let renewed = leases.get("plain").await.unwrap().spec.unwrap();
    assert!(renewed.renew_time > spec.renew_time && renewed.acquire_time == spec.acquire_time);
    lease.release().await.unwrap();
    assert_eq!(holder(leases, "plain").await, None);
    take_at_once(applier, "plain").await.release().await.unwrap();
    // Renewals are nobody's effects.
    let once = [
        "get Lease lease/plain",
        "take Lease lease/plain",
        "get Lease lease/plain",
        "release Lease lease/plain",
    ];
    assert_eq!(*seen.0.lock().unwrap(), [once, once].concat());
}

async fn two_at_once(applier: &Applier) {
    let (one, two) = tokio::join!(take(applier, "two"), take(applier, "two"));
    let (lease, error) = match (one, two) {
        (Ok(lease), Err(error)) | (Err(error), Ok(lease)) => (lease, error),
        both => panic!("not one of them has it: {both:?}"),
    };
    let text = error.to_string();
    println!("{text}");
    let LeaseError::Held { holder, since, .. } = error else { panic!("{text}") };
    assert!(holder.ends_with(&format!("/pid {}", std::process::id())), "{holder}");
    assert!(since.is_some());
    lease.release().await.unwrap();
    take_at_once(applier, "two").await.release().await.unwrap();
}

/// Some that try again and again: each gets it, and never two at the same time.
async fn never_two(applier: &Applier) {
    let holders = AtomicUsize::new(0);
    let deployer = async || {
        let lease = loop {
            match take(applier, "many").await {
                Ok(lease) => break lease,
                Err(LeaseError::Held { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(holders.fetch_sub(1, Ordering::SeqCst), 1);
        lease.release().await.unwrap();
    };
    join_all((0..10).map(|_| deployer())).await;
}

async fn let_go_without_being_given_back(applier: &Applier) {
    assert!(!is_held(applier, "dropped").await);
    let lease = take_at_once(applier, "dropped").await;
    assert!(is_held(applier, "dropped").await);
    drop(lease);
    assert!(!is_held(applier, "dropped").await);
    take_at_once(applier, "dropped").await.remove().await.unwrap();
    assert!(!is_held(applier, "dropped").await);
    take_at_once(applier, "dropped").await.release().await.unwrap();
}

/// Another process of this host, whose record is as ours but for number and start.
async fn a_holder_that_was_killed(applier: &Applier, leases: &Api<Object>) {
    let lease = take_at_once(applier, "killed").await;
    let own = holder(leases, "killed").await.unwrap();
    lease.release().await.unwrap();
    let mut child = Command::new("sleep").arg("100").spawn().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let start = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned();
    let (host, rest) = own.split_once("/pid ").unwrap();
    let words: Vec<&str> = rest.split(' ').collect();
    let theirs = format!("{host}/pid {} {} {} start={start} lease=1", child.id(), words[1], words[2]);
    write(leases, "killed", &theirs, 60).await;
    // It runs, so it may renew it: that is waited for.
    let early = timeout(DURATION, Lease::take(applier, NAMESPACE, "killed", &options())).await;
    assert!(early.is_err(), "{early:?}");
    assert!(is_held(applier, "killed").await);
    child.kill().unwrap();
    // Whether or not somebody has waited for it.
    assert!(!is_held(applier, "killed").await);
    let lease = take_at_once(applier, "killed").await;
    child.wait().unwrap();
    assert_eq!(leases.get("killed").await.unwrap().spec.unwrap().lease_transitions, Some(1));
    lease.release().await.unwrap();
}

async fn a_holder_elsewhere_that_is_gone(applier: &Applier, leases: &Api<Object>) {
    write(leases, "elsewhere", "other-host/pid 1 boot=x pidns=1 start=1 lease=1", 2).await;
    let begun = Instant::now();
    let lease = take(applier, "elsewhere").await.unwrap();
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(5), "{took:?}");
    lease.release().await.unwrap();
}

async fn a_holder_elsewhere_that_renews(applier: &Applier, leases: &Api<Object>) {
    write(leases, "renewed", "a controller", 15).await;
    let renewed = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        change(leases, "renewed", json!({"spec": {"renewTime": "2026-01-01T00:00:05.000000Z"}})).await;
    };
    let begun = Instant::now();
    let (taken, ()) = tokio::join!(take(applier, "renewed"), renewed);
    let error = taken.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(
        error.to_string(),
        "Lease lease/renewed: a controller holds it since 2026-01-01T00:00:00Z; let that end, and try again"
    );
}

async fn given_back_while_it_is_waited_for(applier: &Applier, leases: &Api<Object>) {
    write(leases, "back", "a controller", 60).await;
    let back = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        change(leases, "back", json!({"spec": {"holderIdentity": ""}})).await;
    };
    let (taken, ()) = tokio::join!(take(applier, "back"), back);
    taken.unwrap().release().await.unwrap();
}

async fn removed(applier: &Applier, leases: &Api<Object>) {
    let lease = take_at_once(applier, "removed").await;
    leases.delete("removed", &DeleteParams::default()).await.unwrap();
    assert!(is_lost_within(&lease, DURATION).await);
    // And again, at once.
    assert!(is_lost_within(&lease, Duration::from_millis(10)).await);
    lease.release().await.unwrap();
    assert!(leases.get_opt("removed").await.unwrap().is_none());
}

async fn taken_by_another(applier: &Applier, leases: &Api<Object>) {
    let lease = take_at_once(applier, "taken").await;
    write(leases, "taken", "a controller", 15).await;
    assert!(is_lost_within(&lease, DURATION).await);
    lease.release().await.unwrap();
    assert_eq!(holder(leases, "taken").await.as_deref(), Some("a controller"));
}

/// Who holds it is not changed, so it is kept.
async fn changed_by_another(applier: &Applier, leases: &Api<Object>) {
    let lease = take_at_once(applier, "labelled").await;
    change(leases, "labelled", json!({"metadata": {"labels": {"x": "y"}}})).await;
    assert!(!is_lost_within(&lease, 2 * DURATION).await);
    let labels = leases.get("labelled").await.unwrap().metadata.labels.unwrap();
    assert_eq!(labels["x"], "y");
    change(leases, "labelled", json!({"metadata": {"labels": {"x": "z"}}})).await;
    lease.release().await.unwrap();
    assert_eq!(holder(leases, "labelled").await, None);
}

async fn not_to_be_had(config: &Config, applier: &Applier) {
    let stranger = self::applier(&impersonating(config, "stranger"), Machine::default());
    let error = take(&stranger, "stranger").await.unwrap_err();
    assert!(matches!(error, LeaseError::Other(Error::Forbidden { .. })), "{error}");
    let error = Lease::take(applier, "nowhere", "a", &options()).await.unwrap_err();
    assert!(matches!(error, LeaseError::Other(Error::NoNamespace { .. })), "{error}");
}

/// What is between us and the server says nothing for a while: shorter, and longer, than a lease can stand.
async fn a_server_that_is_away(config: &Config, applier: &Applier) {
    let (way, config) = Way::to(config).await;
    let far = self::applier(&config, Machine::default());
    let options = LeaseOptions { duration: 3 * DURATION, ..options() };
    let lease = Lease::take(&far, NAMESPACE, "away", &options).await.unwrap();
    // It is renewed every three seconds, and lost after six without.
    way.close();
    tokio::time::sleep(DURATION + DURATION / 3).await;
    way.open();
    assert!(!is_lost_within(&lease, 2 * DURATION).await);
    way.close();
    let begun = Instant::now();
    assert!(is_lost_within(&lease, 3 * DURATION).await);
    assert!(begun.elapsed() > DURATION / 2, "{:?}", begun.elapsed());
    // This process let it go, and may have it again.
    drop(lease);
    take_at_once(applier, "away").await.release().await.unwrap();
}
