//! UTF-8, UTF-16 and Latin-1 in, UTF-8 out.

use std::str::FromStr;

use encoding_rs::{DecoderResult, UTF_16BE, UTF_16LE};

use crate::error::{Error, ErrorKind, Result};

use super::decompress::{Compression, Decompress, recognise};

/// How an input's text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Encoding {
    /// By the byte-order mark; without one, UTF-16 if the first bytes have its pattern of NULs; else UTF-8.
    #[default]
    Auto,
    /// UTF-8. Bytes that are not valid pass through as they are: the records that hold them are quarantined.
    Utf8,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// ISO 8859-1: each byte is the character of that number. This is not Windows-1252, which the web calls by the
    /// same name: bytes 0x80 to 0x9F become control characters, so that every byte can be told from the result.
    Latin1,
}

impl Encoding {
    /// `auto`, `utf-8`, `utf-16le`, `utf-16be` or `latin1`.
    pub fn as_str(self) -> &'static str {
        match self {
            Encoding::Auto => "auto",
            Encoding::Utf8 => "utf-8",
            Encoding::Utf16Le => "utf-16le",
            Encoding::Utf16Be => "utf-16be",
            Encoding::Latin1 => "latin1",
        }
    }
}

impl FromStr for Encoding {
    type Err = Error;

    /// Reads the names [`as_str`](Encoding::as_str) gives, in any case, and `utf8`, `iso-8859-1`.
    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Encoding::Auto),
            "utf-8" | "utf8" => Ok(Encoding::Utf8),
            "utf-16le" | "utf16le" => Ok(Encoding::Utf16Le),
            "utf-16be" | "utf16be" => Ok(Encoding::Utf16Be),
            "latin1" | "latin-1" | "iso-8859-1" => Ok(Encoding::Latin1),
            _ => Err(Error::config(format!("`{text}` is not an encoding"))
                .with_hint("one of auto, utf-8, utf-16le, utf-16be, latin1")),
        }
    }
}

/// How much of the input decides the encoding.
const HEAD: usize = 1024;
/// How much is converted at a time, and the most that can become of it.
const RAW: usize = 64 << 10;
const OUT: usize = 2 * RAW;

/// The decoded bytes of an input, without a byte-order mark.
pub(crate) struct Decode {
    inner: Decompress,
    encoding: Encoding,
    form: Form,
    /// Decompressed and not yet decoded.
    raw: Vec<u8>,
    at: usize,
    raw_ended: bool,
    /// Decompressed bytes that stand before `raw[at]`.
    decoded: u64,
    /// Length of the byte-order mark.
    mark: u64,
}

enum Form {
    Utf8,
    Utf16(Box<encoding_rs::Decoder>, Converted),
    Latin1(Converted),
}

/// Converted bytes on their way out.
#[derive(Default)]
struct Converted {
    bytes: Vec<u8>,
    at: usize,
    len: usize,
    ended: bool,
}

