//! Programs: servers that live on, and helpers that are asked and end.

use std::{
    ffi::OsStr,
    fs::OpenOptions,
    io::{self, Read},
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{Effect, Machine};

/// What a program that was run to its end did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

impl Machine {
    /// Starts a server in `folder` that lives on when this process ends: its own process group, no terminal, output to
    /// the end of `log`.
    ///
    /// # Errors
    /// When the log cannot be opened or the program cannot be run.
    pub fn start_server(
        &self,
        program: &Path,
        arguments: &[&OsStr],
        folder: &Path,
        log: &Path,
    ) -> io::Result<Child> {
        let output = OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        self.seen(Effect::Start(folder), || command.spawn())
    }

    /// Runs `act`, which asks the server of `folder` to stop.
    ///
    /// # Errors
    /// Those of `act`.
    pub fn stop_server<T>(&self, folder: &Path, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.seen(Effect::Stop(folder), act)
    }

    /// Runs a program that changes something, named `what` for the witness, to its end; after `limit` it is killed.
    ///
    /// # Errors
    /// When it cannot be run or took too long. That it ended badly is no error here: its status tells.
    pub fn ask_program(&self, what: &str, command: &mut Command, limit: Duration) -> io::Result<Finished> {
        self.seen(Effect::Ask(what), || run_within(command, limit))
    }
}

/// Runs a program that only tells something to its end; after `limit` it is killed.
///
/// # Errors
/// When it cannot be run or took too long.
pub fn run_within(command: &mut Command, limit: Duration) -> io::Result<Finished> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let reader = |stream: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                let _ = stream.read_to_end(&mut bytes);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = reader(child.stdout.take().map(|stream| Box::new(stream) as _));
    let stderr = reader(child.stderr.take().map(|stream| Box::new(stream) as _));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() >= limit {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it did not end within {} s and was killed", limit.as_secs()),
            ));
        }
        thread::sleep(Duration::from_millis(2));
    };
    let text = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
    Ok(Finished { status, stdout: text(stdout), stderr: text(stderr) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_asked_within_bounds() {
        let machine = Machine::default();
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let done = machine.ask_program("a shell", &mut command, Duration::from_secs(10)).unwrap();
        assert_eq!((done.status.code(), &*done.stdout, &*done.stderr), (Some(3), "out\n", "err\n"));
        let slow =
            machine.ask_program("a sleeper", Command::new("sleep").arg("60"), Duration::from_millis(20));
        assert_eq!(slow.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
