//! How long pods are waited for: a pure account of the time, told what the pods do.
//!
//! - The patience is for what does not load its data. While all that is still lacking are servers that load, it is not
//!   used up; each may load for as long as its startup probe allows.
//! - What Kubernetes does not mend by itself is not waited for that long: an image that cannot be pulled, a container that
//!   cannot be made or ends again and again, pods that a quota or an admission rule keeps from being made. Each ends the
//!   wait when it has lasted for [`SETTLED`].
//! - A pod that no node takes, or whose claim has no volume, may be helped by others: it uses up the patience.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::standing::{Look, Outlook, Stage};

/// How long what does not mend itself is watched before it is believed.
pub(super) const SETTLED: Duration = Duration::from_secs(10);

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Enough pods are where they should be.
    Done,
    /// Wait for something to change, until then.
    Wait(Instant),
    /// It is of no use to wait longer.
    GiveUp,
}

#[derive(Debug)]
pub(super) struct Patience {
    wanted: usize,
    stage: Stage,
    patience: Duration,
    settled: Duration,
    /// Used up so far.
    spent: Duration,
    /// When it was last accounted for, and whether the time since then counts.
    at: Instant,
    counts: bool,
    pods: BTreeMap<String, History>,
}

/// What a pod has done so far, by its identity.
#[derive(Debug, Default)]
struct History {
    /// How long it has loaded, and since when it does now.
    loaded: Duration,
    loading_at: Option<Instant>,
    failing_since: Option<Instant>,
    running_since: Option<Instant>,
}

impl Patience {
    pub(super) fn new(wanted: usize, stage: Stage, patience: Duration, now: Instant) -> Self {
        let settled = SETTLED.min(patience);
        let pods = BTreeMap::new();
        Self { wanted, stage, patience, settled, spent: Duration::ZERO, at: now, counts: true, pods }
    }

    /// What to do at `now`, the pods being so. `refused_since`: since when those who should make missing pods say that
    /// they cannot.
    pub(super) fn next(&mut self, now: Instant, looks: &[Look], refused_since: Option<Instant>) -> Next {
        if self.counts {
            self.spent += now - self.at;
        }
        self.at = now;
        let live: Vec<&Look> = looks.iter().filter(|look| !look.state.deleting).collect();
        self.pods.retain(|uid, _| live.iter().any(|look| look.state.uid == *uid));
        let (mut there, mut loading, mut hopeless) = (0, 0, 0);
        let mut until = now + self.patience.saturating_sub(self.spent);
        let mut earlier = Vec::new();
        for look in &live {
            if look.state.is_at(self.stage) {
                there += 1;
            }
            let history = self.pods.entry(look.state.uid.clone()).or_default();
            history.go_on(look.outlook, now, self.settled);
            if let Some(left) = history.may_load(look, now) {
                loading += 1;
                earlier.push(now + left);
            }
            if let (Outlook::Failing, Some(since)) = (look.outlook, history.failing_since) {
                match now - since >= self.settled {
                    true => hopeless += 1,
                    false => earlier.push(since + self.settled),
                }
            }
        }
        if there >= self.wanted {
            return Next::Done;
        }
        let refused = refused_since.filter(|_| live.len() < self.wanted);
        if let Some(since) = refused {
            match now - since >= self.settled {
                true => return Next::GiveUp,
                false => earlier.push(since + self.settled),
            }
        }
        self.counts = there + loading < self.wanted;
        let given_up = hopeless > 0 && live.len() - hopeless < self.wanted;
        if given_up || (self.counts && self.spent >= self.patience) {
            return Next::GiveUp;
        }
        if !self.counts {
            // Until one is done loading, or may not go on.
            until = earlier.iter().min().copied().unwrap_or(until);
        }
        Next::Wait(earlier.into_iter().fold(until, Instant::min))
    }

    /// Whether pods are missing.
    pub(super) fn are_missing(&self, looks: &[Look]) -> bool {
        looks.iter().filter(|look| !look.state.deleting).count() < self.wanted
    }
}

impl History {
    fn go_on(&mut self, outlook: Outlook, now: Instant, settled: Duration) {
        if let Some(at) = self.loading_at.take() {
            self.loaded += now - at;
        }
        match outlook {
            Outlook::Failing => {
                // It ran for a while in between: this is another failure.
                if self.running_since.take().is_some_and(|since| now - since >= settled) {
                    self.failing_since = None;
                }
                self.failing_since.get_or_insert(now);
            }
            Outlook::Loading => {
                self.loading_at = Some(now);
                self.running_since.get_or_insert(now);
            }
            Outlook::Up => {
                self.failing_since = None;
            }
            Outlook::Coming => {}
        }
    }

