//! The programs that NFS is tested with, unpacked into the user's cache: servers, clients, and a machine to run them in.
//!
//! Nothing is installed, so no service can start and no kernel becomes the one that is booted. What is unpacked is
//! closed in itself: it is chosen for a system that has nothing but the C library ([`GIVEN`]), so that what this
//! machine has installed today, and may not have tomorrow, plays no part. The C library has to be the machine's own,
//! because its loader starts the programs. Whether they still start is tried each time.
//!
//! Everything happens in a folder beside, which gets its name when it is complete; a run that is killed leaves a rest
//! that the next one removes. The tests find the programs with `tests/src/nfs/tools.rs`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::debian::{self, Apt, Part, failed, variable};
use crate::failure::Failure;
use crate::run;

/// Names the folder, instead of one in the user's cache.
const VARIABLE: &str = "SLOTWRIGHT_NFS_TOOLS";

/// What is unpacked, besides what it depends on.
const PACKAGES: [&str; 14] = [
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
    "e2fsprogs",
    // Network namespaces: ip, ss.
    "iproute2",
];

/// What counts as being there. All but the C library is used only by scripts that installing would run.
const GIVEN: [&str; 16] = [
    "libc6",
    "adduser",
    "debconf",
    "init-system-helpers",
    "initramfs-tools",
    "iso-codes",
    "libpam-systemd",
    "linux-base",
    "lsb-base",
    "perl",
    "perl-base",
    "python3",
    "sysvinit-utils",
    "systemd",
    "ucf",
    "udev",
];

/// Folders that Debian has merged, or is about to: one folder of programs, one of libraries.
const MERGED: [(&str, &str); 5] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/bin"),
    ("usr/sbin", "bin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
];

/// Programs that must start, and how they are asked for no more than that.
const TRIED: [(&str, &str); 8] = [
    ("usr/bin/ganesha.nfsd", "-v"),
    ("usr/bin/dbus-daemon", "--version"),
    ("usr/sbin/rpc.mountd", "--version"),
    ("usr/sbin/exportfs", "-h"),
    ("usr/sbin/mount.nfs", "-V"),
    ("usr/bin/qemu-system-x86_64", "--version"),
    ("usr/sbin/mke2fs", "-V"),
    ("usr/bin/ip", "-V"),
];

/// Says in the folder what is in it. It is written last.
const MANIFEST: &str = "manifest";

/// Changes whenever what is made of the packages does.
const LAYOUT: u32 = 1;

/// Makes sure of the tools; says so before it downloads anything, and nothing when they are there. Returns their folder.
pub(crate) fn ensure() -> Result<PathBuf, Failure> {
    let folder =
        folder(variable(VARIABLE), variable("XDG_CACHE_HOME"), variable("HOME")).ok_or_else(|| {
            Failure::said(format!("neither HOME nor {VARIABLE} says where the NFS tools may be kept"))
        })?;
    Store { folder, path: std::env::var_os("PATH").unwrap_or_default() }.ensure()
}

fn folder(own: Option<PathBuf>, cache: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let own = own.filter(|path| path.is_absolute());
    own.or_else(|| Some(debian::cache_folder(cache, home)?.join("nfs-tools")))
}

/// Where the tools are kept.
struct Store {
    folder: PathBuf,
    /// `PATH` for the package manager's programs.
    path: OsString,
}

impl Store {
    fn ensure(&self) -> Result<PathBuf, Failure> {
        let (Some(above), Some(name)) =
            (self.folder.parent(), self.folder.file_name().and_then(|name| name.to_str()))
        else {
            return Err(Failure::said(format!(
                "{} cannot be a folder of tools: set {VARIABLE}",
                self.folder.display()
            )));
        };
        std::fs::create_dir_all(above).map_err(|error| failed(above, &error))?;
        let _lock = debian::lock(&above.join(format!("{name}.lock")), "the NFS tools")?;
        let rest = format!("{name}.part-");
        debian::remove_rests(above, &rest);
        if self.is_complete() {
            match works(&self.folder) {
                Ok(()) => return Ok(self.folder.clone()),
                Err(failure) => eprintln!("The NFS tools do not work any more ({failure}) and are made anew"),
            }
        }
        self.check_place()?;
        // Named after the process: a program that a killed run left running may still write into that run's folder.
        let part = Part::new(above.join(format!("{rest}{}", std::process::id())))?;
        self.get(&part.0)?;
        Ok(self.folder.clone())
    }

    /// Whether what this program would unpack is there.
    fn is_complete(&self) -> bool {
        std::fs::read_to_string(self.folder.join(MANIFEST))
            .is_ok_and(|text| text.lines().next() == Some(&heading()))
    }

    /// Nothing is put in the place of what somebody else keeps there.
    fn check_place(&self) -> Result<(), Failure> {
        let empty = debian::names(&self.folder).is_empty();
        if empty || self.folder.join(MANIFEST).is_file() {
            return Ok(());
        }
        Err(Failure::said(format!(
            "{} has other things in it than the NFS tools; move them away, or set {VARIABLE}",
            self.folder.display()
        )))
    }

