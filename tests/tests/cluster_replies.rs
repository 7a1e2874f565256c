//! The parsers of cluster replies against a real server, in both protocols: the three views of one node agree, and
//! the probes for capabilities are answered.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use slotwright_client::{Connection, ProtocolPreference};
use slotwright_cluster::{
    Capabilities, Capability, ClusterInfo, ClusterNodes, ClusterShards, ClusterSlots, Health, Host, NodeId,
    Reply, Role, ServerInfo,
};
use slotwright_slots::SlotSet;
use slotwright_tests::{
    ports::Ports,
    server::{self, Options},
};

async fn ask(connection: &mut Connection, command: &str) -> Reply {
    server::ask(connection, command).await.unwrap().into()
}

async fn text(connection: &mut Connection, command: &str) -> String {
    ask(connection, command).await.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_views_of_one_node_agree() {
    // A bus port at another distance than usual.
    let bus = Ports::reserve(1);
    let server = Options::cluster().directive(&format!("cluster-port {}", bus.first())).start();
    server.ask("CLUSTER ADDSLOTSRANGE 0 5460 5462 5462").await;
    let id: NodeId = server.ask("CLUSTER MYID").await.as_str().unwrap().parse().unwrap();
    for protocol in [ProtocolPreference::Resp2, ProtocolPreference::Resp3] {
        let mut connection = server.open(protocol).await;
        let nodes: ClusterNodes = text(&mut connection, "CLUSTER NODES").await.parse().unwrap();
        let myself = nodes.myself().unwrap();
        assert_eq!((myself.id, myself.slots.to_string().as_str()), (id, "0-5460 5462"));
        assert_eq!(myself.endpoint.bus_port, bus.first());

        let info: ClusterInfo = text(&mut connection, "CLUSTER INFO").await.parse().unwrap();
        assert_eq!(info.slots_assigned, 5462);
        let info: ServerInfo = text(&mut connection, "INFO").await.parse().unwrap();
        assert_eq!(info.replication.role, Role::Primary);

        let shards = ClusterShards::parse(&ask(&mut connection, "CLUSTER SHARDS").await).unwrap();
        let [shard] = shards.shards.as_slice() else { panic!("{shards:?}") };
        let primary = shard.primary().unwrap();
        assert_eq!((&shard.slots, primary.id, &primary.health), (&myself.slots, id, &Health::Online));
        let answered = Host::parse("db.example");
        let dialled = Some(("db.example".to_owned(), server.port()));
        assert_eq!(primary.address(&answered, false).unwrap().dial(), dialled);

        let slots = ClusterSlots::parse(&ask(&mut connection, "CLUSTER SLOTS").await).unwrap();
        let mut owned = SlotSet::new();
        for owners in &slots.ranges {
            assert_eq!((owners.primary.id, owners.replicas.len()), (id, 0));
            assert_eq!(owners.primary.address(&answered).dial(), dialled);
            owned.insert_range(owners.range);
        }
        assert_eq!(owned, myself.slots);

        let asked = Capability::ALL;
        let names: Vec<_> = asked.iter().filter_map(|capability| capability.command()).collect();
        let reply = ask(&mut connection, &format!("COMMAND INFO {}", names.join(" "))).await;
        let commands = Capabilities::from_command_info(asked, &reply).unwrap();
        let help = Capabilities::from_cluster_help(&ask(&mut connection, "CLUSTER HELP").await).unwrap();
        let reply = ask(&mut connection, "CONFIG GET cluster-*").await;
        let settings = Capabilities::from_config_get(&reply).unwrap();
        let wanted = [
            Capability::ClusterEnabled,
            Capability::AddSlotsRange,
            Capability::DelSlotsRange,
            Capability::ClusterShards,
            Capability::ClusterLinks,
            Capability::ShardedPubSub,
            Capability::Hostnames,
            Capability::BusPort,
        ];
        assert_eq!(commands.union(&settings).missing(&wanted), []);
        // What help tells is what the command table tells.
        let of_cluster =
            |capability: &Capability| capability.command().is_some_and(|name| name.starts_with("cluster|"));
        assert_eq!(help, commands.iter().filter(of_cluster).collect());
    }
}