impl Decode {
    /// Settles the encoding from what was asked for and what the first bytes show.
    pub(crate) fn new(mut inner: Decompress, asked: Encoding) -> Result<Self> {
        let mut raw = vec![0; HEAD];
        let mut len = 0;
        while len < HEAD {
            match inner.read(&mut raw[len..])? {
                0 => break,
                n => len += n,
            }
        }
        raw.truncate(len);
        if inner.compression() != Compression::None && recognise(&raw) != Compression::None {
            let warning = "holds a compressed stream inside a compressed stream; the inner one was not opened";
            inner.warnings().push(warning.into());
        }
        let (encoding, mark) = settle(&raw, asked)?;
        if asked == Encoding::Auto && encoding != Encoding::Utf8 && mark == 0 {
            inner.warnings().push(format!("read as {} without a byte-order mark", encoding.as_str()));
        }
        let form = match encoding {
            Encoding::Utf16Le => {
                Form::Utf16(Box::new(UTF_16LE.new_decoder_without_bom_handling()), Converted::default())
            }
            Encoding::Utf16Be => {
                Form::Utf16(Box::new(UTF_16BE.new_decoder_without_bom_handling()), Converted::default())
            }
            Encoding::Latin1 => Form::Latin1(Converted::default()),
            Encoding::Utf8 | Encoding::Auto => Form::Utf8,
        };
        Ok(Decode { inner, encoding, form, raw, at: mark, raw_ended: false, decoded: mark as u64, mark: mark as u64 })
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub(crate) fn inner(&mut self) -> &mut Decompress {
        &mut self.inner
    }

    /// Whether decoded offsets are stored offsets, but for the byte-order mark, and can be jumped to.
    pub(crate) fn can_seek(&mut self) -> bool {
        matches!(self.form, Form::Utf8)
            && self.inner.compression() == Compression::None
            && self.inner.stored().can_seek()
    }

    /// Goes on at a decoded byte; only where [`can_seek`](Decode::can_seek) says so.
    pub(crate) fn seek_to(&mut self, offset: u64) -> Result<()> {
        self.raw.clear();
        self.at = 0;
        self.inner.stored().seek_to(offset + self.mark)
    }

    /// Reads decoded bytes; 0 is the end.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if matches!(self.form, Form::Utf8) {
            if self.at == self.raw.len() {
                return self.inner.read(into);
            }
            let n = into.len().min(self.raw.len() - self.at);
            into[..n].copy_from_slice(&self.raw[self.at..self.at + n]);
            self.at += n;
            return Ok(n);
        }
        loop {
            if let Form::Utf16(_, converted) | Form::Latin1(converted) = &mut self.form {
                let n = into.len().min(converted.len - converted.at);
                if n > 0 || into.is_empty() || converted.ended {
                    into[..n].copy_from_slice(&converted.bytes[converted.at..converted.at + n]);
                    converted.at += n;
                    return Ok(n);
                }
            }
            self.convert()?;
        }
    }

    /// Converts a stretch of raw bytes.
    fn convert(&mut self) -> Result<()> {
        if self.at == self.raw.len() && !self.raw_ended {
            self.raw.resize(RAW, 0);
            self.at = 0;
            let read = self.inner.read(&mut self.raw);
            self.raw.truncate(*read.as_ref().unwrap_or(&0));
            self.raw_ended = read? == 0;
        }
        let raw = &self.raw[self.at..];
        let read = match &mut self.form {
            Form::Utf8 => return Ok(()),
            Form::Latin1(converted) => {
                converted.begin();
                converted.len = encoding_rs::mem::convert_latin1_to_utf8(raw, &mut converted.bytes);
                converted.ended = self.raw_ended;
                raw.len()
            }
            Form::Utf16(decoder, converted) => {
                converted.begin();
                let (result, read, written) =
                    decoder.decode_to_utf8_without_replacement(raw, &mut converted.bytes, self.raw_ended);
                if let DecoderResult::Malformed(bad, after) = result {
                    converted.ended = true;
                    let at = (self.decoded + read as u64).saturating_sub(u64::from(bad) + u64::from(after));
                    return Err(malformed(self.encoding, at));
                }
                converted.len = written;
                converted.ended = self.raw_ended && result == DecoderResult::InputEmpty;
                read
            }
        };
        self.at += read;
        self.decoded += read as u64;
        Ok(())
    }
}

impl Converted {
    fn begin(&mut self) {
        self.bytes.resize(OUT, 0);
        (self.at, self.len) = (0, 0);
    }
}

fn malformed(encoding: Encoding, at: u64) -> Error {
    let text = format!("malformed {} at decompressed byte {at}: half a character", encoding.as_str());
    Error::new(ErrorKind::Corrupt, text)
        .with_hint("if the text is in another encoding, name it with `Source::encoding`")
}

/// The encoding of a text that begins with `head`, and the length of its byte-order mark.
fn settle(head: &[u8], asked: Encoding) -> Result<(Encoding, usize)> {
    if head.starts_with(&[0xff, 0xfe, 0, 0]) || head.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(Error::new(ErrorKind::Unsupported, "the byte-order mark says UTF-32, which is not read")
            .with_hint("convert it to UTF-8 first"));
    }
    let marked = match head {
        [0xef, 0xbb, 0xbf, ..] => Some((Encoding::Utf8, 3)),
        [0xff, 0xfe, ..] => Some((Encoding::Utf16Le, 2)),
        [0xfe, 0xff, ..] => Some((Encoding::Utf16Be, 2)),
        _ => None,
    };
    match (asked, marked) {
        (Encoding::Auto, Some(marked)) => Ok(marked),
        (Encoding::Auto, None) => Ok((guess(head), 0)),
        (asked, Some((marked, len))) if asked == marked => Ok((asked, len)),
        // 0xFF 0xFE is a word in Latin-1 (`ÿþ`) as little as it is UTF-8.
        (asked, Some((marked, _))) => Err(Error::config(format!(
            "asked to read {}, but the byte-order mark says {}",
            asked.as_str(),
            marked.as_str()
        ))
        .with_hint("leave the encoding out to follow the byte-order mark")),
        (asked, None) => Ok((asked, 0)),
    }
}

