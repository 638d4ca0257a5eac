//! One value → its class and its measures. Pure: the answer depends on the value's bytes alone.

use super::evidence::{Class, Evidence, Range};
use crate::records::FieldKind;
use crate::value::{self, Number, Shape, Simple, Stamp};

/// Digits past which they are not counted further.
const MANY: i64 = 9_999;

/// Classes a value, given as text (unquoted, unescaped), and takes its measures into `evidence`.
pub(crate) fn observe(evidence: &mut Evidence, kind: FieldKind, text: &[u8]) -> Class {
    match kind {
        FieldKind::Null => return Class::Null,
        FieldKind::Cell if text.is_empty() => return Class::Null,
        FieldKind::Object if is_empty_object(text) => return measured(evidence, text, Class::EmptyObject),
        // An object's text is measured too: it may end as one column of JSON.
        FieldKind::Object => return measured(evidence, text, Class::Object),
        FieldKind::Array => return measured(evidence, text, Class::Array),
        FieldKind::WholeObject => return measured(evidence, text, Class::WholeObject),
        _ => {}
    }
    let class = match kind {
        FieldKind::True | FieldKind::False => Class::Boolean,
        FieldKind::Int | FieldKind::Real => match value::simple(text) {
            Some(number) => observe_simple(evidence, &number),
            None => json_number(evidence, text),
        },
        FieldKind::Str | FieldKind::EscapedStr => string(evidence, text),
        _ => cell(evidence, kind, text),
    };
    measured(evidence, text, class)
}

fn measured(evidence: &mut Evidence, text: &[u8], class: Class) -> Class {
    Range::add(&mut evidence.bytes, text.len() as u64);
    class
}

fn is_empty_object(text: &[u8]) -> bool {
    text.len() >= 2 && text[1..text.len() - 1].iter().all(u8::is_ascii_whitespace)
}

fn json_number(evidence: &mut Evidence, text: &[u8]) -> Class {
    match value::json_number(text) {
        Some(number) => observe_number(evidence, text, &number),
        None => Class::Text,
    }
}

fn observe_simple(evidence: &mut Evidence, number: &Simple) -> Class {
    evidence.int_digits = evidence.int_digits.max(number.int_digits);
    evidence.scale = evidence.scale.max(number.scale);
    if number.point {
        // -0.0 and 0.0 are equal, so which of them came first must not show.
        Range::add(&mut evidence.floats, number.double() + 0.0);
        Class::Frac
    } else {
        integer(evidence, i128::from(number.unscaled))
    }
}

fn observe_number(evidence: &mut Evidence, text: &[u8], number: &Number) -> Class {
    // Past 38 digits what counts is that it is past them; the bound keeps 1e999999 from overflowing a sum.
    evidence.int_digits = evidence.int_digits.max(number.int_digits.min(MANY) as u32);
    evidence.scale = evidence.scale.max(number.scale.min(MANY) as u32);
    if number.int_digits + number.scale > 38 {
        // Past every exact type; a double may still give it back, as it does for 1e300.
        return match number.shape {
            Shape::Exp if value::double_gives_back(text, number) => float(evidence, text, Class::Exp),
            Shape::Frac if value::double_gives_back(text, number) => float(evidence, text, Class::Frac),
            _ => Class::NumberHuge,
        };
    }
    match number.shape {
        Shape::Int => match value::decimal(text, number) {
            Some(exact) => integer(evidence, exact.unscaled),
            None => Class::NumberHuge,
        },
        _ if !value::double_gives_back(text, number) => Class::Exact,
        Shape::Frac => float(evidence, text, Class::Frac),
        Shape::Exp => float(evidence, text, Class::Exp),
    }
}

fn integer(evidence: &mut Evidence, int: i128) -> Class {
    Range::add(&mut evidence.ints, int);
    if i16::try_from(int).is_ok() {
        Class::Int16
    } else if i32::try_from(int).is_ok() {
        Class::Int32
    } else if i64::try_from(int).is_ok() {
        Class::Int64
    } else {
        Class::IntWide
    }
}

fn float(evidence: &mut Evidence, text: &[u8], class: Class) -> Class {
    let value = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    if let Some(value) = value {
        // -0.0 and 0.0 are equal, so which of them came first must not show.
        Range::add(&mut evidence.floats, value + 0.0);
    }
    class
}

/// A JSON string leaves text only for shapes that are unmistakable.
fn string(evidence: &mut Evidence, text: &[u8]) -> Class {
    match text.len() {
        10 if text[4] == b'-' => match value::date(text) {
            Some(day) => date(evidence, day),
            None => word(text),
        },
        16..=35 if text[4] == b'-' && text[7] == b'-' => match value::timestamp(text) {
            Some(stamp) => instant(evidence, &stamp),
            None => Class::Text,
        },
        36 if value::uuid(text).is_some() => Class::Uuid,
        _ => word(text),
    }
}

fn date(evidence: &mut Evidence, day: i32) -> Class {
    Range::add(&mut evidence.seconds, i64::from(day) * 86_400);
    Class::Date
}

fn instant(evidence: &mut Evidence, stamp: &Stamp) -> Class {
    Range::add(&mut evidence.seconds, stamp.seconds);
    match (stamp.zoned, stamp.micros().is_some()) {
        (false, true) => Class::Timestamp,
        (false, false) => Class::TimestampNanos,
        (true, true) => Class::TimestampTz,
        (true, false) => Class::TimestampTzNanos,
    }
}

fn cell(evidence: &mut Evidence, kind: FieldKind, text: &[u8]) -> Class {
    let Some(first) = text.first() else { return Class::EmptyQuoted };
    match first {
        b'0'..=b'9' | b'-' | b'.' | b'+' => digits(evidence, text),
        _ => match value::null_word(text).filter(|_| kind == FieldKind::Cell) {
            Some(word) => {
                evidence.null_words |= 1 << word;
                Class::NullWord
            }
            None => other_cell(evidence, text),
        },
    }
}

