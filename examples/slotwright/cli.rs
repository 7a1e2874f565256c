//! The words of the command line.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;
use slotwright_cluster::Endpoint;

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
  5  another deployer is at work on the same data directory";

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
        adopt: Adopt,
    },
    /// Show what `up` would do; nothing is changed
    Plan {
        #[command(flatten)]
        spec: SpecFile,
        #[command(flatten)]
        adopt: Adopt,
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

#[derive(Debug, Args)]
pub(crate) struct SpecFile {
    /// The spec file
    #[arg(short = 's', long = "spec", value_name = "FILE", default_value = "slotwright.yaml")]
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Adopt {
    /// Take over the data folder of this node although it carries another deployment's stamp, or none (repeatable)
    #[arg(long, value_name = "NODE")]
    pub(crate) adopt: Vec<String>,
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
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_words_fit_together() {
        super::Cli::command().debug_assert();
    }
}
