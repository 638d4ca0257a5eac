//! Same bytes, same schema: the evidence does not depend on chunks, threads or the order of merging.

#[path = "support/inputs.rs"]
mod inputs;

use inputs::{Stored, fixtures, shared_all};
use longshore::records::{FormatOptions, Kind, Limits};
use longshore::sketch::ClassSet;
use longshore::{Inference, Policy, ReadOptions, Schema, Sketch, Source, Type};
use proptest::prelude::*;

/// As much as almost any of the inputs has.
const WHOLE: usize = 8 << 20;

fn options(threads: usize, chunk_bytes: usize) -> ReadOptions {
    let limits = Limits { max_record_bytes: 128 << 20, ..Limits::default() };
    ReadOptions { limits, ..ReadOptions::default().threads(threads).chunk_bytes(chunk_bytes) }
}

/// The sketch as bytes, or why there is none.
fn sketch(source: &Source, threads: usize, chunk_bytes: usize) -> Result<Vec<u8>, String> {
    match Inference::of(source, &options(threads, chunk_bytes)) {
        Ok(inference) => Ok(inference.sketch.to_bytes()),
        Err(error) => Err(format!("{:?}: {error}", error.kind())),
    }
}

fn same_however_it_is_cut(stored: &Stored) {
    let source = stored.source();
    let is_small = stored.bytes.len() < 8 << 10;
    let expected = sketch(&source, 1, if is_small { 64 << 10 } else { WHOLE });
    // Small inputs are cut smaller, so that they too come in many chunks.
    let small = [(1, 16), (2, 64), (8, 256)];
    let large = [(1, 1 << 10), (1, 64 << 10), (2, 1 << 10), (2, 64 << 10), (2, 1 << 20), (8, 1 << 10), (8, WHOLE)];
    for (threads, chunk_bytes) in if is_small { &small[..] } else { &large[..] } {
        let found = sketch(&source, *threads, *chunk_bytes);
        assert!(found == expected, "{}: {threads} threads, {chunk_bytes} bytes", stored.name);
    }
}

#[test]
fn every_fixture_gives_the_same_sketch_however_it_is_cut() {
    for stored in fixtures() {
        // What expands to 64 MiB takes long in small chunks, and has no more to show.
        let is_large = stored.name.contains("64m");
        if is_large {
            let (a, b) = (sketch(&stored.source(), 1, WHOLE), sketch(&stored.source(), 2, 64 << 10));
            assert!(a == b, "{}", stored.name);
        } else {
            same_however_it_is_cut(&stored);
        }
    }
}

#[test]
fn every_input_of_others_gives_the_same_sketch_however_it_is_cut() {
    shared_all().iter().for_each(same_however_it_is_cut);
}

#[test]
fn every_typed_case_gives_the_same_sketch_however_it_is_cut() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/inference-cases.jsonl");
    let cases = std::fs::read_to_string(path).unwrap();
    let mut compared = 0;
    for line in cases.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(input) = case["input"].as_str() else { continue };
        let source = Source::bytes(input).named(case["id"].as_str().unwrap());
        let expected = sketch(&source, 1, 64 << 10);
        for chunk_bytes in [1, 7, 64] {
            assert_eq!(sketch(&source, 2, chunk_bytes), expected, "{}", case["id"]);
        }
        compared += 1;
    }
    assert!(compared > 150, "only {compared} cases");
}

/// Maps with more keys than are told apart, keys that stand twice, and broken records with keys of their own: what one
/// thread has seen must not show in what it makes of the next record.
#[test]
fn maps_and_broken_records_give_the_same_sketch_however_they_are_cut() {
    let mut text = String::new();
    for record in 0..40 {
        let key = |i: usize| format!("\"k{}\":{{\"v\":{i},\"v\":1}}", (record * 400 + i) % 14_000);
        let keys: Vec<String> = (0..400).map(key).collect();
        text.push_str(&format!("{{\"id\":{record},\"id\":{record},\"m\":{{{}}}}}\n", keys.join(",")));
        // Nested too many fields to be taken apart, once only behind the limit of the map.
        let more: Vec<String> = (0..1_200).map(|i| format!("\"k{}\":{i}", record * 1_000 + i)).collect();
        text.push_str(&format!("{{\"m\":{{{}}},\"n\":{{{}}}}}\n", keys.join(","), more.join(",")));
        text.push_str(&format!("{{\"n\":{{{},\"a\":1}}}}\n", more[..900].join(",")));
        // Broken at the end, and too wide.
        text.push_str(&format!("{{{},\"b\":}}\n", more.join(",")));
        let wide: Vec<String> = (0..10_001).map(|i| format!("\"w{record}_{i}\":0")).collect();
        if record % 8 == 0 {
            text.push_str(&format!("{{{}}}\n", wide.join(",")));
        }
    }
    let stored = Stored { name: "maps.ndjson".into(), bytes: text.into_bytes() };
    same_however_it_is_cut(&stored);
    let sketch = Inference::of(&stored.source(), &options(1, 0)).unwrap().sketch;
    assert_eq!((sketch.records(), sketch.bad().count()), (120, 45));
    let schema = Policy::default().resolve(&sketch).unwrap();
    let columns: Vec<(String, Type)> =
        schema.columns.iter().map(|column| (column.path.to_string(), column.ty)).collect();
    assert_eq!(columns, [("id".into(), Type::Int16), ("m".into(), Type::Json), ("n".into(), Type::Json)]);
    assert_eq!(sketch.duplicate_keys().0, 40);
}

