//! Verification over the wire against peers that are broken or hostile: it ends, tells what it saw, and touches nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{fs, net::SocketAddr, time::Duration};

use slotwright_nfs::wire::{Preflight, Report, StepName, Target, Version, exports, verify};
use slotwright_tests::{
    nfs::apart::{Directory, Ganesha, MOUNT_PORT, NFS_PORT, apart},
    random::Random,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const BOTH: [Version; 2] = [Version::V3, Version::V4_1];
const LAST: u32 = 1 << 31;
/// Longest a verification here may take, and still be no hang.
const HANG: Duration = Duration::from_secs(120);

fn target(version: Version, port: u16, mount_port: u16) -> Target {
    Target {
        host: "127.0.0.1".to_owned(),
        port,
        mount_port: Some(mount_port),
        version,
        path: "/data/pv1".to_owned(),
        uid: 999,
        gid: 999,
        privileged_port: false,
    }
}

fn hasty() -> Preflight {
    let (limit, call_limit) = (Duration::from_secs(3), Duration::from_millis(300));
    Preflight { appends: 5, limit, call_limit, read: vec!["nodes.conf".to_owned()] }
}

async fn report(target: &Target) -> Report {
    let report = tokio::time::timeout(HANG, verify(target, &hasty())).await.expect("it takes bounded time");
    assert_eq!(report.steps.iter().map(|step| step.name).collect::<Vec<_>>(), StepName::ALL);
    report
}

/// What a peer does with a call.
#[derive(Debug, Clone, Copy)]
enum Peer {
    /// Ends the connection at once.
    Closes,
    /// Says nothing.
    Silent,
    /// Sends bytes that are no reply.
    Garbage,
    /// Claims the longest record there can be, and sends some of it.
    HugeRecord,
    /// Sends fragments for ever, none of them the last, and all empty.
    EmptyFragments,
    /// Announces a reply, sends half of it and ends.
    HalfAReply,
    /// One byte now and then.
    Dribbles,
    /// Answers another call.
    WrongCall,
    /// A call, where a reply is due.
    CallsBack,
    /// A verifier as long as memory.
    HugeVerifier,
    /// A good reply, whose result is a length as long as memory, again and again.
    HugeResult,
    /// A good reply without a result.
    EmptyResult,
    /// Everything is well, and all there is to say is noughts.
    Noughts,
    /// "Come again later", for ever.
    AlwaysLater,
}

const PEERS: [Peer; 14] = [
    Peer::Closes,
    Peer::Silent,
    Peer::Garbage,
    Peer::HugeRecord,
    Peer::EmptyFragments,
    Peer::HalfAReply,
    Peer::Dribbles,
    Peer::WrongCall,
    Peer::CallsBack,
    Peer::HugeVerifier,
    Peer::HugeResult,
    Peer::EmptyResult,
    Peer::Noughts,
    Peer::AlwaysLater,
];

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A reply in one record: accepted, successful, and this result.
fn accepted(xid: u32, result: &[u32]) -> Vec<u8> {
    let body = [words(&[xid, 1, 0, 0, 0, 0]), words(result)].concat();
    [words(&[LAST | u32::try_from(body.len()).unwrap()]), body].concat()
}

impl Peer {
    async fn serve(self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut random = Random::new(7);
        loop {
            let length = stream.read_u32().await? & !LAST;
            let mut call = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut call).await?;
            let word = |index: usize| u32::from_be_bytes(call[4 * index..][..4].try_into().unwrap());
            let (xid, null) = (word(0), word(5) == 0);
            let reply = match self {
                Self::Closes => return Ok(()),
                Self::Silent => continue,
                Self::Garbage => random.bytes(4096),
                Self::HugeRecord => [words(&[u32::MAX]), random.bytes(4096)].concat(),
                Self::EmptyFragments => loop {
                    stream.write_all(&[0; 4096]).await?;
                },
                Self::HalfAReply => {
                    let whole = accepted(xid, &[0; 64]);
                    stream.write_all(&whole[..whole.len() / 2]).await?;
                    return Ok(());
                }
                Self::Dribbles => {
                    for byte in accepted(xid, &[0; 64]) {
                        stream.write_all(&[byte]).await?;
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    continue;
                }
                Self::WrongCall => accepted(!xid, &[]),
                Self::CallsBack => words(&[LAST | 40, xid, 0, 2, 100_003, 4, 1, 0, u32::MAX, 0, 0]),
                Self::HugeVerifier => words(&[LAST | 24, xid, 1, 0, 0, u32::MAX, 0]),
                // The first call asks only whether somebody is there.
                _ if null => accepted(xid, &[]),
                Self::HugeResult => accepted(xid, &[&[0][..], &[u32::MAX; 64]].concat()),
                Self::EmptyResult => accepted(xid, &[]),
                Self::Noughts => accepted(xid, &[0; 4096]),
                Self::AlwaysLater => accepted(xid, &[10008, 0, 0]),
            };
            stream.write_all(&reply).await?;
        }
    }
}

#[tokio::test]
async fn every_peer_ends_in_a_report() {
    for peer in PEERS {
        for version in BOTH {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let serving = tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(peer.serve(stream));
                }
            });
            let target = target(version, port, port);
            let report = report(&target).await;
            assert!(!report.passed(), "{peer:?}: {report:#?}");
            let codes: Vec<&str> = report.findings.iter().map(|finding| finding.code).collect();
            let known = ["connection-lost", "garbled-reply", "timeout", "server-busy", "refused"];
            assert!(known.contains(&codes[0]), "{peer:?}, {version}: {report:#?}");
            let listed =
                tokio::time::timeout(HANG, exports(&target, Duration::from_millis(200))).await.unwrap();
            // Noughts are a good list in NFSv3: nothing is exported.
            assert!(listed.is_err() || matches!(peer, Peer::Noughts), "{peer:?}, {version}: {listed:?}");
            serving.abort();
        }
    }
}

