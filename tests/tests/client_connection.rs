//! One connection to a real server: greeting, authentication, pipelines, pushes, and what an error tells of a command
//! that was cut off.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use slotwright_client::{
    Certainty, Command, ConnectOptions, Connection, Credentials, Deadline, Error, Protocol,
    ProtocolPreference, UnixConnector, Value,
    error::{AuthenticationError, Interruption, NotSent},
};
use slotwright_cluster::{Capabilities, Capability, ClusterNodes, ClusterShards, ClusterSlots, Reply};
use slotwright_tests::{
    fault::Faulty,
    server::{Options, Server, ask, request, soon},
    wait::until,
};

const PASSWORD: &str = "Tr0ub4dor-and-3";
const BOTH: [ProtocolPreference; 2] = [ProtocolPreference::Resp2, ProtocolPreference::Resp3];

fn as_who(credentials: impl Into<Option<Credentials>>) -> ConnectOptions {
    ConnectOptions::default().credentials(credentials)
}

#[tokio::test]
async fn resp3_is_agreed_upon_and_resp2_can_be_forced() {
    let server = Options::standalone().start();
    let mut newest = server.connect().await;
    assert_eq!(newest.protocol(), Protocol::Resp3);
    let greeting = newest.greeting().unwrap().clone();
    assert_eq!((greeting.mode.as_str(), greeting.role.as_str()), ("standalone", "master"));
    assert!(!greeting.server.is_empty() && greeting.version.contains('.'), "{greeting:?}");
    let id = ask(&mut newest, "CLIENT ID").await.unwrap().as_int().unwrap();
    assert_eq!(greeting.client_id, id);

    let mut old = server.open(ProtocolPreference::Resp2).await;
    assert_eq!((old.protocol(), old.greeting()), (Protocol::Resp2, None));
    ask(&mut old, "HSET h a 1").await.unwrap();
    let flat = ask(&mut old, "HGETALL h").await.unwrap();
    assert!(matches!(&flat, Value::Array(items) if items.len() == 2), "{flat:?}");
    let map = ask(&mut newest, "HGETALL h").await.unwrap();
    assert!(matches!(&map, Value::Map(pairs) if pairs.len() == 1), "{map:?}");
    assert_eq!(flat.into_pairs(), map.into_pairs());

    let socket = UnixConnector::new(server.socket());
    let mut local =
        Connection::open(&socket, &server.endpoint(), &ConnectOptions::default(), soon()).await.unwrap();
    assert_eq!(ask(&mut local, "GET nothing").await.unwrap(), Value::Nil);
}

#[tokio::test]
async fn a_server_that_renamed_hello_is_spoken_to_in_resp2() {
    let server = Options::standalone().password(PASSWORD).directive("rename-command HELLO \"\"").start();
    let mut connection = server.connect().await;
    assert_eq!(connection.protocol(), Protocol::Resp2);
    assert_eq!(ask(&mut connection, "INCR n").await.unwrap(), Value::Integer(1));
    let options = as_who(server.credentials()).protocol(ProtocolPreference::Resp3);
    let error = server.open_with(&options).await.unwrap_err();
    assert!(matches!(&error, Error::NotSent { cause: NotSent::NoResp3, .. }), "{error}");
    let error = server.open_with(&as_who(Credentials::password("wrong"))).await.unwrap_err();
    assert_cause(&error, AuthenticationError::WrongPassword);
}

fn assert_cause(error: &Error, expected: AuthenticationError) {
    assert!(matches!(error, Error::Authentication { cause, .. } if *cause == expected), "{error}");
    assert_eq!(error.certainty(), Certainty::Rejected);
}

