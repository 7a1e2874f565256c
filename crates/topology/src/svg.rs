//! The cluster as a picture: one SVG file that needs nothing beside it.
//!
//! Owns the page: title, order of the parts, size. The parts: `band` draws the slots, `cards` the shards and nodes,
//! `domains` what shares its fate, `notes` the findings; `canvas` is the pen. Colours come from [`palette`](crate::palette).
//! What is drawn was decided elsewhere; nothing is judged here.

mod band;
mod canvas;
mod cards;
mod domains;
mod notes;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::canvas::{Anchor, BAD, Canvas, Font, GOOD, LINE, MUTED, PAGE, TEXT, escape, number};
use crate::{ClusterStatus, NodeStatus, human};

/// The page's width in pixels, and the empty edge of its left and right.
const WIDTH: f64 = 1200.0;
const EDGE: f64 = 40.0;
const INNER: f64 = WIDTH - 2.0 * EDGE;

/// Draws the cluster: its slots and who owns them, each shard's nodes, hosts and zones, and what was found.
///
/// The result is a complete SVG 1.1 document of 1200 pixels' width and as many in height as it takes. It brings its own
/// background, loads nothing, runs nothing, and the same status gives the same bytes. Texts from the cluster are
/// escaped, and shortened where room is short; in a browser the full text shows when the pointer rests on a node.
///
/// ```
/// use slotwright_slots::SlotSet;
/// use slotwright_topology::{ClusterStatus, draw_svg};
///
/// let empty = ClusterStatus {
///     name: "demo".to_owned(),
///     healthy: false,
///     shards: Vec::new(),
///     unplaced: Vec::new(),
///     uncovered: SlotSet::full(),
///     keys: 0,
///     used_memory: 0,
///     findings: Vec::new(),
/// };
/// assert!(draw_svg(&empty).starts_with("<svg "));
/// ```
pub fn draw_svg(status: &ClusterStatus) -> String {
    let page = Page::new(status);
    let mut canvas = Canvas::default();
    heading(&mut canvas, status);
    let mut y = band::draw(&mut canvas, &page);
    y = cards::draw(&mut canvas, &page, y);
    y = domains::draw(&mut canvas, &page, y);
    y = notes::draw(&mut canvas, &status.findings, y);
    let height = number(y + 24.0);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"title desc\">\n\
         <title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n",
        escape(&format!("Redis or Valkey cluster {}", status.name)),
        escape(&description(status)),
    );
    svg.push_str(
        "<defs>\n<style>text{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,\
         sans-serif}.fixed{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}\
         </style>\n",
    );
    svg.push_str(&band::definitions());
    svg.push_str("</defs>\n");
    let mut ground = Canvas::default();
    let look = format!("fill=\"{PAGE}\" stroke=\"{LINE}\"");
    ground.rect((0.5, 0.5), (WIDTH - 1.0, y + 23.0), 20.0, &look);
    svg.push_str(&ground.into_elements());
    svg.push_str(&canvas.into_elements());
    svg.push_str("</svg>\n");
    svg
}

/// What several parts want to know of the whole.
struct Page<'a> {
    status: &'a ClusterStatus,
    /// True when nodes run on more than one host: only then is a host worth naming.
    hosts: bool,
    /// True when there is more than one zone.
    zones: bool,
}

impl<'a> Page<'a> {
    fn new(status: &'a ClusterStatus) -> Self {
        let hosts: BTreeSet<_> = all_nodes(status).map(|node| (&node.zone, &node.host)).collect();
        let zones: BTreeSet<_> = all_nodes(status).map(|node| &node.zone).collect();
        Self { status, hosts: hosts.len() > 1, zones: zones.len() > 1 }
    }

    /// Host and zone, as far as they tell nodes apart.
    fn place(&self, node: &NodeStatus) -> String {
        match (self.hosts, self.zones && !node.zone.is_empty()) {
            (false, _) => String::new(),
            (true, false) => node.host.clone(),
            (true, true) => format!("{} / {}", node.zone, node.host),
        }
    }

    /// True when every shard has its place in one row below the band, with room for ribbons.
    fn single_row(&self) -> bool {
        self.status.shards.len() <= cards::MOST_IN_ONE_ROW
    }
}

fn all_nodes(status: &ClusterStatus) -> impl Iterator<Item = &NodeStatus> {
    let placed =
        status.shards.iter().flat_map(|shard| std::iter::once(&shard.primary).chain(&shard.replicas));
    placed.chain(&status.unplaced)
}

/// `3 shards · 6 nodes · 1,204 keys · 14.2 MiB used`
fn totals(status: &ClusterStatus) -> String {
    let mut parts = vec![
        human::things(status.shards.len(), "shard"),
        human::things(all_nodes(status).count(), "node"),
        format!("{} key{}", human::count(status.keys), if status.keys == 1 { "" } else { "s" }),
        format!("{} used", human::bytes(status.used_memory)),
    ];
    let engines: BTreeSet<&str> = all_nodes(status).filter_map(|node| node.engine.as_deref()).collect();
    match engines.len() {
        0 => {}
        1 | 2 => parts.extend(engines.into_iter().map(str::to_owned)),
        more => parts.push(format!("{more} engine versions")),
    }
    parts.join(" · ")
}

fn description(status: &ClusterStatus) -> String {
    let health = if status.healthy { "healthy" } else { "not healthy" };
    let mut text = format!("{}: {health}; {}.", status.name, totals(status));
    for (number, shard) in status.shards.iter().take(12).enumerate() {
        let (slots, replicas) =
            (human::ranges(&shard.slots, 3), human::things(shard.replicas.len(), "replica"));
        text += &format!(" Shard {}: {}, slots {slots}, {replicas}.", number + 1, shard.primary.name);
    }
    if !status.uncovered.is_empty() {
        text += &format!(" Slots without an owner: {}.", human::ranges(&status.uncovered, 6));
    }
    text
}

fn heading(canvas: &mut Canvas, status: &ClusterStatus) {
    let (word, look) = if status.healthy { ("healthy", GOOD) } else { ("not healthy", BAD) };
    let left = canvas.badge((WIDTH - EDGE, 63.0), 16.0, look, word);
    let name = Font::new(30.0, TEXT).bold();
    canvas.text((EDGE, 68.0), name, &name.fit(&status.name, left - EDGE - 24.0));
    let small = Font::new(15.0, MUTED);
    canvas.text((EDGE, 97.0), small, &small.fit(&totals(status), INNER * 0.7));
    if !status.uncovered.is_empty() {
        let font = Font::new(14.0, BAD.0).bold().at(Anchor::End);
        let text = format!("{} without an owner", human::things(status.uncovered.len(), "slot"));
        canvas.text((WIDTH - EDGE, 97.0), font, &text);
    }
}
