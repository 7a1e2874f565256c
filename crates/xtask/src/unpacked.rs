//! Debian's compiler with the standard library for aarch64, unpacked into the user's cache.
//!
//! For a toolchain that lacks that library, on a machine where rustup cannot get it. Nothing is installed and the
//! system's package manager is left as it is: apt-get reads its lists into a folder of its own, with arm64 as a second
//! architecture, and dpkg-deb unpacks. Everything happens in a folder beside, which gets its name when it is complete
//! and has been tried out; a run that is killed leaves a rest that the next one removes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::aarch64::TARGET;
use crate::debian::{self, Apt, Part, failed, variable};
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
    let folder = folder(variable("XDG_CACHE_HOME"), variable("HOME")).ok_or_else(|| {
        Failure::said(format!(
            "neither HOME nor XDG_CACHE_HOME says where a compiler may be kept; {OTHERWISE}"
        ))
    })?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    Cache { folder, path, oldest: env!("CARGO_PKG_RUST_VERSION") }.rustc()
}

fn folder(cache: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    Some(debian::cache_folder(cache, home)?.join("rust"))
}

/// Where compilers are kept.
struct Cache {
    folder: PathBuf,
    /// `PATH` for the package manager's programs.
    path: OsString,
    /// The oldest version of Rust that will do.
    oldest: &'static str,
}

impl Cache {
    fn rustc(&self) -> Result<PathBuf, Failure> {
        std::fs::create_dir_all(&self.folder).map_err(|error| failed(&self.folder, &error))?;
        let _lock = debian::lock(&self.folder.join("lock"), "the compiler for aarch64")?;
        debian::remove_rests(&self.folder, PART);
        // Named after the process: a program that a killed run left running may still write into that run's folder.
        let part = Part::new(self.folder.join(format!("{PART}{}", std::process::id())))?;
        if let Some(found) = self.newest() {
            if works(&found, &part.0).is_ok() {
                return Ok(found.join("rustc"));
            }
            eprintln!("{} does not work any more and is made anew", found.display());
        }
        self.get(&part.0)
    }

    /// The newest complete compiler that is not too old.
    fn newest(&self) -> Option<PathBuf> {
        let names = self.names().into_iter();
        let fit = names.filter_map(|name| Some((version(&name)?, name)));
        let fit = fit.filter(|(found, _)| Some(*found) >= version(self.oldest));
        fit.max().map(|(_, name)| self.folder.join(name))
    }

    fn names(&self) -> Vec<String> {
        debian::names(&self.folder)
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

        let root = part.join("root");
        std::fs::create_dir_all(&root).map_err(|error| failed(&root, &error))?;
        let apt = Apt::new(&self.path, part, Path::new("/var/lib/dpkg/status"))?;
        let apt = Apt { architectures: &["amd64", "arm64"], ..apt };
        apt.update();
        let offered = run::output(apt.program("apt-cache").args(["policy", COMPILER]))?;
        let offered = self.candidate(&offered)?;
        eprintln!("{COMPILER} {offered}");
        // The library's dependencies on this machine, without those that it has; the compiler's are what cargo needs.
        apt.download(&[format!("{LIBRARY}={offered}")])?;
        debian::run_as(
            "the download",
            apt.program("apt-get")
                .current_dir(apt.archives())
                .arg("download")
                .args([format!("{COMPILER}={offered}"), format!("{LIBRARY}:arm64={offered}")]),
        )?;
        for package in apt.downloaded() {
            let mut command = Command::new("dpkg-deb");
            command.env("PATH", &self.path).arg("--extract").arg(&package).arg(&root);
            debian::run_as("unpacking", &mut command)?;
        }
        run::write_script(&root.join("rustc"), WRAPPER)?;
        works(&root, part)
            .map_err(|failure| Failure::said(format!("the unpacked compiler does not work: {failure}")))?;
        self.keep(&root, &offered, part)
    }

    /// Whether there is anything here to get a compiler with.
    fn check_system(&self) -> Result<(), Failure> {
        let debian = debian::has_programs(&self.path, &["apt-get", "apt-cache", "dpkg-deb"]);
        if debian && cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Ok(());
        }
        Err(Failure::said(format!(
            "the Rust toolchain lacks the standard library for {TARGET}, and packages with it exist on Debian (amd64) \
             only; {OTHERWISE}"
        )))
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

/// The number of a Rust or Debian version: `1.95`, `1.96.0+dfsg1-1~deb12u2`, `1:1.96.0`.
fn version(text: &str) -> Option<(u32, u32, u32)> {
    let text = text.rsplit_once(':').map_or(text, |(_, text)| text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let mut numbers = text.get(..end)?.split('.').map(str::parse);
    let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some((major, minor, numbers.next().transpose().ok()?.unwrap_or(0)))
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "unpacked_tests.rs"]
mod tests;
