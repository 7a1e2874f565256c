//! The Linux kernel's server: a drop-in file of exports(5), and exportfs(8).
//!
//! One export is changed at a time, by `exportfs -i` and `-u`. Never by `exportfs -r`: an error in anybody's file then
//! takes every export away that stands behind it.

mod users;

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    net::{IpAddr, ToSocketAddrs},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use slotwright_machine::Machine;

use super::{Configuration, Configured, FileChange, Served, User};
use crate::{
    Error, Export, Finding,
    exports::{
        self, Client, Document, Entry, Facts, Flavour, Grant, Host, Located, Options, Place, Release,
        Security, Table,
    },
};

const HEADER: &[u8] = b"# Written by Slotwright; `slotwright exports apply` replaces what is changed here.\n\
    # Exports of others belong in a file of their own.\n";

/// Longest time for one call of exportfs(8): it looks up host names.
const EXPORTFS_LIMIT: Duration = Duration::from_secs(30);

/// Where the kernel's server has its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelFiles {
    /// The folder of `exports`, which is only read, and of `exports.d`, in which one file is written.
    pub etc: PathBuf,
    /// The folder of `etab`, in which exportfs(8) keeps what it told the kernel (or will when that runs), and of `rmtab`,
    /// in which rpc.mountd(8) notes who mounted what over NFSv3.
    pub state: PathBuf,
    /// The kernel's own folder.
    pub nfsd: PathBuf,
    /// The program exportfs(8): a name to be found in PATH, or a path.
    pub exportfs: PathBuf,
}

impl Default for KernelFiles {
    /// The places that nfs-utils uses.
    fn default() -> Self {
        Self {
            etc: "/etc".into(),
            state: "/var/lib/nfs".into(),
            nfsd: "/proc/fs/nfsd".into(),
            exportfs: "exportfs".into(),
        }
    }
}

/// The Linux kernel's server, with a drop-in file for one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    files: KernelFiles,
    drop_in: PathBuf,
}

impl Kernel {
    /// The server with its files, and the drop-in file of `deployment`.
    pub fn new(files: KernelFiles, deployment: &str) -> Self {
        let drop_in = files.etc.join("exports.d").join(format!("slotwright-{deployment}.exports"));
        Self { files, drop_in }
    }

    pub(super) fn config_file(&self) -> &Path {
        &self.drop_in
    }

    pub(super) fn check_running(&self) -> Result<(), Error> {
        let threads = self.files.nfsd.join("threads");
        let why = match fs::read_to_string(&threads) {
            Ok(text) if text.trim().parse::<u32>().is_ok_and(|threads| threads > 0) => return Ok(()),
            Ok(_) => format!("{} says that it has no threads", threads.display()),
            Err(error) => format!("{}: {error}", threads.display()),
        };
        Err(Error::NotRunning {
            server: "the kernel's NFS server",
            why,
            remedy: "start it (Debian: systemctl start nfs-server), or prepare for its start with --offline",
        })
    }

    pub(super) fn files(
        &self,
        configuration: &Configuration,
        exports: &[Export],
    ) -> Result<Vec<FileChange>, Error> {
        let before = configuration.files.get(&self.drop_in).cloned();
        let after = match exports {
            [] => None,
            exports => Some(self.render(exports)?.into_bytes()),
        };
        Ok(vec![FileChange { path: self.drop_in.clone(), before, after, mode: 0o644 }])
    }

    pub(super) fn render(&self, exports: &[Export]) -> Result<String, Error> {
        let mut document = Document::parse(HEADER);
        for export in exports {
            document.add(&export.path, &export.grants).map_err(|error| Error::Configuration {
                place: export.path.display().to_string(),
                what: format!("it cannot be written as exports(5) has it: {error}"),
            })?;
        }
        Ok(String::from_utf8_lossy(&document.to_bytes()).into_owned())
    }

