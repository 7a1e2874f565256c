//! All exports files of a machine, in the order in which exportfs reads them.

use std::{
    cmp::Ordering,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::document::{Document, Located};

/// One exports file with its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub document: Document,
}

/// The exports files of a machine: `/etc/exports`, then those of `/etc/exports.d`.
///
/// ```
/// use slotwright_nfs::exports::Table;
/// let drop_ins = [("10-b.exports", "/b *\n"), (".a.exports", "/c *\n"), ("9-a.exports", "/a *\n"), ("notes", "/d *\n")];
/// let table = Table::new(
///     "/etc".as_ref(),
///     Some(b""),
///     drop_ins.map(|(name, text)| (name.into(), text.as_bytes().to_vec())),
/// );
/// let paths: Vec<_> = table.entries().map(|(_, entry)| entry.path().to_str()).collect();
/// assert_eq!(paths, [Some("/a"), Some("/b")]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// The files, in the order of reading.
    pub files: Vec<File>,
    /// True if there is no `/etc/exports`, of which exportfs complains, with exit status 1.
    pub no_main_file: bool,
}

/// A file could not be read.
#[derive(Debug, Error)]
#[error("cannot read {path}: {source}")]
pub struct ReadError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl Table {
    /// The table of the folder `etc` with these contents of `exports` and files in `exports.d`; of the latter those are
    /// taken that exportfs takes ([`is_drop_in`]), in its order ([`by_version`]).
    pub fn new(
        etc: &Path,
        main: Option<&[u8]>,
        drop_ins: impl IntoIterator<Item = (OsString, Vec<u8>)>,
    ) -> Self {
        let mut named: Vec<_> = drop_ins.into_iter().filter(|(name, _)| is_drop_in(name)).collect();
        named.sort_by(|(one, _), (two, _)| by_version(one, two));
        let folder = etc.join("exports.d");
        let main_file =
            main.map(|bytes| File { path: etc.join("exports"), document: Document::parse(bytes) });
        let others = named
            .into_iter()
            .map(|(name, bytes)| File { path: folder.join(name), document: Document::parse(&bytes) });
        Self { no_main_file: main.is_none(), files: main_file.into_iter().chain(others).collect() }
    }

    /// Reads the files of a folder, usually `/etc`. What is not there is empty.
    ///
    /// # Errors
    /// When a file or the folder of drop-ins is there and cannot be read.
    pub fn read(etc: &Path) -> Result<Self, ReadError> {
        let folder = etc.join("exports.d");
        let main = contents(&etc.join("exports"))?;
        let mut drop_ins = Vec::new();
        let listed = match fs::read_dir(&folder) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => None,
            listed => Some(listed.map_err(|source| ReadError { path: folder.clone(), source })?),
        };
        for entry in listed.into_iter().flatten() {
            let entry = entry.map_err(|source| ReadError { path: folder.clone(), source })?;
            let kind = entry.file_type().map_err(|source| ReadError { path: entry.path(), source })?;
            // exportfs leaves folders, sockets and the like alone.
            if is_drop_in(&entry.file_name())
                && (kind.is_file() || kind.is_symlink())
                && let Some(bytes) = contents(&entry.path())?
            {
                drop_ins.push((entry.file_name(), bytes));
            }
        }
        Ok(Self::new(etc, main.as_deref(), drop_ins))
    }

    /// All entries, each with its file.
    pub fn entries(&self) -> impl Iterator<Item = (&File, Located<'_>)> {
        self.files.iter().flat_map(|file| file.document.entries().map(move |entry| (file, entry)))
    }
}

/// The bytes of a file, or nothing if it is not there.
fn contents(path: &Path) -> Result<Option<Vec<u8>>, ReadError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReadError { path: path.to_owned(), source }),
    }
}

/// True for the name of a file in `exports.d` that exportfs reads: it ends in `.exports` and does not begin with a dot.
pub fn is_drop_in(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.ends_with(b".exports") && !name.starts_with(b".")
}

/// What has been equal so far ends in this.
#[derive(Clone, Copy, PartialEq)]
enum Run {
    /// No digit.
    Text,
    /// A number that begins with another digit than 0.
    Number,
    /// Zeros.
    Zeros,
    /// Zeros with other digits after them: read as behind a decimal point.
    Fraction,
}

