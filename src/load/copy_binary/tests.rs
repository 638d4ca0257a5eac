//! The bytes of each type, against those a server sends.

use std::sync::Arc;

use arrow_array::*;
use arrow_schema::TimeUnit;
use proptest::prelude::*;

use super::plain::{self, Cells};
use super::*;

/// Encodes one row and returns its only field as hexadecimal text, with its length.
fn field(array: impl Array + 'static, sql: PgType) -> String {
    let batch = RecordBatch::try_from_iter([("c", Arc::new(array) as ArrayRef)]).unwrap();
    let encoder = CopyEncoder::new(&[(batch.column(0).data_type().clone(), sql)]).unwrap();
    let mut out = Vec::new();
    encoder.encode(&batch, &mut out).unwrap();
    assert_eq!(out[..2], [0, 1]);
    out[2..].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_type_has_the_bytes_the_protocol_gives_it() {
    let uuid = FixedSizeBinaryArray::try_from_iter([(0_u8..16).collect::<Vec<_>>()].into_iter()).unwrap();
    let decimal = |v| Decimal128Array::from(vec![v]).with_precision_and_scale(10, 3).unwrap();
    assert_eq!(field(BooleanArray::from(vec![true]), PgType::Bool), "0000000101");
    assert_eq!(field(BooleanArray::from(vec![false]), PgType::Bool), "0000000100");
    assert_eq!(field(Int16Array::from(vec![-2]), PgType::Int2), "00000002fffe");
    assert_eq!(field(Int32Array::from(vec![1]), PgType::Int4), "0000000400000001");
    assert_eq!(field(Int64Array::from(vec![-1]), PgType::Int8), "00000008ffffffffffffffff");
    assert_eq!(field(decimal(12_345_678), PgType::Numeric(None)), "0000000e0003000100000003000109291a7c");
    assert_eq!(field(Float64Array::from(vec![1.5]), PgType::Float8), "000000083ff8000000000000");
    assert_eq!(field(Float64Array::from(vec![1.5]), PgType::Float4), "000000043fc00000");
    assert_eq!(field(Float64Array::from(vec![-0.0]), PgType::Float8), "000000088000000000000000");
    assert_eq!(field(Date32Array::from(vec![0]), PgType::Date), "00000004ffffd533");
    assert_eq!(field(Time64MicrosecondArray::from(vec![1]), PgType::Time(None)), "000000080000000000000001");
    let micros = vec![946_684_800_000_000 + 1];
    let naive = TimestampMicrosecondArray::from(micros.clone());
    assert_eq!(field(naive, PgType::Timestamp(None)), "000000080000000000000001");
    let instant = TimestampMicrosecondArray::from(micros).with_timezone("UTC");
    assert_eq!(field(instant, PgType::TimestampTz(None)), "000000080000000000000001");
    assert_eq!(field(uuid, PgType::Uuid), "00000010000102030405060708090a0b0c0d0e0f");
    for sql in [PgType::Text, PgType::Varchar(Some(9)), PgType::Char(2), PgType::Json] {
        assert_eq!(field(StringArray::from(vec!["é"]), sql), "00000002c3a9");
    }
    assert_eq!(field(StringArray::from(vec!["{}"]), PgType::Jsonb), "00000003017b7d");
    assert_eq!(field(StringArray::from(vec![""]), PgType::Text), "00000000");
    assert_eq!(field(BinaryArray::from(vec![&b"\x00\xff"[..]]), PgType::Bytea), "0000000200ff");
    assert_eq!(field(NullArray::new(1), PgType::Text), "ffffffff");
    assert_eq!(field(Date32Array::from(vec![10_958]), PgType::Timestamp(Some(0))), "00000008000000141dd76000");
}

#[test]
fn a_day_that_no_timestamp_holds_is_refused() {
    let encoder = CopyEncoder::new(&[(DataType::Date32, PgType::Timestamp(None))]).unwrap();
    for day in [i32::MIN, i32::MAX, -106_741_035, -200_000_000] {
        let batch = RecordBatch::try_from_iter([("c", Arc::new(Date32Array::from(vec![day])) as ArrayRef)]).unwrap();
        assert_eq!(encoder.encode(&batch, &mut Vec::new()).unwrap_err().kind(), ErrorKind::Conflict, "{day}");
    }
}

#[test]
fn a_stream_is_a_header_rows_and_a_trailer() {
    let batch = RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(vec![1])) as ArrayRef)]).unwrap();
    let mut stream = CopyEncoder::header().to_vec();
    CopyEncoder::new(&[(DataType::Int32, PgType::Int4)]).unwrap().encode(&batch, &mut stream).unwrap();
    stream.extend_from_slice(CopyEncoder::trailer());
    let expected = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\x00\x01\x00\x00\x00\x04\x00\x00\x00\x01\xff\xff";
    assert_eq!(stream, expected);
}

