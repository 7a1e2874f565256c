//! The spec file: what a user wants, as YAML, with a published JSON Schema.
//!
//! Reading and judging the text happens here: what every cluster has in this file, the sections for one kind of place in
//! `local`, `nfs` and `kubernetes`, values with several spellings in `values`. What a host makes of it is the host's business.

mod kubernetes;
mod local;
mod nfs;
mod values;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use schemars::{JsonSchema, schema_for};
use secrecy::SecretString;
use serde::Deserialize;
use slotwright_cluster::{
    Settings,
    settings::{self, Setting, SettingError, canonical},
};
use slotwright_topology::Desired;

pub use self::{
    kubernetes::{
        ClientsSpec, Dial, KubernetesEngine, KubernetesSpec, KubernetesStyle, MetricsSpec, MonitorSpec,
        NamesSpec, PeerSpec, ResourcesSpec, SecretSpec, SpreadSpec, TlsFiles, TlsSpec, VolumeAccess,
        VolumesSpec,
    },
    local::{LocalPlace, LocalSpec},
    nfs::{GaneshaSpec, KernelSpec, NfsPlace, NfsServerKind, NfsSpec, OwnerSpec, StorageSpec},
    values::{Amount, PasswordSource, PortList, SettingValue, TextSource},
};

/// What a spec file asks for: one cluster.
///
/// ```
/// use slotwright_deploy::ClusterSpec;
/// let error = ClusterSpec::parse("name: demo\nshrads: 3\n").unwrap_err().to_string();
/// assert!(error.contains("line 2") && error.contains("did you mean `shards`?"), "{error}");
/// ```
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "Slotwright cluster spec")]
pub struct ClusterSpec {
    /// Name of the deployment: letters, digits and dashes, starting with a letter.
    pub name: String,
    /// Number of shards (primaries). Three or more, if the cluster shall survive the loss of one.
    pub shards: usize,
    /// Replicas of each shard's primary.
    pub replicas_per_shard: usize,
    /// Directives of redis.conf for every node, for instance `maxmemory: 256mb`. What the deployment itself decides
    /// (ports, folders, passwords) cannot be set here.
    #[serde(default)]
    pub settings: BTreeMap<String, SettingValue>,
    /// Where the password of the default user comes from; without it the nodes have none.
    #[serde(default)]
    pub password: Option<PasswordSource>,
    /// The nodes are processes of this machine.
    #[serde(default)]
    pub local: Option<LocalSpec>,
    /// The nodes are pods of a Kubernetes cluster.
    #[serde(default)]
    pub kubernetes: Option<KubernetesSpec>,
    /// Where nodes that run elsewhere keep their data.
    #[serde(default)]
    pub storage: Option<StorageSpec>,
    /// The folder relative paths start from: that of the spec file.
    #[serde(skip)]
    base: PathBuf,
}

/// A spec that cannot be used: what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    message: String,
}

impl SpecError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    pub(crate) fn from_setting(error: &SettingError) -> Self {
        Self::new(format!("settings: {error}"))
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SpecError {}

impl ClusterSpec {
    /// Reads and judges a spec; relative paths start from the current folder.
    ///
    /// # Errors
    /// When the text is not YAML, a key is unknown or missing, or a value cannot work.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        // Without the excerpt: a line of the file may hold what nobody should see.
        let spec: Self = serde_saphyr::from_str(text)
            .map_err(|error| SpecError::new(in_plain_words(&error.without_snippet().to_string())))?;
        spec.judge()?;
        Ok(spec)
    }

