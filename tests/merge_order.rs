//! Rows that are merged by an order are compared as the numbers and times that they are, from the first record on.
#![cfg(all(unix, feature = "postgres"))]

mod support;

use longshore::load::{Counts, MergeKeys, Mode};
use longshore::schema::{Policy, Type};
use longshore::{ErrorKind, LoadReport, Loader, Offset, Source};
use support::*;

fn loader(url: &str) -> Loader {
    Loader::new(url).table("t").mode(Mode::Merge(MergeKeys::new(["rid"]).order_by("ord")))
}

fn load(url: &str, records: &str) -> longshore::Result<LoadReport> {
    loader(url).load(Source::bytes(records.to_owned()))
}

fn stream(url: &str, records: &str) -> Counts {
    let mut stream = loader(url).open().unwrap();
    stream.write(records, Offset::new("s", 1)).unwrap();
    stream.commit().unwrap().counts
}

fn rows(client: &mut postgres::Client) -> Vec<String> {
    let sql = "SELECT concat_ws('|', rid, ord, v) FROM t ORDER BY 1";
    client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn an_order_without_a_value_in_the_first_load_is_a_number_when_one_comes() {
    let (url, mut client) = database();
    let records = [
        "{\"rid\":1,\"ord\":null,\"v\":\"a\"}\n",
        "{\"rid\":1,\"ord\":null,\"v\":\"b\"}\n",
        "{\"rid\":1,\"ord\":9,\"v\":\"c\"}\n",
        "{\"rid\":1,\"ord\":10,\"v\":\"d\"}\n",
        "{\"rid\":1,\"ord\":null,\"v\":\"e\"}\n",
    ];
    records.iter().for_each(|records| drop(load(&url, records).unwrap()));
    assert_eq!(rows(&mut client), ["1|10|d"]);
    // A field that is nowhere is a mistake and no order.
    let error = load(&url, "{\"rid\":1,\"v\":\"f\"}\n").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

#[test]
fn numbers_among_other_values_are_compared_as_numbers_from_the_first_batch_on() {
    let huge = "1234567890123456789012345678901234567890";
    for other in ["\"x\"", "true", huge, "{\"a\":1}", "[1]"] {
        let (url, mut client) = database();
        let records = format!(
            "{{\"rid\":1,\"ord\":10,\"v\":1}}\n{{\"rid\":1,\"ord\":9,\"v\":2}}\n{{\"rid\":2,\"ord\":{other},\"v\":3}}\n"
        );
        // A load says so before anything is changed, and the hint that it gives does it.
        let error = load(&url, &records).unwrap_err();
        assert_eq!((error.kind(), exists(&mut client, "t")), (ErrorKind::Conflict, false), "{other}: {error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("ord=int16")), "{other}: {error}");
        assert_eq!(stream(&url, &records), Counts { read: 3, loaded: 1, quarantined: 1, deduplicated: 1 }, "{other}");
        assert_eq!(rows(&mut client), ["1|10|1"], "{other}");
        client.batch_execute("DROP TABLE t").unwrap();
        let hinted = loader(&url).policy(Policy::default().hint("ord", Type::Int16));
        assert_eq!(hinted.load(Source::bytes(records)).unwrap().counts.quarantined, 1);
        assert_eq!(rows(&mut client), ["1|10|1"], "{other}");
    }
}

#[test]
fn times_in_nanoseconds_are_not_compared_by_their_spelling() {
    let (url, mut client) = database();
    let at = |text: &str, v| format!("{{\"rid\":1,\"ord\":\"{text}\",\"v\":{v}}}\n");
    let records = at("2024-01-01T10:00:00.123456789+02:00", 1) + &at("2024-01-01T09:00:00.123456+00:00", 2);
    let error = load(&url, &records).unwrap_err();
    assert_eq!((error.kind(), exists(&mut client, "t")), (ErrorKind::Conflict, false), "{error}");
    assert_eq!(stream(&url, &records), Counts { read: 2, loaded: 1, quarantined: 1, deduplicated: 0 });
    let sql = "SELECT pg_typeof(ord)::text || ' ' || v FROM t";
    assert_eq!(client.query_one(sql, &[]).unwrap().get::<_, String>(0), "timestamp with time zone 2");
}

#[test]
fn an_order_of_nothing_but_texts_is_one_of_texts() {
    let (url, mut client) = database();
    let records = "{\"rid\":1,\"ord\":\"b\",\"v\":1}\n{\"rid\":1,\"ord\":\"a\",\"v\":2}\n";
    load(&url, records).unwrap();
    assert_eq!(rows(&mut client), ["1|b|1"]);
    // And so is one that is hinted to be.
    client.batch_execute("DROP TABLE t").unwrap();
    let hinted = loader(&url).policy(Policy::default().hint("ord", Type::Text));
    hinted.load(Source::bytes("{\"rid\":1,\"ord\":10}\n{\"rid\":1,\"ord\":9}\n")).unwrap();
    assert_eq!(client.query_one("SELECT ord FROM t", &[]).unwrap().get::<_, String>(0), "9");
}

#[test]
fn a_key_without_any_value_makes_no_column_of_text() {
    let (url, mut client) = database();
    let none = "{\"rid\":null,\"ord\":1}\n";
    let error = load(&url, none).unwrap_err();
    assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::Conflict, true), "{error}");
    assert!(!exists(&mut client, "t"));
    load(&url, "{\"rid\":1.5,\"ord\":1,\"v\":1}\n").unwrap();
    // Once there is a column, such records are quarantined.
    assert_eq!(load(&url, none).unwrap().counts.quarantined, 1);
    load(&url, "{\"rid\":1.50,\"ord\":2,\"v\":2}\n").unwrap();
    assert_eq!(rows(&mut client), ["1.5|2|2"]);
}
