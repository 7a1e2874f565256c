#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::*;
use crate::{
    Access, AccessMode, Bytes, Clients, Cpu, Metrics, NfsVolume, Peer, SecretValue, ServiceMonitorWish, Tls,
    Wanted,
};

const ID: &str = "0123456789abcdef0123456789abcdef";
const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

pub(crate) fn plain() -> Wanted {
    Wanted::new("sessions", "shop", "docker.io/library/redis:7.2.5".parse().unwrap(), SecretValue::new(ID))
}

fn nfs(count: u32) -> Storage {
    let volume = |number| NfsVolume {
        server: "10.0.0.1".into(),
        path: format!("/data/pv{number}"),
        mount_options: vec!["nfsvers=4.1".into(), "hard".into()],
        size: Bytes::gibibytes(10 + number),
    };
    Storage::Nfs { volumes: (0..count).map(volume).collect() }
}

/// Everything that can be asked for.
pub(crate) fn full() -> Wanted {
    let mut wanted = plain();
    wanted.make_namespace = true;
    wanted.engine = crate::Engine::Valkey;
    wanted.pull_secrets = vec!["registry".into()];
    wanted.settings.set("maxmemory", "100mb").unwrap();
    wanted.settings.set("loadmodule", "/lib/x.so password hush").unwrap();
    wanted.access = Access::Password {
        password: SecretValue::new("pa\"ss\\word"),
        users: Some(SecretValue::new("user app on >hush ~app:* +@read\n")),
    };
    let text = |text: &str| text.to_owned().into();
    wanted.tls = Some(Tls::Content { ca: text(PEM), certificate: text(PEM), key: text(PEM) });
    wanted.storage = nfs(6);
    wanted.resources.cpu_limit = Some(Cpu::millis(1500));
    wanted.clients = Clients::Only(vec![
        Peer::Addresses { cidr: "10.0.0.0/8".into(), except: vec!["10.1.0.0/16".into()] },
        Peer::Pods {
            labels: BTreeMap::from([("role".into(), "web".into())]),
            namespaces: Some(BTreeMap::from([("kubernetes.io/metadata.name".into(), "web".into())])),
        },
    ]);
    wanted.spread.required = true;
    wanted.node_selector = BTreeMap::from([("disk".into(), "ssd".into())]);
    let mut metrics = Metrics::new("oliver006/redis_exporter:v1.62.0".parse().unwrap());
    metrics.monitor = Some(ServiceMonitorWish {
        labels: BTreeMap::from([("release".into(), "prometheus".into())]),
        interval_seconds: 15,
    });
    wanted.metrics = Some(metrics);
    wanted
}

/// The same with every secret somebody else's.
fn referenced() -> Wanted {
    let existing = |key: &str| SecretValue::existing("theirs", key);
    let mut wanted = plain();
    wanted.deployment_id = existing("id");
    wanted.access = Access::Password { password: existing("pw"), users: Some(existing("users")) };
    wanted.tls = Some(Tls::Existing { secret: "certificates".into() });
    wanted.storage = Storage::Class {
        class: Some("fast".into()),
        size: Bytes::gibibytes(1),
        access: AccessMode::ReadWriteOnce,
    };
    wanted
}

/// Every combination that is worth looking at, by name.
pub(crate) fn blueprints() -> Vec<(String, Blueprint)> {
    let mut all = Vec::new();
    for (name, wanted) in [("plain", plain()), ("full", full()), ("referenced", referenced())] {
        for style in [Style::StatefulSet, Style::Deployment] {
            let mut wanted = wanted.clone();
            wanted.style = style;
            all.push((format!("{name} {style:?}"), wanted.check().unwrap()));
        }
    }
    all
}

/// The pod templates.
pub(crate) fn pods(blueprint: &Blueprint) -> Vec<Value> {
    let workloads = all(blueprint).into_iter().map(Object::into_json);
    workloads.filter_map(|object| object.pointer("/spec/template").cloned()).collect()
}

fn one(objects: &[Object], kind: &str, name: &str) -> Value {
    let found = objects.iter().find(|object| (object.kind(), object.name()) == (kind, name));
    found.unwrap_or_else(|| panic!("no {kind} {name}")).json().clone()
}

