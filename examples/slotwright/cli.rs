//! The words of the command line.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;
use slotwright_cluster::Endpoint;
use slotwright_deploy::DeploymentId;

/// Deploys a Redis or Valkey cluster from a spec file and looks after it.
#[derive(Debug, Parser)]
#[command(name = "slotwright", version, about, after_help = EXIT_STATUS, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  done, or nothing to do; with check: healthy
  1  something went wrong while acting; run it again to go on from there
  2  the command line, the spec or the machine does not allow it; nothing was changed
  3  refused, because it could endanger data or identity
  4  check: something was found that deserves attention (warning or worse)
  5  another deployer is at work on the same deployment";

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// One JSON document on standard output, for machines
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log what is done to standard error (-vv: everything; RUST_LOG overrides)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start what is stopped and bring the cluster to what the spec says; run it as often as you like
    Up {
        #[command(flatten)]
        spec: SpecFile,
        #[command(flatten)]
        consent: Consent,
    },
    /// Show what `up` would do; nothing is changed
    Plan {
        #[command(flatten)]
        spec: SpecFile,
        #[command(flatten)]
        consent: Consent,
    },
    /// Show shards, nodes and the slot map
    Status {
        #[command(flatten)]
        target: Target,
        /// Also draw the topology and the slot map into this file
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Look for everything that is wrong; the exit status tells
    Check {
        #[command(flatten)]
        target: Target,
    },
    /// Stop all servers of the deployment
    Down {
        #[command(flatten)]
        spec: SpecFile,
        /// Keep the data for the next `up` (the default when nobody can be asked)
        #[arg(long, conflicts_with = "delete_data")]
        keep_data: bool,
        /// Delete the data of all nodes, for good
        #[arg(long)]
        delete_data: bool,
    },
    /// The NFS exports that hold the nodes' data (storage.nfs in the spec)
    #[command(subcommand)]
    Exports(Exports),
    /// Print the Kubernetes objects of the spec as YAML, for kubectl or a GitOps tool; no server is asked
    Render(Render),
    /// Show the hash slot of keys
    Slot {
        /// The keys, as bytes of the command line
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<std::ffi::OsString>,
    },
    /// Print the JSON Schema of the spec file
    Schema,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What can be done with exports; on the machine that serves them, but for `verify`, `render` and `lint`.
#[derive(Debug, Subcommand)]
pub(crate) enum Exports {
    /// Show what `apply` would do; nothing is changed
    Plan {
        #[command(flatten)]
        spec: SpecFile,
        #[command(flatten)]
        consent: ExportsConsent,
    },
    /// Make directories, files and server as the spec says; run it as often as you like
    Apply {
        #[command(flatten)]
        spec: SpecFile,
        #[command(flatten)]
        consent: ExportsConsent,
    },
    /// Show each export, what is not as the spec says, and who uses it
    Status {
        #[command(flatten)]
        spec: SpecFile,
    },
    /// Prove over the network that a node could live in each export (from any machine that may mount them)
    Verify {
        #[command(flatten)]
        spec: SpecFile,
        /// The exports to verify, for instance pv1 (all of them when none is named)
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Synced appends to measure for each export
        #[arg(long, value_name = "COUNT", default_value_t = 200)]
        appends: usize,
        /// The longest that one export may take, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
        limit: u64,
        /// Port of the mount protocol, for NFSv3 without a port mapper
        #[arg(long, value_name = "PORT")]
        mount_port: Option<u16>,
    },
    /// Print the server's configuration, for a server that other tools look after
    Render {
        #[command(flatten)]
        spec: SpecFile,
        /// The server to write for [default: the one of the spec]
        #[arg(long, value_enum, value_name = "SERVER")]
        format: Option<RenderFormat>,
    },
    /// Take exports away; directories and their data stay
    Remove {
        #[command(flatten)]
        spec: SpecFile,
        /// The exports to take away, for instance pv7 (all of them when none is named)
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        #[command(flatten)]
        consent: ExportsConsent,
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Judge files of exports(5); needs no spec
    Lint {
        /// The files, or folders of *.exports files [default: /etc/exports and /etc/exports.d]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Print the one file named with its entries made safe
        #[arg(long, requires = "clients")]
        rewrite: bool,
        /// With --rewrite: who may mount, for instance 10.0.0.0/16 (repeatable)
        #[arg(long = "client", value_name = "CLIENT")]
        clients: Vec<String>,
        /// With --rewrite: the user that the nodes run as
        #[arg(long, value_name = "UID:GID", default_value = "999:999")]
        owner: String,
    },
}

/// A server's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RenderFormat {
    /// exports(5), for the kernel's server
    Exports,
    /// NFS-Ganesha's configuration
    Ganesha,
}

/// How objects are written.
#[derive(Debug, Args)]
pub(crate) struct Render {
    #[command(flatten)]
    pub(crate) spec: SpecFile,
    /// Write a file for each object into this folder, and a kustomization.yaml; keep it up to date by running it again
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
    /// Write the deployment's own Secret too, with its content
    #[arg(long)]
    pub(crate) show_secrets: bool,
    /// With --show-secrets: the deployment's id, 32 hexadecimal digits
    #[arg(long, value_name = "ID", requires = "show_secrets")]
    pub(crate) deployment_id: Option<DeploymentId>,
    /// Write what this version of Kubernetes takes, for instance 1.20
    #[arg(long, value_name = "VERSION", value_parser = minor)]
    pub(crate) kubernetes_version: Option<u32>,
}

/// The minor number of a version of Kubernetes: 20 of `1.20` or `v1.20.2`.
fn minor(text: &str) -> Result<u32, String> {
    let parse = || {
        let mut numbers = text.strip_prefix('v').unwrap_or(text).split('.');
        let major = numbers.next()?;
        numbers.next()?.parse().ok().filter(|_| major == "1")
    };
    match parse() {
        Some(minor) if minor >= 20 => Ok(minor),
        Some(_) => Err("1.20 is the oldest that is known".to_owned()),
        None => Err("expected a version such as 1.20".to_owned()),
    }
}

/// What may be done because it was asked for by name.
#[derive(Debug, Args)]
pub(crate) struct ExportsConsent {
    /// Give this directory its owner although it holds data of another (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(crate) adopt: Vec<String>,
    /// Take this export away, or grant it otherwise, although a client uses it (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(crate) even_if_used: Vec<String>,
    /// The server need not run: prepare what it reads when it starts
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SpecFile {
    /// The spec file
    #[arg(
        short = 's',
        long = "spec",
        visible_short_alias = 'f',
        visible_alias = "file",
        value_name = "FILE",
        default_value = "slotwright.yaml"
    )]
    pub(crate) path: PathBuf,
}

