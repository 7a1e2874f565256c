//! `kube`: a Kubernetes to try things out with and to test on, or the one that `KUBECONFIG` names.
//!
//! This file decides what is to be done; `programs` provides what a cluster is started with, `place` says where things
//! are, and `cluster.sh` with the scripts beside it starts and ends a cluster.

mod place;
mod programs;

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Subcommand;

use crate::checks;
use crate::failure::Failure;
use crate::install::{self, FOR_KUBE_TESTS, FOR_TESTS};
use crate::run;
use crate::targets;

use place::{CACHE_VARIABLE, Place};
use programs::{Cache, Programs};

/// The image that `up` puts on the node: the redis of Debian 12.
const REDIS: &str = "slotwright/redis:7.0.15";

/// What can be done about a Kubernetes.
#[derive(Debug, Subcommand)]
pub(crate) enum Kube {
    /// Start a Kubernetes in namespaces of its own; with KUBECONFIG, say whether that cluster answers
    Up {
        /// End it when this process ends
        #[arg(long, value_name = "PID")]
        owner: Option<u32>,
    },
    /// End it, and leave nothing of it behind
    Down,
    /// Show what runs
    Status,
    /// Put an image on the node, made of programs of this machine with their libraries, and busybox
    Image {
        /// Name and tag
        name: String,
        /// PROGRAM or PROGRAM:DESTINATION, the first of which is the entry point; +FOLDER adds files
        contents: Vec<OsString>,
    },
    /// Run a command with the cluster's kubectl, KUBECONFIG and names of services
    Exec {
        /// The command
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Unpack and build what a cluster is started with, and start none
    Build,
    /// Run the tests on Kubernetes, each with a cluster of its own
    Test {
        /// Arguments for `cargo test`
        #[arg(last = true)]
        args: Vec<String>,
    },
}

/// The tests that need what [`prepare_tests`] prepares have names that begin so; the feature `kube` builds them.
const TESTS: &str = "kube_";

/// The integration tests that need what [`prepare_tests`] prepares, and the others.
pub(crate) fn split_tests(tests: Vec<String>) -> (Vec<String>, Vec<String>) {
    tests.into_iter().partition(|test| test.starts_with(TESTS))
}

fn test(args: &[String]) -> Result<(), Failure> {
    install::ensure(&FOR_TESTS)?;
    prepare_tests()?;
    let common = ["test", "--locked", "--features"];
    checks::guarded(run::cargo().args(common).args(["client", "--package", "slotwright-kube"]).args(args))?;
    let mut cargo = run::cargo();
    cargo.args(common).args(["kube", "--package", "slotwright-tests"]);
    let (tests, _) = split_tests(targets::integration_tests()?);
    checks::guarded(cargo.args(targets::chosen(&tests)).args(args))
}

/// Makes sure of all that the tests on Kubernetes need besides what every test needs.
pub(crate) fn prepare_tests() -> Result<(), Failure> {
    install::ensure(&FOR_KUBE_TESTS)?;
    ensure()
}

/// Makes sure of all that a cluster is started with; says so before it downloads or builds anything.
fn ensure() -> Result<(), Failure> {
    cache(&Place::new()?).ensure().map(drop)
}

/// Does it.
pub(crate) fn kube(what: &Kube) -> Result<(), Failure> {
    let place = Place::new()?;
    let other = other(&place, std::env::var_os("KUBECONFIG"));
    match (what, other) {
        (Kube::Build, _) => ensure(),
        (Kube::Test { args }, _) => test(args),
        (Kube::Up { .. } | Kube::Status, Some(other)) => answers(&other),
        (Kube::Image { .. } | Kube::Exec { .. }, Some(other)) => Err(Failure::said(format!(
            "KUBECONFIG names another cluster ({}), and this is for the one that `cargo xtask kube up` starts; \
             unset KUBECONFIG",
            other.display()
        ))),
        (Kube::Down, other) => {
            if let Some(other) = other {
                eprintln!("The cluster that KUBECONFIG names ({}) is left alone", other.display());
            }
            let programs = Programs::under(&place.cache);
            script(&place, &programs, "down", &[])
        }
        (Kube::Up { owner }, None) => {
            check_root(own_user())?;
            let programs = cache(&place).ensure()?;
            let mut command = command(&place, &programs, "up");
            if let Some(owner) = owner {
                command.env("OWNER", owner.to_string());
            }
            run_script(&mut command, "up")
        }
        (Kube::Status, None) => script(&place, &Programs::under(&place.cache), "status", &[]),
        (Kube::Image { name, contents }, None) => {
            let mut arguments = vec![name.into()];
            arguments.extend_from_slice(contents);
            script(&place, &Programs::under(&place.cache), "image", &arguments)
        }
        (Kube::Exec { command: line }, None) => {
            check_root(own_user())?;
            // It speaks for itself, and what it says is its own.
            run::run(command(&place, &Programs::under(&place.cache), "exec").args(line))
        }
    }
}

/// The kubeconfig of somebody's own cluster, which is used in place of ours.
fn other(place: &Place, kubeconfig: Option<OsString>) -> Option<PathBuf> {
    let named = PathBuf::from(kubeconfig.filter(|value| !value.is_empty())?);
    (!place.is_own(&named)).then_some(named)
}

/// Says which cluster `KUBECONFIG` names, and whether it answers.
fn answers(kubeconfig: &Path) -> Result<(), Failure> {
    let shown = kubeconfig.display();
    if !run::has_program("kubectl") {
        return Err(Failure::said(format!(
            "KUBECONFIG names a cluster ({shown}), and there is no kubectl to ask it with; install kubectl, or unset \
             KUBECONFIG to have a cluster started here"
        )));
    }
    let mut ask = Command::new("kubectl");
    ask.args(["version", "--request-timeout=10s"]);
    eprintln!("KUBECONFIG names a cluster ({shown}); it is used, and none is started here");
    run::run(&mut ask).map_err(|_| {
        Failure::said(format!(
            "the cluster that KUBECONFIG names ({shown}) does not answer; see above. Set the context and \
             credentials right, or unset KUBECONFIG to have a cluster started here"
        ))
    })?;
    eprintln!("Pods there need an image of Redis that its nodes can pull; {REDIS} is on our own node only");
    Ok(())
}

fn cache(place: &Place) -> Cache<'_> {
    Cache { folder: &place.cache, path: std::env::var_os("PATH").unwrap_or_default() }
}

