//! Measuring in turns: A B C A B C …, so that a slow moment of the machine meets everyone alike.
//!
//! Two measurements minutes apart differ by what the machine did in between, and so does their ratio. Here all
//! runners of a race stand beside each other in every round, a fraction of a millisecond each, the first place going
//! round; the rounds of a race are spread over the whole run in sweeps. A time is the median over all rounds, a ratio
//! is the median of the ratios within each round.

use std::time::{Duration, Instant};

use serde::Serialize;

/// How much is measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Plan {
    /// Whether this is only a look.
    pub(crate) quick: bool,
    /// Times all races are gone through.
    pub(crate) sweeps: u32,
    /// Rounds of a race in a sweep.
    pub(crate) rounds: u32,
    /// Time of one runner in one round, in microseconds.
    pub(crate) sample_us: u64,
}

impl Plan {
    /// What is published.
    pub(crate) const FULL: Self = Self { quick: false, sweeps: 20, rounds: 4, sample_us: 200 };
    /// A look.
    pub(crate) const QUICK: Self = Self { quick: true, sweeps: 2, rounds: 4, sample_us: 100 };
}

/// The same work by several runners.
pub(crate) struct Race<'a> {
    /// What the row is called.
    pub(crate) name: RowName,
    /// Keys in one pass.
    pub(crate) keys: usize,
    /// Who runs.
    pub(crate) runners: Vec<Runner<'a>>,
}

/// What a row of results is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RowName {
    /// `key_slot`, `tag/<shape>` or `batch`, as in the ids of the criterion suite.
    pub(crate) group: String,
    /// The last part of those ids: a length or the name of a set of keys.
    pub(crate) keys: String,
    /// Bytes of each key, when all have the same.
    pub(crate) length: Option<usize>,
}

/// One implementation at work.
pub(crate) struct Runner<'a> {
    name: String,
    /// Does this many passes over the keys.
    work: Box<dyn FnMut(u32) + 'a>,
    passes: u32,
    /// Nanoseconds per key, one a round.
    samples: Vec<f64>,
}

impl<'a> Runner<'a> {
    /// A runner that does as many passes over the keys as `work` is told.
    pub(crate) fn new(name: &str, work: impl FnMut(u32) + 'a) -> Self {
        Self { name: name.to_owned(), work: Box::new(work), passes: 0, samples: Vec::new() }
    }

    /// Finds out how many passes fill the time of a sample.
    fn calibrate(&mut self, sample: Duration) {
        self.passes = 1;
        while self.time() < sample / 2 && self.passes < u32::MAX / 2 {
            self.passes *= 2;
        }
        let reached = self.time().as_nanos().max(1);
        let wanted = u128::from(self.passes) * sample.as_nanos() / reached;
        self.passes = u32::try_from(wanted).unwrap_or(u32::MAX).max(1);
    }

    fn time(&mut self) -> Duration {
        let start = Instant::now();
        (self.work)(self.passes);
        start.elapsed()
    }

    fn run(&mut self, keys: usize) {
        // Once before the clock starts: the others have just filled caches and branch predictors with their own.
        (self.work)(1);
        let nanoseconds = self.time().as_nanos() as f64;
        self.samples.push(nanoseconds / (f64::from(self.passes) * keys as f64));
    }
}

/// The results of a race.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) name: RowName,
    /// Keys in one pass.
    pub(crate) count: usize,
    /// One entry a runner.
    pub(crate) times: Vec<Time>,
}

/// What one runner needed, in nanoseconds per key.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Time {
    /// The implementation.
    pub(crate) name: String,
    /// A quarter of the rounds were faster.
    pub(crate) lower_quartile: f64,
    /// Half of the rounds were faster.
    pub(crate) median: f64,
    /// Three quarters of the rounds were faster.
    pub(crate) upper_quartile: f64,
    /// Every round, in the order measured.
    #[serde(skip)]
    pub(crate) rounds: Vec<f64>,
}

impl Row {
    /// The median of one implementation.
    pub(crate) fn median(&self, name: &str) -> Option<f64> {
        self.time(name).map(|time| time.median)
    }

