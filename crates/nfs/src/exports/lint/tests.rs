//! Each finding, and its absence.

use std::{collections::BTreeMap, path::Path};

use super::{
    super::facts::{self, FileSystem, NoFacts, Place, Release},
    *,
};

/// Facts made up for a test.
#[derive(Default)]
struct Told {
    places: BTreeMap<&'static str, Place>,
    hosts: BTreeMap<&'static str, bool>,
    release: Option<Release>,
}

impl Facts for Told {
    fn place(&self, path: &Path) -> Place {
        self.places.get(path.to_str().unwrap()).cloned().unwrap_or(Place::Unknown)
    }

    fn resolves(&self, host: &str) -> Option<bool> {
        self.hosts.get(host).copied()
    }

    fn release(&self) -> Option<Release> {
        self.release
    }
}

fn folder(kind: &str, options: &str, mounted: bool) -> Place {
    let file_system = Some(FileSystem { kind: kind.to_owned(), options: options.to_owned() });
    Place::Folder { file_system, mounted }
}

fn findings(text: &str, facts: &dyn facts::Facts) -> Vec<Finding> {
    lint(&Table::new("/etc".as_ref(), Some(text.as_bytes()), []), facts)
}

/// `severity code line:column` of all findings but those on a missing `fsid=`, which short examples have not.
fn codes(text: &str, facts: &dyn facts::Facts) -> Vec<String> {
    findings(text, facts)
        .into_iter()
        .filter(|finding| finding.code != "missing-fsid")
        .map(|finding| {
            let place = finding.place.strip_prefix("/etc/exports:").unwrap();
            format!("{} {} {place}", finding.severity, finding.code)
        })
        .collect()
}

#[test]
fn an_export_as_it_should_be_draws_no_finding() {
    let text = "/data/pv1 10.0.0.0/24(rw,sync,no_subtree_check,all_squash,anonuid=999,anongid=999,fsid=1)\n\
                /data/pv2 10.0.0.0/24(rw,sync,no_subtree_check,all_squash,anonuid=999,anongid=999,fsid=2)\n";
    let told = Told {
        places: [("/data/pv1", folder("ext4", "rw", false)), ("/data/pv2", folder("xfs", "rw", false))]
            .into(),
        ..Told::default()
    };
    assert_eq!(findings(text, &told), []);
}

#[test]
fn the_tutorials_export_draws_all_it_deserves() {
    let text = "/data/nfs/redis/pv1 *(rw,no_root_squash,sync,insecure)\n";
    assert_eq!(codes(text, &NoFacts), ["critical world-root 1:21", "warning insecure 1:21"]);
    assert_eq!(findings(text, &NoFacts).first().unwrap().code, "missing-fsid");
}

#[test]
fn clients() {
    for (text, expected) in [
        ("/a *(ro)", &["info world-readable 1:4"][..]),
        ("/a *(rw)", &["warning world-writable 1:4"]),
        ("/a *(ro,no_root_squash)", &["warning world-root-read 1:4"]),
        ("/a *(rw,no_root_squash)", &["critical world-root 1:4"]),
        ("/a *(rw,no_root_squash,all_squash)", &["warning world-writable 1:4"]),
        ("/a *(sec=sys,ro,sec=krb5,rw,no_root_squash)", &["critical world-root 1:4"]),
        ("/a **(rw)", &["warning world-writable 1:4"]),
        ("/a 0.0.0.0/0(rw)", &["warning empty-prefix 1:4", "warning world-writable 1:4"]),
        ("/a ::/0(rw,no_root_squash)", &["critical world-root 1:4", "warning empty-prefix 1:4"]),
        ("/a *.org(rw)", &[]),
        (
            "/a 10.0.0.0/24 (rw)",
            &[
                "critical blank-before-options 1:16",
                "warning world-writable 1:16",
                "warning overlapping-clients 1:16",
            ],
        ),
        ("/a", &["critical no-client 1:3", "info world-readable 1:3"]),
        ("/a -rw # x", &["critical no-client 1:7", "warning world-writable 1:7"]),
        (
            "/a db(rw) -ro",
            &["critical no-client 1:14", "warning overlapping-clients 1:14", "info world-readable 1:14"],
        ),
        ("/a 10.0.0.5/24(rw)", &["warning host-bits 1:4"]),
        ("/a fd00::1/64(rw)", &["warning host-bits 1:4"]),
        ("/a 10.0.0.5/32(rw)", &[]),
        ("/a 10.0.*(rw)", &["critical wildcard-address 1:4"]),
        ("/a 10.0.0.[0-9](rw)", &["critical wildcard-address 1:4"]),
        ("/a db*(rw)", &[]),
        ("/a gss/krb5(rw)", &["info gss-client 1:4"]),
        ("/a [fd00::1](rw)", &["critical bad-client 1:4"]),
    ] {
        assert_eq!(codes(text, &NoFacts), expected, "{text}");
    }
    let told = Told { hosts: [("gone", false), ("here", true)].into(), ..Told::default() };
    assert_eq!(codes("/a gone(rw) here(rw) other(rw)", &told), ["critical unresolvable-host 1:4"]);
}

