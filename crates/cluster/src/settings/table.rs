//! What is known of each directive: kind, whether it changes at run time, who sets it.
//!
//! Names, ranges and mutability are those of Redis 7.0 to 8 and Valkey 8 to 9; where engines differ, the newest
//! range and the stricter mutability stand here. Not every engine has every directive: a server is asked with `CONFIG GET`.

use super::kind::{Kind, Unit};

/// Who decides the value of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Whoever writes the specification.
    User,
    /// The deployment, for this reason; a specification cannot set it.
    Deployment {
        /// Where the value comes from, or why it must not change: the end of "cannot be set here: …".
        reason: &'static str,
    },
}

/// What is known of one directive of `redis.conf`.
///
/// ```
/// use slotwright_cluster::settings::{Owner, Setting};
/// let setting = Setting::find("SLAVE-priority").unwrap();
/// assert_eq!(setting.name, "replica-priority");
/// assert!(setting.live);
/// assert!(matches!(Setting::find("port").unwrap().owner, Owner::Deployment { .. }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name, in lower case.
    pub name: &'static str,
    /// Other names that mean the same.
    pub aliases: &'static [&'static str],
    /// What it takes.
    pub kind: Kind,
    /// `CONFIG SET` changes it while the server runs; otherwise a change needs a restart. Settings that servers
    /// protect from `CONFIG SET` by default (`dir`, `dbfilename`) count as not live.
    pub live: bool,
    /// Who decides it.
    pub owner: Owner,
}

impl Setting {
    /// The setting of this name or alias, in any case.
    pub fn find(name: &str) -> Option<&'static Self> {
        all().find(|setting| {
            setting.name.eq_ignore_ascii_case(name)
                || setting.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
        })
    }

    const fn alias(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn owned(self, reason: &'static str) -> Self {
        Self { owner: Owner::Deployment { reason }, ..self }
    }
}

/// Every known setting, by subject.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    TABLE.iter()
}

/// The known name that looks most like `name`; `None` when none is near.
///
/// ```
/// use slotwright_cluster::settings::nearest;
/// assert_eq!(nearest("max-memory"), Some("maxmemory"));
/// assert_eq!(nearest("frobnicate"), None);
/// ```
pub fn nearest(name: &str) -> Option<&'static str> {
    /// No directive is longer; comparing longer texts is a waste.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let limit = (name.len() / 3).clamp(1, 5);
    let names = all().flat_map(|setting| {
        let names = std::iter::once(&setting.name).chain(setting.aliases);
        names.map(move |known| (known, setting.name))
    });
    let near = names.map(|(known, shown)| (distance(name.as_bytes(), known.as_bytes()), shown));
    near.filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, shown)| shown)
}

/// Insertions, deletions and substitutions that turn one text into the other.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, a) in from.iter().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        let (first, cells) = match row.split_first_mut() {
            Some(parts) => parts,
            None => return from.len(),
        };
        *first = left;
        for (cell, b) in cells.iter_mut().zip(to) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *cell;
            *cell = replaced.min(diagonal + 1).min(left + 1);
            left = *cell;
        }
    }
    row.last().copied().unwrap_or(from.len())
}

/// Changed by `CONFIG SET`.
const fn live(name: &'static str, kind: Kind) -> Setting {
    Setting { name, aliases: &[], kind, live: true, owner: Owner::User }
}

/// Read when the server starts.
const fn start(name: &'static str, kind: Kind) -> Setting {
    Setting { live: false, ..live(name, kind) }
}

const fn number(min: i64, max: i64, unit: Unit) -> Kind {
    Kind::Number { min, max, unit }
}

const fn count(min: i64, max: i64) -> Kind {
    number(min, max, Unit::Count)
}

const fn seconds(min: i64) -> Kind {
    number(min, INT, Unit::Seconds)
}

const fn bytes(min: u64) -> Kind {
    Kind::Memory { min, max: i64::MAX.unsigned_abs() }
}

const INT: i64 = i32::MAX as i64;
const UINT: i64 = u32::MAX as i64;
const LONG: i64 = i64::MAX;
const MIB: u64 = 1 << 20;

