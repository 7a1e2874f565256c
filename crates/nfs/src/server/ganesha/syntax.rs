//! The syntax of Ganesha's configuration files: blocks, statements, `%include` lines, comments and quotes.
//!
//! Reads any bytes in bounded memory, to a tree with the place of everything or to the place where it stops making sense.
//! What the words mean is left to [`super::config`]. Source: `src/config_parsing/conf_lex.l` and `conf_yacc.y` of
//! NFS-Ganesha 4.3, ganesha-config(8).

use std::{fmt, ops::Range};

/// Ganesha's own blocks are three deep.
const DEEPEST: usize = 32;

/// Line and column, both from 1; columns count bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What stands in a file or in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Block(Block),
    Statement(Statement),
    Include(Include),
}

/// `NAME { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) items: Vec<Item>,
}

impl Block {
    /// The values of a statement; of the last one, where it is repeated. Names are the same in any case.
    pub(super) fn get(&self, name: &str) -> Option<&Statement> {
        self.items.iter().rev().find_map(|item| match item {
            Item::Statement(statement) if statement.name.eq_ignore_ascii_case(name) => Some(statement),
            _ => None,
        })
    }

    /// The blocks of this name in it.
    pub(super) fn blocks(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.items.iter().filter_map(move |item| match item {
            Item::Block(block) if block.name.eq_ignore_ascii_case(name) => Some(block),
            _ => None,
        })
    }
}

/// `Name = value, value;`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) values: Vec<String>,
}

impl Statement {
    /// The value, where there is exactly one.
    pub(super) fn value(&self) -> Option<&str> {
        match &*self.values {
            [value] => Some(value),
            _ => None,
        }
    }
}

/// Which kind of `%` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IncludeKind {
    /// `%include file`
    File,
    /// `%dir folder/pattern`
    Folder,
    /// `%url place`
    Url,
}

/// Another file that is read in this place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Include {
    pub(super) kind: IncludeKind,
    pub(super) target: String,
    pub(super) place: Place,
    /// The bytes of the file from the `%` to the end of the target.
    pub(super) bytes: Range<usize>,
}

/// Where a file stops making sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) place: Place,
    pub(super) what: String,
}

/// Reads a whole file.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Item>, SyntaxError> {
    let mut reader = Reader { bytes, at: 0, line: 1, line_start: 0 };
    // Blocks that are open, outermost first, each with what was found in it so far.
    let mut open: Vec<Block> = Vec::new();
    let mut top = Vec::new();
    loop {
        reader.skip();
        let place = reader.place();
        let Some(byte) = reader.peek() else {
            return match open.last() {
                None => Ok(top),
                Some(block) => Err(SyntaxError {
                    place: block.place,
                    what: format!("the block {} has no `}}`", block.name),
                }),
            };
        };
        let item = match byte {
            b'}' => {
                reader.advance();
                let Some(block) = open.pop() else {
                    return Err(reader.error_at(place, "a `}` without a block"));
                };
                Item::Block(block)
            }
            b'%' if open.is_empty() => Item::Include(reader.include(place)?),
            b'%' => return Err(reader.error_at(place, "a `%` line within a block")),
            _ => {
                let name = reader.name()?;
                reader.skip();
                match reader.peek() {
                    Some(b'{') => {
                        reader.advance();
                        if open.len() >= DEEPEST {
                            return Err(
                                reader.error_at(place, "blocks are nested deeper than Ganesha has them")
                            );
                        }
                        open.push(Block { name, place, items: Vec::new() });
                        continue;
                    }
                    Some(b'=') => {
                        reader.advance();
                        Item::Statement(Statement { name, place, values: reader.values()? })
                    }
                    _ => return Err(reader.error("expected `{` or `=` here")),
                }
            }
        };
        match open.last_mut() {
            Some(block) => block.items.push(item),
            None => top.push(item),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    line_start: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn advance(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line += 1;
            self.line_start = self.at + 1;
        }
        self.at += 1;
    }

    fn place(&self) -> Place {
        Place { line: self.line, column: self.at - self.line_start + 1 }
    }

    fn error(&self, what: &str) -> SyntaxError {
        self.error_at(self.place(), what)
    }

    fn error_at(&self, place: Place, what: &str) -> SyntaxError {
        SyntaxError { place, what: what.to_owned() }
    }

    /// Passes over blanks, line ends and comments.
    fn skip(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | 0x0c => self.advance(),
                b'#' => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.advance();
                    }
                }
                _ => break,
            }
        }
    }

    fn while_of(&mut self, holds: impl Fn(u8) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&holds) {
            self.advance();
        }
        self.text(start..self.at)
    }

    fn text(&self, range: Range<usize>) -> String {
        String::from_utf8_lossy(self.bytes.get(range).unwrap_or_default()).into_owned()
    }

    fn name(&mut self) -> Result<String, SyntaxError> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_') {
            return Err(self.error("expected the name of a block or of a parameter here"));
        }
        Ok(self.while_of(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')))
    }

    /// What stands between `=` and `;`.
    fn values(&mut self) -> Result<Vec<String>, SyntaxError> {
        let mut values = Vec::new();
        self.skip();
        if self.peek() == Some(b';') {
            self.advance();
            return Ok(values);
        }
        loop {
            self.skip();
            values.push(match self.peek() {
                Some(b'"') => self.double_quoted()?,
                Some(b'\'') => self.single_quoted()?,
                _ => {
                    let word = self.while_of(|byte| {
                        !matches!(
                            byte,
                            b' ' | b'\t'
                                | b'\r'
                                | b'\n'
                                | 0x0c
                                | b';'
                                | b','
                                | b'{'
                                | b'}'
                                | b'='
                                | b'#'
                                | b'"'
                                | b'\''
                        )
                    });
                    if word.is_empty() {
                        return Err(self.error("expected a value here"));
                    }
                    word
                }
            });
            self.skip();
            match self.peek() {
                Some(b',') => self.advance(),
                Some(b';') => {
                    self.advance();
                    return Ok(values);
                }
                _ => return Err(self.error("expected `,` or `;` after a value")),
            }
        }
    }

    fn double_quoted(&mut self) -> Result<String, SyntaxError> {
        let place = self.place();
        self.advance();
        let mut found = Vec::new();
        loop {
            let Some(byte) = self.peek() else {
                return Err(self.error_at(place, "a `\"` that is never closed"));
            };
            self.advance();
            match byte {
                b'"' => return Ok(String::from_utf8_lossy(&found).into_owned()),
                b'\\' => {
                    let Some(escaped) = self.peek() else {
                        return Err(self.error_at(place, "a `\"` that is never closed"));
                    };
                    self.advance();
                    found.push(match escaped {
                        b'n' => b'\n',
                        b't' => b'\t',
                        b'r' => b'\r',
                        other => other,
                    });
                }
                other => found.push(other),
            }
        }
    }

    fn single_quoted(&mut self) -> Result<String, SyntaxError> {
        let place = self.place();
        self.advance();
        let found = self.while_of(|byte| byte != b'\'');
        if self.peek().is_none() {
            return Err(self.error_at(place, "a `'` that is never closed"));
        }
        self.advance();
        Ok(found)
    }

    fn include(&mut self, place: Place) -> Result<Include, SyntaxError> {
        let start = self.at;
        self.advance();
        let kind = match &*self.while_of(|byte| byte.is_ascii_alphabetic()) {
            "include" => IncludeKind::File,
            "dir" => IncludeKind::Folder,
            "url" => IncludeKind::Url,
            _ => return Err(self.error_at(place, "expected %include, %dir or %url here")),
        };
        self.skip();
        let quoted = self.peek() == Some(b'"');
        if quoted {
            self.advance();
        }
        let target = self.while_of(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'-' | b'.' | b'_' | b'/')
                || (kind == IncludeKind::Folder && byte == b'*')
                || (kind == IncludeKind::Url && matches!(byte, b':' | b'&' | b'='))
        });
        if target.is_empty() {
            return Err(self.error("expected the name of a file here"));
        }
        if quoted {
            if self.peek() != Some(b'"') {
                return Err(self.error("a character that no included file may have in its name"));
            }
            self.advance();
        }
        Ok(Include { kind, target, place, bytes: start..self.at })
    }
}

