//! The tutorial's six exports on a real NFS-Ganesha: judged, made safe, applied, seen and verified over the wire, changed
//! under a client that writes, and taken away.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use slotwright_nfs::wire::{self, Target, Version};
use slotwright_tests::{
    deployment::{Run, run, slotwright},
    nfs::{
        ganesha::{Ganesha, Options},
        kills,
    },
};

const TUTORIAL: &str = include_str!("../../examples/tutorial/exports");

/// A server, and a spec for exports on it.
struct Place {
    server: Ganesha,
}

impl Place {
    fn new() -> Self {
        let place = Self { server: Ganesha::start(&Options::default()) };
        place.write_spec(3, 1, "");
        place
    }

    fn folder(&self) -> &Path {
        self.server.place().folder()
    }

    fn data(&self) -> PathBuf {
        self.folder().join("data/nfs/redis")
    }

    fn spec(&self) -> PathBuf {
        self.folder().join("spec.yaml")
    }

    fn write_spec(&self, shards: usize, replicas: usize, more: &str) {
        let (server, folder) = (self.server.place(), self.folder().display());
        let text = format!(
            "name: redis\nshards: {shards}\nreplicas-per-shard: {replicas}\nstorage:\n  nfs:\n    server: ganesha\n    \
             address: 127.0.0.1\n    port: {}\n    base-directory: {}\n    clients: [127.0.0.0/8]\n{more}    ganesha:\n      \
             config: {}\n      folder: {folder}/conf\n      bus: \"{}\"\n",
            server.port(),
            self.data().display(),
            server.config().display(),
            server.bus(),
        );
        // Whole or not at all: a run that is under way reads it.
        let beside = self.folder().join("spec.new");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.spec()).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(slotwright());
        command.env_remove("RUST_LOG").stdin(Stdio::null()).arg("exports").args(words);
        command.arg("--spec").arg(self.spec());
        command
    }

    fn run(&self, words: &[&str]) -> Run {
        run(&mut self.command(words))
    }

    /// The paths that the server names over the wire.
    fn listed(&self) -> Vec<String> {
        let target = Target {
            host: "127.0.0.1".to_owned(),
            port: self.server.place().port(),
            mount_port: None,
            version: Version::V4_1,
            path: "/".to_owned(),
            uid: 999,
            gid: 999,
            privileged_port: true,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listed = runtime.block_on(wire::exports(&target, Duration::from_secs(10))).unwrap();
        let mut paths: Vec<String> = listed.into_iter().map(|export| export.path).collect();
        paths.sort();
        paths
    }

    fn export(&self, number: usize) -> String {
        self.data().join(format!("pv{number}")).display().to_string()
    }

    fn exports(&self, count: usize) -> Vec<String> {
        (1..=count).map(|number| self.export(number)).collect()
    }
}

#[test]
fn the_tutorials_exports_from_the_file_to_the_wire() {
    let place = Place::new();
    let file = place.folder().join("exports");
    fs::write(&file, TUTORIAL).unwrap();
    let lint = |file: &Path| run(Command::new(slotwright()).args(["exports", "lint", "--json"]).arg(file));
    let judged = lint(&file);
    assert_eq!(judged.code(), 4, "{judged:#?}");
    let findings = judged.json();
    for code in ["world-root", "insecure", "missing-fsid", "missing-folder"] {
        let count = findings["findings"].as_array().unwrap().iter().filter(|one| one["code"] == code).count();
        assert_eq!(count, 6, "{code}: {findings:#}");
    }
    let safe = run(Command::new(slotwright())
        .args(["exports", "lint", "--rewrite", "--client", "127.0.0.0/8"])
        .arg(&file));
    assert_eq!(safe.code(), 0, "{safe:#?}");
    for (number, line) in (1..).zip(safe.out.lines()) {
        let options = "rw,sync,no_subtree_check,secure,all_squash,anonuid=999,anongid=999";
        assert_eq!(line, format!("/data/nfs/redis/pv{number} 127.0.0.0/8({options},fsid={number})"));
    }
    assert_eq!(safe.out.lines().count(), 6);

    // What the spec makes of it says the same.
    place
        .run(&["render", "--format", "exports"])
        .shows(0, &["127.0.0.0/8(rw,sync,no_subtree_check,secure,all_squash"]);
    let applied = place.run(&["apply"]);
    assert_eq!(applied.code(), 0, "{applied:#?}\n{}", place.server.log());
    assert_eq!(place.listed(), place.exports(6));
    place.run(&["apply"]).shows(0, &["nothing to do, all 6 exports are as the spec says"]);
    place.run(&["status"]).shows(0, &["as the spec says", "pv6"]);

    let verified = place.run(&["verify", "--json"]);
    assert_eq!(verified.code(), 0, "{verified:#?}");
    for export in verified.json().as_array().unwrap() {
        let steps = export["report"]["steps"].as_array().unwrap();
        assert!(steps.iter().all(|step| step["outcome"] == "ok"), "{export:#}");
        assert_eq!(export["report"]["latency"]["count"], 200);
    }
    for number in 1..=6 {
        let folder = PathBuf::from(place.export(number));
        let meta = folder.metadata().unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (999, 999, 0o700));
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0, "the verification left something");
    }
}