    pub(super) fn configuration(&self) -> Result<Configuration, Error> {
        let table = Table::read(&self.files.etc).map_err(|error| unreadable(&error.path, error.source))?;
        let mut configuration = Configuration::default();
        for file in &table.files {
            let ours = file.path == self.drop_in;
            if let Some(error) = file.document.errors().next().filter(|_| ours) {
                return Err(Error::Configuration {
                    place: format!("{}:{}", file.path.display(), error.position),
                    what: format!(
                        "{}; mend or remove the line: an export in it would be lost",
                        error.problem
                    ),
                });
            }
            let list = if ours { &mut configuration.ours } else { &mut configuration.foreign };
            list.extend(file.document.entries().map(|entry| configured(&file.path, &entry)));
            configuration.files.insert(file.path.clone(), file.document.to_bytes());
        }
        Ok(configuration)
    }

    /// What is wrong or dangerous in all files once ours says `exports`.
    pub(super) fn findings(
        &self,
        configuration: &Configuration,
        exports: &[Export],
        machine: &dyn Facts,
    ) -> Result<Vec<Finding>, Error> {
        let ours = self.render(exports)?.into_bytes();
        let main = configuration.files.get(&self.files.etc.join("exports"));
        let others = configuration
            .files
            .iter()
            .filter(|(path, _)| **path != self.drop_in && path.parent() == self.drop_in.parent());
        let drop_ins = others.map(|(path, bytes)| (path, bytes.clone())).chain([(&self.drop_in, ours)]);
        let named = drop_ins.map(|(path, bytes)| (path.file_name().unwrap_or_default().to_owned(), bytes));
        let table = Table::new(&self.files.etc, main.map(Vec::as_slice), named);
        Ok(exports::lint(&table, &Afterwards { machine, exports }))
    }

    fn etab(&self) -> PathBuf {
        self.files.state.join("etab")
    }

    /// What exportfs(8) keeps in its table.
    pub(super) fn served(&self) -> Result<Vec<Served>, Error> {
        let bytes = read(&self.etab())?.unwrap_or_default();
        let document = Document::parse(&bytes);
        if let Some(error) = document.errors().next() {
            let place = format!("{}:{}", self.etab().display(), error.position);
            let what = format!("{}; the table is written by exportfs: run `exportfs -ra`", error.problem);
            return Err(Error::Configuration { place, what });
        }
        let mut served: Vec<Served> = Vec::new();
        for entry in document.entries() {
            let grants = entry.grants().iter().map(|given| given.grant.clone());
            match served.iter_mut().find(|known| known.path == entry.path()) {
                Some(known) => known.grants.get_or_insert_default().extend(grants),
                None => served.push(Served {
                    path: entry.path().to_path_buf(),
                    id: id_of(&entry),
                    grants: Some(grants.collect()),
                }),
            }
        }
        Ok(served)
    }

    pub(super) fn users(&self, served: &Served) -> Result<Vec<User>, Error> {
        users::users(&served.path, &self.files.nfsd, &self.files.state.join("rmtab")).map_err(|error| {
            Error::UsersUnknown {
                path: served.path.clone(),
                why: error.to_string(),
                remedy: "run as root; or name the export with --even-if-used when you know that nobody does",
            }
        })
    }

    pub(super) fn serve(
        &self,
        machine: &Machine,
        export: &Export,
        was: Option<&Served>,
    ) -> Result<(), Error> {
        // Clients that come or change first: whoever is in both is never without.
        for grant in &export.grants {
            let target = target(&grant.client, &export.path);
            let options = grant.options.to_string();
            self.exportfs(machine, &["-i", "-o", &options], &target)?;
        }
        let gone = was
            .and_then(|was| was.grants.as_ref())
            .into_iter()
            .flatten()
            .filter(|old| !export.grants.iter().any(|grant| grant.client.is_same(&old.client)));
        for grant in gone {
            self.exportfs(machine, &["-u"], &target(&grant.client, &export.path))?;
        }
        Ok(())
    }

    pub(super) fn withdraw(&self, machine: &Machine, served: &Served) -> Result<(), Error> {
        for grant in served.grants.iter().flatten() {
            self.exportfs(machine, &["-u"], &target(&grant.client, &served.path))?;
        }
        Ok(())
    }

