//! Escapes in JSON strings.

use crate::records::record::Fault;
use crate::simd::{Job, Vector, WINDOW, dispatch, extend_to_escape};

/// Checks the escapes of a string's bytes (between its quotes): known letters, four hexadecimal digits, whole
/// surrogate pairs, no NUL.
pub(crate) fn check(text: &[u8]) -> Result<(), Fault> {
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &text[at..]) {
        at += found;
        at += one(&text[at..])?;
    }
    Ok(())
}

/// How many bytes the escape at the front of `text` takes, if it is one.
#[inline]
pub(crate) fn len(text: &[u8]) -> Option<usize> {
    one(text).ok()
}

#[inline]
fn one(text: &[u8]) -> Result<usize, Fault> {
    match text.get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') => unicode(text).map(|(_, len)| len),
        _ => Err(Fault::Malformed("an unknown escape in a string")),
    }
}

/// The character that the `\u` escape (or pair of them) at the front of `text` stands for, and its bytes.
fn unicode(text: &[u8]) -> Result<(char, usize), Fault> {
    let first = unit(text).ok_or(Fault::Malformed("a \\u escape without four hexadecimal digits"))?;
    match first {
        0 => Err(Fault::Nul),
        0xD800..=0xDBFF => {
            let low = unit(&text[6..]).filter(|low| (0xDC00..=0xDFFF).contains(low)).ok_or(Fault::LoneSurrogate)?;
            let code = 0x10000 + ((u32::from(first) - 0xD800) << 10) + (u32::from(low) - 0xDC00);
            Ok((char::from_u32(code).ok_or(Fault::LoneSurrogate)?, 12))
        }
        _ => Ok((char::from_u32(u32::from(first)).ok_or(Fault::LoneSurrogate)?, 6)),
    }
}

fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0u16, |sum, digit| Some(sum << 4 | (*digit as char).to_digit(16)? as u16))
}

/// The string that checked bytes stand for.
pub(crate) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    unescape_part(text, 0, text.len(), &mut out);
    out
}

/// Appends the string that checked bytes, `source[from..to]`, stand for; faster if there is more behind them.
pub(crate) fn unescape_part(source: &[u8], from: usize, to: usize, out: &mut Vec<u8>) {
    dispatch(Unescape { source, from, to, out });
}

struct Unescape<'a> {
    source: &'a [u8],
    from: usize,
    to: usize,
    out: &'a mut Vec<u8>,
}

impl Job for Unescape<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, vector: impl Vector) {
        let Unescape { source, from, to, out } = self;
        let mut at = from;
        loop {
            at = extend_to_escape(vector, out, source, at, to);
            if at == to {
                return;
            }
            at += character(&source[at..to], out);
        }
    }
}

/// Appends the character at the front of `text`, which may be an escape; returns how many bytes it takes there.
#[inline(always)]
fn character(text: &[u8], out: &mut Vec<u8>) -> usize {
    let (plain, len) = match text {
        [b'\\', b'u', ..] => return coded(text, out),
        [b'\\', letter, ..] => (meant(*letter), 2),
        [other, ..] => (*other, 1),
        [] => return 0,
    };
    out.push(plain);
    len
}

/// What the escape of a letter stands for.
#[inline]
fn meant(letter: u8) -> u8 {
    match letter {
        b'b' => b'\x08',
        b'f' => b'\x0c',
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => other,
    }
}

/// Appends the character that the `\u` escape at the front of `text` stands for; returns how many bytes it takes.
#[inline(never)]
fn coded(text: &[u8], out: &mut Vec<u8>) -> usize {
    let (character, len) = unicode(text).unwrap_or((char::REPLACEMENT_CHARACTER, 2));
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    len
}

/// How many bytes [`unescape`] gives for `source[from..to]`; faster if there is more behind them.
pub(crate) fn unescaped_len(source: &[u8], from: usize, to: usize) -> usize {
    dispatch(Length { source, from, to })
}

struct Length<'a> {
    source: &'a [u8],
    from: usize,
    to: usize,
}

