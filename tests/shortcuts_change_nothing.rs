//! The shortcuts that make JSON fast change nothing: records, values, places, faults and evidence are those of the plain
//! ways, on good records and on broken ones.

#[path = "../benches/support/mod.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod generators;
#[path = "support/inputs.rs"]
mod inputs;

use inputs::{fixtures, pieces, read_by, shared};
use longshore::records::{Format, Limits, Reader};
use longshore::sketch::Collector;
use longshore::source::Piece;
use proptest::prelude::*;

fn reader(plain: bool) -> Reader {
    let reader = Reader::new(Limits::default());
    if plain { reader.plain() } else { reader }
}

/// The evidence of newline-delimited JSON as bytes.
fn sketch(data: &[u8], chunk_bytes: usize, plain: bool) -> Vec<u8> {
    let mut reader = reader(plain);
    let collector = Collector::new(&["input"]);
    let mut collector = if plain { collector.plain() } else { collector };
    for piece in pieces(&Format::Ndjson, data, chunk_bytes) {
        match piece {
            Piece::Records(mut chunk) => {
                collector.begin(chunk.source, chunk.sequence);
                reader.read(&Format::Ndjson, &mut chunk, &mut collector);
            }
            Piece::Gap(gap) => collector.gap(gap.source, gap.offset, gap.line, &gap.reason),
        }
    }
    collector.finish(reader.paths(), &[Format::Ndjson]).to_bytes()
}

/// What differs between the quick and the plain way, if anything does.
fn difference(data: &[u8], chunk_bytes: usize) -> Option<String> {
    let [quick, plain] = [false, true].map(|plain| read_by(reader(plain), &Format::Ndjson, data, chunk_bytes));
    if let Some((quick, plain)) = quick.iter().zip(&plain).find(|(quick, plain)| quick != plain) {
        return Some(format!("{quick:?}\nis not\n{plain:?}"));
    }
    if quick.len() != plain.len() {
        return Some(format!("{} records and {}", quick.len(), plain.len()));
    }
    let same = sketch(data, chunk_bytes, false) == sketch(data, chunk_bytes, true);
    (!same).then(|| "the evidence differs".to_string())
}

#[test]
fn on_what_the_generators_write() {
    for data in [generators::clickstream(2 << 20), generators::events(2 << 20)] {
        for chunk_bytes in [1 << 10, 64 << 10, 4 << 20] {
            assert_eq!(difference(&data, chunk_bytes), None);
        }
    }
}

#[test]
fn on_every_json_file() {
    let folders = ["ndjson", "simdjson", "duckdb-json", "arrow-json", "drift", "jsontestsuite/test_parsing"];
    let stored = fixtures().into_iter().chain(folders.into_iter().flat_map(shared));
    let mut compared = 0;
    for stored in stored.filter(|stored| stored.name.contains("json")) {
        let Some(data) = stored.decoded().filter(|data| data.len() < 16 << 20) else { continue };
        for chunk_bytes in [256, 64 << 10] {
            assert_eq!(difference(&data, chunk_bytes), None, "{}", stored.name);
        }
        compared += 1;
    }
    assert!(compared > 3, "the fixtures are part of the repository");
}

