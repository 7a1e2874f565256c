//! From what is wanted to what can be built: every check, so that no builder can fail.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    path::Path,
};

use slotwright_cluster::{
    Setting, Settings,
    settings::{SettingError, lints, validate_user},
};

use crate::{Access, Bytes, Clients, Peer, Resources, SecretValue, Storage, Style, Tls, Wanted, names};

/// A deployment that can be built: what was [`Wanted`], checked.
#[derive(Debug, Clone)]
pub struct Blueprint {
    wanted: Wanted,
    /// Settings that anyone may read, `maxmemory` among them.
    shown: Settings,
    /// Settings that may hold credentials.
    private: Settings,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field of [`Wanted`], `storage.volumes[2]` for instance.
    pub place: String,
    /// What is wrong with it, and what to do. Never a secret.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// A deployment that cannot be built, and all the reasons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Rejected {
    /// In the order of the fields, never empty.
    pub problems: Vec<Problem>,
}

/// The most nodes the cluster specification recommends.
const MOST_NODES: u32 = 1000;
/// A StatefulSet's pods carry a label of its name and a hash of 11 characters, and a label has 63 at most.
const LONGEST_NAME: usize = 52;
/// Below this an empty server with its buffers does not fit.
const LEAST_MEMORY: Bytes = Bytes::mebibytes(32);
const LEAST_GRACE: u32 = 60;

impl Blueprint {
    pub(crate) fn new(wanted: Wanted) -> Result<Self, Rejected> {
        let mut check = Check::default();
        check.identity(&wanted);
        check.secrets(&wanted);
        check.storage(&wanted);
        check.resources("resources", &wanted.resources);
        check.pods(&wanted);
        check.clients("clients", &wanted.clients);
        check.metrics(&wanted);
        let (shown, private) = check.settings(&wanted);
        if check.problems.is_empty() {
            Ok(Self { wanted, shown, private })
        } else {
            Err(Rejected { problems: check.problems })
        }
    }

    /// What was wanted.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// The names of the nodes, in order.
    pub fn nodes(&self) -> Vec<String> {
        (0..self.wanted.node_count()).map(|ordinal| self.wanted.names.node(ordinal)).collect()
    }

    /// What works but is worth a second thought, for people to read.
    ///
    /// ```
    /// use slotwright_kube::{SecretValue, Wanted};
    /// let id = SecretValue::new("0123456789abcdef0123456789abcdef");
    /// let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
    /// assert!(blueprint.advice()[0].contains("no password"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advice(&self) -> Vec<String> {
        let Wanted { shards, replicas_per_shard, access, storage, clients, .. } = &self.wanted;
        let mut advice = Vec::new();
        let mut tell = |applies: bool, text: &str| {
            if applies {
                advice.push(text.to_owned());
            }
        };
        tell(
            matches!(access, Access::Open),
            "access: there is no password, so whoever the network policy lets in can read, change and delete everything",
        );
        tell(
            *clients == Clients::Anyone,
            "clients: everyone who reaches a pod may connect; name those who need to",
        );
        tell(
            *shards < 3,
            "shards: with fewer than three no majority is left to promote a replica when a primary is lost",
        );
        tell(
            *replicas_per_shard == 0,
            "replicas-per-shard: without replicas the loss of a node is the loss of its keys",
        );
        tell(
            matches!(storage, Storage::Nfs { .. }),
            "storage: Redis' own documentation calls NFS unsupported (latency, locking); it works with version 4.1 and \
             `hard`, and a node waits while the server is away",
        );
        for lint in lints(&self.shown) {
            advice.push(format!("settings: {}: {}; {}", lint.setting, lint.why, lint.instead));
        }
        advice
    }

    /// The settings that the nodes run with, but for those that may hold credentials.
    pub fn settings(&self) -> &Settings {
        &self.shown
    }

    /// The settings that may hold credentials; `None` when there are none.
    pub(crate) fn private_settings(&self) -> Option<&Settings> {
        (!self.private.is_empty()).then_some(&self.private)
    }

    /// The labels of every object, `app.kubernetes.io/managed-by` among them.
    pub fn labels(&self) -> BTreeMap<String, String> {
        names::labels(self)
    }

    /// What selects the pods, in the form a list takes: `app=redis,…`.
    ///
    /// ```
    /// # use slotwright_kube::{SecretValue, Wanted};
    /// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
    /// # let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
    /// assert!(blueprint.selector().ends_with("appCluster=sessions"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn selector(&self) -> String {
        joined(names::selector(self))
    }

    /// What selects every object of the deployment that we made.
    pub fn own_selector(&self) -> String {
        let mut labels = names::selector(self);
        labels.insert("app.kubernetes.io/managed-by".to_owned(), names::MANAGER.to_owned());
        joined(labels)
    }

    /// The name a client can dial a node by, within the Kubernetes cluster.
    pub fn hostname(&self, ordinal: u32) -> String {
        let Wanted { names, namespace, cluster_domain, .. } = &self.wanted;
        let node = names.node(ordinal);
        match self.wanted.style {
            Style::StatefulSet => format!("{node}.{}.{namespace}.svc.{cluster_domain}", names.headless),
            Style::Deployment => format!("{node}.{namespace}.svc.{cluster_domain}"),
        }
    }
}

