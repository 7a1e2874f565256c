//! The engine's program: found, run once in a folder of its own, and asked what it can do.

use std::{
    env, fs, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use slotwright_client::{Command as Question, ConnectOptions, Connection, Deadline, UnixConnector, Value};
use slotwright_cluster::{Capabilities, Capability, Endpoint, Host};
use tokio::time::sleep;

use super::process;
use crate::Error;

/// What the loop sends: without these there is no deployment.
const NEEDED: [Capability; 2] = [Capability::AddSlotsRange, Capability::ClusterShards];

/// Longest time a program may take to answer that it is a server.
const PATIENCE: Duration = Duration::from_secs(10);

/// The absolute path of `engine`: as it is when it has a folder, else from PATH.
pub(crate) fn find(engine: &Path) -> Result<PathBuf, Error> {
    let failed =
        |reason: &str| Error::Engine { program: engine.display().to_string(), reason: reason.to_owned() };
    if engine.components().count() > 1 {
        return match fs::metadata(engine) {
            Ok(found) if found.is_file() => Ok(engine.to_path_buf()),
            Ok(_) => Err(failed("it is not a file")),
            Err(error) => Err(failed(&error.to_string())),
        };
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(engine)).find(|program| program.is_file());
    found.ok_or_else(|| failed("there is no such program in PATH"))
}

/// Starts the program in a temporary folder, on a Unix socket of its own and without any port, asks it what it can do,
/// and ends it.
pub(crate) async fn probe(program: &Path) -> Result<Capabilities, Error> {
    let failed = |reason: String| Error::Engine { program: program.display().to_string(), reason };
    let folder = Scratch::new().map_err(|error| failed(format!("no temporary folder: {error}")))?;
    let socket = folder.0.join("s");
    let child = Command::new(program)
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no", "--unixsocket"])
        .arg(&socket)
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut child = Running(child);
    let deadline = Deadline::within(PATIENCE);
    // The file appears a moment before the server listens on it: only a connection tells.
    while UnixStream::connect(&socket).is_err() {
        if let Some(status) = child.0.try_wait().map_err(|error| failed(error.to_string()))? {
            return Err(failed(format!("it ended at once ({status}); is it a Redis or Valkey server?")));
        }
        if deadline.has_passed() {
            return Err(failed(
                "it does not listen where it was told to; is it a Redis or Valkey server?".to_owned(),
            ));
        }
        sleep(Duration::from_millis(2)).await;
    }
    let endpoint = Endpoint::new(Host::Name("probe".into()), 1);
    let connector = UnixConnector::new(&socket);
    let asked = async {
        let mut connection =
            Connection::open(&connector, &endpoint, &ConnectOptions::default(), deadline).await?;
        let question =
            Question::new("COMMAND").arg("INFO").args(NEEDED.into_iter().filter_map(Capability::command));
        connection.call(&question, deadline).await
    };
    let reply: Value = asked.await.map_err(|error| failed(error.to_string()))?;
    let found = Capabilities::from_command_info(&NEEDED, &reply.into())
        .map_err(|error| failed(format!("its answer makes no sense: {error}")))?;
    let missing = found.missing(&NEEDED);
    if missing.is_empty() {
        return Ok(found);
    }
    let missing = missing.iter().map(ToString::to_string).collect();
    Err(Error::EngineTooOld { program: program.to_path_buf(), missing })
}

/// A temporary folder that goes with its value.
struct Scratch(PathBuf);

impl Scratch {
    const PREFIX: &str = "slotwright-probe-";

    fn new() -> io::Result<Self> {
        Self::sweep();
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!("{}{}-{:016x}", Self::PREFIX, std::process::id(), u64::from_be_bytes(bytes));
        let path = env::temp_dir().join(name);
        std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Ends and removes what probes left whose process was killed before it could.
    fn sweep() {
        for entry in fs::read_dir(env::temp_dir()).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let maker = name.to_str().and_then(|name| name.strip_prefix(Self::PREFIX)?.split('-').next());
            let Some(pid) = maker.and_then(|pid| pid.parse::<u32>().ok()) else { continue };
            if Path::new(&format!("/proc/{pid}")).exists() {
                continue;
            }
            let folder = entry.path();
            // Another user's are not ours to end, and the system says so.
            for server in process::all().filter(|process| process.folder == folder) {
                let _ = process::ask_to_end(server.pid, &folder);
            }
            let _ = fs::remove_dir_all(folder);
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A child that is ended with its value: it holds nothing worth a goodbye.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
