mod corpus;
mod csv;

use super::*;
use crate::error::ErrorKind;

/// Detects the format of a whole input without a telling name.
fn of(text: &str) -> Format {
    detect(text.as_bytes(), true, "", &FormatOptions::default()).unwrap()
}

/// Detects as CSV and returns the layout.
fn layout(text: &str) -> Layout {
    match of(text) {
        Format::Csv(layout) => layout,
        other => panic!("found {} in {text:?}", other.as_str()),
    }
}

fn all_are(format: &str, inputs: &[&str]) {
    for input in inputs {
        assert_eq!(of(input).as_str(), format, "{input:?}");
    }
}

#[test]
fn objects_on_lines_of_their_own_are_ndjson() {
    all_are(
        "ndjson",
        &["{}", "{}\n{}\n", "{\"a\":1}\n{\"a\":2}", "\n \n  {\"a\":[{\"b\":\"}{\"}]}  \r\n\t{\"a\":2}\r\n"],
    );
}

#[test]
fn a_damaged_line_leaves_ndjson_ndjson() {
    let good = "{\"a\":1}\n{\"a\":[2]}\n";
    for bad in [
        "{\"a\":",
        "{\"a\":[",
        "{'a':2}",
        "{\"a\":\"x}",
        "{\"a\":1} trailing",
        "{\"a\":1}}",
        "oops",
        "\0\0",
        "[1]",
        "1",
    ] {
        all_are("ndjson", &[&format!("{bad}\n{good}"), &format!("{good}{bad}\n{good}"), &format!("{good}{bad}")]);
    }
    all_are("ndjson", &["{\"a\":", "{\"a\":1,", "{\"a\":1} trailing", "{'a':2}\n{'a':3}\n"]);
}

#[test]
fn values_that_span_or_share_lines_are_documents() {
    all_are(
        "json",
        &[
            "{\n  \"a\": 1\n}\n",
            "{\"a\":\n {\"b\": 1}}\n{\"a\":\n {\"b\": 2}}",
            "{\"items\": [\n{\"x\":1},\n{\"x\":2}\n]}",
            "{\n\"items\": [\n{\"x\":1},\n{\"x\" 2},\n{\"x\":3}\n]}",
            "{\"a\":1}{\"a\":2}\n{\"a\":3}{\"a\":4}\n",
            "{\"a\":1} {\"a\":2}",
            "{\"a\":1}\r{\"a\":2}\r",
            "{}\n{\n \"a\": 1\n}\n{\n \"a\": 2\n}\n",
        ],
    );
}

#[test]
fn one_array_of_records_is_a_document() {
    all_are(
        "json",
        &[
            "[{\"a\":1},{\"a\":2}]",
            "\n [{\"a\":1},{\"a\":2}] \n\n",
            "[\n{\"a\":1},\n{\"a\":2}\n]\n",
            "[\n  {\n    \"a\": 1\n  }\n]",
            "[]",
            "[\n",
            "[\n ,\n]",
            "[{\"a\":1},{\"a\":}]",
            "[{\"a\":1},\n{\"a\" 2},\n{\"a\":3}]",
        ],
    );
}

#[test]
fn an_array_on_each_line_is_ndjson() {
    all_are(
        "ndjson",
        &["[\"a\",\"b\"]\n[1,2]\n[3,4]\n", "[{\"a\":1}]\n[{\"a\":2}]\n", "[\n{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n]\n"],
    );
}

#[test]
fn csv_whose_first_cell_begins_with_a_bracket_is_csv() {
    all_are(
        "csv",
        &[
            "[id],[name]\n1,a\n2,b\n",
            "{id},{name}\n1,a\n2,b\n",
            "[1],x\n[2],y\n",
            "[INFO] started, pid 1\n[WARN] slow, pid 1\n",
            "{a} b,c\n",
            "{\"a\":1}\tx\n{\"a\":2}\ty\n",
            "payload;name\n{\"a\":1};x\n{\"a\":2};y\n",
            "\"{\"\"a\"\":1}\",x\n\"{\"\"a\"\":2}\",y\n",
        ],
    );
}

