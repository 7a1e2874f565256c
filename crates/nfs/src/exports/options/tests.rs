//! Options from text and back.

use super::{parse::Remark, *};
use crate::exports::{Problem, problem::Reach};

fn read(text: &str) -> Options {
    text.parse().unwrap_or_else(|problem| panic!("{text}: {problem}"))
}

#[test]
fn an_empty_list_is_the_default() {
    for text in ["", " ", "ro", "ro,", "sec=sys,ro"] {
        let options = read(text);
        assert_eq!(options.accesses().collect::<Vec<_>>(), Options::default().accesses().collect::<Vec<_>>());
    }
    assert_eq!(read(""), Options::default());
    assert_eq!(Options::default().to_string(), "ro,sync,no_subtree_check,secure,root_squash");
}

#[test]
fn every_option_is_read() {
    let text = "rw,async,no_wdelay,nohide,crossmnt,insecure,no_root_squash,all_squash,subtree_check,no_auth_nlm,no_acl,\
                pnfs,nordirplus,security_label,sign_fh,anonuid=1,anongid=2,fsid=01234567-89ab-cdef-0123-456789abcdef,\
                fsid=0x1f,mp=/mnt/a b,refer=/a@b,xprtsec=tls:mtls,reexport=auto-fsidnum";
    let expected = Options {
        access: Access { read_only: false, root_squash: false, all_squash: true },
        security: Vec::new(),
        sync: false,
        wdelay: false,
        hide: false,
        crossmnt: true,
        secure: false,
        subtree_check: true,
        auth_nlm: false,
        acl: false,
        readdirplus: false,
        security_label: true,
        sign_fh: true,
        pnfs: true,
        anonuid: 1,
        anongid: 2,
        fsid: Some(31),
        uuid: Some(Uuid::new(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)),
        mountpoint: "/mnt/a b".parse().ok(),
        locations: Some(Locations::Refer("/a@b".to_owned())),
        transport: vec![Transport::Tls, Transport::Mutual],
        reexport: Some(Reexport::Auto),
    };
    assert_eq!(read(text), expected);
    assert_eq!(read(&expected.to_string()), expected);
    assert_eq!(read(&expected.explicit()), expected);
    // Each of them undone by the last word, where there is one that does.
    let undone = read(&format!(
        "{text},reexport=none",
        text = text.replace(",reexport=auto-fsidnum", "")
            + ",ro,sync,wdelay,hide,nocrossmnt,secure,root_squash,\
            no_all_squash,no_subtree_check,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534,mountpoint,replicas=/c@d"
    ));
    let kept = Options {
        readdirplus: false,
        security_label: true,
        sign_fh: true,
        fsid: Some(31),
        uuid: expected.uuid,
        mountpoint: Some(Mountpoint::Itself),
        locations: Some(Locations::Replicas("/c@d".to_owned())),
        transport: expected.transport.clone(),
        ..Options::default()
    };
    assert_eq!(undone, kept);
}

