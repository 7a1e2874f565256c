//! `test`, `test-aarch64` and `soak`: cargo, with what it needs installed before and a look for left processes after.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::aarch64::{self, Machine};
use crate::beside::Beside;
use crate::failure::Failure;
use crate::install::{self, FOR_TESTS};
use crate::kube;
use crate::leftovers::RunFolder;
use crate::nfs_tools;
use crate::no_std;

use crate::run;
use crate::targets;

/// Cases per property in a round of `soak`, unless `PROPTEST_CASES` says otherwise. The default of proptest is 256.
const SOAK_CASES: &str = "10000";

/// The tests of all members with all their features. What is chosen of them is not built anew then.
const TEST: [&str; 4] = ["test", "--workspace", "--all-features", "--locked"];

/// All tests of the workspace, those on Kubernetes and the documentation included; then the slot crate without `std`,
/// and on an emulated aarch64 unless only this machine's own processor is asked for. With arguments, what they choose
/// and no more.
pub(crate) fn test(native: bool, args: &[String]) -> Result<(), Failure> {
    if args.is_empty() {
        return test_all(native);
    }
    install::ensure(&FOR_TESTS)?;
    nfs_tools::ensure()?;
    if args.iter().any(|arg| arg.contains("kube")) {
        kube::prepare_tests()?;
    }
    guarded(run::cargo().args(TEST).args(args))
}

/// The tests on Kubernetes wait for most of their time, so the others run beside them.
fn test_all(native: bool) -> Result<(), Failure> {
    let mut needed = FOR_TESTS.to_vec();
    if !native {
        needed.extend(aarch64::needed());
    }
    install::ensure(&needed)?;
    nfs_tools::ensure()?;
    kube::prepare_tests()?;
    // What is missing is said before the long part, not after it.
    let machine = (!native).then(Machine::prepare).transpose()?;
    let (on_kube, others) = kube::split_tests(targets::integration_tests()?);
    run::run(run::cargo().args(TEST).arg("--no-run"))?;
    within_folder(|folder| {
        let run = |command: &mut Command| run::run(command.env("TMPDIR", folder));
        let mut beside = run::cargo();
        beside.args(TEST).args(targets::chosen(&on_kube)).env("TMPDIR", folder);
        let beside = Beside::start(&mut beside, &folder.join("kube.out"))?;
        let first = run(run::cargo().args(TEST).args(["--lib", "--bins"]).args(targets::chosen(&others)))
            .and_then(|()| run(run::cargo().args(TEST).arg("--doc")))
            .and_then(|()| no_std::check())
            .and_then(|()| match machine {
                // An aarch64 has done it all already.
                Some(machine) if machine.is_emulated() => run(&mut machine.test(&[])),
                _ => Ok(()),
            });
        eprintln!("The tests on Kubernetes, which run beside the others:");
        // To its end, whatever became of the others: it stops the servers that it has started.
        let second = beside.finish();
        first.and(second)
    })
}

/// The tests of the slot crate on an aarch64.
pub(crate) fn test_aarch64(args: &[String]) -> Result<(), Failure> {
    install::ensure(&aarch64::needed())?;
    guarded(&mut Machine::prepare()?.test(args))
}

/// Random tests in their long versions, in rounds until the time is over. Every round draws new cases.
pub(crate) fn soak(minutes: u64) -> Result<(), Failure> {
    install::ensure(&FOR_TESTS)?;
    nfs_tools::ensure()?;
    kube::prepare_tests()?;
    let start = Instant::now();
    let time = Duration::from_secs(minutes * 60);
    let cases = std::env::var("PROPTEST_CASES").unwrap_or_else(|_| SOAK_CASES.to_owned());
    let common = ["test", "--quiet", "--release", "--locked"];
    for round in 1_u32.. {
        eprintln!("Round {round}, {} of {minutes} minutes gone", start.elapsed().as_secs() / 60);
        guarded(
            run::cargo()
                .args(common)
                .args(["--workspace", "--all-features", "--exclude", "slotwright-tests", "--lib", "--bins"])
                .env("PROPTEST_CASES", &cases),
        )?;
        guarded(
            run::cargo()
                .args(common)
                .args(["--package", "slotwright-tests", "--all-features"])
                .env("SLOTWRIGHT_SOAK", "1"),
        )?;
        if start.elapsed() >= time {
            eprintln!("No failure; rounds: {round}");
            break;
        }
    }
    Ok(())
}

/// Runs a command with a temporary folder of its own, and fails if a process is left in it.
pub(crate) fn guarded(command: &mut Command) -> Result<(), Failure> {
    within_folder(|folder| run::run(command.env("TMPDIR", folder)))
}

/// Does something with a temporary folder, and fails if a process is left in it.
fn within_folder(what: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
    let folder = RunFolder::new()?;
    let result = what(folder.path());
    folder.close(result)
}
