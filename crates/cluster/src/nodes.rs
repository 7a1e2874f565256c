//! What one node says of every member: the reply of `CLUSTER NODES`, and the node lines of `nodes.conf`.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::Serialize;
use slotwright_slots::{Slot, SlotRange, SlotSet};

use crate::{Endpoint, Epoch, NodeId, ParseError};

const SOURCE: &str = "CLUSTER NODES";

/// What a node does in its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Owns slots (or is free to) and takes writes; the wire says `master`.
    Primary,
    /// Copies a primary; the wire says `slave`.
    Replica,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        })
    }
}

/// The flags one node gives another (or itself) in `CLUSTER NODES`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Flags {
    /// The line is about the node that answered.
    pub myself: bool,
    /// `master` or `slave`; `None` while the other side's role is not known yet.
    pub role: Option<Role>,
    /// `fail?`: this node has had no answer from it within the node time-out.
    pub suspected: bool,
    /// `fail`: a majority of primaries agreed that it is down.
    pub failed: bool,
    /// A member this node has met but that has not answered yet; its id is provisional.
    pub handshake: bool,
    /// This node does not know its address.
    pub noaddr: bool,
    /// It will not start a failover (`cluster-replica-no-failover`).
    pub nofailover: bool,
    /// Flags this crate does not know, as printed.
    pub other: Vec<String>,
}

impl Flags {
    fn parse(text: &str) -> Self {
        let mut flags = Self::default();
        for word in text.split(',') {
            match word {
                "myself" => flags.myself = true,
                "master" => flags.role = Some(Role::Primary),
                "slave" | "replica" => flags.role = Some(Role::Replica),
                "fail?" => flags.suspected = true,
                "fail" => flags.failed = true,
                "handshake" => flags.handshake = true,
                "noaddr" => flags.noaddr = true,
                "nofailover" => flags.nofailover = true,
                "" | "noflags" => {}
                other => flags.other.push(other.to_owned()),
            }
        }
        flags
    }
}

/// State of the bus link from the node that answered to the member of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// The link is up (always so on a node's line about itself).
    Connected,
    /// There is no link at this moment.
    Disconnected,
}

/// A slot on the way from one primary to another, as only the two of them show it, each on its own line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OpenSlot {
    /// `[93->-id]`: the node still owns the slot and hands it to `to`.
    Migrating {
        /// The slot on the way.
        slot: Slot,
        /// Where its keys go.
        to: NodeId,
    },
    /// `[93-<-id]`: the node takes the slot over from `from`.
    Importing {
        /// The slot on the way.
        slot: Slot,
        /// Where its keys come from.
        from: NodeId,
    },
}

impl OpenSlot {
    /// The slot on the way.
    pub fn slot(&self) -> Slot {
        match *self {
            Self::Migrating { slot, .. } | Self::Importing { slot, .. } => slot,
        }
    }

    fn parse(item: &str) -> Result<Self, ParseError> {
        let bad = |reason: &str| ParseError::new(SOURCE, "open slot", item, reason);
        let inner = item
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .ok_or_else(|| bad("expected [slot->-id] or [slot-<-id]"))?;
        let parse = |slot: &str, id: &str| -> Result<(Slot, NodeId), ParseError> {
            let slot = slot.parse().map_err(|_| bad("expected a slot below 16384 before the arrow"))?;
            Ok((slot, id.parse().map_err(|_| bad("expected a node id of 40 digits behind the arrow"))?))
        };
        if let Some((slot, id)) = inner.split_once("->-") {
            parse(slot, id).map(|(slot, to)| Self::Migrating { slot, to })
        } else if let Some((slot, id)) = inner.split_once("-<-") {
            parse(slot, id).map(|(slot, from)| Self::Importing { slot, from })
        } else {
            Err(bad("expected [slot->-id] or [slot-<-id]"))
        }
    }
}

