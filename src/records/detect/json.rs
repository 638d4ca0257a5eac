//! Whether an input is JSON, and whether line by line or in documents.
//!
//! Brackets, strings and the order of tokens are checked, numbers and words only roughly: what is damaged inside is for
//! the reader to say. Nothing recurses, so depth costs memory and no stack.

use memchr::{memchr, memchr3};

/// What the head looks like.
pub(super) enum Look {
    /// JSON, one value a line.
    Lines,
    /// JSON documents: an array of records, or values that span or share lines.
    Documents,
    /// Not plainly JSON.
    Neither(Lines),
}

/// Looks at a head that is not blank.
pub(super) fn look(head: &[u8], complete: bool) -> Look {
    let start = head.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
    let lines = Lines::count(&head[start..], complete);
    let documents = match head.get(start) {
        Some(b'{') => objects(head, start, complete, &lines),
        Some(b'[') => arrays(head, start, complete, &lines),
        _ => (lines.objects() * 2 >= lines.filled).then_some(false),
    };
    match documents {
        Some(true) => Look::Documents,
        Some(false) => Look::Lines,
        None => Look::Neither(lines),
    }
}

/// For a head that begins with `{`: whether it holds documents (true) or lines (false), or is no JSON (none).
fn objects(head: &[u8], start: usize, complete: bool, lines: &Lines) -> Option<bool> {
    let value = scan(head, start);
    let first_line = line(&head[start..]);
    match value {
        Scan::Ends(end) if holds_newline(&head[start..end]) => Some(true),
        Scan::Ends(end) => {
            let rest = line(&head[end..]).trim_ascii_start();
            if rest.starts_with(b"{") {
                return Some(true);
            }
            if lines.whole == 0 && lines.cells * 2 > lines.filled {
                return None;
            }
            // Where each line is one whole object, none spans lines.
            Some(lines.whole < lines.filled && are_documents(head, start))
        }
        Scan::Open if !complete => Some(holds_newline(&head[start..])),
        // The first record is damaged. Are there good lines behind it, or is it a document with a fault?
        Scan::Open | Scan::Broken => {
            let alone = lines.filled == 1;
            if lines.objects() * 2 >= lines.filled && (lines.whole > 0 || alone || !goes_on(first_line)) {
                return Some(false);
            }
            (goes_on(first_line) && (!alone || first_line.trim_ascii() == b"{")).then_some(true)
        }
    }
}

/// For a head that begins with `[`: as [`objects`].
fn arrays(head: &[u8], start: usize, complete: bool, lines: &Lines) -> Option<bool> {
    let first_line = line(&head[start..]);
    match scan(head, start) {
        Scan::Ends(end) if holds_newline(&head[start..end]) => Some(true),
        Scan::Ends(end) => {
            let rest = line(&head[end..]).trim_ascii();
            let alone = lines.filled == 1;
            match rest {
                [] if alone => Some(true),
                [] => ((lines.arrays + lines.objects()) * 2 >= lines.filled).then_some(false),
                [b'{' | b'[', ..] => Some(true),
                _ => None,
            }
        }
        Scan::Open if !complete => Some(true),
        Scan::Open | Scan::Broken => {
            if lines.whole > 0 && lines.objects() * 2 >= lines.filled {
                return Some(false);
            }
            if lines.filled > 1 && goes_on(first_line) {
                return Some(true);
            }
            if lines.arrays > 0 && lines.arrays * 2 >= lines.filled {
                return Some(false);
            }
            let inner = first_line[1..].trim_ascii_start();
            (inner.is_empty() || begins_object(inner)).then_some(true)
        }
    }
}

/// Whether the whole head reads as values one after another, and as many of them span lines as do not.
fn are_documents(head: &[u8], start: usize) -> bool {
    let (mut at, mut within, mut spanning) = (start, 0usize, 0usize);
    loop {
        match head[at..].iter().position(|byte| !byte.is_ascii_whitespace()) {
            None => break,
            Some(blanks) => at += blanks,
        }
        match scan(head, at) {
            Scan::Ends(end) => {
                let count = if holds_newline(&head[at..end]) { &mut spanning } else { &mut within };
                *count += 1;
                at = end;
            }
            Scan::Open => break,
            Scan::Broken => return false,
        }
    }
    spanning > 0 && spanning >= within
}

/// What the lines of a head hold.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Lines that are not blank.
    pub(super) filled: usize,
    /// One whole object and nothing else.
    pub(super) whole: usize,
    /// An object with more behind it, or the beginning of one.
    pub(super) begun: usize,
    /// An object or array and then a delimiter and more, as a CSV row could have it.
    pub(super) cells: usize,
    /// One whole array and nothing else.
    pub(super) arrays: usize,
}

impl Lines {
    /// Lines that are or were meant to be one record each.
    pub(super) fn objects(&self) -> usize {
        self.whole + self.begun
    }

    fn count(head: &[u8], complete: bool) -> Lines {
        let mut lines = Lines::default();
        let mut rest = head;
        while !rest.is_empty() {
            let end = memchr(b'\n', rest);
            let text = &rest[..end.unwrap_or(rest.len())];
            let is_torn = end.is_none() && !complete && lines.filled > 0;
            if !is_torn {
                lines.add(text.trim_ascii());
            }
            rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
        }
        lines
    }

