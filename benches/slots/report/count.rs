//! Instructions per key, counted: a child process is run one instruction at a time.
//!
//! Single steps know every instruction the processor knows, which simulators do not, and need no performance
//! counters, which virtual machines rarely have. The child stops itself before and after a pass over a few keys, then
//! before and after one over the same keys and more; what the second pass takes longer, divided by the number of
//! keys it has more, is the cost of a key, and everything around the loop cancels out. A step may take 50 µs on a
//! virtual machine, so only a few keys are counted: the figure is exact for those.

use std::process::{Child, Command, Stdio};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::Serialize;
use slotwright_benches::batch::{self, ONE_BY_ONE};
use slotwright_benches::keys::KeySet;
use slotwright_benches::single;
use slotwright_slots::Slot;

use crate::failure::Failure;

/// The lengths that are counted.
pub(crate) const LENGTHS: [usize; 6] = [8, 16, 32, 64, 256, 1024];
/// The lengths of a quick look.
const QUICK_LENGTHS: [usize; 2] = [16, 64];
/// Length and number of the keys that batches are counted on.
pub(crate) const BATCH_LENGTH: usize = 16;
const BATCH_KEYS: usize = 128;
/// Keys of the shorter pass over a batch, so many that the paths for many keys are taken.
const BATCH_BASE: usize = 64;
/// Bytes of the keys that are counted; more would take longer and say the same.
const BYTES: usize = 256;
/// Most instructions in one pass, some ten times those of the slowest implementation.
const MOST_STEPS: u64 = 500_000;

/// What was counted.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Instructions {
    /// Keys one at a time.
    pub(crate) single: Vec<Counted>,
    /// Many keys at once.
    pub(crate) batch: Vec<Counted>,
    /// Why there is nothing, or not everything.
    pub(crate) problem: Option<String>,
}

/// Instructions per key of one implementation at one length.
#[derive(Debug, Serialize)]
pub(crate) struct Counted {
    /// The implementation.
    pub(crate) name: String,
    /// Bytes of each key.
    pub(crate) length: usize,
    /// Instructions per key.
    pub(crate) per_key: f64,
}

/// What a counted process does.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Task {
    /// The implementation by name.
    name: String,
    /// Bytes of each key.
    length: usize,
    /// Keys of the shorter pass.
    base: usize,
    /// Keys that the longer pass has more.
    keys: usize,
    /// Whether the name is that of a way to take many keys at once.
    #[arg(long)]
    batch: bool,
}

impl Task {
    fn single(name: &str, length: usize) -> Self {
        let keys = (BYTES / length).clamp(1, 16);
        Self { name: name.to_owned(), length, base: 1, keys, batch: false }
    }

    fn batch(name: &str) -> Self {
        Self { name: name.to_owned(), length: BATCH_LENGTH, base: BATCH_BASE, keys: BATCH_KEYS, batch: true }
    }
}

/// Counts everything, or at the lengths of a quick look. Where the system forbids it, the result says so.
pub(crate) fn all(quick: bool) -> Instructions {
    let mut counted = Instructions::default();
    let lengths = if quick { &QUICK_LENGTHS[..] } else { &LENGTHS[..] };
    let everywhere = stay_on_one_processor();
    if let Err(failure) = count_into(&mut counted, lengths) {
        counted.problem = Some(failure.to_string());
    }
    if let Some(everywhere) = everywhere {
        let _ = sched_setaffinity(MYSELF, &everywhere);
    }
    counted
}

/// This process, to the system.
const MYSELF: Pid = Pid::from_raw(0);

/// Keeps this process and its children on one processor: a step is two changes between parent and child, which take
/// half the time where they need not wake another processor. Gives the processors allowed before; where that is
/// not permitted, counting only takes longer.
fn stay_on_one_processor() -> Option<CpuSet> {
    let everywhere = sched_getaffinity(MYSELF).ok()?;
    let last = (0..CpuSet::count()).rev().find(|&processor| everywhere.is_set(processor) == Ok(true))?;
    let mut one = CpuSet::new();
    one.set(last).ok()?;
    sched_setaffinity(MYSELF, &one).ok()?;
    Some(everywhere)
}

fn count_into(counted: &mut Instructions, lengths: &[usize]) -> Result<(), Failure> {
    for one in single::all() {
        for &length in lengths {
            let per_key = count(&Task::single(&one.name, length))?;
            counted.single.push(Counted { name: one.name.clone(), length, per_key });
        }
    }
    for way in batch::all() {
        let per_key = count(&Task::batch(&way.name))?;
        counted.batch.push(Counted { name: way.name, length: BATCH_LENGTH, per_key });
    }
    Ok(())
}

/// Instructions per key of one task.
fn count(task: &Task) -> Result<f64, Failure> {
    let own = std::env::current_exe().map_err(|error| Failure::Trace(error.to_string()))?;
    let mut command = Command::new(own);
    command
        .args(["counted", &task.name])
        .args([task.length, task.base, task.keys].map(|number| number.to_string()));
    if task.batch {
        command.arg("--batch");
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| Failure::Trace(error.to_string()))?;
    let steps = both_passes(&child);
    // After a success it has ended by itself; otherwise it stands still and would do so for ever.
    let _ = child.kill();
    let _ = child.wait();
    let (short, long) = steps?;
    Ok((long as f64 - short as f64) / task.keys as f64)
}

