//! A deployer that dies at a point of its work: `doomed ACT SPEC`, then nothing, or the name of the point.
//!
//! ACT is `up`, `down`, `exports-apply` or `exports-remove`. Without a point it prints every point it meets, one a line;
//! with one it aborts there, as a kill would end it. Its exit status is 0 when it came to its end, 1 when it failed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program fails by panicking")]

use std::{collections::BTreeSet, path::Path, process::ExitCode, sync::Arc};

use slotwright_deploy::{ClusterSpec, Deployment, Error, Silent, UpOptions, exports::Exports};
use slotwright_nfs::Consent;
use slotwright_tests::points::Points;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (act, spec, target) = match words.as_slice() {
        [act, spec] => (act, spec, None),
        [act, spec, point] => (act, spec, Some(point.clone())),
        _ => {
            eprintln!("usage: doomed up|down|exports-apply|exports-remove SPEC [POINT]");
            return ExitCode::from(2);
        }
    };
    let listing = target.is_none();
    let folder = Path::new(spec).parent().unwrap().to_path_buf();
    let spec = ClusterSpec::load(Path::new(spec)).unwrap();
    let points = match (spec.local_place(), &spec.kubernetes) {
        (Ok(place), _) => Points::new(place.data_directory, place.ports, target),
        (Err(_), Some(section)) => Points::of_pods(&section.namespace, target),
        (Err(_), None) => Points::new(folder, Vec::new(), target),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(act_on(act, spec, &points));
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

async fn act_on(act: &str, spec: ClusterSpec, points: &Arc<Points>) -> Result<(), Error> {
    // The machine of a test has no NFS server of the kernel's.
    let consent = Consent { offline: true, ..Consent::default() };
    match act {
        "up" => {
            let deployment = Deployment::new(spec, points.effects()).await?;
            deployment.up(&UpOptions::default(), &Silent).await.map(drop)
        }
        "down" => {
            let deployment = Deployment::new(spec, points.effects()).await?;
            deployment.down(true, &Silent).await.map(drop)
        }
        "exports-apply" => Exports::new(&spec, points.machine())?.apply(&consent).await.map(drop),
        "exports-remove" => {
            Exports::new(&spec, points.machine())?.remove(&BTreeSet::new(), &consent).await.map(drop)
        }
        other => panic!("there is no act {other}"),
    }
}
