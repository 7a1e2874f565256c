//! One node's view of the shards: the reply of `CLUSTER SHARDS` (7.0 and later).
//!
//! The maps are read in RESP3 and in the flat RESP2 form, keys in any order, unknown keys skipped. Who dials what
//! is decided elsewhere.

use std::fmt;

use serde::Serialize;
use slotwright_slots::SlotSet;

use crate::{Endpoint, Host, NodeId, ParseError, Reply, Role, slots_reply::slot_range};

const SOURCE: &str = "CLUSTER SHARDS";

/// How a node is, as the node that answered sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It answers.
    Online,
    /// It is held to be down (`fail` on the wire, `failed` in the documentation).
    Failed,
    /// It reads its data set: from disk, or from its primary for the first time.
    Loading,
    /// A word this crate does not know.
    Other(String),
}

/// One node of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShardNode {
    /// Its identity.
    pub id: NodeId,
    /// The plain client port; `None` when the node has none.
    pub port: Option<u16>,
    /// The TLS client port; `None` when the node has none.
    pub tls_port: Option<u16>,
    /// Its address on the bus; empty while unknown.
    pub ip: String,
    /// What clients should dial (`cluster-preferred-endpoint-type`); `None` for the null reply, which means the host
    /// that answered.
    pub endpoint: Option<String>,
    /// The announced host name.
    pub hostname: Option<String>,
    /// Primary or replica.
    pub role: Role,
    /// Bytes of the replication stream it has produced or applied, as far as the answering node knows.
    pub replication_offset: u64,
    /// How it is.
    pub health: Health,
    /// `availability-zone`, where the engine sends it.
    pub availability_zone: Option<String>,
}

impl ShardNode {
    /// Where clients reach it, given the `host` that answered: the preferred endpoint, with the TLS port when `tls`.
    ///
    /// The bus port is not part of the reply and stays 0. `None` when the node has no such port.
    pub fn address(&self, answered: &Host, tls: bool) -> Option<Endpoint> {
        let port = if tls { self.tls_port } else { self.port }?;
        let host = match self.endpoint.as_deref() {
            None | Some("") => answered.clone(),
            Some(host) => Host::parse(host),
        };
        Some(Endpoint { host, port, bus_port: 0, hostname: self.hostname.as_deref().map(Into::into) })
    }

    fn parse(reply: &Reply, place: &Place) -> Result<Self, ParseError> {
        let (mut id, mut role) = (None, None);
        let (mut port, mut tls_port, mut offset) = (None, None, 0);
        let (mut ip, mut endpoint, mut hostname, mut zone) = (String::new(), None, None, None);
        let mut health = Health::Other(String::new());
        for (key, value) in place.pairs("node", reply)? {
            match key {
                "id" => id = Some(place.text("id", value)?.parse()?),
                "port" => port = Some(place.port("port", value)?),
                "tls-port" => tls_port = Some(place.port("tls-port", value)?),
                "ip" => ip = place.optional("ip", value)?.unwrap_or_default(),
                "endpoint" => endpoint = place.optional("endpoint", value)?,
                "hostname" => hostname = place.optional("hostname", value)?.filter(|name| !name.is_empty()),
                "availability-zone" => {
                    zone = place.optional("availability-zone", value)?.filter(|name| !name.is_empty());
                }
                "role" => {
                    role = Some(match place.text("role", value)? {
                        "master" | "primary" => Role::Primary,
                        "slave" | "replica" => Role::Replica,
                        other => return Err(place.error("role", other, "expected master or replica")),
                    });
                }
                "replication-offset" => {
                    offset = value.as_int().ok_or_else(|| {
                        place.error("replication-offset", &shown(value), "expected a whole number")
                    })?;
                }
                "health" => {
                    health = match place.text("health", value)? {
                        "online" => Health::Online,
                        "fail" | "failed" => Health::Failed,
                        "loading" => Health::Loading,
                        other => Health::Other(other.to_owned()),
                    };
                }
                _ => {}
            }
        }
        Ok(Self {
            id: id.ok_or_else(|| place.error("id", "", "the node has no id"))?,
            // Port 0 is how a node without the one or the other kind of port has been seen to say so.
            port: port.filter(|port| *port != 0),
            tls_port: tls_port.filter(|port| *port != 0),
            ip,
            endpoint,
            hostname,
            role: role.ok_or_else(|| place.error("role", "", "the node has no role"))?,
            replication_offset: u64::try_from(offset).unwrap_or(0),
            health,
            availability_zone: zone,
        })
    }
}

