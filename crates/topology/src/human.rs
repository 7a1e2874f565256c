//! Numbers as people read them: counts, bytes, durations, slot ranges.
//!
//! Owns the wording that the picture and the terminal share; leaves layout to them. All output is ASCII.

use slotwright_slots::SlotSet;

/// A number with its thousands separated.
///
/// ```
/// use slotwright_topology::human;
///
/// assert_eq!(human::count(1_204_311), "1,204,311");
/// ```
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of things that take an `s` in the plural: `1 shard`, `3 shards`.
pub fn things(number: usize, singular: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {singular}{plural}", count(number as u64))
}

/// An amount of bytes in binary units, with one decimal below 100: `512 B`, `14.2 MiB`, `100 GiB`.
pub fn bytes(amount: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if amount < 1024 {
        return format!("{amount} B");
    }
    let mut value = amount as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // What would be rounded up to 1024 belongs to the next unit.
    while value >= 1023.5 {
        let Some(next) = units.next() else { break };
        (value, unit) = (value / 1024.0, Some(next));
    }
    let unit = unit.copied().unwrap_or_default();
    if value < 99.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A time in seconds by its two largest units: `42s`, `3m 12s`, `5h 3m`, `12d 4h`.
pub fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// The first `most` ranges of a set, and how many more there are: `0-99 200 300-310 +4 more`. Empty for the empty set.
pub fn ranges(slots: &SlotSet, most: usize) -> String {
    let mut text: Vec<String> = slots.ranges().take(most).map(|range| range.to_string()).collect();
    let more = slots.ranges().skip(most).count();
    if more > 0 {
        text.push(format!("+{more} more"));
    }
    text.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_plurals() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!((things(1, "key"), things(0, "key")), ("1 key".to_owned(), "0 keys".to_owned()));
    }

    #[test]
    fn bytes_never_round_up_to_1024_of_a_unit() {
        for (amount, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (102_300, "99.9 KiB"),
            (102_400, "100 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (3 << 30, "3.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(amount), text, "{amount}");
        }
    }

    #[test]
    fn durations_show_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m 0s"),
            (3661, "1h 1m"),
            (90_000, "1d 1h"),
            (86_400 * 400, "400d 0h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn ranges_are_counted_beyond_the_first() {
        let slots: SlotSet = "0-5 7 9-10 12".parse().unwrap();
        assert_eq!(ranges(&slots, 2), "0-5 7 +2 more");
        assert_eq!(ranges(&slots, 4), "0-5 7 9-10 12");
        assert_eq!(ranges(&SlotSet::new(), 3), "");
    }
}
