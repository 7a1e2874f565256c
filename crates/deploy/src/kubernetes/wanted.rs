//! From the spec to the input of the builders.

use secrecy::SecretString;
use slotwright_kube::{
    Access, AccessMode, Blueprint, Bytes, Clients, Cpu, Engine, Image, Metrics, Names, NfsVolume, Peer,
    QuantityError, Resources, SecretValue, ServiceMonitorWish, Spread, Storage, Style, Tls, Wanted,
};

use crate::{
    Amount, ClaimAccess, ClientsSpec, ClusterSpec, Contents, EngineKind, KubernetesSpec, KubernetesStyle,
    NamesSpec, PeerSpec, ResourcesSpec, SpecError, TlsContents,
};

/// What a rendering without Secrets has in their place; it is never written.
const PLACEHOLDER: &str = "-";
const PEM_PLACEHOLDER: &str = "-----BEGIN ";

/// Contents for all that the spec keeps secret, where none of them is shown.
pub fn placeholders(spec: &ClusterSpec) -> Contents {
    let section = spec.kubernetes.as_ref();
    let text = |text: &str| SecretString::from(text.to_owned());
    let files = section.and_then(|section| section.tls.as_ref()?.files().ok()?);
    Contents {
        password: spec.password.as_ref().map(|_| text(PLACEHOLDER)),
        users: section.and_then(|section| section.users.as_ref()).map(|_| text("user x off\n")),
        tls: files.map(|_| TlsContents {
            ca: text(PEM_PLACEHOLDER),
            certificate: text(PEM_PLACEHOLDER),
            key: text(PEM_PLACEHOLDER),
        }),
    }
}

/// The blueprint of `spec`. The deployment's id is used where the spec names no Secret that has it.
///
/// # Errors
/// When the spec has no section `kubernetes`, or something in it cannot be built; each reason with its place in the spec.
pub fn blueprint(
    spec: &ClusterSpec,
    contents: &Contents,
    deployment_id: SecretValue,
) -> Result<Blueprint, SpecError> {
    let Some(section) = &spec.kubernetes else {
        return Err(SpecError::new("kubernetes: there is no such section; see examples/kubernetes.yaml"));
    };
    let image: Image = parsed("image", &section.image)?;
    let mut wanted = Wanted::new(&spec.name, &section.namespace, image, deployment_id);
    let count = |field: &str, number: usize| {
        u32::try_from(number).map_err(|_| SpecError::new(format!("{field}: {number} is too many")))
    };
    wanted.shards = count("shards", spec.shards)?;
    wanted.replicas_per_shard = count("replicas-per-shard", spec.replicas_per_shard)?;
    wanted.make_namespace = section.create_namespace;
    wanted.names = names(Names::of(&section.namespace, &spec.name), &section.names);
    wanted.style = match section.style {
        KubernetesStyle::StatefulSet => Style::StatefulSet,
        KubernetesStyle::Deployment => Style::Deployment,
    };
    wanted.engine = match section.engine {
        EngineKind::Redis => Engine::Redis,
        EngineKind::Valkey => Engine::Valkey,
    };
    wanted.pull_secrets.clone_from(&section.pull_secrets);
    wanted.settings = spec.node_settings()?;
    secrets(&mut wanted, section, contents);
    wanted.storage = storage(spec, section)?;
    set_resources(&mut wanted.resources, "resources", &section.resources)?;
    if spec.storage.is_some() {
        let owner = spec.nfs()?.wanted.owner;
        (wanted.user, wanted.group) = (owner.uid, owner.gid);
    }
    set(&mut wanted.user, section.user);
    set(&mut wanted.group, section.group);
    set(&mut wanted.grace_seconds, section.grace_seconds);
    set(&mut wanted.load_seconds, section.load_seconds);
    set(&mut wanted.announce_hostnames, section.announce_hostnames);
    set(&mut wanted.cluster_domain, section.cluster_domain.clone());
    set(&mut wanted.clients, section.clients.as_ref().map(clients));
    let spread = section.spread.as_ref();
    set(
        &mut wanted.spread,
        spread.map(|spread| Spread { keys: spread.keys.clone(), required: spread.required }),
    );
    wanted.node_selector.clone_from(&section.node_selector);
    wanted.metrics = metrics(section)?;
    wanted.check().map_err(|rejected| {
        let lines: Vec<String> =
            rejected.problems.iter().map(|problem| in_the_spec(&problem.to_string())).collect();
        SpecError::new(lines.join("; "))
    })
}

