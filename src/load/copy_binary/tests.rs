//! The bytes of each type, against those a server sends.

use std::sync::Arc;

use arrow_array::*;
use arrow_schema::TimeUnit;

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

#[test]
fn the_room_reserved_is_enough_for_any_batch() {
    let decimals = vec![Some(i128::MAX), Some(i128::MIN), None];
    let decimals: ArrayRef = Arc::new(Decimal128Array::from(decimals).with_precision_and_scale(38, 37).unwrap());
    let json: ArrayRef = Arc::new(StringArray::from(vec![Some("{}"), None, Some("[1]")]));
    let types = [(decimals.data_type().clone(), PgType::Numeric(None)), (DataType::Utf8, PgType::Jsonb)];
    let layouts = types.map(|(arrow, sql)| Layout::resolve(&arrow, &sql).unwrap());
    for (layout, array) in layouts.into_iter().zip([decimals, json]) {
        let cells = Cells::new(layout, &array).unwrap();
        let mut out = Vec::new();
        (0..3).for_each(|row| cells.write(row, &mut out).unwrap());
        assert!(out.len() <= cells.bound());
    }
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
