//! A deployment of processes of this machine: start what is stopped, converge, show, stop.
//!
//! This module owns the order of things; what each thing is stands in the modules below.

mod engine;
mod guard;
mod node;
mod preflight;
mod process;
mod start;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use secrecy::SecretString;
use slotwright_client::Credentials;
use slotwright_cluster::Settings;
use slotwright_machine::{Lock, LockError};
use slotwright_topology::{ClusterView, Desired, Member};

use self::{node::LocalNode, preflight::Survey};
use crate::{
    ClusterSpec, DeploymentId, Down, Effects, Error, Event, Fleet, LocalPlace, Outlook, Reporter, Stamp, Up,
    UpOptions, converge, stamp::Ownership,
};

/// How long a server may take to end after it was asked to: it may have to write its data first.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// How long until a server is asked to end again. One that is writing its first append-only log, as a replica does after
/// its first copy, says no and forgets that it was asked (`prepareForShutdown` in the servers' source).
const STOP_REMINDER: Duration = Duration::from_secs(1);

/// A node's data is nobody else's business.
const PRIVATE_FOLDER: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

/// A deployment of processes of this machine.
pub struct LocalDeployment {
    spec: ClusterSpec,
    place: LocalPlace,
    nodes: Vec<LocalNode>,
    settings: Settings,
    password: Option<SecretString>,
    effects: Effects,
}

impl LocalDeployment {
    /// The deployment `spec` describes; reads the password, changes nothing.
    ///
    /// # Errors
    /// When the password cannot be had, or a setting cannot be used.
    pub fn new(spec: ClusterSpec, effects: Effects) -> Result<Self, Error> {
        let password = spec.password()?;
        Self::build(spec, password, effects)
    }

