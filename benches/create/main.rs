//! `create`: the time to form a cluster of empty nodes, side by side with `redis-cli --cluster create` in one run.
//!
//! For every size and run, and for each side in turn, a fresh fleet of servers is started on loopback, left alone
//! for three seconds (a server that has just started reports `cluster_state:fail` for its first two), formed, and
//! stopped again. The clock stops when *every* node says `cluster_state:ok`; the same poller watches both sides.
//!
//! This file owns the command line and the order of the measurements; [`servers`] owns processes, [`poller`] the
//! clock, [`former`] the two sides, [`report`] the figures.

mod failure;
mod former;
mod poller;
mod report;
mod servers;
mod stop;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::failure::Failure;
use crate::former::{Former, Layout, Phase, Side};
use crate::poller::{Poller, Timeline};
use crate::report::{Measurement, Report};
use crate::servers::{Engine, Fleet};
use crate::stop::Stop;

/// Measures the time to form a cluster, side by side with `redis-cli --cluster create`.
#[derive(Debug, Parser)]
#[command(name = "create", version)]
struct Args {
    /// Cluster sizes to measure: even numbers from 6 (half of the nodes are replicas).
    #[arg(long, value_delimiter = ',', default_values_t = [6, 30, 60])]
    nodes: Vec<usize>,
    /// Formations measured per size and side; the sides alternate, and so does the one that goes first.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Server binary.
    #[arg(long, default_value = "redis-server")]
    engine: PathBuf,
    /// `redis-cli` (or `valkey-cli`) binary that forms the cluster on the other side.
    #[arg(long, default_value = "redis-cli")]
    cli: PathBuf,
    /// Sides to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Side::ALL)]
    sides: Vec<Side>,
    /// `cluster-node-timeout` of the servers, in milliseconds; both sides must leave it as it was.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(100..))]
    node_timeout: u32,
    /// Time the nodes stand idle before the clock starts, in seconds.
    #[arg(long, default_value_t = 3)]
    settle: u64,
    /// Writes every measurement to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A formation that takes longer than this is given up and reported as failed.
const LIMIT: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    if let Some(size) = args.nodes.iter().find(|size| **size < 6 || **size % 2 != 0 || **size > 1000) {
        return Err(Failure::Argument(format!("--nodes {size}: a size must be even and between 6 and 1000")));
    }
    let stop = Stop::on_signal()?;
    let engine = Engine::find(&args.engine, args.node_timeout)?;
    let formers: Vec<Box<dyn Former>> =
        args.sides.iter().map(|side| side.former(&args.cli, args.node_timeout)).collect::<Result<_, _>>()?;
    let mut report = Report::new(&engine, &formers, args.settle);

    for &size in &args.nodes {
        for number in 1..=args.runs {
            let mut order: Vec<&dyn Former> = formers.iter().map(AsRef::as_ref).collect();
            if number % 2 == 0 {
                order.reverse();
            }
            for former in order {
                let load = report::load_average();
                let outcome = measure(&engine, former, size, Duration::from_secs(args.settle), &stop)?;
                eprintln!("{}", outcome.progress_line(former.name(), size, number, args.runs));
                report.push(Measurement::new(former.name(), size, number, load, &outcome));
            }
        }
    }

    if let Some(file) = &args.json {
        report.write_json(file)?;
    }
    print!("{}", report.markdown());
    Ok(())
}

/// What one formation gave.
#[derive(Debug)]
struct Outcome {
    /// When the nodes reached which state.
    timeline: Timeline,
    /// When the tool itself came back.
    returned: Duration,
    /// Where the tool says its time went.
    phases: Vec<Phase>,
}

impl Outcome {
    fn progress_line(&self, side: &str, size: usize, number: u32, runs: u32) -> String {
        format!(
            "{size:>3} nodes, run {number}/{runs}, {side:<10} ok {:>6.2} s, replicas attached {:>6.2} s, returned {:>6.2} s",
            self.timeline.all_ok.as_secs_f64(),
            self.timeline.all_attached.as_secs_f64(),
            self.returned.as_secs_f64(),
        )
    }
}

/// Starts a fleet, forms it, watches it, checks the result and stops it again.
fn measure(
    engine: &Engine,
    former: &dyn Former,
    size: usize,
    settle: Duration,
    stop: &Stop,
) -> Result<Outcome, Failure> {
    let mut fleet = Fleet::start(engine, size, stop)?;
    let layout = Layout { shards: size / 2, replicas_per_shard: 1 };
    let mut poller = Poller::connect(fleet.nodes())?;
    stop.sleep(settle)?;

    // The two sides may stop each other: a failed tool need not be watched to the end of the limit, and a tool
    // whose cluster never comes about is told to give up.
    let round = stop.child();
    let result = std::thread::scope(|scope| {
        let started = Instant::now();
        let nodes = fleet.nodes();
        let tool = scope.spawn({
            let round = &round;
            move || {
                let formed = former.form(nodes, layout, round);
                let returned = started.elapsed();
                if formed.is_err() {
                    round.raise();
                }
                formed.map(|phases| (phases, returned))
            }
        });
        let watched = poller.watch(layout, started, LIMIT, &round);
        if watched.is_err() {
            round.raise();
        }
        let formed = tool.join().unwrap_or(Err(Failure::Panicked(former.name())));
        stop.check()?;
        match (formed, watched) {
            // Whichever failed first raised the flag the other then reports as an interruption.
            (Err(failure), Ok(_)) | (Err(failure), Err(Failure::Interrupted)) => Err(failure),
            (_, Err(failure)) => Err(failure),
            (Ok((phases, returned)), Ok(timeline)) => Ok(Outcome { timeline, returned, phases }),
        }
    });
    let outcome = result.map_err(|failure| fleet.explain(failure))?;
    poller.verify(layout, engine.node_timeout(), stop)?;
    fleet.stop();
    Ok(outcome)
}