const FLAG: Kind = Kind::Flag;
const TEXT: Kind = Kind::Text;
const GUARDED: Kind = Kind::Word(&["no", "yes", "local"]);
const SIGNAL: Kind = Kind::Words(&["default", "save", "nosave", "now", "force", "safe", "failover"]);
const FACILITY: Kind =
    Kind::Word(&["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"]);
const EVICTION: Kind = Kind::Word(&[
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-lrm",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-lrm",
    "volatile-random",
    "volatile-ttl",
]);

const BY_PLACE: &str = "the deployment sets it from where the node runs";
const BY_PORTS: &str = "the deployment gives each node its ports";
const BY_DIRECTORY: &str = "the deployment lays out each node's data directory";
const BY_PROCESS: &str = "the deployment starts, watches and stops the process";
const BY_SECRET: &str = "the deployment sets it from its secret, so that all nodes and their replicas agree";
const BY_TLS: &str = "the deployment sets it from the tls section, so that all nodes agree";
const BY_PLAN: &str = "the deployment decides which node copies which";

#[rustfmt::skip]
static TABLE: &[Setting] = &[
    // Cluster.
    start("cluster-enabled", FLAG).owned("every node of a deployment runs in cluster mode"),
    start("cluster-config-file", Kind::FileName).owned(BY_DIRECTORY),
    start("cluster-port", Kind::Port).owned(BY_PORTS),
    live("cluster-announce-ip", TEXT).owned(BY_PLACE),
    live("cluster-announce-port", Kind::Port).owned(BY_PLACE),
    live("cluster-announce-tls-port", Kind::Port).owned(BY_PLACE),
    live("cluster-announce-bus-port", Kind::Port).owned(BY_PLACE),
    live("cluster-announce-client-port", Kind::Port).owned(BY_PLACE),
    live("cluster-announce-client-tls-port", Kind::Port).owned(BY_PLACE),
    live("cluster-announce-hostname", Kind::HostName).owned(BY_PLACE),
    live("cluster-announce-human-nodename", TEXT).owned(BY_PLACE),
    live("cluster-announce-client-ipv4", TEXT).owned(BY_PLACE),
    live("cluster-announce-client-ipv6", TEXT).owned(BY_PLACE),
    live("availability-zone", TEXT).owned(BY_PLACE),
    start("cluster-databases", count(1, INT))
        .owned("the deployment counts and moves the keys of database 0 only"),
    live("cluster-node-timeout", number(0, LONG, Unit::Milliseconds)),
    live("cluster-preferred-endpoint-type", Kind::Word(&["ip", "hostname", "unknown-endpoint"])),
    live("cluster-require-full-coverage", FLAG),
    live("cluster-allow-reads-when-down", FLAG),
    live("cluster-allow-pubsubshard-when-down", FLAG),
    live("cluster-allow-replica-migration", FLAG),
    live("cluster-migration-barrier", count(0, INT)),
    live("cluster-replica-validity-factor", count(0, INT)).alias(&["cluster-slave-validity-factor"]),
    live("cluster-replica-no-failover", FLAG).alias(&["cluster-slave-no-failover"]),
    live("cluster-link-sendbuf-limit", Kind::Memory { min: 0, max: u64::MAX }),
    live("cluster-blacklist-ttl", number(0, LONG, Unit::Seconds)),
    live("cluster-manual-failover-timeout", number(1, INT, Unit::Milliseconds)),
    live("cluster-slot-stats-enabled", Kind::Words(&["no", "yes", "cpu", "net", "mem"])),
    live("cluster-slot-migration-log-max-len", count(0, LONG)),
    live("cluster-slot-migration-handoff-max-lag-bytes", bytes(0)),
    live("cluster-slot-migration-write-pause-timeout", number(0, LONG, Unit::Milliseconds)),
    live("slot-migration-max-failover-repl-bytes", count(-1, LONG)),
    live("cluster-compatibility-sample-ratio", number(0, 100, Unit::Percent)),

    // Network.
    live("port", Kind::Port).owned(BY_PORTS),
    live("bind", Kind::Arguments).owned(BY_PLACE),
    live("bind-source-addr", TEXT).owned(BY_PLACE),
    live("protected-mode", FLAG).owned("the deployment sets it from bind address and password"),
    start("unixsocket", TEXT).owned(BY_DIRECTORY),
    start("unixsocketperm", Kind::Mode).owned(BY_DIRECTORY),
    start("unixsocketgroup", TEXT).owned(BY_DIRECTORY),
    start("tcp-backlog", count(0, INT)),
    live("tcp-keepalive", seconds(0)),
    live("timeout", seconds(0)),
    start("socket-mark-id", count(0, UINT)),
    live("maxclients", count(1, UINT)),
    live("max-new-connections-per-cycle", count(1, 1000)),
    live("max-new-tls-connections-per-cycle", count(1, 1000)),
    start("io-threads", count(1, 256)),
    start("io-threads-do-reads", FLAG),
    live("events-per-io-thread", count(0, INT)),
    live("prefetch-batch-max-size", count(0, 128)),

    // TLS.
    live("tls-port", Kind::Port).owned(BY_PORTS),
    live("tls-cluster", FLAG).owned(BY_TLS),
    live("tls-replication", FLAG).owned(BY_TLS),
    live("tls-auth-clients", Kind::Word(&["no", "yes", "optional"])).owned(BY_TLS),
    live("tls-cert-file", TEXT).owned(BY_TLS),
    live("tls-key-file", TEXT).owned(BY_TLS),
    live("tls-key-file-pass", Kind::Secret).owned(BY_TLS),
    live("tls-client-cert-file", TEXT).owned(BY_TLS),
    live("tls-client-key-file", TEXT).owned(BY_TLS),
    live("tls-client-key-file-pass", Kind::Secret).owned(BY_TLS),
    live("tls-ca-cert-file", TEXT).owned(BY_TLS),
    live("tls-ca-cert-dir", TEXT).owned(BY_TLS),
    live("tls-dh-params-file", TEXT).owned(BY_TLS),
    live("tls-protocols", TEXT),
    live("tls-ciphers", TEXT),
    live("tls-ciphersuites", TEXT),
    live("tls-prefer-server-ciphers", FLAG),
    live("tls-session-caching", FLAG),
    live("tls-session-cache-size", count(0, INT)),
    live("tls-session-cache-timeout", seconds(0)),

    // Access.
    live("requirepass", Kind::Secret).owned(BY_SECRET),
    live("masterauth", Kind::Secret).alias(&["primaryauth"]).owned(BY_SECRET),
    live("masteruser", Kind::Secret).alias(&["primaryuser"]).owned(BY_SECRET),
    start("aclfile", TEXT).owned(BY_SECRET),
    start("user", Kind::Lines),
    live("acl-pubsub-default", Kind::Word(&["allchannels", "resetchannels"])),
    live("acllog-max-len", count(0, LONG)),
    start("enable-protected-configs", GUARDED),
    start("enable-debug-command", GUARDED),
    start("enable-module-command", GUARDED),
    start("rename-command", Kind::Lines)
        .owned("the deployment and the replicas need every command by its own name; restrict users with ACL rules"),
    start("loadmodule", Kind::Lines),
    start("include", Kind::Lines).owned("the settings of a node stand in one file, which the deployment writes"),

    // Process.
    start("daemonize", FLAG).owned(BY_PROCESS),
    start("supervised", Kind::Word(&["upstart", "systemd", "auto", "no"])).owned(BY_PROCESS),
    start("pidfile", TEXT).owned(BY_PROCESS),
    start("set-proc-title", FLAG),
    live("proc-title-template", TEXT),
    start("always-show-logo", FLAG),
    live("shutdown-timeout", seconds(0)),
    live("shutdown-on-sigint", SIGNAL),
    live("shutdown-on-sigterm", SIGNAL),
    live("oom-score-adj", Kind::Word(&["no", "yes", "relative", "absolute"])),
    live("oom-score-adj-values", Kind::OomScores),
    start("disable-thp", FLAG),
    start("server-cpulist", TEXT).alias(&["server_cpulist"]),
    start("bio-cpulist", TEXT).alias(&["bio_cpulist"]),
    start("aof-rewrite-cpulist", TEXT).alias(&["aof_rewrite_cpulist"]),
    start("bgsave-cpulist", TEXT).alias(&["bgsave_cpulist"]),
    live("ignore-warnings", TEXT),
    live("crash-log-enabled", FLAG),
    live("crash-memcheck-enabled", FLAG),
    live("hz", count(1, 500)),
    live("dynamic-hz", FLAG),
    live("jemalloc-bg-thread", FLAG),
    live("locale-collate", TEXT),
    live("extended-redis-compatibility", FLAG),

    // Log and measurement.
    start("logfile", TEXT).owned(BY_PROCESS),
    live("loglevel", Kind::Word(&["debug", "verbose", "notice", "warning", "nothing"])),
    live("log-format", Kind::Word(&["legacy", "logfmt", "json"])),
    live("log-timestamp-format", Kind::Word(&["legacy", "iso8601", "milliseconds"])),
    live("hide-user-data-from-log", FLAG),
    start("syslog-enabled", FLAG),
    start("syslog-ident", TEXT),
    start("syslog-facility", FACILITY),
    live("slowlog-log-slower-than", number(-1, LONG, Unit::Microseconds)).alias(&["commandlog-execution-slower-than"]),
    live("slowlog-max-len", count(0, LONG)).alias(&["commandlog-slow-execution-max-len"]),
    live("commandlog-request-larger-than", count(-1, LONG)),
    live("commandlog-reply-larger-than", count(-1, LONG)),
    live("commandlog-large-request-max-len", count(0, LONG)),
    live("commandlog-large-reply-max-len", count(0, LONG)),
    live("latency-monitor-threshold", number(0, LONG, Unit::Milliseconds)),
    live("latency-tracking", FLAG),
    live("latency-tracking-info-percentiles", Kind::Percentiles),
    live("notify-keyspace-events", Kind::KeyspaceEvents),

    // Persistence.
    start("dir", TEXT).owned(BY_DIRECTORY),
    start("dbfilename", Kind::FileName).owned(BY_DIRECTORY),
    start("appendfilename", Kind::FileName).owned(BY_DIRECTORY),
    start("appenddirname", Kind::FileName).owned(BY_DIRECTORY),
    live("save", Kind::SnapshotPoints),
    live("stop-writes-on-bgsave-error", FLAG),
    live("rdbcompression", FLAG),
    start("rdbchecksum", FLAG),
    live("rdb-del-sync-files", FLAG),
    live("rdb-save-incremental-fsync", FLAG),
    live("sanitize-dump-payload", Kind::Word(&["no", "yes", "clients"])),
    live("appendonly", FLAG),
    live("appendfsync", Kind::Word(&["everysec", "always", "no"])),
    live("no-appendfsync-on-rewrite", FLAG),
    live("auto-aof-rewrite-percentage", number(0, INT, Unit::Percent)),
    live("auto-aof-rewrite-min-size", bytes(0)),
    live("aof-load-truncated", FLAG),
    live("aof-use-rdb-preamble", FLAG),
    live("aof-timestamp-enabled", FLAG),
    live("aof-rewrite-incremental-fsync", FLAG),
    live("aof-disable-auto-gc", FLAG),

    // Replication.
    start("replicaof", Kind::Arguments).alias(&["slaveof"]).owned(BY_PLAN),
    live("replica-announce-ip", TEXT).alias(&["slave-announce-ip"]).owned(BY_PLACE),
    live("replica-announce-port", Kind::Port).alias(&["slave-announce-port"]).owned(BY_PLACE),
    live("replica-announced", FLAG),
    live("replica-priority", count(0, INT)).alias(&["slave-priority"]),
    live("replica-read-only", FLAG).alias(&["slave-read-only"]),
    live("replica-serve-stale-data", FLAG).alias(&["slave-serve-stale-data"]),
    live("replica-lazy-flush", FLAG).alias(&["slave-lazy-flush"]),
    live("replica-ignore-maxmemory", FLAG).alias(&["slave-ignore-maxmemory"]),
    live("replica-ignore-disk-write-errors", FLAG),
    live("replica-full-sync-buffer-limit", bytes(0)),
    live("repl-diskless-sync", FLAG),
    live("repl-diskless-sync-delay", seconds(0)),
    live("repl-diskless-sync-max-replicas", count(0, INT)),
    live("repl-diskless-load", Kind::Word(&["disabled", "on-empty-db", "swapdb", "flush-before-load"])),
    live("dual-channel-replication-enabled", FLAG),
    live("repl-rdb-channel", FLAG),
    live("repl-disable-tcp-nodelay", FLAG),
    live("repl-ping-replica-period", seconds(1)).alias(&["repl-ping-slave-period"]),
    live("repl-timeout", seconds(1)),
    live("repl-backlog-size", bytes(1)),
    live("repl-backlog-ttl", number(0, LONG, Unit::Seconds)),
    live("min-replicas-to-write", count(0, INT)).alias(&["min-slaves-to-write"]),
    live("min-replicas-max-lag", seconds(0)).alias(&["min-slaves-max-lag"]),
    live("propagation-error-behavior", Kind::Word(&["ignore", "panic", "panic-on-replicas"])),

    // Memory and limits.
    live("maxmemory", Kind::Memory { min: 0, max: u64::MAX }),
    live("maxmemory-policy", EVICTION),
    live("maxmemory-samples", count(1, 64)),
    live("maxmemory-eviction-tenacity", count(0, 100)),
    live("maxmemory-clients", Kind::MemoryOrPercent),
    live("client-output-buffer-limit", Kind::BufferLimits),
    live("client-query-buffer-limit", bytes(MIB)),
    live("proto-max-bulk-len", bytes(MIB)),
    live("tracking-table-max-keys", count(0, LONG)),
    live("busy-reply-threshold", number(0, LONG, Unit::Milliseconds)).alias(&["lua-time-limit"]),
    live("active-expire-effort", count(1, 10)),
    live("activerehashing", FLAG),
    live("lfu-log-factor", count(0, INT)),
    live("lfu-decay-time", number(0, INT, Unit::Minutes)),
    live("lazyfree-lazy-eviction", FLAG),
    live("lazyfree-lazy-expire", FLAG),
    live("lazyfree-lazy-server-del", FLAG),
    live("lazyfree-lazy-user-del", FLAG),
    live("lazyfree-lazy-user-flush", FLAG),
    live("activedefrag", FLAG),
    live("active-defrag-ignore-bytes", bytes(1)),
    live("active-defrag-threshold-lower", number(0, 1000, Unit::Percent)),
    live("active-defrag-threshold-upper", number(0, 1000, Unit::Percent)),
    live("active-defrag-cycle-min", number(1, 99, Unit::Percent)),
    live("active-defrag-cycle-max", number(1, 99, Unit::Percent)),
    live("active-defrag-max-scan-fields", count(1, LONG)),

    // Data structures.
    start("databases", count(1, INT)),
    live("hash-max-listpack-entries", count(0, LONG)).alias(&["hash-max-ziplist-entries"]),
    live("hash-max-listpack-value", bytes(0)).alias(&["hash-max-ziplist-value"]),
    live("list-max-listpack-size", count(-INT - 1, INT)).alias(&["list-max-ziplist-size"]),
    live("list-compress-depth", count(0, INT)),
    live("set-max-intset-entries", count(0, LONG)),
    live("set-max-listpack-entries", count(0, LONG)),
    live("set-max-listpack-value", count(0, LONG)),
    live("zset-max-listpack-entries", count(0, LONG)).alias(&["zset-max-ziplist-entries"]),
    live("zset-max-listpack-value", bytes(0)).alias(&["zset-max-ziplist-value"]),
    live("hll-sparse-max-bytes", bytes(0)),
    live("stream-node-max-bytes", bytes(0)),
    live("stream-node-max-entries", count(0, LONG)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_lower_case() {
        let mut names: Vec<_> = all()
            .flat_map(|known| std::iter::once(known.name).chain(known.aliases.iter().copied()))
            .collect();
        let known = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), known);
        assert!(names.iter().all(|name| *name == name.to_ascii_lowercase() && Setting::find(name).is_some()));
    }

    #[test]
    fn the_nearest_name_is_found_or_none() {
        let cases = [
            ("maxmemmory", Some("maxmemory")),
            ("cluster_node_timeout", Some("cluster-node-timeout")),
            ("appendfysnc", Some("appendfsync")),
            ("slave-prioritty", Some("replica-priority")),
            ("REQUIREPAS", Some("requirepass")),
            ("x", None),
            ("", None),
            ("frobnicate-the-widget", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name), expected, "{name}");
        }
        assert_eq!(nearest(&"maxmemory".repeat(1000)), None);
    }

    #[test]
    fn distance_counts_edits() {
        for (from, to, edits) in
            [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("kitten", "sitting", 3), ("abc", "abc", 0)]
        {
            assert_eq!(distance(from.as_bytes(), to.as_bytes()), edits, "{from} {to}");
        }
    }
}