/// UTF-16 without a mark has NULs in every other place and nowhere else, because JSON and CSV are full of ASCII.
fn guess(head: &[u8]) -> Encoding {
    let units = head.len() / 2;
    let nuls = |odd: usize| head[..units * 2].iter().skip(odd).step_by(2).filter(|&&byte| byte == 0).count();
    // A stray NUL or two, or a run of them, in a text of bytes must not count.
    let pattern = |here: usize, there: usize| there == 0 && here * 10 >= units && (here >= 4 || here * 2 > units);
    let (even, odd) = (nuls(0), nuls(1));
    if pattern(odd, even) {
        Encoding::Utf16Le
    } else if pattern(even, odd) {
        Encoding::Utf16Be
    } else {
        Encoding::Utf8
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::stored::{Shared, Stored};
    use super::*;

    fn open(stored: &[u8], asked: Encoding) -> Result<Decode> {
        let stored = Stored::new(Box::new(Shared::new(Arc::new(stored.to_vec()))), false, Arc::default());
        Decode::new(Decompress::new(stored)?, asked)
    }

    fn decode(stored: &[u8], asked: Encoding) -> Result<Vec<u8>> {
        let mut decode = open(stored, asked)?;
        let (mut all, mut part) = (Vec::new(), [0; 777]);
        loop {
            match decode.read(&mut part)? {
                0 => return Ok(all),
                n => all.extend_from_slice(&part[..n]),
            }
        }
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf16_is_read_with_and_without_a_mark_in_both_orders() {
        let text: String = (0..30_000).map(|i| format!("{{\"n\":{i},\"é\":\"日本𝄞\"}}\n")).collect();
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(decode(&utf16(&text, bytes), Encoding::Auto).unwrap(), text.as_bytes());
            let marked = utf16(&format!("\u{feff}{text}"), bytes);
            assert_eq!(decode(&marked, Encoding::Auto).unwrap(), text.as_bytes());
        }
        assert_eq!(decode(&utf16("日本", u16::to_le_bytes), Encoding::Utf16Le).unwrap(), "日本".as_bytes());
        assert_eq!(decode(&utf16("a,b\n", u16::to_be_bytes), Encoding::Auto).unwrap(), b"a,b\n");
    }

    #[test]
    fn malformed_utf16_is_an_error_that_names_the_byte() {
        let text = "a".repeat(50_000);
        let mut odd = utf16(&format!("\u{feff}{text}"), u16::to_le_bytes);
        odd.push(b'x');
        let error = decode(&odd, Encoding::Auto).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.message(), "malformed utf-16le at decompressed byte 100002: half a character");
        for (lone, at) in [([0x00, 0xd8], 100_002), ([0x00, 0xdc], 100_002)] {
            let mut stored = utf16(&format!("\u{feff}{text}"), u16::to_le_bytes);
            stored.extend(lone);
            stored.extend(utf16("b\n", u16::to_le_bytes));
            let error = decode(&stored, Encoding::Auto).unwrap_err();
            assert_eq!(error.message(), format!("malformed utf-16le at decompressed byte {at}: half a character"));
        }
    }

    #[test]
    fn a_utf8_mark_is_dropped_and_bad_utf8_passes_untouched() {
        assert_eq!(decode(b"\xef\xbb\xbfa,b\n", Encoding::Auto).unwrap(), b"a,b\n");
        assert_eq!(decode(b"\xef\xbb\xbfa,b\n", Encoding::Utf8).unwrap(), b"a,b\n");
        assert_eq!(decode(b"a\xff\xc0\n", Encoding::Auto).unwrap(), b"a\xff\xc0\n");
        assert_eq!(decode(b"", Encoding::Auto).unwrap(), b"");
        assert_eq!(decode(b"\xef\xbb", Encoding::Auto).unwrap(), b"\xef\xbb");
    }

    #[test]
    fn latin1_keeps_every_byte_as_the_character_of_its_number() {
        let all: Vec<u8> = (1..=255u8).cycle().take(200_000).collect();
        let text = String::from_utf8(decode(&all, Encoding::Latin1).unwrap()).unwrap();
        assert!(text.chars().map(u32::from).eq(all.iter().map(|&byte| u32::from(byte))));
    }

    #[test]
    fn stray_nuls_do_not_make_a_text_utf16() {
        for text in [&b"a,b\n1,x\0y\n"[..], b"\0", b"a\0", b"\0\0\0\0\0\0\0\0\0\0", b"{\"a\":\"\0\0\0\0\0\0\0\0\"}\n"] {
            let asked = decode(text, Encoding::Auto);
            if text == b"a\0" {
                assert_eq!(asked.unwrap(), b"a"); // two bytes, and half of them say so
            } else {
                assert_eq!(asked.unwrap(), text);
            }
        }
    }

    #[test]
    fn a_mark_that_contradicts_what_was_asked_is_an_error() {
        let error = decode(b"\xff\xfea\0", Encoding::Utf16Be).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.message(), "asked to read utf-16be, but the byte-order mark says utf-16le");
        assert_eq!(decode(b"\xff\xfe\0\0a\0\0\0", Encoding::Auto).unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!("UTF8".parse::<Encoding>().unwrap(), Encoding::Utf8);
        assert_eq!("ebcdic".parse::<Encoding>().unwrap_err().kind(), ErrorKind::Config);
    }
}
