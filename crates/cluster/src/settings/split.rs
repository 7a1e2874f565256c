//! How a line of `redis.conf` splits into arguments, and how an argument is quoted.
//!
//! The rules are those of the servers' own `sdssplitargs`: double quotes with `\xHH`, `\n`, `\r`, `\t`, `\b`, `\a`
//! (any other escaped character stands for itself), single quotes with `\'` only, a closing quote ends its argument.

/// What separates arguments; inside an argument vertical tab and form feed are ordinary.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// The arguments of one line.
pub(super) fn split(line: &str) -> Result<Vec<String>, &'static str> {
    if line.contains('\0') {
        return Err("contains a zero byte");
    }
    let mut arguments = Vec::new();
    let mut rest = line.as_bytes();
    loop {
        rest = rest.trim_ascii_start();
        // trim_ascii_start leaves the vertical tab, which the servers skip too.
        while let [0x0b, tail @ ..] = rest {
            rest = tail.trim_ascii_start();
        }
        if rest.is_empty() {
            return Ok(arguments);
        }
        let mut argument = Vec::new();
        rest = one(rest, &mut argument)?;
        arguments.push(String::from_utf8(argument).map_err(|_| "an escape makes text that is not UTF-8")?);
    }
}

/// Reads one argument and returns what follows it.
fn one<'a>(mut rest: &'a [u8], argument: &mut Vec<u8>) -> Result<&'a [u8], &'static str> {
    loop {
        match rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Ok(rest),
            [b'"', tail @ ..] => return double_quoted(tail, argument),
            [b'\'', tail @ ..] => return single_quoted(tail, argument),
            [byte, tail @ ..] => {
                argument.push(*byte);
                rest = tail;
            }
        }
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], argument: &mut Vec<u8>) -> Result<&'a [u8], &'static str> {
    loop {
        rest = match rest {
            [] => return Err("a double quote is not closed"),
            [b'"', tail @ ..] => return closed(tail),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                argument.push(digit(*high) << 4 | digit(*low));
                tail
            }
            [b'\\', escaped, tail @ ..] => {
                argument.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                tail
            }
            [byte, tail @ ..] => {
                argument.push(*byte);
                tail
            }
        };
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], argument: &mut Vec<u8>) -> Result<&'a [u8], &'static str> {
    loop {
        rest = match rest {
            [] => return Err("a single quote is not closed"),
            [b'\'', tail @ ..] => return closed(tail),
            [b'\\', b'\'', tail @ ..] => {
                argument.push(b'\'');
                tail
            }
            [byte, tail @ ..] => {
                argument.push(*byte);
                tail
            }
        };
    }
}

/// A closing quote must end its argument.
fn closed(rest: &[u8]) -> Result<&[u8], &'static str> {
    match rest {
        [byte, ..] if !is_space(*byte) => Err("a closing quote is followed by something other than a space"),
        _ => Ok(rest),
    }
}

/// The value of a hexadecimal digit.
const fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => byte.wrapping_sub(b'A') + 10,
    }
}

/// Appends `argument` to `line`, quoted where it would not be read back otherwise.
pub(super) fn quote(line: &mut String, argument: &str) {
    use std::fmt::Write as _;
    let plain = |byte: u8| !is_space(byte) && !byte.is_ascii_control() && byte != b'"' && byte != b'\'';
    // A leading # would make a comment of a line.
    if !argument.is_empty() && !argument.starts_with('#') && argument.bytes().all(plain) {
        line.push_str(argument);
        return;
    }
    line.push('"');
    for character in argument.chars() {
        match character {
            '"' | '\\' => {
                line.push('\\');
                line.push(character);
            }
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            control if control.is_ascii_control() => {
                // Writing to a string cannot fail.
                let _ = write!(line, "\\x{:02x}", u32::from(control));
            }
            other => line.push(other),
        }
    }
    line.push('"');
}

/// All `arguments`, separated by a space, quoted where needed.
pub(super) fn join<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for argument in arguments {
        if !line.is_empty() {
            line.push(' ');
        }
        quote(&mut line, argument);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_the_servers_do() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            (" \t\x0b \r\n", &[]),
            ("a  b\tc", &["a", "b", "c"]),
            (r#""" ''"#, &["", ""]),
            (r#""a b" 'c d'"#, &["a b", "c d"]),
            (r#""\x41\x4a\n\r\t\b\a\"\\\q""#, &["AJ\n\r\t\x08\x07\"\\q"]),
            (r#""\x4z""#, &["x4z"]),
            (r"'a\'b\n'", &[r"a'b\n"]),
            (r#"a"b c""#, &["ab c"]),
            (r"C:\path", &[r"C:\path"]),
            ("a\x0bb", &["a\x0bb"]),
            ("naïve \"é\"", &["naïve", "é"]),
            ("x # y", &["x", "#", "y"]),
        ];
        for (line, expected) in cases {
            assert_eq!(split(line).unwrap(), *expected, "{line:?}");
        }
        for bad in ["\"a", "'a", "\"a\"b", "'a'b", "\"\\xff\"", "a\0b", "\"\\", "\"a\\\""] {
            assert!(split(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn quotes_only_what_needs_it() {
        let cases = [
            ("", r#""""#),
            ("a", "a"),
            ("a b", r#""a b""#),
            (r"C:\x", r"C:\x"),
            ("it's", r#""it's""#),
            ("#", r##""#""##),
        ];
        for (argument, expected) in cases {
            assert_eq!(join([argument]), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_joined_splits_back(arguments in proptest::collection::vec("(?s).{0,8}|[ \"'\\\\#\n\t\x0b\x00\x7fx]{0,6}", 0..5)) {
            let line = join(arguments.iter().map(String::as_str));
            proptest::prop_assert_eq!(split(&line).unwrap(), arguments);
        }

        #[test]
        fn never_panics(line in "(?s).{0,40}|[a\"'\\\\x4 ]{0,20}") {
            let _ = split(&line);
        }
    }
}
