//! The exports as text and data for other tools: the server's configuration, and how each export is mounted.

use std::path::PathBuf;

use serde::Serialize;
use slotwright_nfs::{Export, rendered_exports, server::Server};

use super::{ganesha, kernel};
use crate::{Error, NfsPlace, NfsServerKind};

/// For which server a configuration is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    /// The one that the spec names; exports(5) when it names none.
    AsInSpec,
    /// exports(5), for the kernel's.
    Exports,
    /// NFS-Ganesha's own.
    Ganesha,
}

/// Everything another tool needs.
#[derive(Debug, Clone, Serialize)]
pub struct Rendered {
    /// Where the configuration would go.
    pub file: PathBuf,
    /// The configuration.
    pub text: String,
    /// The exports, one by one.
    pub exports: Vec<RenderedExport>,
}

/// One export, as its clients see it.
#[derive(Debug, Clone, Serialize)]
pub struct RenderedExport {
    /// Its name.
    pub name: String,
    /// Its directory on the server, and its path for clients.
    pub path: PathBuf,
    /// Its id (`fsid`, `Export_Id`).
    pub id: u16,
    /// Owner of the directory, and the user the node runs as.
    pub uid: u32,
    /// Group of both.
    pub gid: u32,
    /// Mode of the directory, in octal.
    pub mode: String,
    /// Who may use it and how, as in exports(5).
    pub grants: Vec<String>,
    /// The server's address for clients.
    pub server: String,
    /// The options to mount with.
    pub mount_options: Vec<String>,
    /// The command that mounts it at `/mnt`.
    pub mount_command: String,
}

pub(super) fn render(place: &NfsPlace, rendering: Rendering) -> Result<Rendered, Error> {
    let exports = rendered_exports(&place.wanted)?;
    let for_ganesha = match rendering {
        Rendering::AsInSpec => place.server == NfsServerKind::Ganesha,
        Rendering::Exports => false,
        Rendering::Ganesha => true,
    };
    let name = &place.wanted.deployment;
    let server = match for_ganesha {
        true => Server::Ganesha(ganesha(place, name)),
        false => Server::Kernel(kernel(place, name)),
    };
    Ok(Rendered {
        file: server.config_file().to_path_buf(),
        text: server.render(&exports).map_err(Error::from)?,
        exports: exports.iter().map(|export| describe(place, export)).collect(),
    })
}

fn describe(place: &NfsPlace, export: &Export) -> RenderedExport {
    let address = match place.address.contains(':') {
        true => format!("[{}]", place.address),
        false => place.address.clone(),
    };
    let source = format!("{address}:{}", export.path.display());
    RenderedExport {
        name: export.name.clone(),
        path: export.path.clone(),
        id: export.id,
        uid: export.owner.uid,
        gid: export.owner.gid,
        mode: format!("{:04o}", export.owner.mode),
        grants: export.grants.iter().map(ToString::to_string).collect(),
        server: place.address.clone(),
        mount_options: place.mount.iter().map(str::to_owned).collect(),
        mount_command: format!("mount -t nfs -o {} {} /mnt", place.mount, quoted(&source)),
    }
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:[]%@+=,".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(quoted("10.0.0.1:/data/pv1"), "10.0.0.1:/data/pv1");
        assert_eq!(quoted("h:/it's here"), r"'h:/it'\''s here'");
    }
}
