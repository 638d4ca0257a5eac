//! Files that grow, and standard input.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use longshore::{Error, ErrorKind, Feed, StreamLoader, StreamTotals};

use super::args::Stream;
use super::metrics::Metrics;
use super::stop::Stop;
use crate::exit::{Failure, NO_INPUT};

/// How long to wait for more.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes read at a time.
const PIECE: usize = 256 << 10;
/// Bytes of the first line by which a file is known again.
const HEAD: usize = 4 << 10;

pub(super) fn run(args: &Stream, metrics: &Arc<Metrics>, stop: &Stop) -> Result<StreamTotals, Failure> {
    let names: Vec<&Path> = args.files.iter().map(AsRef::as_ref).collect();
    let is_stdin = |name: &&Path| name.as_os_str() == "-";
    if names.is_empty() || names.iter().any(is_stdin) && names.len() > 1 {
        return Err(Error::config("a stream needs files, or `-` alone for standard input, or `--kafka`").into());
    }
    let is_table = |name: &&&Path| {
        name.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv") || ending.eq_ignore_ascii_case("tsv"))
    };
    if let (false, Some(name)) = (args.records.are_described(), names.iter().find(is_table)) {
        let error = Error::config("by its name this is CSV, which a stream takes only with the names of its columns");
        let hint =
            "name them with `--columns`, for rows without a header; a file that does not grow is for `longshore load`";
        return Err(error.in_source(name.display().to_string()).with_hint(hint).into());
    }
    let first = names[0].display().to_string();
    let loader = super::loader(args, if first == "-" { "stdin" } else { &first })?;
    let mut loader = loader.open_with(args.options().observer(metrics.clone()))?;
    if first == "-" {
        pipe(&mut loader, metrics, stop)?;
    } else {
        follow(args, &names, &mut loader, metrics, stop)?;
    }
    loader.commit()?;
    Ok(loader.totals())
}

/// A pipe is read on a thread of its own: a read that waits for more must hold up neither a commit nor a stop.
fn pipe(loader: &mut StreamLoader, metrics: &Metrics, stop: &Stop) -> Result<(), Failure> {
    let pieces = read_ahead();
    // A pipe cannot be read again, so each run is a source of its own.
    let run = format!("<stdin>#{}-{}", std::process::id(), started_at());
    let mut feed = Feed::new(loader, run, 0);
    let mut head = Vec::new();
    while !stop.is_set() {
        match pieces.recv_timeout(PAUSE) {
            Ok(piece) => {
                let piece = piece.map_err(|cause| Error::io("reading standard input", cause))?;
                if head.len() < 4 {
                    head.extend(piece.iter().take(4));
                    readable("<stdin>", &head)?;
                }
                feed.push(loader, &piece)?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                feed.finish(loader)?;
                break;
            }
        }
        loader.tick()?;
        metrics.publish(false);
    }
    Ok(())
}

/// Nanoseconds since 1970, to tell runs apart.
fn started_at() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map(|time| time.as_nanos()).unwrap_or_default()
}

fn read_ahead() -> Receiver<std::io::Result<Vec<u8>>> {
    let (send, pieces) = sync_channel(4);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            let mut piece = vec![0; PIECE];
            let read = match stdin.read(&mut piece) {
                Ok(0) => return,
                Ok(len) => {
                    piece.truncate(len);
                    Ok(piece)
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            if send.send(read).is_err() {
                return;
            }
        }
    });
    pieces
}

