//! Values of Arrow arrays as JSON text.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::{as_datetime, as_time};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, GenericListArray, OffsetSizeTrait, StructArray};
use arrow_schema::{DataType, Field, TimeUnit};

use crate::error::{Error, ErrorKind, Location, Result};
use crate::path::Path;
use crate::records::check_json;
use crate::value::{decimal_text, uuid_text};

/// Appends the value of a row.
pub(super) type Cell<'a> = Box<dyn Fn(usize, &mut Vec<u8>) + 'a>;

/// What writes the values of an array.
pub(super) fn cell<'a>(field: &Field, array: &'a dyn Array, path: &Path) -> Result<Cell<'a>> {
    let write = values(field, array, path)?;
    // Of a dictionary also the values may be null.
    let nulls = array.logical_nulls();
    Ok(Box::new(move |row, out| match &nulls {
        Some(nulls) if nulls.is_null(row) => out.extend_from_slice(b"null"),
        _ => write(row, out),
    }))
}

fn values<'a>(field: &Field, array: &'a dyn Array, path: &Path) -> Result<Cell<'a>> {
    Ok(match array.data_type() {
        DataType::Null => Box::new(|_, out| out.extend_from_slice(b"null")),
        DataType::Boolean => {
            let array = array.as_boolean();
            Box::new(|row, out| out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }))
        }
        DataType::Int8 => number::<Int8Type>(array),
        DataType::Int16 => number::<Int16Type>(array),
        DataType::Int32 => number::<Int32Type>(array),
        DataType::Int64 => number::<Int64Type>(array),
        DataType::UInt8 => number::<UInt8Type>(array),
        DataType::UInt16 => number::<UInt16Type>(array),
        DataType::UInt32 => number::<UInt32Type>(array),
        DataType::UInt64 => number::<UInt64Type>(array),
        DataType::Float32 => {
            let array = array.as_primitive::<Float32Type>();
            Box::new(|row, out| double(f64::from(array.value(row)), out))
        }
        DataType::Float64 => {
            let array = array.as_primitive::<Float64Type>();
            Box::new(|row, out| double(array.value(row), out))
        }
        DataType::Decimal32(_, scale @ 0..) => decimal::<Decimal32Type>(array, *scale as usize),
        DataType::Decimal64(_, scale @ 0..) => decimal::<Decimal64Type>(array, *scale as usize),
        DataType::Decimal128(_, scale @ 0..) => decimal::<Decimal128Type>(array, *scale as usize),
        DataType::Utf8 if is_json(field) => {
            let array = array.as_string::<i32>();
            Box::new(|row, out| json(array.value(row), out))
        }
        DataType::LargeUtf8 if is_json(field) => {
            let array = array.as_string::<i64>();
            Box::new(|row, out| json(array.value(row), out))
        }
        DataType::Utf8View if is_json(field) => {
            let array = array.as_string_view();
            Box::new(|row, out| json(array.value(row), out))
        }
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            Box::new(|row, out| text(array.value(row), out))
        }
        DataType::LargeUtf8 => {
            let array = array.as_string::<i64>();
            Box::new(|row, out| text(array.value(row), out))
        }
        DataType::Utf8View => {
            let array = array.as_string_view();
            Box::new(|row, out| text(array.value(row), out))
        }
        DataType::FixedSizeBinary(16) if extension(field) == Some("arrow.uuid") => {
            let array = array.as_fixed_size_binary();
            Box::new(|row, out| uuid(array.value(row), out))
        }
        DataType::Date32 => {
            let array = array.as_primitive::<Date32Type>();
            Box::new(|row, out| moment::<Date32Type>(i64::from(array.value(row)), "%Y-%m-%d", out))
        }
        DataType::Date64 => {
            let array = array.as_primitive::<Date64Type>();
            Box::new(|row, out| moment::<Date64Type>(array.value(row), "%Y-%m-%dT%H:%M:%S%.f", out))
        }
        DataType::Time32(TimeUnit::Second) => time::<Time32SecondType>(array),
        DataType::Time32(TimeUnit::Millisecond) => time::<Time32MillisecondType>(array),
        DataType::Time64(TimeUnit::Microsecond) => time::<Time64MicrosecondType>(array),
        DataType::Time64(TimeUnit::Nanosecond) => time::<Time64NanosecondType>(array),
        DataType::Timestamp(TimeUnit::Second, zone) => stamp::<TimestampSecondType>(array, zone.is_some()),
        DataType::Timestamp(TimeUnit::Millisecond, zone) => stamp::<TimestampMillisecondType>(array, zone.is_some()),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => stamp::<TimestampMicrosecondType>(array, zone.is_some()),
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => stamp::<TimestampNanosecondType>(array, zone.is_some()),
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            // Without any value every row is null, and no key is asked for.
            let keys = if dictionary.values().is_empty() { Vec::new() } else { dictionary.normalized_keys() };
            let values = cell(field, dictionary.values().as_ref(), path)?;
            Box::new(move |row, out| values(keys[row], out))
        }
        DataType::Struct(_) => object(array.as_struct(), path)?,
        DataType::List(of) => list(array.as_list::<i32>(), of, path)?,
        DataType::LargeList(of) => list(array.as_list::<i64>(), of, path)?,
        DataType::FixedSizeList(of, _) => {
            let array = array.as_fixed_size_list();
            let (values, each) = (cell(of, array.values().as_ref(), path)?, array.value_length() as usize);
            Box::new(move |row, out| elements(row * each..(row + 1) * each, &values, out))
        }
        other => return Err(unsupported(other, path)),
    })
}

