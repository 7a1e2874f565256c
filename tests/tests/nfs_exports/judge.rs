//! Our view of exports files in the terms of `exportfs`, to compare the two.

use std::path::{Component, Path, PathBuf};

use slotwright_nfs::exports::{
    Client, Document, Facts, Flavour, Grant, Host, Locations, Mountpoint, Place, Reach, Release, Security,
    lint,
};
use slotwright_tests::nfs::oracle::{FOLDERS, Files, HOSTS, Outcome};

/// An entry after the text of each case shows whether exportfs has read on.
pub(crate) const SENTINEL: &[u8] = b"/srv/sentinel 10.99.0.1(ro)\n";

/// A text as a file with the sentinel.
pub(crate) fn file(text: &[u8]) -> Files {
    Files { main: Some([text, b"\n", SENTINEL].concat()), drop_ins: Vec::new() }
}

/// One line of the table that exportfs writes, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Exported {
    path: Vec<u8>,
    client: String,
    /// Everything but flavours and users, as exportfs spells it.
    words: Vec<String>,
    /// Flavours in their order with what may be done.
    security: Vec<String>,
}

impl Exported {
    pub(crate) fn is_sentinel(&self) -> bool {
        self.path == b"/srv/sentinel"
    }
}

/// What exportfs exports, without the sentinel; and whether that is there.
pub(crate) fn exported(outcome: &Outcome) -> (Vec<Exported>, bool) {
    let mut lines: Vec<_> =
        outcome.etab.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(line).collect();
    let count = lines.len();
    lines.retain(|line| !line.is_sentinel());
    lines.sort();
    let there = lines.len() < count;
    (lines, there)
}

