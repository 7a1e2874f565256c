//! The section `storage.nfs`: the exports that hold the nodes' data.
//!
//! Paths, clients and options are written here once; exports, mounts and volumes all come from it.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use slotwright_nfs::{MountOptions, NfsVersion, Owner, Policy, Wanted, server::KernelFiles};

use super::{SpecError, absolute};

/// Where nodes that run elsewhere keep their data.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageSpec {
    /// On an NFS server, one exported directory for each node.
    pub nfs: NfsSpec,
}

/// The exports of an NFS server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NfsSpec {
    /// Which server serves them.
    #[serde(default)]
    pub server: NfsServerKind,
    /// The server's name or address, as clients mount from it.
    pub address: String,
    /// The server's port.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The directory on the server that holds one directory for each node. It is not exported itself.
    pub base_directory: PathBuf,
    /// The directories' names before their number: `pv` makes `pv1`, `pv2`, ….
    #[serde(default = "default_prefix")]
    pub directory_prefix: String,
    /// Who may mount them: networks (`10.0.0.0/16`), addresses, host names, netgroups, or `*`, as in exports(5).
    pub clients: Vec<String>,
    /// How: `safe` (whoever a client says it is, it acts as the owner), `tutorial` (`rw,no_root_squash,sync,insecure`, to
    /// the letter of the well-known tutorial), or options of exports(5).
    #[serde(default = "default_options")]
    pub options: String,
    /// Owner, group and mode of each directory: the user that the nodes run as.
    #[serde(default)]
    pub owner: OwnerSpec,
    /// The options clients mount with.
    #[serde(default)]
    pub mount_options: Option<Vec<String>>,
    /// The mount point of the disk below the base directory. When it is not mounted, nothing is exported.
    #[serde(default)]
    pub mount_point: Option<PathBuf>,
    /// Where the kernel's server has its files.
    #[serde(default)]
    pub kernel: KernelSpec,
    /// Where NFS-Ganesha has its configuration, and how it is talked to.
    #[serde(default)]
    pub ganesha: GaneshaSpec,
}

fn default_port() -> u16 {
    2049
}

fn default_prefix() -> String {
    "pv".to_owned()
}

fn default_options() -> String {
    "safe".to_owned()
}

/// A kind of NFS server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NfsServerKind {
    /// The Linux kernel's, told with exportfs(8).
    #[default]
    Kernel,
    /// NFS-Ganesha, told over D-Bus.
    Ganesha,
    /// One that other tools look after: everything is rendered, nothing applied.
    Render,
}

/// Owner, group and mode of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct OwnerSpec {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Permission bits in octal, for instance `"0700"`.
    pub mode: String,
}

impl Default for OwnerSpec {
    /// The user that the official images run as, and nobody else.
    fn default() -> Self {
        Self { uid: 999, gid: 999, mode: "0700".to_owned() }
    }
}

/// Where the kernel's server has its files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct KernelSpec {
    /// The folder of `exports`, which is only read, and of `exports.d`, in which one file is written.
    pub etc: PathBuf,
    /// The folder in which exportfs(8) keeps its table.
    pub state: PathBuf,
    /// The program exportfs(8): a name to be found in PATH, or a path.
    pub exportfs: PathBuf,
}

impl Default for KernelSpec {
    fn default() -> Self {
        let KernelFiles { etc, state, exportfs, .. } = KernelFiles::default();
        Self { etc, state, exportfs }
    }
}

/// Where NFS-Ganesha has its configuration, and how it is talked to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct GaneshaSpec {
    /// The main configuration file; one `%include` line is kept in it.
    pub config: PathBuf,
    /// The folder of the file with our exports.
    pub folder: PathBuf,
    /// The bus it is reached over, for instance `unix:path=/run/dbus/system_bus_socket`; the system's when it is left out.
    pub bus: Option<String>,
}

impl Default for GaneshaSpec {
    fn default() -> Self {
        Self { config: "/etc/ganesha/ganesha.conf".into(), folder: "/etc/ganesha".into(), bus: None }
    }
}

/// The section with everything it leaves open filled in, and judged.
#[derive(Debug, Clone)]
pub struct NfsPlace {
    /// The exports.
    pub wanted: Wanted,
    /// The server that serves them, and where its files are.
    pub server: NfsServerKind,
    /// The kernel's files.
    pub kernel: KernelSpec,
    /// Ganesha's files.
    pub ganesha: GaneshaSpec,
    /// The server's name or address for clients.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// What clients mount with, the port included where it is not the usual one.
    pub mount: MountOptions,
}

