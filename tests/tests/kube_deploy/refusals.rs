//! What cannot be done ends with what happened, on which object, and what to do; and nothing else is changed.

use std::fs;

use serde_json::Value;
use slotwright_tests::{
    deployment::{Run, run, slotwright},
    kube::{Deployed, output, succeed},
};

use crate::{TURNS, is_whole, kubernetes};

fn up_with(deployed: &Deployed<'_>, kubeconfig: &str) -> Run {
    let mut command = deployed.command(slotwright());
    run(command.args(["up", "--spec"]).arg(deployed.spec()).env("KUBECONFIG", kubeconfig))
}

fn down(deployed: &Deployed<'_>) {
    deployed.run(&["down", "--delete-data"]).shows(0, &[]);
}

#[test]
fn no_way_to_a_cluster() {
    let _turn = TURNS.take();
    let deployed = Deployed::new(kubernetes(), "nowhere", "");
    up_with(&deployed, "/nonexistent/config").expect(2, &["/nonexistent/config", "KUBECONFIG"]);
    let broken = deployed.folder().join("broken");
    fs::write(&broken, "clusters: [").unwrap();
    up_with(&deployed, broken.to_str().unwrap()).expect(2, &["KUBECONFIG"]);
    let admin = fs::read_to_string(kubernetes().kubeconfig()).unwrap();
    let server = admin.lines().find_map(|line| line.trim().strip_prefix("server: ")).unwrap();
    fs::write(&broken, admin.replace(server, "https://127.0.0.1:1")).unwrap();
    up_with(&deployed, broken.to_str().unwrap()).expect(1, &["cannot be talked to", "refused"]);
    deployed.write("context: elsewhere");
    deployed.run(&["up"]).expect(2, &["elsewhere", "context"]);
    assert!(
        deployed.kubectl(&["get", "namespace", "nowhere", "-o", "name"]).output().unwrap().stdout.is_empty()
    );
}