/// A sample jumps over most of a file; what it says of lines must be right all the same, or 0 for not known.
#[test]
fn a_sample_never_names_a_wrong_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sampled.ndjson");
    let line = |at: usize| if at % 10 == 3 { "{broken\n".to_string() } else { format!("{{\"a\":{at},\"b\":\"x\"}}\n") };
    let text: String = (0..40_000).map(line).collect();
    std::fs::write(&path, &text).unwrap();
    let options = ReadOptions::default().threads(1).sample(longshore::Sample::Bytes(16 << 10));
    let sketch = Inference::of(&Source::path(&path), &options).unwrap().sketch;
    assert!(sketch.records() < 4_000 && sketch.bad().count() > 10);
    let jumped = sketch.bad().first().iter().filter(|(position, _)| {
        let before = text[..position.offset as usize].matches('\n').count() as u64;
        assert!(position.line == 0 || position.line == before + 1, "{position:?} is line {}", before + 1);
        position.line == 0
    });
    assert!(jumped.count() > 0);
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "0",
        "1",
        "-7",
        "40000",
        "3000000000",
        "9007199254740993",
        "98765432109876543210",
        "1.5",
        "1.0",
        "12345678901234567.89",
        "1e5",
        "1e400",
        "\"\"",
        "\"x\"",
        "\"2024-02-29\"",
        "\"2024-02-30\"",
        "\"2024-01-05T10:20:30Z\"",
        "\"2024-01-05 10:20:30.123456789\"",
        "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\"",
        "\"yes\"",
        "\"01/02/2024\"",
        "[1]",
        "{}",
        "-0.0",
        "0.0",
        "1e-400",
        "\"0001-01-01T00:00:00.000000001\"",
    ])
    .prop_map(str::to_string);
    prop_oneof![6 => leaf.clone(), 1 => leaf.prop_map(|leaf| format!("{{\"a\":{leaf},\"a\":1}}"))]
}

fn line() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec!["a", "b", "c", "a.a"]);
    let field = (key, value()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
    prop_oneof![
        9 => prop::collection::vec(field, 0..4).prop_map(|fields| format!("{{{}}}", fields.join(","))),
        1 => Just("{\"b\":".to_string()),
    ]
}

/// A sketch of an input with this name, which may also be CSV.
fn part(name: &str, lines: &[String], csv: bool) -> Sketch {
    let (text, kind) = if csv {
        (format!("a,b,a\n{}", lines.iter().map(|line| format!("{},7,x\n", line.len())).collect::<String>()), Kind::Csv)
    } else {
        (lines.join("\n"), Kind::Ndjson)
    };
    let format = FormatOptions { kind: Some(kind), header: Some(true), ..FormatOptions::default() };
    Inference::of(&Source::bytes(text).named(name), &ReadOptions::default().threads(1).format(format)).unwrap().sketch
}

