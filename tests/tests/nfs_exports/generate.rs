//! Random exports files, biased to the grammar.

use std::path::{Path, PathBuf};

use slotwright_nfs::exports::{Document, Grant};
use slotwright_tests::random::Random;

fn pick<'a, T: ?Sized>(random: &mut Random, from: &[&'a T]) -> &'a T {
    from[random.below(from.len())]
}

/// True once in so many times.
fn once_in(random: &mut Random, times: usize) -> bool {
    random.below(times) == 0
}

const PATHS: [&str; 10] = [
    "/srv/a",
    "/srv/b",
    "/srv/c",
    "/srv/a/in",
    "\"/srv/with blank\"",
    "/srv/with\\040blank",
    "/srv/with#hash",
    "/srv/link",
    "/srv/\"with(paren)\"",
    "/srv/a/",
];

const CLIENTS: [&str; 24] = [
    "*",
    "db1",
    "db2.example.org",
    "db3-alias",
    "db6",
    "10.0.0.0/24",
    "10.0.0.0/255.255.0.0",
    "10.0.0.7/8",
    "fd00::/64",
    "fd00::5/32",
    "10.0.0.99",
    "@nodes",
    "*.example.org",
    "db[0-9]",
    "db?.a",
    "gss/krb5i",
    "",
    "10.0.0.0/33",
    "10.0/8",
    "[fd00::1]",
    "10.0.*",
    "2001:db8::1",
    "gone",
    "d\\1421",
];

const OPTIONS: [&str; 48] = [
    "ro",
    "rw",
    "sync",
    "async",
    "wdelay",
    "no_wdelay",
    "hide",
    "nohide",
    "crossmnt",
    "nocrossmnt",
    "secure",
    "insecure",
    "root_squash",
    "no_root_squash",
    "all_squash",
    "no_all_squash",
    "subtree_check",
    "no_subtree_check",
    "auth_nlm",
    "insecure_locks",
    "acl",
    "no_acl",
    "pnfs",
    "no_pnfs",
    "nordirplus",
    "security_label",
    "anonuid=999",
    "anongid=999",
    "anonuid=-2",
    "fsid=7",
    "fsid=0x1f",
    "fsid=root",
    "fsid=01234567-89ab-cdef-0123-456789abcdef",
    "sec=sys",
    "sec=krb5:krb5i",
    "sec=krb5p:unix",
    "sec=null",
    "mp",
    "mp=/mnt/x",
    "mountpoint=",
    "refer=/a@db1:/b@db6+db1",
    "replicas=/a@[fd00::1]",
    "sec=foo",
    "bogus",
    "anonuid=redis",
    "fsid=zz",
    "",
    "xprtsec=tls:mtls",
];

const SIGNS: [&[u8]; 24] = [
    b" ", b"\t", b"\n", b"\\\n", b"\\\n \t", b"\"", b"\\", b"\\040", b"\\134", b"\\777", b"\\000", b"#",
    b"(", b")", b",", b"-", b"*", b"/", b"\r", b"\r\n", b"\0", b"\x0b", b"\xff", b"060",
];

/// Any text: lines that are right, lines that nearly are, and noise.
pub(crate) fn text(random: &mut Random) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..random.below(5) {
        match random.below(8) {
            0 => {
                let length = random.below(20);
                text.extend(random.bytes(length));
            }
            1 | 2 => {
                for _ in 0..random.below(16) {
                    piece(random, &mut text);
                }
            }
            3 => text.extend(b"# a comment, \"quoted\" \\\n"),
            _ => text.extend(line(random)),
        }
        if !once_in(random, 8) {
            text.push(b'\n');
        }
    }
    mutate(random, &mut text);
    text
}

fn piece(random: &mut Random, text: &mut Vec<u8>) {
    match random.below(5) {
        0 => text.extend(pick(random, &PATHS).as_bytes()),
        1 => text.extend(pick(random, &CLIENTS).as_bytes()),
        2 => text.extend(pick(random, &OPTIONS).as_bytes()),
        _ => text.extend(pick(random, &SIGNS)),
    }
}

/// Half of the texts stay; in the others a piece is put in, or some bytes are taken out.
fn mutate(random: &mut Random, text: &mut Vec<u8>) {
    while !text.is_empty() && once_in(random, 2) {
        let at = random.below(text.len());
        let mut new = Vec::new();
        if once_in(random, 2) {
            piece(random, &mut new);
        }
        let end = (at + random.below(3)).min(text.len());
        text.splice(at..end, new);
    }
}

