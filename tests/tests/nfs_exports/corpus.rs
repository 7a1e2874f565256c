//! Lines of exports files, with our verdict and that of `exportfs` (nfs-utils 2.6.2).
//!
//! Where the two differ, the reason stands beside it. The test in `nfs_exports.rs` asks both about every line.

/// What we and exportfs make of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    /// Both take it and mean the same. We have these findings, in this order and no others; `missing-fsid` is left out.
    Taken(&'static [&'static str]),
    /// Both refuse it; we with this code, and we know how much exportfs drops with it.
    Refused(&'static str),
    /// We refuse it with this code; exportfs exits with 0 and reads on.
    Stricter {
        code: &'static str,
        /// Parts of what exportfs exports; nothing for nothing.
        exports: &'static [&'static str],
        why: &'static str,
    },
    /// We take it, with these findings; exportfs complains or exports something else.
    Milder {
        codes: &'static [&'static str],
        /// A part of the complaint.
        says: &'static str,
        /// Parts of what exportfs exports; nothing for nothing.
        exports: &'static [&'static str],
        why: &'static str,
    },
}

use Verdict::{Milder, Refused, Stricter, Taken};

const TAKEN: Verdict = Taken(&[]);

const fn stricter(code: &'static str, exports: &'static [&'static str], why: &'static str) -> Verdict {
    Stricter { code, exports, why }
}

const fn milder(
    codes: &'static [&'static str],
    says: &'static str,
    exports: &'static [&'static str],
    why: &'static str,
) -> Verdict {
    Milder { codes, says, exports, why }
}

const TYPO: &str = "nobody writes that on purpose, and exportfs says nothing";
const NUMBER: &str = "exportfs exports with another number than the one written";
const NOBODY: &str = "exportfs exports to a client that no machine can be";
const NEWER: &str = "nfs-utils 2.6.2 does not know it; later releases do, so it is a finding";
const FOLDER: &str = "whether a folder is there is a finding: it may be made later than the entry";
const TWICE: &str = "a duplicate is a finding, for the first one counts and is exported";
const LIST: &str = "exportfs ends the line at the odd blank, and takes what follows for a path";

