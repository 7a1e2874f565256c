//! Commands as they are sent and replies as they are read, in both protocols' forms.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::{Certainty, ConnectOptions, ProtocolPreference};

const ID: &str = "07c37dfeb235213a872192d90877d0cd55635b91";

fn id() -> NodeId {
    ID.parse().unwrap()
}

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

fn soon() -> Deadline {
    Deadline::within(Duration::from_secs(5))
}

async fn plain() -> (Connection<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(4096);
    let options = ConnectOptions::default().protocol(ProtocolPreference::Resp2);
    (Connection::over(ours, "test:1", &options, soon()).await.unwrap(), theirs)
}

fn words(command: &Command) -> String {
    let mut words = vec![String::from_utf8_lossy(command.name()).into_owned()];
    words.extend(command.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned()));
    words.join(" ")
}

#[test]
fn commands_have_the_servers_syntax() {
    use commands as c;
    let slots: SlotSet = "0-5460 9000 16383".parse().unwrap();
    let cases = [
        (
            c::cluster_meet("::1".parse().unwrap(), 7000, Some(17000)),
            "CLUSTER MEET ::1 7000 17000".to_owned(),
        ),
        (c::cluster_meet([10, 0, 0, 7].into(), 6379, None), "CLUSTER MEET 10.0.0.7 6379".to_owned()),
        (
            c::cluster_add_slots_range(&slots).unwrap(),
            "CLUSTER ADDSLOTSRANGE 0 5460 9000 9000 16383 16383".to_owned(),
        ),
        (c::cluster_setslot(slot(7), SetSlot::Importing(id())), format!("CLUSTER SETSLOT 7 IMPORTING {ID}")),
        (c::cluster_setslot(slot(7), SetSlot::Migrating(id())), format!("CLUSTER SETSLOT 7 MIGRATING {ID}")),
        (c::cluster_setslot(slot(7), SetSlot::Node(id())), format!("CLUSTER SETSLOT 7 NODE {ID}")),
        (c::cluster_setslot(slot(7), SetSlot::Stable), "CLUSTER SETSLOT 7 STABLE".to_owned()),
        (c::cluster_set_config_epoch(Epoch(3)), "CLUSTER SET-CONFIG-EPOCH 3".to_owned()),
        (c::cluster_failover(Failover::Graceful), "CLUSTER FAILOVER".to_owned()),
        (c::cluster_failover(Failover::Takeover), "CLUSTER FAILOVER TAKEOVER".to_owned()),
        (c::cluster_reset(Reset::Hard), "CLUSTER RESET HARD".to_owned()),
        (c::info(&["server", "replication"]), "INFO server replication".to_owned()),
        (c::config_set([("save", ""), ("appendonly", "yes")]), "CONFIG SET save  appendonly yes".to_owned()),
        (
            c::shutdown(Shutdown { save: SaveOnShutdown::Never, now: true, force: false }),
            "SHUTDOWN NOSAVE NOW".to_owned(),
        ),
    ];
    for (command, expected) in cases {
        assert_eq!(words(&command), expected);
    }
    assert_eq!(c::cluster_del_slots_range(&SlotSet::new()), None);
}

#[test]
fn replies_are_read_in_both_forms() {
    let bulk = |text: &str| Value::Bulk(Bytes::copy_from_slice(text.as_bytes()));
    let pairs = [(bulk("maxmemory"), bulk("0")), (bulk("save"), bulk(""))];
    let flat = Value::Array(pairs.iter().cloned().flat_map(|(key, value)| [key, value]).collect());
    let typed = decode::config_get(Value::Map(pairs.to_vec())).unwrap();
    assert_eq!(typed.get("save").map(String::as_str), Some(""));
    assert_eq!(decode::config_get(flat).unwrap(), typed);
    assert_eq!(decode::cluster_myid(bulk(ID)).unwrap(), id());
    let text = Value::Verbatim { format: *b"txt", text: "# Server\r\nredis_version:7.0.15\r\n".into() };
    assert_eq!(decode::info(text).unwrap().get("redis_version"), Some("7.0.15"));
    assert_eq!(decode::cluster_keyslot(Value::Integer(12182)).unwrap(), slot(12182));
}

#[test]
fn errors_name_the_command_and_no_content() {
    let cases = [
        (decode::dbsize(Value::Bulk("hunter2".into())).unwrap_err(), "DBSIZE: expected an integer, but"),
        (decode::cluster_keyslot(Value::Integer(16384)).unwrap_err(), "CLUSTER KEYSLOT: expected a slot"),
        (
            decode::ping(Value::Status("hunter2".into())).unwrap_err(),
            "PING: expected PONG, but the reply is a status",
        ),
        (
            decode::ok("CLUSTER MEET", Value::Nil).unwrap_err(),
            "CLUSTER MEET: expected OK, but the reply is a null",
        ),
        (decode::cluster_myid(Value::Bulk("x".into())).unwrap_err(), "CLUSTER MYID: node id"),
        (decode::cluster_shards(Value::Integer(1)).unwrap_err(), "CLUSTER SHARDS: "),
    ];
    for (error, start) in cases {
        let shown = error.to_string();
        assert!(shown.starts_with(start) && !shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn an_unreadable_reply_names_the_endpoint_too() {
    let (mut connection, mut theirs) = plain().await;
    let server = async {
        let _ = theirs.read(&mut [0; 64]).await.unwrap();
        theirs.write_all(b"+many\r\n").await.unwrap();
    };
    let mut admin = connection.admin(soon());
    let (outcome, ()) = tokio::join!(admin.dbsize(), server);
    let error = outcome.unwrap_err();
    assert_eq!(error.certainty(), Certainty::MaybeExecuted);
    assert_eq!(
        error.to_string(),
        "test:1: DBSIZE: expected an integer, but the reply is a status of 4 bytes"
    );
}

#[tokio::test]
async fn shutdown_succeeds_when_the_connection_closes() {
    let (mut connection, mut theirs) = plain().await;
    let server = async move {
        let _ = theirs.read(&mut [0; 64]).await.unwrap();
    };
    let mut admin = connection.admin(soon());
    let (outcome, ()) = tokio::join!(admin.shutdown(Shutdown::default()), server);
    assert!(outcome.is_ok());

    let (mut connection, mut theirs) = plain().await;
    let server = async {
        let _ = theirs.read(&mut [0; 64]).await.unwrap();
        theirs.write_all(b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n").await.unwrap();
    };
    let mut admin = connection.admin(soon());
    let (outcome, ()) = tokio::join!(admin.shutdown(Shutdown::default()), server);
    assert_eq!(outcome.unwrap_err().certainty(), Certainty::Rejected);
}

#[tokio::test]
async fn no_slots_send_nothing() {
    let (mut connection, mut theirs) = plain().await;
    connection.admin(soon()).cluster_add_slots_range(&SlotSet::new()).await.unwrap();
    drop(connection);
    let mut sent = vec![];
    theirs.read_to_end(&mut sent).await.unwrap();
    assert!(sent.is_empty());
}
