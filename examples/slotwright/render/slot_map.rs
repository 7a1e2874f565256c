//! The slot map as a picture of characters: 16384 slots in cells of equal size, row by row.
//!
//! A cell takes its shard's colour, or its letter where there are no colours. Cells with several owners, and cells with
//! slots that nobody owns, are marked as such.

use std::collections::BTreeMap;

use slotwright_slots::{SLOT_COUNT, Slot, SlotMap};
use slotwright_topology::{ClusterStatus, human};
use unicode_width::UnicodeWidthStr;

use super::text::{BAD, BOLD, DIM, Style, shard_color, shard_ground};

/// The letters of the shards, in turn.
const LETTERS: &str = "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The same letters in circles, for cells with several owners.
const CIRCLED: &str = "①②③④⑤⑥⑦⑧⑨ⓐⓑⓒⓓⓔⓕⓖⓗⓘⓙⓚⓛⓜⓝⓞⓟⓠⓡⓢⓣⓤⓥⓦⓧⓨⓩⒶⒷⒸⒹⒺⒻⒼⒽⒾⒿⓀⓁⓂⓃⓄⓅⓆⓇⓈⓉⓊⓋⓌⓍⓎⓏ";

/// Left parts of a cell, by eighths.
const EIGHTHS: &str = "▏▎▍▌▋▊▉";

/// Lines of the legend before the rest of the shards is only counted.
const LEGEND_LINES: usize = 4;

/// Columns before the first cell: a slot number and two spaces.
const MARGIN: usize = 7;

fn letter(shard: usize, of: &str) -> char {
    of.chars().nth(shard % LETTERS.len()).unwrap_or('?')
}

/// Equally many slots in a row, each of one owner or of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Cell {
    /// Owners in the order of the slots, and how many slots each has on end; `None` is nobody.
    stretches: Vec<(Option<usize>, usize)>,
}

impl Cell {
    fn add(&mut self, owner: Option<usize>) {
        match self.stretches.last_mut() {
            Some((last, slots)) if *last == owner => *slots += 1,
            _ => self.stretches.push((owner, 1)),
        }
    }

    fn has_hole(&self) -> bool {
        self.stretches.iter().any(|(owner, _)| owner.is_none())
    }

    /// The owner of most of its slots and the one after; the lower number where two have equally many.
    fn leaders(&self) -> (Option<usize>, Option<usize>) {
        let mut totals: BTreeMap<usize, usize> = BTreeMap::new();
        for (owner, slots) in &self.stretches {
            if let Some(owner) = owner {
                *totals.entry(*owner).or_default() += slots;
            }
        }
        let mut order: Vec<(usize, usize)> = totals.into_iter().collect();
        order.sort_by_key(|(owner, slots)| (std::cmp::Reverse(*slots), *owner));
        let mut order = order.into_iter().map(|(owner, _)| owner);
        (order.next(), order.next())
    }

    fn character(&self, style: Style) -> char {
        match (self.leaders(), self.has_hole()) {
            ((None, _), _) => style.pick('·', '.'),
            (_, true) => '!',
            ((Some(only), None), _) => letter(only, LETTERS),
            ((Some(most), _), _) => style.pick(letter(most, CIRCLED), '+'),
        }
    }

    /// The cell as one coloured character. `labelled`: where a stretch begins, its letter stands on the colour.
    fn colored(&self, style: Style, labelled: bool) -> String {
        let (most, second) = match self.leaders() {
            (None, _) => return style.paint(BAD, style.pick("·", ".")),
            (Some(_), _) if self.has_hole() => return style.paint(BAD.invert(), "!"),
            (Some(only), None) => {
                let text = if labelled { letter(only, LETTERS) } else { ' ' };
                return style.paint(shard_ground(only), text.encode_utf8(&mut [0; 4]));
            }
            (Some(most), Some(second)) => (most, second),
        };
        let two = |front: usize, back: usize, text: char| {
            let look =
                anstyle::Style::new().fg_color(Some(shard_color(front))).bg_color(Some(shard_color(back)));
            style.paint(look, text.encode_utf8(&mut [0; 4]))
        };
        match self.stretches.as_slice() {
            _ if !style.unicode => style.paint(shard_ground(most), "+"),
            // One border: drawn where it is.
            [(Some(left), slots), (Some(right), others)] => {
                let eighth = (slots * 8 + (slots + others) / 2) / (slots + others);
                let block = EIGHTHS.chars().nth(eighth.clamp(1, 7) - 1).unwrap_or('▌');
                two(*left, *right, block)
            }
            _ => two(second, most, '▚'),
        }
    }
}

