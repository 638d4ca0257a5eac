//! One value: what it is and where it ends.
//!
//! What follows a value is not looked at here: a number that goes on with a letter does not fit what has to follow it.

use super::MOST_OPEN;
use super::look::blanks;
use crate::records::json::escape;
use crate::records::record::Kind;
use crate::simd::{Job, Padded, Quotes, Vector, WINDOW};
use crate::value::{Shape, json_number};

/// A value's kind, its bytes as a [`Field`](crate::records::Field) has them, and where what follows begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) next: usize,
}

/// Reads the value at `at`, which begins with the byte `first`, inside of `depth` objects. An object is kept whole. `None`
/// if it is broken, nested too deep for this way, or goes on past the line.
#[inline(always)]
pub(super) fn read(vector: impl Vector, text: Padded<'_>, at: usize, first: u8, depth: usize) -> Option<Value> {
    let plain = |kind, end| Some(Value { kind, start: at, end, next: end });
    if first == b'"' {
        let start = at + 1;
        let found = vector.quotes(text.window(start)?);
        let (end, escaped) = match ended(found) {
            Some(len) => (start + len, false),
            None => vector.apart(LongString { text, at: start, found })?,
        };
        let kind = if escaped { Kind::EscapedStr } else { Kind::Str };
        return Some(Value { kind, start, end, next: end + 1 });
    }
    if first.is_ascii_digit() || first == b'-' {
        let (kind, end) = number(vector, text, at)?;
        return plain(kind, end);
    }
    match first {
        b'[' => plain(Kind::Array, vector.apart(Container { text, at, depth })?),
        b'{' => plain(Kind::WholeObject, vector.apart(Container { text, at, depth })?),
        _ => {
            let (kind, end) = word(text, at)?;
            plain(kind, end)
        }
    }
}

/// How long a string is that ends within the window, with nothing in it to be looked at.
#[inline(always)]
fn ended(found: Quotes) -> Option<usize> {
    let len = found.quote.trailing_zeros();
    (len < found.other.trailing_zeros()).then_some(len as usize)
}

#[inline(always)]
fn word(text: Padded<'_>, at: usize) -> Option<(Kind, usize)> {
    let word = text.window(at)?.first_chunk::<5>()?;
    match word {
        b"false" => Some((Kind::False, at + 5)),
        [b't', b'r', b'u', b'e', _] => Some((Kind::True, at + 4)),
        [b'n', b'u', b'l', b'l', _] => Some((Kind::Null, at + 4)),
        _ => None,
    }
}

#[inline(always)]
fn number(vector: impl Vector, text: Padded<'_>, at: usize) -> Option<(Kind, usize)> {
    let start = at + usize::from(text.get(at)? == b'-');
    let window = text.window(start)?;
    let digits = vector.digits(window);
    let whole = digits.trailing_ones() as usize;
    let ends = matches!(text.get(start + whole)?, b',' | b'}');
    let leading_zero = window[0] == b'0' && whole > 1;
    if ends && (1..31).contains(&whole) && !leading_zero {
        return Some((Kind::Int, start + whole));
    }
    let (mut kind, mut len) = (Kind::Int, whole);
    if text.get(start + len)? == b'.' && whole < 31 {
        let decimals = (digits >> (whole + 1)).trailing_ones() as usize;
        if decimals == 0 {
            return None;
        }
        kind = Kind::Real;
        len += 1 + decimals;
    }
    let goes_on = matches!(text.get(start + len)?, b'e' | b'E' | b'.');
    if goes_on || whole == 0 || len >= 31 || leading_zero {
        return any_number(text, at);
    }
    Some((kind, start + len))
}

#[cold]
#[inline(never)]
fn any_number(text: Padded<'_>, at: usize) -> Option<(Kind, usize)> {
    let number = json_number(text.bytes().get(at..)?)?;
    Some((if number.shape == Shape::Int { Kind::Int } else { Kind::Real }, at + number.len))
}

/// A string that is longer than a window or holds escapes: where it ends, and whether it does hold some.
struct LongString<'a> {
    text: Padded<'a>,
    at: usize,
    /// What is in the window at `at`.
    found: Quotes,
}

impl Job for LongString<'_> {
    type Output = Option<(usize, bool)>;

    #[inline(always)]
    fn run(self, vector: impl Vector) -> Self::Output {
        let LongString { text, mut at, mut found } = self;
        let mut escaped = false;
        loop {
            if let Some(len) = ended(found) {
                return Some((at + len, escaped));
            }
            let plain = found.other.trailing_zeros() as usize;
            let mut behind = plain;
            if plain < WINDOW {
                let rest = text.bytes().get(at + plain..)?;
                if *rest.first()? != b'\\' {
                    return None;
                }
                escaped = true;
                behind += escape::len(rest)?;
            }
            if behind < WINDOW {
                // What stands behind the escape in the window is known already.
                let left = u64::MAX << behind;
                found = Quotes { quote: found.quote & left, other: found.other & left };
            } else {
                at += behind;
                found = vector.quotes(text.window(at)?);
            }
        }
    }
}

/// An array, or an object that is kept whole: where it ends.
struct Container<'a> {
    text: Padded<'a>,
    at: usize,
    depth: usize,
}

impl Job for Container<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run(self, vector: impl Vector) -> Self::Output {
        let Container { text, mut at, depth } = self;
        // One bit a bracket that is open, the innermost lowest, set for an object; behind a bit for the bottom.
        let mut open = 1u64;
        'open: loop {
            if open.leading_zeros() as usize <= depth + (64 - MOST_OPEN) {
                return None;
            }
            open = open << 1 | u64::from(text.get(at)? == b'{');
            at = skip(text, at + 1);
            let mut empty = true;
            loop {
                let in_object = open & 1 == 1;
                let closing = if in_object { b'}' } else { b']' };
                if !(empty && text.get(at)? == closing) {
                    if in_object {
                        at = key(vector, text, at)?;
                    }
                    match text.get(at)? {
                        b'"' => at = string(vector, text, at + 1)?,
                        b'{' | b'[' => continue 'open,
                        b'-' | b'0'..=b'9' => at = number(vector, text, at)?.1,
                        _ => at = word(text, at)?.1,
                    }
                    at = skip(text, at);
                }
                empty = false;
                // Behind a value, or at the bracket that closes an empty container.
                loop {
                    match (text.get(at)?, open & 1) {
                        (b',', _) => break,
                        (b'}', 1) | (b']', 0) => open >>= 1,
                        _ => return None,
                    }
                    at += 1;
                    if open == 1 {
                        return Some(at);
                    }
                    at = skip(text, at);
                }
                at = skip(text, at + 1);
            }
        }
    }
}

#[inline(always)]
fn skip(text: Padded<'_>, at: usize) -> usize {
    match text.get(at) {
        Some(byte) if byte > b' ' => at,
        _ => blanks(text.bytes(), at),
    }
}

/// Where the string ends, quote included, that begins at `at`.
#[inline(always)]
fn string(vector: impl Vector, text: Padded<'_>, at: usize) -> Option<usize> {
    let found = vector.quotes(text.window(at)?);
    let end = match ended(found) {
        Some(len) => at + len,
        None => LongString { text, at, found }.run(vector)?.0,
    };
    Some(end + 1)
}

/// Where the value begins whose key stands at `at`.
#[inline(always)]
fn key(vector: impl Vector, text: Padded<'_>, at: usize) -> Option<usize> {
    if text.get(at)? != b'"' {
        return None;
    }
    let colon = skip(text, string(vector, text, at + 1)?);
    (text.get(colon)? == b':').then(|| skip(text, colon + 1))
}
