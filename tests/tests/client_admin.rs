//! Every administration command with success, on a small real cluster that the test itself makes, changes and takes
//! apart with them; each in the protocol that is its turn.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, net::Ipv4Addr};

use slotwright_client::{
    Command, Connection, ProtocolPreference,
    admin::{Failover, Reset, SaveOnShutdown, SetSlot, Shutdown},
};
use slotwright_cluster::{ClusterNodes, ClusterState, Epoch, LinkState, NodeId, OpenSlot, Role};
use slotwright_slots::{Slot, SlotSet, key_slot, tag_for_slot};
use slotwright_tests::{
    server::{Options, Server, request, soon},
    wait::until,
};

/// A server with a connection to it.
struct Node {
    server: Server,
    connection: Connection,
    id: NodeId,
}

impl Node {
    async fn new(server: Server, protocol: ProtocolPreference) -> Self {
        let mut connection = server.open(protocol).await;
        let id = connection.admin(soon()).cluster_myid().await.unwrap();
        Self { server, connection, id }
    }

    fn admin(&mut self) -> slotwright_client::Admin<'_> {
        self.connection.admin(soon())
    }

    async fn nodes(&mut self) -> ClusterNodes {
        self.admin().cluster_nodes().await.unwrap()
    }

    async fn until_nodes(&mut self, what: &str, holds: impl Fn(&ClusterNodes) -> bool) -> ClusterNodes {
        until(what, async || {
            let nodes = self.nodes().await;
            if holds(&nodes) { Ok(nodes) } else { Err(nodes) }
        })
        .await
    }

    async fn until_ok(&mut self) {
        until("cluster_state:ok", async || match self.admin().cluster_info().await.unwrap() {
            info if info.state == ClusterState::Ok => Ok(()),
            info => Err(info),
        })
        .await;
    }

    async fn until_role(&mut self, role: Role) {
        let holds = |nodes: &ClusterNodes| nodes.myself().is_ok_and(|myself| myself.role() == Some(role));
        self.until_nodes(&format!("the node is a {role}"), holds).await;
        if role == Role::Replica {
            until("the replica is in step", async || match self.admin().server_info().await.unwrap() {
                info if info.replication.link_up => Ok(()),
                info => Err(info),
            })
            .await;
        }
    }
}

fn set(text: &str) -> SlotSet {
    text.parse().unwrap()
}

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

#[tokio::test]
async fn a_cluster_is_made_changed_and_taken_apart() {
    let mut nodes = Vec::new();
    for (index, server) in Options::cluster().start_many(5).into_iter().enumerate() {
        let turns = [ProtocolPreference::Resp3, ProtocolPreference::Resp2];
        nodes.push(Node::new(server, turns[index % 2]).await);
    }
    let mut nodes = <[Node; 5]>::try_from(nodes).ok().unwrap();
    form(&mut nodes).await;
    let [a, b, c, replica, extra] = &mut nodes;
    ask_about_keys(a).await;
    move_a_slot(a, b, c).await;
    give_up_slots_and_take_them_back(a, b, c).await;
    change_settings(b).await;
    fail_over(a, replica, [&mut *b, &mut *c]).await;
    forget_and_reset([replica, &mut *b, &mut *c, a], extra).await;
    shut_down(b, SaveOnShutdown::Always).await;
    shut_down(c, SaveOnShutdown::Never).await;
}

