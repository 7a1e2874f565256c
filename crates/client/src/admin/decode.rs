//! Replies of administration commands, read. Pure; the commands are built in [`super::commands`].
//!
//! Each function is named as its command and accepts what that command answers in RESP2 and in RESP3. Errors name the
//! command.

use std::collections::BTreeMap;

use bytes::Bytes;
use slotwright_cluster::{
    ClusterInfo, ClusterNodes, ClusterShards, ClusterSlots, InfoFields, NodeId, ParseError, Reply, ServerInfo,
};
use slotwright_slots::Slot;

use crate::{
    Value,
    error::{DecodeError, UnexpectedReply},
};

type Result<T> = std::result::Result<T, DecodeError>;

impl From<Value> for Reply {
    /// The reply as the parsers of the shared vocabulary read it.
    fn from(value: Value) -> Self {
        match value {
            Value::Nil => Self::Nil,
            Value::Integer(number) => Self::Integer(number),
            Value::Status(text) | Value::Bulk(text) | Value::Verbatim { text, .. } => Self::Text(text.into()),
            Value::Array(items) | Value::Set(items) | Value::Push(items) => {
                Self::Array(items.into_iter().map(Self::from).collect())
            }
            Value::Map(pairs) => {
                Self::Map(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
            }
            Value::Error(_) | Value::Double(_) | Value::Boolean(_) | Value::BigNumber(_) => Self::Other,
        }
    }
}

/// An error in the reply to `command`.
fn at<E: Into<crate::error::DecodeCause>>(command: &'static str) -> impl Fn(E) -> DecodeError {
    move |cause| DecodeError::new(command, cause)
}

fn text<T: std::str::FromStr<Err = ParseError>>(command: &'static str, reply: &Value) -> Result<T> {
    reply.as_str().map_err(at(command))?.parse().map_err(at(command))
}

fn count(command: &'static str, reply: &Value) -> Result<u64> {
    reply.as_count().map_err(at(command))
}

/// The reply of a command that answers `OK`: `CLUSTER MEET`, `SETSLOT`, `CONFIG SET` and the like.
///
/// # Errors
/// On any other reply.
pub fn ok(command: impl Into<String>, reply: Value) -> Result<()> {
    reply.into_ok().map_err(|cause| DecodeError::new(command.into(), cause))
}

/// The error of a command that should not have answered.
pub(super) fn no_reply(command: &'static str, reply: &Value) -> DecodeError {
    DecodeError::new(command, UnexpectedReply::new("the connection to be closed", reply.shape()))
}

macro_rules! decoders {
    ($($(#[$doc:meta])* $name:ident($command:literal) -> $result:ty = $read:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// When the reply has not the form the command promises.
        pub fn $name(reply: Value) -> Result<$result> {
            let read: fn(&'static str, Value) -> Result<$result> = $read;
            read($command, reply)
        }
    )*};
}

decoders! {
    /// The reply of `PING`: the status `PONG`.
    ping("PING") -> () = |command, reply| match reply {
        Value::Status(text) if text == "PONG" => Ok(()),
        other => Err(DecodeError::new(command, other.unexpected("PONG"))),
    };
    /// The reply of `CLUSTER MYID`.
    cluster_myid("CLUSTER MYID") -> NodeId = |command, reply| text(command, &reply);
    /// The reply of `CLUSTER NODES`.
    cluster_nodes("CLUSTER NODES") -> ClusterNodes = |command, reply| text(command, &reply);
    /// The reply of `CLUSTER INFO`.
    cluster_info("CLUSTER INFO") -> ClusterInfo = |command, reply| text(command, &reply);
    /// The reply of `CLUSTER SHARDS`.
    cluster_shards("CLUSTER SHARDS") -> ClusterShards = |command, reply| {
        ClusterShards::parse(&reply.into()).map_err(at(command))
    };
    /// The reply of `CLUSTER SLOTS`.
    cluster_slots("CLUSTER SLOTS") -> ClusterSlots = |command, reply| {
        ClusterSlots::parse(&reply.into()).map_err(at(command))
    };
    /// The reply of `CLUSTER COUNTKEYSINSLOT`.
    cluster_count_keys_in_slot("CLUSTER COUNTKEYSINSLOT") -> u64 = |command, reply| count(command, &reply);
    /// The reply of `CLUSTER GETKEYSINSLOT`: keys, which may be any bytes.
    cluster_get_keys_in_slot("CLUSTER GETKEYSINSLOT") -> Vec<Bytes> = |command, reply| {
        let keys = reply.into_array().map_err(at(command))?;
        keys.into_iter().map(|key| key.into_bytes().map_err(at(command))).collect()
    };
    /// The reply of `CLUSTER KEYSLOT`.
    cluster_keyslot("CLUSTER KEYSLOT") -> Slot = |command, reply| {
        let number = reply.as_int().map_err(at(command))?;
        let slot = u16::try_from(number).ok().and_then(Slot::new);
        slot.ok_or_else(|| DecodeError::new(command, reply.unexpected("a slot below 16384")))
    };
    /// The reply of `CLUSTER COUNT-FAILURE-REPORTS`.
    cluster_count_failure_reports("CLUSTER COUNT-FAILURE-REPORTS") -> u64 = |command, reply| count(command, &reply);
    /// The reply of `DBSIZE`.
    dbsize("DBSIZE") -> u64 = |command, reply| count(command, &reply);
    /// The reply of `INFO` without arguments.
    server_info("INFO") -> ServerInfo = |command, reply| text(command, &reply);
    /// The reply of `INFO`, as plain fields.
    info("INFO") -> InfoFields = |command, reply| {
        reply.as_str().map(InfoFields::parse).map_err(at(command))
    };
    /// The reply of `CONFIG GET`: settings by name.
    config_get("CONFIG GET") -> BTreeMap<String, String> = |command, reply| {
        let pairs = reply.into_pairs().map_err(at(command))?;
        let text = |value: Value| value.into_string().map_err(at(command));
        pairs.into_iter().map(|(name, value)| Ok((text(name)?, text(value)?))).collect()
    };
}
