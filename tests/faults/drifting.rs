//! The drift stream of a million records ends as its oracle says, at any batch size, with one loader and with four, and
//! under kills.

use std::path::PathBuf;
use std::time::Instant;

use longshore::{Loader, Offset, StreamLoader, StreamOptions};
use postgres::Client;

use crate::child::{Work, child};
use crate::drift::{check_against, lines};
use crate::drift_stream::Stream;
use crate::kills::random;
use crate::support::database;
use crate::{is_full, known};

const RECORDS: u64 = 1_000_000;
/// Lines, of which some stand twice.
const LINES: u64 = 1_000_982;

/// The oracle of the long stream, where it is to be run: it takes minutes.
fn oracle() -> Option<PathBuf> {
    if !is_full() {
        println!("left out: it is run in full only");
        return None;
    }
    Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/drift/drift-seed1-1000000.oracle.json"))
}

/// Gives the lines of the long stream to `take` in batches of so many, with the number of the last one, from 1.
pub(crate) fn batches(size: u64, mut take: impl FnMut(&[u8], u64)) {
    let stream = Stream { seed: 1, n: RECORDS };
    let (mut bytes, mut record, mut line, mut open) = (Vec::new(), Vec::new(), 0, 0);
    for i in 0..RECORDS {
        record.clear();
        stream.write(i, &mut record);
        for one in record.split_inclusive(|byte| *byte == b'\n') {
            bytes.extend_from_slice(one);
            (line, open) = (line + 1, open + 1);
            if open == size {
                take(&bytes, line);
                bytes.clear();
                open = 0;
            }
        }
    }
    if !bytes.is_empty() {
        take(&bytes, line);
    }
    assert_eq!(line, LINES);
}

pub(crate) fn open(url: &str) -> StreamLoader {
    let options = StreamOptions::default().max_rows(u64::MAX).max_bytes(u64::MAX);
    Loader::new(url).table("t").open_with(options).unwrap()
}

#[test]
fn the_generator_makes_the_stream_that_is_stored() {
    let mut made = Vec::new();
    (0..20_000).for_each(|i| Stream { seed: 1, n: 20_000 }.write(i, &mut made));
    assert!(made == lines().concat(), "not the bytes of fixtures/drift");
}

/// Loads the stream in batches of so many lines by so many loaders, each its own source.
fn run(size: u64, loaders: usize, oracle: &std::path::Path) {
    let (url, mut client) = database();
    let started = Instant::now();
    let queues: Vec<_> = (0..loaders).map(|_| std::sync::mpsc::sync_channel::<(Vec<u8>, u64)>(2)).collect();
    let (senders, receivers): (Vec<_>, Vec<_>) = queues.into_iter().unzip();
    let altered: usize = std::thread::scope(|scope| {
        let working: Vec<_> = receivers
            .into_iter()
            .enumerate()
            .map(|(nth, receiver)| {
                let url = &url;
                scope.spawn(move || {
                    let (mut loader, mut altered) = (open(url), 0);
                    for (bytes, position) in receiver {
                        loader.write(bytes, Offset::new(format!("drift-{nth}"), position)).unwrap();
                        altered += loader.commit().unwrap().altered.len();
                    }
                    altered
                })
            })
            .collect();
        let (mut nth, size) = (0, if size == 0 { LINES.div_ceil(loaders as u64) } else { size });
        batches(size, |bytes, position| {
            senders[nth % loaders].send((bytes.to_vec(), position)).unwrap();
            nth += 1;
        });
        drop(senders);
        working.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let took = started.elapsed().as_secs_f64();
    check_against(&mut client, "t", 1, oracle);
    known::nothing_is_left(&mut client);
    let size = if size == 0 { "all".to_owned() } else { size.to_string() };
    println!("batches of {size} by {loaders} loaders: {took:.0} s, {altered} statements to make and change the table");
}

#[test]
fn a_million_records_end_as_the_oracle_says_at_any_batch_size_with_one_loader_and_with_four() {
    let Some(oracle) = oracle() else { return };
    for loaders in [1, 4] {
        // 0 is all at once.
        for size in [1_000, 10_000, 0] {
            run(size, loaders, &oracle);
        }
    }
}

#[test]
fn a_million_records_under_twenty_kills_end_as_the_oracle_says() {
    let Some(oracle) = oracle() else { return };
    let (url, mut client) = database();
    let (mut kills, mut seed) = (0, 41);
    let done = |client: &mut Client| {
        let sql = "SELECT coalesce(max(position), 0) FROM _longshore_offsets";
        client.query_one(sql, &[]).map_or(0, |row| row.get::<_, i64>(0)) as u64
    };
    while kills < 20 {
        let before = done(&mut client);
        assert!(before < LINES, "done after {kills} kills");
        let mut running = child(Work::Drift, &url, "10000").spawn().unwrap();
        // Killed at a random moment behind the first batch that it commits, so that it gets on, and before it could be done.
        let until = before + 10_000 * (1 + random(&mut seed, 3));
        let waited = Instant::now();
        while done(&mut client) < until && waited.elapsed().as_secs() < 120 {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        std::thread::sleep(std::time::Duration::from_millis(random(&mut seed, 50)));
        running.kill().unwrap();
        assert!(!running.wait().unwrap().success(), "it was done before it was killed");
        kills += 1;
    }
    assert!(child(Work::Drift, &url, "10000").status().unwrap().success());
    check_against(&mut client, "t", 1, &oracle);
    known::nothing_is_left(&mut client);
    println!("{kills} kills");
}