    /// Reads and judges a spec file; relative paths in it start from its folder.
    ///
    /// # Errors
    /// As [`ClusterSpec::parse`], and when the file cannot be read. The error names the file.
    pub fn load(path: &Path) -> Result<Self, SpecError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let next = match error.kind() {
                std::io::ErrorKind::NotFound => "; name another with --spec",
                _ => "",
            };
            SpecError::new(format!("cannot read the spec {}: {error}{next}", path.display()))
        })?;
        let in_file = |error: SpecError| SpecError::new(format!("{}: {}", path.display(), error.message));
        let mut spec = Self::parse(&text).map_err(in_file)?;
        spec.base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(spec)
    }

    /// The JSON Schema of the file, for editors and for checking without the deployer.
    pub fn json_schema() -> serde_json::Value {
        schema_for!(Self).to_value()
    }

    /// How many nodes the cluster has.
    pub fn node_count(&self) -> usize {
        self.shards.saturating_mul(self.replicas_per_shard.saturating_add(1))
    }

    /// Where the processes of this machine go that are to be the nodes.
    ///
    /// # Errors
    /// When the spec has no `local` section: its nodes are elsewhere.
    pub fn local_place(&self) -> Result<LocalPlace, SpecError> {
        let Some(local) = &self.local else {
            return Err(SpecError::new(
                "local: there is no such section, so there is no place for the nodes; say where they listen and keep \
                 their data: local: { ports: 7000, data-directory: data }",
            ));
        };
        Ok(local.place(&self.base, self.node_count()))
    }

    /// The exports that hold the nodes' data.
    ///
    /// # Errors
    /// When the spec has no `storage.nfs` section, or it cannot work.
    pub fn nfs(&self) -> Result<NfsPlace, SpecError> {
        let Some(storage) = &self.storage else {
            return Err(SpecError::new(
                "storage.nfs: there is no such section, so there is nothing to export; see examples/nfs.yaml",
            ));
        };
        storage.nfs.place(&self.name, &self.base, self.node_count())
    }

    /// The settings every node shall run with: those of the spec, and the defaults a cluster that holds data needs.
    ///
    /// # Errors
    /// When a setting is unknown, belongs to the deployment, or has a value the server would refuse.
    pub fn node_settings(&self) -> Result<Settings, SpecError> {
        let wrong = |error: SettingError| SpecError::from_setting(&error);
        let mut settings = Settings::new();
        for (name, value) in DEFAULT_SETTINGS {
            settings.set(name, value).map_err(wrong)?;
        }
        let mut wanted = Settings::new();
        for (name, value) in &self.settings {
            wanted.set_lines(name, &value.lines()).map_err(wrong)?;
        }
        settings::validate_user(&wanted).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            SpecError::new(format!("settings: {}", lines.join("; ")))
        })?;
        settings.merge(&wanted);
        Ok(settings)
    }

    /// What is wanted of the cluster, when its nodes run with `settings`.
    pub(crate) fn desired(&self, settings: &Settings) -> Desired {
        let running = |name: &str, value: &str| canonical(name, value).unwrap_or_else(|_| value.to_owned());
        let settings = settings.iter().map(|(name, value)| (name.to_owned(), running(name, &value)));
        Desired {
            shards: self.shards,
            replicas: self.replicas_per_shard,
            settings: settings.filter(|(name, _)| Setting::find(name).is_some()).collect(),
        }
    }

    /// The password, from where the spec says.
    ///
    /// # Errors
    /// When the variable is not set, the file cannot be read, or either is empty. The content is never repeated.
    pub fn password(&self) -> Result<Option<SecretString>, SpecError> {
        let Some(source) = &self.password else { return Ok(None) };
        source.read(&self.base).map(Some)
    }

    /// The ACL file of `kubernetes.users`, from where the spec says.
    ///
    /// # Errors
    /// As [`ClusterSpec::password`].
    pub fn users(&self) -> Result<Option<SecretString>, SpecError> {
        let Some(source) = self.kubernetes.as_ref().and_then(|kubernetes| kubernetes.users.as_ref()) else {
            return Ok(None);
        };
        source.read("kubernetes.users", &self.base).map(Some)
    }

    /// The PEM files of `kubernetes.tls`; `None` without TLS, and when a Secret holds the certificates.
    pub fn tls_files(&self) -> Option<TlsFiles> {
        let tls = self.kubernetes.as_ref()?.tls.as_ref()?;
        let file = |path: &Option<PathBuf>| path.as_deref().map(|path| absolute(&self.base, path));
        Some(TlsFiles { ca: file(&tls.ca)?, certificate: file(&tls.certificate)?, key: file(&tls.key)? })
    }

    /// What works but is worth a second thought.
    pub fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        if self.shards < 3 {
            advice.push(
                "fewer than three shards: when a primary is lost, no majority is left to promote its replica"
                    .to_owned(),
            );
        }
        if self.replicas_per_shard == 0 {
            advice.push("no replicas: the loss of a node is the loss of its keys".to_owned());
        }
        if let Ok(settings) = self.node_settings() {
            for lint in settings::lints(&settings) {
                advice.push(format!("{}: {}; {}", lint.setting, lint.why, lint.instead));
            }
        }
        advice
    }

    fn judge(&self) -> Result<(), SpecError> {
        let bad = |message: String| Err(SpecError::new(message));
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !self.name.starts_with(|c: char| c.is_ascii_alphabetic())
            || !self.name.chars().all(plain)
            || self.name.len() > 63
        {
            return bad(format!(
                "name: `{}` cannot be used; take letters, digits and dashes, starting with a letter, at most 63",
                self.name
            ));
        }
        if self.shards == 0 {
            return bad("shards: 0 shards cannot hold the 16384 slots; take at least 1, better 3".to_owned());
        }
        if self.node_count() > MAX_NODES {
            return bad(format!(
                "shards, replicas-per-shard: {} shards with {} replicas each are {} nodes; a cluster has at most {MAX_NODES}",
                self.shards,
                self.replicas_per_shard,
                self.node_count()
            ));
        }
        match (&self.local, &self.kubernetes, &self.storage) {
            (Some(local), None, None) => {
                local.judge(&self.base, self.shards, self.replicas_per_shard, self.password.is_some())?;
            }
            (None, kubernetes, storage) if kubernetes.is_some() || storage.is_some() => {
                if let Some(storage) = storage {
                    storage.nfs.place(&self.name, &self.base, self.node_count())?;
                }
                if let Some(kubernetes) = kubernetes {
                    kubernetes.judge(self)?;
                }
            }
            (None, ..) => {
                return bad(
                    "local, kubernetes, storage: one of them must say where the nodes run or keep their data"
                        .to_owned(),
                );
            }
            (Some(_), Some(_), _) => {
                return bad(
                    "local, kubernetes: the nodes are processes of this machine or pods; leave out one of the two"
                        .to_owned(),
                );
            }
            (Some(_), None, Some(_)) => {
                return bad(
                    "local, storage: nodes of this machine keep their data in local.data-directory, so nothing would \
                     use the exports; leave out one of the two"
                        .to_owned(),
                );
            }
        }
        self.node_settings()?;
        Ok(())
    }
}

