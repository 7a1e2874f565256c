//! The one line of the main configuration that is ours: `%include "…"` of our drop-in. Everything else stays byte for byte.
//!
//! Ganesha does not start when an included file is missing or is included twice, and not when a comment follows on the
//! last line without a line end (found with 4.3). So the line stands alone, the file is written before the line, and the
//! line goes before the file.

use super::syntax::{Include, Item, SyntaxError, parse};

/// Stands above our line.
const NOTE: &str = "# The exports of Slotwright, which writes that file and this line; `slotwright exports remove` removes both.";

/// Whether a file name can be included at all: Ganesha's scanner takes nothing else.
pub(super) fn can_be_included(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    path.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(|part| !part.is_empty() && part.bytes().all(plain)))
}

/// The file with a line that includes `path` at its end.
pub(super) fn with_include(main: &[u8], path: &str) -> Vec<u8> {
    let mut bytes = main.to_vec();
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(format!("{NOTE}\n%include \"{path}\"\n").as_bytes());
    bytes
}

/// The file without the lines that include what `ours` says yes to, and without our note above them.
pub(super) fn without_include(main: &[u8], ours: impl Fn(&Include) -> bool) -> Result<Vec<u8>, SyntaxError> {
    let mut bytes = main.to_vec();
    for item in parse(main)?.into_iter().rev() {
        let Item::Include(include) = item else { continue };
        if !ours(&include) {
            continue;
        }
        let (mut start, mut end) = (include.bytes.start, include.bytes.end);
        // The whole line, where nothing else stands on it.
        let before = main.get(..start).unwrap_or_default();
        let line = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = main.get(end..).unwrap_or_default();
        let until = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        let blank = |bytes: Option<&[u8]>| bytes.unwrap_or_default().iter().all(u8::is_ascii_whitespace);
        if blank(before.get(line..)) && blank(rest.get(..until)) {
            start = line;
            end += until;
            let note = format!("{NOTE}\n");
            if main.get(..start).is_some_and(|above| above.ends_with(note.as_bytes())) {
                start -= note.len();
            }
        }
        bytes.drain(start..end);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/etc/ganesha/slotwright.conf";

    fn ours(include: &Include) -> bool {
        include.target == PATH
    }

    #[test]
    fn the_line_comes_and_goes_and_nothing_else_changes() {
        for main in ["", "# x\n", "NFSv4 { }\n\n%include /etc/other.conf\n", "EXPORT {\r\n}\r\n", "\u{e4}{}"]
        {
            let Ok(_) = parse(main.as_bytes()) else { continue };
            let with = with_include(main.as_bytes(), PATH);
            assert!(with.starts_with(main.as_bytes()));
            assert_eq!(without_include(&with, ours).unwrap(), main.as_bytes());
        }
        // A line end that was missing stays: without it Ganesha could not read a comment there.
        let with = with_include(b"# no line end", PATH);
        assert_eq!(without_include(&with, ours).unwrap(), b"# no line end\n");
    }

    #[test]
    fn only_our_line_is_taken_out() {
        let main = b"A { }\n%include \"/etc/ganesha/slotwright.conf\"  B { C = \"%include /etc/ganesha/slotwright.conf\"; }\n# %include /etc/ganesha/slotwright.conf\n";
        let without = without_include(main, ours).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&without),
            "A { }\n  B { C = \"%include /etc/ganesha/slotwright.conf\"; }\n# %include /etc/ganesha/slotwright.conf\n"
        );
        assert!(without_include(b"A {", ours).is_err());
    }

    #[test]
    fn names_that_cannot_be_included() {
        assert!(can_be_included(PATH));
        for bad in ["/etc/a b", "etc/x", "/etc//x", "/", "/etc/x,y", "/etc/\u{e4}", ""] {
            assert!(!can_be_included(bad), "{bad}");
        }
    }
}
