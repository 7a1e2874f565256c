//! `exports lint`: judges files of exports(5), and prints one made safe.

use std::{fs, io, path::Path, path::PathBuf};

use serde_json::json;
use slotwright_deploy::Error;
use slotwright_nfs::{
    Severity, WishError,
    exports::{self, Client, Document, File, Host, Safe, Subnet, Table, ThisMachine},
};

use crate::{exit::Exit, render::exports as render, screen::Screen};

/// Judges `files`, or those of this machine.
pub(crate) fn lint(files: &[PathBuf], screen: &Screen) -> Result<Exit, Error> {
    let table = match files {
        [] => Table::read(Path::new("/etc")).map_err(|error| unusable("read", &error.path, error.source))?,
        files => Table { files: read_all(files)?, no_main_file: false },
    };
    let machine =
        ThisMachine::read().map_err(|source| unusable("read", Path::new("/proc/self/mountinfo"), source))?;
    let findings = exports::lint(&table, &machine);
    match screen.json {
        true => screen.document(&json!({ "findings": findings })),
        false => screen.print(&render::findings(&findings, screen.style())),
    }
    let found = findings.iter().any(|finding| finding.severity >= Severity::Warning);
    Ok(if found { Exit::Found } else { Exit::Done })
}

/// Prints one file with its entries made safe for `clients`; what was changed goes to standard error.
pub(crate) fn rewrite(
    files: &[PathBuf],
    clients: &[String],
    owner: &str,
    screen: &Screen,
) -> Result<Exit, Error> {
    let [path] = files else { return Err(wrong("--rewrite", "name one file of exports(5)".to_owned())) };
    let clients = clients.iter().map(|client| subnet(client)).collect::<Result<_, _>>()?;
    let (uid, gid) = owner
        .split_once(':')
        .and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)))
        .ok_or_else(|| wrong("--owner", format!("`{owner}` is not UID:GID, for instance 999:999")))?;
    let bytes = fs::read(path).map_err(|source| unusable("read", path, source))?;
    let mut document = Document::parse(&bytes);
    let mut taken: Vec<u32> = document
        .entries()
        .flat_map(|entry| {
            entry.grants().iter().filter_map(|given| given.grant.options.fsid).collect::<Vec<_>>()
        })
        .collect();
    let next = |_: &Path| {
        let id = (1..).find(|id| !taken.contains(id))?;
        taken.push(id);
        Some(id)
    };
    let changes = exports::rewrite(&mut document, &Safe { clients, uid, gid }, next)
        .map_err(|error| wrong("--rewrite", format!("{}: {error}", path.display())))?;
    let text = String::from_utf8_lossy(&document.to_bytes()).into_owned();
    if screen.json {
        let changes: Vec<_> = changes
            .iter()
            .map(|change| {
                json!({
                    "place": format!("{}:{}", path.display(), change.position),
                    "path": change.path,
                    "reasons": change.reasons,
                })
            })
            .collect();
        screen.document(&json!({ "text": text, "changes": changes }));
        return Ok(Exit::Done);
    }
    screen.print(&text);
    for change in &changes {
        screen.note(&format!("{}:{} {}:", path.display(), change.position, change.path.display()));
        for reason in &change.reasons {
            screen.note(&format!("  {reason}"));
        }
    }
    Ok(Exit::Done)
}

/// The files named; of a folder those that exportfs(8) would read in it.
fn read_all(paths: &[PathBuf]) -> Result<Vec<File>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(read(path)?);
            continue;
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(|source| unusable("read", path, source))? {
            names.push(entry.map_err(|source| unusable("read", path, source))?.file_name());
        }
        names.retain(|name| exports::is_drop_in(name));
        names.sort_by(|one, two| exports::by_version(one, two));
        for name in names {
            files.push(read(&path.join(name))?);
        }
    }
    Ok(files)
}

fn read(path: &Path) -> Result<File, Error> {
    let bytes = fs::read(path).map_err(|source| unusable("read", path, source))?;
    Ok(File { path: path.to_path_buf(), document: Document::parse(&bytes) })
}

fn subnet(text: &str) -> Result<Subnet, Error> {
    let client = text.parse::<Client>().map_err(|error| wrong("--client", format!("`{text}`: {error}")))?;
    let subnet = match client {
        Client::Subnet(subnet) => Some(subnet),
        Client::Host(Host::Address(address)) => {
            Subnet::new(address, if address.is_ipv4() { 32 } else { 128 })
        }
        _ => None,
    };
    subnet.ok_or_else(|| wrong("--client", format!("`{text}` is not a network, for instance 10.0.0.0/16")))
}

fn wrong(field: &'static str, why: String) -> Error {
    slotwright_nfs::Error::Wish(WishError { field, why }).into()
}

fn unusable(action: &'static str, path: &Path, source: io::Error) -> Error {
    let remedy = "name a file of exports(5) that this user may read";
    slotwright_nfs::Error::File { action, path: path.to_path_buf(), source, remedy }.into()
}
