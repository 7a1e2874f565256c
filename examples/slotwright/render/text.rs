//! Text for a terminal: how wide it is, how it is broken and shortened, and what a terminal must not be sent.

use anstyle::{AnsiColor, Color};
use slotwright_topology::{NodeState, Severity, palette};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What the terminal (or the file) can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// ANSI colours; false also under `NO_COLOR` and where the output is no terminal.
    pub(crate) color: bool,
    /// Columns. Less than 40 counts as 40.
    pub(crate) width: usize,
    /// False: ASCII only; anything else becomes `?`.
    pub(crate) unicode: bool,
}

impl Style {
    /// The columns there are, at least 40.
    pub(super) fn columns(self) -> usize {
        self.width.max(40)
    }

    /// `text` in this look, if there are colours.
    pub(super) fn paint(self, look: anstyle::Style, text: &str) -> String {
        if self.color && !text.is_empty() { format!("{look}{text}{look:#}") } else { text.to_owned() }
    }

    /// One or the other, by what can be shown.
    pub(super) fn pick<T>(self, unicode: T, ascii: T) -> T {
        if self.unicode { unicode } else { ascii }
    }

    /// Text from outside, made safe: no control characters (which could steer the terminal), one line, and ASCII
    /// where nothing else can be shown.
    pub(super) fn clean(self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\t' | '\n' | '\r' => clean.push(' '),
                // Marks that turn the direction of writing steer a terminal as well.
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    clean.push('?');
                }
                _ if c.is_control() => clean.push('?'),
                _ if c.is_ascii() || self.unicode => clean.push(c),
                '…' => clean.push_str("..."),
                '\u{2010}'..='\u{2015}' => clean.push('-'),
                '‘' | '’' => clean.push('\''),
                '“' | '”' => clean.push('"'),
                '→' => clean.push_str("->"),
                _ => clean.push('?'),
            }
        }
        clean
    }

    /// `text` in at most `room` columns: its beginning and its end, with a mark between them.
    pub(super) fn shorten(self, text: &str, room: usize) -> String {
        if text.width() <= room {
            return text.to_owned();
        }
        let mark = self.pick("…", "~");
        let room_left = room.saturating_sub(1);
        let tail = take(text.chars().rev(), room_left / 3);
        let head = take(text.chars(), room_left - width_of(&tail));
        let tail: String = tail.into_iter().rev().collect();
        head.into_iter().collect::<String>() + mark + &tail
    }

    /// `text`, cleaned, in lines of at most the terminal's width: the first behind `first`, the others behind as many
    /// spaces. Words longer than a line are cut.
    pub(super) fn wrap(self, first: &str, text: &str) -> Vec<String> {
        let indent = first.width();
        let room = self.columns().saturating_sub(indent).max(10);
        let mut lines: Vec<String> = Vec::new();
        let mut line = String::new();
        for word in self.clean(text).split_whitespace() {
            if !line.is_empty() && line.width() + 1 + word.width() > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            for c in word.chars() {
                if line.width() + c.width().unwrap_or(0) > room {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(c);
            }
        }
        lines.push(line);
        let pad = " ".repeat(indent);
        let starts = std::iter::once(first).chain(std::iter::repeat(pad.as_str()));
        lines.iter().zip(starts).map(|(line, start)| format!("{start}{line}")).collect()
    }
}

fn take(characters: impl Iterator<Item = char>, room: usize) -> Vec<char> {
    let mut taken = 0;
    let fits = |c: &char| {
        taken += c.width().unwrap_or(0);
        taken <= room
    };
    characters.take_while(fits).collect()
}

fn width_of(characters: &[char]) -> usize {
    characters.iter().map(|c| c.width().unwrap_or(0)).sum()
}

pub(super) const BOLD: anstyle::Style = anstyle::Style::new().bold();
pub(super) const DIM: anstyle::Style = anstyle::Style::new().dimmed();
pub(super) const GOOD: anstyle::Style = ansi(AnsiColor::Green);
pub(super) const DOUBTFUL: anstyle::Style = ansi(AnsiColor::Yellow);
pub(super) const BAD: anstyle::Style = ansi(AnsiColor::Red);

const fn ansi(color: AnsiColor) -> anstyle::Style {
    anstyle::Style::new().fg_color(Some(Color::Ansi(color))).bold()
}

pub(super) fn look_of(severity: Severity) -> anstyle::Style {
    match severity {
        Severity::Critical => BAD,
        Severity::Warning => DOUBTFUL,
        Severity::Info => ansi(AnsiColor::Cyan),
    }
}

pub(super) fn word_of(state: NodeState) -> &'static str {
    match state {
        NodeState::Ok => "ok",
        NodeState::NotServing => "not serving",
        NodeState::Down => "down",
    }
}

/// The colour of a shard, from the 256 that nearly every terminal has.
pub(super) fn shard_color(shard: usize) -> Color {
    Color::Ansi256(palette::shard(shard).to_ansi256().into())
}

/// The shard's colour as ground, with what can be read on it.
pub(super) fn shard_ground(shard: usize) -> anstyle::Style {
    let ink = Color::Ansi256(palette::shard(shard).ink().to_ansi256().into());
    anstyle::Style::new().bg_color(Some(shard_color(shard))).fg_color(Some(ink))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { color: false, width: 60, unicode: true };
    const ASCII: Style = Style { unicode: false, ..PLAIN };

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(PLAIN.clean("a\u{1b}[2Jb\u{9b}c\nd\u{202e}e\u{7}"), "a?[2Jb?c d?e?");
        assert_eq!(ASCII.clean("é → “x”…"), "? -> \"x\"...");
    }

    #[test]
    fn shortening_counts_columns() {
        assert_eq!(PLAIN.shorten("redis-cluster-17.example", 12), "redis-cl…ple");
        assert_eq!(ASCII.shorten("redis-cluster-17.example", 12), "redis-cl~ple");
        assert_eq!(PLAIN.shorten("short", 5), "short");
        for room in 1..12 {
            assert!(PLAIN.shorten("日本語のノードの名前", room).width() <= room, "{room}");
        }
    }

    #[test]
    fn wrapping_keeps_the_words_and_the_width() {
        let text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen";
        let lines = PLAIN.wrap("  - ", text);
        assert!(
            lines.len() == 2 && lines[0].starts_with("  - one") && lines[1].starts_with("    "),
            "{lines:?}"
        );
        assert_eq!(lines.join(" ").split_whitespace().skip(1).collect::<Vec<_>>().join(" "), text);
        let lines = PLAIN.wrap("", &"日".repeat(200));
        assert!(lines.iter().all(|line| line.width() <= 60), "{lines:?}");
        assert_eq!(PLAIN.wrap("x ", ""), ["x "]);
    }
}
