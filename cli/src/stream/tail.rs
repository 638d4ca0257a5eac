//! A path that is followed: the file that is there, and those that were before they were rotated away.

use std::collections::VecDeque;
use std::fs::Metadata;
use std::io::{Error as IoError, ErrorKind as IoKind};
use std::time::{Duration, Instant};

use longshore::{Error, ErrorKind, StreamLoader};

use super::fault::Fault;
use super::file::{Growing, Id, id};
use super::held::{Held, Whose};

/// How long a file that was moved away is waited for: whoever writes to it may not have noticed yet.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// A path, and the files that it has led to, the oldest first. Each is opened as soon as it is seen, so that none is lost
/// when it is moved away in its turn, and read when those before it are through.
pub(super) struct Tail {
    name: String,
    held: Held,
    files: VecDeque<Growing>,
    /// Whether the path has ever led to a file.
    has_begun: bool,
    /// Whether the path leads to the last of the files.
    leads: bool,
    closed: Option<Closed>,
}

/// A file that cannot be opened, and may be opened yet: its rights are given to it after its name, or too many are open.
struct Closed {
    since: Instant,
    id: Option<Id>,
    cause: IoError,
}

/// What a path leads to.
enum There {
    TheLast,
    New(Box<Growing>),
    /// A file that another path of the stream has led to: it is read there.
    Anothers,
}

impl Tail {
    pub(super) fn new(name: String, held: Held) -> Tail {
        Tail { name, held, files: VecDeque::new(), has_begun: false, leads: false, closed: None }
    }

    /// Reads one piece; whether there was any. A file that was moved away is through when nothing has come to it for this
    /// long.
    pub(super) fn read_on(&mut self, loader: &mut StreamLoader, grace: Duration) -> Result<bool, Fault> {
        self.look()?;
        let Some(file) = self.files.front_mut() else {
            let given_up = self.closed.take_if(|closed| closed.since.elapsed() >= grace);
            return given_up.map_or(Ok(false), |closed| Err(Fault::cannot_open(&self.name, closed.cause)));
        };
        if file.read_on(loader)? {
            return Ok(true);
        }
        if !file.is_through(grace) {
            return Ok(false);
        }
        self.end_first(loader)?;
        Ok(true)
    }

    /// Sees which file the path leads to. What cannot be opened is tried again: first the files that are there are read.
    fn look(&mut self) -> Result<(), Fault> {
        let found = std::fs::metadata(&self.name);
        self.has_missed_none(found.as_ref())?;
        let now = found.as_ref().ok().and_then(id);
        let is_last = |file: &Growing| file.id == now;
        let there = match found {
            Ok(_) if self.files.back().is_some_and(is_last) => Ok(There::TheLast),
            Ok(_) => self.open()?,
            Err(cause) => Err(cause),
        };
        self.leads = matches!(there, Ok(There::TheLast | There::New(_)));
        match there {
            Ok(There::TheLast) => self.files.back_mut().into_iter().for_each(|last| last.superseded = None),
            Ok(There::Anothers) => self.supersede(),
            Ok(There::New(file)) => {
                if self.has_begun {
                    tracing::info!(
                        file = self.name,
                        "the file was replaced: read to its end, and the new one behind it"
                    );
                }
                self.supersede();
                self.held.take(&self.name, file.id, file.born);
                self.files.push_back(*file);
            }
            Err(cause) if !self.has_begun => return Err(Fault::cannot_open(&self.name, cause)),
            // It was moved away, and the next one is not there yet.
            Err(cause) if cause.kind() == IoKind::NotFound => {}
            Err(cause) => {
                self.supersede();
                let closed = self.closed.get_or_insert_with(|| {
                    tracing::warn!(file = self.name, %cause, "the file that is there cannot be opened: tried again");
                    Closed { since: Instant::now(), id: now, cause }
                });
                closed.id = closed.id.or(now);
                return Ok(());
            }
        }
        (self.has_begun, self.closed) = (true, None);
        Ok(())
    }

    /// Opens the file that is there now, unless it is read by another path.
    fn open(&self) -> Result<Result<There, IoError>, Fault> {
        let file = match Growing::open(&self.name) {
            Ok(file) => file,
            Err(cause) => return Ok(Err(cause)),
        };
        match self.held.whose(&self.name, file.id, file.born) {
            Whose::Nobodys => Ok(Ok(There::New(Box::new(file)))),
            Whose::Anothers(path) => {
                if self.leads || !self.has_begun {
                    tracing::warn!(
                        file = self.name,
                        path,
                        "the file is read as that of the other path; follow one of them"
                    );
                }
                Ok(Ok(There::Anothers))
            }
            Whose::Unknown(path) => {
                let message = format!("it cannot be told whether this is the file that was read as `{path}`");
                let error = Error::new(ErrorKind::Conflict, message).in_source(self.name.as_str());
                let hint = "follow a path, and not the names that its files are given when they are rotated";
                Err(Fault::of_file(error.with_hint(hint)))
            }
        }
    }

    /// A file that could not be opened must not be moved away before it is: nobody would miss it.
    fn has_missed_none(&self, found: Result<&Metadata, &IoError>) -> Result<(), Fault> {
        let Some(Closed { id: Some(missed), cause, .. }) = &self.closed else { return Ok(()) };
        let is_there = match found {
            Ok(metadata) => id(metadata) == Some(*missed),
            Err(cause) => cause.kind() != IoKind::NotFound,
        };
        if is_there {
            return Ok(());
        }
        let (_, inode) = missed;
        let message = format!(
            "a file (inode {inode}) was moved away from here before it could be opened, and nothing of it is loaded: {cause}"
        );
        let error = Error::new(ErrorKind::Io, message).in_source(self.name.as_str());
        Err(Fault::of_file(error.with_hint("load that file with `longshore load`, and start the stream again")))
    }

    /// The path does not lead to the last file any more, and will not again.
    fn supersede(&mut self) {
        if let Some(last) = self.files.back_mut() {
            last.superseded.get_or_insert_with(Instant::now);
        }
    }

    /// Takes the last line of the first file for complete, and leaves that file.
    fn end_first(&mut self, loader: &mut StreamLoader) -> Result<(), Fault> {
        if let Some(mut file) = self.files.pop_front() {
            file.finish(loader)?;
            // The next one may begin alike: then it has to be held against what is committed.
            loader.commit()?;
            self.held.leave(file.id);
        }
        Ok(())
    }

    /// Reads files that were moved away to their ends: nobody will find them later. A fault of one keeps none of the others
    /// from it.
    pub(super) fn leave(&mut self, loader: &mut StreamLoader) -> Result<(), Fault> {
        let mut outcome = self.look();
        while self.files.len() > usize::from(self.leads) {
            match self.end_first(loader) {
                Err(Fault::Loader(error)) => return Err(error.into()),
                ended => outcome = outcome.and(ended),
            }
        }
        outcome
    }

    /// Reads all files to their ends, and takes the last line of each for complete.
    pub(super) fn finish(&mut self, loader: &mut StreamLoader) -> Result<(), Fault> {
        while self.files.len() > 1 {
            self.end_first(loader)?;
        }
        self.files.front_mut().map_or(Ok(()), |file| file.finish(loader))
    }
}
