//! Connections to pods that the API server forwards, to real servers: many at once, much on each, and each way they end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    io,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Client,
    api::{Api, DeleteParams},
};
use serde_json::json;
use slotwright_kube::apply::{Applier, Error, Forward, Stage};
use slotwright_machine::Machine;
use slotwright_tests::kube::{
    IMAGE, Kubernetes,
    applied::{self, LABEL, applier, config, done, impersonating, namespace, objects, pod, stateful_set},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, sink, split},
    runtime::Handle,
    time::timeout,
};

const PORT: u16 = 6379;
const MEGABYTES: usize = 20;
const ROUNDS: usize = 4;
/// Connections to the API server that wait for the next request: hyper opens one while it waits for another, takes
/// the first that comes, and keeps the other. One for each of the clients here.
const IDLE: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_forwarded_and_end() {
    let kubernetes = Kubernetes::start();
    let config = config(&kubernetes.kubeconfig()).await;
    let client = Client::try_from(config.clone()).unwrap();
    let stranger = applier(&impersonating(&config, "stranger"), Machine::default());
    let applier = applied::applier(&config, Machine::default());
    // A server whose clients may be as slow as they like.
    let mut server = pod(IMAGE);
    let options = "--save '' --protected-mode no --client-output-buffer-limit 'normal 0 0 0'";
    server["containers"][0]["command"] = json!(["/bin/sh", "-c", format!("exec redis-server {options}")]);
    done(&applier, &objects([namespace("forward"), stateful_set("forward", "a", &server)])).await;
    applier.await_pods("forward", LABEL, 1, Stage::Ready, PATIENCE, &mut |_| {}).await.unwrap();
    let tasks = Handle::current().metrics().num_alive_tasks();

    // What leaves one task behind leaves one a round.
    for _ in 0..ROUNDS {
        what_is_sent_comes_back(&applier).await;
        many_at_once(&applier).await;
        much_both_ways(&applier).await;
        dropped_under_way(&applier).await;
        ended_by_the_server(&applier).await;
        nobody_listens(&applier).await;
        not_to_be_opened(&applier, &stranger).await;
    }
    tasks_end(tasks).await;
    the_pod_goes(&client, &applier).await;
    tasks_end(tasks).await;
    kubernetes.down();
}

async fn open(applier: &Applier) -> Forward {
    applier.forward("forward", "a-0", PORT).await.unwrap()
}

async fn ask(stream: &mut Forward, command: &str) -> io::Result<String> {
    stream.write_all(command.as_bytes()).await?;
    let mut answer = [0; 4096];
    let read = timeout(PATIENCE, stream.read(&mut answer)).await.expect("an answer")?;
    Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
}

async fn what_is_sent_comes_back(applier: &Applier) {
    let mut stream = open(applier).await;
    assert_eq!(ask(&mut stream, "PING\r\n").await.unwrap(), "+PONG\r\n");
    assert_eq!(ask(&mut stream, "ECHO hi\r\n").await.unwrap(), "$2\r\nhi\r\n");
    let shown = format!("{stream:?}");
    assert!(shown.contains("Pod forward/a-0 port 6379"), "{shown}");
}

async fn many_at_once(applier: &Applier) {
    let begun = Instant::now();
    let mut streams = try_join_all((0..50).map(|_| applier.forward("forward", "a-0", PORT))).await.unwrap();
    let asked = streams.iter_mut().map(|stream| ask(stream, "PING\r\n"));
    assert!(try_join_all(asked).await.unwrap().iter().all(|answer| answer == "+PONG\r\n"));
    println!("50 forwards: {:?}", begun.elapsed());
}

