//! The band of all 16384 slots, with ribbons down to the shards when they stand in one row.

use slotwright_slots::{SLOT_COUNT, SlotMap, SlotRange, SlotSet};

use super::canvas::{Anchor, BAD, Canvas, Font, LINE, MUTED, number};
use super::cards::{self, Column};
use super::{EDGE, INNER, Page};
use crate::{human, palette};

const TOP: f64 = 158.0;
const HEIGHT: f64 = 48.0;
const RIBBON: f64 = 64.0;

/// More stretches than this are drawn as columns of one pixel, each in the colour of its first slot's owner.
const MOST_STRETCHES: usize = 2000;

/// More stretches than this would make a web of the ribbons.
const MOST_RIBBONS: usize = 64;

/// Uncovered ranges that get a mark of their own.
const MOST_MARKS: usize = 60;

/// What the band refers to: the hatch for slots without an owner, and the round ends.
pub(super) fn definitions() -> String {
    format!(
        "<pattern id=\"hatch\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><rect width=\"8\" height=\"8\" fill=\"#fff4f3\"/>\
         <rect width=\"3.4\" height=\"8\" fill=\"#d9423c\"/></pattern>\n\
         <clipPath id=\"band\"><rect x=\"{EDGE}\" y=\"{TOP}\" width=\"{INNER}\" height=\"{HEIGHT}\" rx=\"12\"/>\
         </clipPath>\n"
    )
}

fn x_of(slot: usize) -> f64 {
    EDGE + INNER * slot as f64 / f64::from(SLOT_COUNT)
}

fn ends(range: SlotRange) -> (f64, f64) {
    (x_of(usize::from(range.start())), x_of(usize::from(range.end()) + 1))
}

/// Draws the band and returns where the next part begins.
pub(super) fn draw(canvas: &mut Canvas, page: &Page<'_>) -> f64 {
    let mut owners = SlotMap::new();
    for (shard, status) in page.status.shards.iter().enumerate() {
        owners.assign(&status.slots, shard);
    }
    let runs: Vec<(SlotRange, usize)> = owners.runs().map(|(range, shard)| (range, *shard)).collect();
    let ribbons = page.single_row() && runs.len() <= MOST_RIBBONS;

    ticks(canvas);
    canvas.open("clip-path=\"url(#band)\"", "");
    let uncovered = owners.uncovered();
    canvas.rect((EDGE, TOP), (INNER, HEIGHT), 0.0, "fill=\"#fff\"");
    if uncovered.ranges().count() <= MOST_STRETCHES {
        for range in uncovered.ranges() {
            let (left, right) = ends(range);
            canvas.rect((left, TOP), (right - left, HEIGHT), 0.0, "fill=\"url(#hatch)\"");
        }
    } else {
        canvas.rect((EDGE, TOP), (INNER, HEIGHT), 0.0, "fill=\"url(#hatch)\"");
    }
    if runs.len() <= MOST_STRETCHES {
        for (range, shard) in &runs {
            segment(canvas, page, *range, *shard);
        }
    } else {
        columns(canvas, &owners);
    }
    canvas.close();
    let look = format!("fill=\"none\" stroke=\"{LINE}\"");
    canvas.rect((EDGE, TOP), (INNER, HEIGHT), 12.0, &look);

    let bottom = TOP + HEIGHT;
    if ribbons {
        let columns = cards::columns(page.status.shards.len());
        for (shard, column) in columns.iter().enumerate() {
            ribbon(canvas, &runs, shard, *column);
        }
    }
    let marked = marks(canvas, &uncovered);
    match (ribbons, marked) {
        (true, _) => bottom + RIBBON,
        (false, true) => bottom + 48.0,
        (false, false) => bottom + 30.0,
    }
}

fn ticks(canvas: &mut Canvas) {
    for slot in [0, 4096, 8192, 12_288, 16_383] {
        let x = x_of(slot);
        let anchor = match slot {
            0 => Anchor::Start,
            16_383 => Anchor::End,
            _ => Anchor::Middle,
        };
        let x = if slot == 16_383 { EDGE + INNER } else { x };
        let text = if slot == 0 { "slot 0".to_owned() } else { slot.to_string() };
        canvas.text((x, TOP - 12.0), Font::new(12.0, MUTED).at(anchor), &text);
        if !matches!(slot, 0 | 16_383) {
            let d = format!("M{x} {}v5", number(TOP - 7.0), x = number(x));
            canvas.path(&d, &format!("stroke=\"{MUTED}\" fill=\"none\""));
        }
    }
}

