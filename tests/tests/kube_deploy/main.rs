//! The deployer on a genuine Kubernetes.
//!
//! One cluster for all tests of this program, in namespaces of their own: `life` what a deployment goes through, `secure`
//! passwords and certificates, `volumes` what the data lies on, `refusals` what must end with a reason, `inside` a
//! deployer that is a pod itself, `kill` one killed at each of its effects.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod inside;
mod kill;
mod life;
mod refusals;
mod secure;
mod volumes;

use std::sync::OnceLock;

use slotwright_tests::{
    deployment::slotwright,
    kube::{Deployed, Kubernetes},
    trials::Turns,
};

/// One cluster for all tests of this file; it ends with this process.
fn kubernetes() -> &'static Kubernetes {
    static STARTED: OnceLock<Kubernetes> = OnceLock::new();
    STARTED.get_or_init(|| {
        // It may take minutes to build, and no test counts on that.
        slotwright();
        Kubernetes::start()
    })
}

/// Tests at the same time: each pod costs processor time for its probes.
static TURNS: Turns = Turns::new(3);

/// All pods are Running and Ready, and the cluster in them is whole.
#[track_caller]
fn is_whole(deployed: &Deployed<'_>) {
    for pod in deployed.get("pods") {
        assert_eq!(pod["status"]["phase"], "Running", "{}", deployed.state());
        let conditions = pod["status"]["conditions"].as_array().unwrap();
        let ready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
        assert!(ready, "{}", deployed.state());
    }
    deployed.judge().unwrap_or_else(|error| panic!("{error}\n{}", deployed.state()));
}
