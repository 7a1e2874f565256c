//! TLS with real servers: who is trusted under which name, what is refused and how that reads, and the deployer's view
//! of a cluster that speaks nothing else.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    fs,
    path::Path,
    process::{Command as Process, Stdio},
    time::{Duration, Instant},
};

use slotwright_client::{
    Certainty, Command, ConnectOptions, Connection, Credentials, Deadline, Error, TcpConnector, TlsConnector,
    TlsError, TlsOptions, Value, tls::PemFault,
};
use slotwright_cluster::{Endpoint, Host};
use slotwright_tests::{
    certificates::{Authority, Issued},
    deployment::slotwright,
    server::{Options, Server, ask, folder, request, soon},
    wait::until,
};

const LOCAL: &[&str] = &["IP:127.0.0.1", "DNS:localhost"];

/// A CA with a certificate for servers on this machine and one for clients.
struct Setting {
    folder: tempfile::TempDir,
    authority: Authority,
    server: Issued,
    client: Issued,
}

impl Setting {
    fn new() -> Self {
        let folder = folder();
        let authority = Authority::new(folder.path());
        let server = authority.issue("server", LOCAL);
        let client = authority.issue("client", &[]);
        Self { folder, authority, server, client }
    }

    fn server(&self, options: Options) -> Server {
        options.tls(&self.authority, &self.server).start()
    }

    fn with_identity(&self) -> TlsConnector<TcpConnector> {
        TlsConnector::new(TcpConnector, trusting(&self.authority, Some(&self.client)))
    }

    fn without_identity(&self) -> TlsConnector<TcpConnector> {
        TlsConnector::new(TcpConnector, trusting(&self.authority, None))
    }
}

fn trusting(authority: &Authority, identity: Option<&Issued>) -> TlsOptions {
    let identity = identity.map(|issued| {
        (fs::read(&issued.certificate).unwrap(), fs::read_to_string(&issued.key).unwrap().into())
    });
    let identity = identity.as_ref().map(|(chain, key)| (chain.as_slice(), key));
    TlsOptions::from_pem(&fs::read(authority.ca()).unwrap(), identity).unwrap()
}

async fn open(connector: &TlsConnector<TcpConnector>, endpoint: &Endpoint) -> Result<Connection, Error> {
    Connection::open(connector, endpoint, &ConnectOptions::default(), soon()).await
}

/// Not connected, for a reason that reads like this; shown with `--nocapture`.
async fn refused(connector: &TlsConnector<TcpConnector>, endpoint: &Endpoint, expected: &str) {
    let error = open(connector, endpoint).await.unwrap_err();
    println!("{error}");
    assert_eq!(error.certainty(), Certainty::NotSent, "{error}");
    assert!(error.to_string().contains(expected), "expected `{expected}`: {error}");
}

