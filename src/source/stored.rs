//! The bytes as they are stored: buffered, counted and, when asked for, hashed on their way in.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::error::{Error, Result};

/// How much is fetched at a time; about what zstd asks for.
const BUFFER: usize = 128 << 10;

/// Where stored bytes come from. Only some origins can jump or notice that they changed.
pub(crate) trait Raw: Read + Send {
    /// Whether [`seek_to`](Raw::seek_to) works.
    fn can_seek(&self) -> bool {
        false
    }

    /// Goes on reading at `position`.
    fn seek_to(&mut self, _position: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// What differs from the moment of opening, in words, or `None`.
    fn changed(&self) -> Option<String> {
        None
    }
}

/// A pipe, a socket, stdin: forward only.
pub(crate) struct Once(pub(crate) Box<dyn Read + Send>);

impl Read for Once {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Raw for Once {}

/// Bytes in memory, shared with the `Source`.
pub(crate) struct Shared {
    bytes: Arc<Vec<u8>>,
    at: usize,
}

impl Shared {
    pub(crate) fn new(bytes: Arc<Vec<u8>>) -> Self {
        Shared { bytes, at: 0 }
    }
}

impl Read for Shared {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = (&self.bytes[self.at..]).read(into)?;
        self.at += n;
        Ok(n)
    }
}

impl Raw for Shared {
    fn can_seek(&self) -> bool {
        true
    }

    fn seek_to(&mut self, position: u64) -> io::Result<()> {
        self.at = usize::try_from(position).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok(())
    }
}

/// A spooled copy. Several readers share the file, so each keeps its own place.
pub(crate) struct Spooled {
    file: Arc<Mutex<File>>,
    at: u64,
}

impl Spooled {
    pub(crate) fn new(file: Arc<Mutex<File>>) -> Self {
        Spooled { file, at: 0 }
    }
}

impl Read for Spooled {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let n = file.read(into)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Raw for Spooled {
    fn can_seek(&self) -> bool {
        true
    }

    fn seek_to(&mut self, position: u64) -> io::Result<()> {
        self.at = position;
        Ok(())
    }
}

/// A regular file, read up to the length it had when it was opened.
pub(crate) struct Regular {
    file: File,
    len: u64,
    modified: Option<SystemTime>,
    at: u64,
}

impl Regular {
    pub(crate) fn new(file: File, metadata: &Metadata) -> Self {
        Regular { file, len: metadata.len(), modified: metadata.modified().ok(), at: 0 }
    }
}

impl Read for Regular {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Kernel files (`/proc/…`) say they are empty and are not, so 0 is no limit.
        let left = if self.len == 0 { u64::MAX } else { self.len - self.at.min(self.len) };
        let room = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = self.file.read(&mut into[..room])?;
        if n == 0 && room > 0 && self.len > 0 {
            let text = format!("the file shrank while it was read: {} of {} bytes are there", self.at, self.len);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        self.at += n as u64;
        Ok(n)
    }
}

impl Raw for Regular {
    fn can_seek(&self) -> bool {
        self.len > 0
    }

    fn seek_to(&mut self, position: u64) -> io::Result<()> {
        self.at = self.file.seek(SeekFrom::Start(position))?;
        Ok(())
    }

    fn changed(&self) -> Option<String> {
        let now = self.file.metadata().ok()?;
        if now.len() > self.len && self.len > 0 {
            Some(format!("the file grew while it was read: the first {} of {} bytes were used", self.len, now.len()))
        } else if now.len() != self.len || now.modified().ok() != self.modified {
            Some("the file was written to while it was read".into())
        } else {
            None
        }
    }
}

/// Stored bytes behind a buffer.
pub(crate) struct Stored {
    raw: Box<dyn Raw>,
    buffer: Vec<u8>,
    at: usize,
    len: usize,
    /// Bytes fetched from `raw`.
    fetched: u64,
    ended: bool,
    hasher: Option<Box<blake3::Hasher>>,
    progress: Arc<AtomicU64>,
}

impl Stored {
    pub(crate) fn new(raw: Box<dyn Raw>, hashed: bool, progress: Arc<AtomicU64>) -> Self {
        let hasher = hashed.then(Box::default);
        Stored { raw, buffer: vec![0; BUFFER], at: 0, len: 0, fetched: 0, ended: false, hasher, progress }
    }

    /// How many stored bytes have been handed on.
    pub(crate) fn position(&self) -> u64 {
        self.fetched - (self.len - self.at) as u64
    }

