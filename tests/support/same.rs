//! Whether a value read back from a warehouse is the value of the source, told without the library's own code.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use longshore::Type;
use serde_json::Value;

/// Whether `found`, as Postgres prints it, is the JSON value `source` in a column of this type.
pub(crate) fn same_json(ty: Type, source: &Value, found: Option<&str>) -> bool {
    let Some(found) = found else { return source.is_null() };
    match (ty, source) {
        (_, Value::Null) => false,
        (Type::Json, _) => serde_json::from_str(found).is_ok_and(|found: Value| equal(&found, source)),
        (Type::Text, Value::String(text)) => text == found,
        (Type::Text, other) => found == other.to_string().as_str(),
        (Type::Boolean, Value::Bool(value)) => found == if *value { "t" } else { "f" },
        (_, Value::Number(number)) => same_text(ty, &number.to_string(), found),
        (_, Value::String(text)) => same_text(ty, text, found),
        _ => false,
    }
}

/// Whether `found`, as Postgres prints it, is the CSV cell `source` in a column of this type. Whether an empty cell
/// was quoted is not known here, so it may be null or empty text.
pub(crate) fn same_cell(ty: Type, source: &str, found: Option<&str>) -> bool {
    let text = matches!(ty, Type::Text | Type::Null);
    match found {
        None => {
            source.is_empty() || (!text && matches!(source.trim(), "" | "NA" | "N/A" | "n/a" | "NULL" | "null" | "\\N"))
        }
        Some(found) if text => source == found,
        Some(found) if ty == Type::Boolean => source.to_lowercase().starts_with(found) && found.len() == 1,
        Some(found) => same_text(ty, source, found),
    }
}

fn same_text(ty: Type, source: &str, found: &str) -> bool {
    match ty {
        Type::Int16 | Type::Int32 | Type::Int64 | Type::Decimal { .. } => digits(source) == digits(found),
        Type::Float64 => match (source.parse::<f64>(), found.parse::<f64>()) {
            (Ok(a), Ok(b)) => a == b || (a.is_nan() && b.is_nan()),
            _ => false,
        },
        Type::Date => source == found,
        Type::Time => clock(source).is_some() && clock(source) == clock(found),
        Type::Timestamp(_) => naive(source).is_some() && naive(source) == naive(found),
        Type::TimestampTz(_) => instant(source).is_some() && instant(source) == instant(found),
        Type::Uuid => source.eq_ignore_ascii_case(found),
        _ => source == found,
    }
}

fn clock(text: &str) -> Option<NaiveTime> {
    ["%H:%M:%S%.f", "%H:%M"].into_iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok())
}

fn naive(text: &str) -> Option<NaiveDateTime> {
    let text = text.replacen('T', " ", 1);
    let full = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let day = || NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    full.into_iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok()).or_else(day)
}

fn instant(text: &str) -> Option<i64> {
    let text = text.replacen('T', " ", 1).replace('Z', "+00");
    let forms = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z"];
    forms.into_iter().find_map(|form| DateTime::parse_from_str(&text, form).ok())?.timestamp_micros().into()
}

/// A number's sign, significant digits and the power of ten of its first digit: equal for equal numbers.
pub(crate) fn digits(text: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, frac) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all = format!("{whole}{frac}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = all.trim_start_matches('0');
    if significant.is_empty() {
        return Some((false, "0".into(), 0));
    }
    let leading = (all.len() - significant.len()) as i64;
    let place = whole.len() as i64 - leading + exponent;
    Some((mantissa.starts_with('-'), significant.trim_end_matches('0').into(), place))
}

/// Whether two JSON values are equal, numbers by value and not by spelling.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => digits(&a.to_string()) == digits(&b.to_string()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}