impl NfsSpec {
    /// The exports of the deployment `name` with `nodes` nodes; relative paths start from `base`.
    pub(super) fn place(&self, name: &str, base: &Path, nodes: usize) -> Result<NfsPlace, SpecError> {
        let bad = |field: &str, why: String| SpecError::new(format!("storage.nfs.{field}: {why}"));
        let clients = self
            .clients
            .iter()
            .map(|client| client.parse().map_err(|error| bad("clients", format!("`{client}`: {error}"))));
        let policy = match self.options.as_str() {
            "safe" => Policy::Safe,
            "tutorial" => Policy::Tutorial,
            text => Policy::Custom(Box::new(
                text.parse().map_err(|error| bad("options", format!("`{text}`: {error}")))?,
            )),
        };
        let mode = self.owner.mode.as_str();
        let mode = u32::from_str_radix(mode.trim_start_matches("0o"), 8)
            .ok()
            .filter(|bits| *bits <= 0o7777)
            .ok_or_else(|| {
                bad("owner.mode", format!("`{mode}` is not octal; write for instance \"0700\""))
            })?;
        if mode & 0o700 != 0o700 {
            return Err(bad(
                "owner.mode",
                format!("with {mode:04o} the owner itself cannot write; add 0700"),
            ));
        }
        let wanted = Wanted {
            deployment: name.to_owned(),
            base: self.base_directory.clone(),
            prefix: self.directory_prefix.clone(),
            count: nodes,
            clients: clients.collect::<Result<_, _>>()?,
            policy,
            owner: Owner { uid: self.owner.uid, gid: self.owner.gid, mode },
            mount_point: self.mount_point.clone(),
        };
        wanted.judge().map_err(|error| bad(error.field, error.why))?;
        Ok(NfsPlace {
            wanted,
            server: self.server,
            kernel: self.kernel.resolved(base),
            ganesha: self.ganesha.resolved(base),
            address: self.address_for_clients()?,
            port: self.port,
            mount: self.mount()?,
        })
    }

    fn address_for_clients(&self) -> Result<String, SpecError> {
        let address = self.address.trim();
        // A name, an address, or an IPv6 address with a zone; brackets and ports belong elsewhere.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if address.is_empty() || !address.chars().all(plain) {
            return Err(SpecError::new(format!(
                "storage.nfs.address: `{}` is neither a host name nor an address; a port goes into storage.nfs.port",
                self.address
            )));
        }
        Ok(address.to_owned())
    }

    fn mount(&self) -> Result<MountOptions, SpecError> {
        let bad = |why: String| SpecError::new(format!("storage.nfs.mount-options: {why}"));
        let options = match &self.mount_options {
            Some(options) => MountOptions::new(options.iter().map(String::as_str))
                .map_err(|error| bad(error.to_string()))?,
            None => MountOptions::default(),
        };
        if self.port == 0 {
            return Err(SpecError::new("storage.nfs.port: 0 is no port; the usual one is 2049"));
        }
        match options.port() {
            Some(port) if port != self.port => Err(bad(format!(
                "port={port} contradicts storage.nfs.port, {}; leave it out here",
                self.port
            ))),
            None if self.port != default_port() => {
                MountOptions::new(options.iter().chain([format!("port={}", self.port).as_str()]))
                    .map_err(|error| bad(error.to_string()))
            }
            _ => Ok(options),
        }
        .and_then(|options| match options.version() {
            NfsVersion::V4_0 => Err(bad("NFSv4.0 has no sessions; take nfsvers=4.1".to_owned())),
            _ => Ok(options),
        })
    }
}

impl KernelSpec {
    fn resolved(&self, base: &Path) -> Self {
        let is_path = self.exportfs.components().count() > 1;
        Self {
            etc: absolute(base, &self.etc),
            state: absolute(base, &self.state),
            exportfs: if is_path { absolute(base, &self.exportfs) } else { self.exportfs.clone() },
        }
    }
}

impl GaneshaSpec {
    fn resolved(&self, base: &Path) -> Self {
        Self {
            config: absolute(base, &self.config),
            folder: absolute(base, &self.folder),
            bus: self.bus.clone(),
        }
    }
}
