//! Arrow record batches into a stream: their types are the table's, and nothing of a row is lost.
#![cfg(all(unix, feature = "postgres"))]

mod support;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::*;
use arrow_schema::{DataType, Field, Schema};
use longshore::load::{Contract, Counts, MergeKeys, Mode, OnChange, Selection};
use longshore::records::{FormatOptions, Kind};
use longshore::{ChildTables, ErrorKind, Loader, Offset, Quarantine, ReadOptions, Route, StreamLoader, StreamOptions};
use support::*;

fn open(url: &str) -> StreamLoader {
    Loader::new(url).table("t").open().unwrap()
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn array<T: Array + 'static>(array: T) -> ArrayRef {
    Arc::new(array)
}

fn counts(read: u64, loaded: u64, quarantined: u64) -> Counts {
    Counts { read, loaded, quarantined, deduplicated: 0 }
}

fn types(client: &mut postgres::Client) -> Vec<String> {
    types_of(client, "t")
}

fn types_of(client: &mut postgres::Client, table: &str) -> Vec<String> {
    let sql = "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute \
               WHERE attrelid = $1::text::regclass AND attnum > 0 ORDER BY attnum";
    client.query(sql, &[&table]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn rows(client: &mut postgres::Client) -> Vec<String> {
    client.batch_execute("SET TimeZone = 'UTC'").unwrap();
    client.query("SELECT t::text FROM t ORDER BY 1", &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn every_type_becomes_the_same_type_and_every_value_comes_back() {
    let (url, mut client) = database();
    let words: DictionaryArray<types::Int8Type> = vec![Some("a"), None].into_iter().collect();
    let lists = ListArray::from_iter_primitive::<types::Int64Type, _, _>(vec![Some(vec![Some(1), None]), None]);
    let inner = array(Int16Array::from(vec![Some(1), None]));
    let object = StructArray::from(vec![(Arc::new(Field::new("x", DataType::Int16, true)), inner)]);
    let columns = vec![
        ("i1", array(Int8Array::from(vec![Some(-1), None]))),
        ("u2", array(UInt16Array::from(vec![Some(65_535), None]))),
        ("u4", array(UInt32Array::from(vec![Some(u32::MAX), None]))),
        ("u8", array(UInt64Array::from(vec![Some(u64::MAX), None]))),
        ("f4", array(Float32Array::from(vec![Some(0.1), None]))),
        ("d", array(Decimal128Array::from(vec![Some(-12_345), None]).with_precision_and_scale(12, 2).unwrap())),
        ("day", array(Date32Array::from(vec![Some(19_723), None]))),
        ("at", array(TimestampMillisecondArray::from(vec![Some(1_500), None]).with_timezone("Europe/Berlin"))),
        ("ts", array(TimestampNanosecondArray::from(vec![Some(1_000), None]))),
        ("tod", array(Time64MicrosecondArray::from(vec![Some(3_661_000_001), None]))),
        ("text", array(StringArray::from(vec![Some("2024-01-01"), Some("7")]))),
        ("word", array(words)),
        ("list", array(lists)),
        ("obj", array(object)),
        ("ok", array(BooleanArray::from(vec![Some(true), None]))),
    ];
    let mut loader = open(&url);
    loader.write(batch(columns), Offset::new("s", 2)).unwrap();
    assert_eq!(loader.commit().unwrap().counts, counts(2, 2, 0));
    assert_eq!(
        types(&mut client).join(", "),
        "i1 smallint, u2 integer, u4 bigint, u8 numeric(20,0), f4 double precision, d numeric(12,2), day date, \
         at timestamp with time zone, ts timestamp without time zone, tod time without time zone, text text, word text, \
         list jsonb, obj_x smallint, ok boolean"
    );
    assert_eq!(
        rows(&mut client),
        [
            "(,,,,,,,,,,7,,,,)",
            "(-1,65535,4294967295,18446744073709551615,0.10000000149011612,-123.45,2024-01-01,\
             \"1970-01-01 00:00:01.5+00\",\"1970-01-01 00:00:00.000001\",01:01:01.000001,2024-01-01,a,\"[1, null]\",1,t)",
        ]
    );
}

#[test]
fn batches_and_lines_share_a_table_that_follows_both() {
    let (url, mut client) = database();
    let mut loader = open(&url);
    loader.write("{\"n\":1,\"day\":\"2024-01-01\"}\n", Offset::new("s", 1)).unwrap();
    loader.write(batch(vec![("n", array(Int32Array::from(vec![70_000])))]), Offset::new("s", 2)).unwrap();
    loader.commit().unwrap();
    // A wider type, a new column, and a text where a date is: it says what the batch says, and the table becomes text.
    let columns = vec![
        ("n", array(Float64Array::from(vec![1.5]))),
        ("day", array(StringArray::from(vec!["soon"]))),
        ("new", array(BooleanArray::from(vec![true]))),
    ];
    loader.write(batch(columns), Offset::new("s", 3)).unwrap();
    let receipt = loader.commit().unwrap();
    assert_eq!((receipt.counts, receipt.tables.len()), (counts(1, 1, 0), 1));
    assert_eq!(types(&mut client), ["n double precision", "day text", "new boolean"]);
    assert_eq!(rows(&mut client), ["(1,2024-01-01,)", "(1.5,soon,t)", "(70000,,)"]);
}

#[test]
fn a_row_that_does_not_fit_is_quarantined_as_a_line_of_json() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (n double precision, at timestamptz)").unwrap();
    let columns = vec![
        ("n", array(Float64Array::from(vec![1.0, f64::NAN, 2.0]))),
        ("at", array(StringArray::from(vec!["2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "soon"]))),
    ];
    let mut loader = open(&url);
    loader.write(batch(columns), Offset::new("s", 9)).unwrap();
    assert_eq!(loader.commit().unwrap().counts, counts(3, 1, 2));
    let sql =
        "SELECT concat_ws(' ', source, line, path, convert_from(raw, 'UTF8')) FROM _longshore_quarantine ORDER BY line";
    let found: Vec<String> = client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(found[0], "s@9 2 {\"n\":no value of Float64: NaN,\"at\":\"2024-01-01T00:00:00Z\"}");
    assert_eq!(found[1], "s@9 3 at {\"n\":2.0,\"at\":\"soon\"}");
}

#[test]
fn what_json_or_the_calendar_lacks_is_quarantined_wherever_it_stands_and_with_its_value() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (at text, tm text, f text)").unwrap();
    let numbers = vec![Some(vec![Some(1.5), Some(f64::NAN)]), None, None, None, Some(vec![Some(1.5)])];
    let columns = vec![
        ("xs", array(ListArray::from_iter_primitive::<types::Float64Type, _, _>(numbers))),
        ("at", array(TimestampSecondArray::from(vec![None, Some(i64::MAX), None, None, Some(0)]))),
        ("tm", array(Time32SecondArray::from(vec![None, None, Some(90_000), None, Some(1)]))),
        ("f", array(Float64Array::from(vec![None, None, None, Some(f64::INFINITY), Some(2.5)]))),
    ];
    let mut loader = open(&url);
    loader.write(batch(columns), Offset::new("s", 5)).unwrap();
    assert_eq!(loader.commit().unwrap().counts, counts(5, 1, 4));
    assert_eq!(rows(&mut client), ["(1970-01-01T00:00:00,00:00:01,2.5,[1.5])"]);
    let sql = "SELECT convert_from(raw, 'UTF8') FROM _longshore_quarantine ORDER BY line";
    let raws: Vec<String> = client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    for (raw, value) in
        raws.iter().zip(["Float64: NaN", "Timestamp(s): 9223372036854775807", "Time32(s): 90000", "inf"])
    {
        assert!(raw.contains(value), "{raw} has no {value}");
    }
}

#[test]
fn a_text_that_only_says_to_be_json_is_quarantined_and_adds_nothing_to_its_record() {
    let (url, mut client) = database();
    let json = HashMap::from([("ARROW:extension:name".to_owned(), "arrow.json".to_owned())]);
    let fields =
        vec![Field::new("b", DataType::Int64, true), Field::new("j", DataType::Utf8, true).with_metadata(json)];
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![7, 8])), Arc::new(StringArray::from(vec!["1,\"b\":2", "{\"x\": [1]}"]))];
    let mut loader = open(&url);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    loader.write(batch, Offset::new("s", 2)).unwrap();
    assert_eq!(loader.commit().unwrap().counts, counts(2, 1, 1));
    assert_eq!(rows(&mut client), ["(8,\"{\"\"x\"\": [1]}\")"]);
}

#[test]
fn amid_rows_of_csv_each_kept_record_is_replayed_as_what_it_was() {
    let (url, mut client) = database();
    client.batch_execute("CREATE TABLE t (id bigint, due date)").unwrap();
    let csv = ReadOptions::default().format(FormatOptions { kind: Some(Kind::Csv), ..FormatOptions::default() });
    let loader = Loader::new(&url).table("t").read(csv);
    let options =
        StreamOptions::default().csv_columns(["id", "due"]).contract(Contract::default().types(OnChange::Quarantine));
    let mut loader = loader.open_with(options).unwrap();
    loader.write("1,2024-01-31\n2,soon\n", Offset::new("s", 1)).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", array(Int64Array::from(vec![3, 4]))),
        ("due", array(StringArray::from(vec!["later, perhaps", "2024-03-01"]))),
    ];
    loader.write(batch(columns), Offset::new("s", 2)).unwrap();
    assert_eq!(loader.commit().unwrap().counts, counts(4, 2, 2));
    client.batch_execute("ALTER TABLE t ALTER due TYPE text").unwrap();
    let replayed = Quarantine::new(&url, "t").replay(&Selection::default()).unwrap();
    assert_eq!((replayed.loaded, replayed.left), (2, 0), "{replayed:?}");
    assert_eq!(rows(&mut client), ["(1,2024-01-31)", "(2,soon)", "(3,\"later, perhaps\")", "(4,2024-03-01)"]);
}

#[test]
fn a_type_that_no_table_takes_is_refused_and_the_stream_goes_on() {
    let (url, mut client) = database();
    let mut loader = open(&url);
    let binary = batch(vec![("b", array(BinaryArray::from(vec![&b"x"[..]])))]);
    let error = loader.write(binary, Offset::new("s", 1)).unwrap_err();
    assert_eq!((error.kind(), error.location().unwrap().column.as_deref()), (ErrorKind::Unsupported, Some("b")));
    loader.write("{\"a\":1}\n", Offset::new("s", 1)).unwrap();
    loader.commit().unwrap();
    assert_eq!(rows(&mut client), ["(1)"]);
}

#[test]
fn batches_are_routed_merged_and_replayed_as_records_are() {
    let (url, mut client) = database();
    let open = || {
        let loader = Loader::new(&url).table("t").mode(Mode::Merge(MergeKeys::new(["id"])));
        loader.open_with(StreamOptions::default().route(Route::field("kind"))).unwrap()
    };
    let rows: usize = 30_000;
    let ids = Int64Array::from_iter_values((0..rows as i64).map(|id| id % 10_000));
    let kinds = StringArray::from_iter_values((0..rows).map(|id| if id % 2 == 0 { "even" } else { "odd" }));
    let many = batch(vec![("id", array(ids)), ("kind", array(kinds))]);
    let mut loader = open();
    loader.write(many.clone(), Offset::new("s", 1)).unwrap();
    let receipt = loader.commit().unwrap();
    assert_eq!(receipt.counts, Counts { read: 30_000, loaded: 10_000, quarantined: 0, deduplicated: 20_000 });
    let mut again = open();
    again.write(many, Offset::new("s", 1)).unwrap();
    assert_eq!((again.commit().unwrap().counts.read, again.totals().skipped), (0, 1));
    assert_eq!((count(&mut client, "t_even"), count(&mut client, "t_odd")), (5_000, 5_000));
}

#[test]
fn a_batch_without_columns_or_rows_moves_the_offset_only() {
    let (url, _client) = database();
    let mut loader = open(&url);
    loader.write(RecordBatch::new_empty(Arc::new(Schema::empty())), Offset::new("s", 5)).unwrap();
    assert_eq!(loader.commit().unwrap().counts, counts(0, 0, 0));
    assert_eq!(open(&url).committed("s").unwrap(), Some(5));
}

/// Orders, each with a list of items, of which the first has tags.
fn orders(ids: &[i64], items: &[usize]) -> RecordBatch {
    let total: usize = items.iter().sum();
    let sku = array(StringArray::from_iter_values((0..total).map(|n| format!("2024-01-{:02}", n + 1))));
    let price = Decimal128Array::from_iter_values((0..total).map(|n| 100 + n as i128));
    let price = array(price.with_precision_and_scale(10, 2).unwrap());
    let mut tags = builder::ListBuilder::new(builder::StringBuilder::new());
    (0..total).for_each(|n| tags.append_value(["1", "2"].into_iter().take(if n == 0 { 2 } else { 0 }).map(Some)));
    let item = StructArray::try_from(vec![("sku", sku), ("price", price), ("tags", array(tags.finish()))]).unwrap();
    let offsets = arrow_buffer::OffsetBuffer::from_lengths(items.iter().copied());
    let of = Arc::new(Field::new("item", item.data_type().clone(), true));
    let items = ListArray::new(of, offsets, Arc::new(item), None);
    batch(vec![("id", array(Int64Array::from(ids.to_vec()))), ("items", array(items))])
}

#[test]
fn lists_become_child_tables_of_the_types_of_their_elements() {
    let (url, mut client) = database();
    let options = StreamOptions::default().child_tables(ChildTables::All);
    let mut loader = Loader::new(&url).table("t").open_with(options).unwrap();
    loader.write(orders(&[1, 2, 3], &[2, 0, 1]), Offset::new("s", 1)).unwrap();
    // Of a slice only its own elements count.
    loader.write(orders(&[7, 4, 8], &[3, 1, 3]).slice(1, 1), Offset::new("s", 2)).unwrap();
    loader.write("{\"id\":5,\"items\":[{\"sku\":\"x\",\"price\":2.5}]}\n", Offset::new("s", 3)).unwrap();
    let receipt = loader.commit().unwrap();
    assert_eq!((receipt.counts, receipt.tables.len()), (counts(5, 5, 0), 3));
    let sorted = |mut types: Vec<String>| {
        types.sort();
        types.join(", ")
    };
    assert_eq!(sorted(types(&mut client)), "_row_id uuid, id bigint, items integer");
    assert_eq!(
        sorted(types_of(&mut client, "t__items")),
        "_index integer, _parent_id uuid, _row_id uuid, price numeric(10,2), sku text, tags integer"
    );
    assert_eq!(sorted(types_of(&mut client, "t__items__tags")), "_index integer, _parent_id uuid, value text");
    let sql = "SELECT concat_ws(' ', t.id, i._index, i.sku, i.price, g.value) FROM t JOIN t__items i ON i._parent_id = t._row_id \
               LEFT JOIN t__items__tags g ON g._parent_id = i._row_id ORDER BY t.id, i._index, g._index";
    let found: Vec<String> = client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(
        found,
        [
            "1 0 2024-01-01 1.00 1",
            "1 0 2024-01-01 1.00 2",
            "1 1 2024-01-02 1.01",
            "3 0 2024-01-03 1.02",
            "4 0 2024-01-04 1.03",
            "5 0 x 2.50"
        ]
    );
    // Merged like records.
    let loader = Loader::new(&url).table("t").mode(Mode::Merge(MergeKeys::new(["id"])));
    let mut loader = loader.open_with(StreamOptions::default().child_tables(ChildTables::All)).unwrap();
    loader.write(orders(&[1, 3], &[0, 2]), Offset::new("s", 4)).unwrap();
    assert_eq!(loader.commit().unwrap().counts, counts(2, 2, 0));
    assert_eq!((count(&mut client, "t__items"), count(&mut client, "t__items__tags")), (4, 2));
}

#[test]
fn a_dictionary_without_any_value_is_a_column_of_nulls() {
    let (url, mut client) = database();
    let mut loader = open(&url);
    let words = DictionaryArray::<types::Int32Type>::from_iter([None::<&str>, None]);
    loader
        .write(batch(vec![("n", array(Int32Array::from(vec![1, 2]))), ("w", array(words))]), Offset::new("s", 1))
        .unwrap();
    assert_eq!(loader.commit().unwrap().counts, counts(2, 2, 0));
    assert_eq!(count(&mut client, "t"), 2);
}