#[test]
fn integers_widen_to_what_the_table_has() {
    assert_eq!(field(Int16Array::from(vec![-2]), PgType::Int4), "00000004fffffffe");
    assert_eq!(field(Int16Array::from(vec![-2]), PgType::Int8), "00000008fffffffffffffffe");
    assert_eq!(field(Int32Array::from(vec![-2]), PgType::Int8), "00000008fffffffffffffffe");
    let numeric = PgType::Numeric(Some((9, 2)));
    assert_eq!(field(Int64Array::from(vec![-20_000]), numeric), "0000000a00010001400000000002");
}

#[test]
fn nulls_and_slices_keep_their_rows() {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None, Some(8)]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![None, Some("ab"), Some("c")]));
    let ids = [Some(vec![1_u8; 16]), None, Some(vec![2; 16])].into_iter();
    let ids: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids, 16).unwrap());
    let batch = RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("t", texts, true), ("u", ids, true)]);
    let batch = batch.unwrap();
    let types = [
        (DataType::Int32, PgType::Int4),
        (DataType::Utf8, PgType::Text),
        (DataType::FixedSizeBinary(16), PgType::Uuid),
    ];
    let encoder = CopyEncoder::new(&types).unwrap();
    let encode = |batch: &RecordBatch| {
        let mut out = Vec::new();
        encoder.encode(batch, &mut out).unwrap();
        out
    };
    let whole = encode(&batch);
    let parts: Vec<u8> = (0..3).flat_map(|row| encode(&batch.slice(row, 1))).collect();
    assert_eq!(whole, parts);
    assert_eq!(encode(&batch.slice(1, 1)), b"\0\x03\xff\xff\xff\xff\0\0\0\x02ab\xff\xff\xff\xff");
}

/// An array of a type, of values at the edges and in the middle, where `filled` says so.
fn array(ty: &DataType, seeds: &[(u64, bool)]) -> ArrayRef {
    let value = |i: usize| seeds[i].1.then_some(seeds[i].0);
    let values = || (0..seeds.len()).map(value);
    match ty {
        DataType::Null => Arc::new(NullArray::new(seeds.len())),
        DataType::Boolean => Arc::new(values().map(|v| v.map(|v| v & 1 == 1)).collect::<BooleanArray>()),
        DataType::Int16 => Arc::new(values().map(|v| v.map(|v| v as i16)).collect::<Int16Array>()),
        DataType::Int32 => Arc::new(values().map(|v| v.map(|v| v as i32)).collect::<Int32Array>()),
        DataType::Int64 => Arc::new(values().map(|v| v.map(|v| v as i64)).collect::<Int64Array>()),
        DataType::Float64 => Arc::new(values().map(|v| v.map(|v| f64::from(v as i32) / 4.0)).collect::<Float64Array>()),
        DataType::Date32 => Arc::new(values().map(|v| v.map(|v| v as i32 >> 8)).collect::<Date32Array>()),
        DataType::Time64(_) => {
            Arc::new(values().map(|v| v.map(|v| (v % 86_400_000_000) as i64)).collect::<Time64MicrosecondArray>())
        }
        DataType::Timestamp(_, zone) => {
            let array: TimestampMicrosecondArray = values().map(|v| v.map(|v| v as i64 >> 8)).collect();
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        DataType::Decimal128(precision, scale) => {
            let array: Decimal128Array = values().map(|v| v.map(|v| i128::from(v as i64) << (v % 62))).collect();
            Arc::new(array.with_precision_and_scale(*precision, *scale).unwrap())
        }
        DataType::FixedSizeBinary(_) => {
            let bytes = values().map(|v| v.map(|v| u128::from(v).wrapping_mul(u128::MAX / 3).to_le_bytes()));
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 16).unwrap())
        }
        // Lengths on both sides of what is copied at once.
        DataType::Utf8 => {
            let text = |v: u64| "añ€".repeat((v % 41) as usize);
            Arc::new(values().map(|v| v.map(text)).collect::<StringArray>())
        }
        DataType::Binary => {
            let bytes = |v: u64| vec![v as u8; (v % 5) as usize];
            Arc::new(values().map(|v| v.map(bytes)).collect::<BinaryArray>())
        }
        other => panic!("no such type in this test: {other}"),
    }
}

