//! `cargo xtask`: set-up and chores of the workspace.
//!
//! Nothing here knows about clusters: what a product command does is the deployer's affair. This file owns the
//! command line; [`install`] what the system must provide, [`deployer`] `up` and `down`, [`checks`] `test` and `soak`
//! (with [`targets`], the tests that there are, and [`beside`], a command that runs beside others), [`aarch64`] and
//! [`no_std`] the tests of the slot crate elsewhere, [`mod@nfs`] the NFS server and the tools for it, [`mod@kube`] a
//! Kubernetes, [`tools`] programs that are unpacked and not installed, [`mod@bench`] the measurements, [`leftovers`] the
//! look for processes that a run forgot.

mod aarch64;
mod bench;
mod beside;
mod checks;
mod debian;
mod deployer;
mod failure;
mod install;
mod kube;
mod leftovers;
mod nfs;
mod nfs_tools;
mod no_std;
mod run;
mod targets;
mod tools;
mod unpacked;

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
    /// Install what is missing and run every test, those of `test-aarch64` and `check-no-std` included
    Test {
        /// Leave out the tests on an emulated aarch64
        #[arg(long)]
        native: bool,
        /// Arguments for `cargo test`, which is then all that is run
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run the tests of slotwright-slots on an emulated aarch64
    TestAarch64 {
        /// Arguments for `cargo test`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Check that slotwright-slots builds without `std`
    CheckNoStd,
    /// Run the random tests in their long versions
    Soak {
        /// Shortest time to go on for; a round that has begun is finished
        #[arg(long, default_value_t = 10)]
        minutes: u64,
    },
    /// Start or stop an NFS server, run the tests on real kernels, or unpack the programs for it
    Nfs {
        #[command(subcommand)]
        what: nfs::Nfs,
    },
    /// Start or end a Kubernetes of one node, from Debian's packages
    Kube {
        #[command(subcommand)]
        what: kube::Kube,
    },
    /// Measure; without a name, list what can be measured
    Bench {
        #[command(subcommand)]
        which: Option<bench::Bench>,
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
        Chore::Test { native, args } => checks::test(native, &args),
        Chore::TestAarch64 { args } => checks::test_aarch64(&args),
        Chore::CheckNoStd => no_std::check(),
        Chore::Soak { minutes } => checks::soak(minutes),
        Chore::Nfs { what } => nfs::nfs(what),
        Chore::Kube { what } => kube::kube(&what),
        Chore::Bench { which } => bench::bench(which),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
