//! `check-no-std`: whether the slot crate still builds where there is no `std`.
//!
//! An ordinary target has `std`, so a stray use of it compiles there, `#![no_std]` or not, as soon as a dependency
//! brings it in. Here the crate meets a copy of this machine's own target that has only `core` and `alloc`: the
//! libraries of the active toolchain, linked into a folder without the rest. Nothing is downloaded.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::run;

/// The libraries of a target without an operating system.
const LIBRARIES: [&str; 3] = ["core", "alloc", "compiler_builtins"];

/// Checks the slot crate without its default features against `core` and `alloc` alone.
pub(crate) fn check() -> Result<(), Failure> {
    eprintln!("slotwright-slots where there is no std, only core and alloc");
    let host = run::host_target()?;
    let sysroot = run::release_folder()?.with_file_name("no-std");
    prepare(&run::target_libraries(&host)?, &sysroot, &host)?;
    // With --target, these flags are for the crate and its dependencies, not for their build scripts.
    let mut flags = OsString::from("--sysroot\u{1f}");
    flags.push(&sysroot);
    run::run(
        run::cargo()
            .args(["check", "--quiet", "--locked", "--package", "slotwright-slots", "--no-default-features"])
            .args(["--features", "serde"])
            .args(["--target", &host])
            .env("CARGO_ENCODED_RUSTFLAGS", flags),
    )
}

/// Makes a sysroot with the libraries of `from` that need no operating system.
fn prepare(from: &Path, sysroot: &Path, target: &str) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| Failure::said(format!("{}: {error}", path.display()));
    let into = sysroot.join("lib/rustlib").join(target).join("lib");
    // Those of another toolchain must go.
    if sysroot.exists() {
        std::fs::remove_dir_all(sysroot).map_err(|error| failed(sysroot, error))?;
    }
    std::fs::create_dir_all(&into).map_err(|error| failed(&into, error))?;
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(from).map_err(|error| failed(from, error))?.flatten() {
        let name = entry.file_name();
        if LIBRARIES.iter().any(|library| is_library(&name.to_string_lossy(), library)) {
            found.push(entry.path());
        }
    }
    if found.len() < LIBRARIES.len() {
        return Err(Failure::said(format!("{} lacks core or alloc", from.display())));
    }
    for path in found {
        let link = into.join(path.file_name().unwrap_or_default());
        std::os::unix::fs::symlink(&path, &link).map_err(|error| failed(&link, error))?;
    }
    Ok(())
}

/// Whether a file of a toolchain is a library, with or without its code: `libcore-<hash>.rlib`, `.rmeta`.
pub(crate) fn is_library(file: &str, library: &str) -> bool {
    let rest = file.strip_prefix("lib").and_then(|file| file.strip_prefix(library));
    let hash = rest.and_then(|rest| rest.strip_prefix('-')).and_then(|rest| rest.split_once('.'));
    hash.is_some_and(|(_, end)| end == "rlib" || end == "rmeta")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_told_by_their_whole_name() {
        assert!(is_library("libcore-120cbae4e86ec454.rlib", "core"));
        assert!(is_library("libcore-120cbae4e86ec454.rmeta", "core"));
        for other in ["libcore_detect-1.rlib", "libstd-1.rlib", "libcore-1.so", "core-1.rlib", "libcore.rlib"]
        {
            assert!(!is_library(other, "core"), "{other}");
        }
    }

    #[test]
    fn the_sysroot_has_core_and_alloc_of_this_toolchain_and_nothing_else() {
        let base = std::env::temp_dir().join(format!("xtask-no-std-{}", std::process::id()));
        let (from, sysroot) = (base.join("from"), base.join("sysroot"));
        std::fs::create_dir_all(&from).unwrap();
        for name in ["libcore-1.rlib", "liballoc-1.rlib", "libcompiler_builtins-1.rlib", "libstd-1.rlib"] {
            std::fs::write(from.join(name), "").unwrap();
        }
        prepare(&from, &sysroot, "t").unwrap();
        std::fs::rename(from.join("libcore-1.rlib"), from.join("libcore-2.rlib")).unwrap();
        prepare(&from, &sysroot, "t").unwrap();
        let mut names: Vec<_> = std::fs::read_dir(sysroot.join("lib/rustlib/t/lib"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["liballoc-1.rlib", "libcompiler_builtins-1.rlib", "libcore-2.rlib"]);
        std::fs::remove_file(from.join("liballoc-1.rlib")).unwrap();
        assert!(prepare(&from, &sysroot, "t").unwrap_err().to_string().contains("lacks core or alloc"));
        std::fs::remove_dir_all(&base).unwrap();
    }
}
