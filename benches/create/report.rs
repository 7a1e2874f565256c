//! The figures: every measurement as JSON, and medians, extremes and ratios as a Markdown table.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::Outcome;
use crate::failure::Failure;
use crate::former::{Former, Phase};
use crate::servers::Engine;

/// All that was measured, and where.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    engine: String,
    node_timeout_ms: u32,
    settle_seconds: u64,
    sides: Vec<SideInfo>,
    measurements: Vec<Measurement>,
}

#[derive(Debug, Serialize)]
struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
}

#[derive(Debug, Serialize)]
struct SideInfo {
    name: &'static str,
    version: String,
}

/// One formation. Times are seconds from its start.
#[derive(Debug, Serialize)]
pub(crate) struct Measurement {
    side: &'static str,
    nodes: usize,
    run: u32,
    /// Load average (1 minute) before the servers were started: other work on the machine shows here.
    load: f64,
    all_ok: f64,
    all_attached: f64,
    returned: f64,
    phases: Vec<Phase>,
}

impl Measurement {
    /// A measurement of one side.
    pub(crate) fn new(
        side: &'static str,
        nodes: usize,
        run: u32,
        load: f64,
        outcome: &Outcome,
    ) -> Measurement {
        let seconds = |time: Duration| (time.as_secs_f64() * 1000.0).round() / 1000.0;
        Measurement {
            side,
            nodes,
            run,
            load,
            all_ok: seconds(outcome.timeline.all_ok),
            all_attached: seconds(outcome.timeline.all_attached),
            returned: seconds(outcome.returned),
            phases: outcome.phases.clone(),
        }
    }
}

impl Report {
    /// An empty report that knows where it was made.
    pub(crate) fn new(engine: &Engine, formers: &[Box<dyn Former>], settle_seconds: u64) -> Report {
        Report {
            machine: Machine::here(),
            engine: engine.version().to_owned(),
            node_timeout_ms: engine.node_timeout(),
            settle_seconds,
            sides: formers
                .iter()
                .map(|former| SideInfo { name: former.name(), version: former.version().to_owned() })
                .collect(),
            measurements: Vec::new(),
        }
    }

    /// Adds a measurement.
    pub(crate) fn push(&mut self, measurement: Measurement) {
        self.measurements.push(measurement);
    }

    /// Writes everything, measurement by measurement.
    pub(crate) fn write_json(&self, file: &Path) -> Result<(), Failure> {
        let doing = || Failure::io(format!("writing {}", file.display()));
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(doing())?;
        }
        let text = serde_json::to_string_pretty(self).map_err(|error| doing()(error.into()))?;
        std::fs::write(file, text + "\n").map_err(doing())
    }

    /// The summary for people.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_markdown(&mut text);
        text
    }

    fn write_markdown(&self, out: &mut String) -> std::fmt::Result {
        let Machine { cpu, cores, kernel } = &self.machine;
        writeln!(out, "## Forming a cluster: seconds until every node says `cluster_state:ok`\n")?;
        writeln!(out, "- Machine: {cpu}, {cores} cores, {kernel}")?;
        writeln!(out, "- Server: {}", self.engine)?;
        for side in &self.sides {
            writeln!(out, "- {}: {}", side.name, side.version)?;
        }
        let (timeout, settle) = (self.node_timeout_ms, self.settle_seconds);
        writeln!(
            out,
            "- One replica per shard, `cluster-node-timeout` {timeout} ms, nodes up and empty for {settle} s before the clock starts\n"
        )?;
        writeln!(
            out,
            "| nodes | side | runs | ok: median | min | max | replicas attached: median | tool returned: median | times faster |"
        )?;
        writeln!(out, "|--:|---|--:|--:|--:|--:|--:|--:|--:|")?;
        for nodes in self.sizes() {
            // The first side is the yardstick.
            let yardstick = self.sides.first().and_then(|side| self.summary(side.name, nodes, |m| m.all_ok));
            for side in &self.sides {
                let of = |field: fn(&Measurement) -> f64| self.summary(side.name, nodes, field);
                let (Some(ok), Some(attached), Some(returned)) =
                    (of(|m| m.all_ok), of(|m| m.all_attached), of(|m| m.returned))
                else {
                    continue;
                };
                let ratio = yardstick.map_or(1.0, |yardstick| yardstick.median / ok.median);
                writeln!(
                    out,
                    "| {nodes} | {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {ratio:.1} |",
                    side.name, ok.count, ok.median, ok.min, ok.max, attached.median, returned.median
                )?;
            }
        }
        self.write_phases(out)
    }

    fn write_phases(&self, out: &mut String) -> std::fmt::Result {
        for side in self.sides.iter().map(|side| side.name) {
            let names = self.phase_names(side);
            if names.is_empty() {
                continue;
            }
            writeln!(out, "\n### Where the time of {side} goes (median seconds)\n")?;
            writeln!(out, "| nodes | {} |", names.join(" | "))?;
            writeln!(out, "|--:|{}", "--:|".repeat(names.len()))?;
            for nodes in self.sizes() {
                write!(out, "| {nodes} |")?;
                for name in &names {
                    match self.summary(side, nodes, |measurement| measurement.time_in(name)) {
                        Some(time) => write!(out, " {:.3} |", time.median)?,
                        None => write!(out, " |")?,
                    }
                }
                writeln!(out)?;
            }
        }
        Ok(())
    }

    /// Sizes in the order they were measured.
    fn sizes(&self) -> Vec<usize> {
        let mut sizes: Vec<usize> = Vec::new();
        for measurement in &self.measurements {
            if !sizes.contains(&measurement.nodes) {
                sizes.push(measurement.nodes);
            }
        }
        sizes
    }

    /// Names of a side's phases in the order they were first seen.
    fn phase_names(&self, side: &str) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for phase in self.measurements.iter().filter(|m| m.side == side).flat_map(|m| &m.phases) {
            if !names.contains(&phase.name.as_str()) {
                names.push(&phase.name);
            }
        }
        names
    }

    fn summary(&self, side: &str, nodes: usize, field: impl Fn(&Measurement) -> f64) -> Option<Summary> {
        let chosen = self.measurements.iter().filter(|m| m.side == side && m.nodes == nodes);
        Summary::of(chosen.map(field).collect())
    }
}