/// Not more than the server is told at once is in memory anywhere: each side reads while it writes.
async fn much_both_ways(applier: &Applier) {
    let begun = Instant::now();
    let value = vec![b'x'; 1 << 20];
    let (mut read, mut write) = split(open(applier).await);
    let sent = async {
        for _ in 0..MEGABYTES {
            write.write_all(format!("*2\r\n$4\r\nECHO\r\n${}\r\n", value.len()).as_bytes()).await?;
            write.write_all(&value).await?;
            write.write_all(b"\r\n").await?;
        }
        write.flush().await
    };
    let received = async {
        let mut left = MEGABYTES * ("$1048576\r\n\r\n".len() + value.len());
        let (mut buffer, mut values) = (vec![0; 1 << 16], 0);
        while left > 0 {
            let read = read.read(&mut buffer).await?;
            assert_ne!(read, 0, "{left} bytes are missing");
            values += buffer[..read].iter().filter(|byte| **byte == b'x').count();
            left -= read;
        }
        io::Result::Ok(values)
    };
    let both = async { tokio::try_join!(sent, received) };
    let ((), values) = timeout(PATIENCE, both).await.expect("in time").unwrap();
    assert_eq!(values, MEGABYTES << 20);
    println!("{MEGABYTES} MiB both ways: {:?}", begun.elapsed());
}

/// Answers of 64 MiB will be on their way.
async fn ask_for_much(stream: &mut Forward) {
    let value = "x".repeat(1 << 20);
    let set = format!("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n${}\r\n{value}\r\n", value.len());
    stream.write_all(set.as_bytes()).await.unwrap();
    stream.write_all("GET big\r\n".repeat(64).as_bytes()).await.unwrap();
}

/// A stream that is dropped while much is on its way, in both directions, leaves nothing behind.
async fn dropped_under_way(applier: &Applier) {
    for read_some in [false, true] {
        let mut stream = open(applier).await;
        ask_for_much(&mut stream).await;
        if read_some {
            let mut some = vec![0; 1 << 16];
            stream.read_exact(&mut some).await.unwrap();
        }
    }
    assert_eq!(ask(&mut open(applier).await, "DEL big\r\n").await.unwrap(), ":1\r\n");
}

async fn ended_by_the_server(applier: &Applier) {
    let mut stream = open(applier).await;
    assert_eq!(ask(&mut stream, "QUIT\r\n").await.unwrap(), "+OK\r\n");
    // A plain end: no error, and the same when asked again.
    for _ in 0..2 {
        let read = timeout(PATIENCE, stream.read(&mut [0; 16])).await.expect("in time").unwrap();
        assert_eq!(read, 0);
    }
}

async fn nobody_listens(applier: &Applier) {
    let mut stream = applier.forward("forward", "a-0", 6380).await.unwrap();
    let error = ask(&mut stream, "PING\r\n").await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("forward to Pod forward/a-0 port 6380: "), "{text}");
    assert!(text.contains("refused"), "{text}");
    println!("{text}");
    // Reading alone, too.
    let mut stream = applier.forward("forward", "a-0", 6380).await.unwrap();
    let error = timeout(PATIENCE, copy(&mut stream, &mut sink())).await.expect("in time").unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}

async fn not_to_be_opened(applier: &Applier, stranger: &Applier) {
    let error = applier.forward("forward", "a-1", PORT).await.unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("Pod forward/a-1 port 6379"), "{error}");
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    let error = stranger.forward("forward", "a-0", PORT).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }), "{error}");
    assert!(error.to_string().contains("pods/portforward"), "{error}");
}

async fn the_pod_goes(client: &Client, applier: &Applier) {
    let (mut idle, mut busy) = (open(applier).await, open(applier).await);
    ask_for_much(&mut busy).await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), "forward");
    pods.delete("a-0", &DeleteParams::default()).await.unwrap();
    for stream in [&mut idle, &mut busy] {
        let ended = timeout(PATIENCE, copy(stream, &mut sink())).await.expect("in time");
        println!("{ended:?}");
    }
}

/// No task is left of what was forwarded.
async fn tasks_end(before: usize) {
    let begun = Instant::now();
    while Handle::current().metrics().num_alive_tasks() > before + IDLE {
        let now = Handle::current().metrics().num_alive_tasks();
        assert!(begun.elapsed() < PATIENCE, "there were {before} tasks, and there are {now}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("tasks end after {:?}", begun.elapsed());
}
