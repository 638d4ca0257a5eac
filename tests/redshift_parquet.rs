//! Staged Parquet files are read back by a reader that is not ours: values, types, order and counts of nulls.
#![cfg(feature = "redshift")]

#[path = "support/venv.rs"]
mod venv;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use longshore::load::{ScriptOptions, StageOptions, StageTarget};
use longshore::{Loader, Source};

/// What the reader finds in files.
fn read(paths: &[String]) -> Vec<serde_json::Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/read_parquet.py");
    let mut python = Command::new(venv::python("pyarrow", "26.0.1"));
    let mut child = python.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(paths).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the reader stopped: {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A record and its values as the reader spells them.
fn record(n: u32) -> (String, Vec<Option<String>>) {
    let some = |text: String| Some(text);
    let present = n % 5 != 3;
    let big = i64::MIN + i64::from(n);
    let money = format!("{}.{:02}", 10_u64.pow(17) + u64::from(n), n % 100);
    let (day, second) = (1 + n % 28, n % 60);
    let uid = format!("00000000-0000-4000-8000-{n:012x}");
    let name = ["", "plain", "a\"b\\c", "zeile\nzwei", "日本語"][n as usize % 5];
    let quoted = serde_json::to_string(name).unwrap();
    let mut json = format!(
        "{{\"id\":{n},\"big\":{big},\"half\":{}.5,\"money\":{money},\"flag\":{},\"day\":\"2024-02-{day:02}\",\
         \"at\":\"2024-02-{day:02}T10:11:{second:02}.123456\",\"instant\":\"2024-02-{day:02}T10:11:{second:02}+02:00\",\
         \"uid\":\"{uid}\",\"name\":{quoted}",
        n,
        n.is_multiple_of(2),
    );
    if present {
        json.push_str(&format!(",\"maybe\":{n},\"tags\":[{n},{{\"k\":null}}]"));
    }
    json.push_str("}\n");
    let values = vec![
        some(n.to_string()),
        some(big.to_string()),
        some(format!("{n}.5")),
        some(money),
        some(n.is_multiple_of(2).to_string()),
        some(format!("2024-02-{day:02}")),
        some(format!("2024-02-{day:02} 10:11:{second:02}.123456")),
        some(format!("2024-02-{day:02} 08:11:{second:02}.000000+00:00")),
        some(uid),
        some(name.to_owned()),
        present.then(|| n.to_string()),
        present.then(|| format!("[{n},{{\"k\":null}}]")),
    ];
    (json, values)
}

#[test]
fn another_reader_finds_every_value_in_its_type_and_place() {
    const RECORDS: u32 = 30_000;
    let root = tempfile::tempdir().unwrap();
    let stage = StageOptions::new(format!("file://{}", root.path().display())).unwrap().with_slices(3);
    let options = ScriptOptions::new(stage.with_part_bytes(1 << 20));
    let (input, expected): (Vec<String>, Vec<_>) = (0..RECORDS).map(record).unzip();
    let loader = Loader::stage(options.clone()).table("all_types").load_id("one");
    let report = loader.load(Source::bytes(input.concat())).unwrap();
    assert_eq!(report.counts.loaded, u64::from(RECORDS));

    let staged = StageTarget::find(&options, "all_types", "one").unwrap().unwrap();
    let paths: Vec<String> = staged.files.iter().map(|(url, _)| url["file://".len()..].to_owned()).collect();
    let files = read(&paths);
    let types: Vec<(&str, &str, &str)> = files[0]["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| {
            let text = |at: usize| column[at].as_str().unwrap();
            (text(0), text(1), text(2).split('(').next().unwrap())
        })
        .collect();
    assert_eq!(
        types,
        [
            ("id", "INT32", "Int"),
            ("big", "INT64", "None"),
            ("half", "DOUBLE", "None"),
            ("money", "FIXED_LEN_BYTE_ARRAY", "Decimal"),
            ("flag", "BOOLEAN", "None"),
            ("day", "INT32", "Date"),
            ("at", "INT64", "Timestamp"),
            ("instant", "INT64", "Timestamp"),
            ("uid", "BYTE_ARRAY", "String"),
            ("name", "BYTE_ARRAY", "String"),
            ("maybe", "INT32", "Int"),
            ("tags", "BYTE_ARRAY", "String"),
        ]
    );
    let nulls: u64 = files.iter().map(|file| file["columns"][10][3].as_u64().unwrap()).sum();
    assert_eq!(nulls, expected.iter().filter(|row| row[10].is_none()).count() as u64);
    let rows = files.iter().flat_map(|file| file["rows"].as_array().unwrap());
    let mut count = 0;
    for (row, wanted) in rows.zip(&expected) {
        let found: Vec<Option<String>> = serde_json::from_value(row.clone()).unwrap();
        assert_eq!(found, *wanted, "row {count}");
        count += 1;
    }
    assert_eq!(count, expected.len());
    assert_eq!(files.iter().map(|file| file["rows"].as_array().unwrap().len()).sum::<usize>(), expected.len());
}
