//! Exports applied to the kernel's server through the real exportfs(8): once, again, killed at every point, and failing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Command, Stdio},
};

use slotwright_tests::{
    deployment::{Run, run, tree},
    nfs::{kills, storage::Storage},
};

const FOREIGN: &str = "# ours since 1998\n/srv\t192.168.0.0/24(ro,sync,no_subtree_check)\\\n  backup(rw)\n";

/// A place where somebody exports something already.
fn lived_in(shards: usize) -> Storage {
    let storage = Storage::new(shards);
    fs::write(storage.exportfs.exports_file(), FOREIGN.replace("backup", "127.0.0.2")).unwrap();
    fs::create_dir_all("/srv").unwrap();
    storage.exportfs.run(&["-a"]);
    assert_eq!(storage.table().len(), 2, "{:?}", storage.table());
    storage
}

fn foreign_untouched(storage: &Storage) {
    let text = fs::read_to_string(storage.exportfs.exports_file()).unwrap();
    assert_eq!(text, FOREIGN.replace("backup", "127.0.0.2"));
    assert_eq!(storage.table().iter().filter(|line| line.starts_with("/srv\t")).count(), 2);
}

fn ours(storage: &Storage) -> Vec<String> {
    let data = storage.data().display().to_string();
    storage.table().into_iter().filter(|line| line.starts_with(&data)).collect()
}

#[test]
fn applied_once_and_again() {
    let storage = lived_in(3);
    let plan = storage.run(&["plan", "--offline"]);
    plan.shows(
        0,
        &["make the directory (999:999, mode 0700)", "slotwright-demo.exports", "serve to 10.0.0.0/16"],
    );
    assert!(!storage.data().exists() && !storage.drop_in().exists());

    assert!(storage.apply().unwrap());
    foreign_untouched(&storage);
    assert_eq!(ours(&storage).len(), 3);
    for (number, line) in (1..).zip(ours(&storage)) {
        for option in
            ["rw,", "sync", "no_subtree_check", "secure", "all_squash", "anonuid=999", "anongid=999"]
        {
            assert!(line.contains(option), "{option} in {line}");
        }
        assert!(line.contains(&format!("fsid={number}")), "{line}");
        let folder = storage.data().join(format!("pv{number}")).metadata().unwrap();
        assert_eq!((folder.uid(), folder.gid(), folder.mode() & 0o7777), (999, 999, 0o700));
    }
    // What the file says is what the server was told.
    let told = ours(&storage);
    storage.exportfs.run(&["-ra"]);
    assert_eq!(ours(&storage), told);

    let before = tree(storage.folder());
    assert!(!storage.apply().unwrap());
    storage.run(&["plan", "--offline"]).shows(0, &["nothing to do"]);
    let unchanged = |path: &Path| !path.ends_with("etab") && !path.ends_with(".slotwright.lock");
    for (path, was) in &before {
        assert!(!unchanged(path) || tree(storage.folder()).get(path) == Some(was), "{}", path.display());
    }

    // One more, and then fewer: data and ids stay.
    storage.write_spec(&storage.spec_text(4));
    assert!(storage.apply().unwrap());
    assert_eq!(ours(&storage).len(), 4);
    fs::write(storage.data().join("pv4/kept"), "data").unwrap();
    storage.write_spec(&storage.spec_text(2));
    storage.run(&["status"]).shows(4, &["still there", "pv4"]);
    assert!(storage.apply().unwrap());
    assert_eq!(ours(&storage).len(), 2);
    storage.write_spec(&storage.spec_text(5));
    assert!(storage.apply().unwrap());
    assert!(ours(&storage)[3].contains("fsid=4"), "{:?}", ours(&storage));
    assert_eq!(fs::read_to_string(storage.data().join("pv4/kept")).unwrap(), "data");

    // Taken away: the data stays.
    storage.run(&["remove", "pv5", "--offline"]).shows(0, &["serve it no more; its data stays"]);
    assert_eq!(ours(&storage).len(), 4);
    storage.run(&["remove", "--offline"]).shows(0, &["remove the file"]);
    assert!(ours(&storage).is_empty() && !storage.drop_in().exists());
    assert_eq!(fs::read_to_string(storage.data().join("pv4/kept")).unwrap(), "data");
    foreign_untouched(&storage);
    storage.run(&["remove", "--offline"]).shows(0, &["nothing to do"]);
}

