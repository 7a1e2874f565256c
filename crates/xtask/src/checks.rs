//! `test`, `soak` and `bench`: cargo, with what it needs installed before and a look for left processes after.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::install::{self, FOR_TESTS, REDIS_CLI};
use crate::leftovers::RunFolder;
use crate::run;

/// Cases per property in a round of `soak`, unless `PROPTEST_CASES` says otherwise. The default of proptest is 256.
const SOAK_CASES: &str = "10000";

/// All tests of the workspace, documentation included.
pub(crate) fn test(args: &[String]) -> Result<(), Failure> {
    install::ensure(&FOR_TESTS)?;
    guarded(run::cargo().args(["test", "--workspace", "--locked"]).args(args))
}

/// Random tests in their long versions, in rounds until the time is over. Every round draws new cases.
pub(crate) fn soak(minutes: u64) -> Result<(), Failure> {
    install::ensure(&FOR_TESTS)?;
    let start = Instant::now();
    let time = Duration::from_secs(minutes * 60);
    let cases = std::env::var("PROPTEST_CASES").unwrap_or_else(|_| SOAK_CASES.to_owned());
    let common = ["test", "--quiet", "--release", "--locked"];
    for round in 1_u32.. {
        eprintln!("Round {round}, {} of {minutes} minutes gone", start.elapsed().as_secs() / 60);
        guarded(
            run::cargo()
                .args(common)
                .args(["--workspace", "--exclude", "slotwright-tests", "--lib", "--bins"])
                .env("PROPTEST_CASES", &cases),
        )?;
        guarded(
            run::cargo().args(common).args(["--package", "slotwright-tests"]).env("SLOTWRIGHT_SOAK", "1"),
        )?;
        if start.elapsed() >= time {
            eprintln!("No failure; rounds: {round}");
            break;
        }
    }
    Ok(())
}

/// The measurements there are.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// Time to form a cluster, beside `redis-cli --cluster create`
    Create {
        /// Cluster sizes, separated by commas
        #[arg(long)]
        nodes: Option<String>,
        /// Formations per size and side
        #[arg(long)]
        runs: Option<u32>,
        /// Server binary
        #[arg(long, default_value = "redis-server")]
        engine: String,
        /// Where every measurement is written [default: bench/create.json in cargo's target folder]
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// More arguments for the measuring program (`-- --help` lists them)
        #[arg(last = true)]
        args: Vec<String>,
    },
}

/// Measures; without a name, says what can be measured.
pub(crate) fn bench(which: Option<Bench>) -> Result<(), Failure> {
    let Some(Bench::Create { nodes, runs, engine, json, args }) = which else {
        println!("Measurements (cargo xtask bench NAME):");
        println!("  create    time to form a cluster, beside redis-cli --cluster create");
        return Ok(());
    };
    let mut needed = vec![REDIS_CLI];
    needed.extend(install::engine(&engine));
    install::ensure(&needed)?;

    let json = match json {
        // Cargo runs in the workspace; the user's path is meant from where the user is.
        Some(file) => std::path::absolute(&file)
            .map_err(|error| Failure::said(format!("--json {}: {error}", file.display())))?,
        None => run::release_folder()?.with_file_name("bench").join("create.json"),
    };
    let mut command = run::cargo();
    command.args([
        "run",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "slotwright-benches",
        "--bin",
        "create",
    ]);
    command.args(["--", "--engine", &engine]).arg("--json").arg(&json);
    if let Some(nodes) = nodes {
        command.args(["--nodes", &nodes]);
    }
    if let Some(runs) = runs {
        command.args(["--runs", &runs.to_string()]);
    }
    guarded(command.args(args))?;
    if json.exists() {
        eprintln!("Every measurement: {}", json.display());
    }
    Ok(())
}

/// Runs a command with a temporary folder of its own, and fails if a process is left in it.
fn guarded(command: &mut Command) -> Result<(), Failure> {
    let folder = RunFolder::new()?;
    let result = run::run(command.env("TMPDIR", folder.path()));
    folder.close(result)
}
