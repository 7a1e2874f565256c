//! Verification over the wire, against NFS-Ganesha: what a Redis node could live on passes, and what it could not is
//! named, in both versions of the protocol.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    time::{Duration, SystemTime},
};

use slotwright_nfs::{
    Severity,
    wire::{Error, Identity, Outcome, Preflight, Report, StepName, Target, Version, exports, verify},
};
use slotwright_tests::{
    nfs::apart::{Directory, Ganesha, MOUNT_PORT, NFS_PORT, apart},
    wait::until,
};

const LIMIT: Duration = Duration::from_secs(5);
const BOTH: [Version; 2] = [Version::V3, Version::V4_1];
const READY: &str = "Graceless = true; Lease_Lifetime = 10;";

fn target(version: Version, path: &str) -> Target {
    Target {
        host: "127.0.0.1".to_owned(),
        port: NFS_PORT,
        mount_port: Some(MOUNT_PORT),
        version,
        path: path.to_owned(),
        uid: 999,
        gid: 999,
        privileged_port: true,
    }
}

fn short() -> Preflight {
    Preflight { appends: 20, ..Preflight::default() }
}

/// Fails with everything that is known when there is something wrong.
fn assert_passed(report: &Report) {
    assert!(report.passed(), "{report:#?}");
}

/// The verification stopped at this step, with this finding, and told of every step.
fn assert_failed(report: &Report, step: StepName, code: &str) {
    assert!(!report.passed(), "{report:#?}");
    assert!(matches!(report.outcome(step), Some(Outcome::Failed { .. })), "{report:#?}");
    let finding = report.finding(code).unwrap_or_else(|| panic!("no {code}: {report:#?}"));
    assert_eq!(finding.severity, Severity::Critical);
    assert!(!finding.remedy.is_empty());
    assert_eq!(report.steps.iter().map(|step| step.name).collect::<Vec<_>>(), StepName::ALL);
}

/// A verification has come to its appends: only its final file is there, and grows.
fn appends(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let entry = entry.unwrap();
        entry.metadata().is_ok_and(|it| it.size() > 100_000)
            && !entry.path().to_string_lossy().ends_with(".tmp")
    })
}

#[test]
fn a_good_export_passes_and_keeps_nothing() {
    apart(async || {
        let server = Ganesha::start("3,4", READY, &[Directory::new("pv1")]);
        fs::write(server.directory("pv1").join("appendonly.aof"), "kept").unwrap();
        for version in BOTH {
            let report = verify(&target(version, "/data/pv1"), &short()).await;
            assert_passed(&report);
            assert_eq!(report.made.as_ref().unwrap().owner, Some(Identity::Number(999)));
            assert_eq!(report.made.as_ref().unwrap().group, Some(Identity::Number(999)));
            assert_eq!(report.made.as_ref().unwrap().mode, 0o644);
            assert_eq!(report.latency.unwrap().count, 20);
            assert_eq!(server.names("pv1"), ["appendonly.aof"]);
            match version {
                Version::V4_1 => {
                    assert_eq!(report.outcome(StepName::Lock), Some(&Outcome::Ok));
                    assert_eq!(report.lease_seconds, Some(10));
                    assert!(report.finding("lease").is_some());
                }
                Version::V3 => {
                    let Some(Outcome::Skipped { why }) = report.outcome(StepName::Lock) else { panic!() };
                    assert!(why.contains("no locks checked"), "{why}");
                    assert!(report.finding("locks-not-checked").is_some());
                }
            }
        }
    });
}

#[test]
fn exports_are_listed() {
    apart(async || {
        let directories = ["pv3", "pv1", "pv2"].map(Directory::new);
        let _server = Ganesha::start("3,4", READY, &directories);
        for version in BOTH {
            let found = exports(&target(version, "/"), LIMIT).await.unwrap();
            let paths: Vec<&str> = found.iter().map(|listed| listed.path.as_str()).collect();
            assert_eq!(paths, ["/data/pv1", "/data/pv2", "/data/pv3"]);
        }
        // The portmapper knows where mounts are taken.
        let asked = Target { mount_port: None, ..target(Version::V3, "/data/pv2") };
        assert_eq!(exports(&asked, LIMIT).await.unwrap().len(), 3);
        assert_passed(&verify(&asked, &short()).await);
    });
}

