//! The deployer in a pod of the cluster that it deploys to, with an account that may do no more than it needs.

use std::fs;

use serde_json::{Value, json};
use slotwright_tests::{
    deployment::slotwright,
    kube::{Deployed, output, succeed},
    wait::until_blocking,
};

use crate::{TURNS, is_whole, kubernetes};

const IMAGE: &str = "slotwright/deployer:test";

/// Runs the deployer in a pod: what it prints.
fn run(deployed: &Deployed<'_>, words: &[&str]) -> String {
    let mut command = vec!["slotwright"];
    command.extend(words);
    command.extend(["--spec", "/spec/spec.yaml"]);
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "deployer" },
        "spec": {
            "serviceAccountName": "deployer",
            "restartPolicy": "Never",
            "containers": [{
                "name": "deployer",
                "image": IMAGE,
                "command": command,
                "volumeMounts": [{ "name": "spec", "mountPath": "/spec" }],
            }],
            "volumes": [{ "name": "spec", "configMap": { "name": "spec" } }],
        },
    });
    let file = deployed.folder().join("deployer.json");
    fs::write(&file, pod.to_string()).unwrap();
    succeed(&mut deployed.kubectl(&["create", "-f", file.to_str().unwrap()]));
    let phase = until_blocking("the deployer ends", || {
        let phase =
            output(&mut deployed.kubectl(&["get", "pod", "deployer", "-o", "jsonpath={.status.phase}"]));
        if ["Succeeded", "Failed"].contains(&phase.as_str()) { Ok(phase) } else { Err(phase) }
    });
    let said = output(&mut deployed.kubectl(&["logs", "deployer"]));
    assert_eq!(phase, "Succeeded", "{said}\n{}", deployed.state());
    succeed(&mut deployed.kubectl(&["delete", "pod", "deployer"]));
    said
}

#[test]
fn a_deployer_in_a_pod_needs_no_more_than_its_role() {
    let _turn = TURNS.take();
    let program = format!("{}:/usr/bin/slotwright", slotwright().display());
    succeed(&mut kubernetes().xtask(["image", IMAGE, &program]));
    let deployed = Deployed::with(kubernetes(), "inside", "", 1, 1, None);
    deployed.write_spec(&deployed.spec_text("").replace("create-namespace: true", "create-namespace: false"));
    let role = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/deployer/account.yaml");
    let spec = format!("--from-file={}", deployed.spec().display());
    succeed(&mut deployed.kubectl(&["create", "namespace", "inside"]));
    succeed(&mut deployed.kubectl(&["apply", "-f", role]));
    succeed(&mut deployed.kubectl(&["create", "configmap", "spec", &spec]));

    let first: Value = serde_json::from_str(&run(&deployed, &["up", "--json"])).unwrap();
    assert_eq!(first["changed"], true, "{first}");
    is_whole(&deployed);
    let again: Value = serde_json::from_str(&run(&deployed, &["up", "--json"])).unwrap();
    assert_eq!(again["changed"], false, "{again}");
    assert!(run(&deployed, &["check"]).contains("healthy"));
    run(&deployed, &["down", "--delete-data"]);
    assert!(deployed.get("statefulsets,persistentvolumeclaims,leases").is_empty());
}
