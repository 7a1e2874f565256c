//! The scripts of a pod against real servers: what they start, what the probes answer in each state, what is handed over.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{fs, path::Path, process::Command};

use rustix::process::Signal;
use slotwright_deploy::Stamp;
use slotwright_kube::{Access, Blueprint, Engine, IMAGE_PROGRAMS, SecretValue, Tls, Wanted, image_check};
use slotwright_tests::{
    certificates::Authority,
    kube::scripts::{ID, Pod, parses},
    server::folder,
    wait::until_blocking,
};

/// All that a shell or a redis.conf could trip over.
const PASSWORD: &str = "$(touch pwned) `id` \"quoted\" 'single' \\back\\ %s #é";

fn wanted() -> Wanted {
    let id = SecretValue::new(ID);
    let mut wanted = Wanted::new("sessions", "shop", "docker.io/library/redis:7.0.15".parse().unwrap(), id);
    wanted.access = SecretValue::new(PASSWORD).into();
    // The first copy of a replica otherwise waits five seconds for more replicas.
    wanted.settings.set("repl-diskless-sync-delay", "0").unwrap();
    wanted
}

fn blueprint() -> Blueprint {
    wanted().check().unwrap()
}

/// One shard of a primary and a replica, whole.
fn shard(blueprint: &Blueprint, shell: &'static str) -> [Pod; 2] {
    let mut pods = ["sessions-0", "sessions-1"].map(|name| Pod::new(blueprint, name, shell));
    for pod in &mut pods {
        pod.start();
    }
    let [primary, replica] = &pods;
    assert_eq!(primary.ask("CLUSTER ADDSLOTSRANGE 0 16383"), "OK");
    // A primary takes no writes for its first two seconds, and only then says that all is well.
    primary.until("CLUSTER INFO", "cluster_state:ok");
    let meet = format!("CLUSTER MEET 127.0.0.1 {} {}", primary.port(), primary.port() + 10_000);
    assert_eq!(replica.ask(&meet), "OK");
    replica.until("CLUSTER NODES", "0-16383");
    assert_eq!(replica.ask(&format!("CLUSTER REPLICATE {}", primary.ask("CLUSTER MYID"))), "OK");
    replica.until("INFO replication", "master_link_status:up");
    primary.until("INFO replication", "state=online");
    assert_eq!(primary.ask("SET key value"), "OK");
    pods
}

#[test]
fn scripts_are_sh_and_call_only_what_an_image_must_have() {
    let folder = folder();
    let scripts = slotwright_kube::objects::scripts(&blueprint()).data.unwrap();
    for (name, text) in &scripts {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        for shell in [&["sh"][..], &["bash", "--posix"]] {
            parses(shell, &file);
        }
        assert!(!text.contains("<<"), "{name}: bash keeps a here-document in a file");
    }
    // With nothing on the path but those programs, every script still does its work: the tests below would not notice a
    // program that this machine has and an image lacks.
    let programs = folder.path().join("bin");
    fs::create_dir(&programs).unwrap();
    for program in IMAGE_PROGRAMS.into_iter().chain(["redis-server", "redis-cli", "sh"]) {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|folder| folder.join(program))
            .find(|file| file.is_file());
        std::os::unix::fs::symlink(found.unwrap(), programs.join(program)).unwrap();
    }
    let path = programs.to_str().unwrap();
    let check = |path: &str, engine| {
        let output =
            Command::new("/bin/sh").args(["-c", &image_check(engine)]).env("PATH", path).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(check(path, Engine::Redis), (true, String::new()));
    assert_eq!(check(path, Engine::Valkey).1, "the image lacks valkey-server valkey-cli\n");
    let (good, said) = check("/nonexistent", Engine::Redis);
    assert!(!good && said.contains("redis-cli cat date mv sleep timeout"), "{said}");

    let mut pod = Pod::new(&blueprint(), "sessions-0", "/bin/sh");
    pod.set("PATH", path);
    pod.start();
    assert_eq!(pod.probes(), [true, false, true]);
    pod.ask("CLUSTER ADDSLOTSRANGE 0 16383");
    pod.pre_stop(5);
    assert!(pod.said().contains("no replica is connected"), "{}", pod.said());
}