/// One line of `CLUSTER NODES`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeEntry {
    /// The member the line is about (provisional while in handshake).
    pub id: NodeId,
    /// Where the answering node reaches it.
    pub endpoint: Endpoint,
    /// What the answering node holds of it.
    pub flags: Flags,
    /// The primary it copies.
    pub primary: Option<NodeId>,
    /// When the pending ping was sent, Unix time in milliseconds; 0 when none is pending.
    pub ping_sent_ms: u64,
    /// When the last pong came, Unix time in milliseconds.
    pub pong_received_ms: u64,
    /// Its config epoch; a replica shows its primary's.
    pub config_epoch: Epoch,
    /// The bus link to it.
    pub link: LinkState,
    /// The slots it owns.
    pub slots: SlotSet,
    /// Slots on the way, on the answering node's own line only.
    pub open_slots: Vec<OpenSlot>,
    /// Auxiliary fields behind the address (`shard-id`, `nodename`, `tls-port`, and any later ones).
    pub aux: BTreeMap<String, String>,
}

impl NodeEntry {
    /// The shard id (7.2 and later), where the line carries it.
    pub fn shard_id(&self) -> Option<&str> {
        self.aux.get("shard-id").map(String::as_str)
    }

    /// The role, when it is known.
    pub fn role(&self) -> Option<Role> {
        self.flags.role
    }
}

impl FromStr for NodeEntry {
    type Err = ParseError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let mut fields = line.split_ascii_whitespace();
        let mut next = |field: &'static str| {
            fields
                .next()
                .ok_or_else(|| ParseError::new(SOURCE, field, line, "the line ends before this field"))
        };
        let id = next("id")?.parse()?;
        let address = next("address")?;
        let endpoint = Endpoint::from_cluster_nodes(address)?;
        let aux = address
            .split(',')
            .skip(1)
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let flags = Flags::parse(next("flags")?);
        let primary = match next("primary")? {
            "-" => None,
            id => Some(id.parse()?),
        };
        let ping_sent_ms = number("ping-sent", next("ping-sent")?)?;
        let pong_received_ms = number("pong-recv", next("pong-recv")?)?;
        let config_epoch = Epoch(number("config-epoch", next("config-epoch")?)?);
        let link = match next("link-state")? {
            "connected" => LinkState::Connected,
            "disconnected" => LinkState::Disconnected,
            other => {
                let reason = "expected connected or disconnected";
                return Err(ParseError::new(SOURCE, "link-state", other, reason));
            }
        };
        let mut slots = SlotSet::new();
        let mut open_slots = Vec::new();
        for item in fields {
            if item.starts_with('[') {
                open_slots.push(OpenSlot::parse(item)?);
            } else {
                let range: SlotRange = item.parse().map_err(|error: slotwright_slots::ParseSlotError| {
                    ParseError::new(SOURCE, "slots", item, error.to_string())
                })?;
                slots.insert_range(range);
            }
        }
        Ok(Self {
            id,
            endpoint,
            flags,
            primary,
            ping_sent_ms,
            pong_received_ms,
            config_epoch,
            link,
            slots,
            open_slots,
            aux,
        })
    }
}

fn number(field: &'static str, text: &str) -> Result<u64, ParseError> {
    text.parse().map_err(|_| ParseError::new(SOURCE, field, text, "expected a whole number"))
}

/// What one node says of every member: the reply of `CLUSTER NODES`.
///
/// `nodes.conf` has the same lines; its `vars` line is skipped.
///
/// ```
/// use slotwright_cluster::{ClusterNodes, OpenSlot};
/// let id = "07c37dfeb235213a872192d90877d0cd55635b91";
/// let other = "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1";
/// let text = format!("{id} 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460 [93->-{other}]\n");
/// let nodes: ClusterNodes = text.parse()?;
/// assert!(matches!(nodes.myself()?.open_slots.as_slice(), [OpenSlot::Migrating { .. }]));
///
/// let error = "07c3 127.0.0.1:7000@17000 master".parse::<ClusterNodes>().unwrap_err();
/// assert_eq!(error.line(), Some(1));
/// # Ok::<(), slotwright_cluster::ParseError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClusterNodes {
    /// One entry a line, in the order of the reply.
    pub entries: Vec<NodeEntry>,
}