/// The order of strverscmp(3), in which exportfs reads: numbers in names count by value, so 9 comes before 10; of numbers
/// that begin with 0 the one with more zeros comes first.
pub fn by_version(one: &OsStr, two: &OsStr) -> Ordering {
    let (one, two) = (one.as_bytes(), two.as_bytes());
    let common = one.iter().zip(two).take_while(|(a, b)| a == b).count();
    let run = one.iter().take(common).fold(Run::Text, |run, byte| match (run, byte) {
        (Run::Text | Run::Zeros, b'0') => Run::Zeros,
        (Run::Text | Run::Number, b'0'..=b'9') => Run::Number,
        (Run::Zeros | Run::Fraction, b'0'..=b'9') => Run::Fraction,
        _ => Run::Text,
    });
    let tail = |name: &[u8]| name.get(common..).unwrap_or_default().to_vec();
    let (one, two) = (tail(one), tail(two));
    let digits = |tail: &[u8]| tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (in_one, in_two) = (digits(&one), digits(&two));
    let starts_with_zero = one.first() == Some(&b'0') || two.first() == Some(&b'0');
    match run {
        // Both go on with a number: the longer one is larger.
        Run::Text if in_one > 0 && in_two > 0 && !starts_with_zero => in_one.cmp(&in_two).then(one.cmp(&two)),
        Run::Number => in_one.cmp(&in_two).then(one.cmp(&two)),
        // Another digit makes it a smaller fraction than the zeros alone.
        Run::Zeros if (in_one > 0) != (in_two > 0) => in_two.cmp(&in_one),
        _ => one.cmp(&two),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_by_value() {
        // The examples of strverscmp(3) and the manual of the C library.
        let sorted = ["000", "00", "01", "010", "09", "0", "1", "9", "10"];
        for (index, one) in sorted.iter().enumerate() {
            for (other, two) in sorted.iter().enumerate() {
                assert_eq!(by_version(one.as_ref(), two.as_ref()), index.cmp(&other), "{one} {two}");
            }
        }
        for (one, two, expected) in [
            ("item#99", "item#100", Ordering::Less),
            ("alpha1", "alpha001", Ordering::Greater),
            ("part1_f012", "part1_f01", Ordering::Greater),
            ("foo.009", "foo.0", Ordering::Less),
            ("a", "b", Ordering::Less),
            ("a", "a1", Ordering::Less),
            ("a1", "ab", Ordering::Less),
            ("a10", "a1b", Ordering::Greater),
            ("9-a.exports", "10-a.exports", Ordering::Less),
        ] {
            assert_eq!(by_version(one.as_ref(), two.as_ref()), expected, "{one} {two}");
            assert_eq!(by_version(two.as_ref(), one.as_ref()), expected.reverse(), "{two} {one}");
        }
    }

    #[test]
    fn drop_ins_end_in_exports_and_are_not_hidden() {
        for (name, expected) in [
            ("a.exports", true),
            (".exports", false),
            (".a.exports", false),
            ("a.exports~", false),
            ("exports", false),
        ] {
            assert_eq!(is_drop_in(name.as_ref()), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_there_is_empty() {
        let etc = tempfile::tempdir().unwrap();
        let table = Table::read(etc.path()).unwrap();
        assert_eq!(table, Table { files: Vec::new(), no_main_file: true });
        fs::write(etc.path().join("exports"), "/a *\n").unwrap();
        let folder = etc.path().join("exports.d");
        fs::create_dir(&folder).unwrap();
        fs::create_dir(folder.join("folder.exports")).unwrap();
        fs::write(folder.join("10.exports"), "/b *\n").unwrap();
        fs::write(folder.join("9.exports"), "/c *\n").unwrap();
        fs::write(folder.join("9.exports.bak"), "/d *\n").unwrap();
        let table = Table::read(etc.path()).unwrap();
        let paths: Vec<_> =
            table.files.iter().map(|file| file.path.strip_prefix(etc.path()).unwrap()).collect();
        assert_eq!(paths, ["exports", "exports.d/9.exports", "exports.d/10.exports"].map(Path::new));
        assert!(!table.no_main_file);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let etc = tempfile::tempdir().unwrap();
        fs::create_dir(etc.path().join("exports")).unwrap();
        let error = Table::read(etc.path()).unwrap_err();
        assert_eq!(error.path, etc.path().join("exports"));
    }
}
