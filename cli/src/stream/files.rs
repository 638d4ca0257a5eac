//! Files that grow, and standard input.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use longshore::{Error, ErrorKind, Feed, StreamLoader, StreamTotals};

use super::args::Stream;
use super::fault::Fault;
use super::file::{PIECE, readable};
use super::metrics::Metrics;
use super::stop::Stop;
use super::tail::{GRACE, Tail};
use crate::exit::Failure;

/// How long to wait for more.
const PAUSE: Duration = Duration::from_millis(100);

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
    if let Some(name) = names.iter().find(|name| !is_stdin(name) && name.is_dir()) {
        let error = Error::new(ErrorKind::Io, "this is a folder, not a file").in_source(name.display().to_string());
        return Err(Failure::of_input(
            error.with_hint("name the files in it that grow; a pattern is the shell's to expand"),
        ));
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
                let piece = match piece {
                    Ok(piece) => piece,
                    Err(cause) => {
                        // Nobody can send again what came before.
                        loader.commit()?;
                        return Err(Error::io("reading standard input", cause).into());
                    }
                };
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
    let names = names.iter().filter(is_new).map(|name| name.display().to_string());
    let mut tails: Vec<Tail> = names.map(|name| Tail::new(name, stop.held().clone())).collect();
    let grace = if args.until_end { Duration::ZERO } else { GRACE };
    let mut outcome = read(&mut tails, grace, loader, metrics, stop);
    for tail in &mut tails {
        // Where nothing can be committed, nothing more is read.
        if matches!(outcome, Err(Fault::Loader(_))) {
            break;
        }
        outcome = outcome.and(tail.leave(loader));
    }
    let committed = match outcome {
        Err(Fault::Loader(_)) => Ok(()),
        _ => loader.commit().map(drop),
    };
    match outcome {
        Ok(()) => committed.map_err(|error| Fault::Loader(error).told(Ok(()), loader, stop.held())),
        Err(fault) => Err(fault.told(committed, loader, stop.held())),
    }
}

/// Reads on until a stop is asked for; with no `grace`, to the end of the files.
fn read(
    tails: &mut [Tail],
    grace: Duration,
    loader: &mut StreamLoader,
    metrics: &Metrics,
    stop: &Stop,
) -> Result<(), Fault> {
    while !stop.is_set() {
        let mut idle = true;
        for tail in &mut *tails {
            idle &= !tail.read_on(loader, grace)?;
        }
        loader.tick()?;
        metrics.publish(false);
        if idle {
            if grace.is_zero() {
                return tails.iter_mut().try_for_each(|tail| tail.finish(loader));
            }
            std::thread::sleep(PAUSE);
        }
    }
    Ok(())
}