/// One shard: the slots it owns and the nodes that hold them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shard {
    /// The slots of its primary; empty for a shard that owns none.
    pub slots: SlotSet,
    /// Its nodes, in the order of the reply; the primary's place is not promised.
    pub nodes: Vec<ShardNode>,
    /// The shard id, where the engine sends it.
    pub id: Option<String>,
}

impl Shard {
    /// The primary; `None` while the shard has none (a failover under way), or claims several.
    pub fn primary(&self) -> Option<&ShardNode> {
        let mut primaries = self.nodes.iter().filter(|node| node.role == Role::Primary);
        primaries.next().filter(|_| primaries.next().is_none())
    }

    fn parse(reply: &Reply, place: &Place) -> Result<Self, ParseError> {
        let (mut slots, mut nodes, mut id) = (SlotSet::new(), None, None);
        for (key, value) in place.pairs("shard", reply)? {
            match key {
                "slots" => {
                    let items = place.array("slots", value)?;
                    let (pairs, rest) = items.as_chunks::<2>();
                    if !rest.is_empty() {
                        return Err(place.error("slots", &shown(value), "expected pairs of start and end"));
                    }
                    for [start, end] in pairs {
                        let range = slot_range(start, end).map_err(|why| {
                            let found = format!("{} {}", shown(start), shown(end));
                            place.error("slots", &found, why)
                        })?;
                        slots.insert_range(range);
                    }
                }
                "nodes" => {
                    let items = place.array("nodes", value)?.iter().enumerate();
                    let parse = |(index, node)| ShardNode::parse(node, &place.node(index));
                    nodes = Some(items.map(parse).collect::<Result<_, _>>()?);
                }
                "id" => id = place.optional("id", value)?,
                _ => {}
            }
        }
        let nodes = nodes.ok_or_else(|| place.error("nodes", "", "the shard has no nodes"))?;
        Ok(Self { slots, nodes, id })
    }
}

/// One node's view of all shards: the reply of `CLUSTER SHARDS`.
///
/// ```
/// use slotwright_cluster::{ClusterShards, Reply};
/// let text = |text: &str| Reply::Text(text.as_bytes().to_vec());
/// let node = Reply::Array(vec![
///     text("id"), text("07c37dfeb235213a872192d90877d0cd55635b91"),
///     text("port"), Reply::Integer(7000),
///     text("role"), text("master"),
///     text("health"), text("online"),
/// ]);
/// let shard = Reply::Array(vec![
///     text("slots"), Reply::Array(vec![Reply::Integer(0), Reply::Integer(5460)]),
///     text("nodes"), Reply::Array(vec![node]),
/// ]);
/// let shards = ClusterShards::parse(&Reply::Array(vec![shard]))?;
/// assert_eq!(shards.shards[0].slots.to_string(), "0-5460");
/// assert_eq!(shards.shards[0].primary().and_then(|node| node.port), Some(7000));
/// # Ok::<(), slotwright_cluster::ParseError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClusterShards {
    /// One entry a shard, in the order of the reply.
    pub shards: Vec<Shard>,
}

impl ClusterShards {
    /// Reads the reply of `CLUSTER SHARDS`.
    ///
    /// # Errors
    /// When the reply has another form; names the shard and the node (counted from 0) and the field.
    pub fn parse(reply: &Reply) -> Result<Self, ParseError> {
        let place = Place { shard: None, node: None };
        let items = place.array("shards", reply)?.iter().enumerate();
        let parse = |(index, shard)| Shard::parse(shard, &Place { shard: Some(index), node: None });
        Ok(Self { shards: items.map(parse).collect::<Result<_, _>>()? })
    }
}