#[test]
fn drift_is_told_and_put_right() {
    let storage = lived_in(2);
    storage.apply().unwrap();
    let pv1 = storage.data().join("pv1").display().to_string();
    storage.exportfs.run(&["-i", "-o", "rw,insecure,no_root_squash,fsid=1", &format!("10.0.0.0/16:{pv1}")]);
    storage.exportfs.run(&["-u", &format!("10.0.0.0/16:{}", storage.data().join("pv2").display())]);
    storage.run(&["status"]).shows(4, &["serves it in another way", "does not serve it", "not running"]);
    assert!(storage.apply().unwrap());
    assert!(ours(&storage).iter().all(|line| line.contains("all_squash,") && line.contains("secure,")));

    let text = fs::read_to_string(storage.drop_in()).unwrap();
    fs::write(storage.drop_in(), text.replace("all_squash", "no_root_squash")).unwrap();
    storage.run(&["status"]).shows(4, &["has it in another way"]);
    storage.run(&["plan", "--offline"]).shows(0, &["no_root_squash"]);
    assert!(storage.apply().unwrap());
    assert_eq!(fs::read_to_string(storage.drop_in()).unwrap(), text);
}

#[test]
fn what_is_somebody_elses_is_refused_and_kept() {
    let refused = |storage: &Storage, code: i32, told: &[&str]| {
        let before = (tree(&storage.data()), tree(&storage.exportfs.exports_folder()), storage.table());
        for words in [&["apply", "--offline"][..], &["plan", "--offline"]] {
            storage.run(words).expect(code, told);
        }
        let after = (tree(&storage.data()), tree(&storage.exportfs.exports_folder()), storage.table());
        assert_eq!(before, after);
    };
    // An entry written by hand into our file.
    let storage = lived_in(2);
    storage.apply().unwrap();
    let text = fs::read_to_string(storage.drop_in()).unwrap();
    fs::write(storage.drop_in(), format!("{text}/home 10.9.9.9(ro)\n")).unwrap();
    refused(&storage, 3, &["/home", "would be lost", "a file of its own"]);

    // The same directory in somebody's file, with other rights.
    let storage = lived_in(2);
    let line = format!("{}/pv2 *(rw,no_root_squash)\n", storage.data().display());
    fs::write(storage.exportfs.exports_folder().join("tutorial.exports"), &line).unwrap();
    refused(&storage, 3, &["tutorial.exports:1", "already", "remove that entry"]);

    // A directory that holds another's data.
    let storage = lived_in(2);
    fs::create_dir_all(storage.data().join("pv1")).unwrap();
    fs::write(storage.data().join("pv1/precious"), "").unwrap();
    refused(&storage, 3, &["pv1", "holds data", "--adopt pv1"]);
    storage.run(&["apply", "--offline", "--adopt", "pv1"]).shows(0, &["owner and mode from 0:0"]);
    assert_eq!(storage.data().join("pv1/precious").metadata().unwrap().uid(), 0);

    // No directory at all.
    let storage = lived_in(2);
    fs::create_dir_all(storage.data()).unwrap();
    std::os::unix::fs::symlink("/etc", storage.data().join("pv2")).unwrap();
    refused(&storage, 3, &["pv2", "a symbolic link"]);

    // Another deployment's base directory.
    let storage = lived_in(2);
    storage.apply().unwrap();
    storage.write_spec(&storage.spec_text(2).replace("name: demo", "name: other"));
    refused(&storage, 3, &["another deployment", "demo", "base-directory"]);

    // A directory with another deployment's stamp, whoever owns it.
    let storage = lived_in(2);
    storage.apply().unwrap();
    let stamp = format!("{{\"deployment\":\"{:032x}\",\"name\":\"other\",\"node\":\"pv1\"}}", 7);
    fs::write(storage.data().join("pv1/slotwright.json"), stamp).unwrap();
    refused(&storage, 3, &["pv1", "another deployment", "other", "--adopt pv1"]);

    // Ids that somebody took while these exports were away.
    let storage = lived_in(2);
    storage.apply().unwrap();
    assert_eq!(storage.run(&["remove", "--offline"]).code(), 0);
    fs::write(storage.exportfs.exports_folder().join("other.exports"), "/opt 10.0.0.0/16(rw,fsid=2)\n")
        .unwrap();
    refused(&storage, 3, &["pv2", "other.exports:1", "given the files of the other"]);

    // Ids that nobody can read.
    let storage = lived_in(2);
    storage.apply().unwrap();
    fs::write(storage.data().join("slotwright-exports.json"), "{").unwrap();
    refused(&storage, 2, &["slotwright-exports.json", "handles", "backup"]);
    // Lost, they are found again where the server has them.
    fs::remove_file(storage.data().join("slotwright-exports.json")).unwrap();
    let told = ours(&storage);
    storage.apply().unwrap();
    assert_eq!(ours(&storage), told);
}