#[test]
fn each_style_has_its_objects_in_an_order_that_works() {
    let kinds = |style| {
        let mut wanted = full();
        wanted.style = style;
        let objects = all(&wanted.check().unwrap());
        let mut counted: Vec<(String, usize)> = Vec::new();
        for object in objects {
            match counted.last_mut() {
                Some((kind, count)) if kind == object.kind() => *count += 1,
                _ => counted.push((object.kind().to_owned(), 1)),
            }
        }
        counted.into_iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        kinds(Style::StatefulSet),
        "Namespace 1, ServiceAccount 1, Secret 1, ConfigMap 2, Service 3, PersistentVolume 6, NetworkPolicy 1, \
         PodDisruptionBudget 1, StatefulSet 1, ServiceMonitor 1"
    );
    assert_eq!(
        kinds(Style::Deployment),
        "Namespace 1, ServiceAccount 1, Secret 1, ConfigMap 7, Service 8, PersistentVolume 6, PersistentVolumeClaim 6, \
         NetworkPolicy 1, PodDisruptionBudget 1, Deployment 6, ServiceMonitor 1"
    );
}

#[test]
fn objects_are_the_same_each_time_unique_labelled_and_in_the_namespace() {
    for (name, blueprint) in blueprints() {
        let objects = all(&blueprint);
        assert!(objects == all(&blueprint), "{name}");
        let ids: BTreeSet<_> = objects.iter().map(|object| (object.kind(), object.name())).collect();
        assert_eq!(ids.len(), objects.len(), "{name}");
        for object in &objects {
            let cluster_wide = matches!(object.kind(), "Namespace" | "PersistentVolume");
            assert_eq!(object.namespace().is_none(), cluster_wide, "{object:?}");
            let labels = &object.json()["metadata"]["labels"];
            assert_eq!(labels["app.kubernetes.io/managed-by"], "slotwright", "{object:?}");
            if object.kind() != "Namespace" {
                assert_eq!((&labels["app"], &labels["appCluster"]), (&json!("redis"), &json!("sessions")));
            }
        }
    }
}

#[test]
fn every_selector_finds_the_pods_it_is_for_and_each_port_says_tcp() {
    fn ports(value: &Value, found: &mut Vec<Value>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::Array(list)) = map.get("ports") {
                    found.extend(list.iter().cloned());
                }
                map.values().for_each(|value| ports(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| ports(value, found)),
            _ => {}
        }
    }
    for (name, blueprint) in blueprints() {
        let objects = all(&blueprint);
        let pods = pods(&blueprint);
        let matched = |selector: &Value| {
            let selector = selector.as_object().unwrap();
            assert!(!selector.is_empty());
            let has =
                |pod: &&Value| selector.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value);
            pods.iter().filter(has).count()
        };
        for object in &objects {
            let json = object.json();
            let (selector, expected) = match object.kind() {
                "Service" if object.name().ends_with(|c: char| c.is_ascii_digit()) => {
                    (&json["spec"]["selector"], 1)
                }
                "Service" => (&json["spec"]["selector"], pods.len()),
                "StatefulSet" | "Deployment" => (&json["spec"]["selector"]["matchLabels"], 1),
                "PodDisruptionBudget" => (&json["spec"]["selector"]["matchLabels"], pods.len()),
                "NetworkPolicy" => (&json["spec"]["podSelector"]["matchLabels"], pods.len()),
                _ => continue,
            };
            assert_eq!(matched(selector), expected, "{name}: {object:?}");
            let mut found = Vec::new();
            ports(json, &mut found);
            assert!(found.iter().all(|port| port["protocol"] == "TCP"), "{name}: {object:?}");
        }
    }
}