/// A text as a value in double quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn first_block(text: &str) -> Block {
        match parse(text.as_bytes()).unwrap().remove(0) {
            Item::Block(block) => block,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn blocks_statements_and_comments() {
        let text = "# one\nEXPORT{ Export_Id=7; # two\n  Path = \"/a \\\"b\\\\c\"; Pseudo = '/x;y';\n\
                    FSAL { Name = VFS; } client { Clients = 10.0.0.0/8 , @grp,*.x; } Empty =; }\n%include /etc/more.conf\n";
        let items = parse(text.as_bytes()).unwrap();
        assert_eq!(items.len(), 2);
        let block = first_block(text);
        assert_eq!(block.place, Place { line: 2, column: 1 });
        assert_eq!(block.get("export_id").unwrap().value(), Some("7"));
        assert_eq!(block.get("Path").unwrap().value(), Some("/a \"b\\c"));
        assert_eq!(block.get("Pseudo").unwrap().value(), Some("/x;y"));
        let clients = block.blocks("CLIENT").next().unwrap().get("Clients").unwrap();
        assert_eq!(clients.values, ["10.0.0.0/8", "@grp", "*.x"]);
        assert!(block.get("Empty").unwrap().values.is_empty());
        let Item::Include(include) = &items[1] else { panic!() };
        assert_eq!((include.kind, &*include.target), (IncludeKind::File, "/etc/more.conf"));
        assert_eq!(&text[include.bytes.clone()], "%include /etc/more.conf");
    }

    #[test]
    fn errors_have_a_place() {
        for (text, line, column, word) in [
            ("EXPORT {\n Path = /x;\n", 1, 1, "no `}`"),
            ("}", 1, 1, "without a block"),
            ("EXPORT {\n  Path /x; }", 2, 8, "`{` or `=`"),
            ("EXPORT { Path = /x }", 1, 20, "`,` or `;`"),
            ("EXPORT { Path = \"/x; }", 1, 17, "never closed"),
            ("EXPORT { %include /x\n }", 1, 10, "within a block"),
            ("%included", 1, 1, "%include"),
            ("%include \"/a b\"", 1, 13, "name"),
            ("A { B = ; = }", 1, 11, "name"),
            ("A { B = , 1; }", 1, 9, "value"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert_eq!((error.place.line, error.place.column), (line, column), "{text}: {error:?}");
            assert!(error.what.contains(word), "{text}: {error:?}");
        }
        let deep = "A {".repeat(100_000);
        assert!(parse(deep.as_bytes()).unwrap_err().what.contains("deeper"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn whatever_looks_like_a_file_is_read_or_refused(text in "([A-Z]{1,3}|[{}=;,#%\"'\\\\ \n]|%include|%dir|/x){0,60}") {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn quoting_is_undone_by_reading(text in any::<String>()) {
            let file = format!("B {{ V = {}; }}", quoted(&text));
            let block = first_block(&file);
            prop_assert_eq!(block.get("V").unwrap().value(), Some(&*text));
        }
    }
}
