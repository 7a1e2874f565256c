//! Finds where a RESP frame ends, looking at each byte once.
//!
//! Owns framing and its bounds: depth, bytes, elements. Leaves what a frame means to [`super::decode()`].

use super::FrameError;

/// Bounds on one frame, so that a broken or hostile server cannot exhaust stack or memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Aggregates within aggregates, the outermost included (default 64, at most 128). Servers nest below ten
    /// deep; Lua scripts may go further.
    pub max_depth: usize,
    /// Bytes of one frame (default 512 MiB, the largest string a server holds by default, `proto-max-bulk-len`).
    pub max_frame: usize,
    /// Elements announced by one frame's aggregates, all levels together (default 16 Mi).
    pub max_elements: usize,
}

impl Limits {
    /// The largest depth that is honoured: values are dropped by recursion, one stack frame a level.
    pub const DEPTH_CEILING: usize = 128;
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_depth: 64, max_frame: 512 << 20, max_elements: 16 << 20 }
    }
}

/// Longest line that holds a length or a fixed-form scalar: a double has at most some 24 digits.
const SHORT_LINE: usize = 64;
/// The smallest element: a type byte and CRLF.
const SMALLEST: usize = 3;

/// An incremental search for the end of one frame.
///
/// ```
/// use slotwright_client::resp::{Limits, Scanner};
/// let mut scanner = Scanner::new(Limits::default());
/// assert_eq!(scanner.advance(b"*2\r\n:1\r")?, None);
/// assert_eq!(scanner.advance(b"*2\r\n:1\r\n$1\r\nx\r\n+next\r\n")?, Some(15));
/// # Ok::<(), slotwright_client::resp::FrameError>(())
/// ```
#[derive(Debug)]
pub struct Scanner {
    limits: Limits,
    /// Elements still missing from each open aggregate, outermost first.
    open: Vec<usize>,
    /// Sum of `open`.
    missing: usize,
    /// Elements announced so far.
    announced: usize,
    state: State,
    #[cfg(test)]
    pub(super) examined: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// An element begins at `start`; its line was searched up to `seen`.
    Line { start: usize, seen: usize },
    /// A string's payload ends at `end`, where CRLF must follow.
    Payload { end: usize },
}

impl State {
    const fn at(start: usize) -> Self {
        Self::Line { start, seen: start }
    }
}

impl Scanner {
    /// A scanner at the start of a frame.
    pub fn new(limits: Limits) -> Self {
        let limits = Limits { max_depth: limits.max_depth.min(Limits::DEPTH_CEILING), ..limits };
        Self {
            limits,
            open: Vec::new(),
            missing: 1,
            announced: 0,
            state: State::at(0),
            #[cfg(test)]
            examined: 0,
        }
    }

    /// Goes on with `buffer`, which begins where the frame begins and holds at least what it held before. The
    /// length of the frame once it is complete; the scanner then stands before the next one.
    ///
    /// # Errors
    /// When the bytes are not RESP or exceed the limits. The scanner is of no use afterwards.
    pub fn advance(&mut self, buffer: &[u8]) -> Result<Option<usize>, FrameError> {
        loop {
            let next = match self.state {
                State::Line { start, seen } => {
                    let Some(end) = self.find_line_end(buffer, start, seen)? else {
                        return Ok(None);
                    };
                    let line = buffer.get(start..end).unwrap_or_default();
                    match self.element(line, start)? {
                        Some(payload) => {
                            self.state = State::Payload { end: payload };
                            continue;
                        }
                        None => end + 2,
                    }
                }
                State::Payload { end } => {
                    let Some(terminator) = buffer.get(end..end + 2) else {
                        return Ok(None);
                    };
                    self.examine(2);
                    if terminator != b"\r\n" {
                        return Err(FrameError::MissingTerminator { offset: end });
                    }
                    end + 2
                }
            };
            self.check_room(next)?;
            if self.missing == 0 {
                self.reset();
                return Ok(Some(next));
            }
            self.state = State::at(next);
        }
    }

    /// The least number of bytes the buffer must hold before the frame can be complete.
    pub fn wanted(&self) -> usize {
        let end = match self.state {
            State::Line { seen, .. } => seen.saturating_add(1),
            State::Payload { end } => end.saturating_add(2),
        };
        end.saturating_add(self.missing.saturating_mul(SMALLEST)).min(self.limits.max_frame)
    }

    fn reset(&mut self) {
        self.open.clear();
        self.missing = 1;
        self.announced = 0;
        self.state = State::at(0);
    }

    #[cfg_attr(not(test), allow(clippy::unused_self))]
    fn examine(&mut self, _bytes: usize) {
        #[cfg(test)]
        {
            self.examined += _bytes;
        }
    }

