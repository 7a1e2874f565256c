//! One node's view of who owns which slots: the reply of `CLUSTER SLOTS`.
//!
//! Only reading; which of several views is the newest is decided elsewhere.

use std::collections::BTreeMap;

use serde::Serialize;
use slotwright_slots::{SLOT_COUNT, Slot, SlotRange};

use crate::{Endpoint, Host, NodeId, ParseError, Reply, shards::shown};

const SOURCE: &str = "CLUSTER SLOTS";

/// One node of a range in `CLUSTER SLOTS`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotsNode {
    /// The preferred endpoint as printed; `None` for the null reply and the empty text, which mean the host that
    /// answered. `?` means that the node announces no name although names are preferred: it cannot be dialled by it.
    pub endpoint: Option<String>,
    /// The client port: TLS on a TLS connection, plain otherwise.
    pub port: u16,
    /// Its identity.
    pub id: NodeId,
    /// What the server says beside the preferred endpoint: `ip`, `hostname`, and any later keys (7.0 and later).
    pub metadata: BTreeMap<String, String>,
}

impl SlotsNode {
    /// The announced host name, from the metadata.
    pub fn hostname(&self) -> Option<&str> {
        self.metadata.get("hostname").map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Where clients reach it, given the host that `answered`. The bus port is not part of the reply and stays 0.
    pub fn address(&self, answered: &Host) -> Endpoint {
        let host = self.endpoint.as_deref().map_or_else(|| answered.clone(), Host::parse);
        Endpoint { host, port: self.port, bus_port: 0, hostname: self.hostname().map(Into::into) }
    }

    fn parse(reply: &Reply, range: usize, index: usize) -> Result<Self, ParseError> {
        let error = |field, value: &Reply, reason: &str| {
            ParseError::new(SOURCE, field, &shown(value), format!("range {range}, node {index}: {reason}"))
        };
        let Some([endpoint, port, id, rest @ ..]) = reply.as_array() else {
            return Err(error("node", reply, "expected an array of endpoint, port, id and metadata"));
        };
        let endpoint = match endpoint {
            Reply::Nil => None,
            text => Some(
                text.as_str().ok_or_else(|| error("endpoint", text, "expected text or null"))?.to_owned(),
            ),
        };
        let number = port.as_int().and_then(|port| u16::try_from(port).ok());
        let port = number.ok_or_else(|| error("port", port, "expected a port from 0 to 65535"))?;
        let id = id.as_str().ok_or_else(|| error("id", id, "expected a node id"))?.parse()?;
        let mut metadata = BTreeMap::new();
        if let Some(value) = rest.first() {
            let pairs = value.pairs().ok_or_else(|| error("metadata", value, "expected a map"))?;
            for (key, value) in pairs {
                if let (Some(key), Some(value)) = (key.as_str(), value.as_str()) {
                    metadata.insert(key.to_owned(), value.to_owned());
                }
            }
        }
        Ok(Self { endpoint: endpoint.filter(|host| !host.is_empty()), port, id, metadata })
    }
}

/// One range of slots and the nodes that hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotOwners {
    /// The slots.
    pub range: SlotRange,
    /// Their owner.
    pub primary: SlotsNode,
    /// Its replicas, as far as they are not held to be down.
    pub replicas: Vec<SlotsNode>,
}

/// One node's view of who owns which slots: the reply of `CLUSTER SLOTS`.
///
/// ```
/// use slotwright_cluster::{ClusterSlots, Host, Reply};
/// let id = Reply::Text(b"07c37dfeb235213a872192d90877d0cd55635b91".to_vec());
/// let node = Reply::Array(vec![Reply::Nil, Reply::Integer(7000), id, Reply::Array(vec![])]);
/// let reply = Reply::Array(vec![Reply::Array(vec![Reply::Integer(0), Reply::Integer(5460), node])]);
/// let slots = ClusterSlots::parse(&reply)?;
/// // A null endpoint means the host that was asked.
/// let endpoint = slots.ranges[0].primary.address(&Host::parse("db.example"));
/// assert_eq!(endpoint.dial(), Some(("db.example".to_owned(), 7000)));
/// # Ok::<(), slotwright_cluster::ParseError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClusterSlots {
    /// One entry a range, in the order of the reply; no slot stands in two of them.
    pub ranges: Vec<SlotOwners>,
}

impl ClusterSlots {
    /// Reads the reply of `CLUSTER SLOTS`.
    ///
    /// # Errors
    /// When the reply has another form, or a slot stands in two ranges; names the range and the node (counted from
    /// 0) and the field.
    pub fn parse(reply: &Reply) -> Result<Self, ParseError> {
        let items = reply.as_array();
        let items =
            items.ok_or_else(|| ParseError::new(SOURCE, "ranges", &shown(reply), "expected an array"))?;
        let mut ranges = Vec::with_capacity(items.len().min(SLOT_COUNT.into()));
        for (index, item) in items.iter().enumerate() {
            ranges.push(Self::range(item, index)?);
        }
        let mut sorted: Vec<SlotRange> = ranges.iter().map(|owners| owners.range).collect();
        sorted.sort_unstable_by_key(|range| (range.start(), range.end()));
        for (range, next) in sorted.iter().zip(sorted.iter().skip(1)) {
            if next.start() <= range.end() {
                let found = format!("{range} and {next}");
                return Err(ParseError::new(SOURCE, "slots", &found, "a slot stands in two ranges"));
            }
        }
        Ok(Self { ranges })
    }

