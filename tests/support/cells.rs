//! Cells of a batch against what a record says, by means that share nothing with the decoder: digits as text, days and
//! instants by chrono, JSON by `serde_json`.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType, TimestampNanosecondType,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use longshore::Type;
use longshore::records::FieldKind;
use longshore::schema::{Reading, TimeUnit};

use crate::inputs::Leaf;
use crate::json::Tree;

/// Whether a field holds no value for a column of a type.
pub(crate) fn is_nothing(leaf: &Leaf, ty: Type) -> bool {
    let typed = !matches!(ty, Type::Text | Type::Json | Type::Null);
    let text = String::from_utf8(leaf.text.clone()).unwrap();
    let words = ["NA", "N/A", "NULL", "null", "\\N"];
    match leaf.kind {
        FieldKind::Null => true,
        FieldKind::Cell => {
            text.is_empty() || (typed && (words.contains(&text.as_str()) || text.trim_matches(' ').is_empty()))
        }
        FieldKind::Quoted | FieldKind::EscapedQuoted => typed && text.is_empty(),
        _ => false,
    }
}

/// Whether a value in the overflow is a field's.
pub(crate) fn is_value(leaf: &Leaf, value: &Tree) -> bool {
    match leaf.kind {
        FieldKind::Cell | FieldKind::Quoted | FieldKind::EscapedQuoted => {
            *value == Tree::Text(String::from_utf8(leaf.text.clone()).unwrap())
        }
        _ => same_json(&leaf.source_text, value),
    }
}

fn same_json(text: &[u8], found: &Tree) -> bool {
    Tree::parse(text).is_ok_and(|tree| tree == *found)
}

/// Whether a cell holds what the record says.
pub(crate) fn same(leaf: &Leaf, ty: Type, reading: Reading, array: &ArrayRef, row: usize) -> Result<bool, String> {
    let text = String::from_utf8(leaf.text.clone()).unwrap();
    let text = if reading == Reading::Trim { text.trim_ascii() } else { text.as_str() };
    Ok(match ty {
        Type::Text | Type::Null => array.as_string::<i32>().value(row) == text,
        Type::Json => {
            let found = Tree::parse(array.as_string::<i32>().value(row).as_bytes());
            let source = match leaf.kind {
                FieldKind::Cell | FieldKind::Quoted | FieldKind::EscapedQuoted => &leaf.text,
                _ => &leaf.source_text,
            };
            // The independent reader gives up at 128 levels; then the text itself must be there.
            found.map_or(array.as_string::<i32>().value(row).as_bytes() == source, |found| same_json(source, &found))
        }
        Type::Boolean => {
            let yes = ["true", "yes", "y", "on", "t", "1"].contains(&text.to_lowercase().as_str());
            array.as_boolean().value(row) == yes
        }
        Type::Int16 => digits(text) == digits(&array.as_primitive::<Int16Type>().value(row).to_string()),
        Type::Int32 => digits(text) == digits(&array.as_primitive::<Int32Type>().value(row).to_string()),
        Type::Int64 => digits(text) == digits(&array.as_primitive::<Int64Type>().value(row).to_string()),
        Type::Decimal { .. } => digits(text) == digits(&array.as_primitive::<Decimal128Type>().value_as_string(row)),
        Type::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            let special = text.to_lowercase().replace("infinity", "inf").parse::<f64>().unwrap();
            match special.is_finite() {
                true => digits(text) == digits(&format!("{value:e}")) && value == special,
                false => special.is_nan() == value.is_nan() && (value.is_nan() || value == special),
            }
        }
        Type::Date => {
            let days = array.as_primitive::<Date32Type>().value(row);
            let date = match reading {
                Reading::DayFirst => NaiveDate::parse_from_str(&text.replace(['.', '-'], "/"), "%d/%m/%Y"),
                Reading::MonthFirst => NaiveDate::parse_from_str(&text.replace(['.', '-'], "/"), "%m/%d/%Y"),
                _ => NaiveDate::parse_from_str(text, "%Y-%m-%d"),
            };
            let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
            date.map_err(|error| format!("{text}: {error}"))? - epoch == chrono::TimeDelta::days(days.into())
        }
        Type::Time => {
            let micros = array.as_primitive::<Time64MicrosecondType>().value(row);
            let time = ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok());
            let time = time.ok_or(format!("{text} is no time"))?;
            i64::from(time.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(time.nanosecond()) == micros * 1000
        }
        Type::Timestamp(unit) | Type::TimestampTz(unit) => {
            let ticks = match unit {
                TimeUnit::Micro => i128::from(array.as_primitive::<TimestampMicrosecondType>().value(row)) * 1000,
                TimeUnit::Nano => i128::from(array.as_primitive::<TimestampNanosecondType>().value(row)),
            };
            ticks == nanos(text, reading).ok_or(format!("{text} is no instant"))?
        }
        Type::Uuid => {
            let bytes = array.as_fixed_size_binary().value(row);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            hex == text.replace('-', "").to_lowercase()
        }
        other => return Err(format!("a column of type {other}")),
    })
}

/// Nanoseconds since 1970, as chrono reads them.
fn nanos(text: &str, reading: Reading) -> Option<i128> {
    let of = |seconds: i64, nanos: u32| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    match reading {
        Reading::EpochSeconds => return Some(text.parse::<i128>().ok()? * 1_000_000_000),
        Reading::EpochMillis => return Some(text.parse::<i128>().ok()? * 1_000_000),
        _ => {}
    }
    let text = text.replacen(' ', "T", 1);
    // chrono wants minutes in an offset.
    let clock = text.get(11..).unwrap_or_default();
    let short = clock.rfind(['+', '-']).is_some_and(|at| clock.len() - at == 3);
    let full = if short { format!("{text}00") } else { text.replace('Z', "+0000") };
    for form in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z"] {
        if let Ok(found) = DateTime::parse_from_str(&full, form) {
            return Some(of(found.timestamp(), found.timestamp_subsec_nanos()));
        }
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(found) = NaiveDateTime::parse_from_str(&text, form) {
            return Some(of(found.and_utc().timestamp(), found.and_utc().timestamp_subsec_nanos()));
        }
    }
    let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?;
    Some(of(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp(), 0))
}

/// A number as its sign, its significant digits and the power of ten of the last of them.
fn digits(text: &str) -> Option<(bool, String, i64)> {
    let lower = text.to_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (int, frac) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{int}{frac}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = all.trim_start_matches('0').trim_end_matches('0').to_string();
    if significant.is_empty() {
        return Some((false, significant, 0));
    }
    let trailing = (all.len() - all.trim_end_matches('0').len()) as i64;
    Some((negative, significant, exponent.parse::<i64>().ok()? - frac.len() as i64 + trailing))
}
