//! The installer script against a folder that plays the system and stubs that play apt, dpkg and systemd.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::*;

/// A system to install on; removed when dropped.
struct System {
    root: PathBuf,
}

impl System {
    fn new(name: &str) -> System {
        let root = std::env::temp_dir().join(format!("xtask-install-{name}-{}", std::process::id()));
        let system = System { root };
        for folder in ["usr/sbin", "var/lib/apt/lists", "var/lib/dpkg", "etc/rc3.d", "bin", "tmp"] {
            std::fs::create_dir_all(system.root.join(folder)).unwrap();
        }
        std::fs::write(system.root.join("var/lib/apt/lists/x_Packages"), "").unwrap();
        system.program("dpkg-query", "cat \"$ROOT/status\" 2>/dev/null || exit 1");
        system.program("apt-cache", "echo 'Candidate: 7.0'");
        system.program("systemctl", "echo \"systemctl $*\" >>\"$ROOT/log\"; rm -f \"$ROOT\"/etc/rc3.d/S*");
        // What a package's own scripts do: ask the policy, start, enable.
        system.program(
            "apt-get",
            "echo \"apt-get $*\" >>\"$ROOT/log\"\n\
             case \"$*\" in *update*) exit 0 ;; esac\n\
             policy=\"$ROOT/usr/sbin/policy-rc.d\"\n\
             for service in redis-server redis-server.service cron; do\n\
                 if [ -e \"$policy\" ]; then \"$policy\" $service start; else true; fi\n\
                 echo \"$service $?\" >>\"$ROOT/log\"\n\
             done\n\
             ln -s /x \"$ROOT/etc/rc3.d/S01redis-server\" 2>/dev/null\n\
             . \"$ROOT/end\"",
        );
        system.ends_with("exit 0");
        system
    }

    fn program(&self, name: &str, text: &str) {
        let file = self.root.join("bin").join(name);
        run::write_script(&file, &format!("#!/bin/sh\n{text}\n")).unwrap();
    }

    /// How apt-get ends.
    fn ends_with(&self, text: &str) {
        std::fs::write(self.root.join("end"), text).unwrap();
    }

    fn policy(&self) -> PathBuf {
        self.root.join("usr/sbin/policy-rc.d")
    }

    fn write_policy(&self, text: &str) {
        run::write_script(&self.policy(), text).unwrap();
    }

