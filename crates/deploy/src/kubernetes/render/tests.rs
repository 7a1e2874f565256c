#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    os::unix::fs::MetadataExt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use slotwright_kube::tutorial;
use slotwright_machine::{Effect, Witness};

use super::*;

const TUTORIAL: &str = include_str!("../../../../../examples/tutorial.yaml");
const EXAMPLE: &str = include_str!("../../../../../examples/kubernetes.yaml");
const ID: &str = "0123456789abcdef0123456789abcdef";

fn manifests(text: &str) -> Manifests {
    Manifests::new(&ClusterSpec::parse(text).unwrap(), Disclosure::LeftOut, None).unwrap()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Everything in a folder, with the instant it was last written.
fn state(folder: &Path) -> Vec<(String, Vec<u8>, i64, i64)> {
    let names = names(folder).into_iter();
    let of = |name: String| {
        let (path, text) = (folder.join(&name), fs::read(folder.join(&name)).unwrap());
        let found = fs::metadata(path).unwrap();
        (name, text, found.mtime(), found.mtime_nsec())
    };
    names.map(of).collect()
}

#[test]
fn the_spec_of_the_tutorial_renders_the_tutorial() {
    let secret = |key| SecretValue::existing("redis-login", key);
    let wanted = tutorial::wanted(
        "docker.io/library/redis:7.2.5".parse().unwrap(),
        secret("password"),
        secret("deployment-id"),
    );
    let theirs = objects::all(&wanted.check().unwrap());
    let theirs = render::documents(&theirs, Secrets::LeftOut).unwrap();
    let ours = manifests(TUTORIAL).documents().unwrap();
    for (ours, theirs) in ours.split("---\n").zip(theirs.split("---\n")) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours, theirs);
}

#[test]
fn the_tutorial_has_its_exports_and_needs_its_secret() {
    let manifests = manifests(TUTORIAL);
    let exports = manifests.exports().unwrap();
    let line = exports.text.lines().find(|line| line.starts_with("/data/nfs/redis/pv6 ")).unwrap();
    assert!(line.contains("10.198.0.0/16(rw,") && line.contains("anonuid=999"), "{line}");
    let needed = manifests.needed_secrets();
    assert_eq!(needed.len(), 1);
    assert!(needed[0].name == "redis-login" && needed[0].keys.len() == 2, "{needed:?}");
    // To the letter, as its comment says.
    let text = TUTORIAL.replace("clients: [10.198.0.0/16]", "clients: [\"*\"]\n    options: tutorial");
    let exports = self::manifests(&text).exports().unwrap().text.clone();
    assert!(exports.contains("/data/nfs/redis/pv1 *(rw,") && exports.contains("no_root_squash"), "{exports}");
}

#[test]
fn the_example_is_what_its_comments_say() {
    let example = manifests(EXAMPLE);
    let text = example.documents().unwrap();
    assert!(text.contains("kind: Namespace\n") && text.contains("  replicas: 6\n"), "{text}");
    assert!(!text.contains("storageClassName"), "{text}");
    // Three fifths of 128Mi.
    assert!(text.contains("maxmemory 80530635"), "{text}");
    let advice = example.advice();
    assert!(advice.len() == 1 && advice[0].starts_with("password: there is no password"), "{advice:?}");
    let with_password = EXAMPLE.replace("# password:", "password:");
    assert!(manifests(&with_password).advice().is_empty());
    assert!(
        manifests(&with_password.replace("slotwright/redis:7.0.15", "docker.io/library/redis:7.2.5"))
            .documents()
            .unwrap()
            .contains("image: docker.io/library/redis:7.2.5\n")
    );
}

#[test]
fn the_text_is_the_same_each_time_and_has_no_secret() {
    for text in [EXAMPLE, TUTORIAL] {
        for style in ["stateful-set", "deployment"] {
            let text = text.replace("kubernetes:\n", &format!("kubernetes:\n  style: {style}\n"));
            let (one, two) = (manifests(&text), manifests(&text));
            assert_eq!(one.documents().unwrap(), two.documents().unwrap());
            assert!(!one.documents().unwrap().contains("kind: Secret\n"));
            let texts = |manifests: &Manifests| -> Vec<_> {
                manifests.files().unwrap().into_iter().map(|file| (file.name, file.text)).collect()
            };
            assert_eq!(texts(&one), texts(&two));
        }
    }
}