#[test]
fn options() {
    for (text, expected) in [
        ("/a db(rw,async)", &["critical async 1:4"][..]),
        ("/a db(ro,async)", &[]),
        ("/a -async,rw db", &["critical async 1:14"]),
        ("/a db(rw,insecure)", &["warning insecure 1:4"]),
        ("/a db(rw,no_root_squash)", &["warning no-root-squash 1:4"]),
        ("/a db(rw,anonuid=0)", &["critical anonymous-root 1:4"]),
        ("/a db(rw,no_root_squash,anonuid=0)", &["warning no-root-squash 1:4"]),
        ("/a db(rw,subtree_check)", &["warning subtree-check 1:4"]),
        ("/a db(ro,sync,rw)", &["warning contradiction 1:15"]),
        ("/a -ro db(rw)", &[]),
        ("/a db(rw,anonuid=-2)", &["warning negative-id 1:10"]),
        ("/a -sec=krb5 db(sync,rw)", &["critical no-effect 1:22"]),
        ("/a -sec=krb5,rw db(sync,rw)", &[]),
        ("/a db(xprtsec=tls)", &["info newer-option 1:4"]),
        ("/a db(sign_fh)", &["info newer-option 1:4"]),
        ("/a db(fsid=1,reexport=auto-fsidnum)", &["critical reexport-fsid 1:4", "info newer-option 1:4"]),
        (
            "/a db(reexport=auto-fsidnum)\n/b db(fsid=1)",
            &["info newer-option 1:4", "critical reexport-fsid 2:4"],
        ),
        ("/a db(rw,bogus) db2(RW)", &["critical unknown-option 1:10", "critical unknown-option 1:21"]),
    ] {
        assert_eq!(codes(text, &NoFacts), expected, "{text}");
    }
    let told = |release| Told { release: Some(release), ..Told::default() };
    assert_eq!(codes("/a db(xprtsec=tls)", &told(Release(2, 6, 2))), ["critical newer-option 1:4"]);
    assert_eq!(codes("/a db(xprtsec=tls)", &told(Release(2, 6, 3))), [] as [&str; 0]);
}

#[test]
fn between_grants_and_entries() {
    for (text, expected) in [
        ("/a db(rw) db(rw)", &["warning duplicate-client 1:11"][..]),
        ("/a db(rw)\n/a/ DB(ro)", &["critical duplicate-client 2:5"]),
        ("/a 10.0.0.5/24(rw) 10.0.0.0/24(rw)", &["warning host-bits 1:4", "warning duplicate-client 1:20"]),
        ("/a 10.0.0.0/24(rw) 10.0.0.1(ro)", &["warning overlapping-clients 1:20"]),
        ("/a 10.0.0.0/24(rw) 10.0.0.1(rw)", &[]),
        ("/a 10.0.0.0/24(rw) 10.0.1.1(ro)", &[]),
        ("/a db(rw)\n/a/b db(ro)", &["warning nested-exports 2:6"]),
        ("/a/b 10.0.0.1(ro)\n/c db\n/a 10.0.0.0/8(rw)", &["warning nested-exports 1:6"]),
        ("/a db(rw)\n/a/b db(rw)\n/ab db(ro)", &[]),
        ("/ db(rw)\n/a/b db(ro)", &["warning nested-exports 2:6"]),
        ("/a db(fsid=7)\n/b db(fsid=0x7)", &["critical duplicate-fsid 2:4"]),
        ("/a db(fsid=7) db2(fsid=7)", &[]),
        ("/a db(fsid=7) db2(fsid=8)", &["warning fsid-differs 1:15"]),
        ("/a db(fsid=7) db2", &["warning fsid-differs 1:15"]),
        ("/a db(fsid=root)", &["warning fsid-root 1:4"]),
        (
            "/a db(fsid=01234567-89ab-cdef-0123-456789abcdef)\n/b db(fsid=0123456789abcdef0123456789abcdef)",
            &["warning duplicate-fsid 2:4"],
        ),
    ] {
        assert_eq!(codes(text, &NoFacts), expected, "{text}");
    }
    let missing =
        |text: &str| findings(text, &NoFacts).iter().filter(|one| one.code == "missing-fsid").count();
    assert_eq!(missing("/a db db2\n/b db(fsid=1)\n/c db(fsid=1) db2"), 2);
}

