//! What a deployment on Kubernetes is wanted to be.

use std::collections::BTreeMap;

use slotwright_cluster::Settings;

use crate::{Access, Blueprint, Bytes, Cpu, Engine, Image, Names, Rejected, SecretValue, Tls};

/// What a deployment on Kubernetes is wanted to be: the one input of every builder.
///
/// [`Wanted::new`] gives each field a value that works; each can be changed before [`Wanted::check`] turns it into a
/// [`Blueprint`]. The one that should be is [`Wanted::access`]: no password can be made up here
/// ([`Blueprint::advice`] reminds of it).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Wanted {
    /// The deployment's name.
    pub name: String,
    /// The namespace of all objects that have one.
    pub namespace: String,
    /// Whether the namespace is made too, with the `restricted` pod security standard enforced in it.
    pub make_namespace: bool,
    /// What the objects are called.
    pub names: Names,
    /// One StatefulSet, or one Deployment for each node.
    pub style: Style,
    /// Shards (primaries).
    pub shards: u32,
    /// Replicas of each shard's primary.
    pub replicas_per_shard: u32,
    /// The image of the nodes.
    pub image: Image,
    /// Whose programs the image has.
    pub engine: Engine,
    /// Secrets of the registry, by name.
    pub pull_secrets: Vec<String>,
    /// Directives of redis.conf that are the user's to decide. Those that may hold credentials (`user`, `loadmodule`,
    /// settings of modules) go to the Secret, not to the ConfigMap.
    pub settings: Settings,
    /// Who may log in.
    pub access: Access,
    /// The deployment's id: 32 hexadecimal digits, stamped beside each node's data.
    pub deployment_id: SecretValue,
    /// Certificates, when connections are to be encrypted.
    pub tls: Option<Tls>,
    /// With TLS: whether clients must show a certificate too. Nodes always do.
    pub client_certificates: bool,
    /// Where the data lies.
    pub storage: Storage,
    /// What each node's container may use. `maxmemory` follows from its limit, unless the settings have it.
    pub resources: Resources,
    /// The user the nodes run as; never 0.
    pub user: u32,
    /// The group the nodes run as, and that volumes are made to belong to; never 0.
    pub group: u32,
    /// Who may connect to the client port.
    pub clients: Clients,
    /// How the pods are kept apart.
    pub spread: Spread,
    /// Labels that the Kubernetes nodes must have.
    pub node_selector: BTreeMap<String, String>,
    /// Seconds from the wish to end a pod to its end, the hand-over of its slots included; 60 or more.
    pub grace_seconds: u32,
    /// Seconds a node may take to load its data before it counts as hung and is started again.
    pub load_seconds: u32,
    /// Whether nodes announce their DNS names (7.0 and later; older servers do not start with it).
    pub announce_hostnames: bool,
    /// The domain of the Kubernetes cluster's names.
    pub cluster_domain: String,
    /// A sidecar that exports metrics.
    pub metrics: Option<Metrics>,
}

/// How the nodes are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// One StatefulSet; each pod announces its own address.
    #[default]
    StatefulSet,
    /// For each node a Deployment and a Service, whose cluster address is announced and outlives the pod.
    Deployment,
}

/// Where the data lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// Volumes that a storage class makes.
    Class {
        /// The class; `None` is the cluster's default.
        class: Option<String>,
        /// The size of each node's volume.
        size: Bytes,
        /// How the volumes are mounted.
        access: AccessMode,
    },
    /// Folders that an NFS server exports, one for each node in the order of their ordinals.
    ///
    /// Whether mount options are safe is judged by whoever knows NFS (`slotwright_nfs::MountOptions`).
    Nfs {
        /// One volume a node.
        volumes: Vec<NfsVolume>,
    },
}

/// How a volume is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessMode {
    /// By one Kubernetes node.
    #[default]
    ReadWriteOnce,
    /// By one pod (1.22 and later, CSI drivers only).
    ReadWriteOncePod,
    /// By any.
    ReadWriteMany,
}

impl AccessMode {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "ReadWriteOnce",
            Self::ReadWriteOncePod => "ReadWriteOncePod",
            Self::ReadWriteMany => "ReadWriteMany",
        }
    }
}

/// One exported folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NfsVolume {
    /// The server's name or address, as the Kubernetes nodes reach it.
    pub server: String,
    /// The exported folder: absolute.
    pub path: String,
    /// Options of the mount, one a string: `nfsvers=4.1`, `hard`, `noatime`.
    pub mount_options: Vec<String>,
    /// The size that is told to Kubernetes; nothing enforces it.
    pub size: Bytes,
}

/// What a container may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// Processor time the scheduler sets aside.
    pub cpu_request: Cpu,
    /// The most processor time; `None` for as much as there is: a server that is held back misses its peers' pings.
    pub cpu_limit: Option<Cpu>,
    /// Memory the scheduler sets aside.
    pub memory_request: Bytes,
    /// The most memory: beyond it the kernel kills the process.
    pub memory_limit: Bytes,
}

