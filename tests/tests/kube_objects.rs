//! The Kubernetes objects against the schemas that Kubernetes publishes: both styles, all options, every version from 1.20.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use slotwright_deploy::{
    ClusterSpec,
    kubernetes::{Disclosure, Manifests},
};
use slotwright_kube::{
    Access, AccessMode, Blueprint, Bytes, Clients, Cpu, Engine, Metrics, NfsVolume, Peer, SecretValue,
    ServiceMonitorWish, Storage, Style, Tls, Wanted, objects,
    render::{self, Secrets},
    tutorial,
};
use slotwright_tests::kube::{
    scripts::ID,
    validate::{Document, minors, validate},
};

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

fn plain() -> Wanted {
    Wanted::new("sessions", "shop", "docker.io/library/redis:7.2.5".parse().unwrap(), SecretValue::new(ID))
}

fn on_nfs() -> Wanted {
    let existing = |key| SecretValue::existing("redis-login", key);
    tutorial::wanted("redis:7.2.5".parse().unwrap(), existing("password"), existing("id"))
}

fn with_everything() -> Wanted {
    let mut wanted = on_nfs();
    wanted.make_namespace = true;
    wanted.engine = Engine::Valkey;
    wanted.replicas_per_shard = 2;
    wanted.pull_secrets = vec!["registry".into()];
    // What a reader of YAML may take for something else.
    wanted.access = Access::Password {
        password: SecretValue::new("0x1f"),
        users: Some(SecretValue::new("user yes on >no ~* +@all\n")),
    };
    wanted.deployment_id = SecretValue::new("00000000000000000000000000000010");
    wanted.settings.set("loadmodule", "/lib/x.so on").unwrap();
    wanted.node_selector = BTreeMap::from([("on".into(), "yes".into()), ("n".into(), "010".into())]);
    let text = || PEM.to_owned().into();
    wanted.tls = Some(Tls::Content { ca: text(), certificate: text(), key: text() });
    let volume = |number| NfsVolume {
        server: "fd00::1".into(),
        path: format!("/e/{number}"),
        mount_options: vec![],
        size: Bytes::new(12_345_678),
    };
    wanted.storage = Storage::Nfs { volumes: (0..9).map(volume).collect() };
    wanted.resources.cpu_limit = Some(Cpu::millis(2000));
    wanted.clients = Clients::Only(vec![
        Peer::Addresses { cidr: "::/0".into(), except: vec!["fd00::/8".into()] },
        Peer::Pods {
            labels: BTreeMap::new(),
            namespaces: Some(BTreeMap::from([("team".into(), "1".into())])),
        },
    ]);
    wanted.spread.required = true;
    wanted.announce_hostnames = false;
    let mut metrics = Metrics::new("oliver006/redis_exporter:v1.62.0".parse().unwrap());
    metrics.monitor = Some(ServiceMonitorWish { labels: BTreeMap::new(), interval_seconds: 30 });
    wanted.metrics = Some(metrics);
    wanted
}

fn with_a_class() -> Wanted {
    let mut wanted = plain();
    wanted.access = SecretValue::new("hunter2").into();
    wanted.tls = Some(Tls::Existing { secret: "certificates".into() });
    wanted.clients = Clients::Anyone;
    wanted.storage = Storage::Class {
        class: Some("fast".into()),
        size: Bytes::gibibytes(1),
        access: AccessMode::ReadWriteMany,
    };
    wanted
}