fn pairs() -> Vec<(DataType, PgType)> {
    let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    vec![
        (DataType::Null, PgType::Text),
        (DataType::Boolean, PgType::Bool),
        (DataType::Int16, PgType::Int2),
        (DataType::Int16, PgType::Int4),
        (DataType::Int32, PgType::Int4),
        (DataType::Int32, PgType::Int8),
        (DataType::Int64, PgType::Int8),
        (DataType::Int16, PgType::Numeric(None)),
        (DataType::Decimal128(38, 7), PgType::Numeric(None)),
        (DataType::Float64, PgType::Float8),
        (DataType::Date32, PgType::Date),
        (DataType::Date32, PgType::Timestamp(None)),
        (DataType::Time64(TimeUnit::Microsecond), PgType::Time(None)),
        (micros(None), PgType::Timestamp(None)),
        (micros(Some("UTC")), PgType::TimestampTz(None)),
        (DataType::FixedSizeBinary(16), PgType::Uuid),
        (DataType::Utf8, PgType::Text),
        (DataType::Utf8, PgType::Jsonb),
        (DataType::Binary, PgType::Bytea),
    ]
}

/// The bytes of both encoders.
fn both(types: &[(DataType, PgType)], batch: &RecordBatch) -> (Vec<u8>, Vec<u8>) {
    let encoder = CopyEncoder::new(types).unwrap();
    let cells: Vec<_> = encoder
        .columns
        .iter()
        .zip(batch.columns())
        .map(|(layout, array)| Cells::new(*layout, array).unwrap())
        .collect();
    let (mut fast, mut plain) = (Vec::new(), Vec::new());
    encoder.encode(batch, &mut fast).unwrap();
    plain::append(&cells, batch.num_rows(), &mut plain);
    (fast, plain)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_batch_has_the_bytes_that_the_plain_encoder_gives_it(
        columns in prop::collection::vec((0..pairs().len(), 0..3_u32), 1..24),
        rows in prop::collection::vec((any::<u64>(), 0..20_u32), 0..200),
        skipped in 0..70_usize,
    ) {
        let types: Vec<_> = columns.iter().map(|(pair, _)| pairs()[*pair].clone()).collect();
        let arrays = columns.iter().zip(&types).enumerate().map(|(at, ((_, nulls), (arrow, _)))| {
            // No nulls, a few, or many.
            let filled = |share: u32| share >= [0, 1, 12][*nulls as usize];
            let seed = |(v, share): &(u64, u32)| (v.rotate_left(at as u32 * 7), filled((share + at as u32) % 20));
            (format!("c{at}"), array(arrow, &rows.iter().map(seed).collect::<Vec<_>>()), true)
        });
        let batch = RecordBatch::try_from_iter_with_nullable(arrays).unwrap();
        let skipped = skipped.min(batch.num_rows());
        for batch in [batch.slice(skipped, batch.num_rows() - skipped), batch] {
            let (fast, plain) = both(&types, &batch);
            prop_assert!(fast == plain, "{} rows of {:?}", batch.num_rows(), types);
        }
    }
}

#[test]
fn the_room_reserved_is_enough_for_any_batch() {
    let decimals = vec![Some(i128::MAX), Some(i128::MIN), None];
    let decimals: ArrayRef = Arc::new(Decimal128Array::from(decimals).with_precision_and_scale(38, 37).unwrap());
    let json: ArrayRef = Arc::new(StringArray::from(vec![Some("{}"), None, Some("[1]")]));
    let types = [(decimals.data_type().clone(), PgType::Numeric(None)), (DataType::Utf8, PgType::Jsonb)];
    let layouts = types.map(|(arrow, sql)| Layout::resolve(&arrow, &sql).unwrap());
    for (layout, array) in layouts.into_iter().zip([decimals, json]) {
        let (cells, column) = (Cells::new(layout, &array).unwrap(), Column::new(layout, &array).unwrap());
        let mut out = Vec::new();
        (0..3).for_each(|row| cells.write(row, &mut out).unwrap());
        assert_eq!(out.len(), column.bound());
    }
}

