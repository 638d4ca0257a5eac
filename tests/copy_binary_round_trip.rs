//! Values that go through a binary COPY come back from the server as they were.
#![cfg(all(unix, feature = "postgres"))]

mod support;

use std::io::Write;
use std::sync::Arc;

use arrow_array::*;
use arrow_schema::DataType;
use longshore::load::CopyEncoder;
use longshore::plan::PgType;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// Copies one column into a fresh table and reads it back as text, in order.
fn through_server(client: &mut postgres::Client, sql: &str, pg: PgType, array: ArrayRef) -> Vec<Option<String>> {
    let rows = array.len();
    let order: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    let types = [(DataType::Int64, PgType::Int8), (array.data_type().clone(), pg)];
    let batch = RecordBatch::try_from_iter_with_nullable([("n", order, true), ("v", array, true)]).unwrap();
    let mut stream = CopyEncoder::header().to_vec();
    CopyEncoder::new(&types).unwrap().encode(&batch, &mut stream).unwrap();
    stream.extend_from_slice(CopyEncoder::trailer());

    client.batch_execute(&format!("DROP TABLE IF EXISTS v; CREATE TABLE v (n bigint, v {sql})")).unwrap();
    let mut writer = client.copy_in("COPY v FROM STDIN (FORMAT binary)").unwrap();
    writer.write_all(&stream).unwrap();
    assert_eq!(writer.finish().unwrap(), rows as u64, "{sql}");
    client.query("SELECT v::text FROM v ORDER BY n", &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn some(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

#[test]
fn every_type_comes_back_from_a_server_as_it_was_sent() {
    let (_, mut client) = support::database();
    client.batch_execute("SET TimeZone = 'UTC'; SET extra_float_digits = 1").unwrap();
    let decimals = |values: Vec<i128>, p, s| {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(p, s).unwrap()) as ArrayRef
    };
    let uuid = FixedSizeBinaryArray::try_from_iter([(0_u8..16).collect::<Vec<_>>()].into_iter()).unwrap();
    let last = 253_402_300_799_999_999; // the end of the year 9999
    let largest = "9".repeat(38);
    let cases: Vec<(&str, PgType, ArrayRef, Vec<&str>)> = vec![
        ("boolean", PgType::Bool, Arc::new(BooleanArray::from(vec![true, false])), vec!["true", "false"]),
        ("smallint", PgType::Int2, Arc::new(Int16Array::from(vec![i16::MIN, i16::MAX])), vec!["-32768", "32767"]),
        ("integer", PgType::Int4, Arc::new(Int32Array::from(vec![i32::MIN, 0])), vec!["-2147483648", "0"]),
        ("bigint", PgType::Int8, Arc::new(Int64Array::from(vec![i64::MIN])), vec!["-9223372036854775808"]),
        ("bigint", PgType::Int8, Arc::new(Int16Array::from(vec![-7])), vec!["-7"]),
        ("numeric(9,2)", PgType::Numeric(Some((9, 2))), Arc::new(Int32Array::from(vec![-20_000])), vec!["-20000.00"]),
        ("numeric(38,0)", PgType::Numeric(Some((38, 0))), decimals(vec![10_i128.pow(38) - 1], 38, 0), vec![&largest]),
        ("numeric", PgType::Numeric(None), decimals(vec![150, -5, 0], 5, 2), vec!["1.50", "-0.05", "0.00"]),
        ("real", PgType::Float4, Arc::new(Float64Array::from(vec![0.5])), vec!["0.5"]),
        (
            "double precision",
            PgType::Float8,
            Arc::new(Float64Array::from(vec![0.1, -0.0, f64::MAX, 5e-324, f64::NAN])),
            vec!["0.1", "-0", "1.7976931348623157e+308", "5e-324", "NaN"],
        ),
        ("date", PgType::Date, Arc::new(Date32Array::from(vec![-719_162, 0])), vec!["0001-01-01", "1970-01-01"]),
        (
            "time",
            PgType::Time(None),
            Arc::new(Time64MicrosecondArray::from(vec![0, 86_399_999_999])),
            vec!["00:00:00", "23:59:59.999999"],
        ),
        (
            "timestamp",
            PgType::Timestamp(None),
            Arc::new(TimestampMicrosecondArray::from(vec![-1, last])),
            vec!["1969-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999"],
        ),
        (
            "timestamp(0)",
            PgType::Timestamp(Some(0)),
            Arc::new(Date32Array::from(vec![-719_162, 0, 2_932_896])),
            vec!["0001-01-01 00:00:00", "1970-01-01 00:00:00", "9999-12-31 00:00:00"],
        ),
        (
            "timestamptz",
            PgType::TimestampTz(None),
            Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC")),
            vec!["1970-01-01 00:00:00+00"],
        ),
        ("uuid", PgType::Uuid, Arc::new(uuid), vec!["00010203-0405-0607-0809-0a0b0c0d0e0f"]),
        ("text", PgType::Text, Arc::new(StringArray::from(vec!["", "\\N", "é\t\n"])), vec!["", "\\N", "é\t\n"]),
        ("varchar(3)", PgType::Varchar(Some(3)), Arc::new(StringArray::from(vec!["äöü"])), vec!["äöü"]),
        ("json", PgType::Json, Arc::new(StringArray::from(vec!["{\"a\" : 1.0}"])), vec!["{\"a\" : 1.0}"]),
        ("jsonb", PgType::Jsonb, Arc::new(StringArray::from(vec!["[1, 2.50]"])), vec!["[1, 2.50]"]),
        ("bytea", PgType::Bytea, Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..]])), vec!["\\x00ff"]),
    ];
    for (sql, pg, array, expected) in cases {
        assert_eq!(through_server(&mut client, sql, pg, array), some(&expected), "{sql}");
    }
}

