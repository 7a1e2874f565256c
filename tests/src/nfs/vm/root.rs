//! What the emulated machine has: programs with their libraries, modules of its kernel, a few files, and an init that
//! hands over to [`super::machine`].
//!
//! Programs come from the tools or from this system; their libraries are what `ldd` finds. The archive is the whole
//! root: there is no disk unless one is attached.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    process::Command,
};

use super::cpio::Archive;
use crate::nfs::tools;

/// The first program. It has no network yet, and nobody to talk to.
const INIT: &str = include_str!("init.sh");

/// Users and groups: root, whom NFS calls nobody, and the one that Redis runs as.
const PASSWD: &str = "root:x:0:0::/:/bin/sh\nredis:x:999:999::/:/bin/sh\nother:x:1234:1234::/:/bin/sh\n\
                      nobody:x:65534:65534::/:/bin/sh\n";
const GROUP: &str = "root:x:0:\nredis:x:999:\nother:x:1234:\nnogroup:x:65534:\n";

/// What every machine has: its network and the channel by which it is told what to do.
const MODULES: [&str; 3] = ["virtio_pci", "virtio_net", "virtio_console"];

/// Where a program's libraries go in the machine: there its loader looks without being told.
const LIBRARIES: &str = "/lib/x86_64-linux-gnu";

/// The root of a machine.
#[derive(Debug, Default)]
pub struct Root {
    /// Files by their place in the machine.
    files: BTreeMap<String, PathBuf>,
    /// Short files, with their mode.
    texts: BTreeMap<String, (u32, String)>,
    modules: Vec<PathBuf>,
}

impl Root {
    /// Busybox, accounts, the network.
    pub fn new() -> Self {
        let mut root = Self::default();
        root.text("/init", 0o755, INIT);
        root.text("/etc/passwd", 0o644, PASSWD);
        root.text("/etc/group", 0o644, GROUP);
        root.text("/etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nhosts: files\n");
        root.text("/etc/hosts", 0o644, "127.0.0.1 localhost\n10.0.2.2 host\n10.0.2.15 guest\n");
        for name in ["netconfig", "protocols", "services", "rpc"] {
            root.files.insert(format!("/etc/{name}"), tools::file(&format!("etc/{name}")));
        }
        root.files.insert("/bin/busybox".to_owned(), tools::file("bin/busybox"));
        for module in MODULES {
            root.module(module);
        }
        root
    }

    /// A machine that can mount NFS.
    pub fn client() -> Self {
        let mut root = Self::new();
        root.module("nfsv4");
        root.module("nfsv3");
        root.tool("usr/sbin/mount.nfs");
        root.tool("usr/sbin/umount.nfs");
        root
    }

    /// A machine that can also serve it, with a disk to serve from.
    pub fn server() -> Self {
        let mut root = Self::client();
        root.module("nfsd");
        root.module("virtio_blk");
        for name in ["exportfs", "rpc.nfsd", "rpc.mountd", "rpcbind", "rpcinfo", "showmount", "nfsdcld"] {
            root.tool(&format!("usr/sbin/{name}"));
        }
        root
    }

    /// A short file.
    pub fn text(&mut self, path: &str, mode: u32, text: &str) {
        self.texts.insert(path.to_owned(), (mode, text.to_owned()));
    }

    /// A program of the tools, in `/bin`.
    pub fn tool(&mut self, path: &str) {
        self.copy(&tools::file(path), Some(&tools::libraries()));
    }

    /// A program of this system, by its name on `PATH` or its path, in `/bin`.
    pub fn program(&mut self, program: &str) {
        let path = if program.contains('/') {
            Some(PathBuf::from(program))
        } else {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
        };
        let path = path.unwrap_or_else(|| panic!("{program} is not on PATH; `cargo xtask test` installs it"));
        self.copy(&path, None);
    }

    /// A module of the kernel with those it needs, loaded at the start in the order asked for.
    pub fn module(&mut self, name: &str) {
        let folder = kernel().1;
        let index = fs::read_to_string(folder.join("modules.dep")).unwrap();
        for path in load_order(&index, name).unwrap_or_else(|| panic!("the kernel has no module {name}")) {
            let path = folder.join(path);
            if !self.modules.contains(&path) {
                self.modules.push(path);
            }
        }
    }

    fn copy(&mut self, program: &Path, libraries: Option<&OsStr>) {
        let mut ldd = Command::new("ldd");
        if let Some(libraries) = libraries {
            ldd.env("LD_LIBRARY_PATH", libraries);
        }
        // A program that needs none is no failure here: the copy will show whether it runs.
        let output = ldd.arg(program).output().unwrap();
        for (name, path) in libraries_of(&String::from_utf8_lossy(&output.stdout)) {
            let place = if name.starts_with('/') { name } else { format!("{LIBRARIES}/{name}") };
            self.files.entry(place).or_insert(path);
        }
        let name = program.file_name().unwrap().to_str().unwrap();
        self.files.insert(format!("/bin/{name}"), program.to_owned());
    }

