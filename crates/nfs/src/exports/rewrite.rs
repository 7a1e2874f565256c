//! The safe version of entries that were written in haste, such as a tutorial's.
//!
//! What becomes of an entry:
//!
//! - A client that takes in the given ones or more (everyone, a larger subnet, a pattern for addresses) is replaced by
//!   them; any other client stays. Who is given a path twice keeps the larger right.
//! - `sync`, `no_subtree_check`, `secure` and `all_squash` for the owner of the data, so that any user of a client can
//!   work with it and none is root.
//! - A number in `fsid=` that stays when the disk is replaced.
//!
//! Whether it may be written to, flavours and all other options stay.

use std::path::{Path, PathBuf};

use super::{
    client::{Client, Host, Subnet},
    document::{Document, Position},
    edit::EditError,
    entry::{Entry, Naming},
    grant::Grant,
    lint::{is_address_pattern, is_world},
    options::Options,
};

/// What makes an export safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Safe {
    /// Those who shall get what everyone gets now: the subnets of the cluster's machines.
    pub clients: Vec<Subnet>,
    /// The user who owns the data; not 0.
    pub uid: u32,
    /// The group of the data; not 0.
    pub gid: u32,
}

/// What was changed in one entry, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where the entry was before.
    pub position: Position,
    /// The exported folder.
    pub path: PathBuf,
    /// What was changed, each with its reason.
    pub reasons: Vec<String>,
}

/// Makes the entries of a file safe; entries that are safe already keep every byte. `id` gives the number for a path
/// that has none.
///
/// # Errors
/// When the file has an error, no client is given, the owner is root, or an entry cannot be written. Nothing is changed
/// then.
///
/// ```
/// use slotwright_nfs::exports::{Document, Safe, Client, rewrite};
/// let Ok(Client::Subnet(nodes)) = "10.0.0.0/24".parse() else { unreachable!() };
/// let safe = Safe { clients: vec![nodes], uid: 999, gid: 999 };
/// let mut file = Document::parse(b"# Redis\n/data/nfs/redis/pv1 *(rw,no_root_squash,sync,insecure) # node 1\n");
/// let changes = rewrite(&mut file, &safe, |_| Some(7))?;
/// assert_eq!(String::from_utf8_lossy(&file.to_bytes()), "# Redis\n/data/nfs/redis/pv1 10.0.0.0/24(rw,sync,\
///     no_subtree_check,secure,all_squash,anonuid=999,anongid=999,fsid=7) # node 1\n");
/// assert_eq!(changes[0].reasons.len(), 4);
/// # Ok::<(), slotwright_nfs::exports::EditError>(())
/// ```
pub fn rewrite(
    document: &mut Document,
    safe: &Safe,
    mut id: impl FnMut(&Path) -> Option<u32>,
) -> Result<Vec<Change>, EditError> {
    if let Some(error) = document.errors().next() {
        return Err(EditError::Broken(error));
    }
    if safe.clients.is_empty() {
        return Err(EditError::Nobody);
    }
    if safe.uid == 0 || safe.gid == 0 {
        return Err(EditError::Root);
    }
    let mut new = document.clone();
    let mut changes = Vec::new();
    for located in document.entries() {
        let entry: &Entry = &located;
        let number = entry
            .grants()
            .iter()
            .find_map(|given| given.grant.options.fsid)
            .filter(|number| *number != 0)
            .or_else(|| id(entry.path()));
        let mut reasons = Reasons::default();
        let mut grants = Vec::<Grant>::new();
        for (index, given) in entry.grants().iter().enumerate() {
            let options = options(&given.grant.options, safe, number, &mut reasons);
            // `host (rw)` was to be `host(rw)`, and the host has already been read.
            let meant = given.naming == Naming::Nameless && index > 0;
            if meant {
                reasons.add("the options after the blank were given to everyone; they are given to the client before it");
            }
            let previous = grants.last().map(|last| last.client.clone());
            let clients = match previous.filter(|_| meant) {
                Some(previous) => vec![previous],
                None => clients(&given.grant.client, safe, &mut reasons),
            };
            for client in clients {
                match grants.iter_mut().find(|one| one.client.is_same(&client)) {
                    Some(one) => merge(&mut one.options, &options),
                    None => grants.push(Grant { client, options: options.clone() }),
                }
            }
        }
        if entry.grants().iter().map(|given| &given.grant).eq(&grants) {
            continue;
        }
        let line = new.rewritten(located.index, &grants)?;
        new.put(located.index, line);
        changes.push(Change {
            position: located.position(),
            path: entry.path().to_owned(),
            reasons: reasons.0.into_iter().collect(),
        });
    }
    *document = new;
    Ok(changes)
}

