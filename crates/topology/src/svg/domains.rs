//! What shares its fate: zones, their hosts, and which shards' copies each host holds.

use std::collections::BTreeMap;

use super::canvas::{Anchor, Canvas, Font, LINE, MUTED, TEXT, WHITE};
use super::{EDGE, INNER, Page};
use crate::{NodeState, NodeStatus, human, palette};

const CHIP: f64 = 24.0;
const ROW: f64 = 30.0;
const GAP: f64 = 16.0;
const PAD: f64 = 14.0;

/// Orders `host-2` before `host-10`: runs of digits by their value, all else as it is.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Natural<'a>(Vec<(&'a str, usize, &'a str)>);

impl<'a> From<&'a str> for Natural<'a> {
    fn from(text: &'a str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let words = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(words);
            let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let (number, after) = after.split_at(digits);
            // The longer number is the greater one, leading zeros apart.
            let number = number.trim_start_matches('0');
            parts.push((word, number.len(), number));
            rest = after;
        }
        Self(parts)
    }
}

/// A copy of a shard: its number from 0 (none for a node without a shard), whether it is the primary, its node.
type Copy<'a> = (Option<usize>, bool, &'a NodeStatus);

/// A title, and hosts with their copies; the only host of a panel that is a host has no name of its own.
type Panel<'a> = (String, Vec<(&'a str, Vec<Copy<'a>>)>);

/// Draws a panel for each zone, or for each host where there are no zones; nothing when all nodes share one host.
/// Returns where the next part begins.
pub(super) fn draw(canvas: &mut Canvas, page: &Page<'_>, top: f64) -> f64 {
    if !page.hosts {
        return top;
    }
    let zones = by_zone(page);
    let y = top + 24.0;
    let title = if page.zones { "Zones and hosts" } else { "Hosts" };
    canvas.text((EDGE, y), Font::new(16.0, TEXT).bold(), title);
    legend(canvas, y);
    let panels: Vec<Panel<'_>> = if page.zones {
        zones
            .into_iter()
            .map(|((_, zone), hosts)| {
                let name = if zone.is_empty() { "no zone" } else { zone };
                let title = format!("{name} ({})", human::things(hosts.len(), "host"));
                (title, hosts.into_iter().map(|((_, host), copies)| (host, copies)).collect())
            })
            .collect()
    } else {
        let hosts = zones.into_values().flatten();
        hosts.map(|((_, host), copies)| (host.to_owned(), vec![("", copies)])).collect()
    };
    let per_row = match (page.zones, panels.len()) {
        (_, count @ 1..=3) => count,
        (true, _) => 3,
        (false, _) => 4,
    };
    let width = (INNER - GAP * (per_row - 1) as f64) / per_row as f64;
    let mut y = y + 16.0;
    for row in panels.chunks(per_row) {
        let height = row.iter().map(|(_, hosts)| panel_height(hosts, width)).fold(0.0, f64::max);
        for (column, (title, hosts)) in row.iter().enumerate() {
            panel(canvas, title, hosts, (EDGE + column as f64 * (width + GAP), y), (width, height));
        }
        y += height + GAP;
    }
    y + 4.0
}

/// By name in natural order; the name itself decides between `host-1` and `host-01`.
type Named<'a, T> = BTreeMap<(Natural<'a>, &'a str), T>;

fn by_zone<'a>(page: &Page<'a>) -> Named<'a, Named<'a, Vec<Copy<'a>>>> {
    let mut zones: Named<'_, Named<'_, Vec<Copy<'_>>>> = BTreeMap::new();
    let mut add = |copy: Copy<'a>| {
        let (zone, host) = (copy.2.zone.as_str(), copy.2.host.as_str());
        let hosts = zones.entry((zone.into(), zone)).or_default();
        hosts.entry((host.into(), host)).or_default().push(copy);
    };
    for (index, shard) in page.status.shards.iter().enumerate() {
        add((Some(index), true, &shard.primary));
        shard.replicas.iter().for_each(|replica| add((Some(index), false, replica)));
    }
    page.status.unplaced.iter().for_each(|node| add((None, false, node)));
    zones
}

/// The width left for chips beside the host's name.
fn chips_per_line(named: bool, width: f64) -> usize {
    let room = width - 2.0 * PAD - if named { name_width(width) } else { 0.0 };
    ((room / (CHIP + 5.0)) as usize).max(1)
}

fn name_width(width: f64) -> f64 {
    (width * 0.36).min(150.0)
}

