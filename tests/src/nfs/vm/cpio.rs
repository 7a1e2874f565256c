//! The archive that a kernel unpacks into its first root: cpio in the "new" format (`initramfs` buffer format in the
//! kernel's documentation, `cpio(5)`).
//!
//! Entries are written as they are given. Nothing is compressed: an emulated processor would take longer to unpack it than
//! the machine takes to load it.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::Path,
};

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// Writes an archive in which everything belongs to root.
pub struct Archive<W: Write> {
    out: W,
    /// Inode numbers are only told apart.
    last: u32,
    folders: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    /// An archive without entries.
    pub fn new(out: W) -> Self {
        Self { out, last: 0, folders: BTreeSet::new() }
    }

    /// A folder, with those above it; once is enough.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn folder(&mut self, path: &str) -> io::Result<()> {
        let path = path.trim_matches('/');
        if path.is_empty() || self.folders.contains(path) {
            return Ok(());
        }
        self.above(path)?;
        self.folders.insert(path.to_owned());
        self.entry(path, FOLDER | 0o755, (0, 0), b"")
    }

    /// A file. The folders above it come with it, as they do with links and devices.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.above(path)?;
        self.entry(path, FILE | mode, (0, 0), content)
    }

    /// A symbolic link.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.above(path)?;
        self.entry(path, LINK | 0o777, (0, 0), target.as_bytes())
    }

    /// A character device by its major and minor number.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn device(&mut self, path: &str, mode: u32, major: u32, minor: u32) -> io::Result<()> {
        self.above(path)?;
        self.entry(path, CHARACTER_DEVICE | mode, (major, minor), b"")
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, (0, 0), b"")?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn above(&mut self, path: &str) -> io::Result<()> {
        let above = Path::new(path).parent().and_then(Path::to_str).unwrap_or_default().to_owned();
        self.folder(&above)
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) -> io::Result<()> {
        let name = path.trim_start_matches('/');
        let number = |length: usize| u32::try_from(length).map_err(io::Error::other);
        self.last += 1;
        let links = if mode & FOLDER == FOLDER { 2 } else { 1 };
        // ino, mode, uid, gid, nlink, mtime, filesize, dev major and minor, rdev major and minor, namesize, check
        let fields = [
            self.last,
            mode,
            0,
            0,
            links,
            0,
            number(content.len())?,
            0,
            0,
            device.0,
            device.1,
            number(name.len() + 1)?,
            0,
        ];
        let mut header = "070701".to_owned();
        for field in fields {
            header.push_str(&format!("{field:08x}"));
        }
        header.push_str(name);
        header.push('\0');
        self.padded(header.as_bytes())?;
        self.padded(content)
    }

    /// Header and content each end at a multiple of four.
    fn padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.out.write_all(&[0; 3][..bytes.len().wrapping_neg() % 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(archive: &[u8]) -> Vec<&str> {
        archive.split(|byte| *byte == 0).filter_map(|part| std::str::from_utf8(part).ok()).collect()
    }

    #[test]
    fn an_entry_is_as_the_format_says() {
        let mut archive = Archive::new(Vec::new());
        archive.file("/a", 0o644, b"hello").unwrap();
        let bytes = archive.finish().unwrap();
        // 110 bytes of header, the name with its end, the content, each filled up to four.
        let (header, rest) = bytes.split_at(110);
        assert_eq!(
            std::str::from_utf8(header).unwrap(),
            "070701000000010000\
             81a4000000000000000000000001000000000000000500000000000000000000000000000000000000020000\
             0000"
        );
        assert_eq!(&rest[..10], b"a\0hello\0\0\0");
        assert!(rest[10..].starts_with(b"070701"));
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn folders_come_before_what_is_in_them_and_once() {
        let mut archive = Archive::new(Vec::new());
        archive.file("/x/y/one", 0o644, b"1").unwrap();
        archive.link("/x/y/two", "one").unwrap();
        archive.device("/x/null", 0o666, 1, 3).unwrap();
        archive.folder("/x/y/").unwrap();
        let bytes = archive.finish().unwrap();
        let texts = texts(&bytes);
        let at = |name: &str| texts.iter().filter(|text| text.ends_with(name)).count();
        assert_eq!((at("0000x"), at("0000x/y"), at("0000x/y/two"), at("0000TRAILER!!!")), (1, 1, 1, 1));
    }
}
