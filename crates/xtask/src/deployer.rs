//! `up` and `down`: installs and builds what they need, then hands over to the deployer.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::install::{self, Component};
use crate::run;

/// The spec that is deployed when none is named.
const DEFAULT_SPEC: &str = "examples/local.yaml";

/// Makes the cluster of a spec run, and shows it.
pub(crate) fn up(spec: Option<&Path>, args: &[String]) -> Result<(), Failure> {
    let deployer = Deployer::new(spec)?;
    if let Some(component) = missing_engine(&deployer.spec)? {
        install::ensure(&[component])?;
    }
    deployer.build()?;
    deployer.run("up", args)?;
    deployer.run("status", &[])
}

/// Stops the cluster of a spec.
pub(crate) fn down(spec: Option<&Path>, args: &[String]) -> Result<(), Failure> {
    let deployer = Deployer::new(spec)?;
    deployer.build()?;
    deployer.run("down", args)
}

struct Deployer {
    spec: PathBuf,
    /// The default spec's relative paths mean the workspace; a user's own mean where the user is.
    folder: Option<PathBuf>,
}

impl Deployer {
    fn new(spec: Option<&Path>) -> Result<Deployer, Failure> {
        let (spec, folder) = match spec {
            Some(spec) => (spec.to_owned(), None),
            None => (run::workspace().join(DEFAULT_SPEC), Some(run::workspace())),
        };
        if !spec.is_file() {
            return Err(Failure::said(format!(
                "there is no spec file {}; name one with --spec",
                spec.display()
            )));
        }
        Ok(Deployer { spec, folder })
    }

    fn build(&self) -> Result<(), Failure> {
        run::run(run::cargo().args(["build", "--quiet", "--release", "--locked", "--package", "slotwright"]))
    }

    fn run(&self, verb: &str, args: &[String]) -> Result<(), Failure> {
        let mut command = Command::new(run::release_folder()?.join("slotwright"));
        command.arg(verb).arg("--spec").arg(&self.spec).args(args);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        run::run(&mut command)
    }
}

/// The component to install for a spec: its engine, when that is missing and one we know. What else is wrong with
/// an engine, or with the spec, the deployer says better.
fn missing_engine(spec: &Path) -> Result<Option<Component>, Failure> {
    let text = std::fs::read_to_string(spec)
        .map_err(|error| Failure::said(format!("{} cannot be read: {error}", spec.display())))?;
    let engine = engine_of(&text).unwrap_or(install::REDIS_SERVER.program);
    Ok(install::engine(engine).filter(|component| !run::has_program(component.program)))
}

/// The plain value of `engine` under the top-level key `local`.
fn engine_of(spec: &str) -> Option<&str> {
    let block = spec.lines().skip_while(|line| !line.starts_with("local:")).skip(1);
    let mut block = block.take_while(|line| line.is_empty() || line.starts_with([' ', '\t', '#']));
    let value = block.find_map(|line| line.trim_start().strip_prefix("engine:"))?;
    let value = value.split(" #").next().unwrap_or(value).trim();
    let value = value.trim_matches(['"', '\'']);
    (!value.is_empty() && !value.starts_with('#')).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_read_from_the_local_part_of_a_spec() {
        for (spec, engine) in [
            ("name: a\nlocal:\n  engine: valkey-server\n", Some("valkey-server")),
            (
                "local:\n  ports: 1\n\n  engine: \"/opt/redis/redis-server\" # ours\n",
                Some("/opt/redis/redis-server"),
            ),
            ("local:\n# a note\n    engine: 'redis-server'", Some("redis-server")),
            ("name: a\n", None),
            ("local:\n  engine: # default\n", None),
            ("local:\n  ports: 1\nother:\n  engine: x\n", None),
        ] {
            assert_eq!(engine_of(spec), engine, "{spec}");
        }
    }

    #[test]
    fn only_known_engines_are_installed() {
        assert_eq!(install::engine("redis-server"), Some(install::REDIS_SERVER));
        assert_eq!(install::engine("/usr/bin/redis-server"), None);
        assert_eq!(install::engine("my-server"), None);
    }

    #[test]
    fn a_missing_spec_is_named() {
        let error = up(Some(Path::new("/nonexistent.yaml")), &[]).unwrap_err().to_string();
        assert!(error.contains("/nonexistent.yaml") && error.contains("--spec"), "{error}");
    }
}
