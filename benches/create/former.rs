//! The sides that form a cluster, behind one seam.
//!
//! A side is given nodes that are up, empty and strangers to each other, and comes back when *it* thinks the work
//! is done; what the nodes think is the poller's business.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Serialize;
use slotwright_cluster::{Endpoint, Host};
use slotwright_deploy::{ConvergeOptions, Effects, Fleet, PhaseTime, Silent, converge};
use slotwright_topology::{Desired, Member, NODE_TIMEOUT, placement::Site};

use crate::failure::Failure;
use crate::servers::{self, Node};
use crate::stop::Stop;

/// What is to be formed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Number of primaries.
    pub(crate) shards: usize,
    /// Replicas of each.
    pub(crate) replicas_per_shard: usize,
}

impl Layout {
    /// Number of replicas in the cluster.
    pub(crate) fn replicas(self) -> usize {
        self.shards * self.replicas_per_shard
    }
}

/// A part of a side's time, as the side itself reports it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Phase {
    /// What was done.
    pub(crate) name: String,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
}

impl Phase {
    /// A phase that took this long.
    pub(crate) fn new(name: impl Into<String>, time: Duration) -> Phase {
        Phase { name: name.into(), seconds: time.as_secs_f64() }
    }
}

/// Something that turns empty nodes into a cluster.
pub(crate) trait Former: Sync {
    /// Name in the report.
    fn name(&self) -> &'static str;

    /// Version, as the side states it.
    fn version(&self) -> &str;

    /// Forms the cluster. Called on a thread of its own; gives up soon after `stop` is raised.
    fn form(&self, nodes: &[Node], layout: Layout, stop: &Stop) -> Result<Vec<Phase>, Failure>;
}

/// The sides there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Side {
    /// `redis-cli --cluster create`.
    RedisCli,
    /// `slotwright_deploy::converge`, the loop behind `slotwright up`.
    Slotwright,
}

impl Side {
    /// Every side, the one to be beaten first.
    pub(crate) const ALL: [Side; 2] = [Side::RedisCli, Side::Slotwright];

    /// Prepares the side.
    pub(crate) fn former(self, cli: &Path, node_timeout: u32) -> Result<Box<dyn Former>, Failure> {
        match self {
            Side::RedisCli => Ok(Box::new(RedisCli::find(cli)?)),
            Side::Slotwright => Ok(Box::new(Slotwright { node_timeout })),
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Side::RedisCli => "redis-cli",
            Side::Slotwright => "slotwright",
        })
    }
}

/// `redis-cli --cluster create`, as its manual tells people to use it.
#[derive(Debug)]
struct RedisCli {
    program: PathBuf,
    version: String,
}

impl RedisCli {
    fn find(program: &Path) -> Result<RedisCli, Failure> {
        Ok(RedisCli { program: program.to_owned(), version: servers::version_of(program, "--cli")? })
    }

    fn failed(&self, what: impl Into<String>) -> Failure {
        Failure::Tool { side: self.name(), what: what.into() }
    }
}

impl Former for RedisCli {
    fn name(&self) -> &'static str {
        "redis-cli"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn form(&self, nodes: &[Node], layout: Layout, stop: &Stop) -> Result<Vec<Phase>, Failure> {
        // A file takes the output, so that nobody has to read a pipe while the clock runs.
        let output = tempfile::tempfile().map_err(Failure::io("making a file for redis-cli's output"))?;
        let copy = || output.try_clone().map_err(Failure::io("making a file for redis-cli's output"));
        let mut child = Command::new(&self.program)
            .args(["--cluster", "create"])
            .args(nodes.iter().map(|node| node.address.to_string()))
            .args(["--cluster-replicas", &layout.replicas_per_shard.to_string(), "--cluster-yes"])
            .stdin(Stdio::null())
            .stdout(copy()?)
            .stderr(copy()?)
            .spawn()
            .map_err(Failure::io("starting redis-cli"))?;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(Failure::io("waiting for redis-cli"))? {
                break status;
            }
            if let Err(interrupted) = stop.sleep(Duration::from_millis(5)) {
                let _ = child.kill();
                let _ = child.wait();
                return Err(interrupted);
            }
        };
        if !status.success() {
            return Err(self.failed(format!("{status}: {}", last_line(output))));
        }
        Ok(Vec::new())
    }
}

/// The deployer's own loop, on nodes that somebody else started.
#[derive(Debug)]
struct Slotwright {
    node_timeout: u32,
}

impl Slotwright {
    /// What both sides are asked for. Settings the loop shortens must be named, so that it restores them.
    fn desired(&self, layout: Layout) -> Desired {
        let settings =
            [(NODE_TIMEOUT, self.node_timeout.to_string()), ("repl-diskless-sync-delay", "5".to_owned())];
        Desired {
            shards: layout.shards,
            replicas: layout.replicas_per_shard,
            settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }
}

impl Former for Slotwright {
    fn name(&self) -> &'static str {
        "slotwright"
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn form(&self, nodes: &[Node], layout: Layout, stop: &Stop) -> Result<Vec<Phase>, Failure> {
        let member = |node: &Node| Member {
            name: node.address.to_string(),
            endpoint: Endpoint::new(Host::Ip(node.address.ip()), node.address.port()),
            site: Site::new("this machine", ""),
        };
        let desired = self.desired(layout);
        let members = nodes.iter().map(member).collect();
        let fleet = Fleet::new(members, Effects::default(), None, desired.settings.keys().cloned());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::io("starting the runtime"))?;
        let options = ConvergeOptions::default();
        let formed = runtime.block_on(async {
            tokio::select! {
                formed = converge(&fleet, &desired, &Silent, &options) => {
                    formed.map_err(|error| Failure::Tool { side: self.name(), what: error.to_string() })
                }
                interrupted = async {
                    loop {
                        if let Err(interrupted) = stop.sleep(Duration::ZERO) {
                            break interrupted;
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                } => Err(interrupted),
            }
        })?;
        let span = |phase: &PhaseTime| Duration::from_micros(phase.end_us - phase.begin_us);
        Ok(formed.phases.iter().map(|phase| Phase::new(phase.phase, span(phase))).collect())
    }
}

fn last_line(mut output: std::fs::File) -> String {
    use std::io::{Read, Seek};
    let mut text = String::new();
    // Only the words of an error message are lost when this fails.
    let _ = output.rewind().and_then(|()| output.read_to_string(&mut text));
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("(no output)").to_owned()
}
