//! A fleet of empty cluster-enabled servers on loopback, in a folder of its own, that never outlives the harness.
//!
//! Servers are killed through their [`Child`] handles when the fleet is dropped; where `setpriv` exists they are
//! also started so that the kernel kills them should the harness itself be killed.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::failure::Failure;
use crate::stop::Stop;

/// Ports are taken from here so that neither they nor their bus ports fall into the range from which Linux picks
/// the local port of outgoing connections (32768 and up): such a connection could take a port just found free.
const PORTS: std::ops::Range<u16> = 11_000..22_700;
/// The bus port of a server is its port plus this.
const BUS_OFFSET: u16 = 10_000;
/// Time a fleet is given until every server answers.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The server binary and how it is started.
#[derive(Debug)]
pub(crate) struct Engine {
    program: PathBuf,
    version: String,
    node_timeout: u32,
    /// Whether servers can be bound to the life of this process.
    bound: bool,
}

impl Engine {
    /// Checks that the binary runs and asks for its version.
    pub(crate) fn find(program: &Path, node_timeout: u32) -> Result<Engine, Failure> {
        let version = version_of(program, "--engine")?;
        let bound = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "true"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        Ok(Engine { program: program.to_owned(), version, node_timeout, bound })
    }

    /// What the binary says its version is.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// `cluster-node-timeout` the servers start with, in milliseconds.
    pub(crate) fn node_timeout(&self) -> u32 {
        self.node_timeout
    }

    fn start(&self, node: Node, folder: &Path) -> Result<Child, Failure> {
        let doing = || format!("starting {} for {}", self.program.display(), node.address);
        std::fs::create_dir(folder).map_err(Failure::io(doing()))?;
        let output = File::create(folder.join("server.log")).map_err(Failure::io(doing()))?;
        let errors = output.try_clone().map_err(Failure::io(doing()))?;
        let mut command = if self.bound {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--"]).arg(&self.program);
            command
        } else {
            Command::new(&self.program)
        };
        command
            .current_dir(folder)
            .args(["--bind", "127.0.0.1", "--daemonize", "no", "--cluster-enabled", "yes"])
            .args(["--cluster-config-file", "nodes.conf", "--appendonly", "no", "--save", ""])
            .args(["--port", &node.address.port().to_string()])
            .args(["--cluster-node-timeout", &self.node_timeout.to_string()])
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(Failure::io(doing()))
    }
}

/// First line of `PROGRAM --version`.
pub(crate) fn version_of(program: &Path, option: &'static str) -> Result<String, Failure> {
    let missing = |reason: String| Failure::Missing { program: program.to_owned(), reason, option };
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| missing(error.to_string()))?;
    if !output.status.success() {
        return Err(missing(format!("--version gave {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned())
}

/// One server of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    /// Where clients reach it.
    pub(crate) address: SocketAddr,
}

/// Running servers; dropping it kills them and removes their folder.
#[derive(Debug)]
pub(crate) struct Fleet {
    nodes: Vec<Node>,
    children: Vec<Child>,
    // Last, so that the servers are gone when their folder goes.
    folder: TempDir,
}

impl Fleet {
    /// Starts `size` servers and waits until each accepts connections.
    pub(crate) fn start(engine: &Engine, size: usize, stop: &Stop) -> Result<Fleet, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("slotwright-bench-")
            .tempdir()
            .map_err(Failure::io("making a temporary folder"))?;
        let nodes = free_nodes(size)?;
        let mut fleet = Fleet { nodes, children: Vec::with_capacity(size), folder };
        for &node in &fleet.nodes {
            stop.check()?;
            let child = engine.start(node, &fleet.home(node))?;
            fleet.children.push(child);
        }
        fleet.wait_until_up(stop)?;
        Ok(fleet)
    }

    /// The servers, in the order of their ports.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Kills every server and waits for its end.
    pub(crate) fn stop(&mut self) {
        for child in &mut self.children {
            // Fails only for a process that has ended already.
            let _ = child.kill();
        }
        for child in &mut self.children {
            let _ = child.wait();
        }
        self.children.clear();
    }

    /// Adds the log of a server that has died to a failure: its death is then the cause worth reading.
    pub(crate) fn explain(&mut self, failure: Failure) -> Failure {
        match self.dead() {
            Some(dead) if !matches!(failure, Failure::Interrupted) => {
                Failure::server("fleet", format!("{failure}; {dead}"))
            }
            _ => failure,
        }
    }

    fn home(&self, node: Node) -> PathBuf {
        self.folder.path().join(node.address.port().to_string())
    }

    fn wait_until_up(&mut self, stop: &Stop) -> Result<(), Failure> {
        let end = Instant::now() + START_LIMIT;
        for node in self.nodes.clone() {
            while TcpStream::connect_timeout(&node.address, Duration::from_secs(1)).is_err() {
                if let Some(dead) = self.dead() {
                    return Err(dead);
                }
                if Instant::now() > end {
                    let what = format!("does not accept connections after {} s", START_LIMIT.as_secs());
                    return Err(Failure::server(node.address.to_string(), what));
                }
                stop.sleep(Duration::from_millis(10))?;
            }
        }
        // A server that found its port taken dies while another program answers on that port.
        self.dead().map_or(Ok(()), Err)
    }

    /// The first server that has ended, with the end of its log.
    fn dead(&mut self) -> Option<Failure> {
        let nodes = self.nodes.clone();
        nodes.iter().zip(&mut self.children).find_map(|(node, child)| {
            let status = child.try_wait().ok().flatten()?;
            let log = self.folder.path().join(node.address.port().to_string()).join("server.log");
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("(empty log)");
            Some(Failure::server(
                node.address.to_string(),
                format!("ended with {status}; its last words: {last}"),
            ))
        })
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Finds ports that are free together with their bus ports. All are held until the last is found.
fn free_nodes(size: usize) -> Result<Vec<Node>, Failure> {
    let loopback = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // Different runs at the same time should not look for ports in the same place.
    let span = PORTS.end - PORTS.start;
    let offset = (std::process::id() % u32::from(span)) as u16;
    let mut held = Vec::with_capacity(size * 2);
    let mut nodes = Vec::with_capacity(size);
    for step in 0..span {
        if nodes.len() == size {
            break;
        }
        let port = PORTS.start + (offset + step) % span;
        let client = TcpListener::bind(loopback(port));
        let bus = TcpListener::bind(loopback(port + BUS_OFFSET));
        if let (Ok(client), Ok(bus)) = (client, bus) {
            held.extend([client, bus]);
            nodes.push(Node { address: loopback(port) });
        }
    }
    if nodes.len() < size {
        return Err(Failure::Argument(format!("{size} free pairs of ports were not found on loopback")));
    }
    nodes.sort_by_key(|node| node.address.port());
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_distinct_and_free_with_their_bus_ports() {
        let nodes = free_nodes(60).unwrap();
        let mut ports: Vec<u16> = nodes.iter().map(|node| node.address.port()).collect();
        ports.dedup();
        assert_eq!(ports.len(), 60);
        assert!(ports.iter().all(|port| PORTS.contains(port)));
    }

    #[test]
    fn a_missing_engine_is_named_with_the_option_to_name_another() {
        let error = Engine::find(Path::new("/nonexistent/redis-server"), 5000).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/redis-server") && error.contains("--engine"), "{error}");
    }
}
