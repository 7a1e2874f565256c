//! The section `kubernetes`: nodes that are pods.
//!
//! What the user writes, and what can be judged of it without Kubernetes. Names, amounts and images are judged where the
//! objects are built, with the feature `kubernetes`.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use super::{
    ClusterSpec, SpecError,
    values::{Amount, TextSource},
};

/// Where and how the pods run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KubernetesSpec {
    /// The context of the kubeconfig. Left out: its current one, or, where there is no kubeconfig, the account of the
    /// pod this runs in.
    #[serde(default)]
    pub context: Option<String>,
    /// The namespace of everything that has one.
    pub namespace: String,
    /// Whether the namespace is made too, with the pod security standard `restricted` enforced in it.
    #[serde(default)]
    pub create_namespace: bool,
    /// How the nodes are run.
    #[serde(default)]
    pub style: KubernetesStyle,
    /// Whose programs the image has.
    #[serde(default)]
    pub engine: KubernetesEngine,
    /// The image of the nodes, with a tag other than `latest` or with a digest, for instance
    /// `docker.io/library/redis:7.2.5`. What it must contain: `crates/kube/IMAGE.md`.
    pub image: String,
    /// Secrets of the registry, by name.
    #[serde(default)]
    pub pull_secrets: Vec<String>,
    /// How the deployer reaches the pods.
    #[serde(default)]
    pub dial: Dial,
    /// A Secret that is there already and holds the password and the deployment's id; in place of `password`. Left out:
    /// the deployment writes a Secret of its own.
    #[serde(default)]
    pub secret: Option<SecretSpec>,
    /// An ACL file with users beside the default one, `user <name> <rules>` a line. It needs a password.
    #[serde(default)]
    pub users: Option<TextSource>,
    /// Certificates, so that every connection is encrypted: of clients, of replicas, and of the cluster bus.
    #[serde(default)]
    pub tls: Option<TlsSpec>,
    /// The volumes that hold the data.
    #[serde(default)]
    pub volumes: VolumesSpec,
    /// What each node may use: 100m of a processor and 256Mi of memory where nothing is said. `maxmemory` follows from
    /// the limit of memory, unless `settings` have it.
    #[serde(default)]
    pub resources: ResourcesSpec,
    /// The user the nodes run as, never 0. Left out: the owner of the exports with `storage.nfs`, else 999.
    #[serde(default)]
    pub user: Option<u32>,
    /// The group the nodes run as, never 0. Left out: that of the exports with `storage.nfs`, else 999.
    #[serde(default)]
    pub group: Option<u32>,
    /// Who may connect to the client port. Left out: every pod of the namespace. The nodes and the deployer always may.
    #[serde(default)]
    pub clients: Option<ClientsSpec>,
    /// How the pods are kept apart.
    #[serde(default)]
    pub spread: SpreadSpec,
    /// Labels that the Kubernetes nodes must have.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Seconds from the wish to end a pod to its end, the hand-over of its slots included; 60 or more.
    #[serde(default = "default_grace")]
    #[schemars(range(min = 60))]
    pub grace_seconds: u32,
    /// Seconds a node may take to load its data before it counts as hung and is started again; 60 or more.
    #[serde(default = "default_load")]
    #[schemars(range(min = 60))]
    pub load_seconds: u32,
    /// Whether nodes announce their DNS names beside their addresses. Servers older than 7.0 do not start with it.
    #[serde(default = "yes")]
    pub announce_hostnames: bool,
    /// The domain of the Kubernetes cluster's DNS names.
    #[serde(default = "default_domain")]
    pub cluster_domain: String,
    /// A sidecar that exports metrics.
    #[serde(default)]
    pub metrics: Option<MetricsSpec>,
    /// Other names for the objects than those made of the deployment's.
    #[serde(default)]
    pub names: NamesSpec,
}

fn default_grace() -> u32 {
    60
}

fn default_load() -> u32 {
    3600
}

fn yes() -> bool {
    true
}

fn default_domain() -> String {
    "cluster.local".to_owned()
}

