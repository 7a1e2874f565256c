//! Machines as clients: the kernel's NFS client on exports of Ganesha, mounted as rendered, with a real Redis on one.

use std::{fs, time::Instant};

use slotwright_tests::{
    nfs::vm::{HOST, Machine, Root},
    ports::Ports,
};

use crate::{
    ganesha::{Ganesha, LEASE},
    redis::{self, Writer},
};

/// Times that Redis may be refused the lock of a dead client before a test gives up; between two lies a second.
const REFUSALS: usize = 120;

/// Mounts every export at `/mnt/<name>` with the command that `slotwright exports render` gives.
fn mount_all(machine: &mut Machine, server: &Ganesha) {
    for (name, command) in server.mount_commands() {
        let command = command.strip_suffix(" /mnt").unwrap();
        machine.ok(&format!("mkdir /mnt/{name} && {command} /mnt/{name}"));
    }
}

#[test]
fn redis_on_a_mount_as_rendered_loses_no_acknowledged_write_whoever_dies() {
    let mut server = Ganesha::start(HOST);
    let mut root = Root::client();
    redis::add(&mut root);
    let ports = Ports::reserve(2);
    let boot = |name: &str, port: u16| Machine::new(name).forward(port, redis::PORT).boot(&root);
    let (first_port, second_port) = (ports.first(), ports.first() + 1);
    let (mut first, mut second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| boot("first", first_port));
        let second = boot("second", second_port);
        (first.join().unwrap(), second)
    });

    // Every export can be written by whoever the pods run as, and by nobody as root.
    mount_all(&mut first, &server);
    let mounts = first.ok("grep ' nfs4 ' /proc/mounts");
    assert_eq!(mounts.lines().count(), 6, "{mounts}");
    for line in mounts.lines() {
        for option in ["vers=4.1", ",hard,", "noatime"] {
            assert!(line.contains(option), "{option}: {line}");
        }
    }
    for (name, _) in server.mount_commands() {
        first.ok_as(
            "redis",
            &format!(
                "cd /mnt/{name} && echo 'on {name}' >new && sync new && mv new kept && echo more >>kept && cat kept"
            ),
        );
        let there = fs::read_to_string(server.directory(&name).join("kept")).unwrap();
        assert_eq!(there, format!("on {name}\nmore\n"));
        let owner = first.ok(&format!("touch /mnt/{name}/by-root && stat -c %u:%g /mnt/{name}/by-root"));
        assert_eq!(owner, "999:999\n");
    }

    // Redis is killed, then the server, while keys are written.
    redis::configure(&mut first, "/mnt/pv1");
    redis::start(&mut first).unwrap();
    first.ok("redis-cli cluster addslotsrange 0 16383");
    redis::await_cluster(&mut first);
    let identity = node_id(&server);
    let writer = Writer::new(first_port);
    writer.await_more(200);
    // What a client uses is not taken away, and what nobody uses is; Redis does not notice.
    server.exports(&["remove", "pv1"]).expect(3, &["pv1", "in use", "--even-if-used pv1"]);
    server.exports(&["remove", "pv6"]).shows(0, &["serve it no more"]);
    server.exports(&["apply"]).shows(0, &["pv6"]);
    writer.await_more(200);
    redis::kill(&mut first);
    redis::start(&mut first).expect("the kernel gives a dead process's lock back at once");
    writer.await_more(200);
    server.kill();
    let before = Instant::now();
    server.start_again();
    writer.await_more(200);
    eprintln!("the NFS server was killed and started again; writes went on after {:?}", before.elapsed());
    assert_eq!(first.ok("pidof redis-server | wc -w"), "1\n", "Redis itself went on running");

    // While the first machine lives, the second gets no lock: also not after the server's restart.
    mount_all(&mut second, &server);
    redis::configure(&mut second, "/mnt/pv1");
    let refused = redis::start(&mut second).unwrap_err();
    assert!(refused.contains(redis::LOCKED), "{refused}");
    writer.await_more(200);

    // The first machine is switched off. Its lock goes when its lease does, and nothing is done to hasten that.
    first.kill();
    let dead = Instant::now();
    let mut refusals = 0;
    while let Err(log) = redis::start(&mut second) {
        assert!(log.contains(redis::LOCKED), "{log}");
        refusals += 1;
        assert!(refusals < REFUSALS, "the lock of a dead client is never given back");
        second.ok("sleep 1");
    }
    eprintln!(
        "the machine was switched off while Redis held its lock on nodes.conf. The server keeps that lock until the \
         lease of {LEASE} s ends: Redis was refused {refusals} times, and started after {:?}",
        dead.elapsed()
    );
    let acknowledged = writer.stop();
    assert_eq!(node_id(&server), identity, "the node is still who it was");
    redis::await_cluster(&mut second);
    redis::check(second_port, &acknowledged);
    eprintln!("all {} acknowledged writes are there", acknowledged.len());
}

/// Whom `nodes.conf` calls itself.
fn node_id(server: &Ganesha) -> String {
    let text = fs::read_to_string(server.directory("pv1").join("nodes.conf")).unwrap();
    let line = text.lines().find(|line| line.contains("myself")).unwrap();
    line.split(' ').next().unwrap().to_owned()
}