#[test]
fn the_start_writes_what_the_server_needs_and_keeps_the_password_out_of_sight() {
    for shell in ["sh", "bash"] {
        let mut wanted = wanted();
        wanted.settings.set("user", "app on >secret ~app:* +@read").unwrap();
        let mut pod = Pod::new(&wanted.check().unwrap(), "sessions-0", shell);
        pod.start();
        // The deployer reads the stamp the script wrote.
        let stamp: Stamp = fs::read_to_string(pod.path("data/slotwright.json")).unwrap().parse().unwrap();
        assert_eq!((stamp.name.as_str(), stamp.node.as_str()), ("sessions", "sessions-0"));
        assert_eq!(fs::read_to_string(pod.path("data/slotwright.json")).unwrap(), stamp.to_text());
        assert_eq!(stamp.deployment.to_string(), ID);

        assert_eq!(pod.ask("PING"), "PONG");
        assert_eq!(pod.ask("CONFIG GET requirepass"), format!("requirepass\n{PASSWORD}"));
        assert_eq!(pod.ask("CONFIG GET masterauth"), format!("masterauth\n{PASSWORD}"));
        assert!(pod.ask("ACL LIST").contains("user app on"));
        let nodes = pod.ask("CLUSTER NODES");
        let address = format!(
            "127.0.0.1:{}@{},sessions-0.nodes.shop.svc.cluster.local",
            pod.port(),
            pod.port() + 10_000
        );
        assert!(nodes.contains(&address), "{nodes}");
        assert_eq!(pod.ask("CONFIG REWRITE"), "OK");
        assert!(
            fs::read_to_string(pod.path("etc/redis.conf")).unwrap().starts_with("# Written"),
            "the original stays"
        );

        // At the next start the pod has another address.
        pod.stop();
        pod.set("SLOTWRIGHT_ANNOUNCE_IP", "127.0.0.2");
        pod.start();
        assert_eq!(pod.ask("CONFIG GET cluster-announce-ip"), "cluster-announce-ip\n127.0.0.2");
        assert_eq!(pod.probe("live"), Ok(()));

        let command_line = fs::read_to_string(format!("/proc/{}/cmdline", pod.pid())).unwrap();
        assert!(command_line.contains("redis-server") && !command_line.contains("quoted"), "{command_line}");
        assert!(
            pod.arguments().contains("redis.sock") && !pod.arguments().contains("quoted"),
            "{}",
            pod.arguments()
        );
        assert!(!pod.log().contains("quoted"), "{}", pod.log());
        assert!(!Path::new("pwned").exists());
    }
}

#[test]
fn an_acl_file_comes_with_the_default_user_and_can_be_saved() {
    let access = |users: &str| Access::Password {
        password: SecretValue::new("pass>word"),
        users: Some(SecretValue::new(users)),
    };
    let mut wanted = wanted();
    wanted.access = access("user app on >secret ~app:* +@read\n");
    let mut pod = Pod::new(&wanted.clone().check().unwrap(), "sessions-0", "sh");
    pod.start();
    assert_eq!(pod.ask("ACL WHOAMI"), "default");
    assert!(pod.ask("ACL LIST").contains("user app on"));
    assert_eq!(pod.ask("ACL SAVE"), "OK");
    pod.stop();
    // A Secret that somebody else wrote is seen by the script alone.
    for (users, password, told) in [
        ("user app on\nuser default off\n", "x", "leave it out"),
        ("user default\toff", "x", "leave it out"),
        ("user app on", "two words", "white space"),
        ("user app on", "two\nlines", "more than one line"),
        ("user app on", "", "is empty"),
    ] {
        fs::write(pod.path("secrets/users.acl"), users).unwrap();
        fs::write(pod.path("secrets/password"), password).unwrap();
        assert!(pod.refused().contains(told), "{}", pod.refused());
    }
}