#[test]
fn bad_input_is_refused_with_one_message() {
    let storage = lived_in(2);
    let right = storage.spec_text(2);
    let before = (tree(storage.folder()), storage.table());
    let cases = [
        (right.replace("10.0.0.0/16", "10.0.0.0/33"), &["storage.nfs.clients", "10.0.0.0/33"][..]),
        (right.replace("[10.0.0.0/16]", "[]"), &["storage.nfs.clients", "nobody"]),
        (right.replace("base-directory: /", "base-directory: "), &["storage.nfs.base-directory", "absolute"]),
        (right.replace("/data\n", "/../data\n"), &["storage.nfs.base-directory", ".."]),
        (
            right.replace("    kernel:", "    options: rw,bogus\n    kernel:"),
            &["storage.nfs.options", "bogus"],
        ),
        (
            right.replace("    kernel:", "    options: rw,fsid=7\n    kernel:"),
            &["storage.nfs.options", "fsid"],
        ),
        (
            right.replace("    kernel:", "    mount-options: [nfsvers=4.1, soft]\n    kernel:"),
            &["storage.nfs.mount-options", "soft", "hard"],
        ),
        (
            right.replace("    kernel:", "    mount-options: [nfsvers=3, nolock]\n    kernel:"),
            &["storage.nfs.mount-options", "nolock"],
        ),
        (
            right.replace("    kernel:", "    owner: { mode: \"0077\" }\n    kernel:"),
            &["storage.nfs.owner.mode", "0700"],
        ),
        (
            right.replace("    kernel:", "    mount-point: /mnt-nowhere\n    kernel:"),
            &["mount-point", "/mnt-nowhere"],
        ),
        (right.replace("server: kernel", "server: kernle"), &["kernle", "kernel"]),
        (right.replace("base-directory", "base-dir"), &["base-dir", "did you mean `base-directory`?"]),
        (right.replace("    address: 127.0.0.1\n", ""), &["address", "missing"]),
        (right.replace("address: 127.0.0.1", "address: \"nfs://x\""), &["storage.nfs.address", "nfs://x"]),
    ];
    for (text, told) in cases {
        assert_ne!(text, right);
        let elsewhere = tempfile::tempdir().unwrap();
        let spec = elsewhere.path().join("bad.yaml");
        fs::write(&spec, &text).unwrap();
        for words in
            [&["apply", "--offline"][..], &["plan", "--offline"], &["status"], &["render"], &["remove"]]
        {
            // Where a disk should be mounted matters to those who write.
            if told[0] == "mount-point" && !words.contains(&"--offline") {
                continue;
            }
            let mut command = Command::new(slotwright_tests::deployment::slotwright());
            let run = run(command.arg("exports").args(words).arg("--spec").arg(&spec).stdin(Stdio::null()));
            run.expect(2, told);
            assert_eq!(run.err.matches("error:").count(), 1, "{run:#?}");
        }
    }
    // The server is down, and nobody said that this is right.
    for words in [&["apply"][..], &["plan"], &["remove"]] {
        storage.run(words).expect(2, &["the kernel's NFS server is not running", "--offline"]);
    }
    storage.run(&["apply", "--offline", "--adopt", "pv9"]).expect(2, &["pv9", "pv1, pv2"]);
    let without = right.replace("exportfs: ", "exportfs: /nowhere");
    assert_eq!((tree(storage.folder()), storage.table()), before);
    storage.write_spec(&without);
    let run = storage.run(&["apply", "--offline"]);
    run.expect(1, &["/nowhere", "put back"]);
    assert!(!storage.drop_in().exists());
}

const DOOMED: &str = env!("CARGO_BIN_EXE_doomed");

/// Everything a run changes, by what of it there is: the drop-in file, and each export's line in the table.
fn state(storage: &Storage) -> (Option<String>, BTreeSet<String>) {
    let data = storage.data().display().to_string();
    let root = storage.folder().display().to_string();
    let plain = |text: String| text.replace(&root, "");
    let table = storage.table().into_iter().filter(|line| line.starts_with(&data)).map(plain).collect();
    (fs::read_to_string(storage.drop_in()).ok().map(plain), table)
}

