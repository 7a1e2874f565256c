//! The cluster in words and characters, for terminals and plain files.
//!
//! Owns layout only: everything shown was decided by `slotwright_topology`. The parts: `table` lists nodes, `slot_map`
//! draws the slots, `findings` tells what was found, `exports` shows exports, `text` measures and cleans.

pub(crate) mod exports;
mod findings;
#[cfg(test)]
mod samples;
mod slot_map;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;

use slotwright_topology::{ClusterStatus, NodeStatus, human};

pub(crate) use self::findings::findings;
pub(crate) use self::text::Style;
use self::text::{BAD, BOLD, DIM, DOUBTFUL, GOOD, word_of};

/// Nodes in trouble that are told about one by one.
const TROUBLES: usize = 12;

/// The whole cluster: headline, table of shards and nodes, slot map, findings. Every line ends in a line feed and is
/// no wider than the terminal.
pub(crate) fn status(status: &ClusterStatus, style: Style) -> String {
    let mut parts = vec![headline(status, style)];
    let places: BTreeSet<_> = nodes(status).map(|node| (&node.zone, &node.host)).collect();
    let places = places.len() > 1;
    if !status.shards.is_empty() {
        parts.push(table::of_shards(&status.shards, places, style));
    }
    if !status.unplaced.is_empty() {
        let title = style.paint(BOLD, "Without a place in a shard");
        parts.push(format!("{title}\n{}", table::of_nodes(&status.unplaced, places, style)));
    }
    parts.extend(troubles(status, style));
    parts.push(slot_map::slot_map(status, style));
    if !status.findings.is_empty() {
        parts.push(findings(&status.findings, style));
    }
    parts.join("\n")
}

fn nodes(status: &ClusterStatus) -> impl Iterator<Item = &NodeStatus> {
    let placed =
        status.shards.iter().flat_map(|shard| std::iter::once(&shard.primary).chain(&shard.replicas));
    placed.chain(&status.unplaced)
}

fn headline(status: &ClusterStatus, style: Style) -> String {
    let (word, look) = if status.healthy { ("healthy", GOOD) } else { ("not healthy", BAD) };
    let name = style.shorten(&style.clean(&status.name), style.columns() - word.len() - 2);
    let mut text = format!("{}: {}\n", style.paint(BOLD, &name), style.paint(look, word));
    let keys = format!("{} key{}", human::count(status.keys), if status.keys == 1 { "" } else { "s" });
    let mut totals = format!(
        "{}, {}, {keys}, {} used",
        human::things(status.shards.len(), "shard"),
        human::things(nodes(status).count(), "node"),
        human::bytes(status.used_memory)
    );
    let engines: BTreeSet<&str> = nodes(status).filter_map(|node| node.engine.as_deref()).collect();
    match engines.len() {
        0 => {}
        1 | 2 => engines.into_iter().for_each(|engine| totals += &format!(", {engine}")),
        more => totals += &format!(", {more} engine versions"),
    }
    for line in style.wrap("", &totals) {
        text += &format!("{line}\n");
    }
    if !status.uncovered.is_empty() {
        let (count, ranges) =
            (human::things(status.uncovered.len(), "slot"), human::ranges(&status.uncovered, 8));
        for line in style.wrap("", &format!("{count} without an owner: {ranges}")) {
            text += &format!("{}\n", style.paint(BAD, &line));
        }
    }
    text
}

/// Why nodes are not `ok`.
fn troubles(status: &ClusterStatus, style: Style) -> Option<String> {
    let mut text = String::new();
    let mut more = 0;
    for (count, node) in nodes(status).filter(|node| node.trouble.is_some()).enumerate() {
        if count >= TROUBLES {
            more += 1;
            continue;
        }
        let why = node.trouble.as_deref().unwrap_or_default();
        for line in style.wrap("  ", &format!("{} is {}: {why}", node.name, word_of(node.state))) {
            text += &format!("{line}\n");
        }
    }
    if more > 0 {
        text += &style.paint(DIM, &format!("  and {}", human::things(more, "more node")));
        text += "\n";
    }
    (!text.is_empty()).then(|| format!("{}\n{text}", style.paint(DOUBTFUL, "In trouble")))
}
