//! What exports there shall be: a base directory, one directory per node, who may use them and how.

use std::path::{Component, Path, PathBuf};

use slotwright_machine::Owner;

use crate::{
    exports::{Access, Client, Grant, Options},
    ids::Ids,
};

/// One export as it shall be on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its name in the deployment, for instance `pv1`.
    pub name: String,
    /// The directory: absolute, without `.` and `..`.
    pub path: PathBuf,
    /// Its id on the server: `fsid=` for the kernel, `Export_Id` for Ganesha. Never 0.
    pub id: u16,
    /// Who may use it, and how.
    pub grants: Vec<Grant>,
    /// Owner, group and mode of the directory.
    pub owner: Owner,
}

/// How clients may use an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// `rw,sync,no_subtree_check,secure,all_squash` with the owner as the anonymous user: whoever a client says it is, it
    /// acts as the owner of the directory and as nobody else.
    Safe,
    /// The options of the well-known tutorial, to the letter: `rw,no_root_squash,sync,insecure`. Anyone who reaches the
    /// server is root on it.
    Tutorial,
    /// Options of exports(5), without `fsid`.
    Custom(Box<Options>),
}

/// The exports that a deployment shall have.
///
/// ```
/// use slotwright_nfs::{Owner, Policy, Wanted};
/// let wanted = Wanted {
///     deployment: "demo".into(),
///     base: "/data/nfs/redis".into(),
///     prefix: "pv".into(),
///     count: 6,
///     clients: vec!["10.198.0.0/16".parse()?],
///     policy: Policy::Safe,
///     owner: Owner { uid: 999, gid: 999, mode: 0o700 },
///     mount_point: None,
/// };
/// wanted.judge()?;
/// assert_eq!(wanted.paths().last().unwrap().1, std::path::Path::new("/data/nfs/redis/pv6"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The deployment's name: letters, digits and dashes.
    pub deployment: String,
    /// The directory that holds one directory for each node. It is not exported itself.
    pub base: PathBuf,
    /// The directories' names before their number.
    pub prefix: String,
    /// How many there are.
    pub count: usize,
    /// Who may use them.
    pub clients: Vec<Client>,
    /// How.
    pub policy: Policy,
    /// Owner, group and mode of each directory; the user and group that the nodes run as.
    pub owner: Owner,
    /// A mount point on this machine, `base` or above it, without which nothing may be exported: a server that came up
    /// without its disk would otherwise serve the empty directory below.
    pub mount_point: Option<PathBuf>,
}

/// A wish that cannot be fulfilled: which, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct WishError {
    /// The field of the spec, in its spelling there.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub why: String,
}