#[test]
fn what_stands_under_a_null_is_neither_sent_nor_checked() {
    let nulls = || Some(vec![true, false].into());
    let days = Date32Array::new(vec![0, i32::MIN].into(), nulls());
    let micros = TimestampMicrosecondArray::new(vec![0, i64::MIN].into(), nulls());
    let reals = Float64Array::new(vec![0.5, 0.1].into(), nulls());
    let texts = arrow_buffer::OffsetBuffer::new(vec![0, 1, 3].into());
    let texts = StringArray::new(texts, b"a\0b".to_vec().into(), nulls());
    let cases: [(ArrayRef, PgType); 4] = [
        (Arc::new(days), PgType::Date),
        (Arc::new(micros), PgType::Timestamp(None)),
        (Arc::new(reals), PgType::Float4),
        (Arc::new(texts), PgType::Text),
    ];
    for (array, sql) in cases {
        let types = [(array.data_type().clone(), sql)];
        let batch = RecordBatch::try_from_iter_with_nullable([("c", array, true)]).unwrap();
        let (fast, plain) = both(&types, &batch);
        assert_eq!(fast, plain);
        assert!(fast.ends_with(&[0, 1, 0xff, 0xff, 0xff, 0xff]));
    }
}

#[test]
fn a_long_batch_is_sent_in_parts_that_make_one() {
    let rows = MOST_ROWS + 3;
    let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(0..rows as i64)) as ArrayRef)]);
    let (fast, plain) = both(&[(DataType::Int64, PgType::Int8)], &batch.unwrap());
    assert!(fast == plain);
}

#[test]
fn a_row_without_columns_is_still_a_row() {
    let options = RecordBatchOptions::new().with_row_count(Some(2));
    let batch = RecordBatch::try_new_with_options(Arc::new(arrow_schema::Schema::empty()), vec![], &options).unwrap();
    let mut out = Vec::new();
    CopyEncoder::new(&[]).unwrap().encode(&batch, &mut out).unwrap();
    assert_eq!(out, [0, 0, 0, 0]);
}

#[test]
fn a_value_the_type_would_change_is_refused_and_nothing_is_written() {
    for (array, sql) in [
        (Arc::new(Float64Array::from(vec![1.5, 0.1])) as ArrayRef, PgType::Float4),
        (Arc::new(Float64Array::from(vec![1e300])), PgType::Float4),
        (Arc::new(Date32Array::from(vec![i32::MIN])), PgType::Date),
        (Arc::new(TimestampMicrosecondArray::from(vec![i64::MIN])), PgType::Timestamp(None)),
        (Arc::new(StringArray::from(vec!["a", "b\0"])), PgType::Text),
        (Arc::new(StringArray::from(vec!["\"\0\""])), PgType::Jsonb),
    ] {
        let encoder = CopyEncoder::new(&[(array.data_type().clone(), sql)]).unwrap();
        let batch = RecordBatch::try_from_iter([("price", array)]).unwrap();
        let mut out = b"before".to_vec();
        let error = encoder.encode(&batch, &mut out).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().starts_with("column `price`: "), "{error}");
        assert_eq!(out, b"before");
    }
}

#[test]
fn a_pair_that_would_need_a_conversion_is_refused() {
    for (arrow, sql) in [
        (DataType::Int64, PgType::Int4),
        (DataType::Decimal128(10, 3), PgType::Numeric(Some((10, 2)))),
        (DataType::Utf8, PgType::Int4),
        (DataType::Timestamp(TimeUnit::Microsecond, None), PgType::TimestampTz(None)),
        (DataType::Timestamp(TimeUnit::Nanosecond, None), PgType::Timestamp(None)),
        (DataType::Utf8, PgType::Other("point".into())),
    ] {
        assert_eq!(CopyEncoder::new(&[(arrow, sql)]).unwrap_err().kind(), ErrorKind::Unsupported);
    }
    let encoder = CopyEncoder::new(&[(DataType::Int32, PgType::Int4)]).unwrap();
    let batch = RecordBatch::try_from_iter([("n", Arc::new(Int16Array::from(vec![1])) as ArrayRef)]).unwrap();
    // An encoder for int4 widens what is narrower, and refuses what is not a number.
    encoder.encode(&batch, &mut Vec::new()).unwrap();
    let batch = RecordBatch::try_from_iter([("n", Arc::new(StringArray::from(vec!["1"])) as ArrayRef)]).unwrap();
    assert_eq!(encoder.encode(&batch, &mut Vec::new()).unwrap_err().kind(), ErrorKind::Unsupported);
}
