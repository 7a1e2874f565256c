//! The section `kubernetes`: nodes that are pods.
//!
//! Written without Kubernetes' own types, so that a spec is read alike by a build that knows no Kubernetes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::{NfsPlace, PasswordSource, SpecError, absolute};

/// Nodes as pods of a Kubernetes cluster.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KubernetesSpec {
    /// The context of the kubeconfig; the current one when it is left out, or the cluster the deployer itself runs in.
    #[serde(default)]
    pub context: Option<String>,
    /// The namespace of all objects.
    pub namespace: String,
    /// Whether the namespace is made, with the `restricted` pod security standard enforced in it.
    #[serde(default)]
    pub create_namespace: bool,
    /// One StatefulSet, or a Deployment and a Service for each node.
    #[serde(default)]
    pub style: KubernetesStyle,
    /// The image of the nodes, with a tag: `docker.io/library/redis:7.2.5`.
    pub image: String,
    /// Whose programs the image has.
    #[serde(default)]
    pub engine: EngineKind,
    /// Secrets of the image's registry, by name.
    #[serde(default)]
    pub pull_secrets: Vec<String>,
    /// How the deployer reaches the pods.
    #[serde(default)]
    pub dial: Dial,
    /// A Secret that others write, in place of `password` and of the Secret that `up` makes.
    #[serde(default)]
    pub secret: Option<SecretSpec>,
    /// An ACL file of more users than the default one, which stays the nodes' and the deployer's: `env: NAME` or
    /// `file: PATH`. It goes into a Secret.
    #[serde(default)]
    pub users: Option<PasswordSource>,
    /// Certificates: all connections are then encrypted, and no port takes plain text.
    #[serde(default)]
    pub tls: Option<TlsSpec>,
    /// The volumes that a storage class makes; not beside `storage.nfs`.
    #[serde(default)]
    pub storage: Option<ClaimSpec>,
    /// With `storage.nfs`: the size that is told to Kubernetes of each volume [default: 8Gi]. Nothing enforces it.
    #[serde(default)]
    pub volume_size: Option<Amount>,
    /// What each node may use.
    #[serde(default)]
    pub resources: ResourcesSpec,
    /// The user the nodes run as [default: 999]; with `storage.nfs` the owner of its directories.
    #[serde(default)]
    pub user: Option<u32>,
    /// The group the nodes run as [default: 999].
    #[serde(default)]
    pub group: Option<u32>,
    /// Who may connect to the client port: `anyone`, or a list; pods of the namespace when it is left out.
    #[serde(default)]
    pub clients: Option<ClientsSpec>,
    /// How the pods are kept apart; over host names and zones, as far as it goes, when it is left out.
    #[serde(default)]
    pub spread: Option<SpreadSpec>,
    /// Labels that the Kubernetes nodes must have.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Seconds from the wish to end a pod to its end, the hand-over of its slots included [default: 60].
    #[serde(default)]
    pub grace_seconds: Option<u32>,
    /// Seconds a node may take to load its data [default: 3600].
    #[serde(default)]
    pub load_seconds: Option<u32>,
    /// Whether nodes announce their DNS names [default: true]; servers before 7.0 do not start with it.
    #[serde(default)]
    pub announce_hostnames: Option<bool>,
    /// The domain of the cluster's names [default: cluster.local].
    #[serde(default)]
    pub cluster_domain: Option<String>,
    /// A sidecar that exports metrics.
    #[serde(default)]
    pub metrics: Option<MetricsSpec>,
    /// Other names for the objects than those that follow from the deployment's.
    #[serde(default)]
    pub names: NamesSpec,
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

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
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
    /// At their addresses where the right node answers there, else through the API server.
    #[default]
    Auto,
    /// Through the API server (port-forward), whatever is routable.
    Forward,
    /// At the addresses they announce.
    Direct,
}

/// A Secret that others write, and its keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SecretSpec {
    /// Its name.
    pub name: String,
    /// The key of the password of the default user.
    #[serde(default = "password_key")]
    pub password: String,
    /// The key of the deployment's id: 32 hexadecimal digits, made once (`openssl rand -hex 16`) and never changed.
    #[serde(default = "id_key")]
    pub deployment_id: String,
    /// The key of an ACL file of more users.
    #[serde(default)]
    pub users: Option<String>,
}

fn password_key() -> String {
    "password".to_owned()
}

fn id_key() -> String {
    "deployment-id".to_owned()
}

