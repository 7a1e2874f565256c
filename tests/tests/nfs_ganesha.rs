//! Exports applied to a real NFS-Ganesha while it runs: come, change and go without disturbing anybody, and who uses them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    os::unix::fs::chown,
    path::PathBuf,
    process::{Child, ChildStdout, Stdio},
    time::Duration,
};

use slotwright_machine::Machine;
use slotwright_nfs::{
    Consent, Error, ErrorKind, Outcome, Owner, Policy, Storage, Wanted,
    server::{self, GaneshaFiles, Server, User},
    wire::{self, Preflight, Target, Version, verify},
};
use slotwright_tests::{
    nfs::{
        apart::apart,
        ganesha::{Ganesha, Options, Place},
        tools,
    },
    wait::until,
};

const OWNER: Owner = Owner { uid: 999, gid: 999, mode: 0o700 };

/// A server with an export of somebody else's, and a deployment that it shall serve.
struct Site {
    ganesha: Ganesha,
    wanted: Wanted,
    bus: String,
    main: String,
}

impl Site {
    fn new(count: usize, options: Options) -> Self {
        let foreign = tempfile_folder();
        let export = format!(
            "# since 1998\nEXPORT {{ Export_Id = 2; Path = {0}; Pseudo = /srv; Access_Type = RO; FSAL {{ Name = VFS; }} }}\n",
            foreign.display()
        );
        let ganesha = Ganesha::start(&Options { configuration: export + &options.configuration, ..options });
        let place = ganesha.place();
        let wanted = Wanted {
            deployment: "demo".to_owned(),
            base: place.folder().join("data"),
            prefix: "pv".to_owned(),
            count,
            clients: vec!["127.0.0.0/8".parse().unwrap()],
            policy: Policy::Safe,
            owner: OWNER,
            mount_point: None,
        };
        let main = fs::read_to_string(place.config()).unwrap();
        Self { bus: place.bus(), wanted, main, ganesha }
    }

    fn place(&self) -> &Place {
        self.ganesha.place()
    }

    fn storage(&self) -> Storage {
        self.storage_of(self.wanted.count)
    }

    /// The deployment with so many exports.
    fn storage_of(&self, count: usize) -> Storage {
        let files = GaneshaFiles {
            config: self.place().config(),
            folder: self.place().drop_ins(),
            bus: Some(self.bus.clone()),
        };
        let server = Server::Ganesha(server::Ganesha::new(files, "demo"));
        let wanted = Wanted { count, ..self.wanted.clone() };
        Storage::new(wanted, server, Machine::default()).unwrap()
    }

    async fn apply(&self) -> Outcome {
        self.storage().apply(&Consent::default()).await.unwrap()
    }

    /// What it says when it is not done.
    async fn refused(&self) -> Error {
        self.storage().apply(&Consent::default()).await.unwrap_err()
    }

    async fn remove(&self, name: &str) -> Result<Outcome, Error> {
        self.storage().remove(&BTreeSet::from([name.to_owned()]), &Consent::default()).await
    }

    async fn as_wanted(&self) {
        let status = self.storage().status().await.unwrap();
        assert!(status.is_as_wanted() && status.exports.len() == self.wanted.count, "{status:#?}");
    }

    async fn users(&self, name: &str) -> Vec<User> {
        let status = self.storage().status().await.unwrap();
        status.exports.into_iter().find(|export| export.name == name).unwrap().users
    }

    /// The ids by which the server knows them: export → id.
    async fn ids(&self) -> Vec<(String, Option<u16>)> {
        let status = self.storage().status().await.unwrap();
        status.exports.into_iter().map(|export| (export.name, export.id)).collect()
    }

    fn drop_in(&self) -> PathBuf {
        self.place().drop_ins().join("slotwright-demo.conf")
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.wanted.base.join(name)
    }

    fn target(&self, version: Version, name: &str) -> Target {
        Target {
            host: "127.0.0.1".to_owned(),
            port: self.place().port(),
            mount_port: Some(self.place().mount_port()),
            version,
            path: self.directory(name).display().to_string(),
            uid: 999,
            gid: 999,
            privileged_port: true,
        }
    }

    /// Which exports a client sees.
    async fn seen(&self) -> Vec<String> {
        let root = Target { path: "/".to_owned(), ..self.target(Version::V4_1, "") };
        let found = wire::exports(&root, Duration::from_secs(10)).await.unwrap();
        found.into_iter().map(|listed| listed.path).collect()
    }