/// Reasons in the order in which they were found, each once.
#[derive(Default)]
struct Reasons(Vec<String>);

impl Reasons {
    fn add(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        if !self.0.contains(&reason) {
            self.0.push(reason);
        }
    }
}

/// Who shall get what `client` gets.
fn clients(client: &Client, safe: &Safe, reasons: &mut Reasons) -> Vec<Client> {
    let larger = match client {
        Client::Wildcard(pattern) => is_address_pattern(pattern) || is_world(client),
        Client::Subnet(subnet) => {
            let network = Client::Subnet(*subnet);
            // One that is just what is given stays as it is written.
            let equal = safe.clients.iter().any(|one| Client::Subnet(*one).is_same(&network));
            !equal
                && safe
                    .clients
                    .iter()
                    .any(|one| subnet.prefix() <= one.prefix() && subnet.contains(one.addr()))
        }
        Client::Host(Host::Address(_) | Host::Name(_)) => false,
        Client::Netgroup(_) | Client::Gss(_) => false,
        Client::Anyone => true,
    };
    if !larger {
        return match client {
            Client::Subnet(subnet) if subnet.addr() != subnet.network() => {
                reasons.add(format!("{subnet} is written as the subnet that it stands for"));
                Subnet::new(subnet.network(), subnet.prefix()).map(Client::Subnet).into_iter().collect()
            }
            _ => vec![client.clone()],
        };
    }
    let wanted: Vec<Client> = safe.clients.iter().copied().map(Client::Subnet).collect();
    let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    reasons.add(format!(
        "{client} takes in machines that are no clients; only {} may mount it",
        names.join(", ")
    ));
    wanted
}

/// The safe version of options, with the reasons for what is another.
fn options(old: &Options, safe: &Safe, number: Option<u32>, reasons: &mut Reasons) -> Options {
    let mut new = Options {
        sync: true,
        secure: true,
        subtree_check: false,
        anonuid: safe.uid,
        anongid: safe.gid,
        fsid: number.or(old.fsid),
        ..old.clone()
    };
    new.access.root_squash = true;
    new.access.all_squash = true;
    for one in &mut new.security {
        one.access.root_squash = true;
        one.access.all_squash = true;
    }
    if !old.sync {
        reasons.add("async loses acknowledged writes when the server crashes; it is sync now");
    }
    if !old.secure {
        reasons.add("insecure lets any user of a client pose as another; it is secure now");
    }
    if old.subtree_check {
        reasons
            .add("subtree_check makes files stale that are renamed while open; it is no_subtree_check now");
    }
    if old.accesses().any(|one| !one.access.squashes_root()) {
        reasons.add("no_root_squash makes root on a client root here; everyone is mapped to the owner of the data now");
    } else if old.accesses().any(|one| !one.access.all_squash)
        || (old.anonuid, old.anongid) != (safe.uid, safe.gid)
    {
        reasons.add(format!("everyone is mapped to the owner of the data, {}:{}", safe.uid, safe.gid));
    }
    if new.fsid != old.fsid {
        reasons.add(match old.fsid {
            Some(old) => format!("fsid={old} is replaced by a number that only this folder has"),
            None => {
                "without fsid= file handles depend on the disk; it has a number of its own now".to_owned()
            }
        });
    }
    new
}

/// One client given a path twice gets the larger right.
fn merge(options: &mut Options, other: &Options) {
    let writes = |options: &Options| options.accesses().any(|one| !one.access.read_only);
    if writes(other) && !writes(options) {
        *options = other.clone();
    }
}