/// Three primaries, one with a replica; the fifth node is a member without slots.
async fn form(nodes: &mut [Node; 5]) {
    let ranges = ["0-5460", "5461-10922", "10923-16383", "", ""];
    for (number, (node, range)) in (1..).zip(nodes.iter_mut().zip(ranges)) {
        node.admin().ping().await.unwrap();
        node.admin().cluster_set_config_epoch(Epoch(number)).await.unwrap();
        node.admin().cluster_add_slots_range(&set(range)).await.unwrap();
    }
    let peers: Vec<(u16, NodeId)> = nodes.iter().map(|node| (node.server.port(), node.id)).collect();
    for node in nodes.iter_mut() {
        let own = node.id;
        for (index, (port, _)) in peers.iter().enumerate().filter(|(_, (_, id))| *id != own) {
            // The bus port may be left out where it is at the usual distance.
            let bus_port = (index % 2 == 0).then_some(port + 10_000);
            node.admin().cluster_meet(Ipv4Addr::LOCALHOST.into(), *port, bus_port).await.unwrap();
        }
    }
    for node in nodes.iter_mut() {
        let all = peers.clone();
        node.until_nodes("every node knows every other", |nodes| {
            let linked = |id: &NodeId| nodes.get(*id).is_some_and(|entry| entry.link == LinkState::Connected);
            all.iter().all(|(_, id)| linked(id)) && nodes.entries.len() == all.len()
        })
        .await;
    }
    let primary = nodes[0].id;
    nodes[3].admin().cluster_replicate(primary).await.unwrap();
    nodes[3].until_role(Role::Replica).await;
    for node in nodes {
        node.until_ok().await;
        let info = node.admin().cluster_info().await.unwrap();
        assert_eq!((info.slots_assigned, info.known_nodes), (16384, 5));
        let own = node.nodes().await.myself().unwrap().clone();
        let shards = node.admin().cluster_shards().await.unwrap();
        let of_node = shards.shards.iter().find(|shard| shard.nodes.iter().any(|member| member.id == own.id));
        // A replica shows its shard's slots there, and none of its own in CLUSTER NODES.
        if own.role() == Some(Role::Primary) {
            assert_eq!(of_node.unwrap().slots, own.slots);
        }
        let slots = node.admin().cluster_slots().await.unwrap();
        assert_eq!(slots.ranges.iter().map(|owners| owners.range).collect::<SlotSet>(), SlotSet::full());
    }
}

async fn ask_about_keys(node: &mut Node) {
    let place = slot(7);
    let tag = tag_for_slot(place);
    assert_eq!(node.admin().dbsize().await.unwrap(), 0);
    for number in 0..3 {
        let command = Command::new("SET").arg(format!("{{{tag}}}\u{e9}\0{number}")).arg("v");
        node.connection.call(&command, soon()).await.unwrap();
    }
    assert_eq!(node.admin().dbsize().await.unwrap(), 3);
    assert_eq!(node.admin().cluster_keyslot(&*tag).await.unwrap(), place);
    assert_eq!(node.admin().cluster_count_keys_in_slot(place).await.unwrap(), 3);
    assert_eq!(node.admin().cluster_get_keys_in_slot(place, 2).await.unwrap().len(), 2);
    let keys = node.admin().cluster_get_keys_in_slot(place, 10).await.unwrap();
    assert!(keys.len() == 3 && keys.iter().all(|key| key_slot(key) == place));
    assert_eq!(node.admin().cluster_get_keys_in_slot(slot(8), 10).await.unwrap(), Vec::<bytes::Bytes>::new());
    let id = node.id;
    assert_eq!(node.admin().cluster_count_failure_reports(id).await.unwrap(), 0);
    let info = node.admin().server_info().await.unwrap();
    assert_eq!((info.keys, info.replication.role, info.loading), (3, Role::Primary, false));
    let fields = node.admin().info(&["server", "clients"]).await.unwrap();
    let shown = |name: &str| fields.get(name).map(str::to_owned);
    assert_eq!(shown("redis_mode").or_else(|| shown("server_mode")).as_deref(), Some("cluster"));
    assert!(shown("connected_clients").is_some() && shown("used_memory").is_none());
}

