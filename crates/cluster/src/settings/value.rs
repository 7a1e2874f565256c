//! Values in the form `CONFIG GET` prints, and whether two values are the same.

use std::fmt::Write as _;

use super::{
    error::SettingError,
    kind::Kind,
    split::split,
    table::{Setting, nearest},
};

/// The value `text` of the setting `name` as `CONFIG GET` prints it: `256mb` becomes `268435456`, `Yes` becomes `yes`.
///
/// For a setting that takes several arguments, `text` is split as a line of `redis.conf`. Module settings (a name with
/// a dot) are returned unchanged. This is also the form to send with `CONFIG SET`, which splits at every single space
/// and refuses what a `redis.conf` may say with two.
///
/// ```
/// use slotwright_cluster::settings::canonical;
/// assert_eq!(canonical("maxmemory", "256mb")?, "268435456");
/// assert_eq!(canonical("save", "3600 1  300 100")?, "3600 1 300 100");
/// let error = canonical("appendfsync", "sometimes").unwrap_err();
/// assert_eq!(error.to_string(), r#"appendfsync: expected one of everysec, always, no, found "sometimes""#);
/// # Ok::<(), slotwright_cluster::settings::SettingError>(())
/// ```
///
/// # Errors
/// When there is no such setting, or it does not take this value.
pub fn canonical(name: &str, text: &str) -> Result<String, SettingError> {
    let Some(setting) = Setting::find(name) else {
        return match name.contains('.') {
            true => Ok(text.to_owned()),
            false => Err(SettingError::Unknown { name: name.to_owned(), nearest: nearest(name) }),
        };
    };
    setting.canonical(text)
}

/// True when the `running` value, as `CONFIG GET` printed it, is what `wanted` asks for.
///
/// Of `client-output-buffer-limit` only the classes that `wanted` names are compared: the servers print all of them.
/// Values of unknown settings are compared as text.
///
/// ```
/// use slotwright_cluster::settings::same_value;
/// let running = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
/// assert!(same_value("client-output-buffer-limit", "replica 256mb 64mb 60", running));
/// assert!(same_value("maxmemory", "1gb", "1073741824"));
/// assert!(!same_value("maxmemory", "1g", "1073741824"));
/// ```
pub fn same_value(name: &str, wanted: &str, running: &str) -> bool {
    let Some(setting) = Setting::find(name) else {
        return wanted == running;
    };
    match setting.kind {
        Kind::BufferLimits => match (buffer_limits(wanted), buffer_limits(running)) {
            (Some(wanted), Some(running)) => {
                let mut classes = wanted.iter().zip(&running);
                classes.all(|(wanted, running)| wanted.is_none() || wanted == running)
            }
            _ => wanted == running,
        },
        Kind::KeyspaceEvents => match (Events::parse(wanted), Events::parse(running)) {
            (Some(wanted), Some(running)) => wanted.comparable() == running.comparable(),
            _ => wanted == running,
        },
        _ => match (setting.canonical(wanted), setting.canonical(running)) {
            (Ok(wanted), Ok(running)) => wanted == running,
            _ => wanted == running,
        },
    }
}

impl Setting {
    /// The value as [`canonical`] gives it.
    ///
    /// # Errors
    /// When the setting does not take this value.
    pub fn canonical(&'static self, text: &str) -> Result<String, SettingError> {
        self.read(text).ok_or_else(|| self.refuse(text))
    }

    /// The error for a value this setting does not take.
    pub(super) fn refuse(&'static self, text: &str) -> SettingError {
        /// Longest piece of a value that an error repeats.
        const SHOWN: usize = 60;
        let found = if self.kind.is_secret() {
            "another value (not shown)".to_owned()
        } else {
            let cut = if text.chars().nth(SHOWN).is_some() { "…" } else { "" };
            format!("\"{}{cut}\"", text.chars().take(SHOWN).flat_map(char::escape_debug).collect::<String>())
        };
        SettingError::Value { name: self.name, allowed: self.kind.to_string(), found }
    }