    /// As [`Self::new`], but the password is not read: good for [`Self::down`], which talks to processes only.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn without_login(spec: ClusterSpec, effects: Effects) -> Result<Self, Error> {
        Self::build(spec, None, effects)
    }

    fn build(spec: ClusterSpec, password: Option<SecretString>, effects: Effects) -> Result<Self, Error> {
        let (place, settings) = (spec.local_place()?, spec.node_settings()?);
        Ok(Self { nodes: LocalNode::all(&place), spec, place, settings, password, effects })
    }

    /// The nodes as the planner knows them.
    pub fn members(&self) -> Vec<Member> {
        self.nodes.iter().map(LocalNode::member).collect()
    }

    /// What works but is worth a second thought.
    pub fn advice(&self) -> Vec<String> {
        self.spec.advice()
    }

    /// What is wanted of the cluster.
    pub fn desired(&self) -> Desired {
        self.spec.desired(&self.settings)
    }

    /// The deployment's name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The command of a client, to try.
    pub fn how_to_connect(&self) -> String {
        let port = self.place.ports.first().copied().unwrap_or_default();
        format!("redis-cli -c -h {} -p {port}", self.place.host)
    }

    /// The folder of the nodes' folders; `None` when nothing of this deployment exists yet.
    pub fn data(&self) -> Option<String> {
        let is_new = self.nodes.iter().all(|node| matches!(node.ownership(), Ok(Ownership::Empty)));
        (!is_new).then(|| self.place.data_directory.display().to_string())
    }

    /// Connections to all nodes.
    pub fn fleet(&self) -> Fleet {
        let credentials = self.password.clone().map(Credentials::password);
        let settings = self.desired().settings.into_keys();
        Fleet::new(self.members(), self.effects.clone(), credentials, settings)
    }

    /// Starts what is stopped and brings the cluster to the wanted state. Can be stopped at any instant and run again.
    ///
    /// # Errors
    /// Errors of [`Class`](crate::Class) `Input`, `Refused` and `Busy` come before anything was changed, but for
    /// refusals that can be known only once the nodes run.
    pub async fn up(&self, options: &UpOptions, reporter: &dyn Reporter) -> Result<Up, Error> {
        let engine = &self.place.engine;
        // First without the lock, as taking it makes a file; then under it, as the world may have moved.
        let survey = self.survey(&options.adopt).await?;
        self.check_nodes(&survey).await?;
        preflight::check_shards(&self.nodes, self.spec.shards)?;
        if survey.running.iter().any(Option::is_none) {
            engine::probe(&engine::find(engine)?).await?;
        } else {
            // With all servers up, what cannot be done is known before a file is touched.
            let fleet = self.fleet();
            start::await_loaded(&fleet, &self.nodes).await?;
            slotwright_topology::plan(&fleet.observe().await, &self.desired())?;
        }
        let data = &self.place.data_directory;
        self.effects
            .machine()
            .make_folder(data, PRIVATE_FOLDER)
            .map_err(|source| unwritable(data, source))?;
        let _lock = take_lock(data)?;
        let survey = self.survey(&options.adopt).await?;
        self.stamp(&survey, reporter)?;
        self.write_configs()?;

        let stopped: Vec<usize> = survey
            .running
            .iter()
            .enumerate()
            .filter(|(_, found)| found.is_none())
            .map(|(index, _)| index)
            .collect();
        let fleet = self.fleet();
        if !stopped.is_empty() {
            guard::await_safe_start(&self.nodes, &stopped, &self.settings, &fleet, reporter).await?;
            reporter.report(Event::Starting { nodes: stopped.len() });
            let program = engine::find(engine)?;
            start::start(self.effects.machine(), &program, &self.nodes, &stopped, reporter).await?;
        }
        start::await_loaded(&fleet, &self.nodes).await?;
        let convergence = converge(&fleet, &self.desired(), reporter, &options.converge).await?;
        let phases = convergence.phases.clone();
        Ok(Up { started: stopped.len(), objects: 0, notes: Vec::new(), phases, convergence })
    }

    /// What [`Self::up`] would do; changes nothing.
    ///
    /// # Errors
    /// As [`Self::up`], as far as it can be known.
    pub async fn plan(&self, options: &UpOptions) -> Result<Outlook, Error> {
        let survey = self.survey(&options.adopt).await?;
        self.check_nodes(&survey).await?;
        let stopped: Vec<String> = self
            .nodes
            .iter()
            .zip(&survey.running)
            .filter(|(_, running)| running.is_none())
            .map(|(node, _)| node.name.clone())
            .collect();
        if !stopped.is_empty() {
            preflight::check_shards(&self.nodes, self.spec.shards)?;
            engine::probe(&engine::find(&self.place.engine)?).await?;
            let creation = self.nodes.iter().all(|node| node.nodes_conf().is_none());
            return Ok(Outlook { start: stopped, creation, ..Outlook::default() });
        }
        let view = self.fleet().observe().await;
        let plan = slotwright_topology::plan(&view, &self.desired())?;
        Ok(Outlook { plan: Some(plan), ..Outlook::default() })
    }

    /// Looks at all nodes; changes nothing and takes no lock.
    ///
    /// # Errors
    /// When a node refuses the password.
    pub async fn view(&self) -> Result<ClusterView, Error> {
        let fleet = self.fleet();
        let view = fleet.observe().await;
        for (index, node) in view.nodes().iter().enumerate() {
            if node.answer().is_none() {
                fleet.refuse_bad_login(index).await?;
            }
        }
        Ok(view)
    }

    /// Asks all servers of the deployment to end, and waits until they have. With `delete_data` their folders are
    /// removed afterwards.
    ///
    /// # Errors
    /// When a folder is not this deployment's, or a server does not end in time; data is then kept.
    pub async fn down(&self, delete_data: bool, reporter: &dyn Reporter) -> Result<Down, Error> {
        let data = &self.place.data_directory;
        if !data.is_dir() {
            return Ok(Down { stopped: 0, kept: String::new() });
        }
        preflight::identify(&self.spec.name, data, &self.nodes, &[])?;
        let lock = take_lock(data)?;
        preflight::identify(&self.spec.name, data, &self.nodes, &[])?;
        let stopped = self.stop_servers(reporter).await?;
        if delete_data {
            self.delete_data(data, lock)?;
        }
        let kept =
            if delete_data { String::new() } else { format!("the data is kept in {}", data.display()) };
        Ok(Down { stopped, kept })
    }

    async fn stop_servers(&self, reporter: &dyn Reporter) -> Result<usize, Error> {
        let folders: Vec<PathBuf> = self.nodes.iter().map(|node| node.folder.clone()).collect();
        let found = process::servers_in(&folders, &self.place.engine);
        let mut stopping = Vec::new();
        for (node, processes) in self.nodes.iter().zip(&found) {
            for process in processes {
                reporter.report(Event::Stopping { node: &node.name });
                self.ask_to_end(node, process.pid)?;
                stopping.push((node, process.pid));
            }
        }
        let give_up = Instant::now() + STOP_PATIENCE;
        for (node, pid) in &stopping {
            while !process::await_end(*pid, STOP_REMINDER).await {
                if Instant::now() > give_up {
                    let seconds = STOP_PATIENCE.as_secs();
                    return Err(Error::Stop { node: node.name.clone(), pid: *pid, seconds, log: node.log() });
                }
                self.ask_to_end(node, *pid)?;
            }
        }
        Ok(stopping.len())
    }

    fn ask_to_end(&self, node: &LocalNode, pid: u32) -> Result<(), Error> {
        self.effects.machine().stop_server(&node.folder, || process::ask_to_end(pid, &node.folder)).map_err(
            |source| Error::Folder {
                action: "stop the server of",
                path: node.folder.clone(),
                remedy: "run it as the user who started the servers",
                source,
            },
        )
    }

    fn delete_data(&self, data: &Path, lock: Lock) -> Result<(), Error> {
        let remove =
            |path: &Path| self.effects.machine().remove(path).map_err(|source| unwritable(path, source));
        for node in &self.nodes {
            // The stamp goes last: what is left after a kill still says whose it is.
            for entry in fs::read_dir(&node.folder).into_iter().flatten().flatten() {
                if entry.path() != node.stamp() {
                    remove(&entry.path())?;
                }
            }
            remove(&node.stamp())?;
            remove(&node.folder)?;
        }
        remove(&lock_file(data))?;
        drop(lock);
        // Something else in it is not ours to remove.
        let _ = fs::remove_dir(data);
        Ok(())
    }

    /// Looks at the machine. A server that was just killed is still a process for a moment: one that accepts no
    /// connection is looked at again before it counts as running.
    async fn survey(&self, adopt: &[String]) -> Result<Survey, Error> {
        const ATTEMPTS: usize = 20;
        const PAUSE: Duration = Duration::from_millis(50);
        let data = &self.place.data_directory;
        let engine = &self.place.engine;
        for _ in 0..ATTEMPTS {
            let survey = preflight::survey(&self.spec.name, data, &self.nodes, engine, adopt)?;
            let running = self.nodes.iter().zip(&survey.running).filter(|(_, running)| running.is_some());
            let mut deaf = false;
            for (node, _) in running {
                deaf |= tokio::net::TcpStream::connect((node.host, node.port)).await.is_err();
            }
            if !deaf {
                return Ok(survey);
            }
            tokio::time::sleep(PAUSE).await;
        }
        preflight::survey(&self.spec.name, data, &self.nodes, engine, adopt)
    }

    /// Nodes that run must let us in.
    async fn check_nodes(&self, survey: &Survey) -> Result<(), Error> {
        let fleet = self.fleet();
        let running = || survey.running.iter().enumerate().filter(|(_, running)| running.is_some());
        for (index, _) in running() {
            fleet.refuse_bad_login(index).await?;
        }
        if self.password.is_none() {
            return Ok(());
        }
        // A server without a password lets any in; replicas with one could not copy it.
        let stranger = Fleet::new(self.members(), self.effects.clone(), None, []);
        for (index, _) in running() {
            if let (Ok(_), Some(node)) = (stranger.question(index).await, self.nodes.get(index)) {
                return Err(Error::NoPassword { node: node.name.clone() });
            }
        }
        Ok(())
    }

    fn stamp(&self, survey: &Survey, reporter: &dyn Reporter) -> Result<(), Error> {
        let id = match survey.identity.id {
            Some(id) => id,
            None => {
                reporter.report(Event::Founded { name: &self.spec.name });
                DeploymentId::random().map_err(|source| unwritable(&self.place.data_directory, source))?
            }
        };
        for node in survey.identity.to_stamp.iter().filter_map(|index| self.nodes.get(*index)) {
            self.effects
                .machine()
                .make_folder(&node.folder, PRIVATE_FOLDER)
                .map_err(|source| unwritable(&node.folder, source))?;
            let stamp = Stamp { deployment: id, name: self.spec.name.clone(), node: node.name.clone() };
            self.write(&node.stamp(), &stamp.to_text())?;
        }
        Ok(())
    }

    /// Every node gets the configuration it shall start with the next time, whether it runs or not.
    fn write_configs(&self) -> Result<(), Error> {
        for node in &self.nodes {
            let text = node
                .render_config(&self.settings, self.password.as_ref())
                .map_err(|error| Error::Spec(crate::SpecError::from_setting(&error)))?;
            let path = node.config();
            if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
                self.write(&path, &text)?;
            }
        }
        Ok(())
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), Error> {
        self.effects
            .machine()
            .write_file(path, text.as_bytes(), PRIVATE_FILE)
            .map_err(|source| unwritable(path, source))
    }
}

fn unwritable(path: &Path, source: std::io::Error) -> Error {
    Error::Folder {
        action: "write",
        path: path.to_path_buf(),
        remedy: "give this user the right to it, make room, or name another data-directory",
        source,
    }
}

fn lock_file(data: &Path) -> PathBuf {
    data.join(".slotwright.lock")
}

/// One deployer at a time: takes the lock of the data directory, which must exist.
fn take_lock(data: &Path) -> Result<Lock, Error> {
    let path = lock_file(data);
    Lock::take(&path).map_err(|error| match error {
        LockError::Held => Error::Locked { path: data.to_path_buf() },
        LockError::Unusable(source) => Error::Folder {
            action: "lock",
            path,
            remedy: "give this user the right to it, or name another data-directory",
            source,
        },
    })
}