fn segment(canvas: &mut Canvas, page: &Page<'_>, range: SlotRange, shard: usize) {
    let (left, right) = ends(range);
    let width = right - left;
    let name = page.status.shards.get(shard).map_or("", |status| status.primary.name.as_str());
    let colour = palette::shard(shard);
    canvas.open("", &format!("shard {}, {name}: slots {range}", shard + 1));
    // A fine white line between neighbours, where there is room for it.
    let gap = if width > 4.0 { 1.2 } else { 0.0 };
    canvas.rect((left, TOP), (width - gap, HEIGHT), 0.0, &format!("fill=\"{colour}\""));
    let ink = colour.ink().to_string();
    let middle = left + width / 2.0;
    let label = (shard + 1).to_string();
    // One size for all: what the highest number needs.
    let widest = page.status.shards.len().to_string();
    let font = |size: f64| Font::new(size, &ink).bold().at(Anchor::Middle);
    if width > 110.0 {
        canvas.text((middle, TOP + 23.0), font(17.0), &label);
        let small = Font::new(12.0, &ink).at(Anchor::Middle);
        canvas.text((middle, TOP + 39.0), small, &range.to_string());
    } else if let Some(size) =
        [17.0, 12.0, 10.0, 8.5].into_iter().find(|size| font(*size).width(&widest) + 2.0 < width)
    {
        canvas.text((middle, TOP + HEIGHT / 2.0 + size * 0.36), font(size), &label);
    }
    canvas.close();
}

fn columns(canvas: &mut Canvas, owners: &SlotMap<usize>) {
    let pixels = INNER as usize;
    for pixel in 0..pixels {
        let slot = pixel * usize::from(SLOT_COUNT) / pixels;
        let owner =
            u16::try_from(slot).ok().and_then(slotwright_slots::Slot::new).and_then(|slot| owners.get(slot));
        if let Some(shard) = owner {
            let look = format!("fill=\"{}\"", palette::shard(*shard));
            canvas.rect((EDGE + pixel as f64, TOP), (1.0, HEIGHT), 0.0, &look);
        }
    }
}

/// From each stretch of the shard to a part of its card's upper edge as wide as the stretch is long.
fn ribbon(canvas: &mut Canvas, runs: &[(SlotRange, usize)], shard: usize, column: Column) {
    let total: usize = runs.iter().filter(|(_, owner)| *owner == shard).map(|(range, _)| range.len()).sum();
    let colour = palette::shard(shard);
    let (top, bottom) = (TOP + HEIGHT, TOP + HEIGHT + RIBBON);
    // The card's corners are round.
    let (from, room) = (column.left + 12.0, column.width - 24.0);
    let mut done = 0_usize;
    for (range, _) in runs.iter().filter(|(_, owner)| *owner == shard) {
        let (left, right) = ends(*range);
        let part = |slots: usize| from + room * slots as f64 / total.max(1) as f64;
        let (low_left, low_right) = (part(done), part(done + range.len()));
        done += range.len();
        let (high, low) = (number(top + RIBBON * 0.55), number(top + RIBBON * 0.45));
        let d = format!(
            "M{l} {t}C{l} {high} {ll} {low} {ll} {b}H{lr}C{lr} {low} {r} {high} {r} {t}Z",
            l = number(left),
            r = number(right - 1.2),
            ll = number(low_left),
            lr = number(low_right),
            t = number(top),
            b = number(bottom),
        );
        canvas.path(&d, &format!("fill=\"{}\" fill-opacity=\"0.75\"", colour.tint(0.3)));
    }
}

/// Small arrows under what nobody owns: one slot is a fourteenth of a pixel. True when something was drawn.
fn marks(canvas: &mut Canvas, uncovered: &SlotSet) -> bool {
    let mut free = 0.0;
    for range in uncovered.ranges().take(MOST_MARKS) {
        let (left, right) = ends(range);
        let middle = (left + right) / 2.0;
        let y = TOP + HEIGHT + 3.0;
        let d = format!("M{} {}l5 9h-10z", number(middle), number(y));
        canvas.path(&d, &format!("fill=\"{}\" stroke=\"#fff\"", BAD.0));
        let font = Font::new(12.0, BAD.0).bold().at(Anchor::Middle);
        let text = format!("{range} uncovered");
        let half = font.width(&text) / 2.0 + 6.0;
        let centre = middle.clamp(EDGE + half, EDGE + INNER - half);
        if centre - half >= free {
            let look = "fill=\"#fff\" fill-opacity=\"0.88\"";
            canvas.rect((centre - half, y + 11.0), (2.0 * half, 18.0), 9.0, look);
            canvas.text((centre, y + 24.0), font, &text);
            free = centre + half;
        }
    }
    let more = uncovered.ranges().skip(MOST_MARKS).count();
    if more > 0 {
        let font = Font::new(12.0, BAD.0).at(Anchor::End);
        let text = format!("and {}", human::things(more, "more range"));
        canvas.text((EDGE + INNER, TOP + HEIGHT + 43.0), font, &text);
    }
    !uncovered.is_empty()
}
