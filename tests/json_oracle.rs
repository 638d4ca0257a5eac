//! JSON is read as an independent reader reads it: the same records, the same values, in the same places.
//!
//! Differences that are meant: a NUL character, half a surrogate pair, more than 1,000 levels and more than 10,000
//! fields make a record bad; of a key that stands twice the last value counts; a record is an object.

#[path = "support/inputs.rs"]
mod inputs;
#[path = "support/json.rs"]
mod json;
#[path = "support/judge_json.rs"]
mod judge;

use inputs::{Stored, fixtures, format_of, read, shared};
use json::Tree;
use judge::{check_documents, check_lines};
use longshore::records::{Fault, FieldKind, Format, FormatOptions, MAX_DEPTH, MAX_FIELDS, MAX_NESTED_FIELDS};
use proptest::prelude::*;

/// Every input that is JSON, decoded.
fn data() -> Vec<(String, Format, Vec<u8>)> {
    let mut stored: Vec<Stored> = fixtures();
    for folder in ["ndjson", "duckdb-json", "arrow-json", "simdjson", "drift", "poison"] {
        stored.extend(shared(folder));
    }
    let decoded = |stored: &Stored| {
        // The largest hostile files prove nothing here, and a gzip in a gzip would be opened again.
        let fit = |bytes: &Vec<u8>| bytes.len() < 16 << 20 && !bytes.starts_with(&[0x1F, 0x8B]);
        let bytes = stored.decoded().filter(fit)?;
        let format = format_of(&stored.name, &bytes, &FormatOptions::default()).ok()?;
        (!matches!(format, Format::Csv(_))).then(|| (stored.name.clone(), format, bytes))
    };
    stored.iter().filter_map(decoded).collect()
}

