//! From the spec to the input of the builders: what the spec leaves open is what they take for good.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use secrecy::SecretString;
use slotwright_kube::{
    Access, AccessMode, Blueprint, Bytes, Clients, Cpu, Engine, Image, Metrics, Names, NfsVolume, Peer,
    Problem, Resources, SecretValue, ServiceMonitorWish, Spread, Storage, Style, Tls, Wanted,
};

use crate::{
    Amount, ClientsSpec, ClusterSpec, KubernetesEngine, KubernetesSpec, KubernetesStyle, NamesSpec, NfsPlace,
    PeerSpec, ResourcesSpec, SpecError, VolumeAccess, VolumesSpec,
};

/// The secrets that the spec names and does not hold. `Debug` shows none of them.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// The password; `None` without one, and when an existing Secret holds it.
    pub password: Option<SecretString>,
    /// The ACL file; `None` without one, and when an existing Secret holds it.
    pub users: Option<SecretString>,
    /// The certificates; `None` without TLS, and when an existing Secret holds them.
    pub tls: Option<TlsContents>,
}

/// Certificates as PEM texts.
#[derive(Debug, Clone)]
pub struct TlsContents {
    /// Who signed the certificates of nodes and clients.
    pub ca: SecretString,
    /// The certificate of all nodes.
    pub certificate: SecretString,
    /// Its key.
    pub key: SecretString,
}

impl Contents {
    /// Reads them from where the spec says.
    ///
    /// # Errors
    /// When a variable is not set, a file cannot be read, or one is empty. The content is never repeated.
    pub fn read(spec: &ClusterSpec) -> Result<Self, SpecError> {
        let tls = spec.tls_files().map(|files| {
            let read = |field: &str, path: &Path| {
                std::fs::read_to_string(path).map(SecretString::from).map_err(|error| {
                    let path = path.display();
                    SpecError::new(format!("kubernetes.tls.{field}: cannot read {path}: {error}"))
                })
            };
            Ok(TlsContents {
                ca: read("ca", &files.ca)?,
                certificate: read("certificate", &files.certificate)?,
                key: read("key", &files.key)?,
            })
        });
        Ok(Self { password: spec.password()?, users: spec.users()?, tls: tls.transpose()? })
    }

    /// Texts in their place, for a look at everything but the Secrets.
    ///
    /// ```
    /// use slotwright_deploy::{ClusterSpec, kubernetes::{Contents, blueprint}};
    /// use slotwright_kube::{SecretValue, objects, render};
    /// let spec = ClusterSpec::parse(
    ///     "{name: sessions, shards: 3, replicas-per-shard: 1, password: {env: NOT_SET_HERE},
    ///       kubernetes: {namespace: shop, image: 'redis:7.2.5'}}",
    /// )?;
    /// let id = SecretValue::new("00000000000000000000000000000000");
    /// let blueprint = blueprint(&spec, &Contents::placeholders(&spec), id)?;
    /// assert!(render::documents(&objects::all(&blueprint), render::Secrets::LeftOut)?.contains("StatefulSet"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn placeholders(spec: &ClusterSpec) -> Self {
        let pem = || SecretString::from("-----BEGIN CERTIFICATE-----");
        let users = spec.kubernetes.as_ref().and_then(|kubernetes| kubernetes.users.as_ref());
        Self {
            password: spec.password.as_ref().map(|_| "placeholder".into()),
            users: users.map(|_| "user placeholder off".into()),
            tls: spec.tls_files().map(|_| TlsContents { ca: pem(), certificate: pem(), key: pem() }),
        }
    }
}

/// What is to be built. `deployment_id` is the content of the id; it is not used when the spec names a Secret that
/// holds it (`kubernetes.secret`).
///
/// # Errors
/// When the spec has no section `kubernetes`, and when something in it cannot work: as much at once as can be told, a
/// problem a line, each in the words of the spec.
pub fn blueprint(
    spec: &ClusterSpec,
    contents: &Contents,
    deployment_id: SecretValue,
) -> Result<Blueprint, SpecError> {
    let Some(section) = &spec.kubernetes else {
        return Err(SpecError::new(
            "kubernetes: there is no such section, so there are no pods; see examples/kubernetes.yaml",
        ));
    };
    let wanted = Reader::default().wanted(spec, section, contents, deployment_id)?;
    wanted.check().map_err(|rejected| {
        let problem = |problem: &Problem| format!("{}: {}", place_in(spec, &problem.place), problem.what);
        told(rejected.problems.iter().map(problem))
    })
}

