//! A file that is read on, whatever its path leads to meanwhile.

use std::fs::{File, Metadata};
use std::io::{BufRead, BufReader, ErrorKind as IoKind, Read, Seek, SeekFrom};
use std::time::{Duration, Instant, SystemTime};

use longshore::{Error, ErrorKind, Feed, StreamLoader};

use super::fault::Fault;
use super::mark::{self, MARKED};

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
    /// When it was made, where the file system says so.
    pub(super) born: Option<SystemTime>,
    reading: Option<Reading>,
    /// Since when its path leads elsewhere.
    pub(super) superseded: Option<Instant>,
    /// Since when nothing has come, as long as it is read to its end.
    silent: Option<Instant>,
    /// Whether it ever was.
    was_at_end: bool,
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
}

impl Growing {
    pub(super) fn open(name: &str) -> std::io::Result<Growing> {
        let file = File::open(name)?;
        let metadata = file.metadata()?;
        let path = std::fs::canonicalize(name)?.display().to_string();
        Ok(Growing {
            name: name.to_owned(),
            path,
            file,
            id: id(&metadata),
            born: metadata.created().ok(),
            reading: None,
            superseded: None,
            silent: None,
            was_at_end: false,
        })
    }

    /// Reads one piece; whether there was any.
    pub(super) fn read_on(&mut self, loader: &mut StreamLoader) -> Result<bool, Fault> {
        let outcome = self.read_piece(loader);
        match outcome {
            Ok(false) if self.silent.is_none() => {
                // What was there before came when the file says: files that wait for their turn do not wait once more in it.
                let age = if self.was_at_end { Duration::ZERO } else { self.age() };
                (self.silent, self.was_at_end) = (Instant::now().checked_sub(age), true);
            }
            Ok(true) => self.silent = None,
            _ => {}
        }
        outcome.map_err(|fault| fault.of(self.reading.as_ref().map(|reading| reading.source.as_str())))
    }

    /// Whether its path leads elsewhere, and nothing has come to it, for this long.
    pub(super) fn is_through(&self, grace: Duration) -> bool {
        let is_past = |since: Option<Instant>| since.is_some_and(|since| since.elapsed() >= grace);
        is_past(self.superseded) && is_past(self.silent)
    }

    /// How long ago it was written to; none where the clocks differ.
    fn age(&self) -> Duration {
        let written = self.file.metadata().and_then(|metadata| metadata.modified()).ok();
        written.and_then(|written| written.elapsed().ok()).unwrap_or_default()
    }

    fn read_piece(&mut self, loader: &mut StreamLoader) -> Result<bool, Fault> {
        if self.reading.is_none() {
            self.begin(loader, false)?;
        }
        let Some(reading) = &mut self.reading else { return Ok(false) };
        let mut piece = vec![0; PIECE];
        let read = self.file.seek(SeekFrom::Start(reading.at)).and_then(|_| self.file.read(&mut piece));
        piece.truncate(read.map_err(|cause| Fault::cannot_read(&self.name, cause))?);
        // Only now: had it been cut and written anew before it was read, this shows.
        reading.is_unchanged(&mut self.file, &self.name, piece.len() as u64)?;
        reading.take(&piece, loader)?;
        Ok(!piece.is_empty())
    }

    /// Reads what is there to its end, and takes a last line without an end for complete.
    pub(super) fn finish(&mut self, loader: &mut StreamLoader) -> Result<(), Fault> {
        if self.reading.is_none() {
            self.begin(loader, true)?;
        }
        while self.read_on(loader)? {}
        match &mut self.reading {
            Some(reading) => reading.finish(loader),
            None => Ok(()),
        }
    }

