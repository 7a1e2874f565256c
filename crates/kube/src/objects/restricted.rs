//! Every pod this crate makes against the `restricted` pod security standard, rule by rule.
//!
//! Source: "Pod Security Standards" (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>), the rules of
//! `baseline` and of `restricted`; and `k8s.io/pod-security-admission/policy`, which enforces them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::Value;

use super::tests::{blueprints, pods};

/// What a rule allows a field to be.
enum Allowed {
    /// Not there, or one of these.
    UnsetOr(&'static [&'static str]),
    /// One of these; for a container also unset when the pod says it.
    OneOf(&'static [&'static str]),
}

use Allowed::{OneOf, UnsetOr};

/// Fields of `pod.spec`.
const POD: [(&str, Allowed); 10] = [
    ("/hostNetwork", UnsetOr(&["false"])),
    ("/hostPID", UnsetOr(&["false"])),
    ("/hostIPC", UnsetOr(&["false"])),
    ("/securityContext/windowsOptions/hostProcess", UnsetOr(&["false"])),
    ("/securityContext/seLinuxOptions", UnsetOr(&[])),
    ("/securityContext/sysctls", UnsetOr(&[])),
    ("/securityContext/appArmorProfile", UnsetOr(&[])),
    ("/securityContext/runAsNonRoot", OneOf(&["true"])),
    ("/securityContext/seccompProfile/type", OneOf(&["\"RuntimeDefault\"", "\"Localhost\""])),
    ("/initContainers", UnsetOr(&[])),
];

/// Fields of each container.
const CONTAINER: [(&str, Allowed); 12] = [
    ("/securityContext/privileged", UnsetOr(&["false"])),
    ("/securityContext/allowPrivilegeEscalation", OneOf(&["false"])),
    ("/securityContext/capabilities/drop", OneOf(&["[\"ALL\"]"])),
    ("/securityContext/capabilities/add", UnsetOr(&["[\"NET_BIND_SERVICE\"]"])),
    ("/securityContext/runAsNonRoot", UnsetOr(&["true"])),
    ("/securityContext/runAsUser", UnsetOr(&[])),
    ("/securityContext/seccompProfile/type", UnsetOr(&["\"RuntimeDefault\"", "\"Localhost\""])),
    ("/securityContext/seLinuxOptions", UnsetOr(&[])),
    ("/securityContext/appArmorProfile", UnsetOr(&[])),
    ("/securityContext/procMount", UnsetOr(&["\"Default\""])),
    ("/securityContext/windowsOptions", UnsetOr(&[])),
    ("/ports/0/hostPort", UnsetOr(&["0"])),
];

const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

fn check(what: &str, object: &Value, rules: &[(&str, Allowed)]) {
    for (pointer, allowed) in rules {
        let found = object.pointer(pointer).map(Value::to_string);
        let good = match (allowed, &found) {
            (UnsetOr(_), None) => true,
            (OneOf(values) | UnsetOr(values), Some(found)) => values.contains(&found.as_str()),
            (OneOf(_), None) => false,
        };
        assert!(good, "{what}{pointer} is {found:?}");
    }
}

#[test]
fn every_pod_keeps_every_rule() {
    for (name, blueprint) in blueprints() {
        for template in pods(&blueprint) {
            let spec = &template["spec"];
            check(&name, spec, &POD);
            for user in ["runAsUser", "runAsGroup", "fsGroup"] {
                assert!(spec["securityContext"][user].as_u64().unwrap() > 0, "{name}: {user}");
            }
            for container in spec["containers"].as_array().unwrap() {
                check(&name, container, &CONTAINER);
                assert!(container["securityContext"]["readOnlyRootFilesystem"].as_bool().unwrap());
                let mut ports = container["ports"].as_array().unwrap().iter();
                assert!(ports.all(|port| port["hostPort"].is_null() && port["protocol"] == "TCP"));
            }
            for volume in spec["volumes"].as_array().unwrap() {
                let mut kinds = volume.as_object().unwrap().keys().filter(|key| *key != "name");
                assert!(kinds.all(|kind| VOLUMES.contains(&kind.as_str())), "{name}: {volume}");
            }
            // AppArmor was an annotation before 1.30.
            assert!(template["metadata"]["annotations"].is_null());
        }
    }
}