    /// How long it may still load, while it does.
    fn may_load(&self, look: &Look, now: Instant) -> Option<Duration> {
        let at = self.loading_at?;
        let loaded = self.loaded + (now - at);
        look.allowance.checked_sub(loaded).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::standing::tests::{container, pod, scheduled, waiting};
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn named(name: &str, mut look: Look) -> Look {
        look.state.uid = name.to_owned();
        look
    }

    fn loading() -> Look {
        Look::at(&scheduled(&container(&json!({"running": {}}), 0)))
    }

    fn up() -> Look {
        let mut up = container(&json!({"running": {}}), 0);
        up["started"] = json!(true);
        Look::at(&scheduled(&up))
    }

    fn coming() -> Look {
        Look::at(&pod(&json!({})))
    }

    fn failing() -> Look {
        Look::at(&waiting("ImagePullBackOff", 0))
    }

    /// The answers to what is seen at these seconds, waiting for `wanted` started pods for a minute.
    fn run(wanted: usize, seen: &[(u64, Vec<Look>)]) -> Vec<Next> {
        let begun = Instant::now();
        let mut patience = Patience::new(wanted, Stage::Started, seconds(60), begun);
        let answers = seen.iter().map(|(at, looks)| match patience.next(begun + seconds(*at), looks, None) {
            // Relative, so that it can be compared.
            Next::Wait(until) => Next::Wait(Instant::now() + (until - begun)),
            other => other,
        });
        answers.collect()
    }

    fn waits_until(next: Next, second: u64) -> bool {
        matches!(next, Next::Wait(until) if (until - Instant::now()).as_secs_f64().round() == second as f64)
    }

    #[test]
    fn enough_pods_end_it_and_too_few_use_the_patience_up() {
        assert_eq!(run(1, &[(0, vec![up()])]), [Next::Done]);
        assert_eq!(run(0, &[(0, vec![])]), [Next::Done]);
        let next = run(2, &[(0, vec![]), (20, vec![up()]), (60, vec![up()])]);
        assert!(waits_until(next[0], 60) && waits_until(next[1], 60));
        assert_eq!(next[2], Next::GiveUp);
    }

    #[test]
    fn servers_that_load_are_waited_for_as_long_as_their_probe_allows() {
        // 74 seconds from the 50th on.
        let next = run(1, &[(0, vec![coming()]), (50, vec![loading()]), (100, vec![loading()])]);
        assert!(waits_until(next[1], 124) && waits_until(next[2], 124), "{next:?}");
        let late = run(
            1,
            &[(0, vec![coming()]), (50, vec![loading()]), (124, vec![loading()]), (134, vec![loading()])],
        );
        // What was left of the patience.
        assert!(waits_until(late[2], 134), "{late:?}");
        assert_eq!(late[3], Next::GiveUp);
    }

    #[test]
    fn one_that_loads_gives_no_time_to_one_that_does_not_come() {
        let both = || vec![named("1", loading()), named("2", coming())];
        assert_eq!(run(2, &[(0, both()), (60, both())])[1], Next::GiveUp);
        // But where one is enough, it is.
        assert!(waits_until(run(1, &[(0, both()), (60, both())])[1], 74));
    }

    #[test]
    fn what_does_not_mend_itself_ends_it_early() {
        let next = run(1, &[(0, vec![coming()]), (5, vec![failing()]), (15, vec![failing()])]);
        assert!(waits_until(next[1], 15), "{next:?}");
        assert_eq!(next[2], Next::GiveUp);
        // With others that load, too.
        let both = || vec![named("1", loading()), named("2", failing())];
        assert_eq!(run(2, &[(0, both()), (10, both())])[1], Next::GiveUp);
        // Unless there are enough without it.
        assert!(matches!(run(1, &[(0, both()), (10, both())])[1], Next::Wait(_)));
    }

    #[test]
    fn a_server_that_ran_well_in_between_fails_anew() {
        let next = run(1, &[(0, vec![failing()]), (1, vec![loading()]), (30, vec![failing()])]);
        assert!(waits_until(next[2], 40), "{next:?}");
        // One that ran for a moment does not.
        let next = run(1, &[(0, vec![failing()]), (9, vec![loading()]), (10, vec![failing()])]);
        assert_eq!(next[2], Next::GiveUp);
    }

    #[test]
    fn pods_that_nobody_may_make_are_not_waited_for() {
        let begun = Instant::now();
        let mut patience = Patience::new(1, Stage::Ready, seconds(60), begun);
        let mut next = |at, looks: &[Look]| patience.next(begun + seconds(at), looks, Some(begun));
        assert_eq!(next(2, &[]), Next::Wait(begun + seconds(10)));
        assert!(matches!(next(10, &[coming()]), Next::Wait(_)));
        assert_eq!(next(11, &[]), Next::GiveUp);
    }
}
