//! Before a stopped server is started: would that lose keys?
//!
//! A primary that comes back without its data makes its replicas drop theirs (Redis documentation, "Safety of
//! replication when master has persistence turned off"). Without an append-only log its replica must take over first.
//! With one it comes back nearly whole: under `appendfsync everysec` a server that waits for its disk answers before it
//! has written, for up to two seconds (`flushAppendOnlyFile` in the servers' source), and only the replica has those
//! keys. So the replica takes over then too, where a majority of primaries lives to let it.

use std::time::{Duration, Instant};

use slotwright_cluster::{ClusterNodes, NodeEntry, NodeId, Role, Settings, settings::same_value};
use slotwright_topology::{ClusterView, NODE_TIMEOUT};
use tokio::time::sleep;

use super::node::LocalNode;
use crate::{Error, Event, Fleet, Reporter};

/// Waits until `stopped` (positions) can be started without losing keys that a running node still holds.
pub(crate) async fn await_safe_start(
    nodes: &[LocalNode],
    stopped: &[usize],
    settings: &Settings,
    fleet: &Fleet,
    reporter: &dyn Reporter,
) -> Result<(), Error> {
    let keeps_log = settings.get("appendonly").is_some_and(|value| same_value("appendonly", "yes", &value));
    for index in stopped {
        let Some(node) = nodes.get(*index) else { continue };
        let has_log = keeps_log && node.has_append_only_log();
        if has_log
            && settings.get("appendfsync").is_some_and(|value| same_value("appendfsync", "always", &value))
        {
            continue;
        }
        let Some(id) = id_of_a_primary(node) else { continue };
        refuse_empty_primary(node, id, nodes, stopped)?;
        await_take_over(node, id, has_log, settings, fleet, reporter).await?;
    }
    Ok(())
}

/// What a node wrote of itself before it stopped.
fn last_words(node: &LocalNode) -> Option<NodeEntry> {
    let view: ClusterNodes = node.nodes_conf()?.parse().ok()?;
    view.myself().ok().cloned()
}

/// The id of a node that was a primary with slots when it last wrote its view.
fn id_of_a_primary(node: &LocalNode) -> Option<NodeId> {
    let myself = last_words(node)?;
    (myself.role() == Some(Role::Primary) && !myself.slots.is_empty()).then_some(myself.id)
}

/// A primary without any data must not be started together with a replica that has some on disk.
fn refuse_empty_primary(
    node: &LocalNode,
    id: NodeId,
    nodes: &[LocalNode],
    stopped: &[usize],
) -> Result<(), Error> {
    if node.has_snapshot() || node.has_append_only_log() {
        return Ok(());
    }
    let copies = |replica: &&LocalNode| {
        (replica.has_snapshot() || replica.has_append_only_log())
            && last_words(replica).is_some_and(|myself| myself.primary == Some(id))
    };
    match stopped.iter().filter_map(|index| nodes.get(*index)).find(copies) {
        None => Ok(()),
        Some(replica) => Err(Error::WouldLoseData {
            node: node.name.clone(),
            replica: replica.name.clone(),
            how: "empty, as its folder holds no data,",
            next: format!(
                "Copy the replica's data files ({}) into {}, then run `up` again.",
                replica.folder.join("dump.rdb").display(),
                node.folder.display()
            ),
        }),
    }
}

async fn await_take_over(
    node: &LocalNode,
    id: NodeId,
    has_log: bool,
    settings: &Settings,
    fleet: &Fleet,
    reporter: &dyn Reporter,
) -> Result<(), Error> {
    // Time-out until the failure is noticed, as much again until it is agreed on, and time for the election.
    let timeout = settings.get(NODE_TIMEOUT).and_then(|text| text.parse().ok()).unwrap_or(15_000);
    let patience = Duration::from_millis(timeout) * 2 + Duration::from_secs(10);
    let give_up = Instant::now() + patience;
    let mut told = false;
    loop {
        let view = fleet.observe().await;
        let holder = view.nodes().iter().find(|replica| {
            let keys = replica.answer().map_or(0, |answer| answer.server.keys);
            keys > 0 && replica.myself().is_some_and(|entry| entry.primary == Some(id))
        });
        let Some(replica) = holder else { return Ok(()) };
        // The log is the next best when nobody can vote, or the replica is not fit to be elected.
        if has_log && (!majority_lives(&view) || Instant::now() > give_up) {
            return Ok(());
        }
        if !told {
            reporter.report(Event::AwaitingFailover { node: &node.name, replica: &replica.member.name });
            told = true;
        }
        if Instant::now() > give_up {
            return Err(Error::WouldLoseData {
                node: node.name.clone(),
                replica: replica.member.name.clone(),
                how: "without its latest keys, as it keeps no append-only log,",
                next: format!(
                    "The replica did not take over within {} s, for lack of a majority of primaries; let it with \
                     `redis-cli -p {} CLUSTER FAILOVER TAKEOVER`, then run `up` again.",
                    patience.as_secs(),
                    replica.member.endpoint.port
                ),
            });
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// A failover takes the votes of more than half of the primaries with slots.
fn majority_lives(view: &ClusterView) -> bool {
    let living =
        view.owners().owners().filter(|id| view.node(**id).is_some_and(|node| node.answer().is_some()));
    living.count() * 2 > view.owners().owners().count()
}
