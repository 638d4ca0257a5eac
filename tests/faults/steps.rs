//! Every step fails, panics and is killed at its first, second, third … time, until a run passes untouched.
#![cfg(feature = "failpoints")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use postgres::Client;

use crate::child::{Work, child};
use crate::support::database;
use crate::{elements, is_full, known, replays, times, versions};

const RECORDS: i64 = 2_000;
/// Records of a stream: enough batches for some to be copied before their turn.
const STREAMED: i64 = 8_000;
const ACTIONS: [&str; 4] = ["kill", "error", "panic", "temporary"];

/// The names of all points, as the sources have them.
fn points() -> BTreeSet<String> {
    fn walk(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            found.extend(
                text.split("fault::point(\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())),
            );
        }
    }
    let mut found = BTreeSet::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() >= 25, "{found:?}");
    found
}

/// A place that is loaded into, made empty before each run and held against the oracle behind it.
struct Place<'a> {
    work: Work,
    url: String,
    input: String,
    clear: &'a mut dyn FnMut(),
    check: &'a mut dyn FnMut(),
}

/// Fails every point at every hit. Returns how often something failed, and at which points.
fn fail_everywhere(place: &mut Place<'_>) -> (u64, BTreeSet<String>) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let (mut steps, mut reached) = (0, BTreeSet::new());
    for point in points() {
        for action in ACTIONS {
            for nth in 1..=times(1, u64::MAX) {
                (place.clear)();
                fs::write(log.path(), "").unwrap();
                let before = if nth == 1 { String::new() } else { format!("{}*off->", nth - 1) };
                let run = |points: Option<String>| {
                    let mut child = child(place.work, &place.url, &place.input);
                    child.env("LONGSHORE_FAILPOINTS_LOG", log.path());
                    if let Some(points) = points {
                        child.env("FAILPOINTS", points);
                    }
                    child.status().unwrap().success()
                };
                let through = run(Some(format!("{point}={before}1*return({action})")));
                let untouched = fs::read_to_string(log.path()).unwrap().is_empty();
                assert!(through || !untouched, "{point} was not reached, and yet the run failed");
                if !through {
                    assert!(run(None), "the run behind {action} at hit {nth} of {point} does not go through");
                }
                (place.check)();
                if untouched {
                    break;
                }
                steps += 1;
                reached.insert(point.clone());
            }
            if !reached.contains(&point) {
                break;
            }
        }
    }
    println!("{:?}: {steps} failures survived, at {} points: {reached:?}", place.work, reached.len());
    (steps, reached)
}

fn empty(client: &mut Client) {
    let tables = "DROP TABLE IF EXISTS t, _longshore_loads, _longshore_quarantine, _longshore_offsets";
    client.batch_execute(tables).unwrap();
}

fn into_postgres(work: Work, input: String, records: i64) -> (u64, BTreeSet<String>) {
    let (url, client) = database();
    let client = std::cell::RefCell::new(client);
    fail_everywhere(&mut Place {
        work,
        url,
        input,
        clear: &mut || empty(&mut client.borrow_mut()),
        check: &mut || known::check(&mut client.borrow_mut(), records),
    })
}

fn expect(reached: &BTreeSet<String>, names: &[&str]) {
    for name in names {
        assert!(reached.contains(*name), "{name} is never reached");
    }
}

#[test]
fn a_load_that_fails_at_any_step_is_completed_by_the_next_run() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), known::lines(0..RECORDS)).unwrap();
    let (steps, reached) = into_postgres(Work::Load, file.path().display().to_string(), RECORDS);
    let shared = ["source.open", "source.read", "infer.chunk", "schema.resolve", "decode.chunk"];
    expect(&reached, &shared);
    let there = ["session.connect", "transaction.begin", "ledger.create", "table.create", "copy.begin", "copy.rows"];
    expect(&reached, &there);
    expect(
        &reached,
        &["copy.end", "quarantine.push", "quarantine.write", "ledger.write", "commit.send", "commit.answer"],
    );
    assert!(steps >= if is_full() { 200 } else { 60 }, "{steps}");
}

#[test]
fn a_stream_that_fails_at_any_step_is_completed_by_the_next_run() {
    let (steps, reached) = into_postgres(Work::Stream, STREAMED.to_string(), STREAMED);
    expect(&reached, &["infer.chunk", "decode.chunk", "table.create", "table.lock", "table.alter", "copy.begin"]);
    expect(&reached, &["copy.rows", "copy.end", "quarantine.write", "ledger.write", "offsets.write", "commit.send"]);
    expect(&reached, &["commit.answer", "session.connect", "transaction.begin", "ledger.create"]);
    expect(&reached, &["early.begin", "early.rows", "early.turn"]);
    assert!(steps >= if is_full() { 180 } else { 60 }, "{steps}");
}