fn both_passes(child: &Child) -> Result<(u64, u64), Failure> {
    let pid = i32::try_from(child.id()).map_err(|error| Failure::Trace(error.to_string()))?;
    let traced = Traced(Pid::from_raw(pid));
    traced.await_stop()?;
    let short = traced.steps_to_stop()?;
    traced.go_on()?;
    traced.await_stop()?;
    let long = traced.steps_to_stop()?;
    Ok((short, long))
}

/// A child that asked to be traced and stops itself where counting begins and ends.
struct Traced(Pid);

impl Traced {
    fn go_on(&self) -> Result<(), Failure> {
        ptrace::cont(self.0, None).map_err(|error| self.failed("continuing", error))
    }

    /// Waits until the child stops itself.
    fn await_stop(&self) -> Result<(), Failure> {
        match self.wait()? {
            Signal::SIGSTOP => Ok(()),
            signal => Err(Failure::Trace(format!("the counted process got {signal}"))),
        }
    }

    /// Steps until the child stops itself again; how many steps that took.
    fn steps_to_stop(&self) -> Result<u64, Failure> {
        for steps in 0..MOST_STEPS {
            ptrace::step(self.0, None).map_err(|error| self.failed("stepping", error))?;
            match self.wait()? {
                Signal::SIGTRAP => {}
                Signal::SIGSTOP => return Ok(steps),
                signal => return Err(Failure::Trace(format!("the counted process got {signal}"))),
            }
        }
        Err(Failure::Trace(format!("the counted process took more than {MOST_STEPS} steps")))
    }

    /// The signal of the next stop.
    fn wait(&self) -> Result<Signal, Failure> {
        match waitpid(self.0, None) {
            Ok(WaitStatus::Stopped(_, signal)) => Ok(signal),
            Ok(WaitStatus::Exited(_, _)) => {
                Err(Failure::Trace("this system does not let one process trace another (ptrace)".to_owned()))
            }
            Ok(other) => Err(Failure::Trace(format!("the counted process changed to {other:?}"))),
            Err(error) => Err(self.failed("waiting for", error)),
        }
    }

    fn failed(&self, doing: &str, error: nix::Error) -> Failure {
        Failure::Trace(format!("{doing} process {}: {error}", self.0))
    }
}

/// The counted process: the short pass, then the long one, each between two stops.
pub(crate) fn be_counted(task: &Task) -> Result<(), Failure> {
    let set = KeySet::counted(task.base + task.keys, task.length);
    let keys = set.slices();
    let mut slots = vec![Slot::MIN; keys.len()];
    let mut work = work(task)?;
    // Once at full speed: what is decided or filled in at the first call is not the cost of a key.
    work(&keys, &mut slots);
    ptrace::traceme().map_err(|error| Failure::Trace(error.to_string()))?;
    for count in [task.base, task.base + task.keys] {
        let (keys, slots) =
            (keys.get(..count).unwrap_or_default(), slots.get_mut(..count).unwrap_or_default());
        stop()?;
        work(keys, slots);
        stop()?;
    }
    Ok(())
}

fn stop() -> Result<(), Failure> {
    raise(Signal::SIGSTOP).map_err(|error| Failure::Trace(error.to_string()))
}

type Work = Box<dyn FnMut(&[&[u8]], &mut [Slot])>;

fn work(task: &Task) -> Result<Work, Failure> {
    let unknown = || Failure::Trace(format!("there is no implementation `{}`", task.name));
    if task.batch {
        let way = batch::all().into_iter().find(|way| way.name == task.name).ok_or_else(unknown)?;
        return Ok(Box::new(move |keys, slots| way.run(keys, slots)));
    }
    let one = single::all().into_iter().find(|one| one.name == task.name).ok_or_else(unknown)?;
    Ok(Box::new(move |keys, _| {
        std::hint::black_box(one.pass(keys));
    }))
}

impl Instructions {
    /// Instructions per key for keys one at a time.
    pub(crate) fn of_single(&self, name: &str, length: usize) -> Option<f64> {
        let found = self.single.iter().find(|counted| counted.name == name && counted.length == length);
        found.map(|counted| counted.per_key)
    }

    /// Instructions per key of the loop over the single call and of each batch path, by name.
    pub(crate) fn of_batch(&self) -> impl Iterator<Item = (&str, f64)> {
        let label = |name| if name == ONE_BY_ONE { "loop over key_slot" } else { name };
        self.batch.iter().map(move |counted| (label(counted.name.as_str()), counted.per_key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_finds_its_work() {
        for one in single::all() {
            assert!(work(&Task::single(&one.name, 16)).is_ok(), "{}", one.name);
        }
        for way in batch::all() {
            assert!(work(&Task::batch(&way.name)).is_ok(), "{}", way.name);
        }
        assert!(work(&Task::single("nobody", 16)).is_err());
    }

    #[test]
    fn few_keys_are_counted_and_one_at_least() {
        assert_eq!(LENGTHS.map(|length| Task::single("x", length).keys), [16, 16, 8, 4, 1, 1]);
    }
}