    fn read(&self, text: &str) -> Option<String> {
        match self.kind {
            Kind::Flag => word(&["yes", "no"], text).map(str::to_owned),
            Kind::Number { min, max, .. } => integer(text, min, max).map(|number| number.to_string()),
            Kind::Memory { min, max } => {
                let size = memory(text)?;
                (min..=max).contains(&size).then(|| size.to_string())
            }
            Kind::MemoryOrPercent => match text.strip_suffix('%') {
                Some(percent) => integer(percent, 0, 100).map(|percent| match percent {
                    // The servers keep a share as a negative size, and nought has no sign.
                    0 => "0".to_owned(),
                    _ => format!("{percent}%"),
                }),
                None => memory(text).filter(|size| i64::try_from(*size).is_ok()).map(|size| size.to_string()),
            },
            Kind::Port => integer(text, 0, 65535).map(|port| port.to_string()),
            Kind::Mode => {
                let octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
                let mode = octal.then(|| u32::from_str_radix(text, 8).ok())??;
                (mode <= 0o777).then(|| format!("{mode:o}"))
            }
            Kind::Word(words) => match word(words, text)? {
                // Two words for one value; the servers print the shorter.
                "relative" if self.name == "oom-score-adj" => Some("yes".to_owned()),
                word => Some(word.to_owned()),
            },
            Kind::Words(words) => flags(words, text),
            Kind::Text | Kind::Secret => (!text.contains('\0')).then(|| text.to_owned()),
            Kind::FileName => {
                let plain = !text.is_empty() && !text.contains(['/', '\0']);
                plain.then(|| text.to_owned())
            }
            Kind::HostName => {
                let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
                (text.len() < 256 && text.bytes().all(known)).then(|| text.to_owned())
            }
            Kind::SnapshotPoints => snapshot_points(text),
            Kind::BufferLimits => buffer_limits(text).map(|limits| print_limits(&limits)),
            Kind::OomScores => {
                let scores = split(text).ok()?;
                let [a, b, c] = scores.as_slice() else { return None };
                let [a, b, c] =
                    [integer(a, -2000, 2000)?, integer(b, -2000, 2000)?, integer(c, -2000, 2000)?];
                Some(format!("{a} {b} {c}"))
            }
            Kind::Percentiles => percentiles(text),
            Kind::KeyspaceEvents => Events::parse(text).map(Events::print),
            Kind::Arguments => split(text).ok().map(|arguments| arguments.join(" ")),
            Kind::Lines => {
                split(text).ok().filter(|arguments| !arguments.is_empty()).map(|_| text.to_owned())
            }
        }
    }
}

