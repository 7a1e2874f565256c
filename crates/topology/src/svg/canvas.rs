//! The pen: shapes and text as SVG elements.
//!
//! Owns escaping, numbers, and how wide a text is likely to be; knows nothing of clusters.

use std::fmt::Write as _;

/// Page, lines and text.
pub(super) const PAGE: &str = "#fbfcfd";
pub(super) const LINE: &str = "#d9e0e8";
pub(super) const PANEL: &str = "#f2f5f8";
pub(super) const WHITE: &str = "#ffffff";
pub(super) const TEXT: &str = "#1c2733";
pub(super) const MUTED: &str = "#5b6876";
/// Good, doubtful, bad, neutral: text on its ground.
pub(super) const GOOD: (&str, &str) = ("#14683d", "#dcf2e5");
pub(super) const DOUBTFUL: (&str, &str) = ("#7a4d00", "#fdeecb");
pub(super) const BAD: (&str, &str) = ("#a91e1b", "#fde2e0");
pub(super) const NEUTRAL: (&str, &str) = ("#2b5079", "#e2ecf7");

/// Where a text stands to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The look of a text.
#[derive(Clone, Copy)]
pub(super) struct Font<'a> {
    /// In pixels.
    pub(super) size: f64,
    pub(super) fill: &'a str,
    pub(super) bold: bool,
    /// All characters equally wide.
    pub(super) fixed: bool,
    pub(super) anchor: Anchor,
}

impl<'a> Font<'a> {
    pub(super) const fn new(size: f64, fill: &'a str) -> Self {
        Self { size, fill, bold: false, fixed: false, anchor: Anchor::Start }
    }

    pub(super) const fn bold(mut self) -> Self {
        self.bold = true;
        self
    }

    pub(super) const fn fixed(mut self) -> Self {
        self.fixed = true;
        self
    }

    pub(super) const fn at(mut self, anchor: Anchor) -> Self {
        self.anchor = anchor;
        self
    }

    /// The width of `text` in pixels. The font that will be used is unknown, so this leans to the wide side.
    pub(super) fn width(&self, text: &str) -> f64 {
        let ems: f64 = text.chars().map(|c| if self.fixed && c.is_ascii() { 0.61 } else { ems(c) }).sum();
        ems * self.size * if self.bold { 1.07 } else { 1.0 }
    }

    /// `text` if it fits into `room` pixels, else its beginning and its end with `…` between them: names and addresses
    /// differ at the end as often as at the beginning.
    pub(super) fn fit(&self, text: &str, room: f64) -> String {
        if self.width(text) <= room {
            return text.to_owned();
        }
        let characters: Vec<char> = text.chars().collect();
        let mut kept = characters.len();
        while kept > 1 {
            kept -= 1;
            let tail = kept / 3;
            let head = characters.iter().take(kept - tail);
            let short: String =
                head.chain(&['…']).chain(characters.iter().skip(characters.len() - tail)).collect();
            if self.width(&short) <= room {
                return short;
            }
        }
        "…".to_owned()
    }

    /// `text` broken at spaces into at most `most` lines of `room` pixels; what is left over ends in `…`.
    pub(super) fn wrap(&self, text: &str, room: f64, most: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut words = text.split_whitespace().peekable();
        while words.peek().is_some() && lines.len() < most {
            let last = lines.len() + 1 == most;
            let mut line = String::new();
            while let Some(word) = words.peek() {
                let longer = if line.is_empty() { (*word).to_owned() } else { format!("{line} {word}") };
                if line.is_empty() || self.width(&longer) <= room {
                    line = longer;
                    words.next();
                } else {
                    break;
                }
            }
            if last && words.peek().is_some() {
                while !line.is_empty() && self.width(&line) + self.width(" …") > room {
                    line.pop();
                }
                line.push_str(" …");
            }
            lines.push(self.fit(&line, room));
        }
        lines
    }
}

/// The width of a character in ems, by kind, after wide sans-serif fonts.
fn ems(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '·' => 0.33,
        ' ' | 'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '-' | '/' | 'I' => 0.40,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 0.96,
        'A'..='Z' | '+' | '=' | '<' | '>' | '&' | '#' => 0.72,
        _ if c.is_ascii() => 0.63,
        '\u{1100}'.. => 1.05,
        _ => 0.72,
    }
}

