//! Exports applied by a deployer that dies at a point of its work (`doomed`), tried at every point there is.

use std::{
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    sync::Mutex,
};

use crate::deployment::{Run, run};

const SIGABRT: i32 = 6;

/// Runs `doomed` (built for the test) with an act and a spec, to its end or to `point`.
pub fn doomed(program: &str, act: &str, spec: &Path, point: Option<&str>) -> Run {
    run(Command::new(program).arg(act).arg(spec).args(point).stdin(Stdio::null()))
}

/// The points of a run to the end, which must succeed.
///
/// # Panics
/// When it fails, or meets hardly any.
pub fn points(program: &str, act: &str, spec: &Path) -> Vec<String> {
    let run = doomed(program, act, spec, None);
    assert_eq!(run.code(), 0, "{run:#?}");
    let points: Vec<String> = run.out.lines().map(str::to_owned).collect();
    assert!(points.len() > 5, "{points:?}");
    println!("{act}: {} points", points.len());
    points
}

/// Runs until `point`, which must be met.
///
/// # Panics
/// When it ends in another way.
pub fn die(program: &str, act: &str, spec: &Path, point: &str) {
    let run = doomed(program, act, spec, Some(point));
    assert_eq!(run.status.signal(), Some(SIGABRT), "not met again: {point}: {run:#?}");
}

/// Runs `trial` for every point, some at a time.
///
/// # Panics
/// When one does.
pub fn try_all(points: &[String], trial: impl Fn(&str) + Sync) {
    let next = Mutex::new(points.iter());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(point) = next.lock().unwrap().next() else { break };
                    trial(point);
                }
            });
        }
    });
}
