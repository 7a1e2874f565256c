//! The options clients mount with: read, judged, written the same way everywhere.
//!
//! Source: nfs(5). What could lose acknowledged writes or let two servers run on one folder is refused, not warned of.

use std::{fmt, str::FromStr};

use crate::{Finding, Severity};

/// Options of a mount, in order, for instance `nfsvers=4.1,hard,noatime`.
///
/// ```
/// use slotwright_nfs::MountOptions;
/// assert_eq!(MountOptions::default().to_string(), "nfsvers=4.1,hard,noatime");
/// let refused = "nfsvers=4.1,soft".parse::<MountOptions>().unwrap_err();
/// assert!(refused.to_string().contains("`soft`"), "{refused}");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOptions(Vec<String>);

impl Default for MountOptions {
    /// Version 4.1 has locks that end with a lease, `hard` waits for a server instead of failing a write, and nobody
    /// needs access times.
    fn default() -> Self {
        Self(["nfsvers=4.1", "hard", "noatime"].map(str::to_owned).into())
    }
}

/// An option that must not be used for the data of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mount option `{option}`: {why}; {instead}")]
pub struct MountOptionError {
    /// The option as written.
    pub option: String,
    /// What goes wrong with it.
    pub why: &'static str,
    /// What to write.
    pub instead: &'static str,
}

/// The version of the protocol that a mount speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum NfsVersion {
    /// RFC 1813.
    #[serde(rename = "3")]
    V3,
    /// RFC 7530.
    #[serde(rename = "4.0")]
    V4_0,
    /// RFC 8881.
    #[serde(rename = "4.1")]
    V4_1,
    /// RFC 7862.
    #[serde(rename = "4.2")]
    V4_2,
}

impl fmt::Display for NfsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3 => "3",
            Self::V4_0 => "4.0",
            Self::V4_1 => "4.1",
            Self::V4_2 => "4.2",
        })
    }
}

impl FromStr for NfsVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "3" => Ok(Self::V3),
            "4.0" => Ok(Self::V4_0),
            "4.1" => Ok(Self::V4_1),
            // nfs(5): a bare 4 is negotiated downwards from the highest.
            "4" | "4.2" => Ok(Self::V4_2),
            _ => Err(()),
        }
    }
}

impl MountOptions {
    /// Judges options given one by one; each may hold several, parted by commas.
    ///
    /// # Errors
    /// Names the first option that must not be used, or that is no option.
    pub fn new<'a>(options: impl IntoIterator<Item = &'a str>) -> Result<Self, MountOptionError> {
        let options: Vec<String> = options
            .into_iter()
            .flat_map(|option| option.split(','))
            .map(|option| option.trim().to_owned())
            .collect();
        let options = Self(options);
        options.0.iter().try_for_each(|option| judge(option))?;
        options.version_option()?;
        Ok(options)
    }

    /// The options one by one, as a PersistentVolume lists them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The version these options ask for; nfs(5) starts from the highest when none is named.
    pub fn version(&self) -> NfsVersion {
        self.version_option().ok().flatten().unwrap_or(NfsVersion::V4_2)
    }

    /// The server's port, when one is named.
    pub fn port(&self) -> Option<u16> {
        self.value("port").and_then(|port| port.parse().ok())
    }

    /// What works and is worth a second thought.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut tell = |severity, code, what: &str, remedy: &str| {
            findings.push(Finding {
                severity,
                code,
                place: "mount options".to_owned(),
                what: what.to_owned(),
                remedy: remedy.to_owned(),
            });
        };
        if self.version() == NfsVersion::V3 {
            tell(
                Severity::Warning,
                "mount-version-3",
                "NFSv3 keeps locks in a protocol of its own; a client that was killed leaves its lock behind until it \
                 comes back",
                "mount with nfsvers=4.1",
            );
        }
        if !self.0.iter().any(|option| option == "hard") {
            tell(
                Severity::Info,
                "mount-hard-unsaid",
                "`hard` is the default of nfs(5), but not written down",
                "name it, so that nobody turns it off unseen",
            );
        }
        findings
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }

    fn version_option(&self) -> Result<Option<NfsVersion>, MountOptionError> {
        let text = self.value("nfsvers").or_else(|| self.value("vers"));
        let Some(text) = text else { return Ok(None) };
        text.parse().map(Some).map_err(|()| MountOptionError {
            option: format!("nfsvers={text}"),
            why: "no such version can hold the data of a node",
            instead: "take nfsvers=4.1",
        })
    }
}

fn judge(option: &str) -> Result<(), MountOptionError> {
    let refuse = |why, instead| Err(MountOptionError { option: option.to_owned(), why, instead });
    let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
    match name {
        "" => refuse("it is empty", "remove it"),
        _ if option.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            refuse("it has white space in it", "write one option a word")
        }
        "soft" | "softerr" => refuse(
            "a server that is away for a moment fails writes, and Redis then stops taking any (MISCONF)",
            "take `hard`",
        ),
        "nolock" => refuse(
            "without locks two servers can run on one folder and interleave one append-only log",
            "leave it out",
        ),
        "local_lock" if value != Some("none") => {
            refuse("locks that other clients do not see let two servers run on one folder", "leave it out")
        }
        "ro" => refuse("a node writes its data", "leave it out"),
        "udp" => refuse("nfs(5) warns of silent corruption over UDP", "leave it out"),
        "proto" if value.is_some_and(|value| value.starts_with("udp")) => {
            refuse("nfs(5) warns of silent corruption over UDP", "take proto=tcp")
        }
        "port" if value.and_then(|port| port.parse::<u16>().ok()).is_none_or(|port| port == 0) => {
            refuse("it is not a port from 1 to 65535", "name the port the server listens on")
        }
        _ => Ok(()),
    }
}

impl fmt::Display for MountOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl FromStr for MountOptions {
    type Err = MountOptionError;

    fn from_str(text: &str) -> Result<Self, MountOptionError> {
        Self::new([text])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_endangers_data_is_refused_with_the_reason() {
        for (text, told) in [
            ("nfsvers=4.1,soft", "MISCONF"),
            ("softerr", "MISCONF"),
            ("nolock", "two servers"),
            ("local_lock=all", "two servers"),
            ("hard,ro", "writes its data"),
            ("proto=udp6", "corruption"),
            ("nfsvers=2", "no such version"),
            ("vers=five", "no such version"),
            ("port=0", "port"),
            ("hard,,noatime", "empty"),
            ("hard noatime", "white space"),
        ] {
            let error = text.parse::<MountOptions>().unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn the_last_version_and_port_count() {
        let options: MountOptions = "vers=3,nfsvers=4.1,port=20490".parse().unwrap();
        assert_eq!((options.version(), options.port()), (NfsVersion::V4_1, Some(20490)));
        assert_eq!("hard".parse::<MountOptions>().unwrap().version(), NfsVersion::V4_2);
        assert_eq!("nfsvers=4".parse::<MountOptions>().unwrap().version(), NfsVersion::V4_2);
    }

    #[test]
    fn version_3_and_silence_are_worth_a_word() {
        let codes = |text: &str| -> Vec<_> {
            text.parse::<MountOptions>().unwrap().findings().iter().map(|finding| finding.code).collect()
        };
        assert_eq!(codes("nfsvers=3"), ["mount-version-3", "mount-hard-unsaid"]);
        assert!(codes("nfsvers=4.1,hard").is_empty());
    }
}
