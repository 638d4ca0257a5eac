//! Values of Arrow arrays as text: as the backing server reads them, and as JSON.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrowPrimitiveType};
use arrow_schema::{DataType, TimeUnit};

/// A value that is not null, in the form that the backing server reads; `None` for a type that no COPY takes.
pub(crate) fn text_of(array: &dyn Array, at: usize) -> Option<String> {
    fn number<T: ArrowPrimitiveType<Native: ToString>>(array: &dyn Array, at: usize) -> Option<String> {
        Some(array.as_primitive::<T>().value(at).to_string())
    }
    match array.data_type() {
        DataType::Boolean => Some(if array.as_boolean().value(at) { "t" } else { "f" }.to_owned()),
        DataType::Int8 => number::<Int8Type>(array, at),
        DataType::Int16 => number::<Int16Type>(array, at),
        DataType::Int32 => number::<Int32Type>(array, at),
        DataType::Int64 => number::<Int64Type>(array, at),
        DataType::UInt8 => number::<UInt8Type>(array, at),
        DataType::UInt16 => number::<UInt16Type>(array, at),
        DataType::UInt32 => number::<UInt32Type>(array, at),
        DataType::Float32 => number::<Float32Type>(array, at),
        DataType::Float64 => number::<Float64Type>(array, at),
        DataType::Decimal128(_, scale) => Some(decimal(array.as_primitive::<Decimal128Type>().value(at), *scale)),
        DataType::Date32 => Some(date(i64::from(array.as_primitive::<Date32Type>().value(at)))),
        DataType::Timestamp(unit, zone) => {
            let micros = match unit {
                TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(at).checked_mul(1_000_000)?,
                TimeUnit::Millisecond => {
                    array.as_primitive::<TimestampMillisecondType>().value(at).checked_mul(1000)?
                }
                TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(at),
                TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(at).div_euclid(1000),
            };
            Some(timestamp(micros, zone.is_some()))
        }
        DataType::Utf8 => Some(array.as_string::<i32>().value(at).to_owned()),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(at).to_owned()),
        DataType::Utf8View => Some(array.as_string_view().value(at).to_owned()),
        DataType::Binary => Some(hex(array.as_binary::<i32>().value(at))),
        DataType::LargeBinary => Some(hex(array.as_binary::<i64>().value(at))),
        _ => None,
    }
}

/// A value as JSON: what SERIALIZETOJSON makes of it.
pub(crate) fn json_text(array: &dyn Array, at: usize) -> Option<String> {
    if array.is_null(at) {
        return Some("null".to_owned());
    }
    let string = |text: &str| serde_json::Value::from(text).to_string();
    match array.data_type() {
        DataType::Boolean => Some(array.as_boolean().value(at).to_string()),
        DataType::Utf8 => Some(string(array.as_string::<i32>().value(at))),
        DataType::LargeUtf8 => Some(string(array.as_string::<i64>().value(at))),
        DataType::Utf8View => Some(string(array.as_string_view().value(at))),
        DataType::List(_) => list(&array.as_list::<i32>().value(at)),
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(at)),
        DataType::Struct(fields) => {
            let array = array.as_struct();
            let member = |(i, field): (usize, &arrow_schema::FieldRef)| {
                Some(format!("{}:{}", string(field.name()), json_text(array.column(i), at)?))
            };
            let members: Option<Vec<String>> = fields.iter().enumerate().map(member).collect();
            Some(format!("{{{}}}", members?.join(",")))
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(at);
            let member = |i| {
                let key = text_of(entries.column(0), i)?;
                Some(format!("{}:{}", string(&key), json_text(entries.column(1), i)?))
            };
            let members: Option<Vec<String>> = (0..entries.len()).map(member).collect();
            Some(format!("{{{}}}", members?.join(",")))
        }
        DataType::Date32 | DataType::Timestamp(..) | DataType::Binary | DataType::LargeBinary => {
            text_of(array, at).map(|text| string(&text))
        }
        _ => text_of(array, at),
    }
}

fn list(items: &dyn Array) -> Option<String> {
    let items: Option<Vec<String>> = (0..items.len()).map(|at| json_text(items, at)).collect();
    Some(format!("[{}]", items?.join(",")))
}

fn decimal(unscaled: i128, scale: i8) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let sign = if unscaled < 0 { "-" } else { "" };
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\\x{digits}")
}

/// A day counted from 1970-01-01 as `YYYY-MM-DD`, years before the common era with ` BC`.
fn date(days: i64) -> String {
    let (year, month, day) = civil(days);
    if year > 0 { format!("{year:04}-{month:02}-{day:02}") } else { format!("{:04}-{month:02}-{day:02} BC", 1 - year) }
}

/// Microseconds since 1970-01-01.
fn timestamp(micros: i64, zone: bool) -> String {
    let (days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let day = date(days);
    let (day, era) = day.split_once(" BC").map_or((day.as_str(), ""), |(day, _)| (day, " BC"));
    let zone = if zone { "+00" } else { "" };
    format!("{day} {:02}:{:02}:{:02}.{fraction:06}{zone}{era}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Year, month and day of the proleptic Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years begin on the first of March, eras are 400 years.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_spelled_as_the_server_reads_them() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(date(-719_163), "0001-12-31 BC");
        assert_eq!(timestamp(-1, false), "1969-12-31 23:59:59.999999");
        assert_eq!(timestamp(1_704_067_200_000_001, true), "2024-01-01 00:00:00.000001+00");
    }

    #[test]
    fn decimals_keep_their_scale_and_sign() {
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(12_345, 2), "123.45");
        assert_eq!(decimal(7, 0), "7");
    }
}
