//! The programs that NFS is tested with, unpacked by `cargo xtask nfs tools` and never installed.
//!
//! Choosing and unpacking them is xtask's affair (`crates/xtask/src/nfs_tools.rs`); here they are found and started
//! with their own libraries.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

/// Written last when the tools are unpacked.
const MANIFEST: &str = "manifest";

/// The folder the programs are unpacked into, laid out as the root of a system: `$SLOTWRIGHT_NFS_TOOLS`, by default
/// `slotwright/nfs-tools` in the user's cache.
///
/// # Panics
/// When they are not there.
pub fn root() -> PathBuf {
    let root = folder().unwrap_or_default();
    assert!(
        root.join(MANIFEST).is_file(),
        "there are no NFS tools in {:?}; run `cargo xtask nfs tools`",
        root.display().to_string()
    );
    root
}

/// A file of the tools, by its place in a system: `boot/…`, `usr/lib/…`.
///
/// # Panics
/// When it is not there.
pub fn file(path: &str) -> PathBuf {
    let file = root().join(path);
    assert!(file.exists(), "there is no {path} among the NFS tools; run `cargo xtask nfs tools`");
    file
}

/// A program of the tools, by its place in a system: `usr/sbin/exportfs`. The four folders of programs are one.
///
/// # Panics
/// When it is not there.
pub fn program(path: &str) -> Command {
    let mut command = Command::new(file(path));
    command.env("LD_LIBRARY_PATH", libraries());
    command
}

/// Where the programs find their libraries, as `LD_LIBRARY_PATH` has it. Only for them: programs of the system have
/// their own.
///
/// # Panics
/// When the tools are not there.
pub fn libraries() -> OsString {
    let root = root();
    env::join_paths(["usr/lib/x86_64-linux-gnu", "usr/lib/ganesha"].map(|path| root.join(path))).unwrap()
}

fn folder() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("SLOTWRIGHT_NFS_TOOLS").or_else(|| {
        let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(cache.join(Path::new("slotwright/nfs-tools")))
    })
}