/// A slot full of keys goes from one primary to another, all four forms of SETSLOT on the way.
async fn move_a_slot(source: &mut Node, target: &mut Node, bystander: &mut Node) {
    let place = slot(5460);
    let tag = tag_for_slot(place);
    let key = |number: u32| format!("{{{tag}}}{number}");
    let writes: Vec<Command> =
        (0..250).map(|number| Command::new("SET").arg(key(number)).arg(number)).collect();
    for reply in source.connection.pipeline(&writes, soon()).await.unwrap() {
        reply.unwrap();
    }

    // Opened and closed again: nothing has changed.
    let (from, to) = (source.id, target.id);
    target.admin().cluster_setslot(place, SetSlot::Importing(from)).await.unwrap();
    source.admin().cluster_setslot(place, SetSlot::Migrating(to)).await.unwrap();
    for node in [&mut *source, &mut *target] {
        node.admin().cluster_setslot(place, SetSlot::Stable).await.unwrap();
        assert_eq!(node.nodes().await.myself().unwrap().open_slots, []);
    }

    target.admin().cluster_setslot(place, SetSlot::Importing(from)).await.unwrap();
    source.admin().cluster_setslot(place, SetSlot::Migrating(to)).await.unwrap();
    let open = source.nodes().await.myself().unwrap().open_slots.clone();
    assert_eq!(open, [OpenSlot::Migrating { slot: place, to }]);
    let open = target.nodes().await.myself().unwrap().open_slots.clone();
    assert_eq!(open, [OpenSlot::Importing { slot: place, from }]);
    loop {
        let keys = source.admin().cluster_get_keys_in_slot(place, 100).await.unwrap();
        if keys.is_empty() {
            break;
        }
        let migrate = Command::new("MIGRATE").arg("127.0.0.1").arg(target.server.port());
        let migrate = migrate.args(["", "0", "5000", "KEYS"]).args(keys);
        source.connection.call(&migrate, soon()).await.unwrap();
    }
    let gone = Command::new("GET").arg(key(1));
    let ask = source.connection.call(&gone, soon()).await.unwrap_err();
    assert_eq!(ask.server_error().unwrap().code(), "ASK");
    assert_eq!(source.admin().cluster_count_keys_in_slot(place).await.unwrap(), 0);
    assert_eq!(target.admin().cluster_count_keys_in_slot(place).await.unwrap(), 250);
    let replies = target.connection.pipeline(&[request("ASKING"), gone.clone()], soon()).await.unwrap();
    assert_eq!(replies[1].as_ref().unwrap().as_str(), Ok("1"));

    for node in [&mut *target, &mut *source] {
        node.admin().cluster_setslot(place, SetSlot::Node(to)).await.unwrap();
    }
    for node in [&mut *source, &mut *target, bystander] {
        let holds =
            |nodes: &ClusterNodes| nodes.get(to).is_some_and(|entry| entry.slots == set("5460-10922"));
        node.until_nodes("the slot has its new owner", holds).await;
    }
    let moved = source.connection.call(&gone, soon()).await.unwrap_err();
    assert_eq!(moved.server_error().unwrap().code(), "MOVED");
    assert_eq!(target.connection.call(&gone, soon()).await.unwrap().as_str(), Ok("1"));
}

async fn give_up_slots_and_take_them_back(a: &mut Node, b: &mut Node, c: &mut Node) {
    let slots = set("11000-11010 16383");
    let nobody = |nodes: &ClusterNodes| {
        nodes.entries.iter().all(|entry| entry.slots.is_disjoint(&set("11000-11010 16383")))
    };
    // A node forgets in its own view only.
    for node in [&mut *a, &mut *b, &mut *c] {
        node.admin().cluster_del_slots_range(&SlotSet::new()).await.unwrap();
        node.admin().cluster_del_slots_range(&slots).await.unwrap();
    }
    assert!(nobody(&c.nodes().await));
    c.admin().cluster_add_slots_range(&SlotSet::new()).await.unwrap();
    c.admin().cluster_add_slots_range(&slots).await.unwrap();
    let taken = c.admin().cluster_add_slots_range(&slots).await.unwrap_err();
    assert_eq!(taken.server_error().unwrap().code(), "ERR");
    let owner = c.id;
    for node in [a, b, c] {
        let holds =
            |nodes: &ClusterNodes| nodes.get(owner).is_some_and(|entry| entry.slots == set("10923-16383"));
        node.until_nodes("the slots have their owner again", holds).await;
        node.until_ok().await;
    }
}