#[test]
fn a_lone_scalar_is_what_its_name_says_and_csv_without_one() {
    let with = |name: &str, text: &str| detect(text.as_bytes(), true, name, &FormatOptions::default()).unwrap();
    for text in ["42", "\"x\"", "null\n"] {
        assert_eq!(with("a.ndjson", text), Format::Ndjson);
        assert_eq!(with("a.JSON.gz", text), Format::Json);
        assert_eq!(with("a.txt", text).as_str(), "csv");
    }
    assert_eq!(with("a.jsonl", "noise\n# more\nnoise\n{\"a\":1}\nnoise\n"), Format::Ndjson);
    assert_eq!(with("a.csv", "{\"a\":1}\n{\"a\":2}\n"), Format::Ndjson, "the content decides where it is plain");
    assert_eq!(with("a.json", "a,b\n1,2\n").as_str(), "csv");
}

#[test]
fn empty_input_is_what_its_name_says_or_else_ndjson() {
    for text in ["", "\n", " \r\n\t\n"] {
        let with = |name: &str| detect(text.as_bytes(), true, name, &FormatOptions::default()).unwrap();
        assert_eq!(with(""), Format::Ndjson);
        assert_eq!(with("x.json.zst"), Format::Json);
        let Format::Csv(layout) = with("x.csv.gz") else { panic!("not CSV") };
        assert_eq!((layout.columns.len(), layout.body), (0, text.len() as u64));
        let Format::Csv(layout) = with("x.tsv") else { panic!("not CSV") };
        assert_eq!(layout.dialect.delimiter, b'\t');
    }
}

#[test]
fn options_go_before_what_the_data_look_like() {
    let of = |text: &str, options: FormatOptions| detect(text.as_bytes(), true, "x.json", &options);
    let kind = |kind| FormatOptions { kind: Some(kind), ..FormatOptions::default() };
    assert_eq!(of("a,b\n", kind(Kind::Ndjson)).unwrap(), Format::Ndjson);
    assert_eq!(of("a,b\n", kind(Kind::Json)).unwrap(), Format::Json);
    assert_eq!(of("{\"a\":1}\n", kind(Kind::Csv)).unwrap().as_str(), "csv");
    let options = FormatOptions { delimiter: Some(b'!'), header: Some(false), ..FormatOptions::default() };
    let Format::Csv(layout) = of("a!b,c\nd!\"e!\"\n", options).unwrap() else { panic!("not CSV") };
    assert_eq!((layout.dialect.delimiter, layout.dialect.header, layout.body), (b'!', false, 0));
    assert_eq!(layout.columns, ["column_1", "column_2"]);
    let options = FormatOptions { quote: Some(None), header: Some(true), ..kind(Kind::Csv) };
    let Format::Csv(layout) = of("\"1,2\n3,4\n", options).unwrap() else { panic!("not CSV") };
    assert_eq!((layout.dialect.quote, layout.columns), (None, vec!["\"1".to_owned(), "2".to_owned()]));
}

#[test]
fn a_delimiter_that_cannot_be_one_is_a_config_error() {
    let refused = |delimiter: Option<u8>, quote: Option<Option<u8>>| {
        let options = FormatOptions { kind: Some(Kind::Csv), delimiter, quote, header: None };
        detect(b"a,b\n", true, "", &options).unwrap_err().kind() == ErrorKind::Config
    };
    assert!(refused(Some(b'\n'), None) && refused(Some(0xC3), None) && refused(None, Some(Some(b'\r'))));
    assert!(refused(Some(b'"'), Some(Some(b'"'))));
    for quote in b",;\t|" {
        let options = FormatOptions { kind: Some(Kind::Csv), quote: Some(Some(*quote)), ..FormatOptions::default() };
        let Format::Csv(layout) = detect(b"a\n1\n", true, "x.tsv", &options).unwrap() else { panic!("not CSV") };
        assert_ne!(layout.dialect.delimiter, *quote);
    }
    let options = FormatOptions { delimiter: Some(b'"'), ..FormatOptions::default() };
    let Format::Csv(layout) = detect(b"a\"b\n1\"2\n", true, "", &options).unwrap() else { panic!("not CSV") };
    assert_eq!((layout.dialect.quote, layout.columns.len()), (None, 2), "a delimiter given leaves that quote unusable");
}