fn joined(labels: BTreeMap<String, String>) -> String {
    labels.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn tell(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.problems.push(Problem { place: place.into(), what: what.into() });
    }

    fn require(&mut self, sound: bool, place: &str, what: impl FnOnce() -> String) {
        if !sound {
            self.tell(place, what());
        }
    }

    fn name(&mut self, place: &str, name: &str, longest: usize) {
        self.require(is_label(name) && name.len() <= longest, place, || {
            format!(
                "`{name}` cannot be used; take small letters, digits and dashes, beginning with a letter, at most {longest}"
            )
        });
    }

    fn identity(&mut self, wanted: &Wanted) {
        let Wanted { names, .. } = wanted;
        self.name("name", &wanted.name, LONGEST_NAME);
        self.name("namespace", &wanted.namespace, 63);
        for (place, name) in [
            ("names.workload", &names.workload),
            ("names.headless", &names.headless),
            ("names.clients", &names.clients),
            ("names.config", &names.config),
            ("names.scripts", &names.scripts),
            ("names.secret", &names.secret),
            ("names.account", &names.account),
            ("names.claim", &names.claim),
            ("names.budget", &names.budget),
            ("names.policy", &names.policy),
            ("names.metrics", &names.metrics),
        ] {
            self.name(place, name, LONGEST_NAME);
        }
        // Volumes of the pod, which the claim's must not be called like.
        let taken = ["redis-conf", "scripts", "run", "secrets", "tls"].contains(&names.claim.as_str());
        self.require(!taken, "names.claim", || {
            format!("`{}` is the name of another volume of the pod", names.claim)
        });
        // A namespace and a deployment of full length make a long name, and volumes may have one.
        self.name("names.volumes", &names.volumes, 200);

        let nodes = wanted.node_count();
        self.require(wanted.shards > 0, "shards", || {
            "no shard cannot hold the 16384 slots; take 3 or more".into()
        });
        self.require(nodes <= MOST_NODES, "shards", || {
            format!("{nodes} nodes are too many for a cluster; it has at most {MOST_NODES}")
        });

        let mut services = vec![names.headless.clone(), names.clients.clone(), names.metrics.clone()];
        let mut configs = vec![names.scripts.clone()];
        match wanted.style {
            Style::StatefulSet => configs.push(names.config.clone()),
            Style::Deployment => {
                let nodes = 0..nodes.min(MOST_NODES);
                services.extend(nodes.clone().map(|ordinal| names.node(ordinal)));
                configs.extend(nodes.map(|ordinal| names.node_config(ordinal)));
            }
        }
        for (kind, mut all) in [("Services", services), ("ConfigMaps", configs)] {
            all.sort_unstable();
            if let Some(twice) =
                all.windows(2).find_map(|pair| (pair.first() == pair.last()).then(|| pair.first()).flatten())
            {
                self.tell(
                    "names",
                    format!("two {kind} would be called `{twice}`; give one of them another name"),
                );
            }
        }
        self.require(wanted.cluster_domain.split('.').all(is_dns_part), "cluster-domain", || {
            format!("`{}` is not a domain, such as cluster.local", wanted.cluster_domain)
        });
    }

    fn secrets(&mut self, wanted: &Wanted) {
        self.secret("deployment-id", &wanted.deployment_id, |id| {
            let digits = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            (!digits).then_some("expected 32 hexadecimal digits, small letters")
        });
        if let Access::Password { password, users } = &wanted.access {
            let beside_users = users.is_some();
            self.secret("access.password", password, |text| {
                if text.is_empty() {
                    Some("it is empty")
                } else if text.chars().any(char::is_control) {
                    Some("it has line ends or other control characters; a password is one line")
                } else if beside_users && text.contains(char::is_whitespace) {
                    Some("an ACL file cannot hold a password with white space; take another, or no ACL file")
                } else {
                    None
                }
            });
            if let Some(users) = users {
                self.secret("access.users", users, |text| {
                    let of = |line: &str| {
                        let mut words = line.split_whitespace();
                        (words.next() == Some("user"), words.next() == Some("default"))
                    };
                    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).map(of);
                    if lines.clone().any(|(user, default)| user && default) {
                        Some("the nodes and the deployer log in as the user default; leave it out of the ACL file")
                    } else if lines.any(|(user, _)| !user) {
                        Some("each line of an ACL file begins with `user`, and there are no comments")
                    } else {
                        None
                    }
                });
            }
        }
        match &wanted.tls {
            Some(Tls::Content { ca, certificate, key }) => {
                for (place, text) in [("tls.ca", ca), ("tls.certificate", certificate), ("tls.key", key)] {
                    self.secret(place, &SecretValue::Content(text.clone()), |text| {
                        (!text.trim_start().starts_with("-----BEGIN ")).then_some("it is not a PEM text")
                    });
                }
            }
            Some(Tls::Existing { secret }) => self.object_name("tls.secret", secret),
            None => {}
        }
        let existing = |value: &SecretValue| matches!(value, SecretValue::Existing { secret, .. } if *secret == wanted.names.secret);
        let taken = existing(&wanted.deployment_id)
            || matches!(&wanted.access, Access::Password { password, users }
                if existing(password) || users.as_ref().is_some_and(existing))
            || matches!(&wanted.tls, Some(Tls::Existing { secret }) if *secret == wanted.names.secret);
        self.require(!taken, "names.secret", || {
            format!(
                "`{}` is the deployment's own Secret, which it writes itself; give that another name to refer to one you wrote",
                wanted.names.secret
            )
        });
        for secret in &wanted.pull_secrets {
            self.object_name("pull-secrets", secret);
        }
    }

    fn secret(
        &mut self,
        place: &str,
        secret: &SecretValue,
        judge: impl FnOnce(&str) -> Option<&'static str>,
    ) {
        match secret {
            SecretValue::Existing { secret, key } => {
                self.object_name(place, secret);
                let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                self.require(!key.is_empty() && key.bytes().all(known), place, || {
                    format!("`{key}` is not a key of a Secret")
                });
            }
            content => {
                if let Some(what) = judge(content.content().unwrap_or_default()) {
                    self.tell(place, what);
                }
            }
        }
    }

    /// The name of an object that somebody else made.
    fn object_name(&mut self, place: &str, name: &str) {
        self.require(name.len() <= 253 && name.split('.').all(is_dns_part), place, || {
            format!("`{name}` is not the name of an object")
        });
    }

    fn storage(&mut self, wanted: &Wanted) {
        match &wanted.storage {
            Storage::Class { class, size, .. } => {
                if let Some(class) = class {
                    self.object_name("storage.class", class);
                }
                self.require(size.get() > 0, "storage.size", || "a volume of no size holds nothing".into());
            }
            Storage::Nfs { volumes } => {
                let nodes = wanted.node_count();
                self.require(u32::try_from(volumes.len()) == Ok(nodes), "storage.volumes", || {
                    format!("{nodes} nodes need {nodes} volumes, each its own; there are {}", volumes.len())
                });
                let mut taken: BTreeSet<(&str, &Path)> = BTreeSet::new();
                for (index, volume) in volumes.iter().enumerate() {
                    let place = format!("storage.volumes[{index}]");
                    let word = |text: &str| {
                        !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control())
                    };
                    self.require(word(&volume.server), &place, || {
                        format!("`{}` is not a server's name or address", volume.server)
                    });
                    let path = Path::new(&volume.path);
                    let upwards = volume.path.split('/').any(|part| part == "..");
                    self.require(path.is_absolute() && !upwards, &place, || {
                        format!("`{}` is not an absolute path", volume.path)
                    });
                    for option in &volume.mount_options {
                        self.require(word(option) && !option.contains(','), &place, || {
                            format!("`{option}` is not one mount option")
                        });
                    }
                    self.require(volume.size.get() > 0, &place, || {
                        "a volume of no size holds nothing".into()
                    });
                    let server = volume.server.as_str();
                    let shared = taken.iter().find(|(other, folder)| {
                        *other == server && (path.starts_with(folder) || folder.starts_with(path))
                    });
                    if let Some((_, folder)) = shared {
                        let folder = folder.display().to_string();
                        self.tell(
                            place,
                            format!("two nodes would share {folder}; give each a folder that is not within another's"),
                        );
                    }
                    taken.insert((server, path));
                }
            }
        }
    }

    fn resources(&mut self, place: &str, resources: &Resources) {
        self.require(resources.memory_request <= resources.memory_limit, place, || {
            format!(
                "{} of memory are asked for and only {} allowed",
                resources.memory_request, resources.memory_limit
            )
        });
        self.require(resources.memory_request.get() > 0, place, || "ask for some memory".into());
        self.require(resources.cpu_limit.is_none_or(|limit| resources.cpu_request <= limit), place, || {
            "more processor time is asked for than allowed".into()
        });
    }

    fn pods(&mut self, wanted: &Wanted) {
        self.require(wanted.resources.memory_limit >= LEAST_MEMORY, "resources", || {
            format!("a node does not run in {}; allow {LEAST_MEMORY} or more", wanted.resources.memory_limit)
        });
        self.require(wanted.user != 0 && wanted.group != 0, "user, group", || {
            "nodes do not run as root; 999 is usual".into()
        });
        self.require(wanted.grace_seconds >= LEAST_GRACE, "grace-seconds", || {
            format!(
                "{} s are too short to hand slots over and write what is left; take 60 or more",
                wanted.grace_seconds
            )
        });
        self.require(wanted.load_seconds >= 60, "load-seconds", || {
            format!("{} s are too short to load data; take 60 or more", wanted.load_seconds)
        });
        for key in &wanted.spread.keys {
            self.require(is_label_key(key), "spread.keys", || {
                format!("`{key}` is not a label of a Kubernetes node")
            });
        }
        let unique: BTreeSet<&String> = wanted.spread.keys.iter().collect();
        self.require(unique.len() == wanted.spread.keys.len(), "spread.keys", || "one is there twice".into());
        self.labels("node-selector", &wanted.node_selector);
    }

    fn clients(&mut self, place: &str, clients: &Clients) {
        let Clients::Only(peers) = clients else { return };
        for peer in peers {
            match peer {
                Peer::Addresses { cidr, except } => {
                    for network in std::iter::once(cidr).chain(except) {
                        self.require(is_network(network), place, || {
                            format!("`{network}` is not a network such as 10.0.0.0/16")
                        });
                    }
                }
                Peer::Pods { labels, namespaces } => {
                    self.labels(place, labels);
                    if let Some(namespaces) = namespaces {
                        self.labels(place, namespaces);
                    }
                }
            }
        }
    }

    fn labels<'a>(&mut self, place: &str, labels: impl IntoIterator<Item = (&'a String, &'a String)>) {
        for (key, value) in labels {
            self.require(is_label_key(key) && is_label_value(value), place, || {
                format!("`{key}: {value}` is not a label")
            });
        }
    }

    fn metrics(&mut self, wanted: &Wanted) {
        let Some(metrics) = &wanted.metrics else { return };
        self.resources("metrics.resources", &metrics.resources);
        self.clients("metrics.readers", &metrics.readers);
        self.require(!matches!(metrics.port, 0 | 6379 | 16379), "metrics.port", || {
            format!("port {} is not free in the pod; 9121 is usual", metrics.port)
        });
        if let Some(monitor) = &metrics.monitor {
            self.labels("metrics.monitor", &monitor.labels);
            self.require(monitor.interval_seconds > 0, "metrics.monitor", || {
                "scrape every second at most".into()
            });
        }
    }

    /// The settings anyone may read, and those that may hold credentials.
    fn settings(&mut self, wanted: &Wanted) -> (Settings, Settings) {
        let settings = &wanted.settings;
        for error in validate_user(settings).err().unwrap_or_default() {
            self.tell("settings", error.to_string());
        }
        let (mut shown, mut private) = (settings.clone(), settings.clone());
        for (name, _) in settings.iter() {
            // What is not known may hold a password too.
            match Setting::find(name).is_none_or(|setting| setting.kind.is_secret()) {
                true => shown.remove(name),
                false => private.remove(name),
            };
        }
        if settings.get("user").is_some() && matches!(&wanted.access, Access::Password { users: Some(_), .. })
        {
            self.tell(
                "settings",
                "user: users are in the ACL file already, and a server takes one of the two only",
            );
        }
        let limit = wanted.resources.memory_limit.get();
        match shown.get("maxmemory").and_then(|text| memory(&text)) {
            None | Some(0) if shown.get("maxmemory").is_none() => {
                if let Err(error) = set_memory(&mut shown, limit) {
                    self.tell("settings", error.to_string());
                }
            }
            Some(0) => self.tell(
                "settings",
                "maxmemory: 0 means no limit, and the kernel would kill the node at the container's; leave it out",
            ),
            Some(wish) if wish >= limit => self.tell(
                "settings",
                format!("maxmemory: {wish} bytes are not below the container's limit of {limit}; leave room, or leave it out"),
            ),
            _ => {}
        }
        (shown, private)
    }
}

/// Three fifths of the limit: the rest is for what a fork copies, for buffers of replicas and clients, and for
/// fragmentation, none of which `maxmemory` counts.
fn set_memory(settings: &mut Settings, limit: u64) -> Result<(), SettingError> {
    settings.set("maxmemory", &(limit / 5 * 3).to_string())
}

/// A size as the servers print it.
fn memory(text: &str) -> Option<u64> {
    slotwright_cluster::settings::canonical("maxmemory", text).ok()?.parse().ok()
}

/// RFC 1035: what a Service may be called.
fn is_label(text: &str) -> bool {
    is_dns_part(text) && text.starts_with(|first: char| first.is_ascii_lowercase())
}

/// RFC 1123.
fn is_dns_part(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(known)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_qualified(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let ends = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric());
    text.len() <= 63 && ends && text.bytes().all(known)
}

fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => {
            prefix.len() <= 253 && prefix.split('.').all(is_dns_part) && is_qualified(name)
        }
        None => is_qualified(key),
    }
}

fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_qualified(value)
}

fn is_network(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else { return false };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    prefix.len() <= 3
        && prefix.bytes().all(|b| b.is_ascii_digit())
        && prefix.parse::<u8>().is_ok_and(|p| p <= longest)
}
