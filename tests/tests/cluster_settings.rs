//! The table of settings against a real server: every default it prints is canonical, and what the table calls live
//! is what `CONFIG SET` accepts.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use slotwright_client::{Argument, Command, Connection};
use slotwright_cluster::{
    Reply, Settings,
    settings::{Kind, Owner, Setting, all, canonical, same_value},
};
use slotwright_tests::server::{Options, soon};

/// What the server replied; the text of an error reply as the error.
async fn ask<A: Argument + Clone>(connection: &mut Connection, words: &[A]) -> Result<Reply, String> {
    let (name, arguments) = words.split_first().unwrap();
    let command = Command::new(name.clone()).args(arguments.iter().cloned());
    match connection.pipeline(&[command], soon()).await.unwrap().remove(0) {
        Ok(reply) => Ok(reply.into()),
        Err(error) => Err(error.to_string()),
    }
}

/// The texts of an array, or of a map's pairs one after the other.
fn texts(reply: &Reply) -> Vec<String> {
    let text = |reply: &Reply| reply.as_str().unwrap().to_owned();
    reply.pairs().unwrap().into_iter().flat_map(|(name, value)| [text(name), text(value)]).collect()
}

/// Names and values of a map.
fn pairs(reply: &Reply) -> Vec<(String, String)> {
    texts(reply).chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

#[tokio::test]
async fn the_table_agrees_with_a_server() {
    let server = Options::bare().start();
    let mut connection = server.connect().await;
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, value) in pairs(&ask(&mut connection, &["CONFIG", "GET", "*"]).await.unwrap()) {
        let Some(setting) = Setting::find(&name) else {
            println!("not in the table: {name} {value:?}");
            continue;
        };
        seen.insert(setting.name);
        if canonical(&name, &value).as_ref() != Ok(&value) {
            wrong.push(format!("{name}: prints {value:?}, canonical is {:?}", canonical(&name, &value)));
        }
        let live = match ask(&mut connection, &["CONFIG", "SET", &name, &value]).await {
            Ok(_) => true,
            Err(error) if error.contains("immutable") || error.contains("protected") => false,
            // TLS not built in, a socket that cannot be opened: the server would change it.
            Err(error) => {
                println!("{name}: {error}");
                setting.live
            }
        };
        if live != setting.live {
            wrong.push(format!("{name}: live is {live} on the server, {} in the table", setting.live));
        }
    }
    for setting in all().filter(|setting| !seen.contains(setting.name)) {
        println!("not on the server: {}", setting.name);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Values the table takes are taken by the server, and then print as the table says.
#[tokio::test]
async fn values_are_printed_as_the_table_says() {
    let server = Options::bare().start();
    let mut connection = server.connect().await;
    let cases = [
        ("maxmemory", "256mb"),
        ("maxmemory", "2G"),
        ("maxmemory-clients", "5%"),
        ("maxmemory-clients", "0%"),
        ("maxmemory-clients", "1Mb"),
        ("maxmemory-policy", "AllKeys-LRU"),
        ("appendfsync", "ALWAYS"),
        ("oom-score-adj", "relative"),
        ("oom-score-adj", "no"),
        ("oom-score-adj-values", "0  200 900"),
        ("shutdown-on-sigterm", "now default save"),
        ("save", "900 1  300 10"),
        ("save", ""),
        ("latency-tracking-info-percentiles", "50 99.90 100.0 0.123"),
        ("latency-tracking-info-percentiles", ""),
        ("notify-keyspace-events", "KEg$lshzxetd"),
        ("notify-keyspace-events", "EKmx"),
        ("notify-keyspace-events", "KEgn"),
        ("notify-keyspace-events", "AKEn"),
        ("notify-keyspace-events", ""),
        ("client-output-buffer-limit", "pubsub 1mb 1k 5 replica 3gb 0 0"),
        ("list-max-listpack-size", "-5"),
        ("hz", "500"),
        ("replica-priority", "0"),
        ("repl-backlog-size", "2mb"),
        ("proc-title-template", "{title} {port}"),
        ("cluster-announce-hostname", "db-1.example"),
    ];
    for (name, wanted) in cases {
        let sent = canonical(name, wanted).unwrap();
        ask(&mut connection, &["CONFIG", "SET", name, &sent])
            .await
            .unwrap_or_else(|error| panic!("{name} {wanted:?}: {error}"));
        let reply = texts(&ask(&mut connection, &["CONFIG", "GET", name]).await.unwrap());
        let running = &reply[1];
        assert!(same_value(name, wanted, running), "{name}: wanted {wanted:?}, prints {running:?}");
        if name != "client-output-buffer-limit" && wanted != "AKEn" {
            assert_eq!(canonical(name, wanted).as_ref(), Ok(running), "{name} {wanted:?}");
        }
    }
}

/// The ends of each range are taken, and one beyond is refused by both; settings the deployment owns are left alone.
#[tokio::test]
async fn ranges_end_where_the_server_ends_them() {
    let server = Options::bare().start();
    let mut connection = server.connect().await;
    let known: BTreeSet<String> = pairs(&ask(&mut connection, &["CONFIG", "GET", "*"]).await.unwrap())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    // Changing these has an effect the test could not survive, the server takes what it then clamps, or versions and
    // builds differ.
    let skipped = [
        "maxclients",
        "hz",
        "client-query-buffer-limit",
        "proto-max-bulk-len",
        "timeout",
        "maxmemory-samples",
        "activedefrag",
    ];
    let mut wrong = Vec::new();
    for setting in all().filter(|setting| {
        setting.live
            && setting.owner == Owner::User
            && known.contains(setting.name)
            && !skipped.contains(&setting.name)
    }) {
        let (good, bad): (Vec<String>, Vec<String>) = match setting.kind {
            Kind::Number { min, max, .. } => (
                vec![min.to_string(), max.to_string()],
                [min.checked_sub(1), max.checked_add(1)]
                    .into_iter()
                    .flatten()
                    .map(|n| n.to_string())
                    .collect(),
            ),
            Kind::Memory { min, .. } if min > 0 => (vec![min.to_string()], vec![(min - 1).to_string()]),
            Kind::Word(words) => (Vec::new(), vec![format!("{}x", words.concat())]),
            Kind::Flag => (vec!["no".to_owned(), "yes".to_owned()], vec!["maybe".to_owned()]),
            _ => continue,
        };
        let before = texts(&ask(&mut connection, &["CONFIG", "GET", setting.name]).await.unwrap()).remove(1);
        for (value, expected) in
            good.iter().map(|value| (value, true)).chain(bad.iter().map(|value| (value, false)))
        {
            let taken = ask(&mut connection, &["CONFIG", "SET", setting.name, value]).await;
            if taken.is_ok() != expected {
                wrong.push(format!("{} {value}: {taken:?}", setting.name));
            }
            assert_eq!(canonical(setting.name, value).is_ok(), expected, "{} {value}", setting.name);
        }
        ask(&mut connection, &["CONFIG", "SET", setting.name, &before]).await.unwrap();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A rendered file is read by the server as it was meant, quotes, escapes and all.
#[tokio::test]
async fn a_rendered_file_means_the_same_to_the_server() {
    let ident = "a \"b\" 'c' \\ \\x41 \t\n\r\u{7}\u{8}\u{1} # é \u{85}";
    let mut settings = Settings::new();
    for (name, value) in [("syslog-ident", ident), ("maxmemory", "64mb"), ("loglevel", "WARNING")] {
        settings.set(name, value).unwrap();
    }
    settings.set_lines("save", &["900 1", "300 10"]).unwrap();
    settings.set_lines("client-output-buffer-limit", &["replica 1mb 1mb 1", "pubsub 2mb 1mb 1"]).unwrap();
    let server = Options::bare().directive(&settings.render()).start();
    let mut connection = server.connect().await;
    for (name, wanted) in settings.iter() {
        let running = texts(&ask(&mut connection, &["CONFIG", "GET", name]).await.unwrap()).remove(1);
        assert!(same_value(name, &wanted, &running), "{name}: wanted {wanted:?}, prints {running:?}");
    }
}