#[test]
fn a_torn_last_line_does_not_sway_the_verdict() {
    let json = "{\"a\":1,\"b\":[1,2]}\n{\"a\":2,\"b\":[3]}\n";
    for rows in ["id;note\n1;\"a\nb\"\n2;c\n", "id;note\r\n1;\"a\r\nb\"\r\n2;c\r\n"] {
        let whole = of(rows);
        for cut in rows.find('\n').unwrap() + 1..rows.len() {
            let head = &rows.as_bytes()[..cut];
            assert_eq!(detect(head, false, "", &FormatOptions::default()).unwrap(), whole, "cut at {cut}");
        }
    }
    let error = detect(b"id;note\r", false, "x.csv", &FormatOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Syntax, "whether a newline follows is not known yet");
    for cut in 1..json.len() {
        let head = &json.as_bytes()[..cut];
        let found = detect(head, false, "x.ndjson", &FormatOptions::default()).unwrap();
        assert_eq!(found, Format::Ndjson, "cut at {cut}");
    }
}

#[test]
fn an_endless_line_is_one_bad_record_or_an_error_never_a_header() {
    let head = vec![b'x'; HEAD_BYTES + 1];
    assert_eq!(detect(&head, true, "x.gz", &FormatOptions::default()).unwrap(), Format::Ndjson);
    let error = detect(&head, true, "x.csv", &FormatOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Syntax);
    assert_eq!(error.to_string(), "no CSV record ends within the first 1048576 bytes");
    let long = [b"{\"v\":\"".as_slice(), &head].concat();
    assert_eq!(detect(&long, false, "", &FormatOptions::default()).unwrap(), Format::Ndjson);
}

#[test]
fn depth_and_hostile_repetition_cost_linear_time() {
    let deep = |open: &str| open.repeat(HEAD_BYTES / open.len());
    let started = std::time::Instant::now();
    for text in [
        deep("["),
        deep("{\"a\":"),
        deep("[["),
        deep("{}\n"),
        deep("{\"a\"\n"),
        deep("\"\n"),
        deep("\","),
        deep("\"\"\"\n"),
    ] {
        let _ = detect(text.as_bytes(), true, "", &FormatOptions::default());
        let _ = detect(text.as_bytes(), false, "x.csv", &FormatOptions::default());
    }
    for text in [deep(","), deep("'"), deep("\\\""), deep("\r"), deep("a,'\n"), deep("\"a\\\"\n"), deep(": ~^|;\t")] {
        let _ = detect(text.as_bytes(), true, "x.csv", &FormatOptions::default());
    }
    // Quadratic time would take hours.
    assert!(started.elapsed() < std::time::Duration::from_secs(60), "took {:?}", started.elapsed());
}

proptest::proptest! {
    #[test]
    fn any_bytes_get_an_answer_that_fits_them(
        head in proptest::collection::vec(proptest::sample::select(b"{}[]:,;\t|\"'\\\r\n #a1-.\xFF".as_slice()), 0..200),
        complete: bool,
        name in proptest::sample::select(vec!["", "a.csv", "a.json", "a.ndjson", "a.tsv.gz"]),
        kind in proptest::sample::select(vec![None, Some(Kind::Csv)]),
    ) {
        let options = FormatOptions { kind, ..FormatOptions::default() };
        let found = detect(&head, complete, name, &options);
        let again = detect(&head, complete, name, &options);
        proptest::prop_assert_eq!(found.as_ref().ok(), again.as_ref().ok());
        if let Ok(Format::Csv(layout)) = found {
            proptest::prop_assert!(layout.body as usize <= head.len());
            let lines = head.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
            proptest::prop_assert!(layout.preamble as usize <= lines);
            let is_blank = head.trim_ascii().is_empty();
            proptest::prop_assert!(is_blank || !layout.columns.is_empty());
        }
    }
}