/// What works but is worth a second thought, for people to read: everything that [`ClusterSpec::advice`] has for such a
/// spec too, and nothing twice.
pub fn advice(spec: &ClusterSpec, blueprint: &Blueprint) -> Vec<String> {
    let mut advice: Vec<String> = blueprint
        .advice()
        .into_iter()
        .map(|line| match line.split_once(": ") {
            Some((place, text)) => format!("{}: {text}", place_in(spec, place)),
            None => line,
        })
        .collect();
    if let Ok(place) = spec.nfs() {
        for finding in place.mount.findings() {
            advice.push(format!("{}: {}; {}", finding.place, finding.what, finding.remedy));
        }
    }
    advice
}

/// Collects what cannot be read, so that a user hears of all of it at once.
#[derive(Default)]
struct Reader {
    problems: Vec<String>,
}

impl Reader {
    fn wanted(
        mut self,
        spec: &ClusterSpec,
        section: &KubernetesSpec,
        contents: &Contents,
        deployment_id: SecretValue,
    ) -> Result<Wanted, SpecError> {
        let image = self.image("image", &section.image);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (access, deployment_id) = access(spec, section, contents, deployment_id)?;
        let tls = tls(section, contents)?;
        let nfs = spec.storage.is_some().then(|| spec.nfs()).transpose()?;
        let settings = spec.node_settings()?;
        let Some(image) = image else { return Err(told(self.problems)) };

        let mut wanted = Wanted::new(spec.name.clone(), section.namespace.clone(), image, deployment_id);
        wanted.make_namespace = section.create_namespace;
        wanted.names = names(&section.names, wanted.names);
        wanted.style = match section.style {
            KubernetesStyle::StatefulSet => Style::StatefulSet,
            KubernetesStyle::Deployment => Style::Deployment,
        };
        wanted.shards = count(spec.shards);
        wanted.replicas_per_shard = count(spec.replicas_per_shard);
        wanted.engine = match section.engine {
            KubernetesEngine::Redis => Engine::Redis,
            KubernetesEngine::Valkey => Engine::Valkey,
        };
        wanted.pull_secrets = section.pull_secrets.clone();
        wanted.settings = settings;
        wanted.access = access;
        wanted.tls = tls;
        wanted.client_certificates = section.tls.as_ref().is_none_or(|tls| tls.client_certificates);
        let owner = nfs.as_ref().map(|place| place.wanted.owner);
        wanted.user = section.user.or(owner.map(|owner| owner.uid)).unwrap_or(wanted.user);
        wanted.group = section.group.or(owner.map(|owner| owner.gid)).unwrap_or(wanted.group);
        let size = self.amount("volumes.size", &section.volumes.size);
        if let Some(size) = size {
            wanted.storage = match nfs {
                Some(place) => on_nfs(&place, size),
                None => of_class(&section.volumes, size),
            };
        }
        wanted.resources = self.resources("resources", &section.resources, wanted.resources);
        if let Some(clients) = &section.clients {
            wanted.clients = self::clients(clients);
        }
        wanted.spread = Spread { keys: section.spread.keys.clone(), required: section.spread.required };
        wanted.node_selector = section.node_selector.clone();
        wanted.grace_seconds = section.grace_seconds;
        wanted.load_seconds = section.load_seconds;
        wanted.announce_hostnames = section.announce_hostnames;
        wanted.cluster_domain = section.cluster_domain.clone();
        if let Some(asked) = &section.metrics
            && let Some(image) = self.image("metrics.image", &asked.image)
        {
            let mut metrics = Metrics::new(image);
            metrics.port = asked.port;
            metrics.resources = self.resources("metrics.resources", &asked.resources, metrics.resources);
            if let Some(readers) = &asked.readers {
                metrics.readers = self::clients(readers);
            }
            metrics.monitor = asked.monitor.as_ref().map(|monitor| ServiceMonitorWish {
                labels: monitor.labels.clone(),
                interval_seconds: monitor.interval_seconds,
            });
            wanted.metrics = Some(metrics);
        }
        if self.problems.is_empty() { Ok(wanted) } else { Err(told(self.problems)) }
    }