#[test]
fn every_json_input_is_read_as_serde_json_reads_it() {
    let (mut wrong, mut records) = (Vec::new(), 0);
    for (name, format, bytes) in data() {
        for chunk_bytes in [4 << 10, 16 << 20] {
            let outcome = match format {
                Format::Ndjson => check_lines(&bytes, chunk_bytes),
                _ => check_documents(&bytes, chunk_bytes).map(Option::unwrap_or_default),
            };
            match outcome {
                Ok(count) => records += count,
                Err(error) => wrong.push(format!("{name}: {error}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(records > 20_000, "only {records} records were compared");
}

/// Documents that RFC 8259 allows, and such as it does not, one beside the other where it can be.
const ALLOWED: [&str; 26] = [
    "[]",
    "{}",
    "\"\"",
    "0",
    "-0",
    "-0.0",
    "1e5",
    "1E+2",
    "1.5e-3",
    "123.456e78",
    "true",
    "false",
    "null",
    " [1 , 2]\t",
    "[[[]],{}]",
    "{\"\":0}",
    "{\"a\":1,\"a\":2}",
    "\"\\u0041\\uD83D\\uDE00\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"/\"",
    "\"\u{7f}\u{2028}\u{10FFFF}\"",
    "\"'\"",
    "1e400",
    "-123456789012345678901234567890",
    "{\"a\":[{\"b\":[]}]}",
    "[1,\n2]",
];
const NOT_ALLOWED: [&str; 44] = [
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1,,2]",
    "[",
    "]",
    "[1}",
    "{1:2}",
    "{a:1}",
    "{'a':1}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\" 1}",
    "{\"a\":1,}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1",
    "{\"a\":1]",
    "01",
    "-01",
    "+1",
    ".5",
    "1.",
    "-.5",
    "-",
    "1e",
    "1e+",
    "1.e5",
    "0x1",
    "1_000",
    "NaN",
    "Infinity",
    "-Infinity",
    "True",
    "nul",
    "truefalse",
    "\"a",
    "\"\\x41\"",
    "\"\\u00G0\"",
    "\"\\u12\"",
    "\"a\tb\"",
    "'a'",
    "1 // one",
    "\u{a0}1",
    "\u{ff11}",
];

/// Documents of this repository, and of the parsing test suite by the first letter of their names.
fn suite(verdict: &str) -> Vec<Stored> {
    let own: &[&str] = match verdict {
        "y_" => &ALLOWED,
        "n_" => &NOT_ALLOWED,
        _ => &[],
    };
    let own = own.iter().map(|text| Stored { name: format!("{verdict}{text}"), bytes: text.as_bytes().to_vec() });
    let named = |stored: &Stored| stored.name.rsplit('/').next().is_some_and(|file| file.starts_with(verdict));
    own.chain(shared("jsontestsuite/test_parsing").into_iter().filter(named)).collect()
}

fn wrapped(document: &[u8]) -> Vec<u8> {
    [b"{\"v\": ".as_slice(), document, b"}"].concat()
}

/// Valid documents that are refused all the same, because no warehouse stores what they hold.
const REFUSED: [&str; 3] =
    ["y_string_null_escape.json", "y_string_with_del_character.json", "y_object_escaped_null_in_key.json"];

#[test]
fn the_parsing_suite_is_accepted_and_rejected_as_it_says() {
    let file = |stored: &Stored| stored.name.rsplit('/').next().unwrap().to_string();
    for stored in suite("y_") {
        let line = wrapped(&stored.bytes);
        if !stored.bytes.contains(&b'\n') {
            let items = read(&Format::Ndjson, &line, 1 << 20);
            assert_eq!(items.len(), 1, "{}", stored.name);
            let nul = items[0].content == Err(Fault::Nul);
            assert!(items[0].content.is_ok() || (nul && REFUSED.contains(&file(&stored).as_str())), "{}", stored.name);
            check_lines(&line, 1 << 20).unwrap();
        }
        assert_eq!(check_documents(&line, 1 << 20).unwrap(), Some(1), "{}", stored.name);
        assert!(check_documents(&stored.bytes, 1 << 20).unwrap().is_some(), "{}", stored.name);
    }
    for stored in suite("n_") {
        let line = wrapped(&stored.bytes);
        for format in [Format::Ndjson, Format::Json] {
            let items = read(&format, &line, 1 << 20);
            assert!(items.iter().any(|item| item.content.is_err()), "{} as {}", stored.name, format.as_str());
        }
        if !stored.bytes.contains(&b'\n') {
            check_lines(&line, 1 << 20).unwrap();
        }
    }
    for stored in suite("i_") {
        for text in [stored.bytes.clone(), wrapped(&stored.bytes)] {
            check_lines(&text, 1 << 20).unwrap();
            check_documents(&text, 1 << 20).unwrap();
        }
    }
    for stored in shared("jsontestsuite/test_transform") {
        check_lines(&wrapped(&stored.bytes), 1 << 20).unwrap();
    }
}

/// Documents that are no JSON as a whole, though each record in them is whole, are no loss of records.
#[test]
fn a_broken_document_is_never_read_as_a_whole_one() {
    for stored in suite("n_") {
        let items = read(&Format::Json, &stored.bytes, 1 << 20);
        for item in &items {
            if item.content.is_ok() {
                assert!(Tree::parse(&item.raw).is_ok(), "{}: {:?}", stored.name, item);
            }
        }
    }
}

#[test]
fn a_record_may_be_1000_deep_and_have_10000_fields_and_no_more() {
    let deep = |open: &str, close: &str, levels: usize| {
        format!("{{\"a\":{}1{}}}\n", open.repeat(levels - 1), close.repeat(levels - 1))
    };
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let fits = read(&Format::Ndjson, deep(open, close, MAX_DEPTH).as_bytes(), 1 << 20);
        assert!(fits[0].content.is_ok());
        let deeper = read(&Format::Ndjson, deep(open, close, MAX_DEPTH + 1).as_bytes(), 1 << 20);
        assert_eq!(deeper[0].content.as_ref().err(), Some(&Fault::TooDeep));
    }
    let wide = |fields: usize| {
        let fields: Vec<String> = (0..fields).map(|i| format!("\"k{i}\":{i}")).collect();
        format!("{{{}}}\n", fields.join(","))
    };
    assert!(read(&Format::Ndjson, wide(MAX_FIELDS).as_bytes(), 1 << 20)[0].content.is_ok());
    let wider = read(&Format::Ndjson, wide(MAX_FIELDS + 1).as_bytes(), 1 << 20);
    assert_eq!(wider[0].content.as_ref().err(), Some(&Fault::TooManyFields));
}

#[test]
fn an_object_of_more_than_1000_fields_is_kept_whole_wherever_they_are_and_none_else() {
    let object = |fields: usize| {
        let fields: Vec<String> = (0..fields).map(|i| format!("\"k{i}\":{{}}")).collect();
        format!("{{{}}}", fields.join(","))
    };
    let lines: Vec<String> = [MAX_NESTED_FIELDS, MAX_NESTED_FIELDS + 1, 1, MAX_NESTED_FIELDS - 1]
        .map(|fields| format!("{{\"a\":{0},\"b\":{{\"c\":{0},\"a\":1,\"a\":2}}}}", object(fields)))
        .to_vec();
    assert_eq!(check_lines(lines.join("\n").as_bytes(), 1 << 20), Ok(4));
    // Together the nested objects of a record are taken apart as far as 10,000 fields go.
    let many: Vec<String> = (0..20).map(|i| format!("\"o{i}\":{}", object(900))).collect();
    let items = read(&Format::Ndjson, format!("{{{}}}", many.join(",")).as_bytes(), 1 << 20);
    let leaves = items[0].content.as_ref().unwrap();
    let whole = leaves.iter().filter(|leaf| leaf.kind == FieldKind::WholeObject).count();
    assert_eq!((whole, leaves.len()), (9, 1 + 20 + 11 * 900));
}

fn blank() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(String::new()), 1 => "[ \t\r]{1,3}"]
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[a-zA-Z0-9 .:,\\-{}\\[\\]']{0,6}",
        1 => "[à-ÿЀ-я一-三\u{1F600}-\u{1F610}\u{7f}]{1,3}",
        1 => prop::sample::select(vec!["\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\uD83D\\uDE00", "\\t", "\\u0041"])
            .prop_map(str::to_string),
        1 => prop::sample::select(vec!["\\u0000", "\\ud800", "\\udc00x", "\\x", "\\u12"]).prop_map(str::to_string),
    ];
    // Now and then a piece that makes the record bad, seldom enough for most records to be good.
    prop_oneof![8 => "[a-z0-9\\-: ]{0,12}", 3 => prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())]
        .prop_map(|text| format!("\"{text}\""))
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "c", "a.b", "", "A", "é", "\\u0061", "a b"]).prop_map(|key| format!("\"{key}\"")),
        1 => text()
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "0", "-0", "1e5", "-0.0", "{}", "[]"])
            .prop_map(str::to_string),
        "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?",
        text(),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let item = (blank(), inner.clone(), blank()).prop_map(|(a, value, b)| a + &value + &b);
        let array = prop::collection::vec(item, 0..5).prop_map(|items| format!("[{}]", items.join(",")));
        prop_oneof![1 => array, 3 => object_of(inner)]
    })
}

