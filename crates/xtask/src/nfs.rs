//! `nfs`: an NFS server to try things out with, the tests that need a machine of their own, and the tools for both.

use std::path::PathBuf;

use clap::Subcommand;

use crate::checks;
use crate::failure::Failure;
use crate::install::{self, FOR_TESTS};
use crate::nfs_tools;
use crate::run;

/// What can be done about NFS.
#[derive(Debug, Subcommand)]
pub(crate) enum Nfs {
    /// Start an NFS server in a folder, in user space and on the loopback only
    Up {
        /// Folder of the server [default: .slotwright/nfs]
        folder: Option<PathBuf>,
    },
    /// Stop it
    Down {
        /// Folder of the server [default: .slotwright/nfs]
        folder: Option<PathBuf>,
    },
    /// Show what it exports
    Status {
        /// Folder of the server [default: .slotwright/nfs]
        folder: Option<PathBuf>,
    },
    /// Run the tests with a real NFS client and a real kernel server, in an emulated machine
    VmTest {
        /// Arguments for the test program
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Unpack the programs that NFS is tested with, and say where they are
    Tools,
}

/// Does it.
pub(crate) fn nfs(what: Nfs) -> Result<(), Failure> {
    match what {
        Nfs::Up { folder } => server("up", folder),
        Nfs::Down { folder } => server("down", folder),
        Nfs::Status { folder } => server("status", folder),
        Nfs::VmTest { args } => {
            install::ensure(&FOR_TESTS)?;
            nfs_tools::ensure()?;
            let mut cargo = run::cargo();
            cargo.args(["test", "--locked", "--package", "slotwright-tests", "--test", "nfs_vm", "--"]);
            checks::guarded(cargo.args(args))
        }
        Nfs::Tools => {
            println!("{}", nfs_tools::ensure()?.display());
            Ok(())
        }
    }
}

/// Hands over to the program that looks after the server.
fn server(verb: &str, folder: Option<PathBuf>) -> Result<(), Failure> {
    nfs_tools::ensure()?;
    let mut cargo = run::cargo();
    cargo.args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "slotwright-tests",
        "--bin",
        "nfs_server",
        "--",
        verb,
    ]);
    if let Some(folder) = folder {
        // Cargo is run in the workspace; what is given means where the user is.
        let folder = std::path::absolute(&folder)
            .map_err(|error| Failure::said(format!("{}: {error}", folder.display())))?;
        cargo.arg(folder);
    }
    run::run(&mut cargo)
}