/// Hands everything on between a client and a server; of what the server says, a byte here and there is another.
async fn hand_on(client: TcpStream, server: SocketAddr, mut random: Random) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut quiet = random.below(4000);
    let mut buffer = [0; 4096];
    loop {
        let count = from_server.read(&mut buffer).await?;
        if count == 0 {
            asking.abort();
            return Ok(());
        }
        let bytes = &mut buffer[..count];
        let mut at = quiet;
        while at < bytes.len() {
            bytes[at] = match random.below(3) {
                0 => 0,
                1 => 0xff,
                _ => bytes[at] ^ (1 << random.below(8)),
            };
            at += 1 + random.below(4000);
        }
        quiet = at - bytes.len();
        to_client.write_all(bytes).await?;
    }
}

async fn proxy(server: u16, seed: u64) -> (u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let mut random = Random::new(seed);
        while let Ok((stream, _)) = listener.accept().await {
            let seed = random.number();
            tokio::spawn(hand_on(stream, SocketAddr::from(([127, 0, 0, 1], server)), Random::new(seed)));
        }
    });
    (port, serving)
}

#[test]
fn replies_that_are_damaged_on_the_way_end_in_a_report() {
    apart(async || {
        let server =
            Ganesha::start("3,4", "Graceless = true; Lease_Lifetime = 10;", &[Directory::new("pv1")]);
        let ours = server.directory("pv1").join("nodes.conf");
        fs::write(&ours, "kept").unwrap();
        let before = fs::metadata(&ours).unwrap().modified().unwrap();
        for round in 0..4 {
            let many = (0..16u64).map(|number| async move {
                let seed = round * 100 + number * 2;
                let (nfs, serving) = proxy(NFS_PORT, seed).await;
                let (mount, serving_mounts) = proxy(MOUNT_PORT, seed + 1).await;
                let version = BOTH[usize::try_from(number).unwrap() % 2];
                let report = report(&target(version, nfs, mount)).await;
                serving.abort();
                serving_mounts.abort();
                report.passed()
            });
            futures::future::join_all(many).await;
        }
        // Nothing but its own was touched, and the server is as good as before.
        assert_eq!(fs::read_to_string(&ours).unwrap(), "kept");
        assert_eq!(fs::metadata(&ours).unwrap().modified().unwrap(), before);
        let names = server.names("pv1");
        assert!(
            names.iter().all(|it| it == "nodes.conf" || it.starts_with(".slotwright-preflight-")),
            "{names:?}"
        );
        for version in BOTH {
            let report = verify(&target(version, NFS_PORT, MOUNT_PORT), &Preflight::default()).await;
            assert!(report.passed(), "{report:#?}");
        }
    });
}