fn object_of(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let field = (blank(), key(), blank(), blank(), value, blank())
        .prop_map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
    prop::collection::vec(field, 0..6).prop_map(|fields| format!("{{{}}}", fields.join(",")))
}

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let line = (blank(), object_of(value()), blank()).prop_map(|(a, object, b)| a + &object + &b);
    (prop::collection::vec(line, 0..6), prop::sample::select(vec!["\n", "\r\n", "\n\n"]))
        .prop_map(|(lines, end)| (lines.join(end) + end).into_bytes())
}

/// A few bytes replaced, removed or put in.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop::sample::select(b"{}[]:,\"\\ \n\r-+.eE01tfnu".to_vec()),
        1 => any::<u8>()
    ];
    let change = (any::<prop::sample::Index>(), byte, 0..3u8);
    (lines(), prop::collection::vec(change, 1..4)).prop_map(|(mut bytes, changes)| {
        for (at, byte, how) in changes {
            match how {
                0 => bytes.insert(at.index(bytes.len() + 1), byte),
                _ if bytes.is_empty() => {}
                1 => {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                _ => {
                    bytes.remove(at.index(bytes.len()));
                }
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn generated_lines_are_read_as_serde_json_reads_them(input in lines(), chunk in 1usize..200) {
        prop_assert_eq!(check_lines(&input, chunk).err(), None);
    }

    #[test]
    fn mutated_lines_are_read_as_serde_json_reads_them(input in mutated(), chunk in 1usize..200) {
        prop_assert_eq!(check_lines(&input, chunk).err(), None);
    }

    #[test]
    fn generated_documents_are_read_as_serde_json_reads_them(
        input in prop::collection::vec(object_of(value()), 0..5), array in any::<bool>(), chunk in 1usize..200
    ) {
        let input = if array { format!("[{}]", input.join(" ,\n")) } else { input.join("\n") };
        check_documents(input.as_bytes(), chunk).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn mutated_documents_are_read_as_serde_json_reads_them(input in mutated(), chunk in 1usize..200) {
        check_documents(&input, chunk).map_err(TestCaseError::fail)?;
    }

    /// Whatever the bytes: no panic, and nothing depends on where chunks end.
    #[test]
    fn any_bytes_give_the_same_items_at_all_chunk_sizes(
        input in prop::collection::vec(prop_oneof![
            3 => prop::sample::select(b"{}[]:,\"\\ \n\r-1tn".to_vec()), 1 => any::<u8>()], 0..150),
        chunk in 1usize..60
    ) {
        for format in [Format::Ndjson, Format::Json] {
            prop_assert_eq!(read(&format, &input, chunk), read(&format, &input, 1 << 20));
        }
    }
}
