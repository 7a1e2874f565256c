//! One local node: its folder, its files, its configuration.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use slotwright_cluster::{Endpoint, Host, Settings, settings::SettingError};
use slotwright_topology::{Member, placement::Site};

use crate::{
    Error, LocalPlace,
    stamp::{Ownership, STAMP_FILE},
};

/// One node of a local deployment.
#[derive(Debug, Clone)]
pub(crate) struct LocalNode {
    /// Its name in the deployment, and of its folder.
    pub(crate) name: String,
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) folder: PathBuf,
}

const NODES_CONF: &str = "nodes.conf";

impl LocalNode {
    /// The nodes of a place, in the order of its ports.
    pub(crate) fn all(place: &LocalPlace) -> Vec<Self> {
        let node = |port: &u16| {
            let name = format!("node-{port}");
            Self { folder: place.data_directory.join(&name), name, host: place.host, port: *port }
        };
        place.ports.iter().map(node).collect()
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(Host::Ip(self.host), self.port)
    }

    /// The node as the planner knows it. All local nodes share one host.
    pub(crate) fn member(&self) -> Member {
        Member { name: self.name.clone(), endpoint: self.endpoint(), site: Site::new("this machine", "") }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("redis.conf")
    }

    pub(crate) fn stamp(&self) -> PathBuf {
        self.folder.join(STAMP_FILE)
    }

    /// What the node wrote of the cluster when it last ran; `None` when it never did.
    pub(crate) fn nodes_conf(&self) -> Option<String> {
        fs::read_to_string(self.folder.join(NODES_CONF)).ok().filter(|text| !text.is_empty())
    }

    /// The folder holds an append-only log the server would load: its manifest (7.0 and later), or the one file of
    /// older servers. The folder of the log alone may be left of a first rewrite that was killed.
    pub(crate) fn has_append_only_log(&self) -> bool {
        ["appendonlydir/appendonly.aof.manifest", "appendonly.aof"]
            .iter()
            .any(|name| self.folder.join(name).exists())
    }

    /// The folder holds a snapshot.
    pub(crate) fn has_snapshot(&self) -> bool {
        self.folder.join("dump.rdb").metadata().is_ok_and(|found| found.len() > 0)
    }

    /// What the folder says of its owner.
    pub(crate) fn ownership(&self) -> Result<Ownership, Error> {
        let unusable = |action, path: &Path, source| Error::Folder {
            action,
            path: path.to_path_buf(),
            remedy: "give this user the right to it, or name another data-directory",
            source,
        };
        let stamp = self.stamp();
        match fs::read_to_string(&stamp) {
            Ok(text) => {
                return Ok(text.parse().map_or_else(Ownership::Unreadable, Ownership::Stamped));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable("read", &stamp, error)),
        }
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ownership::Empty),
            Err(error) => return Err(unusable("read", &self.folder, error)),
        };
        // A first run that was killed leaves nothing here but the beginning of a stamp.
        let strange =
            entries.flatten().any(|entry| !entry.file_name().to_string_lossy().starts_with(STAMP_FILE));
        Ok(if strange { Ownership::Unstamped } else { Ownership::Empty })
    }

    /// The text of redis.conf.
    pub(crate) fn render_config(
        &self,
        settings: &Settings,
        password: Option<&SecretString>,
    ) -> Result<String, SettingError> {
        let mut config = settings.clone();
        let host = self.host.to_string();
        let (port, folder) = (self.port.to_string(), self.folder.to_string_lossy());
        let pid_file = self.folder.join("server.pid");
        let owned = [
            ("bind", host.as_str()),
            ("port", &port),
            ("cluster-enabled", "yes"),
            ("cluster-config-file", NODES_CONF),
            ("cluster-announce-ip", &host),
            ("dir", &folder),
            ("pidfile", &pid_file.to_string_lossy()),
            // Empty means standard output, which goes to the log together with what is said before it is opened.
            ("logfile", ""),
            ("daemonize", "no"),
        ];
        for (name, value) in owned {
            config.set(name, value)?;
        }
        if let Some(password) = password {
            config.set("requirepass", password.expose_secret())?;
            config.set("masterauth", password.expose_secret())?;
        }
        Ok(format!(
            "# Written by slotwright for {}; the next `slotwright up` writes it again.\n{}",
            self.name,
            config.render()
        ))
    }

    /// The end of the log, for an error.
    pub(crate) fn log_tail(&self) -> String {
        const LINES: usize = 6;
        let text = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> =
            text.lines().rev().filter(|line| !line.trim().is_empty()).take(LINES).collect();
        if lines.is_empty() {
            return String::new();
        }
        let shown: String = lines.into_iter().rev().map(|line| format!("\n    {line}")).collect();
        format!(" The end of {}:{shown}", self.log().display())
    }
}