    /// Writes the archive. `host` is the name the machine goes by: an NFS server tells its clients by it.
    pub fn write(&self, to: &Path, host: &str) {
        self.try_write(to, host).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
    }

    fn try_write(&self, to: &Path, host: &str) -> std::io::Result<()> {
        let mut archive = Archive::new(BufWriter::new(File::create(to)?));
        for folder in ["/proc", "/sys", "/dev", "/tmp", "/run", "/mnt", "/var/lib/nfs", "/etc/exports.d"] {
            archive.folder(folder)?;
        }
        // The kernel opens it before anything is mounted.
        archive.device("/dev/console", 0o600, 5, 1)?;
        archive.link("/sbin", "bin")?;
        archive.link("/usr", ".")?;
        archive.link("/etc/mtab", "/proc/self/mounts")?;
        archive.link("/var/run", "/run")?;
        for name in applets() {
            if !self.files.contains_key(&format!("/bin/{name}")) {
                archive.link(&format!("/bin/{name}"), "busybox")?;
            }
        }
        archive.file("/etc/hostname", 0o644, format!("{host}\n").as_bytes())?;
        for (path, (mode, text)) in &self.texts {
            archive.file(path, *mode, text.as_bytes())?;
        }
        for (path, file) in &self.files {
            archive.file(path, 0o755, &fs::read(file)?)?;
        }
        let mut order = String::new();
        for module in &self.modules {
            let name = module.file_name().unwrap().to_str().unwrap();
            archive.file(&format!("/modules/{name}"), 0o644, &fs::read(module)?)?;
            order.push_str(name);
            order.push('\n');
        }
        archive.file("/modules/order", 0o644, order.as_bytes())?;
        archive.finish()?;
        Ok(())
    }
}

/// The kernel, and the folder of its modules.
pub(super) fn kernel() -> (PathBuf, PathBuf) {
    let entries = fs::read_dir(tools::file("boot")).unwrap().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let versions = names.filter_map(|name| Some(name.strip_prefix("vmlinuz-")?.to_owned()));
    let version = versions.max().expect("the NFS tools have a kernel");
    (tools::file(&format!("boot/vmlinuz-{version}")), tools::file(&format!("usr/lib/modules/{version}")))
}

/// The names that busybox answers to.
fn applets() -> Vec<String> {
    let output = tools::program("bin/busybox").arg("--list").output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A module and those it needs, first what is loaded first, out of `modules.dep`, which has it the other way round.
fn load_order(index: &str, name: &str) -> Option<Vec<String>> {
    let wanted = format!("/{name}.ko");
    let line =
        index.lines().find(|line| line.split(':').next().is_some_and(|path| path.ends_with(&wanted)))?;
    let (module, needed) = line.split_once(':')?;
    let mut order: Vec<String> = needed.split_whitespace().rev().map(str::to_owned).collect();
    order.push(module.to_owned());
    Some(order)
}

/// The libraries in what `ldd` prints: the name they are asked for by, and the file. A loader's name is its place.
fn libraries_of(text: &str) -> Vec<(String, PathBuf)> {
    let found = text.lines().filter_map(|line| {
        let line = line.split(" (0x").next()?.trim();
        if let Some((name, path)) = line.split_once(" => ") {
            assert!(path != "not found", "a library is missing: {name}");
            return Some((name.to_owned(), PathBuf::from(path)));
        }
        line.starts_with('/').then(|| (line.to_owned(), PathBuf::from(line)))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_loaded_after_what_they_need() {
        let index =
            "kernel/a.ko:\nkernel/fs/b.ko: kernel/a.ko\nkernel/fs/nfs/c.ko: kernel/fs/b.ko kernel/a.ko\n";
        assert_eq!(load_order(index, "c").unwrap(), ["kernel/a.ko", "kernel/fs/b.ko", "kernel/fs/nfs/c.ko"]);
        assert_eq!(load_order(index, "a").unwrap(), ["kernel/a.ko"]);
        assert_eq!(load_order(index, "d"), None);
    }

    #[test]
    fn libraries_are_read_from_what_ldd_prints() {
        let text = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let found = libraries_of(text);
        let pair = |name: &str, path: &str| (name.to_owned(), PathBuf::from(path));
        assert_eq!(
            found,
            [
                pair("libm.so.6", "/lib/x86_64-linux-gnu/libm.so.6"),
                pair("/lib64/ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2")
            ]
        );
        assert!(libraries_of("\tnot a dynamic executable\n").is_empty());
    }
}