fn line(line: &[u8]) -> Exported {
    let tab = line.iter().position(|byte| *byte == b'\t').unwrap();
    let text = String::from_utf8_lossy(&line[tab + 1..]);
    // A name with a parenthesis, which we refuse, leaves no list to take apart.
    let (client, list) = text.strip_suffix(')').and_then(|text| text.split_once('(')).unwrap_or((&text, ""));
    let mut words: Vec<String> = Vec::new();
    let mut security = Vec::new();
    let mut groups = list.split(",sec=");
    for word in groups.next().unwrap().split(',') {
        words.push(match word.strip_prefix("fsid=") {
            // UUIDs as they are meant.
            Some(id) if id.parse::<i64>().is_err() => {
                format!(
                    "fsid={}",
                    id.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_lowercase()
                )
            }
            _ => word.to_owned(),
        });
    }
    for group in groups {
        let (flavours, rights) = group.split_once(',').unwrap_or((group, ""));
        for flavour in flavours.split(':') {
            let flavour = flavour.replace("unix", "sys").replace("null", "none");
            security.push(format!("{flavour},{rights}"));
        }
    }
    // What counts for no flavour is not compared: the rights of the export itself.
    let general = ["ro", "rw", "root_squash", "no_root_squash", "all_squash", "no_all_squash"];
    words.retain(|word| !general.contains(&word.as_str()));
    // Addresses and masks have several spellings; an empty name is everyone.
    let client = client.parse::<Client>().map_or_else(|_| client.to_owned(), |client| client.to_string());
    Exported { path: unescaped(&line[..tab]), client, words, security }
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        match rest {
            [b'\\', a, b, c, tail @ ..] => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

/// What exportfs has to export if it takes the text as we do.
pub(crate) fn expected(document: &Document) -> Vec<Exported> {
    let mut lines: Vec<_> = document
        .entries()
        .flat_map(|entry| {
            entry.entry().grants().iter().map(move |given| (entry.entry().path(), &given.grant))
        })
        .map(|(path, grant)| expected_line(path, grant))
        .collect();
    lines.sort();
    lines
}

/// `putexportent` of nfs-utils, from our types.
fn expected_line(path: &Path, grant: &Grant) -> Exported {
    use std::os::unix::ffi::OsStrExt as _;
    let options = &grant.options;
    let word = |on: bool, yes: &str, no: &str| if on { yes.to_owned() } else { no.to_owned() };
    let mut words = vec![
        word(options.sync, "sync", "async"),
        word(options.wdelay, "wdelay", "no_wdelay"),
        word(options.hide, "hide", "nohide"),
        word(options.crossmnt, "crossmnt", "nocrossmnt"),
        word(options.secure, "secure", "insecure"),
        word(options.subtree_check, "subtree_check", "no_subtree_check"),
        word(options.auth_nlm, "secure_locks", "insecure_locks"),
        word(options.acl, "acl", "no_acl"),
    ];
    words.extend((!options.readdirplus).then(|| "nordirplus".to_owned()));
    words.extend(options.security_label.then(|| "security_label".to_owned()));
    words.push(word(options.pnfs, "pnfs", "no_pnfs"));
    words.extend(options.fsid.map(|number| format!("fsid={}", number.cast_signed())));
    words.extend(options.uuid.map(|uuid| format!("fsid={:032x}", uuid.bits())));
    words.extend(options.mountpoint.as_ref().map(|point| match point {
        Mountpoint::Itself => "mountpoint".to_owned(),
        Mountpoint::At(path) => format!("mountpoint={}", path.as_str()),
    }));
    words.extend(options.locations.as_ref().map(|places| match places {
        Locations::Refer(places) => format!("refer={places}"),
        Locations::Replicas(places) => format!("replicas={places}"),
    }));
    words.push(format!("anonuid={}", options.anonuid.cast_signed()));
    words.push(format!("anongid={}", options.anongid.cast_signed()));
    Exported {
        path: real(path).as_os_str().as_bytes().to_vec(),
        client: resolved(&grant.client),
        words,
        security: options.accesses().map(right).collect(),
    }
}

fn right(one: Security) -> String {
    let flavour = match one.flavour {
        Flavour::Sys => "sys",
        Flavour::Anonymous => "none",
        Flavour::Kerberos(kerberos) => kerberos.name(),
    };
    let access = one.access;
    format!(
        "{flavour},{},{},{}",
        if access.read_only { "ro" } else { "rw" },
        if access.root_squash { "root_squash" } else { "no_root_squash" },
        if access.all_squash { "all_squash" } else { "no_all_squash" },
    )
}

/// The path as it is without links, in the folders of the judge.
fn real(path: &Path) -> PathBuf {
    let plain: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    plain
        .strip_prefix("/srv/link")
        .map_or(plain.clone(), |rest| Path::new("/srv/a").join(rest).components().collect())
}

/// The name by which exportfs knows a host: the first one of its line in the hosts file.
fn resolved(client: &Client) -> String {
    let Client::Host(Host::Name(name)) = client else { return client.to_string() };
    line_of(name).map_or(name.clone(), |line| line.split_whitespace().nth(1).unwrap().to_owned())
}

fn line_of(name: &str) -> Option<&'static str> {
    HOSTS.lines().find(|line| line.split_whitespace().skip(1).any(|known| known.eq_ignore_ascii_case(name)))
}

/// The judge's machine, for the lints.
pub(crate) struct Machine;

impl Facts for Machine {
    fn place(&self, path: &Path) -> Place {
        let path = real(path);
        let is_above = |folder: &&str| Path::new(folder).starts_with(&path);
        if path == Path::new("/srv/file") {
            Place::NotAFolder
        } else if FOLDERS.iter().any(is_above) {
            Place::Folder { file_system: None, mounted: path == Path::new("/") }
        } else {
            Place::Missing
        }
    }

    fn real(&self, path: &Path) -> PathBuf {
        real(path)
    }

    fn resolves(&self, host: &str) -> Option<bool> {
        Some(line_of(host).is_some() || host.contains('%'))
    }

    fn release(&self) -> Option<Release> {
        Some(Release(2, 6, 2))
    }
}

/// Our findings by code, without those that hardly any line lacks.
pub(crate) fn codes(files: &Files) -> Vec<&'static str> {
    let drop_ins = files.drop_ins.iter().map(|(name, bytes)| (name.into(), bytes.clone()));
    let table = slotwright_nfs::exports::Table::new("/etc".as_ref(), files.main.as_deref(), drop_ins);
    lint(&table, &Machine)
        .into_iter()
        .map(|finding| finding.code)
        .filter(|code| !["missing-fsid", "mount-not-asked-for"].contains(code))
        .collect()
}

/// The furthest that our problems of a document go.
pub(crate) fn reach(document: &Document) -> Option<Reach> {
    let order = |reach: &Reach| match reach {
        Reach::Silent => 0,
        Reach::Client => 1,
        Reach::RestOfFile => 2,
    };
    document.errors().map(|error| error.problem.reach()).max_by_key(order)
}