/// A line after the grammar, without its line feed; a few of its words are wrong.
fn line(random: &mut Random) -> Vec<u8> {
    let mut line = pick(random, &PATHS).to_owned();
    for _ in 0..random.below(4) {
        line.push_str(pick(random, &[" ", " ", "  ", "\t", " \\\n  "]));
        if once_in(random, 6) {
            line.push('-');
            line.push_str(&list(random));
            continue;
        }
        line.push_str(pick(random, &CLIENTS));
        if !once_in(random, 5) {
            line.push('(');
            line.push_str(&list(random));
            line.push(')');
        }
    }
    line.push_str(pick(random, &["", "", "", " ", " # why"]));
    line.into_bytes()
}

fn list(random: &mut Random) -> String {
    let count = random.below(5);
    let options: Vec<&str> = (0..count).map(|_| pick(random, &OPTIONS)).collect();
    options.join(",")
}

/// Whole lines, mostly right, for exportfs to judge: what it takes for a blank at most one time.
pub(crate) fn likely(random: &mut Random) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..=random.below(3) {
        text.extend(line(random));
        text.push(b'\n');
    }
    if once_in(random, 3) {
        mutate(random, &mut text);
    }
    // The sentinel has to begin a line of its own.
    while matches!(text.last(), Some(b'\\')) {
        text.pop();
    }
    text
}

/// A path that no other text has, with one to three clients.
pub(crate) fn entry(random: &mut Random) -> (PathBuf, Vec<Grant>) {
    const PARTS: [&str; 12] = ["a", " ", "\t", "\"", "#", "é", "\\", "04", "0", ",", "(x)", "-"];
    let mut path = "/only".to_owned();
    for _ in 0..random.below(6) {
        path.push_str(pick(random, &PARTS));
    }
    let grants = grants(random);
    if path
        .as_bytes()
        .windows(4)
        .any(|four| four[0] == b'\\' && four[1..].iter().all(|byte| matches!(byte, b'0'..=b'7')))
    {
        return entry(random);
    }
    (path.into(), grants)
}

/// One or more grants, each to another client.
fn grants(random: &mut Random) -> Vec<Grant> {
    let mut grants = Vec::<Grant>::new();
    while grants.is_empty() || once_in(random, 2) {
        let grant = grant(random);
        if !grants.iter().any(|one| one.client.is_same(&grant.client)) {
            grants.push(grant);
        }
    }
    grants
}

/// Grants that the judge's machine can serve.
pub(crate) fn resolvable(random: &mut Random) -> Vec<Grant> {
    loop {
        let mut grants = grants(random);
        grants.retain(|grant| grant.client.to_string() != "gone" && grant.options.transport.is_empty());
        if !grants.is_empty() {
            return grants;
        }
    }
}

fn grant(random: &mut Random) -> Grant {
    loop {
        let text = format!("{}({})", pick(random, &CLIENTS), list(random));
        if let Ok(grant) = text.replace("d\\1421", "db1").parse() {
            return grant;
        }
    }
}

/// An entry as a person might write it: in words or with default options, on one line or several, with a comment or not.
pub(crate) fn written(random: &mut Random, path: &Path, grants: &[Grant]) -> Vec<u8> {
    let mut document = Document::default();
    document.add(path, grants).unwrap();
    let plain = document.to_bytes();
    let lines: Vec<Vec<u8>> = vec![
        plain.clone(),
        [b" ", plain.trim_ascii_end(), b" # why\n"].concat(),
        plain
            .strip_suffix(b"\n")
            .unwrap()
            .split(|byte| *byte == b' ')
            .collect::<Vec<_>>()
            .join(&b" \\\n "[..]),
        plain
            .strip_suffix(b"\n")
            .unwrap()
            .split(|byte| *byte == b' ')
            .collect::<Vec<_>>()
            .join(&b" -async,insecure,anonuid=5 "[..]),
    ];
    let mut line = lines[random.below(lines.len())].clone();
    if !line.ends_with(b"\n") {
        line.push(b'\n');
    }
    // Default options must not change what is said, for the test knows what that is.
    if grants_of(&Document::parse(&line), path) == grants { line } else { plain }
}

/// Who gets the path.
pub(crate) fn grants_of(document: &Document, path: &Path) -> Vec<Grant> {
    document
        .entries()
        .filter(|entry| entry.path().as_os_str() == path.as_os_str())
        .flat_map(|entry| entry.entry().grants().iter().map(|given| given.grant.clone()))
        .collect()
}