/// What `up` may do because it was asked for by name, and how long it waits.
#[derive(Debug, Args)]
pub(crate) struct Consent {
    /// Take over the data folder of this local node although it carries another deployment's stamp, or none (repeatable)
    #[arg(long, value_name = "NODE")]
    pub(crate) adopt: Vec<String>,
    /// Take over fields of Kubernetes objects that others have set
    #[arg(long)]
    pub(crate) take_over: bool,
    /// The longest that pods may take to come up, in seconds; loading data does not count
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub(crate) patience: u64,
}

/// Which cluster to look at.
#[derive(Debug, Args)]
pub(crate) struct Target {
    #[command(flatten)]
    pub(crate) spec: SpecFile,
    /// Look at the cluster of this node instead, however it was made
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "path")]
    pub(crate) seed: Option<Endpoint>,
    #[command(flatten)]
    pub(crate) login: Login,
}

/// How to log in at a seed.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// With --seed: the environment variable that holds the password
    #[arg(long, value_name = "NAME", requires = "seed", conflicts_with = "password_file")]
    pub(crate) password_env: Option<String>,
    /// With --seed: the file whose first line is the password
    #[arg(long, value_name = "FILE", requires = "seed")]
    pub(crate) password_file: Option<PathBuf>,
    /// With --seed: the user to log in as, if it is not the default one
    #[arg(long, value_name = "NAME", requires = "seed")]
    pub(crate) user: Option<String>,
    /// With --seed: connect with TLS, and trust the CAs in this file (PEM)
    #[arg(long, value_name = "FILE", requires = "seed")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// With --tls-ca: the client certificate (PEM), for servers that ask for one
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_key"])]
    pub(crate) tls_cert: Option<PathBuf>,
    /// With --tls-cert: its private key (PEM, not encrypted)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// With --tls-ca: the name that every node's certificate must be valid for [default: the node's announced hostname,
    /// or its address]
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    pub(crate) tls_server_name: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn versions_of_kubernetes_are_read_as_people_write_them() {
        for (text, minor) in [("1.20", 20), ("v1.34.2", 34)] {
            assert_eq!(super::minor(text), Ok(minor));
        }
        for text in ["20", "2.20", "1.x", "1.19", ""] {
            assert!(super::minor(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_words_fit_together() {
        super::Cli::command().debug_assert();
    }
}