#[test]
fn flavours_have_a_scope() {
    let rights = |text: &str| {
        read(text)
            .accesses()
            .map(|one| format!("{}:{}", one.flavour, if one.access.read_only { "ro" } else { "rw" }))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(rights("rw"), "sys:rw");
    assert_eq!(rights("sec=krb5:krb5i,rw"), "krb5:rw krb5i:rw");
    assert_eq!(rights("rw,sec=krb5,sec=sys,ro"), "krb5:rw sys:ro");
    assert_eq!(rights("sec=sys:krb5,rw,sec=sys,ro"), "sys:ro krb5:rw");
    assert_eq!(rights("sec=unix:sys:null:none"), "sys:ro none:ro");
    assert_eq!(rights("rw,sec=krb5,ro,sec=sys"), "krb5:ro sys:ro");
}

#[test]
fn default_options_keep_their_flavours_to_themselves() {
    let mut options = Options::default();
    options.apply("sec=krb5").unwrap();
    let remarks = options.apply("rw").unwrap();
    assert_eq!(remarks, [(0, Remark::NoEffect { option: "rw".to_owned() })]);
    assert!(options.accesses().all(|one| one.access.read_only));
    // What comes later begins with the last word, in whosever scope that was.
    let mut options = Options::default();
    options.apply("sec=sys,sec=krb5,ro,sec=sys,rw").unwrap();
    options.apply("sec=krb5p").unwrap();
    assert!(options.security.last().is_some_and(|one| !one.access.read_only));
}

#[test]
fn contradictions_and_negative_ids_are_remarked() {
    let remarks = |text: &str| Options::default().apply(text).unwrap();
    let both =
        |now: &str, before: &str| Remark::Contradiction { now: now.to_owned(), before: before.to_owned() };
    assert_eq!(remarks("ro,sync,rw"), [(8, both("rw", "ro"))]);
    assert_eq!(remarks("insecure_locks,auth_nlm"), [(15, both("auth_nlm", "no_auth_nlm"))]);
    assert_eq!(remarks("ro,ro"), []);
    assert_eq!(remarks("sec=sys,ro,sec=krb5,rw"), []);
    let negative = Remark::NegativeId { name: "anonuid", written: -2, id: 4_294_967_294 };
    assert_eq!(remarks("anonuid=-2"), [(0, negative)]);
}

#[test]
fn what_is_refused_says_where_and_how_far_it_goes() {
    for (text, at, reach) in [
        ("rw,bogus", 3, Reach::RestOfFile),
        ("RW", 0, Reach::RestOfFile),
        ("rw,,sync", 3, Reach::RestOfFile),
        (",rw", 0, Reach::RestOfFile),
        ("rw ,sync", 0, Reach::RestOfFile),
        ("rw=1", 0, Reach::RestOfFile),
        ("fsid", 0, Reach::RestOfFile),
        ("anonuid=", 0, Reach::RestOfFile),
        ("anonuid=redis", 0, Reach::RestOfFile),
        ("anonuid=+5", 0, Reach::Silent),
        ("anonuid= 5", 0, Reach::Silent),
        ("anonuid=5 ", 0, Reach::RestOfFile),
        ("anonuid=-1", 0, Reach::Silent),
        ("anonuid=4294967295", 0, Reach::Silent),
        ("anongid=4294967296", 0, Reach::Silent),
        ("anongid=-2147483649", 0, Reach::Silent),
        ("anongid=99999999999999999999", 0, Reach::Silent),
        ("rw,fsid=zz", 3, Reach::RestOfFile),
        ("fsid=", 0, Reach::RestOfFile),
        ("fsid=0x", 0, Reach::RestOfFile),
        ("fsid=-1", 0, Reach::Silent),
        ("fsid=010", 0, Reach::Silent),
        ("fsid=4294967296", 0, Reach::Silent),
        ("fsid=1,fsid=01234567-89ab-cdef-0123-456789abcdef", 7, Reach::Silent),
        ("sec=foo", 0, Reach::RestOfFile),
        ("sec=", 0, Reach::RestOfFile),
        ("sec=sys:", 0, Reach::RestOfFile),
        ("xprtsec=ssl", 0, Reach::RestOfFile),
        ("reexport=none,fsid=1", 14, Reach::RestOfFile),
        ("reexport=none,reexport=none", 14, Reach::RestOfFile),
        ("reexport=yes", 0, Reach::RestOfFile),
        ("mp=mnt", 0, Reach::Silent),
        ("refer=x", 0, Reach::Silent),
        ("squash_uids=0-99", 0, Reach::Silent),
    ] {
        let (found_at, problem) = Options::default().apply(text).expect_err(text);
        assert_eq!((found_at, problem.reach()), (at, reach), "{text}: {problem}");
    }
}

#[test]
fn names_that_are_alike_are_offered() {
    for (text, nearest) in [
        ("no_rootsquash", Some("no_root_squash")),
        ("RW", Some("rw")),
        ("asynch", Some("async")),
        ("no_subtree_chek", Some("no_subtree_check")),
        ("anonuuid=5", Some("anonuid=")),
        ("fsdi=5", Some("fsid=")),
        ("bogus", None),
    ] {
        let Problem::UnknownOption { nearest: found, .. } = text.parse::<Options>().unwrap_err() else {
            panic!("{text}");
        };
        assert_eq!(found.as_deref(), nearest, "{text}");
    }
}