/// A kubeconfig of an account that may do these things.
fn account(deployed: &Deployed<'_>, resources: &str) -> String {
    let namespace = &deployed.namespace;
    succeed(&mut deployed.kubectl(&["create", "namespace", namespace]));
    succeed(&mut deployed.kubectl(&["create", "serviceaccount", "limited"]));
    succeed(&mut deployed.kubectl(&[
        "create",
        "role",
        "limited",
        "--verb=*",
        &format!("--resource={resources}"),
    ]));
    let subject = format!("--serviceaccount={namespace}:limited");
    succeed(&mut deployed.kubectl(&["create", "rolebinding", "limited", "--role=limited", &subject]));
    let secret = output(&mut deployed.kubectl(&[
        "get",
        "serviceaccount",
        "limited",
        "-o",
        "jsonpath={.secrets[0].name}",
    ]));
    let template = "go-template={{.data.token | base64decode}}";
    let token = output(&mut deployed.kubectl(&["get", "secret", &secret, "-o", template]));
    let admin = fs::read_to_string(kubernetes().kubeconfig()).unwrap();
    let (rest, _) = admin.split_once("users:\n").unwrap();
    let text = format!("{rest}users:\n- name: admin\n  user:\n    token: {token}\n");
    let path = deployed.folder().join("limited");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_account_without_one_kind_is_told_which() {
    let _turn = TURNS.take();
    let deployed = Deployed::with(kubernetes(), "rbac", "create-namespace: false", 1, 0, None);
    deployed.write_spec(&deployed.spec_text("").replace("create-namespace: true", "create-namespace: false"));
    let all = "serviceaccounts,secrets,configmaps,services,persistentvolumeclaims,pods,pods/portforward,pods/log,events,\
               poddisruptionbudgets.policy,statefulsets.apps,deployments.apps,leases.coordination.k8s.io";
    let limited = account(&deployed, all);
    up_with(&deployed, &limited).expect(2, &["networkpolicies", "limited", "Role"]);
    assert!(deployed.get("statefulsets").is_empty());
    // Those are all it takes: no right to look at Kubernetes nodes, nor at other namespaces.
    let role = ["create", "role", "more", "--verb=*", "--resource=networkpolicies.networking.k8s.io"];
    succeed(&mut deployed.kubectl(&role));
    succeed(&mut deployed.kubectl(&[
        "create",
        "rolebinding",
        "more",
        "--role=more",
        "--serviceaccount=rbac:limited",
    ]));
    let up = up_with(&deployed, &limited);
    assert_eq!(up.code(), 0, "{up:#?}\n{}", deployed.state());
    down(&deployed);
}

#[test]
fn a_quota_is_named() {
    let _turn = TURNS.take();
    let deployed = Deployed::with(kubernetes(), "quota", "", 1, 1, None);
    succeed(&mut deployed.kubectl(&["create", "namespace", "quota"]));
    succeed(&mut deployed.kubectl(&["create", "quota", "small", "--hard=pods=1"]));
    deployed.run(&["up", "--patience", "20"]).expect(1, &["StatefulSet quota/test", "small", "quota"]);
    succeed(&mut deployed.kubectl(&["delete", "quota", "small"]));
    succeed(&mut deployed.kubectl(&["create", "quota", "small", "--hard=count/services=0"]));
    down(&deployed);
    deployed.run(&["up", "--patience", "20"]).expect(2, &["Service quota/test", "over the quota", "small"]);
    succeed(&mut deployed.kubectl(&["delete", "quota", "small"]));
    deployed.up();
    is_whole(&deployed);
    down(&deployed);
}

#[test]
fn pods_that_do_not_come_up_say_why() {
    let _turn = TURNS.take();
    let deployed = Deployed::with(kubernetes(), "stuck", "", 1, 0, None);
    let spec = deployed.spec_text("");
    deployed.write_spec(&spec.replace("slotwright/redis:7.0.15", "slotwright/none:1"));
    deployed.run(&["up"]).expect(1, &["Pod stuck/test-0", "slotwright/none:1", "image"]);
    down(&deployed);
    deployed.write_spec(&spec.replace("cpu-request: 10m", "cpu-request: 1000"));
    deployed.run(&["up", "--patience", "5"]).expect(1, &["Pod stuck/test-0", "Insufficient cpu"]);
    down(&deployed);
    deployed.write("volumes: { class: nothing }");
    deployed.run(&["up", "--patience", "5"]).expect(1, &["Pod stuck/test-0", "nothing"]);
    down(&deployed);
    deployed.write("secret: { name: elsewhere }");
    deployed.run(&["up"]).expect(2, &["Secret stuck/elsewhere", "deployment-id"]);
    // Two deployments of one name are one deployment: whoever runs first decides nothing for the other namespace.
    deployed.write("");
    deployed.up();
    down(&deployed);
}

#[test]
fn changes_that_take_more_than_an_apply_are_refused() {
    let _turn = TURNS.take();
    let deployed = Deployed::with(kubernetes(), "changes", "", 3, 0, None);
    deployed.up();
    let versions = deployed.versions();
    let spec = deployed.spec_text("");
    let refused = |text: &str, words: &[&str]| {
        deployed.write_spec(text);
        deployed.run(&["up"]).expect(3, words);
        deployed.run(&["plan"]).expect(3, words);
        assert_eq!(deployed.versions(), versions);
    };
    refused(&spec.replace("shards: 3", "shards: 4"), &["shards", "moving slots"]);
    refused(&spec.replace("shards: 3", "shards: 2"), &["StatefulSet changes/test", ".spec.replicas"]);
    refused(
        &spec.replace("memory-limit: 64Mi", "memory-limit: 96Mi"),
        &["StatefulSet changes/test", "memory"],
    );
    refused(&(spec.clone() + "  style: deployment\n"), &["StatefulSet changes/test", "style"]);
    refused(&spec.replace("cluster-node-timeout: 2000", "databases: 1"), &["databases"]);
    refused(&(spec.clone() + "  volumes: { size: 9Gi }\n"), &["StatefulSet changes/test", "only once"]);
    // One that a running server can take is made.
    deployed.write_spec(&spec.replace("cluster-node-timeout: 2000", "cluster-node-timeout: 3000"));
    deployed.run(&["plan"]).shows(0, &["ConfigMap changes/test-conf", "cluster-node-timeout"]);
    assert_eq!(deployed.up()["changed"], true);
    deployed.write("");
    deployed.up();
    is_whole(&deployed);
    // Somebody else's field is not ours to change.
    let patch = r#"{"spec":{"maxUnavailable":0}}"#;
    succeed(&mut deployed.kubectl(&["patch", "poddisruptionbudget", "test", "-p", patch]));
    deployed.run(&["up"]).expect(3, &["PodDisruptionBudget changes/test", "maxUnavailable", "--take-over"]);
    deployed.run(&["up", "--take-over"]).shows(0, &["1 object applied"]);
    down(&deployed);
}

#[test]
fn volumes_of_another_deployment_stay_shut() {
    let _turn = TURNS.take();
    let deployed = Deployed::with(kubernetes(), "foreign", "", 1, 0, None);
    deployed.up();
    let id = |deployed: &Deployed<'_>| {
        let template = "go-template={{index .data \"deployment-id\" | base64decode}}";
        output(&mut deployed.kubectl(&["get", "secret", "test-secret", "-o", template]))
    };
    let first = id(&deployed);
    let give = |id: &str| {
        let literal = format!("--from-literal=deployment-id={id}");
        succeed(&mut deployed.kubectl(&["create", "secret", "generic", "test-secret", &literal]));
    };
    deployed.walker().write_keys("kept", 20).unwrap();
    // The id is not made anew under running pods, whose volumes carry the old one.
    succeed(&mut deployed.kubectl(&["delete", "secret", "test-secret"]));
    deployed.run(&["up"]).expect(3, &["test-secret", "1 claim", "deployment-id"]);
    give(&first);
    deployed.up();
    deployed.run(&["down", "--keep-data"]).shows(0, &["the data is kept"]);
    // Without the id nothing is begun; with another, no server is started.
    succeed(&mut deployed.kubectl(&["delete", "secret", "test-secret"]));
    deployed.run(&["up"]).expect(3, &["test-secret", "1 claim", "deployment-id"]);
    assert!(deployed.get("statefulsets").is_empty());
    give("00000000000000000000000000000001");
    deployed.run(&["up"]).expect(3, &["Pod foreign/test-0", "the volume at", &first]);
    let logs = deployed.get("pods");
    assert!(logs.iter().all(|pod: &Value| pod["status"]["containerStatuses"][0]["started"] != true));
    deployed.run(&["down", "--keep-data"]).shows(0, &[]);
    succeed(&mut deployed.kubectl(&["delete", "secret", "test-secret"]));
    give(&first);
    deployed.up();
    deployed.walker().read_keys("kept", 20).unwrap();
    down(&deployed);
}