impl Job for Length<'_> {
    type Output = usize;

    #[inline(always)]
    fn run(self, vector: impl Vector) -> usize {
        let Length { source, from: mut at, to } = self;
        let mut len = 0;
        while at < to {
            let text = &source[at..to];
            let (mut stretch, mut short) = (1, 0);
            if let Some(window) = source[at..].first_chunk::<WINDOW>() {
                // As far as all escapes are of two bytes: those that begin there count as one byte less each.
                let starts = starts(vector.equal(window, b'\\'));
                let others = starts & (vector.equal(window, b'u') >> 1 | 1 << (WINDOW - 1));
                stretch = (others.trailing_zeros() as usize).min(text.len());
                let within = if stretch < WINDOW { (1 << stretch) - 1 } else { u64::MAX };
                short = (starts & within).count_ones() as usize;
            } else if text[0] == b'\\' {
                stretch = 0;
            }
            len += stretch - short;
            at += stretch;
            if stretch == 0 {
                let (one, behind) = length_of_one(text);
                len += one;
                at += behind;
            }
        }
        len
    }
}

/// How many bytes the escape at the front of `text` stands for, and how many it takes.
#[inline]
fn length_of_one(text: &[u8]) -> (usize, usize) {
    match text {
        [_, b'u', ..] => {
            let (character, taken) = unicode(text).unwrap_or((char::REPLACEMENT_CHARACTER, 2));
            (character.len_utf8(), taken)
        }
        _ => (1, text.len().min(2)),
    }
}

/// Which backslashes begin an escape, if none begins before: every other one of each run.
#[inline(always)]
fn starts(backslashes: u64) -> u64 {
    const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
    // Taking a run from the odd places borrows its way to the run's end, which tells on which side of the pairs it began.
    ((backslashes << 1 | ODD).wrapping_sub(backslashes) ^ ODD) & backslashes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_stand_for_what_json_says() {
        let cases = [
            (r"a\tb\nc\\d\/e\u0022", "a\tb\nc\\d/e\""),
            (r"\u00e9\ud83d\ude00", "é😀"),
            (r"\b\f\r\q", "\x08\x0c\rq"),
            ("\n\\n", "\n\n"),
        ];
        for (escaped, plain) in cases {
            assert_eq!(unescape(escaped.as_bytes()), plain.as_bytes());
            // In the middle of much text, and at its end.
            for pad in 0..70 {
                let source = format!("{}{escaped}{}", "\\".repeat(pad), "n\\".repeat(pad));
                let mut out = b"before".to_vec();
                unescape_part(source.as_bytes(), pad, pad + escaped.len(), &mut out);
                assert_eq!(out, [b"before", plain.as_bytes()].concat());
                assert_eq!(unescaped_len(source.as_bytes(), pad, pad + escaped.len()), plain.len());
            }
            assert_eq!(unescaped_len(escaped.as_bytes(), 0, escaped.len()), plain.len());
        }
    }

    proptest! {
        #[test]
        fn lengths_are_those_of_the_strings(
            text in "([a-zé]{0,70}|(\\\\[\\\\\"nt/]){1,40}|\\\\u00e9|\\\\ud83d\\\\ude80){0,12}", behind in ".{0,80}"
        ) {
            let (source, to) = ([text.as_bytes(), behind.as_bytes()].concat(), text.len());
            let mut from = 0;
            while from < to {
                prop_assert_eq!(unescaped_len(&source, from, to), unescape(&source[from..to]).len());
                // The next place that is not within an escape.
                from += if source[from] == b'\\' { length_of_one(&source[from..to]).1 } else { 1 };
            }
        }

        #[test]
        fn every_other_backslash_of_a_run_begins_an_escape(some: u64, more: u64) {
            for backslashes in [some, some | more, u64::MAX] {
                let (mut expected, mut at) = (0, 0);
                while at < u64::BITS {
                    let begins = backslashes >> at & 1;
                    expected |= begins << at;
                    at += 1 + begins as u32;
                }
                prop_assert_eq!(starts(backslashes), expected);
            }
        }
    }

    #[test]
    fn broken_escapes_are_named() {
        assert_eq!(check(br"\ud83d\ude00 \u20AC"), Ok(()));
        assert_eq!(check(br"\u0000"), Err(Fault::Nul));
        assert_eq!(check(br"\ud800"), Err(Fault::LoneSurrogate));
        assert_eq!(check(br"\udc00\ud800"), Err(Fault::LoneSurrogate));
        for text in [&br"\x41"[..], br"\u12", br"\u12G4", b"\\"] {
            assert!(matches!(check(text), Err(Fault::Malformed(_))));
        }
    }
}
