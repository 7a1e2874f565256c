//! Whose nodes and data they are: what belongs to another deployment or cluster is refused, or adopted by name, and
//! nothing of it is changed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use slotwright_tests::{
    deployment::{Deployment, Run},
    outside,
    ports::Ports,
    server::Options,
    wait::until_blocking,
};

/// Runs the deployer, which must refuse with status 3 and the `words`, and change nothing.
#[track_caller]
fn refused(deployment: &Deployment, words: &[&str], told: &[&str]) -> Run {
    let before = deployment.snapshot();
    let run = deployment.run(words);
    run.expect(3, told);
    assert_eq!(run.err.matches("error:").count(), 1, "one message: {run:#?}");
    assert_eq!(deployment.snapshot(), before, "something was changed: {run:#?}");
    run
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_folder_of_another_deployment() {
    let deployment = Deployment::new(3, 0);
    deployment.up();
    deployment.walker().write_keys("a", 100).unwrap();
    deployment.run(&["down"]).expect(0, &[]);
    let stamp = deployment.node_folder(1).join("slotwright.json");
    let original = fs::read_to_string(&stamp).unwrap();
    let folder = deployment.node_folder(1).to_string_lossy().into_owned();
    let adopt = format!("--adopt {}", deployment.node_name(1));

    // Its name.
    edit(&stamp, "\"test\"", "\"production\"");
    for words in [&["up"][..], &["plan"], &["down", "--delete-data"]] {
        refused(&deployment, words, &[&folder, "belongs to another deployment", "\"production\"", &adopt]);
    }
    // Its id.
    let start = original.find("\"deployment\": \"").unwrap() + 15;
    let mut text = original.clone();
    text.replace_range(start..start + 8, "00c0ffee");
    fs::write(&stamp, &text).unwrap();
    refused(&deployment, &["up"], &[&folder, "belongs to another deployment", "00c0ffee", &adopt]);
    // Another node of this deployment.
    fs::write(&stamp, original.replace(&deployment.node_name(1), &deployment.node_name(2))).unwrap();
    refused(&deployment, &["up"], &[&folder, "another node", &deployment.node_name(2), &adopt]);
    // A stamp that is none.
    fs::write(&stamp, "{ torn").unwrap();
    refused(&deployment, &["up"], &[&folder, "stamp that cannot be read", &adopt]);
    // None.
    fs::remove_file(&stamp).unwrap();
    refused(&deployment, &["up"], &[&folder, "no deployment's stamp", &adopt]);

    // By name it is taken over; it was ours, so everything is there.
    let adopted = deployment.run(&["up", "--adopt", &deployment.node_name(1)]);
    adopted.expect(0, &[]);
    deployment.judge().unwrap();
    deployment.walker().read_keys("a", 100).unwrap();
    assert_eq!(fs::read_to_string(&stamp).unwrap(), original);
    assert!(!deployment.up());
    deployment.try_delete().unwrap();
}

#[test]
fn data_of_another_cluster_is_not_mixed_in_even_when_adopted() {
    let (ours, theirs) = (Deployment::new(3, 0), Deployment::new(3, 0));
    ours.up();
    theirs.up();
    ours.walker().write_keys("ours", 100).unwrap();
    theirs.walker().write_keys("theirs", 100).unwrap();
    ours.run(&["down"]).expect(0, &[]);
    theirs.run(&["down"]).expect(0, &[]);
    // A node's data of theirs is put in place of ours.
    let folder = ours.node_folder(0);
    let aside = ours.folder().join("aside");
    fs::rename(&folder, &aside).unwrap();
    copy(&theirs.node_folder(0), &folder);
    fs::remove_file(folder.join("slotwright.json")).unwrap();
    refused(&ours, &["up"], &["no deployment's stamp", "--adopt"]);
    let run = ours.run(&["up", "--adopt", &ours.node_name(0)]);
    assert_ne!(run.code(), 0, "a node of another cluster was taken in: {run:#?}");
    assert!(run.err.contains("not one of ours") || run.err.contains("not a member"), "{run:#?}");
    // The two can still be taken apart.
    ours.run(&["down"]).expect(0, &[]);
    fs::remove_dir_all(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    ours.up();
    ours.walker().read_keys("ours", 100).unwrap();
    theirs.up();
    theirs.walker().read_keys("theirs", 100).unwrap();
    ours.judge().unwrap();
    theirs.judge().unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_foreign_server_at_an_address_of_ours() {
    let deployment = Deployment::new(3, 0);
    let port = deployment.ports()[1];
    let foreign = ForeignAt::start(port);
    let before = deployment.snapshot();
    let folder = foreign.folder.path().canonicalize().unwrap();
    for words in [&["up"][..], &["plan"]] {
        deployment
            .run(words)
            .expect(2, &[&port.to_string(), "taken by", "redis-server", &folder.to_string_lossy()]);
    }
    assert_eq!(deployment.snapshot(), before);
    // It is neither asked to join nor to end.
    let nodes = outside::ask(port, None, &["CLUSTER", "NODES"]).unwrap();
    assert_eq!(nodes.lines().count(), 1);
    deployment.run(&["down", "--delete-data"]).expect(0, &[]);
    outside::ask(port, None, &["PING"]).unwrap();
}

/// A cluster server of nobody on a port that a deployment has reserved.
struct ForeignAt {
    folder: tempfile::TempDir,
    child: std::process::Child,
}

impl ForeignAt {
    fn start(port: u16) -> Self {
        let folder = slotwright_tests::server::folder();
        let child = std::process::Command::new(slotwright_tests::server::program())
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--cluster-enabled",
                "yes",
                "--save",
                "",
            ])
            .current_dir(folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let foreign = Self { folder, child };
        until_blocking("the foreign server answers", || outside::ask(port, None, &["PING"]));
        foreign
    }
}

impl Drop for ForeignAt {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_node_that_was_introduced_to_another_cluster() {
    let deployment = Deployment::new(3, 0);
    deployment.up();
    deployment.walker().write_keys("a", 100).unwrap();
    let foreign = Options::cluster().start();
    deployment.ask(1, &["CLUSTER", "MEET", "127.0.0.1", &foreign.port().to_string()]);
    until_blocking("everyone knows the stranger", || {
        deployment.ports().iter().try_for_each(|port| {
            let nodes = outside::nodes(*port, None)?;
            if nodes.len() == 4 { Ok(()) } else { Err(format!("{nodes:?}")) }
        })
    });
    let told = ["not one of ours", &foreign.port().to_string(), "CLUSTER FORGET"];
    refused(&deployment, &["up"], &told);
    refused(&deployment, &["plan"], &told);
    let check = deployment.run(&["check"]);
    assert_eq!(check.code(), 4, "{check:#?}");
    assert!(check.out.contains("not one of ours"), "{check:#?}");
    let lines = until_blocking("the stranger has its links", || outside::nodes(foreign.port(), None));
    let own = lines.iter().find(|line| line.place == outside::Place::from(foreign.port())).unwrap();
    assert!(own.slots.is_empty() && own.is_primary, "the stranger was given work: {own:?}");

    // A stopped node is not started into a mixed cluster's plans either: the refusal stands.
    deployment.kill(2);
    deployment.run(&["up"]).expect(3, &["not one of ours"]);
    until_blocking("the started node serves again", || deployment.walker().read_keys("a", 100));
    deployment.try_delete().unwrap();
}

#[test]
fn another_spec_for_the_same_data_is_refused() {
    let deployment = Deployment::new(3, 0);
    deployment.up();
    let spec = deployment.spec_text("");
    deployment.write_spec(&spec.replace("name: test", "name: other"));
    refused(&deployment, &["up"], &["belongs to another deployment", "\"test\""]);
    refused(&deployment, &["down", "--delete-data"], &["belongs to another deployment", "\"test\""]);
    // Fewer and more shards need moves, which do not exist yet: refused, never ignored.
    deployment.write_spec(&spec.replace("shards: 3", "shards: 2"));
    let fewer = deployment.run(&["up"]);
    assert_eq!(fewer.code(), 3, "{fewer:#?}");
    let more = Ports::reserve(1);
    let list = format!(
        "ports: [{}, {}, {}, {}]",
        deployment.ports()[0],
        deployment.ports()[1],
        deployment.ports()[2],
        more.first()
    );
    let grown =
        spec.replace("shards: 3", "shards: 4").replace(&format!("ports: {}", deployment.ports()[0]), &list);
    deployment.write_spec(&grown);
    let run = deployment.run(&["up"]);
    run.expect(3, &["There are 3 shards", "4", "not possible yet"]);
    deployment.run(&["down", "--delete-data"]).expect(0, &[]);
    deployment.is_gone().unwrap();
}