    /// Every stored byte passes here, once.
    fn fetch(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.ended || into.is_empty() {
            return Ok(0);
        }
        let n = loop {
            match self.raw.read(into) {
                Ok(n) => break n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("cannot read on", error)),
            }
        };
        self.ended = n == 0;
        self.fetched += n as u64;
        self.progress.fetch_add(n as u64, Ordering::Relaxed);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&into[..n]);
        }
        Ok(n)
    }

    /// Fetches behind what the buffer holds; `false` at the end.
    fn more(&mut self) -> Result<bool> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.copy_within(self.at..self.len, 0);
        self.len -= self.at;
        self.at = 0;
        let fetched = self.fetch(&mut buffer[self.len..]);
        self.buffer = buffer;
        let n = fetched?;
        self.len += n;
        Ok(n > 0)
    }

    /// The next bytes without taking them: at least `n` (less than the buffer), fewer only at the end.
    pub(crate) fn peek(&mut self, n: usize) -> Result<&[u8]> {
        while self.len - self.at < n && self.more()? {}
        Ok(&self.buffer[self.at..self.len])
    }

    /// Takes bytes. A large read with nothing buffered goes past the buffer, which spares a copy.
    pub(crate) fn pull(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.at == self.len && into.len() >= BUFFER / 2 {
            return self.fetch(into);
        }
        if self.at == self.len && !into.is_empty() {
            self.more()?;
        }
        let n = into.len().min(self.len - self.at);
        into[..n].copy_from_slice(&self.buffer[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }

    /// Reads to the end and drops it; returns how many bytes that were.
    pub(crate) fn drain(&mut self) -> Result<u64> {
        let before = self.position();
        loop {
            self.at = self.len;
            if !self.more()? {
                return Ok(self.position() - before);
            }
        }
    }

    pub(crate) fn can_seek(&self) -> bool {
        // A hash of some of the bytes in some order would be worth nothing.
        self.hasher.is_none() && self.raw.can_seek()
    }

    /// Goes on at a stored byte.
    pub(crate) fn seek_to(&mut self, position: u64) -> Result<()> {
        self.raw.seek_to(position).map_err(|error| Error::io(format_args!("cannot jump to byte {position}"), error))?;
        (self.at, self.len, self.ended) = (0, 0, false);
        self.fetched = position;
        Ok(())
    }

    pub(crate) fn changed(&self) -> Option<String> {
        self.raw.changed()
    }

    /// The hash of what was fetched, if one was asked for.
    pub(crate) fn hash(&self) -> Option<[u8; 32]> {
        self.hasher.as_ref().map(|hasher| hasher.finalize().into())
    }
}

/// For the decompressors, which want a `BufRead`. A crate error travels inside the `io::Error`.
impl BufRead for Stored {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1).map_err(io::Error::other)
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
    }
}

impl Read for Stored {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.pull(into).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_covers_every_byte_once_whatever_way_it_was_read() {
        let data: Vec<u8> = (0..400_000u32).map(|i| (i * 7 % 251) as u8).collect();
        let progress = Arc::new(AtomicU64::new(0));
        let mut stored = Stored::new(Box::new(Shared::new(Arc::new(data.clone()))), true, progress.clone());
        assert_eq!(&stored.peek(4).unwrap()[..4], &data[..4]);
        let mut taken = vec![0; 10];
        stored.read_exact(&mut taken).unwrap();
        assert_eq!(stored.position(), 10);
        let mut large = vec![0; 300_000];
        stored.read_exact(&mut large).unwrap();
        taken.extend(large);
        assert_eq!(taken, data[..300_010]);
        assert_eq!(stored.drain().unwrap(), 400_000 - 300_010);
        assert_eq!(stored.position(), 400_000);
        assert_eq!(progress.load(Ordering::Relaxed), 400_000);
        assert_eq!(stored.hash(), Some(blake3::hash(&data).into()));
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_read_is_an_error_and_one_that_grows_ends_where_it_ended() {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), b"0123456789").unwrap();
        let open = || {
            let file = File::open(path.path()).unwrap();
            let metadata = file.metadata().unwrap();
            Regular::new(file, &metadata)
        };
        let mut grows = open();
        std::fs::write(path.path(), b"0123456789abc").unwrap();
        let mut text = String::new();
        grows.read_to_string(&mut text).unwrap();
        assert_eq!(text, "0123456789");
        assert!(grows.changed().unwrap().contains("the first 10 of 13 bytes"));
        let mut shrinks = open();
        std::fs::write(path.path(), b"0123").unwrap();
        let error = shrinks.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "the file shrank while it was read: 4 of 13 bytes are there");
    }
}
