//! Why a deployment stopped, and what kind of stop it is.

use std::{fmt, io, path::PathBuf};

use slotwright_nfs::ErrorKind;
use slotwright_topology::{Finding, Refusal};
use thiserror::Error;

use crate::SpecError;

/// What kind of stop an error is; the deployer's exit status follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Something went wrong while acting; running it again goes on from there.
    Failed,
    /// The input or the machine does not allow it; nothing was changed.
    Input,
    /// It could endanger data or identity; nothing was changed.
    Refused,
    /// Another deployer is at work on this deployment.
    Busy,
}

/// Who holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortHolder {
    /// Its process id.
    pub pid: u32,
    /// Its command line's first word, or its name.
    pub program: String,
    /// The folder it runs in.
    pub folder: Option<PathBuf>,
}

impl fmt::Display for PortHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {}", self.program, self.pid)?;
        match &self.folder {
            Some(folder) => write!(f, ", in {})", folder.display()),
            None => f.write_str(")"),
        }
    }
}

/// Why a deployment stopped. Each says what happened, where, and what to do next.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The spec cannot be used.
    #[error(transparent)]
    Spec(#[from] SpecError),

    /// Something about exports cannot be done.
    #[error(transparent)]
    Exports(#[from] slotwright_nfs::Error),

    /// The spec is about pods, and this build knows no Kubernetes.
    #[error(
        "kubernetes: this build knows no Kubernetes; build it with: cargo install --path examples --features kubernetes"
    )]
    NoKubernetes,

    /// Something about Kubernetes cannot be done.
    #[cfg(feature = "kubernetes")]
    #[error("{0}{how}", how = how_to_take_over(.0))]
    Kubernetes(#[from] slotwright_kube::apply::Error),

    /// A Secret that others write is not there, or lacks a key.
    #[error(
        "Secret {namespace}/{needed}: it must be there before the pods can start, with these keys; make it (kubectl -n {namespace} create secret generic), then run this again"
    )]
    MissingSecret {
        /// Where.
        namespace: String,
        /// Its name and keys, each with what belongs under it.
        needed: String,
    },

    /// Another deployer holds the Lease of this deployment.
    #[error("another deployer is at work on {name} ({holder}); wait until it has finished")]
    Leased {
        /// The deployment.
        name: String,
        /// Who.
        holder: String,
    },

    /// The Lease could not be renewed, or somebody else took it.
    #[error("the Lease on {name} is lost, so another deployer may be at work; run this again to go on")]
    LeaseLost {
        /// The deployment.
        name: String,
    },

    /// The engine's program cannot be run.
    #[error(
        "cannot run the engine {program}: {reason}; install it (Debian: apt-get install redis-server), or name another with local.engine"
    )]
    Engine {
        /// The program as the spec names it.
        program: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The engine lacks what a deployment needs.
    #[error("the engine {program} is too old or built without it: it does not know {}; Redis 7.0, Valkey 7.2 and later do", .missing.join(", "))]
    EngineTooOld {
        /// The program.
        program: PathBuf,
        /// The commands it lacks.
        missing: Vec<String>,
    },

    /// A file or folder cannot be used.
    #[error("cannot {action} {path}: {source}; {remedy}", path = .path.display())]
    Folder {
        /// What was tried, for instance `read`.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// A folder is not this deployment's.
    #[error("{path} {reason}. Name another data-directory, or take the folder over with --adopt {node}", path = .path.display())]
    Identity {
        /// The folder.
        path: PathBuf,
        /// The node it was meant for.
        node: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The deployment has nodes that the spec does not name.
    #[error("the spec has fewer nodes than the deployment: {} {} not in it. Removing nodes is not possible yet: name their ports again", .folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", "), if .folders.len() == 1 { "is" } else { "are" })]
    LeftOut {
        /// Their folders.
        folders: Vec<PathBuf>,
    },

    /// `--adopt` names a node the deployment does not have.
    #[error("--adopt {given}: there is no such node; the nodes are {known}")]
    UnknownNode {
        /// What was given.
        given: String,
        /// The nodes there are.
        known: String,
    },

    /// A port is taken by something else.
    #[error("port {port} on {host} ({what} of {node}) is taken by {}; stop it, or name other ports with local.ports", .holder.as_ref().map_or_else(|| "a program of another user".to_owned(), ToString::to_string))]
    PortTaken {
        /// The port.
        port: u16,
        /// The address.
        host: String,
        /// `client port` or `bus port`.
        what: &'static str,
        /// The node that needs it.
        node: String,
        /// Who has it, where the system tells.
        holder: Option<Box<PortHolder>>,
    },

    /// Another deployer works on the same data directory.
    #[error("another deployer is at work in {path}; wait until it has finished", path = .path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
    },

    /// A server did not start.
    #[error("{node} did not start: {reason}.{log}")]
    Start {
        /// The node.
        node: String,
        /// What happened.
        reason: String,
        /// The end of its log.
        log: String,
    },

    /// A node's server did not stop.
    #[error("{node} (process {pid}) did not stop within {seconds} s; look at {log}, then run `down` again", log = .log.display())]
    Stop {
        /// The node.
        node: String,
        /// Its process.
        pid: u32,
        /// How long it was waited for.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },

    /// Starting a primary would lose keys that its replica still holds.
    #[error(
        "{node} was the primary of keys that only {replica} still holds; started now it would come back {how} and empty its replica. {next}"
    )]
    WouldLoseData {
        /// The primary that is down.
        node: String,
        /// Its replica.
        replica: String,
        /// What it would come back with.
        how: &'static str,
        /// What to do.
        next: String,
    },

    /// The spec has a password, a running node has none.
    #[error(
        "{node} runs without a password, but the spec has one; a password changes with a restart: `slotwright down --keep-data`, then `up`"
    )]
    NoPassword {
        /// The node.
        node: String,
    },

    /// TLS cannot be set up with what was given.
    #[error("{place}: {source}")]
    Tls {
        /// Where it was given: an option, a file.
        place: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A node cannot be talked to.
    #[error("{node}: {source}{}", login_remedy(.source))]
    Node {
        /// The node.
        node: String,
        /// Where.
        endpoint: String,
        /// What the client said.
        source: Box<slotwright_client::Error>,
    },

    /// A node answered what cannot be used.
    #[error("{node} answered {command} with something unusable: {reason}")]
    Answer {
        /// The node.
        node: String,
        /// The question.
        command: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },

    /// A step was refused.
    #[error("{node}: {command}: {reason}")]
    Step {
        /// The node.
        node: String,
        /// What was sent.
        command: String,
        /// Why it has no effect.
        reason: String,
    },

    /// A node is not the one the step was planned for.
    #[error("{node}: the server at its address changed under our hands; run the command again")]
    Changed {
        /// The node.
        node: String,
    },

    /// There is no safe way to what is wanted.
    #[error("{0}")]
    Refused(#[from] Refusal),

    /// A step failed again and again, or the state did not settle in time.
    #[error("the cluster did not reach the wanted state: {reason}{}", findings_text(.findings))]
    NotConverged {
        /// What stood in the way.
        reason: String,
        /// What was found at the end.
        findings: Vec<Finding>,
    },
}

fn login_remedy(source: &slotwright_client::Error) -> &'static str {
    match source {
        slotwright_client::Error::Authentication { .. } => {
            "; give the right one: `password:` in the spec names its source, --password-env or --password-file that of a seed"
        }
        _ => "",
    }
}

