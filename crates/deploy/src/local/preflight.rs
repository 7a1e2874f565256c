//! Everything that can be known to fail is looked at before anything is changed.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::fs::{Access, access};
use slotwright_cluster::{BUS_PORT_OFFSET, ClusterNodes};
use slotwright_slots::SlotSet;
use slotwright_topology::{Refusal, RefusalReason};

use super::{
    node::LocalNode,
    process::{self, Listeners, Process},
};
use crate::{
    Error, PortHolder,
    stamp::{self, STAMP_FILE, Stamp, Verdict},
};

/// What was found on the machine; nothing of it was changed.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The server of each node, where one runs.
    pub(crate) running: Vec<Option<Process>>,
    /// The deployment's id and the folders that lack its stamp.
    pub(crate) identity: Verdict,
}

/// Looks at folders, stamps, processes and ports. `engine` tells which processes count as servers.
pub(crate) fn survey(
    name: &str,
    data: &Path,
    nodes: &[LocalNode],
    engine: &Path,
    adopt: &[String],
) -> Result<Survey, Error> {
    check_adopted(nodes, adopt)?;
    check_data_directory(data)?;
    let identity = identify(name, data, nodes, adopt)?;
    let folders: Vec<PathBuf> = nodes.iter().map(|node| node.folder.clone()).collect();
    let running: Vec<Option<Process>> =
        process::servers_in(&folders, engine).iter().map(|found| process::server(found).cloned()).collect();
    let listeners = Listeners::read();
    for (node, running) in nodes.iter().zip(&running) {
        check_ports(node, running.as_ref(), &listeners)?;
    }
    Ok(Survey { running, identity })
}

fn check_adopted(nodes: &[LocalNode], adopt: &[String]) -> Result<(), Error> {
    match adopt.iter().find(|given| nodes.iter().all(|node| node.name != **given)) {
        None => Ok(()),
        Some(given) => {
            let known: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
            Err(Error::UnknownNode { given: given.clone(), known: known.join(", ") })
        }
    }
}

/// The data directory, or the nearest folder above it that exists, must be ours to write in.
fn check_data_directory(data: &Path) -> Result<(), Error> {
    let unusable = |action, path: &Path, source: std::io::Error| Error::Folder {
        action,
        path: path.to_path_buf(),
        remedy: "give this user the right to it, or name another data-directory",
        source,
    };
    let mut at = data;
    loop {
        match fs::metadata(at) {
            Ok(found) if found.is_dir() => break,
            Ok(_) => {
                let source = std::io::Error::from(std::io::ErrorKind::NotADirectory);
                return Err(unusable("use as a folder", at, source));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => match at.parent() {
                Some(parent) => at = parent,
                None => return Err(unusable("find", at, error)),
            },
            Err(error) => return Err(unusable("look at", at, error)),
        }
    }
    access(at, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| unusable("write in", at, error.into()))
}

/// Whose the folders are; a node of this deployment that the spec no longer names is not forgotten silently.
pub(crate) fn identify(
    name: &str,
    data: &Path,
    nodes: &[LocalNode],
    adopt: &[String],
) -> Result<Verdict, Error> {
    let known: Vec<&Path> = nodes.iter().map(|node| node.folder.as_path()).collect();
    let entries = fs::read_dir(data).into_iter().flatten().flatten().map(|entry| entry.path());
    let left_out = |folder: &PathBuf| {
        let stamp =
            fs::read_to_string(folder.join(STAMP_FILE)).ok().and_then(|text| text.parse::<Stamp>().ok());
        !known.contains(&folder.as_path()) && stamp.is_some_and(|stamp| stamp.name == name)
    };
    let mut left_out: Vec<PathBuf> = entries.filter(left_out).collect();
    left_out.sort();
    if !left_out.is_empty() {
        return Err(Error::LeftOut { folders: left_out });
    }
    let mut ownerships = Vec::with_capacity(nodes.len());
    for node in nodes {
        ownerships.push(node.ownership()?);
    }
    let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
    let adopted = |index: usize| names.get(index).is_some_and(|name| adopt.contains(name));
    stamp::judge(name, &names, &ownerships, adopted).map_err(|rejections| {
        // The first is enough to stop; naming one keeps the message readable.
        let others = rejections.len() - 1;
        let rejected =
            rejections.into_iter().find_map(|rejection| Some((nodes.get(rejection.index)?, rejection)));
        match rejected {
            Some((node, rejection)) => {
                let more = match others {
                    0 => String::new(),
                    1 => " (and so does one other folder)".to_owned(),
                    many => format!(" (and {many} other folders are not ours either)"),
                };
                Error::Identity {
                    path: node.folder.clone(),
                    node: node.name.clone(),
                    reason: rejection.reason + &more,
                }
            }
            None => Error::UnknownNode { given: String::new(), known: names.join(", ") },
        }
    })
}

/// Who holds an address, if anybody: `Some(None)` when the system does not tell.
fn holder_of(
    address: SocketAddr,
    running: Option<&Process>,
    listeners: &Listeners,
) -> Option<Option<Process>> {
    // A killed process is gone from the process table a moment before all its threads have let go of its sockets.
    const ATTEMPTS: usize = 50;
    const PAUSE: Duration = Duration::from_millis(20);
    // Another program may listen on the same port of another address: only a failed bind asks for the holder.
    if TcpListener::bind(address).is_ok() {
        return None;
    }
    let mut holder = listeners.holder(address.port(), running);
    for _ in 0..ATTEMPTS {
        if holder.is_some() {
            break;
        }
        thread::sleep(PAUSE);
        if TcpListener::bind(address).is_ok() {
            return None;
        }
        holder = Listeners::read().holder(address.port(), running);
    }
    Some(holder)
}

/// A cluster whose nodes wrote down another number of shards is not started for a plan that would be refused.
pub(crate) fn check_shards(nodes: &[LocalNode], wanted: usize) -> Result<(), Error> {
    let shards = |node: &LocalNode| {
        let view: ClusterNodes = node.nodes_conf()?.parse().ok()?;
        let owners = view.entries.iter().filter(|entry| !entry.slots.is_empty());
        let (count, covered) =
            owners.fold((0, SlotSet::new()), |(count, covered), owner| (count + 1, covered | &owner.slots));
        covered.is_full().then_some(count)
    };
    let known: Vec<usize> = nodes.iter().filter_map(shards).collect();
    match known.first() {
        Some(have) if !known.contains(&wanted) => Err(Error::Refused(Refusal {
            reasons: vec![RefusalReason {
                reason: format!("There are {have} shards and {wanted} are wanted."),
                remedy: "Changing the number of shards means moving slots, which is not possible yet: set shards to the \
                         present number."
                    .to_owned(),
            }],
        })),
        _ => Ok(()),
    }
}

/// Both ports of a node must be free, or held by its own server.
fn check_ports(node: &LocalNode, running: Option<&Process>, listeners: &Listeners) -> Result<(), Error> {
    let bus = node.port.saturating_add(BUS_PORT_OFFSET);
    for (port, what) in [(node.port, "client port"), (bus, "bus port")] {
        let Some(holder) = holder_of(SocketAddr::new(node.host, port), running, listeners) else { continue };
        if let (Some(server), Some(holder)) = (running, &holder)
            && server.pid == holder.pid
        {
            continue;
        }
        return Err(Error::PortTaken {
            port,
            host: node.host.to_string(),
            what,
            node: node.name.clone(),
            holder: holder.map(|found| {
                Box::new(PortHolder { pid: found.pid, program: found.title, folder: Some(found.folder) })
            }),
        });
    }
    Ok(())
}
