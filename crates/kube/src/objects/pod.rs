//! The pod of a node: one server, its scripts, its volumes, and as few rights as possible.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Affinity, Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
        EnvVar, EnvVarSource, ExecAction, KeyToPath, Lifecycle, LifecycleHandler, LocalObjectReference,
        ObjectFieldSelector, PersistentVolumeClaimVolumeSource, PodAffinityTerm, PodAntiAffinity,
        PodSecurityContext, PodSpec, Probe, ProjectedVolumeSource, ResourceRequirements, SeccompProfile,
        SecretProjection, SecurityContext, TopologySpreadConstraint, Volume, VolumeMount, VolumeProjection,
        WeightedPodAffinityTerm,
    },
    apimachinery::pkg::api::resource::Quantity,
};

use super::{
    BUS_PORT, CLIENT_PORT, CONFIG_FOLDER, DATA_FOLDER, NODE_CONTAINER, RUN_FOLDER, SCRIPTS_FOLDER,
    SECRETS_FOLDER, TLS_FOLDER,
    access::{self, TLS_KEYS},
    config::{PRE_STOP, PROBE, REDIS_CONF, START},
    guard, metrics,
};
use crate::{Blueprint, Bytes, IMAGE_SHELL, Resources, SecretValue, Style, names};

pub(super) const RUN_VOLUME: &str = "run";
const CONFIG_VOLUME: &str = "redis-conf";
const SCRIPTS_VOLUME: &str = "scripts";
const SECRETS_VOLUME: &str = "secrets";
const TLS_VOLUME: &str = "tls";

/// Seconds of the grace time that are the server's own, after the hand-over: to let replicas catch up (up to ten, its
/// `shutdown-timeout`) and to write what is left.
const SHUTDOWN_SECONDS: u32 = 20;
const STARTUP_PERIOD: u32 = 5;

/// The pod of one node. In the StatefulSet all ordinals share it, so `ordinal` matters in the Deployment variant only.
///
/// It passes the `restricted` pod security standard: no root, no privilege to gain, no capability, the runtime's seccomp
/// profile, volumes of harmless kinds. Its root file system is read-only.
///
/// The three probes ask different questions. *Startup*: has the server loaded its data? Until then neither of the
/// others is asked, so a long load is not cut short. *Readiness*: would a client be served here? *Liveness*: does the
/// process still answer at all? A node out of step, or of a broken cluster, is alive: to restart it would only
/// make things worse.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// # let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
/// let pod = objects::pod_spec(&blueprint, 0);
/// assert_eq!(pod.security_context.unwrap().run_as_non_root, Some(true));
/// assert_eq!(pod.termination_grace_period_seconds, Some(60));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn pod_spec(blueprint: &Blueprint, ordinal: u32) -> PodSpec {
    let wanted = blueprint.wanted();
    let mut containers = vec![container(blueprint, ordinal)];
    containers.extend(wanted.metrics.as_ref().map(|wish| metrics::container(blueprint, wish)));
    let pull_secrets = wanted.pull_secrets.iter();
    let pull_secrets: Vec<_> = pull_secrets.map(|name| LocalObjectReference { name: name.clone() }).collect();
    PodSpec {
        affinity: Some(affinity(blueprint)),
        automount_service_account_token: Some(false),
        containers,
        // What a StatefulSet's pod does not need, and what tells a Deployment's pod its Service's address.
        enable_service_links: Some(wanted.style == Style::Deployment),
        image_pull_secrets: Some(pull_secrets).filter(|secrets| !secrets.is_empty()),
        node_selector: Some(wanted.node_selector.clone()).filter(|labels| !labels.is_empty()),
        security_context: Some(pod_security(blueprint)),
        service_account_name: Some(wanted.names.account.clone()),
        termination_grace_period_seconds: Some(wanted.grace_seconds.into()),
        topology_spread_constraints: Some(spread(blueprint)).filter(|constraints| !constraints.is_empty()),
        volumes: Some(volumes(blueprint, ordinal)),
        ..PodSpec::default()
    }
}