/// What is wrong, at its place in the spec: some of it stands outside the section.
fn in_the_spec(problem: &str) -> String {
    let outside = ["name:", "shards:", "replicas-per-shard:", "settings:"];
    let problem = problem.replacen("access.password:", "password:", 1);
    if outside.iter().any(|place| problem.starts_with(place)) || problem.starts_with("password:") {
        problem
    } else {
        format!("kubernetes.{}", problem.replacen("access.users:", "users:", 1))
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(field: &str, text: &str) -> Result<T, SpecError> {
    text.parse().map_err(|error| SpecError::new(format!("kubernetes.{field}: {error}")))
}

fn amount<T: std::str::FromStr<Err = QuantityError>>(
    field: &str,
    amount: Option<&Amount>,
) -> Result<Option<T>, SpecError> {
    amount.map(|amount| parsed(field, &amount.0)).transpose()
}

fn secrets(wanted: &mut Wanted, section: &KubernetesSpec, contents: &Contents) {
    if let Some(secret) = &section.secret {
        let key = |key: &str| SecretValue::existing(&secret.name, key);
        wanted.deployment_id = key(&secret.deployment_id);
        let users = secret.users.as_deref().map(key);
        wanted.access = Access::Password { password: key(&secret.password), users };
    } else if let Some(password) = &contents.password {
        let users = contents.users.clone().map(SecretValue::Content);
        wanted.access = Access::Password { password: SecretValue::Content(password.clone()), users };
    }
    if let Some(tls) = &section.tls {
        wanted.client_certificates = tls.client_certificates;
        wanted.tls = match (&tls.secret, &contents.tls) {
            (Some(secret), _) => Some(Tls::Existing { secret: secret.clone() }),
            (None, Some(TlsContents { ca, certificate, key })) => {
                let (ca, certificate, key) = (ca.clone(), certificate.clone(), key.clone());
                Some(Tls::Content { ca, certificate, key })
            }
            (None, None) => None,
        };
    }
}

fn storage(spec: &ClusterSpec, section: &KubernetesSpec) -> Result<Storage, SpecError> {
    const SIZE: Bytes = Bytes::gibibytes(8);
    if spec.storage.is_some() {
        let place = spec.nfs()?;
        let size = amount("volume-size", section.volume_size.as_ref())?.unwrap_or(SIZE);
        let volume = |path: &std::path::Path| NfsVolume {
            server: place.address.clone(),
            path: path.to_string_lossy().into_owned(),
            mount_options: place.mount.iter().map(str::to_owned).collect(),
            size,
        };
        let volumes = place.wanted.paths().map(|(_, path)| volume(&path)).collect();
        return Ok(Storage::Nfs { volumes });
    }
    let claim = section.storage.as_ref();
    Ok(Storage::Class {
        class: claim.and_then(|claim| claim.class.clone()),
        size: amount("storage.size", claim.and_then(|claim| claim.size.as_ref()))?.unwrap_or(SIZE),
        access: match claim.map(|claim| claim.access).unwrap_or_default() {
            ClaimAccess::ReadWriteOnce => AccessMode::ReadWriteOnce,
            ClaimAccess::ReadWriteOncePod => AccessMode::ReadWriteOncePod,
            ClaimAccess::ReadWriteMany => AccessMode::ReadWriteMany,
        },
    })
}

fn set_resources(resources: &mut Resources, field: &str, spec: &ResourcesSpec) -> Result<(), SpecError> {
    let place = |name: &str| format!("{field}.{name}");
    let cpu = |name: &str, text: &Option<Amount>| amount::<Cpu>(&place(name), text.as_ref());
    let memory = |name: &str, text: &Option<Amount>| amount::<Bytes>(&place(name), text.as_ref());
    set(&mut resources.cpu_request, cpu("cpu-request", &spec.cpu_request)?);
    resources.cpu_limit = cpu("cpu-limit", &spec.cpu_limit)?.or(resources.cpu_limit);
    let (request, limit) =
        (memory("memory-request", &spec.memory_request)?, memory("memory-limit", &spec.memory_limit)?);
    // Of the two, one follows the other.
    set(&mut resources.memory_request, request.or(limit));
    set(&mut resources.memory_limit, limit.or(request));
    Ok(())
}

fn clients(spec: &ClientsSpec) -> Clients {
    match spec {
        ClientsSpec::Word(_) => Clients::Anyone,
        ClientsSpec::Only(peers) => Clients::Only(peers.iter().map(peer).collect()),
    }
}

fn peer(spec: &PeerSpec) -> Peer {
    match spec {
        PeerSpec::Addresses { cidr, except } => {
            Peer::Addresses { cidr: cidr.clone(), except: except.clone() }
        }
        PeerSpec::Pods { pods, namespaces } => {
            Peer::Pods { labels: pods.clone(), namespaces: namespaces.clone() }
        }
    }
}

fn metrics(section: &KubernetesSpec) -> Result<Option<Metrics>, SpecError> {
    let Some(spec) = &section.metrics else { return Ok(None) };
    let mut metrics = Metrics::new(parsed("metrics.image", &spec.image)?);
    set(&mut metrics.port, spec.port);
    set_resources(&mut metrics.resources, "metrics.resources", &spec.resources)?;
    set(&mut metrics.readers, spec.readers.as_ref().map(clients));
    metrics.monitor = spec.monitor.as_ref().map(|monitor| ServiceMonitorWish {
        labels: monitor.labels.clone(),
        interval_seconds: monitor.interval_seconds,
    });
    Ok(Some(metrics))
}

fn names(mut names: Names, spec: &NamesSpec) -> Names {
    for (place, name) in [
        (&mut names.workload, &spec.workload),
        (&mut names.headless, &spec.headless),
        (&mut names.clients, &spec.clients),
        (&mut names.config, &spec.config),
        (&mut names.scripts, &spec.scripts),
        (&mut names.secret, &spec.secret),
        (&mut names.account, &spec.account),
        (&mut names.claim, &spec.claim),
        (&mut names.volumes, &spec.volumes),
        (&mut names.budget, &spec.budget),
        (&mut names.policy, &spec.policy),
        (&mut names.metrics, &spec.metrics),
    ] {
        set(place, name.clone());
    }
    names
}