    fn range(item: &Reply, index: usize) -> Result<SlotOwners, ParseError> {
        let error = |field, found: &str, reason: &str| {
            ParseError::new(SOURCE, field, found, format!("range {index}: {reason}"))
        };
        let Some([start, end, primary, replicas @ ..]) = item.as_array() else {
            return Err(error(
                "range",
                &shown(item),
                "expected an array of start, end and at least one node",
            ));
        };
        let range = slot_range(start, end)
            .map_err(|why| error("slots", &format!("{} {}", shown(start), shown(end)), why))?;
        let replicas = replicas.iter().enumerate();
        Ok(SlotOwners {
            range,
            primary: SlotsNode::parse(primary, index, 0)?,
            replicas: replicas
                .map(|(place, node)| SlotsNode::parse(node, index, place + 1))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The range from `start` to `end`, both inclusive.
pub(crate) fn slot_range(start: &Reply, end: &Reply) -> Result<SlotRange, &'static str> {
    let slot = |reply: &Reply| {
        let number = reply.as_int().and_then(|number| u16::try_from(number).ok());
        number.and_then(Slot::new).ok_or("expected two slots below 16384")
    };
    SlotRange::new(slot(start)?, slot(end)?).ok_or("the range ends before it starts")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shards::tests::{any_reply, text};

    const A: &str = "07c37dfeb235213a872192d90877d0cd55635b91";

    fn node(endpoint: Reply, port: i64, rest: &[Reply]) -> Reply {
        let mut items = vec![endpoint, Reply::Integer(port), text(A)];
        items.extend_from_slice(rest);
        Reply::Array(items)
    }

    fn range(start: i64, end: i64, nodes: &[Reply]) -> Reply {
        let mut items = vec![Reply::Integer(start), Reply::Integer(end)];
        items.extend_from_slice(nodes);
        Reply::Array(items)
    }

    #[test]
    fn reads_every_form_of_a_node() {
        let pairs = vec![text("ip"), text("10.0.0.7"), text("hostname"), text("db-1")];
        let nodes = [
            node(text("10.0.0.7"), 7000, &[]),
            node(text(""), 7001, &[Reply::Array(vec![])]),
            node(text("?"), 7002, &[Reply::Array(pairs.clone())]),
            node(Reply::Nil, 7003, &[Reply::Map(vec![(pairs[2].clone(), pairs[3].clone())])]),
        ];
        let reply = Reply::Array(vec![range(5461, 5461, &nodes[..1]), range(0, 5460, &nodes)]);
        let slots = ClusterSlots::parse(&reply).unwrap();
        let [_, owners] = slots.ranges.as_slice() else { panic!("{slots:?}") };
        assert_eq!(owners.range.to_string(), "0-5460");
        let answered = Host::parse("10.9.9.9");
        let dial = |node: &SlotsNode| node.address(&answered).dial();
        assert_eq!(dial(&owners.primary), Some(("10.0.0.7".to_owned(), 7000)));
        let [empty, unknown, null] = owners.replicas.as_slice() else { panic!("{slots:?}") };
        assert_eq!(dial(empty), Some(("10.9.9.9".to_owned(), 7001)));
        // The name from the metadata still serves where the preferred endpoint is unknown.
        assert_eq!(dial(unknown), Some(("db-1".to_owned(), 7002)));
        assert_eq!(unknown.metadata["ip"], "10.0.0.7");
        assert_eq!((dial(null), null.hostname()), (Some(("10.9.9.9".to_owned(), 7003)), Some("db-1")));
    }

    #[test]
    fn names_the_range_the_node_and_the_field() {
        let good = node(text("10.0.0.7"), 7000, &[]);
        let bad_id = Reply::Array(vec![Reply::Nil, Reply::Integer(1), Reply::Nil]);
        let cases = [
            (vec![range(0, 16384, std::slice::from_ref(&good))], "slots", "range 0"),
            (vec![range(-1, 3, std::slice::from_ref(&good))], "slots", "range 0"),
            (vec![range(9, 3, std::slice::from_ref(&good))], "slots", "range 0"),
            (vec![range(0, 9, &[])], "range", "range 0"),
            (vec![Reply::Nil], "range", "range 0"),
            (vec![range(0, 9, &[good.clone(), node(Reply::Nil, 65536, &[])])], "port", "range 0, node 1"),
            (vec![range(0, 9, &[node(Reply::Integer(1), 1, &[])])], "endpoint", "range 0, node 0"),
            (vec![range(0, 9, &[node(Reply::Nil, 1, &[Reply::Nil])])], "metadata", "range 0, node 0"),
            (vec![range(0, 9, &[bad_id])], "id", "range 0, node 0"),
            (
                vec![range(0, 9, std::slice::from_ref(&good)), range(9, 12, std::slice::from_ref(&good))],
                "slots",
                "two ranges",
            ),
        ];
        for (items, field, place) in cases {
            let error = ClusterSlots::parse(&Reply::Array(items)).unwrap_err();
            assert_eq!(error.field(), field, "{error}");
            assert!(error.to_string().contains(place), "{error}");
        }
        assert_eq!(ClusterSlots::parse(&Reply::Other).unwrap_err().field(), "ranges");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(reply in any_reply()) {
            let _ = ClusterSlots::parse(&reply);
        }
    }
}