/// Whether all values of the narrower type are values of the wider one.
fn holds(wider: Type, narrower: Type) -> bool {
    use Type::{Boolean, Date, Decimal, Float64, Int16, Int32, Int64, Json, Null, Text, Timestamp, Uuid};
    match (narrower, wider) {
        _ if narrower == wider => true,
        (Null, _) | (_, Json) => true,
        (Json, _) => false,
        (_, Text) => true,
        (Int16, Int32 | Int64 | Float64) | (Int32, Int64 | Float64) | (Int64, Float64) => true,
        (Int16 | Int32 | Int64 | Float64, Decimal { .. }) => true,
        (Decimal { precision: p, scale: s }, Decimal { precision, scale }) => scale >= s && precision - scale >= p - s,
        (Decimal { .. }, Float64) | (Date, Timestamp(_)) => true,
        (Timestamp(a), Timestamp(b)) => a < b,
        (Type::TimestampTz(a), Type::TimestampTz(b)) => a < b,
        (Boolean | Uuid, _) => false,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn merging_is_commutative_and_associative_with_an_identity(
        lines in prop::collection::vec(prop::collection::vec(line(), 0..6), 3), csv in any::<bool>()
    ) {
        let a = part("m", &lines[0], false);
        let b = part("z", &lines[1], csv);
        let c = part("c", &lines[2], false);
        let merged = a.clone().merge(b.clone()).merge(c.clone());
        prop_assert_eq!(&c.clone().merge(b.clone()).merge(a.clone()), &merged);
        prop_assert_eq!(&a.clone().merge(c.clone().merge(b.clone())), &merged);
        prop_assert_eq!(&Sketch::default().merge(a.clone()), &a);
        prop_assert_eq!(&a.clone().merge(Sketch::default()), &a);
        let bytes = merged.to_bytes();
        let back = Sketch::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&back, &merged);
        prop_assert_eq!(back.to_bytes(), bytes);
        // The same inputs read together, in another order.
        if !csv {
            let together = |names: [(&str, usize); 3]| {
                let folder = tempfile::tempdir().unwrap();
                let paths = names.map(|(name, at)| {
                    let path = folder.path().join(name);
                    std::fs::write(&path, lines[at].join("\n") + "\n").unwrap();
                    path
                });
                let format = FormatOptions { kind: Some(Kind::Ndjson), ..FormatOptions::default() };
                let options = ReadOptions::default().threads(2).chunk_bytes(16).format(format);
                let sketch = Inference::of(&Source::paths(paths), &options).unwrap().sketch;
                String::from_utf8(sketch.to_bytes()).unwrap().replace(&*folder.path().to_string_lossy(), "")
            };
            prop_assert_eq!(together([("m", 0), ("z", 1), ("c", 2)]), together([("c", 2), ("m", 0), ("z", 1)]));
        }
    }

    /// What one more record shows can only widen a column, and no column goes away but into one that holds it.
    #[test]
    fn types_only_widen_when_evidence_is_added(
        known in prop::collection::vec(line(), 1..6), more in prop::collection::vec(line(), 1..3)
    ) {
        let before = part("a", &known, false);
        let after = before.clone().merge(part("b", &more, false));
        let resolve = |sketch: &Sketch| -> Schema { Policy::default().resolve(sketch).unwrap() };
        let (narrow, wide) = (resolve(&before), resolve(&after));
        for column in &narrow.columns {
            let keys = column.path.keys();
            match wide.columns.iter().find(|other| other.path.keys() == keys) {
                Some(other) => prop_assert!(holds(other.ty, column.ty), "{} became {}", column.ty, other.ty),
                None => {
                    let above = |other: &&longshore::Column| {
                        keys.starts_with(other.path.keys()) && other.ty == Type::Json
                    };
                    let apart = |other: &&longshore::Column| other.path.keys().starts_with(keys);
                    let empty = column.ty == Type::Null || before.fields().iter().any(|field| {
                        field.path.keys() == keys && field.evidence.classes().within(ClassSet::of(&[
                            longshore::sketch::Class::Null, longshore::sketch::Class::EmptyObject]))
                    });
                    let held = wide.columns.iter().any(|other| above(&other));
                    prop_assert!(held || (empty && wide.columns.iter().any(|other| apart(&other))), "`{}` is gone", column.path);
                }
            }
        }
    }
}

#[test]
fn a_sketch_that_was_tampered_with_is_refused_and_never_a_panic() {
    let sketch = Sketch::of(&Source::bytes("{\"a\":1}\n{\"a\":\"x\"}\n")).unwrap();
    let text = String::from_utf8(sketch.to_bytes()).unwrap();
    let numbers: Vec<(usize, usize)> = {
        let bytes = text.as_bytes();
        let starts = (1..bytes.len()).filter(|&at| bytes[at].is_ascii_digit() && !bytes[at - 1].is_ascii_digit());
        starts.map(|at| (at, bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count())).collect()
    };
    let mut refused = 0;
    for (at, len) in numbers {
        for number in ["1", "9999999", "4294967295", "18446744073709551615"] {
            let other = format!("{}{number}{}", &text[..at], &text[at + len..]);
            match Sketch::from_bytes(other.as_bytes()) {
                Err(_) => refused += 1,
                Ok(found) => {
                    let merged = found.merge(sketch.clone()).merge(sketch.clone());
                    let _ = Policy::default().resolve(&merged);
                    assert!(merged.records() > 0);
                }
            }
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn records_with_too_many_keys_between_them_are_the_same_evidence_on_any_number_of_threads() {
    let keys: String = (0..30_000).map(|i| format!("{{\"key_number_{i}\":{i}}}\n")).collect();
    let source = Source::bytes(keys);
    let whole = sketch(&source, 1, WHOLE).unwrap();
    for (threads, chunk) in [(1, 64 << 10), (4, 64 << 10), (3, 200 << 10)] {
        assert!(sketch(&source, threads, chunk).unwrap() == whole, "{threads} threads, chunks of {chunk}");
    }
    let schema = Policy::default().resolve(&Sketch::from_bytes(&whole).unwrap()).unwrap();
    assert_eq!((schema.columns.len(), schema.columns[0].filled, schema.columns[0].ty), (1, 30_000, Type::Json));
    // Also where no part has too many by itself.
    let parts = (0..6).map(|part| {
        let lines: String = (0..2_000).map(|i| format!("{{\"k{}\":1}}\n", part * 2_000 + i)).collect();
        Sketch::of(&Source::bytes(lines)).unwrap()
    });
    let schema = Policy::default().resolve(&Sketch::merge_all(parts)).unwrap();
    assert_eq!((schema.columns.len(), schema.columns[0].filled), (1, 12_000));
}
