//! A local deployment of a test: a folder, ports and a spec of its own, the deployer to act on it, and a guard that
//! stops whatever is left of it, also after a panic.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::OnceLock,
};

use crate::{
    outside::{self, Expected, Place, Walker},
    ports::Ports,
    program::cargo,
    server,
};

/// What a run of the deployer left: its exit status and what it said.
#[derive(Debug, Clone)]
pub struct Run {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Run {
    /// The exit status, or -1 after a signal.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Panics unless the deployer ended with `code` and named each of `words` on standard error.
    #[track_caller]
    pub fn expect(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code(), code, "exit status; {self:#?}");
        for word in words {
            assert!(says(&self.err, word), "the message lacks `{word}`; {self:#?}");
        }
    }

    /// Panics unless the deployer ended with `code` and said each of `words` on standard output.
    #[track_caller]
    pub fn shows(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code(), code, "exit status; {self:#?}");
        for word in words {
            assert!(says(&self.out, word), "the output lacks `{word}`; {self:#?}");
        }
    }

    /// The JSON document on standard output.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON ({error}): {self:#?}"))
    }
}

/// True when `text` has `words`. Where lines are broken depends on the length of paths, so that does not count.
fn says(text: &str, words: &str) -> bool {
    let folded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    folded(text).contains(&folded(words))
}

/// The deployer's binary, built once for each test program. Another package's binary has no variable of cargo's.
pub fn slotwright() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let output = cargo()
            .args(["build", "--quiet", "--package", "slotwright", "--bin", "slotwright"])
            .args(["--message-format", "json-render-diagnostics"])
            // Without Kubernetes, unless its tests are built.
            .args(cfg!(feature = "kube").then_some("--all-features"))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo cannot be run");
        assert!(output.status.success(), "the deployer does not build");
        let text = String::from_utf8_lossy(&output.stdout);
        let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut programs = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
        programs.next_back().expect("cargo names no executable")
    })
}

/// One deployment in a temporary folder.
#[derive(Debug)]
pub struct Deployment {
    folder: tempfile::TempDir,
    ports: Ports,
    /// Shards in the spec.
    pub shards: usize,
    /// Replicas per shard in the spec.
    pub replicas: usize,
    /// The password, which the deployer is given in the environment.
    pub password: Option<String>,
    /// The `cluster-node-timeout` every node shall have in the end, in milliseconds.
    pub timeout: u64,
}

/// The variable of the spec's password.
pub const PASSWORD_VARIABLE: &str = "SLOTWRIGHT_TEST_PASSWORD";

impl Deployment {
    /// A deployment that does not exist yet; its spec is written.
    pub fn new(shards: usize, replicas: usize) -> Self {
        Self::with(shards, replicas, None, "")
    }

    /// As [`Deployment::new`], with a password and further lines under `settings:`.
    pub fn with(shards: usize, replicas: usize, password: Option<&str>, settings: &str) -> Self {
        let nodes = u16::try_from(shards * (replicas + 1)).expect("few nodes");
        let folder =
            tempfile::Builder::new().prefix("slotwright-test-").tempdir().expect("a temporary folder");
        let ports = Ports::reserve(nodes);
        let wanted = settings.lines().find_map(|line| line.trim().strip_prefix("cluster-node-timeout: "));
        let timeout = wanted.and_then(|text| text.parse().ok()).unwrap_or(5000);
        let deployment =
            Self { folder, ports, shards, replicas, password: password.map(str::to_owned), timeout };
        deployment.write_spec(&deployment.spec_text(settings));
        deployment
    }

    /// The text of the spec, with `settings` (lines of YAML, indented by two).
    pub fn spec_text(&self, settings: &str) -> String {
        let settings = if settings.is_empty() { String::new() } else { format!("settings:\n{settings}\n") };
        let password = match self.password {
            Some(_) => format!("password: {{ env: {PASSWORD_VARIABLE} }}\n"),
            None => String::new(),
        };
        format!(
            "name: test\nshards: {}\nreplicas-per-shard: {}\n{settings}{password}local:\n  engine: {}\n  ports: {}\n  data-directory: data\n",
            self.shards,
            self.replicas,
            server::program(),
            self.ports.first()
        )
    }

    /// Writes another spec in place of the present one.
    pub fn write_spec(&self, text: &str) {
        fs::write(self.spec(), text).expect("the spec can be written");
    }

    /// The spec file.
    pub fn spec(&self) -> PathBuf {
        self.folder.path().join("spec.yaml")
    }

    /// The folder of the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory of the spec.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The ports of all nodes, in order.
    pub fn ports(&self) -> Vec<u16> {
        self.ports.iter().collect()
    }

    /// The folder of the node at `position`.
    pub fn node_folder(&self, position: usize) -> PathBuf {
        self.data().join(self.node_name(position))
    }

    /// The name of the node at `position`.
    pub fn node_name(&self, position: usize) -> String {
        format!("node-{}", self.ports()[position])
    }

    /// A command that runs `program` with this deployment's password in its environment, and nobody to ask.
    pub fn command(&self, program: &Path) -> Command {
        command_with(program, self.password.as_deref())
    }

    /// Runs the deployer: `words`, then the spec.
    pub fn run(&self, words: &[&str]) -> Run {
        run(self.command(slotwright()).args(words).arg("--spec").arg(self.spec()))
    }

    /// `up`, which must succeed; true when it changed something.
    #[track_caller]
    pub fn up(&self) -> bool {
        self.try_up().unwrap_or_else(|error| panic!("{error}"))
    }