/// The text without a final line feed, and the verdicts.
pub(crate) const CORPUS: &[(&[u8], Verdict)] = &[
    // Nothing.
    (b"", TAKEN),
    (b"\n\n \t\n", TAKEN),
    (b"# a comment", TAKEN),
    (b"  # a comment \\", TAKEN),
    (b"\\", TAKEN),
    // The examples of exports(5), with folders and hosts that are there.
    (b"/               db1(rw) db2.example.org(rw,no_root_squash)", Taken(&["no-root-squash"])),
    (b"/srv/a        proj*.local.domain(rw)", TAKEN),
    (b"/srv/b             *.local.domain(ro) @trusted(rw)", TAKEN),
    (b"/srv/a       db1(rw,all_squash,anonuid=150,anongid=100)", TAKEN),
    (b"/srv/a             *(ro,insecure,all_squash)", Taken(&["insecure", "world-readable"])),
    (b"/srv/a        -sync,rw db1 @trusted @external(ro)", TAKEN),
    (b"/srv/a            2001:db8:9:e54::/64(rw) 192.0.2.0/24(rw)", TAKEN),
    (b"/srv/a          buildhost[0-9].local.domain(rw)", TAKEN),
    // The tutorial's, and the safe ones.
    (
        b"/data/nfs/redis/pv1 *(rw,no_root_squash,sync,insecure)\n/data/nfs/redis/pv2 *(rw,no_root_squash,sync,insecure)",
        Taken(&["world-root", "insecure", "world-root", "insecure"]),
    ),
    (b"/srv/a 10.0.0.0/24(rw,sync,no_subtree_check,secure,all_squash,anonuid=999,anongid=999,fsid=1)", TAKEN),
    // Words: blanks, quotation marks, escapes, comments, continuations.
    (b"\t /srv/a\t\tdb1(rw)  ", TAKEN),
    (b"/srv/a db1(rw)#x", Refused("after-list")),
    (b"/srv/a db1(rw) # x \\", TAKEN),
    (b"/srv/a db1(rw) #x db2(rw)", TAKEN),
    (b"/srv/a \\\n  db1(rw) \\\n\tdb2.example.org(ro)", TAKEN),
    (b"/srv/a\\\ndb1(rw)", TAKEN),
    (b"/srv/a db1(rw) \\\n# x", TAKEN),
    (b"/srv/a db1(rw) \\\n\n/srv/b db1", TAKEN),
    (b"\\\n  /srv/a db1(rw)", TAKEN),
    (b"\"/srv/with blank\" db1(rw)", TAKEN),
    (b"/srv/\"with blank\" db1(rw)", TAKEN),
    (b"/srv/with\\040blank db1(rw)", TAKEN),
    (b"\"/srv/with\\040blank\" db1(rw)", TAKEN),
    (b"\"/srv/with\\\n\tblank\" db1(rw)", TAKEN),
    (b"/srv/with\\042quote db1(rw)", TAKEN),
    (b"/srv/with#hash db1(rw)", TAKEN),
    (b"/srv/with(paren) db1(rw)", TAKEN),
    (b"/srv/with,comma db1(rw)", TAKEN),
    (b"/srv/-dash db1(rw)", TAKEN),
    ("/srv/naïve db1(rw)".as_bytes(), TAKEN),
    (b"/srv/na\\303\\257ve db1(rw)", TAKEN),
    (b"/srv/a d\\1421(rw)", TAKEN),
    (b"/srv/a \"db1(rw)\"", TAKEN),
    (b"/srv/a db1\"(rw)\"", TAKEN),
    (b"/srv/a db1(r\\167)", TAKEN),
    (b"/srv/a \"db1(rw, sync)\"", TAKEN),
    (b"/srv/a \"db1( rw,\tsync)\"", TAKEN),
    (b"/srv/a \"db1(rw ,sync)\"", Refused("unknown-option")),
    (b"/srv/a// db1(rw)", TAKEN),
    (b"/srv/./a/ db1(rw)", TAKEN),
    (b"\"/srv/a db1(rw)", Refused("open-quote")),
    (b"/srv/a \"db1(rw)", Refused("open-quote")),
    (
        b"\"/srv/line\nfeed\" db1(rw)",
        milder_path(),
    ),
    (b"\"\" db1(rw)", stricter("empty-quotes", &[], "exportfs drops the rest of the file and says nothing")),
    (b"/srv/a \"\" db1(rw)", stricter("empty-quotes", &["/srv/a\t(ro", "/srv/a\tdb1(rw"], "the world may read the folder then")),
    (b"/srv/a db1(rw)\r", stricter("odd-blank", &["/srv/a\tdb1(rw"], "an empty line with a carriage return ends the file for exportfs")),
    (b"\r\n/srv/a db1(rw)\r", stricter("odd-blank", &[], "exportfs drops the rest of the file and says nothing")),
    (b"/srv/a \r db1(rw)", stricter("odd-blank", &["/srv/a\t(ro"], LIST)),
    (b"/srv/a db1(rw) \x0b /srv/b", stricter("odd-blank", &["/srv/a\tdb1(rw", "/srv/b\t(ro"], LIST)),
    (b"/srv/a db1(rw)\x0cdb2.example.org(rw)", stricter("odd-blank", &["\tdb1(rw", "\tdb2.example.org(rw"], LIST)),
    (b"/srv/a\0 db1(rw)", stricter("zero-byte", &["/srv/a\tdb1(rw"], TYPO)),
    (b"/srv/a\\000b db1(rw)", stricter("zero-byte", &["/srv/a\tdb1(rw"], TYPO)),
    (b"/srv/a db1(rw\\000)", Refused("zero-byte")),
    // Paths.
    (b"srv/a db1(rw)", stricter("relative-path", &["/srv/a\tdb1(rw"], "it depends on where exportfs is started")),
    (b"none/a db1(rw)", Refused("relative-path")),
    (b"-rw db1(rw)", Refused("relative-path")),
    (b"/srv/b/../a db1(rw)", stricter("climbing-path", &["/srv/a\tdb1(rw"], "the folder is another than it seems")),
    (b"/srv/x\\13404\\060y db1(rw)", stricter("twisted-path", &["/srv/x\\134040y\tdb1(rw"], "mountd reads a blank in the path that exportfs writes")),
    (b"/srv/link db1(rw)", TAKEN),
    (b"/srv/none db1(rw)", milder(&["missing-folder"], "Failed to stat", &["/srv/none\tdb1(rw"], FOLDER)),
    (b"/srv/file db1(rw)", milder(&["not-a-folder"], "is not a directory", &["/srv/file\tdb1(rw"], FOLDER)),
    // Option lists.
    (b"/srv/a db1", TAKEN),
    (b"/srv/a db1()", TAKEN),
    (b"/srv/a db1(rw,)", TAKEN),
    (b"/srv/a db1(,rw)", Refused("empty-option")),
    (b"/srv/a db1(rw,,sync)", Refused("empty-option")),
    (b"/srv/a db1(rw, sync)", Refused("open-list")),
    (b"/srv/a db1(rw", Refused("open-list")),
    (b"/srv/a db1(rw)x", Refused("after-list")),
    (b"/srv/a db1(rw))", Refused("after-list")),
    (b"/srv/a db1(rw,\\\n sync)", Refused("open-list")),
    (b"/srv/a db1(rw)(ro)", Refused("after-list")),
    (b"/srv/a db1(rw,bogus)", Refused("unknown-option")),
    (b"/srv/a db1(RW)", Refused("unknown-option")),
    (b"/srv/a db1(no_rootsquash)", Refused("unknown-option")),
    (b"/srv/a db1(fsid)", Refused("unknown-option")),
    (b"/srv/a db1(rw=1)", Refused("unknown-option")),
    (b"/srv/a db1(sign_fh)", milder(&["newer-option"], "unknown keyword", &[], NEWER)),
    (b"/srv/a db1(xprtsec=none:tls:mtls)", milder(&["newer-option"], "unknown keyword", &[], NEWER)),
    (b"/srv/a db1(reexport=auto-fsidnum)", milder(&["newer-option"], "unknown keyword", &[], NEWER)),
    (b"/srv/a db1(xprtsec=ssl)", Refused("unknown-transport")),
    (b"/srv/a db1(reexport=yes)", Refused("bad-value")),
    (b"/srv/a db1(squash_uids=0-99)", stricter("bad-order", &["squash_uids=0-99"], "it is never told to the kernel, so nobody is squashed")),
    // Each option and its opposite.
    (b"/srv/a db1(ro,sync,wdelay,hide,nocrossmnt,secure,root_squash,no_all_squash,no_subtree_check,auth_nlm,acl,no_pnfs)", TAKEN),
    (
        b"/srv/a db1(rw,async,no_wdelay,nohide,crossmnt,insecure,no_root_squash,all_squash,subtree_check,no_auth_nlm,no_acl,pnfs)",
        Taken(&["async", "insecure", "subtree-check"]),
    ),
    (b"/srv/a db1(secure_locks)", TAKEN),
    (b"/srv/a db1(insecure_locks)", TAKEN),
    (b"/srv/a db1(nordirplus,security_label)", TAKEN),
    (b"/srv/a db1(ro,rw)", Taken(&["contradiction"])),
    (b"/srv/a db1(rw,ro)", Taken(&["contradiction"])),
    (b"/srv/a db1(async,sync,async,rw)", Taken(&["async", "contradiction", "contradiction"])),
    (b"/srv/a db1(rw,rw)", TAKEN),
    // Users.
    (b"/srv/a db1(anonuid=0,anongid=0)", Taken(&["anonymous-root"])),
    (b"/srv/a db1(anonuid=65534,anongid=65534)", TAKEN),
    (b"/srv/a db1(anonuid=007)", TAKEN),
    (b"/srv/a db1(anonuid=-2)", Taken(&["negative-id"])),
    (b"/srv/a db1(anonuid=4294967294)", TAKEN),
    (b"/srv/a db1(anonuid=-1)", stricter("bad-value", &["anonuid=-1"], "the kernel refuses the export when a client comes")),
    (b"/srv/a db1(anongid=4294967295)", stricter("bad-value", &["anongid=-1"], "the kernel refuses the export when a client comes")),
    (b"/srv/a db1(anonuid=4294967296)", stricter("bad-value", &["anonuid=0,"], NUMBER)),
    (b"/srv/a db1(anonuid=99999999999999999999)", stricter("bad-value", &["anonuid=-1"], NUMBER)),
    (b"/srv/a db1(anonuid=+5)", stricter("bad-value", &["anonuid=5"], TYPO)),
    (b"/srv/a \"db1(anonuid= 5)\"", stricter("bad-value", &["anonuid=5"], TYPO)),
    (b"/srv/a db1(anonuid=)", Refused("bad-value")),
    (b"/srv/a db1(anonuid=redis)", Refused("bad-value")),
    (b"/srv/a db1(anonuid=5x)", Refused("bad-value")),
    (b"/srv/a db1(anonuid=0x5)", Refused("bad-value")),
    (b"/srv/a db1(anongid=redis)", Refused("bad-value")),
    // Numbers in file handles.
    (b"/srv/a db1(fsid=0)", Taken(&["fsid-root"])),
    (b"/srv/a db1(fsid=root)", Taken(&["fsid-root"])),
    (b"/srv/a db1(fsid=4294967295)", TAKEN),
    (b"/srv/a db1(fsid=0x1F)", TAKEN),
    (b"/srv/a db1(fsid=01234567-89ab-cdef-0123-456789abcdef)", TAKEN),
    (b"/srv/a db1(fsid=0123456789ABCDEF0123456789abcdef)", TAKEN),
    (b"/srv/a db1(fsid=01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef)", TAKEN),
    (b"/srv/a db1(fsid=01234567-89ab-cdef-0123-456789abcdef,fsid=7)", TAKEN),
    (b"/srv/a db1(fsid=7,fsid=8)", TAKEN),
    (b"/srv/a db1(fsid=7)\n/srv/b db1(fsid=7)", Taken(&["duplicate-fsid"])),
    (b"/srv/a db1(fsid=7) db2.example.org(fsid=8)", Taken(&["fsid-differs"])),
    (
        b"/srv/a db1(fsid=7,fsid=12345678-89ab-cdef-0123-456789abcdef)",
        stricter("bad-order", &["fsid=12345678,fsid=12345678-89ab"], NUMBER),
    ),
    (b"/srv/a db1(fsid=12345678123456781234567812345678)", stricter("bad-value", &["fsid=-1"], NUMBER)),
    (b"/srv/a db1(fsid=010)", stricter("bad-value", &["fsid=8"], NUMBER)),
    (b"/srv/a db1(fsid=4294967296)", stricter("bad-value", &["fsid=0,"], NUMBER)),
    (b"/srv/a db1(fsid=-1)", stricter("bad-value", &["fsid=-1"], NUMBER)),
    (b"/srv/a db1(fsid=08)", Refused("bad-value")),
    (b"/srv/a db1(fsid=)", Refused("bad-value")),
    (b"/srv/a db1(fsid=zz)", Refused("bad-value")),
    (b"/srv/a db1(fsid=0x)", Refused("bad-value")),
    (b"/srv/a db1(fsid=0123456789abcdef)", Refused("bad-value")),
    (b"/srv/a db1(fsid=zz0123456789abcdef0123456789abcdef)", stricter("bad-value", &["fsid=zz01"], TYPO)),
    // Mount points and other places.
    (b"/srv/a db1(mp)", Taken(&["not-mounted"])),
    (b"/srv/a db1(mountpoint)", Taken(&["not-mounted"])),
    (b"/srv/a db1(mp=)", Taken(&["not-mounted"])),
    (b"/srv/a db1(mp=/srv/b)", Taken(&["not-mounted"])),
    (b"/srv/a db1(mountpoint=/srv/b)", Taken(&["not-mounted"])),
    (b"/srv/a db1(mp=srv)", stricter("bad-value", &["mountpoint=srv"], "it is looked for wherever mountd was started")),
    (
        b"/srv/a db1(mp=/srv/with\\040blank)",
        stricter("bad-value", &["mountpoint=/srv/with blank"], "mountd cannot read the table that exportfs writes, nor what follows"),
    ),
    (b"/srv/a db1(refer=/b@db1+db6:/c@[fd00::1])", TAKEN),
    (b"/srv/a db1(replicas=/b@db1)", TAKEN),
    (b"/srv/a db1(replicas=/b@db1,refer=/c@db1)", TAKEN),
    (b"/srv/a db1(refer=b)", stricter("bad-value", &["refer=b"], "mountd leaves it out, and the client is sent nowhere")),
    (b"/srv/a db1(refer=)", stricter("bad-value", &["refer=,"], "mountd leaves it out, and the client is sent nowhere")),
    // Flavours.
    (b"/srv/a db1(sec=sys,rw)", TAKEN),
    (b"/srv/a db1(rw,sec=krb5:krb5i:krb5p)", TAKEN),
    (b"/srv/a db1(sec=krb5p,rw,sec=sys,ro)", TAKEN),
    (b"/srv/a db1(rw,sec=krb5,ro,sec=sys)", TAKEN),
    (b"/srv/a db1(sec=sys:krb5,rw,sec=sys,ro,no_root_squash)", Taken(&["no-root-squash"])),
    (b"/srv/a db1(sec=unix:sys,null:none)", Refused("unknown-option")),
    (b"/srv/a db1(sec=unix:sys:null:none)", TAKEN),
    (b"/srv/a db1(sec=sys:krb5,all_squash,sec=none,no_all_squash,rw)", TAKEN),
    (b"/srv/a -sec=krb5 db1(rw)", Taken(&["no-effect"])),
    (b"/srv/a -sec=krb5,rw db1(sec=sys,ro)", TAKEN),
    (b"/srv/a -sec=sys,sec=krb5,ro,sec=sys,rw db1(sec=krb5p)", TAKEN),
    (b"/srv/a db1(sec=foo)", Refused("unknown-flavour")),
    (b"/srv/a db1(sec=)", Refused("unknown-flavour")),
    (b"/srv/a db1(sec=sys:)", Refused("unknown-flavour")),
    (b"/srv/a db1(sec=SYS)", Refused("unknown-flavour")),
    // Default options.
    (b"/srv/a -rw,fsid=5 db1 db2.example.org(ro)", Taken(&[])),
    (b"/srv/a -rw db1 -async db2.example.org -ro,sync db6", Taken(&["async"])),
    (b"/srv/a - db1", TAKEN),
    (b"/srv/a -, db1", Refused("empty-option")),
    (b"/srv/a -bogus db1", Refused("unknown-option")),
    (b"/srv/a -ro(rw) db1", Refused("unknown-option")),
    (b"/srv/a -rw -sync db1", stricter("second-defaults", &["/srv/a\tdb1(rw"], "the second word counts for nothing: it is taken for a host")),
    (b"/srv/a -rw", Taken(&["no-client", "world-writable"])),
    (b"/srv/a db1(rw) -ro", Taken(&["no-client", "overlapping-clients", "world-readable"])),
    // Clients.
    (b"/srv/a", Taken(&["no-client", "world-readable"])),
    (b"/srv/a # db1", Taken(&["no-client", "world-readable"])),
    (b"/srv/a (rw)", Taken(&["blank-before-options", "world-writable"])),
    (
        b"/srv/a 10.0.0.0/24 (rw)",
        Taken(&["blank-before-options", "world-writable", "overlapping-clients"]),
    ),
    (b"/srv/a *", Taken(&["world-readable"])),
    (b"/srv/a gss/krb5(rw)", Taken(&["gss-client"])),
    (b"/srv/a gss/krb4(rw)", stricter("bad-client", &["gss/krb4(rw"], NOBODY)),
    (b"/srv/a @nodes(rw)", TAKEN),
    (b"/srv/a @(rw)", stricter("bad-client", &["\t@(rw"], NOBODY)),
    (b"/srv/a *.example.org(rw)", TAKEN),
    (b"/srv/a **(ro)", Taken(&["world-readable"])),
    (b"/srv/a db?.example.org(rw)", TAKEN),
    (b"/srv/a db[!0-9](rw)", TAKEN),
    (b"/srv/a db[0-9(rw)", stricter("bad-client", &["db[0-9(rw"], NOBODY)),
    (b"/srv/a 10.0.*(rw)", Taken(&["wildcard-address"])),
    (b"/srv/a [fd00::1](rw)", stricter("bad-client", &["[fd00::1](rw"], NOBODY)),
    (b"/srv/a [fd00::]/64(rw)", stricter("bad-client", &["[fd00::]/64(rw"], NOBODY)),
    (b"/srv/a 10.0.0.0/24(rw)", TAKEN),
    (b"/srv/a 10.0.0.0/255.255.255.0(rw)", TAKEN),
    (b"/srv/a 10.0.0.5/24(rw)", Taken(&["host-bits"])),
    (b"/srv/a 10.0.0.5/32(rw)", TAKEN),
    (b"/srv/a 0.0.0.0/0(ro)", Taken(&["empty-prefix", "world-readable"])),
    (b"/srv/a fd00::/64(rw)", TAKEN),
    (b"/srv/a fd00::5/64(rw)", Taken(&["host-bits"])),
    (b"/srv/a fd00::/ffff::(rw)", TAKEN),
    (b"/srv/a 10.0.0.0/33(rw)", Refused("bad-client")),
    (b"/srv/a fd00::/129(rw)", Refused("bad-client")),
    (b"/srv/a 10.0.0.0/x(rw)", Refused("bad-client")),
    (b"/srv/a 10.0.0.0/-1(rw)", Refused("bad-client")),
    (b"/srv/a 10.0.0.0/255.255.255.256(rw)", Refused("bad-client")),
    (b"/srv/a 10.0.0.300/24(rw)", Refused("bad-client")),
    (b"/srv/a 10.0/24(rw)", Refused("bad-client")),
    (b"/srv/a db1/24(rw)", Refused("bad-client")),
    (b"/srv/a 10.0.0.0/(rw)", stricter("bad-client", &["10.0.0.0/(rw"], "an empty prefix length is read as 0")),
    (b"/srv/a 10.0.0.0/+8(rw)", stricter("bad-client", &["10.0.0.0/+8(rw"], TYPO)),
    (b"/srv/a 10.0.0.0/255.0.255.0(rw)", stricter("bad-client", &["255.0.255.0(rw"], "a mask with gaps is no subnet")),
    (b"/srv/a db1(rw) db2.example.org(ro) db6", TAKEN),
    (b"/srv/a DB1(rw)", TAKEN),
    (b"/srv/a db3-alias(rw)", TAKEN),
    (b"/srv/a 10.0.0.11(rw)", TAKEN),
    (b"/srv/a fd00::11(rw)", TAKEN),
    (b"/srv/a fe80::1%lo(rw)", TAKEN),
    (b"/srv/a 10.4(rw)", stricter("bad-client", &["\t10.4(rw"], "it is 10.0.0.4 for the resolver")),
    (b"/srv/a 010.0.0.1(rw)", stricter("bad-client", &["\t010.0.0.1(rw"], "it is 8.0.0.1 for the resolver")),
    (b"/srv/a 10.0.0.300(rw)", stricter("bad-client", &[], NOBODY)),
    (b"/srv/a db1,db6(rw)", stricter("bad-client", &[], NOBODY)),
    (b"/srv/a db1:db6(rw)", stricter("bad-client", &[], NOBODY)),
    ("/srv/a naïve(rw)".as_bytes(), stricter("bad-client", &[], NOBODY)),
    (b"/srv/a n\xefve(rw)", stricter("not-text", &[], NOBODY)),
    (
        b"/srv/a gone.example.org(rw)",
        milder(&["unresolvable-host"], "Failed to resolve", &[], "names are resolved by the machine, so it is a finding"),
    ),
    // Given twice, and one in another.
    (b"/srv/a db1(rw) db1(rw)", milder(&["duplicate-client"], "duplicated export entries", &["/srv/a\tdb1(rw"], TWICE)),
    (b"/srv/a db1(rw)\n/srv/a/ db1(ro)", milder(&["duplicate-client"], "incompatible duplicated", &["/srv/a\tdb1(rw"], TWICE)),
    (
        b"/srv/a db1(rw)\n/srv/link db1(rw)",
        milder(&["duplicate-client"], "duplicated export entries", &["/srv/a\tdb1(rw"], TWICE),
    ),
    (
        b"/srv/a *.A.org(rw)\n/srv/a *.a.org(rw)",
        milder(&["duplicate-client"], "duplicated export entries", &["/srv/a\t*.A.org(rw"], TWICE),
    ),
    (
        b"/srv/a 10.0.0.5/24(rw) 10.0.0.0/24(ro)",
        Taken(&["host-bits", "duplicate-client"]),
    ),
    (b"/srv/a 10.0.0.0/24(rw) 10.0.0.11(ro)", Taken(&["overlapping-clients"])),
    (b"/srv/a db1(rw)\n/srv/a/in db1(ro)", Taken(&["nested-exports"])),
    (b"/srv/a db1(rw)\n/srv/a/in db1(rw)", TAKEN),
];

/// A line feed in quotation marks is a part of the word for exportfs.
const fn milder_path() -> Verdict {
    stricter(
        "open-quote",
        &["/srv/line\\012feed\tdb1(rw"],
        "a quotation mark that was forgotten would swallow the lines up to the next one",
    )
}