fn unsupported(ty: &DataType, path: &Path) -> Error {
    Error::new(ErrorKind::Unsupported, format!("a record batch has a column of type {ty}, which no table takes"))
        .with_location(Location { column: Some(path.to_string()), ..Location::default() })
        .with_hint("cast the column to text, a number or a time first")
}

fn extension(field: &Field) -> Option<&str> {
    field.metadata().get("ARROW:extension:name").map(String::as_str)
}

/// Whether the field's text is JSON.
pub(super) fn is_json(field: &Field) -> bool {
    extension(field) == Some("arrow.json")
}

fn number<'a, T: ArrowPrimitiveType<Native: std::fmt::Display>>(array: &'a dyn Array) -> Cell<'a> {
    let array = array.as_primitive::<T>();
    Box::new(|row, out| put(out, format_args!("{}", array.value(row))))
}

fn decimal<'a, T: ArrowPrimitiveType<Native: Into<i128>>>(array: &'a dyn Array, scale: usize) -> Cell<'a> {
    let array = array.as_primitive::<T>();
    Box::new(move |row, out| out.extend(decimal_text(array.value(row).into(), scale).bytes()))
}

/// The shortest text that gives the double back.
fn double(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        put(out, format_args!("{value:?}"))
    } else {
        no_value(out, format_args!("Float64: {value}"))
    }
}

/// What neither JSON nor a calendar has: it makes the record none, so that it is quarantined with the value in it, into
/// whatever column it was to go. As a string it would be a value where a column or a list takes strings.
fn no_value(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    put(out, format_args!("no value of {what}"));
}

/// A text as a JSON string.
pub(super) fn text(value: &str, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out, value);
}

/// JSON text without line ends: between values they are blanks, and within strings there are none. What is no JSON, and
/// could be taken for more members of the record, makes the record none, so that it is quarantined.
fn json(value: &str, out: &mut Vec<u8>) {
    if check_json(value.as_bytes()).is_err() {
        out.extend_from_slice(b"not JSON: ");
        return text(value, out);
    }
    out.extend(value.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
}

fn uuid(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend(bytes.first_chunk().iter().flat_map(|id| uuid_text(id)));
    out.push(b'"');
}

fn time<'a, T: ArrowPrimitiveType<Native: Into<i64>>>(array: &'a dyn Array) -> Cell<'a> {
    let array = array.as_primitive::<T>();
    Box::new(|row, out| match as_time::<T>(array.value(row).into()) {
        Some(time) => put(out, format_args!("\"{}\"", time.format("%H:%M:%S%.f"))),
        None => no_value(out, format_args!("{}: {}", T::DATA_TYPE, array.value(row).into())),
    })
}

fn stamp<'a, T: ArrowPrimitiveType<Native = i64>>(array: &'a dyn Array, zoned: bool) -> Cell<'a> {
    let array = array.as_primitive::<T>();
    let format = if zoned { "%Y-%m-%dT%H:%M:%S%.fZ" } else { "%Y-%m-%dT%H:%M:%S%.f" };
    Box::new(move |row, out| moment::<T>(array.value(row), format, out))
}

/// A moment as text, if a calendar has it.
fn moment<T: ArrowPrimitiveType>(value: i64, format: &str, out: &mut Vec<u8>) {
    match as_datetime::<T>(value) {
        Some(moment) => put(out, format_args!("\"{}\"", moment.format(format))),
        None => no_value(out, format_args!("{}: {value}", T::DATA_TYPE)),
    }
}

fn object<'a>(array: &'a StructArray, path: &Path) -> Result<Cell<'a>> {
    let mut members: Vec<(Vec<u8>, Cell<'a>)> = Vec::new();
    for (field, array) in array.fields().iter().zip(array.columns()) {
        let mut key = Vec::new();
        text(field.name(), &mut key);
        let inner = Path::new(path.keys().iter().cloned().chain([field.name().clone()]));
        if members.iter().any(|(known, _)| *known == key) {
            return Err(two_of_one_name(&inner));
        }
        members.push((key, cell(field, array.as_ref(), &inner)?));
    }
    Ok(Box::new(move |row, out| {
        out.push(b'{');
        for (nth, (key, cell)) in members.iter().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            out.extend_from_slice(key);
            out.push(b':');
            cell(row, out);
        }
        out.push(b'}');
    }))
}

