//! A deployer killed before and after every single effect, then run again: it converges every time.
//!
//! The points are enumerated by a first run, never guessed. Each trial is a deployment of its own: a run that dies at
//! one point, an ordinary run, and a judgement from outside. `SLOTWRIGHT_SOAK=1` tries every point, `=once` every
//! message and file without the repetitions of polling; otherwise a sample (of every kind of point at least one) of
//! `SLOTWRIGHT_SEED`. `SLOTWRIGHT_POINT` names the only point to try.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt,
    path::Path,
    sync::{Condvar, Mutex},
};

use slotwright_tests::{
    deployment::{Deployment, Run, run, slotwright},
    points::kind,
    random::Random,
};

/// Trials at the same time, over all tests of this file: they mostly wait for servers.
const AT_ONCE: usize = 6;
static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// One of the trials under way.
struct Turn;

impl Turn {
    fn take() -> Self {
        let running = RUNNING.0.lock().unwrap();
        *RUNNING.1.wait_while(running, |running| *running >= AT_ONCE).unwrap() += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Ok(mut running) = RUNNING.0.lock() {
            *running -= 1;
        }
        RUNNING.1.notify_one();
    }
}

const SIGABRT: i32 = 6;

fn doomed(deployment: &Deployment, act: &str, point: Option<&str>) -> Run {
    let mut command = deployment.command(Path::new(env!("CARGO_BIN_EXE_doomed")));
    run(command.arg(act).arg(deployment.spec()).args(point))
}

/// Runs to the end and gives the points met.
fn record(deployment: &Deployment, act: &str) -> Vec<String> {
    let run = doomed(deployment, act, None);
    assert_eq!(run.code(), 0, "{run:#?}\n{}", deployment.logs());
    run.out.lines().map(str::to_owned).collect()
}

/// Runs until the point; a point that this run did not meet must leave it successful.
fn die(deployment: &Deployment, act: &str, point: &str) -> Result<bool, String> {
    let run = doomed(deployment, act, Some(point));
    match (run.status.signal(), run.code()) {
        (Some(SIGABRT), _) => Ok(true),
        (None, 0) => Ok(false),
        _ => Err(format!("the doomed run failed by itself: {run:#?}\n{}", deployment.logs())),
    }
}

/// All points, or a sample with at least `count` of them and every kind.
fn sample(points: Vec<String>, count: usize) -> Vec<String> {
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
fn try_all(test: &str, points: &[String], trial: impl Fn(usize, &str) -> Result<bool, String> + Sync) {
    slotwright();
    let next = Mutex::new(0..points.len());
    let outcomes: Mutex<(usize, Vec<String>)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(number) = next.lock().unwrap().next() else { break };
                    if number % 50 == 49 {
                        println!("{test}: {number} of {} points", points.len());
                    }
                    let _turn = Turn::take();
                    let point = &points[number];
                    match trial(number, point) {
                        Ok(killed) => outcomes.lock().unwrap().0 += usize::from(killed),
                        Err(error) => outcomes.lock().unwrap().1.push(format!(
                            "SLOTWRIGHT_POINT='{point}' cargo test -p slotwright-tests --test deploy_kill {test}\n{error}"
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

/// The cluster is whole, a further run changes nothing, and nothing is left in the end.
fn settle(deployment: &Deployment) -> Result<(), String> {
    let logs = |error: String| format!("{error}\n{}", deployment.logs());
    deployment.judge().map_err(logs)?;
    deployment.walker().write_keys("after", 20)?;
    deployment.walker().read_keys("after", 20)?;
    if deployment.try_up()? {
        return Err(logs("a further run changed something".to_owned()));
    }
    deployment.try_delete()
}

#[test]
fn a_first_up_killed_at_any_point_is_finished_by_the_next() {
    let recorded = {
        let _turn = Turn::take();
        let deployment = Deployment::new(3, 1);
        let points = record(&deployment, "up");
        settle(&deployment).unwrap();
        points
    };
    println!("{} points in a first up, {} kinds", recorded.len(), {
        let mut kinds: Vec<String> = recorded.iter().map(|point| kind(point)).collect();
        kinds.sort();
        kinds.dedup();
        kinds.len()
    });
    let points = sample(recorded, 60);
    try_all("a_first_up", &points, |_, point| {
        let deployment = Deployment::new(3, 1);
        let killed = die(&deployment, "up", point)?;
        deployment.try_up()?;
        settle(&deployment)?;
        Ok(killed)
    });
}

/// A cluster with keys whose node at position 0 was killed.
fn wounded() -> Result<Deployment, String> {
    let deployment = Deployment::with(3, 1, None, "  cluster-node-timeout: 2000");
    deployment.try_up()?;
    deployment.walker().write_keys("kept", 200)?;
    deployment.kill(0);
    Ok(deployment)
}

#[test]
fn a_repair_killed_at_any_point_keeps_every_key() {
    let recorded = {
        let _turn = Turn::take();
        let deployment = wounded().unwrap();
        let points = record(&deployment, "up");
        deployment.walker().read_keys("kept", 200).unwrap();
        settle(&deployment).unwrap();
        points
    };
    println!("{} points in a repair", recorded.len());
    let points = sample(recorded, 20);
    try_all("a_repair", &points, |_, point| {
        let deployment = wounded()?;
        let killed = die(&deployment, "up", point)?;
        deployment.try_up()?;
        deployment.walker().read_keys("kept", 200)?;
        settle(&deployment)?;
        Ok(killed)
    });
}

#[test]
fn a_deletion_killed_at_any_point_is_finished_by_the_next() {
    let whole = || {
        let deployment = Deployment::new(1, 1);
        deployment.try_up()?;
        deployment.walker().write_keys("doomed", 20)?;
        Ok::<_, String>(deployment)
    };
    let recorded = {
        let _turn = Turn::take();
        let deployment = whole().unwrap();
        let points = record(&deployment, "down");
        deployment.is_gone().unwrap();
        points
    };
    println!("{} points in a deletion", recorded.len());
    let points = sample(recorded, 24);
    try_all("a_deletion", &points, |number, point| {
        let deployment = whole()?;
        let killed = die(&deployment, "down", point)?;
        if number % 2 == 1 {
            // Change of mind: a cluster that is whole, or a refusal that says why.
            let run = deployment.run(&["up"]);
            match run.code() {
                0 => deployment.judge()?,
                3 if !run.err.trim().is_empty() => {}
                _ => return Err(format!("{run:#?}\n{}", deployment.logs())),
            }
        }
        deployment.try_delete()?;
        Ok(killed)
    });
}
