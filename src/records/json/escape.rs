//! Escapes in JSON strings.

use crate::records::record::Fault;
use crate::simd::{Job, Vector, dispatch, extend_to_escape};

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

/// How many bytes [`unescape`] gives.
pub(crate) fn unescaped_len(text: &[u8]) -> usize {
    let (mut len, mut rest) = (text.len(), text);
    while let Some(at) = memchr::memchr(b'\\', rest) {
        rest = &rest[at..];
        let (plain, escape) = match rest.get(1) {
            Some(b'u') => {
                let (character, escape) = unicode(rest).unwrap_or((char::REPLACEMENT_CHARACTER, 2));
                (character.len_utf8(), escape)
            }
            Some(_) => (1, 2),
            None => (1, 1),
        };
        len = len + plain - escape;
        rest = &rest[escape..];
    }
    len
}

#[cfg(test)]
mod tests {
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
            }
            assert_eq!(unescaped_len(escaped.as_bytes()), plain.len());
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
