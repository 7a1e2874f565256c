//! What cannot be done is refused with one clear message and a documented exit status, and nothing is changed.
//!
//! Here: the spec, the command line and the machine. Whose nodes and data they are is the business of
//! `deploy_identity`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path, process::Command};

use slotwright_tests::{
    deployment::{Deployment, PASSWORD_VARIABLE, Run, run, slotwright, tree},
    outside,
    ports::Ports,
    program,
    server::{self, Options},
};

/// Runs the deployer, which must refuse with `code` and the `words`, say it once, and change nothing.
#[track_caller]
fn refused(deployment: &Deployment, words: &[&str], code: i32, told: &[&str]) -> Run {
    let before = deployment.snapshot();
    let run = deployment.run(words);
    run.expect(code, told);
    assert_eq!(run.err.matches("error:").count(), 1, "one message: {run:#?}");
    assert_eq!(deployment.snapshot(), before, "something was changed: {run:#?}");
    // The same for machines.
    let json = deployment.run(&[words, &["--json"]].concat());
    assert_eq!(json.code(), code, "{json:#?}");
    let text = json.json()["error"].as_str().unwrap().to_owned();
    // Processes of the machine may be named in another way the second time, words not.
    for word in told {
        assert!(text.contains(word), "{json:#?}");
    }
    run
}

#[test]
fn a_spec_that_cannot_work() {
    let deployment = Deployment::new(3, 1);
    let right = deployment.spec_text("");
    let port = deployment.ports()[0];
    let cases: Vec<(String, Vec<String>)> = vec![
        (right.replace("shards:", "shrads:"), vec!["line 2".into(), "did you mean `shards`?".into()]),
        (
            right.replace("data-directory", "data-directry"),
            vec!["line".into(), "did you mean `data-directory`?".into()],
        ),
        (right.replace("shards: 3", "shards: 0"), vec!["0 shards".into(), "take at least 1".into()]),
        (right.replace("shards: 3", "shards: many"), vec!["line 2, column 9".into()]),
        (right.replace("shards: 3\n", ""), vec!["shards".into(), "missing".into()]),
        (
            right.replace(&format!("ports: {port}"), &format!("ports: {port}-{}", port + 4)),
            vec![
                "local.ports".into(),
                "need 6 nodes, but there are 5 ports".into(),
                "fewer shards or replicas".into(),
            ],
        ),
        (
            right.replace("replicas-per-shard: 1", "replicas-per-shard: 400"),
            vec!["1203 nodes".into(), "at most 1000".into()],
        ),
        (right.replace(&format!("ports: {port}"), "ports: 60000"), vec!["60000".into(), "bus port".into()]),
        (right.replace("name: test", "name: my cluster"), vec!["name".into(), "`my cluster`".into()]),
        (deployment.spec_text("  maxmemry: 1gb"), vec!["maxmemry".into(), "maxmemory".into()]),
        (deployment.spec_text("  maxmemory: lots"), vec!["maxmemory".into(), "lots".into()]),
        (deployment.spec_text("  cluster-node-timeout: -1"), vec!["cluster-node-timeout".into()]),
        (deployment.spec_text("  port: 7000"), vec!["port".into()]),
        (
            deployment.spec_text("  requirepass: do-not-repeat-me"),
            vec!["requirepass".into(), "secret".into()],
        ),
        (right.clone() + "password: do-not-repeat-me\n", vec!["`env: NAME` or `file: PATH`".into()]),
        (
            format!("{right}password: {{ file: no-such-file }}\n"),
            vec!["no-such-file".into(), "password".into()],
        ),
        (right.clone() + "  - [", vec!["line".into()]),
        ("\u{0}\u{1}".to_owned(), vec!["spec.yaml".into()]),
        (String::new(), vec!["spec.yaml".into()]),
    ];
    for (text, told) in cases {
        deployment.write_spec(&text);
        let told: Vec<&str> = told.iter().map(String::as_str).chain(["spec.yaml"]).collect();
        for words in [&["up"][..], &["plan"], &["status"], &["check"], &["down", "--delete-data"]] {
            // Stopping processes takes no password.
            if text.contains("no-such-file") && words == ["down", "--delete-data"] {
                assert_eq!(deployment.run(words).code(), 0);
                continue;
            }
            // A password that cannot be read stops a run without the file's name: the variable or file is named.
            let told = if text.contains("no-such-file") { &told[..2] } else { &told[..] };
            let run = refused(&deployment, words, 2, told);
            assert!(!format!("{run:?}").contains("do-not-repeat-me"), "{run:#?}");
        }
    }
    fs::remove_file(deployment.spec()).unwrap();
    refused(&deployment, &["up"], 2, &["cannot read the spec", "spec.yaml", "--spec"]);
}