    /// Reads, writes and syncs as a node does.
    async fn verified(&self, name: &str) {
        let preflight = Preflight { appends: 20, ..Preflight::default() };
        let report = verify(&self.target(Version::V4_1, name), &preflight).await;
        assert!(report.passed(), "{report:#?}");
    }

    /// A client that holds a file of this export open, and reads only when it is told to.
    fn reader(&self, name: &str) -> Reader {
        let file = self.directory(name).join("big");
        fs::write(&file, vec![b'x'; SIZE]).unwrap();
        chown(&file, Some(999), Some(999)).unwrap();
        let mut command = self.ganesha.client("nfs-cat", file.to_str().unwrap());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        // Its first bytes tell that the file is open; the pipe is full soon, and the client waits.
        output.read_exact(&mut [0; 1000]).unwrap();
        Reader { child, output }
    }

    fn send(&self, method: &str, arguments: &[&str]) {
        let method = format!("org.ganesha.nfsd.exportmgr.{method}");
        let done = self.place().send("org.ganesha.nfsd", "/org/ganesha/nfsd/ExportMgr", &method, arguments);
        assert!(done.status.success(), "{done:?}");
    }
}

const SIZE: usize = 8 << 20;

struct Reader {
    child: Child,
    output: ChildStdout,
}