#[test]
fn a_merge_with_child_tables_that_fails_at_any_step_is_completed_by_the_next_run() {
    const VERSIONS: u64 = 60;
    let (url, client) = database();
    let client = std::cell::RefCell::new(client);
    let (steps, reached) = fail_everywhere(&mut Place {
        work: Work::Versions,
        url,
        input: VERSIONS.to_string(),
        clear: &mut || {
            empty(&mut client.borrow_mut());
            client.borrow_mut().batch_execute("DROP TABLE IF EXISTS t__items").unwrap();
        },
        check: &mut || versions::check(&mut client.borrow_mut(), VERSIONS),
    });
    expect(
        &reached,
        &["children.delete", "table.create", "copy.rows", "ledger.write", "offsets.write", "commit.answer"],
    );
    assert!(steps >= if is_full() { 180 } else { 60 }, "{steps}");
}

#[test]
fn a_load_with_child_tables_that_fails_at_any_step_is_completed_by_the_next_run() {
    const ORDERS: u64 = 1_000;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), elements::lines(ORDERS)).unwrap();
    let (url, client) = database();
    let client = std::cell::RefCell::new(client);
    let (steps, reached) = fail_everywhere(&mut Place {
        work: Work::Elements,
        url,
        input: file.path().display().to_string(),
        clear: &mut || {
            empty(&mut client.borrow_mut());
            client.borrow_mut().batch_execute("DROP TABLE IF EXISTS t__items").unwrap();
        },
        check: &mut || elements::check(&mut client.borrow_mut(), ORDERS),
    });
    expect(&reached, &["source.open", "source.read", "infer.chunk", "schema.resolve", "decode.chunk", "table.create"]);
    expect(&reached, &["copy.begin", "copy.rows", "copy.end", "quarantine.write", "ledger.write", "commit.answer"]);
    assert!(steps >= 60, "{steps}");
}

#[test]
fn a_replay_with_child_tables_that_fails_at_any_step_is_completed_by_the_next_run() {
    const ORDERS: u64 = 9;
    let (url, client) = database();
    let client = std::cell::RefCell::new(client);
    let (steps, reached) = fail_everywhere(&mut Place {
        work: Work::Replay,
        url: url.clone(),
        input: String::new(),
        clear: &mut || {
            empty(&mut client.borrow_mut());
            client.borrow_mut().batch_execute("DROP TABLE IF EXISTS t__items").unwrap();
            replays::fill(&url, ORDERS);
        },
        check: &mut || replays::check(&mut client.borrow_mut(), ORDERS),
    });
    expect(&reached, &["transaction.begin", "table.alter", "isolate.rows", "children.delete", "ledger.write"]);
    expect(&reached, &["quarantine.mark", "commit.send", "commit.answer"]);
    assert!(steps >= 40, "{steps}");
}

#[cfg(feature = "parquet")]
#[test]
fn a_load_into_a_folder_that_fails_at_any_step_is_completed_by_the_next_run() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("known.ndjson");
    fs::write(&file, known::lines(0..RECORDS)).unwrap();
    let out = root.path().join("out");
    let (steps, reached) = fail_everywhere(&mut Place {
        work: Work::Load,
        url: format!("dir:{}", out.display()),
        input: file.display().to_string(),
        clear: &mut || drop(fs::remove_dir_all(&out)),
        check: &mut || check_folder(&out),
    });
    let expected = ["folder.start", "folder.rows", "folder.parts", "folder.file", "folder.sync", "folder.rename"];
    expect(&reached, &expected);
    expect(&reached, &["folder.renamed"]);
    assert!(steps >= if is_full() { 100 } else { 40 }, "{steps}");
}

/// One load, whole, and nothing beside it.
#[cfg(feature = "parquet")]
fn check_folder(out: &Path) {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let names = |folder: &Path| -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(names(out), ["t"]);
    let loads = names(&out.join("t"));
    assert_eq!(loads.len(), 1, "{loads:?}");
    let load = out.join("t").join(&loads[0]);
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(load.join("manifest.json")).unwrap()).unwrap();
    let bad = (0..RECORDS).filter(|i| i % 97 == 0).count() as i64;
    let parts = names(&load).into_iter().filter(|name| name.ends_with(".parquet"));
    let rows = parts.map(|name| {
        let file = fs::File::open(load.join(name)).unwrap();
        SerializedFileReader::new(file).unwrap().metadata().file_metadata().num_rows()
    });
    assert_eq!(rows.sum::<i64>(), RECORDS - bad, "rows in the parts of {manifest}");
    let kept = fs::read_to_string(load.join("quarantine.ndjson")).unwrap();
    assert_eq!(kept.lines().count() as i64, bad);
}
