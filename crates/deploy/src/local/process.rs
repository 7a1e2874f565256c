//! Servers as processes of this machine, found by the folder they run in (proc(5)).
//!
//! A pid file may be missing or stale after a kill; a server's working folder never is. So a node's server is the
//! process whose working folder is the node's folder and whose program is the engine.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    parent: u32,
    /// The first word of its command line; servers put a title there.
    pub(crate) title: String,
    /// The name of its program, cut to 15 bytes by the kernel.
    name: String,
    pub(crate) folder: PathBuf,
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let folder = fs::read_link(proc.join("cwd")).ok()?;
        let name = fs::read_to_string(proc.join("comm")).ok()?.trim_end().to_owned();
        let line = fs::read(proc.join("cmdline")).ok()?;
        let title =
            String::from_utf8_lossy(line.split(|byte| *byte == 0 || *byte == b' ').next()?).into_owned();
        let stat = fs::read_to_string(proc.join("stat")).ok()?;
        // The name stands in parentheses and may hold anything; what follows is plain.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        (state != "Z").then_some(Self { pid, parent, title, name, folder })
    }

    fn runs(&self, engine: &Path) -> bool {
        let cut = |name: &OsStr| name.to_string_lossy().chars().take(15).collect::<String>();
        let known = ["redis-server", "valkey-server", "keydb-server"];
        engine.file_name().is_some_and(|name| cut(name) == self.name) || known.contains(&self.name.as_str())
    }

    /// A child that saves a snapshot or rewrites the log says so in its title and goes with its parent.
    fn is_saving_child(&self) -> bool {
        ["-rdb-", "-aof-", "-bgsave"].iter().any(|mark| self.title.contains(mark))
    }
}

/// All processes of this machine that may be looked at.
pub(crate) fn all() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Process::read(entry.file_name().to_str()?.parse().ok()?))
}

/// The engine's processes in each of `folders`, one list a folder: servers first, then what they left saving.
pub(crate) fn servers_in(folders: &[PathBuf], engine: &Path) -> Vec<Vec<Process>> {
    let real: Vec<Option<PathBuf>> = folders.iter().map(|folder| fs::canonicalize(folder).ok()).collect();
    let mut found = vec![Vec::new(); folders.len()];
    for process in all().filter(|process| process.runs(engine)) {
        let place = real.iter().position(|folder| folder.as_deref() == Some(&*process.folder));
        if let Some(list) = place.and_then(|index| found.get_mut(index)) {
            list.push(process);
        }
    }
    for list in &mut found {
        let pids: Vec<u32> = list.iter().map(|process: &Process| process.pid).collect();
        list.retain(|process| !pids.contains(&process.parent));
        list.sort_by_key(|process| (process.is_saving_child(), process.pid));
    }
    found
}

/// The server among the processes of a folder; a child that outlived its server does not count.
pub(crate) fn server(processes: &[Process]) -> Option<&Process> {
    processes.first().filter(|process| !process.is_saving_child())
}

/// The TCP ports of this machine that somebody listens on, with the inode of each socket. Made once for many
/// questions: the system takes milliseconds to write its tables.
pub(crate) struct Listeners(Vec<(u16, String)>);

impl Listeners {
    pub(crate) fn read() -> Self {
        let tables =
            ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
        Self(tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(listening).collect())
    }

    /// The process that listens on `port`, where the system tells. `expected` is looked at first: going through
    /// everybody's open files takes a while.
    pub(crate) fn holder(&self, port: u16, expected: Option<&Process>) -> Option<Process> {
        let sockets = self.0.iter().filter(|(found, _)| *found == port);
        let links: Vec<PathBuf> =
            sockets.map(|(_, inode)| PathBuf::from(format!("socket:[{inode}]"))).collect();
        if links.is_empty() {
            return None;
        }
        let holds = |process: &Process| {
            let open = fs::read_dir(format!("/proc/{}/fd", process.pid)).into_iter().flatten().flatten();
            open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|link| links.contains(&link))
        };
        expected.cloned().into_iter().chain(all()).find(holds)
    }
}

/// Port and inode of a socket in the state LISTEN (0A), from a line of /proc/net/tcp.
fn listening(line: &str) -> Option<(u16, String)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = fields.next()?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    (state == "0A").then(|| (port, inode.to_owned()))
}

/// Asks a process that runs in `folder` to end (SIGTERM). Done already is fine.
pub(crate) fn ask_to_end(pid: u32, folder: &Path) -> io::Result<()> {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    // The descriptor holds on to this very process: between the check and the signal its number cannot change hands.
    let descriptor = match pidfd_open(raw, PidfdFlags::empty()) {
        Ok(descriptor) => descriptor,
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let real = fs::canonicalize(folder)?;
    if Process::read(pid).is_none_or(|process| process.folder != real) {
        return Ok(());
    }
    match pidfd_send_signal(&descriptor, Signal::TERM) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until a process that ran in `folder` is gone; false when it is still there after `patience`.
pub(crate) async fn await_end(pid: u32, patience: Duration) -> bool {
    let give_up = Instant::now() + patience;
    while Process::read(pid).is_some() {
        if Instant::now() > give_up {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_who_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = Listeners::read().holder(listener.local_addr().unwrap().port(), None).unwrap();
        assert_eq!(holder.pid, std::process::id());
    }

    #[test]
    fn saving_children_are_not_servers() {
        let process = |pid, title: &str| Process {
            pid,
            parent: 1,
            title: title.to_owned(),
            name: "redis-server".to_owned(),
            folder: PathBuf::from("/"),
        };
        assert!(server(&[process(1, "redis-rdb-bgsave")]).is_none());
        assert!(server(&[process(1, "valkey-aof-rewrite")]).is_none());
        assert_eq!(server(&[process(2, "redis-server")]).unwrap().pid, 2);
    }
}
