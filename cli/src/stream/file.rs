//! A file that is read on, whatever its path leads to meanwhile.

use std::fs::{File, Metadata};
use std::io::{BufRead, BufReader, Error as IoError, ErrorKind as IoKind, Read, Seek, SeekFrom};

use longshore::{Error, ErrorKind, Feed, StreamLoader};

use super::mark::{self, MARKED};
use crate::exit::{Failure, NO_INPUT};

/// Bytes read at a time.
pub(super) const PIECE: usize = 256 << 10;

/// A file, read on from where its table ends.
pub(super) struct Growing {
    /// Its path as the caller spells it.
    name: String,
    /// Its path when it was opened, without links.
    path: String,
    file: File,
    pub(super) id: Option<Id>,
    reading: Option<Reading>,
}

/// Which file of the machine it is: device and inode.
pub(super) type Id = (u64, u64);

/// How far a file is read, once it is known by its first line.
struct Reading {
    feed: Feed,
    source: String,
    /// Where to go on.
    at: u64,
    /// The bytes that it begins with, and those that were read last: what was read must stay as it was.
    head: Vec<u8>,
    behind: Vec<u8>,
    /// The place before which is noted what stands there.
    noted: u64,
}

impl Growing {
    pub(super) fn open(name: &str) -> std::io::Result<Growing> {
        let file = File::open(name)?;
        let id = id(&file.metadata()?);
        let path = std::fs::canonicalize(name)?.display().to_string();
        Ok(Growing { name: name.to_owned(), path, file, id, reading: None })
    }

    /// Reads one piece; whether there was any.
    pub(super) fn read_on(&mut self, loader: &mut StreamLoader) -> Result<bool, Failure> {
        if self.reading.is_none() {
            self.begin(loader, false)?;
        }
        let Some(reading) = &mut self.reading else { return Ok(false) };
        let mut piece = vec![0; PIECE];
        let read = self.file.seek(SeekFrom::Start(reading.at)).and_then(|_| self.file.read(&mut piece));
        piece.truncate(read.map_err(|cause| cannot_read(&self.name, cause))?);
        // Only now: had it been cut and written anew before it was read, this shows.
        reading.is_unchanged(&mut self.file, &self.name, piece.len() as u64)?;
        reading.feed.push(loader, &piece)?;
        reading.at += piece.len() as u64;
        reading.behind.extend_from_slice(&piece);
        reading.behind.drain(..reading.behind.len().saturating_sub(MARKED));
        self.note(loader)?;
        Ok(!piece.is_empty())
    }

    /// Reads what is there to its end, and takes a last line without an end for complete.
    pub(super) fn finish(&mut self, loader: &mut StreamLoader) -> Result<(), Failure> {
        if self.reading.is_none() {
            self.begin(loader, true)?;
        }
        while self.read_on(loader)? {}
        if let Some(reading) = &mut self.reading {
            reading.feed.finish(loader)?;
        }
        self.note(loader)
    }

    /// Begins behind what is committed of the file. Not as long as its first line has no end, unless it is complete: a file
    /// is known again by that line, so that one which was put in its place is another source.
    fn begin(&mut self, loader: &mut StreamLoader, complete: bool) -> Result<(), Failure> {
        let cannot_read = |cause| cannot_read(&self.name, cause);
        let mut head = Vec::new();
        self.file.seek(SeekFrom::Start(0)).map_err(cannot_read)?;
        BufReader::new(&mut self.file).take(MARKED as u64).read_until(b'\n', &mut head).map_err(cannot_read)?;
        let has_end = head.ends_with(b"\n") || head.len() == MARKED;
        if head.is_empty() || !has_end && !complete {
            return Ok(());
        }
        readable(&self.name, &head)?;
        let source = mark::known_as(&self.path, &self.name, &head, loader)?;
        let from = loader.committed(&source)?.unwrap_or(0);
        let size = self.file.metadata().map_err(cannot_read)?.len();
        if size < from {
            return Err(shorter(&self.name, size, from));
        }
        if !mark::is_as_noted(&mut self.file, (&source, from), loader)? {
            return Err(another(&self.name, from));
        }
        let behind = mark::before(&mut self.file, from, MARKED).map_err(cannot_read)?;
        let feed = Feed::new(loader, source.as_str(), from);
        self.reading = Some(Reading { feed, source, at: from, head, behind, noted: from });
        Ok(())
    }