fn named(server: &Server, name: &str) -> Endpoint {
    Endpoint { hostname: Some(name.into()), ..server.endpoint() }
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_asked_for() {
    let setting = Setting::new();
    for protocols in ["TLSv1.2", "TLSv1.3", "TLSv1.2 TLSv1.3"] {
        let server =
            setting.server(Options::standalone().directive(&format!("tls-protocols \"{protocols}\"")));
        let mut connection = open(&setting.with_identity(), &server.endpoint()).await.unwrap();
        assert_eq!(ask(&mut connection, "INCR n").await.unwrap(), Value::Integer(1));

        refused(&setting.without_identity(), &server.endpoint(), "none was given").await;
        let elsewhere = Authority::new(setting.folder.path().join("elsewhere"));
        let stranger = elsewhere.issue("client", &[]);
        let stranger = TlsConnector::new(TcpConnector, trusting(&setting.authority, Some(&stranger)));
        refused(&stranger, &server.endpoint(), "client certificate").await;

        server.ask("CONFIG SET tls-auth-clients optional").await;
        let mut connection = open(&setting.without_identity(), &server.endpoint()).await.unwrap();
        assert_eq!(ask(&mut connection, "INCR n").await.unwrap(), Value::Integer(2));
    }
}

#[tokio::test]
async fn the_certificate_must_come_from_a_given_ca_and_be_for_the_name() {
    let setting = Setting::new();
    let authority = &setting.authority;
    let own = authority.issue("node", &["DNS:*.nodes.example", "DNS:service.example"]);
    let server = Options::standalone().tls(authority, &own).start();
    let endpoint = server.endpoint();
    let connector = setting.with_identity();

    // The address is not in the certificate; names that are, fixed or announced, will do.
    let expected = "not valid for 127.0.0.1, only for *.nodes.example, service.example;";
    refused(&connector, &endpoint, expected).await;
    let fixed = connector.clone().server_name("service.example").unwrap();
    open(&fixed, &endpoint).await.unwrap();
    open(&connector, &named(&server, "node-3.nodes.example")).await.unwrap();
    refused(&connector, &named(&server, "elsewhere.example"), "not valid for elsewhere.example, only").await;
    let elsewhere = connector.clone().server_name("elsewhere.example").unwrap();
    refused(&elsewhere, &named(&server, "node-3.nodes.example"), "not valid for elsewhere.example").await;

    // A CA of another name, one of the same name with another key, and that one together with the right one.
    let name = setting.folder.path().file_name().unwrap();
    let other = Authority::new(setting.folder.path().join("other"));
    let namesake = Authority::new(setting.folder.path().join("other").join(name));
    for (wrong, expected) in [(&other, "issued by none of the given CAs"), (&namesake, "signed by another")] {
        let wrong = TlsConnector::new(TcpConnector, trusting(wrong, Some(&setting.client)));
        refused(&wrong.server_name("service.example").unwrap(), &endpoint, expected).await;
    }
    let both = [fs::read(namesake.ca()).unwrap(), fs::read(authority.ca()).unwrap()].concat();
    let key = fs::read_to_string(&setting.client.key).unwrap().into();
    let chain = fs::read(&setting.client.certificate).unwrap();
    let both = TlsOptions::from_pem(&both, Some((&chain, &key))).unwrap();
    let both = TlsConnector::new(TcpConnector, both).server_name("service.example").unwrap();
    open(&both, &endpoint).await.unwrap();

    // A host that is a name.
    let local = setting.server(Options::standalone());
    let by_name = Endpoint::new(Host::parse("localhost"), local.port());
    open(&setting.with_identity(), &by_name).await.unwrap();

    // No alternative names at all, as people make certificates who follow old advice.
    let bare = Options::standalone().tls(authority, &authority.issue("bare", &[])).start();
    refused(&connector, &bare.endpoint(), "it names no host at all").await;
}

/// Certificates as scripts for tests make them, and as clients take them that look at less.
#[tokio::test]
async fn certificates_that_are_not_for_servers() {
    let setting = Setting::new();
    let authority = &setting.authority;
    let old = authority.issue_version_1("old");
    for (own, expected) in [(&old, "X.509 version 1"), (&authority.itself(), "is that of a CA")] {
        let server = Options::standalone().tls(authority, own).start();
        refused(&setting.with_identity(), &server.endpoint(), expected).await;
    }
    let chain = fs::read(&old.certificate).unwrap();
    let key = fs::read_to_string(&old.key).unwrap().into();
    let client = TlsOptions::from_pem(&fs::read(authority.ca()).unwrap(), Some((&chain, &key)));
    assert_eq!(client.unwrap_err(), TlsError::Certificate(PemFault::Unreadable { number: 1 }));
}

#[tokio::test]
async fn one_side_speaks_tls_and_the_other_does_not() {
    let setting = Setting::new();
    let plain = Options::standalone().start();
    let within = Deadline::within(Duration::from_millis(500));
    let started = Instant::now();
    let connector = setting.with_identity();
    let options = ConnectOptions::default();
    // To Redis a handshake is the beginning of a line; it waits for the rest.
    let error = Connection::open(&connector, &plain.endpoint(), &options, within).await.unwrap_err();
    println!("{error}");
    assert!(error.is_deadline() && error.certainty() == Certainty::NotSent, "{error}");
    assert!(error.to_string().contains("TLS"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));

    let mut full = Options::standalone().directive("maxclients 1").start();
    let _only = until("the place is free", async || full.open_with(&options).await).await;
    refused(&connector, &full.endpoint(), "speaks no TLS on this port").await;
    full.kill9();
    refused(&connector, &full.endpoint(), "refused").await;

    let server = setting.server(Options::standalone());
    let error = Connection::open(&TcpConnector, &server.endpoint(), &options, soon()).await.unwrap_err();
    println!("{error}");
    assert_eq!(error.certainty(), Certainty::NotSent);
    assert!(error.to_string().contains("TLS"), "{error}");
}

#[tokio::test]
async fn a_silent_server_holds_nobody_beyond_the_deadline() {
    let setting = Setting::new();
    let server = setting.server(Options::standalone());
    let connector = setting.with_identity();
    let mut connection = open(&connector, &server.endpoint()).await.unwrap();
    server.freeze();
    let shortly = || Deadline::within(Duration::from_millis(300));
    let started = Instant::now();
    let options = ConnectOptions::default();
    let error = Connection::open(&connector, &server.endpoint(), &options, shortly()).await.unwrap_err();
    assert!(error.is_deadline() && error.certainty() == Certainty::NotSent, "{error}");
    let error = connection.call(&request("INCR n"), shortly()).await.unwrap_err();
    assert!(error.is_deadline() && error.certainty() == Certainty::MaybeExecuted, "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
    server.thaw();

    // Killed, it cannot take leave as TLS wants it: that is an end like any other.
    let mut server = server;
    let mut connection = open(&connector, &server.endpoint()).await.unwrap();
    server.kill9();
    let error = until("the end arrives", async || match connection.call(&request("PING"), soon()).await {
        Err(error) => Ok(error),
        Ok(reply) => Err(reply),
    })
    .await;
    assert!(error.to_string().contains("closed the connection"), "{error}");
}

#[tokio::test]
async fn a_password_and_megabytes_in_both_directions() {
    let setting = Setting::new();
    let server = setting.server(Options::standalone().password("correct-horse-battery"));
    let connector = setting.with_identity();
    let endpoint = server.endpoint();
    for (credentials, expected) in
        [(None, "needs a password"), (Some(Credentials::password("wrong-horse-battery")), "wrong password")]
    {
        let options = ConnectOptions::default().credentials(credentials);
        let error = Connection::open(&connector, &endpoint, &options, soon()).await.unwrap_err();
        assert!(error.to_string().contains(expected) && !error.to_string().contains("horse"), "{error}");
    }
    let options = ConnectOptions::default().credentials(server.credentials());
    let mut connection = Connection::open(&connector, &endpoint, &options, soon()).await.unwrap();

    // Small and large at once: every reply repeats what its command sent.
    let texts: Vec<String> = (0..4000_usize)
        .map(|number| format!("{number}-{}", "x".repeat(if number % 100 == 0 { 300_000 } else { 500 })))
        .collect();
    assert!(texts.iter().map(String::len).sum::<usize>() > 12 << 20);
    let commands: Vec<Command> = texts.iter().map(|text| Command::new("ECHO").arg(text.as_str())).collect();
    let replies = connection.pipeline(&commands, soon()).await.unwrap();
    assert_eq!(replies.len(), texts.len());
    for (reply, text) in replies.iter().zip(&texts) {
        assert_eq!(reply.as_ref().unwrap().as_str().unwrap(), text);
    }
    assert_eq!(ask(&mut connection, "GET nothing").await.unwrap(), Value::Nil);
}

#[test]
fn the_text_that_is_wrong_is_named() {
    let setting = Setting::new();
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let ca = read(&setting.authority.ca());
    let certificate = read(&setting.client.certificate);
    let made = |key: &str| {
        TlsOptions::from_pem(ca.as_bytes(), Some((certificate.as_bytes(), &key.into()))).unwrap_err()
    };
    assert_eq!(made(&read(&setting.server.key)), TlsError::Key(PemFault::Mismatch));
    assert_eq!(made(&certificate), TlsError::Key(PemFault::NoKey));
    let key = read(&setting.client.key);
    let swapped = TlsOptions::from_pem(ca.as_bytes(), Some((key.as_bytes(), &key.as_str().into())));
    assert_eq!(swapped.unwrap_err(), TlsError::Certificate(PemFault::NoCertificate));
    let garbled = made(&key.replace("MIG", "MIH"));
    assert!(matches!(garbled, TlsError::Key(_)), "{garbled}");
    let shown = format!("{:?}", trusting(&setting.authority, Some(&setting.client)));
    assert_eq!(shown, "TlsOptions { has_identity: true, .. }");
}

/// Three primaries that speak only TLS, made by `redis-cli`. Each announces a name of its own.
fn cluster(setting: &Setting, own: &Issued) -> Vec<Server> {
    let mut servers: Vec<Server> = ["a", "b", "c"]
        .iter()
        .map(|name| format!("cluster-announce-hostname {name}.nodes.example"))
        .map(|line| Options::cluster().directive(&line).tls(&setting.authority, own).start())
        .collect();
    servers.sort_by_key(Server::port);
    let mut command = Process::new("redis-cli");
    command.arg("--tls").arg("--cacert").arg(setting.authority.ca());
    command.arg("--cert").arg(&setting.client.certificate).arg("--key").arg(&setting.client.key);
    command.args(["--cluster", "create"]);
    command.args(servers.iter().map(|server| server.endpoint().to_string()));
    command.args(["--cluster-yes"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("[OK] All 16384 slots covered."), "{said}");
    servers
}

/// Runs the deployer: its exit status, and both outputs.
fn run(arguments: &[&str]) -> (i32, String) {
    let output = Process::new(slotwright()).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn the_deployer_looks_at_a_cluster_that_speaks_only_tls() {
    // Built before anything waits for what it says.
    slotwright();
    let setting = Setting::new();
    let own = setting.authority.issue("node", &["IP:127.0.0.1", "DNS:*.nodes.example"]);
    let servers = cluster(&setting, &own);
    let seed = servers[0].endpoint().to_string();
    let nodes = servers[0].ask("CLUSTER NODES").await.into_string().unwrap();
    println!("{nodes}");
    for server in &servers {
        assert!(
            nodes.contains(&format!(" 127.0.0.1:{0}@{1},", server.port(), server.port() + 10_000)),
            "{nodes}"
        );
    }

    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (ca, certificate, key) =
        (path(&setting.authority.ca()), path(&setting.client.certificate), path(&setting.client.key));
    let full = ["--tls-ca", &ca, "--tls-cert", &certificate, "--tls-key", &key];
    let with =
        |command: &'static str, more: &[&str]| run(&[[command, "--seed", &seed].as_slice(), more].concat());
    until("the cluster is healthy", async || match with("check", &full) {
        (0, said) if said.contains("healthy. 3 shards, 3 nodes") => Ok(()),
        other => Err(other),
    })
    .await;
    let (code, said) = with("status", &full);
    println!("{said}");
    assert!(code == 0 && said.contains("3 shards, 3 nodes"), "{said}");
    // One name for all.
    let fixed = [full.as_slice(), &["--tls-server-name", "any.nodes.example"]].concat();
    assert_eq!(with("check", &fixed).0, 0);

    let other = [full.as_slice(), &["--tls-server-name", "elsewhere.example"]].concat();
    let not_a_name = [full.as_slice(), &["--tls-server-name", "two words"]].concat();
    let nothing = path(&setting.folder.path().join("nothing"));
    let cases: [(&[&str], i32, &str); 8] = [
        (&full[..2], 1, "requires a client certificate"),
        (&[], 1, "TLS"),
        (&other, 1, "not valid for elsewhere.example"),
        (&not_a_name, 2, "--tls-server-name: `two words` cannot be the name"),
        (&["--tls-ca", &key], 2, "client.key: CA certificates: there is none in it"),
        (&["--tls-ca", &nothing], 2, "name another file with --tls-ca"),
        (&full[..4], 2, "--tls-key"),
        (&full[2..], 2, "--tls-ca"),
    ];
    for (options, expected, text) in cases {
        let (code, said) = with("check", options);
        println!("{options:?}: {said}");
        assert!(code == expected && said.contains(text), "{options:?}: {code}, {said}");
    }
    let (code, said) = run(&["check", "--tls-ca", &ca]);
    assert!(code == 2 && said.contains("--seed"), "{said}");
}