fn host_height(host: &str, copies: &[Copy<'_>], width: f64) -> f64 {
    copies.len().div_ceil(chips_per_line(!host.is_empty(), width)).max(1) as f64 * ROW
}

fn panel_height(hosts: &[(&str, Vec<Copy<'_>>)], width: f64) -> f64 {
    hosts.iter().map(|(host, copies)| host_height(host, copies, width)).sum::<f64>() + 48.0
}

fn panel(
    canvas: &mut Canvas,
    title: &str,
    hosts: &[(&str, Vec<Copy<'_>>)],
    (left, top): (f64, f64),
    (width, height): (f64, f64),
) {
    canvas.rect((left, top), (width, height), 12.0, &format!("fill=\"{WHITE}\" stroke=\"{LINE}\""));
    let font = Font::new(13.0, TEXT).bold();
    canvas.text((left + PAD, top + 25.0), font, &font.fit(title, width - 2.0 * PAD));
    let mut y = top + 40.0;
    for (host, copies) in hosts {
        let mut x = left + PAD;
        if !host.is_empty() {
            let font = Font::new(12.0, MUTED);
            canvas.text((x, y + CHIP / 2.0 + 4.0), font, &font.fit(host, name_width(width) - 10.0));
            x += name_width(width);
        }
        let per_line = chips_per_line(!host.is_empty(), width);
        for (place, copy) in copies.iter().enumerate() {
            let (line, column) = (place / per_line, place % per_line);
            chip(canvas, copy, (x + column as f64 * (CHIP + 5.0), y + line as f64 * ROW));
        }
        y += host_height(host, copies, width);
    }
}

fn chip(canvas: &mut Canvas, (shard, primary, node): &Copy<'_>, (left, top): (f64, f64)) {
    let role = match (shard, primary) {
        (None, _) => "no shard".to_owned(),
        (Some(shard), true) => format!("primary of shard {}", shard + 1),
        (Some(shard), false) => format!("replica of shard {}", shard + 1),
    };
    canvas.open("", &format!("{}: {role}", node.name));
    let colour = shard.map(palette::shard);
    let (look, ink) = match (colour, primary) {
        (Some(colour), true) => (format!("fill=\"{colour}\" stroke=\"{colour}\""), colour.ink().to_string()),
        (Some(colour), false) => {
            (format!("fill=\"{}\" stroke=\"{colour}\"", colour.tint(0.12)), TEXT.to_owned())
        }
        (None, _) => {
            (format!("fill=\"{WHITE}\" stroke=\"{MUTED}\" stroke-dasharray=\"3 2\""), MUTED.to_owned())
        }
    };
    canvas.rect((left, top), (CHIP, CHIP), 7.0, &format!("{look} stroke-width=\"2\""));
    let label = shard.map_or_else(|| "?".to_owned(), |shard| (shard + 1).to_string());
    let size = if label.len() > 2 { 9.5 } else { 12.0 };
    let font = Font::new(size, &ink).bold().at(Anchor::Middle);
    canvas.text((left + CHIP / 2.0, top + CHIP / 2.0 + size * 0.36), font, &label);
    let dot = match node.state {
        NodeState::Ok => None,
        NodeState::NotServing => Some("#e0a100"),
        NodeState::Down => Some("#d1332d"),
    };
    if let Some(dot) = dot {
        canvas.circle(
            (left + CHIP - 1.0, top + 1.0),
            4.5,
            &format!("fill=\"{dot}\" stroke=\"#fff\" stroke-width=\"1.5\""),
        );
    }
    canvas.close();
}

fn legend(canvas: &mut Canvas, y: f64) {
    let font = Font::new(12.0, MUTED).at(Anchor::End);
    let mut right = EDGE + INNER;
    for (word, look) in [
        ("replica", format!("fill=\"#eef1f4\" stroke=\"{MUTED}\"")),
        ("primary", format!("fill=\"{MUTED}\" stroke=\"{MUTED}\"")),
    ] {
        canvas.text((right, y), font, word);
        right -= font.width(word) + 19.0;
        canvas.rect((right, y - 11.0), (13.0, 13.0), 4.0, &format!("{look} stroke-width=\"1.5\""));
        right -= 18.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natural_order() {
        let mut names = ["host-10", "host-2", "b", "", "host-2a", "host", "10.0.0.12", "10.0.0.9"];
        names.sort_by_key(|name| Natural::from(*name));
        assert_eq!(names, ["", "10.0.0.9", "10.0.0.12", "b", "host", "host-2", "host-2a", "host-10"]);
    }
}