#[test]
fn a_thousand_columns_keep_their_places() {
    let (_, mut client) = support::database();
    let names: Vec<String> = (0..1000).map(|i| format!("c{i}")).collect();
    let arrays = names.iter().enumerate().map(|(i, name)| {
        let values = [Some(i as i32), None, Some(-(i as i32))];
        (name.as_str(), Arc::new(Int32Array::from(values.to_vec())) as ArrayRef, true)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(arrays).unwrap();
    let mut stream = CopyEncoder::header().to_vec();
    CopyEncoder::new(&vec![(DataType::Int32, PgType::Int4); 1000]).unwrap().encode(&batch, &mut stream).unwrap();
    let columns: Vec<String> = names.iter().map(|name| format!("{name} integer")).collect();
    client.batch_execute(&format!("CREATE TABLE wide ({})", columns.join(", "))).unwrap();
    let mut writer = client.copy_in("COPY wide FROM STDIN (FORMAT binary)").unwrap();
    writer.write_all(&stream).unwrap();
    writer.write_all(CopyEncoder::trailer()).unwrap();
    assert_eq!(writer.finish().unwrap(), 3);
    let row = client.query_one("SELECT sum(c7), sum(abs(c999)), count(c500) FROM wide", &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (0, 1998, 2));
}

#[test]
fn any_number_comes_back_digit_for_digit() {
    let (_, mut client) = support::database();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let numbers = prop::collection::vec((any::<i128>(), 0_u32..127), 200);
    for scale in [0_u8, 1, 4, 7, 18, 19, 37, 38] {
        let values = numbers.new_tree(&mut runner).unwrap().current();
        let limit = 10_i128.pow(38);
        let values: Vec<i128> = values.into_iter().map(|(value, shift)| (value >> shift) % limit).collect();
        let array = Decimal128Array::from(values.clone()).with_precision_and_scale(38, scale as i8).unwrap();
        let sql = format!("numeric(38,{scale})");
        let back = through_server(&mut client, &sql, PgType::Numeric(Some((38, scale.into()))), Arc::new(array));
        for (value, text) in values.iter().zip(back) {
            let text = text.unwrap();
            let digits: String = text.chars().filter(|c| *c != '.').collect();
            assert_eq!(digits.parse::<i128>().unwrap(), *value, "{text}");
            let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            assert_eq!(fraction, usize::from(scale));
        }
    }
}
