//! One input while it is read.

use std::io::{self, Read};

use crate::error::{Error, ErrorKind, Location, Result};

use super::decompress::{Compression, Decompress};
use super::encoding::{Decode, Encoding};
use super::stored::Stored;

/// An open input: decompressed, decoded UTF-8 bytes without a byte-order mark.
///
/// Made by [`Source::open`](crate::source::Source::open). It is a [`Read`]; errors that come through `Read` hold a
/// [`crate::Error`] inside the [`io::Error`], and [`Input::read_some`] gives it directly. The end of the bytes is
/// reported only when the stored stream was whole: a cut or damaged one ends in an error, each time it is asked.
/// Bytes that are not valid UTF-8 in a UTF-8 input are passed on as they are.
pub struct Input {
    name: String,
    decode: Decode,
    /// Stored bytes in all, if known beforehand.
    size: Option<u64>,
    /// Decoded and not yet read, from `head_at` on.
    head: Vec<u8>,
    head_at: usize,
    /// Decoded bytes so far, read or not.
    decoded: u64,
    /// An error that is to be reported behind `head`.
    pending: Option<Error>,
    /// The error that was reported.
    failed: Option<(ErrorKind, String)>,
}

/// What is known of an input once it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputEnd {
    /// How many stored (compressed) bytes were read; all of them if the input was opened with a hash.
    pub stored_bytes: u64,
    /// The BLAKE3 hash of all stored bytes, if the input was opened with one.
    pub content_hash: Option<[u8; 32]>,
    /// What was odd and did no harm, one line each: bytes behind the end of a gzip stream, a file that grew.
    pub warnings: Vec<String>,
}

impl Input {
    pub(crate) fn new(name: String, stored: Stored, encoding: Encoding, size: Option<u64>) -> Result<Self> {
        let decode = Decompress::new(stored).and_then(|decompress| Decode::new(decompress, encoding));
        let decode = decode.map_err(|error| error.in_source(name.as_str()))?;
        Ok(Input { name, decode, size, head: Vec::new(), head_at: 0, decoded: 0, pending: None, failed: None })
    }

    /// The input's name: its path as given, `<stdin>`, `<bytes>` or `<reader>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is compressed, as its content says.
    pub fn compression(&mut self) -> Compression {
        self.decode.inner().compression()
    }

    /// How it is encoded; never [`Encoding::Auto`].
    pub fn encoding(&self) -> Encoding {
        self.decode.encoding()
    }

    /// Shows the first `n` bytes that have not been read, fewer only where the input ends or fails before, and
    /// leaves them to be read.
    ///
    /// # Errors
    ///
    /// Only when there is nothing to show: an error behind some bytes is kept until they have been read.
    pub fn peek(&mut self, n: usize) -> Result<&[u8]> {
        if self.head.len() - self.head_at < n && self.pending.is_none() && self.failed.is_none() {
            self.head.drain(..self.head_at);
            self.head_at = 0;
            let held = self.head.len();
            let mut len = held;
            self.head.resize(n, 0);
            while len < n {
                match self.decode.read(&mut self.head[len..]) {
                    Ok(0) => break,
                    Ok(read) => len += read,
                    Err(error) => {
                        self.pending = Some(error);
                        break;
                    }
                }
            }
            self.decoded += (len - held) as u64;
            self.head.truncate(len);
        }
        let shown = n.min(self.head.len() - self.head_at);
        if shown == 0 && n > 0 {
            self.unless_failed()?;
            self.unless_pending()?;
        }
        Ok(&self.head[self.head_at..self.head_at + shown])
    }

    /// Reads some bytes into `into`; 0 at the end.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](crate::ErrorKind::Corrupt) for a cut or damaged gzip, zstd or UTF-16 stream, and
    /// [`Io`](crate::ErrorKind::Io); with the input's name and the offset among the decoded bytes.
    pub fn read_some(&mut self, into: &mut [u8]) -> Result<usize> {
        self.unless_failed()?;
        if self.head_at < self.head.len() {
            let n = into.len().min(self.head.len() - self.head_at);
            into[..n].copy_from_slice(&self.head[self.head_at..self.head_at + n]);
            self.head_at += n;
            return Ok(n);
        }
        self.unless_pending()?;
        let read = self.decode.read(into).or_else(|error| {
            self.pending = Some(error);
            self.unless_pending().map(|()| 0)
        })?;
        self.decoded += read as u64;
        Ok(read)
    }

    /// Reports the pending error, with its place, and remembers that the input is spoilt.
    fn unless_pending(&mut self) -> Result<()> {
        let Some(error) = self.pending.take() else { return Ok(()) };
        self.failed = Some((error.kind(), error.message().to_owned()));
        let place = Location { source: Some(self.name.clone()), byte: Some(self.decoded), ..Location::default() };
        Err(error.with_location(place))
    }

    /// A reader that asks again after an error must not take the silence for the end.
    fn unless_failed(&self) -> Result<()> {
        match &self.failed {
            Some((kind, message)) => {
                Err(Error::new(*kind, format!("this input failed before: {message}")).in_source(self.name.as_str()))
            }
            None => Ok(()),
        }
    }

    /// Whether [`seek_to`](Input::seek_to) works: an uncompressed UTF-8 file or memory, opened without a hash.
    pub(crate) fn can_seek(&mut self) -> bool {
        self.decode.can_seek()
    }

    /// How many stored bytes there are in all, if that was known when it was opened.
    pub fn size_hint(&self) -> Option<u64> {
        self.size
    }

    /// Goes on at a decoded byte.
    pub(crate) fn seek_to(&mut self, offset: u64) -> Result<()> {
        self.head.clear();
        self.head_at = 0;
        self.decoded = offset;
        self.decode.seek_to(offset).map_err(|error| error.in_source(self.name.as_str()))
    }

    /// Ends the reading. An input that was opened with a hash is read to its last stored byte first, so that the hash
    /// covers all of it, whether or not all of it was asked for.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::ErrorKind::Io) while reading the rest, and the error of an input that has failed before.
    pub fn finish(mut self) -> Result<InputEnd> {
        self.unless_failed()?;
        self.unless_pending()?;
        let name = self.name;
        let decompress = self.decode.inner();
        let mut warnings = std::mem::take(decompress.warnings());
        let stored = decompress.stored();
        if stored.hash().is_some() {
            stored.drain().map_err(|error| error.in_source(name))?;
        }
        warnings.extend(stored.changed());
        Ok(InputEnd { stored_bytes: stored.position(), content_hash: stored.hash(), warnings })
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.read_some(into).map_err(io::Error::other)
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("name", &self.name).field("encoding", &self.encoding()).finish_non_exhaustive()
    }
}
