//! Nodes as a table: a row for each, replicas beneath their primary.
//!
//! What does not fit into the terminal's width is left out, the least important first; names go last, and then only in
//! part.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle};
use slotwright_slots::SlotSet;
use slotwright_topology::{NodeState, NodeStatus, ShardStatus, human, palette};
use unicode_width::UnicodeWidthStr;

use super::text::{Style, word_of};

/// Spaces between columns.
const GAP: usize = 2;

/// Names and addresses longer than this, or than a quarter of the line, are shortened before a column is left out.
const LONG: usize = 20;

/// The narrowest a name becomes when every other column that can be left out is.
const SHORTEST_NAME: usize = 10;

/// Figures longer than this are shortened when nothing else can be left out.
const LONGEST_FIGURE: usize = 13;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Shard,
    Role,
    Name,
    Address,
    Place,
    State,
    Slots,
    Keys,
    Memory,
    Lag,
    Uptime,
}

use Column::{Address, Keys, Lag, Memory, Name, Place, Role, Shard, Slots, State, Uptime};

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Shard => "SHARD",
            Role => "ROLE",
            Name => "NAME",
            Address => "ADDRESS",
            Place => "PLACE",
            State => "STATE",
            Slots => "SLOTS",
            Keys => "KEYS",
            Memory => "MEMORY",
            Lag => "LAG",
            Uptime => "UPTIME",
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Keys | Memory | Lag | Uptime)
    }
}

/// How much is told.
struct Detail {
    columns: Vec<Column>,
    /// Ranges named behind the number of slots.
    ranges: usize,
    /// Whether the memory's limit is told.
    limit: bool,
}

/// From everything to the least, in the order in which things are left out.
fn details(shards: bool, places: bool) -> Vec<Detail> {
    let mut columns = vec![Shard, Role, Name, Address, Place, State, Slots, Keys, Memory, Lag, Uptime];
    columns.retain(|column| match column {
        Shard | Slots => shards,
        Place => places,
        _ => true,
    });
    let mut details = Vec::new();
    let mut add = |columns: &[Column], ranges, limit| {
        details.push(Detail { columns: columns.to_vec(), ranges, limit });
    };
    add(&columns, 3, true);
    add(&columns, 1, true);
    columns.retain(|column| *column != Uptime);
    add(&columns, 1, true);
    add(&columns, 1, false);
    for left_out in [Place, Role] {
        columns.retain(|column| *column != left_out);
        add(&columns, 1, false);
    }
    add(&columns, 0, false);
    for left_out in [Lag, Memory, Address] {
        columns.retain(|column| *column != left_out);
        add(&columns, 0, false);
    }
    details
}

/// A node, and its shard with the slots if it is at the head of one.
struct Row<'a> {
    shard: Option<usize>,
    slots: Option<&'a SlotSet>,
    /// True for a replica, which stands in a little; of these, true for the last one of its shard.
    beneath: Option<bool>,
    node: &'a NodeStatus,
}

impl Row<'_> {
    fn text(&self, column: Column, detail: &Detail, style: Style) -> String {
        let node = self.node;
        let dash = || "-".to_owned();
        match column {
            Shard if self.beneath.is_some() => String::new(),
            Shard => self.shard.map_or_else(dash, |shard| (shard + 1).to_string()),
            Role => node.role.map_or_else(|| "unknown".to_owned(), |role| role.to_string()),
            Name => {
                let branch = match self.beneath {
                    None => "",
                    Some(false) => style.pick("├ ", "|- "),
                    Some(true) => style.pick("└ ", "`- "),
                };
                format!("{branch}{}", style.clean(&node.name))
            }
            Address => style.clean(&node.endpoint.to_string()),
            Place if node.zone.is_empty() => style.clean(&node.host),
            Place => style.clean(&format!("{}/{}", node.zone, node.host)),
            State => word_of(node.state).to_owned(),
            Slots => self.slots.map_or_else(String::new, |slots| {
                let count = human::count(slots.len() as u64);
                match human::ranges(slots, detail.ranges) {
                    ranges if detail.ranges == 0 || ranges.is_empty() => count,
                    ranges => format!("{count} ({ranges})"),
                }
            }),
            _ if node.state == NodeState::Down => dash(),
            Keys => human::count(node.keys),
            Memory if detail.limit && node.max_memory > 0 => {
                format!("{} / {}", human::bytes(node.used_memory), human::bytes(node.max_memory))
            }
            Memory => human::bytes(node.used_memory),
            Lag => node.lag_bytes.map_or_else(dash, human::bytes),
            Uptime => human::duration(node.uptime_s),
        }
    }
}

