//! `bench`: the measuring programs of the workspace, with what they need installed before.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::checks::guarded;
use crate::failure::Failure;
use crate::install::{self, REDIS_CLI};
use crate::run;

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
    /// Key to slot and slot to owner, beside the peers: a table (slots.md, slots.json) and a plot (slots.svg)
    Slots {
        /// Folder for the three files [default: bench in cargo's target folder]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// A look rather than a result: fewer lengths, fewer rounds
        #[arg(long)]
        quick: bool,
    },
}

/// Measures; without a name, says what can be measured.
pub(crate) fn bench(which: Option<Bench>) -> Result<(), Failure> {
    match which {
        None => {
            println!("Measurements (cargo xtask bench NAME):");
            println!("  create    time to form a cluster, beside redis-cli --cluster create");
            println!("  slots     key to slot and slot to owner, beside the peers: table and plot");
            Ok(())
        }
        Some(Bench::Create { nodes, runs, engine, json, args }) => {
            create(nodes.as_deref(), runs, &engine, json.as_deref(), &args)
        }
        Some(Bench::Slots { out, quick }) => slots(out.as_deref(), quick),
    }
}

fn create(
    nodes: Option<&str>,
    runs: Option<u32>,
    engine: &str,
    json: Option<&Path>,
    args: &[String],
) -> Result<(), Failure> {
    let mut needed = vec![REDIS_CLI];
    needed.extend(install::engine(engine));
    install::ensure(&needed)?;

    let json = match json {
        Some(file) => from_here("--json", file)?,
        None => bench_folder()?.join("create.json"),
    };
    let mut command = benches("run");
    command.args(["--release", "--bin", "create", "--", "--engine", engine]).arg("--json").arg(&json);
    if let Some(nodes) = nodes {
        command.args(["--nodes", nodes]);
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

/// Criterion measures what follows the hash; the report measures the hash itself, in turns with the peers, and puts
/// everything into one table.
fn slots(out: Option<&Path>, quick: bool) -> Result<(), Failure> {
    let out = match out {
        Some(folder) => from_here("--out", folder)?,
        None => bench_folder()?,
    };
    // Refused now, not after a minute of measuring.
    std::fs::create_dir_all(&out)
        .map_err(|error| Failure::said(format!("--out {} cannot be made: {error}", out.display())))?;
    // Results of this run alone: a benchmark that has another name by now would stay in the table for ever.
    let criterion = bench_folder()?.join("criterion");
    if criterion.exists() {
        std::fs::remove_dir_all(&criterion)
            .map_err(|error| Failure::said(format!("{} cannot be deleted: {error}", criterion.display())))?;
    }
    eprintln!("Building");
    run::run(benches("build").args(["--release", "--bin", "slots-report"]))?;
    run::run(benches("bench").args(["--no-run", "--bench", "routing", "--bench", "grouping"]))?;

    eprintln!("Measuring slot to owner, and grouping");
    let mut suites = benches("bench");
    suites.args(["--bench", "routing", "--bench", "grouping", "--", "--quiet", "--noplot"]);
    if quick {
        suites.arg("--quick");
    }
    // What criterion prints there will be in the table; its progress is on standard error.
    run::run(suites.env("CRITERION_HOME", &criterion).stdout(Stdio::null()))?;

    eprintln!("Measuring key to slot");
    // What was built above, whatever happened to its source meanwhile.
    let mut report = Command::new(run::release_folder()?.join("slots-report"));
    report.arg("--out").arg(&out).arg("--criterion").arg(&criterion);
    if quick {
        report.arg("--quick");
    }
    run::run(&mut report)?;
    for file in ["slots.md", "slots.json", "slots.svg"] {
        eprintln!("{}", out.join(file).display());
    }
    Ok(())
}

/// A cargo command for the package of benchmarks.
fn benches(what: &str) -> Command {
    let mut command = run::cargo();
    command.args([what, "--quiet", "--locked", "--package", "slotwright-benches"]);
    command
}

/// The folder for results where the user names none: `bench` in cargo's target folder.
fn bench_folder() -> Result<PathBuf, Failure> {
    Ok(run::release_folder()?.with_file_name("bench"))
}

/// Cargo runs in the workspace; the user's path is meant from where the user is.
fn from_here(option: &str, path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::said(format!("{option} {}: {error}", path.display())))
}
