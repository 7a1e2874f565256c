//! The programs that NFS is tested with: servers, clients, and a machine to run them in.
//!
//! [`tools`](crate::tools) unpacks them; the tests find them with `tests/src/nfs/tools.rs`.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{self, variable};
use crate::failure::Failure;
use crate::tools::{Kit, Store};

pub(crate) static KIT: Kit = Kit {
    what: "the NFS tools",
    purpose: "Programs that NFS is tested with",
    variable: "SLOTWRIGHT_NFS_TOOLS",
    packages: &[
        // The server in user space, on files and on memory, and the bus by which it is told of exports.
        "nfs-ganesha",
        "nfs-ganesha-vfs",
        "nfs-ganesha-mem",
        "dbus-daemon",
        "dbus-bin",
        // NFSv3 finds its ports there.
        "rpcbind",
        // exportfs, rpc.nfsd, rpc.mountd; mount.nfs, showmount.
        "nfs-kernel-server",
        "nfs-common",
        // nfs-ls, nfs-cat, nfs-cp: clients in user space.
        "libnfs-utils",
        // A machine, its kernel, and what it boots into.
        "qemu-system-x86",
        "linux-image-cloud-amd64",
        "busybox-static",
        "kmod",
        "e2fsprogs",
        // Network namespaces: ip, ss.
        "iproute2",
    ],
    size: "80 MB to download, 250 MB unpacked",
    tried: &[
        ("usr/bin/ganesha.nfsd", "-v"),
        ("usr/bin/dbus-daemon", "--version"),
        ("usr/sbin/rpc.mountd", "--version"),
        ("usr/sbin/exportfs", "-h"),
        ("usr/sbin/mount.nfs", "-V"),
        ("usr/bin/qemu-system-x86_64", "--version"),
        ("usr/sbin/mke2fs", "-V"),
        ("usr/bin/ip", "-V"),
    ],
    libraries: &["usr/lib/ganesha"],
    layout: 1,
    finish: index_modules,
};

/// Makes sure of the tools; says so before it downloads anything, and nothing when they are there. Returns their folder.
pub(crate) fn ensure() -> Result<PathBuf, Failure> {
    let folder = folder(variable(KIT.variable), variable("XDG_CACHE_HOME"), variable("HOME"));
    let folder = folder.ok_or_else(|| {
        Failure::said(format!("neither HOME nor {} says where {} may be kept", KIT.variable, KIT.what))
    })?;
    Store { kit: &KIT, folder, path: std::env::var_os("PATH").unwrap_or_default() }.ensure()
}

fn folder(own: Option<PathBuf>, cache: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let own = own.filter(|path| path.is_absolute());
    own.or_else(|| Some(debian::cache_folder(cache, home)?.join("nfs-tools")))
}

/// Writes down which modules of the kernel need which, as installing would do.
fn index_modules(root: &Path) -> Result<(), Failure> {
    for kernel in debian::names(&root.join("usr/lib/modules")) {
        let mut depmod = Command::new(root.join("usr/bin/kmod"));
        // What the program does goes by its name.
        depmod.arg0("depmod").env("LD_LIBRARY_PATH", KIT.libraries(root));
        debian::run_as("depmod", depmod.arg("-b").arg(root).arg(kernel))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_named_or_in_the_cache() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(folder(path("/t"), path("/c"), path("/h")), path("/t"));
        assert_eq!(folder(path("t"), path("/c"), path("/h")), path("/c/slotwright/nfs-tools"));
        assert_eq!(folder(None, None, path("/h")), path("/h/.cache/slotwright/nfs-tools"));
        assert_eq!(folder(None, None, None), None);
    }
}