#[tokio::test]
async fn passwords_and_users() {
    let server = Options::standalone()
        .password(PASSWORD)
        .directive(&format!("user reader on >{PASSWORD}-r ~r:* +get +ping +hello"))
        .directive(&format!("user gone off >{PASSWORD}-r +@all ~*"))
        .start();
    let open = Options::standalone().start();
    for protocol in BOTH {
        let with = |credentials| as_who(credentials).protocol(protocol);
        let mut right = server.open_with(&with(server.credentials())).await.unwrap();
        ask(&mut right, "SET r:k v").await.unwrap();

        let wrong = with(Some(Credentials::password(format!("{PASSWORD}!"))));
        assert_cause(&server.open_with(&wrong).await.unwrap_err(), AuthenticationError::WrongPassword);

        let user = |name: &str| with(Some(Credentials::user(name, format!("{PASSWORD}-r"))));
        let mut reader = server.open_with(&user("reader")).await.unwrap();
        assert_eq!(ask(&mut reader, "GET r:k").await.unwrap(), Value::Bulk("v".into()));
        let refused = ask(&mut reader, "SET r:k w").await.unwrap_err();
        assert_eq!(refused.server_error().unwrap().code(), "NOPERM");
        for stranger in ["gone", "nobody"] {
            let error = server.open_with(&user(stranger)).await.unwrap_err();
            assert_cause(&error, AuthenticationError::WrongPassword);
        }

        // RESP2 has nothing to say before the first command, so that one is refused.
        let missing = match protocol {
            ProtocolPreference::Resp2 => {
                let mut connection = server.open_with(&with(None)).await.unwrap();
                ask(&mut connection, "GET r:k").await.unwrap_err()
            }
            _ => server.open_with(&with(None)).await.unwrap_err(),
        };
        assert_cause(&missing, AuthenticationError::PasswordNeeded);

        // `HELLO 3 AUTH default …` lets everyone in where there is no password; a plain AUTH does not.
        let needless = open.open_with(&with(Some(Credentials::password(PASSWORD)))).await;
        match protocol {
            ProtocolPreference::Resp2 => {
                assert_cause(&needless.unwrap_err(), AuthenticationError::NoPasswordConfigured);
            }
            _ => assert_eq!(ask(&mut needless.unwrap(), "GET k").await.unwrap(), Value::Nil),
        }
    }
}