    fn add(&mut self, text: &[u8]) {
        let Some(&first) = text.first() else { return };
        self.filled += 1;
        let is_object = begins_object(text);
        if !is_object && first != b'[' {
            return;
        }
        match scan(text, 0) {
            Scan::Ends(end) => match text[end..].trim_ascii_start() {
                [] if is_object => self.whole += 1,
                [] => self.arrays += 1,
                // An element of an array over several lines.
                [b','] => {}
                [b',' | b';' | b'|', ..] => self.cells += 1,
                _ if text.get(end) == Some(&b'\t') => self.cells += 1,
                _ if is_object => self.begun += 1,
                _ => {}
            },
            Scan::Open | Scan::Broken if is_object => self.begun += 1,
            _ => {}
        }
    }
}

/// Whether a text begins as an object does: a brace, then a name or the end. Names in apostrophes are a common fault.
fn begins_object(text: &[u8]) -> bool {
    let Some(inner) = text.strip_prefix(b"{") else { return false };
    matches!(inner.trim_ascii_start().first(), Some(b'"' | b'}' | b'\''))
}

/// Whether a value that is laid out over several lines could break its line here.
fn goes_on(line: &[u8]) -> bool {
    matches!(line.trim_ascii_end().last(), Some(b'{' | b'[' | b',' | b':'))
}

fn line(text: &[u8]) -> &[u8] {
    &text[..memchr(b'\n', text).unwrap_or(text.len())]
}

fn holds_newline(text: &[u8]) -> bool {
    memchr(b'\n', text).is_some()
}

/// Where one JSON value ends.
enum Scan {
    /// Behind its last byte, at this offset.
    Ends(usize),
    /// Not within the text, which holds no fault so far.
    Open,
    /// Nowhere: the text has a fault.
    Broken,
}

/// What may come next inside a value.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Value,
    ValueOrEnd,
    Name,
    NameOrEnd,
    Colon,
    CommaOrEnd,
}

/// Scans the object or array that begins at `start`.
fn scan(text: &[u8], start: usize) -> Scan {
    let mut open: Vec<u8> = Vec::new();
    let mut next = Next::Value;
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        let is_value = matches!(next, Next::Value | Next::ValueOrEnd);
        let mut after = at + 1;
        next = match byte {
            b' ' | b'\t' | b'\n' | b'\r' => next,
            b'{' if is_value => {
                open.push(b'}');
                Next::NameOrEnd
            }
            b'[' if is_value => {
                open.push(b']');
                Next::ValueOrEnd
            }
            b'}' | b']' if open.last() == Some(&byte) && may_end(next, byte) => {
                open.pop();
                if open.is_empty() {
                    return Scan::Ends(after);
                }
                Next::CommaOrEnd
            }
            b'"' if is_value || matches!(next, Next::Name | Next::NameOrEnd) => {
                match string_end(text, after) {
                    Scan::Ends(end) => after = end,
                    other => return other,
                }
                if is_value { Next::CommaOrEnd } else { Next::Colon }
            }
            b':' if next == Next::Colon => Next::Value,
            b',' if next == Next::CommaOrEnd => {
                if open.last() == Some(&b'}') {
                    Next::Name
                } else {
                    Next::Value
                }
            }
            _ if is_value && !open.is_empty() => match scalar_end(text, at) {
                Some(end) => {
                    after = end;
                    Next::CommaOrEnd
                }
                None => return Scan::Broken,
            },
            _ => return Scan::Broken,
        };
        at = after;
    }
    Scan::Open
}

/// Whether the innermost object or array may end here. A comma before the end is a fault of one value, not of layout.
fn may_end(next: Next, byte: u8) -> bool {
    match next {
        Next::CommaOrEnd => true,
        Next::NameOrEnd | Next::Name => byte == b'}',
        Next::ValueOrEnd => byte == b']',
        Next::Value => byte == b']',
        Next::Colon => false,
    }
}

/// The end of the string whose opening quote stands before `from`; a string does not hold a newline.
fn string_end(text: &[u8], from: usize) -> Scan {
    let mut at = from;
    while at < text.len() {
        let Some(hit) = memchr3(b'"', b'\\', b'\n', &text[at..]) else { break };
        match text[at + hit] {
            b'"' => return Scan::Ends(at + hit + 1),
            b'\n' => return Scan::Broken,
            _ => at += hit + 2,
        }
    }
    Scan::Open
}

/// The end of a number or of one of JSON's words, `NaN` and `Infinity` included.
fn scalar_end(text: &[u8], at: usize) -> Option<usize> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let end = text[at..].iter().position(|byte| !is_part(byte)).map_or(text.len(), |len| at + len);
    let word = &text[at..end];
    let is_number = word.iter().any(u8::is_ascii_digit) && matches!(word[0], b'0'..=b'9' | b'-' | b'+' | b'.');
    let words: [&[u8]; 6] = [b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity"];
    // A word may be cut by the end of the text.
    let is_word = words.iter().any(|known| *known == word || (end == text.len() && known.starts_with(word)));
    (!word.is_empty() && (is_number || is_word)).then_some(end)
}
