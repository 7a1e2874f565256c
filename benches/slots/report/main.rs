//! `slots-report`: measures slot routing beside the peers and writes the table (Markdown, JSON) and the plot (SVG).
//!
//! Usually started by `cargo xtask bench slots`, which runs the criterion suites `routing` and `grouping` before and
//! says where their results are. This file owns the command line and the order of the work: [`turns`] measures time,
//! [`races`] and [`look_ups`] say what, [`count`] counts instructions, [`suites`] reads criterion's results, [`bars`] judges,
//! [`markdown`] and [`plot`] show, [`machine`] says where all that happened.

mod bars;
mod count;
mod failure;
mod look_ups;
mod machine;
mod markdown;
mod plot;
mod races;
mod suites;
mod turns;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::bars::Bar;
use crate::count::{Instructions, Task};
use crate::failure::Failure;
use crate::machine::Circumstances;
use crate::suites::SuiteResult;
use crate::turns::{Plan, Row};

/// Measures key to slot beside the peers and writes table and plot.
#[derive(Debug, Parser)]
#[command(name = "slots-report", version)]
struct Args {
    /// Folder for slots.md, slots.json and slots.svg
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
    /// Folder with criterion's results for `routing` and `grouping`; without it the report leaves them out
    #[arg(long, value_name = "DIR")]
    criterion: Option<PathBuf>,
    /// Fewer lengths and rounds: a look, not a result
    #[arg(long)]
    quick: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The process whose instructions are counted; started by this program itself
    #[command(hide = true)]
    Counted(Task),
}

/// Everything the report says, in the form of the JSON file.
#[derive(Debug, Serialize)]
struct Report {
    circumstances: Circumstances,
    plan: Plan,
    bars: Vec<Bar>,
    rows: Vec<Row>,
    instructions: Instructions,
    suites: Vec<SuiteResult>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.role {
        Some(Role::Counted(task)) => count::be_counted(task),
        None => report(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn report(args: &Args) -> Result<(), Failure> {
    // What cannot be written to is said before a minute of measuring, not after it.
    std::fs::create_dir_all(&args.out).map_err(Failure::io("making", &args.out))?;
    let suites = args.criterion.as_deref().map(suites::read).transpose()?.unwrap_or_default();
    let plan = if args.quick { Plan::QUICK } else { Plan::FULL };
    let rows = races::run(plan);
    eprintln!("Counting instructions");
    let instructions = count::all(args.quick);

    let bars = bars::judge(&rows);
    let report =
        Report { circumstances: Circumstances::here(args.quick), plan, bars, rows, instructions, suites };
    let text = markdown::render(&report);
    let json = serde_json::to_string_pretty(&report).map_err(Failure::Json)? + "\n";
    write(&args.out.join("slots.md"), &text)?;
    write(&args.out.join("slots.json"), &json)?;
    write(&args.out.join("slots.svg"), &plot::draw(&report)?)?;
    print!("{text}");
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(Failure::io("writing", file))
}