/// The word of the list, however it is spelt.
fn word(words: &[&'static str], text: &str) -> Option<&'static str> {
    words.iter().copied().find(|word| word.eq_ignore_ascii_case(text))
}

/// A whole number as the servers read it: no plus sign, no leading zeros, no spaces.
fn integer(text: &str, min: i64, max: i64) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits == "0" && text == digits
        || digits.starts_with(|first: char| matches!(first, '1'..='9'))
            && digits.bytes().all(|d| d.is_ascii_digit());
    let number = plain.then(|| text.parse().ok())??;
    (min..=max).contains(&number).then_some(number)
}

/// A size in bytes, with or without a unit.
fn memory(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    // The servers let a size wrap around; here it is refused.
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// Several words of the list, in its order.
fn flags(words: &[&'static str], text: &str) -> Option<String> {
    let arguments = split(text).ok()?;
    let chosen: Vec<&str> = arguments.iter().map(|argument| word(words, argument)).collect::<Option<_>>()?;
    if chosen.is_empty() || chosen.contains(&"save") && chosen.contains(&"nosave") {
        return None;
    }
    // The words for nothing and for everything say nothing beside others.
    if words.contains(&"no") && chosen.contains(&"yes") {
        return Some("yes".to_owned());
    }
    let mut printed: Vec<&str> = words.iter().copied().filter(|word| chosen.contains(word)).collect();
    if printed.len() > 1 {
        printed.retain(|word| !matches!(*word, "default" | "no"));
    }
    Some(printed.join(" "))
}

fn snapshot_points(text: &str) -> Option<String> {
    let numbers = split(text).ok()?;
    if numbers.iter().all(String::is_empty) {
        return (numbers.len() <= 1).then(String::new);
    }
    let (pairs, rest) = numbers.as_chunks::<2>();
    let mut printed = Vec::with_capacity(pairs.len());
    for [seconds, changes] in pairs {
        let seconds = integer(seconds, 1, i64::MAX)?;
        let changes = integer(changes, 0, i32::MAX.into())?;
        printed.push(format!("{seconds} {changes}"));
    }
    rest.is_empty().then(|| printed.join(" "))
}

/// Hard limit, soft limit, seconds of one class of clients.
type Limits = (u64, u64, i64);

/// The classes in the order the servers print them, with the name they print.
const CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

/// The limits of each class that `text` names; a later group of the same class wins.
fn buffer_limits(text: &str) -> Option<[Option<Limits>; 3]> {
    let arguments = split(text).ok()?;
    let (groups, rest) = arguments.as_chunks::<4>();
    if groups.is_empty() || !rest.is_empty() {
        return None;
    }
    let mut limits = [None; 3];
    for [class, hard, soft, seconds] in groups {
        let class = class.to_ascii_lowercase().replace("replica", "slave");
        let place = CLASSES.iter().position(|known| *known == class)?;
        let seconds = integer(seconds, 0, i64::MAX)?;
        *limits.get_mut(place)? = Some((memory(hard)?, memory(soft)?, seconds));
    }
    Some(limits)
}

fn print_limits(limits: &[Option<Limits>; 3]) -> String {
    let named = CLASSES.iter().zip(limits).filter_map(|(class, limits)| Some((class, (*limits)?)));
    let groups: Vec<String> =
        named.map(|(class, (hard, soft, seconds))| format!("{class} {hard} {soft} {seconds}")).collect();
    groups.join(" ")
}

fn percentiles(text: &str) -> Option<String> {
    let arguments = split(text).ok()?;
    if arguments.iter().all(String::is_empty) {
        return (arguments.len() <= 1).then(String::new);
    }
    let mut printed = String::new();
    for argument in &arguments {
        let percentile: f64 = argument.parse().ok()?;
        if !(0.0..=100.0).contains(&percentile) {
            return None;
        }
        let separator = if printed.is_empty() { "" } else { " " };
        let mut number = format!("{percentile:.6}");
        number.truncate(number.trim_end_matches('0').trim_end_matches('.').len());
        // Writing to a string cannot fail. Negative nought is nought.
        let _ = write!(printed, "{separator}{}", number.trim_start_matches('-'));
    }
    Some(printed)
}

/// The classes of `notify-keyspace-events`, one bit for each letter of [`LETTERS`].
#[derive(Clone, Copy, PartialEq, Eq)]
struct Events(u32);

/// In the order the servers print them; `A` stands for the first ten.
const LETTERS: &str = "g$lshzxetdnKEmoc";
/// The bits that `A` stands for.
const ALL: u32 = (1 << 10) - 1;
/// The bit of `n`, new keys.
const NEW: u32 = 1 << 10;

impl Events {
    fn parse(text: &str) -> Option<Self> {
        let mut bits = 0;
        for letter in text.chars() {
            bits |= match letter {
                'A' => ALL,
                letter => 1 << LETTERS.find(letter)?,
            };
        }
        Some(Self(bits))
    }

    /// Servers up to 7.0 at least leave `n` out when they print `A`, so beside `A` it cannot be compared.
    fn comparable(self) -> Self {
        if self.0 & ALL == ALL { Self(self.0 & !NEW) } else { self }
    }

    fn print(self) -> String {
        let bits = self.comparable().0;
        let all = bits & ALL == ALL;
        let single =
            |(place, _): &(usize, char)| bits & (1 << place) != 0 && !(all && ALL & (1 << place) != 0);
        let mut printed = if all { "A".to_owned() } else { String::new() };
        printed.extend(LETTERS.char_indices().filter(single).map(|(_, letter)| letter));
        printed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_values_as_servers_do() {
        let cases = [
            ("appendonly", "YES", "yes"),
            ("maxmemory", "1k", "1000"),
            ("maxmemory", "1Kb", "1024"),
            ("maxmemory", "2GB", "2147483648"),
            ("maxmemory", "18446744073709551615", "18446744073709551615"),
            ("maxmemory-clients", "5%", "5%"),
            ("maxmemory-clients", "0%", "0"),
            ("maxmemory-clients", "1mb", "1048576"),
            ("list-max-listpack-size", "-2", "-2"),
            ("unixsocketperm", "0770", "770"),
            ("oom-score-adj", "Relative", "yes"),
            ("oom-score-adj-values", " 0  200 -800 ", "0 200 -800"),
            ("shutdown-on-sigterm", "now default SAVE", "save now"),
            ("shutdown-on-sigterm", "default", "default"),
            ("cluster-slot-stats-enabled", "no cpu", "cpu"),
            ("cluster-slot-stats-enabled", "cpu yes", "yes"),
            ("save", "", ""),
            ("save", "\"\"", ""),
            ("save", "900 1\t300 0", "900 1 300 0"),
            ("latency-tracking-info-percentiles", "50 99.90 100.0", "50 99.9 100"),
            ("latency-tracking-info-percentiles", "", ""),
            ("notify-keyspace-events", "KEg$lshzxetd", "AKE"),
            ("notify-keyspace-events", "EKx", "xKE"),
            ("notify-keyspace-events", "AnK", "AK"),
            (
                "client-output-buffer-limit",
                "pubsub 32mb 8mb 60 Replica 1k 0 0",
                "slave 1000 0 0 pubsub 33554432 8388608 60",
            ),
            ("slave-priority", "10", "10"),
            ("search-x.y", " as it is ", " as it is "),
        ];
        for (name, text, expected) in cases {
            assert_eq!(canonical(name, text).as_deref(), Ok(expected), "{name} {text:?}");
        }
    }

    #[test]
    fn refuses_what_servers_refuse() {
        let cases = [
            ("appendonly", "true"),
            ("appendonly", ""),
            ("maxmemory", ""),
            ("maxmemory", "mb"),
            ("maxmemory", "-1"),
            ("maxmemory", "1.5gb"),
            ("maxmemory", "1tb"),
            ("maxmemory", "99999999999999999999"),
            ("maxmemory", "18446744073709551615gb"),
            ("maxmemory-clients", "101%"),
            ("maxmemory-clients", "-5"),
            ("proto-max-bulk-len", "1kb"),
            ("databases", "0"),
            ("databases", "01"),
            ("databases", "+1"),
            ("databases", "1 "),
            ("databases", "2147483648"),
            ("timeout", "-0"),
            ("unixsocketperm", "1000"),
            ("unixsocketperm", "8"),
            ("dbfilename", "a/b"),
            ("cluster-announce-hostname", "a_b"),
            ("oom-score-adj-values", "0 1"),
            ("oom-score-adj-values", "0 1 2001"),
            ("shutdown-on-sigterm", "save nosave"),
            ("shutdown-on-sigterm", ""),
            ("save", "900"),
            ("save", "0 1"),
            ("save", "\"\" \"\""),
            ("save", "\"900 1"),
            ("latency-tracking-info-percentiles", "101"),
            ("latency-tracking-info-percentiles", "NaN"),
            ("notify-keyspace-events", "Q"),
            ("client-output-buffer-limit", "master 0 0 0"),
            ("client-output-buffer-limit", "normal 0 0"),
            ("client-output-buffer-limit", ""),
        ];
        for (name, text) in cases {
            assert!(matches!(canonical(name, text), Err(SettingError::Value { .. })), "{name} {text:?}");
        }
    }

    #[test]
    fn errors_name_the_setting_the_value_and_the_choice_but_no_secret() {
        let shown = |name, text| canonical(name, text).unwrap_err().to_string();
        assert_eq!(
            shown("slave-priority", "high"),
            "replica-priority: expected a whole number from 0 to 2147483647, found \"high\""
        );
        assert_eq!(shown("maxmemmory", "1"), "there is no setting \"maxmemmory\"; did you mean maxmemory?");
        assert_eq!(shown("frobnicate", "1"), "there is no setting \"frobnicate\"");
        for (name, text) in [("requirepass", "hush\0"), ("user", "\"on >hush")] {
            let error = canonical(name, text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
    }

    #[test]
    fn compares_what_was_asked_for() {
        let limits = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        let cases = [
            ("client-output-buffer-limit", "replica 256mb 64mb 60", limits, true),
            ("client-output-buffer-limit", "replica 256mb 64mb 61", limits, false),
            ("client-output-buffer-limit", "nonsense", limits, false),
            ("notify-keyspace-events", "AKEn", "AKE", true),
            ("notify-keyspace-events", "KEn", "KE", false),
            ("notify-keyspace-events", "KE", "EK", true),
            ("appendonly", "Yes", "yes", true),
            ("maxmemory", "nonsense", "0", false),
            ("unknown-thing", "a", "a", true),
            ("unknown-thing", "a", "b", false),
        ];
        for (name, wanted, running, same) in cases {
            assert_eq!(same_value(name, wanted, running), same, "{name} {wanted:?} {running:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn canonical_is_stable_and_never_panics(
            setting in proptest::sample::select(super::super::all().collect::<Vec<_>>()),
            text in "(?s).{0,12}|[0-9]{1,20}(k|KB|mb|gb|%)?|([0-9]{1,4} ?){0,4}|(normal|replica) [0-9]{1,3} 1mb 3|[AKEgn$lshzxetd]{0,12}",
        ) {
            if let Ok(once) = setting.canonical(&text) {
                let again = setting.canonical(&once);
                // Printed arguments are not quoted, so they need not split again.
                if !matches!(setting.kind, Kind::Arguments) {
                    proptest::prop_assert_eq!(again.as_ref(), Ok(&once));
                }
                proptest::prop_assert!(same_value(setting.name, &text, &once) || again.is_err());
            }
        }
    }
}
