//! What a deployment tells while it works.

use std::time::Duration;

use slotwright_topology::{Finding, Plan, Step};

/// Something a watcher may want to show.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A new deployment got its id.
    Founded {
        /// Its name.
        name: &'a str,
    },
    /// Kubernetes objects are being made, changed or removed.
    Applying {
        /// How many.
        objects: usize,
    },
    /// Pods are waited for.
    Pods {
        /// How many are as far as they should be.
        done: usize,
        /// How many there should be.
        wanted: usize,
        /// The others, each with what it is doing.
        lagging: &'a [(&'a str, &'a str)],
    },
    /// The end of pods is waited for.
    PodsEnding {
        /// Those that are left, each with what it is doing.
        left: &'a [(&'a str, &'a str)],
    },
    /// Servers are being started.
    Starting {
        /// How many.
        nodes: usize,
    },
    /// A server answers.
    Started {
        /// Its name.
        node: &'a str,
    },
    /// A server is being stopped.
    Stopping {
        /// Its name.
        node: &'a str,
    },
    /// A primary that is down is not started before its replica has taken over.
    AwaitingFailover {
        /// The primary.
        node: &'a str,
        /// The replica that holds its keys.
        replica: &'a str,
    },
    /// There is a plan that is about to be executed.
    Planned(&'a Plan),
    /// A step begins.
    StepStarted(&'a Step),
    /// A step is done.
    StepDone(&'a Step, Duration),
    /// A step failed; the state is looked at again.
    StepFailed(&'a Step, &'a str),
    /// What an agreement still waits for.
    Waiting(&'a [Finding]),
}

/// Told of each [`Event`].
pub trait Reporter: Send + Sync {
    /// One event.
    fn report(&self, event: Event<'_>);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event<'_>) {}
}
