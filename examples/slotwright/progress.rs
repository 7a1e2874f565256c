//! Progress while a deployment works: one line redrawn in place on a terminal, plain lines otherwise.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use slotwright_deploy::{Event, Reporter};

use crate::screen::Screen;

/// Between two plain lines that tell what is waited for.
const WAITING_EVERY: Duration = Duration::from_secs(2);

/// Shows events on standard error.
pub(crate) struct Progress {
    screen: Screen,
    bar: Option<ProgressBar>,
    last_wait: Mutex<Option<Instant>>,
}

impl Progress {
    pub(crate) fn new(screen: Screen) -> Self {
        let bar = screen.live.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { screen, bar, last_wait: Mutex::new(None) }
    }

    /// Takes the line away; what follows is the result.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// What is going on now: redrawn on a terminal, a line of its own otherwise.
    fn now(&self, text: String) {
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None if self.screen.json => {}
            None => self.screen.note(&text),
        }
    }

    /// What is waited for: told often, so plain output shows it now and then.
    fn wait(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None if self.due() => self.now(text.to_owned()),
            None => {}
        }
    }

    /// Something that stays visible.
    fn keep(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.screen.note(text)),
            None if self.screen.json => {}
            None => self.screen.note(text),
        }
    }
}

impl Reporter for Progress {
    fn report(&self, event: Event<'_>) {
        match event {
            Event::Founded { name } => self.keep(&format!("new deployment \"{name}\"")),
            Event::Applying { objects: 1 } => self.now("applying 1 object".to_owned()),
            Event::Applying { objects } => self.now(format!("applying {objects} objects")),
            Event::Pods { done, wanted, lagging } => self.wait(&match lagging.first() {
                Some((pod, doing)) => format!("{done} of {wanted} pods are there; {pod}: {doing}"),
                None => format!("{done} of {wanted} pods are there"),
            }),
            Event::PodsEnding { left } => {
                let Some((pod, doing)) = left.first() else { return };
                self.wait(&format!("{} pods are left; {pod}: {doing}", left.len()));
            }
            Event::Starting { nodes: 1 } => self.now("starting 1 server".to_owned()),
            Event::Starting { nodes } => self.now(format!("starting {nodes} servers")),
            Event::Stopping { node } => self.now(format!("stopping {node}")),
            Event::AwaitingFailover { node, replica } => self.keep(&format!(
                "{replica} may hold keys that {node} has not on disk: waiting for {replica} to take over first"
            )),
            Event::Planned(plan) if plan.only_waits() => self.now("waiting until all nodes agree".to_owned()),
            Event::Planned(plan) => {
                let messages: usize = plan.steps().iter().map(|step| step.messages).sum();
                self.now(format!("executing the plan: {} steps, {messages} messages", plan.steps().len()));
            }
            Event::StepFailed(step, why) => self.keep(&format!("{}: {why}; looking again", step.action)),
            Event::Waiting(findings) => {
                let Some(first) = findings.first() else { return };
                let more = match findings.len() {
                    1 => String::new(),
                    more => format!(" (and {} more)", more - 1),
                };
                self.wait(&format!("waiting: {}{more}", first.evidence));
            }
            _ => {}
        }
    }
}

impl Progress {
    /// Plain output is a log: it is told of waiting now and then, not ten times a second.
    fn due(&self) -> bool {
        let mut last = self.last_wait.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let begun = *last.get_or_insert(now);
        let due = now.duration_since(begun) >= WAITING_EVERY;
        if due {
            *last = Some(now);
        }
        due
    }
}