    fn resources(&mut self, field: &str, asked: &ResourcesSpec, usual: Resources) -> Resources {
        let mut cpu = |name, amount: &Option<Amount>| -> Option<Cpu> {
            self.amount(&format!("{field}.{name}"), amount.as_ref()?)
        };
        let cpu_request = cpu("cpu-request", &asked.cpu_request).unwrap_or(usual.cpu_request);
        let cpu_limit = cpu("cpu-limit", &asked.cpu_limit).or(usual.cpu_limit);
        let mut memory = |name, amount: &Option<Amount>| -> Option<Bytes> {
            self.amount(&format!("{field}.{name}"), amount.as_ref()?)
        };
        let request = memory("memory-request", &asked.memory_request);
        let limit = memory("memory-limit", &asked.memory_limit);
        Resources {
            cpu_request,
            cpu_limit,
            memory_request: request.or(limit).unwrap_or(usual.memory_request),
            memory_limit: limit.or(request).unwrap_or(usual.memory_limit),
        }
    }

    fn image(&mut self, field: &str, text: &str) -> Option<Image> {
        let problem = |error: slotwright_kube::ImageError| {
            // The place says that it is an image.
            error.to_string().trim_start_matches("image ").to_owned()
        };
        self.keep(field, text.parse().map_err(problem))
    }

    fn amount<T: FromStr<Err = E>, E: fmt::Display>(&mut self, field: &str, amount: &Amount) -> Option<T> {
        self.keep(field, amount.as_str().parse().map_err(|error: E| error.to_string()))
    }

    fn keep<T>(&mut self, field: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|error| self.problems.push(format!("kubernetes.{field}: {error}"))).ok()
    }
}

fn told(problems: impl IntoIterator<Item = String>) -> SpecError {
    SpecError::new(problems.into_iter().collect::<Vec<_>>().join("\n"))
}

/// Who may log in, and the deployment's id.
fn access(
    spec: &ClusterSpec,
    section: &KubernetesSpec,
    contents: &Contents,
    deployment_id: SecretValue,
) -> Result<(Access, SecretValue), SpecError> {
    // A password that was forgotten on the way here must not become none.
    let content = |said: bool, field: &str, content: &Option<SecretString>| match (said, content) {
        (true, Some(content)) => Ok(Some(SecretValue::Content(content.clone()))),
        (true, None) => Err(SpecError::new(format!("{field}: it was not read"))),
        (false, _) => Ok(None),
    };
    let users = content(section.users.is_some(), "kubernetes.users", &contents.users)?;
    Ok(match &section.secret {
        Some(secret) => {
            let existing = |key: &str| SecretValue::existing(&secret.name, key);
            let users = users.or(secret.users.as_deref().map(existing));
            (
                Access::Password { password: existing(&secret.password), users },
                existing(&secret.deployment_id),
            )
        }
        None => match content(spec.password.is_some(), "password", &contents.password)? {
            Some(password) => (Access::Password { password, users }, deployment_id),
            None => (Access::Open, deployment_id),
        },
    })
}

fn tls(section: &KubernetesSpec, contents: &Contents) -> Result<Option<Tls>, SpecError> {
    let Some(asked) = &section.tls else { return Ok(None) };
    match (&asked.secret, &contents.tls) {
        (Some(secret), _) => Ok(Some(Tls::Existing { secret: secret.clone() })),
        (None, Some(TlsContents { ca, certificate, key })) => {
            let (ca, certificate, key) = (ca.clone(), certificate.clone(), key.clone());
            Ok(Some(Tls::Content { ca, certificate, key }))
        }
        (None, None) => Err(SpecError::new("kubernetes.tls: it was not read")),
    }
}

