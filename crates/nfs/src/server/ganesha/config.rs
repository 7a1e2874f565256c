//! What Ganesha's files say: the main configuration with all it includes, and the exports in it.
//!
//! Reads only. A file that Ganesha could not read at its next start (an included file that is missing or included twice,
//! a syntax error) is an error here, because every export of that server depends on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use super::{
    syntax::{Block, Include, IncludeKind, Item, Place, parse},
    terms::{Perms, flavour},
};
use crate::{
    Error,
    exports::{Client, Grant},
    server::Configured,
};

/// One file, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) items: Vec<Item>,
}

/// The main file and all it includes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) files: Vec<File>,
    /// The file that includes our drop-in, whether that is there or not.
    pub(super) includes_drop_in: Option<PathBuf>,
}

/// Where files are read from.
pub(super) trait Source {
    /// The content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The files in a folder.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The machine's own.
pub(super) struct Disk;

impl Source for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    }
}

/// As it was when it was looked at.
impl Source for BTreeMap<PathBuf, Vec<u8>> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.keys().filter(|path| path.parent() == Some(folder)).cloned().collect())
    }
}

/// Whether an `%include` or `%dir` of the main file `main` names `path`.
pub(super) fn names(include: &Include, main: &Path, path: &Path) -> bool {
    let target = resolved(main, &include.target);
    match include.kind {
        IncludeKind::File => target == path,
        IncludeKind::Folder => {
            let (folder, pattern) = split(&target);
            path.parent() == Some(&*folder)
                && path.file_name().is_some_and(|name| fits(&pattern, &name.to_string_lossy()))
        }
        IncludeKind::Url => false,
    }
}

/// Names that do not begin with `/` are below the main file's folder, whichever file they stand in.
fn resolved(main: &Path, target: &str) -> PathBuf {
    main.parent().unwrap_or(Path::new(".")).join(target)
}

/// Folder and pattern of a `%dir`.
fn split(target: &Path) -> (PathBuf, String) {
    let last = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match last.contains('*') {
        true => (target.parent().unwrap_or(Path::new("/")).to_path_buf(), last),
        // Without a slash at its end.
        false => (target.components().collect(), "*".to_owned()),
    }
}

/// Whether a name fits a pattern in which `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

/// Reads the main file and all it includes. The drop-in may be missing.
pub(super) fn read(source: &impl Source, main: &Path, drop_in: &Path) -> Result<Files, Error> {
    let mut found = Files { files: Vec::new(), includes_drop_in: None };
    let mut seen = BTreeSet::new();
    // Files to be read, the next one last.
    let mut left = vec![(main.to_path_buf(), None)];
    while let Some((path, from)) = left.pop() {
        let wrong = |what: String| Error::Configuration {
            place: from.clone().unwrap_or_else(|| path.display().to_string()),
            what,
        };
        if !seen.insert(path.clone()) {
            return Err(wrong(format!(
                "{} is included a second time, and Ganesha would not start; remove one of the lines",
                path.display()
            )));
        }
        let bytes = match source.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound && path == drop_in => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound && from.is_some() => {
                return Err(wrong(format!(
                    "{} is included and is not there, and Ganesha would not start; restore the file or remove the line",
                    path.display()
                )));
            }
            Err(source) => {
                return Err(Error::File {
                    action: "read",
                    path,
                    source,
                    remedy: "run as root, on the machine that serves; name Ganesha's main configuration if it is elsewhere",
                });
            }
        };
        let items = parse(&bytes).map_err(|error| Error::Configuration {
            place: format!("{}:{}", path.display(), error.place),
            what: format!(
                "{}; Ganesha would leave out what it does not understand: mend it first",
                error.what
            ),
        })?;
        let mut includes = Vec::new();
        for item in &items {
            let Item::Include(include) = item else { continue };
            if names(include, main, drop_in) {
                found.includes_drop_in = Some(path.clone());
            }
            let from = format!("{}:{}", path.display(), include.place);
            let target = resolved(main, &include.target);
            match include.kind {
                IncludeKind::File => includes.push((target, Some(from))),
                IncludeKind::Folder => {
                    let (folder, pattern) = split(&target);
                    let listed = source.list(&folder).map_err(|source| Error::File {
                        action: "list",
                        path: folder,
                        source,
                        remedy: "restore the folder or remove the %dir line that names it",
                    })?;
                    includes.extend(
                        listed
                            .into_iter()
                            // What a killed run wrote beside it, and the next one writes over.
                            .filter(|file| *file != slotwright_machine::beside(drop_in))
                            .filter(|file| {
                                file.file_name().is_some_and(|name| fits(&pattern, &name.to_string_lossy()))
                            })
                            .map(|file| (file, Some(from.clone()))),
                    );
                }
                // Kept by RADOS: not on this machine.
                IncludeKind::Url => {}
            }
        }
        left.extend(includes.into_iter().rev());
        found.files.push(File { path, bytes, items });
    }
    Ok(found)
}

