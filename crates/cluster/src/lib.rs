//! The shared vocabulary of Redis Cluster and Valkey Cluster.
//!
//! Everything above the slot map speaks in these terms: who a node is ([`NodeId`], [`Endpoint`], [`Role`]), what one
//! node says of its cluster ([`ClusterNodes`], [`ClusterInfo`], [`ClusterShards`], [`ClusterSlots`], [`ServerInfo`],
//! together a [`NodeAnswer`]), how a node is configured ([`Settings`]) and what its engine can do
//! ([`Capabilities`]). The parsers are total: what they do not know they keep or skip, what is malformed they
//! refuse with the line and the field.
//!
//! Nothing here opens a socket or reads a clock.

mod answer;
mod capabilities;
mod cluster_info;
mod endpoint;
mod error;
mod id;
mod nodes;
mod reply;
mod server_info;
pub mod settings;
mod shards;
mod slots_reply;

pub use answer::{NodeAnswer, StrayKeys};
pub use capabilities::{Capabilities, Capability, Probe};
pub use cluster_info::{ClusterInfo, ClusterState};
pub use endpoint::{BUS_PORT_OFFSET, Endpoint, Host};
pub use error::ParseError;
pub use id::{Epoch, NodeId};
pub use nodes::{ClusterNodes, Flags, LinkState, NodeEntry, OpenSlot, Role};
pub use reply::Reply;
pub use server_info::{InfoFields, ReplicationInfo, ServerInfo};
pub use settings::{Setting, Settings};
pub use shards::{ClusterShards, Health, Shard, ShardNode};
pub use slots_reply::{ClusterSlots, SlotOwners, SlotsNode};