#[test]
fn a_seventh_comes_and_goes_under_a_client_that_writes() {
    let place = Place::new();
    assert_eq!(place.run(&["apply"]).code(), 0);
    let writer = |place: &Place| {
        place
            .command(&["verify", "pv1", "--json", "--appends", "4000"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let fine = |writer: std::process::Child| {
        let output = writer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    };
    let writing = writer(&place);
    place.write_spec(7, 0, "");
    place.run(&["apply"]).shows(0, &["pv7"]);
    assert_eq!(place.listed(), place.exports(7));
    fine(writing);

    // Something is open in it: it stays until it is named.
    let mut used = place.command(&["verify", "pv7", "--appends", "200000"]);
    let mut using = used.stdout(Stdio::null()).spawn().unwrap();
    let folder = PathBuf::from(place.export(7));
    slotwright_tests::wait::until_blocking("the client has a file", || {
        if fs::read_dir(&folder).unwrap().next().is_some() { Ok(()) } else { Err("none yet") }
    });
    place.write_spec(3, 1, "");
    for words in [&["apply"][..], &["plan"]] {
        place.run(words).expect(3, &["pv7", "in use", "--even-if-used pv7"]);
    }
    assert_eq!(place.listed(), place.exports(7));
    using.kill().unwrap();
    using.wait().unwrap();
    let writing = writer(&place);
    place.run(&["apply", "--even-if-used", "pv7"]).shows(0, &["serve it no more; its data stays"]);
    assert_eq!(place.listed(), place.exports(6));
    fine(writing);
    assert!(folder.is_dir());

    place.run(&["remove", "--json"]).shows(0, &["\"changed\": true"]);
    assert_eq!(place.listed(), Vec::<String>::new());
    let config = fs::read_to_string(place.server.place().config()).unwrap();
    assert!(!config.contains("slotwright-redis"), "{config}");
}

#[test]
fn a_restarted_server_serves_the_same_under_the_same_ids() {
    let mut place = Place::new();
    assert_eq!(place.run(&["apply"]).code(), 0);
    let before = place.run(&["status", "--json"]).json();
    place.server.restart();
    assert_eq!(place.listed(), place.exports(6));
    place.run(&["apply"]).shows(0, &["nothing to do"]);
    assert_eq!(place.run(&["status", "--json"]).json()["exports"], before["exports"]);
}

#[test]
fn a_server_that_is_down_changes_nothing_unless_that_is_meant() {
    let mut place = Place::new();
    place.server.stop();
    let config = fs::read(place.server.place().config()).unwrap();
    for words in [&["apply"][..], &["plan"], &["remove"]] {
        place.run(words).expect(2, &["Ganesha", "not running", "--offline"]);
    }
    assert_eq!(fs::read(place.server.place().config()).unwrap(), config);
    assert!(!place.data().exists());
    place.run(&["status"]).shows(4, &["the server is not running", "was not made yet"]);
    assert_eq!(place.run(&["apply", "--offline"]).code(), 0);
    place.server.start_server();
    assert_eq!(place.listed(), place.exports(6));
    place.run(&["apply"]).shows(0, &["nothing to do"]);
}

#[test]
fn an_apply_that_the_server_refuses_leaves_what_was_exported() {
    let place = Place::new();
    assert_eq!(place.run(&["apply"]).code(), 0);
    let drop_in = place.server.place().drop_ins().join("slotwright-redis.conf");
    let state =
        || (place.listed(), fs::read(&drop_in).unwrap(), fs::read(place.server.place().config()).unwrap());
    let before = state();
    // Its directory cannot be exported: the server finds out only when it is told.
    place.write_spec(7, 0, "");
    fs::create_dir_all(place.data()).unwrap();
    let pv7 = PathBuf::from(place.export(7));
    fs::create_dir(&pv7).unwrap();
    let mounted = Command::new("mount").args(["-t", "proc", "proc"]).arg(&pv7).status().unwrap();
    assert!(mounted.success());
    let run = place.run(&["apply"]);
    let unmounted = Command::new("umount").arg(&pv7).status().unwrap();
    assert!(unmounted.success());
    assert_ne!(run.code(), 0, "{run:#?}");
    assert_eq!(state(), before, "{run:#?}");
    place.run(&["apply"]).shows(0, &["pv7"]);
    assert_eq!(place.listed(), place.exports(7));
}

const DOOMED: &str = env!("CARGO_BIN_EXE_doomed");

/// Both files, and what is served; without what differs from place to place.
fn state(place: &Place) -> (Option<String>, String, BTreeSet<String>) {
    let folder = place.folder().display().to_string();
    let plain = |text: String| {
        text.replace(&folder, "")
            .replace(&place.server.place().port().to_string(), "PORT")
            .replace(&place.server.place().mount_port().to_string(), "MOUNT")
    };
    let read = |path: &Path| fs::read_to_string(path).ok().map(plain);
    let drop_in = read(&place.server.place().drop_ins().join("slotwright-redis.conf"));
    let config = read(&place.server.place().config()).unwrap();
    (drop_in, config, place.listed().into_iter().map(plain).collect())
}

/// Kills `act` at each of its points, on a place made by `make`; then runs it again.
fn killed_everywhere(act: &str, make: impl Fn() -> Place + Sync) {
    let whole = make();
    let old = state(&whole);
    let points = kills::points(DOOMED, act, &whole.spec());
    let new = state(&whole);
    kills::try_all(&points, |point| {
        let mut place = make();
        kills::die(DOOMED, act, &place.spec(), point);
        let (drop_in, config, served) = state(&place);
        assert!(drop_in == old.0 || drop_in == new.0, "{point}: {drop_in:?}");
        assert!(config == old.1 || config == new.1, "{point}: {config}");
        for path in old.2.intersection(&new.2) {
            assert!(served.contains(path), "{point}: what did not change is gone: {path}");
        }
        assert!(
            served.iter().all(|path| old.2.contains(path) || new.2.contains(path)),
            "{point}: {served:?}"
        );
        // Whatever the files say at this instant, the server starts on them.
        place.server.restart();
        let again = kills::doomed(DOOMED, act, &place.spec(), None);
        assert_eq!(again.code(), 0, "{point}: {again:#?}");
        assert_eq!(state(&place), new, "{point}");
    });
}

#[test]
fn a_first_apply_killed_at_any_point_is_finished_by_the_next() {
    killed_everywhere("exports-apply", || {
        let place = Place::new();
        place.write_spec(2, 0, "");
        place
    });
}

#[test]
fn a_change_killed_at_any_point_is_finished_by_the_next() {
    killed_everywhere("exports-apply", || {
        let place = Place::new();
        assert_eq!(place.run(&["apply"]).code(), 0);
        let more = "    options: rw,all_squash,anonuid=999,anongid=999,insecure\n";
        place.write_spec(5, 0, more);
        place
    });
}

#[test]
fn a_removal_killed_at_any_point_is_finished_by_the_next() {
    killed_everywhere("exports-remove", || {
        let place = Place::new();
        place.write_spec(2, 0, "");
        assert_eq!(place.run(&["apply"]).code(), 0);
        place
    });
}
