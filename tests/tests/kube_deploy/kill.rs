//! A deployer killed before and after every request to the API server and every command to a node, then run again.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use slotwright_tests::{
    kube::Deployed,
    points::kind,
    trials::{Turns, die, record, sample, try_all},
};

use crate::{TURNS, kubernetes};

/// Two pods each.
static TRIALS: Turns = Turns::new(3);

fn doomed(deployed: &Deployed<'_>, act: &str) -> Command {
    let mut command = deployed.command(Path::new(env!("CARGO_BIN_EXE_doomed")));
    command.arg(act).arg(deployed.spec());
    command
}

/// A deployment in a namespace nobody had before.
fn fresh() -> Deployed<'static> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let namespace = format!("kill-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    Deployed::with(kubernetes(), &namespace, "", 1, 1, None)
}

/// The cluster is whole, a further run changes nothing, and nothing is left in the end.
fn settle(deployed: &Deployed<'_>) -> Result<(), String> {
    let state = |error: String| format!("{error}\n{}", deployed.state());
    deployed.judge().map_err(state)?;
    deployed.walker().write_keys("after", 20).map_err(state)?;
    deployed.walker().read_keys("after", 20).map_err(state)?;
    let again = deployed.run(&["up", "--json"]);
    if again.code() != 0 || again.json()["changed"] == true {
        return Err(state(format!("a further run changed something: {again:#?}")));
    }
    let down = deployed.run(&["down", "--delete-data"]);
    if down.code() != 0 {
        return Err(state(format!("{down:#?}")));
    }
    drop(deployed.kubectl(&["delete", "namespace", "--wait=false", &deployed.namespace]).output());
    Ok(())
}

#[test]
fn a_first_up_killed_at_any_point_is_finished_by_the_next() {
    let _turn = TURNS.take();
    let recorded = {
        let deployed = fresh();
        let points = record(&mut doomed(&deployed, "up"));
        settle(&deployed).unwrap();
        points
    };
    let mut kinds: Vec<String> = recorded.iter().map(|point| kind(point)).collect();
    kinds.sort();
    kinds.dedup();
    println!("{} points in a first up, {} kinds", recorded.len(), kinds.len());
    let points = sample(recorded, 1);
    let count =
        if std::env::var_os("SLOTWRIGHT_SOAK").is_some() { points.len() } else { 8.min(points.len()) };
    try_all("kube_deploy", "a_first_up", &TRIALS, &points[..count], |_, point| {
        let deployed = fresh();
        let killed = die(&mut doomed(&deployed, "up"), point)?;
        let up = deployed.run(&["up", "--json"]);
        if up.code() != 0 {
            return Err(format!("{up:#?}\n{}", deployed.state()));
        }
        settle(&deployed)?;
        Ok(killed)
    });
}