impl ClusterNodes {
    /// The line of the node that answered.
    ///
    /// # Errors
    /// When no line is flagged `myself`.
    pub fn myself(&self) -> Result<&NodeEntry, ParseError> {
        let missing = || ParseError::new(SOURCE, "flags", "", "no line is flagged myself");
        self.entries.iter().find(|entry| entry.flags.myself).ok_or_else(missing)
    }

    /// The line about `id`.
    pub fn get(&self, id: NodeId) -> Option<&NodeEntry> {
        self.entries.iter().find(|entry| entry.id == id)
    }
}

impl FromStr for ClusterNodes {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with("vars ") {
                continue;
            }
            entries.push(line.parse::<NodeEntry>().map_err(|error| error.on_line(index + 1))?);
        }
        Ok(Self { entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "07c37dfeb235213a872192d90877d0cd55635b91";
    const B: &str = "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1";

    #[test]
    fn reads_every_kind_of_line() {
        let text = format!(
            "{A} 127.0.0.1:7000@17000,db-1,shard-id={A},later=x myself,master,novel - 0 0 3 connected \
             0-5460 5462 [93->-{B}] [94-<-{B}]\n\
             {B} :0@0 slave,fail,noaddr {A} 1426238316232 1426238317741 0 disconnected\n\
             {B} 127.0.0.1:7002@17002 handshake - 0 0 0 disconnected\n\
             vars currentEpoch 6 lastVoteEpoch 0\n"
        );
        let nodes: ClusterNodes = text.parse().unwrap();
        let [first, second, third] = nodes.entries.as_slice() else { panic!("{nodes:?}") };
        assert_eq!(first.slots.to_string(), "0-5460 5462");
        assert_eq!(first.open_slots.len(), 2);
        assert_eq!(first.shard_id(), Some(A));
        assert_eq!(first.aux.get("later").map(String::as_str), Some("x"));
        assert_eq!(first.flags.other, ["novel"]);
        assert_eq!(first.endpoint.hostname.as_deref(), Some("db-1"));
        assert!(second.flags.failed && second.flags.noaddr && second.role() == Some(Role::Replica));
        assert_eq!(second.primary.map(|id| id.to_string()).as_deref(), Some(A));
        assert!(third.flags.handshake && third.role().is_none());
    }

    #[test]
    fn names_the_line_and_the_field() {
        let good = format!("{A} 127.0.0.1:7000@17000 myself,master - 0 0 3 connected 0-5460\n");
        let cases = [
            (format!("{A} 127.0.0.1 master - 0 0 3 connected"), "address"),
            (format!("{A} 127.0.0.1:1@2 master x 0 0 3 connected"), "id"),
            (format!("{A} 127.0.0.1:1@2 master - x 0 3 connected"), "ping-sent"),
            (format!("{A} 127.0.0.1:1@2 master - 0 0 -3 connected"), "config-epoch"),
            (format!("{A} 127.0.0.1:1@2 master - 0 0 3 up"), "link-state"),
            (format!("{A} 127.0.0.1:1@2 master - 0 0 3 connected 16384"), "slots"),
            (format!("{A} 127.0.0.1:1@2 master - 0 0 3 connected 9-3"), "slots"),
            (format!("{A} 127.0.0.1:1@2 master - 0 0 3 connected [93]"), "open slot"),
            (format!("{A} 127.0.0.1:1@2 master"), "primary"),
        ];
        for (line, field) in cases {
            let error = format!("{good}{line}\n").parse::<ClusterNodes>().unwrap_err();
            assert_eq!((error.line(), error.field()), (Some(2), field), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "([0-9a-f]{40}|[a-z0-9:@,=\\[\\]<>? -]{0,12}|\n){0,20}") {
            let _ = text.parse::<ClusterNodes>();
        }
    }
}
