//! The scripts of a pod, run as in a pod but for its folders, against a real server.
//!
//! The configuration is the one the ConfigMap has; paths and port are replaced by those of the test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use slotwright_kube::{Blueprint, objects};
use tempfile::TempDir;

use crate::{ports::Ports, program, server::folder, wait::until_blocking};

/// The deployment's id.
pub const ID: &str = "0123456789abcdef0123456789abcdef";

/// One pod: its folders, and its server while it runs.
pub struct Pod {
    folder: TempDir,
    ports: Ports,
    shell: &'static str,
    server: Option<Child>,
    environment: Vec<(String, String)>,
}

impl Pod {
    /// The pod `name` of the blueprint, with an empty volume; its scripts are run by `shell`.
    pub fn new(blueprint: &Blueprint, name: &str, shell: &'static str) -> Self {
        let folder = folder();
        let ports = Ports::reserve(1);
        for part in ["data", "run", "secrets", "scripts", "etc"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        let mut pod = Self { folder, ports, shell, server: None, environment: Vec::new() };
        for (script, text) in objects::scripts(blueprint).data.unwrap() {
            fs::write(pod.path("scripts").join(script), text).unwrap();
        }
        let secret = objects::secret(blueprint).and_then(|secret| secret.data).unwrap_or_default();
        for (key, content) in secret {
            fs::write(pod.path("secrets").join(key), content.0).unwrap();
        }
        // An argument that is a password would be seen here.
        let words = pod.folder.path().join("arguments");
        program::write_script(
            &pod.path("redis-cli"),
            &format!("#!/bin/sh\necho \"$*\" >>'{}'\nexec redis-cli \"$@\"\n", words.display()),
        );
        let (port, bus) = (pod.port().to_string(), (pod.port() + 10_000).to_string());
        let at = |part: &str| pod.path(part).display().to_string();
        let text = objects::redis_conf(blueprint)
            .replace(objects::TLS_FOLDER, &at("secrets"))
            .replace(objects::DATA_FOLDER, &at("data"))
            .replace(objects::RUN_FOLDER, &at("run"))
            .replace("16379", &bus)
            .replace("port 6379", &format!("port {port}"));
        fs::write(pod.path("etc/redis.conf"), text).unwrap();
        let tls = if blueprint.wanted().tls.is_some() { at("secrets") } else { String::new() };
        let environment = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("SLOTWRIGHT_DATA", at("data")),
            ("SLOTWRIGHT_CONFIG", at("etc/redis.conf")),
            ("SLOTWRIGHT_RUN", at("run")),
            ("SLOTWRIGHT_SECRETS", at("secrets")),
            ("SLOTWRIGHT_TLS", tls),
            ("SLOTWRIGHT_CLI", at("redis-cli")),
            ("SLOTWRIGHT_LOG", at("said")),
            ("SLOTWRIGHT_DEPLOYMENT", blueprint.wanted().name.clone()),
            ("SLOTWRIGHT_DEPLOYMENT_ID", ID.to_owned()),
            ("SLOTWRIGHT_NODE", name.to_owned()),
            ("SLOTWRIGHT_ANNOUNCE_IP", "127.0.0.1".to_owned()),
            ("SLOTWRIGHT_ANNOUNCE_HOSTNAME", format!("{name}.nodes.shop.svc.cluster.local")),
        ];
        let environment = environment.map(|(variable, value)| (variable.to_owned(), value)).into();
        pod.environment = environment;
        pod
    }

    /// Sets a variable of the pod's environment.
    pub fn set(&mut self, variable: &str, value: &str) {
        self.environment.retain(|(name, _)| name != variable);
        self.environment.push((variable.to_owned(), value.to_owned()));
    }

    /// A file or folder of the pod: `data`, `run`, `secrets`, `scripts`, `etc`.
    pub fn path(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    /// The client port.
    pub fn port(&self) -> u16 {
        self.ports.first()
    }

    /// Adds lines to the configuration.
    pub fn configure(&self, lines: &str) {
        let file = self.path("etc/redis.conf");
        fs::write(&file, fs::read_to_string(&file).unwrap() + lines).unwrap();
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(self.shell);
        command.arg(self.path("scripts").join(name)).env_clear().stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the start script in the background; it becomes the server.
    pub fn start(&mut self) {
        let log = fs::File::create(self.path("log")).unwrap();
        let mut command = self.script("start.sh");
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.server = Some(command.spawn().unwrap());
        let socket = self.path("run/redis.sock");
        until_blocking("the server listens", || {
            let ended = self.server.as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none(), "{}", self.log());
            if std::os::unix::net::UnixStream::connect(&socket).is_ok() { Ok(()) } else { Err(self.log()) }
        });
    }

    /// Runs the start script where it refuses to start, and gives what it says.
    pub fn refused(&self) -> String {
        let output = self.script("start.sh").output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }

    /// What the server, or the script, wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// What the hand-over said.
    pub fn said(&self) -> String {
        fs::read_to_string(self.path("said")).unwrap_or_default()
    }

    /// All arguments the scripts gave to redis-cli.
    pub fn arguments(&self) -> String {
        fs::read_to_string(self.path("arguments")).unwrap_or_default()
    }

    /// The process of the server.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    /// Sends a signal to the server.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(self.server.as_ref().unwrap());
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Ends the server as the kubelet does.
    pub fn stop(&mut self) {
        self.signal(rustix::process::Signal::TERM);
        self.await_end();
    }

    /// Ends the server as a crash does.
    pub fn kill(&mut self) {
        self.signal(rustix::process::Signal::KILL);
        self.await_end();
    }

    fn await_end(&mut self) {
        if let Some(mut child) = self.server.take() {
            child.wait().unwrap();
        }
        // A new container has an empty folder there only if the pod is new; a stale socket must not hide a dead server.
        let _ = fs::remove_file(self.path("run/redis.sock"));
    }

    /// Asks a probe; `Err` has what it says.
    pub fn probe(&self, question: &str) -> Result<(), String> {
        let output = self.script("probe.sh").args([question, "1"]).output().unwrap();
        outcome(&output)
    }

    /// All three probes: startup, ready, live.
    pub fn probes(&self) -> [bool; 3] {
        ["startup", "ready", "live"].map(|question| self.probe(question).is_ok())
    }

    /// Runs the hook before the stop.
    pub fn pre_stop(&self, seconds: u32) {
        let output = self.script("pre-stop.sh").arg(seconds.to_string()).output().unwrap();
        assert_eq!(outcome(&output), Ok(()));
    }

    /// One command, as the user the probes use; the answer as redis-cli prints it.
    pub fn ask(&self, command: &str) -> String {
        let password = fs::read_to_string(self.path("run/password")).unwrap_or_default();
        let output = Command::new("redis-cli")
            .arg("-s")
            .arg(self.path("run/redis.sock"))
            .args(command.split(' '))
            .env("REDISCLI_AUTH", password.trim_end_matches('\n'))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Waits until the answer to a command contains a text.
    pub fn until(&self, command: &str, expected: &str) {
        until_blocking(expected, || {
            let answer = self.ask(command);
            if answer.contains(expected) { Ok(()) } else { Err(answer) }
        });
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- {}:\n{}{}", self.path("").display(), self.log(), self.said());
        }
        if let Some(mut child) = self.server.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn outcome(output: &Output) -> Result<(), String> {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// Checks the grammar of a script without running it.
pub fn parses(shell: &[&str], script: &Path) {
    let output = Command::new(shell[0]).args(&shell[1..]).arg("-n").arg(script).output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{shell:?} {}: {output:?}",
        script.display()
    );
}
