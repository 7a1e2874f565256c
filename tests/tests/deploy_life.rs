//! The life of a local deployment, through the deployer's binary: created, looked after, hurt, repaired, ended.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{process::Stdio, thread};

use slotwright_tests::{
    deployment::{Deployment, slotwright},
    outside,
    wait::until_blocking,
};

const KEYS: usize = 1_000;

/// The position of a node with this role, as the nodes see it.
fn position_of(deployment: &Deployment, primary: bool) -> usize {
    let ports = deployment.ports();
    let lines = outside::nodes(ports[0], deployment.password.as_deref()).unwrap();
    let line = lines.into_iter().find(|line| line.is_primary == primary).unwrap();
    ports.iter().position(|port| outside::Place::from(*port) == line.place).unwrap()
}

/// `up` after a mishap: it repairs, the cluster is whole, and every key is there.
#[track_caller]
fn repair(deployment: &Deployment, keys: &[&str]) {
    assert!(deployment.up(), "nothing was changed");
    whole(deployment, keys);
}

#[track_caller]
fn whole(deployment: &Deployment, keys: &[&str]) {
    deployment.judge().unwrap_or_else(|error| panic!("{error}\n{}", deployment.logs()));
    for prefix in keys {
        deployment
            .walker()
            .read_keys(prefix, KEYS)
            .unwrap_or_else(|error| panic!("{error}\n{}", deployment.logs()));
    }
}

#[test]
fn created_looked_at_and_ended() {
    let deployment = Deployment::new(3, 1);
    let plan = deployment.run(&["plan"]);
    plan.expect(0, &[]);
    assert!(plan.out.contains("3 shards"), "{plan:?}");
    assert!(deployment.snapshot().files.is_empty(), "plan changed something");

    let first = deployment.run(&["up"]);
    first.expect(0, &[]);
    assert!(first.out.contains("6 servers started"), "{first:?}");
    whole(&deployment, &[]);

    let before = deployment.snapshot();
    let second = deployment.run(&["up"]);
    second.expect(0, &[]);
    assert!(second.out.contains("nothing to do"), "{second:?}");
    assert_eq!(deployment.snapshot().servers, before.servers);
    assert!(!deployment.up());

    let check = deployment.run(&["check"]);
    check.expect(0, &[]);
    assert!(check.out.contains("healthy"), "{check:?}");
    let status = deployment.run(&["status", "--json"]).json();
    assert_eq!(status["healthy"], true);
    assert_eq!(status["shards"].as_array().unwrap().len(), 3);
    let plan = deployment.run(&["plan", "--json"]).json();
    assert_eq!(plan["start"].as_array().unwrap().len(), 0);

    deployment.walker().write_keys("a", KEYS).unwrap();
    deployment.run(&["down"]).expect(0, &[]);
    assert!(deployment.servers().is_empty(), "{:?}", deployment.servers());
    assert!(deployment.run(&["plan"]).out.contains("would start"));
    repair(&deployment, &["a"]);
    deployment.run(&["down", "--keep-data"]).expect(0, &[]);
    assert!(deployment.servers().is_empty());
    deployment.run(&["down", "--keep-data"]).expect(0, &[]);
    repair(&deployment, &["a"]);
    deployment.try_delete().unwrap();
    // Nothing to end is no mistake.
    deployment.run(&["down", "--delete-data"]).expect(0, &[]);
}

#[test]
fn any_node_may_be_killed() {
    let deployment = Deployment::with(3, 1, None, "  cluster-node-timeout: 2000");
    deployment.up();
    deployment.walker().write_keys("a", KEYS).unwrap();
    for position in 0..6 {
        deployment.kill(position);
        assert_eq!(deployment.run(&["check"]).code(), 4);
        repair(&deployment, &["a"]);
    }
    assert_eq!(deployment.run(&["check"]).code(), 0);
    // Nobody is left to take over: what stands in the logs counts. A server that waits for its disk answers before it
    // has written.
    for position in 0..6 {
        until_blocking("the log is written", || {
            let info = deployment.ask(position, &["INFO", "persistence"]);
            if info.contains("aof_buffer_length:0") { Ok(()) } else { Err(info) }
        });
    }
    for position in 0..6 {
        deployment.kill(position);
    }
    repair(&deployment, &["a"]);
    deployment.try_delete().unwrap();
}

/// Waits until a replica of the killed primary is primary, in the eyes of all that live.
fn await_take_over(deployment: &Deployment, killed: usize) {
    let ports = deployment.ports();
    until_blocking("a replica takes over", || {
        for port in
            ports.iter().enumerate().filter(|(position, _)| *position != killed).map(|(_, port)| *port)
        {
            let info = outside::ask(port, None, &["CLUSTER", "INFO"])?;
            let nodes = outside::ask(port, None, &["CLUSTER", "NODES"])?;
            let failed = nodes
                .lines()
                .any(|line| line.contains("master,fail ") && line.contains(&ports[killed].to_string()));
            let covers = info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384");
            if !failed || !covers {
                return Err(format!("port {port}: {nodes}"));
            }
        }
        Ok(())
    });
}

#[test]
fn a_primary_that_was_replaced_comes_back_as_replica() {
    let deployment = Deployment::with(3, 1, None, "  cluster-node-timeout: 2000");
    deployment.up();
    deployment.walker().write_keys("a", KEYS).unwrap();
    let killed = position_of(&deployment, true);
    let survivor = deployment.ports()[(killed + 1) % 6];
    deployment.kill(killed);
    await_take_over(&deployment, killed);
    outside::Walker::new(survivor, None).write_keys("b", KEYS).unwrap();
    repair(&deployment, &["a", "b"]);
    let role = deployment.ask(killed, &["INFO", "replication"]);
    assert!(role.contains("role:slave"), "{role}");
    deployment.try_delete().unwrap();
}