async fn change_settings(node: &mut Node) {
    node.admin().config_set([("maxmemory", "64mb"), ("maxmemory-policy", "allkeys-lru")]).await.unwrap();
    let found = node.admin().config_get(&["maxmemory", "maxmemory-policy"]).await.unwrap();
    let pairs = [("maxmemory", "67108864"), ("maxmemory-policy", "allkeys-lru")];
    let expected: BTreeMap<String, String> =
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(found, expected);
    let error = node.admin().config_set([("maxmemory", "1mb"), ("port", "x")]).await.unwrap_err();
    assert!(error.server_error().is_some(), "{error}");
    assert_eq!(node.admin().config_get(&["maxmemory"]).await.unwrap()["maxmemory"], "67108864");
    node.admin().config_rewrite().await.unwrap();
    let file = std::fs::read_to_string(node.server.folder().join("redis.conf")).unwrap();
    assert!(file.contains("maxmemory-policy allkeys-lru"), "{file}");
}

/// To and fro: in agreement, by vote, and without either.
async fn fail_over(primary: &mut Node, replica: &mut Node, mut voters: [&mut Node; 2]) {
    // Not more by vote than one for each node: within twice the node time-out a server (7.0) counts the votes of its
    // last election again, and wins with an epoch that is out of date.
    let turns = [Failover::Graceful, Failover::Force, Failover::Takeover];
    let (mut primary, mut replica) = (primary, replica);
    for failover in turns {
        replica.admin().cluster_failover(failover).await.unwrap();
        replica.until_role(Role::Primary).await;
        primary.until_role(Role::Replica).await;
        std::mem::swap(&mut primary, &mut replica);
        // Who does not know of the last failover yet has no vote for the next.
        let (new, old) = (primary.id, replica.id);
        let settled = |nodes: &ClusterNodes| {
            let role = |id| nodes.get(id).and_then(slotwright_cluster::NodeEntry::role);
            role(new) == Some(Role::Primary) && role(old) == Some(Role::Replica)
        };
        for voter in &mut voters {
            voter.until_nodes("the failover is known", settled).await;
        }
    }
    assert_eq!(primary.admin().dbsize().await.unwrap(), 3);
    let error = primary.admin().cluster_failover(Failover::Graceful).await.unwrap_err();
    assert!(error.server_error().is_some(), "{error}");
}

async fn forget_and_reset(others: [&mut Node; 4], extra: &mut Node) {
    let id = extra.id;
    extra.admin().cluster_reset(Reset::Soft).await.unwrap();
    assert_eq!(extra.admin().cluster_myid().await.unwrap(), id);
    extra.admin().cluster_reset(Reset::Hard).await.unwrap();
    assert_ne!(extra.admin().cluster_myid().await.unwrap(), id);
    let [primary, b, c, replica] = others;
    for node in [&mut *primary, b, c, &mut *replica] {
        node.admin().cluster_forget(id).await.unwrap();
        assert!(node.nodes().await.get(id).is_none());
        let unknown = node.admin().cluster_forget(id).await.unwrap_err();
        assert_eq!(unknown.server_error().unwrap().code(), "ERR");
    }
    let refused = primary.admin().cluster_reset(Reset::Hard).await.unwrap_err();
    assert!(refused.server_error().is_some(), "{refused}");
    assert_eq!(primary.admin().dbsize().await.unwrap(), 3);
    assert_eq!(replica.admin().dbsize().await.unwrap(), 3);
    replica.admin().cluster_reset(Reset::Soft).await.unwrap();
    assert_eq!(replica.admin().dbsize().await.unwrap(), 0);
}

async fn shut_down(node: &mut Node, save: SaveOnShutdown) {
    let dump = node.server.folder().join("dump.rdb");
    assert!(!dump.exists());
    node.admin().shutdown(Shutdown { save, now: true, force: false }).await.unwrap();
    node.server.await_end();
    assert_eq!(dump.exists(), save == SaveOnShutdown::Always);
}
