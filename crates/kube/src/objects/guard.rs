//! What keeps others from the nodes: the network policy, and the budget of voluntary disruptions.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        networking::v1::{
            IPBlock, NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
            NetworkPolicySpec,
        },
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::{BUS_PORT, CLIENT_PORT, metadata};
use crate::{Blueprint, Clients, Peer, names};

/// Who may connect: clients to the client port, the nodes themselves to both ports, readers of metrics to the exporter.
///
/// The bus has no password: whoever reaches it can join the cluster. A network plugin that knows policies is needed for it
/// to have an effect.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// # let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
/// let rules = objects::network_policy(&blueprint).spec.unwrap().ingress.unwrap();
/// let ports = |index: usize| rules[index].ports.as_ref().unwrap().len();
/// assert_eq!((ports(0), ports(1)), (2, 1), "peers, clients");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn network_policy(blueprint: &Blueprint) -> NetworkPolicy {
    let wanted = blueprint.wanted();
    let peers = NetworkPolicyIngressRule {
        from: Some(vec![NetworkPolicyPeer {
            pod_selector: Some(selector(names::selector(blueprint))),
            ..NetworkPolicyPeer::default()
        }]),
        ports: Some(vec![port(CLIENT_PORT), port(BUS_PORT)]),
    };
    let mut ingress = vec![peers];
    ingress.extend(rule(&wanted.clients, CLIENT_PORT));
    if let Some(metrics) = &wanted.metrics {
        ingress.extend(rule(&metrics.readers, metrics.port));
    }
    NetworkPolicy {
        metadata: metadata(blueprint, &wanted.names.policy),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(names::selector(blueprint))),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(ingress),
            egress: None,
        }),
    }
}

/// `None` when nobody is let in: a rule without sources would let in everyone.
fn rule(clients: &Clients, to: u16) -> Option<NetworkPolicyIngressRule> {
    let from = match clients {
        Clients::Anyone => None,
        Clients::Only(peers) if peers.is_empty() => return None,
        Clients::Only(peers) => Some(peers.iter().map(peer).collect()),
    };
    Some(NetworkPolicyIngressRule { from, ports: Some(vec![port(to)]) })
}

fn peer(peer: &Peer) -> NetworkPolicyPeer {
    match peer {
        Peer::Addresses { cidr, except } => NetworkPolicyPeer {
            ip_block: Some(IPBlock {
                cidr: cidr.clone(),
                except: Some(except.clone()).filter(|except| !except.is_empty()),
            }),
            ..NetworkPolicyPeer::default()
        },
        Peer::Pods { labels, namespaces } => NetworkPolicyPeer {
            pod_selector: Some(selector(labels.clone())),
            namespace_selector: namespaces.clone().map(selector),
            ip_block: None,
        },
    }
}

fn port(port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(port.into())),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    }
}

/// An empty one selects everything.
pub(super) fn selector(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels).filter(|labels| !labels.is_empty()), match_expressions: None }
}

/// One node at a time may be taken away on purpose (a drain, an upgrade of the machine), and none while another is
/// not ready, so that a shard never loses all its copies to maintenance.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// # let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
/// assert!(objects::pod_disruption_budget(&blueprint).spec.unwrap().max_unavailable.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn pod_disruption_budget(blueprint: &Blueprint) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: metadata(blueprint, &blueprint.wanted().names.budget),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector(names::selector(blueprint))),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}
