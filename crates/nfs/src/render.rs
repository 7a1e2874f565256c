//! Exports for a server that others look after: what there shall be, without asking any server.

use crate::{Error, Export, Wanted, ids::Ids, observe::read_ids};

/// The exports that `wanted` asks for. Ids that are kept in the base directory are used; where that is not on this
/// machine they are given in order, from 1, so that the same wishes always give the same exports.
///
/// # Errors
/// When the wishes contradict themselves, the ids that are kept cannot be read, or all are taken.
pub fn rendered_exports(wanted: &Wanted) -> Result<Vec<Export>, Error> {
    wanted.judge()?;
    let mut ids = read_ids(&wanted.base)?.unwrap_or_else(|| Ids::new(&wanted.deployment));
    let names: Vec<String> = wanted.paths().map(|(name, _)| name).collect();
    ids.assign(names.iter().map(String::as_str), |_| false).map_err(|error| Error::Configuration {
        place: wanted.base.display().to_string(),
        what: error.to_string(),
    })?;
    Ok(wanted.exports(&ids))
}