/// All cells, and how many stand in a row.
struct Grid {
    cells: Vec<Cell>,
    columns: usize,
    slots_per_cell: usize,
}

impl Grid {
    fn new(status: &ClusterStatus, width: usize) -> Self {
        let mut owners = SlotMap::new();
        for (shard, shard_status) in status.shards.iter().enumerate() {
            owners.assign(&shard_status.slots, shard);
        }
        let room = width.saturating_sub(MARGIN);
        let columns = [128, 64].into_iter().find(|columns| *columns <= room).unwrap_or(32);
        // At least four rows, and about four cells for each shard, down to 16 slots a cell.
        let most = usize::from(SLOT_COUNT) / (4 * columns);
        let slots_per_cell = [64, 32, 16]
            .into_iter()
            .find(|slots| *slots <= most && usize::from(SLOT_COUNT) / slots >= 4 * status.shards.len())
            .unwrap_or(16);
        let mut cells = vec![Cell::default(); usize::from(SLOT_COUNT) / slots_per_cell];
        for slot in Slot::all() {
            if let Some(cell) = cells.get_mut(usize::from(slot) / slots_per_cell) {
                cell.add(owners.get(slot).copied());
            }
        }
        Self { cells, columns, slots_per_cell }
    }

    fn rows(&self, style: Style) -> Vec<String> {
        let mut rows = Vec::new();
        for (row, cells) in self.cells.chunks(self.columns).enumerate() {
            let first = row * self.columns * self.slots_per_cell;
            let mut text = style.paint(DIM, &format!("{first:>5}")) + "  ";
            let mut before = None;
            for cell in cells {
                if style.color {
                    let leaders = cell.leaders();
                    text += &cell.colored(style, before != Some(leaders));
                    before = Some(leaders);
                } else {
                    text.push(cell.character(style));
                }
            }
            rows.push(text);
        }
        rows
    }
}

