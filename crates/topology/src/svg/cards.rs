//! One card for each shard, the primary above its replicas; and the nodes that have no shard.

use slotwright_cluster::Role;

use super::canvas::{Anchor, BAD, Canvas, DOUBTFUL, Font, GOOD, LINE, MUTED, PANEL, TEXT, WHITE, number};
use super::{EDGE, INNER, Page};
use crate::{NodeState, NodeStatus, ShardStatus, human, palette};

/// With more shards than this the cards stand in several rows.
pub(super) const MOST_IN_ONE_ROW: usize = 6;

const HEAD: f64 = 52.0;
const BOX_GAP: f64 = 10.0;
/// The first line of figures in a node's box, and the distance of the next.
const FIGURES: f64 = 64.0;
const LINE_HEIGHT: f64 = 14.5;

/// The measures of cards and boxes.
#[derive(Clone, Copy)]
struct Measures {
    /// Between a card and its boxes.
    pad: f64,
    /// How far replicas stand in from their primary.
    indent: f64,
    /// Lines of figures in a box.
    lines: usize,
}

impl Measures {
    fn new(page: &Page<'_>, width: f64) -> Self {
        match (width < 230.0, page.hosts) {
            (false, _) => Self { pad: 12.0, indent: 20.0, lines: 2 },
            (true, false) => Self { pad: 8.0, indent: 14.0, lines: 2 },
            (true, true) => Self { pad: 8.0, indent: 14.0, lines: 3 },
        }
    }

    fn node(self) -> f64 {
        FIGURES + LINE_HEIGHT * (self.lines - 1) as f64 + 10.0
    }

    fn card(self, replicas: usize) -> f64 {
        HEAD + self.node() + replicas as f64 * (self.node() + BOX_GAP) + self.pad
    }
}

/// Where a card stands.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub(super) left: f64,
    pub(super) width: f64,
}

/// The columns of a row of cards, for this many cards in all.
pub(super) fn columns(cards: usize) -> Vec<Column> {
    // Beyond one row: as few empty places in the last row as can be, and rather more columns than fewer.
    let columns = match cards {
        0 => return Vec::new(),
        1..=MOST_IN_ONE_ROW => cards,
        7..=24 => [6, 5, 4].into_iter().min_by_key(|columns| cards.next_multiple_of(*columns)).unwrap_or(6),
        _ => 6,
    };
    let gap = if columns > 4 { 12.0 } else { 28.0 };
    // One or two cards as wide as the page would look lost.
    let width = ((INNER - gap * (columns - 1) as f64) / columns as f64).min(440.0);
    let step = if columns == 1 { 0.0 } else { (INNER - width) / (columns - 1) as f64 };
    let step = step.min(width + 2.0 * gap.max(40.0));
    let row = step * (columns - 1) as f64 + width;
    let first = EDGE + (INNER - row) / 2.0;
    (0..columns).map(|column| Column { left: first + step * column as f64, width }).collect()
}

/// Draws all shards, then the nodes without one, and returns where the next part begins.
pub(super) fn draw(canvas: &mut Canvas, page: &Page<'_>, top: f64) -> f64 {
    let shards = &page.status.shards;
    let columns = columns(shards.len());
    let mut y = top;
    for (row, cards) in shards.chunks(columns.len().max(1)).enumerate() {
        let most = cards.iter().map(|shard| shard.replicas.len()).max().unwrap_or(0);
        let mut height = 0.0;
        for (place, (shard, column)) in cards.iter().zip(&columns).enumerate() {
            let measures = Measures::new(page, column.width);
            height = measures.card(most);
            card(canvas, page, (row * columns.len() + place, shard), *column, (y, height), measures);
        }
        y += height + 20.0;
    }
    y + unplaced(canvas, page, y + 16.0)
}