/// Where in the reply a value stands, for errors.
#[derive(Clone, Copy)]
struct Place {
    shard: Option<usize>,
    node: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(shard) = self.shard else { return Ok(()) };
        write!(f, "shard {shard}")?;
        if let Some(node) = self.node {
            write!(f, ", node {node}")?;
        }
        f.write_str(": ")
    }
}

impl Place {
    fn node(self, index: usize) -> Self {
        Self { node: Some(index), ..self }
    }

    fn error(&self, field: &'static str, found: &str, reason: &str) -> ParseError {
        ParseError::new(SOURCE, field, found, format!("{self}{reason}"))
    }

    fn text<'a>(&self, field: &'static str, value: &'a Reply) -> Result<&'a str, ParseError> {
        value.as_str().ok_or_else(|| self.error(field, &shown(value), "expected text"))
    }

    fn optional(&self, field: &'static str, value: &Reply) -> Result<Option<String>, ParseError> {
        match value {
            Reply::Nil => Ok(None),
            _ => self.text(field, value).map(|text| Some(text.to_owned())),
        }
    }

    fn port(&self, field: &'static str, value: &Reply) -> Result<u16, ParseError> {
        let port = value.as_int().and_then(|port| u16::try_from(port).ok());
        port.ok_or_else(|| self.error(field, &shown(value), "expected a port from 0 to 65535"))
    }

    fn array<'a>(&self, field: &'static str, value: &'a Reply) -> Result<&'a [Reply], ParseError> {
        value.as_array().ok_or_else(|| self.error(field, &shown(value), "expected an array"))
    }

    /// The pairs of a map whose keys are text; pairs with another key are skipped.
    fn pairs<'a>(
        &self,
        field: &'static str,
        value: &'a Reply,
    ) -> Result<impl Iterator<Item = (&'a str, &'a Reply)> + use<'a>, ParseError> {
        let odd = value.as_array().is_some_and(|items| items.len() % 2 == 1);
        let pairs = value.pairs().filter(|_| !odd);
        let pairs = pairs.ok_or_else(|| self.error(field, &shown(value), "expected a map"))?;
        Ok(pairs.into_iter().filter_map(|(key, value)| Some((key.as_str()?, value))))
    }
}

