//! What a lease says, and what somebody who wants it makes of it. Pure: no clock, no server.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::jiff::Timestamp;

use super::holder::Sign;

/// How long a record of others is watched at most. One that claims to be good for longer is left to its holder.
const LONGEST: Duration = Duration::from_secs(60);

/// What a lease says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Who holds it; nothing when nobody does.
    pub(super) holder: Option<String>,
    /// Since when, by the holder's clock.
    pub(super) since: Option<Timestamp>,
    renewed: Option<Timestamp>,
    duration: Duration,
}

impl Record {
    /// `default`: how long it is good where it does not say.
    pub(super) fn of(spec: Option<&LeaseSpec>, default: Duration) -> Self {
        let seconds = spec.and_then(|spec| u64::try_from(spec.lease_duration_seconds?).ok());
        Self {
            holder: spec.and_then(|spec| spec.holder_identity.clone()).filter(|holder| !holder.is_empty()),
            since: spec.and_then(|spec| Some(spec.acquire_time.as_ref()?.0)),
            renewed: spec.and_then(|spec| Some(spec.renew_time.as_ref()?.0)),
            duration: seconds.map_or(default, Duration::from_secs),
        }
    }
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody holds it (any more).
    Take,
    /// Look again, not later than after this.
    Wait(Duration),
    /// The holder is there.
    Held,
}

/// Watches a lease. No clock but our own counts, as in client-go's `leaderelection`: a holder that renewed nothing while we
/// watched for as long as the lease is good is gone.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    /// What it said first, and when by our clock.
    first: Option<(Record, Duration)>,
}

impl Watcher {
    /// What to do when it says this. `now` is a time since any moment, `sign` what is known of the holder otherwise.
    pub(super) fn judge(&mut self, record: &Record, now: Duration, sign: Sign) -> Verdict {
        match sign {
            _ if record.holder.is_none() => return Verdict::Take,
            Sign::Gone => return Verdict::Take,
            Sign::Ours => return Verdict::Held,
            Sign::Unknown => {}
        }
        let (first, since) = self.first.get_or_insert_with(|| (record.clone(), now));
        let watched = now.saturating_sub(*since);
        if first != record {
            Verdict::Held
        } else if watched >= record.duration {
            Verdict::Take
        } else if watched >= LONGEST {
            Verdict::Held
        } else {
            Verdict::Wait(record.duration.min(LONGEST) - watched)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(holder: &str, renewed: i64) -> Record {
        let time = |second| Timestamp::from_second(second).ok();
        Record {
            holder: Some(holder.to_owned()).filter(|holder| !holder.is_empty()),
            since: time(0),
            renewed: time(renewed),
            duration: Duration::from_secs(15),
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_nobody_holds_is_taken_at_once() {
        let mut watcher = Watcher::default();
        assert_eq!(watcher.judge(&record("", 1), seconds(0), Sign::Unknown), Verdict::Take);
        assert_eq!(watcher.judge(&record("a", 1), seconds(0), Sign::Gone), Verdict::Take);
        let none = Record::of(None, seconds(15));
        assert_eq!(watcher.judge(&none, seconds(0), Sign::Unknown), Verdict::Take);
    }

    #[test]
    fn what_is_not_renewed_while_it_is_watched_is_taken() {
        let mut watcher = Watcher::default();
        let old = record("a", 1);
        assert_eq!(watcher.judge(&old, seconds(100), Sign::Unknown), Verdict::Wait(seconds(15)));
        assert_eq!(watcher.judge(&old, seconds(114), Sign::Unknown), Verdict::Wait(seconds(1)));
        assert_eq!(watcher.judge(&old, seconds(115), Sign::Unknown), Verdict::Take);
    }

    #[test]
    fn what_is_renewed_or_taken_by_another_is_held() {
        for other in [record("a", 2), record("b", 1)] {
            let mut watcher = Watcher::default();
            assert_eq!(watcher.judge(&record("a", 1), seconds(0), Sign::Unknown), Verdict::Wait(seconds(15)));
            assert_eq!(watcher.judge(&other, seconds(20), Sign::Unknown), Verdict::Held);
        }
        assert_eq!(Watcher::default().judge(&record("a", 1), seconds(0), Sign::Ours), Verdict::Held);
    }

    #[test]
    fn given_back_while_it_is_watched_it_is_taken() {
        let mut watcher = Watcher::default();
        watcher.judge(&record("a", 1), seconds(0), Sign::Unknown);
        assert_eq!(watcher.judge(&record("", 1), seconds(1), Sign::Unknown), Verdict::Take);
    }

    #[test]
    fn what_is_good_for_very_long_is_not_waited_for() {
        let mut watcher = Watcher::default();
        let day = Record { duration: seconds(86400), ..record("a", 1) };
        assert_eq!(watcher.judge(&day, seconds(0), Sign::Unknown), Verdict::Wait(LONGEST));
        assert_eq!(watcher.judge(&day, LONGEST, Sign::Unknown), Verdict::Held);
    }
}