#[test]
fn a_primary_without_a_log_waits_for_its_replica() {
    let deployment = Deployment::with(3, 1, None, "  appendonly: no\n  save: \"\"");
    deployment.up();
    deployment.walker().write_keys("a", KEYS).unwrap();
    let killed = position_of(&deployment, true);
    deployment.kill(killed);
    let run = deployment.run(&["up"]);
    run.expect(0, &[]);
    whole(&deployment, &["a"]);
    let role = deployment.ask(killed, &["INFO", "replication"]);
    assert!(role.contains("role:slave"), "{role}\n{run:?}");
    deployment.try_delete().unwrap();
}

#[test]
fn two_deployers_never_act_at_once() {
    let deployment = Deployment::new(3, 1);
    let start = || {
        let mut command = deployment.command(slotwright());
        command.args(["up", "--spec"]).arg(deployment.spec()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let both = [start(), start(), start()];
    let ends: Vec<_> = both.map(|child| child.wait_with_output().unwrap()).into();
    let codes: Vec<Option<i32>> = ends.iter().map(|end| end.status.code()).collect();
    assert!(codes.contains(&Some(0)), "{ends:?}");
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 5))), "{ends:?}");
    for busy in ends.iter().filter(|end| end.status.code() == Some(5)) {
        let said = String::from_utf8_lossy(&busy.stderr);
        assert!(said.contains("another deployer is at work in"), "{said}");
    }
    whole(&deployment, &[]);
    assert_eq!(deployment.servers().len(), 6);
    assert!(!deployment.up());
    deployment.try_delete().unwrap();
}

#[test]
fn settings_follow_the_spec_and_a_short_time_out_is_found() {
    let deployment = Deployment::with(3, 0, None, "  maxmemory: 100mb");
    deployment.up();
    let before = deployment.servers();
    let value = |name: &str| -> Vec<String> {
        (0..3)
            .map(|position| {
                let mut talk = outside::Talk::to(deployment.ports()[position], None).unwrap();
                match talk.ask(&["CONFIG", "GET", name]).unwrap() {
                    outside::Reply::List(mut pair) => pair.pop().unwrap().text().unwrap(),
                    other => panic!("{other:?}"),
                }
            })
            .collect()
    };
    assert_eq!(value("maxmemory"), vec!["104857600"; 3]);
    deployment.write_spec(&deployment.spec_text("  maxmemory: 200mb"));
    let check = deployment.run(&["check"]);
    assert_eq!(check.code(), 4, "{check:?}");
    assert!(check.out.contains("maxmemory"), "{check:?}");
    assert!(deployment.up());
    assert_eq!(value("maxmemory"), vec!["209715200"; 3]);
    assert_eq!(deployment.servers(), before, "a restart was not needed");

    // What a run leaves that was killed while it formed the cluster.
    deployment.ask(1, &["CONFIG", "SET", "cluster-node-timeout", "500"]);
    let check = deployment.run(&["check", "--json"]);
    assert_eq!(check.code(), 4, "{check:?}");
    let findings = check.json()["findings"].clone();
    assert_eq!(findings[0]["kind"], "shortened-timeout", "{findings}");
    assert_eq!(findings[0]["severity"], "critical", "{findings}");
    assert!(deployment.up());
    assert_eq!(value("cluster-node-timeout"), vec!["5000"; 3]);
    assert_eq!(deployment.run(&["check"]).code(), 0);
    deployment.try_delete().unwrap();
}

#[test]
fn a_password_opens_everything_and_shows_nowhere() {
    let password = "only-the-nodes-know-93";
    let deployment = Deployment::with(3, 1, Some(password), "");
    let runs = [
        deployment.run(&["up", "-vv"]),
        deployment.run(&["up", "-vv"]),
        deployment.run(&["status", "--json", "-vv"]),
        deployment.run(&["check", "-vv"]),
        deployment.run(&["plan", "-vv"]),
    ];
    for run in &runs {
        assert_eq!(run.code(), 0, "{run:?}");
        assert!(!format!("{run:?}").contains(password), "the password was printed");
    }
    whole(&deployment, &[]);
    assert!(outside::ask(deployment.ports()[0], None, &["PING"]).unwrap_err().contains("NOAUTH"));
    for (process, folder) in deployment.servers() {
        let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap();
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap();
        for bytes in [line, environment] {
            assert!(
                !String::from_utf8_lossy(&bytes).contains(password),
                "a server was given the password openly"
            );
        }
        let log = std::fs::read_to_string(folder.join("server.log")).unwrap();
        assert!(!log.contains(password), "the password stands in a log");
    }
    for (path, told) in deployment.tree() {
        let private = told.starts_with("100600") || path.file_name().is_some_and(|name| name != "redis.conf");
        assert!(private, "{} is readable by others: {told}", path.display());
    }
    deployment.kill(0);
    repair(&deployment, &[]);
    deployment.try_delete().unwrap();
}

#[test]
fn many_lives_go_on_beside_each_other() {
    // Deployments of one machine do not touch each other.
    let both = [Deployment::new(1, 1), Deployment::new(1, 1)];
    thread::scope(|scope| {
        for deployment in &both {
            scope.spawn(|| deployment.up());
        }
    });
    both[0].try_delete().unwrap();
    both[1].judge().unwrap();
    both[1].try_delete().unwrap();
}
