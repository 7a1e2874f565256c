//! Sets of programs unpacked from Debian's packages into the user's cache.
//!
//! Nothing is installed, so no service can start and no kernel becomes the one that is booted. What is unpacked is
//! closed in itself: it is chosen for a system that has nothing but what a [`Kit`] counts as given, so that what this
//! machine has installed today, and may not have tomorrow, plays no part. The C library has to be the machine's own,
//! because its loader starts the programs. Whether they still start is tried each time.
//!
//! Everything happens in a folder beside, which gets its name when it is complete; a run that is killed leaves a rest
//! that the next one removes. What is in the kits: `nfs_tools` and `kube::programs`.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::debian::{self, Apt, Part, failed};
use crate::failure::Failure;
use crate::run;

/// What counts as being there for every kit. All but the C library is used only by scripts that installing would run.
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

/// Says in the folder what is in it. It is written last.
const MANIFEST: &str = "manifest";

/// A set of programs, and how it is made.
pub(crate) struct Kit {
    /// What it is, for sentences: `the NFS tools`.
    pub(crate) what: &'static str,
    /// What it is for, before a list of packages.
    pub(crate) purpose: &'static str,
    /// The variable that says where else it may be kept.
    pub(crate) variable: &'static str,
    /// What is unpacked, besides what it depends on.
    pub(crate) packages: &'static [&'static str],
    /// What it takes, for people.
    pub(crate) size: &'static str,
    /// Programs that must start, and how they are asked for no more than that.
    pub(crate) tried: &'static [(&'static str, &'static str)],
    /// Folders of libraries beside the usual one.
    pub(crate) libraries: &'static [&'static str],
    /// Changes whenever what is made of the packages does.
    pub(crate) layout: u32,
    /// What is to be done when all is unpacked; may use what is unpacked.
    pub(crate) finish: fn(&Path) -> Result<(), Failure>,
}

impl Kit {
    /// The first line of the manifest: what was asked for.
    fn heading(&self) -> String {
        format!("layout {}: {}", self.layout, self.packages.join(" "))
    }

    /// Where the programs find their libraries, as `LD_LIBRARY_PATH` has it.
    pub(crate) fn libraries(&self, root: &Path) -> OsString {
        let mut text = OsString::from(root.join("usr/lib/x86_64-linux-gnu"));
        for folder in self.libraries {
            text.push(":");
            text.push(root.join(folder));
        }
        text
    }

    /// Tries whether the programs start.
    fn works(&self, root: &Path) -> Result<(), Failure> {
        let libraries = self.libraries(root);
        for (program, argument) in self.tried {
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
}

/// Where a kit is kept.
pub(crate) struct Store {
    pub(crate) kit: &'static Kit,
    pub(crate) folder: PathBuf,
    /// `PATH` for the package manager's programs.
    pub(crate) path: OsString,
}

impl Store {
    /// Makes sure of the programs; says so before it downloads anything, and nothing when they are there. Returns their
    /// folder.
    pub(crate) fn ensure(&self) -> Result<PathBuf, Failure> {
        let (Some(above), Some(name)) =
            (self.folder.parent(), self.folder.file_name().and_then(|name| name.to_str()))
        else {
            return Err(Failure::said(format!(
                "{} cannot be a folder of tools: set {}",
                self.folder.display(),
                self.kit.variable
            )));
        };
        std::fs::create_dir_all(above).map_err(|error| failed(above, &error))?;
        let _lock = debian::lock(&above.join(format!("{name}.lock")), self.kit.what)?;
        let rest = format!("{name}.part-");
        debian::remove_rests(above, &rest);
        if self.is_complete() {
            match self.kit.works(&self.folder) {
                Ok(()) => return Ok(self.folder.clone()),
                Err(failure) => {
                    eprintln!("In {}: {failure}; {} are made anew", self.folder.display(), self.kit.what);
                }
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
            .is_ok_and(|text| text.lines().next() == Some(&self.kit.heading()))
    }

    /// Nothing is put in the place of what somebody else keeps there.
    fn check_place(&self) -> Result<(), Failure> {
        let empty = debian::names(&self.folder).is_empty();
        if empty || self.folder.join(MANIFEST).is_file() {
            return Ok(());
        }
        Err(Failure::said(format!(
            "{} has other things in it than {}; move them away, or set {}",
            self.folder.display(),
            self.kit.what,
            self.kit.variable
        )))
    }

    /// Downloads, unpacks, tries out, and puts the result in its place.
    fn get(&self, part: &Path) -> Result<(), Failure> {
        self.check_system()?;
        eprintln!("{}, now to be unpacked, not installed; no service is started:", self.kit.purpose);
        eprintln!("  {} and what they need", self.kit.packages.join(", "));
        eprintln!("  into {}; {}", self.folder.display(), self.kit.size);
        let status = part.join("status");
        std::fs::write(&status, given()).map_err(|error| failed(&status, &error))?;
        let apt = Apt::new(&self.path, part, &status)?;
        let apt = Apt { architectures: &["amd64"], ..apt };
        apt.update();
        apt.download(self.kit.packages)?;
        let root = part.join("root");
        prepare(&root)?;
        let mut manifest = self.kit.heading();
        for package in apt.downloaded() {
            unpack(&self.path, &package, &root)?;
            // Writing to a String cannot fail.
            let _ = write!(manifest, "\n{}", self.version(&package)?);
        }
        self.kit.works(&root)?;
        (self.kit.finish)(&root)?;
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
        Err(Failure::said(format!(
            "{} are taken from Debian's packages for amd64, and this system is another",
            self.kit.what
        )))
    }

    /// `package=version`.
    fn version(&self, package: &Path) -> Result<String, Failure> {
        let mut command = Command::new("dpkg-deb");
        command.env("PATH", &self.path).args(["--showformat", "${Package}=${Version}", "--show"]);
        Ok(run::output(command.arg(package))?.trim_end().to_owned())
    }
}

/// Unpacks a package into a root whose merged folders are links, which `dpkg-deb --extract` would replace.
pub(crate) fn unpack(path: &OsStr, package: &Path, root: &Path) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| failed(package, &error);
    let mut source = Command::new("dpkg-deb");
    source.env("PATH", path).arg("--fsys-tarfile").arg(package).stdout(Stdio::piped());
    let mut source = source.spawn().map_err(cannot)?;
    let mut target = Command::new("tar");
    target
        .env("PATH", path)
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

/// dpkg's file of a system that has installed what counts as being there.
pub(crate) fn given() -> String {
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
pub(crate) fn prepare(root: &Path) -> Result<(), Failure> {
    for (link, target) in MERGED {
        let link = root.join(link);
        let above = link.parent().unwrap_or(root);
        let target_folder = above.join(target);
        std::fs::create_dir_all(&target_folder).map_err(|error| failed(&target_folder, &error))?;
        symlink(target, &link).map_err(|error| failed(&link, &error))?;
    }
    Ok(())
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "tools_tests.rs"]
mod tests;
