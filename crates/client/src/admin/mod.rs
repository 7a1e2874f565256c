//! The administration commands of a server and its cluster, typed.
//!
//! [`Admin`] sends one at a time. Its two halves are pure and stand beside each other: [`commands`] builds what is
//! sent, [`decode`] reads what comes back, so that many can go through one [`Connection::pipeline`].
//!
//! Which of them to send, and when, is decided elsewhere; nothing here checks whether a command is wise.

pub mod commands;
pub mod decode;

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use slotwright_cluster::{
    ClusterInfo, ClusterNodes, ClusterShards, ClusterSlots, Epoch, InfoFields, NodeId, ServerInfo,
};
use slotwright_slots::{Slot, SlotSet};
use tokio::io::{AsyncRead, AsyncWrite};

pub use commands::{Failover, Reset, SaveOnShutdown, SetSlot, Shutdown};

use crate::{
    Argument, BoxedStream, Command, Connection, Deadline, Error, Value,
    error::{DecodeError, Interruption},
};

/// Administration commands over a connection, all before one deadline. Made by [`Connection::admin`].
///
/// Every method fails as [`Connection::call`] does, and with [`Error::UnexpectedReply`] when the reply cannot be read.
///
/// ```no_run
/// # use slotwright_client::{Connection, Deadline, Error, admin::Failover};
/// # use std::time::Duration;
/// /// Makes a replica the primary of its shard, without losing a write.
/// async fn promote(replica: &mut Connection) -> Result<(), Error> {
///     replica.admin(Deadline::within(Duration::from_secs(5))).cluster_failover(Failover::Graceful).await
/// }
/// ```
#[derive(Debug)]
pub struct Admin<'a, S = BoxedStream> {
    connection: &'a mut Connection<S>,
    deadline: Deadline,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// The administration commands, each to be done before `deadline`.
    pub fn admin(&mut self, deadline: Deadline) -> Admin<'_, S> {
        Admin { connection: self, deadline }
    }
}

/// One line a command: sends it and reads its reply.
macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $result:ty = $decode:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// As [`Admin`] says.
        pub async fn $name(&mut self, $($argument: $type),*) -> Result<$result, Error> {
            self.run(&commands::$name($($argument),*), $decode).await
        }
    )*};
}

