//! The loop: observe → plan → execute, until there is nothing left to do, then verify.

use std::time::{Duration, Instant};

use serde::Serialize;
use slotwright_topology::{ClusterView, Desired, Severity, diagnose, plan};
use tokio::time::sleep;

use crate::{Error, Event, Fleet, Reporter, execute::Executor};

/// How long to wait for what.
#[derive(Debug, Clone)]
pub struct ConvergeOptions {
    /// For a node to learn of another it was introduced to.
    pub handshake_patience: Duration,
    /// For all nodes to agree, serve and have their replicas in step.
    pub agreement_patience: Duration,
    /// Plans that may fail one after the other before the loop gives up.
    pub attempts: usize,
}

impl Default for ConvergeOptions {
    fn default() -> Self {
        Self {
            handshake_patience: Duration::from_secs(10),
            agreement_patience: Duration::from_secs(60),
            attempts: 5,
        }
    }
}

/// How long one kind of step took, from the first that began to the last that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhaseTime {
    /// The kind of step.
    pub phase: &'static str,
    /// When the first began, after the start of the loop, in microseconds.
    pub begin_us: u64,
    /// When the last ended, after the start of the loop, in microseconds.
    pub end_us: u64,
}

/// What it took to reach the wanted state.
#[derive(Debug)]
pub struct Convergence {
    /// Steps that changed something; none when the state was reached already.
    pub changes: usize,
    /// Plans that were executed.
    pub plans: usize,
    /// Where the time went, in the order of the first beginnings.
    pub phases: Vec<PhaseTime>,
    /// The view at the end.
    pub view: ClusterView,
}

/// Between two plans when one has failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(300);

/// Plans one after the other that may go through without an end in sight.
const MOST_PLANS: usize = 20;

/// Brings the nodes of `fleet` to the `desired` state and verifies it. Safe to run again after it was stopped at any
/// instant.
///
/// # Errors
/// When there is no safe way ([`Error::Refused`]; then nothing was changed by this plan), when steps keep failing, or
/// when the state does not settle in time.
pub async fn converge(
    fleet: &Fleet,
    desired: &Desired,
    reporter: &dyn Reporter,
    options: &ConvergeOptions,
) -> Result<Convergence, Error> {
    let started = Instant::now();
    let executor = Executor { fleet, desired, reporter, options };
    let mut changes = 0;
    let mut failures = 0;
    let mut phases: Vec<PhaseTime> = Vec::new();
    for plans in 0..MOST_PLANS {
        let before = micros(started.elapsed());
        let view = fleet.observe().await;
        phases.push(PhaseTime { phase: "observation", begin_us: before, end_us: micros(started.elapsed()) });
        fleet.refuse_moved(&view)?;
        let plan = plan(&view, desired)?;
        if plan.is_empty() {
            verify(&view, desired)?;
            return Ok(Convergence { changes, plans, phases: merged(phases), view });
        }
        reporter.report(Event::Planned(&plan));
        let offset = started.elapsed();
        let (executed, result) = executor.run(&plan).await;
        changes += executed.changes;
        phases.extend(executed.spans.into_iter().map(|(phase, (begin, end))| PhaseTime {
            phase,
            begin_us: micros(offset + begin),
            end_us: micros(offset + end),
        }));
        match result {
            Ok(()) => failures = 0,
            Err(error) => {
                failures += 1;
                if failures >= options.attempts || matches!(error, Error::NotConverged { .. }) {
                    return Err(error);
                }
                sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
    let findings = diagnose(&fleet.observe().await, Some(desired));
    Err(Error::NotConverged { reason: format!("{MOST_PLANS} plans did not reach it"), findings })
}

/// Nothing critical may be left.
fn verify(view: &ClusterView, desired: &Desired) -> Result<(), Error> {
    let findings: Vec<_> = diagnose(view, Some(desired))
        .into_iter()
        .filter(|finding| finding.severity == Severity::Critical)
        .collect();
    if findings.is_empty() {
        return Ok(());
    }
    Err(Error::NotConverged {
        reason: "there is nothing left to do, but something is wrong".to_owned(),
        findings,
    })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// One entry for each kind of step, in the order of their beginnings.
fn merged(mut phases: Vec<PhaseTime>) -> Vec<PhaseTime> {
    phases.sort_by_key(|phase| phase.begin_us);
    let mut merged: Vec<PhaseTime> = Vec::new();
    for phase in phases {
        match merged.iter_mut().find(|known| known.phase == phase.phase) {
            // Each plan begins with a look: only the first counts as a phase of its own.
            Some(known) if known.phase == "observation" => {}
            Some(known) => known.end_us = known.end_us.max(phase.end_us),
            None => merged.push(phase),
        }
    }
    merged
}