/// A table of all shards. Every line ends in a line feed.
pub(super) fn of_shards(shards: &[ShardStatus], places: bool, style: Style) -> String {
    let mut rows = Vec::new();
    for (index, shard) in shards.iter().enumerate() {
        rows.push(Row { shard: Some(index), slots: Some(&shard.slots), beneath: None, node: &shard.primary });
        for (number, node) in shard.replicas.iter().enumerate() {
            let last = number + 1 == shard.replicas.len();
            rows.push(Row { shard: Some(index), slots: None, beneath: Some(last), node });
        }
    }
    draw(&rows, &details(true, places), style)
}

/// A table of nodes without a shard. Every line ends in a line feed.
pub(super) fn of_nodes(nodes: &[NodeStatus], places: bool, style: Style) -> String {
    let rows: Vec<_> =
        nodes.iter().map(|node| Row { shard: None, slots: None, beneath: None, node }).collect();
    draw(&rows, &details(false, places), style)
}

fn draw(rows: &[Row<'_>], details: &[Detail], style: Style) -> String {
    let long = LONG.max(style.columns() / 4);
    let whole = |_: Column| usize::MAX;
    let short = |column: Column| {
        if matches!(column, Name | Address | Place) { long } else { usize::MAX }
    };
    // The widths of the columns, headings included, for one way to tell it.
    let widths = |detail: &Detail, room: &dyn Fn(Column) -> usize| -> Vec<usize> {
        let width = |column: &Column| {
            let cells = rows.iter().map(|row| row.text(*column, detail, style).width());
            cells.max().unwrap_or(0).min(room(*column)).max(column.heading().len())
        };
        detail.columns.iter().map(width).collect()
    };
    let fits = |detail: &Detail, room: &dyn Fn(Column) -> usize| {
        let widths = widths(detail, room);
        widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1) <= style.columns()
    };
    let Some((detail, last)) = details.first().zip(details.last()) else {
        return String::new();
    };
    let (detail, room): (&Detail, Box<dyn Fn(Column) -> usize>) = if fits(detail, &whole) {
        (detail, Box::new(whole))
    } else if let Some(detail) = details.iter().find(|detail| fits(detail, &short)) {
        (detail, Box::new(short))
    } else {
        // Nothing more to leave out: figures are shortened, and names take what is left.
        let others = last.columns.iter().zip(widths(last, &|_| LONGEST_FIGURE));
        let others: usize = others.filter(|(column, _)| **column != Name).map(|(_, width)| width + GAP).sum();
        let name = style.columns().saturating_sub(others).max(SHORTEST_NAME);
        (last, Box::new(move |column| if column == Name { name } else { LONGEST_FIGURE }))
    };

    let mut table = Table::new();
    let rule = LineStyle::none().fill(style.pick('─', '-'));
    table.load_style(TableStyle::new().header_separator(rule));
    table.set_content_arrangement(ContentArrangement::Disabled);
    if style.color {
        table.enforce_styling().style_text_only();
    } else {
        table.force_no_tty();
    }
    table.set_header(detail.columns.iter().map(|column| bold(Cell::new(column.heading()), style)));
    for row in rows {
        table.add_row(detail.columns.iter().map(|column| {
            let text = style.shorten(&row.text(*column, detail, style), room(*column));
            paint(Cell::new(text), row, *column, style)
        }));
    }
    let last = detail.columns.len().saturating_sub(1);
    for (index, column) in detail.columns.iter().enumerate() {
        if let Some(settings) = table.column_mut(index) {
            settings.set_padding((0, if index == last { 0 } else { GAP as u16 }));
            if column.is_number() {
                settings.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn bold(cell: Cell, style: Style) -> Cell {
    if style.color { cell.add_attribute(Attribute::Bold) } else { cell }
}

fn paint(cell: Cell, row: &Row<'_>, column: Column, style: Style) -> Cell {
    if !style.color {
        return cell;
    }
    match (column, row.shard) {
        (Shard, Some(shard)) => {
            let ground = palette::shard(shard);
            cell.fg(Color::AnsiValue(ground.ink().to_ansi256())).bg(Color::AnsiValue(ground.to_ansi256()))
        }
        (State, _) => cell.fg(match row.node.state {
            NodeState::Ok => Color::Green,
            NodeState::NotServing => Color::Yellow,
            NodeState::Down => Color::Red,
        }),
        _ => cell,
    }
}