    /// Notes what stands before the last record, for whoever opens the file again.
    fn note(&mut self, loader: &mut StreamLoader) -> Result<(), Failure> {
        let Some(reading) = &mut self.reading else { return Ok(()) };
        let place = reading.feed.position();
        if place > reading.noted {
            mark::note(&mut self.file, &reading.source, place, loader)?;
            reading.noted = place;
        }
        Ok(())
    }
}

impl Reading {
    /// Whether what was read before still stands there, with the `len` bytes that were read now behind it.
    fn is_unchanged(&self, file: &mut File, name: &str, len: u64) -> Result<(), Failure> {
        let size = file.metadata().map_err(|cause| cannot_read(name, cause))?.len();
        if size < self.at + len {
            return Err(shorter(name, size, self.at + len));
        }
        let mut look = |place, old: &[u8]| mark::before(file, place, old.len()).map(|now| now == old);
        let head = look(self.head.len() as u64, &self.head);
        match head.and_then(|same| Ok(same && look(self.at, &self.behind)?)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(another(name, self.at)),
            Err(cause) if cause.kind() == IoKind::UnexpectedEof => Err(another(name, self.at)),
            Err(cause) => Err(cannot_read(name, cause)),
        }
    }
}

#[cfg(unix)]
pub(super) fn id(metadata: &Metadata) -> Option<Id> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

/// Elsewhere it is not told: a path is taken to lead to one file for as long as the stream runs.
#[cfg(not(unix))]
pub(super) fn id(_: &Metadata) -> Option<Id> {
    None
}

/// How files begin that are no lines of text as they are.
const OTHERS: [(&[u8], &str); 4] = [
    (b"\x1f\x8b", "compressed by gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"\xff\xfe", "encoded in UTF-16"),
    (b"\xfe\xff", "encoded in UTF-16"),
];

/// Refuses what would go into the quarantine line by line.
pub(super) fn readable(name: &str, head: &[u8]) -> Result<(), Failure> {
    let Some((_, what)) = OTHERS.iter().find(|(begin, _)| head.starts_with(begin)) else { return Ok(()) };
    let message = format!("it is {what}, and a stream reads plain lines of UTF-8");
    let error = Error::new(ErrorKind::Unsupported, message).in_source(name);
    Err(error.with_hint("`longshore load` reads it as it is; or unpack it into a pipe, and stream `-`").into())
}

pub(super) fn cannot_open(name: &str, cause: IoError) -> Failure {
    Failure::with_code(Error::io("cannot open it", cause).in_source(name), NO_INPUT)
}

fn cannot_read(name: &str, cause: IoError) -> Failure {
    Error::io("cannot read on", cause).in_source(name).into()
}

fn shorter(name: &str, size: u64, position: u64) -> Failure {
    let message = format!("the file has {size} bytes, and {position} have been read: it was cut or replaced");
    not_the_same(name, message)
}

fn another(name: &str, position: u64) -> Failure {
    let message = format!(
        "the file begins as one that has been read up to byte {position}, but goes on as another one: it was replaced or \
         written anew"
    );
    not_the_same(name, message)
}

fn not_the_same(name: &str, message: String) -> Failure {
    let hint = "move files away when they are rotated, rather than cut them; a new one with the first line of the old one needs \
                another path, or `longshore load`";
    Error::new(ErrorKind::Conflict, message).in_source(name).with_hint(hint).into()
}
