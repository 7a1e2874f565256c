//! The state machine against scripted servers: what is sent, what is concluded, what the connection is good for after.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::{
    Certainty, Credentials,
    error::Interruption,
    resp::{FrameError, Limits},
};

const HELLO_REPLY: &str = "%4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$2\r\nid\r\n:9\r\n$7\r\nmodules\r\n*0\r\n";

fn soon() -> Deadline {
    Deadline::within(Duration::from_secs(5))
}

fn resp2() -> ConnectOptions {
    ConnectOptions::default().protocol(ProtocolPreference::Resp2)
}

fn password() -> ConnectOptions {
    ConnectOptions::default().credentials(Credentials::password("hunter2"))
}

fn command(words: &str) -> Command {
    let mut words = words.split(' ');
    Command::new(words.next().unwrap()).args(words)
}

/// A connection that greeted nobody, and the server's end of it.
async fn plain(size: usize) -> (Connection<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(size);
    (Connection::over(ours, "test:1", &resp2(), soon()).await.unwrap(), theirs)
}

/// Expects each command and answers it.
async fn serve(stream: &mut DuplexStream, script: &[(&str, &str)]) {
    for (words, reply) in script {
        let expected = command(words).to_bytes();
        let mut sent = vec![0; expected.len()];
        stream.read_exact(&mut sent).await.unwrap();
        assert_eq!(sent.escape_ascii().to_string(), expected.escape_ascii().to_string());
        stream.write_all(reply.as_bytes()).await.unwrap();
    }
}

async fn open(options: &ConnectOptions, script: &[(&str, &str)]) -> Result<Connection<DuplexStream>, Error> {
    let (ours, mut theirs) = duplex(4096);
    tokio::join!(Connection::over(ours, "test:1", options, soon()), serve(&mut theirs, script)).0
}

