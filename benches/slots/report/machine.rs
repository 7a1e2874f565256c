//! Where, when and with what the figures were made.

use std::time::SystemTime;

use serde::Serialize;
use slotwright_slots::Kernel;

/// What must be known beside a figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Circumstances {
    /// The processor as it calls itself.
    pub(crate) processor: String,
    /// Processors this program may use.
    pub(crate) cores: usize,
    /// The running system.
    pub(crate) system: String,
    /// The compiler.
    pub(crate) compiler: String,
    /// What it compiled for, and the flags it was given beside the profile `release`.
    pub(crate) target: String,
    /// Measured crates and their versions.
    pub(crate) versions: Vec<Version>,
    /// The path our own call takes on this machine.
    pub(crate) active: &'static str,
    /// The paths that can be forced on this machine, the preferred first.
    pub(crate) available: Vec<&'static str>,
    /// The day, in UTC, as `2026-11-22`.
    pub(crate) date: String,
    /// How to do it again.
    pub(crate) command: String,
}

/// A crate in the version that was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Version {
    /// The name of the crate.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
}

/// The crates whose versions matter.
const MEASURED: [&str; 5] = ["slotwright-slots", "redis-protocol", "crc16", "crc", "crc-fast"];

impl Circumstances {
    /// This machine, today.
    pub(crate) fn here(quick: bool) -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let flags = env!("MEASURED_FLAGS");
        let target = env!("MEASURED_TARGET");
        let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            processor: processor(&read("/proc/cpuinfo")),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: system(&read("/etc/os-release"), read("/proc/sys/kernel/osrelease").trim()),
            compiler: env!("MEASURED_RUSTC").to_owned(),
            target: if flags.is_empty() { target.to_owned() } else { format!("{target}, {flags}") },
            versions: versions(include_str!("../../../Cargo.lock")),
            active: Kernel::active().name(),
            available: Kernel::available().map(Kernel::name).collect(),
            date: date(elapsed.as_secs() / 86_400),
            command: format!("cargo xtask bench slots{}", if quick { " --quick" } else { "" }),
        }
    }

    /// The version of a crate; empty for one that is not measured.
    pub(crate) fn version(&self, name: &str) -> &str {
        self.versions.iter().find(|version| version.name == name).map_or("", |version| &version.version)
    }
}

/// The model from `/proc/cpuinfo`; some ARM kernels give none.
fn processor(cpuinfo: &str) -> String {
    let fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let value = |name| fields.clone().find(|(field, _)| field.trim() == name).map(|(_, value)| value.trim());
    let Some(model) = value("model name") else {
        return format!("unnamed {} processor", std::env::consts::ARCH);
    };
    match (value("cpu family"), value("model")) {
        (Some(family), Some(number)) => format!("{model} (family {family}, model {number})"),
        _ => model.to_owned(),
    }
}

/// Distribution and kernel.
fn system(os_release: &str, kernel: &str) -> String {
    let name = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let kernel = format!("Linux {kernel}");
    name.map_or(kernel.clone(), |name| format!("{}, {kernel}", name.trim_matches('"')))
}

/// Versions of the measured crates, in their order, from the text of a `Cargo.lock`.
fn versions(lock: &str) -> Vec<Version> {
    let quoted = |line: &str, field: &str| {
        let value = line.strip_prefix(field)?.strip_prefix(" = \"")?;
        value.strip_suffix('"').map(str::to_owned)
    };
    let version_of = |wanted: &&str| {
        let mut lines = lock.lines();
        lines.find(|line| quoted(line, "name").as_deref() == Some(*wanted))?;
        let version = lines.next().and_then(|line| quoted(line, "version"))?;
        Some(Version { name: (*wanted).to_owned(), version })
    };
    MEASURED.iter().filter_map(version_of).collect()
}

/// A day of the Gregorian calendar, `days` after 1970-01-01.
fn date(days: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock = "[[package]]\nname = \"crc16\"\nversion = \"0.4.0\"\nsource = \"x\"\n\n\
                    [[package]]\nname = \"crc\"\nversion = \"3.4.0\"\n dependencies = [\n \"crc-catalog\",\n]\n";
        let found = versions(lock);
        let shown: Vec<String> = found.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
        assert_eq!(shown, ["crc16 0.4.0", "crc 3.4.0"]);
        assert_eq!(versions(include_str!("../../../Cargo.lock")).len(), MEASURED.len());
    }

    #[test]
    fn days_become_dates() {
        let cases = [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_453, "2025-12-31"),
            (20_454, "2026-01-01"),
        ];
        for (days, expected) in cases {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn names_machine_and_system() {
        let cpuinfo = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n";
        assert_eq!(processor(cpuinfo), "AMD EPYC (family 25, model 1)");
        assert!(processor("").starts_with("unnamed "));
        assert_eq!(system("A=b\nPRETTY_NAME=\"Some Linux 1\"\n", "6.1"), "Some Linux 1, Linux 6.1");
        assert_eq!(system("", "6.1"), "Linux 6.1");
    }
}