#[test]
fn what_a_pod_mounts_and_reads_is_there() {
    for (name, blueprint) in blueprints() {
        let objects = all(&blueprint);
        let needed = needed_secrets(&blueprint);
        let own = secret(&blueprint);
        for secret in &needed {
            let Some(own) = own.as_ref().filter(|own| own.metadata.name.as_deref() == Some(&secret.name))
            else {
                continue;
            };
            let keys: Vec<_> = own.data.as_ref().unwrap().keys().collect();
            assert_eq!(keys, secret.keys.keys().collect::<Vec<_>>(), "{name}: every key is written and used");
        }
        for pod in pods(&blueprint) {
            let spec = &pod["spec"];
            let text = spec.to_string();
            let volumes = spec["volumes"].as_array().unwrap();
            let mut known: BTreeSet<&str> =
                volumes.iter().map(|volume| volume["name"].as_str().unwrap()).collect();
            if blueprint.wanted().style == Style::StatefulSet {
                assert!(known.insert("data"), "the template's name is free");
            }
            for container in spec["containers"].as_array().unwrap() {
                for mount in container["volumeMounts"].as_array().unwrap() {
                    assert!(known.contains(mount["name"].as_str().unwrap()), "{name}: {mount}");
                }
            }
            for volume in volumes {
                if let Some(config) = volume.pointer("/configMap/name") {
                    let config = one(&objects, "ConfigMap", config.as_str().unwrap());
                    for item in volume["configMap"]["items"].as_array().into_iter().flatten() {
                        assert!(config["data"][item["key"].as_str().unwrap()].is_string());
                    }
                }
                if let Some(claim) = volume.pointer("/persistentVolumeClaim/claimName") {
                    one(&objects, "PersistentVolumeClaim", claim.as_str().unwrap());
                }
            }
            for secret in &needed {
                assert!(text.contains(&format!("\"name\":\"{}\"", secret.name)), "{name}: {}", secret.name);
            }
            let probes = ["startupProbe", "readinessProbe", "livenessProbe"].map(|probe| {
                let command = spec["containers"][0][probe]["exec"]["command"].as_array().unwrap();
                command.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(
                probes,
                ["startup 4", "ready 4", "live 9"]
                    .map(|end| format!("/bin/sh {SCRIPTS_FOLDER}/probe.sh {end}"))
            );
        }
    }
}

#[test]
fn no_secret_is_anywhere_but_in_the_secret() {
    for style in [Style::StatefulSet, Style::Deployment] {
        let mut wanted = full();
        wanted.style = style;
        let blueprint = wanted.check().unwrap();
        for object in all(&blueprint) {
            let text = object.json().to_string();
            let leaks = ["hush", "ss\\\\", "BEGIN CERT", ID].into_iter().any(|secret| text.contains(secret));
            assert!(!leaks, "{object:?}");
        }
        assert!(!format!("{blueprint:?} {:?}", all(&blueprint)).contains("hush"));
        let data = secret(&blueprint).unwrap().data.unwrap();
        let text = |key: &str| String::from_utf8(data[key].0.clone()).unwrap();
        assert_eq!(text("private.conf"), "loadmodule /lib/x.so password hush\n");
        assert_eq!((text("password").as_str(), text("deployment-id").as_str()), ("pa\"ss\\word", ID));
    }
}

#[test]
fn volumes_are_bound_to_the_claims_of_their_ordinals() {
    for style in [Style::StatefulSet, Style::Deployment] {
        let mut wanted = full();
        wanted.style = style;
        let objects = all(&wanted.check().unwrap());
        for ordinal in 0..6 {
            let volume = one(&objects, "PersistentVolume", &format!("shop-sessions-pv{}", ordinal + 1));
            let spec = &volume["spec"];
            assert_eq!(spec["nfs"], json!({ "server": "10.0.0.1", "path": format!("/data/pv{ordinal}") }));
            assert_eq!(spec["mountOptions"], json!(["nfsvers=4.1", "hard"]));
            assert_eq!(
                (&spec["storageClassName"], &spec["persistentVolumeReclaimPolicy"]),
                (&json!(""), &json!("Retain"))
            );
            let claim = spec["claimRef"]["name"].as_str().unwrap();
            assert_eq!(spec["claimRef"]["namespace"], "shop");
            match style {
                Style::StatefulSet => assert_eq!(claim, format!("data-sessions-{ordinal}")),
                Style::Deployment => {
                    let claim = one(&objects, "PersistentVolumeClaim", claim);
                    assert_eq!(claim["spec"]["volumeName"], volume["metadata"]["name"]);
                    assert_eq!(
                        claim["spec"]["resources"]["requests"]["storage"],
                        spec["capacity"]["storage"]
                    );
                }
            }
        }
    }
    // One template for all: it must fit into the smallest.
    let template = claim_template(&full().check().unwrap());
    assert_eq!(template.spec.unwrap().resources.unwrap().requests.unwrap()["storage"].0, "10Gi");
}

#[test]
fn the_network_policy_lets_in_whom_it_should() {
    let policy = |change: fn(&mut Wanted)| {
        let mut wanted = full();
        change(&mut wanted);
        Object::of(&network_policy(&wanted.check().unwrap())).into_json()["spec"]["ingress"].clone()
    };
    let rules = policy(|_| {});
    let ports = |rule: &Value| {
        rule["ports"].as_array().unwrap().iter().map(|port| port["port"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        rules.as_array().unwrap().iter().map(ports).collect::<Vec<_>>(),
        [vec![json!(6379), json!(16379)], vec![json!(6379)], vec![json!(9121)]]
    );
    assert_eq!(
        rules[1]["from"],
        json!([
            { "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"] } },
            {
                "podSelector": { "matchLabels": { "role": "web" } },
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "web" } },
            },
        ])
    );
    // A rule without sources lets in everyone, so nobody is no rule at all.
    assert_eq!(policy(|wanted| wanted.clients = Clients::Only(vec![])).as_array().unwrap().len(), 2);
    assert!(policy(|wanted| wanted.clients = Clients::Anyone)[1]["from"].is_null());
    assert_eq!(
        Object::of(&network_policy(&plain().check().unwrap())).json()["spec"]["ingress"][1]["from"],
        json!([{ "podSelector": {} }])
    );
}