#[test]
fn a_command_line_that_makes_no_sense() {
    let deployment = Deployment::new(3, 0);
    for (words, told) in [
        (&["upp"][..], "unrecognized subcommand"),
        (&["up", "--bogus"], "--bogus"),
        (&["slot"], "KEY"),
        (&["down", "--keep-data", "--delete-data"], "cannot be used with"),
    ] {
        let run = run(deployment.command(slotwright()).args(words));
        run.expect(2, &[told]);
    }
    refused(
        &deployment,
        &["up", "--adopt", "node-1"],
        2,
        &["--adopt node-1", "no such node", &deployment.node_name(2)],
    );
    let seed = |words: &[&str]| run(deployment.command(slotwright()).args(words));
    let closed = Ports::reserve(1);
    let target = format!("127.0.0.1:{}", closed.first());
    seed(&["status", "--seed", &target]).expect(1, &[&target, "refused"]);
    seed(&["check", "--seed", &target]).expect(1, &[&target, "refused"]);
    seed(&["status", "--seed", "nonsense"]).expect(2, &["nonsense"]);
    seed(&["status", "--seed", &target, "--password-env", PASSWORD_VARIABLE])
        .expect(2, &[PASSWORD_VARIABLE, "not set"]);
}

#[test]
fn a_seed_that_is_no_cluster_node() {
    let seed = |words: &[&str]| run(Command::new(slotwright()).args(words));
    let alone = Options::standalone().start();
    let target = format!("127.0.0.1:{}", alone.port());
    seed(&["status", "--seed", &target]).expect(1, &[&target, "cluster"]);
    let secret = Options::cluster().password("right-one").start();
    let target = format!("127.0.0.1:{}", secret.port());
    seed(&["status", "--seed", &target]).expect(2, &[&target, "--password"]);
    let mut wrong = Command::new(slotwright());
    wrong.env(PASSWORD_VARIABLE, "wrong-one").args([
        "status",
        "--seed",
        &target,
        "--password-env",
        PASSWORD_VARIABLE,
    ]);
    let wrong = run(&mut wrong);
    wrong.expect(2, &[&target, "password"]);
    assert!(!format!("{wrong:?}").contains("wrong-one"));

    // Something that speaks another protocol.
    let ports = Ports::reserve(1);
    let listener = TcpListener::bind(("127.0.0.1", ports.first())).unwrap();
    let talker = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut some = [0; 16];
        let _ = stream.read(&mut some);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let target = format!("127.0.0.1:{}", ports.first());
    seed(&["status", "--seed", &target]).expect(1, &[&target, "Redis"]);
    talker.join().unwrap();
}

#[test]
fn a_port_in_use() {
    let deployment = Deployment::new(3, 0);
    let port = deployment.ports()[1];
    for (taken, what) in [(port, "client port"), (port + 10_000, "bus port")] {
        let _listener = TcpListener::bind(("127.0.0.1", taken)).unwrap();
        let own = std::process::id().to_string();
        let told = [&taken.to_string()[..], what, &deployment.node_name(1), "taken by", &own, "local.ports"];
        refused(&deployment, &["up"], 2, &told);
        refused(&deployment, &["plan"], 2, &told);
    }
    assert!(!deployment.data().exists());
}

#[test]
fn an_engine_that_is_missing_or_lacks_commands() {
    let deployment = Deployment::new(3, 0);
    let with = |engine: &Path| {
        let line = format!("engine: {}", server::program());
        deployment
            .write_spec(&deployment.spec_text("").replace(&line, &format!("engine: {}", engine.display())));
    };
    let script = |name: &str, text: &str| {
        let path = deployment.folder().join(name);
        program::write_script(&path, text);
        path
    };
    with(Path::new("no-such-redis-server"));
    refused(&deployment, &["up"], 2, &["no-such-redis-server", "PATH", "install", "local.engine"]);
    with(Path::new("/no/such/redis-server"));
    refused(&deployment, &["up"], 2, &["/no/such/redis-server", "local.engine"]);
    with(Path::new("./spec.yaml"));
    refused(&deployment, &["up"], 2, &["spec.yaml", "local.engine"]);
    with(&script("no-server", "#!/bin/sh\nexit 3\n"));
    refused(&deployment, &["up"], 2, &["no-server", "ended at once", "local.engine"]);
    let old = format!("#!/bin/sh\nexec {} --rename-command CLUSTER '' \"$@\"\n", server::program());
    with(&script("old-server", &old));
    refused(&deployment, &["up"], 2, &["old-server", "too old", "ADDSLOTSRANGE", "Redis 7.0"]);
    refused(&deployment, &["plan"], 2, &["old-server", "too old"]);
    assert!(!deployment.data().exists());
}

