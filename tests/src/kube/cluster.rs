//! A Kubernetes of one node for tests, started and ended by `cargo xtask kube` in a folder of the test's own.
//!
//! How it is made is xtask's affair (`crates/xtask/src/kube`); here is what tests want of it.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::{program::cargo, server::folder};

/// The image with `redis-server`, `redis-cli` and a shell that every node has.
pub const IMAGE: &str = "slotwright/redis:7.0.15";

/// A folder for a cluster; the cluster goes when this is dropped, or the test's process ends in whatever way.
#[derive(Debug)]
pub struct Kubernetes {
    folder: TempDir,
}

impl Kubernetes {
    /// A cluster that is up.
    ///
    /// # Panics
    /// When it does not come up, with what was said.
    pub fn start() -> Self {
        let kubernetes = Self::not_started();
        succeed(&mut kubernetes.up());
        kubernetes
    }

    /// A folder for a cluster that nobody has started.
    pub fn not_started() -> Self {
        Self { folder: folder() }
    }

    /// The cluster's own folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("kube")
    }

    /// The administrator's way in.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state().join("admin.kubeconfig")
    }

    /// `cargo xtask kube`, on this cluster.
    pub fn xtask<T: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = T>) -> Command {
        let mut command = cargo();
        command
            .args(["xtask", "kube"])
            .args(arguments)
            .env("SLOTWRIGHT_KUBE_STATE", self.state())
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null());
        command
    }

    /// `cargo xtask kube up`.
    pub fn up(&self) -> Command {
        self.xtask(["up", "--owner", &std::process::id().to_string()])
    }

    /// `kubectl` of the cluster's own version.
    pub fn kubectl<T: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = T>) -> Command {
        let mut command = self.xtask(["exec", "kubectl", "--cache-dir"]);
        command.arg(self.state().join("kubectl")).args(arguments);
        command
    }

    /// Applies a manifest with `kubectl`.
    ///
    /// # Panics
    /// When that fails.
    pub fn apply(&self, manifest: &str) {
        let file = self.folder.path().join("manifest.yaml");
        fs::write(&file, manifest).unwrap();
        succeed(self.kubectl(["apply", "-f"]).arg(file));
    }

    /// `cargo xtask kube down`, and a look at what it left.
    ///
    /// # Panics
    /// When that fails, or something is left.
    pub fn down(&self) -> String {
        let said = succeed(&mut self.xtask(["down"]));
        let left = self.left();
        assert!(left.is_empty(), "left behind: {left:#?}");
        said
    }

    /// What this machine has of the cluster: processes, interface and route, control groups, mounts, files.
    pub fn left(&self) -> Vec<String> {
        let state = self.state();
        let text = state.to_str().unwrap();
        let tag =
            output(Command::new("sh").args(["-c", "printf %s \"$0\" | cksum | cut -d' ' -f1"]).arg(text));
        let tag = format!("{:08x}", tag.trim().parse::<u32>().unwrap());
        let mark = format!("SLOTWRIGHT_KUBE_CLUSTER={text}");
        let mut left = Vec::new();
        for process in names(Path::new("/proc")) {
            // Fails for what is no process, and for one that ends just now.
            let environment = fs::read(Path::new("/proc").join(&process).join("environ")).unwrap_or_default();
            if environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()) {
                left.push(format!("process {process}"));
            }
        }
        for (file, word) in [("/proc/net/route", &tag[..]), ("/proc/mounts", text)] {
            let lines = fs::read_to_string(file).unwrap();
            left.extend(
                lines.lines().filter(|line| line.contains(word)).map(|line| format!("{file}: {line}")),
            );
        }
        let groups = PathBuf::from("/sys/fs/cgroup");
        let mut folders: Vec<PathBuf> = names(&groups).iter().map(|name| groups.join(name)).collect();
        folders.extend([PathBuf::from("/sys/class/net"), groups]);
        for folder in folders {
            let ours = names(&folder).into_iter().filter(|name| name.contains(&tag));
            left.extend(ours.map(|name| folder.join(name).display().to_string()));
        }
        left.extend(state.exists().then(|| text.to_owned()));
        left
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        if self.state().exists() {
            let _ = self.xtask(["down"]).stderr(Stdio::null()).status();
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Runs a command that must succeed; gives what it printed and said.
///
/// # Panics
/// When it fails.
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = said(&output);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}

/// Runs a command that must fail; gives what it printed and said.
///
/// # Panics
/// When it succeeds.
pub fn fail(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = said(&output);
    assert!(!output.status.success(), "{command:?} succeeded\n{said}");
    said
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// What a command that must succeed prints, and no more.
///
/// # Panics
/// When it fails.
pub fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said(&output));
    String::from_utf8(output.stdout).unwrap()
}
