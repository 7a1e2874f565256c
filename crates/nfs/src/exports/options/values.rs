//! Values of options that are more than a number or a word.

use std::{fmt, str::FromStr};

use super::super::problem::{Problem, Reach};

/// The UUID of a file system, as `fsid=` takes it: 32 hexadecimal digits with any punctuation between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uuid(u128);

impl Uuid {
    /// The UUID with these bits.
    pub const fn new(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Uuid {
    /// In the usual form, with hyphens: without them exportfs would take a UUID of nothing but decimal digits for a
    /// number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0;
        let (a, b, c, d, e) = (
            bits >> 96,
            bits >> 80 & 0xffff,
            bits >> 64 & 0xffff,
            bits >> 48 & 0xffff,
            bits & 0xffff_ffff_ffff,
        );
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }
}

impl FromStr for Uuid {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let wrong = |reach, why| Problem::Value {
            name: "fsid",
            found: text.to_owned(),
            why,
            remedy: "use a number, root, or a UUID as blkid prints it",
            reach,
        };
        let digits = || text.bytes().filter(u8::is_ascii_hexdigit).count();
        if digits() != 32 {
            return Err(wrong(
                Reach::RestOfFile,
                "it is neither a number nor a UUID of 32 hexadecimal digits",
            ));
        }
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_punctuation()) {
            return Err(wrong(
                Reach::Silent,
                "between the digits of a UUID there may be nothing but punctuation",
            ));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong(
                Reach::Silent,
                "exportfs takes a UUID of nothing but decimal digits for a number",
            ));
        }
        let bits = text
            .chars()
            .filter_map(|digit| digit.to_digit(16))
            .fold(0, |bits: u128, digit| bits << 4 | u128::from(digit));
        Ok(Self(bits))
    }
}

/// An absolute path that can stand among options: without a comma, a `)` or a zero byte, for which exports(5) has no
/// escape there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OptionPath(String);

impl OptionPath {
    /// The path, if it can stand among options.
    pub fn new(path: &str) -> Option<Self> {
        (path.starts_with('/') && is_sayable(path)).then(|| Self(path.to_owned()))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// True if the text can be the value of an option.
fn is_sayable(text: &str) -> bool {
    !text.contains([',', ')', '\0'])
}

/// `mp` and `mp=path`: export only while something is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Mountpoint {
    /// On the exported folder itself.
    Itself,
    /// On this folder.
    At(OptionPath),
}

impl FromStr for Mountpoint {
    type Err = Problem;

    /// Reads what stands after `mp=`; nothing is [`Mountpoint::Itself`].
    fn from_str(text: &str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Ok(Self::Itself);
        }
        OptionPath::new(text).map(Self::At).ok_or_else(|| Problem::Value {
            name: "mp",
            found: text.to_owned(),
            why: "it is not an absolute path",
            remedy: "write the path of the mount point from / on",
            reach: Reach::Silent,
        })
    }
}

/// Where else an export is, as `refer=` and `replicas=` say it: `path@host[+host][:path@host[+host]]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Locations {
    /// `refer=`: only there; the client is sent on.
    Refer(String),
    /// `replicas=`: there as well.
    Replicas(String),
}

impl Locations {
    /// Reads what stands after `refer=` or `replicas=`, as `method_list` of nfs-utils does: a colon within brackets
    /// belongs to an IPv6 address. Parts that mountd would skip with a warning are refused.
    pub(super) fn check(name: &'static str, text: &str) -> Result<String, Problem> {
        let mut depth = false;
        let good = text
            .split(|sign| {
                match sign {
                    '[' => depth = true,
                    ']' => depth = false,
                    _ => {}
                }
                sign == ':' && !depth
            })
            .all(|part| {
                part.starts_with('/')
                    && part
                        .split_once('@')
                        .is_some_and(|(_, hosts)| hosts.split('+').all(|host| !host.is_empty()))
            });
        if good && !depth && is_sayable(text) {
            return Ok(text.to_owned());
        }
        Err(Problem::Value {
            name,
            found: text.to_owned(),
            why: "it is not path@host, and mountd would leave it out",
            remedy: "write /path@host, + between hosts, : between places, and IPv6 addresses in brackets",
            reach: Reach::Silent,
        })
    }
}

/// `reexport=`: how an export of a mounted NFS gets its number (nfs-utils 2.6.3, kernel 5.19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reexport {
    /// `auto-fsidnum`: the next free one, kept in a database.
    Auto,
    /// `predefined-fsidnum`: the one in the database.
    Predefined,
}

impl Reexport {
    /// The word as exports(5) spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto-fsidnum",
            Self::Predefined => "predefined-fsidnum",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_with_any_punctuation() {
        let uuid = Uuid::new(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        for text in [
            "01234567-89ab-cdef-0123-456789abcdef",
            "0123456789abcdef0123456789ABCDEF",
            "01234567:89abcdef:01234567:89abcdef",
        ] {
            assert_eq!(text.parse(), Ok(uuid), "{text}");
        }
        assert_eq!(uuid.to_string(), "01234567-89ab-cdef-0123-456789abcdef");
        let decimal = Uuid::new(0x1234_5678_1234_5678_1234_5678_1234_5678);
        assert_eq!(decimal.to_string().parse(), Ok(decimal));
        for (text, reach) in [
            ("", Reach::RestOfFile),
            ("0123", Reach::RestOfFile),
            ("0123456789abcdef0123456789abcdef0", Reach::RestOfFile),
            ("g0123456789abcdef0123456789abcdef", Reach::Silent),
            ("12345678123456781234567812345678", Reach::Silent),
        ] {
            assert_eq!(text.parse::<Uuid>().unwrap_err().reach(), reach, "{text}");
        }
    }

    #[test]
    fn locations_are_paths_at_hosts() {
        for text in ["/a@b", "/a@b+c", "/a@b:/d@e+f", "/a@[fd00::1]+b:/c@[::1]"] {
            assert!(Locations::check("refer", text).is_ok(), "{text}");
        }
        for text in ["", "a@b", "/a", "/a@", "/a@b+", "/a@b:", "/a@b:c@d", "/a@[fd00::1", "/a@b,c"] {
            assert!(Locations::check("refer", text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_that_options_can_say() {
        assert!(OptionPath::new("/mnt/a b").is_some());
        for text in ["", "mnt", "/a,b", "/a)b", "/a\0b"] {
            assert!(OptionPath::new(text).is_none(), "{text:?}");
        }
    }
}
