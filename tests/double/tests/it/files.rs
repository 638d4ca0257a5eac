//! Staged files, read by DuckDB: a reader that is not ours, and not the one that wrote them.

use std::process::Command;

use longshore::load::{ScriptOptions, StageOptions, StageTarget};
use longshore::{Loader, Source};

use crate::grammar::python;

const DUCKDB: &str = "duckdb==2.0.0";

/// A thousand records of every type; each field is missing in every seventh.
fn records() -> String {
    let mut all = String::new();
    for i in 0..1000_i64 {
        let fields = [
            format!("\"whole\":{}", i * 9_007_199_254_740_993),
            format!("\"small\":{}", i % 100 - 50),
            format!("\"exact\":1844674407370955161{}.5{}", i % 10, i % 7),
            format!("\"double\":{}e-{}", i, i % 300),
            format!("\"yes\":{}", i % 2 == 0),
            format!("\"text\":\"{} é 日本 😀 \\\"\\\\ \\n\\t '\"", "x".repeat(i as usize % 50)),
            format!("\"day\":\"20{:02}-0{}-1{}\"", i % 100, i % 9 + 1, i % 10),
            format!("\"local\":\"2024-02-29T1{}:0{}:59.{:06}\"", i % 10, i % 6, i * 37),
            format!("\"zoned\":\"2024-02-29T1{}:00:00+0{}:30\"", i % 10, i % 9),
            format!("\"list\":[{i},\"a\",{{\"b\":null}}]"),
            format!("\"uuid\":\"123e4567-e89b-12d3-a456-{i:012}\""),
        ];
        let kept = fields
            .iter()
            .enumerate()
            .filter(|(at, _)| !(i as usize + at).is_multiple_of(7))
            .map(|(_, field)| field.as_str());
        all.push_str(&format!("{{\"id\":{i},{}}}\n", kept.collect::<Vec<_>>().join(",")));
    }
    all
}

#[test]
fn another_reader_finds_every_value_in_the_staged_files() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("records.ndjson");
    std::fs::write(&input, records()).unwrap();
    let stage = StageOptions::new(format!("file://{}/staged", folder.path().display())).unwrap().with_slices(3);
    let options = ScriptOptions::new(stage);
    let report = Loader::stage(options.clone()).table("t").load_id("one").load(Source::path(&input)).unwrap();
    assert_eq!((report.counts.loaded, report.counts.quarantined), (1000, 0));
    let staged = StageTarget::find(&options, "t", "one").unwrap().expect("it was staged");
    let files: Vec<&str> =
        staged.files.iter().map(|(url, _)| url.strip_prefix("file://").expect("a local file")).collect();
    for ((_, size), file) in staged.files.iter().zip(&files) {
        assert_eq!(std::fs::metadata(file).unwrap().len(), *size, "the manifest has the exact size");
    }
    let script = folder.path().join("read_parquet.py");
    std::fs::write(&script, include_str!("read_parquet.py")).unwrap();
    let output = Command::new(python(DUCKDB)).arg(&script).arg(&input).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let schemas: Vec<&str> = printed.lines().collect();
    assert!(schemas.len() == files.len() && schemas.iter().all(|schema| *schema == schemas[0]), "{printed}");
    assert!(schemas[0].contains("FIXED_LEN_BYTE_ARRAY"), "decimals are of fixed length: {}", schemas[0]);
}