#[test]
fn a_volume_of_another_node_is_refused() {
    let mut pod = Pod::new(&blueprint(), "sessions-0", "sh");
    pod.start();
    pod.stop();
    let cases = [
        ("SLOTWRIGHT_NODE", "sessions-1", "belongs to another node or deployment"),
        ("SLOTWRIGHT_DEPLOYMENT", "carts", "belongs to another node or deployment"),
        (
            "SLOTWRIGHT_DEPLOYMENT_ID",
            "ffffffffffffffffffffffffffffffff",
            "put the id of the volume back into it",
        ),
        ("SLOTWRIGHT_DEPLOYMENT_ID", "", "missing"),
        ("SLOTWRIGHT_DEPLOYMENT_ID", "0123", "not 32"),
        ("SLOTWRIGHT_ANNOUNCE_IP", "", "no address yet"),
        ("SLOTWRIGHT_ANNOUNCE_IP", "$(SESSIONS_0_SERVICE_HOST)", "no cluster address yet"),
    ];
    let sound = [
        ("SLOTWRIGHT_NODE", "sessions-0"),
        ("SLOTWRIGHT_DEPLOYMENT", "sessions"),
        ("SLOTWRIGHT_DEPLOYMENT_ID", ID),
        ("SLOTWRIGHT_ANNOUNCE_IP", "127.0.0.1"),
    ];
    for (variable, value, told) in cases {
        pod.set(variable, value);
        assert!(pod.refused().contains(told), "{}", pod.refused());
        for (variable, value) in sound {
            pod.set(variable, value);
        }
    }
    // Data that nobody signed, as of an uncorrected tutorial.
    fs::remove_file(pod.path("data/slotwright.json")).unwrap();
    let told = pod.refused();
    assert!(told.contains("nodes.conf") && told.contains(ID), "{told}");
    // A start that was killed while it signed an empty volume.
    for name in ["nodes.conf", "dump.rdb", "appendonlydir"] {
        let file = pod.path("data").join(name);
        fs::remove_file(&file).or_else(|_| fs::remove_dir_all(&file)).unwrap();
    }
    fs::write(pod.path("data/slotwright.json.new"), "{").unwrap();
    pod.start();
    assert_eq!(pod.ask("PING"), "PONG");
}