fn card(
    canvas: &mut Canvas,
    page: &Page<'_>,
    (index, shard): (usize, &ShardStatus),
    Column { left, width }: Column,
    (top, height): (f64, f64),
    measures: Measures,
) {
    let colour = palette::shard(index);
    let look = format!("fill=\"{WHITE}\" stroke=\"{LINE}\"");
    canvas.rect((left, top), (width, height), 14.0, &look);
    // The coloured upper edge ends where it meets the arcs of the corners (radius 14, 5 pixels down).
    let d = format!(
        "M{} {low}A14 14 0 0 1 {} {top}H{}A14 14 0 0 1 {} {low}Z",
        number(left + 3.28),
        number(left + 14.0),
        number(left + width - 14.0),
        number(left + width - 3.28),
        low = number(top + 5.0),
        top = number(top),
    );
    canvas.path(&d, &format!("fill=\"{colour}\""));

    let ink = colour.ink().to_string();
    let (x, y) = (left + measures.pad + 13.0, top + 30.0);
    canvas.circle((x, y), 13.0, &format!("fill=\"{colour}\""));
    let label = (index + 1).to_string();
    let size = if label.len() > 2 { 11.0 } else { 14.0 };
    canvas.text((x, y + size * 0.36), Font::new(size, &ink).bold().at(Anchor::Middle), &label);

    let (x, room) = (x + 20.0, width - 2.0 * measures.pad - 33.0);
    let font = Font::new(14.0, TEXT).bold();
    canvas.text((x, top + 27.0), font, &font.fit(&human::things(shard.slots.len(), "slot"), room));
    let font = Font::new(11.5, MUTED);
    let ranges =
        (1..=4).rev().map(|most| human::ranges(&shard.slots, most)).find(|text| font.width(text) <= room);
    let ranges = ranges.unwrap_or_else(|| human::things(shard.slots.ranges().count(), "range"));
    canvas.text((x, top + 42.0), font, &ranges);

    let (left, width, step) = (left + measures.pad, width - 2.0 * measures.pad, measures.node() + BOX_GAP);
    let top = top + HEAD;
    // Lines first: the boxes lie on them.
    for (number_of, replica) in shard.replicas.iter().enumerate() {
        let middle = top + step * (number_of + 1) as f64 + measures.node() / 2.0;
        let d = format!(
            "M{} {}V{}q0 6 6 6H{}",
            number(left + measures.indent / 2.0),
            number(top + measures.node()),
            number(middle - 6.0),
            number(left + measures.indent),
        );
        let dash = if replica.lag_bytes.is_none() { " stroke-dasharray=\"3 3\"" } else { "" };
        canvas.path(&d, &format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}"));
    }
    node(canvas, page, &shard.primary, (left, top), width, Seat::Primary(index), measures);
    for (number_of, replica) in shard.replicas.iter().enumerate() {
        let place = (left + measures.indent, top + step * (number_of + 1) as f64);
        node(canvas, page, replica, place, width - measures.indent, Seat::Replica, measures);
    }
}

/// Where a box stands.
#[derive(Clone, Copy, PartialEq)]
enum Seat {
    /// At the top of the shard at this index.
    Primary(usize),
    Replica,
    None,
}

fn state_badge(state: NodeState) -> (&'static str, (&'static str, &'static str)) {
    match state {
        NodeState::Ok => ("ok", GOOD),
        NodeState::NotServing => ("not serving", DOUBTFUL),
        NodeState::Down => ("down", BAD),
    }
}

fn node(
    canvas: &mut Canvas,
    page: &Page<'_>,
    node: &NodeStatus,
    (left, top): (f64, f64),
    width: f64,
    seat: Seat,
    measures: Measures,
) {
    let (word, badge) = state_badge(node.state);
    canvas.open("", &tip(node, word));
    let down = node.state == NodeState::Down;
    let (fill, stroke) = match seat {
        _ if down => ("#fff7f6".to_owned(), "#e6a09c".to_owned()),
        Seat::Primary(shard) => {
            let colour = palette::shard(shard);
            (colour.tint(0.11).to_string(), colour.tint(0.7).to_string())
        }
        _ => (PANEL.to_owned(), LINE.to_owned()),
    };
    let dash = if seat == Seat::None || down { " stroke-dasharray=\"5 3\"" } else { "" };
    let look = format!("fill=\"{fill}\" stroke=\"{stroke}\"{dash}");
    canvas.rect((left, top), (width, measures.node()), 9.0, &look);

    let (x, right) = (left + 8.0, left + width - 8.0);
    let room = right - x;
    let edge = canvas.badge((right + 2.0, top + 17.5), 10.0, badge, word);
    let role = match (seat, node.role) {
        (Seat::Primary(_), _) | (Seat::None, Some(Role::Primary)) => "PRIMARY",
        (Seat::Replica, _) | (Seat::None, Some(Role::Replica)) => "REPLICA",
        (Seat::None, None) => "UNKNOWN",
    };
    let font = Font::new(9.5, MUTED).bold();
    if x + font.width(role) < edge {
        canvas.text((x, top + 17.0), font, role);
    }
    let font = Font::new(13.0, TEXT).bold();
    canvas.text((x, top + 34.0), font, &font.fit(&node.name, room));
    let font = Font::new(11.0, MUTED).fixed();
    canvas.text((x, top + 49.0), font, &font.fit(&node.endpoint.to_string(), room));
    for (line, fact) in facts(page, node, room, measures.lines).into_iter().enumerate() {
        let y = top + FIGURES + LINE_HEIGHT * line as f64;
        let quiet = Font { fill: MUTED, ..FACT };
        let font = match fact.tone {
            Tone::Plain => FACT,
            Tone::Quiet => quiet,
            Tone::Trouble => Font { fill: badge.0, ..FACT },
        };
        let mut room = room;
        if !fact.right.is_empty() {
            canvas.text((right, y), quiet.at(Anchor::End), &fact.right);
            room -= quiet.width(&fact.right) + 6.0;
        }
        canvas.text((x, y), font, &font.fit(&fact.left, room));
    }
    canvas.close();
}

