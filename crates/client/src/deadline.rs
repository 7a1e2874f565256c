//! One point in time by which everything must be done, connecting included.

use std::{fmt, future::Future, time::Duration};

use tokio::time::{Instant, timeout_at};

/// An absolute deadline. Handed down unchanged through every step of an operation, so that steps share one budget
/// instead of each starting its own.
///
/// ```
/// # use std::time::Duration;
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use slotwright_client::Deadline;
/// let deadline = Deadline::within(Duration::from_millis(5));
/// assert!(deadline.run(std::future::pending::<()>()).await.is_err());
/// assert_eq!(deadline.remaining(), Duration::ZERO);
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

/// The deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline passed")]
pub struct Elapsed;

/// A span no operation outlives, in place of one that the clock cannot represent.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

impl Deadline {
    /// `span` from now. Spans beyond thirty years count as thirty years.
    pub fn within(span: Duration) -> Self {
        Self(Instant::now() + span.min(FAR))
    }

    /// At `instant`.
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The point in time.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// The time left; zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// True once no time is left.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// This deadline, or `span` from now if that is sooner: a budget for one step of several.
    #[must_use]
    pub fn at_most(self, span: Duration) -> Self {
        self.min(Self::within(span))
    }

    /// Runs `future` until it is done or the deadline passes; a future that would start too late is not started.
    ///
    /// # Errors
    /// [`Elapsed`] when the deadline came first. The future is dropped then.
    pub async fn run<F: Future>(self, future: F) -> Result<F::Output, Elapsed> {
        if self.has_passed() {
            return Err(Elapsed);
        }
        timeout_at(self.0, future).await.map_err(|_| Elapsed)
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s left", self.remaining().as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_passed_deadline_starts_nothing() {
        let deadline = Deadline::within(Duration::ZERO);
        let mut started = false;
        assert_eq!(deadline.run(async { started = true }).await, Err(Elapsed));
        assert!(!started);
    }

    #[tokio::test(start_paused = true)]
    async fn steps_share_one_budget() {
        let deadline = Deadline::within(Duration::from_secs(10));
        assert_eq!(deadline.run(tokio::time::sleep(Duration::from_secs(7))).await, Ok(()));
        assert_eq!(deadline.remaining(), Duration::from_secs(3));
        assert_eq!(deadline.run(tokio::time::sleep(Duration::from_secs(7))).await, Err(Elapsed));
        assert!(deadline.has_passed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_sooner_of_two_holds() {
        let deadline = Deadline::within(Duration::from_secs(10));
        assert_eq!(deadline.at_most(Duration::from_secs(2)).remaining(), Duration::from_secs(2));
        assert_eq!(deadline.at_most(Duration::from_secs(20)), deadline);
        assert!(Deadline::within(Duration::MAX).remaining() > Duration::from_secs(1 << 29));
    }
}
