//! Lines and words of an exports file: `xgettok`, `xskip` and `xgetc` of nfs-utils, kept apart from what the words mean.
//!
//! A line here is a logical one: it ends at a line feed that no backslash takes away. Every byte belongs to one line.

use std::ops::Range;

use super::problem::Problem;

/// A word: a path, default options, or a client with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Where it stands in the line, quotation marks included.
    pub(super) span: Range<usize>,
    /// What it says, without quotation marks and escapes.
    pub(super) text: Vec<u8>,
    /// For each byte of `text` where it begins in the line.
    origins: Vec<usize>,
    /// The most bytes that exportfs has to hold while it reads the word; escapes shrink only when they are complete.
    pub(super) peak: usize,
}

impl Word {
    /// Where the byte `index` of the text begins in the line; the end of the word for the end of the text.
    pub(super) fn origin(&self, index: usize) -> usize {
        self.origins.get(index).copied().unwrap_or(self.span.end)
    }
}

/// A logical line, split into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lexed {
    pub(super) words: Vec<Word>,
    /// Its length with the line feed that ends it.
    pub(super) length: usize,
    /// True if a line feed ends it; false at the end of the file.
    pub(super) ended: bool,
    /// What is wrong with its words as such, and where.
    pub(super) problems: Vec<(usize, Problem)>,
}

/// Reads the first logical line of `bytes`.
pub(super) fn line(bytes: &[u8]) -> Lexed {
    let mut reader = Reader {
        bytes,
        at: 0,
        lexed: Lexed { words: Vec::new(), length: 0, ended: false, problems: Vec::new() },
    };
    reader.line();
    reader.lexed.length = reader.at;
    reader.lexed
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    lexed: Lexed,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn line(&mut self) {
        loop {
            if self.continuation() {
                continue;
            }
            match self.peek() {
                None => return,
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\n') => {
                    self.at += 1;
                    self.lexed.ended = true;
                    return;
                }
                // A backslash does not carry a comment on.
                Some(b'#') => {
                    let rest = self.bytes.get(self.at..).unwrap_or_default();
                    self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                }
                Some(byte) => match odd(byte) {
                    Some(problem) => {
                        // One for a row of them will do.
                        if self.lexed.problems.last().is_none_or(|(_, last)| *last != problem) {
                            self.lexed.problems.push((self.at, problem));
                        }
                        self.at += 1;
                    }
                    None => self.word(),
                },
            }
        }
    }

    /// Skips a backslash with a line feed and the blanks after it: together they are one space.
    fn continuation(&mut self) -> bool {
        let Some([b'\\', b'\n', rest @ ..]) = self.bytes.get(self.at..) else { return false };
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.at += 2 + blanks;
        true
    }

    fn word(&mut self) {
        let start = self.at;
        let mut word = Word { span: start..start, text: Vec::new(), origins: Vec::new(), peak: 0 };
        let mut quoted = None;
        loop {
            let at = self.at;
            if quoted.is_none() && matches!(self.bytes.get(at..), Some([b'\\', b'\n', ..])) {
                break;
            }
            let byte = if self.continuation() {
                b' '
            } else {
                match self.peek() {
                    None | Some(b'\n') => break,
                    Some(b' ' | b'\t') if quoted.is_none() => break,
                    Some(byte) if quoted.is_none() && odd(byte).is_some() => break,
                    Some(byte) => {
                        self.at += 1;
                        byte
                    }
                }
            };
            if byte == b'"' {
                quoted = if quoted.is_none() { Some(at) } else { None };
                continue;
            }
            if byte == 0 {
                self.lexed.problems.push((at, Problem::ZeroByte));
            }
            word.text.push(byte);
            word.origins.push(at);
            self.decode(&mut word);
            word.peak = word.peak.max(word.text.len());
        }
        word.span.end = self.at;
        if let Some(at) = quoted {
            self.lexed.problems.push((at, Problem::OpenQuote));
        } else if word.text.is_empty() {
            self.lexed.problems.push((start, Problem::EmptyQuotes));
        }
        self.lexed.words.push(word);
    }

    /// Puts the byte in the place of a backslash with three octal digits that has just become complete. The backslash may
    /// itself have come from an escape: that is how exportfs reads.
    fn decode(&mut self, word: &mut Word) {
        let Some(byte) = escaped(&word.text) else { return };
        let length = word.text.len() - 4;
        word.text.truncate(length);
        word.text.push(byte);
        word.origins.truncate(length + 1);
        if byte == 0 {
            let at = word.origins.last().copied().unwrap_or(self.at);
            self.lexed.problems.push((at, Problem::ZeroByte));
        }
    }
}

