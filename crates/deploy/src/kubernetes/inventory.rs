//! From pods to the nodes of the deployment: the name is the identity, whatever address it has today.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use slotwright_cluster::{Endpoint, Host};
use slotwright_kube::{
    Blueprint, LABEL_NODE, Style,
    apply::{Applier, Error, PodState},
    objects::CLIENT_PORT,
};
use slotwright_topology::{Member, placement::Site};

/// One node: its pod, as it is now, and what the planner knows of it.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) pod: Option<PodState>,
    pub(super) member: Member,
}

impl Node {
    pub(super) fn is_started(&self) -> bool {
        self.pod.as_ref().is_some_and(|pod| pod.started)
    }

    /// What its pod is doing, for people.
    pub(super) fn state(&self) -> String {
        match &self.pod {
            None => "it has no pod".to_owned(),
            Some(pod) => match &pod.trouble {
                Some(trouble) => format!("its pod does not run: {trouble}"),
                None => format!("its pod does not run yet: {}", pod.doing),
            },
        }
    }
}

/// All nodes of the deployment, in the order of their ordinals.
#[derive(Debug, Clone)]
pub(super) struct Inventory {
    pub(super) nodes: Vec<Node>,
}

impl Inventory {
    /// Of `pods`, with the addresses that nodes announce and the zones of the machines they run on.
    pub(super) async fn of(
        applier: &Applier,
        blueprint: &Blueprint,
        pods: Vec<PodState>,
    ) -> Result<Self, Error> {
        let wanted = blueprint.wanted();
        let hosts: BTreeSet<String> = pods.iter().filter_map(|pod| pod.host.clone()).collect();
        let zones = applier.zones(&hosts).await?;
        // In the Deployment variant nodes announce their Services.
        let services = match wanted.style {
            Style::StatefulSet => BTreeMap::new(),
            Style::Deployment => applier.service_addresses(&wanted.namespace, &blueprint.selector()).await?,
        };
        let mut by_node: BTreeMap<String, PodState> = BTreeMap::new();
        for pod in pods {
            let node = match wanted.style {
                Style::StatefulSet => pod.name.clone(),
                Style::Deployment => pod.labels.get(LABEL_NODE).cloned().unwrap_or_default(),
            };
            // Of an old pod that is going and a new one that waits for it, the new one is the node's.
            let better =
                by_node.get(&node).is_none_or(|known| known.deleting || (pod.started && !known.started));
            if better {
                by_node.insert(node, pod);
            }
        }
        let node = |(ordinal, name): (u32, String)| {
            let pod = by_node.remove(&name);
            let address = match wanted.style {
                Style::StatefulSet => pod.as_ref().and_then(|pod| pod.address),
                Style::Deployment => services.get(&name).copied(),
            };
            let host = pod.as_ref().and_then(|pod| pod.host.clone()).unwrap_or_default();
            let zone = zones.get(&host).cloned().unwrap_or_default();
            let endpoint = endpoint(address, &blueprint.hostname(ordinal));
            Node { pod, member: Member { name, endpoint, site: Site::new(host, zone) } }
        };
        Ok(Self { nodes: (0..).zip(blueprint.nodes()).map(node).collect() })
    }

    pub(super) fn members(&self) -> Vec<Member> {
        self.nodes.iter().map(|node| node.member.clone()).collect()
    }

    /// True when every node has a pod that runs.
    pub(super) fn is_started(&self) -> bool {
        self.nodes.iter().all(Node::is_started)
    }

    /// True when no node has a pod.
    pub(super) fn is_bare(&self) -> bool {
        self.nodes.iter().all(|node| node.pod.is_none())
    }

    /// True when each node has the very pod it has in `other`, at the same address.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let who = |node: &Node| {
            let pod = node.pod.as_ref();
            (pod.map(|pod| pod.uid.clone()), pod.map(|pod| pod.started), node.member.endpoint.clone())
        };
        self.nodes.iter().map(who).eq(other.nodes.iter().map(who))
    }
}

fn endpoint(address: Option<IpAddr>, hostname: &str) -> Endpoint {
    let host = address.map_or(Host::Unknown, Host::Ip);
    Endpoint { hostname: Some(hostname.into()), ..Endpoint::new(host, CLIENT_PORT) }
}