/// A record would lose one of two values that it has under one name.
pub(super) fn two_of_one_name(path: &Path) -> Error {
    Error::config("a record batch has two columns of one name")
        .with_location(Location { column: Some(path.to_string()), ..Location::default() })
        .with_hint("give each column a name of its own")
}

fn list<'a, O: OffsetSizeTrait>(array: &'a GenericListArray<O>, of: &Field, path: &Path) -> Result<Cell<'a>> {
    let values = cell(of, array.values().as_ref(), path)?;
    Ok(Box::new(move |row, out| {
        let offsets = array.value_offsets();
        elements(offsets[row].as_usize()..offsets[row + 1].as_usize(), &values, out);
    }))
}

fn elements(rows: std::ops::Range<usize>, values: &Cell<'_>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (nth, row) in rows.enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        values(row, out);
    }
    out.push(b']');
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::*;

    use super::*;

    fn written(array: &dyn Array, field: &Field) -> Vec<String> {
        let cell = cell(field, array, &Path::new(["a"])).unwrap();
        let text = |row| {
            let mut out = Vec::new();
            cell(row, &mut out);
            String::from_utf8(out).unwrap()
        };
        (0..array.len()).map(text).collect()
    }

    fn plain(array: &dyn Array) -> Vec<String> {
        written(array, &Field::new("a", array.data_type().clone(), true))
    }

    #[test]
    fn numbers_are_written_so_that_they_come_back() {
        assert_eq!(plain(&UInt64Array::from(vec![u64::MAX])), ["18446744073709551615"]);
        assert_eq!(plain(&Float32Array::from(vec![0.1])), ["0.10000000149011612"]);
        let infinite = "no value of Float64: inf";
        assert_eq!(plain(&Float64Array::from(vec![-0.0, 1e300, f64::INFINITY])), ["-0.0", "1e300", infinite]);
        let decimals = Decimal128Array::from(vec![-5, 12_345]).with_precision_and_scale(10, 3).unwrap();
        assert_eq!(plain(&decimals), ["-0.005", "12.345"]);
        let narrow = Decimal32Array::from(vec![-5]).with_precision_and_scale(9, 2).unwrap();
        assert_eq!(plain(&narrow), ["-0.05"]);
    }

    #[test]
    fn times_are_written_in_iso_8601_and_with_their_zone() {
        let micros = TimestampMicrosecondArray::from(vec![1_704_067_200_000_001]);
        assert_eq!(plain(&micros), ["\"2024-01-01T00:00:00.000001\""]);
        let zoned = TimestampSecondArray::from(vec![0]).with_timezone("+02:00");
        assert_eq!(plain(&zoned), ["\"1970-01-01T00:00:00Z\""]);
        assert_eq!(plain(&Date32Array::from(vec![-1])), ["\"1969-12-31\""]);
        let past = "no value of Time32(s): 90000";
        assert_eq!(plain(&Time32SecondArray::from(vec![3_661, 90_000])), ["\"01:01:01\"", past]);
    }

    #[test]
    fn nested_values_dictionaries_and_json_are_written_whole() {
        let words: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
        assert_eq!(plain(&words), ["\"a\"", "null", "\"a\""]);
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), None]), Some(vec![])]);
        assert_eq!(plain(&lists), ["[1,null]", "[]"]);
        let inner: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let object = StructArray::from(vec![(Arc::new(Field::new("x", DataType::Int64, true)), inner.clone())]);
        assert_eq!(plain(&object), ["{\"x\":1}"]);
        let x = || (Arc::new(Field::new("x", DataType::Int64, true)), inner.clone());
        let twice = StructArray::from(vec![x(), x()]);
        let field = Field::new("a", twice.data_type().clone(), true);
        let refused = cell(&field, &twice, &Path::new(["a"])).map(drop).unwrap_err();
        assert_eq!((refused.kind(), refused.location().unwrap().column.as_deref()), (ErrorKind::Config, Some("a.x")));
        let json = Field::new("a", DataType::Utf8, true).with_metadata(std::collections::HashMap::from([(
            "ARROW:extension:name".to_owned(),
            "arrow.json".to_owned(),
        )]));
        let values = vec!["{\n\"k\":1}", "1,\"b\":2"];
        let texts = ["{ \"k\":1}", "not JSON: \"1,\\\"b\\\":2\""];
        assert_eq!(written(&StringArray::from(values.clone()), &json), texts);
        let view = json.clone().with_data_type(DataType::Utf8View);
        assert_eq!(written(&StringViewArray::from(values), &view), texts);
    }

    #[test]
    fn what_no_table_takes_is_refused_with_its_column() {
        let bytes = BinaryArray::from(vec![&b"x"[..]]);
        let error = cell(&Field::new("a", DataType::Binary, true), &bytes, &Path::new(["a"])).map(drop).unwrap_err();
        assert_eq!((error.kind(), error.location().unwrap().column.as_deref()), (ErrorKind::Unsupported, Some("a")));
    }
}
