//! The kinds of values settings take.

use std::fmt;

/// The unit a number is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A plain count.
    Count,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Per cent.
    Percent,
}

impl Unit {
    const fn words(self) -> &'static str {
        match self {
            Self::Count => "a whole number",
            Self::Microseconds => "a whole number of microseconds",
            Self::Milliseconds => "a whole number of milliseconds",
            Self::Seconds => "a whole number of seconds",
            Self::Minutes => "a whole number of minutes",
            Self::Percent => "a percentage without its sign, a whole number",
        }
    }
}

/// What a setting takes. `Display` says it to people: "expected …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `yes` or `no`.
    Flag,
    /// A whole number.
    Number {
        /// The smallest value.
        min: i64,
        /// The largest value.
        max: i64,
        /// What it counts.
        unit: Unit,
    },
    /// A size in bytes; `k`, `m`, `g` stand for powers of 1000, `kb`, `mb`, `gb` for powers of 1024, in any case.
    Memory {
        /// The smallest size.
        min: u64,
        /// The largest size.
        max: u64,
    },
    /// A size as [`Kind::Memory`], or a share of `maxmemory` such as `5%`.
    MemoryOrPercent,
    /// A port; 0 means none.
    Port,
    /// A file mode in octal.
    Mode,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// One or several of these words, in any case; printed in this order.
    Words(&'static [&'static str]),
    /// Any text.
    Text,
    /// A file or directory name without a slash.
    FileName,
    /// A host name: letters, digits, hyphens and dots, below 256 characters.
    HostName,
    /// A password or what else must not be shown.
    Secret,
    /// `save`: pairs of seconds and changes; empty for no snapshots.
    SnapshotPoints,
    /// `client-output-buffer-limit`: groups of class, hard limit, soft limit, seconds.
    BufferLimits,
    /// `oom-score-adj-values`: three numbers from -2000 to 2000.
    OomScores,
    /// Percentiles from 0 to 100; empty for none.
    Percentiles,
    /// `notify-keyspace-events`: a set of letters.
    KeyspaceEvents,
    /// Several arguments that mean one value (`bind`, `replicaof`).
    Arguments,
    /// A directive that may stand several times, each line for itself (`loadmodule`, `user`). Its arguments can
    /// hold credentials and are treated as secret.
    Lines,
}

impl Kind {
    /// True when a line may carry any number of arguments; all others take exactly one.
    pub const fn takes_several(self) -> bool {
        matches!(
            self,
            Self::Words(_)
                | Self::SnapshotPoints
                | Self::BufferLimits
                | Self::OomScores
                | Self::Percentiles
                | Self::Arguments
                | Self::Lines
        )
    }

    /// True when each further line adds to the value; for all others the last line counts.
    pub const fn accumulates(self) -> bool {
        matches!(self, Self::SnapshotPoints | Self::BufferLimits | Self::Lines)
    }

    /// True when values must not be shown.
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::Lines)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Flag => f.write_str("yes or no"),
            Self::Number { min, max, unit } => write!(f, "{} from {min} to {max}", unit.words()),
            Self::Memory { min: 0, .. } => f.write_str("a size in bytes, such as 268435456 or 256mb"),
            Self::Memory { min, .. } => {
                write!(f, "a size in bytes of at least {min}, such as 268435456 or 256mb")
            }
            Self::MemoryOrPercent => f.write_str("a size in bytes such as 256mb, or a share from 0% to 100%"),
            Self::Port => f.write_str("a port from 0 to 65535"),
            Self::Mode => f.write_str("a file mode in octal, from 0 to 777"),
            Self::Word(words) => write!(f, "one of {}", words.join(", ")),
            Self::Words(words) => write!(f, "some of {}", words.join(", ")),
            Self::Text => f.write_str("a text"),
            Self::FileName => f.write_str("a name without a slash"),
            Self::HostName => f.write_str("a host name of letters, digits, hyphens and dots"),
            Self::Secret => f.write_str("a text without zero bytes"),
            Self::SnapshotPoints => {
                f.write_str("pairs of seconds and changes such as \"3600 1 300 100\", or \"\"")
            }
            Self::BufferLimits => f.write_str(
                "groups of class (normal, replica, pubsub), hard limit, soft limit and seconds, \
                 such as \"replica 256mb 64mb 60\"",
            ),
            Self::OomScores => f.write_str("three numbers from -2000 to 2000"),
            Self::Percentiles => f.write_str("percentiles from 0 to 100, or \"\""),
            Self::KeyspaceEvents => f.write_str("letters of \"Ag$lshzxeKEtmdnoc\", or \"\""),
            Self::Arguments | Self::Lines => f.write_str("arguments that split as in a redis.conf"),
        }
    }
}