async fn refused(options: &ConnectOptions, script: &[(&str, &str)]) -> AuthenticationError {
    match open(options, script).await {
        Err(error @ Error::Authentication { cause, .. }) => {
            assert!(!format!("{error} {error:?}").contains("hunter2"));
            assert_eq!(error.certainty(), Certainty::Rejected);
            cause
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn greets_in_resp3_with_the_credentials_inside() {
    let connection = open(&ConnectOptions::default(), &[("HELLO 3", HELLO_REPLY)]).await.unwrap();
    assert_eq!(connection.protocol(), Protocol::Resp3);
    let greeting = connection.greeting().unwrap();
    assert_eq!(
        (greeting.server.as_str(), greeting.version.as_str(), greeting.client_id),
        ("redis", "7.0.15", 9)
    );
    assert!(open(&password(), &[("HELLO 3 AUTH default hunter2", HELLO_REPLY)]).await.is_ok());
}

#[tokio::test]
async fn falls_back_to_resp2() {
    let refusals = [
        "-NOPROTO unsupported protocol version\r\n",
        "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `hunter2`, \r\n",
    ];
    for refusal in refusals {
        let script = [("HELLO 3 AUTH default hunter2", refusal), ("AUTH hunter2", "+OK\r\n")];
        let connection = open(&password(), &script).await.unwrap();
        assert_eq!((connection.protocol(), connection.greeting()), (Protocol::Resp2, None));
    }
    let ann = ConnectOptions::default().credentials(Credentials::user("ann", "hunter2"));
    let script = [("HELLO 3 AUTH ann hunter2", refusals[0]), ("AUTH ann hunter2", "+OK\r\n")];
    assert!(open(&ann, &script).await.is_ok());

    let only3 = ConnectOptions::default().protocol(ProtocolPreference::Resp3);
    let error = open(&only3, &[("HELLO 3", refusals[0])]).await.unwrap_err();
    assert!(matches!(error, Error::NotSent { cause: NotSent::NoResp3, .. }), "{error}");
}

#[tokio::test]
async fn tells_what_is_wrong_with_the_credentials() {
    use AuthenticationError as A;
    let hello = "HELLO 3 AUTH default hunter2";
    let old = resp2().credentials(Credentials::password("hunter2"));
    let none = ConnectOptions::default();
    let needed = "-NOAUTH HELLO must be called with the client already authenticated\r\n";
    assert_eq!(refused(&none, &[("HELLO 3", needed)]).await, A::PasswordNeeded);
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    assert_eq!(refused(&password(), &[(hello, wrong)]).await, A::WrongPassword);
    assert_eq!(refused(&password(), &[(hello, "-ERR what is hunter2\r\n")]).await, A::Refused);
    let unset = "-ERR AUTH <password> called without any password configured for the default user.\r\n";
    assert_eq!(refused(&old, &[("AUTH hunter2", unset)]).await, A::NoPasswordConfigured);
    let unset = "-ERR Client sent AUTH, but no password is set\r\n";
    assert_eq!(refused(&old, &[("AUTH hunter2", unset)]).await, A::NoPasswordConfigured);
    assert_eq!(refused(&old, &[("AUTH hunter2", "-ERR invalid password\r\n")]).await, A::WrongPassword);
    let ann = resp2().credentials(Credentials::user("ann", "hunter2"));
    let arity = "-ERR wrong number of arguments for 'auth' command\r\n";
    assert_eq!(refused(&ann, &[("AUTH ann hunter2", arity)]).await, A::NoUsers);
}

#[tokio::test]
async fn a_full_server_is_a_readable_refusal() {
    let (ours, mut theirs) = duplex(4096);
    theirs.write_all(b"-ERR max number of clients reached\r\n").await.unwrap();
    drop(theirs);
    let error = Connection::over(ours, "test:1", &password(), soon()).await.unwrap_err();
    let said = "HELLO at test:1: not sent: the server had sent an error of its own accord: ERR max number of clients reached";
    assert_eq!(error.to_string(), said);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_breaks_off_counts_as_not_sent() {
    let (ours, _theirs) = duplex(4096);
    let error = Connection::over(ours, "test:1", &ConnectOptions::default(), soon()).await.unwrap_err();
    assert_eq!(error.certainty(), Certainty::NotSent);
    assert!(error.is_deadline(), "{error}");
}

#[tokio::test]
async fn rejections_are_told_apart_from_values() {
    let (mut connection, mut theirs) = plain(4096).await;
    let script = [
        ("GET k", "-MOVED 1 127.0.0.1:7001\r\n"),
        ("PING", "-NOAUTH Authentication required.\r\n"),
        ("ACL SETUSER u >hunter2", "-ERR Error in ACL SETUSER modifier '>hunter2': Syntax error\r\n"),
        ("LRANGE k 0 0", "*1\r\n-ERR inner\r\n"),
    ];
    let client = async {
        let moved = connection.call(&command("GET k"), soon()).await.unwrap_err();
        assert_eq!(moved.certainty(), Certainty::Rejected);
        assert_eq!(moved.server_error().unwrap().code(), "MOVED");
        assert_eq!(moved.to_string(), "GET at test:1: rejected by the server: MOVED 1 127.0.0.1:7001");
        let barred = connection.call(&command("PING"), soon()).await.unwrap_err();
        assert!(matches!(barred, Error::Authentication { cause: AuthenticationError::PasswordNeeded, .. }));
        let error = connection.call(&command("ACL SETUSER u >hunter2"), soon()).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        assert!(connection.call(&command("LRANGE k 0 0"), soon()).await.is_ok());
        assert!(connection.is_usable());
    };
    tokio::join!(serve(&mut theirs, &script), client);
}

#[tokio::test]
async fn pushes_are_set_aside_and_shift_nothing() {
    let (ours, mut theirs) = duplex(4096);
    let options = ConnectOptions { max_pushes: 2, ..resp2() };
    let mut connection = Connection::over(ours, "test:1", &options, soon()).await.unwrap();
    theirs.write_all(b">1\r\n:1\r\n>1\r\n:2\r\n").await.unwrap();
    let script = [("GET a", ">1\r\n:3\r\n+a\r\n>1\r\n"), ("GET b", ":4\r\n+b\r\n")];
    let client = async {
        assert_eq!(connection.call(&command("GET a"), soon()).await.unwrap(), Value::Status("a".into()));
        assert_eq!(connection.call(&command("GET b"), soon()).await.unwrap(), Value::Status("b".into()));
    };
    tokio::join!(serve(&mut theirs, &script), client);
    let push = |number| Some(Value::Push(vec![Value::Integer(number)]));
    assert_eq!((connection.take_push(), connection.take_push()), (push(3), push(4)));
    assert_eq!((connection.take_push(), connection.pushes_dropped()), (None, 2));
}

#[tokio::test]
async fn a_dropped_call_poisons_the_connection() {
    let (mut connection, mut theirs) = plain(4096).await;
    {
        let ping = command("GET a");
        let mut call = std::pin::pin!(connection.call(&ping, soon()));
        assert!(poll_once(call.as_mut()).await.is_none());
    }
    assert!(!connection.is_usable());
    // The late reply must reach nobody.
    theirs.write_all(b"+late\r\n").await.unwrap();
    for _ in 0..2 {
        let error = connection.call(&command("GET b"), soon()).await.unwrap_err();
        assert_eq!(error.certainty(), Certainty::NotSent);
        assert_eq!(
            error.to_string(),
            "GET at test:1: not sent: this connection cannot be used since GET was abandoned before its reply; open a new one"
        );
    }
    let mut sent = vec![];
    drop(connection);
    theirs.read_to_end(&mut sent).await.unwrap();
    assert_eq!(sent, command("GET a").to_bytes());
}

async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|task| {
        std::task::Poll::Ready(match future.as_mut().poll(task) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn a_call_dropped_before_a_byte_left_harms_nothing() {
    let (mut connection, mut theirs) = plain(8).await;
    // Fill the pipe, so that the stream takes nothing.
    connection.stream.write_all(b"12345678").await.unwrap();
    {
        let get = command("GET a");
        let mut call = std::pin::pin!(connection.call(&get, soon()));
        assert!(poll_once(call.as_mut()).await.is_none());
    }
    assert!(connection.is_usable());
    theirs.read_exact(&mut [0; 8]).await.unwrap();
    let get = command("GET b");
    let (reply, ()) = tokio::join!(connection.call(&get, soon()), serve(&mut theirs, &[("GET b", "+b\r\n")]));
    assert_eq!(reply.unwrap(), Value::Status("b".into()));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_tells_whether_anything_was_sent() {
    let (mut connection, _theirs) = plain(4096).await;
    let error = connection.call(&command("PING"), Deadline::within(Duration::ZERO)).await.unwrap_err();
    assert!(matches!(error, Error::NotSent { cause: NotSent::Deadline, .. }));
    let error = connection.call(&command("PING"), soon()).await.unwrap_err();
    assert!(
        matches!(error, Error::MaybeExecuted { cause: Interruption::Deadline, .. }) && error.is_deadline()
    );
    let error = connection.call(&command("PING"), soon()).await.unwrap_err();
    assert!(matches!(error, Error::NotSent { cause: NotSent::Unusable(_), .. }), "{error}");

    let (mut connection, _theirs) = plain(1).await;
    connection.stream.write_all(b"x").await.unwrap();
    let error = connection.call(&command("PING"), soon()).await.unwrap_err();
    assert!(matches!(error, Error::NotSent { cause: NotSent::Deadline, .. }), "{error}");
    assert!(connection.is_usable());
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_not_sent() {
    let (mut connection, theirs) = plain(4096).await;
    drop(theirs);
    let error = connection.call(&command("INCR a"), soon()).await.unwrap_err();
    assert!(matches!(error, Error::NotSent { cause: NotSent::Closed, .. }), "{error}");
    let error = connection.call(&command("INCR a"), soon()).await.unwrap_err();
    assert!(matches!(error, Error::NotSent { cause: NotSent::Unusable(_), .. }), "{error}");
}

#[tokio::test]
async fn a_connection_closed_in_between_may_have_executed() {
    let (mut connection, mut theirs) = plain(4096).await;
    let server = async {
        serve(&mut theirs, &[("INCR a", ":1\r\n"), ("INCR b", "")]).await;
        drop(theirs);
    };
    let commands = [command("INCR a"), command("INCR b"), command("INCR c")];
    let (outcome, ()) = tokio::join!(connection.pipeline(&commands, soon()), server);
    let error = outcome.unwrap_err();
    assert_eq!(error.certainty(), Certainty::MaybeExecuted);
    assert_eq!(
        error.to_string(),
        "INCR and 2 more at test:1: may have been executed: the server closed the connection before the reply (1 of 3 replies had arrived)"
    );
}

#[tokio::test]
async fn replies_nobody_waits_for_stop_the_connection() {
    let (mut connection, mut theirs) = plain(4096).await;
    let script = [("GET a", "+a\r\n+surplus\r\n")];
    let get = command("GET a");
    let (reply, ()) = tokio::join!(connection.call(&get, soon()), serve(&mut theirs, &script));
    assert_eq!(reply.unwrap(), Value::Status("a".into()));
    let error = connection.call(&command("GET b"), soon()).await.unwrap_err();
    assert!(error.to_string().contains("a reply nobody waits for"), "{error}");
    assert_eq!(error.certainty(), Certainty::NotSent);
}

#[tokio::test]
async fn bytes_that_are_no_reply_may_have_executed() {
    let (ours, mut theirs) = duplex(4096);
    let options = ConnectOptions { limits: Limits { max_frame: 50, ..Limits::default() }, ..resp2() };
    let mut connection = Connection::over(ours, "test:1", &options, soon()).await.unwrap();
    let get = command("GET a");
    let (outcome, ()) =
        tokio::join!(connection.call(&get, soon()), serve(&mut theirs, &[("GET a", "$51\r\n")]));
    let error = outcome.unwrap_err();
    let expected = FrameError::TooLarge { limit: 50 };
    assert!(
        matches!(&error, Error::MaybeExecuted { cause: Interruption::Protocol(cause), .. } if *cause == expected),
        "{error}"
    );
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn commands_that_would_shift_replies_are_not_sent() {
    let (mut connection, _theirs) = plain(4096).await;
    for words in ["SUBSCRIBE c", "MONITOR", "CLIENT REPLY OFF"] {
        let error = connection.call(&command(words), soon()).await.unwrap_err();
        assert!(matches!(error, Error::NotSent { cause: NotSent::Unsuitable, .. }), "{error}");
    }
    assert!(connection.is_usable());
}

#[tokio::test]
async fn a_pipeline_longer_than_the_sockets_does_not_deadlock() {
    const COMMANDS: usize = 100_000;
    let (mut connection, theirs) = plain(64).await;
    // A server that stops reading while its replies are not taken, as Redis does once its buffers are full.
    let server = async move {
        let (mut read, mut write) = tokio::io::split(theirs);
        let request = command("ECHO 123456").to_bytes();
        let mut sent = vec![0; request.len()];
        for number in 0..COMMANDS {
            read.read_exact(&mut sent).await.unwrap();
            write.write_all(format!(":{number}\r\n").as_bytes()).await.unwrap();
        }
    };
    let commands = vec![command("ECHO 123456"); COMMANDS];
    let deadline = Deadline::within(Duration::from_secs(120));
    let (replies, ()) = tokio::join!(connection.pipeline(&commands, deadline), server);
    let replies = replies.unwrap();
    assert_eq!(replies.len(), COMMANDS);
    assert!(replies.iter().enumerate().all(|(n, reply)| reply == &Ok(Value::Integer(n as i64))));
    assert!(connection.outgoing.capacity() < 1 << 20, "{}", connection.outgoing.capacity());
}

#[tokio::test]
async fn an_answer_to_half_a_command_is_passed_on_and_ends_the_connection() {
    let (mut connection, mut theirs) = plain(64).await;
    let server = async {
        theirs.read_exact(&mut [0; 10]).await.unwrap();
        theirs.write_all(b"-ERR Protocol error: invalid bulk length\r\n").await.unwrap();
    };
    let set = Command::new("SET").arg("k").arg(vec![0; 1000]);
    let (outcome, ()) = tokio::join!(connection.call(&set, soon()), server);
    assert_eq!(outcome.unwrap_err().server_error().unwrap().code(), "ERR");
    assert!(!connection.is_usable());
}
