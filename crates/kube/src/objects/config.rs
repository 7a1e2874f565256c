//! redis.conf and the scripts, as ConfigMaps.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use slotwright_cluster::Settings;

use super::{BUS_PORT, CLIENT_PORT, DATA_FOLDER, RUN_FOLDER, TLS_FOLDER, metadata, node_metadata};
use crate::{Blueprint, Style};

/// The key of the configuration: the tutorial's.
pub(super) const REDIS_CONF: &str = "redis.conf";
pub(super) const START: &str = "start.sh";
pub(super) const PROBE: &str = "probe.sh";
pub(super) const PRE_STOP: &str = "pre-stop.sh";

const SCRIPTS: [(&str, &str); 4] = [
    ("common.sh", include_str!("scripts/common.sh")),
    (PRE_STOP, include_str!("scripts/pre-stop.sh")),
    (PROBE, include_str!("scripts/probe.sh")),
    (START, include_str!("scripts/start.sh")),
];

/// The text of redis.conf that all nodes share: the wanted settings, then what the deployment decides. Secrets and what a
/// pod learns only when it starts (its address, its name) are added by the start script, in a copy.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// let mut wanted = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id);
/// wanted.settings.set("maxmemory-policy", "allkeys-lru")?;
/// let text = objects::redis_conf(&wanted.check()?);
/// assert!(text.contains("\ncluster-config-file /var/lib/redis/nodes.conf\n"));
/// // Three fifths of the container's 256 MiB.
/// assert!(text.contains("\nmaxmemory 161061273\n"), "{text}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn redis_conf(blueprint: &Blueprint) -> String {
    let mut settings = blueprint.settings().clone();
    settings.merge(&owned(blueprint));
    format!("# Written by slotwright for {}.\n{}", blueprint.wanted().name, settings.render())
}

/// What the deployment decides.
fn owned(blueprint: &Blueprint) -> Settings {
    let wanted = blueprint.wanted();
    let (port, bus) = (CLIENT_PORT.to_string(), BUS_PORT.to_string());
    let socket = format!("{RUN_FOLDER}/redis.sock");
    let nodes_conf = format!("{DATA_FOLDER}/nodes.conf");
    let [ca, certificate, key] = super::access::TLS_KEYS.map(|name| format!("{TLS_FOLDER}/{name}"));
    let mut lines = vec![
        ("cluster-enabled", "yes"),
        ("cluster-config-file", &nodes_conf),
        ("dir", DATA_FOLDER),
        // The network policy and the password decide who comes in; protected mode would keep the peers out.
        ("protected-mode", "no"),
        ("daemonize", "no"),
        // Standard output, which the container runtime keeps.
        ("logfile", ""),
        ("unixsocket", &socket),
        ("unixsocketperm", "700"),
        ("cluster-announce-bus-port", &bus),
    ];
    match wanted.tls {
        None => lines.extend([("port", port.as_str()), ("cluster-announce-port", &port)]),
        Some(_) => lines.extend([
            ("port", "0"),
            ("tls-port", port.as_str()),
            ("cluster-announce-tls-port", &port),
            ("tls-cluster", "yes"),
            ("tls-replication", "yes"),
            ("tls-auth-clients", if wanted.client_certificates { "yes" } else { "optional" }),
            ("tls-ca-cert-file", &ca),
            ("tls-cert-file", &certificate),
            ("tls-key-file", &key),
        ]),
    }
    let mut settings = Settings::new();
    for (name, value) in lines {
        // These names are plain and their values single arguments, so each can be set.
        let _ = settings.set(name, value);
    }
    settings
}

/// The ConfigMap of redis.conf for all nodes of the StatefulSet.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// # let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
/// let config = objects::config_map(&blueprint);
/// assert_eq!(config.data.unwrap()["redis.conf"], objects::redis_conf(&blueprint));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn config_map(blueprint: &Blueprint) -> ConfigMap {
    ConfigMap {
        metadata: metadata(blueprint, &blueprint.wanted().names.config),
        data: Some(one(REDIS_CONF, redis_conf(blueprint))),
        ..ConfigMap::default()
    }
}

/// The ConfigMap of one node in the Deployment variant. The node's DNS name is that of its Service and known beforehand,
/// so it stands in it.
///
/// ```
/// # use slotwright_kube::{SecretValue, Style, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// let mut wanted = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id);
/// wanted.style = Style::Deployment;
/// let config = objects::node_config_map(&wanted.check()?, 2);
/// assert!(config.data.unwrap()["redis.conf"].ends_with("-hostname sessions-2.shop.svc.cluster.local\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn node_config_map(blueprint: &Blueprint, ordinal: u32) -> ConfigMap {
    let wanted = blueprint.wanted();
    let mut text = redis_conf(blueprint);
    if wanted.announce_hostnames && wanted.style == Style::Deployment {
        text.push_str(&format!("cluster-announce-hostname {}\n", blueprint.hostname(ordinal)));
    }
    let node = wanted.names.node(ordinal);
    ConfigMap {
        metadata: node_metadata(blueprint, &node, &wanted.names.node_config(ordinal)),
        data: Some(one(REDIS_CONF, text)),
        ..ConfigMap::default()
    }
}

/// The ConfigMap of the scripts: `start.sh`, `probe.sh`, `pre-stop.sh`, and `common.sh`, which they share.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// # let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
/// let scripts = objects::scripts(&blueprint).data.unwrap();
/// assert_eq!(scripts.into_keys().collect::<Vec<_>>(), ["common.sh", "pre-stop.sh", "probe.sh", "start.sh"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn scripts(blueprint: &Blueprint) -> ConfigMap {
    let data = SCRIPTS.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    ConfigMap {
        metadata: metadata(blueprint, &blueprint.wanted().names.scripts),
        data: Some(data),
        ..ConfigMap::default()
    }
}

fn one(key: &str, text: String) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), text)])
}