fn findings_text(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("\n  {finding}")).collect()
}

impl Error {
    /// True when a node refused the login.
    pub(crate) fn is_bad_login(&self) -> bool {
        let refused = |source: &slotwright_client::Error| {
            matches!(source, slotwright_client::Error::Authentication { .. })
        };
        matches!(self, Self::Node { source, .. } if refused(source))
    }

    /// What kind of stop this is.
    pub fn class(&self) -> Class {
        match self {
            Self::Exports(error) => match error.kind() {
                ErrorKind::Failed => Class::Failed,
                ErrorKind::Input => Class::Input,
                ErrorKind::Refused => Class::Refused,
                ErrorKind::Busy => Class::Busy,
            },
            #[cfg(feature = "kubernetes")]
            Self::Kubernetes(error) => of_kubernetes(error),
            Self::Spec(_)
            | Self::NoKubernetes
            | Self::MissingSecret { .. }
            | Self::Engine { .. }
            | Self::EngineTooOld { .. }
            | Self::Folder { .. }
            | Self::UnknownNode { .. }
            | Self::PortTaken { .. }
            | Self::Tls { .. }
            | Self::NoPassword { .. } => Class::Input,
            Self::Node { .. } if self.is_bad_login() => Class::Input,
            Self::Identity { .. } | Self::LeftOut { .. } | Self::Refused(_) | Self::WouldLoseData { .. } => {
                Class::Refused
            }
            Self::Locked { .. } | Self::Leased { .. } => Class::Busy,
            Self::LeaseLost { .. }
            | Self::Start { .. }
            | Self::Stop { .. }
            | Self::Node { .. }
            | Self::Step { .. }
            | Self::Answer { .. }
            | Self::Changed { .. }
            | Self::NotConverged { .. } => Class::Failed,
        }
    }
}

/// Our word for what the library calls force.
#[cfg(feature = "kubernetes")]
fn how_to_take_over(error: &slotwright_kube::apply::Error) -> &'static str {
    match error {
        slotwright_kube::apply::Error::Conflict { .. } => " (--take-over)",
        _ => "",
    }
}

/// Of errors that come before anything was changed, and others.
#[cfg(feature = "kubernetes")]
fn of_kubernetes(error: &slotwright_kube::apply::Error) -> Class {
    use slotwright_kube::apply::Error as Kube;
    match error {
        Kube::NotReady { troubles, .. } => {
            // What the start script says of a volume with another stamp.
            let foreign = troubles.iter().any(|trouble| trouble.what.contains("slotwright: the volume at"));
            if foreign { Class::Refused } else { Class::Failed }
        }
        Kube::Immutable { .. } | Kube::Conflict { .. } => Class::Refused,
        Kube::NotGone { .. } | Kube::Changed { .. } | Kube::TimedOut { .. } | Kube::Unreachable { .. } => {
            Class::Failed
        }
        _ => Class::Input,
    }
}