/// The examples, and variants of them that a user may write.
fn specs() -> Vec<(String, ClusterSpec)> {
    let mut all = Vec::new();
    for (name, text) in [
        ("kubernetes.yaml", include_str!("../../examples/kubernetes.yaml")),
        ("tutorial.yaml", include_str!("../../examples/tutorial.yaml")),
    ] {
        let with = |lines: &str| text.replace("kubernetes:\n", &format!("kubernetes:\n{lines}"));
        let mut variants = vec![
            ("as it is", text.to_owned()),
            ("deployment", with("  style: deployment\n")),
            ("TLS from a Secret", with("  tls: { secret: certificates }\n")),
            ("metrics", with("  metrics: { image: 'exporter:1', resources: { memory-limit: 128Mi } }\n")),
        ];
        if name == "kubernetes.yaml" {
            let tls = "  users: { env: USERS }\n  tls: { ca: a, certificate: b, key: c, client-certificates: false }\n";
            variants.push(("password", text.replace("# password:", "password:")));
            variants.push(("ACL and TLS from files", with(tls).replace("# password:", "password:")));
        }
        for (what, text) in variants {
            all.push((format!("{name}, {what}"), ClusterSpec::parse(&text).unwrap()));
        }
    }
    all
}

fn blueprints() -> Vec<(String, Blueprint)> {
    let mut all = Vec::new();
    for (name, wanted) in
        [("plain", plain()), ("nfs", on_nfs()), ("everything", with_everything()), ("class", with_a_class())]
    {
        for style in [Style::StatefulSet, Style::Deployment] {
            let mut wanted = wanted.clone();
            wanted.style = style;
            all.push((format!("{name}, {style:?}"), wanted.check().unwrap()));
        }
    }
    all
}

#[test]
fn every_object_is_valid_in_every_version_and_reads_the_same_everywhere() {
    let blueprints = blueprints();
    assert!(minors().min() == Some(20) && minors().max() >= Some(37));
    validate(|minor| {
        let mut documents = Vec::new();
        for (name, blueprint) in &blueprints {
            for object in objects::all(blueprint) {
                let object = object.for_kubernetes(minor);
                // Not Kubernetes' own; the operator's schemas are published elsewhere. And of nodes that are alike, one.
                if object.kind() == "ServiceMonitor"
                    || object.name().ends_with(['2', '3', '4', '5', '6', '7', '8', '9'])
                {
                    continue;
                }
                documents.push(Document {
                    name: format!("{name}: {} {}", object.kind(), object.name()),
                    yaml: render::document(&object).unwrap(),
                    json: object.into_json(),
                });
            }
        }
        documents
    });
}

#[test]
fn what_specs_are_rendered_to_is_valid_in_every_version() {
    let specs = specs();
    validate(|minor| {
        let mut documents = Vec::new();
        for (name, spec) in &specs {
            let manifests = Manifests::new(spec, Disclosure::LeftOut, Some(minor)).unwrap();
            let text = manifests.documents().unwrap();
            let texts: Vec<&str> = text.split("---\n").skip(1).collect();
            assert_eq!(texts.len(), manifests.objects().count(), "{name}");
            for (text, object) in texts.into_iter().zip(manifests.objects()) {
                documents.push(Document {
                    name: format!("{name}: {} {}", object.kind(), object.name()),
                    yaml: text.to_owned(),
                    json: object.json().clone(),
                });
            }
        }
        documents
    });
}

#[test]
fn a_schema_that_is_broken_is_noticed() {
    let broken = std::panic::catch_unwind(|| {
        validate(|_| {
            let mut json = objects::Object::of(&objects::stateful_set(&plain().check().unwrap())).into_json();
            json["spec"]["replica"] = 6.into();
            let yaml = serde_json::to_string(&json).unwrap();
            vec![Document { name: "a slip".into(), yaml, json }]
        });
    });
    let message = broken.unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.contains("a slip") && message.contains("replica"), "{message}");
}

#[test]
fn kustomize_reads_the_folder_it_is_given() {
    // What kustomize makes of it is tried on a real server; here, that every file is named and there.
    for (name, blueprint) in blueprints() {
        let files = render::folder(&objects::all(&blueprint), Secrets::LeftOut).unwrap();
        let text = &files.first().unwrap().text;
        for file in &files[1..] {
            assert!(text.contains(&format!("\n- {}\n", file.name)), "{name}: {}\n{text}", file.name);
        }
    }
}
