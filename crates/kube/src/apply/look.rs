//! Looking at what others keep: nodes, Secrets, Services.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use futures::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::{Node, Secret, Service};
use kube::api::{Api, ListParams};
use secrecy::SecretString;

use super::{Applier, Error, PARALLEL};

/// The label that says which zone a node is in
/// (<https://kubernetes.io/docs/reference/labels-annotations-taints/#topologykubernetesiozone>).
const ZONE: &str = "topology.kubernetes.io/zone";

impl Applier {
    /// The zones of these nodes, by the node's name. Nodes that have none, or are not there, are left out; all are when we
    /// may not look at nodes, which are not in a namespace.
    ///
    /// # Errors
    /// Those of the requests, but for [`Error::Forbidden`].
    pub async fn zones(&self, hosts: &BTreeSet<String>) -> Result<BTreeMap<String, String>, Error> {
        let api: Api<Node> = Api::all(self.client.clone());
        let api = &api;
        let mut answers = stream::iter(hosts)
            .map(async |host| {
                let place = format!("Node {host}");
                let node = self.ask(&format!("get {place}"), &place, api.get_metadata_opt(host)).await?;
                let labels = node.and_then(|node| node.metadata.labels);
                Ok(labels.and_then(|labels| Some((host.clone(), labels.get(ZONE)?.clone()))))
            })
            .buffered(PARALLEL);
        let mut zones = BTreeMap::new();
        while let Some(zone) = answers.next().await {
            match zone {
                Ok(zone) => zones.extend(zone),
                Err(Error::Forbidden { .. }) => return Ok(BTreeMap::new()),
                Err(error) => return Err(error),
            }
        }
        Ok(zones)
    }

    /// What is in a Secret, by key; nothing when it is not there. What is not text is left out.
    ///
    /// # Errors
    /// Those of the request.
    pub async fn secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, SecretString>>, Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let place = format!("Secret {namespace}/{name}");
        let secret = self.ask(&format!("get {place}"), &place, api.get_opt(name)).await?;
        Ok(secret.map(|secret| {
            let data = secret.data.unwrap_or_default().into_iter();
            data.filter_map(|(key, value)| Some((key, String::from_utf8(value.0).ok()?.into()))).collect()
        }))
    }

    /// The cluster addresses of the Services with these labels, by name. Headless ones have none and are left out.
    ///
    /// # Errors
    /// Those of the request.
    pub async fn service_addresses(
        &self,
        namespace: &str,
        labels: &str,
    ) -> Result<BTreeMap<String, IpAddr>, Error> {
        let api: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        let place = format!("services in {namespace}");
        let list = ListParams::default().labels(labels);
        let services = self.ask(&format!("list {place}"), &place, api.list(&list)).await?;
        let address = |service: Service| {
            let address = service.spec?.cluster_ip?.parse().ok()?;
            Some((service.metadata.name?, address))
        };
        Ok(services.items.into_iter().filter_map(address).collect())
    }
}
