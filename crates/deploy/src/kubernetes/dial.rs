//! How a node's pod is reached: at its address where that is routable, else through the API server.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use slotwright_client::{
    Connector, Deadline, TcpConnector,
    connector::{BoxedStream, Connecting, Ending},
};
use slotwright_cluster::Endpoint;
use slotwright_kube::{apply::Applier, objects::CLIENT_PORT};

use super::inventory::Inventory;

/// A way to the pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// At the address that the node announces.
    Direct,
    /// A port-forward of the API server, to the pod by its name.
    Forward,
}

/// Longest time an address that leads nowhere is waited for, before the other way is taken.
pub(super) const DIRECT_PATIENCE: Duration = Duration::from_millis(700);

/// Reaches the nodes of an inventory.
pub(super) struct Dialer {
    applier: Applier,
    namespace: String,
    way: Way,
    /// The pod behind each endpoint, or why there is none to be reached.
    pods: BTreeMap<Endpoint, Result<String, String>>,
}

impl Dialer {
    pub(super) fn new(applier: &Applier, namespace: &str, way: Way, inventory: &Inventory) -> Arc<Self> {
        let pod = |node: &super::inventory::Node| match &node.pod {
            Some(pod) if pod.started => Ok(pod.name.clone()),
            _ => Err(node.state()),
        };
        let pods = inventory.nodes.iter().map(|node| (node.member.endpoint.clone(), pod(node))).collect();
        Arc::new(Self { applier: applier.clone(), namespace: namespace.to_owned(), way, pods })
    }

    async fn dial(&self, endpoint: &Endpoint) -> io::Result<BoxedStream> {
        let pod = match self.pods.get(endpoint) {
            Some(Ok(pod)) => pod,
            Some(Err(state)) => return Err(io::Error::other(state.clone())),
            None => return Err(io::Error::other(format!("there is no pod for {endpoint}"))),
        };
        match self.way {
            Way::Direct => TcpConnector.connect(endpoint).await,
            Way::Forward => {
                let forwarded = self.applier.forward(&self.namespace, pod, CLIENT_PORT).await;
                let stream = forwarded.map_err(|error| io::Error::other(error.to_string()))?;
                Ok(Box::new(stream) as BoxedStream)
            }
        }
    }
}

impl Connector for Dialer {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        Box::pin(self.dial(endpoint))
    }

    fn hint(&self, ending: Ending) -> Option<&'static str> {
        TcpConnector.hint(ending)
    }
}

/// True when something listens at `endpoint`.
pub(super) async fn answers(endpoint: &Endpoint) -> bool {
    let connected = TcpConnector.connect(endpoint);
    matches!(tokio::time::timeout(DIRECT_PATIENCE, connected).await, Ok(Ok(_)))
}

/// A deadline for the questions that decide on the way.
pub(super) fn deadline() -> Deadline {
    Deadline::within(Duration::from_secs(5))
}
