//! Metrics: the exporter beside each node, and how a Prometheus finds it.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, EnvVarSource, SecretKeySelector, Service, ServiceSpec, VolumeMount,
};
use serde_json::json;

use super::{
    Object, RUN_FOLDER, access, metadata,
    pod::{RUN_VOLUME, container_security, requirements},
    service,
};
use crate::{Blueprint, Metrics, names};

const PORT_NAME: &str = "metrics";

/// The exporter. It asks over the node's socket, which needs no certificate.
pub(super) fn container(blueprint: &Blueprint, metrics: &Metrics) -> Container {
    let plain =
        |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), ..EnvVar::default() };
    let mut env = vec![
        plain("REDIS_ADDR", format!("unix://{RUN_FOLDER}/redis.sock")),
        plain("REDIS_EXPORTER_WEB_LISTEN_ADDRESS", format!(":{}", metrics.port)),
    ];
    if let Some(password) = access::password(blueprint) {
        let (secret, key) = access::place(blueprint, password, access::PASSWORD);
        env.push(secret_env("REDIS_PASSWORD", secret, key));
    }
    Container {
        name: PORT_NAME.to_owned(),
        image: Some(metrics.image.to_string()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        env: Some(env),
        ports: Some(vec![ContainerPort {
            name: Some(PORT_NAME.to_owned()),
            container_port: metrics.port.into(),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        resources: Some(requirements(&metrics.resources)),
        security_context: Some(container_security()),
        volume_mounts: Some(vec![VolumeMount {
            name: RUN_VOLUME.to_owned(),
            mount_path: RUN_FOLDER.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        }]),
        ..Container::default()
    }
}

/// A variable from a Secret, which must be there.
pub(super) fn secret_env(name: &str, secret: &str, key: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret.to_owned(),
                key: key.to_owned(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

/// The Service of the exporters; `None` when no metrics are wanted. Nodes that are not ready are those one wants to
/// see, so it names them too.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// # let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
/// assert!(objects::metrics_service(&blueprint).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn metrics_service(blueprint: &Blueprint) -> Option<Service> {
    let metrics = blueprint.wanted().metrics.as_ref()?;
    let spec = ServiceSpec {
        cluster_ip: Some("None".to_owned()),
        publish_not_ready_addresses: Some(true),
        ports: Some(vec![service::port(PORT_NAME, metrics.port)]),
        ..service::spec(names::selector(blueprint))
    };
    let mut metadata = metadata(blueprint, &blueprint.wanted().names.metrics);
    metadata.labels.get_or_insert_default().insert("app.kubernetes.io/component".into(), PORT_NAME.into());
    Some(service::service(metadata, spec))
}

/// The ServiceMonitor; `None` when none is wanted. Its kind is not Kubernetes' own: the Prometheus operator must be
/// installed (`monitoring.coreos.com/v1`).
///
/// ```
/// # use slotwright_kube::{Metrics, SecretValue, ServiceMonitorWish, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// let mut wanted = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id);
/// let mut metrics = Metrics::new("oliver006/redis_exporter:v1.62.0".parse()?);
/// metrics.monitor = Some(ServiceMonitorWish { labels: Default::default(), interval_seconds: 30 });
/// wanted.metrics = Some(metrics);
/// let monitor = objects::service_monitor(&wanted.check()?).unwrap();
/// assert_eq!(monitor.json()["spec"]["endpoints"][0]["interval"], "30s");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn service_monitor(blueprint: &Blueprint) -> Option<Object> {
    let wanted = blueprint.wanted();
    let monitor = wanted.metrics.as_ref()?.monitor.as_ref()?;
    let mut selector = names::selector(blueprint);
    selector.insert("app.kubernetes.io/component".to_owned(), PORT_NAME.to_owned());
    let mut labels = monitor.labels.clone();
    labels.extend(names::labels(blueprint));
    Some(Object::of_json(json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": { "name": wanted.names.metrics, "namespace": wanted.namespace, "labels": labels },
        "spec": {
            "endpoints": [{ "port": PORT_NAME, "interval": format!("{}s", monitor.interval_seconds) }],
            "selector": { "matchLabels": selector },
        },
    })))
}
