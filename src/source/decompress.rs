//! Gzip and zstd, recognised by content; a name says nothing about what a file holds.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use crate::error::{Error, ErrorKind, Result};

use super::stored::Stored;

/// How an input is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// As it is.
    None,
    /// Gzip, in any number of members.
    Gzip,
    /// Zstandard, in any number of frames.
    Zstd,
}

impl Compression {
    /// `none`, `gzip` or `zstd`.
    pub fn as_str(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What this crate does not open, so that it is refused by name rather than quarantined line by line.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a zip archive"),
    (b"\xfd7zXZ\x00", "an xz stream"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x04\x22\x4d\x18", "an lz4 stream"),
    (b"PAR1\x15", "a Parquet file"),
    (b"Obj\x01", "an Avro file"),
];

/// Tells how bytes that begin with `head` are compressed.
pub(crate) fn recognise(head: &[u8]) -> Compression {
    // A zstd file may begin with a frame to be skipped: 0x184D2A5? in little endian.
    let skippable = head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == [0x2a, 0x4d, 0x18];
    if head.starts_with(&GZIP) {
        Compression::Gzip
    } else if head.starts_with(&ZSTD) || skippable {
        Compression::Zstd
    } else {
        Compression::None
    }
}

fn foreign(head: &[u8]) -> Option<&'static str> {
    let bzip2 = head.len() >= 10 && head.starts_with(b"BZh") && head[4..10] == *b"1AY&SY";
    if bzip2 {
        return Some("a bzip2 stream");
    }
    FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

/// The decompressed bytes of an input. Memory does not depend on how far they expand.
pub(crate) struct Decompress {
    codec: Codec,
    compression: Compression,
    warnings: Vec<String>,
}

enum Codec {
    Plain(Box<Stored>),
    Gzip(Box<GzDecoder<Stored>>),
    Zstd(Box<zstd::Decoder<'static, Stored>>),
    /// Behind the last gzip member.
    Ended(Box<Stored>),
    /// While a gzip member gives way to the next.
    Between,
}

impl Decompress {
    /// Looks at the first bytes and takes the decompressor they call for.
    pub(crate) fn new(mut stored: Stored) -> Result<Self> {
        let head = stored.peek(10)?;
        if let Some(found) = foreign(head) {
            return Err(Error::new(ErrorKind::Unsupported, format!("this is {found}, which is not read"))
                .with_hint("unpack or convert it to JSON or CSV first; gzip and zstd are read as they are"));
        }
        let compression = recognise(head);
        let codec = match compression {
            Compression::None => Codec::Plain(Box::new(stored)),
            Compression::Gzip => Codec::Gzip(Box::new(GzDecoder::new(stored))),
            Compression::Zstd => Codec::Zstd(Box::new(
                zstd::Decoder::with_buffer(stored).map_err(|error| Error::io("cannot start zstd", error))?,
            )),
        };
        Ok(Decompress { codec, compression, warnings: Vec::new() })
    }

    pub(crate) fn compression(&self) -> Compression {
        self.compression
    }

    pub(crate) fn stored(&mut self) -> &mut Stored {
        match &mut self.codec {
            Codec::Plain(stored) | Codec::Ended(stored) => stored,
            Codec::Gzip(decoder) => decoder.get_mut(),
            Codec::Zstd(decoder) => decoder.get_mut(),
            Codec::Between => unreachable!("`next_member` always leaves a codec behind"),
        }
    }

    pub(crate) fn warnings(&mut self) -> &mut Vec<String> {
        &mut self.warnings
    }

    /// Reads decompressed bytes; 0 is the end, and only the end of a whole and undamaged stream.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let read = match &mut self.codec {
                Codec::Plain(stored) => return stored.pull(into),
                Codec::Gzip(decoder) => decoder.read(into),
                Codec::Zstd(decoder) => decoder.read(into),
                Codec::Ended(_) | Codec::Between => return Ok(0),
            };
            match read {
                Ok(0) if self.compression == Compression::Gzip => self.next_member()?,
                Ok(n) => return Ok(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fault(error)),
            }
        }
    }

    /// A gzip member has ended, its checksum is right. What follows is another one, padding, or something else.
    fn next_member(&mut self) -> Result<()> {
        let Codec::Gzip(decoder) = std::mem::replace(&mut self.codec, Codec::Between) else { return Ok(()) };
        let mut stored = Box::new(decoder.into_inner());
        let next = after_member(&mut stored);
        self.codec = match next {
            Ok(After::Member) => Codec::Gzip(Box::new(GzDecoder::new(*stored))),
            _ => Codec::Ended(stored),
        };
        if let After::Other(bytes) = next? {
            self.warnings.push(format!("{bytes} bytes behind the end of the gzip stream were left unread"));
        }
        Ok(())
    }

