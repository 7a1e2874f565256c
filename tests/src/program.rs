//! Programs that a test makes and then runs, and cargo.
//!
//! The former are written by a process of their own. Were they written by the test itself, a process that another
//! thread starts at that moment would inherit the open file for an instant, and the kernel refuses to run a file that
//! somebody has open for writing (ETXTBSY).

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Cargo, in the workspace.
///
/// It is not told of the package that the test is of: build scripts that look at it would build anew what is built.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&*name);
        }
    }
    cargo
}

/// Writes a script that everyone can run.
pub fn write_script(path: &Path, text: &str) {
    let mut child = install().arg("/dev/stdin").arg(path).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "cannot write {}", path.display());
}

/// Copies a program so that everyone can run it.
pub fn copy(from: &Path, to: &Path) {
    let status = install().arg(from).arg(to).status().unwrap();
    assert!(status.success(), "cannot copy {} to {}", from.display(), to.display());
}

fn install() -> Command {
    let mut command = Command::new("install");
    command.args(["-m", "755"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_can_be_run_whatever_else_is_started_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        Command::new("true").status().unwrap();
                    }
                });
            }
            let outcome = std::panic::catch_unwind(|| {
                for number in 0..40 {
                    let script = folder.path().join(format!("script{number}"));
                    write_script(&script, "#!/bin/sh\nexit 3\n");
                    assert_eq!(Command::new(&script).status().unwrap().code(), Some(3));
                    let program = folder.path().join(format!("true{number}"));
                    copy(Path::new("/bin/true"), &program);
                    assert!(Command::new(&program).status().unwrap().success());
                }
            });
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            outcome.unwrap();
        });
    }
}
