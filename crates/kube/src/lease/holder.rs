//! Who holds a lease: a text for people, by which a process of the same host sees whether the holder still runs.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::process;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// The holders that this process has now. A lease that it let go without giving it back has none among them.
static OURS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// One holder: one lease of one process.
///
/// `host/pid 4242 boot=… pidns=… start=… lease=…`. The boot says which run of which machine, namespace and number which
/// process, the start that the number was not given to another since, and the last which lease of the process.
#[derive(Debug)]
pub(super) struct Holder(String);

impl Holder {
    /// One that is no other.
    pub(super) fn new() -> Self {
        let text = Process::own()
            .map_or_else(|| format!("a process with the number {}", process::id()), |own| own.text());
        let holder = Self(format!("{text} lease={:016x}", unique()));
        OURS.lock().unwrap_or_else(PoisonError::into_inner).insert(holder.0.clone());
        holder
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        OURS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// What can be told of a holder from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// It was of this host, and is no more.
    Gone,
    /// It is a lease that this process has.
    Ours,
    /// It may be there, here or elsewhere.
    Unknown,
}

impl Sign {
    pub(super) fn of(holder: &str) -> Self {
        if OURS.lock().unwrap_or_else(PoisonError::into_inner).contains(holder) {
            return Self::Ours;
        }
        let (Some(process), Some(own)) = (Process::parse(holder), Process::own()) else {
            return Self::Unknown;
        };
        if (&process.host, &process.boot, &process.namespace) != (&own.host, &own.boot, &own.namespace) {
            return Self::Unknown;
        }
        // Ours, and not among those we have: it was let go.
        if process == own || !process.runs() { Self::Gone } else { Self::Unknown }
    }
}

/// What people need to know of a holder.
pub(super) fn shown(holder: &str) -> String {
    let holder = holder.split_once(" boot=").map_or(holder, |(shown, _)| shown);
    holder.chars().map(|one| if one.is_control() { ' ' } else { one }).take(200).collect()
}

/// A process, and no other that ever was.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    host: String,
    pid: u32,
    boot: String,
    namespace: String,
    start: String,
}

impl Process {
    /// This one; nothing where the system does not tell.
    fn own() -> Option<Self> {
        let read = |file: &str| Some(fs::read_to_string(file).ok()?.trim().to_owned());
        let namespace = fs::read_link("/proc/self/ns/pid").ok()?.display().to_string();
        Some(Self {
            host: read("/proc/sys/kernel/hostname")?,
            pid: process::id(),
            boot: read("/proc/sys/kernel/random/boot_id")?,
            namespace: namespace.chars().filter(char::is_ascii_digit).collect(),
            start: Stat::of("self")?.start,
        })
    }

    fn text(&self) -> String {
        let Self { host, pid, boot, namespace, start } = self;
        format!("{host}/pid {pid} boot={boot} pidns={namespace} start={start}")
    }

    fn parse(text: &str) -> Option<Self> {
        let (host, rest) = text.split_once("/pid ")?;
        let mut words = rest.split(' ');
        let pid = words.next()?.parse().ok()?;
        let mut word = |name: &str| Some(words.next()?.strip_prefix(name)?.to_owned());
        let (boot, namespace, start) = (word("boot=")?, word("pidns=")?, word("start=")?);
        Some(Self { host: host.to_owned(), pid, boot, namespace, start })
    }

    /// Whether it runs, in our namespace of processes.
    fn runs(&self) -> bool {
        match Stat::of(&self.pid.to_string()) {
            Some(stat) => stat.start == self.start && !stat.has_ended,
            // It is gone, or others' processes are hidden from us.
            None => is_there(self.pid),
        }
    }
}

#[cfg(target_os = "linux")]
fn is_there(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_none_or(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(target_os = "linux"))]
fn is_there(_: u32) -> bool {
    true
}

/// Of `/proc/PID/stat` (proc_pid_stat(5)).
struct Stat {
    start: String,
    /// It has ended, and its parent has not asked for its status yet.
    has_ended: bool,
}

impl Stat {
    fn of(process: &str) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name in parentheses may hold anything.
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let has_ended = matches!(fields.next()?, "Z" | "X");
        Some(Self { has_ended, start: fields.nth(18)?.to_owned() })
    }
}

/// A number that no other lease has: its seed is from the operating system.
fn unique() -> u64 {
    RandomState::new().hash_one(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_read_as_it_is_written() {
        let own = Process::own().unwrap();
        let holder = Holder::new();
        assert_eq!(Process::parse(holder.text()), Some(own));
        assert_ne!(holder.text(), Holder::new().text());
        assert!(shown(holder.text()).ends_with(&format!("/pid {}", process::id())), "{holder:?}");
    }

    #[test]
    fn a_lease_we_have_is_ours_and_one_we_let_go_is_gone() {
        let holder = Holder::new();
        let text = holder.text().to_owned();
        assert_eq!(Sign::of(&text), Sign::Ours);
        drop(holder);
        assert_eq!(Sign::of(&text), Sign::Gone);
    }

    #[test]
    fn only_processes_of_this_host_are_judged() {
        let process = |change: fn(&mut Process)| {
            let mut process = Process::own().unwrap();
            change(&mut process);
            Sign::of(&format!("{} lease=1", process.text()))
        };
        // Numbers end at 2²².
        assert_eq!(process(|one| one.pid = 4_194_305), Sign::Gone);
        // Process 1 runs, but did not start then.
        assert_eq!(process(|one| one.pid = 1), Sign::Gone);
        let first = Stat::of("1").unwrap().start;
        let own = Process::own().unwrap();
        let running = Process { pid: 1, start: first, ..own };
        assert_eq!(Sign::of(&format!("{} lease=1", running.text())), Sign::Unknown);
        assert_eq!(process(|one| (one.pid, one.boot) = (4_194_305, "x".into())), Sign::Unknown);
        assert_eq!(process(|one| (one.pid, one.namespace) = (4_194_305, "1".into())), Sign::Unknown);
        assert_eq!(process(|one| (one.pid, one.host) = (4_194_305, "x".into())), Sign::Unknown);
        assert_eq!(Sign::of("controller-7d9f"), Sign::Unknown);
        assert_eq!(Sign::of("x/pid y boot=z"), Sign::Unknown);
    }

    #[test]
    fn a_process_that_nobody_has_waited_for_has_ended() {
        let mut child = process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let start = Stat::of(&pid.to_string()).unwrap().start;
        let ended = Process { pid, start, ..Process::own().unwrap() };
        while ended.runs() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.wait().unwrap();
        assert!(!ended.runs());
    }

    #[test]
    fn what_is_shown_is_safe_to_print() {
        assert_eq!(shown("x\u{1b}[2Jy"), "x [2Jy");
    }
}
