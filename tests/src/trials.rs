//! Trials of a deployer that dies: how many at the same time, at which points, and what becomes of each.

use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt,
    process::Command,
    sync::{Condvar, Mutex, PoisonError},
};

use crate::{
    deployment::{Run, run, slotwright},
    points::kind,
    random::Random,
};

/// How many may be at work at the same time, over all tests of a program.
pub struct Turns {
    at_once: usize,
    running: Mutex<usize>,
    freed: Condvar,
}

/// One that is at work.
pub struct Turn<'a>(&'a Turns);

impl Turns {
    /// As many as `at_once`.
    pub const fn new(at_once: usize) -> Self {
        Self { at_once, running: Mutex::new(0), freed: Condvar::new() }
    }

    /// Waits for a turn.
    pub fn take(&self) -> Turn<'_> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |running: &mut usize| *running >= self.at_once;
        *self.freed.wait_while(running, full).unwrap_or_else(PoisonError::into_inner) += 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}

/// Runs the doomed deployer to the end, and gives the points met.
///
/// # Panics
/// When it fails.
pub fn record(doomed: &mut Command) -> Vec<String> {
    let run = run(doomed);
    assert_eq!(run.code(), 0, "{run:#?}");
    run.out.lines().map(str::to_owned).collect()
}

/// Runs the doomed deployer until the point; a point that this run did not meet must leave it successful.
///
/// # Errors
/// When it fails by itself.
pub fn die(doomed: &mut Command, point: &str) -> Result<bool, String> {
    const SIGABRT: i32 = 6;
    let run: Run = run(doomed.arg(point));
    match (run.status.signal(), run.code()) {
        (Some(SIGABRT), _) => Ok(true),
        (None, 0) => Ok(false),
        _ => Err(format!("the doomed run failed by itself: {run:#?}")),
    }
}

/// All points, or a sample with at least `count` of them and every kind.
///
/// `SLOTWRIGHT_SOAK=1` tries every point, `=once` every message and file without the repetitions of polling; otherwise the
/// sample is that of `SLOTWRIGHT_SEED`. `SLOTWRIGHT_POINT` names the only point to try.
pub fn sample(points: Vec<String>, count: usize) -> Vec<String> {
    if let Ok(point) = std::env::var("SLOTWRIGHT_POINT") {
        // Twice: a trial may do one thing or another, by its number.
        return vec![point.clone(), point];
    }
    match std::env::var("SLOTWRIGHT_SOAK").as_deref() {
        // Each message and each file once: a question that is asked again and again is the same question.
        Ok("once") => return points.into_iter().filter(|point| point.ends_with(" #1")).collect(),
        Ok(_) => return points,
        Err(_) => {}
    }
    let seed = std::env::var("SLOTWRIGHT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut random = Random::new(seed);
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for point in points {
        kinds.entry(kind(&point)).or_default().push(point);
    }
    let mut chosen: Vec<String> =
        kinds.values_mut().map(|points| points.swap_remove(random.below(points.len()))).collect();
    // The rest evenly over the kinds, so that polls do not crowd out everything else.
    let mut left: Vec<Vec<String>> = kinds.into_values().filter(|points| !points.is_empty()).collect();
    while chosen.len() < count && !left.is_empty() {
        let place = random.below(left.len());
        let points = &mut left[place];
        chosen.push(points.swap_remove(random.below(points.len())));
        left.retain(|points| !points.is_empty());
    }
    chosen
}

/// Tries every point, several at once; fails with all that went wrong.
///
/// # Panics
/// When a trial fails, or most points were not met again.
pub fn try_all(
    program: &str,
    test: &str,
    turns: &Turns,
    points: &[String],
    trial: impl Fn(usize, &str) -> Result<bool, String> + Sync,
) {
    slotwright();
    let next = Mutex::new(0..points.len());
    let outcomes: Mutex<(usize, Vec<String>)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..turns.at_once {
            scope.spawn(|| {
                loop {
                    let Some(number) = next.lock().unwrap().next() else { break };
                    if number % 50 == 49 {
                        println!("{test}: {number} of {} points", points.len());
                    }
                    let _turn = turns.take();
                    let point = &points[number];
                    match trial(number, point) {
                        Ok(killed) => outcomes.lock().unwrap().0 += usize::from(killed),
                        Err(error) => outcomes.lock().unwrap().1.push(format!(
                            "SLOTWRIGHT_POINT='{point}' cargo test -p slotwright-tests --test {program} {test}\n{error}"
                        )),
                    }
                }
            });
        }
    });
    let (killed, failures) = outcomes.into_inner().unwrap();
    println!("{test}: {} points, killed at {killed} of them", points.len());
    assert!(
        failures.is_empty(),
        "{} of {} points failed:\n{}",
        failures.len(),
        points.len(),
        failures.join("\n\n")
    );
    assert!(
        killed * 2 > points.len() || points.len() < 3,
        "most points were not met again: they are not stable"
    );
}