    /// Downloads, unpacks, tries out, and puts the result in its place.
    fn get(&self, part: &Path) -> Result<(), Failure> {
        self.check_system()?;
        eprintln!("Programs that NFS is tested with, now to be unpacked, not installed; nothing is started:");
        eprintln!("  {} and what they need", PACKAGES.join(", "));
        eprintln!("  into {}; 80 MB to download, 250 MB unpacked", self.folder.display());
        let status = part.join("status");
        std::fs::write(&status, given()).map_err(|error| failed(&status, &error))?;
        let apt = Apt::new(&self.path, part, &status)?;
        let apt = Apt { architectures: &["amd64"], ..apt };
        apt.update();
        apt.download(&PACKAGES)?;
        let root = part.join("root");
        prepare(&root)?;
        let mut manifest = heading();
        for package in apt.downloaded() {
            self.unpack(&package, &root)?;
            // Writing to a String cannot fail.
            let _ = write!(manifest, "\n{}", self.version(&package)?);
        }
        works(&root)?;
        manifest.push('\n');
        let file = root.join(MANIFEST);
        std::fs::write(&file, manifest).map_err(|error| failed(&file, &error))?;
        if self.folder.exists() {
            // Goes with the rest of `part`. What runs from there goes on running.
            std::fs::rename(&self.folder, part.join("old")).map_err(|error| failed(&self.folder, &error))?;
        }
        std::fs::rename(&root, &self.folder).map_err(|error| failed(&self.folder, &error))
    }

    /// Whether there is anything here to get the tools with.
    fn check_system(&self) -> Result<(), Failure> {
        let debian = debian::has_programs(&self.path, &["apt-get", "dpkg-deb", "tar"]);
        if debian && cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Ok(());
        }
        Err(Failure::said(
            "the programs that NFS is tested with are taken from Debian's packages for amd64, and this system is another",
        ))
    }

    /// Unpacks a package into a root whose merged folders are links, which `dpkg-deb --extract` would replace.
    fn unpack(&self, package: &Path, root: &Path) -> Result<(), Failure> {
        let cannot = |error: std::io::Error| failed(package, &error);
        let mut source = Command::new("dpkg-deb");
        source.env("PATH", &self.path).arg("--fsys-tarfile").arg(package).stdout(Stdio::piped());
        let mut source = source.spawn().map_err(cannot)?;
        let mut target = Command::new("tar");
        target
            .env("PATH", &self.path)
            .args(["--extract", "--keep-directory-symlink", "--no-same-owner"])
            // The one way a link between two folders, now one, does not replace what it points at.
            .arg("--skip-old-files")
            .args(
                ["./usr/share/doc", "./usr/share/man", "./usr/share/locale"]
                    .map(|path| format!("--exclude={path}")),
            )
            .arg("--directory")
            .arg(root);
        if let Some(output) = source.stdout.take() {
            target.stdin(output);
        }
        let unpacked = debian::run_as("unpacking", &mut target);
        let status = source.wait().map_err(cannot)?;
        unpacked?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::said(format!("{} cannot be unpacked ({status})", package.display())))
    }

    /// `package=version`.
    fn version(&self, package: &Path) -> Result<String, Failure> {
        let mut command = Command::new("dpkg-deb");
        command.env("PATH", &self.path).args(["--showformat", "${Package}=${Version}", "--show"]);
        Ok(run::output(command.arg(package))?.trim_end().to_owned())
    }
}

/// The first line of the manifest: what was asked for.
fn heading() -> String {
    format!("layout {LAYOUT}: {}", PACKAGES.join(" "))
}

/// dpkg's file of a system that has installed what counts as being there.
fn given() -> String {
    let mut text = String::new();
    for name in GIVEN {
        let _ = writeln!(
            text,
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: foreign\n\
             Version: 999:1\nMaintainer: nobody\nDescription: counts as being there\n"
        );
    }
    text
}

/// The folders that packages are unpacked into, with the links between them.
fn prepare(root: &Path) -> Result<(), Failure> {
    for (link, target) in MERGED {
        let link = root.join(link);
        let above = link.parent().unwrap_or(root);
        let target_folder = above.join(target);
        std::fs::create_dir_all(&target_folder).map_err(|error| failed(&target_folder, &error))?;
        symlink(target, &link).map_err(|error| failed(&link, &error))?;
    }
    Ok(())
}

/// Tries whether the programs start.
fn works(root: &Path) -> Result<(), Failure> {
    let libraries = libraries(root);
    for (program, argument) in TRIED {
        let path = root.join(program);
        let tried = Command::new(&path).arg(argument).env("LD_LIBRARY_PATH", &libraries).output();
        let tried = tried.map_err(|error| failed(&path, &error))?;
        if !tried.status.success() {
            let said = String::from_utf8_lossy(&tried.stderr);
            return Err(Failure::said(format!("{program} does not start: {}", said.trim())));
        }
    }
    Ok(())
}

/// Where the programs find their libraries, as `LD_LIBRARY_PATH` has it.
fn libraries(root: &Path) -> OsString {
    let mut text = OsString::from(root.join("usr/lib/x86_64-linux-gnu"));
    text.push(":");
    text.push(root.join("usr/lib/ganesha"));
    text
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "nfs_tools_tests.rs"]
mod tests;
