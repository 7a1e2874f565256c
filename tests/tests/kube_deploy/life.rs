//! From a spec to a verified cluster, healed whatever happens to its pods, to its end.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::{TURNS, is_whole, kubernetes};
use slotwright_slots::key_slot;
use slotwright_tests::{
    deployment::{run, slotwright},
    kube::{Deployed, succeed},
    outside::{Reply, Talk, Walker},
    wait::until_blocking,
};

/// A key in each of the 64 ranges that a slot map is drawn with, of every shard.
fn keys() -> Vec<String> {
    let mut ranges = BTreeSet::new();
    (0..)
        .map(|number| format!("key:{number}"))
        .filter(|key| ranges.insert(key_slot(key.as_bytes()).get() / 256))
        .take(64)
        .collect()
}

fn write_everywhere(walker: &mut Walker) {
    for key in keys() {
        assert_eq!(walker.ask(&["SET", &key, &format!("value of {key}")]).unwrap(), Reply::Text("OK".into()));
    }
}

fn read_everywhere(walker: &mut Walker) -> Result<(), String> {
    for key in keys() {
        let reply = walker.ask(&["GET", &key])?;
        if reply != Reply::Text(format!("value of {key}")) {
            return Err(format!("{key}: {reply:?}"));
        }
    }
    Ok(())
}

fn whole_life(namespace: &str, lines: &str) {
    let _turn = TURNS.take();
    let deployed = Deployed::new(kubernetes(), namespace, lines);
    let outlook = deployed.run(&["plan"]);
    outlook.shows(0, &["is made", "then form a new cluster of 3 shards"]);

    let first = deployed.up();
    println!("{namespace}: {}", first["phases"]);
    assert_eq!((first["changed"].as_bool(), first["started"].as_u64()), (Some(true), Some(6)));
    is_whole(&deployed);
    write_everywhere(&mut deployed.walker());
    deployed.run(&["check"]).shows(0, &["healthy"]);
    deployed.run(&["status"]).shows(0, &["3 shards, 6 nodes", "test-0"]);

    let versions = deployed.versions();
    assert!(versions.len() > 8, "{versions:#?}");
    let again = deployed.up();
    assert_eq!(again["changed"], false, "{again:#}");
    assert_eq!(deployed.versions(), versions);
    deployed.run(&["plan"]).shows(0, &["Nothing to do"]);

    // One pod, then all at once: every address changes.
    let pods: Vec<String> = deployed.places().into_keys().collect();
    deployed.delete_pods(&[&pods[1]], false);
    deployed.up();
    is_whole(&deployed);
    read_everywhere(&mut deployed.walker()).unwrap();
    let pods = deployed.places();
    let names: Vec<&str> = pods.keys().map(String::as_str).collect();
    deployed.delete_pods(&names, true);
    let healed = deployed.up();
    assert_eq!(healed["changed"], true, "{healed:#}");
    is_whole(&deployed);
    read_everywhere(&mut deployed.walker()).unwrap();
    if lines.is_empty() {
        assert!(deployed.places().values().all(|place| !pods.values().any(|old| old == place)));
    }

    deployed.run(&["down", "--keep-data"]).shows(0, &["6 pods stopped", "the data is kept in 6 claims"]);
    assert!(
        deployed
            .get("pods,services,statefulsets,deployments,configmaps")
            .iter()
            .all(|object| { object["metadata"]["labels"]["app.kubernetes.io/managed-by"] != "slotwright" })
    );
    deployed.up();
    is_whole(&deployed);
    read_everywhere(&mut deployed.walker()).unwrap();
    deployed.run(&["down", "--delete-data"]).shows(0, &["6 pods stopped", "the claims are deleted"]);
    let left = deployed.get("pods,services,statefulsets,deployments,persistentvolumeclaims,secrets,leases");
    let ours = |object: &&serde_json::Value| object["metadata"]["labels"]["appCluster"] == "test";
    assert_eq!(left.iter().find(ours), None);
}

#[test]
fn a_stateful_set_lives_its_whole_life() {
    whole_life("set", "");
}

#[test]
fn a_deployment_for_each_node_lives_its_whole_life() {
    whole_life("each", "style: deployment\n");
}

/// Writes one key after the other to the shard of `pod`, each confirmed by its replica, until told to end. What was
/// confirmed comes back: by WAIT, and by the server alone.
fn load(deployed: &Deployed<'_>, tag: &str, end: &AtomicBool) -> (Vec<usize>, Vec<usize>) {
    let (mut waited, mut acknowledged) = (Vec::new(), Vec::new());
    let mut number = 0;
    while !end.load(Ordering::Relaxed) {
        let places = deployed.places();
        for place in places.values() {
            let Ok(mut talk) = Talk::to(*place, None) else { continue };
            while !end.load(Ordering::Relaxed) {
                let key = format!("{{{tag}}}:{number}");
                match talk.ask(&["SET", &key, &number.to_string()]) {
                    Ok(Reply::Text(text)) if text == "OK" => acknowledged.push(number),
                    _ => break,
                }
                if matches!(talk.ask(&["WAIT", "1", "500"]), Ok(Reply::Text(count)) if count == "1") {
                    waited.push(number);
                }
                number += 1;
            }
        }
    }
    (waited, acknowledged)
}

