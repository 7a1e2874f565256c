//! `test`, `test-aarch64` and `soak`: cargo, with what it needs installed before and a look for left processes after.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::aarch64::{self, Machine};
use crate::failure::Failure;
use crate::install::{self, FOR_TESTS};
use crate::kube;
use crate::leftovers::RunFolder;
use crate::nfs_tools;
use crate::no_std;
use crate::run;

/// Cases per property in a round of `soak`, unless `PROPTEST_CASES` says otherwise. The default of proptest is 256.
const SOAK_CASES: &str = "10000";

/// All tests of the workspace, those on Kubernetes and the documentation included; then the slot crate without `std`, and on an emulated
/// aarch64 unless only this machine's own processor is asked for. With arguments, what they choose and no more.
pub(crate) fn test(native: bool, args: &[String]) -> Result<(), Failure> {
    let whole = args.is_empty();
    let elsewhere = whole && !native;
    let mut needed = FOR_TESTS.to_vec();
    if elsewhere {
        needed.extend(aarch64::needed());
    }
    install::ensure(&needed)?;
    nfs_tools::ensure()?;
    if whole || args.iter().any(|arg| arg.contains("kube")) {
        kube::prepare_tests()?;
    }
    // What is missing is said before the long part, not after it.
    let machine = elsewhere.then(Machine::prepare).transpose()?;
    guarded(run::cargo().args(["test", "--workspace", "--all-features", "--locked"]).args(args))?;
    if whole {
        no_std::check()?;
    }
    match machine {
        // An aarch64 has done it all already.
        Some(machine) if machine.is_emulated() => guarded(&mut machine.test(&[])),
        _ => Ok(()),
    }
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
    let folder = RunFolder::new()?;
    let result = run::run(command.env("TMPDIR", folder.path()));
    folder.close(result)
}
