//! The section `local`: nodes that are processes of this machine.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Deserialize;
use slotwright_cluster::BUS_PORT_OFFSET;

use super::{SpecError, absolute, values::PortList};

/// Where local processes listen and keep their data.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LocalSpec {
    /// The server to run: a name to be found in PATH, or a path.
    #[serde(default = "default_engine")]
    pub engine: String,
    /// The address the nodes listen on.
    #[serde(default = "default_host")]
    #[schemars(with = "String")]
    pub host: IpAddr,
    /// Client ports: the first of a run (`7000`), a range (`7000-7005`), or a list. Each node also listens on its port
    /// plus 10000, the cluster bus.
    pub ports: PortList,
    /// The folder that holds one folder for each node.
    pub data_directory: PathBuf,
}

fn default_engine() -> String {
    "redis-server".to_owned()
}

fn default_host() -> IpAddr {
    Ipv4Addr::LOCALHOST.into()
}

/// The section with everything it leaves open filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPlace {
    /// The engine as written, a path made absolute; a bare name is left to be found in PATH.
    pub engine: PathBuf,
    /// The address the nodes listen on.
    pub host: IpAddr,
    /// The client port of every node.
    pub ports: Vec<u16>,
    /// The folder that holds the nodes' folders, as an absolute path.
    pub data_directory: PathBuf,
}

impl LocalSpec {
    /// The place for `nodes` nodes; relative paths start from `base`.
    pub(super) fn place(&self, base: &Path, nodes: usize) -> LocalPlace {
        let engine = Path::new(&self.engine);
        let is_path = engine.components().count() > 1;
        LocalPlace {
            engine: if is_path { absolute(base, engine) } else { engine.to_path_buf() },
            host: self.host,
            ports: match &self.ports {
                PortList::From(first) => (*first..=u16::MAX).take(nodes).collect(),
                PortList::Exactly(ports) => ports.clone(),
            },
            data_directory: absolute(base, &self.data_directory),
        }
    }

    pub(super) fn judge(
        &self,
        base: &Path,
        shards: usize,
        replicas: usize,
        has_password: bool,
    ) -> Result<(), SpecError> {
        let nodes = shards.saturating_mul(replicas.saturating_add(1));
        let ports = self.place(base, nodes).ports;
        if ports.len() != nodes {
            return Err(SpecError::new(format!(
                "local.ports: {shards} shards with {replicas} replicas each need {nodes} nodes, but there are {} ports; \
                 give {nodes} ports, or fewer shards or replicas",
                ports.len()
            )));
        }
        judge_ports(ports)?;
        if !self.host.is_loopback() && !has_password {
            return Err(SpecError::new(format!(
                "local.host: {} can be reached from outside, so the nodes need a password: \
                 set password: {{ env: NAME }} or {{ file: PATH }}",
                self.host
            )));
        }
        if self.host.is_unspecified() {
            return Err(SpecError::new(format!(
                "local.host: {} is not an address the nodes can tell each other; name one of this machine",
                self.host
            )));
        }
        Ok(())
    }
}

fn judge_ports(ports: Vec<u16>) -> Result<(), SpecError> {
    let bad = |message: String| Err(SpecError::new(format!("local.ports: {message}")));
    let mut taken = BTreeSet::new();
    for port in ports {
        let Some(bus) = port.checked_add(BUS_PORT_OFFSET).filter(|_| port > 0) else {
            return bad(format!(
                "{port} leaves no room for the bus port {BUS_PORT_OFFSET} above it; take 1 to 55535"
            ));
        };
        for wanted in [port, bus] {
            if !taken.insert(wanted) {
                return bad(format!(
                    "{wanted} is used twice (each node also takes its port plus {BUS_PORT_OFFSET})"
                ));
            }
        }
    }
    Ok(())
}