impl<S: AsyncRead + AsyncWrite + Unpin> Admin<'_, S> {
    async fn run<T>(
        &mut self,
        command: &Command,
        decode: impl FnOnce(Value) -> Result<T, DecodeError>,
    ) -> Result<T, Error> {
        let reply = self.connection.call(command, self.deadline).await?;
        decode(reply).map_err(|cause| self.connection.unexpected(cause))
    }

    async fn run_ok(&mut self, command: &Command) -> Result<(), Error> {
        self.run(command, |reply| decode::ok(command.label(), reply)).await
    }

    methods! {
        /// `PING`: the server reads commands. A server still loading its data answers with an error.
        ping() -> () = decode::ping;
        /// `CLUSTER MYID`: the node's own id.
        cluster_myid() -> NodeId = decode::cluster_myid;
        /// `CLUSTER NODES`: the node's view of every member.
        cluster_nodes() -> ClusterNodes = decode::cluster_nodes;
        /// `CLUSTER INFO`: whether the node thinks the cluster can serve.
        cluster_info() -> ClusterInfo = decode::cluster_info;
        /// `CLUSTER SHARDS` (7.0 and later).
        cluster_shards() -> ClusterShards = decode::cluster_shards;
        /// `CLUSTER SLOTS`: who serves which slots, for clients.
        cluster_slots() -> ClusterSlots = decode::cluster_slots;
        /// `CLUSTER COUNTKEYSINSLOT`: keys this node holds in `slot`.
        cluster_count_keys_in_slot(slot: Slot) -> u64 = decode::cluster_count_keys_in_slot;
        /// `CLUSTER GETKEYSINSLOT`: up to `count` keys this node holds in `slot`.
        cluster_get_keys_in_slot(slot: Slot, count: u32) -> Vec<Bytes> = decode::cluster_get_keys_in_slot;
        /// `CLUSTER KEYSLOT`: the slot of `key` as the server computes it.
        cluster_keyslot(key: impl Argument) -> Slot = decode::cluster_keyslot;
        /// `CLUSTER COUNT-FAILURE-REPORTS`: how many members reported `id` as failing to this node of late.
        cluster_count_failure_reports(id: NodeId) -> u64 = decode::cluster_count_failure_reports;
        /// `DBSIZE`: keys this node holds.
        dbsize() -> u64 = decode::dbsize;
        /// `INFO` without arguments, reduced to what decisions rest on.
        server_info() -> ServerInfo = decode::server_info;
        /// `INFO` of these sections as plain fields; without any, the server's default sections. More than one
        /// section needs 7.0.
        info(sections: &[&str]) -> InfoFields = decode::info;
        /// `CONFIG GET`: the settings that match any of these patterns, by name. More than one pattern needs 7.0.
        /// Passwords are among the settings: take care what becomes of the result.
        config_get(patterns: &[&str]) -> BTreeMap<String, String> = decode::config_get;
    }

    /// `CLUSTER MEET`: makes the node shake hands with the one at this address. The reply only says that the
    /// handshake has begun; whether the two met is seen in `CLUSTER NODES`.
    ///
    /// # Errors
    /// As [`Admin`] says.
    pub async fn cluster_meet(&mut self, ip: IpAddr, port: u16, bus_port: Option<u16>) -> Result<(), Error> {
        self.run_ok(&commands::cluster_meet(ip, port, bus_port)).await
    }

    /// `CLUSTER ADDSLOTSRANGE` (7.0 and later): the node takes these slots, which must be nobody's in its view. All
    /// or nothing. No slots: nothing is sent.
    ///
    /// # Errors
    /// As [`Admin`] says.
    pub async fn cluster_add_slots_range(&mut self, slots: &SlotSet) -> Result<(), Error> {
        match commands::cluster_add_slots_range(slots) {
            Some(command) => self.run_ok(&command).await,
            None => Ok(()),
        }
    }

    /// `CLUSTER DELSLOTSRANGE` (7.0 and later): the node forgets who owns these slots, in its own view only. No
    /// slots: nothing is sent.
    ///
    /// # Errors
    /// As [`Admin`] says.
    pub async fn cluster_del_slots_range(&mut self, slots: &SlotSet) -> Result<(), Error> {
        match commands::cluster_del_slots_range(slots) {
            Some(command) => self.run_ok(&command).await,
            None => Ok(()),
        }
    }

    /// `CLUSTER REPLICATE`: the node becomes a replica of `primary`, which it must know. A primary must be empty and
    /// own no slots for this.
    ///
    /// # Errors
    /// As [`Admin`] says.
    pub async fn cluster_replicate(&mut self, primary: NodeId) -> Result<(), Error> {
        self.run_ok(&commands::cluster_replicate(primary)).await
    }

    /// `CLUSTER SETSLOT`: changes what the node thinks of one slot.
    ///
    /// # Errors
    /// As [`Admin`] says.
    pub async fn cluster_setslot(&mut self, slot: Slot, change: SetSlot) -> Result<(), Error> {
        self.run_ok(&commands::cluster_setslot(slot, change)).await
    }

    /// `CLUSTER SET-CONFIG-EPOCH`: only on a node that knows no other and whose epoch is still zero.
    ///
    /// # Errors
    /// As [`Admin`] says.
    pub async fn cluster_set_config_epoch(&mut self, epoch: Epoch) -> Result<(), Error> {
        self.run_ok(&commands::cluster_set_config_epoch(epoch)).await
    }

    /// `CLUSTER FORGET`: the node drops `id` and does not take it back from gossip for 60 seconds.
    ///
    /// # Errors
    /// As [`Admin`] says.
    pub async fn cluster_forget(&mut self, id: NodeId) -> Result<(), Error> {
        self.run_ok(&commands::cluster_forget(id)).await
    }

    /// `CLUSTER RESET`: the node leaves its cluster and forgets its slots. Refused by a primary that holds keys; **a
    /// replica is emptied**.
    ///
    /// # Errors
    /// As [`Admin`] says.
    pub async fn cluster_reset(&mut self, reset: Reset) -> Result<(), Error> {
        self.run_ok(&commands::cluster_reset(reset)).await
    }

    /// `CLUSTER FAILOVER`, sent to a replica: it begins to take its primary's place. The reply does not wait for the
    /// end.
    ///
    /// # Errors
    /// As [`Admin`] says.
    pub async fn cluster_failover(&mut self, failover: Failover) -> Result<(), Error> {
        self.run_ok(&commands::cluster_failover(failover)).await
    }

    /// `CONFIG SET` of these pairs; more than one needs 7.0, and then it is all or nothing.
    ///
    /// # Errors
    /// As [`Admin`] says.
    pub async fn config_set<K: Argument, V: Argument>(
        &mut self,
        settings: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), Error> {
        self.run_ok(&commands::config_set(settings)).await
    }

    /// `CONFIG REWRITE`: the server writes its settings to the file it was started with.
    ///
    /// # Errors
    /// As [`Admin`] says.
    pub async fn config_rewrite(&mut self) -> Result<(), Error> {
        self.run_ok(&commands::config_rewrite()).await
    }

    /// `SHUTDOWN`. The server answers only when it refuses; that it closes the connection is success. Whether the
    /// process has ended is for its supervisor to say.
    ///
    /// # Errors
    /// As [`Admin`] says. The deadline must leave time for saving, and for the replicas to catch up, which a primary
    /// waits for (`shutdown-timeout`, 10 s by default).
    pub async fn shutdown(&mut self, shutdown: Shutdown) -> Result<(), Error> {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match self.connection.call(&commands::shutdown(shutdown), self.deadline).await {
            Ok(reply) => Err(self.connection.unexpected(decode::no_reply("SHUTDOWN", &reply))),
            Err(Error::MaybeExecuted { cause: Interruption::Closed, .. }) => Ok(()),
            Err(Error::MaybeExecuted { cause: Interruption::Io(error), .. })
                if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