/// A short form of a value that stands where another was expected.
pub(crate) fn shown(value: &Reply) -> String {
    match value {
        Reply::Nil => "null".to_owned(),
        Reply::Integer(number) => number.to_string(),
        Reply::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Array(items) => format!("an array of {}", items.len()),
        Reply::Map(pairs) => format!("a map of {}", pairs.len()),
        Reply::Other => "another type".to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const A: &str = "07c37dfeb235213a872192d90877d0cd55635b91";

    pub(crate) fn text(text: &str) -> Reply {
        Reply::Text(text.as_bytes().to_vec())
    }

    fn map(pairs: &[(&str, Reply)]) -> Reply {
        Reply::Map(pairs.iter().map(|(key, value)| (text(key), value.clone())).collect())
    }

    /// The same reply as a RESP2 server sends it.
    fn flat(reply: &Reply) -> Reply {
        match reply {
            Reply::Map(pairs) => Reply::Array(pairs.iter().flat_map(|(k, v)| [flat(k), flat(v)]).collect()),
            Reply::Array(items) => Reply::Array(items.iter().map(flat).collect()),
            other => other.clone(),
        }
    }

    fn node(changes: &[(&str, Reply)]) -> Reply {
        let mut pairs = vec![
            ("health", text("online")),
            ("replication-offset", Reply::Integer(72156)),
            ("role", text("replica")),
            ("later-key", Reply::Array(vec![Reply::Nil])),
            ("endpoint", Reply::Nil),
            ("ip", text("10.0.0.7")),
            ("tls-port", Reply::Integer(7443)),
            ("port", Reply::Integer(7000)),
            ("id", text(A)),
        ];
        for (key, value) in changes {
            pairs.retain(|(name, _)| name != key);
            pairs.push((key, value.clone()));
        }
        map(&pairs)
    }

    fn shard(slots: &[i64], node: Reply) -> Reply {
        let slots = slots.iter().copied().map(Reply::Integer).collect();
        Reply::Array(vec![map(&[("nodes", Reply::Array(vec![node])), ("slots", Reply::Array(slots))])])
    }

    #[test]
    fn reads_both_protocols_in_any_order() {
        let reply = shard(&[0, 5460, 5462, 5462], node(&[("hostname", text("db-1"))]));
        let shards = ClusterShards::parse(&reply).unwrap();
        assert_eq!(ClusterShards::parse(&flat(&reply)).unwrap(), shards);
        let [shard] = shards.shards.as_slice() else { panic!("{shards:?}") };
        assert_eq!(shard.slots.to_string(), "0-5460 5462");
        assert!(shard.primary().is_none());
        let [node] = shard.nodes.as_slice() else { panic!("{shards:?}") };
        assert_eq!(
            (node.role, &node.health, node.replication_offset),
            (Role::Replica, &Health::Online, 72156)
        );
        let answered = Host::parse("db.example");
        assert_eq!(node.address(&answered, false).unwrap().dial().unwrap(), ("db.example".to_owned(), 7000));
        assert_eq!(node.address(&answered, true).unwrap().port, 7443);
    }

    #[test]
    fn an_unknown_endpoint_is_not_the_answering_host() {
        let reply = shard(&[], node(&[("endpoint", text("?")), ("tls-port", Reply::Integer(0))]));
        let shards = ClusterShards::parse(&reply).unwrap();
        let node = &shards.shards[0].nodes[0];
        assert_eq!(node.address(&Host::parse("10.0.0.1"), false).unwrap().dial(), None);
        assert_eq!(node.address(&Host::parse("10.0.0.1"), true), None);
    }

    #[test]
    fn names_the_shard_the_node_and_the_field() {
        let cases = [
            (shard(&[0], node(&[])), "slots", "shard 0: "),
            (shard(&[0, 16384], node(&[])), "slots", "shard 0: "),
            (shard(&[9, 3], node(&[])), "slots", "shard 0: "),
            (shard(&[], node(&[("port", Reply::Integer(65536))])), "port", "shard 0, node 0: "),
            (shard(&[], node(&[("role", text("boss"))])), "role", "shard 0, node 0: "),
            (
                shard(&[], node(&[("replication-offset", text("x"))])),
                "replication-offset",
                "shard 0, node 0: ",
            ),
            (shard(&[], map(&[("id", text(A))])), "role", "shard 0, node 0: "),
            (shard(&[], map(&[("role", text("master"))])), "id", "shard 0, node 0: "),
            (shard(&[], Reply::Array(vec![Reply::Nil])), "node", "shard 0, node 0: "),
            (Reply::Array(vec![map(&[])]), "nodes", "shard 0: "),
            (Reply::Nil, "shards", ""),
        ];
        for (reply, field, place) in cases {
            let error = ClusterShards::parse(&reply).unwrap_err();
            assert_eq!(error.field(), field, "{error}");
            assert!(error.to_string().contains(&format!("{field}: {place}")), "{error}");
        }
    }

    /// Replies of every shape, with the words parsers look for.
    pub(crate) fn any_reply() -> impl proptest::strategy::Strategy<Value = Reply> {
        use proptest::prelude::*;
        let word =
            "(slots|nodes|id|port|role|master|ip|hostname|07c37dfeb235213a872192d90877d0cd55635b91|.{0,6})";
        let leaf = prop_oneof![
            Just(Reply::Nil),
            Just(Reply::Other),
            (-2i64..70000).prop_map(Reply::Integer),
            word.prop_map(|word: String| Reply::Text(word.into_bytes())),
            proptest::collection::vec(any::<u8>(), 0..4).prop_map(Reply::Text),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Reply::Array),
                proptest::collection::vec((inner.clone(), inner), 0..4).prop_map(Reply::Map),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn never_panics(reply in any_reply()) {
            let _ = ClusterShards::parse(&reply);
        }
    }
}