#[test]
fn confirmed_writes_survive_the_loss_of_their_primary() {
    let _turn = TURNS.take();
    let deployed = Deployed::new(kubernetes(), "load", "");
    deployed.up();
    for graceful in [true, false] {
        let tag = format!("load{graceful}");
        let primary = deployed.places().into_iter().find(|(_, place)| {
            let mut talk = Talk::to(*place, None).unwrap();
            matches!(talk.ask(&["SET", &format!("{{{tag}}}"), "0"]), Ok(Reply::Text(_)))
        });
        let (pod, _) = primary.unwrap();
        let end = AtomicBool::new(false);
        let (waited, acknowledged) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| load(&deployed, &tag, &end));
            std::thread::sleep(Duration::from_secs(1));
            deployed.delete_pods(&[&pod], !graceful);
            deployed.up();
            std::thread::sleep(Duration::from_secs(1));
            end.store(true, Ordering::Relaxed);
            writer.join().unwrap()
        });
        is_whole(&deployed);
        println!("graceful {graceful}: {} acknowledged, {} waited for", acknowledged.len(), waited.len());
        assert!(waited.len() > 20);
        let expected = if graceful { acknowledged } else { waited };
        let mut walker = deployed.walker();
        let lost: Vec<usize> = expected
            .into_iter()
            .filter(|number| {
                let reply = walker.ask(&["GET", &format!("{{{tag}}}:{number}")]).unwrap();
                reply != Reply::Text(number.to_string())
            })
            .collect();
        assert!(lost.is_empty(), "graceful {graceful}: lost {lost:?}\n{}", deployed.state());
    }
}

#[test]
fn two_deployers_never_act_at_once() {
    let _turn = TURNS.take();
    let deployed = Deployed::with(kubernetes(), "two", "", 1, 1, None);
    let runs: Vec<_> = std::thread::scope(|scope| {
        let first = scope.spawn(|| deployed.run(&["up", "--json"]));
        until_blocking("the first holds the lease", || {
            let leases = deployed.kubectl(&["get", "leases", "-o", "name"]).output().unwrap();
            if String::from_utf8_lossy(&leases.stdout).contains("lease") { Ok(()) } else { Err(()) }
        });
        let second = deployed.run(&["up", "--json"]);
        [first.join().unwrap(), second].into()
    });
    assert_eq!(runs[0].code(), 0, "{:#?}", runs[0]);
    runs[1].expect(5, &["another deployer is at work on test"]);
    is_whole(&deployed);
    deployed.run(&["down", "--delete-data"]).shows(0, &[]);
}

#[test]
fn pods_are_reached_directly_or_through_the_api_server() {
    let _turn = TURNS.take();
    let deployed = Deployed::with(kubernetes(), "dial", "dial: forward", 1, 1, Some("a secret"));
    deployed.up();
    is_whole(&deployed);
    for dial in ["forward", "direct", "auto"] {
        deployed.write(&format!("dial: {dial}"));
        let run = run(deployed.command(slotwright()).args(["check", "-vv", "--spec"]).arg(deployed.spec()));
        run.shows(0, &["healthy"]);
        // All that is sent is logged, but for the bytes.
        assert!(run.err.contains("TRACE"), "{run:#?}");
        assert!(!run.err.contains("a secret") && !run.err.contains("61 20 73 65 63 72 65 74"));
    }
    deployed.run(&["down", "--delete-data"]).shows(0, &[]);
}

#[test]
fn manifests_of_a_git_repository_are_found_and_left_alone() {
    let _turn = TURNS.take();
    let deployed = Deployed::with(kubernetes(), "gitops", "", 1, 1, None);
    let manifests = deployed.folder().join("manifests");
    let rendered = run(deployed
        .command(slotwright())
        .args(["render", "--kubernetes-version", "1.20", "--output"])
        .arg(&manifests)
        .arg("--spec")
        .arg(deployed.spec()));
    rendered.shows(0, &[]);
    succeed(&mut deployed.kubectl(&["apply", "-k", manifests.to_str().unwrap()]));
    let versions = deployed.versions();
    let up = deployed.up();
    is_whole(&deployed);
    // The Secret is the one thing that is not for a repository.
    assert_eq!(up["objects"], 1, "{up:#}");
    let mut now = deployed.versions();
    now.retain(|object, _| !object.starts_with("\"Secret\""));
    assert_eq!(now, versions);
    let objects = |deployed: &Deployed<'_>| deployed.versions().into_keys().collect::<Vec<_>>();
    let alone = Deployed::with(kubernetes(), "alone", "", 1, 1, None);
    alone.up();
    assert_eq!(objects(&deployed), objects(&alone));
    for deployed in [deployed, alone] {
        deployed.run(&["down", "--delete-data"]).shows(0, &[]);
    }
}

#[test]
fn the_example_is_what_the_readme_says() {
    let _turn = TURNS.take();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/kubernetes.yaml");
    let deployed = Deployed::new(kubernetes(), "slotwright-example", "");
    let begun = Instant::now();
    let up = run(deployed.command(slotwright()).args(["up", "-f"]).arg(&example));
    up.shows(0, &["up after", "kubectl -n slotwright-example exec"]);
    println!("{}{} after {:?}", up.err, up.out, begun.elapsed());
    let places = deployed.places();
    assert_eq!(places.len(), 6);
    let down = run(deployed.command(slotwright()).args(["down", "--delete-data", "-f"]).arg(&example));
    down.shows(0, &["6 pods stopped"]);
}
