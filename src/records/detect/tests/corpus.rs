//! Detection over collections of real and deliberately awkward files, where they are at hand.

use super::*;
use crate::records::Escape;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The folder of shared test data: `LONGSHORE_SHARED`, or `shared` beside the crate.
fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LONGSHORE_SHARED").map(PathBuf::from);
    let root = root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let path = root.join("data").join(folder);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
    }
    path.exists().then_some(path)
}

fn read(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    bytes.strip_prefix(b"\xEF\xBB\xBF").map(<[u8]>::to_vec).unwrap_or(bytes)
}

fn detect_file(path: &Path) -> Format {
    detect(&read(path), true, path.to_str().unwrap(), &FormatOptions::default()).unwrap()
}

fn csv_file(path: &Path) -> Layout {
    match detect_file(path) {
        Format::Csv(layout) => layout,
        other => panic!("{} in {}", other.as_str(), path.display()),
    }
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_str().unwrap().ends_with(ending));
    found.sort();
    assert!(!found.is_empty(), "nothing in {}", folder.display());
    found
}

fn case_input(case: &Value) -> Vec<u8> {
    let bytes = if let Some(text) = case["input"].as_str() {
        text.as_bytes().to_vec()
    } else if let Some(text) = case["input_b64"].as_str() {
        base64(text)
    } else {
        let part = |part: &Value| part[0].as_str().unwrap().repeat(part[1].as_u64().unwrap() as usize).into_bytes();
        case["input_parts"].as_array().unwrap().iter().flat_map(part).collect()
    };
    bytes.strip_prefix("\u{FEFF}".as_bytes()).map(<[u8]>::to_vec).unwrap_or(bytes)
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let mut bits = (0u32, 0u32);
    let mut bytes = Vec::new();
    for digit in digits {
        bits = ((bits.0 << 6) | digit as u32, bits.1 + 6);
        if bits.1 >= 8 {
            bits.1 -= 8;
            bytes.push((bits.0 >> bits.1) as u8);
        }
    }
    bytes
}

#[test]
fn every_inference_case_is_read_in_its_own_format_and_dialect() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/inference-cases.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let mut seen = 0;
    for case in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let id = case["id"].as_str().unwrap();
        let found = detect(&case_input(&case), true, "", &FormatOptions::default()).unwrap();
        seen += 1;
        let Format::Csv(layout) = found else {
            assert_eq!(case["format"], "ndjson", "{id}");
            assert_eq!(found, if id == "j-154" { Format::Json } else { Format::Ndjson }, "{id}");
            continue;
        };
        assert_eq!(case["format"], "csv", "{id}");
        let delimiter = case["dialect"]["delimiter"].as_str().unwrap_or(",");
        assert_eq!(layout.dialect.delimiter, delimiter.as_bytes()[0], "{id}");
        // Numbers over numbers: the table allows either, and this crate loses no record.
        assert_eq!(layout.dialect.header, id != "c-159", "{id}");
        assert_eq!(layout.preamble, 0, "{id}");
        let expected: Vec<&str> = case["expect"].as_object().unwrap().keys().map(String::as_str).collect();
        if layout.dialect.header {
            assert_eq!(layout.columns, expected, "{id}");
        } else {
            assert_eq!(layout.columns.len(), expected.len(), "{id}");
        }
    }
    assert!(seen > 200, "only {seen} cases");
}

#[test]
fn hostile_files_are_found_as_what_they_are() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    assert_eq!(detect_file(&fixtures.join("orders.ndjson")), Format::Ndjson);
    let stations = csv_file(&fixtures.join("stations.csv"));
    assert_eq!((stations.columns[0].as_str(), stations.columns.len(), stations.body), ("station_id", 11, 103));
    for path in files(&fixtures.join("poison"), ".csv") {
        let found = csv_file(&path);
        assert_eq!(
            (found.columns, found.dialect.delimiter),
            (vec!["id".into(), "v".into()], b','),
            "{}",
            path.display()
        );
    }
    // UTF-16 is decoded before detection.
    for path in files(&fixtures.join("poison"), ".ndjson").iter().filter(|path| !path.ends_with("utf16.ndjson")) {
        assert_eq!(detect_file(path), Format::Ndjson, "{}", path.display());
        let unnamed = detect(&read(path), true, "", &FormatOptions::default()).unwrap();
        assert_eq!(unnamed, Format::Ndjson, "{} without its name", path.display());
    }
}