    /// How many times as long `slow` takes as `fast`: the median of the ratios within each round.
    pub(crate) fn ratio(&self, slow: &str, fast: &str) -> Option<f64> {
        let (slow, fast) = (self.time(slow)?, self.time(fast)?);
        quantile(slow.rounds.iter().zip(&fast.rounds).map(|(slow, fast)| slow / fast).collect(), 0.5)
    }

    fn time(&self, name: &str) -> Option<&Time> {
        self.times.iter().find(|time| time.name == name)
    }
}

impl Time {
    pub(crate) fn new(name: String, rounds: Vec<f64>) -> Self {
        let quantile = |share| quantile(rounds.clone(), share).unwrap_or(f64::NAN);
        Self {
            lower_quartile: quantile(0.25),
            median: quantile(0.5),
            upper_quartile: quantile(0.75),
            name,
            rounds,
        }
    }
}

/// The value below which `share` of the values lie, between two of them in proportion.
fn quantile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = share * values.len().checked_sub(1)? as f64;
    let (below, above) = (values.get(place.floor() as usize)?, values.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

/// Runs all races; `progress` is told the number of each sweep before it begins.
pub(crate) fn run(mut races: Vec<Race<'_>>, plan: Plan, mut progress: impl FnMut(u32)) -> Vec<Row> {
    let sample = Duration::from_micros(plan.sample_us);
    for runner in races.iter_mut().flat_map(|race| &mut race.runners) {
        runner.calibrate(sample);
    }
    for sweep in 1..=plan.sweeps {
        progress(sweep);
        for race in &mut races {
            for round in 0..plan.rounds as usize {
                let runners = race.runners.len().max(1);
                let (before, from_first) = race.runners.split_at_mut(round % runners);
                from_first.iter_mut().chain(before).for_each(|runner| runner.run(race.keys));
            }
        }
    }
    let row = |race: Race<'_>| Row {
        name: race.name,
        count: race.keys,
        times: race.runners.into_iter().map(|runner| Time::new(runner.name, runner.samples)).collect(),
    };
    races.into_iter().map(row).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A row with these rounds.
    pub(crate) fn row(group: &str, keys: &str, times: &[(&str, &[f64])]) -> Row {
        let name = RowName { group: group.into(), keys: keys.into(), length: keys.parse().ok() };
        let times = times.iter().map(|(name, rounds)| Time::new((*name).into(), rounds.to_vec())).collect();
        Row { name, count: 16, times }
    }

    #[test]
    fn quantiles_lie_between_values() {
        assert_eq!(quantile(vec![], 0.5), None);
        assert_eq!(quantile(vec![7.0], 0.25), Some(7.0));
        assert_eq!(quantile(vec![3.0, 1.0, 2.0], 0.5), Some(2.0));
        assert_eq!(quantile(vec![4.0, 1.0, 3.0, 2.0], 0.5), Some(2.5));
        assert_eq!(quantile(vec![1.0, 2.0, 3.0, 4.0, 5.0], 0.75), Some(4.0));
    }

    #[test]
    fn a_ratio_compares_within_rounds() {
        // The machine was ten times slower in the second half; the ratio does not see it.
        let row =
            row("g", "16", &[("a", &[6.0, 6.0, 60.0, 60.0, 60.0]), ("b", &[2.0, 2.0, 20.0, 20.0, 20.0])]);
        assert_eq!(row.ratio("a", "b"), Some(3.0));
        assert_eq!(row.ratio("a", "c"), None);
        assert_eq!(row.median("a"), Some(60.0));
    }

    #[test]
    fn everyone_runs_every_round() {
        let runner = |name| Runner::new(name, |passes| (0..passes).for_each(|_| std::thread::yield_now()));
        let name = RowName { group: "g".into(), keys: "1".into(), length: Some(1) };
        let race = Race { name, keys: 2, runners: vec![runner("a"), runner("b"), runner("c")] };
        let plan = Plan { quick: true, sweeps: 2, rounds: 4, sample_us: 1 };
        let mut sweeps = 0;
        let rows = run(vec![race], plan, |_| sweeps += 1);
        assert_eq!((sweeps, rows.len()), (2, 1));
        assert!(rows[0].times.iter().all(|time| time.rounds.len() == 8 && time.median > 0.0));
    }
}
