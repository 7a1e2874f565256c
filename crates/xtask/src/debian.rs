//! Debian's packages without installing them: apt with lists and a cache of its own, and what a folder in the user's
//! cache needs to be filled by one run at a time and to be complete or not there.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::run;

/// Options of apt's that hold whatever is fetched.
const OPTIONS: [&str; 7] = [
    "Acquire::Languages=none",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
    "Acquire::Retries=3",
    // The folder is the user's, who need not let others in.
    "APT::Sandbox::User=",
    // The folders are ours alone, and dpkg's lock is for those who install.
    "Debug::NoLocking=true",
    "APT::Install-Recommends=false",
    "quiet=2",
];

/// Where this user keeps what can be made again: `$XDG_CACHE_HOME/slotwright`, or `~/.cache/slotwright`.
pub(crate) fn cache_folder(cache: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    // A relative one is to be ignored: XDG Base Directory Specification.
    let cache = cache.filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute());
    Some(cache.or_else(|| Some(home?.join(".cache")))?.join("slotwright"))
}

/// A variable of the environment that names a folder.
pub(crate) fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

/// A folder that is removed when it goes out of scope; after it was renamed, there is nothing left to remove.
#[derive(Debug)]
pub(crate) struct Part(pub(crate) PathBuf);

impl Part {
    /// Makes the folder.
    pub(crate) fn new(path: PathBuf) -> Result<Part, Failure> {
        std::fs::create_dir_all(&path).map_err(|error| failed(&path, &error))?;
        Ok(Part(path))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One run at a time. The lock goes with the process, however that ends.
pub(crate) fn lock(path: &Path, what: &str) -> Result<File, Failure> {
    let file = File::create(path).map_err(|error| failed(path, &error))?;
    if file.try_lock().is_err() {
        eprintln!("Another run prepares {what}; waiting for it");
        file.lock().map_err(|error| failed(path, &error))?;
    }
    Ok(file)
}

/// The names in a folder that can be read as text; none when there is no such folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Removes what killed runs left: everything in a folder whose name begins so.
pub(crate) fn remove_rests(folder: &Path, prefix: &str) {
    for name in names(folder) {
        if name.starts_with(prefix) {
            // What is in the way of nobody may stay.
            let _ = std::fs::remove_dir_all(folder.join(name));
        }
    }
}

/// Whether all these programs are on a `PATH`.
pub(crate) fn has_programs(path: &OsStr, programs: &[&str]) -> bool {
    programs.iter().all(|program| std::env::split_paths(path).any(|folder| folder.join(program).is_file()))
}

/// Programs of apt's. The system's sources and keys are read only.
#[derive(Debug)]
pub(crate) struct Apt<'a> {
    /// `PATH` for the programs.
    pub(crate) path: &'a OsStr,
    /// Where it reads its lists into.
    pub(crate) lists: PathBuf,
    /// Where it puts packages.
    pub(crate) packages: PathBuf,
    /// dpkg's file of what is installed, or one in its place.
    pub(crate) status: PathBuf,
    /// For which processors, this machine's first; all that the system is set up for when none is given.
    pub(crate) architectures: &'static [&'static str],
}

impl<'a> Apt<'a> {
    /// With folders below `part`, which it makes, for a system that has installed what `status` says.
    pub(crate) fn new(path: &'a OsStr, part: &Path, status: &Path) -> Result<Apt<'a>, Failure> {
        let (lists, packages) = (part.join("lists"), part.join("packages"));
        for folder in [lists.join("lists/partial"), packages.join("archives/partial")] {
            std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
        }
        Ok(Apt { path, lists, packages, status: status.to_owned(), architectures: &[] })
    }

    /// One of the programs, with all that keeps it off the system.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", self.path).env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        let places = [
            ("Dir::State=", &self.lists),
            ("Dir::Cache=", &self.packages),
            ("Dir::State::status=", &self.status),
        ];
        for (option, place) in places {
            let mut text = OsString::from(option);
            text.push(place);
            command.arg("-o").arg(text);
        }
        for option in OPTIONS {
            command.args(["-o", option]);
        }
        for architecture in self.architectures {
            command.arg("-o").arg(format!("APT::Architectures::={architecture}"));
        }
        command
    }

    /// Reads the lists of the system's sources.
    pub(crate) fn update(&self) {
        if run::run(self.program("apt-get").arg("update")).is_err() {
            // One broken third-party source must not stop us from using the others.
            eprintln!("warning: apt-get update reported errors; going on");
        }
    }

    /// Downloads packages and what they depend on, save what is installed.
    pub(crate) fn download<T: AsRef<OsStr>>(&self, packages: &[T]) -> Result<(), Failure> {
        let mut command = self.program("apt-get");
        command.args(["--yes", "--reinstall", "--download-only", "install"]).args(packages);
        run_as("the download", &mut command)
    }

    /// Where downloaded packages are.
    pub(crate) fn archives(&self) -> PathBuf {
        self.packages.join("archives")
    }

    /// The downloaded packages, by name.
    pub(crate) fn downloaded(&self) -> Vec<PathBuf> {
        let folder = self.archives();
        let mut names = names(&folder);
        names.retain(|name| name.ends_with(".deb"));
        names.sort();
        names.into_iter().map(|name| folder.join(name)).collect()
    }
}

/// Runs a command whose whole line would tell nobody anything.
pub(crate) fn run_as(what: &str, command: &mut Command) -> Result<(), Failure> {
    run::run(command).map_err(|failure| match failure {
        Failure::Program { status, .. } => Failure::said(format!("{what} failed ({status}); see above")),
        said => said,
    })
}

/// What went wrong with a file or folder.
pub(crate) fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::said(format!("{}: {error}", path.display()))
}