/// Who may connect to the client port. Nodes may always, and so may a port-forward through the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clients {
    /// Everyone who reaches a pod.
    Anyone,
    /// These, and nobody else.
    Only(Vec<Peer>),
}

/// One source of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Addresses, `10.0.0.0/16`. Note that addresses are often rewritten on the way into a cluster.
    Addresses {
        /// The network.
        cidr: String,
        /// Networks within it that are left out.
        except: Vec<String>,
    },
    /// Pods with all of these labels (none: all pods) …
    Pods {
        /// … the pods' labels …
        labels: BTreeMap<String, String>,
        /// … in namespaces with all of these (none: all namespaces); `None` is the deployment's own namespace.
        namespaces: Option<BTreeMap<String, String>>,
    },
}

/// How the pods are kept apart. Which node copies which is decided by the planner from where the pods really run, so
/// there is no shard to name here: what can be asked for is that all pods spread evenly over every failure domain, and
/// the planner then finds two of them for each shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// Labels of Kubernetes nodes, each a kind of failure domain.
    pub keys: Vec<String>,
    /// Whether a pod stays pending rather than make the spread uneven.
    pub required: bool,
}

/// A sidecar that exports metrics, asked over the socket of the node beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// An image of redis_exporter.
    pub image: Image,
    /// The port it listens on.
    pub port: u16,
    /// What the sidecar may use.
    pub resources: Resources,
    /// Who may read the metrics.
    pub readers: Clients,
    /// A ServiceMonitor, where the Prometheus operator's kinds are installed.
    pub monitor: Option<ServiceMonitorWish>,
}

impl Metrics {
    /// This image on the exporter's usual port, for every pod to read, without a ServiceMonitor.
    pub fn new(image: Image) -> Self {
        let resources = Resources {
            cpu_request: Cpu::millis(10),
            cpu_limit: None,
            memory_request: Bytes::mebibytes(32),
            memory_limit: Bytes::mebibytes(64),
        };
        let readers =
            Clients::Only(vec![Peer::Pods { labels: BTreeMap::new(), namespaces: Some(BTreeMap::new()) }]);
        Self { image, port: 9121, resources, readers, monitor: None }
    }
}

/// What a ServiceMonitor is wanted to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceMonitorWish {
    /// Labels by which a Prometheus finds it.
    pub labels: BTreeMap<String, String>,
    /// Seconds from one scrape to the next.
    pub interval_seconds: u32,
}

impl Wanted {
    /// Three shards with a replica each, with an append-only log and a node time-out of five seconds, in a StatefulSet on the default storage class, open to the pods of their own
    /// namespace, without a password.
    pub fn new(
        name: impl Into<String>,
        namespace: impl Into<String>,
        image: Image,
        deployment_id: SecretValue,
    ) -> Self {
        let (name, namespace) = (name.into(), namespace.into());
        Self {
            names: Names::of(&namespace, &name),
            name,
            namespace,
            make_namespace: false,
            style: Style::StatefulSet,
            shards: 3,
            replicas_per_shard: 1,
            image,
            engine: Engine::Redis,
            pull_secrets: Vec::new(),
            settings: default_settings(),
            access: Access::Open,
            deployment_id,
            tls: None,
            client_certificates: true,
            storage: Storage::Class {
                class: None,
                size: Bytes::gibibytes(8),
                access: AccessMode::ReadWriteOnce,
            },
            resources: Resources {
                cpu_request: Cpu::millis(100),
                cpu_limit: None,
                memory_request: Bytes::mebibytes(256),
                memory_limit: Bytes::mebibytes(256),
            },
            user: 999,
            group: 999,
            clients: Clients::Only(vec![Peer::Pods { labels: BTreeMap::new(), namespaces: None }]),
            spread: Spread {
                keys: ["kubernetes.io/hostname", "topology.kubernetes.io/zone"].map(str::to_owned).into(),
                required: false,
            },
            node_selector: BTreeMap::new(),
            grace_seconds: 60,
            load_seconds: 3600,
            announce_hostnames: true,
            cluster_domain: "cluster.local".to_owned(),
            metrics: None,
        }
    }

    /// Checks everything and makes a blueprint of it.
    ///
    /// # Errors
    /// All that is wrong at once, each with its place and what to do.
    pub fn check(self) -> Result<Blueprint, Rejected> {
        Blueprint::new(self)
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> u32 {
        self.shards.saturating_mul(self.replicas_per_shard.saturating_add(1))
    }
}

/// The tutorial's, and what a cluster that holds data needs: a primary that restarts empty empties its replicas. The delay
/// is the servers' own; a deployer shortens it while a cluster is formed, and what is written down can be restored.
fn default_settings() -> Settings {
    let mut settings = Settings::new();
    for (name, value) in
        [("appendonly", "yes"), ("cluster-node-timeout", "5000"), ("repl-diskless-sync-delay", "5")]
    {
        // Plain names and single values, which can always be set.
        let _ = settings.set(name, value);
    }
    settings
}
