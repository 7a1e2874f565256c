//! Where the time of an `up` goes.

use std::time::{Duration, Instant};

use slotwright_kube::apply::{PodState, Stage};

use crate::PhaseTime;

/// Phases one after the other, from the beginning of a run.
pub(super) struct Phases {
    begun: Instant,
    last: Duration,
    phases: Vec<PhaseTime>,
}

impl Phases {
    pub(super) fn begin() -> Self {
        Self { begun: Instant::now(), last: Duration::ZERO, phases: Vec::new() }
    }

    /// The time since the beginning.
    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What went on since the last phase was `phase`.
    pub(super) fn end(&mut self, phase: &'static str) {
        let now = self.now();
        self.push(phase, self.last, now);
    }

    fn push(&mut self, phase: &'static str, begin: Duration, end: Duration) {
        self.last = self.last.max(end);
        match self.phases.iter_mut().find(|known| known.phase == phase) {
            Some(known) => known.end_us = micros(end),
            None => self.phases.push(PhaseTime { phase, begin_us: micros(begin), end_us: micros(end) }),
        }
    }

    /// Pods on their way: once all have a machine, scheduling is over.
    pub(super) fn see(&mut self, stage: Stage, wanted: usize, pods: &[PodState]) {
        let placed = pods.iter().filter(|pod| pod.host.is_some()).count() >= wanted;
        if stage == Stage::Started && placed && self.phases.iter().all(|known| known.phase != "scheduling") {
            self.end("scheduling");
        }
    }

    /// Phases of something that began at `offset`.
    pub(super) fn extend(&mut self, offset: Duration, phases: &[PhaseTime]) {
        for phase in phases {
            let at = |us| offset + Duration::from_micros(us);
            self.push(phase.phase, at(phase.begin_us), at(phase.end_us));
        }
    }

    pub(super) fn all(self) -> Vec<PhaseTime> {
        self.phases
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