    /// Where the CRLF of the line from `start` stands, searching from `seen` on.
    fn find_line_end(
        &mut self,
        buffer: &[u8],
        start: usize,
        seen: usize,
    ) -> Result<Option<usize>, FrameError> {
        let unseen = buffer.get(seen..).unwrap_or_default();
        // A line ends at the first CRLF; a lone CR or LF is content, so one byte of look-behind is needed.
        let mut previous =
            seen.checked_sub(1).filter(|&at| at >= start).and_then(|at| buffer.get(at)).copied();
        for (index, &byte) in unseen.iter().enumerate() {
            if byte == b'\n' && previous == Some(b'\r') {
                self.examine(index + 1);
                return Ok(Some(seen + index - 1));
            }
            previous = Some(byte);
        }
        self.examine(unseen.len());
        // An unfinished line must not be a way to make the caller buffer without end.
        if let Some(&kind) = buffer.get(start) {
            if !is_type(kind) {
                return Err(FrameError::UnknownType { byte: kind, offset: start });
            }
            // One more than a line may have: its CR may have come without its LF.
            if !is_free_form(kind) && buffer.len() - start > SHORT_LINE + 1 {
                return Err(FrameError::LineTooLong { kind, offset: start });
            }
        }
        // The unfinished line is read and also counted as missing.
        self.check_room(buffer.len().saturating_sub(SMALLEST))?;
        self.state = State::Line { start, seen: buffer.len().max(seen) };
        Ok(None)
    }

    /// Takes note of the element whose first line (without CRLF) this is. Where its payload ends, if it has one.
    fn element(&mut self, line: &[u8], start: usize) -> Result<Option<usize>, FrameError> {
        let Some((&kind, rest)) = line.split_first() else {
            return Err(FrameError::UnknownType { byte: b'\r', offset: start });
        };
        if is_type(kind) && !is_free_form(kind) && line.len() > SHORT_LINE {
            return Err(FrameError::LineTooLong { kind, offset: start });
        }
        match kind {
            b'+' | b'-' | b'(' | b':' | b',' | b'#' | b'_' => self.close_element(),
            b'$' | b'!' | b'=' => match length(kind, rest, start)? {
                None => self.close_element(),
                Some(bytes) => {
                    let end = start + line.len() + 2;
                    let end = end.checked_add(bytes).ok_or(self.too_large())?;
                    self.close_element();
                    self.check_room(end.saturating_add(2))?;
                    return Ok(Some(end));
                }
            },
            b'*' | b'~' | b'>' | b'%' | b'|' => {
                let count = length(kind, rest, start)?.unwrap_or(0);
                let pairs = matches!(kind, b'%' | b'|');
                let count = if pairs { count.checked_mul(2).ok_or(self.too_many())? } else { count };
                self.open_aggregate(kind, count)?;
            }
            byte => return Err(FrameError::UnknownType { byte, offset: start }),
        }
        Ok(None)
    }

    /// An element without children is complete.
    fn close_element(&mut self) {
        if let Some(innermost) = self.open.last_mut() {
            *innermost -= 1;
        }
        self.missing -= 1;
        while self.open.last() == Some(&0) {
            self.open.pop();
        }
    }

    fn open_aggregate(&mut self, kind: u8, count: usize) -> Result<(), FrameError> {
        self.announced = self.announced.checked_add(count).ok_or(self.too_many())?;
        if self.announced > self.limits.max_elements {
            return Err(self.too_many());
        }
        // An attribute only precedes an element: it fills no place of the aggregate around it.
        if kind != b'|' {
            if let Some(outer) = self.open.last_mut() {
                *outer -= 1;
            }
            self.missing -= 1;
        }
        // The outer aggregate may just have got its last element, but that element is still open: depth counts
        // both, and the zero is taken away when the inner one closes.
        self.open.push(count);
        if self.open.len() > self.limits.max_depth {
            return Err(FrameError::TooDeep { limit: self.limits.max_depth });
        }
        self.missing += count;
        while self.open.last() == Some(&0) {
            self.open.pop();
        }
        Ok(())
    }

    /// Refuses a frame that reaches to `end` at least and still lacks `missing` elements.
    fn check_room(&self, end: usize) -> Result<(), FrameError> {
        let least = end.saturating_add(self.missing.saturating_mul(SMALLEST));
        if least > self.limits.max_frame { Err(self.too_large()) } else { Ok(()) }
    }

    fn too_large(&self) -> FrameError {
        FrameError::TooLarge { limit: self.limits.max_frame }
    }

    fn too_many(&self) -> FrameError {
        FrameError::TooManyElements { limit: self.limits.max_elements }
    }
}

/// Types whose line is text of any length.
fn is_free_form(kind: u8) -> bool {
    matches!(kind, b'+' | b'-' | b'(')
}

fn is_type(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-'
            | b'('
            | b':'
            | b','
            | b'#'
            | b'_'
            | b'$'
            | b'!'
            | b'='
            | b'*'
            | b'~'
            | b'>'
            | b'%'
            | b'|'
    )
}

/// The length after a type byte; `None` for the null of `$-1` and `*-1`.
pub(super) fn length(kind: u8, digits: &[u8], offset: usize) -> Result<Option<usize>, FrameError> {
    match digits {
        b"-1" if matches!(kind, b'$' | b'*') => Ok(None),
        b"?" => Err(FrameError::Streamed { kind, offset }),
        _ => {
            let bad = FrameError::BadLength { kind, offset };
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return Err(bad);
            }
            // Twenty digits and more overflow, which is refused as any other length that is no number.
            std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).map(Some).ok_or(bad)
        }
    }
}