#[test]
fn what_was_kept_is_not_left_behind() {
    let _turn = TURNS.take();
    let mut deployed = Deployed::with(kubernetes(), "kept", "", 1, 1, None);
    deployed.up();
    deployed.walker().write_keys("key", 50).unwrap();
    let spec = deployed.spec_text("");

    // A Secret of another name is no reason to let go of the id.
    deployed.write("names: { secret: another }");
    deployed.run(&["up"]).expect(3, &["2 claims of namespace kept", "Secret another"]);
    deployed.run(&["down", "--keep-data"]).shows(0, &["2 pods stopped", "the data is kept in 2 claims"]);
    assert!(deployed.get("secrets").iter().any(|secret| secret["data"]["deployment-id"].is_string()));
    assert!(deployed.get("leases,statefulsets,services").is_empty());

    // Other names of claims, or fewer nodes, would begin anew beside what is there.
    let elsewhere = [
        spec.replace("kubernetes:\n", "kubernetes:\n  style: deployment\n"),
        spec.replace("kubernetes:\n", "kubernetes:\n  names: { claim: store }\n"),
        spec.replace("replicas-per-shard: 1", "replicas-per-shard: 0"),
    ];
    for text in elsewhere {
        deployed.write_spec(&text);
        for words in ["up", "plan"] {
            deployed
                .run(&[words])
                .expect(3, &["PersistentVolumeClaim kept/data-test-1", "may hold slots and keys"]);
        }
        assert!(deployed.get("statefulsets,deployments").is_empty());
    }
    deployed.write_spec(&spec);
    deployed.up();
    is_whole(&deployed);
    deployed.walker().read_keys("key", 50).unwrap();

    // One more for each shard is no loss.
    deployed.replicas = 2;
    deployed.write("");
    deployed.up();
    is_whole(&deployed);
    down(&deployed);
}

#[test]
fn a_namespace_of_others_is_left_as_it_is() {
    let _turn = TURNS.take();
    let deployed = Deployed::with(kubernetes(), "theirs", "", 1, 0, None);
    succeed(&mut deployed.kubectl(&["create", "namespace", "theirs"]));
    deployed.run(&["up"]).expect(0, &["Namespace theirs is there already"]);
    let labels =
        output(&mut deployed.kubectl(&["get", "namespace", "theirs", "-o", "jsonpath={.metadata.labels}"]));
    assert!(!labels.contains("slotwright") && !labels.contains("restricted"), "{labels}");
    down(&deployed);
}