fn container(blueprint: &Blueprint, ordinal: u32) -> Container {
    let wanted = blueprint.wanted();
    let hand_over = wanted.grace_seconds.saturating_sub(SHUTDOWN_SECONDS).to_string();
    Container {
        name: NODE_CONTAINER.to_owned(),
        image: Some(wanted.image.to_string()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(script(START, &[])),
        env: Some(environment(blueprint, ordinal)),
        ports: Some(vec![port("redis", CLIENT_PORT), port("cluster", BUS_PORT)]),
        resources: Some(requirements(&wanted.resources)),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                exec: Some(exec(PRE_STOP, &[&hand_over])),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        startup_probe: Some(probe(
            "startup",
            STARTUP_PERIOD,
            4,
            wanted.load_seconds.div_ceil(STARTUP_PERIOD),
        )),
        readiness_probe: Some(probe("ready", 5, 4, 3)),
        // Two minutes of silence: a disk or an NFS server that hangs for one comes back, and a restart would not help it.
        liveness_probe: Some(probe("live", 10, 9, 12)),
        security_context: Some(container_security()),
        volume_mounts: Some(mounts(blueprint)),
        ..Container::default()
    }
}

fn script(name: &str, arguments: &[&str]) -> Vec<String> {
    let file = format!("{SCRIPTS_FOLDER}/{name}");
    let words = [IMAGE_SHELL, &file].into_iter().chain(arguments.iter().copied());
    words.map(str::to_owned).collect()
}

fn exec(name: &str, arguments: &[&str]) -> ExecAction {
    ExecAction { command: Some(script(name, arguments)) }
}

/// The script gives up a second before the kubelet does, and then says why.
fn probe(question: &str, period: u32, seconds: u32, failures: u32) -> Probe {
    let number = |number: u32| Some(i32::try_from(number).unwrap_or(i32::MAX));
    Probe {
        exec: Some(exec(PROBE, &[question, &seconds.to_string()])),
        period_seconds: number(period),
        // Up to two answers are waited for: a changed password is tried as well as the one before.
        timeout_seconds: number(2 * seconds + 1),
        failure_threshold: number(failures),
        ..Probe::default()
    }
}

fn environment(blueprint: &Blueprint, ordinal: u32) -> Vec<EnvVar> {
    let wanted = blueprint.wanted();
    let plain =
        |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), ..EnvVar::default() };
    let field = |name: &str, path: &str| EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: path.to_owned(),
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    };
    let (id_secret, id_key) = access::place(blueprint, &wanted.deployment_id, access::DEPLOYMENT_ID);
    let mut env = vec![
        plain("SLOTWRIGHT_DEPLOYMENT", wanted.name.clone()),
        metrics::secret_env("SLOTWRIGHT_DEPLOYMENT_ID", id_secret, id_key),
    ];
    let node = wanted.names.node(ordinal);
    match wanted.style {
        Style::StatefulSet => {
            env.push(field("SLOTWRIGHT_NODE", "metadata.name"));
            env.push(field("SLOTWRIGHT_ANNOUNCE_IP", "status.podIP"));
            if wanted.announce_hostnames {
                let domain =
                    format!("{}.{}.svc.{}", wanted.names.headless, wanted.namespace, wanted.cluster_domain);
                // Kubernetes puts in variables that stand before.
                env.push(plain("SLOTWRIGHT_ANNOUNCE_HOSTNAME", format!("$(SLOTWRIGHT_NODE).{domain}")));
            }
        }
        Style::Deployment => {
            // The kubelet sets the address of each Service of the namespace at every start of a container; one that is
            // not there yet stays as it is written here, and the start script waits for the next start.
            let variable = node.to_uppercase().replace('-', "_");
            env.push(plain("SLOTWRIGHT_NODE", node));
            env.push(plain("SLOTWRIGHT_ANNOUNCE_IP", format!("$({variable}_SERVICE_HOST)")));
        }
    }
    env.push(plain("SLOTWRIGHT_SERVER", wanted.engine.server().to_owned()));
    env.push(plain("SLOTWRIGHT_CLI", wanted.engine.cli().to_owned()));
    if wanted.tls.is_some() {
        env.push(plain("SLOTWRIGHT_TLS", TLS_FOLDER.to_owned()));
    }
    // The server's own output: what a hook prints there is seen with `kubectl logs`.
    env.push(plain("SLOTWRIGHT_LOG", "/proc/1/fd/1".to_owned()));
    env
}

fn port(name: &str, port: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: port.into(),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

pub(super) fn requirements(resources: &Resources) -> ResourceRequirements {
    let map = |memory: Bytes, cpu: Option<Quantity>| {
        let mut map = BTreeMap::from([("memory".to_owned(), memory.quantity())]);
        map.extend(cpu.map(|cpu| ("cpu".to_owned(), cpu)));
        Some(map)
    };
    ResourceRequirements {
        requests: map(resources.memory_request, Some(resources.cpu_request.quantity())),
        limits: map(resources.memory_limit, resources.cpu_limit.map(crate::Cpu::quantity)),
        ..ResourceRequirements::default()
    }
}

/// Rights of a container under the `restricted` standard, and a root file system nobody can change.
pub(super) fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}

fn pod_security(blueprint: &Blueprint) -> PodSecurityContext {
    let wanted = blueprint.wanted();
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(wanted.user.into()),
        run_as_group: Some(wanted.group.into()),
        // Volumes that can be are made to belong to this group; an NFS export has to say it itself (anonuid, anongid).
        fs_group: Some(wanted.group.into()),
        // Else every start walks through all files.
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    }
}

/// The tutorial's wish: rather not two nodes on one machine.
fn affinity(blueprint: &Blueprint) -> Affinity {
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
                weight: 100,
                pod_affinity_term: PodAffinityTerm {
                    label_selector: Some(guard::selector(names::selector(blueprint))),
                    topology_key: "kubernetes.io/hostname".to_owned(),
                    ..PodAffinityTerm::default()
                },
            }]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