/// The map with its heading and legend. Every line ends in a line feed.
pub(super) fn slot_map(status: &ClusterStatus, style: Style) -> String {
    let grid = Grid::new(status, style.columns());
    let mut lines = vec![format!(
        "{}{}",
        style.paint(BOLD, "Slot map"),
        style.paint(DIM, &format!(", {} slots a cell", grid.slots_per_cell))
    )];
    lines.extend(grid.rows(style));
    lines.extend(legend(status, style));
    lines.extend(marks(&grid, style));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Which letter is which shard, as far as a few lines reach.
fn legend(status: &ClusterStatus, style: Style) -> Vec<String> {
    let pad = " ".repeat(MARGIN);
    let entries = status.shards.iter().enumerate().map(|(index, shard)| {
        // From the tenth on, letter and number differ.
        let number = if index < 9 { String::new() } else { format!("{} ", index + 1) };
        let name = number + &style.shorten(&style.clean(&shard.primary.name), 24);
        (index, name)
    });
    let room = style.columns() - MARGIN;
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for (index, name) in entries {
        let tag = letter(index, LETTERS);
        let tag = if style.color {
            style.paint(shard_ground(index), &format!(" {tag} "))
        } else {
            format!("{tag}")
        };
        let width = name.width() + if style.color { 4 } else { 2 };
        // The last line keeps room for the count of what does not fit.
        let reserve = if lines.len() + 1 == LEGEND_LINES { 28 } else { 0 };
        if used > 0 && used + 2 + width > room - reserve {
            if lines.len() + 1 == LEGEND_LINES {
                line += &style.paint(
                    DIM,
                    &format!("  and {}", human::things(status.shards.len() - index, "more shard")),
                );
                lines.push(pad + &line);
                return lines;
            }
            lines.push(format!("{pad}{}", std::mem::take(&mut line)));
            used = 0;
        }
        if used > 0 {
            line += "  ";
            used += 2;
        }
        line += &format!("{tag} {name}");
        used += width;
    }
    if !line.is_empty() {
        lines.push(pad + &line);
    }
    lines
}

/// What the marks that occur mean.
fn marks(grid: &Grid, style: Style) -> Vec<String> {
    let any = |test: &dyn Fn(&Cell) -> bool| grid.cells.iter().any(test);
    let several = |cell: &Cell| !cell.has_hole() && cell.leaders().1.is_some();
    let mut lines = Vec::new();
    let mut explain = |mark: String, text: &str| lines.push(format!("{}{mark} {text}", " ".repeat(MARGIN)));
    if any(&|cell| cell.leaders().0.is_none()) {
        explain(style.paint(BAD, style.pick("·", ".")), "slots that nobody owns");
    }
    if any(&|cell| cell.has_hole() && cell.leaders().0.is_some()) {
        let look = if style.color { BAD.invert() } else { BAD };
        explain(style.paint(look, "!"), "some of these slots nobody owns");
    }
    match (style.color, style.unicode) {
        (true, true) if any(&|cell| several(cell) && cell.stretches.len() > 2) => {
            explain("▚".to_owned(), "slots of several shards, most on the ground's colour");
        }
        (false, true) if any(&several) => {
            explain("①".to_owned(), "slots of several shards, most of this one");
        }
        (_, false) if any(&several) => explain("+".to_owned(), "slots of several shards"),
        _ => {}
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::samples::{even, slots};
    use super::*;

    const PLAIN: Style = Style { color: false, width: 80, unicode: true };

    #[test]
    fn every_slot_is_in_one_cell() {
        for (shards, width) in [(0, 80), (1, 40), (3, 80), (7, 200), (33, 80), (100, 60), (500, 132)] {
            let mut status = even(shards, 0);
            if let Some(first) = status.shards.first_mut() {
                first.slots = &first.slots - &slots("0-6 9");
            }
            let grid = Grid::new(&status, width);
            let mut totals: BTreeMap<Option<usize>, usize> = BTreeMap::new();
            for cell in &grid.cells {
                assert_eq!(cell.stretches.iter().map(|(_, slots)| slots).sum::<usize>(), grid.slots_per_cell);
                for (owner, slots) in &cell.stretches {
                    *totals.entry(*owner).or_default() += slots;
                }
            }
            assert_eq!(totals.values().sum::<usize>(), 16384);
            for (index, shard) in status.shards.iter().enumerate() {
                assert_eq!(
                    totals.get(&Some(index)).copied().unwrap_or(0),
                    shard.slots.len(),
                    "shard {index}"
                );
            }
            let rows = grid.rows(Style { width, ..PLAIN });
            let drawn: usize = rows.iter().map(|row| row.chars().count() - MARGIN).sum();
            assert_eq!(drawn * grid.slots_per_cell, 16384);
            assert!(rows.len() >= 4 && rows.iter().all(|row| row.width() <= width), "{width}");
        }
    }

    #[test]
    fn three_shards_in_letters() {
        let map = slot_map(&even(3, 0), PLAIN);
        let expected = format!(
            "Slot map, 64 slots a cell\n    0  {}\n 4096  {}②{}\n 8192  {}②{}\n12288  {}\n       1 n0-0  2 n1-0  3 n2-0\n       \
             ① slots of several shards, most of this one\n",
            "1".repeat(64),
            "1".repeat(21),
            "2".repeat(42),
            "2".repeat(42),
            "3".repeat(21),
            "3".repeat(64),
        );
        assert_eq!(map, expected);
    }

    #[test]
    fn holes_stand_out() {
        let mut status = even(2, 0);
        status.shards[0].slots = &status.shards[0].slots - &slots("64-127 200");
        for (style, row) in [(PLAIN, "1·1!1"), (Style { unicode: false, ..PLAIN }, "1.1!1")] {
            let map = slot_map(&status, style);
            assert!(map.contains(row), "{map}");
            assert!(
                map.contains("slots that nobody owns") && map.contains("some of these slots nobody owns")
            );
        }
        let full = slot_map(&even(2, 0), PLAIN);
        assert!(!full.contains('·') && !full.contains("nobody"), "{full}");
    }

    #[test]
    fn a_cell_shows_its_largest_owner() {
        let mut cell = Cell::default();
        [0, 0, 1, 1, 1, 0, 2].into_iter().for_each(|owner| cell.add(Some(owner)));
        assert_eq!(cell.leaders(), (Some(0), Some(1)));
        assert_eq!(cell.character(PLAIN), '①');
        assert_eq!(cell.character(Style { unicode: false, ..PLAIN }), '+');
        cell.add(None);
        assert_eq!(cell.character(PLAIN), '!');
    }

    #[test]
    fn the_letters_are_as_many_in_circles() {
        assert_eq!(LETTERS.chars().count(), CIRCLED.chars().count());
        assert!(CIRCLED.chars().all(|c| c.to_string().width() == 1));
    }

    #[test]
    fn the_legend_is_cut_where_there_are_many() {
        for color in [false, true] {
            for width in [60, 80, 200] {
                let lines = legend(&even(300, 0), Style { color, width, unicode: true });
                assert_eq!(lines.len(), LEGEND_LINES);
                assert!(lines[3].contains("more shards"), "{lines:?}");
            }
        }
    }
}
