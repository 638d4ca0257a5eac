//! Inputs that are hostile, or that change while they are read.

use std::path::Path;

use longshore::{ErrorKind, Loader, Offset, Source, StreamOptions};

use crate::support::{count, database, exists};

/// Lines that are not blank: each is one record, or none, and is accounted for.
fn lines_of(bytes: &[u8]) -> u64 {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count() as u64
}

/// The files that are made to break loaders, each decompressed and decoded as a caller of a stream would have it.
fn poison() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/poison");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".tsv") || name.ends_with(".md") || !name.contains("json") {
            continue;
        }
        let mut bytes = Vec::new();
        let read = Source::path(&path).open(0).map(|mut input| std::io::copy(&mut input, &mut bytes));
        if matches!(read, Ok(Ok(_))) {
            found.push((name, bytes));
        }
    }
    assert!(found.len() > 10, "{}", found.len());
    found
}

#[test]
fn hostile_records_in_a_stream_are_rows_or_quarantined_and_touch_nothing_else() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE x (id int); INSERT INTO x VALUES (1), (2), (3)").unwrap();
    let mut refused = Vec::new();
    for (nth, (name, bytes)) in poison().into_iter().enumerate() {
        let table = format!("p{nth}");
        let options = StreamOptions::default().max_bytes(4 << 20);
        let mut loader = Loader::new(&url).table(&table).open_with(options).unwrap();
        let mut position = 0;
        let mut outcome = Ok(());
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            // Whole lines, of at least 64 KiB together.
            let least = rest.len().min(64 << 10);
            let end = rest[least - 1..].iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| least + at);
            let (piece, behind) = rest.split_at(end);
            (rest, position) = (behind, position + piece.len() as u64);
            outcome = loader.write(piece, Offset::new("s", position));
            if outcome.is_err() {
                break;
            }
        }
        let outcome = outcome.and_then(|()| loader.commit().map(drop));
        let totals = loader.totals().counts;
        assert_eq!(totals.read, totals.loaded + totals.quarantined, "{name}");
        match &outcome {
            Ok(()) => assert_eq!(totals.read, lines_of(&bytes), "{name}: lines are not accounted for"),
            Err(_) => refused.push(name.clone()),
        }
        if let Err(error) = outcome {
            // What a table cannot hold at all, such as too many columns, is said, and nothing is half there.
            assert!(matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Database), "{name}: {error}");
            assert!(!error.is_temporary(), "{name}: {error}");
            println!("{name}: {error}");
        }
        let kept = format!("SELECT count(*) FROM _longshore_quarantine WHERE table_name = '{table}'");
        if totals.read > 0 {
            let kept: i64 = client.query_one(&kept, &[]).unwrap().get(0);
            assert_eq!(kept as u64, totals.quarantined, "{name}");
        }
        let rows = if exists(&mut client, &table) { count(&mut client, &table) as u64 } else { 0 };
        assert_eq!(rows, totals.loaded, "{name}");
    }
    assert_eq!(refused, [""; 0], "streams that were refused");
    let row = client.query_one("SELECT count(*), sum(id) FROM x", &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (3, 6), "another table changed");
}

/// Loads a file that is changed between the two passes.
#[cfg(feature = "failpoints")]
fn changed_under_way(change: impl FnOnce(&Path)) -> (bool, postgres::Client, String, tempfile::TempDir) {
    use crate::child::{Work, child};
    use crate::known;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known.ndjson");
    std::fs::write(&file, known::lines(0..2_000)).unwrap();
    let (url, client) = database();
    let mut command = child(Work::Load, &url, &file.display().to_string());
    // The evidence has been read, and nothing has been sent.
    let mut child = command.env("FAILPOINTS", "schema.resolve=sleep(2500)").spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1200));
    change(&file);
    (child.wait().unwrap().success(), client, url, folder)
}

#[cfg(feature = "failpoints")]
#[test]
fn an_input_that_changes_while_it_is_read_loads_nothing_and_then_as_it_is() {
    use crate::known;
    type Change = fn(&Path);
    let changes: [Change; 3] = [
        |file| std::fs::write(file, known::lines(0..1_000)).unwrap(),
        |file| std::fs::write(file, known::lines(0..2_000).replace("text 5\"", "TEXT 5\"")).unwrap(),
        |file| {
            // Rotated: another file takes the name.
            std::fs::rename(file, file.with_extension("1")).unwrap();
            std::fs::write(file, known::lines(1_000..2_000)).unwrap();
        },
    ];
    for (nth, change) in changes.into_iter().enumerate() {
        let (through, mut client, url, folder) = changed_under_way(change);
        assert!(!through, "change {nth} was not noticed");
        assert!(!exists(&mut client, "t"), "change {nth}: something was loaded");
        let file = folder.path().join("known.ndjson");
        Loader::new(&url).table("t").load(Source::path(&file)).unwrap();
        holds_what_is_in(&file, &mut client);
    }
}

/// Holds table and quarantine against a file, line by line, as another reader of JSON has them.
#[cfg(feature = "failpoints")]
fn holds_what_is_in(file: &Path, client: &mut postgres::Client) {
    let text = std::fs::read_to_string(file).unwrap();
    let read = |line| serde_json::from_str::<serde_json::Value>(line).ok();
    let (records, broken): (Vec<_>, Vec<_>) = text.lines().map(read).partition(Option::is_some);
    let mut wanted: Vec<(i64, String)> = records
        .into_iter()
        .flatten()
        .map(|record| (record["a"].as_i64().unwrap(), record["s"].as_str().unwrap().to_owned()))
        .collect();
    wanted.sort();
    let rows = client.query("SELECT a::bigint, s FROM t ORDER BY a, s", &[]).unwrap();
    let found: Vec<(i64, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(found == wanted, "{} rows of {} records", found.len(), wanted.len());
    assert_eq!(count(client, "_longshore_quarantine"), broken.len() as i64);
}

#[cfg(feature = "failpoints")]
#[test]
fn a_file_that_grows_while_it_is_read_is_loaded_up_to_where_it_ended_or_not_at_all() {
    use crate::known;
    use std::io::Write;
    let (through, mut client, url, folder) = changed_under_way(|file| {
        let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
        file.write_all(known::lines(2_000..3_000).as_bytes()).unwrap();
    });
    if through {
        known::check(&mut client, 2_000);
    } else {
        assert!(!exists(&mut client, "t"));
        Loader::new(&url).table("t").load(Source::path(folder.path().join("known.ndjson"))).unwrap();
        known::check(&mut client, 3_000);
    }
}