/// The exports of a file. `defaults` are the EXPORT_DEFAULTS of all files.
pub(super) fn configured(file: &File, defaults: &[&Block]) -> Result<Vec<Configured>, Error> {
    let mut exports = Vec::new();
    for block in file.blocks("EXPORT") {
        let place = |at: Place| format!("{}:{at}", file.path.display());
        let path = block.get("Path").and_then(|path| path.value()).ok_or_else(|| Error::Configuration {
            place: place(block.place),
            what: "an EXPORT block without a Path, and Ganesha would leave it out; mend or remove it"
                .to_owned(),
        })?;
        exports.push(Configured {
            path: PathBuf::from(path),
            id: block.get("Export_Id").and_then(|id| number(id.value()?)).filter(|id| *id > 0),
            grants: grants(block, defaults),
            place: place(block.place),
        });
    }
    Ok(exports)
}

impl File {
    /// Its blocks of this name, outside all others.
    pub(super) fn blocks(&self, name: &str) -> impl Iterator<Item = &Block> {
        self.items.iter().filter_map(move |item| match item {
            Item::Block(block) if block.name.eq_ignore_ascii_case(name) => Some(block),
            _ => None,
        })
    }
}

/// Decimal, hexadecimal or octal, as C writes them.
fn number<N: TryFrom<u64>>(text: &str) -> Option<N> {
    let (digits, base) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    N::try_from(u64::from_str_radix(digits, base).ok()?).ok()
}

/// User and group ids may be negative.
fn id(text: &str) -> Option<u32> {
    match text.strip_prefix('-') {
        Some(digits) => Some(0u32.wrapping_sub(number(digits.trim())?)),
        None => number(text),
    }
}

/// Who may use an export: its CLIENT blocks, and everybody else as the block itself and EXPORT_DEFAULTS say.
fn grants(block: &Block, defaults: &[&Block]) -> Vec<Grant> {
    let mut base = (false, Perms::unsaid());
    for block in defaults.iter().copied().chain([block]) {
        apply(block, &mut base);
    }
    let mut grants = Vec::new();
    for client in block.blocks("CLIENT") {
        let (mut reads, mut perms) = base.clone();
        let mut own = (reads, perms);
        apply(client, &mut own);
        (reads, perms) = own;
        let names = client.get("Clients").map(|names| &*names.values).unwrap_or_default();
        // Names that exports(5) has no word for are left out.
        let clients = names.iter().filter_map(|name| name.parse::<Client>().ok());
        grants.extend(clients.filter(|_| reads).map(|client| Grant { client, options: perms.options() }));
    }
    if base.0 {
        grants.push(Grant { client: Client::Anyone, options: base.1.options() });
    }
    grants
}