#[test]
fn files_are_judged_together() {
    let drop_in = ("x.exports".into(), b"/b db(fsid=7)\n".to_vec());
    let table = Table::new("/etc".as_ref(), Some(b"/a db(fsid=7)\n"), [drop_in]);
    let found = lint(&table, &NoFacts);
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.code, one.place.as_str()), ("duplicate-fsid", "/etc/exports.d/x.exports:1:4"));
    assert!(one.what.contains("/etc/exports:1:4"), "{one}");
    let found = lint(&Table::new("/etc".as_ref(), None, []), &NoFacts);
    assert_eq!(found.first().unwrap().code, "no-main-file");
}

#[test]
fn folders_and_what_they_lie_on() {
    let told = Told {
        places: [
            ("/none", Place::Missing),
            ("/file", Place::NotAFolder),
            ("/disk", folder("ext4", "rw", false)),
            ("/mount", folder("xfs", "rw", true)),
            ("/tmpfs", folder("tmpfs", "rw", false)),
            ("/fuse", folder("fuse.sshfs", "rw", false)),
            ("/over", folder("overlay", "rw,lowerdir=/l", false)),
            ("/over2", folder("overlay", "rw,nfs_export=on", false)),
            ("/proc", folder("proc", "rw", true)),
            ("/vfat", folder("vfat", "rw", false)),
            ("/new", folder("newfs", "rw", false)),
        ]
        .into(),
        ..Told::default()
    };
    for (text, expected) in [
        ("/none db", &["critical missing-folder 1:1"][..]),
        ("/file db", &["critical not-a-folder 1:1"]),
        ("/disk db", &[]),
        ("/disk db(mp)", &["critical not-mounted 1:1"]),
        ("/disk db(mp=/mount)", &[]),
        ("/disk db(mp=/none)", &["critical not-mounted 1:1"]),
        ("/disk db(mp=/elsewhere)", &[]),
        ("/mount db(mp)", &[]),
        ("/mount db", &["info mount-not-asked-for 1:1"]),
        ("/tmpfs db", &["critical fsid-needed 1:1", "warning poor-file-system 1:1"]),
        ("/tmpfs db(fsid=3)", &["warning poor-file-system 1:1"]),
        ("/fuse db(fsid=3)", &["warning poor-file-system 1:1"]),
        ("/over db(fsid=3)", &["critical unexportable 1:1"]),
        ("/over2 db(fsid=3)", &["warning poor-file-system 1:1"]),
        ("/proc db(fsid=3,mp)", &["critical unexportable 1:1"]),
        ("/vfat db", &["warning poor-file-system 1:1"]),
        ("/new db", &[]),
        ("/unknown db", &[]),
    ] {
        assert_eq!(codes(text, &told), expected, "{text}");
    }
}

#[test]
fn what_exportfs_makes_of_a_broken_line_is_told() {
    for (text, expected) in [
        ("/a db(rw,bogus)\n", "drops this line and the rest of the file"),
        ("/a 10.0.0.0/33(rw)\n", "complains and leaves it out"),
        ("/a [fd00::1](rw)\n", "says nothing of it"),
    ] {
        let found = findings(text, &NoFacts);
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert!(one.what.contains(expected), "{one}");
        assert!(!one.remedy.is_empty());
    }
}
