//! What lies in an export already, judged: a `nodes.conf` or a stamp says whose data it is.
//!
//! The files arrive as bytes, read over the wire; nothing here changes any of them. A node that starts on another
//! cluster's `nodes.conf` joins that cluster, so a left-over one is told about, never "mended" by deleting it.

use std::collections::BTreeMap;

use slotwright_cluster::{ClusterNodes, NodeId};
use slotwright_nfs::{Finding, Severity, wire::FoundFile};

use crate::{Stamp, stamp::STAMP_FILE};

/// Name of the cluster configuration file that a node keeps, unless its settings say otherwise.
const NODES_CONF: &str = "nodes.conf";

/// The files that [`judge`] wants to see.
pub(super) const WANTED_FILES: [&str; 2] = [NODES_CONF, STAMP_FILE];

/// Judges what was found in the exports of the deployment `name`: pairs of an export's name and its files.
pub(super) fn judge(name: &str, exports: &[(&str, &[FoundFile])]) -> BTreeMap<String, Vec<Finding>> {
    let mut findings: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    let mut identities: BTreeMap<NodeId, &str> = BTreeMap::new();
    for (export, files) in exports {
        let file = |wanted: &str| files.iter().find(|file| file.name == wanted);
        let stamp = file(STAMP_FILE).map(|file| text(file).parse::<Stamp>());
        let mut tell = |severity, code, what: String, remedy: &str| {
            let finding =
                Finding { severity, code, place: (*export).to_owned(), what, remedy: remedy.to_owned() };
            findings.entry((*export).to_owned()).or_default().push(finding);
        };
        match &stamp {
            Some(Ok(stamp)) if stamp.name == name => tell(
                Severity::Info,
                "own-stamp",
                format!("it belongs to this deployment, as {} (id {})", stamp.node, stamp.deployment),
                "nothing has to be done",
            ),
            Some(Ok(stamp)) => tell(
                Severity::Critical,
                "foreign-stamp",
                format!(
                    "it belongs to another deployment, \"{}\" (id {}), as {}",
                    stamp.name, stamp.deployment, stamp.node
                ),
                "name another base-directory, or move this directory's content to where it belongs",
            ),
            Some(Err(why)) => tell(
                Severity::Critical,
                "unreadable-stamp",
                format!("{STAMP_FILE} cannot be read ({why}), so nobody knows whose data it is"),
                "restore the file from a backup",
            ),
            None => {}
        }
        let Some(nodes) = file(NODES_CONF) else { continue };
        let node = text(nodes).parse::<ClusterNodes>();
        let myself = node.as_ref().map_err(ToString::to_string).and_then(|nodes| {
            nodes.myself().map(|node| (node.id, nodes.entries.len())).map_err(|error| error.to_string())
        });
        match myself {
            // A server that was killed before it first wrote leaves the file empty, and starts as a new node.
            Err(_) if nodes.bytes.is_empty() => {}
            Err(why) => tell(
                Severity::Critical,
                "unreadable-nodes-conf",
                format!("{NODES_CONF} cannot be read ({why}); a server refuses to start on it"),
                "restore the directory from a backup, or let the cluster go on without this node",
            ),
            Ok((id, members)) => {
                if let Some(other) = identities.insert(id, export) {
                    tell(
                        Severity::Critical,
                        "copied-node",
                        format!(
                            "{NODES_CONF} has the identity of the node in {other}, {id}: one was copied from the other"
                        ),
                        "keep the one that the cluster uses, and move the other's content away",
                    );
                }
                if stamp.is_none() {
                    tell(
                        Severity::Warning,
                        "left-over-nodes-conf",
                        format!(
                            "{NODES_CONF} is there without a stamp: a server started here would be node {id} of a cluster \
                             of {members}, and would look for the others at their old addresses"
                        ),
                        "if that is this cluster, let it start; if not, move the directory's content away. Deleting \
                         nodes.conf alone leaves the keys with a node that owns no slots",
                    );
                }
            }
        }
    }
    findings
}

fn text(file: &FoundFile) -> String {
    String::from_utf8_lossy(&file.bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "07c37dfeb235213a872192d90877d0cd55635b91 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-5460\n\
        67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 10.0.0.2:6379@16379 master - 0 0 2 connected 5461-16383\n\
        vars currentEpoch 2 lastVoteEpoch 0\n";

    fn stamp(name: &str) -> String {
        format!("{{\"deployment\":\"{:032x}\",\"name\":\"{name}\",\"node\":\"pv1\"}}", 7)
    }

    fn file(name: &str, text: &str) -> FoundFile {
        FoundFile {
            name: name.to_owned(),
            size: text.len() as u64,
            bytes: text.as_bytes().to_vec(),
            owner: None,
            mode: 0o600,
        }
    }

    fn codes(files: &[FoundFile]) -> Vec<&'static str> {
        let judged = judge("demo", &[("pv1", files)]);
        judged.values().flatten().map(|finding| finding.code).collect()
    }

    #[test]
    fn whose_data_it_is_is_told() {
        assert!(codes(&[]).is_empty());
        assert!(codes(&[file(NODES_CONF, "")]).is_empty());
        assert_eq!(codes(&[file(NODES_CONF, NODES)]), ["left-over-nodes-conf"]);
        assert_eq!(codes(&[file(NODES_CONF, "garbage")]), ["unreadable-nodes-conf"]);
        assert_eq!(codes(&[file(STAMP_FILE, &stamp("demo")), file(NODES_CONF, NODES)]), ["own-stamp"]);
        assert_eq!(codes(&[file(STAMP_FILE, &stamp("other"))]), ["foreign-stamp"]);
        assert_eq!(codes(&[file(STAMP_FILE, "{}")]), ["unreadable-stamp"]);
    }

    #[test]
    fn a_copied_node_is_found() {
        let files = [file(STAMP_FILE, &stamp("demo")), file(NODES_CONF, NODES)];
        let judged = judge("demo", &[("pv1", &files), ("pv2", &files)]);
        assert!(judged["pv2"].iter().any(|finding| finding.code == "copied-node"));
        assert!(judged["pv1"].iter().all(|finding| finding.code != "copied-node"));
    }
}
