//! A deployer that dies at a point of its work: `doomed up|down SPEC`, then nothing, or the name of the point.
//!
//! Without a point it prints every point it meets, one a line; with one it aborts there, as a kill would end it.
//! Its exit status is 0 when it came to its end, 1 when it failed.

#![allow(clippy::unwrap_used, reason = "a test program fails by panicking")]

use std::{path::Path, process::ExitCode};

use slotwright_deploy::{ClusterSpec, LocalDeployment, Silent, UpOptions};
use slotwright_tests::points::Points;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (act, spec, target) = match words.as_slice() {
        [act, spec] => (act, spec, None),
        [act, spec, point] => (act, spec, Some(point.clone())),
        _ => {
            eprintln!("usage: doomed up|down SPEC [POINT]");
            return ExitCode::from(2);
        }
    };
    let listing = target.is_none();
    let spec = ClusterSpec::load(Path::new(spec)).unwrap();
    let place = spec.local_place().unwrap();
    let points = Points::new(place.data_directory, place.ports, target);
    let deployment = LocalDeployment::new(spec, points.effects()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(async {
        match act.as_str() {
            "up" => deployment.up(&UpOptions::default(), &Silent).await.map(|_| ()),
            _ => deployment.down(true, &Silent).await.map(|_| ()),
        }
    });
    if listing {
        for point in points.met() {
            println!("{point}");
        }
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
