//! A path that is followed: the file that is there, and those that were before they were rotated away.

use std::collections::VecDeque;
use std::io::ErrorKind as IoKind;
use std::time::{Duration, Instant};

use longshore::{Error, StreamLoader};

use super::file::{Growing, cannot_open, id};
use crate::exit::Failure;

/// How long a file that was moved away is waited for: whoever writes to it may not have noticed yet.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// A path, and the files that it has led to, the oldest first. Each is opened as soon as it is seen, so that none is lost
/// when it is moved away in its turn, and read when those before it are through.
pub(super) struct Tail {
    name: String,
    files: VecDeque<Growing>,
    /// Since when nothing more has come to the first of several files.
    silent: Option<Instant>,
}

impl Tail {
    pub(super) fn new(name: String) -> Tail {
        Tail { name, files: VecDeque::new(), silent: None }
    }

    /// Reads one piece; whether there was any. A file that was moved away is through when nothing has come to it for this
    /// long.
    pub(super) fn read_on(&mut self, loader: &mut StreamLoader, grace: Duration) -> Result<bool, Failure> {
        self.look()?;
        let Some(file) = self.files.front_mut() else { return Ok(false) };
        if file.read_on(loader)? {
            self.silent = None;
            return Ok(true);
        }
        if self.files.len() < 2 || self.silent.get_or_insert_with(Instant::now).elapsed() < grace {
            return Ok(false);
        }
        self.end_first(loader)?;
        Ok(true)
    }

    /// Sees which file the path leads to.
    fn look(&mut self) -> Result<(), Failure> {
        let Some(last) = self.files.back() else {
            self.files.push_back(Growing::open(&self.name).map_err(|cause| cannot_open(&self.name, cause))?);
            return Ok(());
        };
        let found = std::fs::metadata(&self.name).and_then(|metadata| match id(&metadata) == last.id {
            true => Ok(None),
            false => Growing::open(&self.name).map(Some),
        });
        match found {
            Ok(None) => Ok(()),
            Ok(Some(file)) => {
                tracing::info!(file = self.name, "the file was replaced: read to its end, and the new one behind it");
                self.files.push_back(file);
                Ok(())
            }
            // It was moved away, and the next one is not there yet.
            Err(cause) if cause.kind() == IoKind::NotFound => Ok(()),
            Err(cause) => Err(Error::io("cannot look which file is there", cause).in_source(self.name.as_str()).into()),
        }
    }

    /// Takes the last line of the first file for complete, and leaves that file.
    fn end_first(&mut self, loader: &mut StreamLoader) -> Result<(), Failure> {
        if let Some(mut file) = self.files.pop_front() {
            file.finish(loader)?;
            // The next one may begin alike: then it has to be held against what is committed.
            loader.commit()?;
        }
        self.silent = None;
        Ok(())
    }

    /// Reads files that were moved away to their ends: nobody will find them later.
    pub(super) fn leave_older(&mut self, loader: &mut StreamLoader) -> Result<(), Failure> {
        while self.files.len() > 1 {
            self.end_first(loader)?;
        }
        Ok(())
    }

    /// Takes the last line of the last file for complete.
    pub(super) fn finish(&mut self, loader: &mut StreamLoader) -> Result<(), Failure> {
        self.leave_older(loader)?;
        self.files.front_mut().map_or(Ok(()), |file| file.finish(loader))
    }
}
