//! The ids of a deployment's exports, kept beside the data they belong to.
//!
//! A file handle holds the id of its export (`fsid=` of the kernel, `Export_Id` of Ganesha). A directory that is exported
//! again under another id makes the handles of every client stale for ever, so an id, once given, stays with its
//! directory, also while it is not exported, and is not given to another.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

/// Name of the file in the base directory.
pub(crate) const IDS_FILE: &str = "slotwright-exports.json";

/// Which export has which id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ids {
    /// The deployment whose exports these are.
    deployment: String,
    /// The id of each directory, by its name.
    ids: BTreeMap<String, u16>,
}

/// There is no id left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all 65535 export ids are taken")]
pub struct NoIdLeft;

impl Ids {
    /// No ids yet.
    pub fn new(deployment: impl Into<String>) -> Self {
        Self { deployment: deployment.into(), ids: BTreeMap::new() }
    }

    /// The deployment they belong to.
    pub fn deployment(&self) -> &str {
        &self.deployment
    }

    /// The id of a directory.
    pub fn get(&self, name: &str) -> Option<u16> {
        self.ids.get(name).copied()
    }

    /// Every directory that ever had an id, with it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u16)> {
        self.ids.iter().map(|(name, id)| (name.as_str(), *id))
    }

    /// Keeps an id that a directory is known to have from elsewhere, unless another has it.
    pub(crate) fn keep(&mut self, name: &str, id: u16) {
        if id != 0 && self.ids.values().all(|known| *known != id) {
            self.ids.insert(name.to_owned(), id);
        }
    }

    /// Gives an id to each of `names` that has none: the lowest that neither this deployment nor any of `taken` has.
    ///
    /// # Errors
    /// When none is left.
    pub fn assign<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a str>,
        taken: impl Fn(u16) -> bool,
    ) -> Result<(), NoIdLeft> {
        for name in names {
            if self.ids.contains_key(name) {
                continue;
            }
            let used = |id: u16| taken(id) || self.ids.values().any(|known| *known == id);
            let id = (1..=u16::MAX).find(|id| !used(*id)).ok_or(NoIdLeft)?;
            self.ids.insert(name.to_owned(), id);
        }
        Ok(())
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        // Strings and numbers always have a JSON form.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    /// When it is not what [`Ids::to_text`] writes, or gives one id twice.
    pub fn parse(text: &str) -> Result<Self, String> {
        let ids: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut seen = BTreeMap::new();
        for (name, id) in ids.iter() {
            if id == 0 {
                return Err(format!("{name} has the id 0, which no export can have"));
            }
            if let Some(other) = seen.insert(id, name) {
                return Err(format!("{other} and {name} have the same id, {id}"));
            }
        }
        Ok(ids)
    }
}

/// Where the file is.
pub(crate) fn ids_file(base: &Path) -> std::path::PathBuf {
    base.join(IDS_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_with_its_directory() {
        let mut ids = Ids::new("demo");
        ids.assign(["pv1", "pv2"], |id| id == 2).unwrap();
        assert_eq!((ids.get("pv1"), ids.get("pv2")), (Some(1), Some(3)));
        // pv2 is left out and comes back; pv3 does not get its id.
        ids.assign(["pv1", "pv3"], |_| false).unwrap();
        ids.assign(["pv2"], |_| false).unwrap();
        assert_eq!((ids.get("pv2"), ids.get("pv3")), (Some(3), Some(2)));
        assert_eq!(Ids::parse(&ids.to_text()), Ok(ids));
    }

    #[test]
    fn an_exhausted_range_is_an_error() {
        assert_eq!(Ids::new("demo").assign(["pv1"], |_| true), Err(NoIdLeft));
    }

    #[test]
    fn what_contradicts_itself_is_not_read() {
        for bad in [
            "",
            "{}",
            r#"{"deployment":"a","ids":{"pv1":0}}"#,
            r#"{"deployment":"a","ids":{"pv1":7,"pv2":7}}"#,
            r#"{"deployment":"a","ids":{"pv1":70000}}"#,
            r#"{"deployment":"a","ids":{},"more":1}"#,
        ] {
            assert!(Ids::parse(bad).is_err(), "{bad}");
        }
    }
}
