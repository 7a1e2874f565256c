//! `cargo xtask`: set-up and chores of the workspace.
//!
//! Nothing here knows about clusters: what a product command does is the deployer's affair. This file owns the
//! command line; [`install`] what the system must provide, [`deployer`] `up` and `down`, [`checks`] `test`, `soak`
//! and `bench`, [`leftovers`] the look for processes that a run forgot.

mod checks;
mod deployer;
mod failure;
mod install;
mod leftovers;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set-up and chores of the Slotwright workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Install what is missing, build the deployer, make a local cluster run and show it
    Up {
        /// Spec file [default: examples/local.yaml]
        #[arg(long, value_name = "FILE")]
        spec: Option<PathBuf>,
        /// More arguments for `slotwright up`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Stop the local cluster
    Down {
        /// Spec file [default: examples/local.yaml]
        #[arg(long, value_name = "FILE")]
        spec: Option<PathBuf>,
        /// Delete the data of the cluster too
        #[arg(long, conflicts_with = "keep_data")]
        delete_data: bool,
        /// Keep the data of the cluster
        #[arg(long)]
        keep_data: bool,
    },
    /// Install what is missing and run every test
    Test {
        /// Arguments for `cargo test`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run the random tests in their long versions
    Soak {
        /// Shortest time to go on for; a round that has begun is finished
        #[arg(long, default_value_t = 10)]
        minutes: u64,
    },
    /// Measure; without a name, list what can be measured
    Bench {
        #[command(subcommand)]
        which: Option<checks::Bench>,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Up { spec, args } => deployer::up(spec.as_deref(), &args),
        Chore::Down { spec, delete_data, keep_data } => {
            let choice = [(delete_data, "--delete-data"), (keep_data, "--keep-data")];
            let args: Vec<String> =
                choice.into_iter().filter(|(chosen, _)| *chosen).map(|(_, name)| name.to_owned()).collect();
            deployer::down(spec.as_deref(), &args)
        }
        Chore::Test { args } => checks::test(&args),
        Chore::Soak { minutes } => checks::soak(minutes),
        Chore::Bench { which } => checks::bench(which),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