/// What a block says, over what was said before: whether there is access to data, and how.
fn apply(block: &Block, (reads, perms): &mut (bool, Perms)) {
    let value = |name: &str| block.get(name).and_then(|statement| statement.value());
    match value("Access_Type").map(str::to_ascii_uppercase).as_deref() {
        Some("RW") => (*reads, perms.writes) = (true, true),
        Some("RO") => (*reads, perms.writes) = (true, false),
        Some("NONE" | "MDONLY" | "MDONLY_RO") => (*reads, perms.writes) = (false, false),
        _ => {}
    }
    if let Some(squash) = block.get("Squash") {
        let words: Vec<String> =
            squash.values.iter().map(|word| word.to_ascii_lowercase().replace('_', "")).collect();
        perms.all_squash = words.iter().any(|word| word.starts_with("all"));
        perms.root_squash = words.iter().any(|word| word.starts_with("root"));
    }
    if let Some(uid) = value("Anonymous_Uid").and_then(id) {
        perms.anonymous_uid = uid;
    }
    if let Some(gid) = value("Anonymous_Gid").and_then(id) {
        perms.anonymous_gid = gid;
    }
    if let Some(flavours) = block.get("SecType") {
        perms.flavours = flavours.values.iter().filter_map(|name| flavour(name)).collect();
    }
    match value("PrivilegedPort").map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "yes" | "on") => perms.privileged_port = true,
        Some("false" | "no" | "off") => perms.privileged_port = false,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> BTreeMap<PathBuf, Vec<u8>> {
        list.iter().map(|(path, text)| (path.into(), text.as_bytes().to_vec())).collect()
    }

    const MAIN: &str = "/etc/ganesha/ganesha.conf";
    const OURS: &str = "/etc/ganesha/slotwright-demo.conf";

    fn read_all(list: &[(&str, &str)]) -> Result<Files, Error> {
        read(&files(list), Path::new(MAIN), Path::new(OURS))
    }

    #[test]
    fn everything_that_is_included_is_read_once() {
        let found = read_all(&[
            (MAIN, "%include \"more.conf\"\n%dir conf.d/*.conf\n%url rados://pool/x\n"),
            ("/etc/ganesha/more.conf", "EXPORT { Export_Id = 0x10; Path = /a; Access_Type = RO; }"),
            ("/etc/ganesha/conf.d/b.conf", "%include /etc/ganesha/slotwright-demo.conf\n"),
            ("/etc/ganesha/conf.d/c.txt", "not read {"),
        ])
        .unwrap();
        let paths: Vec<_> = found.files.iter().map(|file| file.path.to_str().unwrap()).collect();
        assert_eq!(paths, [MAIN, "/etc/ganesha/more.conf", "/etc/ganesha/conf.d/b.conf"]);
        assert_eq!(found.includes_drop_in.unwrap(), Path::new("/etc/ganesha/conf.d/b.conf"));
        let exports = configured(&found.files[1], &[]).unwrap();
        assert_eq!((exports[0].id, &*exports[0].path), (Some(16), Path::new("/a")));
        assert_eq!(exports[0].place, "/etc/ganesha/more.conf:1:1");
        assert_eq!(
            exports[0].grants[0].to_string(),
            "*(sync,no_subtree_check,insecure,anonuid=4294967294,anongid=4294967294,sec=none:sys,ro,root_squash)"
        );
    }

    #[test]
    fn what_would_keep_ganesha_from_starting_is_refused() {
        for (list, word) in [
            (&[(MAIN, "%include other.conf\n")] as &[_], "is not there"),
            (&[(MAIN, "%include a\n%include a\n"), ("/etc/ganesha/a", "")], "a second time"),
            (&[(MAIN, "%include ganesha.conf\n")], "a second time"),
            (&[(MAIN, "EXPORT {\n  Path = /x\n}")], "ganesha.conf:3:1"),
            (&[], "cannot read /etc/ganesha/ganesha.conf"),
        ] {
            let error = read_all(list).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(read_all(&[(MAIN, "%include slotwright-demo.conf\n")]).unwrap().includes_drop_in.is_some());
        let pathless = read_all(&[(MAIN, "EXPORT { Export_Id = 1; }")]).unwrap();
        assert!(configured(&pathless.files[0], &[]).is_err());
    }

    #[test]
    fn what_blocks_say_is_said_in_the_terms_of_exports() {
        let text = "EXPORT_DEFAULTS { SecType = sys; PrivilegedPort = on; }
            EXPORT { Export_id = 1; Path = /a; Squash = No_Root_Squash; Anonymous_uid = -2;
                Client { Clients = 10.0.0.0/8, @grp; Access_Type = RW; Squash = All; Anonymous_Gid = 999; }
                Client { Clients = 10.1.0.0/16; } }
            EXPORT { Export_Id = 2; Path = \"/b c\"; Access_Type = rw; }";
        let found = read_all(&[(MAIN, text)]).unwrap();
        let defaults: Vec<&Block> = found.files[0].blocks("export_defaults").collect();
        let exports = configured(&found.files[0], &defaults).unwrap();
        let shown =
            |index: usize| -> Vec<String> { exports[index].grants.iter().map(ToString::to_string).collect() };
        let rw = "rw,sync,no_subtree_check,secure,all_squash,anonuid=4294967294,anongid=999";
        assert_eq!(shown(0), [format!("10.0.0.0/8({rw})"), format!("@grp({rw})")]);
        assert_eq!(
            shown(1),
            ["*(rw,sync,no_subtree_check,secure,root_squash,anonuid=4294967294,anongid=4294967294)"]
        );
    }

    #[test]
    fn patterns_fit() {
        for (pattern, name, expected) in [
            ("*", "x", true),
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.new", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "ac", false),
            ("ab", "ab", true),
            ("ab", "abc", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