/// The most nodes the cluster specification recommends ("high performance and linear scalability up to 1000 nodes").
const MAX_NODES: usize = 1000;

/// Defaults where the servers' own would not do for a cluster that holds data.
const DEFAULT_SETTINGS: [(&str, &str); 3] = [
    // A primary that restarts empty empties its replicas.
    ("appendonly", "yes"),
    // The servers' default of 15 s is the time before a failover even begins.
    ("cluster-node-timeout", "5000"),
    // The servers' own default; named because it is shortened while a cluster is formed, and then restored.
    ("repl-diskless-sync-delay", "5"),
];

fn absolute(base: &Path, path: &Path) -> PathBuf {
    std::path::absolute(base.join(path)).unwrap_or_else(|_| base.join(path))
}

/// The parser's message for people: the nearest known key beside an unknown one, and no names of Rust's types.
fn in_plain_words(message: &str) -> String {
    let mut message = message.replace("expected mapping start", "expected `key: value` here");
    for number in ["usize", "u64", "u32", "u16"] {
        message = message.replace(&format!("invalid {number}"), "expected a whole number");
    }
    let suggestion = || {
        let (_, rest) = message.split_once("unknown field `")?;
        let (unknown, rest) = rest.split_once('`')?;
        let known = rest.split_once("expected one of ")?.1;
        let known = known.split(" at line").next()?.split(", ").map(|name| name.trim_matches('`'));
        known
            .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
            // A beginning counts as well: `base-dir` for `base-directory`.
            .filter(|(distance, name)| {
                *distance <= 2.max(name.len() / 3) || (unknown.len() > 2 && name.starts_with(unknown))
            })
            .min()
            .map(|(_, name)| name)
    };
    match suggestion() {
        Some(name) => format!("{message}; did you mean `{name}`?"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "name: demo\nshards: 3\nreplicas-per-shard: 1\nlocal:\n  ports: 7000\n  data-directory: d\n";

    fn error(from: &str, to: &str) -> String {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        ClusterSpec::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn reads_ports_in_every_form() {
        let ports = |text: &str| {
            ClusterSpec::parse(&GOOD.replace("7000", text)).unwrap().local_place().unwrap().ports
        };
        let six: Vec<u16> = (7000..7006).collect();
        assert_eq!(ports("7000"), six);
        assert_eq!(ports("7000-7005"), six);
        assert_eq!(ports("\"7000 - 7005\""), six);
        assert_eq!(ports("[7000, 7001, 7002, 7003, 7004, 7005]"), six);
    }

    #[test]
    fn tells_what_where_and_what_next() {
        let cases = [
            (("shards:", "shrads:"), "did you mean `shards`?"),
            (("ports:", "port:"), "did you mean `ports`?"),
            (("shards: 3", "shards: 0"), "0 shards"),
            (("shards: 3", "shards: many"), "expected a whole number at line 2"),
            (("replicas-per-shard: 1", "replicas-per-shard: -1"), "expected a whole number at line 3"),
            (("shards: 3", "shards: 600"), "at most 1000"),
            (("ports: 7000", "ports: 7000-7003"), "need 6 nodes, but there are 4 ports"),
            (("ports: 7000", "ports: 55533"), "leaves no room"),
            (("ports: 7000", "ports: 70000"), "expected a port"),
            (("ports: 7000", "ports: 7005-7000"), "ends before it begins"),
            (("ports: 7000", "ports: [7000, 7001, 7002, 7003, 7004, 17000]"), "used twice"),
            (("name: demo", "name: ../x"), "letters, digits and dashes"),
            (("name: demo\n", ""), "name"),
            (("name: demo\n", "name: demo\nname: demo\n"), "duplicate"),
            (("  ports", "  host: 10.0.0.1\n  ports"), "need a password"),
            (("local:", "settings:\n  maxmemroy: 1gb\nlocal:"), "maxmemory"),
            (("local:", "settings:\n  port: 1\nlocal:"), "port"),
            (("local:", "settings:\n  appendonly: maybe\nlocal:"), "appendonly"),
        ];
        for ((from, to), expected) in cases {
            let message = error(from, to);
            assert!(message.contains(expected), "{from} -> {to}: {message}");
        }
    }

    #[test]
    fn a_password_in_the_spec_is_refused_and_never_repeated() {
        for written in ["password: hunter2", "password: {value: hunter2}", "password: [hunter2]"] {
            let message = error("local:", &format!("{written}\nlocal:"));
            assert!(
                message.contains("does not belong in the spec") && !message.contains("hunter2"),
                "{message}"
            );
        }
    }

    #[test]
    fn the_schema_agrees_with_the_parser() {
        let validator = jsonschema::validator_for(&ClusterSpec::json_schema()).unwrap();
        let as_json = |text: &str| serde_saphyr::from_str::<serde_json::Value>(text).unwrap();
        assert!(validator.is_valid(&as_json(GOOD)));
        for (from, to) in [("shards:", "shrads:"), ("ports: 7000", "ports: x"), ("name: demo\n", "")] {
            assert!(!validator.is_valid(&as_json(&GOOD.replace(from, to))), "{to}");
        }
        let full = GOOD
            .replace("local:", "password: {env: P}\nsettings: {save: ['3600 1'], maxmemory: 1gb}\nlocal:");
        assert!(validator.is_valid(&as_json(&full)));
    }

    #[test]
    fn the_published_schema_is_the_one_of_this_version() {
        let published = include_str!("../../../../examples/cluster-spec.schema.json");
        let published: serde_json::Value = serde_json::from_str(published).unwrap();
        let hint = "write it again: cargo run -p slotwright -- schema > examples/cluster-spec.schema.json";
        assert_eq!(published, ClusterSpec::json_schema(), "{hint}");
    }

    #[test]
    fn every_example_is_good_to_the_parser_and_to_the_schema() {
        let validator = jsonschema::validator_for(&ClusterSpec::json_schema()).unwrap();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(examples).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                ClusterSpec::load(&path).unwrap_or_else(|error| panic!("{error}"));
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(
                    text.starts_with("# yaml-language-server: $schema=cluster-spec.schema.json\n"),
                    "{path:?}"
                );
                let json: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
                assert!(validator.is_valid(&json), "{path:?}");
                names.push(path.file_stem().unwrap().to_owned());
            }
        }
        names.sort();
        assert_eq!(names, ["kubernetes", "local", "nfs", "tutorial"]);
    }
}