/// The byte that the end of `text` stands for, if it is a backslash with three octal digits below 256.
pub(super) fn escaped(text: &[u8]) -> Option<u8> {
    let [.., b'\\', a @ b'0'..=b'7', b @ b'0'..=b'7', c @ b'0'..=b'7'] = text else { return None };
    let digit = |byte: u8| u32::from(byte - b'0');
    u8::try_from(digit(*a) * 64 + digit(*b) * 8 + digit(*c)).ok()
}

/// What ends a word for exportfs, but is not what it skips between words.
const fn odd(byte: u8) -> Option<Problem> {
    match byte {
        b'\r' => Some(Problem::OddBlank { name: "carriage return" }),
        0x0b => Some(Problem::OddBlank { name: "vertical tab" }),
        0x0c => Some(Problem::OddBlank { name: "form feed" }),
        0 => Some(Problem::ZeroByte),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let lexed = line(text.as_bytes());
        assert_eq!(lexed.problems, [], "{text:?}");
        lexed.words.into_iter().map(|word| String::from_utf8(word.text).unwrap()).collect()
    }

    #[test]
    fn words_are_split_as_exportfs_does() {
        for (text, expected) in [
            ("", &[] as &[&str]),
            (" \t\n", &[]),
            ("# a b\n", &[]),
            ("a  b\tc\n", &["a", "b", "c"]),
            ("a b#c #d e\n", &["a", "b#c"]),
            ("a \\\n  b\n", &["a", "b"]),
            ("a\\\nb\n", &["a", "b"]),
            ("a \\\n# b\n", &["a"]),
            ("a \\\n\nb", &["a"]),
            ("\"a b\" c\"d e\"f\n", &["a b", "cd ef"]),
            ("\"a \\\n\t b\"\n", &["a  b"]),
            ("a\\040b\n", &["a b"]),
            ("\"a\\040b\"\n", &["a b"]),
            ("\\0\"4\"0\n", &[" "]),
            ("\\777 \\08 \\04\n", &["\\777", "\\08", "\\04"]),
            // Escapes make escapes.
            ("\\134040\n", &[" "]),
            ("\\134\\060\\0640\n", &[" "]),
            ("\\13404\\060\n", &["\\040"]),
            ("a\\b \\\\ \n", &["a\\b", "\\\\"]),
            ("x\\", &["x\\"]),
        ] {
            assert_eq!(words(text), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_end_where_exportfs_ends_them() {
        for (text, length, ended) in [
            ("a\nb\n", 2, true),
            ("a \\\nb\nc\n", 6, true),
            ("# a \\\nb\n", 6, true),
            ("a \\\n", 4, false),
            ("a", 1, false),
            ("\"a\nb\"\n", 3, true),
        ] {
            let lexed = line(text.as_bytes());
            assert_eq!((lexed.length, lexed.ended), (length, ended), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let cr = || Problem::OddBlank { name: "carriage return" };
        for (text, problems) in [
            ("a b\r\n", vec![(3, cr())]),
            ("\r\r\n", vec![(0, cr())]),
            ("a \x0b b\n", vec![(2, Problem::OddBlank { name: "vertical tab" })]),
            ("a \"b c\n", vec![(2, Problem::OpenQuote)]),
            ("a \"\" b\n", vec![(2, Problem::EmptyQuotes)]),
            ("a\0b\n", vec![(1, Problem::ZeroByte)]),
            ("\"a\0b\"\n", vec![(2, Problem::ZeroByte)]),
            ("a\\000\n", vec![(1, Problem::ZeroByte)]),
        ] {
            assert_eq!(line(text.as_bytes()).problems, problems, "{text:?}");
        }
    }

    #[test]
    fn a_byte_knows_where_it_came_from() {
        let lexed = line(b" \"a\\040\"b");
        let word = lexed.words.first().unwrap();
        assert_eq!(word.span, 1..9);
        assert_eq!((0..4).map(|index| word.origin(index)).collect::<Vec<_>>(), [2, 3, 8, 9]);
        assert_eq!(word.peak, 4);
    }
}