fn follow(
    args: &Stream,
    names: &[&Path],
    loader: &mut StreamLoader,
    metrics: &Metrics,
    stop: &Stop,
) -> Result<(), Failure> {
    // A file that is named twice is read once: what was added between two looks would be loaded by both.
    let mut seen = BTreeSet::new();
    let is_new = |name: &&&Path| seen.insert(std::fs::canonicalize(name).unwrap_or_else(|_| name.to_path_buf()));
    let mut tails: Vec<Tail> = names.iter().filter(is_new).map(|name| Tail::new(name)).collect();
    while !stop.is_set() {
        let mut idle = true;
        for tail in &mut tails {
            idle &= !tail.read_on(loader)?;
        }
        loader.tick()?;
        metrics.publish(false);
        if idle {
            if args.until_end {
                return tails.iter_mut().try_for_each(|tail| tail.finish(loader));
            }
            std::thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// One file, read on from where its table ends.
struct Tail {
    name: String,
    open: Option<(File, Feed)>,
}

impl Tail {
    fn new(path: &Path) -> Tail {
        Tail { name: path.display().to_string(), open: None }
    }

    /// Reads one piece; whether there was any.
    fn read_on(&mut self, loader: &mut StreamLoader) -> Result<bool, Failure> {
        if self.open.is_none() {
            self.open = open(&self.name, loader)?;
        }
        let Some((file, feed)) = &mut self.open else { return Ok(false) };
        let failed = |cause| Error::io("cannot read on", cause).in_source(self.name.as_str());
        let mut piece = vec![0; PIECE];
        let len = file.read(&mut piece).map_err(failed)?;
        if len == 0 {
            let size = file.metadata().map_err(failed)?.len();
            if size < feed.position() + feed.waiting() {
                return Err(shorter(&self.name, size, feed.position()));
            }
        }
        feed.push(loader, &piece[..len])?;
        Ok(len > 0)
    }

    /// Takes a last line without an end for complete.
    fn finish(&mut self, loader: &mut StreamLoader) -> Result<(), Failure> {
        if self.open.is_none() {
            // Its first line has no end, and is all there is.
            let mut file = File::open(&self.name).map_err(|cause| cannot_open(&self.name, cause))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(|cause| cannot_open(&self.name, cause))?;
            readable(&self.name, &bytes)?;
            let source = known_as(&self.name, &bytes, loader)?;
            let mut feed = Feed::new(loader, source, 0);
            feed.push(loader, &bytes)?;
            return Ok(feed.finish(loader)?);
        }
        if let Some((_, feed)) = &mut self.open {
            feed.finish(loader)?;
        }
        Ok(())
    }
}

/// Opens a file behind what is committed of it. `None` as long as its first line has no end: a file is known again by
/// that line, so that one which was put in its place is another source.
fn open(name: &str, loader: &mut StreamLoader) -> Result<Option<(File, Feed)>, Failure> {
    let mut file = File::open(name).map_err(|cause| cannot_open(name, cause))?;
    let size = file.metadata().map_err(|cause| cannot_open(name, cause))?.len();
    let mut head = Vec::new();
    let first = BufReader::new(&mut file).take(HEAD as u64).read_until(b'\n', &mut head);
    first.map_err(|cause| cannot_open(name, cause))?;
    if !head.ends_with(b"\n") && head.len() < HEAD {
        return Ok(None);
    }
    readable(name, &head)?;
    let source = known_as(name, &head, loader)?;
    let from = loader.committed(&source)?.unwrap_or(0);
    if size < from {
        return Err(shorter(name, size, from));
    }
    file.seek(SeekFrom::Start(from)).map_err(|cause| cannot_open(name, cause))?;
    let feed = Feed::new(loader, source, from);
    Ok(Some((file, feed)))
}

/// How files begin that are no lines of text as they are.
const OTHERS: [(&[u8], &str); 4] = [
    (b"\x1f\x8b", "compressed by gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"\xff\xfe", "encoded in UTF-16"),
    (b"\xfe\xff", "encoded in UTF-16"),
];

/// Refuses what would go into the quarantine line by line.
fn readable(name: &str, head: &[u8]) -> Result<(), Failure> {
    let Some((_, what)) = OTHERS.iter().find(|(begin, _)| head.starts_with(begin)) else { return Ok(()) };
    let message = format!("it is {what}, and a stream reads plain lines of UTF-8");
    let error = Error::new(ErrorKind::Unsupported, message).in_source(name);
    Err(error.with_hint("`longshore load` reads it as it is; or unpack it into a pipe, and stream `-`").into())
}

/// What the ledger calls a file: its path, which is one however it is spelled, and a mark of its first line. A file of which
/// something is committed under the path as it is spelled here keeps that name.
fn known_as(name: &str, head: &[u8], loader: &mut StreamLoader) -> Result<String, Failure> {
    let whole = std::fs::canonicalize(name).map_err(|cause| cannot_open(name, cause))?;
    let (known, spelled) = (source(&whole.display().to_string(), head), source(name, head));
    let is_old = known != spelled && loader.committed(&known)?.is_none() && loader.committed(&spelled)?.is_some();
    Ok(if is_old { spelled } else { known })
}

/// A name, and a mark of the first line.
fn source(name: &str, head: &[u8]) -> String {
    // FNV-1a: it has to tell a file from the one before it, not to withstand anybody.
    let line = head.strip_suffix(b"\n").unwrap_or(head);
    let mark = line
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{name}#{mark:016x}")
}

fn cannot_open(name: &str, cause: std::io::Error) -> Failure {
    Failure::with_code(Error::io("cannot open it", cause).in_source(name), NO_INPUT)
}

fn shorter(name: &str, size: u64, position: u64) -> Failure {
    let message = format!("the file has {size} bytes, and {position} have been loaded: it was cut or replaced");
    let error = Error::new(ErrorKind::Conflict, message).in_source(name);
    error.with_hint("move files away when they are rotated, rather than cut them").into()
}