fn on_nfs(place: &NfsPlace, size: Bytes) -> Storage {
    let volume = |(_, path): (String, PathBuf)| NfsVolume {
        server: place.address.clone(),
        path: path.display().to_string(),
        mount_options: place.mount.iter().map(str::to_owned).collect(),
        size,
    };
    Storage::Nfs { volumes: place.wanted.paths().map(volume).collect() }
}

fn of_class(volumes: &VolumesSpec, size: Bytes) -> Storage {
    let access = match volumes.access.unwrap_or_default() {
        VolumeAccess::ReadWriteOnce => AccessMode::ReadWriteOnce,
        VolumeAccess::ReadWriteOncePod => AccessMode::ReadWriteOncePod,
        VolumeAccess::ReadWriteMany => AccessMode::ReadWriteMany,
    };
    Storage::Class { class: volumes.class.clone(), size, access }
}

fn clients(asked: &ClientsSpec) -> Clients {
    let peer = |peer: &PeerSpec| match &peer.cidr {
        Some(cidr) => Peer::Addresses { cidr: cidr.clone(), except: peer.except.clone() },
        None => {
            Peer::Pods { labels: peer.pods.clone().unwrap_or_default(), namespaces: peer.namespaces.clone() }
        }
    };
    match asked {
        ClientsSpec::Anyone => Clients::Anyone,
        ClientsSpec::Only(peers) => Clients::Only(peers.iter().map(peer).collect()),
    }
}

fn names(asked: &NamesSpec, mut names: Names) -> Names {
    for (name, asked) in [
        (&mut names.workload, &asked.workload),
        (&mut names.headless, &asked.headless),
        (&mut names.clients, &asked.clients),
        (&mut names.config, &asked.config),
        (&mut names.scripts, &asked.scripts),
        (&mut names.secret, &asked.secret),
        (&mut names.account, &asked.account),
        (&mut names.claim, &asked.claim),
        (&mut names.volumes, &asked.volumes),
        (&mut names.budget, &asked.budget),
        (&mut names.policy, &asked.policy),
        (&mut names.metrics, &asked.metrics),
    ] {
        if let Some(asked) = asked {
            name.clone_from(asked);
        }
    }
    names
}