    fn exportfs(&self, machine: &Machine, words: &[&str], target: &OsStr) -> Result<(), Error> {
        let mut command = Command::new(&self.files.exportfs);
        command.args(words).arg(target).env("LC_ALL", "C");
        let what = format!("exportfs {} {}", words.join(" "), target.to_string_lossy());
        let failed = |what: String, remedy: &str| Error::Server {
            who: self.files.exportfs.display().to_string(),
            what,
            remedy: remedy.to_owned(),
        };
        let done = machine.ask_program(&what, &mut command, EXPORTFS_LIMIT).map_err(|error| {
            failed(
                format!("it cannot be run: {error}"),
                "install it (Debian: apt-get install nfs-kernel-server), or name it with storage.nfs.kernel.exportfs",
            )
        })?;
        if done.status.success() {
            return Ok(());
        }
        let said = done.stderr.trim().replace('\n', "; ");
        Err(failed(format!("`{what}` failed: {said}"), "see what it says"))
    }
}

/// A file's content; `None` when it is not there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(unreadable(path, source)),
    }
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::File {
        action: "read",
        path: path.to_path_buf(),
        source,
        remedy: "run as root, on the machine that serves",
    }
}

/// The machine as it will be: the directories of exports are made before they are exported.
struct Afterwards<'a> {
    machine: &'a dyn Facts,
    exports: &'a [Export],
}

impl Facts for Afterwards<'_> {
    fn place(&self, path: &Path) -> Place {
        match self.machine.place(path) {
            Place::Missing if self.exports.iter().any(|export| export.path == path) => Place::Unknown,
            place => place,
        }
    }

    fn resolves(&self, host: &str) -> Option<bool> {
        self.machine.resolves(host)
    }

    fn release(&self) -> Option<Release> {
        self.machine.release()
    }
}

fn configured(file: &Path, entry: &Located<'_>) -> Configured {
    Configured {
        path: entry.path().to_path_buf(),
        id: id_of(entry),
        grants: entry.grants().iter().map(|given| given.grant.clone()).collect(),
        place: format!("{}:{}", file.display(), entry.position()),
    }
}

/// The id of an export: the first that one of its grants has. 0 is the root of NFSv4, and greater ones are none of ours.
fn id_of(entry: &Entry) -> Option<u16> {
    let ids = entry.grants().iter().filter_map(|given| given.grant.options.fsid);
    ids.filter_map(|id| u16::try_from(id).ok()).find(|id| *id > 0)
}

/// Client and path, as exportfs(8) takes them: `client:path`, an IPv6 address in brackets.
fn target(client: &Client, path: &Path) -> OsString {
    let text = client.to_string();
    let client = match text.split_once('/') {
        _ if !text.contains(':') => text,
        Some((address, prefix)) => format!("[{address}]/{prefix}"),
        None => format!("[{text}]"),
    };
    let mut target = OsString::from(format!("{client}:"));
    target.push(path);
    target
}

/// Whether two lists of grants mean the same to the server, whatever was left unsaid.
pub(super) fn same_grants(one: &[Grant], other: &[Grant]) -> bool {
    let covers = |one: &[Grant], other: &[Grant]| {
        other.iter().all(|grant| {
            one.iter().any(|known| {
                plain(&known.options) == plain(&grant.options) && same_client(&known.client, &grant.client)
            })
        })
    };
    covers(one, other) && covers(other, one)
}

/// Whether two clients are one: exportfs(8) keeps the name that the resolver answers with, not the one it was given.
fn same_client(one: &Client, other: &Client) -> bool {
    let addresses = |client: &Client| -> Vec<IpAddr> {
        match client {
            Client::Host(Host::Address(address)) => vec![*address],
            Client::Host(Host::Name(name)) => {
                let found = (name.as_str(), 0).to_socket_addrs();
                found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    };
    one.is_same(other) || {
        let known = addresses(one);
        !known.is_empty() && addresses(other).iter().any(|address| known.contains(address))
    }
}

/// Options without what says the same in more words: a lone `sec=sys`, and a delay that `async` ignores.
fn plain(options: &Options) -> Options {
    let mut plain = options.clone();
    if let [Security { flavour: Flavour::Sys, access }] = plain.security.as_slice() {
        plain.access = *access;
        plain.security.clear();
    }
    plain.wdelay = plain.wdelay && plain.sync;
    plain
}
