//! A deployment wherever its nodes are: what every host can be asked to do, and what it then gives.

use std::time::Duration;

use serde::Serialize;
use slotwright_topology::{ClusterStatus, ClusterView, Desired, Plan};

#[cfg(feature = "kubernetes")]
use crate::KubernetesDeployment;
use crate::{
    ClusterSpec, ConvergeOptions, Convergence, Effects, Error, LocalDeployment, PhaseTime, Reporter,
};

/// What `up` may do beyond the ordinary, and how long it waits.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// Nodes whose folders are taken over although they carry another stamp, or none (local nodes only).
    pub adopt: Vec<String>,
    /// Fields of Kubernetes objects that others have set are taken over.
    pub take_over: bool,
    /// How long pods may take to come up; one that loads its data has the time its startup probe gives it.
    pub patience: Duration,
    /// How long to wait for what while the cluster is formed or healed.
    pub converge: ConvergeOptions,
}

impl Default for UpOptions {
    fn default() -> Self {
        Self {
            adopt: Vec::new(),
            take_over: false,
            patience: Duration::from_secs(180),
            converge: ConvergeOptions::default(),
        }
    }
}

/// What `up` did.
#[derive(Debug)]
pub struct Up {
    /// Servers that were started: processes, or pods that did not run yet.
    pub started: usize,
    /// Kubernetes objects that were made, changed or removed.
    pub objects: usize,
    /// What is to be said besides, such as that another version of an API is used.
    pub notes: Vec<String>,
    /// Where the time went, in the order of the beginnings.
    pub phases: Vec<PhaseTime>,
    /// What the loop did.
    pub convergence: Convergence,
}

impl Up {
    /// True when everything was as wanted already.
    pub fn unchanged(&self) -> bool {
        self.started == 0 && self.objects == 0 && self.convergence.changes == 0
    }
}

/// What `up` would do.
#[derive(Debug, Default, Serialize)]
pub struct Outlook {
    /// Kubernetes objects that would be made, changed or removed, each with its fields.
    pub objects: Vec<String>,
    /// Nodes that do not run, and would be started first; only then can the rest be known.
    pub start: Vec<String>,
    /// No node has data yet: the cluster would be created.
    pub creation: bool,
    /// What would be done about the cluster, when all nodes run.
    #[serde(rename = "steps")]
    pub plan: Option<Plan>,
}

/// What `down` did.
#[derive(Debug, Default)]
pub struct Down {
    /// Servers that were stopped.
    pub stopped: usize,
    /// What is still there, for people to read.
    pub kept: String,
}

/// A deployment wherever its nodes are.
pub enum Deployment {
    /// Processes of this machine.
    Local(Box<LocalDeployment>),
    /// Pods.
    #[cfg(feature = "kubernetes")]
    Kubernetes(Box<KubernetesDeployment>),
}

impl Deployment {
    /// The deployment `spec` describes; reads passwords and keys, changes nothing.
    ///
    /// # Errors
    /// When the spec cannot be used, or what it names cannot be read.
    pub async fn new(spec: ClusterSpec, effects: Effects) -> Result<Self, Error> {
        if spec.kubernetes.is_none() {
            return LocalDeployment::new(spec, effects).map(|it| Self::Local(Box::new(it)));
        }
        #[cfg(feature = "kubernetes")]
        return KubernetesDeployment::new(spec, effects).await.map(|it| Self::Kubernetes(Box::new(it)));
        #[cfg(not(feature = "kubernetes"))]
        Err(Error::NoKubernetes)
    }

    /// As [`Self::new`], but nothing secret is read: good for [`Self::down`].
    ///
    /// # Errors
    /// When the spec cannot be used.
    pub async fn without_login(spec: ClusterSpec, effects: Effects) -> Result<Self, Error> {
        if spec.kubernetes.is_none() {
            return LocalDeployment::without_login(spec, effects).map(|it| Self::Local(Box::new(it)));
        }
        #[cfg(feature = "kubernetes")]
        return KubernetesDeployment::without_login(spec, effects)
            .await
            .map(|it| Self::Kubernetes(Box::new(it)));
        #[cfg(not(feature = "kubernetes"))]
        Err(Error::NoKubernetes)
    }

