//! Settings that work but hurt a cluster.

use super::{list::Settings, value::same_value};

/// A setting, or a combination, that an engine accepts and a cluster suffers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingLint {
    /// The setting to look at.
    pub setting: &'static str,
    /// What happens.
    pub why: &'static str,
    /// What to say instead.
    pub instead: &'static str,
}

/// What hurts in `settings`, in a fixed order. Only what is set counts, so look at the settings of a node as it will
/// run, defaults of the deployment merged in.
///
/// ```
/// use slotwright_cluster::{Settings, settings::lints};
/// let settings = Settings::parse("appendonly no\nsave ''\n")?;
/// assert!(lints(&settings)[0].why.contains("comes back empty"));
/// assert!(lints(&Settings::parse("appendonly yes\n")?).is_empty());
/// # Ok::<(), slotwright_cluster::settings::SettingError>(())
/// ```
pub fn lints(settings: &Settings) -> Vec<SettingLint> {
    let is = |name: &str, value: &str| settings.get(name).is_some_and(|set| same_value(name, value, &set));
    let number = |name: &str| settings.get(name).and_then(|set| set.parse::<u64>().ok());
    let mut found = Vec::new();
    let mut lint = |applies: bool, setting, why, instead| {
        if applies {
            found.push(SettingLint { setting, why, instead });
        }
    };
    let no_snapshots = is("save", "");
    lint(
        is("appendonly", "no") && no_snapshots,
        "appendonly",
        "nothing is kept on disk: a primary that restarts before a replica takes over comes back empty, and its \
         replicas then empty themselves to match",
        "appendonly yes",
    );
    lint(
        is("appendonly", "no") && !no_snapshots,
        "appendonly",
        "only snapshots are kept: a primary that restarts before a replica takes over comes back with its last \
         snapshot, and its replicas drop every later write to match",
        "appendonly yes",
    );
    lint(
        is("appendfsync", "no"),
        "appendfsync",
        "the kernel decides when writes reach the disk: a host that fails loses about the last half minute",
        "appendfsync everysec",
    );
    lint(
        is("no-appendfsync-on-rewrite", "yes") && !is("appendonly", "no"),
        "no-appendfsync-on-rewrite",
        "nothing is forced to disk while the append-only file is rewritten, which is as if appendfsync were no",
        "no-appendfsync-on-rewrite no",
    );
    lint(
        is("stop-writes-on-bgsave-error", "no") && !is("appendonly", "yes") && !no_snapshots,
        "stop-writes-on-bgsave-error",
        "writes are accepted while snapshots fail, so a full disk is noticed only after data is lost",
        "stop-writes-on-bgsave-error yes",
    );
    lint(
        is("cluster-require-full-coverage", "yes"),
        "cluster-require-full-coverage",
        "while one shard has no primary, every other shard refuses its own keys too",
        "cluster-require-full-coverage no, unless partial answers are worse than none",
    );
    lint(
        is("cluster-replica-no-failover", "yes"),
        "cluster-replica-no-failover",
        "a replica never takes over by itself: a shard that loses its primary stays down until someone steps in",
        "cluster-replica-no-failover no",
    );
    lint(
        is("cluster-allow-replica-migration", "yes"),
        "cluster-allow-replica-migration",
        "the engine moves replicas between shards without regard to hosts and zones, against the planned placement",
        "cluster-allow-replica-migration no",
    );
    lint(
        number("cluster-node-timeout").is_some_and(|timeout| timeout < 2000),
        "cluster-node-timeout",
        "a fork, a slow disk or a busy host can pause a node longer than this, and each pause then costs a failover",
        "cluster-node-timeout 5000 or more",
    );
    lint(
        is("replica-read-only", "no"),
        "replica-read-only",
        "writes to a replica reach no other node and are lost at its next full copy",
        "replica-read-only yes",
    );
    lint(
        is("maxmemory", "0"),
        "maxmemory",
        "without a limit the node grows until the kernel kills it, snapshots and buffers included",
        "maxmemory below the memory of the host or container, with room for replication buffers and copy-on-write",
    );
    lint(
        is("protected-mode", "no") && settings.get("requirepass").is_none_or(|password| password.is_empty()),
        "protected-mode",
        "whoever reaches the port can read, change and delete everything",
        "a password from the deployment's secret",
    );
    lint(
        is("enable-debug-command", "yes"),
        "enable-debug-command",
        "any client that may run DEBUG can stop or crash the server",
        "enable-debug-command local, or no",
    );
    lint(
        is("enable-module-command", "yes"),
        "enable-module-command",
        "any client that may run MODULE LOAD can run native code on the host",
        "enable-module-command no, and loadmodule for the modules that are wanted",
    );
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lint_fires_on_its_combination_alone() {
        let cases = [
            ("appendonly NO\nsave \"\"", Some("appendonly")),
            ("appendonly no\nsave 60 1", Some("appendonly")),
            ("appendonly no", Some("appendonly")),
            ("save \"\"", None),
            ("appendonly yes\nsave \"\"", None),
            ("appendfsync no", Some("appendfsync")),
            ("stop-writes-on-bgsave-error no", Some("stop-writes-on-bgsave-error")),
            ("appendonly yes\nstop-writes-on-bgsave-error no", None),
            ("cluster-node-timeout 500", Some("cluster-node-timeout")),
            ("cluster-node-timeout 5000", None),
            ("cluster-slave-no-failover yes", Some("cluster-replica-no-failover")),
            ("maxmemory 0mb", Some("maxmemory")),
            ("protected-mode no", Some("protected-mode")),
            ("protected-mode no\nrequirepass x", None),
            ("enable-debug-command local", None),
        ];
        for (text, expected) in cases {
            let found = lints(&Settings::parse(text).unwrap());
            let names: Vec<_> = found.iter().map(|lint| lint.setting).collect();
            assert_eq!(names, expected.into_iter().collect::<Vec<_>>(), "{text}");
        }
    }
}