/// A cell that begins like a number, a day or a time.
fn digits(evidence: &mut Evidence, text: &[u8]) -> Class {
    if let Some(number) = value::simple(text) {
        return observe_simple(evidence, &number);
    }
    if let Some(number) = value::number(text) {
        return observe_number(evidence, text, &number);
    }
    if matches!(text, b"-inf" | b"-Infinity" | b"-Inf") {
        return Class::NonFinite;
    }
    if text.len() >= 5 && text[2] == b':' && value::time(text).is_some() {
        return Class::Time;
    }
    match string(evidence, text) {
        Class::Text if is_code(text) => Class::Code,
        Class::Text if text.ends_with(b" ") => padded(text),
        class => class,
    }
}

/// Digits that would be a number but for a leading zero or a plus sign.
fn is_code(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let trimmed = &unsigned[unsigned.iter().take_while(|byte| **byte == b'0').count()..];
    unsigned.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.')
        && (trimmed.is_empty() || value::number(trimmed).is_some())
}

fn other_cell(evidence: &mut Evidence, text: &[u8]) -> Class {
    if value::boolean(text).is_some() {
        return Class::Boolean;
    }
    if matches!(text, b"NaN" | b"nan" | b"inf" | b"Inf" | b"Infinity") {
        return Class::NonFinite;
    }
    if text[0] == b' ' {
        return padded(text);
    }
    string(evidence, text)
}

fn padded(text: &[u8]) -> Class {
    if value::number(text.trim_ascii()).is_some() { Class::Padded } else { Class::Text }
}

/// Text that hints could make more of.
fn word(text: &[u8]) -> Class {
    match text.len() {
        1..=3 => {
            let mut lower = [0; 3];
            lower.iter_mut().zip(text).for_each(|(to, from)| *to = from.to_ascii_lowercase());
            match &lower[..text.len()] {
                b"yes" | b"no" | b"y" | b"n" | b"on" | b"off" | b"t" | b"f" => Class::BooleanWord,
                _ => Class::Text,
            }
        }
        8..=10 if text[0].is_ascii_digit() => {
            match (value::day_first(text).is_some(), value::month_first(text).is_some()) {
                (true, true) => Class::SlashDate,
                (true, false) => Class::DayFirst,
                (false, true) => Class::MonthFirst,
                (false, false) => Class::Text,
            }
        }
        _ => Class::Text,
    }
}

/// The words for "no value" that were seen.
pub(crate) fn null_words(evidence: &Evidence) -> impl Iterator<Item = &'static str> {
    let bits = evidence.null_words;
    value::NULL_WORDS.into_iter().enumerate().filter(move |(at, _)| bits & 1 << at != 0).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(kind: FieldKind, text: &str) -> Class {
        observe(&mut Evidence::default(), kind, text.as_bytes())
    }

    #[test]
    fn cells_are_numbers_days_and_words() {
        let cases = [
            ("", Class::Null),
            ("7", Class::Int16),
            ("-32769", Class::Int32),
            ("2147483648", Class::Int64),
            ("9223372036854775808", Class::IntWide),
            ("1.50", Class::Frac),
            (".5", Class::Frac),
            ("1e5", Class::Exp),
            ("12345678901234567.89", Class::Exact),
            ("1e400", Class::NumberHuge),
            ("00501", Class::Code),
            ("-07", Class::Code),
            ("007.50", Class::Code),
            ("00", Class::Code),
            ("+318855443322", Class::Code),
            ("TRUE", Class::Boolean),
            ("NaN", Class::NonFinite),
            ("2024-02-29", Class::Date),
            ("2024-02-30", Class::Text),
            ("2024-01-05 10:20:30", Class::Timestamp),
            ("2024-01-05T10:20:30.123456789", Class::TimestampNanos),
            ("2024-01-05 10:20:30+02", Class::TimestampTz),
            ("12:34", Class::Time),
            ("25:00:00", Class::Text),
            ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", Class::Uuid),
            ("NA", Class::NullWord),
            ("  ", Class::NullWord),
            ("\\N", Class::NullWord),
            (" 5", Class::Padded),
            ("5 ", Class::Padded),
            ("yes", Class::BooleanWord),
            ("01/02/2024", Class::SlashDate),
            ("25/12/2024", Class::DayFirst),
            ("12/25/2024", Class::MonthFirst),
            ("01/05/24", Class::Text),
            ("-", Class::Text),
            ("$5.00", Class::Text),
            ("12345-6789", Class::Text),
            ("infinity", Class::Text),
        ];
        for (text, expected) in cases {
            assert_eq!(class(FieldKind::Cell, text), expected, "{text:?}");
        }
        assert_eq!(class(FieldKind::Quoted, ""), Class::EmptyQuoted);
        assert_eq!(class(FieldKind::Quoted, "NA"), Class::Text);
        assert_eq!(class(FieldKind::Quoted, "12"), Class::Int16);
    }

    #[test]
    fn json_strings_stay_text_unless_unmistakable() {
        for text in ["123", "true", "NaN", "", "10:20:30", " 5", "20240105", "NA"] {
            assert!(matches!(class(FieldKind::Str, text), Class::Text | Class::BooleanWord), "{text:?}");
        }
        assert_eq!(class(FieldKind::Str, "2024-01-05"), Class::Date);
        assert_eq!(class(FieldKind::Str, "2024-01-05T10:20:30-07:00"), Class::TimestampTz);
        assert_eq!(class(FieldKind::Str, "3F2504E0-4F89-41D3-9A0C-0305E82C3301"), Class::Uuid);
    }
}