impl Measurement {
    /// Time spent in all phases of this name, zero when there was none.
    fn time_in(&self, name: &str) -> f64 {
        self.phases.iter().filter(|phase| phase.name == name).map(|phase| phase.seconds).sum()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Summary {
    count: usize,
    median: f64,
    min: f64,
    max: f64,
}

impl Summary {
    fn of(mut values: Vec<f64>) -> Option<Summary> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let count = values.len();
        // The mean of the two in the middle; of an odd number both are the same one.
        let median = (values.get((count - 1) / 2)? + values.get(count / 2)?) / 2.0;
        Some(Summary { count, median, min, max })
    }
}

impl Machine {
    fn here() -> Machine {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let cpu = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| {
                line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned())
            })
            .unwrap_or_else(|| "unknown processor".to_owned());
        Machine {
            cpu,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        }
    }
}

/// The load average over the last minute, zero where the system does not tell.
pub(crate) fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(
        side: &'static str,
        nodes: usize,
        run: u32,
        all_ok: f64,
        phases: Vec<Phase>,
    ) -> Measurement {
        Measurement { side, nodes, run, load: 0.0, all_ok, all_attached: 1.0, returned: 2.0, phases }
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(Summary::of(Vec::new()), None);
        let odd = Summary::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.count, odd.median, odd.min, odd.max), (3, 2.0, 1.0, 3.0));
        assert_eq!(Summary::of(vec![4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
    }

    #[test]
    fn the_table_compares_with_the_first_side_and_shows_phases() {
        let phase = Phase::new("meet", Duration::from_millis(125));
        let report = Report {
            machine: Machine { cpu: "c".into(), cores: 2, kernel: "k".into() },
            engine: "e".into(),
            node_timeout_ms: 5000,
            settle_seconds: 3,
            sides: vec![
                SideInfo { name: "a", version: "1".into() },
                SideInfo { name: "b", version: "2".into() },
            ],
            measurements: vec![
                measurement("a", 6, 1, 5.0, Vec::new()),
                measurement("b", 6, 1, 0.5, vec![phase]),
            ],
        };
        let text = report.markdown();
        assert!(text.contains("| 6 | a | 1 | 5.00 | 5.00 | 5.00 | 1.00 | 2.00 | 1.0 |"), "{text}");
        assert!(text.contains("| 6 | b | 1 | 0.50 | 0.50 | 0.50 | 1.00 | 2.00 | 10.0 |"), "{text}");
        assert!(text.contains("| nodes | meet |\n|--:|--:|\n| 6 | 0.125 |"), "{text}");
        assert!(!text.contains("time of a goes"), "{text}");
    }
}