#[test]
fn files_that_were_asked_for_are_handed_back() {
    apart(async || {
        let server = Ganesha::start("3,4", READY, &[Directory::new("pv1")]);
        let directory = server.directory("pv1");
        let nodes = "07c37dfeb235213a872192d90877d0cd55635b91 :0@0 myself,master - 0 0 0 connected\n";
        fs::write(directory.join("nodes.conf"), nodes).unwrap();
        fs::write(directory.join("large"), vec![b'x'; 3 << 20]).unwrap();
        fs::write(directory.join("secret"), "root's").unwrap();
        fs::set_permissions(directory.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(directory.join("appendonlydir")).unwrap();
        let read = ["nodes.conf", "missing", "large", "secret", "appendonlydir"].map(str::to_owned).to_vec();
        for version in BOTH {
            let report =
                verify(&target(version, "/data/pv1"), &Preflight { read: read.clone(), ..short() }).await;
            let [first, second] = &report.found[..] else { panic!("{report:#?}") };
            assert_eq!((first.name.as_str(), first.size), ("nodes.conf", nodes.len() as u64));
            assert_eq!((first.owner.clone(), first.mode), (Some(Identity::Number(0)), 0o644));
            assert_eq!(String::from_utf8_lossy(&first.bytes), nodes);
            assert_eq!((second.name.as_str(), second.size, second.bytes.len()), ("large", 3 << 20, 1 << 20));
            let unreadable: Vec<&str> = report
                .findings
                .iter()
                .filter(|it| it.code == "unreadable-file")
                .map(|it| it.what.as_str())
                .collect();
            let [one, two] = unreadable[..] else { panic!("{report:#?}") };
            assert!(one.starts_with("secret ") && two.starts_with("appendonlydir "), "{unreadable:?}");
            // All else is still verified.
            assert_eq!(report.outcome(StepName::Append), Some(&Outcome::Ok));
            assert!(!report.passed());
            let json = serde_json::to_value(&report).unwrap();
            assert_eq!(json["version"], if version == Version::V3 { "3" } else { "4.1" });
            assert_eq!(json["steps"][0]["name"], "resolve");
            assert_eq!(json["steps"][0]["outcome"], "ok");
            assert_eq!(json["found"][0]["owner"], 0);
            assert!(json["found"][0].get("bytes").is_none());

            let outside = Preflight { read: vec!["../pv2/nodes.conf".to_owned()], ..short() };
            assert_failed(
                &verify(&target(version, "/data/pv1"), &outside).await,
                StepName::Look,
                "bad-request",
            );
        }
        assert_eq!(server.names("pv1"), ["appendonlydir", "large", "nodes.conf", "secret"]);
    });
}

#[test]
fn only_old_left_overs_of_verifications_are_swept() {
    apart(async || {
        let server = Ganesha::start("3,4", READY, &[Directory::new("pv1")]);
        let directory = server.directory("pv1");
        let old = SystemTime::now() - Duration::from_secs(2 * 3600);
        for version in BOTH {
            let make = |name: &str, modified: SystemTime| {
                let file = fs::File::create(directory.join(name)).unwrap();
                file.set_modified(modified).unwrap();
            };
            make(".slotwright-preflight-0123456789abcdef", old);
            make(".slotwright-preflight-0123456789abcdef.tmp", old);
            make(".slotwright-preflight-fedcba9876543210", SystemTime::now() - Duration::from_secs(60));
            make(".slotwright-preflight-notes", old);
            make("nodes.conf", old);
            fs::create_dir_all(directory.join(".slotwright-preflight-aaaaaaaaaaaaaaaa")).unwrap();
            assert_passed(&verify(&target(version, "/data/pv1"), &short()).await);
            assert_eq!(
                server.names("pv1"),
                [
                    ".slotwright-preflight-aaaaaaaaaaaaaaaa",
                    ".slotwright-preflight-fedcba9876543210",
                    ".slotwright-preflight-notes",
                    "nodes.conf"
                ]
            );
        }
    });
}

#[test]
fn what_redis_could_not_live_on_is_named() {
    const SQUASH_ROOT: &str = "Access_Type = RW; Squash = Root_Squash;";
    const SQUASH_ALL: &str = "Access_Type = RW; Squash = All_Squash;";
    apart(async || {
        let server = Ganesha::start(
            "3,4",
            READY,
            &[
                Directory::new("good"),
                Directory::new("ro").options("Access_Type = RO; Squash = No_Root_Squash;"),
                Directory::new("theirs").owner(1000, 1000),
                Directory::new("root-squashed").options(SQUASH_ROOT),
                Directory::new("all-squashed").options(SQUASH_ALL),
                Directory::new("elsewhere").options(
                    "Access_Type = NONE; Squash = No_Root_Squash; CLIENT { Clients = 10.9.9.9; Access_Type = RW; }",
                ),
                Directory::new("secure").options("Access_Type = RW; Squash = No_Root_Squash; PrivilegedPort = true;"),
            ],
        );
        for version in BOTH {
            let as_uid = |path, uid| Target { uid, gid: uid, ..target(version, path) };

            let read_only = verify(&target(version, "/data/ro"), &short()).await;
            assert_failed(&read_only, StepName::Create, "read-only");

            let theirs = verify(&target(version, "/data/theirs"), &short()).await;
            assert_failed(&theirs, StepName::Create, "no-permission");
            assert!(
                theirs.finding("no-permission").unwrap().what.contains("1000:1000 with mode 755"),
                "{theirs:#?}"
            );

            // Squashing only root is harmless for the pods' user, and not for root.
            assert_passed(&verify(&as_uid("/data/root-squashed", 999), &short()).await);
            let root = verify(&as_uid("/data/root-squashed", 0), &short()).await;
            assert_failed(&root, StepName::Create, "squashed-uid");

            let squashed = verify(&as_uid("/data/all-squashed", 999), &short()).await;
            assert_failed(&squashed, StepName::Create, "squashed-uid");
            assert!(squashed.finding("squashed-uid").unwrap().what.contains("all_squash"), "{squashed:#?}");

            let elsewhere = verify(&target(version, "/data/elsewhere"), &short()).await;
            // Ganesha hides what is not for a client.
            assert_failed(&elsewhere, StepName::Mount, "export-missing");
            assert!(elsewhere.finding("export-missing").unwrap().remedy.contains("the export's clients"));

            assert_passed(&verify(&target(version, "/data/secure"), &short()).await);
            let unprivileged = Target { privileged_port: false, ..target(version, "/data/secure") };
            assert_failed(&verify(&unprivileged, &short()).await, StepName::Mount, "privileged-port-needed");

            let missing = verify(&target(version, "/data/pv9"), &short()).await;
            assert_failed(&missing, StepName::Mount, "export-missing");
            let told = &missing.finding("export-missing").unwrap().what;
            assert!(told.contains("/data/good") && told.contains("/data/ro"), "{told}");
        }
        // In version 4 the way to the exports can be entered, and nothing can be done there.
        let pseudo = verify(&target(Version::V4_1, "/data"), &short()).await;
        assert_failed(&pseudo, StepName::Create, "not-an-export");

        for name in ["good", "ro", "theirs", "root-squashed", "all-squashed", "elsewhere", "secure"] {
            assert!(server.names(name).is_empty(), "{name}");
        }
    });
}

#[test]
fn squashing_to_the_users_own_uid_is_fine() {
    apart(async || {
        let anonymous = "Access_Type = RW; Squash = All_Squash; Anonymous_Uid = 999; Anonymous_Gid = 999;";
        let server = Ganesha::start("3,4", READY, &[Directory::new("pv1").options(anonymous)]);
        for version in BOTH {
            let same = verify(&target(version, "/data/pv1"), &short()).await;
            assert_passed(&same);
            assert_eq!(same.finding("squashed-uid"), None);

            let other = Target { uid: 1000, gid: 1000, ..target(version, "/data/pv1") };
            let report = verify(&other, &short()).await;
            assert_passed(&report);
            let finding = report.finding("squashed-uid").unwrap();
            assert_eq!(finding.severity, Severity::Warning);
            assert!(finding.what.contains("as uid 1000 belong to uid 999"), "{finding}");
        }
        assert!(server.names("pv1").is_empty());
    });
}

#[test]
fn a_version_the_server_does_not_speak_is_named() {
    for (protocols, version, offered) in [("3", Version::V4_1, "only 3"), ("4", Version::V3, "only 4")] {
        apart(async || {
            let _server = Ganesha::start(protocols, READY, &[Directory::new("pv1")]);
            let report = verify(&target(version, "/data/pv1"), &short()).await;
            assert_failed(&report, StepName::Greet, "wrong-version");
            assert!(report.finding("wrong-version").unwrap().what.contains(offered), "{report:#?}");
            assert!(exports(&target(version, "/"), LIMIT).await.is_err());
        });
    }
}

#[test]
fn a_closed_port_and_a_host_without_an_address_are_named() {
    apart(async || {
        for version in BOTH {
            let closed = target(version, "/data/pv1");
            assert_failed(&verify(&closed, &short()).await, StepName::Connect, "port-closed");
            let Err(Error::Connect { .. }) = exports(&closed, LIMIT).await else { panic!() };

            let nowhere = Target { host: "no-such-host.invalid".to_owned(), ..closed };
            assert_failed(&verify(&nowhere, &short()).await, StepName::Resolve, "host-not-resolvable");
        }
        let _server = Ganesha::start("4", READY, &[Directory::new("pv1")]);
        // No portmapper, no MOUNT service.
        for mount_port in [None, Some(MOUNT_PORT)] {
            let target = Target { mount_port, ..target(Version::V3, "/data/pv1") };
            let Err(Error::Connect { .. }) = exports(&target, LIMIT).await else { panic!() };
        }
    });
}

#[test]
fn a_path_that_makes_no_sense_is_refused_before_anything_is_sent() {
    for path in ["data/pv1", "", "/data/../etc", "/data/./pv1", "/data/\0"] {
        for version in BOTH {
            let report = apart(async || verify(&target(version, path), &short()).await);
            assert_failed(&report, StepName::Resolve, "bad-request");
        }
    }
}

#[test]
fn a_server_that_stops_answering_takes_bounded_time() {
    apart(async || {
        let server = Ganesha::start("3,4", READY, &[Directory::new("pv1")]);
        let limited = Preflight {
            appends: 10_000_000,
            limit: Duration::from_secs(6),
            call_limit: Duration::from_millis(500),
            ..Preflight::default()
        };
        for version in BOTH {
            let target = target(version, "/data/pv1");
            let directory = server.directory("pv1");
            let freeze = async {
                until("it appends", async || if appends(&directory) { Ok(()) } else { Err("not yet") }).await;
                server.freeze();
            };
            let (report, ()) = tokio::join!(verify(&target, &limited), freeze);
            assert_failed(&report, StepName::Append, "timeout");
            // It says what it could not take away, and how it got as far as it did.
            let left = report.finding("left-behind").unwrap_or_else(|| panic!("{report:#?}"));
            assert!(left.what.contains(".slotwright-preflight-"), "{left}");
            assert!(report.latency.is_some());

            // From the first moment on.
            let report = verify(&target, &limited).await;
            assert_failed(&report, StepName::Greet, "timeout");
            assert!(exports(&target, Duration::from_millis(200)).await.is_err());
            server.thaw();
            for name in server.names("pv1") {
                fs::remove_file(server.directory("pv1").join(name)).unwrap();
            }
        }
    });
}

#[test]
fn an_export_that_is_removed_meanwhile_is_a_stale_handle() {
    let both = [Directory::new("pv1"), Directory::new("pv2")];
    for version in BOTH {
        apart(async || {
            let server = Ganesha::start("3,4", READY, &both);
            let directory = server.directory("pv2");
            let removal = async {
                until("it appends", async || if appends(&directory) { Ok(()) } else { Err("not yet") }).await;
                server.reconfigure(READY, &both[..1]);
            };
            let endless = Preflight { appends: usize::MAX, ..Preflight::default() };
            let target = target(version, "/data/pv2");
            let (report, ()) = tokio::join!(verify(&target, &endless), removal);
            assert_failed(&report, StepName::Append, "stale-handle");
            assert!(report.finding("left-behind").is_some(), "{report:#?}");
        });
    }
}

#[test]
fn a_server_that_crashes_is_named_and_its_grace_period_is_waited_for() {
    apart(async || {
        let grace = "Graceless = false; Grace_Period = 4; Lease_Lifetime = 2;";
        let mut server = Ganesha::start("4", grace, &[Directory::new("pv1")]);
        let target = target(Version::V4_1, "/data/pv1");
        let (directory, endless) = (server.directory("pv1"), Preflight { appends: usize::MAX, ..short() });
        let crash = async {
            until("it appends", async || if appends(&directory) { Ok(()) } else { Err("not yet") }).await;
            server.kill9();
        };
        let (report, ()) = tokio::join!(verify(&target, &endless), crash);
        assert_failed(&report, StepName::Append, "connection-lost");
        assert!(report.finding("left-behind").is_some(), "{report:#?}");

        // The client of before does not come back, and so nobody new may open anything for a while.
        server.start_again();
        let report = verify(&target, &short()).await;
        assert_passed(&report);
        assert!(report.finding("server-asked-for-patience").is_some(), "{report:#?}");
    });
}

#[test]
fn verifications_do_not_disturb_each_other() {
    apart(async || {
        let server = Ganesha::start("3,4", READY, &[Directory::new("pv1")]);
        let target = BOTH.map(|version| target(version, "/data/pv1"));
        let preflight = short();
        let many = (0..6).map(|number| verify(&target[number % 2], &preflight));
        for report in futures::future::join_all(many).await {
            assert_passed(&report);
        }
        assert!(server.names("pv1").is_empty());
    });
}
