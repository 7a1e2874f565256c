//! A deployer killed before and after every single effect, then run again: it converges every time.
//!
//! The points are enumerated by a first run, never guessed. Each trial is a deployment of its own: a run that dies at
//! one point, an ordinary run, and a judgement from outside. Which points are tried: `slotwright_tests::trials::sample`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{path::Path, process::Command};

use slotwright_tests::{
    deployment::Deployment,
    points::kind,
    trials::{self, Turns, record, sample},
};

/// Trials at the same time, over all tests of this file: they mostly wait for servers.
static TURNS: Turns = Turns::new(6);

fn doomed(deployment: &Deployment, act: &str) -> Command {
    let mut command = deployment.command(Path::new(env!("CARGO_BIN_EXE_doomed")));
    command.arg(act).arg(deployment.spec());
    command
}

/// Runs until the point; a run that fails by itself shows the servers' logs.
fn die(deployment: &Deployment, act: &str, point: &str) -> Result<bool, String> {
    trials::die(&mut doomed(deployment, act), point)
        .map_err(|error| format!("{error}\n{}", deployment.logs()))
}

fn try_all(test: &str, points: &[String], trial: impl Fn(usize, &str) -> Result<bool, String> + Sync) {
    trials::try_all("deploy_kill", test, &TURNS, points, trial);
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
        let _turn = TURNS.take();
        let deployment = Deployment::new(3, 1);
        let points = record(&mut doomed(&deployment, "up"));
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
        let _turn = TURNS.take();
        let deployment = wounded().unwrap();
        let points = record(&mut doomed(&deployment, "up"));
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
        let _turn = TURNS.take();
        let deployment = whole().unwrap();
        let points = record(&mut doomed(&deployment, "down"));
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
