//! Deploys Redis Cluster and Valkey Cluster: the spec file, the hosts, and the loop observe → plan → execute → verify.
//!
//! Data flows one way. A [`ClusterSpec`] is read from YAML; a host ([`local`]) provides its nodes and gives an
//! inventory of [`Member`](slotwright_topology::Member)s; a [`Fleet`] asks them all; `slotwright-topology` makes a view
//! and a plan; [`converge`] executes plans until nothing is left to do. A [`Deployment`] puts it together: of processes of
//! this machine, or, with the feature `kubernetes`, of pods.
//!
//! Nodes that run elsewhere may keep their data on an NFS server: [`exports`] looks after that.
//!
//! There is no state file: the cluster is the state, and a run that was killed at any instant is resumed by running it
//! again. The one thing written down is the identity ([`Stamp`]) beside each node's data.
//!
//! Everything that changes something goes through [`Effects`], so that a test can stand between any two effects.

mod converge;
mod deployment;
mod effects;
mod error;
mod execute;
pub mod exports;
mod fleet;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod local;
mod progress;
mod seed;
mod spec;
mod stamp;

pub use converge::{ConvergeOptions, Convergence, PhaseTime, converge};
pub use deployment::{Deployment, Down, Outlook, Up, UpOptions};
pub use effects::Effects;
pub use error::{Class, Error, PortHolder};
pub use fleet::{Fleet, OBSERVED_SETTINGS};
#[cfg(feature = "kubernetes")]
pub use kubernetes::KubernetesDeployment;
pub use local::LocalDeployment;
pub use progress::{Event, Reporter, Silent};
pub use seed::discover;
pub use slotwright_machine::{Effect, Witness};
pub use spec::{
    Amount, ClientsSpec, ClusterSpec, Dial, GaneshaSpec, KernelSpec, KubernetesEngine, KubernetesSpec,
    KubernetesStyle, LocalPlace, LocalSpec, MetricsSpec, MonitorSpec, NamesSpec, NfsPlace, NfsServerKind,
    NfsSpec, OwnerSpec, PasswordSource, PeerSpec, PortList, ResourcesSpec, SecretSpec, SettingValue,
    SpecError, SpreadSpec, StorageSpec, TextSource, TlsFiles, TlsSpec, VolumeAccess, VolumesSpec,
};
pub use stamp::{DeploymentId, Stamp};
