//! What is to be read: a list of inputs, each with a name.

use std::fmt;
#[cfg(feature = "parquet")]
use std::fs::File;
use std::fs::Metadata;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::error::{Error, Result};

use super::encoding::Encoding;
use super::entry::{Entry, Origin, copy};
use super::input::Input;
use super::pattern::matching;
use super::stored::Stored;

/// A list of inputs: files, bytes in memory, readers.
///
/// Making one cannot fail and reads nothing; what is wrong with it is said by [`Source::check`] and [`Source::open`].
/// Gzip and zstd are recognised by content, UTF-16 by its byte-order mark or pattern.
///
/// ```
/// use longshore::source::Source;
/// use std::io::Read;
///
/// let source = Source::bytes("\u{feff}{\"id\": 1}\n");
/// let mut text = String::new();
/// source.open(0)?.read_to_string(&mut text).unwrap();
/// assert_eq!(text, "{\"id\": 1}\n");
///
/// let error = Source::glob("no/such/*.json").check().unwrap_err();
/// assert_eq!(error.to_string(), "no/such/*.json: no file matches this pattern");
/// # Ok::<(), longshore::Error>(())
/// ```
pub struct Source {
    entries: Vec<Entry>,
    encoding: Encoding,
    read: Arc<AtomicU64>,
}

impl Source {
    fn of(entries: Vec<Entry>) -> Self {
        Source { entries, encoding: Encoding::Auto, read: Arc::default() }
    }

    fn one(name: impl Into<String>, origin: Origin) -> Self {
        Source::of(vec![Entry { name: name.into(), origin }])
    }