fn spread(blueprint: &Blueprint) -> Vec<TopologySpreadConstraint> {
    let spread = &blueprint.wanted().spread;
    let constraint = |key: &String| TopologySpreadConstraint {
        label_selector: Some(guard::selector(names::selector(blueprint))),
        max_skew: 1,
        topology_key: key.clone(),
        when_unsatisfiable: if spread.required { "DoNotSchedule" } else { "ScheduleAnyway" }.to_owned(),
        ..TopologySpreadConstraint::default()
    };
    spread.keys.iter().map(constraint).collect()
}

fn has_secrets(blueprint: &Blueprint) -> bool {
    access::password(blueprint).is_some() || blueprint.private_settings().is_some()
}

fn mounts(blueprint: &Blueprint) -> Vec<VolumeMount> {
    let mount = |name: &str, path: &str, read_only| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        ..VolumeMount::default()
    };
    let mut mounts = vec![
        mount(CONFIG_VOLUME, CONFIG_FOLDER, Some(true)),
        mount(&blueprint.wanted().names.claim, DATA_FOLDER, None),
        mount(SCRIPTS_VOLUME, SCRIPTS_FOLDER, Some(true)),
        mount(RUN_VOLUME, RUN_FOLDER, None),
    ];
    if has_secrets(blueprint) {
        mounts.push(mount(SECRETS_VOLUME, SECRETS_FOLDER, Some(true)));
    }
    if blueprint.wanted().tls.is_some() {
        mounts.push(mount(TLS_VOLUME, TLS_FOLDER, Some(true)));
    }
    mounts
}

fn volumes(blueprint: &Blueprint, ordinal: u32) -> Vec<Volume> {
    let wanted = blueprint.wanted();
    let config = match wanted.style {
        Style::StatefulSet => wanted.names.config.clone(),
        Style::Deployment => wanted.names.node_config(ordinal),
    };
    let mut volumes = vec![
        Volume {
            name: CONFIG_VOLUME.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: config,
                items: Some(vec![item(REDIS_CONF, REDIS_CONF)]),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        Volume {
            name: SCRIPTS_VOLUME.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: wanted.names.scripts.clone(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        Volume {
            name: RUN_VOLUME.to_owned(),
            // In memory: the copy of the configuration has the password in it.
            empty_dir: Some(EmptyDirVolumeSource {
                medium: Some("Memory".to_owned()),
                size_limit: Some(Bytes::mebibytes(4).quantity()),
            }),
            ..Volume::default()
        },
    ];
    if has_secrets(blueprint) {
        volumes.push(projected(SECRETS_VOLUME, secret_files(blueprint)));
    }
    if let Some(tls) = &wanted.tls {
        let items = TLS_KEYS.map(|key| item(key, key)).into();
        volumes.push(projected(TLS_VOLUME, vec![(access::tls_secret(blueprint, tls).to_owned(), items)]));
    }
    // The StatefulSet adds the volume of its claim template itself.
    if wanted.style == Style::Deployment {
        volumes.push(Volume {
            name: wanted.names.claim.clone(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: wanted.names.node_claim(ordinal),
                ..PersistentVolumeClaimVolumeSource::default()
            }),
            ..Volume::default()
        });
    }
    volumes
}

/// The files of the secrets folder, by the Secret they come from.
fn secret_files(blueprint: &Blueprint) -> Vec<(String, Vec<KeyToPath>)> {
    let mut files: BTreeMap<String, Vec<KeyToPath>> = BTreeMap::new();
    let mut add = |(secret, key): (&str, &str), path: &str| {
        files.entry(secret.to_owned()).or_default().push(item(key, path));
    };
    let from = |value: Option<&SecretValue>, own_key: &'static str| {
        let (secret, key) = access::place(blueprint, value?, own_key);
        Some((secret.to_owned(), key.to_owned()))
    };
    for (value, path) in
        [(access::password(blueprint), access::PASSWORD), (access::users(blueprint), access::USERS)]
    {
        if let Some((secret, key)) = from(value, path) {
            add((&secret, &key), path);
        }
    }
    if blueprint.private_settings().is_some() {
        add((&blueprint.wanted().names.secret, access::PRIVATE), access::PRIVATE);
    }
    files.into_iter().collect()
}

fn projected(name: &str, sources: Vec<(String, Vec<KeyToPath>)>) -> Volume {
    let source = |(name, items): (String, Vec<KeyToPath>)| VolumeProjection {
        secret: Some(SecretProjection { name, items: Some(items), optional: None }),
        ..VolumeProjection::default()
    };
    Volume {
        name: name.to_owned(),
        projected: Some(ProjectedVolumeSource {
            // The group of the pod may read, nobody else.
            default_mode: Some(0o440),
            sources: Some(sources.into_iter().map(source).collect()),
        }),
        ..Volume::default()
    }
}

fn item(key: &str, path: &str) -> KeyToPath {
    KeyToPath { key: key.to_owned(), path: path.to_owned(), mode: None }
}
