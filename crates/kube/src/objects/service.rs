//! Services: how nodes and clients find the nodes.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

use super::{BUS_PORT, CLIENT_PORT, metadata, node_metadata};
use crate::{Blueprint, names};

/// The headless Service: a DNS name for each pod.
///
/// Beside the client port it has that of the bus, without which a network policy or a mesh that goes by Services knows
/// nothing of it. It names pods that are not ready too: a cluster that is being formed has none that is, and
/// nodes must find each other to become so.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// # let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
/// let spec = objects::headless_service(&blueprint).spec.unwrap();
/// assert_eq!((spec.cluster_ip.as_deref(), spec.publish_not_ready_addresses), (Some("None"), Some(true)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn headless_service(blueprint: &Blueprint) -> Service {
    let spec = ServiceSpec {
        cluster_ip: Some("None".to_owned()),
        publish_not_ready_addresses: Some(true),
        ports: Some(node_ports()),
        ..spec(names::selector(blueprint))
    };
    service(metadata(blueprint, &blueprint.wanted().names.headless), spec)
}

/// The Service for clients: any node that is ready. A cluster's client learns all the others from it. Within the
/// Kubernetes cluster only: a load balancer would publish every key to the world, and lead redirects nowhere.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// # let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
/// let spec = objects::client_service(&blueprint).spec.unwrap();
/// assert_eq!(spec.type_.as_deref(), Some("ClusterIP"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn client_service(blueprint: &Blueprint) -> Service {
    let spec = ServiceSpec {
        ports: Some(vec![port("redis-port", CLIENT_PORT)]),
        ..spec(names::selector(blueprint))
    };
    service(metadata(blueprint, &blueprint.wanted().names.clients), spec)
}

/// The Service of one node in the Deployment variant. Its cluster address outlives the pod, so it is what the node
/// announces; both ports, and before the node is ready, as peers need it then.
///
/// ```
/// # use slotwright_kube::{LABEL_NODE, SecretValue, Style, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// let mut wanted = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id);
/// wanted.style = Style::Deployment;
/// let service = objects::node_service(&wanted.check()?, 3);
/// assert_eq!(service.spec.unwrap().selector.unwrap()[LABEL_NODE], "sessions-3");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn node_service(blueprint: &Blueprint, ordinal: u32) -> Service {
    let node = blueprint.wanted().names.node(ordinal);
    let spec = ServiceSpec {
        publish_not_ready_addresses: Some(true),
        ports: Some(node_ports()),
        ..spec(names::node_selector(blueprint, &node))
    };
    service(node_metadata(blueprint, &node, &node), spec)
}

pub(super) fn service(metadata: ObjectMeta, spec: ServiceSpec) -> Service {
    Service { metadata, spec: Some(spec), ..Service::default() }
}

pub(super) fn spec(selector: BTreeMap<String, String>) -> ServiceSpec {
    ServiceSpec { selector: Some(selector), type_: Some("ClusterIP".to_owned()), ..ServiceSpec::default() }
}

fn node_ports() -> Vec<ServicePort> {
    // The first name is the tutorial's.
    vec![port("redis-port", CLIENT_PORT), port("cluster-port", BUS_PORT)]
}

pub(super) fn port(name: &str, port: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: port.into(),
        // 1.20 cannot merge ports that do not say it.
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::Int(port.into())),
        ..ServicePort::default()
    }
}