#[test]
fn a_password_that_is_missing_or_wrong() {
    let mut deployment = Deployment::with(3, 0, Some("right-password"), "");
    deployment.up();
    deployment.password = Some("wrong-password".to_owned());
    for words in [&["up"][..], &["plan"], &["status"], &["check"]] {
        let run = refused(&deployment, words, 2, &[&deployment.node_name(0), "password"]);
        assert!(!format!("{run:?}").contains("-password\""), "{run:#?}");
    }
    // The right one again, but nobody says it.
    deployment.password = None;
    for words in [&["up"][..], &["plan"], &["status"], &["check"]] {
        refused(&deployment, words, 2, &[PASSWORD_VARIABLE, "not set"]);
    }
    // A spec without one, for nodes that have one.
    deployment.write_spec(&deployment.spec_text(""));
    refused(&deployment, &["up"], 2, &[&deployment.node_name(0), "password"]);
    deployment.password = Some("right-password".to_owned());
    deployment.write_spec(&deployment.spec_text(""));
    assert!(!deployment.up());
    deployment.try_delete().unwrap();
}

#[test]
fn a_password_that_running_nodes_do_not_have() {
    let mut deployment = Deployment::new(3, 0);
    deployment.up();
    deployment.password = Some("only-in-the-spec".to_owned());
    deployment.write_spec(&deployment.spec_text(""));
    let run = deployment.run(&["up"]);
    println!("{run:#?}");
    // Whatever is done: no success while the nodes stand open.
    let open = outside::ask(deployment.ports()[0], None, &["PING"]).is_ok();
    assert!(!(open && run.code() == 0), "`up` reports success, but the nodes let everyone in: {run:#?}");
}

/// Runs the deployer as a user without rights, from a copy everyone can run.
fn run_as_nobody(deployment: &Deployment, words: &[&str]) -> Run {
    let copy = deployment.folder().join("slotwright");
    program::copy(slotwright(), &copy);
    fs::set_permissions(deployment.folder(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(deployment.spec(), fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = deployment.command(Path::new("setpriv"));
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy).args(words);
    run(command.arg("--spec").arg(deployment.spec()))
}

#[test]
fn a_data_directory_without_rights() {
    let root = rustix::process::geteuid().is_root();
    let deployment = Deployment::new(3, 0);
    let act = |words: &[&str]| if root { run_as_nobody(&deployment, words) } else { deployment.run(words) };
    let all = || {
        tree(deployment.folder())
            .into_iter()
            .filter(|(path, _)| !path.ends_with("slotwright"))
            .collect::<Vec<_>>()
    };
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let data = deployment.data();

    // Read only: there, and not to be made.
    fs::create_dir(&data).unwrap();
    mode(&data, 0o555);
    act(&["plan"]);
    let before = fs::read_dir(&data).unwrap().count();
    act(&["up"]).expect(2, &["cannot", &data.to_string_lossy(), "denied", "data-directory"]);
    assert_eq!(fs::read_dir(&data).unwrap().count(), before);
    fs::remove_dir(&data).unwrap();
    if root {
        act(&["up"])
            .expect(2, &["cannot", &deployment.folder().to_string_lossy(), "denied", "data-directory"]);
        assert!(!data.exists());
    }

    // Not to be looked into.
    fs::create_dir(&data).unwrap();
    mode(&data, 0o000);
    let unchanged = all();
    act(&["up"]).expect(2, &["cannot", &data.to_string_lossy(), "denied", "data-directory"]);
    act(&["down"]).expect(2, &["cannot", &data.to_string_lossy(), "denied"]);
    assert_eq!(all().len(), unchanged.len());
    mode(&data, 0o755);

    // A stamp that cannot be read.
    let folder = deployment.node_folder(0);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("slotwright.json"), "{}").unwrap();
    if root {
        std::os::unix::fs::chown(&data, Some(65534), Some(65534)).unwrap();
        std::os::unix::fs::chown(&folder, Some(65534), Some(65534)).unwrap();
    }
    mode(&folder.join("slotwright.json"), 0o000);
    act(&["up"]).expect(2, &["cannot read", &folder.to_string_lossy(), "denied", "data-directory"]);

    // A file in its place.
    fs::remove_dir_all(&data).unwrap();
    fs::write(&data, "").unwrap();
    act(&["up"]).expect(2, &["cannot use as a folder", &data.to_string_lossy(), "data-directory"]);
    act(&["down"]);
    assert!(data.is_file());
    assert!(deployment.servers().is_empty());
}
