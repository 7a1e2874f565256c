//! The parsers of cluster replies against a real server, in both protocols: the three views of one node agree, and
//! the probes for capabilities are answered.
//!
//! Needs a server program; `SLOTWRIGHT_SERVER` names it (default `redis-server`), and the test runs on request:
//! `cargo test -p slotwright-cluster -- --ignored`.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;

use std::net::TcpListener;

use server::Server;
use slotwright_cluster::{
    Capabilities, Capability, ClusterInfo, ClusterNodes, ClusterShards, ClusterSlots, Health, Host, NodeId,
    Role, ServerInfo,
};
use slotwright_slots::SlotSet;

/// Two ports nobody listens on at this moment.
fn free_ports() -> [String; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port().to_string())
}

#[test]
#[ignore = "needs a server program"]
fn the_views_of_one_node_agree() {
    let [port, bus_port] = free_ports();
    let arguments =
        ["--cluster-enabled", "yes", "--bind", "127.0.0.1", "--port", &port, "--cluster-port", &bus_port];
    let mut server = Server::start(&arguments);
    server.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "5460", "5462", "5462"]).unwrap();
    let id: NodeId = server.ask(&["CLUSTER", "MYID"]).unwrap().as_str().unwrap().parse().unwrap();
    let port: u16 = port.parse().unwrap();
    for protocol in ["2", "3"] {
        server.ask(&["HELLO", protocol]).unwrap();
        let text =
            |server: &mut Server, words: &[&str]| server.ask(words).unwrap().as_str().unwrap().to_owned();
        let nodes: ClusterNodes = text(&mut server, &["CLUSTER", "NODES"]).parse().unwrap();
        let myself = nodes.myself().unwrap();
        assert_eq!((myself.id, myself.slots.to_string().as_str()), (id, "0-5460 5462"));
        assert_eq!(myself.endpoint.bus_port.to_string(), bus_port);

        let info: ClusterInfo = text(&mut server, &["CLUSTER", "INFO"]).parse().unwrap();
        assert_eq!(info.slots_assigned, 5462);
        let info: ServerInfo = text(&mut server, &["INFO"]).parse().unwrap();
        assert_eq!(info.replication.role, Role::Primary);

        let shards = ClusterShards::parse(&server.ask(&["CLUSTER", "SHARDS"]).unwrap()).unwrap();
        let [shard] = shards.shards.as_slice() else { panic!("{shards:?}") };
        let primary = shard.primary().unwrap();
        assert_eq!((&shard.slots, primary.id, &primary.health), (&myself.slots, id, &Health::Online));
        let answered = Host::parse("db.example");
        assert_eq!(primary.address(&answered, false).unwrap().dial(), Some(("db.example".to_owned(), port)));

        let slots = ClusterSlots::parse(&server.ask(&["CLUSTER", "SLOTS"]).unwrap()).unwrap();
        let mut owned = SlotSet::new();
        for owners in &slots.ranges {
            assert_eq!((owners.primary.id, owners.replicas.len()), (id, 0));
            assert_eq!(owners.primary.address(&answered).dial(), Some(("db.example".to_owned(), port)));
            owned.insert_range(owners.range);
        }
        assert_eq!(owned, myself.slots);

        let asked = Capability::ALL;
        let mut command = vec!["COMMAND", "INFO"];
        command.extend(asked.iter().filter_map(|capability| capability.command()));
        let commands = Capabilities::from_command_info(asked, &server.ask(&command).unwrap()).unwrap();
        let help = Capabilities::from_cluster_help(&server.ask(&["CLUSTER", "HELP"]).unwrap()).unwrap();
        let settings =
            Capabilities::from_config_get(&server.ask(&["CONFIG", "GET", "cluster-*"]).unwrap()).unwrap();
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