/// Certificates, in a Secret that others write or in files. They must be good for clients and for servers, and for the
/// nodes' names: `*.NAME-nodes.NAMESPACE.svc.cluster.local`, or for `server-name`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TlsSpec {
    /// A Secret with the keys `ca.crt`, `tls.crt` and `tls.key`, as cert-manager writes it.
    #[serde(default)]
    pub secret: Option<String>,
    /// A file: who signed the certificates of nodes and clients.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// A file: the certificate of all nodes.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// A file: its key.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The name that the deployer expects in a node's certificate, when it is not the node's own.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Whether clients must show a certificate too. Nodes always do.
    #[serde(default = "yes")]
    pub client_certificates: bool,
}

fn yes() -> bool {
    true
}

/// The volumes that a storage class makes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClaimSpec {
    /// The class; the cluster's default one when it is left out.
    #[serde(default)]
    pub class: Option<String>,
    /// The size of each node's volume [default: 8Gi].
    #[serde(default)]
    pub size: Option<Amount>,
    /// How they are mounted.
    #[serde(default)]
    pub access: ClaimAccess,
}

/// How a volume is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimAccess {
    /// By one Kubernetes node.
    #[default]
    ReadWriteOnce,
    /// By one pod (1.22 and later, CSI drivers only).
    ReadWriteOncePod,
    /// By any.
    ReadWriteMany,
}

/// What a container may use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ResourcesSpec {
    /// Processor time that is set aside: `100m`.
    #[serde(default)]
    pub cpu_request: Option<Amount>,
    /// The most processor time; as much as there is when it is left out.
    #[serde(default)]
    pub cpu_limit: Option<Amount>,
    /// Memory that is set aside: `256Mi`.
    #[serde(default)]
    pub memory_request: Option<Amount>,
    /// The most memory; `maxmemory` follows from it, unless the settings have it.
    #[serde(default)]
    pub memory_limit: Option<Amount>,
}

/// An amount as Kubernetes writes it: `100m`, `2`, `256Mi`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount(pub String);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer) {
            Ok(Written::Number(number)) => Ok(Self(number.to_string())),
            Ok(Written::Text(text)) => Ok(Self(text)),
            Err(_) => Err(serde::de::Error::custom("expected an amount such as 100m, 2 or 256Mi")),
        }
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An amount as Kubernetes writes it: 100m, 2, 256Mi.",
            "oneOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9.]+[A-Za-z]*$" }]
        })
    }
}

/// Who may connect.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ClientsSpec {
    /// A word.
    Word(Anyone),
    /// These, and nobody else.
    Only(Vec<PeerSpec>),
}

/// The word `anyone`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Anyone {
    /// Everyone who reaches a pod.
    Anyone,
}

/// One source of connections.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum PeerSpec {
    /// Addresses.
    #[serde(rename_all = "kebab-case")]
    Addresses {
        /// A network: `10.0.0.0/16`.
        cidr: String,
        /// Networks within it that are left out.
        #[serde(default)]
        except: Vec<String>,
    },
    /// Pods.
    #[serde(rename_all = "kebab-case")]
    Pods {
        /// The labels they have; `{}` for all pods.
        pods: BTreeMap<String, String>,
        /// The labels of their namespaces, `{}` for all; the deployment's own namespace when it is left out.
        #[serde(default)]
        namespaces: Option<BTreeMap<String, String>>,
    },
}

/// How the pods are kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SpreadSpec {
    /// Labels of Kubernetes nodes, each a kind of failure domain.
    pub keys: Vec<String>,
    /// Whether a pod rather waits than makes the spread uneven.
    #[serde(default)]
    pub required: bool,
}

/// A sidecar that exports metrics.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MetricsSpec {
    /// An image of redis_exporter, with a tag.
    pub image: String,
    /// The port it listens on [default: 9121].
    #[serde(default)]
    pub port: Option<u16>,
    /// What the sidecar may use.
    #[serde(default)]
    pub resources: ResourcesSpec,
    /// Who may read the metrics; every pod of the cluster when it is left out.
    #[serde(default)]
    pub readers: Option<ClientsSpec>,
    /// A ServiceMonitor, where the Prometheus operator is installed.
    #[serde(default)]
    pub monitor: Option<MonitorSpec>,
}

/// A ServiceMonitor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MonitorSpec {
    /// Labels by which a Prometheus finds it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Seconds from one scrape to the next.
    #[serde(default = "thirty")]
    pub interval_seconds: u32,
}

fn thirty() -> u32 {
    30
}