/// How the nodes are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KubernetesStyle {
    /// One StatefulSet; each pod announces its own address.
    #[default]
    StatefulSet,
    /// For each node a Deployment and a Service, whose address is announced and outlives the pod.
    Deployment,
}

/// Whose programs an image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KubernetesEngine {
    /// `redis-server` and `redis-cli`.
    #[default]
    Redis,
    /// `valkey-server` and `valkey-cli`.
    Valkey,
}

/// How the deployer reaches the pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dial {
    /// Directly where their addresses can be reached from here, else through the API server.
    #[default]
    Auto,
    /// Through port-forwards of the API server.
    Forward,
    /// Directly.
    Direct,
}

/// A Secret in the namespace that somebody else writes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SecretSpec {
    /// Its name.
    pub name: String,
    /// The key of the password of the default user, one line.
    #[serde(default = "default_password_key")]
    pub password: String,
    /// The key of the deployment's id: 32 hexadecimal digits, made once and never changed (`openssl rand -hex 16`).
    #[serde(default = "default_id_key")]
    pub deployment_id: String,
    /// The key of an ACL file, where there is one; in place of `kubernetes.users`.
    #[serde(default)]
    pub users: Option<String>,
}

fn default_password_key() -> String {
    "password".to_owned()
}

fn default_id_key() -> String {
    "deployment-id".to_owned()
}

/// Certificates of the nodes, good for clients and for servers: on the bus, and for replication, nodes are both.
///
/// Either `secret`, or the three files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TlsSpec {
    /// A Secret in the namespace with the keys `ca.crt`, `tls.crt` and `tls.key`, as cert-manager writes it.
    #[serde(default)]
    pub secret: Option<String>,
    /// A PEM file: who signed the certificates of nodes and clients.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// A PEM file: the certificate of all nodes.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// A PEM file: its key.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The name that the deployer expects in the nodes' certificate. Left out: that of each node.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Whether clients must show a certificate too. Nodes always do.
    #[serde(default = "yes")]
    pub client_certificates: bool,
}

/// The PEM files of [`TlsSpec`], as absolute paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Who signed.
    pub ca: PathBuf,
    /// The certificate of all nodes.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The volumes that hold the data. With `storage.nfs` each is one of its exports, and only `size` can be said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct VolumesSpec {
    /// The storage class. Left out: the default of the Kubernetes cluster.
    pub class: Option<String>,
    /// The size of each node's volume. On NFS it is what Kubernetes is told; nothing enforces it.
    pub size: Amount,
    /// How they are mounted. Left out: `read-write-once`.
    pub access: Option<VolumeAccess>,
}

impl Default for VolumesSpec {
    fn default() -> Self {
        Self { class: None, size: Amount::new("8Gi"), access: None }
    }
}

/// How a volume is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeAccess {
    /// By one Kubernetes node.
    #[default]
    ReadWriteOnce,
    /// By one pod (Kubernetes 1.22 and later, CSI drivers only).
    ReadWriteOncePod,
    /// By any.
    ReadWriteMany,
}

/// What a container may use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ResourcesSpec {
    /// Processor time the scheduler sets aside.
    pub cpu_request: Option<Amount>,
    /// The most processor time. Left out: as much as there is, because a server that is held back misses its peers' pings.
    pub cpu_limit: Option<Amount>,
    /// Memory the scheduler sets aside. Left out: the limit.
    pub memory_request: Option<Amount>,
    /// The most memory; beyond it the kernel kills the process. Left out: the request.
    pub memory_limit: Option<Amount>,
}

/// Who may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientsSpec {
    /// `anyone`: whoever reaches a pod.
    Anyone,
    /// A list: these, and nobody else.
    Only(Vec<PeerSpec>),
}