#[test]
fn on_keys_and_blanks_of_all_kinds() {
    let long = "k".repeat(80);
    let deep = |n: usize| format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n));
    let wide = |n: usize| format!("{{{}}}", (0..n).map(|i| format!("\"k{i}\":{i}")).collect::<Vec<_>>().join(","));
    let lines = [
        r#"{"a":1,"b":"x","c":null}"#.to_string(),
        r#"{ "a" : 1 , "b" : "x" , "c" : null } "#.to_string(),
        "{\"a\":1,\"b\":\"x\",\"c\":null}\r".to_string(),
        r#"  {"a":1}"#.to_string(),
        r#"{"a":{},"b":{"c":{}},"d":[]}"#.to_string(),
        r#"{"a":{"x":1},"b":{"c":{"d":2}},"d":[{"a":[{}]},[],"]"]}"#.to_string(),
        r#"{"a":1,"a":2}"#.to_string(),
        r#"{"a":{"x":1},"a":{"y":2}}"#.to_string(),
        r#"{"\u0061":1,"b\"c":2,"é":3,"":4}"#.to_string(),
        format!(r#"{{"{long}":1,"{long}x":"{long}"}}"#),
        deep(5),
        deep(17),
        deep(70),
        deep(1001),
        wide(999),
        wide(1001),
        format!(r#"{{"a":{}}}"#, wide(1001)),
        String::new(),
        " \t".to_string(),
        "[1]".to_string(),
        "{}".to_string(),
        "{}{}".to_string(),
        r#"{"a":01}"#.to_string(),
        r#"{"a":1.}"#.to_string(),
        r#"{"a":1.5e3,"b":-0,"c":-0.0e-1,"d":123456789012345678901234567890123456789.5}"#.to_string(),
        r#"{"a":1.2.3}"#.to_string(),
        r#"{"a":tru}"#.to_string(),
        r#"{"a":truex}"#.to_string(),
        r#"{"a":"\ud800"}"#.to_string(),
        r#"{"a":"\u0000"}"#.to_string(),
        "{\"a\":\"x\ty\"}".to_string(),
        r#"{"a":"x"#.to_string(),
        r#"{"a":1,}"#.to_string(),
        r#"{,"a":1}"#.to_string(),
        r#"{"a":[1,]}"#.to_string(),
        r#"{"a":[1 2]}"#.to_string(),
        r#"{"a":{"b":1]}"#.to_string(),
    ];
    // Each after each, so that what one has taught is tried on the other, and at the end of the input too.
    for first in &lines {
        for second in &lines {
            for data in [format!("{first}\n{second}\n{first}\n{second}"), format!("{first}\n{first}\n{second}\n")] {
                assert_eq!(difference(data.as_bytes(), 1 << 20), None, "{data}");
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Edit {
    Replace(u8),
    Insert(&'static str),
    Remove(usize),
    Double(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let texts = [
        "\"",
        "\\",
        "\n",
        " ",
        "\t",
        "\r\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "0",
        "1e5",
        "-",
        ".5",
        "null",
        "{}",
        "\\u00e9",
        "\u{1}",
        "\\\"",
        "\"a\":1,",
        "é",
        "2024-05-06",
        "T10:11:12Z",
    ];
    prop_oneof![
        any::<u8>().prop_map(Edit::Replace),
        proptest::sample::select(texts.to_vec()).prop_map(Edit::Insert),
        (1usize..40).prop_map(Edit::Remove),
        (1usize..40).prop_map(Edit::Double),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn on_records_with_something_wrong(
        events in any::<bool>(), skip in 0usize..50,
        edits in prop::collection::vec((any::<prop::sample::Index>(), edit()), 1..20),
    ) {
        let text = if events { generators::events(1 << 16) } else { generators::clickstream(1 << 16) };
        let mut data: Vec<u8> = text.split_inclusive(|byte| *byte == b'\n').skip(skip).take(24).flatten().copied().collect();
        for (at, edit) in edits {
            let at = at.index(data.len());
            match edit {
                Edit::Replace(byte) => data[at] = byte,
                Edit::Insert(text) => { data.splice(at..at, text.bytes()); }
                Edit::Remove(len) => { data.drain(at..data.len().min(at + len).max(at + 1)); }
                Edit::Double(len) => {
                    let part = data[at..data.len().min(at + len)].to_vec();
                    data.splice(at..at, part);
                }
            }
            data.push(b'\n');
        }
        for chunk_bytes in [1 << 10, 1 << 20] {
            prop_assert_eq!(difference(&data, chunk_bytes), None);
        }
    }
}
