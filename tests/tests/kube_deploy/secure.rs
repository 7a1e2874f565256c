//! With a password, more users, and certificates: everything is encrypted, and nothing secret is seen.

use std::fs;

use slotwright_tests::{
    certificates::Authority,
    deployment::{run, slotwright},
    kube::{Deployed, output},
    outside::Talk,
};

use crate::{TURNS, kubernetes};

const PASSWORD: &str = "correct horse";
const FLAGS: &str = "--tls --cacert /etc/slotwright/tls/ca.crt --cert /etc/slotwright/tls/tls.crt --key /etc/slotwright/tls/tls.key";

/// One command to the cluster, from within a pod; `login` stands before `redis-cli`.
fn ask(deployed: &Deployed<'_>, pod: &str, login: &str, command: &str) -> String {
    let line = format!("{login} redis-cli -c {FLAGS} {command} 2>/dev/null");
    output(&mut deployed.kubectl(&["exec", pod, "-c", "redis", "--", "sh", "-c", &line])).trim().to_owned()
}

fn secure(namespace: &str, style: &str, names: &[&str]) {
    let _turn = TURNS.take();
    let deployed = Deployed::with(kubernetes(), namespace, "", 3, 1, Some("horse"));
    let authority = Authority::new(deployed.folder());
    let issued = authority.issue("nodes", names);
    fs::write(deployed.folder().join("users.acl"), "user reader on >reading ~* +get +@connection\n").unwrap();
    let lines = |certificate: &str| {
        format!(
            "{style}users: {{ file: users.acl }}\ntls: {{ ca: {}, certificate: {certificate}, key: {} }}\n",
            authority.ca().display(),
            issued.key.display()
        )
    };
    deployed.write(&lines(issued.certificate.to_str().unwrap()));
    let up = deployed.up();
    assert_eq!(up["status"]["healthy"], true, "{up:#}");
    assert_eq!(up["status"]["shards"].as_array().unwrap().len(), 3);
    let again = deployed.up();
    assert_eq!(again["changed"], false, "{again:#}");
    let pods: Vec<String> = deployed.places().into_keys().collect();
    assert_eq!(pods.len(), 6);
    let login = "REDISCLI_AUTH=horse";
    for pod in &pods {
        assert!(ask(&deployed, pod, login, "cluster info").contains("cluster_state:ok"));
    }
    for (number, pod) in pods.iter().enumerate() {
        for key in 0..5 {
            assert_eq!(ask(&deployed, pod, login, &format!("set key:{number}:{key} v{number}{key}")), "OK");
        }
    }
    for number in 0..pods.len() {
        let value = ask(&deployed, &pods[0], login, &format!("get key:{number}:4"));
        assert_eq!(value, format!("v{number}4"));
    }
    let reader = "REDISCLI_AUTH=reading";
    let read = ask(&deployed, &pods[0], reader, "--user reader get key:0:0");
    assert_eq!(read, "v00");
    let written = ask(&deployed, &pods[0], reader, "--user reader set key:0:0 x");
    assert!(written.contains("NOPERM"), "{written}");
    // No port takes plain text.
    for place in deployed.places().values() {
        let answer = Talk::to(*place, None).and_then(|mut talk| talk.ask(&["PING"]));
        assert!(answer.is_err(), "{answer:?}");
    }
    for dial in ["forward", "direct"] {
        deployed.write(&format!("{}dial: {dial}\n", lines(issued.certificate.to_str().unwrap())));
        let seen = run(deployed.command(slotwright()).args(["check", "-vv", "--spec"]).arg(deployed.spec()));
        seen.shows(0, &["healthy"]);
        assert!(!seen.err.contains("horse") && !seen.err.contains("reading"), "{}", seen.err);
        assert!(!seen.err.contains("PRIVATE KEY"));
    }
    // All at once, with new addresses.
    let names: Vec<&str> = pods.iter().map(String::as_str).collect();
    deployed.delete_pods(&names, true);
    deployed.write(&lines(issued.certificate.to_str().unwrap()));
    deployed.up();
    let pod = deployed.places().into_keys().next().unwrap();
    assert_eq!(ask(&deployed, &pod, login, "get key:5:4"), "v54");

    // Another password needs a restart, and so do other certificates.
    let mut other = deployed.command(slotwright());
    other
        .args(["up", "--spec"])
        .arg(deployed.spec())
        .env(slotwright_tests::deployment::PASSWORD_VARIABLE, PASSWORD);
    let refused = run(&mut other);
    assert_eq!(refused.code(), 2, "{refused:#?}");
    let mut other = deployed.command(slotwright());
    other
        .args(["up", "--spec"])
        .arg(deployed.spec())
        .env(slotwright_tests::deployment::PASSWORD_VARIABLE, "mare");
    run(&mut other).expect(3, &["Secret", "one after the other"]);
    let foreign = Authority::new(deployed.folder().join("foreign"));
    deployed.write(
        &lines(issued.certificate.to_str().unwrap())
            .replace(authority.ca().to_str().unwrap(), foreign.ca().to_str().unwrap()),
    );
    deployed.run(&["status"]).shows(0, &["not healthy"]);
    deployed.write(&lines(issued.certificate.to_str().unwrap()));
    deployed.run(&["down", "--delete-data"]).shows(0, &["6 pods stopped"]);
}

#[test]
fn a_stateful_set_with_password_users_and_certificates() {
    secure("secure", "", &["DNS:*.test-nodes.secure.svc.cluster.local"]);
}

/// Both at once differ in the nodes' names only, so it is for the long version of the tests.
#[test]
fn deployments_with_password_users_and_certificates() {
    if std::env::var_os("SLOTWRIGHT_SOAK").is_none() {
        return;
    }
    secure("secure-each", "style: deployment\n", &["DNS:*.secure-each.svc.cluster.local"]);
}
