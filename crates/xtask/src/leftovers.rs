//! No process outlives a test or measurement: a temporary folder for each run, and a look for who still sits in it.
//!
//! Every server is started in a folder below the system's temporary folder, so one that was forgotten has its
//! working directory there. A folder per run tells ours from those of another run at the same time.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Start of the name of every such folder.
const PREFIX: &str = "slotwright-test-run-";

/// The temporary folder of one run.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
}

/// A process that is still there.
#[derive(Debug, PartialEq, Eq)]
struct Leftover {
    pid: u32,
    name: String,
    folder: PathBuf,
}

impl RunFolder {
    /// Makes the folder, and removes those of runs that were killed and left no process behind.
    pub(crate) fn new() -> Result<RunFolder, Failure> {
        let base = std::env::temp_dir();
        remove_stale(&base);
        let path = base.join(format!("{PREFIX}{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| Failure::said(format!("{}: {error}", path.display())))?;
        // /proc shows real paths.
        let path = path.canonicalize().unwrap_or(path);
        Ok(RunFolder { path })
    }

    /// The folder, to be given to the run as `TMPDIR`.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Ends the run: its result, unless processes are left.
    pub(crate) fn close(self, result: Result<(), Failure>) -> Result<(), Failure> {
        let left = sitting_in(&self.path);
        if left.is_empty() {
            // A file that cannot be removed is no reason to fail a run.
            let _ = std::fs::remove_dir_all(&self.path);
            return result;
        }
        let mut text = match result {
            Ok(()) => String::new(),
            Err(failure) => format!("{failure}; besides, "),
        };
        // Writing to a String cannot fail.
        let _ =
            write!(text, "{} left running (they must be stopped by whoever starts them):", count(left.len()));
        for Leftover { pid, name, folder } in left {
            let _ = write!(text, "\n  {pid} {name} in {}", folder.display());
        }
        Err(Failure::said(text))
    }
}

fn count(processes: usize) -> String {
    if processes == 1 { "1 process was".to_owned() } else { format!("{processes} processes were") }
}

/// Processes whose working directory is the folder or below it. A removed directory still counts.
fn sitting_in(folder: &Path) -> Vec<Leftover> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<Leftover> = entries
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            // Fails for processes of others and for those that end just now: neither is a leftover.
            let cwd = std::fs::read_link(entry.path().join("cwd")).ok()?;
            if !cwd.starts_with(folder) && cwd != removed(folder) {
                return None;
            }
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            Some(Leftover { pid, name: name.trim().to_owned(), folder: cwd })
        })
        .collect();
    found.sort_by_key(|leftover| leftover.pid);
    found
}

/// How `/proc` shows a working directory that was removed.
fn removed(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(" (deleted)");
    name.into()
}

fn remove_stale(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok());
        let Some(pid) = pid else { continue };
        let dead = !Path::new("/proc").join(pid.to_string()).exists();
        if dead && sitting_in(&entry.path()).is_empty() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn sleeper(folder: &Path) -> Child {
        Command::new("sleep").arg("60").current_dir(folder).spawn().unwrap()
    }

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join("deep/down")).unwrap();
        path.canonicalize().unwrap()
    }

    #[test]
    fn a_forgotten_process_is_found_even_when_its_folder_is_gone() {
        let path = folder("found");
        let mut child = sleeper(&path.join("deep/down"));
        let before = sitting_in(&path);
        std::fs::remove_dir_all(&path).unwrap();
        let after = sitting_in(&path);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((before.len(), before[0].pid, before[0].name.as_str()), (1, child.id(), "sleep"));
        assert_eq!((after.len(), after[0].pid), (1, child.id()));
        assert!(sitting_in(&path).is_empty());
    }

    #[test]
    fn a_run_fails_with_the_list_and_keeps_the_first_failure() {
        let path = folder("list");
        let mut child = sleeper(&path);
        let result = RunFolder { path: path.clone() }.close(Err(Failure::said("a test failed")));
        child.kill().unwrap();
        child.wait().unwrap();
        let text = result.unwrap_err().to_string();
        assert!(text.starts_with("a test failed; besides, 1 process was left running"), "{text}");
        assert!(text.contains(&format!("\n  {} sleep in {}", child.id(), path.display())), "{text}");
        assert!(path.exists());
        RunFolder { path: path.clone() }.close(Ok(())).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn folders_of_killed_runs_go_away_and_those_of_living_ones_stay() {
        let base = folder("stale");
        // Above the largest process id Linux gives out.
        let dead = base.join(format!("{PREFIX}4294967295"));
        let alive = base.join(format!("{PREFIX}{}", std::process::id()));
        let other = base.join("slotwright-test-x");
        for path in [&dead, &alive, &other] {
            std::fs::create_dir(path).unwrap();
        }
        remove_stale(&base);
        assert!(!dead.exists() && alive.exists() && other.exists());
        std::fs::remove_dir_all(&base).unwrap();
    }
}
