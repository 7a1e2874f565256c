//! Running programs: cargo, the compiler, the deployer, the installer. All share this terminal and say themselves what they do.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// The folder of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Cargo, as the one that runs us asked for (`CARGO`), in the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    // What cargo tells us of this package, as it has built us. Build scripts that look at it would think that all has
    // changed, and build anew what was built without us.
    for (name, _) in std::env::vars_os() {
        if OF_A_PACKAGE.iter().any(|start| name.as_encoded_bytes().starts_with(start.as_bytes())) {
            command.env_remove(name);
        }
    }
    command
}

/// Starts of the names of variables that tell of a package.
const OF_A_PACKAGE: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// The compiler that cargo uses, in the workspace.
pub(crate) fn rustc() -> Command {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.current_dir(workspace());
    command
}

/// The target that the compiler itself runs on.
pub(crate) fn host_target() -> Result<String, Failure> {
    let text = output(rustc().arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::said("`rustc -vV` does not name a host"))
}

/// The folder in which the compiler looks for the standard library of a target, there or not.
pub(crate) fn target_libraries(target: &str) -> Result<PathBuf, Failure> {
    Ok(output(rustc().args(["--print", "target-libdir", "--target", target]))?.trim_end().into())
}

/// Runs a command to its end and takes what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::said(format!("`{}` cannot be run: {error}", line(command))))?;
    if !output.status.success() {
        return Err(Failure::Program { line: line(command), status: output.status });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command
        .status()
        .map_err(|error| Failure::said(format!("`{}` cannot be run: {error}", line(command))))?;
    if status.success() { Ok(()) } else { Err(Failure::Program { line: line(command), status }) }
}

/// Where cargo puts what it builds in release mode. Our own place tells, whatever configuration decided it.
pub(crate) fn release_folder() -> Result<PathBuf, Failure> {
    let own =
        std::env::current_exe().map_err(|error| Failure::said(format!("own program not found: {error}")))?;
    let folder = own.parent().and_then(Path::parent).map(|target| target.join("release"));
    folder.ok_or_else(|| Failure::said(format!("{} is not in a cargo target folder", own.display())))
}

/// Whether a program is found: by its path when it has one, on `PATH` otherwise.
pub(crate) fn has_program(name: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let executable = |file: &Path| {
        file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return executable(Path::new(name));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| executable(&folder.join(name)))
}

/// Writes a script that everyone can run.
///
/// A process of its own writes it. A process that another thread starts at that moment would inherit our open file for an
/// instant, and the kernel refuses to run a file that somebody has open for writing (ETXTBSY).
pub(crate) fn write_script(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::said(format!("{}: {error}", path.display()));
    let mut command = Command::new("install");
    command.args(["-m", "755", "/dev/stdin"]).arg(path).stdin(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    // Closes the pipe when it is dropped, which is the end of the script.
    let written = child.stdin.take().map_or(Ok(()), |mut input| input.write_all(text.as_bytes()));
    let status = child.wait().map_err(failed)?;
    written.map_err(failed)?;
    if status.success() { Ok(()) } else { Err(Failure::Program { line: line(&command), status }) }
}

/// A command line for people: program name and arguments.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words: Vec<_> = std::iter::once(name).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        assert!(has_program("sh") && has_program("/bin/sh"));
        assert!(!has_program("no-such-program") && !has_program("/etc/passwd") && !has_program("/etc"));
    }

    #[test]
    fn the_workspace_is_the_folder_with_the_members() {
        assert!(workspace().join("crates/xtask/Cargo.toml").is_file());
    }

    #[test]
    fn a_failing_program_is_named_with_its_status() {
        let failure = run(Command::new("/bin/sh").args(["-c", "exit 7"])).unwrap_err();
        assert_eq!(failure.code(), 7);
        assert_eq!(failure.to_string(), "`sh -c exit 7` failed (exit status: 7)");
        let missing = run(&mut Command::new("/nonexistent/x")).unwrap_err().to_string();
        assert!(missing.starts_with("`x` cannot be run"), "{missing}");
    }
}