#[test]
fn secrets_are_shown_when_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (password, users) = (folder.path().join("password"), folder.path().join("users.acl"));
    fs::write(&password, "hunter2\n").unwrap();
    fs::write(&users, "user shop on >tiger ~shop:* +@all\n").unwrap();
    let text = EXAMPLE
        .replace("settings:", &format!("password: {{ file: {} }}\nsettings:", password.display()))
        .replace("kubernetes:\n", &format!("kubernetes:\n  users: {{ file: {} }}\n", users.display()));
    let spec = ClusterSpec::parse(&text).unwrap();
    let shown = Manifests::new(&spec, Disclosure::Shown(Some(ID.parse().unwrap())), None).unwrap();
    let yaml = shown.documents().unwrap();
    // In base64.
    assert!(yaml.contains("password: aHVudGVyMg==\n") && yaml.contains("dXNlciBzaG9w"), "{yaml}");
    assert!(shown.needed_secrets().is_empty());
    let output = folder.path().join("out");
    shown.write(&output, &Machine::default()).unwrap();
    let mode = fs::metadata(output.join("secret-example-secret.yaml")).unwrap().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    // Neither is needed to leave it out, and it goes when it is not asked for any more.
    fs::remove_file(password).unwrap();
    let left_out = Manifests::new(&spec, Disclosure::LeftOut, None).unwrap();
    assert_eq!(
        left_out.write(&output, &Machine::default()).unwrap(),
        Written {
            written: vec!["kustomization.yaml".into()],
            removed: vec!["secret-example-secret.yaml".into()]
        }
    );
    let error = Manifests::new(&spec, Disclosure::Shown(Some(ID.parse().unwrap())), None).unwrap_err();
    assert!(error.to_string().contains("password: cannot read"), "{error}");
}

#[test]
fn an_id_is_needed_only_for_a_secret_that_holds_it() {
    let shown =
        |text: &str| Manifests::new(&ClusterSpec::parse(text).unwrap(), Disclosure::Shown(None), None);
    assert!(shown(EXAMPLE).unwrap_err().to_string().contains("--deployment-id"));
    // The tutorial's Secret is somebody else's, so there is none to show.
    let tutorial = shown(TUTORIAL).unwrap();
    assert!(!tutorial.documents().unwrap().contains("kind: Secret\n"));
    assert_eq!(tutorial.needed_secrets().len(), 1);
}

#[test]
fn older_versions_get_what_they_take() {
    let of = |minor| {
        let spec = ClusterSpec::parse(EXAMPLE).unwrap();
        Manifests::new(&spec, Disclosure::LeftOut, minor).unwrap().documents().unwrap()
    };
    assert!(of(Some(20)).contains("apiVersion: policy/v1beta1\n"));
    assert!(of(None).contains("apiVersion: policy/v1\n") && of(Some(34)) == of(None));
}

#[test]
fn a_folder_is_brought_up_to_date_and_only_that() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("deep/out");
    let machine = Machine::default();
    let first = manifests(TUTORIAL).write(&folder, &machine).unwrap();
    let all: BTreeSet<String> = first.written.into_iter().collect();
    assert_eq!(all, names(&folder));
    assert!(first.removed.is_empty() && all.contains("slotwright-redis-cluster.exports"), "{all:?}");

    // Again: nothing is touched.
    let before = state(&folder);
    assert!(manifests(TUTORIAL).write(&folder, &machine).unwrap().is_nothing());
    assert_eq!(state(&folder), before);

    // Another style and Ganesha: what is not needed any more goes, what others wrote stays.
    fs::write(folder.join("README.md"), "ours").unwrap();
    fs::write(folder.join("patch.yaml"), "# Written by Slotwright; or so\n").unwrap();
    let text = TUTORIAL
        .replace("kubernetes:\n", "kubernetes:\n  style: deployment\n")
        .replace("  nfs:\n", "  nfs:\n    server: ganesha\n");
    let second = manifests(&text).write(&folder, &machine).unwrap();
    assert!(second.removed.contains(&"statefulset-redis-app.yaml".to_owned()), "{second:?}");
    assert!(second.removed.contains(&"slotwright-redis-cluster.exports".to_owned()), "{second:?}");
    let left = names(&folder);
    assert!(left.contains("README.md") && left.contains("patch.yaml"), "{left:?}");
    assert!(left.contains("deployment-redis-app-5.yaml") && !left.contains("statefulset-redis-app.yaml"));
    let list = fs::read_to_string(folder.join(KUSTOMIZATION)).unwrap();
    let ganesha = left.iter().find(|name| name.ends_with(".conf")).unwrap();
    assert!(
        list.contains(&format!("{BESIDE}{ganesha}\n")) && !list.contains(&format!("- {ganesha}")),
        "{list}"
    );
    // What somebody changed in our files is put right.
    fs::write(folder.join("serviceaccount-redis-app.yaml"), format!("{OURS} changed")).unwrap();
    let third = manifests(&text).write(&folder, &machine).unwrap();
    assert_eq!((third.written, third.removed), (vec!["serviceaccount-redis-app.yaml".to_owned()], vec![]));
}