impl<'de> Deserialize<'de> for ClientsSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = ClientsSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`anyone`, or a list such as [{ cidr: 10.0.0.0/16 }, { pods: { app: shop } }]")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ClientsSpec, E> {
                match text {
                    "anyone" => Ok(ClientsSpec::Anyone),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<ClientsSpec, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(ClientsSpec::Only)
            }
        }
        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for ClientsSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClientsSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let peer = generator.subschema_for::<PeerSpec>();
        json_schema!({
            "description": "`anyone`, or a list of those who may; an empty list lets in nobody.",
            "oneOf": [{ "const": "anyone" }, { "type": "array", "items": peer }]
        })
    }
}

/// One source of connections: `cidr`, or pods.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PeerSpec {
    /// A network, `10.0.0.0/16`. Note that addresses are often rewritten on the way into a cluster.
    #[serde(default)]
    pub cidr: Option<String>,
    /// Networks within it that are left out.
    #[serde(default)]
    pub except: Vec<String>,
    /// Pods with all of these labels; `{}` is every pod.
    #[serde(default)]
    pub pods: Option<BTreeMap<String, String>>,
    /// The pods' namespaces: those with all of these labels; `{}` is every one. Left out: the deployment's own.
    #[serde(default)]
    pub namespaces: Option<BTreeMap<String, String>>,
}

/// How the pods are kept apart. Which node copies which is decided when they run, from where they run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SpreadSpec {
    /// Labels of Kubernetes nodes, each a kind of failure domain.
    pub keys: Vec<String>,
    /// Whether a pod stays pending rather than make the spread uneven.
    pub required: bool,
}

impl Default for SpreadSpec {
    fn default() -> Self {
        let keys = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"].map(str::to_owned).into();
        Self { keys, required: false }
    }
}

/// A sidecar that exports metrics.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MetricsSpec {
    /// An image of redis_exporter, with a tag or digest, for instance `docker.io/oliver006/redis_exporter:v1.62.0`.
    pub image: String,
    /// The port it listens on.
    #[serde(default = "default_metrics_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Who may read them. Left out: every pod of every namespace.
    #[serde(default)]
    pub readers: Option<ClientsSpec>,
    /// A ServiceMonitor, where the kinds of the Prometheus operator are installed.
    #[serde(default)]
    pub monitor: Option<MonitorSpec>,
    /// What the sidecar may use: 10m of a processor and 32Mi of memory, 64Mi at most, where nothing is said.
    #[serde(default)]
    pub resources: ResourcesSpec,
}

fn default_metrics_port() -> u16 {
    9121
}

/// A ServiceMonitor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MonitorSpec {
    /// Labels by which a Prometheus finds it.
    pub labels: BTreeMap<String, String>,
    /// Seconds from one scrape to the next.
    #[schemars(range(min = 1))]
    pub interval_seconds: u32,
}

impl Default for MonitorSpec {
    fn default() -> Self {
        Self { labels: BTreeMap::new(), interval_seconds: 30 }
    }
}

/// Names of objects. Below, `NAME` is that of the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NamesSpec {
    /// The StatefulSet; pods, or the Deployments and their Services, begin with it. Left out: `NAME`.
    pub workload: Option<String>,
    /// The headless Service. Left out: `NAME-nodes`.
    pub headless: Option<String>,
    /// The Service for clients. Left out: `NAME`.
    pub clients: Option<String>,
    /// The ConfigMap with redis.conf; with `style: deployment`, one for each node begins with it. Left out: `NAME-conf`.
    pub config: Option<String>,
    /// The ConfigMap with the scripts. Left out: `NAME-scripts`.
    pub scripts: Option<String>,
    /// The Secret that the deployment writes. Left out: `NAME-secret`.
    pub secret: Option<String>,
    /// The ServiceAccount. Left out: `NAME`.
    pub account: Option<String>,
    /// The claims, and the volume in the pod. Left out: `data`.
    pub claim: Option<String>,
    /// What the PersistentVolumes on NFS begin with, before a number from 1. Left out: `NAMESPACE-NAME-pv`.
    pub volumes: Option<String>,
    /// The PodDisruptionBudget. Left out: `NAME`.
    pub budget: Option<String>,
    /// The NetworkPolicy. Left out: `NAME`.
    pub policy: Option<String>,
    /// The Service and the ServiceMonitor of the metrics. Left out: `NAME-metrics`.
    pub metrics: Option<String>,
}