#[test]
fn the_pollock_files_are_read_in_their_own_dialect() {
    let (mut right, mut missed) = (0, Vec::new());
    for folder in ["pollock/polluted", "pollock/survey"] {
        let Some(folder) = shared(folder) else { return };
        for path in files(&folder.join("csv"), ".csv") {
            let name = path.file_name().unwrap().to_str().unwrap();
            let parameters = folder.join("parameters").join(format!("{name}_parameters.json"));
            let stated: Value = serde_json::from_slice(&std::fs::read(parameters).unwrap()).unwrap();
            let found = csv_file(&path);
            let quote = stated["quotechar"].as_str().unwrap();
            let has_header = !matches!(&stated["header_lines"], Value::String(lines) if lines == "0")
                && stated["header_lines"].as_u64() != Some(0);
            let backslash = stated["escapechar"] == "\\";
            let mut wrong = Vec::new();
            if stated["delimiter"].as_str().unwrap().as_bytes() != [found.dialect.delimiter] {
                wrong.push("delimiter");
            }
            if !quote.is_empty() && found.dialect.quote != Some(quote.as_bytes()[0]) {
                wrong.push("quote");
            }
            if (found.dialect.escape == Escape::Backslash) != backslash {
                wrong.push("escape");
            }
            if found.dialect.header != has_header {
                wrong.push("header");
            }
            if wrong.is_empty() { right += 1 } else { missed.push(format!("{name}: {}", wrong.join(", "))) }
        }
    }
    println!("pollock: {right} of {} right; missed: {missed:#?}", right + missed.len());
    assert!(right >= POLLOCK_FLOOR, "{missed:#?}");
}

/// How many of the 106 files are read in the stated delimiter, quote, escape and header. One of the others separates
/// unquoted words by the same blanks as cells, one holds backslashes that may or may not be escapes.
const POLLOCK_FLOOR: usize = 104;

#[test]
fn published_tables_are_read_with_their_header_whole_or_by_their_beginning() {
    let Some(folder) = shared("csv-real") else { return };
    for path in files(&folder, "sv") {
        let found = csv_file(&path);
        let is_tsv = path.extension().is_some_and(|ending| ending == "tsv");
        assert_eq!(found.dialect.delimiter, if is_tsv { b'\t' } else { b',' }, "{}", path.display());
        assert!(found.dialect.header && found.preamble == 0, "{}", path.display());
        let bytes = read(&path);
        for part in [2, 3, 5] {
            let head = &bytes[..bytes.len() / part];
            let by_part = detect(head, false, "", &FormatOptions::default()).unwrap();
            assert_eq!(by_part, Format::Csv(found.clone()), "a {part}th of {}", path.display());
        }
    }
}

#[test]
fn csv_spectrum_headers_are_the_keys_of_its_answers() {
    let Some(folder) = shared("csv-spectrum") else { return };
    for path in files(&folder, ".csv") {
        let answer: Value = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
        let keys: Vec<&String> = answer[0].as_object().unwrap().keys().collect();
        let columns = csv_file(&path).columns;
        assert_eq!(columns.iter().collect::<Vec<_>>(), keys, "{}", path.display());
        assert_eq!(detect_file(&path.with_extension("json")), Format::Json);
    }
}

#[test]
fn streams_of_json_lines_are_told_from_documents() {
    let Some(folder) = shared("ndjson") else { return };
    for path in files(&folder, "l").into_iter().chain(files(&folder, "n")) {
        assert_eq!(detect_file(&path), Format::Ndjson, "{}", path.display());
    }
    for path in files(&folder.join("singer"), ".ndjson") {
        assert_eq!(detect_file(&path), Format::Ndjson, "{}", path.display());
    }
    let Some(folder) = shared("duckdb-json") else { return };
    let documents = ["11407", "arr", "array_of_empty_arrays", "empty_array", "top_level_array", "18301/156456"];
    for name in documents {
        assert_eq!(detect_file(&folder.join(format!("{name}.json"))), Format::Json, "{name}");
    }
    for name in ["map_50_50.jsonl", "map_of_map.jsonl", "multiple_objects_per_line.ndjson", "example_r.ndjson"] {
        assert_eq!(detect_file(&folder.join(name)), Format::Json, "{name}");
    }
    for name in ["with_list.json", "union.ndjson", "map_of_nulls.jsonl", "example_n.ndjson", "internal_3197.json"] {
        assert_eq!(detect_file(&folder.join(name)), Format::Ndjson, "{name}");
    }
}