impl Reader {
    /// Reads the rest of the file, and closes it.
    fn finish(mut self) {
        let mut rest = Vec::new();
        self.output.read_to_end(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        assert_eq!(rest.len() + 1000, SIZE);
    }

    /// Goes away as a machine does that loses its power.
    fn vanish(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A directory that somebody exports already. It is nobody's, so all tests share it.
fn tempfile_folder() -> PathBuf {
    let folder = std::env::temp_dir().join("slotwright-test-foreign");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What is done while a client writes to pv1, which must not notice.
async fn while_writing(site: &Site, version: Version, act: impl AsyncFnOnce()) {
    let preflight = Preflight { appends: 1_000_000, limit: Duration::from_secs(20), ..Preflight::default() };
    let target = site.target(version, "pv1");
    let writer = tokio::spawn(async move { verify(&target, &preflight).await });
    let pv1 = site.directory("pv1");
    until("a client writes", async || {
        let sizes: Vec<u64> = fs::read_dir(&pv1)
            .unwrap()
            .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
            .collect();
        if sizes.iter().any(|size| *size > 100_000) { Ok(()) } else { Err(sizes) }
    })
    .await;
    act().await;
    assert!(!writer.is_finished(), "the writer ended before what was done meanwhile");
    let report = writer.await.unwrap();
    assert!(report.passed(), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_come_and_go_while_a_client_writes() {
    let mut site = Site::new(6, Options::default());
    site.apply().await;
    site.as_wanted().await;
    // Id 2 is somebody else's.
    let ids = site.ids().await;
    assert_eq!(ids.iter().map(|(_, id)| id.unwrap()).collect::<Vec<_>>(), [1, 3, 4, 5, 6, 7]);
    let seen = site.seen().await;
    assert_eq!(seen.len(), 7, "{seen:?}");
    assert!(seen.contains(&"/srv".to_owned()), "{seen:?}");
    for (name, _) in &ids {
        site.verified(name).await;
        assert!(site.users(name).await.is_empty());
    }
    assert!(site.apply().await.changes.is_empty());

    while_writing(&site, Version::V4_1, async || {
        let seventh = site.storage_of(7);
        seventh.apply(&Consent::default()).await.unwrap();
        assert_eq!(site.seen().await.len(), 8);
        site.verified("pv7").await;
        let gone = seventh.remove(&BTreeSet::from(["pv7".to_owned()]), &Consent::default()).await;
        gone.unwrap();
        assert_eq!(site.seen().await.len(), 7);
        // The one that is written to stays.
        let users = site.users("pv1").await;
        assert_eq!(users.len(), 1, "{users:?}");
        assert_eq!(users[0].client, "127.0.0.1");
        let error = site.remove("pv1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
    })
    .await;

    // Everything goes, but for what is somebody else's, to the last byte.
    site.storage().remove(&BTreeSet::new(), &Consent::default()).await.unwrap();
    assert_eq!(site.seen().await, ["/srv"]);
    assert_eq!(fs::read_to_string(site.place().config()).unwrap(), site.main);
    assert!(!site.drop_in().exists() && site.directory("pv6").exists());
    site.ganesha.restart();
    assert_eq!(site.seen().await, ["/srv"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_files_stay_open_when_options_change() {
    let mut site = Site::new(2, Options::default());
    site.apply().await;
    let reader = site.reader("pv1");
    let custom = |text: &str| Policy::Custom(Box::new(text.parse().unwrap()));
    site.wanted.policy = custom("ro,all_squash,anonuid=999,anongid=999");
    let error = site.refused().await;
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let consent = Consent { even_if_used: BTreeSet::from(["pv1".to_owned()]), ..Consent::default() };
    site.storage().apply(&consent).await.unwrap();
    site.as_wanted().await;
    let report = verify(&site.target(Version::V4_1, "pv2"), &Preflight::default()).await;
    assert!(!report.passed(), "{report:#?}");
    site.wanted.policy = Policy::Safe;
    site.storage().apply(&consent).await.unwrap();
    site.as_wanted().await;
    site.verified("pv2").await;
    reader.finish();
    until("the file is closed", async || {
        let users = site.users("pv1").await;
        if users.iter().any(|user| user.evidence.contains("open")) { Err(users) } else { Ok(()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_vanished_counts_until_its_lease_ends() {
    let site = Site::new(2, Options { lease: 5, ..Options::default() });
    site.apply().await;
    let reader = site.reader("pv1");
    assert_eq!(site.users("pv1").await[0].client, "127.0.0.1");
    assert!(site.users("pv2").await.is_empty());
    reader.vanish();
    let users = until("its connection is gone", async || {
        let users = site.users("pv1").await;
        if users[0].client == "127.0.0.1" { Err(users) } else { Ok(users) }
    })
    .await;
    assert!(users[0].client.contains("not connected") && users[0].evidence.contains("big"), "{users:?}");
    assert!(site.remove("pv1").await.is_err());
    until("its lease ends", async || {
        let users = site.users("pv1").await;
        if users.is_empty() { Ok(()) } else { Err(users) }
    })
    .await;
    site.remove("pv1").await.unwrap();
}

#[test]
fn a_client_over_version_3_is_seen() {
    apart(async || {
        let site = Site::new(2, Options { version_3: true, ..Options::default() });
        site.apply().await;
        while_writing(&site, Version::V3, async || {
            let users = site.users("pv1").await;
            assert_eq!(users.len(), 1, "{users:?}");
            assert!(users[0].evidence.contains("over NFSv3"), "{users:?}");
            assert!(site.users("pv2").await.is_empty());
            assert_eq!(site.remove("pv1").await.unwrap_err().kind(), ErrorKind::Refused);
        })
        .await;
        // It has removed its files. One that stays is left open for ever: the server does not learn who has gone.
        until("the client has gone", async || {
            let users = site.users("pv1").await;
            if users.is_empty() { Ok(()) } else { Err(users) }
        })
        .await;
        site.remove("pv1").await.unwrap();
        let from = site.place().folder().join("dump.rdb");
        fs::write(&from, vec![b'x'; 100_000]).unwrap();
        let mut copy = tools::program("usr/bin/nfs-cp");
        let to = site.directory("pv2").join("dump.rdb").display().to_string();
        let (port, mount_port) = (site.place().port(), site.place().mount_port());
        let url = format!("nfs://127.0.0.1{to}?version=3&nfsport={port}&mountport={mount_port}");
        let done = copy.arg(&from).arg(url).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        let users = site.users("pv2").await;
        assert_eq!(users.len(), 1, "{users:?}");
        assert!(users[0].client.contains("not connected"), "{users:?}");
        assert!(users[0].evidence.contains("dump.rdb; over NFSv3"), "{users:?}");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_refuses_leaves_everything_as_it_was() {
    let mut site = Site::new(3, Options::default());
    site.apply().await;
    let before = fs::read_to_string(site.drop_in()).unwrap();
    site.wanted.count = 4;
    site.wanted.clients.push("no-such-host.invalid".parse().unwrap());
    let error = site.refused().await;
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    assert!(matches!(error, Error::Undone { left: None, .. }), "{error}");
    assert_eq!(fs::read_to_string(site.drop_in()).unwrap(), before);
    assert_eq!(site.seen().await.len(), 4);
    site.wanted.clients.pop();
    site.wanted.count = 3;
    site.as_wanted().await;
    for name in ["pv1", "pv2", "pv3"] {
        site.verified(name).await;
    }

    // What cannot be said to Ganesha is refused before anything is asked.
    site.wanted.clients = vec!["gss/krb5".parse().unwrap()];
    let error = site.refused().await;
    assert!(error.to_string().contains("ticket"), "{error}");
    // And a main configuration that it could not read at its next start.
    site.wanted.clients = vec!["127.0.0.0/8".parse().unwrap()];
    let main = fs::read_to_string(site.place().config()).unwrap();
    for (text, told) in [("EXPORT {\n", "has no `}`"), ("%include /no/such/file\n", "/no/such/file")] {
        fs::write(site.place().config(), format!("{main}{text}")).unwrap();
        let error = site.refused().await;
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_serves_the_same() {
    let mut site = Site::new(3, Options::default());
    site.apply().await;
    let ids = site.ids().await;
    for crash in [false, true] {
        match crash {
            false => site.ganesha.restart(),
            true => {
                site.ganesha.kill9();
                site.ganesha.start_server();
            }
        }
        site.as_wanted().await;
        assert_eq!(site.ids().await, ids);
        site.verified("pv3").await;
        assert!(site.apply().await.changes.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_of_the_running_server_is_told_and_put_right() {
    let site = Site::new(3, Options::default());
    site.apply().await;
    let text = fs::read_to_string(site.drop_in()).unwrap();
    let ids = site.ids().await;
    let (first, second) = (ids[0].1.unwrap(), ids[1].1.unwrap());
    site.send("RemoveExport", &[&format!("uint16:{first}")]);
    let other = site.place().folder().join("other.conf");
    fs::write(&other, text.replace("All_Squash", "No_Root_Squash")).unwrap();
    let by_id = format!("string:EXPORT(Export_Id={second})");
    site.send("UpdateExport", &[&format!("string:{}", other.display()), &by_id]);
    let status = site.storage().status().await.unwrap();
    let drift: Vec<bool> = status.exports.iter().map(|export| export.drift.is_empty()).collect();
    assert_eq!(drift, [false, false, true], "{status:#?}");
    site.apply().await;
    site.as_wanted().await;
    assert_eq!(fs::read_to_string(site.drop_in()).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_be_told_is_told_of() {
    let mut site = Site::new(2, Options::default());
    let unchanged = |site: &Site| {
        assert_eq!(fs::read_to_string(site.place().config()).unwrap(), site.main);
        assert!(!site.drop_in().exists() && !site.wanted.base.exists());
    };
    let not_running = |error: &Error, word: &str| {
        assert!(matches!(error, Error::NotRunning { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    };
    // No bus there, no address, and one that never answers.
    let right = std::mem::replace(&mut site.bus, "unix:path=/no/such/bus".to_owned());
    not_running(&site.refused().await, "/no/such/bus");
    site.bus = "nonsense".to_owned();
    let error = site.refused().await;
    assert!(matches!(error, Error::Server { .. }) && error.to_string().contains("nonsense"), "{error}");
    let silent = site.place().folder().join("silent");
    let _listener = std::os::unix::net::UnixListener::bind(&silent).unwrap();
    site.bus = format!("unix:path={}", silent.display());
    let error = site.refused().await;
    assert!(error.to_string().contains("no answer"), "{error}");
    site.bus = right;
    unchanged(&site);

    site.ganesha.stop();
    not_running(&site.refused().await, "systemctl start nfs-ganesha");
    unchanged(&site);
    // Prepared for its start.
    let offline = Consent { offline: true, ..Consent::default() };
    site.storage().apply(&offline).await.unwrap();
    assert!(!site.storage().status().await.unwrap().running);
    site.ganesha.start_server();
    site.as_wanted().await;
    site.verified("pv2").await;

    site.ganesha.freeze();
    site.wanted.count = 3;
    let error = site.refused().await;
    site.ganesha.thaw();
    assert!(error.to_string().contains("no answer"), "{error}");
    // A bus that ends takes Ganesha with it (libdbus, dbus_connection_set_exit_on_disconnect).
    site.ganesha.kill_bus();
    not_running(&site.refused().await, "cannot be reached");
    site.ganesha.await_end();
    site.ganesha.start_bus();
    not_running(&site.refused().await, "systemctl start nfs-ganesha");
    site.ganesha.start_server();
    site.apply().await;
    site.verified("pv3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_permission_nothing_is_changed() {
    let site = Site::new(2, Options { forbidden: true, ..Options::default() });
    let error = site.refused().await;
    assert!(matches!(error, Error::Server { .. }), "{error}");
    assert!(error.to_string().contains("not permitted") && error.to_string().contains("root"), "{error}");
    assert_eq!(fs::read_to_string(site.place().config()).unwrap(), site.main);
    assert!(!site.wanted.base.exists());
}