    fn starts_at_boot(&self) -> bool {
        self.root.join("etc/rc3.d/S01redis-server").symlink_metadata().is_ok()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.root.join("log")).unwrap_or_default()
    }

    fn start(&self) -> Child {
        let path = format!("{}:{}", self.root.join("bin").display(), std::env::var("PATH").unwrap());
        Command::new("sh")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/install.sh"))
            .args(["install", self.root.to_str().unwrap(), "redis-server", "redis-server", "redis-tools"])
            .env("PATH", path)
            .env("ROOT", &self.root)
            .env("TMPDIR", self.root.join("tmp"))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn install(&self) -> Output {
        self.start().wait_with_output().unwrap()
    }

    fn nothing_temporary_is_left(&self) -> bool {
        std::fs::read_dir(self.root.join("tmp")).unwrap().next().is_none()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_service_neither_starts_nor_stays_enabled() {
    let system = System::new("plain");
    let output = system.install();
    assert!(output.status.success(), "{output:?}");
    let log = system.log();
    assert!(log.contains("redis-server 101\nredis-server.service 101\ncron 0\n"), "{log}");
    assert!(
        log.contains("redis-server redis-tools") && log.contains("disable redis-server.service"),
        "{log}"
    );
    assert!(!system.policy().exists() && !system.starts_at_boot() && system.nothing_temporary_is_left());
}

#[test]
fn a_failed_installation_leaves_no_policy() {
    let system = System::new("fails");
    system.ends_with("exit 100");
    let output = system.install();
    assert_eq!(output.status.code(), Some(100), "{output:?}");
    assert!(system.log().contains(" update\n"), "stale lists may be the cause: read once more");
    assert!(!system.policy().exists() && !system.starts_at_boot() && system.nothing_temporary_is_left());
}

#[test]
fn a_killed_installation_leaves_no_policy() {
    for signal in ["INT", "TERM", "KILL"] {
        let system = System::new(&format!("killed-{signal}"));
        system.ends_with("touch \"$ROOT/waiting\"; exec sleep 60");
        let mut child = system.start();
        wait_until("apt-get runs", || system.root.join("waiting").exists());
        assert!(system.policy().exists());
        let group = format!("-{}", child.id());
        assert!(Command::new("kill").args(["-s", signal, "--", &group]).status().unwrap().success());
        child.wait().unwrap();
        wait_until("the guard tidies up", || !system.policy().exists() && !system.starts_at_boot());
        wait_until("the pipe goes", || system.nothing_temporary_is_left());
    }
}

#[test]
fn the_policy_stays_while_apt_get_outlives_the_installer() {
    let system = System::new("outlives");
    system.ends_with(
        "touch \"$ROOT/waiting\"; while [ ! -e \"$ROOT/go\" ]; do sleep 0.05; done; touch \"$ROOT/done\"",
    );
    let mut child = system.start();
    wait_until("apt-get runs", || system.root.join("waiting").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(system.policy().exists() && system.starts_at_boot());
    std::fs::write(system.root.join("go"), "").unwrap();
    wait_until("the guard tidies up", || !system.policy().exists() && !system.starts_at_boot());
    assert!(system.root.join("done").exists());
}

#[test]
fn a_policy_of_others_that_denies_is_used_and_left_as_it_is() {
    let system = System::new("denies");
    let text = "#!/bin/sh\nexit 101\n";
    system.write_policy(text);
    assert!(system.install().status.success());
    assert_eq!(std::fs::read_to_string(system.policy()).unwrap(), text);
    assert!(!system.starts_at_boot());
}

#[test]
fn a_policy_of_others_that_allows_stops_the_installation() {
    let system = System::new("allows");
    let text = "#!/bin/sh\nexit 0\n";
    system.write_policy(text);
    let output = system.install();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("not ours to change"), "{output:?}");
    assert_eq!(std::fs::read_to_string(system.policy()).unwrap(), text);
    assert_eq!(system.log(), "");
}

#[test]
fn a_policy_left_by_a_power_cut_is_replaced() {
    let system = System::new("stale");
    system.write_policy("#!/bin/sh\n# Made by the Slotwright installer\nexit 0\n");
    assert!(system.install().status.success());
    assert!(system.log().contains("redis-server 101"));
    assert!(!system.policy().exists());
}

#[test]
fn a_second_installation_at_the_same_time_is_refused() {
    let system = System::new("second");
    system.ends_with("touch \"$ROOT/waiting\"; while [ ! -e \"$ROOT/go\" ]; do sleep 0.05; done");
    let mut first = system.start();
    wait_until("apt-get runs", || system.root.join("waiting").exists());
    let second = system.install();
    assert_eq!(second.status.code(), Some(4), "{second:?}");
    assert!(String::from_utf8_lossy(&second.stderr).contains("another installation"), "{second:?}");
    assert!(system.policy().exists());
    std::fs::write(system.root.join("go"), "").unwrap();
    assert!(first.wait().unwrap().success());
    assert!(!system.policy().exists());
}

#[test]
fn the_service_of_a_package_that_was_there_is_not_touched() {
    for (status, enabled) in [("installed", true), ("installed", false), ("half-configured", true)] {
        let system = System::new(&format!("{status}-{enabled}"));
        std::fs::write(system.root.join("status"), status).unwrap();
        if enabled {
            symlink("/x", system.root.join("etc/rc3.d/S01redis-server")).unwrap();
        }
        assert!(system.install().status.success());
        assert!(!system.log().contains("systemctl"), "{status}: {}", system.log());
        assert!(!system.policy().exists());
    }
}

#[test]
fn the_rest_of_a_killed_installation_is_still_disabled() {
    let system = System::new("rest");
    std::fs::write(system.root.join("status"), "half-configured").unwrap();
    assert!(system.install().status.success());
    assert!(!system.starts_at_boot() && system.log().contains("redis-server 101"));
}

#[test]
fn a_service_that_cannot_be_disabled_is_reported() {
    let system = System::new("stubborn");
    system.program("systemctl", "exit 1");
    let output = system.install();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("systemctl disable redis-server"), "{output:?}");
    assert!(!system.policy().exists());
}

#[test]
fn a_package_that_is_not_offered_is_named_and_nothing_is_done() {
    let system = System::new("not-offered");
    system.program("apt-cache", "echo 'Candidate: (none)'");
    let output = system.install();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("do not offer redis-server"), "{output:?}");
    assert!(!system.log().contains(" install ") && !system.policy().exists());
}

#[test]
fn nothing_is_said_or_done_when_nothing_is_missing() {
    ensure(&[]).unwrap();
    let shell = Component { program: "sh", package: "x", service: None, purpose: "x", elsewhere: "x" };
    ensure(&[shell]).unwrap();
    let library = Component { program: "/etc/passwd", ..shell };
    ensure(&[library]).unwrap();
    assert!(!Component { program: "/etc", ..shell }.is_there());
}