/// Whatever goes wrong around a password, it is not repeated: neither for people nor for programmers.
#[tokio::test]
async fn no_password_is_shown() {
    let server = Options::cluster().password(PASSWORD).start();
    let mut connection = server.connect().await;
    let mut texts = vec![format!("{connection:?}"), format!("{:?}", as_who(server.credentials()))];
    let commands = [
        format!("AUTH {PASSWORD}x"),
        format!("AUTH {PASSWORD} too many"),
        format!("HELLO 3 AUTH default {PASSWORD}x"),
        format!("HELLO 3 AUTH default {PASSWORD} {PASSWORD}"),
        format!("HELLO {PASSWORD} AUTH"),
        format!("ACL SETUSER u {PASSWORD}"),
        format!("ACL SETUSER u >x {PASSWORD}"),
        format!("CONFIG SET requirepass {PASSWORD} {PASSWORD}"),
        format!("CONFIG SET requirepass {PASSWORD} hz {PASSWORD}"),
        format!("CONFIG SET maxmemory {PASSWORD} masterauth {PASSWORD}"),
        format!("MIGRATE 127.0.0.1 1 k 0 x{PASSWORD} AUTH {PASSWORD}"),
        format!("MIGRATE 127.0.0.1 1 k 0 100 AUTH {PASSWORD} {PASSWORD}"),
    ];
    for command in &commands {
        let command = request(command);
        texts.push(format!("{command:?} {}", command.label()));
        let error = connection.call(&command, soon()).await.unwrap_err();
        texts.push(format!("{error} {error:?}"));
        let mut all = connection.pipeline(std::slice::from_ref(&command), soon()).await.unwrap();
        texts.push(format!("{:?}", all.remove(0)));
    }
    // A command this client does not know to be about passwords, marked as secret by its caller.
    let unknown = request(&format!("LOGIN {PASSWORD}")).secret();
    texts.push(format!("{:?}", connection.call(&unknown, soon()).await.unwrap_err()));
    let reply = ask(&mut connection, "CONFIG GET requirepass").await.unwrap();
    assert_eq!(reply.clone().into_pairs().unwrap()[0].1.as_str(), Ok(PASSWORD));
    texts.push(format!("{reply:?} {:?}", reply.as_int()));
    for protocol in BOTH {
        for credentials in [Credentials::user("u", PASSWORD), Credentials::password(format!("{PASSWORD}x"))] {
            let error = server.open_with(&as_who(credentials).protocol(protocol)).await.unwrap_err();
            texts.push(format!("{error} {error:?}"));
        }
    }
    for text in texts {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[tokio::test]
async fn a_hundred_thousand_commands_in_one_pipeline() {
    let server = Options::standalone().start();
    for protocol in BOTH {
        let mut connection = server.open(protocol).await;
        ask(&mut connection, "DEL n").await.unwrap();
        let commands: Vec<Command> = (0..100_000u32)
            .map(|number| match number % 4 {
                0 => request("INCR n"),
                1 => Command::new("ECHO").arg(number),
                2 => request("LPOP nothing"),
                _ => request("INCR n not-a-number"),
            })
            .collect();
        let replies = connection.pipeline(&commands, soon()).await.unwrap();
        assert_eq!(replies.len(), commands.len());
        for (number, reply) in (0..).zip(replies) {
            match number % 4 {
                0 => assert_eq!(reply, Ok(Value::Integer(number / 4 + 1))),
                1 => assert_eq!(reply.unwrap().as_str(), Ok(number.to_string().as_str())),
                2 => assert_eq!(reply, Ok(Value::Nil)),
                _ => assert_eq!(reply.unwrap_err().code(), "ERR"),
            }
        }
    }
}

/// Replies larger than the sockets hold, while more commands are still to be written: nobody waits for the other.
#[tokio::test]
async fn large_values_go_both_ways_at_once() {
    let server = Options::standalone().start();
    let mut connection = server.connect().await;
    let value = vec![b'v'; 200_000];
    let commands: Vec<Command> = (0..200).map(|_| Command::new("ECHO").arg(value.as_slice())).collect();
    let replies = connection.pipeline(&commands, soon()).await.unwrap();
    assert!(replies.into_iter().all(|reply| reply.unwrap().as_bytes().is_ok_and(|bytes| *bytes == value)));
}

#[tokio::test]
async fn pushes_do_not_shift_replies() {
    let server = Options::standalone().start();
    let mut tracking = server.open(ProtocolPreference::Resp3).await;
    let mut other = server.connect().await;
    ask(&mut tracking, "CLIENT TRACKING ON").await.unwrap();
    let mut pushes = 0;
    for round in 0..200 {
        // Our own writes invalidate what we read before, in the middle of a pipeline; those of the other at any time.
        let commands = [
            Command::new("GET").arg("k"),
            Command::new("SET").arg("k").arg(round),
            request("MULTI"),
            Command::new("GET").arg("k"),
            Command::new("SET").arg("k").arg("x"),
            request("EXEC"),
            Command::new("ECHO").arg(round),
        ];
        let (replies, _) = tokio::join!(tracking.pipeline(&commands, soon()), async {
            ask(&mut other, &format!("SET theirs {round}")).await.unwrap();
        });
        let replies: Vec<Value> = replies.unwrap().into_iter().map(Result::unwrap).collect();
        let text = |index: usize| replies[index].as_str();
        assert_eq!((text(1), text(2), text(3)), (Ok("OK"), Ok("OK"), Ok("QUEUED")));
        let [read, _] = <[Value; 2]>::try_from(replies[5].clone().into_array().unwrap()).unwrap();
        assert_eq!(read.as_str(), Ok(round.to_string().as_str()));
        assert_eq!(text(6), Ok(round.to_string().as_str()));
        let theirs = ask(&mut tracking, "GET theirs").await.unwrap();
        assert_eq!(theirs.as_str(), Ok(round.to_string().as_str()));
        while let Some(push) = tracking.take_push() {
            let Value::Push(items) = push else { panic!("{push:?}") };
            assert_eq!(items[0].as_str(), Ok("invalidate"));
            pushes += 1;
        }
    }
    assert!(pushes >= 200, "{pushes} pushes");
    assert_eq!(tracking.pushes_dropped(), 0);
}

/// Without what RESP2 has no form for, and without an order, which sets and the server's tables do not have.
fn plain(reply: Reply) -> Reply {
    let mut items: Vec<Reply> = match reply {
        Reply::Array(items) => items.into_iter().map(plain).collect(),
        Reply::Map(pairs) => pairs.into_iter().flat_map(|(key, value)| [plain(key), plain(value)]).collect(),
        other => return other,
    };
    items.sort_by_cached_key(|item| format!("{item:?}"));
    Reply::Array(items)
}

#[tokio::test]
async fn both_protocols_say_the_same() {
    let server = Options::cluster().directive("cluster-announce-hostname db-1.example").start();
    server.ask("CLUSTER ADDSLOTSRANGE 0 5460 5462 16383").await;
    let mut read = Vec::new();
    for protocol in BOTH {
        let mut connection = server.open(protocol).await;
        let table: Reply = ask(&mut connection, "COMMAND").await.unwrap().into();
        assert!(table.as_array().unwrap().len() > 200);
        let mut names = Command::new("COMMAND").arg("INFO");
        names = names.args(Capability::ALL.iter().filter_map(|capability| capability.command()));
        let info = connection.call(&names, soon()).await.unwrap().into();
        let capabilities = Capabilities::from_command_info(Capability::ALL, &info).unwrap();
        let shards =
            ClusterShards::parse(&ask(&mut connection, "CLUSTER SHARDS").await.unwrap().into()).unwrap();
        let slots =
            ClusterSlots::parse(&ask(&mut connection, "CLUSTER SLOTS").await.unwrap().into()).unwrap();
        let nodes = ask(&mut connection, "CLUSTER NODES").await.unwrap().into_string().unwrap();
        let nodes: ClusterNodes = nodes.parse().unwrap();
        assert_eq!(shards.shards[0].slots, nodes.myself().unwrap().slots);
        assert_eq!(nodes.myself().unwrap().endpoint.hostname.as_deref(), Some("db-1.example"));
        read.push((plain(table), capabilities, shards, slots, nodes));
    }
    let [resp2, resp3] = <[_; 2]>::try_from(read).ok().unwrap();
    assert!(resp2.0 == resp3.0, "the tables of commands differ");
    assert_eq!((resp2.1, resp2.2, resp2.3, resp2.4), (resp3.1, resp3.2, resp3.3, resp3.4));
}

/// Waits until the server has seen the end of every connection but the one that asks; then what it was going to
/// execute is executed.
async fn count_when_alone(server: &Server, key: &str) -> i64 {
    let mut connection = server.connect().await;
    until("the server has closed the other connections", async || {
        let clients = ask(&mut connection, "CLIENT LIST").await.unwrap().into_string().unwrap();
        if clients.lines().count() == 1 { Ok(()) } else { Err(clients) }
    })
    .await;
    let count = ask(&mut connection, &format!("GET {key}")).await.unwrap();
    count.as_str().map_or(0, |text| text.parse().unwrap())
}

async fn faulty(server: &Server) -> (Faulty, Connection) {
    let faults = Faulty::default();
    let connection = Connection::open(&faults, &server.endpoint(), &ConnectOptions::default(), soon()).await;
    (faults, connection.unwrap())
}

/// The stream is cut after each byte of a command in turn: what the error says of it is true.
#[tokio::test]
async fn a_command_cut_while_it_is_written() {
    let server = Options::standalone().start();
    let command = request("INCR n");
    for sent in 0..=command.to_bytes().len() {
        let (faults, mut connection) = faulty(&server).await;
        let whole = sent == command.to_bytes().len();
        if whole {
            faults.cut_after_reading(0);
        } else {
            faults.cut_after_writing(sent);
        }
        let error = connection.call(&command, soon()).await.unwrap_err();
        let expected = if sent == 0 { Certainty::NotSent } else { Certainty::MaybeExecuted };
        assert_eq!(error.certainty(), expected, "after {sent} bytes: {error}");
        assert!(!connection.is_usable());
        let again = connection.call(&command, soon()).await.unwrap_err();
        assert!(matches!(&again, Error::NotSent { cause: NotSent::Unusable(_), .. }), "{again}");
        drop(connection);
        assert_eq!(count_when_alone(&server, "n").await, i64::from(whole), "after {sent} bytes");
    }
}

/// The stream ends before, within and after each reply of a pipeline: as many replies are counted as were complete,
/// and every command was executed.
#[tokio::test]
async fn a_pipeline_cut_while_its_replies_are_read() {
    let server = Options::standalone().start();
    let commands = [request("INCR n"), request("ECHO 123"), request("INCR n")];
    let replies = [b":1\r\n".len(), b"$3\r\n123\r\n".len(), b":2\r\n".len()];
    let all: usize = replies.iter().sum();
    for received in 0..all {
        let (faults, mut connection) = faulty(&server).await;
        ask(&mut connection, "DEL n").await.unwrap();
        faults.cut_after_reading(received);
        let error = connection.pipeline(&commands, soon()).await.unwrap_err();
        let complete =
            (0..=3).rev().find(|count| replies[..*count].iter().sum::<usize>() <= received).unwrap();
        match &error {
            Error::MaybeExecuted { cause: Interruption::Closed, answered, of, .. } => {
                assert_eq!((*answered, *of), (complete, 3), "after {received} bytes");
            }
            other => panic!("after {received} bytes: {other}"),
        }
        drop(connection);
        assert_eq!(count_when_alone(&server, "n").await, 2, "after {received} bytes");
    }
    let (faults, mut connection) = faulty(&server).await;
    ask(&mut connection, "DEL n").await.unwrap();
    faults.cut_after_reading(all);
    assert_eq!(connection.pipeline(&commands, soon()).await.unwrap().len(), 3);
    // The end shows only when the next reply is due.
    let error = connection.call(&commands[0], soon()).await.unwrap_err();
    assert!(matches!(&error, Error::MaybeExecuted { cause: Interruption::Closed, .. }), "{error}");
    drop(connection);
    assert_eq!(count_when_alone(&server, "n").await, 3);
}

#[tokio::test]
async fn a_server_killed_in_the_middle_of_a_pipeline() {
    // Without a sync in between, what was answered was written to the file before.
    let mut server = Options::standalone().directive("appendonly yes").directive("appendfsync no").start();
    let (faults, mut connection) = faulty(&server).await;
    let pid = server.pid();
    faults.on_read(move || rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap());
    let commands = vec![request("INCR n"); 300_000];
    let error = connection.pipeline(&commands, soon()).await.unwrap_err();
    let Error::MaybeExecuted { answered, of, .. } = error else { panic!("{error}") };
    assert_eq!(of, commands.len());
    assert!(answered > 0 && answered < of, "{answered} of {of} were answered");
    server.await_end();
    server.start();
    let count = count_when_alone(&server, "n").await;
    let count = usize::try_from(count).unwrap();
    assert!((answered..=of).contains(&count), "{answered} answered, {count} executed, {of} asked for");
}

fn shortly() -> Deadline {
    Deadline::within(std::time::Duration::from_millis(200))
}

#[tokio::test]
async fn a_frozen_server_holds_nobody_beyond_the_deadline() {
    let server = Options::standalone().directive("tcp-backlog 1").start();
    let mut connection = server.connect().await;
    server.freeze();
    let error = connection.call(&request("INCR n"), shortly()).await.unwrap_err();
    assert!(error.is_deadline() && error.certainty() == Certainty::MaybeExecuted, "{error}");
    let error = connection.call(&request("INCR n"), shortly()).await.unwrap_err();
    assert!(matches!(&error, Error::NotSent { cause: NotSent::Unusable(_), .. }), "{error}");

    // The system accepts a few connections for it, so that the greeting hangs; then it accepts none.
    let mut hanging = Vec::new();
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(Error::NotSent { cause: NotSent::Deadline, .. })) {
        assert!(hanging.len() < 50, "the system goes on accepting: {seen:?}");
        let options = ConnectOptions::default();
        let connector = slotwright_client::TcpConnector;
        let error = Connection::open(&connector, &server.endpoint(), &options, shortly()).await.unwrap_err();
        assert!(error.is_deadline() && error.certainty() == Certainty::NotSent, "{error}");
        seen.push(error);
        // Keeps a place taken.
        hanging.push(
            tokio::time::timeout_at(shortly().instant(), {
                tokio::net::TcpStream::connect(("127.0.0.1", server.port()))
            })
            .await,
        );
    }
    assert!(matches!(&seen[0], Error::NotSent { cause: NotSent::Handshake(_), .. }), "{}", seen[0]);
    drop((hanging, connection));
    server.thaw();
    // "May have been executed" it was, and it has been, once.
    assert_eq!(count_when_alone(&server, "n").await, 1);
}

#[tokio::test]
async fn too_many_clients_and_a_server_gone() {
    let mut server = Options::standalone().directive("maxclients 1").start();
    let mut first =
        until("the place is free", async || server.open_with(&ConnectOptions::default()).await).await;
    let error = server.open_with(&ConnectOptions::default()).await.unwrap_err();
    assert_ne!(error.certainty(), Certainty::MaybeExecuted, "{error}");
    assert!(error.to_string().contains("max number of clients"), "{error}");
    ask(&mut first, "SET k v").await.unwrap();
    server.stop();
    // Stopping it held up this thread, and with it the news that the stream has ended.
    tokio::task::yield_now().await;
    let error = ask(&mut first, "GET k").await.unwrap_err();
    assert!(matches!(&error, Error::NotSent { cause: NotSent::Closed | NotSent::Io(_), .. }), "{error}");
    let error = server.open_with(&ConnectOptions::default()).await.unwrap_err();
    assert!(matches!(&error, Error::NotSent { cause: NotSent::Connect(_), .. }), "{error}");
}