fn bad(field: &str, why: impl fmt::Display) -> SpecError {
    SpecError::new(format!("kubernetes.{field}: {why}"))
}

impl KubernetesSpec {
    pub(super) fn judge(&self, spec: &ClusterSpec) -> Result<(), SpecError> {
        self.judge_secrets(spec.password.is_some())?;
        self.judge_tls()?;
        for (field, clients) in [
            ("clients", self.clients.as_ref()),
            ("metrics.readers", self.metrics.as_ref().and_then(|metrics| metrics.readers.as_ref())),
        ] {
            if let Some(ClientsSpec::Only(peers)) = clients {
                for (index, peer) in peers.iter().enumerate() {
                    peer.judge().map_err(|why| bad(&format!("{field}[{index}]"), why))?;
                }
            }
        }
        match &spec.storage {
            Some(storage) => self.judge_nfs(storage.nfs.owner.uid, storage.nfs.owner.gid),
            None => Ok(()),
        }
    }

    fn judge_secrets(&self, has_password: bool) -> Result<(), SpecError> {
        match &self.secret {
            Some(secret) if has_password => {
                return Err(SpecError::new(format!(
                    "password, kubernetes.secret: both say where the password is; leave out one of the two (in the Secret \
                     {} it is under the key {})",
                    secret.name, secret.password
                )));
            }
            Some(SecretSpec { users: Some(_), .. }) if self.users.is_some() => {
                return Err(bad(
                    "users",
                    "kubernetes.secret.users names an ACL file already; leave out one of the two",
                ));
            }
            None if self.users.is_some() && !has_password => {
                return Err(bad(
                    "users",
                    "beside other users the default one needs a password, or everyone is that one: set password: { env: \
                     NAME } or { file: PATH }, or kubernetes.secret",
                ));
            }
            _ => {}
        }
        Ok(())
    }

    fn judge_tls(&self) -> Result<(), SpecError> {
        let Some(tls) = &self.tls else { return Ok(()) };
        let files = [&tls.ca, &tls.certificate, &tls.key];
        match (&tls.secret, files.iter().filter(|file| file.is_some()).count()) {
            (Some(_), 0) | (None, 3) => Ok(()),
            (Some(_), _) => Err(bad(
                "tls",
                "the certificates are in `secret` or in files; leave out secret, or ca, certificate and key",
            )),
            (None, _) => {
                Err(bad("tls", "name a Secret (secret: NAME), or all three files: ca, certificate and key"))
            }
        }
    }

    fn judge_nfs(&self, uid: u32, gid: u32) -> Result<(), SpecError> {
        for (said, field) in
            [(self.volumes.class.is_some(), "class"), (self.volumes.access.is_some(), "access")]
        {
            if said {
                return Err(bad(
                    &format!("volumes.{field}"),
                    "with storage.nfs the volumes are its exports, of no class and for any node to mount; leave out one \
                     of the two",
                ));
            }
        }
        if uid == 0 || gid == 0 {
            return Err(SpecError::new(
                "storage.nfs.owner: the owner of the exports is who the nodes run as, and pods do not run as root; 999 \
                 is usual",
            ));
        }
        for (wish, owner, field, of) in [(self.user, uid, "user", "uid"), (self.group, gid, "group", "gid")] {
            if let Some(wish) = wish.filter(|wish| *wish != owner) {
                return Err(bad(
                    field,
                    format!(
                        "{wish} is not the owner of the exports, {owner} (storage.nfs.owner.{of}), so the nodes could not \
                         write; leave it out here, or make them the same"
                    ),
                ));
            }
        }
        Ok(())
    }
}

