//! Replies as servers send them, in RESP3: what a cluster of a given size says of itself, and the wire forms it is
//! made of.

use std::fmt::Write;

use slotwright_slots::SLOT_COUNT;

/// A simple string, `+OK`.
pub fn status(text: &str) -> Vec<u8> {
    format!("+{text}\r\n").into_bytes()
}

/// A number.
pub fn integer(number: u64) -> Vec<u8> {
    format!(":{number}\r\n").into_bytes()
}

/// A bulk string.
pub fn bulk(text: &str) -> Vec<u8> {
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

/// An array.
pub fn array(items: &[Vec<u8>]) -> Vec<u8> {
    aggregate('*', items.len(), items)
}

/// A map, from its keys and values in turn.
pub fn map(items: &[Vec<u8>]) -> Vec<u8> {
    aggregate('%', items.len() / 2, items)
}

fn aggregate(kind: char, count: usize, items: &[Vec<u8>]) -> Vec<u8> {
    [format!("{kind}{count}\r\n").into_bytes(), items.concat()].concat()
}

/// One node of the cluster these replies describe.
struct Node {
    number: usize,
}

/// A cluster of this many nodes, half of them replicas. A tenth of each primary's slots has been moved to the next
/// one, so that every primary owns two ranges.
struct Cluster {
    shards: usize,
}

impl Node {
    fn id(&self) -> String {
        // Forty digits that differ from node to node all over, as random ids do.
        let mut id = String::new();
        let mut mixed = self.number as u64 + 1;
        while id.len() < 40 {
            mixed = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31);
            let _ = write!(id, "{mixed:016x}");
        }
        id.truncate(40);
        id
    }

    fn ip(&self) -> String {
        format!("10.0.{}.{}", self.number / 250, self.number % 250 + 1)
    }

    fn hostname(&self) -> String {
        format!("redis-{}.redis-headless.example.svc.cluster.local", self.number)
    }
}

impl Cluster {
    /// Of so many nodes: an even number, 4 at least.
    fn of(nodes: usize) -> Self {
        Self { shards: (nodes / 2).max(2) }
    }

    fn primary(&self, shard: usize) -> Node {
        Node { number: shard }
    }

    fn replica(&self, shard: usize) -> Node {
        Node { number: self.shards + shard }
    }

    /// First and last slot of each range of the shard.
    fn ranges(&self, shard: usize) -> [(usize, usize); 2] {
        let start = |shard: usize| shard * usize::from(SLOT_COUNT) / self.shards;
        let kept = |shard: usize| start(shard) + (start(shard + 1) - start(shard)) * 9 / 10;
        let previous = (shard + self.shards - 1) % self.shards;
        let mut ranges = [(start(shard), kept(shard) - 1), (kept(previous), start(previous + 1) - 1)];
        ranges.sort_unstable();
        ranges
    }
}

/// The text of `CLUSTER NODES` of a cluster of so many nodes (an even number, 4 to 1,000).
pub fn cluster_nodes_text(nodes: usize) -> String {
    let cluster = Cluster::of(nodes);
    let mut text = String::new();
    for shard in 0..cluster.shards {
        let (primary, replica) = (cluster.primary(shard), cluster.replica(shard));
        let flags = if shard == 0 { "myself,master" } else { "master" };
        let slots = cluster.ranges(shard).map(|(first, last)| format!("{first}-{last}")).join(" ");
        let epoch = shard + 1;
        for (node, flags, of, slots) in [
            (&primary, flags, "-".to_owned(), format!(" {slots}")),
            (&replica, "slave", primary.id(), String::new()),
        ] {
            let (id, ip, name) = (node.id(), node.ip(), node.hostname());
            let _ = writeln!(
                text,
                "{id} {ip}:6379@16379,{name} {flags} {of} 0 1763800000{:03} {epoch} connected{slots}",
                node.number
            );
        }
    }
    text
}

/// The reply to `CLUSTER NODES`: a verbatim string.
pub fn cluster_nodes(nodes: usize) -> Vec<u8> {
    let text = cluster_nodes_text(nodes);
    format!("={}\r\ntxt:{text}\r\n", text.len() + 4).into_bytes()
}

/// The reply to `CLUSTER SLOTS` of a cluster of so many nodes (an even number, 4 to 1,000).
pub fn cluster_slots(nodes: usize) -> Vec<u8> {
    let cluster = Cluster::of(nodes);
    let node = |node: &Node| {
        let metadata = map(&[bulk("hostname"), bulk(&node.hostname())]);
        array(&[bulk(&node.ip()), integer(6379), bulk(&node.id()), metadata])
    };
    let mut ranges = Vec::new();
    for shard in 0..cluster.shards {
        for (first, last) in cluster.ranges(shard) {
            let (primary, replica) = (node(&cluster.primary(shard)), node(&cluster.replica(shard)));
            ranges.push(array(&[integer(first as u64), integer(last as u64), primary, replica]));
        }
    }
    array(&ranges)
}

/// The reply to `CLUSTER SHARDS` of a cluster of so many nodes (an even number, 4 to 1,000).
pub fn cluster_shards(nodes: usize) -> Vec<u8> {
    let cluster = Cluster::of(nodes);
    let node = |node: &Node, role: &str| {
        map(&[
            bulk("id"),
            bulk(&node.id()),
            bulk("port"),
            integer(6379),
            bulk("ip"),
            bulk(&node.ip()),
            bulk("endpoint"),
            bulk(&node.ip()),
            bulk("hostname"),
            bulk(&node.hostname()),
            bulk("role"),
            bulk(role),
            bulk("replication-offset"),
            integer(182_736 + node.number as u64),
            bulk("health"),
            bulk("online"),
        ])
    };
    let shard = |shard: usize| {
        let slots: Vec<Vec<u8>> = cluster
            .ranges(shard)
            .iter()
            .flat_map(|&(first, last)| [integer(first as u64), integer(last as u64)])
            .collect();
        let nodes = [node(&cluster.primary(shard), "master"), node(&cluster.replica(shard), "replica")];
        map(&[bulk("slots"), array(&slots), bulk("nodes"), array(&nodes)])
    };
    array(&(0..cluster.shards).map(shard).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use slotwright_client::{admin::decode, resp};

    fn value(wire: Vec<u8>) -> slotwright_client::Value {
        resp::decode(&Bytes::from(wire)).unwrap()
    }

    #[test]
    fn the_three_replies_describe_one_whole_cluster() {
        for nodes in [6, 100, 1000] {
            let lines = decode::cluster_nodes(value(cluster_nodes(nodes))).unwrap().entries;
            let ranges = decode::cluster_slots(value(cluster_slots(nodes))).unwrap().ranges;
            let shards = decode::cluster_shards(value(cluster_shards(nodes))).unwrap().shards;
            assert_eq!((lines.len(), ranges.len(), shards.len()), (nodes, nodes, nodes / 2));
            let slots: [usize; 3] = [
                lines.iter().map(|line| line.slots.len()).sum(),
                ranges.iter().map(|owners| owners.range.len()).sum(),
                shards.iter().map(|shard| shard.slots.len()).sum(),
            ];
            assert_eq!(slots, [usize::from(SLOT_COUNT); 3]);
            assert!(shards.iter().all(|shard| lines.iter().any(|line| line.slots == shard.slots)));
        }
    }
}