#[test]
fn what_others_wrote_is_not_overwritten() {
    let machine = Machine::default();
    let refused = |name: &str, text: &str, why: &str| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), text).unwrap();
        let before = state(folder.path());
        let error = manifests(EXAMPLE).write(folder.path(), &machine).unwrap_err().to_string();
        assert!(
            error.contains(why) && error.contains(name) && error.contains("nothing was changed"),
            "{error}"
        );
        assert_eq!(state(folder.path()), before);
    };
    refused("kustomization.yaml", "resources: []\n", "another file of that name");
    refused("kustomization.yml", "resources: []\n", "one such file");
    refused("statefulset-example.yaml", "kind: StatefulSet\n", "another file of that name");

    let folder = tempfile::tempdir().unwrap();
    manifests(TUTORIAL).write(folder.path(), &machine).unwrap();
    let before = state(folder.path());
    let error = manifests(EXAMPLE).write(folder.path(), &machine).unwrap_err().to_string();
    assert!(error.contains("another deployment"), "{error}");
    assert_eq!(state(folder.path()), before);
}

#[test]
fn a_list_that_was_tampered_with_removes_nothing_of_others() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("out");
    manifests(EXAMPLE).write(&folder, &Machine::default()).unwrap();
    let outside = root.path().join("outside.yaml");
    fs::write(&outside, format!("{OURS} or so")).unwrap();
    fs::write(folder.join("mine.yaml"), "kind: ConfigMap\n").unwrap();
    let list = folder.join(KUSTOMIZATION);
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, format!("{text}- mine.yaml\n- ../outside.yaml\n- gone.yaml\n- {}\n", outside.display()))
        .unwrap();
    let written = manifests(EXAMPLE).write(&folder, &Machine::default()).unwrap();
    assert_eq!(written, Written { written: vec![KUSTOMIZATION.to_owned()], removed: vec![] });
    assert!(outside.exists() && folder.join("mine.yaml").exists());
}

/// Ends the run before the effect of this number.
struct Killer(AtomicUsize);

impl Witness for Killer {
    fn before(&self, _: Effect<'_>) {
        assert!(self.0.fetch_sub(1, Relaxed) > 0, "killed");
    }
}

#[test]
fn a_run_that_was_killed_anywhere_is_completed_by_the_next() {
    let small =
        EXAMPLE.replace("shards: 3", "shards: 1").replace("replicas-per-shard: 1", "replicas-per-shard: 0");
    let other = small.replace("kubernetes:\n", "kubernetes:\n  style: deployment\n");
    let clean = tempfile::tempdir().unwrap();
    manifests(&other).write(clean.path(), &Machine::default()).unwrap();
    let expected: Vec<_> = state(clean.path()).into_iter().map(|(name, text, ..)| (name, text)).collect();
    for point in 0.. {
        let folder = tempfile::tempdir().unwrap();
        manifests(&small).write(folder.path(), &Machine::default()).unwrap();
        let machine = Machine::new(Arc::new(Killer(AtomicUsize::new(point))));
        let killed = catch_unwind(AssertUnwindSafe(|| manifests(&other).write(folder.path(), &machine)));
        manifests(&other).write(folder.path(), &Machine::default()).unwrap();
        let mut found: Vec<_> =
            state(folder.path()).into_iter().map(|(name, text, ..)| (name, text)).collect();
        // A new text beside a file that was not replaced any more.
        found.retain(|(name, _)| !name.ends_with(".new"));
        assert_eq!(found, expected, "killed at {point}");
        if killed.is_ok() {
            assert!(point > 5, "{point}");
            return;
        }
    }
}