const FACT: Font<'_> = Font::new(11.5, TEXT);

/// One line of figures.
struct Fact {
    left: String,
    right: String,
    tone: Tone,
}

#[derive(Clone, Copy)]
enum Tone {
    Plain,
    Quiet,
    Trouble,
}

/// What the lines of figures say: what is wrong, or else keys, memory, lag (uptime on primaries) and place.
fn facts(page: &Page<'_>, node: &NodeStatus, room: f64, lines: usize) -> Vec<Fact> {
    let fact = |left, right, tone| Fact { left, right, tone };
    if let Some(trouble) = &node.trouble {
        let wrapped = FACT.wrap(trouble, room, lines).into_iter();
        let mut facts: Vec<Fact> = wrapped.map(|line| fact(line, String::new(), Tone::Trouble)).collect();
        if facts.len() < lines {
            facts.push(fact(page.place(node), String::new(), Tone::Quiet));
        }
        return facts;
    }
    let lag = match node.lag_bytes {
        Some(0) => "in step".to_owned(),
        Some(bytes) => format!("lag {}", human::bytes(bytes)),
        None => format!("up {}", human::duration(node.uptime_s)),
    };
    let keys = format!("{} key{}", human::count(node.keys), if node.keys == 1 { "" } else { "s" });
    let memory = human::bytes(node.used_memory);
    let limited = match node.max_memory {
        0 => memory.clone(),
        limit => format!("{memory} / {}", human::bytes(limit)),
    };
    if page.hosts && lines == 2 {
        let figures = [format!("{keys} · {limited}"), format!("{keys} · {memory}")];
        let figures = figures.into_iter().find(|text| FACT.width(text) <= room).unwrap_or(keys);
        return vec![fact(figures, String::new(), Tone::Plain), fact(page.place(node), lag, Tone::Quiet)];
    }
    let fits = FACT.width(&limited) + FACT.width(&lag) + 6.0 <= room;
    let memory = if fits { limited } else { memory };
    let place = fact(page.place(node), String::new(), Tone::Quiet);
    let facts = [fact(keys, String::new(), Tone::Plain), fact(memory, lag, Tone::Plain), place];
    facts.into_iter().take(lines).collect()
}

/// Everything about a node, nothing shortened.
fn tip(node: &NodeStatus, state: &str) -> String {
    let mut text = format!("{} ({}), {state}", node.name, node.endpoint);
    if let Some(trouble) = &node.trouble {
        text += &format!(": {trouble}");
    }
    text += &format!("; host {}", node.host);
    if !node.zone.is_empty() {
        text += &format!(", zone {}", node.zone);
    }
    if let Some(id) = node.id {
        text += &format!("; id {id}");
    }
    if let Some(engine) = &node.engine {
        text += &format!("; {engine}, up {}", human::duration(node.uptime_s));
    }
    if node.max_memory > 0 {
        text += &format!("; memory limit {}", human::bytes(node.max_memory));
    }
    text
}

/// The nodes without a shard; returns how much height they took.
fn unplaced(canvas: &mut Canvas, page: &Page<'_>, top: f64) -> f64 {
    let nodes = &page.status.unplaced;
    if nodes.is_empty() {
        return 0.0;
    }
    canvas.text((EDGE, top + 8.0), Font::new(16.0, TEXT).bold(), "Without a place in a shard");
    let (per_row, gap) = (4, 16.0);
    let width = (INNER - gap * 3.0) / 4.0;
    let measures = Measures::new(page, width);
    let step = measures.node() + gap;
    for (index, status) in nodes.iter().enumerate() {
        let (row, column) = (index / per_row, index % per_row);
        let place = (EDGE + column as f64 * (width + gap), top + 22.0 + row as f64 * step);
        node(canvas, page, status, place, width, Seat::None, measures);
    }
    16.0 + 22.0 + nodes.len().div_ceil(per_row) as f64 * step
}