/// `text` for element content and attribute values. What XML cannot carry becomes U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            // Marks that turn the direction of writing would turn what stands beside them too.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A coordinate with at most two decimals.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// The elements so far.
#[derive(Default)]
pub(super) struct Canvas(String);

impl Canvas {
    pub(super) fn into_elements(self) -> String {
        self.0
    }

    /// A rectangle with round corners; `look` holds further attributes, already escaped.
    pub(super) fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), radius: f64, look: &str) {
        let (x, y, width, height) = (number(x), number(y), number(width), number(height));
        let radius = if radius > 0.0 { format!(" rx=\"{}\"", number(radius)) } else { String::new() };
        // Writing to a String cannot fail.
        let _ = writeln!(
            self.0,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"{radius} {look}/>"
        );
    }

    pub(super) fn circle(&mut self, (x, y): (f64, f64), radius: f64, look: &str) {
        let _ = writeln!(
            self.0,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {look}/>",
            number(x),
            number(y),
            number(radius)
        );
    }

    pub(super) fn path(&mut self, d: &str, look: &str) {
        let _ = writeln!(self.0, "<path d=\"{d}\" {look}/>");
    }

    /// One line of text on the baseline `y`.
    pub(super) fn text(&mut self, (x, y): (f64, f64), font: Font<'_>, text: &str) {
        let anchor = match font.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let weight = if font.bold { " font-weight=\"600\"" } else { "" };
        let family = if font.fixed { " class=\"fixed\"" } else { "" };
        let _ = writeln!(
            self.0,
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"{weight}{anchor}{family}>{}</text>",
            number(x),
            number(y),
            number(font.size),
            font.fill,
            escape(text)
        );
    }

    /// A word on a coloured ground, its right edge at `right`, the baseline at `y`; returns its left edge.
    pub(super) fn badge(
        &mut self,
        (right, y): (f64, f64),
        size: f64,
        (ink, ground): (&str, &str),
        text: &str,
    ) -> f64 {
        let font = Font::new(size, ink).bold().at(Anchor::Middle);
        let width = font.width(text) + size * 1.1;
        let height = size * 1.65;
        let look = format!("fill=\"{ground}\"");
        self.rect((right - width, y - size * 1.17), (width, height), height / 2.0, &look);
        self.text((right - width / 2.0, y), font, text);
        right - width
    }

    /// Opens a group; `tip` is what a browser shows when the pointer rests on it.
    pub(super) fn open(&mut self, look: &str, tip: &str) {
        let _ = writeln!(self.0, "<g{}{look}>", if look.is_empty() { "" } else { " " });
        if !tip.is_empty() {
            let _ = writeln!(self.0, "<title>{}</title>", escape(tip));
        }
    }

    pub(super) fn close(&mut self) {
        self.0.push_str("</g>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_a_text() {
        assert_eq!(
            escape("<a b=\"c\" d='e'>&\u{1b}\0\n"),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;\u{fffd}\u{fffd} "
        );
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [(1.0, "1"), (0.125, "0.12"), (-0.001, "0"), (1120.5, "1120.5"), (100.0, "100")]
        {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn long_texts_keep_both_ends_and_fit() {
        let font = Font::new(12.0, TEXT);
        let long = "redis-cluster-17.redis-headless.production.svc.cluster.local:6379";
        let short = font.fit(long, 150.0);
        assert!(
            font.width(&short) <= 150.0 && short.starts_with("redis") && short.ends_with("379"),
            "{short}"
        );
        assert_eq!(font.fit("short", 150.0), "short");
        assert_eq!(font.fit("anything", 1.0), "…");
    }

    #[test]
    fn wrapping_keeps_every_word_or_says_that_it_does_not() {
        let font = Font::new(12.0, TEXT);
        let text = "one two three four five six seven eight nine ten ".repeat(3);
        let all = font.wrap(&text, 120.0, 100);
        assert_eq!(all.join(" "), text.trim_end());
        let some = font.wrap(&text, 120.0, 2);
        assert!(some.len() == 2 && some[1].ends_with('…'), "{some:?}");
        assert!(all.iter().chain(&some).all(|line| font.width(line) <= 120.0));
        assert!(font.wrap("", 120.0, 2).is_empty());
    }
}
