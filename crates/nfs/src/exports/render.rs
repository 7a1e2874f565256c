//! Words and lines of an exports file from what they shall say.

use std::{os::unix::ffi::OsStrExt, path::Path};

use super::{grant::Grant, lexer::escaped};

/// A line without its line feed: the path, then the grants.
pub(super) fn entry<'a>(path: &Path, grants: impl IntoIterator<Item = &'a Grant>) -> Vec<u8> {
    let mut line = word(path.as_os_str().as_bytes());
    for one in grants {
        line.push(b' ');
        line.extend(grant(one));
    }
    line
}

/// A client with its options.
pub(super) fn grant(grant: &Grant) -> Vec<u8> {
    word(grant.to_string().as_bytes())
}

/// A word that reads back as `text`: whatever has a meaning of its own becomes an octal escape, and so do all bytes above
/// 127 where they are not UTF-8.
pub(super) fn word(text: &[u8]) -> Vec<u8> {
    let ascii_only = std::str::from_utf8(text).is_err();
    let mut written = Vec::with_capacity(text.len());
    // What has been read back so far: a digit must not complete an escape that nobody wrote.
    let mut read = Vec::with_capacity(text.len());
    for byte in text.iter().copied() {
        read.push(byte);
        let special = byte <= b' '
            || byte == 0x7f
            || matches!(byte, b'"' | b'\\' | b'#')
            || (ascii_only && byte > 0x7f)
            || escaped(&read).is_some();
        if special {
            written.extend(format!("\\{byte:03o}").into_bytes());
        } else {
            written.push(byte);
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::{super::lexer, *};

    #[test]
    fn only_what_needs_it_is_escaped() {
        for (text, expected) in [
            (&b"/data/pv1"[..], "/data/pv1"),
            (b"/a b\t\n", "/a\\040b\\011\\012"),
            (b"/a\"#\\", "/a\\042\\043\\134"),
            ("/naïve".as_bytes(), "/naïve"),
            (b"/na\xefve", "/na\\357ve"),
            (b"/a\\040", "/a\\13404\\060"),
            (b"/a\\777", "/a\\134777"),
        ] {
            assert_eq!(String::from_utf8(word(text)).unwrap(), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(text in proptest::collection::vec(
            proptest::prop_oneof![1_u8..=255, proptest::sample::select(b"\\\\01234567\"# \n".to_vec())], 1..24)) {
            let lexed = lexer::line(&word(&text));
            proptest::prop_assert_eq!(lexed.problems, []);
            let texts: Vec<_> = lexed.words.into_iter().map(|word| word.text).collect();
            proptest::prop_assert_eq!(texts, vec![text]);
        }
    }
}