#[test]
fn probes_tell_the_states_of_a_node_apart() {
    let [mut primary, replica] = shard(&blueprint(), "sh");
    // startup, ready, live
    replica.until("CLUSTER INFO", "cluster_state:ok");
    assert_eq!(primary.probes(), [true, true, true], "{:?}", primary.probe("ready"));
    assert_eq!(replica.probes(), [true, true, true], "{:?}", replica.probe("ready"));

    // A secret that has changed, before the server was told.
    fs::write(primary.path("secrets/password"), "another").unwrap();
    assert_eq!(primary.probes(), [true, true, true]);
    fs::remove_file(primary.path("run/password")).unwrap();
    assert_eq!(primary.probes(), [false, false, true], "one that answers NOAUTH is alive");
    fs::write(primary.path("run/password"), PASSWORD).unwrap();

    // Its primary is gone: alive, but what it holds grows old.
    assert_eq!(primary.ask("CONFIG SET cluster-node-timeout 60000"), "OK");
    assert_eq!(replica.ask("CONFIG SET cluster-node-timeout 60000"), "OK");
    primary.stop();
    until_blocking("the replica notices", || match replica.probe("ready") {
        Err(why) if why.contains("without a link") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(replica.probes(), [true, false, true]);
    assert_eq!(primary.probes(), [false, false, false], "nothing runs");
    assert_eq!(primary.probe("live"), Err("does not answer".into()));
}

#[test]
fn a_node_that_loads_is_alive_and_not_more() {
    let mut wanted = wanted();
    wanted.settings.set("rdbcompression", "no").unwrap();
    let mut pod = Pod::new(&wanted.check().unwrap(), "sessions-0", "sh");
    pod.start();
    pod.ask("CLUSTER ADDSLOTSRANGE 0 16383");
    pod.until("CLUSTER INFO", "cluster_state:ok");
    for number in 0..200 {
        assert_eq!(pod.ask(&format!("SET key{number} {}", "v".repeat(1000))), "OK");
    }
    // A server answers while it loads a snapshot; of a log it executes a thousand commands first.
    pod.ask("BGREWRITEAOF");
    pod.until("INFO persistence", "aof_rewrite_in_progress:0");
    pod.until("INFO persistence", "aof_rewrite_scheduled:0");
    pod.stop();
    // 200 keys at 50 ms: longer than the probes take, whatever else the machine does.
    pod.configure("key-load-delay 50000\nloading-process-events-interval-bytes 1024\n");
    pod.start();
    assert_eq!(pod.probe("startup"), Err("loads its data".into()));
    assert_eq!(pod.probe("ready"), Err("loads its data".into()));
    assert_eq!(pod.probe("live"), Ok(()));
    // A stop in the middle has nothing to hand over and does not wait.
    pod.pre_stop(600);
    assert_eq!(pod.ask("CONFIG SET key-load-delay 0"), "OK");
    until_blocking("it is loaded", || pod.probe("startup"));
    assert_eq!(pod.ask("DBSIZE"), "200");
    until_blocking("it serves", || pod.probe("ready"));
}

#[test]
fn a_node_without_a_whole_cluster_is_alive_and_not_ready() {
    let mut pod = Pod::new(&blueprint(), "sessions-0", "bash");
    pod.start();
    assert_eq!(pod.probes(), [true, false, true], "not yet in a cluster");
    assert_eq!(pod.probe("ready"), Err("sees the cluster as not whole (cluster_state:fail)".into()));
    pod.ask("CLUSTER ADDSLOTSRANGE 0 16383");
    until_blocking("the cluster is whole", || pod.probe("ready"));
    pod.ask("CLUSTER DELSLOTS 7");
    until_blocking("a slot is missing", || pod.probe("ready").err().ok_or("ready"));
    assert_eq!(pod.probes(), [true, false, true]);

    // All clients it may have.
    assert_eq!(pod.ask("CONFIG SET maxclients 1"), "OK");
    let held = std::os::unix::net::UnixStream::connect(pod.path("run/redis.sock")).unwrap();
    until_blocking("it is full", || if pod.ask("PING") == "PONG" { Err("not yet") } else { Ok(()) });
    assert_eq!(pod.probe("live"), Ok(()), "full is not dead");
    drop(held);

    pod.signal(Signal::STOP);
    assert_eq!(pod.probes(), [false, false, false], "nothing answers");
    pod.signal(Signal::CONT);
    until_blocking("it answers again", || pod.probe("live"));
}

#[test]
fn a_primary_hands_its_slots_to_its_replica() {
    for shell in ["sh", "bash"] {
        let [mut primary, replica] = shard(&blueprint(), shell);
        primary.pre_stop(40);
        assert!(primary.said().contains("the slots are handed over"), "{}", primary.said());
        assert!(replica.ask("ROLE").starts_with("master"));
        primary.until("ROLE", "slave");
        assert_eq!(replica.ask("GET key"), "value");
        assert!(!primary.arguments().contains("quoted"), "{}", primary.arguments());
        // The one that has handed over has nothing more to hand over.
        let said = primary.said();
        primary.pre_stop(600);
        assert_eq!(primary.said(), said);
        primary.stop();
        assert_eq!(replica.ask("SET key other"), "OK");
    }
}

#[test]
fn a_hand_over_that_cannot_be_ends_all_the_same() {
    let [mut primary, mut replica] = shard(&blueprint(), "sh");
    // It is online as far as the primary knows, and does nothing.
    replica.signal(Signal::STOP);
    primary.pre_stop(3);
    assert!(primary.said().contains("the time is up"), "{}", primary.said());
    replica.signal(Signal::CONT);
    replica.kill();
    primary.until("INFO replication", "connected_slaves:0");
    primary.pre_stop(600);
    assert!(primary.said().contains("no replica is connected"), "{}", primary.said());
    primary.kill();
    primary.pre_stop(600);
}

#[test]
fn with_tls_probes_and_hand_over_work_alike() {
    let files = folder();
    let authority = Authority::new(files.path().join("authority"));
    let node = authority.issue("node", &["IP:127.0.0.1"]);
    let read = |file: &Path| fs::read_to_string(file).unwrap().into();
    let mut wanted = wanted();
    wanted.tls = Some(Tls::Content {
        ca: read(&authority.ca()),
        certificate: read(&node.certificate),
        key: read(&node.key),
    });
    let [primary, replica] = shard(&wanted.check().unwrap(), "sh");
    replica.until("CLUSTER INFO", "cluster_state:ok");
    assert_eq!((primary.probes(), replica.probes()), ([true; 3], [true; 3]));
    primary.pre_stop(40);
    assert!(primary.said().contains("the slots are handed over"), "{}", primary.said());
    assert_eq!(replica.ask("GET key"), "value");
}
