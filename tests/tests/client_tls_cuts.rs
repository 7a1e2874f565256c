//! Encrypted connections that break off: what an error says of a command holds as it does without TLS, and a refusal
//! that races with the end of the connection is told each time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use slotwright_client::{
    Certainty, ConnectOptions, Connection, Connector, Error, TcpConnector, TlsConnector, TlsOptions,
};
use slotwright_tests::{
    certificates::Authority,
    fault::Faulty,
    server::{Options, Server, ask, folder, request, soon},
    wait::until,
};

/// A server at 127.0.0.1 that speaks only TLS, and a client without a certificate that trusts it.
fn start(directive: &str) -> (Server, TlsOptions) {
    let folder = folder();
    let authority = Authority::new(folder.path());
    let own = authority.issue("server", &["IP:127.0.0.1"]);
    let server = Options::standalone().tls(&authority, &own).directive(directive).start();
    (server, TlsOptions::from_pem(&std::fs::read(authority.ca()).unwrap(), None).unwrap())
}

async fn open(connector: impl Connector, server: &Server) -> Result<Connection, Error> {
    Connection::open(&connector, &server.endpoint(), &ConnectOptions::default(), soon()).await
}

/// The counter, and no counter afterwards, once the server has seen the end of every connection but the one that asks.
async fn take_count(server: &Server) -> usize {
    let mut connection = server.connect().await;
    until("the server has closed the other connections", async || {
        let clients = ask(&mut connection, "CLIENT LIST").await.unwrap().into_string().unwrap();
        if clients.lines().count() == 1 { Ok(()) } else { Err(clients) }
    })
    .await;
    let count = ask(&mut connection, "GETDEL n").await.unwrap();
    count.as_str().map_or(0, |text| text.parse().unwrap())
}

/// The encrypted stream is cut after so many bytes. A pipeline of several records is in the server's hands in part
/// before it is cut: that must not pass for "not sent".
#[tokio::test]
async fn what_is_called_not_sent_was_not_executed() {
    let (server, options) = start("tls-auth-clients no");
    let one = [request("INCR n")];
    let many = vec![request("INCR n"); 8_000];
    let cases = (0..60).map(|cut| (&one[..], cut)).chain((0..22).map(|step| (&many[..], step * 8_000)));
    let (mut untouched, mut in_part) = (0, 0);
    for (commands, cut) in cases {
        let faults = Faulty::default();
        let mut connection = open(TlsConnector::new(faults.clone(), options.clone()), &server).await.unwrap();
        faults.cut_after_writing(cut);
        let outcome = connection.pipeline(commands, soon()).await;
        assert!(outcome.is_ok() || !connection.is_usable());
        drop(connection);
        let count = take_count(&server).await;
        match outcome {
            Ok(_) => assert_eq!(count, commands.len()),
            Err(error) if error.certainty() == Certainty::NotSent => {
                untouched += 1;
                assert_eq!(count, 0, "cut after {cut} bytes: {error}");
            }
            Err(error) => {
                in_part += usize::from(count > 0);
                assert_eq!(error.certainty(), Certainty::MaybeExecuted, "{error}");
            }
        }
    }
    assert!(untouched > 30 && in_part > 10, "{untouched} untouched, {in_part} executed in part");
}

/// With TLS 1.3 the server refuses a client without a certificate after the client's handshake, and closes.
#[tokio::test]
async fn the_refusal_is_never_lost() {
    for protocols in ["TLSv1.2", "TLSv1.3"] {
        let (server, options) = start(&format!("tls-protocols {protocols}"));
        for _ in 0..100 {
            let error = open(TlsConnector::new(TcpConnector, options.clone()), &server).await.unwrap_err();
            assert_eq!(error.certainty(), Certainty::NotSent, "{error}");
            assert!(error.to_string().contains("none was given"), "{protocols}: {error}");
        }
    }
}