impl PeerSpec {
    fn judge(&self) -> Result<(), &'static str> {
        match (&self.cidr, self.pods.is_some() || self.namespaces.is_some()) {
            (Some(_), false) => Ok(()),
            (None, true) if self.except.is_empty() => Ok(()),
            (None, true) => Err("`except` goes with `cidr`: networks within it that are left out"),
            (Some(_), true) => Err("an entry is a network or pods; make two of it"),
            (None, false) => Err("name a network (cidr: 10.0.0.0/16) or pods (pods: { app: shop })"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
name: demo
shards: 3
replicas-per-shard: 1
kubernetes:
  namespace: shop
  image: redis:7.2.5
";
    const NFS: &str = "\
storage:
  nfs:
    address: 10.0.0.1
    base-directory: /data/nfs/redis
    clients: [10.0.0.0/16]
";

    fn with(lines: &str) -> Result<ClusterSpec, String> {
        ClusterSpec::parse(&format!("{GOOD}{lines}")).map_err(|error| error.to_string())
    }

    #[test]
    fn every_field_can_be_written() {
        let full = "  context: test
  create-namespace: true
  style: deployment
  engine: valkey
  pull-secrets: [registry]
  dial: forward
  users: { file: users.acl }
  tls: { ca: ca.pem, certificate: tls.pem, key: tls.key, server-name: redis.shop, client-certificates: false }
  volumes: { class: fast, size: 1073741824, access: read-write-once-pod }
  resources: { cpu-request: 2, cpu-limit: 2500m, memory-request: 1Gi, memory-limit: 2Gi }
  user: 1001
  group: 1002
  clients:
    - { cidr: 10.0.0.0/16, except: [10.0.1.0/24] }
    - pods: { app: shop }
      namespaces: { team: \"7\" }
    - namespaces: {}
  spread: { keys: [rack], required: true }
  node-selector: { disk: ssd }
  grace-seconds: 90
  load-seconds: 600
  announce-hostnames: false
  cluster-domain: example.org
  metrics:
    image: oliver006/redis_exporter:v1.62.0
    port: 9200
    readers: anyone
    monitor: { labels: { release: prometheus }, interval-seconds: 15 }
    resources: { memory-limit: 128Mi }
  names: { workload: a, headless: b, clients: c, config: d, scripts: e, secret: f, account: g, claim: h, volumes: i, \
           budget: j, policy: k, metrics: l }
password: { env: DEMO }
";
        let spec = with(full).unwrap();
        let json: serde_json::Value = serde_saphyr::from_str(&format!("{GOOD}{full}")).unwrap();
        let validator = jsonschema::validator_for(&ClusterSpec::json_schema()).unwrap();
        assert!(validator.is_valid(&json), "{:?}", validator.validate(&json).unwrap_err().to_string());
        let section = spec.kubernetes.as_ref().unwrap();
        assert_eq!(section.volumes.size.as_str(), "1073741824");
        assert_eq!(section.resources.cpu_request.as_ref().unwrap().as_str(), "2");
        assert!(matches!(&section.clients, Some(ClientsSpec::Only(peers)) if peers.len() == 3));
        assert!(
            spec.tls_files().is_some_and(|files| files.key.is_absolute() && files.key.ends_with("tls.key"))
        );
    }

    #[test]
    fn little_need_be_said() {
        let spec = with("").unwrap();
        let section = spec.kubernetes.as_ref().unwrap();
        assert_eq!((section.style, section.dial), (KubernetesStyle::StatefulSet, Dial::Auto));
        assert!(section.announce_hostnames && section.clients.is_none() && spec.tls_files().is_none());
        assert!(
            with(&format!("  secret: {{ name: login }}\n  tls: {{ secret: certificates }}\n{NFS}")).is_ok()
        );
    }

    #[test]
    fn what_contradicts_itself_is_told_at_its_place() {
        let nfs = |lines: &str| format!("{lines}{NFS}");
        let cases = [
            (
                "local: { ports: 7000, data-directory: d }\n".into(),
                "local, kubernetes: the nodes are processes",
            ),
            ("  secret: { name: a }\npassword: { env: P }\n".into(), "password, kubernetes.secret: both say"),
            (
                "  users: { env: U }\n".into(),
                "kubernetes.users: beside other users the default one needs a password",
            ),
            (
                "  users: { env: U }\n  secret: { name: a, users: b }\n".into(),
                "kubernetes.users: kubernetes.secret.users names",
            ),
            ("  tls: {}\n".into(), "kubernetes.tls: name a Secret"),
            ("  tls: { ca: a, key: b }\n".into(), "all three files"),
            (
                "  tls: { secret: a, ca: b }\n".into(),
                "kubernetes.tls: the certificates are in `secret` or in files",
            ),
            ("  clients: [{}]\n".into(), "kubernetes.clients[0]: name a network"),
            (
                "  clients: [{ cidr: 10.0.0.0/8, pods: {} }]\n".into(),
                "kubernetes.clients[0]: an entry is a network or",
            ),
            (
                "  clients: [{ pods: {} }, { pods: {}, except: [10.0.0.0/8] }]\n".into(),
                "kubernetes.clients[1]: `except`",
            ),
            ("  metrics: { image: 'a:1', readers: [{}] }\n".into(), "kubernetes.metrics.readers[0]: name"),
            (nfs("  volumes: { class: fast }\n"), "kubernetes.volumes.class: with storage.nfs"),
            (nfs("  volumes: { access: read-write-once }\n"), "kubernetes.volumes.access: with storage.nfs"),
            (
                nfs("  user: 1000\n"),
                "kubernetes.user: 1000 is not the owner of the exports, 999 (storage.nfs.owner.uid)",
            ),
            (
                nfs("  group: 1000\n"),
                "kubernetes.group: 1000 is not the owner of the exports, 999 (storage.nfs.owner.gid)",
            ),
            (format!("{NFS}    owner: {{ uid: 0, gid: 0 }}\n"), "storage.nfs.owner: "),
        ];
        for (lines, expected) in cases {
            let error = with(&lines).unwrap_err();
            assert!(error.contains(expected), "{lines}: {error}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        let cases = [
            ("  clients: everyone\n", "`anyone`, or a list such as", "line 7"),
            ("  clients: 7\n", "`anyone`, or a list such as", "line 7"),
            ("  clients: [{ ports: {} }]\n", "did you mean `pods`?", "line 7"),
            ("  clients: [10.0.0.0/8]\n", "expected `key: value`", "line 7"),
            ("  volumes: { size: [1] }\n", "an amount such as 256Mi", "line 7"),
            ("  volumes: { siez: 1Gi }\n", "did you mean `size`?", "line 7"),
            ("  style: statefulset\n", "stateful-set", "line 7"),
            ("  grace-seconds: soon\n", "expected a whole number", "line 7"),
            ("  secret: login\n", "expected `key: value`", "line 7"),
            ("  names: { statefulset: a }\n", "workload", "line 7"),
            ("  imgae: x\n", "did you mean `image`?", "line 7"),
        ];
        for (lines, expected, place) in cases {
            let error = with(lines).unwrap_err();
            assert!(error.contains(expected) && error.contains(place), "{lines}: {error}");
        }
    }

    #[test]
    fn an_acl_file_in_the_spec_is_refused_and_never_repeated() {
        for written in ["user shop on >hunter2", "[hunter2]", "{ text: hunter2 }"] {
            let error = with(&format!("  users: {written}\n")).unwrap_err();
            assert!(error.contains("does not belong in the spec") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn an_acl_file_is_read_whole_from_the_folder_of_the_spec() {
        use secrecy::ExposeSecret;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spec.yaml");
        let text = format!("{GOOD}  users: {{ file: users.acl }}\npassword: {{ env: P }}\n");
        std::fs::write(&file, text).unwrap();
        let spec = ClusterSpec::load(&file).unwrap();
        let users = folder.path().join("users.acl");
        let error = spec.users().unwrap_err().to_string();
        assert!(error.starts_with("kubernetes.users: cannot read") && error.contains("users.acl"), "{error}");
        std::fs::write(&users, "\n").unwrap();
        assert!(spec.users().unwrap_err().to_string().contains("is empty"));
        std::fs::write(&users, "user a on\nuser b on\n").unwrap();
        assert_eq!(spec.users().unwrap().unwrap().expose_secret(), "user a on\nuser b on\n");
    }
}