fn own_user() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|own| own.uid())
}

/// A node is made of namespaces, mounts, control groups and routes.
fn check_root(user: Option<u32>) -> Result<(), Failure> {
    match user {
        Some(0) => Ok(()),
        Some(_) => Err(Failure::said(format!(
            "a node of Kubernetes is made of namespaces, mounts, control groups and routes, which takes root; run this \
             as root (it keeps what it needs where {CACHE_VARIABLE} says), or use a cluster of yours: set KUBECONFIG"
        ))),
        None => Err(Failure::said(
            "a node of Kubernetes needs Linux, and this system has no /proc; use a cluster of yours: set KUBECONFIG",
        )),
    }
}

fn command(place: &Place, programs: &Programs, verb: &str) -> Command {
    let mut command = Command::new("bash");
    command.arg(run::workspace().join("crates/xtask/src/kube/cluster.sh")).arg(verb);
    command.env("STATE", &place.state).env("TOOLS", &programs.tools).env("BUILT", &programs.built);
    command.env("REDIS", REDIS).env_remove("OWNER");
    command
}

fn script(place: &Place, programs: &Programs, verb: &str, arguments: &[OsString]) -> Result<(), Failure> {
    run_script(command(place, programs, verb).args(arguments), verb)
}

fn run_script(command: &mut Command, verb: &str) -> Result<(), Failure> {
    run::run(command).map_err(|failure| match failure {
        Failure::Program { status, .. } => {
            Failure::said(format!("`cargo xtask kube {verb}` failed ({status}); see above"))
        }
        said => said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { cache: "/cache".into(), state: "/state".into() }
    }

    #[test]
    fn another_cluster_is_used_where_kubeconfig_names_one() {
        assert_eq!(other(&place(), None), None);
        assert_eq!(other(&place(), Some("".into())), None);
        assert_eq!(other(&place(), Some("/state/admin.kubeconfig".into())), None);
        let named = other(&place(), Some("/home/me/.kube/config".into()));
        assert_eq!(named.as_deref(), Some(Path::new("/home/me/.kube/config")));
    }

    #[test]
    fn who_is_not_root_is_told_what_it_takes() {
        check_root(Some(0)).unwrap();
        let error = check_root(Some(1000)).unwrap_err().to_string();
        assert!(error.contains("takes root") && error.contains("KUBECONFIG"), "{error}");
        assert!(check_root(None).is_err());
    }
}
