//! Every hostile file ends as `fixtures/poison/EXPECT.tsv` says: nothing lost, nothing doubled, memory bounded.
//!
//! Each file is read in a process of its own, so that the peak of its memory can be told.

#[path = "support/inputs.rs"]
mod inputs;

use std::process::Command;
use std::sync::Arc;

use inputs::fixtures;
use longshore::batch::Decoder;
use longshore::records::{Limits, Reader, cutter};
use longshore::source::{ChunkOptions, Piece, Pieces};
use longshore::{Error, Inference, Policy, ReadOptions, Source};

/// Names the file that a process is to read.
const FILE: &str = "LONGSHORE_TEST_POISON";

/// The most that any file may take, with two threads: the longest record held (16 MiB) and as much again for what is
/// behind it, the chunks that wait, and the program itself. Each of the files of 64 MiB would be over it whole.
const PEAK_KIB: u64 = 64 << 10;

/// What the files that end in an error are, for then the load says so and nothing of them is taken.
const CORRUPT: [&str; 3] = ["truncated.ndjson.gz", "bad-crc.ndjson.gz", "flipped-byte.ndjson.gz"];

struct Outcome {
    read: u64,
    rows: u64,
    misfits: u64,
}

/// Infers, resolves and decodes, as a load does.
fn run(source: &Source) -> Result<Outcome, Error> {
    let options = ReadOptions::default().threads(2);
    let inference = Inference::of(source, &options)?;
    let schema = Arc::new(Policy::default().resolve(&inference.sketch)?);
    let limits = Limits::default();
    let (mut reader, mut decoder) = (Reader::new(limits), Decoder::new(schema));
    let cut = cutter(&inference.formats[0], &limits);
    let mut outcome = Outcome { read: 0, rows: 0, misfits: 0 };
    for piece in Pieces::new(source.open(0)?, cut, 0, ChunkOptions::default()) {
        match piece? {
            Piece::Records(mut chunk) => reader.read(&inference.formats[0], &mut chunk, &mut decoder),
            Piece::Gap(_) => {
                outcome.read += 1;
                outcome.misfits += 1;
            }
        }
        let decoded = decoder.finish()?;
        outcome.read += decoded.read;
        outcome.rows += decoded.batch.num_rows() as u64;
        outcome.misfits += decoded.misfits.len() as u64;
    }
    let sketch = &inference.sketch;
    assert_eq!(outcome.read, sketch.records() + sketch.bad().count(), "both passes read the same records");
    Ok(outcome)
}

/// The peak of this process's memory.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Reads one file and prints what came of it.
fn report(name: &str) {
    let stored = fixtures().into_iter().find(|stored| stored.name == format!("poison/{name}")).unwrap();
    match run(&stored.source()) {
        Ok(Outcome { read, rows, misfits }) => println!("outcome\tok\t{read}\t{rows}\t{misfits}\t{}", peak_kib()),
        Err(error) => println!("outcome\t{}\t0\t0\t0\t{}", error.kind().as_str(), peak_kib()),
    }
}

/// A line of the table, with what came of the file.
#[derive(Debug)]
struct Row {
    name: String,
    /// rows_in, loaded, quarantined, min_loaded.
    expected: [Option<u64>; 4],
    ending: String,
    read: u64,
    loaded: u64,
    quarantined: u64,
    peak_kib: u64,
}

fn rows() -> Vec<Row> {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/poison/EXPECT.tsv");
    let table = std::fs::read_to_string(table).unwrap();
    table.lines().skip(1).map(|line| row(&line.split('\t').collect::<Vec<_>>())).collect()
}

fn row(cells: &[&str]) -> Row {
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this)
        .args(["--exact", "every_hostile_file_ends_as_expected_in_bounded_memory", "--nocapture"])
        .env(FILE, cells[0])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().find_map(|line| line.split_once("outcome\t"));
    let (_, found) = found.unwrap_or_else(|| panic!("{}: {text}{}", cells[0], String::from_utf8_lossy(&output.stderr)));
    let found: Vec<&str> = found.split('\t').collect();
    let number = |at: usize| found[at].trim().parse().unwrap();
    Row {
        name: cells[0].to_string(),
        expected: [1, 2, 3, 4].map(|at| cells[at].parse().ok()),
        ending: found[0].to_string(),
        read: number(1),
        loaded: number(2),
        quarantined: number(3),
        peak_kib: number(4),
    }
}

#[test]
fn every_hostile_file_ends_as_expected_in_bounded_memory() {
    if let Ok(name) = std::env::var(FILE) {
        return report(&name);
    }
    let rows = rows();
    assert!(rows.len() >= 37);
    let mut wrong = Vec::new();
    for row in &rows {
        let [rows_in, loaded, quarantined, min_loaded] = row.expected;
        let is = |expected: Option<u64>, found: u64| expected.is_none_or(|expected| expected == found);
        let ends_well = if CORRUPT.contains(&row.name.as_str()) {
            row.ending == "corrupt"
        } else {
            row.ending == "ok" && is(rows_in, row.read) && is(loaded, row.loaded) && is(quarantined, row.quarantined)
        };
        let balanced = row.read == row.loaded + row.quarantined;
        let enough = min_loaded.is_none_or(|least| row.loaded >= least);
        println!("{} {} {} {} {} {} KiB", row.name, row.ending, row.read, row.loaded, row.quarantined, row.peak_kib);
        if !ends_well || !balanced || !enough || row.peak_kib > PEAK_KIB {
            wrong.push(row);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // No row is 64 MiB of newlines, so they cost no more than no newline at all.
    let peak = |name: &str| rows.iter().find(|row| row.name == name).unwrap().peak_kib;
    assert!(peak("bomb-64m.ndjson.gz") < peak("empty.ndjson") + (16 << 10));
}