#[test]
fn the_deployment_announces_the_address_of_its_service() {
    let mut wanted = plain();
    wanted.style = Style::Deployment;
    wanted.names.workload = "my-redis".into();
    let blueprint = wanted.check().unwrap();
    let spec = Object::of(&node_deployment(&blueprint, 3)).into_json()["spec"]["template"]["spec"].clone();
    let env = spec["containers"][0]["env"].as_array().unwrap();
    let ip = env.iter().find(|variable| variable["name"] == "SLOTWRIGHT_ANNOUNCE_IP").unwrap();
    assert_eq!(ip["value"], "$(MY_REDIS_3_SERVICE_HOST)");
    assert_eq!(spec["enableServiceLinks"], true, "without it there is no such variable");
    assert_eq!(node_service(&blueprint, 3).metadata.name.as_deref(), Some("my-redis-3"));
}

#[test]
fn tls_closes_the_plain_port_on_every_way() {
    let text = redis_conf(&full().check().unwrap());
    for line in ["port 0", "tls-port 6379", "tls-cluster yes", "tls-replication yes", "tls-auth-clients yes"]
    {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.contains("maxmemory 100mb\n"), "what is wanted stays\n{text}");
    let mut wanted = full();
    wanted.client_certificates = false;
    assert!(redis_conf(&wanted.check().unwrap()).contains("tls-auth-clients optional\n"));
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_no_secret_with_it() {
    type Change = fn(&mut Wanted);
    let cases: [(Change, &str); 29] = [
        (|w| w.names.claim = "run".into(), "names.claim: `run` is the name of another volume"),
        (|w| w.name = "Redis".into(), "name: `Redis` cannot be used"),
        (|w| w.name = "9redis".into(), "beginning with a letter"),
        (|w| w.names.workload = "a".repeat(53), "names.workload"),
        (|w| w.names.headless = w.names.clients.clone(), "two Services would be called `sessions`"),
        (|w| w.shards = 0, "shards: no shard"),
        (|w| w.shards = 900, "at most 1000"),
        (|w| w.cluster_domain = "cluster..local".into(), "cluster-domain"),
        (|w| w.deployment_id = SecretValue::new("hush"), "deployment-id: expected 32"),
        (|w| w.access = SecretValue::new("").into(), "access.password: it is empty"),
        (|w| w.access = SecretValue::new("hush\n").into(), "a password is one line"),
        (
            |w| {
                w.access = Access::Password {
                    password: SecretValue::new("hush hush"),
                    users: Some(SecretValue::new("")),
                }
            },
            "white space",
        ),
        (
            |w| {
                let users = Some(SecretValue::new("user default on >hush"));
                w.access = Access::Password { password: SecretValue::new("hush"), users };
            },
            "leave it out of the ACL file",
        ),
        (
            |w| {
                w.settings.set("user", "app on >hush").unwrap();
                w.access =
                    Access::Password { password: SecretValue::new("x"), users: Some(SecretValue::new("")) };
            },
            "one of the two only",
        ),
        (|w| w.access = SecretValue::existing("sessions-secret", "k").into(), "names.secret"),
        (
            |w| {
                w.tls = Some(Tls::Content {
                    ca: "hush".to_owned().into(),
                    certificate: PEM.to_owned().into(),
                    key: PEM.to_owned().into(),
                });
            },
            "tls.ca: it is not a PEM text",
        ),
        (|w| w.settings.set("port", "1").unwrap(), "settings: port cannot be set here"),
        (|w| w.settings.set("maxmemory", "256mb").unwrap(), "not below the container's limit"),
        (|w| w.settings.set("maxmemory", "0").unwrap(), "0 means no limit"),
        (|w| w.storage = nfs(5), "6 nodes need 6 volumes"),
        (
            |w| {
                if let Storage::Nfs { volumes } = &mut w.storage {
                    volumes[1].path = "/data/pv0/".into();
                }
            },
            "storage.volumes[1]: two nodes would share /data/pv0",
        ),
        (
            |w| {
                if let Storage::Nfs { volumes } = &mut w.storage {
                    volumes[2].path = "/data/../etc".into();
                }
            },
            "storage.volumes[2]: `/data/../etc` is not an absolute path",
        ),
        (|w| w.resources.memory_limit = Bytes::mebibytes(16), "does not run in 16Mi"),
        (|w| w.user = 0, "do not run as root"),
        (|w| w.grace_seconds = 20, "grace-seconds: 20 s are too short"),
        (|w| w.spread.keys.push("kubernetes.io/hostname".into()), "twice"),
        (
            |w| {
                w.clients =
                    Clients::Only(vec![Peer::Addresses { cidr: "10.0.0.0/33".into(), except: vec![] }]);
            },
            "is not a network",
        ),
        (|w| w.node_selector = BTreeMap::from([("a b".into(), String::new())]), "is not a label"),
        (
            |w| {
                let mut metrics = Metrics::new("e:1".parse().unwrap());
                metrics.port = 6379;
                w.metrics = Some(metrics);
            },
            "metrics.port",
        ),
    ];
    for (change, expected) in cases {
        let mut wanted = plain();
        wanted.storage = nfs(6);
        change(&mut wanted);
        let error = wanted.check().unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
    }
    let mut wanted = plain();
    (wanted.shards, wanted.user) = (0, 0);
    assert_eq!(wanted.check().unwrap_err().problems.len(), 2);
}

#[test]
fn memory_follows_from_the_limit_unless_it_is_said() {
    let line = |wanted: Wanted| {
        let text = redis_conf(&wanted.check().unwrap());
        text.lines().find(|line| line.starts_with("maxmemory ")).unwrap().to_owned()
    };
    let mut wanted = plain();
    wanted.resources.memory_limit = Bytes::gibibytes(5);
    assert_eq!(line(wanted.clone()), format!("maxmemory {}", 3u64 << 30));
    wanted.settings.set("maxmemory", "1gb").unwrap();
    assert_eq!(line(wanted), "maxmemory 1gb");
}

#[test]
fn advice_is_given_for_what_works_and_hurts() {
    let mut wanted = plain();
    assert_eq!(wanted.clone().check().unwrap().advice().len(), 1, "no password");
    wanted.access = SecretValue::new("x").into();
    assert_eq!(wanted.clone().check().unwrap().advice(), [""; 0]);
    (wanted.shards, wanted.replicas_per_shard) = (1, 0);
    wanted.storage = nfs(1);
    wanted.clients = Clients::Anyone;
    wanted.settings.set("appendonly", "no").unwrap();
    let advice = wanted.check().unwrap().advice();
    let places: Vec<_> = advice.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(places, ["clients", "shards", "replicas-per-shard", "storage", "settings"]);
}