impl Wanted {
    /// Looks for contradictions.
    ///
    /// # Errors
    /// The first wish that cannot be fulfilled.
    pub fn judge(&self) -> Result<(), WishError> {
        let bad = |field, why: String| Err(WishError { field, why });
        judge_path("base-directory", &self.base)?;
        if self.base.parent().is_none() {
            return bad("base-directory", "the root directory cannot hold the nodes' directories".to_owned());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !self.prefix.starts_with(|c: char| c.is_ascii_alphanumeric()) || !self.prefix.chars().all(plain) {
            return bad(
                "directory-prefix",
                format!(
                    "`{}` cannot begin a directory's name; take letters, digits, `-`, `_` and `.`",
                    self.prefix
                ),
            );
        }
        if self.clients.is_empty() {
            return bad(
                "clients",
                "nobody may mount the exports; name the nodes' network, for instance 10.0.0.0/16".to_owned(),
            );
        }
        if let Some(mount_point) = &self.mount_point {
            judge_path("mount-point", mount_point)?;
            if !self.base.starts_with(mount_point) {
                return bad(
                    "mount-point",
                    format!("{} is not {} or above it", mount_point.display(), self.base.display()),
                );
            }
        }
        if matches!(&self.policy, Policy::Custom(options) if options.fsid.is_some()) {
            return bad(
                "options",
                "`fsid` is given by Slotwright, which keeps one for each directory; leave it out".to_owned(),
            );
        }
        Ok(())
    }

    /// Name and path of each directory, in order.
    pub fn paths(&self) -> impl Iterator<Item = (String, PathBuf)> {
        (1..=self.count).map(|number| {
            let name = format!("{}{number}", self.prefix);
            let path = self.base.join(&name);
            (name, path)
        })
    }

    /// The exports, with the ids of `ids`. A directory that has none is left out: give it one first.
    pub fn exports(&self, ids: &Ids) -> Vec<Export> {
        let export = |(name, path): (String, PathBuf)| {
            let id = ids.get(&name)?;
            let options = self.options(id);
            let grants = self
                .clients
                .iter()
                .map(|client| Grant { client: client.clone(), options: options.clone() })
                .collect();
            Some(Export { name, path, id, grants, owner: self.owner })
        };
        self.paths().filter_map(export).collect()
    }
}

impl Wanted {
    fn options(&self, id: u16) -> Options {
        let options = match &self.policy {
            Policy::Safe => Options {
                access: Access { read_only: false, root_squash: true, all_squash: true },
                anonuid: self.owner.uid,
                anongid: self.owner.gid,
                ..Options::default()
            },
            Policy::Tutorial => Options {
                access: Access { read_only: false, root_squash: false, all_squash: false },
                secure: false,
                ..Options::default()
            },
            Policy::Custom(options) => Options::clone(options),
        };
        Options { fsid: Some(u32::from(id)), ..options }
    }
}

fn judge_path(field: &'static str, path: &Path) -> Result<(), WishError> {
    let bad = |why: String| Err(WishError { field, why });
    if !path.is_absolute() {
        return bad(format!("`{}` must be absolute: it is a path on the server", path.display()));
    }
    // `.` in the middle of a path is gone after parsing: the text tells.
    let text = path.to_string_lossy();
    let dots = text.split('/').any(|part| part == "." || part == "..");
    if dots || !path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_))) {
        return bad(format!("`{}` must not have `.` or `..` in it", path.display()));
    }
    if text.chars().any(char::is_control) {
        return bad("it has control characters in it".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            deployment: "demo".into(),
            base: "/data/nfs/redis".into(),
            prefix: "pv".into(),
            count: 6,
            clients: vec!["10.198.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()],
            policy: Policy::Safe,
            owner: Owner { uid: 999, gid: 998, mode: 0o700 },
            mount_point: None,
        }
    }

    #[test]
    fn exports_follow_from_wishes() {
        let mut ids = Ids::new("demo");
        ids.assign(["pv1", "pv2"], |id| id < 41).unwrap();
        let exports = wanted().exports(&ids);
        assert_eq!(exports.len(), 2);
        assert_eq!(exports[1].path, Path::new("/data/nfs/redis/pv2"));
        let grants: Vec<String> = exports[1].grants.iter().map(ToString::to_string).collect();
        let options = "rw,sync,no_subtree_check,secure,all_squash,anonuid=999,anongid=998,fsid=42";
        assert_eq!(grants, [format!("10.198.0.0/16({options})"), format!("fd00::/8({options})")]);

        let tutorial = Wanted { policy: Policy::Tutorial, clients: vec!["*".parse().unwrap()], ..wanted() };
        let grant = tutorial.exports(&ids)[0].grants[0].to_string();
        assert_eq!(grant, "*(rw,sync,no_subtree_check,insecure,no_root_squash,fsid=41)");
    }

    #[test]
    fn contradictions_are_told_by_field() {
        let field = |wanted: Wanted| wanted.judge().map_err(|error| error.field);
        assert_eq!(field(wanted()), Ok(()));
        for base in ["data", "/data/../etc", "/data/./x", "/", "/a\nb"] {
            assert_eq!(field(Wanted { base: base.into(), ..wanted() }), Err("base-directory"), "{base}");
        }
        for prefix in ["", "../", "a/b", "-x", "."] {
            assert_eq!(
                field(Wanted { prefix: prefix.into(), ..wanted() }),
                Err("directory-prefix"),
                "{prefix}"
            );
        }
        assert_eq!(field(Wanted { clients: Vec::new(), ..wanted() }), Err("clients"));
        assert_eq!(field(Wanted { mount_point: Some("/other".into()), ..wanted() }), Err("mount-point"));
        assert_eq!(field(Wanted { mount_point: Some("/data".into()), ..wanted() }), Ok(()));
        let options = Policy::Custom(Box::new("rw,fsid=7".parse().unwrap()));
        assert_eq!(field(Wanted { policy: options, ..wanted() }), Err("options"));
    }
}