/// Where a field of the builders' input stands in the spec.
fn place_in(spec: &ClusterSpec, place: &str) -> String {
    let by_secret = spec.kubernetes.as_ref().is_some_and(|kubernetes| kubernetes.secret.is_some());
    let users_by_secret =
        spec.kubernetes.as_ref().is_some_and(|kubernetes| kubernetes.users.is_none()) && by_secret;
    match place {
        "name" | "shards" | "replicas-per-shard" | "settings" => place.to_owned(),
        "deployment-id" if !by_secret => place.to_owned(),
        "deployment-id" => "kubernetes.secret.deployment-id".to_owned(),
        "access" => "password".to_owned(),
        "access.password" if by_secret => "kubernetes.secret.password".to_owned(),
        "access.password" => "password".to_owned(),
        "access.users" if users_by_secret => "kubernetes.secret.users".to_owned(),
        "access.users" => "kubernetes.users".to_owned(),
        "user, group" => "kubernetes.user, kubernetes.group".to_owned(),
        "storage" => "storage.nfs".to_owned(),
        place => match place.strip_prefix("storage.") {
            Some(rest) if rest.starts_with("volumes") => "storage.nfs".to_owned(),
            Some(rest) => format!("kubernetes.volumes.{rest}"),
            None => format!("kubernetes.{place}"),
        },
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

    fn build(text: &str) -> Result<Blueprint, String> {
        let spec = ClusterSpec::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let id = SecretValue::new("0123456789abcdef0123456789abcdef");
        blueprint(&spec, &Contents::placeholders(&spec), id).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_open_is_what_the_builders_take_for_good() {
        let id = SecretValue::new("0123456789abcdef0123456789abcdef");
        let usual = Wanted::new("demo", "shop", "redis:7.2.5".parse().unwrap(), id);
        let ours = build(GOOD).unwrap();
        assert_eq!(format!("{:?}", ours.wanted()), format!("{usual:?}"));
    }

    #[test]
    fn what_is_said_arrives() {
        let blueprint = build(&format!(
            "{GOOD}  resources: {{ memory-limit: 1Gi, cpu-limit: 2 }}
  clients: [{{ namespaces: {{}} }}, {{ cidr: '::/0', except: [fd00::/8] }}]
  metrics: {{ image: 'exporter:1', resources: {{ memory-request: 128Mi }}, readers: anyone, monitor: {{}} }}
  user: 1001
  names: {{ workload: nodes }}
  tls: {{ secret: certificates, client-certificates: false }}
"
        ))
        .unwrap();
        let wanted = blueprint.wanted();
        // Of request and limit of memory, one follows the other.
        let resources = &wanted.resources;
        assert_eq!(
            (resources.memory_request, resources.memory_limit),
            (Bytes::gibibytes(1), Bytes::gibibytes(1))
        );
        assert_eq!((resources.cpu_request, resources.cpu_limit), (Cpu::millis(100), Some(Cpu::millis(2000))));
        let metrics = wanted.metrics.as_ref().unwrap();
        assert_eq!(metrics.resources.memory_limit, Bytes::mebibytes(128));
        assert_eq!((metrics.port, &metrics.readers), (9121, &Clients::Anyone));
        assert_eq!(metrics.monitor.as_ref().unwrap().interval_seconds, 30);
        let everyone = Peer::Pods { labels: [].into(), namespaces: Some([].into()) };
        let network = Peer::Addresses { cidr: "::/0".into(), except: vec!["fd00::/8".into()] };
        assert_eq!(wanted.clients, Clients::Only(vec![everyone, network]));
        assert_eq!((wanted.user, wanted.group), (1001, 999));
        assert_eq!(blueprint.nodes()[5], "nodes-5");
        assert!(matches!(&wanted.tls, Some(Tls::Existing { secret }) if secret == "certificates"));
        assert!(!wanted.client_certificates);
    }

    #[test]
    fn exports_become_the_volumes_and_their_owner_the_user() {
        let blueprint = build(&format!(
            "{GOOD}  volumes: {{ size: 20Gi }}
storage:
  nfs:
    address: nfs.example.org
    port: 20490
    base-directory: /data/nfs/redis
    clients: [10.0.0.0/16]
    owner: {{ uid: 1001, gid: 1002 }}
"
        ))
        .unwrap();
        let wanted = blueprint.wanted();
        assert_eq!((wanted.user, wanted.group), (1001, 1002));
        let Storage::Nfs { volumes } = &wanted.storage else { panic!("{:?}", wanted.storage) };
        assert_eq!(volumes.len(), 6);
        let last = volumes.last().unwrap();
        assert_eq!((last.server.as_str(), last.path.as_str()), ("nfs.example.org", "/data/nfs/redis/pv6"));
        assert_eq!(last.mount_options, ["nfsvers=4.1", "hard", "noatime", "port=20490"]);
        assert_eq!(last.size, Bytes::gibibytes(20));
    }

    #[test]
    fn problems_are_told_in_the_words_of_the_spec() {
        let cases = [
            ("  image: redis:7.2.5", "  image: redis", "kubernetes.image: `redis`: it has no tag"),
            ("name: demo", "name: Demo", "name: `Demo` cannot be used"),
            ("  namespace: shop", "  namespace: a_b", "kubernetes.namespace: `a_b`"),
            ("shop\n", "shop\n  volumes: { size: 1GB }\n", "kubernetes.volumes.size: `1GB` is no amount"),
            ("shop\n", "shop\n  volumes: { class: a_b }\n", "kubernetes.volumes.class: `a_b`"),
            (
                "shop\n",
                "shop\n  resources: { cpu-limit: 0.5 }\n",
                "kubernetes.resources.cpu-limit: `0.5` is no amount",
            ),
            (
                "shop\n",
                "shop\n  resources: { memory-limit: 1Mi }\n",
                "kubernetes.resources: a node does not run in 1Mi",
            ),
            ("shop\n", "shop\n  user: 0\n", "kubernetes.user, kubernetes.group: nodes do not run as root"),
            ("shop\n", "shop\n  secret: { name: A_B }\n", "kubernetes.secret.password: `A_B`"),
            ("shop\n", "shop\n  secret: { name: demo-secret }\n", "kubernetes.names.secret: `demo-secret`"),
            ("shop\n", "shop\n  tls: { secret: A_B }\n", "kubernetes.tls.secret: `A_B`"),
            (
                "shop\n",
                "shop\n  clients: [{ cidr: 10.0.0.0 }]\n",
                "kubernetes.clients: `10.0.0.0` is not a network",
            ),
            ("shop\n", "shop\n  names: { claim: tls }\n", "kubernetes.names.claim: `tls`"),
            (
                "shop\n",
                "shop\n  metrics: { image: exporter }\n",
                "kubernetes.metrics.image: `exporter`: it has no tag",
            ),
            ("shop\n", "shop\n  grace-seconds: 5\n", "kubernetes.grace-seconds: 5 s are too short"),
            ("shards: 3", "shards: 3\nsettings: { maxmemory: 1gb }", "settings: maxmemory: "),
        ];
        for (from, to, expected) in cases {
            let error = build(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(expected), "{to}: {error}");
        }
        // Several at once, a line each.
        let error =
            build(&GOOD.replace("shop\n", "shop\n  user: 0\n  grace-seconds: 5\n  volumes: { size: 0 }\n"))
                .unwrap_err();
        assert_eq!(error.lines().count(), 3, "{error}");
    }

    #[test]
    fn what_was_not_read_never_becomes_nothing() {
        let id = || SecretValue::new("0123456789abcdef0123456789abcdef");
        for (lines, place) in [
            ("password: { env: P }\n", "password"),
            ("  users: { env: U }\npassword: { env: P }\n", "kubernetes.users"),
            ("  tls: { ca: a, certificate: b, key: c }\n", "kubernetes.tls"),
        ] {
            let spec = ClusterSpec::parse(&format!("{GOOD}{lines}")).unwrap();
            let error = blueprint(&spec, &Contents::default(), id()).unwrap_err().to_string();
            assert!(error.starts_with(place), "{error}");
        }
    }

    #[test]
    fn certificates_are_read_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spec.yaml");
        std::fs::write(&file, format!("{GOOD}  tls: {{ ca: ca.pem, certificate: tls.pem, key: tls.key }}\n"))
            .unwrap();
        let spec = ClusterSpec::load(&file).unwrap();
        for name in ["ca.pem", "tls.pem"] {
            std::fs::write(folder.path().join(name), "-----BEGIN CERTIFICATE-----\n").unwrap();
        }
        let error = Contents::read(&spec).unwrap_err().to_string();
        assert!(error.starts_with("kubernetes.tls.key: cannot read"), "{error}");
        std::fs::write(folder.path().join("tls.key"), "hunter2").unwrap();
        let contents = Contents::read(&spec).unwrap();
        assert!(!format!("{contents:?}").contains("hunter2"));
        let id = SecretValue::new("0123456789abcdef0123456789abcdef");
        let error = blueprint(&spec, &contents, id).unwrap_err().to_string();
        assert_eq!(error, "kubernetes.tls.key: it is not a PEM text");
    }

    #[test]
    fn advice_comes_once_and_at_its_place() {
        let text = format!(
            "{}  clients: anyone
storage:
  nfs: {{ address: a, base-directory: /a, clients: ['*'], mount-options: [nfsvers=4.1, hard] }}
settings: {{ appendonly: no }}
",
            GOOD.replace("shards: 3", "shards: 1").replace("shard: 1", "shard: 0")
        );
        let spec = ClusterSpec::parse(&text).unwrap();
        let advice = advice(&spec, &build(&text).unwrap());
        let places: Vec<&str> =
            advice.iter().filter_map(|line| line.split_once(": ")).map(|(place, _)| place).collect();
        let expected =
            ["password", "kubernetes.clients", "shards", "replicas-per-shard", "storage.nfs", "settings"];
        assert!(places.starts_with(&expected), "{advice:#?}");
        // Everything that is said of the spec alone is said here, in other words or the same.
        for line in spec.advice() {
            let known = ["fewer than three", "no replicas"].iter().any(|known| line.starts_with(known));
            assert!(
                known || advice.iter().any(|other| other.contains(&line)),
                "{line} is not in {advice:#?}"
            );
        }
    }
}