    /// Says what a decompressor's complaint means. A crate error inside it came from reading and stays as it was.
    fn fault(&mut self, error: io::Error) -> Error {
        let error = match error.downcast::<Error>() {
            Ok(error) => return error,
            Err(error) => error,
        };
        let at = self.stored().position();
        let name = self.compression.as_str();
        if error.kind() == io::ErrorKind::UnexpectedEof {
            cut_off(name, at).with_cause(error)
        } else if error.to_string().contains("too much memory") {
            Error::new(ErrorKind::Unsupported, "this zstd stream needs a window of more than 128 MiB")
                .with_hint("compress it again without `--long`")
                .with_cause(error)
        } else {
            Error::new(ErrorKind::Corrupt, format!("the {name} stream is damaged before stored byte {at}"))
                .with_hint("fetch or write the file again; nothing behind the damage can be trusted")
                .with_cause(error)
        }
    }
}

fn cut_off(name: &str, at: u64) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the {name} stream is cut off at stored byte {at}"))
        .with_hint("the file was not written or copied to its end; fetch it again")
}

enum After {
    Nothing,
    Member,
    /// That many bytes of something else.
    Other(u64),
}

fn after_member(stored: &mut Stored) -> Result<After> {
    loop {
        let rest = stored.peek(2)?;
        // Zero padding is what tapes and block devices leave behind; a member may still follow it.
        let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
        if zeros > 0 {
            stored.consume(zeros);
            continue;
        }
        return Ok(match rest {
            [] => After::Nothing,
            rest if rest.starts_with(&GZIP) => After::Member,
            // The first byte of a header and nothing behind it: the next member is missing, not garbage.
            [first] if *first == GZIP[0] => return Err(cut_off("gzip", stored.position() + 1)),
            _ => After::Other(stored.drain()?),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::super::stored::Shared;
    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd_frame(data: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn read_all(stored: &[u8]) -> Result<(Vec<u8>, Vec<String>)> {
        let stored = Stored::new(Box::new(Shared::new(Arc::new(stored.to_vec()))), false, Arc::default());
        let mut decompress = Decompress::new(stored)?;
        let (mut all, mut part) = (Vec::new(), [0; 1000]);
        loop {
            match decompress.read(&mut part)? {
                0 => return Ok((all, decompress.warnings)),
                n => all.extend_from_slice(&part[..n]),
            }
        }
    }

    fn sample() -> Vec<u8> {
        (0..20_000u32)
            .flat_map(|i| format!("{{\"id\":{i},\"v\":{}}}\n", i.wrapping_mul(2_654_435_761)).into_bytes())
            .collect()
    }

    #[test]
    fn all_members_are_read_and_padding_is_silent() {
        let mut stored = gzip(b"one\n");
        stored.extend(gzip(b""));
        stored.extend([0; 700]);
        stored.extend(gzip(b"two\n"));
        stored.extend([0; 3]);
        assert_eq!(read_all(&stored).unwrap(), (b"one\ntwo\n".to_vec(), vec![]));
    }

    #[test]
    fn bytes_behind_the_last_member_are_a_warning() {
        let mut stored = gzip(b"one\n");
        stored.extend(b"garbage");
        let (data, warnings) = read_all(&stored).unwrap();
        assert_eq!(data, b"one\n");
        assert_eq!(warnings, ["7 bytes behind the end of the gzip stream were left unread"]);
    }

    #[test]
    fn a_cut_gzip_is_an_error_not_an_end() {
        let whole = gzip(&sample());
        for len in [3, 9, 11, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
            let error = read_all(&whole[..len]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "cut at {len}: {error}");
            assert_eq!(error.message(), format!("the gzip stream is cut off at stored byte {len}"));
        }
        let mut second = whole.clone();
        second.extend(&gzip(b"two")[..1]);
        assert_eq!(read_all(&second).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_flipped_bit_anywhere_in_a_gzip_body_is_an_error() {
        let whole = gzip(&sample());
        for at in (10..whole.len()).step_by(whole.len() / 97) {
            let mut bad = whole.clone();
            bad[at] ^= 0x10;
            assert_eq!(read_all(&bad).unwrap_err().kind(), ErrorKind::Corrupt, "flip at {at}");
        }
    }

    #[test]
    fn zstd_frames_and_skippable_frames_are_read_and_damage_is_an_error() {
        let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let data = sample();
        let whole = [skippable.clone(), zstd_frame(&data), skippable, zstd_frame(b"end\n")].concat();
        assert_eq!(read_all(&whole).unwrap().0, [&data[..], b"end\n"].concat());
        for len in [9, 14, whole.len() / 2, whole.len() - 1] {
            let error = read_all(&whole[..len]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "cut at {len}: {error}");
        }
        let mut bad = whole.clone();
        bad[whole.len() / 2] ^= 0x10;
        assert_eq!(read_all(&bad).unwrap_err().kind(), ErrorKind::Corrupt);
        let garbage = [&whole[..], b"garbage"].concat();
        assert_eq!(read_all(&garbage).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_gzip_inside_a_gzip_is_not_opened() {
        let inner = gzip(b"{\"a\":1}\n");
        assert_eq!(read_all(&gzip(&inner)).unwrap().0, inner);
    }

    #[test]
    fn foreign_formats_are_refused_by_name() {
        let error = read_all(b"PK\x03\x04and so on").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.to_string(), "this is a zip archive, which is not read");
        assert_eq!(read_all(b"PAR1,PAR2\n1,2\n").unwrap().0, b"PAR1,PAR2\n1,2\n");
    }
}
