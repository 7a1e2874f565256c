//! The reply of `INFO`: every field as printed, and the few that decisions rest on, typed.

use std::{collections::BTreeMap, str::FromStr};

use serde::Serialize;

use crate::{Host, ParseError, Role};

const SOURCE: &str = "INFO";

/// The `name:value` lines of `INFO` or `CLUSTER INFO`, section headings dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct InfoFields(BTreeMap<String, String>);

impl InfoFields {
    /// Reads the lines; what is not `name:value` is skipped.
    pub fn parse(text: &str) -> Self {
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim_end().to_owned()))
        };
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(field).collect())
    }

    /// The value of `name`, as printed.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All fields, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of `name` as a number; `Ok(None)` when the server does not print it.
    ///
    /// # Errors
    /// When it is printed but is not a number of this type.
    pub fn number<T: FromStr>(
        &self,
        source: &'static str,
        name: &'static str,
    ) -> Result<Option<T>, ParseError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| ParseError::new(source, name, text, "expected a number in range"))
    }
}

/// The replication section, from the point of view of the node that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplicationInfo {
    /// What the node itself takes itself for.
    pub role: Role,
    /// On a replica: its link to the primary is up and the initial copy is complete.
    pub link_up: bool,
    /// On a replica: where it looks for its primary.
    pub primary_host: Option<Host>,
    /// Bytes of the replication stream it has produced (primary) or applied (replica).
    pub offset: u64,
}

/// The part of `INFO` that status and decisions rest on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerInfo {
    /// `redis` or `valkey`.
    pub engine: String,
    /// The engine's own version, for people; decisions rest on [`Capabilities`](crate::Capabilities).
    pub version: String,
    /// Process id of the server, in its own process namespace.
    pub process_id: u32,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Bytes the data set and buffers take.
    pub used_memory: u64,
    /// The limit in bytes; 0 means none.
    pub max_memory: u64,
    /// Keys in database 0, the only one a cluster has.
    pub keys: u64,
    /// The server is still reading its data set from disk.
    pub loading: bool,
    /// The replication section.
    pub replication: ReplicationInfo,
}

impl FromStr for ServerInfo {
    type Err = ParseError;

    /// Reads a reply that holds at least the sections server, memory, persistence, replication and keyspace.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fields = InfoFields::parse(text);
        let role = match fields.get("role") {
            Some("master") => Role::Primary,
            Some("slave") => Role::Replica,
            other => {
                let found = other.unwrap_or("");
                return Err(ParseError::new(SOURCE, "role", found, "expected master or slave"));
            }
        };
        // Valkey prints its own version beside the Redis version it is compatible with.
        let (engine, version) = match (fields.get("server_name"), fields.get("valkey_version")) {
            (_, Some(version)) => ("valkey", version),
            (Some(name), None) => (name, fields.get("redis_version").unwrap_or("unknown")),
            (None, None) => ("redis", fields.get("redis_version").unwrap_or("unknown")),
        };
        let offset = match role {
            Role::Primary => fields.number(SOURCE, "master_repl_offset")?,
            Role::Replica => fields.number(SOURCE, "slave_repl_offset")?,
        };
        Ok(Self {
            engine: engine.to_owned(),
            version: version.to_owned(),
            process_id: fields.number(SOURCE, "process_id")?.unwrap_or(0),
            uptime_s: fields.number(SOURCE, "uptime_in_seconds")?.unwrap_or(0),
            used_memory: fields.number(SOURCE, "used_memory")?.unwrap_or(0),
            max_memory: fields.number(SOURCE, "maxmemory")?.unwrap_or(0),
            keys: keys_of_db0(&fields)?,
            loading: fields.get("loading") == Some("1"),
            replication: ReplicationInfo {
                role,
                link_up: role == Role::Replica && fields.get("master_link_status") == Some("up"),
                primary_host: fields.get("master_host").filter(|_| role == Role::Replica).map(Host::parse),
                offset: offset.unwrap_or(0),
            },
        })
    }
}

/// `db0:keys=3,expires=0,avg_ttl=0`; the line is absent while the database is empty.
fn keys_of_db0(fields: &InfoFields) -> Result<u64, ParseError> {
    let Some(text) = fields.get("db0") else {
        return Ok(0);
    };
    let keys = text.split(',').find_map(|part| part.strip_prefix("keys="));
    keys.and_then(|keys| keys.parse().ok())
        .ok_or_else(|| ParseError::new(SOURCE, "db0", text, "expected keys=NUMBER"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_engines() {
        let redis = "# Server\r\nredis_version:7.0.15\r\nprocess_id:12\r\n# Replication\r\nrole:slave\r\n\
                     master_host:10.0.0.7\r\nmaster_link_status:up\r\nslave_repl_offset:77\r\nmaster_repl_offset:78\r\ndb0:keys=3,expires=0\r\n";
        let info: ServerInfo = redis.parse().unwrap();
        assert_eq!((info.engine.as_str(), info.version.as_str(), info.keys), ("redis", "7.0.15", 3));
        assert!(info.replication.link_up && info.replication.offset == 77);
        assert_eq!(info.replication.primary_host, Some(Host::parse("10.0.0.7")));

        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\nrole:master\r\n\
                      master_repl_offset:78\r\nmaster_link_status:up\r\n";
        let info: ServerInfo = valkey.parse().unwrap();
        assert_eq!((info.engine.as_str(), info.version.as_str(), info.keys), ("valkey", "8.1.1", 0));
        assert!(!info.replication.link_up && info.replication.offset == 78);
    }

    #[test]
    fn names_the_bad_field() {
        for (text, field) in
            [("", "role"), ("role:master\r\nused_memory:x", "used_memory"), ("role:master\r\ndb0:k=1", "db0")]
        {
            assert_eq!(text.parse::<ServerInfo>().unwrap_err().field(), field);
        }
    }
}