    /// One file, or a named pipe.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Source::paths([path])
    }

    /// Several files, in the order given.
    pub fn paths<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Self {
        Source::of(paths.into_iter().map(|path| Entry::path(path.into())).collect())
    }

    /// The files that match a pattern now, sorted by name (as bytes). `*` and `?` match within a name, `**` matches any
    /// number of folders, `[a-z]` one of some characters. Folders are left out, and so are names that begin with a dot
    /// unless the pattern has the dot. A folder that cannot be listed or searched is an error: it may hold files that match.
    pub fn glob(pattern: &str) -> Self {
        match matching(pattern) {
            Ok(paths) => Source::paths(paths),
            Err((kind, text, hint)) => Source::one(pattern, Origin::Nothing(kind, text, hint)),
        }
    }

    /// Bytes in memory, named `<bytes>`.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Source::one("<bytes>", Origin::Bytes(Arc::new(bytes.into())))
    }

    /// A reader, named `<reader>`. It can be opened once, unless it is [spooled](Source::spool).
    pub fn reader(reader: impl Read + Send + 'static) -> Self {
        Source::one("<reader>", Origin::Reader(Mutex::new(Some(Box::new(reader)))))
    }

    /// Standard input, named `<stdin>`. It can be opened once, unless it is [spooled](Source::spool).
    pub fn stdin() -> Self {
        Source::one("<stdin>", Origin::Reader(Mutex::new(Some(Box::new(std::io::stdin())))))
    }

    /// A temporary file of so many bytes, named `<reader>`.
    #[cfg(feature = "parquet")]
    pub(crate) fn spooled(file: File, len: u64) -> Self {
        Source::one("<reader>", Origin::Spooled(Arc::new(Mutex::new(file)), len))
    }

    /// Gives the only input another name, for messages, sketches and the ledger; with several inputs nothing changes.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        if let [entry] = self.entries.as_mut_slice() {
            entry.name = name.into();
        }
        self
    }

    /// Says how the text of all inputs is encoded; [`Encoding::Auto`] by default.
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// How many inputs there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no input at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The name of input `i`, from 0: its path as given, `<stdin>`, `<bytes>` or `<reader>`.
    ///
    /// # Panics
    ///
    /// When there is no input `i`.
    pub fn name(&self, i: usize) -> &str {
        &self.entries[i].name
    }

    /// The path of input `i`, from 0, if it is one. Unlike its name it is exact where it is no text.
    pub fn path_of(&self, i: usize) -> Option<&Path> {
        match &self.entries.get(i)?.origin {
            Origin::Path { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The names of all inputs, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// How many bytes input `i` takes as it is stored, if that can be known before reading it.
    pub fn size_hint(&self, i: usize) -> Option<u64> {
        match &self.entries.get(i)?.origin {
            Origin::Path { path, .. } => path.metadata().ok().filter(Metadata::is_file).map(|metadata| metadata.len()),
            Origin::Bytes(bytes) => Some(bytes.len() as u64),
            Origin::Spooled(_, len) => Some(*len),
            Origin::Reader(_) | Origin::Nothing(..) => None,
        }
    }

    /// Whether input `i` can be opened more than once: a regular file, bytes, or what was spooled.
    pub fn is_rereadable(&self, i: usize) -> bool {
        self.size_hint(i).is_some()
    }

    /// A handle that tells how far reading has come, over all inputs of this source.
    pub fn progress(&self) -> Progress {
        let total = (0..self.len()).map(|i| self.size_hint(i)).sum();
        Progress { read: self.read.clone(), total }
    }

    /// Checks that there is something to read and that every input can be opened, without reading any.
    ///
    /// # Errors
    ///
    /// The first input's error, as [`Source::open`] would give it; [`Config`](crate::ErrorKind::Config) for an empty list.
    pub fn check(&self) -> Result<()> {
        if self.is_empty() {
            return Err(Error::config("there is no input").with_hint("name at least one file"));
        }
        self.entries.iter().try_for_each(|entry| entry.check().map_err(|error| error.in_source(entry.name.as_str())))
    }

    /// Opens input `i`, from 0. Blocks until the first bytes are there, to see how they are compressed and encoded.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::ErrorKind::Io) for a file that cannot be read, a folder, or a pattern without a match;
    /// [`Config`](crate::ErrorKind::Config) when a reader is opened a second time, when the byte-order mark contradicts
    /// [`Source::encoding`], or when there is no input `i`; [`Corrupt`](crate::ErrorKind::Corrupt) and
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for what the first bytes show.
    pub fn open(&self, i: usize) -> Result<Input> {
        self.open_as(i, false)
    }

    /// Opens input `i` and hashes its stored bytes as they are read; see [`Input::finish`].
    ///
    /// # Errors
    ///
    /// As [`Source::open`].
    pub fn open_hashed(&self, i: usize) -> Result<Input> {
        self.open_as(i, true)
    }

    fn open_as(&self, i: usize, hashed: bool) -> Result<Input> {
        let Some(entry) = self.entries.get(i) else {
            return Err(Error::config(format!("there is no input {i}; there are {}", self.len())));
        };
        let raw = entry.open().map_err(|error| error.in_source(entry.name.as_str()))?;
        let stored = Stored::new(raw, hashed, self.read.clone());
        Input::new(entry.name.clone(), stored, self.encoding, self.size_hint(i))
    }

    /// Copies every input that can be read only once to an anonymous temporary file, as it is stored, so that it can be
    /// read again. Files and bytes stay where they are.
    ///
    /// # Errors
    ///
    /// As [`Source::open`]; [`Io`](crate::ErrorKind::Io) also when the copy cannot be written.
    pub fn spool(&mut self) -> Result<()> {
        for i in 0..self.len() {
            let entry = &mut self.entries[i];
            if matches!(entry.origin, Origin::Bytes(_) | Origin::Spooled(..)) || entry.is_regular_file() {
                continue;
            }
            let copied = entry.open().and_then(|mut raw| copy(&mut *raw));
            let (file, len) = copied.map_err(|error| error.in_source(entry.name.as_str()))?;
            entry.origin = Origin::Spooled(Arc::new(Mutex::new(file)), len);
        }
        Ok(())
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names().collect();
        f.debug_struct("Source").field("names", &names).field("encoding", &self.encoding).finish_non_exhaustive()
    }
}

/// How far the reading of a [`Source`] has come. Clones share the count.
#[derive(Debug, Clone)]
pub struct Progress {
    read: Arc<AtomicU64>,
    total: Option<u64>,
}

impl Progress {
    /// How many stored (compressed) bytes have been read, over all inputs and all times they were opened.
    pub fn stored_bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// How many stored bytes the inputs have, if that was known for each of them when the handle was made.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Counts from 0 again, for a second pass over the same inputs.
    pub fn reset(&self) {
        self.read.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn text(source: &Source, i: usize) -> String {
        let mut text = String::new();
        source.open(i).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_glob_gives_files_sorted_by_name_without_folders_and_hidden_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.json", "a.json", "a-2.json", ".part.json", "c.csv"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        std::fs::create_dir(folder.path().join("folder.json")).unwrap();
        let source = Source::glob(&format!("{}/*.json", folder.path().display()));
        let texts: Vec<String> = (0..source.len()).map(|i| text(&source, i)).collect();
        assert_eq!(texts, ["a-2.json", "a.json", "b.json"]);
        assert_eq!(source.progress().total(), Some(20));
        assert_eq!(source.progress().stored_bytes_read(), 20);
        assert!(source.check().is_ok());
    }

    #[test]
    fn what_cannot_be_opened_says_why_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = Source::path(folder.path()).check().unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Io, "this is a folder, not a file"));
        assert!(error.hint().unwrap().contains("pattern"));
        let error = Source::path(folder.path().join("none.csv")).open(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(
            error.to_string().ends_with("none.csv: cannot open it: No such file or directory (os error 2)"),
            "{error}"
        );
        let error = Source::glob("a/***/b").open(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(Source::paths([""; 0]).check().unwrap_err().message(), "there is no input");
        assert_eq!(Source::bytes("a").open(1).unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn a_reader_is_read_once_and_again_only_when_spooled() {
        let source = Source::reader(&b"one\n"[..]);
        assert!(source.check().is_ok() && !source.is_rereadable(0));
        assert_eq!(text(&source, 0), "one\n");
        let error = source.open(0).unwrap_err();
        assert_eq!(error.to_string(), "<reader>: this input was read before and cannot be read again");
        assert!(error.hint().unwrap().contains("spool"));

        let mut source = Source::reader(&b"two\n"[..]);
        source.spool().unwrap();
        source.spool().unwrap();
        assert_eq!((source.size_hint(0), source.is_rereadable(0)), (Some(4), true));
        let (mut first, mut second) = (source.open(0).unwrap(), source.open(0).unwrap());
        let mut texts = [String::new(), String::new()];
        first.read_to_string(&mut texts[0]).unwrap();
        second.read_to_string(&mut texts[1]).unwrap();
        assert_eq!(texts, ["two\n", "two\n"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_named_pipe_is_read_once_and_does_not_hang_the_second_time() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if !made.is_ok_and(|status| status.success()) {
            return;
        }
        let source = Source::path(&pipe);
        let writer = std::thread::spawn(move || std::fs::write(pipe, b"from a pipe").unwrap());
        assert_eq!(text(&source, 0), "from a pipe");
        writer.join().unwrap();
        assert_eq!(source.open(0).unwrap_err().kind(), ErrorKind::Config);
    }
}
