//! Nothing changes, nothing vanishes: every value of every record is in its column, exactly, or its record is a misfit.
//!
//! Records are decoded under the schema inferred from them, and every cell is compared with the record's own text by
//! means that share nothing with the decoder: digits as text, days and instants by chrono, JSON by `serde_json`.

#[path = "support/cells.rs"]
mod cells;
#[path = "support/inputs.rs"]
mod inputs;
#[path = "support/json.rs"]
mod json;
#[path = "support/judge_rows.rs"]
mod judge;

use std::sync::Arc;

use inputs::{Stored, fixtures, shared_all};
use judge::{check, decode, round_trip};
use longshore::batch::Decoder;
use longshore::records::{Format, FormatOptions, Kind, Limits};
use longshore::schema::Hint;
use longshore::source::Chunk;
use longshore::{Inference, Policy, ReadOptions, Sketch, Source, Type};
use proptest::prelude::*;

fn all_inputs() -> Vec<Stored> {
    let mut stored = fixtures();
    stored.retain(|stored| !stored.name.contains("64m"));
    stored.extend(shared_all());
    stored.retain(|stored| Inference::of(&stored.source(), &ReadOptions::default().threads(1)).is_ok());
    stored
}

#[test]
fn every_value_of_every_input_comes_back() {
    let (mut wrong, mut rows) = (Vec::new(), 0);
    for stored in all_inputs() {
        match round_trip(&stored.source(), FormatOptions::default(), &Policy::default()) {
            Ok((count, _)) => rows += count,
            Err(error) => wrong.push(format!("{}: {error}", stored.name)),
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows > 20_000, "only {rows} rows");
}

#[test]
fn every_value_comes_back_when_columns_are_few() {
    let mut wrong = Vec::new();
    for stored in all_inputs().iter().filter(|stored| stored.bytes.len() < 200 << 10) {
        for policy in
            [Policy::default().max_columns(5), Policy::default().max_columns(1), Policy::default().flatten(false)]
        {
            if let Err(error) = round_trip(&stored.source(), FormatOptions::default(), &policy) {
                wrong.push(format!("{}: {error}", stored.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_value_of_the_typed_cases_comes_back() {
    let cases =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/inference-cases.jsonl")).unwrap();
    let mut compared = 0;
    for line in cases.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(input) = case["input"].as_str() else { continue };
        let found = round_trip(&Source::bytes(input), FormatOptions::default(), &Policy::default());
        assert_eq!(found.err(), None, "{}", case["id"]);
        compared += 1;
    }
    assert!(compared > 150);
}

#[test]
fn paths_with_equal_text_keep_their_values_apart() {
    let text = "{\"a.b\":1,\"a\":{\"b\":2}}\n{\"a\":{\"b\":3}}\n{\"a.b\":4,\"c\":{\"a.b\":5},\"c.a\":{\"b\":6}}\n";
    for policy in [Policy::default(), Policy::default().max_columns(1), Policy::default().max_columns(2)] {
        let found = round_trip(&Source::bytes(text), FormatOptions::default(), &policy);
        assert_eq!(found.map(|(rows, _)| rows), Ok(3));
    }
}

/// Records under hints, which of their lines do not fit, and why not.
fn hinted(text: &str, hints: &[&str]) -> Vec<(u64, String)> {
    let policy = hints.iter().fold(Policy::default(), |policy, hint| policy.with_hint(hint.parse::<Hint>().unwrap()));
    let source = Source::bytes(text);
    let inference = Inference::of(&source, &ReadOptions::default()).unwrap();
    let schema = Arc::new(policy.resolve(&inference.sketch).unwrap());
    let refused = check(&decode(&source, &inference.formats[0], &schema), &schema).unwrap();
    refused.into_iter().map(|misfit| (misfit.line, misfit.reason)).collect()
}

#[test]
fn hints_read_what_they_say_and_refuse_the_rest() {
    let lines = |refused: Vec<(u64, String)>| refused.into_iter().map(|(line, _)| line).collect::<Vec<_>>();
    let csv = "d,m,s,ms,w,z,n\n\
        31/12/2024,12/31/2024,1700000000,1700000000123,yes,2024-01-05 10:20:30, 12 \n\
        1.2.2024,1-2-2024,-1,-1,0,2024-01-05T10:20:30+02:00,7\n\
        29/02/2024,2/29/2024,0,0,OFF,2024-01-05 10:20,  -3\n\
        ,,,,,,\n";
    let hints = [
        "d=date@day_first",
        "m=date@month_first",
        "s=timestamptz@epoch_seconds",
        "ms=timestamptz@epoch_millis",
        "w=boolean@words",
        "z=timestamptz@assume_utc",
        "n=int32@trim",
    ];
    assert_eq!(hinted(csv, &hints), []);
    assert_eq!(
        lines(hinted("d\n31/12/2024\n12/31/2024\n2024-01-05\n30/02/2024\nx\n", &["d=date@day_first"])),
        [3, 4, 5, 6]
    );
    assert_eq!(lines(hinted("d,e\n12/31/2024,x\n31/12/2024,x\n", &["d=date@month_first"])), [3]);
    assert_eq!(lines(hinted("{\"a\":1.0}\n{\"a\":\"1\"}\n{\"a\":1e400}\n{\"a\":1}\n", &["a=int16"])), [1, 2, 3]);
    assert_eq!(
        lines(hinted("{\"a\":1.25}\n{\"a\":1.255}\n{\"a\":1.250}\n{\"a\":123.4}\n", &["a=decimal(4,2)"])),
        [2, 4]
    );
    assert_eq!(
        lines(hinted("{\"a\":0.1}\n{\"a\":12345678901234567890}\n{\"a\":9007199254740993}\n", &["a=float64"])),
        [2, 3]
    );
    assert_eq!(lines(hinted("a,b\n007,1\nx,2\n", &["a=text", "b=boolean@words"])), [3]);
    // JSON in a cell must be JSON that a warehouse takes.
    let deep = format!("a|b\n{}|1\n{}|2\n", "[".repeat(1001) + &"]".repeat(1001), "[".repeat(900) + &"]".repeat(900));
    assert_eq!(lines(hinted(&deep, &["a=json"])), [2]);
    let cells = "a|b\n{\"x\":[1,2.50]}|1\n{x}|2\n[\"\\ud800\"]|3\n[\"\\u0000\"]|4\n[\"\\\\u0000\"]|5\n[1] x|6\n[1e999999]|7\n12|8\n";
    assert_eq!(lines(hinted(cells, &["a=json"])), [3, 4, 5, 7, 8]);
}

/// A schema made of the beginning says what does not fit behind it, and changes nothing to make it fit.
#[test]
fn a_schema_of_a_part_refuses_exactly_what_does_not_fit() {
    let head = "{\"i\":1,\"b\":true,\"d\":\"2024-01-05\",\"t\":\"2024-01-05T10:00:00Z\",\"u\":\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\",\"o\":{\"x\":1},\"f\":1.5}\n";
    let cases = [
        ("{\"i\":1.5}", true),
        ("{\"i\":1.0}", true),
        ("{\"i\":32768}", true),
        ("{\"i\":-32768}", false),
        ("{\"i\":\"1\"}", true),
        ("{\"i\":true}", true),
        ("{\"i\":1e2}", true),
        ("{\"i\":null}", false),
        ("{\"b\":1}", true),
        ("{\"b\":\"true\"}", true),
        ("{\"d\":\"2024-02-30\"}", true),
        ("{\"d\":\"2024-01-05T10:00:00\"}", true),
        ("{\"d\":20240105}", true),
        ("{\"t\":\"2024-01-05T10:00:00\"}", true),
        ("{\"t\":\"2024-01-05T12:00:00+02:00\"}", false),
        ("{\"t\":\"2024-01-05T10:00:00.1234567Z\"}", true),
        ("{\"u\":\"x\"}", true),
        ("{\"u\":\"3F2504E0-4F89-41D3-9A0C-0305E82C3301\"}", false),
        ("{\"o\":1}", true),
        ("{\"o\":{}}", false),
        ("{\"o\":{\"x\":2,\"y\":3}}", true),
        ("{\"o\":{\"x\":2,\"y\":null}}", false),
        ("{\"o\":[1]}", true),
        ("{\"f\":2}", false),
        ("{\"f\":0.10000000000000001}", true),
        ("{\"f\":1e400}", true),
        ("{\"new\":1}", true),
        ("{\"new\":null}", false),
        ("{\"i\":[1]}", true),
        ("{\"i\":{\"a\":1}}", true),
        ("{\"o\":{\"x\":{\"z\":1}}}", true),
    ];
    let text: String = cases.iter().map(|(line, _)| format!("{line}\n")).collect();
    let schema = Inference::of(&Source::bytes(head), &ReadOptions::default()).unwrap().sketch;
    let schema = Arc::new(Policy::default().resolve(&schema).unwrap());
    let parts = decode(&Source::bytes(text), &Format::Ndjson, &schema);
    let refused: Vec<u64> = check(&parts, &schema).unwrap().into_iter().map(|misfit| misfit.line).collect();
    let expected: Vec<u64> = (1..).zip(&cases).filter(|(_, (_, refused))| *refused).map(|(line, _)| line).collect();
    assert_eq!(refused, expected);
}

/// Evidence of several inputs decides for all of them, so each must fit what they decide together.
#[test]
fn cells_without_a_value_are_none_also_where_another_input_has_an_object() {
    let (cells, lines) = ("id,a\n1,\n2,\n3,x\n", "{\"id\":8,\"a\":{\"x\":1}}\n");
    let csv = Inference::of(&Source::bytes(cells.replace("3,x\n", "")), &ReadOptions::default()).unwrap();
    let schema = csv.sketch.clone().merge(Sketch::of(&Source::bytes(lines)).unwrap());
    let schema = Arc::new(Policy::default().resolve(&schema).unwrap());
    let refused = check(&decode(&Source::bytes(cells), &csv.formats[0], &schema), &schema).unwrap();
    assert_eq!(refused.iter().map(|misfit| misfit.line).collect::<Vec<_>>(), [4]);
}

#[test]
fn numbers_with_text_behind_a_closing_quote_are_read_as_they_were_classed() {
    let text = format!("a,b\n{}\"Na\"N,x\n\"-in\"f,y\n\"1\".5,y\n", "1.5,x\n".repeat(30));
    let source = Source::bytes(text);
    let quoted = FormatOptions { quote: Some(Some(b'"')), ..FormatOptions::default() };
    let inference = Inference::of(&source, &ReadOptions::default().format(quoted)).unwrap();
    let schema = Arc::new(Policy::default().resolve(&inference.sketch).unwrap());
    let parts = decode(&source, &inference.formats[0], &schema);
    assert_eq!(schema.columns[0].ty, Type::Float64);
    assert_eq!(check(&parts, &schema).unwrap().len(), 0);
}

#[test]
fn a_number_that_no_warehouse_holds_is_a_misfit_in_json_and_in_the_overflow() {
    let lines =
        "{\"a\":1,\"b\":[1]}\n{\"a\":1,\"b\":[1e999999]}\n{\"a\":1,\"c\":1e999999}\n{\"a\":1,\"c\":\"1e999999\"}\n";
    let source = Source::bytes(lines);
    for policy in [Policy::default().max_columns(2), Policy::default().hint("c", Type::Json)] {
        let schema = Arc::new(policy.resolve(&Sketch::of(&source).unwrap()).unwrap());
        let refused = check(&decode(&source, &Format::Ndjson, &schema), &schema).unwrap();
        assert_eq!(refused.iter().map(|misfit| misfit.line).collect::<Vec<_>>(), [2, 3]);
    }
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        2 => "-?[0-9]{0,5}(\\.[0-9]{0,4})?",
        1 => "[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,9})?)?(Z|[+-]0[0-9](:?[0-5]0)?)?)?",
        1 => "[0-2][0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,7})?)?",
        1 => "[0-3]?[0-9][/.-][01]?[0-9][/.-](19|20)[0-9]{2}",
        1 => "[a-c0-9]{0,3}",
        1 => prop::sample::select(vec!["true", "FALSE", "NA", "null", "\\N", " ", "NaN", "inf", "-Infinity", "yes", "n",
            "-0", "0.0", "+1", "1e5", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "9223372036854775808", "é", " 5", "[1]"])
            .prop_map(str::to_string),
    ]
}

fn json_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        scalar().prop_map(|text| serde_json::Value::from(text).to_string()),
        prop::sample::select(vec!["null", "true", "false", "[]", "{}", "[1,\"x\"]"]).prop_map(str::to_string),
    ];
    let object = |value: BoxedStrategy<String>| {
        prop::collection::vec((prop::sample::select(vec!["a", "b", "a.b"]), value), 0..3).prop_map(|fields| {
            let fields: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            format!("{{{}}}", fields.join(","))
        })
    };
    leaf.prop_recursive(2, 8, 3, move |inner| object(inner.boxed()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn every_value_of_generated_json_comes_back(
        records in prop::collection::vec(prop::collection::vec((0..4usize, json_value()), 0..5), 1..6),
        budget in prop::sample::select(vec![1200, 1, 2, 3])
    ) {
        let keys = ["a", "b", "a.b", "c"];
        let line = |fields: &Vec<(usize, String)>| {
            let fields: Vec<String> = fields.iter().map(|(key, value)| format!("\"{}\":{value}", keys[*key])).collect();
            format!("{{{}}}\n", fields.join(","))
        };
        let text: String = records.iter().map(line).collect();
        let format = FormatOptions { kind: Some(Kind::Ndjson), ..FormatOptions::default() };
        let found = round_trip(&Source::bytes(text.clone()), format, &Policy::default().max_columns(budget));
        prop_assert_eq!(found.map(|(rows, _)| rows), Ok(records.len()), "{}", text);
    }

    #[test]
    fn every_value_of_generated_csv_comes_back(
        // Columns that are mostly of one kind, so that they get types.
        columns in prop::collection::vec((scalar(), prop::collection::vec((scalar(), any::<bool>()), 3)), 1..4),
        picks in prop::collection::vec(prop::collection::vec(0..5usize, 3), 1..6),
        budget in prop::sample::select(vec![1200, 1, 2])
    ) {
        let mut text: String = (0..columns.len()).map(|at| format!("c{at}|")).collect::<String>() + "last\n";
        for pick in &picks {
            for (at, (usual, others)) in columns.iter().enumerate() {
                let cell = match pick[at] {
                    0..=2 => usual.clone(),
                    other => {
                        let (cell, quoted) = &others[other - 3];
                        if *quoted { format!("\"{cell}\"") } else { cell.clone() }
                    }
                };
                text.push_str(&cell);
                text.push('|');
            }
            text.push_str("x\n");
        }
        let format = FormatOptions { kind: Some(Kind::Csv), delimiter: Some(b'|'), quote: Some(Some(b'"')), header: Some(true) };
        let found = round_trip(&Source::bytes(text.clone()), format, &Policy::default().max_columns(budget));
        prop_assert_eq!(found.map(|(rows, _)| rows), Ok(picks.len()), "{}", text);
    }
}

#[test]
fn of_more_keys_than_are_told_apart_none_is_lost() {
    let rows = |first: &str, others: &dyn Fn(usize) -> String, last: &str| {
        let lines = (0..10_100).map(others).chain((0..50).map(|_| last.to_owned()));
        let text: String = std::iter::once(first.to_owned()).chain(lines).map(|line| line + "\n").collect();
        let sketch = Sketch::of(&Source::bytes(first.to_owned() + "\n")).unwrap();
        let schema = Arc::new(Policy::default().resolve(&sketch).unwrap());
        let (mut reader, mut decoder) = Decoder::new(schema).with_reader(Limits::default());
        reader.read(&Format::Ndjson, &mut Chunk::new(text.as_bytes()), &mut decoder);
        let found = decoder.finish().unwrap();
        assert_eq!(found.read, 10_151);
        found
    };
    // What a sample has not shown has no column; what it has shown is found behind any number of other keys.
    let found = rows("{\"id\":7,\"late\":\"a\"}", &|i| format!("{{\"id\":7,\"k{i}\":1}}"), "{\"late\":\"b\",\"id\":7}");
    assert_eq!((found.batch.num_rows(), found.misfits.len(), found.batch.column(1).null_count()), (51, 10_100, 0));
    let found = rows("{\"o\":{\"a\":1}}", &|i| format!("{{\"o\":{{\"k{i}\":1}}}}"), "{\"o\":{\"a\":2}}");
    assert_eq!((found.batch.num_rows(), found.misfits.len()), (51, 10_100));
    assert!(found.misfits.last().unwrap().reason.contains("told apart"));
    // In a column of JSON there is room for all of them.
    let found = rows("{\"id\":7,\"o\":[]}", &|i| format!("{{\"id\":7,\"o\":{{\"k{i}\":1}}}}"), "{\"id\":8}");
    assert_eq!((found.batch.num_rows(), found.misfits.len(), found.batch.column(1).null_count()), (10_151, 0, 50));
}