    /// What works but is worth a second thought.
    pub fn advice(&self) -> Vec<String> {
        match self {
            Self::Local(local) => local.advice(),
            #[cfg(feature = "kubernetes")]
            Self::Kubernetes(kubernetes) => kubernetes.advice(),
        }
    }

    /// What is wanted of the cluster.
    pub fn desired(&self) -> Desired {
        match self {
            Self::Local(local) => local.desired(),
            #[cfg(feature = "kubernetes")]
            Self::Kubernetes(kubernetes) => kubernetes.desired(),
        }
    }

    /// Starts what does not run and brings the cluster to the wanted state. Can be stopped at any instant and run again.
    ///
    /// # Errors
    /// Those of the host, and of the loop.
    pub async fn up(&self, options: &UpOptions, reporter: &dyn Reporter) -> Result<Up, Error> {
        match self {
            Self::Local(local) => local.up(options, reporter).await,
            #[cfg(feature = "kubernetes")]
            Self::Kubernetes(kubernetes) => kubernetes.up(options, reporter).await,
        }
    }

    /// What [`Self::up`] would do; changes nothing.
    ///
    /// # Errors
    /// As [`Self::up`], as far as it can be known.
    pub async fn plan(&self, options: &UpOptions) -> Result<Outlook, Error> {
        match self {
            Self::Local(local) => local.plan(options).await,
            #[cfg(feature = "kubernetes")]
            Self::Kubernetes(kubernetes) => kubernetes.plan(options).await,
        }
    }

    /// Looks at all nodes; changes nothing.
    ///
    /// # Errors
    /// When a node refuses the login, or the host cannot be asked.
    pub async fn view(&self) -> Result<ClusterView, Error> {
        match self {
            Self::Local(local) => local.view().await,
            #[cfg(feature = "kubernetes")]
            Self::Kubernetes(kubernetes) => kubernetes.view().await,
        }
    }

    /// The status of the deployment, deviations from its spec included.
    ///
    /// # Errors
    /// As [`Self::view`].
    pub async fn status(&self) -> Result<ClusterStatus, Error> {
        Ok(ClusterStatus::new(self.name().to_owned(), &self.view().await?, Some(&self.desired())))
    }

    /// Stops all servers of the deployment, and waits until they have ended; with `delete_data` what they kept goes too.
    ///
    /// # Errors
    /// When it is not this deployment's, or a server does not end in time; data is then kept.
    pub async fn down(&self, delete_data: bool, reporter: &dyn Reporter) -> Result<Down, Error> {
        match self {
            Self::Local(local) => local.down(delete_data, reporter).await,
            #[cfg(feature = "kubernetes")]
            Self::Kubernetes(kubernetes) => kubernetes.down(delete_data, reporter).await,
        }
    }

    /// The deployment's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Local(local) => local.name(),
            #[cfg(feature = "kubernetes")]
            Self::Kubernetes(kubernetes) => kubernetes.name(),
        }
    }

    /// How to connect to the cluster once it is up, for people to try.
    pub fn how_to_connect(&self) -> String {
        match self {
            Self::Local(local) => local.how_to_connect(),
            #[cfg(feature = "kubernetes")]
            Self::Kubernetes(kubernetes) => kubernetes.how_to_connect(),
        }
    }

    /// Where the nodes' data lies, for people to read; `None` when there is none yet.
    ///
    /// # Errors
    /// When the host cannot be asked.
    pub async fn data(&self) -> Result<Option<String>, Error> {
        match self {
            Self::Local(local) => Ok(local.data()),
            #[cfg(feature = "kubernetes")]
            Self::Kubernetes(kubernetes) => kubernetes.data().await,
        }
    }
}