/// Kills `act` at each of its points, on a place made by `make`; then runs it again.
fn killed_everywhere(act: &str, make: impl Fn() -> Storage + Sync) {
    let whole = make();
    let old = state(&whole);
    let points = kills::points(DOOMED, act, &whole.spec());
    let new = state(&whole);
    kills::try_all(&points, |point| {
        let storage = make();
        kills::die(DOOMED, act, &storage.spec(), point);
        // The file is the old one or the new one, and so is each line of the table.
        let (file, table) = state(&storage);
        assert!(file == old.0 || file == new.0, "{point}: {file:?}");
        for line in &table {
            assert!(old.1.contains(line) || new.1.contains(line), "{point}: {line}");
        }
        for line in old.1.intersection(&new.1) {
            assert!(table.contains(line), "{point}: what did not change is gone: {line}");
        }
        foreign_untouched(&storage);
        let again = kills::doomed(DOOMED, act, &storage.spec(), None);
        assert_eq!(again.code(), 0, "{point}: {again:#?}");
        assert_eq!(state(&storage), new, "{point}");
        foreign_untouched(&storage);
        let left = fs::read_dir(storage.exportfs.exports_folder()).unwrap().flatten();
        let left: Vec<_> =
            left.map(|entry| entry.file_name()).filter(|name| name != ".slotwright.lock").collect();
        assert!(left.len() == usize::from(new.0.is_some()), "{point}: {left:?}");
    });
}

#[test]
fn a_first_apply_killed_at_any_point_is_finished_by_the_next() {
    killed_everywhere("exports-apply", || lived_in(2));
}

/// Three exports, then a spec for another number of them with one more client.
fn changed(shards: usize) -> Storage {
    let storage = lived_in(3);
    storage.apply().unwrap();
    let clients = "clients: [10.0.0.0/16, 10.1.0.0/16]";
    storage.write_spec(&storage.spec_text(shards).replace("clients: [10.0.0.0/16]", clients));
    storage
}

#[test]
fn a_growth_killed_at_any_point_is_finished_by_the_next() {
    killed_everywhere("exports-apply", || changed(4));
}

#[test]
fn a_shrinking_killed_at_any_point_is_finished_by_the_next() {
    killed_everywhere("exports-apply", || changed(2));
}

#[test]
fn a_removal_killed_at_any_point_is_finished_by_the_next() {
    killed_everywhere("exports-remove", || {
        let storage = lived_in(2);
        storage.apply().unwrap();
        storage
    });
}

#[test]
fn an_apply_that_fails_leaves_what_was_exported() {
    let make = || {
        let storage = lived_in(2);
        storage.apply().unwrap();
        storage.write_spec(&storage.spec_text(3).replace("10.0.0.0/16", "10.1.0.0/16"));
        storage
    };
    // The calls of one run, until one goes through.
    for call in 1..40 {
        let storage = make();
        let before = state(&storage);
        storage.exportfs.fail_at(call);
        let run = storage.run(&["apply", "--offline"]);
        storage.exportfs.fail_at(0);
        if run.code() == 0 {
            assert!(call > 3, "{call} calls");
            assert!(!storage.apply().unwrap());
            return;
        }
        run.expect(1, &["told to fail", "put back"]);
        assert_eq!(state(&storage), before, "call {call}: {run:#?}");
        foreign_untouched(&storage);
        assert!(storage.apply().unwrap());
    }
    panic!("every call fails");
}

#[test]
fn a_client_that_cannot_be_resolved_is_no_success() {
    let storage = lived_in(2);
    let before = state(&storage);
    storage.write_spec(&storage.spec_text(2).replace("10.0.0.0/16", "no-such-host.invalid"));
    let run = storage.run(&["apply", "--offline"]);
    run.expect(1, &["does not serve it", "host name", "put back"]);
    assert_eq!(state(&storage), before);
}

#[test]
fn two_at_once_do_not_mix() {
    let storage = lived_in(3);
    let runs: Vec<Run> = std::thread::scope(|scope| {
        let one = || storage.run(&["apply", "--offline"]);
        let started: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        started.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for run in &runs {
        assert!(run.code() == 0 || run.code() == 5, "{run:#?}");
    }
    assert!(runs.iter().any(|run| run.code() == 0));
    storage.apply().unwrap();
    assert_eq!(ours(&storage).len(), 3);
}