/// File, delimiter, lines of preamble, and the header's names, or how many columns there are without one.
type Plain = (&'static str, char, u64, Result<&'static [&'static str], usize>);

const PLAIN: &[Plain] = &[
    ("duckdb-csv/auto/duplicate_header_col.csv", ',', 0, Ok(&["a", "b", "a"])),
    ("duckdb-csv/auto/int_bol.csv", ',', 0, Ok(&["i", "b"])),
    ("duckdb-csv/auto/multi_column_string_mix.csv", '|', 0, Err(4)),
    ("duckdb-csv/auto/no_header.csv", ',', 0, Err(3)),
    ("duckdb-csv/auto/pipe_delim.csv", '|', 0, Err(3)),
    ("duckdb-csv/auto/quote_escape.csv", '|', 0, Err(3)),
    ("duckdb-csv/auto/rfc_conform_quote.csv", ',', 0, Err(3)),
    ("duckdb-csv/auto/semicolon_escape.csv", ';', 0, Err(3)),
    ("duckdb-csv/auto/single_header.csv", ',', 0, Ok(&["number", "text", "date"])),
    ("duckdb-csv/auto/skip_row.csv", ',', 1, Ok(&["number", "text", "date"])),
    ("duckdb-csv/auto/test_fallback.csv", ',', 0, Ok(&["TestDoubleError", "TestDouble", "TestText", "TestInteger"])),
    ("duckdb-csv/auto/time.csv", ',', 0, Ok(&["time"])),
    ("duckdb-csv/auto/time_date_timestamp_yy.mm.dd.csv", ',', 0, Ok(&["a", "b", "t", "d", "ts"])),
    ("duckdb-csv/auto/unnamed_columns.csv", ',', 0, Err(13)),
    ("duckdb-csv/auto/utf8bom.csv", ',', 0, Ok(&["id", "name"])),
    ("duckdb-csv/headers/all_varchar.csv", ',', 0, Ok(&["name"])),
    ("duckdb-csv/headers/borked_type.csv", ',', 0, Ok(&["Date"])),
    ("duckdb-csv/headers/unescaped_quote.csv", ',', 0, Ok(&["Name", "Unescaped'Quote"])),
    ("duckdb-csv/flights.csv", '|', 0, Ok(&["FlightDate", "UniqueCarrier", "OriginCityName", "DestCityName"])),
    ("duckdb-csv/comments/simple.csv", ';', 2, Ok(&["a", "b"])),
    ("duckdb-csv/nullpadding_header.csv", ',', 1, Ok(&["one", "two", "three", "four"])),
    ("pollock/polluted/csv/file_multitable_more.csv", ',', 0, Ok(POLLUTED)),
    ("pollock/polluted/csv/file_preamble.csv", ',', 2, Ok(POLLUTED)),
    ("pollock/survey/csv/1% nano+20% micro.csv", ',', 1, Ok(&["cm-1", "A"])),
    ("pollock/survey/csv/download (10).csv", ',', 2, Ok(&["userid", "Gene Symbol", "Gene Name", "Entrez Gene"])),
    ("duckdb-csv/mixed_decimal.csv", ';', 0, Ok(&["A", "B"])),
    ("duckdb-csv/small_lineitem_strings.csv", ',', 0, Ok(&["DELIVER IN PERSON"])),
    ("duckdb-csv/test/test_pipe.csv", '|', 0, Err(3)),
    ("csvkit/mac_newlines.csv", ',', 0, Ok(&["a", "b", "c"])),
    ("csvkit/sniff_limit.csv", ';', 0, Ok(&["a", "b", "c"])),
    ("csvkit/test_extra_header.csv", ',', 0, Ok(&["a", "b", "c", "d"])),
    ("csvkit/blanks.csv", ',', 0, Ok(&["a", "b", "c", "d", "e", "f"])),
    ("csvkit/test_join_short_rows.csv", ',', 0, Ok(&["a", "b", "c"])),
    ("frictionless/country-2.csv", ';', 1, Ok(&["id", "neighbor_id", "name", "population"])),
    ("frictionless/dialect.csv", '|', 0, Ok(&["id", "name"])),
    ("frictionless/issue-825.csv", ',', 0, Ok(&["Musei", "2011", "2010"])),
    ("frictionless/issue-1138.csv", ';', 0, Ok(&["Zeit [MEZ]", "Wasserstand", "Status", ""])),
    ("frictionless/without-headers.csv", ',', 0, Err(2)),
    ("frictionless/vix.csv", ';', 0, Ok(&["Date", "VIXClose", "VIXHigh", "VIXLow", "VIXOpen"])),
    ("messy/null.csv", ',', 0, Err(4)),
    ("messy/simple.ssv", ';', 0, Ok(&["date", "temperature", "place"])),
    ("readr/eol-cr.csv", ',', 0, Ok(&["x", "y"])),
    ("readr/challenge.csv", ',', 0, Ok(&["x", "y"])),
    ("tabulator/special/skip-rows-before-headers.csv", ',', 1, Ok(&["id", "name"])),
    ("arrow-csv/various_types.csv", '|', 0, Ok(&["c_int", "c_float", "c_string", "c_bool", "c_date", "c_datetime"])),
];

const POLLUTED: &[&str] =
    &["DATE", "TIME", "Qty", "PRODUCTID", "Price", "ProductType", "ProductDescription", "URL", "Comments"];

#[test]
fn other_readers_plain_fixtures_are_read_as_they_read_them() {
    for (name, delimiter, preamble, columns) in PLAIN {
        let Some(path) = shared(name) else { continue };
        let found = csv_file(&path);
        assert_eq!(char::from(found.dialect.delimiter), *delimiter, "{name}");
        assert_eq!(found.preamble, *preamble, "{name}");
        match columns {
            Ok(names) => assert_eq!(found.columns, *names, "{name}"),
            Err(count) => assert_eq!((found.dialect.header, found.columns.len()), (false, *count), "{name}"),
        }
    }
}
