//! What slot routing must reach beside its peers, and whether this run reached it.

use serde::Serialize;
use slotwright_benches::batch::{ONE_BY_ONE, TOGETHER};
use slotwright_benches::single::{self, CRC16, OURS, PORTABLE, REDIS_PROTOCOL, Whose};

use crate::look_ups::{self, TREE};
use crate::races::MIXED;
use crate::turns::{Row, RowName};

/// A demand and its measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Bar {
    /// What is compared.
    pub(crate) work: String,
    /// The other side takes at least this many times as long.
    pub(crate) demanded: f64,
    /// How many times as long it took; `None` if it was not measured.
    pub(crate) measured: Option<f64>,
    /// Whether that is enough; `None` if it was not measured.
    pub(crate) reached: Option<bool>,
    /// More words: where the worst case is.
    pub(crate) detail: String,
}

/// Not slower means: within a twentieth.
const NOT_SLOWER: f64 = 0.95;

impl Bar {
    fn new(work: &str, demanded: f64, measured: Option<f64>) -> Self {
        let reached = measured.map(|measured| measured >= demanded);
        Self { work: work.to_owned(), demanded, measured, reached, detail: String::new() }
    }

    /// The answer in a word or two.
    pub(crate) fn verdict(&self) -> &'static str {
        match self.reached {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "not measured",
        }
    }
}

/// Holds the results against every demand.
pub(crate) fn judge(rows: &[Row]) -> Vec<Bar> {
    let ratio = |group: &str, keys: &str, slow: &str, fast: &str| {
        let row = rows.iter().find(|row| row.name.group == group && row.name.keys == keys)?;
        row.ratio(slow, fast)
    };
    let peers: Vec<String> =
        single::all().into_iter().filter(|one| one.whose == Whose::Peer).map(|one| one.name).collect();
    let of = |wanted: fn(&RowName) -> bool| rows.iter().filter(move |row| wanted(&row.name));
    let by_length = of(|name| name.group == "key_slot" && name.length.is_some());
    let by_shape =
        of(|name| name.group.starts_with("tag/") || name.keys == MIXED && name.group == "key_slot");
    vec![
        Bar::new("16-byte key, against `redis_keyslot`", 6.0, ratio("key_slot", "16", REDIS_PROTOCOL, OURS)),
        Bar::new("64-byte key, against `redis_keyslot`", 25.0, ratio("key_slot", "64", REDIS_PROTOCOL, OURS)),
        worst("any length measured, against every peer", by_length, &peers),
        worst("any tag shape measured and mixed lengths, against every peer", by_shape, &peers),
        Bar::new(
            "batch of 1,000 16-byte keys, against our own single-key call",
            2.0,
            ratio("batch", "16", ONE_BY_ONE, TOGETHER),
        ),
        Bar::new("portable path at 32 bytes, against `crc16`", 2.0, ratio("key_slot", "32", CRC16, PORTABLE)),
        Bar::new(
            "owner look-up, random slots, warm, against `BTreeMap` of ranges at 100 nodes",
            10.0,
            ratio(look_ups::GROUP, &format!("{} nodes", look_ups::NODES), TREE, OURS),
        ),
    ]
}

/// The row and the peer that come closest to us.
fn worst<'a>(work: &str, rows: impl Iterator<Item = &'a Row>, peers: &[String]) -> Bar {
    let beside =
        |row: &'a Row| peers.iter().filter_map(move |peer| Some((row.ratio(peer, OURS)?, row, peer)));
    let pairs: Vec<(f64, &Row, &String)> = rows.flat_map(beside).collect();
    let worst = pairs.iter().min_by(|(one, ..), (other, ..)| one.total_cmp(other));
    let mut bar = Bar::new(work, NOT_SLOWER, worst.map(|(ratio, ..)| *ratio));
    if let Some((_, row, peer)) = worst {
        let below = pairs.iter().filter(|(ratio, ..)| *ratio < NOT_SLOWER).count();
        let missed = if below > 0 {
            format!("; missed in {below} of {} comparisons", pairs.len())
        } else {
            String::new()
        };
        bar.detail = format!("closest: {peer} at {}{missed}", place(row));
    }
    bar
}

fn place(row: &Row) -> String {
    let keys = match row.name.length {
        Some(length) => format!("{length} bytes"),
        None => format!("{} lengths", row.name.keys),
    };
    match row.name.group.strip_prefix("tag/") {
        Some(shape) => format!("{keys}, tag shape `{shape}`"),
        None => keys,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turns::tests::row;

    fn find<'a>(bars: &'a [Bar], words: &str) -> &'a Bar {
        bars.iter().find(|bar| bar.work.contains(words)).unwrap()
    }

    #[test]
    fn judges_what_was_measured_and_says_what_was_not() {
        let rows = [
            row("key_slot", "16", &[(OURS, &[2.0]), (REDIS_PROTOCOL, &[14.0]), (CRC16, &[1.8])]),
            row("key_slot", "64", &[(OURS, &[4.0]), (REDIS_PROTOCOL, &[80.0]), (CRC16, &[60.0])]),
            row("tag/end", "64", &[(OURS, &[4.0]), (CRC16, &[8.0])]),
            row("look_up", "100 nodes", &[(OURS, &[2.0, 4.0]), (TREE, &[30.0, 60.0])]),
            row("batch", "16", &[(ONE_BY_ONE, &[2.0]), (TOGETHER, &[1.0])]),
        ];
        let bars = judge(&rows);
        assert_eq!(
            (find(&bars, "16-byte key").measured, find(&bars, "16-byte key").reached),
            (Some(7.0), Some(true))
        );
        assert_eq!(find(&bars, "64-byte").verdict(), "**no**");
        let any = find(&bars, "any length");
        assert_eq!(
            (any.reached, any.detail.as_str()),
            (Some(false), "closest: crc16 at 16 bytes; missed in 1 of 4 comparisons")
        );
        assert_eq!(find(&bars, "tag shape").detail, "closest: crc16 at 64 bytes, tag shape `end`");
        assert_eq!(find(&bars, "batch").reached, Some(true));
        assert_eq!(find(&bars, "portable").verdict(), "not measured");
        assert_eq!((find(&bars, "look-up").measured, find(&bars, "look-up").verdict()), (Some(15.0), "yes"));
    }
}
