//! Debian's compiler with the standard library for aarch64, unpacked into the user's cache.
//!
//! For a toolchain that lacks that library, on a machine where rustup cannot get it. Nothing is installed and the
//! system's package manager is left as it is: apt-get reads its lists into a folder of its own, with arm64 as a second
//! architecture, and dpkg-deb unpacks. Everything happens in a folder beside, which gets its name when it is complete
//! and has been tried out; a run that is killed leaves a rest that the next one removes.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::aarch64::TARGET;
use crate::failure::Failure;
use crate::run;

/// The compiler's package. Its version names the folder.
const COMPILER: &str = "rustc-web";

/// The standard library's package: for this machine, and for the other.
const LIBRARY: &str = "libstd-rust-web-dev";

/// The target that packages for this machine are for. There are none we could use elsewhere.
const HOST: &str = "x86_64-unknown-linux-gnu";

/// Start of the name of a folder that is not complete.
const PART: &str = "part-";

/// Another way to the library, and a way without.
const OTHERWISE: &str = "`rustup target add aarch64-unknown-linux-gnu` adds it where rustup can download; \
    `cargo xtask test --native` leaves out what needs it";

/// Starts the compiler with its own libraries, wherever its folder is.
const WRAPPER: &str = r#"#!/bin/sh
here=${0%/*}
libraries=$here/usr/lib/x86_64-linux-gnu:$here/lib/x86_64-linux-gnu
LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
exec "$here/usr/bin/rustc" --sysroot "$here/usr" "$@"
"#;

/// The compiler, to be given to cargo as `RUSTC`. Gets it when it is not there yet.
pub(crate) fn rustc() -> Result<PathBuf, Failure> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let folder = folder(variable("XDG_CACHE_HOME"), variable("HOME")).ok_or_else(|| {
        Failure::said(format!(
            "neither HOME nor XDG_CACHE_HOME says where a compiler may be kept; {OTHERWISE}"
        ))
    })?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    Cache { folder, path, oldest: env!("CARGO_PKG_RUST_VERSION") }.rustc()
}

fn folder(cache: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    // A relative one is to be ignored: XDG Base Directory Specification.
    let cache = cache.filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute());
    Some(cache.or_else(|| Some(home?.join(".cache")))?.join("slotwright/rust"))
}

/// Where compilers are kept.
struct Cache {
    folder: PathBuf,
    /// `PATH` for the package manager's programs.
    path: OsString,
    /// The oldest version of Rust that will do.
    oldest: &'static str,
}

/// A folder that is removed when it goes out of scope; after it was renamed, there is nothing left to remove.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Cache {
    fn rustc(&self) -> Result<PathBuf, Failure> {
        std::fs::create_dir_all(&self.folder).map_err(|error| failed(&self.folder, &error))?;
        let _lock = self.lock()?;
        self.remove_rests();
        // Named after the process: a program that a killed run left running may still write into that run's folder.
        let part = Part(self.folder.join(format!("{PART}{}", std::process::id())));
        std::fs::create_dir_all(&part.0).map_err(|error| failed(&part.0, &error))?;
        if let Some(found) = self.newest() {
            if works(&found, &part.0).is_ok() {
                return Ok(found.join("rustc"));
            }
            eprintln!("{} does not work any more and is made anew", found.display());
        }
        self.get(&part.0)
    }

    /// One run at a time. The lock goes with the process, however that ends.
    fn lock(&self) -> Result<File, Failure> {
        let path = self.folder.join("lock");
        let file = File::create(&path).map_err(|error| failed(&path, &error))?;
        if file.try_lock().is_err() {
            eprintln!("Another run prepares the compiler for aarch64; waiting for it");
            file.lock().map_err(|error| failed(&path, &error))?;
        }
        Ok(file)
    }

    fn remove_rests(&self) {
        for name in self.names() {
            if name.starts_with(PART) {
                // What is in the way of nobody may stay.
                let _ = std::fs::remove_dir_all(self.folder.join(name));
            }
        }
    }

    /// The newest complete compiler that is not too old.
    fn newest(&self) -> Option<PathBuf> {
        let names = self.names().into_iter();
        let fit = names.filter_map(|name| Some((version(&name)?, name)));
        let fit = fit.filter(|(found, _)| Some(*found) >= version(self.oldest));
        fit.max().map(|(_, name)| self.folder.join(name))
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Downloads, unpacks and tries out.
    fn get(&self, part: &Path) -> Result<PathBuf, Failure> {
        self.check_system()?;
        eprintln!(
            "The Rust toolchain lacks the standard library for {TARGET}. Now to be unpacked, not installed:"
        );
        eprintln!("  {COMPILER}, {LIBRARY}, {LIBRARY}:arm64 and libraries they need (Debian's compiler)");
        eprintln!("  into {}; 150 MB to download, 560 MB unpacked", self.folder.display());
        eprintln!("`rustup target add {TARGET}` is a shorter way where rustup can download.");

        let (lists, packages, root) = (part.join("lists"), part.join("packages"), part.join("root"));
        for folder in [lists.join("lists/partial"), packages.join("archives/partial"), root.clone()] {
            std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
        }
        let apt = |program| self.apt(program, &lists, &packages);
        if run::run(apt("apt-get").arg("update")).is_err() {
            // One broken third-party source must not stop us from using the others.
            eprintln!("warning: apt-get update reported errors; going on");
        }
        let offered = run::output(apt("apt-cache").args(["policy", COMPILER]))?;
        let offered = self.candidate(&offered)?;
        eprintln!("{COMPILER} {offered}");
        // The library's dependencies on this machine, without those that it has; the compiler's are what cargo needs.
        run_as(
            "the download",
            apt("apt-get")
                .args(["--yes", "--no-install-recommends", "--reinstall", "--download-only", "install"])
                .arg(format!("{LIBRARY}={offered}")),
        )?;
        run_as(
            "the download",
            apt("apt-get")
                .current_dir(packages.join("archives"))
                .arg("download")
                .args([format!("{COMPILER}={offered}"), format!("{LIBRARY}:arm64={offered}")]),
        )?;
        self.unpack(&packages.join("archives"), &root)?;
        run::write_script(&root.join("rustc"), WRAPPER)?;
        works(&root, part)
            .map_err(|failure| Failure::said(format!("the unpacked compiler does not work: {failure}")))?;
        self.keep(&root, &offered, part)
    }

    /// Whether there is anything here to get a compiler with.
    fn check_system(&self) -> Result<(), Failure> {
        let debian = ["apt-get", "apt-cache", "dpkg-deb"]
            .iter()
            .all(|program| std::env::split_paths(&self.path).any(|folder| folder.join(program).is_file()));
        if debian && cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Ok(());
        }
        Err(Failure::said(format!(
            "the Rust toolchain lacks the standard library for {TARGET}, and packages with it exist on Debian (amd64) \
             only; {OTHERWISE}"
        )))
    }

    /// A program of apt's, with lists and packages of its own. The system's sources, keys and state are read only.
    fn apt(&self, program: &str, lists: &Path, packages: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path).env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        for option in ["Dir::State=", "Dir::Cache="].into_iter().zip([lists, packages]) {
            let mut text = OsString::from(option.0);
            text.push(option.1);
            command.arg("-o").arg(text);
        }
        for option in [
            "Dir::State::status=/var/lib/dpkg/status",
            "APT::Architectures::=amd64",
            "APT::Architectures::=arm64",
            "Acquire::Languages=none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
            // The folder is the user's, who need not let others in.
            "APT::Sandbox::User=",
            // The folders are ours alone, and dpkg's lock is for those who install.
            "Debug::NoLocking=true",
            "quiet=2",
        ] {
            command.args(["-o", option]);
        }
        command
    }

    /// The version to take, from what `apt-cache policy` prints.
    fn candidate(&self, policy: &str) -> Result<String, Failure> {
        let offered = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
        let Some((offered, found)) = offered.and_then(|offered| Some((offered, version(offered)?))) else {
            return Err(Failure::said(format!(
                "the package sources of this system do not offer {COMPILER}; {OTHERWISE}"
            )));
        };
        if Some(found) < version(self.oldest) {
            return Err(Failure::said(format!(
                "the package sources of this system offer {COMPILER} {offered}, and {} or later is needed (Debian 12 \
                 has it among its security updates); {OTHERWISE}",
                self.oldest
            )));
        }
        Ok(offered.to_owned())
    }

    fn unpack(&self, packages: &Path, root: &Path) -> Result<(), Failure> {
        let entries = std::fs::read_dir(packages).map_err(|error| failed(packages, &error))?;
        for entry in entries.flatten() {
            let package = entry.path();
            if package.extension().is_some_and(|end| end == "deb") {
                let mut command = Command::new("dpkg-deb");
                command.env("PATH", &self.path).arg("--extract").arg(&package).arg(root);
                run_as("unpacking", &mut command)?;
            }
        }
        Ok(())
    }

    /// Gives a compiler that works its name, in place of one that does not.
    fn keep(&self, root: &Path, name: &str, part: &Path) -> Result<PathBuf, Failure> {
        let kept = self.folder.join(name);
        if kept.exists() {
            std::fs::rename(&kept, part.join("old")).map_err(|error| failed(&kept, &error))?;
        }
        std::fs::rename(root, &kept).map_err(|error| failed(&kept, &error))?;
        Ok(kept.join("rustc"))
    }
}

/// Compiles a line with the standard libraries of both targets.
fn works(root: &Path, scratch: &Path) -> Result<(), Failure> {
    let source = scratch.join("line.rs");
    std::fs::write(&source, "pub fn line() { println!(\"a line\"); }\n")
        .map_err(|error| failed(&source, &error))?;
    for target in [HOST, TARGET] {
        let mut command = Command::new(root.join("rustc"));
        command.args(["--crate-type", "lib", "--emit", "obj", "--target", target]);
        run::run(command.arg("-o").arg(scratch.join("line.o")).arg(&source))?;
    }
    Ok(())
}

/// Runs a command whose whole line would tell nobody anything.
fn run_as(what: &str, command: &mut Command) -> Result<(), Failure> {
    run::run(command).map_err(|failure| match failure {
        Failure::Program { status, .. } => Failure::said(format!("{what} failed ({status}); see above")),
        said => said,
    })
}

/// The number of a Rust or Debian version: `1.95`, `1.96.0+dfsg1-1~deb12u2`, `1:1.96.0`.
fn version(text: &str) -> Option<(u32, u32, u32)> {
    let text = text.rsplit_once(':').map_or(text, |(_, text)| text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let mut numbers = text.get(..end)?.split('.').map(str::parse);
    let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some((major, minor, numbers.next().transpose().ok()?.unwrap_or(0)))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::said(format!("{}: {error}", path.display()))
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "unpacked_tests.rs"]
mod tests;