    /// Begins behind what is committed of the file. Not as long as its first line has no end, unless it is complete: a file
    /// is known again by that line, so that one which was put in its place is another source.
    fn begin(&mut self, loader: &mut StreamLoader, complete: bool) -> Result<(), Fault> {
        let cannot_read = |cause| Fault::cannot_read(&self.name, cause);
        let mut head = Vec::new();
        self.file.seek(SeekFrom::Start(0)).map_err(cannot_read)?;
        BufReader::new(&mut self.file).take(MARKED as u64).read_until(b'\n', &mut head).map_err(cannot_read)?;
        let has_end = head.ends_with(b"\n") || head.len() == MARKED;
        if head.is_empty() || !has_end && !complete {
            return Ok(());
        }
        readable(&self.name, &head).map_err(Fault::of_file)?;
        let source = mark::known_as(&self.path, &self.name, &head, loader)?;
        let from = loader.committed(&source)?.unwrap_or(0);
        let size = self.file.metadata().map_err(cannot_read)?.len();
        if size < from {
            return Err(Fault::shorter(&self.name, size, from).of(Some(&source)));
        }
        if !mark::is_as_noted(&mut self.file, (&source, from), loader)? {
            return Err(Fault::another(&self.name, from).of(Some(&source)));
        }
        let behind = mark::before(&mut self.file, from, MARKED).map_err(cannot_read)?;
        let feed = Feed::new(loader, source.as_str(), from);
        self.reading = Some(Reading { feed, source, at: from, head, behind });
        Ok(())
    }
}

impl Reading {
    /// Whether what was read before still stands there, with the `len` bytes that were read now behind it.
    fn is_unchanged(&self, file: &mut File, name: &str, len: u64) -> Result<(), Fault> {
        let size = file.metadata().map_err(|cause| Fault::cannot_read(name, cause))?.len();
        if size < self.at + len {
            return Err(Fault::shorter(name, size, self.at + len));
        }
        let mut look = |place, old: &[u8]| mark::before(file, place, old.len()).map(|now| now == old);
        let head = look(self.head.len() as u64, &self.head);
        match head.and_then(|same| Ok(same && look(self.at, &self.behind)?)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Fault::another(name, self.at)),
            Err(cause) if cause.kind() == IoKind::UnexpectedEof => Err(Fault::another(name, self.at)),
            Err(cause) => Err(Fault::cannot_read(name, cause)),
        }
    }

    /// Takes in a piece. What stands before the end of its last line is noted for whoever opens the file again, and ahead of
    /// that end: so the note goes with a record, and makes no batch of its own.
    fn take(&mut self, piece: &[u8], loader: &mut StreamLoader) -> Result<(), Fault> {
        let end = piece.iter().rposition(|byte| *byte == b'\n');
        let (before, last) = piece.split_at(end.unwrap_or(piece.len()));
        self.push(before, loader)?;
        if let Some((line_end, behind)) = last.split_at_checked(1) {
            self.pass(line_end);
            self.note(loader)?;
            self.feed.push(loader, line_end)?;
            self.push(behind, loader)?;
        }
        Ok(())
    }

    fn push(&mut self, bytes: &[u8], loader: &mut StreamLoader) -> Result<(), Fault> {
        self.pass(bytes);
        Ok(self.feed.push(loader, bytes)?)
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        self.behind.extend_from_slice(bytes);
        self.behind.drain(..self.behind.len().saturating_sub(MARKED));
    }

    fn note(&self, loader: &mut StreamLoader) -> Result<(), Fault> {
        Ok(mark::note(&self.behind, &self.source, self.at, loader)?)
    }

    /// Takes what is there of a last line for all of it.
    fn finish(&mut self, loader: &mut StreamLoader) -> Result<(), Fault> {
        if self.feed.waiting() > 0 {
            self.note(loader)?;
        }
        Ok(self.feed.finish(loader)?)
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
pub(super) fn readable(name: &str, head: &[u8]) -> longshore::Result<()> {
    let Some((_, what)) = OTHERS.iter().find(|(begin, _)| head.starts_with(begin)) else { return Ok(()) };
    let message = format!("it is {what}, and a stream reads plain lines of UTF-8");
    let error = Error::new(ErrorKind::Unsupported, message).in_source(name);
    Err(error.with_hint("`longshore load` reads it as it is; or unpack it into a pipe, and stream `-`"))
}
