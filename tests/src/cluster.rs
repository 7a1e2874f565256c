//! A cluster that something else made: `redis-cli --cluster create`, the way most clusters come into being.
//!
//! Breaking it, and judging what is found then, is left to the tests.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

use slotwright_client::Credentials;
use slotwright_cluster::{NodeId, Role};
use slotwright_deploy::{Effects, Fleet, discover};
use slotwright_topology::{ClusterView, Desired, Finding, Member, Severity, diagnose};

use crate::{
    server::{Options, Server},
    wait::until,
};

/// A cluster made by `redis-cli`, with the members as they were discovered when it was whole.
pub struct Cluster {
    /// The servers, by port.
    pub servers: Vec<Server>,
    /// The members, as they were discovered.
    pub members: Vec<Member>,
    /// Replicas of each primary.
    pub replicas: usize,
}

impl Cluster {
    /// `shards` times one primary and `replicas`, whole and at rest.
    pub async fn create(options: Options, shards: u16, replicas: usize) -> Self {
        let count = shards * u16::try_from(1 + replicas).unwrap();
        let mut servers = options.start_many(count);
        servers.sort_by_key(Server::port);
        let mut command = Command::new("redis-cli");
        command.args(["--no-auth-warning", "--cluster", "create"]);
        command.args(servers.iter().map(|server| server.endpoint().to_string()));
        command.args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"]);
        if let Some(password) = servers[0].password() {
            command.env("REDISCLI_AUTH", password);
        }
        let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
            panic!("redis-cli cannot be started ({error}); `cargo xtask test` installs what the tests need")
        });
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("[OK] All 16384 slots covered."), "{said}");
        let mut cluster = Self { servers, members: Vec::new(), replicas };
        cluster.members =
            discover(&cluster.servers[0].endpoint(), &Effects::default(), cluster.credentials())
                .await
                .unwrap();
        cluster
            .until("the cluster is at rest", |view| {
                view.all_ok() && worse_than_info(&diagnose(view, None)).is_empty()
            })
            .await;
        // Short only while it is made: nothing fails over behind the back of a test that does not want it.
        cluster.on_all("CONFIG SET cluster-node-timeout 15000").await;
        cluster
    }

    /// The password of all servers, if there is one.
    pub fn credentials(&self) -> Option<Credentials> {
        self.servers[0].credentials()
    }

    /// Sends a command to every server.
    pub async fn on_all(&self, command: &str) {
        for server in &self.servers {
            server.ask(command).await;
        }
    }

    /// The members as they were discovered; these settings are observed too.
    pub fn fleet(&self, settings: &[&str]) -> Fleet {
        let settings = settings.iter().copied().map(str::to_owned);
        Fleet::new(self.members.clone(), Effects::default(), self.credentials(), settings)
    }

    /// What all members say now.
    pub async fn view(&self) -> ClusterView {
        self.fleet(&[]).observe().await
    }

    /// Waits until this holds.
    pub async fn until(&self, what: &str, holds: impl Fn(&ClusterView) -> bool) -> ClusterView {
        until(what, async || {
            let view = self.view().await;
            if holds(&view) { Ok(view) } else { Err(diagnose(&view, None)) }
        })
        .await
    }

    /// The wish that the cluster fulfils when it is whole.
    pub fn desired(&self) -> Desired {
        Desired {
            shards: self.servers.len() / (1 + self.replicas),
            replicas: self.replicas,
            settings: BTreeMap::new(),
        }
    }

    /// The name of a member: the address of the server.
    pub fn name(&self, index: usize) -> String {
        format!("127.0.0.1:{}", self.servers[index].port())
    }

    /// The node id of a server.
    pub async fn id(&self, index: usize) -> NodeId {
        self.servers[index].ask("CLUSTER MYID").await.as_str().unwrap().parse().unwrap()
    }

    /// The server with this role that comes first, and, for a replica, that copies `of`.
    pub fn first(&self, view: &ClusterView, role: Role, of: Option<NodeId>) -> usize {
        let fits = |index: usize| {
            view.nodes()[index].role() == Some(role) && (of.is_none() || view.primary_of(index) == of)
        };
        let member = (0..view.nodes().len()).find(|index| fits(*index)).unwrap();
        self.servers
            .iter()
            .position(|server| server.port() == view.nodes()[member].member.endpoint.port)
            .unwrap()
    }

    /// Stops every server, changes each `nodes.conf`, and starts them again.
    pub fn edit_nodes_conf(&mut self, change: impl Fn(usize, String) -> String) {
        for server in &mut self.servers {
            server.kill9();
        }
        for (index, server) in self.servers.iter_mut().enumerate() {
            server.edit("nodes.conf", |text| change(index, text));
        }
        for server in &mut self.servers {
            server.start();
        }
    }
}

/// The findings that call for something to be done.
pub fn worse_than_info(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.severity > Severity::Info).collect()
}