    /// `up`; whether it changed something.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn try_up(&self) -> Result<bool, String> {
        let run = self.run(&["up", "--json"]);
        match run.code() {
            0 => Ok(run.json()["changed"] == true),
            _ => Err(format!("up failed: {run:#?}\n{}", self.logs())),
        }
    }

    /// `down --delete-data`; nothing may be left.
    ///
    /// # Errors
    /// When it fails, or something is left.
    pub fn try_delete(&self) -> Result<(), String> {
        let run = self.run(&["down", "--delete-data"]);
        if run.code() != 0 {
            return Err(format!("down failed: {run:#?}\n{}", self.logs()));
        }
        self.is_gone()
    }

    /// Whether nothing is left of it: no process, no folder.
    ///
    /// # Errors
    /// What is left.
    pub fn is_gone(&self) -> Result<(), String> {
        let servers = self.servers();
        if !servers.is_empty() {
            return Err(format!("processes are left: {servers:?}"));
        }
        match self.data().exists() {
            true => Err(format!("files are left: {:#?}", self.tree().keys())),
            false => Ok(()),
        }
    }

    /// Judges the cluster from outside: its shape, the settings a creation shortens, and reading and writing.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn judge(&self) -> Result<(), String> {
        let places: Vec<Place> = self.ports().into_iter().map(Place::from).collect();
        outside::judge(&Expected {
            places: &places,
            password: self.password.as_deref(),
            shards: self.shards,
            replicas: self.replicas,
            settings: &[
                ("cluster-node-timeout", &self.timeout.to_string()),
                ("repl-diskless-sync-delay", "5"),
            ],
        })
    }

    /// A client that starts at the last node.
    pub fn walker(&self) -> Walker {
        Walker::new(self.ports()[self.ports().len() - 1], self.password.as_deref())
    }

    /// One question to the node at `position`.
    #[track_caller]
    pub fn ask(&self, position: usize, words: &[&str]) -> String {
        outside::ask(self.ports()[position], self.password.as_deref(), words).unwrap()
    }

    /// The processes that run in folders of this deployment: process → folder.
    pub fn servers(&self) -> BTreeMap<u32, PathBuf> {
        processes_below(self.folder.path())
    }

    /// Kills the server of the node at `position`, as `kill -9` does, and waits until it is gone.
    #[track_caller]
    pub fn kill(&self, position: usize) {
        let folder = self.node_folder(position);
        let found: Vec<u32> =
            self.servers().into_iter().filter(|(_, at)| *at == folder).map(|(process, _)| process).collect();
        assert!(!found.is_empty(), "no server runs in {}", folder.display());
        kill(&found);
    }

    /// Every file and folder below the data directory: relative path → kind, mode, size, time of change and content.
    pub fn tree(&self) -> BTreeMap<PathBuf, String> {
        tree(&self.data())
    }

    /// All that must not change when a run is refused.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { files: self.tree(), servers: self.servers() }
    }

    /// The ends of the servers' logs, for a failure that nobody can repeat.
    pub fn logs(&self) -> String {
        let tail = |port: u16| {
            let log = fs::read(self.data().join(format!("node-{port}/server.log"))).unwrap_or_default();
            let log = String::from_utf8_lossy(&log).into_owned();
            let lines: Vec<&str> = log.lines().rev().take(12).collect();
            format!("--- node-{port}\n{}\n", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        self.ports().into_iter().map(tail).collect()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        // A server that was just being started may appear late: look until there is none.
        for _ in 0..20 {
            let left: Vec<u32> = self.servers().into_keys().collect();
            if left.is_empty() {
                break;
            }
            kill(&left);
        }
    }
}

/// Files and processes at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// See [`Deployment::tree`].
    pub files: BTreeMap<PathBuf, String>,
    /// See [`Deployment::servers`].
    pub servers: BTreeMap<u32, PathBuf>,
}

/// A command that runs `program` with this password in its environment, and nobody to ask.
pub(crate) fn command_with(program: &Path, password: Option<&str>) -> Command {
    let mut command = Command::new(program);
    command.env_remove(PASSWORD_VARIABLE).env_remove("RUST_LOG").stdin(Stdio::null());
    if let Some(password) = password {
        command.env(PASSWORD_VARIABLE, password);
    }
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    Run {
        status: output.status,
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Every file and folder below `root`, links not followed.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    use std::os::unix::fs::MetadataExt;
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(path) = left.pop() {
        let Ok(meta) = path.symlink_metadata() else { continue };
        let content = match meta.is_file() {
            true => fs::read(&path)
                .map(|bytes| format!("{:x?}", String::from_utf8_lossy(&bytes)))
                .unwrap_or_default(),
            false => String::new(),
        };
        if meta.is_dir() {
            left.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
        let time = (meta.mtime(), meta.mtime_nsec());
        found.insert(path, format!("{:o} {} {time:?} {content}", meta.mode(), meta.len()));
    }
    found
}

/// The processes whose working folder is below `root`, also when the folder was removed under them.
pub fn processes_below(root: &Path) -> BTreeMap<u32, PathBuf> {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let folder = fs::read_link(entry.path().join("cwd")).ok()?;
        folder.starts_with(&root).then_some((process, folder))
    });
    processes.collect()
}

/// Ends processes with SIGKILL and waits until they are gone or are zombies of another parent.
pub fn kill(processes: &[u32]) {
    for process in processes {
        let pid = i32::try_from(*process).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    while processes.iter().any(|process| runs(*process).unwrap_or(false)) {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

fn runs(process: u32) -> io::Result<bool> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    Ok(stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z')))
}
