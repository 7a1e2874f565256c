//! The wish to stop: raised by a signal or by the half of a measurement that failed, looked at by every loop.
//!
//! Signals become a flag rather than an exit, so that the fleet's destructor always runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Longest time between two looks at the flag.
const TICK: Duration = Duration::from_millis(20);

/// A flag with an optional parent: raised when either is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    flag: Arc<AtomicBool>,
    parent: Option<Arc<AtomicBool>>,
}

impl Stop {
    /// A flag raised by SIGINT, SIGTERM and SIGHUP; the handlers are in place when this returns.
    pub(crate) fn on_signal() -> Result<Stop, Failure> {
        let stop = Stop::default();
        let flag = Arc::clone(&stop.flag);
        let (ready, is_ready) = mpsc::channel();
        std::thread::spawn(move || {
            let waited = wait_for_signal(|| {
                let _ = ready.send(Ok(()));
            });
            match waited {
                Ok(()) => flag.store(true, Ordering::Relaxed),
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        });
        match is_ready.recv() {
            Ok(Ok(())) => Ok(stop),
            Ok(Err(error)) => Err(Failure::io("waiting for signals")(error)),
            Err(_) => Err(Failure::Panicked("the signal thread")),
        }
    }

    /// A flag of its own that is also raised when this one is.
    pub(crate) fn child(&self) -> Stop {
        Stop { flag: Arc::default(), parent: Some(Arc::clone(&self.flag)) }
    }

    /// Raises the flag.
    pub(crate) fn raise(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Whether the flag is up.
    pub(crate) fn is_raised(&self) -> bool {
        let up = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        up(&self.flag) || self.parent.as_deref().is_some_and(up)
    }

    /// [`Failure::Interrupted`] when the flag is up.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.is_raised() { Err(Failure::Interrupted) } else { Ok(()) }
    }

    /// Sleeps, unless the flag goes up.
    pub(crate) fn sleep(&self, time: Duration) -> Result<(), Failure> {
        let end = Instant::now() + time;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(TICK));
        }
    }
}

fn wait_for_signal(registered: impl FnOnce()) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        registered();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        Ok(())
    })
}