/// Names of the objects.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NamesSpec {
    /// The StatefulSet, or what Deployments and their Services begin with.
    pub workload: Option<String>,
    /// The headless Service.
    pub headless: Option<String>,
    /// The Service for clients.
    pub clients: Option<String>,
    /// The ConfigMap with redis.conf.
    pub config: Option<String>,
    /// The ConfigMap with the scripts.
    pub scripts: Option<String>,
    /// The Secret that `up` makes.
    pub secret: Option<String>,
    /// The ServiceAccount.
    pub account: Option<String>,
    /// The claim, and the volume in the pod.
    pub claim: Option<String>,
    /// What PersistentVolumes begin with; the number behind it counts from 1.
    pub volumes: Option<String>,
    /// The PodDisruptionBudget.
    pub budget: Option<String>,
    /// The NetworkPolicy.
    pub policy: Option<String>,
    /// The Service and the ServiceMonitor of the metrics.
    pub metrics: Option<String>,
}

/// What is secret about a deployment of pods and given by its spec, as content.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// The password of the default user.
    pub password: Option<SecretString>,
    /// The ACL file of the other users.
    pub users: Option<SecretString>,
    /// Certificates from files.
    pub tls: Option<TlsContents>,
}

/// Certificates from files, as PEM texts.
#[derive(Debug, Clone)]
pub struct TlsContents {
    /// Who signed the certificates.
    pub ca: SecretString,
    /// The certificate of all nodes.
    pub certificate: SecretString,
    /// Its key.
    pub key: SecretString,
}

impl KubernetesSpec {
    /// What can be known to be wrong without Kubernetes' rules; `nfs` is what the nodes' data lies on, if it does.
    pub(super) fn judge(&self, nfs: Option<&NfsPlace>, has_password: bool) -> Result<(), SpecError> {
        let bad = |field: &str, why: String| Err(SpecError::new(format!("kubernetes.{field}: {why}")));
        if self.secret.is_some() && has_password {
            return bad(
                "secret",
                "the Secret has the password, and `password` gives another; leave out one".to_owned(),
            );
        }
        if self.secret.is_some() && self.users.is_some() {
            return bad(
                "users",
                "with kubernetes.secret the ACL file stands in that Secret; name its key in kubernetes.secret.users"
                    .to_owned(),
            );
        }
        if self.users.is_some() && !has_password {
            return bad(
                "users",
                "beside other users the default one needs a password: set `password`".to_owned(),
            );
        }
        if let Some(tls) = &self.tls {
            tls.files()?;
        }
        let Some(nfs) = nfs else {
            return match self.volume_size {
                Some(_) => bad(
                    "volume-size",
                    "it is for storage.nfs; else the size is kubernetes.storage.size".to_owned(),
                ),
                None => Ok(()),
            };
        };
        if self.storage.is_some() {
            return bad(
                "storage",
                "storage.nfs says already where the nodes keep their data; leave out one of the two"
                    .to_owned(),
            );
        }
        let owner = nfs.wanted.owner;
        for (field, own, theirs) in [("user", self.user, owner.uid), ("group", self.group, owner.gid)] {
            if let Some(own) = own.filter(|own| *own != theirs) {
                return bad(
                    field,
                    format!(
                        "nodes that run as {own} cannot write to directories that belong to {theirs} (storage.nfs.owner); \
                         write one number in both places"
                    ),
                );
            }
        }
        Ok(())
    }

    pub(super) fn contents(
        &self,
        base: &Path,
        password: Option<SecretString>,
    ) -> Result<Contents, SpecError> {
        let users = self.users.as_ref().map(|users| users.read_all("kubernetes.users", base)).transpose()?;
        let tls = match self.tls.as_ref().map(TlsSpec::files).transpose()?.flatten() {
            None => None,
            Some([ca, certificate, key]) => {
                let read = |field: &str, path: &Path| {
                    let path = absolute(base, path);
                    std::fs::read_to_string(&path).map(SecretString::from).map_err(|error| {
                        SpecError::new(format!(
                            "kubernetes.tls.{field}: cannot read {}: {error}",
                            path.display()
                        ))
                    })
                };
                Some(TlsContents {
                    ca: read("ca", ca)?,
                    certificate: read("certificate", certificate)?,
                    key: read("key", key)?,
                })
            }
        };
        Ok(Contents { password, users, tls })
    }
}

impl TlsSpec {
    /// The three files, where the certificates come from files.
    pub(crate) fn files(&self) -> Result<Option<[&Path; 3]>, SpecError> {
        match (&self.secret, &self.ca, &self.certificate, &self.key) {
            (Some(_), None, None, None) => Ok(None),
            (None, Some(ca), Some(certificate), Some(key)) => Ok(Some([ca, certificate, key])),
            _ => Err(SpecError::new(
                "kubernetes.tls: give either `secret: NAME`, or all three of the files `ca`, `certificate` and `key`",
            )),
        }
    }
}
