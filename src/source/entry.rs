//! One input, before it is opened.

use std::fs::{File, Metadata};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::stored::{Once, Raw, Regular, Shared, Spooled};
use crate::error::{Error, ErrorKind, Result};

const FOLDER_HINT: &str = "name its files, or use a pattern such as `folder/*.json`";
const ONCE_HINT: &str = "a pipe or reader can be read once; `Source::spool` copies it to a temporary file first";

/// An input that has not been opened.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) origin: Origin,
}

/// Where its bytes are.
pub(super) enum Origin {
    /// A path. What is not a regular file (a pipe, `/dev/stdin`) gives its bytes once.
    Path {
        path: PathBuf,
        taken: AtomicBool,
    },
    Bytes(Arc<Vec<u8>>),
    Reader(Mutex<Option<Box<dyn Read + Send>>>),
    Spooled(Arc<Mutex<File>>, u64),
    /// A pattern that gave no file, and why.
    Nothing(ErrorKind, String, &'static str),
}

impl Entry {
    pub(super) fn path(path: PathBuf) -> Self {
        Entry { name: path.display().to_string(), origin: Origin::Path { path, taken: AtomicBool::new(false) } }
    }

    pub(super) fn is_regular_file(&self) -> bool {
        matches!(&self.origin, Origin::Path { path, .. } if path.is_file())
    }

    /// Whether it can be opened.
    pub(super) fn check(&self) -> Result<()> {
        match &self.origin {
            Origin::Path { path, taken } => match look_at(path)? {
                metadata if metadata.is_file() => File::open(path).map(drop).map_err(cannot_open),
                _ => unless_read(taken.load(Ordering::Relaxed)),
            },
            Origin::Reader(reader) => unless_read(reader.lock().unwrap_or_else(PoisonError::into_inner).is_none()),
            Origin::Bytes(_) | Origin::Spooled(..) => Ok(()),
            Origin::Nothing(kind, text, hint) => Err(Error::new(*kind, text.as_str()).with_hint(*hint)),
        }
    }

    pub(super) fn open(&self) -> Result<Box<dyn Raw>> {
        self.check()?;
        Ok(match &self.origin {
            Origin::Path { path, taken } => {
                let file = File::open(path).map_err(cannot_open)?;
                let metadata = file.metadata().map_err(cannot_open)?;
                if metadata.is_file() {
                    Box::new(Regular::new(file, &metadata))
                } else {
                    unless_read(taken.swap(true, Ordering::Relaxed))?;
                    Box::new(Once(Box::new(file)))
                }
            }
            Origin::Bytes(bytes) => Box::new(Shared::new(bytes.clone())),
            Origin::Spooled(file, _) => Box::new(Spooled::new(file.clone())),
            Origin::Reader(reader) => match reader.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(reader) => Box::new(Once(reader)),
                None => return Err(read_before()),
            },
            Origin::Nothing(kind, text, hint) => return Err(Error::new(*kind, text.as_str()).with_hint(*hint)),
        })
    }
}

fn look_at(path: &Path) -> Result<Metadata> {
    let metadata = path.metadata().map_err(cannot_open)?;
    if metadata.is_dir() {
        return Err(Error::new(ErrorKind::Io, "this is a folder, not a file").with_hint(FOLDER_HINT));
    }
    Ok(metadata)
}

fn cannot_open(error: std::io::Error) -> Error {
    Error::io("cannot open it", error)
}

fn unless_read(read: bool) -> Result<()> {
    if read { Err(read_before()) } else { Ok(()) }
}

fn read_before() -> Error {
    Error::config("this input was read before and cannot be read again").with_hint(ONCE_HINT)
}

/// Copies everything that is left to an anonymous temporary file; returns that and its size.
pub(super) fn copy(from: &mut dyn Raw) -> Result<(File, u64)> {
    let cannot_write = |error| {
        Error::io("cannot write a temporary copy", error).with_hint("`TMPDIR` names the folder for temporary files")
    };
    let mut file = tempfile::tempfile().map_err(cannot_write)?;
    let mut part = vec![0; 256 << 10];
    let mut len = 0;
    loop {
        match from.read(&mut part) {
            Ok(0) => return Ok((file, len)),
            Ok(n) => {
                file.write_all(&part[..n]).map_err(cannot_write)?;
                len += n as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("cannot read on", error)),
        }
    }
}
