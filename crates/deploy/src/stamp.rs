//! The identity of a deployment, stamped beside each node's data.
//!
//! Redis cannot say to which deployment a node belongs, so each deployment has an id of its own, made once. This
//! module owns the id, the stamp's text, and the judgement over the stamps of a deployment's folders; the folders are
//! read and written by the host.

use std::{fmt, io, str::FromStr};

use serde::{Deserialize, Serialize};

/// Name of the stamp beside a node's data.
pub(crate) const STAMP_FILE: &str = "slotwright.json";

/// The identity of a deployment: 128 random bits, made at its first `up` and never changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeploymentId(u128);

impl DeploymentId {
    /// A new id from the system's random source.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

impl FromStr for DeploymentId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if digits { u128::from_str_radix(text, 16).ok() } else { None };
        number.map(Self).ok_or_else(|| "expected a deployment id of 32 hexadecimal digits".to_owned())
    }
}

impl TryFrom<String> for DeploymentId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DeploymentId> for String {
    fn from(id: DeploymentId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The stamp beside one node's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// Which deployment.
    pub deployment: DeploymentId,
    /// The deployment's name in its spec.
    pub name: String,
    /// The node's name in the deployment.
    pub node: String,
}

impl Stamp {
    /// The text of the file.
    pub fn to_text(&self) -> String {
        // A struct of strings always has a JSON form.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

impl FromStr for Stamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

/// What a node's folder says of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// There is nothing in it yet (or no folder).
    Empty,
    /// It carries a stamp.
    Stamped(Stamp),
    /// It holds a cluster node's data, and no stamp.
    Unstamped,
    /// Its stamp cannot be read.
    Unreadable(String),
}

/// What to do about a deployment's folders: its id, and which of them still lack the right stamp.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The deployment's id; `None` when it has to be made.
    pub(crate) id: Option<DeploymentId>,
    /// The folders (by position) to be stamped.
    pub(crate) to_stamp: Vec<usize>,
}

/// Why a folder cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// The folder's position.
    pub(crate) index: usize,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// Judges the folders of the deployment `name`, whose nodes are called `nodes`. Those `adopted` by name are given the
/// deployment's stamp whatever they carry.
///
/// The id is that of the folders that carry this deployment's name and were not named for adoption; without any, it
/// has to be made.
pub(crate) fn judge(
    name: &str,
    nodes: &[String],
    folders: &[Ownership],
    adopted: impl Fn(usize) -> bool,
) -> Result<Verdict, Vec<Rejection>> {
    let mut rejections = Vec::new();
    let mut reject = |index, reason| rejections.push(Rejection { index, reason });
    let mut id = None;
    let mut to_stamp = Vec::new();
    for (index, (folder, node)) in folders.iter().zip(nodes).enumerate() {
        match folder {
            _ if adopted(index) => to_stamp.push(index),
            Ownership::Empty => to_stamp.push(index),
            Ownership::Unstamped => {
                reject(index, "holds the data of a cluster node, but no deployment's stamp".to_owned());
            }
            Ownership::Unreadable(why) => reject(index, format!("has a stamp that cannot be read ({why})")),
            Ownership::Stamped(stamp) if stamp.name != name => reject(
                index,
                format!("belongs to another deployment, \"{}\" (id {})", stamp.name, stamp.deployment),
            ),
            Ownership::Stamped(stamp) if stamp.node != *node => {
                reject(index, format!("holds the data of another node of this deployment, {}", stamp.node));
            }
            Ownership::Stamped(stamp) => match id {
                None => id = Some(stamp.deployment),
                Some(known) if known == stamp.deployment => {}
                Some(known) => reject(
                    index,
                    format!(
                        "belongs to another deployment (id {}; the folders before it have id {known})",
                        stamp.deployment
                    ),
                ),
            },
        }
    }
    if rejections.is_empty() { Ok(Verdict { id, to_stamp }) } else { Err(rejections) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(id: u128, name: &str, node: &str) -> Ownership {
        Ownership::Stamped(Stamp { deployment: DeploymentId(id), name: name.into(), node: node.into() })
    }

    fn nodes() -> Vec<String> {
        ["a", "b", "c"].map(String::from).into()
    }

    #[test]
    fn stamps_survive_their_text() {
        let stamp = Stamp { deployment: DeploymentId::random().unwrap(), name: "n".into(), node: "a".into() };
        assert_eq!(stamp.to_text().parse(), Ok(stamp));
        for bad in ["", "{}", r#"{"deployment":"12","name":"n","node":"a"}"#] {
            assert!(bad.parse::<Stamp>().is_err());
        }
    }

    #[test]
    fn an_interrupted_first_run_keeps_its_id() {
        let folders = [stamped(7, "n", "a"), Ownership::Empty, Ownership::Empty];
        let verdict = judge("n", &nodes(), &folders, |_| false).unwrap();
        assert_eq!(verdict, Verdict { id: Some(DeploymentId(7)), to_stamp: vec![1, 2] });
    }

    #[test]
    fn whatever_is_not_ours_is_rejected_unless_adopted() {
        let strange = [
            stamped(7, "other", "b"),
            stamped(8, "n", "b"),
            stamped(7, "n", "c"),
            Ownership::Unstamped,
            Ownership::Unreadable("x".into()),
        ];
        for folder in strange {
            let folders = [stamped(7, "n", "a"), folder.clone(), Ownership::Empty];
            let rejected = judge("n", &nodes(), &folders, |_| false).unwrap_err();
            assert_eq!(
                rejected.iter().map(|rejection| rejection.index).collect::<Vec<_>>(),
                [1],
                "{folder:?}"
            );
            let verdict = judge("n", &nodes(), &folders, |index| index == 1).unwrap();
            assert_eq!(verdict, Verdict { id: Some(DeploymentId(7)), to_stamp: vec![1, 2] });
        }
    }
}
